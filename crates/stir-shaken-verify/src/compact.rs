//! The compact form (RFC 8225 §7, RFC 8224 §4.1.2): only the signature travels; what it was made over is rebuilt from
//! the message, octet by octet, or it does not verify.
//!
//! Only PASSporTs without extension can be rebuilt: nothing in a message says what else would have been signed.
//! SHAKEN requires the full form (ATIS-1000074 §5.2.3), which is asked before this.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::canonical;
use crate::mky::{self, MediaKeys};
use crate::party::Party;

/// What a token without extension was made over, as far as the message tells.
#[derive(Clone, Debug)]
pub(crate) struct Baseline<'m> {
    /// The `info` parameter of the header: where `x5u` points (RFC 8224 §4).
    pub(crate) info: &'m str,
    pub(crate) orig: &'m Party,
    /// To: a request has one, so `dest` has (RFC 8224 §4.1).
    pub(crate) dest: &'m Party,
    /// The Date header in whole seconds since the Unix epoch: there is no other place to learn `iat` from
    /// (RFC 8224 §4.1).
    pub(crate) date: i64,
    /// From the body; empty: no `mky` (RFC 8224 §4.1 has it exactly when the body has fingerprints).
    pub(crate) media_keys: &'m MediaKeys,
}

/// The full form, `header.payload.signature`, of a token that came as `..signature`.
///
/// Deterministic (RFC 8225 §9): the same message gives the same octets.
pub(crate) fn rebuild(baseline: &Baseline<'_>, signature: &str) -> String {
    let header = json!({"alg": "ES256", "typ": "passport", "x5u": baseline.info});
    let orig = match baseline.orig {
        Party::Number(number) => json!({"tn": number.digits()}),
        Party::Uri(uri) => json!({"uri": uri}),
    };
    let dest = match baseline.dest {
        Party::Number(number) => json!({"tn": [number.digits()]}),
        Party::Uri(uri) => json!({"uri": [uri]}),
    };
    let mut payload = json!({"dest": dest, "iat": baseline.date, "orig": orig});
    if !baseline.media_keys.is_empty() {
        payload["mky"] = mky::claim(baseline.media_keys);
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(canonical::text(value));
    format!("{}.{}.{signature}", part(&header), part(&payload))
}

/// The signature of `..signature`; None for every other token.
pub(crate) fn signature(token: &str) -> Option<&str> {
    let signature = token.strip_prefix("..")?;
    (!signature.is_empty() && !signature.contains('.')).then_some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::NumberRules;

    const FINGERPRINT: &str = "sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1";

    fn number(digits: &str) -> Party {
        Party::from_tn(&NumberRules::new("US").unwrap(), digits).unwrap()
    }

    fn parts(token: &str) -> [String; 2] {
        let mut parts = token.split('.').map(|part| {
            let octets = URL_SAFE_NO_PAD.decode(part).unwrap();
            String::from_utf8(octets).unwrap()
        });
        [parts.next().unwrap(), parts.next().unwrap()]
    }

    #[test]
    fn i_05_the_rebuilt_parts_are_those_of_the_rfc_examples() {
        let (orig, none) = (number("12155551212"), MediaKeys::new());
        let mut baseline = Baseline {
            info: "https://cert.example.org/passport.cer",
            orig: &orig,
            dest: &number("12125551213"),
            date: 1_443_208_345,
            media_keys: &none,
        };
        let [header, payload] = parts(&rebuild(&baseline, "AA").replace(".AA", ""));
        // RFC 8225 §4.
        assert_eq!(
            header,
            r#"{"alg":"ES256","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#
        );
        // RFC 8225 §5.2.1, with `iat` as the number it has to be (erratum 5985).
        assert_eq!(
            payload,
            r#"{"dest":{"tn":["12125551213"]},"iat":1443208345,"orig":{"tn":"12155551212"}}"#
        );
        let (keys, alice) = (
            mky::of_body(&[FINGERPRINT]).unwrap(),
            Party::from_uri("sip:alice@example.com").unwrap(),
        );
        baseline.media_keys = &keys;
        baseline.dest = &alice;
        let [_, payload] = parts(&rebuild(&baseline, "AA").replace(".AA", ""));
        assert_eq!(
            payload,
            r#"{"dest":{"uri":["sip:alice@example.com"]},"iat":1443208345,"mky":[{"alg":"sha-256","dig":"4AADB9B13F82183B540212DF3E5D496B19E57CAB3E4B652E7D463F5442CD54F1"}],"orig":{"tn":"12155551212"}}"#
        );
    }

    #[test]
    fn i_05_only_two_dots_and_a_signature_are_the_compact_form() {
        assert_eq!(signature("..AB_-"), Some("AB_-"));
        for other in ["", ".", "..", "...", "..A.B", "a..B", ".a.B", "a.b.c"] {
            assert_eq!(signature(other), None, "{other}");
        }
    }
}
