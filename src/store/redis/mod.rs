//! The engine for several gateways: one Redis, one writer thread, a few readers, and a spool on this machine's own disk.
//!
//! While Redis is away nothing waits for it: records go to the spool and come into Redis in their order when it is back;
//! look-ups answer from what this gateway knows; what asks to be written and cannot be is told so.

mod address;
mod client;
mod erasing;
mod neighbours;
mod reply;
mod rows;
mod schema;
mod search;
mod spool;
mod writer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::after;

use super::histories::{Histories, Kept};
use super::inbox::{Command, Inbox, newest, too_much};
use super::limits::{FILE_LOOKED_AT, FILE_LOOKS, READERS, SCRUB_TRIES};
use super::seal::Index;
use super::tokens::{Tokens, Use};
use super::{
    Erase, Erased, Filter, Found, Health, KeptCall, Shelf, Store, StoreError, Write, bounded, number_of,
};
use crate::call::CallRecord;
use crate::call::record::PersonReport;
use crate::call_id::CallId;
use crate::screening::HistoryFacts;
use address::Address;
use client::Client;
use erasing::File;
pub use neighbours::{Ear, Mouth, Neighbours, News, Other};
use spool::Spool;
use writer::{Shown, Writer};

pub(super) struct Redis {
    address: Arc<Address>,
    /// By what numbers are known in Redis.
    index: Index,
    inbox: Arc<Inbox>,
    /// What this gateway's own calls brought: what it goes by while Redis is away.
    tokens: Mutex<Tokens>,
    histories: Histories,
    shown: Shown,
    readers: Vec<Mutex<Option<Client>>>,
    next_reader: AtomicUsize,
    writer: Option<JoinHandle<()>>,
    /// Beside a gateway of this name, which has the spool.
    is_helper: bool,
}

/// As which of the processes that may share a gateway's name this one comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    Gateway,
    Helper,
    Reader,
}

/// Whether this is a URL of ours.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn check(url: &str) -> Result<(), String> {
    Address::parse(url).map(|_| ())
}

/// Whether it is there and ready, or it is of no use to wait for it.
pub(super) fn is_there(url: &str) -> bool {
    Address::parse(url).map_or(true, |address| client::is_there(&address))
}

/// Asks the Redis there who it is: its version, and what about it may lose something.
///
/// # Errors
///
/// Why it cannot be used.
pub(super) fn look(url: &str) -> Result<(String, Vec<&'static str>), String> {
    rows::worries(&mut Client::connect(&Address::parse(url)?)?)
}

impl Redis {
    pub fn open(url: &str, as_what: As) -> Result<Redis, StoreError> {
        let address = Address::parse(url).map_err(|problem| StoreError::Unusable {
            // Whatever it is, it may hold a password.
            url: url.split(':').next().unwrap_or_default().into(),
            problem: bounded(&problem),
        })?;
        let unusable = |problem: String| StoreError::Unusable {
            url: address.shown.clone(),
            problem: bounded(&problem),
        };
        let mut client = Client::connect(&address).map_err(unusable)?;
        let index = schema::check(&mut client, as_what, &address.node).map_err(unusable)?;
        let mut spool = None;
        if as_what == As::Gateway {
            let (_, worries) = rows::worries(&mut client).map_err(unusable)?;
            for worry in worries {
                tracing::warn!(store = address.shown, worry, "Redis may lose what it is given");
            }
            spool = Some(Spool::open(&address.spool).map_err(unusable)?);
            if neighbours::is_taken(&mut client, &address.node).map_err(unusable)? {
                return Err(unusable(format!(
                    "another gateway runs as {} on this Redis: give this one a name of its own, ...?node=NAME (without it the machine's)",
                    address.node
                )));
            }
            let interrupted = rows::end_interrupted(&mut client, &address.node, &index).map_err(unusable)?;
            if interrupted > 0 {
                tracing::warn!(
                    store = address.shown,
                    calls = interrupted,
                    "calls were cut off when the gateway last stopped"
                );
            }
        }
        let inbox = Arc::new(Inbox::default());
        inbox.spooled(spool.as_ref().map_or(0, Spool::records));
        let (address, shown) = (Arc::new(address), Shown::default());
        let writer = Writer {
            address: address.clone(),
            channel: neighbours::channel(&address),
            voice: match as_what {
                As::Gateway => address.node.clone(),
                _ => format!("{}/command", address.node),
            },
            inbox: inbox.clone(),
            index: index.clone(),
            spool,
            shown: shown.clone(),
            client: Some(client),
        };
        let writer = match as_what {
            As::Reader => {
                inbox.close();
                None
            }
            _ => {
                let thread = std::thread::Builder::new().name("store-writer".into());
                let thread = thread.spawn(move || writer.run());
                Some(thread.map_err(|error| StoreError::Unusable {
                    url: address.shown.clone(),
                    problem: format!("no writer thread: {error}"),
                })?)
            }
        };
        Ok(Redis {
            address,
            index,
            inbox,
            tokens: Mutex::new(Tokens::new()),
            histories: Histories::default(),
            shown,
            readers: (0..READERS).map(|_| Mutex::default()).collect(),
            next_reader: AtomicUsize::new(0),
            writer,
            is_helper: as_what == As::Helper,
        })
    }

