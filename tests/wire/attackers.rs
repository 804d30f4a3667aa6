//! SIPVicious scans, enumerates and guesses, others flood and send nonsense, while SIPp makes genuine calls: those lose
//! nothing, memory stays where it is, and whoever attacks learns nothing.
//!
//! SIPPTS, the other suite of this kind, does not run from its package on PyPI: the module its programs import is not in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::gateway::Gateway;
use crate::support::hostile::assault;
use crate::support::sipp::{self, Caller};
use crate::support::{folder, free_port, have, one_load_at_a_time, python, wait_for};
use crate::tls_calls::metric;

const DIALLED: &str = "+12125550100";
/// Nobody we know: SIPVicious sends from here whatever it is told. Loopback has many addresses; these two are the trunk's
/// and the phone's.
const ATTACKER: &str = "127.0.0.1";
const TRUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));
const PHONE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));
const CALLS: u32 = 60;
/// What the process may grow by while it is attacked, KiB.
const GROWTH_MAX: u64 = 48 * 1024;

/// One of SIPVicious' programs against the gateway; what it printed. Ends by itself, or is ended.
fn sipvicious(folder: &Path, program: &Path, arguments: &[&str]) -> String {
    let output = Command::new("timeout")
        .arg("40")
        .arg(program)
        .args(arguments)
        .args(["-b", ATTACKER, "-P", &free_port().to_string()])
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("timeout runs it");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        !text.contains("Traceback") && !text.contains("no such option"),
        "{program:?} {arguments:?}: {text}"
    );
    text
}

/// Scans, enumerations and guesses one after the other: what each printed.
fn attack(folder: &Path, gateway: SocketAddr, programs: &[std::path::PathBuf; 3]) -> Vec<(String, String)> {
    let [svmap, svwar, svcrack] = programs;
    let port = gateway.port().to_string();
    std::fs::write(folder.join("words"), "1234\npassword\ncorrect\nsecret\n").expect("words");
    let mut said = Vec::new();
    for method in ["OPTIONS", "INVITE", "REGISTER"] {
        let arguments = ["-p", &port, "-m", method, "127.0.0.1"];
        said.push((format!("svmap {method}"), sipvicious(folder, svmap, &arguments)));
    }
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let arguments = [
            "-p",
            &port,
            "-m",
            method,
            "-e",
            "100-199",
            "--maximumtime=4",
            "127.0.0.1",
        ];
        said.push((format!("svwar {method}"), sipvicious(folder, svwar, &arguments)));
        let arguments = [
            "-p",
            &port,
            "-m",
            method,
            "-e",
            "100-160",
            "--force",
            "--maximumtime=4",
            "127.0.0.1",
        ];
        said.push((
            format!("svwar --force {method}"),
            sipvicious(folder, svwar, &arguments),
        ));
    }
    for user in ["100", "pbx"] {
        let arguments = [
            "-p",
            &port,
            "-u",
            user,
            "-d",
            "words",
            "--maximumtime=4",
            "127.0.0.1",
        ];
        said.push((format!("svcrack {user}"), sipvicious(folder, svcrack, &arguments)));
    }
    said
}

/// Requests and nonsense as fast as one thread sends them, until told to stop: how many datagrams went out and came back.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(u64, Vec<String>)>,
}

impl Flood {
    fn start(gateway: SocketAddr, from: &str, per_second: u64) -> Flood {
        let stop = Arc::new(AtomicBool::new(false));
        let (is_over, socket) = (stop.clone(), UdpSocket::bind((from, 0)).expect("a socket"));
        let own = socket.local_addr().expect("an address");
        socket
            .set_read_timeout(Some(Duration::from_millis(1)))
            .expect("a time-out");
        let thread = std::thread::spawn(move || {
            let (mut sent, mut heard, begun) = (0, Vec::new(), Instant::now());
            let mut octets = [0; 4096];
            while !is_over.load(Ordering::Relaxed) {
                while sent < begun.elapsed().as_millis() as u64 * per_second / 1000 {
                    let _ = socket.send_to(&assault(sent, own), gateway);
                    sent += 1;
                }
                while let Ok(length) = socket.recv(&mut octets) {
                    let text = String::from_utf8_lossy(&octets[..length]).into_owned();
                    heard.push(text.lines().next().unwrap_or_default().to_string());
                }
            }
            (sent, heard)
        });
        Flood { stop, thread }
    }

    fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the flood ends")
    }
}

fn finish(calls: sipp::Running) {
    let (status, errors) = calls.finish();
    assert!(status.success(), "genuine calls: SIPp {status}\n{errors}");
}

struct Siege {
    gateway: Gateway,
    /// What each of SIPVicious' programs printed.
    said: Vec<(String, String)>,
    /// First lines of what the floods were answered.
    heard: Vec<String>,
}

