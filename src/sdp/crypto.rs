//! Media keys in a description: `a=crypto` (RFC 4568), read and written.
//!
//! What is not understood is not taken: a line with more than one key, with a long master key identifier, with a key
//! derivation rate, or with a session parameter that would leave packets unencrypted or unauthenticated counts as if it
//! were not there.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroize as _;

use super::limits::IDENTIFIER_OCTETS_MAX;
use super::{Dtls, Profile};

/// Whether the audio of a leg is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encryption {
    /// Plain RTP only; nothing is offered, and a party that speaks nothing but SRTP is refused.
    #[default]
    Off,
    /// SRTP with whoever can, plain RTP with the others (RFC 8643).
    Preferred,
    /// SRTP or no call.
    Required,
}

/// A cipher with its authentication (RFC 4568 §6.2, RFC 7714 §14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Suite {
    #[serde(rename = "AEAD_AES_256_GCM")]
    AeadAes256Gcm,
    #[serde(rename = "AEAD_AES_128_GCM")]
    AeadAes128Gcm,
    #[serde(rename = "AES_CM_128_HMAC_SHA1_80")]
    AesCm128HmacSha1_80,
    /// The tag of an RTP packet has 32 bits, that of an RTCP packet 80 (RFC 4568 §6.2.2).
    #[serde(rename = "AES_CM_128_HMAC_SHA1_32")]
    AesCm128HmacSha1_32,
}

impl Suite {
    /// Every suite, in the order we offer them: the strongest first.
    pub const ALL: [Suite; 4] = [
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::AesCm128HmacSha1_80,
        Suite::AesCm128HmacSha1_32,
    ];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Octets of the master key.
    pub fn key_octets(self) -> usize {
        match self {
            Suite::AeadAes256Gcm => 32,
            _ => 16,
        }
    }

    /// Octets of the master salt: 112 bits for counter mode, 96 for GCM.
    pub fn salt_octets(self) -> usize {
        match self {
            Suite::AeadAes256Gcm | Suite::AeadAes128Gcm => 12,
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => 14,
        }
    }

    /// The suite of a registered name, in whatever case.
    pub fn of(name: &[u8]) -> Option<Suite> {
        Suite::ALL
            .into_iter()
            .find(|suite| name.eq_ignore_ascii_case(suite.as_str().as_bytes()))
    }
}

/// Octets of the longest master key with its salt.
pub const MASTER_OCTETS_MAX: usize = 32 + 14;

/// A master key and its master salt, for one direction of one leg. Prints only its suite; wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    octets: [u8; MASTER_OCTETS_MAX],
    /// As in packets, behind zeros; none = its sender names no key there.
    identifier: [u8; IDENTIFIER_OCTETS_MAX],
    identifier_octets: usize,
}

impl MasterKey {
    /// The key and then the salt, exactly as long as the suite wants them; `None` for any other length.
    pub fn new(suite: Suite, octets: &[u8]) -> Option<MasterKey> {
        if octets.len() != suite.key_octets() + suite.salt_octets() {
            return None;
        }
        let mut key = MasterKey {
            suite,
            octets: [0; MASTER_OCTETS_MAX],
            identifier: [0; IDENTIFIER_OCTETS_MAX],
            identifier_octets: 0,
        };
        key.octets[..octets.len()].copy_from_slice(octets);
        Some(key)
    }

    pub fn suite(&self) -> Suite {
        self.suite
    }

    pub fn key(&self) -> &[u8] {
        &self.octets[..self.suite.key_octets()]
    }

    pub fn salt(&self) -> &[u8] {
        &self.octets[self.suite.key_octets()..][..self.suite.salt_octets()]
    }

    /// The master key identifier that stands in each packet of its sender (RFC 3711 §3.1); mostly empty.
    pub fn identifier(&self) -> &[u8] {
        &self.identifier[IDENTIFIER_OCTETS_MAX - self.identifier_octets..]
    }

