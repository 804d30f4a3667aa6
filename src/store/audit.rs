//! What was done by whom, in a chain: every entry holds the hash of the one before, so that none can be changed, taken
//! out or moved alone without it being seen. Whoever can write the file can write a whole other chain: number and hash
//! of the last entry, kept somewhere else now and then, show that too.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::limits::{AUDIT_RETRIES, AUDIT_TEXT_MAX, JOURNAL_ROWS};
use super::{Store, StoreError, Write};

const JOURNAL: &str = "audit";
/// Number and hash of the last entry, kept apart from the chain: entries taken from its end are missed.
const HEAD: &str = "audit_head";

/// One thing that was done. It names no caller and no number: those stand in records, which may be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub number: u64,
    /// Unix ms.
    pub at_ms: u64,
    /// The name of a token, `gateway` for what it does by itself, the address of who could not sign in.
    pub by: String,
    /// `POST /api/v1/tokens`, `policy activate`, `sign in`, ...
    pub what: String,
    /// To what it was done.
    pub about: String,
    /// How it ended, or why it was done.
    pub note: String,
    /// Hash of the entry before, hexadecimal; of the first, 64 zeros.
    pub before: String,
    /// SHA-256 over all of the above.
    pub hash: String,
}

impl AuditEntry {
    /// Every field with its length before it, so that no text can pass for the end of another.
    fn digest(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.number.to_be_bytes());
        context.update(&self.at_ms.to_be_bytes());
        for text in [&self.by, &self.what, &self.about, &self.note, &self.before] {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let hash = context.finish();
        hash.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// The hash before the first entry.
fn origin() -> String {
    "0".repeat(64)
}

/// Writes the chain. One per process; several processes on one store take turns.
pub struct Audit {
    store: Arc<dyn Store>,
    /// Number and hash of the last entry, as far as this process knows.
    head: Mutex<(u64, String)>,
}

impl Audit {
    /// Reads where the chain ends.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn open(store: Arc<dyn Store>) -> Result<Audit, StoreError> {
        let mut head = (0, origin());
        // The head is a hint where to begin; what counts is the chain.
        if let Some(known) = kept_head(&*store)? {
            head = known;
        }
        read_further(&*store, &mut head)?;
        Ok(Audit {
            store,
            head: Mutex::new(head),
        })
    }

    /// Writes an entry; it is on disk when this returns. Long texts are cut. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store: nothing is written then, or (where the store answers too late) it is all the same.
    pub fn write(
        &self,
        at_ms: u64,
        by: &str,
        what: &str,
        about: &str,
        note: &str,
    ) -> Result<u64, StoreError> {
        let act = Act {
            at_ms,
            by,
            what,
            about,
            note,
        };
        // Alone an entry is only ever second to another entry, and then it is tried again.
        self.write_with(&act, &[])?.ok_or_else(busy)
    }

    /// Does something and writes it down, both or neither. None = what is to be done came second to somebody else's
    /// change, and is not done.
    ///
    /// # Errors
    ///
    /// As [`Audit::write`].
    pub fn write_with(&self, act: &Act<'_>, writes: &[Write]) -> Result<Option<u64>, StoreError> {
        let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..AUDIT_RETRIES {
            let mut entry = AuditEntry {
                number: head.0 + 1,
                at_ms: act.at_ms,
                by: cut(act.by),
                what: cut(act.what),
                about: cut(act.about),
                note: cut(act.note),
                before: head.1.clone(),
                hash: String::new(),
            };
            entry.hash = entry.digest();
            let text = serde_json::to_string(&entry).unwrap_or_default();
            let mut all = writes.to_vec();
            all.push(Write::Append {
                journal: JOURNAL,
                number: entry.number,
                entry: text,
            });
            all.push(Write::Setting {
                name: HEAD.into(),
                value: format!("{} {}", entry.number, entry.hash),
            });
            if self.store.together(all)? {
                *head = (entry.number, entry.hash);
                return Ok(Some(entry.number));
            }
            // Another process was first: with its entry, or with its change.
            let known = head.0;
            read_further(&*self.store, &mut head)?;
            if head.0 == known {
                return Ok(None);
            }
        }
        Err(busy())
    }
}

fn busy() -> StoreError {
    StoreError::Busy {
        url: "audit".into(),
        action: "writing the audit",
    }
}

/// Something that is done, to be written down with it.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Unix ms.
    pub at_ms: u64,
    pub by: &'a str,
    pub what: &'a str,
    pub about: &'a str,
    pub note: &'a str,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("entry {number} is missing")]
    Missing { number: u64 },
    #[error("entry {number} cannot be read")]
    Unreadable { number: u64 },
    #[error("entry {number} was changed")]
    Changed { number: u64 },
    #[error("entry {number} does not follow the one before it")]
    Unchained { number: u64 },
    #[error("the chain ends at {found}; {expected} entries were written")]
    Cut { found: u64, expected: u64 },
    #[error("the last entry, {number}, is not the one that was written last")]
    OtherHead { number: u64 },
}

