//! The days themselves.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::chance::Chance;
use crate::city::{City, Helpers, Weather};
use crate::plan::{self, MILLI, SECOND};
use crate::trace;

/// Calls of an ordinary day.
const CALLS: u64 = 200;
/// Days of `tests/run` when nobody asks for more.
const DAYS: u64 = 40;
/// Lines of a trace that are printed.
const LINES: usize = 400;

/// What a day came to.
struct Day {
    hash: u64,
    events: u64,
    outcomes: BTreeMap<String, u64>,
}

fn weather(chance: &mut Chance) -> Weather {
    let is_fine = chance.one_in(4);
    let slowest = chance.pick(&[2, 20, 120, 400]);
    let begin = chance.below(30 * SECOND);
    Weather {
        lost: if is_fine { 0 } else { chance.below(100) },
        repeated: if is_fine { 0 } else { chance.below(100) },
        garbled: 0,
        tells_of_the_dead: chance.one_in(4),
        delay: (chance.between(50, 1000), slowest * MILLI),
        blackout: chance
            .one_in(5)
            .then(|| (begin, begin + chance.below(6 * SECOND))),
    }
}

fn helpers(chance: &mut Chance) -> Helpers {
    Helpers {
        store: match chance.below(4) {
            0 => None,
            1 => Some(chance.below(2 * SECOND)),
            _ => Some(chance.below(20 * MILLI)),
        },
        fetch: match chance.below(4) {
            0 => None,
            1 => Some((chance.below(6 * SECOND), !chance.one_in(3))),
            _ => Some((chance.below(80 * MILLI), !chance.one_in(5))),
        },
        is_scorer_overloaded: chance.one_in(5),
        portless: if chance.one_in(3) { chance.below(200) } else { 0 },
    }
}

/// Everything about a day follows from its seed and the number of its calls.
fn city(seed: u64, calls: u64, change: impl FnOnce(&mut City)) -> City {
    let mut chance = Chance::new(seed ^ 0x5eed);
    let shards = chance.between(1, 4) as u16;
    let mut city = City::new(seed, shards, weather(&mut chance), helpers(&mut chance));
    // Busy or quiet: 2 to 40 calls begin in a second.
    let length = calls * SECOND / chance.between(2, 40);
    for _ in 0..calls {
        city.add_caller(chance.below(length), plan::caller(&mut chance));
    }
    for _ in 0..chance.below(calls / 2) {
        city.strangers_at(chance.below(length));
    }
    for _ in 0..chance.below(calls / 20) {
        city.hang_up_at(chance.below(length + 5 * SECOND));
    }
    if chance.one_in(6) {
        city.drain_at(length / 2 + chance.below(length / 2));
    }
    if chance.one_in(6) {
        city.set_policy_at(chance.below(length));
    }
    change(&mut city);
    city
}

fn run(seed: u64, calls: u64, change: impl FnOnce(&mut City)) -> Day {
    let mut city = city(seed, calls, change);
    city.run();
    let is_strict = city.weather.garbled == 0;
    Day {
        hash: city.trace_hash(),
        events: city.events,
        outcomes: city.ledger.close(&city.legs, is_strict, city.is_draining),
    }
}

/// Runs a day; when it fails, says its seed and runs it once more for its trace.
fn check(seed: u64, calls: u64, change: impl Fn(&mut City)) -> Day {
    let once = || catch_unwind(AssertUnwindSafe(|| run(seed, calls, &change)));
    if let Ok(day) = once() {
        return day;
    }
    println!("a day failed: RINGWARD_SEED={seed} RINGWARD_SIM_DAY={calls}; once more, with its trace");
    trace::start();
    let again = once();
    let lines = trace::finish();
    let words = again
        .err()
        .map(|panic| words_of(&*panic))
        .unwrap_or_else(|| "it does not fail a second time".into());
    let shown = about(&lines, &words);
    println!("{}", shown.join("\n"));
    panic!("RINGWARD_SEED={seed} RINGWARD_SIM_DAY={calls}: {words}");
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    words
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words")
        .to_string()
}

/// The lines about the leg that a fault names, else the last ones.
fn about<'l>(lines: &'l [String], words: &str) -> Vec<&'l str> {
    let leg = ["leg ", "caller ", "phone "]
        .iter()
        .find_map(|before| words.split_once(before))
        .map(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_hexdigit())
                .next()
                .unwrap_or_default()
        })
        .filter(|leg| !leg.is_empty());
    let marks: Vec<String> = leg
        .map(|leg| {
            let of_leg = [
                format!("day-{leg}@"),
                format!("tag=sim{leg}"),
                format!("leg {leg} "),
            ];
            let rung = lines
                .iter()
                .find(|line| line.contains(&format!("tag=sim{leg}")))
                .and_then(|line| line.split("Call-ID: ").nth(1))
                .map(|rest| rest.split(' ').next().unwrap_or_default().to_string());
            of_leg.into_iter().chain(rung).collect()
        })
        .unwrap_or_default();
    let found: Vec<&str> = lines
        .iter()
        .filter(|line| marks.is_empty() || marks.iter().any(|mark| line.contains(mark)))
        .map(String::as_str)
        .collect();
    let skipped = found.len().saturating_sub(LINES);
    found.into_iter().skip(skipped).collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// As many days as have `calls` calls, on all processors; how all their calls ended.
