//! What is known of the numbers that called lately, so that a look-up counts no row twice.
//!
//! A number that calls all day has thousands of rows; counting them anew for each of its calls would make the busiest
//! caller the most expensive one. The first look-up reads the rows, every kept record adds its own, and whatever cannot
//! be followed (a person's report, another program in the file) makes a number unknown again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::{HISTORIES_KEPT, HISTORY_ROWS_KEPT, HISTORY_ROWS_MAX, HISTORY_TRUSTED_MS};
use super::{known, number_of, was_answered};
use crate::call::CallRecord;
use crate::call_id::CallId;
use crate::screening::HistoryFacts;

/// One kept call, as far as history counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub started_ms: u64,
    pub id: CallId,
    pub revision: u32,
    pub was_answered: bool,
    pub verdict: Option<Verdict>,
}

/// What a person said, as far as history counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Scam,
}

impl Verdict {
    pub fn of(text: &str) -> Option<Verdict> {
        match text {
            "good" => Some(Verdict::Good),
            "scam" => Some(Verdict::Scam),
            _ => None,
        }
    }
}

impl Kept {
    pub fn of(record: &CallRecord) -> Kept {
        Kept {
            started_ms: record.started_ms,
            id: record.id,
            revision: record.revision,
            was_answered: was_answered(record),
            verdict: record
                .report
                .as_ref()
                .and_then(|report| Verdict::of(&report.verdict)),
        }
    }

    fn place(&self) -> (u64, CallId) {
        (self.started_ms, self.id)
    }
}

/// The newest calls of one number and their sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    /// By start, oldest first; at most [`HISTORY_ROWS_MAX`].
    rows: VecDeque<Kept>,
    answered: u64,
    good: u64,
    scam: u64,
}

impl Calls {
    /// Adds a call, or replaces what was known of it by a revision that is not older. A verdict once given stays.
    pub fn add(&mut self, mut call: Kept) {
        match self.find(&call) {
            Ok(at) => {
                if self.rows[at].revision > call.revision {
                    return;
                }
                call.verdict = self.rows[at].verdict.or(call.verdict);
                self.uncount(at);
                self.rows[at] = call;
            }
            Err(at) => self.rows.insert(at, call),
        }
        self.answered += u64::from(call.was_answered);
        self.good += u64::from(call.verdict == Some(Verdict::Good));
        self.scam += u64::from(call.verdict == Some(Verdict::Scam));
        if self.rows.len() > HISTORY_ROWS_MAX {
            self.uncount(0);
            self.rows.pop_front();
        }
    }

    /// What is known at `now_ms`, with the calls that are still live and not kept.
    pub fn facts(&self, now_ms: u64, live: &[Arc<CallRecord>]) -> HistoryFacts {
        let (minute, hour) = known::since(now_ms);
        let since = |start: u64| {
            let older = self.rows.partition_point(|call| call.started_ms < start);
            (self.rows.len() - older) as u64
        };
        let mut facts = HistoryFacts {
            is_available: true,
            calls_before: self.rows.len() as u64,
            answered_before: self.answered,
            calls_last_minute: since(minute),
            calls_last_hour: since(hour),
            reported_good: self.good,
            reported_scam: self.scam,
        };
        for record in live {
            if self.find(&Kept::of(record)).is_err() {
                known::add(&mut facts, record.started_ms, was_answered(record), now_ms);
            }
        }
        facts
    }

    /// Calls come about in the order they started: most belong near the end.
    fn find(&self, call: &Kept) -> Result<usize, usize> {
        match self.rows.back() {
            Some(last) if last.place() >= call.place() => {
                self.rows.binary_search_by_key(&call.place(), Kept::place)
            }
            _ => Err(self.rows.len()),
        }
    }

    fn uncount(&mut self, at: usize) {
        let call = self.rows[at];
        self.answered -= u64::from(call.was_answered);
        self.good -= u64::from(call.verdict == Some(Verdict::Good));
        self.scam -= u64::from(call.verdict == Some(Verdict::Scam));
    }
}

