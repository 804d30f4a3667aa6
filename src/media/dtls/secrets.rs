//! From the agreed secret to keys (RFC 5246 §5, §6.3, §8.1; RFC 7627): of the handshake, and of the media (RFC 5764 §4.2).

use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::tls_prf::{self, Secret};
use zeroize::{Zeroize as _, Zeroizing};

use super::record::Cipher;
use super::{Fault, Role};
use crate::media::Keys;
use crate::sdp::{MASTER_OCTETS_MAX, MasterKey, Suite};

/// Octets of `verify_data` in Finished (RFC 5246 §7.4.9).
pub(super) const FINISHED_OCTETS: usize = 12;

const MASTER_OCTETS: usize = 48;

/// What a handshake is encrypted with: an exchange of its own for each (forward secrecy), and GCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CipherSuite {
    EcdsaAes128,
    RsaAes128,
    EcdsaAes256,
    RsaAes256,
}

impl CipherSuite {
    /// In the order in which we like them; the media has a cipher of its own, so the faster is first.
    pub(super) const ALL: [CipherSuite; 4] = [
        CipherSuite::EcdsaAes128,
        CipherSuite::RsaAes128,
        CipherSuite::EcdsaAes256,
        CipherSuite::RsaAes256,
    ];

    /// The registered number (RFC 5289).
    pub(super) fn number(self) -> u16 {
        match self {
            CipherSuite::EcdsaAes128 => 0xc02b,
            CipherSuite::EcdsaAes256 => 0xc02c,
            CipherSuite::RsaAes128 => 0xc02f,
            CipherSuite::RsaAes256 => 0xc030,
        }
    }

    pub(super) fn of(number: u16) -> Option<CipherSuite> {
        CipherSuite::ALL
            .into_iter()
            .find(|suite| suite.number() == number)
    }

    /// Whether the server proves itself with an ECDSA key, as ours does.
    pub(super) fn is_ecdsa(self) -> bool {
        matches!(self, CipherSuite::EcdsaAes128 | CipherSuite::EcdsaAes256)
    }

    fn key_octets(self) -> usize {
        match self {
            CipherSuite::EcdsaAes128 | CipherSuite::RsaAes128 => 16,
            CipherSuite::EcdsaAes256 | CipherSuite::RsaAes256 => 32,
        }
    }

    fn prf(self) -> &'static tls_prf::Algorithm {
        match self.key_octets() {
            16 => &tls_prf::P_SHA256,
            _ => &tls_prf::P_SHA384,
        }
    }

    fn hash(self, octets: &[u8]) -> digest::Digest {
        match self.key_octets() {
            16 => digest(&digest::SHA256, octets),
            _ => digest(&digest::SHA384, octets),
        }
    }
}

/// Where the secret is agreed on (RFC 8422).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    X25519,
    P256,
    P384,
}

impl Group {
    pub(super) const ALL: [Group; 3] = [Group::X25519, Group::P256, Group::P384];

    pub(super) fn number(self) -> u16 {
        match self {
            Group::X25519 => 29,
            Group::P256 => 23,
            Group::P384 => 24,
        }
    }

    pub(super) fn of(number: u16) -> Option<Group> {
        Group::ALL.into_iter().find(|group| group.number() == number)
    }

    fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Group::X25519 => &agreement::X25519,
            Group::P256 => &agreement::ECDH_P256,
            Group::P384 => &agreement::ECDH_P384,
        }
    }
}

/// Our half of an exchange, used once.
pub(super) struct Exchange {
    pub(super) group: Group,
    key: EphemeralPrivateKey,
    /// What the other side is told.
    pub(super) public: Vec<u8>,
}

impl Exchange {
    /// # Errors
    ///
    /// [`Fault::Ours`] where the system gives no randomness.
    pub(super) fn new(group: Group) -> Result<Exchange, Fault> {
        let key = EphemeralPrivateKey::generate(group.algorithm(), &SystemRandom::new())
            .map_err(|_| Fault::Ours)?;
        let public = key
            .compute_public_key()
            .map_err(|_| Fault::Ours)?
            .as_ref()
            .to_vec();
        Ok(Exchange { group, key, public })
    }

    /// The pre-master secret.
    ///
    /// # Errors
    ///
    /// [`Fault::Malformed`] for a point that is none.
    pub(super) fn agree(self, theirs: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let theirs = UnparsedPublicKey::new(self.group.algorithm(), theirs);
        agree_ephemeral(self.key, theirs, Fault::Malformed, |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })
    }
}

/// Both hellos' random octets.
#[derive(Clone, Copy, Default)]
pub(super) struct Randoms {
    pub(super) client: [u8; 32],
    pub(super) server: [u8; 32],
}

impl Randoms {
    /// The client's first, or the server's first.
    pub(super) fn joined(&self, first: Role) -> [u8; 64] {
        let (first, second) = match first {
            Role::Client => (self.client, self.server),
            Role::Server => (self.server, self.client),
        };
        let mut joined = [0; 64];
        joined[..32].copy_from_slice(&first);
        joined[32..].copy_from_slice(&second);
        joined
    }
}

