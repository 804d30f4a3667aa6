//! Keys by handshake in a description (DTLS-SRTP, RFC 5763): whose certificate it will be, and who begins.

use std::fmt;

use super::limits::FINGERPRINTS_MAX;

/// How a leg's keys come about, where it is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keying {
    /// They stand in the description (RFC 4568).
    #[default]
    Sdes,
    /// They are agreed on between the media ports (RFC 5763, RFC 5764); the description says by whom.
    Dtls,
}

/// What a certificate is known by. Weaker ones count as if they were not there (RFC 8122 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FingerprintHash {
    Sha256,
    Sha384,
    Sha512,
}

impl FingerprintHash {
    const ALL: [FingerprintHash; 3] = [
        FingerprintHash::Sha256,
        FingerprintHash::Sha384,
        FingerprintHash::Sha512,
    ];

    /// The name in descriptions.
    pub fn as_str(self) -> &'static str {
        match self {
            FingerprintHash::Sha256 => "sha-256",
            FingerprintHash::Sha384 => "sha-384",
            FingerprintHash::Sha512 => "sha-512",
        }
    }

    fn octets(self) -> usize {
        match self {
            FingerprintHash::Sha256 => 32,
            FingerprintHash::Sha384 => 48,
            FingerprintHash::Sha512 => 64,
        }
    }
}

/// The hash of a certificate, as descriptions say it.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: FingerprintHash,
    octets: Vec<u8>,
}

impl Fingerprint {
    /// `None` where the hash has another length.
    pub fn new(hash: FingerprintHash, octets: &[u8]) -> Option<Fingerprint> {
        (octets.len() == hash.octets()).then(|| Fingerprint {
            hash,
            octets: octets.to_vec(),
        })
    }

    pub fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// Reads the value of `a=fingerprint`, in whatever case.
    pub(super) fn parse(value: &[u8]) -> Option<Fingerprint> {
        let text = std::str::from_utf8(value).ok()?;
        let (name, hex) = text.trim().split_once(' ')?;
        let hash = FingerprintHash::ALL
            .into_iter()
            .find(|hash| name.eq_ignore_ascii_case(hash.as_str()))?;
        let is_octet = |part: &&str| part.len() == 2 && part.bytes().all(|o| o.is_ascii_hexdigit());
        let octets = hex.trim().split(':').map(|part| {
            let part = Some(part).filter(is_octet)?;
            u8::from_str_radix(part, 16).ok()
        });
        Fingerprint::new(hash, &octets.collect::<Option<Vec<u8>>>()?)
    }

    /// The attribute, without `a=`.
    pub(super) fn write(&self) -> String {
        let mut text = format!("fingerprint:{} ", self.hash.as_str());
        for (place, octet) in self.octets.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            text.push_str(&format!("{colon}{octet:02X}"));
        }
        text
    }
}

/// Its beginning is enough to tell two apart.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning = self.octets.first_chunk::<4>().copied().unwrap_or_default();
        write!(
            out,
            "{} {:08X}...",
            self.hash.as_str(),
            u32::from_be_bytes(beginning)
        )
    }
}

/// Who begins the handshake (RFC 4145 §4, RFC 5763 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Either; the answer says.
    Actpass,
    /// The author begins.
    Active,
    /// The author waits.
    Passive,
}

impl Setup {
    const ALL: [Setup; 3] = [Setup::Actpass, Setup::Active, Setup::Passive];

    /// The word in descriptions.
    pub fn as_str(self) -> &'static str {
        match self {
            Setup::Actpass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
        }
    }
}

/// What a description says of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dtls {
    /// Of the author's certificate; at least one, at most [`FINGERPRINTS_MAX`].
    pub fingerprints: Vec<Fingerprint>,
    /// `None`: it says nothing of who begins.
    pub setup: Option<Setup>,
}

impl Dtls {
    /// Its attributes, without `a=`.
    pub(super) fn write(&self) -> impl Iterator<Item = String> {
        let setup = self.setup.map(|setup| format!("setup:{}", setup.as_str()));
        self.fingerprints.iter().map(Fingerprint::write).chain(setup)
    }
}

/// What stands in a section, or before all of them, while it is read.
#[derive(Clone, Default)]
pub(super) struct Said {
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    /// `a=setup:holdconn`, or a word that we do not know: no handshake is wanted now.
    is_held: bool,
}

