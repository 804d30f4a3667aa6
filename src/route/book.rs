//! What is known of where targets are: for as long as the name service says, and longer while it does not answer.
//!
//! ```text
//!   unknown ──ask──▶ under way ──found──▶ fresh ──its time is over──▶ stale ──asked again──▶ fresh
//!                        │ nothing: believed for a while                │ no answer: what was known last stays
//!                        └ no answer: failed, asked again soon          └ (2 s, 4 s, … 60 s until the next try)
//! ```
//!
//! One question at a time for each target, whoever asks. Configured targets are asked about before their time is over,
//! so that calls seldom wait; others are forgotten when it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::limits::{NAMES_MAX, NOTHING_TTL, RETRY_FIRST, RETRY_MAX};
use super::{Located, Step, Target};

/// What is known of one target.
#[derive(Clone, Debug)]
pub struct Known {
    pub target: Target,
    /// `None` = it is nowhere, or nobody knows (see `is_failed`).
    pub located: Option<Arc<Located>>,
    /// Believed until then.
    pub until: Instant,
    /// The last question was not answered: `located` is what was known before.
    pub is_failed: bool,
}

/// What to do about a question.
#[derive(Clone, Debug)]
pub enum Ask {
    Known(Known),
    /// Begin a search and tell [`Book::conclude`] of its end.
    Begin,
    /// Somebody has asked already: the answer comes to all.
    UnderWay,
    /// Too many names: none is looked up.
    Full,
}

/// How a refresh ended, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    Same,
    /// The addresses are others than before, or known for the first time.
    Changed,
    /// It is nowhere.
    Nothing,
    /// Nobody answered; what was known stays, if anything was.
    Failed {
        is_stale: bool,
    },
}

struct Entry {
    located: Option<Arc<Located>>,
    until: Instant,
    is_asking: bool,
    /// Questions in a row without an answer.
    failures: u32,
    /// When it is asked again by itself: configured targets only.
    refresh_at: Option<Instant>,
    is_kept: bool,
}

#[derive(Default)]
pub struct Book {
    entries: BTreeMap<Target, Entry>,
    others: usize,
}

impl Book {
    /// A target of the configuration: asked about from now on, and never forgotten.
    pub fn keep(&mut self, target: Target, now: Instant) {
        self.entries.entry(target).or_insert(Entry {
            located: None,
            until: now,
            is_asking: false,
            failures: 0,
            refresh_at: Some(now),
            is_kept: true,
        });
    }

    /// Somebody wants to know.
    pub fn ask(&mut self, target: &Target, now: Instant) -> Ask {
        self.forget(now);
        if let Some(entry) = self.entries.get_mut(target) {
            if entry.until > now || (entry.is_kept && entry.located.is_some()) {
                return Ask::Known(entry.known(target));
            }
            if entry.is_asking {
                return Ask::UnderWay;
            }
            entry.is_asking = true;
            return Ask::Begin;
        }
        if self.others >= NAMES_MAX {
            return Ask::Full;
        }
        self.others += 1;
        let entry = Entry {
            located: None,
            until: now,
            is_asking: true,
            failures: 0,
            refresh_at: None,
            is_kept: false,
        };
        self.entries.insert(target.clone(), entry);
        Ask::Begin
    }

