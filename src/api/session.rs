//! Signing in at the console: a password or a token becomes a cookie that scripts cannot read.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::guard::{Peer, is_over_tls, refusal, session_cookie};
use super::limits::SESSION_LASTS;
use super::passwords;
use super::state::Shared;
use crate::accounts::{Role, User};
use crate::redact::Redacted;

/// Either a token, or the name and password of an account, with a code where it has a second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// An API token, such as the one that was printed at the first start.
    #[schema(value_type = Option<String>)]
    token: Option<Redacted<String>>,
    #[schema(example = "ann")]
    name: Option<String>,
    #[schema(value_type = Option<String>)]
    password: Option<Redacted<String>>,
    /// What the telephone shows, or a recovery code.
    #[schema(value_type = Option<String>, example = "287082")]
    code: Option<Redacted<String>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// How this request is signed in.
    #[schema(example = "session")]
    by: &'static str,
    /// The name of the account or the token behind it.
    #[schema(example = "first")]
    who: String,
    /// What may be done.
    roles: Vec<Role>,
    /// A person's account; else a token.
    is_account: bool,
    /// The roles need a second factor and there is none: nothing else may be done before one is enrolled.
    is_to_enrol: bool,
    /// A code of the second factor has to be shown (`POST /api/v1/session/code`) before anything else may be done.
    is_to_prove: bool,
    /// When the session ends at the latest, Unix ms; null for a bearer token. Unused, it ends after an hour.
    ends_ms: Option<u64>,
}

/// Sign in: exchange name and password, or a token, for a session cookie (HttpOnly, SameSite=Strict).
///
/// After five wrong passwords for one account from one network the next has to wait 30 s, then twice as long each time, up
/// to 15 minutes where the account has signed in from before and an hour elsewhere; after twenty for one account or from one
/// network altogether, networks that the account is not known in wait as well.
#[utoipa::path(
    post, path = "/api/v1/session", tag = "session", request_body = SignIn, security(()),
    responses(
        (status = 200, description = "Signed in; the cookie is set", body = Session),
        (status = 400, description = "Neither a token nor name and password", body = ProblemBody),
        (status = 401, description = "Not the token; or name, password or code is wrong", body = ProblemBody),
        (status = 429, description = "Too many wrong tries", body = ProblemBody),
    )
)]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    body: Result<Json<SignIn>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let peer = peer.map(|Extension(peer)| peer);
    match (body.token, body.name, body.password) {
        (Some(token), None, None) if body.code.is_none() => by_token(&shared, peer, &token).await,
        (None, Some(name), Some(password)) => {
            let code = body.code.unwrap_or_else(|| Redacted::new(String::new()));
            let name = name.trim().to_string();
            let user = passwords::sign_in(&shared, peer, name, password, code).await?;
            signed_in_as(&shared, &user, peer).await
        }
        _ => Err(Problem::BadRequest(
            "send a token; or a name and a password, and a code where there is a second factor".into(),
        )),
    }
}

async fn by_token(
    shared: &Shared,
    peer: Option<Peer>,
    token: &Redacted<String>,
) -> Result<Response, Problem> {
    let now_ms = shared.now().unix_ms();
    let Some(signed_in) = shared.access.token(token.reveal().trim(), now_ms) else {
        return Err(refusal(shared, peer));
    };
    let opened = shared
        .access
        .open_for_token(&signed_in, peer.map(Peer::ip), now_ms);
    let who = signed_in.who.to_string();
    let from = peer.map_or_else(String::new, |peer| format!("from {}", peer.ip()));
    super::audit::write(shared, who, "sign in".into(), String::new(), from).await?;
    let signed_in = Session {
        by: "session",
        who: signed_in.who.to_string(),
        roles: signed_in.roles.to_vec(),
        is_account: false,
        is_to_enrol: false,
        is_to_prove: false,
        ends_ms: None,
    };
    answer(shared, opened, signed_in).await
}

/// The session of a person who has shown that it is him; the audit knows already.
pub(super) async fn signed_in_as(
    shared: &Shared,
    user: &User,
    peer: Option<Peer>,
) -> Result<Response, Problem> {
    let now_ms = shared.now().unix_ms();
    let opened = shared.access.open_for(user, peer.map(Peer::ip), now_ms);
    let signed_in = Session {
        by: "session",
        who: user.name.clone(),
        roles: user.roles.clone(),
        is_account: true,
        is_to_enrol: user.is_to_enrol(),
        is_to_prove: false,
        ends_ms: None,
    };
    answer(shared, opened, signed_in).await
}

async fn answer(
    shared: &Shared,
    opened: Option<(Redacted<String>, u64)>,
    mut signed_in: Session,
) -> Result<Response, Problem> {
    let (secret, ends_ms) = opened.ok_or(Problem::Broken)?;
    keep(shared).await;
    signed_in.ends_ms = Some(ends_ms);
    let cookie = set_cookie(shared, secret.reveal(), SESSION_LASTS.as_secs())?;
    Ok(([(header::SET_COOKIE, cookie)], Json(signed_in)).into_response())
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
        is_account: signed_in.is_account,
        is_to_enrol: signed_in.is_to_enrol,
        is_to_prove: signed_in.is_to_prove,
        ends_ms: signed_in.ends_ms,
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
pub(super) async fn keep(shared: &Shared) {
    let inner = shared.clone();
    if let Err(error) = shared.ask(move |store| inner.access.keep(store)).await {
        tracing::warn!(%error, "sessions could not be kept; a restart will sign people out");
    }
}

pub(super) fn set_cookie(shared: &Shared, value: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    let secure = if is_over_tls(shared) { "; Secure" } else { "" };
    let name = session_cookie(shared);
    HeaderValue::try_from(format!(
        "{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}"
    ))
    .map_err(|_| Problem::Broken)
}
