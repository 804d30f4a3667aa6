//! What waits for a second person, as the store keeps it: over a restart, and for every gateway on the store.
//!
//! ```text
//!            somebody else wants the same            done
//!   waits ─────────────────────────────────► taken ────────► gone
//!     ▲                                        │
//!     └─────── not done, or [`WISH_TAKEN`] ────┘
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::limits::{RETRIES, WISH_TAKEN, WISHES_EACH, WISHES_MAX};
use super::secret::{from_hexadecimal, hexadecimal, random};
use crate::store::{Store, StoreError};

const SHELF: &str = "wishes";
/// The document under whose secret wishes are known: what somebody wants erased cannot be guessed from the others.
const SECRET: &str = "secret";

/// What one person wants, and another has to want too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// As it is shown.
    pub what: String,
    /// Who asked, as in the audit.
    pub by: String,
    /// The person behind it: of a token whoever made it.
    pub person: String,
    /// Unix ms.
    pub at_ms: u64,
    /// Forgotten from then on, Unix ms.
    pub ends_ms: u64,
    /// What whoever wished it must be allowed still: a line of the table of roles.
    pub method: String,
    pub route: String,
    /// The last lockdown that there was, 0 = none; a newer one ends the wish.
    pub lockdown: u64,
    /// Since when it is being done, Unix ms; None = it waits.
    pub taken_ms: Option<u64>,
}

/// What wishes are held to when somebody looks.
pub struct Moment<'a> {
    pub now_ms: u64,
    /// The last lockdown, whether it lasts or not; 0 = there was none.
    pub lockdown: u64,
    /// Whether whoever wished it may do it now.
    pub may: &'a dyn Fn(&Wish) -> bool,
}

impl Moment<'_> {
    fn holds(&self, wish: &Wish) -> bool {
        !self.is_past(wish) && self.lockdown == wish.lockdown && (self.may)(wish)
    }

    /// Nothing makes it count again.
    fn is_past(&self, wish: &Wish) -> bool {
        self.now_ms >= wish.ends_ms || self.lockdown > wish.lockdown
    }

    fn is_taken(&self, wish: &Wish) -> bool {
        let lasts_ms = WISH_TAKEN.as_millis() as u64;
        wish.taken_ms
            .is_some_and(|taken_ms| self.now_ms.abs_diff(taken_ms) < lasts_ms)
    }
}

/// What another person wished and somebody now wants too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// For [`Wishes::done`] and [`Wishes::put_back`].
    pub key: String,
    pub first: Wish,
}

/// Everything that blocks here waits for the store.
pub struct Wishes {
    store: Arc<dyn Store>,
}

impl Wishes {
    pub fn new(store: Arc<dyn Store>) -> Wishes {
        Wishes { store }
    }

    /// Those that wait, the oldest first. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn all(&self, moment: &Moment<'_>) -> Result<Vec<Wish>, StoreError> {
        let waits = |wish: &&Wish| moment.holds(wish) && !moment.is_taken(wish);
        let mut wishes = self.change(|book| {
            book.wishes.retain(|_, wish| !moment.is_past(wish));
            book.wishes.values().filter(waits).cloned().collect::<Vec<_>>()
        })?;
        wishes.sort_by(|a, b| (a.at_ms, &a.what).cmp(&(b.at_ms, &b.what)));
        Ok(wishes)
    }

    /// Ok = somebody else, who still may, has asked for the same; it waits again unless it is told to be [`Wishes::done`] in
    /// [`WISH_TAKEN`]. Err = this wish waits for somebody else now, or the same is just being done. Atomic on the store. Blocks.
    ///
    /// `same`: what makes two wishes one.
    ///
    /// # Errors
    ///
    /// Those of the store; nothing is wished then, or the answer came too late.
    pub fn agree(
        &self,
        same: &str,
        wish: &Wish,
        moment: &Moment<'_>,
    ) -> Result<Result<Taken, Box<Wish>>, StoreError> {
        self.change(|book| {
            book.wishes.retain(|_, wish| !moment.is_past(wish));
            let key = book.key_of(same);
            if let Some(known) = book.wishes.get_mut(&key).filter(|known| moment.holds(known)) {
                if moment.is_taken(known) {
                    return Err(Box::new(known.clone()));
                }
                if known.person != wish.person {
                    known.taken_ms = Some(moment.now_ms);
                    let first = known.clone();
                    return Ok(Taken { key, first });
                }
            }
            book.wishes.remove(&key);
            book.make_room(&wish.person);
            book.wishes.insert(key, wish.clone());
            Err(Box::new(wish.clone()))
        })
    }

    /// It was done: nobody needs to wish it any more. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; it waits again after [`WISH_TAKEN`] then.
    pub fn done(&self, key: &str) -> Result<(), StoreError> {
        self.change(|book| {
            book.wishes.remove(key);
        })
    }

    /// It was not done: it waits again. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; it waits again after [`WISH_TAKEN`] then.
    pub fn put_back(&self, key: &str) -> Result<(), StoreError> {
        self.change(|book| {
            if let Some(wish) = book.wishes.get_mut(key) {
                wish.taken_ms = None;
            }
        })
    }

    /// Takes away those that say what is erased; true = there were any. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store; they are as they were then.
    pub fn forget(&self, is_erased: impl Fn(&Wish) -> bool) -> Result<bool, StoreError> {
        self.change(|book| {
            let before = book.wishes.len();
            book.wishes.retain(|_, wish| !is_erased(wish));
            book.wishes.len() < before
        })
    }

    /// Whoever was first somewhere else is read again, and it is done on top of that.
    fn change<T>(&self, work: impl Fn(&mut Book) -> T) -> Result<T, StoreError> {
        for _ in 0..RETRIES {
            let shelf = self.store.shelf(SHELF)?;
            let before = Book::of(&shelf.documents);
            let mut after = before.clone();
            let done = work(&mut after);
            let changes = before.to(&after);
            if changes.is_empty() || self.store.reshelve(SHELF, shelf.revision + 1, changes)? {
                return Ok(done);
            }
        }
        Err(StoreError::Busy {
            url: SHELF.into(),
            action: "keeping what waits for a second person",
        })
    }
}

