//! A message to one receiver, and the signature by which it is believed.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::Event;
use crate::redact::Redacted;

/// What the secrets of Standard Webhooks begin with; the rest is base64 then.
const PREFIX: &str = "whsec_";

/// A message, as it is kept until it is taken or forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// The same for every try: who receives it twice knows it by this.
    pub id: String,
    pub kind: String,
    /// When it happened, Unix ms.
    pub at_ms: u64,
    pub data: Value,
    /// When it was put here, Unix ms.
    pub since_ms: u64,
    /// Tries that failed.
    pub tries: u32,
    /// Not to be tried before, Unix ms; of a dead one: since when it is dead.
    pub due_ms: u64,
    /// What the last try ran into.
    pub problem: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp_ms: u64,
    data: &'a Value,
}

impl Letter {
    pub(super) fn of(event: &Event, now_ms: u64) -> Letter {
        Letter {
            id: event.id.clone(),
            kind: event.kind.name().into(),
            at_ms: event.at_ms,
            data: event.data.clone(),
            since_ms: now_ms,
            tries: 0,
            due_ms: now_ms,
            problem: None,
        }
    }

    /// What is posted, the same octets for every try.
    pub fn body(&self) -> String {
        let body = Body {
            r#type: &self.kind,
            timestamp_ms: self.at_ms,
            data: &self.data,
        };
        // Our own plain data always has a JSON form.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

/// `webhook-signature` of a try at `seconds` since 1970: HMAC-SHA256 over id, time and body (Standard Webhooks 1.0).
pub fn signature(secret: &Redacted<String>, id: &str, seconds: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key_octets(secret.reveal()));
    let signed = format!("{id}.{seconds}.{body}");
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
}

/// The octets that a secret stands for.
pub fn key_octets(secret: &str) -> Vec<u8> {
    let encoded = secret.strip_prefix(PREFIX);
    encoded
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .unwrap_or_else(|| secret.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python's hmac, hashlib and base64 make it of the same octets.
    #[test]
    fn a_message_is_signed_over_its_id_its_time_and_its_body() {
        let secret = |text: &str| Redacted::new(text.to_string());
        let signed = signature(&secret("key"), "msg_1", 1_000, "{\"a\":1}");
        assert_eq!(signed, "v1,nwOsB+6HXfsFCI7GB7KOLHXqW5NfKLeTQnCtSuh+xTo=");
        assert_eq!(
            signed,
            signature(&secret("whsec_a2V5"), "msg_1", 1_000, "{\"a\":1}")
        );
        for other in [
            signature(&secret("kez"), "msg_1", 1_000, "{\"a\":1}"),
            signature(&secret("key"), "msg_2", 1_000, "{\"a\":1}"),
            signature(&secret("key"), "msg_1", 1_001, "{\"a\":1}"),
            signature(&secret("key"), "msg_1", 1_000, "{\"a\":2}"),
        ] {
            assert_ne!(other, signed);
        }
    }

    /// The example of the specification (Standard Webhooks 1.0).
    #[test]
    fn it_is_the_signature_that_others_make() {
        let secret = Redacted::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_string());
        assert_eq!(
            signature(
                &secret,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                "{\"test\": 2432232314}"
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn every_try_posts_the_same_octets() {
        let letter = Letter::of(&Event::test(1, "ann", 5), 9);
        let kept: Letter = serde_json::from_str(&serde_json::to_string(&letter).unwrap()).unwrap();
        assert_eq!(kept, letter);
        assert_eq!(
            kept.body(),
            "{\"type\":\"test\",\"timestamp_ms\":5,\"data\":{\"by\":\"ann\"}}"
        );
    }
}
