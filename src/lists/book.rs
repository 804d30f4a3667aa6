//! The book of all lists: what stands in it, and what becomes of a wish to change it.
//!
//! Pure: a wish gives a [`Change`] or is refused; whoever keeps the book writes the change down first and applies it then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::entry::{Draft, Entry};
use super::limits::{ENTRIES_MAX, NAMED_MAX};
use super::lookup::Lookup;
use crate::screening::List;

#[derive(Clone, Debug, Default)]
pub struct Book {
    revision: u64,
    /// The last number that was given to an entry.
    last: u64,
    entries: BTreeMap<u64, Arc<Entry>>,
    /// What each list has only once.
    keys: HashMap<(List, String), u64>,
}

/// What is to be done with the book, all of it or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub puts: Vec<Entry>,
    pub removes: Vec<u64>,
}

impl Change {
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.removes.is_empty()
    }
}

/// How much there is room for: entries of all lists, and of one list of names.
#[derive(Clone, Copy)]
struct Room {
    entries: usize,
    named: usize,
}

const ROOM: Room = Room {
    entries: ENTRIES_MAX,
    named: NAMED_MAX,
};

/// Who writes, and when (Unix ms).
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    pub by: &'a str,
    pub at_ms: u64,
}

/// What becomes of the entries of a list that a file does not mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    Stays,
    Goes,
}

/// What a file did, or would do, to its list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub added: usize,
    pub changed: usize,
    pub unchanged: usize,
    pub removed: usize,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such entry")]
    NoSuchEntry,
    #[error("the entry was changed in the meantime")]
    Changed,
    #[error("the list has it already, as entry {0}")]
    Taken(u64),
    #[error("the lists are full")]
    Full,
}

