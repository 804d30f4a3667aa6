//! Hostile datagrams from many addresses at once: what each costs the gateway, and what it makes of them.
//!
//! ```text
//! cargo bench --bench flood                      # 50,000 a second for 30 s, each kind of attack in turn
//! cargo bench --bench flood -- 2000 5            # another rate, another time
//! cargo bench --bench flood -- --write           # ... and the table goes into docs/attacks.md
//! ```
//!
//! Each attack has a gateway of its own, and sends from 255 addresses of 127.77.0.0/16 (of the trunk's own, where it comes
//! from the trunk): on loopback every address is ours to send from, as a spoofed one would be. Beside it SIPp makes
//! genuine calls from the trunk (10 a second; without SIPp none are made). Printed for each attack:
//!
//! - **arrived**: what the gateway counted as received or dropped, of what was sent; the rest was dropped by the kernel before it;
//! - **CPU each**: CPU of the whole gateway in the time of the attack, without what the genuine calls cost by themselves in
//!   the same time without an attack, over the datagrams that arrived, in microseconds. The aim is 4;
//! - **answered**: datagrams that came back to the attackers;
//! - **memory**: growth of the resident set, most of it seen while attacked;
//! - **calls lost**: genuine calls that did not complete.
//!
//! The sender needs a core beside the gateway: on two cores, halve the rate before you believe the figures.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

#[path = "../tests/wire/support/mod.rs"]
#[allow(dead_code, reason = "shared with the wire tests")]
mod support;

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use support::gateway::Gateway;
use support::sipp::{self, Caller};

const TRUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));
const PHONE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));
const SOCKETS: u8 = 255;
/// Genuine calls a second.
const CALLS: u32 = 10;

/// One attack: its name, what the gateway has beside one trunk by address, whether it comes from the trunk, its messages.
struct Attack {
    name: &'static str,
    config: &'static str,
    is_from_trunk: bool,
    message: fn(u64, SocketAddr) -> Vec<u8>,
}

const PASSWORDS: &str =
    "[[trunk]]\nname = \"pbx\"\nuser = \"pbx\"\npassword = \"a-long-and-lonely-password\"\n";
const LIMITED: &str = "[limits]\nqueue_calls_per_second = 100\nqueue_ringing = 50\n";

const ATTACKS: [Attack; 6] = [
    Attack {
        name: "INVITEs of strangers",
        config: "",
        is_from_trunk: false,
        message: |n, own| request("INVITE", n, own, "telephone"),
    },
    Attack {
        name: "damaged messages of strangers",
        config: "",
        is_from_trunk: false,
        message: damaged,
    },
    Attack {
        name: "octets that are no SIP",
        config: "",
        is_from_trunk: false,
        message: |n, _| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().repeat(40),
    },
    Attack {
        name: "INVITEs of strangers, who are asked for passwords",
        config: PASSWORDS,
        is_from_trunk: false,
        message: |n, own| request("INVITE", n, own, "telephone"),
    },
    Attack {
        name: "OPTIONS of scanners, who would be asked for passwords",
        config: PASSWORDS,
        is_from_trunk: false,
        message: |n, own| request("OPTIONS", n, own, "friendly-scanner"),
    },
    Attack {
        name: "INVITEs in the trunk's name, past the limits of a queue",
        config: LIMITED,
        is_from_trunk: true,
        message: |n, own| request("INVITE", n, own, "telephone"),
    },
];

fn request(method: &str, number: u64, own: SocketAddr, agent: &str) -> Vec<u8> {
    format!(
        "{method} sip:+12125550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{number:x};rport\r\n\
         From: <sip:+1404555{:04}@127.0.0.1>;tag={number:x}\r\nTo: <sip:+12125550100@127.0.0.1>\r\n\
         Call-ID: flood-{number:x}@{own}\r\nCSeq: 1 {method}\r\nContact: <sip:x@{own}>\r\nMax-Forwards: 70\r\n\
         User-Agent: {agent}\r\nContent-Length: 0\r\n\r\n",
        number % 10_000,
    )
    .into_bytes()
}

