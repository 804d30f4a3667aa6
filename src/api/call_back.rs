//! `/api/v1/calls/{id}/call-back`: whom the caller says he is from, and calling that organisation at the number it publishes.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::SignedIn;
use super::audit::Noted;
use super::calls;
use super::error::{Problem, ProblemBody};
use super::state::Shared;
use crate::call::record::{Direction, State as CallState};
use crate::call::{CallBack, CallRecord, NoCallBack};
use crate::call_id::CallId;
use crate::lists::{Entry, Range};
use crate::redact::Redacted;
use crate::screening::List;

/// An organisation of the directory, and what it publishes.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Organisation)]
pub(crate) struct OrganisationView {
    /// Its entry of the list `directory`.
    entry: u64,
    #[schema(example = "First National Bank")]
    organisation: String,
    /// Single numbers, in the order of the entry; ranges cannot be called.
    numbers: Vec<String>,
    /// Why it stands there, in its author's words: where the number was looked up.
    reason: String,
    /// Who wrote it so, and when (Unix ms).
    by: String,
    at_ms: u64,
    /// How the call names it: `signed_name` (proven with the number), `name` (claimed), `number` (the number shown is one that it
    /// publishes; shown, not proven). Null = it does not: it was searched for.
    #[schema(example = "name")]
    claim: Option<&'static str>,
}

/// What can be called back for one call.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallBackView {
    /// Whom the caller says he is from, the best claim first; empty = nobody whom the directory has.
    claimed: Vec<OrganisationView>,
    /// What `search` found in the directory, 20 at most, in the order of the directory; without it empty.
    found: Vec<OrganisationView>,
    /// The phones that would ring: those you are signed in to.
    phones: Vec<String>,
    /// Why nothing can be called back at this moment, in words; null = it can.
    not_now: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallBackQuery {
    /// Part of the name of an organisation, 2 to 64 characters: for one that the caller does not name.
    search: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallBackBody {
    /// An entry of the list `directory`, whether the caller named it or not.
    #[schema(example = 3)]
    entry: u64,
    /// The number as it was shown to you; one of that entry.
    #[schema(example = "+18005550100")]
    number: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CallBackBegun {
    /// The call that begins: it shows live, and its `call_back_of` names the call it answers.
    #[schema(example = "5eed0000000000000000000000c0ffee")]
    id: String,
}

/// Whom the caller says he is from, as the directory has it.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}/call-back", tag = "calls",
    params(("id" = String, Path, description = "The call's id"), CallBackQuery),
    responses(
        (status = 200, description = "Organisations, their published numbers, and who entered them when", body = CallBackView),
        (status = 400, description = "A search that cannot be", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn look(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<CallBackQuery>, QueryRejection>,
) -> Result<Json<CallBackView>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let found = match &query.search {
        None => Vec::new(),
        Some(words) if (2..=64).contains(&words.trim().chars().count()) => {
            let (asked, words) = (shared.clone(), words.trim().to_string());
            // The whole directory is gone through.
            shared.work(move || Ok(search(&asked, &words))).await?
        }
        Some(_) => return Err(Problem::BadRequest("a search has 2 to 64 characters".into())),
    };
    let record = calls::find(&shared, calls::call_id(id)?).await?;
    let not_now = check(&shared, &signed_in, &record).err();
    Ok(Json(CallBackView {
        claimed: claimed(&shared, &record),
        found,
        phones: phones(&shared, &signed_in.who),
        not_now: not_now.map(|problem| problem.to_string()),
    }))
}

/// Call an organisation back: your own phone rings first, then the number that it publishes. Never the number that was shown.
#[utoipa::path(
    post, path = "/api/v1/calls/{id}/call-back", tag = "calls", request_body = CallBackBody,
    params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 202, description = "Your phone rings", body = CallBackBegun),
        (status = 400, description = "Not a call back", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may, or by cookie without X-Ringward", body = ProblemBody),
        (status = 404, description = "No such call, or the directory has no such entry or no number to call in it", body = ProblemBody),
        (status = 409, description = "Call-backs are off, no phone of yours is registered, a limit is reached, you are calling back already, you are signed in by a token, the entry was changed meanwhile, or that call was one of yours", body = ProblemBody),
        (status = 422, description = "This number may not be called", body = ProblemBody),
        (status = 503, description = "The gateway takes no calls; try again", body = ProblemBody),
    )
)]
pub(crate) async fn begin(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<CallBackBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let of = calls::call_id(id)?;
    let Json(body) = body.map_err(calls::bad_body)?;
    let record = calls::find(&shared, of).await?;
    check(&shared, &signed_in, &record)?;
    let (book, at_ms) = (shared.gateway.lists.book(), shared.now().unix_ms());
    let entry = book.entry(List::Directory, body.entry);
    let entry = entry
        .filter(|entry| !entry.is_expired(at_ms))
        .ok_or(Problem::NothingInDirectory)?;
    let numbers = numbers(entry);
    if numbers.is_empty() {
        return Err(Problem::NothingInDirectory);
    }
    if !numbers.contains(&body.number) {
        return Err(Problem::Conflict(
            "the directory does not have this number there, or not any more: look at the entry again".into(),
        ));
    }
    if record.drill {
        // It goes on, and nothing says what it is until it has ended.
        return Err(Problem::Conflict(NOT_NOW.into()));
    }
    let wanted = CallBack {
        id: CallId(0),
        of,
        by: signed_in.who.to_string(),
        devices: phones(&shared, &signed_in.who),
        organisation: entry.what.title(),
        entry: entry.id,
        number: Redacted::new(body.number),
        queue: record.queue.clone(),
    };
    let noted = format!("{} (directory entry {})", wanted.organisation, wanted.entry);
    let gateway = shared.gateway.clone();
    let begun = shared.work(move || Ok((gateway.call_back)(wanted))).await?;
    let id = begun.map_err(problem)?;
    let mut response = (StatusCode::ACCEPTED, Json(CallBackBegun { id: id.to_string() })).into_response();
    response
        .extensions_mut()
        .insert(Noted(format!("{noted}, as call {id}")));
    Ok(response)
}

