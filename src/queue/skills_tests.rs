//! Calls that need somebody who can do something: who is rung, in which order, and from when on whoever is free.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

const RELAX: Duration = Duration::from_secs(30);

/// Phones with these levels of German (0 = none), and a queue whose calls to +49 need it at `least`.
fn desk(levels: &[u8], least: u8) -> Config {
    let target = |n: usize| format!("device:d{n}");
    let able = levels.iter().enumerate().filter(|(_, level)| **level > 0);
    let skills = able.map(|(n, level)| (target(n), BTreeMap::from([("german".to_string(), *level)])));
    Config {
        name: "desk".into(),
        numbers: vec!["*".into()],
        strategy: Strategy::Skill,
        targets: (0..levels.len()).map(target).collect(),
        ring: Duration::from_secs(20),
        overflow: Overflow::Reject,
        reach: Reach::default(),
        service: Service {
            wait: Some(Duration::from_secs(300)),
            by_skill: BySkill {
                needs: vec![Need {
                    skill: "german".into(),
                    least,
                    numbers: vec!["+49*".into()],
                    callers: Vec::new(),
                }],
                relax_after: RELAX,
                skills: Arc::new(Skills::new(skills)),
            },
            ..Service::default()
        },
    }
}

fn call(config: &Config, dialled: &str, caller: Option<Trust>) -> Hunt {
    let hunt = Hunt::new([config.clone()].into(), "desk").unwrap();
    hunt.for_call(Wants {
        dialled: dialled.into(),
        caller,
    })
}

/// Which phones a step of this call rings.
fn rings(hunt: &mut Hunt, input: Input, now: Instant, seen: &dyn Fn(&str) -> Seen) -> Vec<(Attempt, usize)> {
    hunt.handle(input, now, seen);
    let steps = std::iter::from_fn(|| hunt.poll_step());
    let rung = steps.filter_map(|step| match step {
        Step::Ring { attempt, target } => Some((attempt, target["device:d".len()..].parse().unwrap())),
        _ => None,
    });
    rung.collect()
}

fn seen_in<'a>(usage: &'a Usage, now: Instant) -> impl Fn(&str) -> Seen + 'a {
    move |target| Seen {
        phone: usage.of(target),
        is_taken: usage.of(target).is_taken(now),
        ..Seen::default()
    }
}

fn phones(rung: Vec<(Attempt, usize)>) -> Vec<usize> {
    rung.into_iter().map(|(_, phone)| phone).collect()
}

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn the_best_is_rung_first_then_the_next_and_the_others_once_it_has_waited_long_enough() {
    let (config, start) = (desk(&[0, 2, 5, 1], 2), start());
    let usage = Usage::new(std::slice::from_ref(&config));
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let mut hunt = call(&config, "+493012345", Some(Trust::Proven));
    let mut tell =
        |input: Input, seconds: u64| rings(&mut hunt, input, at(seconds), &seen_in(&usage, at(seconds)));
    assert_eq!(tell(Input::Start, 0), []);
    let declines = |rung: &[(Attempt, usize)]| Input::Failed {
        attempt: rung[0].0,
        status: 486,
    };
    let first = tell(Input::Tick, 0);
    let second = tell(declines(&first), 1);
    let none = tell(declines(&second), 2);
    assert_eq!((first[0].1, second[0].1), (2, 1));
    assert_eq!(none, [], "the others cannot do it well enough");
    // Ten seconds later the best is asked again, and not somebody else.
    let again = tell(Input::Tick, 12);
    assert_eq!(again[0].1, 2);
    assert_eq!(phones(tell(declines(&again), 13)), [1]);
    assert_eq!(hunt.needs().len(), 1);
    assert_eq!(
        hunt.deadline(),
        Some(at(18)),
        "it is looked at again, and when the relaxing comes"
    );
}

#[test]
fn it_is_looked_at_in_the_very_moment_of_the_relaxing() {
    let (config, start) = (desk(&[0], 1), start());
    let usage = Usage::new(std::slice::from_ref(&config));
    let mut hunt = call(&config, "+493012345", Some(Trust::Unproven));
    let mut now = start;
    assert_eq!(rings(&mut hunt, Input::Start, now, &seen_in(&usage, now)), []);
    loop {
        let rung = rings(&mut hunt, Input::Tick, now, &seen_in(&usage, now));
        if now < start + RELAX {
            assert_eq!(rung, []);
            assert_eq!(
                hunt.needs(),
                [Needed {
                    skill: "german".into(),
                    least: 1
                }]
            );
        } else {
            assert_eq!((now, phones(rung)), (start + RELAX, vec![0]));
            assert!(hunt.needs().is_empty());
            break;
        }
        now = hunt.deadline().unwrap();
    }
}

#[test]
fn a_call_that_needs_nothing_is_for_whoever_has_been_free_for_longest() {
    let (config, now) = (desk(&[5, 0], 1), start());
    let mut usage = Usage::new(std::slice::from_ref(&config));
    usage.used("device:d0", What::Freed { rest: Duration::ZERO }, now);
    for (dialled, caller) in [("+12125550100", Some(Trust::Proven)), ("+493012345", None)] {
        let mut hunt = call(&config, dialled, caller);
        rings(&mut hunt, Input::Start, now, &seen_in(&usage, now));
        assert_eq!(
            phones(rings(&mut hunt, Input::Tick, now, &seen_in(&usage, now))),
            [1],
            "{dialled}"
        );
    }
}

