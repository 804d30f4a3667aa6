//! A device made of an authenticator's words and a real key, and everything that may be wrong with what it says.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_790_000_000_000;
const CHALLENGE: &str = "b3VycyBhbG9uZQ";

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Key {
    fn es256() -> Key {
        Key::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn each() -> [Key; 3] {
        [
            Key::es256(),
            Key::EdDsa(Ed25519KeyPair::generate().unwrap()),
            Key::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        ]
    }

    fn algorithm(&self) -> i64 {
        match self {
            Key::Es256(_) => -7,
            Key::EdDsa(_) => -8,
            Key::Rs256(_) => -257,
        }
    }

    fn public(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match self {
            Key::Es256(key) => key.public_key().as_der(),
            Key::EdDsa(key) => key.public_key().as_der(),
            Key::Rs256(key) => key.public_key().as_der(),
        }
        .unwrap();
        der.as_ref().to_vec()
    }

    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Key::Es256(key) => key.sign(&random, signed).unwrap().as_ref().to_vec(),
            Key::EdDsa(key) => key.sign(signed).as_ref().to_vec(),
            Key::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature)
                    .unwrap();
                signature
            }
        }
    }
}

fn place() -> Place {
    Place::of(Some("https://calls.example.com")).unwrap()
}

fn client_data(kind: &str, challenge: &str, origin: &str) -> String {
    let said = serde_json::json!({
        "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false, "other": { "x": 1 },
    });
    text(said.to_string().as_bytes())
}

fn words(rp_id: &str, flags: u8, count: u32, rest: &[u8]) -> Vec<u8> {
    let mut words = digest::digest(&digest::SHA256, rp_id.as_bytes())
        .as_ref()
        .to_vec();
    words.push(flags);
    words.extend(count.to_be_bytes());
    words.extend(rest);
    words
}

fn credential(id: &[u8]) -> Vec<u8> {
    let mut octets = vec![7; 16];
    octets.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
    octets.extend(id);
    // The key in CBOR, which nobody here reads.
    octets.extend([0xa5, 1, 2, 3]);
    octets
}

fn made(key: &Key) -> Enrolment {
    Enrolment {
        name: "laptop".into(),
        id: text(b"its id"),
        client_data: client_data("webauthn.create", CHALLENGE, "https://calls.example.com"),
        authenticator_data: text(&words("calls.example.com", 0x45, 0, &credential(b"its id"))),
        key: text(&key.public()),
        algorithm: key.algorithm(),
    }
}

fn shown(key: &Key, flags: u8, count: u32) -> Shown {
    shown_with(
        key,
        &words("calls.example.com", flags, count, &[]),
        client_data("webauthn.get", CHALLENGE, "https://calls.example.com"),
    )
}

fn shown_with(key: &Key, words: &[u8], client_data: String) -> Shown {
    let hash = digest::digest(&digest::SHA256, &octets(&client_data).unwrap());
    Shown {
        id: text(b"its id"),
        authenticator_data: text(words),
        signature: text(&key.sign(&[words, hash.as_ref()].concat())),
        client_data,
    }
}

fn is_ours(challenge: &str) -> bool {
    challenge == CHALLENGE
}

fn read(made: &Enrolment) -> Result<Passkey, NoPasskey> {
    made.read(&place(), is_ours, NOW)
}

fn check(shown: &Shown, passkey: &Passkey) -> Result<u32, NoPasskey> {
    shown.check(passkey, &place(), is_ours)
}

#[test]
fn a_passkey_of_each_kind_is_made_and_signs() {
    for key in Key::each() {
        let passkey = read(&made(&key)).unwrap();
        assert_eq!(
            (passkey.id.as_str(), passkey.made_ms, passkey.used_ms),
            ("aXRzIGlk", NOW, None)
        );
        assert_eq!(
            check(&shown(&key, 0x05, 0), &passkey),
            Ok(0),
            "{}",
            key.algorithm()
        );
        assert_eq!(
            check(&shown(&key, 0x1d, 9), &passkey),
            Ok(9),
            "with what else may be said of it"
        );
        assert_eq!(
            check(&shown(&Key::es256(), 0x05, 1), &passkey),
            Err(NoPasskey::NotSigned),
            "by another key"
        );
    }
}

#[test]
fn what_was_made_elsewhere_or_for_something_else_is_none() {
    let key = Key::es256();
    let origin = "https://calls.example.com";
    for (kind, challenge, at, expected) in [
        ("webauthn.get", CHALLENGE, origin, NoPasskey::Elsewhere),
        ("webauthn.create", "b3RoZXI", origin, NoPasskey::Stale),
        (
            "webauthn.create",
            CHALLENGE,
            "https://calls.example.net",
            NoPasskey::Elsewhere,
        ),
        (
            "webauthn.create",
            CHALLENGE,
            "http://calls.example.com",
            NoPasskey::Elsewhere,
        ),
        (
            "webauthn.create",
            CHALLENGE,
            "https://calls.example.com:8443",
            NoPasskey::Elsewhere,
        ),
    ] {
        let mut made = made(&key);
        made.client_data = client_data(kind, challenge, at);
        assert_eq!(read(&made).unwrap_err(), expected, "{kind} {challenge} {at}");
    }
    let framed = serde_json::json!({
        "type": "webauthn.create", "challenge": CHALLENGE, "origin": origin, "crossOrigin": true,
    });
    let mut made = made(&key);
    made.client_data = text(framed.to_string().as_bytes());
    assert_eq!(read(&made).unwrap_err(), NoPasskey::Elsewhere);
}