fn damaged(number: u64, own: SocketAddr) -> Vec<u8> {
    let mut octets = request("INVITE", number, own, "telephone");
    let place = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % octets.len();
    match number % 3 {
        0 => octets[place] = (number >> 3) as u8,
        1 => octets.truncate(place),
        _ => drop(octets.splice(place..place, std::iter::repeat_n(b'A', 500))),
    }
    octets
}

struct Figures {
    sent: u64,
    arrived: u64,
    cpu_us_each: f64,
    answered: u64,
    grown_kib: u64,
    calls: u32,
    calls_lost: u32,
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let (rate, seconds) = (
        numbers.first().copied().unwrap_or(50_000),
        numbers.get(1).copied().unwrap_or(30),
    );
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let mut table = format!(
        "{rate} datagrams a second for {seconds} s, {} cores, {profile} build.\n\n\
         | attack | sent | arrived | CPU each, µs | answered | memory, KiB | genuine calls | lost |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        std::thread::available_parallelism().map_or(0, usize::from),
    );
    for attack in &ATTACKS {
        let figures = measure(attack, rate, seconds);
        let line = format!(
            "| {} | {} | {} | {:.2} | {} | {} | {} | {} |",
            attack.name,
            figures.sent,
            figures.arrived,
            figures.cpu_us_each,
            figures.answered,
            figures.grown_kib,
            figures.calls,
            figures.calls_lost,
        );
        println!("{line}");
        let _ = writeln!(table, "{line}");
    }
    println!("\n{table}");
    if std::env::args().any(|argument| argument == "--write") {
        write(&table);
    }
}

fn measure(attack: &Attack, rate: u64, seconds: u64) -> Figures {
    let folder = support::folder("flood-bench");
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("ringward.db{ending}")));
    }
    let phone = support::have(&["sipp"]).then(|| sipp::phone_on(&folder, PHONE, 100));
    let port = phone.as_ref().map_or(5060, |(_, port)| *port);
    let media = support::free_ports(400);
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n[[trunk]]\nname = \"carrier\"\nfrom = [\"{TRUNK}\"]\n\
         [[queue]]\nname = \"desk\"\nnumbers = [\"+12125550100\"]\ntargets = [\"sip:desk@{PHONE}:{port}\"]\n\
         [[queue]]\nname = \"genuine\"\nnumbers = [\"+12125550199\"]\ntargets = [\"sip:desk@{PHONE}:{port}\"]\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n[tdos]\nmode = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n{}",
        media + 399,
        folder.join("ringward.db").display(),
        attack.config,
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).unwrap();
    let gateway = Gateway::run(
        folder.clone(),
        &["serve", "--config", &file.display().to_string()],
    );
    let scenario = sipp::silent_caller(1_000);
    let genuine = |calls: u32| Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: Box::leak(scenario.clone().into_boxed_str()),
        number: "+12125550199",
        calls,
        rate: CALLS,
    };
    let calls = match phone {
        Some(_) => CALLS * seconds as u32,
        None => 0,
    };
    // What the genuine calls cost alone, once everything they need is there.
    let make = |calls: u32| (calls > 0).then(|| genuine(calls).start_from(&folder, TRUNK));
    finish(make(calls.min(CALLS * 2)));
    let idle = gateway.cpu_seconds();
    let running = make(calls);
    std::thread::sleep(Duration::from_secs(seconds));
    let alone = gateway.cpu_seconds() - idle;
    finish(running);

    let before = (gateway.cpu_seconds(), gateway.resident_kib(), counted(&gateway));
    let running = make(calls);
    let (sent, answered, most_kib) = flood(attack, &gateway, rate, seconds);
    let cpu = gateway.cpu_seconds() - before.0;
    let lost = finish(running);
    // Some are counted at the door and by a shard too.
    let arrived = counted(&gateway).saturating_sub(before.2).min(sent);
    Figures {
        sent,
        arrived,
        cpu_us_each: (cpu - alone).max(0.0) * 1e6 / arrived.max(1) as f64,
        answered,
        grown_kib: most_kib.saturating_sub(before.1),
        calls,
        calls_lost: match lost {
            true => genuine_lost(&gateway, calls),
            false => 0,
        },
    }
}

