//! The embedded engine: one SQLite file (or memory), one writer thread, a few readers.
//!
//! WAL, so that readers never wait for the writer. `synchronous = FULL`, because a call record is
//! evidence: after a commit it survives a power cut. Group commit keeps that at 5 fsyncs a second
//! at most whatever the call rate, and no call ever waits for one.

mod copy;
mod opening;
mod room;
mod rows;
mod schema;
mod search;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::after;
use rusqlite::Connection;

use super::erasing;
use super::histories::{Histories, Kept};
use super::inbox::{Command, Inbox, newest, too_much};
use super::limits::READERS;
use super::seal::Index;
use super::tokens::{Tokens, Use};
use super::{
    CLEAR_REMAINS, Erase, Erased, Filter, Found, Health, KeptCall, Shelf, Store, StoreError, Write, bounded,
    number_of,
};
use crate::call::CallRecord;
use crate::call::record::PersonReport;
use crate::call_id::CallId;
use crate::screening::HistoryFacts;
pub(super) use copy::{copy, restore};
use opening::{Whose, check_path, check_schema, connect, keep_private, prepare};

pub(super) struct Sqlite {
    url: String,
    /// By what numbers are known in the file.
    index: Index,
    inbox: Arc<Inbox>,
    tokens: Mutex<Tokens>,
    histories: Histories,
    /// In memory there is only the writer's own connection.
    readers: Vec<Arc<Mutex<Connection>>>,
    /// What is known of a caller is read here where the others are busy: a search may take seconds, and a caller does not wait for it.
    callers: Option<Mutex<Connection>>,
    next_reader: AtomicUsize,
    writer: Option<JoinHandle<()>>,
}

impl Sqlite {
    /// `place` is a path, or `:memory:`.
    pub fn open(url: &str, place: &str) -> Result<Sqlite, StoreError> {
        Sqlite::open_as(url, place, Whose::Ours)
    }

    /// A file that a gateway may have open.
    pub fn open_beside(url: &str, place: &str) -> Result<Sqlite, StoreError> {
        let unusable = |problem: String| StoreError::Unusable {
            url: bounded(url),
            problem: bounded(&problem),
        };
        check_schema(&connect(place, false, false).map_err(|e| unusable(e.to_string()))?)
            .map_err(unusable)?;
        Sqlite::open_as(url, place, Whose::Another)
    }

    fn open_as(url: &str, place: &str, whose: Whose) -> Result<Sqlite, StoreError> {
        let unusable = |problem: String| StoreError::Unusable {
            url: bounded(url),
            problem: bounded(&problem),
        };
        let is_memory = place == ":memory:";
        if !is_memory {
            check_path(place).map_err(unusable)?;
        }
        if !is_memory {
            keep_private(url, Path::new(place)).map_err(|e| unusable(e.to_string()))?;
        }
        let first = connect(place, is_memory, true).map_err(|e| unusable(e.to_string()))?;
        let (first, index, interrupted) = prepare(first, is_memory, whose).map_err(unusable)?;
        if interrupted > 0 {
            tracing::warn!(
                store = url,
                calls = interrupted,
                "calls were cut off when the gateway last stopped"
            );
        }
        let mut tokens = Tokens::new();
        let known = match whose {
            Whose::Ours => rows::tokens(&first),
            Whose::Another => Ok(Vec::new()),
        };
        for (digest, token) in known.map_err(|e| unusable(e.to_string()))? {
            tokens.restore(digest, token);
        }
        let first = Arc::new(Mutex::new(first));
        let readers = if is_memory {
            vec![Arc::clone(&first)]
        } else {
            (0..READERS)
                .map(|_| connect(place, false, false).map(|reader| Arc::new(Mutex::new(reader))))
                .collect::<Result<_, _>>()
                .map_err(|e| unusable(e.to_string()))?
        };
        let callers = if is_memory {
            None
        } else {
            let reader = connect(place, false, false).map_err(|e| unusable(e.to_string()))?;
            Some(Mutex::new(reader))
        };
        let inbox = Arc::new(Inbox::default());
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn({
                let (url, inbox, index) = (bounded(url), Arc::clone(&inbox), index.clone());
                move || writer::run(&url, &inbox, &index, &first)
            })
            .map_err(|e| unusable(format!("no writer thread: {e}")))?;
        Ok(Sqlite {
            url: bounded(url),
            index,
            inbox,
            tokens: Mutex::new(tokens),
            histories: Histories::default(),
            readers,
            callers,
            next_reader: AtomicUsize::new(0),
            writer: Some(writer),
        })
    }

