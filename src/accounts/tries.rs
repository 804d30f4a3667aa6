//! Wrong passwords, counted here and at the other gateways on the same store: whoever has to wait at one has to wait at all of them.
//!
//! Each gateway goes by its own count ([`Lockout`]) and tells the others what it counted. Where the name should be there may be a password, so
//! names travel as their HMAC under a key that lies in the store: whoever only listens has nothing to guess at. What cannot be told, because the
//! store is away, counts where it was tried alone.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::limits::TRIES_TOLD;
use super::lockout::{Lockout, Reserved};
use super::secret::{fingerprint, from_hexadecimal, hexadecimal};

/// What came of a try, for the others.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    /// HMAC-SHA256 of the name, hexadecimal.
    name: String,
    from: IpAddr,
    is_known: bool,
    came: Came,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    Right,
    Wrong,
    WrongCode,
}

/// The lock-out of this gateway, and what the others are still to be told of it.
#[derive(Debug, Default)]
pub struct Tries {
    lockout: Mutex<Lockout>,
    /// None = there are no others.
    others: Option<Others>,
}

#[derive(Debug)]
struct Others {
    /// By what names are known among them.
    names: hmac::Key,
    to_tell: Mutex<VecDeque<String>>,
}

impl Tries {
    /// `names`: by what names are known among the gateways that use the same store; None = there are no others.
    pub fn new(names: Option<hmac::Key>) -> Tries {
        Tries {
            lockout: Mutex::default(),
            others: names.map(|names| Others {
                names,
                to_tell: Mutex::default(),
            }),
        }
    }

    /// As [`Lockout::may_try`].
    ///
    /// # Errors
    ///
    /// The seconds to wait.
    pub fn may_try(&self, name: &str, from: IpAddr, is_known: bool, now_ms: u64) -> Result<(), u64> {
        lock(&self.lockout).may_try(&self.known_as(name), from, is_known, now_ms)
    }

    /// Counts a wrong password.
    pub fn wrong(&self, name: &str, from: IpAddr, is_known: bool, now_ms: u64) {
        let name = self.known_as(name);
        lock(&self.lockout).wrong(&fingerprint(&name), from, is_known, now_ms);
        self.tell(name, from, is_known, Came::Wrong);
    }

    /// As [`Lockout::reserve`].
    ///
    /// # Errors
    ///
    /// The seconds to wait.
    pub fn reserve(&self, name: &str, from: IpAddr, is_known: bool, now_ms: u64) -> Result<Reserved, u64> {
        lock(&self.lockout).reserve(&self.known_as(name), from, is_known, now_ms)
    }

    /// As [`Lockout::take_back`].
    pub fn take_back(&self, reserved: &Reserved) {
        lock(&self.lockout).take_back(reserved);
    }

    /// The code for which this was reserved was wrong: it is counted here, and now elsewhere too.
    pub fn wrong_code(&self, name: &str, from: IpAddr, is_known: bool) {
        self.tell(self.known_as(name), from, is_known, Came::WrongCode);
    }

    /// As [`Lockout::right`].
    pub fn right(&self, name: &str, from: IpAddr) {
        let name = self.known_as(name);
        lock(&self.lockout).right(&fingerprint(&name), from);
        self.tell(name, from, true, Came::Right);
    }

    /// What the others are to be told since this was asked last, for [`Tries::hear`].
    pub fn to_tell(&self) -> VecDeque<String> {
        self.others
            .as_ref()
            .map(|others| std::mem::take(&mut *lock(&others.to_tell)))
            .unwrap_or_default()
    }

    /// Counts what another gateway told. What cannot be read counts as nothing.
    pub fn hear(&self, text: &str, now_ms: u64) {
        let Ok(tried) = serde_json::from_str::<Tried>(text) else {
            return;
        };
        if from_hexadecimal(&tried.name).is_none() {
            return;
        }
        let name = fingerprint(&tried.name);
        let mut lockout = lock(&self.lockout);
        match tried.came {
            Came::Right => lockout.right(&name, tried.from),
            Came::Wrong => lockout.wrong(&name, tried.from, tried.is_known, now_ms),
            Came::WrongCode => lockout.wrong_code(&name, tried.from, tried.is_known, now_ms),
        }
    }

