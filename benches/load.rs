//! Many scored calls at once, with real peers: SIPp calls and answers, every phone sends back what it hears.
//!
//! ```text
//! cargo bench --bench load               # 200 calls
//! cargo bench --bench load -- 500        # another number: on two cores SIPp takes about as much as the gateway
//! ```
//!
//! Prints packets, losses and the gateway's CPU; fails when the gateway lost a packet. SIPp's phone echoes every call
//! through one socket: what the kernel dropped there, before SIPp read it, is not the gateway's loss and is shown apart. Needs SIPp (Debian: sip-tester), and a
//! machine with room for SIPp beside the gateway: SIPp's own share is printed so that its limits are not taken for ours.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says where")]

#[path = "../tests/wire/support/mod.rs"]
#[allow(dead_code, reason = "shared with the wire tests")]
mod support;

use std::time::{Duration, Instant};

use support::audio::{mu_law, test_speech};
use support::gateway::{Gateway, Setup};
use support::sipp::{self, Caller, talking_caller};

const TALK: Duration = Duration::from_secs(20);

fn main() {
    let calls: u32 = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(200);
    if std::env::args().any(|argument| argument == "--test") || !support::have(&["sipp"]) {
        return;
    }
    let folder = support::folder("load");
    std::fs::write(
        folder.join("speech.ulaw"),
        mu_law(&test_speech(TALK.as_secs() as u32 - 1)),
    )
    .unwrap();
    let (_phone, port, echo) = sipp::echoing_phone(&folder);
    let gateway = Gateway::start_with_ports(
        &Setup {
            name: "load-gateway",
            targets: &[format!("sip:desk@127.0.0.1:{port}")],
            queue: "",
            more: "",
        },
        // Half as many again: each shard has its share of the ports, and calls do not fall on shards evenly.
        calls as u16 * 6 + 64,
    );
    let caller = Caller {
        gateway: gateway.udp,
        is_tcp: false,
        scenario: &talking_caller("speech.ulaw", TALK.as_millis() as u32, ""),
        number: "+12125550100",
        calls,
        rate: (calls / 5).max(1),
    };
    let start = Instant::now();
    let running = caller.start(&folder);
    std::thread::sleep(Duration::from_secs(8));
    // All calls are up now: ten seconds in the middle of them are measured.
    let before = gateway.cpu_seconds();
    let live = gateway.get("/api/v1/calls?state=live&limit=200")["calls"]
        .as_array()
        .map_or(0, Vec::len);
    std::thread::sleep(Duration::from_secs(10));
    let cpu = gateway.cpu_seconds() - before;
    let rss = gateway.resident_kib();
    let (status, errors) = running.finish();
    let dropped_by_echo = kernel_drops(echo);
    assert!(status.success(), "SIPp: {status}\n{errors}");

    let ended = gateway.ended_calls((calls as usize).min(200));
    let mut sums = [0u64; 4];
    let mut scored = 0;
    for call in &ended {
        let why = gateway.why(call);
        for (at, (side, field)) in [
            ("from_caller", "packets"),
            ("from_caller", "lost"),
            ("from_called", "packets"),
            ("from_called", "lost"),
        ]
        .into_iter()
        .enumerate()
        {
            sums[at] += why["media"][side][field].as_u64().unwrap_or(0);
        }
        scored += usize::from(
            call["evidence"]
                .as_array()
                .is_some_and(|windows| !windows.is_empty()),
        );
    }
    let [from_caller, lost_caller, from_called, lost_called] = sums;
    println!(
        "{calls} calls in {:.1} s, {live} live when measured, {scored} of {} scored",
        start.elapsed().as_secs_f64(),
        ended.len()
    );
    println!(
        "from callers {from_caller} packets, {lost_caller} lost; from phones {from_called} packets, {lost_called} lost"
    );
    println!(
        "gateway: {:.2} cores, {:.2} ms CPU per call and second, {} MiB resident",
        cpu / 10.0,
        cpu / 10.0 / f64::from(calls) * 1000.0,
        rss / 1024
    );
    let (_, metrics) = gateway.request("GET", "/metrics", None);
    let names = [
        "ringward_scored_hops",
        "ringward_scoring_overload",
        "ringward_second_opinions",
    ];
    metrics
        .lines()
        .filter(|line| names.iter().any(|name| line.starts_with(name)))
        .for_each(|line| println!("{line}"));
    println!("the kernel dropped {dropped_by_echo} packets at the echoing phone's one socket");
    assert_eq!(lost_caller, 0, "packets from callers were lost");
    assert!(lost_called <= dropped_by_echo, "packets from phones were lost");
}

/// Datagrams the kernel dropped at the UDP socket on this port because its owner did not read them in time.
fn kernel_drops(port: u16) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let mark = format!(":{port:04X} ");
    let line = table
        .lines()
        .find(|line| line.contains(&mark))
        .expect("the phone's media socket");
    line.split_whitespace()
        .last()
        .and_then(|drops| drops.parse().ok())
        .expect("a number")
}
