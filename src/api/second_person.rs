//! What two people have to want, where `[api] second_person` says so: the same wish again, by somebody else, is the agreement.
//!
//! Wishes wait in the store: a restart keeps them, and every gateway on the store knows them.

use std::sync::Arc;

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::SignedIn;
use super::audit::Noted;
use super::error::Problem;
use super::roles::may;
use super::state::Shared;
use crate::accounts::limits::WISH_LASTS;
use crate::accounts::{Moment, Taken, Wish as Kept, Wishes};
use crate::screening::List;
use crate::store::StoreError;

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

impl From<Kept> for Wish {
    fn from(kept: Kept) -> Wish {
        Wish {
            what: kept.what,
            by: kept.by,
            at_ms: kept.at_ms,
            ends_ms: kept.ends_ms,
        }
    }
}

/// A line of the table of roles.
pub(super) type Needs = (Method, &'static str);

/// What is asked for: how it is shown, and what makes two of them the same.
pub(super) struct Asked {
    pub what: String,
    pub same: String,
    pub needs: Needs,
}

/// Two people want it. Dropped before it was done, what the first one wished waits again.
pub(super) struct Agreed {
    /// None = it is settled.
    taken: Option<Taken>,
    wishes: Arc<Wishes>,
}

impl Agreed {
    /// Who asked first.
    pub fn by(&self) -> String {
        self.taken
            .as_ref()
            .map_or_else(String::new, |taken| taken.first.by.clone())
    }
}

impl Drop for Agreed {
    fn drop(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        let wishes = self.wishes.clone();
        let put_back = move || tell(wishes.put_back(&taken.key));
        // Where nobody may wait another thread does.
        match tokio::runtime::Handle::try_current() {
            Ok(handle) => drop(handle.spawn_blocking(put_back)),
            Err(_) => put_back(),
        }
    }
}

/// Uses up what was agreed on, if it was done. Blocks.
pub(super) fn used_up<T, E>(agreed: Option<Agreed>, done: Result<T, E>) -> Result<T, E> {
    if let Some(mut agreed) = agreed
        && let Some(taken) = agreed.taken.take()
    {
        tell(match &done {
            Ok(_) => agreed.wishes.done(&taken.key),
            Err(_) => agreed.wishes.put_back(&taken.key),
        });
    }
    done
}

/// It comes right by itself.
fn tell(settled: Result<(), StoreError>) {
    if let Err(error) = settled {
        tracing::warn!(%error, "what two people wanted is shown as waiting again in two minutes");
    }
}

/// How an erasure is shown.
pub(super) const ERASURE: &str = "erasure";

/// Ok = two people want it. Err = it waits.
///
/// # Errors
///
/// Those of the store; nothing is wished then.
pub(super) async fn second(
    shared: &Shared,
    signed_in: &SignedIn,
    asked: Asked,
) -> Result<Result<Agreed, Wish>, Problem> {
    let hand = signed_in.hand();
    let now_ms = shared.now().unix_ms();
    let wish = Kept {
        what: asked.what,
        by: hand.by.into(),
        person: hand.person.into(),
        at_ms: now_ms,
        ends_ms: now_ms + WISH_LASTS.as_millis() as u64,
        method: asked.needs.0.to_string(),
        route: asked.needs.1.into(),
        lockdown: last_lockdown(shared),
        taken_ms: None,
    };
    let same = format!("{}\n{}", wish.what, asked.same);
    let inner = shared.clone();
    let agreed = shared.work(move || {
        let wishes = inner.wishes.clone();
        let taken = at_this_moment(&inner, |moment| wishes.agree(&same, &wish, moment))?;
        Ok(taken.map_err(|wish| Wish::from(*wish)).map(|taken| Agreed {
            taken: Some(taken),
            wishes,
        }))
    });
    agreed.await
}

/// What waits for a second person: of erasures, or of lists.
pub(super) async fn waiting(shared: &Shared, of_erasures: bool) -> Result<Vec<Wish>, Problem> {
    let inner = shared.clone();
    let all = shared.work(move || Ok(at_this_moment(&inner, |moment| inner.wishes.all(moment))?));
    let all = all.await?.into_iter();
    let all = all.filter(|wish| (wish.what == ERASURE) == of_erasures);
    Ok(all.map(Wish::from).collect())
}

fn last_lockdown(shared: &Shared) -> u64 {
    let last = shared.gateway.lockdown.last();
    last.map_or(0, |lockdown| lockdown.number)
}

fn at_this_moment<T>(shared: &Shared, look: impl FnOnce(&Moment<'_>) -> T) -> T {
    let now_ms = shared.now().unix_ms();
    let may = |wish: &Kept| {
        let roles = shared.access.roles_of(&wish.by, now_ms);
        let method = Method::from_bytes(wish.method.as_bytes());
        roles.is_some_and(|roles| method.is_ok_and(|method| may(&roles, &method, &wish.route)))
    };
    look(&Moment {
        now_ms,
        lockdown: last_lockdown(shared),
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
