//! Keeps what people said of calls, as far as reputations come from it, and has the shards look at them as they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::call::CallRecord;
use crate::call::record::{Direction, PersonReport};
use crate::call_id::CallId;
use crate::reputation::{Ledger, Reported, Reputations, Said, subjects};
use crate::store::{Store, StoreError};

/// The shelf in the store; a document for each call, by its id.
const SHELF: &str = "reputation";

/// How often a report is tried again when another process was first.
const TRIES: usize = 5;

/// Has every shard look at these.
pub type Tell = dyn Fn(Arc<Reputations>) + Send + Sync;

/// Shared by whoever takes reports.
pub struct ReputationKeeper {
    store: Arc<dyn Store>,
    tell: Box<Tell>,
    /// Held while the disk is written: only for threads that may wait.
    desk: Mutex<Desk>,
    /// What everybody looks at, and what they looked at before; held for moments. The latter is taken apart here, at the
    /// next report, and not by the shard that lets go of it last.
    shown: Mutex<[Arc<Reputations>; 2]>,
}

#[derive(Clone, Default)]
struct Desk {
    revision: u64,
    ledger: Ledger,
}

impl ReputationKeeper {
    /// Reads what was said.
    ///
    /// # Errors
    ///
    /// Those of the store. A report that cannot be read is left out, and the log says so.
    pub fn open(store: Arc<dyn Store>, tell: Box<Tell>) -> Result<ReputationKeeper, StoreError> {
        let desk = read(&*store)?;
        Ok(ReputationKeeper {
            shown: Mutex::new([Arc::new(desk.ledger.reputations()), Arc::default()]),
            desk: Mutex::new(desk),
            store,
            tell,
        })
    }

    /// What the shards look at now.
    pub fn reputations(&self) -> Arc<Reputations> {
        self.shown()[0].clone()
    }

    /// Somebody said what a call was. Every shard has been told of it when this returns; a call that comes in that
    /// moment may still be judged without it. A call of which nothing was
    /// proven counts for nobody. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; nothing counts then.
    pub fn note(&self, record: &CallRecord, report: &PersonReport) -> Result<(), StoreError> {
        let said = match report.verdict.as_str() {
            "good" => Said::Good,
            "scam" => Said::Scam,
            _ => Said::Unsure,
        };
        let subjects = subjects(&record.facts, &record.identity);
        if subjects.is_empty() || record.direction == Direction::Outbound || record.drill {
            return Ok(());
        }
        let reported = Reported {
            at_ms: report.at_ms,
            said,
            subjects,
        };
        // Our own plain data always has a JSON form.
        let text = serde_json::to_string(&reported).unwrap_or_default();
        let mut desk = self.desk();
        for _ in 0..TRIES {
            let mut after = desk.clone();
            after.revision += 1;
            let gone = after.ledger.note(record.id, reported.clone());
            let put = (record.id.to_string(), Some(text.clone()));
            let changes = gone.into_iter().map(|call| (call.to_string(), None));
            let changes = std::iter::once(put).chain(changes).collect();
            if self.store.reshelve(SHELF, after.revision, changes)? {
                *desk = after;
                self.show(&desk);
                return Ok(());
            }
            *desk = read(&*self.store)?;
        }
        Err(StoreError::Busy {
            url: "reputation".into(),
            action: "keeping a report",
        })
    }

    /// How many reports count for this number. Blocks.
    pub fn reports_on(&self, number: &str) -> u64 {
        self.desk().ledger.reports_on(number)
    }

    /// Takes a number out of every report; every shard has been told when this returns. Gives how many reports that were.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; nothing is changed then.
    pub fn forget(&self, number: &str) -> Result<u64, StoreError> {
        let mut desk = self.desk();
        for _ in 0..TRIES {
            let mut after = desk.clone();
            after.revision += 1;
            let changed = after.ledger.forget(number);
            if changed.is_empty() {
                return Ok(0);
            }
            let count = changed.len() as u64;
            let changes = changed.into_iter().map(|(call, left)| {
                // Our own plain data always has a JSON form.
                let text = left.map(|left| serde_json::to_string(&left).unwrap_or_default());
                (call.to_string(), text)
            });
            if self.store.reshelve(SHELF, after.revision, changes.collect())? {
                *desk = after;
                self.show(&desk);
                return Ok(count);
            }
            *desk = read(&*self.store)?;
        }
        Err(StoreError::Busy {
            url: "reputation".into(),
            action: "forgetting a number",
        })
    }

