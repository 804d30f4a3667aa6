//! The PASSporT in its full form (RFC 8225 §4, §6): text to header, payload and signature, before anything is believed.

use aws_lc_rs::digest::{Digest, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::json::{Document, JsonFault};
use crate::limits::PPI_SIGNATURE_OCTETS_MAX;

/// A decoded token. `signed` and `signature` are the received octets: the signature is over
/// those, never over JSON written again (RFC 8225 §6 forbids nothing less).
#[derive(Clone, Debug)]
pub struct Passport {
    /// What the token says of itself (RFC 8225 §4).
    pub header: PassportHeader,
    /// Claims are read from it in `claims.rs`.
    pub(crate) payload: Document,
    /// `base64url(header).base64url(payload)`.
    pub signed: String,
    /// r and s, 32 octets each, big-endian (RFC 7518 §3.4).
    pub signature: [u8; 64],
    /// SHA-256 over `signed`: what the signature is made over, and the key that replays are told by.
    pub(crate) digest: Digest,
}

/// The JOSE header of a PASSporT (RFC 8225 §4): a strict JSON object whose members are of the right kind.
#[derive(Clone, Debug)]
pub struct PassportHeader(Document);

impl PassportHeader {
    /// `alg` and `typ` must be there, `ppt` and `x5u` may be, all of them texts; and nothing that must be understood and
    /// is not.
    fn read(text: String) -> Result<PassportHeader, PassportFault> {
        let header = PassportHeader(Document::read(text).map_err(PassportFault::Header)?);
        let is_text = |name, may_be_absent| match header.0.get(name) {
            None => may_be_absent,
            Some(value) => value.text().is_some(),
        };
        if !(is_text("alg", false) && is_text("typ", false) && is_text("ppt", true) && is_text("x5u", true)) {
            return Err(PassportFault::HeaderMembers);
        }
        // RFC 7515 §4.1.11: an extension that must be understood. We understand none.
        match header.0.get("crit") {
            None => Ok(header),
            Some(_) => Err(PassportFault::Critical),
        }
    }

    /// `alg`: ES256 and nothing else (RFC 8225 §4.2, §8).
    pub fn alg(&self) -> &str {
        self.text("alg").unwrap_or_default()
    }

    /// `typ`: `passport` (RFC 8225 §4.1).
    pub fn typ(&self) -> &str {
        self.text("typ").unwrap_or_default()
    }

    /// `ppt`: the extension (RFC 8225 §8.1).
    pub fn ppt(&self) -> Option<&str> {
        self.text("ppt")
    }

    /// `x5u`: where the certificate is (RFC 8225 §4.3).
    pub fn x5u(&self) -> Option<&str> {
        self.text("x5u")
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.text()
    }
}

/// Why a text is no PASSporT, or none of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassportFault {
    /// Not three parts of base64url without padding (RFC 7515 §3.1).
    #[error("not three parts of base64url")]
    Form,
    /// The signature is not r and s of 32 octets each (RFC 7518 §3.4).
    #[error("the signature is not 64 octets")]
    SignatureLength,
    /// The header is no strict JSON object.
    #[error("header: {0}")]
    Header(JsonFault),
    /// `alg` or `typ` missing, or one of the four of another kind than text.
    #[error("header: alg, typ, ppt or x5u missing or of a wrong kind")]
    HeaderMembers,
    /// `crit` names an extension (RFC 7515 §4.1.11); we understand none.
    #[error("header: crit names an extension that must be understood")]
    Critical,
    /// The payload is no strict JSON object.
    #[error("payload: {0}")]
    Payload(JsonFault),
    /// `iat` missing or no integer (RFC 8225 §5.1.1).
    #[error("iat missing or not an integer")]
    Iat,
    /// `attest` is none of the three letters (RFC 8588 §4).
    #[error("attest is not exactly A, B or C")]
    Attest,
    /// `origid` missing, empty or past [`crate::limits::ORIGID_CHARS_MAX`] (RFC 8588 §5).
    #[error("origid missing, empty or too long")]
    OrigId,
    /// `orig` of a `shaken` PASSporT is not exactly one `tn` (RFC 8588 §4).
    #[error("orig is not an object with exactly one tn")]
    Orig,
    /// `dest` of a `shaken` PASSporT holds no `tn`, or something else than texts (RFC 8588 §4).
    #[error("dest is not an object with an array of tn")]
    Dest,
    /// `orig` is not exactly one `tn` or `uri` (RFC 8225 §5.2.1).
    #[error("orig is not an object with exactly one tn or uri")]
    AnyOrig,
    /// `dest` holds neither `tn` nor `uri`, or too many (RFC 8225 §5.2.1).
    #[error("dest is not an object with arrays of tn or uri")]
    AnyDest,
    /// `orig` is a `tn` that is no canonical number (RFC 8225 §5.2.1).
    #[error("orig is not a canonical telephone number")]
    OrigNumber,
    /// `dest` holds a `tn` that is no canonical number (RFC 8225 §5.2.1).
    #[error("dest holds something that is no canonical telephone number and no URI")]
    DestNumber,
    /// `div` is not exactly one `tn` or `uri` (RFC 8946 §3).
    #[error("div is not an object with exactly one tn or uri")]
    Div,
    /// `opt` of a `div-o` is missing or no text (RFC 8946 §5).
    #[error("opt is not a text")]
    Opt,
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
        let signature = decode_signature(signature)?;
        Ok(Passport {
            header: PassportHeader::read(header)?,
            payload: Document::read(payload).map_err(PassportFault::Payload)?,
            digest: digest(&SHA256, signed.as_bytes()),
            signed,
            signature,
        })
    }

    /// Names of the payload's members, in their order.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.payload.members().map(|(name, _)| name)
    }

    /// The compact form (RFC 8225 §7): enough to tell several tokens of one message apart (RFC 9410 §4).
    pub(crate) fn compact(&self) -> String {
        let mut compact = String::with_capacity(2 + SIGNATURE_CHARS);
        compact.push_str("..");
        URL_SAFE_NO_PAD.encode_string(self.signature, &mut compact);
        compact
    }

    pub(crate) fn has_claim(&self, name: &str) -> bool {
        self.payload.get(name).is_some()
    }

    /// The value of a claim; None when absent.
    pub(crate) fn claim(&self, name: &str) -> Option<Value> {
        self.members().remove(name)
    }

    /// All claims as JSON. The payload was an object when the token was read.
    pub(crate) fn members(&self) -> Map<String, Value> {
        serde_json::from_str(self.payload.as_str()).unwrap_or_default()
    }
}

