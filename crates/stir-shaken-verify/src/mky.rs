//! The claim `mky` (RFC 8225 §5.2.2): the keys that the media will be encrypted with, bound to the caller's signature.
//!
//! RFC 8224 §4.1 has the signer put every `a=fingerprint` of the body into the claim. Somebody on the way who replaces
//! a fingerprint could listen to an encrypted call; the claim is what shows it (RFC 8224 §12.1, erratum 5390).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::limits::FINGERPRINTS_MAX;

/// One fingerprint in the form both sides are compared in. The order is the claim's own (RFC 8225 §5.2.2): by
/// algorithm, then by digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MediaKey {
    /// Lower case, e.g. `sha-256`.
    algorithm: String,
    /// Hexadecimal, upper case, without colons.
    digest: String,
}

/// The different fingerprints, in the claim's order.
pub(crate) type MediaKeys = BTreeSet<MediaKey>;

/// Why the media keys are not the signed ones. All of them are 438 (RFC 8224 §6.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MediaKeyFault {
    #[error("mky is not an array of objects with alg and dig")]
    Malformed,
    #[error("more media keys than are compared")]
    TooMany,
    #[error("a fingerprint of the body that cannot be read")]
    Unreadable,
    #[error("mky names media keys, the body has none")]
    NotInBody,
    #[error("the body has other media keys than mky names")]
    Differ,
}

impl MediaKey {
    /// Reads a value of `a=fingerprint`: `sha-256 4A:AD:B9:...` (RFC 8122 §5).
    fn of_body(value: &str) -> Result<MediaKey, MediaKeyFault> {
        let mut words = value.split_ascii_whitespace();
        let (Some(algorithm), Some(digest), None) = (words.next(), words.next(), words.next()) else {
            return Err(MediaKeyFault::Unreadable);
        };
        let is_pairs = digest.split(':').all(|pair| pair.len() == 2);
        if !is_pairs {
            return Err(MediaKeyFault::Unreadable);
        }
        MediaKey::new(algorithm, &digest.replace(':', "")).ok_or(MediaKeyFault::Unreadable)
    }

    /// None: not hexadecimal, or not as many octets as the algorithm gives.
    fn new(algorithm: &str, digest: &str) -> Option<MediaKey> {
        let algorithm = algorithm.to_ascii_lowercase();
        let octets = match algorithm.as_str() {
            "md2" | "md5" => 16,
            "sha-1" => 20,
            "sha-224" => 28,
            "sha-256" => 32,
            "sha-384" => 48,
            "sha-512" => 64,
            // A newer one: compared as it is.
            _ => digest.len() / 2,
        };
        let is_token = !algorithm.is_empty() && algorithm.len() <= 16;
        let is_hexadecimal = !digest.is_empty() && digest.bytes().all(|octet| octet.is_ascii_hexdigit());
        (is_token && is_hexadecimal && digest.len() == 2 * octets && octets <= 64).then(|| MediaKey {
            algorithm,
            digest: digest.to_ascii_uppercase(),
        })
    }
}

/// The different media keys of a body, from its `a=fingerprint` values.
///
/// # Errors
///
/// One that cannot be read, or more than [`FINGERPRINTS_MAX`] values.
pub(crate) fn of_body(fingerprints: &[impl AsRef<str>]) -> Result<MediaKeys, MediaKeyFault> {
    if fingerprints.len() > FINGERPRINTS_MAX {
        return Err(MediaKeyFault::TooMany);
    }
    fingerprints
        .iter()
        .map(|value| MediaKey::of_body(value.as_ref()))
        .collect()
}

/// Compares the claim with the body, as sets (I-13): a key that is only signed and a key that is only in the body are
/// both a difference. The same key for several streams counts once.
///
/// Asked only when the claim is there. A body with fingerprints and a token *without* `mky` is not judged here: RFC 8224
/// §4.1 obliges whoever signs a request without extension, and the compact form keeps to that ([`crate::compact`]);
/// SHAKEN (RFC 8588 §4) names no such claim, and carriers that anchor media sign without it.
///
/// # Errors
///
/// The first difference found; each is 438.
pub(crate) fn check(claim: &Value, fingerprints: &[impl AsRef<str>]) -> Result<(), MediaKeyFault> {
    let signed = of_claim(claim)?;
    let shown = of_body(fingerprints)?;
    if signed == shown {
        Ok(())
    } else if shown.is_empty() {
        Err(MediaKeyFault::NotInBody)
    } else {
        Err(MediaKeyFault::Differ)
    }
}

/// The claim as RFC 8225 §9 prints it, for a token that is rebuilt.
pub(crate) fn claim(keys: &MediaKeys) -> Value {
    keys.iter()
        .map(|key| serde_json::json!({"alg": key.algorithm, "dig": key.digest}))
        .collect()
}

