//! Erases what kept calls and the audit say of people once its term is over, now and then, beside the calls; and has the store's files
//! written anew where that could not be done at the start.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::clock;
use super::limits::{ANEW_EVERY, RETENTION_EVERY};
use super::priority::Priority;
use crate::store::{Audit, Erase, Erased, Filter, Store, StoreError};

/// How long what is said of people is kept; None = for good.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    pub calls: Option<Duration>,
    pub audit: Option<Duration>,
}

/// The thread that does it.
pub struct Retention {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Retention {
    /// At once, and then every [`RETENTION_EVERY`]; not while `is_clock_doubtful`, and not at the start when by this clock
    /// even the newest call is past its term: nothing brings back what a wrong clock has erased.
    ///
    /// # Errors
    ///
    /// That of a machine with no thread to give.
    pub fn start(
        store: Arc<dyn Store>,
        audit: Arc<Audit>,
        terms: Terms,
        is_clock_doubtful: impl Fn() -> bool + Send + 'static,
    ) -> std::io::Result<Retention> {
        let (stop, stopped) = bounded(0);
        let thread = std::thread::Builder::new()
            .name("retention".into())
            .spawn(move || {
                Priority::Behind.take();
                let mut is_start = true;
                let mut rounds = 0;
                loop {
                    let now_ms = clock::now().unix_ms();
                    let is_ahead = |term| is_start && would_erase_all(&*store, term, now_ms);
                    let shortest = terms.calls.into_iter().chain(terms.audit).min();
                    if is_clock_doubtful() || shortest.is_some_and(is_ahead) {
                        tracing::warn!("nothing is erased by its term: this machine's clock may be wrong");
                    } else {
                        if let Some(term) = terms.calls {
                            tell(erase_old(&*store, term, now_ms));
                        }
                        if let Some(term) = terms.audit {
                            tell_audit(erase_old_entries(&audit, &*store, term, now_ms));
                        }
                    }
                    // The start has tried it.
                    if is_anew(rounds) {
                        tell_anew(store.write_anew());
                    }
                    (is_start, rounds) = (false, rounds + 1);
                    if stopped.recv_timeout(RETENTION_EVERY) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            })?;
        Ok(Retention { stop, thread })
    }

    /// What is under way is finished. Gives the thread, to be waited for.
    pub fn stop(self) -> JoinHandle<()> {
        drop(self.stop);
        self.thread
    }
}

/// Whether it is another day since the start.
fn is_anew(rounds: u32) -> bool {
    rounds > 0 && rounds.is_multiple_of(ANEW_EVERY)
}

/// Why not, the store has said.
fn tell_anew(done: Result<bool, StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "whether the store's files have to be written anew is looked at again in a day");
    }
}

fn tell(erased: Result<Erased, StoreError>) {
    match erased {
        Ok(Erased {
            calls: 0,
            is_scrubbed: true,
            ..
        }) => {}
        Ok(Erased {
            calls, is_scrubbed, ..
        }) => tracing::info!(calls, is_scrubbed, "calls past their term are erased"),
        Err(error) => tracing::warn!(%error, "calls past their term are not erased yet"),
    }
}

fn tell_audit(erased: Result<u64, StoreError>) {
    match erased {
        Ok(0) => {}
        Ok(entries) => {
            tracing::info!(
                entries,
                "what entries of the audit past their term say of people is erased"
            )
        }
        Err(error) => tracing::warn!(%error, "entries of the audit past their term are not erased yet"),
    }
}

/// Whether by this clock even the newest kept call that names somebody is past its term. A store that does not answer says no.
fn would_erase_all(store: &dyn Store, term: Duration, now_ms: u64) -> bool {
    let mut filter = Filter {
        limit: 1,
        ..Filter::default()
    };
    loop {
        let Ok(newest) = store.search(&filter, Duration::MAX) else {
            return false;
        };
        if let Some(record) = newest.calls.first() {
            return record.erased_ms.is_none() && record.started_ms < past(term, now_ms);
        }
        // One that cannot be read back says nothing; the one before it may.
        let Some((ms, id)) = newest.next() else {
            return false;
        };
        (filter.before_ms, filter.before_id) = (Some(ms), Some(id));
    }
}

