//! What a device is to sign: once, soon, and for one purpose.
//!
//! A challenge is signed with a key that this process made for itself: nothing is kept here for those who ask and never come back.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;

use super::limits::{CHALLENGE_LASTS, CHALLENGES_REMEMBERED};
use super::{octets, text};
use crate::accounts::secret::random;

const RANDOM: usize = 16;
/// Unix ms, random octets.
const HEAD: usize = 8 + RANDOM;

/// What a challenge is for. One that was given for another is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    SignIn,
    /// A new passkey of this account, which had changed so many times.
    Enrol(&'a str, u64),
}

/// Makes challenges, and knows which of them were answered.
pub struct Challenges {
    key: hmac::Key,
    /// Their random octets, by when they were answered, Unix ms.
    spent: BTreeMap<[u8; RANDOM], u64>,
}

impl Challenges {
    /// None = no randomness.
    pub fn new() -> Option<Challenges> {
        Some(Challenges {
            key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
            spent: BTreeMap::new(),
        })
    }

    /// In base64url, as browsers write it back. None = no randomness.
    pub fn make(&self, purpose: Purpose<'_>, now_ms: u64) -> Option<String> {
        let mut challenge = now_ms.to_be_bytes().to_vec();
        challenge.extend(random::<RANDOM>()?);
        let tag = hmac::sign(&self.key, &signed(&challenge, purpose));
        challenge.extend(tag.as_ref());
        Some(text(&challenge))
    }

    /// Whether this was made here, for that purpose, not too long ago, and was not answered before. From now on it was.
    pub fn spend(&mut self, challenge: &str, purpose: Purpose<'_>, now_ms: u64) -> bool {
        let Some(random) = self.read(challenge, purpose, now_ms) else {
            return false;
        };
        if self.spent.len() >= CHALLENGES_REMEMBERED {
            let lasts_ms = CHALLENGE_LASTS.as_millis() as u64;
            // One that was answered so long ago was made longer ago still.
            self.spent.retain(|_, at_ms| now_ms.abs_diff(*at_ms) < lasts_ms);
        }
        if self.spent.len() >= CHALLENGES_REMEMBERED || self.spent.contains_key(&random) {
            return false;
        }
        self.spent.insert(random, now_ms);
        true
    }

    fn read(&self, challenge: &str, purpose: Purpose<'_>, now_ms: u64) -> Option<[u8; RANDOM]> {
        let octets = octets(challenge)?;
        let (head, tag) = octets.split_at_checked(HEAD)?;
        hmac::verify(&self.key, &signed(head, purpose), tag).ok()?;
        let (made_ms, random) = head.split_first_chunk::<8>()?;
        let is_fresh = now_ms.abs_diff(u64::from_be_bytes(*made_ms)) < CHALLENGE_LASTS.as_millis() as u64;
        random.try_into().ok().filter(|_| is_fresh)
    }
}

/// What the tag is over.
fn signed(head: &[u8], purpose: Purpose<'_>) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::SignIn => "sign in".to_string(),
        Purpose::Enrol(name, epoch) => format!("enrol {epoch} {name}"),
    };
    [head, purpose.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    #[test]
    fn a_challenge_is_good_once_soon_and_for_its_purpose() {
        let mut challenges = Challenges::new().unwrap();
        let lasts_ms = CHALLENGE_LASTS.as_millis() as u64;
        let made = challenges.make(Purpose::SignIn, NOW).unwrap();
        assert!(
            challenges
                .read(&made, Purpose::SignIn, NOW + lasts_ms - 1)
                .is_some()
        );
        assert!(challenges.read(&made, Purpose::SignIn, NOW + lasts_ms).is_none());
        assert!(challenges.read(&made, Purpose::Enrol("ann", 1), NOW).is_none());
        assert!(challenges.spend(&made, Purpose::SignIn, NOW));
        assert!(!challenges.spend(&made, Purpose::SignIn, NOW), "once");

        let anns = challenges.make(Purpose::Enrol("ann", 3), NOW).unwrap();
        for other in [
            Purpose::Enrol("bob", 3),
            Purpose::Enrol("ann", 4),
            Purpose::SignIn,
        ] {
            assert!(!challenges.spend(&anns, other, NOW), "{other:?}");
        }
        assert!(challenges.spend(&anns, Purpose::Enrol("ann", 3), NOW));
    }

    #[test]
    fn what_another_made_or_somebody_changed_is_none() {
        let (ours, theirs) = (Challenges::new().unwrap(), Challenges::new().unwrap());
        let made = theirs.make(Purpose::SignIn, NOW).unwrap();
        assert!(ours.read(&made, Purpose::SignIn, NOW).is_none());
        let made = ours.make(Purpose::SignIn, NOW).unwrap();
        let octets = octets(&made).unwrap();
        for place in 0..octets.len() {
            let mut changed = octets.clone();
            changed[place] ^= 1;
            assert!(
                ours.read(&text(&changed), Purpose::SignIn, NOW).is_none(),
                "{place}"
            );
        }
        for cut in ["", "AA", &made[..40]] {
            assert!(ours.read(cut, Purpose::SignIn, NOW).is_none());
        }
    }

    #[test]
    fn what_is_remembered_of_answers_is_bounded_and_nobody_signs_twice_by_that() {
        let mut challenges = Challenges::new().unwrap();
        let first = challenges.make(Purpose::SignIn, NOW).unwrap();
        assert!(challenges.spend(&first, Purpose::SignIn, NOW));
        for _ in 1..CHALLENGES_REMEMBERED {
            let made = challenges.make(Purpose::SignIn, NOW).unwrap();
            assert!(challenges.spend(&made, Purpose::SignIn, NOW));
        }
        let one_more = challenges.make(Purpose::SignIn, NOW).unwrap();
        assert!(!challenges.spend(&one_more, Purpose::SignIn, NOW));
        assert!(!challenges.spend(&first, Purpose::SignIn, NOW));
        let later = NOW + CHALLENGE_LASTS.as_millis() as u64;
        let made = challenges.make(Purpose::SignIn, later).unwrap();
        assert!(challenges.spend(&made, Purpose::SignIn, later));
    }
}
