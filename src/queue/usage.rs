//! What the phones of the queues have been doing, for the strategies that share calls out among them. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::limits::{HEARSAY_BELIEVED, PEOPLE_WATCHED_MAX};
use super::{Config, PERSON, Patience, Roster, Strategy};

/// Something happened to a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// As the configuration writes it.
    pub target: Arc<str>,
    pub what: What,
    pub at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It rings, until then at the latest.
    Rung {
        until: Instant,
    },
    /// It rings no more, for whatever reason.
    Unrung,
    /// It rang for all its time and nobody answered.
    Ignored(Patience),
    Answered,
    /// It has put down, or the call went on without it; for so long it is left alone.
    Freed {
        rest: Duration,
    },
    /// Somebody says that it is left alone no longer.
    Rested,
    /// Another gateway says that it is left alone.
    Rests(Rest),
}

/// What is known of one phone, or of one person, since the gateway started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phone {
    rung: Option<Instant>,
    freed: Option<Instant>,
    /// A call of ours goes on there, as was last heard at this time; and whether another shard said so.
    is_busy: bool,
    heard: Option<Instant>,
    is_hearsay: bool,
    /// Answered so far.
    calls: u32,
    /// Calls that ring there, and until when at the latest.
    ringing: u8,
    ringing_until: Option<Instant>,
    /// How often in a row it rang in vain.
    ignored: u32,
    /// Left alone after a call until then.
    rests_until: Option<Instant>,
    /// Passed over until then, because nobody answered there.
    skipped_until: Option<Instant>,
}

/// Where a phone comes in the order of ringing: the smallest is rung first.
pub(super) type Rank = (bool, bool, u32, Option<Instant>);

/// Why a phone is not rung, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Its person takes no calls until he says otherwise.
    Paused,
    /// It had a call a moment ago.
    WrapUp(Instant),
    /// It rang in vain too often.
    Skipped(Instant),
}

impl Phone {
    pub fn take(&mut self, what: What, at: Instant) {
        let now = at;
        let at = Some(at);
        match what {
            What::Rung { until } => {
                self.rung = self.rung.max(at);
                if self.ringing_until.is_none_or(|until| until <= now) {
                    self.ringing = 0;
                }
                self.ringing = self.ringing.saturating_add(1);
                self.ringing_until = self.ringing_until.max(Some(until));
                return;
            }
            What::Unrung => {
                self.ringing = self.ringing.saturating_sub(1);
                return;
            }
            What::Ignored(patience) => {
                self.ignored = self.ignored.saturating_add(1);
                if patience.times > 0 && self.ignored >= patience.times {
                    self.ignored = 0;
                    self.skipped_until = self.skipped_until.max(Some(now + patience.pause));
                }
                return;
            }
            What::Rested => {
                (self.rests_until, self.skipped_until, self.ignored) = (None, None, 0);
                return;
            }
            What::Rests(rest) => {
                match rest {
                    Rest::WrapUp(until) => self.rests_until = self.rests_until.max(Some(until)),
                    Rest::Skipped(until) => self.skipped_until = self.skipped_until.max(Some(until)),
                    Rest::Paused => {}
                }
                return;
            }
            What::Answered => {
                self.calls = self.calls.saturating_add(1);
                self.ignored = 0;
                self.skipped_until = None;
            }
            What::Freed { rest } => {
                self.freed = self.freed.max(at);
                if !rest.is_zero() {
                    self.rests_until = self.rests_until.max(Some(now + rest));
                }
            }
        }
        // News of other shards may come late.
        if at >= self.heard {
            (self.is_busy, self.heard) = (what == What::Answered, at);
            self.is_hearsay = false;
        }
    }

    /// A call of ours goes on there, or rings there. What another shard said of a call is believed for
    /// [`HEARSAY_BELIEVED`]: its end may never have been heard.
    pub fn is_taken(&self, now: Instant) -> bool {
        let age = self.heard.map(|heard| now.saturating_duration_since(heard));
        let is_believed = !self.is_hearsay || age.is_some_and(|age| age < HEARSAY_BELIEVED);
        let is_rung = self.ringing > 0 && self.ringing_until.is_some_and(|until| now < until);
        is_rung || (self.is_busy && is_believed)
    }

