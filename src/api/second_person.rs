//! What two people have to want, where `[api] second_person` says so: the same wish again, by somebody else, is the agreement.
//!
//! Wishes wait in memory: a restart forgets them, and of several gateways each has its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::SignedIn;
use super::audit::Noted;
use super::limits::{WISH_LASTS, WISHES_EACH, WISHES_MAX};
use super::roles::may;
use super::state::Shared;
use crate::policy::book::Hand;
use crate::runtime::erasures::names_number;
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

#[derive(Debug)]
struct Kept {
    key: [u8; 32],
    person: String,
    wish: Wish,
    /// What whoever wished it must be allowed still.
    needs: Needs,
    /// The last lockdown that there was; a newer one ends the wish.
    lockdown: u64,
}

/// A line of the table of roles.
pub(super) type Needs = (Method, &'static str);

/// What is asked for: how it is shown, and what makes two of them the same.
pub(super) struct Asked<'a> {
    pub what: &'a str,
    pub same: &'a str,
    pub needs: Needs,
}

/// What wishes are held to when somebody looks.
struct Moment<'a> {
    now_ms: u64,
    /// The last one, whether it lasts or not; 0 = there was none.
    lockdown: u64,
    /// Whether an account or a token may do this now.
    may: &'a dyn Fn(&str, &Needs) -> bool,
}

impl Moment<'_> {
    fn holds(&self, kept: &Kept) -> bool {
        self.now_ms < kept.wish.ends_ms
            && self.lockdown == kept.lockdown
            && (self.may)(&kept.wish.by, &kept.needs)
    }
}

#[derive(Default)]
pub(crate) struct Wishes(Mutex<Vec<Kept>>);

impl Wishes {
    /// Those that wait, the oldest first: of erasures, or of lists.
    fn all(&self, of_erasures: bool, moment: &Moment<'_>) -> Vec<Wish> {
        let mut kept = self.lock();
        kept.retain(|kept| moment.holds(kept));
        let wishes = kept.iter().map(|kept| kept.wish.clone());
        wishes
            .filter(|wish| (wish.what == ERASURE) == of_erasures)
            .collect()
    }

    /// Ok = somebody else, who still may, has asked for the same. Err = it waits for somebody else now.
    fn agree(
        self: &Arc<Self>,
        asked: &Asked<'_>,
        hand: Hand<'_>,
        moment: &Moment<'_>,
    ) -> Result<Agreed, Wish> {
        let mut key = [0; 32];
        let whole = format!("{}\n{}", asked.what, asked.same);
        key.copy_from_slice(digest::digest(&digest::SHA256, whole.as_bytes()).as_ref());
        let mut kept = self.lock();
        kept.retain(|kept| moment.holds(kept));
        let place = kept
            .iter()
            .position(|kept| kept.key == key && kept.person != hand.person);
        if let Some(place) = place {
            return Ok(Agreed {
                first: Some(kept.remove(place)),
                wishes: self.clone(),
            });
        }
        kept.retain(|kept| kept.key != key);
        let is_his = |kept: &Kept| kept.person == hand.person;
        if kept.len() >= WISHES_MAX || kept.iter().filter(|kept| is_his(kept)).count() >= WISHES_EACH {
            let oldest = kept.iter().position(is_his).unwrap_or(0);
            kept.remove(oldest);
        }
        let wish = Wish {
            what: asked.what.into(),
            by: hand.by.into(),
            at_ms: moment.now_ms,
            ends_ms: moment.now_ms + WISH_LASTS.as_millis() as u64,
        };
        kept.push(Kept {
            key,
            person: hand.person.into(),
            wish: wish.clone(),
            needs: asked.needs.clone(),
            lockdown: moment.lockdown,
        });
        Err(wish)
    }

    /// A number is erased: no wish shows it any more.
    pub fn forget(&self, number: &str) {
        self.lock().retain(|kept| !names_number(&kept.wish.what, number));
    }

    /// In the place of what was wished of the same meanwhile.
    fn put_back(&self, first: Kept) {
        let mut kept = self.lock();
        kept.retain(|kept| kept.key != first.key);
        let place = kept.partition_point(|kept| kept.wish.at_ms <= first.wish.at_ms);
        kept.insert(place, first);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two people want it. Dropped before it was done, what the first one wished waits again.
#[derive(Debug)]
pub(super) struct Agreed {
    /// None = it was done.
    first: Option<Kept>,
    wishes: Arc<Wishes>,
}

impl std::fmt::Debug for Wishes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wishes")
    }
}

impl Agreed {
    /// Who asked first.
    pub fn by(&self) -> String {
        self.first
            .as_ref()
            .map_or_else(String::new, |first| first.wish.by.clone())
    }
}

impl Drop for Agreed {
    fn drop(&mut self) {
        if let Some(first) = self.first.take() {
            self.wishes.put_back(first);
        }
    }
}

/// Uses up what was agreed on, if it was done.
pub(super) fn used_up<T, E>(agreed: Option<Agreed>, done: Result<T, E>) -> Result<T, E> {
    if let (Some(mut agreed), Ok(_)) = (agreed, &done) {
        agreed.first = None;
    }
    done
}

/// How an erasure is shown.
pub(super) const ERASURE: &str = "erasure";

/// Ok = two people want it. Err = it waits.
pub(super) fn second(shared: &Shared, signed_in: &SignedIn, asked: &Asked<'_>) -> Result<Agreed, Wish> {
    at_this_moment(shared, |moment| {
        shared.wishes.agree(asked, signed_in.hand(), moment)
    })
}

