//! A day from its seed, and many of them side by side.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::chance::Chance;
use crate::city::{City, Helpers, Weather};
use crate::plan::{self, MILLI, SECOND};
use crate::trace;

/// Calls of an ordinary day.
pub const CALLS: u64 = 200;
/// Lines of a trace that are printed.
const LINES: usize = 400;

/// Of so many days one is lived twice: its trace has to be the same.
const TWICE: u64 = 25;

/// What a day came to.
pub struct Day {
    /// Of everything that went over the network, in order.
    pub hash: u64,
    pub events: u64,
    pub outcomes: BTreeMap<String, u64>,
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
        refused: if is_fine { 0 } else { chance.below(150) },
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
    if chance.one_in(2) {
        for _ in 0..chance.below(calls / 10) {
            city.cut_at(chance.below(length + 5 * SECOND));
        }
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
pub fn check(seed: u64, calls: u64, change: impl Fn(&mut City)) -> Day {
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

/// The lines about the leg that a fault names, else the last ones; all of them where `RINGWARD_SIM_TRACE` says `all`.
fn about<'l>(lines: &'l [String], words: &str) -> Vec<&'l str> {
    if std::env::var("RINGWARD_SIM_TRACE").is_ok_and(|which| which == "all") {
        return lines.iter().map(String::as_str).collect();
    }
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

/// What many days came to.
#[derive(Default)]
pub struct Sum {
    pub days: u64,
    pub events: u64,
    pub outcomes: BTreeMap<String, u64>,
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.days += other.days;
        self.events += other.events;
        for (name, count) in other.outcomes {
            *self.outcomes.entry(name).or_default() += count;
        }
    }
}

/// Days from seed `first` on, `days` of them at most and none begun after `until`, on all processors.
pub fn many(
    first: u64,
    days: u64,
    calls: u64,
    until: Option<Instant>,
    change: impl Fn(&mut City) + Sync,
) -> Sum {
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let start = Instant::now();
    let sum = std::thread::scope(|scope| {
        let work = || {
            let mut sum = Sum::default();
            while until.is_none_or(|until| Instant::now() < until) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= first + days {
                    break;
                }
                let day = check(seed, calls, &change);
                if seed.is_multiple_of(TWICE) {
                    let again = run(seed, calls, &change);
                    assert_eq!(
                        (day.hash, day.events),
                        (again.hash, again.events),
                        "RINGWARD_SEED={seed} RINGWARD_SIM_DAY={calls} is another day the second time"
                    );
                }
                sum.add(Sum {
                    days: 1,
                    events: day.events,
                    outcomes: day.outcomes,
                });
            }
            sum
        };
        let workers: Vec<_> = (0..threads.min(days)).map(|_| scope.spawn(work)).collect();
        let mut sum = Sum::default();
        for worker in workers {
            sum.add(worker.join().expect("a day failed: its seed stands above"));
        }
        sum
    });
    let (seconds, total) = (start.elapsed().as_secs_f64(), sum.days * calls);
    println!(
        "{total} calls in {} days, {} events, {seconds:.1} s: {:.0} calls a minute",
        sum.days,
        sum.events,
        total as f64 / seconds * 60.0
    );
    for (name, count) in &sum.outcomes {
        println!("{count:9} {name}");
    }
    sum
}
