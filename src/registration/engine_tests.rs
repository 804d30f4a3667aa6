//! Registrars that agree, refuse, want longer, fall silent and come back.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::time::UNIX_EPOCH;

use super::limits::{PAUSE_MAX, REFUSED_PAUSE};
use super::*;
use crate::time::Now;

const CONTACT: &str = "sip:business@198.51.100.1:5060";

struct Bench {
    engine: Registrations,
    now: Now,
    start: Instant,
    /// The ticket of the REGISTER under way, and what was sent so far: second, server, Expires.
    ticket: Option<Ticket>,
    sent: Vec<(u64, String, String)>,
    last: Option<Request>,
    state: Option<State>,
    next: Option<Instant>,
}

impl Bench {
    fn new() -> Bench {
        let config = Config {
            trunk: "carrier".into(),
            host: "carrier.example".into(),
            transport: Transport::Udp,
            addresses: vec![
                "203.0.113.7:5060".parse().unwrap(),
                "203.0.113.8:5060".parse().unwrap(),
            ],
            user: "business".into(),
            expires: Duration::from_secs(600),
        };
        let now = Now {
            instant: Instant::now(),
            utc: UNIX_EPOCH + Duration::from_secs(1_795_320_000),
        };
        let mut bench = Bench {
            engine: Registrations::new(vec![config], &[7; 32], || ("call".into(), "tag".into())),
            now,
            start: now.instant,
            ticket: None,
            sent: Vec::new(),
            last: None,
            state: None,
            next: None,
        };
        bench.handle(Input::Tick);
        bench
    }

    fn handle(&mut self, input: Input<'_>) {
        self.engine.handle(input, self.now);
        loop {
            match self.engine.poll_output() {
                Output::Register(register) => {
                    let at = (self.now.instant - self.start).as_secs();
                    let expires = register.request.header_value("Expires").unwrap().to_string();
                    self.sent.push((at, register.remote.ip().to_string(), expires));
                    self.ticket = Some(register.ticket);
                    self.last = Some(register.request);
                }
                Output::Changed(state) => self.state = Some(*state),
                Output::Timeout(next) => {
                    self.next = next;
                    return;
                }
            }
        }
    }

    fn answer(&mut self, status: u16, more: &str) {
        let cseq = self
            .last
            .as_ref()
            .unwrap()
            .header_value("CSeq")
            .unwrap()
            .to_string();
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=tag\r\nTo: <sip:a@b>;tag=x\r\n\
             Call-ID: call\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n"
        );
        let response = Message::parse(text.as_bytes()).unwrap();
        let ticket = self.ticket.take().expect("one is under way");
        self.handle(Input::Answered {
            ticket,
            response: &response,
            contact: CONTACT,
        });
    }

    fn fail(&mut self, status: u16) {
        let ticket = self.ticket.take().expect("one is under way");
        self.handle(Input::Failed { ticket, status });
    }

    fn granted(&mut self, seconds: u64) {
        self.answer(200, &format!("Contact: <{CONTACT}>;expires={seconds}\r\n"));
    }

    /// To the next look; how long that was.
    fn wait(&mut self) -> Duration {
        let next = self.next.expect("something is to come");
        let waited = next - self.now.instant;
        self.now = self.now.after(waited);
        self.handle(Input::Tick);
        waited
    }

    fn problem(&self) -> Option<&str> {
        self.state.as_ref().unwrap().problem.as_deref()
    }

    fn is_registered(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.is_registered)
    }
}

#[test]
fn a_registration_is_asked_for_at_once_and_renewed_well_before_it_ends() {
    let mut bench = Bench::new();
    let request = bench.last.clone().unwrap();
    assert_eq!(request.uri, "sip:carrier.example");
    assert_eq!(
        request.header_value("From"),
        Some("<sip:business@carrier.example>;tag=tag")
    );
    assert_eq!(request.header_value("To"), Some("<sip:business@carrier.example>"));
    assert_eq!(request.header_value("CSeq"), Some("1 REGISTER"));
    bench.granted(600);
    let state = bench.state.clone().unwrap();
    assert!(state.is_registered && state.problem.is_none());
    assert_eq!(state.expires_ms, Some(1_795_320_600_000));
    for cseq in 2..6 {
        let waited = bench.wait().as_secs();
        assert!((300..=390).contains(&waited), "{waited}");
        let renewed = bench.last.clone().unwrap();
        assert_eq!(
            renewed.header_value("CSeq"),
            Some(format!("{cseq} REGISTER").as_str())
        );
        assert_eq!(renewed.header_value("Call-ID"), Some("call"));
        bench.granted(600);
    }
    assert!(bench.sent.iter().all(|(_, server, _)| server == "203.0.113.7"));
}

