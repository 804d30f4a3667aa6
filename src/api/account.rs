//! `/api/v1/account`: what a person does about his own account; `/api/v1/invitation`: how he comes to it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use qrcodegen::{QrCode, QrCodeEcc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::guard::{Peer, refusal};
use super::passkeys::{self, PasskeyView};
use super::passwords;
use super::session::{Session, signed_in_as};
use super::state::Shared;
use super::users::{SessionView, UserView};
use crate::accounts::{User, enrolment_uri};
use crate::redact::Redacted;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    /// From the invitation.
    #[schema(value_type = String)]
    code: Redacted<String>,
    /// 12 to 200 characters, and none of those that everybody tries.
    #[schema(value_type = String, min_length = 12, max_length = 200)]
    password: Redacted<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    #[schema(value_type = String)]
    old: Redacted<String>,
    /// 12 to 200 characters, and none of those that everybody tries.
    #[schema(value_type = String, min_length = 12, max_length = 200)]
    new: Redacted<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirm {
    /// Your password once more.
    #[schema(value_type = String)]
    pub(super) password: Redacted<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prove {
    /// What the telephone shows.
    #[schema(value_type = String, example = "287082")]
    code: Redacted<String>,
}

/// Your own account.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    account: UserView,
    /// The one opened last first.
    sessions: Vec<SessionView>,
    /// In the order they were made.
    passkeys: Vec<PasskeyView>,
    /// Whether one may be made: there is a place for them, and the account is signed in to here.
    may_have_passkeys: bool,
}

/// For a telephone; shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct Enrolment {
    /// Base 32, to be typed.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: String,
    /// The same as applications for such codes read it: 6 digits, 30 s, SHA-1 (RFC 6238).
    uri: String,
    /// The URI as a QR code.
    qr: Qr,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Qr {
    /// Modules on each side; a margin of 4 belongs around them.
    size: u32,
    /// Dark modules as the path of an SVG, one unit each.
    path: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Enrolled {
    /// Each signs in once instead of a code. Shown this once; only their hashes are kept.
    recovery_codes: Vec<String>,
}

/// How long after signing in elsewhere a telephone may be enrolled.
const FRESH: Duration = Duration::from_secs(600);

/// Accept an invitation: set a password and be signed in.
#[utoipa::path(
    post, path = "/api/v1/invitation", tag = "session", request_body = Accept, security(()),
    responses(
        (status = 200, description = "Signed in; the cookie is set, the invitation opens nothing any more", body = Session),
        (status = 400, description = "Not a code and a password, or one that is not taken", body = ProblemBody),
        (status = 401, description = "The code invites nobody", body = ProblemBody),
        (status = 409, description = "There is a lockdown, and the invitation is of before it", body = ProblemBody),
        (status = 429, description = "Too many wrong tries from this address", body = ProblemBody),
    )
)]
pub(crate) async fn accept(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    body: Result<Json<Accept>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let peer = peer.map(|Extension(peer)| peer);
    let code = Redacted::new(body.code.reveal().trim().to_string());
    let Some(user) = invited(&shared, peer, code.reveal()).await? else {
        return Err(match refusal(&shared, peer) {
            Problem::NotSignedIn => Problem::NotInvited,
            slower => slower,
        });
    };
    let user = passwords::accept(&shared, peer, user.name.clone(), code, body.password).await?;
    signed_in_as(&shared, &user, peer).await
}

/// Whom a code invites. An address that has guessed too often costs nothing more than a look at what is known.
async fn invited(shared: &Shared, peer: Option<Peer>, code: &str) -> Result<Option<Arc<User>>, Problem> {
    let now_ms = shared.now().unix_ms();
    let (access, users) = (&shared.access, &shared.access.users);
    let known = users.invited(code, now_ms);
    let may_ask = peer.is_none_or(|peer| access.may_ask(peer.ip(), now_ms).is_ok());
    if known.is_some() || !may_ask || !users.may_look_for_invitations(now_ms) {
        return Ok(known);
    }
    // It may have been made at the command line a moment ago.
    let inner = shared.clone();
    shared.ask(move |_| inner.access.users.refresh()).await?;
    Ok(users.invited(code, now_ms))
}

