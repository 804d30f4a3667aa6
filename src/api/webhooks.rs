//! `/api/v1/webhooks`: who is told what is done here, how that goes, and what they never took.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::state::Shared;
use crate::webhook::{Config, Letter, Standing};

#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookList {
    webhooks: Vec<WebhookView>,
    /// Calls that were not told since the start, because too many waited.
    untold_calls: u64,
}

/// One receiver.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookView {
    #[schema(example = "siem")]
    name: String,
    /// Where it is; the rest of the address may be secret.
    #[schema(example = "siem.example")]
    host: String,
    /// What it is told.
    #[schema(example = json!(["call.alert", "audit.policy"]))]
    events: Vec<&'static str>,
    /// Messages that wait.
    waiting: usize,
    /// Since when the oldest of them does, Unix ms; null = none.
    oldest_ms: Option<u64>,
    /// When it took one last since the start, Unix ms; null = never.
    taken_ms: Option<u64>,
    /// Tries that failed since then.
    failures: u32,
    /// What the last of them ran into; null = it was taken.
    problem: Option<String>,
    /// Messages it never took.
    dead: usize,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DeadList {
    /// Oldest first.
    messages: Vec<DeadView>,
}

/// A message that was given up, or for which there was no room.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadMessage)]
pub(crate) struct DeadView {
    /// `webhook-id`.
    #[schema(example = "audit-17")]
    id: String,
    #[schema(example = "audit.policy")]
    r#type: String,
    /// When it happened, Unix ms.
    at_ms: u64,
    /// When it was given up, Unix ms.
    dead_ms: u64,
    tries: u32,
    problem: Option<String>,
    /// What it says.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// How many messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct Messages {
    messages: usize,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TestMessage {
    /// Its `webhook-id`.
    #[schema(example = "test-1790000000000-1")]
    id: String,
}

/// All receivers, and how they are doing.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "webhooks",
    responses((status = 200, description = "In the order of the configuration", body = WebhookList))
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Json<WebhookList> {
    let webhooks = &shared.gateway.webhooks;
    let views = webhooks.standings().into_iter().map(WebhookView::of);
    Json(WebhookList {
        webhooks: views.collect(),
        untold_calls: webhooks.untold(),
    })
}

/// Send a receiver a message of the type `test`, to see whether it arrives and is believed.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{name}/test", tag = "webhooks",
    params(("name" = String, Path, description = "Name of the receiver")),
    responses(
        (status = 202, description = "It waits to be told; `/api/v1/webhooks` shows how that went", body = TestMessage),
        (status = 404, description = "No such receiver", body = ProblemBody),
    )
)]
pub(crate) async fn test(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<TestMessage>), Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchWebhook)?;
    let webhooks = shared.gateway.webhooks.clone();
    let id = shared.ask(move |_| webhooks.test(&name, &signed_in.who)).await?;
    let id = id.ok_or(Problem::NoSuchWebhook)?;
    Ok((StatusCode::ACCEPTED, Json(TestMessage { id })))
}

/// Messages that a receiver never took: tried for a day, or pushed out by newer ones.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{name}/dead", tag = "webhooks",
    params(("name" = String, Path, description = "Name of the receiver")),
    responses(
        (status = 200, description = "At most 1,000", body = DeadList),
        (status = 404, description = "No such receiver", body = ProblemBody),
    )
)]
pub(crate) async fn dead(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<DeadList>, Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchWebhook)?;
    let dead = shared
        .gateway
        .webhooks
        .dead(&name)
        .ok_or(Problem::NoSuchWebhook)?;
    let messages = dead.into_iter().map(DeadView::of).collect();
    Ok(Json(DeadList { messages }))
}

/// Have all dead messages of a receiver tried again.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{name}/dead/again", tag = "webhooks",
    params(("name" = String, Path, description = "Name of the receiver")),
    responses(
        (status = 202, description = "They wait to be told", body = Messages),
        (status = 404, description = "No such receiver", body = ProblemBody),
    )
)]
pub(crate) async fn all_again(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<Messages>), Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchWebhook)?;
    let webhooks = shared.gateway.webhooks.clone();
    let messages = shared.ask(move |_| webhooks.again(&name, None)).await?;
    let messages = messages.ok_or(Problem::NoSuchWebhook)?;
    Ok((StatusCode::ACCEPTED, Json(Messages { messages })))
}

/// Have one dead message tried again.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{name}/dead/{id}/again", tag = "webhooks",
    params(
        ("name" = String, Path, description = "Name of the receiver"),
        ("id" = String, Path, description = "Id of the message"),
    ),
    responses(
        (status = 202, description = "It waits to be told", body = Messages),
        (status = 404, description = "No such receiver, or no such dead message of it", body = ProblemBody),
    )
)]
pub(crate) async fn again(
    State(shared): State<Shared>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(StatusCode, Json<Messages>), Problem> {
    let Path((name, id)) = path.map_err(|_| Problem::NoSuchMessage)?;
    let webhooks = shared.gateway.webhooks.clone();
    let messages = shared.ask(move |_| webhooks.again(&name, Some(&id))).await?;
    let messages = messages.ok_or(Problem::NoSuchMessage)?;
    Ok((StatusCode::ACCEPTED, Json(Messages { messages })))
}

/// Forget all dead messages of a receiver. What they tell stands in the audit and in the records of the calls.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{name}/dead", tag = "webhooks",
    params(("name" = String, Path, description = "Name of the receiver")),
    responses(
        (status = 200, description = "Forgotten", body = Messages),
        (status = 404, description = "No such receiver", body = ProblemBody),
    )
)]
pub(crate) async fn forget_all(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Messages>, Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchWebhook)?;
    let webhooks = shared.gateway.webhooks.clone();
    let messages = shared.ask(move |_| webhooks.forget(&name, None)).await?;
    let messages = messages.ok_or(Problem::NoSuchWebhook)?;
    Ok(Json(Messages { messages }))
}

/// Forget one dead message.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{name}/dead/{id}", tag = "webhooks",
    params(
        ("name" = String, Path, description = "Name of the receiver"),
        ("id" = String, Path, description = "Id of the message"),
    ),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 404, description = "No such receiver, or no such dead message of it", body = ProblemBody),
    )
)]
pub(crate) async fn forget(
    State(shared): State<Shared>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path((name, id)) = path.map_err(|_| Problem::NoSuchMessage)?;
    let webhooks = shared.gateway.webhooks.clone();
    let messages = shared.ask(move |_| webhooks.forget(&name, Some(&id))).await?;
    messages.ok_or(Problem::NoSuchMessage)?;
    Ok(StatusCode::NO_CONTENT)
}

impl WebhookView {
    fn of((hook, standing): (&Config, Standing)) -> WebhookView {
        let url = url::Url::parse(&hook.url).ok();
        WebhookView {
            name: hook.name.clone(),
            host: url
                .and_then(|url| url.host_str().map(str::to_string))
                .unwrap_or_default(),
            events: hook.kinds.iter().map(|kind| kind.name()).collect(),
            waiting: standing.waiting,
            oldest_ms: standing.oldest_ms,
            taken_ms: standing.taken_ms,
            failures: standing.failures,
            problem: standing.problem,
            dead: standing.dead,
        }
    }
}

impl DeadView {
    fn of(letter: Letter) -> DeadView {
        DeadView {
            id: letter.id,
            r#type: letter.kind,
            at_ms: letter.at_ms,
            dead_ms: letter.due_ms,
            tries: letter.tries,
            problem: letter.problem,
            data: letter.data,
        }
    }
}
