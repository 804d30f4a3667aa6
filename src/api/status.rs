//! How the gateway is doing: for people, for probes, for Prometheus.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::error::{Problem, ProblemBody};
use super::limits::STREAMS_MAX;
use super::state::Shared;
use crate::store::Health;

#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// The gateway's clock, Unix ms.
    now_ms: u64,
    live_calls: usize,
    /// Consoles and programs that follow the events.
    event_streams: usize,
    /// The call store: whether it writes, what waits, what was lost.
    #[schema(value_type = Object)]
    store: Health,
    /// Versions, revisions, since when, what is off or failing.
    #[schema(value_type = Object)]
    gateway: Value,
}

/// How the gateway is doing.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "gateway",
    responses(
        (status = 200, description = "As it is now", body = Status),
        (status = 401, description = "Not signed in", body = ProblemBody),
    )
)]
pub(crate) async fn status(State(shared): State<Shared>) -> Json<Status> {
    Json(Status {
        now_ms: shared.now().unix_ms(),
        live_calls: shared.gateway.live.len(),
        event_streams: STREAMS_MAX - shared.streams.available_permits(),
        store: shared.gateway.store.health(),
        gateway: (shared.gateway.status)(),
    })
}

/// Metrics in the Prometheus text format.
#[utoipa::path(
    get, path = "/metrics", tag = "gateway",
    responses(
        (status = 200, description = "Prometheus text", body = String, content_type = "text/plain"),
        (status = 401, description = "Not signed in", body = ProblemBody),
    )
)]
pub(crate) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    measure(&shared);
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        (shared.gateway.metrics)(),
    )
}

/// What is known here is measured when somebody looks.
fn measure(shared: &Shared) {
    let store = shared.gateway.store.health();
    metrics::gauge!("ringward_live_calls").set(shared.gateway.live.len_here() as f64);
    metrics::gauge!("ringward_event_streams").set((STREAMS_MAX - shared.streams.available_permits()) as f64);
    metrics::gauge!("ringward_store_queued").set(store.queued as f64);
    metrics::gauge!("ringward_store_is_writing").set(f64::from(u8::from(store.is_writing)));
    metrics::counter!("ringward_store_lost_total").absolute(store.lost);
    metrics::counter!("ringward_store_failures_total").absolute(store.failures);
    metrics::counter!("ringward_tokens_forgotten_total").absolute(store.tokens_forgotten);
}

/// Is the process alive.
#[utoipa::path(
    get, path = "/healthz", tag = "gateway", security(()),
    responses((status = 200, description = "Alive", body = String, content_type = "text/plain"))
)]
pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

/// Can it do its work: the store takes and gives records. (A gateway that is not ready still delivers calls.)
#[utoipa::path(
    get, path = "/readyz", tag = "gateway", security(()),
    responses(
        (status = 200, description = "Ready", body = String, content_type = "text/plain"),
        (status = 503, description = "Not ready, and why", body = ProblemBody),
    )
)]
pub(crate) async fn ready(State(shared): State<Shared>) -> Result<&'static str, Problem> {
    if *shared.stopping.borrow() {
        return Err(Problem::NotReady("it is stopping"));
    }
    if !shared.gateway.store.health().is_writing {
        return Err(Problem::NotReady("the call store cannot be written"));
    }
    shared.ask(|store| store.setting("ready")).await?;
    Ok("ready\n")
}