/// Look at your own account.
#[utoipa::path(
    get, path = "/api/v1/account", tag = "session",
    responses(
        (status = 200, description = "It and its open sessions", body = Account),
        (status = 409, description = "Signed in by a token: a token is no account", body = ProblemBody),
    )
)]
pub(crate) async fn look(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<Account>, Problem> {
    let name = name(&signed_in)?;
    let user = shared.access.users.one(&name).ok_or(Problem::NotSignedIn)?;
    let now_ms = shared.now().unix_ms();
    let sessions = shared.access.sessions_of(&user, &signed_in, now_ms);
    Ok(Json(Account {
        account: UserView::of(&user, &sessions, now_ms),
        passkeys: user.passkeys().iter().map(PasskeyView::of).collect(),
        may_have_passkeys: user.outside.is_none() && passkeys::place(&shared).is_some(),
        sessions: sessions.into_iter().map(SessionView::of).collect(),
    }))
}

/// Change your own password. Your other sessions end.
#[utoipa::path(
    put, path = "/api/v1/account/password", tag = "session", request_body = NewPassword,
    responses(
        (status = 204, description = "Changed"),
        (status = 400, description = "Not two passwords, or one that is not taken", body = ProblemBody),
        (status = 403, description = "The old password is wrong", body = ProblemBody),
        (status = 409, description = "Signed in by a token: a token is no account", body = ProblemBody),
        (status = 429, description = "Too many wrong tries", body = ProblemBody),
    )
)]
pub(crate) async fn change_password(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    peer: Option<Extension<Peer>>,
    body: Result<Json<NewPassword>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    name(&signed_in)?;
    let peer = peer.map(|Extension(peer)| peer);
    passwords::change(&shared, peer, signed_in, body.old, body.new).await?;
    super::session::keep(&shared).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Begin to enrol a telephone as your second factor. One you have stays until the new one has shown a code.
#[utoipa::path(
    post, path = "/api/v1/account/second-factor", tag = "session", request_body = Confirm,
    responses(
        (status = 200, description = "What the telephone needs, shown this once", body = Enrolment),
        (status = 400, description = "Not a password", body = ProblemBody),
        (status = 403, description = "The password is wrong; or signed in elsewhere, and not just now", body = ProblemBody),
        (status = 409, description = "Signed in by a token: a token is no account", body = ProblemBody),
        (status = 429, description = "Too many wrong tries", body = ProblemBody),
    )
)]
pub(crate) async fn begin_second_factor(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    peer: Option<Extension<Peer>>,
    body: Result<Json<Confirm>, JsonRejection>,
) -> Result<Json<Enrolment>, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let name = name(&signed_in)?;
    let peer = peer.map(|Extension(peer)| peer);
    let user = shared.access.users.one(&name).ok_or(Problem::NotSignedIn)?;
    let has_shown_second = user
        .outside
        .as_ref()
        .is_some_and(|outside| outside.has_shown_second);
    if has_shown_second && !signed_in.is_strong {
        // Whoever has only his password there must not bring a telephone of his own.
        return Err(Problem::SecondFactorElsewhere);
    }
    if user.outside.is_none() {
        passwords::confirm(&shared, peer, name.clone(), body.password).await?;
    } else if shared.now().unix_ms().abs_diff(signed_in.opened_ms) >= FRESH.as_millis() as u64 {
        // He has no password here: what shows that it is him is that he has just signed in.
        return Err(Problem::NotFresh);
    }
    let (inner, account) = (shared.clone(), name.clone());
    let secret = shared.work(move || {
        let now_ms = inner.now().unix_ms();
        Ok(inner.access.users.begin_second_factor(&account, now_ms)?)
    });
    let secret = secret.await?.into_inner();
    let uri = enrolment_uri(&name, &secret);
    Ok(Json(Enrolment {
        qr: Qr::of(&uri).ok_or(Problem::Broken)?,
        uri,
        secret,
    }))
}

/// Show a code of the telephone: from now on you sign in with it. Your other sessions end.
#[utoipa::path(
    put, path = "/api/v1/account/second-factor", tag = "session", request_body = Prove,
    responses(
        (status = 200, description = "Enrolled; the codes for when the telephone is gone", body = Enrolled),
        (status = 400, description = "The code is wrong", body = ProblemBody),
        (status = 409, description = "Nothing is being enrolled, or signed in by a token", body = ProblemBody),
    )
)]
pub(crate) async fn prove_second_factor(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<Prove>, JsonRejection>,
) -> Result<Json<Enrolled>, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let name = name(&signed_in)?;
    let inner = shared.clone();
    let proven = shared.work(move || {
        let now_ms = inner.now().unix_ms();
        let users = &inner.access.users;
        let code = body.code.reveal().trim();
        let (recovery_codes, epoch) = users.prove_second_factor(&name, signed_in.epoch, code, now_ms)?;
        inner.access.go_on(&signed_in, epoch);
        Ok(Enrolled { recovery_codes })
    });
    let enrolled = proven.await?;
    super::session::keep(&shared).await;
    Ok(Json(enrolled))
}

/// End one of your own sessions.
#[utoipa::path(
    delete, path = "/api/v1/account/sessions/{id}", tag = "session",
    params(("id" = String, Path, description = "Id of the session, as the account shows it")),
    responses(
        (status = 204, description = "It opens nothing any more"),
        (status = 404, description = "No such session of yours", body = ProblemBody),
        (status = 409, description = "Signed in by a token: a token is no account", body = ProblemBody),
    )
)]
pub(crate) async fn end_session(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let name = name(&signed_in)?;
    let Path(id) = id.map_err(|_| Problem::NoSuchSession)?;
    if !shared.access.end_session(&name, &id) {
        return Err(Problem::NoSuchSession);
    }
    super::session::keep(&shared).await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn name(signed_in: &SignedIn) -> Result<String, Problem> {
    if signed_in.is_account {
        Ok(signed_in.who.to_string())
    } else {
        Err(Problem::NoAccount)
    }
}

impl Qr {
    fn of(text: &str) -> Option<Qr> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            for x in 0..code.size() {
                if code.get_module(x, y) {
                    path.push_str(&format!("M{x} {y}h1v1h-1z"));
                }
            }
        }
        Some(Qr {
            size: u32::try_from(code.size()).ok()?,
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_three_corners_of_a_qr_code() {
        let qr = Qr::of("otpauth://totp/Ringward:ann?secret=GEZDGNBVGY3TQOJQ&issuer=Ringward").unwrap();
        assert!(qr.size >= 33 && qr.path.starts_with("M0 0h1v1h-1z"));
        for (x, y) in [(0, 0), (qr.size - 7, 0), (0, qr.size - 7)] {
            for step in 0..7 {
                assert!(qr.path.contains(&format!("M{} {y}h1", x + step)));
            }
        }
    }
}