    /// Readers and no writer: nothing is migrated, and nothing can be asked to be written.
    pub fn open_to_read(url: &str, place: &str) -> Result<Sqlite, StoreError> {
        let unusable = |problem: String| StoreError::Unusable {
            url: bounded(url),
            problem: bounded(&problem),
        };
        if !Path::new(place).is_file() {
            return Err(unusable("there is no such file".into()));
        }
        let reader = connect(place, false, false).map_err(|e| unusable(e.to_string()))?;
        check_schema(&reader).map_err(unusable)?;
        let index = schema::index(&reader).map_err(|e| unusable(e.to_string()))?;
        let inbox = Arc::new(Inbox::default());
        inbox.close();
        Ok(Sqlite {
            url: bounded(url),
            index,
            inbox,
            tokens: Mutex::new(Tokens::new()),
            histories: Histories::default(),
            readers: vec![Arc::new(Mutex::new(reader))],
            callers: None,
            next_reader: AtomicUsize::new(0),
            writer: None,
        })
    }

    /// Asks with a free reader; when all are busy, waits for the next in turn.
    fn read<T>(
        &self,
        action: &'static str,
        question: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let turn = self.turn();
        let reader = self
            .free(turn)
            .unwrap_or_else(|| self.readers[turn].lock().unwrap_or_else(PoisonError::into_inner));
        question(&reader).map_err(|error| self.failed(action, &error.to_string()))
    }

    /// The same for what a call waits for: when all are busy, there is one that nobody else has.
    fn read_soon<T>(
        &self,
        action: &'static str,
        question: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let turn = self.turn();
        let last = self.callers.as_ref().unwrap_or(&*self.readers[turn]);
        let reader = self
            .free(turn)
            .unwrap_or_else(|| last.lock().unwrap_or_else(PoisonError::into_inner));
        question(&reader).map_err(|error| self.failed(action, &error.to_string()))
    }

    fn turn(&self) -> usize {
        self.next_reader.fetch_add(1, Ordering::Relaxed) % self.readers.len()
    }

    fn free(&self, turn: usize) -> Option<MutexGuard<'_, Connection>> {
        let mut readers = self.readers[turn..].iter().chain(&self.readers[..turn]);
        readers.find_map(|reader| reader.try_lock().ok())
    }

    fn ask(&self, action: &'static str, command: Command) -> Result<bool, StoreError> {
        self.inbox.answer(&self.url, action, command)
    }

    fn write(&self, action: &'static str, writes: Vec<Write>) -> Result<bool, StoreError> {
        if let Some(problem) = writes.iter().find_map(too_much) {
            return Err(self.failed(action, problem));
        }
        self.ask(action, Command::Write(writes))
    }

    fn used(&self, how: Use, digest: &str, call: CallId, now_ms: u64, window_ms: u64) -> bool {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_reused, digest, token) = tokens.used(how, digest, call, now_ms, window_ms);
        // Under the same lock, so that rows reach the writer in the order they changed.
        self.inbox.remember(digest, token, now_ms);
        is_reused
    }

    fn failed(&self, action: &'static str, problem: &str) -> StoreError {
        StoreError::Failed {
            url: self.url.clone(),
            action,
            problem: bounded(problem),
        }
    }
}

impl Store for Sqlite {
    fn save(&self, record: Arc<CallRecord>) -> bool {
        let is_taken = self.inbox.save(Arc::clone(&record));
        // After the inbox: whoever reads a number's rows meanwhile finds the record in one of the two.
        if is_taken {
            self.histories.add(&record);
        }
        is_taken
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.ask("flush", Command::Flush).map(|_| ())
    }

    fn call(&self, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let queued = self.inbox.record(id);
        let kept = match self.read("reading a call", |on| rows::call(on, id))? {
            None => None,
            Some(Ok(record)) => Some(record),
            Some(Err(error)) => {
                self.inbox.count_unreadable();
                return Err(self.failed("reading a call", &error.to_string()));
            }
        };
        Ok(match (queued, kept) {
            (Some(queued), kept) => Some(newest(&queued, kept)),
            (None, kept) => kept,
        })
    }

    fn search(&self, filter: &Filter, patience: Duration) -> Result<Found, StoreError> {
        // The inbox first: a record on its way to disk is then in one of the two answers, or in both.
        let queued = self.inbox.records(|record| filter.admits(record));
        let is_over = after(patience);
        let (kept, until) = self.read("listing calls", |on| {
            search::calls(on, &self.index, filter, &is_over)
        })?;
        let (looked_at, mut calls) = (kept.len(), Vec::new());
        for kept in kept {
            match kept {
                Ok(record) => calls.push(record),
                Err(error) => {
                    self.inbox.count_unreadable();
                    tracing::warn!(store = self.url, %error, "a kept call cannot be read back; skipped");
                }
            }
        }
        let found = Found { calls, until }.with_unread(looked_at, filter);
        Ok(found.beside(queued, filter))
    }

    fn history(&self, number: &str, now_ms: u64) -> Result<HistoryFacts, StoreError> {
        self.history_beside(number, now_ms, &[])
    }

