//! What a peer may not do: dawdle, flood, or send what is no HTTP.

use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Desk, check_problem, json, with_json};

/// Sends octets and gives the first line of the answer, empty when the connection was closed.
async fn first_line(desk: &Desk, octets: &[u8]) -> String {
    let mut stream = TcpStream::connect(desk.address).await.unwrap();
    stream.write_all(octets).await.unwrap();
    let mut answer = vec![0; 200];
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut answer))
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned();
    text.lines().next().unwrap_or_default().to_string()
}

#[tokio::test]
async fn what_is_no_http_gets_a_clear_refusal() {
    let desk = Desk::open().await;
    assert!(
        first_line(&desk, b"INVITE sip:x SIP/2.0\r\n\r\n")
            .await
            .contains("400")
    );
    assert!(
        first_line(&desk, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
            .await
            .contains("400")
    );
    let mut long = b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ".to_vec();
    long.extend(std::iter::repeat_n(b'a', 200_000));
    let line = first_line(&desk, &long).await;
    assert!(line.contains("431") || line.is_empty(), "{line}");
    assert_eq!(
        first_line(&desk, b"GET /healthz HTTP/1.1\r\n\r\n").await,
        "HTTP/1.1 421 Misdirected Request"
    );
    assert!(
        first_line(&desk, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .contains("200")
    );
}

#[tokio::test]
async fn an_address_or_method_that_is_not_there_is_a_problem_too() {
    let desk = Desk::open().await;
    for path in [
        "/nothing",
        "/api/v2/calls",
        "/console/../Cargo.toml",
        "/console/%2e%2e/app.js",
    ] {
        check_problem(
            desk.signed(Method::GET, path).send().await.unwrap(),
            404,
            "not-found",
        )
        .await;
    }
    for path in ["/api/v1/calls", "/healthz", "/"] {
        check_problem(
            desk.signed(Method::PUT, path).send().await.unwrap(),
            405,
            "method-not-allowed",
        )
        .await;
    }
}

#[tokio::test]
async fn many_readers_at_once_are_all_answered() {
    let desk = Desk::open().await;
    for number in 0..10 {
        desk.kept_call(0, number);
    }
    let asked: Vec<_> = (0..100)
        .map(|_| tokio::spawn(desk.signed(Method::GET, "/api/v1/calls").send()))
        .collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn what_is_sent_again_with_its_key_is_done_once() {
    let desk = Desk::open().await;
    let ask = async |key: &str, body: &str| {
        with_json(desk.signed(Method::POST, "/api/v1/tokens"), body)
            .header("idempotency-key", key)
            .send()
            .await
            .unwrap()
    };
    let body = "{\"name\":\"siem\",\"roles\":[\"auditor\"]}";
    let first = ask("a", body).await;
    assert_eq!(first.status(), 201);
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let first = json(first).await;
    let again = ask("a", body).await;
    assert_eq!(
        (again.status().as_u16(), &again.headers()["idempotency-replayed"]),
        (201, &"true".parse().unwrap())
    );
    assert_eq!(again.headers()["content-type"], "application/json");
    assert_eq!(json(again).await, first, "the same secret");
    let other = body.replace("siem", "other");
    check_problem(ask("a", &other).await, 422, "key-reused").await;
    // What was refused is looked at again.
    check_problem(ask("b", body).await, 409, "conflict").await;
    let gone = desk
        .signed(Method::DELETE, "/api/v1/tokens/siem")
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(ask("b", body).await.status(), 201);
    check_problem(ask(&"x".repeat(101), body).await, 400, "bad-request").await;
    desk.move_clock(std::time::Duration::from_secs(3_600));
    check_problem(ask("a", body).await, 409, "conflict").await;
}

#[tokio::test]
async fn who_asks_too_often_waits_and_nobody_else_does() {
    let desk = Desk::open().await;
    let ann = desk.token_for("ann", &["analyst"]).await;
    let ask = || desk.ask(Method::GET, "/api/v1/session").bearer_auth(&ann).send();
    for _ in 0..ringward::api::limits::PACE_BURST {
        assert_eq!(ask().await.unwrap().status(), 200);
    }
    let refused = ask().await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "1");
    check_problem(refused, 429, "too-often").await;
    desk.read("/api/v1/session").await;
    desk.move_clock(std::time::Duration::from_secs(1));
    assert_eq!(ask().await.unwrap().status(), 200);
}
