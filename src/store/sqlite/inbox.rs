//! What waits for the writer: at once the queue, the spool while the disk is away, and what readers lay over the file.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::call::CallRecord;
use crate::call::record::PersonReport;
use crate::call_id::CallId;
use crate::store::limits::{BATCH_RECORDS, COMMANDS_MAX, COMMIT_EVERY, INBOX_RECORDS_MAX, TOKENS_MAX};
use crate::store::tokens::Token;
use crate::store::{Health, Write, bounded};

/// A question whose asker waits for its answer: a failed write is told, not retried.
pub(super) enum Command {
    Flush,
    Report {
        id: CallId,
        report: PersonReport,
    },
    /// All of them or none.
    Write(Vec<Write>),
}

/// `Ok(false)` is "no such call", or "not the next number or revision".
pub(super) type Answer = Result<bool, String>;

/// One transaction's worth. Records and tokens stay in the inbox until they are on disk.
pub(super) struct Batch {
    pub records: Vec<Arc<CallRecord>>,
    pub tokens: Vec<(String, Token)>,
    /// The latest time any question about a token came with, Unix ms.
    pub now_ms: u64,
    pub commands: Vec<(Command, Sender<Answer>)>,
    pub is_last: bool,
}

#[derive(Default)]
struct Waiting {
    records: BTreeMap<CallId, Arc<CallRecord>>,
    tokens: BTreeMap<String, Token>,
    now_ms: u64,
    commands: VecDeque<(Command, Sender<Answer>)>,
    /// The writer is awake and waits for company: what only keeps it company need not wake it.
    is_gathering: bool,
    is_closing: bool,
    health: Health,
}

impl Waiting {
    fn is_idle(&self) -> bool {
        self.records.is_empty() && self.tokens.is_empty() && self.commands.is_empty()
    }

    /// Whether the writer should look now.
    fn is_news(&self) -> bool {
        !self.is_gathering || self.records.len() >= BATCH_RECORDS
    }

    fn is_urgent(&self) -> bool {
        self.is_closing || !self.commands.is_empty()
    }
}

#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Inbox {
    pub fn save(&self, record: Arc<CallRecord>) -> bool {
        let mut waiting = self.lock();
        if let Some(queued) = waiting.records.get(&record.id) {
            if queued.revision > record.revision {
                return true;
            }
        } else if waiting.records.len() >= INBOX_RECORDS_MAX {
            waiting.health.lost += 1;
            return false;
        }
        waiting.records.insert(record.id, record);
        if waiting.is_news() {
            self.arrived.notify_one();
        }
        true
    }

    /// Writes behind: past the bound the row is not kept for a restart; the map in memory still knows it.
    pub fn remember(&self, digest: String, token: Token, now_ms: u64) {
        let mut waiting = self.lock();
        waiting.now_ms = waiting.now_ms.max(now_ms);
        if waiting.tokens.len() < TOKENS_MAX || waiting.tokens.contains_key(&digest) {
            waiting.tokens.insert(digest, token);
            if waiting.is_news() {
                self.arrived.notify_one();
            }
        }
    }

    /// False = too many wait already.
    pub fn ask(&self, command: Command, answer: Sender<Answer>) -> bool {
        let mut waiting = self.lock();
        if waiting.commands.len() >= COMMANDS_MAX || waiting.is_closing {
            return false;
        }
        waiting.commands.push_back((command, answer));
        self.arrived.notify_one();
        true
    }

    pub fn record(&self, id: CallId) -> Option<Arc<CallRecord>> {
        self.lock().records.get(&id).cloned()
    }

    /// Queued records for which `wanted` is true, by id.
    pub fn records(&self, wanted: impl Fn(&CallRecord) -> bool) -> Vec<Arc<CallRecord>> {
        self.lock()
            .records
            .values()
            .filter(|record| wanted(record))
            .cloned()
            .collect()
    }

    pub fn health(&self) -> Health {
        let waiting = self.lock();
        Health {
            queued: waiting.records.len(),
            ..waiting.health.clone()
        }
    }

    pub fn count_unreadable(&self) {
        self.lock().health.unreadable += 1;
    }

    pub fn close(&self) {
        self.lock().is_closing = true;
        self.arrived.notify_one();
    }

    /// Blocks until there is something to write and company had its chance ([`COMMIT_EVERY`]);
    /// after a failure, until `pause` is over or somebody waits for an answer.
    pub fn gather(&self, pause: Duration) -> Batch {
        let mut waiting = self.lock();
        if !pause.is_zero() {
            waiting = self.wait(waiting, pause, |waiting| !waiting.is_urgent());
        }
        while waiting.is_idle() && !waiting.is_closing {
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_gathering = true;
        waiting = self.wait(waiting, COMMIT_EVERY, |waiting| {
            !waiting.is_urgent() && waiting.records.len() < BATCH_RECORDS
        });
        waiting.is_gathering = false;
        // A flush means everything, so with somebody waiting the batch is the whole inbox.
        let most = if waiting.is_urgent() {
            INBOX_RECORDS_MAX
        } else {
            BATCH_RECORDS
        };
        Batch {
            records: waiting.records.values().take(most).cloned().collect(),
            tokens: waiting
                .tokens
                .iter()
                .map(|(digest, token)| (digest.clone(), token.clone()))
                .collect(),
            now_ms: waiting.now_ms,
            commands: waiting.commands.drain(..).collect(),
            is_last: waiting.is_closing,
        }
    }

    /// The batch is on disk: forgets what has not changed since.
    pub fn written(&self, records: &[Arc<CallRecord>], tokens: &[(String, Token)]) {
        let mut waiting = self.lock();
        for record in records {
            if waiting
                .records
                .get(&record.id)
                .is_some_and(|queued| Arc::ptr_eq(queued, record))
            {
                waiting.records.remove(&record.id);
            }
        }
        for (digest, token) in tokens {
            if waiting.tokens.get(digest) == Some(token) {
                waiting.tokens.remove(digest);
            }
        }
        waiting.health.is_writing = true;
        waiting.health.problem = None;
    }

    /// The batch is not on disk: everything stays queued. Says whether this is news.
    pub fn failed(&self, problem: &str) -> bool {
        let mut waiting = self.lock();
        waiting.health.failures += 1;
        waiting.health.problem = Some(bounded(problem));
        std::mem::replace(&mut waiting.health.is_writing, false)
    }

    /// The store closes and what is left cannot be written. Gives how many records that are.
    pub fn abandon(&self) -> u64 {
        let mut waiting = self.lock();
        let left = waiting.records.len() as u64;
        waiting.health.lost += left;
        waiting.records.clear();
        waiting.commands.clear();
        left
    }

    pub fn is_done(&self) -> bool {
        let waiting = self.lock();
        waiting.is_closing && waiting.is_idle()
    }

    fn wait<'a>(
        &self,
        waiting: MutexGuard<'a, Waiting>,
        most: Duration,
        still: impl Fn(&mut Waiting) -> bool,
    ) -> MutexGuard<'a, Waiting> {
        self.arrived
            .wait_timeout_while(waiting, most, |waiting| still(waiting))
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A panic elsewhere left whole values only: every change below the lock is complete or not begun.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
