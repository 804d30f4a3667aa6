//! The tables, and how an older file becomes a newer one.

use rusqlite::{Connection, Transaction};

/// "RING" in ASCII: marks a file as ours, so that a path given by mistake cannot fill a stranger's database.
pub(super) const APPLICATION_ID: i64 = 0x5249_4e47;

/// Each entry takes the schema one version up; `user_version` counts how many were applied.
/// Entries are never edited after a release: a change is a new entry.
const MIGRATIONS: &[&str] = &[
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
    // What an older gateway knew of tokens ends with the minutes they are fresh.
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
    "
    CREATE TABLE journal (
        name   TEXT    NOT NULL,
        number INTEGER NOT NULL,
        entry  TEXT    NOT NULL,
        PRIMARY KEY (name, number)
    ) STRICT, WITHOUT ROWID;
",
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
];

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
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "application_id", APPLICATION_ID)?;
    change.pragma_update(None, "user_version", known)?;
    change.commit()?;
    Ok(())
}

/// The schema version this binary writes.
pub(super) fn version() -> i64 {
    MIGRATIONS.len() as i64
}

fn pragma(on: &Transaction<'_>, name: &str) -> rusqlite::Result<i64> {
    on.pragma_query_value(None, name, |row| row.get(0))
}