impl Said {
    /// True where the attribute is one of these.
    pub(super) fn read(&mut self, name: &[u8], value: &[u8]) -> bool {
        if name.eq_ignore_ascii_case(b"fingerprint") {
            if self.fingerprints.len() < FINGERPRINTS_MAX {
                self.fingerprints.extend(Fingerprint::parse(value));
            }
        } else if name.eq_ignore_ascii_case(b"setup") {
            let word = value.trim_ascii();
            self.setup = Setup::ALL
                .into_iter()
                .find(|setup| word.eq_ignore_ascii_case(setup.as_str().as_bytes()));
            self.is_held = self.setup.is_none();
        } else {
            return false;
        }
        true
    }

    /// What holds for a section: its own words, and where it has none those before all sections.
    pub(super) fn under(self, session: &Said) -> Option<Dtls> {
        let fingerprints = match self.fingerprints.is_empty() {
            true => session.fingerprints.clone(),
            false => self.fingerprints,
        };
        let (setup, is_held) = match self.setup.is_some() || self.is_held {
            true => (self.setup, self.is_held),
            false => (session.setup, session.is_held),
        };
        (!fingerprints.is_empty() && !is_held).then_some(Dtls { fingerprints, setup })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Session;
    use super::*;

    fn hex(octet: u8, octets: usize) -> String {
        vec![format!("{octet:02x}"); octets].join(":")
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        for hash in FingerprintHash::ALL {
            let fingerprint = Fingerprint::new(hash, &vec![0xa1; hash.octets()]).unwrap();
            let text = fingerprint.write();
            let value = text.strip_prefix("fingerprint:").unwrap();
            assert_eq!(Fingerprint::parse(value.as_bytes()), Some(fingerprint.clone()));
            assert_eq!(
                Fingerprint::parse(value.to_lowercase().as_bytes()),
                Some(fingerprint)
            );
        }
        for wrong in [
            format!("sha-1 {}", hex(1, 20)),
            format!("sha-256 {}", hex(1, 31)),
            format!("sha-256 {}", hex(1, 33)),
            format!("sha-256 {}", hex(1, 32).replace("01", "+1")),
            format!("sha-256{}", hex(1, 32)),
            "sha-256".to_string(),
            String::new(),
        ] {
            assert_eq!(Fingerprint::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    fn said(profile: &str, head: &str, lines: &str) -> Session {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n{head}m=audio 4000 {profile} 0\r\n{lines}"
        );
        Session::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_section_has_its_own_words_or_those_before_all() {
        let (one, two) = (
            format!("a=fingerprint:sha-256 {}\r\n", hex(1, 32)),
            format!("a=fingerprint:SHA-512 {}\r\n", hex(2, 64)),
        );
        let active = "a=setup:active\r\n";
        for (head, lines, expected) in [
            (String::new(), String::new(), None),
            (
                String::new(),
                format!("{one}{active}"),
                Some((1, Some(Setup::Active))),
            ),
            (
                format!("{one}{active}"),
                String::new(),
                Some((1, Some(Setup::Active))),
            ),
            (
                format!("{one}{one}"),
                format!("{two}a=setup:ACTPASS\r\n"),
                Some((1, Some(Setup::Actpass))),
            ),
            (one.clone(), String::new(), Some((1, None))),
            (format!("{one}{active}"), "a=setup:holdconn\r\n".into(), None),
            (String::new(), active.to_string(), None),
            (String::new(), one.repeat(20), Some((FINGERPRINTS_MAX, None))),
        ] {
            let session = said("UDP/TLS/RTP/SAVP", &head, &lines);
            let found = session.dtls().map(|dtls| (dtls.fingerprints.len(), dtls.setup));
            assert_eq!(found, expected, "{head} {lines}");
            // Without one there is no key at all.
            assert_eq!(session.audio_address().is_some(), expected.is_some());
        }
    }

    #[test]
    fn each_profile_goes_out_as_it_came() {
        let lines = format!("a=setup:actpass\r\na=fingerprint:sha-256 {}\r\n", hex(1, 32));
        for profile in ["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"] {
            let theirs = said(profile, "", &lines);
            let dtls = theirs.dtls().cloned().unwrap();
            let transport = super::super::Transport {
                protection: super::super::Protection {
                    profile: theirs.profile(),
                    crypto: Vec::new(),
                    dtls: Some(dtls),
                },
                rtcp_mux: false,
            };
            let octets = theirs
                .anchored([198, 51, 100, 7].into(), 20_002, 77, 3, &transport)
                .unwrap();
            let text = String::from_utf8(octets).unwrap();
            assert!(text.contains(&format!("m=audio 20002 {profile} 0\r\n")), "{text}");
            assert_eq!(text.matches("a=setup:actpass\r\n").count(), 1, "{text}");
            assert_eq!(text.matches("a=fingerprint:sha-256 01:01").count(), 1, "{text}");
        }
    }
}
