//! Requests from outside and our answers: what is repeated, until when, and what ends it.

use super::*;

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
