//! What stands where in Redis, and what is asked of it.
//!
//! Everything begins with `ringward:`. Records lie sealed in the stream `sealed`, and the keys to them in the hash `keys`; the
//! hash `call:ID` says which entry is the call's newest, and holds what the indexes are made of; `named` are the calls that are
//! not erased. An index is a sorted set of `START:ID`, all with the same score: their order
//! is that of their text, which is that of their start. That of a number (by its digest) also says what its history counts. Journals are
//! streams whose entries have their numbers; what is sealed beside them lies in the hash `beside:JOURNAL`, and its keys in
//! `beside_keys:JOURNAL`. Shelves are hashes with a revision beside them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::{Client, Script};
use super::reply::{Commands, Reply};
use crate::call::CallRecord;
use crate::call::record::PersonReport;
use crate::call_id::CallId;
use crate::store::histories::{Calls, Kept, Verdict};
use crate::store::limits::{FETCH_ROWS, HISTORY_ROWS_MAX, JOURNAL_ROWS, PAGE_ROWS, TOKEN_CALLS_MAX};
use crate::store::seal::{self, Index, Part};
use crate::store::text::Unreadable;
use crate::store::tokens::{self, Use};
use crate::store::{self, KeptCall, Shelf, Write, ending_name, label_of, number_of, text, was_answered};

pub(super) const PREFIX: &str = "ringward:";

/// What each gateway has for itself: its chain of audit entries, who is signed in at it, whom a lockdown has signed out there, its alarms, the
/// recordings it remembers, and what its calls to the outside cost.
const OWN: [&str; 10] = [
    "audit",
    "audit_head",
    "audit_carried",
    "audit_term",
    "sessions",
    "webhooks",
    "lockdown_applied",
    "alarms",
    "recordings",
    "spent",
];

/// And the shelves whose names begin so: landmarks of its recordings.
const OWN_PREFIX: &str = "landmarks-";

/// In Redis, `ringward:` and this.
pub(super) fn name_at(node: &str, name: &str) -> String {
    if OWN.contains(&name) || name.starts_with(OWN_PREFIX) {
        format!("{name}@{node}")
    } else {
        name.into()
    }
}

pub(super) fn key(rest: &str) -> String {
    format!("{PREFIX}{rest}")
}

/// Orders calls as their text is ordered.
pub(super) fn place(started_ms: u64, id: CallId) -> String {
    format!("{started_ms:020}:{id}")
}

pub(super) fn place_of(text: &str) -> Option<(u64, CallId)> {
    let mut parts = text.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A sealed text is base64, and a clear one JSON.
pub(super) fn is_clear(text: &str) -> bool {
    text.starts_with('{')
}

/// Adds what keeps a record.
fn put_call(
    commands: &mut Commands,
    script: &str,
    node: &str,
    index: &Index,
    record: &CallRecord,
) -> Result<(), String> {
    let id = record.id.to_string();
    let (sealed, record_key) = seal(Part::Record, &id, text::of_record(record))?;
    let report = record.report.as_ref();
    let (said, report_key) = match report {
        Some(report) => seal(Part::Report, &id, json(report))?,
        None => Default::default(),
    };
    let ending = record.outcome.as_ref().map(|outcome| ending_name(outcome.ending));
    commands.add(&[
        "EVALSHA",
        script,
        "0",
        PREFIX,
        node,
        &id,
        &format!("{:020}", record.started_ms),
        &record.revision.to_string(),
        &number_of(record).map_or_else(String::new, |number| index.of(number)),
        label_of(record).unwrap_or_default(),
        record.queue.as_deref().unwrap_or_default(),
        ending.unwrap_or_default(),
        if was_answered(record) { "a" } else { "" },
        report.map_or("", |report| report.verdict.as_str()),
        &said,
        &sealed,
        &record_key,
        &report_key,
    ]);
    Ok(())
}

/// A sealed text and its key, as Redis keeps them.
pub(super) fn seal(part: Part, call: &str, text: String) -> Result<(String, String), String> {
    let sealed = seal::seal(part, call, text).map_err(|error| error.to_string())?;
    Ok((STANDARD.encode(sealed.octets), STANDARD.encode(sealed.key)))
}

/// Keeps records, in their order.
pub(super) fn put_calls<'a>(
    on: &mut Client,
    node: &str,
    index: &Index,
    records: impl Iterator<Item = &'a CallRecord>,
) -> Result<(), String> {
    let script = on.name(Script::PutCall).to_string();
    let mut commands = Commands::default();
    for record in records {
        put_call(&mut commands, &script, node, index, record)?;
    }
    on.all(&commands).map(|_| ())
}

