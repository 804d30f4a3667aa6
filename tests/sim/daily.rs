//! The days of an ordinary `cargo test`: short, and each of another kind. `ringward-sim` goes on from seed to seed.

use std::process::Command;

use crate::city::Helpers;
use crate::days::{CALLS, Sum, check, many};

/// Days when nobody asks for more.
const DAYS: u64 = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `RINGWARD_SIM_CALLS` widens it, `RINGWARD_SEED` moves where it begins.
#[test]
fn many_days_end_with_every_call_accounted_for() {
    let calls = number("RINGWARD_SIM_DAY").unwrap_or(CALLS);
    let days = number("RINGWARD_SIM_CALLS").map_or(DAYS, |total| total.div_ceil(calls));
    let Sum { outcomes, .. } = many(number("RINGWARD_SEED").unwrap_or(1), days, calls, None, |_| {});
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
    many(1000, 6, 60, None, |city| city.weather.garbled = 150);
}

/// Store, certificate host and scorer are all away: nobody's call ends because of it.
#[test]
fn with_every_helper_down_callers_and_phones_talk_all_the_same() {
    let Sum { outcomes, .. } = many(2000, 6, 60, None, |city| {
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

/// Not only within a process: hash seeds, addresses and clocks of another one change nothing.
#[test]
fn the_trace_of_a_seed_is_the_same_in_another_process() {
    let trace = || {
        let output = Command::new(std::env::current_exe().expect("this test binary"))
            .args(["--exact", "daily::one_day_can_be_run_again", "--nocapture"])
            .env("RINGWARD_SEED", "11")
            .env("RINGWARD_SIM_DAY", "60")
            .output()
            .expect("it runs again");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let line = text.lines().find(|line| line.contains("events, trace "));
        line.unwrap_or_else(|| panic!("no trace in {text}")).to_string()
    };
    let here = check(11, 60, |_| {});
    let expected = format!("{} events, trace {:016x}", here.events, here.hash);
    assert_eq!(trace(), expected);
    assert_eq!(trace(), expected);
}
