//! Who calls back for which call. Written down before a phone rings: so one person calls back once at a time at all gateways of a store, and
//! the page of a call says that it was answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::{CALL_BACK_CLAIMED, CALL_BACKS_KEPT, RETRIES};
use crate::call_id::CallId;
use crate::store::{Shelf, Store, StoreError};

/// By the call that was made, its [`CallBackMade`]. All gateways have the same.
const SHELF: &str = "call backs";

/// Somebody called an organisation back, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBackMade {
    /// The call that was made.
    pub call: CallId,
    /// The call that it answers.
    pub of: CallId,
    /// The name of the account.
    pub by: String,
    /// Unix ms.
    pub at_ms: u64,
}

/// The newest [`CALL_BACKS_KEPT`] of them. Blocks, always.
pub struct CallBacks {
    store: Arc<dyn Store>,
}

impl CallBacks {
    pub fn new(store: Arc<dyn Store>) -> CallBacks {
        CallBacks { store }
    }

    /// Writes one down that is about to begin. False = the same person began another one less than [`CALL_BACK_CLAIMED`] ago, here or at
    /// another gateway, of which nobody knows that it has ended; later than that it is seen among the live calls.
    ///
    /// # Errors
    ///
    /// Those of the store; nothing is written then.
    pub fn begin(&self, made: &CallBackMade, has_ended: impl Fn(CallId) -> bool) -> Result<bool, StoreError> {
        for _ in 0..RETRIES {
            let shelf = self.store.shelf(SHELF)?;
            let mut kept = read(&shelf);
            let is_on = |other: &CallBackMade| {
                let age = other.at_ms.abs_diff(made.at_ms);
                other.by == made.by
                    && u128::from(age) < CALL_BACK_CLAIMED.as_millis()
                    && !has_ended(other.call)
            };
            if kept.iter().any(is_on) {
                return Ok(false);
            }
            kept.sort_by_key(|kept| kept.at_ms);
            let gone = (kept.len() + 1).saturating_sub(CALL_BACKS_KEPT);
            let names = shelf.documents.iter().map(|(name, _)| name);
            let stays = |name: &&String| kept[gone..].iter().any(|kept| kept.call.to_string() == **name);
            // What cannot be read goes as well.
            let gone = names.filter(|name| !stays(name));
            let mut changes: Vec<_> = gone.map(|name| (name.clone(), None)).collect();
            // Our own plain data always has a JSON form.
            let text = serde_json::to_string(made).unwrap_or_default();
            changes.push((made.call.to_string(), Some(text)));
            if self.store.reshelve(SHELF, shelf.revision + 1, changes)? {
                return Ok(true);
            }
        }
        Err(raced())
    }

    /// It did not begin after all.
    ///
    /// # Errors
    ///
    /// Those of the store; it counts for [`CALL_BACK_CLAIMED`] then.
    pub fn take_back(&self, call: CallId) -> Result<(), StoreError> {
        for _ in 0..RETRIES {
            let revision = self.store.shelf(SHELF)?.revision;
            let changes = vec![(call.to_string(), None)];
            if self.store.reshelve(SHELF, revision + 1, changes)? {
                return Ok(());
            }
        }
        Err(raced())
    }

    /// Who called back for this call, the first one first.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn of(store: &dyn Store, call: CallId) -> Result<Vec<CallBackMade>, StoreError> {
        let mut made = read(&store.shelf(SHELF)?);
        made.retain(|made| made.of == call);
        made.sort_by_key(|made| made.at_ms);
        Ok(made)
    }
}

fn read(shelf: &Shelf) -> Vec<CallBackMade> {
    let documents = shelf.documents.iter();
    documents
        .filter_map(|(name, text)| match serde_json::from_str(text) {
            Ok(made) => Some(made),
            Err(_) => {
                tracing::error!(%name, "who called back cannot be read in the store: it is left out");
                None
            }
        })
        .collect()
}

fn raced() -> StoreError {
    StoreError::Busy {
        url: "call backs".into(),
        action: "writing down who calls back",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    fn memory() -> Arc<dyn Store> {
        let url = "sqlite::memory:".into();
        store::open(&store::Config { url }).unwrap()
    }

    fn made(call: u128, of: u128, by: &str, at_ms: u64) -> CallBackMade {
        CallBackMade {
            call: CallId(call),
            of: CallId(of),
            by: by.into(),
            at_ms,
        }
    }

    #[test]
    fn of_two_gateways_that_are_asked_at_once_one_calls_back() {
        let store = memory();
        let at_once: Vec<_> = (0..4)
            .map(|n| {
                let all = CallBacks::new(store.clone());
                std::thread::spawn(move || all.begin(&made(n, 9, "ann", 1_000 + n as u64), |_| false))
            })
            .collect();
        let begun = at_once.into_iter().map(|one| one.join().unwrap());
        // Whoever lost the race as often as one tries knows nothing, and calls nobody.
        let begun: Vec<bool> = begun.map(|begun| begun.unwrap_or(false)).collect();
        assert_eq!(begun.iter().filter(|begun| **begun).count(), 1, "{begun:?}");
    }

    #[test]
    fn one_at_a_time_is_for_one_person_until_it_has_ended_or_is_seen_among_the_live_calls() {
        let store = memory();
        let all = CallBacks::new(store.clone());
        let begin =
            |made: &CallBackMade, ended: &[u128]| all.begin(made, |call| ended.contains(&call.0)).unwrap();
        assert!(begin(&made(1, 9, "ann", 50_000), &[]));
        assert!(!begin(&made(2, 9, "ann", 50_100), &[]));
        assert!(begin(&made(3, 9, "bob", 50_100), &[]), "somebody else");
        assert!(begin(&made(4, 8, "ann", 50_200), &[1]), "the first has ended");
        assert!(!begin(&made(5, 8, "ann", 49_000), &[1]), "a clock that is behind");
        let later = 50_200 + CALL_BACK_CLAIMED.as_millis() as u64;
        assert!(begin(&made(6, 8, "ann", later), &[]));
        all.take_back(CallId(6)).unwrap();
        assert!(begin(&made(7, 9, "ann", later + 1), &[]), "it did not begin");
        let of = |call| CallBacks::of(&*store, CallId(call)).unwrap();
        assert_eq!(
            of(9).iter().map(|made| made.call.0).collect::<Vec<_>>(),
            [1, 3, 7]
        );
        assert_eq!(of(8).iter().map(|made| made.call.0).collect::<Vec<_>>(), [4]);
        assert_eq!(of(7), []);
    }

    #[test]
    fn the_oldest_go_and_what_cannot_be_read_goes_with_them() {
        let store = memory();
        let all = CallBacks::new(store.clone());
        let broken = vec![("x".to_string(), Some("{".to_string()))];
        assert!(store.reshelve(SHELF, 1, broken).unwrap());
        for call in 0..CALL_BACKS_KEPT as u128 + 3 {
            let one = made(call, 9, &format!("p{call}"), 1_000 + call as u64);
            assert!(all.begin(&one, |_| false).unwrap());
        }
        let kept = CallBacks::of(&*store, CallId(9)).unwrap();
        assert_eq!((kept.len(), kept[0].call), (CALL_BACKS_KEPT, CallId(3)));
        assert_eq!(store.shelf(SHELF).unwrap().documents.len(), CALL_BACKS_KEPT);
    }
}
