//! The PASSporT in its full form (RFC 8225, RFC 8588): text to claims, before anything is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::json::{self, JsonFault, Names};
use crate::limits::{DEST_MAX, ORIGID_CHARS_MAX};
use crate::report::Attestation;

/// A decoded token. `signed` and `signature` are the received octets: the signature is over
/// those, never over JSON written again (RFC 8225 §6 forbids nothing less).
#[derive(Clone, Debug)]
pub struct Passport {
    pub header: PassportHeader,
    /// The payload as text; claims are read from it by [`Passport::shaken`].
    payload: String,
    /// Names of the payload's members.
    pub claims: Names,
    /// `base64url(header).base64url(payload)`.
    pub signed: String,
    /// r and s, 32 octets each, big-endian (RFC 7518 §3.4).
    pub signature: [u8; 64],
}

#[derive(Clone, Debug, Deserialize)]
pub struct PassportHeader {
    pub alg: String,
    pub typ: String,
    #[serde(default, deserialize_with = "present")]
    pub ppt: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub x5u: Option<String>,
    /// RFC 7515 §4.1.11: an extension that must be understood. We understand none.
    #[serde(default, deserialize_with = "present")]
    crit: Option<serde::de::IgnoredAny>,
}

/// The claims of RFC 8588, read strictly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShakenClaims {
    pub attest: Attestation,
    pub orig: String,
    pub dest: Vec<String>,
    /// Whole seconds since the Unix epoch.
    pub iat: i64,
    pub origid: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassportFault {
    #[error("not three parts of base64url")]
    Form,
    #[error("the signature is not 64 octets")]
    SignatureLength,
    #[error("header: {0}")]
    Header(JsonFault),
    #[error("header: alg, typ, ppt or x5u missing or of a wrong kind")]
    HeaderMembers,
    #[error("header: crit names an extension that must be understood")]
    Critical,
    #[error("payload: {0}")]
    Payload(JsonFault),
    #[error("iat missing or not an integer")]
    Iat,
    #[error("attest is not exactly A, B or C")]
    Attest,
    #[error("origid missing, empty or too long")]
    OrigId,
    #[error("orig is not an object with exactly one tn")]
    Orig,
    #[error("dest is not an object with an array of tn")]
    Dest,
}

impl Passport {
    /// Takes a full-form token apart. Strict: exactly three parts, base64url without padding or
    /// stray bits, JSON objects without duplicate members.
    pub fn parse(token: &str) -> Result<Passport, PassportFault> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PassportFault::Form);
        };
        let header = decode(header)?;
        let signed = token[..token.len() - signature.len() - 1].to_string();
        let payload = decode(payload)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| PassportFault::Form)?;
        let signature = signature.try_into().map_err(|_| PassportFault::SignatureLength)?;

        json::check(&header).map_err(PassportFault::Header)?;
        let header: PassportHeader =
            serde_json::from_str(&header).map_err(|_| PassportFault::HeaderMembers)?;
        if header.crit.is_some() {
            return Err(PassportFault::Critical);
        }
        let claims = json::check(&payload).map_err(PassportFault::Payload)?;
        Ok(Passport {
            header,
            payload,
            claims,
            signed,
            signature,
        })
    }

    /// Reads the claims of a `shaken` PASSporT (RFC 8588 §4). `orig` is exactly one `tn`, `dest`
    /// has at least one; `iat` is an integer, not a string, not a fraction.
    pub fn shaken(&self) -> Result<ShakenClaims, PassportFault> {
        let iat: OnlyIat = self.read(PassportFault::Iat)?;
        let attest: OnlyAttest = self.read(PassportFault::Attest)?;
        let origid: OnlyOrigId = self.read(PassportFault::OrigId)?;
        let orig: OnlyOrig = self.read(PassportFault::Orig)?;
        let dest: OnlyDest = self.read(PassportFault::Dest)?;
        let attest = match attest.attest.as_str() {
            "A" => Attestation::Full,
            "B" => Attestation::Partial,
            "C" => Attestation::Gateway,
            _ => return Err(PassportFault::Attest),
        };
        if origid.origid.is_empty() || origid.origid.chars().count() > ORIGID_CHARS_MAX {
            return Err(PassportFault::OrigId);
        }
        if dest.dest.tn.is_empty() || dest.dest.tn.len() > DEST_MAX {
            return Err(PassportFault::Dest);
        }
        Ok(ShakenClaims {
            attest,
            orig: orig.orig.tn,
            dest: dest.dest.tn,
            iat: iat.iat,
            origid: origid.origid,
        })
    }

    /// The value of a claim; None when absent.
    pub(crate) fn claim(&self, name: &str) -> Option<serde_json::Value> {
        let mut claims: std::collections::BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&self.payload).ok()?;
        claims.remove(name)
    }

    fn read<'t, T: Deserialize<'t>>(&'t self, fault: PassportFault) -> Result<T, PassportFault> {
        serde_json::from_str(&self.payload).map_err(|_| fault)
    }
}