/// Entries after this number, oldest first; at most [`super::limits::JOURNAL_ROWS`].
///
/// # Errors
///
/// Those of the store. Entries that cannot be read are left out: [`verify`] names them.
pub fn entries(store: &dyn Store, after: u64) -> Result<Vec<AuditEntry>, StoreError> {
    page(store, after).map(|(entries, _)| entries)
}

/// The same, and after which number the next page begins; None = this was the last.
///
/// # Errors
///
/// As [`entries`].
pub fn page(store: &dyn Store, after: u64) -> Result<(Vec<AuditEntry>, Option<u64>), StoreError> {
    let rows = store.journal(JOURNAL, after)?;
    // By what stands there, not by what of it can be read: an entry that cannot hides none behind it.
    let next = rows.last().filter(|_| rows.len() >= JOURNAL_ROWS);
    let next = next.map(|(number, _)| *number);
    let entries = rows
        .iter()
        .filter_map(|(_, text)| serde_json::from_str(text).ok());
    Ok((entries.collect(), next))
}

/// Goes through the whole chain. Ok = as many entries as it holds, none changed, missing or moved.
///
/// # Errors
///
/// The inner one is the first thing found wrong; the outer those of the store.
pub fn verify(store: &dyn Store) -> Result<Result<u64, Broken>, StoreError> {
    let (mut last, mut hash) = (0, origin());
    loop {
        let rows = store.journal(JOURNAL, last)?;
        if rows.is_empty() {
            break;
        }
        for (number, text) in rows {
            let broken = match serde_json::from_str::<AuditEntry>(&text) {
                _ if number != last + 1 => Some(Broken::Missing { number: last + 1 }),
                Err(_) => Some(Broken::Unreadable { number }),
                Ok(entry) if entry.number != number || entry.before != hash => {
                    Some(Broken::Unchained { number })
                }
                Ok(entry) if entry.digest() != entry.hash => Some(Broken::Changed { number }),
                Ok(entry) => {
                    hash = entry.hash;
                    last = number;
                    None
                }
            };
            if let Some(broken) = broken {
                return Ok(Err(broken));
            }
        }
    }
    Ok(match kept_head(store)? {
        Some((expected, _)) if expected > last => Err(Broken::Cut {
            found: last,
            expected,
        }),
        Some((expected, written)) if expected == last && written != hash => {
            Err(Broken::OtherHead { number: last })
        }
        None if last > 0 => Err(Broken::OtherHead { number: last }),
        // A head behind the chain: earlier gateways wrote the two one after the other, and might die in between.
        _ => Ok(last),
    })
}

fn kept_head(store: &dyn Store) -> Result<Option<(u64, String)>, StoreError> {
    let text = store.setting(HEAD)?;
    Ok(text.and_then(|text| {
        let (number, hash) = text.split_once(' ')?;
        Some((number.parse().ok()?, hash.to_string()))
    }))
}

fn read_further(store: &dyn Store, head: &mut (u64, String)) -> Result<(), StoreError> {
    loop {
        let rows = store.journal(JOURNAL, head.0)?;
        if rows.is_empty() {
            return Ok(());
        }
        for (number, text) in rows {
            let entry = serde_json::from_str::<AuditEntry>(&text);
            // What cannot be read breaks the chain here, for everybody to see; writing goes on.
            *head = (number, entry.map_or_else(|_| origin(), |entry| entry.hash));
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(AUDIT_TEXT_MAX).collect()
}
