//! Passkeys: a key pair in a person's device, which asks for his finger, face or PIN before it signs (W3C Web Authentication Level 2).
//!
//! One signature shows what he has and that it is him, so it signs in like password and code together. It is bound to the host's name by
//! the browser: a page that only looks like ours gets nothing that opens us. It stands beside password and second factor and never
//! instead of them: whoever has lost the device has those.
//!
//! Knows what browsers hand over and what of it is believed. Does not know HTTP, and never reads a clock.

mod ceremony;
mod challenge;
mod kept;
pub mod limits;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

pub use ceremony::{Enrolment, NoPasskey, Shown};
pub use challenge::{Challenges, Purpose};

/// One passkey of an account, as it is kept. Nothing in it opens anything: the secret never leaves the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// What the device calls it: base64url.
    pub id: String,
    /// What its person calls it.
    pub name: String,
    /// As COSE numbers them (RFC 9053): -7, -8 or -257.
    pub algorithm: i64,
    /// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7): base64url.
    pub(super) key: String,
    /// Of the last signature; a device that does not count says 0 each time.
    pub(super) count: u32,
    /// Unix ms.
    pub made_ms: u64,
    /// When it signed in last, Unix ms; None = never.
    pub used_ms: Option<u64>,
}

/// Where people sign in: what the browser binds a passkey to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The host's name (WebAuthn §4: RP ID).
    pub rp_id: String,
    /// Scheme, host and port, as the browser writes them.
    pub origin: String,
}

impl Place {
    /// Of `[api] public_url`. None = browsers make no passkeys there: it has no name but an address, or no TLS and is not this machine
    /// itself (WebAuthn §13.4.9).
    pub fn of(public_url: Option<&str>) -> Option<Place> {
        let url = url::Url::parse(public_url?).ok()?;
        let rp_id = url.domain()?.to_ascii_lowercase();
        let is_secure = url.scheme() == "https" || rp_id == "localhost";
        is_secure.then(|| Place {
            origin: url.origin().ascii_serialization(),
            rp_id,
        })
    }
}

/// As all octets of a ceremony are written; None = not base64url, or too long to be any of them.
pub fn octets(text: &str) -> Option<Vec<u8>> {
    let is_short = text.len() <= limits::TEXT_MAX;
    let text = text.trim_end_matches('=');
    is_short.then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()
}

pub fn text(octets: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passkey_is_bound_to_a_name_over_tls_or_to_the_machine_itself() {
        let place = |url| Place::of(Some(url)).map(|place| (place.rp_id, place.origin));
        let of = |rp_id: &str, origin: &str| Some((rp_id.to_string(), origin.to_string()));
        assert_eq!(
            place("https://Calls.example.com"),
            of("calls.example.com", "https://calls.example.com")
        );
        assert_eq!(
            place("https://calls.example.com:8443"),
            of("calls.example.com", "https://calls.example.com:8443")
        );
        assert_eq!(
            place("http://localhost:8080"),
            of("localhost", "http://localhost:8080")
        );
        for nowhere in [
            "http://calls.example.com",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
            "http://127.0.0.1:8080",
        ] {
            assert_eq!(place(nowhere), None, "{nowhere}");
        }
        assert_eq!(Place::of(None), None);
    }

    #[test]
    fn what_is_no_base64url_or_too_long_is_nothing() {
        assert_eq!(octets("AP8"), Some(vec![0, 255]));
        assert_eq!(octets("AP8="), Some(vec![0, 255]));
        assert_eq!(octets("a+/b"), None);
        assert_eq!(octets(&"A".repeat(limits::TEXT_MAX + 1)), None);
    }
}
