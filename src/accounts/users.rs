//! All accounts, as the store keeps them. Whatever is changed is on disk together with its entry in the audit.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::{ENROLMENT_LASTS, INVITATION_LASTS, INVITATIONS_READ, PERSON_MAX, RETRIES, USERS_MAX};
use super::password::{self, Kept, Weak};
use super::refused::Refused;
use super::searches;
use super::second_factor::{SecondFactor, new_secret};
use super::secret::{fingerprint, hexadecimal, secret};
use super::user::{Invited, User};
use super::{RESERVED, Role, is_name};
use crate::redact::Redacted;
use crate::store::{Act, Audit, Store, StoreError, Write};

const SHELF: &str = "users";

/// Who does something, and when (Unix ms).
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    pub who: &'a str,
    pub at_ms: u64,
}

pub struct NewUser {
    pub name: String,
    pub person: String,
    pub roles: Vec<Role>,
}

/// What is to be another about an account; None = as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub person: Option<String>,
    pub roles: Option<Vec<Role>>,
    pub is_disabled: Option<bool>,
    /// Only if it still looks so ([`User::look`]); None = however it looks by now.
    pub only_if: Option<String>,
    /// Only if he may no more than before: in a lockdown.
    pub is_narrowing: bool,
}

/// Lets one person set a password, once. Only its hash is kept.
pub struct Invitation {
    pub code: Redacted<String>,
    /// Unix ms.
    pub expires_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) revision: u64,
    pub(super) users: BTreeMap<String, Arc<User>>,
}

/// Shared by whoever signs people in. Several processes on one store may change accounts: who was second looks again.
pub struct Users {
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
    /// Held while the disk is written.
    desk: Mutex<()>,
    /// Replaced as a whole; held for moments.
    book: Mutex<Arc<Book>>,
    /// When a code that invites nobody had it read again, Unix ms.
    looked_ms: AtomicU64,
}

impl Users {
    /// Reads all accounts. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store. An account that cannot be read opens nothing, and the log says so.
    pub fn open(store: Arc<dyn Store>, audit: Arc<Audit>) -> Result<Users, StoreError> {
        let book = read(&*store)?;
        Ok(Users {
            store,
            audit,
            desk: Mutex::new(()),
            book: Mutex::new(Arc::new(book)),
            looked_ms: AtomicU64::new(0),
        })
    }

