//! Who has to wait before another password of his is looked at.
//!
//! The rule: wrong passwords are counted for each account from each network, for each network, and for each account, and
//! past a bound the next has to wait, twice as long every time. Whoever asks from a network that his account is known to
//! sign in from is only held back by what was tried for his account from that very network, and for a quarter of an hour
//! at most: so nobody elsewhere can lock him out. A code of a second factor is shown by whoever has got past the first already:
//! wrong ones are also counted for each account from everywhere together, and hold for networks that are known too (a quarter of an
//! hour at most). A code is counted before it is looked at, and no more if it was right, so that many at once are not
//! more guesses. A try that has to wait is not looked at and does not count, so no wait
//! grows by asking. Nothing here depends on whether there is such an account. An invitation (made by another administrator, or
//! at the machine itself by `ringward user reset`) and API tokens are not held back at all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::limits::{
    WAIT_FIRST, WAIT_KNOWN, WAIT_LONGEST, WRONG_ALL, WRONG_CODES, WRONG_LINES, WRONG_PAIR, WRONG_REMEMBERED,
};
use super::secret::{Fingerprint, fingerprint};
use crate::cidr::neighbourhood;

/// What is counted for one of those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wrong {
    count: u32,
    last_ms: u64,
    /// Nobody is listened to before.
    until_ms: u64,
    /// How long that was when it began: a clock that is set back makes nobody wait longer.
    wait_ms: u64,
}

impl Wrong {
    fn is_forgotten(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_ms) >= WRONG_REMEMBERED.as_millis() as u64
    }

    fn wait_ms(&self, now_ms: u64) -> u64 {
        self.until_ms.saturating_sub(now_ms).min(self.wait_ms)
    }
}

/// One of the three tables.
#[derive(Debug)]
struct Table<K> {
    lines: BTreeMap<K, Wrong>,
    /// Wrong passwords that cost nothing yet.
    free: u32,
}

impl<K: Ord + Clone> Table<K> {
    fn new(free: u32) -> Table<K> {
        Table {
            lines: BTreeMap::new(),
            free,
        }
    }

    fn wait_ms(&self, key: &K, now_ms: u64) -> u64 {
        self.lines.get(key).map_or(0, |wrong| wrong.wait_ms(now_ms))
    }

    /// What stands there; None = nothing.
    fn line(&self, key: &K) -> Option<Wrong> {
        self.lines.get(key).copied()
    }

    /// One that was counted was not wrong after all: it is as it was before, or, where others were counted since, one fewer.
    fn take_back(&mut self, key: &K, before: Option<Wrong>) {
        let Some(wrong) = self.lines.get_mut(key) else {
            return;
        };
        wrong.count = wrong.count.saturating_sub(1);
        match before {
            None if wrong.count == 0 => drop(self.lines.remove(key)),
            Some(before) if before.count == wrong.count => *wrong = before,
            _ => {}
        }
    }

    fn count(&mut self, key: K, now_ms: u64, longest: Duration) {
        if self.lines.len() >= WRONG_LINES && !self.lines.contains_key(&key) {
            self.lines.retain(|_, wrong| !wrong.is_forgotten(now_ms));
            // Whoever was tried most is remembered longest: a flood of made-up names does not wash it out.
            if self.lines.len() >= WRONG_LINES
                && let Some(least) = self
                    .lines
                    .iter()
                    .min_by_key(|(_, wrong)| (wrong.count, wrong.last_ms))
                    .map(|(key, _)| key.clone())
            {
                self.lines.remove(&least);
            }
        }
        let wrong = self.lines.entry(key).or_default();
        if wrong.is_forgotten(now_ms) {
            *wrong = Wrong::default();
        }
        wrong.count = wrong.count.saturating_add(1);
        wrong.last_ms = now_ms;
        if wrong.count >= self.free {
            let doubled = WAIT_FIRST.saturating_mul(1 << (wrong.count - self.free).min(16));
            wrong.wait_ms = doubled.min(longest).as_millis() as u64;
            wrong.until_ms = now_ms + wrong.wait_ms;
        }
    }
}