#[test]
fn whoever_waits_for_a_skill_holds_up_nobody_who_needs_none() {
    let (config, now) = (desk(&[3, 0], 1), start());
    let mut usage = Usage::new(std::slice::from_ref(&config));
    usage.used("device:d0", What::Answered, now);
    let mut line = Line::default();
    let mut calls = ["+493012345", "+12125550100"].map(|dialled| call(&config, dialled, Some(Trust::Proven)));
    let mut rung = Vec::new();
    for (n, hunt) in calls.iter_mut().enumerate() {
        rings(hunt, Input::Start, now, &seen_in(&usage, now));
        let (since, is_choosing, left_alone) = hunt.stands().unwrap();
        let stand = Stand {
            queue: "desk".into(),
            place: Place {
                class: 1,
                since,
                call: n as u128,
            },
            is_choosing,
            left_alone,
            needs: hunt.needs().to_vec(),
        };
        line.put(&stand);
        hunt.stand_behind(line.ahead("desk", stand.place));
        rung.push(phones(rings(hunt, Input::Tick, now, &seen_in(&usage, now))));
    }
    assert_eq!(rung, [vec![], vec![1]]);
    let needed = Needed {
        skill: "german".into(),
        least: 1,
    };
    assert_eq!(line.needs("desk"), BTreeMap::from([(needed, 1)]));
}

proptest! {
    /// Whatever phones are busy, refuse or ring in vain: before the relaxing nobody without the skill is rung, of the free ones always the
    /// best, and after it nobody waits while a phone is free.
    #[test]
    fn nobody_without_the_skill_is_rung_before_the_relaxing_and_nobody_starves(
        levels in prop::collection::vec(0u8..5, 1..6),
        least in 1u8..5,
        seconds in prop::collection::vec((any::<u8>(), any::<bool>()), 60),
    ) {
        let (config, start) = (desk(&levels, least), start());
        let usage = Usage::new(std::slice::from_ref(&config));
        let mut hunt = call(&config, "+493012345", Some(Trust::Suspect));
        let mut now = start;
        let mut alone: BTreeMap<usize, Instant> = BTreeMap::new();
        rings(&mut hunt, Input::Start, now, &|_| Seen::default());
        for (busy, is_second) in seconds {
            let is_busy = |n: usize| busy & (1 << n) != 0;
            let seen = |target: &str| {
                let n: usize = target["device:d".len()..].parse().unwrap();
                Seen { is_taken: is_busy(n), phone: usage.of(target), ..Seen::default() }
            };
            let rung = rings(&mut hunt, Input::Tick, now, &seen);
            let is_relaxed = now >= start + RELAX;
            let may = |n: &usize| {
                let is_able = is_relaxed || levels[*n] >= least;
                is_able && !is_busy(*n) && alone.get(n).is_none_or(|until| *until <= now)
            };
            let best = (0..levels.len()).filter(may).max_by_key(|n| (levels[*n], std::cmp::Reverse(*n)));
            prop_assert_eq!(phones(rung.clone()).first().copied(), best, "{:?} after {:?}", levels, now - start);
            prop_assert!(rung.len() <= 1);
            for (attempt, phone) in rung {
                alone.insert(phone, now + limits::RING_AGAIN);
                // Refused at once; who is next is asked in the same moment.
                let mut next = rings(&mut hunt, Input::Failed { attempt, status: 486 }, now, &seen);
                while let Some((attempt, phone)) = next.pop() {
                    prop_assert!(is_relaxed || levels[phone] >= least, "{} is not able", phone);
                    alone.insert(phone, now + limits::RING_AGAIN);
                    next = rings(&mut hunt, Input::Failed { attempt, status: 486 }, now, &seen);
                }
            }
            now += Duration::from_secs(u64::from(is_second));
        }
    }

    /// Calls that overlap as they like: of those who are equally good each is rung who has been free for longest.
    #[test]
    fn of_equals_the_calls_are_shared_out_fairly(
        levels in prop::collection::vec(0u8..3, 1..6),
        calls in prop::collection::vec((1u64..30, 1u64..200), 1..60),
    ) {
        let (config, start) = (desk(&levels, 1), start());
        let mut usage = Usage::new(std::slice::from_ref(&config));
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let (mut now, mut talking, mut freed) = (0, Vec::<(u64, usize)>::new(), vec![None; levels.len()]);
        for (pause, length) in calls {
            now += pause;
            talking.sort_unstable();
            while let Some((end, phone)) = talking.first().copied().filter(|(end, _)| *end <= now) {
                talking.remove(0);
                usage.used(&config.targets[phone], What::Freed { rest: Duration::ZERO }, at(end));
                freed[phone] = Some(end);
            }
            let mut hunt = call(&config, "+493012345", Some(Trust::Proven));
            rings(&mut hunt, Input::Start, at(now), &seen_in(&usage, at(now)));
            let rung = phones(rings(&mut hunt, Input::Tick, at(now), &seen_in(&usage, at(now))));
            let is_free = |phone: &usize| levels[*phone] > 0 && !talking.iter().any(|(_, busy)| busy == phone);
            let promised = (0..levels.len())
                .filter(is_free)
                .min_by_key(|phone| (u8::MAX - levels[*phone], freed[*phone]));
            prop_assert_eq!(rung.first().copied(), promised);
            if let Some(phone) = promised {
                usage.used(&config.targets[phone], What::Answered, at(now));
                talking.push((now + length, phone));
            }
        }
    }
}
