//! Signing in elsewhere: `/sign-in/oidc` sends the browser to the provider of `[oidc]`, `/sign-in/oidc/callback` takes it back.
//! Both are for browsers and answer with redirections; what they redirect to says what went wrong, in one word.

use std::sync::PoisonError;

use axum::extract::rejection::JsonRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{RefusalKind, SignedIn};
use super::audit;
use super::error::{Problem, ProblemBody};
use super::guard::{Peer, slowed};
use super::limits::SESSION_LASTS;
use super::session::{keep, set_cookie};
use super::state::Shared;
use crate::accounts::oidc::Attempt;
use crate::accounts::oidc::limits::ATTEMPT_LASTS;
use crate::accounts::{Proof, Refused};
use crate::redact::Redacted;
use crate::runtime::provider::NoWord;

/// The prefix keeps a neighbouring host from setting it (RFC 6265bis §4.1.3.2): it needs `Secure` and the whole path.
const COOKIE: &str = "__Host-ringward_sign_in";
const PATH: &str = "/sign-in/oidc";

/// Ways to sign in beside name and password.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ways {
    /// Where to go to sign in elsewhere; null = nowhere.
    oidc: Option<Way>,
    /// Whether a passkey signs in here.
    passkeys: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Way {
    /// What the button says.
    #[schema(example = "Example Inc.")]
    label: String,
    /// Where it leads to.
    #[schema(example = "/sign-in/oidc")]
    path: &'static str,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Code {
    /// What the telephone shows, or a recovery code.
    #[schema(value_type = String, example = "287082")]
    code: Redacted<String>,
}

/// Ways to sign in beside name and password.
#[utoipa::path(
    get, path = "/api/v1/session/ways", tag = "session", security(()),
    responses((status = 200, description = "As configured", body = Ways))
)]
pub(crate) async fn ways(State(shared): State<Shared>) -> Json<Ways> {
    let provider = shared.gateway.provider.as_ref();
    let oidc = provider.map(|provider| Way {
        label: provider.config().label.clone(),
        path: PATH,
    });
    Json(Ways {
        oidc,
        passkeys: super::passkeys::place(&shared).is_some(),
    })
}