    /// A search has ended. What everybody who asked is told, and how it compares.
    pub fn conclude(&mut self, target: &Target, end: Step, now: Instant) -> Option<(Known, Refresh)> {
        let entry = self.entries.get_mut(target)?;
        entry.is_asking = false;
        let refresh = match end {
            Step::Found(located) => {
                let is_same = entry
                    .located
                    .as_ref()
                    .is_some_and(|known| known.services == located.services);
                entry.failures = 0;
                entry.until = now + located.ttl;
                // Early enough that the next answer is there before this one is too old.
                entry.refresh_at = entry.is_kept.then_some(now + located.ttl.mul_f64(0.8));
                entry.located = Some(Arc::new(located));
                if is_same { Refresh::Same } else { Refresh::Changed }
            }
            Step::Nothing { ttl } => {
                entry.failures = 0;
                entry.until = now + ttl;
                entry.refresh_at = entry.is_kept.then_some(now + ttl);
                entry.located = None;
                Refresh::Nothing
            }
            Step::Failed | Step::Ask(_) => {
                let pause = RETRY_FIRST
                    .saturating_mul(1 << entry.failures.min(10))
                    .min(RETRY_MAX);
                entry.failures = entry.failures.saturating_add(1);
                entry.refresh_at = entry.is_kept.then_some(now + pause);
                entry.until = entry.until.max(now + pause.min(NOTHING_TTL));
                let is_stale = entry.located.is_some();
                Refresh::Failed { is_stale }
            }
        };
        Some((entry.known(target), refresh))
    }

    /// Configured targets that are to be asked about now; each is then under way.
    pub fn due(&mut self, now: Instant) -> Vec<Target> {
        self.forget(now);
        let due = self.entries.iter_mut().filter_map(|(target, entry)| {
            let is_due = !entry.is_asking && entry.refresh_at.is_some_and(|at| at <= now);
            is_due.then(|| {
                entry.is_asking = true;
                target.clone()
            })
        });
        due.collect()
    }

    /// How long until something is due; `None` = nothing ever is.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        let waiting = self.entries.values().filter(|entry| !entry.is_asking);
        let next = waiting.filter_map(|entry| entry.refresh_at).min()?;
        Some(next.saturating_duration_since(now))
    }

    /// Configured targets whose last question was not answered.
    pub fn failing(&self) -> usize {
        let kept = self.entries.values().filter(|entry| entry.is_kept);
        kept.filter(|entry| entry.failures > 0).count()
    }

    /// Everything that is known, in order of the names.
    pub fn all(&self) -> impl Iterator<Item = Known> {
        self.entries.iter().map(|(target, entry)| entry.known(target))
    }

    fn forget(&mut self, now: Instant) {
        self.entries
            .retain(|_, entry| entry.is_kept || entry.is_asking || entry.until > now);
        self.others = self.entries.values().filter(|entry| !entry.is_kept).count();
    }
}

