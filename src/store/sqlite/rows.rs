//! Records as rows and back; the SQL of every question.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::call::CallRecord;
use crate::call::record::PersonReport;
use crate::call_id::CallId;
use crate::store::erasing::{Erase, Erasing};
use crate::store::histories::{Calls, Kept as KeptCall, Verdict};
use crate::store::limits::{
    ERASE_ROWS, HISTORY_ROWS_MAX, JOURNAL_ROWS, PAGE_ROWS, TOKEN_CALLS_MAX, TOKENS_MAX,
};
use crate::store::seal::{self, DESTROYED, Index, Part, Sealed};
use crate::store::text::Unreadable;
use crate::store::tokens::Token;
use crate::store::{self, ending_name, label_of, number_of, text, was_answered};

/// Inserts or replaces a call unless a newer revision is kept already, or it was erased. A report stays.
pub(super) fn put_call(on: &Connection, index: &Index, record: &CallRecord) -> rusqlite::Result<()> {
    let id = record.id.to_string();
    let known = on
        .prepare_cached(
            "SELECT revision, slot, report IS NOT NULL, erased_ms IS NOT NULL FROM call WHERE id = ?1",
        )?
        .query_row([&id], |row| {
            let known: (u32, i64, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(known)
        })
        .optional()?;
    if known.is_some_and(|(revision, _, _, is_erased)| is_erased || revision > record.revision) {
        return Ok(());
    }
    let has_report = known.is_some_and(|(_, _, has_report, _)| has_report);
    let report = record.report.as_ref().filter(|_| !has_report);
    let text = seal(Part::Record, &id, text::of_record(record))?;
    let said = match report {
        Some(report) => Some(seal(Part::Report, &id, json(report)?)?),
        None => None,
    };
    let slot = match known {
        Some((_, slot, ..)) => {
            on.prepare_cached("UPDATE seal SET record = ?2, report = coalesce(?3, report) WHERE slot = ?1")?
                .execute(params![slot, text.key, said.as_ref().map(|said| said.key)])?;
            slot
        }
        None => put_keys(on, &text, said.as_ref())?,
    };
    on.prepare_cached(
        "INSERT INTO call (id, started_ms, revision, caller, label, queue, ending, answered, verdict, report, record, slot)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (id) DO UPDATE SET
             started_ms = excluded.started_ms, revision = excluded.revision, caller = excluded.caller,
             label = excluded.label, queue = excluded.queue, ending = excluded.ending,
             answered = excluded.answered, record = excluded.record,
             verdict = coalesce(call.verdict, excluded.verdict), report = coalesce(call.report, excluded.report)",
    )?
    .execute(params![
        id,
        whole(record.started_ms),
        record.revision,
        number_of(record).map(|number| index.of(number)),
        label_of(record),
        record.queue,
        record.outcome.as_ref().map(|outcome| ending_name(outcome.ending)),
        was_answered(record),
        report.map(|report| &report.verdict),
        said.map(|said| said.octets),
        text.octets,
        slot,
    ])
    .map(|_| ())
}

/// Keeps the keys of a new call; gives where.
pub(super) fn put_keys(on: &Connection, record: &Sealed, report: Option<&Sealed>) -> rusqlite::Result<i64> {
    on.prepare_cached("INSERT INTO seal (record, report) VALUES (?1, ?2)")?
        .execute(params![record.key, report.map_or(DESTROYED, |report| report.key)])?;
    Ok(on.last_insert_rowid())
}

/// False = no such call, or it was erased.
pub(super) fn put_report(on: &Connection, id: CallId, report: &PersonReport) -> rusqlite::Result<bool> {
    let id = id.to_string();
    let slot: Option<i64> = on
        .prepare_cached("SELECT slot FROM call WHERE id = ?1 AND erased_ms IS NULL")?
        .query_row([&id], |row| row.get(0))
        .optional()?;
    let Some(slot) = slot else { return Ok(false) };
    let said = seal(Part::Report, &id, json(report)?)?;
    on.prepare_cached("UPDATE seal SET report = ?2 WHERE slot = ?1")?
        .execute(params![slot, said.key])?;
    on.prepare_cached("UPDATE call SET verdict = ?2, report = ?3 WHERE id = ?1")?
        .execute(params![id, report.verdict, said.octets])
        .map(|rows| rows > 0)
}

pub(super) fn seal(part: Part, call: &str, text: String) -> rusqlite::Result<Sealed> {
    seal::seal(part, call, text).map_err(|_| not_sealed())
}

pub(super) fn not_sealed() -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(seal::NotSealed.into())
}