/// SHA-256 of what stands where the name should: that may be anything, a password too.
type Name = Fingerprint;

/// See the rule at the head of this file. In memory: a restart forgets it.
#[derive(Debug)]
pub struct Lockout {
    pairs: Table<(Name, IpAddr)>,
    networks: Table<IpAddr>,
    accounts: Table<Name>,
    codes: Table<Name>,
}

/// A code that is looked at, and counted as wrong until it is known to be right.
#[derive(Debug)]
#[must_use = "what is right is to be taken back"]
pub struct Reserved {
    name: Name,
    from: IpAddr,
    pair: Option<Wrong>,
    network: Option<Wrong>,
    account: Option<Wrong>,
    code: Option<Wrong>,
}

impl Default for Lockout {
    fn default() -> Self {
        Lockout {
            pairs: Table::new(WRONG_PAIR),
            networks: Table::new(WRONG_ALL),
            accounts: Table::new(WRONG_ALL),
            codes: Table::new(WRONG_CODES),
        }
    }
}

impl Lockout {
    /// Whether a password for this name may be looked at. `Err` is the seconds to wait. `is_known`: the account is known to
    /// sign in from there.
    pub fn may_try(&self, name: &str, from: IpAddr, is_known: bool, now_ms: u64) -> Result<(), u64> {
        let (name, from) = (fingerprint(name), neighbourhood(from));
        let mut wait_ms = self.pairs.wait_ms(&(name, from), now_ms);
        if !is_known {
            wait_ms = wait_ms
                .max(self.networks.wait_ms(&from, now_ms))
                .max(self.accounts.wait_ms(&name, now_ms));
        }
        match wait_ms {
            0 => Ok(()),
            wait_ms => Err(wait_ms.div_ceil(1_000)),
        }
    }

    /// Counts a wrong password.
    pub fn wrong(&mut self, name: &Name, from: IpAddr, is_known: bool, now_ms: u64) {
        let (name, from) = (*name, neighbourhood(from));
        let longest = if is_known { WAIT_KNOWN } else { WAIT_LONGEST };
        self.pairs.count((name, from), now_ms, longest);
        self.networks.count(from, now_ms, WAIT_LONGEST);
        self.accounts.count(name, now_ms, WAIT_LONGEST);
    }

    /// Counts a wrong code.
    pub fn wrong_code(&mut self, name: &Name, from: IpAddr, is_known: bool, now_ms: u64) {
        self.wrong(name, from, is_known, now_ms);
        self.codes.count(*name, now_ms, WAIT_LONGEST);
    }

    /// Whether a code for this name may be looked at, and then it is counted as wrong at once. `Err` is the seconds to wait.
    ///
    /// # Errors
    ///
    /// Nothing is counted then.
    pub fn reserve(
        &mut self,
        name: &str,
        from: IpAddr,
        is_known: bool,
        now_ms: u64,
    ) -> Result<Reserved, u64> {
        self.may_try(name, from, is_known, now_ms)?;
        let (name, from) = (fingerprint(name), neighbourhood(from));
        let mut wait_ms = self.codes.wait_ms(&name, now_ms);
        if is_known && let Some(wrong) = self.codes.line(&name) {
            let until_ms = wrong.last_ms.saturating_add(WAIT_KNOWN.as_millis() as u64);
            wait_ms = wait_ms.min(until_ms.saturating_sub(now_ms));
        }
        if wait_ms > 0 {
            return Err(wait_ms.div_ceil(1_000));
        }
        let reserved = Reserved {
            pair: self.pairs.line(&(name, from)),
            network: self.networks.line(&from),
            account: self.accounts.line(&name),
            code: self.codes.line(&name),
            name,
            from,
        };
        self.wrong_code(&name, from, is_known, now_ms);
        Ok(reserved)
    }

