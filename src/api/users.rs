//! `/api/v1/users`: people's accounts, for administrators; `/api/v1/access-review`: who may sign in, for auditors.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::state::Shared;
use crate::accounts::{By, Change, Invitation, NewUser, Open, Refused, Reviewed, Role, User, to_csv};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// What the person signs in with: 1 to 60 letters, digits, `-`, `_`, `.` or `@`. It stands in the audit and never changes.
    #[schema(example = "ann")]
    name: String,
    /// The person's own name: an account is one person's.
    #[schema(example = "Ann Example")]
    person: String,
    #[schema(min_items = 1)]
    roles: Vec<Role>,
    /// True: the person signs in with the provider of `[oidc]`, who knows him by this name; nobody is invited.
    #[serde(default)]
    signs_in_elsewhere: bool,
    /// With `signs_in_elsewhere`: what names the person there for ever (`sub`), and then nobody is let in by the name. Without it the
    /// first who comes by the name within 72 hours is the person.
    #[schema(example = "9b1c7f52-6f0e-4f1c-9d0e-2f6f6f1f3f10")]
    subject: Option<String>,
}

/// What is to be another; what is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountChange {
    person: Option<String>,
    /// Other roles end all sessions of the account.
    roles: Option<Vec<Role>>,
    /// Being disabled ends all sessions of the account.
    is_disabled: Option<bool>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReviewQuery {
    /// `json` (when absent) or `csv`.
    format: Option<String>,
}

/// A person's account, without what opens it.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    name: String,
    person: String,
    roles: Vec<Role>,
    /// `open`, `disabled`, `invited` (no password yet) or `shut` (neither password nor invitation).
    #[schema(example = "open")]
    state: &'static str,
    has_second_factor: bool,
    /// Its roles may be used with a second factor only.
    needs_second_factor: bool,
    /// Who vouches for the person instead of a password; null = nobody.
    signs_in_at: Option<String>,
    /// Recovery codes that are left.
    recovery_codes: usize,
    made_ms: u64,
    made_by: String,
    /// When it was used last, Unix ms; null = never.
    last_used_ms: Option<u64>,
    /// Since when the password is the same, Unix ms.
    password_ms: Option<u64>,
    /// Until when an invitation opens, or somebody who signs in elsewhere is waited for by the account's name, Unix ms; null = there
    /// is none.
    invited_until_ms: Option<u64>,
    /// Sessions that are open.
    sessions: usize,
}

/// A session, without what opens it.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionView {
    #[schema(example = "8c7e3f0a51d2b946")]
    id: String,
    /// Whether it is the one that asks.
    is_this: bool,
    /// Where it was opened from.
    address: String,
    opened_ms: u64,
    /// When it was used last, give or take five minutes.
    used_ms: u64,
    /// When it ends at the latest; unused, it ends an hour after its last use.
    ends_ms: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UserList {
    /// In the order of their names.
    users: Vec<UserView>,
}

/// An account and its open sessions.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserWhole {
    user: UserView,
    /// The one opened last first.
    sessions: Vec<SessionView>,
}

/// Lets the person set a password, once. Give it to nobody else.
#[derive(Serialize, ToSchema)]
pub(crate) struct Invited {
    name: String,
    /// Shown this once; only its hash is kept. Null for whoever signs in elsewhere.
    code: Option<String>,
    /// The console's page for it, or for signing in.
    link: String,
    /// Unix ms: until when the code opens, or somebody is waited for by the name. Null for whoever signs in elsewhere by his
    /// subject.
    expires_ms: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Review {
    /// When it was made, Unix ms.
    at_ms: u64,
    /// Accounts by their names, then tokens.
    lines: Vec<Reviewed>,
}

/// All accounts.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "access",
    responses((status = 200, description = "Without what opens them", body = UserList))
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
) -> Json<UserList> {
    let now_ms = shared.now().unix_ms();
    let users = shared.access.users.all();
    let users = users.iter().map(|user| {
        let sessions = shared.access.sessions_of(user, &signed_in, now_ms);
        UserView::of(user, &sessions, now_ms)
    });
    Json(UserList {
        users: users.collect(),
    })
}