// One struct per claim, so that the report can name the claim that is wrong.

#[derive(Deserialize)]
struct OnlyIat {
    iat: i64,
}

#[derive(Deserialize)]
struct OnlyAttest {
    attest: String,
}

#[derive(Deserialize)]
struct OnlyOrigId {
    origid: String,
}

#[derive(Deserialize)]
struct OnlyOrig {
    orig: Orig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Orig {
    tn: String,
}

#[derive(Deserialize)]
struct OnlyDest {
    dest: Dest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dest {
    tn: Vec<String>,
    #[serde(default, rename = "uri")]
    _uri: Vec<String>,
}

/// `null` is not absence.
fn present<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

fn decode(part: &str) -> Result<String, PassportFault> {
    let octets = URL_SAFE_NO_PAD.decode(part).map_err(|_| PassportFault::Form)?;
    String::from_utf8(octets).map_err(|_| PassportFault::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/sp.pem"}"#;
    const PAYLOAD: &str = r#"{"attest":"A","dest":{"tn":["12125550100"]},"iat":1443208345,"orig":{"tn":"14045550123"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#;

    fn token(header: &str, payload: &str, signature: &[u8]) -> String {
        let part = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        format!(
            "{}.{}.{}",
            part(header.as_bytes()),
            part(payload.as_bytes()),
            part(signature)
        )
    }

    fn claims(payload: &str) -> Result<ShakenClaims, PassportFault> {
        Passport::parse(&token(HEADER, payload, &[1; 64]))?.shaken()
    }

    fn check(change: (&str, &str), expected: PassportFault) {
        let payload = PAYLOAD.replace(change.0, change.1);
        assert_ne!(payload, PAYLOAD, "the change {change:?} must change something");
        assert_eq!(claims(&payload), Err(expected), "{payload}");
    }

    #[test]
    fn a_shaken_passport_reads_as_its_claims() {
        let claims = claims(PAYLOAD).unwrap();
        assert_eq!(claims.attest, Attestation::Full);
        assert_eq!(
            (claims.orig.as_str(), claims.dest[0].as_str()),
            ("14045550123", "12125550100")
        );
        assert_eq!(claims.iat, 1_443_208_345);
    }

    #[test]
    fn iat_is_an_integer_and_nothing_else() {
        for refused in [
            "\"1443208345\"",
            "1443208345.0",
            "1.4e9",
            "null",
            "[1]",
            "true",
            "18446744073709551616",
        ] {
            check(("1443208345", refused), PassportFault::Iat);
        }
        check(("\"iat\":1443208345,", ""), PassportFault::Iat);
        for accepted in ["0", "-1", "9007199254740993"] {
            assert!(
                claims(&PAYLOAD.replace("1443208345", accepted)).is_ok(),
                "{accepted}"
            );
        }
    }

    #[test]
    fn attest_is_exactly_one_of_three_letters() {
        for refused in [
            "\"a\"", "\"D\"", "\"ABC\"", "\"\"", "\" A\"", "null", "[\"A\"]", "1",
        ] {
            check(("\"A\"", refused), PassportFault::Attest);
        }
        check(("\"attest\":\"A\",", ""), PassportFault::Attest);
    }

    #[test]
    fn origid_is_a_text() {
        check(
            ("\"123e4567-e89b-12d3-a456-426655440000\"", "\"\""),
            PassportFault::OrigId,
        );
        check(
            ("\"123e4567-e89b-12d3-a456-426655440000\"", "7"),
            PassportFault::OrigId,
        );
        check(
            (",\"origid\":\"123e4567-e89b-12d3-a456-426655440000\"", ""),
            PassportFault::OrigId,
        );
    }

    #[test]
    fn orig_is_one_tn_and_dest_an_array_of_them() {
        for refused in [
            "\"14045550123\"",
            "\"{\\\"tn\\\":\\\"14045550123\\\"}\"",
            "{\"tn\":[\"14045550123\"]}",
            "{\"uri\":\"sip:a@b\"}",
            "{\"tn\":\"1\",\"uri\":\"sip:a@b\"}",
            "{}",
        ] {
            check(("{\"tn\":\"14045550123\"}", refused), PassportFault::Orig);
        }
        for refused in [
            "\"12125550100\"",
            "{\"tn\":\"12125550100\"}",
            "{\"tn\":[]}",
            "{\"uri\":[\"sip:a@b\"]}",
            "{\"tn\":[1]}",
            "[]",
        ] {
            check(("{\"tn\":[\"12125550100\"]}", refused), PassportFault::Dest);
        }
    }

    #[test]
    fn a_member_twice_is_refused_everywhere() {
        check(
            ("\"attest\":\"A\"", "\"attest\":\"A\",\"attest\":\"A\""),
            PassportFault::Payload(JsonFault::Malformed),
        );
        check(
            ("\"attest\"", "\"zz\":1,\"zz\":1,\"attest\""),
            PassportFault::Payload(JsonFault::Malformed),
        );
        let header = HEADER.replace("\"alg\"", "\"kid\":\"1\",\"kid\":\"2\",\"alg\"");
        let fault = Passport::parse(&token(&header, PAYLOAD, &[1; 64])).unwrap_err();
        assert_eq!(fault, PassportFault::Header(JsonFault::Malformed));
    }

    #[test]
    fn the_form_is_strict() {
        let good = token(HEADER, PAYLOAD, &[1; 64]);
        assert!(Passport::parse(&good).is_ok());
        for refused in [
            format!("{good}="),
            format!("{good}."),
            format!(".{good}"),
            good.replacen('e', "e=", 1),
            good.replace('.', ".."),
            format!("{} ", good),
            String::new(),
        ] {
            assert_eq!(
                Passport::parse(&refused).unwrap_err(),
                PassportFault::Form,
                "{refused}"
            );
        }
        // Stray bits: 64 octets end in a character of which 4 bits count.
        let stray = format!("{}B", &good[..good.len() - 1]);
        assert_eq!(Passport::parse(&stray).unwrap_err(), PassportFault::Form);
        let der = token(HEADER, PAYLOAD, &[0x30; 70]);
        assert_eq!(Passport::parse(&der).unwrap_err(), PassportFault::SignatureLength);
    }

    #[test]
    fn header_members_are_texts_and_crit_is_refused() {
        for refused in [
            HEADER.replace("\"ES256\"", "null"),
            HEADER.replace("\"shaken\"", "[]"),
            HEADER.replace("\"shaken\"", "null"),
            HEADER.replace("\"typ\":\"passport\",", ""),
        ] {
            let fault = Passport::parse(&token(&refused, PAYLOAD, &[1; 64])).unwrap_err();
            assert_eq!(fault, PassportFault::HeaderMembers, "{refused}");
        }
        let critical = HEADER.replace("\"alg\"", "\"crit\":[\"b64\"],\"alg\"");
        assert_eq!(
            Passport::parse(&token(&critical, PAYLOAD, &[1; 64])).unwrap_err(),
            PassportFault::Critical
        );
    }
}