/// Genuine calls while everybody attacks.
fn under_attack(name: &str, sip: &str, trunk: &str) -> Option<Siege> {
    if !have(&["sipp"]) {
        return None;
    }
    let programs = [
        python::program("sipvicious_svmap")?,
        python::program("sipvicious_svwar")?,
        python::program("sipvicious_svcrack")?,
    ];
    let _only = one_load_at_a_time();
    let folder = folder(name);
    let (_phone, port) = sipp::phone_on(&folder, PHONE, 100);
    let (files, media) = (folder.join("gateway"), crate::support::free_ports(300));
    std::fs::create_dir_all(&files).expect("a folder");
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n{sip}\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"{TRUNK}\"]\n{trunk}\n\
         [[queue]]\nname = \"desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@{PHONE}:{port}\"]\n\
         [media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n[voice]\nmodel = \"off\"\n\
         [store]\nurl = \"sqlite:{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n",
        media + 299,
        files.join("ringward.db").display(),
    );
    let file = files.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration");
    let gateway = Gateway::run(files, &["serve", "--config", &file.display().to_string()]);
    let calling = |calls| Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: Box::leak(sipp::silent_caller(1000).into_boxed_str()),
        number: DIALLED,
        calls,
        rate: 2,
    };
    // Once without anybody else: what a process needs for its first calls is not growth.
    finish(calling(6).start_from(&folder, TRUNK));
    let before = gateway.resident_kib();

    let floods = [
        Flood::start(gateway.udp, ATTACKER, 300),
        Flood::start(gateway.udp, "127.0.0.66", 100),
    ];
    let highest = Arc::new(AtomicU64::new(0));
    let said = std::thread::scope(|scope| {
        let attacks = scope.spawn(|| attack(&folder, gateway.udp, &programs));
        let running = calling(CALLS).start_from(&folder, TRUNK);
        while !attacks.is_finished() {
            highest.fetch_max(gateway.resident_kib(), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(100));
        }
        finish(running);
        attacks.join().expect("the attacks end")
    });
    let (mut sent, mut heard) = (0, Vec::new());
    for flood in floods {
        let (count, answers) = flood.finish();
        sent += count;
        heard.extend(answers);
    }
    let after = gateway.resident_kib().max(highest.load(Ordering::Relaxed));
    eprintln!("{sent} datagrams, resident {before} KiB before, {after} KiB at most");
    assert!(sent > 4_000, "{sent} datagrams are no flood");
    assert!(
        after < before + GROWTH_MAX,
        "resident {before} KiB before, {after} KiB at most"
    );
    let calls = gateway.ended_calls(CALLS as usize + 6);
    assert_eq!(calls.len(), CALLS as usize + 6, "an attacker has a record");
    for call in &calls {
        assert_eq!(call["outcome"]["ending"], "completed", "{call}");
    }
    // The gateway is as good as before.
    finish(calling(3).start_from(&folder, TRUNK));
    wait_for("nothing to be left", Duration::from_secs(45), || {
        let live = gateway.get("/api/v1/calls?state=live");
        live["calls"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    Some(Siege { gateway, said, heard })
}

#[test]
fn attackers_hear_nothing_at_all_where_nobody_proves_himself_with_a_password() {
    let Some(Siege { gateway, said, heard }) = under_attack("attackers", "", "") else {
        return;
    };
    assert!(heard.is_empty(), "floods were answered: {heard:?}");
    for (program, text) in &said {
        assert!(
            text.contains("found nothing") && !text.contains("Ringward"),
            "{program} learned something:\n{text}"
        );
    }
    assert!(metric(&gateway, "ringward_sip_unknown_source_total") > 4_000.0);
}

#[test]
fn attackers_hear_the_same_challenge_whatever_they_ask_where_trunks_have_passwords() {
    let trunk = "[[trunk]]\nname = \"pbx\"\nuser = \"pbx\"\npassword = \"a-long-and-lonely-password\"\n";
    let Some(Siege { said, heard, .. }) = under_attack("attackers-401", "digest = [\"MD5\"]", trunk) else {
        return;
    };
    let others: Vec<_> = heard
        .iter()
        .filter(|line| !line.starts_with("SIP/2.0 401 "))
        .collect();
    assert!(others.is_empty(), "something else than a challenge: {others:?}");
    for (program, text) in &said {
        // A scan sees that somebody is there, because strangers are asked who they are; nothing else.
        let is_scan = program.starts_with("svmap") && text.contains("unknown");
        // And who will not take that for an answer prints the challenge, which is the same for every name he tries.
        let is_forced = program.contains("--force") && !text.contains("noauth");
        assert!(
            (is_forced || is_scan || text.contains("found nothing")) && !text.contains("Ringward"),
            "{program} learned something:\n{text}"
        );
    }
}
