//! Searches that people keep: which calls, under a name of one's own. They go with the account.
//!
//! No telephone number is kept this way: what is erased elsewhere would stay here.

use serde::{Deserialize, Serialize};

use super::limits::{RETRIES, SEARCH_NAME_MAX, SEARCHES_MAX};
use crate::store::{Shelf, Store, StoreError, Write};

/// In the store; a document for each account that keeps any.
const SHELF: &str = "searches";

/// Which calls. What is None narrows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// At most [`SEARCH_NAME_MAX`] characters; an account has each once.
    pub name: String,
    /// A label's name as in records.
    pub label: Option<String>,
    /// An ending's name as in records.
    pub ending: Option<String>,
    pub queue: Option<String>,
    /// Only those that this account took.
    pub is_mine: bool,
}

/// Why a search is not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("a search has a name of 1 to {SEARCH_NAME_MAX} characters")]
    NotAName,
    #[error("{SEARCHES_MAX} searches are kept already: forget one first")]
    Full,
    #[error("searches were changed from elsewhere; try again")]
    Raced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Those of an account, by their names. Blocks.
///
/// # Errors
///
/// Those of the store. What cannot be read is none, and the log says so.
pub fn searches(store: &dyn Store, account: &str) -> Result<Vec<Search>, StoreError> {
    Ok(read(&store.shelf(SHELF)?, account))
}

/// Keeps one; one of the same name says this and nothing else from then on. Blocks.
///
/// # Errors
///
/// [`NotKept`]; nothing is changed then.
pub fn keep_search(store: &dyn Store, account: &str, search: &Search) -> Result<(), NotKept> {
    let name = &search.name;
    let length = name.chars().count();
    if length == 0 || length > SEARCH_NAME_MAX || name.trim() != name || name.chars().any(char::is_control) {
        return Err(NotKept::NotAName);
    }
    change(store, account, |all| {
        all.retain(|known| known.name != *name);
        if all.len() >= SEARCHES_MAX {
            return Err(NotKept::Full);
        }
        all.push(search.clone());
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(true)
    })
    .map(|_| ())
}

/// Forgets one; false = there is none of this name. Blocks.
///
/// # Errors
///
/// [`NotKept`]; nothing is changed then.
pub fn forget_search(store: &dyn Store, account: &str, name: &str) -> Result<bool, NotKept> {
    change(store, account, |all| {
        let before = all.len();
        all.retain(|known| known.name != name);
        Ok(all.len() < before)
    })
}

/// What takes the searches of an account away, where it has any: written with what takes the account away, or makes another of
/// its name.
pub(super) fn without(store: &dyn Store, account: &str) -> Result<Option<Write>, StoreError> {
    let shelf = store.shelf(SHELF)?;
    let is_there = shelf.documents.iter().any(|(name, _)| name == account);
    Ok(is_there.then(|| Write::Reshelve {
        shelf: SHELF,
        revision: shelf.revision + 1,
        changes: vec![(account.into(), None)],
    }))
}

fn change(
    store: &dyn Store,
    account: &str,
    change: impl Fn(&mut Vec<Search>) -> Result<bool, NotKept>,
) -> Result<bool, NotKept> {
    for _ in 0..RETRIES {
        let shelf = store.shelf(SHELF)?;
        let mut all = read(&shelf, account);
        if !change(&mut all)? {
            return Ok(false);
        }
        // Our own plain data always has a JSON form.
        let text = (!all.is_empty()).then(|| serde_json::to_string(&all).unwrap_or_default());
        if store.reshelve(SHELF, shelf.revision + 1, vec![(account.into(), text)])? {
            return Ok(true);
        }
    }
    Err(NotKept::Raced)
}

fn read(shelf: &Shelf, account: &str) -> Vec<Search> {
    let mut documents = shelf.documents.iter();
    let Some((_, text)) = documents.find(|(name, _)| name == account) else {
        return Vec::new();
    };
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::error!(account, %error, "the searches of an account cannot be read; it has none");
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::accounts::{By, NewUser, Role, Users};
    use crate::store::{self, Audit};

    fn search(name: &str, label: Option<&str>) -> Search {
        Search {
            name: name.into(),
            label: label.map(Into::into),
            ..Search::default()
        }
    }

    fn names(store: &dyn Store, account: &str) -> Vec<String> {
        let kept = searches(store, account).unwrap().into_iter();
        kept.map(|search| search.name).collect()
    }

    #[test]
    fn an_account_keeps_some_searches_under_names_of_its_own() {
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url }).unwrap();
        let store = &*store;
        keep_search(store, "ann", &search("this week's forgeries", Some("forged"))).unwrap();
        keep_search(store, "ann", &search("bad", Some("synthetic"))).unwrap();
        keep_search(store, "bob", &search("bad", None)).unwrap();
        keep_search(store, "ann", &search("bad", Some("suspect"))).unwrap();
        assert_eq!(names(store, "ann"), ["bad", "this week's forgeries"]);
        let kept = searches(store, "ann").unwrap();
        assert_eq!(kept[0].label.as_deref(), Some("suspect"));
        assert!(forget_search(store, "ann", "bad").unwrap());
        assert!(!forget_search(store, "ann", "bad").unwrap());
        assert_eq!((names(store, "bob").len(), names(store, "eve").len()), (1, 0));
        for bad in ["", " x", "a\nb", &"x".repeat(SEARCH_NAME_MAX + 1)] {
            let refused = keep_search(store, "ann", &search(bad, None));
            assert!(matches!(refused, Err(NotKept::NotAName)), "{bad}");
        }
        for number in 0..SEARCHES_MAX - 1 {
            keep_search(store, "ann", &search(&format!("{number:02}"), None)).unwrap();
        }
        let one_more = keep_search(store, "ann", &search("one more", None));
        assert!(matches!(one_more, Err(NotKept::Full)));
        keep_search(store, "ann", &search("00", Some("forged"))).unwrap();
    }

    #[test]
    fn the_searches_of_whoever_leaves_are_gone_with_his_account() {
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url }).unwrap();
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        let users = Users::open(store.clone(), audit).unwrap();
        let by = By {
            who: "boss",
            at_ms: 1_790_000_000_000,
        };
        let new = |name: &str| NewUser {
            name: name.into(),
            person: "Somebody".into(),
            roles: vec![Role::Analyst],
        };
        users.add(&new("ann"), by).unwrap();
        users.add(&new("bob"), by).unwrap();
        for account in ["ann", "bob", "eve"] {
            keep_search(&*store, account, &search("bad", None)).unwrap();
        }
        users.remove("ann", by).unwrap();
        assert_eq!(names(&*store, "ann"), [""; 0]);
        assert_eq!(names(&*store, "bob"), ["bad"]);
        // Whatever an account of this name had before.
        users.add(&new("eve"), by).unwrap();
        assert_eq!(names(&*store, "eve"), [""; 0]);
    }
}
