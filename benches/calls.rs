//! Whole calls a second through one shard's engine: INVITE to the last record, thirteen messages, no network.
//!
//! The peers are templates, so what is measured is the engine: parsing, transactions, the policy, the banner, both
//! legs, and (in `signed`) one ES256 verification with a warm certificate. `live` repeats the plain call among
//! 100 and 10,000 other live calls: the cost per call should stay flat.

#![expect(
    clippy::disallowed_methods,
    reason = "any instant will do as the start of a virtual clock"
)]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

#[path = "../tests/calls/signing.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod signing;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringward::call::{Config, Engine, Input, Listener, Output, TrunkConfig};
use ringward::call_id::CallId;
use ringward::identity::{Fetched, FetchedBody};
use ringward::media::Statistics;
use ringward::policy::Policy;
use ringward::queue::{self, Overflow, Strategy};
use ringward::screening::HistoryFacts;
use ringward::sip::{Flow, Transport};
use ringward::time::Now;
use ringward::voice::{Label, Opinion};

const GATEWAY: &str = "10.0.0.1:5060";
const CALLER: &str = "203.0.113.7:5060";
const PHONE: &str = "10.0.0.5:5060";
const EPOCH_S: u64 = 1_795_320_000;
const SDP: &str = "v=0\r\no=- 7 1 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

struct Bench {
    engine: Engine,
    base: Instant,
    elapsed: Duration,
    next: u64,
    identity: Option<String>,
    /// Answers of the helpers, handed in after each input was drained.
    pending: VecDeque<Pending>,
    sent: Vec<(SocketAddr, Vec<u8>)>,
    call: Option<CallId>,
    ended: u64,
}

enum Pending {
    Known(CallId),
    Opened(CallId),
    Closed(CallId),
    Fetched(String),
}

impl Bench {
    fn new(is_signed: bool) -> Bench {
        let config = Config {
            listeners: vec![Listener {
                transport: Transport::Udp,
                bound: GATEWAY.parse().unwrap(),
                advertised: GATEWAY.into(),
            }],
            trunks: vec![TrunkConfig {
                name: "carrier".into(),
                from: vec!["203.0.113.0/24".into()],
                ..TrunkConfig::default()
            }],
            credentials: Vec::new(),
            digest_hashes: Vec::new(),
            queues: vec![queue::Config {
                name: "desk".into(),
                numbers: vec!["*".into()],
                strategy: Strategy::RingAll,
                targets: vec![format!("sip:desk@{PHONE}")],
                ring: Duration::from_secs(20),
                overflow: Overflow::Reject,
                reach: queue::Reach::default(),
                service: ringward::queue::Service::default(),
            }],
            refusal: ringward::call::RefusalConfig::default(),
            marks: ringward::banner::Marks::default(),
            queue_marks: std::collections::BTreeMap::new(),
            queue_srtp: std::collections::BTreeMap::new(),
            queue_srtp_keys: std::collections::BTreeMap::new(),
            behind_nat: Vec::new(),
            srtp_suites: ringward::call::Suites::default(),
            dtls: None,
            whispers: std::collections::BTreeMap::new(),
            silent_holds: std::collections::BTreeSet::new(),
            transfer_rules: std::collections::BTreeMap::new(),
            outbound: ringward::call::OutboundConfig::default(),
            media_address: "10.0.0.1".parse().unwrap(),
            budget: Duration::from_millis(800),
            session_expires: Some(Duration::from_secs(1800)),
            try_for: Duration::from_secs(4),
            public_url: None,
            country: "US".into(),
            transcodes: true,
            opus: true,
            rtcp_mux: true,
            is_voice_on: true,
            model: None,
            shard: 0,
            shards: 1,
        };
        let policy = Arc::new(Policy::embedded());
        Bench {
            engine: Engine::new(config, signing::identity(), policy, [3; 32]),
            base: Instant::now(),
            elapsed: Duration::ZERO,
            next: 0,
            identity: is_signed.then(|| signing::signed_token('A', "14045550123", "12125550100", EPOCH_S)),
            pending: VecDeque::new(),
            sent: Vec::new(),
            call: None,
            ended: 0,
        }
    }

