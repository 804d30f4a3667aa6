//! What both sides say first: which cipher, which group, which SRTP suite (RFC 5246 §7.4.1, RFC 5764 §4.1).

use super::Fault;
use super::identity::Scheme;
use super::record::VERSION;
use super::secrets::{CipherSuite, Group};
use super::wire::{Reader, Write};
use crate::media::limits::DTLS_COOKIE_OCTETS_MAX;
use crate::sdp::{Suite, Suites};

/// Extensions, by their registered numbers.
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const USE_SRTP: u16 = 14;
const EXTENDED_MASTER_SECRET: u16 = 23;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// In a list of cipher suites it says the same as an empty `renegotiation_info` (RFC 5746 §3.3).
const NO_RENEGOTIATION: u16 = 0x00ff;

/// A client's, as far as it says anything that we know.
pub(super) struct ClientHello {
    pub(super) random: [u8; 32],
    pub(super) suites: Vec<CipherSuite>,
    pub(super) groups: Vec<Group>,
    pub(super) profiles: Vec<Suite>,
    pub(super) schemes: Vec<Scheme>,
    /// The master secret may be bound to the handshake (RFC 7627).
    pub(super) is_extended: bool,
    says_renegotiation: bool,
    says_point_formats: bool,
}

impl ClientHello {
    /// # Errors
    ///
    /// [`Fault::NothingInCommon`] for a version before DTLS 1.2; [`Fault::Malformed`].
    pub(super) fn read(body: &[u8]) -> Result<ClientHello, Fault> {
        let mut reader = Reader(body);
        // Versions count down.
        if reader.u16().ok_or(Fault::Malformed)? > VERSION {
            return Err(Fault::NothingInCommon);
        }
        ClientHello::read_after_version(reader).ok_or(Fault::Malformed)
    }

    fn read_after_version(mut reader: Reader<'_>) -> Option<ClientHello> {
        let random = reader.random()?;
        reader.vector(1)?;
        reader.vector(1)?;
        let suites = reader.vector(2)?;
        if !reader.vector(1)?.0.contains(&0) {
            return None;
        }
        let mut hello = ClientHello {
            random,
            suites: suites.u16s().filter_map(CipherSuite::of).collect(),
            // Who names no group takes P-256 (RFC 8422 §4).
            groups: vec![Group::P256],
            profiles: Vec::new(),
            schemes: Vec::new(),
            is_extended: false,
            says_renegotiation: suites.u16s().any(|suite| suite == NO_RENEGOTIATION),
            says_point_formats: false,
        };
        if reader.is_empty() {
            return Some(hello);
        }
        for_each_extension(reader, |kind, mut value| {
            match kind {
                SUPPORTED_GROUPS => {
                    let groups = value.vector(2)?;
                    hello.groups = groups.u16s().filter_map(Group::of).collect();
                }
                POINT_FORMATS => hello.says_point_formats = true,
                SIGNATURE_ALGORITHMS => {
                    let schemes = value.vector(2)?;
                    hello.schemes = schemes.u16s().filter_map(Scheme::of).collect();
                }
                USE_SRTP => {
                    let profiles = value.vector(2)?;
                    hello.profiles = profiles.u16s().filter_map(profile_of).collect();
                }
                EXTENDED_MASTER_SECRET => hello.is_extended = true,
                RENEGOTIATION_INFO => hello.says_renegotiation = true,
                _ => {}
            }
            Some(())
        })?;
        Some(hello)
    }

    /// Ours. `cookie`: what the server wants to hear again.
    pub(super) fn write(random: &[u8; 32], cookie: &[u8], suites: Suites) -> Vec<u8> {
        let mut out = Vec::new();
        out.u16(VERSION);
        out.extend_from_slice(random);
        out.vector(1, |_| {});
        out.vector(1, |out| out.extend_from_slice(cookie));
        out.vector(2, |out| {
            for suite in CipherSuite::ALL {
                out.u16(suite.number());
            }
            out.u16(NO_RENEGOTIATION);
        });
        out.vector(1, |out| out.push(0));
        out.vector(2, |out| {
            extension(out, SUPPORTED_GROUPS, |out| {
                out.vector(2, |out| {
                    Group::ALL.iter().for_each(|group| out.u16(group.number()))
                });
            });
            extension(out, POINT_FORMATS, |out| out.vector(1, |out| out.push(0)));
            extension(out, SIGNATURE_ALGORITHMS, |out| {
                out.vector(2, |out| {
                    Scheme::ALL.iter().for_each(|scheme| out.u16(scheme.number()))
                });
            });
            extension(out, USE_SRTP, |out| {
                out.vector(2, |out| suites.iter().for_each(|suite| out.u16(profile(suite))));
                out.push(0);
            });
            extension(out, EXTENDED_MASTER_SECRET, |_| {});
        });
        out
    }
}

/// A server's answer to it.
pub(super) struct ServerHello {
    pub(super) random: [u8; 32],
    pub(super) suite: CipherSuite,
    pub(super) profile: Suite,
    pub(super) is_extended: bool,
}

