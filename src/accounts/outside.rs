//! People whom a provider vouches for instead of a password: which account is theirs, and what becomes of it when they sign in.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::USERS_MAX;
use super::oidc::Vouched;
use super::user::User;
use super::users::{Book, By, NewUser, Refused, Users, names, sound_person, sound_roles};
use super::{RESERVED, Role, is_name};

/// Who vouches for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    pub issuer: String,
    /// Names him there, for ever; None = he has not signed in yet, and his account is known by its name.
    pub subject: Option<String>,
    /// He has shown a second factor there: from then on nobody who has shown none enrols one here in his name.
    #[serde(default)]
    pub has_shown_second: bool,
}

impl Users {
    /// Makes an account for somebody whom this provider knows by the account's name. Blocks.
    ///
    /// # Errors
    ///
    /// As [`Users::add`].
    pub fn add_outside(&self, new: &NewUser, issuer: &str, by: By<'_>) -> Result<(), Refused> {
        if !is_name(&new.name) {
            return Err(Refused::NotAName);
        }
        let (person, roles) = (sound_person(&new.person)?, sound_roles(&new.roles)?);
        let note = format!("{person}, {}, signs in at {issuer}", names(&roles));
        let outside = Outside {
            issuer: issuer.into(),
            subject: None,
            has_shown_second: false,
        };
        self.carry_out(by, "account add", &new.name, |book| {
            let user = made(book, &new.name, &person, &roles, &outside, by)?;
            Ok((Some(user), note.clone(), ()))
        })
    }

    /// Signs in whom a provider vouches for: by his subject, or, the first time, by the name of an account that was made for it.
    /// An account with a password is nobody's but whose password it is, whatever a provider calls him. His roles become what
    /// the provider says; where that is none, his sessions end. Blocks.
    ///
    /// # Errors
    ///
    /// [`Refused::NotVouched`]; else as [`Users::add`].
    pub fn sign_in_vouched(
        &self,
        vouched: &Vouched,
        from: Option<IpAddr>,
        at_ms: u64,
    ) -> Result<Arc<User>, Refused> {
        self.refresh()?;
        let name = self.account_of(vouched)?;
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
            let is_his = user.outside.as_ref().is_some_and(|outside| {
                outside.issuer == vouched.issuer
                    && outside
                        .subject
                        .as_ref()
                        .is_none_or(|subject| *subject == vouched.subject)
            });
            if !is_his || user.is_disabled {
                return Err(Refused::NotVouched);
            }
            if let Some(outside) = &mut user.outside {
                outside.subject = Some(vouched.subject.clone());
                outside.has_shown_second |= vouched.is_strong;
            }
            if let Some(roles) = vouched.roles.as_ref().filter(|roles| **roles != user.roles) {
                notes.push(format!("{} instead of {}", names(roles), names(&user.roles)));
                user.roles.clone_from(roles);
                user.epoch += 1;
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
    fn account_of(&self, vouched: &Vouched) -> Result<String, Refused> {
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
            Some(user) if outside(user).is_some_and(|outside| outside.subject.is_none()) => Ok(name.clone()),
            Some(_) => Err(Refused::NotVouched),
            None if vouched.makes_accounts
                && vouched.roles.as_ref().is_some_and(|roles| !roles.is_empty()) =>
            {
                Ok(name.clone())
            }
            None => Err(Refused::NotVouched),
        }
    }
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
        password: None,
        invitation: None,
        second_factor: None,
        enrolling: None,
        enrolling_ms: None,
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
        }
    }

    fn check_refused(users: &Users, vouched: &Vouched) {
        let refused = users.sign_in_vouched(vouched, None, NOW).unwrap_err();
        assert!(matches!(refused, Refused::NotVouched), "{refused}");
    }

    #[test]
    fn an_account_is_found_by_name_once_and_by_its_subject_from_then_on() {
        let users = users();
        users.add_outside(&new("ann"), ISSUER, BY).unwrap();
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
        users.add_outside(&new("ann"), ISSUER, BY).unwrap();
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
