//! What calls that are over have cost in the last hour and in the last day.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::super::limits::{SPENT_STEP, TOLL_DAY, TOLL_HOUR};
use super::shared::Whose;
use super::tariff::Money;

/// Of one phone, of one queue, or of all: at most one sum a minute, for a day. Added up as it changes.
#[derive(Clone, Default)]
pub(super) struct Purse {
    /// What ended within an hour, the oldest first, and what it comes to.
    new: VecDeque<Sum>,
    of_new: u64,
    /// What ended before that, within a day.
    old: VecDeque<Sum>,
    of_old: u64,
}

#[derive(Clone)]
struct Sum {
    since: Instant,
    /// When the last of it ended: until that is too old, all of it counts.
    last: Instant,
    money: Money,
}

impl Purse {
    /// The oldest first.
    pub(super) fn add(&mut self, money: Money, now: Instant) {
        self.forget(now);
        self.of_new = self.of_new.saturating_add(money.0);
        match self.new.back_mut() {
            Some(sum) if now.saturating_duration_since(sum.since) < SPENT_STEP => {
                sum.last = sum.last.max(now);
                sum.money.0 = sum.money.0.saturating_add(money.0);
            }
            _ => self.new.push_back(Sum {
                since: now,
                last: now,
                money,
            }),
        }
    }

    /// What ended within an hour, and within a day.
    pub(super) fn came(&mut self, now: Instant) -> [u64; 2] {
        self.forget(now);
        [self.of_new, self.of_new.saturating_add(self.of_old)]
    }

    fn forget(&mut self, now: Instant) {
        let age = |sum: &Sum| now.saturating_duration_since(sum.last);
        while let Some(sum) = self.new.pop_front_if(|sum| age(sum) >= TOLL_HOUR) {
            self.of_new = self.of_new.saturating_sub(sum.money.0);
            self.of_old = self.of_old.saturating_add(sum.money.0);
            self.old.push_back(sum);
        }
        while let Some(sum) = self.old.pop_front_if(|sum| age(sum) >= TOLL_DAY) {
            self.of_old = self.of_old.saturating_sub(sum.money.0);
        }
    }

    /// The same without forgetting: goes over all sums of a day.
    pub(super) fn at(&self, now: Instant) -> [u64; 2] {
        let within = |window| {
            let ages = self
                .sums()
                .filter(move |(last, _)| now.saturating_duration_since(*last) < window);
            ages.fold(0u64, |all, (_, money)| all.saturating_add(money))
        };
        [within(TOLL_HOUR), within(TOLL_DAY)]
    }

    /// Each with when the last of it ended, the oldest first.
    pub(super) fn sums(&self) -> impl Iterator<Item = (Instant, u64)> {
        let all = self.old.iter().chain(&self.new);
        all.map(|sum| (sum.last, sum.money.0))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.old.is_empty()
    }
}

/// Of all, and of each who pays.
#[derive(Clone, Default)]
pub(super) struct Spent {
    pub(super) all: Purse,
    pub(super) persons: BTreeMap<Arc<str>, Purse>,
    pub(super) queues: BTreeMap<Arc<str>, Purse>,
}

impl Spent {
    pub(super) fn add(
        &mut self,
        person: Option<&Arc<str>>,
        queue: Option<&Arc<str>>,
        money: Money,
        now: Instant,
    ) {
        self.all.add(money, now);
        for (purses, name) in [(&mut self.persons, person), (&mut self.queues, queue)] {
            if let Some(name) = name {
                purses.entry(Arc::clone(name)).or_default().add(money, now);
            }
        }
    }

    pub(super) fn forget(&mut self, now: Instant) {
        self.all.forget(now);
        for purses in [&mut self.persons, &mut self.queues] {
            purses.retain(|_, purse| {
                purse.forget(now);
                !purse.is_empty()
            });
        }
    }

    pub(super) fn of(&self, whose: Whose<'_>) -> Option<&Purse> {
        match whose {
            Whose::All => Some(&self.all),
            Whose::Person(name) => self.persons.get(name),
            Whose::Queue(name) => self.queues.get(name),
        }
    }

    /// Whether what these pay is kept already: no further place is needed for them.
    pub(super) fn knows(&self, person: Option<&str>, queue: Option<&str>) -> bool {
        person.is_none_or(|name| self.persons.contains_key(name))
            && queue.is_none_or(|name| self.queues.contains_key(name))
    }

    pub(super) fn len(&self) -> usize {
        self.persons.len() + self.queues.len()
    }
}