/// The numbers that called lately. Shared by the look-up threads (ask) and whoever saves records (tell).
#[derive(Default)]
pub(super) struct Histories {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    numbers: HashMap<Box<str>, Number>,
    /// By their last use, longest ago first.
    order: BTreeMap<u64, Box<str>>,
    /// Counts uses.
    uses: u64,
    /// Rows over all numbers.
    rows: usize,
    /// Counts what made every number unknown: rows that were read before are not kept after.
    cleared: u64,
}

struct Number {
    calls: Calls,
    /// False = its rows are being read: until then `calls` holds what was saved meanwhile.
    is_read: bool,
    read_ms: u64,
    used: u64,
}

/// Permission to keep what is read now.
pub(super) struct Reading {
    cleared: u64,
    used: u64,
}

impl Histories {
    /// What is known of `number`, if it is known and nobody holds the lock.
    pub fn facts_at_once(&self, number: &str, now_ms: u64, live: &[Arc<CallRecord>]) -> Option<HistoryFacts> {
        self.inner.try_lock().ok()?.known(number, now_ms, live)
    }

    /// What was known of `number` when it was read last, however long ago, and what was saved here since.
    pub fn facts_of_old(&self, number: &str, now_ms: u64, live: &[Arc<CallRecord>]) -> Option<HistoryFacts> {
        let inner = self.lock();
        let known = inner.numbers.get(number).filter(|known| known.is_read)?;
        Some(known.calls.facts(now_ms, live))
    }

    /// What is known of `number`; `Err` = nothing, and its rows are to be read.
    pub fn facts(
        &self,
        number: &str,
        now_ms: u64,
        live: &[Arc<CallRecord>],
    ) -> Result<HistoryFacts, Reading> {
        let mut inner = self.lock();
        if let Some(facts) = inner.known(number, now_ms, live) {
            return Ok(facts);
        }
        inner.forget(number);
        inner.uses += 1;
        let used = inner.uses;
        inner.order.insert(used, number.into());
        inner.numbers.insert(
            number.into(),
            Number {
                calls: Calls::default(),
                is_read: false,
                read_ms: now_ms,
                used,
            },
        );
        inner.forget_some();
        Err(Reading {
            cleared: inner.cleared,
            used,
        })
    }

    /// The rows of `number` as they were read, and what was saved while they were.
    pub fn read(
        &self,
        number: &str,
        reading: &Reading,
        mut calls: Calls,
        now_ms: u64,
        live: &[Arc<CallRecord>],
    ) -> HistoryFacts {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let known = inner.numbers.get_mut(number);
        let Some(known) = known
            .filter(|known| inner.cleared == reading.cleared && known.used == reading.used && !known.is_read)
        else {
            return calls.facts(now_ms, live);
        };
        for call in std::mem::take(&mut known.calls.rows) {
            inner.rows -= 1;
            calls.add(call);
        }
        inner.rows += calls.rows.len();
        let facts = calls.facts(now_ms, live);
        known.calls = calls;
        known.is_read = true;
        inner.forget_some();
        facts
    }

    /// A record was saved.
    pub fn add(&self, record: &CallRecord) {
        let Some(number) = number_of(record) else { return };
        let mut inner = self.lock();
        let inner = &mut *inner;
        if let Some(known) = inner.numbers.get_mut(number) {
            let before = known.calls.rows.len();
            known.calls.add(Kept::of(record));
            inner.rows = inner.rows + known.calls.rows.len() - before;
            inner.forget_some();
        }
    }

    /// Something changed that cannot be followed: every number is read again when it calls next.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.cleared += 1;
        inner.numbers.clear();
        inner.order.clear();
        inner.rows = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere left whole values only, or a number that is read again.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn known(&mut self, number: &str, now_ms: u64, live: &[Arc<CallRecord>]) -> Option<HistoryFacts> {
        let known = self.numbers.get_mut(number)?;
        if !known.is_read || known.read_ms.abs_diff(now_ms) >= HISTORY_TRUSTED_MS {
            return None;
        }
        self.uses += 1;
        if let Some(name) = self.order.remove(&known.used) {
            self.order.insert(self.uses, name);
        }
        known.used = self.uses;
        Some(known.calls.facts(now_ms, live))
    }

