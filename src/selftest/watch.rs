//! The self-test while the gateway runs: at start and once a day, on a thread of its own, as metrics and as a status.
//!
//! It says whether this gateway's verifier can be believed. A failure is an alarm for the operator; calls go on.

use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use serde::Serialize;

use super::SelfTest;
use crate::runtime::clock;

/// How often it is run. A day, because certificates and the clock move while the code does not.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// What came of the last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastRun {
    /// Unix ms.
    pub at_ms: u64,
    pub passed: bool,
    pub checks: usize,
    /// Names of the checks that did not come out as they must.
    pub failed: Vec<String>,
    pub took_ms: u64,
}

/// A running watch. Dropping it ends the thread.
pub struct Watch {
    last: Arc<Mutex<Option<LastRun>>>,
    // Never sent on: its end is the order to stop.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watch {
    /// Runs the offline part now and every day.
    ///
    /// # Errors
    ///
    /// The system's error when the thread cannot be started.
    pub fn start() -> std::io::Result<Watch> {
        Watch::start_with(EVERY, super::run_offline)
    }

    fn start_with(every: Duration, run: fn() -> Result<SelfTest, String>) -> std::io::Result<Watch> {
        let last = Arc::new(Mutex::new(None));
        let (stop, stopped) = bounded::<()>(0);
        let told = Arc::clone(&last);
        let thread = std::thread::Builder::new()
            .name("self-test".into())
            .spawn(move || {
                loop {
                    let now_ms = clock::now().unix_ms();
                    // A defect in the self-test must not look like a gateway that was never tested.
                    let result = catch_unwind(run).unwrap_or_else(|_| Err("the self-test panicked".into()));
                    let run = judged(result, now_ms);
                    publish(&run);
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
                    if stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
            })?;
        Ok(Watch { last, stop, thread })
    }

    /// A reader of the last run; None until the first is over.
    pub fn reader(&self) -> impl Fn() -> Option<LastRun> + Send + Sync + 'static {
        let last = Arc::clone(&self.last);
        move || last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the thread; false = it was in the middle of something and is left behind.
    pub fn stop(self, patience: Duration) -> bool {
        drop(self.stop);
        crate::runtime::vital::join_within(self.thread, patience)
    }
}

fn judged(result: Result<SelfTest, String>, at_ms: u64) -> LastRun {
    match result {
        Ok(test) => {
            for proof in test.failed() {
                tracing::error!(
                    check = proof.name,
                    expected = proof.expected,
                    got = proof.got,
                    "self-test: the verifier does not do what it must; do not rely on its answers"
                );
            }
            LastRun {
                at_ms,
                passed: test.passed(),
                checks: test.proofs.len(),
                failed: test.failed().map(|proof| proof.name.to_string()).collect(),
                took_ms: u64::try_from(test.took.as_millis()).unwrap_or(u64::MAX),
            }
        }
        Err(reason) => {
            tracing::error!(reason, "self-test: it could not be made, so nothing is proved");
            LastRun {
                at_ms,
                passed: false,
                checks: 0,
                failed: vec![reason],
                took_ms: 0,
            }
        }
    }
}

fn publish(run: &LastRun) {
    if run.passed {
        tracing::info!(checks = run.checks, took_ms = run.took_ms, "self-test passed");
    }
    metrics::gauge!("ringward_selftest_passed").set(f64::from(u8::from(run.passed)));
    metrics::gauge!("ringward_selftest_checks").set(run.checks as f64);
    metrics::gauge!("ringward_selftest_failed_checks").set(run.failed.len() as f64);
    metrics::gauge!("ringward_selftest_time_seconds").set(run.at_ms as f64 / 1000.0);
    metrics::counter!("ringward_selftest_runs_total").increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::Proof;

    fn after_first_run(run: fn() -> Result<SelfTest, String>) -> LastRun {
        let watch = Watch::start_with(Duration::from_secs(3600), run).unwrap();
        let read = watch.reader();
        let last = std::iter::repeat_with(|| {
            std::thread::yield_now();
            read()
        })
        .find_map(|last| last)
        .unwrap();
        assert!(watch.stop(Duration::from_secs(5)));
        last
    }

    #[test]
    fn a_check_that_comes_out_wrong_is_named_in_the_status() {
        let last = after_first_run(|| {
            Ok(SelfTest {
                proofs: vec![
                    Proof::new("good call", "verified A", "verified A"),
                    Proof::new("signature altered", "failed", "verified A"),
                ],
                took: Duration::from_millis(3),
            })
        });
        assert!(!last.passed);
        assert_eq!(
            (last.checks, last.failed),
            (2, vec!["signature altered".to_string()])
        );
    }

    #[test]
    fn a_self_test_that_cannot_be_made_or_panics_has_not_passed() {
        let last = after_first_run(|| Err("no randomness".into()));
        assert_eq!(
            (last.passed, last.failed),
            (false, vec!["no randomness".to_string()])
        );
        let last = after_first_run(|| panic!("a defect"));
        assert!(!last.passed && !last.failed.is_empty());
    }

    #[test]
    fn the_real_one_passes() {
        let last = after_first_run(super::super::run_offline);
        assert!(last.passed, "{last:?}");
    }
}