    fn history_beside(
        &self,
        number: &str,
        now_ms: u64,
        live: &[Arc<CallRecord>],
    ) -> Result<HistoryFacts, StoreError> {
        let reading = match self.histories.facts(number, now_ms, live) {
            Ok(facts) => return Ok(facts),
            Err(reading) => reading,
        };
        let queued = self.inbox.records(|record| number_of(record) == Some(number));
        let mut calls = self.read_soon("looking up a caller", |on| {
            rows::calls_of(on, &self.index, number)
        })?;
        for record in &queued {
            calls.add(Kept::of(record));
        }
        Ok(self.histories.read(number, &reading, calls, now_ms, live))
    }

    fn history_at_once(&self, number: &str, now_ms: u64, live: &[Arc<CallRecord>]) -> Option<HistoryFacts> {
        self.histories.facts_at_once(number, now_ms, live)
    }

    fn token_seen(
        &self,
        digest: &str,
        call: CallId,
        now_ms: u64,
        window_ms: u64,
    ) -> Result<bool, StoreError> {
        Ok(self.used(Use::Brought, digest, call, now_ms, window_ms))
    }

    fn token_answered(
        &self,
        digest: &str,
        call: CallId,
        now_ms: u64,
        window_ms: u64,
    ) -> Result<bool, StoreError> {
        Ok(self.used(Use::Answered, digest, call, now_ms, window_ms))
    }

    fn report(&self, id: CallId, report: PersonReport) -> Result<bool, StoreError> {
        // The record may still be queued: the writer puts it down before it looks for the row.
        let kept = self.ask("keeping a report", Command::Report { id, report });
        if !matches!(kept, Ok(false)) {
            // Also when the answer did not come in time: it may have been kept.
            self.histories.clear();
        }
        kept
    }

    fn erase(&self, whom: &Erase, at_ms: u64) -> Result<Erased, StoreError> {
        let erased = erasing::erase(&self.inbox, &self.url, whom, at_ms, || self.scrub());
        // Also when it was interrupted: some of it may be done.
        self.histories.clear();
        erased
    }

    fn append(&self, journal: &'static str, number: u64, entry: &str) -> Result<bool, StoreError> {
        self.write(
            "adding to a journal",
            vec![Write::Append {
                journal,
                number,
                entry: entry.into(),
            }],
        )
    }

    fn journal(&self, journal: &'static str, after: u64) -> Result<Vec<(u64, String)>, StoreError> {
        self.read("reading a journal", |on| rows::journal(on, journal, after))
    }

    fn sealed(
        &self,
        journal: &'static str,
        after: u64,
        last: u64,
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        self.read("reading what is sealed", |on| {
            rows::beside(on, journal, after, last)
        })
    }

    fn scrub(&self) -> Result<bool, StoreError> {
        erasing::scrub(&self.inbox, &self.url)
    }

    fn owes_scrub(&self) -> bool {
        self.inbox.owes_scrub.load(Ordering::SeqCst)
    }

    fn write_anew(&self) -> Result<bool, StoreError> {
        let is_owed = self.setting(CLEAR_REMAINS)?.is_some();
        Ok(!is_owed || self.ask("writing the file anew", Command::Anew)?)
    }

    fn shelf(&self, shelf: &'static str) -> Result<Shelf, StoreError> {
        self.read("reading a shelf", |on| rows::shelf(on, shelf))
    }

    fn reshelve(
        &self,
        shelf: &'static str,
        revision: u64,
        changes: Vec<(String, Option<String>)>,
    ) -> Result<bool, StoreError> {
        self.write(
            "changing a shelf",
            vec![Write::Reshelve {
                shelf,
                revision,
                changes,
            }],
        )
    }

    fn together(&self, writes: Vec<Write>) -> Result<bool, StoreError> {
        self.write("writing several things", writes)
    }

    fn page(&self, after: Option<(u64, CallId)>) -> Result<Vec<KeptCall>, StoreError> {
        self.read("reading kept calls", |on| rows::page(on, after))
    }

    fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read("reading a setting", |on| rows::setting(on, name))
    }

    fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let write = Write::Setting {
            name: name.into(),
            value: value.into(),
        };
        self.write("keeping a setting", vec![write]).map(|_| ())
    }

    fn health(&self) -> Health {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Health {
            tokens_forgotten: tokens.forgotten(),
            ..self.inbox.health()
        }
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so on its own thread.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_is_known_of_a_caller_waits_for_no_search() {
        let folder = std::env::temp_dir().join(format!("ringward-callers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = folder.join("calls.db").display().to_string();
        let store = Sqlite::open("sqlite", &place).unwrap();
        let searches: Vec<_> = store
            .readers
            .iter()
            .map(|reader| reader.lock().unwrap())
            .collect();
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| tell.send(store.history("+14045550123", 1)).unwrap());
            let facts = told.recv_timeout(Duration::from_secs(20));
            // Before anything is judged: the other thread may wait for them.
            drop(searches);
            assert!(facts.expect("no search is waited for").is_ok());
        });
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
