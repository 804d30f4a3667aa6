//! `/api/v1/drills`: training calls, ordered by whoever looks after people's alertness, and how people answered them.
//!
//! Who takes such a call learns what it was when it is over, not here: only those who may order one may look at this.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::audit::Noted;
use super::error::{Problem, ProblemBody};
use super::limits::{DRILL_NAME_MAX, DRILL_RING_MAX, DRILL_TALK_MAX, DRILLS_SHOWN};
use super::state::Shared;
use super::view::{BannerView, number_name};
use crate::call::CallRecord;
use crate::call::record::{OrderOutcome, TransferOutcome};
use crate::prompts::clip_of_wav;
use crate::runtime::drills::{Kept, NoDrill, Wish};
use crate::screening::NumberLight;
use crate::sdp::Codec;
use crate::store::{StoreError, ending_name};

/// Who calls whom, and with which words.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrillBody {
    /// A queue with `drills = true`.
    #[schema(example = "front-desk")]
    queue: String,
    /// What the caller says: a WAV file (16-bit PCM, A-law or mu-law, 8 kHz, one channel, at most two minutes) in base64.
    recording: String,
    /// The number shown, which must be nobody's: kept free for fiction, such as +12025550143. Null = hidden.
    #[schema(example = "+12025550143")]
    number: Option<String>,
    /// The name that the caller claims, 1 to 60 characters. Null = none.
    #[schema(example = "IT support")]
    name: Option<String>,
    /// What is shown of the number: `genuine`, `unproven` (the default) or `forged`. The voice is judged as it sounds, and
    /// policy decides about the call as about every other.
    #[schema(example = "unproven")]
    shows: Option<String>,
    /// The trunk it is said to come over. Null = the first of the configuration.
    #[schema(example = "carrier")]
    trunk: Option<String>,
    /// The number that is dialled. Null = the first whole one of the queue.
    #[schema(example = "+12125550100")]
    called: Option<String>,
    /// How long the caller stays once answered, 1 to 300. Null = ten seconds longer than the recording.
    #[schema(example = 45)]
    talk_seconds: Option<u64>,
    /// How long the caller lets it ring, 1 to 170. Null = 60.
    #[schema(example = 60)]
    ring_seconds: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DrillList {
    /// The newest first; 100 at most.
    drills: Vec<DrillView>,
    /// Queues that take training calls.
    willing: Vec<String>,
}

/// A training call, and how it was answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Drill)]
pub(crate) struct DrillView {
    #[schema(example = "1790000000000-5eed0000")]
    id: String,
    /// When it was ordered, Unix ms.
    at_ms: u64,
    by: String,
    queue: String,
    trunk: String,
    called: String,
    number: Option<String>,
    name: Option<String>,
    /// What was to be shown of the number.
    #[schema(example = "unproven")]
    shows: &'static str,
    recorded_ms: u64,
    /// It goes on. Its people do not know yet what it is.
    is_going_on: bool,
    /// As which call it was taken: `/api/v1/calls/{id}`. Null = not yet, or never.
    call: Option<String>,
    /// What the caller was answered with: 200, or why nobody spoke with him. Null = nothing yet.
    status: Option<u16>,
    /// Why the call itself could not be made; null = it could.
    problem: Option<String>,
    /// How people answered; null while there is nothing to tell, and when the call is kept no more.
    report: Option<DrillReport>,
}

/// How people answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct DrillReport {
    /// `completed`, `cancelled`, `no_answer`, `refused` or `failed`; null while it goes on.
    #[schema(example = "completed")]
    ending: Option<&'static str>,
    /// Who ended it: `caller`, `called` or `us`.
    ended_by: Option<String>,
    /// The phone that answered.
    answered_by: Option<String>,
    /// The account of who was signed in there.
    person: Option<String>,
    /// What the person saw at last; null = nothing was decided.
    banner: Option<BannerView>,
    /// From its arrival until the first phone rang, in ms.
    rang_after_ms: Option<u64>,
    /// From the first ring until somebody answered, in ms.
    waited_ms: Option<u64>,
    /// From the answer until the end, in ms.
    talked_ms: Option<u64>,
    /// `good`, `unsure` or `scam`; null = nobody said anything.
    #[schema(example = "scam")]
    verdict: Option<String>,
    /// From the answer until that was said, in ms; from the arrival where nobody answered.
    verdict_after_ms: Option<u64>,
    /// Who called for help, and from whom. The call ended with that.
    help: Option<HelpView>,
    /// Somebody tried to send the caller on. It was not done.
    was_to_be_sent_on: bool,
    /// Every phone that was rung, in order.
    phones: Vec<PhoneView>,
}

