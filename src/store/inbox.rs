//! What waits for the writer: at once the queue, the spool while the disk is away, and what readers lay over the file.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;

use super::erasing::Erasing;
use super::limits::{
    ANSWER_TIMEOUT, BATCH_RECORDS, COMMANDS_MAX, COMMIT_EVERY, DOCUMENT_MAX, ENTRY_MAX, ERASED_AT_ONCE,
    INBOX_RECORDS_MAX, RESHELVE_MAX, SETTING_MAX, TOKENS_MAX,
};
use super::tokens::Token;
use super::{Health, StoreError, Write, bounded};
use crate::call::CallRecord;
use crate::call::record::PersonReport;
use crate::call_id::CallId;

/// A question whose asker waits for its answer: a failed write is told, not retried.
pub(super) enum Command {
    Flush,
    Report {
        id: CallId,
        report: PersonReport,
    },
    /// All of them or none.
    Write(Vec<Write>),
    /// The next page of an erasure; true = there may be more.
    Erase(Arc<Erasing>),
    /// What was erased leaves the files; false = not yet, somebody reads them.
    Scrub,
    /// Write the file anew, where that is owed and may be done.
    Anew,
}

/// `Ok(false)` is "no such call", or "not the next number or revision".
pub(super) type Answer = Result<bool, String>;

/// Who waits for the answer to a question.
pub(super) struct Asker {
    answer: Sender<Answer>,
    has_given_up: Arc<AtomicBool>,
}

impl Asker {
    /// He has been told that it was not done: it must not be done after that.
    pub fn has_given_up(&self) -> bool {
        self.has_given_up.load(Ordering::Acquire)
    }

    /// Lost on one who has given up in this very moment: he was told that nobody knows.
    pub fn tell(self, answer: Answer) {
        let _ = self.answer.send(answer);
    }
}

/// One transaction's worth. Records and tokens stay in the inbox until they are on disk.
pub(super) struct Batch {
    pub records: Vec<Arc<CallRecord>>,
    pub tokens: Vec<(String, Token)>,
    /// The latest time any question about a token came with, Unix ms.
    pub now_ms: u64,
    pub commands: Vec<(Command, Asker)>,
    pub is_last: bool,
}

#[derive(Default)]
struct Waiting {
    records: BTreeMap<CallId, Arc<CallRecord>>,
    tokens: BTreeMap<String, Token>,
    now_ms: u64,
    commands: VecDeque<(Command, Asker)>,
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

    /// There is something to do beside what waits here: to find out whether the store is back, or to give it what was spooled.
    fn is_restless(&self) -> bool {
        !self.health.is_writing || self.health.spooled > 0
    }
}

#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Something was erased, and has not left the files yet.
    pub owes_scrub: AtomicBool,
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

    /// Hands the writer a question and waits for its answer, [`ANSWER_TIMEOUT`] at most.
    pub fn answer(&self, url: &str, action: &'static str, command: Command) -> Result<bool, StoreError> {
        let busy = || StoreError::Busy {
            url: url.into(),
            action,
        };
        let (asker, answer) = crossbeam_channel::bounded(1);
        let has_given_up = Arc::new(AtomicBool::new(false));
        let asker = Asker {
            answer: asker,
            has_given_up: Arc::clone(&has_given_up),
        };
        if !self.ask(command, asker) {
            return Err(busy());
        }
        match answer.recv_timeout(ANSWER_TIMEOUT) {
            Ok(answer) => answer.map_err(|problem| StoreError::Failed {
                url: url.into(),
                action,
                problem: bounded(&problem),
            }),
            Err(_) => {
                has_given_up.store(true, Ordering::Release);
                // It may just have been done.
                match answer.try_recv() {
                    Ok(Ok(answer)) => Ok(answer),
                    _ => Err(busy()),
                }
            }
        }
    }

    /// False = too many wait already.
    fn ask(&self, command: Command, answer: Asker) -> bool {
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

    /// Whether the last attempt to write, or to ask, went well.
    pub fn is_writing(&self) -> bool {
        self.lock().health.is_writing
    }

    /// Records that lie on this machine's disk until the store takes them.
    pub fn spooled(&self, records: u64) {
        self.lock().health.spooled = records;
    }

    /// How it went with this machine's own disk. Says whether a fault is news.
    pub fn spool_went(&self, problem: Option<&str>) -> bool {
        let mut waiting = self.lock();
        let is_news = problem.is_some() && waiting.health.spool_problem.is_none();
        waiting.health.spool_problem = problem.map(bounded);
        is_news
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
        // While it cannot be written it is tried now and then, though nobody asks.
        while waiting.is_idle() && !waiting.is_closing && !waiting.is_restless() {
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
            commands: waiting
                .commands
                .drain(..)
                .filter(|(_, asker)| !asker.has_given_up())
                .collect(),
            is_last: waiting.is_closing,
        }
    }

    /// The batch is on disk: forgets what has not changed since.
    pub fn written(&self, records: &[Arc<CallRecord>], tokens: &[(String, Token)]) {
        self.put_away(records, tokens);
        let mut waiting = self.lock();
        waiting.health.is_writing = true;
        waiting.health.problem = None;
    }

    /// The batch is somewhere else than where it belongs, and safe there: forgets what has not changed since.
    pub fn put_away(&self, records: &[Arc<CallRecord>], tokens: &[(String, Token)]) {
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
    }

    /// The batch is not on disk: everything stays queued. Says whether this is news.
    pub fn failed(&self, problem: &str) -> bool {
        let mut waiting = self.lock();
        waiting.health.failures += 1;
        waiting.health.problem = Some(bounded(problem));
        let is_news = std::mem::replace(&mut waiting.health.is_writing, false);
        // The writer finds out when it is back, also when a reader was first to see that it is not there.
        self.arrived.notify_one();
        is_news
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

/// What of a write is more than is kept.
pub(super) fn too_much(write: &Write) -> Option<&'static str> {
    let octets = |(key, text): &(String, Option<String>)| key.len() + text.as_ref().map_or(0, String::len);
    match write {
        Write::Setting { value, .. } if value.len() > SETTING_MAX => Some("the value is longer than 64 KiB"),
        Write::Append { entry, .. } if entry.len() > ENTRY_MAX => Some("the entry is longer than 512 KiB"),
        Write::Seal { text, .. } if text.len() > ENTRY_MAX => Some("the text is longer than 512 KiB"),
        Write::Destroy { first, last, .. } if last.saturating_sub(*first) >= ERASED_AT_ONCE => {
            Some("more than 5,000 keys at once")
        }
        Write::Reshelve { changes, .. } if changes.iter().any(|change| octets(change) > DOCUMENT_MAX) => {
            Some("a document is longer than 16 KiB")
        }
        Write::Reshelve { changes, .. } if changes.len() > RESHELVE_MAX => {
            Some("more than 100,000 documents at once")
        }
        _ => None,
    }
}

/// A report lives in the row, so a queued record borrows it from there.
pub(super) fn newest(queued: &CallRecord, kept: Option<CallRecord>) -> CallRecord {
    match kept {
        Some(kept) if kept.revision > queued.revision || kept.erased_ms.is_some() => kept,
        Some(CallRecord {
            report: Some(report), ..
        }) => CallRecord {
            report: Some(report),
            ..queued.clone()
        },
        _ => queued.clone(),
    }
}
