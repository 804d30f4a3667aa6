//! `/api/v1/calls/export` and `/api/v1/audit/export`: everything, written out as it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::limits::{EXPORT_PIECES, READER_TIMEOUT};
use super::state::Shared;
use super::view::CallView;
use super::whole::whole;
use crate::accounts::to_line;
use crate::store::{AuditEntry, Filter, Found, audit_page};

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

/// All kept calls as a file, newest first. It stands in the audit who took it; when his session ends, it breaks off. It is written out as it is read; one that breaks off in the middle has no end.
#[utoipa::path(
    get, path = "/api/v1/calls/export", tag = "calls", params(CallsExportQuery),
    responses(
        (status = 200, description = "Calls that have ended",
            content((String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 400, description = "Not a format and times", body = ProblemBody),
        (status = 503, description = "Four exports are being written already, or the store is away", body = ProblemBody),
    )
)]
pub(crate) async fn calls(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    query: Result<Query<CallsExportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let format = Format::of(query.format.as_deref())?;
    let since_ms = query.since_ms.unwrap_or(0);
    let filter = Filter {
        before_ms: query.before_ms,
        ..Filter::default()
    };
    let until = query
        .before_ms
        .map_or_else(|| "now".into(), |before_ms| before_ms.to_string());
    let note = format!("{}, {since_ms} to {until}", format.name());
    let (reader, body) = Reader::let_in(&shared, signed_in, "calls export", note).await?;
    // Asked before the answer begins: a store that is away is an answer of its own.
    let asked = filter.clone();
    let page = shared
        .ask(move |store| store.search(&asked, Duration::MAX))
        .await?;
    tokio::spawn(async move {
        let is_whole = write_calls(&shared, &reader, format, (filter, since_ms), page).await;
        reader.end(is_whole);
    });
    Ok(format.answer(body, "calls"))
}

/// False = not all of it was handed on.
async fn write_calls(
    shared: &Shared,
    reader: &Reader,
    format: Format,
    (mut filter, since_ms): (Filter, u64),
    mut page: Found,
) -> bool {
    let mut head = format.head(&CALL_COLUMNS);
    while let Some((ms, id)) = page.next() {
        (filter.before_ms, filter.before_id) = (Some(ms), Some(id));
        let is_over = ms < since_ms;
        let wanted = page
            .calls
            .iter()
            .filter(|record| record.started_ms >= since_ms && !record.drill);
        let piece = wanted.map(|record| format.call(&CallView::of(record)));
        let piece = std::mem::take(&mut head) + &piece.collect::<String>();
        let is_read = reader.hand_on(shared, Ok(piece.into())).await;
        if !is_read || is_over {
            return is_read;
        }
        let asked = filter.clone();
        page = match shared.ask(move |store| store.search(&asked, Duration::MAX)).await {
            Ok(page) => page,
            Err(problem) => return reader.hand_on(shared, Err(problem)).await,
        };
    }
    reader.hand_on(shared, Ok(head.into())).await
}

/// The whole audit as a file, oldest first. It stands in it who took it; when his session ends, it breaks off. Its chain can be followed in it: every entry holds the hash of the one before.
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "audit", params(AuditExportQuery),
    responses(
        (status = 200, description = "Everything that was done",
            content((String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 400, description = "Not a format and a number", body = ProblemBody),
        (status = 503, description = "Four exports are being written already, or the store is away", body = ProblemBody),
    )
)]
pub(crate) async fn audit(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    query: Result<Query<AuditExportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let format = Format::of(query.format.as_deref())?;
    let after = query.after.unwrap_or(0);
    let note = format!("{}, after {after}", format.name());
    let (reader, body) = Reader::let_in(&shared, signed_in, "audit export", note).await?;
    let page = shared.ask(move |store| audit_page(store, after)).await?;
    tokio::spawn(async move {
        let is_whole = write_audit(&shared, &reader, format, page).await;
        reader.end(is_whole);
    });
    Ok(format.answer(body, "audit"))
}