/// The shelf, read.
#[derive(Clone, Default)]
struct Book {
    secret: Option<[u8; 32]>,
    wishes: BTreeMap<String, Wish>,
    /// Documents that nobody can read: they go.
    unread: Vec<String>,
}

impl Book {
    fn of(documents: &[(String, String)]) -> Book {
        let mut book = Book::default();
        for (key, text) in documents {
            if key == SECRET {
                book.secret = from_hexadecimal(text);
            } else if let Ok(wish) = serde_json::from_str(text) {
                book.wishes.insert(key.clone(), wish);
            } else {
                book.unread.push(key.clone());
            }
        }
        book
    }

    fn key_of(&mut self, same: &str) -> String {
        // A system without randomness leaves it to be guessed.
        let secret = *self.secret.get_or_insert_with(|| random().unwrap_or_default());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        hexadecimal(hmac::sign(&key, same.as_bytes()).as_ref())
    }

    /// For one more of this person. The oldest goes: of whoever asks rather than of somebody else.
    fn make_room(&mut self, person: &str) {
        let is_his = |wish: &Wish| wish.person == person;
        let his = self.wishes.values().filter(|wish| is_his(wish)).count();
        if self.wishes.len() < WISHES_MAX && his < WISHES_EACH {
            return;
        }
        let wishes = self.wishes.iter().filter(|(_, wish)| his == 0 || is_his(wish));
        let oldest = wishes.min_by_key(|(_, wish)| wish.at_ms);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            self.wishes.remove(&oldest);
        }
    }

    /// What is put on the shelf and taken from it to make this one the other.
    fn to(&self, after: &Book) -> Vec<(String, Option<String>)> {
        let mut changes: Vec<(String, Option<String>)> = Vec::new();
        if let Some(secret) = after.secret.filter(|_| self.secret != after.secret) {
            changes.push((SECRET.into(), Some(hexadecimal(&secret))));
        }
        for (key, wish) in &after.wishes {
            if self.wishes.get(key) != Some(wish) {
                // Our own plain data always has a JSON form.
                changes.push((key.clone(), Some(serde_json::to_string(wish).unwrap_or_default())));
            }
        }
        let gone = self.wishes.keys().filter(|key| !after.wishes.contains_key(*key));
        changes.extend(gone.chain(&self.unread).map(|key| (key.clone(), None)));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    const DAY_MS: u64 = 24 * 3_600_000;

    fn wishes() -> Wishes {
        let url = "sqlite::memory:".into();
        Wishes::new(store::open(&store::Config { url }).unwrap())
    }

    fn moment(now_ms: u64) -> Moment<'static> {
        Moment {
            now_ms,
            lockdown: 0,
            may: &|wish| wish.by != "gone",
        }
    }

    fn wish(what: &str, by: &str, person: &str, moment: &Moment<'_>) -> Wish {
        Wish {
            what: what.into(),
            by: by.into(),
            person: person.into(),
            at_ms: moment.now_ms,
            ends_ms: moment.now_ms + DAY_MS,
            method: "POST".into(),
            route: "/api/v1/erasures".into(),
            lockdown: moment.lockdown,
            taken_ms: None,
        }
    }

    fn all(wishes: &Wishes, moment: &Moment<'_>) -> Vec<Wish> {
        wishes.all(moment).unwrap()
    }

    fn agree(wishes: &Wishes, same: &str, who: &str, moment: &Moment<'_>) -> Result<Taken, Box<Wish>> {
        let person = who.trim_start_matches("token of ");
        let wish = wish("erasure", who, person, moment);
        wishes.agree(same, &wish, moment).unwrap()
    }

    #[test]
    fn the_same_wish_of_another_person_is_the_agreement_and_of_nobody_else() {
        let wishes = wishes();
        let agree = |same: &str, who: &str, now_ms| agree(&wishes, same, who, &moment(now_ms));
        assert_eq!(agree("a", "ann", 1).unwrap_err().by, "ann");
        for own in ["ann", "token of ann"] {
            assert!(
                agree("a", own, 2).is_err(),
                "one person, whatever his hand is called"
            );
        }
        assert!(agree("b", "bob", 3).is_err(), "another wish");
        assert_eq!(all(&wishes, &moment(3)).len(), 2);
        let taken = agree("a", "bob", 4).unwrap();
        assert_eq!(taken.first.by, "token of ann");
        wishes.done(&taken.key).unwrap();
        assert!(agree("a", "bob", 5).is_err(), "it was used up");
        // Of somebody whose account is gone, or of yesterday, nothing is left.
        assert!(agree("c", "gone", 6).is_err());
        assert!(agree("c", "bob", 7).is_err());
        assert!(agree("c", "ann", 7 + DAY_MS).is_err());
        assert_eq!(all(&wishes, &moment(7 + 2 * DAY_MS)), []);
        assert_eq!(
            wishes.store.shelf(SHELF).unwrap().documents.len(),
            1,
            "the secret is all that stays"
        );
    }

    #[test]
    fn who_may_no_more_and_who_wished_before_a_lockdown_agrees_to_nothing() {
        let wishes = wishes();
        assert!(agree(&wishes, "a", "ann", &moment(1)).is_err());
        let taken_away = Moment {
            may: &|wish| wish.by != "ann",
            ..moment(2)
        };
        assert!(agree(&wishes, "a", "bob", &taken_away).is_err());
        let locked = Moment {
            lockdown: 1,
            ..moment(3)
        };
        assert_eq!(all(&wishes, &moment(3)).len(), 1);
        assert_eq!(all(&wishes, &locked), []);
        assert!(agree(&wishes, "a", "ann", &locked).is_err());
        // A gateway that has not heard of the lockdown yet takes nothing away.
        assert_eq!(all(&wishes, &moment(4)), []);
        assert!(agree(&wishes, "a", "bob", &locked).is_ok());
    }

    #[test]
    fn what_was_not_done_is_still_wished_and_what_is_being_done_is_not_done_twice() {
        let wishes = wishes();
        let agree = |who, now_ms| agree(&wishes, "a", who, &moment(now_ms));
        assert!(agree("ann", 1).is_err());
        let taken = agree("bob", 2).unwrap();
        for other in ["bob", "ann", "eve"] {
            assert_eq!(agree(other, 3).unwrap_err().by, "ann", "while it is being done");
        }
        assert_eq!(all(&wishes, &moment(3)), []);
        wishes.put_back(&taken.key).unwrap();
        let waiting = all(&wishes, &moment(4));
        assert!(waiting.len() == 1 && waiting[0].by == "ann");
        // Of whoever died over it nobody hears.
        assert!(agree("bob", 5).is_ok());
        let later = 5 + WISH_TAKEN.as_millis() as u64;
        assert_eq!(all(&wishes, &moment(later)).len(), 1);
        assert!(agree("eve", later).is_ok());
    }

    #[test]
    fn nobody_pushes_out_what_another_wished_and_what_is_erased_is_shown_no_more() {
        let wishes = wishes();
        assert!(agree(&wishes, "bob's", "bob", &moment(1)).is_err());
        for number in 0..3 * WISHES_EACH {
            let now = moment(2 + number as u64);
            assert!(agree(&wishes, &format!("{number}"), "ann", &now).is_err());
        }
        let waiting = all(&wishes, &moment(99));
        assert!(waiting.len() == 1 + WISHES_EACH && waiting[0].by == "bob");
        let now = moment(100);
        let block = wish("block: +14045550123", "bob", "bob", &now);
        assert!(wishes.agree("add", &block, &now).unwrap().is_err());
        assert!(!wishes.forget(|wish| wish.what.contains("5550199")).unwrap());
        assert!(wishes.forget(|wish| wish.what.contains("5550123")).unwrap());
        assert_eq!(all(&wishes, &now).len(), 1 + WISHES_EACH);
        assert!(!format!("{:?}", wishes.store.shelf(SHELF).unwrap()).contains("5550123"));
    }

    #[test]
    fn there_are_so_many_at_most() {
        let mut book = Book::default();
        for number in 0..2 * WISHES_MAX {
            let person = format!("{}", number / WISHES_EACH);
            book.make_room(&person);
            book.wishes.insert(
                format!("{number}"),
                wish("erasure", &person, &person, &moment(number as u64)),
            );
        }
        assert_eq!(book.wishes.len(), WISHES_MAX);
        assert!(book.wishes.contains_key(&format!("{}", 2 * WISHES_MAX - 1)));
    }
}