#[test]
fn a_device_that_asks_for_nothing_or_says_something_else_makes_none() {
    let key = Key::es256();
    let with = |change: &dyn Fn(&mut Enrolment)| {
        let mut made = made(&key);
        change(&mut made);
        read(&made).unwrap_err()
    };
    let words_of = |flags, rest: &[u8]| text(&words("calls.example.com", flags, 0, rest));
    for flags in [0x41, 0x44, 0x40] {
        let said = with(&|made| made.authenticator_data = words_of(flags, &credential(b"its id")));
        assert_eq!(said, NoPasskey::NotHim, "{flags:x}");
    }
    let said = with(&|made| {
        made.authenticator_data = text(&words("calls.example.net", 0x45, 0, &credential(b"its id")));
    });
    assert_eq!(said, NoPasskey::Elsewhere, "bound to another host");
    for rest in [
        credential(b"another"),
        Vec::new(),
        vec![7; 17],
        credential(b"its id")[..20].to_vec(),
    ] {
        let said = with(&|made| made.authenticator_data = words_of(0x45, &rest));
        assert_eq!(said, NoPasskey::Unreadable, "{rest:?}");
    }
    let said = with(&|made| made.authenticator_data = words_of(0x05, &credential(b"its id")));
    assert_eq!(said, NoPasskey::Unreadable, "it says that there is none");
    for (algorithm, is_key) in [(-7, false), (-35, true), (0, true), (i64::MIN, true)] {
        let said = with(&|made| {
            made.algorithm = algorithm;
            if !is_key {
                made.key = text(b"no key");
            }
        });
        assert_eq!(said, NoPasskey::NotAKey, "{algorithm}");
    }
    assert_eq!(
        with(&|made| made.algorithm = -257),
        NoPasskey::NotAKey,
        "a key of another kind"
    );
    assert_eq!(with(&|made| made.id = String::new()), NoPasskey::Unreadable);
}

#[test]
fn a_signature_for_elsewhere_of_nobody_or_from_a_copy_opens_nothing() {
    let key = Key::es256();
    let mut passkey = read(&made(&key)).unwrap();
    let get = |challenge, origin| client_data("webauthn.get", challenge, origin);
    let here = words("calls.example.com", 0x05, 0, &[]);
    let origin = "https://calls.example.com";
    for (words, client_data, expected) in [
        (
            &here,
            get(CHALLENGE, "https://calls.example.net"),
            NoPasskey::Elsewhere,
        ),
        (&here, get("b3RoZXI", origin), NoPasskey::Stale),
        (
            &here,
            client_data("webauthn.create", CHALLENGE, origin),
            NoPasskey::Elsewhere,
        ),
        (
            &words("calls.example.net", 0x05, 0, &[]),
            get(CHALLENGE, origin),
            NoPasskey::Elsewhere,
        ),
        (
            &words("calls.example.com", 0x01, 0, &[]),
            get(CHALLENGE, origin),
            NoPasskey::NotHim,
        ),
        (
            &here[..36].to_vec(),
            get(CHALLENGE, origin),
            NoPasskey::Unreadable,
        ),
    ] {
        let shown = shown_with(&key, words, client_data);
        assert_eq!(check(&shown, &passkey), Err(expected));
    }
    // What was signed for one page is not taken with the words of another.
    let mut changed = shown(&key, 0x05, 0);
    changed.client_data = text(
        String::from_utf8(octets(&changed.client_data).unwrap())
            .unwrap()
            .replace("\"x\":1", "\"x\":2")
            .as_bytes(),
    );
    assert_eq!(check(&changed, &passkey), Err(NoPasskey::NotSigned));
    // One that counts counts on (WebAuthn §6.1.1).
    passkey.count = 7;
    for (count, expected) in [
        (8, Ok(8)),
        (7, Err(NoPasskey::Copied)),
        (0, Err(NoPasskey::Copied)),
    ] {
        assert_eq!(check(&shown(&key, 0x05, count), &passkey), expected, "{count}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_sent_is_more_than_refused(
        client_data in any::<Vec<u8>>(), words in any::<Vec<u8>>(), key in any::<Vec<u8>>(),
        text_of_id in ".{0,64}", algorithm in prop_oneof![Just(-7_i64), Just(-8), Just(-257), any::<i64>()],
        is_hash in any::<bool>(),
    ) {
        let words = if is_hash { super::tests::words("calls.example.com", 0x45, 1, &words) } else { words };
        let made = Enrolment {
            name: text_of_id.clone(), id: text_of_id.clone(), client_data: text(&client_data),
            authenticator_data: text(&words), key: text(&key), algorithm,
        };
        prop_assert!(made.read(&place(), |_| true, NOW).is_err());
        let passkey = Passkey {
            id: text_of_id.clone(), name: String::new(), algorithm, key: text(&key), count: 0, made_ms: NOW, used_ms: None,
        };
        let shown = Shown {
            id: text_of_id, client_data: super::tests::client_data("webauthn.get", "x", "https://calls.example.com"),
            authenticator_data: text(&words), signature: text(&client_data),
        };
        prop_assert!(shown.check(&passkey, &place(), |_| true).is_err());
    }
}