    /// Asks with a free connection; when all are busy, waits for the next in turn. One that broke since it was used last is
    /// made anew, once.
    fn read<T>(
        &self,
        action: &'static str,
        question: impl Fn(&mut Client) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        let free = (0..self.readers.len())
            .find_map(|step| self.readers[(turn + step) % self.readers.len()].try_lock().ok());
        let mut reader =
            free.unwrap_or_else(|| self.readers[turn].lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(client) = &mut *reader {
            match question(client) {
                Ok(answer) => return Ok(answer),
                Err(_) => *reader = None,
            }
        }
        let mut is_away = false;
        let mut ask_anew = || {
            let mut client = Client::connect(&self.address).inspect_err(|_| is_away = true)?;
            match question(&mut client) {
                Ok(answer) => {
                    *reader = Some(client);
                    Ok(answer)
                }
                Err(problem) => {
                    // What Redis refused, or answered wrong, does not say that it is away.
                    is_away = client.ask(&["PING"]).is_err() && Client::connect(&self.address).is_err();
                    Err(problem)
                }
            }
        };
        let asked = ask_anew();
        asked.map_err(|problem: String| {
            // The writer finds out when it is back.
            if is_away && self.writer.is_some() {
                self.inbox.failed(&problem);
            }
            self.failed(action, &problem)
        })
    }

    /// The same for a call that waits: Redis is not asked while it is known to be away.
    fn read_soon<T>(
        &self,
        action: &'static str,
        question: impl Fn(&mut Client) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        if self.inbox.is_writing() {
            self.read(action, question)
        } else {
            Err(self.failed(action, "it is away"))
        }
    }

    fn write(&self, action: &'static str, writes: Vec<Write>) -> Result<bool, StoreError> {
        if let Some(problem) = writes.iter().find_map(too_much) {
            return Err(self.failed(action, problem));
        }
        self.ask(action, Command::Write(writes))
    }

    fn ask(&self, action: &'static str, command: Command) -> Result<bool, StoreError> {
        self.inbox.answer(&self.address.shown, action, command)
    }

    /// What is on its way, and what was spooled last: the former is newer.
    fn unkept(&self, wanted: impl Fn(&CallRecord) -> bool) -> Vec<Arc<CallRecord>> {
        // In the order in which records move, so that none is missed: from the inbox to the spool.
        let mut found: BTreeMap<CallId, Arc<CallRecord>> = BTreeMap::new();
        for record in self.inbox.records(&wanted) {
            found.insert(record.id, record);
        }
        for record in self.spooled().values().filter(|record| wanted(record)) {
            let newer = found
                .get(&record.id)
                .is_some_and(|known| known.revision >= record.revision);
            if !newer {
                found.insert(record.id, record.clone());
            }
        }
        found.into_values().collect()
    }

    fn spooled(&self) -> std::sync::MutexGuard<'_, BTreeMap<CallId, Arc<CallRecord>>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(
        &self,
        how: Use,
        digest: &str,
        call: CallId,
        now_ms: u64,
        window_ms: u64,
    ) -> Result<bool, StoreError> {
        let is_reused_here = {
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.used(how, digest, call, now_ms, window_ms).0
        };
        let question = |on: &mut Client| rows::token(on, how, digest, call, (now_ms, window_ms));
        // What happened here is known here, whatever Redis has forgotten; while it is away nobody knows of the others.
        match is_reused_here {
            true => Ok(true),
            false => self.read_soon("asking about a token", question),
        }
    }

