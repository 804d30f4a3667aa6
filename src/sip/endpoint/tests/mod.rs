//! One endpoint between a scripted network and a scripted owner, with a virtual clock.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

mod answering;
mod arriving;
mod asking;
mod cancelling;
mod failing;
mod whole;

use std::time::{Duration, SystemTime};

use super::*;
use crate::sip::Transport;
use crate::sip::method::Method;

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
                SipEvent::TransportFailed { txn, .. } => format!("transport failed {}", txn.0),
                SipEvent::ConnectionLost { txn, .. } => format!("connection lost {}", txn.0),
                SipEvent::AckMissing { txn } => format!("ack missing {}", txn.0),
                SipEvent::PrackMissing { txn } => format!("prack missing {}", txn.0),
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
        peer: None,
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
