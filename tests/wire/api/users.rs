//! People with accounts: invited, signed in by password and second factor, held back, shown out.

use std::time::Duration;

use aws_lc_rs::hmac;
use reqwest::{Method, Response};
use serde_json::Value;

use super::{Desk, NOON, check_problem, json, with_json};

pub const PASSWORD: &str = "twelve small owls";

/// What a telephone shows: RFC 6238 once more, so that a mistake in ours is not made twice.
pub fn totp(secret: &str, at_ms: u64) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = secret
        .bytes()
        .map(|letter| alphabet.iter().position(|known| *known == letter).unwrap())
        .flat_map(|value| (0..5).rev().map(move |bit| (value >> bit & 1) as u8))
        .collect();
    let octets: Vec<u8> = bits
        .chunks_exact(8)
        .map(|octet| octet.iter().fold(0, |sum, bit| sum << 1 | bit))
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &octets);
    let tag = hmac::sign(&key, &(at_ms / 30_000).to_be_bytes());
    let at = (tag.as_ref()[19] & 15) as usize;
    let four: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

impl Desk {
    /// Somebody who is signed in by a cookie asks.
    pub async fn by_cookie(&self, method: Method, path: &str, cookie: &str, body: &str) -> Response {
        with_json(self.ask(method, path), body)
            .header("cookie", cookie)
            .header("x-ringward", "1")
            .send()
            .await
            .unwrap()
    }

    /// An account that was invited and has taken a password: the cookie it was given for that.
    pub async fn person(&self, name: &str, roles: &[&str]) -> String {
        let body = serde_json::json!({ "name": name, "person": "A Person", "roles": roles }).to_string();
        let made = self.post("/api/v1/users", &body).await;
        assert_eq!(made.status(), 201);
        let code = json(made).await["code"].as_str().unwrap().to_string();
        cookie(&self.accept(&code, PASSWORD).await)
    }

    async fn accept(&self, code: &str, password: &str) -> Response {
        let body = serde_json::json!({ "code": code, "password": password }).to_string();
        with_json(self.ask(Method::POST, "/api/v1/invitation"), &body)
            .send()
            .await
            .unwrap()
    }

    async fn sign_in_as(&self, name: &str, password: &str, code: &str) -> Response {
        let body = serde_json::json!({ "name": name, "password": password, "code": code }).to_string();
        with_json(self.ask(Method::POST, "/api/v1/session"), &body)
            .send()
            .await
            .unwrap()
    }

    /// The cookie of somebody who signs in with a code of his second factor.
    pub async fn sign_in_by_code(&self, name: &str, code: &str) -> String {
        cookie(&self.sign_in_as(name, PASSWORD, code).await)
    }

    /// Id of the session that asks.
    pub async fn own_session(&self, cookie: &str) -> String {
        let own = self.by_cookie(Method::GET, "/api/v1/account", cookie, "").await;
        json(own).await["sessions"][0]["id"].as_str().unwrap().to_string()
    }

    /// What accepts the invitation of a new account.
    pub async fn invitation_body(&self, name: &str) -> String {
        let body = serde_json::json!({ "name": name, "person": "A Person", "roles": ["analyst"] });
        let made = json(self.post("/api/v1/users", &body.to_string()).await).await;
        serde_json::json!({ "code": made["code"], "password": PASSWORD }).to_string()
    }

    pub fn new_password_body(&self) -> String {
        serde_json::json!({ "old": PASSWORD, "new": "thirteen small owls" }).to_string()
    }

    pub fn confirm_body(&self) -> String {
        serde_json::json!({ "password": PASSWORD }).to_string()
    }

    /// What begins an enrolment, or proves one that is begun here.
    pub async fn second_factor_body(&self, method: &Method, cookie: &str) -> String {
        let confirm = serde_json::json!({ "password": PASSWORD }).to_string();
        if *method == Method::POST {
            return confirm;
        }
        let path = "/api/v1/account/second-factor";
        let begun = json(self.by_cookie(Method::POST, path, cookie, &confirm).await).await;
        let code = totp(begun["secret"].as_str().unwrap(), NOON);
        serde_json::json!({ "code": code }).to_string()
    }

    /// Enrols a telephone at this moment: its secret and the recovery codes.
    pub async fn enrol(&self, cookie: &str, now_ms: u64) -> (String, Vec<Value>) {
        let path = "/api/v1/account/second-factor";
        let confirm = serde_json::json!({ "password": PASSWORD }).to_string();
        let begun = self.by_cookie(Method::POST, path, cookie, &confirm).await;
        assert_eq!(begun.status(), 200);
        let secret = json(begun).await["secret"].as_str().unwrap().to_string();
        let code = serde_json::json!({ "code": totp(&secret, now_ms) }).to_string();
        let proven = self.by_cookie(Method::PUT, path, cookie, &code).await;
        assert_eq!(proven.status(), 200);
        let codes = json(proven).await["recovery_codes"].as_array().unwrap().clone();
        (secret, codes)
    }
}

