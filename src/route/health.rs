//! Which addresses failed, and for how long they are tried last.
//!
//! Two things say that an address is down, and either is enough: a call that failed there (for a while that grows with
//! each failure in a row; a 503 may say how long) and probes without an answer (until they are answered again). Any
//! answer to a call lifts both; an answer to a probe does not lift a refusal: a server that is overloaded still answers
//! OPTIONS.
//!
//! ```text
//!              a call failed                    its time is over: tried in its turn again,
//!   up ─────────────────────────▶ down until … ─────────────────▶ up, but the next failure counts double
//!    │  ▲                           │ a call was answered
//!    │  └───────────────────────────┘
//!    │ 2 probes in a row without an answer        2 in a row answered
//!    └────────────────────────────▶ down ─────────────────────────▶ up
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Candidate;
use super::limits::{DOWN_FIRST, DOWN_MAX, PROBES_TO_DOWN, PROBES_TO_UP, STANDINGS_MAX};

/// Why an address is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It answered 503.
    Refused,
    /// It did not answer a call at all.
    Silent,
    /// Nothing could be sent to it.
    Unreachable,
    /// It does not answer probes, or with 408 or 503.
    Unanswered,
}

impl Cause {
    pub fn name(self) -> &'static str {
        match self {
            Cause::Refused => "refused",
            Cause::Silent => "silent",
            Cause::Unreachable => "unreachable",
            Cause::Unanswered => "unanswered",
        }
    }
}

/// What is known of an address now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Up,
    /// `until` = None: until a probe is answered.
    Down {
        cause: Cause,
        until: Option<Instant>,
    },
}

/// An address's standing is another one than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub candidate: Candidate,
    pub state: State,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Calls that failed in a row.
    failures: u32,
    refused: Option<(Cause, Instant)>,
    is_unanswered: bool,
    /// Probes in a row that contradict `is_unanswered`.
    contradictions: u32,
}

impl Standing {
    fn state(&self, now: Instant) -> State {
        match self.refused.filter(|(_, until)| *until > now) {
            _ if self.is_unanswered => State::Down {
                cause: Cause::Unanswered,
                until: None,
            },
            Some((cause, until)) => State::Down {
                cause,
                until: Some(until),
            },
            None => State::Up,
        }
    }
}

/// The standing of every address that was ever down. Bounded by `STANDINGS_MAX`.
#[derive(Debug, Default)]
pub struct Health {
    standings: BTreeMap<Candidate, Standing>,
}

impl Health {
    pub fn state(&self, candidate: &Candidate, now: Instant) -> State {
        self.standings
            .get(candidate)
            .map_or(State::Up, |standing| standing.state(now))
    }

    pub fn is_up(&self, candidate: &Candidate, now: Instant) -> bool {
        self.state(candidate, now) == State::Up
    }