/// Somebody moved the call to those who know about scams.
#[derive(Serialize, ToSchema)]
#[schema(as = DrillHelp)]
pub(crate) struct HelpView {
    by: String,
    #[schema(example = "security")]
    queue: String,
    /// From the answer, in ms.
    after_ms: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DrillPhone)]
pub(crate) struct PhoneView {
    target: String,
    person: Option<String>,
    /// Final SIP status: 200 answered, 486 busy, 408 nobody took it, 487 another did or the caller gave up; 0 = it rings.
    status: u16,
}

/// Training calls, and how they were answered.
#[utoipa::path(
    get, path = "/api/v1/drills", tag = "drills",
    responses(
        (status = 200, description = "The newest first", body = DrillList),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Result<Json<DrillList>, Problem> {
    let gateway = shared.gateway.clone();
    let drills = shared.ask(move |_| {
        let all = gateway.drills.all()?;
        let shown = all.into_iter().take(DRILLS_SHOWN);
        shown.map(|drill| seen(&gateway, drill)).collect::<Result<_, _>>()
    });
    Ok(Json(DrillList {
        drills: drills.await?,
        willing: shared.gateway.drills.willing(),
    }))
}

/// One training call.
#[utoipa::path(
    get, path = "/api/v1/drills/{id}", tag = "drills",
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 200, description = "As it is now", body = DrillView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such training call, or it is long ago", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn one(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<DrillView>, Problem> {
    let Path(id) = id.map_err(|_| Problem::NoSuchDrill)?;
    let gateway = shared.gateway.clone();
    let found = shared.ask(move |_| {
        let mut all = gateway.drills.all()?.into_iter();
        let found = all.find(|(kept, _)| kept.id == id);
        found.map(|drill| seen(&gateway, drill)).transpose()
    });
    found.await?.map(Json).ok_or(Problem::NoSuchDrill)
}

/// Make a training call to a willing queue. Its phones ring as for every call, and nobody there is told before it is over.
#[utoipa::path(
    post, path = "/api/v1/drills", tag = "drills", request_body = DrillBody,
    responses(
        (status = 202, description = "The call is on its way", body = DrillView),
        (status = 400, description = "Not a training call: the recording, the number, or where it is to go", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "The queue is not willing, four go on already, or the gateway hears nothing over UDP", body = ProblemBody),
        (status = 413, description = "The recording is too long", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn order(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<DrillBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let (gateway, now_ms) = (shared.gateway.clone(), shared.now().unix_ms());
    let done = shared.work(move || {
        let wish = body.wish()?;
        let kept = gateway.drills.start(wish, &signed_in.who, now_ms);
        let kept = kept.map_err(|why| match why {
            NoDrill::NotWilling
            | NoDrill::TooMany
            | NoDrill::NoUdp
            | NoDrill::NoTrunk
            | NoDrill::Broken(_) => Problem::Conflict(why.to_string()),
            NoDrill::Store(error) => Problem::from(error),
            _ => Problem::BadRequest(why.to_string()),
        })?;
        Ok(DrillView::of(kept, true, None))
    });
    let drill = done.await?;
    let noted = format!("{} to queue {}", drill.id, drill.queue);
    let mut response = (StatusCode::ACCEPTED, Json(drill)).into_response();
    response.extensions_mut().insert(Noted(noted));
    Ok(response)
}

/// End a training call that goes on: its caller gives up, or hangs up.
#[utoipa::path(
    delete, path = "/api/v1/drills/{id}", tag = "drills",
    params(("id" = String, Path, description = "As the list has it")),
    responses(
        (status = 204, description = "It ends"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "None of this name goes on at this gateway", body = ProblemBody),
    )
)]
pub(crate) async fn stop(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::NoSuchDrill)?;
    match shared.gateway.drills.stop(&id) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::NoSuchDrill),
    }
}

