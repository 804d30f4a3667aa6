//! A copy of the file while a gateway writes to it, and a copy in place of the file while none does.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::opening::{check_schema, connect};
use super::schema;

/// Writes a copy of `place` to `target`, as the file is at one moment: whoever writes to it meanwhile neither waits nor is
/// part of it. It is checked before it gets its name. Nobody else can read it.
pub(in crate::store) fn copy(place: &str, target: &Path) -> Result<(), String> {
    if !Path::new(place).is_file() {
        return Err("there is no such file".into());
    }
    if target.exists() {
        return Err(format!(
            "{} is there already; nothing is overwritten",
            target.display()
        ));
    }
    let partial = beside(target, "partial");
    // Empty, and only ours: SQLite fills it.
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial);
    made.map_err(|error| format!("{}: {error}", partial.display()))?;
    let done = fill(place, &partial)
        .and_then(|()| check(&partial))
        .and_then(|()| settle(&partial, target));
    if done.is_err() {
        let _ = fs::remove_file(&partial);
    }
    done
}

/// Puts a copy in the place of a file that nobody has open; what was there stays beside it. Gives where, if there was
/// anything.
pub(in crate::store) fn restore(from: &Path, place: &str) -> Result<Option<PathBuf>, String> {
    check(from)?;
    let place = Path::new(place);
    let kept = beside(place, "before-restore");
    if let Some(earlier) = PARTS
        .iter()
        .map(|part| with(&kept, part))
        .find(|path| path.exists())
    {
        return Err(format!(
            "{} is there from an earlier restore; move it away first",
            earlier.display()
        ));
    }
    let was_there = place.exists();
    // Until the copy is in its place.
    let _held = if was_there { hold(place)? } else { None };
    let partial = beside(place, "partial");
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .and_then(|mut to| std::io::copy(&mut File::open(from)?, &mut to).map(|_| ()));
    let moved = written
        .map_err(|error| format!("{}: {error}", partial.display()))
        .and_then(|()| move_parts(place, &kept))
        .and_then(|()| settle(&partial, place));
    if moved.is_err() {
        let _ = fs::remove_file(&partial);
        if !place.exists() {
            let _ = move_parts(&kept, place);
        }
    }
    moved.map(|()| was_there.then_some(kept))
}

/// What SQLite keeps beside a file goes with it: a log that stays would be taken for that of the copy.
const PARTS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

fn move_parts(from: &Path, to: &Path) -> Result<(), String> {
    for part in PARTS {
        let (from, to) = (with(from, part), with(to, part));
        if from.exists() {
            fs::rename(&from, &to).map_err(|error| format!("{}: {error}", to.display()))?;
        }
    }
    Ok(())
}

fn with(path: &Path, part: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(part);
    name.into()
}

fn fill(place: &str, partial: &Path) -> Result<(), String> {
    let source = connect(place, false, false).map_err(|error| error.to_string())?;
    check_schema(&source)?;
    let name = partial.to_str().ok_or("the name of the copy is no UTF-8")?;
    let filled = source
        .pragma_update(None, "query_only", false)
        .and_then(|()| source.execute("VACUUM INTO ?1", [name]));
    filled.map(|_| ()).map_err(|error| error.to_string())
}

/// Whether it is a whole file of ours.
fn check(copy: &Path) -> Result<(), String> {
    let open = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let copy = open.map_err(|error| format!("{}: {error}", copy.display()))?;
    let application: i64 = copy
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(|error| error.to_string())?;
    if application != schema::APPLICATION_ID {
        return Err("the file is no store of ringward".into());
    }
    check_schema(&copy)?;
    let found: String = copy
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .map_err(|error| error.to_string())?;
    match found.as_str() {
        "ok" => Ok(()),
        problem => Err(format!("the file is damaged: {problem}")),
    }
}

/// Writes what is in the log into the file, proves that nobody else has it open (only then may it leave the log), and keeps it so for as
/// long as this is held. None = it is damaged: no gateway can open it.
fn hold(place: &Path) -> Result<Option<Connection>, String> {
    let in_use = || "a gateway has the store open: stop it first".to_string();
    let is_damaged = |error: &rusqlite::Error| {
        let code = error.sqlite_error_code();
        matches!(code, Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
    };
    let open = Connection::open_with_flags(place, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let file = open.map_err(|error| error.to_string())?;
    let mode = file.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0));
    match mode {
        Ok(mode) if mode == "delete" => {}
        Ok(_) => return Err(in_use()),
        Err(error) if error.to_string().contains("locked") => return Err(in_use()),
        Err(error) if is_damaged(&error) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    match file.execute_batch("BEGIN EXCLUSIVE") {
        Ok(()) => Ok(Some(file)),
        Err(error) if is_damaged(&error) => Ok(None),
        Err(_) => Err(in_use()),
    }
}

/// On disk, and then under its name.
fn settle(partial: &Path, target: &Path) -> Result<(), String> {
    let settled = File::open(partial)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(partial, target))
        .and_then(
            |()| match target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            },
        );
    settled.map_err(|error| format!("{}: {error}", target.display()))
}

fn beside(path: &Path, what: &str) -> PathBuf {
    with(path, &format!(".{what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_starts_while_a_store_is_put_back_is_told_to_wait() {
        let place = std::env::temp_dir().join(format!("ringward-held-{}.db", std::process::id()));
        let url = format!("sqlite:{}", place.display());
        let open = || crate::store::open(&crate::store::Config { url: url.clone() });
        let gateway = open().unwrap();
        assert!(hold(&place).unwrap_err().contains("stop it first"));
        drop(gateway);
        let held = hold(&place).unwrap();
        assert!(held.is_some());
        let told = open().map(|_| ()).unwrap_err().to_string();
        assert!(told.contains("locked"), "{told}");
        drop(held);
        open().unwrap();
        PARTS
            .iter()
            .for_each(|part| drop(fs::remove_file(with(&place, part))));
    }
}
