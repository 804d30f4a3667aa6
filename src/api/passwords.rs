//! Passwords are looked at one after the other, on a thread that may think, whoever asks and however many there are:
//! guessing takes one core a share of its time and 19 MiB, and never more. Whoever asks from where his account is known, or has an
//! invitation, waits in another room than strangers, so that no number of them takes his place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::{RefusalKind, SignedIn};
use super::audit;
use super::error::Problem;
use super::guard::{Peer, slowed};
use super::limits::{KNOWN_WAITING, STRANGERS_EACH, STRANGERS_WAITING};
use super::state::Shared;
use crate::accounts::{Kept, Refused, User, hash, is_right};
use crate::cidr::neighbourhood;
use crate::redact::Redacted;

/// The one place where passwords are looked at, and the two rooms where one waits for it.
pub(crate) struct Desk {
    turn: Arc<Semaphore>,
    known: Arc<Semaphore>,
    strangers: Arc<Strangers>,
}

struct Strangers {
    room: Arc<Semaphore>,
    /// How many of each network wait.
    networks: Mutex<BTreeMap<IpAddr, usize>>,
}

/// Who waits.
#[derive(Clone, Copy, Debug)]
enum From {
    /// Somebody whose account is known there, or who is signed in, or invited.
    Known,
    Stranger(IpAddr),
}

/// A place in a room. It is given back when this goes.
struct Place {
    _place: OwnedSemaphorePermit,
    of: Option<(Arc<Strangers>, IpAddr)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((strangers, network)) = self.of.take() {
            let mut networks = strangers.networks.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = networks.get_mut(&network) {
                *count -= 1;
                if *count == 0 {
                    networks.remove(&network);
                }
            }
        }
    }
}

impl Default for Desk {
    fn default() -> Self {
        Desk {
            turn: Arc::new(Semaphore::new(1)),
            known: Arc::new(Semaphore::new(KNOWN_WAITING)),
            strangers: Arc::new(Strangers {
                room: Arc::new(Semaphore::new(STRANGERS_WAITING)),
                networks: Mutex::default(),
            }),
        }
    }
}

impl Desk {
    /// None = there is none.
    fn place(&self, from: From) -> Option<Place> {
        let network = match from {
            From::Known => {
                let place = Arc::clone(&self.known).try_acquire_owned().ok()?;
                return Some(Place {
                    _place: place,
                    of: None,
                });
            }
            From::Stranger(address) => neighbourhood(address),
        };
        let place = Arc::clone(&self.strangers.room).try_acquire_owned().ok()?;
        let mut networks = self
            .strangers
            .networks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = networks.entry(network).or_insert(0);
        if *count >= STRANGERS_EACH {
            return None;
        }
        *count += 1;
        Some(Place {
            _place: place,
            of: Some((Arc::clone(&self.strangers), network)),
        })
    }

    /// Does something that hashes, when it is its turn. It is done even when whoever asked has gone.
    async fn work<T: Send + 'static>(
        &self,
        from: From,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.place(from).ok_or(Problem::PasswordsBusy)?;
        let turn = Arc::clone(&self.turn)
            .acquire_owned()
            .await
            .map_err(|_| Problem::Broken)?;
        let answer = tokio::task::spawn_blocking(move || {
            let answer = work();
            drop((turn, place));
            answer
        });
        answer.await.map_err(|_| Problem::Broken)?
    }
}

/// Signs a person in by name, password and, where he has a second factor, a code of it.
pub(crate) async fn sign_in(
    shared: &Shared,
    peer: Option<Peer>,
    name: String,
    password: Redacted<String>,
    code: Redacted<String>,
) -> Result<Arc<User>, Problem> {
    let from = peer.map(Peer::ip);
    right(
        shared,
        from,
        false,
        name.clone(),
        password,
        move |shared, kept| {
            let now_ms = shared.now().unix_ms();
            let users = &shared.access.users;
            users.sign_in(&name, kept, code.reveal().trim(), from, now_ms)
        },
    )
    .await
}

/// Another password for whoever knows the one he has.
pub(crate) async fn change(
    shared: &Shared,
    peer: Option<Peer>,
    signed_in: SignedIn,
    old: Redacted<String>,
    new: Redacted<String>,
) -> Result<(), Problem> {
    let name = signed_in.who.to_string();
    crate::accounts::Users::check_password(&name, new.reveal()).map_err(Refused::from)?;
    let account = name.clone();
    let changed = right(
        shared,
        peer.map(Peer::ip),
        true,
        name,
        old,
        move |shared, kept| {
            let now_ms = shared.now().unix_ms();
            if !shared.access.still_holds(&signed_in, now_ms) {
                return Err(Refused::Ended);
            }
            let new = hash(new.reveal()).ok_or(Refused::NoRandomness)?;
            let users = &shared.access.users;
            let epoch = users.set_password(&account, signed_in.epoch, kept, &new, now_ms)?;
            shared.access.go_on(&signed_in, epoch);
            Ok(())
        },
    );
    changed.await.map_err(own)
}

/// Whether whoever is signed in knows his password: before what would let somebody else in for good.
pub(crate) async fn confirm(
    shared: &Shared,
    peer: Option<Peer>,
    name: String,
    password: Redacted<String>,
) -> Result<(), Problem> {
    let confirmed = right(shared, peer.map(Peer::ip), true, name, password, |_, _| Ok(()));
    confirmed.await.map_err(own)
}

