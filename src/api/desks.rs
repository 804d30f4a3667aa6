//! `/api/v1/desks` and `/api/v1/pause`: people signed in to phones, each by himself; and who takes no calls for now. What a supervisor may
//! do for others.

use std::collections::BTreeMap;

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::state::Shared;
use crate::accounts::{By, NoSeat, Pause, Role, Sitting};
use crate::queue::Needed;
use crate::runtime::floor::{Desk, Floor};

/// A phone that may register, and who sits there.
#[derive(Serialize, ToSchema)]
#[schema(as = Desk)]
pub(crate) struct DeskView {
    #[schema(example = "desk-1")]
    device: String,
    /// It can be rung now.
    is_registered: bool,
    /// Nobody is rung there for now, whoever sits there; null = it is rung.
    pause: Option<PauseView>,
    /// The account that is signed in there; null = nobody.
    #[schema(example = "ann")]
    person: Option<String>,
    /// Since when, Unix ms.
    since_ms: Option<u64>,
    /// When that ends by itself, Unix ms.
    until_ms: Option<u64>,
    /// A call rings or goes on there, of a queue that lets people rest or wait.
    is_taken: bool,
    /// Why it is left alone for now; null = it is not, or its person has paused.
    rest: Option<RestView>,
    /// What it, or whoever sits there, is able to do (`[skills]`), in the order of the names.
    skills: Vec<SkillView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Skill)]
pub(crate) struct SkillView {
    #[schema(example = "german")]
    name: String,
    /// 1 to 10, which is best.
    level: u8,
}

/// What callers insist on in whoever takes their call; those who have waited long enough no longer do.
#[derive(Serialize, ToSchema)]
#[schema(as = NeededSkill)]
pub(crate) struct NeedView {
    #[schema(example = "german")]
    skill: String,
    /// At this level or better.
    least: u8,
    /// How many of them.
    callers: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Rest)]
pub(crate) struct RestView {
    /// `wrap_up` (after a call) or `skipped` (it rang in vain too often).
    #[schema(example = "wrap_up")]
    why: &'static str,
    /// Unix ms.
    until_ms: u64,
}

/// A queue in which callers wait.
#[derive(Serialize, ToSchema)]
#[schema(as = WaitingQueue)]
pub(crate) struct WaitsView {
    #[schema(example = "front-desk")]
    name: String,
    callers: usize,
    /// How long the one who came first has waited.
    longest_ms: u64,
    /// In the order of the names; empty = whoever is free takes them.
    needs: Vec<NeedView>,
}

/// Somebody at work.
#[derive(Serialize, ToSchema)]
pub(crate) struct Worker {
    person: String,
    devices: Vec<String>,
    /// Null = takes calls.
    pause: Option<PauseView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Pause)]
pub(crate) struct PauseView {
    #[schema(example = "lunch")]
    reason: String,
    since_ms: u64,
    /// The supervisor who said so; null = whoever pauses.
    #[schema(example = "boss")]
    by: Option<String>,
}

