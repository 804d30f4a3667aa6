//! People whom a provider vouches for instead of a password: which account is theirs, and what becomes of it when they sign in.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::left;
use super::limits::USERS_MAX;
use super::oidc::Vouched;
use super::oidc::limits::SUBJECT_MAX;
use super::refused::Refused;
use super::user::User;
use super::users::{Book, By, NewUser, Users, names, sound_person, sound_roles};
use super::{RESERVED, Role, is_name};

/// Who vouches for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    pub issuer: String,
    /// Names him there, for ever; None = he has not signed in yet, and is waited for by the account's name for
    /// [`super::limits::OUTSIDE_WAITS`].
    pub subject: Option<String>,
    /// He has shown a second factor there: from then on nobody who has shown none enrols one here in his name.
    #[serde(default)]
    pub has_shown_second: bool,
}

impl Users {
    /// Makes an account for somebody whom this provider knows by `subject`, or, until he first comes, by the account's name.
    /// Blocks.
    ///
    /// # Errors
    ///
    /// As [`Users::add`]; [`Refused::NotASubject`], [`Refused::SubjectTaken`].
    pub fn add_outside(
        &self,
        new: &NewUser,
        issuer: &str,
        subject: Option<&str>,
        by: By<'_>,
    ) -> Result<(), Refused> {
        if !is_name(&new.name) {
            return Err(Refused::NotAName);
        }
        if subject.is_some_and(|subject| !is_subject(subject)) {
            return Err(Refused::NotASubject);
        }
        let (person, roles) = (sound_person(&new.person)?, sound_roles(&new.roles)?);
        let by_what = if subject.is_some() { " by his subject" } else { "" };
        let note = format!("{person}, {}, signs in at {issuer}{by_what}", names(&roles));
        let outside = Outside {
            issuer: issuer.into(),
            subject: subject.map(Into::into),
            has_shown_second: false,
        };
        self.carry_out(by, "account add", &new.name, |book| {
            let is_his = |user: &User| {
                let theirs = user.outside.as_ref().filter(|theirs| theirs.issuer == issuer);
                theirs.is_some_and(|theirs| subject.is_some() && theirs.subject.as_deref() == subject)
            };
            if book.users.values().any(|user| is_his(user)) {
                return Err(Refused::SubjectTaken);
            }
            let user = made(book, &new.name, &person, &roles, &outside, by)?;
            Ok((Some(user), note.clone(), ()))
        })
    }