impl ServerHello {
    /// # Errors
    ///
    /// [`Fault::NothingInCommon`] for another version, a cipher that was not offered, or no SRTP suite; [`Fault::Malformed`].
    pub(super) fn read(body: &[u8], offered: Suites) -> Result<ServerHello, Fault> {
        let mut reader = Reader(body);
        if reader.u16().ok_or(Fault::Malformed)? != VERSION {
            return Err(Fault::NothingInCommon);
        }
        let random = reader.random().ok_or(Fault::Malformed)?;
        reader.vector(1).ok_or(Fault::Malformed)?;
        let suite = reader.u16().ok_or(Fault::Malformed)?;
        let suite = CipherSuite::of(suite).ok_or(Fault::NothingInCommon)?;
        if reader.u8() != Some(0) {
            return Err(Fault::Malformed);
        }
        let mut profiles = None;
        let mut is_extended = false;
        if !reader.is_empty() {
            for_each_extension(reader, |kind, mut value| {
                match kind {
                    USE_SRTP => profiles = Some(value.vector(2)?),
                    EXTENDED_MASTER_SECRET => is_extended = true,
                    _ => {}
                }
                Some(())
            })
            .ok_or(Fault::Malformed)?;
        }
        // One of those we offered, and one only (RFC 5764 §4.1.1).
        let profiles: Vec<u16> = profiles.map(|all| all.u16s().collect()).unwrap_or_default();
        let profile = match profiles[..] {
            [one] => profile_of(one).filter(|suite| offered.has(*suite)),
            _ => None,
        };
        Ok(ServerHello {
            random,
            suite,
            profile: profile.ok_or(Fault::NothingInCommon)?,
            is_extended,
        })
    }

    /// Ours, with what this client says it understands.
    pub(super) fn write(&self, to: &ClientHello) -> Vec<u8> {
        let mut out = Vec::new();
        out.u16(VERSION);
        out.extend_from_slice(&self.random);
        out.vector(1, |_| {});
        out.u16(self.suite.number());
        out.push(0);
        out.vector(2, |out| {
            extension(out, USE_SRTP, |out| {
                out.vector(2, |out| out.u16(profile(self.profile)));
                out.push(0);
            });
            if self.is_extended {
                extension(out, EXTENDED_MASTER_SECRET, |_| {});
            }
            if to.says_renegotiation {
                extension(out, RENEGOTIATION_INFO, |out| out.push(0));
            }
            if to.says_point_formats {
                extension(out, POINT_FORMATS, |out| out.vector(1, |out| out.push(0)));
            }
        });
        out
    }
}

/// The cookie of a HelloVerifyRequest (RFC 6347 §4.2.1).
pub(super) fn read_cookie(body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(body);
    reader.u16()?;
    let cookie = reader.vector(1)?.0;
    (!cookie.is_empty() && cookie.len() <= DTLS_COOKIE_OCTETS_MAX).then_some(cookie)
}

/// The number of a suite among SRTP protection profiles (RFC 5764 §4.1.2, RFC 7714 §14.2).
fn profile(suite: Suite) -> u16 {
    match suite {
        Suite::AesCm128HmacSha1_80 => 1,
        Suite::AesCm128HmacSha1_32 => 2,
        Suite::AeadAes128Gcm => 7,
        Suite::AeadAes256Gcm => 8,
    }
}

fn profile_of(number: u16) -> Option<Suite> {
    Suite::ALL.into_iter().find(|suite| profile(*suite) == number)
}

fn extension(out: &mut Vec<u8>, kind: u16, value: impl FnOnce(&mut Vec<u8>)) {
    out.u16(kind);
    out.vector(2, value);
}

fn for_each_extension<'a>(
    mut reader: Reader<'a>,
    mut each: impl FnMut(u16, Reader<'a>) -> Option<()>,
) -> Option<()> {
    let mut extensions = reader.vector(2)?;
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        each(kind, extensions.vector(2)?)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hellos_are_read_as_they_are_written() {
        let suites = Suites::of([Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80]);
        let octets = ClientHello::write(&[3; 32], b"cookie", suites);
        let hello = ClientHello::read(&octets).unwrap();
        assert!(hello.profiles.iter().copied().eq(suites.iter()));
        assert_eq!((hello.random, hello.is_extended), ([3; 32], true));
        assert_eq!(
            (&hello.suites[..], &hello.groups[..]),
            (&CipherSuite::ALL[..], &Group::ALL[..])
        );
        let answer = ServerHello {
            random: [4; 32],
            suite: CipherSuite::EcdsaAes128,
            profile: Suite::AeadAes128Gcm,
            is_extended: true,
        };
        let octets = answer.write(&hello);
        let read = ServerHello::read(&octets, suites).unwrap();
        assert_eq!((read.random, read.suite), ([4; 32], CipherSuite::EcdsaAes128));
        assert_eq!((read.profile, read.is_extended), (Suite::AeadAes128Gcm, true));
        // A suite that was not offered.
        let only = Suites::of([Suite::AeadAes256Gcm]);
        assert!(matches!(
            ServerHello::read(&octets, only),
            Err(Fault::NothingInCommon)
        ));
    }

    #[test]
    fn an_older_version_is_refused() {
        let mut octets = ClientHello::write(&[3; 32], b"", Suites::default());
        octets[..2].copy_from_slice(&[0xfe, 0xff]);
        assert!(matches!(ClientHello::read(&octets), Err(Fault::NothingInCommon)));
    }
}