    /// Another gateway on the same store has kept a report: every shard has been told when this returns. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; what was known stays.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let mut desk = self.desk();
        let now = read(&*self.store)?;
        if now.revision > desk.revision {
            *desk = now;
            self.show(&desk);
        }
        Ok(())
    }

    fn show(&self, desk: &Desk) {
        let reputations = Arc::new(desk.ledger.reputations());
        let next = [reputations.clone(), self.reputations()];
        let before = std::mem::replace(&mut *self.shown(), next);
        (self.tell)(reputations);
        drop(before);
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, [Arc<Reputations>; 2]> {
        // Replaced as a whole: whole at any moment.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(store: &dyn Store) -> Result<Desk, StoreError> {
    let shelf = store.shelf(SHELF)?;
    let mut ledger = Ledger::default();
    let mut reports: Vec<(CallId, Reported)> = Vec::new();
    for (key, text) in shelf.documents {
        match (key.parse(), serde_json::from_str(&text)) {
            (Ok(call), Ok(reported)) => reports.push((call, reported)),
            _ => tracing::error!(key, "a report cannot be read; it counts for nobody"),
        }
    }
    // In the order in which they were made: each forgets only what is old for it.
    reports.sort_by_key(|(call, reported)| (reported.at_ms, *call));
    for (call, reported) in reports {
        ledger.note(call, reported);
    }
    Ok(Desk {
        revision: shelf.revision,
        ledger,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::{Facts, Reputable, sample};
    use crate::store;

    fn memory() -> Arc<dyn Store> {
        let url = "sqlite::memory:".into();
        store::open(&store::Config { url }).unwrap()
    }

    fn report(verdict: &str) -> PersonReport {
        PersonReport {
            verdict: verdict.into(),
            note: None,
            at_ms: 1_790_000_000_000,
        }
    }

    fn record(call: u128, facts: &Facts) -> CallRecord {
        CallRecord::arriving(CallId(call), facts, None, None)
    }

    fn bad(keeper: &ReputationKeeper) -> Option<f64> {
        let record = record(99, &sample::signed());
        let known = keeper.reputations();
        let known = known.of(record.id, &record.facts, &record.identity, 1_790_000_000_000);
        known
            .iter()
            .find(|reputed| reputed.of == Reputable::Number)
            .map(|reputed| reputed.bad)
    }

    #[test]
    fn what_is_said_counts_at_once_and_after_a_restart_and_for_nobody_without_a_proof() {
        let store = memory();
        let told: Arc<Mutex<u32>> = Arc::default();
        let tell = {
            let told = told.clone();
            move |_| *told.lock().unwrap() += 1
        };
        let keeper = ReputationKeeper::open(store.clone(), Box::new(tell)).unwrap();
        keeper
            .note(&record(1, &sample::unsigned()), &report("scam"))
            .unwrap();
        assert_eq!((bad(&keeper), *told.lock().unwrap()), (None, 0));
        for call in 1..=3 {
            keeper
                .note(&record(call, &sample::signed()), &report("scam"))
                .unwrap();
        }
        assert_eq!((bad(&keeper), *told.lock().unwrap()), (Some(0.5), 3));
        keeper
            .note(&record(3, &sample::signed()), &report("good"))
            .unwrap();
        assert_eq!(bad(&keeper), Some(0.375), "he changed his mind");
        drop(keeper);
        let again = ReputationKeeper::open(store, Box::new(|_| ())).unwrap();
        assert_eq!(bad(&again), Some(0.375));
    }

    #[test]
    fn two_processes_on_one_store_lose_no_report() {
        let store = memory();
        let open = || ReputationKeeper::open(store.clone(), Box::new(|_| ())).unwrap();
        let (first, second) = (open(), open());
        first
            .note(&record(1, &sample::signed()), &report("scam"))
            .unwrap();
        second
            .note(&record(2, &sample::signed()), &report("scam"))
            .unwrap();
        assert_eq!(bad(&second), bad(&open()));
        assert_eq!(bad(&second), Some(0.428571));
        assert_ne!(bad(&first), bad(&second));
        first.refresh().unwrap();
        assert_eq!(bad(&first), bad(&second));
    }
}
