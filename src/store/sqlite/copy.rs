//! A copy of the file while a gateway writes to it, and a copy in place of the file while none does.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{check_schema, connect, schema};

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
    let kept = match place.exists() {
        false => None,
        true => {
            let kept = beside(place, "before-restore");
            if kept.exists() {
                return Err(format!(
                    "{} is there from an earlier restore; move it away first",
                    kept.display()
                ));
            }
            close(place)?;
            Some(kept)
        }
    };
    let partial = beside(place, "partial");
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .and_then(|mut to| std::io::copy(&mut File::open(from)?, &mut to).map(|_| ()));
    let moved = written
        .map_err(|error| format!("{}: {error}", partial.display()))
        .and_then(|()| match &kept {
            Some(kept) => fs::rename(place, kept).map_err(|error| format!("{}: {error}", kept.display())),
            None => Ok(()),
        })
        .and_then(|()| settle(&partial, place));
    if moved.is_err() {
        let _ = fs::remove_file(&partial);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.exists() && !place.exists()) {
            let _ = fs::rename(kept, place);
        }
    }
    moved.map(|()| kept)
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

/// Writes what is in the log into the file, and proves that nobody else has it open: only then may it leave the log.
fn close(place: &Path) -> Result<(), String> {
    let open = Connection::open_with_flags(place, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let file = open.map_err(|error| error.to_string())?;
    let mode = file.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0));
    match mode {
        Ok(mode) if mode == "delete" => Ok(()),
        Ok(_) => Err("a gateway has the store open: stop it first".into()),
        Err(error) if error.to_string().contains("locked") => {
            Err("a gateway has the store open: stop it first".into())
        }
        Err(error) => Err(error.to_string()),
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
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{what}"));
    name.into()
}
