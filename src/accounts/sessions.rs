//! Sessions: what a cookie opens, for whom and until when. They are memory, and kept so that a restart signs nobody out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits::{
    SESSION_IDLE, SESSION_LASTS, SESSIONS_EACH, SESSIONS_MAX, SESSIONS_OF_A_TOKEN, USE_WRITTEN,
};
use super::secret::{Fingerprint, fingerprint, from_hexadecimal, hexadecimal, random, secret};
use super::user::User;
use crate::redact::Redacted;
use crate::store::{Store, StoreError};

const SHELF: &str = "sessions";

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// The token of this name: what it may, and as long as there is that token.
    Token(String),
    /// The account of this name, as it was when it had changed so many times: a new password or other roles end its
    /// sessions.
    Account(String, u64),
}

impl Holder {
    /// The same token, or the same account, whatever has changed about it since.
    fn is_same(&self, other: &Holder) -> bool {
        match (self, other) {
            (Holder::Token(one), Holder::Token(other)) => one == other,
            (Holder::Account(one, _), Holder::Account(other, _)) => one == other,
            _ => false,
        }
    }
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Names it for people; says nothing about its secret.
    pub id: String,
    pub holder: Holder,
    /// Unix ms, all three.
    pub opened_ms: u64,
    pub used_ms: u64,
    pub ends_ms: u64,
    /// Where it was opened from; empty = not known.
    pub address: String,
    /// How it was proven whose it is.
    #[serde(default, skip_serializing_if = "Proof::is_whole")]
    pub proof: Proof,
}

/// How far somebody has proven who he is, beside what his account says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// By everything that his account has.
    #[default]
    Whole,
    /// Elsewhere, with a second factor there.
    Strong,
    /// Elsewhere, and his second factor here is still to be shown.
    AwaitsCode,
}

impl Proof {
    fn is_whole(&self) -> bool {
        *self == Proof::Whole
    }
}

impl Open {
    fn holds(&self, now_ms: u64) -> bool {
        now_ms < self.ends_ms && now_ms.saturating_sub(self.used_ms) < SESSION_IDLE.as_millis() as u64
    }
}

#[derive(Debug, Default)]
pub struct Sessions {
    open: BTreeMap<Fingerprint, Open>,
}

impl Sessions {
    /// Reads what is kept. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store. A session that cannot be read has ended.
    pub fn load(store: &dyn Store) -> Result<Sessions, StoreError> {
        Ok(Sessions { open: kept(store)?.1 })
    }

    /// Opens one: its secret for the cookie, and when it ends at the latest (Unix ms). None = no randomness.
    pub fn open(
        &mut self,
        holder: Holder,
        address: &str,
        proof: Proof,
        now_ms: u64,
    ) -> Option<(Redacted<String>, u64)> {
        let (secret, id) = (secret("")?, hexadecimal(&random::<8>()?));
        self.open.retain(|_, open| open.holds(now_ms));
        let most = match &holder {
            Holder::Token(_) => SESSIONS_OF_A_TOKEN,
            Holder::Account(..) => SESSIONS_EACH,
        };
        let is_his = |open: &Open| open.holder.is_same(&holder);
        while self.open.values().filter(|open| is_his(open)).count() >= most {
            self.end_first(is_his);
        }
        while self.open.len() >= SESSIONS_MAX {
            self.end_first(|_| true);
        }
        let ends_ms = now_ms + SESSION_LASTS.as_millis() as u64;
        let open = Open {
            id,
            holder,
            opened_ms: now_ms,
            used_ms: now_ms,
            ends_ms,
            address: address.into(),
            proof,
        };
        self.open.insert(fingerprint(&secret), open);
        Some((Redacted::new(secret), ends_ms))
    }

    /// The session of this fingerprint, if it has not ended. A map look-up: what its timing tells is about a hash, not
    /// about the secret.
    pub fn find(&self, session: &Fingerprint, now_ms: u64) -> Option<&Open> {
        self.open.get(session).filter(|open| open.holds(now_ms))
    }

    /// It was used. True = the kept time of its last use has got old.
    pub fn used(&mut self, session: &Fingerprint, now_ms: u64) -> bool {
        let Some(open) = self.open.get_mut(session) else {
            return false;
        };
        let is_old = now_ms.saturating_sub(open.used_ms) >= USE_WRITTEN.as_millis() as u64;
        if is_old {
            open.used_ms = now_ms;
        }
        is_old
    }