/// Show a code of your second factor, after signing in elsewhere without one.
#[utoipa::path(
    post, path = "/api/v1/session/code", tag = "session", request_body = Code,
    responses(
        (status = 204, description = "Signed in"),
        (status = 400, description = "The code is wrong", body = ProblemBody),
        (status = 409, description = "No code is awaited", body = ProblemBody),
        (status = 429, description = "Too many wrong tries", body = ProblemBody),
    )
)]
pub(crate) async fn show_code(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    peer: Option<Extension<Peer>>,
    body: Result<Json<Code>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    if !signed_in.is_to_prove {
        return Err(Problem::NoCodeAwaited);
    }
    let from = peer.map_or_else(|| [0, 0, 0, 0].into(), |Extension(peer)| peer.ip());
    let inner = shared.clone();
    let shown = shared.work(move || {
        let (access, now_ms) = (&inner.access, inner.now().unix_ms());
        let name = signed_in.who.to_string();
        let user = access.users.one(&name).ok_or(Problem::NotSignedIn)?;
        let is_known = user.is_known_at(from, now_ms);
        let reserved = access.tries().reserve(&name, from, is_known, now_ms);
        let reserved = reserved.map_err(|retry_seconds| {
            slowed(&inner, from.to_string(), "sign in", name.clone());
            Problem::TooManyFailures { retry_seconds }
        })?;
        let code = body.code.reveal().trim();
        let taken = access.users.take_code(&name, signed_in.epoch, code, now_ms);
        if !matches!(taken, Err(Refused::WrongCode)) {
            access.tries().take_back(&reserved);
        } else {
            access.tries().wrong_code(&name, from, is_known);
            let (who, what) = (from.to_string(), "sign in".to_string());
            audit::write_refusal(&inner, RefusalKind::Credential, who, what, name, "401");
        }
        taken?;
        access.tries().right(&signed_in.who, from);
        access.prove(&signed_in);
        Ok(())
    });
    shown.await?;
    keep(&shared).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends the browser to the provider, with a cookie that its answer has to fit.
pub(crate) async fn begin(State(shared): State<Shared>) -> Result<Response, Problem> {
    let provider = shared.gateway.provider.clone().ok_or(Problem::NotFound)?;
    let attempt = Attempt::new(shared.now().unix_ms()).ok_or(Problem::Broken)?;
    let address = match provider.address(&attempt).await {
        Ok(address) => address,
        Err(problem) => return back(&problem_name(&problem), None),
    };
    let cookie = {
        let attempts = shared.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.as_ref().ok_or(Problem::Broken)?.sealed(&attempt)
    };
    Ok((
        StatusCode::SEE_OTHER,
        [
            (
                header::LOCATION,
                HeaderValue::try_from(address).map_err(|_| Problem::Broken)?,
            ),
            (header::SET_COOKIE, own_cookie(&cookie, ATTEMPT_LASTS.as_secs())?),
        ],
    )
        .into_response())
}

/// Takes the browser back from the provider, and signs its person in.
pub(crate) async fn come_back(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let provider = shared.gateway.provider.clone().ok_or(Problem::NotFound)?;
    let (peer, now_ms) = (peer.map(|Extension(peer)| peer), shared.now().unix_ms());
    if let Some(peer) = peer
        && let Err(retry_seconds) = shared.access.may_come_back(peer.ip(), now_ms)
    {
        slowed(&shared, peer.ip().to_string(), "sign in", String::new());
        return Err(Problem::TooManyFailures { retry_seconds });
    }
    let query = query.unwrap_or_default();
    let part = |wanted: &str| {
        let mut parts = url::form_urlencoded::parse(query.as_bytes());
        parts
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    let attempt = {
        let cookie = super::guard::cookie_named(&headers, COOKIE).unwrap_or_default();
        let state = part("state").unwrap_or_default();
        let mut attempts = shared.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts
            .as_mut()
            .and_then(|attempts| attempts.take(cookie, &state, now_ms))
    };
    let clear = Some(own_cookie("", 0)?);
    // Any page can send a browser here. It is no try of anything, so it is not counted.
    let Some(attempt) = attempt else {
        tracing::info!("an answer from a provider was not for a sign-in of this browser");
        return back("not-this-sign-in", clear);
    };
    let Some(code) = part("code").filter(|_| part("error").is_none()) else {
        return back("refused-elsewhere", clear);
    };
    let vouched = match provider.vouched(&code, part("iss").as_deref(), &attempt).await {
        Ok(vouched) => vouched,
        Err(problem) => {
            // A provider that is away, or is not set up as it should be, is nobody's fault who comes from there.
            let is_unbelieved = problem_name(&problem) == "not-believed";
            refused(&shared, peer.filter(|_| is_unbelieved), &problem.to_string());
            return back(&problem_name(&problem), clear);
        }
    };
    let (inner, from) = (shared.clone(), peer.map(Peer::ip));
    let (is_strong, subject) = (vouched.is_strong, vouched.subject.clone());
    let user = shared.work(move || {
        let is_locked = inner.gateway.lockdown.since().is_some();
        Ok(inner.access.sign_in_vouched(&vouched, from, now_ms, is_locked))
    });
    let user = match user.await? {
        Ok(user) => user,
        Err(Refused::Store(error)) => return Err(Problem::Store(error)),
        Err(problem) => {
            tracing::warn!(subject, %problem, "somebody signed in elsewhere who is nobody here");
            // Written down, not counted: any page can have a browser sign in there whose person has no account here.
            if let Some(peer) = peer {
                write_down(&shared, peer, &problem.to_string());
            }
            return back("no-account", clear);
        }
    };
    let proof = match (is_strong, user.has_second_factor()) {
        (true, _) => Proof::Strong,
        (false, true) => Proof::AwaitsCode,
        (false, false) => Proof::Whole,
    };
    let opened = shared.access.open_with(&user, from, proof, now_ms);
    let (secret, _) = opened.ok_or(Problem::Broken)?;
    keep(&shared).await;
    let session = set_cookie(&shared, secret.reveal(), SESSION_LASTS.as_secs())?;
    let mut response = back("", clear)?;
    response.headers_mut().append(header::SET_COOKIE, session);
    Ok(response)
}

/// Counted and written down: what a provider said in answer to a sign-in of this browser is not to be believed.
fn refused(shared: &Shared, peer: Option<Peer>, why: &str) {
    let Some(peer) = peer else { return };
    let from = peer.ip();
    tracing::warn!(peer = %from, why, "a sign-in from elsewhere was refused");
    if shared.access.disbelieve(from, shared.now().unix_ms()).is_ok() {
        write_down(shared, peer, why);
    }
}

fn write_down(shared: &Shared, peer: Peer, why: &str) {
    let (who, what) = (peer.ip().to_string(), "sign in".to_string());
    audit::write_refusal(shared, RefusalKind::Credential, who, what, why.to_string(), "401");
}

/// To the console; in the fragment what it has to say.
fn back(problem: &str, cookie: Option<HeaderValue>) -> Result<Response, Problem> {
    let address = match problem {
        "" => "/".to_string(),
        problem => format!("/#sign-in={problem}"),
    };
    let location = HeaderValue::try_from(address).map_err(|_| Problem::Broken)?;
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn problem_name(problem: &NoWord) -> String {
    match problem {
        NoWord::Away(_) | NoWord::Status(_) | NoWord::Document(_) | NoWord::Busy => "provider-away",
        NoWord::NoToken | NoWord::Token(_) | NoWord::Claims(_) => "not-believed",
    }
    .to_string()
}

/// Lax: it has to come along when the provider sends the browser back.
fn own_cookie(value: &str, seconds: u64) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(format!(
        "{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}; Secure"
    ))
    .map_err(|_| Problem::Broken)
}
