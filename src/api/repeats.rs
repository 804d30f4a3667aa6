//! `Idempotency-Key`: a request that is sent again, because its answer was lost, is done once and answered twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use super::access::SignedIn;
use super::error::Problem;
use super::limits::{
    BODY_MAX, IMPORT_BODY_MAX, KEY_MAX, LARGE_REPEATS_MAX, POLICY_BODY_MAX, REPEAT_BODY_MAX, REPEATS_KEPT,
    REPEATS_LAST, SECRET_REPEATS_LAST,
};
use super::state::Shared;

pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const AGAIN: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Who, and his key: nobody meets another's answers.
type Name = (Arc<str>, String);

/// Answers by the keys of their requests; in memory, so a restart forgets them.
pub(crate) struct Repeats {
    kept: Mutex<BTreeMap<Name, Kept>>,
    /// Places for requests whose bodies may be long.
    large: Semaphore,
}

impl Default for Repeats {
    fn default() -> Self {
        Repeats {
            kept: Mutex::default(),
            large: Semaphore::new(LARGE_REPEATS_MAX),
        }
    }
}

struct Kept {
    /// SHA-256 of the request.
    request: [u8; 32],
    since_ms: u64,
    /// Its answer holds what is shown only once.
    is_secret: bool,
    state: Doing,
}

#[derive(Clone)]
enum Doing {
    Running,
    Done(Answer),
    /// It was done, and its answer is not kept any more.
    Forgotten,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// On an answer that says no although it was done: what would have been answered. Whoever asks again hears that.
#[derive(Clone)]
pub(super) struct DoneAllTheSame(Answer);

impl DoneAllTheSame {
    /// None = the answer is too long to be kept.
    pub async fn of(response: Response) -> Option<DoneAllTheSame> {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, REPEAT_BODY_MAX).await.ok()?;
        Some(DoneAllTheSame(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }))
    }
}

/// Routes whose answers hold a token, an invitation, the secret of a phone or of a second factor, an erasure's receipt, or what is known of
/// one number.
const SECRETS: [&str; 8] = [
    "/api/v1/tokens",
    "/api/v1/users",
    "/api/v1/users/{name}/reset",
    "/api/v1/devices",
    "/api/v1/devices/{name}/rotate",
    "/api/v1/account/second-factor",
    "/api/v1/erasures",
    "/api/v1/erasures/held",
];

/// How long a body may be there, as the router says.
fn body_max(route: &str) -> usize {
    if route.ends_with("/import") {
        IMPORT_BODY_MAX
    } else if route.starts_with("/api/v1/policies") {
        POLICY_BODY_MAX
    } else {
        BODY_MAX
    }
}

enum Found {
    New,
    Answered(Answer),
}

/// Lets a POST with a key through once. Only what was done is kept: a refusal is looked at again.
pub(crate) async fn once(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = request.headers().get(KEY).cloned();
    let Some(key) = key.filter(|_| *request.method() == Method::POST) else {
        return Ok(next.run(request).await);
    };
    let key = sound(&key)?;
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(String::new, |route| route.as_str().to_string());
    let (most, is_secret) = (body_max(&route), SECRETS.contains(&route.as_str()));
    let place = match most > BODY_MAX {
        true => Some(
            shared
                .repeats
                .large
                .acquire()
                .await
                .map_err(|_| Problem::Broken)?,
        ),
        false => None,
    };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, most).await.map_err(|_| Problem::TooLarge)?;
    let mut whole = digest::Context::new(&digest::SHA256);
    whole.update(parts.uri.to_string().as_bytes());
    whole.update(&[0]);
    whole.update(&body);
    let mut print = [0; 32];
    print.copy_from_slice(whole.finish().as_ref());

    let name = (signed_in.who.clone(), key);
    let now_ms = shared.now().unix_ms();
    if let Found::Answered(answer) = shared.repeats.begin(&name, print, is_secret, now_ms)? {
        return Ok(answer.again());
    }
    drop(place);
    // Whoever hangs up in the middle may ask again: it goes on, and its answer is kept for him.
    let request = Request::from_parts(parts, Body::from(body));
    let done = tokio::spawn(async move {
        let mut running = Running {
            repeats: &shared.repeats,
            name,
            state: None,
        };
        let response = next.run(request).await;
        if let Some(DoneAllTheSame(answer)) = response.extensions().get::<DoneAllTheSame>() {
            running.state = Some(Doing::Done(answer.clone()));
        }
        if !response.status().is_success() {
            return Ok(response);
        }
        // From here on it is done, whatever becomes of its answer.
        running.state = Some(Doing::Forgotten);
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, IMPORT_BODY_MAX)
            .await
            .map_err(|_| Problem::Broken)?;
        if body.len() <= REPEAT_BODY_MAX {
            running.state = Some(Doing::Done(Answer {
                status: parts.status,
                headers: parts.headers.clone(),
                body: body.clone(),
            }));
        }
        Ok(Response::from_parts(parts, Body::from(body)))
    });
    done.await.map_err(|_| Problem::Broken)?
}

