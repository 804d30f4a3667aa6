//! Signing in elsewhere: a provider over real HTTPS, people it vouches for, and everything that is not to be believed.

use std::time::Duration;

use reqwest::Method;
use ringward::accounts::oidc::limits::ASKED_IN;
use serde_json::{Value, json};

use super::users::totp;
use super::{Desk, NOON, check_problem, json as body_of};

mod provider;
mod world;

use provider::{REFUSED, Trick};
use world::{Begun, World};

#[tokio::test]
async fn whom_the_provider_vouches_for_is_signed_in_once() {
    let world = World::open(|_| ()).await;
    let ways = body_of(
        world
            .desk
            .ask(Method::GET, "/api/v1/session/ways")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        ways["oidc"],
        json!({ "label": "Example Inc.", "path": "/sign-in/oidc" })
    );
    world.add("ann").await;
    let begun = world.begin("one").await;
    let (to, session) = world.come_back(&begun, "one", "").await;
    assert_eq!(to, "/");
    let session = session.unwrap();
    let seen = body_of(
        world
            .desk
            .by_cookie(Method::GET, "/api/v1/session", &session, "")
            .await,
    )
    .await;
    assert_eq!(
        (&seen["who"], &seen["roles"]),
        (&"ann".into(), &json!(["receptionist"]))
    );
    let account = world.desk.read("/api/v1/users/ann").await;
    assert_eq!(account["user"]["state"], "open");
    let audit = world.desk.read("/api/v1/audit").await.to_string();
    assert!(audit.contains("receptionist instead of analyst"), "{audit}");

    // The same answer again, with the same code or another.
    let (to, none) = world.come_back(&begun, "one", "").await;
    assert_eq!((to.as_str(), none), ("/#sign-in=not-this-sign-in", None));
    let again = world.begin("two").await;
    let (to, none) = world.come_back(&again, "one", "").await;
    assert_eq!(
        (to.as_str(), none),
        ("/#sign-in=not-believed", None),
        "the code was used"
    );
    assert_eq!(world.book(|book| book.asked), 2);
    // A password does not open it, nor does an invitation make it one that does.
    let reset = world.desk.post("/api/v1/users/ann/reset", "").await;
    check_problem(reset, 409, "conflict").await;
}

#[tokio::test]
async fn what_is_not_of_this_sign_in_by_this_provider_for_us_is_not_believed() {
    let world = World::open(|_| ()).await;
    world.add("ann").await;
    for (number, trick) in REFUSED.into_iter().enumerate() {
        world.book(|book| book.trick = trick);
        let (to, session) = world.sign_in(&format!("code{number}")).await;
        assert_eq!(
            (to.as_str(), session),
            ("/#sign-in=not-believed", None),
            "{trick:?}"
        );
        world.desk.move_clock(Duration::from_secs(60));
    }
    world.book(|book| book.trick = Trick::Nothing);
    let asked = world.book(|book| book.asked);

    // Mixed up: the answer is another provider's, and the code is not given away.
    let begun = world.begin("mixed").await;
    let (to, _) = world
        .come_back(&begun, "mixed", "&iss=https%3A%2F%2Fidp.example")
        .await;
    assert_eq!(to, "/#sign-in=not-believed");
    // Another browser's answer, none at all, and a refusal.
    let (one, other) = (world.begin("x").await, world.begin("y").await);
    let crossed = Begun {
        cookie: one.cookie.clone(),
        parts: other.parts.clone(),
    };
    for begun in [
        crossed,
        Begun {
            cookie: String::new(),
            parts: one.parts.clone(),
        },
    ] {
        let (to, session) = world.come_back(&begun, "x", "").await;
        assert_eq!((to.as_str(), session), ("/#sign-in=not-this-sign-in", None));
    }
    let (to, _) = world.come_back(&one, "x", "&error=access_denied").await;
    assert_eq!(to, "/#sign-in=refused-elsewhere");
    world.desk.move_clock(Duration::from_secs(60));
    let late = world.begin("late").await;
    world.desk.move_clock(Duration::from_secs(600));
    let (to, _) = world.come_back(&late, "late", "").await;
    assert_eq!(to, "/#sign-in=not-this-sign-in");
    assert_eq!(
        world.book(|book| book.asked),
        asked,
        "nothing was asked of the provider"
    );

    // By the right issuer's name, and all is well.
    world.desk.move_clock(Duration::from_secs(60));
    let begun = world.begin("right").await;
    let issuer: String =
        url::form_urlencoded::byte_serialize(world.book(|book| book.issuer.clone()).as_bytes()).collect();
    let (to, session) = world.come_back(&begun, "right", &format!("&iss={issuer}")).await;
    assert!(to == "/" && session.is_some());
}

