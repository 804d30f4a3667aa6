//! Signing in elsewhere: a provider over real HTTPS, people it vouches for, and everything that is not to be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use reqwest::{Client, Method};
use ringward::accounts::Role;
use ringward::accounts::oidc::Config;
use ringward::accounts::oidc::limits::ASKED_IN;
use serde_json::{Value, json};

use super::users::totp;
use super::{Desk, NOON, Setting, check_problem, json as body_of, memory};
use crate::support::https::Https;

/// What a provider does wrong, or somebody who stands in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trick {
    Nothing,
    WrongNonce,
    NoNonce,
    AlgNone,
    PublicKeyAsSecret,
    ForeignKey,
    Expired,
    OtherAudience,
    OtherIssuer,
    NoToken,
    /// It answers nothing when it is asked for a token.
    Silent,
}

const REFUSED: [Trick; 9] = [
    Trick::WrongNonce,
    Trick::NoNonce,
    Trick::AlgNone,
    Trick::PublicKeyAsSecret,
    Trick::ForeignKey,
    Trick::Expired,
    Trick::OtherAudience,
    Trick::OtherIssuer,
    Trick::NoToken,
];

#[derive(Clone)]
struct Idp(Arc<Mutex<Book>>);

struct Book {
    issuer: String,
    key: Arc<EcdsaKeyPair>,
    trick: Trick,
    /// What it says of whoever signs in.
    person: Value,
    /// Codes that are good, with challenge and nonce.
    codes: BTreeMap<String, (String, String)>,
    given: BTreeSet<String>,
    asked: usize,
}

fn new_key() -> EcdsaKeyPair {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap()
}

async fn document(State(Idp(book)): State<Idp>) -> Json<Value> {
    let issuer = book.lock().unwrap().issuer.clone();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize?tenant=1"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "code_challenge_methods_supported": ["plain", "S256"],
    }))
}

async fn keys(State(Idp(book)): State<Idp>) -> Json<Value> {
    let book = book.lock().unwrap();
    let point = book.key.public_key().as_ref();
    let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
    Json(json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "x": x, "y": y }] }))
}

async fn token(State(Idp(book)): State<Idp>, headers: HeaderMap, form: String) -> Response {
    if book.lock().unwrap().trick == Trick::Silent {
        std::future::pending::<()>().await;
    }
    let mut book = book.lock().unwrap();
    book.asked += 1;
    let part = |wanted: &str| {
        let mut parts = url::form_urlencoded::parse(form.as_bytes());
        parts
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
            .unwrap()
    };
    // `ring ward:s%cret`, each part encoded as in a form.
    let basic = base64::engine::general_purpose::STANDARD.encode("ring+ward:s%25cret");
    assert_eq!(headers["authorization"], format!("Basic {basic}"));
    assert_eq!(
        part("redirect_uri"),
        "https://calls.example/sign-in/oidc/callback"
    );
    let verifier = part("code_verifier");
    let challenge = BASE64.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let code = part("code");
    let known = book
        .codes
        .remove(&code)
        .filter(|(expected, _)| *expected == challenge);
    let Some((_, nonce)) = known.filter(|_| book.given.insert(code)) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    };
    match book.id_token(&nonce) {
        Some(token) => {
            Json(json!({ "access_token": "x", "token_type": "Bearer", "id_token": token })).into_response()
        }
        None => Json(json!({ "access_token": "x", "token_type": "Bearer" })).into_response(),
    }
}

impl Book {
    fn id_token(&self, nonce: &str) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer, "aud": "ring ward", "nonce": nonce, "iat": now, "exp": now + 300,
        });
        for (name, value) in self.person.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut header = json!({ "alg": "ES256", "kid": "one" });
        match self.trick {
            Trick::WrongNonce => claims["nonce"] = "another".into(),
            Trick::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
            Trick::AlgNone => header["alg"] = "none".into(),
            Trick::PublicKeyAsSecret => header["alg"] = "HS256".into(),
            Trick::Expired => (claims["iat"], claims["exp"]) = ((now - 700).into(), (now - 100).into()),
            Trick::OtherAudience => claims["aud"] = "another".into(),
            Trick::OtherIssuer => claims["iss"] = "https://idp.example".into(),
            Trick::NoToken => return None,
            Trick::Nothing | Trick::ForeignKey | Trick::Silent => {}
        }
        let signed = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims.to_string())
        );
        let signature = match self.trick {
            Trick::AlgNone => Vec::new(),
            Trick::PublicKeyAsSecret => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.public_key().as_ref());
                hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
            Trick::ForeignKey => sign(&new_key(), &signed),
            _ => sign(&self.key, &signed),
        };
        Some(format!("{signed}.{}", BASE64.encode(signature)))
    }
}

fn sign(key: &EcdsaKeyPair, text: &str) -> Vec<u8> {
    key.sign(&SystemRandom::new(), text.as_bytes())
        .unwrap()
        .as_ref()
        .to_vec()
}

/// A desk whose people sign in at a provider, and a browser that follows no redirection by itself.
struct World {
    desk: Desk,
    idp: Idp,
    browser: Client,
    _host: Https,
}

/// A sign-in that is under way.
struct Begun {
    cookie: String,
    parts: BTreeMap<String, String>,
}

impl World {
    async fn open(change: impl FnOnce(&mut Config)) -> World {
        World::open_with(change, None).await
    }

