//! What the ledger knows at one moment, to be added up where no call waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::much::Sum;
use super::purse::Purse;
use super::shared::{Came, Totals};
use super::{Entries, Entry, Going};

/// By whom.
type ByName<T> = BTreeMap<Arc<str>, T>;

/// Taken in one go over the calls of an hour and whoever spent within a day, without adding any up.
pub(super) struct Snapshot {
    calls: Vec<Called>,
    all: Spending,
    persons: ByName<Spending>,
    queues: ByName<Spending>,
}

struct Called {
    person: Option<Arc<str>>,
    queue: Option<Arc<str>>,
    began: Instant,
    ended: Option<Instant>,
}

/// Of one.
#[derive(Clone, Copy, Default)]
struct Spending {
    going: Going,
    /// By calls that are over, within an hour and within a day.
    spent: [u64; 2],
}

impl Entries {
    pub(super) fn snapshot(&mut self, now: Instant) -> Snapshot {
        let called = |entry: &Entry| Called {
            person: entry.person.clone(),
            queue: entry.queue.clone(),
            began: entry.began,
            ended: entry.ended,
        };
        Snapshot {
            calls: self.calls.iter().map(called).collect(),
            all: Spending {
                going: self.all,
                spent: self.spent.all.came(now),
            },
            persons: spending(&self.persons, &mut self.spent.persons, now),
            queues: spending(&self.queues, &mut self.spent.queues, now),
        }
    }
}

fn spending(going: &ByName<Going>, spent: &mut ByName<Purse>, now: Instant) -> ByName<Spending> {
    let mut spendings: ByName<Spending> = spent
        .iter_mut()
        .map(|(name, purse)| {
            let spending = Spending {
                going: Going::default(),
                spent: purse.came(now),
            };
            (Arc::clone(name), spending)
        })
        .collect();
    for (name, going) in going {
        spendings.entry(Arc::clone(name)).or_default().going = *going;
    }
    spendings
}

impl Snapshot {
    pub(super) fn totals(self, now: Instant) -> Totals {
        let mut all = Sum::default();
        let (mut persons, mut queues) = (ByName::<Sum>::new(), ByName::<Sum>::new());
        for call in &self.calls {
            all.add(call.began, call.ended, now);
            for (sums, name) in [(&mut persons, &call.person), (&mut queues, &call.queue)] {
                if let Some(name) = name {
                    sums.entry(Arc::clone(name))
                        .or_default()
                        .add(call.began, call.ended, now);
                }
            }
        }
        let mut totals = Totals {
            all: came(&all, self.all),
            persons: named(persons, self.persons),
            queues: named(queues, self.queues),
        };
        totals.shorten();
        totals
    }
}

fn named(mut sums: ByName<Sum>, mut spendings: ByName<Spending>) -> BTreeMap<String, Came> {
    for name in spendings.keys() {
        sums.entry(Arc::clone(name)).or_default();
    }
    let came = |(name, sum): (Arc<str>, Sum)| {
        let spending = spendings.remove(&name).unwrap_or_default();
        (name.to_string(), came(&sum, spending))
    };
    sums.into_iter().map(came).collect()
}

fn came(sum: &Sum, spending: Spending) -> Came {
    let [hour, day] = spending
        .spent
        .map(|spent| spent.saturating_add(spending.going.held));
    Came {
        at_once: spending.going.count,
        per_hour: u32::try_from(sum.per_hour).unwrap_or(u32::MAX),
        seconds: sum.spent.as_secs(),
        hour,
        day,
    }
}
