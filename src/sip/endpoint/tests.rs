//! One endpoint between a scripted network and a scripted owner, with a virtual clock.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::sip::method::Method;
use crate::sip::{Dialog, Transport};

/// Drives an endpoint and writes down what it did, one line per output.
struct Bench {
    endpoint: Endpoint,
    start: Now,
    now: Now,
    sent: Vec<(Duration, Flow, Vec<u8>)>,
    events: Vec<SipEvent>,
}

impl Bench {
    fn new() -> Bench {
        let now = Now {
            instant: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        };
        Bench {
            endpoint: Endpoint::new([7; 32], "Ringward"),
            start: now,
            now,
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    fn receive(&mut self, text: &str) {
        self.receive_on(flow(Transport::Udp), text);
    }

    fn receive_on(&mut self, flow: Flow, text: &str) {
        let octets = text.replace('\n', "\r\n").into_bytes();
        self.endpoint.handle(
            EndpointInput::Received {
                flow,
                octets: &octets,
            },
            self.now,
        );
        self.drain();
    }

    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.endpoint.poll_output() {
                EndpointOutput::Transmit { flow, octets } => {
                    self.sent
                        .push((self.now.instant - self.start.instant, flow, octets));
                }
                EndpointOutput::Event(event) => self.events.push(event),
                EndpointOutput::Timeout(next) => return next,
            }
        }
    }

    /// Moves time on, stopping at every timer on the way.
    fn wait(&mut self, seconds: f64) {
        let end = self.now.instant + Duration::from_secs_f64(seconds);
        loop {
            let next = self.drain().filter(|&next| next <= end).unwrap_or(end);
            assert!(next >= self.now.instant, "timers only move forward");
            self.now = self.now.after(next - self.now.instant);
            self.endpoint.handle(EndpointInput::Tick, self.now);
            if next == end {
                self.drain();
                return;
            }
        }
    }

    /// First lines sent since the last call, with the milliseconds since the start.
    fn take_sent(&mut self) -> Vec<String> {
        let sent = std::mem::take(&mut self.sent);
        sent.iter()
            .map(|(at, _, octets)| {
                let text = String::from_utf8_lossy(octets);
                format!("{} {}", at.as_millis(), text.lines().next().unwrap_or_default())
            })
            .collect()
    }

    fn take_messages(&mut self) -> Vec<Message> {
        let sent = std::mem::take(&mut self.sent);
        sent.iter()
            .map(|(_, _, octets)| Message::parse(octets).unwrap())
            .collect()
    }

    /// The events since the last call, in one word each.
    fn take_events(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.events);
        events
            .iter()
            .map(|event| match event {
                SipEvent::Request { txn, request, .. } => format!("request {} {}", txn.0, request.method()),
                SipEvent::Ack { txn, .. } => format!("ack {}", txn.0),
                SipEvent::Cancelled { txn, reason } => {
                    format!("cancelled {} {}", txn.0, reason.as_deref().unwrap_or("-"))
                }
                SipEvent::Response { txn, response } => {
                    format!("response {} {}", txn.0, response.status().unwrap())
                }
                SipEvent::TimedOut { txn } => format!("timed out {}", txn.0),
                SipEvent::TransportFailed { txn } => format!("transport failed {}", txn.0),
                SipEvent::AckMissing { txn } => format!("ack missing {}", txn.0),
            })
            .collect()
    }

    fn shown_request(&mut self) -> (ServerTxn, Message) {
        match self.events.pop() {
            Some(SipEvent::Request { txn, request, .. }) => (txn, request),
            other => panic!("a request, not {other:?}"),
        }
    }

    /// An INVITE has come and 100 has gone.
    fn invited(&mut self) -> (ServerTxn, Message) {
        self.receive(&invite("z9hG4bK1"));
        let shown = self.shown_request();
        assert_eq!(self.take_sent().len(), 1);
        shown
    }

    fn respond(&mut self, txn: ServerTxn, request: &Message, status: u16) -> bool {
        let response = Response::new(request, status, "X").to_tag("ours");
        let is_sent = self.endpoint.respond(txn, response, self.now);
        self.drain();
        is_sent
    }

    fn request(&mut self, method: Method) -> ClientTxn {
        self.request_on(method, flow(Transport::Udp))
    }

    fn request_on(&mut self, method: Method, flow: Flow) -> ClientTxn {
        let cseq = format!("5 {method}");
        let request = Request::new(method, "sip:b@192.0.2.20")
            .header("Route", "<sip:192.0.2.20;lr>")
            .header("From", "<sip:us@h>;tag=ours")
            .header("To", "<sip:b@h>")
            .header("Call-ID", "c-out")
            .header("CSeq", cseq);
        let txn = self.endpoint.request(request, flow, "192.0.2.9:5060", self.now);
        self.drain();
        txn
    }

    /// A peer's answer to `request`, which we sent.
    fn answer(&mut self, request: &Message, status: u16, to_tag: &str) {
        let text = answer_text(request, status, to_tag);
        self.receive(&text);
    }

    fn acknowledge(&mut self, txn: ClientTxn, to_tag: &str) {
        let ack = Request::new(Method::Ack, "sip:b@192.0.2.30")
            .header("From", "<sip:us@h>;tag=ours")
            .header("To", format!("<sip:b@h>;tag={to_tag}"))
            .header("Call-ID", "c-out")
            .header("CSeq", "5 ACK");
        self.endpoint
            .acknowledge(txn, ack, flow(Transport::Udp), "192.0.2.9:5060", self.now);
        self.drain();
    }

    fn assert_nothing_left(&mut self) {
        assert_eq!(self.endpoint.live_transactions(), 0);
        assert_eq!(self.endpoint.servers.index_entries(), 0);
        assert_eq!(self.endpoint.clients.index_entries(), 0);
        assert_eq!(self.drain(), None, "no timer runs");
    }
}

