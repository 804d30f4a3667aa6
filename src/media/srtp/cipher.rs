//! Packets closed and opened with the session keys of one kind, in place: counter mode with HMAC-SHA1 (RFC 3711 §4), and
//! AES-GCM (RFC 7714 §8, §9).
//!
//! ```text
//!            RTP                                          RTCP
//!   SHA1     header │ encrypted │ tag                     header │ encrypted │ E, index │ tag
//!   GCM      header │ encrypted │ tag                     header │ encrypted │ tag │ E, index
//! ```

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::{constant_time, hmac};

use super::derive::{Kind, SessionKeys, counter_mode, counter_mode_over};
use super::{INDEX_OCTETS, RTCP_CLEAR_OCTETS, Refused};
use crate::sdp::{MasterKey, Suite};

/// Octets of a tag of GCM.
const GCM_TAG: usize = 16;

pub(super) enum Cipher {
    Counter {
        key: Box<EncryptingKey>,
        auth: Box<hmac::Key>,
        salt: [u8; 14],
        /// Octets of the tag that are sent.
        tag: usize,
    },
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
}

impl Cipher {
    pub(super) fn new(master: &MasterKey, kind: Kind) -> Cipher {
        Self::of_session(master.suite(), kind, &SessionKeys::of(master, kind))
    }

    pub(super) fn of_session(suite: Suite, kind: Kind, keys: &SessionKeys) -> Cipher {
        let gcm = |algorithm| {
            let key = UnboundKey::new(algorithm, keys.key()).expect("a key is as long as its suite says");
            let mut salt = [0; 12];
            salt.copy_from_slice(&keys.salt[..12]);
            Cipher::Gcm {
                key: LessSafeKey::new(key),
                salt,
            }
        };
        let tag = match (suite, kind) {
            (Suite::AeadAes256Gcm, _) => return gcm(&AES_256_GCM),
            (Suite::AeadAes128Gcm, _) => return gcm(&AES_128_GCM),
            // RTCP keeps the long tag (RFC 4568 §6.2.2).
            (Suite::AesCm128HmacSha1_32, Kind::Rtp) => 4,
            _ => 10,
        };
        Cipher::Counter {
            key: Box::new(counter_mode(keys.key())),
            auth: Box::new(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys.auth)),
            salt: keys.salt,
            tag,
        }
    }

    /// Closes a packet of `len` octets whose payload begins at `clear`; the tag goes behind it.
    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        len: usize,
        clear: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Refused> {
        let end = len + self.tag_octets();
        let packet = buffer.get_mut(..end).ok_or(Refused::Malformed)?;
        match self {
            Cipher::Counter { key, auth, salt, tag } => {
                counter_mode_over(key, counter_block(salt, ssrc, index), &mut packet[clear..len]);
                let whole = signed(auth, &packet[..len], rollover(index));
                packet[len..].copy_from_slice(&whole.as_ref()[..*tag]);
            }
            Cipher::Gcm { key, salt } => {
                let (head, rest) = packet.split_at_mut(clear);
                seal(key, rtp_nonce(salt, ssrc, index), head, rest)?;
            }
        }
        Ok(end)
    }

    /// Opens a whole packet whose payload begins at `clear`.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        clear: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Refused> {
        let end = packet
            .len()
            .checked_sub(self.tag_octets())
            .ok_or(Refused::Malformed)?;
        if end < clear {
            return Err(Refused::Malformed);
        }
        match self {
            Cipher::Counter { key, auth, salt, tag } => {
                let whole = signed(auth, &packet[..end], rollover(index));
                verify(&whole.as_ref()[..*tag], &packet[end..])?;
                counter_mode_over(key, counter_block(salt, ssrc, index), &mut packet[clear..end]);
            }
            Cipher::Gcm { key, salt } => {
                let (head, rest) = packet.split_at_mut(clear);
                open(key, rtp_nonce(salt, ssrc, index), head, rest)?;
            }
        }
        Ok(end)
    }

    /// Closes an RTCP packet. `trailer` is its index with the flag that it is encrypted.
    pub(super) fn seal_rtcp(
        &self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        trailer: u32,
    ) -> Result<usize, Refused> {
        let end = len + self.tag_octets() + INDEX_OCTETS;
        let packet = buffer.get_mut(..end).ok_or(Refused::Malformed)?;
        let index = u64::from(trailer << 1 >> 1);
        match self {
            Cipher::Counter { key, auth, salt, tag } => {
                let clear = &mut packet[RTCP_CLEAR_OCTETS..len];
                counter_mode_over(key, counter_block(salt, ssrc, index), clear);
                packet[len..len + INDEX_OCTETS].copy_from_slice(&trailer.to_be_bytes());
                let whole = hmac::sign(auth, &packet[..len + INDEX_OCTETS]);
                packet[len + INDEX_OCTETS..].copy_from_slice(&whole.as_ref()[..*tag]);
            }
            Cipher::Gcm { key, salt } => {
                let (head, rest) = packet[..len + GCM_TAG].split_at_mut(RTCP_CLEAR_OCTETS);
                seal(
                    key,
                    rtcp_nonce(salt, ssrc, index),
                    &associated(head, trailer),
                    rest,
                )?;
                packet[len + GCM_TAG..].copy_from_slice(&trailer.to_be_bytes());
            }
        }
        Ok(end)
    }

    /// Flag and index of an RTCP packet, as they stand in it.
    pub(super) fn index_of(&self, packet: &[u8]) -> Result<u32, Refused> {
        let least = RTCP_CLEAR_OCTETS + self.tag_octets() + INDEX_OCTETS;
        if packet.len() < least {
            return Err(Refused::Malformed);
        }
        let at = packet.len() - self.behind() - INDEX_OCTETS;
        let word = &packet[at..at + INDEX_OCTETS];
        Ok(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    }

    /// Opens a whole RTCP packet; `trailer` is what [`Cipher::index_of`] found in it.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, trailer: u32) -> Result<usize, Refused> {
        let end = packet.len() - self.tag_octets() - INDEX_OCTETS;
        let index = u64::from(trailer << 1 >> 1);
        match self {
            Cipher::Counter { key, auth, salt, tag } => {
                let (signed, theirs) = packet.split_at_mut(end + INDEX_OCTETS);
                let whole = hmac::sign(auth, signed);
                verify(&whole.as_ref()[..*tag], theirs)?;
                let clear = &mut packet[RTCP_CLEAR_OCTETS..end];
                counter_mode_over(key, counter_block(salt, ssrc, index), clear);
            }
            Cipher::Gcm { key, salt } => {
                let (head, rest) = packet[..end + GCM_TAG].split_at_mut(RTCP_CLEAR_OCTETS);
                open(
                    key,
                    rtcp_nonce(salt, ssrc, index),
                    &associated(head, trailer),
                    rest,
                )?;
            }
        }
        Ok(end)
    }

    /// Octets that stand at the end of a packet behind everything else, the name of its key included: the tag of counter mode.
    /// That of GCM is part of the cipher text (RFC 7714 §8.1, §9.1).
    pub(super) fn behind(&self) -> usize {
        match self {
            Cipher::Counter { tag, .. } => *tag,
            Cipher::Gcm { .. } => 0,
        }
    }

    fn tag_octets(&self) -> usize {
        match self {
            Cipher::Counter { tag, .. } => *tag,
            Cipher::Gcm { .. } => GCM_TAG,
        }
    }
}

