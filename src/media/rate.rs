//! How fast one side may send.

use std::time::{Duration, Instant};

/// A token bucket kept as one point in time (the generic cell rate algorithm of ITU-T I.371).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    step: Duration,
    burst: Duration,
    /// When the bucket will be full again; in the past it is full.
    full_at: Instant,
}

impl Rate {
    /// `per_second` packets sustained, `burst` at once.
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Rate {
        let step = Duration::from_secs(1) / per_second;
        Rate {
            step,
            burst: step * burst,
            full_at: now,
        }
    }

    /// Takes one token; false when there is none, and then nothing changes.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        self.allows_many(1, now)
    }

    /// Takes so many; false when there are not as many, and then nothing changes.
    pub(crate) fn allows_many(&mut self, tokens: u32, now: Instant) -> bool {
        let next = self.full_at.max(now) + self.step * tokens;
        if next > now + self.burst {
            return false;
        }
        self.full_at = next;
        true
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_sustained_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(100, 5, start);
        assert_eq!((0..20).filter(|_| rate.allows(start)).count(), 5);
        let allowed = (0..1000u64)
            .filter(|ms| rate.allows(start + Duration::from_millis(*ms)))
            .count();
        assert!((99..=100).contains(&allowed), "{allowed}");
        assert_eq!(
            (0..20)
                .filter(|_| rate.allows(start + Duration::from_secs(60)))
                .count(),
            5
        );
    }

    #[test]
    fn several_are_taken_at_once_or_none() {
        let start = Instant::now();
        let mut rate = Rate::new(1000, 100, start);
        assert!(rate.allows_many(60, start));
        assert!(!rate.allows_many(60, start));
        assert!(rate.allows_many(40, start) && rate.allows_many(0, start));
        assert!(!rate.allows(start));
    }
}
