//! A start with many recordings of earlier calls: how long they take to be known again, and what they take of each engine.
//!
//! ```text
//! cargo bench --bench remembered            # 20,000, as many as are remembered where nothing is configured
//! cargo bench --bench remembered -- 2000
//! ```
//!
//! Each is 15 s of tones that are no other's. Redis is measured where `redis-server` is installed.

#![allow(clippy::disallowed_methods, reason = "a bench reads clocks")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ringward::call_id::CallId;
use ringward::redact::Redacted;
use ringward::runtime::repeats::Repeats;
use ringward::store::{self, Config, Live, Store};

#[path = "../examples/console_preview/records.rs"]
mod records;
#[path = "../tests/store/redis_server.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod redis_server;
#[path = "../tests/store/tones.rs"]
mod tones;

use records::{KINDS, call};
use redis_server::RedisServer;

const NOON: u64 = 1_790_000_000_000;
/// Heard before they are written: fewer than may wait for it.
const WRITTEN: u32 = 500;
/// From one call to the next, so that those before are over and make room.
const APART_MS: u64 = 100;

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let count = numbers.next().unwrap_or(20_000);
    let folder = std::env::temp_dir().join(format!("ringward-bench-remembered-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("calls.db");
    let url = format!("sqlite:{}", file.display());
    measure("sqlite", &url, count);
    println!(
        "sqlite: {:.1} kB of the file each",
        octets(&folder) as f64 / f64::from(count) / 1e3
    );
    let _ = std::fs::remove_dir_all(&folder);
    if let Some(server) = RedisServer::start() {
        measure("redis", &server.url("one"), count);
    }
}

fn measure(engine: &str, url: &str, count: u32) {
    let kept = keep(url, count);
    let store = open(url);
    let begin = Instant::now();
    let repeats = Repeats::open(count as usize + 4, Arc::new(Live::new()), Arc::clone(&store)).unwrap();
    repeats.read(NOON + u64::from(count) * APART_MS).unwrap();
    let took = begin.elapsed();
    let remembered = repeats.remembered();
    println!(
        "{engine}: {} of {count} kept, {} known again in {:.2} s, {} MB of memory",
        kept,
        remembered.known,
        took.as_secs_f64(),
        remembered.octets / 1_000_000
    );
}

/// Hears so many calls to their 15th second and writes what is known of them; gives how many are.
fn keep(url: &str, count: u32) -> usize {
    let (store, live) = (open(url), Arc::new(Live::new()));
    let repeats = Repeats::open(count as usize + 4, Arc::clone(&live), Arc::clone(&store)).unwrap();
    repeats.read(NOON).unwrap();
    let begin = Instant::now();
    for number in 0..count {
        let mut record = call(&KINDS[3], 1, NOON, 6_000, 60_000);
        record.id = CallId(u128::from(number) + 1);
        record.caller = Some(Redacted::new(format!("+1404{number:07}")));
        let id = record.id;
        live.publish(Arc::new(record));
        for hop in tones::tones(number).chunks(8000) {
            repeats.hear(id, hop, NOON + u64::from(number) * APART_MS);
        }
        if number % WRITTEN == WRITTEN - 1 {
            repeats.write().unwrap();
            eprint!("\r{number} heard in {:.0} s ", begin.elapsed().as_secs_f64());
        }
    }
    repeats.write().unwrap();
    eprintln!();
    repeats.remembered().known
}

fn open(url: &str) -> Arc<dyn Store> {
    store::open(&Config { url: url.into() }).unwrap()
}

fn octets(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .sum()
}
