//! What a flood of certificate URLs costs one shard, and what a dead host costs the calls of others.

use std::time::{Duration, Instant, UNIX_EPOCH};

use stir_shaken_verify::limits::{SHELF_ENTRIES, SHELF_OCTETS};

use super::limits::PENDING_MAX;
use super::signer::{NOW, Signer, URL, invite};
use super::{Config, Engine, Fetched, FetchedBody, Output, Standing};
use crate::call_id::CallId;
use crate::sip::Message;
use crate::time::Now;

struct Bench {
    engine: Engine,
    signer: Signer,
    now: Now,
    calls: u128,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
    fn new() -> Bench {
        let signer = Signer::new();
        let anchors = [("anchors.pem".to_string(), signer.anchor.clone().into_bytes())];
        Bench {
            engine: Engine::new(&Config::default(), &anchors).unwrap(),
            signer,
            now: Now {
                instant: Instant::now(),
                utc: UNIX_EPOCH + Duration::from_secs(NOW),
            },
            calls: 0,
        }
    }

    /// A call signed for `url`, and what comes of it at once.
    fn call(&mut self, url: &str) -> (CallId, Vec<Output>) {
        let identity = self.signer.identity(url, NOW);
        let invite = Message::parse(invite(&format!("Identity: {identity}\r\n")).as_bytes()).unwrap();
        self.calls += 1;
        let call = CallId(self.calls);
        self.engine.begin(call, &invite, self.now);
        (call, self.drain())
    }

    fn brings(&mut self, url: &str, pem: String) -> Vec<Output> {
        let result = Ok(FetchedBody {
            pem: pem.into_bytes().into(),
            max_age: None,
        });
        let url = url.to_string();
        self.engine.fetched(Fetched { url, result }, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            match self.engine.poll_output() {
                Output::Timeout(_) => return outputs,
                output => outputs.push(output),
            }
        }
    }

    fn deadline(&mut self) -> Option<Duration> {
        let Output::Timeout(when) = self.engine.poll_output() else {
            panic!("drained");
        };
        when.map(|when| when - self.now.instant)
    }
}

fn standings(outputs: &[Output]) -> Vec<Standing> {
    let standing = |output: &Output| match output {
        Output::Concluded { report, .. } => Some(report.standing),
        _ => None,
    };
    outputs.iter().filter_map(standing).collect()
}

/// The memory of a shard's certificates has one bound, whatever number of URLs is named and however large the files are.
#[test]
fn ten_thousand_certificate_urls_stay_within_the_shelf() {
    let mut bench = Bench::new();
    let filling = "x".repeat(40 * 1024);
    let mut highest = 0;
    for number in 0..10_000 {
        let url = format!("https://host{}.example.org/{number}.pem", number % 700);
        let (_, outputs) = bench.call(&url);
        assert!(matches!(outputs[..], [Output::Fetch { .. }]), "{outputs:?}");
        // Every hundredth is a real certificate (reading one takes signatures); the others are what any host may send.
        let (certificate, standing) = match number % 100 {
            0 => (bench.signer.certificate.as_str(), Standing::Verified),
            _ => ("", Standing::Failed),
        };
        let pem = format!("{certificate}\n{filling}{number}");
        assert_eq!(standings(&bench.brings(&url, pem)), [standing]);
        highest = highest.max(bench.engine.shelf_octets());
    }
    assert!(highest <= SHELF_OCTETS, "{highest} octets");
    assert!(bench.engine.shelf_entries() <= SHELF_ENTRIES);
    assert_eq!(bench.engine.pending(), 0);
}

/// C-10: ten thousand hosts that never answer. What waits is bounded, and all of it ends.
#[test]
fn ten_thousand_dead_hosts_are_bounded_and_all_end() {
    let mut bench = Bench::new();
    let mut concluded = 0;
    for number in 0..10_000 {
        let (_, outputs) = bench.call(&format!("https://host{number}.example.org/sp.pem"));
        concluded += standings(&outputs).len();
        assert!(bench.engine.pending() <= PENDING_MAX);
    }
    while let Some(wait) = bench.deadline() {
        bench.now = bench.now.after(wait);
        bench.engine.tick(bench.now);
        let standings = standings(&bench.drain());
        assert!(standings.iter().all(|standing| *standing == Standing::Unchecked));
        concluded += standings.len();
    }
    assert_eq!((concluded, bench.engine.pending()), (10_000, 0));
}

/// A call whose host is dead waits alone: others are concluded within the input that began them, and the waiting one ends
/// at the engine's own limit even when the dialer's answer (after 2 s) is lost.
#[test]
fn a_dead_host_delays_no_other_call_and_ends_in_time() {
    let mut bench = Bench::new();
    bench.call(URL);
    bench.brings(URL, bench.signer.certificate.clone());
    let (dead, outputs) = bench.call("https://dead.example.org/sp.pem");
    assert!(matches!(outputs[..], [Output::Fetch { .. }]));
    let limit = bench.deadline().unwrap();
    assert!(
        limit <= Config::default().fetch_timeout + Duration::from_secs(1),
        "{limit:?}"
    );
    for _ in 0..1_000 {
        let (_, outputs) = bench.call(URL);
        assert_eq!(standings(&outputs), [Standing::Verified]);
    }
    assert_eq!(bench.deadline(), Some(limit), "other calls do not move the limit");
    bench.now = bench.now.after(limit);
    bench.engine.tick(bench.now);
    let outputs = bench.drain();
    assert!(
        matches!(&outputs[..], [Output::Concluded { call, report }] if *call == dead && report.standing == Standing::Unchecked),
        "{outputs:?}"
    );
}
