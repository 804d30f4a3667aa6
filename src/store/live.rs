//! Calls as they are now, and a stream of their changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::limits::{CHANGES_BEHIND_MAX, ENDED_REMEMBERED, LIVE_CALLS_MAX};
use super::number_of;
use crate::call::CallRecord;
use crate::call::record::{PersonReport, State};
use crate::call_id::CallId;

/// Calls as they are now, and a stream of their changes. Shared by the shards (publish) and the API (read, subscribe).
///
/// Holds at most [`LIVE_CALLS_MAX`] calls. A call leaves when its ended record was published.
pub struct Live {
    calls: Mutex<Calls>,
    changes: broadcast::Sender<Arc<CallRecord>>,
}

#[derive(Default)]
struct Calls {
    by_id: BTreeMap<CallId, Arc<CallRecord>>,
    /// So that a look-up for one caller costs the same however many calls there are.
    by_number: BTreeSet<(String, CallId)>,
    /// The last to end, oldest first, and the same to look them up.
    ended: VecDeque<CallId>,
    has_ended: BTreeSet<CallId>,
    unshown: u64,
}

impl Calls {
    fn insert(&mut self, record: Arc<CallRecord>) {
        let before = self.by_id.insert(record.id, Arc::clone(&record));
        let (before, number) = (before.as_deref().and_then(number_of), number_of(&record));
        if before == number {
            return;
        }
        if let Some(before) = before {
            self.by_number.remove(&(before.to_string(), record.id));
        }
        if let Some(number) = number {
            self.by_number.insert((number.to_string(), record.id));
        }
    }

    fn remove(&mut self, id: CallId) {
        let Some(record) = self.by_id.remove(&id) else {
            return;
        };
        if let Some(number) = number_of(&record) {
            self.by_number.remove(&(number.to_string(), id));
        }
    }

    fn from(&self, number: &str) -> Vec<Arc<CallRecord>> {
        let first = (number.to_string(), CallId(0));
        self.by_number
            .range(first..)
            .take_while(|(of, _)| of == number)
            .filter_map(|(_, id)| self.by_id.get(id).cloned())
            .collect()
    }
}

impl Live {
    pub fn new() -> Live {
        Live {
            calls: Mutex::new(Calls::default()),
            changes: broadcast::channel(CHANGES_BEHIND_MAX).0,
        }
    }

    /// Keeps the snapshot (until the call has ended) and tells every subscriber. Never waits for a slow one.
    ///
    /// An older revision than the one shown, and anything after the end, changes nothing. A report the
    /// person made meanwhile stays: the shard that publishes does not know of it.
    pub fn publish(&self, record: Arc<CallRecord>) {
        let mut calls = self.lock();
        if calls.has_ended.contains(&record.id) {
            return;
        }
        let mut record = record;
        if let Some(shown) = calls.by_id.get(&record.id) {
            if shown.revision > record.revision {
                return;
            }
            if record.report.is_none() && shown.report.is_some() {
                let report = shown.report.clone();
                Arc::make_mut(&mut record).report = report;
            }
        }
        if has_ended(&record) {
            calls.remove(record.id);
            if calls.ended.len() == ENDED_REMEMBERED
                && let Some(oldest) = calls.ended.pop_front()
            {
                calls.has_ended.remove(&oldest);
            }
            calls.ended.push_back(record.id);
            calls.has_ended.insert(record.id);
        } else if calls.by_id.len() < LIVE_CALLS_MAX || calls.by_id.contains_key(&record.id) {
            calls.insert(Arc::clone(&record));
        } else {
            calls.unshown += 1;
            return;
        }
        // Sent under the lock, so that `subscribe` gives a snapshot and exactly what came after it.
        // No subscriber is no fault.
        let _ = self.changes.send(record);
    }

    /// Every live call, oldest first.
    pub fn snapshot(&self) -> Vec<Arc<CallRecord>> {
        in_order(&self.lock())
    }

    pub fn call(&self, id: CallId) -> Option<Arc<CallRecord>> {
        self.lock().by_id.get(&id).cloned()
    }

    /// Live calls from this canonical number, by id.
    pub fn calls_from(&self, number: &str) -> Vec<Arc<CallRecord>> {
        self.lock().from(number)
    }

    /// The same, if nobody holds the lock: for threads that must not wait.
    pub fn try_calls_from(&self, number: &str) -> Option<Vec<Arc<CallRecord>>> {
        self.calls.try_lock().ok().map(|calls| calls.from(number))
    }

    /// How many calls are live.
    pub fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes that were not shown because the registry was full.
    pub fn unshown(&self) -> u64 {
        self.lock().unshown
    }

    /// The calls as they are, and everything that changes from here on, without a gap between.
    pub fn subscribe(&self) -> (Vec<Arc<CallRecord>>, Changes) {
        let calls = self.lock();
        let changes = Changes {
            receiver: self.changes.subscribe(),
        };
        (in_order(&calls), changes)
    }

    /// Puts what the person said on a live call and tells subscribers. False = not live.
    pub fn report(&self, id: CallId, report: PersonReport) -> bool {
        let mut calls = self.lock();
        let Some(record) = calls.by_id.get_mut(&id) else {
            return false;
        };
        Arc::make_mut(record).report = Some(report);
        let _ = self.changes.send(Arc::clone(record));
        true
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // A panic elsewhere left whole values only: every change below the lock is complete or not begun.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Live {
    fn default() -> Self {
        Live::new()
    }
}

/// What a subscriber hears next.
#[derive(Debug)]
pub enum Change {
    /// A call is new, has changed, or has ended (`state` says which).
    Call(Arc<CallRecord>),
    /// The subscriber was too slow and has missed changes: take a new snapshot.
    Resync,
}

/// The stream of changes, at most [`CHANGES_BEHIND_MAX`] behind.
pub struct Changes {
    receiver: broadcast::Receiver<Arc<CallRecord>>,
}

impl Changes {
    /// Waits for the next change; None = the registry is gone.
    pub async fn next(&mut self) -> Option<Change> {
        match self.receiver.recv().await {
            Ok(record) => Some(Change::Call(record)),
            Err(RecvError::Lagged(_)) => Some(Change::Resync),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next change if there is one already.
    pub fn try_next(&mut self) -> Option<Change> {
        match self.receiver.try_recv() {
            Ok(record) => Some(Change::Call(record)),
            Err(TryRecvError::Lagged(_)) => Some(Change::Resync),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

fn has_ended(record: &CallRecord) -> bool {
    record.state == State::Ended || record.timings.ended_ms.is_some()
}

fn in_order(calls: &Calls) -> Vec<Arc<CallRecord>> {
    let mut all: Vec<_> = calls.by_id.values().cloned().collect();
    all.sort_by_key(|record| (record.started_ms, record.id));
    all
}
