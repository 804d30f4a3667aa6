//! Lockdown: what is done in the first minutes of an incident, with one word. Phones register only where they are and send
//! no call on, sessions and tokens end; calls that come in go on. It is ordered by one person and taken back by two.
//!
//! ```text
//!            order            ask to undo             another person confirms
//!   open ───────────► locked ─────────────► asked ──────────────────────────► open
//! ```

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::{LOCKDOWN_WHY_MAX, RETRIES, UNDO_LASTS};
use super::users;
use crate::policy::book::Hand;
use crate::store::{Act, Audit, Store, StoreError, Write};

const SHELF: &str = "lockdown";
const NOW: &str = "now";

/// A lockdown, as the store keeps it; the last one stays there after its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockdown {
    /// Counts them, from 1. Each gateway on the store ends sessions and tokens once for each.
    pub number: u64,
    /// Unix ms. Phones whose secret was made since may register.
    pub since_ms: u64,
    /// Who ordered it, as in the audit.
    pub by: String,
    pub why: String,
    /// The token that it was ordered with goes on; None = none does.
    pub token: Option<String>,
    /// Who has asked for its end.
    pub undo: Option<Undo>,
    /// When it ended, Unix ms; None = it lasts.
    pub ended_ms: Option<u64>,
}

/// One of the two pairs of eyes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    pub by: String,
    /// The person behind it: of a token whoever made it.
    person: String,
    /// Unix ms.
    pub at_ms: u64,
}

impl Lockdown {
    pub fn lasts(&self) -> bool {
        self.ended_ms.is_none()
    }

    /// Who has asked for its end, while another may confirm that.
    pub fn asked(&self, at_ms: u64) -> Option<&Undo> {
        let lasts_ms = UNDO_LASTS.as_millis() as u64;
        let undo = self.undo.as_ref();
        undo.filter(|undo| at_ms.abs_diff(undo.at_ms) < lasts_ms)
    }
}

/// Why a lockdown was not ordered, or not undone.
#[derive(Debug, thiserror::Error)]
pub enum NoLockdown {
    #[error("why has 1 to {LOCKDOWN_WHY_MAX} characters")]
    NoReason,
    #[error("there is a lockdown already")]
    LastsAlready,
    #[error("there is no lockdown")]
    None,
    #[error("nobody has asked for its end yet")]
    NotAsked,
    #[error("its end has been asked for already: another person has to confirm it")]
    AskedAlready,
    #[error("whoever asked for the end of a lockdown does not confirm it: another person has to")]
    SecondPerson,
    #[error(
        "this account was made, or taken over, after the lockdown began: an administrator from before has to do this"
    )]
    NewSince,
    #[error("the lockdown was changed from elsewhere; look at it again")]
    Raced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Orders lockdowns and undoes them; each change is on disk together with its entry in the audit. Blocks, always.
pub struct Lockdowns {
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
}

impl Lockdowns {
    pub fn new(store: Arc<dyn Store>, audit: Arc<Audit>) -> Lockdowns {
        Lockdowns { store, audit }
    }

    /// The last lockdown, whether it lasts or not, and the shelf's revision.
    ///
    /// # Errors
    ///
    /// Those of the store, and one that cannot be read: what is not understood is not taken for open.
    pub fn read(store: &dyn Store) -> Result<(u64, Option<Lockdown>), StoreError> {
        let shelf = store.shelf(SHELF)?;
        let text = shelf.documents.iter().find(|(key, _)| key == NOW);
        let lockdown = text.map(|(_, text)| serde_json::from_str(text)).transpose();
        let lockdown = lockdown.map_err(|_| StoreError::Unusable {
            url: SHELF.into(),
            problem: "what is kept of the last lockdown cannot be read".into(),
        })?;
        Ok((shelf.revision, lockdown))
    }

    /// `token`: the token it is ordered with.
    ///
    /// # Errors
    ///
    /// [`NoLockdown`]; nothing is changed then.
    pub fn order(
        &self,
        by: Hand<'_>,
        token: Option<&str>,
        why: &str,
        at_ms: u64,
    ) -> Result<Lockdown, NoLockdown> {
        let why = why.trim();
        if why.is_empty() || why.chars().count() > LOCKDOWN_WHY_MAX {
            return Err(NoLockdown::NoReason);
        }
        self.carry_out("lockdown order", by, at_ms, |last| match last {
            Some(last) if last.lasts() => Err(NoLockdown::LastsAlready),
            last => Ok(Lockdown {
                number: last.map_or(0, |last| last.number) + 1,
                since_ms: at_ms,
                by: by.by.to_string(),
                why: why.to_string(),
                token: token.map(str::to_string),
                undo: None,
                ended_ms: None,
            }),
        })
    }