fn flow(transport: Transport) -> Flow {
    Flow {
        transport,
        local: "192.0.2.9:5060".parse().unwrap(),
        remote: "192.0.2.1:4000".parse().unwrap(),
        connection: (transport == Transport::Tcp).then_some(3),
    }
}

fn request_text(method: &str, branch: &str, cseq: u32, to_tag: &str, extra: &str) -> String {
    format!(
        "{method} sip:us@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch={branch};rport\n\
         Via: SIP/2.0/UDP far.example;branch=z9hG4bKfar\nMax-Forwards: 60\nFrom: \"A\" <sip:a@h>;tag=peer\n\
         To: <sip:us@h>{to_tag}\nCall-ID: c-in\nCSeq: {cseq} {}\nContact: <sip:a@192.0.2.1:5062>\n{extra}\
         Content-Length: 0\n\n",
        method
    )
}

fn invite(branch: &str) -> String {
    request_text(
        "INVITE",
        branch,
        10,
        "",
        "Record-Route: <sip:192.0.2.1:5062;lr>\n",
    )
}

fn answer_text(request: &Message, status: u16, to_tag: &str) -> String {
    let (number, method) = request.cseq();
    format!(
        "SIP/2.0 {status} X\nVia: {}\nFrom: {}\nTo: <sip:b@h>{to_tag}\nCall-ID: {}\nCSeq: {number} {method}\n\
         Contact: <sip:b@192.0.2.30>\nContent-Length: 0\n\n",
        request.header("Via").unwrap(),
        request.header("From").unwrap(),
        request.call_id(),
    )
}

#[test]
fn an_invite_is_answered_100_at_once_and_shown_once() {
    let mut bench = Bench::new();
    bench.receive(&invite("z9hG4bK1"));
    assert_eq!(bench.take_sent(), ["0 SIP/2.0 100 Trying"]);
    assert_eq!(bench.take_events(), ["request 1 INVITE"]);
    bench.receive(&invite("z9hG4bK1"));
    assert_eq!(bench.take_sent(), ["0 SIP/2.0 100 Trying"]);
    assert_eq!(bench.take_events(), [""; 0]);
}

#[test]
fn answers_go_to_the_source_port_with_received_and_rport() {
    let mut bench = Bench::new();
    bench.receive(&invite("z9hG4bK1"));
    let (_, to, octets) = bench.sent.remove(0);
    assert_eq!(to.remote.to_string(), "192.0.2.1:4000");
    assert_eq!(to.local.to_string(), "192.0.2.9:5060");
    let answer = Message::parse(&octets).unwrap();
    assert_eq!(
        answer.header_lines("Via"),
        [
            "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1;rport=4000;received=192.0.2.1",
            "SIP/2.0/UDP far.example;branch=z9hG4bKfar"
        ]
    );
    assert_eq!(answer.header("Server").as_deref(), Some("Ringward"));
}

#[test]
fn answers_go_to_the_port_in_via_without_rport() {
    let mut bench = Bench::new();
    bench.receive(&invite("z9hG4bK1").replace(";rport", ""));
    assert_eq!(bench.sent[0].1.remote.to_string(), "192.0.2.1:5062");
}

#[test]
fn a_call_that_is_answered_acknowledged_and_ended_leaves_nothing() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    assert!(bench.respond(txn, &request, 180));
    bench.wait(3.0);
    assert!(bench.respond(txn, &request, 200));
    bench.wait(0.2);
    bench.receive(&request_text("ACK", "z9hG4bKack", 10, ";tag=ours", ""));
    bench.receive(&request_text("ACK", "z9hG4bKack", 10, ";tag=ours", ""));
    bench.wait(5.0);
    bench.receive(&request_text("BYE", "z9hG4bKbye", 11, ";tag=ours", ""));
    assert_eq!(bench.take_events(), ["ack 1", "request 2 BYE"]);
    let bye = Message::parse(
        request_text("BYE", "z9hG4bKbye", 11, ";tag=ours", "")
            .replace('\n', "\r\n")
            .as_bytes(),
    );
    assert!(bench.respond(ServerTxn(2), &bye.unwrap(), 200));
    assert_eq!(
        bench.take_sent(),
        ["0 SIP/2.0 180 X", "3000 SIP/2.0 200 X", "8200 SIP/2.0 200 X"]
    );
    bench.wait(64.0);
    assert_eq!(bench.take_events(), [""; 0]);
    bench.assert_nothing_left();
}

#[test]
fn a_2xx_is_repeated_from_t1_to_t2_until_64_t1_and_then_the_ack_is_missing() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench.respond(txn, &request, 200);
    bench.wait(40.0);
    let at: Vec<String> = bench
        .take_sent()
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_string())
        .collect();
    let expected = [
        "0", "500", "1500", "3500", "7500", "11500", "15500", "19500", "23500", "27500", "31500",
    ];
    assert_eq!(at, expected);
    assert_eq!(bench.take_events(), ["ack missing 1"]);
    bench.assert_nothing_left();
}

