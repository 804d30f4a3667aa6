//! `/api/v1/erasures`: what is held about one number, and taking it away for good.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::access::SignedIn;
use super::calls::bad_body;
use super::erasing::RunningErasure;
use super::error::{Problem, ProblemBody};
use super::limits::{ERASURE_AWAITED, HELD_CALLS_MAX};
use super::second_person::{Asked, ERASURE, Wish, second, used_up, waiting};
use super::state::Shared;
use super::whole::whole;
use crate::accounts::{NotGone, must_be_gone};
use crate::runtime::erasures::{Eraser, Erasure, Whom, names_number};
use crate::store::has_word;
use crate::store::limits::JOURNAL_ROWS;

/// Characters of the reason.
const WHY_CHARS_MAX: usize = 200;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeldBody {
    /// A telephone number, as people write it.
    #[schema(example = "+14045550123")]
    number: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasureBody {
    /// A telephone number, as people write it: what kept calls and reports say of it.
    #[schema(example = "+14045550123")]
    number: Option<String>,
    /// Or the name of an account or a token that is gone: what the audit says of people wherever it stands.
    account: Option<String>,
    /// Why, for the audit; not the number nor a name. 1 to 200 characters.
    #[schema(example = "request 2026-17")]
    why: String,
}

/// What is held about one number.
#[derive(Serialize, ToSchema)]
#[schema(as = Held)]
pub(crate) struct HeldView {
    /// Canonical.
    number: String,
    /// Kept calls that an erasure would erase.
    calls: u64,
    /// Calls that are not over: an erasure leaves them.
    live: u64,
    /// Reports that count for its reputation; an erasure takes the number out of them.
    reports: u64,
    /// Recordings of which it is known to be a caller, by a pseudonym; an erasure takes it out of them.
    recordings: u64,
    /// Entries of lists that it meets; an erasure leaves them.
    #[schema(value_type = Vec<Object>)]
    lists: Value,
    /// Everything that is kept of these calls, newest first; 200 at most (`ringward export-person` writes out all).
    #[schema(value_type = Vec<Object>)]
    records: Vec<Value>,
}

/// What was erased, by whom and why. Names no number.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasure)]
pub(crate) struct ErasureView {
    /// From 1; null while it goes on.
    number: Option<u64>,
    /// `done`, or `running`: then it is to be found by `about` until it is done.
    #[schema(example = "done")]
    state: &'static str,
    at_ms: u64,
    by: String,
    why: String,
    /// HMAC-SHA256 of the number (or the account's name) under the receipt, hexadecimal; the same stands in the audit.
    about: String,
    /// Kept calls that say nothing of people any more.
    calls: u64,
    /// Calls that were not over, and are as they were: erase again when they are.
    live: u64,
    /// Reports that say nothing of the number any more.
    reports: u64,
    /// Recordings of which nobody knows any more that the number was a caller; those that came from it alone are gone.
    recordings: u64,
    /// Entries of the audit that say nothing of people any more.
    entries: u64,
    /// The keys that were destroyed have left the files too; false = the next erasure does it.
    is_scrubbed: bool,
    /// Given once and kept nowhere, but for a minute where the request had an `Idempotency-Key`: whoever has it and the number can show that this was about it. Null in lists.
    receipt: Option<String>,
}

/// What is not done yet.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the document: each answer is one of the two")]
pub(crate) enum Begun {
    Running(ErasureView),
    Proposed(Wish),
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ErasuresQuery {
    /// Only erasures after this number: `next` of the page before.
    #[serde(default, deserialize_with = "whole")]
    after: Option<u64>,
}

/// Erasures in their order.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasurePage {
    erasures: Vec<ErasureView>,
    /// Those of this gateway that go on, or came to no end since it started.
    running: Vec<RunningErasure>,
    /// Those that wait for a second person, where `[api] second_person` has `erasures`; at every gateway on the store.
    proposed: Vec<Wish>,
    /// `after` of the next page; null = this was the last.
    next: Option<u64>,
}

/// What is held about one number. Asking stands in the audit, without the number.
#[utoipa::path(
    post, path = "/api/v1/erasures/held", tag = "audit", request_body = HeldBody,
    responses(
        (status = 200, description = "As it is now", body = HeldView),
        (status = 400, description = "Not a telephone number", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn held(
    State(shared): State<Shared>,
    body: Result<Json<HeldBody>, JsonRejection>,
) -> Result<Json<HeldView>, Problem> {
    let Json(body) = body.map_err(bad_body)?;
    let number = canonical(&shared, &body.number)?;
    let (eraser, now_ms) = (eraser(&shared), shared.now().unix_ms());
    let found = shared.work(move || {
        let mut records = Vec::new();
        let held = eraser.held(&number, now_ms, |record| {
            records.extend(serde_json::to_value(record));
            records.len() < HELD_CALLS_MAX
        })?;
        Ok(HeldView {
            number,
            calls: held.calls,
            live: held.live,
            reports: held.reports,
            recordings: held.recordings,
            // Our own plain data always has a JSON form.
            lists: serde_json::to_value(&held.lists).unwrap_or_default(),
            records,
        })
    });
    Ok(Json(found.await?))
}

/// Erase what kept calls and reports say of one number, for good; or what the audit says of people wherever the name of an account that
/// is gone stands. Entries of lists stay, and so do calls that are not over. What takes longer than seconds goes on behind the answer.
#[utoipa::path(
    post, path = "/api/v1/erasures", tag = "audit", request_body = ErasureBody,
    responses(
        (status = 200, description = "Erased; nothing of it, when there was nothing", body = ErasureView),
        (status = 202, description = "It goes on to its end, and `GET /api/v1/erasures` shows it by its `about`; or, where `[api] second_person` has `erasures`, it waits for somebody else to ask for the same", body = Begun),
        (status = 400, description = "Neither a telephone number nor a name, or no reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "There still is such an account or token, or too many erasures go on", body = ProblemBody),
        (status = 503, description = "The store is away: some of it may be erased; ask again", body = ProblemBody),
    )
)]
pub(crate) async fn erase(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<ErasureBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(bad_body)?;
    let whom = match (&body.number, &body.account) {
        (Some(number), None) => Whom::Number(canonical(&shared, number)?),
        (None, Some(name)) => Whom::Account(of_nobody(&shared, name)?),
        _ => return Err(Problem::BadRequest("give a number, or an account".into())),
    };
    let why = body.why.trim().to_string();
    if why.is_empty() || why.chars().count() > WHY_CHARS_MAX {
        return Err(Problem::BadRequest("why has 1 to 200 characters".into()));
    }
    // The audit is for good: what is erased must not stand there.
    let is_named = match &whom {
        Whom::Number(number) => names_number(&why, number),
        Whom::Account(name) => has_word(&why, name),
    };
    if is_named {
        return Err(Problem::BadRequest(
            "why must not name whom it is about: it stays in the audit".into(),
        ));
    }
    let place = shared
        .erasures
        .reserve()
        .ok_or_else(|| Problem::Conflict("too many erasures go on; ask again when one is done".into()))?;
    let (mut why, mut agreed) = (why, None);
    if shared.gateway.second_person.erasures {
        let asked = Asked {
            what: ERASURE.into(),
            same: format!("{whom:?}"),
            needs: (Method::POST, "/api/v1/erasures"),
        };
        match second(&shared, &signed_in, asked).await? {
            Ok(both) => {
                why = format!("{why}; proposed by {}", both.by());
                agreed = Some(both);
            }
            Err(wish) => return Ok(wish.into_response()),
        }
    }
    let (eraser, now_ms) = (Arc::new(eraser(&shared)), shared.now().unix_ms());
    let (by, first) = (signed_in.who.to_string(), eraser.clone());
    let begun = shared.work(move || Ok(first.begin(whom, &by, &why, now_ms)?));
    let begun = begun.await?;
    let (erasure, receipt) = (begun.erasure.clone(), begun.receipt.clone());
    let work = move || used_up(agreed, eraser.finish(begun));
    let done = place.run(&erasure, ERASURE_AWAITED, work).await?;
    Ok(match done {
        Some(done) => Json(ErasureView::of(done, Some(receipt))).into_response(),
        None => {
            let view = ErasureView {
                number: None,
                state: "running",
                ..ErasureView::of(erasure, Some(receipt))
            };
            (StatusCode::ACCEPTED, Json(view)).into_response()
        }
    })
}

/// The name of an account or token, if nobody has it any more: whoever acts is answerable for it.
fn of_nobody(shared: &Shared, name: &str) -> Result<String, Problem> {
    let name = name.trim();
    let is_token = shared.access.all_tokens().iter().any(|token| token.name == name);
    match must_be_gone(name, &shared.access.users, is_token) {
        Ok(()) => Ok(name.to_string()),
        Err(why @ NotGone::NotAName) => Err(Problem::BadRequest(why.to_string())),
        Err(why @ NotGone::StillThere) => Err(Problem::Conflict(why.to_string())),
    }
}

/// What was erased, oldest first.
#[utoipa::path(
    get, path = "/api/v1/erasures", tag = "audit", params(ErasuresQuery),
    responses(
        (status = 200, description = "At most 500", body = ErasurePage),
        (status = 400, description = "Not a number", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    query: Result<Query<ErasuresQuery>, QueryRejection>,
) -> Result<Json<ErasurePage>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let after = query.after.unwrap_or(0);
    let erasures = shared.ask(move |store| Eraser::all(store, after)).await?;
    let is_more = erasures.len() >= JOURNAL_ROWS;
    Ok(Json(ErasurePage {
        running: shared.erasures.all(),
        proposed: waiting(&shared, true).await?,
        next: erasures.last().map(|last| last.number).filter(|_| is_more),
        erasures: erasures
            .into_iter()
            .map(|erasure| ErasureView::of(erasure, None))
            .collect(),
    }))
}

fn canonical(shared: &Shared, number: &str) -> Result<String, Problem> {
    let canonical = shared.gateway.lists.canonical(number);
    canonical.ok_or_else(|| Problem::BadRequest("number is no telephone number".into()))
}

fn eraser(shared: &Shared) -> Eraser {
    let gateway = &shared.gateway;
    Eraser {
        store: Arc::clone(&gateway.store),
        audit: Arc::clone(&gateway.audit),
        reputation: Arc::clone(&gateway.reputation),
        lists: Arc::clone(&gateway.lists),
        recordings: gateway.repeats.clone(),
        live: Some(Arc::clone(&gateway.live)),
    }
}

impl ErasureView {
    fn of(erasure: Erasure, receipt: Option<String>) -> ErasureView {
        ErasureView {
            number: Some(erasure.number),
            state: "done",
            at_ms: erasure.at_ms,
            by: erasure.by,
            why: erasure.why,
            about: erasure.about,
            calls: erasure.calls,
            live: erasure.live,
            reports: erasure.reports,
            recordings: erasure.recordings,
            entries: erasure.entries,
            is_scrubbed: erasure.is_scrubbed,
            receipt,
        }
    }
}