    /// Signs in whom a provider vouches for: by his subject, or, the first time, by the name of an account that was made for it.
    /// An account with a password is nobody's but whose password it is, whatever a provider calls him. His roles become what
    /// the provider says, but the last administrator stays one; where that is none, his sessions end. Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::NotVouched`], [`Refused::WaitedTooLong`], [`Refused::Left`]; else as [`Users::add`].
    pub fn sign_in_vouched(
        &self,
        vouched: &Vouched,
        from: Option<IpAddr>,
        at_ms: u64,
    ) -> Result<Arc<User>, Refused> {
        self.refresh()?;
        let name = self.account_of(vouched, at_ms)?;
        let by = By { who: &name, at_ms };
        if vouched.roles.as_ref().is_some_and(Vec::is_empty) {
            if self.one(&name).is_some_and(|user| !user.is_disabled) {
                self.carry_out(by, "account sessions end", &name, |book| {
                    let before = book.users.get(&name).ok_or(Refused::NotVouched)?;
                    let mut user = User::clone(before);
                    user.epoch += 1;
                    Ok((Some(user), "the provider names no role any more".into(), ()))
                })?;
            }
            return Err(Refused::NotVouched);
        }
        let from_note = from.map_or_else(String::new, |from| format!("from {from}"));
        self.carry_out(by, "sign in", &name, |book| {
            let mut notes = vec![format!("{from_note} by {}", vouched.issuer)];
            let mut user = match book.users.get(&name) {
                Some(user) => User::clone(user),
                None => {
                    let person = vouched.person.as_deref().unwrap_or(&name);
                    let person = sound_person(person).unwrap_or_else(|_| name.clone());
                    let roles = vouched.roles.as_deref().unwrap_or_default();
                    let outside = Outside {
                        issuer: vouched.issuer.clone(),
                        subject: None,
                        has_shown_second: false,
                    };
                    notes.push(format!("a new account: {}", names(roles)));
                    made(book, &name, &person, &sound_roles(roles)?, &outside, by)?
                }
            };
            let is_new = !book.users.contains_key(&name);
            let is_awaited = is_new || user.awaits_name(at_ms);
            let is_his = user.outside.as_ref().is_some_and(|outside| {
                outside.issuer == vouched.issuer
                    && match &outside.subject {
                        Some(subject) => *subject == vouched.subject,
                        None => is_awaited,
                    }
            });
            if !is_his || user.is_disabled {
                return Err(Refused::NotVouched);
            }
            let is_first = user
                .outside
                .as_ref()
                .is_some_and(|outside| outside.subject.is_none());
            if is_first {
                if vouched.is_narrowing {
                    return Err(Refused::Locked);
                }
                user.taken_ms = Some(at_ms);
            }
            if let Some(outside) = &mut user.outside {
                outside.subject = Some(vouched.subject.clone());
                outside.has_shown_second |= vouched.is_strong;
            }
            if let Some(mut roles) = vouched.roles.clone() {
                if vouched.is_narrowing {
                    roles.retain(|role| user.roles.contains(role));
                    if roles.is_empty() {
                        return Err(Refused::NotVouched);
                    }
                }
                let after = User {
                    roles: roles.clone(),
                    ..user.clone()
                };
                if book.keeps_an_admin(&user, Some(&after)).is_err() {
                    notes.push("stays admin: there is no other who can sign in".into());
                    roles.push(Role::Admin);
                    roles = sound_roles(&roles)?;
                }
                if roles != user.roles {
                    notes.push(format!("{} instead of {}", names(&roles), names(&user.roles)));
                    user.roles = roles;
                    user.epoch += 1;
                }
            }
            // Where a code is still to be shown, the network is his only then: waits are shorter for networks that are known.
            let is_whole = vouched.is_strong || user.second_factor.is_none();
            user.signed_in(from.filter(|_| is_whole), at_ms);
            Ok((Some(user), notes.join("; "), ()))
        })?;
        self.one(&name).ok_or(Refused::NoSuchUser)
    }

    /// A code of the second factor, from somebody who is signed in elsewhere and shows it here. Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::Ended`] as with a password; [`Refused::WrongCode`]; else as [`Users::add`].
    pub fn take_code(&self, name: &str, epoch: u64, code: &str, at_ms: u64) -> Result<(), Refused> {
        let by = By { who: name, at_ms };
        self.carry_out(by, "sign in", name, |book| {
            let before = book.users.get(name).ok_or(Refused::NoSuchUser)?;
            let mut user = User::clone(before);
            if user.epoch != epoch || user.is_disabled {
                return Err(Refused::Ended);
            }
            let factor = user.second_factor.as_mut();
            match factor.is_some_and(|factor| factor.take(code, at_ms)) {
                true => Ok((Some(user), "second factor".into(), ())),
                false => Err(Refused::WrongCode),
            }
        })
    }

