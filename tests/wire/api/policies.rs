//! A policy's whole life over HTTP.

use std::time::Duration;

use reqwest::Method;
use ringward::policy::shipped;
use serde_json::{Value, json};

use super::{Desk, check_problem, json as body_of};

/// By a token, or by the cookie of somebody who is signed in.
async fn as_who(desk: &Desk, secret: &str, path: &str, body: Value) -> reqwest::Response {
    let ask = desk.ask(Method::POST, path);
    let ask = match secret.starts_with("rw_") {
        true => ask.bearer_auth(secret),
        false => ask.header("cookie", secret).header("x-ringward", "1"),
    };
    ask.header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn from_the_first_check_to_the_roll_back() {
    let desk = Desk::open().await;
    let ann = desk.person("ann", &["policy-author"]).await;
    let bob = desk.token_for("bob", &["policy-approver"]).await;
    let strict = shipped("strict").unwrap().text;

    let checked = as_who(
        &desk,
        &ann,
        "/api/v1/policies/validate",
        json!({ "text": strict }),
    )
    .await;
    assert_eq!(checked.status(), 200);
    let checked = body_of(checked).await;
    assert_eq!(
        checked["new_refusals"],
        json!([
            "forged-number",
            "reported-twice",
            "reused-proof",
            "our-own-number"
        ])
    );
    assert_eq!(
        (checked["warnings"].clone(), checked["regressions"].clone()),
        (json!([]), json!([]))
    );

    let saved = as_who(
        &desk,
        &ann,
        "/api/v1/policies",
        json!({ "text": strict, "reason": "forgers" }),
    )
    .await;
    assert_eq!(saved.status(), 201);
    let number = body_of(saved).await["number"].as_u64().unwrap();
    let path = |what: &str| format!("/api/v1/policies/{number}/{what}");

    let calls = include_str!("../../../policies/strict.call");
    let tried = body_of(as_who(&desk, &ann, &path("test"), json!({ "calls": calls })).await).await;
    assert_eq!(
        (tried["calls"].as_u64(), tried["failed"].as_u64()),
        (Some(10), Some(0)),
        "{tried}"
    );

    let asked = as_who(&desk, &ann, &path("activate"), json!({ "reason": "forgers" })).await;
    assert_eq!(asked.status(), 202);
    check_problem(
        as_who(&desk, &ann, &path("approve"), json!({ "reason": "me too" })).await,
        403,
        "role-missing",
    )
    .await;
    // The administrator may approve what he did not propose himself.
    assert_eq!(
        desk.post(&path("activate"), "{\"reason\":\"mine\"}")
            .await
            .status(),
        200,
        "ann wanted the same"
    );
    assert_eq!(desk.told.lock().unwrap().as_slice(), ["strict"]);
    let book = desk.read("/api/v1/policies").await;
    assert_eq!(
        (book["live"].as_u64(), book["proposal"].clone()),
        (Some(number), Value::Null)
    );
    assert_eq!(book["revisions"][0]["by"], "ann");

    let back = as_who(
        &desk,
        &bob,
        "/api/v1/policies/roll-back",
        json!({ "reason": "too many" }),
    )
    .await;
    assert_eq!(back.status(), 200);
    assert_eq!(desk.told.lock().unwrap().as_slice(), ["strict", "default"]);
    check_problem(
        as_who(
            &desk,
            &bob,
            "/api/v1/policies/roll-back",
            json!({ "reason": "more" }),
        )
        .await,
        409,
        "conflict",
    )
    .await;
    let one = desk.read(&format!("/api/v1/policies/{number}")).await;
    assert_eq!(one["text"], strict);
}

#[tokio::test]
async fn a_policy_with_faults_is_refused_with_all_of_them() {
    let desk = Desk::open().await;
    let text = "[policy]\nname = 'x'\n[[rule]]\nid = 'r'\nwhen = 'scor > 1.0'\nthen = { divert = 'securty' }\nreason = 'x'\n";
    let body = json!({ "text": text, "reason": "x" }).to_string();
    let response = desk.post("/api/v1/policies", &body).await;
    assert_eq!(response.status(), 422);
    let problem = body_of(response).await;
    let faults = problem["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 2, "{problem}");
    assert_eq!(
        (faults[0]["line"].as_u64(), faults[0]["suggestion"].as_str()),
        (Some(5), Some("score"))
    );
    assert_eq!(faults[1]["suggestion"], "security");
    let without = json!({ "text": shipped("observe").unwrap().text, "reason": "  " }).to_string();
    check_problem(desk.post("/api/v1/policies", &without).await, 400, "bad-request").await;
    check_problem(
        desk.signed(Method::GET, "/api/v1/policies/99")
            .send()
            .await
            .unwrap(),
        404,
        "no-such-policy",
    )
    .await;
    check_problem(
        desk.signed(Method::GET, "/api/v1/policies/x")
            .send()
            .await
            .unwrap(),
        404,
        "no-such-policy",
    )
    .await;
}

/// What came out of the replay, once it is over. A slow machine is given a minute, and not more questions than one may ask.
pub async fn replayed(desk: &Desk) -> Value {
    for _ in 0..600 {
        let found = desk.read("/api/v1/policies/replay").await;
        if found["is_running"] == false {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the replay never ended");
}

#[tokio::test]
async fn a_revision_is_tried_on_kept_calls() {
    let desk = Desk::open().await;
    for number in 0..30 {
        desk.kept_call(number as usize % 8, number);
    }
    let strict = json!({ "text": shipped("strict").unwrap().text, "reason": "x" }).to_string();
    let number = body_of(desk.post("/api/v1/policies", &strict).await).await["number"].clone();
    assert_eq!(desk.read("/api/v1/policies/replay").await, Value::Null);
    let end = async |query: &str| {
        let path = format!("/api/v1/policies/replay{query}");
        desk.signed(Method::DELETE, &path).send().await.unwrap()
    };
    check_problem(end("").await, 400, "bad-request").await;
    check_problem(end("?id=1").await, 409, "conflict").await;
    let begin = async || {
        let path = format!("/api/v1/policies/{number}/replay");
        let started = desk.post(&path, "{}").await;
        assert_eq!(started.status(), 202);
        body_of(started).await["id"].as_u64().unwrap()
    };
    let first = begin().await;
    replayed(&desk).await;
    let second = begin().await;
    // Whoever wanted the first ended does not end the second.
    check_problem(end(&format!("?id={first}")).await, 409, "conflict").await;
    let found = replayed(&desk).await;
    assert_eq!((&found["id"], &found["problem"]), (&json!(second), &Value::Null));
    assert_eq!(end(&format!("?id={second}")).await.status(), 204, "it has ended");
    assert_eq!(
        (found["calls"].as_u64(), found["not_replayable"].as_u64()),
        (Some(30), Some(0)),
        "{found}"
    );
    assert!(
        found["result"]["total"]["relabelled"].as_u64().unwrap() > 0,
        "{found}"
    );
}

#[tokio::test]
async fn why_shows_every_rule_and_what_would_have_changed_it() {
    let desk = Desk::open().await;
    let id = desk.decided_call();
    let why = desk.read(&format!("/api/v1/calls/{id}/why")).await;
    let first = &why["decisions"][0];
    assert_eq!(
        (first["again"].as_str(), first["suspect_at_tenths"].as_i64()),
        (Some("same"), Some(30))
    );
    let asked: Vec<(&str, &str)> = first["asked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| (rule["rule"].as_str().unwrap(), rule["result"].as_str().unwrap()))
        .collect();
    assert_eq!(
        (asked[0], asked[2]),
        (("blocked", "false"), ("forged-number", "true"))
    );
    assert_eq!(asked.last(), Some(&("everything-else", "true")));
    assert_eq!(
        asked.iter().filter(|(_, result)| *result == "false").count(),
        asked.len() - 2,
        "{asked:?}"
    );
    assert_eq!(why["smallest_change"]["label"], "genuine");
    assert_eq!(
        why["smallest_change"]["changes"][0],
        "the number had been proven by the caller's carrier"
    );
}

#[tokio::test]
async fn authors_do_not_agree_with_each_other_where_an_approver_is_needed() {
    let desk = Desk::open().await;
    let number = desk.propose();
    let carl = desk.person("carl", &["policy-author"]).await;
    let path = format!("/api/v1/policies/{number}/activate");
    let asked = as_who(&desk, &carl, &path, json!({ "reason": "me too" })).await;
    assert_eq!(asked.status(), 202);
    assert!(desk.told.lock().unwrap().is_empty());
    let dora = desk.token_for("dora", &["policy-approver"]).await;
    let path = format!("/api/v1/policies/{number}/approve");
    let agreed = as_who(&desk, &dora, &path, json!({ "reason": "seen" })).await;
    assert_eq!(agreed.status(), 200);
    assert_eq!(desk.told.lock().unwrap().as_slice(), ["strict"]);
}

#[tokio::test]
async fn a_second_token_of_the_same_hand_is_no_second_person() {
    let desk = Desk::open().await;
    let strict = shipped("strict").unwrap().text;
    let saved = desk
        .post(
            "/api/v1/policies",
            &json!({ "text": strict, "reason": "x" }).to_string(),
        )
        .await;
    let number = body_of(saved).await["number"].as_u64().unwrap();
    let activate = format!("/api/v1/policies/{number}/activate");
    let approve = format!("/api/v1/policies/{number}/approve");
    assert_eq!(desk.post(&activate, "{\"reason\":\"x\"}").await.status(), 202);
    let second = desk.token_for("second", &["admin"]).await;
    let third = {
        let made = as_who(
            &desk,
            &second,
            "/api/v1/tokens",
            json!({ "name": "third", "roles": ["policy-approver"] }),
        );
        body_of(made.await).await["token"].as_str().unwrap().to_string()
    };
    for token in [&second, &third] {
        let agreed = as_who(&desk, token, &approve, json!({ "reason": "x" })).await;
        check_problem(agreed, 409, "conflict").await;
    }
    assert_eq!(
        as_who(&desk, &second, &activate, json!({ "reason": "x" }))
            .await
            .status(),
        202
    );
    // What is proposed by a token that is gone is still proposed by whoever made it.
    let gone = desk
        .signed(Method::DELETE, "/api/v1/tokens/second")
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    check_problem(desk.post(&approve, "{\"reason\":\"x\"}").await, 409, "conflict").await;
    assert!(desk.told.lock().unwrap().is_empty());
    let ann = desk.person("ann", &["policy-approver"]).await;
    desk.enrol(&ann, super::NOON).await;
    let agreed = as_who(&desk, &ann, &approve, json!({ "reason": "seen" })).await;
    assert_eq!(agreed.status(), 200);
    assert_eq!(desk.told.lock().unwrap().as_slice(), ["strict"]);
}
