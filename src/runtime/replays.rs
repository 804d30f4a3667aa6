//! A policy tried on every kept call, on a few threads beside the calls that go on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::bounded;
use serde::Deserialize;

use super::limits::{REPLAY_PAGES, REPLAY_THREADS};
use crate::call::record::Direction;
use crate::policy::{Comparison, Decision, Policy, Recorded};
use crate::screening::Facts;
use crate::store::{KeptCall, Store, StoreError};

/// How far a replay is, and whether somebody wants no more of it.
#[derive(Debug, Default)]
pub struct Progress {
    looked_at: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Progress {
    /// Calls looked at so far.
    pub fn looked_at(&self) -> u64 {
        self.looked_at.load(Ordering::Relaxed)
    }

    /// It ends at the next page of the store.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// As before the first call, for the next replay.
    pub fn begin(&self) {
        self.looked_at.store(0, Ordering::Relaxed);
        self.is_cancelled.store(false, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

/// Which calls.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// The newest so many.
    pub calls_max: u64,
    /// Unix ms.
    pub since_ms: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Looked at.
    pub calls: u64,
    /// Of them: without the facts of their decisions, or without a decision.
    pub not_replayable: u64,
    /// Of those: erased, so that nobody can decide them again.
    pub erased: u64,
    pub comparison: Comparison,
}

/// What of a record is read; the rest is skipped over.
#[derive(Deserialize)]
struct Slim {
    #[serde(default)]
    direction: Direction,
    queue: Option<String>,
    facts: Facts,
    decisions: Vec<SlimDecided>,
    erased_ms: Option<u64>,
    #[serde(default)]
    drill: bool,
}

#[derive(Deserialize)]
struct SlimDecided {
    decision: Decision,
    facts: Option<Facts>,
}

/// Decides the calls again with this policy. Pages are read on this thread and decided on others; a page that waits
/// makes the reader wait, so that a few pages are in memory at most. A replay that is cancelled gives what it had until
/// then; the calls that it did not get to count as not replayable.
///
/// # Errors
///
/// Those of the store.
pub fn run(
    store: &dyn Store,
    policy: &Policy,
    scope: Scope,
    progress: &Progress,
) -> Result<Outcome, StoreError> {
    let (pages, inbox) = bounded::<Vec<KeptCall>>(REPLAY_PAGES);
    std::thread::scope(|threads| {
        let workers: Vec<_> = (0..REPLAY_THREADS)
            .map(|_| {
                let inbox = inbox.clone();
                threads.spawn(move || {
                    let mut outcome = Outcome::default();
                    for page in inbox {
                        let length = page.len() as u64;
                        // What was read before the end of it is not wanted any more either.
                        if progress.is_cancelled() {
                            continue;
                        }
                        for call in &page {
                            decide(&mut outcome, policy, &call.record);
                        }
                        progress.looked_at.fetch_add(length, Ordering::Relaxed);
                    }
                    outcome
                })
            })
            .collect();
        drop(inbox);
        let mut handed_on = 0;
        let read = read(store, scope, |page| {
            if progress.is_cancelled() {
                return false;
            }
            handed_on += page.len() as u64;
            pages.send(page).is_ok()
        });
        drop(pages);
        let mut all = Outcome::default();
        for worker in workers {
            if let Ok(part) = worker.join() {
                all.calls += part.calls;
                all.not_replayable += part.not_replayable;
                all.erased += part.erased;
                all.comparison.merge(part.comparison);
            }
        }
        // A worker that panicked has said so on its own thread; what it had looked at is missing, and said to be.
        all.not_replayable += handed_on - all.calls;
        all.calls = handed_on;
        read.map(|()| all)
    })
}

fn read(
    store: &dyn Store,
    scope: Scope,
    mut hand_on: impl FnMut(Vec<KeptCall>) -> bool,
) -> Result<(), StoreError> {
    let mut after = None;
    let mut left = scope.calls_max;
    while left > 0 {
        let mut page = store.page(after)?;
        let Some(last) = page.last() else { break };
        after = Some((last.started_ms, last.id));
        let is_over = last.started_ms < scope.since_ms;
        page.retain(|call| call.started_ms >= scope.since_ms);
        page.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        left -= page.len() as u64;
        if !hand_on(page) || is_over {
            break;
        }
    }
    Ok(())
}

fn decide(outcome: &mut Outcome, policy: &Policy, record: &str) {
    outcome.calls += 1;
    let slim = serde_json::from_str::<Slim>(record).ok();
    outcome.erased += u64::from(slim.as_ref().is_some_and(|slim| slim.erased_ms.is_some()));
    let slim = slim.filter(|slim| slim.direction == Direction::Inbound && !slim.drill);
    let ends = slim.as_ref().and_then(|slim| {
        let (first, last) = (slim.decisions.first()?, slim.decisions.last()?);
        let is_one = slim.decisions.len() == 1;
        let first_facts = first.facts.as_ref().or(is_one.then_some(&slim.facts))?;
        let last_facts = last.facts.as_ref().unwrap_or(&slim.facts);
        Some(((first_facts, &first.decision), (last_facts, &last.decision), slim))
    });
    match ends {
        Some((first, last, slim)) => {
            let queue = slim.queue.as_deref().unwrap_or_default();
            outcome.comparison.add(policy, &Recorded { queue, first, last });
        }
        None => outcome.not_replayable += 1,
    }
}
