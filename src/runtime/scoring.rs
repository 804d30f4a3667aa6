//! The scoring threads: hops of callers' audio in, opinions out, and nobody ever waits.
//!
//! A call belongs to the worker that its id falls on, which keeps the call's [`Listener`]. A full inbox gives the hop
//! back: that second goes unscored and the call is told `SCORING_OVERLOADED`. Knows nothing of calls but their ids.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select, tick};

use crate::call_id::CallId;
use crate::media::Hop;
use crate::voice::{Listener, Model, Opinion};

/// Hops waiting for one worker (16 kB each, 2 MB in all): at 0.5 ms a hop the last waits 64 ms. The newest is refused.
pub const INBOX_HOPS: usize = 128;

/// Calls one worker listens to (56 KiB each, 112 MiB in all). The hops of a further call are dropped and counted.
pub const LISTENERS_PER_WORKER: usize = 2048;

/// Ends of calls waiting for one worker. Past it an end is forgotten: the listener goes when it has been idle.
pub const INBOX_ENDS: usize = 4096;

/// A listener that heard nothing for so long belongs to a call that ended unseen.
pub const IDLE_EXPIRES: Duration = Duration::from_secs(15 * 60);

const TICK: Duration = Duration::from_secs(15);

/// What the threads did so far; read at any time.
#[derive(Debug, Default)]
pub struct Counters {
    /// Hops scored and answered.
    pub scored: AtomicU64,
    /// Hops given back by `submit`: the worker's inbox was full.
    pub overloaded: AtomicU64,
    /// Hops dropped: the worker listens to as many calls as it may.
    pub crowded: AtomicU64,
    /// Hops whose scoring panicked; their call starts afresh.
    pub panicked: AtomicU64,
    /// Listeners that were dropped for being idle.
    pub expired: AtomicU64,
    /// Listeners alive now.
    pub listening: AtomicU64,
}

/// The pool. Dropping it ends the threads, once they are through with what is in their inboxes.
pub struct Scoring {
    inboxes: Vec<Inbox>,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
}

struct Inbox {
    hops: Sender<(CallId, Hop)>,
    ends: Sender<CallId>,
}

