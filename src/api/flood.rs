//! `/api/v1/flood`: whether there is a flood of calls and which addresses are not heard, as the gateway sees it and as somebody here says.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::SignedIn;
use super::audit::Noted;
use super::error::{Problem, ProblemBody};
use super::limits::{BLOCK_MINUTES_MAX, FLOOD_MINUTES_MAX, WHY_MAX};
use super::state::Shared;
use crate::flood::{Block, Hand, NotBlocked, Rest};
use crate::runtime::by_hand::{Standing, Word};
use crate::runtime::erasures::holds_number;

/// Whether there is a flood, and who is not heard.
#[derive(Serialize, ToSchema)]
#[schema(as = Flood)]
pub(crate) struct FloodView {
    /// Callers for whom nothing speaks are met as `rest` says.
    is_on: bool,
    /// Trunks that have one of their own: only callers through them are met like that. None, while `is_on`: everybody is.
    trunks: Vec<String>,
    /// Who says so: `auto` (the rule), `on` or `off`.
    #[schema(example = "auto")]
    mode: &'static str,
    /// `label`, `challenge` or `refuse`.
    #[schema(example = "challenge")]
    rest: &'static str,
    /// Who set the mode by hand; null = it is that of the configuration.
    by_hand: Option<WordView>,
    /// Addresses that are not heard now, by address.
    blocked: Vec<BlockedView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = BlockedAddress)]
pub(crate) struct BlockedView {
    /// Of IPv6 the first of the 64-bit network that is meant.
    #[schema(example = "198.51.100.7")]
    address: String,
    /// How much longer.
    seconds: u64,
    /// How often it was blocked for what was done there.
    times: u32,
    /// Who blocked it; null = what was done there did.
    by_hand: Option<WordView>,
}

/// Who said it, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = Word)]
pub(crate) struct WordView {
    by: String,
    why: String,
    /// Unix ms.
    at_ms: u64,
    /// Until it counts no more.
    seconds: u64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModeBody {
    /// `on`, `off`, or `auto`: the configuration's word counts again.
    #[schema(example = "on")]
    mode: String,
    /// For how long, 1 to 1440; not with `auto`.
    #[schema(example = 30)]
    minutes: Option<u64>,
    /// Why, for the audit, which is for good: no numbers and no names of callers. 1 to 200 characters.
    #[schema(example = "bomb threats")]
    why: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockBody {
    /// Of IPv6 its 64-bit network is meant.
    #[schema(example = "198.51.100.7")]
    address: String,
    /// For how long, 1 to 10080 (a week).
    #[schema(example = 60)]
    minutes: u64,
    /// Why, for the audit, which is for good: no numbers and no names of callers. 1 to 200 characters.
    #[schema(example = "guesses extensions")]
    why: String,
}

/// Whether there is a flood, and which addresses are not heard.
#[utoipa::path(
    get, path = "/api/v1/flood", tag = "gateway",
    responses(
        (status = 200, description = "As it is now", body = FloodView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn look(State(shared): State<Shared>) -> Json<FloodView> {
    Json(FloodView::now(&shared))
}

/// Say whether there is a flood, for a term. At this gateway, until a restart.
#[utoipa::path(
    post, path = "/api/v1/flood/mode", tag = "gateway", request_body = ModeBody,
    responses(
        (status = 200, description = "It counts from now on", body = FloodView),
        (status = 400, description = "No mode, no term or no reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
    )
)]
pub(crate) async fn set_mode(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<ModeBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let why = reason(&body.why)?;
    let hand = match body.mode.as_str() {
        "on" => Some(Hand::On),
        "off" => Some(Hand::Off),
        "auto" => None,
        _ => return Err(Problem::BadRequest("mode is on, off or auto".into())),
    };
    let (by_hand, now) = (&shared.gateway.by_hand, shared.now());
    let noted = match (hand, body.minutes) {
        (Some(hand), Some(minutes)) => {
            let lasts = term(minutes, FLOOD_MINUTES_MAX)?;
            by_hand.set_mode(hand, lasts, &signed_in.who, why, now);
            format!("{} for {minutes} min: {why}", body.mode)
        }
        (None, None) => {
            by_hand.leave_mode(now);
            format!("auto: {why}")
        }
        (Some(_), None) => return Err(Problem::BadRequest("minutes: for how long?".into())),
        (None, Some(_)) => return Err(Problem::BadRequest("auto has no term".into())),
    };
    Ok(noted_down(noted, Json(FloodView::now(&shared))))
}

/// Have an address not heard, for a term. At this gateway, until a restart. For a caller's number there are lists.
#[utoipa::path(
    post, path = "/api/v1/flood/blocks", tag = "gateway", request_body = BlockBody,
    responses(
        (status = 200, description = "Nothing from there is heard now", body = FloodView),
        (status = 400, description = "No address, no term or no reason", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 409, description = "It is a trunk's, a phone's or one that `[scans] never` names, or somebody there proved who he is within a day; or too many are blocked by hand", body = ProblemBody),
    )
)]
pub(crate) async fn block(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    body: Result<Json<BlockBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let why = reason(&body.why)?;
    let address: IpAddr = body.address.trim().parse().map_err(|_| no_address())?;
    let lasts = term(body.minutes, BLOCK_MINUTES_MAX)?;
    let by_hand = &shared.gateway.by_hand;
    by_hand
        .block(address, lasts, &signed_in.who, why, shared.now())
        .map_err(|why: NotBlocked| Problem::Conflict(why.to_string()))?;
    let noted = format!("{address} for {} min: {why}", body.minutes);
    Ok(noted_down(noted, Json(FloodView::now(&shared))))
}

/// Have an address heard again, whoever had it blocked.
#[utoipa::path(
    delete, path = "/api/v1/flood/blocks/{address}", tag = "gateway",
    params(("address" = String, Path, description = "As it stands in the list")),
    responses(
        (status = 204, description = "It is heard"),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "It is not blocked", body = ProblemBody),
    )
)]
pub(crate) async fn lift(
    State(shared): State<Shared>,
    address: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let address = address.ok().and_then(|Path(address)| address.parse().ok());
    let address: IpAddr = address.ok_or(Problem::NoSuchBlock)?;
    match shared.gateway.by_hand.lift(address, shared.now()) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::NoSuchBlock),
    }
}

