//! What was done by whom, in a chain: every entry holds the hash of the one before, so that none can be changed, taken
//! out or moved alone without it being seen. Whoever can write the file can write a whole other chain: number and hash
//! of the last entry, kept somewhere else now and then, show that too. Of several gateways on one store each has its chain,
//! and writes down now and then where the others' chains are: one that was made anew does not fit what others say of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::limits::{AUDIT_RETRIES, AUDIT_TEXT_MAX, GONE_BACK_PAGES, JOURNAL_ROWS};
use super::{Store, StoreError, Write};

const JOURNAL: &str = "audit";
/// Number and hash of the last entry, kept apart from the chain: entries taken from its end are missed.
const HEAD: &str = "audit_head";
/// An entry that says which entries the store had taken and has no more.
const LOST: &str = "audit lost";
/// An entry that says where the chain of another gateway is: `about` its name, `note` number and hash.
const ANCHOR: &str = "audit anchor";

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
        if !self.store.together(all)? {
            return Ok(None);
        }
        *head = (entry.number, entry.hash);
        Ok(Some(head.0))
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
    #[error("entry {number} is not the one that {node} wrote down at its entry {at}")]
    NotAsAnchored { number: u64, node: String, at: u64 },
    /// Of several gateways' chains it is that of this one.
    #[error("the chain of {node}: {broken}")]
    At { node: String, broken: Box<Broken> },
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
    let entry = serde_json::from_str::<AuditEntry>(text);
    if hash.is_empty() || entry.map_or(true, |entry| entry.hash == hash) {
        return Ok(number);
    }
    // Another stands in its place: whoever wrote it said before from where on entries were lost.
    let mut from = number;
    for _ in 0..GONE_BACK_PAGES {
        from = from.saturating_sub(JOURNAL_ROWS as u64);
        let rows = store.journal(JOURNAL, from)?;
        let lost = rows.iter().rev().find(|(at, text)| {
            *at <= number && serde_json::from_str::<AuditEntry>(text).is_ok_and(|entry| entry.what == LOST)
        });
        if let Some((at, _)) = lost {
            return Ok(at - 1);
        }
        if from == 0 {
            break;
        }
    }
    Ok(number)
}

fn kept_end(store: &dyn Store) -> Result<u64, StoreError> {
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

/// Goes through the whole chain, or those of all gateways on this store. Ok = as many entries as there are, none changed,
/// missing or moved, and each chain as the others wrote it down.
///
/// # Errors
///
/// The inner one is the first thing found wrong; the outer those of the store.
pub fn verify(store: &dyn Store) -> Result<Result<u64, Broken>, StoreError> {
    let nodes = store.writers()?;
    if nodes.is_empty() {
        return verify_one(store, "", &mut Vec::new());
    }
    let (mut entries, mut anchors) = (0, Vec::new());
    for node in &nodes {
        match verify_one(store, node, &mut anchors)? {
            Ok(more) => entries += more,
            Err(broken) => return Ok(Err(at(node, broken))),
        }
    }
    for anchor in anchors {
        if !holds(store, &anchor)? {
            let broken = Broken::NotAsAnchored {
                number: anchor.number,
                node: anchor.by,
                at: anchor.at,
            };
            return Ok(Err(at(&anchor.node, broken)));
        }
    }
    Ok(Ok(entries))
}

fn at(node: &str, broken: Broken) -> Broken {
    Broken::At {
        node: node.into(),
        broken: Box::new(broken),
    }
}

/// What one gateway wrote down of the chain of another.
struct Anchor {
    by: String,
    /// At which entry of its own.
    at: u64,
    node: String,
    number: u64,
    hash: String,
}

fn holds(store: &dyn Store, anchor: &Anchor) -> Result<bool, StoreError> {
    let before = anchor.number.saturating_sub(1);
    let entry = store
        .journal_of(&anchor.node, JOURNAL, before)?
        .into_iter()
        .next();
    Ok(entry.is_some_and(|(number, text)| {
        let entry = serde_json::from_str::<AuditEntry>(&text);
        number == anchor.number && entry.is_ok_and(|entry| entry.hash == anchor.hash)
    }))
}

/// One chain; adds what it says of others.
fn verify_one(
    store: &dyn Store,
    node: &str,
    anchors: &mut Vec<Anchor>,
) -> Result<Result<u64, Broken>, StoreError> {
    // Before the chain: what is written meanwhile is more than the head promises, and never less.
    let head = kept_head(store, node)?;
    let (mut last, mut hash) = (0, origin());
    let mut hash_at_head = None;
    loop {
        let rows = store.journal_of(node, JOURNAL, last)?;
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
                    anchors.extend(anchor_in(node, &entry));
                    hash = entry.hash;
                    last = number;
                    if head.as_ref().is_some_and(|(at_head, _)| *at_head == number) {
                        hash_at_head = Some(hash.clone());
                    }
                    None
                }
            };
            if let Some(broken) = broken {
                return Ok(Err(broken));
            }
        }
    }
    Ok(match head {
        Some((expected, _)) if expected > last => Err(Broken::Cut {
            found: last,
            expected,
        }),
        Some((expected, written)) if hash_at_head.is_some_and(|hash| hash != written) => {
            Err(Broken::OtherHead { number: expected })
        }
        None if last > 0 => Err(Broken::OtherHead { number: last }),
        // A head behind the chain: earlier gateways wrote the two one after the other, and might die in between.
        _ => Ok(last),
    })
}

fn anchor_in(by: &str, entry: &AuditEntry) -> Option<Anchor> {
    let (number, hash) = entry.note.split_once(' ').filter(|_| entry.what == ANCHOR)?;
    Some(Anchor {
        by: by.into(),
        at: entry.number,
        node: entry.about.clone(),
        number: number.parse().ok()?,
        hash: hash.into(),
    })
}

/// Whether more than anchors came to a chain after this entry.
fn has_news(store: &dyn Store, node: &str, mut after: u64) -> Result<bool, StoreError> {
    loop {
        let rows = store.journal_of(node, JOURNAL, after)?;
        let Some((last, _)) = rows.last() else {
            return Ok(false);
        };
        after = *last;
        let is_news = |(_, text): &(u64, String)| {
            serde_json::from_str::<AuditEntry>(text).map_or(true, |entry| entry.what != ANCHOR)
        };
        if rows.iter().any(is_news) {
            return Ok(true);
        }
    }
}

fn kept_head(store: &dyn Store, node: &str) -> Result<Option<(u64, String)>, StoreError> {
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
            let entry = serde_json::from_str::<AuditEntry>(&text);
            // What cannot be read breaks the chain here, for everybody to see; writing goes on.
            *head = (number, entry.map_or_else(|_| origin(), |entry| entry.hash));
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

fn cut(text: &str) -> String {
    text.chars().take(AUDIT_TEXT_MAX).collect()
}
