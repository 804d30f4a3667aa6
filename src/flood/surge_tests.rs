//! When a flood begins and when it is over, on made-up days.

#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use proptest::prelude::*;

use super::*;

struct Day {
    surge: Surge,
    now: Instant,
}

impl Day {
    fn new(config: SurgeConfig) -> Day {
        Day {
            surge: Surge::new(config),
            now: Instant::now(),
        }
    }

    /// `per_second` calls in each of so many seconds, evenly.
    fn calls(&mut self, per_second: u32, seconds: u32) {
        for _ in 0..seconds {
            for _ in 0..per_second {
                self.now += Duration::from_secs(1) / (per_second + 1);
                self.surge.arrived(0, self.now);
            }
            self.now += Duration::from_secs(1) / (per_second + 1);
            self.surge.look(0, self.now);
        }
    }

    fn is_on(&self) -> bool {
        self.surge.is_on()
    }
}

#[test]
fn ten_seconds_of_many_calls_are_a_flood_and_a_calm_minute_ends_it() {
    let mut day = Day::new(SurgeConfig::default());
    day.calls(1, 11 * 60);
    assert!(!day.is_on());
    let standing = day.surge.standing(0);
    assert_eq!(
        (standing.arrivals_at, standing.learned_minutes >= 10),
        (100, true)
    );
    day.calls(9, 30);
    assert!(
        !day.is_on(),
        "ninety in ten seconds are below the floor of a hundred"
    );
    day.calls(12, 10);
    assert!(day.is_on());
    day.calls(6, 200);
    assert!(
        day.is_on(),
        "sixty in ten seconds are not below half of a hundred"
    );
    day.calls(1, 59);
    assert!(day.is_on(), "not calm for a whole minute yet");
    day.calls(1, 12);
    assert!(!day.is_on());
    assert_eq!(day.surge.standing(0).begun, 1);
}

#[test]
fn what_is_ordinary_for_a_busy_house_is_no_flood_there() {
    let mut day = Day::new(SurgeConfig::default());
    // From its first minute on, and far above the floor.
    day.calls(30, 30 * 60);
    assert!(!day.is_on());
    let standing = day.surge.standing(0);
    assert!((standing.normal - 300.0).abs() < 15.0, "{standing:?}");
    day.calls(100, 30);
    assert!(!day.is_on(), "a busy half-minute is three times the normal");
    day.calls(150, 15);
    assert!(day.is_on(), "five times is a flood");
}

#[test]
fn a_flood_of_an_hour_is_not_learned_and_one_that_stays_slowly_becomes_the_normal() {
    let mut day = Day::new(SurgeConfig::default());
    day.calls(2, 15 * 60);
    let before = day.surge.standing(0).normal;
    day.calls(40, 60 * 60);
    assert!(day.is_on());
    let after = day.surge.standing(0).normal;
    // The seconds before the rule spoke fall into a minute that had a flood, which is left out whole.
    assert!((after - before).abs() < 0.5, "{before} became {after}");
    // Another half hour moves it a little, half a day makes it what is usual.
    day.calls(40, 30 * 60);
    assert!(day.is_on());
    for _ in 0..12 {
        day.calls(40, 60 * 60);
    }
    assert!(!day.is_on(), "{:?}", day.surge.standing(0));
}

#[test]
fn calls_that_ring_and_are_never_answered_are_a_flood_too() {
    let mut day = Day::new(SurgeConfig::default());
    day.calls(1, 11 * 60);
    day.surge.look(99, day.now);
    assert!(!day.is_on());
    day.surge.look(100, day.now);
    assert!(day.is_on());
}