fn noted_down(noted: String, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.extensions_mut().insert(Noted(noted));
    response
}

/// Of something that is done, as the audit keeps it for good.
pub(super) fn reason(why: &str) -> Result<&str, Problem> {
    let why = why.trim();
    if holds_number(why) {
        return Err(Problem::BadRequest(
            "why must hold no telephone number: it stays in the audit".into(),
        ));
    }
    match (1..=WHY_MAX).contains(&why.chars().count()) && !why.chars().any(char::is_control) {
        true => Ok(why),
        false => Err(Problem::BadRequest(format!("why: 1 to {WHY_MAX} characters"))),
    }
}

fn term(minutes: u64, most: u64) -> Result<Duration, Problem> {
    match (1..=most).contains(&minutes) {
        true => Ok(Duration::from_secs(minutes * 60)),
        false => Err(Problem::BadRequest(format!("minutes: 1 to {most}"))),
    }
}

fn no_address() -> Problem {
    Problem::BadRequest("address is none, such as 198.51.100.7 or 2001:db8::7".into())
}

impl FloodView {
    fn now(shared: &Shared) -> FloodView {
        let standing: Standing = shared.gateway.by_hand.standing(shared.now());
        let surge = standing.surge;
        let ends = surge.hand_ends.unwrap_or_default();
        FloodView {
            is_on: surge.is_on,
            trunks: standing.trunks,
            mode: match surge.hand {
                Hand::Auto => "auto",
                Hand::On => "on",
                Hand::Off => "off",
            },
            rest: match surge.rest {
                Rest::Label => "label",
                Rest::Challenge => "challenge",
                Rest::Refuse => "refuse",
            },
            by_hand: standing.mode.map(|word| WordView::of(word, ends)),
            blocked: standing.blocks.into_iter().map(BlockedView::of).collect(),
        }
    }
}

impl BlockedView {
    fn of((block, word): (Block, Option<Word>)) -> BlockedView {
        BlockedView {
            address: block.address.to_string(),
            seconds: block.left.as_secs(),
            times: block.times,
            by_hand: word.map(|word| WordView::of(word, block.left)),
        }
    }
}

impl WordView {
    fn of(word: Word, left: Duration) -> WordView {
        WordView {
            by: word.by,
            why: word.why,
            at_ms: word.at_ms,
            seconds: left.as_secs(),
        }
    }
}
