//! What is kept: one narrow contract and two engines, SQLite for one gateway and Redis for several. Also the registry of live calls.
//!
//! Knows records and how to find them again. Does not know SIP, policy, HTTP, or why a call was
//! decided as it was; it never reads a clock (times come in with the records and questions).

mod audit;
mod audit_carried;
mod audit_entry;
mod audit_numbers;
mod audit_verify;
mod erasing;
mod filter;
mod histories;
mod inbox;
mod known;
pub mod limits;
mod live;
mod redis;
mod seal;
mod sqlite;
mod text;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::call::CallRecord;
use crate::call::record::{Direction, Ending, PersonReport};
use crate::call_id::CallId;
use crate::screening::HistoryFacts;

pub use audit::{
    Act, Audit, entries as audit_entries, heads as audit_heads, kept_end as audit_end, page as audit_page,
    place as audit_place,
};
pub(crate) use audit::{HEAD as AUDIT_HEAD, JOURNAL as AUDIT};
pub use audit_entry::AuditEntry;
pub(crate) use audit_entry::has_word;
pub use audit_verify::{Broken, verify as verify_audit};
pub use erasing::{Erase, Erased};
pub use filter::{CallPlace, Filter, Found};
pub use known::{history_at_once, history_with_live};
pub use live::{Change, Changes, Live};
pub use redis::{Ear, Mouth, Neighbours, News, Other};
pub(crate) use seal::hexadecimal;

/// There is this setting while what was kept in clear, or was taken away, may still lie in the store's files; the next start has
/// them written anew.
pub(crate) const CLEAR_REMAINS: &str = "clear_remains";

/// `[store]`
#[derive(Clone, Debug)]
pub struct Config {
    /// `sqlite:PATH`, `sqlite::memory:` or `redis://HOST:PORT/DB` (see [`check_url`])
    pub url: String,
}

/// Names the store, the action and the cause. Bounded.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operator's fault: a wrong URL, path, permission, or a file that is not ours.
    #[error("store {url}: {problem}")]
    Unusable { url: String, problem: String },
    /// The disk's fault, or ours: reading or writing failed. The next try may work.
    #[error("store {url}: {action} failed: {problem}")]
    Failed {
        url: String,
        action: &'static str,
        problem: String,
    },
    /// More questions at once than the writer takes ([`limits::COMMANDS_MAX`]), or no answer in time.
    #[error("store {url}: busy, {action} was not done")]
    Busy { url: String, action: &'static str },
}

