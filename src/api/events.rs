//! `/api/v1/events`: what changes, as it changes (server-sent events).
//!
//! Every stream begins with a snapshot, so a reader that was away needs no memory of ours:
//! `Last-Event-ID` may be anything, the snapshot brings it up to date. The same happens to a reader
//! that is too slow.

use std::convert::Infallible;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::limits::{EVENTS_WAITING, KEEP_ALIVE, READER_TIMEOUT, SNAPSHOT_CALLS};
use super::state::{Shared, stopped};
use super::view::CallView;
use crate::store::Change;

/// The event `snapshot`: all there is. What the reader knew before is to be forgotten.
#[derive(Serialize, ToSchema)]
pub(crate) struct Snapshot {
    /// The gateway's clock, Unix ms.
    now_ms: u64,
    /// Live calls, oldest first.
    calls: Vec<CallView>,
    /// Live calls that are not in the list because it is full.
    left_out: usize,
}

/// The event `here`: nothing has changed and the stream is alive. A reader that hears nothing for
/// 40 s shows what may no longer be true, and should say so.
#[derive(Serialize, ToSchema)]
pub(crate) struct Here {
    /// The gateway's clock, Unix ms.
    now_ms: u64,
}

/// Live changes as server-sent events.
///
/// First `snapshot` (a `Snapshot`), then one `call` (a `Call`) per change; a call with state `ended` has
/// left. A new `snapshot` may come at any time and replaces everything. `here` comes every 15 s.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "live",
    responses(
        (status = 200, description = "An endless stream of events", body = Snapshot, content_type = "text/event-stream"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 503, description = "Too many streams", body = ProblemBody),
    )
)]
pub(crate) async fn stream(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<impl IntoResponse, Problem> {
    let permit = std::sync::Arc::clone(&shared.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::TooManyStreams)?;
    let (events, waiting) = mpsc::channel(EVENTS_WAITING);
    tokio::spawn(feed(shared, signed_in, events, permit));
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that hold answers back would hold back events.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Sse::new(ReceiverStream::new(waiting))))
}

type Events = mpsc::Sender<Result<Event, Infallible>>;

/// Writes one reader's stream until the reader, its session, or the service ends.
async fn feed(shared: Shared, signed_in: SignedIn, events: Events, permit: OwnedSemaphorePermit) {
    let _permit = permit;
    let mut stopping = shared.stopping.clone();
    let mut alive = tokio::time::interval(KEEP_ALIVE);
    // The first tick is due at once, and the snapshot says as much.
    alive.reset();
    let mut number = 0u64;
    'snapshot: loop {
        let (records, mut changes) = shared.gateway.live.subscribe();
        let left_out = records.len().saturating_sub(SNAPSHOT_CALLS);
        let snapshot = Snapshot {
            now_ms: shared.now().unix_ms(),
            calls: records[left_out..]
                .iter()
                .map(|record| CallView::of(record))
                .collect(),
            left_out,
        };
        drop(records);
        if !send(&events, "snapshot", &mut number, &snapshot).await {
            return;
        }
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(Change::Call(record)) => {
                        if !send(&events, "call", &mut number, &CallView::of(&record)).await {
                            return;
                        }
                    }
                    Some(Change::Resync) => continue 'snapshot,
                    None => return,
                },
                _ = alive.tick() => {
                    let now_ms = shared.now().unix_ms();
                    if !shared.access.still_holds(&signed_in, now_ms)
                        || !send(&events, "here", &mut number, &Here { now_ms }).await
                    {
                        return;
                    }
                }
                () = events.closed() => return,
                () = stopped(&mut stopping) => return,
            }
        }
    }
}

/// False = the reader is gone.
async fn send<T: Serialize>(events: &Events, name: &str, number: &mut u64, value: &T) -> bool {
    *number += 1;
    let Ok(event) = Event::default()
        .event(name)
        .id(number.to_string())
        .json_data(value)
    else {
        return true;
    };
    matches!(
        tokio::time::timeout(READER_TIMEOUT, events.send(Ok(event))).await,
        Ok(Ok(()))
    )
}