    async fn open_with(change: impl FnOnce(&mut Config), asked_in: Option<Duration>) -> World {
        let book = Book {
            issuer: String::new(),
            key: Arc::new(new_key()),
            trick: Trick::Nothing,
            person: json!({ "sub": "007", "preferred_username": "ann", "name": "Ann Example", "groups": ["desk"] }),
            codes: BTreeMap::new(),
            given: BTreeSet::new(),
            asked: 0,
        };
        let idp = Idp(Arc::new(Mutex::new(book)));
        let inner = idp.clone();
        let host = Https::open(move |address| {
            inner.0.lock().unwrap().issuer = address.to_string();
            axum::Router::new()
                .route("/.well-known/openid-configuration", get(document))
                .route("/keys", get(keys))
                .route("/token", post(token))
                .with_state(inner)
        })
        .await;
        let mut oidc = Config {
            issuer: idp.0.lock().unwrap().issuer.clone(),
            client_id: "ring ward".into(),
            client_secret: Some("s%cret".to_string().into()),
            label: "Example Inc.".into(),
            scopes: vec!["openid".into(), "groups".into()],
            name_claim: "preferred_username".into(),
            roles_claim: Some("groups".into()),
            roles: BTreeMap::from([
                ("desk".to_string(), vec![Role::Receptionist]),
                ("admins".to_string(), vec![Role::Admin]),
            ]),
            makes_accounts: false,
            strong_amr: vec!["mfa".into()],
            strong_acr: Vec::new(),
            allow: vec!["127.0.0.0/8".into()],
            anchors: vec![host.anchor.clone()],
        };
        change(&mut oidc);
        let setting = Setting {
            public_url: Some("https://calls.example".into()),
            oidc: Some(oidc),
            oidc_asked_in: asked_in,
            ..Setting::default()
        };
        let browser = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        World {
            desk: Desk::set_up(memory(), setting).await,
            idp,
            browser,
            _host: host,
        }
    }

    fn book<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        change(&mut self.idp.0.lock().unwrap())
    }

    async fn get(&self, path: &str, cookie: &str) -> reqwest::Response {
        let url = format!("http://{}{path}", self.desk.address);
        self.browser
            .get(url)
            .header("cookie", cookie)
            .send()
            .await
            .unwrap()
    }

    /// The browser goes to the provider, which gives it this code.
    async fn begin(&self, code: &str) -> Begun {
        let sent = self.get("/sign-in/oidc", "").await;
        assert_eq!(sent.status(), 303);
        let cookie = sent.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.starts_with("__Host-ringward_sign_in="), "{cookie}");
        for part in ["HttpOnly", "SameSite=Lax", "; Secure", "Path=/;"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"));
        let cookie = cookie.split(';').next().unwrap().to_string();
        let address = url::Url::parse(sent.headers()["location"].to_str().unwrap()).unwrap();
        assert_eq!(address.path(), "/authorize");
        let parts: BTreeMap<String, String> = address.query_pairs().into_owned().collect();
        let said = |name: &str| parts[name].as_str();
        assert_eq!(
            (
                said("tenant"),
                said("response_type"),
                said("code_challenge_method")
            ),
            ("1", "code", "S256")
        );
        assert_eq!((said("client_id"), said("scope")), ("ring ward", "openid groups"));
        self.book(|book| {
            let kept = (parts["code_challenge"].clone(), parts["nonce"].clone());
            book.codes.insert(code.to_string(), kept)
        });
        Begun { cookie, parts }
    }

    /// The provider sends the browser back: where it is sent on to, and the session's cookie.
    async fn come_back(&self, begun: &Begun, code: &str, more: &str) -> (String, Option<String>) {
        let path = format!(
            "/sign-in/oidc/callback?code={code}&state={}{more}",
            begun.parts["state"]
        );
        let answer = self.get(&path, &begun.cookie).await;
        assert_eq!(answer.status(), 303);
        let cookies = answer.headers().get_all("set-cookie").iter();
        let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap().to_string());
        let session = cookies.find(|cookie| cookie.starts_with("__Host-ringward_session="));
        let session = session.map(|cookie| cookie.split(';').next().unwrap().to_string());
        (
            answer.headers()["location"].to_str().unwrap().to_string(),
            session,
        )
    }

    async fn sign_in(&self, code: &str) -> (String, Option<String>) {
        let begun = self.begin(code).await;
        self.come_back(&begun, code, "").await
    }

    /// Signed in: the session's cookie.
    async fn signed_in(&self, code: &str) -> String {
        let (to, session) = self.sign_in(code).await;
        assert_eq!(to, "/");
        session.unwrap()
    }

    async fn add(&self, name: &str) {
        let body = json!({ "name": name, "person": "P", "roles": ["analyst"], "signs_in_elsewhere": true });
        let made = self.desk.post("/api/v1/users", &body.to_string()).await;
        assert_eq!(made.status(), 201);
        let made = body_of(made).await;
        assert_eq!(
            (&made["code"], &made["expires_ms"]),
            (&Value::Null, &(NOON + 72 * 3_600_000).into())
        );
    }

    async fn asks(&self, cookie: &str, path: &str) -> u16 {
        self.desk
            .by_cookie(Method::GET, path, cookie, "")
            .await
            .status()
            .as_u16()
    }
}

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