/// The contract. Every method but `save` may block for milliseconds: call from a thread that may wait.
pub trait Store: Send + Sync {
    /// Queues a record for the writer thread and returns at once; false = the bounded inbox is full (counted, alarmed).
    ///
    /// May be called again for the same call: the highest `revision` wins. Readers see a queued
    /// record at once, before it is on disk.
    fn save(&self, record: Arc<CallRecord>) -> bool;
    /// Waits until everything saved so far is on disk.
    fn flush(&self) -> Result<(), StoreError>;
    fn call(&self, id: CallId) -> Result<Option<CallRecord>, StoreError>;
    /// Newest first. Looks until the page is full or there are no more calls, however long that takes.
    fn calls(&self, filter: &Filter) -> Result<Vec<CallRecord>, StoreError> {
        self.search(filter, Duration::MAX).map(|found| found.calls)
    }
    /// The same for about as long as this: then it gives what it has found so far, and how far it has looked. At least
    /// [`limits::LOOKED_ROWS`] calls are looked at all the same, so that whoever goes on from there comes to the end.
    fn search(&self, filter: &Filter, patience: Duration) -> Result<Found, StoreError>;
    /// What is known of a canonical number. Counts look at its newest [`limits::HISTORY_ROWS_MAX`] calls.
    fn history(&self, number: &str, now_ms: u64) -> Result<HistoryFacts, StoreError>;
    /// The same with calls of that number which are still live; one that is kept already counts once.
    fn history_beside(
        &self,
        number: &str,
        now_ms: u64,
        live: &[Arc<CallRecord>],
    ) -> Result<HistoryFacts, StoreError> {
        let mut facts = self.history(number, now_ms)?;
        for record in live {
            if self.call(record.id)?.is_none() {
                known::add(&mut facts, record.started_ms, was_answered(record), now_ms);
            }
        }
        Ok(facts)
    }
    /// The same, if it is known without waiting for a disk or for another thread; None = ask.
    fn history_at_once(
        &self,
        _number: &str,
        _now_ms: u64,
        _live: &[Arc<CallRecord>],
    ) -> Option<HistoryFacts> {
        None
    }
    /// Remembers that `call` brought the PASSporT with this digest; true = it is a reuse: another call was answered
    /// with it, and it was used less than `window_ms` ago.
    ///
    /// A retransmission and a fork are the same call. A further call while nobody has answered is a carrier's next
    /// route and no reuse, up to [`limits::TOKEN_CALLS_MAX`] calls. Asking again for one call gives the same answer,
    /// unless another call was answered in between.
    fn token_seen(&self, digest: &str, call: CallId, now_ms: u64, window_ms: u64)
    -> Result<bool, StoreError>;
    /// Remembers that `call`, which brought this PASSporT, was answered; true = another call was answered with it
    /// before, less than `window_ms` after its last use.
    ///
    /// Atomic: of several calls answered at once with one digest, exactly one is told false.
    fn token_answered(
        &self,
        digest: &str,
        call: CallId,
        now_ms: u64,
        window_ms: u64,
    ) -> Result<bool, StoreError>;
    /// What the person said about a call. False = no such call. The newest report replaces the one before.
    fn report(&self, id: CallId, report: PersonReport) -> Result<bool, StoreError>;
    /// Erases what these calls say of people, by destroying the keys to it; what stays is [`CallRecord::erased`]. Calls
    /// that are not over are left. May take as long as there are calls; asked again, it goes on where it ended.
    fn erase(&self, whom: &Erase, at_ms: u64) -> Result<Erased, StoreError>;
    /// Adds an entry to a journal, whose entries are numbered from 1 and never change. True = it is on disk under this
    /// number; false = the journal's next number is another one: somebody else was first.
    fn append(&self, journal: &'static str, number: u64, entry: &str) -> Result<bool, StoreError>;
    /// Entries of a journal after this number (0 = from the first), in their order; at most
    /// [`limits::JOURNAL_ROWS`] at once.
    fn journal(&self, journal: &'static str, after: u64) -> Result<Vec<(u64, String)>, StoreError>;
    /// What was sealed beside entries of a journal after this number up to that one, by their numbers. What is left out was never
    /// sealed, or its key is destroyed. At most [`limits::JOURNAL_ROWS`] entries at once.
    fn sealed(
        &self,
        journal: &'static str,
        after: u64,
        last: u64,
    ) -> Result<BTreeMap<u64, String>, StoreError>;
    /// Has what was destroyed leave the store's files as well. False = not yet: somebody reads them, or Redis still writes its own.
    fn scrub(&self) -> Result<bool, StoreError>;
    /// The last [`Store::scrub`] of this process came to no end.
    fn owes_scrub(&self) -> bool;
    /// Has the store's files written anew where what was kept in clear, or was taken away, may still lie in them, and that could not be done
    /// before. False = not yet: there is no room, somebody reads them, or they are too large for it while calls are kept. Blocks the writer for as long as it takes.
    fn write_anew(&self) -> Result<bool, StoreError>;
    /// Small documents that are looked at all together, as they stand on disk.
    fn shelf(&self, shelf: &'static str) -> Result<Shelf, StoreError>;
    /// Puts documents on a shelf and takes others away (`None`), all of it or nothing. True = it is on disk, and the
    /// shelf's revision is now this one; false = this is not the revision after its last: somebody else was first.
    fn reshelve(
        &self,
        shelf: &'static str,
        revision: u64,
        changes: Vec<(String, Option<String>)>,
    ) -> Result<bool, StoreError>;
    /// Several writes, all of them or none. True = they are on disk; false = a number or a revision was not the next
    /// one: somebody else was first, and nothing is changed.
    fn together(&self, writes: Vec<Write>) -> Result<bool, StoreError>;
    /// Kept calls as they stand on disk, as JSON, newest first, after the one named; at most
    /// [`limits::PAGE_ROWS`] at once. For what looks at all of them: a long look blocks no writer.
    fn page(&self, after: Option<(u64, CallId)>) -> Result<Vec<KeptCall>, StoreError>;
    /// A small named value (token hash, schema facts).
    fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;
    fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError>;
    /// A journal as another gateway on the same store has it. What belongs to one gateway (the audit, who is signed in) is
    /// another journal, shelf or setting at each; where there is one gateway, names make no difference.
    fn journal_of(
        &self,
        _node: &str,
        journal: &'static str,
        after: u64,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        self.journal(journal, after)
    }
    /// The same for what is sealed beside it.
    fn sealed_of(
        &self,
        _node: &str,
        journal: &'static str,
        after: u64,
        last: u64,
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        self.sealed(journal, after, last)
    }
    /// The same for a setting.
    fn setting_of(&self, _node: &str, name: &str) -> Result<Option<String>, StoreError> {
        self.setting(name)
    }
    /// The names of all gateways that have written an audit here; none where there can be only one.
    fn writers(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
    /// The way to other gateways on the same store; None = there are none.
    fn neighbours(&self) -> Option<Neighbours> {
        None
    }
    /// Takes note of what another gateway said, as far as it changes what is remembered of the store.
    fn heard(&self, _news: &News) {}
    /// How writing goes: for `/readyz`, `/status` and metrics.
    fn health(&self) -> Health {
        Health::default()
    }
}

/// One of several writes that are made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Setting {
        name: String,
        value: String,
    },
    /// As [`Store::append`].
    Append {
        journal: &'static str,
        number: u64,
        entry: String,
    },
    /// Keeps a text beside an entry of a journal, sealed under a key of its own.
    Seal {
        journal: &'static str,
        number: u64,
        text: String,
    },
    /// Destroys the keys to what is sealed beside these entries, the last one with them; at most [`limits::ERASED_AT_ONCE`].
    Destroy {
        journal: &'static str,
        first: u64,
        last: u64,
    },
    /// As [`Store::reshelve`].
    Reshelve {
        shelf: &'static str,
        revision: u64,
        changes: Vec<(String, Option<String>)>,
    },
}

/// A shelf and its documents at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Counts changes; 0 = nothing was ever put there.
    pub revision: u64,
    /// Key and text, in the order of the keys.
    pub documents: Vec<(String, String)>,
}

/// A kept call, unread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCall {
    pub started_ms: u64,
    pub id: CallId,
    /// A [`CallRecord`] as JSON, without what the person said about it.
    pub record: String,
}

