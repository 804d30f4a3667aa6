//! People at phones over the API: each signs himself in, nobody acts as another, and what rang there is counted for him.

use std::sync::Arc;

use reqwest::{Method, Response};
use ringward::call::CallRecord;
use ringward::call::record::{Attempt, Ending, State};
use serde_json::Value;

use super::{Desk, NOON, check_problem, json};
use crate::records::{KINDS, ended};

impl Desk {
    /// A device of this name, with whoever this is signed in to it.
    pub async fn seat(&self, cookie: &str, device: &str) -> String {
        let body = format!("{{\"name\":\"{device}\"}}");
        assert_eq!(self.post("/api/v1/devices", &body).await.status(), 201);
        assert_eq!(self.sits_at(cookie, device).await.status(), 204);
        device.to_string()
    }

    async fn sits_at(&self, cookie: &str, device: &str) -> Response {
        let path = format!("/api/v1/desks/{device}");
        self.by_cookie(Method::PUT, &path, cookie, "").await
    }

    async fn leaves(&self, cookie: &str, device: &str) -> Response {
        let path = format!("/api/v1/desks/{device}");
        self.by_cookie(Method::DELETE, &path, cookie, "").await
    }

    async fn seen_by(&self, cookie: &str, path: &str) -> Value {
        json(self.by_cookie(Method::GET, path, cookie, "").await).await
    }
}

