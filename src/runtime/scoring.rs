//! The scoring threads: hops of callers' audio in, opinions out, and nobody ever waits.
//!
//! A call belongs to the worker that its id falls on, which keeps the call's ear. A full inbox gives the hop
//! back: that second goes unscored and the call is told `SCORING_OVERLOADED`. Knows nothing of calls but their ids.
//!
//! ```text
//! shard ──hop──► worker (ear of the call) ──opinion──► shard
//!                  │ excerpt         ▲ score
//!                  ▼                 │
//!                second opinion (its own threads and budget)
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError, bounded};
use metrics::{counter, gauge};
use serde::Serialize;

use super::models::Models;
use super::priority::Priority;
use super::scoring_worker::{Ears, ModelEars, Note, Worker};
use super::second_opinion::SecondOpinions;
use crate::call_id::CallId;
use crate::media::Hop;
use crate::voice::{Opinion, Prompt};

/// Hops waiting for one worker (16 kB each, 2 MB in all): at 0.5 ms a hop the last waits 64 ms. The newest is refused.
pub const INBOX_HOPS: usize = 128;

/// Calls one worker listens to (64 KiB each, 128 MiB in all). The hops of a further call come back unheard.
pub const LISTENERS_PER_WORKER: usize = 2048;

/// Calls of one worker whose audio is kept for a second opinion (32 KB each, 8 MiB in all). A further one takes the place
/// of one that the policy puts after it, or goes without and is told so.
pub const KEEPING_PER_WORKER: usize = 256;

/// Beginnings and ends of prompts that wait for the next hop of their call (16 octets each). Further ones are forgotten:
/// nobody plays four prompts in a second.
pub const PROMPTS_PER_CALL: usize = 8;

/// Ends of calls, orders and second opinions waiting for one worker. Past it an end is forgotten: the listener goes when
/// it has been idle. A second opinion that is forgotten is asked for again two seconds later.
pub const INBOX_NOTES: usize = 4096;

/// A listener that heard nothing for so long belongs to a call that ended unseen.
pub const IDLE_EXPIRES: Duration = Duration::from_secs(15 * 60);

/// What a worker tells of a call.
#[derive(Debug)]
pub enum Said {
    /// Which model hears the call: its revision, once.
    Model(String),
    /// A hop was scored; its buffer comes back.
    Hop { opinion: Opinion, hop: Hop },
    /// A hop was not scored: no room for another call, or the model failed on it. Its buffer comes back.
    NotHeard(Hop),
    /// A second opinion came.
    Second(Opinion),
    /// A second opinion was wanted and there was no room for it.
    SecondShed,
}

/// What the threads did so far; read at any time.
#[derive(Debug, Default)]
pub struct Counters {
    /// Hops scored and answered.
    pub scored: AtomicU64,
    /// Hops given back by `submit`: the worker's inbox was full.
    pub overloaded: AtomicU64,
    /// Hops given back: the worker listens to as many calls as it may.
    pub crowded: AtomicU64,
    /// Hops whose scoring panicked; their call starts afresh.
    pub panicked: AtomicU64,
    /// Listeners alive now.
    pub listening: AtomicU64,
    /// Second opinions that reached their call's listener.
    pub second_given: AtomicU64,
    /// Second opinions that were shed for want of room or time.
    pub second_shed: AtomicU64,
}

impl Counters {
    /// Sets the metrics; asked for when somebody looks at them.
    pub fn measure(&self) {
        let now = self.read();
        counter!("ringward_scored_hops_total").absolute(now.scored);
        for (reason, hops) in [("inbox", now.overloaded), ("calls", now.crowded)] {
            counter!("ringward_scoring_overload_total", "reason" => reason).absolute(hops);
        }
        counter!("ringward_scoring_panics_total").absolute(now.panicked);
        gauge!("ringward_listeners").set(now.listening as f64);
        for (result, opinions) in [("given", now.second_given), ("shed", now.second_shed)] {
            counter!("ringward_second_opinions_total", "result" => result).absolute(opinions);
        }
    }

    /// As they are now; what stands in `/api/v1/status`.
    pub fn read(&self) -> Counted {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            scored: of(&self.scored),
            overloaded: of(&self.overloaded),
            crowded: of(&self.crowded),
            panicked: of(&self.panicked),
            listening: of(&self.listening),
            second_given: of(&self.second_given),
            second_shed: of(&self.second_shed),
        }
    }
}

/// [`Counters`] at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    pub scored: u64,
    pub overloaded: u64,
    pub crowded: u64,
    pub panicked: u64,
    pub listening: u64,
    pub second_given: u64,
    pub second_shed: u64,
}

/// The pool. Dropping it ends the threads, once they are through with what is in their inboxes.
pub struct Scoring {
    inboxes: Vec<Inbox>,
    threads: Vec<JoinHandle<()>>,
    second: Option<Arc<SecondOpinions>>,
    counters: Arc<Counters>,
}