    /// The first pair of eyes: anybody who may, also whoever ordered it.
    ///
    /// # Errors
    ///
    /// [`NoLockdown`]; nothing is changed then.
    pub fn ask_to_undo(&self, by: Hand<'_>, at_ms: u64) -> Result<Lockdown, NoLockdown> {
        self.carry_out("lockdown undo asked", by, at_ms, |last| {
            let mut lockdown = lasting(last)?;
            if lockdown.asked(at_ms).is_some() {
                return Err(NoLockdown::AskedAlready);
            }
            self.must_be_of_before(&lockdown, by, by.person)?;
            lockdown.undo = Some(Undo {
                by: by.by.to_string(),
                person: by.person.to_string(),
                at_ms,
            });
            Ok(lockdown)
        })
    }

    /// The second pair: another person.
    ///
    /// # Errors
    ///
    /// [`NoLockdown`]; nothing is changed then.
    pub fn confirm_undo(&self, by: Hand<'_>, at_ms: u64) -> Result<Lockdown, NoLockdown> {
        self.carry_out("lockdown undo confirmed", by, at_ms, |last| {
            let mut lockdown = lasting(last)?;
            let asked = lockdown.asked(at_ms).ok_or(NoLockdown::NotAsked)?;
            if asked.person == by.person || asked.by == by.by {
                return Err(NoLockdown::SecondPerson);
            }
            self.must_be_of_before(&lockdown, by, &asked.person)?;
            lockdown.ended_ms = Some(at_ms);
            Ok(lockdown)
        })
    }

    /// Nobody makes himself another person while it lasts. Where no other administrator of before is there who could (`asked` cannot, it was
    /// him), a new one may: a lockdown that nobody can end helps nobody.
    fn must_be_of_before(&self, lockdown: &Lockdown, by: Hand<'_>, asked: &str) -> Result<(), NoLockdown> {
        let book = users::read(&*self.store)?;
        let is_new = |name: &str| {
            let user = book.users.get(name);
            user.is_some_and(|user| user.is_new_since(lockdown.since_ms))
        };
        let is_another = |name: &str| name != by.person && name != asked;
        let mut others = book.users.values().filter(|user| is_another(&user.name));
        let could = others.any(|user| user.is_acting_admin() && !is_new(&user.name));
        match is_new(by.person) && could {
            true => Err(NoLockdown::NewSince),
            false => Ok(()),
        }
    }

    fn carry_out(
        &self,
        what: &str,
        by: Hand<'_>,
        at_ms: u64,
        change: impl Fn(Option<Lockdown>) -> Result<Lockdown, NoLockdown>,
    ) -> Result<Lockdown, NoLockdown> {
        for _ in 0..RETRIES {
            let (revision, last) = Lockdowns::read(&*self.store)?;
            let lockdown = change(last)?;
            // Our own plain data always has a JSON form.
            let text = serde_json::to_string(&lockdown).unwrap_or_default();
            let about = lockdown.number.to_string();
            let act = Act {
                at_ms,
                by: by.by,
                what,
                about: &about,
                note: &lockdown.why,
            };
            let write = Write::Reshelve {
                shelf: SHELF,
                revision: revision + 1,
                changes: vec![(NOW.to_string(), Some(text))],
            };
            if self.audit.write_with(&act, &[write])?.is_some() {
                return Ok(lockdown);
            }
        }
        Err(NoLockdown::Raced)
    }
}

