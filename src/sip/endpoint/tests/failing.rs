//! Transports that fail, and responses that belong to nothing.

use super::*;

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
            fault: TransportFault::Refused,
            at: bench.now.instant,
        },
        bench.now,
    );
    bench.drain();
    let expected = [first, second].map(|txn| format!("transport failed {}", txn.0));
    assert_eq!(bench.take_events(), expected);
    assert_eq!(bench.endpoint.live_transactions(), 1);
}

#[test]
fn a_tcp_error_is_heard_by_requests_sent_before_the_connection_had_a_name() {
    let mut bench = Bench::new();
    let txn = bench.request_on(Method::Bye, unnamed());
    bench.take_sent();
    let now = bench.now.instant;
    fail(&mut bench, connection(7), TransportFault::Closed, now);
    assert_eq!(bench.take_events(), Vec::<String>::new());
    assert_eq!(bench.take_messages()[0].method(), Method::Bye, "by a new one");
    bench.wait(0.001);
    let now = bench.now.instant;
    fail(&mut bench, unnamed(), TransportFault::Refused, now);
    assert_eq!(bench.take_events(), [format!("transport failed {}", txn.0)]);
    bench.assert_nothing_left();
}

#[test]
fn a_tcp_error_is_heard_by_requests_on_that_connection_whatever_address_they_name() {
    let mut bench = Bench::new();
    // The peer called from a port of its system's choice, and is asked where it listens.
    let listening = Flow {
        remote: "192.0.2.77:5060".parse().unwrap(),
        ..connection(7)
    };
    bench.request_on(Method::Bye, listening);
    let other = Flow {
        connection: Some(8),
        ..listening
    };
    bench.request_on(Method::Bye, other);
    bench.sent.clear();
    let now = bench.now.instant;
    fail(&mut bench, connection(7), TransportFault::Closed, now);
    let again: Vec<Flow> = bench.sent.iter().map(|(_, flow, _)| *flow).collect();
    let by_a_new_one = Flow {
        connection: None,
        ..listening
    };
    assert_eq!(again, [by_a_new_one]);
}

/// A call names the connection it came by. That one is over, so its BYE went by another to the same place, and is lost with it.
#[test]
fn a_request_that_names_a_connection_long_gone_goes_again_when_the_one_that_carried_it_breaks() {
    let mut bench = Bench::new();
    let now = bench.now.instant;
    fail(&mut bench, connection(7), TransportFault::Closed, now);
    bench.wait(1.0);
    bench.request_on(Method::Bye, connection(7));
    // Connection 8 is up: what names it was carried by it.
    bench.request_on(Method::Bye, connection(8));
    bench.sent.clear();
    let now = bench.now.instant;
    fail(&mut bench, connection(9), TransportFault::Closed, now);
    let again: Vec<Flow> = bench.sent.iter().map(|(_, flow, _)| *flow).collect();
    assert_eq!(again, [unnamed()]);
}

/// What RFC 3261 figures 7 and 8 call "Transport Err.": our answer is lost, and its timers end it.
#[test]
fn a_transport_error_leaves_what_we_were_asked_to_its_timers() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    let at = bench.now.instant;
    let failed = || EndpointInput::TransportError {
        flow: flow(Transport::Udp),
        fault: TransportFault::Unreachable,
        at,
    };
    bench.endpoint.handle(failed(), bench.now);
    bench.drain();
    assert!(bench.take_events().is_empty());
    assert!(bench.respond(txn, &request, 486), "it can still be answered");
    bench.endpoint.handle(failed(), bench.now);
    bench.wait(31.0);
    assert_eq!(bench.endpoint.live_transactions(), 1, "timer H");
    bench.wait(2.0);
    assert_eq!(bench.endpoint.live_transactions(), 0);
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

/// The bench's request with a body that makes it too large for UDP.
fn large_request(bench: &mut Bench, octets: usize) -> ClientTxn {
    let request = Request::new(Method::Invite, "sip:b@192.0.2.20")
        .header("From", "<sip:us@h>;tag=ours")
        .header("To", "<sip:b@h>")
        .header("Call-ID", "c-large")
        .header("CSeq", "5 INVITE")
        .with_body("application/sdp", vec![b'x'; octets]);
    let way = LargeWay {
        flow: unnamed(),
        sent_by: "192.0.2.9:5070".into(),
    };
    let txn =
        bench
            .endpoint
            .request_by_size(request, flow(Transport::Udp), "192.0.2.9:5060", &way, bench.now);
    bench.drain();
    txn
}

/// The Via of the last request sent.
fn last_via(bench: &mut Bench) -> String {
    let sent = bench.take_messages();
    sent.last().unwrap().via_line().into_owned()
}

fn fail_tcp(bench: &mut Bench, fault: TransportFault) {
    let now = bench.now.instant;
    fail(bench, unnamed(), fault, now);
}

/// This way has failed at this instant, and it is heard of now.
fn fail(bench: &mut Bench, flow: Flow, fault: TransportFault, at: Instant) {
    let failed = EndpointInput::TransportError { flow, fault, at };
    bench.endpoint.handle(failed, bench.now);
    bench.drain();
}

/// One connection, opened by us, and what is sent before it has a number.
fn connection(number: u64) -> Flow {
    Flow {
        connection: Some(number),
        ..flow(Transport::Tcp)
    }
}

fn unnamed() -> Flow {
    Flow {
        connection: None,
        ..flow(Transport::Tcp)
    }
}

