//! Signs SHAKEN PASSporTs (RFC 8225, RFC 8588) with every claim under control, right or wrong.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// A provider's signing key (P-256). Prints nothing of itself.
pub struct Signer {
    key: EcdsaKeyPair,
}

/// What the token says. Numbers are digits without `+`, as RFC 8225 §5.2.1 wants them.
#[derive(Clone, Debug)]
pub struct Claims {
    /// `A`, `B` or `C`; anything else is signed as it stands, for tests of refusal.
    pub attest: String,
    pub orig: String,
    pub dest: String,
    pub iat: SystemTime,
    /// UUID by recommendation (RFC 8588 §5).
    pub origid: String,
    /// Where the certificate is served.
    pub x5u: String,
}

/// Members stand in lexicographic order without white space (RFC 8225 §9).
#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    ppt: &'a str,
    typ: &'a str,
    x5u: &'a str,
}

#[derive(Serialize)]
struct Payload<'a> {
    attest: &'a str,
    dest: Called<'a>,
    iat: u64,
    orig: Calling<'a>,
    origid: &'a str,
}

#[derive(Serialize)]
struct Called<'a> {
    tn: [&'a str; 1],
}

#[derive(Serialize)]
struct Calling<'a> {
    tn: &'a str,
}

impl Signer {
    /// None when `pkcs8` is not a P-256 private key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Option<Signer> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        Some(Signer { key })
    }

    /// The value of an Identity header: the token in full form and its `info`, `alg` and `ppt` parameters (RFC 8224 §4).
    ///
    /// None when the system has no randomness to sign with.
    pub fn identity_header(&self, claims: &Claims) -> Option<String> {
        let token = self.passport(claims)?;
        Some(format!("{token};info=<{}>;alg=ES256;ppt=shaken", claims.x5u))
    }

    /// `header.payload.signature`, the signature as raw r||s (RFC 7518 §3.4).
    pub fn passport(&self, claims: &Claims) -> Option<String> {
        let header = Header {
            alg: "ES256",
            ppt: "shaken",
            typ: "passport",
            x5u: &claims.x5u,
        };
        let payload = Payload {
            attest: &claims.attest,
            dest: Called { tn: [&claims.dest] },
            iat: claims
                .iat
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            orig: Calling { tn: &claims.orig },
            origid: &claims.origid,
        };
        let json = |part| String::from_utf8(part).ok();
        let header = json(serde_json::to_vec(&header).ok()?)?;
        let payload = json(serde_json::to_vec(&payload).ok()?)?;
        self.token(&header, &payload)
    }

    /// Signs these two texts as they stand, whatever they say: `header.payload.signature`.
    ///
    /// None when the system has no randomness to sign with.
    pub fn token(&self, header: &str, payload: &str) -> Option<String> {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }
}

/// The same header value with one character of the signature exchanged: what a tamperer on the way leaves behind.
pub fn with_altered_signature(identity: &str) -> String {
    let end = identity.find(';').unwrap_or(identity.len());
    let start = identity[..end].rfind('.').map_or(0, |dot| dot + 1);
    let mut altered = identity.to_owned();
    // The first character carries six whole bits of r, so any exchange changes the signature.
    let with = if identity[start..].starts_with('A') {
        "B"
    } else {
        "A"
    };
    if start < end {
        altered.replace_range(start..start + 1, with);
    }
    altered
}

/// A version 4 UUID from 128 random bits.
pub fn uuid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, UnparsedPublicKey};

    use super::*;

    fn signer() -> Signer {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Signer::from_pkcs8(key.serialized_der()).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            attest: "A".into(),
            orig: "14045550123".into(),
            dest: "12125550100".into(),
            iat: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            origid: uuid(7),
            x5u: "https://127.0.0.1:8443/shaken.pem".into(),
        }
    }

    fn verifies(signer: &Signer, token: &str) -> bool {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, signer.key.public_key().as_ref())
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .is_ok()
    }

    #[test]
    fn a_token_is_lexicographic_json_with_a_raw_signature() {
        let signer = signer();
        let token = signer.passport(&claims()).unwrap();
        let parts: Vec<Vec<u8>> = token
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
            .collect();
        assert_eq!(
            String::from_utf8(parts[0].clone()).unwrap(),
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://127.0.0.1:8443/shaken.pem"}"#
        );
        assert_eq!(
            String::from_utf8(parts[1].clone()).unwrap(),
            concat!(
                r#"{"attest":"A","dest":{"tn":["12125550100"]},"iat":1700000000,"orig":{"tn":"14045550123"},"#,
                r#""origid":"00000000-0000-4000-8000-000000000007"}"#
            )
        );
        assert_eq!(parts[2].len(), 64);
        assert!(verifies(&signer, &token));
    }

    #[test]
    fn an_altered_signature_no_longer_verifies_and_changes_nothing_else() {
        let signer = signer();
        let whole = signer.identity_header(&claims()).unwrap();
        let altered = with_altered_signature(&whole);
        let token = |header: &str| header.split(';').next().unwrap().to_owned();
        assert!(verifies(&signer, &token(&whole)));
        assert!(!verifies(&signer, &token(&altered)));
        assert_eq!(whole.len(), altered.len());
        let (token, altered_token) = (token(&whole), token(&altered));
        assert_eq!(
            token.rsplit_once('.').unwrap().0,
            altered_token.rsplit_once('.').unwrap().0
        );
        assert!(altered.ends_with(";info=<https://127.0.0.1:8443/shaken.pem>;alg=ES256;ppt=shaken"));
    }

    #[test]
    fn a_header_without_a_token_is_left_as_it_is() {
        assert_eq!(with_altered_signature(""), "");
        assert_eq!(with_altered_signature(";info"), ";info");
    }
}
