//! The policy administrator's signed list of certification authorities (ATIS-1000084): who may issue
//! certificates for signing calls.
//!
//! A JWS in compact form (RFC 7515) with ES256; its payload names the authorities:
//!
//! ```json
//! {"version":1,"sequence":42,"exp":1795933800,"trustList":["-----BEGIN CERTIFICATE-----\n..."]}
//! ```
//!
//! Nothing of it is believed before its signature is: the key comes from certificates that were configured,
//! or from one with a path to them, never from the list alone.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

use crate::certificate::{Certificate, CertificateFault, read_body};
use crate::chain::{Anchors, AnchorsFault, find_path, is_for_numbers};
use crate::limits::{CHAIN_CERTIFICATES_MAX, TRUST_LIST_CERTIFICATES_MAX, TRUST_LIST_OCTETS_MAX};

/// A list whose signature held.
#[derive(Clone, Debug)]
pub struct TrustList {
    anchors: Anchors,
    sequence: Option<u64>,
    expires: Option<i64>,
    signer: String,
    skipped: Vec<(usize, AnchorsFault)>,
}

/// The certificates that may sign trust lists: the administrator's signing certificate itself, or the
/// authority above it.
#[derive(Clone, Debug)]
pub struct ListAuthority {
    certificates: Vec<Certificate>,
    anchors: Anchors,
}

/// Why a list is not taken. The one in force before it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustListFault {
    /// More octets than [`crate::limits::TRUST_LIST_OCTETS_MAX`].
    #[error("larger than 1 MiB")]
    TooLarge,
    /// Not three parts of base64url.
    #[error("not a JWS in compact form (three parts of base64url)")]
    Form,
    /// The header is not that of a trust list.
    #[error(
        "its header is no JSON object with alg ES256, or names an extension that must be understood (crit)"
    )]
    Header,
    /// The payload is not that of a trust list.
    #[error("its payload is no JSON object with trustList, sequence and exp of the right kinds")]
    Payload,
    /// Signed by somebody else than the list's authority.
    #[error("its signature is not that of the configured authority")]
    Signature,
    /// Past its own `exp`.
    #[error("it has expired (exp)")]
    Expired,
    /// More certificates than [`crate::limits::TRUST_LIST_CERTIFICATES_MAX`].
    #[error("more than 256 certificates in it")]
    TooMany,
    /// No certificate in it.
    #[error("no certificate in it is a usable authority")]
    Empty,
    /// A list with a smaller sequence number than the one in force: played again.
    #[error("it is older than the one in force (sequence)")]
    Older,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5u: Option<String>,
    /// Base64 with padding, not base64url (RFC 7515 §4.1.6).
    #[serde(default)]
    x5c: Vec<String>,
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "trustList")]
    trust_list: Vec<String>,
    sequence: Option<Whole>,
    exp: Option<Whole>,
}

/// Both ways of writing a whole number are met in lists.
#[derive(Deserialize)]
#[serde(untagged)]
enum Whole {
    Number(u64),
    Text(String),
}

impl ListAuthority {
    /// Every certificate of a PEM file.
    ///
    /// # Errors
    ///
    /// Names the certificate that is no X.509 version 3 certificate with a key on P-256.
    pub fn from_pem(pem: &[u8]) -> Result<ListAuthority, AnchorsFault> {
        let mut certificates = Vec::new();
        let mut anchors = Anchors::new();
        for (place, item) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let place = place + 1;
            let fault = |fault| AnchorsFault::Certificate { place, fault };
            let der = item.map_err(|_| fault(CertificateFault::Malformed))?;
            let certificate = Certificate::parse(&der).map_err(fault)?;
            if certificate.is_ca {
                anchors.add_der(&der, place)?;
            }
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(AnchorsFault::Empty);
        }
        Ok(ListAuthority {
            certificates,
            anchors,
        })
    }

    /// Subject and end of validity (seconds since the Unix epoch) of every certificate.
    pub fn describe(&self) -> Vec<(String, i64)> {
        let certificates = self.certificates.iter();
        certificates
            .map(|certificate| (certificate.subject_text.clone(), certificate.not_after))
            .collect()
    }

    /// The subject of the certificate whose key made `signature`.
    fn signer(
        &self,
        chains: &[Vec<Vec<u8>>],
        signed: &[u8],
        signature: &[u8],
        second: i64,
    ) -> Option<String> {
        let has_signed = |certificate: &Certificate| {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &certificate.point);
            key.verify(signed, signature).is_ok()
        };
        let may_sign = |certificate: &&Certificate| {
            certificate.is_valid_at(second) && certificate.key_usage.is_none_or(|usage| usage.signs)
        };
        let own = self
            .certificates
            .iter()
            .filter(may_sign)
            .find(|own| has_signed(own));
        let own = own.map(|certificate| certificate.subject_text.clone());
        own.or_else(|| {
            let paths = chains
                .iter()
                .filter_map(|chain| find_path(chain, &self.anchors).ok());
            // Under the same authority there may be providers: who may sign calls may not say who else may.
            let mut valid = paths.filter(|path| path.is_valid_at(second) && !is_for_numbers(path.leaf()));
            let path = valid.find(|path| has_signed(path.leaf()))?;
            Some(path.leaf().subject_text.clone())
        })
    }
}