fn lasting(last: Option<Lockdown>) -> Result<Lockdown, NoLockdown> {
    last.filter(Lockdown::lasts).ok_or(NoLockdown::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    fn hand<'a>(by: &'a str, person: &'a str) -> Hand<'a> {
        Hand { by, person }
    }

    #[test]
    fn one_person_orders_it_and_two_undo_it_and_all_of_it_stands_in_the_audit() {
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url }).unwrap();
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        let lockdowns = Lockdowns::new(store.clone(), audit);
        let (ann, bob) = (hand("ann", "ann"), hand("bob", "bob"));
        assert_eq!(Lockdowns::read(&*store).unwrap(), (0, None));
        assert!(matches!(
            lockdowns.order(ann, None, "  ", 1),
            Err(NoLockdown::NoReason)
        ));
        assert!(matches!(lockdowns.ask_to_undo(ann, 1), Err(NoLockdown::None)));

        let lockdown = lockdowns.order(ann, Some("desk"), " stolen laptop ", 5).unwrap();
        assert_eq!(
            (lockdown.number, lockdown.since_ms, lockdown.lasts()),
            (1, 5, true)
        );
        assert_eq!(lockdown.why, "stolen laptop");
        assert_eq!(Lockdowns::read(&*store).unwrap().1, Some(lockdown));
        assert!(matches!(
            lockdowns.order(bob, None, "again", 6),
            Err(NoLockdown::LastsAlready)
        ));
        assert!(matches!(
            lockdowns.confirm_undo(bob, 6),
            Err(NoLockdown::NotAsked)
        ));
        lockdowns.ask_to_undo(ann, 7).unwrap();
        assert!(matches!(
            lockdowns.ask_to_undo(bob, 8),
            Err(NoLockdown::AskedAlready)
        ));
        for own in [ann, hand("token of ann", "ann")] {
            assert!(matches!(
                lockdowns.confirm_undo(own, 8),
                Err(NoLockdown::SecondPerson)
            ));
        }
        // What was asked for an hour ago is asked for again.
        let hour = 7 + 3_600_000;
        assert!(matches!(
            lockdowns.confirm_undo(bob, hour),
            Err(NoLockdown::NotAsked)
        ));
        let ended = lockdowns.confirm_undo(bob, 9).unwrap();
        assert_eq!((ended.lasts(), ended.ended_ms), (false, Some(9)));
        assert!(matches!(lockdowns.confirm_undo(bob, 9), Err(NoLockdown::None)));
        assert_eq!(lockdowns.order(bob, None, "again", 10).unwrap().number, 2);
        let (entries, _) = store::audit_page(&*store, 0).unwrap();
        let done: Vec<_> = entries
            .iter()
            .map(|entry| (entry.what.as_str(), entry.by.as_str(), entry.about.as_str()))
            .collect();
        assert_eq!(
            done,
            [
                ("lockdown order", "ann", "1"),
                ("lockdown undo asked", "ann", "1"),
                ("lockdown undo confirmed", "bob", "1"),
                ("lockdown order", "bob", "2"),
            ]
        );
    }

    #[test]
    fn an_account_of_after_its_beginning_is_no_second_person_where_there_is_another() {
        use crate::accounts::{By, Change, NewUser, Role, Users, hash};
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url }).unwrap();
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        let users = Users::open(store.clone(), audit.clone()).unwrap();
        let kept = hash("a long password of hers").unwrap();
        let add = |name: &str, at_ms, taken_ms| {
            let new = NewUser {
                name: name.into(),
                person: "A Person".into(),
                roles: vec![Role::Admin],
            };
            let who = "command-line";
            let invitation = users.add(&new, By { who, at_ms }).unwrap();
            let code = invitation.code.reveal();
            users.accept(name, code, &kept, None, taken_ms).unwrap();
        };
        add("ann", 1, 2);
        add("bob", 1, 2);
        add("dan", 1, 20);
        let lockdowns = Lockdowns::new(store, audit);
        lockdowns.order(hand("ann", "ann"), None, "drill", 10).unwrap();
        add("eve", 15, 16);
        // Neither as the first nor as the second, neither himself nor by a token; new and invited before alike.
        for new in [hand("eve", "eve"), hand("a token", "eve"), hand("dan", "dan")] {
            let refused = lockdowns.ask_to_undo(new, 30);
            assert!(matches!(refused, Err(NoLockdown::NewSince)), "{refused:?}");
        }
        lockdowns.ask_to_undo(hand("ann", "ann"), 30).unwrap();
        let refused = lockdowns.confirm_undo(hand("eve", "eve"), 31);
        assert!(matches!(refused, Err(NoLockdown::NewSince)), "{refused:?}");
        // Nobody of before is left but whoever asked.
        let change = Change {
            is_disabled: Some(true),
            ..Change::default()
        };
        let who = "command-line";
        users.change("bob", &change, By { who, at_ms: 32 }).unwrap();
        assert!(lockdowns.confirm_undo(hand("eve", "eve"), 33).is_ok());
    }

    #[test]
    fn what_was_asked_an_hour_ago_may_be_asked_again() {
        let url = "sqlite::memory:".into();
        let store = store::open(&store::Config { url }).unwrap();
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        let lockdowns = Lockdowns::new(store, audit);
        let (ann, bob) = (hand("ann", "ann"), hand("bob", "bob"));
        lockdowns.order(ann, None, "drill", 1).unwrap();
        lockdowns.ask_to_undo(ann, 2).unwrap();
        let again = lockdowns.ask_to_undo(bob, 2 + 3_600_000).unwrap();
        assert!(again.asked(2 + 3_600_000).is_some_and(|undo| undo.by == "bob"));
        assert!(again.asked(2 + 2 * 3_600_000).is_none());
    }
}