/// Calls that began before this are past their term.
fn past(term: Duration, now_ms: u64) -> u64 {
    now_ms.saturating_sub(u64::try_from(term.as_millis()).unwrap_or(u64::MAX))
}

/// Erases what is older than `term` at `now_ms`. Blocks.
///
/// # Errors
///
/// Those of the store; the next time goes on.
pub fn erase_old(store: &dyn Store, term: Duration, now_ms: u64) -> Result<Erased, StoreError> {
    store.erase(&Erase::Before(past(term, now_ms)), now_ms)
}

/// Erases what entries of the audit older than `term` at `now_ms` say of people; gives of how many. Blocks.
///
/// # Errors
///
/// Those of the store; the next time goes on.
pub fn erase_old_entries(
    audit: &Audit,
    store: &dyn Store,
    term: Duration,
    now_ms: u64,
) -> Result<u64, StoreError> {
    let entries = audit.erase_before(past(term, now_ms), now_ms)?;
    let is_due = entries > 0 || store.owes_scrub();
    if is_due && !store.scrub()? {
        tracing::warn!(
            "the keys of erased entries of the audit are in the store's files still; it is tried again"
        );
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::CallRecord;
    use crate::call::record::{Ending, Outcome};
    use crate::call_id::CallId;
    use crate::screening::sample;
    use crate::store::{self, Config};

    const NOON: u64 = 1_790_000_000_000;
    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn what_is_past_its_term_names_nobody_and_what_is_not_does() {
        let store = store::open(&Config {
            url: "sqlite::memory:".into(),
        })
        .unwrap();
        for days in 0..10 {
            let mut facts = sample::signed();
            facts.arrived_ms = NOON - days * DAY.as_millis() as u64;
            let mut record = CallRecord::arriving(CallId(u128::from(days) + 1), &facts, None, None);
            record.outcome = Some(Outcome {
                ending: Ending::Completed,
                status: 200,
                by: "caller".into(),
                note: None,
            });
            assert!(store.save(Arc::new(record)));
        }
        let number = sample::signed().caller.number.unwrap().into_inner();
        assert!(!would_erase_all(&*store, 4 * DAY, NOON));
        assert!(
            would_erase_all(&*store, 4 * DAY, NOON + 400 * DAY.as_millis() as u64),
            "a clock that is a year ahead"
        );
        assert_eq!(erase_old(&*store, 4 * DAY, NOON).unwrap().calls, 5);
        let page = store.page(None).unwrap();
        assert_eq!(page.len(), 10);
        for kept in page {
            let is_due = kept.started_ms < NOON - 4 * DAY.as_millis() as u64;
            assert_eq!(kept.record.contains(&number), !is_due);
        }
        assert_eq!(erase_old(&*store, 4 * DAY, NOON).unwrap().calls, 0);
        let too_long = Duration::from_secs(u64::MAX);
        assert_eq!(erase_old(&*store, too_long, NOON).unwrap().calls, 0);
    }

    #[test]
    fn files_are_written_anew_once_a_day_and_not_at_the_start() {
        let days = (0..24 * 3 + 1)
            .filter(|rounds| is_anew(*rounds))
            .collect::<Vec<_>>();
        assert_eq!(days, [24, 48, 72]);
    }

    #[test]
    fn it_is_done_at_the_start_and_the_thread_ends_when_it_is_told_to() {
        let url = "sqlite::memory:".into();
        let store = store::open(&Config { url }).unwrap();
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        let terms = Terms {
            calls: Some(DAY),
            audit: Some(DAY),
        };
        let retention = Retention::start(store.clone(), audit, terms, || false).unwrap();
        assert!(super::super::vital::join_within(
            retention.stop(),
            Duration::from_secs(60)
        ));
        assert_eq!(Arc::strong_count(&store), 1);
    }
}
