//! What calls to the outside come to at this gateway, as the others on the same store are told, and what they tell.
//!
//! Every gateway refuses by the sum of its own and of what it heard last. So two may pass a limit together by what both begin between two
//! tellings (a quarter of a second), and by no more. Of whom nobody hears for a while ([`SHARED_LASTS`]) no call goes on; what it said of
//! an hour and of a day is spent until it is so old.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::super::limits::{GATEWAYS_MAX, SHARED_LASTS, SHARED_PAYERS_MAX, TOLL_DAY, TOLL_HOUR};
use super::purse::Spent;

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
            shortened(names, |came| came.place());
        }
    }
}

/// Those that stand first, where there are too many to tell of.
pub(super) fn shortened<T, P: Ord>(names: &mut BTreeMap<String, T>, place: impl Fn(&T) -> P) {
    if names.len() > SHARED_PAYERS_MAX {
        let mut all: Vec<_> = std::mem::take(names).into_iter().collect();
        all.sort_by_key(|(_, one)| place(one));
        all.truncate(SHARED_PAYERS_MAX);
        *names = all.into_iter().collect();
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

/// What the other gateways said last, and what was kept of those that have said nothing yet.
#[derive(Default)]
pub(super) struct Elsewhere {
    heard: BTreeMap<String, Heard>,
    kept: BTreeMap<String, Spent>,
}

struct Heard {
    at: Instant,
    totals: Totals,
    /// It is not there any more.
    is_gone: bool,
}

impl Elsewhere {
    pub(super) fn hear(&mut self, node: &str, mut totals: Totals, now: Instant) {
        totals.shorten();
        self.kept.remove(node);
        self.heard
            .retain(|_, heard| now.saturating_duration_since(heard.at) < TOLL_DAY);
        if self.heard.len() >= GATEWAYS_MAX && !self.heard.contains_key(node) {
            return;
        }
        let heard = Heard {
            at: now,
            totals,
            is_gone: false,
        };
        self.heard.insert(node.to_string(), heard);
    }

    pub(super) fn hear_kept(&mut self, node: &str, spent: Spent) {
        if self.kept.len() < GATEWAYS_MAX && !self.heard.contains_key(node) {
            self.kept.insert(node.to_string(), spent);
        }
    }

    pub(super) fn forget(&mut self, node: &str) {
        if let Some(heard) = self.heard.get_mut(node) {
            heard.is_gone = true;
        }
    }

    /// Adds it all up.
    pub(super) fn join(&self, totals: &mut Totals, now: Instant) {
        totals.all.add(self.of(Whose::All, now));
        let heard = || self.heard.values();
        let persons = heard().flat_map(|heard| heard.totals.persons.keys().map(String::as_str));
        let kept = || self.kept.values();
        let persons = persons.chain(kept().flat_map(|spent| spent.persons.keys().map(|name| &**name)));
        let queues = heard().flat_map(|heard| heard.totals.queues.keys().map(String::as_str));
        let queues = queues.chain(kept().flat_map(|spent| spent.queues.keys().map(|name| &**name)));
        for name in persons.collect::<BTreeSet<_>>() {
            let came = self.of(Whose::Person(name), now);
            totals.persons.entry(name.to_string()).or_default().add(came);
        }
        for name in queues.collect::<BTreeSet<_>>() {
            let came = self.of(Whose::Queue(name), now);
            totals.queues.entry(name.to_string()).or_default().add(came);
        }
    }

    pub(super) fn of(&self, whose: Whose<'_>, now: Instant) -> Came {
        let mut sum = Came::default();
        for heard in self.heard.values() {
            sum.add(heard.of(whose, now));
        }
        for spent in self.kept.values() {
            let [hour, day] = spent.of(whose).map_or([0; 2], |purse| purse.at(now));
            sum.add(Came {
                hour,
                day,
                ..Came::default()
            });
        }
        sum
    }
}

impl Heard {
    /// Of one that has said nothing lately, what it said of an hour and of a day, until that is so old: longer than it would have
    /// counted there, and never shorter.
    fn of(&self, whose: Whose<'_>, now: Instant) -> Came {
        let came = self.totals.of(whose);
        let age = now.saturating_duration_since(self.at);
        if !self.is_gone && age < SHARED_LASTS {
            return came;
        }
        let mut left = Came { at_once: 0, ..came };
        if age >= TOLL_HOUR {
            (left.per_hour, left.seconds, left.hour) = (0, 0, 0);
        }
        if age >= TOLL_DAY {
            left.day = 0;
        }
        left
    }
}
