//! What is known of one number is shown to who may see it, and taken away for good.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use aws_lc_rs::hmac;
use reqwest::Method;
use serde_json::json;

use super::policies::replayed;
use super::{Desk, NOON, check_problem, json as body_of};
use crate::records::{FORGED, KINDS, ended};
use ringward::call::record::{Transfer, TransferKind, TransferOutcome};
use ringward::redact::Redacted;
use ringward::store;

/// Proven in the made-up calls: what is said of them counts for its reputation.
const PROVEN: usize = 0;
const NOTE: &str = "says she is Wilhelmina of the laboratory";

/// A store in a file of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ringward-erasure-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.0.join("calls.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether this stands anywhere in a file of the folder.
fn holds(folder: &Path, what: &str) -> bool {
    std::fs::read_dir(folder)
        .unwrap()
        .map_while(Result::ok)
        .any(|entry| {
            let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
            text.contains(what)
        })
}

fn number(kind: usize) -> &'static str {
    KINDS[kind].number.unwrap()
}

#[tokio::test]
async fn what_is_known_of_a_number_is_shown_and_erased_and_the_audit_holds() {
    let folder = Folder::new("desk");
    let desk = Desk::with(store::open(&store::Config { url: folder.url() }).unwrap(), None).await;
    let calls = [0, 8, 16].map(|at| desk.kept_call(PROVEN, at));
    let other = desk.kept_call(FORGED, 3);
    let said = json!({ "verdict": "scam", "note": NOTE }).to_string();
    let reported = desk
        .post(&format!("/api/v1/calls/{}/report", calls[0]), &said)
        .await;
    assert_eq!(reported.status(), 200);

    let ask = json!({ "number": number(PROVEN) }).to_string();
    let held = body_of(desk.post("/api/v1/erasures/held", &ask).await).await;
    assert_eq!(
        (&held["calls"], &held["live"], &held["reports"]),
        (&json!(3), &json!(0), &json!(1)),
        "{held}"
    );
    assert_eq!(held["records"].as_array().unwrap().len(), 3);
    assert!(held["records"].to_string().contains(NOTE), "everything is shown");
    assert!(holds(&folder.0, number(PROVEN)), "the report on its reputation");

    for (body, problem) in [
        (json!({ "number": "ann", "why": "x" }), "bad-request"),
        (json!({ "number": number(PROVEN), "why": " " }), "bad-request"),
        (
            json!({ "number": number(PROVEN), "why": "erase 1-212-555-0147" }),
            "bad-request",
        ),
    ] {
        check_problem(
            desk.post("/api/v1/erasures", &body.to_string()).await,
            400,
            problem,
        )
        .await;
    }
    let analyst = desk.token_for("ann", &["analyst"]).await;
    let refused = desk
        .ask(Method::POST, "/api/v1/erasures")
        .bearer_auth(&analyst)
        .header("content-type", "application/json")
        .body(ask)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 403);

    let ask = json!({ "number": number(PROVEN), "why": "request 17" }).to_string();
    let done = body_of(desk.post("/api/v1/erasures", &ask).await).await;
    assert_eq!(
        (&done["number"], &done["calls"], &done["reports"]),
        (&json!(1), &json!(3), &json!(1)),
        "{done}"
    );
    assert_eq!(done["is_scrubbed"], true);
    // With the receipt it can be shown that it was about this number.
    let receipt = done["receipt"].as_str().unwrap();
    let secret: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&receipt[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    let about = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &secret),
        number(PROVEN).as_bytes(),
    );
    let about: String = about
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    assert_eq!(done["about"], about);

    for what in [number(PROVEN), KINDS[PROVEN].name.unwrap(), NOTE] {
        assert!(!holds(&folder.0, what), "{what}");
    }
    let why = desk.read(&format!("/api/v1/calls/{}/why", calls[0])).await;
    assert_eq!(why["call"]["erased_ms"], NOON);
    assert_eq!(
        (
            &why["call"]["caller"],
            &why["decisions"],
            &why["call"]["report"]["note"]
        ),
        (&json!(null), &json!([]), &json!(null))
    );
    assert_eq!(
        why["call"]["banner"]["label"], "genuine",
        "what it was taken for stays"
    );
    let again = desk
        .post(&format!("/api/v1/calls/{}/report", calls[1]), &said)
        .await;
    check_problem(again, 404, "no-such-call").await;
    let path = format!("/api/v1/calls?number=%2B{}", &number(PROVEN)[1..]);
    assert_eq!(desk.read(&path).await["calls"], json!([]));
    let untouched = desk.read(&format!("/api/v1/calls/{other}")).await;
    assert_eq!(untouched["caller"], number(FORGED));

    let kept = desk.read("/api/v1/erasures").await;
    assert_eq!(kept["erasures"][0]["about"], done["about"]);
    assert_eq!(kept["erasures"][0]["receipt"], json!(null), "kept nowhere");
    let audit = desk.read("/api/v1/audit").await;
    let whats: Vec<_> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["about"] == done["about"])
        .map(|entry| entry["what"].as_str().unwrap())
        .collect();
    assert_eq!(whats, ["erasure begin", "erasure"]);
    assert!(!audit.to_string().contains(&number(PROVEN)[1..]));
    assert_eq!(desk.read("/api/v1/audit/verify").await["is_whole"], true);
}

