//! Random secrets, and what is kept of them.

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// SHA-256 of a random secret: nothing slower is needed against guessing.
pub type Fingerprint = [u8; 32];

/// 256 random bits as text behind a prefix; None = the system has none to give.
pub fn secret(prefix: &str) -> Option<String> {
    Some(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<32>()?)))
}

/// The one place beside `runtime` that takes randomness from the system: it must be its best, and never a seed.
pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut octets = [0; N];
    rand::fill(&mut octets).ok()?;
    Some(octets)
}

pub fn fingerprint(secret: &str) -> Fingerprint {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    octets
}

pub(super) use crate::store::hexadecimal;

pub(super) fn from_hexadecimal(text: &str) -> Option<Fingerprint> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut octets = [0; 32];
    for (place, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(octets)
}
