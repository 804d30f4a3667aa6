//! The search for a person: a small machine over the configured queues.
//!
//! ```text
//!            Start                 every attempt failed, or `ring` is over
//!   idle ───────────▶ queue ───────────────────────────────┬─▶ overflow queue (once each) ─▶ …
//!                       │ Answered                          └─▶ GiveUp(status)
//!                       ▼
//!                 Cancel the others, over
//! ```
//!
//! A queue may overflow to a number outside ([`Overflow::Outside`]): it rings as a last target, [`OUTSIDE`] before its number.
//!
//! In a queue with `wait` a call does not go round once: it stands in line, and each time it is looked at (a phone may be
//! free, see [`Hunt::stand_behind`]) it rings what it may, until somebody answers or `wait` is over.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::limits::{LEFT_ALONE_MAX, OUTSIDE_RING, QUEUES_VISITED_MAX, TARGETS_MAX};
use super::verdict::verdict;
use super::waiting::Waiting;
use super::{Ahead, Config, Decline, Needed, OUTSIDE, Overflow, Phone, Rest, Strategy, Wants};

/// One ringing of one phone. Counts up over the whole hunt, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt(pub usize);

/// What the hunt is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Media is open: begin ringing.
    Start,
    /// The phone refused, could not be reached (503) or never answered at all (408).
    Failed { attempt: Attempt, status: u16 },
    /// The phone answered; everything else stops.
    Answered { attempt: Attempt },
    /// Time may have passed.
    Tick,
}

/// What the hunt wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Ring {
        attempt: Attempt,
        target: String,
    },
    /// Stop ringing. `was_answered_elsewhere` = another phone has the call (RFC 3326 cause 200);
    /// otherwise its time is up.
    Cancel {
        attempt: Attempt,
        was_answered_elsewhere: bool,
    },
    /// This phone rang for all its time and nobody answered.
    Ignored {
        attempt: Attempt,
    },
    /// The call now waits in this queue, and in the one before no more.
    Moved {
        from: String,
        queue: String,
    },
    /// Nobody: this final status to the caller (480, 486, 488, 603 or 607).
    GiveUp {
        status: u16,
    },
}

/// What is known of a target.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// It is known not to be reachable.
    pub is_down: bool,
    pub phone: Phone,
    /// It cannot ring: a device that is not registered, a person who sits nowhere.
    pub is_away: bool,
    /// Another call rings or goes on there.
    pub is_taken: bool,
    /// It is left alone for now: nobody rings it.
    pub rest: Option<Rest>,
    /// Who is signed in at a phone.
    pub person: Option<Arc<str>>,
    /// Of a person: the devices he is signed in to. None = the target is one phone itself.
    pub devices: Option<Vec<String>>,
}

/// A phone that rings: never a person, but a device he is at.
#[derive(Debug)]
struct Ringing {
    attempt: Attempt,
    phone: String,
    until: Instant,
}

/// One call's search for a person. Does nothing by itself: `handle`, then `poll_step` until `None`.
#[derive(Debug)]
pub struct Hunt {
    queues: Arc<[Config]>,
    current: usize,
    visited: Vec<usize>,
    closed: Vec<usize>,
    last_words: Option<String>,
    /// What decides which skills are needed.
    wants: Wants,
    /// The phones of this queue in the order they are rung.
    order: Vec<usize>,
    /// The next one where they ring one after the other, by its place in `order`.
    next_target: usize,
    /// Those of this queue that were passed over, which are rung now as nobody else is left.
    is_last_hope: bool,
    /// Those that have been rung, by their place in the configuration.
    rung: BTreeSet<usize>,
    next_attempt: usize,
    ringing: Vec<Ringing>,
    /// Of a queue where one waits.
    waiting: Option<Waiting>,
    /// How the attempts that are over ended; 408 for a phone that rang in vain.
    failures: Vec<u16>,
    /// A number outside is rung, or was: nobody is left after it.
    is_outside: bool,
    is_over: bool,
    steps: VecDeque<Step>,
}

impl Hunt {
    /// `None` when no queue is called `first`.
    pub fn new(queues: Arc<[Config]>, first: &str) -> Option<Hunt> {
        let current = queues.iter().position(|queue| queue.name == first)?;
        Some(Hunt {
            queues,
            current,
            visited: Vec::new(),
            closed: Vec::new(),
            last_words: None,
            wants: Wants::default(),
            order: Vec::new(),
            next_target: 0,
            is_last_hope: false,
            rung: BTreeSet::new(),
            next_attempt: 0,
            ringing: Vec::new(),
            waiting: None,
            failures: Vec::new(),
            is_outside: false,
            is_over: false,
            steps: VecDeque::new(),
        })
    }

