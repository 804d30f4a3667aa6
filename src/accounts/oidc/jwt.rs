//! Tokens of a provider (RFC 7519) and the keys they are signed with (RFC 7517): believed only when the signature is right, by an
//! algorithm that fits the key. What a token says of its own algorithm chooses among ours and never adds one.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::limits::{KEYS_MAX, TOKEN_MAX};

/// What a token claims.
pub type Claims = Map<String, Value>;

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("the token is no JWT, or too long")]
    Form,
    #[error("the token is signed by an algorithm that is not taken")]
    Algorithm,
    #[error("the token asks for an extension that is not known")]
    Extension,
    /// The provider may have made a new one since.
    #[error("the token is signed with a key that is not known")]
    UnknownKey,
    #[error("the signature of the token is wrong")]
    Signature,
}

/// Public keys of a provider, those that can be used.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    /// The only algorithm it is for; None = any that fits.
    algorithm: Option<String>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// What of a key is looked at (RFC 7517 §4, RFC 7518 §6).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    r#use: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

impl Keys {
    /// Reads a set of keys; others than those that sign are left out. None = it is no such set.
    pub fn read(text: &[u8]) -> Option<Keys> {
        let set: Set = serde_json::from_slice(text).ok()?;
        let keys = set.keys.into_iter().filter_map(Key::of);
        Some(Keys(keys.take(KEYS_MAX).collect()))
    }

