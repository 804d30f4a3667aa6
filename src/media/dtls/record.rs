//! The record layer (RFC 6347 §4.1): what a datagram is made of, closed and opened with AES-GCM (RFC 5288) from epoch 1 on.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::wire::{Reader, Write};

/// What stands before each record.
pub(super) const HEADER_OCTETS: usize = 13;

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;

/// DTLS 1.2.
pub(super) const VERSION: u16 = 0xfefd;

/// The first octet of every version of DTLS.
const MAJOR: u8 = 0xfe;

const NONCE_OCTETS: usize = 8;
const TAG_OCTETS: usize = 16;

/// One record of a datagram, as it came.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) kind: u8,
    version: u16,
    pub(super) epoch: u16,
    sequence: u64,
    pub(super) body: &'a [u8],
}

/// The records of a datagram, up to the first that makes no sense.
pub(super) fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = Reader(datagram);
    std::iter::from_fn(move || {
        let kind = rest.u8()?;
        let version = rest.u16()?;
        let epoch = rest.u16()?;
        let sequence = rest.number(6)?;
        let body = rest.vector(2)?.0;
        (version >> 8 == u16::from(MAJOR)).then_some(Record {
            kind,
            version,
            epoch,
            sequence,
            body,
        })
    })
}

/// A record that is not encrypted (epoch 0), behind what stands in `out` already.
pub(super) fn write_plain(out: &mut Vec<u8>, kind: u8, sequence: u64, body: &[u8]) {
    write_header(out, kind, 0, sequence, body.len());
    out.extend_from_slice(body);
}

fn write_header(out: &mut Vec<u8>, kind: u8, epoch: u16, sequence: u64, len: usize) {
    out.push(kind);
    out.u16(VERSION);
    out.u16(epoch);
    out.number(sequence, 6);
    out.number(len as u64, 2);
}

/// How one side's records of epoch 1 are encrypted.
pub(super) struct Cipher {
    key: LessSafeKey,
    /// The first four octets of each nonce (RFC 5288 §3).
    salt: [u8; 4],
}

impl Cipher {
    /// `None` for a key that is neither 16 nor 32 octets long.
    pub(super) fn new(key: &[u8], salt: [u8; 4]) -> Option<Cipher> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            _ => &AES_256_GCM,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Cipher { key, salt })
    }

    /// A record of epoch 1, behind what stands in `out`. `sequence` is never used twice. `None`: the cipher refused.
    pub(super) fn write(&self, out: &mut Vec<u8>, kind: u8, sequence: u64, plain: &[u8]) -> Option<()> {
        let explicit = number(1, sequence);
        let mut body = plain.to_vec();
        let aad = aad(explicit, kind, VERSION, plain.len());
        self.key
            .seal_in_place_append_tag(self.nonce(explicit), aad, &mut body)
            .ok()?;
        write_header(out, kind, 1, sequence, NONCE_OCTETS + body.len());
        out.extend_from_slice(&explicit);
        out.extend_from_slice(&body);
        Some(())
    }

    /// What is in a record of epoch 1; `None` for one that the key does not authenticate.
    pub(super) fn open(&self, record: &Record<'_>) -> Option<Vec<u8>> {
        let (explicit, sealed) = record.body.split_first_chunk::<NONCE_OCTETS>()?;
        let len = sealed.len().checked_sub(TAG_OCTETS)?;
        let mut body = sealed.to_vec();
        let aad = aad(
            number(record.epoch, record.sequence),
            record.kind,
            record.version,
            len,
        );
        self.key
            .open_in_place(self.nonce(*explicit), aad, &mut body)
            .ok()?;
        body.truncate(len);
        Some(body)
    }

    fn nonce(&self, explicit: [u8; NONCE_OCTETS]) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.salt);
        nonce[4..].copy_from_slice(&explicit);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Epoch and number of a record in eight octets.
fn number(epoch: u16, sequence: u64) -> [u8; NONCE_OCTETS] {
    (u64::from(epoch) << 48 | sequence).to_be_bytes()
}

fn aad(number: [u8; 8], kind: u8, version: u16, len: usize) -> Aad<[u8; HEADER_OCTETS]> {
    let mut octets = [0; HEADER_OCTETS];
    octets[..8].copy_from_slice(&number);
    octets[8] = kind;
    octets[9..11].copy_from_slice(&version.to_be_bytes());
    octets[11..].copy_from_slice(&(len as u16).to_be_bytes());
    Aad::from(octets)
}

/// Which records of epoch 1 have come (RFC 6347 §4.1.2.6). Asked and told only of those that are authentic.
#[derive(Clone, Copy, Default)]
pub(super) struct Window {
    /// One more than the highest so far.
    end: u64,
    /// The 64 before `end`, the latest in bit 0.
    seen: u64,
}

impl Window {
    /// False for one that came before, or is too old to tell.
    pub(super) fn insert(&mut self, record: &Record<'_>) -> bool {
        let sequence = record.sequence;
        if sequence >= self.end {
            let ahead = sequence + 1 - self.end;
            self.seen = if ahead >= 64 { 0 } else { self.seen << ahead } | 1;
            self.end = sequence + 1;
            return true;
        }
        let behind = self.end - 1 - sequence;
        if behind >= 64 || self.seen >> behind & 1 == 1 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_is_opened_and_nothing_else_is() {
        for len in [16, 32] {
            let cipher = Cipher::new(&[7; 32][..len], [1; 4]).unwrap();
            let mut out = Vec::new();
            write_plain(&mut out, HANDSHAKE, 3, b"hello");
            cipher.write(&mut out, ALERT, 9, b"bye").unwrap();
            let [plain, closed] = records(&out).collect::<Vec<_>>()[..] else {
                panic!()
            };
            assert_eq!(
                (plain.kind, plain.epoch, plain.body),
                (HANDSHAKE, 0, &b"hello"[..])
            );
            assert_eq!(cipher.open(&closed).as_deref(), Some(&b"bye"[..]));
            for at in 0..out.len() {
                let mut changed = out.clone();
                changed[at] ^= 1;
                let opened = records(&changed)
                    .filter(|record| record.epoch == 1)
                    .find_map(|record| cipher.open(&record));
                // What is changed in front of it, or in its version that the cipher covers, or in it.
                let is_in_front = at < HEADER_OCTETS + 5;
                assert!(opened.is_none() || is_in_front, "octet {at}");
            }
        }
        assert!(Cipher::new(&[0; 15], [0; 4]).is_none());
    }

    #[test]
    fn each_number_is_taken_once() {
        let mut window = Window::default();
        let mut take = |sequence| {
            window.insert(&Record {
                kind: 0,
                version: VERSION,
                epoch: 1,
                sequence,
                body: &[],
            })
        };
        for (sequence, expected) in [
            (0, true),
            (0, false),
            (5, true),
            (3, true),
            (3, false),
            (200, true),
            (5, false),
            (137, true),
            (136, false),
            (199, true),
            (200, false),
            ((1 << 48) - 1, true),
        ] {
            assert_eq!(take(sequence), expected, "{sequence}");
        }
    }
}