    /// Waits until Redis writes no file any more; gives whether this one is whole. None = it takes longer.
    fn await_file(&self, file: File) -> Result<Option<bool>, StoreError> {
        for _ in 0..FILE_LOOKS {
            let look = |on: &mut Client| erasing::is_written(on, file);
            if let Some(is_whole) = self.read("looking at Redis' files", look)? {
                return Ok(Some(is_whole));
            }
            std::thread::sleep(FILE_LOOKED_AT);
        }
        Ok(None)
    }

    fn failed(&self, action: &'static str, problem: &str) -> StoreError {
        StoreError::Failed {
            url: self.address.shown.clone(),
            action,
            problem: bounded(problem),
        }
    }
}

impl Store for Redis {
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
        let unkept = self.inbox.record(id);
        let unkept = unkept.or_else(|| self.spooled().get(&id).cloned());
        let kept = match (self.read("reading a call", |on| rows::call(on, id)), &unkept) {
            (Ok(None), _) => None,
            (Ok(Some(Ok(record))), _) => Some(record),
            (Ok(Some(Err(error))), _) => {
                self.inbox.count_unreadable();
                return Err(self.failed("reading a call", &error.to_string()));
            }
            (Err(_), Some(_)) => None,
            (Err(error), None) => return Err(error),
        };
        Ok(match (unkept, kept) {
            (Some(unkept), kept) => Some(newest(&unkept, kept)),
            (None, kept) => kept,
        })
    }

    fn search(&self, filter: &Filter, patience: Duration) -> Result<Found, StoreError> {
        // These first: a record on its way is then in one of the two answers, or in both.
        let unkept = self.unkept(|record| filter.admits(record));
        let is_over = after(patience);
        let look = |on: &mut Client| search::calls(on, &self.index, filter, &is_over);
        let (found, until) = match self.read("listing calls", look) {
            Ok(found) => found,
            // What this gateway knows is better than nothing; the status says that it is not all.
            Err(_) if !unkept.is_empty() => Default::default(),
            Err(error) => return Err(error),
        };
        let (looked_at, mut calls) = (found.len(), Vec::new());
        for kept in found {
            match kept {
                Ok(record) => calls.push(record),
                Err(error) => {
                    self.inbox.count_unreadable();
                    let store = &self.address.shown;
                    tracing::warn!(store, %error, "a kept call cannot be read back; skipped");
                }
            }
        }
        let found = Found { calls, until }.with_unread(looked_at, filter);
        Ok(found.beside(unkept, filter))
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
        if !self.inbox.is_writing()
            && let Some(facts) = self.histories.facts_of_old(number, now_ms, live)
        {
            return Ok(facts);
        }
        let reading = match self.histories.facts(number, now_ms, live) {
            Ok(facts) => return Ok(facts),
            Err(reading) => reading,
        };
        let unkept = self.unkept(|record| number_of(record) == Some(number));
        let mut calls = self.read_soon("looking up a caller", |on| {
            rows::calls_of(on, &self.index, number)
        })?;
        for record in &unkept {
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
        self.used(Use::Brought, digest, call, now_ms, window_ms)
    }

    fn token_answered(
        &self,
        digest: &str,
        call: CallId,
        now_ms: u64,
        window_ms: u64,
    ) -> Result<bool, StoreError> {
        self.used(Use::Answered, digest, call, now_ms, window_ms)
    }

    fn report(&self, id: CallId, report: PersonReport) -> Result<bool, StoreError> {
        // The record may still be queued: the writer puts it down before it looks for the call.
        let kept = self.ask("keeping a report", Command::Report { id, report });
        if !matches!(kept, Ok(false)) {
            // Also when the answer did not come in time: it may have been kept.
            self.histories.clear();
        }
        kept
    }

    fn erase(&self, whom: &Erase, at_ms: u64) -> Result<Erased, StoreError> {
        // The gateway's own writer minds that by itself.
        if self.is_helper && std::fs::metadata(&self.address.spool).is_ok_and(|spool| spool.len() > 0) {
            let problem = format!(
                "records wait in the spool {} of the gateway; try again when it is empty",
                self.address.spool.display()
            );
            return Err(self.failed("erasing calls", &problem));
        }
        let erased = super::erasing::erase(&self.inbox, &self.address.shown, whom, at_ms, || self.scrub());
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
        self.journal_of(&self.address.node, journal, after)
    }

    fn journal_of(
        &self,
        node: &str,
        journal: &'static str,
        after: u64,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        self.read("reading a journal", |on| rows::journal(on, node, journal, after))
    }

    fn sealed(
        &self,
        journal: &'static str,
        after: u64,
        last: u64,
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        self.sealed_of(&self.address.node, journal, after, last)
    }

    fn sealed_of(
        &self,
        node: &str,
        journal: &'static str,
        after: u64,
        last: u64,
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        self.read("reading what is sealed", |on| {
            rows::beside(on, node, journal, after, last)
        })
    }

    fn scrub(&self) -> Result<bool, StoreError> {
        self.inbox.owes_scrub.store(true, Ordering::SeqCst);
        for file in [File::AppendOnly, File::Snapshot] {
            let begin = |on: &mut Client| erasing::begin_anew(on, file);
            let mut is_begun = false;
            // One that is under way began before what was erased, and another gateway may begin one in between.
            for _ in 0..SCRUB_TRIES {
                is_begun = self.await_file(file)?.is_some()
                    && self.read("clearing what is erased from the files", begin)?;
                if is_begun {
                    break;
                }
            }
            if !is_begun || self.await_file(file)? != Some(true) {
                return Ok(false);
            }
        }
        self.inbox.owes_scrub.store(false, Ordering::SeqCst);
        Ok(true)
    }

    fn write_anew(&self) -> Result<bool, StoreError> {
        self.read("having Redis write its files anew", schema::clear_files)
    }

    fn owes_scrub(&self) -> bool {
        self.inbox.owes_scrub.load(Ordering::SeqCst)
    }

    fn setting_of(&self, node: &str, name: &str) -> Result<Option<String>, StoreError> {
        self.read("reading a setting", |on| rows::setting(on, node, name))
    }

    fn writers(&self) -> Result<Vec<String>, StoreError> {
        self.read("looking who writes", rows::writers)
    }

    fn shelf(&self, shelf: &'static str) -> Result<Shelf, StoreError> {
        self.read("reading a shelf", |on| rows::shelf(on, &self.address.node, shelf))
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
        self.setting_of(&self.address.node, name)
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

    fn neighbours(&self) -> Option<Neighbours> {
        Some(Neighbours::of(self.address.clone(), &self.index))
    }

    fn heard(&self, news: &News) {
        match news {
            News::Call(_, record) if record.timings.ended_ms.is_some() => self.histories.add(record),
            News::Changed(what) if what == "reports" => self.histories.clear(),
            // Whatever was said meanwhile was not heard.
            News::Missed => self.histories.clear(),
            _ => {}
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so on its own thread.
            let _ = writer.join();
        }
    }
}
