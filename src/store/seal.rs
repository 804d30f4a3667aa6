//! What of a kept call names people is sealed: its text under a random key of its own (AES-256-GCM), and its number known by
//! a digest under a secret of the store (HMAC-SHA256). Without the key nobody reads it, whoever has a copy of the text.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};

/// A key that seals one text, once. All zeros = destroyed.
pub(super) type Key = [u8; 32];

pub(super) const DESTROYED: Key = [0; 32];

/// Which of a call's two texts is sealed, or that it is one beside an entry of a journal: one cannot be put in the place of another, nor in
/// that of another call or entry.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Record,
    Report,
    /// In the place of the call stand journal and number, as [`beside`] writes them.
    Beside,
}

/// What is sealed beside an entry, in the place of a call.
pub(super) fn beside(journal: &str, number: u64) -> String {
    format!("{journal} {number}")
}

/// A text and the key to it, to be kept apart.
pub(super) struct Sealed {
    pub key: Key,
    pub octets: Vec<u8>,
}

/// The system has no randomness to give, or the text is longer than the cipher takes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a record could not be sealed")]
pub(super) struct NotSealed;

/// Seals a text of this call under a fresh key.
pub(super) fn seal(part: Part, call: &str, text: String) -> Result<Sealed, NotSealed> {
    let mut key = Key::default();
    rand::fill(&mut key).map_err(|_| NotSealed)?;
    let mut octets = text.into_bytes();
    cipher(&key)
        .ok_or(NotSealed)?
        .seal_in_place_append_tag(nonce(), Aad::from(about(part, call)), &mut octets)
        .map_err(|_| NotSealed)?;
    Ok(Sealed { key, octets })
}

/// The text again; None = the key is destroyed or another one, or the text was changed.
pub(super) fn unseal(part: Part, call: &str, key: &[u8], mut octets: Vec<u8>) -> Option<String> {
    if key == DESTROYED {
        return None;
    }
    let aad = Aad::from(about(part, call));
    let length = cipher(key)?.open_in_place(nonce(), aad, &mut octets).ok()?.len();
    octets.truncate(length);
    String::from_utf8(octets).ok()
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

/// Always the same: a key seals one text and no other.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn about(part: Part, call: &str) -> Vec<u8> {
    let part = match part {
        Part::Record => "record ",
        Part::Report => "report ",
        Part::Beside => "beside ",
    };
    [part.as_bytes(), call.as_bytes()].concat()
}

/// By what the store knows a number that it does not keep in clear.
#[derive(Clone)]
pub(super) struct Index(hmac::Key);

impl Index {
    /// A new secret, in hexadecimal; None = the system has no randomness to give.
    pub fn secret() -> Option<String> {
        let mut octets = [0; 32];
        rand::fill(&mut octets).ok()?;
        Some(hexadecimal(&octets))
    }

    pub fn new(secret: &str) -> Index {
        Index(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// Half of the HMAC is enough to tell numbers apart.
    pub fn of(&self, number: &str) -> String {
        hexadecimal(&hmac::sign(&self.0, number.as_bytes()).as_ref()[..16])
    }

    /// A key for something else than numbers: all who may read the store make the same one.
    pub fn key_for(&self, what: &str) -> hmac::Key {
        let about = format!("key for {what}");
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.0, about.as_bytes()).as_ref())
    }
}

/// Octets as text, two small digits each.
pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    octets
        .iter()
        .flat_map(|octet| [digit(octet >> 4), digit(*octet)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_with_its_key_in_its_place_and_not_otherwise() {
        let sealed = seal(Part::Record, "c1", "Ann +14045550123".into()).unwrap();
        let shut = String::from_utf8_lossy(&sealed.octets).into_owned();
        assert!(!shut.contains("Ann") && !shut.contains("0123"));
        let open = |part, call, key: &Key, octets: &[u8]| unseal(part, call, key, octets.to_vec());
        let (key, octets) = (&sealed.key, &sealed.octets);
        assert_eq!(
            open(Part::Record, "c1", key, octets).as_deref(),
            Some("Ann +14045550123")
        );
        assert_eq!(open(Part::Report, "c1", key, octets), None, "another part");
        assert_eq!(open(Part::Record, "c2", key, octets), None, "another call");
        assert_eq!(open(Part::Record, "c1", &DESTROYED, octets), None);
        let mut changed = octets.clone();
        changed[3] ^= 1;
        assert_eq!(open(Part::Record, "c1", key, &changed), None);
        assert_eq!(open(Part::Record, "c1", key, &[]), None);
        let again = seal(Part::Record, "c1", "Ann +14045550123".into()).unwrap();
        assert!(again.key != sealed.key && again.octets != sealed.octets);
    }

    #[test]
    fn a_number_is_known_by_another_digest_in_each_store() {
        let (one, other) = (
            Index::new(&Index::secret().unwrap()),
            Index::new(&Index::secret().unwrap()),
        );
        assert_eq!(one.of("+14045550123"), one.clone().of("+14045550123"));
        assert_ne!(one.of("+14045550123"), one.of("+14045550124"));
        assert_ne!(one.of("+14045550123"), other.of("+14045550123"));
        assert_eq!(one.of("").len(), 32);
    }
}
