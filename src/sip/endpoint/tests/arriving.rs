//! Requests that come again, by two ways, or broken, and tables that are full.

use super::*;

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
fn a_request_that_came_by_two_ways_is_482_also_when_the_first_copy_is_forgotten() {
    let mut bench = Bench::new();
    let (txn, request) = bench.invited();
    bench.receive(&invite("z9hG4bKother"));
    assert_eq!(bench.take_sent(), ["0 SIP/2.0 482 Loop Detected"]);
    assert_eq!(bench.endpoint.counts().merged, 1);
    bench.respond(txn, &request, 503);
    bench.receive(&request_text("ACK", "z9hG4bK1", 10, ";tag=ours", ""));
    bench.wait(6.0);
    bench.take_sent();
    bench.receive(&invite("z9hG4bKother"));
    assert_eq!(bench.take_sent(), ["6000 SIP/2.0 482 Loop Detected"]);
    bench.receive(&request_text("ACK", "z9hG4bKother", 10, ";tag=x", ""));
    assert_eq!((bench.take_sent().len(), bench.take_events().len()), (0, 0));
    bench.wait(6.0);
    bench.assert_nothing_left();
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
