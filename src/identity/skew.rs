//! Is our own clock wrong? Many signers cannot all be late, or early, by the same amount.

use std::collections::VecDeque;
use std::time::Instant;

use super::limits::{CLOCK_SAMPLES, CLOCK_SAMPLES_MIN, CLOCK_SHIFT_MIN_SECONDS, CLOCK_WINDOW};

/// Remembers how far `iat` was from arrival in recent calls (whole seconds; positive: signed before arrival).
///
/// Only an alarm: no call is judged by it. The oldest sample goes when [`CLOCK_SAMPLES`] are held, or after
/// [`CLOCK_WINDOW`].
#[derive(Debug, Default)]
pub struct ClockWatch {
    ages: VecDeque<(Instant, i64)>,
}

impl ClockWatch {
    /// One more signed call. Not for forged ones: their `iat` is whatever the forger wrote.
    pub fn note(&mut self, age_seconds: i64, now: Instant) {
        if self.ages.len() == CLOCK_SAMPLES {
            self.ages.pop_front();
        }
        self.ages.push_back((now, age_seconds));
    }

    /// The usual shift in seconds when at least four of five recent calls are shifted the same way by at least
    /// [`CLOCK_SHIFT_MIN_SECONDS`]: positive when our clock is ahead. None: no sign of it, or too few calls.
    pub fn shift(&mut self, now: Instant) -> Option<i64> {
        while let Some((at, _)) = self.ages.front()
            && now.saturating_duration_since(*at) > CLOCK_WINDOW
        {
            self.ages.pop_front();
        }
        if self.ages.len() < CLOCK_SAMPLES_MIN {
            return None;
        }
        let mut ages: Vec<i64> = self.ages.iter().map(|(_, age)| *age).collect();
        ages.sort_unstable();
        let late = ages.iter().filter(|age| **age >= CLOCK_SHIFT_MIN_SECONDS).count();
        let early = ages
            .iter()
            .filter(|age| **age <= -CLOCK_SHIFT_MIN_SECONDS)
            .count();
        (late.max(early) * 5 >= ages.len() * 4).then(|| ages[ages.len() / 2])
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `calls`: how many, and how old the token was; one second between them.
    fn check(calls: &[(usize, i64)], expected: Option<i64>) {
        let mut watch = ClockWatch::default();
        let mut now = Instant::now();
        for (count, age) in calls {
            for _call in 0..*count {
                watch.note(*age, now);
                now += Duration::from_secs(1);
            }
        }
        assert_eq!(watch.shift(now), expected, "{calls:?}");
    }

    #[test]
    fn many_calls_shifted_the_same_way_say_that_our_clock_is_wrong() {
        check(&[(20, 90)], Some(90));
        check(&[(20, -90)], Some(-90));
        check(&[(20, 15)], Some(15));
        check(&[(4, 0), (16, 40)], Some(40));
    }

    #[test]
    fn few_calls_small_shifts_and_mixed_ones_say_nothing() {
        check(&[(19, 90)], None);
        check(&[(20, 14)], None);
        check(&[(20, -14)], None);
        check(&[(5, 0), (16, 40)], None);
        check(&[(16, 90), (16, -90)], None);
        check(&[], None);
    }

    #[test]
    fn only_the_latest_calls_count() {
        check(&[(CLOCK_SAMPLES, 90), (CLOCK_SAMPLES, 1)], None);
        check(&[(CLOCK_SAMPLES, 1), (CLOCK_SAMPLES, 90)], Some(90));
        let mut watch = ClockWatch::default();
        let start = Instant::now();
        for _call in 0..20 {
            watch.note(90, start);
        }
        assert_eq!(watch.shift(start + CLOCK_WINDOW), Some(90));
        assert_eq!(watch.shift(start + CLOCK_WINDOW + Duration::from_secs(1)), None);
    }
}
