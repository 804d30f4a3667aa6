//! `/api/v1/session/passkey`: signing in by a passkey; `/api/v1/account/passkeys`: a person's own.

use std::sync::PoisonError;

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::account::{Confirm, name};
use super::error::{Problem, ProblemBody};
use super::guard::{Peer, refusal};
use super::passwords;
use super::session::{Session, signed_in_as};
use super::state::Shared;
use crate::accounts::passkeys::limits::{CHALLENGE_LASTS, PASSKEYS_MAX};
use crate::accounts::passkeys::{Challenges, Enrolment, Passkey, Place, Purpose, Shown, text};
use crate::accounts::{Refused, fingerprint};

/// As COSE numbers them, the best first: ES256, EdDSA, RS256.
const ALGORITHMS: [i64; 3] = [-7, -8, -257];

/// What `navigator.credentials.get()` is to be asked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Question {
    /// base64url, as all octets here. To be signed once.
    challenge: String,
    /// The host's name.
    #[schema(example = "calls.example.com")]
    rp_id: String,
    timeout_ms: u64,
}

/// What `navigator.credentials.create()` is to be asked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Making {
    challenge: String,
    #[schema(example = "calls.example.com")]
    rp_id: String,
    timeout_ms: u64,
    /// A name of the account that says nothing of its person.
    user_id: String,
    #[schema(example = "ann")]
    name: String,
    #[schema(example = "Ann Example")]
    person: String,
    /// As COSE numbers them, the best first.
    algorithms: Vec<i64>,
    /// Ids of the passkeys there are: no device makes a second one.
    known: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskey {
    /// What you call it.
    #[schema(example = "laptop", min_length = 1, max_length = 100)]
    name: String,
    id: String,
    client_data: String,
    authenticator_data: String,
    /// What `getPublicKey()` gives.
    key: String,
    #[schema(example = -7)]
    algorithm: i64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    id: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PasskeyView {
    id: String,
    #[schema(example = "laptop")]
    name: String,
    made_ms: u64,
    /// When it signed in last, Unix ms; null = never.
    used_ms: Option<u64>,
}

impl PasskeyView {
    pub fn of(passkey: &Passkey) -> PasskeyView {
        PasskeyView {
            id: passkey.id.clone(),
            name: passkey.name.clone(),
            made_ms: passkey.made_ms,
            used_ms: passkey.used_ms,
        }
    }
}

/// Where browsers bind passkeys to; None = they make none here.
pub(super) fn place(shared: &Shared) -> Option<Place> {
    Place::of(shared.gateway.public_url.as_deref())
}

fn must_have_place(shared: &Shared) -> Result<Place, Problem> {
    place(shared).ok_or(Problem::NoPasskeysHere)
}

/// In a lockdown nobody is given one more way in.
fn must_not_be_locked(shared: &Shared) -> Result<(), Problem> {
    match shared.gateway.lockdown.since() {
        Some(_) => Err(Refused::Locked.into()),
        None => Ok(()),
    }
}

fn challenge(shared: &Shared, purpose: Purpose<'_>) -> Result<String, Problem> {
    let now_ms = shared.now().unix_ms();
    with_challenges(shared, |challenges| challenges.make(purpose, now_ms))?.ok_or(Problem::Broken)
}

/// Whether this challenge is ours and answered for the first time; where there are no challenges nothing is.
fn spend(shared: &Shared, challenge: &str, purpose: Purpose<'_>) -> bool {
    let now_ms = shared.now().unix_ms();
    with_challenges(shared, |challenges| challenges.spend(challenge, purpose, now_ms)).unwrap_or(false)
}

fn with_challenges<T>(shared: &Shared, act: impl FnOnce(&mut Challenges) -> T) -> Result<T, Problem> {
    let mut challenges = shared.challenges.lock().unwrap_or_else(PoisonError::into_inner);
    challenges.as_mut().map(act).ok_or(Problem::Broken)
}

/// What a passkey is to sign before it signs in.
#[utoipa::path(
    get, path = "/api/v1/session/passkey", tag = "session", security(()),
    responses(
        (status = 200, description = "Once, and within five minutes", body = Question),
        (status = 409, description = "No passkeys here: `[api] public_url` has no name over https", body = ProblemBody),
    )
)]
pub(crate) async fn ask(State(shared): State<Shared>) -> Result<Json<Question>, Problem> {
    let place = must_have_place(&shared)?;
    Ok(Json(Question {
        challenge: challenge(&shared, Purpose::SignIn)?,
        rp_id: place.rp_id,
        timeout_ms: CHALLENGE_LASTS.as_millis() as u64,
    }))
}

