//! Requests of ours: their Via, their repetition, their answers, CANCEL and ACK.

use super::*;

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