impl DrillBody {
    fn wish(self) -> Result<Wish, Problem> {
        let bad = |text: String| Problem::BadRequest(text);
        let octets = BASE64_STANDARD.decode(self.recording.trim().as_bytes());
        let octets = octets.map_err(|_| bad("recording is no base64".into()))?;
        let clip = clip_of_wav(&octets).map_err(|why| bad(format!("recording: {why}")))?;
        let recording = clip.octets(Codec::Pcmu);
        if recording.is_empty() {
            return Err(bad("recording: nothing is said in it".into()));
        }
        if let Some(name) = &self.name {
            let is_plain = |c: char| !c.is_control() && c != '"' && c != '\\';
            if !(1..=DRILL_NAME_MAX).contains(&name.chars().count()) || !name.chars().all(is_plain) {
                return Err(bad(format!(
                    "name: 1 to {DRILL_NAME_MAX} characters, and no quotation marks"
                )));
            }
        }
        if let Some(called) = &self.called
            && !crate::queue::is_dialled(called)
        {
            return Err(bad("called is no number such as +12125550100".into()));
        }
        let shows = match self.shows.as_deref() {
            None | Some("unproven") => NumberLight::Unproven,
            Some("genuine") => NumberLight::Genuine,
            Some("forged") => NumberLight::Forged,
            Some(_) => return Err(bad("shows is genuine, unproven or forged".into())),
        };
        let seconds =
            |asked: Option<u64>, usual: u64, most: u64, what: &str| match asked.unwrap_or(usual.min(most)) {
                seconds if (1..=most).contains(&seconds) => Ok(Duration::from_secs(seconds)),
                _ => Err(bad(format!("{what}: 1 to {most}"))),
            };
        let usual = recording.len() as u64 / 8_000 + 10;
        Ok(Wish {
            talks: seconds(self.talk_seconds, usual, DRILL_TALK_MAX, "talk_seconds")?,
            rings: seconds(self.ring_seconds, 60, DRILL_RING_MAX, "ring_seconds")?,
            recording: recording.into(),
            queue: self.queue,
            trunk: self.trunk,
            called: self.called,
            number: self.number,
            name: self.name,
            shows,
        })
    }
}

/// With the record of its call. Blocks.
fn seen(gateway: &super::Gateway, (kept, goes_on): (Kept, bool)) -> Result<DrillView, StoreError> {
    let record = match kept.call {
        None => None,
        Some(call) => match gateway.live.call(call) {
            Some(live) => Some((*live).clone()),
            None => gateway.store.call(call)?,
        },
    };
    Ok(DrillView::of(kept, goes_on, record.as_ref()))
}

impl DrillView {
    fn of(kept: Kept, is_going_on: bool, record: Option<&CallRecord>) -> DrillView {
        let (status, problem) = kept.told.map_or((None, None), |told| (told.status, told.problem));
        DrillView {
            id: kept.id,
            at_ms: kept.at_ms,
            by: kept.by,
            queue: kept.queue,
            trunk: kept.trunk,
            called: kept.called,
            number: kept.number,
            name: kept.name,
            shows: number_name(kept.shows),
            recorded_ms: kept.recorded_ms,
            is_going_on,
            call: kept.call.map(|call| call.to_string()),
            status,
            problem,
            report: record.map(DrillReport::of),
        }
    }
}

impl DrillReport {
    fn of(record: &CallRecord) -> DrillReport {
        let timings = &record.timings;
        let answered_ms = timings.answered_ms.unwrap_or(0);
        let mut orders = record.orders.iter();
        let help = orders.find(|order| order.what == "move" && order.outcome == OrderOutcome::Done);
        let between = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
        DrillReport {
            ending: record.outcome.as_ref().map(|outcome| ending_name(outcome.ending)),
            ended_by: record.outcome.as_ref().map(|outcome| outcome.by.clone()),
            answered_by: record.answered_by.clone(),
            person: record.person.clone(),
            banner: record.banner.as_ref().map(BannerView::of),
            rang_after_ms: timings.ringing_ms,
            waited_ms: between(timings.ringing_ms, timings.answered_ms),
            talked_ms: between(timings.answered_ms, timings.ended_ms),
            verdict: record.report.as_ref().map(|report| report.verdict.clone()),
            verdict_after_ms: record
                .report
                .as_ref()
                .map(|report| report.at_ms.saturating_sub(record.started_ms + answered_ms)),
            help: help.map(|order| HelpView {
                by: order.by.clone(),
                queue: order.to.clone().unwrap_or_default(),
                after_ms: order.at_ms.saturating_sub(answered_ms),
            }),
            was_to_be_sent_on: record
                .transfers
                .iter()
                .any(|transfer| transfer.outcome == TransferOutcome::Refused),
            phones: record
                .attempts
                .iter()
                .map(|attempt| PhoneView {
                    target: attempt.target.clone(),
                    person: attempt.person.clone(),
                    status: attempt.status,
                })
                .collect(),
        }
    }
}
