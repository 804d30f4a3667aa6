//! The threads that give second opinions on voices, inside a budget of their own.
//!
//! A bounded queue, in the policy's order: the lowest rank first, among equals the call that was given the fewest opinions
//! so far, then the one that waits longest. When the queue is full the last of that order is shed and told so; what
//! waited too long is shed too, because its call has gone on. The first stage never waits for any of this.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::clock;
use super::priority::Priority;
use super::scoring::{Counters, worker_of};
use super::scoring_worker::Note;
use crate::call_id::CallId;
use crate::voice::{Excerpt, Model, SecondBench};

/// Excerpts that wait (32 kB each, 1 MB in all). Past it the last in the policy's order is shed.
pub const WAITING_MAX: usize = 32;

/// An excerpt that waited so long is shed: its call has two newer ones by then.
pub const DEADLINE: Duration = Duration::from_secs(4);

pub(super) struct SecondOpinions {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
    /// To the scoring workers, in their order.
    answers: OnceLock<Vec<Sender<Note>>>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Asked>,
    /// Of the next excerpt.
    number: u64,
    is_stopping: bool,
}

struct Asked {
    call: CallId,
    rank: u8,
    /// Opinions that the call was given before.
    given: u32,
    number: u64,
    since: Instant,
    model: Arc<Model>,
    excerpt: Excerpt,
}

impl Asked {
    /// The smallest is heard first, the largest is shed first.
    fn place(&self) -> (u8, u32, u64) {
        (self.rank, self.given, self.number)
    }
}

impl SecondOpinions {
    /// Threads that together take at most `cores` of the machine's.
    pub(super) fn start(cores: f64, counters: Arc<Counters>) -> std::io::Result<SecondOpinions> {
        let count = (cores.ceil() as usize).max(1);
        let share = (cores / count as f64).min(1.0);
        let second = SecondOpinions::without_threads(counters);
        for number in 0..count {
            let shared = Arc::clone(&second.shared);
            let thread = std::thread::Builder::new().name(format!("second-{number}"));
            let handle = thread.spawn(move || {
                Priority::Behind.take();
                work(&shared, share)
            })?;
            second.handles().push(handle);
        }
        Ok(second)
    }

    fn without_threads(counters: Arc<Counters>) -> SecondOpinions {
        SecondOpinions {
            shared: Arc::new(Shared {
                queue: Mutex::default(),
                ready: Condvar::new(),
                answers: OnceLock::new(),
                counters,
            }),
            threads: Mutex::default(),
        }
    }

    /// Where answers go; said once, before anything is asked.
    pub(super) fn answer_to(&self, workers: Vec<Sender<Note>>) {
        // A second time changes nothing.
        let _again = self.shared.answers.set(workers);
    }

    /// Puts an excerpt in the queue; never waits for a thread. A newer excerpt of a call takes the place of an older.
    /// False: there is no room for it, and nobody will answer.
    pub(super) fn ask(&self, call: CallId, rank: u8, model: &Arc<Model>, excerpt: Excerpt) -> bool {
        let mut queue = self.shared.lock();
        if let Some(waiting) = queue.waiting.iter_mut().find(|asked| asked.call == call) {
            waiting.excerpt = excerpt;
            waiting.rank = rank;
            waiting.model = Arc::clone(model);
            waiting.since = clock::now().instant;
            return true;
        }
        queue.number += 1;
        let asked = Asked {
            call,
            rank,
            given: excerpt.given(),
            number: queue.number,
            since: clock::now().instant,
            model: Arc::clone(model),
            excerpt,
        };
        if queue.waiting.len() >= WAITING_MAX {
            let last = (0..queue.waiting.len()).max_by_key(|at| queue.waiting[*at].place());
            self.shared.counters.second_shed.fetch_add(1, Ordering::Relaxed);
            match last {
                Some(last) if queue.waiting[last].place() > asked.place() => {
                    let shed = queue.waiting.swap_remove(last);
                    self.shared.answer(shed.call, Note::Shed(shed.call));
                }
                _ => return false,
            }
        }
        queue.waiting.push(asked);
        drop(queue);
        self.shared.ready.notify_one();
        true
    }

