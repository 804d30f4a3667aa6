//! Passkeys over HTTP, by a device that is made here: whose they are, and what is answered to what is not.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, Response};
use ringward::accounts::passkeys::limits::PASSKEYS_MAX;
use serde_json::{Value, json as object};

use super::users::{PASSWORD, cookie};
use super::{Desk, check_problem, json, memory, with_json};

/// The machine itself: there browsers make passkeys without TLS.
pub const PUBLIC_URL: &str = "http://localhost";

/// A telephone that asks its person, always.
struct Device {
    id: Vec<u8>,
    key: EcdsaKeyPair,
    count: u32,
}

fn text(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

impl Device {
    fn new(id: &str) -> Device {
        Device {
            id: id.into(),
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            count: 0,
        }
    }

    /// WebAuthn §6.1.
    fn words(&mut self, flags: u8) -> Vec<u8> {
        self.count += 1;
        let host = digest(&SHA256, b"localhost");
        [host.as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }

    fn made(&mut self, name: &str, challenge: &str) -> Value {
        let mut words = self.words(0x45);
        words.extend([0; 16]);
        words.extend((self.id.len() as u16).to_be_bytes());
        words.extend(&self.id);
        let key: PublicKeyX509Der<'_> = self.key.public_key().as_der().unwrap();
        object!({
            "name": name, "id": text(&self.id), "client_data": client_data("webauthn.create", challenge),
            "authenticator_data": text(&words), "key": text(key.as_ref()), "algorithm": -7,
        })
    }

    fn signed(&mut self, challenge: &str) -> Value {
        let words = self.words(0x05);
        let client_data = client_data("webauthn.get", challenge);
        let hash = digest(&SHA256, &URL_SAFE_NO_PAD.decode(&client_data).unwrap());
        let signature = self
            .key
            .sign(&SystemRandom::new(), &[&words[..], hash.as_ref()].concat())
            .unwrap();
        object!({
            "id": text(&self.id), "client_data": client_data, "authenticator_data": text(&words),
            "signature": text(signature.as_ref()),
        })
    }
}

/// WebAuthn §5.8.1.
fn client_data(kind: &str, challenge: &str) -> String {
    let said = object!({ "type": kind, "challenge": challenge, "origin": PUBLIC_URL });
    text(said.to_string().as_bytes())
}

impl Desk {
    async fn question(&self) -> String {
        let asked = json(
            self.ask(Method::GET, "/api/v1/session/passkey")
                .send()
                .await
                .unwrap(),
        )
        .await;
        asked["challenge"].as_str().unwrap().to_string()
    }

    async fn begin_passkey(&self, cookie: &str) -> Value {
        let confirm = object!({ "password": PASSWORD }).to_string();
        let path = "/api/v1/account/passkeys/challenge";
        let begun = self.by_cookie(Method::POST, path, cookie, &confirm).await;
        assert_eq!(begun.status(), 200);
        json(begun).await
    }

    async fn keep_passkey(&self, cookie: &str, device: &mut Device) -> Response {
        let begun = self.begin_passkey(cookie).await;
        let made = device.made("laptop", begun["challenge"].as_str().unwrap());
        self.by_cookie(
            Method::POST,
            "/api/v1/account/passkeys",
            cookie,
            &made.to_string(),
        )
        .await
    }

    async fn sign_in_by(&self, signed: &Value) -> Response {
        let ask = self.ask(Method::POST, "/api/v1/session/passkey");
        with_json(ask, &signed.to_string()).send().await.unwrap()
    }

    /// What is to be sent to `POST /api/v1/account/passkeys`.
    pub async fn passkey_body(&self, cookie: &str, id: &str) -> String {
        let begun = self.begin_passkey(cookie).await;
        Device::new(id)
            .made("laptop", begun["challenge"].as_str().unwrap())
            .to_string()
    }

    /// What is to be sent to `POST /api/v1/session/passkey` by the person of this cookie, and the id of his passkey.
    pub async fn passkey_signature(&self, cookie: &str, id: &str) -> (String, String) {
        let mut device = Device::new(id);
        assert_eq!(self.keep_passkey(cookie, &mut device).await.status(), 201);
        let signed = device.signed(&self.question().await);
        (signed.to_string(), text(&device.id))
    }
}

#[tokio::test]
async fn a_passkey_opens_its_persons_account_and_nobody_elses() {
    let desk = Desk::with(memory(), Some(PUBLIC_URL)).await;
    let ann = desk.person("ann", &["receptionist"]).await;
    let bob = desk.person("bob", &["analyst"]).await;
    let mut device = Device::new("ann's telephone");
    let kept = desk.keep_passkey(&ann, &mut device).await;
    assert_eq!(kept.status(), 201);
    let id = json(kept).await["id"].as_str().unwrap().to_string();
    check_problem(desk.keep_passkey(&bob, &mut device).await, 409, "conflict").await;

    let signed = device.signed(&desk.question().await);
    let opened = desk.sign_in_by(&signed).await;
    assert_eq!(opened.status(), 200);
    let opened = json(opened).await;
    assert_eq!(
        (&opened["who"], &opened["roles"]),
        (&object!("ann"), &object!(["receptionist"]))
    );
    // Sent once more it opens nothing, and neither does what was signed for another purpose or by another key.
    check_problem(desk.sign_in_by(&signed).await, 401, "wrong-passkey").await;
    let begun = desk.begin_passkey(&ann).await;
    let of_making = device.signed(begun["challenge"].as_str().unwrap());
    check_problem(desk.sign_in_by(&of_making).await, 401, "wrong-passkey").await;
    let mut other = Device::new("ann's telephone");
    other.count = 90;
    let by_another = other.signed(&desk.question().await);
    check_problem(desk.sign_in_by(&by_another).await, 401, "wrong-passkey").await;
    // What was begun for one account makes no passkey of another.
    let theirs = Device::new("bob's").made("x", begun["challenge"].as_str().unwrap());
    let path = "/api/v1/account/passkeys";
    let kept = desk
        .by_cookie(Method::POST, path, &bob, &theirs.to_string())
        .await;
    check_problem(kept, 400, "bad-request").await;

    let taken = format!("/api/v1/account/passkeys/{id}");
    check_problem(
        desk.by_cookie(Method::DELETE, &taken, &bob, "").await,
        404,
        "no-such-passkey",
    )
    .await;
    let review = desk.read("/api/v1/access-review").await.to_string();
    assert!(review.contains("\"passkeys\":1"), "{review}");
    assert_eq!(
        desk.by_cookie(Method::DELETE, &taken, &ann, "").await.status(),
        204
    );
    let late = device.signed(&desk.question().await);
    check_problem(desk.sign_in_by(&late).await, 401, "wrong-passkey").await;
}

#[tokio::test]
async fn wrong_passkeys_are_counted_and_then_have_to_wait_and_a_right_one_does_not() {
    let desk = Desk::with(memory(), Some(PUBLIC_URL)).await;
    let ann = desk.person("ann", &["receptionist"]).await;
    let mut device = Device::new("ann's telephone");
    assert_eq!(desk.keep_passkey(&ann, &mut device).await.status(), 201);
    let nobodys = Device::new("nobody's").signed("AAAA");
    let mut statuses = Vec::new();
    for _ in 0..15 {
        statuses.push(desk.sign_in_by(&nobodys).await.status().as_u16());
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[11..], [429; 4]);
    // Whoever shares that address with its owner keeps nobody out; and one that is not signed rightly waits as well.
    let question = desk.question().await;
    let mut forged = device.signed(&question);
    forged["signature"] = nobodys["signature"].clone();
    assert_eq!(desk.sign_in_by(&forged).await.status(), 429);
    assert_eq!(desk.sign_in_by(&device.signed(&question)).await.status(), 200);
}

#[tokio::test]
async fn no_passkey_is_made_in_a_lockdown_nor_one_more_than_an_account_may_have() {
    let desk = Desk::with(memory(), Some(PUBLIC_URL)).await;
    let ann = desk.person("ann", &["receptionist"]).await;
    for number in 0..PASSKEYS_MAX {
        let mut device = Device::new(&format!("device {number}"));
        assert_eq!(desk.keep_passkey(&ann, &mut device).await.status(), 201);
    }
    let begin = "/api/v1/account/passkeys/challenge";
    let password = object!({ "password": PASSWORD }).to_string();
    let full = desk.by_cookie(Method::POST, begin, &ann, &password).await;
    check_problem(full, 409, "conflict").await;

    let bob = desk.person("bob", &["receptionist"]).await;
    let mut device = Device::new("bob's");
    assert_eq!(desk.keep_passkey(&bob, &mut device).await.status(), 201);
    let ordered = desk
        .post("/api/v1/lockdown", "{\"why\":\"a stolen laptop\"}")
        .await;
    assert!(ordered.status().is_success(), "{}", ordered.status());
    // His own one opens as before.
    let opened = desk.sign_in_by(&device.signed(&desk.question().await)).await;
    assert_eq!(opened.status(), 200);
    let bob = cookie(&opened);
    let begun = desk.by_cookie(Method::POST, begin, &bob, &password).await;
    check_problem(begun, 409, "conflict").await;
    let made = Device::new("another").made("x", "AAAA").to_string();
    let kept = desk.by_cookie(Method::POST, "/api/v1/account/passkeys", &bob, &made);
    check_problem(kept.await, 409, "conflict").await;
}