/// Make an account; its person is invited to set a password.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "access", request_body = NewAccount,
    responses(
        (status = 201, description = "Made; the invitation is shown this once", body = Invited),
        (status = 400, description = "Not a name, a person and roles", body = ProblemBody),
        (status = 409, description = "The name is taken, there are too many accounts, no [oidc], or a lockdown", body = ProblemBody),
    )
)]
pub(crate) async fn add(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<NewAccount>, JsonRejection>,
) -> Result<Response, Problem> {
    super::lockdown::must_be_open(&shared)?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let name = body.name.clone();
    let new = NewUser {
        name: body.name,
        person: body.person,
        roles: body.roles,
    };
    if body.subject.is_some() && !body.signs_in_elsewhere {
        return Err(Problem::BadRequest(
            "subject is for whoever signs_in_elsewhere".into(),
        ));
    }
    if body.signs_in_elsewhere {
        let provider = shared.gateway.provider.clone().ok_or(Problem::NoProvider)?;
        let issuer = provider.config().issuer.clone();
        let subject = body.subject;
        let account = name.clone();
        let added = act(&shared, signed_in, move |shared, by| {
            shared.access.add_outside(&new, &issuer, subject.as_deref(), by)?;
            Ok(shared.access.users.one(&account))
        });
        let added = added.await?;
        let base = shared.gateway.public_url.as_deref().unwrap_or_default();
        let made = Invited {
            name,
            code: None,
            link: format!("{}/", base.trim_end_matches('/')),
            expires_ms: added.and_then(|user| user.invited_until_ms()),
        };
        return Ok((StatusCode::CREATED, Json(made)).into_response());
    }
    let invitation = act(&shared, signed_in, move |shared, by| {
        shared.access.add_user(&new, by)
    })
    .await?;
    Ok((StatusCode::CREATED, Json(Invited::of(&shared, name, invitation))).into_response())
}

/// One account and its sessions.
#[utoipa::path(
    get, path = "/api/v1/users/{name}", tag = "access",
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, description = "Without what opens them", body = UserWhole,
            headers(("ETag" = String, description = "For If-Match of a change"))),
        (status = 404, description = "No such account", body = ProblemBody),
    )
)]
pub(crate) async fn one(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let user = shared
        .access
        .users
        .one(&named(name)?)
        .ok_or(Problem::NoSuchUser)?;
    let now_ms = shared.now().unix_ms();
    let sessions = shared.access.sessions_of(&user, &signed_in, now_ms);
    let whole = UserWhole {
        user: UserView::of(&user, &sessions, now_ms),
        sessions: sessions.into_iter().map(SessionView::of).collect(),
    };
    Ok(tagged(&user, Json(whole)))
}

/// With the tag that a change may be held to.
fn tagged(user: &User, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", user.look())) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// What the asker saw; None = he wants it however it looks by now, which is also what no If-Match says here (RFC 9110 §13.1.1).
fn seen(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let given = given.to_str().map_err(|_| Problem::PreconditionFailed)?.trim();
    // A tag that is none of ours is that of another state.
    Ok((given != "*").then(|| given.trim_matches('"').to_string()))
}

/// Change roles or the person's name, disable or enable.
#[utoipa::path(
    put, path = "/api/v1/users/{name}", tag = "access", request_body = AccountChange,
    params(
        ("name" = String, Path, description = "The account's name"),
        ("If-Match" = Option<String>, Header, description = "The ETag it was seen with: only if it still looks so"),
    ),
    responses(
        (status = 200, description = "As it is now", body = UserView,
            headers(("ETag" = String, description = "For If-Match of the next change"))),
        (status = 400, description = "Not a person or roles", body = ProblemBody),
        (status = 404, description = "No such account", body = ProblemBody),
        (status = 409, description = "It is the last administrator's, or it gives more in a lockdown", body = ProblemBody),
        (status = 412, description = "Somebody changed it in the meantime", body = ProblemBody),
    )
)]
pub(crate) async fn change(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Json<AccountChange>, JsonRejection>,
) -> Result<Response, Problem> {
    let name = named(name)?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let only_if = seen(&headers)?;
    let change = Change {
        person: body.person,
        roles: body.roles,
        is_disabled: body.is_disabled,
        only_if,
        is_narrowing: shared.gateway.lockdown.since().is_some(),
    };
    let asking = signed_in.clone();
    let changed = act(&shared, signed_in, move |shared, by| {
        shared.access.users.change(&name, &change, by)
    });
    let user = changed.await?;
    let now_ms = shared.now().unix_ms();
    let sessions = shared.access.sessions_of(&user, &asking, now_ms);
    Ok(tagged(&user, Json(UserView::of(&user, &sessions, now_ms))))
}

