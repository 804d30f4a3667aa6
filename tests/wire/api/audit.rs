//! What was done, over HTTP: written down, in a chain, for auditors only.

use reqwest::Method;

use super::{Desk, NOON, check_problem, json};

#[tokio::test]
async fn what_changes_something_is_written_down_and_reading_is_not() {
    let desk = Desk::open().await;
    let id = desk.kept_call(0, 1);
    desk.read("/api/v1/calls").await;
    desk.post(&format!("/api/v1/calls/{id}/report"), "{\"verdict\":\"scam\"}")
        .await;
    desk.post("/api/v1/policies/9/activate", "{\"reason\":\"x\"}")
        .await;
    let page = desk.read("/api/v1/audit").await;
    let lines: Vec<String> = page["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            format!(
                "{} {} {}",
                entry["by"].as_str().unwrap(),
                entry["what"].as_str().unwrap(),
                entry["note"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "file policy save the configuration names it",
            "file policy activate the configuration names it",
            "first POST /api/v1/calls/{id}/report 200",
            "first POST /api/v1/policies/{number}/activate 404",
        ]
    );
    assert!(page["next"].is_null());
    let verdict = desk.read("/api/v1/audit/verify").await;
    assert_eq!(
        (verdict["is_whole"].as_bool(), verdict["entries"].as_u64()),
        (Some(true), Some(4))
    );
    let after = desk.read("/api/v1/audit?after=3").await;
    assert_eq!(after["entries"].as_array().unwrap().len(), 1);
}

/// Who knocks at the doors.
enum Hand {
    Token(String),
    Cookie(String),
}

#[tokio::test]
async fn every_role_has_the_doors_of_its_line_and_no_other() {
    let desk = Desk::open().await;
    let mut looked_at = 0;
    for role in ringward::api::Role::ALL {
        let secret = desk.token_for(role.name(), &[role.name()]).await;
        looked_at += check_doors(&desk, *role, &Hand::Token(secret)).await;
    }
    assert!(looked_at > 300, "{looked_at}");
}

#[tokio::test]
async fn every_role_of_a_person_has_the_same_doors() {
    let desk = Desk::open().await;
    let mut looked_at = 0;
    for role in ringward::api::Role::ALL {
        let cookie = desk.person(role.name(), &[role.name()]).await;
        if role.needs_second_factor() {
            desk.enrol(&cookie, NOON).await;
        }
        looked_at += check_doors(&desk, *role, &Hand::Cookie(cookie)).await;
    }
    assert!(looked_at > 300, "{looked_at}");
}

/// Knocks at every door that needs to be signed in; how many those were.
async fn check_doors(desk: &Desk, role: ringward::api::Role, hand: &Hand) -> usize {
    let document = json(desk.ask(Method::GET, "/openapi.json").send().await.unwrap()).await;
    let mut looked_at = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let is_open = operation["security"]
                .as_array()
                .is_some_and(|needs| needs == &[serde_json::json!({})]);
            // Leaving and streaming are the same doors as looking at the session.
            if is_open || path.ends_with("/events") || (path.ends_with("/session") && method == "delete") {
                continue;
            }
            let route = path.clone();
            let path = path
                .replace("{id}", &"0".repeat(32))
                .replace("{list}", "block")
                .replace("{entry}", "77")
                .replace("{number}", "77")
                .replace("{name}", "nobody");
            let ask = desk.ask(method.to_uppercase().parse().unwrap(), &path);
            let ask = match hand {
                Hand::Token(secret) => ask.bearer_auth(secret),
                Hand::Cookie(cookie) => ask.header("cookie", cookie).header("x-ringward", "1"),
            };
            let ask = ask.header("content-type", "application/json").body("{}");
            let status = ask.send().await.unwrap().status().as_u16();
            let may = ringward::api::is_allowed(role, &method.to_uppercase(), &route);
            assert_eq!(status != 403, may, "{} {method} {path}: {status}", role.name());
            assert_ne!(status, 401, "{} {method} {path}", role.name());
            looked_at += 1;
        }
    }
    looked_at
}

#[tokio::test]
async fn a_token_that_was_taken_back_or_has_expired_opens_nothing() {
    let desk = Desk::open().await;
    let made = json(
        desk.post(
            "/api/v1/tokens",
            "{\"name\":\"ann\",\"roles\":[\"analyst\"],\"days\":1}",
        )
        .await,
    )
    .await;
    let secret = made["token"].as_str().unwrap().to_string();
    let page = desk.read("/api/v1/audit").await;
    let last = page["entries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (last["what"].as_str(), last["note"].as_str()),
        (Some("POST /api/v1/tokens"), Some("201 ann (analyst)")),
        "{last}"
    );
    assert_eq!(page["last"], last["number"]);
    assert!(!page.to_string().contains(&secret));
    let past = desk.read("/api/v1/audit?after=9007199254740991").await;
    assert_eq!(
        (&past["entries"], &past["last"]),
        (&serde_json::json!([]), &last["number"])
    );
    let ask = || {
        desk.ask(Method::GET, "/api/v1/session")
            .bearer_auth(&secret)
            .send()
    };
    let session = json(ask().await.unwrap()).await;
    assert_eq!(
        (session["who"].as_str(), session["roles"][0].as_str()),
        (Some("ann"), Some("analyst"))
    );
    desk.move_clock(std::time::Duration::from_secs(24 * 3600 + 1));
    check_problem(ask().await.unwrap(), 401, "not-signed-in").await;
    let again = desk
        .post("/api/v1/tokens", "{\"name\":\"ann\",\"roles\":[\"analyst\"]}")
        .await;
    check_problem(again, 409, "conflict").await;
    let gone = desk
        .signed(Method::DELETE, "/api/v1/tokens/ann")
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    for wrong in [
        "{\"name\":\"a b\",\"roles\":[\"analyst\"]}",
        "{\"name\":\"a\",\"roles\":[]}",
        "{\"name\":\"a\",\"roles\":[\"king\"]}",
        "{\"name\":\"a\",\"roles\":[\"admin\"],\"days\":0}",
    ] {
        let response = desk.post("/api/v1/tokens", wrong).await;
        assert!(
            matches!(response.status().as_u16(), 400 | 422),
            "{wrong}: {}",
            response.status()
        );
    }
}