    /// The same with an identifier, written as its value and its octets, `1:4`. `None` for one that does not fit, or is longer
    /// than [`IDENTIFIER_OCTETS_MAX`].
    fn identified(mut self, text: &[u8]) -> Option<MasterKey> {
        let colon = text.iter().position(|o| *o == b':')?;
        let value: u64 = super::parse::number_of(&text[..colon])?;
        let octets: usize = super::parse::number_of(&text[colon + 1..])?;
        self.identifier = value.to_be_bytes();
        self.identifier_octets = octets;
        let is_whole = (1..=IDENTIFIER_OCTETS_MAX).contains(&octets)
            && self.identifier[..IDENTIFIER_OCTETS_MAX - octets]
                .iter()
                .all(|octet| *octet == 0);
        is_whole.then_some(self)
    }

    fn whole(&self) -> &[u8] {
        &self.octets[..self.suite.key_octets() + self.suite.salt_octets()]
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("MasterKey").field(&self.suite).finish()
    }
}

/// One `a=crypto` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// An answer repeats the tag of the offered line it takes (RFC 4568 §5.1.2).
    pub tag: u32,
    pub key: MasterKey,
}

impl Crypto {
    /// Reads what follows `crypto:`.
    ///
    /// `None` for a suite that is not ours, and for whatever the head of this file says is not taken. The lifetime of a
    /// key is read and binds its sender alone; a hint at the size of the replay window is no order either.
    pub fn parse(value: &[u8]) -> Option<Crypto> {
        let mut words = value
            .split(|o| matches!(o, b' ' | b'\t'))
            .filter(|word| !word.is_empty());
        let tag = words.next().filter(|tag| tag.len() <= 9)?;
        let tag = super::parse::number_of(tag)?;
        let suite = Suite::of(words.next()?)?;
        let key = master_key(suite, words.next()?)?;
        words.all(is_harmless).then_some(Crypto { tag, key })
    }

    /// What stands behind `a=`. Keys of ours have no identifier.
    pub(super) fn write(&self) -> String {
        let mut encoded = BASE64.encode(self.key.whole());
        let text = format!("crypto:{} {} inline:{encoded}", self.tag, self.key.suite.as_str());
        encoded.zeroize();
        text
    }
}

/// What an audio line of ours says about encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// In every one but `RTP/AVP` no packet of this stream is plain; there, keys are an offer to encrypt (RFC 8643).
    pub profile: Profile,
    /// In the order of preference.
    pub crypto: Vec<Crypto>,
    /// Keys by handshake instead.
    pub dtls: Option<Dtls>,
}

/// Telephones forget the padding now and then.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `inline:` key and salt, with a lifetime and an identifier behind it or not (RFC 4568 §6.1).
fn master_key(suite: Suite, parameters: &[u8]) -> Option<MasterKey> {
    let (method, info) = parameters.split_at_checked(b"inline:".len())?;
    // A second key would be one to change to in the middle of a stream.
    if !method.eq_ignore_ascii_case(b"inline:") || info.contains(&b';') {
        return None;
    }
    let mut parts = info.split(|o| *o == b'|');
    let encoded = parts.next().unwrap_or_default();
    let mut next = parts.next();
    if next.is_some_and(is_lifetime) {
        next = parts.next();
    }
    let identifier = next;
    // 46 octets are 62 characters and padding.
    if parts.next().is_some() || encoded.len() > 64 {
        return None;
    }
    let mut octets = [0; 48];
    let key = BASE64
        .decode_slice(encoded, &mut octets)
        .ok()
        .and_then(|len| MasterKey::new(suite, &octets[..len]));
    octets.zeroize();
    match identifier {
        Some(identifier) => key?.identified(identifier),
        None => key,
    }
}

/// Packets that may be sent with a key, as a number or as a power of two (RFC 4568 §6.1).
fn is_lifetime(text: &[u8]) -> bool {
    match text.strip_prefix(b"2^") {
        Some(power) => super::parse::number_of::<u8>(power).is_some_and(|power| power <= 48),
        None => !text.is_empty() && super::parse::number_of::<u64>(text).is_some_and(|count| count > 0),
    }
}

