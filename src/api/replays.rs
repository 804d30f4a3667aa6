//! `/api/v1/policies/{number}/replay`: what a revision would have done with the calls that are kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::policies::{numbered, problem};
use super::state::Shared;
use super::whole::whole;
use crate::policy::Comparison;
use crate::runtime::replays::{self, Progress};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// The newest so many calls; all of them when absent.
    calls: Option<u64>,
    /// Only calls that started at or after this, Unix ms.
    since_ms: Option<u64>,
}

/// The replay that runs, or ran last.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Replay {
    /// Which replay this is: another number for each, later ones are higher. `DELETE` names it.
    id: u64,
    /// Number of the revision that is tried.
    number: u64,
    /// Who wanted it.
    by: String,
    started_ms: u64,
    /// False once it has ended.
    is_running: bool,
    /// Calls looked at so far.
    calls: u64,
    /// Of them, calls that cannot be decided again: kept by an older gateway, outbound, or never decided.
    not_replayable: u64,
    /// Of those, calls that were erased: nobody can decide them again.
    erased: u64,
    /// What came out, once it has ended: newly refused, newly allowed, relabelled, by queue and by list.
    #[schema(value_type = Option<Object>)]
    result: Option<Comparison>,
    /// Why it ended without a result.
    problem: Option<String>,
    /// How long it took, once it has ended.
    took_ms: Option<u64>,
    /// Who ended it before its end.
    #[serde(skip)]
    cancelled_by: Option<String>,
}

impl Replay {
    fn begun(id: u64, number: u64, by: String, started_ms: u64) -> Replay {
        Replay {
            id,
            number,
            by,
            started_ms,
            is_running: true,
            calls: 0,
            not_replayable: 0,
            erased: 0,
            result: None,
            problem: None,
            took_ms: None,
            cancelled_by: None,
        }
    }
}

/// One replay at a time: it takes two threads.
#[derive(Clone, Default)]
pub(crate) struct Replays(Arc<Desk>);

#[derive(Default)]
struct Desk {
    is_running: AtomicBool,
    progress: Progress,
    last: Mutex<Option<Replay>>,
}

impl Replays {
    fn last(&self) -> Option<Replay> {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(replay) = last.as_mut().filter(|replay| replay.is_running) {
            replay.calls = self.0.progress.looked_at();
        }
        last
    }

    /// Puts one that begins in the place of the last.
    fn begin(&self, number: u64, by: String, started_ms: u64) -> Replay {
        self.set(|last| {
            // The time, so that the number means one replay over a restart as well.
            let id = last.as_ref().map_or(0, |last| last.id + 1).max(started_ms);
            let replay = Replay::begun(id, number, by, started_ms);
            *last = Some(replay.clone());
            replay
        })
    }

    /// Ends this one if it runs. False = it is not the last one.
    fn cancel(&self, id: u64, who: &str) -> bool {
        self.set(|last| {
            let Some(replay) = last.as_mut().filter(|replay| replay.id == id) else {
                return false;
            };
            if replay.is_running {
                replay.cancelled_by = Some(who.into());
                // Under the lock: the replay that begins next begins behind it.
                self.0.progress.cancel();
            }
            true
        })
    }

