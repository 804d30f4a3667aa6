//! What is kept: one narrow contract; SQLite is the default engine. Also the registry of live calls.
// DOOR

use std::sync::Arc;

use crate::call::CallRecord;
use crate::call::record::PersonReport;
use crate::call_id::CallId;
use crate::screening::HistoryFacts;

/// `[store]`
#[derive(Clone, Debug)]
pub struct Config {
    /// `sqlite:PATH` or `sqlite::memory:`
    pub url: String,
}

/// Names the store, the action and the cause. Bounded.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("store {url}: {problem}")]
    Unusable { url: String, problem: String },
}

/// The contract. Every method but `save` may block for milliseconds: call from a thread that may wait.
pub trait Store: Send + Sync {
    /// Queues a record for the writer thread and returns at once; false = the bounded inbox is full (counted, alarmed).
    fn save(&self, record: Arc<CallRecord>) -> bool;
    /// Waits until everything saved so far is on disk.
    fn flush(&self) -> Result<(), StoreError>;
    fn call(&self, id: CallId) -> Result<Option<CallRecord>, StoreError>;
    /// Newest first.
    fn calls(&self, filter: &Filter) -> Result<Vec<CallRecord>, StoreError>;
    fn history(&self, number: &str, now_ms: u64) -> Result<HistoryFacts, StoreError>;
    /// Remembers that `digest` was used by the call with this SIP Call-ID; true = it was seen in another call less than
    /// `window_ms` ago. (A retransmission has the same SIP Call-ID and is not a reuse.)
    fn token_seen(
        &self,
        digest: &str,
        sip_call_id: &str,
        now_ms: u64,
        window_ms: u64,
    ) -> Result<bool, StoreError>;
    /// What the person said about a call. False = no such call.
    fn report(&self, id: CallId, report: PersonReport) -> Result<bool, StoreError>;
    /// A small named value (token hash, schema facts).
    fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;
    fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError>;
}

#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only calls that started before this (cursor), Unix ms.
    pub before_ms: Option<u64>,
    pub limit: usize,
    pub label: Option<String>,
    pub number: Option<String>,
}

/// Opens the engine named by the URL and migrates its schema.
pub fn open(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    let _ = config;
    todo!()
}

/// Calls as they are now, and a stream of their changes. Shared by the shards (publish) and the API (read, subscribe).
pub struct Live {}

impl Live {
    /// Keeps the snapshot (until the call has ended) and tells every subscriber. Never waits for a slow one.
    pub fn publish(&self, record: Arc<CallRecord>) {
        let _ = record;
        todo!()
    }
    pub fn snapshot(&self) -> Vec<Arc<CallRecord>> {
        todo!()
    }
    pub fn call(&self, id: CallId) -> Option<Arc<CallRecord>> {
        let _ = id;
        todo!()
    }
}
