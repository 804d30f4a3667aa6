//! One contract, each engine: what any store must do, and what the file survives.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test that waits for another process gives up at some time"
)]

#[path = "../../examples/console_preview/records.rs"]
mod records;
mod tones;

mod audit;
mod contract;
mod crash;
mod erasure;
mod file;
mod live;
mod recordings;
mod redis;
mod redis_server;
mod unreadable;
mod wishes;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ringward::store::{self, Config, Store, StoreError};

/// A folder of this test's own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn temporary() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "ringward-store-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn url(&self) -> String {
        format!("sqlite:{}", self.0.join("calls.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn open(url: &str) -> Arc<dyn Store> {
    store::open(&Config { url: url.into() }).unwrap()
}

/// Waits until all that was saved is on disk. A busy machine may take longer than a gateway would wait for.
pub fn settled(store: &dyn Store) {
    // Each time the store waits for five seconds before it says so.
    for _ in 0..24 {
        match store.flush() {
            Ok(()) => return,
            Err(error) => assert!(matches!(error, StoreError::Busy { .. }), "{error}"),
        }
    }
    panic!("not on disk after two minutes");
}

/// Runs `check` against every engine.
pub fn each_engine(check: impl Fn(&dyn Store)) {
    let folder = Folder::temporary();
    check(open(&folder.url()).as_ref());
    check(open("sqlite::memory:").as_ref());
    if let Some(server) = redis_server::RedisServer::shared() {
        check(open(&server.url("one")).as_ref());
    }
}
