//! The envelope of a pack: a random key, sealed for its recipient with RSA-OAEP (SHA-256), and pieces sealed under it with AES-256-GCM.
//!
//! ```text
//!   "RINGWARD-PACK-1\n"  length, 2 octets  sealed key  ( length, 4 octets  sealed piece )*
//! ```
//!
//! The nonce of a piece is its place, and whether it is the last: pieces that are moved, doubled or cut off do not open.

use std::io::{Read, Write};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::{digest, rand};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use super::files::Fault;
use super::limits::{KEY_BITS, PIECE};
use crate::store::hexadecimal;

const MAGIC: &[u8; 16] = b"RINGWARD-PACK-1\n";
const TAG: usize = 16;

/// Whom a pack is for.
pub struct Recipient {
    key: OaepPublicEncryptingKey,
    fingerprint: String,
}

impl Recipient {
    /// From a public key in PEM (`PUBLIC KEY`).
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn from_pem(pem: &str) -> Result<Recipient, &'static str> {
        if pem.contains("PRIVATE KEY") {
            return Err(
                "it is a private key: whoever makes the pack needs the public one, and must not have this",
            );
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(|_| "it holds no public key in PEM (-----BEGIN PUBLIC KEY-----)")?;
        let key = PublicEncryptingKey::from_der(&der).map_err(|_| "it is no RSA key")?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| "it is no RSA key")?;
        if !KEY_BITS.contains(&key.key_size_bits()) {
            return Err("an RSA key of 2048 to 8192 bits is needed");
        }
        let digest = digest::digest(&digest::SHA256, &der);
        Ok(Recipient {
            key,
            fingerprint: hexadecimal(digest.as_ref()),
        })
    }

    /// SHA-256 of the public key, hexadecimal: `openssl pkey -pubin -in FILE -outform DER | sha256sum`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// What opens a pack.
pub struct Key(OaepPrivateDecryptingKey);

impl Key {
    /// From a private key in PEM (`PRIVATE KEY`, PKCS #8, not encrypted).
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub fn from_pem(pem: &str) -> Result<Key, &'static str> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(|_| "it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)")?;
        let key = PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| "it is no RSA key")?;
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| "it is no RSA key")?;
        Ok(Key(key))
    }
}

/// Seals what is written to it.
pub(super) struct Sealer<W: Write> {
    out: W,
    pieces: Pieces,
    waiting: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    pub(super) fn new(mut out: W, recipient: &Recipient) -> Result<Sealer<W>, Fault> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| Fault::NoRandomness)?;
        let mut sealed = vec![0; recipient.key.ciphertext_size()];
        let sealed = recipient
            .key
            .encrypt(&OAEP_SHA256_MGF1SHA256, &key, &mut sealed, None)
            .map_err(|_| Fault::NotSealed)?;
        let mut head = MAGIC.to_vec();
        head.extend((sealed.len() as u16).to_be_bytes());
        head.extend_from_slice(sealed);
        out.write_all(&head)?;
        Ok(Sealer {
            out,
            pieces: Pieces::new(&key, &head).ok_or(Fault::NotSealed)?,
            waiting: Vec::with_capacity(PIECE + TAG),
        })
    }

    pub(super) fn write(&mut self, mut octets: &[u8]) -> Result<(), Fault> {
        while !octets.is_empty() {
            if self.waiting.len() == PIECE {
                self.seal(false)?;
            }
            let (now, later) = octets.split_at(octets.len().min(PIECE - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            octets = later;
        }
        Ok(())
    }

    /// The last piece, which says that it is.
    pub(super) fn finish(mut self) -> Result<W, Fault> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, is_last: bool) -> Result<(), Fault> {
        let (nonce, aad) = self.pieces.next(is_last).ok_or(Fault::NotSealed)?;
        self.pieces
            .key
            .seal_in_place_append_tag(nonce, aad, &mut self.waiting)
            .map_err(|_| Fault::NotSealed)?;
        self.out.write_all(&(self.waiting.len() as u32).to_be_bytes())?;
        self.out.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

/// Opens a pack piece by piece.
pub(super) struct Opener<R: Read> {
    from: R,
    pieces: Pieces,
}

impl<R: Read> Opener<R> {
    pub(super) fn new(mut from: R, key: &Key) -> Result<Opener<R>, Fault> {
        let mut head = vec![0; MAGIC.len() + 2];
        from.read_exact(&mut head).map_err(|_| Fault::NoPack)?;
        if !head.starts_with(MAGIC) {
            return Err(Fault::NoPack);
        }
        let length = usize::from(u16::from_be_bytes([head[MAGIC.len()], head[MAGIC.len() + 1]]));
        if length != key.0.key_size_bytes() {
            return Err(Fault::NotForThisKey);
        }
        let mut sealed = vec![0; length];
        from.read_exact(&mut sealed).map_err(|_| Fault::Cut)?;
        let mut room = vec![0; key.0.min_output_size()];
        let opened = key
            .0
            .decrypt(&OAEP_SHA256_MGF1SHA256, &sealed, &mut room, None)
            .map_err(|_| Fault::NotForThisKey)?;
        head.extend_from_slice(&sealed);
        let pieces = Pieces::new(opened, &head).ok_or(Fault::NotForThisKey)?;
        Ok(Opener { from, pieces })
    }

    /// The next piece; None = that was the last, and nothing comes behind it.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        if self.pieces.is_over {
            let mut more = [0];
            return match self.from.read(&mut more)? {
                0 => Ok(None),
                _ => Err(Fault::Changed),
            };
        }
        let mut length = [0; 4];
        self.from.read_exact(&mut length).map_err(|_| Fault::Cut)?;
        let length = u32::from_be_bytes(length) as usize;
        if !(TAG..=PIECE + TAG).contains(&length) {
            return Err(Fault::Changed);
        }
        let mut sealed = vec![0; length];
        self.from.read_exact(&mut sealed).map_err(|_| Fault::Cut)?;
        for is_last in [false, true] {
            let mut piece = sealed.clone();
            let (nonce, aad) = self.pieces.at(is_last).ok_or(Fault::Changed)?;
            let Ok(opened) = self.pieces.key.open_in_place(nonce, aad, &mut piece) else {
                continue;
            };
            let length = opened.len();
            piece.truncate(length);
            self.pieces.next(is_last).ok_or(Fault::Changed)?;
            return Ok(Some(piece));
        }
        Err(Fault::Changed)
    }
}

