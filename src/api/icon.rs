//! A caller's signed icon, through us: the page never loads it from the caller's host.
//!
//! Only while the call lasts, and only beside a number that is proven: whoever signs a name and a picture for a number
//! that is not theirs shall not have them shown.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::error::{Problem, ProblemBody};
use super::state::Shared;
use crate::call::CallRecord;
use crate::call_id::CallId;

/// The icon of a live call.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}/icon", tag = "calls",
    params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 200, description = "The picture that is signed together with a proven number, drawn again as PNG",
         content_type = "image/png", body = Vec<u8>),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 404, description = "No such live call, or it has no icon that may be shown", body = ProblemBody),
    )
)]
pub(crate) async fn of_call(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let record = id
        .parse::<CallId>()
        .ok()
        .and_then(|id| shared.gateway.live.call(id))
        .ok_or(Problem::NoSuchCall)?;
    if !is_shown(&record) {
        return Err(Problem::NotFound);
    }
    let rcd = record.identity.rcd.as_ref().ok_or(Problem::NotFound)?;
    let url = rcd.icon.clone().ok_or(Problem::NotFound)?;
    let icon = (shared.gateway.icon)(url, rcd.icon_digest.clone()).await;
    let icon = icon.ok_or(Problem::NotFound)?;
    let headers = [
        (header::CONTENT_TYPE, "image/png"),
        (header::CACHE_CONTROL, "private, max-age=300"),
    ];
    Ok((headers, icon.to_vec()).into_response())
}

/// Has this call an icon that may be asked for?
pub(crate) fn is_shown(record: &CallRecord) -> bool {
    let rcd = record.identity.rcd.as_ref();
    rcd.is_some_and(|rcd| rcd.icon.is_some())
        && record.facts.is_number_proven()
        && !record.facts.caller.is_hidden
}
