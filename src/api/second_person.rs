//! What two people have to want, where `[api] second_person` says so: the same wish again, by somebody else, is the agreement.
//!
//! Wishes wait in memory: a restart forgets them, and of several gateways each has its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::SignedIn;
use super::audit::Noted;
use super::limits::{WISH_LASTS, WISHES_MAX};
use super::state::Shared;
use crate::policy::book::Hand;
use crate::screening::List;

/// `[api] second_person`: what of the API takes two people. A policy that refuses calls always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondPerson {
    /// Erasures: nothing brings back what they take.
    pub erasures: bool,
    /// Entries of the lists for which policies refuse calls or let them through.
    pub lists: bool,
}

impl SecondPerson {
    /// Whether another entry of this list takes two. Taking one away never does.
    pub(crate) fn is_for(self, list: List) -> bool {
        self.lists && matches!(list, List::Block | List::DoNotOriginate | List::Allow)
    }
}

/// Something that waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Wish {
    /// `erasure`, or the list and what is to stand in it. Of an erasure it does not say of whom: the second person is told that otherwise.
    #[schema(example = "block: +14045550123")]
    what: String,
    by: String,
    at_ms: u64,
    /// Forgotten from then on, Unix ms.
    ends_ms: u64,
}

struct Kept {
    key: [u8; 32],
    person: String,
    wish: Wish,
}

/// What is asked for: how it is shown, and what makes two of them the same.
pub(super) struct Asked<'a> {
    pub what: &'a str,
    pub same: &'a str,
}

#[derive(Default)]
pub(crate) struct Wishes(Mutex<Vec<Kept>>);

impl Wishes {
    /// Those that wait, the oldest first: of erasures, or of lists.
    pub fn all(&self, of_erasures: bool, now_ms: u64) -> Vec<Wish> {
        let mut kept = self.lock();
        kept.retain(|kept| now_ms < kept.wish.ends_ms);
        let wishes = kept.iter().map(|kept| kept.wish.clone());
        wishes
            .filter(|wish| (wish.what == ERASURE) == of_erasures)
            .collect()
    }

    /// Ok = somebody else, who is there still, has asked for the same: who. Err = it waits for somebody else now.
    fn agree(
        &self,
        asked: &Asked<'_>,
        hand: Hand<'_>,
        now_ms: u64,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<String, Wish> {
        let mut key = [0; 32];
        let whole = format!("{}\n{}", asked.what, asked.same);
        key.copy_from_slice(digest::digest(&digest::SHA256, whole.as_bytes()).as_ref());
        let mut kept = self.lock();
        kept.retain(|kept| now_ms < kept.wish.ends_ms && is_there(&kept.wish.by));
        let place = kept
            .iter()
            .position(|kept| kept.key == key && kept.person != hand.person);
        if let Some(place) = place {
            return Ok(kept.remove(place).wish.by);
        }
        kept.retain(|kept| kept.key != key);
        if kept.len() >= WISHES_MAX {
            kept.remove(0);
        }
        let wish = Wish {
            what: asked.what.into(),
            by: hand.by.into(),
            at_ms: now_ms,
            ends_ms: now_ms + WISH_LASTS.as_millis() as u64,
        };
        kept.push(Kept {
            key,
            person: hand.person.into(),
            wish: wish.clone(),
        });
        Err(wish)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How an erasure is shown.
pub(super) const ERASURE: &str = "erasure";

/// Ok = two people want it: the one who asked first. Err = it waits.
pub(super) fn second(shared: &Shared, signed_in: &SignedIn, asked: &Asked<'_>) -> Result<String, Wish> {
    let is_there = |who: &str| shared.access.is_somebody(who);
    let now_ms = shared.now().unix_ms();
    shared.wishes.agree(asked, signed_in.hand(), now_ms, is_there)
}

/// The answer to whoever asked first.
impl IntoResponse for Wish {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::ACCEPTED, Json(self)).into_response();
        let told = Noted("proposed: somebody else has to ask for the same".into());
        response.extensions_mut().insert(told);
        response
    }
}

/// Writes down with whom it was done.
pub(super) fn agreed(mut response: Response, first: Option<String>) -> Response {
    if let Some(first) = first {
        response
            .extensions_mut()
            .insert(Noted(format!("proposed by {first}")));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand<'a>(by: &'a str, person: &'a str) -> Hand<'a> {
        Hand { by, person }
    }

    #[test]
    fn the_same_wish_of_another_person_is_the_agreement_and_of_nobody_else() {
        let wishes = Wishes::default();
        let agree = |same: &str, hand: Hand<'_>, now_ms| {
            let asked = Asked { what: ERASURE, same };
            wishes.agree(&asked, hand, now_ms, |who| who != "gone")
        };
        assert_eq!(agree("a", hand("ann", "ann"), 1).unwrap_err().by, "ann");
        for own in [hand("ann", "ann"), hand("token of ann", "ann")] {
            assert!(
                agree("a", own, 2).is_err(),
                "one person, whatever his hand is called"
            );
        }
        assert!(agree("b", hand("bob", "bob"), 3).is_err(), "another wish");
        assert_eq!(wishes.all(true, 3).len(), 2);
        assert_eq!(wishes.all(false, 3), []);
        assert_eq!(agree("a", hand("bob", "bob"), 4), Ok("token of ann".into()));
        assert!(agree("a", hand("bob", "bob"), 5).is_err(), "it was used up");
        // Of somebody whose account is gone, or of yesterday, nothing is left.
        assert!(agree("c", hand("gone", "gone"), 6).is_err());
        assert!(agree("c", hand("bob", "bob"), 7).is_err());
        let day = WISH_LASTS.as_millis() as u64;
        assert!(agree("c", hand("ann", "ann"), 7 + day).is_err());
        for number in 0..WISHES_MAX + 1 {
            assert!(agree(&format!("{number}"), hand("ann", "ann"), 8 + day).is_err());
        }
        assert_eq!(wishes.all(true, 8 + day).len(), WISHES_MAX);
    }
}
