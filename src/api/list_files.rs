//! `/api/v1/lists/{list}/import` and `export`: whole lists as files.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection, StringRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::limits::EXPORT_ENTRIES;
use super::list_views::{EntryBody, EntryView, ExportQuery, ImportQuery, Imported};
use super::lists::{named, problem};
use super::second_person::{Agreed, Asked, Wish, agreed, second, used_up};
use super::state::Shared;
use crate::lists::{FileKind, Rest, csv_header, to_csv};

/// Read a file in, whole or not at all.
///
/// CSV has the names of its columns in the first row: `number`, `name`, `also`, `expires` (a day, a time or Unix ms),
/// `reason`; several numbers or names in one cell are parted by `;`. JSON is an array of entries, JSON Lines an entry a
/// line. What `export` gives can be read in again.
#[utoipa::path(
    post, path = "/api/v1/lists/{list}/import", tag = "lists",
    params(("list" = String, Path, description = "Name of the list"), ImportQuery),
    request_body(content((String = "text/csv"), (Vec<EntryBody> = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "What was done, or would be", body = Imported),
        (status = 202, description = "Where `[api] second_person` has `lists`: it waits for somebody else to read in the same file", body = Wish),
        (status = 400, description = "Not text, or not a mode", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such list", body = ProblemBody),
        (status = 409, description = "The lists are full", body = ProblemBody),
        (status = 413, description = "Too long", body = ProblemBody),
        (status = 415, description = "None of the three kinds", body = ProblemBody),
        (status = 422, description = "It has faults: all of them, by their lines; nothing is changed", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn import(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    list: Result<Path<String>, PathRejection>,
    query: Result<Query<ImportQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Result<Response, Problem> {
    let list = named(list.map(|Path(list)| list))?;
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let rest = match query.mode.as_deref() {
        None | Some("add") => Rest::Stays,
        Some("replace") => Rest::Goes,
        Some(_) => return Err(Problem::BadRequest("mode is add or replace".into())),
    };
    let kind = kind(&headers)?;
    let text = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge,
        _ => Problem::BadRequest("the body is no text in UTF-8".into()),
    })?;
    let is_dry = query.dry_run.unwrap_or(false);
    let mut first = None;
    if !is_dry && shared.gateway.second_person.is_for(list) {
        let asked = Asked {
            what: format!("{list}: a file"),
            same: format!("{rest:?}\n{text}"),
            needs: (Method::POST, "/api/v1/lists/{list}/import"),
        };
        first = match second(&shared, &signed_in, asked).await? {
            Ok(first) => Some(first),
            Err(wish) => return Ok(wish.into_response()),
        };
    }
    let lists = shared.gateway.lists.clone();
    let by = first.as_ref().map(Agreed::by);
    let done = shared.work(move || {
        let done = lists.import(list, (kind, &text), rest, is_dry, &signed_in.who);
        used_up(first, done.map_err(problem))
    });
    let done = Json(Imported::of(done.await?, is_dry)).into_response();
    Ok(agreed(done, by))
}

/// The whole list as a file. It is written out as it is read.
#[utoipa::path(
    get, path = "/api/v1/lists/{list}/export", tag = "lists",
    params(("list" = String, Path, description = "Name of the list"), ExportQuery),
    responses(
        (status = 200, description = "All entries, those that have expired as well",
            content((String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 400, description = "Not a format", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such list", body = ProblemBody),
    )
)]
pub(crate) async fn export(
    State(shared): State<Shared>,
    list: Result<Path<String>, PathRejection>,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let list = named(list.map(|Path(list)| list))?;
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let (is_csv, kind, ending) = match query.format.as_deref() {
        None | Some("csv") => (true, "text/csv; charset=utf-8", "csv"),
        Some("jsonl") => (false, "application/x-ndjson", "jsonl"),
        Some(_) => return Err(Problem::BadRequest("format is csv or jsonl".into())),
    };
    let (book, now_ms) = (shared.gateway.lists.book(), shared.now().unix_ms());
    let mut head = is_csv.then(csv_header);
    let mut after = 0;
    // The book of this moment, a piece at a time.
    let pieces = std::iter::from_fn(move || {
        if let Some(head) = head.take() {
            return Some(Ok::<String, Infallible>(head));
        }
        let mut piece = String::new();
        for entry in book.entries(list, after).take(EXPORT_ENTRIES) {
            after = entry.id;
            if is_csv {
                piece.push_str(&to_csv(entry));
            } else {
                // Our own plain data always has a JSON form.
                piece.push_str(&serde_json::to_string(&EntryView::of(entry, now_ms)).unwrap_or_default());
                piece.push('\n');
            }
        }
        (!piece.is_empty()).then_some(Ok(piece))
    });
    let mut response = Body::from_stream(tokio_stream::iter(pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{list}.{ending}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn kind(headers: &HeaderMap) -> Result<FileKind, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    match kind.to_ascii_lowercase().as_str() {
        "text/csv" => Ok(FileKind::Csv),
        "application/json" => Ok(FileKind::Json),
        "application/x-ndjson" | "application/jsonl" => Ok(FileKind::JsonLines),
        _ => Err(Problem::NotAListFile),
    }
}
