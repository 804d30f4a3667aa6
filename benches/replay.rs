//! A policy tried on kept calls: how long a million of them take, on a store in a file, as `POST /api/v1/policies/{number}/replay`
//! does it.
//!
//! `cargo bench --bench replay -- [CALLS]` (100,000 unless said; a million need about 6 GB below the build output). The first
//! part writes the calls, the second decides them again with `strict`, and prints how long each took.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringward::policy::shipped;
use ringward::runtime::replays::{Progress, Scope, run};
use ringward::store::{self, Store};

#[path = "../examples/console_preview/records.rs"]
mod records;

use records::{KINDS, ended};

const CALLS: u64 = 100_000;
const NOON: u64 = 1_790_000_000_000;

fn main() {
    let calls = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(CALLS);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-replay");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder below the build output");
    let file = folder.join("calls.db");
    let url = format!("sqlite:{}", file.display());
    let store = store::open(&store::Config { url }).expect("a new store");
    let began = Instant::now();
    write(&*store, calls);
    let seconds = began.elapsed().as_secs_f64();
    let octets = std::fs::metadata(&file).map_or(0, |file| file.len());
    println!(
        "written   {calls} calls in {seconds:.1} s, {:.0} calls/s, {:.2} kB each",
        calls as f64 / seconds,
        octets as f64 / calls as f64 / 1_000.0
    );

    let policy = shipped("strict").expect("it is shipped").policy();
    let scope = Scope {
        calls_max: u64::MAX,
        since_ms: 0,
    };
    let progress = Progress::default();
    let began = Instant::now();
    let outcome = std::thread::scope(|threads| {
        let replay = threads.spawn(|| run(&*store, &policy, scope, &progress));
        while !replay.is_finished() {
            std::thread::sleep(Duration::from_millis(50));
            if began.elapsed().as_secs() % 10 == 9 {
                println!("          {} calls so far", progress.looked_at());
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        replay.join().expect("no panic").expect("the store answers")
    });
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "replayed  {} calls in {seconds:.2} s, {:.0} calls/s: a million in {:.0} s; {} could not be",
        outcome.calls,
        outcome.calls as f64 / seconds,
        1e6 * seconds / outcome.calls.max(1) as f64,
        outcome.not_replayable
    );
    drop(store);
    let _ = std::fs::remove_dir_all(&folder);
}

/// As fast as the writer takes them.
fn write(store: &dyn Store, calls: u64) {
    for number in 0..calls {
        let kind = &KINDS[(number % KINDS.len() as u64) as usize];
        // A call every five seconds.
        let record = Arc::new(ended(kind, number, NOON + number * 5_000));
        while !store.save(Arc::clone(&record)) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    // The writer is asked again until it has come to the end of what waits.
    // Each waits for seconds; a store that takes none of it in minutes is broken.
    let is_written = (0..100).any(|_| store.flush().is_ok());
    assert!(is_written, "the calls were not written");
}