pub fn cookie(response: &Response) -> String {
    assert_eq!(response.status(), 200);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_string()
}

#[tokio::test]
async fn a_person_is_invited_takes_a_password_and_signs_in_with_it() {
    let desk = Desk::open().await;
    let body = "{\"name\":\"ann\",\"person\":\"Ann Example\",\"roles\":[\"receptionist\"]}";
    let made = json(desk.post("/api/v1/users", body).await).await;
    let code = made["code"].as_str().unwrap();
    assert!(
        made["link"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/#invitation={code}"))
    );
    check_problem(desk.accept("x", PASSWORD).await, 401, "not-invited").await;
    check_problem(desk.accept(code, "password1234").await, 400, "weak-password").await;
    let first = cookie(&desk.accept(code, PASSWORD).await);
    check_problem(desk.accept(code, PASSWORD).await, 401, "not-invited").await;

    let session = desk.by_cookie(Method::GET, "/api/v1/session", &first, "").await;
    let session = json(session).await;
    assert_eq!(session["who"], "ann");
    assert_eq!(
        (&session["is_account"], &session["is_to_enrol"]),
        (&true.into(), &false.into())
    );
    let second = cookie(&desk.sign_in_as(" ann ", PASSWORD, "").await);
    let account = json(desk.by_cookie(Method::GET, "/api/v1/account", &second, "").await).await;
    assert_eq!(account["account"]["last_used_ms"], NOON);
    let sessions = account["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let other = sessions
        .iter()
        .find(|session| session["is_this"] == false)
        .unwrap();
    assert_eq!(other["address"], "127.0.0.1");
    let path = format!("/api/v1/account/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(
        desk.by_cookie(Method::DELETE, &path, &second, "").await.status(),
        204
    );
    let gone = desk.by_cookie(Method::GET, "/api/v1/account", &first, "").await;
    check_problem(gone, 401, "not-signed-in").await;
    let users = desk.read("/api/v1/users").await;
    assert_eq!(users["users"][0]["person"], "Ann Example");
    for secret in [PASSWORD, code, "argon2"] {
        assert!(!users.to_string().contains(secret));
    }
}

#[tokio::test]
async fn who_may_say_who_may_needs_a_second_factor_before_anything_else() {
    let desk = Desk::open().await;
    let cookie_of_ann = desk.person("ann", &["admin"]).await;
    let ask = |method, path: &'static str| desk.by_cookie(method, path, &cookie_of_ann, "{}");
    for path in ["/api/v1/calls", "/api/v1/users", "/api/v1/status", "/metrics"] {
        check_problem(ask(Method::GET, path).await, 403, "second-factor-missing").await;
    }
    assert_eq!(ask(Method::GET, "/api/v1/account").await.status(), 200);
    let wrong = "{\"password\":\"thirteen small owls\"}";
    let path = "/api/v1/account/second-factor";
    let wrong = desk.by_cookie(Method::POST, path, &cookie_of_ann, wrong).await;
    check_problem(wrong, 403, "wrong-password").await;
    let unproven = desk
        .by_cookie(Method::PUT, path, &cookie_of_ann, "{\"code\":\"000000\"}")
        .await;
    check_problem(unproven, 409, "conflict").await;

    let (secret, codes) = desk.enrol(&cookie_of_ann, NOON).await;
    assert_eq!(codes.len(), 10);
    assert_eq!(
        ask(Method::GET, "/api/v1/users").await.status(),
        200,
        "the session goes on"
    );
    for wrong in ["", "123456", &totp(&secret, NOON)] {
        let refused = desk.sign_in_as("ann", PASSWORD, wrong).await;
        check_problem(refused, 401, "wrong-credentials").await;
    }
    let code = totp(&secret, NOON + 30_000);
    cookie(&desk.sign_in_as("ann", PASSWORD, &code).await);
    check_problem(
        desk.sign_in_as("ann", PASSWORD, &code).await,
        401,
        "wrong-credentials",
    )
    .await;
    cookie(&desk.sign_in_as("ann", PASSWORD, codes[0].as_str().unwrap()).await);
    let kept = format!("{:?}", desk.store.shelf("users").unwrap());
    assert!(!kept.contains(codes[1].as_str().unwrap()) && !kept.contains(PASSWORD));
    // The enrolment says the same to a telephone in words, as a link and as a picture.
    let confirm = serde_json::json!({ "password": PASSWORD }).to_string();
    let again = json(desk.by_cookie(Method::POST, path, &cookie_of_ann, &confirm).await).await;
    let uri = again["uri"].as_str().unwrap();
    assert!(uri.contains(again["secret"].as_str().unwrap()) && uri.starts_with("otpauth://totp/"));
    assert!(again["qr"]["path"].as_str().unwrap().starts_with("M0 0h1v1h-1z"));
}

#[tokio::test]
async fn wrong_passwords_wait_longer_each_time_and_tell_nobody_who_has_an_account() {
    let desk = Desk::open().await;
    desk.person("ann", &["analyst"]).await;
    for name in ["ann", "nobody"] {
        for _ in 0..5 {
            check_problem(desk.sign_in_as(name, "wrong", "").await, 401, "wrong-credentials").await;
        }
        let wait = desk.sign_in_as(name, PASSWORD, "").await;
        assert_eq!(wait.headers()["retry-after"], "30", "{name}");
        check_problem(wait, 429, "too-many-failures").await;
    }
    desk.move_clock(Duration::from_secs(30));
    check_problem(
        desk.sign_in_as("ann", "wrong", "").await,
        401,
        "wrong-credentials",
    )
    .await;
    assert_eq!(
        desk.sign_in_as("ann", PASSWORD, "").await.headers()["retry-after"],
        "60"
    );
    desk.read("/api/v1/calls").await;
    desk.move_clock(Duration::from_secs(60));
    cookie(&desk.sign_in_as("ann", PASSWORD, "").await);
    check_problem(
        desk.sign_in_as("ann", "wrong", "").await,
        401,
        "wrong-credentials",
    )
    .await;
    check_problem(
        desk.post("/api/v1/session", "{\"name\":\"ann\"}").await,
        400,
        "bad-request",
    )
    .await;
}

#[tokio::test]
async fn a_new_password_other_roles_or_being_disabled_end_the_sessions() {
    let desk = Desk::open().await;
    let one = desk.person("ann", &["analyst"]).await;
    let other = cookie(&desk.sign_in_as("ann", PASSWORD, "").await);
    let status = async |cookie: &str| {
        let answer = desk.by_cookie(Method::GET, "/api/v1/calls", cookie, "").await;
        answer.status().as_u16()
    };
    let path = "/api/v1/account/password";
    let weak = format!("{{\"old\":\"{PASSWORD}\",\"new\":\"short\"}}");
    check_problem(
        desk.by_cookie(Method::PUT, path, &one, &weak).await,
        400,
        "weak-password",
    )
    .await;
    let wrong = "{\"old\":\"x\",\"new\":\"thirteen small owls\"}";
    check_problem(
        desk.by_cookie(Method::PUT, path, &one, wrong).await,
        403,
        "wrong-password",
    )
    .await;
    let right = format!("{{\"old\":\"{PASSWORD}\",\"new\":\"thirteen small owls\"}}");
    assert_eq!(
        desk.by_cookie(Method::PUT, path, &one, &right).await.status(),
        204
    );
    assert_eq!((status(&one).await, status(&other).await), (200, 401));
    check_problem(
        desk.sign_in_as("ann", PASSWORD, "").await,
        401,
        "wrong-credentials",
    )
    .await;

    let change = async |body: &str| {
        let answer = with_json(desk.signed(Method::PUT, "/api/v1/users/ann"), body).send();
        answer.await.unwrap().status().as_u16()
    };
    assert_eq!(change("{\"roles\":[\"auditor\"]}").await, 200);
    assert_eq!(status(&one).await, 401);
    let again = cookie(&desk.sign_in_as("ann", "thirteen small owls", "").await);
    assert_eq!(status(&again).await, 200);
    assert_eq!(change("{\"is_disabled\":true}").await, 200);
    assert_eq!(status(&again).await, 401);
    let shut = desk.sign_in_as("ann", "thirteen small owls", "").await;
    check_problem(shut, 401, "wrong-credentials").await;
    assert_eq!(
        change("{\"is_disabled\":false,\"person\":\"Ann Other\"}").await,
        200
    );
    let back = cookie(&desk.sign_in_as("ann", "thirteen small owls", "").await);
    let out = desk.signed(Method::DELETE, "/api/v1/users/ann/sessions").send();
    assert_eq!(out.await.unwrap().status(), 204);
    assert_eq!(status(&back).await, 401);
    for (method, path, expected) in [
        (Method::DELETE, "/api/v1/users/ann", 204),
        (Method::DELETE, "/api/v1/users/ann", 404),
        (Method::POST, "/api/v1/users/ann/reset", 404),
    ] {
        let answer = desk.signed(method, path).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{path}");
    }
}

#[tokio::test]
async fn a_change_of_an_account_may_be_held_to_how_it_looked() {
    let desk = Desk::open().await;
    desk.person("ann", &["receptionist"]).await;
    let change = async |tag: Option<&str>, body: &str| {
        let ask = with_json(desk.signed(Method::PUT, "/api/v1/users/ann"), body);
        let ask = match tag {
            Some(tag) => ask.header("If-Match", tag),
            None => ask,
        };
        ask.send().await.unwrap()
    };
    let tag = |answer: &Response| answer.headers()["etag"].to_str().unwrap().to_string();
    let seen = tag(&desk
        .signed(Method::GET, "/api/v1/users/ann")
        .send()
        .await
        .unwrap());
    let changed = change(Some(&seen), "{\"person\":\"Ann Other\"}").await;
    assert_eq!(changed.status(), 200);
    let now = tag(&changed);
    assert_ne!(now, seen);
    let late = change(Some(&seen), "{\"roles\":[\"admin\"]}").await;
    check_problem(late, 412, "precondition-failed").await;
    let whole = desk
        .signed(Method::GET, "/api/v1/users/ann")
        .send()
        .await
        .unwrap();
    assert_eq!(tag(&whole), now, "nothing was changed");
    for tag in [Some(now.as_str()), Some("*"), None] {
        let answer = change(tag, "{\"person\":\"Ann Other\"}").await;
        assert_eq!(answer.status(), 200, "{tag:?}");
    }
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_and_one_that_is_used_survives_a_restart() {
    let store = super::memory();
    let desk = Desk::with(store.clone(), None).await;
    let one = desk.person("ann", &["analyst"]).await;
    desk.move_clock(Duration::from_secs(3_599));
    assert_eq!(
        desk.by_cookie(Method::GET, "/api/v1/calls", &one, "")
            .await
            .status(),
        200
    );
    desk.move_clock(Duration::from_secs(3_599));
    assert_eq!(
        desk.by_cookie(Method::GET, "/api/v1/calls", &one, "")
            .await
            .status(),
        200
    );
    let other = cookie(&desk.sign_in_as("ann", PASSWORD, "").await);
    desk.close().await.unwrap();
    let again = Desk::with(store, None).await;
    again.move_clock(Duration::from_secs(7_198));
    assert_eq!(
        again
            .by_cookie(Method::GET, "/api/v1/calls", &other, "")
            .await
            .status(),
        200
    );
    again.move_clock(Duration::from_secs(3_600));
    assert_eq!(
        again
            .by_cookie(Method::GET, "/api/v1/calls", &other, "")
            .await
            .status(),
        401
    );
}

#[tokio::test]
async fn the_access_review_names_everybody_and_everything_that_may_sign_in() {
    let desk = Desk::open().await;
    desk.person("ann", &["analyst", "auditor"]).await;
    let invited = "{\"name\":\"bob\",\"person\":\"=Bob, B\",\"roles\":[\"admin\"]}";
    desk.post("/api/v1/users", invited).await;
    check_problem(desk.post("/api/v1/users", invited).await, 409, "conflict").await;
    let token = desk.token_for("siem", &["auditor"]).await;
    let taken = "{\"name\":\"siem\",\"person\":\"S\",\"roles\":[\"admin\"]}";
    check_problem(desk.post("/api/v1/users", taken).await, 409, "conflict").await;
    let taken = "{\"name\":\"ann\",\"roles\":[\"admin\"]}";
    check_problem(desk.post("/api/v1/tokens", taken).await, 409, "conflict").await;

    let ask = |format: &str| desk.ask(Method::GET, &format!("/api/v1/access-review{format}"));
    let review = json(ask("").bearer_auth(&token).send().await.unwrap()).await;
    let lines: Vec<String> = review["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let part = |name: &str| line[name].as_str().unwrap().to_string();
            format!(
                "{} {} {} {}",
                part("kind"),
                part("name"),
                part("state"),
                line["last_used_ms"]
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            format!("account ann open {NOON}"),
            "account bob invited null".to_string(),
            format!("token first open {NOON}"),
            format!("token siem open {NOON}"),
        ]
    );
    let csv = ask("?format=csv").bearer_auth(&token).send().await.unwrap();
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = csv.text().await.unwrap();
    let bob = format!("account,bob,\"'=Bob, B\",admin,invited,false,{NOON},first,,,");
    assert!(csv.contains(&bob), "{csv}");
    check_problem(
        ask("?format=pdf").bearer_auth(&token).send().await.unwrap(),
        400,
        "bad-request",
    )
    .await;
    let own = desk.ask(Method::GET, "/api/v1/account").bearer_auth(&token);
    check_problem(own.send().await.unwrap(), 409, "no-account").await;
}