/// Take an account away. Its sessions end.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}", tag = "access",
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 204, description = "Gone; what it did stays in the audit"),
        (status = 404, description = "No such account", body = ProblemBody),
        (status = 409, description = "It is the last administrator's", body = ProblemBody),
    )
)]
pub(crate) async fn remove(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let name = named(name)?;
    act(&shared, signed_in, move |shared, by| {
        shared.access.users.remove(&name, by)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Invite again: password, second factor and passkeys are taken away, sessions end, and the person sets new ones.
#[utoipa::path(
    post, path = "/api/v1/users/{name}/reset", tag = "access",
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, description = "The invitation, shown this once", body = Invited),
        (status = 404, description = "No such account", body = ProblemBody),
        (status = 409, description = "There is a lockdown", body = ProblemBody),
    )
)]
pub(crate) async fn reset(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Invited>, Problem> {
    super::lockdown::must_be_open(&shared)?;
    let name = named(name)?;
    let account = name.clone();
    let invited = act(&shared, signed_in, move |shared, by| {
        shared.access.users.reset(&account, by)
    });
    Ok(Json(Invited::of(&shared, name, invited.await?)))
}

/// End all sessions of an account.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}/sessions", tag = "access",
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 204, description = "Signed out everywhere; event streams end within seconds"),
        (status = 404, description = "No such account", body = ProblemBody),
    )
)]
pub(crate) async fn end_sessions(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let name = named(name)?;
    act(&shared, signed_in, move |shared, by| {
        shared.access.users.end_sessions(&name, by)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Everybody and everything that may sign in, with what it may and when it was used last.
#[utoipa::path(
    get, path = "/api/v1/access-review", tag = "audit", params(ReviewQuery),
    responses(
        (status = 200, description = "Accounts and tokens",
            content((Review = "application/json"), (String = "text/csv"))),
        (status = 400, description = "Not a format", body = ProblemBody),
    )
)]
pub(crate) async fn review(
    State(shared): State<Shared>,
    query: Result<Query<ReviewQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let at_ms = shared.now().unix_ms();
    let lines = shared.access.review(at_ms);
    match query.format.as_deref() {
        None | Some("json") => Ok(Json(Review { at_ms, lines }).into_response()),
        Some("csv") => {
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                (
                    header::CONTENT_DISPOSITION,
                    "attachment; filename=\"access-review.csv\"",
                ),
            ];
            Ok((headers, to_csv(&lines)).into_response())
        }
        Some(_) => Err(Problem::BadRequest("format is json or csv".into())),
    }
}

/// Does something to accounts on a thread that may wait.
async fn act<T: Send + 'static>(
    shared: &Shared,
    signed_in: SignedIn,
    act: impl FnOnce(&Shared, By<'_>) -> Result<T, Refused> + Send + 'static,
) -> Result<T, Problem> {
    let inner = shared.clone();
    let work = move || {
        let by = By {
            who: &signed_in.who,
            at_ms: inner.now().unix_ms(),
        };
        Ok(act(&inner, by)?)
    };
    shared.work(work).await
}

fn named(name: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    // A name that cannot be is a name nobody has.
    name.map(|Path(name)| name).map_err(|_| Problem::NoSuchUser)
}

impl UserView {
    pub(super) fn of(user: &User, sessions: &[(Open, bool)], now_ms: u64) -> UserView {
        let used = sessions.iter().map(|(open, _)| open.used_ms);
        UserView {
            name: user.name.clone(),
            person: user.person.clone(),
            roles: user.roles.clone(),
            state: user.state(now_ms),
            has_second_factor: user.has_second_factor(),
            needs_second_factor: user.needs_second_factor(),
            signs_in_at: user.outside.as_ref().map(|outside| outside.issuer.clone()),
            recovery_codes: user.recovery_left(),
            made_ms: user.made_ms,
            made_by: user.made_by.clone(),
            last_used_ms: used.chain(user.last_in_ms).max(),
            password_ms: user.password_ms,
            invited_until_ms: user.invited_until_ms(),
            sessions: sessions.len(),
        }
    }
}

impl SessionView {
    pub(super) fn of((open, is_this): (Open, bool)) -> SessionView {
        SessionView {
            id: open.id,
            is_this,
            address: open.address,
            opened_ms: open.opened_ms,
            used_ms: open.used_ms,
            ends_ms: open.ends_ms,
        }
    }
}

impl Invited {
    fn of(shared: &Shared, name: String, invitation: Invitation) -> Invited {
        let code = invitation.code.into_inner();
        let base = shared.gateway.public_url.as_deref().unwrap_or_default();
        Invited {
            name,
            // In the fragment, which no browser sends to any server.
            link: format!("{}/#invitation={code}", base.trim_end_matches('/')),
            code: Some(code),
            expires_ms: Some(invitation.expires_ms),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let words = refused.to_string();
        match refused {
            Refused::NoSuchUser => Problem::NoSuchUser,
            Refused::ChangedSince => Problem::PreconditionFailed,
            Refused::NotAName
            | Refused::NotAPerson
            | Refused::NotAPasskeyName
            | Refused::NoRoles
            | Refused::NotASubject => Problem::BadRequest(words),
            Refused::Weak(weak) => Problem::WeakPassword(weak),
            Refused::NameTaken
            | Refused::Full
            | Refused::SubjectTaken
            | Refused::LastAdmin
            | Refused::NotEnrolling
            | Refused::Outside
            | Refused::PasskeyTaken
            | Refused::PasskeysFull
            | Refused::Locked
            | Refused::Raced => Problem::Conflict(words),
            Refused::NoSuchPasskey => Problem::NoSuchPasskey,
            Refused::NotInvited => Problem::NotInvited,
            Refused::Wrong => Problem::WrongCredentials,
            Refused::Ended | Refused::NotVouched | Refused::WaitedTooLong | Refused::Left => {
                Problem::NotSignedIn
            }
            Refused::WrongCode => Problem::WrongCode,
            Refused::NoRandomness => Problem::Broken,
            Refused::Store(error) => Problem::Store(error),
        }
    }
}