    /// Attempts count up from `first` instead of 0: a second hunt for the same call.
    pub fn counting_from(mut self, first: usize) -> Hunt {
        self.next_attempt = first;
        self
    }

    /// For this call; without it no skill is needed of anybody.
    #[must_use]
    pub fn for_call(mut self, wants: Wants) -> Hunt {
        self.wants = wants;
        self
    }

    /// One mutation. Inputs about attempts that no longer ring are ignored. `seen` says what is known of a target: in a
    /// queue that is entered now it decides the order.
    pub fn handle(&mut self, input: Input, now: Instant, seen: &dyn Fn(&str) -> Seen) {
        if self.is_over {
            return;
        }
        match input {
            Input::Start if self.visited.is_empty() => self.enter(self.current, now, seen),
            Input::Start => {}
            Input::Failed { attempt, status } => {
                if let Some(over) = self.take(attempt) {
                    self.failures.push(status);
                    self.leave_alone(&over.phone, now);
                    if status >= 600 && self.config().reach.decline == Decline::Queue {
                        self.cancel_all(false);
                        self.overflow(now, seen);
                    } else if self.ringing.is_empty() {
                        self.next(now, seen);
                    }
                }
            }
            Input::Answered { attempt } => {
                if self.take(attempt).is_some() {
                    self.cancel_all(true);
                    self.finish();
                }
            }
            Input::Tick => {
                let rang = self.ringing.len();
                self.stop_the_overdue(now);
                self.stop_the_paused(seen);
                let is_to_wait = self.waiting.is_some();
                if is_to_wait || (rang > 0 && self.ringing.is_empty()) {
                    self.next(now, seen);
                }
            }
        }
    }

    /// These calls choose before this one, in the queue it waits in.
    pub fn stand_behind(&mut self, ahead: Ahead) {
        if let Some(waiting) = &mut self.waiting {
            waiting.ahead = ahead;
        }
    }

    /// Since when the call stands in line, whether it would take a phone that becomes free, and which it would not, as they
    /// did not take it a moment ago; None = it does not wait.
    pub fn stands(&self) -> Option<(Instant, bool, Vec<String>)> {
        let waiting = self.waiting.as_ref().filter(|_| !self.is_over)?;
        let is_choosing = waiting.is_choosing && self.ringing.is_empty();
        let left_alone = waiting.left_alone().filter(|_| is_choosing);
        Some((
            waiting.since,
            is_choosing,
            left_alone.take(LEFT_ALONE_MAX).map(str::to_string).collect(),
        ))
    }

