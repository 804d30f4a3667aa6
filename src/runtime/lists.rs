//! Keeps the lists in the store and has the shards look at them as they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock;
use crate::document::Fault;
use crate::lists::{
    Author, Book, Change, Draft, Entry, FileKind, Lookup, Plan, Refused, Rest, Summary, Written, from_file,
};
use crate::screening::List;
use crate::store::{Act, Audit, Store, StoreError, Write};

/// The shelf in the store.
const SHELF: &str = "lists";
/// The document with the last number that was given to an entry; the others go by the entry's number.
const LAST: &str = "last";

/// Has every shard look at these.
pub type Tell = dyn Fn(Arc<Lookup>) + Send + Sync;

/// Shared by whoever changes lists.
pub struct ListKeeper {
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
    tell: Box<Tell>,
    plan: Plan,
    /// Held while the disk is written: only for threads that may wait.
    desk: Mutex<()>,
    /// What everybody looks at; held for moments.
    shown: Mutex<Shown>,
}

struct Shown {
    book: Arc<Book>,
    lookup: Arc<Lookup>,
    /// What the shards looked at before. Taken apart here, at the next change, and not by the shard that lets go of it
    /// last: that may take milliseconds.
    _before: Option<Arc<Lookup>>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("what was written is no entry")]
    Faults(Vec<Fault>),
    #[error("the lists were changed from elsewhere; try again")]
    Raced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ListKeeper {
    /// Reads the lists. `plan`: whose numbers are meant where no country code is written.
    ///
    /// # Errors
    ///
    /// Those of the store. An entry that cannot be read is left out, and the log says so.
    pub fn open(
        store: Arc<dyn Store>,
        audit: Arc<Audit>,
        plan: Plan,
        tell: Box<Tell>,
    ) -> Result<ListKeeper, StoreError> {
        let shown = Shown::of(read(&*store)?);
        Ok(ListKeeper {
            store,
            audit,
            tell,
            plan,
            desk: Mutex::new(()),
            shown: Mutex::new(shown),
        })
    }

    pub fn book(&self) -> Arc<Book> {
        self.shown().book.clone()
    }

    /// What the shards look at now.
    pub fn lookup(&self) -> Arc<Lookup> {
        self.shown().lookup.clone()
    }

    /// Adds an entry; it is on disk, and every shard has been told, when this returns. A call that comes in that moment may
    /// still be judged without it.
    ///
    /// # Errors
    ///
    /// [`Problem`]; nothing is changed then.
    pub fn add(&self, list: List, written: &Written, by: &str) -> Result<Arc<Entry>, Problem> {
        let draft = self.draft(list, written)?;
        let _desk = self.desk();
        let change = self.book().add(list, draft, author(by))?;
        let id = change.puts.first().map_or(0, |entry| entry.id);
        self.carry_out(&change, by, "list add", &format!("{list}, entry {id}"), "")?;
        self.one(list, id)
    }

    /// Another text for an entry. `seen`: the revision at which whoever asks saw it; None = whichever.
    ///
    /// # Errors
    ///
    /// As [`ListKeeper::add`].
    pub fn change(
        &self,
        list: List,
        id: u64,
        seen: Option<u64>,
        written: &Written,
        by: &str,
    ) -> Result<Arc<Entry>, Problem> {
        let draft = self.draft(list, written)?;
        let _desk = self.desk();
        let change = self.book().change(list, id, seen, draft, author(by))?;
        self.carry_out(&change, by, "list change", &format!("{list}, entry {id}"), "")?;
        self.one(list, id)
    }

    /// Takes an entry away.
    ///
    /// # Errors
    ///
    /// As [`ListKeeper::add`].
    pub fn remove(&self, list: List, id: u64, seen: Option<u64>, by: &str) -> Result<(), Problem> {
        let _desk = self.desk();
        let change = self.book().remove(list, id, seen)?;
        self.carry_out(&change, by, "list remove", &format!("{list}, entry {id}"), "")
    }

    /// Reads a file in. `is_dry`: only says what it would do. Also gives the book's revision afterwards.
    ///
    /// # Errors
    ///
    /// As [`ListKeeper::add`]; all faults of the file at once, by their lines.
    pub fn import(
        &self,
        list: List,
        (kind, text): (FileKind, &str),
        rest: Rest,
        is_dry: bool,
        by: &str,
    ) -> Result<(Summary, u64), Problem> {
        let drafts = from_file(kind, list, text, self.plan).map_err(Problem::Faults)?;
        let _desk = self.desk();
        let book = self.book();
        let (change, summary) = book.import(list, drafts, rest, author(by))?;
        if !is_dry && !change.is_empty() {
            let Summary {
                added,
                changed,
                unchanged,
                removed,
            } = summary;
            let note = format!("{added} added, {changed} changed, {unchanged} unchanged, {removed} removed");
            self.carry_out(&change, by, "list import", list.name(), &note)?;
        }
        Ok((summary, self.book().revision()))
    }

    /// Another gateway on the same store has changed them: every shard has been told when this returns. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; what was known stays.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let _desk = self.desk();
        let book = read(&*self.store)?;
        if book.revision() > self.book().revision() {
            self.show(Shown::of(book));
        }
        Ok(())
    }

    /// A number as people write it, as calls show it.
    pub fn canonical(&self, number: &str) -> Option<String> {
        self.plan.canonical(number)
    }

    /// What an entry would be about, as lists show it.
    ///
    /// # Errors
    ///
    /// Its faults.
    pub fn title(&self, list: List, written: &Written) -> Result<String, Problem> {
        Ok(self.draft(list, written)?.title())
    }

    fn draft(&self, list: List, written: &Written) -> Result<Draft, Problem> {
        let fault = |message: String| Fault {
            file: "entry".into(),
            line: 1,
            column: 1,
            message,
            suggestion: None,
        };
        let draft = Draft::of(list, written, self.plan);
        draft.map_err(|faults| Problem::Faults(faults.into_iter().map(fault).collect()))
    }

    fn one(&self, list: List, id: u64) -> Result<Arc<Entry>, Problem> {
        let book = self.book();
        let entry = book.entry(list, id).cloned();
        entry.ok_or(Problem::Refused(Refused::NoSuchEntry))
    }

    /// First on disk, with its entry in the audit, then in the book and on the shards. The audit names no number: those stand in the lists.
    fn carry_out(
        &self,
        change: &Change,
        by: &str,
        what: &str,
        about: &str,
        note: &str,
    ) -> Result<(), Problem> {
        let mut book = (*self.book()).clone();
        let revision = book.revision() + 1;
        book.apply(change);
        let removes = change.removes.iter().map(|id| (key(*id), None));
        let puts = change.puts.iter().map(|entry| {
            // Our own plain data always has a JSON form.
            (
                key(entry.id),
                Some(serde_json::to_string(entry).unwrap_or_default()),
            )
        });
        let last = (LAST.to_string(), Some(book.last().to_string()));
        let changes = removes.chain(puts).chain([last]).collect();
        let note = match note {
            "" => format!("revision {revision}"),
            note => format!("revision {revision}: {note}"),
        };
        let act = Act {
            at_ms: clock::now().unix_ms(),
            by,
            what,
            about,
            note: &note,
        };
        let write = Write::Reshelve {
            shelf: SHELF,
            revision,
            changes,
        };
        if self.audit.write_with(&act, &[write])?.is_none() {
            self.show(Shown::of(read(&*self.store)?));
            return Err(Problem::Raced);
        }
        self.show(Shown::of(book));
        Ok(())
    }

    fn show(&self, mut shown: Shown) {
        let lookup = shown.lookup.clone();
        shown._before = Some(self.lookup());
        let before = std::mem::replace(&mut *self.shown(), shown);
        (self.tell)(lookup);
        drop(before);
    }

    fn desk(&self) -> MutexGuard<'_, ()> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        // Replaced as a whole: whole at any moment.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn of(book: Book) -> Shown {
        Shown {
            lookup: Arc::new(book.lookup()),
            book: Arc::new(book),
            _before: None,
        }
    }
}

