//! Whether there is room on the disks to write the file anew.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// What is known of the disk that a folder lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// Another for each disk.
    pub number: u64,
    /// Octets that are free to us.
    pub free: u64,
}

/// None = the system does not say.
pub(super) fn disk(folder: &Path) -> Option<Disk> {
    let facts = rustix::fs::statvfs(folder).ok()?;
    Some(Disk {
        number: std::fs::metadata(folder).ok()?.dev(),
        free: facts.f_bavail.saturating_mul(facts.f_frsize),
    })
}

/// Which room is missing, in words; None = none is, or nobody knows.
///
/// SQLite writes what is in the file into a temporary one, and from there into the log beside the file: each as large as what is in use of
/// the file, both at once.
pub(super) fn missing(
    on: &Connection,
    disk: impl Fn(&Path) -> Option<Disk>,
) -> rusqlite::Result<Option<String>> {
    let Some(path) = on.path().filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let octets = in_use(on)?;
    let (beside, temporary) = (folder_of(Path::new(path)), temporary());
    let is_one = match (disk(&beside), disk(&temporary)) {
        (Some(beside), Some(temporary)) => beside.number == temporary.number,
        _ => false,
    };
    let needs = match is_one {
        true => vec![(beside, 2 * octets)],
        false => vec![(beside, octets), (temporary, octets)],
    };
    let short = needs.into_iter().find_map(|(folder, octets)| {
        Some((disk(&folder)?.free, folder, octets)).filter(|(free, ..)| *free < octets)
    });
    Ok(short.map(|(free, folder, octets)| {
        format!(
            "it takes {} MiB in {}, and {} are free",
            octets.div_ceil(MIB),
            folder.display(),
            free / MIB
        )
    }))
}

/// Octets of the file that something stands in.
pub(super) fn in_use(on: &Connection) -> rusqlite::Result<u64> {
    let octets: i64 = on.query_row(
        "SELECT (page_count - freelist_count) * page_size
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        [],
        |row| row.get(0),
    )?;
    Ok(octets.unsigned_abs())
}

const MIB: u64 = 1024 * 1024;

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        _ => ".".into(),
    }
}

/// Where SQLite puts files that nobody else is to see: the first of these folders that it may write into.
fn temporary() -> PathBuf {
    let named = ["SQLITE_TMPDIR", "TMPDIR"]
        .into_iter()
        .filter_map(std::env::var_os);
    let usual = ["/var/tmp", "/usr/tmp", "/tmp"].map(PathBuf::from);
    let mut folders = named.map(PathBuf::from).chain(usual);
    folders
        .find(|folder| folder.is_dir() && is_ours(folder))
        .unwrap_or_else(|| ".".into())
}

fn is_ours(folder: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_needed_twice_on_one_disk_and_once_on_each_of_two() {
        let place = std::env::temp_dir().join(format!("ringward-room-{}.db", std::process::id()));
        let file = Connection::open(&place).unwrap();
        file.execute_batch(
            "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(1000000)); CREATE TABLE gone (x);",
        )
        .unwrap();
        let octets: u64 = std::fs::metadata(&place).unwrap().len();
        assert!(octets > 1_000_000);
        // What is free in the file is not written.
        file.execute_batch("INSERT INTO gone VALUES (zeroblob(1000000)); DELETE FROM gone;")
            .unwrap();
        let missing = |free: u64, number: fn(&Path) -> u64| {
            let disk = |folder: &Path| {
                Some(Disk {
                    number: number(folder),
                    free,
                })
            };
            missing(&file, disk).unwrap()
        };
        let one = |_: &Path| 1;
        let two = |folder: &Path| u64::from(folder == temporary());
        assert_eq!(missing(2 * octets, one), None);
        let words = missing(2 * octets - 1, one).unwrap();
        assert!(words.contains("MiB") && !words.contains("calls"), "{words}");
        // The file of this test lies where temporary files do only by chance: then there is one disk.
        if folder_of(&place) != temporary() {
            assert_eq!(missing(octets, two), None);
        }
        assert!(missing(octets - 1, two).is_some());
        assert_eq!(super::missing(&file, |_| None).unwrap(), None, "nobody knows");
        let memory = Connection::open_in_memory().unwrap();
        assert_eq!(super::missing(&memory, disk).unwrap(), None);
        let here = disk(&std::env::temp_dir()).unwrap();
        assert!(here.free > 0);
        drop(file);
        std::fs::remove_file(&place).unwrap();
    }
}
