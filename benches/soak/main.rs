//! Hundreds of thousands of real calls through one gateway process, and what a call costs beside Kamailio.
//!
//! ```text
//! cargo bench --bench soak                      # 200,000 calls at 300 a second: memory, lost calls, leaks
//! cargo bench --bench soak -- 20000 300         # another number, another rate
//! cargo bench --bench soak -- kamailio 20000    # CPU per call: Kamailio's stateful relay and Ringward, side by side
//! cargo bench --bench soak -- secsipid 10000    # the same with signed calls, both verifying
//! RINGWARD_BINARY=$PWD/target/dist/ringward cargo bench --bench soak -- kamailio 20000     # of what `--profile dist` has built
//! ```
//!
//! The soak prints the resident memory over the first and over the last tenth of its calls, and fails when it grew by
//! more than 5 percent, when a call was lost, or when anything of a call is left when all are over. Before the first
//! tenth it makes calls at the same rate for one lifetime of a transaction ([`WARM_UP`]), which are counted with the rest
//! but not compared: transactions stay for 64*T1 after their call to answer what comes late (RFC 3261 §17), so memory has
//! to grow until the first of them go, and a level is reached only then.
//!
//! `kamailio` and `secsipid` run the same calls through both, twice, the order of the second time turned round, and print
//! the sums: what else the machine does meanwhile falls on both. Ours opens ports for media, decides, shows a banner and
//! keeps the record on disk; Kamailio relays (and with `secsipid` verifies by its module, certificate in its cache).
//! For signed calls both take tokens of ten minutes, because they are signed before the first call.
//!
//! Needs SIPp (Debian: sip-tester), and Kamailio (with kamailio-secsipid-modules) for the comparisons; its own ports are
//! 61,000 to 65,499, above those a system gives out.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

#[path = "../../tests/wire/support/mod.rs"]
#[allow(dead_code, reason = "shared with the wire tests")]
mod support;

#[path = "../../examples/verifier_matrix/matrix/mod.rs"]
#[allow(dead_code, reason = "shared with the example, which uses the rest")]
mod matrix;

mod kamailio;
mod signed;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use kamailio::Kamailio;
use signed::Signed;
use support::Peer;
use support::gateway::Gateway;

/// One call, and the phone that takes it, for SIPp.
const CALLER: &str = include_str!("caller.xml");
const PHONE: &str = include_str!("phone.xml");
const CALLS: u64 = 200_000;
/// Three quarters of what two cores carry with both SIPps beside it: calls that pile up while one stalls are memory too.
const RATE: u64 = 300;
/// 64*T1, and until the timers of that moment have run.
const WARM_UP: Duration = Duration::from_secs(34);
/// How much memory may grow from the first tenth to the last, in percent.
const GROWTH_MAX: f64 = 5.0;
/// 64*T1 and a little: what a call leaves behind is gone by then.
const AFTERMATH: Duration = Duration::from_secs(75);
/// What design.md aims at: this much of Kamailio's CPU per call; the second with both verifying.
const AIMS: [f64; 2] = [0.75, 0.5];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--test") || !support::have(&["sipp"]) {
        return ExitCode::SUCCESS;
    }
    let mut numbers = arguments
        .iter()
        .filter_map(|argument| argument.parse::<u64>().ok());
    let wants = |name: &str| arguments.iter().any(|argument| argument == name);
    if wants("kamailio") || wants("secsipid") {
        if !support::have(&["kamailio"]) {
            return ExitCode::SUCCESS;
        }
        let (calls, rate) = (numbers.next().unwrap_or(10_000), numbers.next().unwrap_or(300));
        return compare(calls, rate, wants("secsipid"));
    }
    let (calls, rate) = (numbers.next().unwrap_or(CALLS), numbers.next().unwrap_or(RATE));
    soak(calls, rate)
}