    fn now(&self) -> Now {
        // The wall clock stands still: the token stays fresh however long the benchmark runs.
        Now {
            instant: self.base + self.elapsed,
            utc: UNIX_EPOCH + Duration::from_secs(EPOCH_S),
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        let now = self.now();
        self.engine.handle(input, now);
        loop {
            let deadline = self.drain();
            if let Some(pending) = self.pending.pop_front() {
                let input = match pending {
                    Pending::Known(call) => {
                        let history = HistoryFacts {
                            is_available: true,
                            ..HistoryFacts::default()
                        };
                        Input::Known {
                            call,
                            history,
                            is_reused: Some(false),
                        }
                    }
                    Pending::Opened(call) => Input::MediaOpened {
                        call,
                        a: 20_000,
                        b: 20_002,
                    },
                    Pending::Closed(call) => Input::MediaClosed {
                        call,
                        statistics: Statistics::default(),
                    },
                    Pending::Fetched(url) => {
                        let pem = signing::signer().chain_pem.clone().into_bytes().into();
                        Input::Fetched(Fetched {
                            url,
                            result: Ok(FetchedBody { pem, max_age: None }),
                        })
                    }
                };
                self.engine.handle(input, now);
            } else if deadline.is_some_and(|deadline| deadline <= now.instant) {
                self.engine.handle(Input::Tick, now);
            } else {
                return;
            }
        }
    }

    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.engine.poll_output() {
                Output::Timeout(deadline) => return deadline,
                Output::Transmit { flow, octets } => self.sent.push((flow.remote, octets)),
                Output::OpenMedia { call } => {
                    self.call = Some(call);
                    self.pending.push_back(Pending::Opened(call));
                }
                Output::CloseMedia { call } => self.pending.push_back(Pending::Closed(call)),
                Output::Look { call, .. } => self.pending.push_back(Pending::Known(call)),
                Output::Fetch { url } => self.pending.push_back(Pending::Fetched(url)),
                Output::Changed(record) => self.ended += u64::from(record.timings.ended_ms.is_some()),
                _ => {}
            }
        }
    }

    fn receive(&mut self, from: &str, text: String) {
        let flow = Flow {
            transport: Transport::Udp,
            local: GATEWAY.parse().unwrap(),
            remote: from.parse().unwrap(),
            connection: None,
            peer: None,
        };
        self.tell(Input::Sip {
            flow,
            octets: text.as_bytes(),
        });
    }

    /// The last message to this peer whose text starts so.
    fn last(&mut self, to: &str, start: &str) -> String {
        let to: SocketAddr = to.parse().unwrap();
        let found = self
            .sent
            .iter()
            .rev()
            .find(|(peer, octets)| *peer == to && octets.starts_with(start.as_bytes()));
        let (_, octets) = found.unwrap_or_else(|| panic!("no {start} to {to}"));
        String::from_utf8(octets.clone()).unwrap()
    }

    /// From INVITE to a call that talks; what `hang_up` needs of it.
    fn connect(&mut self) -> (u64, String) {
        self.sent.clear();
        self.elapsed += Duration::from_millis(1);
        self.next += 1;
        let n = self.next;
        let identity = self
            .identity
            .as_ref()
            .map(|token| format!("Identity: {token}\r\n"))
            .unwrap_or_default();
        let invite = format!(
            "INVITE sip:+12125550100@{GATEWAY} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bKi{n}\r\nMax-Forwards: 70\r\n\
             From: \"Ann\" <sip:+14045550123@{CALLER}>;tag=c{n}\r\nTo: <sip:+12125550100@{GATEWAY}>\r\nCall-ID: bench-{n}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:trunk@{CALLER}>\r\n{identity}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
            SDP.len()
        );
        self.receive(CALLER, invite);
        let to_phone = self.last(PHONE, "INVITE");
        self.receive(PHONE, answer(&to_phone, "180 Ringing", n, ""));
        self.receive(PHONE, answer(&to_phone, "200 OK", n, SDP));
        let tag = tag_of(&self.last(CALLER, "SIP/2.0 200"));
        self.receive(CALLER, in_dialog("ACK", n, 1, &tag));
        (n, tag)
    }

    fn call(&mut self) {
        let (n, tag) = self.connect();
        let call = self.call.unwrap();
        for second in 1..=3 {
            let opinion = Opinion {
                llr: 0.4 * second as f32,
                label: Label::Unsure,
                seconds: second as f32,
                speech_seconds: second as f32,
                ..Opinion::nothing_heard()
            };
            self.tell(Input::Scored { call, opinion });
        }
        let before = self.ended;
        self.receive(CALLER, in_dialog("BYE", n, 2, &tag));
        let bye = self.last(PHONE, "BYE");
        self.receive(PHONE, answer(&bye, "200 OK", n, ""));
        assert_eq!(self.ended, before + 1, "a call ends with its record");
    }
}

fn in_dialog(method: &str, n: u64, cseq: u32, tag: &str) -> String {
    format!(
        "{method} sip:ringward@{GATEWAY} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{method}{n}\r\nMax-Forwards: 70\r\n\
         From: \"Ann\" <sip:+14045550123@{CALLER}>;tag=c{n}\r\nTo: <sip:+12125550100@{GATEWAY}>;tag={tag}\r\nCall-ID: bench-{n}\r\n\
         CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A phone's response to a request of ours.
fn answer(request: &str, status: &str, n: u64, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.split("\r\n").skip(1).take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        match name {
            "Via" | "From" | "Call-ID" | "CSeq" => text.push_str(&format!("{line}\r\n")),
            "To" if line.contains(";tag=") => text.push_str(&format!("{line}\r\n")),
            "To" => text.push_str(&format!("{line};tag=p{n}\r\n")),
            _ => {}
        }
    }
    text.push_str(&format!("Contact: <sip:desk@{PHONE}>\r\n"));
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}

fn tag_of(response: &str) -> String {
    let to = response
        .split("\r\n")
        .find(|line| line.starts_with("To:"))
        .unwrap();
    to.split(";tag=").nth(1).unwrap().to_string()
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("calls");
    group.throughput(Throughput::Elements(1));
    group.sample_size(20);
    for (name, is_signed) in [("unsigned", false), ("signed", true)] {
        let mut bench = Bench::new(is_signed);
        group.bench_function(name, |bencher| bencher.iter(|| bench.call()));
    }
    for live in [100, 10_000] {
        let mut bench = Bench::new(false);
        for _ in 0..live {
            bench.connect();
        }
        group.bench_function(format!("live/{live}"), |bencher| bencher.iter(|| bench.call()));
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