    /// A call failed there. `retry_after`: what a 503 said, believed up to `DOWN_MAX`.
    pub fn failed(
        &mut self,
        candidate: Candidate,
        cause: Cause,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> Option<Change> {
        self.change(candidate, now, |standing| {
            let own = DOWN_FIRST.saturating_mul(1 << standing.failures.min(10));
            let pause = retry_after.unwrap_or(own).clamp(Duration::from_secs(1), DOWN_MAX);
            standing.failures = standing.failures.saturating_add(1);
            standing.refused = Some((cause, now + pause));
        })
    }

    /// A call was answered there, whatever the answer was (but 503).
    pub fn worked(&mut self, candidate: Candidate, now: Instant) -> Option<Change> {
        if !self.standings.contains_key(&candidate) {
            return None;
        }
        let change = self.change(candidate, now, |standing| *standing = Standing::default());
        self.standings.remove(&candidate);
        change
    }

    /// A probe was answered (but 408 and 503), or was not.
    pub fn probed(&mut self, candidate: Candidate, is_answered: bool, now: Instant) -> Option<Change> {
        if is_answered && !self.standings.contains_key(&candidate) {
            return None;
        }
        self.change(candidate, now, |standing| {
            if standing.is_unanswered != is_answered {
                standing.contradictions = 0;
                return;
            }
            standing.contradictions += 1;
            let needed = if is_answered { PROBES_TO_UP } else { PROBES_TO_DOWN };
            if standing.contradictions >= needed {
                standing.is_unanswered = !is_answered;
                standing.contradictions = 0;
            }
        })
    }

    /// What another shard found out.
    pub fn take(&mut self, change: Change, now: Instant) {
        self.change(change.candidate, now, |standing| match change.state {
            State::Up => *standing = Standing::default(),
            State::Down { until: None, .. } => standing.is_unanswered = true,
            State::Down {
                cause,
                until: Some(until),
            } => {
                standing.failures = standing.failures.saturating_add(1);
                standing.is_unanswered = false;
                standing.refused = Some((cause, until));
            }
        });
    }

    /// Those that are up first, each group in its order: nothing is ever left out.
    pub fn arrange(&self, candidates: &mut [Candidate], now: Instant) {
        candidates.sort_by_key(|candidate| !self.is_up(candidate, now));
    }

    fn change(
        &mut self,
        candidate: Candidate,
        now: Instant,
        change: impl FnOnce(&mut Standing),
    ) -> Option<Change> {
        let is_new = !self.standings.contains_key(&candidate);
        if is_new && self.standings.len() >= STANDINGS_MAX {
            self.standings.pop_first();
        }
        let standing = self.standings.entry(candidate).or_default();
        let before = standing.state(now);
        change(standing);
        let state = standing.state(now);
        (before != state).then_some(Change { candidate, state })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;
    use crate::sip::Transport;

    fn candidate(last: u8) -> Candidate {
        Candidate {
            transport: Transport::Udp,
            address: ([10, 0, 0, last], 5060).into(),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn down_for(change: Option<Change>, now: Instant) -> u64 {
        match change {
            Some(Change {
                state: State::Down {
                    until: Some(until), ..
                },
                ..
            }) => (until - now).as_secs(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn failures_in_a_row_keep_an_address_down_for_longer_and_longer() {
        let mut health = Health::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let pause = down_for(health.failed(candidate(1), Cause::Silent, None, now), now);
            assert!(!health.is_up(&candidate(1), now + seconds(pause - 1)));
            now += seconds(pause);
            assert!(health.is_up(&candidate(1), now), "it has its turn again");
            pauses.push(pause);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert!(health.worked(candidate(1), now).is_none(), "it was up already");
        assert_eq!(
            down_for(health.failed(candidate(1), Cause::Silent, None, now), now),
            5
        );
    }

    #[test]
    fn retry_after_is_believed_within_bounds() {
        for (said, believed) in [(0, 1), (1, 1), (30, 30), (100_000, 300)] {
            let (mut health, now) = (Health::default(), Instant::now());
            let change = health.failed(candidate(1), Cause::Refused, Some(seconds(said)), now);
            assert_eq!(down_for(change, now), believed);
        }
    }

    #[test]
    fn one_lost_probe_is_no_outage_and_one_answer_no_recovery() {
        let (mut health, now) = (Health::default(), Instant::now());
        let mut states = String::new();
        for answer in "-+--+-++-".chars() {
            health.probed(candidate(1), answer == '+', now);
            states.push(if health.is_up(&candidate(1), now) {
                'u'
            } else {
                'd'
            });
        }
        assert_eq!(states, "uuudddduu");
    }

    #[test]
    fn an_answered_call_lifts_everything_and_an_answered_probe_no_refusal() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.failed(candidate(1), Cause::Refused, Some(seconds(60)), now);
        for _ in 0..5 {
            health.probed(candidate(1), true, now);
        }
        assert!(
            !health.is_up(&candidate(1), now),
            "overloaded, and still answering OPTIONS"
        );
        health.probed(candidate(1), false, now);
        health.probed(candidate(1), false, now);
        let lifted = health.worked(candidate(1), now).expect("news");
        assert_eq!(lifted.state, State::Up);
        assert!(health.standings.is_empty(), "what is up takes no place");
    }

    #[test]
    fn what_is_down_comes_last_and_is_never_left_out() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.failed(candidate(1), Cause::Silent, None, now);
        let mut all = [candidate(1), candidate(2), candidate(3)];
        health.arrange(&mut all, now);
        assert_eq!(all, [candidate(2), candidate(3), candidate(1)]);
        health.failed(candidate(2), Cause::Silent, None, now);
        health.failed(candidate(3), Cause::Silent, None, now);
        let mut all = [candidate(1), candidate(2), candidate(3)];
        health.arrange(&mut all, now);
        assert_eq!(
            all,
            [candidate(1), candidate(2), candidate(3)],
            "all down: all in their order"
        );
    }

    #[test]
    fn shards_tell_each_other() {
        let now = Instant::now();
        let (mut one, mut other) = (Health::default(), Health::default());
        let change = one
            .failed(candidate(1), Cause::Unreachable, None, now)
            .expect("news");
        other.take(change, now);
        assert_eq!(other.state(&candidate(1), now), change.state);
        let change = one.worked(candidate(1), now).expect("news");
        other.take(change, now);
        assert!(other.is_up(&candidate(1), now));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut health, now) = (Health::default(), Instant::now());
        for n in 0..STANDINGS_MAX as u32 + 100 {
            let address = (std::net::Ipv4Addr::from(n), 5060).into();
            let candidate = Candidate {
                transport: Transport::Udp,
                address,
            };
            health.failed(candidate, Cause::Silent, None, now);
        }
        assert_eq!(health.standings.len(), STANDINGS_MAX);
    }
}