/// An invited person takes a password.
pub(crate) async fn accept(
    shared: &Shared,
    peer: Option<Peer>,
    name: String,
    code: Redacted<String>,
    password: Redacted<String>,
) -> Result<Arc<User>, Problem> {
    crate::accounts::Users::check_password(&name, password.reveal()).map_err(Refused::from)?;
    let inner = shared.clone();
    let work = move || {
        let kept = hash(password.reveal()).ok_or(Problem::Broken)?;
        let now_ms = inner.now().unix_ms();
        let from = peer.map(Peer::ip);
        let users = &inner.access.users;
        // In a lockdown only those open that were made since, at the machine itself.
        let invited_ms = users.one(&name).and_then(|user| user.invitation_ms());
        let since_ms = inner.gateway.lockdown.since();
        if since_ms.is_some_and(|since_ms| invited_ms.is_none_or(|invited_ms| invited_ms <= since_ms)) {
            return Err(Refused::Locked.into());
        }
        Ok(users.accept(&name, code.reveal(), &kept, from, now_ms)?)
    };
    // The invitation was looked at: it opens.
    shared.passwords.work(From::Known, work).await
}

/// Looks at a password, if this name from this address need not wait, and then does what is for whoever has it right.
/// What is wrong is counted. Unknown names, disabled accounts and wrong passwords are one answer and as much work.
async fn right<T: Send + 'static>(
    shared: &Shared,
    from: Option<IpAddr>,
    is_signed_in: bool,
    name: String,
    password: Redacted<String>,
    then: impl FnOnce(&Shared, &Kept) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Problem> {
    let from = from.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    // Who has to wait takes nobody's place. Asked again when it is his turn: others may have been wrong meanwhile.
    let (_, is_known) = may_try(shared, &name, from)?;
    let room = if is_known || is_signed_in {
        From::Known
    } else {
        From::Stranger(from)
    };
    let inner = shared.clone();
    let work = move || {
        let shared = inner;
        let (access, now_ms) = (&shared.access, shared.now().unix_ms());
        // What was done to accounts from elsewhere; and where the store is away everybody hears the same.
        access.users.refresh()?;
        let (user, is_known) = may_try(&shared, &name, from)?;
        let kept = user.as_ref().and_then(|user| user.password()).cloned();
        let is_right = is_right(kept.as_ref(), password.reveal());
        let done = match kept.filter(|_| is_right) {
            Some(kept) => then(&shared, &kept),
            None => Err(Refused::Wrong),
        };
        match done {
            Ok(done) => {
                access.tries().right(&name, from);
                Ok(done)
            }
            Err(Refused::Wrong) => {
                access.tries().wrong(&name, from, is_known, now_ms);
                // What stands where the name should may be anything: only names of accounts are written down.
                let about = user.map_or_else(String::new, |user| user.name.clone());
                Err(Wrong { from, about }.told(&shared))
            }
            Err(refused) => Err(refused.into()),
        }
    };
    shared.passwords.work(room, work).await
}

/// The account of this name, if there is one, and whether it is known to sign in from there; unless one has to wait.
fn may_try(shared: &Shared, name: &str, from: IpAddr) -> Result<(Option<Arc<User>>, bool), Problem> {
    let (access, now_ms) = (&shared.access, shared.now().unix_ms());
    let user = access.users.one(name);
    let is_known = user.as_ref().is_some_and(|user| user.is_known_at(from, now_ms));
    access
        .tries()
        .may_try(name, from, is_known, now_ms)
        .map_err(|retry_seconds| {
            let about = user.as_ref().map_or_else(String::new, |user| user.name.clone());
            slowed(shared, from.to_string(), "sign in", about);
            Problem::TooManyFailures { retry_seconds }
        })?;
    Ok((user, is_known))
}

struct Wrong {
    from: IpAddr,
    about: String,
}

impl Wrong {
    fn told(self, shared: &Shared) -> Problem {
        tracing::warn!(peer = %self.from, account = self.about, "wrong password or code");
        let (who, what) = (self.from.to_string(), "sign in".to_string());
        audit::write_refusal(shared, RefusalKind::Credential, who, what, self.about, "401");
        Problem::WrongCredentials
    }
}

/// Whoever is signed in already has no wrong name, and does not sign in by this.
fn own(problem: Problem) -> Problem {
    match problem {
        Problem::WrongCredentials => Problem::WrongPassword,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_a_room_of_their_own_and_two_places_each_network() {
        let desk = Desk::default();
        let stranger = |number: usize| From::Stranger(IpAddr::from([192, 0, 2, number as u8]));
        let first: Vec<Place> = (0..STRANGERS_EACH)
            .filter_map(|_| desk.place(stranger(1)))
            .collect();
        assert_eq!(first.len(), STRANGERS_EACH);
        assert!(desk.place(stranger(1)).is_none());
        let others: Vec<Place> = (2..100)
            .filter_map(|number| desk.place(stranger(number)))
            .collect();
        assert_eq!(others.len(), STRANGERS_WAITING - STRANGERS_EACH);
        assert!(desk.place(stranger(101)).is_none(), "their room is full");
        let known: Vec<Place> = (0..100).filter_map(|_| desk.place(From::Known)).collect();
        assert_eq!(known.len(), KNOWN_WAITING, "the other is not");
        drop((first, others));
        assert!(desk.strangers.networks.lock().unwrap().is_empty());
        assert!(desk.place(stranger(1)).is_some());
    }
}
