//! What calls that are over have cost in the last hour and in the last day.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::super::limits::{SPENT_STEP, TOLL_DAY};
use super::tariff::Money;

/// Of one phone, of one queue, or of all: at most one sum a minute, for a day.
#[derive(Default)]
pub(super) struct Purse {
    /// The oldest first.
    sums: VecDeque<Sum>,
}

struct Sum {
    since: Instant,
    /// When the last of it ended: until that is too old, all of it counts.
    last: Instant,
    money: Money,
}

impl Purse {
    pub(super) fn add(&mut self, money: Money, now: Instant) {
        self.forget(now);
        match self.sums.back_mut() {
            Some(sum) if now.saturating_duration_since(sum.since) < SPENT_STEP => {
                sum.last = sum.last.max(now);
                sum.money.0 = sum.money.0.saturating_add(money.0);
            }
            _ => self.sums.push_back(Sum {
                since: now,
                last: now,
                money,
            }),
        }
    }

    /// What ended within so long.
    pub(super) fn within(&self, window: Duration, now: Instant) -> u64 {
        let counts = |sum: &&Sum| now.saturating_duration_since(sum.last) < window;
        let newest = self.sums.iter().rev().take_while(counts);
        newest.fold(0, |all, sum| all.saturating_add(sum.money.0))
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |sum: &Sum| now.saturating_duration_since(sum.last) >= TOLL_DAY;
        while self.sums.front().is_some_and(is_old) {
            self.sums.pop_front();
        }
    }

    fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }
}

/// Of all, and of each who pays.
#[derive(Default)]
pub(super) struct Spent {
    pub(super) all: Purse,
    pub(super) persons: BTreeMap<String, Purse>,
    pub(super) queues: BTreeMap<String, Purse>,
}

impl Spent {
    pub(super) fn add(&mut self, person: Option<&str>, queue: Option<&str>, money: Money, now: Instant) {
        self.all.add(money, now);
        for (purses, name) in [(&mut self.persons, person), (&mut self.queues, queue)] {
            if let Some(name) = name {
                purses.entry(name.to_string()).or_default().add(money, now);
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

    pub(super) fn len(&self) -> usize {
        self.persons.len() + self.queues.len()
    }
}