    /// The same at all gateways of a store.
    fn known_as(&self, name: &str) -> String {
        match &self.others {
            Some(others) => hexadecimal(hmac::sign(&others.names, name.as_bytes()).as_ref()),
            None => name.into(),
        }
    }

    /// `name`: as the others know it.
    fn tell(&self, name: String, from: IpAddr, is_known: bool, came: Came) {
        let Some(others) = &self.others else { return };
        let tried = Tried {
            name,
            from,
            is_known,
            came,
        };
        let mut waiting = lock(&others.to_tell);
        if waiting.len() >= TRIES_TOLD {
            waiting.pop_front();
        }
        // Our own plain data always has a JSON form.
        waiting.push_back(serde_json::to_string(&tried).unwrap_or_default());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::limits::{WRONG_CODES, WRONG_PAIR};
    use super::*;

    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 9));

    fn tries_of(secret: &[u8]) -> Tries {
        Tries::new(Some(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    fn told(from: &Tries, to: &Tries) {
        from.to_tell().iter().for_each(|text| to.hear(text, 1_000));
    }

    #[test]
    fn whoever_has_to_wait_at_one_gateway_has_to_wait_at_the_other() {
        let (left, right) = (tries_of(b"store"), tries_of(b"store"));
        for number in 0..WRONG_PAIR {
            let at = if number % 2 == 0 { &left } else { &right };
            at.wrong("ann", AWAY, false, 1_000);
            told(&left, &right);
            told(&right, &left);
        }
        for gateway in [&left, &right] {
            assert_eq!(gateway.may_try("ann", AWAY, false, 1_000), Err(30));
            assert_eq!(gateway.may_try("bob", AWAY, false, 1_000), Ok(()));
        }
        assert!(left.to_tell().is_empty(), "what was heard is not told again");
        // Signed in, with an hour gone by: it is forgotten at both.
        left.right("ann", AWAY);
        told(&left, &right);
        for _ in 1..WRONG_PAIR {
            right.wrong("ann", AWAY, false, 1_000);
        }
        assert_eq!(right.may_try("ann", AWAY, false, 1_000), Ok(()));
    }

    #[test]
    fn codes_count_everywhere_once_they_are_known_to_be_wrong() {
        let (left, right) = (tries_of(b"store"), tries_of(b"store"));
        let from = |number: u32| IpAddr::V4((0x0a00_0000 + number).into());
        let reserved = left.reserve("ann", from(99), true, 1_000).unwrap();
        left.take_back(&reserved);
        assert!(left.to_tell().is_empty(), "it was right");
        for number in 0..WRONG_CODES {
            drop(left.reserve("ann", from(number), true, 1_000).unwrap());
            left.wrong_code("ann", from(number), true);
        }
        told(&left, &right);
        for gateway in [&left, &right] {
            assert_eq!(gateway.reserve("ann", from(50), true, 1_000).unwrap_err(), 30);
        }
    }

    #[test]
    fn what_is_told_names_nobody_and_is_bounded_and_what_is_heard_may_be_anything() {
        let alone = Tries::default();
        alone.wrong("ann", AWAY, false, 1_000);
        assert!(alone.to_tell().is_empty());
        let tries = tries_of(b"store");
        for _ in 0..TRIES_TOLD + 10 {
            tries.wrong("a password where the name should be", AWAY, false, 1_000);
        }
        let told = tries.to_tell();
        assert_eq!(told.len(), TRIES_TOLD);
        assert!(!told[0].contains("password"));
        // Nor can one that is guessed be held against it without what lies in the store.
        let guessed = fingerprint("a password where the name should be");
        assert!(!told[0].contains(&hexadecimal(&guessed)));
        let elsewhere = tries_of(b"another store");
        elsewhere.wrong("a password where the name should be", AWAY, false, 1_000);
        assert_ne!(elsewhere.to_tell()[0], told[0]);
        for text in [
            "",
            "{}",
            "[1]",
            &told[0].replace("wrong", "other"),
            &told[0].replace("\"name\":\"", "\"name\":\"x"),
        ] {
            alone.hear(text, 1_000);
        }
        assert_eq!(
            alone.may_try("a password where the name should be", AWAY, false, 1_000),
            Ok(())
        );
    }
}
