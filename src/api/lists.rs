//! `/api/v1/lists`: the lists, entry by entry.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::limits::{ENTRIES_LIMIT, ENTRIES_PAGE};
use super::list_views::{
    EntriesQuery, EntryBody, EntryPage, EntryView, ListView, ListsView, MatchQuery, Matches,
};
use super::second_person::{Agreed, Asked, Needs, Wish, agreed, second, used_up, waiting};
use super::state::Shared;
use crate::lists::{Entry, Refused, Written};
use crate::runtime::lists;
use crate::screening::List;

/// Which lists there are, and how long they are.
#[utoipa::path(
    get, path = "/api/v1/lists", tag = "lists",
    responses(
        (status = 200, description = "All lists", body = ListsView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn all(State(shared): State<Shared>) -> Json<ListsView> {
    let (book, now_ms) = (shared.gateway.lists.book(), shared.now().unix_ms());
    let lists = List::ALL.iter().map(|list| ListView {
        list: list.name(),
        entries: book.entries(*list, 0).count(),
        expired: book
            .entries(*list, 0)
            .filter(|entry| entry.is_expired(now_ms))
            .count(),
    });
    Json(ListsView {
        revision: book.revision(),
        lists: lists.collect(),
        // The lists are known while the store is away; this is not.
        proposed: waiting(&shared, false).await.ok(),
    })
}

/// What a call with this number and name would meet now.
#[utoipa::path(
    get, path = "/api/v1/lists/match", tag = "lists", params(MatchQuery),
    responses(
        (status = 200, description = "Entries, the worst lists first", body = Matches),
        (status = 400, description = "Neither a number nor a name", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn matching(
    State(shared): State<Shared>,
    query: Result<Query<MatchQuery>, QueryRejection>,
) -> Result<Json<Matches>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let lists = &shared.gateway.lists;
    let number = match &query.number {
        None => None,
        Some(number) => Some(lists.canonical(number).ok_or_else(no_number)?),
    };
    if number.is_none() && query.name.is_none() {
        return Err(Problem::BadRequest("give a number, a name, or both".into()));
    }
    let now_ms = shared.now().unix_ms();
    let found = lists
        .lookup()
        .find(number.as_deref(), query.name.as_deref(), now_ms);
    Ok(Json(Matches { number, found }))
}

/// Entries of a list, in the order they were added.
#[utoipa::path(
    get, path = "/api/v1/lists/{list}/entries", tag = "lists",
    params(("list" = String, Path, description = "Name of the list"), EntriesQuery),
    responses(
        (status = 200, description = "One page", body = EntryPage),
        (status = 400, description = "A filter that cannot be", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such list", body = ProblemBody),
    )
)]
pub(crate) async fn page(
    State(shared): State<Shared>,
    list: Result<Path<String>, PathRejection>,
    query: Result<Query<EntriesQuery>, QueryRejection>,
) -> Result<Json<EntryPage>, Problem> {
    let list = named(list.map(|Path(list)| list))?;
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(ENTRIES_PAGE);
    if !(1..=ENTRIES_LIMIT).contains(&limit) {
        return Err(Problem::BadRequest(format!("limit is 1 to {ENTRIES_LIMIT}")));
    }
    let number = match &query.number {
        None => None,
        Some(number) => Some(shared.gateway.lists.canonical(number).ok_or_else(no_number)?),
    };
    let (book, now_ms) = (shared.gateway.lists.book(), shared.now().unix_ms());
    let is_wanted = |entry: &&Arc<Entry>| {
        let holds = |number: &str| entry.what.numbers.iter().any(|range| range.has(number));
        number.as_deref().is_none_or(holds)
            && query
                .expired
                .is_none_or(|expired| expired == entry.is_expired(now_ms))
    };
    // One more than is shown tells whether there is a next page.
    let mut entries: Vec<EntryView> = book
        .entries(list, query.cursor.unwrap_or(0))
        .filter(is_wanted)
        .take(limit + 1)
        .map(|entry| EntryView::of(entry, now_ms))
        .collect();
    let is_more = entries.len() > limit;
    entries.truncate(limit);
    Ok(Json(EntryPage {
        next: entries.last().filter(|_| is_more).map(|last| last.id),
        entries,
    }))
}

/// One entry.
#[utoipa::path(
    get, path = "/api/v1/lists/{list}/entries/{entry}", tag = "lists",
    params(
        ("list" = String, Path, description = "Name of the list"),
        ("entry" = u64, Path, description = "Number of the entry"),
    ),
    responses(
        (status = 200, description = "As it is now", body = EntryView,
            headers(("ETag" = String, description = "For If-Match of a change"))),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such list or entry", body = ProblemBody),
    )
)]
pub(crate) async fn one(
    State(shared): State<Shared>,
    place: Result<Path<(String, u64)>, PathRejection>,
) -> Result<Response, Problem> {
    let (list, id) = placed(place)?;
    let book = shared.gateway.lists.book();
    let entry = book.entry(list, id).ok_or(Problem::NoSuchEntry)?;
    Ok(shown(StatusCode::OK, entry, &shared))
}