    /// The call is over, or wants none any more: what waits of it goes unheard.
    pub(super) fn forget(&self, call: CallId) {
        self.shared.lock().waiting.retain(|asked| asked.call != call);
    }

    /// Ends the threads; what waits is dropped.
    pub(super) fn stop(&self) {
        self.shared.lock().is_stopping = true;
        self.shared.ready.notify_all();
        let handles: Vec<_> = self.handles().drain(..).collect();
        for thread in handles {
            // A thread that died has nothing left to give.
            let _died = thread.join();
        }
    }

    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Nobody panics while holding it; if somebody did, the queue is still a queue.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, call: CallId, note: Note) {
        if let Some(workers) = self.answers.get()
            && let Some(worker) = workers.get(worker_of(call, workers.len()))
        {
            // Full: the worker has more urgent things to hear, and the call asks again.
            let _forgotten = worker.try_send(note);
        }
    }

    /// The excerpt that is next in order; sheds what waited too long. `None` when all is over.
    fn next(&self) -> Option<Asked> {
        let mut queue = self.lock();
        loop {
            if queue.is_stopping {
                return None;
            }
            let now = clock::now().instant;
            queue.shed_late(now, |call| {
                self.counters.second_shed.fetch_add(1, Ordering::Relaxed);
                self.answer(call, Note::Shed(call));
            });
            if let Some(asked) = queue.take_first() {
                return Some(asked);
            }
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Keeps a thread inside its share: after so much work, so much rest. A stop ends it.
    fn rest(&self, worked: Duration, share: f64) {
        let rest = worked.mul_f64((1.0 / share - 1.0).clamp(0.0, 1000.0));
        let queue = self.lock();
        // Whatever woke us: the rest is over or everything is.
        let _over = self
            .ready
            .wait_timeout_while(queue, rest, |queue| !queue.is_stopping);
    }
}

impl Queue {
    fn take_first(&mut self) -> Option<Asked> {
        let first = (0..self.waiting.len()).min_by_key(|at| self.waiting[*at].place())?;
        Some(self.waiting.swap_remove(first))
    }

    fn shed_late(&mut self, now: Instant, mut shed: impl FnMut(CallId)) {
        self.waiting.retain(|asked| {
            let is_late = now.saturating_duration_since(asked.since) > DEADLINE;
            if is_late {
                shed(asked.call);
            }
            !is_late
        });
    }
}

fn work(shared: &Shared, share: f64) {
    // Weak: a model that was replaced must not stay until the next excerpt because this thread has a bench for it.
    let mut own: Option<(Weak<Model>, SecondBench)> = None;
    while let Some(asked) = shared.next() {
        let start = clock::now().instant;
        let Asked {
            call, model, excerpt, ..
        } = asked;
        let is_own = |of: &Weak<Model>| std::ptr::eq(of.as_ptr(), Arc::as_ptr(&model));
        if own.as_ref().is_none_or(|(of, _)| !is_own(of)) {
            let bench = model.second_bench();
            own = bench.map(|bench| (Arc::downgrade(&model), bench));
        }
        let score = own.as_mut().and_then(|(_, bench)| {
            catch_unwind(AssertUnwindSafe(|| model.second_opinion(&excerpt, bench))).unwrap_or_else(|_| {
                shared.counters.panicked.fetch_add(1, Ordering::Relaxed);
                None
            })
        });
        drop(model);
        shared.answer(call, Note::Second(call, score));
        shared.rest(clock::now().instant.saturating_duration_since(start), share);
    }
}

#[cfg(test)]
#[path = "second_opinion_tests.rs"]
mod tests;