/// Session parameters (RFC 4568 §6.3) that change nothing for us: a hint at the window, and whatever says of itself that
/// it may be left unheeded.
fn is_harmless(parameter: &[u8]) -> bool {
    match parameter.strip_prefix(b"WSH=") {
        Some(hint) => super::parse::number_of::<u32>(hint).is_some_and(|hint| hint >= 64),
        None => parameter.starts_with(b"-"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of RFC 4568 §4.1 and §9.1 are written with these 30 octets.
    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn parsed(text: &str) -> Option<Crypto> {
        Crypto::parse(text.as_bytes())
    }

    #[test]
    fn a_line_says_tag_suite_and_key() {
        let crypto = parsed(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).unwrap();
        assert_eq!((crypto.tag, crypto.key.suite()), (1, Suite::AesCm128HmacSha1_80));
        assert_eq!(crypto.key.key(), b"YS___semctl () {");
        assert_eq!(crypto.key.salt(), b"\t220;}\n}\nunles");
        assert_eq!(
            crypto.write(),
            format!("crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
        );
    }

    #[test]
    fn lifetime_and_window_hint_are_read_and_need_nothing_of_us() {
        for rest in [
            "|2^20",
            "|2^48",
            "|1048576",
            " WSH=1024",
            "|2^31 WSH=64 -X=y",
            "  -UNKNOWN",
        ] {
            assert!(
                parsed(&format!("7 aes_cm_128_hmac_sha1_32\tINLINE:{KEY}{rest}")).is_some(),
                "{rest}"
            );
        }
    }

    #[test]
    fn what_we_do_not_do_is_not_taken() {
        for rest in [
            "|2^20|1:4|",
            "|1:4|2^20",
            "|2^20|2^20",
            "|1:0",
            "|1:9",
            "|256:1",
            "|:4",
            "|1:",
            "|-1:4",
            "|18446744073709551616:8",
            "|2^49",
            "|0",
            "|",
            "|2^20|",
            &format!("|2^20|1:4;inline:{KEY}|2^20|2:4"),
            " UNENCRYPTED_SRTP",
            " UNENCRYPTED_SRTCP",
            " UNAUTHENTICATED_SRTP",
            " KDR=0",
            " KDR=1",
            " FEC_ORDER=FEC_SRTP",
            " FEC_KEY=inline:x",
            " WSH=63",
            " WSH=",
            " SOMETHING",
            " WSH=64 UNENCRYPTED_SRTCP",
        ] {
            assert_eq!(
                parsed(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}")),
                None,
                "{rest}"
            );
        }
        for line in [
            "",
            "1",
            "1 AES_CM_128_HMAC_SHA1_80",
            "1 AES_CM_128_HMAC_SHA1_80 inline:",
            "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
            &format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            &format!("1 AEAD_AES_128_GCM inline:{KEY}"),
            &format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            &format!("-1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            &format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{}", "A".repeat(2000)),
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }

    #[test]
    fn a_key_may_be_named_in_packets() {
        for (rest, expected) in [
            ("|2^20|1:4", &[0, 0, 0, 1][..]),
            ("|1:1", &[1]),
            ("|258:2", &[1, 2]),
            ("|18446744073709551615:8", &[0xff; 8]),
            ("|2^31", &[]),
        ] {
            let crypto = parsed(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}{rest}")).unwrap();
            assert_eq!(crypto.key.identifier(), expected, "{rest}");
        }
    }

    #[test]
    fn a_missing_padding_is_forgiven() {
        let key = MasterKey::new(Suite::AeadAes128Gcm, &[7; 28]).unwrap();
        let text = Crypto { tag: 3, key }.write();
        assert!(text.ends_with("=="));
        let bare = text.trim_start_matches("crypto:").trim_end_matches('=');
        assert_eq!(parsed(bare), parsed(text.trim_start_matches("crypto:")));
        assert!(parsed(bare).is_some());
    }

    #[test]
    fn a_key_prints_as_its_suite_alone() {
        let crypto = parsed(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).unwrap();
        assert_eq!(
            format!("{crypto:?}"),
            "Crypto { tag: 1, key: MasterKey(AesCm128HmacSha1_80) }"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in 0u32..1_000_000_000, suite in 0usize..4, octets in any::<[u8; 46]>()) {
            let suite = Suite::ALL[suite];
            let key = MasterKey::new(suite, &octets[..suite.key_octets() + suite.salt_octets()]).unwrap();
            let crypto = Crypto { tag, key };
            let text = crypto.write();
            prop_assert_eq!(parsed(text.trim_start_matches("crypto:")), Some(crypto));
        }

        #[test]
        fn any_line_is_read_or_refused(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Crypto::parse(&line);
        }
    }
}