/// Add an entry. A list has a number, a range or a name only once: asking twice adds nothing twice.
#[utoipa::path(
    post, path = "/api/v1/lists/{list}/entries", tag = "lists", request_body = EntryBody,
    params(("list" = String, Path, description = "Name of the list")),
    responses(
        (status = 201, description = "On disk; calls are judged by it from a moment later on", body = EntryView,
            headers(("ETag" = String, description = "For If-Match of a change"))),
        (status = 202, description = "Where `[api] second_person` has `lists`: it waits for somebody else to ask for the same", body = Wish),
        (status = 400, description = "Not an entry", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such list", body = ProblemBody),
        (status = 409, description = "The list has it already, or is full", body = ProblemBody),
        (status = 422, description = "It has faults: all of them", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn add(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    list: Result<Path<String>, PathRejection>,
    body: Result<Json<EntryBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let list = named(list.map(|Path(list)| list))?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let lists = shared.gateway.lists.clone();
    let written = body.written();
    let first = match wanted_by_two(&shared, &signed_in, (list, &written), "add", ADD).await? {
        Ok(first) => first,
        Err(wish) => return Ok(wish.into_response()),
    };
    let by = first.as_ref().map(Agreed::by);
    let added = shared.work(move || {
        let added = lists.add(list, &written, &signed_in.who);
        used_up(first, added.map_err(problem))
    });
    Ok(agreed(shown(StatusCode::CREATED, &*added.await?, &shared), by))
}

/// Change an entry: it says this and nothing else from now on.
#[utoipa::path(
    put, path = "/api/v1/lists/{list}/entries/{entry}", tag = "lists", request_body = EntryBody,
    params(
        ("list" = String, Path, description = "Name of the list"),
        ("entry" = u64, Path, description = "Number of the entry"),
        ("If-Match" = String, Header, description = "The ETag it was seen with; `*` = whatever it says by now"),
    ),
    responses(
        (status = 200, description = "On disk; calls are judged by it from a moment later on", body = EntryView,
            headers(("ETag" = String, description = "For If-Match of the next change"))),
        (status = 202, description = "Where `[api] second_person` has `lists`: it waits for somebody else to ask for the same", body = Wish),
        (status = 400, description = "Not an entry", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such list or entry", body = ProblemBody),
        (status = 409, description = "Another entry has that number or name", body = ProblemBody),
        (status = 412, description = "Somebody changed it in the meantime", body = ProblemBody),
        (status = 422, description = "It has faults: all of them", body = ProblemBody),
        (status = 428, description = "If-Match is missing", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn change(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    place: Result<Path<(String, u64)>, PathRejection>,
    headers: HeaderMap,
    body: Result<Json<EntryBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let (list, id) = placed(place)?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let seen = seen(&headers)?;
    let lists = shared.gateway.lists.clone();
    let (written, how) = (body.written(), format!("change {id}"));
    let first = match wanted_by_two(&shared, &signed_in, (list, &written), &how, CHANGE).await? {
        Ok(first) => first,
        Err(wish) => return Ok(wish.into_response()),
    };
    let by = first.as_ref().map(Agreed::by);
    let changed = shared.work(move || {
        let changed = lists.change(list, id, seen, &written, &signed_in.who);
        used_up(first, changed.map_err(problem))
    });
    Ok(agreed(shown(StatusCode::OK, &*changed.await?, &shared), by))
}

/// Take an entry away.
#[utoipa::path(
    delete, path = "/api/v1/lists/{list}/entries/{entry}", tag = "lists",
    params(
        ("list" = String, Path, description = "Name of the list"),
        ("entry" = u64, Path, description = "Number of the entry"),
        ("If-Match" = String, Header, description = "The ETag it was seen with; `*` = whatever it says by now"),
    ),
    responses(
        (status = 204, description = "Gone; no call meets it from a moment later on"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such list or entry", body = ProblemBody),
        (status = 409, description = "The lists were changed from elsewhere at that moment; try again", body = ProblemBody),
        (status = 412, description = "Somebody changed it in the meantime", body = ProblemBody),
        (status = 428, description = "If-Match is missing", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    place: Result<Path<(String, u64)>, PathRejection>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let (list, id) = placed(place)?;
    let seen = seen(&headers)?;
    let lists = shared.gateway.lists.clone();
    shared
        .work(move || lists.remove(list, id, seen, &signed_in.who).map_err(problem))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

const ADD: Needs = (Method::POST, "/api/v1/lists/{list}/entries");
const CHANGE: Needs = (Method::PUT, "/api/v1/lists/{list}/entries/{entry}");

/// What was agreed on, where two people have to want an entry; the wish, where nobody has asked before.
async fn wanted_by_two(
    shared: &Shared,
    signed_in: &SignedIn,
    (list, written): (List, &Written),
    how: &str,
    needs: Needs,
) -> Result<Result<Option<Agreed>, Wish>, Problem> {
    if !shared.gateway.second_person.is_for(list) {
        return Ok(Ok(None));
    }
    let title = shared.gateway.lists.title(list, written).map_err(problem)?;
    let asked = Asked {
        what: format!("{list}: {title}"),
        same: format!("{how} {:?}", written.expires_ms),
        needs,
    };
    Ok(second(shared, signed_in, asked).await?.map(Some))
}

fn shown(status: StatusCode, entry: &Entry, shared: &Shared) -> Response {
    let tag = format!("\"r{}\"", entry.revision);
    let view = EntryView::of(entry, shared.now().unix_ms());
    let mut response = (status, Json(view)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The revision that the asker saw; None = he wants it whatever it is by now (RFC 9110 §13.1.1, RFC 6585 §3).
pub(super) fn seen(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let given = headers
        .get(header::IF_MATCH)
        .ok_or(Problem::PreconditionMissing)?;
    let given = given.to_str().map_err(|_| Problem::PreconditionFailed)?.trim();
    if given == "*" {
        return Ok(None);
    }
    let revision = given
        .strip_prefix("\"r")
        .and_then(|tag| tag.strip_suffix('"'))
        .and_then(|revision| revision.parse().ok());
    // A tag that is none of ours is that of another state.
    revision.map(Some).ok_or(Problem::PreconditionFailed)
}

fn placed(place: Result<Path<(String, u64)>, PathRejection>) -> Result<(List, u64), Problem> {
    // A number that cannot be is one that no entry has.
    let Path((list, id)) = place.map_err(|_| Problem::NoSuchEntry)?;
    let list = named(Ok(list))?;
    match i64::try_from(id) {
        Ok(_) => Ok((list, id)),
        Err(_) => Err(Problem::NoSuchEntry),
    }
}

pub(super) fn named(list: Result<String, PathRejection>) -> Result<List, Problem> {
    let list = list.map_err(|_| Problem::NoSuchList)?;
    list.parse().map_err(|_| Problem::NoSuchList)
}

fn no_number() -> Problem {
    Problem::BadRequest("the number is none; write it with + and country code, the + as %2B".into())
}

pub(super) fn problem(problem: lists::Problem) -> Problem {
    match problem {
        lists::Problem::Refused(Refused::NoSuchEntry) => Problem::NoSuchEntry,
        lists::Problem::Refused(Refused::Changed) => Problem::PreconditionFailed,
        lists::Problem::Refused(why @ (Refused::Taken(_) | Refused::Full)) => {
            Problem::Conflict(why.to_string())
        }
        lists::Problem::Faults(faults) => Problem::ListFaults(faults),
        lists::Problem::Raced => Problem::Conflict(problem.to_string()),
        lists::Problem::Store(error) => Problem::Store(error),
    }
}