    /// The account has changed, and this session of its goes on; its others do not, and this one does not either where it
    /// was of another time.
    pub fn go_on(&mut self, session: &Fingerprint, account: &str, before: u64, epoch: u64) {
        let was = Holder::Account(account.into(), before);
        if let Some(open) = self.open.get_mut(session).filter(|open| open.holder == was) {
            open.holder = Holder::Account(account.into(), epoch);
        }
    }

    /// The code was shown that it awaited.
    pub fn prove(&mut self, session: &Fingerprint) {
        if let Some(open) = self.open.get_mut(session) {
            open.proof = Proof::Whole;
        }
    }

    pub fn close(&mut self, session: &Fingerprint) {
        self.open.remove(session);
    }

    /// Ends those for which `is_meant` is true; how many that were.
    pub fn end(&mut self, is_meant: impl Fn(&Open) -> bool) -> usize {
        let before = self.open.len();
        self.open.retain(|_, open| !is_meant(open));
        before - self.open.len()
    }

    /// Ends those that were opened until then but this one; how many that were.
    pub fn end_until(&mut self, until_ms: u64, session: Option<Fingerprint>) -> usize {
        let before = self.open.len();
        self.open
            .retain(|key, open| open.opened_ms > until_ms || Some(*key) == session);
        before - self.open.len()
    }

    /// Sessions of an account that hold, the one that was opened last first; the others of it have ended.
    pub fn of(&self, user: &User, now_ms: u64) -> Vec<(Fingerprint, Open)> {
        let holder = Holder::Account(user.name.clone(), user.epoch);
        let mut found: Vec<_> = self
            .open
            .iter()
            .filter(|(_, open)| !user.is_disabled && open.holder == holder && open.holds(now_ms))
            .map(|(session, open)| (*session, open.clone()))
            .collect();
        found.sort_by_key(|(_, open)| std::cmp::Reverse(open.opened_ms));
        found
    }

    /// How many that a token opened hold.
    pub fn count_of_token(&self, token: &str, now_ms: u64) -> usize {
        let is_of = |open: &&Open| matches!(&open.holder, Holder::Token(name) if name == token);
        self.open
            .values()
            .filter(|open| open.holds(now_ms))
            .filter(is_of)
            .count()
    }

    pub fn all(&self) -> BTreeMap<Fingerprint, Open> {
        self.open.clone()
    }

    /// Writes what is not kept as it is. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn keep(open: &BTreeMap<Fingerprint, Open>, store: &dyn Store) -> Result<(), StoreError> {
        let (revision, kept) = kept(store)?;
        // Whoever has a code to show signs in again after a restart: an older gateway would not know that it is missing.
        let open: BTreeMap<_, _> = open
            .iter()
            .filter(|(_, open)| open.proof != Proof::AwaitsCode)
            .collect();
        let gone = kept.keys().filter(|session| !open.contains_key(*session));
        let changed = open
            .iter()
            .filter(|(session, open)| kept.get(**session) != Some(**open));
        let changes: Vec<_> = gone
            .map(|session| (hexadecimal(session), None))
            .chain(changed.map(|(session, open)| {
                // Our own plain data always has a JSON form.
                (
                    hexadecimal(*session),
                    Some(serde_json::to_string(*open).unwrap_or_default()),
                )
            }))
            .collect();
        if !changes.is_empty() && !store.reshelve(SHELF, revision + 1, changes)? {
            // One process keeps sessions. Should there be another, its are as good: the next writing makes it up.
            tracing::warn!("sessions were written from elsewhere; a restart may sign people out");
        }
        Ok(())
    }

    fn end_first(&mut self, is_meant: impl Fn(&Open) -> bool) {
        let first = self
            .open
            .iter()
            .filter(|(_, open)| is_meant(open))
            .min_by_key(|(_, open)| open.ends_ms)
            .map(|(session, _)| *session);
        if let Some(first) = first {
            self.open.remove(&first);
        }
    }
}