    /// Why it is left alone at this moment.
    pub fn rest(&self, now: Instant) -> Option<Rest> {
        let skipped = self.skipped_until.filter(|until| now < *until).map(Rest::Skipped);
        skipped.or_else(|| self.rests_until.filter(|until| now < *until).map(Rest::WrapUp))
    }

    /// Equal ranks are rung in the order of the file. Who is down comes last, and who is talking before him, whatever the
    /// strategy makes of the others: nobody is left out.
    /// `level`: how well it suits the call, where the strategy asks for that.
    pub(super) fn rank(&self, strategy: Strategy, level: u32, is_down: bool) -> Rank {
        match strategy {
            Strategy::RingAll | Strategy::InOrder => (is_down, false, 0, None),
            Strategy::RoundRobin => (is_down, self.is_busy, 0, self.rung),
            Strategy::LongestIdle => (is_down, self.is_busy, 0, self.freed),
            Strategy::FewestCalls => (is_down, self.is_busy, self.calls, self.freed),
            Strategy::Skill => (is_down, self.is_busy, u32::MAX - level, self.freed),
        }
    }
}

/// The phones of all queues, and the people at them. Of phones those of the configuration and those that people were signed
/// in to; of people those who were at work, [`PEOPLE_WATCHED_MAX`] at most.
#[derive(Debug, Default)]
pub struct Usage {
    phones: BTreeMap<Arc<str>, Phone>,
    /// A queue watches more than the targets it names: whoever sits there has his rest wherever he sits.
    has_rests: bool,
}

impl Usage {
    /// Of the queues that share calls out, or let people rest; the others need not be watched.
    pub fn new(queues: &[Config]) -> Usage {
        let is_watched = |queue: &&Config| queue.strategy.is_shared_out() || queue.service.has_rests();
        let targets = queues.iter().filter(is_watched).flat_map(|queue| &queue.targets);
        Usage {
            phones: targets
                .map(|target| (target.as_str().into(), Phone::default()))
                .collect(),
            has_rests: queues.iter().any(|queue| queue.service.has_rests()),
        }
    }

    /// These people are at work now. What is known of those who are not any more is forgotten only where there is no room.
    pub fn know(&mut self, roster: &Roster) {
        if !self.has_rests {
            return;
        }
        let is_person = |target: &str| target.starts_with(PERSON);
        let has_gone = |target: &str| is_person(target) && roster.person_at(target).is_none();
        let gone = self.phones.keys().filter(|target| has_gone(target)).count();
        if gone + roster.people().count() > PEOPLE_WATCHED_MAX {
            self.phones.retain(|target, _| !has_gone(target));
        }
        for (name, at_work) in roster.people().take(PEOPLE_WATCHED_MAX) {
            self.phones.entry(format!("{PERSON}{name}").into()).or_default();
            // A phone is watched where only its person is named, too.
            for device in &at_work.devices {
                let device = format!("{}{device}", super::DEVICE);
                self.phones.entry(device.into()).or_default();
            }
        }
    }

    /// What is to be told to the other shards; `None` when nobody asks after this phone.
    pub fn used(&mut self, target: &str, what: What, at: Instant) -> Option<Used> {
        let (target, phone) = (
            self.phones.get_key_value(target)?.0.clone(),
            self.phones.get_mut(target)?,
        );
        phone.take(what, at);
        Some(Used { target, what, at })
    }

    /// As [`Usage::take`]; gives why the phone is left alone from now on, where it was not for so long before.
    pub fn take_rest(&mut self, used: &Used) -> Option<Rest> {
        let before = self.of(&used.target);
        self.take(used);
        let after = self.of(&used.target);
        let skipped = after
            .skipped_until
            .filter(|until| Some(*until) > before.skipped_until);
        let rests = after
            .rests_until
            .filter(|until| Some(*until) > before.rests_until);
        skipped.map(Rest::Skipped).or(rests.map(Rest::WrapUp))
    }

    /// What another shard has seen.
    pub fn take(&mut self, used: &Used) {
        if let Some(phone) = self.phones.get_mut(&*used.target) {
            let before = phone.heard;
            phone.take(used.what, used.at);
            phone.is_hearsay |= phone.heard != before;
        }
    }