/// Whether SIPp says that a call failed.
fn finish(running: Option<sipp::Running>) -> bool {
    running.is_some_and(|running| {
        let (status, errors) = running.finish();
        if !status.success() {
            eprintln!("SIPp: {status}\n{errors}");
        }
        !status.success()
    })
}

/// How many of the last genuine calls did not complete, as far as the gateway knows.
fn genuine_lost(gateway: &Gateway, calls: u32) -> u32 {
    let completed = metric(gateway, "ringward_calls_total{ending=\"completed\"");
    let expected = f64::from(calls * 2 + calls.min(CALLS * 2));
    (expected - completed).max(1.0) as u32
}

/// Everything that arrived and was counted, as a message or as something to be dropped.
fn counted(gateway: &Gateway) -> u64 {
    let names = [
        "ringward_sip_received_total{transport=\"udp\"",
        "ringward_sip_malformed_total",
        "ringward_sip_unknown_source_total",
    ];
    names.iter().map(|name| metric(gateway, name)).sum::<f64>() as u64
}

fn metric(gateway: &Gateway, beginning: &str) -> f64 {
    let (_, metrics) = gateway.request("GET", "/metrics", None);
    let lines = metrics.lines().filter(|line| line.starts_with(beginning));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Sends for so long; what went out, what came back, and the most memory seen.
fn flood(attack: &Attack, gateway: &Gateway, rate: u64, seconds: u64) -> (u64, u64, u64) {
    let sockets: Vec<UdpSocket> = (0..SOCKETS)
        .map(|n| {
            let address = match attack.is_from_trunk {
                true => TRUNK,
                false => IpAddr::V4(Ipv4Addr::new(127, 77, n, 1)),
            };
            let socket = UdpSocket::bind((address, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let owns: Vec<SocketAddr> = sockets
        .iter()
        .map(|socket| socket.local_addr().unwrap())
        .collect();
    // Made beforehand: making them costs as much as sending them.
    let prepared = rate.min(20_000);
    let messages: Vec<Vec<u8>> = (0..prepared)
        .map(|n| (attack.message)(n, owns[n as usize % owns.len()]))
        .collect();
    let (begun, mut sent, mut answered, mut most_kib, mut looked) =
        (Instant::now(), 0u64, 0u64, 0u64, Duration::ZERO);
    let mut octets = [0; 4096];
    loop {
        let passed = begun.elapsed();
        if passed >= Duration::from_secs(seconds) {
            break;
        }
        let due = (passed.as_secs_f64() * rate as f64) as u64;
        while sent < due {
            let place = (sent % prepared) as usize;
            let mut message = std::borrow::Cow::Borrowed(&messages[place][..]);
            if sent >= prepared && attack.is_from_trunk {
                // A repeated one would be answered as such.
                message = (attack.message)(sent, owns[place % owns.len()]).into();
            }
            let _ = sockets[place % owns.len()].send_to(&message, gateway.udp);
            sent += 1;
        }
        if passed >= looked {
            looked = passed + Duration::from_millis(500);
            most_kib = most_kib.max(gateway.resident_kib());
            answered += sockets
                .iter()
                .map(|socket| read_all(socket, &mut octets))
                .sum::<u64>();
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    answered += sockets
        .iter()
        .map(|socket| read_all(socket, &mut octets))
        .sum::<u64>();
    (sent, answered, most_kib)
}

fn read_all(socket: &UdpSocket, octets: &mut [u8]) -> u64 {
    std::iter::from_fn(|| socket.recv(octets).ok()).count() as u64
}

/// Puts the table between its marks in `docs/attacks.md`.
fn write(table: &str) {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/attacks.md");
    let text = std::fs::read_to_string(file).unwrap();
    let (begin, end) = ("<!-- figures -->\n", "<!-- end of figures -->");
    let (head, rest) = text.split_once(begin).expect("the mark of the figures");
    let (_, tail) = rest.split_once(end).expect("the end of the figures");
    std::fs::write(file, format!("{head}{begin}\n{table}\n{end}{tail}")).unwrap();
}