/// One gateway, many calls.
fn soak(calls: u64, rate: u64) -> ExitCode {
    let folder = support::folder("soak");
    let (_phone, phone) = answering_phone(&folder);
    let gateway = gateway(&folder, phone, 0, "");
    let before = gateway.resident_kib();
    let start = Instant::now();
    let warm_up = WARM_UP.as_secs() * rate;
    let all = warm_up + calls;
    let mut caller = calling(&folder, gateway.udp.port(), all, rate, None);

    let tenth = (calls / 10).max(1);
    let (mut first, mut last) = (0, 0);
    let mut told = Instant::now();
    let status = loop {
        let ended = calls_by(&gateway, "");
        let resident = gateway.resident_kib();
        if ended > warm_up && ended <= warm_up + tenth {
            first = first.max(resident);
        } else if ended > all - tenth {
            last = last.max(resident);
        }
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!(
                "{:6.0} s  {ended} calls ended, {} MiB resident",
                start.elapsed().as_secs_f64(),
                resident / 1024
            );
        }
        if let Some(status) = caller.0.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let took = start.elapsed().as_secs_f64();
    let left = entries_left(&gateway);
    let completed = calls_by(&gateway, "completed");
    let ended = calls_by(&gateway, "");
    last = last.max(gateway.resident_kib());
    let growth = (last as f64 / first.max(1) as f64 - 1.0) * 100.0;
    println!(
        "{ended} calls ended in {took:.0} s, {completed} of {all} completed (the first {warm_up} of them to warm up); SIPp: {status}"
    );
    println!(
        "gateway: {:.2} ms CPU per call; resident {} MiB at start, {} MiB in the first {tenth}, {} MiB in the last: {growth:+.1} %",
        gateway.cpu_seconds() / ended.max(1) as f64 * 1000.0,
        before / 1024,
        first / 1024,
        last / 1024
    );
    println!(
        "left when all were over: {left} entries; records lost: {}",
        records_lost(&gateway)
    );

    let mut faults = Vec::new();
    if !status.success() || completed < all {
        faults.push(format!("{} calls were lost", all.saturating_sub(completed)));
    }
    if left > 0 {
        faults.push(format!("{left} entries leaked"));
    }
    if growth > GROWTH_MAX {
        faults.push(format!("memory grew by {growth:.1} %"));
    }
    if records_lost(&gateway) > 0 {
        faults.push("records were lost".into());
    }
    for fault in &faults {
        eprintln!("soak: {fault}");
    }
    ExitCode::from(u8::from(!faults.is_empty()))
}

/// The same calls through Kamailio and through us, one after the other and the other way round, both with one worker.
fn compare(calls: u64, rate: u64, is_signed: bool) -> ExitCode {
    let folder = support::folder("soak-kamailio");
    let (_phone, phone) = answering_phone(&folder);
    let signed = is_signed.then(|| Signed::new(&folder, calls));
    let signed = signed.as_ref();
    let (mut ours, mut theirs, mut lost) = (0.0, 0.0, 0);
    for is_ours in [false, true, true, false] {
        if is_ours {
            let (ms, missing) = through_us(&folder, phone, calls, rate, signed);
            (ours, lost) = (ours + ms, lost + missing);
        } else {
            theirs += through_kamailio(&folder, phone, calls, rate, signed);
        }
    }
    println!(
        "ratio     {:.2} (aim {}), {lost} calls lost",
        ours / theirs.max(f64::EPSILON),
        AIMS[usize::from(is_signed)]
    );
    ExitCode::from(u8::from(lost > 0))
}

/// Milliseconds of CPU per call.
fn through_kamailio(folder: &Path, phone: u16, calls: u64, rate: u64, signed: Option<&Signed>) -> f64 {
    let kamailio = Kamailio::start(folder, phone, signed);
    let before = kamailio.cpu_seconds();
    let status = calling(folder, kamailio.port, calls, rate, signed)
        .0
        .wait()
        .unwrap();
    let ms = (kamailio.cpu_seconds() - before) / calls as f64 * 1000.0;
    let what = match signed {
        None => "stateful relay, record-routed",
        Some(_) => "the same, secsipid verifying each INVITE",
    };
    println!("kamailio  {ms:.3} ms CPU per call ({what}); SIPp: {status}");
    ms
}

