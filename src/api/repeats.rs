//! `Idempotency-Key`: a request that is sent again, because its answer was lost, is done once and answered twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::access::SignedIn;
use super::error::Problem;
use super::limits::{IMPORT_BODY_MAX, KEY_MAX, REPEAT_BODY_MAX, REPEATS_KEPT, REPEATS_LAST};
use super::state::Shared;

pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const AGAIN: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Who, and his key: nobody meets another's answers.
type Name = (Arc<str>, String);

/// Answers by the keys of their requests; in memory, so a restart forgets them.
#[derive(Default)]
pub(crate) struct Repeats(Mutex<BTreeMap<Name, Kept>>);

struct Kept {
    /// SHA-256 of the request.
    request: [u8; 32],
    since_ms: u64,
    /// None = it is being done.
    answer: Option<Answer>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
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
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, IMPORT_BODY_MAX)
        .await
        .map_err(|_| Problem::TooLarge)?;
    let mut whole = digest::Context::new(&digest::SHA256);
    whole.update(parts.uri.to_string().as_bytes());
    whole.update(&[0]);
    whole.update(&body);
    let mut print = [0; 32];
    print.copy_from_slice(whole.finish().as_ref());

    let name = (signed_in.who.clone(), key);
    if let Found::Answered(answer) = shared.repeats.begin(&name, print, shared.now().unix_ms())? {
        return Ok(answer.again());
    }
    // Whoever hangs up in the middle may ask again: it goes on, and its answer is kept for him.
    let request = Request::from_parts(parts, Body::from(body));
    let done = tokio::spawn(async move {
        let mut running = Running {
            repeats: &shared.repeats,
            name,
            answer: None,
        };
        let response = next.run(request).await;
        if !response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, IMPORT_BODY_MAX)
            .await
            .map_err(|_| Problem::Broken)?;
        if body.len() <= REPEAT_BODY_MAX {
            running.answer = Some(Answer {
                status: parts.status,
                headers: parts.headers.clone(),
                body: body.clone(),
            });
        }
        Ok(Response::from_parts(parts, Body::from(body)))
    });
    done.await.map_err(|_| Problem::Broken)?
}

/// Ends the doing, however it ends.
struct Running<'a> {
    repeats: &'a Repeats,
    name: Name,
    answer: Option<Answer>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut kept = self.repeats.lock();
        match self.answer.take() {
            Some(answer) => {
                if let Some(line) = kept.get_mut(&self.name) {
                    line.answer = Some(answer);
                }
            }
            None => drop(kept.remove(&self.name)),
        }
    }
}

impl Repeats {
    fn begin(&self, name: &Name, request: [u8; 32], now_ms: u64) -> Result<Found, Problem> {
        let mut kept = self.lock();
        let lasts_ms = REPEATS_LAST.as_millis() as u64;
        let is_over = |line: &Kept| line.answer.is_some() && now_ms.saturating_sub(line.since_ms) >= lasts_ms;
        if let Some(line) = kept.get(name).filter(|line| !is_over(line)) {
            return match &line.answer {
                _ if line.request != request => Err(Problem::KeyReused),
                None => Err(Problem::Conflict(
                    "the same request is being answered; try again in a moment".into(),
                )),
                Some(answer) => Ok(Found::Answered(answer.clone())),
            };
        }
        if kept.len() >= REPEATS_KEPT {
            kept.retain(|_, line| !is_over(line));
            let oldest = kept
                .iter()
                .filter(|(_, line)| line.answer.is_some())
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
            answer: None,
        };
        kept.insert(name.clone(), line);
        Ok(Found::New)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