#[test]
fn a_2xx_is_repeated_on_tcp_too() {
    let mut bench = Bench::new();
    bench.receive_on(flow(Transport::Tcp), &invite("z9hG4bK1"));
    let (txn, request) = bench.shown_request();
    bench.respond(txn, &request, 200);
    bench.wait(0.6);
    assert_eq!(bench.take_sent().len(), 3);
}

#[test]
fn the_ack_to_a_2xx_must_fit_call_id_tags_and_cseq() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench.respond(txn, &request, 200);
    for wrong in [
        request_text("ACK", "z9hG4bKa", 11, ";tag=ours", ""),
        request_text("ACK", "z9hG4bKb", 10, ";tag=other", ""),
        request_text("ACK", "z9hG4bKc", 10, "", ""),
        request_text("ACK", "z9hG4bKd", 10, ";tag=ours", "").replace("c-in", "c-other"),
        request_text("ACK", "z9hG4bKe", 10, ";tag=ours", "").replace("tag=peer", "tag=stranger"),
    ] {
        bench.receive(&wrong);
    }
    assert_eq!(bench.take_events(), [""; 0]);
    assert_eq!(bench.endpoint.counts().unmatched, 5);
    // Some peers put the branch of the INVITE into the ACK of a 2xx.
    bench.receive(&request_text("ACK", "z9hG4bK1", 10, ";tag=ours", ""));
    assert_eq!(bench.take_events(), ["ack 1"]);
}

#[test]
fn a_refusal_is_repeated_until_its_ack_which_is_not_shown() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench.respond(txn, &request, 486);
    bench.wait(1.6);
    assert_eq!(
        bench.take_sent(),
        ["0 SIP/2.0 486 X", "500 SIP/2.0 486 X", "1500 SIP/2.0 486 X"]
    );
    bench.receive(&request_text("ACK", "z9hG4bK1", 10, ";tag=ours", ""));
    bench.receive(&invite("z9hG4bK1"));
    bench.wait(4.9);
    assert_eq!((bench.take_sent().len(), bench.take_events().len()), (0, 0));
    assert_eq!(bench.endpoint.live_transactions(), 1);
    bench.wait(0.2);
    bench.assert_nothing_left();
}

#[test]
fn a_refusal_without_ack_ends_by_h() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench.respond(txn, &request, 486);
    bench.wait(31.9);
    assert_eq!(bench.take_sent().len(), 11);
    assert_eq!(bench.endpoint.live_transactions(), 1);
    bench.wait(0.1);
    bench.assert_nothing_left();
}

#[test]
fn on_tcp_a_refusal_is_sent_once_and_its_ack_ends_it() {
    let mut bench = Bench::new();
    bench.receive_on(flow(Transport::Tcp), &invite("z9hG4bK1"));
    let (txn, request) = bench.shown_request();
    bench.respond(txn, &request, 486);
    bench.wait(10.0);
    assert_eq!(bench.take_sent(), ["0 SIP/2.0 100 Trying", "0 SIP/2.0 486 X"]);
    bench.receive_on(
        flow(Transport::Tcp),
        &request_text("ACK", "z9hG4bK1", 10, ";tag=ours", ""),
    );
    bench.assert_nothing_left();
}

#[test]
fn an_untagged_answer_gets_one_tag_for_the_whole_transaction() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench
        .endpoint
        .respond(txn, Response::new(&request, 180, "Ringing"), bench.now);
    bench
        .endpoint
        .respond(txn, Response::new(&request, 200, "OK"), bench.now);
    bench.drain();
    let tags: Vec<Option<String>> = bench
        .take_messages()
        .iter()
        .map(|m| m.to().tag().map(str::to_string))
        .collect();
    assert!(tags[0].is_some() && tags[0] == tags[1], "{tags:?}");
}

#[test]
fn a_cancel_is_answered_200_and_its_repetition_too_even_after_the_invite_has_ended() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench.respond(txn, &request, 180);
    let cancel = request_text("CANCEL", "z9hG4bK1", 10, "", "Reason: SIP;cause=200\n");
    bench.receive(&cancel);
    assert_eq!(bench.take_events(), ["cancelled 1 SIP;cause=200"]);
    bench.respond(txn, &request, 487);
    bench.receive(&request_text("ACK", "z9hG4bK1", 10, ";tag=ours", ""));
    bench.wait(6.0);
    bench.receive(&cancel);
    assert_eq!(
        bench.take_sent(),
        [
            "0 SIP/2.0 180 X",
            "0 SIP/2.0 200 OK",
            "0 SIP/2.0 487 X",
            "6000 SIP/2.0 200 OK"
        ]
    );
    assert_eq!(bench.take_events(), [""; 0]);
    bench.wait(32.0);
    bench.assert_nothing_left();
}

#[test]
fn the_answer_to_a_cancel_has_the_tag_of_the_invite() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench.respond(txn, &request, 180);
    bench.receive(&request_text("CANCEL", "z9hG4bK1", 10, "", ""));
    assert_eq!(bench.take_messages()[1].to().tag(), Some("ours"));
}