#[test]
fn what_went_out_after_a_connection_was_given_up_does_not_fail_with_it() {
    let mut bench = Bench::new();
    let old = bench.request_on(Method::Info, unnamed());
    let now = bench.now.instant;
    // It goes by three more, and by no fifth.
    for gone in 4..7 {
        fail(&mut bench, connection(gone), TransportFault::Closed, now);
    }
    let at = bench.now.instant;
    bench.wait(0.001);
    // Another shard's view: the connection is gone, its end is still to be heard of, and a new one is opened.
    let fresh = bench.request_on(Method::Invite, unnamed());
    bench.take_events();
    fail(&mut bench, connection(7), TransportFault::Closed, at);
    assert_eq!(bench.take_events(), [format!("transport failed {}", old.0)]);
    assert_eq!(bench.endpoint.live_transactions(), 1);
    let now = bench.now.instant;
    fail(&mut bench, unnamed(), TransportFault::Refused, now);
    assert_eq!(bench.take_events(), [format!("transport failed {}", fresh.0)]);
}

#[test]
fn rfc_3261_18_2_2_an_invite_whose_connection_is_gone_may_be_answered_by_another() {
    for status in [None, Some(100), Some(180)] {
        let mut bench = Bench::new();
        let txn = bench.request_on(Method::Invite, unnamed());
        let invite = bench.take_messages().remove(0);
        if let Some(status) = status {
            bench.answer(&invite, status, "");
        }
        bench.take_events();
        // What nobody has said anything to goes out once more first.
        for _ in 0..3 {
            bench.wait(0.001);
            let now = bench.now.instant;
            fail(&mut bench, connection(7), TransportFault::Closed, now);
        }
        assert_eq!(
            bench.take_events(),
            [format!("connection lost {}", txn.0)],
            "once: {status:?}"
        );
        bench.answer(&invite, 200, ";tag=t");
        assert_eq!(bench.take_events(), [format!("response {} 200", txn.0)]);
        bench.take_sent();
        bench.acknowledge(txn, "t");
        assert_eq!(bench.take_messages()[0].method(), Method::Ack);
    }
}

#[test]
fn a_lost_invite_that_nobody_answers_ends_with_its_timers() {
    let mut bench = Bench::new();
    let txn = bench.request_on(Method::Invite, unnamed());
    bench.endpoint.cancel(txn, None, bench.now);
    let now = bench.now.instant;
    fail(&mut bench, connection(7), TransportFault::Closed, now);
    bench.wait(33.0);
    let ends = [
        format!("connection lost {}", txn.0),
        format!("timed out {}", txn.0),
    ];
    assert_eq!(bench.take_events(), ends);
    assert_eq!(bench.endpoint.live_transactions(), 0);
}

#[test]
fn a_request_too_large_for_udp_goes_over_tcp_and_a_small_one_does_not() {
    let mut bench = Bench::new();
    large_request(&mut bench, 100);
    assert!(last_via(&mut bench).starts_with("SIP/2.0/UDP 192.0.2.9:5060;"));
    large_request(&mut bench, 1300);
    assert!(last_via(&mut bench).starts_with("SIP/2.0/TCP 192.0.2.9:5070;"));
}

#[test]
fn where_nobody_takes_the_connection_it_goes_over_udp_under_the_same_name_and_the_next_one_at_once() {
    let mut bench = Bench::new();
    let txn = large_request(&mut bench, 1300);
    fail_tcp(&mut bench, TransportFault::Refused);
    assert!(last_via(&mut bench).starts_with("SIP/2.0/UDP 192.0.2.9:5060;"));
    assert_eq!(
        bench.take_events(),
        Vec::<String>::new(),
        "its owner hears nothing of it"
    );
    // A later failure of that way is told, under the name the owner knows.
    bench.endpoint.handle(
        EndpointInput::TransportError {
            flow: flow(Transport::Udp),
            fault: TransportFault::Unreachable,
            at: bench.now.instant,
        },
        bench.now,
    );
    bench.drain();
    assert_eq!(bench.take_events(), [format!("transport failed {}", txn.0)]);

    large_request(&mut bench, 1300);
    assert!(
        last_via(&mut bench).starts_with("SIP/2.0/UDP"),
        "TCP is not tried again so soon"
    );
    bench.wait(limits::TCP_REFUSING_FOR.as_secs_f64());
    bench.take_sent();
    large_request(&mut bench, 1300);
    assert!(last_via(&mut bench).starts_with("SIP/2.0/TCP"));
}

#[test]
fn what_the_peer_may_have_seen_or_nobody_wants_any_more_is_not_sent_again() {
    let mut bench = Bench::new();
    for fault in [TransportFault::Closed, TransportFault::TimedOut] {
        let seen = large_request(&mut bench, 1300);
        bench.take_sent();
        let now = bench.now.instant;
        fail(&mut bench, connection(7), fault, now);
        assert!(
            last_via(&mut bench).starts_with("SIP/2.0/TCP"),
            "once more, as it was"
        );
        bench.wait(0.001);
        let now = bench.now.instant;
        fail(&mut bench, unnamed(), TransportFault::Refused, now);
        assert_eq!(bench.take_events(), [format!("connection lost {}", seen.0)]);
        assert!(bench.take_sent().is_empty(), "{fault:?}");
        bench.wait(33.0);
        bench.take_events();
    }
    let cancelled = large_request(&mut bench, 1300);
    bench.endpoint.cancel(cancelled, None, bench.now);
    fail_tcp(&mut bench, TransportFault::Refused);
    assert_eq!(bench.take_events(), [format!("transport failed {}", cancelled.0)]);
    assert_eq!(bench.endpoint.live_transactions(), 0);
}
