//! Hash functions by the names of RFC 7616 §6.1, and what of a request is protected (qop).

use aws_lc_rs::digest::{SHA256, SHA512_256, digest};
use md5::{Digest as _, Md5};

/// Weakest first: the order is the strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    Md5,
    Sha256,
    Sha512_256,
}

impl Hash {
    pub const ALL: [Hash; 3] = [Hash::Md5, Hash::Sha256, Hash::Sha512_256];

    /// The hash of all parts, a colon between each two, as lower-case hexadecimal digits.
    pub(super) fn hex(self, parts: &[&[u8]]) -> String {
        let octets = parts.join(&b':');
        match self {
            Hash::Md5 => hex(&Md5::digest(&octets)),
            Hash::Sha256 => hex(digest(&SHA256, &octets).as_ref()),
            Hash::Sha512_256 => hex(digest(&SHA512_256, &octets).as_ref()),
        }
    }
}

/// A hash function, and whether it is keyed with the nonces of the session (`-sess`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Algorithm {
    pub hash: Hash,
    pub is_session: bool,
}

impl Algorithm {
    pub fn plain(hash: Hash) -> Algorithm {
        Algorithm {
            hash,
            is_session: false,
        }
    }

    /// `None` for one that is not known.
    pub fn parse(name: &str) -> Option<Algorithm> {
        let (name, is_session) = match name.len().checked_sub("-sess".len()) {
            Some(at) if name.is_char_boundary(at) && name[at..].eq_ignore_ascii_case("-sess") => {
                (&name[..at], true)
            }
            _ => (name, false),
        };
        let hash = Hash::ALL
            .into_iter()
            .find(|hash| Algorithm::plain(*hash).name().eq_ignore_ascii_case(name))?;
        Some(Algorithm { hash, is_session })
    }

    pub fn name(self) -> &'static str {
        match (self.hash, self.is_session) {
            (Hash::Md5, false) => "MD5",
            (Hash::Md5, true) => "MD5-sess",
            (Hash::Sha256, false) => "SHA-256",
            (Hash::Sha256, true) => "SHA-256-sess",
            (Hash::Sha512_256, false) => "SHA-512-256",
            (Hash::Sha512_256, true) => "SHA-512-256-sess",
        }
    }
}

/// Quality of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qop {
    /// Method and URI.
    Auth,
    /// The body as well.
    AuthInt,
}

impl Qop {
    pub fn parse(name: &str) -> Option<Qop> {
        [Qop::Auth, Qop::AuthInt]
            .into_iter()
            .find(|qop| qop.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }
}

pub(super) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    octets
        .iter()
        .flat_map(|octet| [digit(octet >> 4), digit(octet & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_read_in_any_letter_case_and_unknown_ones_are_not_guessed() {
        for hash in Hash::ALL {
            for is_session in [false, true] {
                let algorithm = Algorithm { hash, is_session };
                assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
                assert_eq!(
                    Algorithm::parse(&algorithm.name().to_lowercase()),
                    Some(algorithm)
                );
            }
        }
        for unknown in [
            "",
            "SHA-512",
            "SHA-256-SESS-sess",
            "MD5 ",
            "AKAv1-MD5",
            "-sess",
            "sé-sess",
        ] {
            assert_eq!(Algorithm::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn the_empty_text_has_its_known_hashes() {
        assert_eq!(Hash::Md5.hex(&[b""]), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            Hash::Sha512_256.hex(&[b""]),
            "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a"
        );
    }
}
