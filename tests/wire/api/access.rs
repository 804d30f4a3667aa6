//! Who may read and change what.

use std::time::Duration;

use reqwest::Method;
use ringward::api::{first_token, limits};

use super::{Desk, check_problem, json, memory, with_json};

const GUARDED: [&str; 6] = [
    "/api/v1/calls",
    "/api/v1/calls/00000000000000000000000000000000",
    "/api/v1/events",
    "/api/v1/status",
    "/api/v1/session",
    "/metrics",
];

#[tokio::test]
async fn without_a_token_nothing_is_told() {
    let desk = Desk::open().await;
    for path in GUARDED {
        let response = desk.ask(Method::GET, path).send().await.unwrap();
        assert_eq!(
            response.headers()["www-authenticate"],
            "Bearer realm=\"ringward\""
        );
        check_problem(response, 401, "not-signed-in").await;
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs", "/"] {
        assert_eq!(
            desk.ask(Method::GET, path).send().await.unwrap().status(),
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_token_opens_every_door_and_a_wrong_one_none() {
    let desk = Desk::open().await;
    desk.kept_call(0, 1);
    for path in ["/api/v1/calls", "/api/v1/status", "/api/v1/session", "/metrics"] {
        assert_eq!(
            desk.signed(Method::GET, path).send().await.unwrap().status(),
            200,
            "{path}"
        );
        let wrong = desk
            .ask(Method::GET, path)
            .bearer_auth(format!("{}x", desk.token));
        check_problem(wrong.send().await.unwrap(), 401, "not-signed-in").await;
    }
    let basic = desk
        .ask(Method::GET, "/metrics")
        .basic_auth("admin", Some(&desk.token));
    check_problem(basic.send().await.unwrap(), 401, "not-signed-in").await;
}

#[test]
fn the_first_token_is_made_once_and_never_kept_in_the_clear() {
    let store = memory();
    let token = first_token(store.as_ref()).unwrap().unwrap();
    assert!(
        token.starts_with("rw_") && token.len() == 46,
        "256 bits behind a prefix"
    );
    assert_eq!(first_token(store.as_ref()).unwrap(), None);
    let kept = store.setting("api_token_sha256").unwrap().unwrap();
    assert_eq!(kept.len(), 64);
    assert!(!kept.contains(&token[3..]));
}

#[tokio::test]
async fn the_console_signs_in_with_a_cookie_that_scripts_and_other_sites_cannot_use() {
    let desk = Desk::open().await;
    let body = format!("{{\"token\":\" {}\\n\"}}", desk.token);
    let response = with_json(desk.ask(Method::POST, "/api/v1/session"), &body)
        .send()
        .await
        .unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_string();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "plain http on loopback");
    assert!(!json(response).await.to_string().contains(&desk.token));
    let cookie = desk.sign_in().await;
    let with = |method, path| {
        desk.ask(method, path)
            .header("cookie", format!("other=1; {cookie}"))
    };
    assert_eq!(
        with(Method::GET, "/api/v1/calls").send().await.unwrap().status(),
        200
    );

    let left = with(Method::DELETE, "/api/v1/session")
        .header("x-ringward", "1")
        .send()
        .await
        .unwrap();
    assert_eq!(left.status(), 204);
    assert!(
        left.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    check_problem(
        with(Method::GET, "/api/v1/calls").send().await.unwrap(),
        401,
        "not-signed-in",
    )
    .await;
}

#[tokio::test]
async fn behind_https_the_cookie_is_secure_and_the_public_name_is_ours() {
    let desk = Desk::with(memory(), Some("https://calls.example")).await;
    let body = format!("{{\"token\":\"{}\"}}", desk.token);
    let ask = with_json(desk.ask(Method::POST, "/api/v1/session"), &body).header("host", "calls.example");
    let response = ask.send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.ends_with("; Secure") && cookie.starts_with("__Host-ringward_session="),
        "{cookie}"
    );
    assert!(
        cookie.contains("; Path=/;") && !cookie.contains("Domain"),
        "{cookie}"
    );
    // Without the prefix a neighbouring host may have set it: it opens nothing.
    let own = cookie.split(';').next().unwrap();
    let asks = async |cookie: &str| {
        desk.by_cookie(Method::GET, "/api/v1/session", cookie, "")
            .await
            .status()
    };
    assert_eq!(asks(own).await, 200);
    assert_eq!(asks(own.trim_start_matches("__Host-")).await, 401);
}

#[tokio::test]
async fn by_cookie_a_change_needs_the_header_that_another_site_cannot_send() {
    let desk = Desk::open().await;
    let id = desk.kept_call(0, 1);
    let cookie = desk.sign_in().await;
    let path = format!("/api/v1/calls/{id}/report");
    let ask = || {
        with_json(desk.ask(Method::POST, &path), "{\"verdict\":\"good\"}").header("cookie", cookie.as_str())
    };
    check_problem(ask().send().await.unwrap(), 403, "header-missing").await;
    assert_eq!(
        ask().header("x-ringward", "1").send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn a_session_ends_after_its_shift_and_survives_a_restart() {
    let store = memory();
    let desk = Desk::with(store.clone(), None).await;
    let token = desk.token.clone();
    let cookie = desk.sign_in().await;
    desk.close().await.unwrap();
    let again = Desk::with(store, None).await;
    let status = async |desk: &Desk| {
        desk.ask(Method::GET, "/api/v1/status")
            .header("cookie", cookie.as_str())
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(status(&again).await, 200);
    again.move_clock(limits::SESSION_LASTS);
    assert_eq!(status(&again).await, 401);
    assert!(again.token.is_empty(), "the first token stays the token");
    assert_eq!(
        again
            .ask(Method::GET, "/metrics")
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn wrong_tries_are_slowed_down_and_the_right_token_is_never_locked_out() {
    let desk = Desk::open().await;
    let wrong = || desk.ask(Method::GET, "/api/v1/calls").bearer_auth("rw_guess");
    for _ in 0..limits::FAILURES_MAX {
        check_problem(wrong().send().await.unwrap(), 401, "not-signed-in").await;
    }
    let refused = wrong().send().await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "60");
    check_problem(refused, 429, "too-many-failures").await;
    let sign_in = with_json(
        desk.ask(Method::POST, "/api/v1/session"),
        "{\"token\":\"rw_guess\"}",
    );
    check_problem(sign_in.send().await.unwrap(), 429, "too-many-failures").await;
    desk.read("/api/v1/calls").await;
    desk.sign_in().await;
    desk.move_clock(Duration::from_secs(60));
    check_problem(wrong().send().await.unwrap(), 401, "not-signed-in").await;
}

#[tokio::test]
async fn on_loopback_a_strangers_name_is_not_answered() {
    let desk = Desk::open().await;
    for path in ["/", "/api/v1/calls", "/healthz"] {
        let rebound = desk.signed(Method::GET, path).header("host", "evil.example");
        check_problem(rebound.send().await.unwrap(), 421, "wrong-host").await;
    }
    let named = desk.signed(Method::GET, "/healthz").header("host", "localhost:9");
    assert_eq!(named.send().await.unwrap().status(), 200);
}
