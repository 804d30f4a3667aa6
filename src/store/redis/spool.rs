//! Records on this machine's own disk while Redis is away: a file of lines, the oldest first.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::call::CallRecord;
use crate::store::limits::{SPOOL_LINE_MAX, SPOOL_OCTETS_MAX};
use crate::store::text;

/// The file, open and ours alone. At most [`SPOOL_OCTETS_MAX`] octets; what finds no room is told.
pub(super) struct Spool {
    file: File,
    /// Octets in the file, all of whole lines.
    length: u64,
    /// Where the first line stands that Redis does not have.
    begin: u64,
    records: u64,
}

/// Some of the oldest records, and what is to be forgotten once Redis has them.
pub(super) struct Piece {
    pub records: Vec<CallRecord>,
    /// Lines that are no record.
    pub unreadable: u64,
    end: u64,
    lines: u64,
}

impl Spool {
    /// What an earlier process left is there still; a line it was killed in is not.
    ///
    /// # Errors
    ///
    /// In words; also when another gateway has the file.
    pub fn open(path: &Path) -> Result<Spool, String> {
        let named = |error: io::Error| format!("the spool {}: {error}", path.display());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(named)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "the spool {} belongs to another gateway that runs: give this one another node or spool",
                    path.display()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(named(error)),
        }
        let mut spool = Spool {
            file,
            length: 0,
            begin: 0,
            records: 0,
        };
        spool.measure().map_err(named)?;
        Ok(spool)
    }

    /// Records that Redis does not have.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Puts records at the end; they are on disk when this returns. Gives how many found room.
    pub fn put(&mut self, records: &[Arc<CallRecord>]) -> io::Result<usize> {
        let mut octets = Vec::new();
        let mut taken = 0;
        for record in records {
            let before = octets.len();
            octets.extend_from_slice(text::of_record(record).as_bytes());
            octets.push(b'\n');
            if self.length + octets.len() as u64 > SPOOL_OCTETS_MAX {
                octets.truncate(before);
                break;
            }
            taken += 1;
        }
        self.file.seek(SeekFrom::Start(self.length))?;
        let written = self.file.write_all(&octets).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line at the end would spoil the next one.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += octets.len() as u64;
        self.records += taken as u64;
        Ok(taken)
    }

    /// The oldest records, at most `most`.
    pub fn first(&mut self, most: usize) -> io::Result<Piece> {
        self.file.seek(SeekFrom::Start(self.begin))?;
        let mut piece = Piece {
            records: Vec::new(),
            unreadable: 0,
            end: self.begin,
            lines: 0,
        };
        let mut reader = BufReader::new(&self.file);
        let mut line = Vec::new();
        while piece.lines < most as u64 && piece.end < self.length {
            line.clear();
            let read = reader
                .by_ref()
                .take(SPOOL_LINE_MAX)
                .read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            piece.end += read as u64;
            piece.lines += 1;
            match serde_json::from_slice(&line) {
                Ok(record) => piece.records.push(record),
                Err(_) => piece.unreadable += 1,
            }
        }
        Ok(piece)
    }

    /// Redis has it.
    pub fn forget(&mut self, piece: &Piece) -> io::Result<()> {
        self.begin = piece.end;
        self.records = self.records.saturating_sub(piece.lines);
        if self.begin >= self.length {
            self.file.set_len(0)?;
            (self.begin, self.length, self.records) = (0, 0, 0);
        }
        Ok(())
    }

    fn measure(&mut self) -> io::Result<()> {
        let mut reader = BufReader::new(&self.file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader
                .by_ref()
                .take(SPOOL_LINE_MAX)
                .read_until(b'\n', &mut line)?;
            if read == 0 || (line.last() != Some(&b'\n') && (read as u64) < SPOOL_LINE_MAX) {
                break;
            }
            self.length += read as u64;
            self.records += 1;
        }
        self.file.set_len(self.length)
    }
}
