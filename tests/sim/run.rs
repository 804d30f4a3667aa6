//! As many simulated calls as there is time for, from seeds in a row, on all processors.
//!
//! ```text
//! cargo run --release -p ringward-sim -- --calls 1000000 --seconds 600 --first 1
//! ```
//!
//! A program and not a test, so that a release build of the gateway is used as it is: tests pull in what only tests need,
//! and that builds half of the dependencies once more. Ends with status 1 and the seed when a day fails;
//! `RINGWARD_SEED=... RINGWARD_SIM_DAY=... cargo test --test sim one_day` shows that day again.
//!
//! The first million calls from seed 1 pass: in two runs, the days before seed 4813 and those from there on.
//! What it tolerates is said where it does (`ledger.rs`): a peer whose own connection broke may not hear the last of it.

#![expect(
    clippy::disallowed_methods,
    reason = "any instant will do as the start of a virtual clock, and this program has a time to keep"
)]
#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on should stop")]

mod chance;
mod city;
mod days;
#[path = "../calls/gateway.rs"]
mod gateway;
mod leg;
mod ledger;
mod plan;
#[path = "../calls/signing.rs"]
#[expect(dead_code, reason = "the whole-call tests use more of it")]
mod signing;
mod strangers;
mod trace;
#[path = "../calls/wire.rs"]
#[expect(dead_code, reason = "the whole-call tests use more of it")]
mod wire;

use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let (mut calls, mut seconds, mut first) = (1_000_000, None, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse::<u64>().ok());
        match (argument.as_str(), value) {
            ("--calls", Some(value)) => calls = value,
            ("--seconds", Some(value)) => seconds = Some(Duration::from_secs(value)),
            ("--first", Some(value)) => first = value,
            _ => {
                eprintln!("usage: ringward-sim [--calls N] [--seconds N] [--first SEED]");
                return ExitCode::from(2);
            }
        }
    }
    let until = seconds.map(|seconds| Instant::now() + seconds);
    let day = days::CALLS;
    let sum = std::panic::catch_unwind(|| days::many(first, calls.div_ceil(day), day, until, |_| {}));
    match sum {
        Ok(sum) => {
            println!(
                "seeds {first} to {}: every call is accounted for",
                first + sum.days.saturating_sub(1)
            );
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