/// Sign in by a passkey, without name, password or code: the device has asked for finger, face or PIN.
///
/// Whatever is wrong is one answer, and counts as a wrong token of this address does. What is signed rightly is never made to wait.
#[utoipa::path(
    post, path = "/api/v1/session/passkey", tag = "session", request_body = Signed, security(()),
    responses(
        (status = 200, description = "Signed in; the cookie is set", body = Session),
        (status = 400, description = "Not what a browser hands over", body = ProblemBody),
        (status = 401, description = "Nobody's passkey, not signed by it, or not what was asked here a moment ago", body = ProblemBody),
        (status = 409, description = "No passkeys here", body = ProblemBody),
        (status = 429, description = "Too many wrong tries from this address", body = ProblemBody),
    )
)]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    body: Result<Json<Signed>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let place = must_have_place(&shared)?;
    let peer = peer.map(|Extension(peer)| peer);
    let now_ms = shared.now().unix_ms();
    // A signature is no more to be guessed than a token: a right one is not refused for what others behind its address did.
    // What the store knows by now is asked only for those who may still be wrong.
    let is_slowed = peer.is_some_and(|peer| shared.access.may_ask(peer.ip(), now_ms).is_err());
    let shown = Shown {
        id: body.id,
        client_data: body.client_data,
        authenticator_data: body.authenticator_data,
        signature: body.signature,
    };
    let inner = shared.clone();
    let user = shared.work(move || {
        let users = &inner.access.users;
        if !is_slowed {
            // Accounts may have been disabled from elsewhere. That is looked at again when he signs in.
            users.refresh()?;
        }
        let found = users.by_passkey(shown.id.trim_end_matches('='));
        let (user, passkey) = found.ok_or(Problem::WrongPasskey)?;
        let spend = |challenge: &str| spend(&inner, challenge, Purpose::SignIn);
        let count = shown.check(&passkey, &place, spend).map_err(|reason| {
            tracing::warn!(account = user.name, %reason, "a passkey is not believed");
            Problem::WrongPasskey
        })?;
        let from = peer.map(Peer::ip);
        match users.sign_in_by_passkey(&user.name, &passkey, count, from, now_ms) {
            Err(Refused::Wrong) => Err(Problem::WrongPasskey),
            done => Ok(done?),
        }
    });
    match user.await {
        Ok(user) => signed_in_as(&shared, &user, peer).await,
        Err(Problem::WrongPasskey) => Err(match refusal(&shared, peer) {
            Problem::NotSignedIn => Problem::WrongPasskey,
            slower => slower,
        }),
        Err(other) => Err(other),
    }
}