    /// Looks at what another process may have changed. Blocks.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let before = self.book().revision;
        let book = read(&*self.store)?;
        let mut known = self.lock();
        // What is older than what was known before it was read is what a store has that lost its last writes: whoever was shut out by
        // what is there now is shut out. Older than what was written here meanwhile is only late.
        if book.revision > known.revision || book.revision < before {
            *known = Arc::new(book);
        }
        Ok(())
    }

    /// In the order of their names.
    pub fn all(&self) -> Vec<Arc<User>> {
        self.book().users.values().cloned().collect()
    }

    pub fn one(&self, name: &str) -> Option<Arc<User>> {
        self.book().users.get(name).cloned()
    }

    /// Makes an account; its person is invited to set a password. Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing is changed then.
    pub fn add(&self, new: &NewUser, by: By<'_>) -> Result<Invitation, Refused> {
        if !is_name(&new.name) {
            return Err(Refused::NotAName);
        }
        let person = sound_person(&new.person)?;
        let roles = sound_roles(&new.roles)?;
        let (invitation, invited) = invite(by.at_ms)?;
        let note = format!("{person}, {}", names(&roles));
        let plan = |book: &Book| {
            if book.users.contains_key(&new.name) || RESERVED.contains(&new.name.as_str()) {
                return Err(Refused::NameTaken);
            }
            if book.users.len() >= USERS_MAX {
                return Err(Refused::Full);
            }
            let user = User {
                name: new.name.clone(),
                person: person.clone(),
                roles: roles.clone(),
                is_disabled: false,
                // Never one that an account of this name had before.
                epoch: book.revision + 1,
                made_ms: by.at_ms,
                made_by: by.who.into(),
                last_in_ms: None,
                password_ms: None,
                taken_ms: None,
                password: None,
                invitation: Some(invited.clone()),
                second_factor: None,
                enrolling: None,
                enrolling_ms: None,
                passkeys: Vec::new(),
                networks: Vec::new(),
                outside: None,
            };
            Ok((Some(user), note.clone(), ()))
        };
        // Nothing of an account that had this name before.
        self.carry_out_with(by, "account add", &new.name, plan, |_| {
            Ok(searches::without(&*self.store, &new.name)?.into_iter().collect())
        })?;
        Ok(invitation)
    }

    /// Takes password, second factor and passkeys away and invites the person to set new ones; his sessions end. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Users::add`].
    pub fn reset(&self, name: &str, by: By<'_>) -> Result<Invitation, Refused> {
        let (invitation, invited) = invite(by.at_ms)?;
        self.alter(by, "account reset", name, |user| {
            if user.outside.is_some() {
                return Err(Refused::Outside);
            }
            user.password = None;
            user.second_factor = None;
            user.passkeys.clear();
            user.enrolling = None;
            user.invitation = Some(invited.clone());
            user.epoch += 1;
            Ok((String::new(), ()))
        })?;
        Ok(invitation)
    }

    /// Other roles, another person's name, disabled or not. Other roles and being disabled end his sessions. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Users::add`].
    pub fn change(&self, name: &str, change: &Change, by: By<'_>) -> Result<Arc<User>, Refused> {
        let person = change.person.as_deref().map(sound_person).transpose()?;
        let roles = change.roles.as_deref().map(sound_roles).transpose()?;
        self.carry_out(by, "account change", name, |book| {
            let before = book.users.get(name).ok_or(Refused::NoSuchUser)?;
            if change.only_if.as_ref().is_some_and(|seen| *seen != before.look()) {
                return Err(Refused::ChangedSince);
            }
            let mut user = User::clone(before);
            let mut notes = Vec::new();
            if let Some(person) = person.as_ref().filter(|person| **person != user.person) {
                notes.push(format!("now {person}"));
                user.person.clone_from(person);
            }
            if let Some(roles) = roles.as_ref().filter(|roles| **roles != user.roles) {
                notes.push(format!("{} instead of {}", names(roles), names(&user.roles)));
                user.roles.clone_from(roles);
                user.epoch += 1;
            }
            if let Some(is_disabled) = change.is_disabled.filter(|wanted| *wanted != user.is_disabled) {
                notes.push(if is_disabled { "disabled" } else { "enabled" }.into());
                user.is_disabled = is_disabled;
                user.epoch += 1;
            }
            if change.is_narrowing && before.is_widened_to(&user) {
                return Err(Refused::Locked);
            }
            book.keeps_an_admin(before, Some(&user))?;
            Ok((Some(user), notes.join("; "), ()))
        })?;
        self.one(name).ok_or(Refused::NoSuchUser)
    }

    /// Takes an account away. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Users::add`].
    pub fn remove(&self, name: &str, by: By<'_>) -> Result<(), Refused> {
        let plan = |book: &Book| {
            let before = book.users.get(name).ok_or(Refused::NoSuchUser)?;
            book.keeps_an_admin(before, None)?;
            Ok((None, before.person.clone(), ()))
        };
        self.carry_out_with(by, "account remove", name, plan, |book| {
            let before = book.users.get(name).ok_or(Refused::NoSuchUser)?;
            let left = super::left::note(&*self.store, before)?;
            let searches = searches::without(&*self.store, name)?;
            Ok(left.into_iter().chain(searches).collect())
        })
    }

    /// Ends all sessions of an account. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Users::add`].
    pub fn end_sessions(&self, name: &str, by: By<'_>) -> Result<(), Refused> {
        self.alter(by, "account sessions end", name, |user| {
            user.epoch += 1;
            Ok((String::new(), ()))
        })
    }

    /// Whom this code invites.
    pub fn invited(&self, code: &str, now_ms: u64) -> Option<Arc<User>> {
        let book = self.book();
        let mut users = book.users.values();
        users
            .find(|user| !user.is_disabled && user.is_invited_by(code, now_ms))
            .cloned()
    }

    /// Whether it is time to look for invitations that another process has made. Says so once in [`INVITATIONS_READ`],
    /// whoever asks.
    pub fn may_look_for_invitations(&self, now_ms: u64) -> bool {
        let looked_ms = self.looked_ms.load(Ordering::Relaxed);
        let is_due = now_ms.abs_diff(looked_ms) >= INVITATIONS_READ.as_millis() as u64;
        let mine = (Ordering::Relaxed, Ordering::Relaxed);
        is_due
            && self
                .looked_ms
                .compare_exchange(looked_ms, now_ms, mine.0, mine.1)
                .is_ok()
    }

    /// Whether this person may take this password.
    ///
    /// # Errors
    ///
    /// [`Weak`].
    pub fn check_password(name: &str, password: &str) -> Result<(), Weak> {
        password::check(password, name)
    }

    /// The invited person takes a password. The code opens nothing any more. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Users::add`].
    pub fn accept(
        &self,
        name: &str,
        code: &str,
        taken: &Kept,
        from: Option<IpAddr>,
        at_ms: u64,
    ) -> Result<Arc<User>, Refused> {
        let by = By { who: name, at_ms };
        let note = from.map_or_else(String::new, |from| format!("from {from}"));
        self.alter(by, "account accept invitation", name, |user| {
            if user.is_disabled || !user.is_invited_by(code, at_ms) {
                return Err(Refused::NotInvited);
            }
            user.invitation = None;
            user.password = Some(taken.clone());
            user.password_ms = Some(at_ms);
            user.taken_ms = Some(at_ms);
            user.epoch += 1;
            user.signed_in(from, at_ms);
            Ok((note.clone(), ()))
        })?;
        self.one(name).ok_or(Refused::NoSuchUser)
    }

    /// Whoever had this password right signs in, with a code of his second factor if he has one. What is wrong is found
    /// without the store, so that it takes as long as a wrong password: accounts are to be read again before that is looked at.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::Wrong`] for whatever is wrong; else as [`Users::add`].
    pub fn sign_in(
        &self,
        name: &str,
        right: &Kept,
        code: &str,
        from: Option<IpAddr>,
        at_ms: u64,
    ) -> Result<Arc<User>, Refused> {
        let by = By { who: name, at_ms };
        let take = |user: &mut User| {
            if user.password() != Some(right) {
                return Err(Refused::Wrong);
            }
            let factor = user.second_factor.as_mut();
            match factor.is_none_or(|factor| factor.take(code, at_ms)) {
                true => Ok(()),
                false => Err(Refused::Wrong),
            }
        };
        let known = self.one(name).ok_or(Refused::Wrong)?;
        take(&mut User::clone(&known))?;
        self.alter(by, "sign in", name, |user| {
            take(user)?;
            user.signed_in(from, at_ms);
            let from = from.map_or_else(String::new, |from| format!("from {from}"));
            Ok((from, ()))
        })?;
        self.one(name).ok_or(Refused::NoSuchUser)
    }

    /// Another password instead of the one that was right; all his sessions end. `epoch`: how many times the account had
    /// changed when the session that asks was looked at. Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::Ended`] when it has changed since: whoever ended that session meant it. Else as [`Users::sign_in`].
    pub fn set_password(
        &self,
        name: &str,
        epoch: u64,
        right: &Kept,
        taken: &Kept,
        at_ms: u64,
    ) -> Result<u64, Refused> {
        let by = By { who: name, at_ms };
        self.alter(by, "account password", name, |user| {
            if user.epoch != epoch {
                return Err(Refused::Ended);
            }
            if user.password() != Some(right) {
                return Err(Refused::Wrong);
            }
            user.password = Some(taken.clone());
            user.password_ms = Some(at_ms);
            user.epoch += 1;
            Ok((String::new(), user.epoch))
        })
    }

    /// A secret for a telephone, shown once. The second factor he has stays until the new one has proven itself. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Users::add`].
    pub fn begin_second_factor(&self, name: &str, at_ms: u64) -> Result<Redacted<String>, Refused> {
        let secret = new_secret().ok_or(Refused::NoRandomness)?;
        let by = By { who: name, at_ms };
        self.alter(by, "account second factor begin", name, |user| {
            user.enrolling = Some(secret.clone());
            user.enrolling_ms = Some(at_ms);
            Ok((String::new(), ()))
        })?;
        Ok(Redacted::new(secret))
    }

    /// The telephone has shown this code: it is the second factor now, and his other sessions end. Gives the recovery codes,
    /// once, and how many times the account has changed. Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::WrongCode`]; [`Refused::NotEnrolling`], also when it began more than [`ENROLMENT_LASTS`] ago;
    /// [`Refused::Ended`] as with [`Users::set_password`]; else as [`Users::add`].
    pub fn prove_second_factor(
        &self,
        name: &str,
        epoch: u64,
        code: &str,
        at_ms: u64,
    ) -> Result<(Vec<String>, u64), Refused> {
        let by = By { who: name, at_ms };
        self.alter(by, "account second factor", name, |user| {
            if user.epoch != epoch {
                return Err(Refused::Ended);
            }
            let secret = user.enrolling.take().ok_or(Refused::NotEnrolling)?;
            let lasts_ms = ENROLMENT_LASTS.as_millis() as u64;
            let began_ms = user.enrolling_ms.take();
            if began_ms.is_none_or(|began_ms| at_ms.abs_diff(began_ms) >= lasts_ms) {
                return Err(Refused::NotEnrolling);
            }
            let enrolled = SecondFactor::enrol(&secret, code, at_ms).map_err(|()| Refused::NoRandomness)?;
            let (factor, codes) = enrolled.ok_or(Refused::WrongCode)?;
            user.second_factor = Some(factor);
            user.epoch += 1;
            Ok((String::new(), (codes, user.epoch)))
        })
    }

    pub(super) fn alter<T>(
        &self,
        by: By<'_>,
        what: &str,
        name: &str,
        alter: impl Fn(&mut User) -> Result<(String, T), Refused>,
    ) -> Result<T, Refused> {
        self.carry_out(by, what, name, |book| {
            let before = book.users.get(name).ok_or(Refused::NoSuchUser)?;
            let mut user = User::clone(before);
            let (note, given) = alter(&mut user)?;
            Ok((Some(user), note, given))
        })
    }

    /// `plan` says what becomes of the account (None = it goes), with a note for the audit. It is asked again when another
    /// process was first.
    pub(super) fn carry_out<T>(
        &self,
        by: By<'_>,
        what: &str,
        name: &str,
        plan: impl Fn(&Book) -> Result<(Option<User>, String, T), Refused>,
    ) -> Result<T, Refused> {
        self.carry_out_with(by, what, name, plan, |_| Ok(Vec::new()))
    }

    /// The same with something else that is written with it, or not at all.
    fn carry_out_with<T>(
        &self,
        by: By<'_>,
        what: &str,
        name: &str,
        plan: impl Fn(&Book) -> Result<(Option<User>, String, T), Refused>,
        beside: impl Fn(&Book) -> Result<Vec<Write>, Refused>,
    ) -> Result<T, Refused> {
        let _desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        // Whom another process has made a moment ago is known to this one.
        self.refresh()?;
        for _ in 0..RETRIES {
            let book = self.book();
            let (user, note, given) = plan(&book)?;
            let act = Act {
                at_ms: by.at_ms,
                by: by.who,
                what,
                about: name,
                note: &note,
            };
            // Our own plain data always has a JSON form.
            let text = user
                .as_ref()
                .map(|user| serde_json::to_string(user).unwrap_or_default());
            let write = Write::Reshelve {
                shelf: SHELF,
                revision: book.revision + 1,
                changes: vec![(name.into(), text)],
            };
            let mut writes = beside(&book)?;
            writes.push(write);
            if self.audit.write_with(&act, &writes)?.is_some() {
                let mut users = book.users.clone();
                match user {
                    Some(user) => users.insert(name.into(), Arc::new(user)),
                    None => users.remove(name),
                };
                *self.lock() = Arc::new(Book {
                    revision: book.revision + 1,
                    users,
                });
                return Ok(given);
            }
            self.refresh()?;
        }
        Err(Refused::Raced)
    }

    fn book(&self) -> Arc<Book> {
        self.lock().clone()
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Book>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Of the administrators who can sign in one is left, if there was one.
    pub(super) fn keeps_an_admin(&self, before: &User, after: Option<&User>) -> Result<(), Refused> {
        let is_left = after.is_some_and(User::is_acting_admin);
        let mut others = self.users.values().filter(|other| other.name != before.name);
        if before.is_acting_admin() && !is_left && !others.any(|other| other.is_acting_admin()) {
            return Err(Refused::LastAdmin);
        }
        Ok(())
    }
}

