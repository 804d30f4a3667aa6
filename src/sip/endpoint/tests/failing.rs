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
            fault: TransportFault::Closed,
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
    let failed = EndpointInput::TransportError {
        flow: connection,
        fault: TransportFault::Closed,
    };
    bench.endpoint.handle(failed, bench.now);
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