    /// What the call insists on where it waits, in the order of the names; empty = it is for whoever is free.
    pub fn needs(&self) -> &[Needed] {
        self.waiting
            .as_ref()
            .map_or(&[], |waiting| waiting.needs.insisted())
    }

    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// When it wants to be looked at: phones have rung long enough, or one waits; `None` before the start and when it is over.
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_over {
            return None;
        }
        let ringing = self.ringing.iter().map(|ringing| ringing.until);
        let waiting = self.waiting.iter().map(|waiting| waiting.look_at);
        ringing.chain(waiting).min()
    }

    /// The queue the call waits in.
    pub fn queue(&self) -> &str {
        &self.queues[self.current].name
    }

    /// How many phones ring at this moment.
    pub fn ringing(&self) -> usize {
        self.ringing.len()
    }

    /// The phone of an attempt that rings.
    pub fn phone_of(&self, attempt: Attempt) -> Option<&str> {
        let mut ringing = self.ringing.iter();
        let ringing = ringing.find(|ringing| ringing.attempt == attempt)?;
        Some(&ringing.phone)
    }

    /// Every attempt that rings.
    pub fn attempts(&self) -> impl Iterator<Item = Attempt> {
        self.ringing.iter().map(|ringing| ringing.attempt)
    }

    /// The configuration of the queue the call waits in.
    pub fn config(&self) -> &Config {
        &self.queues[self.current]
    }

    fn enter(&mut self, queue: usize, now: Instant, seen: &dyn Fn(&str) -> Seen) {
        self.current = queue;
        self.visited.push(queue);
        self.next_target = 0;
        let config = &self.queues[queue];
        // Whoever came before chooses first: who they are is asked once this call stands in line.
        let wants = &self.wants;
        self.waiting = (config.service.wait).map(|wait| Waiting::new(now, wait, &config.service, wants));
        if let Some(waiting) = &mut self.waiting {
            waiting.needs.sort_out(config, seen);
            return;
        }
        self.is_last_hope = false;
        self.rung.clear();
        let targets = &config.targets;
        self.order = (0..targets.len().min(TARGETS_MAX)).collect();
        let strategy = config.strategy;
        // Stable: between equals the order of the file.
        self.order.sort_by_cached_key(|target| {
            let seen = seen(&targets[*target]);
            seen.phone.rank(strategy, 0, seen.is_down)
        });
        self.next(now, seen);
    }

    /// Rings what comes next in this queue, or leaves it.
    fn next(&mut self, now: Instant, seen: &dyn Fn(&str) -> Seen) {
        if self.is_outside {
            return self.give_up();
        }
        if self.waiting.is_some() {
            return self.look(now, seen);
        }
        let config = &self.queues[self.current];
        let is_for_all = config.strategy == Strategy::RingAll;
        let rests: Vec<Option<Rest>> = config.targets.iter().map(|target| seen(target).rest).collect();
        let is_end = config.overflow == Overflow::Reject;
        while self.ringing.is_empty() {
            let from = self.next_target;
            let to = match is_for_all {
                true => self.order.len(),
                false => self.order.len().min(from + 1),
            };
            if from >= to {
                // Where nobody is left but who was passed over for not answering, and nothing follows, a caller is not
                // turned away for it.
                if is_end && !std::mem::replace(&mut self.is_last_hope, true) {
                    let (order, rung) = (&mut self.order, &self.rung);
                    order.retain(|place| {
                        matches!(rests[*place], Some(Rest::Skipped(_))) && !rung.contains(place)
                    });
                    self.next_target = 0;
                    continue;
                }
                return self.overflow(now, seen);
            }
            self.next_target = to;
            let mut phones = Vec::new();
            for place in &self.order[from..to] {
                // Who takes no calls now is not rung, whatever the others do.
                match rests[*place] {
                    None => {}
                    Some(Rest::Skipped(_)) if self.is_last_hope => {}
                    Some(_) => continue,
                }
                self.rung.insert(*place);
                let target = &self.queues[self.current].targets[*place];
                match seen(target).devices.filter(|devices| !devices.is_empty()) {
                    Some(devices) => phones.extend(devices),
                    // A person who is signed in nowhere comes to nothing as a device does that is not registered.
                    None => phones.push(target.clone()),
                }
            }
            self.ring(phones, now);
        }
    }

    /// Looks whether a phone is free for a call that waits.
    fn look(&mut self, now: Instant, seen: &dyn Fn(&str) -> Seen) {
        let Some(waiting) = &mut self.waiting else { return };
        if waiting.is_over(now) {
            // What rings may ring to its end.
            if self.ringing.is_empty() {
                self.overflow(now, seen);
            }
            return;
        }
        let config = &self.queues[self.current];
        if config.strategy != Strategy::RingAll && !self.ringing.is_empty() {
            return;
        }
        let ringing = self.ringing.iter();
        let ringing: BTreeSet<&str> = ringing.map(|ringing| ringing.phone.as_str()).collect();
        let mine = waiting.choose(config, &ringing, seen);
        self.ring(mine, now);
    }

    fn ring(&mut self, phones: Vec<String>, now: Instant) {
        let until = now + self.queues[self.current].ring;
        // A person and his device may both be named: it rings once.
        let mut known = BTreeSet::new();
        for phone in phones.into_iter().filter(|phone| known.insert(phone.clone())) {
            let attempt = Attempt(self.next_attempt);
            self.next_attempt += 1;
            self.ringing.push(Ringing {
                attempt,
                phone: phone.clone(),
                until,
            });
            self.steps.push_back(Step::Ring {
                attempt,
                target: phone,
            });
        }
    }

    /// Phones that have rung long enough.
    fn stop_the_overdue(&mut self, now: Instant) {
        let (over, on) = std::mem::take(&mut self.ringing)
            .into_iter()
            .partition(|ringing| ringing.until <= now);
        self.ringing = on;
        for Ringing { attempt, phone, .. } in over {
            self.failures.push(408);
            self.leave_alone(&phone, now);
            self.steps.push_back(Step::Ignored { attempt });
            self.cancel(attempt, false);
        }
    }

    /// Whoever takes no calls from this moment on rings no more.
    fn stop_the_paused(&mut self, seen: &dyn Fn(&str) -> Seen) {
        let is_paused = |phone: &str| seen(phone).rest == Some(Rest::Paused);
        let (paused, on) = std::mem::take(&mut self.ringing)
            .into_iter()
            .partition(|ringing| is_paused(&ringing.phone));
        self.ringing = on;
        for Ringing { attempt, .. } in paused {
            self.cancel(attempt, false);
        }
    }

    fn leave_alone(&mut self, phone: &str, now: Instant) {
        if let Some(waiting) = &mut self.waiting {
            waiting.leave_alone(phone, now);
        }
    }

    /// Nobody here took the call: to the next queue that is open, or to its end.
    fn overflow(&mut self, now: Instant, seen: &dyn Fn(&str) -> Seen) {
        let mut next = self.config().overflow.clone();
        while let Overflow::Queue(name) = &next
            && self.visited.len() < QUEUES_VISITED_MAX
            && let Some(queue) = self.queues.iter().position(|queue| &queue.name == name)
            && !self.visited.contains(&queue)
        {
            if self.closed.contains(&queue) {
                self.visited.push(queue);
                let closed = self.queues[queue].service.closed.as_ref();
                next = closed.map_or(Overflow::Reject, |closed| closed.to.clone());
                continue;
            }
            self.steps.push_back(Step::Moved {
                from: self.config().name.clone(),
                queue: name.clone(),
            });
            return self.enter(queue, now, seen);
        }
        match next {
            Overflow::Say(prompt) => self.last_words = Some(prompt),
            Overflow::Outside(number) if !self.is_outside => return self.ring_outside(&number, now),
            _ => {}
        }
        self.give_up();
    }

    /// Nobody of this business took the call: a number outside rings, which none of its own phones is waited for any more.
    fn ring_outside(&mut self, number: &str, now: Instant) {
        self.is_outside = true;
        self.waiting = None;
        let attempt = Attempt(self.next_attempt);
        self.next_attempt += 1;
        let target = format!("{OUTSIDE}{number}");
        self.ringing.push(Ringing {
            attempt,
            phone: target.clone(),
            until: now + OUTSIDE_RING,
        });
        self.steps.push_back(Step::Ring { attempt, target });
    }

    /// Why the phones of this queue did not take the call, for whoever it is sent on to: 486 when all were busy, 408 when one rang
    /// in vain, else 480.
    pub fn why_not(&self) -> u16 {
        match self.failures.as_slice() {
            [] => 480,
            failures if failures.iter().all(|status| matches!(status, 486 | 600)) => 486,
            failures if failures.contains(&408) => 408,
            _ => 480,
        }
    }

    fn give_up(&mut self) {
        let status = verdict(&self.failures, self.config().reach.decline);
        self.finish();
        self.steps.push_back(Step::GiveUp { status });
    }

    /// These queues are closed at this moment: no call overflows into them.
    pub fn close(&mut self, is_open: impl Fn(&Config) -> bool) {
        let queues = self.queues.iter().enumerate();
        let closed = queues
            .filter(|(_, queue)| !is_open(queue))
            .map(|(place, _)| place);
        self.closed = closed.collect();
    }

    /// What a caller whom we have answered hears when nobody took his call; None = what everybody hears.
    pub fn last_words(&self) -> Option<&str> {
        self.last_words.as_deref()
    }

    fn take(&mut self, attempt: Attempt) -> Option<Ringing> {
        let mut ringing = self.ringing.iter();
        let at = ringing.position(|ringing| ringing.attempt == attempt)?;
        Some(self.ringing.remove(at))
    }

    fn cancel(&mut self, attempt: Attempt, was_answered_elsewhere: bool) {
        self.steps.push_back(Step::Cancel {
            attempt,
            was_answered_elsewhere,
        });
    }

    fn cancel_all(&mut self, was_answered_elsewhere: bool) {
        for ringing in std::mem::take(&mut self.ringing) {
            self.cancel(ringing.attempt, was_answered_elsewhere);
        }
    }

    fn finish(&mut self) {
        self.is_over = true;
    }
}
