//! What somebody here says about floods and addresses: who said it, why, and until when. Forgotten by a restart, as what it changes is.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cidr::neighbourhood;
use crate::flood::{self, Block, Blocks, Hand, NotBlocked, Shared, SurgeStanding};
use crate::time::Now;

/// Who said it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub by: String,
    /// No numbers and no names of callers.
    pub why: String,
    /// Unix ms.
    pub at_ms: u64,
}

pub struct ByHand {
    flood: Shared,
    blocks: Arc<Blocks>,
    /// Held for moments.
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    mode: Option<Word>,
    /// By what is blocked: of addresses that are blocked no more until the next look.
    blocks: BTreeMap<IpAddr, Word>,
}

/// As it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub surge: SurgeStanding,
    /// Trunks that have a flood of their own.
    pub trunks: Vec<String>,
    /// Who set the mode; None = it is that of the configuration.
    pub mode: Option<Word>,
    /// In the order of their addresses; with whoever blocked it, where somebody did.
    pub blocks: Vec<(Block, Option<Word>)>,
}

impl ByHand {
    pub fn new(flood: Shared, blocks: Arc<Blocks>) -> ByHand {
        ByHand {
            flood,
            blocks,
            said: Mutex::default(),
        }
    }

    /// Whether there is a flood, for so long; then the configuration's word counts again.
    pub fn set_mode(&self, hand: Hand, lasts: Duration, by: &str, why: &str, now: Now) {
        let mut said = self.said();
        self.flood.set_hand(hand, lasts, now.instant);
        said.mode = Some(Word::new(by, why, now));
    }

    /// The configuration's word counts again. False: it did already.
    pub fn leave_mode(&self, now: Now) -> bool {
        let mut said = self.said();
        said.mode = None;
        self.flood.leave_hand(now.instant)
    }

    /// Nothing is heard from this address for so long. Of one that is blocked already the term is another from now on.
    ///
    /// # Errors
    ///
    /// Why it is not blocked.
    pub fn block(
        &self,
        address: IpAddr,
        lasts: Duration,
        by: &str,
        why: &str,
        now: Now,
    ) -> Result<(), NotBlocked> {
        let mut said = self.said();
        self.blocks.block(address, lasts, now.instant)?;
        said.blocks
            .insert(neighbourhood(address), Word::new(by, why, now));
        Ok(())
    }

    /// It is heard again, whoever had it blocked. False: it was not blocked.
    pub fn lift(&self, address: IpAddr, now: Now) -> bool {
        let mut said = self.said();
        said.blocks.remove(&neighbourhood(address));
        self.blocks.lift(address, now.instant)
    }

    pub fn standing(&self, now: Now) -> Standing {
        let mut said = self.said();
        let flood::Standing { surge, trunks, .. } = self.flood.standing(now.instant);
        if surge.hand_ends.is_none() {
            said.mode = None;
        }
        let blocks = self.blocks.list(now.instant);
        let is_by_hand = |address: &IpAddr| {
            let mut blocks = blocks.iter();
            blocks.any(|block| block.address == *address && block.is_by_hand)
        };
        said.blocks.retain(|address, _| is_by_hand(address));
        let with_word = |block: Block| (block, said.blocks.get(&block.address).cloned());
        Standing {
            surge,
            trunks: trunks.into_iter().map(|(name, _)| name).collect(),
            mode: said.mode.clone(),
            blocks: blocks.iter().copied().map(with_word).collect(),
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Word {
    fn new(by: &str, why: &str, now: Now) -> Word {
        Word {
            by: by.to_string(),
            why: why.to_string(),
            at_ms: now.unix_ms(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flood::{CallLimits, SurgeConfig};
    use crate::runtime::clock;

    const MINUTE: Duration = Duration::from_secs(60);

    fn later(now: Now, by: Duration) -> Now {
        Now {
            instant: now.instant + by,
            utc: now.utc + by,
        }
    }

    #[test]
    fn what_somebody_said_is_known_until_its_term_is_over() {
        let blocks = Arc::new(Blocks::new(vec!["203.0.113.0/24".parse().unwrap()], false));
        let hand = ByHand::new(Shared::new(CallLimits::default(), SurgeConfig::default()), blocks);
        let now = clock::now();
        hand.set_mode(Hand::On, 30 * MINUTE, "ann", "bomb threats", now);
        hand.block("2001:db8::7".parse().unwrap(), MINUTE, "ann", "rude", now)
            .unwrap();
        let carrier = hand.block("203.0.113.9".parse().unwrap(), MINUTE, "ann", "rude", now);
        assert_eq!(carrier, Err(NotBlocked::Known));
        let standing = hand.standing(now);
        assert!(standing.surge.is_on);
        assert_eq!(standing.mode.as_ref().map(|word| word.by.as_str()), Some("ann"));
        let (block, word) = &standing.blocks[0];
        assert_eq!(
            (block.address.to_string().as_str(), block.is_by_hand),
            ("2001:db8::", true)
        );
        assert_eq!(word.as_ref().map(|word| word.why.as_str()), Some("rude"));

        let standing = hand.standing(later(now, 2 * MINUTE));
        assert!(standing.surge.is_on && standing.blocks.is_empty());
        let standing = hand.standing(later(now, 30 * MINUTE));
        assert!(!standing.surge.is_on && standing.mode.is_none());
        let after = later(now, 2 * MINUTE);
        assert!(!hand.lift("2001:db8::7".parse().unwrap(), after), "it is over");
        assert!(!hand.leave_mode(later(now, 31 * MINUTE)));
        assert!(hand.said().blocks.is_empty());
    }
}