    pub fn of(&self, target: &str) -> Phone {
        self.phones.get(target).copied().unwrap_or_default()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::{Config, Instant, Strategy, Usage, What};
    use crate::queue::{AtWork, Hunt, Input, Overflow, Patience, Reach, Rest, Roster, Seen, Service, Step};

    fn queue(strategy: Strategy, phones: usize) -> Config {
        Config {
            name: "desk".into(),
            numbers: vec!["*".into()],
            strategy,
            targets: (0..phones).map(|n| format!("sip:p{n}@10.0.0.5")).collect(),
            ring: Duration::from_secs(20),
            overflow: Overflow::Reject,
            reach: Reach::default(),
            service: Service::default(),
        }
    }

    fn rung_at(now: Instant) -> What {
        What::Rung {
            until: now + Duration::from_secs(20),
        }
    }

    /// Which phone is rung first now, and which after it.
    fn order(config: &Config, usage: &Usage, now: Instant) -> Vec<usize> {
        let mut hunt = Hunt::new([config.clone()].into(), "desk").unwrap();
        let seen = |target: &str| Seen {
            is_down: false,
            phone: usage.of(target),
            ..Seen::default()
        };
        let mut order = Vec::new();
        hunt.handle(Input::Start, now, &seen);
        while let Some(step) = hunt.poll_step() {
            if let Step::Ring { attempt, target } = step {
                order.push(config.targets.iter().position(|known| *known == target).unwrap());
                hunt.handle(Input::Failed { attempt, status: 486 }, now, &seen);
            }
        }
        order
    }

    #[test]
    fn round_robin_begins_with_whom_it_rang_longest_ago() {
        let config = queue(Strategy::RoundRobin, 3);
        let (mut usage, start) = (Usage::new(std::slice::from_ref(&config)), Instant::now());
        for call in 0..7u32 {
            let now = start + Duration::from_secs(u64::from(call));
            let rung = order(&config, &usage, now);
            let expected: Vec<usize> = (0..3).map(|n| (call as usize + n) % 3).collect();
            assert_eq!(rung, expected, "call {call}");
            usage.used(&config.targets[rung[0]], rung_at(now), now).unwrap();
        }
    }

    #[test]
    fn who_talks_comes_after_who_does_not_and_is_not_left_out() {
        for strategy in [Strategy::RoundRobin, Strategy::LongestIdle, Strategy::FewestCalls] {
            let config = queue(strategy, 2);
            let (mut usage, now) = (Usage::new(std::slice::from_ref(&config)), Instant::now());
            usage.used(&config.targets[0], What::Answered, now);
            assert_eq!(order(&config, &usage, now), [1, 0], "{strategy:?}");
        }
    }

    #[test]
    fn phones_of_queues_that_share_nothing_out_are_not_watched() {
        let config = queue(Strategy::RingAll, 2);
        let mut usage = Usage::new(std::slice::from_ref(&config));
        assert_eq!(
            usage.used(&config.targets[0], rung_at(Instant::now()), Instant::now()),
            None
        );
    }

    #[test]
    fn a_phone_rests_after_a_call_and_is_passed_over_when_it_rang_in_vain_too_often() {
        let (mut phone, start) = (super::Phone::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let patience = Patience {
            times: 2,
            pause: Duration::from_secs(60),
        };
        phone.take(What::Answered, at(0));
        assert!(phone.is_taken(at(5)));
        phone.take(
            What::Freed {
                rest: Duration::from_secs(15),
            },
            at(10),
        );
        assert!(!phone.is_taken(at(10)));
        assert_eq!(phone.rest(at(24)), Some(Rest::WrapUp(at(25))));
        assert_eq!(phone.rest(at(25)), None);
        phone.take(What::Ignored(patience), at(30));
        assert_eq!(phone.rest(at(30)), None);
        phone.take(What::Ignored(patience), at(40));
        assert_eq!(phone.rest(at(40)), Some(Rest::Skipped(at(100))));
        assert_eq!(phone.rest(at(100)), None);
        // In a row: an answer in between, and it begins anew.
        phone.take(What::Ignored(patience), at(110));
        phone.take(What::Answered, at(111));
        phone.take(What::Ignored(patience), at(112));
        assert_eq!(phone.rest(at(112)), None);
    }

    #[test]
    fn a_phone_that_rings_is_taken_until_it_does_not_or_must_have_stopped() {
        let (mut phone, start) = (super::Phone::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        phone.take(What::Rung { until: at(20) }, at(0));
        phone.take(What::Rung { until: at(25) }, at(5));
        phone.take(What::Unrung, at(6));
        assert!(phone.is_taken(at(7)), "another call rings there still");
        phone.take(What::Unrung, at(8));
        assert!(!phone.is_taken(at(8)));
        phone.take(What::Rung { until: at(30) }, at(10));
        assert!(!phone.is_taken(at(30)), "nobody said that it stopped");
    }

    #[test]
    fn what_another_shard_said_of_a_call_is_not_believed_for_ever() {
        let config = queue(Strategy::RoundRobin, 1);
        let config = std::slice::from_ref(&config);
        let (mut own, mut others, now) = (Usage::new(config), Usage::new(config), Instant::now());
        let used = own.used("sip:p0@10.0.0.5", What::Answered, now).unwrap();
        others.take(&used);
        let late = now + super::HEARSAY_BELIEVED;
        let taken = |usage: &Usage, now| usage.of("sip:p0@10.0.0.5").is_taken(now);
        assert!(taken(&own, now) && taken(&others, now));
        assert!(taken(&own, late) && !taken(&others, late));
    }

    #[test]
    fn people_are_watched_where_queues_let_them_rest() {
        let roster = |names: &[&str]| {
            let at = |name: &&str| {
                let devices = vec![format!("of-{name}")];
                (name.to_string(), AtWork { devices, pause: None })
            };
            Roster::new(names.iter().map(at).collect::<Vec<_>>())
        };
        let mut config = queue(Strategy::RingAll, 1);
        let mut usage = Usage::new(std::slice::from_ref(&config));
        usage.know(&roster(&["ann"]));
        assert_eq!(usage.used("person:ann", What::Answered, Instant::now()), None);
        config.service.wrap_up = Duration::from_secs(10);
        let mut usage = Usage::new(std::slice::from_ref(&config));
        usage.know(&roster(&["ann"]));
        for target in ["person:ann", "device:of-ann", "sip:p0@10.0.0.5"] {
            assert!(
                usage.used(target, What::Answered, Instant::now()).is_some(),
                "{target}"
            );
        }
    }

    proptest! {
        /// Days of calls that overlap as they like: whoever is rung first is whom the strategy promises, and the work is even.
        #[test]
        fn calls_are_shared_out_fairly(
            phones in 1usize..6,
            strategy in prop::sample::select(vec![Strategy::RoundRobin, Strategy::LongestIdle, Strategy::FewestCalls]),
            calls in prop::collection::vec((1u64..30, 1u64..200), 1..60),
        ) {
            let config = queue(strategy, phones);
            let mut usage = Usage::new(std::slice::from_ref(&config));
            let start = Instant::now();
            let at = |seconds: u64| start + Duration::from_secs(seconds);
            let (mut now, mut talking, mut answered) = (0, Vec::<(u64, usize)>::new(), vec![0u32; phones]);
            let (mut rung, mut freed) = (vec![None; phones], vec![None; phones]);
            for (pause, length) in calls {
                now += pause;
                talking.sort_unstable();
                while let Some((end, phone)) = talking.first().copied().filter(|(end, _)| *end <= now) {
                    talking.remove(0);
                    usage.used(&config.targets[phone], What::Freed { rest: Duration::ZERO }, at(end));
                    freed[phone] = Some(end);
                }
                let first = order(&config, &usage, at(now))[0];
                let is_free = |phone: &usize| !talking.iter().any(|(_, busy)| busy == phone);
                let free: Vec<usize> = (0..phones).filter(is_free).collect();
                prop_assert!(free.is_empty() || free.contains(&first), "a free phone is rung before a busy one");
                let among = if free.is_empty() { (0..phones).collect() } else { free };
                let promised = match strategy {
                    Strategy::RoundRobin => among.iter().min_by_key(|phone| rung[**phone]),
                    Strategy::LongestIdle => among.iter().min_by_key(|phone| freed[**phone]),
                    _ => among.iter().min_by_key(|phone| (answered[**phone], freed[**phone])),
                };
                prop_assert_eq!(promised, Some(&first));
                usage.used(&config.targets[first], rung_at(at(now)), at(now));
                rung[first] = Some(now);
                if is_free(&first) {
                    usage.used(&config.targets[first], What::Answered, at(now));
                    answered[first] += 1;
                    talking.push((now + length, first));
                }
            }
        }
    }
}
