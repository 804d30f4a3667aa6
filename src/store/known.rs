//! What is known of a number, live calls included.

use super::{Live, Store, StoreError};
use crate::call_id::CallId;
use crate::screening::HistoryFacts;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

/// Adds the calls that are still live to what the store keeps, except `asking` itself.
///
/// A dialler that opens fifty calls at once has not ended one of them yet: counting kept records
/// alone would not see it. A call that is both kept and live (saved while it lasts) is counted once.
///
/// # Errors
///
/// Those of [`Store::history`].
pub fn history_with_live(
    store: &dyn Store,
    live: &Live,
    asking: CallId,
    number: &str,
    now_ms: u64,
) -> Result<HistoryFacts, StoreError> {
    // Live first: a call that ends in between is then counted by the store as well, rather twice than never.
    let mut others = live.calls_from(number);
    others.retain(|record| record.id != asking);
    store.history_beside(number, now_ms, &others)
}

/// The same, if it is known without waiting for a disk or for another thread.
pub fn history_at_once(
    store: &dyn Store,
    live: &Live,
    asking: CallId,
    number: &str,
    now_ms: u64,
) -> Option<HistoryFacts> {
    let mut others = live.try_calls_from(number)?;
    others.retain(|record| record.id != asking);
    store.history_at_once(number, now_ms, &others)
}

/// Counts one call that started at `started_ms`.
pub(super) fn add(facts: &mut HistoryFacts, started_ms: u64, was_answered: bool, now_ms: u64) {
    let age_ms = now_ms.saturating_sub(started_ms);
    facts.calls_before += 1;
    facts.answered_before += u64::from(was_answered);
    facts.calls_last_minute += u64::from(age_ms < MINUTE_MS);
    facts.calls_last_hour += u64::from(age_ms < HOUR_MS);
}

/// The first instants that still count as "last minute" and "last hour".
pub(super) fn since(now_ms: u64) -> (u64, u64) {
    let after = |span| (now_ms + 1).saturating_sub(span);
    (after(MINUTE_MS), after(HOUR_MS))
}