#[tokio::test]
async fn unknown_people_have_no_account_unless_that_is_wanted() {
    let world = World::open(|_| ()).await;
    world.desk.person("ann", &["analyst"]).await;
    let (to, session) = world.sign_in("one").await;
    assert_eq!(
        (to.as_str(), session),
        ("/#sign-in=no-account", None),
        "that ann has a password"
    );
    world.book(|book| book.person["preferred_username"] = "bob".into());
    assert_eq!(world.sign_in("two").await.0, "/#sign-in=no-account");

    let world = World::open(|oidc| oidc.makes_accounts = true).await;
    world.book(|book| book.person["groups"] = json!(["nothing"]));
    assert_eq!(world.sign_in("one").await.0, "/#sign-in=no-account");
    world.book(|book| book.person["groups"] = json!(["desk"]));
    let session = world.signed_in("two").await;
    assert_eq!(world.asks(&session, "/api/v1/calls").await, 200);
    // He has left: nothing of his opens any more.
    world.book(|book| book.person["groups"] = json!([]));
    assert_eq!(world.sign_in("three").await.0, "/#sign-in=no-account");
    assert_eq!(world.asks(&session, "/api/v1/calls").await, 401);
}

#[tokio::test]
async fn an_administrator_shows_a_second_factor_there_or_here() {
    let world = World::open(|oidc| oidc.makes_accounts = true).await;
    world.book(|book| book.person["groups"] = json!(["admins"]));
    world.book(|book| book.person["amr"] = json!(["pwd", "mfa"]));
    let there = world.signed_in("one").await;
    assert_eq!(world.asks(&there, "/api/v1/tokens").await, 200);
    world.book(|book| book.person["amr"] = json!(["pwd"]));
    let here = world.signed_in("two").await;
    assert_eq!(
        world.asks(&here, "/api/v1/tokens").await,
        403,
        "no second factor there"
    );
    // With only his password there nobody brings a telephone of his own.
    let path = "/api/v1/account/second-factor";
    let refused = world
        .desk
        .by_cookie(Method::POST, path, &here, r#"{"password":""}"#)
        .await;
    check_problem(refused, 403, "second-factor-elsewhere").await;

    // Somebody else, who never showed one there.
    world.book(|book| {
        book.person["sub"] = "another".into();
        book.person["preferred_username"] = "zoe".into();
    });
    let here = world.signed_in("zoe").await;
    assert_eq!(world.asks(&here, "/api/v1/tokens").await, 403, "she is to enrol");
    let (secret, _) = world.desk.enrol(&here, NOON).await;
    assert_eq!(world.asks(&here, "/api/v1/tokens").await, 200);

    let next = world.signed_in("three").await;
    let path = "/api/v1/session/code";
    let tokens = world
        .desk
        .by_cookie(Method::GET, "/api/v1/tokens", &next, "")
        .await;
    check_problem(tokens, 403, "code-missing").await;
    let show = async |code: &str| {
        let body = json!({ "code": code }).to_string();
        world.desk.by_cookie(Method::POST, path, &next, &body).await
    };
    check_problem(show("000000").await, 400, "wrong-code").await;
    assert_eq!(show(&totp(&secret, NOON + 30_000)).await.status(), 204);
    check_problem(show(&totp(&secret, NOON + 30_000)).await, 409, "no-code-awaited").await;
    assert_eq!(world.asks(&next, "/api/v1/tokens").await, 200);
    // A telephone is not enrolled by a session that somebody left open.
    world.desk.move_clock(Duration::from_secs(600));
    let begin = world.desk.by_cookie(
        Method::POST,
        "/api/v1/account/second-factor",
        &next,
        "{\"password\":\"\"}",
    );
    check_problem(begin.await, 403, "not-fresh").await;
}

/// Any page can send a browser there, as often as it likes, and with whatever it likes behind the question mark.
#[tokio::test]
async fn what_a_page_makes_browsers_do_locks_nobody_out() {
    let world = World::open(|_| ()).await;
    world.add("ann").await;
    let begun = world.begin("one").await;
    for number in 0..30 {
        let none = Begun {
            cookie: String::new(),
            parts: begun.parts.clone(),
        };
        let (to, _) = world.come_back(&none, &number.to_string(), "").await;
        assert_eq!(to, "/#sign-in=not-this-sign-in");
    }
    // Signed in at the provider, and nobody here: a page can have that done too.
    world.book(|book| {
        book.person["preferred_username"] = "zoe".into();
        book.person["sub"] = "zoe".into();
    });
    for number in 0..15 {
        assert_eq!(
            world.sign_in(&format!("zoe{number}")).await.0,
            "/#sign-in=no-account"
        );
    }
    // Nor does what is counted elsewhere: wrong tokens.
    for _ in 0..15 {
        let wrong = world
            .desk
            .ask(Method::GET, "/api/v1/calls")
            .bearer_auth("rw_wrong");
        let _ = wrong.send().await.unwrap();
    }
    let (to, session) = world.come_back(&begun, "one", "").await;
    assert_eq!(to, "/#sign-in=no-account", "zoe again");
    assert!(session.is_none());
    world.book(|book| {
        book.person["preferred_username"] = "ann".into();
        book.person["sub"] = "007".into();
    });
    world.signed_in("two").await;
    // Codes that the provider does not know are tries, and bounded.
    let mut waits = 0;
    for number in 0..15 {
        let begun = world.begin(&format!("unknown{number}")).await;
        let path = format!(
            "/sign-in/oidc/callback?code=another&state={}",
            begun.parts["state"]
        );
        waits += u32::from(world.get(&path, &begun.cookie).await.status() == 429);
    }
    assert_eq!(waits, 5);
}

#[tokio::test]
async fn everything_that_is_asked_of_a_provider_has_one_end_before_the_requests() {
    const { assert!(ASKED_IN.as_secs() < 10) }
    let world = World::open_with(|_| (), Some(Duration::from_millis(300))).await;
    world.add("ann").await;
    world.book(|book| book.trick = Trick::Silent);
    // Each single answer may take 6 s; all of them together may not.
    assert_eq!(world.sign_in("one").await.0, "/#sign-in=provider-away");
}

#[tokio::test]
async fn an_account_that_was_given_a_subject_is_nobody_elses() {
    let world = World::open(|_| ()).await;
    let add = async |body: Value| world.desk.post("/api/v1/users", &body.to_string()).await;
    let ann = json!({ "name": "ann", "person": "P", "roles": ["analyst"], "signs_in_elsewhere": true, "subject": "008" });
    let made = add(ann.clone()).await;
    assert_eq!(made.status(), 201);
    assert!(body_of(made).await["expires_ms"].is_null());
    assert_eq!(
        world.sign_in("one").await.0,
        "/#sign-in=no-account",
        "that is 007"
    );
    world.book(|book| book.person["sub"] = "008".into());
    world.book(|book| book.person["preferred_username"] = "renamed".into());
    world.signed_in("two").await;
    let mut bob = ann;
    bob["name"] = "bob".into();
    check_problem(add(bob.clone()).await, 409, "conflict").await;
    bob["subject"] = "".into();
    check_problem(add(bob.clone()).await, 400, "bad-request").await;
    bob["signs_in_elsewhere"] = false.into();
    check_problem(add(bob).await, 400, "bad-request").await;
}

#[tokio::test]
async fn many_codes_at_once_are_no_more_guesses_than_one_after_the_other() {
    let world = World::open(|oidc| oidc.makes_accounts = true).await;
    world.book(|book| book.person["groups"] = json!(["admins"]));
    let first = world.signed_in("one").await;
    world.desk.enrol(&first, NOON).await;
    let next = world.signed_in("two").await;
    let body = json!({ "code": "000000" }).to_string();
    let shown = (0..16).map(|_| {
        let path = "/api/v1/session/code";
        world.desk.by_cookie(Method::POST, path, &next, &body)
    });
    let answers = futures_of(shown).await;
    let looked_at = answers.iter().filter(|status| **status == 400).count();
    assert_eq!((looked_at, answers.len()), (5, 16), "{answers:?}");
}

/// All of them at once; their statuses.
async fn futures_of(asked: impl Iterator<Item = impl Future<Output = reqwest::Response>>) -> Vec<u16> {
    let mut asked: Vec<_> = asked.map(Box::pin).collect();
    let mut statuses = Vec::new();
    std::future::poll_fn(|context| {
        asked.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                statuses.push(answer.status().as_u16());
                false
            }
            std::task::Poll::Pending => true,
        });
        match asked.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    statuses
}

#[tokio::test]
async fn a_provider_that_is_away_signs_nobody_in_and_is_said_to_be() {
    let world = World::open(|oidc| oidc.allow.clear()).await;
    let sent = world.get("/sign-in/oidc", "").await;
    assert_eq!(sent.headers()["location"], "/#sign-in=provider-away");
    let without = Desk::open().await;
    let nowhere = without.ask(Method::GET, "/sign-in/oidc").send().await.unwrap();
    check_problem(nowhere, 404, "not-found").await;
    let body = json!({ "name": "ann", "person": "P", "roles": ["analyst"], "signs_in_elsewhere": true });
    check_problem(
        without.post("/api/v1/users", &body.to_string()).await,
        409,
        "no-provider",
    )
    .await;
}