impl Entry {
    fn known(&self, target: &Target) -> Known {
        Known {
            target: target.clone(),
            located: self.located.clone(),
            until: self.until,
            is_failed: self.failures > 0,
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;
    use crate::sip::{Transport, Uri};

    fn target(host: &str) -> Target {
        Target::of(&Uri::parse(&format!("sip:a@{host}")).unwrap()).unwrap()
    }

    fn found(last: u8, ttl: u64) -> Step {
        let mut located = Located::literal(Transport::Udp, ([10, 0, 0, last], 5060).into());
        located.ttl = Duration::from_secs(ttl);
        Step::Found(located)
    }

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    fn first_address(known: &Known) -> Option<String> {
        let located = known.located.as_ref()?;
        located.addresses().next().map(|address| address.to_string())
    }

    #[test]
    fn one_question_at_a_time_whoever_asks() {
        let (mut book, now) = (Book::default(), Instant::now());
        let pbx = target("pbx.example.com");
        book.keep(pbx.clone(), now);
        assert_eq!(book.due(now), std::slice::from_ref(&pbx));
        assert!(book.due(now).is_empty());
        assert!(matches!(book.ask(&pbx, now), Ask::UnderWay));
        let (known, refresh) = book.conclude(&pbx, found(5, 100), now).unwrap();
        assert_eq!(
            (refresh, first_address(&known).as_deref()),
            (Refresh::Changed, Some("10.0.0.5"))
        );
        assert!(matches!(book.ask(&pbx, after(now, 99)), Ask::Known(_)));
    }

    #[test]
    fn a_configured_target_is_asked_again_before_its_time_is_over() {
        let (mut book, now) = (Book::default(), Instant::now());
        let pbx = target("pbx.example.com");
        book.keep(pbx.clone(), now);
        book.due(now);
        book.conclude(&pbx, found(5, 100), now);
        assert_eq!(book.rest(now), Some(Duration::from_secs(80)));
        assert!(book.due(after(now, 79)).is_empty());
        assert_eq!(book.due(after(now, 80)).len(), 1);
        let (_, refresh) = book.conclude(&pbx, found(5, 100), after(now, 80)).unwrap();
        assert_eq!(refresh, Refresh::Same);
    }

    #[test]
    fn a_dead_resolver_keeps_the_last_answer_and_is_asked_ever_more_seldom() {
        let (mut book, now) = (Book::default(), Instant::now());
        let pbx = target("pbx.example.com");
        book.keep(pbx.clone(), now);
        book.due(now);
        book.conclude(&pbx, found(5, 100), now);
        let mut at = after(now, 80);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert_eq!(book.due(at).len(), 1);
            let (known, refresh) = book.conclude(&pbx, Step::Failed, at).unwrap();
            assert_eq!(refresh, Refresh::Failed { is_stale: true });
            assert!(known.is_failed && first_address(&known).is_some());
            assert!(
                matches!(book.ask(&pbx, at), Ask::Known(_)),
                "a call never waits for it"
            );
            let pause = book.rest(at).unwrap();
            pauses.push(pause.as_secs());
            at += pause;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(book.failing(), 1);
        // A day later it is still known where the phone system was.
        assert!(matches!(book.ask(&pbx, after(at, 86_400)), Ask::Known(known) if known.located.is_some()));
        book.due(after(at, 60));
        let (known, refresh) = book.conclude(&pbx, found(6, 100), after(at, 60)).unwrap();
        assert_eq!(
            (refresh, known.is_failed, book.failing()),
            (Refresh::Changed, false, 0)
        );
    }

    #[test]
    fn that_a_name_does_not_exist_is_believed_for_a_while() {
        let (mut book, now) = (Book::default(), Instant::now());
        let gone = target("gone.example.com");
        assert!(matches!(book.ask(&gone, now), Ask::Begin));
        let ttl = Duration::from_secs(30);
        let (known, _) = book.conclude(&gone, Step::Nothing { ttl }, now).unwrap();
        assert!(known.located.is_none() && !known.is_failed);
        assert!(matches!(book.ask(&gone, after(now, 29)), Ask::Known(known) if known.located.is_none()));
        assert!(matches!(book.ask(&gone, after(now, 31)), Ask::Begin));
    }

    #[test]
    fn a_configured_name_that_never_was_found_makes_calls_wait_for_the_next_answer() {
        let (mut book, now) = (Book::default(), Instant::now());
        let pbx = target("pbx.example.com");
        book.keep(pbx.clone(), now);
        book.due(now);
        let (known, refresh) = book.conclude(&pbx, Step::Failed, now).unwrap();
        assert_eq!(refresh, Refresh::Failed { is_stale: false });
        assert!(known.located.is_none() && known.is_failed);
        assert!(
            matches!(book.ask(&pbx, after(now, 1)), Ask::Known(_)),
            "asked a second ago"
        );
        assert!(matches!(book.ask(&pbx, after(now, 3)), Ask::Begin));
    }

    #[test]
    fn names_that_came_by_redirection_are_bounded_and_forgotten() {
        let (mut book, now) = (Book::default(), Instant::now());
        for n in 0..NAMES_MAX {
            let name = target(&format!("n{n}.example.com"));
            assert!(matches!(book.ask(&name, now), Ask::Begin));
            book.conclude(&name, found(1, 60), now);
        }
        assert!(matches!(book.ask(&target("more.example.com"), now), Ask::Full));
        assert!(matches!(
            book.ask(&target("more.example.com"), after(now, 61)),
            Ask::Begin
        ));
        assert_eq!(book.entries.len(), 1);
    }
}
