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
//! In a queue with `wait` a call does not go round once: it stands in line, and each time it is looked at (a phone may be
//! free, see [`Hunt::stand_behind`]) it rings what it may, until somebody answers or `wait` is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::limits::{LOOK_AGAIN, QUEUES_VISITED_MAX, RING_AGAIN, TARGETS_MAX};
use super::verdict::verdict;
use super::{Config, Decline, Overflow, Phone, Rest, Strategy};

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
    /// The call now waits in this queue.
    Moved {
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

/// A call in a queue where one waits.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// When it has waited long enough.
    until: Instant,
    look_at: Instant,
    /// Phones that did not take it, and when they may ring for it again.
    left_alone: BTreeMap<String, Instant>,
    /// It would take a phone that becomes free.
    is_choosing: bool,
    /// Calls that choose before it.
    ahead: usize,
}

/// One call's search for a person. Does nothing by itself: `handle`, then `poll_step` until `None`.
#[derive(Debug)]
pub struct Hunt {
    queues: Arc<[Config]>,
    current: usize,
    visited: Vec<usize>,
    closed: Vec<usize>,
    last_words: Option<String>,
    /// The phones of this queue in the order they are rung.
    order: Vec<usize>,
    /// The next one where they ring one after the other, by its place in `order`.
    next_target: usize,
    next_attempt: usize,
    ringing: Vec<Ringing>,
    /// Of a queue where one waits.
    waiting: Option<Waiting>,
    /// How the attempts that are over ended; 408 for a phone that rang in vain.
    failures: Vec<u16>,
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
            order: Vec::new(),
            next_target: 0,
            next_attempt: 0,
            ringing: Vec::new(),
            waiting: None,
            failures: Vec::new(),
            is_over: false,
            steps: VecDeque::new(),
        })
    }

    /// Attempts count up from `first` instead of 0: a second hunt for the same call.
    pub fn counting_from(mut self, first: usize) -> Hunt {
        self.next_attempt = first;
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
                self.stop_the_paused(now, seen);
                let is_to_wait = self.waiting.is_some();
                if is_to_wait || (rang > 0 && self.ringing.is_empty()) {
                    self.next(now, seen);
                }
            }
        }
    }

    /// So many calls choose before this one, in the queue it waits in.
    pub fn stand_behind(&mut self, ahead: usize) {
        if let Some(waiting) = &mut self.waiting {
            waiting.ahead = ahead;
        }
    }

    /// Since when the call stands in line, and whether it would take a phone that becomes free; None = it does not wait.
    pub fn stands(&self) -> Option<(Instant, bool)> {
        let waiting = self.waiting.as_ref().filter(|_| !self.is_over)?;
        Some((waiting.since, waiting.is_choosing && self.ringing.is_empty()))
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
        self.waiting = config.service.wait.map(|wait| Waiting {
            since: now,
            until: now + wait,
            look_at: now,
            left_alone: BTreeMap::new(),
            is_choosing: true,
            ahead: 0,
        });
        if self.waiting.is_some() {
            return;
        }
        let targets = &config.targets;
        self.order = (0..targets.len().min(TARGETS_MAX)).collect();
        let strategy = config.strategy;
        // Stable: between equals the order of the file.
        self.order.sort_by_cached_key(|target| {
            let seen = seen(&targets[*target]);
            seen.phone.rank(strategy, seen.is_down)
        });
        self.next(now, seen);
    }

    /// Rings what comes next in this queue, or leaves it.
    fn next(&mut self, now: Instant, seen: &dyn Fn(&str) -> Seen) {
        if self.waiting.is_some() {
            return self.look(now, seen);
        }
        let is_for_all = self.queues[self.current].strategy == Strategy::RingAll;
        while self.ringing.is_empty() {
            let from = self.next_target;
            let to = match is_for_all {
                true => self.order.len(),
                false => self.order.len().min(from + 1),
            };
            if from >= to {
                return self.overflow(now, seen);
            }
            self.next_target = to;
            // Where everybody was skipped because nobody answered, and nothing follows, a caller is not turned away for it.
            let config = &self.queues[self.current];
            let rests = |target: &usize| seen(&config.targets[*target]).rest;
            let is_last_hope = config.overflow == Overflow::Reject
                && self
                    .order
                    .iter()
                    .all(|target| matches!(rests(target), Some(Rest::Skipped(_))));
            let mut phones = Vec::new();
            for target in &self.order[from..to] {
                let target = &self.queues[self.current].targets[*target];
                let seen = seen(target);
                // Who takes no calls now is not rung, whatever the others do.
                if seen.rest.is_some() && !is_last_hope {
                    continue;
                }
                match seen.devices.filter(|devices| !devices.is_empty()) {
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
        waiting.look_at = match waiting.until > now {
            true => (now + LOOK_AGAIN).min(waiting.until),
            false => now + LOOK_AGAIN,
        };
        waiting.left_alone.retain(|_, until| now < *until);
        if waiting.until <= now {
            // What rings may ring to its end.
            waiting.is_choosing = false;
            if self.ringing.is_empty() {
                self.overflow(now, seen);
            }
            return;
        }
        let config = &self.queues[self.current];
        let is_for_all = config.strategy == Strategy::RingAll;
        if !is_for_all && !self.ringing.is_empty() {
            return;
        }
        let ringing: BTreeSet<&str> = self
            .ringing
            .iter()
            .map(|ringing| ringing.phone.as_str())
            .collect();
        let mut free = Vec::new();
        let mut has_any = false;
        for (place, target) in config.targets.iter().take(TARGETS_MAX).enumerate() {
            let known = seen(target);
            if known.is_away {
                continue;
            }
            let is_his = known.devices.is_some();
            let mut phones = known.devices.unwrap_or_else(|| vec![target.clone()]);
            phones.retain(|phone| !ringing.contains(phone.as_str()));
            has_any |= phones.iter().any(|phone| !waiting.left_alone.contains_key(phone));
            if known.is_taken || known.rest.is_some() {
                continue;
            }
            phones.retain(|phone| {
                let is_free = || {
                    let known = seen(phone);
                    !known.is_away && !known.is_taken && known.rest.is_none()
                };
                !waiting.left_alone.contains_key(phone) && (!is_his || is_free())
            });
            if !phones.is_empty() {
                free.push((known.phone.rank(config.strategy, known.is_down), place, phones));
            }
        }
        free.sort();
        waiting.is_choosing = has_any;
        // Of one who is named twice, as a person and by his phone, there is one.
        let mut known = BTreeSet::new();
        for (_, _, phones) in &mut free {
            phones.retain(|phone| known.insert(phone.clone()));
        }
        free.retain(|(_, _, phones)| !phones.is_empty());
        let mine = free.into_iter().skip(waiting.ahead);
        let mine: Vec<String> = mine
            .take(if is_for_all { usize::MAX } else { 1 })
            .flat_map(|(_, _, phones)| phones)
            .collect();
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
    fn stop_the_paused(&mut self, now: Instant, seen: &dyn Fn(&str) -> Seen) {
        let is_paused = |phone: &str| seen(phone).rest == Some(Rest::Paused);
        let (paused, on) = std::mem::take(&mut self.ringing)
            .into_iter()
            .partition(|ringing| ringing.until > now && is_paused(&ringing.phone));
        self.ringing = on;
        for Ringing { attempt, .. } in paused {
            self.cancel(attempt, false);
        }
    }

    fn leave_alone(&mut self, phone: &str, now: Instant) {
        if let Some(waiting) = &mut self.waiting {
            waiting.left_alone.insert(phone.to_string(), now + RING_AGAIN);
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
            self.steps.push_back(Step::Moved { queue: name.clone() });
            return self.enter(queue, now, seen);
        }
        if let Overflow::Say(prompt) = next {
            self.last_words = Some(prompt);
        }
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

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::queue::{Reach, Service};

    const RING: Duration = Duration::from_secs(20);

    fn queue(name: &str, strategy: Strategy, targets: usize, overflow: Overflow) -> Config {
        Config {
            name: name.into(),
            numbers: vec!["*".into()],
            strategy,
            targets: (0..targets).map(|n| format!("sip:{name}{n}@10.0.0.5")).collect(),
            ring: RING,
            overflow,
            reach: Reach::default(),
            service: Service::default(),
        }
    }

    fn hunt(queues: Vec<Config>) -> Hunt {
        Hunt::new(queues.into(), "desk").unwrap()
    }

    /// Steps as one short line: `+0` ring, `-0` cancel, `x0` answered elsewhere, `>name` moved, `!480` give up.
    fn steps(hunt: &mut Hunt) -> String {
        let mut line = Vec::new();
        while let Some(step) = hunt.poll_step() {
            line.push(match step {
                Step::Ring { attempt, .. } => format!("+{}", attempt.0),
                Step::Cancel {
                    attempt,
                    was_answered_elsewhere: true,
                } => format!("x{}", attempt.0),
                Step::Cancel { attempt, .. } => format!("-{}", attempt.0),
                // Told beside the `-` that follows it.
                Step::Ignored { .. } => continue,
                Step::Moved { queue } => format!(">{queue}"),
                Step::GiveUp { status } => format!("!{status}"),
            });
        }
        line.join(" ")
    }

    fn failed(attempt: usize, status: u16) -> Input {
        Input::Failed {
            attempt: Attempt(attempt),
            status,
        }
    }

    fn check(queues: Vec<Config>, script: &[(Input, u64, &str)]) {
        let start = Instant::now();
        let mut hunt = hunt(queues);
        for (input, seconds, expected) in script {
            hunt.handle(*input, start + Duration::from_secs(*seconds), &|target| Seen {
                is_down: target.contains("down"),
                ..Seen::default()
            });
            assert_eq!(steps(&mut hunt), *expected, "{input:?} at {seconds}");
        }
    }

    #[test]
    fn ring_all_rings_everybody_and_the_first_answer_wins() {
        check(
            vec![queue("desk", Strategy::RingAll, 3, Overflow::Reject)],
            &[
                (Input::Start, 0, "+0 +1 +2"),
                (failed(1, 486), 1, ""),
                (Input::Answered { attempt: Attempt(2) }, 2, "x0"),
                (Input::Tick, 60, ""),
            ],
        );
    }

    #[test]
    fn in_order_gives_each_phone_its_own_time() {
        check(
            vec![queue("desk", Strategy::InOrder, 3, Overflow::Reject)],
            &[
                (Input::Start, 0, "+0"),
                (Input::Tick, 19, ""),
                (Input::Tick, 20, "-0 +1"),
                (failed(1, 486), 21, "+2"),
                (Input::Tick, 40, ""),
                (Input::Tick, 41, "-2 !480"),
            ],
        );
    }

    #[test]
    fn a_person_rings_at_all_his_devices_at_once_and_a_device_that_is_named_as_well_rings_once() {
        let rung = |strategy| {
            let mut desk = queue("desk", strategy, 0, Overflow::Reject);
            desk.targets = ["device:d1", "person:ann", "person:bob"].map(Into::into).to_vec();
            let mut hunt = hunt(vec![desk]);
            let seen = |target: &str| Seen {
                devices: match target {
                    "person:ann" => Some(vec!["device:d1".into(), "device:d2".into()]),
                    "person:bob" => Some(Vec::new()),
                    _ => None,
                },
                ..Seen::default()
            };
            let (mut rung, start) = (Vec::new(), Instant::now());
            hunt.handle(Input::Start, start, &seen);
            for round in 1..5 {
                let mut together = Vec::new();
                while let Some(step) = hunt.poll_step() {
                    if let Step::Ring { target, attempt } = step {
                        assert_eq!(hunt.phone_of(attempt), Some(target.as_str()));
                        together.push(target);
                    }
                }
                rung.push(together.join("+"));
                hunt.handle(Input::Tick, start + RING * round, &seen);
            }
            rung.join(" ").trim_end().to_string()
        };
        assert_eq!(rung(Strategy::RingAll), "device:d1+device:d2+person:bob");
        assert_eq!(
            rung(Strategy::InOrder),
            "device:d1 device:d1+device:d2 person:bob"
        );
    }

    #[test]
    fn when_all_are_busy_the_caller_hears_busy() {
        let desk = || vec![queue("desk", Strategy::RingAll, 2, Overflow::Reject)];
        check(
            desk(),
            &[
                (Input::Start, 0, "+0 +1"),
                (failed(0, 486), 0, ""),
                (failed(1, 600), 0, "!486"),
            ],
        );
        check(
            desk(),
            &[
                (Input::Start, 0, "+0 +1"),
                (failed(0, 486), 0, ""),
                (failed(1, 503), 0, "!486"),
            ],
        );
        check(
            desk(),
            &[
                (Input::Start, 0, "+0 +1"),
                (failed(0, 488), 0, ""),
                (failed(1, 606), 0, "!488"),
            ],
        );
        check(
            desk(),
            &[
                (Input::Start, 0, "+0 +1"),
                (failed(0, 603), 0, ""),
                (failed(1, 603), 0, "!603"),
            ],
        );
    }

    #[test]
    fn overflow_visits_each_queue_once() {
        check(
            vec![
                queue("desk", Strategy::RingAll, 1, Overflow::Queue("night".into())),
                queue("night", Strategy::RingAll, 1, Overflow::Queue("desk".into())),
            ],
            &[
                (Input::Start, 0, "+0"),
                (Input::Tick, 20, "-0 >night +1"),
                (Input::Tick, 40, "-1 !480"),
            ],
        );
    }

    #[test]
    fn a_chain_of_empty_queues_ends() {
        let mut queues: Vec<_> = (0..12)
            .map(|n| {
                queue(
                    &format!("q{n}"),
                    Strategy::InOrder,
                    0,
                    Overflow::Queue(format!("q{}", n + 1)),
                )
            })
            .collect();
        queues[0].name = "desk".into();
        check(queues, &[(Input::Start, 0, ">q1 >q2 >q3 >q4 >q5 >q6 >q7 !480")]);
    }

    #[test]
    fn what_is_down_is_rung_last_and_when_all_are_down_all_are_rung() {
        let with = |targets: [&str; 3]| {
            let mut desk = queue("desk", Strategy::InOrder, 0, Overflow::Reject);
            desk.targets = targets.map(|user| format!("sip:{user}@10.0.0.5")).to_vec();
            let mut hunt = hunt(vec![desk]);
            let mut rung = Vec::new();
            let now = Instant::now();
            hunt.handle(Input::Start, now, &|target| Seen {
                is_down: target.contains("down"),
                ..Seen::default()
            });
            while let Some(step) = hunt.poll_step() {
                if let Step::Ring { attempt, target } = step {
                    rung.push(target);
                    hunt.handle(failed(attempt.0, 503), now, &|_| Seen {
                        is_down: true,
                        ..Seen::default()
                    });
                }
            }
            rung.join(" ")
        };
        assert_eq!(
            with(["down1", "up1", "up2"]),
            "sip:up1@10.0.0.5 sip:up2@10.0.0.5 sip:down1@10.0.0.5"
        );
        assert_eq!(
            with(["down1", "down2", "down3"]),
            "sip:down1@10.0.0.5 sip:down2@10.0.0.5 sip:down3@10.0.0.5"
        );
    }

    #[test]
    fn nobody_is_turned_away_because_all_were_passed_over() {
        let rung = |rest: Rest, overflow: Overflow| {
            let desk = queue("desk", Strategy::RingAll, 2, overflow);
            let mut hunt = hunt(vec![desk]);
            hunt.handle(Input::Start, Instant::now(), &|_| Seen {
                rest: Some(rest),
                ..Seen::default()
            });
            let mut rung = 0;
            while let Some(step) = hunt.poll_step() {
                rung += usize::from(matches!(step, Step::Ring { .. }));
            }
            rung
        };
        let skipped = Rest::Skipped(Instant::now());
        assert_eq!(rung(skipped, Overflow::Reject), 2);
        assert_eq!(rung(skipped, Overflow::Queue("night".into())), 0);
        assert_eq!(rung(Rest::Paused, Overflow::Reject), 0);
    }

    #[test]
    fn a_decline_is_the_word_of_one_phone_or_of_the_queue_as_configured() {
        let script = |decline, after: &'static str| {
            let mut desk = queue("desk", Strategy::RingAll, 3, Overflow::Queue("night".into()));
            desk.reach.decline = decline;
            let night = queue("night", Strategy::RingAll, 1, Overflow::Reject);
            check(
                vec![desk, night],
                &[(Input::Start, 0, "+0 +1 +2"), (failed(1, 603), 1, after)],
            );
        };
        script(Decline::Phone, "");
        script(Decline::Queue, "-0 -2 >night +3");
    }

    #[test]
    fn a_late_word_about_a_phone_that_no_longer_rings_changes_nothing() {
        check(
            vec![queue("desk", Strategy::InOrder, 2, Overflow::Reject)],
            &[
                (Input::Start, 0, "+0"),
                (Input::Tick, 20, "-0 +1"),
                (failed(0, 487), 20, ""),
                (Input::Answered { attempt: Attempt(0) }, 21, ""),
                (Input::Answered { attempt: Attempt(1) }, 22, ""),
            ],
        );
    }
}