/// Begin to make a passkey of yours: what the browser is to ask your device.
#[utoipa::path(
    post, path = "/api/v1/account/passkeys/challenge", tag = "session", request_body = Confirm,
    responses(
        (status = 200, description = "Good for five minutes", body = Making),
        (status = 400, description = "Not a password", body = ProblemBody),
        (status = 403, description = "The password is wrong", body = ProblemBody),
        (status = 409, description = "No passkeys here; too many already; a lockdown; signed in by a token; or an account that is signed in to elsewhere", body = ProblemBody),
        (status = 429, description = "Too many wrong tries", body = ProblemBody),
    )
)]
pub(crate) async fn begin(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    peer: Option<Extension<Peer>>,
    body: Result<Json<Confirm>, JsonRejection>,
) -> Result<Json<Making>, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let place = must_have_place(&shared)?;
    let name = name(&signed_in)?;
    let user = shared.access.users.one(&name).ok_or(Problem::NotSignedIn)?;
    if user.outside.is_some() {
        return Err(Refused::Outside.into());
    }
    // Before a device makes one that opens nothing.
    if user.passkeys().len() >= PASSKEYS_MAX {
        return Err(Refused::PasskeysFull.into());
    }
    must_not_be_locked(&shared)?;
    let peer = peer.map(|Extension(peer)| peer);
    passwords::confirm(&shared, peer, name.clone(), body.password).await?;
    // The same for all his passkeys, another for an account of the same name that is made later.
    let user_id = text(&fingerprint(&format!("{} {}", user.made_ms, user.name)));
    Ok(Json(Making {
        challenge: challenge(&shared, Purpose::Enrol(&name, signed_in.epoch))?,
        rp_id: place.rp_id,
        timeout_ms: CHALLENGE_LASTS.as_millis() as u64,
        user_id,
        person: user.person.clone(),
        algorithms: ALGORITHMS.to_vec(),
        known: user.passkeys().iter().map(|passkey| passkey.id.clone()).collect(),
        name,
    }))
}

/// Keep the passkey that the device has made: from now on it signs you in.
#[utoipa::path(
    post, path = "/api/v1/account/passkeys", tag = "session", request_body = NewPasskey,
    responses(
        (status = 201, description = "Kept", body = PasskeyView),
        (status = 400, description = "Not a passkey that was made here, for you, a moment ago", body = ProblemBody),
        (status = 409, description = "There already, or too many; no passkeys here; a lockdown; or signed in by a token", body = ProblemBody),
    )
)]
pub(crate) async fn keep(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<NewPasskey>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let place = must_have_place(&shared)?;
    let name = name(&signed_in)?;
    let made = Enrolment {
        name: body.name,
        id: body.id,
        client_data: body.client_data,
        authenticator_data: body.authenticator_data,
        key: body.key,
        algorithm: body.algorithm,
    };
    must_not_be_locked(&shared)?;
    let inner = shared.clone();
    let kept = shared.work(move || {
        let now_ms = inner.now().unix_ms();
        let spend = |challenge: &str| spend(&inner, challenge, Purpose::Enrol(&name, signed_in.epoch));
        let passkey = made
            .read(&place, spend, now_ms)
            .map_err(|reason| Problem::BadRequest(reason.to_string()))?;
        let users = &inner.access.users;
        users.add_passkey(&name, signed_in.epoch, &passkey, now_ms)?;
        Ok(PasskeyView::of(&passkey))
    });
    Ok((StatusCode::CREATED, Json(kept.await?)).into_response())
}

/// Take one of your passkeys away: it opens nothing any more. Your other sessions end.
#[utoipa::path(
    delete, path = "/api/v1/account/passkeys/{passkey}", tag = "session",
    params(("passkey" = String, Path, description = "Its id, as the account shows it")),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "No such passkey of yours", body = ProblemBody),
        (status = 409, description = "Signed in by a token: a token is no account", body = ProblemBody),
    )
)]
pub(crate) async fn forget(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let name = name(&signed_in)?;
    let Path(id) = id.map_err(|_| Problem::NoSuchPasskey)?;
    let inner = shared.clone();
    let gone = shared.work(move || {
        let now_ms = inner.now().unix_ms();
        let epoch = inner.access.users.remove_passkey(&name, &id, now_ms)?;
        inner.access.go_on(&signed_in, epoch);
        Ok(())
    });
    gone.await?;
    super::session::keep(&shared).await;
    Ok(StatusCode::NO_CONTENT)
}
