//! Every way to say no: one message for outside (RFC 9457), one for the log.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::Weak;
use crate::policy::Fault;
use crate::store::StoreError;

/// Grouped by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    // The reader's.
    #[error("not signed in: send the token as a bearer token, or sign in at the console")]
    NotSignedIn,
    #[error("too many wrong credentials: wait as long as Retry-After says")]
    TooManyFailures { retry_seconds: u64 },
    #[error("too many requests: wait as long as Retry-After says")]
    TooOften { retry_seconds: u64 },
    #[error("this Idempotency-Key was sent with another request")]
    KeyReused,
    #[error("a request that changes something by cookie must carry the header X-Ringward: 1")]
    HeaderMissing,
    #[error("{0}")]
    BadRequest(String),
    #[error("name, password or code is wrong")]
    WrongCredentials,
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the code is wrong or was used already; the telephone's clock must be right")]
    WrongCode,
    #[error("this invitation opens nothing: it was used, has expired, or another was made since")]
    NotInvited,
    #[error("your roles need a second factor: enrol one first")]
    SecondFactorMissing,
    #[error("show a code of your second factor first")]
    CodeMissing,
    #[error("sign in once more: for this it has to be a moment ago")]
    NotFresh,
    #[error("this account has shown its second factor where it signs in: sign in there with it first")]
    SecondFactorElsewhere,
    #[error("nobody signs in elsewhere here: [oidc] is not configured")]
    NoProvider,
    #[error("no passkeys here: [api] public_url needs a name, not an address, over https")]
    NoPasskeysHere,
    #[error(
        "this passkey opens nothing here, or it took too long: try again, or sign in by name and password"
    )]
    WrongPasskey,
    #[error("no such passkey of yours")]
    NoSuchPasskey,
    #[error("no code is awaited")]
    NoCodeAwaited,
    #[error("signed in by a token: a token is no account")]
    NoAccount,
    #[error(transparent)]
    WeakPassword(Weak),
    #[error("no such account")]
    NoSuchUser,
    #[error("no such session")]
    NoSuchSession,
    #[error("none of your roles may do this")]
    NotYours,
    #[error("no such policy revision")]
    NoSuchPolicy,
    #[error("no such token")]
    NoSuchToken,
    #[error("no such device")]
    NoSuchDevice,
    #[error("no such address is blocked")]
    NoSuchBlock,
    #[error("no such training call goes on, or is kept")]
    NoSuchDrill,
    #[error("no such webhook")]
    NoSuchWebhook,
    #[error("no such dead message")]
    NoSuchMessage,
    #[error("no such campaign")]
    NoSuchCampaign,
    #[error("no such search")]
    NoSuchSearch,
    #[error("no such list")]
    NoSuchList,
    #[error("no such entry")]
    NoSuchEntry,
    #[error("the directory has nothing to call there")]
    NothingInDirectory,
    /// Why a number may not be called.
    #[error("{0}")]
    NotCallable(&'static str),
    #[error("say in If-Match which state of it you saw, or *")]
    PreconditionMissing,
    #[error("it was changed in the meantime: look at it again")]
    PreconditionFailed,
    /// What is so already, or not yet.
    #[error("{0}")]
    Conflict(String),
    #[error("the policy has faults")]
    PolicyFaults(Vec<Fault>),
    #[error("what is to be put on the list has faults")]
    ListFaults(Vec<Fault>),
    #[error("no such call")]
    NoSuchCall,
    #[error("the call has ended already")]
    CallEnded,
    #[error("there is nothing at this address")]
    NotFound,
    #[error("this address does not take that method")]
    MethodNotAllowed,
    #[error("the body is longer than it may be here")]
    TooLarge,
    #[error("the body must be application/json")]
    NotJson,
    #[error("the body must be text/csv, application/json or application/x-ndjson")]
    NotAListFile,
    #[error("this host name is not ours")]
    WrongHost,
    // Ours.
    #[error("the call store did not answer; try again")]
    Store(#[from] StoreError),
    #[error("too many event streams are open")]
    TooManyStreams,
    #[error("as many exports as there may be at once are being written; try again when one has ended")]
    TooManyExports,
    #[error("other passwords are being looked at; try again in a moment")]
    PasswordsBusy,
    #[error("the gateway was too busy to answer in time")]
    TimedOut,
    #[error("the gateway is not ready: {0}")]
    NotReady(&'static str),
    #[error("the gateway could not finish this")]
    Broken,
}

/// The body of every error, `application/problem+json` (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// A stable name of the problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:ringward:problem:no-such-call")]
    kind: String,
    /// The HTTP status in words.
    #[schema(example = "Not Found")]
    title: String,
    #[schema(example = 404)]
    status: u16,
    /// What went wrong, in plain words.
    #[schema(example = "no such call")]
    detail: String,
    /// All faults of a policy that does not load, or of what is to be put on a list, with their places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    faults: Vec<Fault>,
}

impl Problem {
    fn outside(&self) -> (StatusCode, &'static str) {
        match self {
            Problem::NotSignedIn => (StatusCode::UNAUTHORIZED, "not-signed-in"),
            Problem::TooManyFailures { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-failures"),
            Problem::TooOften { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-often"),
            Problem::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "key-reused"),
            Problem::HeaderMissing => (StatusCode::FORBIDDEN, "header-missing"),
            Problem::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request"),
            Problem::WrongCredentials => (StatusCode::UNAUTHORIZED, "wrong-credentials"),
            Problem::WrongPassword => (StatusCode::FORBIDDEN, "wrong-password"),
            Problem::WrongCode => (StatusCode::BAD_REQUEST, "wrong-code"),
            Problem::NotInvited => (StatusCode::UNAUTHORIZED, "not-invited"),
            Problem::SecondFactorMissing => (StatusCode::FORBIDDEN, "second-factor-missing"),
            Problem::CodeMissing => (StatusCode::FORBIDDEN, "code-missing"),
            Problem::NotFresh => (StatusCode::FORBIDDEN, "not-fresh"),
            Problem::SecondFactorElsewhere => (StatusCode::FORBIDDEN, "second-factor-elsewhere"),
            Problem::NoProvider => (StatusCode::CONFLICT, "no-provider"),
            Problem::NoPasskeysHere => (StatusCode::CONFLICT, "no-passkeys-here"),
            Problem::WrongPasskey => (StatusCode::UNAUTHORIZED, "wrong-passkey"),
            Problem::NoSuchPasskey => (StatusCode::NOT_FOUND, "no-such-passkey"),
            Problem::NoCodeAwaited => (StatusCode::CONFLICT, "no-code-awaited"),
            Problem::NoAccount => (StatusCode::CONFLICT, "no-account"),
            Problem::WeakPassword(_) => (StatusCode::BAD_REQUEST, "weak-password"),
            Problem::NoSuchUser => (StatusCode::NOT_FOUND, "no-such-account"),
            Problem::NoSuchSession => (StatusCode::NOT_FOUND, "no-such-session"),
            Problem::NotYours => (StatusCode::FORBIDDEN, "role-missing"),
            Problem::NoSuchPolicy => (StatusCode::NOT_FOUND, "no-such-policy"),
            Problem::NoSuchToken => (StatusCode::NOT_FOUND, "no-such-token"),
            Problem::NoSuchDevice => (StatusCode::NOT_FOUND, "no-such-device"),
            Problem::NoSuchBlock => (StatusCode::NOT_FOUND, "no-such-block"),
            Problem::NoSuchDrill => (StatusCode::NOT_FOUND, "no-such-drill"),
            Problem::NoSuchWebhook => (StatusCode::NOT_FOUND, "no-such-webhook"),
            Problem::NoSuchMessage => (StatusCode::NOT_FOUND, "no-such-message"),
            Problem::NoSuchCampaign => (StatusCode::NOT_FOUND, "no-such-campaign"),
            Problem::NoSuchSearch => (StatusCode::NOT_FOUND, "no-such-search"),
            Problem::NoSuchList => (StatusCode::NOT_FOUND, "no-such-list"),
            Problem::NoSuchEntry => (StatusCode::NOT_FOUND, "no-such-entry"),
            Problem::NothingInDirectory => (StatusCode::NOT_FOUND, "nothing-in-directory"),
            Problem::NotCallable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not-callable"),
            Problem::PreconditionMissing => (StatusCode::PRECONDITION_REQUIRED, "precondition-missing"),
            Problem::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition-failed"),
            Problem::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Problem::PolicyFaults(_) => (StatusCode::UNPROCESSABLE_ENTITY, "policy-faults"),
            Problem::ListFaults(_) => (StatusCode::UNPROCESSABLE_ENTITY, "list-faults"),
            Problem::NoSuchCall => (StatusCode::NOT_FOUND, "no-such-call"),
            Problem::CallEnded => (StatusCode::CONFLICT, "call-ended"),
            Problem::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Problem::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Problem::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Problem::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json"),
            Problem::NotAListFile => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-a-list-file"),
            Problem::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "wrong-host"),
            Problem::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-away"),
            Problem::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, "too-many-streams"),
            Problem::TooManyExports => (StatusCode::SERVICE_UNAVAILABLE, "too-many-exports"),
            Problem::PasswordsBusy => (StatusCode::SERVICE_UNAVAILABLE, "passwords-busy"),
            Problem::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed-out"),
            Problem::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not-ready"),
            Problem::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "broken"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, name) = self.outside();
        if let Problem::Store(error) = &self {
            tracing::warn!(%error, "a request could not be answered");
        }
        let body = ProblemBody {
            kind: format!("urn:ringward:problem:{name}"),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: self.to_string(),
            faults: match &self {
                Problem::PolicyFaults(faults) | Problem::ListFaults(faults) => faults.clone(),
                _ => Vec::new(),
            },
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self {
            Problem::NotSignedIn
            | Problem::WrongCredentials
            | Problem::WrongPasskey
            | Problem::NotInvited => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"ringward\""),
                );
            }
            Problem::TooManyExports => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
            }
            Problem::PasswordsBusy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Problem::TooManyFailures { retry_seconds } | Problem::TooOften { retry_seconds } => {
                headers.insert(header::RETRY_AFTER, retry_seconds.into());
            }
            _ => {}
        }
        response
    }
}
