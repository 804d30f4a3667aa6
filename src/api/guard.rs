//! What every request passes: headers of the answer, the host's name, the time limit, who is asking.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{RefusalKind, SignedIn};
use super::audit;
use super::error::Problem;
use super::limits::REQUEST_TIMEOUT;
use super::roles;
use super::state::Shared;

pub(crate) const COOKIE: &str = "ringward_session";
/// Where it goes over TLS only. With this prefix no neighbouring host sets it, nor a page without TLS (RFC 6265bis §4.1.3.2).
const SECURE_COOKIE: &str = "__Host-ringward_session";
/// A page from elsewhere cannot send it without being allowed to, and nobody is allowed to (no CORS).
const PROOF: HeaderName = HeaderName::from_static("x-ringward");

/// Nothing inline, nothing from elsewhere, in nobody's frame.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// Who sent the request; put there by the server.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub SocketAddr);

impl Peer {
    pub fn ip(self) -> IpAddr {
        self.0.ip()
    }
}

/// On every answer, errors included. What says nothing about caching is not to be kept.
pub(crate) async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

pub(crate) async fn for_our_host(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    // An absolute-form target overrules Host (RFC 9112 §3.2.2).
    let host = request
        .uri()
        .authority()
        .map(|authority| authority.as_str())
        .or(host);
    if !shared.hosts.is_ours(host) {
        return Problem::WrongHost.into_response();
    }
    next.run(request).await
}

/// From the end of the head to the start of the answer; an event stream starts its answer at once.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::TimedOut.into_response(),
    }
}

/// A bearer token, or a session's cookie; with a cookie, what changes something must prove it is our own page.
pub(crate) async fn signed_in(
    State(shared): State<Shared>,
    mut request: Request<Body>,
    next: Next,
) -> Result<Response, Problem> {
    let signed_in = who(&shared, &request)?;
    shared
        .pace
        .ask(&signed_in.who, shared.now().unix_ms())
        .map_err(|retry_seconds| {
            let what = format!("{} {}", request.method(), route_of(&request));
            slowed(&shared, signed_in.who.to_string(), &what, String::new());
            Problem::TooOften { retry_seconds }
        })?;
    if signed_in.is_to_enrol && !roles::is_for_enrolling(request.method(), route_of(&request)) {
        return Err(Problem::SecondFactorMissing);
    }
    if signed_in.is_to_prove && !roles::is_for_proving(route_of(&request)) {
        return Err(Problem::CodeMissing);
    }
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_reading && signed_in.is_by_session() && !has_proof(request.headers()) {
        return Err(Problem::HeaderMissing);
    }
    let route = route_of(&request);
    if !roles::may(&signed_in.roles, request.method(), route) {
        let (who, what) = (signed_in.who.to_string(), format!("{} {route}", request.method()));
        let about = request.uri().path().to_string();
        audit::write_refusal(&shared, RefusalKind::Role, who, what, about, "403");
        return Err(Problem::NotYours);
    }
    request.extensions_mut().insert(signed_in);
    Ok(next.run(request).await)
}

fn route_of(request: &Request) -> &str {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    route.unwrap_or_default()
}

/// Counts a wrong credential of this peer and says what to answer.
pub(crate) fn refusal(shared: &Shared, peer: Option<Peer>) -> Problem {
    let Some(Peer(address)) = peer else {
        return Problem::NotSignedIn;
    };
    match shared.access.fail(address.ip(), shared.now().unix_ms()) {
        Ok(()) => {
            tracing::warn!(peer = %address.ip(), "wrong API credential");
            let (who, what) = (address.ip().to_string(), "sign in".to_string());
            audit::write_refusal(shared, RefusalKind::Credential, who, what, String::new(), "401");
            Problem::NotSignedIn
        }
        Err(retry_seconds) => {
            slowed(shared, address.ip().to_string(), "sign in", String::new());
            Problem::TooManyFailures { retry_seconds }
        }
    }
}

/// Writes down that somebody has to wait.
pub(super) fn slowed(shared: &Shared, who: String, what: &str, about: String) {
    audit::write_refusal(shared, RefusalKind::Slowed, who, what.to_string(), about, "429");
}

pub(crate) fn has_proof(headers: &HeaderMap) -> bool {
    headers.get(PROOF).is_some_and(|value| value == "1")
}

fn who(shared: &Shared, request: &Request) -> Result<SignedIn, Problem> {
    let peer = request.extensions().get::<Peer>().copied();
    if let Some(credential) = request.headers().get(header::AUTHORIZATION) {
        return match bearer(credential) {
            Some(token) => shared
                .access
                .token(token, shared.now().unix_ms())
                .ok_or_else(|| refusal(shared, peer)),
            None => Err(refusal(shared, peer)),
        };
    }
    // An old cookie is no attack: a console left open overnight has one. It is not counted.
    cookie_named(request.headers(), session_cookie(shared))
        .and_then(|secret| shared.access.session(secret, shared.now().unix_ms()))
        .ok_or(Problem::NotSignedIn)
}

fn bearer(credential: &HeaderValue) -> Option<&str> {
    let (scheme, token) = credential.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether people reach us over TLS only.
pub(super) fn is_over_tls(shared: &Shared) -> bool {
    let public_url = shared.gateway.public_url.as_deref();
    shared.gateway.tls.is_some() || public_url.is_some_and(|url| url.starts_with("https:"))
}

/// The name of the session's cookie.
pub(super) fn session_cookie(shared: &Shared) -> &'static str {
    if is_over_tls(shared) {
        SECURE_COOKIE
    } else {
        COOKIE
    }
}

pub(super) fn cookie_named<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}