/// Erases the next page of calls; true = there may be more.
pub(super) fn erase(on: &Connection, index: &Index, erasing: &Erasing) -> rusqlite::Result<bool> {
    let (before_ms, before_id) = match erasing.cursor() {
        Some((ms, id)) => (whole(ms), id.to_string()),
        None => (i64::MAX, String::new()),
    };
    let (column, value) = match &erasing.whom {
        Erase::Number(number) => (" AND caller = ?4", Some(index.of(number))),
        Erase::Before(_) => ("", None),
    };
    let mut question = on.prepare_cached(&format!(
        "SELECT started_ms, id, slot, ending IS NOT NULL FROM call
         WHERE erased_ms IS NULL AND (started_ms, id) < (?1, ?2){column}
         ORDER BY started_ms DESC, id DESC LIMIT ?3"
    ))?;
    let mut values: Vec<Value> = vec![before_ms.into(), before_id.into(), (ERASE_ROWS as i64).into()];
    values.extend(value.map(Value::from));
    let page: Vec<(u64, String, i64, bool)> = question
        .query_map(params_from_iter(values), |row| {
            Ok((ms(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut left = 0;
    for (_, id, slot, is_over) in &page {
        if !is_over {
            left += 1;
            continue;
        }
        let kept = on
            .prepare_cached(&format!("{KEPT} WHERE call.id = ?1"))?
            .query_row([id], kept)?;
        let (revision, bare) = match kept {
            Ok(record) => {
                let bare = record.erased(erasing.at_ms);
                (Some(bare.revision), text::of_record(&bare))
            }
            // Nobody can read it, and there is nothing to keep of it.
            Err(_) => (None, "{}".into()),
        };
        on.prepare_cached(
            "UPDATE call SET caller = NULL, report = NULL, record = ?2, revision = coalesce(?3, revision), erased_ms = ?4
             WHERE id = ?1",
        )?
        .execute(params![id, bare.into_bytes(), revision, whole(erasing.at_ms)])?;
        on.prepare_cached("UPDATE seal SET record = ?2, report = ?2 WHERE slot = ?1")?
            .execute(params![slot, DESTROYED])?;
    }
    let last = page.last();
    erasing.add(
        page.len() as u64 - left,
        left,
        last.and_then(|(ms, id, ..)| Some((*ms, id.parse().ok()?))),
    );
    Ok(page.len() == ERASE_ROWS)
}

/// Writes the log into the file and empties it: what was overwritten is in neither. False = somebody reads what was
/// before.
pub(super) fn scrub(on: &Connection) -> rusqlite::Result<bool> {
    let busy: i64 = on.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

pub(super) fn put_setting(on: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    on.prepare_cached(
        "INSERT INTO setting VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?
    .execute(params![name, value])
    .map(|_| ())
}

pub(super) fn setting(on: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    on.prepare_cached("SELECT value FROM setting WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// False = `number` is not the one after the last.
pub(super) fn append(on: &Connection, journal: &str, number: u64, entry: &str) -> rusqlite::Result<bool> {
    on.prepare_cached(
        "INSERT INTO journal SELECT ?1, ?2, ?3
         WHERE ?2 = 1 + coalesce((SELECT max(number) FROM journal WHERE name = ?1), 0)",
    )?
    .execute(params![journal, whole(number), entry])
    .map(|rows| rows > 0)
}

pub(super) fn journal(on: &Connection, journal: &str, after: u64) -> rusqlite::Result<Vec<(u64, String)>> {
    on.prepare_cached(
        "SELECT number, entry FROM journal WHERE name = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?
    .query_map(params![journal, whole(after), JOURNAL_ROWS as i64], |row| {
        Ok((ms(row, 0)?, row.get(1)?))
    })?
    .collect()
}

/// Seals a text beside an entry of a journal.
pub(super) fn put_beside(on: &Connection, journal: &str, number: u64, text: String) -> rusqlite::Result<()> {
    let sealed = seal(Part::Beside, &seal::beside(journal, number), text)?;
    let slot = put_keys(on, &sealed, None)?;
    on.prepare_cached("INSERT INTO beside VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![journal, whole(number), slot, sealed.octets])
        .map(|_| ())
}

/// What of it opens, by the numbers of the entries.
pub(super) fn beside(
    on: &Connection,
    journal: &str,
    after: u64,
    last: u64,
) -> rusqlite::Result<BTreeMap<u64, String>> {
    let mut question = on.prepare_cached(
        "SELECT number, octets, seal.record FROM beside JOIN seal USING (slot)
         WHERE name = ?1 AND number > ?2 AND number <= ?3 ORDER BY number LIMIT ?4",
    )?;
    let rows = question.query_map(
        params![journal, whole(after), whole(last), JOURNAL_ROWS as i64],
        |row| {
            let number = ms(row, 0)?;
            let text = seal::unseal(
                Part::Beside,
                &seal::beside(journal, number),
                &key(row, 2)?,
                row.get(1)?,
            );
            Ok(text.map(|text| (number, text)))
        },
    )?;
    rows.filter_map(Result::transpose).collect()
}

/// Overwrites the keys where they lie.
pub(super) fn destroy(on: &Connection, journal: &str, first: u64, last: u64) -> rusqlite::Result<()> {
    on.prepare_cached(
        "UPDATE seal SET record = ?4 WHERE slot IN
         (SELECT slot FROM beside WHERE name = ?1 AND number BETWEEN ?2 AND ?3)",
    )?
    .execute(params![journal, whole(first), whole(last), DESTROYED])
    .map(|_| ())
}

pub(super) fn shelf(on: &Connection, shelf: &str) -> rusqlite::Result<store::Shelf> {
    // One moment for both questions.
    let moment = on.unchecked_transaction()?;
    let revision = revision_of(&moment, shelf)?;
    let mut question =
        moment.prepare_cached("SELECT key, text FROM document WHERE shelf = ?1 ORDER BY key")?;
    let documents = question
        .query_map([shelf], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(store::Shelf { revision, documents })
}

/// False = `revision` is not the one after the last; nothing is changed then.
pub(super) fn reshelve(
    on: &Connection,
    shelf: &str,
    revision: u64,
    changes: &[(String, Option<String>)],
) -> rusqlite::Result<bool> {
    if revision != revision_of(on, shelf)?.saturating_add(1) {
        return Ok(false);
    }
    on.prepare_cached("INSERT OR REPLACE INTO shelf VALUES (?1, ?2)")?
        .execute(params![shelf, whole(revision)])?;
    let mut put = on.prepare_cached("INSERT OR REPLACE INTO document VALUES (?1, ?2, ?3)")?;
    let mut take = on.prepare_cached("DELETE FROM document WHERE shelf = ?1 AND key = ?2")?;
    for (key, text) in changes {
        match text {
            Some(text) => put.execute(params![shelf, key, text])?,
            None => take.execute(params![shelf, key])?,
        };
    }
    Ok(true)
}

fn revision_of(on: &Connection, shelf: &str) -> rusqlite::Result<u64> {
    let known = on
        .prepare_cached("SELECT revision FROM shelf WHERE name = ?1")?
        .query_row([shelf], |row| ms(row, 0))
        .optional()?;
    Ok(known.unwrap_or(0))
}

pub(super) fn page(on: &Connection, after: Option<(u64, CallId)>) -> rusqlite::Result<Vec<store::KeptCall>> {
    let (before_ms, before_id) = match after {
        Some((ms, id)) => (whole(ms), id.to_string()),
        None => (i64::MAX, String::new()),
    };
    let mut question = on.prepare_cached(&format!(
        "{KEPT} WHERE (started_ms, id) < (?1, ?2) ORDER BY started_ms DESC, id DESC LIMIT ?3"
    ))?;
    let rows = question.query_map(params![before_ms, before_id, PAGE_ROWS as i64], |row| {
        let id: String = row.get(0)?;
        // An id that is none of ours is passed over by its neighbours' page; a record that does not open is none.
        Ok(store::KeptCall {
            started_ms: ms(row, 6)?,
            id: id.parse().unwrap_or(CallId(0)),
            record: record_text(row, &id)?.unwrap_or_default(),
        })
    })?;
    rows.collect()
}

pub(super) fn put_token(on: &Connection, digest: &str, token: &Token) -> rusqlite::Result<()> {
    on.prepare_cached("INSERT OR REPLACE INTO token VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            digest,
            token
                .calls
                .iter()
                .map(CallId::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            token.answered_by.map(|call| call.to_string()),
            whole(token.last_ms),
            whole(token.keep_until_ms),
        ])
        .map(|_| ())
}

/// Removes rows that nobody needs at `now_ms`.
pub(super) fn forget_tokens(on: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    on.prepare_cached("DELETE FROM token WHERE keep_until_ms <= ?1")?
        .execute([whole(now_ms)])
        .map(|_| ())
}

pub(super) fn tokens(on: &Connection) -> rusqlite::Result<Vec<(String, Token)>> {
    let mut question = on.prepare(
        "SELECT digest, calls, answered_by, last_ms, keep_until_ms FROM token ORDER BY keep_until_ms DESC LIMIT ?1",
    )?;
    question
        .query_map([TOKENS_MAX as i64], |row| {
            let calls: String = row.get(1)?;
            let answered_by: Option<String> = row.get(2)?;
            let token = Token {
                calls: calls
                    .split(' ')
                    .filter_map(|call| call.parse().ok())
                    .take(TOKEN_CALLS_MAX)
                    .collect(),
                answered_by: answered_by.and_then(|call| call.parse().ok()),
                last_ms: ms(row, 3)?,
                keep_until_ms: ms(row, 4)?,
            };
            Ok((row.get(0)?, token))
        })?
        .collect()
}

/// A kept call. The inner result is `Err` when the row is there but cannot be read back.
pub(super) type Kept = Result<CallRecord, Unreadable>;

/// What [`kept`] reads, with the keys to it.
pub(super) const KEPT: &str =
    "SELECT call.id, call.record, call.report, seal.record, seal.report, call.erased_ms, call.started_ms
     FROM call LEFT JOIN seal ON seal.slot = call.slot";

pub(super) fn call(on: &Connection, id: CallId) -> rusqlite::Result<Option<Kept>> {
    on.prepare_cached(&format!("{KEPT} WHERE call.id = ?1"))?
        .query_row([id.to_string()], kept)
        .optional()
}

/// The newest calls of a number, at most [`HISTORY_ROWS_MAX`]; all of it stands in one index.
pub(super) fn calls_of(on: &Connection, index: &Index, number: &str) -> rusqlite::Result<Calls> {
    let mut question = on.prepare_cached(
        "SELECT id, started_ms, answered, verdict FROM call WHERE caller = ?1 ORDER BY started_ms DESC LIMIT ?2",
    )?;
    let mut rows = question.query(params![index.of(number), HISTORY_ROWS_MAX as i64])?;
    let mut newest_first = Vec::new();
    while let Some(row) = rows.next()? {
        // An id that is none was not written by us.
        let Ok(id) = row.get_ref(0)?.as_str().unwrap_or_default().parse() else {
            continue;
        };
        newest_first.push(KeptCall {
            started_ms: ms(row, 1)?,
            id,
            // Not in the index; what is saved from now on is newer.
            revision: 0,
            was_answered: row.get(2)?,
            verdict: row.get_ref(3)?.as_str().ok().and_then(Verdict::of),
        });
    }
    let mut calls = Calls::default();
    for call in newest_first.into_iter().rev() {
        calls.add(call);
    }
    Ok(calls)
}

/// Ends, in words that say so, the calls an earlier process had saved while they lasted.
/// Gives how many there were.
pub(super) fn end_interrupted(on: &Connection, index: &Index) -> rusqlite::Result<usize> {
    let open: Vec<Kept> = on
        .prepare(&format!("{KEPT} WHERE ending IS NULL AND erased_ms IS NULL"))?
        .query_map([], kept)?
        .collect::<Result<_, _>>()?;
    let mut ended = 0;
    for record in open.into_iter().flatten() {
        put_call(on, index, &text::interrupted(record))?;
        ended += 1;
    }
    Ok(ended)
}

pub(super) fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let id: String = row.get(0)?;
    let record = record_text(row, &id)?;
    let report = match row.get::<_, Option<Vec<u8>>>(2)? {
        Some(octets) => text::opened(Part::Report, &id, &key(row, 4)?, octets).map(Some),
        None => Ok(None),
    };
    Ok(record.and_then(|record| text::record(&record, report?.as_deref())))
}

/// What stays of an erased call needs no key.
fn record_text(row: &Row<'_>, id: &str) -> rusqlite::Result<Result<String, Unreadable>> {
    let octets: Vec<u8> = row.get(1)?;
    let is_erased = row.get::<_, Option<i64>>(5)?.is_some();
    Ok(if is_erased {
        String::from_utf8(octets).map_err(|_| Unreadable::Shut)
    } else {
        text::opened(Part::Record, id, &key(row, 3)?, octets)
    })
}

/// A key that is gone opens nothing.
fn key(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(row.get::<_, Option<Vec<u8>>>(column)?.unwrap_or_default())
}

fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// SQLite's integers are signed; times past the year 292 million count as that.
pub(super) fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn ms(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|value| u64::try_from(value).unwrap_or(0))
}
