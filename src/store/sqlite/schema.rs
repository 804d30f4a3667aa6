//! The tables, and how an older file becomes a newer one.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::room::{self, Disk};
use super::rows;
use crate::store::CLEAR_REMAINS;
use crate::store::audit::{JOURNAL as AUDIT, carried_over};
use crate::store::limits::SEAL_ROWS;
use crate::store::seal::{Index, Part};

/// "RING" in ASCII: marks a file as ours, so that a path given by mistake cannot fill a stranger's database.
pub(super) const APPLICATION_ID: i64 = 0x5249_4e47;

/// Under which name the secret stands by which numbers are known.
const INDEX: &str = "number_index_key";

/// Each entry takes the schema one version up; `user_version` counts how many were applied.
/// Entries are never edited after a release: a change is a new entry.
const MIGRATIONS: &[Step] = &[
    Step::Sql(
        "
    CREATE TABLE call (
        id         TEXT    PRIMARY KEY,
        started_ms INTEGER NOT NULL,
        revision   INTEGER NOT NULL,
        caller     TEXT,
        label      TEXT,
        queue      TEXT,
        ending     TEXT,
        answered   INTEGER NOT NULL,
        verdict    TEXT,
        report     TEXT,
        record     TEXT    NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX call_started ON call (started_ms DESC, id DESC);
    CREATE INDEX call_caller  ON call (caller, started_ms DESC, answered, verdict);
    CREATE INDEX call_label   ON call (label, started_ms DESC);
    CREATE INDEX call_queue   ON call (queue, started_ms DESC);
    CREATE INDEX call_ending  ON call (ending, started_ms DESC);
    CREATE TABLE token (
        digest        TEXT    PRIMARY KEY,
        owner         TEXT    NOT NULL,
        owner_ms      INTEGER NOT NULL,
        other_ms      INTEGER NOT NULL,
        keep_until_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX token_expiry ON token (keep_until_ms);
    CREATE TABLE setting (
        name  TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    ),
    // What an older gateway knew of tokens ends with the minutes they are fresh.
    Step::Sql(
        "
    DROP TABLE token;
    CREATE TABLE token (
        digest        TEXT    PRIMARY KEY,
        calls         TEXT    NOT NULL,
        answered_by   TEXT,
        last_ms       INTEGER NOT NULL,
        keep_until_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX token_expiry ON token (keep_until_ms);
",
    ),
    Step::Sql(
        "
    CREATE TABLE journal (
        name   TEXT    NOT NULL,
        number INTEGER NOT NULL,
        entry  TEXT    NOT NULL,
        PRIMARY KEY (name, number)
    ) STRICT, WITHOUT ROWID;
",
    ),
    Step::Sql(
        "
    CREATE TABLE shelf (
        name     TEXT    PRIMARY KEY,
        revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE document (
        shelf TEXT NOT NULL,
        key   TEXT NOT NULL,
        text  TEXT NOT NULL,
        PRIMARY KEY (shelf, key)
    ) STRICT, WITHOUT ROWID;
",
    ),
    // Keys lie in rows that are all of one size, never move and are overwritten where they are: SQLite may leave copies of
    // what it moves from page to page.
    Step::Sql(
        "
    DROP INDEX call_started;
    DROP INDEX call_caller;
    DROP INDEX call_label;
    DROP INDEX call_queue;
    DROP INDEX call_ending;
    ALTER TABLE call RENAME TO call_in_clear;
    CREATE TABLE seal (
        slot   INTEGER PRIMARY KEY,
        record BLOB NOT NULL,
        report BLOB NOT NULL
    ) STRICT;
    CREATE TABLE call (
        id         TEXT    PRIMARY KEY,
        started_ms INTEGER NOT NULL,
        revision   INTEGER NOT NULL,
        caller     TEXT,
        label      TEXT,
        queue      TEXT,
        ending     TEXT,
        answered   INTEGER NOT NULL,
        verdict    TEXT,
        report     BLOB,
        record     BLOB    NOT NULL,
        slot       INTEGER NOT NULL,
        erased_ms  INTEGER
    ) STRICT, WITHOUT ROWID;
",
    ),
    Step::Code(seal_calls),
    Step::Sql(
        "
    DROP TABLE call_in_clear;
    CREATE INDEX call_started ON call (started_ms DESC, id DESC);
    CREATE INDEX call_caller  ON call (caller, started_ms DESC, answered, verdict);
    CREATE INDEX call_label   ON call (label, started_ms DESC);
    CREATE INDEX call_queue   ON call (queue, started_ms DESC);
    CREATE INDEX call_ending  ON call (ending, started_ms DESC);
    CREATE INDEX call_named   ON call (started_ms DESC, id DESC) WHERE erased_ms IS NULL;
",
    ),
    Step::Sql(
        "
    CREATE TABLE beside (
        name   TEXT    NOT NULL,
        number INTEGER NOT NULL,
        slot   INTEGER NOT NULL,
        octets BLOB    NOT NULL,
        PRIMARY KEY (name, number)
    ) STRICT, WITHOUT ROWID;
",
    ),
    Step::Code(seal_audit),
];

enum Step {
    Sql(&'static str),
    Code(fn(&Transaction<'_>) -> rusqlite::Result<()>),
}

/// Why a file cannot be used; `Unusable` gets its words.
pub(super) enum Refused {
    Foreign,
    Newer { found: i64 },
    Engine(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Refused::Engine(error)
    }
}

/// Checks that the file is ours (or empty) and brings its schema up to date, all or nothing.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Refused> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let application: i64 = pragma(&change, "application_id")?;
    let version: i64 = pragma(&change, "user_version")?;
    let tables: i64 = change.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
        return Err(Refused::Foreign);
    }
    let known = MIGRATIONS.len() as i64;
    if version > known || version < 0 {
        return Err(Refused::Newer { found: version });
    }
    for step in &MIGRATIONS[version as usize..] {
        match step {
            Step::Sql(sql) => change.execute_batch(sql)?,
            Step::Code(work) => work(&change)?,
        }
    }
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    change.pragma_update(None, "user_version", known)?;
    change.commit()?;
    Ok(())
}

/// What an older gateway wrote in clear is sealed, a few calls at a time.
fn seal_calls(on: &Transaction<'_>) -> rusqlite::Result<()> {
    let secret = Index::secret().ok_or_else(rows::not_sealed)?;
    rows::put_setting(on, INDEX, &secret)?;
    let index = Index::new(&secret);
    let mut last = String::new();
    let mut carried = 0u64;
    loop {
        let mut question = on.prepare_cached(
            "SELECT id, caller, report, record FROM call_in_clear WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let page: Vec<(String, Option<String>, Option<String>, String)> = question
            .query_map(params![last, SEAL_ROWS as i64], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let Some((id, ..)) = page.last() else { break };
        last = id.clone();
        carried += page.len() as u64;
        for (id, caller, report, record) in page {
            let record = rows::seal(Part::Record, &id, record)?;
            let report = report
                .map(|report| rows::seal(Part::Report, &id, report))
                .transpose()?;
            let slot = rows::put_keys(on, &record, report.as_ref())?;
            on.prepare_cached(
                "INSERT INTO call SELECT id, started_ms, revision, ?2, label, queue, ending, answered, verdict, ?3, ?4, ?5, NULL
                 FROM call_in_clear WHERE id = ?1",
            )?
            .execute(params![
                id,
                caller.map(|number| index.of(&number)),
                report.map(|report| report.octets),
                record.octets,
                slot,
            ])?;
        }
    }
    if carried > 0 {
        rows::put_setting(on, CLEAR_REMAINS, "1")?;
        tracing::info!(calls = carried, "kept calls are sealed now");
    }
    // A statement that is kept holds its table.
    on.flush_prepared_statement_cache();
    Ok(())
}

/// What the audit says of people in clear is sealed beside it; its chain stays as it is.
fn seal_audit(on: &Transaction<'_>) -> rusqlite::Result<()> {
    let (mut last, mut carried) = (0, 0u64);
    loop {
        let page = rows::journal(on, AUDIT, last)?;
        let Some((end, _)) = page.last() else { break };
        last = *end;
        for (number, text) in page {
            let Some((entry, people)) = carried_over(&text) else {
                continue;
            };
            rows::put_beside(on, AUDIT, number, people)?;
            on.prepare_cached("UPDATE journal SET entry = ?3 WHERE name = ?1 AND number = ?2")?
                .execute(params![AUDIT, number as i64, entry])?;
            carried += 1;
        }
    }
    if carried > 0 {
        rows::put_setting(on, CLEAR_REMAINS, "1")?;
        tracing::info!(entries = carried, "what the audit says of people is sealed now");
    }
    on.flush_prepared_statement_cache();
    Ok(())
}

/// Writes the file anew when parts of it that are not used any more may hold what was kept in clear. Again, when it was
/// interrupted, or `disk` had no room for it. False = it is still to be done; also where more octets than `octets_max` are in use.
pub(super) fn leave_nothing_in_clear(
    on: &Connection,
    disk: impl Fn(&Path) -> Option<Disk>,
    octets_max: u64,
) -> rusqlite::Result<bool> {
    if rows::setting(on, CLEAR_REMAINS)?.is_none() {
        return Ok(true);
    }
    let octets = room::in_use(on)?;
    if octets > octets_max {
        tracing::warn!(
            octets,
            octets_max,
            "the store's file is too large to be written anew while calls are kept, and parts of it that are not used any more may hold what was kept in clear: it is done at the next start"
        );
        return Ok(false);
    }
    if let Some(missing) = room::missing(on, disk)? {
        tracing::warn!(
            missing,
            "there is no room to write the store's file anew, and parts of it that are not used any more may hold what was kept in clear: it is tried again in a day, and at the next start"
        );
        return Ok(false);
    }
    tracing::info!(
        "the store's file is written anew: parts of it that are not used any more may hold what was kept in clear"
    );
    match on.execute_batch("VACUUM").and_then(|()| rows::scrub(on)) {
        Ok(true) => on
            .execute("DELETE FROM setting WHERE name = ?1", [CLEAR_REMAINS])
            .map(|_| true),
        Ok(false) => {
            tracing::warn!("somebody reads the store: it is written anew in a day, or at the next start");
            Ok(false)
        }
        // Calls do not wait for it.
        Err(problem) => {
            tracing::warn!(%problem, "the store could not be written anew; it is tried again in a day, and at the next start");
            Ok(false)
        }
    }
}

/// By what numbers are known here.
pub(super) fn index(on: &Connection) -> rusqlite::Result<Index> {
    let secret: Option<String> = on
        .query_row("SELECT value FROM setting WHERE name = ?1", [INDEX], |row| {
            row.get(0)
        })
        .optional()?;
    secret
        .map(|secret| Index::new(&secret))
        .ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// The schema version this binary writes.
pub(super) fn version() -> i64 {
    MIGRATIONS.len() as i64
}

fn pragma(on: &Transaction<'_>, name: &str) -> rusqlite::Result<i64> {
    on.pragma_query_value(None, name, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_room_the_file_is_not_written_anew_and_the_next_start_tries_again() {
        let place = std::env::temp_dir().join(format!("ringward-no-room-{}.db", std::process::id()));
        let mut file = Connection::open(&place).unwrap();
        assert!(migrate(&mut file).is_ok());
        rows::put_setting(&file, CLEAR_REMAINS, "1").unwrap();
        file.execute_batch(
            "CREATE TABLE clear (x); INSERT INTO clear VALUES (zeroblob(100000)); DROP TABLE clear;",
        )
        .unwrap();
        let unused = || file.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
        let with = |free: u64, octets_max: u64| {
            leave_nothing_in_clear(&file, |_| Some(Disk { number: 1, free }), octets_max).unwrap()
        };
        for (free, octets_max) in [(0, u64::MAX), (u64::MAX, 4_096)] {
            assert!(!with(free, octets_max), "no room, or too large for now");
            assert!(unused().unwrap() > 0 && rows::setting(&file, CLEAR_REMAINS).unwrap().is_some());
        }
        assert!(with(u64::MAX, u64::MAX));
        assert!(unused().unwrap() == 0 && rows::setting(&file, CLEAR_REMAINS).unwrap().is_none());
        drop(file);
        std::fs::remove_file(&place).unwrap();
    }
}
