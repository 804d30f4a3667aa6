//! Threads without which the gateway would be half dead: shards, recorder, look-ups.
//!
//! A panic in one of them is a defect of ours in a place that cannot be repaired from inside: a shard's calls are gone,
//! or nobody writes records any more, while the process still answers to its name. So it is caught, logged and told
//! to whoever waits on [`Alarm::failures`], who ends the process; the service manager starts a fresh one.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

/// Starts vital threads and remembers who hears of their end.
#[derive(Clone)]
pub struct Alarm {
    // Unbounded, and still bounded: every thread tells at most once.
    failed: Sender<String>,
}

impl Alarm {
    /// The second half brings the name of every vital thread that panicked.
    pub fn new() -> (Alarm, Receiver<String>) {
        let (failed, failures) = unbounded();
        (Alarm { failed }, failures)
    }

    /// # Errors
    ///
    /// The system's error when the thread cannot be started.
    pub fn spawn(&self, name: String, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        let failed = self.failed.clone();
        Builder::new().name(name.clone()).spawn(move || {
            // Nothing of the thread is used after a panic, so no half-changed state is seen.
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                tracing::error!(thread = name, "a vital thread panicked: the gateway cannot go on");
                // Nobody listens any more when the gateway is being stopped anyway.
                let _ = failed.send(name);
            }
        })
    }
}

/// Waits for a thread that was told to end; false = it did not, and is left behind.
pub fn join_within(thread: JoinHandle<()>, patience: Duration) -> bool {
    let step = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    while !thread.is_finished() {
        if waited >= patience {
            return false;
        }
        std::thread::sleep(step);
        waited += step;
    }
    thread.join().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_vital_thread_is_told_by_name_and_an_ordinary_end_is_not() {
        let (alarm, failures) = Alarm::new();
        let well = alarm.spawn("recorder".into(), || ()).unwrap();
        let ill = alarm.spawn("shard-3".into(), || panic!("a defect")).unwrap();
        assert!(join_within(well, Duration::from_secs(5)) && join_within(ill, Duration::from_secs(5)));
        drop(alarm);
        assert_eq!(failures.iter().collect::<Vec<_>>(), ["shard-3"]);
    }

    #[test]
    fn a_thread_that_does_not_end_is_not_waited_for_for_ever() {
        let (release, gate) = unbounded::<()>();
        let (alarm, _failures) = Alarm::new();
        let stuck = alarm
            .spawn("shard-0".into(), move || {
                let _ = gate.recv();
            })
            .unwrap();
        assert!(!join_within(stuck, Duration::from_millis(20)));
        drop(release);
    }
}
