//! `/api/v1/tokens`: who else may ask, in which roles and until when.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::audit::Noted;
use super::error::{Problem, ProblemBody};
use super::limits::TOKEN_DAYS_MAX;
use super::state::Shared;
use crate::accounts::limits::NAME_MAX;
use crate::accounts::{NoToken, Role, Token, is_name};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// Whose or what it is: 1 to 60 letters, digits, `-`, `_`, `.` or `@`. It stands in the audit.
    #[schema(example = "ann")]
    name: String,
    roles: Vec<Role>,
    /// Days until it expires, 1 to 3,650; never when absent.
    days: Option<u32>,
}

/// A token without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    name: String,
    roles: Vec<Role>,
    made_ms: u64,
    made_by: String,
    /// Unix ms; null = never.
    expires_ms: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MadeToken {
    /// Shown this once; only its hash is kept.
    token: String,
    name: String,
    roles: Vec<Role>,
    /// Unix ms; null = never.
    expires_ms: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TokenList {
    /// In the order they were made; the one of the first start is not among them.
    tokens: Vec<TokenView>,
}

/// All tokens but that of the first start.
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "access",
    responses(
        (status = 200, description = "Without their secrets", body = TokenList),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Json<TokenList> {
    let tokens = shared
        .access
        .all_tokens()
        .into_iter()
        .map(TokenView::of)
        .collect();
    Json(TokenList { tokens })
}

/// Make a token for a person or a program.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "access", request_body = NewToken,
    responses(
        (status = 201, description = "Made; its secret is shown this once", body = MadeToken),
        (status = 400, description = "Not a name, roles and days", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "The name is taken, or there are too many tokens", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn make(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<NewToken>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    if !is_name(&body.name) {
        return Err(Problem::BadRequest(format!(
            "a name has 1 to {NAME_MAX} letters, digits, -, _, . or @"
        )));
    }
    let mut roles = body.roles;
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        return Err(Problem::BadRequest("a token has at least one role".into()));
    }
    if body
        .days
        .is_some_and(|days| !(1..=TOKEN_DAYS_MAX).contains(&days))
    {
        return Err(Problem::BadRequest(format!("days are 1 to {TOKEN_DAYS_MAX}")));
    }
    // A name may have been taken at another gateway a moment ago.
    look(&shared).await?;
    let now_ms = shared.now().unix_ms();
    let expires_ms = body.days.map(|days| now_ms + u64::from(days) * 24 * 3_600_000);
    let (inner, name, wanted) = (shared.clone(), body.name.clone(), roles.clone());
    let made = shared.work(move || {
        let access = &inner.access;
        // A lockdown that came meanwhile has ended whoever asks.
        access.while_it_holds(inner.gateway.store.as_ref(), &signed_in, now_ms, || {
            access.make_token(&name, wanted, expires_ms, &signed_in.who, now_ms)
        })
    });
    let secret = made.await?.map_err(|why| match why {
        NoToken::NameTaken => Problem::Conflict("the name is taken".into()),
        NoToken::Full => Problem::Conflict("there are too many tokens; take one back first".into()),
        NoToken::NoRandomness => Problem::Broken,
    })?;
    if let Err(problem) = keep(&shared).await {
        // A token that a restart forgets would lock somebody out then.
        shared.access.revoke_token(&body.name);
        return Err(problem);
    }
    // Another gateway was first with this name, or a lockdown came.
    if !shared.access.is_token(secret.reveal()) {
        return Err(Problem::Conflict(
            "the name was taken meanwhile, or a lockdown has begun".into(),
        ));
    }
    let made = MadeToken {
        token: secret.reveal().clone(),
        name: body.name,
        roles,
        expires_ms,
    };
    let roles: Vec<&str> = made.roles.iter().map(|role| role.name()).collect();
    let noted = format!("{} ({})", made.name, roles.join(", "));
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    response.extensions_mut().insert(Noted(noted));
    Ok(response)
}

/// Take a token back. Sessions it opened end at once, their event streams within seconds.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{name}", tag = "access",
    params(("name" = String, Path, description = "The token's name")),
    responses(
        (status = 204, description = "It opens nothing any more"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such token", body = ProblemBody),
        (status = 503, description = "The store is away: it opens nothing now, and may again after a restart", body = ProblemBody),
    )
)]
pub(crate) async fn revoke(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchToken)?;
    // With the store away it opens nothing here all the same.
    let _ = look(&shared).await;
    if !shared.access.revoke_token(&name) {
        return Err(Problem::NoSuchToken);
    }
    keep(&shared).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// At what other gateways did to tokens.
async fn look(shared: &Shared) -> Result<(), Problem> {
    let inner = shared.clone();
    shared.ask(move |store| inner.access.look_at_tokens(store)).await
}

async fn keep(shared: &Shared) -> Result<(), Problem> {
    let inner = shared.clone();
    shared
        .ask(move |store| {
            inner.access.keep(store)?;
            inner.access.keep_tokens(store)
        })
        .await
}

impl TokenView {
    fn of(token: Token) -> TokenView {
        TokenView {
            name: token.name,
            roles: token.roles,
            made_ms: token.made_ms,
            made_by: token.made_by,
            expires_ms: token.expires_ms,
        }
    }
}