    fn forget(&mut self, number: &str) {
        if let Some(known) = self.numbers.remove(number) {
            self.order.remove(&known.used);
            self.rows -= known.calls.rows.len();
        }
    }

    /// The number that called longest ago goes first; the one just used stays, whatever it takes.
    fn forget_some(&mut self) {
        while (self.numbers.len() > HISTORIES_KEPT || self.rows > HISTORY_ROWS_KEPT) && self.order.len() > 1 {
            let Some((_, number)) = self.order.pop_first() else {
                return;
            };
            self.forget(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_790_000_000_000;

    fn kept(id: u128, started_ms: u64) -> Kept {
        Kept {
            started_ms,
            id: CallId(id),
            revision: 1,
            was_answered: id.is_multiple_of(2),
            verdict: None,
        }
    }

    #[test]
    fn the_oldest_call_goes_and_its_sums_with_it() {
        let mut calls = Calls::default();
        for id in 0..HISTORY_ROWS_MAX as u128 + 3 {
            calls.add(kept(id, NOON + id as u64));
        }
        let facts = calls.facts(NOON, &[]);
        assert_eq!(facts.calls_before, HISTORY_ROWS_MAX as u64);
        // Ids 3 to 10,002 are left: 4, 6, ... 10,002 were answered.
        assert_eq!(facts.answered_before, HISTORY_ROWS_MAX as u64 / 2);
    }

    #[test]
    fn a_call_counts_once_by_its_newest_revision_and_keeps_its_verdict() {
        let mut calls = Calls::default();
        let scam = Kept {
            verdict: Some(Verdict::Scam),
            ..kept(1, NOON)
        };
        calls.add(scam);
        calls.add(Kept {
            revision: 3,
            was_answered: true,
            ..kept(1, NOON)
        });
        calls.add(kept(1, NOON));
        let facts = calls.facts(NOON, &[]);
        let counted = (facts.calls_before, facts.answered_before, facts.reported_scam);
        assert_eq!(counted, (1, 1, 1));
    }

    #[test]
    fn what_is_saved_while_rows_are_read_is_counted_and_what_was_cleared_is_not_kept() {
        let histories = Histories::default();
        let Err(reading) = histories.facts("+1", NOON, &[]) else {
            panic!("nothing was read yet")
        };
        let mut rows = Calls::default();
        rows.add(kept(1, NOON - 5));
        histories
            .lock()
            .numbers
            .get_mut("+1")
            .unwrap()
            .calls
            .add(kept(2, NOON - 1));
        histories.lock().rows += 1;
        assert_eq!(
            histories
                .read("+1", &reading, rows.clone(), NOON, &[])
                .calls_before,
            2
        );
        assert_eq!(histories.facts("+1", NOON + 1, &[]).ok().unwrap().calls_before, 2);
        assert_eq!(histories.lock().rows, 2);
        // Long after, somebody else may have been in the file.
        let Err(reading) = histories.facts("+1", NOON + HISTORY_TRUSTED_MS, &[]) else {
            panic!("it was read long ago")
        };
        histories.clear();
        assert_eq!(histories.read("+1", &reading, rows, NOON, &[]).calls_before, 1);
        assert!(histories.facts("+1", NOON, &[]).is_err());
        assert_eq!(histories.lock().rows, 0);
    }

    #[test]
    fn the_numbers_that_called_longest_ago_are_forgotten_first() {
        let histories = Histories::default();
        let call = |number: &str| {
            if let Err(reading) = histories.facts(number, NOON, &[]) {
                let mut rows = Calls::default();
                for id in 0..HISTORY_ROWS_MAX as u128 {
                    rows.add(kept(id, NOON));
                }
                histories.read(number, &reading, rows, NOON, &[]);
            }
        };
        let most = HISTORY_ROWS_KEPT / HISTORY_ROWS_MAX;
        for number in 0..=most {
            call(&number.to_string());
            call("first");
        }
        let inner = histories.lock();
        assert!(inner.rows <= HISTORY_ROWS_KEPT);
        assert!(inner.numbers.contains_key("first") && !inner.numbers.contains_key("0"));
        assert_eq!(inner.numbers.len(), inner.order.len());
    }
}