fn of_claim(claim: &Value) -> Result<MediaKeys, MediaKeyFault> {
    let entries = claim.as_array().ok_or(MediaKeyFault::Malformed)?;
    if entries.is_empty() {
        return Err(MediaKeyFault::Malformed);
    }
    if entries.len() > FINGERPRINTS_MAX {
        return Err(MediaKeyFault::TooMany);
    }
    let keys = entries.iter().map(|entry| {
        let members = entry.as_object().filter(|members| members.len() == 2)?;
        MediaKey::new(members.get("alg")?.as_str()?, members.get("dig")?.as_str()?)
    });
    let keys: Option<MediaKeys> = keys.collect();
    keys.ok_or(MediaKeyFault::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The two fingerprints of RFC 8225 §5.2.2.
    const ONE: &str = "sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1";
    const TWO: &str = "sha-256 02:1A:CC:54:27:AB:EB:9C:53:3F:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1:7A:03:A2:7D:F9:B0:7F:46:19:B2";
    const ONE_HEX: &str = "4AADB9B13F82183B540212DF3E5D496B19E57CAB3E4B652E7D463F5442CD54F1";
    const TWO_HEX: &str = "021ACC5427ABEB9C533F3E4B652E7D463F5442CD54F17A03A27DF9B07F4619B2";

    fn signed(digests: &[&str]) -> Value {
        digests
            .iter()
            .map(|digest| serde_json::json!({"alg": "sha-256", "dig": digest}))
            .collect()
    }

    #[test]
    fn i_13_the_same_keys_in_any_order_spelling_and_number_pass() {
        let both = signed(&[TWO_HEX, ONE_HEX]);
        assert_eq!(check(&both, &[ONE, TWO]), Ok(()));
        assert_eq!(check(&both, &[TWO, ONE, TWO, ONE]), Ok(()));
        let lower = ONE.to_ascii_lowercase();
        assert_eq!(check(&signed(&[ONE_HEX]), &[lower.as_str()]), Ok(()));
        let shouted = ONE.replace("sha-256", "SHA-256");
        assert_eq!(
            check(&signed(&[&ONE_HEX.to_ascii_lowercase()]), &[shouted]),
            Ok(())
        );
    }

    #[test]
    fn i_13_a_key_on_one_side_only_is_a_difference() {
        use MediaKeyFault::*;
        assert_eq!(check(&signed(&[ONE_HEX]), &[] as &[&str]), Err(NotInBody));
        assert_eq!(check(&signed(&[ONE_HEX]), &[TWO]), Err(Differ));
        assert_eq!(check(&signed(&[ONE_HEX]), &[ONE, TWO]), Err(Differ));
        assert_eq!(check(&signed(&[ONE_HEX, TWO_HEX]), &[ONE]), Err(Differ));
        // Another algorithm over other octets of the same text is another key.
        let other = format!("sha-512 {}:{}", &ONE[8..], &TWO[8..]);
        assert_eq!(check(&signed(&[ONE_HEX]), &[other]), Err(Differ));
    }

    #[test]
    fn i_13_a_claim_of_another_form_is_malformed() {
        for text in [
            "null",
            "[]",
            "{}",
            "\"sha-256 4A\"",
            r#"{"alg":"sha-256","dig":"00"}"#,
            r#"[{"alg":"sha-256"}]"#,
            r#"[["x","00"]]"#,
            r#"[{"alg":"sha-256","dig":"4A:AD"}]"#,
            r#"[{"alg":"sha-256","dig":""}]"#,
            r#"[{"alg":"","dig":"00"}]"#,
            r#"[{"alg":"sha-256","dig":7}]"#,
            r#"[{"alg":"x","dig":"00","more":1}]"#,
        ] {
            let claim = serde_json::from_str(text).unwrap();
            assert_eq!(check(&claim, &[ONE]), Err(MediaKeyFault::Malformed), "{text}");
        }
        // One digit short, one too many.
        for digits in [&ONE_HEX[..62], &ONE_HEX[..63], &format!("{ONE_HEX}00")] {
            assert_eq!(check(&signed(&[digits]), &[ONE]), Err(MediaKeyFault::Malformed));
        }
    }

    #[test]
    fn i_13_a_fingerprint_that_cannot_be_read_never_matches() {
        for value in [
            "",
            "sha-256",
            "sha-256 ",
            "sha-256 4AADB9",
            "sha-256 4A:A",
            "sha-256 4A:AD x",
            "sha-256 4A:AG",
            "sha-256 4A:AD",
        ] {
            assert_eq!(
                check(&signed(&[ONE_HEX]), &[ONE, value]),
                Err(MediaKeyFault::Unreadable),
                "{value}"
            );
        }
    }

    #[test]
    fn more_keys_than_the_bound_are_not_compared() {
        let at_bound = vec![ONE; FINGERPRINTS_MAX];
        assert_eq!(check(&signed(&[ONE_HEX]), &at_bound), Ok(()));
        let past = vec![ONE; FINGERPRINTS_MAX + 1];
        assert_eq!(check(&signed(&[ONE_HEX]), &past), Err(MediaKeyFault::TooMany));
        let claim = signed(&vec![ONE_HEX; FINGERPRINTS_MAX + 1]);
        assert_eq!(check(&claim, &[ONE]), Err(MediaKeyFault::TooMany));
    }

    #[test]
    fn the_claim_is_printed_as_the_rfc_orders_it() {
        let keys = of_body(&[ONE, TWO, ONE]).unwrap();
        assert_eq!(
            crate::canonical::text(&claim(&keys)),
            format!(r#"[{{"alg":"sha-256","dig":"{TWO_HEX}"}},{{"alg":"sha-256","dig":"{ONE_HEX}"}}]"#)
        );
    }
}
