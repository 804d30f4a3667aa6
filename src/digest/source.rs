//! How often strangers ask, and how often they are wrong, by address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use super::limits::{
    CHALLENGES_PER_WINDOW, FAILURE_WINDOW, FAILURES_PER_SOURCE, REQUESTS_PER_SOURCE, SOURCE_WINDOW,
    SOURCES_MAX,
};
use crate::cidr::neighbourhood;

#[derive(Default)]
pub(super) struct Sources {
    known: HashMap<IpAddr, Source>,
    /// In the order they were first counted.
    order: VecDeque<IpAddr>,
    /// Of all strangers together.
    all: Option<Window>,
}

struct Source {
    requests: Window,
    failures: Window,
}

#[derive(Clone, Copy)]
struct Window {
    since: Instant,
    count: u32,
}

impl Window {
    fn new(now: Instant) -> Window {
        Window { since: now, count: 0 }
    }

    /// Counts one more within `length`; how many that makes.
    fn add(&mut self, length: std::time::Duration, now: Instant) -> u32 {
        if now.saturating_duration_since(self.since) >= length {
            *self = Window::new(now);
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}

impl Sources {
    /// Counts a request that proves nothing. False = too many: it gets no answer.
    pub(super) fn may_ask(&mut self, address: IpAddr, now: Instant) -> bool {
        let source = self.source(address, now);
        if source.requests.add(SOURCE_WINDOW, now) > REQUESTS_PER_SOURCE {
            return false;
        }
        self.all.get_or_insert(Window::new(now)).add(SOURCE_WINDOW, now) <= CHALLENGES_PER_WINDOW
    }

    /// A wrong answer.
    pub(super) fn failed(&mut self, address: IpAddr, now: Instant) {
        self.source(address, now).failures.add(FAILURE_WINDOW, now);
    }

    /// Too many wrong answers: whatever it says is not looked at.
    pub(super) fn is_barred(&self, address: IpAddr, now: Instant) -> bool {
        self.known.get(&neighbourhood(address)).is_some_and(|source| {
            source.failures.count >= FAILURES_PER_SOURCE
                && now.saturating_duration_since(source.failures.since) < FAILURE_WINDOW
        })
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    fn source(&mut self, address: IpAddr, now: Instant) -> &mut Source {
        let address = neighbourhood(address);
        if !self.known.contains_key(&address) {
            if self.known.len() >= SOURCES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
            self.order.push_back(address);
        }
        self.known.entry(address).or_insert_with(|| Source {
            requests: Window::new(now),
            failures: Window::new(now),
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_answered_so_often_and_again_after_the_window() {
        let mut sources = Sources::default();
        let now = Instant::now();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..REQUESTS_PER_SOURCE {
            assert!(sources.may_ask(address, now));
        }
        assert!(!sources.may_ask(address, now));
        assert!(
            sources.may_ask("192.0.2.2".parse().unwrap(), now),
            "others are not touched"
        );
        assert!(sources.may_ask(address, now + SOURCE_WINDOW));
    }

    #[test]
    fn too_many_wrong_answers_bar_an_address_for_a_while() {
        let mut sources = Sources::default();
        let now = Instant::now();
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..FAILURES_PER_SOURCE {
            assert!(!sources.is_barred(address, now));
            sources.failed(address, now);
        }
        assert!(sources.is_barred(address, now));
        assert!(
            sources.is_barred("2001:db8::2".parse().unwrap(), now),
            "the same house"
        );
        assert!(!sources.is_barred("2001:db8:0:1::1".parse().unwrap(), now));
        assert!(!sources.is_barred(address, now + FAILURE_WINDOW));
    }

    #[test]
    fn many_addresses_together_are_bounded_in_room_and_in_answers() {
        let mut sources = Sources::default();
        let now = Instant::now();
        let answered = (0..20_000u32)
            .filter(|n| sources.may_ask(IpAddr::from(n.to_be_bytes()), now))
            .count();
        assert_eq!(answered, CHALLENGES_PER_WINDOW as usize);
        assert_eq!((sources.len(), sources.order.len()), (SOURCES_MAX, SOURCES_MAX));
    }
}
