//! Which calls are asked for, and what was found of them.

use std::sync::Arc;

use super::inbox::newest;
use super::limits::CALLS_LIMIT;
use super::{label_of, number_of};
use crate::call::CallRecord;
use crate::call::record::Ending;
use crate::call_id::CallId;

/// Which calls, newest first. An empty filter is the newest [`CALLS_LIMIT`] calls.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only calls that started before this (cursor), Unix ms.
    pub before_ms: Option<u64>,
    /// With `before_ms`: also calls that started in that very millisecond and whose id is lower,
    /// so that a page edge inside one millisecond loses nothing.
    pub before_id: Option<CallId>,
    /// 0 = the most that is given at once, [`CALLS_LIMIT`]; larger values are cut to it.
    pub limit: usize,
    /// A label's name as in records, e.g. `forged`.
    pub label: Option<String>,
    /// The calling number, canonical.
    pub number: Option<String>,
    pub queue: Option<String>,
    pub ending: Option<Ending>,
}

impl Filter {
    /// The same rule the engines express in their own query language.
    pub(crate) fn admits(&self, record: &CallRecord) -> bool {
        let is_before = match (self.before_ms, self.before_id) {
            (None, _) => true,
            (Some(ms), None) => record.started_ms < ms,
            (Some(ms), Some(id)) => (record.started_ms, record.id) < (ms, id),
        };
        is_before
            && self
                .label
                .as_deref()
                .is_none_or(|label| label_of(record) == Some(label))
            && self
                .number
                .as_deref()
                .is_none_or(|number| number_of(record) == Some(number))
            && self
                .queue
                .as_deref()
                .is_none_or(|queue| record.queue.as_deref() == Some(queue))
            && self
                .ending
                .is_none_or(|ending| record.outcome.as_ref().is_some_and(|o| o.ending == ending))
    }

    pub(crate) fn rows(&self) -> usize {
        match self.limit {
            0 => CALLS_LIMIT,
            wanted => wanted.min(CALLS_LIMIT),
        }
    }
}

/// The start of a call, Unix ms, and its id: calls are ordered by both.
pub type CallPlace = (u64, CallId);

/// What a search found in its time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Newest first.
    pub calls: Vec<CallRecord>,
    /// The last call that was looked at, where the time was up before the page was full, or some of it could not be read back. None = the
    /// page is full, or there are no more.
    pub until: Option<CallPlace>,
}

impl Found {
    /// `looked_at`: calls of the page, those that could not be read back included; `until` is the place of the last of them. A full page
    /// that is short of those is not the last one, also if there is nothing left in it.
    pub(super) fn with_unread(mut self, looked_at: usize, filter: &Filter) -> Found {
        if looked_at >= filter.rows() && self.calls.len() >= looked_at {
            self.until = None;
        }
        self
    }

    /// Where the page after this one goes on. None = there is none.
    pub fn next(&self) -> Option<CallPlace> {
        let last = self.calls.last().map(|last| (last.started_ms, last.id));
        self.until.or(last)
    }

    /// Lays over it what is not kept yet and admitted by the filter.
    pub(super) fn beside(mut self, unkept: Vec<Arc<CallRecord>>, filter: &Filter) -> Found {
        let calls = &mut self.calls;
        for record in unkept {
            // What stands behind the end is found by whoever goes on from there.
            if self
                .until
                .is_some_and(|until| (record.started_ms, record.id) < until)
            {
                continue;
            }
            let place = calls.iter().position(|kept| kept.id == record.id);
            let kept = place.map(|place| calls.swap_remove(place));
            calls.push(newest(&record, kept));
        }
        calls.sort_by_key(|record| std::cmp::Reverse((record.started_ms, record.id)));
        calls.truncate(filter.rows());
        if calls.len() == filter.rows() {
            self.until = None;
        }
        self
    }
}
