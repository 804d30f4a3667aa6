//! SRTP on one leg: which keys are offered and answered, and what was agreed (RFC 4568 §7, RFC 8643).
//!
//! Keys stand in the descriptions (SDES), or come by handshake between the media ports (DTLS-SRTP, RFC 5763), where the
//! descriptions say whose certificate it will be and who begins. Each leg agrees on its own: keys of one side mean nothing to the other. Ours stay the same for a suite as long as the
//! leg lives, so that a description said again changes nothing; the party's are taken anew from every description.

use aws_lc_rs::hmac;
use zeroize::Zeroize as _;

use crate::media::Keys;
use crate::media::dtls::{Role, Terms};
use crate::sdp::{
    Crypto, Dtls, Encryption, Fingerprint, Keying, MASTER_OCTETS_MAX, MasterKey, Profile, Protection,
    Session, Setup, Suite, Suites,
};

use super::refusal::Refusal;
use super::{OutboundConfig, TrunkConfig};

/// Whether a leg is to be encrypted, and by which kind of keys where it is for us to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) encryption: Encryption,
    pub(crate) keying: Keying,
}

impl TrunkConfig {
    /// What is wanted of its legs.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            encryption: self.srtp,
            keying: self.srtp_keys,
        }
    }
}

impl OutboundConfig {
    /// What is wanted of the legs of phones that begin a call.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            encryption: self.srtp,
            keying: self.srtp_keys,
        }
    }
}

impl From<Encryption> for Wanted {
    fn from(encryption: Encryption) -> Wanted {
        Wanted {
            encryption,
            ..Wanted::default()
        }
    }
}

/// What one leg has agreed with us, or may.
#[derive(Clone, Debug, Default)]
pub(crate) struct Security {
    wanted: Encryption,
    keying: Keying,
    /// Of our certificate. `None` where there is none: no handshake is offered or taken.
    ours: Option<Fingerprint>,
    /// What may be offered and taken.
    suites: Suites,
    /// Our keys of this leg are made from it. `None` where nothing may be encrypted.
    secret: Option<Secret>,
    /// The lines of our last description: what an answer may choose from.
    said: Vec<(u32, Suite)>,
    /// It offered a handshake.
    is_dtls_said: bool,
    /// What is merely preferred is offered as if it were required: now, or once before.
    insists: Option<bool>,
    agreed: Option<Agreed>,
}

#[derive(Clone, Debug)]
struct Agreed {
    how: How,
    profile: Profile,
}

#[derive(Clone, Debug)]
enum How {
    Keys(Box<Keys>),
    Dtls(Box<Terms>),
}

/// What an offer of the leg has that we take.
enum Choice<'o> {
    Crypto(&'o Crypto),
    Dtls(&'o Dtls),
}

#[derive(Clone)]
struct Secret([u8; 32]);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret")
    }
}

impl Security {
    /// `random` is drawn only where something may be encrypted.
    pub(crate) fn new(
        wanted: impl Into<Wanted>,
        suites: Suites,
        random: impl FnOnce() -> [u8; 32],
    ) -> Security {
        let Wanted { encryption, keying } = wanted.into();
        Security {
            wanted: encryption,
            keying,
            suites,
            secret: (encryption != Encryption::Off).then(|| Secret(random())),
            ..Security::default()
        }
    }

    /// With our certificate.
    pub(crate) fn with_dtls(mut self, ours: Option<Fingerprint>) -> Security {
        self.ours = ours;
        self
    }

    /// The same leg, nothing of it said yet, where what is wanted is known only now.
    pub(crate) fn wanting(&self, wanted: Wanted, random: impl FnOnce() -> [u8; 32]) -> Security {
        Security::new(wanted, self.suites, random).with_dtls(self.ours.clone())
    }

    /// The leg goes on in another call, whose counters begin anew: never twice from the start with one key.
    pub(crate) fn renew(&mut self, random: impl FnOnce() -> [u8; 32]) {
        if let Some(secret) = &mut self.secret {
            *secret = Secret(random());
        }
    }

    /// What the leg is encrypted with now, where the keys stood in the descriptions.
    pub(crate) fn keys(&self) -> Option<&Keys> {
        match &self.agreed.as_ref()?.how {
            How::Keys(keys) => Some(keys),
            How::Dtls(_) => None,
        }
    }

    /// The handshake that gives the keys.
    pub(crate) fn terms(&self) -> Option<&Terms> {
        match &self.agreed.as_ref()?.how {
            How::Dtls(terms) => Some(terms),
            How::Keys(_) => None,
        }
    }

    /// Whether nothing of this leg may be plain.
    pub(crate) fn is_required(&self) -> bool {
        self.wanted == Encryption::Required
    }