/// Milliseconds of CPU per call, and calls that were not completed (or not verified).
fn through_us(folder: &Path, phone: u16, calls: u64, rate: u64, signed: Option<&Signed>) -> (f64, u64) {
    let more = signed.map(|signed| signed.lines.as_str()).unwrap_or_default();
    let gateway = gateway(folder, phone, 1, more);
    let before = gateway.cpu_seconds();
    let status = calling(folder, gateway.udp.port(), calls, rate, signed)
        .0
        .wait()
        .unwrap();
    let ms = (gateway.cpu_seconds() - before) / calls as f64 * 1000.0;
    let what = match signed {
        None => "two legs, ports for media, policy, banner, record kept",
        Some(_) => "the same, each PASSporT verified",
    };
    println!("ringward  {ms:.3} ms CPU per call ({what}); SIPp: {status}");
    let done = match signed {
        None => calls_by(&gateway, "completed"),
        Some(_) => counted(&gateway, "ringward_identity_total{", "verified"),
    };
    (ms, calls.saturating_sub(done))
}

fn gateway(folder: &Path, phone: u16, shards: u16, more: &str) -> Gateway {
    // Its records begin anew: the second of two runs must not find those of the first.
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("ringward.db{ending}")));
    }
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\nshards = {shards}\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\n\
         [tdos]\nmode = \"off\"\n[[queue]]\nname = \"desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@127.0.0.1:{phone}\"]\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"61000-65499\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n{more}",
        folder.join("ringward.db").display(),
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).unwrap();
    Gateway::run(
        folder.to_path_buf(),
        &["serve", "--config", &file.display().to_string()],
    )
}

/// Calls that have ended so far; `ending` empty = however.
fn calls_by(gateway: &Gateway, ending: &str) -> u64 {
    counted(gateway, "ringward_calls_total{", ending)
}

/// The sum of a counter over the labels that hold `label`.
fn counted(gateway: &Gateway, name: &str, label: &str) -> u64 {
    let (_, text) = gateway.request("GET", "/metrics", None);
    let of = |line: &&str| line.starts_with(name) && line.contains(label);
    text.lines()
        .filter(of)
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum::<f64>() as u64
}

fn records_lost(gateway: &Gateway) -> u64 {
    let (_, text) = gateway.request("GET", "/metrics", None);
    let line = text
        .lines()
        .find(|line| line.starts_with("ringward_store_lost_total"));
    line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .unwrap_or(0.0) as u64
}

/// Calls, transactions, names and strays that are still there when nothing is going on any more.
fn entries_left(gateway: &Gateway) -> u64 {
    let start = Instant::now();
    loop {
        let status = gateway.get("/api/v1/status");
        let of = |name: &str| {
            let found = status["gateway"][name].as_u64();
            found.unwrap_or_else(|| panic!("{name} in {status}"))
        };
        let left = of("live_calls") + of("live_entries");
        if left == 0 || start.elapsed() > AFTERMATH {
            return left;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn answering_phone(folder: &Path) -> (Peer, u16) {
    let port = support::free_port();
    let scenario = folder.join("phone.xml");
    std::fs::write(&scenario, PHONE).unwrap();
    let mut command = sipp(folder);
    command
        .args(["-sf", &scenario.display().to_string(), "-p", &port.to_string()])
        .args(["-mp", &support::free_ports(20).to_string()]);
    let peer = Peer::start(&mut command);
    std::thread::sleep(Duration::from_millis(300));
    (peer, port)
}

fn calling(folder: &Path, to: u16, calls: u64, rate: u64, signed: Option<&Signed>) -> Peer {
    let port = support::free_port();
    let scenario = folder.join("caller.xml");
    let identity = match signed {
        None => "",
        // SIPp's fields are parted by the same semicolons as the header's parameters.
        Some(_) => "Identity: [field0];[field1];[field2];[field3]\n",
    };
    std::fs::write(&scenario, CALLER.replace("IDENTITY\n", identity)).unwrap();
    let mut command = sipp(folder);
    if let Some(signed) = signed {
        command.arg("-inf").arg(&signed.tokens);
    }
    command
        .arg(format!("127.0.0.1:{to}"))
        .args(["-sf", &scenario.display().to_string(), "-p", &port.to_string()])
        .args(["-mp", &support::free_ports(20).to_string(), "-s", "+12125550100"])
        .args(["-m", &calls.to_string(), "-r", &rate.to_string(), "-l", "1000"])
        .args(["-recv_timeout", "15000"])
        .args(["-trace_err", "-error_file"])
        .arg(folder.join(format!("caller-{port}.err")));
    Peer::start(&mut command)
}

fn sipp(folder: &Path) -> Command {
    let mut command = Command::new("sipp");
    command
        .args(["-i", "127.0.0.1", "-nostdin"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