fn author(by: &str) -> Author<'_> {
    Author {
        by,
        at_ms: clock::now().unix_ms(),
    }
}

/// In the order of the numbers.
fn key(id: u64) -> String {
    format!("{id:020}")
}

fn read(store: &dyn Store) -> Result<Book, StoreError> {
    let shelf = store.shelf(SHELF)?;
    let mut last = 0;
    let mut entries = Vec::new();
    for (key, text) in shelf.documents {
        if key == LAST {
            last = text.parse().unwrap_or(0);
            continue;
        }
        match serde_json::from_str::<Entry>(&text) {
            Ok(entry) => entries.push(entry),
            Err(error) => tracing::error!(key, %error, "an entry of a list cannot be read; it is left out"),
        }
    }
    Ok(Book::restore(shelf.revision, last, entries.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, audit_entries, verify_audit};

    struct World {
        store: Arc<dyn Store>,
        lists: ListKeeper,
        told: Arc<Mutex<Vec<u64>>>,
    }

    fn open(store: Arc<dyn Store>) -> World {
        let told: Arc<Mutex<Vec<u64>>> = Arc::default();
        let tell = {
            let told = told.clone();
            move |lookup: Arc<Lookup>| told.lock().unwrap().push(lookup.revision())
        };
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        World {
            lists: ListKeeper::open(store.clone(), audit, Plan::of("US"), Box::new(tell)).unwrap(),
            store,
            told,
        }
    }

    fn memory() -> Arc<dyn Store> {
        let url = "sqlite::memory:".into();
        store::open(&store::Config { url }).unwrap()
    }

    fn written(number: &str) -> Written {
        Written {
            numbers: vec![number.into()],
            reason: "threats".into(),
            ..Written::default()
        }
    }

    fn found(lists: &ListKeeper, number: &str) -> Vec<List> {
        let found = lists.lookup().find(Some(number), None, 0);
        found.iter().map(|listed| listed.list).collect()
    }

    #[test]
    fn what_is_added_is_looked_at_at_once_and_there_after_a_restart() {
        let World { store, lists, told } = open(memory());
        let entry = lists.add(List::Block, &written("404 555 0123"), "ann").unwrap();
        assert_eq!((entry.id, entry.by.as_str(), entry.revision), (1, "ann", 1));
        assert_eq!(found(&lists, "+14045550123"), [List::Block]);
        assert_eq!(told.lock().unwrap().as_slice(), [1]);
        let taken = lists
            .add(List::Block, &written("+1 404 555-0123"), "bob")
            .unwrap_err();
        assert!(matches!(taken, Problem::Refused(Refused::Taken(1))), "{taken}");
        drop(lists);
        let again = open(store);
        assert_eq!(found(&again.lists, "+14045550123"), [List::Block]);
        again.lists.remove(List::Block, 1, Some(1), "bob").unwrap();
        assert_eq!(found(&again.lists, "+14045550123"), []);
        let once_more = open(again.store)
            .lists
            .add(List::Block, &written("+14045550123"), "ann");
        assert_eq!(once_more.unwrap().id, 2, "no number is given twice");
    }

    #[test]
    fn a_file_is_read_in_whole_or_not_at_all() {
        let World { lists, told, store } = open(memory());
        let csv = "number,reason\n+14045550123,x\n+1404556*,y\n";
        let import =
            |text, is_dry| lists.import(List::Block, (FileKind::Csv, text), Rest::Stays, is_dry, "ann");
        let (summary, revision) = import(csv, true).unwrap();
        assert_eq!((summary.added, revision), (2, 0));
        assert_eq!(found(&lists, "+14045550123"), []);
        let Err(Problem::Faults(faults)) = import("number,reason\n+14045550123,x\n12,y\n", false) else {
            panic!("no faults");
        };
        assert_eq!(faults[0].line, 3);
        assert!(told.lock().unwrap().is_empty());
        assert_eq!(import(csv, false).unwrap().1, 1);
        assert_eq!(import(csv, false).unwrap().0.unchanged, 2);
        assert_eq!(found(&lists, "+14045567777"), [List::Block]);
        assert_eq!(
            told.lock().unwrap().as_slice(),
            [1],
            "nothing new, nobody is told"
        );
        let audit = audit_entries(&*store, 0).unwrap();
        assert_eq!(
            (
                audit[0].what.as_str(),
                audit[0].about.as_str(),
                audit[0].note.as_str()
            ),
            (
                "list import",
                "block",
                "revision 1: 2 added, 0 changed, 0 unchanged, 0 removed"
            )
        );
        assert_eq!(verify_audit(&*store).unwrap(), Ok(1));
    }

    #[test]
    fn who_was_second_sees_what_the_first_did() {
        let store = memory();
        let (first, second) = (open(store.clone()), open(store));
        first
            .lists
            .add(List::Block, &written("+14045550123"), "ann")
            .unwrap();
        let raced = second.lists.add(List::Block, &written("+14045550199"), "bob");
        assert!(matches!(raced, Err(Problem::Raced)));
        assert_eq!(found(&second.lists, "+14045550123"), [List::Block]);
        second
            .lists
            .add(List::Block, &written("+14045550199"), "bob")
            .unwrap();
        assert_eq!(found(&first.lists, "+14045550199"), []);
        first.lists.refresh().unwrap();
        assert_eq!(found(&first.lists, "+14045550199"), [List::Block]);
        first.lists.refresh().unwrap();
        assert_eq!(
            first.told.lock().unwrap().as_slice(),
            [1, 2],
            "nothing new, nobody is told"
        );
    }
}