fn kept(store: &dyn Store) -> Result<(u64, BTreeMap<Fingerprint, Open>), StoreError> {
    let shelf = store.shelf(SHELF)?;
    let open = shelf.documents.into_iter().filter_map(|(key, text)| {
        let open = serde_json::from_str(&text).inspect_err(|error| {
            tracing::warn!(%error, "a kept session cannot be read; it has ended");
        });
        Some((from_hexadecimal(&key)?, open.ok()?))
    });
    Ok((shelf.revision, open.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn token() -> Holder {
        Holder::Token("ann".into())
    }

    fn account(name: &str) -> Holder {
        Holder::Account(name.into(), 0)
    }

    #[test]
    fn a_session_ends_after_its_shift_or_unused_or_when_it_is_left() {
        let mut sessions = Sessions::default();
        let (secret, ends) = sessions.open(token(), "192.0.2.1", Proof::Whole, 1_000).unwrap();
        let session = fingerprint(secret.reveal());
        assert_eq!(ends, 1_000 + 12 * HOUR);
        assert!(sessions.find(&session, 1_000 + HOUR - 1).is_some());
        assert!(sessions.find(&session, 1_000 + HOUR).is_none(), "nobody used it");
        for hours in 1..12 {
            assert!(sessions.used(&session, 1_000 + hours * HOUR - 1), "{hours}");
        }
        assert!(!sessions.used(&session, 1_000 + 11 * HOUR));
        assert!(sessions.find(&session, ends - HOUR).is_some());
        sessions.used(&session, ends - 1);
        assert!(sessions.find(&session, ends - 1).is_some());
        assert!(sessions.find(&session, ends).is_none(), "used or not");
        sessions.close(&session);
        assert!(sessions.find(&session, 1_000).is_none());
        assert!(sessions.find(&fingerprint("another"), 1_000).is_none());
    }

    #[test]
    fn sessions_are_bounded_for_all_and_for_each_account() {
        let mut sessions = Sessions::default();
        let (ann, _) = sessions.open(account("ann"), "", Proof::Whole, 0).unwrap();
        let (first, _) = sessions.open(account("bob"), "", Proof::Whole, 0).unwrap();
        for at in 1..=SESSIONS_EACH as u64 {
            sessions.open(account("bob"), "", Proof::Whole, at).unwrap();
        }
        let count = |sessions: &Sessions, of: Holder| {
            sessions
                .open
                .values()
                .filter(|open| open.holder.is_same(&of))
                .count()
        };
        assert_eq!(count(&sessions, account("bob")), SESSIONS_EACH);
        assert!(sessions.find(&fingerprint(first.reveal()), 50).is_none());
        assert!(
            sessions.find(&fingerprint(ann.reveal()), 50).is_some(),
            "another's go on"
        );
        for at in 1..=SESSIONS_MAX as u64 {
            sessions.open(token(), "", Proof::Whole, 100 + at).unwrap();
        }
        assert_eq!(count(&sessions, token()), SESSIONS_OF_A_TOKEN);
        assert!(
            sessions.find(&fingerprint(ann.reveal()), 500).is_some(),
            "one token signs nobody else out"
        );
        for at in 1..=SESSIONS_MAX as u64 {
            let another = Holder::Token(format!("token {at}"));
            sessions.open(another, "", Proof::Whole, 500 + at).unwrap();
        }
        assert_eq!(sessions.open.len(), SESSIONS_MAX);
        assert!(sessions.find(&fingerprint(ann.reveal()), 900).is_none());
    }

    /// An older gateway reads no `proof`: what it must not open is not there for it.
    #[test]
    fn a_session_that_awaits_a_code_is_not_kept() {
        let url = "sqlite::memory:".into();
        let store = crate::store::open(&crate::store::Config { url }).unwrap();
        let mut sessions = Sessions::default();
        let (secret, _) = sessions.open(account("ann"), "", Proof::AwaitsCode, 0).unwrap();
        Sessions::keep(&sessions.all(), &*store).unwrap();
        assert!(store.shelf(SHELF).unwrap().documents.is_empty());
        sessions.prove(&fingerprint(secret.reveal()));
        Sessions::keep(&sessions.all(), &*store).unwrap();
        assert_eq!(Sessions::load(&*store).unwrap().all(), sessions.all());
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart_and_what_ended_is_not() {
        let store = crate::store::open(&crate::store::Config {
            url: "sqlite::memory:".into(),
        })
        .unwrap();
        let mut sessions = Sessions::default();
        let (left, _) = sessions.open(token(), "", Proof::Whole, 0).unwrap();
        let (stays, _) = sessions
            .open(account("ann"), "192.0.2.1", Proof::Whole, 0)
            .unwrap();
        Sessions::keep(&sessions.all(), &*store).unwrap();
        sessions.close(&fingerprint(left.reveal()));
        Sessions::keep(&sessions.all(), &*store).unwrap();
        Sessions::keep(&sessions.all(), &*store).unwrap();
        let shelf = store.shelf(SHELF).unwrap();
        assert_eq!(
            (shelf.revision, shelf.documents.len()),
            (2, 1),
            "nothing new, nothing written"
        );
        assert!(!shelf.documents[0].0.contains(stays.reveal()));
        let again = Sessions::load(&*store).unwrap();
        assert_eq!(again.all(), sessions.all());
        assert_eq!(sessions.end(|open| open.holder.is_same(&account("ann"))), 1);
    }
}
