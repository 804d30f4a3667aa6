//! `/api/v1/alarms`: what is unusual, why, and in which calls; and who has taken it.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::error::{Problem, ProblemBody};
use super::state::Shared;
use crate::alarm::limits::NOTE_MAX;
use crate::alarm::{Alarm, State as Is};
use crate::runtime::erasures::holds_number;

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakeBody {
    /// What whoever takes it wants others to know, at most 200 characters; no numbers.
    #[serde(default)]
    #[schema(example = "calling the carrier")]
    note: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AlarmList {
    /// The newest first; 500 at most.
    alarms: Vec<AlarmView>,
}

/// One thing that is unusual, however often it was seen.
#[derive(Serialize, ToSchema)]
#[schema(as = Alarm)]
pub(crate) struct AlarmView {
    number: u64,
    /// The rule that raised it.
    #[schema(example = "more-calls")]
    rule: String,
    /// `volume`, `country`, `unsigned`, `refused`, `synthetic`, `sign-ins`, `outside`, `campaign` or `rule-errors`.
    #[schema(example = "volume")]
    watch: &'static str,
    /// A calling code, or what a campaign's calls have in common; empty for the rest.
    about: String,
    /// `low`, `medium`, `high` or `critical`.
    #[schema(example = "medium")]
    severity: &'static str,
    /// Whose it is by the rules; null = nobody's in particular.
    owner: Option<String>,
    /// What is unusual, and what would be usual.
    words: String,
    /// Unix ms.
    raised_ms: u64,
    /// When it was seen last, Unix ms.
    last_ms: u64,
    count: u64,
    /// The first calls that it is about: `/api/v1/calls/{id}`.
    calls: Vec<String>,
    /// When people were told, Unix ms; null = the end of the quiet hours is awaited.
    told_ms: Option<u64>,
    /// `open`, `acknowledged` or `over`.
    state: &'static str,
    acknowledged_by: Option<String>,
    /// Unix ms.
    acknowledged_ms: Option<u64>,
    note: Option<String>,
}

/// All alarms of this gateway.
#[utoipa::path(
    get, path = "/api/v1/alarms", tag = "gateway",
    responses(
        (status = 200, description = "The newest first", body = AlarmList),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Json<AlarmList> {
    let alarms = shared.gateway.alarms.all().into_iter().map(AlarmView::of);
    Json(AlarmList {
        alarms: alarms.collect(),
    })
}

/// Take an alarm: whoever looks at the list sees that somebody has it.
#[utoipa::path(
    post, path = "/api/v1/alarms/{number}/acknowledge", tag = "gateway", request_body = TakeBody,
    params(("number" = u64, Path, description = "The alarm's number")),
    responses(
        (status = 200, description = "It is yours; where the store is away it is written down when it is back", body = AlarmView),
        (status = 400, description = "Not a note", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "There is no such alarm, or it is over or taken already", body = ProblemBody),
    )
)]
pub(crate) async fn take(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    number: Result<Path<u64>, PathRejection>,
    body: Result<Json<TakeBody>, JsonRejection>,
) -> Result<Json<AlarmView>, Problem> {
    let Path(number) = number.map_err(|_| none())?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    if body.note.chars().count() > NOTE_MAX {
        return Err(Problem::BadRequest(format!(
            "note has at most {NOTE_MAX} characters"
        )));
    }
    if body.note.chars().any(char::is_control) || holds_number(&body.note) {
        return Err(Problem::BadRequest(
            "note must hold no telephone number and no control characters".into(),
        ));
    }
    let inner = shared.clone();
    let taken = shared.work(move || {
        let alarms = &inner.gateway.alarms;
        Ok(alarms.acknowledge(number, &signed_in.who, body.note.trim()))
    });
    Ok(Json(AlarmView::of(taken.await?.ok_or_else(none)?)))
}

fn none() -> Problem {
    Problem::Conflict("there is no such alarm, or it is over or taken already".into())
}

impl AlarmView {
    fn of(alarm: Alarm) -> AlarmView {
        let (state, by, at_ms, note) = match alarm.state {
            Is::Open => ("open", None, None, None),
            Is::Acknowledged { by, at_ms, note } => (
                "acknowledged",
                Some(by),
                Some(at_ms),
                Some(note).filter(|note| !note.is_empty()),
            ),
            Is::Over { .. } => ("over", None, None, None),
        };
        AlarmView {
            number: alarm.number,
            rule: alarm.rule,
            watch: alarm.watch.name(),
            about: alarm.about,
            severity: alarm.severity.name(),
            owner: alarm.owner,
            words: alarm.words,
            raised_ms: alarm.raised_ms,
            last_ms: alarm.last_ms,
            count: alarm.count,
            calls: alarm.calls.iter().map(ToString::to_string).collect(),
            told_ms: alarm.told_ms,
            state,
            acknowledged_by: by,
            acknowledged_ms: at_ms,
            note,
        }
    }
}