impl Book {
    /// As it was kept. Should two entries of a list have one key, both stay: the store had them.
    pub fn restore(revision: u64, last: u64, entries: impl Iterator<Item = Entry>) -> Book {
        let mut book = Book {
            revision,
            last,
            ..Book::default()
        };
        for entry in entries {
            book.put(entry);
        }
        book
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The last number that was given to an entry, of those that are gone as well.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// What shards look at.
    pub fn lookup(&self) -> Lookup {
        Lookup::of(self.revision, self.entries.values().cloned())
    }

    pub fn entry(&self, list: List, id: u64) -> Option<&Arc<Entry>> {
        self.entries.get(&id).filter(|entry| entry.list == list)
    }

    /// By their numbers, from the one after this on.
    pub fn entries(&self, list: List, after: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let behind = self
            .entries
            .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        behind
            .map(|(_, entry)| entry)
            .filter(move |entry| entry.list == list)
    }

    /// A new entry.
    ///
    /// # Errors
    ///
    /// The list has its number or name already, or is full.
    pub fn add(&self, list: List, draft: Draft, author: Author<'_>) -> Result<Change, Refused> {
        if let Some(known) = self.keys.get(&(list, draft.key())) {
            return Err(Refused::Taken(*known));
        }
        let entry = self.written(self.last + 1, list, draft, author);
        let change = Change {
            puts: vec![entry],
            removes: Vec::new(),
        };
        self.with_room(change, author.at_ms, ROOM)
    }

    /// Another text for an entry. `seen`: the revision at which the asker saw it; None = whichever.
    ///
    /// # Errors
    ///
    /// There is none, it is another one by now, or another entry has the new number or name.
    pub fn change(
        &self,
        list: List,
        id: u64,
        seen: Option<u64>,
        draft: Draft,
        author: Author<'_>,
    ) -> Result<Change, Refused> {
        self.seen(list, id, seen)?;
        if let Some(known) = self.keys.get(&(list, draft.key())).filter(|known| **known != id) {
            return Err(Refused::Taken(*known));
        }
        Ok(Change {
            puts: vec![self.written(id, list, draft, author)],
            removes: Vec::new(),
        })
    }

    /// Takes an entry away.
    ///
    /// # Errors
    ///
    /// There is none, or it is another one by now.
    pub fn remove(&self, list: List, id: u64, seen: Option<u64>) -> Result<Change, Refused> {
        self.seen(list, id, seen)?;
        Ok(Change {
            puts: Vec::new(),
            removes: vec![id],
        })
    }

    /// Many entries at once: new ones are added, known numbers and names get the new text, and one that says the same
    /// already stays untouched. No key may come twice in `drafts`.
    ///
    /// # Errors
    ///
    /// The list is full.
    pub fn import(
        &self,
        list: List,
        drafts: Vec<Draft>,
        rest: Rest,
        author: Author<'_>,
    ) -> Result<(Change, Summary), Refused> {
        let (mut change, mut summary) = (Change::default(), Summary::default());
        let mut last = self.last;
        let mut mentioned = std::collections::BTreeSet::new();
        for draft in drafts {
            let known = self
                .keys
                .get(&(list, draft.key()))
                .and_then(|id| self.entries.get(id));
            let id = match known {
                Some(entry) => {
                    mentioned.insert(entry.id);
                    if entry.what == draft {
                        summary.unchanged += 1;
                        continue;
                    }
                    summary.changed += 1;
                    entry.id
                }
                None => {
                    summary.added += 1;
                    last += 1;
                    last
                }
            };
            change.puts.push(self.written(id, list, draft, author));
        }
        if rest == Rest::Goes {
            let others = self
                .entries(list, 0)
                .filter(|entry| !mentioned.contains(&entry.id));
            change.removes.extend(others.map(|entry| entry.id));
            summary.removed = change.removes.len();
        }
        Ok((self.with_room(change, author.at_ms, ROOM)?, summary))
    }

    /// Does what was written down.
    pub fn apply(&mut self, change: &Change) {
        self.revision += 1;
        for id in &change.removes {
            self.take(*id);
        }
        for entry in &change.puts {
            self.take(entry.id);
            self.put(entry.clone());
        }
    }

    fn put(&mut self, entry: Entry) {
        self.last = self.last.max(entry.id);
        self.keys.insert((entry.list, entry.what.key()), entry.id);
        self.entries.insert(entry.id, Arc::new(entry));
    }

    fn take(&mut self, id: u64) {
        if let Some(entry) = self.entries.remove(&id) {
            let key = (entry.list, entry.what.key());
            if self.keys.get(&key) == Some(&id) {
                self.keys.remove(&key);
            }
        }
    }

    fn seen(&self, list: List, id: u64, seen: Option<u64>) -> Result<(), Refused> {
        let entry = self.entry(list, id).ok_or(Refused::NoSuchEntry)?;
        match seen {
            Some(revision) if revision != entry.revision => Err(Refused::Changed),
            _ => Ok(()),
        }
    }

    fn written(&self, id: u64, list: List, what: Draft, author: Author<'_>) -> Entry {
        Entry {
            id,
            list,
            what,
            by: author.by.into(),
            at_ms: author.at_ms,
            revision: self.revision + 1,
        }
    }

    /// The change, with as many expired entries taken away as it needs to fit.
    fn with_room(&self, mut change: Change, now_ms: u64, room: Room) -> Result<Change, Refused> {
        let is_new = |entry: &&Entry| !self.entries.contains_key(&entry.id);
        let more = change.puts.iter().filter(is_new).count();
        let named = |list: List| {
            let puts = change
                .puts
                .iter()
                .filter(is_new)
                .filter(|entry| entry.list == list)
                .count();
            let gone = |id: &&u64| self.entry(list, **id).is_some();
            list.is_of_names().then(|| {
                (self.entries(list, 0).count() + puts)
                    .saturating_sub(change.removes.iter().filter(gone).count())
            })
        };
        if List::ALL
            .iter()
            .filter_map(|list| named(*list))
            .any(|count| count > room.named)
        {
            return Err(Refused::Full);
        }
        let over = (self.entries.len() + more)
            .saturating_sub(change.removes.len())
            .saturating_sub(room.entries);
        if over > 0 {
            let kept: std::collections::BTreeSet<u64> = change.puts.iter().map(|entry| entry.id).collect();
            let gone: std::collections::BTreeSet<u64> = change.removes.iter().copied().collect();
            let expired = self.entries.values().filter(|entry| {
                entry.is_expired(now_ms) && !kept.contains(&entry.id) && !gone.contains(&entry.id)
            });
            let expired: Vec<u64> = expired.take(over).map(|entry| entry.id).collect();
            if expired.len() < over {
                return Err(Refused::Full);
            }
            change.removes.extend(expired);
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::{Plan, Written};

    const ANN: Author<'_> = Author {
        by: "ann",
        at_ms: 100,
    };

    fn draft(list: List, number: &str, reason: &str, expires_ms: Option<u64>) -> Draft {
        let written = Written {
            numbers: vec![number.into()],
            reason: reason.into(),
            expires_ms,
            ..Written::default()
        };
        Draft::of(list, &written, Plan::default()).unwrap()
    }

    fn blocked(number: u64) -> Draft {
        draft(List::Block, &format!("+1404{number:07}"), "spam", None)
    }

    #[test]
    fn an_entry_is_added_once_changed_by_who_saw_it_and_removed() {
        let mut book = Book::default();
        let add = book.add(List::Block, blocked(1), ANN).unwrap();
        book.apply(&add);
        assert_eq!((book.revision(), book.last()), (1, 1));
        assert_eq!(book.add(List::Block, blocked(1), ANN), Err(Refused::Taken(1)));
        let other_list = book.add(List::Allow, blocked(1), ANN).unwrap();
        book.apply(&other_list);
        assert_eq!(
            book.change(List::Block, 1, Some(9), blocked(2), ANN),
            Err(Refused::Changed)
        );
        let change = book.change(List::Block, 1, Some(1), blocked(2), ANN).unwrap();
        book.apply(&change);
        assert_eq!(book.entry(List::Block, 1).unwrap().revision, 3);
        assert_eq!(book.add(List::Block, blocked(2), ANN), Err(Refused::Taken(1)));
        assert!(
            book.add(List::Block, blocked(1), ANN).is_ok(),
            "its old number is free"
        );
        assert_eq!(
            book.remove(List::Allow, 1, None),
            Err(Refused::NoSuchEntry),
            "of another list"
        );
        let remove = book.remove(List::Block, 1, Some(3)).unwrap();
        book.apply(&remove);
        assert_eq!(book.entry(List::Block, 1), None);
        let add = book.add(List::Block, blocked(5), ANN).unwrap();
        assert_eq!(add.puts[0].id, 3, "no number is given twice");
    }

    #[test]
    fn a_file_adds_changes_leaves_and_may_remove() {
        let mut book = Book::default();
        for number in 1..=3 {
            let add = book.add(List::Block, blocked(number), ANN).unwrap();
            book.apply(&add);
        }
        let other = draft(List::Block, "+14040000002", "worse than spam", None);
        let drafts = vec![blocked(1), other, blocked(9)];
        let (change, summary) = book.import(List::Block, drafts, Rest::Goes, ANN).unwrap();
        let expected = Summary {
            added: 1,
            changed: 1,
            unchanged: 1,
            removed: 1,
        };
        assert_eq!(summary, expected);
        book.apply(&change);
        let found: Vec<(u64, String)> = book
            .entries(List::Block, 0)
            .map(|entry| (entry.id, entry.what.title()))
            .collect();
        let told = |id, number: &str| (id, number.to_string());
        assert_eq!(
            found,
            [
                told(1, "+14040000001"),
                told(2, "+14040000002"),
                told(4, "+14040000009")
            ]
        );
        let again = Book::restore(
            book.revision(),
            book.last(),
            book.entries(List::Block, 0).map(|entry| (**entry).clone()),
        );
        assert_eq!(format!("{:?}", again.entries), format!("{:?}", book.entries));
        assert_eq!(again.keys, book.keys);
    }

    #[test]
    fn what_has_expired_makes_room_and_nothing_else_does() {
        let mut book = Book::default();
        for (number, expires_ms) in [(1, None), (2, Some(50)), (3, Some(100)), (4, Some(101))] {
            let draft = draft(List::Block, &format!("+1404{number:07}"), "spam", expires_ms);
            let add = book.add(List::Block, draft, ANN).unwrap();
            book.apply(&add);
        }
        let room = |named| Room { entries: 4, named };
        let import = |numbers: std::ops::Range<u64>| {
            let (change, _) = book
                .import(List::Block, numbers.map(blocked).collect(), Rest::Stays, ANN)
                .unwrap();
            book.with_room(change, ANN.at_ms, room(4))
        };
        assert_eq!(import(5..6).unwrap().removes, [2]);
        assert_eq!(import(5..7).unwrap().removes, [2, 3]);
        assert_eq!(import(5..8).unwrap_err(), Refused::Full);
        assert_eq!(import(1..2).unwrap().removes, [0; 0], "it is there already");
        let jane = Written {
            name: "Jane Doe".into(),
            reason: "x".into(),
            ..Written::default()
        };
        let jane = Draft::of(List::Executives, &jane, Plan::default()).unwrap();
        let add = book.add(List::Executives, jane, ANN).unwrap();
        let add = |named| book.with_room(add.clone(), ANN.at_ms, room(named));
        assert_eq!(
            (add(0).unwrap_err(), add(1).unwrap().removes),
            (Refused::Full, vec![2])
        );
    }
}