fn invite(at_ms: u64) -> Result<(Invitation, Invited), Refused> {
    let code = secret("").ok_or(Refused::NoRandomness)?;
    let expires_ms = at_ms + INVITATION_LASTS.as_millis() as u64;
    let invited = Invited {
        sha256: hexadecimal(&fingerprint(&code)),
        expires_ms,
    };
    let code = Redacted::new(code);
    Ok((Invitation { code, expires_ms }, invited))
}

pub(super) fn sound_person(person: &str) -> Result<String, Refused> {
    let person = person.trim();
    let is_sound =
        !person.is_empty() && person.chars().count() <= PERSON_MAX && !person.chars().any(char::is_control);
    is_sound.then(|| person.into()).ok_or(Refused::NotAPerson)
}

pub(super) fn sound_roles(roles: &[Role]) -> Result<Vec<Role>, Refused> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        return Err(Refused::NoRoles);
    }
    Ok(roles)
}

pub(super) fn names(roles: &[Role]) -> String {
    let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    names.join(", ")
}

pub(super) fn read(store: &dyn Store) -> Result<Book, StoreError> {
    let shelf = store.shelf(SHELF)?;
    let mut users = BTreeMap::new();
    for (name, text) in shelf.documents {
        match serde_json::from_str::<User>(&text) {
            Ok(user) if user.name == name => {
                users.insert(name, Arc::new(user));
            }
            Ok(_) => tracing::error!(name, "an account stands under another's name; it opens nothing"),
            Err(error) => tracing::error!(name, %error, "an account cannot be read; it opens nothing"),
        }
    }
    Ok(Book {
        revision: shelf.revision,
        users,
    })
}