    fn set<T>(&self, change: impl FnOnce(&mut Option<Replay>) -> T) -> T {
        change(&mut self.0.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Held by the replay that runs. Let go of, by a panic as well, it makes room for the next one.
struct Running(Replays);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(|last| {
            if let Some(replay) = last.as_mut().filter(|replay| replay.is_running) {
                replay.is_running = false;
                replay.problem = Some("it broke off; the log says where".into());
            }
        });
        self.0.0.is_running.store(false, Ordering::SeqCst);
    }
}

/// Try a revision on the calls that are kept. One replay runs at a time; `GET /api/v1/policies/replay` tells how far it
/// is and what came out.
#[utoipa::path(
    post, path = "/api/v1/policies/{number}/replay", tag = "policies", request_body = ReplayBody,
    params(("number" = u64, Path, description = "Number of the revision")),
    responses(
        (status = 202, description = "It runs", body = Replay),
        (status = 400, description = "Not a question", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such revision", body = ProblemBody),
        (status = 409, description = "Another replay runs", body = ProblemBody),
        (status = 422, description = "It does not fit the configuration any more", body = ProblemBody),
    )
)]
pub(crate) async fn start(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    number: Result<Path<u64>, PathRejection>,
    body: Result<Json<ReplayBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let number = numbered(number)?;
    let policies = shared.gateway.policies.clone();
    let policy = shared
        .work(move || policies.numbered(number).map_err(problem))
        .await?;
    let replays = shared.replays.clone();
    if replays.0.is_running.swap(true, Ordering::SeqCst) {
        return Err(Problem::Conflict("another replay runs".into()));
    }
    let started = shared.now();
    replays.0.progress.begin();
    let replay = replays.begin(number, signed_in.who.to_string(), started.unix_ms());
    let inner = shared.clone();
    let running = Running(replays);
    tokio::task::spawn_blocking(move || {
        let _running = running;
        let scope = replays::Scope {
            calls_max: body.calls.unwrap_or(u64::MAX),
            since_ms: body.since_ms.unwrap_or(0),
        };
        let outcome = replays::run(&*inner.gateway.store, &policy, scope, &inner.replays.0.progress);
        let took = inner.now().instant.saturating_duration_since(started.instant);
        inner.replays.set(|last| {
            if let Some(replay) = last {
                replay.is_running = false;
                replay.took_ms = Some(took.as_millis() as u64);
                match outcome {
                    Ok(_) if replay.cancelled_by.is_some() => {
                        replay.calls = inner.replays.0.progress.looked_at();
                        replay.problem = replay.cancelled_by.take().map(|who| format!("{who} ended it"));
                    }
                    Ok(outcome) => {
                        replay.calls = outcome.calls;
                        replay.not_replayable = outcome.not_replayable;
                        replay.erased = outcome.erased;
                        replay.result = Some(outcome.comparison);
                    }
                    Err(error) => replay.problem = Some(error.to_string()),
                }
            }
        });
    });
    Ok((StatusCode::ACCEPTED, Json(replay)).into_response())
}

/// How far the replay is, or what came out of the last one.
#[utoipa::path(
    get, path = "/api/v1/policies/replay", tag = "policies",
    responses(
        (status = 200, description = "The replay that runs or ran last; null when none has since the start", body = Option<Replay>),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn look(State(shared): State<Shared>) -> Json<Option<Replay>> {
    Json(shared.replays.last())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CancelQuery {
    /// Which replay: its `id`, so that nobody ends one that somebody else began meanwhile.
    #[serde(deserialize_with = "whole")]
    id: Option<u64>,
}

/// End a replay. What it found until then is not kept: a part of the calls says little of all.
#[utoipa::path(
    delete, path = "/api/v1/policies/replay", tag = "policies", params(CancelQuery),
    responses(
        (status = 204, description = "It has ended, or ends within a moment; `GET` says when it has"),
        (status = 400, description = "It is not said which", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "It is not the last one: another replay has begun since, or none has", body = ProblemBody),
    )
)]
pub(crate) async fn cancel(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    query: Result<Query<CancelQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let id = query
        .id
        .ok_or_else(|| Problem::BadRequest("id: which replay?".into()))?;
    match shared.replays.cancel(id, &signed_in.who) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::Conflict(
            "that is not the replay that runs, or ran last".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_that_breaks_off_says_so_and_makes_room() {
        let replays = Replays::default();
        replays.0.is_running.store(true, Ordering::SeqCst);
        let begun = replays.begin(7, "anna".into(), 1_000);
        assert!(!replays.cancel(begun.id - 1, "ben") && !replays.cancel(7, "ben"));
        assert_eq!(
            replays.last().unwrap().cancelled_by,
            None,
            "another one was meant"
        );
        assert!(replays.cancel(begun.id, "ben"));
        assert_eq!(replays.last().unwrap().cancelled_by.as_deref(), Some("ben"));
        let running = Running(replays.clone());
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _running = running;
            panic!("a test breaks it off");
        }));
        assert!(outcome.is_err());
        let last = replays.last().expect("the replay");
        assert!(!last.is_running && last.problem.is_some());
        assert!(!replays.0.is_running.load(Ordering::SeqCst));
        assert!(replays.cancel(begun.id, "ann"), "it has ended");
        let last = replays.last().unwrap();
        assert_eq!(last.cancelled_by.as_deref(), Some("ben"), "none ran any more");
        let next = replays.begin(7, "ann".into(), 1_000);
        assert!(next.id > begun.id, "in the same millisecond");
        assert!(!replays.cancel(begun.id, "ben"), "that one is over");
    }
}