    /// What a token claims, if one of the keys signed it.
    ///
    /// # Errors
    ///
    /// [`BadToken`].
    pub fn verify(&self, token: &str) -> Result<Claims, BadToken> {
        if token.len() > TOKEN_MAX {
            return Err(BadToken::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(BadToken::Form)?;
        if payload.contains('.') {
            return Err(BadToken::Form);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| BadToken::Form);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| BadToken::Form)?;
        let signature = decode(signature)?;
        if !ALGORITHMS.contains(&header.alg.as_str()) {
            return Err(BadToken::Algorithm);
        }
        // RFC 7515 §4.1.11: what must be understood is not.
        if header.crit.is_some() {
            return Err(BadToken::Extension);
        }
        let is_named = |key: &&Key| match (&header.kid, &key.id) {
            (Some(wanted), Some(known)) => wanted == known,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let mut named = self.0.iter().filter(is_named).peekable();
        if named.peek().is_none() {
            return Err(BadToken::UnknownKey);
        }
        let fitting: Vec<&Key> = named.filter(|key| key.is_for(&header.alg)).collect();
        if fitting.is_empty() {
            return Err(BadToken::Algorithm);
        }
        let is_signed = |key: &&Key| key.has_signed(&header.alg, signed.as_bytes(), &signature);
        if !fitting.iter().any(is_signed) {
            return Err(BadToken::Signature);
        }
        match serde_json::from_slice(&decode(payload)?) {
            Ok(Value::Object(claims)) => Ok(claims),
            _ => Err(BadToken::Form),
        }
    }
}

const ALGORITHMS: [&str; 7] = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"];

impl Key {
    fn of(value: Value) -> Option<Key> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.r#use.as_deref().is_some_and(|of| of != "sig") {
            return None;
        }
        let octets = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let point = |length: usize| {
            let (x, y) = (octets(&jwk.x)?, octets(&jwk.y)?);
            // Uncompressed (SEC 1 §2.3.3).
            (x.len() == length && y.len() == length).then(|| [&[4][..], &x, &y].concat())
        };
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Material::Rsa {
                n: octets(&jwk.n)?,
                e: octets(&jwk.e)?,
            },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(octets(&jwk.x)?),
            _ => return None,
        };
        Some(Key {
            id: jwk.kid,
            algorithm: jwk.alg,
            material,
        })
    }

    fn is_for(&self, algorithm: &str) -> bool {
        let is_kind = match self.material {
            Material::Rsa { .. } => matches!(algorithm, "RS256" | "RS384" | "RS512" | "PS256"),
            Material::P256(_) => algorithm == "ES256",
            Material::P384(_) => algorithm == "ES384",
            Material::Ed25519(_) => algorithm == "EdDSA",
        };
        is_kind && self.algorithm.as_deref().is_none_or(|only| only == algorithm)
    }

    fn has_signed(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let by = |known: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(known, key)
                .verify(message, signature)
                .is_ok()
        };
        match &self.material {
            Material::Rsa { n, e } => {
                let parameters: &'static RsaParameters = match algorithm {
                    "RS384" => &RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                let key = RsaPublicKeyComponents { n, e };
                key.verify(parameters, message, signature).is_ok()
            }
            Material::P256(key) => by(&ECDSA_P256_SHA256_FIXED, key),
            Material::P384(key) => by(&ECDSA_P384_SHA384_FIXED, key),
            Material::Ed25519(key) => by(&ED25519, key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 appendix A.2 (RS256) and A.3 (ES256): keys and tokens.
    const SET: &str = r#"{"keys":[
        {"kty":"RSA","kid":"a2","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},
        {"kty":"EC","kid":"a3","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty":"oct","kid":"secret","k":"AAAA"},
        {"kty":"RSA","kid":"enc","use":"enc","n":"AQAB","e":"AQAB"}]}"#;
    const PAYLOAD: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const RS256: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const ES256: &str =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn token(header: &str, signature: &str) -> String {
        format!("{}.{PAYLOAD}.{signature}", URL_SAFE_NO_PAD.encode(header))
    }

    fn check(token: &str, expected: Result<&str, BadToken>) {
        let claims = Keys::read(SET.as_bytes()).unwrap().verify(token);
        let issuer = claims.map(|claims| claims["iss"].as_str().unwrap().to_string());
        assert_eq!(issuer.as_deref().map_err(|bad| *bad), expected, "{token}");
    }

    #[test]
    fn the_tokens_of_the_rfc_are_believed() {
        assert_eq!(Keys::read(SET.as_bytes()).unwrap().0.len(), 2);
        check(&token(r#"{"alg":"RS256"}"#, RS256), Ok("joe"));
        check(&token(r#"{"alg":"ES256"}"#, ES256), Ok("joe"));
    }

    #[test]
    fn a_token_chooses_no_algorithm_that_does_not_fit_the_key() {
        for (header, signature, bad) in [
            (r#"{"alg":"none"}"#, "", BadToken::Algorithm),
            (r#"{"alg":"None"}"#, "", BadToken::Algorithm),
            (r#"{"alg":"HS256"}"#, "AAAA", BadToken::Algorithm),
            (r#"{"alg":"HS256","kid":"a2"}"#, "AAAA", BadToken::Algorithm),
            (r#"{"alg":"HS256","kid":"secret"}"#, "AAAA", BadToken::Algorithm),
            (r#"{"alg":"ES256","kid":"a2"}"#, ES256, BadToken::Algorithm),
            (r#"{"alg":"RS256","kid":"a3"}"#, RS256, BadToken::Algorithm),
            (r#"{"alg":"RS256","kid":"enc"}"#, RS256, BadToken::UnknownKey),
            (r#"{"alg":"RS256","kid":"other"}"#, RS256, BadToken::UnknownKey),
            (r#"{"alg":"RS384"}"#, RS256, BadToken::Signature),
            // The header is signed too.
            (r#"{"alg":"RS256","kid":"a2"}"#, RS256, BadToken::Signature),
            (
                r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
                ES256,
                BadToken::Extension,
            ),
            (r#"{"alg":"ES256"}"#, "", BadToken::Signature),
            (r#"{"kid":"a2"}"#, RS256, BadToken::Form),
        ] {
            check(&token(header, signature), Err(bad));
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            "é.é.é",
            &"x".repeat(TOKEN_MAX + 1),
        ] {
            check(text, Err(BadToken::Form));
        }
        assert!(Keys::read(b"[]").is_none() && Keys::read(b"").is_none());
    }
}