    /// The name of his account, or of the one that is to be made for him.
    fn account_of(&self, vouched: &Vouched, at_ms: u64) -> Result<String, Refused> {
        let users = self.all();
        let outside = |user: &User| {
            user.outside
                .clone()
                .filter(|outside| outside.issuer == vouched.issuer)
        };
        let subject = Some(&vouched.subject);
        let known = users
            .iter()
            .find(|user| outside(user).is_some_and(|outside| outside.subject.as_ref() == subject));
        if let Some(user) = known {
            return Ok(user.name.clone());
        }
        let name = vouched
            .name
            .as_ref()
            .filter(|name| is_name(name))
            .ok_or(Refused::NotVouched)?;
        match users.iter().find(|user| user.name == *name) {
            Some(user) if outside(user).is_some_and(|outside| outside.subject.is_none()) => {
                match user.awaits_name(at_ms) {
                    true => Ok(name.clone()),
                    false => Err(Refused::WaitedTooLong),
                }
            }
            Some(_) => Err(Refused::NotVouched),
            None if vouched.makes_accounts
                && vouched.roles.as_ref().is_some_and(|roles| !roles.is_empty()) =>
            {
                match left::has_left(self.store(), &vouched.issuer, &vouched.subject)? {
                    false => Ok(name.clone()),
                    true => Err(Refused::Left),
                }
            }
            None => Err(Refused::NotVouched),
        }
    }
}

fn is_subject(text: &str) -> bool {
    !text.is_empty() && text.len() <= SUBJECT_MAX && !text.chars().any(char::is_control)
}