fn many(first: u64, days: u64, calls: u64, change: impl Fn(&mut City) + Sync) -> BTreeMap<String, u64> {
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        let work = || {
            let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
            let mut events = 0;
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + days {
                    return (outcomes, events);
                }
                let day = check(seed, calls, &change);
                events += day.events;
                for (name, count) in day.outcomes {
                    *outcomes.entry(name).or_default() += count;
                }
            }
        };
        let start = Instant::now();
        let workers: Vec<_> = (0..threads.min(days)).map(|_| scope.spawn(work)).collect();
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        let mut events = 0;
        for worker in workers {
            let (outcomes, seen) = worker.join().expect("a day failed: its seed stands above");
            events += seen;
            for (name, count) in outcomes {
                *sums.entry(name).or_default() += count;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let total = days * calls;
        println!(
            "{total} calls in {days} days, {events} events, {seconds:.1} s: {:.0} calls/s",
            total as f64 / seconds
        );
        for (name, count) in &sums {
            println!("{count:9} {name}");
        }
        sums
    })
}

/// `RINGWARD_SIM_CALLS` widens it, `RINGWARD_SEED` moves where it begins.
#[test]
fn many_days_end_with_every_call_accounted_for() {
    let calls = number("RINGWARD_SIM_DAY").unwrap_or(CALLS);
    let days = number("RINGWARD_SIM_CALLS").map_or(DAYS, |total| total.div_ceil(calls));
    let outcomes = many(number("RINGWARD_SEED").unwrap_or(1), days, calls, |_| {});
    // A day in which nothing happens proves nothing.
    for ending in ["Completed", "Cancelled", "NoAnswer", "Refused", "Failed"] {
        let count: u64 = outcomes
            .iter()
            .filter(|(name, _)| name.starts_with(ending))
            .map(|(_, count)| count)
            .sum();
        assert!(days < DAYS || count > 0, "no call was {ending}");
    }
}

/// The one to look at: `RINGWARD_SEED=17 cargo test --test sim one_day -- --nocapture`.
#[test]
fn one_day_can_be_run_again() {
    let calls = number("RINGWARD_SIM_DAY").unwrap_or(CALLS);
    let day = check(number("RINGWARD_SEED").unwrap_or(1), calls, |_| {});
    println!("{} events, trace {:016x}", day.events, day.hash);
    for (name, count) in &day.outcomes {
        println!("{count:9} {name}");
    }
}

#[test]
fn the_same_seed_is_the_same_day() {
    for seed in [7, 8, 9] {
        let one = check(seed, 60, |_| {});
        let other = check(seed, 60, |_| {});
        assert_eq!(
            (one.hash, one.events),
            (other.hash, other.events),
            "RINGWARD_SEED={seed}"
        );
        assert_ne!(
            one.hash,
            check(seed + 1, 60, |_| {}).hash,
            "another seed is another day"
        );
    }
}

#[test]
fn garbled_datagrams_leave_nothing_behind() {
    many(1000, 6, 60, |city| city.weather.garbled = 150);
}

/// Store, certificate host and scorer are all away: nobody's call ends because of it.
#[test]
fn with_every_helper_down_callers_and_phones_talk_all_the_same() {
    let outcomes = many(2000, 6, 60, |city| {
        city.helpers = Helpers {
            store: None,
            fetch: None,
            is_scorer_overloaded: true,
            portless: 0,
        };
    });
    let of_the_peers = [
        "ended from the console",
        "no audio from either party",
        "an answer was never acknowledged",
        "the other side no longer knows the call",
        "no usable answer in ACK",
        "no queue has this number",
    ];
    for (name, count) in &outcomes {
        let is_of_the_peers = of_the_peers.iter().any(|note| name.contains(note));
        assert!(
            !name.starts_with("Failed") || is_of_the_peers,
            "{count} calls ended by us: {name}"
        );
    }
    let talked: u64 = outcomes
        .iter()
        .filter(|(name, _)| name.starts_with("Completed"))
        .map(|(_, count)| count)
        .sum();
    assert!(talked > 60, "{talked} calls talked");
}