#[test]
fn a_cancel_that_matches_nothing_is_481_and_so_is_its_repetition() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        bench.receive(&request_text("CANCEL", "z9hG4bKnone", 10, "", ""));
    }
    let line = "0 SIP/2.0 481 Call/Transaction Does Not Exist";
    assert_eq!(bench.take_sent(), [line, line]);
    assert_eq!(bench.endpoint.live_transactions(), 1);
    bench.wait(33.0);
    bench.assert_nothing_left();
}

#[test]
fn a_cancel_racing_a_200_is_answered_and_changes_nothing() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench.respond(txn, &request, 200);
    bench.receive(&request_text("CANCEL", "z9hG4bK1", 10, "", ""));
    assert_eq!(bench.take_sent(), ["0 SIP/2.0 200 X", "0 SIP/2.0 200 OK"]);
    assert_eq!(bench.take_events(), [""; 0]);
    assert!(!bench.respond(txn, &request, 487));
}

#[test]
fn on_tcp_a_repeated_cancel_is_200_again_and_cancels_once() {
    let mut bench = Bench::new();
    let tcp = flow(Transport::Tcp);
    bench.receive_on(tcp, &invite("z9hG4bK1"));
    for _ in 0..2 {
        bench.receive_on(tcp, &request_text("CANCEL", "z9hG4bK1", 10, "", ""));
    }
    assert_eq!(
        bench.take_sent(),
        ["0 SIP/2.0 100 Trying", "0 SIP/2.0 200 OK", "0 SIP/2.0 200 OK"]
    );
    assert_eq!(bench.take_events(), ["request 1 INVITE", "cancelled 1 -"]);
}

#[test]
fn a_repeated_request_gets_the_same_octets_again() {
    let mut bench = Bench::new();
    let info = request_text("INFO", "z9hG4bKi", 11, ";tag=ours", "");
    bench.receive(&info);
    let (txn, request) = bench.shown_request();
    bench.receive(&info);
    assert_eq!(bench.sent.len(), 0, "not answered yet");
    bench.respond(txn, &request, 200);
    bench.receive(&info);
    assert_eq!(bench.sent[0].2, bench.sent[1].2);
    assert_eq!(bench.take_events(), [""; 0]);
    assert!(!bench.respond(txn, &request, 500), "one final answer");
}

#[test]
fn an_unknown_method_is_shown() {
    let mut bench = Bench::new();
    bench.receive(&request_text("FROBNICATE", "z9hG4bKf", 11, "", ""));
    assert_eq!(bench.take_events(), ["request 1 FROBNICATE"]);
}

#[test]
fn a_request_that_came_by_two_ways_is_482_and_its_ack_vanishes() {
    let mut bench = Bench::new();
    bench.invited();
    bench.receive(&invite("z9hG4bKother"));
    assert_eq!(bench.take_sent(), ["0 SIP/2.0 482 Loop Detected"]);
    bench.receive(&request_text("ACK", "z9hG4bKother", 10, ";tag=x", ""));
    assert_eq!((bench.take_sent().len(), bench.take_events().len()), (0, 0));
    assert_eq!(bench.endpoint.counts().merged, 1);
    assert_eq!(bench.endpoint.live_transactions(), 1);
}

#[test]
fn a_re_invite_is_no_merged_request() {
    let mut bench = Bench::new();
    bench.invited();
    bench.receive(&request_text("INVITE", "z9hG4bK2", 10, ";tag=ours", ""));
    assert_eq!(bench.take_events(), ["request 2 INVITE"]);
}

#[test]
fn an_rfc_2543_invite_without_branch_has_a_transaction() {
    let mut bench = Bench::new();
    let text = invite("x").replace(";branch=x", "");
    bench.receive(&text);
    let (txn, request) = bench.shown_request();
    bench.receive(&text);
    bench.respond(txn, &request, 486);
    let ack = request_text("ACK", "x", 10, ";tag=ours", "").replace(";branch=x", "");
    bench.receive(&ack);
    bench.wait(6.0);
    assert_eq!(
        bench.take_sent(),
        ["0 SIP/2.0 100 Trying", "0 SIP/2.0 100 Trying", "0 SIP/2.0 486 X"]
    );
    bench.assert_nothing_left();
}

#[test]
fn a_malformed_request_is_answered_without_state() {
    let mut bench = Bench::new();
    bench.receive(&invite("z9hG4bK1").replace("Content-Length: 0", "Content-Length: 9"));
    bench.receive(&invite("z9hG4bK1").replace("SIP/2.0\nVia", "SIP/7.0\nVia"));
    bench.receive(&invite("z9hG4bK1").replace("Max-Forwards: 60", "no colon"));
    let messages = bench.take_messages();
    let statuses: Vec<u16> = messages.iter().filter_map(Message::status).collect();
    assert_eq!(statuses, [400, 505, 400]);
    assert_eq!(
        messages[0].reason_phrase(),
        Some("Bad Request (Content-Length: expected as many octets as promised)")
    );
    assert_eq!(messages[0].cseq(), (10, Method::Invite));
    assert!(messages[0].to().tag().is_some());
    assert_eq!(
        messages[0].to().tag(),
        messages[1].to().tag(),
        "the same tag for the same request"
    );
    assert_eq!(bench.endpoint.counts().malformed, 3);
    bench.assert_nothing_left();
}

