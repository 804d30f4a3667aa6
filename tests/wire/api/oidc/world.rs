//! A desk whose people sign in at a provider, and what a browser does with both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::{get, post};
use reqwest::{Client, Method};
use ringward::accounts::Role;
use ringward::accounts::oidc::Config;
use serde_json::{Value, json};

use super::super::{Desk, NOON, Setting, json as body_of, memory};
use super::provider::{Book, Idp, Trick, document, keys, new_key, token};
use crate::support::https::Https;

/// A desk whose people sign in at a provider, and a browser that follows no redirection by itself.
pub struct World {
    pub desk: Desk,
    pub idp: Idp,
    pub browser: Client,
    _host: Https,
}

/// A sign-in that is under way.
pub struct Begun {
    pub cookie: String,
    pub parts: BTreeMap<String, String>,
}

impl World {
    pub async fn open(change: impl FnOnce(&mut Config)) -> World {
        World::open_with(change, None).await
    }

    pub async fn open_with(change: impl FnOnce(&mut Config), asked_in: Option<Duration>) -> World {
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

    pub fn book<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        change(&mut self.idp.0.lock().unwrap())
    }

    pub async fn get(&self, path: &str, cookie: &str) -> reqwest::Response {
        let url = format!("http://{}{path}", self.desk.address);
        self.browser
            .get(url)
            .header("cookie", cookie)
            .send()
            .await
            .unwrap()
    }

    /// The browser goes to the provider, which gives it this code.
    pub async fn begin(&self, code: &str) -> Begun {
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
    pub async fn come_back(&self, begun: &Begun, code: &str, more: &str) -> (String, Option<String>) {
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

    pub async fn sign_in(&self, code: &str) -> (String, Option<String>) {
        let begun = self.begin(code).await;
        self.come_back(&begun, code, "").await
    }

    /// Signed in: the session's cookie.
    pub async fn signed_in(&self, code: &str) -> String {
        let (to, session) = self.sign_in(code).await;
        assert_eq!(to, "/");
        session.unwrap()
    }

    pub async fn add(&self, name: &str) {
        let body = json!({ "name": name, "person": "P", "roles": ["analyst"], "signs_in_elsewhere": true });
        let made = self.desk.post("/api/v1/users", &body.to_string()).await;
        assert_eq!(made.status(), 201);
        let made = body_of(made).await;
        assert_eq!(
            (&made["code"], &made["expires_ms"]),
            (&Value::Null, &(NOON + 72 * 3_600_000).into())
        );
    }

    pub async fn asks(&self, cookie: &str, path: &str) -> u16 {
        self.desk
            .by_cookie(Method::GET, path, cookie, "")
            .await
            .status()
            .as_u16()
    }
}