/// Whether this person may call back for this call at this moment, but for what only the gateway's shards know.
fn check(shared: &Shared, signed_in: &SignedIn, record: &CallRecord) -> Result<(), Problem> {
    let conflict = |words: &str| Err(Problem::Conflict(words.into()));
    if !signed_in.is_account {
        return Err(Problem::NoAccount);
    }
    if record.direction == Direction::Outbound {
        return conflict("a call of your own is not called back");
    }
    if record.drill && record.state == CallState::Ended {
        return conflict(
            "this was a training call: nobody outside is called. Calling back was the right thing to do",
        );
    }
    if !shared.gateway.calls_back {
        return Err(problem(NoCallBack::Off));
    }
    if phones(shared, &signed_in.who).is_empty() {
        return conflict("you are signed in to no phone: sign in to one first");
    }
    let live = shared.gateway.live.snapshot();
    let is_his = |call: &CallRecord| {
        call.call_back.is_some()
            && call.person.as_deref() == Some(&*signed_in.who)
            && call.state != CallState::Ended
    };
    if live.iter().any(|call| is_his(call)) {
        return conflict("you are calling back already");
    }
    Ok(())
}

/// Said of a call about which nothing else may be said.
const NOT_NOW: &str = "nothing can be called back at this moment: try again when the call is over";

fn problem(why: NoCallBack) -> Problem {
    match why {
        NoCallBack::NotThis(words) => Problem::NotCallable(words),
        NoCallBack::Busy => Problem::TimedOut,
        NoCallBack::Off | NoCallBack::NoPhone | NoCallBack::NotNow(_) => Problem::Conflict(why.to_string()),
    }
}

/// Where this person sits.
fn phones(shared: &Shared, who: &str) -> Vec<String> {
    let mut sittings = shared.gateway.floor.sittings().into_iter();
    let sitting = sittings.find(|sitting| sitting.person == who);
    sitting.map_or_else(Vec::new, |sitting| sitting.desks.into_keys().collect())
}

/// What the call says of itself, looked up in the directory as it is now: a name that is signed before one that anybody may write,
/// and both before a number that is only shown.
fn claimed(shared: &Shared, record: &CallRecord) -> Vec<OrganisationView> {
    let (book, at_ms) = (shared.gateway.lists.book(), shared.now().unix_ms());
    let lookup = shared.gateway.lists.lookup();
    let text = |text: &Option<Redacted<String>>| text.as_ref().map(|text| text.reveal().clone());
    let signed = text(&record.facts.identity.name);
    let (name, number) = (text(&record.caller_name), text(&record.caller));
    let claims = [
        ("signed_name", signed.as_deref(), None),
        ("name", name.as_deref(), None),
        ("number", None, number.as_deref()),
    ]
    .map(|(claim, name, number)| (claim, lookup.find(number, name, at_ms)));
    let mut found: Vec<OrganisationView> = Vec::new();
    for (claim, listed) in claims {
        for listed in listed.iter().filter(|listed| listed.list == List::Directory) {
            let entry = book.entry(List::Directory, listed.entry);
            if let Some(entry) = entry.filter(|entry| !found.iter().any(|known| known.entry == entry.id)) {
                found.push(OrganisationView::of(entry, Some(claim)));
            }
        }
    }
    found
}

/// Organisations whose name has these letters in it, whatever their case.
fn search(shared: &Shared, words: &str) -> Vec<OrganisationView> {
    let (book, at_ms) = (shared.gateway.lists.book(), shared.now().unix_ms());
    let wanted = words.to_lowercase();
    let entries = book.entries(List::Directory, 0).filter(|entry| {
        let mut names = entry.what.name.iter().chain(&entry.what.also);
        !entry.is_expired(at_ms) && names.any(|name| name.to_lowercase().contains(&wanted))
    });
    let views = entries.map(|entry| OrganisationView::of(entry, None));
    views
        .filter(|view| !view.numbers.is_empty())
        .take(FOUND_MAX)
        .collect()
}

/// Organisations that one search shows: more is not read, but searched for once more.
const FOUND_MAX: usize = 20;

impl OrganisationView {
    fn of(entry: &Entry, claim: Option<&'static str>) -> OrganisationView {
        OrganisationView {
            entry: entry.id,
            organisation: entry.what.title(),
            numbers: numbers(entry),
            reason: entry.what.reason.clone(),
            by: entry.by.clone(),
            at_ms: entry.at_ms,
            claim,
        }
    }
}

fn numbers(entry: &Entry) -> Vec<String> {
    let numbers = entry.what.numbers.iter().filter_map(Range::one);
    numbers.map(str::to_string).collect()
}