impl TrustList {
    /// Where the header says the signer's certificate is (`x5u`); for [`TrustList::verify`]. Fetch it under the
    /// rules of [`X5u`](crate::X5u) or not at all.
    pub fn signer_url(jwt: &[u8]) -> Option<String> {
        let (header, _) = trimmed(jwt)?.split_once('.')?;
        decode::<Header>(header)?.x5u
    }

    /// Reads a list and checks its signature, at `second` (whole seconds since the Unix epoch).
    ///
    /// `signer` is what [`TrustList::signer_url`] holds: PEM, the signer's certificate first. It is believed only
    /// with a path to `authority` and without a TNAuthList (a provider must not appoint authorities), as is `x5c` in
    /// the header; without either, one of `authority`'s own certificates must have signed.
    ///
    /// # Errors
    ///
    /// Says what is wrong. A certificate in a good list that could never end a path is passed over and told by
    /// [`TrustList::skipped`]: one authority's mistake must not take all others away.
    pub fn verify(
        jwt: &[u8],
        authority: &ListAuthority,
        signer: Option<&[u8]>,
        second: i64,
    ) -> Result<TrustList, TrustListFault> {
        if jwt.len() > TRUST_LIST_OCTETS_MAX {
            return Err(TrustListFault::TooLarge);
        }
        let text = trimmed(jwt).ok_or(TrustListFault::Form)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(TrustListFault::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(TrustListFault::Form)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TrustListFault::Form)?;
        let header: Header = decode(header).ok_or(TrustListFault::Header)?;
        if header.alg != "ES256" || header.crit.is_some() {
            return Err(TrustListFault::Header);
        }
        let mut chains = Vec::new();
        let inside: Option<Vec<Vec<u8>>> = (header.x5c.len() <= CHAIN_CERTIFICATES_MAX)
            .then(|| header.x5c.iter().map(|text| STANDARD.decode(text).ok()).collect())
            .flatten();
        chains.extend(inside.filter(|chain| !chain.is_empty()));
        chains.extend(signer.and_then(|body| read_body(body).ok()));
        let signer = authority
            .signer(&chains, signed.as_bytes(), &signature, second)
            .ok_or(TrustListFault::Signature)?;

        let payload: Payload = decode(payload).ok_or(TrustListFault::Payload)?;
        let sequence = payload.sequence.map(Whole::read).transpose()?;
        let expires = payload.exp.map(Whole::read).transpose()?;
        let expires = expires.map(|second| i64::try_from(second).unwrap_or(i64::MAX));
        if expires.is_some_and(|end| end < second) {
            return Err(TrustListFault::Expired);
        }
        if payload.trust_list.len() > TRUST_LIST_CERTIFICATES_MAX {
            return Err(TrustListFault::TooMany);
        }
        let (anchors, skipped) = read_certificates(&payload.trust_list);
        if anchors.is_empty() {
            return Err(TrustListFault::Empty);
        }
        Ok(TrustList {
            anchors,
            sequence,
            expires,
            signer,
            skipped,
        })
    }

    /// Refuses a list that is older than `in_force`: whoever can replay an old one could bring back an authority
    /// that was taken out. Lists without a sequence number are taken as they come.
    ///
    /// # Errors
    ///
    /// [`TrustListFault::Older`].
    pub fn supersede(self, in_force: &TrustList) -> Result<TrustList, TrustListFault> {
        match (self.sequence, in_force.sequence) {
            (Some(new), Some(old)) if new < old => Err(TrustListFault::Older),
            (None, Some(_)) => Err(TrustListFault::Older),
            _ => Ok(self),
        }
    }

    /// The certificates it vouches for.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// Its sequence number, when it has one: only ever grows.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// `exp`, whole seconds since the Unix epoch; the second itself is the last good one.
    pub fn expires(&self) -> Option<i64> {
        self.expires
    }

    /// Subject of the certificate that signed it; bounded, printable.
    pub fn signer(&self) -> &str {
        &self.signer
    }

    /// Certificates of the list that cannot be used: their place, from 1, and why.
    pub fn skipped(&self) -> &[(usize, AnchorsFault)] {
        &self.skipped
    }
}

impl Whole {
    fn read(self) -> Result<u64, TrustListFault> {
        match self {
            Whole::Number(number) => Ok(number),
            Whole::Text(text) => text.parse().map_err(|_| TrustListFault::Payload),
        }
    }
}

/// Each is PEM, or the base64 that PEM has between its lines.
fn read_certificates(texts: &[String]) -> (Anchors, Vec<(usize, AnchorsFault)>) {
    let mut anchors = Anchors::new();
    let mut skipped = Vec::new();
    for (place, text) in texts.iter().enumerate() {
        let place = place + 1;
        let malformed = AnchorsFault::Certificate {
            place,
            fault: CertificateFault::Malformed,
        };
        let added = if text.contains("-----BEGIN ") {
            match CertificateDer::from_pem_slice(text.as_bytes()) {
                Ok(der) => anchors.add_der(&der, place),
                Err(_) => Err(malformed),
            }
        } else {
            let dense: String = text.split_whitespace().collect();
            match STANDARD.decode(dense) {
                Ok(der) => anchors.add_der(&der, place),
                Err(_) => Err(malformed),
            }
        };
        if let Err(fault) = added {
            skipped.push((place, fault));
        }
    }
    (anchors, skipped)
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    let octets = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&octets).ok()
}

/// Files end with a line feed.
fn trimmed(jwt: &[u8]) -> Option<&str> {
    std::str::from_utf8(jwt).ok().map(str::trim)
}