/// How the writer is doing. Counters count since the store was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// False = the last attempt to write failed; records are held and tried again.
    pub is_writing: bool,
    /// Records waiting for the writer.
    pub queued: usize,
    /// Records on this machine's own disk, to be kept when the store is back.
    pub spooled: u64,
    /// Records that will never be kept: the inbox was full, or the store was closed while it could not write.
    pub lost: u64,
    /// Writes that failed (each is tried again).
    pub failures: u64,
    /// PASSporT digests forgotten early because the table was full.
    pub tokens_forgotten: u64,
    /// Kept rows that could not be read back, skipped in lists.
    pub unreadable: u64,
    /// The last failure, in the engine's words; None = none since the last success.
    pub problem: Option<String>,
    /// What is wrong with this machine's own disk, where records lie while the store is away; None = nothing.
    pub spool_problem: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            is_writing: true,
            queued: 0,
            spooled: 0,
            lost: 0,
            failures: 0,
            tokens_forgotten: 0,
            unreadable: 0,
            problem: None,
            spool_problem: None,
        }
    }
}

/// Whether a URL names an engine, and what is wrong with it if not.
///
/// # Errors
///
/// In words, for people; without a password that is in it.
pub fn check_url(url: &str) -> Result<(), String> {
    match url.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => Ok(()),
        Some(("redis" | "rediss", _)) => redis::check(url),
        _ => Err("expected sqlite:PATH, sqlite::memory: or redis://HOST:PORT/DB".into()),
    }
}

/// Asks a Redis who it is: its version, and what about it may lose what it is given. None = the URL names none.
///
/// # Errors
///
/// Why it cannot be used. Blocks for seconds at most.
pub fn look_at(config: &Config) -> Option<Result<(String, Vec<&'static str>), String>> {
    is_redis(config).then(|| redis::look(&config.url))
}

/// Waits for a Redis that is away, or still loads what it had written; a gateway needs it to begin: what it refuses and who may sign in is
/// there. Gives up after [`limits::REDIS_AWAITED_TRIES`], and then [`open`] says what is wrong. `told` hears of each try that failed, with
/// how many are left.
pub fn await_redis(config: &Config, told: impl Fn(u32)) {
    if !is_redis(config) {
        return;
    }
    for left in (0..limits::REDIS_AWAITED_TRIES).rev() {
        if redis::is_there(&config.url) {
            return;
        }
        told(left);
        std::thread::sleep(limits::REDIS_AWAITED_REST);
    }
}

/// Opens the engine named by the URL and migrates its schema.
///
/// # Errors
///
/// [`StoreError::Unusable`] names the URL and what is wrong: scheme, missing folder, permission, a
/// file that is no database or belongs to something else, a newer schema than this binary knows, a Redis that is not there.
pub fn open(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    if is_redis(config) {
        return Ok(Arc::new(redis::Redis::open(&config.url, redis::As::Gateway)?));
    }
    Ok(Arc::new(sqlite::Sqlite::open(&config.url, file(config)?)?))
}

