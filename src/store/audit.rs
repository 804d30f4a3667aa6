//! What was done by whom, in a chain: every entry holds the hash of the one before, so that none can be changed, taken
//! out or moved alone without it being seen. Whoever can write the file can write a whole other chain: number and hash
//! of the last entry, kept somewhere else now and then, show that too. Of several gateways on one store each has its chain,
//! and writes down now and then where the others' chains are: one that was made anew does not fit what others say of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::audit_carried::{Carried, SAID};
use super::audit_entry::{ANCHOR, AuditEntry, CARRIED, ERASED, Kept, LOST, Parts, Shape};
use super::audit_numbers::{Numbers, text};
use super::limits::{AUDIT_RETRIES, AUDIT_TEXT_MAX, ERASED_AT_ONCE, GONE_BACK_PAGES, JOURNAL_ROWS};
use super::{Store, StoreError, Write};

pub const JOURNAL: &str = "audit";
/// Number and hash of the last entry, kept apart from the chain: entries taken from its end are missed.
pub const HEAD: &str = "audit_head";
/// Up to which entry what is said of people was erased by its term.
const TERM: &str = "audit_term";

/// The hash before the first entry.
pub(super) fn origin() -> String {
    "0".repeat(64)
}

/// Writes the chain. One per process; several processes on one store take turns.
pub struct Audit {
    store: Arc<dyn Store>,
    /// Number and hash of the last entry, as far as this process knows.
    head: Mutex<(u64, String)>,
    /// Up to which entry the chains of other gateways are anchored here.
    anchored: Mutex<BTreeMap<String, u64>>,
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
        if let Some(known) = head_of(store.setting(HEAD)?) {
            head = known;
        }
        read_further(&*store, &mut head)?;
        Ok(Audit {
            store,
            head: Mutex::new(head),
            anchored: Mutex::default(),
        })
    }

    /// Writes down where the chains of other gateways on the same store are, as far as more than such entries has come to them. Gives how
    /// many entries that took. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn anchor(&self, at_ms: u64) -> Result<usize, StoreError> {
        let ours = self.store.neighbours();
        let ours = ours.as_ref().map_or("", |ours| ours.node());
        let mut written = 0;
        for node in self.store.writers()? {
            let Some((number, hash)) = kept_head(&*self.store, &node)?.filter(|_| node != ours) else {
                continue;
            };
            let mut anchored = self.anchored.lock().unwrap_or_else(PoisonError::into_inner);
            let known = anchored.get(&node).copied().unwrap_or(0);
            if number > known && has_news(&*self.store, &node, known)? {
                self.write(at_ms, "gateway", ANCHOR, &node, &format!("{number} {hash}"))?;
                written += 1;
            }
            anchored.insert(node, number);
        }
        Ok(written)
    }

    /// Writes down how the entries of older gateways stand, once, before what they say of people is erased: their time and kind are held by
    /// that from then on. True = there were such entries. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn note_carried_over(&self, at_ms: u64) -> Result<bool, StoreError> {
        if self.store.setting(SAID)?.is_some() {
            return Ok(false);
        }
        let Some(note) = Carried::read(&*self.store)?.note() else {
            return Ok(false);
        };
        let act = Act {
            at_ms,
            by: "gateway",
            what: CARRIED,
            about: "",
            note: &note,
        };
        let said = Write::Setting {
            name: SAID.into(),
            value: "1".into(),
        };
        self.write_with(&act, &[said])?.ok_or_else(busy).map(|_| true)
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
            if let Some(number) = self.append(&mut head, act, writes)? {
                return Ok(Some(number));
            }
            // Another process was first: with its entry, or with its change.
            let known = head.0;
            read_further(&*self.store, &mut head)?;
            if head.0 != known {
                continue;
            }
            if !go_back(&*self.store, &mut head)? {
                return Ok(None);
            }
            let note = format!("{} to {known}", head.0 + 1);
            let lost = Act {
                by: "gateway",
                what: LOST,
                about: "",
                note: &note,
                ..*act
            };
            self.append(&mut head, &lost, &[])?;
        }
        Err(busy())
    }

    /// One more entry, and what it is about. None = the chain does not end where it was thought to, or the change came second.
    fn append(
        &self,
        head: &mut (u64, String),
        act: &Act<'_>,
        writes: &[Write],
    ) -> Result<Option<u64>, StoreError> {
        let (entry, parts) = Kept::after(&head.1, head.0 + 1, act).ok_or_else(busy)?;
        let mut all = writes.to_vec();
        all.push(Write::Append {
            journal: JOURNAL,
            number: entry.number,
            entry: entry.text(),
        });
        all.extend(parts.map(|parts| Write::Seal {
            journal: JOURNAL,
            number: entry.number,
            text: parts.text(),
        }));
        all.push(Write::Setting {
            name: HEAD.into(),
            value: format!("{} {}", entry.number, entry.hash),
        });
        if !self.store.together(all)? {
            return Ok(None);
        }
        *head = (entry.number, entry.hash);
        Ok(Some(head.0))
    }

    /// Erases what entries before this time (Unix ms) say of people, by destroying the keys to it; what stays is number, time, kind and
    /// a digest, and the chain. Gives how many entries that were; those about the chain itself say nothing of people. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store: asked again, it goes on where it ended.
    pub fn erase_before(&self, before_ms: u64, at_ms: u64) -> Result<u64, StoreError> {
        let known = self.store.setting(TERM)?.and_then(|text| text.parse().ok());
        let mut done: u64 = known.unwrap_or(0);
        let mut erased = 0;
        // What is written meanwhile says what is done here.
        let end = kept_end(&*self.store)?;
        loop {
            let rows = self.store.journal(JOURNAL, done)?;
            let is_due = |(number, text): &&(u64, String)| {
                *number <= end && Kept::read(text).is_none_or(|entry| entry.at_ms < before_ms)
            };
            let due = rows.iter().take_while(is_due);
            let (mut numbers, mut last) = (Numbers::default(), None);
            for (number, text) in due {
                last = Some(*number);
                let shape = Kept::read(text).and_then(|entry| entry.shape());
                if shape != Some(Shape::Clear) {
                    numbers.add(*number);
                    erased += 1;
                }
            }
            let Some(last) = last else {
                return Ok(erased);
            };
            let (name, value) = (TERM.to_string(), last.to_string());
            match numbers.spans().next() {
                Some(_) => self.erase(&numbers, at_ms, &[Write::Setting { name, value }])?,
                // An entry that says of nothing that it was erased would be due itself one day.
                None => self.store.set_setting(&name, &value)?,
            }
            done = last;
        }
    }

    /// Erases what entries of this gateway say of people wherever somebody of this name stands in one. Gives how many entries that were; with
    /// `is_dry` only that. Looks at all of them, and blocks as long.
    ///
    /// # Errors
    ///
    /// Those of the store: some of it may be erased then, and asking again goes on.
    pub fn erase_name(&self, name: &str, at_ms: u64, is_dry: bool) -> Result<u64, StoreError> {
        let (mut numbers, mut found, mut after) = (Numbers::default(), 0, 0);
        loop {
            let rows = self.store.journal(JOURNAL, after)?;
            let Some((last, _)) = rows.last() else { break };
            let parts = self.store.sealed(JOURNAL, after, *last)?;
            after = *last;
            for (number, text) in parts {
                if Parts::read(&text).is_some_and(|parts| parts.name(name)) {
                    numbers.add(number);
                    found += 1;
                }
            }
        }
        if !is_dry {
            self.erase(&numbers, at_ms, &[])?;
        }
        Ok(found)
    }

    /// Destroys the keys, with an entry that says to which entries; as many at once as such an entry holds, and no more than
    /// [`ERASED_AT_ONCE`]. What else is to be written goes with the last of them.
    fn erase(&self, numbers: &Numbers, at_ms: u64, also: &[Write]) -> Result<(), StoreError> {
        self.note_carried_over(at_ms)?;
        let (mut note, mut writes, mut keys) = (String::new(), Vec::new(), 0);
        let write = |note: &str, writes: &[Write]| {
            let act = Act {
                at_ms,
                by: "gateway",
                what: ERASED,
                about: "",
                note,
            };
            self.write_with(&act, writes)?.ok_or_else(busy)
        };
        for (first, last) in numbers.spans().flat_map(pieces) {
            let span = text((first, last));
            let piece = last - first + 1;
            let is_full = note.len() + span.len() + 2 > AUDIT_TEXT_MAX || keys + piece > ERASED_AT_ONCE;
            if is_full && !note.is_empty() {
                write(&note, &writes)?;
                note.clear();
                writes.clear();
                keys = 0;
            }
            keys += piece;
            note = if note.is_empty() {
                span
            } else {
                format!("{note}, {span}")
            };
            writes.push(Write::Destroy {
                journal: JOURNAL,
                first,
                last,
            });
        }
        if !note.is_empty() {
            writes.extend_from_slice(also);
            write(&note, &writes)?;
        }
        Ok(())
    }
}