#[test]
fn what_is_granted_counts_and_not_what_was_asked_for() {
    for (headers, seconds) in [
        (format!("Contact: <{CONTACT}>;expires=120\r\n"), 120),
        (
            format!("Contact: <sip:other@h>;expires=9, <{CONTACT};x=y>;expires=120\r\n"),
            120,
        ),
        (format!("Contact: <{CONTACT}>\r\nExpires: 120\r\n"), 120),
        (
            "Contact: <sip:business@192.0.2.99:1024>;expires=120\r\n".into(),
            120,
        ),
        ("Expires: 120\r\n".into(), 120),
        (String::new(), 600),
    ] {
        let mut bench = Bench::new();
        bench.answer(200, &headers);
        assert_eq!(
            bench.state.as_ref().unwrap().expires_ms,
            Some((1_795_320_000 + seconds) * 1000),
            "{headers}"
        );
    }
    // Seconds would have us ask without end.
    let mut bench = Bench::new();
    bench.granted(1);
    let end = bench.wait();
    assert_eq!(
        (end.as_secs(), bench.is_registered()),
        (1, false),
        "and it is over when it is over"
    );
    let waited = bench.wait().as_secs();
    assert!((13..=20).contains(&waited), "{waited}");
    // Others are listed and we are not.
    let mut bench = Bench::new();
    bench.answer(200, "Contact: <sip:x@h>;expires=9, <sip:y@h>;expires=9\r\n");
    assert!(!bench.is_registered());
    assert_eq!(bench.problem(), Some("the carrier does not list us"));
}

#[test]
fn a_registrar_that_wants_longer_gets_longer_once() {
    let mut bench = Bench::new();
    bench.answer(423, "Min-Expires: 3600\r\n");
    assert_eq!(bench.sent[1], (0, "203.0.113.7".into(), "3600".into()));
    bench.granted(3600);
    assert!(bench.is_registered());
    bench.wait();
    assert_eq!(bench.sent[2].2, "3600", "it is remembered");
    for nonsense in [
        "",
        "Min-Expires: 1\r\n",
        "Min-Expires: 99999999999\r\n",
        "Min-Expires: x\r\n",
    ] {
        let mut bench = Bench::new();
        bench.answer(423, nonsense);
        assert_eq!(bench.sent[1].1, "203.0.113.8", "{nonsense}");
    }
}

#[test]
fn the_next_server_is_asked_at_once_and_after_all_a_pause_that_grows() {
    let mut bench = Bench::new();
    bench.fail(408);
    assert_eq!(bench.problem(), Some("no answer from the carrier"));
    assert_eq!(bench.sent[1], (0, "203.0.113.8".into(), "600".into()));
    let mut pauses = Vec::new();
    for _ in 0..9 {
        bench.answer(503, "");
        pauses.push(bench.wait().as_secs());
        // Both are tried again.
        bench.fail(503);
    }
    assert_eq!(bench.problem(), Some("the carrier cannot be reached"));
    assert!(
        pauses.windows(2).all(|pair| pair[1] >= pair[0] || pair[1] >= 300),
        "{pauses:?}"
    );
    assert!(
        (5..=6).contains(&pauses[0]) && pauses[8] <= PAUSE_MAX.as_secs() * 5 / 4,
        "{pauses:?}"
    );
    assert!(pauses[8] >= 300);
    // A success sets everything back, and the server that works is kept.
    bench.granted(600);
    let works = bench.sent.last().unwrap().1.clone();
    bench.wait();
    assert_eq!(bench.sent.last().unwrap().1, works);
    assert!(bench.problem().is_none());
}