/// The master secret, wiped when it is dropped.
pub(super) struct Master {
    suite: CipherSuite,
    randoms: Randoms,
    secret: [u8; MASTER_OCTETS],
}

impl Drop for Master {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Master {
    /// `session`: all messages up to and with ClientKeyExchange where both sides want the secret bound to them (RFC 7627).
    pub(super) fn new(
        suite: CipherSuite,
        randoms: Randoms,
        agreed: &[u8],
        session: Option<&[u8]>,
    ) -> Result<Master, Fault> {
        let derived = match session {
            Some(messages) => derive(
                suite,
                agreed,
                b"extended master secret",
                suite.hash(messages).as_ref(),
                MASTER_OCTETS,
            ),
            None => derive(
                suite,
                agreed,
                b"master secret",
                &randoms.joined(Role::Client),
                MASTER_OCTETS,
            ),
        }?;
        let mut secret = [0; MASTER_OCTETS];
        secret.copy_from_slice(derived.as_ref());
        Ok(Master {
            suite,
            randoms,
            secret,
        })
    }

    /// How the client's records are encrypted, and the server's.
    pub(super) fn ciphers(&self) -> Result<(Cipher, Cipher), Fault> {
        let key = self.suite.key_octets();
        let seed = self.randoms.joined(Role::Server);
        let block = self.derive(b"key expansion", &seed, 2 * (key + 4))?;
        let (keys, salts) = block.as_ref().split_at(2 * key);
        let cipher = |key: &[u8], salt: &[u8]| {
            let salt = salt.try_into().map_err(|_| Fault::Ours)?;
            Cipher::new(key, salt).ok_or(Fault::Ours)
        };
        Ok((
            cipher(&keys[..key], &salts[..4])?,
            cipher(&keys[key..], &salts[4..])?,
        ))
    }

    /// What a side's Finished says of all messages before it.
    pub(super) fn finished(&self, by: Role, messages: &[u8]) -> Result<[u8; FINISHED_OCTETS], Fault> {
        let label: &[u8] = match by {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let data = self.derive(label, self.suite.hash(messages).as_ref(), FINISHED_OCTETS)?;
        data.as_ref().try_into().map_err(|_| Fault::Ours)
    }

    /// The keys of the media, as the side with this role has them (RFC 5764 §4.2).
    pub(super) fn media_keys(&self, suite: Suite, role: Role) -> Result<Keys, Fault> {
        let (key, salt) = (suite.key_octets(), suite.salt_octets());
        let seed = self.randoms.joined(Role::Client);
        let block = self.derive(b"EXTRACTOR-dtls_srtp", &seed, 2 * (key + salt))?;
        let (keys, salts) = block.as_ref().split_at(2 * key);
        let of = |side: usize| {
            let mut octets = [0; MASTER_OCTETS_MAX];
            octets[..key].copy_from_slice(&keys[side * key..][..key]);
            octets[key..key + salt].copy_from_slice(&salts[side * salt..][..salt]);
            let master = MasterKey::new(suite, &octets[..key + salt]).ok_or(Fault::Ours);
            octets.zeroize();
            master
        };
        let (client, server) = (of(0)?, of(1)?);
        Ok(match role {
            Role::Client => Keys {
                inbound: server,
                outbound: client,
            },
            Role::Server => Keys {
                inbound: client,
                outbound: server,
            },
        })
    }

    fn derive(&self, label: &[u8], seed: &[u8], octets: usize) -> Result<Secret, Fault> {
        derive(self.suite, &self.secret, label, seed, octets)
    }
}

fn derive(
    suite: CipherSuite,
    secret: &[u8],
    label: &[u8],
    seed: &[u8],
    octets: usize,
) -> Result<Secret, Fault> {
    Secret::new(suite.prf(), secret)
        .and_then(|secret| secret.derive(label, seed, octets))
        .map_err(|_| Fault::Ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_an_exchange_have_the_same_keys_the_other_way_round() {
        for group in Group::ALL {
            for suite in CipherSuite::ALL {
                let (ours, theirs) = (Exchange::new(group).unwrap(), Exchange::new(group).unwrap());
                let public = [ours.public.clone(), theirs.public.clone()];
                let randoms = Randoms {
                    client: [1; 32],
                    server: [2; 32],
                };
                let of = |exchange: Exchange, public: &[u8]| {
                    let agreed = exchange.agree(public).unwrap();
                    Master::new(suite, randoms, &agreed, Some(b"messages")).unwrap()
                };
                let (ours, theirs) = (of(ours, &public[1]), of(theirs, &public[0]));
                for profile in Suite::ALL {
                    let client = ours.media_keys(profile, Role::Client).unwrap();
                    let server = theirs.media_keys(profile, Role::Server).unwrap();
                    assert_eq!(
                        (client.inbound, client.outbound),
                        (server.outbound, server.inbound)
                    );
                }
            }
        }
        let ours = Exchange::new(Group::P256).unwrap();
        assert!(matches!(ours.agree(&[4; 65]), Err(Fault::Malformed)), "no point");
    }
}