impl PauseView {
    fn of(pause: &Pause) -> PauseView {
        PauseView {
            reason: pause.reason.clone(),
            since_ms: pause.since_ms,
            by: pause.by.clone(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DeskList {
    /// In the order of their names.
    desks: Vec<DeskView>,
    /// In the order of their names.
    people: Vec<Worker>,
    /// Queues in which somebody waits, in the order of their names.
    waiting: Vec<WaitsView>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseBody {
    /// 1 to 60 characters.
    #[schema(example = "lunch")]
    reason: String,
}

/// Which phones there are, and who sits where.
#[utoipa::path(
    get, path = "/api/v1/desks", tag = "desks",
    responses(
        (status = 200, description = "As it is now", body = DeskList),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Result<Json<DeskList>, Problem> {
    let floor = shared.gateway.floor.clone();
    let asked = floor.clone();
    let desks = shared.ask(move |_| asked.desks()).await?;
    let sittings = floor.sittings();
    let view = |desk: Desk| {
        let seat = sittings.iter().find_map(|sitting| {
            let is_his = Some(&sitting.person) == desk.person.as_ref();
            sitting.desks.get(&desk.device).filter(|_| is_his)
        });
        DeskView {
            since_ms: seat.map(|seat| seat.since_ms),
            until_ms: seat.map(|seat| seat.until_ms),
            device: desk.device,
            is_registered: desk.is_registered,
            pause: desk.pause.as_ref().map(PauseView::of),
            is_taken: desk.is_taken,
            rest: desk.rest.map(|(why, until_ms)| RestView { why, until_ms }),
            skills: skills(desk.skills),
            person: desk.person,
        }
    };
    Ok(Json(DeskList {
        desks: desks.into_iter().map(view).collect(),
        people: sittings.iter().map(worker).collect(),
        waiting: floor
            .waits()
            .into_iter()
            .map(|waits| WaitsView {
                name: waits.queue,
                callers: waits.callers,
                longest_ms: waits.longest.as_millis() as u64,
                needs: needs(waits.needs),
            })
            .collect(),
    }))
}

fn skills(all: BTreeMap<String, u8>) -> Vec<SkillView> {
    all.into_iter()
        .map(|(name, level)| SkillView { name, level })
        .collect()
}

fn needs(all: BTreeMap<Needed, usize>) -> Vec<NeedView> {
    let needs = all.into_iter().map(|(need, callers)| NeedView {
        skill: need.skill.to_string(),
        least: need.least,
        callers,
    });
    needs.collect()
}

fn worker(sitting: &Sitting) -> Worker {
    Worker {
        person: sitting.person.clone(),
        devices: sitting.desks.keys().cloned().collect(),
        pause: sitting.pause.as_ref().map(PauseView::of),
    }
}

/// Sign in to a phone: you, with your own account. Signed in there already, your time begins anew.
#[utoipa::path(
    put, path = "/api/v1/desks/{device}", tag = "desks",
    params(("device" = String, Path, description = "The device's name")),
    responses(
        (status = 204, description = "Calls that are answered there are yours"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such device", body = ProblemBody),
        (status = 409, description = "Somebody else is signed in there, you at too many, or you are signed in by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    device: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(device) = device.map_err(|_| Problem::NoSuchDevice)?;
    act(&shared, &signed_in, move |floor, by| floor.sign_in(&device, by)).await
}

/// Sign out of a phone. Supervisors may sign others out; nobody signs others in.
#[utoipa::path(
    delete, path = "/api/v1/desks/{device}", tag = "desks",
    params(("device" = String, Path, description = "The device's name")),
    responses(
        (status = 204, description = "Nobody is signed in there any more"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "Somebody else is signed in there, or none of your roles may", body = ProblemBody),
        (status = 409, description = "Nobody is signed in there, or you are signed in by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn sign_out(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    device: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(device) = device.map_err(|_| Problem::NoSuchDevice)?;
    let mut roles = signed_in.roles.iter();
    let may_others = roles.any(|role| matches!(role, Role::Supervisor | Role::Admin));
    act(&shared, &signed_in, move |floor, by| {
        floor.sign_out(&device, may_others, by)
    })
    .await
}

/// Take no calls for now: you are not rung at any phone of yours.
#[utoipa::path(
    put, path = "/api/v1/pause", tag = "desks", request_body = PauseBody,
    responses(
        (status = 204, description = "You are not rung until you say otherwise, or sign out everywhere"),
        (status = 400, description = "No reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "You are signed in to no phone, or by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn pause(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<PauseBody>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    act(&shared, &signed_in, move |floor, by| {
        floor.pause(Some(&body.reason), by)
    })
    .await
}

/// Take calls again.
#[utoipa::path(
    delete, path = "/api/v1/pause", tag = "desks",
    responses(
        (status = 204, description = "You are rung again"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "You are signed in to no phone, or by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn resume(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<StatusCode, Problem> {
    act(&shared, &signed_in, move |floor, by| floor.pause(None, by)).await
}

/// Have somebody take no calls for now: nobody rings him at any phone of his. He sees who said so and why, and may take calls again himself.
#[utoipa::path(
    put, path = "/api/v1/people/{name}/pause", tag = "desks", request_body = PauseBody,
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 204, description = "He is not rung"),
        (status = 400, description = "No reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "He is signed in to no phone, or you are signed in by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn pause_other(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Json<PauseBody>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchUser)?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    act(&shared, &signed_in, move |floor, by| {
        floor.pause_of(&name, Some(&body.reason), by)
    })
    .await
}

/// Have somebody take calls again.
#[utoipa::path(
    delete, path = "/api/v1/people/{name}/pause", tag = "desks",
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 204, description = "He is rung again"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "He is signed in to no phone, or you are signed in by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn resume_other(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchUser)?;
    act(&shared, &signed_in, move |floor, by| {
        floor.pause_of(&name, None, by)
    })
    .await
}

/// Have a phone not rung for now, whoever sits there.
#[utoipa::path(
    put, path = "/api/v1/desks/{device}/pause", tag = "desks", request_body = PauseBody,
    params(("device" = String, Path, description = "The device's name")),
    responses(
        (status = 204, description = "It is not rung until somebody says otherwise"),
        (status = 400, description = "No reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such device", body = ProblemBody),
        (status = 409, description = "You are signed in by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn pause_phone(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    device: Result<Path<String>, PathRejection>,
    body: Result<Json<PauseBody>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Path(device) = device.map_err(|_| Problem::NoSuchDevice)?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    act(&shared, &signed_in, move |floor, by| {
        floor.pause_device(&device, Some(&body.reason), by)
    })
    .await
}

/// Have a phone rung again.
#[utoipa::path(
    delete, path = "/api/v1/desks/{device}/pause", tag = "desks",
    params(("device" = String, Path, description = "The device's name")),
    responses(
        (status = 204, description = "It is rung again"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such device", body = ProblemBody),
        (status = 409, description = "It is not paused, or you are signed in by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn resume_phone(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    device: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(device) = device.map_err(|_| Problem::NoSuchDevice)?;
    act(&shared, &signed_in, move |floor, by| {
        floor.pause_device(&device, None, by)
    })
    .await
}

/// End the time that a phone, and whoever sits there, is left alone after a call or for what was not answered.
#[utoipa::path(
    delete, path = "/api/v1/desks/{device}/rest", tag = "desks",
    params(("device" = String, Path, description = "The device's name")),
    responses(
        (status = 204, description = "It is rung again, if its queue says so"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such device", body = ProblemBody),
        (status = 409, description = "You are signed in by a token", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn end_rest(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    device: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(device) = device.map_err(|_| Problem::NoSuchDevice)?;
    act(&shared, &signed_in, move |floor, by| floor.end_rest(&device, by)).await
}

/// On a thread that may wait. Who asks is who it is done for; a token is nobody who sits anywhere.
async fn act(
    shared: &Shared,
    signed_in: &SignedIn,
    work: impl FnOnce(&Floor, By<'_>) -> Result<(), NoSeat> + Send + 'static,
) -> Result<StatusCode, Problem> {
    if !signed_in.is_account {
        return Err(Problem::NoAccount);
    }
    let (who, at_ms) = (signed_in.who.clone(), shared.now().unix_ms());
    let floor = shared.gateway.floor.clone();
    let done = shared.work(move || Ok(work(&floor, By { who: &who, at_ms })));
    done.await?.map_err(|why| {
        let words = why.to_string();
        match why {
            NoSeat::NoSuchDevice => Problem::NoSuchDevice,
            NoSeat::NotYours => Problem::NotYours,
            NoSeat::NoReason => Problem::BadRequest(words),
            NoSeat::Taken(_)
            | NoSeat::TooMany
            | NoSeat::NobodyThere
            | NoSeat::NotAtWork
            | NoSeat::NobodyAtWork
            | NoSeat::NotPaused
            | NoSeat::Raced => Problem::Conflict(words),
            NoSeat::Store(error) => Problem::from(error),
        }
    })?;
    Ok(StatusCode::NO_CONTENT)
}