#[test]
fn retry_after_is_honoured_within_reason() {
    for (header, least, most) in [
        ("Retry-After: 60\r\n", 60, 75),
        ("Retry-After: 99999\r\n", 300, 375),
    ] {
        let mut bench = Bench::new();
        bench.fail(503);
        bench.answer(503, header);
        let waited = bench.wait().as_secs();
        assert!((least..=most).contains(&waited), "{header} {waited}");
    }
}

#[test]
fn a_refusal_is_not_knocked_on_and_says_what_is_wrong() {
    for (status, problem) in [
        (403, "the carrier refuses us (403)"),
        (401, "the carrier does not take our user and password"),
        (407, "the carrier does not take our user and password"),
        (404, "the carrier does not know our account"),
    ] {
        let mut bench = Bench::new();
        bench.answer(status, "");
        assert_eq!(bench.problem(), Some(problem));
        assert_eq!(
            bench.sent.len(),
            1,
            "no other server is tried with the same password"
        );
        let first = bench.wait();
        assert!(first >= REFUSED_PAUSE && first <= REFUSED_PAUSE * 5 / 4);
        for _ in 0..5 {
            bench.answer(status, "");
            assert!(bench.wait() <= REFUSED_PAUSE * 5);
        }
    }
}

#[test]
fn a_registration_that_cannot_be_renewed_ends_when_it_ends() {
    let mut bench = Bench::new();
    bench.granted(600);
    bench.wait();
    assert!(bench.is_registered());
    let began = bench.now.instant;
    while bench.is_registered() && bench.now.instant - began < Duration::from_secs(900) {
        if bench.ticket.is_some() {
            bench.fail(503);
        } else {
            bench.wait();
        }
    }
    let lasted = bench.now.instant - bench.start;
    assert!((600..610).contains(&lasted.as_secs()), "{lasted:?}");
}

#[test]
fn a_stop_takes_the_registration_back_and_asks_for_nothing_more() {
    let mut bench = Bench::new();
    bench.granted(600);
    bench.handle(Input::Stop);
    assert_eq!(bench.sent.last().unwrap().2, "0");
    assert!(!bench.state.as_ref().unwrap().is_over);
    bench.answer(200, "");
    let state = bench.state.clone().unwrap();
    assert!(state.is_over && !state.is_registered);
    assert_eq!(bench.next, None);

    // While the first is under way: it may have been granted.
    let mut bench = Bench::new();
    bench.handle(Input::Stop);
    assert_eq!(bench.sent.last().unwrap().2, "0");
    bench.fail(408);
    assert!(bench.state.as_ref().unwrap().is_over);

    // With nothing to take back it is over at once.
    let mut bench = Bench::new();
    bench.answer(403, "");
    bench.handle(Input::Stop);
    assert!(bench.state.as_ref().unwrap().is_over);
    assert_eq!((bench.sent.len(), bench.next), (1, None));
}

#[test]
fn credentials_in_between_move_the_number_on() {
    let mut bench = Bench::new();
    // What was sent as 1 went out as 2 with credentials.
    bench.last = Some(Request::new(crate::sip::Method::Register, "sip:x").header("CSeq", "2 REGISTER"));
    bench.granted(600);
    bench.wait();
    assert_eq!(
        bench.last.as_ref().unwrap().header_value("CSeq"),
        Some("3 REGISTER")
    );
}

#[test]
fn a_service_route_is_kept_whole_or_not_at_all() {
    let route = |lines: &str| {
        let mut bench = Bench::new();
        bench.answer(200, &format!("Expires: 600\r\n{lines}"));
        bench.state.unwrap().service_route
    };
    assert_eq!(
        route("Service-Route: <sip:p1;lr>, <sip:p2;lr>\r\n"),
        ["<sip:p1;lr>", "<sip:p2;lr>"]
    );
    assert_eq!(route(&"Service-Route: <sip:p1;lr>\r\n".repeat(9)), [""; 0]);
    assert_eq!(
        route("Service-Route: <sip:p1;lr>\r\nService-Route: nonsense <\r\n"),
        [""; 0]
    );
}