fn made(
    book: &Book,
    name: &str,
    person: &str,
    roles: &[Role],
    outside: &Outside,
    by: By<'_>,
) -> Result<User, Refused> {
    if book.users.contains_key(name) || RESERVED.contains(&name) {
        return Err(Refused::NameTaken);
    }
    if book.users.len() >= USERS_MAX {
        return Err(Refused::Full);
    }
    Ok(User {
        name: name.into(),
        person: person.into(),
        roles: roles.to_vec(),
        is_disabled: false,
        // Never one that an account of this name had before.
        epoch: book.revision + 1,
        made_ms: by.at_ms,
        made_by: by.who.into(),
        last_in_ms: None,
        password_ms: None,
        taken_ms: None,
        password: None,
        invitation: None,
        second_factor: None,
        enrolling: None,
        enrolling_ms: None,
        passkeys: Vec::new(),
        networks: Vec::new(),
        outside: Some(outside.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Audit};

    const NOW: u64 = 1_790_000_000_000;
    const BY: By<'static> = By {
        who: "first",
        at_ms: NOW,
    };
    const ISSUER: &str = "https://idp.example";

    fn users() -> Users {
        let store = store::open(&store::Config {
            url: "sqlite::memory:".into(),
        })
        .unwrap();
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        Users::open(store, audit).unwrap()
    }

    fn new(name: &str) -> NewUser {
        NewUser {
            name: name.into(),
            person: format!("{name} Example"),
            roles: vec![Role::Analyst],
        }
    }

    fn vouched(subject: &str, name: &str) -> Vouched {
        Vouched {
            issuer: ISSUER.into(),
            subject: subject.into(),
            name: Some(name.into()),
            person: None,
            roles: None,
            is_strong: false,
            makes_accounts: false,
            is_narrowing: false,
        }
    }

    fn check_refused(users: &Users, vouched: &Vouched) {
        let refused = users.sign_in_vouched(vouched, None, NOW).unwrap_err();
        assert!(matches!(refused, Refused::NotVouched), "{refused}");
    }

    #[test]
    fn an_account_is_found_by_name_once_and_by_its_subject_from_then_on() {
        let users = users();
        users.add_outside(&new("ann"), ISSUER, None, BY).unwrap();
        assert_eq!(users.one("ann").unwrap().state(NOW), "invited");
        check_refused(&users, &vouched("2", "bob"));
        let mut other = vouched("1", "ann");
        other.issuer = "https://another.example".into();
        check_refused(&users, &other);
        assert_eq!(
            users
                .sign_in_vouched(&vouched("1", "ann"), None, NOW)
                .unwrap()
                .name,
            "ann"
        );
        assert_eq!(users.one("ann").unwrap().state(NOW), "open");
        // He is called otherwise now, and somebody else by his name.
        assert_eq!(
            users
                .sign_in_vouched(&vouched("1", "anna"), None, NOW)
                .unwrap()
                .name,
            "ann"
        );
        check_refused(&users, &vouched("2", "ann"));
        assert!(users.one("ann").unwrap().password().is_none());
    }

    #[test]
    fn in_a_lockdown_a_provider_makes_nobody_more_than_he_was() {
        let users = users();
        let mut ann = vouched("1", "ann");
        (ann.makes_accounts, ann.roles) = (true, Some(vec![Role::Analyst, Role::Auditor]));
        users.sign_in_vouched(&ann, None, NOW).unwrap();
        users.add_outside(&new("bob"), ISSUER, None, BY).unwrap();
        ann.is_narrowing = true;
        ann.roles = Some(vec![Role::Admin, Role::Auditor]);
        let narrowed = users.sign_in_vouched(&ann, None, NOW).unwrap();
        assert_eq!(narrowed.roles, [Role::Auditor]);
        ann.roles = Some(vec![Role::Admin]);
        check_refused(&users, &ann);
        let bob = Vouched {
            is_narrowing: true,
            ..vouched("2", "bob")
        };
        let refused = users.sign_in_vouched(&bob, None, NOW);
        assert!(matches!(refused, Err(Refused::Locked)), "{refused:?}");
        assert!(users.one("ann").unwrap().is_new_since(NOW - 1));
    }

    #[test]
    fn nobody_is_waited_for_by_name_for_ever() {
        let users = users();
        users.add_outside(&new("ann"), ISSUER, None, BY).unwrap();
        let until = users.one("ann").unwrap().invited_until_ms().unwrap();
        assert_eq!(until, NOW + 72 * 3_600_000);
        let late = users.sign_in_vouched(&vouched("1", "ann"), None, until);
        assert!(matches!(late, Err(Refused::WaitedTooLong)), "{late:?}");
        assert_eq!(users.one("ann").unwrap().state(until), "shut");
        assert!(
            users
                .sign_in_vouched(&vouched("1", "ann"), None, until - 1)
                .is_ok()
        );
        assert!(
            users.sign_in_vouched(&vouched("1", "ann"), None, until).is_ok(),
            "known by his subject from then on"
        );
    }

    #[test]
    fn an_account_that_an_administrator_gave_a_subject_is_nobodys_by_its_name() {
        let users = users();
        users.add_outside(&new("ann"), ISSUER, Some("007"), BY).unwrap();
        let state = |at_ms| users.one("ann").unwrap().state(at_ms);
        assert_eq!(
            (state(NOW), state(NOW + 400 * 24 * 3_600_000)),
            ("invited", "invited")
        );
        check_refused(&users, &vouched("008", "ann"));
        let taken = users.add_outside(&new("bob"), ISSUER, Some("007"), BY);
        assert!(matches!(taken, Err(Refused::SubjectTaken)), "{taken:?}");
        for wrong in ["", "a\n", &"x".repeat(256)] {
            let wrong = users.add_outside(&new("bob"), ISSUER, Some(wrong), BY);
            assert!(matches!(wrong, Err(Refused::NotASubject)), "{wrong:?}");
        }
        let in_ = users
            .sign_in_vouched(&vouched("007", "whatever"), None, NOW)
            .unwrap();
        assert_eq!((in_.name.as_str(), state(NOW)), ("ann", "open"));
    }

    #[test]
    fn whose_account_was_taken_away_gets_none_by_the_providers_word_alone() {
        let users = users();
        let mut ann = vouched("1", "ann");
        (ann.makes_accounts, ann.roles) = (true, Some(vec![Role::Analyst]));
        users.sign_in_vouched(&ann, None, NOW).unwrap();
        users.remove("ann", BY).unwrap();
        let again = users.sign_in_vouched(&ann, None, NOW);
        assert!(matches!(again, Err(Refused::Left)), "{again:?}");
        // By another name he is the same; somebody else of his name is not.
        ann.name = Some("anna".into());
        assert!(matches!(
            users.sign_in_vouched(&ann, None, NOW),
            Err(Refused::Left)
        ));
        let mut other = vouched("2", "ann");
        (other.makes_accounts, other.roles) = (true, Some(vec![Role::Analyst]));
        assert!(users.sign_in_vouched(&other, None, NOW).is_ok());
        // An administrator wants him back.
        users.add_outside(&new("anna"), ISSUER, None, BY).unwrap();
        assert_eq!(users.sign_in_vouched(&ann, None, NOW).unwrap().name, "anna");
    }

    #[test]
    fn the_last_administrator_stays_one_whatever_the_provider_says() {
        let users = users();
        let mut ann = vouched("1", "ann");
        (ann.makes_accounts, ann.roles) = (true, Some(vec![Role::Admin]));
        users.sign_in_vouched(&ann, None, NOW).unwrap();
        ann.roles = Some(vec![Role::Analyst]);
        let moved = users.sign_in_vouched(&ann, None, NOW).unwrap();
        assert_eq!(moved.roles, sound_roles(&[Role::Admin, Role::Analyst]).unwrap());
        let entries = crate::store::audit_page(users.store(), 0).unwrap().0;
        assert!(entries.last().unwrap().note.contains("stays admin"));
        // With another administrator there the provider has its way.
        let mut bob = vouched("2", "bob");
        (bob.makes_accounts, bob.roles) = (true, Some(vec![Role::Admin]));
        users.sign_in_vouched(&bob, None, NOW).unwrap();
        assert_eq!(
            users.sign_in_vouched(&ann, None, NOW).unwrap().roles,
            [Role::Analyst]
        );
    }

    #[test]
    fn an_account_with_a_password_is_not_signed_in_to_from_elsewhere() {
        let users = users();
        users.add(&new("ann"), BY).unwrap();
        let mut ann = vouched("1", "ann");
        (ann.makes_accounts, ann.roles) = (true, Some(vec![Role::Admin]));
        check_refused(&users, &ann);
        assert_eq!(users.one("ann").unwrap().roles, [Role::Analyst]);
        ann.name = Some("first".into());
        assert!(matches!(
            users.sign_in_vouched(&ann, None, NOW),
            Err(Refused::NameTaken)
        ));
    }

    #[test]
    fn unknown_people_get_an_account_only_where_that_is_wanted_and_with_a_role() {
        let users = users();
        let mut ann = vouched("1", "ann");
        ann.roles = Some(vec![Role::Analyst]);
        check_refused(&users, &ann);
        ann.makes_accounts = true;
        ann.roles = Some(Vec::new());
        check_refused(&users, &ann);
        ann.roles = None;
        check_refused(&users, &ann);
        ann.roles = Some(vec![Role::Analyst]);
        assert_eq!(
            users.sign_in_vouched(&ann, None, NOW).unwrap().roles,
            [Role::Analyst]
        );
        for name in ["", "a b", "..", "ä"] {
            let mut other = vouched("2", name);
            (other.makes_accounts, other.roles) = (true, Some(vec![Role::Analyst]));
            check_refused(&users, &other);
        }
    }

    #[test]
    fn roles_follow_the_provider_and_who_has_none_is_out() {
        let users = users();
        users.add_outside(&new("ann"), ISSUER, None, BY).unwrap();
        let mut ann = vouched("1", "ann");
        ann.roles = Some(vec![Role::Analyst]);
        let epoch = users.sign_in_vouched(&ann, None, NOW).unwrap().epoch;
        assert_eq!(
            users.sign_in_vouched(&ann, None, NOW).unwrap().epoch,
            epoch,
            "his sessions go on"
        );
        ann.roles = Some(vec![Role::Supervisor]);
        let moved = users.sign_in_vouched(&ann, None, NOW).unwrap();
        assert_eq!(
            (moved.epoch, &moved.roles[..]),
            (epoch + 1, &[Role::Supervisor][..])
        );
        ann.roles = Some(Vec::new());
        check_refused(&users, &ann);
        assert_eq!(
            users.one("ann").unwrap().epoch,
            epoch + 2,
            "his sessions have ended"
        );
    }
}
