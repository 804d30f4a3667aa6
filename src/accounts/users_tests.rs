//! Accounts from the invitation to the last day, over a store in memory.

use std::net::IpAddr;
use std::sync::Arc;

use super::passkeys::Passkey;
use super::passkeys::limits::PASSKEYS_MAX;
use super::password::{Kept, hash, is_right};
use super::refused::Refused;
use super::second_factor::code_at;
use super::users::{By, Change, NewUser, Users};
use super::{RESERVED, Role};
use crate::store::{self, Audit, Store, audit_entries, verify_audit};

const NOW: u64 = 1_790_000_000_000;
const BY: By<'static> = By {
    who: "first",
    at_ms: NOW,
};

fn memory() -> Arc<dyn Store> {
    let url = "sqlite::memory:".into();
    store::open(&store::Config { url }).unwrap()
}

fn open(store: &Arc<dyn Store>) -> Users {
    let audit = Arc::new(Audit::open(store.clone()).unwrap());
    Users::open(store.clone(), audit).unwrap()
}

fn new(name: &str, roles: &[Role]) -> NewUser {
    NewUser {
        name: name.into(),
        person: format!("{name} Example"),
        roles: roles.to_vec(),
    }
}

fn home() -> Option<IpAddr> {
    Some("192.0.2.1".parse().unwrap())
}

/// An account with the password `twelve small owls`: what is kept of that.
fn ready(users: &Users, name: &str, roles: &[Role]) -> Kept {
    let invitation = users.add(&new(name, roles), BY).unwrap();
    let kept = hash("twelve small owls").unwrap();
    users
        .accept(name, invitation.code.reveal(), &kept, home(), NOW)
        .unwrap();
    kept
}

#[test]
fn an_invitation_opens_once_and_not_for_ever() {
    let store = memory();
    let users = open(&store);
    let invitation = users.add(&new("ann", &[Role::Analyst]), BY).unwrap();
    let code = invitation.code.reveal();
    assert!(users.one("ann").unwrap().password().is_none());
    assert!(users.invited("another", NOW).is_none());
    assert!(users.invited(code, invitation.expires_ms).is_none(), "expired");
    assert_eq!(users.invited(code, NOW).unwrap().name, "ann");
    let kept = hash("twelve small owls").unwrap();
    let accept = || users.accept("ann", code, &kept, home(), NOW);
    let ann = accept().unwrap();
    assert!(is_right(ann.password(), "twelve small owls"));
    assert!(ann.is_known_at(home().unwrap(), NOW + 1));
    assert!(!ann.is_known_at("198.51.100.1".parse().unwrap(), NOW + 1));
    assert!(!ann.is_known_at(home().unwrap(), NOW + 91 * 24 * 3_600_000));
    assert!(matches!(accept(), Err(Refused::NotInvited)));
    let kept = store.shelf("users").unwrap().documents[0].1.clone();
    assert!(!kept.contains(code) && !kept.contains("owls"));
    assert_eq!(
        open(&store).one("ann").unwrap().person,
        "ann Example",
        "after a restart"
    );
}

