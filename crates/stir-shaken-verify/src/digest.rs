//! Digests of content that a token references by URL (RFC 9795 §6).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};

/// A digest as `rcdi` writes it: `sha256-` (or `sha384-`, `sha512-`) and the octets in base64 (RFC 9795 §6).
///
/// The same form is used by the `integrity` parameter of Call-Info (RFC 9796 §8).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentDigest {
    algorithm: Hash,
    octets: Vec<u8>,
}

/// The algorithms of RFC 9795 §6.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    const ALL: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

    fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha256",
            Hash::Sha384 => "sha384",
            Hash::Sha512 => "sha512",
        }
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Hash::Sha256 => &SHA256,
            Hash::Sha384 => &SHA384,
            Hash::Sha512 => &SHA512,
        }
    }
}

/// Not a digest that can be checked: unknown algorithm, or not as many octets as it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sha256-, sha384- or sha512- with its digest in base64")]
pub struct NotADigest;

/// Base64 of RFC 4648 §4; signers write it with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl ContentDigest {
    /// The SHA-256 digest of `content`.
    pub fn sha256(content: &[u8]) -> ContentDigest {
        ContentDigest {
            algorithm: Hash::Sha256,
            octets: digest(&SHA256, content).as_ref().to_vec(),
        }
    }

    /// Is `content`, exactly as it was fetched, what the signer meant?
    pub fn matches(&self, content: &[u8]) -> bool {
        digest(self.algorithm.algorithm(), content).as_ref() == self.octets
    }
}

impl FromStr for ContentDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<ContentDigest, NotADigest> {
        let (name, octets) = text.split_once('-').ok_or(NotADigest)?;
        let algorithm = Hash::ALL.into_iter().find(|hash| hash.name() == name);
        let algorithm = algorithm.ok_or(NotADigest)?;
        let octets = BASE64.decode(octets).map_err(|_| NotADigest)?;
        if octets.len() == algorithm.algorithm().output_len() {
            Ok(ContentDigest { algorithm, octets })
        } else {
            Err(NotADigest)
        }
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<ContentDigest, NotADigest> {
        text.parse()
    }
}

impl From<ContentDigest> for String {
    fn from(digest: ContentDigest) -> String {
        digest.to_string()
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.algorithm.name(), BASE64.encode(&self.octets))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_and_matches_its_content_only() {
        // SHA-256 of "abc" (FIPS 180-4), padded and not.
        let text = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0";
        for written in [text.to_string(), format!("{text}=")] {
            let digest: ContentDigest = written.parse().unwrap();
            assert!(digest.matches(b"abc") && !digest.matches(b"abd") && !digest.matches(b""));
            assert_eq!(digest.to_string(), text);
            assert_eq!(serde_json::to_value(&digest).unwrap(), text);
        }
        assert_eq!(ContentDigest::sha256(b"abc").to_string(), text);
    }

    #[test]
    fn longer_algorithms_are_read_and_others_are_not() {
        for (name, octets) in [("sha384", 48), ("sha512", 64)] {
            let text = format!("{name}-{}", BASE64.encode(vec![7; octets]));
            assert!(
                text.parse::<ContentDigest>()
                    .is_ok_and(|digest| !digest.matches(b"x"))
            );
        }
        for (name, octets) in [
            ("sha256", 31),
            ("sha256", 33),
            ("sha512", 32),
            ("sha1", 20),
            ("SHA256", 32),
        ] {
            let text = format!("{name}-{}", BASE64.encode(vec![7; octets]));
            assert_eq!(text.parse::<ContentDigest>(), Err(NotADigest), "{text}");
        }
        for text in ["", "-", "sha256-", "sha256", "sha256-\u{e9}", "sha256-_-__"] {
            assert_eq!(text.parse::<ContentDigest>(), Err(NotADigest), "{text}");
        }
    }
}
