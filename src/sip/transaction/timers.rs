//! Which transaction wants to be woken when.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Timer;

/// Timers in order of their time; of one instant in the order they were started, so that a run
/// repeats exactly. Starting and stopping cost O(log n); a stopped timer leaves nothing behind.
///
/// Holds two entries per live transaction at most, so the transaction tables bound it.
#[derive(Default)]
pub(crate) struct TimerQueue {
    due: BTreeMap<TimerKey, (Owner, Timer)>,
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    at: Instant,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Server(u64),
    Client(u64),
}

impl TimerQueue {
    pub(crate) fn start(&mut self, at: Instant, owner: Owner, timer: Timer) -> TimerKey {
        self.count += 1;
        let key = TimerKey {
            at,
            number: self.count,
        };
        self.due.insert(key, (owner, timer));
        key
    }

    pub(crate) fn stop(&mut self, key: TimerKey) {
        self.due.remove(&key);
    }

    /// The earliest timer that is due at `now`, taken out, with the instant it was meant for.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, Owner, Timer)> {
        let entry = self.due.first_entry()?;
        if entry.key().at > now {
            return None;
        }
        let at = entry.key().at;
        let (owner, timer) = entry.remove();
        Some((at, owner, timer))
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(key, _)| key.at)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timers_come_in_order_of_time_and_then_of_starting() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut queue = TimerQueue::default();
        queue.start(at(20), Owner::Server(1), Timer::G);
        let stopped = queue.start(at(5), Owner::Server(2), Timer::G);
        queue.start(at(10), Owner::Client(3), Timer::A);
        queue.start(at(10), Owner::Client(4), Timer::A);
        queue.stop(stopped);
        assert_eq!(queue.next(), Some(at(10)));
        assert_eq!(queue.pop(at(9)), None);
        let order: Vec<Owner> = std::iter::from_fn(|| queue.pop(at(30)).map(|(_, owner, _)| owner)).collect();
        assert_eq!(order, [Owner::Client(3), Owner::Client(4), Owner::Server(1)]);
        assert_eq!(queue.next(), None);
    }
}
