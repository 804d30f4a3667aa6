//! What the phones of the queues have been doing, for the strategies that share calls out among them. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::{Config, Strategy};

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
    Rung,
    Answered,
    /// It has put down, or the call went on without it.
    Freed,
}

/// What is known of one phone since the gateway started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phone {
    rung: Option<Instant>,
    freed: Option<Instant>,
    /// A call of ours goes on there, as was last heard at this time.
    is_busy: bool,
    heard: Option<Instant>,
    /// Answered so far.
    calls: u32,
}

/// Where a phone comes in the order of ringing: the smallest is rung first.
pub(super) type Rank = (bool, bool, u32, Option<Instant>);

impl Phone {
    pub fn take(&mut self, what: What, at: Instant) {
        let at = Some(at);
        match what {
            What::Rung => {
                self.rung = self.rung.max(at);
                return;
            }
            What::Answered => self.calls = self.calls.saturating_add(1),
            What::Freed => self.freed = self.freed.max(at),
        }
        // News of other shards may come late.
        if at >= self.heard {
            (self.is_busy, self.heard) = (what == What::Answered, at);
        }
    }

    /// Equal ranks are rung in the order of the file. Who is down comes last, and who is talking before him, whatever the
    /// strategy makes of the others: nobody is left out.
    pub(super) fn rank(&self, strategy: Strategy, is_down: bool) -> Rank {
        match strategy {
            Strategy::RingAll | Strategy::InOrder => (is_down, false, 0, None),
            Strategy::RoundRobin => (is_down, self.is_busy, 0, self.rung),
            Strategy::LongestIdle => (is_down, self.is_busy, 0, self.freed),
            Strategy::FewestCalls => (is_down, self.is_busy, self.calls, self.freed),
        }
    }
}

/// The phones of all queues. Only those of the configuration: it never grows.
#[derive(Debug, Default)]
pub struct Usage(BTreeMap<Arc<str>, Phone>);

impl Usage {
    /// Of the queues that share calls out; the others need not be watched.
    pub fn new(queues: &[Config]) -> Usage {
        let shared = queues.iter().filter(|queue| queue.strategy.is_shared_out());
        let targets = shared.flat_map(|queue| &queue.targets);
        Usage(
            targets
                .map(|target| (target.as_str().into(), Phone::default()))
                .collect(),
        )
    }

    /// What is to be told to the other shards; `None` when nobody asks after this phone.
    pub fn used(&mut self, target: &str, what: What, at: Instant) -> Option<Used> {
        let (target, phone) = (self.0.get_key_value(target)?.0.clone(), self.0.get_mut(target)?);
        phone.take(what, at);
        Some(Used { target, what, at })
    }

    /// What another shard has seen.
    pub fn take(&mut self, used: &Used) {
        if let Some(phone) = self.0.get_mut(&*used.target) {
            phone.take(used.what, used.at);
        }
    }

    pub fn of(&self, target: &str) -> Phone {
        self.0.get(target).copied().unwrap_or_default()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::{Config, Instant, Strategy, Usage, What};
    use crate::queue::{Hunt, Input, Overflow, Reach, Seen, Step};

    fn queue(strategy: Strategy, phones: usize) -> Config {
        Config {
            name: "desk".into(),
            numbers: vec!["*".into()],
            strategy,
            targets: (0..phones).map(|n| format!("sip:p{n}@10.0.0.5")).collect(),
            ring: Duration::from_secs(20),
            overflow: Overflow::Reject,
            reach: Reach::default(),
        }
    }

    /// Which phone is rung first now, and which after it.
    fn order(config: &Config, usage: &Usage, now: Instant) -> Vec<usize> {
        let mut hunt = Hunt::new([config.clone()].into(), "desk").unwrap();
        let seen = |target: &str| Seen {
            is_down: false,
            phone: usage.of(target),
            devices: None,
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
            usage.used(&config.targets[rung[0]], What::Rung, now).unwrap();
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
        assert_eq!(usage.used(&config.targets[0], What::Rung, Instant::now()), None);
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
                    usage.used(&config.targets[phone], What::Freed, at(end));
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
                usage.used(&config.targets[first], What::Rung, at(now));
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
