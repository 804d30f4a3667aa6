//! Goes through the chains of the audit: every entry as it was written, none missing or moved, and each chain as the others wrote it down.

use super::audit::{JOURNAL, kept_head, origin};
use super::audit_carried::Carried;
use super::audit_entry::{ANCHOR, CARRIED, ERASED, Kept, Parts, Shape};
use super::audit_numbers::Numbers;
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
    #[error("entries of an older version are not as entry {number} says that they were carried over")]
    NotAsCarried { number: u64 },
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
    let mut carried = Carried::none();
    // Entries of older gateways come before the first one of another form that tells of people.
    let mut has_sealed = false;
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
                Some(entry) if has_sealed && entry.shape() == Some(Shape::Legacy) => {
                    Some(Broken::Changed { number })
                }
                Some(entry) if entry.what == CARRIED && entry.note != carried.note() => {
                    Some(Broken::NotAsCarried { number })
                }
                Some(entry) => {
                    carried.add(&entry);
                    let shape = entry.shape();
                    has_sealed |= shape == Some(Shape::Sealed);
                    if shape != Some(Shape::Clear) && parts.is_none() {
                        gone.add(number);
                    }
                    // Only of what stands in clear the hash was counted over what it says, and nothing is erased before it is written.
                    if entry.what == ERASED && shape == Some(Shape::Clear) {
                        let said = Numbers::read(entry.note.as_deref().unwrap_or_default());
                        erased.extend(said.map(|(first, last)| (first, last.min(number.saturating_sub(1)))));
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::store::{self, Audit, Write};

    type Rows = BTreeMap<u64, (Value, Option<String>)>;

    fn memory() -> Arc<dyn Store> {
        let url = "sqlite::memory:".into();
        store::open(&store::Config { url }).unwrap()
    }

    /// A chain of eight entries, of which one was erased, and its head.
    fn written() -> (Rows, String) {
        let store = memory();
        let audit = Audit::open(store.clone()).unwrap();
        for at in 1..=6 {
            let by = if at == 2 { "bob" } else { "ann" };
            audit.write(at, by, "sign in", by, "from 192.0.2.1").unwrap();
        }
        assert_eq!(audit.erase_name("bob", 7, false).unwrap(), 1);
        audit.write(8, "ann", "sign in", "ann", "").unwrap();
        assert_eq!(verify(&*store).unwrap(), Ok(8));
        let mut parts = store.sealed(JOURNAL, 0, 8).unwrap();
        let rows = store.journal(JOURNAL, 0).unwrap().into_iter();
        let rows = rows.map(|(number, text)| {
            let entry = serde_json::from_str(&text).unwrap();
            (number, (entry, parts.remove(&number)))
        });
        (rows.collect(), store.setting("audit_head").unwrap().unwrap())
    }

    fn check(rows: &Rows, head: &str, expected: Result<u64, Broken>) {
        let store = memory();
        let mut writes = vec![Write::Setting {
            name: "audit_head".into(),
            value: head.into(),
        }];
        for (number, (entry, parts)) in rows {
            let (journal, number) = (JOURNAL, *number);
            let entry = entry.to_string();
            writes.push(Write::Append {
                journal,
                number,
                entry,
            });
            writes.extend(parts.clone().map(|text| Write::Seal {
                journal,
                number,
                text,
            }));
        }
        assert!(store.together(writes).unwrap());
        assert_eq!(verify(&*store).unwrap(), expected, "{rows:?}");
    }

    fn forged(number: u64, forge: impl FnOnce(&mut Value, &mut Option<String>), expected: Broken) {
        let (mut rows, head) = written();
        check(&rows, &head, Ok(8));
        let (entry, parts) = rows.get_mut(&number).unwrap();
        forge(entry, parts);
        check(&rows, &head, Err(expected));
    }

    fn bare(entry: &mut Value) {
        for field in ["by", "about", "note", "people"] {
            entry.as_object_mut().unwrap().remove(field);
        }
    }

    #[test]
    fn an_entry_that_was_made_to_look_like_an_old_erased_one_is_found_out() {
        for number in [3, 8] {
            let forge = |entry: &mut Value, parts: &mut Option<String>| {
                bare(entry);
                entry["what"] = json!("policy save");
                *parts = None;
            };
            forged(number, forge, Broken::Changed { number });
        }
        // The first of all: older gateways wrote it perhaps, but nobody says that it was erased.
        let forge = |entry: &mut Value, parts: &mut Option<String>| {
            bare(entry);
            *parts = None;
        };
        forged(1, forge, Broken::Taken { number: 1 });
    }

    #[test]
    fn nothing_is_believed_of_an_erasure_whose_hash_does_not_fit() {
        // In an entry of another kind, beside its digest and without it, and in the one that says so.
        let kinds: [(u64, &[&str]); 4] = [
            (3, &["people"]),
            (3, &[]),
            (1, &["people"]),
            (7, &["by", "about"]),
        ];
        for (number, without) in kinds {
            let forge = |entry: &mut Value, parts: &mut Option<String>| {
                entry["what"] = json!(ERASED);
                entry["note"] = json!("1 to 8");
                for field in without {
                    entry.as_object_mut().unwrap().remove(*field);
                }
                *parts = None;
            };
            forged(number, forge, Broken::Changed { number });
        }
        let note = |entry: &mut Value, _: &mut Option<String>| entry["note"] = json!("1 to 8");
        forged(7, note, Broken::Changed { number: 7 });
        let all = |entry: &mut Value, _: &mut Option<String>| {
            bare(entry);
            entry["note"] = json!("1 to 8");
        };
        forged(7, all, Broken::Changed { number: 7 });
    }

    /// Entries of a gateway that wrote in clear what they say of people, carried over.
    fn carried_over() -> Arc<dyn Store> {
        let store = memory();
        let (mut before, mut writes) = (origin(), Vec::new());
        for number in 1..=3 {
            let texts = ["ann", "/api/v1/users/bob", "200"].map(String::from);
            let entry = Kept::in_clear_after(&before, number, "sign in", texts);
            before.clone_from(&entry.hash);
            let (kept, parts) = entry.carried_over().unwrap();
            let (journal, entry) = (JOURNAL, kept.text());
            writes.push(Write::Append {
                journal,
                number,
                entry,
            });
            writes.push(Write::Seal {
                journal,
                number,
                text: parts.text(),
            });
        }
        assert!(store.together(writes).unwrap());
        store
    }

    #[test]
    fn time_and_kind_of_an_old_entry_that_was_erased_cannot_be_written_anew() {
        let store = carried_over();
        let audit = Audit::open(store.clone()).unwrap();
        assert_eq!(audit.erase_name("ann", 4, false).unwrap(), 3);
        assert!(
            !audit.note_carried_over(5).unwrap(),
            "said once, before they were erased"
        );
        // Three of old, what is said of them, and that they were erased.
        assert_eq!(verify(&*store).unwrap(), Ok(5));
        let head = store.setting("audit_head").unwrap().unwrap();
        let rows: Rows = store
            .journal(JOURNAL, 0)
            .unwrap()
            .into_iter()
            .map(|(number, text)| (number, (serde_json::from_str(&text).unwrap(), None)))
            .collect();
        check(&rows, &head, Ok(5));
        for (field, value) in [("at_ms", json!(1)), ("what", json!("policy save"))] {
            let mut rows = rows.clone();
            rows.get_mut(&2).unwrap().0[field] = value;
            check(&rows, &head, Err(Broken::NotAsCarried { number: 4 }));
        }
    }

    #[test]
    fn where_there_are_no_old_entries_nothing_is_said_of_them() {
        let store = memory();
        let audit = Audit::open(store.clone()).unwrap();
        assert!(!audit.note_carried_over(1).unwrap());
        audit.write(2, "ann", "sign in", "ann", "").unwrap();
        assert!(!audit.note_carried_over(3).unwrap());
        assert_eq!(verify(&*store).unwrap(), Ok(1));
        // Nobody else can say it.
        audit
            .write(4, "gateway", CARRIED, "", "1 entries up to 1: 00")
            .unwrap();
        assert_eq!(verify(&*store).unwrap(), Err(Broken::NotAsCarried { number: 2 }));
    }

    #[test]
    fn a_field_beside_the_digest_takes_nothing_away() {
        for field in ["by", "about", "note"] {
            let forge = |entry: &mut Value, parts: &mut Option<String>| {
                entry[field] = json!("");
                *parts = None;
            };
            forged(3, forge, Broken::Changed { number: 3 });
        }
        let only_taken = |_: &mut Value, parts: &mut Option<String>| *parts = None;
        forged(3, only_taken, Broken::Taken { number: 3 });
    }

    #[test]
    fn an_entry_says_nothing_of_the_erasure_of_later_ones() {
        let store = memory();
        let audit = Audit::open(store.clone()).unwrap();
        audit.write(1, "ann", "sign in", "ann", "").unwrap();
        audit.write(2, "gateway", ERASED, "", "1 to 3").unwrap();
        audit.write(3, "ann", "sign in", "ann", "").unwrap();
        let destroy = |number| {
            let destroyed = store.together(vec![Write::Destroy {
                journal: JOURNAL,
                first: number,
                last: number,
            }]);
            assert!(destroyed.unwrap());
        };
        destroy(1);
        assert_eq!(verify(&*store).unwrap(), Ok(3));
        destroy(3);
        assert_eq!(verify(&*store).unwrap(), Err(Broken::Taken { number: 3 }));
    }
}
