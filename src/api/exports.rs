//! `/api/v1/calls/export` and `/api/v1/audit/export`: everything, written out as it is read.

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use super::error::{Problem, ProblemBody};
use super::limits::{EXPORT_PIECES, READER_TIMEOUT};
use super::state::Shared;
use super::view::CallView;
use super::whole::whole;
use crate::accounts::to_line;
use crate::store::{AuditEntry, Filter, audit_page};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallsExportQuery {
    /// `csv` (when absent) or `jsonl`: every call as `/api/v1/calls/{id}` shows it.
    format: Option<String>,
    /// Only calls that started then or later, Unix ms.
    #[serde(default, deserialize_with = "whole")]
    since_ms: Option<u64>,
    /// Only calls that started before this, Unix ms.
    #[serde(default, deserialize_with = "whole")]
    before_ms: Option<u64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditExportQuery {
    /// `csv` (when absent) or `jsonl`.
    format: Option<String>,
    /// Only entries after this number.
    #[serde(default, deserialize_with = "whole")]
    after: Option<u64>,
}

/// All kept calls as a file, newest first. It is written out as it is read; one that breaks off in the middle has no end.
#[utoipa::path(
    get, path = "/api/v1/calls/export", tag = "calls", params(CallsExportQuery),
    responses(
        (status = 200, description = "Calls that have ended",
            content((String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 400, description = "Not a format and times", body = ProblemBody),
    )
)]
pub(crate) async fn calls(
    State(shared): State<Shared>,
    query: Result<Query<CallsExportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let format = Format::of(query.format.as_deref())?;
    let since_ms = query.since_ms.unwrap_or(0);
    let mut filter = Filter {
        before_ms: query.before_ms,
        ..Filter::default()
    };
    // Asked before the answer begins: a store that is away is an answer of its own.
    let asked = filter.clone();
    let mut page = shared.ask(move |store| store.calls(&asked)).await?;
    let (pieces, body) = mpsc::channel::<Result<Bytes, Problem>>(EXPORT_PIECES);
    tokio::spawn(async move {
        let mut head = format.head(&CALL_COLUMNS);
        while let Some(last) = page.last() {
            (filter.before_ms, filter.before_id) = (Some(last.started_ms), Some(last.id));
            let is_over = last.started_ms < since_ms;
            let wanted = page.iter().filter(|record| record.started_ms >= since_ms);
            let piece = wanted.map(|record| format.call(&CallView::of(record)));
            let piece = std::mem::take(&mut head) + &piece.collect::<String>();
            if !hand_on(&pieces, Ok(piece.into())).await || is_over {
                return;
            }
            let asked = filter.clone();
            page = match shared.ask(move |store| store.calls(&asked)).await {
                Ok(page) => page,
                Err(problem) => {
                    hand_on(&pieces, Err(problem)).await;
                    return;
                }
            };
        }
        hand_on(&pieces, Ok(head.into())).await;
    });
    Ok(format.answer(body, "calls"))
}

/// The whole audit as a file, oldest first. Its chain can be followed in it: every entry holds the hash of the one before.
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "audit", params(AuditExportQuery),
    responses(
        (status = 200, description = "Everything that was done",
            content((String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 400, description = "Not a format and a number", body = ProblemBody),
    )
)]
pub(crate) async fn audit(
    State(shared): State<Shared>,
    query: Result<Query<AuditExportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let format = Format::of(query.format.as_deref())?;
    let after = query.after.unwrap_or(0);
    let mut page = shared.ask(move |store| audit_page(store, after)).await?;
    let (pieces, body) = mpsc::channel::<Result<Bytes, Problem>>(EXPORT_PIECES);
    tokio::spawn(async move {
        let mut head = format.head(&AUDIT_COLUMNS);
        loop {
            let piece = page.0.iter().map(|entry| format.entry(entry)).collect::<String>();
            let piece = std::mem::take(&mut head) + &piece;
            let is_read = hand_on(&pieces, Ok(piece.into())).await;
            let Some(next) = page.1.filter(|_| is_read) else {
                return;
            };
            page = match shared.ask(move |store| audit_page(store, next)).await {
                Ok(page) => page,
                Err(problem) => {
                    hand_on(&pieces, Err(problem)).await;
                    return;
                }
            };
        }
    });
    Ok(format.answer(body, "audit"))
}

/// False = whoever reads is gone, or takes nothing.
async fn hand_on(pieces: &mpsc::Sender<Result<Bytes, Problem>>, piece: Result<Bytes, Problem>) -> bool {
    let handed = tokio::time::timeout(READER_TIMEOUT, pieces.send(piece));
    matches!(handed.await, Ok(Ok(())))
}

const CALL_COLUMNS: [&str; 14] = [
    "id",
    "started_ms",
    "direction",
    "trunk",
    "caller",
    "called",
    "queue",
    "label",
    "ending",
    "status",
    "answered_ms",
    "ended_ms",
    "answered_by",
    "report",
];
const AUDIT_COLUMNS: [&str; 8] = ["number", "at_ms", "by", "what", "about", "note", "before", "hash"];

#[derive(Clone, Copy)]
enum Format {
    Csv,
    JsonLines,
}

impl Format {
    fn of(format: Option<&str>) -> Result<Format, Problem> {
        match format {
            None | Some("csv") => Ok(Format::Csv),
            Some("jsonl") => Ok(Format::JsonLines),
            Some(_) => Err(Problem::BadRequest("format is csv or jsonl".into())),
        }
    }

    fn head(self, columns: &[&str]) -> String {
        match self {
            Format::Csv => format!("{}\r\n", columns.join(",")),
            Format::JsonLines => String::new(),
        }
    }

    fn call(self, call: &CallView) -> String {
        // Our own plain data always has a JSON form.
        let value = serde_json::to_value(call).unwrap_or_default();
        if matches!(self, Format::JsonLines) {
            return format!("{value}\n");
        }
        let text = |at: &str| match value.pointer(at) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let places = [
            "/id",
            "/started_ms",
            "/direction",
            "/trunk",
            "/caller",
            "/called",
            "/queue",
            "/banner/label",
            "/outcome/ending",
            "/outcome/status",
            "/timings/answered_ms",
            "/timings/ended_ms",
            "/answered_by",
            "/report/verdict",
        ];
        to_line(places.map(text))
    }

    fn entry(self, entry: &AuditEntry) -> String {
        match self {
            Format::JsonLines => format!("{}\n", serde_json::to_string(entry).unwrap_or_default()),
            Format::Csv => to_line([
                entry.number.to_string(),
                entry.at_ms.to_string(),
                entry.by.clone(),
                entry.what.clone(),
                entry.about.clone(),
                entry.note.clone(),
                entry.before.clone(),
                entry.hash.clone(),
            ]),
        }
    }

    fn answer(self, body: mpsc::Receiver<Result<Bytes, Problem>>, name: &str) -> Response {
        let (kind, ending) = match self {
            Format::Csv => ("text/csv; charset=utf-8", "csv"),
            Format::JsonLines => ("application/x-ndjson", "jsonl"),
        };
        let mut response = Body::from_stream(ReceiverStream::new(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{ending}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, name);
        }
        response
    }
}
