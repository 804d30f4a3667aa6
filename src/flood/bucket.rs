//! A rate: one second's worth of calls that fills steadily.

use std::time::{Duration, Instant};

/// One second's worth of tokens, told as the instant at which it is full again. A rate of 100 lets 100 through at once and
/// then one every 10 ms: at most 200 in any one second, and 100 in every later one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    pub(super) fn has_token(&self, rate: u32, now: Instant) -> bool {
        self.owed(now) + interval(rate) <= Duration::from_secs(1)
    }

    pub(super) fn take(&mut self, rate: u32, now: Instant) {
        self.full_at = Some(now + (self.owed(now) + interval(rate)).min(Duration::from_secs(1)));
    }

    /// So many were taken by others, who could not ask: what is not there is owed, for a second at most.
    pub(super) fn take_elsewhere(&mut self, rate: u32, count: u32, now: Instant) {
        let owed = self
            .owed(now)
            .saturating_add(interval(rate).saturating_mul(count));
        self.full_at = Some(now + owed.min(Duration::from_secs(2)));
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.owed(now).is_zero()
    }

    /// How long until it is full.
    fn owed(&self, now: Instant) -> Duration {
        self.full_at
            .map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now))
    }
}

/// How long one token takes to come back.
fn interval(rate: u32) -> Duration {
    Duration::from_secs(1) / rate.max(1)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_come_back_steadily_and_never_more_than_a_seconds_worth() {
        let start = Instant::now();
        let mut bucket = Bucket::default();
        let mut taken = |now: Instant| {
            let mut taken = 0;
            while bucket.has_token(10, now) {
                bucket.take(10, now);
                taken += 1;
            }
            taken
        };
        assert_eq!(taken(start), 10);
        for step in 1..=20 {
            assert_eq!(
                taken(start + Duration::from_millis(100 * step)),
                1,
                "{step} tenths"
            );
        }
        assert_eq!(taken(start + Duration::from_secs(3600)), 10);
    }

    #[test]
    fn what_others_took_is_missing_here_and_is_owed_for_a_second_at_most() {
        let start = Instant::now();
        let mut bucket = Bucket::default();
        bucket.take_elsewhere(10, 9, start);
        assert!(bucket.has_token(10, start));
        bucket.take(10, start);
        assert!(!bucket.has_token(10, start));
        bucket.take_elsewhere(10, 1_000_000, start);
        let free = start + Duration::from_millis(1_100);
        assert!(!bucket.has_token(10, free - Duration::from_millis(1)) && bucket.has_token(10, free));
    }

    proptest! {
        /// Whenever it is asked: at most a burst, and the rate after it.
        #[test]
        fn no_more_than_a_burst_and_the_rate(rate in 1..200u32, waits in prop::collection::vec(0..400u64, 1..400)) {
            let start = Instant::now();
            let (mut bucket, mut now, mut taken) = (Bucket::default(), start, 0u64);
            for wait in waits {
                now += Duration::from_millis(wait);
                if bucket.has_token(rate, now) {
                    bucket.take(rate, now);
                    taken += 1;
                }
                let seconds = now.duration_since(start).as_secs_f64();
                // A thousandth more: an interval is a whole number of nanoseconds.
                prop_assert!(taken as f64 <= f64::from(rate) * (1.0 + seconds) * 1.001 + 1.0);
            }
        }
    }
}