    /// The line of an offer of this leg that we take, and whether we may.
    ///
    /// # Errors
    ///
    /// 488 where only an encrypted line is offered and nothing may be, or none of its suites; or only a plain one and that may
    /// not.
    pub(crate) fn heed(&self, offer: Session) -> Result<Session, Refusal> {
        let offer = offer.preferring(self.wanted, self.suites);
        match self.wanted {
            Encryption::Off if offer.is_savp() => {
                Err(Refusal::NotAcceptable("encrypted audio (SRTP) is off here"))
            }
            Encryption::Required if offer.crypto().is_empty() && offer.dtls().is_none() => Err(PLAIN),
            Encryption::Required if self.choose(&offer).is_none() => Err(OTHER_SUITES),
            _ if offer.is_savp() && self.choose(&offer).is_none() => Err(OTHER_SUITES),
            _ => Ok(offer),
        }
    }

    /// What our next offer to this leg says.
    ///
    /// What is merely preferred goes out as `RTP/AVP` with keys beside it (RFC 8643): whoever does not know them answers
    /// plainly at once. A leg that speaks `RTP/SAVP` already is asked in the same words again.
    pub(crate) fn offer(&mut self) -> Protection {
        let agreed = self.agreed.as_ref().map(|agreed| agreed.profile);
        let by_handshake = self.prefers_dtls();
        let profile = match (self.wanted, agreed) {
            (Encryption::Off, _) => return self.say(Protection::default()),
            (Encryption::Preferred, None) if by_handshake && self.insists == Some(true) => Profile::TlsSavp,
            (Encryption::Preferred, agreed) => agreed.unwrap_or_default(),
            (Encryption::Required, Some(agreed)) if agreed.is_encrypted() => agreed,
            (Encryption::Required, _) if by_handshake => Profile::TlsSavp,
            (Encryption::Required, _) => Profile::Savp,
        };
        if let (true, Some(ours)) = (by_handshake, &self.ours) {
            // Either may begin, also where it is known who did: an answer that keeps to it changes nothing (RFC 8842 §5.5).
            let dtls = Dtls {
                fingerprints: vec![ours.clone()],
                setup: Some(Setup::Actpass),
            };
            return self.say(Protection {
                profile,
                crypto: Vec::new(),
                dtls: Some(dtls),
            });
        }
        let current = self.keys().map(Keys::suite);
        let mut suites: Vec<Suite> = self.suites.iter().collect();
        // The one in use first: a party that takes the first it knows changes nothing.
        suites.sort_by_key(|suite| Some(*suite) != current);
        let crypto = (1..).zip(suites).filter_map(|(tag, suite)| {
            let key = self.our_key(suite)?;
            Some(Crypto { tag, key })
        });
        let crypto = crypto.collect();
        self.say(Protection {
            profile,
            crypto,
            dtls: None,
        })
    }

    /// A phone refused what we offered at first: a handshake beside plain audio, which many that know handshakes do not know
    /// (RFC 8643). The next offer has nothing plain. False where it was something else that it refused; then, and when it has refused
    /// that too, the next is as the first was.
    pub(crate) fn insist(&mut self) -> bool {
        let is_preferred = self.wanted == Encryption::Preferred && self.agreed.is_none();
        if self.insists.is_none() && is_preferred && self.is_dtls_said {
            self.insists = Some(true);
            return true;
        }
        self.insists = self.insists.map(|_| false);
        false
    }

    /// What our answer to this offer of the leg says, which is agreed with that.
    ///
    /// # Errors
    ///
    /// As [`Security::heed`].
    pub(crate) fn answer(&mut self, offer: &Session) -> Result<Protection, Refusal> {
        self.foresee(offer);
        let Some(agreed) = &self.agreed else {
            return match (offer.is_savp(), self.wanted) {
                (_, Encryption::Required) | (true, _) => Err(PLAIN),
                _ => Ok(self.say(Protection::default())),
            };
        };
        let profile = agreed.profile;
        let (crypto, dtls) = match &agreed.how {
            How::Keys(keys) => {
                let crypto = self.first_of(offer).map(|theirs| Crypto {
                    tag: theirs.tag,
                    key: keys.outbound.clone(),
                });
                (crypto.into_iter().collect(), None)
            }
            How::Dtls(terms) => {
                let setup = match terms.role {
                    Role::Client => Setup::Active,
                    Role::Server => Setup::Passive,
                };
                let dtls = Dtls {
                    fingerprints: self.ours.iter().cloned().collect(),
                    setup: Some(setup),
                };
                (Vec::new(), Some(dtls))
            }
        };
        Ok(self.say(Protection {
            profile,
            crypto,
            dtls,
        }))
    }

