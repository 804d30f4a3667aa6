//! Two endpoints and a wire that loses, and whatever else may happen.

use proptest::prelude::*;

use super::*;
use crate::sip::Dialog;

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
    /// A reliable 1xx; is there a description?
    Ring(bool),
    /// The PRACK to the last of them, or to none.
    Prack(bool),
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
        2 => any::<bool>().prop_map(Happening::Ring),
        2 => any::<bool>().prop_map(Happening::Prack),
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
                Happening::Ring(is_described) => {
                    if let Some((txn, invite)) = open.last().cloned() {
                        let mut response = Response::new(&invite, 183, "X").to_tag("ours").header("Require", "100rel");
                        if is_described {
                            response = response.with_body("application/sdp", b"v=0".to_vec());
                        }
                        bench.endpoint.respond(txn, response, bench.now);
                        bench.drain();
                    }
                }
                Happening::Prack(is_right) => {
                    let last = bench.sent.iter().rev().filter_map(|(_, _, octets)| Message::parse(octets).ok());
                    let rseq = last.filter_map(|message| message.header("RSeq")?.parse::<u32>().ok()).next();
                    if let (Some((txn, invite)), Some(rseq)) = (open.last().cloned(), rseq) {
                        let number = if is_right { rseq } else { rseq + 1 };
                        let rack = format!("RAck: {number} {} INVITE\n", invite.cseq().0);
                        let text = request_text("PRACK", "z9hG4bKprack", 90, ";tag=ours", &rack).replace('\n', "\r\n");
                        let prack = Message::parse(text.as_bytes()).unwrap();
                        let is_taken = bench.endpoint.acknowledges(txn, &prack, bench.now);
                        prop_assert!(!is_taken || is_right);
                        bench.endpoint.release(txn, bench.now);
                        bench.drain();
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
                    let failed = EndpointInput::TransportError {
                        flow: flow(Transport::Udp),
                        fault: TransportFault::Refused,
                        at: bench.now.instant,
                    };
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
                    SipEvent::TimedOut { txn } | SipEvent::TransportFailed { txn, .. } => {
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
