//! Who guessed wrong, and how long nothing more of him is looked at: by address, by device, and by both.
//!
//! ```text
//!   wrong answer 1 … 5      6      7       8        …
//!   locked for    -        30 s   60 s    120 s     … one hour
//! ```
//!
//! A device that registered from an address before (its home) is judged there by what goes wrong of this device at this
//! address alone: nobody can lock a phone out of its desk from elsewhere, nor one phone of an office all the others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::limits::{FAILURES_FREE, LOCK_FIRST, LOCK_FORGOTTEN, LOCK_MOST, LOCKS_MAX};
use crate::cidr::neighbourhood;

#[derive(Default)]
pub(super) struct Locks {
    addresses: Table<IpAddr>,
    devices: Table<String>,
    at_home: Table<(String, IpAddr)>,
}

struct Table<K>(BTreeMap<K, Failures>);

struct Failures {
    count: u32,
    last: Instant,
    until: Option<Instant>,
}

/// Who wants in.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// As it says; such a device need not exist.
    pub(super) device: &'a str,
    pub(super) address: IpAddr,
    pub(super) is_at_home: bool,
}

impl Locks {
    pub(super) fn is_locked(&self, attempt: Attempt<'_>, now: Instant) -> bool {
        let address = neighbourhood(attempt.address);
        match attempt.is_at_home {
            true => self
                .at_home
                .is_locked(&(attempt.device.to_string(), address), now),
            false => {
                self.addresses.is_locked(&address, now)
                    || self.devices.is_locked(&attempt.device.to_string(), now)
            }
        }
    }

    /// A wrong answer; the longest lock that it led to.
    pub(super) fn failed(&mut self, attempt: Attempt<'_>, now: Instant) -> Option<Duration> {
        let address = neighbourhood(attempt.address);
        match attempt.is_at_home {
            true => self.at_home.failed((attempt.device.to_string(), address), now),
            false => {
                let by_address = self.addresses.failed(address, now);
                by_address.max(self.devices.failed(attempt.device.to_string(), now))
            }
        }
    }

    /// The right answer from home: what went wrong there is forgotten. Elsewhere nothing is: who knows one secret must not
    /// be free to guess another.
    pub(super) fn worked(&mut self, attempt: Attempt<'_>) {
        let address = neighbourhood(attempt.address);
        self.at_home.0.remove(&(attempt.device.to_string(), address));
    }

    pub(super) fn len(&self) -> usize {
        self.addresses.0.len() + self.devices.0.len() + self.at_home.0.len()
    }
}

impl<K> Default for Table<K> {
    fn default() -> Table<K> {
        Table(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Table<K> {
    fn is_locked(&self, who: &K, now: Instant) -> bool {
        let until = self.0.get(who).and_then(|failures| failures.until);
        until.is_some_and(|until| now < until)
    }

    fn failed(&mut self, who: K, now: Instant) -> Option<Duration> {
        if !self.0.contains_key(&who) && self.0.len() >= LOCKS_MAX {
            self.0
                .retain(|_, known| now.saturating_duration_since(known.last) < LOCK_FORGOTTEN);
            let oldest = self.0.iter().min_by_key(|(_, known)| known.last);
            if let Some(oldest) = oldest
                .map(|(who, _)| who.clone())
                .filter(|_| self.0.len() >= LOCKS_MAX)
            {
                self.0.remove(&oldest);
            }
        }
        let known = self.0.entry(who).or_insert(Failures {
            count: 0,
            last: now,
            until: None,
        });
        if now.saturating_duration_since(known.last) >= LOCK_FORGOTTEN {
            known.count = 0;
        }
        known.count = known.count.saturating_add(1);
        known.last = now;
        let over = known.count.checked_sub(FAILURES_FREE + 1)?;
        let lasts = LOCK_FIRST.saturating_mul(1 << over.min(16)).min(LOCK_MOST);
        known.until = Some(now + lasts);
        Some(lasts)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;

    fn attempt<'a>(device: &'a str, address: &str, is_at_home: bool) -> Attempt<'a> {
        Attempt {
            device,
            address: address.parse().unwrap(),
            is_at_home,
        }
    }

    #[test]
    fn each_wrong_answer_past_the_free_ones_locks_twice_as_long_up_to_an_hour() {
        let (mut locks, now) = (Locks::default(), Instant::now());
        let wrong = attempt("desk-1", "192.0.2.1", false);
        let seconds: Vec<_> = (0..15)
            .map(|_| locks.failed(wrong, now).map_or(0, |lock| lock.as_secs()))
            .collect();
        let expected = [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600];
        assert_eq!(seconds, expected);
        assert!(locks.is_locked(wrong, now + Duration::from_secs(3599)));
        assert!(!locks.is_locked(wrong, now + LOCK_MOST));
        assert_eq!(
            locks.failed(wrong, now + LOCK_FORGOTTEN),
            None,
            "forgotten by then"
        );
    }

    #[test]
    fn an_address_is_locked_for_every_name_and_a_name_for_every_address_but_its_home() {
        let (mut locks, now) = (Locks::default(), Instant::now());
        for n in 0..6 {
            locks.failed(attempt(&format!("guess-{n}"), "192.0.2.1", false), now);
        }
        assert!(locks.is_locked(attempt("desk-1", "192.0.2.1", false), now));
        assert!(!locks.is_locked(attempt("desk-1", "192.0.2.2", false), now));
        for n in 0..6 {
            locks.failed(attempt("desk-1", &format!("198.51.100.{n}"), false), now);
        }
        assert!(locks.is_locked(attempt("desk-1", "203.0.113.1", false), now));
        assert!(
            !locks.is_locked(attempt("desk-1", "192.0.2.1", true), now),
            "at home"
        );
    }

    #[test]
    fn guessing_beside_a_phone_at_its_home_is_locked_out_as_well_and_locks_no_other_phone() {
        let (mut locks, now) = (Locks::default(), Instant::now());
        let home = attempt("desk-1", "192.0.2.1", true);
        for _ in 0..6 {
            locks.failed(home, now);
        }
        assert!(locks.is_locked(home, now));
        assert!(!locks.is_locked(attempt("desk-2", "192.0.2.1", true), now));
        assert!(!locks.is_locked(attempt("desk-2", "192.0.2.1", false), now));
        locks.worked(home);
        assert!(!locks.is_locked(home, now));
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_the_tables_are_bounded() {
        let (mut locks, now) = (Locks::default(), Instant::now());
        for n in 0..6 {
            locks.failed(attempt(&format!("g{n}"), &format!("2001:db8::{n}"), false), now);
        }
        assert!(locks.is_locked(attempt("x", "2001:db8::ffff", false), now));
        for n in 0..LOCKS_MAX + 10 {
            locks.failed(attempt(&format!("name-{n}"), "192.0.2.9", false), now);
        }
        assert!(locks.len() <= LOCKS_MAX + 2);
    }
}