/// False = no such call, or it was erased.
pub(super) fn put_report(
    on: &mut Client,
    (channel, voice): (&str, &str),
    id: CallId,
    report: &PersonReport,
) -> Result<bool, String> {
    let id = id.to_string();
    let (said, key) = seal(Part::Report, &id, json(report))?;
    let reply = on.run(
        Script::Report,
        &[PREFIX, channel, voice, &id, &report.verdict, &said, &key],
    )?;
    Ok(reply.number() == Some(1))
}

/// False = one of them was not the next one; none is made then.
pub(super) fn write_all(
    on: &mut Client,
    (channel, voice): (&str, &str),
    node: &str,
    writes: &[Write],
) -> Result<bool, String> {
    let mut words: Vec<String> = [PREFIX, channel, voice].map(String::from).into();
    for write in writes {
        match write {
            Write::Setting { name, value } => {
                words.extend(["S".into(), name_at(node, name), value.clone()]);
            }
            Write::Append {
                journal,
                number,
                entry,
            } => words.extend([
                "A".into(),
                name_at(node, journal),
                number.to_string(),
                entry.clone(),
            ]),
            Write::Seal {
                journal,
                number,
                text,
            } => {
                let journal = name_at(node, journal);
                let (text, key) = seal(Part::Beside, &seal::beside(&journal, *number), text.clone())?;
                words.extend(["K".into(), journal, number.to_string(), text, key]);
            }
            Write::Destroy { journal, first, last } => words.extend([
                "D".into(),
                name_at(node, journal),
                first.to_string(),
                last.to_string(),
            ]),
            Write::Reshelve {
                shelf,
                revision,
                changes,
            } => {
                let shelf = name_at(node, shelf);
                words.extend(["R".into(), shelf, revision.to_string(), changes.len().to_string()]);
                for (key, text) in changes {
                    let is_put = if text.is_some() { "1" } else { "0" };
                    words.extend([key.clone(), is_put.into(), text.clone().unwrap_or_default()]);
                }
            }
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(on.run(Script::Together, &words)?.number() == Some(1))
}

pub(super) fn setting(on: &mut Client, node: &str, name: &str) -> Result<Option<String>, String> {
    let reply = on.ask(&["HGET", &key("settings"), &name_at(node, name)])?;
    Ok(reply.text())
}

pub(super) fn journal(
    on: &mut Client,
    node: &str,
    journal: &str,
    after: u64,
) -> Result<Vec<(u64, String)>, String> {
    let name = key(&format!("journal:{}", name_at(node, journal)));
    let first = format!("{}-0", after.saturating_add(1));
    let reply = on.ask(&["XRANGE", &name, &first, "+", "COUNT", &JOURNAL_ROWS.to_string()])?;
    let entry = |reply: Reply| {
        let mut parts = reply.many().into_iter();
        let number = parts.next()?.text()?;
        let number = number.split('-').next()?.parse().ok()?;
        Some((number, parts.next()?.texts().pop()?))
    };
    Ok(reply.many().into_iter().filter_map(entry).collect())
}

/// What is sealed beside these entries, and opens, by their numbers.
pub(super) fn beside(
    on: &mut Client,
    node: &str,
    journal: &str,
    after: u64,
    last: u64,
) -> Result<BTreeMap<u64, String>, String> {
    let journal = name_at(node, journal);
    let most = after.saturating_add(JOURNAL_ROWS as u64);
    let numbers: Vec<String> = (after..last.min(most))
        .map(|number| (number + 1).to_string())
        .collect();
    if numbers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (texts, keys) = (
        key(&format!("beside:{journal}")),
        key(&format!("beside_keys:{journal}")),
    );
    let mut commands = Commands::default();
    for hash in [&texts, &keys] {
        let words = ["HMGET", hash]
            .into_iter()
            .chain(numbers.iter().map(String::as_str));
        commands.add(&words.collect::<Vec<_>>());
    }
    let mut replies = on.all(&commands)?.into_iter().map(Reply::many);
    let (texts, keys) = (
        replies.next().unwrap_or_default(),
        replies.next().unwrap_or_default(),
    );
    let pairs = texts
        .into_iter()
        .zip(keys)
        .map(|(text, key)| text.text().zip(key.text()));
    let opened = numbers.iter().zip(pairs).filter_map(|(number, pair)| {
        let ((text, key), number) = (pair?, number.parse().ok()?);
        let (text, key) = (STANDARD.decode(text).ok()?, STANDARD.decode(key).ok()?);
        let text = seal::unseal(Part::Beside, &seal::beside(&journal, number), &key, text)?;
        Some((number, text))
    });
    Ok(opened.collect())
}

/// Gateways that have written audit entries, in the order of their names.
pub(super) fn writers(on: &mut Client) -> Result<Vec<String>, String> {
    let names = on.ask(&["HKEYS", &key("settings")])?.texts();
    let heads = names.iter().filter_map(|name| name.strip_prefix("audit_head@"));
    let mut nodes: BTreeSet<String> = heads.map(String::from).collect();
    // A chain whose head was taken away is still a chain.
    let prefix = key("journal:audit@");
    let pattern = format!("{prefix}*");
    let mut cursor = "0".to_string();
    loop {
        let mut page = on
            .ask(&["SCAN", &cursor, "MATCH", &pattern, "COUNT", "1000"])?
            .many()
            .into_iter();
        cursor = page.next().and_then(Reply::text).ok_or("SCAN without a cursor")?;
        let keys = page.next().map(Reply::texts).unwrap_or_default();
        nodes.extend(
            keys.iter()
                .filter_map(|key| key.strip_prefix(&prefix))
                .map(String::from),
        );
        if cursor == "0" {
            return Ok(nodes.into_iter().collect());
        }
    }
}

pub(super) fn shelf(on: &mut Client, node: &str, shelf: &str) -> Result<Shelf, String> {
    let shelf = name_at(node, shelf);
    let mut commands = Commands::one(&["MULTI"]);
    commands.add(&["GET", &key(&format!("revision:{shelf}"))]);
    commands.add(&["HGETALL", &key(&format!("shelf:{shelf}"))]);
    commands.add(&["EXEC"]);
    let done = on.all(&commands)?.pop().ok_or("no answer")?.done()?;
    let mut done = done.into_iter();
    let revision = done
        .next()
        .and_then(Reply::text)
        .and_then(|text| text.parse().ok());
    let mut texts = done.next().map(Reply::texts).unwrap_or_default().into_iter();
    let mut documents = Vec::new();
    while let (Some(key), Some(text)) = (texts.next(), texts.next()) {
        documents.push((key, text));
    }
    documents.sort();
    Ok(Shelf {
        revision: revision.unwrap_or(0),
        documents,
    })
}

/// True = a reuse.
pub(super) fn token(
    on: &mut Client,
    how: Use,
    digest: &str,
    call: CallId,
    (now_ms, window_ms): (u64, u64),
) -> Result<bool, String> {
    let how = match how {
        Use::Brought => "b",
        Use::Answered => "a",
    };
    let reply = on.run(
        Script::Token,
        &[
            PREFIX,
            &tokens::cut(digest),
            &call.to_string(),
            how,
            &now_ms.to_string(),
            &window_ms.max(1).to_string(),
            &TOKEN_CALLS_MAX.to_string(),
        ],
    )?;
    Ok(reply.number() == Some(1))
}

/// A kept call. The inner result is `Err` when it is there but cannot be read back.
pub(super) type Read = Result<CallRecord, Unreadable>;

/// A kept call as it lies there.
pub(super) struct Found {
    pub id: String,
    pub record: String,
    pub report: String,
    pub key: String,
    report_key: String,
}

impl Found {
    /// The record as JSON.
    fn text(&self) -> Result<String, Unreadable> {
        self.opened(Part::Record, &self.record, &self.key)
    }

    pub fn read(&self) -> Read {
        let report = match self.report.as_str() {
            "" => None,
            report => Some(self.opened(Part::Report, report, &self.report_key)?),
        };
        text::record(&self.text()?, report.as_deref())
    }

    fn opened(&self, part: Part, sealed: &str, key: &str) -> Result<String, Unreadable> {
        // What stays of an erased call needs no key.
        if is_clear(sealed) {
            return Ok(sealed.into());
        }
        let decoded = |text: &str| STANDARD.decode(text).map_err(|_| Unreadable::Shut);
        text::opened(part, &self.id, &decoded(key)?, decoded(sealed)?)
    }
}

/// Each of these that is kept.
pub(super) fn fetch(on: &mut Client, ids: &[CallId]) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    for some in ids.chunks(FETCH_ROWS) {
        let ids: Vec<String> = some.iter().map(CallId::to_string).collect();
        let words: Vec<&str> = [PREFIX]
            .into_iter()
            .chain(ids.iter().map(String::as_str))
            .collect();
        let mut texts = on.run(Script::Fetch, &words)?.texts().into_iter();
        while let (Some(id), Some(record), Some(report), Some(key), Some(report_key)) = (
            texts.next(),
            texts.next(),
            texts.next(),
            texts.next(),
            texts.next(),
        ) {
            found.push(Found {
                id,
                record,
                report,
                key,
                report_key,
            });
        }
    }
    Ok(found)
}

pub(super) fn call(on: &mut Client, id: CallId) -> Result<Option<Read>, String> {
    let found = fetch(on, &[id])?.pop();
    Ok(found.map(|found| found.read()))
}

/// Entries of an index before this one, the newest first.
pub(super) fn older(on: &mut Client, index: &str, before: &str, most: usize) -> Result<Vec<String>, String> {
    let most = most.to_string();
    let reply = on.ask(&["ZREVRANGEBYLEX", index, before, "-", "LIMIT", "0", &most])?;
    Ok(reply.texts())
}

pub(super) fn page(on: &mut Client, after: Option<(u64, CallId)>) -> Result<Vec<KeptCall>, String> {
    let before = after.map_or_else(|| "+".into(), |(ms, id)| format!("({}", place(ms, id)));
    let places = older(on, &key("calls"), &before, PAGE_ROWS)?;
    let mut page = Vec::new();
    for some in places.chunks(FETCH_ROWS) {
        let known: Vec<(u64, CallId)> = some.iter().filter_map(|place| place_of(place)).collect();
        let ids: Vec<CallId> = known.iter().map(|(_, id)| *id).collect();
        let found = fetch(on, &ids)?;
        if found.len() != known.len() {
            return Err("calls are missing that their index has".into());
        }
        let calls = known.into_iter().zip(found);
        page.extend(calls.map(|((started_ms, id), found)| KeptCall {
            started_ms,
            id,
            // One that does not open is none.
            record: found.text().unwrap_or_default(),
        }));
    }
    Ok(page)
}

/// The newest calls of a number, at most [`HISTORY_ROWS_MAX`]; all of it stands in its index.
pub(super) fn calls_of(on: &mut Client, numbers: &Index, number: &str) -> Result<Calls, String> {
    let index = key(&format!("calls:number:{}", numbers.of(number)));
    let rows = older(on, &index, "+", HISTORY_ROWS_MAX)?;
    let mut calls = Calls::default();
    for row in rows.into_iter().rev() {
        let Some((started_ms, id)) = place_of(&row) else {
            continue;
        };
        let mut said = row.split(':').skip(2);
        calls.add(Kept {
            started_ms,
            id,
            // Not in the index; what is saved from now on is newer.
            revision: 0,
            was_answered: said.next() == Some("a"),
            verdict: said.next().and_then(Verdict::of),
        });
    }
    Ok(calls)
}

/// Ends, in words that say so, the calls that an earlier process of this name had, and of which something was kept while they lasted.
pub(super) fn end_interrupted(on: &mut Client, node: &str, index: &Index) -> Result<usize, String> {
    let open = on.ask(&["SMEMBERS", &key(&format!("open:{node}"))])?.texts();
    let ids: Vec<CallId> = open.iter().filter_map(|id| id.parse().ok()).collect();
    let found = fetch(on, &ids)?;
    let records = found.iter().filter_map(|found| found.read().ok());
    let ended: Vec<CallRecord> = records.map(text::interrupted).collect();
    put_calls(on, node, index, ended.iter())?;
    Ok(ended.len())
}

fn json(report: &PersonReport) -> String {
    // Our own plain data always has a JSON form.
    serde_json::to_string(report).unwrap_or_default()
}

/// Whether Redis keeps on disk what it was told, and throws nothing away: what is not so, in words.
pub(super) fn worries(on: &mut Client) -> Result<(String, Vec<&'static str>), String> {
    let told = on.ask(&["INFO"])?.text().unwrap_or_default();
    let fact = |name: &str| {
        let mut lines = told.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let mut worries = Vec::new();
    if fact("aof_enabled") != Some("1") {
        worries.push("appendonly is off: what was kept since its last snapshot is gone when Redis stops");
    }
    if fact("maxmemory").is_some_and(|most| most != "0") && fact("maxmemory_policy") != Some("noeviction") {
        worries.push("maxmemory-policy is not noeviction: calls and accounts may be thrown away");
    }
    if fact("role") == Some("slave") {
        worries.push("it is a replica: it takes no writes");
    }
    // Who may not look at settings is not told.
    let asked = on.each(&Commands::one(&["CONFIG", "GET", "appendfsync"]))?.pop();
    let fsync = asked.and_then(|reply| reply.texts().pop());
    if worries.is_empty() && fsync.is_some_and(|when| when != "always") {
        worries.push("appendfsync is not always: when Redis is killed its last two seconds may be gone");
    }
    Ok((
        fact("redis_version").map_or_else(String::new, store::bounded),
        worries,
    ))
}
