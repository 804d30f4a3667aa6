//! Campaigns over the API: which recordings came from several numbers, what people say of them, and what of a number is erased.

use reqwest::{Method, StatusCode};
use ringward::call_id::CallId;
use ringward::redact::Redacted;
use serde_json::{Value, json as object};

use super::{Desk, NOON, check_problem, json, with_json};
use crate::records::{KINDS, call as made};
use crate::tones::tones;

impl Desk {
    /// The recording of this seed in a call from each of these numbers: its name.
    pub fn campaign(&self, seed: u32, numbers: &[&str]) -> String {
        let mut name = String::new();
        for (at, number) in numbers.iter().enumerate() {
            let call = CallId((u128::from(seed) << 32) | (at as u128 + 1));
            let mut record = made(&KINDS[3], 1, NOON, 6_000, 60_000);
            record.id = call;
            record.caller = Some(Redacted::new((*number).to_string()));
            self.live.publish(std::sync::Arc::new(record));
            for hop in tones(seed).chunks(8000) {
                if let Some(repeat) = self.repeats.hear(call, hop, NOON + u64::from(seed)) {
                    name = repeat.name;
                }
            }
        }
        name
    }

    async fn say(&self, name: &str, seen: Option<&str>, body: &Value) -> reqwest::Response {
        let path = format!("/api/v1/campaigns/{name}");
        let mut ask = with_json(self.signed(Method::PUT, &path), &body.to_string());
        if let Some(seen) = seen {
            ask = ask.header("if-match", seen);
        }
        ask.send().await.unwrap()
    }
}

