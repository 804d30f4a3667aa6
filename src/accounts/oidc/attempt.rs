//! One attempt to sign in elsewhere: what binds the answer of the provider to the browser that asked.
//!
//! The browser holds it in a cookie, signed with a key that this process made for itself: nothing is kept here for those who ask
//! and never come back.

use std::collections::BTreeMap;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::limits::{ATTEMPT_LASTS, ATTEMPTS_REMEMBERED};
use crate::accounts::secret::{random, secret};

/// What an attempt is known by.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Comes back with the answer (RFC 6749 §10.12).
    pub state: String,
    /// Comes back inside the token.
    pub nonce: String,
    /// Whoever has the code needs this as well (RFC 7636).
    pub verifier: String,
    began_ms: u64,
}

/// Signs attempts, and knows which of them came back.
pub struct Attempts {
    key: hmac::Key,
    /// States, by when they came back.
    used: BTreeMap<String, u64>,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Attempt(…)")
    }
}

impl Attempt {
    /// None = no randomness.
    pub fn new(now_ms: u64) -> Option<Attempt> {
        Some(Attempt {
            state: secret("")?,
            nonce: secret("")?,
            verifier: secret("")?,
            began_ms: now_ms,
        })
    }

    /// What the provider is shown of the verifier (RFC 7636 §4.2, S256).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.verifier.as_bytes()))
    }

    fn text(&self) -> String {
        format!(
            "{}.{}.{}.{}",
            self.state, self.nonce, self.verifier, self.began_ms
        )
    }

    fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.abs_diff(self.began_ms) < ATTEMPT_LASTS.as_millis() as u64
    }
}

impl Attempts {
    /// None = no randomness.
    pub fn new() -> Option<Attempts> {
        Some(Attempts {
            key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
            used: BTreeMap::new(),
        })
    }

    /// The cookie of an attempt.
    pub fn sealed(&self, attempt: &Attempt) -> String {
        let text = attempt.text();
        let tag = hmac::sign(&self.key, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// The attempt that this answer belongs to: of this browser, not too long ago, and the first answer to it.
    pub fn take(&mut self, cookie: &str, state: &str, now_ms: u64) -> Option<Attempt> {
        let (text, tag) = cookie.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.key, text.as_bytes(), &tag).ok()?;
        let mut parts = text.split('.');
        let mut part = || parts.next().map(str::to_string);
        let attempt = Attempt {
            state: part()?,
            nonce: part()?,
            verifier: part()?,
            began_ms: part()?.parse().ok()?,
        };
        let is_his =
            constant_time::verify_slices_are_equal(attempt.state.as_bytes(), state.as_bytes()).is_ok();
        if !is_his || !attempt.is_fresh(now_ms) || self.used.contains_key(&attempt.state) {
            return None;
        }
        let lasts_ms = ATTEMPT_LASTS.as_millis() as u64;
        if self.used.len() >= ATTEMPTS_REMEMBERED {
            self.used.retain(|_, at_ms| now_ms.abs_diff(*at_ms) < lasts_ms);
            if self.used.len() >= ATTEMPTS_REMEMBERED
                && let Some(oldest) = self
                    .used
                    .iter()
                    .min_by_key(|(_, at)| **at)
                    .map(|(state, _)| state.clone())
            {
                self.used.remove(&oldest);
            }
        }
        self.used.insert(attempt.state.clone(), now_ms);
        Some(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        let mut attempt = Attempt::new(0).unwrap();
        assert_eq!(attempt.verifier.len(), 43);
        attempt.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
        assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn an_answer_belongs_to_its_browser_once_and_not_for_ever() {
        let mut attempts = Attempts::new().unwrap();
        let (one, other) = (Attempt::new(1_000).unwrap(), Attempt::new(1_000).unwrap());
        let cookie = attempts.sealed(&one);
        assert!(
            attempts.take(&cookie, &other.state, 2_000).is_none(),
            "another browser's answer"
        );
        assert!(attempts.take(&cookie, "", 2_000).is_none());
        let forged = cookie.replace(&one.nonce, &other.nonce);
        assert!(attempts.take(&forged, &one.state, 2_000).is_none());
        assert!(
            Attempts::new()
                .unwrap()
                .take(&cookie, &one.state, 2_000)
                .is_none()
        );
        assert!(attempts.take(&cookie, &one.state, 601_000).is_none(), "too late");
        assert_eq!(attempts.take(&cookie, &one.state, 2_000).unwrap(), one);
        assert!(attempts.take(&cookie, &one.state, 2_000).is_none(), "twice");
        for text in ["", ".", "a.b.c.d.e", "a.b"] {
            assert!(attempts.take(text, "a", 2_000).is_none(), "{text}");
        }
    }

    #[test]
    fn what_came_back_is_remembered_up_to_a_bound() {
        let mut attempts = Attempts::new().unwrap();
        let mut attempt = Attempt::new(0).unwrap();
        for number in 0..ATTEMPTS_REMEMBERED + 5 {
            attempt.state = format!("state{number}");
            let cookie = attempts.sealed(&attempt);
            assert!(
                attempts
                    .take(&cookie, &attempt.state.clone(), number as u64 / 100)
                    .is_some()
            );
        }
        assert_eq!(attempts.used.len(), ATTEMPTS_REMEMBERED);
    }
}