    /// The code was right, or was not looked at after all.
    pub fn take_back(&mut self, reserved: &Reserved) {
        let Reserved { name, from, .. } = reserved;
        self.pairs.take_back(&(*name, *from), reserved.pair);
        self.networks.take_back(from, reserved.network);
        self.accounts.take_back(name, reserved.account);
        self.codes.take_back(name, reserved.code);
    }

    /// Somebody signed in: what was tried for him from there is forgotten. What was tried from elsewhere is not.
    pub fn right(&mut self, name: &Name, from: IpAddr) {
        self.pairs.lines.remove(&(*name, neighbourhood(from)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "192.0.2.1";
    const AWAY: &str = "198.51.100.9";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Tries for `name` until it has to wait, at moments when it need not; the seconds of each wait.
    fn waits(lockout: &mut Lockout, name: &str, from: &str, is_known: bool, tries: u32) -> Vec<u64> {
        let (mut now_ms, mut waits) = (0, Vec::new());
        for _ in 0..tries {
            if let Err(seconds) = lockout.may_try(name, address(from), is_known, now_ms) {
                waits.push(seconds);
                now_ms += seconds * 1_000;
            }
            assert_eq!(lockout.may_try(name, address(from), is_known, now_ms), Ok(()));
            lockout.wrong(&fingerprint(name), address(from), is_known, now_ms);
        }
        waits
    }

    #[test]
    fn waits_double_up_to_an_hour_and_where_one_is_known_to_a_quarter_of_it() {
        let mut lockout = Lockout::default();
        assert_eq!(
            waits(&mut lockout, "ann", AWAY, false, 14),
            [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]
        );
        assert_eq!(
            waits(&mut lockout, "bob", HOME, true, 13),
            [30, 60, 120, 240, 480, 900, 900, 900]
        );
    }

    #[test]
    fn nobody_elsewhere_locks_somebody_out_of_where_he_is_known() {
        let mut lockout = Lockout::default();
        for number in 0..1_000u32 {
            let from = IpAddr::V4((0x0a00_0000 + number).into());
            lockout.wrong(&fingerprint("ann"), from, false, 1_000);
        }
        assert_eq!(lockout.may_try("ann", address(HOME), true, 1_000), Ok(()));
        assert_eq!(lockout.may_try("ann", address(AWAY), false, 1_000), Err(3_600));
        assert_eq!(lockout.may_try("bob", address(AWAY), false, 1_000), Ok(()));
        // Nobody asks for a day: forgotten.
        lockout.wrong(&fingerprint("ann"), address(AWAY), false, 1_000 + 24 * 3_600_000);
        assert_eq!(
            lockout.may_try("ann", address(AWAY), false, 1_000 + 24 * 3_600_000),
            Ok(())
        );
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let mut lockout = Lockout::default();
        let year = 365 * 24 * 3_600_000;
        for _ in 0..WRONG_PAIR {
            lockout.wrong(&fingerprint("ann"), address(AWAY), false, year);
        }
        assert_eq!(lockout.may_try("ann", address(AWAY), false, year), Err(30));
        assert_eq!(lockout.may_try("ann", address(AWAY), false, 0), Err(30));
    }

    #[test]
    fn one_network_that_tries_many_names_waits_for_all_of_them() {
        let mut lockout = Lockout::default();
        for number in 0..WRONG_ALL {
            lockout.wrong(&fingerprint(&format!("user{number}")), address(AWAY), false, 0);
        }
        assert_eq!(lockout.may_try("another", address(AWAY), false, 0), Err(30));
        assert_eq!(lockout.may_try("another", address(AWAY), true, 0), Ok(()));
        assert_eq!(lockout.may_try("another", address(HOME), false, 0), Ok(()));
    }

    #[test]
    fn codes_that_are_shown_at_once_are_no_more_guesses_than_one_after_the_other() {
        let mut lockout = Lockout::default();
        let mut looked_at = 0;
        for _ in 0..16 {
            looked_at += u32::from(lockout.reserve("ann", address(HOME), true, 0).is_ok());
        }
        assert_eq!(looked_at, WRONG_PAIR);
        // From many networks that are known, each is held to its own, and all of them together.
        let mut lockout = Lockout::default();
        let from = |number: u32| IpAddr::V4((0x0a00_0000 + number).into());
        let all = (0..100).filter(|number| lockout.reserve("ann", from(number % 8), true, 0).is_ok());
        assert_eq!(all.count(), WRONG_CODES as usize);
        assert_eq!(lockout.reserve("ann", from(9), true, 0).unwrap_err(), 30);
        for _ in 0..20 {
            let late = 24 * 3_600_000 - 1;
            let _ = lockout.reserve("ann", from(9), true, late);
        }
        // Whoever knows the password there keeps him out for a quarter of an hour at most.
        let quarter = WAIT_KNOWN.as_secs();
        let waited = lockout
            .reserve("ann", from(10), true, 24 * 3_600_000 - 1)
            .unwrap_err();
        assert!(waited <= quarter, "{waited}");
    }

    #[test]
    fn a_right_code_leaves_no_trace_and_takes_no_wrong_one_with_it() {
        let mut lockout = Lockout::default();
        for number in 0..WRONG_ALL - 1 {
            lockout.wrong(&fingerprint(&format!("user{number}")), address(AWAY), false, 0);
        }
        let right = lockout.reserve("ann", address(AWAY), false, 0).unwrap();
        assert!(
            lockout.may_try("bob", address(AWAY), false, 0).is_err(),
            "counted"
        );
        lockout.take_back(&right);
        assert_eq!(lockout.may_try("bob", address(AWAY), false, 0), Ok(()));
        assert!(
            lockout.codes.lines.is_empty()
                && lockout.pairs.line(&(fingerprint("ann"), address(AWAY))).is_none()
        );
        // Another was wrong meanwhile.
        let right = lockout.reserve("ann", address(HOME), true, 5).unwrap();
        let wrong = lockout.reserve("ann", address(HOME), true, 6).unwrap();
        lockout.take_back(&right);
        assert_eq!(lockout.codes.line(&fingerprint("ann")).unwrap().count, 1);
        lockout.take_back(&wrong);
        assert!(
            lockout.codes.lines.is_empty() || lockout.codes.line(&fingerprint("ann")).unwrap().count == 0
        );
    }

    #[test]
    fn whoever_signed_in_starts_again_and_asking_makes_no_wait_longer() {
        let mut lockout = Lockout::default();
        for _ in 0..WRONG_PAIR {
            lockout.wrong(&fingerprint("ann"), address(HOME), true, 0);
        }
        for _ in 0..100 {
            assert_eq!(lockout.may_try("ann", address(HOME), true, 10_000), Err(20));
        }
        lockout.right(&fingerprint("ann"), address(HOME));
        assert_eq!(lockout.may_try("ann", address(HOME), true, 10_000), Ok(()));
    }

    #[test]
    fn tables_are_bounded_and_a_flood_of_names_does_not_wash_out_whoever_is_tried_most() {
        let mut lockout = Lockout::default();
        for _ in 0..WRONG_ALL {
            lockout.wrong(&fingerprint("ann"), address(AWAY), false, 0);
        }
        for number in 0..WRONG_LINES + 100 {
            let from = IpAddr::V4((0x0a00_0000 + number as u32).into());
            lockout.wrong(&fingerprint(&format!("name{number}")), from, false, 1);
        }
        let lines = [
            lockout.pairs.lines.len(),
            lockout.networks.lines.len(),
            lockout.accounts.lines.len(),
        ];
        assert_eq!(lines, [WRONG_LINES; 3]);
        assert!(lockout.may_try("ann", address(HOME), false, 1).is_err());
    }
}
