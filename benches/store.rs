//! 5,000 records a second into each engine, beside work that must not wait: what handing one over costs, how late the other work
//! comes to its turn with and without it, and whether all of them are kept.
//!
//! `cargo bench --bench store [-- RECORDS_A_SECOND SECONDS]`. Redis is measured where `redis-server` is installed.

#![allow(clippy::disallowed_methods, reason = "a bench reads clocks")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringward::call::CallRecord;
use ringward::policy::{Policy, shipped};
use ringward::store::{self, Config, Store};

#[path = "../examples/console_preview/records.rs"]
mod records;
#[path = "../tests/store/redis_server.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod redis_server;

use records::{KINDS, ended};
use redis_server::RedisServer;

const NOON: u64 = 1_790_000_000_000;
const TICK: Duration = Duration::from_millis(10);

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let (a_second, seconds) = (numbers.next().unwrap_or(5_000), numbers.next().unwrap_or(10));
    let folder = std::env::temp_dir().join(format!("ringward-bench-store-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{a_second} records a second for {seconds} s; load average before: {}",
        load.trim()
    );
    println!("without a store: {}", beside(None, a_second, seconds));
    let file = format!("sqlite:{}", folder.join("calls.db").display());
    println!("sqlite: {}", beside(Some(&file), a_second, seconds));
    if let Some(server) = RedisServer::start() {
        println!("redis: {}", beside(Some(&server.url("one")), a_second, seconds));
    }
    let _ = std::fs::remove_dir_all(PathBuf::from(&folder));
}

/// A line of what it took.
fn beside(url: Option<&str>, a_second: u64, seconds: u64) -> String {
    let store = url.map(|url| store::open(&Config { url: url.into() }).unwrap());
    let is_over = Arc::new(AtomicBool::new(false));
    let work = std::thread::spawn({
        let is_over = is_over.clone();
        move || other_work(&is_over)
    });
    let kinds: Vec<CallRecord> = KINDS.iter().map(|kind| ended(kind, 0, NOON)).collect();
    let (mut handed, mut refused, mut each) = (0u64, 0u64, Vec::new());
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut most_queued = 0;
    for tick in 1..=seconds * 100 {
        while handed < tick * a_second / 100 {
            let mut record = kinds[handed as usize % kinds.len()].clone();
            record.id.0 = (1 << 120) + u128::from(handed);
            record.started_ms = NOON + handed / 5;
            let record = Arc::new(record);
            if let Some(store) = &store {
                let before = Instant::now();
                let is_taken = store.save(record);
                each.push(before.elapsed());
                refused += u64::from(!is_taken);
            }
            handed += 1;
        }
        if let Some(store) = &store {
            most_queued = most_queued.max(store.health().queued);
        }
        std::thread::sleep((TICK * tick as u32).saturating_sub(start.elapsed()));
    }
    let took = start.elapsed();
    let cpu = cpu_seconds() - cpu;
    is_over.store(true, Ordering::Relaxed);
    let late = quantiles(work.join().unwrap());
    let Some(store) = store else {
        return format!("other work late by {late}");
    };
    let flushed = Instant::now();
    while store.flush().is_err() {}
    let flushed = flushed.elapsed();
    let health = store.health();
    let kept = count(&*store);
    format!(
        "{handed} handed over in {took:.1?} (refused {refused}, lost {}), {kept} kept, all of them {flushed:.1?} after the last; at most {most_queued} waited; \
         handing over {}; other work late by {late}; {:.0} us of CPU a record in this process",
        health.lost,
        quantiles(each),
        cpu * 1e6 / handed as f64,
    )
}

/// What a shard does: wakes every millisecond, decides a call, and says how late that was done.
fn other_work(is_over: &AtomicBool) -> Vec<Duration> {
    let text = shipped("default").unwrap().text;
    let policy = Policy::load("default", text, &[]).unwrap();
    let facts = ended(&KINDS[0], 0, NOON).facts;
    let (start, mut late) = (Instant::now(), Vec::new());
    let mut due = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        due += Duration::from_millis(1);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        std::hint::black_box(policy.decide(&facts));
        late.push(start.elapsed().saturating_sub(due));
    }
    late
}

fn count(store: &dyn Store) -> usize {
    let (mut kept, mut after) = (0, None);
    loop {
        let page = store.page(after).unwrap();
        let Some(last) = page.last() else { return kept };
        after = Some((last.started_ms, last.id));
        kept += page.len();
    }
}

fn quantiles(mut all: Vec<Duration>) -> String {
    all.sort_unstable();
    let at = |share: f64| {
        all.get((all.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    let most = all.last().copied().unwrap_or_default();
    format!(
        "{:.1?} (median), {:.1?} (p99), {most:.1?} (worst)",
        at(0.5),
        at(0.99)
    )
}

/// Of this process, all threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    let ticks = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok());
    ticks.sum::<u64>() as f64 / 100.0
}
