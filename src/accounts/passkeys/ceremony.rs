//! What a browser hands over when a passkey is made (WebAuthn §7.1) and when it signs (§7.2), and what of it is believed.
//!
//! No attestation is asked for: whose make a device is is nobody's business here, and with none the key that the browser reads out of the
//! device's words (`getPublicKey()`) is worth as much as those words. So there is no CBOR to read.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use serde::Deserialize;

use super::limits::{CLIENT_DATA_MAX, ID_MAX, KEY_MAX};
use super::{Passkey, Place, octets, text};

/// Somebody was there; it was him (finger, face, PIN); the data holds a new credential (WebAuthn §6.1).
const IS_THERE: u8 = 0x01;
const IS_HIM: u8 = 0x04;
const HAS_CREDENTIAL: u8 = 0x40;

/// What a browser hands over of a new passkey.
pub struct Enrolment {
    /// What its person calls it.
    pub name: String,
    /// base64url, as all that follows but the number.
    pub id: String,
    pub client_data: String,
    pub authenticator_data: String,
    pub key: String,
    pub algorithm: i64,
}

/// What a browser hands over of a signature.
pub struct Shown {
    pub id: String,
    pub client_data: String,
    pub authenticator_data: String,
    pub signature: String,
}

/// Why what a browser handed over is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPasskey {
    #[error("it is not what a browser hands over of a passkey")]
    Unreadable,
    #[error("it was made for another purpose, host or page")]
    Elsewhere,
    #[error("it took too long, or was sent before: begin again")]
    Stale,
    #[error("the device did not ask for finger, face or PIN")]
    NotHim,
    #[error("it is no key of ES256, EdDSA or RS256")]
    NotAKey,
    #[error("it is not signed by this passkey")]
    NotSigned,
    #[error("its counter went back: there may be a copy of it")]
    Copied,
}

/// Names of WebAuthn §5.8.1.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    is_cross_origin: bool,
}

/// What of the authenticator data is looked at (WebAuthn §6.1).
struct Said<'a> {
    flags: u8,
    count: u32,
    /// Behind that.
    rest: &'a [u8],
}

impl Enrolment {
    /// The new passkey, if all is as it must be. `spend` is asked last: whether the challenge was ours, and is answered for the first time.
    ///
    /// # Errors
    ///
    /// [`NoPasskey`].
    pub fn read(
        &self,
        place: &Place,
        spend: impl FnOnce(&str) -> bool,
        now_ms: u64,
    ) -> Result<Passkey, NoPasskey> {
        let client_data = read(&self.client_data, CLIENT_DATA_MAX)?;
        let challenge = challenge(&client_data, "webauthn.create", place)?;
        let authenticator_data = octets(&self.authenticator_data).ok_or(NoPasskey::Unreadable)?;
        let said = said(&authenticator_data, place)?;
        let id = read(&self.id, ID_MAX)?;
        // AAGUID, length of the id, id, key.
        let behind = said.rest.get(16..).and_then(<[u8]>::split_first_chunk::<2>);
        let (length, behind) = behind.ok_or(NoPasskey::Unreadable)?;
        let named = behind.get(..usize::from(u16::from_be_bytes(*length)));
        if said.flags & HAS_CREDENTIAL == 0 || id.is_empty() || named != Some(&id[..]) {
            return Err(NoPasskey::Unreadable);
        }
        let key = read(&self.key, KEY_MAX)?;
        let algorithm = algorithm(self.algorithm).ok_or(NoPasskey::NotAKey)?;
        ParsedPublicKey::new(algorithm, &key).map_err(|_| NoPasskey::NotAKey)?;
        if !spend(&challenge) {
            return Err(NoPasskey::Stale);
        }
        Ok(Passkey {
            id: text(&id),
            name: self.name.clone(),
            algorithm: self.algorithm,
            key: text(&key),
            count: said.count,
            made_ms: now_ms,
            used_ms: None,
        })
    }
}

impl Shown {
    /// What the passkey's counter says, if it has signed what is ours. `spend` is asked last, so that only what is signed rightly spends a
    /// challenge: whether it was ours, and is answered for the first time.
    ///
    /// # Errors
    ///
    /// [`NoPasskey`].
    pub fn check(
        &self,
        passkey: &Passkey,
        place: &Place,
        spend: impl FnOnce(&str) -> bool,
    ) -> Result<u32, NoPasskey> {
        let client_data = read(&self.client_data, CLIENT_DATA_MAX)?;
        let challenge = challenge(&client_data, "webauthn.get", place)?;
        let mut signed = octets(&self.authenticator_data).ok_or(NoPasskey::Unreadable)?;
        let Said { count, .. } = said(&signed, place)?;
        signed.extend(digest::digest(&digest::SHA256, &client_data).as_ref());
        let algorithm = algorithm(passkey.algorithm).ok_or(NoPasskey::NotAKey)?;
        let key = octets(&passkey.key).ok_or(NoPasskey::NotAKey)?;
        let signature = octets(&self.signature).ok_or(NoPasskey::Unreadable)?;
        UnparsedPublicKey::new(algorithm, &key)
            .verify(&signed, &signature)
            .map_err(|_| NoPasskey::NotSigned)?;
        // WebAuthn §6.1.1: one that counts counts on.
        if (count, passkey.count) != (0, 0) && count <= passkey.count {
            return Err(NoPasskey::Copied);
        }
        spend(&challenge).then_some(count).ok_or(NoPasskey::Stale)
    }
}

/// By their numbers (RFC 9053 §2, RFC 8812 §2).
fn algorithm(number: i64) -> Option<&'static dyn VerificationAlgorithm> {
    match number {
        -7 => Some(&ECDSA_P256_SHA256_ASN1),
        -8 => Some(&ED25519),
        -257 => Some(&RSA_PKCS1_2048_8192_SHA256),
        _ => None,
    }
}

fn read(text: &str, most: usize) -> Result<Vec<u8>, NoPasskey> {
    let octets = octets(text).filter(|octets| octets.len() <= most);
    octets.ok_or(NoPasskey::Unreadable)
}

/// The challenge that was answered, on our page and for this purpose.
fn challenge(client_data: &[u8], kind: &str, place: &Place) -> Result<String, NoPasskey> {
    let said: ClientData = serde_json::from_slice(client_data).map_err(|_| NoPasskey::Unreadable)?;
    let is_ours = said.kind == kind && said.origin == place.origin && !said.is_cross_origin;
    is_ours.then_some(said.challenge).ok_or(NoPasskey::Elsewhere)
}

fn said<'a>(octets: &'a [u8], place: &Place) -> Result<Said<'a>, NoPasskey> {
    let (host, rest) = octets.split_first_chunk::<32>().ok_or(NoPasskey::Unreadable)?;
    let (flags, rest) = rest.split_first().ok_or(NoPasskey::Unreadable)?;
    let (count, rest) = rest.split_first_chunk::<4>().ok_or(NoPasskey::Unreadable)?;
    if host != digest::digest(&digest::SHA256, place.rp_id.as_bytes()).as_ref() {
        return Err(NoPasskey::Elsewhere);
    }
    if flags & (IS_THERE | IS_HIM) != IS_THERE | IS_HIM {
        return Err(NoPasskey::NotHim);
    }
    Ok(Said {
        flags: *flags,
        count: u32::from_be_bytes(*count),
        rest,
    })
}

#[cfg(test)]
#[path = "ceremony_tests.rs"]
mod tests;