struct Inbox {
    hops: Sender<(CallId, Hop)>,
    notes: Sender<Note>,
}

/// How much the threads may take.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Scoring threads; 0 = one per two cores, at least one.
    pub workers: usize,
    /// Cores that second opinions may take together; 0 = none are given.
    pub second_cores: f64,
}

impl Scoring {
    /// Starts the threads.
    ///
    /// `heard` is called on a worker's thread for everything it has to say; it must not wait.
    ///
    /// # Errors
    ///
    /// The system has no thread for us.
    pub fn start(
        models: &Arc<Models>,
        room: Room,
        heard: impl Fn(CallId, Said) + Send + Sync + 'static,
    ) -> std::io::Result<Scoring> {
        let counters = Arc::new(Counters::default());
        // Also for a model without a second stage: one on trial may have it.
        let second = match room.second_cores > 0.0 {
            true => Some(Arc::new(SecondOpinions::start(
                room.second_cores,
                Arc::clone(&counters),
            )?)),
            false => None,
        };
        let ears = (0..worker_count(room.workers))
            .map(|_| ModelEars::new(Arc::clone(models), second.clone()))
            .collect();
        let mut scoring = Scoring::start_with(ears, counters, Arc::new(heard))?;
        if let Some(second) = &second {
            let notes = scoring.inboxes.iter().map(|inbox| inbox.notes.clone()).collect();
            second.answer_to(notes);
        }
        scoring.second = second;
        Ok(scoring)
    }

    /// Hands a hop to the call's worker; never waits.
    ///
    /// # Errors
    ///
    /// The hop itself, when the worker has no room for it: overloaded.
    pub fn submit(&self, call: CallId, hop: Hop) -> Result<(), Hop> {
        self.inbox(call).hops.try_send((call, hop)).map_err(|refused| {
            self.counters.overloaded.fetch_add(1, Ordering::Relaxed);
            let (TrySendError::Full((_, hop)) | TrySendError::Disconnected((_, hop))) = refused;
            hop
        })
    }

    /// Whether second opinions are wanted on this call, and how much others must wait for it: 0 first. Holds for calls
    /// that are not heard yet, too. Never waits.
    pub fn attend(&self, call: CallId, rank: Option<u8>) {
        // Forgotten when full: the next change of the call's tags says it again.
        let _forgotten = self.inbox(call).notes.try_send(Note::Attend(call, rank));
    }

    /// A prompt of ours (a greeting, a question) began or ended when so many samples of the caller's audio had been heard
    /// ([`super::media_io::MediaIo::tapped_samples`]): what is found of how he takes it comes with the opinions. Never waits.
    pub fn prompt(&self, call: CallId, prompt: Prompt, at_sample: u64) {
        // Forgotten when full: a cue less.
        let _forgotten = self
            .inbox(call)
            .notes
            .try_send(Note::Prompt(call, prompt, at_sample));
    }

    /// The call is over: its listener goes once the hops before this are scored. Never waits.
    pub fn end(&self, call: CallId) {
        // A full inbox forgets it; IDLE_EXPIRES is for that.
        let _forgotten = self.inbox(call).notes.try_send(Note::End(call));
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(super) fn start_with<E: Ears + 'static>(
        ears: Vec<E>,
        counters: Arc<Counters>,
        heard: Arc<Heard>,
    ) -> std::io::Result<Scoring> {
        let (mut inboxes, mut threads) = (Vec::new(), Vec::new());
        for (number, ears) in ears.into_iter().enumerate() {
            let (hops, hops_in) = bounded(INBOX_HOPS);
            let (notes, notes_in) = bounded(INBOX_NOTES);
            let worker = Worker::new(ears, Arc::clone(&heard), Arc::clone(&counters));
            let thread = std::thread::Builder::new().name(format!("scoring-{number}"));
            threads.push(thread.spawn(move || {
                Priority::Hearing.take();
                worker.work(&hops_in, &notes_in)
            })?);
            inboxes.push(Inbox { hops, notes });
        }
        Ok(Scoring {
            inboxes,
            threads,
            second: None,
            counters,
        })
    }

    fn inbox(&self, call: CallId) -> &Inbox {
        &self.inboxes[worker_of(call, self.inboxes.len())]
    }
}

impl Drop for Scoring {
    fn drop(&mut self) {
        // First, because its threads hold senders to the workers.
        if let Some(second) = self.second.take() {
            second.stop();
        }
        self.inboxes.clear();
        for thread in self.threads.drain(..) {
            // A worker that died has nothing left to give.
            let _died = thread.join();
        }
    }
}

pub(super) type Heard = dyn Fn(CallId, Said) + Send + Sync;

/// Ids are random bits, so any of them spread the calls evenly.
pub(super) fn worker_of(call: CallId, workers: usize) -> usize {
    (call.0 % workers as u128) as usize
}

fn worker_count(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
        workers => workers,
    }
}

#[cfg(test)]
#[path = "scoring_tests.rs"]
mod tests;
