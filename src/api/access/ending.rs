//! What a lockdown ends: sessions and tokens of before it, at every gateway once.

use std::sync::atomic::Ordering;

use super::{Access, SignedIn, lock};
use crate::accounts::limits::LOCKDOWN_HEARD;
use crate::accounts::{Fingerprint, Lockdown, Lockdowns, Tokens};
use crate::api::error::Problem;
use crate::store::{Store, StoreError};

/// Under this name a gateway keeps for which lockdown it has ended sessions and tokens.
const LOCKED_DOWN: &str = "lockdown_applied";
/// Under this name all gateways of a store keep for which lockdown the first token was ended.
const FIRST_ENDED: &str = "lockdown_first_token";

/// For which lockdown this gateway has ended sessions and tokens; 0 = for none.
pub(super) fn applied(store: &dyn Store) -> Result<u64, StoreError> {
    number_in(store, LOCKED_DOWN)
}

fn number_in(store: &dyn Store, name: &str) -> Result<u64, StoreError> {
    let number = store.setting(name)?;
    Ok(number.and_then(|number| number.parse().ok()).unwrap_or(0))
}

impl Access {
    /// Orders a lockdown, and ends every session and every token but the one that somebody is signed in by. `order` writes it. Blocks.
    pub fn lock_down(
        &self,
        store: &dyn Store,
        signed_in: &SignedIn,
        order: impl FnOnce() -> Result<Lockdown, Problem>,
    ) -> Result<Lockdown, Problem> {
        // Held throughout: whoever looks for lockdowns meanwhile must not end the session that this one is ordered by.
        let mut applied = lock(&self.locked_down);
        let lockdown = order()?;
        // Whatever is there was there before.
        self.end_all(&mut applied, &lockdown, (u64::MAX, signed_in.session), store)?;
        Ok(lockdown)
    }

    /// Does something that opens a door for later, if whoever asks is still signed in: no lockdown comes in between, and one that was
    /// ordered elsewhere is looked for before. Blocks.
    pub fn while_it_holds<T>(
        &self,
        store: &dyn Store,
        signed_in: &SignedIn,
        now_ms: u64,
        work: impl FnOnce() -> T,
    ) -> Result<T, Problem> {
        self.look_at_lockdown(store)?;
        let _none_begins = lock(&self.locked_down);
        match self.still_holds(signed_in, now_ms) {
            true => Ok(work()),
            false => Err(Problem::NotSignedIn),
        }
    }

    /// A lockdown that was ordered elsewhere, or before this start, ends sessions and tokens here too. Blocks.
    pub(super) fn look_at_lockdown(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut applied = lock(&self.locked_down);
        match Lockdowns::read(store)?.1 {
            Some(lockdown) if lockdown.number > *applied => {
                let heard_ms = LOCKDOWN_HEARD.as_millis() as u64;
                let until_ms = lockdown.since_ms.saturating_add(heard_ms);
                self.end_all(&mut applied, &lockdown, (until_ms, None), store)
            }
            _ => Ok(()),
        }
    }