#[tokio::test]
async fn everybody_signs_himself_in_and_only_a_supervisor_signs_others_out() {
    let desk = Desk::open().await;
    let [ann, bob] = [
        desk.person("ann", &["receptionist"]).await,
        desk.person("bob", &["receptionist"]).await,
    ];
    let boss = desk.person("boss", &["supervisor"]).await;
    let analyst = desk.person("dan", &["analyst"]).await;
    desk.seat(&ann, "desk-1").await;
    desk.seat(&bob, "desk-2").await;
    assert_eq!(desk.sits_at(&ann, "desk-1").await.status(), 204, "again");
    let all = desk.seen_by(&bob, "/api/v1/desks").await;
    let people: Vec<_> = all["desks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|at| &at["person"])
        .collect();
    assert_eq!(people, ["ann", "bob"], "{all}");
    assert_eq!(all["desks"][0]["until_ms"], NOON + 12 * 3_600_000);
    assert_eq!(all["desks"][0]["is_registered"], false);

    // Nobody acts as another: not by sitting down at his desk, not by sending him away, not by pausing for him.
    check_problem(desk.sits_at(&bob, "desk-1").await, 409, "conflict").await;
    check_problem(desk.leaves(&bob, "desk-1").await, 403, "role-missing").await;
    let named = r#"{"reason":"lunch","person":"ann"}"#;
    let paused = desk.by_cookie(Method::PUT, "/api/v1/pause", &bob, named).await;
    check_problem(paused, 400, "bad-request").await;
    check_problem(desk.sits_at(&analyst, "desk-2").await, 403, "role-missing").await;
    check_problem(desk.leaves(&analyst, "desk-2").await, 403, "role-missing").await;
    let by_token = desk
        .signed(Method::PUT, "/api/v1/desks/desk-1")
        .send()
        .await
        .unwrap();
    check_problem(by_token, 409, "no-account").await;
    check_problem(desk.sits_at(&ann, "desk-9").await, 404, "no-such-device").await;

    // A supervisor does so for another, and for a phone; whoever is paused reads who it was.
    let training = r#"{"reason":"training"}"#;
    let of_ann = "/api/v1/people/ann/pause";
    check_problem(
        desk.by_cookie(Method::PUT, of_ann, &bob, training).await,
        403,
        "role-missing",
    )
    .await;
    check_problem(
        desk.by_cookie(Method::PUT, of_ann, &boss, r#"{"reason":" "}"#)
            .await,
        400,
        "bad-request",
    )
    .await;
    let nobody = desk
        .by_cookie(Method::PUT, "/api/v1/people/dan/pause", &boss, training)
        .await;
    check_problem(nobody, 409, "conflict").await;
    let done = |method, path: &'static str, body: &'static str| {
        let (desk, boss) = (&desk, &boss);
        async move { desk.by_cookie(method, path, boss, body).await.status() }
    };
    assert_eq!(done(Method::PUT, of_ann, training).await, 204);
    assert_eq!(
        done(Method::PUT, "/api/v1/desks/desk-2/pause", training).await,
        204
    );
    let seen = desk.seen_by(&ann, "/api/v1/desks").await;
    let pause = serde_json::json!({ "reason": "training", "since_ms": NOON, "by": "boss" });
    assert_eq!(seen["people"][0]["pause"], pause, "{seen}");
    assert_eq!(seen["desks"][1]["pause"], pause, "{seen}");
    assert_eq!(seen["desks"][0]["pause"], Value::Null, "{seen}");
    assert_eq!(done(Method::DELETE, of_ann, "").await, 204);
    assert_eq!(done(Method::DELETE, "/api/v1/desks/desk-2/pause", "").await, 204);
    assert_eq!(done(Method::DELETE, "/api/v1/desks/desk-2/pause", "").await, 409);
    assert_eq!(done(Method::DELETE, "/api/v1/desks/desk-2/rest", "").await, 204);
    assert_eq!(done(Method::DELETE, "/api/v1/desks/desk-9/rest", "").await, 404);

    let lunch = r#"{"reason":"lunch"}"#;
    let paused = desk.by_cookie(Method::PUT, "/api/v1/pause", &ann, lunch).await;
    assert_eq!(paused.status(), 204);
    let all = desk.seen_by(&boss, "/api/v1/desks").await;
    assert_eq!(all["people"][0]["pause"]["reason"], "lunch", "{all}");
    assert_eq!(all["people"][1]["pause"], Value::Null, "{all}");
    let resumed = desk.by_cookie(Method::DELETE, "/api/v1/pause", &ann, "").await;
    assert_eq!(resumed.status(), 204);

    assert_eq!(desk.leaves(&boss, "desk-1").await.status(), 204);
    check_problem(desk.leaves(&boss, "desk-1").await, 409, "conflict").await;
    assert_eq!(desk.sits_at(&bob, "desk-1").await.status(), 204);
    let all = desk.seen_by(&boss, "/api/v1/desks").await;
    assert_eq!(all["people"][0]["person"], "bob", "{all}");
    assert_eq!(
        all["people"][0]["devices"],
        serde_json::json!(["desk-1", "desk-2"])
    );
    let audit = desk.read("/api/v1/audit").await.to_string();
    assert!(
        audit.contains("desk sign out") && audit.contains("of ann"),
        "{audit}"
    );

    // Whose account is shut sits nowhere, and his desks are free.
    let shut = desk
        .signed(Method::PUT, "/api/v1/users/bob")
        .header("content-type", "application/json")
        .body(r#"{"is_disabled":true}"#);
    assert_eq!(shut.send().await.unwrap().status(), 200);
    assert_eq!(desk.sits_at(&ann, "desk-2").await.status(), 204);
    let all = desk.seen_by(&boss, "/api/v1/desks").await;
    assert_eq!(all["people"].as_array().unwrap().len(), 1, "{all}");
    desk.close().await.unwrap();
}

/// A call that rang at these people's phones, with what became of it at each.
fn taken(number: u64, rung: &[(&str, u16)]) -> CallRecord {
    let answered = KINDS.iter().find(|kind| kind.ending == Ending::Completed);
    let mut record = ended(answered.unwrap(), number, NOON - number);
    let attempt = |(person, status): &(&str, u16)| Attempt {
        target: format!("device:{person}"),
        person: Some(person.to_string()),
        at_ms: 0,
        status: *status,
        why: None,
        tries: Vec::new(),
    };
    record.state = State::Ended;
    record.attempts = rung.iter().map(attempt).collect();
    record.person = rung
        .iter()
        .find(|(_, status)| *status == 200)
        .map(|(person, _)| person.to_string());
    record
}

#[tokio::test]
async fn calls_are_counted_for_whoever_took_them_and_a_receptionist_sees_himself() {
    let desk = Desk::open().await;
    let ann = desk.person("ann", &["receptionist"]).await;
    let boss = desk.person("boss", &["supervisor"]).await;
    for record in [
        taken(1, &[("ann", 200), ("bob", 487)]),
        taken(2, &[("ann", 408), ("bob", 200)]),
        taken(3, &[("ann", 200)]),
    ] {
        assert!(desk.store.save(Arc::new(record)));
    }
    desk.store.flush().unwrap();
    let path = "/api/v1/reports/people";
    let all = desk.seen_by(&boss, path).await;
    assert_eq!(all["people"]["ann"]["answered"], 2, "{all}");
    assert_eq!(all["people"]["ann"]["missed"], 1, "{all}");
    assert_eq!(all["people"]["bob"]["answered"], 1, "{all}");
    let own = desk.seen_by(&ann, path).await;
    assert_eq!(own["people"].as_object().unwrap().len(), 1, "{own}");
    let bob = desk.person("bob", &["receptionist", "policy-author"]).await;
    let own = desk.seen_by(&bob, path).await;
    assert_eq!(
        own["people"].as_object().unwrap().len(),
        1,
        "writing policies shows nobody else: {own}"
    );
    let csv = desk
        .by_cookie(Method::GET, &format!("{path}?format=csv"), &boss, "")
        .await;
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = csv.text().await.unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("person,rung,answered,missed"), "{csv}");
    assert!(lines[1].starts_with("ann,3,2,1,0,"), "{csv}");

    let mine = desk.seen_by(&ann, "/api/v1/calls?person=ann").await;
    assert_eq!(mine["calls"].as_array().unwrap().len(), 2, "{mine}");
    assert_eq!(mine["calls"][0]["person"], "ann");
    assert!(mine["next"].is_null(), "{mine}");
    let first = desk.seen_by(&ann, "/api/v1/calls?person=ann&limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = desk
        .seen_by(&ann, &format!("/api/v1/calls?person=ann&limit=1&cursor={next}"))
        .await;
    assert_eq!(second["calls"][0]["id"], mine["calls"][1]["id"], "{second}");
    desk.close().await.unwrap();
}