/// A span in pieces that are destroyed at once.
fn pieces((first, last): (u64, u64)) -> impl Iterator<Item = (u64, u64)> {
    let starts = (first..=last).step_by(ERASED_AT_ONCE as usize);
    starts.map(move |start| (start, last.min(start + ERASED_AT_ONCE - 1)))
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
    let last = rows.last().map_or(after, |(number, _)| *number);
    let mut parts = store.sealed(JOURNAL, after, last)?;
    let entries = rows.iter().filter_map(|(number, text)| {
        let parts = parts.remove(number).and_then(|text| Parts::read(&text));
        Some(Kept::read(text)?.shown(parts))
    });
    Ok((entries.collect(), next))
}

/// Where to read on for whoever has read up to entry `number`, whose hash was `hash` (empty = not known): there; where the store has gone
/// back behind it since, after the last entry that is still the one he read.
///
/// # Errors
///
/// Those of the store.
pub fn place(store: &dyn Store, number: u64, hash: &str) -> Result<u64, StoreError> {
    if number == 0 {
        return Ok(0);
    }
    let rows = store.journal(JOURNAL, number - 1)?;
    let Some((_, text)) = rows.first().filter(|(at, _)| *at == number) else {
        // Nothing there: the chain ends before it, unless only this one is missing.
        let end = kept_end(store)?;
        return Ok(if rows.is_empty() { end.min(number) } else { number });
    };
    let entry = Kept::read(text);
    if hash.is_empty() || entry.is_none_or(|entry| entry.hash == hash) {
        return Ok(number);
    }
    // Another stands in its place: whoever wrote it said before from where on entries were lost.
    let mut from = number;
    for _ in 0..GONE_BACK_PAGES {
        from = from.saturating_sub(JOURNAL_ROWS as u64);
        let rows = store.journal(JOURNAL, from)?;
        let lost = rows
            .iter()
            .rev()
            .find(|(at, text)| *at <= number && Kept::read(text).is_some_and(|entry| entry.what == LOST));
        if let Some((at, _)) = lost {
            return Ok(at - 1);
        }
        if from == 0 {
            break;
        }
    }
    Ok(number)
}