    /// Those until a moment (Unix ms) but one session: a gateway that hears of a lockdown late, or is new, leaves what was made since. Should
    /// the store fail in the middle, it is done once more.
    fn end_all(
        &self,
        applied: &mut u64,
        lockdown: &Lockdown,
        (until_ms, but): (u64, Option<Fingerprint>),
        store: &dyn Store,
    ) -> Result<(), StoreError> {
        // What others have made and taken back meanwhile is not undone by what is written here.
        self.look_at_tokens(store)?;
        let is_first_over = number_in(store, FIRST_ENDED)? >= lockdown.number;
        let kept_first = match is_first_over {
            true => Tokens::load(store)?.first(),
            false => None,
        };
        let tokens = {
            let mut tokens = self.tokens();
            let ended = tokens.revoke_until(until_ms, lockdown.token.as_deref());
            if is_first_over {
                tokens.set_first(kept_first);
                ended
            } else {
                ended + usize::from(tokens.end_first(lockdown.token.as_deref()))
            }
        };
        let sessions = {
            let mut sessions = self.sessions();
            self.is_unkept.store(true, Ordering::Relaxed);
            sessions.end_until(until_ms, but)
        };
        tracing::warn!(tokens, sessions, "lockdown: tokens and sessions have ended");
        if !is_first_over {
            if !self.tokens().has_first() {
                Tokens::forget_first(store)?;
            }
            store.set_setting(FIRST_ENDED, &lockdown.number.to_string())?;
        }
        self.keep_tokens(store)?;
        self.keep(store)?;
        store.set_setting(LOCKED_DOWN, &lockdown.number.to_string())?;
        *applied = lockdown.number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{access, access_of};
    use super::*;
    use crate::accounts::{FIRST, Role};
    use crate::policy::book::Hand;
    use crate::redact::Redacted;
    use crate::store::Audit;

    const SINCE: u64 = 1_790_000_000_000;

    fn make(access: &Access, name: &str, now_ms: u64) -> Redacted<String> {
        let made = access.make_token(name, vec![Role::Admin], None, FIRST, now_ms);
        made.unwrap()
    }

    fn order(store: &Arc<dyn Store>, token: Option<&str>) {
        let audit = Arc::new(Audit::open(store.clone()).unwrap());
        let lockdowns = Lockdowns::new(store.clone(), audit);
        let by = Hand {
            by: "command-line",
            person: "command-line",
        };
        lockdowns.order(by, token, "drill", SINCE).unwrap();
    }

    #[test]
    fn a_gateway_that_is_new_after_a_lockdown_ends_nothing_that_was_made_since() {
        let (access, first, store) = access();
        let old = make(&access, "old", SINCE - 1);
        let near = make(&access, "near", SINCE + 14_000);
        let holder = access.token(old.reveal(), SINCE).unwrap();
        let (session, _) = access.open_for_token(&holder, None, SINCE - 1).unwrap();
        order(&store, None);
        access.look_at_lockdown(store.as_ref()).unwrap();
        for ended in [&first, old.reveal(), near.reveal()] {
            assert!(access.token(ended, SINCE).is_none(), "{ended}");
        }
        assert!(access.session(session.reveal(), SINCE).is_none());
        let later = make(&access, "later", SINCE + 16_000);
        access.keep_tokens(store.as_ref()).unwrap();
        // The same store under a name that has heard of no lockdown yet.
        store.set_setting(LOCKED_DOWN, "").unwrap();
        let new = access_of(&store);
        assert!(new.token(later.reveal(), SINCE).is_some());
        assert_eq!(applied(store.as_ref()).unwrap(), 1);
    }

    #[test]
    fn the_first_token_ends_once_for_a_lockdown_and_not_where_it_ordered_it() {
        let (access, first, store) = access();
        order(&store, Some(FIRST));
        let second = access_of(&store);
        store.set_setting(LOCKED_DOWN, "").unwrap();
        access.look_at_lockdown(store.as_ref()).unwrap();
        for access in [&access, &second] {
            assert!(access.token(&first, SINCE).is_some());
        }
    }

    #[test]
    fn another_gateway_forgets_the_first_token_too_when_one_has_ended_it() {
        let (access, first, store) = access();
        let second = access_of(&store);
        order(&store, None);
        for access in [&access, &second] {
            store.set_setting(LOCKED_DOWN, "").unwrap();
            access.look_at_lockdown(store.as_ref()).unwrap();
            assert!(access.token(&first, SINCE).is_none());
        }
    }

    #[test]
    fn nothing_is_made_by_whom_a_lockdown_has_signed_out_meanwhile() {
        let (access, first, store) = access();
        let who = access.token(&first, SINCE).unwrap();
        let made = access.while_it_holds(store.as_ref(), &who, SINCE, || 1);
        assert_eq!(made.unwrap(), 1);
        // Ordered elsewhere: this gateway has not looked yet.
        order(&store, None);
        let refused = access.while_it_holds(store.as_ref(), &who, SINCE, || unreachable!("ended"));
        assert!(matches!(refused, Err::<(), _>(Problem::NotSignedIn)));
    }
}