#[tokio::test]
async fn a_policy_tried_on_kept_calls_counts_the_erased_ones_apart() {
    let desk = Desk::open().await;
    for at in 0..4 {
        desk.kept_call(if at == 0 { FORGED } else { 1 }, at);
    }
    let ask = json!({ "number": number(FORGED), "why": "request 18" }).to_string();
    assert_eq!(desk.post("/api/v1/erasures", &ask).await.status(), 200);
    let text = ringward::policy::shipped("strict").unwrap().text;
    let policy = json!({ "text": text, "reason": "x" }).to_string();
    let saved = body_of(desk.post("/api/v1/policies", &policy).await).await["number"].clone();
    desk.post(&format!("/api/v1/policies/{saved}/replay"), "{}").await;
    let found = replayed(&desk).await;
    assert_eq!(
        (&found["calls"], &found["not_replayable"], &found["erased"]),
        (&json!(4), &json!(1), &json!(1)),
        "{found}"
    );
}

fn ringward(folder: &Folder, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(words)
        .args(["--store", &folder.url()])
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_command_line_says_first_what_it_would_erase() {
    let folder = Folder::new("command");
    let open = || store::open(&store::Config { url: folder.url() }).unwrap();
    let desk = Desk::with(open(), None).await;
    desk.kept_call(FORGED, 1);
    desk.kept_call(FORGED, 2);
    // Somebody else's call went there.
    let mut other = ended(&KINDS[1], 3, NOON + 3);
    other.transfers.push(Transfer {
        at_ms: 9_000,
        by: "desk-1".into(),
        to: Redacted::new(number(FORGED).into()),
        kind: TransferKind::Blind,
        outcome: TransferOutcome::Completed,
        status: 200,
    });
    desk.store.save(Arc::new(other));
    desk.kept_call(1, 4);
    desk.store.flush().unwrap();
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let look = ringward(&folder, &["erase", "--number", number(FORGED)]);
    assert!(
        look.status.success() && said(&look).contains("would erase: 2 calls, 0 reports"),
        "{look:?}"
    );
    let person = ringward(&folder, &["export-person", "--number", number(FORGED)]);
    assert_eq!(said(&person).lines().count(), 3, "{person:?}");
    assert!(said(&person).contains(KINDS[FORGED].name.unwrap()));
    let words = ["export-person", "--everywhere", "--number", number(FORGED)];
    assert_eq!(said(&ringward(&folder, &words)).lines().count(), 4);
    let silent = ringward(&folder, &["erase", "--number", number(FORGED), "--yes"]);
    assert!(!silent.status.success(), "without a reason");
    let words = [
        "erase",
        "--number",
        number(FORGED),
        "--why",
        "request 19",
        "--yes",
    ];
    let done = ringward(&folder, &words);
    assert!(
        done.status.success() && said(&done).contains("erased: 2 calls"),
        "{done:?}"
    );
    assert!(!holds(&folder.0, number(FORGED)) && !holds(&folder.0, KINDS[FORGED].name.unwrap()));
    let verified = ringward(&folder, &["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test]
async fn a_call_that_goes_on_is_counted_and_left_and_a_reason_names_no_number() {
    let desk = Desk::open().await;
    desk.live_call(PROVEN, 77);
    let erase = async |why: &str| {
        let body = json!({ "number": number(PROVEN), "why": why }).to_string();
        desk.post("/api/v1/erasures", &body).await
    };
    let held = desk
        .post(
            "/api/v1/erasures/held",
            &json!({ "number": number(PROVEN) }).to_string(),
        )
        .await;
    assert_eq!(body_of(held).await["live"], 1);
    let erasure = body_of(erase("request 2026-17").await).await;
    assert_eq!((&erasure["calls"], &erasure["live"]), (&0.into(), &1.into()));
    let national = &number(PROVEN)[2..];
    for why in [
        format!("of {}", number(PROVEN)),
        format!("{}-{}", &national[..3], &national[3..]),
        national[3..].to_string(),
    ] {
        check_problem(erase(&why).await, 400, "bad-request").await;
    }
}

#[tokio::test]
async fn who_is_gone_is_erased_from_the_audit_and_its_chain_is_whole() {
    let folder = Folder::new("account");
    let desk = Desk::with(store::open(&store::Config { url: folder.url() }).unwrap(), None).await;
    let name = "wilhelmina.quartz";
    let token = desk.token_for(name, &["supervisor"]).await;
    let report = json!({ "verdict": "good" }).to_string();
    let path = format!("/api/v1/calls/{}/report", desk.kept_call(PROVEN, 1));
    let said = super::with_json(desk.ask(Method::POST, &path).bearer_auth(&token), &report).send();
    assert_eq!(said.await.unwrap().status(), 200);
    let named = async |desk: &Desk| {
        let audit = desk.read("/api/v1/audit").await;
        let entries = audit["entries"].as_array().unwrap();
        entries
            .iter()
            .filter(|entry| entry.to_string().contains(name))
            .count()
    };
    assert_eq!(named(&desk).await, 2);
    assert_eq!(
        desk.signed(Method::DELETE, "/api/v1/users/x")
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    let erase = async |body: serde_json::Value| desk.post("/api/v1/erasures", &body.to_string()).await;
    let ask = json!({ "account": name, "why": "left" });
    check_problem(erase(ask.clone()).await, 409, "conflict").await;
    let gone = desk
        .signed(Method::DELETE, &format!("/api/v1/tokens/{name}"))
        .send();
    assert_eq!(gone.await.unwrap().status(), 204);
    for wrong in [
        json!({ "account": name, "number": number(PROVEN), "why": "left" }),
        json!({ "account": "first", "why": "left" }),
        json!({ "account": name, "why": format!("{name} left") }),
        json!({ "why": "left" }),
    ] {
        check_problem(erase(wrong).await, 400, "bad-request").await;
    }
    let done = body_of(erase(ask).await).await;
    assert_eq!(
        (&done["state"], &done["entries"], &done["calls"]),
        (&json!("done"), &json!(3), &json!(0)),
        "{done}"
    );
    assert_eq!(named(&desk).await, 0);
    assert!(!holds(&folder.0, name));
    assert_eq!(desk.read("/api/v1/audit/verify").await["is_whole"], true);
    assert_eq!(desk.read("/api/v1/erasures").await["running"], json!([]));
}

#[tokio::test]
async fn what_waits_for_a_second_person_waits_over_a_restart() {
    let second_person = ringward::api::SecondPerson {
        erasures: true,
        lists: true,
    };
    let plan = || super::Setting {
        second_person,
        ..super::Setting::default()
    };
    let store = super::memory();
    let desk = Desk::set_up(store.clone(), plan()).await;
    let token = desk.token.clone();
    let ann = desk.person("ann", &["supervisor"]).await;
    let path = "/api/v1/lists/block/entries";
    let body = json!({ "numbers": ["+14045550123"], "reason": "threats" }).to_string();
    let asked = desk.by_cookie(Method::POST, path, &ann, &body).await;
    assert_eq!(asked.status(), 202);
    desk.close().await.unwrap();

    let mut desk = Desk::set_up(store, plan()).await;
    desk.token = token;
    let proposed = desk.read("/api/v1/lists").await["proposed"].clone();
    assert_eq!(
        (&proposed[0]["by"], &proposed[1]),
        (&json!("ann"), &serde_json::Value::Null)
    );
    let bob = desk.person("bob", &["supervisor"]).await;
    let agreed = desk.by_cookie(Method::POST, path, &bob, &body).await;
    assert_eq!(agreed.status(), 201);
    assert_eq!(desk.read("/api/v1/lists").await["proposed"], json!([]));
    let audit = desk.read("/api/v1/audit").await.to_string();
    assert!(audit.contains("201 proposed by ann"), "{audit}");
}

#[tokio::test]
async fn where_two_people_are_asked_for_the_same_wish_of_another_person_is_the_agreement() {
    let second_person = ringward::api::SecondPerson {
        erasures: true,
        lists: true,
    };
    let plan = super::Setting {
        second_person,
        ..super::Setting::default()
    };
    let desk = Desk::set_up(super::memory(), plan).await;
    desk.kept_call(PROVEN, 1);
    let own = desk.token_for("mine", &["admin"]).await;
    let ann = desk.person("ann", &["supervisor"]).await;
    let bob = desk.person("bob", &["supervisor"]).await;
    let erase = json!({ "number": number(PROVEN), "why": "request 21" }).to_string();
    let by_token = async |token: &str| {
        let ask = desk.ask(Method::POST, "/api/v1/erasures").bearer_auth(token);
        super::with_json(ask, &erase).send().await.unwrap()
    };
    for token in [desk.token.clone(), own] {
        let first = by_token(&token).await;
        assert_eq!(first.status(), 202, "one person, whatever his token is called");
        assert_eq!(body_of(first).await["what"], "erasure");
    }
    let waits = desk.read("/api/v1/erasures").await;
    assert_eq!(
        (waits["proposed"].as_array().unwrap().len(), &waits["erasures"]),
        (1, &json!([]))
    );
    assert!(!waits.to_string().contains(&number(PROVEN)[1..]));

    let path = "/api/v1/lists/block/entries";
    let block = |reason: &str| json!({ "numbers": ["+14045550123"], "reason": reason }).to_string();
    let status = async |cookie: &str, body: &str| {
        desk.by_cookie(Method::POST, path, cookie, body)
            .await
            .status()
            .as_u16()
    };
    assert_eq!(status(&ann, &block("threats")).await, 202);
    assert_eq!(status(&ann, &block("threats again")).await, 202, "still one");
    let lists = desk.read("/api/v1/lists").await;
    assert_eq!(lists["proposed"][0]["what"], "block: +14045550123");
    assert_eq!(lists["proposed"].as_array().unwrap().len(), 1);
    let other = json!({ "numbers": ["+14045550124"], "reason": "x" }).to_string();
    assert_eq!(status(&bob, &other).await, 202, "another entry is another wish");
    assert_eq!(status(&bob, &block("heard it too")).await, 201);
    let own = desk
        .by_cookie(Method::POST, "/api/v1/lists/own/entries", &ann, &other)
        .await;
    assert_eq!(own.status(), 201, "nobody is refused for it, or let through");
    let audit = desk.read("/api/v1/audit").await.to_string();
    assert!(
        audit.contains("201 proposed by ann") && audit.contains("202 proposed"),
        "{audit}"
    );
    // The other administrator asks for the same, for a reason of his own.
    let eve = desk.person("eve", &["admin"]).await;
    desk.enrol(&eve, NOON).await;
    let other = json!({ "account": "nobody.left", "why": "left" }).to_string();
    assert_eq!(
        desk.post("/api/v1/erasures", &other).await.status(),
        202,
        "another wish"
    );
    let same = erase.replace("request 21", "letter of May");
    let done = desk
        .by_cookie(Method::POST, "/api/v1/erasures", &eve, &same)
        .await;
    assert_eq!(done.status(), 200);
    let done = body_of(done).await;
    assert_eq!(
        (&done["calls"], &done["why"]),
        (&json!(1), &json!("letter of May; proposed by mine"))
    );
    let proposed = async || {
        desk.read("/api/v1/erasures").await["proposed"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(proposed().await, 1);
    // A day later nobody remembers what was wished.
    desk.move_clock(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(proposed().await, 0);
}
