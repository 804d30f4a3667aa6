//! `/api/v1/audit`: what was done by whom, and whether the chain of it is whole. Also the guard that writes it.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{RefusalKind, SignedIn};
use super::error::{Problem, ProblemBody};
use super::repeats::DoneAllTheSame;
use super::state::Shared;
use super::whole::whole;
use crate::store::{AuditEntry, Store, audit_end, audit_page, verify_audit};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only entries after this number: `next` of the page before.
    #[serde(default, deserialize_with = "whole")]
    after: Option<u64>,
}

/// Entries in their order.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    entries: Vec<AuditLine>,
    /// `after` of the next page; null = this was the last.
    next: Option<u64>,
    /// The number of the last entry there is; 0 = there is none.
    last: u64,
}

/// One thing that was done.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct AuditLine {
    number: u64,
    at_ms: u64,
    /// Name of an account or token; `gateway` for what it does by itself. Empty, like `about` and `note`, when it was erased.
    by: String,
    what: String,
    about: String,
    note: String,
    /// What the entry said of people was erased.
    is_erased: bool,
    /// SHA-256 over `salt`, `by`, `about` and `note`: what the chain holds of them. Null = it holds them itself.
    people: Option<String>,
    /// Erased with them.
    salt: Option<String>,
    /// Hash of the entry before.
    before: String,
    /// SHA-256 over number, time, `what`, `people` and `before`; without `people` over `by`, `about` and `note` in its place.
    hash: String,
}

/// Is the chain whole.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditVerdict {
    is_whole: bool,
    /// Entries that were found whole, from the first on; null when something is wrong.
    entries: Option<u64>,
    /// The first thing found wrong.
    problem: Option<String>,
}

/// What was done, oldest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(AuditQuery),
    responses(
        (status = 200, description = "At most 500 entries", body = AuditPage),
        (status = 400, description = "Not a number", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditPage>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let after = query.after.unwrap_or(0);
    let page = move |store: &dyn Store| Ok((audit_page(store, after)?, audit_end(store)?));
    let ((entries, next), last) = shared.ask(page).await?;
    Ok(Json(AuditPage {
        next,
        last,
        entries: entries.into_iter().map(AuditLine::of).collect(),
    }))
}

/// Go through the whole chain.
#[utoipa::path(
    get, path = "/api/v1/audit/verify", tag = "audit",
    responses(
        (status = 200, description = "Whole, or the first thing found wrong", body = AuditVerdict),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn verify(State(shared): State<Shared>) -> Result<Json<AuditVerdict>, Problem> {
    let found = shared.ask(verify_audit).await?;
    Ok(Json(AuditVerdict {
        is_whole: found.is_ok(),
        entries: found.as_ref().ok().copied(),
        problem: found.err().map(|broken| broken.to_string()),
    }))
}

/// Every request that changes something is written down with who asked and how it ended. While the store cannot be
/// written nothing is changed.
pub(crate) async fn written_down(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    request: Request<Body>,
    next: Next,
) -> Result<Response, Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(next.run(request).await);
    }
    if !shared.gateway.store.health().is_writing {
        return Err(Problem::NotReady(
            "the store cannot be written, and nothing is changed without being written down",
        ));
    }
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    let what = format!("{} {route}", request.method());
    let about = request.uri().path().to_string();
    // Whoever hangs up in the middle, or is told that it takes too long, is written down all the same.
    let done = tokio::spawn(async move {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let note = match response.extensions().get::<Noted>() {
            Some(Noted(more)) => format!("{status} {more}"),
            None => status.to_string(),
        };
        let Err(problem) = write(&shared, signed_in.who.to_string(), what, about, note).await else {
            return response;
        };
        let is_done = response.status().is_success();
        let mut told = problem.into_response();
        // It is done, and could not be written down: whoever asks again by the same key is told so, and it is not done twice.
        if is_done && let Some(done) = DoneAllTheSame::of(response).await {
            told.extensions_mut().insert(done);
        }
        told
    });
    done.await.map_err(|_| Problem::Broken)
}

/// What an entry says beside the status, where method and path do not tell what was done. Nothing about a caller: who erases one does not
/// find it here.
#[derive(Clone)]
pub(super) struct Noted(pub String);

/// Writes down that somebody was refused, behind the answer. So many a minute only: nobody fills the disk by asking.
pub(super) fn write_refusal(
    shared: &Shared,
    kind: RefusalKind,
    by: String,
    what: String,
    about: String,
    note: &str,
) {
    if kind == RefusalKind::Credential {
        shared.gateway.alarms.sign_in_failed();
    }
    let Some(left_out) = shared.access.note_refusal(kind, shared.now().unix_ms()) else {
        return;
    };
    let note = match left_out {
        0 => note.to_string(),
        more => format!("{note}; {more} more before it are not written down"),
    };
    let shared = shared.clone();
    tokio::spawn(async move {
        if let Err(error) = write(&shared, by, what, about, note).await {
            tracing::warn!(%error, "a refusal could not be written into the audit");
        }
    });
}

/// Adds an entry.
pub(super) async fn write(
    shared: &Shared,
    by: String,
    what: String,
    about: String,
    note: String,
) -> Result<(), Problem> {
    let at_ms = shared.now().unix_ms();
    let inner = shared.clone();
    shared
        .work(move || {
            let written = inner.gateway.audit.write(at_ms, &by, &what, &about, &note);
            written.map(|_| ()).map_err(Problem::from)
        })
        .await
}

impl AuditLine {
    fn of(entry: AuditEntry) -> AuditLine {
        AuditLine {
            number: entry.number,
            at_ms: entry.at_ms,
            by: entry.by,
            what: entry.what,
            about: entry.about,
            note: entry.note,
            is_erased: entry.is_erased,
            people: entry.people,
            salt: entry.salt,
            before: entry.before,
            hash: entry.hash,
        }
    }
}
