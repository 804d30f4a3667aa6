//! Which policy judges which call: the live one, a newer one for a share of the callers, and one that only watches.

use std::sync::Arc;

use super::Policy;
use crate::screening::Facts;

/// What every shard has in its hands. Replaced as a whole.
#[derive(Clone, Debug)]
pub struct Lineup {
    live: Arc<Policy>,
    rollout: Option<(Arc<Policy>, u8)>,
    shadow: Option<Arc<Policy>>,
}

impl Lineup {
    /// One policy for every call.
    pub fn of(live: Arc<Policy>) -> Lineup {
        Lineup {
            live,
            rollout: None,
            shadow: None,
        }
    }

    /// `percent` of the callers (at most 100) are judged by `policy` from now on.
    #[must_use]
    pub fn with_rollout(self, policy: Arc<Policy>, percent: u8) -> Lineup {
        Lineup {
            rollout: Some((policy, percent.min(100))),
            ..self
        }
    }

    /// `policy` is asked about every call beside the one that judges it, and decides nothing.
    #[must_use]
    pub fn with_shadow(self, policy: Arc<Policy>) -> Lineup {
        Lineup {
            shadow: Some(policy),
            ..self
        }
    }

    pub fn live(&self) -> &Arc<Policy> {
        &self.live
    }

    /// Every policy that judges or watches a call.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Policy>> {
        let rollout = self.rollout.as_ref().map(|(policy, _)| policy);
        [Some(&self.live), rollout, self.shadow.as_ref()]
            .into_iter()
            .flatten()
    }

    pub fn shadow(&self) -> Option<&Arc<Policy>> {
        self.shadow.as_ref()
    }

    /// The policy that judges this call. A caller stays with one while a roll-out goes on: his number chooses it, a
    /// withheld number the moment of his call.
    pub fn judge(&self, facts: &Facts) -> &Arc<Policy> {
        match &self.rollout {
            Some((policy, percent)) if share_of(facts) < *percent => policy,
            _ => &self.live,
        }
    }
}

/// 0 to 99, evenly over callers.
fn share_of(facts: &Facts) -> u8 {
    let hash = match &facts.caller.number {
        Some(number) => fnv(number.reveal().as_bytes()),
        None => fnv(&facts.arrived_ms.to_be_bytes()),
    };
    (hash % 100) as u8
}

/// FNV-1a, 64 bits, with a last mix: the low bits of neighbouring numbers differ.
fn fnv(octets: &[u8]) -> u64 {
    let hash = octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::shipped;
    use crate::redact::Redacted;
    use crate::screening::sample;

    #[test]
    fn a_share_of_the_callers_gets_the_newer_policy_and_keeps_it() {
        // Loaded once: there are tens of thousands of questions.
        let [live, newer] = ["default", "strict"].map(|name| Arc::new(shipped(name).unwrap().policy()));
        let of = |percent| Lineup::of(live.clone()).with_rollout(newer.clone(), percent);
        let mut facts = sample::unsigned();
        let mut judged = [0; 4];
        for number in 0..10_000u32 {
            facts.caller.number = Some(Redacted::new(format!("+1404555{number:04}")));
            let names = [0, 10, 50, 100].map(|percent| of(percent).judge(&facts).name() == "strict");
            for (count, is_newer) in judged.iter_mut().zip(names) {
                *count += u32::from(is_newer);
            }
            // Who was in at 10 % is in at 50 %.
            assert!(!names[1] || names[2]);
            if number > 300 && number % 97 != 0 {
                continue;
            }
            let again = of(50).judge(&facts).name() == "strict";
            assert_eq!(again, names[2]);
        }
        assert_eq!((judged[0], judged[3]), (0, 10_000));
        assert!(
            (900..1_100).contains(&judged[1]) && (4_800..5_200).contains(&judged[2]),
            "{judged:?}"
        );
    }
}