#[tokio::test]
async fn who_was_refused_is_written_down() {
    let desk = Desk::open().await;
    let ann = desk.token_for("ann", &["receptionist"]).await;
    let wrong = desk.ask(Method::GET, "/api/v1/calls").bearer_auth("rw_wrong");
    check_problem(wrong.send().await.unwrap(), 401, "not-signed-in").await;
    let tokens = desk.ask(Method::GET, "/api/v1/tokens").bearer_auth(&ann);
    check_problem(tokens.send().await.unwrap(), 403, "role-missing").await;
    // Written behind the answers, and in any order.
    let mut lines = Vec::new();
    for _ in 0..200 {
        let page = desk.read("/api/v1/audit?after=3").await;
        let entries = page["entries"].as_array().unwrap();
        lines = entries
            .iter()
            .map(|entry| {
                ["by", "what", "note"]
                    .map(|part| entry[part].as_str().unwrap())
                    .join(" ")
            })
            .collect();
        if lines.len() == 2 {
            break;
        }
        tokio::task::yield_now().await;
    }
    lines.sort();
    assert_eq!(lines, ["127.0.0.1 sign in 401", "ann GET /api/v1/tokens 403"]);
}

#[tokio::test]
async fn all_calls_and_the_whole_audit_are_written_out_as_files() {
    let desk = Desk::open().await;
    for number in 0..450 {
        desk.kept_call((number % 8) as usize, number);
    }
    let get = async |path: &str| {
        let answer = desk.signed(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str().unwrap().to_string();
        (kind, answer.text().await.unwrap())
    };
    let (kind, csv) = get("/api/v1/calls/export").await;
    assert_eq!(kind, "text/csv; charset=utf-8");
    assert!(csv.starts_with("id,started_ms,direction,"), "{}", &csv[..200]);
    assert_eq!(csv.lines().count(), 451, "a row each, over several pages");
    let range = format!(
        "/api/v1/calls/export?format=jsonl&since_ms={}&before_ms={}",
        NOON + 100,
        NOON + 110
    );
    let (kind, lines) = get(&range).await;
    assert_eq!(
        (kind.as_str(), lines.lines().count()),
        ("application/x-ndjson", 10)
    );
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["started_ms"], NOON + 109);
    let (_, none) = get("/api/v1/calls/export?before_ms=1").await;
    assert_eq!(none.lines().count(), 1, "the names of the columns");

    for number in 0..3 {
        desk.token_for(&format!("token{number}"), &["analyst"]).await;
    }
    let (_, lines) = get("/api/v1/audit/export?format=jsonl").await;
    let entries: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (entries.len(), &entries[2]["before"]),
        (3 + 2 + 3 + 1, &entries[1]["hash"]),
        "what was exported stands there, this export too"
    );
    let said = |what: &str| {
        let found = entries.iter().find(|entry| entry["what"] == what).unwrap();
        (found["by"].clone(), found["note"].clone())
    };
    assert_eq!(said("calls export"), ("first".into(), "csv, 0 to now".into()));
    assert_eq!(said("audit export"), ("first".into(), "jsonl, after 0".into()));
    let (_, csv) = get("/api/v1/audit/export?after=8").await;
    assert_eq!(csv.lines().count(), 3, "the columns, that export and this");
    let wrong = desk
        .signed(Method::GET, "/api/v1/calls/export?format=xml")
        .send()
        .await
        .unwrap();
    check_problem(wrong, 400, "bad-request").await;
}

/// A browser that reads nothing further leaves its export waiting.
#[tokio::test]
async fn exports_are_so_many_at_once_and_end_with_their_session() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let desk = Desk::open().await;
    // More than what the sockets between us hold: 4 MiB at the other end, and little here.
    for number in 0..4_000 {
        desk.kept_call((number % 8) as usize, number);
        if number % 250 == 249 {
            // A slow machine takes longer than a store waits for it.
            let is_kept = (0..24).any(|_| desk.store.flush().is_ok());
            assert!(is_kept);
        }
    }
    let cookie = desk.sign_in().await;
    let path = "/api/v1/calls/export?format=jsonl";
    let mut open = Vec::new();
    for _ in 0..4 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        let mut stream = socket.connect(desk.address).await.unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        open.push(stream);
    }
    let fifth = desk.signed(Method::GET, path).send().await.unwrap();
    check_problem(fifth, 503, "too-many-exports").await;
    let left = desk
        .by_cookie(Method::DELETE, "/api/v1/session", &cookie, "")
        .await;
    assert_eq!(left.status(), 204);
    for mut stream in open {
        let mut rest = Vec::new();
        // However it ends, it is not with the end of a whole answer.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "it breaks off");
    }
    // Their places are free again: each gives it back once it has noticed.
    let mut whole = None;
    for _ in 0..600 {
        let answer = desk.signed(Method::GET, path).send().await.unwrap();
        if answer.status() == 200 {
            whole = Some(answer.text().await.unwrap());
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let whole = whole.unwrap();
    assert_eq!(whole.lines().count(), 4_000);
    assert!(whole.len() > 9_000_000, "sockets might hold all {}", whole.len());
}
