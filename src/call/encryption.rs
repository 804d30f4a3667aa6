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
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn security(wanted: Encryption) -> Security {
        Security::new(wanted, Suites::default(), || [7; 32])
    }

    fn said(profile: &str, lines: &[&str]) -> Session {
        let mut text =
            format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 {profile} 0\r\n");
        for line in lines {
            text.push_str(&format!("a=crypto:{line} inline:{KEY}\r\n"));
        }
        Session::parse(text.as_bytes()).unwrap()
    }

    fn plain() -> Session {
        said("RTP/AVP", &[])
    }

    const TWO: &[&str] = &["5 AES_CM_128_HMAC_SHA1_32", "9 AES_CM_128_HMAC_SHA1_80"];

    #[test]
    fn an_offer_is_taken_or_refused_as_the_policy_says() {
        for (wanted, offer, is_taken) in [
            (Encryption::Off, plain(), true),
            (Encryption::Off, said("RTP/AVP", TWO), true),
            (Encryption::Off, said("RTP/SAVP", TWO), false),
            (Encryption::Preferred, plain(), true),
            (Encryption::Preferred, said("RTP/AVP", TWO), true),
            (Encryption::Preferred, said("RTP/SAVP", TWO), true),
            (Encryption::Required, plain(), false),
            (Encryption::Required, said("RTP/AVP", TWO), true),
            (Encryption::Required, said("RTP/SAVP", TWO), true),
        ] {
            assert_eq!(security(wanted).heed(offer).is_ok(), is_taken, "{wanted:?}");
        }
    }

    #[test]
    fn an_answer_has_the_offers_words_and_our_key() {
        let mut leg = security(Encryption::Preferred);
        for (profile, is_savp) in [("RTP/SAVP", true), ("RTP/AVP", false)] {
            let protection = leg.answer(&said(profile, TWO)).unwrap();
            assert_eq!(protection.profile.is_encrypted(), is_savp);
            let [line] = protection.crypto.as_slice() else {
                panic!()
            };
            assert_eq!((line.tag, line.key.suite()), (5, Suite::AesCm128HmacSha1_32));
            let keys = leg.keys().unwrap();
            assert_eq!(keys.outbound, line.key);
            assert_eq!(keys.inbound.key(), b"YS___semctl () {");
        }
        assert_eq!(leg.answer(&plain()).unwrap(), Protection::default());
        assert!(leg.keys().is_none());
        assert!(
            security(Encryption::Off)
                .answer(&said("RTP/AVP", TWO))
                .unwrap()
                .crypto
                .is_empty()
        );
        assert!(security(Encryption::Required).answer(&plain()).is_err());
    }

    #[test]
    fn an_offer_of_ours_says_what_the_policy_wants() {
        assert_eq!(security(Encryption::Off).offer(), Protection::default());
        for (wanted, is_savp) in [(Encryption::Preferred, false), (Encryption::Required, true)] {
            let offer = security(wanted).offer();
            assert_eq!(offer.profile.is_encrypted(), is_savp);
            let suites: Vec<Suite> = offer.crypto.iter().map(|crypto| crypto.key.suite()).collect();
            assert_eq!(suites, Suite::ALL);
            let other = Security::new(wanted, Suites::default(), || [8; 32]).offer();
            assert!(
                offer
                    .crypto
                    .iter()
                    .zip(other.crypto)
                    .all(|(ours, other)| ours.key != other.key)
            );
        }
    }

    #[test]
    fn the_answer_chooses_one_of_our_lines_or_none() {
        let choice = "3 AES_CM_128_HMAC_SHA1_80";
        for (wanted, answer, is_agreed) in [
            (Encryption::Off, plain(), Some(false)),
            (Encryption::Off, said("RTP/AVP", &[choice]), Some(false)),
            (Encryption::Off, said("RTP/SAVP", &[choice]), None),
            (Encryption::Preferred, plain(), Some(false)),
            (Encryption::Preferred, said("RTP/AVP", &[choice]), Some(true)),
            (Encryption::Preferred, said("RTP/SAVP", &[choice]), Some(true)),
            (
                Encryption::Preferred,
                said("RTP/AVP", &["1 AES_CM_128_HMAC_SHA1_80"]),
                None,
            ),
            (Encryption::Required, plain(), None),
            (Encryption::Required, said("RTP/SAVP", &[choice]), Some(true)),
        ] {
            let mut leg = security(wanted);
            leg.offer();
            let taken = leg.take_answer(&answer).is_ok().then(|| leg.keys().is_some());
            assert_eq!(taken, is_agreed, "{wanted:?} {answer:?}");
        }
    }

    #[test]
    fn what_is_agreed_is_offered_first_from_then_on() {
        let mut leg = security(Encryption::Preferred);
        leg.answer(&said("RTP/SAVP", TWO)).unwrap();
        let before = leg.keys().unwrap().clone();
        let offer = leg.offer();
        assert_eq!(offer.profile, Profile::Savp);
        assert_eq!(offer.crypto[0].key, before.outbound);
        // The same key of theirs under our first tag: nothing changes.
        leg.take_answer(&said("RTP/SAVP", &["1 AES_CM_128_HMAC_SHA1_32"]))
            .unwrap();
        assert_eq!(leg.keys(), Some(&before));
    }

    #[test]
    fn only_suites_that_are_listed_are_offered_and_taken() {
        let only =
            |wanted, listed: &[Suite]| Security::new(wanted, Suites::of(listed.iter().copied()), || [7; 32]);
        let listed = [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm];
        let offer = only(Encryption::Required, &listed).offer();
        assert!(offer.crypto.iter().map(|crypto| crypto.key.suite()).eq(listed));
        // The second line is the first that may be taken.
        let mut leg = only(Encryption::Preferred, &listed);
        let answer = leg.answer(&leg.heed(said("RTP/SAVP", TWO)).unwrap()).unwrap();
        assert_eq!((answer.crypto.len(), answer.crypto[0].tag), (1, 9));
        for (wanted, profile, is_taken) in [
            (Encryption::Preferred, "RTP/AVP", true),
            (Encryption::Preferred, "RTP/SAVP", false),
            (Encryption::Required, "RTP/AVP", false),
            (Encryption::Required, "RTP/SAVP", false),
        ] {
            let mut leg = only(wanted, &[Suite::AeadAes256Gcm]);
            let heeded = leg.heed(said(profile, TWO));
            assert_eq!(heeded.is_ok(), is_taken, "{wanted:?} {profile}");
            // Plain then, without a key.
            assert!(heeded.is_err() || leg.answer(&heeded.unwrap()).unwrap().crypto.is_empty());
            // An offer that came late is looked at with the same eyes; the leg says so when it answers.
            leg.foresee(&said(profile, TWO));
            assert!(leg.keys().is_none());
        }
    }

    #[test]
    fn another_line_is_taken_where_the_first_has_none_of_the_suites() {
        let gcm = "1 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
        let offer = |second: &str| {
            let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n";
            let text = format!(
                "{head}m=audio 4000 RTP/SAVP 0\r\na=crypto:{}inline:{KEY}\r\n{second}",
                "1 AES_CM_128_HMAC_SHA1_80 "
            );
            Session::parse(text.as_bytes()).unwrap()
        };
        let secure = format!("m=audio 4002 RTP/SAVP 0\r\na=crypto:{gcm}\r\n");
        let plain = "m=audio 4004 RTP/AVP 0\r\n";
        let port = |wanted, offer| {
            let leg = Security::new(wanted, Suites::of([Suite::AeadAes128Gcm]), || [7; 32]);
            leg.heed(offer)
                .ok()
                .and_then(|offer| Some(offer.audio_address()?.port()))
        };
        for (wanted, second, expected) in [
            (Encryption::Required, secure.as_str(), Some(4002)),
            (Encryption::Preferred, &secure, Some(4002)),
            (Encryption::Required, plain, None),
            (Encryption::Preferred, plain, Some(4004)),
        ] {
            assert_eq!(port(wanted, offer(second)), expected, "{wanted:?} {second}");
        }
    }

    #[test]
    fn a_leg_that_moves_to_another_call_gets_other_keys() {
        let mut leg = security(Encryption::Required);
        let before = leg.offer();
        leg.renew(|| [8; 32]);
        assert_ne!(leg.offer().crypto[0].key, before.crypto[0].key);
        let mut leg = security(Encryption::Off);
        leg.renew(|| [8; 32]);
        assert_eq!(leg.offer(), Protection::default());
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let mut leg = security(Encryption::Required);
        leg.answer(&said("RTP/SAVP", TWO)).unwrap();
        let text = format!("{leg:?}");
        assert!(!text.contains("7, 7") && !text.contains("89, 83"), "{text}");
    }
}