/// The key of the pieces, and where one is in them.
struct Pieces {
    key: LessSafeKey,
    /// SHA-256 of everything before the first.
    head: Vec<u8>,
    place: u32,
    is_over: bool,
}

impl Pieces {
    fn new(key: &[u8], head: &[u8]) -> Option<Pieces> {
        let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
        Some(Pieces {
            key: LessSafeKey::new(key),
            head: digest::digest(&digest::SHA256, head).as_ref().to_vec(),
            place: 0,
            is_over: false,
        })
    }

    fn at(&self, is_last: bool) -> Option<(Nonce, Aad<Vec<u8>>)> {
        if self.is_over {
            return None;
        }
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&self.place.to_be_bytes());
        nonce[NONCE_LEN - 1] = u8::from(is_last);
        Some((Nonce::assume_unique_for_key(nonce), Aad::from(self.head.clone())))
    }

    /// The same, and then the next is meant.
    fn next(&mut self, is_last: bool) -> Option<(Nonce, Aad<Vec<u8>>)> {
        let at = self.at(is_last)?;
        self.is_over = is_last;
        self.place = self.place.checked_add(1)?;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::prove::tests::keys;
    use super::*;

    fn sealed(text: &[u8]) -> Vec<u8> {
        let recipient = Recipient::from_pem(&keys().1).unwrap();
        let mut sealer = Sealer::new(Vec::new(), &recipient).unwrap();
        sealer.write(text).unwrap();
        sealer.finish().unwrap()
    }

    fn opened(pack: &[u8]) -> Result<Vec<u8>, Fault> {
        let key = Key::from_pem(&keys().0).unwrap();
        let mut opener = Opener::new(pack, &key)?;
        let mut all = Vec::new();
        while let Some(piece) = opener.next()? {
            all.extend(piece);
        }
        Ok(all)
    }

    #[test]
    fn what_is_sealed_opens_whatever_its_length_and_no_other_key_opens_it() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let text: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert!(opened(&sealed(&text)).unwrap() == text, "{length}");
        }
        assert!(Recipient::from_pem(&keys().0).is_err_and(|why| why.contains("private key")));
        assert!(Recipient::from_pem("x").is_err());
        assert!(Key::from_pem(&keys().1).is_err());
        assert!(
            sealed(b"the same") != sealed(b"the same"),
            "the key is another each time"
        );
    }

    #[test]
    fn a_pack_that_was_cut_or_changed_anywhere_does_not_open() {
        let whole = sealed(&vec![7; PIECE + 100]);
        for end in [0, 15, 17, 100, whole.len() - 200, whole.len() - 1] {
            assert!(opened(&whole[..end]).is_err(), "{end}");
        }
        // Cut after a whole piece: what is left opens, and its end is missed.
        let head = whole.len() - (4 + PIECE + TAG) - (4 + 100 + TAG);
        assert!(matches!(
            opened(&whole[..head + 4 + PIECE + TAG]),
            Err(Fault::Cut)
        ));
        for at in [3, 16, 40, head + 10, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(opened(&changed).is_err(), "{at}");
        }
        assert!(matches!(
            opened(&[&whole[..], b"x"].concat()),
            Err(Fault::Changed)
        ));
    }
}