/// Ends the doing, however it ends.
struct Running<'a> {
    repeats: &'a Repeats,
    name: Name,
    /// None = it was not done.
    state: Option<Doing>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut kept = self.repeats.lock();
        match self.state.take() {
            Some(state) => {
                if let Some(line) = kept.get_mut(&self.name) {
                    line.state = state;
                }
            }
            None => drop(kept.remove(&self.name)),
        }
    }
}

impl Repeats {
    /// Forgets answers that hold a secret and are a minute old.
    pub fn forget_secrets(&self, now_ms: u64) {
        for line in self.lock().values_mut() {
            line.forget_secret(now_ms);
        }
    }

    fn begin(&self, name: &Name, request: [u8; 32], is_secret: bool, now_ms: u64) -> Result<Found, Problem> {
        let mut kept = self.lock();
        let lasts_ms = REPEATS_LAST.as_millis() as u64;
        let is_done = |line: &Kept| !matches!(line.state, Doing::Running);
        let is_over = |line: &Kept| is_done(line) && now_ms.saturating_sub(line.since_ms) >= lasts_ms;
        if let Some(line) = kept.get_mut(name).filter(|line| !is_over(line)) {
            line.forget_secret(now_ms);
            return match &line.state {
                _ if line.request != request => Err(Problem::KeyReused),
                Doing::Running => Err(Problem::Conflict(
                    "the same request is being answered; try again in a moment".into(),
                )),
                Doing::Forgotten => Err(Problem::Conflict(
                    "this was done already, and its answer is not kept".into(),
                )),
                Doing::Done(answer) => Ok(Found::Answered(answer.clone())),
            };
        }
        if kept.len() >= REPEATS_KEPT {
            kept.retain(|_, line| !is_over(line));
            let oldest = kept
                .iter()
                .filter(|(_, line)| is_done(line))
                .min_by_key(|(_, line)| line.since_ms)
                .map(|(name, _)| name.clone());
            if kept.len() >= REPEATS_KEPT {
                // All of them are being done: more than there are connections, so this does not come to pass.
                kept.remove(&oldest.ok_or(Problem::TimedOut)?);
            }
        }
        let line = Kept {
            request,
            since_ms: now_ms,
            is_secret,
            state: Doing::Running,
        };
        kept.insert(name.clone(), line);
        Ok(Found::New)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget_secret(&mut self, now_ms: u64) {
        let lasts_ms = SECRET_REPEATS_LAST.as_millis() as u64;
        let is_done = matches!(self.state, Doing::Done(_));
        if self.is_secret && is_done && now_ms.abs_diff(self.since_ms) >= lasts_ms {
            self.state = Doing::Forgotten;
        }
    }
}

impl Answer {
    fn again(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
            .headers_mut()
            .insert(AGAIN, HeaderValue::from_static("true"));
        response
    }
}

fn sound(key: &HeaderValue) -> Result<String, Problem> {
    let key = key.to_str().ok().map(str::trim);
    key.filter(|key| !key.is_empty() && key.len() <= KEY_MAX)
        .map(str::to_string)
        .ok_or_else(|| {
            Problem::BadRequest(format!(
                "an Idempotency-Key has 1 to {KEY_MAX} printable characters"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer {
            status: StatusCode::CREATED,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"rw_secret"),
        }
    }

    fn begin(repeats: &Repeats, is_secret: bool, now_ms: u64) -> Result<Found, Problem> {
        repeats.begin(&("ann".into(), "key".into()), [0; 32], is_secret, now_ms)
    }

    fn done(repeats: &Repeats) {
        drop(Running {
            repeats,
            name: ("ann".into(), "key".into()),
            state: Some(Doing::Done(answer())),
        });
    }

    #[test]
    fn an_answer_with_a_secret_is_kept_a_minute_and_then_only_that_it_was_given() {
        let repeats = Repeats::default();
        assert!(matches!(begin(&repeats, true, 0), Ok(Found::New)));
        done(&repeats);
        assert!(matches!(begin(&repeats, true, 59_999), Ok(Found::Answered(_))));
        repeats.forget_secrets(60_000);
        assert!(matches!(
            repeats.lock().values().next().unwrap().state,
            Doing::Forgotten
        ));
        assert!(
            matches!(begin(&repeats, true, 60_001), Err(Problem::Conflict(_))),
            "and is not done again"
        );
        assert!(
            matches!(begin(&repeats, true, 3_600_000), Ok(Found::New)),
            "after an hour it is forgotten"
        );
        let repeats = Repeats::default();
        assert!(matches!(begin(&repeats, false, 0), Ok(Found::New)));
        done(&repeats);
        repeats.forget_secrets(60_000);
        assert!(matches!(begin(&repeats, false, 60_001), Ok(Found::Answered(_))));
    }

    #[test]
    fn a_body_is_held_as_long_as_its_route_takes_it_and_secrets_are_known_by_theirs() {
        assert_eq!(body_max("/api/v1/lists/{list}/import"), IMPORT_BODY_MAX);
        assert_eq!(body_max("/api/v1/policies/{number}/test"), POLICY_BODY_MAX);
        assert_eq!(body_max("/api/v1/tokens"), BODY_MAX);
        let document = crate::api::openapi();
        for route in SECRETS {
            assert!(document.contains(&format!("\"{route}\"")), "{route}");
        }
    }
}