    /// What the answer to this offer will be: the first line that can be taken. For an offer that came late, in a
    /// response: its author may send as soon as it is out.
    pub(crate) fn foresee(&mut self, offer: &Session) {
        let how = match self.choose(offer) {
            Some(Choice::Crypto(theirs)) => self.pair(&theirs.key).map(|keys| How::Keys(Box::new(keys))),
            Some(Choice::Dtls(theirs)) => {
                let role = match theirs.setup {
                    Some(Setup::Passive) => Role::Client,
                    Some(Setup::Active) | None => Role::Server,
                    // A role that we have we keep. Else the party begins: its first packet shows where it is, and opens the way
                    // back through its NAT.
                    Some(Setup::Actpass) => self
                        .terms()
                        .filter(|terms| terms.fingerprints == theirs.fingerprints)
                        .map_or(Role::Server, |terms| terms.role),
                };
                Some(self.handshake(role, theirs))
            }
            None => None,
        };
        self.agreed = how.map(|how| Agreed {
            how,
            profile: offer.profile(),
        });
    }

    /// The leg has answered what we said last.
    ///
    /// # Errors
    ///
    /// 488 where it chose a line that was not offered, or none although one was needed.
    pub(crate) fn take_answer(&mut self, answer: &Session) -> Result<(), Refusal> {
        if let (true, Some(theirs)) = (self.is_dtls_said, answer.dtls()) {
            let role = match theirs.setup {
                Some(Setup::Active) => Role::Server,
                // Whoever leaves it open still (RFC 5763 §5 forbids it) waits for us as well.
                Some(Setup::Passive | Setup::Actpass) | None => Role::Client,
            };
            self.agreed = Some(Agreed {
                how: self.handshake(role, theirs),
                profile: answer.profile(),
            });
            return Ok(());
        }
        let chosen = answer
            .crypto()
            .iter()
            .find(|theirs| self.said.contains(&(theirs.tag, theirs.key.suite())));
        let keys = chosen.and_then(|theirs| self.pair(&theirs.key));
        self.agreed = match keys {
            Some(keys) => Some(Agreed {
                how: How::Keys(Box::new(keys)),
                profile: answer.profile(),
            }),
            None if answer.is_savp() || !answer.crypto().is_empty() && !self.said.is_empty() => {
                return Err(Refusal::NotAcceptable("the answer has no key that was offered"));
            }
            None if self.wanted == Encryption::Required => return Err(PLAIN),
            None => None,
        };
        Ok(())
    }

    /// Whether the keys come by handshake where both kinds could be: as they do, and at first as the configuration says.
    fn prefers_dtls(&self) -> bool {
        let is_agreed = self
            .agreed
            .as_ref()
            .map(|agreed| matches!(agreed.how, How::Dtls(_)));
        self.ours.is_some() && is_agreed.unwrap_or(self.keying == Keying::Dtls)
    }

    fn choose<'o>(&self, offer: &'o Session) -> Option<Choice<'o>> {
        if self.wanted == Encryption::Off {
            return None;
        }
        let crypto = self.first_of(offer).map(Choice::Crypto);
        let dtls = offer.dtls().filter(|_| self.ours.is_some()).map(Choice::Dtls);
        match self.prefers_dtls() {
            true => dtls.or(crypto),
            false => crypto.or(dtls),
        }
    }

    fn handshake(&self, role: Role, theirs: &Dtls) -> How {
        How::Dtls(Box::new(Terms {
            role,
            fingerprints: theirs.fingerprints.clone(),
            suites: self.suites,
        }))
    }

    /// The first line of an offer whose suite may be taken.
    fn first_of<'o>(&self, offer: &'o Session) -> Option<&'o Crypto> {
        let mut lines = offer.crypto().iter();
        lines.find(|theirs| self.suites.has(theirs.key.suite()))
    }

    fn pair(&self, theirs: &MasterKey) -> Option<Keys> {
        Some(Keys {
            inbound: theirs.clone(),
            outbound: self.our_key(theirs.suite())?,
        })
    }

    /// Two blocks of HMAC-SHA-256 over the suite's name are longer than any master key.
    fn our_key(&self, suite: Suite) -> Option<MasterKey> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.secret.as_ref()?.0);
        let mut octets = [0; 64];
        for (block, octets) in (0u8..).zip(octets.chunks_exact_mut(32)) {
            let mut context = hmac::Context::with_key(&secret);
            context.update(suite.as_str().as_bytes());
            context.update(&[block]);
            octets.copy_from_slice(context.sign().as_ref());
        }
        let len = suite.key_octets() + suite.salt_octets();
        let key = MasterKey::new(suite, &octets[..len.min(MASTER_OCTETS_MAX)]);
        octets.zeroize();
        key
    }

    fn say(&mut self, protection: Protection) -> Protection {
        self.is_dtls_said = protection.dtls.is_some();
        self.said = protection
            .crypto
            .iter()
            .map(|crypto| (crypto.tag, crypto.key.suite()))
            .collect();
        protection
    }
}

pub(crate) const PLAIN: Refusal = Refusal::NotAcceptable("encrypted audio (SRTP) is required here");

const OTHER_SUITES: Refusal = Refusal::NotAcceptable("none of the SRTP suites offered is taken here");

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod handshake_tests;

#[cfg(test)]
#[path = "encryption_tests.rs"]
mod tests;