#[test]
fn an_account_is_one_persons_with_a_name_of_its_own_and_roles() {
    let users = open(&memory());
    ready(&users, "ann", &[Role::Analyst]);
    let add = |name: &str, person: &str, roles: &[Role]| {
        let new = NewUser {
            name: name.into(),
            person: person.into(),
            roles: roles.to_vec(),
        };
        users.add(&new, BY).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(add("ann", "Ann", &[Role::Analyst]), "the name is taken");
    for reserved in RESERVED {
        assert_eq!(add(reserved, "X", &[Role::Analyst]), "the name is taken");
    }
    for name in ["", "a b", "ä", "..", &"x".repeat(61)] {
        assert!(
            add(name, "X", &[Role::Analyst]).starts_with("a name has"),
            "{name}"
        );
    }
    for person in ["", "  ", "a\nb", &"x".repeat(101)] {
        assert!(
            add("bob", person, &[Role::Analyst]).starts_with("say whose"),
            "{person}"
        );
    }
    assert_eq!(add("bob", "Bob", &[]), "an account has at least one role");
}

#[test]
fn a_password_that_was_changed_meanwhile_or_a_disabled_account_signs_nobody_in() {
    let users = open(&memory());
    let kept = ready(&users, "ann", &[Role::Analyst]);
    let sign_in = |right: &Kept| users.sign_in("ann", right, "", home(), NOW + 5);
    assert_eq!(sign_in(&kept).unwrap().last_in_ms, Some(NOW + 5));
    let other = hash("thirteen small owls").unwrap();
    let before = users.one("ann").unwrap().epoch;
    let set = |epoch, right| users.set_password("ann", epoch, right, &other, NOW);
    assert!(
        matches!(set(before - 1, &kept), Err(Refused::Ended)),
        "by a session that has ended"
    );
    assert_eq!(set(before, &kept).unwrap(), before + 1);
    assert!(matches!(sign_in(&kept), Err(Refused::Wrong)));
    assert!(matches!(set(before + 1, &kept), Err(Refused::Wrong)));
    let disable = |is_disabled| {
        let change = Change {
            is_disabled: Some(is_disabled),
            ..Change::default()
        };
        users.change("ann", &change, BY).unwrap()
    };
    assert!(disable(true).password().is_none());
    assert!(matches!(sign_in(&other), Err(Refused::Wrong)));
    let epoch = disable(false).epoch;
    assert_eq!(epoch, before + 3, "sessions from before do not come back");
    assert!(sign_in(&other).is_ok());
    users.end_sessions("ann", BY).unwrap();
    assert_eq!(users.one("ann").unwrap().epoch, epoch + 1);
}

#[test]
fn an_administrator_enrols_a_second_factor_and_needs_it_from_then_on() {
    let users = open(&memory());
    let kept = ready(&users, "ann", &[Role::Admin]);
    assert!(users.one("ann").unwrap().is_to_enrol());
    let epoch = users.one("ann").unwrap().epoch;
    assert!(matches!(
        users.prove_second_factor("ann", epoch, "000000", NOW),
        Err(Refused::NotEnrolling)
    ));
    let secret = users.begin_second_factor("ann", NOW).unwrap();
    let code = |at| code_at(secret.reveal(), at).unwrap();
    assert!(matches!(
        users.prove_second_factor("ann", epoch, &code(NOW + 3_600_000), NOW),
        Err(Refused::WrongCode)
    ));
    let late = NOW + 15 * 60_000;
    assert!(matches!(
        users.prove_second_factor("ann", epoch, &code(late), late),
        Err(Refused::NotEnrolling)
    ));
    assert!(matches!(
        users.prove_second_factor("ann", epoch - 1, &code(NOW), NOW),
        Err(Refused::Ended)
    ));
    let (recovery, _) = users.prove_second_factor("ann", epoch, &code(NOW), NOW).unwrap();
    assert!(!users.one("ann").unwrap().is_to_enrol());
    let sign_in = |code: &str, at| users.sign_in("ann", &kept, code, home(), at);
    for wrong in ["", "123", &code(NOW)] {
        assert!(matches!(sign_in(wrong, NOW), Err(Refused::Wrong)), "{wrong}");
    }
    let next = code(NOW + 30_000);
    assert!(sign_in(&next, NOW + 30_000).is_ok());
    assert!(
        matches!(sign_in(&next, NOW + 30_001), Err(Refused::Wrong)),
        "once"
    );
    assert!(sign_in(&recovery[0], NOW).is_ok());
    assert!(matches!(sign_in(&recovery[0], NOW), Err(Refused::Wrong)), "once");
    assert_eq!(users.one("ann").unwrap().recovery_left(), recovery.len() - 1);
    let invitation = users.reset("ann", BY).unwrap();
    let ann = users.one("ann").unwrap();
    assert!(ann.password().is_none() && !ann.has_second_factor());
    assert!(users.invited(invitation.code.reveal(), NOW).is_some());
}

#[test]
fn the_last_administrator_stays_one_until_there_is_another() {
    let users = open(&memory());
    ready(&users, "ann", &[Role::Admin]);
    users.add(&new("bob", &[Role::Admin]), BY).unwrap();
    let take = |change: Change| users.change("ann", &change, BY).map(|_| ());
    let disabled = || Change {
        is_disabled: Some(true),
        ..Change::default()
    };
    let roles = || Change {
        roles: Some(vec![Role::Analyst, Role::Analyst]),
        ..Change::default()
    };
    // Bob has not accepted yet: he could not help anybody.
    for refused in [take(disabled()), take(roles()), users.remove("ann", BY)] {
        assert!(matches!(refused, Err(Refused::LastAdmin)));
    }
    ready(&users, "cid", &[Role::Admin]);
    take(roles()).unwrap();
    assert_eq!(users.one("ann").unwrap().roles, [Role::Analyst]);
    users.remove("ann", BY).unwrap();
    assert!(users.one("ann").is_none());
    assert!(matches!(users.remove("ann", BY), Err(Refused::NoSuchUser)));
    let again = users.add(&new("ann", &[Role::Analyst]), BY);
    assert!(
        again.is_ok() && users.one("ann").unwrap().epoch > 1,
        "no session of the old one"
    );
}

#[test]
fn two_processes_see_what_the_other_did_and_all_of_it_is_in_the_audit() {
    let store = memory();
    let (gateway, command) = (open(&store), open(&store));
    let kept = ready(&gateway, "ann", &[Role::Analyst]);
    // Its own book is old: it is asked again over the new one.
    command.reset("ann", BY).unwrap();
    assert!(gateway.one("ann").unwrap().password().is_some(), "not told yet");
    assert!(matches!(
        gateway.sign_in("ann", &kept, "", None, NOW),
        Err(Refused::Wrong)
    ));
    gateway.refresh().unwrap();
    assert!(gateway.one("ann").unwrap().password().is_none());
    let entries = audit_entries(&*store, 0).unwrap();
    let lines: Vec<_> = entries
        .iter()
        .map(|entry| format!("{} {} {} {}", entry.by, entry.what, entry.about, entry.note))
        .collect();
    assert_eq!(
        lines,
        [
            "first account add ann ann Example, analyst",
            "ann account accept invitation ann from 192.0.2.1",
            "first account reset ann ",
        ]
    );
    assert_eq!(verify_audit(&*store).unwrap(), Ok(3));
}

fn passkey(id: &str) -> Passkey {
    serde_json::from_value(serde_json::json!({
        "id": id, "name": " laptop ", "algorithm": -7, "key": "AA", "count": 3, "made_ms": NOW, "used_ms": null,
    }))
    .unwrap()
}

#[test]
fn a_passkey_signs_in_its_person_until_it_or_his_password_is_taken_away() {
    let store = memory();
    let users = open(&store);
    for name in ["ann", "bob"] {
        let invitation = users.add(&new(name, &[Role::Receptionist]), BY).unwrap();
        let password = hash("twelve small owls").unwrap();
        users
            .accept(name, invitation.code.reveal(), &password, home(), NOW)
            .unwrap();
    }
    let epoch = |name: &str| users.one(name).unwrap().epoch;
    let before = epoch("ann");
    users.add_passkey("ann", before, &passkey("a"), NOW).unwrap();
    assert_eq!(epoch("ann"), before, "nobody is signed out by one more");
    assert!(matches!(
        users.add_passkey("ann", before + 1, &passkey("b"), NOW),
        Err(Refused::Ended)
    ));
    for name in ["ann", "bob"] {
        let again = users.add_passkey(name, epoch(name), &passkey("a"), NOW);
        assert!(matches!(again, Err(Refused::PasskeyTaken)), "{again:?}");
    }
    let mut nameless = passkey("c");
    nameless.name = " ".into();
    let refused = users.add_passkey("ann", epoch("ann"), &nameless, NOW);
    assert!(matches!(refused, Err(Refused::NotAPasskeyName)));

    // Another process of the store finds it, too.
    let elsewhere = open(&store);
    let (user, kept) = elsewhere.by_passkey("a").unwrap();
    assert_eq!((user.name.as_str(), kept.name.as_str()), ("ann", "laptop"));
    let in_by = |kept: &Passkey, count| elsewhere.sign_in_by_passkey("ann", kept, count, home(), NOW + 5);
    let signed_in = in_by(&kept, 4).unwrap();
    assert_eq!(
        (signed_in.last_in_ms, signed_in.passkeys()[0].used_ms),
        (Some(NOW + 5), Some(NOW + 5))
    );
    // The counter has moved since it was looked at: somebody else signed with it.
    assert!(matches!(in_by(&kept, 5), Err(Refused::Wrong)));
    let (_, kept) = elsewhere.by_passkey("a").unwrap();
    assert_eq!(kept.count, 4);

    users.refresh().unwrap();
    let change = |is_disabled| Change {
        is_disabled: Some(is_disabled),
        ..Change::default()
    };
    users.change("ann", &change(true), BY).unwrap();
    assert!(users.by_passkey("a").is_none(), "a disabled account");
    users.change("ann", &change(false), BY).unwrap();
    elsewhere.refresh().unwrap();
    users.reset("ann", BY).unwrap();
    assert!(matches!(in_by(&kept, 5), Err(Refused::Wrong)), "invited anew");
    assert!(users.one("ann").unwrap().passkeys().is_empty());

    for number in 0..PASSKEYS_MAX {
        let passkey = passkey(&format!("b{number}"));
        users.add_passkey("bob", epoch("bob"), &passkey, NOW).unwrap();
    }
    let one_more = users.add_passkey("bob", epoch("bob"), &passkey("more"), NOW);
    assert!(matches!(one_more, Err(Refused::PasskeysFull)));
    let before = epoch("bob");
    assert!(matches!(
        users.remove_passkey("bob", "a", NOW),
        Err(Refused::NoSuchPasskey)
    ));
    assert_eq!(users.remove_passkey("bob", "b0", NOW).unwrap(), before + 1);
    assert!(users.by_passkey("b0").is_none() && users.by_passkey("b1").is_some());
    assert!(verify_audit(&*store).unwrap().is_ok());
    let said: Vec<String> = audit_entries(&*store, 0)
        .unwrap()
        .iter()
        .map(|entry| format!("{} {}", entry.what, entry.note))
        .collect();
    for expected in [
        "account passkey add laptop",
        "sign in by passkey from 192.0.2.1",
        "account passkey remove laptop",
    ] {
        assert!(said.iter().any(|said| said == expected), "{expected}: {said:?}");
    }
}
