//! What the gateways on one store tell each other of the calls they count, so that a limit is one of all of them together.
//!
//! Each tells every quarter of a second, if something changed, and every second anyhow: how many calls of whom it has, and how many
//! came since it told last. What others have is added to what is here; for what came there, tokens are taken here too. Between two
//! tellings each goes by what it knows, so **two may pass a limit together by what both take in that time**, at the very most twice the
//! limit; from then on neither takes one more until there is room. A token that others took is paid back for a second at most. Whoever is not heard for
//! [`TOLD_LASTS`] counts for nothing: without the store each gateway has its limits for itself.
//!
//! Who it is travels as a number of 64 bits under a key that lies in the store. Gateways with other keys, or that count otherwise
//! (another version), do not understand each other and say so by [`Told::probe`].

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::limit::Scope;
use super::limits::{TOLD_LASTS, TOLD_PARTIES_MAX};

/// What one gateway tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What a certain word comes to under the key: another one, and nothing here means anything.
    pub probe: u64,
    /// Those with most calls, where there are too many to tell of.
    pub parties: Vec<Party>,
}

/// What one gateway has of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Place in [`Scope::ALL`], and who it is.
    pub(super) scope: u8,
    pub(super) key: u64,
    pub(super) calls: u32,
    pub(super) ringing: u32,
    /// New ones since the last telling.
    pub(super) came: u32,
}

impl Told {
    /// Of so many it is worth telling.
    pub(super) fn shortened(mut self) -> Told {
        if self.parties.len() > TOLD_PARTIES_MAX {
            let weight = |party: &Party| {
                std::cmp::Reverse((u64::from(party.calls) + u64::from(party.came), party.key))
            };
            self.parties.sort_unstable_by_key(weight);
            self.parties.truncate(TOLD_PARTIES_MAX);
        }
        self
    }

    /// What came while nobody could be told is over.
    #[must_use]
    pub fn without_what_came(mut self) -> Told {
        self.parties.iter_mut().for_each(|party| party.came = 0);
        self
    }

    /// Whether it says that something came: that is told once and is not to be lost.
    pub fn says_what_came(&self) -> bool {
        self.parties.iter().any(|party| party.came > 0)
    }
}

/// What the others have.
#[derive(Default)]
pub(super) struct Elsewhere {
    nodes: BTreeMap<String, (Instant, Vec<Party>)>,
    /// Calls, and ringing ones, of all of them.
    sums: HashMap<(u8, u64), (u32, u32)>,
}

impl Elsewhere {
    pub(super) fn hear(&mut self, node: &str, parties: Vec<Party>, now: Instant) {
        self.nodes.insert(node.to_string(), (now, parties));
        self.add_up(now);
    }

    pub(super) fn forget(&mut self, node: &str, now: Instant) {
        if self.nodes.remove(node).is_some() {
            self.add_up(now);
        }
    }

    pub(super) fn of(&self, scope: Scope, key: u64, now: Instant) -> (u32, u32) {
        match self.is_heard(now) {
            true => self.sums.get(&(scope as u8, key)).copied().unwrap_or_default(),
            false => (0, 0),
        }
    }

    /// Whom we count with.
    pub(super) fn heard(&self, now: Instant) -> Vec<String> {
        let heard = self.nodes.iter().filter(|(_, (at, _))| is_fresh(*at, now));
        heard.map(|(node, _)| node.clone()).collect()
    }

    fn is_heard(&self, now: Instant) -> bool {
        self.nodes.values().any(|(at, _)| is_fresh(*at, now))
    }

    fn add_up(&mut self, now: Instant) {
        self.nodes.retain(|_, (at, _)| is_fresh(*at, now));
        self.sums.clear();
        for party in self.nodes.values().flat_map(|(_, parties)| parties) {
            let sum = self.sums.entry((party.scope, party.key)).or_default();
            sum.0 = sum.0.saturating_add(party.calls);
            sum.1 = sum.1.saturating_add(party.ringing);
        }
    }
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < TOLD_LASTS
}
