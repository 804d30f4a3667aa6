//! Floods of calls, trunk by trunk: one through one trunk slows nobody who comes through another.
//!
//! ```text
//!   a new call ──► its trunk's own rule ── flood ──► only callers through that trunk are met as in a flood;
//!                        │                           its calls are no part of all
//!                        └─ none ──► the rule of all trunks without one ── flood ─┬─ one trunk makes half of it ──► it is that trunk's
//!                                                                                 └─ none does ──► everybody's
//! ```
//!
//! The rule is that of [`Surge`] for each. What somebody says by hand, or the configuration, counts for all trunks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::limits::TRUNKS_WATCHED_MAX;
use super::surge::{Hand, Rest, Surge, SurgeConfig, SurgeStanding};

pub(super) struct Floods {
    config: SurgeConfig,
    /// Of all trunks that have none of their own.
    all: Surge,
    /// By name; phones have the empty one.
    trunks: BTreeMap<String, Surge>,
}

/// Calls that nobody has answered yet: of all, and of a trunk.
pub(super) trait Ringing {
    fn of_all(&self) -> u32;
    fn of_trunk(&self, trunk: &str) -> u32;
}

impl Floods {
    pub(super) fn new(config: SurgeConfig) -> Floods {
        Floods {
            config,
            all: Surge::new(config),
            trunks: BTreeMap::new(),
        }
    }

    /// One more call came through this trunk, taken or not.
    pub(super) fn arrived(&mut self, trunk: &str, ringing: &impl Ringing, now: Instant) {
        self.all.settle(now);
        if !self.trunks.contains_key(trunk) && self.trunks.len() < TRUNKS_WATCHED_MAX {
            let beside = self.all.beside(SurgeConfig {
                hand: Hand::Auto,
                ..self.config
            });
            self.trunks.insert(trunk.to_string(), beside);
        }
        let mut is_its_own = false;
        if let Some(own) = self.trunks.get_mut(trunk) {
            let was_on = own.is_on();
            own.arrived(ringing.of_trunk(trunk), now);
            is_its_own = own.is_on();
            if is_its_own && !was_on {
                // This one was not counted among all yet.
                self.all.without(own, 1);
            }
        }
        let rest = self.ringing_of_others(ringing);
        match is_its_own {
            true => self.all.look(rest, now),
            false => self.all.arrived(rest, now),
        }
        self.attribute(ringing, now);
    }

    /// Time may have passed.
    pub(super) fn look(&mut self, ringing: &impl Ringing, now: Instant) {
        for (name, own) in &mut self.trunks {
            own.look(ringing.of_trunk(name), now);
        }
        let rest = self.ringing_of_others(ringing);
        self.all.look(rest, now);
        self.attribute(ringing, now);
    }

    /// A flood of all that one trunk makes half of, or more, is that trunk's alone.
    fn attribute(&mut self, ringing: &impl Ringing, now: Instant) {
        while self.config_is_auto() && self.all.has_just_begun(now) {
            let (arrivals, rings) = (self.all.arrivals(), self.ringing_of_others(ringing));
            let is_by_arrivals = self.all.is_by_arrivals();
            let calm = self.trunks.iter_mut().filter(|(_, own)| !own.is_on());
            let most = calm.max_by_key(|(name, own)| match is_by_arrivals {
                true => (own.arrivals(), ringing.of_trunk(name)),
                false => (ringing.of_trunk(name), own.arrivals()),
            });
            let Some((name, own)) = most else { return };
            let is_half = |part: u32, whole: u32| whole > 0 && u64::from(part) * 2 >= u64::from(whole);
            let makes_it = match is_by_arrivals {
                true => is_half(own.arrivals(), arrivals),
                false => is_half(ringing.of_trunk(name), rings),
            };
            if !makes_it {
                return;
            }
            own.begin(now);
            self.all.take_back();
            self.all.without(own, 0);
            let rest = self.ringing_of_others(ringing);
            self.all.look(rest, now);
        }
        if self.trunks.values().any(Surge::is_on) {
            // What is ordinary is not learned from what is left of a minute like that.
            self.all.had_flood();
        }
    }

    fn config_is_auto(&self) -> bool {
        self.all.hand() == Hand::Auto
    }

    /// Of trunks that have no flood.
    fn ringing_of_others(&self, ringing: &impl Ringing) -> u32 {
        let floods = self.trunks.iter().filter(|(_, own)| own.is_on());
        floods.fold(ringing.of_all(), |rest, (name, _)| {
            rest.saturating_sub(ringing.of_trunk(name))
        })
    }

