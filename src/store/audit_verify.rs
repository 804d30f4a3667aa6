//! Goes through the chains of the audit: every entry as it was written, none missing or moved, and each chain as the others wrote it down.

use super::audit::{JOURNAL, kept_head, origin};
use super::audit_entry::{ANCHOR, ERASED, Kept, Numbers, Parts};
use super::{Store, StoreError};

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
    #[error("what entry {number} says of people is gone, and no entry says that it was erased")]
    Taken { number: u64 },
    #[error("entry {number} is not the one that {node} wrote down at its entry {at}")]
    NotAsAnchored { number: u64, node: String, at: u64 },
    /// Of several gateways' chains it is that of this one.
    #[error("the chain of {node}: {broken}")]
    At { node: String, broken: Box<Broken> },
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
        let entry = Kept::read(&text);
        number == anchor.number && entry.is_some_and(|entry| entry.hash == anchor.hash)
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
    // Of which entries nothing is said of people any more, and of which that was said.
    let (mut gone, mut erased) = (Numbers::default(), Vec::new());
    loop {
        let rows = store.journal_of(node, JOURNAL, last)?;
        let Some((end, _)) = rows.last() else { break };
        let mut parts = store.sealed_of(node, JOURNAL, last, *end)?;
        for (number, text) in rows {
            let parts = parts.remove(&number).and_then(|text| Parts::read(&text));
            let broken = match Kept::read(&text) {
                _ if number != last + 1 => Some(Broken::Missing { number: last + 1 }),
                None => Some(Broken::Unreadable { number }),
                Some(entry) if entry.number != number || entry.before != hash => {
                    Some(Broken::Unchained { number })
                }
                Some(entry) if !entry.is_as_written(parts.as_ref()) => Some(Broken::Changed { number }),
                Some(entry) => {
                    if entry.is_sealed() && parts.is_none() {
                        gone.add(number);
                    }
                    if entry.what == ERASED {
                        erased.extend(Numbers::read(entry.note.as_deref().unwrap_or_default()));
                    }
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
    if let Some(number) = first_taken(&gone, erased) {
        return Ok(Err(Broken::Taken { number }));
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

/// The first entry that is bare though none says that it was erased.
fn first_taken(gone: &Numbers, mut erased: Vec<(u64, u64)>) -> Option<u64> {
    erased.sort_unstable();
    gone.spans().find_map(|(mut first, last)| {
        for (from, to) in &erased {
            if (*from..=*to).contains(&first) {
                first = to.saturating_add(1);
            }
        }
        (first <= last).then_some(first)
    })
}

fn anchor_in(by: &str, entry: &Kept) -> Option<Anchor> {
    let note = entry.note.as_deref().filter(|_| entry.what == ANCHOR)?;
    let (number, hash) = note.split_once(' ')?;
    Some(Anchor {
        by: by.into(),
        at: entry.number,
        node: entry.about.clone()?,
        number: number.parse().ok()?,
        hash: hash.into(),
    })
}