/// Opens the engine to look only: a gateway may have it open at the same time, and notices nothing. What would write
/// fails.
///
/// # Errors
///
/// As [`open`]; also when there is no such store.
pub fn open_to_read(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    if is_redis(config) {
        return Ok(Arc::new(redis::Redis::open(&config.url, redis::As::Reader)?));
    }
    Ok(Arc::new(sqlite::Sqlite::open_to_read(
        &config.url,
        file(config)?,
    )?))
}

/// Opens the engine to read and write beside a gateway that has it open: what looks interrupted is left alone. Where there
/// is no store yet, it is made.
///
/// # Errors
///
/// As [`open`]; also when the schema is not the one this binary knows, because another may be using it.
pub fn open_beside(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    if is_redis(config) {
        return Ok(Arc::new(redis::Redis::open(&config.url, redis::As::Helper)?));
    }
    let place = file(config)?;
    if std::path::Path::new(place).is_file() {
        return Ok(Arc::new(sqlite::Sqlite::open_beside(&config.url, place)?));
    }
    open(config)
}

fn is_redis(config: &Config) -> bool {
    matches!(config.url.split_once(':'), Some(("redis" | "rediss", _)))
}

fn file(config: &Config) -> Result<&str, StoreError> {
    config
        .url
        .strip_prefix("sqlite:")
        .ok_or_else(|| StoreError::Unusable {
            url: bounded(&config.url),
            problem: "there are sqlite:PATH, sqlite::memory: and redis://HOST:PORT/DB".into(),
        })
}

/// Writes a copy of the store to a file that does not exist yet, as the store is at one moment, while a gateway uses it.
///
/// # Errors
///
/// [`StoreError::Unusable`] says why there is none: no such store, no room, damage.
pub fn backup(config: &Config, target: &std::path::Path) -> Result<(), StoreError> {
    let place = file_of(config)?;
    sqlite::copy(place, target).map_err(|problem| unusable(config, &problem))
}

/// Puts such a copy in the place of the store, which nobody may have open. What was there stays beside it: gives where.
///
/// # Errors
///
/// [`StoreError::Unusable`] says why it was not done; what was there is there still.
pub fn restore(config: &Config, from: &std::path::Path) -> Result<Option<std::path::PathBuf>, StoreError> {
    let place = file_of(config)?;
    sqlite::restore(from, place).map_err(|problem| unusable(config, &problem))
}

fn file_of(config: &Config) -> Result<&str, StoreError> {
    if is_redis(config) {
        return Err(StoreError::Unusable {
            url: "redis".into(),
            problem: "only sqlite:PATH has a file; Redis is copied and put back with its own tools".into(),
        });
    }
    let place = config.url.strip_prefix("sqlite:");
    place
        .filter(|place| *place != ":memory:" && !place.is_empty())
        .ok_or_else(|| unusable(config, "only sqlite:PATH has a file"))
}

fn unusable(config: &Config, problem: &str) -> StoreError {
    StoreError::Unusable {
        url: bounded(&config.url),
        problem: bounded(problem),
    }
}

/// The label the person was shown last, by its name in records.
pub(crate) fn label_of(record: &CallRecord) -> Option<&'static str> {
    record.banner.as_ref().map(|banner| banner.label.name())
}

pub(crate) fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "completed",
        Ending::Cancelled => "cancelled",
        Ending::NoAnswer => "no_answer",
        Ending::Refused => "refused",
        Ending::Failed => "failed",
    }
}

/// Whose call it was, as far as numbers are remembered: of a training call nobody's.
pub(crate) fn number_of(record: &CallRecord) -> Option<&str> {
    match record.direction {
        _ if record.drill => None,
        Direction::Inbound => record.caller.as_ref().map(|number| number.reveal().as_str()),
        // Whom we called is known when he calls back.
        Direction::Outbound => Some(record.called.reveal().as_str()).filter(|number| number.starts_with('+')),
    }
}

/// Answered by a person: someone picked up.
pub(crate) fn was_answered(record: &CallRecord) -> bool {
    record.timings.answered_ms.is_some()
}

/// Error texts carry at most [`limits::PROBLEM_CHARS`] characters of what others wrote.
pub(crate) fn bounded(text: &str) -> String {
    text.chars().take(limits::PROBLEM_CHARS).collect()
}
