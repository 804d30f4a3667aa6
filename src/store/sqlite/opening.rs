//! Opening the file: who may read it, how its connections are set, and that its layout is the one known here.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::schema::Refused;
use super::{room, rows, schema};
use crate::store::limits::{LOCK_TIMEOUT, WRITER_CACHE_KIB};
use crate::store::seal::Index;

/// SQLite says "unable to open database file" for everything: say what it is.
pub(super) fn check_path(place: &str) -> Result<(), String> {
    if place.is_empty() {
        return Err("no path given: write sqlite:PATH or sqlite::memory:".into());
    }
    let path = Path::new(place);
    if path.is_dir() {
        return Err("the path is a folder, not a file".into());
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("the folder {} does not exist", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A new file is only its owner's (SQLite gives its log beside it the same mode): it holds numbers, and secrets of second factors.
/// One that is there stays as somebody made it, and others being able to read it is told.
pub(super) fn keep_private(url: &str, path: &Path) -> std::io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if std::fs::metadata(path)?.permissions().mode() & 0o007 != 0 {
                tracing::warn!(
                    store = url,
                    "everybody on this machine may open the store: chmod o= would end that"
                );
            }
            Ok(())
        }
        made => made.map(drop),
    }
}

pub(super) fn connect(place: &str, is_memory: bool, is_writer: bool) -> rusqlite::Result<Connection> {
    if is_memory {
        return Connection::open_in_memory();
    }
    // No URI file names: a path with a `?` in it is a path.
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if is_writer {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(place, flags)?;
    connection.busy_timeout(LOCK_TIMEOUT)?;
    if is_writer {
        // What is taken away is overwritten, and not only unlinked.
        connection.pragma_update(None, "secure_delete", true)?;
    }
    if !is_writer {
        connection.pragma_update(None, "query_only", true)?;
    }
    Ok(connection)
}

/// Whose calls are in the file: a gateway that starts ends what the one before it left open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Ours,
    Another,
}

pub(super) fn check_schema(reader: &Connection) -> Result<(), String> {
    let version: i64 = reader
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| error.to_string())?;
    if version > schema::version() {
        return Err(newer(version));
    }
    if version != schema::version() {
        return Err(format!(
            "the file has schema {version} and not {}: start the gateway with it once",
            schema::version()
        ));
    }
    Ok(())
}

fn newer(found: i64) -> String {
    format!(
        "the file has schema {found}, this ringward knows {} at most: use the newer one",
        schema::version()
    )
}

pub(super) fn prepare(
    mut connection: Connection,
    is_memory: bool,
    whose: Whose,
) -> Result<(Connection, Index, usize), String> {
    let refused = |refused| match refused {
        Refused::Foreign => "the file is a database of something else".to_string(),
        Refused::Newer { found } => newer(found),
        Refused::Engine(error) => error.to_string(),
    };
    schema::migrate(&mut connection).map_err(refused)?;
    let settle = |connection: &Connection| -> rusqlite::Result<(Index, usize)> {
        if !is_memory {
            connection.pragma_update(None, "journal_mode", "WAL")?;
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        let index = schema::index(connection)?;
        let interrupted = match whose {
            Whose::Ours => {
                schema::leave_nothing_in_clear(connection, room::disk, u64::MAX)?;
                rows::end_interrupted(connection, &index)?
            }
            Whose::Another => 0,
        };
        Ok((index, interrupted))
    };
    let (index, interrupted) = settle(&connection).map_err(|error| error.to_string())?;
    Ok((connection, index, interrupted))
}