/// The number of the last entry; 0 = there is none.
///
/// # Errors
///
/// Those of the store.
pub fn kept_end(store: &dyn Store) -> Result<u64, StoreError> {
    Ok(head_of(store.setting(HEAD)?).map_or(0, |(number, _)| number))
}

/// Of each gateway's chain its name, and number and hash of its last entry; where there is one gateway its name is empty.
///
/// # Errors
///
/// Those of the store.
pub fn heads(store: &dyn Store) -> Result<Vec<(String, u64, String)>, StoreError> {
    let mut nodes = store.writers()?;
    if nodes.is_empty() {
        nodes.push(String::new());
    }
    let mut heads = Vec::new();
    for node in nodes {
        if let Some((number, hash)) = kept_head(store, &node)? {
            heads.push((node, number, hash));
        }
    }
    Ok(heads)
}

/// Whether more than anchors came to a chain after this entry.
fn has_news(store: &dyn Store, node: &str, mut after: u64) -> Result<bool, StoreError> {
    loop {
        let rows = store.journal_of(node, JOURNAL, after)?;
        let Some((last, _)) = rows.last() else {
            return Ok(false);
        };
        after = *last;
        let is_news = |(_, text): &(u64, String)| Kept::read(text).is_none_or(|entry| entry.what != ANCHOR);
        if rows.iter().any(is_news) {
            return Ok(true);
        }
    }
}

pub(super) fn kept_head(store: &dyn Store, node: &str) -> Result<Option<(u64, String)>, StoreError> {
    Ok(head_of(store.setting_of(node, HEAD)?))
}

fn head_of(text: Option<String>) -> Option<(u64, String)> {
    let text = text?;
    let (number, hash) = text.split_once(' ')?;
    Some((number.parse().ok()?, hash.to_string()))
}

fn read_further(store: &dyn Store, head: &mut (u64, String)) -> Result<(), StoreError> {
    loop {
        let rows = store.journal(JOURNAL, head.0)?;
        if rows.is_empty() {
            return Ok(());
        }
        for (number, text) in rows {
            // What cannot be read breaks the chain here, for everybody to see; writing goes on.
            *head = (number, Kept::read(&text).map_or_else(origin, |entry| entry.hash));
        }
    }
}

/// A store that lost its last writes (a replica that took over, a disk without power) ends before what was written: the chain goes on
/// from what is there. True = it did.
fn go_back(store: &dyn Store, head: &mut (u64, String)) -> Result<bool, StoreError> {
    let kept = head_of(store.setting(HEAD)?).unwrap_or_else(|| (0, origin()));
    if kept.0 >= head.0 {
        return Ok(false);
    }
    tracing::error!(
        written = head.0,
        found = kept.0,
        "the store has lost audit entries that it had taken; the audit goes on after what is left"
    );
    *head = kept;
    // The head may be behind its chain.
    read_further(store, head)?;
    Ok(true)
}

/// An entry that an older gateway wrote in clear, without what it says of people, and that. None = there is nothing to take out of it.
pub(super) fn carried_over(text: &str) -> Option<(String, String)> {
    let (kept, parts) = Kept::read(text)?.carried_over()?;
    Some((kept.text(), parts.text()))
}