#[test]
fn what_somebody_says_counts_for_its_term_and_then_what_the_rule_or_the_configuration_says() {
    let minute = Duration::from_secs(60);
    let mut day = Day::new(SurgeConfig::default());
    day.calls(1, 11 * 60);
    day.surge.set_hand(Hand::On, minute, day.now);
    let ends = |day: &mut Day, by| {
        day.surge.look(0, day.now + by);
        day.surge.standing(0).hand_ends
    };
    let second = Duration::from_secs(1);
    assert_eq!(ends(&mut day, minute - second), Some(second));
    assert!(day.is_on() && day.surge.standing(0).lasts == minute - second);
    assert_eq!(ends(&mut day, minute), None);
    assert!(!day.is_on(), "there is none");
    day.surge.set_hand(Hand::On, minute, day.now + minute);
    day.now += 2 * minute;
    day.calls(200, 2);
    assert!(day.is_on(), "there is one");
    day.surge.set_hand(Hand::Off, minute, day.now);
    day.calls(200, 2);
    assert!(!day.is_on());
    assert!(day.surge.leave_hand(day.now) && !day.surge.leave_hand(day.now));
    day.calls(200, 2);
    assert!(day.is_on());
    // A gateway that is told to see no flood at all, but by hand.
    let mut day = Day::new(SurgeConfig::off());
    day.surge.set_hand(Hand::On, minute, day.now);
    assert!(day.is_on());
    day.surge.look(0, day.now + minute);
    assert!(!day.is_on());
}

#[test]
fn a_hand_is_stronger_than_the_rule() {
    let by_hand = |hand| {
        Day::new(SurgeConfig {
            hand,
            ..SurgeConfig::default()
        })
    };
    let mut day = by_hand(Hand::On);
    day.calls(1, 600);
    assert!(day.is_on() && day.surge.rest() == Some(Rest::Challenge));
    assert!(day.surge.standing(0).lasts >= Duration::from_secs(590));
    let mut day = by_hand(Hand::Off);
    day.calls(1, 11 * 60);
    day.calls(200, 60);
    assert!(!day.is_on() && day.surge.rest().is_none());
    assert_eq!(day.surge.standing(0).lasts, Duration::ZERO);
}

#[test]
fn a_long_silence_costs_nothing_and_leaves_no_flood() {
    let mut day = Day::new(SurgeConfig::default());
    day.calls(2, 20 * 60);
    day.calls(100, 20);
    assert!(day.is_on());
    day.now += Duration::from_secs(400 * 24 * 3600);
    // The first call of the morning finds none, though nobody looked all night.
    day.surge.arrived(1, day.now);
    assert!(!day.is_on() && day.surge.standing(0).arrivals == 1);
    // Calls that still ring are no calm.
    day.calls(100, 20);
    assert!(day.is_on());
    day.now += Duration::from_secs(120);
    day.surge.look(100, day.now);
    assert!(day.is_on());
}

proptest! {
    /// Below the floor it never begins, whatever the day was like.
    #[test]
    fn below_the_floor_there_is_no_flood(steps in prop::collection::vec((0..2_000u64, 0..100u32), 1..300)) {
        let mut day = Day::new(SurgeConfig { calls: 400, ..SurgeConfig::default() });
        for (millis, ringing) in steps {
            day.now += Duration::from_millis(millis + 2_000);
            day.surge.arrived(ringing, day.now);
            prop_assert!(!day.is_on());
        }
    }

    /// Whatever happens, thresholds stay at or above the floor, and the window never holds more than came.
    #[test]
    fn the_window_holds_what_came(steps in prop::collection::vec(0..3_000u64, 1..300)) {
        let mut day = Day::new(SurgeConfig::default());
        let mut came = std::collections::VecDeque::new();
        for millis in steps {
            day.now += Duration::from_millis(millis);
            day.surge.arrived(0, day.now);
            came.push_back(day.now);
            came.retain(|at| day.now.duration_since(*at) <= Duration::from_secs(SURGE_WINDOW_SECONDS + 1));
            let standing = day.surge.standing(0);
            prop_assert!(standing.arrivals as usize <= came.len() && standing.arrivals >= 1);
            prop_assert!(standing.arrivals_at >= 100);
        }
    }
}