/// False = not all of it was handed on.
async fn write_audit(
    shared: &Shared,
    reader: &Reader,
    format: Format,
    mut page: (Vec<AuditEntry>, Option<u64>),
) -> bool {
    let mut head = format.head(&AUDIT_COLUMNS);
    loop {
        let piece = page.0.iter().map(|entry| format.entry(entry)).collect::<String>();
        let piece = std::mem::take(&mut head) + &piece;
        let is_read = reader.hand_on(shared, Ok(piece.into())).await;
        let Some(next) = page.1.filter(|_| is_read) else {
            return is_read;
        };
        page = match shared.ask(move |store| audit_page(store, next)).await {
            Ok(page) => page,
            Err(problem) => return reader.hand_on(shared, Err(problem)).await,
        };
    }
}

type Piece = Result<Bytes, Problem>;

/// Whoever an export is written for. His place is free again when this goes.
struct Reader {
    signed_in: SignedIn,
    pieces: mpsc::Sender<Piece>,
    /// All of it was handed on.
    is_whole: Arc<AtomicBool>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Writes down that he takes it: nothing leaves the store unwritten. Also gives what he will read.
    async fn let_in(
        shared: &Shared,
        signed_in: SignedIn,
        what: &str,
        note: String,
    ) -> Result<(Reader, Body), Problem> {
        let place = Arc::clone(&shared.exports).try_acquire_owned();
        let place = place.map_err(|_| Problem::TooManyExports)?;
        let who = signed_in.who.to_string();
        super::audit::write(shared, who, what.into(), String::new(), note).await?;
        let (pieces, waiting) = mpsc::channel(EXPORT_PIECES);
        let is_whole: Arc<AtomicBool> = Arc::default();
        let seen = is_whole.clone();
        // What ends too early breaks off: nobody takes it for all there is.
        let mut last = std::iter::once(()).filter_map(move |()| {
            let is_whole = seen.load(Ordering::Acquire);
            (!is_whole).then_some(Err(Problem::Broken))
        });
        let end = tokio_stream::iter(std::iter::from_fn(move || last.next()));
        let body = Body::from_stream(ReceiverStream::new(waiting).chain(end));
        let reader = Reader {
            signed_in,
            pieces,
            is_whole,
            _place: place,
        };
        Ok((reader, body))
    }

    /// False = he is gone, takes nothing, or may not any more.
    async fn hand_on(&self, shared: &Shared, piece: Piece) -> bool {
        let is_his = shared.access.still_holds(&self.signed_in, shared.now().unix_ms());
        let piece = if is_his { piece } else { Err(Problem::NotSignedIn) };
        let is_good = piece.is_ok();
        let handed = tokio::time::timeout(READER_TIMEOUT, self.pieces.send(piece));
        matches!(handed.await, Ok(Ok(()))) && is_good
    }

    fn end(self, is_whole: bool) {
        // Before the channel is seen to have ended.
        self.is_whole.store(is_whole, Ordering::Release);
    }
}

const CALL_COLUMNS: [&str; 15] = [
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
    "person",
    "report",
];
const AUDIT_COLUMNS: [&str; 11] = [
    "number",
    "at_ms",
    "by",
    "what",
    "about",
    "note",
    "is_erased",
    "people",
    "salt",
    "before",
    "hash",
];

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

    fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
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
            "/person",
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
                entry.is_erased.to_string(),
                entry.people.clone().unwrap_or_default(),
                entry.salt.clone().unwrap_or_default(),
                entry.before.clone(),
                entry.hash.clone(),
            ]),
        }
    }

    fn answer(self, body: Body, name: &str) -> Response {
        let (kind, ending) = match self {
            Format::Csv => ("text/csv; charset=utf-8", self.name()),
            Format::JsonLines => ("application/x-ndjson", self.name()),
        };
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{ending}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, name);
        }
        response
    }
}