/// What waits for a second person: of erasures, or of lists.
pub(super) fn waiting(shared: &Shared, of_erasures: bool) -> Vec<Wish> {
    at_this_moment(shared, |moment| shared.wishes.all(of_erasures, moment))
}

fn at_this_moment<T>(shared: &Shared, look: impl FnOnce(&Moment<'_>) -> T) -> T {
    let now_ms = shared.now().unix_ms();
    let may = |who: &str, (method, route): &Needs| {
        let roles = shared.access.roles_of(who, now_ms);
        roles.is_some_and(|roles| may(&roles, method, route))
    };
    let last = shared.gateway.lockdown.last();
    look(&Moment {
        now_ms,
        lockdown: last.map_or(0, |lockdown| lockdown.number),
        may: &may,
    })
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

    const ERASE: Needs = (Method::POST, "/api/v1/erasures");

    fn moment(now_ms: u64) -> Moment<'static> {
        Moment {
            now_ms,
            lockdown: 0,
            may: &|who, _| who != "gone",
        }
    }

    fn agree(wishes: &Arc<Wishes>, same: &str, hand: Hand<'_>, moment: &Moment<'_>) -> Result<Agreed, Wish> {
        let asked = Asked {
            what: ERASURE,
            same,
            needs: ERASE,
        };
        wishes.agree(&asked, hand, moment)
    }

    #[test]
    fn the_same_wish_of_another_person_is_the_agreement_and_of_nobody_else() {
        let wishes = Arc::new(Wishes::default());
        let agree = |same: &str, hand: Hand<'_>, now_ms| agree(&wishes, same, hand, &moment(now_ms));
        assert_eq!(agree("a", hand("ann", "ann"), 1).unwrap_err().by, "ann");
        for own in [hand("ann", "ann"), hand("token of ann", "ann")] {
            assert!(
                agree("a", own, 2).is_err(),
                "one person, whatever his hand is called"
            );
        }
        assert!(agree("b", hand("bob", "bob"), 3).is_err(), "another wish");
        assert_eq!(wishes.all(true, &moment(3)).len(), 2);
        assert_eq!(wishes.all(false, &moment(3)), []);
        let agreed = agree("a", hand("bob", "bob"), 4).unwrap();
        assert_eq!(agreed.by(), "token of ann");
        used_up(Some(agreed), Ok::<_, ()>(())).unwrap();
        assert!(agree("a", hand("bob", "bob"), 5).is_err(), "it was used up");
        // Of somebody whose account is gone, or of yesterday, nothing is left.
        assert!(agree("c", hand("gone", "gone"), 6).is_err());
        assert!(agree("c", hand("bob", "bob"), 7).is_err());
        let day = WISH_LASTS.as_millis() as u64;
        assert!(agree("c", hand("ann", "ann"), 7 + day).is_err());
    }

    #[test]
    fn who_may_no_more_and_who_wished_before_a_lockdown_agrees_to_nothing() {
        let wishes = Arc::new(Wishes::default());
        assert!(agree(&wishes, "a", hand("ann", "ann"), &moment(1)).is_err());
        let taken_away = Moment {
            may: &|who, needs| who != "ann" && *needs == ERASE,
            ..moment(2)
        };
        assert!(agree(&wishes, "a", hand("bob", "bob"), &taken_away).is_err());
        let locked = Moment {
            lockdown: 1,
            ..moment(3)
        };
        assert_eq!(wishes.all(true, &moment(3)).len(), 1);
        assert_eq!(wishes.all(true, &locked), []);
        assert!(agree(&wishes, "a", hand("ann", "ann"), &locked).is_err());
        assert!(agree(&wishes, "a", hand("bob", "bob"), &locked).is_ok());
    }

    #[test]
    fn what_was_not_done_is_still_wished() {
        let wishes = Arc::new(Wishes::default());
        let agree = |same: &str, who| agree(&wishes, same, hand(who, who), &moment(1));
        assert!(agree("a", "ann").is_err());
        drop(agree("a", "bob").unwrap());
        let agreed = agree("a", "bob").unwrap();
        assert!(agree("a", "bob").is_err(), "while it is being done");
        assert_eq!(
            used_up(Some(agreed), Err::<(), _>("the store is away")),
            Err("the store is away")
        );
        let waiting = wishes.all(true, &moment(1));
        assert!(waiting.len() == 1 && waiting[0].by == "ann");
    }

    #[test]
    fn nobody_pushes_out_what_another_wished_and_an_erased_number_is_shown_no_more() {
        let wishes = Arc::new(Wishes::default());
        assert!(agree(&wishes, "bob's", hand("bob", "bob"), &moment(1)).is_err());
        for number in 0..WISHES_MAX + 1 {
            assert!(agree(&wishes, &format!("{number}"), hand("ann", "ann"), &moment(2)).is_err());
        }
        let waiting = wishes.all(true, &moment(2));
        assert!(waiting.len() == 1 + WISHES_EACH && waiting[0].by == "bob");
        for number in 0..2 * WISHES_MAX {
            let person = format!("{}", number / WISHES_EACH);
            let asked = format!("{number} of {person}");
            assert!(agree(&wishes, &asked, hand(&person, &person), &moment(3)).is_err());
        }
        assert_eq!(wishes.all(true, &moment(3)).len(), WISHES_MAX);
        let asked = Asked {
            what: "block: +14045550123",
            same: "add",
            needs: (Method::POST, "/api/v1/lists/{list}/entries"),
        };
        assert!(wishes.agree(&asked, hand("bob", "bob"), &moment(4)).is_err());
        wishes.forget("+14045550199");
        assert_eq!(wishes.all(false, &moment(4)).len(), 1);
        wishes.forget("+14045550123");
        assert_eq!(wishes.all(false, &moment(4)), []);
    }
}
