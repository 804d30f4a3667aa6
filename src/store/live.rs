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
    changes: broadcast::Sender<Told>,
}

/// What is sent to subscribers.
#[derive(Clone, Debug)]
enum Told {
    Here(Arc<CallRecord>),
    Elsewhere(Arc<CallRecord>),
    Resync,
}

#[derive(Default)]
struct Calls {
    by_id: BTreeMap<CallId, Arc<CallRecord>>,
    /// So that a look-up for one caller costs the same however many calls there are.
    by_number: BTreeSet<(String, CallId)>,
    /// The last to end, oldest first, and the same to look them up.
    ended: VecDeque<CallId>,
    has_ended: BTreeSet<CallId>,
    /// Calls of other gateways, with their names.
    elsewhere: BTreeMap<CallId, Arc<str>>,
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
        self.elsewhere.remove(&id);
        let Some(record) = self.by_id.remove(&id) else {
            return;
        };
        if let Some(number) = number_of(&record) {
            self.by_number.remove(&(number.to_string(), id));
        }
    }

    fn told(&self, record: Arc<CallRecord>) -> Told {
        match self.elsewhere.contains_key(&record.id) {
            true => Told::Elsewhere(record),
            false => Told::Here(record),
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
        self.show(record, None);
    }

    /// The same for a call of another gateway, by its name.
    pub fn publish_elsewhere(&self, node: &Arc<str>, record: Arc<CallRecord>) {
        self.show(record, Some(node));
    }

    /// The gateway of this name is gone, or begins anew: its calls are not shown any more, and subscribers start over.
    pub fn forget(&self, node: &str) {
        let mut calls = self.lock();
        let of_node = calls.elsewhere.iter().filter(|(_, of)| &***of == node);
        let gone: Vec<CallId> = of_node.map(|(id, _)| *id).collect();
        gone.iter().for_each(|id| calls.remove(*id));
        if !gone.is_empty() {
            let _ = self.changes.send(Told::Resync);
        }
    }

    fn show(&self, record: Arc<CallRecord>, node: Option<&Arc<str>>) {
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
        let told = match node {
            Some(_) => Told::Elsewhere(record.clone()),
            None => Told::Here(record.clone()),
        };
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
            if let Some(node) = node {
                calls.elsewhere.insert(record.id, node.clone());
            }
            calls.insert(record);
        } else {
            calls.unshown += 1;
            return;
        }
        // Sent under the lock, so that `subscribe` gives a snapshot and exactly what came after it.
        // No subscriber is no fault.
        let _ = self.changes.send(told);
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

    /// Whether this is a live call of this gateway.
    pub fn is_here(&self, id: CallId) -> bool {
        let calls = self.lock();
        calls.by_id.contains_key(&id) && !calls.elsewhere.contains_key(&id)
    }

    /// Whether this call is known to have ended, here or elsewhere: one of the last [`ENDED_REMEMBERED`] to do so.
    pub fn has_ended(&self, id: CallId) -> bool {
        self.lock().has_ended.contains(&id)
    }

    /// How many calls are live at this gateway.
    pub fn len_here(&self) -> usize {
        let calls = self.lock();
        calls.by_id.len() - calls.elsewhere.len()
    }

    /// This gateway's calls as they are, and everything that changes from here on.
    pub fn subscribe_here(&self) -> (Vec<Arc<CallRecord>>, Changes) {
        let calls = self.lock();
        let changes = Changes {
            receiver: self.changes.subscribe(),
        };
        let mut here = in_order(&calls);
        here.retain(|record| !calls.elsewhere.contains_key(&record.id));
        (here, changes)
    }

    /// How many calls are live, those of other gateways with them.
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
        let record = Arc::clone(record);
        let _ = self.changes.send(calls.told(record));
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
    receiver: broadcast::Receiver<Told>,
}

impl Changes {
    /// Waits for the next change; None = the registry is gone.
    pub async fn next(&mut self) -> Option<Change> {
        match self.receiver.recv().await {
            Ok(told) => Some(told.into()),
            Err(RecvError::Lagged(_)) => Some(Change::Resync),
            Err(RecvError::Closed) => None,
        }
    }

    /// The next change of a call of this gateway, if there is one already.
    pub fn try_next_here(&mut self) -> Option<Change> {
        loop {
            match self.receiver.try_recv() {
                Ok(Told::Here(record)) => return Some(Change::Call(record)),
                Ok(Told::Elsewhere(_) | Told::Resync) => {}
                Err(TryRecvError::Lagged(_)) => return Some(Change::Resync),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    /// The next change if there is one already.
    pub fn try_next(&mut self) -> Option<Change> {
        match self.receiver.try_recv() {
            Ok(told) => Some(told.into()),
            Err(TryRecvError::Lagged(_)) => Some(Change::Resync),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

impl From<Told> for Change {
    fn from(told: Told) -> Change {
        match told {
            Told::Here(record) | Told::Elsewhere(record) => Change::Call(record),
            Told::Resync => Change::Resync,
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
