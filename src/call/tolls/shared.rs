//! What calls to the outside come to at this gateway, as the others on the same store are told, and what they tell.
//!
//! Every gateway refuses by the sum of its own and of what it heard last. So two may pass a limit together by what both begin between two
//! tellings (a quarter of a second), and by no more; whom nobody hears for a while ([`SHARED_LASTS`]) counts for nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::super::limits::{SHARED_LASTS, SHARED_PAYERS_MAX};

/// What the calls of one come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Came {
    pub at_once: u32,
    /// That began within an hour.
    pub per_hour: u32,
    /// Within an hour.
    pub seconds: u64,
    /// Millionths, within an hour and within a day, those of calls that go on included.
    pub hour: u64,
    pub day: u64,
}

/// Of everybody, of each phone and of each queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub all: Came,
    pub persons: BTreeMap<String, Came>,
    pub queues: BTreeMap<String, Came>,
}

/// Whose.
#[derive(Clone, Copy)]
pub(super) enum Whose<'a> {
    All,
    Person(&'a str),
    Queue(&'a str),
}

impl Totals {
    pub(super) fn of(&self, whose: Whose<'_>) -> Came {
        match whose {
            Whose::All => self.all,
            Whose::Person(name) => self.persons.get(name).copied().unwrap_or_default(),
            Whose::Queue(name) => self.queues.get(name).copied().unwrap_or_default(),
        }
    }

    /// Those that come to most, where there are too many to tell of.
    pub(super) fn shorten(&mut self) {
        for names in [&mut self.persons, &mut self.queues] {
            if names.len() > SHARED_PAYERS_MAX {
                let mut all: Vec<_> = std::mem::take(names).into_iter().collect();
                all.sort_by_key(|(_, came)| came.place());
                all.truncate(SHARED_PAYERS_MAX);
                *names = all.into_iter().collect();
            }
        }
    }
}

impl Came {
    /// Where it stands among others: who comes to most is first.
    pub fn place(&self) -> std::cmp::Reverse<(u64, u64, u32)> {
        std::cmp::Reverse((self.day, self.seconds, self.per_hour))
    }

    pub(super) fn add(&mut self, other: Came) {
        self.at_once = self.at_once.saturating_add(other.at_once);
        self.per_hour = self.per_hour.saturating_add(other.per_hour);
        self.seconds = self.seconds.saturating_add(other.seconds);
        self.hour = self.hour.saturating_add(other.hour);
        self.day = self.day.saturating_add(other.day);
    }
}

/// What the other gateways said last.
#[derive(Default)]
pub(super) struct Elsewhere(BTreeMap<String, (Instant, Totals)>);

impl Elsewhere {
    pub(super) fn hear(&mut self, node: &str, totals: Totals, now: Instant) {
        self.0.insert(node.to_string(), (now, totals));
    }

    pub(super) fn forget(&mut self, node: &str) {
        self.0.remove(node);
    }

    /// Adds it all up.
    pub(super) fn join(&self, totals: &mut Totals, now: Instant) {
        for other in self.heard(now) {
            totals.all.add(other.all);
            for (sums, others) in [
                (&mut totals.persons, &other.persons),
                (&mut totals.queues, &other.queues),
            ] {
                for (name, came) in others {
                    sums.entry(name.clone()).or_default().add(*came);
                }
            }
        }
    }

    pub(super) fn of(&self, whose: Whose<'_>, now: Instant) -> Came {
        let mut sum = Came::default();
        self.heard(now).for_each(|totals| sum.add(totals.of(whose)));
        sum
    }

    /// Of those who have said something lately.
    fn heard(&self, now: Instant) -> impl Iterator<Item = &Totals> {
        let all = self.0.values();
        all.filter(move |(at, _)| now.saturating_duration_since(*at) < SHARED_LASTS)
            .map(|(_, totals)| totals)
    }
}