#[test]
fn a_broken_response_ack_or_stranger_gets_no_answer() {
    let mut bench = Bench::new();
    bench.receive("SIP/2.0 200 OK\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\n\n");
    bench.receive(
        &request_text("ACK", "z9hG4bK1", 10, "", "").replace("Content-Length: 0", "Content-Length: 9"),
    );
    bench.receive("GET / HTTP/1.1\nHost: x\n\n");
    bench.receive("\n\n");
    bench.receive("INVITE sip:x SIP/2.0\nCall-ID: no via\n\n");
    bench.receive(&invite("z9hG4bK1").replace("SIP/2.0 100", ""));
    let sent = bench.take_sent();
    assert_eq!(sent, ["0 SIP/2.0 100 Trying"], "only the good one");
}

#[test]
fn a_stateless_answer_is_bounded() {
    let mut bench = Bench::new();
    let vias = "Via: SIP/2.0/UDP far.example;branch=z9hG4bKfar\n".repeat(200);
    bench.receive(&request_text("OPTIONS", "z9hG4bK1", 1, "", &vias).replace("CSeq: 1 ", "CSeq: x "));
    assert_eq!(bench.take_sent(), [""; 0]);
    assert_eq!(bench.endpoint.counts().malformed, 1);
}

#[test]
fn an_invite_of_ours_gets_via_max_forwards_and_length_and_is_repeated_until_b() {
    let mut bench = Bench::new();
    let txn = bench.request(Method::Invite);
    let sent = bench.sent[0].2.clone();
    let message = Message::parse(&sent).unwrap();
    let via = message.header("Via").unwrap();
    assert!(
        via.starts_with("SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK") && via.ends_with(";rport"),
        "{via}"
    );
    assert_eq!(message.header("Max-Forwards").as_deref(), Some("70"));
    assert_eq!(message.header("User-Agent").as_deref(), Some("Ringward"));
    bench.wait(40.0);
    assert!(bench.sent.iter().all(|(_, _, octets)| *octets == sent));
    let at: Vec<u128> = bench.sent.iter().map(|(at, ..)| at.as_millis()).collect();
    assert_eq!(at, [0, 500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(bench.take_events(), [format!("timed out {}", txn.0)]);
    bench.assert_nothing_left();
}

#[test]
fn a_refused_invite_is_acknowledged_with_its_own_branch_and_route() {
    let mut bench = Bench::new();
    let txn = bench.request(Method::Invite);
    let invite = bench.take_messages().remove(0);
    bench.answer(&invite, 180, ";tag=t");
    bench.answer(&invite, 486, ";tag=t");
    bench.answer(&invite, 486, ";tag=t");
    assert_eq!(
        bench.take_events(),
        [
            format!("response {} 180", txn.0),
            format!("response {} 486", txn.0)
        ]
    );
    let acks = bench.take_messages();
    assert_eq!(acks.len(), 2);
    for ack in &acks {
        assert_eq!(ack.cseq(), (5, Method::Ack));
        assert_eq!(ack.request_uri(), invite.request_uri());
        for name in ["Via", "From", "Call-ID", "Route"] {
            assert_eq!(ack.header(name), invite.header(name), "{name}");
        }
        assert_eq!(ack.to().tag(), Some("t"));
    }
    bench.wait(32.0);
    bench.assert_nothing_left();
}

#[test]
fn a_repeated_200_is_acknowledged_again_and_shown_once() {
    let mut bench = Bench::new();
    let txn = bench.request(Method::Invite);
    let invite = bench.take_messages().remove(0);
    bench.answer(&invite, 200, ";tag=t");
    bench.acknowledge(txn, "t");
    bench.answer(&invite, 200, ";tag=t");
    bench.answer(&invite, 200, ";tag=fork");
    bench.answer(&invite, 180, ";tag=t");
    let shown = format!("response {} 200", txn.0);
    assert_eq!(bench.take_events(), [shown.clone(), shown]);
    assert_eq!(bench.sent.len(), 2);
    assert_eq!(bench.sent[0].2, bench.sent[1].2, "the same ACK");
    let ack = Message::parse(&bench.sent[0].2).unwrap();
    assert_ne!(ack.header("Via"), invite.header("Via"), "a branch of its own");
    bench.wait(31.9);
    assert_eq!(bench.endpoint.live_transactions(), 1);
    bench.wait(0.2);
    bench.assert_nothing_left();
    bench.answer(&invite, 200, ";tag=t");
    assert_eq!(bench.endpoint.counts().unmatched, 1);
}

#[test]
fn a_cancel_waits_for_a_1xx_and_has_the_branch_of_its_invite() {
    let mut bench = Bench::new();
    let txn = bench.request(Method::Invite);
    let invite = bench.take_messages().remove(0);
    bench.endpoint.cancel(
        txn,
        Some("SIP;cause=200;text=\"Call completed elsewhere\""),
        bench.now,
    );
    bench.drain();
    assert_eq!(bench.sent.len(), 0);
    bench.answer(&invite, 100, "");
    let cancel = bench.take_messages().remove(0);
    assert_eq!((cancel.method(), cancel.cseq().0), (Method::Cancel, 5));
    for name in ["Via", "From", "To", "Call-ID", "Route"] {
        assert_eq!(cancel.header(name), invite.header(name), "{name}");
    }
    assert_eq!(
        cancel.header("Reason").as_deref(),
        Some("SIP;cause=200;text=\"Call completed elsewhere\"")
    );
    bench.answer(&cancel, 200, ";tag=t");
    bench.answer(&invite, 487, ";tag=t");
    let events = [100, 487].map(|status| format!("response {} {status}", txn.0));
    assert_eq!(
        bench.take_events(),
        events,
        "the 200 to the CANCEL is nobody's business"
    );
    bench.wait(32.0);
    bench.assert_nothing_left();
}

#[test]
fn a_cancel_that_nobody_answers_ends_in_a_time_out_after_64_t1() {
    let mut bench = Bench::new();
    let txn = bench.request(Method::Invite);
    let invite = bench.take_messages().remove(0);
    bench.answer(&invite, 180, ";tag=t");
    bench.wait(10.0);
    bench.endpoint.cancel(txn, None, bench.now);
    bench.endpoint.cancel(txn, None, bench.now);
    bench.wait(31.9);
    assert_eq!(bench.take_sent().len(), 11, "one CANCEL, repeated by E");
    assert_eq!(bench.take_events(), [format!("response {} 180", txn.0)]);
    bench.wait(0.2);
    assert_eq!(bench.take_events(), [format!("timed out {}", txn.0)]);
    bench.assert_nothing_left();
}

#[test]
fn a_200_that_crosses_the_cancel_is_shown() {
    let mut bench = Bench::new();
    let txn = bench.request(Method::Invite);
    let invite = bench.take_messages().remove(0);
    bench.answer(&invite, 180, ";tag=t");
    bench.endpoint.cancel(txn, None, bench.now);
    bench.drain();
    bench.answer(&invite, 200, ";tag=t");
    assert_eq!(bench.take_events()[1], format!("response {} 200", txn.0));
}

#[test]
fn a_bye_of_ours_is_repeated_to_t2_until_f() {
    let mut bench = Bench::new();
    let txn = bench.request(Method::Bye);
    bench.wait(33.0);
    let at: Vec<u128> = bench.sent.iter().map(|(at, ..)| at.as_millis()).collect();
    assert_eq!(
        at,
        [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
    );
    assert_eq!(bench.take_events(), [format!("timed out {}", txn.0)]);
    bench.assert_nothing_left();
}

#[test]
fn on_tcp_nothing_is_repeated_and_a_final_answer_ends_it() {
    let mut bench = Bench::new();
    for method in [Method::Bye, Method::Invite] {
        bench.request_on(method, flow(Transport::Tcp));
        let request = bench.take_messages().remove(0);
        assert!(request.header("Via").unwrap().starts_with("SIP/2.0/TCP "));
        bench.wait(20.0);
        assert_eq!(bench.sent.len(), 0);
        bench.answer(&request, 486, ";tag=t");
        bench.take_sent();
        bench.assert_nothing_left();
    }
}

#[test]
fn a_response_with_another_branch_or_method_is_nobodys() {
    let mut bench = Bench::new();
    bench.request(Method::Bye);
    let bye = bench.take_messages().remove(0);
    bench.receive(&answer_text(&bye, 200, ";tag=t").replace("z9hG4bK", "z9hG4bK0"));
    bench.receive(&answer_text(&bye, 200, ";tag=t").replace("5 BYE", "5 INFO"));
    assert_eq!(bench.take_events(), [""; 0]);
    assert_eq!(bench.endpoint.counts().unmatched, 2);
}

#[test]
fn a_transport_error_fails_what_waits_on_that_flow_in_order() {
    let mut bench = Bench::new();
    let (first, second) = (bench.request(Method::Invite), bench.request(Method::Bye));
    let other = Flow {
        remote: "192.0.2.77:5060".parse().unwrap(),
        ..flow(Transport::Udp)
    };
    bench.request_on(Method::Info, other);
    bench.endpoint.handle(
        EndpointInput::TransportError {
            flow: flow(Transport::Udp),
        },
        bench.now,
    );
    bench.drain();
    let expected = [first, second].map(|txn| format!("transport failed {}", txn.0));
    assert_eq!(bench.take_events(), expected);
    assert_eq!(bench.endpoint.live_transactions(), 1);
}

#[test]
fn a_tcp_error_fails_requests_sent_before_the_connection_had_a_name() {
    let mut bench = Bench::new();
    let unnamed = Flow {
        connection: None,
        ..flow(Transport::Tcp)
    };
    let txn = bench.request_on(Method::Invite, unnamed);
    bench.endpoint.handle(
        EndpointInput::TransportError {
            flow: flow(Transport::Tcp),
        },
        bench.now,
    );
    bench.drain();
    assert_eq!(bench.take_events(), [format!("transport failed {}", txn.0)]);
}

#[test]
fn a_tcp_error_fails_requests_on_that_connection_whatever_address_they_name() {
    let mut bench = Bench::new();
    let connection = Flow {
        connection: Some(7),
        ..flow(Transport::Tcp)
    };
    // The peer called from a port of its system's choice, and is asked where it listens.
    let listening = Flow {
        remote: "192.0.2.77:5060".parse().unwrap(),
        ..connection
    };
    let txn = bench.request_on(Method::Bye, listening);
    let other = Flow {
        connection: Some(8),
        ..listening
    };
    bench.request_on(Method::Bye, other);
    bench
        .endpoint
        .handle(EndpointInput::TransportError { flow: connection }, bench.now);
    bench.drain();
    assert_eq!(bench.take_events(), [format!("transport failed {}", txn.0)]);
}

#[test]
fn responses_to_unknown_transactions_and_odd_statuses_are_ignored() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    assert!(!bench.respond(ServerTxn(99), &request, 200));
    assert!(!bench.respond(txn, &request, 99));
    assert!(!bench.respond(txn, &request, 700));
    assert_eq!(bench.sent.len(), 0);
}

#[test]
fn a_full_table_refuses_new_calls_first_and_lets_live_calls_end() {
    let mut bench = Bench::new();
    bench.endpoint.servers = incoming::Servers::new(40, 10);
    let new_calls = 30;
    for n in 0..new_calls {
        let text =
            request_text("OPTIONS", &format!("z9hG4bK{n}"), 10, "", "").replace("c-in", &format!("c{n}"));
        bench.receive(&text);
    }
    bench.events.clear();
    bench.receive(&invite("z9hG4bKnew"));
    let refusal = bench.take_messages().remove(0);
    assert_eq!(
        (refusal.status(), refusal.header("Retry-After").as_deref()),
        (Some(503), Some("5"))
    );
    bench.receive(&request_text("BYE", "z9hG4bKbye", 11, ";tag=ours", ""));
    assert_eq!(bench.take_events(), [format!("request {} BYE", new_calls + 1)]);
    bench.receive(&request_text("CANCEL", "z9hG4bKnone", 10, "", ""));
    assert_eq!(bench.take_messages()[0].status(), Some(481));
    assert_eq!(bench.endpoint.live_transactions(), new_calls + 1);
    for n in 0..20 {
        let text = request_text("INFO", &format!("z9hG4bKinfo{n}"), 20 + n, ";tag=ours", "");
        bench.receive(&text);
    }
    assert_eq!(bench.endpoint.live_transactions(), 40, "the hard bound");
    assert_eq!(bench.endpoint.counts().overloaded, 12);
    bench.wait(33.0);
    bench.assert_nothing_left();
}

#[test]
fn two_endpoints_with_one_seed_and_one_script_do_the_same() {
    let run = || {
        let mut bench = Bench::new();
        let (txn, request) = bench.invited();
        let out = bench.request(Method::Invite);
        bench.respond(txn, &request, 180);
        bench.endpoint.cancel(out, None, bench.now);
        bench.request(Method::Options);
        bench.wait(40.0);
        bench
            .sent
            .into_iter()
            .map(|(at, _, octets)| (at, octets))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

/// Two endpoints and a wire between them, which drops what `is_lost` says.
fn call_over_wire(mut is_lost: impl FnMut(usize) -> bool) {
    let (mut caller, mut called) = (Bench::new(), Bench::new());
    called.endpoint = Endpoint::new([8; 32], "Other");
    let invite = Request::new(Method::Invite, "sip:b@192.0.2.20")
        .header("From", "<sip:us@h>;tag=ours")
        .header("To", "<sip:b@h>")
        .header("Call-ID", "c-out")
        .header("CSeq", "5 INVITE")
        .header("Contact", "<sip:us@192.0.2.9>");
    let to_called = flow(Transport::Udp);
    let txn = caller
        .endpoint
        .request(invite.clone(), to_called, "192.0.2.9:5060", caller.now);
    let mut count = 0;
    let mut ends = (None, None);
    let mut is_over = (false, false);
    for _ in 0..1200 {
        caller.wait(0.1);
        called.wait(0.1);
        for (from, to) in [(true, false), (false, true)] {
            let (source, target) = match from {
                true => (&mut caller, &mut called),
                false => (&mut called, &mut caller),
            };
            debug_assert_ne!(from, to);
            for (_, _, octets) in std::mem::take(&mut source.sent) {
                count += 1;
                if !is_lost(count) {
                    target.endpoint.handle(
                        EndpointInput::Received {
                            flow: to_called,
                            octets: &octets,
                        },
                        target.now,
                    );
                }
            }
            target.drain();
        }
        for event in std::mem::take(&mut called.events) {
            match event {
                SipEvent::Request { txn, request, .. } if request.method() == Method::Invite => {
                    ends.1 = Dialog::as_server(&request, "t", "<sip:b@192.0.2.20>").ok();
                    called.endpoint.respond(
                        txn,
                        Response::new(&request, 180, "Ringing").to_tag("t"),
                        called.now,
                    );
                    let ok = Response::new(&request, 200, "OK")
                        .to_tag("t")
                        .header("Contact", "<sip:b@192.0.2.20>");
                    called.endpoint.respond(txn, ok, called.now);
                }
                SipEvent::Request { txn, request, .. } => {
                    let dialog: &mut Dialog = ends.1.as_mut().unwrap();
                    assert!(dialog.owns(&request));
                    assert_eq!(dialog.on_request(&request), Ok(()));
                    is_over.1 = true;
                    called
                        .endpoint
                        .respond(txn, Response::new(&request, 200, "OK"), called.now);
                }
                SipEvent::Ack { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        for event in std::mem::take(&mut caller.events) {
            match event {
                SipEvent::Response { response, .. } if response.status() == Some(200) => {
                    if response.method() == Method::Bye {
                        is_over.0 = true;
                        continue;
                    }
                    let mut dialog = Dialog::as_client(&invite, &response, "<sip:us@192.0.2.9>").unwrap();
                    let now = caller.now;
                    caller
                        .endpoint
                        .acknowledge(txn, dialog.ack(5), to_called, "192.0.2.9:5060", now);
                    caller
                        .endpoint
                        .request(dialog.request(Method::Bye), to_called, "192.0.2.9:5060", now);
                    ends.0 = Some(dialog);
                }
                SipEvent::Response { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(is_over, (true, true));
    caller.assert_nothing_left();
    called.assert_nothing_left();
}

#[test]
fn a_call_survives_the_loss_of_any_one_message() {
    for lost in 0..12 {
        call_over_wire(|count| count == lost);
    }
}

#[test]
fn a_call_survives_the_loss_of_every_third_message() {
    for phase in 0..3 {
        call_over_wire(|count| count % 3 == phase);
    }
}

/// One thing that may happen to an endpoint.
#[derive(Clone, Debug)]
enum Happening {
    Request(&'static str, u32, &'static str),
    Respond(u16),
    Ask(Method),
    Answer(usize, u16, &'static str),
    Cancel(usize),
    Acknowledge(usize),
    TransportError,
    Wait(u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    let method = prop::sample::select(vec!["INVITE", "ACK", "CANCEL", "BYE", "INFO"]);
    let tag = prop::sample::select(vec!["", ";tag=ours"]);
    let status = prop::sample::select(vec![100u16, 180, 183, 200, 302, 486, 487, 603]);
    let fork = prop::sample::select(vec!["", ";tag=t", ";tag=u"]);
    let asked = prop::sample::select(vec![Method::Invite, Method::Bye, Method::Options]);
    prop_oneof![
        4 => (method, 10u32..13, tag).prop_map(|(method, cseq, tag)| Happening::Request(method, cseq, tag)),
        3 => status.clone().prop_map(Happening::Respond),
        2 => asked.prop_map(Happening::Ask),
        4 => (0usize..6, status, fork).prop_map(|(which, status, fork)| Happening::Answer(which, status, fork)),
        1 => (0usize..3).prop_map(Happening::Cancel),
        1 => (0usize..3).prop_map(Happening::Acknowledge),
        1 => Just(Happening::TransportError),
        4 => (0u32..40_000).prop_map(Happening::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// `Bench::wait` also checks that timers only move forward.
    #[test]
    fn whatever_happens_every_request_ends_once_and_nothing_is_left(happenings in prop::collection::vec(happening(), 0..40)) {
        let mut bench = Bench::new();
        let mut asked: Vec<(ClientTxn, Message)> = Vec::new();
        let mut finals: HashMap<u64, usize> = HashMap::new();
        let mut open: Vec<(ServerTxn, Message)> = Vec::new();
        for happening in happenings.into_iter().chain([Happening::Wait(1)]) {
            match happening {
                Happening::Request(method, cseq, tag) => {
                    bench.receive(&request_text(method, &format!("z9hG4bK{cseq}"), cseq, tag, ""));
                }
                Happening::Respond(status) => {
                    if let Some((txn, request)) = open.last().cloned() {
                        bench.respond(txn, &request, status);
                    }
                }
                Happening::Ask(method) => {
                    let before = bench.sent.len();
                    let txn = bench.request(method);
                    asked.push((txn, Message::parse(&bench.sent[before].2).unwrap()));
                }
                Happening::Answer(which, status, tag) => {
                    if let Some((_, request)) = asked.get(which).cloned() {
                        bench.answer(&request, status, tag);
                    }
                }
                Happening::Cancel(which) => {
                    if let Some((txn, _)) = asked.get(which) {
                        bench.endpoint.cancel(*txn, None, bench.now);
                        bench.drain();
                    }
                }
                Happening::Acknowledge(which) => {
                    if let Some((txn, _)) = asked.get(which) {
                        bench.acknowledge(*txn, "t");
                    }
                }
                Happening::TransportError => {
                    let failed = EndpointInput::TransportError { flow: flow(Transport::Udp) };
                    bench.endpoint.handle(failed, bench.now);
                    bench.drain();
                }
                Happening::Wait(ms) => bench.wait(f64::from(ms) / 1000.0),
            }
            for event in std::mem::take(&mut bench.events) {
                match event {
                    SipEvent::Request { txn, request, .. } => open.push((txn, request)),
                    SipEvent::Response { txn, response } if response.status() >= Some(300) => {
                        *finals.entry(txn.0).or_default() += 1;
                    }
                    SipEvent::TimedOut { txn } | SipEvent::TransportFailed { txn } => {
                        *finals.entry(txn.0).or_default() += 1;
                    }
                    _ => {}
                }
            }
        }
        for (txn, request) in &open {
            bench.respond(*txn, request, 500);
        }
        for (txn, invite) in &asked {
            bench.endpoint.cancel(*txn, None, bench.now);
            bench.answer(invite, 100, "");
        }
        bench.wait(100.0);
        prop_assert!(finals.values().all(|&count| count == 1), "{:?}", finals);
        bench.assert_nothing_left();
    }
}
