//! `/api/v1/account/searches`: which calls a person looks for again and again, under names of his own.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::account::name as account_of;
use super::calls::sound_filter;
use super::error::{Problem, ProblemBody};
use super::state::Shared;
use crate::accounts::{NotKept, Search, forget_search, keep_search, searches};
use crate::runtime::erasures::holds_number;

/// Characters of a queue's name.
const QUEUE_CHARS_MAX: usize = 64;

/// Your searches, by their names; 20 at most.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchList {
    searches: Vec<SearchView>,
}

/// Which calls of the history, under a name.
#[derive(Serialize, ToSchema)]
#[schema(as = Search)]
pub(crate) struct SearchView {
    #[schema(example = "forged, front desk")]
    name: String,
    /// Each null = whatever it is.
    #[schema(example = "forged")]
    label: Option<String>,
    ending: Option<String>,
    #[schema(example = "front-desk")]
    queue: Option<String>,
    /// Only calls that you took.
    mine: bool,
}

/// Which calls. A telephone number cannot be kept with a search: whatever is erased would stay in it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchBody {
    /// As in `GET /api/v1/calls`; null or absent = whatever it is.
    label: Option<String>,
    ending: Option<String>,
    queue: Option<String>,
    /// Only calls that you took; false when absent.
    #[serde(default)]
    mine: bool,
}

/// Look at your searches.
#[utoipa::path(
    get, path = "/api/v1/account/searches", tag = "session",
    responses(
        (status = 200, description = "By their names", body = SearchList),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 409, description = "Signed in by a token: a token is no account", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<SearchList>, Problem> {
    let account = account_of(&signed_in)?;
    let kept = shared.ask(move |store| searches(store, &account)).await?;
    Ok(Json(SearchList {
        searches: kept.into_iter().map(SearchView::of).collect(),
    }))
}

/// Keep a search. One of the same name says this and nothing else from then on.
#[utoipa::path(
    put, path = "/api/v1/account/searches/{search}", tag = "session", request_body = SearchBody,
    params(("search" = String, Path, description = "What you call it, at most 40 characters; no numbers")),
    responses(
        (status = 200, description = "Kept until you forget it, or your account goes", body = SearchView),
        (status = 400, description = "Not a search, or not a name", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 409, description = "Signed in by a token, or 20 are kept already", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn keep(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Json<SearchBody>, JsonRejection>,
) -> Result<Json<SearchView>, Problem> {
    let Path(name) = name.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    sound_filter(body.label.as_deref(), body.ending.as_deref())?;
    let queue = body.queue.filter(|queue| !queue.is_empty());
    let is_long = queue
        .as_ref()
        .is_some_and(|queue| queue.chars().count() > QUEUE_CHARS_MAX);
    if is_long || queue.iter().any(|queue| queue.chars().any(char::is_control)) {
        return Err(Problem::BadRequest("queue is no name of a queue".into()));
    }
    if holds_number(&name) || queue.as_deref().is_some_and(holds_number) {
        return Err(Problem::BadRequest(
            "a search must hold no telephone number".into(),
        ));
    }
    let account = account_of(&signed_in)?;
    let search = Search {
        name,
        label: body.label,
        ending: body.ending,
        queue,
        is_mine: body.mine,
    };
    let inner = shared.clone();
    let kept = shared.work(move || {
        keep_search(&*inner.gateway.store, &account, &search).map_err(problem)?;
        Ok(SearchView::of(search))
    });
    Ok(Json(kept.await?))
}

/// Forget a search.
#[utoipa::path(
    delete, path = "/api/v1/account/searches/{search}", tag = "session",
    params(("search" = String, Path, description = "What you call it")),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 404, description = "No such search of yours", body = ProblemBody),
        (status = 409, description = "Signed in by a token: a token is no account", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn forget(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let account = account_of(&signed_in)?;
    let Path(name) = name.map_err(|_| Problem::NoSuchSearch)?;
    let inner = shared.clone();
    let forgotten = shared.work(move || {
        let store = &*inner.gateway.store;
        forget_search(store, &account, &name).map_err(problem)
    });
    match forgotten.await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::NoSuchSearch),
    }
}

fn problem(why: NotKept) -> Problem {
    match why {
        NotKept::NotAName => Problem::BadRequest(why.to_string()),
        NotKept::Full | NotKept::Raced => Problem::Conflict(why.to_string()),
        NotKept::Store(error) => Problem::Store(error),
    }
}

impl SearchView {
    fn of(search: Search) -> SearchView {
        SearchView {
            name: search.name,
            label: search.label,
            ending: search.ending,
            queue: search.queue,
            mine: search.is_mine,
        }
    }
}