impl Scoring {
    /// Starts `workers` threads (0 = one per two cores, at least one).
    ///
    /// `heard` is called on a worker's thread for every scored hop, with the buffer to recycle; it must not wait.
    ///
    /// # Errors
    ///
    /// The system has no thread for us.
    pub fn start(
        model: &Arc<Model>,
        workers: usize,
        heard: impl Fn(CallId, Opinion, Hop) + Send + Sync + 'static,
    ) -> std::io::Result<Scoring> {
        let model = Arc::clone(model);
        let new_ear = move || {
            let mut listener = Listener::new(&model);
            Box::new(move |hop: &[i16]| listener.hear(hop)) as Ear
        };
        Scoring::start_with(workers, Arc::new(new_ear), Arc::new(heard))
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

    /// The call is over: its listener goes once the hops before this are scored. Never waits.
    pub fn end(&self, call: CallId) {
        // A full inbox forgets it; IDLE_EXPIRES is for that.
        let _forgotten = self.inbox(call).ends.try_send(call);
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn start_with(workers: usize, new_ear: Arc<NewEar>, heard: Arc<Heard>) -> std::io::Result<Scoring> {
        let workers = if workers > 0 {
            workers
        } else {
            std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
        };
        let counters = Arc::new(Counters::default());
        let (mut inboxes, mut threads) = (Vec::new(), Vec::new());
        for number in 0..workers {
            let (hops, hops_in) = bounded(INBOX_HOPS);
            let (ends, ends_in) = bounded(INBOX_ENDS);
            let worker = Worker {
                new_ear: Arc::clone(&new_ear),
                heard: Arc::clone(&heard),
                counters: Arc::clone(&counters),
                listening: BTreeMap::new(),
                ticks: 0,
            };
            let thread = std::thread::Builder::new().name(format!("scoring-{number}"));
            threads.push(thread.spawn(move || worker.work(&hops_in, &ends_in))?);
            inboxes.push(Inbox { hops, ends });
        }
        Ok(Scoring {
            inboxes,
            threads,
            counters,
        })
    }

    /// Ids are random bits, so any of them spread the calls evenly.
    fn inbox(&self, call: CallId) -> &Inbox {
        &self.inboxes[(call.0 % self.inboxes.len() as u128) as usize]
    }
}

impl Drop for Scoring {
    fn drop(&mut self) {
        self.inboxes.clear();
        for thread in self.threads.drain(..) {
            // A worker that died has nothing left to give.
            let _died = thread.join();
        }
    }
}

type Ear = Box<dyn FnMut(&[i16]) -> Opinion + Send>;
type NewEar = dyn Fn() -> Ear + Send + Sync;
type Heard = dyn Fn(CallId, Opinion, Hop) + Send + Sync;

struct Worker {
    new_ear: Arc<NewEar>,
    heard: Arc<Heard>,
    counters: Arc<Counters>,
    listening: BTreeMap<CallId, Listening>,
    ticks: u64,
}

struct Listening {
    ear: Ear,
    last_tick: u64,
}

impl Worker {
    fn work(mut self, hops: &Receiver<(CallId, Hop)>, ends: &Receiver<CallId>) {
        let ticks = tick(TICK);
        loop {
            // Hops before ends: an end must not overtake the last hop of its call, which would open it again.
            if let Ok((call, hop)) = hops.try_recv() {
                self.hear(call, hop);
            } else if let Ok(call) = ends.try_recv() {
                self.forget(call);
            } else {
                select! {
                    recv(hops) -> job => match job {
                        Ok((call, hop)) => self.hear(call, hop),
                        Err(_) => break,
                    },
                    recv(ends) -> call => if let Ok(call) = call {
                        while let Ok((call, hop)) = hops.try_recv() {
                            self.hear(call, hop);
                        }
                        self.forget(call);
                    },
                    recv(ticks) -> _ => self.expire(),
                }
            }
            while ticks.try_recv().is_ok() {
                self.expire();
            }
        }
        self.counters
            .listening
            .fetch_sub(self.listening.len() as u64, Ordering::Relaxed);
    }

    fn hear(&mut self, call: CallId, hop: Hop) {
        if !self.listening.contains_key(&call) {
            if self.listening.len() >= LISTENERS_PER_WORKER {
                self.counters.crowded.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let ear = (self.new_ear)();
            self.counters.listening.fetch_add(1, Ordering::Relaxed);
            self.listening.insert(call, Listening { ear, last_tick: 0 });
        }
        let Some(listening) = self.listening.get_mut(&call) else {
            return;
        };
        listening.last_tick = self.ticks;
        match catch_unwind(AssertUnwindSafe(|| (listening.ear)(&hop))) {
            Ok(opinion) => {
                self.counters.scored.fetch_add(1, Ordering::Relaxed);
                (self.heard)(call, opinion, hop);
            }
            Err(_) => {
                self.counters.panicked.fetch_add(1, Ordering::Relaxed);
                self.forget(call);
            }
        }
    }

    fn forget(&mut self, call: CallId) {
        if self.listening.remove(&call).is_some() {
            self.counters.listening.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn expire(&mut self) {
        self.ticks += 1;
        let patience = IDLE_EXPIRES.as_secs() / TICK.as_secs();
        let (before, now) = (self.listening.len(), self.ticks);
        self.listening
            .retain(|_, listening| now - listening.last_tick <= patience);
        let gone = (before - self.listening.len()) as u64;
        self.counters.expired.fetch_add(gone, Ordering::Relaxed);
        self.counters.listening.fetch_sub(gone, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::{HOP_SAMPLES, Label};

    fn opinion(seconds: f32) -> Opinion {
        Opinion {
            llr: 0.0,
            label: Label::Unsure,
            seconds,
            speech_seconds: 0.0,
            window: None,
        }
    }

    /// Ears that count their hops; one that hears a hop of 13s panics, one that hears a 7 waits for `gate`.
    fn pool(workers: usize, gate: Option<Receiver<()>>) -> (Scoring, Receiver<(CallId, Opinion, Hop)>) {
        let (out, results) = bounded(10_000);
        let new_ear = move || {
            let (mut hops, gate) = (0.0, gate.clone());
            Box::new(move |hop: &[i16]| {
                hops += 1.0;
                assert_ne!(hop[0], 13, "an unlucky model");
                if hop[0] == 7
                    && let Some(gate) = &gate
                {
                    gate.recv().expect("opened");
                }
                opinion(hops)
            }) as Ear
        };
        let heard = move |call, opinion, hop| out.send((call, opinion, hop)).expect("room");
        (
            Scoring::start_with(workers, Arc::new(new_ear), Arc::new(heard)).expect("threads"),
            results,
        )
    }

    fn hop(first: i16) -> Hop {
        vec![first; HOP_SAMPLES].into_boxed_slice()
    }

    #[test]
    fn hops_of_a_call_are_heard_in_order_by_one_ear_and_come_back() {
        let (scoring, results) = pool(3, None);
        for turn in 100..120 {
            for call in 0..5 {
                scoring.submit(CallId(call), hop(turn)).expect("room");
            }
        }
        drop(scoring);
        let results: Vec<_> = results.try_iter().collect();
        assert_eq!(results.len(), 100);
        for call in 0..5 {
            let mine = results.iter().filter(|(id, ..)| *id == CallId(call));
            for (turn, (_, opinion, hop)) in mine.enumerate() {
                assert_eq!((opinion.seconds, hop[0]), (turn as f32 + 1.0, turn as i16 + 100));
            }
        }
    }

    #[test]
    fn a_full_inbox_gives_the_hop_back_at_once() {
        let (open, gate) = bounded(1);
        let (scoring, results) = pool(1, Some(gate));
        scoring.submit(CallId(1), hop(7)).expect("room");
        let mut refused = None;
        for number in 0..INBOX_HOPS as i16 + 2 {
            if let Err(back) = scoring.submit(CallId(2), hop(number + 100)) {
                refused = Some(back[0]);
                break;
            }
        }
        let refused = refused.expect("overloaded");
        assert!(refused >= 100 + INBOX_HOPS as i16);
        assert_eq!(scoring.counters().overloaded.load(Ordering::Relaxed), 1);
        open.send(()).expect("waiting");
        drop(scoring);
        assert!(results.len() > INBOX_HOPS);
    }

    #[test]
    fn a_panicking_model_costs_its_call_one_hop_and_nobody_else_anything() {
        let (scoring, results) = pool(1, None);
        for (call, first) in [(1, 1), (2, 1), (1, 13), (1, 2), (2, 2)] {
            scoring.submit(CallId(call), hop(first)).expect("room");
        }
        let counters = Arc::clone(scoring.counters());
        drop(scoring);
        let heard: Vec<(u128, f32)> = results
            .try_iter()
            .map(|(call, opinion, _)| (call.0, opinion.seconds))
            .collect();
        assert_eq!(heard, [(1, 1.0), (2, 1.0), (1, 1.0), (2, 2.0)]);
        assert_eq!(counters.panicked.load(Ordering::Relaxed), 1);
        assert_eq!(counters.scored.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn an_ended_call_leaves_nothing_behind_even_with_hops_before_the_end() {
        let (open, gate) = bounded(1);
        let (scoring, results) = pool(1, Some(gate));
        scoring.submit(CallId(1), hop(7)).expect("room");
        scoring.submit(CallId(1), hop(1)).expect("room");
        scoring.submit(CallId(2), hop(1)).expect("room");
        scoring.end(CallId(1));
        open.send(()).expect("waiting");
        for _ in 0..3 {
            results.recv().expect("three");
        }
        while scoring.counters().listening.load(Ordering::Relaxed) != 1 {
            std::thread::yield_now();
        }
        scoring.submit(CallId(1), hop(1)).expect("room");
        assert_eq!(results.recv().expect("one").1.seconds, 1.0);
    }

    #[test]
    fn a_worker_listens_to_so_many_calls_and_no_more() {
        let mut worker = Worker {
            new_ear: Arc::new(|| Box::new(|_: &[i16]| opinion(1.0)) as Ear),
            heard: Arc::new(|_, _, _| ()),
            counters: Arc::default(),
            listening: BTreeMap::new(),
            ticks: 0,
        };
        for call in 0..=LISTENERS_PER_WORKER as u128 {
            worker.hear(CallId(call), vec![0; 1].into_boxed_slice());
        }
        assert_eq!(worker.listening.len(), LISTENERS_PER_WORKER);
        assert_eq!(worker.counters.crowded.load(Ordering::Relaxed), 1);
        for _ in 0..=IDLE_EXPIRES.as_secs() / TICK.as_secs() {
            worker.expire();
        }
        assert!(worker.listening.is_empty());
        assert_eq!(worker.counters.listening.load(Ordering::Relaxed), 0);
    }
}
