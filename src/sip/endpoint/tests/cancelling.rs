//! CANCEL from outside (RFC 3261 §9.2).

use super::*;

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
