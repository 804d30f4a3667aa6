//! Signing in at the console: a token becomes a cookie that scripts cannot read.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::guard::{COOKIE, Peer, refusal};
use super::limits::SESSION_LASTS;
use super::roles::Role;
use super::state::Shared;
use crate::redact::Redacted;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The API token that was printed at the first start.
    #[schema(value_type = String)]
    token: Redacted<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// How this request is signed in.
    #[schema(example = "session")]
    by: &'static str,
    /// The name of the token behind it.
    #[schema(example = "first")]
    who: String,
    /// What may be done.
    roles: Vec<Role>,
    /// When the session ends, Unix ms; absent for a bearer token.
    ends_ms: Option<u64>,
}

/// Sign in: exchange the token for a session cookie (HttpOnly, SameSite=Strict).
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session", request_body = SignIn, security(()),
    responses(
        (status = 200, description = "Signed in; the cookie is set", body = Session),
        (status = 401, description = "Not the token", body = ProblemBody),
        (status = 429, description = "Too many wrong tries from this address", body = ProblemBody),
    )
)]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    body: Result<Json<SignIn>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let now_ms = shared.now().unix_ms();
    let Some(signed_in) = shared.access.token(body.token.reveal().trim(), now_ms) else {
        return Err(refusal(&shared, peer.map(|Extension(peer)| peer)));
    };
    let (secret, ends_ms) = shared
        .access
        .open_session(&signed_in, now_ms)
        .ok_or(Problem::Broken)?;
    keep(&shared).await;
    let who = signed_in.who.to_string();
    super::audit::write(&shared, who, "sign in".into(), String::new(), "200".into()).await?;
    let cookie = set_cookie(&shared, secret.reveal(), SESSION_LASTS.as_secs())?;
    Ok((
        [(header::SET_COOKIE, cookie)],
        Json(Session {
            by: "session",
            who: signed_in.who.to_string(),
            roles: signed_in.roles.to_vec(),
            ends_ms: Some(ends_ms),
        }),
    )
        .into_response())
}

/// Am I signed in, and how.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "session",
    responses(
        (status = 200, description = "Signed in", body = Session),
        (status = 401, description = "Not signed in", body = ProblemBody),
    )
)]
pub(crate) async fn look(Extension(signed_in): Extension<SignedIn>) -> Json<Session> {
    let by = if signed_in.is_by_session() {
        "session"
    } else {
        "token"
    };
    Json(Session {
        by,
        who: signed_in.who.to_string(),
        roles: signed_in.roles.to_vec(),
        ends_ms: None,
    })
}

/// Leave: the session ends at once, its event streams within seconds.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session",
    responses(
        (status = 204, description = "Signed out; the cookie is removed"),
        (status = 401, description = "Not signed in", body = ProblemBody),
    )
)]
pub(crate) async fn leave(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Response, Problem> {
    if signed_in.is_by_session() {
        shared.access.close_session(&signed_in);
        keep(&shared).await;
    }
    let cookie = set_cookie(&shared, "", 0)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// A session that could not be written still works until the next start.
async fn keep(shared: &Shared) {
    let inner = shared.clone();
    if let Err(error) = shared.ask(move |store| inner.access.keep(store)).await {
        tracing::warn!(%error, "sessions could not be kept; a restart will sign people out");
    }
}

fn set_cookie(shared: &Shared, value: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    let is_secure = shared
        .gateway
        .public_url
        .as_deref()
        .is_some_and(|url| url.starts_with("https:"));
    let secure = if is_secure { "; Secure" } else { "" };
    HeaderValue::try_from(format!(
        "{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}"
    ))
    .map_err(|_| Problem::Broken)
}
