//! A provider at which people sign in, over real HTTPS, and all that it may do wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

/// What a provider does wrong, or somebody who stands in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
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

pub const REFUSED: [Trick; 9] = [
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
pub struct Idp(pub Arc<Mutex<Book>>);

pub struct Book {
    pub issuer: String,
    pub key: Arc<EcdsaKeyPair>,
    pub trick: Trick,
    /// What it says of whoever signs in.
    pub person: Value,
    /// Codes that are good, with challenge and nonce.
    pub codes: BTreeMap<String, (String, String)>,
    pub given: BTreeSet<String>,
    pub asked: usize,
}

pub fn new_key() -> EcdsaKeyPair {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap()
}

pub async fn document(State(Idp(book)): State<Idp>) -> Json<Value> {
    let issuer = book.lock().unwrap().issuer.clone();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize?tenant=1"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "code_challenge_methods_supported": ["plain", "S256"],
    }))
}

pub async fn keys(State(Idp(book)): State<Idp>) -> Json<Value> {
    let book = book.lock().unwrap();
    let point = book.key.public_key().as_ref();
    let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
    Json(json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "x": x, "y": y }] }))
}

pub async fn token(State(Idp(book)): State<Idp>, headers: HeaderMap, form: String) -> Response {
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

pub fn sign(key: &EcdsaKeyPair, text: &str) -> Vec<u8> {
    key.sign(&SystemRandom::new(), text.as_bytes())
        .unwrap()
        .as_ref()
        .to_vec()
}
