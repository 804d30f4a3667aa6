//! Pages, documents and probes.

use reqwest::Method;
use serde_json::Value;

use super::{Desk, NOON, json};
use crate::records::{FORGED, KINDS, call};

#[test]
fn the_openapi_document_is_what_was_reviewed() {
    insta::assert_snapshot!(ringward::api::openapi());
}

#[tokio::test]
async fn every_operation_in_the_document_answers_as_it_says() {
    let desk = Desk::with(super::memory(), Some(super::passkeys::PUBLIC_URL)).await;
    let logo = Some("https://media.example.com/logo.png");
    let id = desk.live_call_with_icon(true, 1, logo).to_string();
    let document = json(desk.ask(Method::GET, "/openapi.json").send().await.unwrap()).await;
    let observe = ringward::policy::shipped("observe").unwrap().text;
    // Something to go back to.
    let second = desk.policies.save(observe, "bob", "x").unwrap();
    desk.policies.activate(second, 100, "bob", true, "x").unwrap();
    let mut seen = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            // Only a session that was begun elsewhere awaits a code: tests/wire/api/oidc.rs.
            if path.ends_with("/session/code") {
                continue;
            }
            // Only an alarm that is open is taken: tests/wire/api/alarms.rs.
            if path.ends_with("/acknowledge") {
                continue;
            }
            // What it ends would end this test: tests/wire/api/lockdown.rs.
            if path.contains("/lockdown") && method != "get" {
                continue;
            }
            // A call is made for it: tests/wire/drills.rs.
            if path.contains("/drills/{id}") || (path.contains("/drills") && method != "get") {
                continue;
            }
            let is_seat =
                path.contains("/desks/") || path.ends_with("/pause") || path.ends_with("/call-back");
            let is_own = path.contains("/account") || is_seat;
            let (person, cookie) = if is_own || path.contains("/users/") {
                let name = format!("person{seen}");
                let is_over_others = path.contains("/people/") || path.contains("/desks/{device}/");
                let role = match (is_seat, is_over_others) {
                    (true, true) => "supervisor",
                    (true, false) => "receptionist",
                    _ => "analyst",
                };
                let cookie = desk.person(&name, &[role]).await;
                (name, cookie)
            } else {
                ("ann".to_string(), String::new())
            };
            let path = path.replace("/webhooks/{name}", "/webhooks/nowhere");
            let path = path.replace("{search}", "forgeries");
            if path.ends_with("/forgeries") && method == "delete" {
                let kept = desk.ask(Method::PUT, &path).header("cookie", &cookie);
                let kept = super::with_json(kept.header("x-ringward", "1"), "{}")
                    .send()
                    .await;
                assert_eq!(kept.unwrap().status(), 200);
            }
            let path = match path.contains("/campaigns/{name}") {
                true => path.replace("{name}", &desk.campaign(seen, &["+14045550101", "+14045550102"])),
                false => path,
            };
            let path = if path.contains("/devices/{name}") {
                // One that is there, whatever was done with the one before.
                let device = format!("desk-{seen}");
                desk.post("/api/v1/devices", &format!("{{\"name\":\"{device}\"}}"))
                    .await;
                path.replace("{name}", &device)
            } else {
                path
            };
            let path = match is_seat {
                true => path.replace("{device}", &desk.seat(&cookie, &format!("seat-{seen}")).await),
                false => path,
            };
            let path = match path.contains("/dead/{id}") {
                true => path.replace("{id}", &desk.dead_message().await),
                false => path,
            };
            let path = if path.contains("{address}") {
                desk.post("/api/v1/flood/blocks", BLOCK).await;
                path.replace("{address}", "192.0.2.7")
            } else {
                path
            };
            let mut passkey = String::new();
            if path.ends_with("/session/passkey") && method == "post" {
                let cookie = desk.person("rita", &["receptionist"]).await;
                passkey = desk.passkey_signature(&cookie, "rita's").await.0;
            }
            let path = match path.contains("{passkey}") {
                true => path.replace("{passkey}", &desk.passkey_signature(&cookie, "mine").await.1),
                false => path,
            };
            let path = match path.strip_suffix("/account/sessions/{id}") {
                Some(before) => format!("{before}/account/sessions/{}", desk.own_session(&cookie).await),
                None => path.replace("{id}", &id).replace("{name}", &person),
            };
            // Whatever is done with a revision is done with the one that is live already.
            let number = if path.ends_with("/approve") {
                desk.propose()
            } else {
                1
            };
            let path = path.replace("{number}", &number.to_string());
            let entry = format!("{{\"numbers\":[\"+1404555{seen:04}\"],\"reason\":\"x\"}}");
            let mut path = path.replace("{list}", "block");
            if path.contains("{entry}") {
                // One that is there, whatever was done with the one before.
                let added = json(desk.post("/api/v1/lists/block/entries", &entry).await).await;
                path = path.replace("{entry}", &added["id"].to_string());
            } else if path.ends_with("/match") {
                path += "?name=Jane%20Doe";
            }
            if path.ends_with("/policies/replay") && method == "delete" {
                let begun = json(desk.post("/api/v1/policies/1/replay", "{}").await).await;
                path += &format!("?id={}", begun["id"]);
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            if method == Method::DELETE && path.contains("/desks/") && path.ends_with("/pause") {
                // Only one that is paused is rung again.
                let lunch = "{\"reason\":\"lunch\"}";
                desk.by_cookie(Method::PUT, &path, &cookie, lunch).await;
            }
            let mut ask = desk.signed(method.clone(), &path);
            if is_own {
                ask = desk
                    .ask(method.clone(), &path)
                    .header("cookie", &cookie)
                    .header("x-ringward", "1");
            }
            if path.contains("/entries/") || path.contains("/campaigns/") {
                ask = ask.header("if-match", "*");
            }
            if path.ends_with("/import") {
                ask = ask
                    .header("content-type", "text/csv")
                    .body("number,reason\n+14045559999,x\n");
            } else if operation.get("requestBody").is_some() {
                let body = match path.rsplit('/').next().unwrap() {
                    "session" => format!("{{\"token\":\"{}\"}}", desk.token),
                    "passkey" => passkey,
                    "challenge" => desk.confirm_body(),
                    "passkeys" => desk.passkey_body(&cookie, "another").await,
                    "report" => "{\"verdict\":\"good\"}".into(),
                    "call-back" => desk.bank_body().await,
                    "actions" => "{\"do\":\"hang_up\"}".into(),
                    "invitation" => desk.invitation_body("invited").await,
                    "users" => "{\"name\":\"new\",\"person\":\"N\",\"roles\":[\"analyst\"]}".into(),
                    _ if path.contains("/users/") => "{\"person\":\"Another\"}".into(),
                    "password" => desk.new_password_body(),
                    "second-factor" => desk.second_factor_body(&method, &cookie).await,
                    "forgeries" => "{\"label\":\"forged\"}".into(),
                    "devices" => "{\"name\":\"desk\"}".into(),
                    "pause" => "{\"reason\":\"lunch\"}".into(),
                    "tokens" => "{\"name\":\"ann\",\"roles\":[\"admin\"]}".into(),
                    "policies" => serde_json::json!({"text": observe, "reason": "x"}).to_string(),
                    "validate" => serde_json::json!({"text": observe}).to_string(),
                    "test" => "{\"calls\":\"title x\"}".into(),
                    "replay" | "rotate" => "{}".into(),
                    "held" => "{\"number\":\"+14045550000\"}".into(),
                    "erasures" => "{\"number\":\"+14045550000\",\"why\":\"x\"}".into(),
                    "mode" => "{\"mode\":\"on\",\"minutes\":1,\"why\":\"x\"}".into(),
                    "blocks" => BLOCK.into(),
                    "entries" => entry,
                    _ if path.contains("/campaigns/") => "{\"allowed\":false}".into(),
                    _ if path.contains("/entries/") => entry,
                    "activate" | "approve" | "shadow" | "roll-back" => "{\"reason\":\"x\"}".into(),
                    other => panic!("a body for {other}"),
                };
                ask = super::with_json(ask, &body);
            }
            let response = ask.send().await.unwrap();
            let status = response.status();
            assert!(status.is_success(), "{method} {path}: {status}");
            let said = &operation["responses"][status.as_str()];
            assert!(
                !said.is_null(),
                "{method} {path}: {status} is not in the document"
            );
            if let Some(content) = said["content"].as_object() {
                let kind = response.headers()["content-type"].to_str().unwrap().to_string();
                assert!(
                    content.keys().any(|said| kind.starts_with(said.as_str())),
                    "{method} {path}: {kind}"
                );
            }
            if said["content"].get("application/json").is_some() {
                check_shape(
                    &document,
                    &said["content"]["application/json"]["schema"],
                    &json(response).await,
                    &path,
                );
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 106);
}

const BLOCK: &str = "{\"address\":\"192.0.2.7\",\"minutes\":1,\"why\":\"x\"}";

/// Every field of an answer is in its schema, and every required one is there.
fn check_shape(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#')).unwrap();
        return check_shape(document, named, value, at);
    }
    if let Some(properties) = schema["properties"].as_object()
        && let Some(object) = value.as_object()
    {
        for (name, inner) in object {
            let known = properties
                .get(name)
                .unwrap_or_else(|| panic!("{at}: {name} is not in the document"));
            check_shape(document, known, inner, &format!("{at}.{name}"));
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(
                object.contains_key(required.as_str().unwrap()),
                "{at}: {required} is missing"
            );
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check_shape(document, &schema["items"], item, at);
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_strangers_out() {
    let desk = Desk::open().await;
    for path in [
        "/",
        "/docs",
        "/console/app.js",
        "/api/v1/calls",
        "/nothing",
        "/healthz",
        "/card/x",
    ] {
        let response = desk.ask(Method::GET, path).send().await.unwrap();
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert!(headers.get("access-control-allow-origin").is_none(), "{path}");
        let is_file = path == "/" || path == "/docs" || path.starts_with("/console/");
        assert_eq!(
            headers["cache-control"],
            if is_file { "no-cache" } else { "no-store" },
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_file_a_page_names_is_there_and_is_sent_again_only_when_it_changed() {
    let desk = Desk::open().await;
    for asset in ringward::console::ASSETS {
        let response = desk.ask(Method::GET, asset.path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", asset.path);
        assert_eq!(response.headers()["content-type"], asset.kind);
        let etag = response.headers()["etag"].clone();
        let text = response.text().await.unwrap();
        let again = desk
            .ask(Method::GET, asset.path)
            .header("if-none-match", etag)
            .send()
            .await
            .unwrap();
        assert_eq!(again.status(), 304, "{}", asset.path);
        for named in text
            .split(['"', '\''])
            .filter(|part| part.starts_with("/console/") || part.starts_with("./"))
        {
            let path = named.replace("./", "/console/");
            assert!(
                ringward::console::ASSETS.iter().any(|asset| asset.path == path),
                "{}: {named}",
                asset.path
            );
        }
    }
}

#[tokio::test]
async fn whoever_was_refused_reads_the_card_of_his_608_and_nothing_else() {
    let desk = Desk::open().await;
    let card = desk
        .ask(Method::GET, "/redress/1790000000-good")
        .send()
        .await
        .unwrap();
    assert_eq!(card.status(), 200, "without signing in");
    assert_eq!(card.headers()["content-type"], "application/jose");
    assert_eq!(card.text().await.unwrap(), "a.b.c");
    for path in [
        "/redress/1790000001-good",
        "/redress/",
        "/redress/x/y",
        "/redress/%00",
    ] {
        let response = desk.ask(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_card_shows_the_banner_while_the_call_lasts_and_nothing_after() {
    let desk = Desk::open().await;
    let mut record = call(&KINDS[FORGED], 1, NOON, 6_000, 60_000);
    record.banner.as_mut().unwrap().reasons[0] = "<script>alert(1)</script>".into();
    let id = record.id;
    desk.live.publish(std::sync::Arc::new(record));
    let path = ringward::api::card_url("", id);
    let page = desk.ask(Method::GET, &path).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let text = page.text().await.unwrap();
    assert!(text.contains("Number: forged, signed for another number") && text.contains("Hang up and call"));
    assert!(text.contains("&lt;script&gt;") && !text.contains("<script"));
    assert!(
        !text.contains("8005550199") && !text.contains("First Harbor"),
        "names nobody"
    );
    desk.live
        .publish(std::sync::Arc::new(call(&KINDS[FORGED], 1, NOON, 60_000, 60_000)));
    for path in [
        path.as_str(),
        "/card/nonsense",
        "/card/00000000000000000000000000000007",
    ] {
        let gone = desk.ask(Method::GET, path).send().await.unwrap();
        assert_eq!(gone.status(), 404, "{path}");
        assert!(gone.text().await.unwrap().contains("has ended"));
    }
}

#[tokio::test]
async fn probes_and_metrics_say_how_it_is() {
    let desk = Desk::open().await;
    for (path, text) in [("/healthz", "alive\n"), ("/readyz", "ready\n")] {
        assert_eq!(
            desk.ask(Method::GET, path)
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap(),
            text
        );
    }
    let metrics = desk.signed(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(
        metrics.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert_eq!(metrics.text().await.unwrap(), "ringward_live_calls 1\n");
    desk.live_call(0, 1);
    let status = desk.read("/api/v1/status").await;
    assert_eq!(
        (&status["live_calls"], &status["store"]["is_writing"]),
        (&1.into(), &true.into())
    );
    assert_eq!(status["gateway"]["version"], "test");
}