fn names(page: &Value) -> Vec<&str> {
    let campaigns = page["campaigns"].as_array().unwrap().iter();
    campaigns.map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn recordings_from_several_numbers_are_listed_page_by_page_and_those_of_one_are_not() {
    let desk = Desk::open().await;
    assert_eq!(names(&desk.read("/api/v1/campaigns").await), [""; 0]);
    let (one, two, three) = ("+14045550101", "+14045550102", "+14045550103");
    desk.campaign(1, &[one]);
    let pair = desk.campaign(2, &[one, two]);
    let many = desk.campaign(3, &[one, two, three]);
    let late = desk.campaign(4, &[two, three]);
    let page = desk.read("/api/v1/campaigns").await;
    assert_eq!(names(&page), [late.as_str(), many.as_str(), pair.as_str()]);
    assert_eq!(
        (&page["next"], &page["campaigns"][1]["state"]),
        (&Value::Null, &"campaign".into())
    );
    assert_eq!(page["campaigns"][1]["callers"], 3);
    assert!(!page.to_string().contains("4045550"), "{page}");

    let first = desk.read("/api/v1/campaigns?limit=2").await;
    assert_eq!(names(&first), [late.as_str(), many.as_str()]);
    let next = first["next"].as_str().unwrap();
    let second = desk
        .read(&format!("/api/v1/campaigns?limit=2&cursor={next}"))
        .await;
    assert_eq!(
        (names(&second), &second["next"]),
        (vec![pair.as_str()], &Value::Null)
    );
    let repeated = desk.read("/api/v1/campaigns?state=repeated").await;
    assert_eq!(names(&repeated), [late.as_str(), pair.as_str()]);
    for query in [
        "limit=0",
        "limit=201",
        "cursor=x",
        "cursor=1-0",
        "state=bad",
        "colour=red",
    ] {
        let path = format!("/api/v1/campaigns?{query}");
        let answer = desk.signed(Method::GET, &path).send().await.unwrap();
        check_problem(answer, 400, "bad-request").await;
    }

    let whole = desk
        .signed(Method::GET, &format!("/api/v1/campaigns/{many}"))
        .send()
        .await
        .unwrap();
    assert_eq!(whole.headers()["etag"], "\"r0\"");
    let whole = json(whole).await;
    let newest = whole["newest"].as_array().unwrap();
    assert_eq!((newest.len(), &whole["name"]), (3, &many.as_str().into()));
    let last = newest[0]["id"].as_str().unwrap();
    assert!(last.ends_with("00000003"), "the newest first: {whole}");
    assert_eq!(newest[0]["href"], format!("/api/v1/calls/{last}"));
    // The calls are there to be read.
    desk.read(newest[0]["href"].as_str().unwrap()).await;
    for none in ["recording-1", "recording-99", "recording-02", "x"] {
        let path = format!("/api/v1/campaigns/{none}");
        let answer = desk.signed(Method::GET, &path).send().await.unwrap();
        check_problem(answer, 404, "no-such-campaign").await;
        let said = desk.say(none, Some("*"), &object!({ "allowed": true })).await;
        check_problem(said, 404, "no-such-campaign").await;
    }
    desk.close().await.unwrap();
}

#[tokio::test]
async fn what_is_said_of_a_campaign_counts_at_once_once_and_can_be_taken_back() {
    let desk = Desk::open().await;
    let name = desk.campaign(1, &["+14045550101", "+14045550102", "+14045550103"]);
    let body = object!({ "title": " reminder of the clinic ", "note": "asked them", "allowed": true });
    check_problem(desk.say(&name, None, &body).await, 428, "precondition-missing").await;
    let said = desk.say(&name, Some("\"r0\""), &body).await;
    assert_eq!(
        (said.status(), said.headers()["etag"].to_str().unwrap()),
        (StatusCode::OK, "\"r1\"")
    );
    let said = json(said).await;
    assert_eq!(
        (&said["state"], &said["title"], &said["by"], &said["at_ms"]),
        (
            &"allowed".into(),
            &"reminder of the clinic".into(),
            &"first".into(),
            &NOON.into()
        )
    );
    check_problem(
        desk.say(&name, Some("\"r0\""), &body).await,
        412,
        "precondition-failed",
    )
    .await;
    // The next call is no repeat, and is one again once it is taken back.
    let next = |call: u128| {
        let mut told = None;
        for hop in tones(1).chunks(8000) {
            told = desk.repeats.hear(CallId(call), hop, NOON + 9).or(told);
        }
        told
    };
    assert_eq!(next(91), None);
    let allowed = desk.read("/api/v1/campaigns?state=allowed").await;
    assert_eq!(allowed["campaigns"][0]["calls"], 4, "{allowed}");
    let back = desk
        .say(&name, Some("\"r1\""), &object!({ "allowed": false }))
        .await;
    let back = json(back).await;
    assert_eq!(
        (&back["state"], &back["title"]),
        (&"campaign".into(), &Value::Null)
    );
    assert_eq!(
        next(92).map(|repeat| (repeat.name, repeat.calls)),
        Some((name.clone(), 5))
    );

    for bad in [
        object!({}),
        object!({ "allowed": "yes" }),
        object!({ "allowed": true, "colour": "red" }),
        object!({ "allowed": true, "title": "x".repeat(81) }),
        object!({ "allowed": true, "note": "x".repeat(201) }),
        object!({ "allowed": true, "title": "of +1 404 555 0123" }),
        object!({ "allowed": true, "note": "a\u{1b}[2J" }),
    ] {
        let answer = desk.say(&name, Some("*"), &bad).await;
        check_problem(answer, 400, "bad-request").await;
    }
    let audit = desk.read("/api/v1/audit").await.to_string();
    for noted in [
        "PUT /api/v1/campaigns/{name}",
        "allowed, called reminder of the clinic",
        "200 not allowed",
    ] {
        assert!(audit.contains(noted), "{noted}: {audit}");
    }
    // Another gateway that starts on this store knows it as it is.
    let again =
        ringward::runtime::repeats::Repeats::open(100, desk.live.clone(), desk.store.clone()).unwrap();
    desk.repeats.write().unwrap();
    again.read(NOON).unwrap();
    assert_eq!(again.all(|_| true), desk.repeats.all(|_| true));
    desk.close().await.unwrap();
}

#[tokio::test]
async fn who_may_see_campaigns_and_who_may_say_something_of_them() {
    let desk = Desk::open().await;
    let name = desk.campaign(1, &["+14045550101", "+14045550102"]);
    let path = format!("/api/v1/campaigns/{name}");
    for (role, may_see, may_say) in [
        ("receptionist", false, false),
        ("supervisor", true, true),
        ("analyst", true, false),
        ("policy-author", true, true),
        ("policy-approver", true, false),
        ("auditor", true, false),
        ("admin", true, true),
    ] {
        let token = desk.token_for(&format!("of-{role}"), &[role]).await;
        let look = |path: &str| desk.ask(Method::GET, path).bearer_auth(&token).send();
        let status = |may| if may { 200 } else { 403 };
        for path in ["/api/v1/campaigns", path.as_str()] {
            assert_eq!(
                look(path).await.unwrap().status(),
                status(may_see),
                "{role} {path}"
            );
        }
        let say = with_json(desk.ask(Method::PUT, &path), "{\"allowed\":false}");
        let said = say.bearer_auth(&token).header("if-match", "*").send().await;
        assert_eq!(said.unwrap().status(), status(may_say), "{role}");
    }
    desk.close().await.unwrap();
}

#[tokio::test]
async fn an_erasure_takes_the_number_out_of_campaigns_and_its_own_recordings_away() {
    let desk = Desk::open().await;
    let (one, two) = ("+14045550101", "+14045550102");
    desk.campaign(1, &[one]);
    let name = desk.campaign(2, &[one, two]);
    let held = json(
        desk.post("/api/v1/erasures/held", &object!({ "number": one }).to_string())
            .await,
    )
    .await;
    assert_eq!(held["recordings"], 2, "{held}");
    let body = object!({ "number": one, "why": "request 31" }).to_string();
    let done = json(desk.post("/api/v1/erasures", &body).await).await;
    assert_eq!(
        (&done["recordings"], &done["is_scrubbed"]),
        (&2.into(), &true.into()),
        "{done}"
    );
    assert_eq!(desk.repeats.remembered().known, 1);
    let left = desk.read(&format!("/api/v1/campaigns/{name}")).await;
    assert_eq!((&left["callers"], &left["calls"]), (&2.into(), &2.into()));
    let held = json(
        desk.post("/api/v1/erasures/held", &object!({ "number": one }).to_string())
            .await,
    )
    .await;
    assert_eq!(held["recordings"], 0);
    desk.close().await.unwrap();
}