/// The compact form of a text that may be no token at all; None when it has no third part that could be a signature.
pub(crate) fn compact(token: &str) -> Option<String> {
    let signature = token.split('.').nth(2)?;
    let is_base64url = signature
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_');
    let is_short = (1..=PPI_SIGNATURE_OCTETS_MAX).contains(&signature.len());
    (is_base64url && is_short).then(|| format!("..{signature}"))
}

fn decode(part: &str) -> Result<String, PassportFault> {
    let octets = URL_SAFE_NO_PAD.decode(part).map_err(|_| PassportFault::Form)?;
    String::from_utf8(octets).map_err(|_| PassportFault::Form)
}

/// 64 octets in base64url.
const SIGNATURE_CHARS: usize = 86;

fn decode_signature(part: &str) -> Result<[u8; 64], PassportFault> {
    if part.len() != SIGNATURE_CHARS {
        let other = URL_SAFE_NO_PAD
            .decode(part)
            .map(|_| PassportFault::SignatureLength);
        return Err(other.unwrap_or(PassportFault::Form));
    }
    // As many as the decoder asks room for: a multiple of three.
    let mut octets = [0; 66];
    let length = URL_SAFE_NO_PAD
        .decode_slice(part, &mut octets)
        .map_err(|_| PassportFault::Form)?;
    let signature = octets.get(..length).and_then(|octets| octets.try_into().ok());
    signature.ok_or(PassportFault::SignatureLength)
}

/// A token for the tests of this crate.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    pub(crate) const HEADER: &str =
        r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/sp.pem"}"#;
    pub(crate) const PAYLOAD: &str = r#"{"attest":"A","dest":{"tn":["12125550100"]},"iat":1443208345,"orig":{"tn":"14045550123"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#;

    pub(crate) fn token(header: &str, payload: &str, signature: &[u8]) -> String {
        let part = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        format!(
            "{}.{}.{}",
            part(header.as_bytes()),
            part(payload.as_bytes()),
            part(signature)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{HEADER, PAYLOAD, token};
    use super::*;

    #[test]
    fn a_member_twice_is_refused() {
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