/// `rest` ends with the room for the tag.
fn seal(key: &LessSafeKey, nonce: Nonce, associated: &[u8], rest: &mut [u8]) -> Result<(), Refused> {
    let (plain, tag) = rest.split_at_mut(rest.len() - GCM_TAG);
    let sealed = key
        .seal_in_place_separate_tag(nonce, Aad::from(associated), plain)
        .map_err(|_| Refused::Malformed)?;
    tag.copy_from_slice(sealed.as_ref());
    Ok(())
}

fn open(key: &LessSafeKey, nonce: Nonce, associated: &[u8], rest: &mut [u8]) -> Result<(), Refused> {
    key.open_in_place(nonce, Aad::from(associated), rest)
        .map(|_| ())
        .map_err(|_| Refused::Unauthenticated)
}

/// HMAC over the packet and the rollover counter, which is not sent (RFC 3711 §4.2).
fn signed(auth: &hmac::Key, packet: &[u8], rollover: [u8; 4]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(auth);
    context.update(packet);
    context.update(&rollover);
    context.sign()
}

/// In a time that does not depend on where they differ.
fn verify(ours: &[u8], theirs: &[u8]) -> Result<(), Refused> {
    constant_time::verify_slices_are_equal(ours, theirs).map_err(|_| Refused::Unauthenticated)
}

fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 3711 §4.1.1: the salt, the SSRC and the index where the key stream begins.
fn counter_block(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut block = [0; 16];
    block[..14].copy_from_slice(salt);
    xor(&mut block[4..8], &ssrc.to_be_bytes());
    xor(&mut block[8..14], &index.to_be_bytes()[2..]);
    block
}

/// RFC 7714 §8.1.
fn rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 §9.1.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[8..12], &index.to_be_bytes()[4..]);
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 §9.2: what stands in clear before the encrypted part and behind it.
fn associated(head: &[u8], trailer: u32) -> [u8; RTCP_CLEAR_OCTETS + INDEX_OCTETS] {
    let mut all = [0; RTCP_CLEAR_OCTETS + INDEX_OCTETS];
    all[..RTCP_CLEAR_OCTETS].copy_from_slice(head);
    all[RTCP_CLEAR_OCTETS..].copy_from_slice(&trailer.to_be_bytes());
    all
}

fn xor(into: &mut [u8], with: &[u8]) {
    for (octet, with) in into.iter_mut().zip(with) {
        *octet ^= with;
    }
}