    /// What is to be done with callers through this trunk for whom nothing speaks.
    pub(super) fn rest(&self, trunk: &str) -> Option<Rest> {
        let is_its_own = || self.config_is_auto() && self.trunks.get(trunk).is_some_and(Surge::is_on);
        self.all
            .rest()
            .or_else(|| is_its_own().then_some(self.config.rest))
    }

    pub(super) fn set_hand(&mut self, hand: Hand, lasts: Duration, now: Instant) {
        self.all.set_hand(hand, lasts, now);
        self.trunks.values_mut().for_each(Surge::take_back);
    }

    pub(super) fn leave_hand(&mut self, now: Instant) -> bool {
        let was_by_hand = self.all.leave_hand(now);
        if was_by_hand {
            self.trunks.values_mut().for_each(Surge::take_back);
        }
        was_by_hand
    }

    /// Of all together, and of each trunk that has a flood of its own.
    pub(super) fn standing(&self, ringing: &impl Ringing) -> (SurgeStanding, Vec<(String, SurgeStanding)>) {
        let mut all = self.all.standing(ringing.of_all());
        let on = self
            .trunks
            .iter()
            .filter(|(_, own)| own.is_on() && self.config_is_auto());
        let trunks: Vec<_> = on
            .map(|(name, own)| (name.clone(), own.standing(ringing.of_trunk(name))))
            .collect();
        for (_, own) in &trunks {
            all.is_on = true;
            all.lasts = all.lasts.max(own.lasts);
            all.arrivals = all.arrivals.saturating_add(own.arrivals);
        }
        all.begun += self.trunks.values().map(Surge::begun).sum::<u64>();
        (all, trunks)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Rings(BTreeMap<&'static str, u32>);

    impl Ringing for Rings {
        fn of_all(&self) -> u32 {
            self.0.values().sum()
        }

        fn of_trunk(&self, trunk: &str) -> u32 {
            self.0.get(trunk).copied().unwrap_or(0)
        }
    }

    struct Day {
        floods: Floods,
        rings: Rings,
        now: Instant,
    }

    impl Day {
        fn new() -> Day {
            Day {
                floods: Floods::new(SurgeConfig::default()),
                rings: Rings::default(),
                now: Instant::now(),
            }
        }

        /// So many calls a second through each trunk; whose callers were met as in a flood at some moment.
        fn calls(&mut self, rates: &[(&'static str, u32)], seconds: u32) -> Vec<&'static str> {
            let mut slowed = Vec::new();
            for _ in 0..seconds {
                for step in 0..rates.iter().map(|(_, rate)| *rate).max().unwrap_or(0) {
                    for (trunk, _) in rates.iter().filter(|(_, rate)| step < *rate) {
                        self.floods.arrived(trunk, &self.rings, self.now);
                        slowed.extend(
                            rates
                                .iter()
                                .map(|(name, _)| *name)
                                .filter(|name| self.is_on(name)),
                        );
                    }
                }
                self.now += Duration::from_secs(1);
                self.floods.look(&self.rings, self.now);
            }
            slowed.sort_unstable();
            slowed.dedup();
            slowed
        }

        fn is_on(&self, trunk: &str) -> bool {
            self.floods.rest(trunk).is_some()
        }
    }

    #[test]
    fn a_flood_through_one_trunk_slows_nobody_of_another() {
        let mut day = Day::new();
        assert!(day.calls(&[("big", 2), ("small", 1)], 11 * 60).is_empty());
        assert_eq!(day.calls(&[("big", 60), ("small", 3)], 30), ["big"]);
        let (standing, trunks) = day.floods.standing(&day.rings);
        assert!(standing.is_on && standing.begun == 1 && trunks.len() == 1 && trunks[0].0 == "big");
        assert!(!day.is_on("nobody"));
        // A calm minute ends it.
        day.calls(&[("big", 2), ("small", 1)], 75);
        assert!(!day.is_on("big"));
        // The other has one of its own while the first is ordinary.
        assert_eq!(day.calls(&[("big", 2), ("small", 40)], 30), ["small"]);
    }

    #[test]
    fn one_that_comes_through_many_trunks_at_once_is_everybodys() {
        let mut day = Day::new();
        let quiet = [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)];
        assert!(day.calls(&quiet, 11 * 60).is_empty());
        // Usual are 50 in ten seconds: 200 are a flood, and none of the five makes half of it, nor has 100 of its own.
        assert!(
            day.calls(&[("a", 3), ("b", 3), ("c", 3), ("d", 3), ("e", 3)], 30)
                .is_empty()
        );
        let slowed = day.calls(&[("a", 9), ("b", 9), ("c", 9), ("d", 9), ("e", 9)], 12);
        assert_eq!(slowed, ["a", "b", "c", "d", "e"]);
        let (standing, trunks) = day.floods.standing(&day.rings);
        assert!(standing.is_on && trunks.is_empty());
    }

    #[test]
    fn exactly_half_of_it_is_that_trunks() {
        let check = |one: u32, others: &[(&'static str, u32)], expected: bool| {
            let mut day = Day::new();
            let quiet: Vec<_> = others
                .iter()
                .map(|(name, _)| (*name, 1))
                .chain([("one", 1)])
                .collect();
            day.calls(&quiet, 11 * 60);
            day.now += Duration::from_secs(20);
            for (name, count) in others.iter().copied().chain([("one", one)]) {
                (0..count).for_each(|_| day.floods.arrived(name, &day.rings, day.now));
            }
            assert!(day.is_on("one"), "{one} {others:?}");
            assert_eq!(day.is_on(others[0].0), !expected, "{one} {others:?}");
        };
        // 200 in ten seconds are a flood of five trunks that have ten each.
        let others = |each| [("a", each), ("b", each), ("c", each), ("d", each)];
        check(98, &others(26), false);
        check(80, &others(20).map(|(name, each)| (name, each + 10)), false);
        check(99, &[("a", 26), ("b", 25), ("c", 25), ("d", 25)], false);
        check(100, &others(25), true);
    }

    #[test]
    fn calls_that_ring_unanswered_are_held_against_their_trunk() {
        let mut day = Day::new();
        day.calls(&[("big", 1), ("small", 1)], 11 * 60);
        day.rings.0 = [("big", 99), ("small", 2)].into();
        day.calls(&[("big", 1), ("small", 1)], 1);
        assert!(day.is_on("big") && !day.is_on("small"));
    }

    #[test]
    fn calls_that_ring_unanswered_are_held_against_the_trunk_they_ring_through_whoever_calls_most() {
        let mut day = Day::new();
        day.calls(&[("big", 2), ("small", 1)], 11 * 60);
        day.rings.0 = [("big", 5), ("small", 96)].into();
        day.calls(&[("big", 2), ("small", 1)], 1);
        assert!(day.is_on("small") && !day.is_on("big"));
    }

    #[test]
    fn what_is_said_by_hand_counts_for_every_trunk() {
        let mut day = Day::new();
        day.calls(&[("big", 1), ("small", 1)], 11 * 60);
        let hour = Duration::from_secs(3600);
        day.floods.set_hand(Hand::On, hour, day.now);
        assert!(day.is_on("big") && day.is_on("small") && day.is_on("nobody"));
        day.floods.set_hand(Hand::Off, hour, day.now);
        assert!(day.calls(&[("big", 60), ("small", 1)], 30).is_empty());
        day.floods.leave_hand(day.now);
        assert_eq!(day.calls(&[("big", 60), ("small", 1)], 30), ["big"]);
    }

    #[test]
    fn what_was_usual_is_still_usual_after_a_long_flood_of_one_trunk() {
        let mut day = Day::new();
        day.calls(&[("big", 20), ("small", 1)], 30 * 60);
        day.calls(&[("big", 200), ("small", 1)], 3 * 3600);
        assert!(day.is_on("big") && !day.is_on("small"));
        day.calls(&[("big", 20), ("small", 1)], 70);
        assert!(day.calls(&[("big", 20), ("small", 1)], 20 * 60).is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_whoever_is_past_it_is_counted_with_all() {
        let mut day = Day::new();
        day.calls(&[("a", 1)], 11 * 60);
        for number in 0..TRUNKS_WATCHED_MAX + 10 {
            day.floods.arrived(&number.to_string(), &day.rings, day.now);
        }
        assert_eq!(day.floods.trunks.len(), TRUNKS_WATCHED_MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Whatever another trunk does: one whose own calls are few is never slowed for it.
        #[test]
        fn few_calls_are_never_slowed(steps in prop::collection::vec((0..80u32, 0..4u32, 1..40u32), 1..40)) {
            let mut day = Day::new();
            day.calls(&[("big", 1), ("small", 1)], 11 * 60);
            for (big, small, seconds) in steps {
                prop_assert!(!day.calls(&[("big", big), ("small", small)], seconds).contains(&"small"));
            }
        }
    }
}
