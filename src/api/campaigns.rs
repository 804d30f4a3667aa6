//! `/api/v1/campaigns`: recordings that came from several numbers, what people call them, and which of them are wanted.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::SignedIn;
use super::audit::Noted;
use super::error::{Problem, ProblemBody};
use super::limits::{CAMPAIGNS_LIMIT, CAMPAIGNS_PAGE};
use super::lists::seen;
use super::state::Shared;
use crate::recordings::limits::{NOTE_CHARS_MAX, TITLE_CHARS_MAX};
use crate::recordings::{NotSaid, Recording, Said, Standing};
use crate::runtime::erasures::holds_number;
use crate::runtime::repeats::Repeats;
use crate::screening::RecordingFacts;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CampaignsQuery {
    /// Only those in this state: `repeated`, `campaign` or `allowed`.
    state: Option<String>,
    /// Campaigns in one page, 1 to 200; 50 when absent.
    limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

/// A recording that came from several numbers.
#[derive(Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(crate) struct CampaignView {
    /// Never given to another recording of this gateway; in calls it is the fact `recording.name`.
    #[schema(example = "recording-12")]
    name: String,
    /// What people call it; null = nothing yet.
    #[schema(example = "reminder of the clinic")]
    title: Option<String>,
    note: Option<String>,
    /// `repeated`: from two numbers so far. `campaign`: from three or more; its calls have the tag REPEATED_RECORDING.
    /// `allowed`: it is wanted, whoever it comes from, and its calls have nothing of it.
    #[schema(example = "campaign")]
    state: &'static str,
    /// Different callers, at most 64; whoever hides the number is one. Of one that is allowed those of before count.
    callers: u32,
    calls: u32,
    /// Unix ms.
    first_seen_ms: u64,
    last_seen_ms: u64,
    /// Who said last what it is called and whether it is wanted, and when (Unix ms); null = nobody has.
    by: Option<String>,
    at_ms: Option<u64>,
    /// How often people said something of it; its ETag.
    revision: u64,
}

/// The same with its calls.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignWithCalls)]
pub(crate) struct WholeView {
    #[serde(flatten)]
    campaign: CampaignView,
    /// The newest first, at most 50.
    newest: Vec<CallLink>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CallLink {
    id: String,
    /// Where it is while it is kept.
    #[schema(example = "/api/v1/calls/7f3a91c2d04e4a5b8c6d7e8f90a1b2c3")]
    href: String,
}

/// Campaigns, the one that was heard last first.
#[derive(Serialize, ToSchema)]
pub(crate) struct CampaignPage {
    campaigns: Vec<CampaignView>,
    /// `cursor` of the next page; null = this was the last.
    next: Option<String>,
}

/// What people say of a campaign: this and nothing else from then on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CampaignBody {
    /// What to call it, at most 80 characters; no numbers. Null or empty: by its name only.
    #[schema(example = "reminder of the clinic")]
    title: Option<String>,
    /// For others, at most 200 characters; no numbers.
    note: Option<String>,
    /// It is wanted: hold music, or a partner's announcement. From the next call on it is nobody's campaign.
    allowed: bool,
}

/// Recordings that came from several numbers, the one that was heard last first. One that came from a single number is not shown.
#[utoipa::path(
    get, path = "/api/v1/campaigns", tag = "campaigns", params(CampaignsQuery),
    responses(
        (status = 200, description = "One page", body = CampaignPage),
        (status = 400, description = "A filter that cannot be", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 503, description = "After a start they are still being read", body = ProblemBody),
    )
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    query: Result<Query<CampaignsQuery>, QueryRejection>,
) -> Result<Json<CampaignPage>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(CAMPAIGNS_PAGE);
    if !(1..=CAMPAIGNS_LIMIT).contains(&limit) {
        return Err(Problem::BadRequest(format!("limit is 1 to {CAMPAIGNS_LIMIT}")));
    }
    let wanted = query.state;
    if wanted
        .as_deref()
        .is_some_and(|state| !["repeated", "campaign", "allowed"].contains(&state))
    {
        return Err(Problem::BadRequest(
            "state is repeated, campaign or allowed".into(),
        ));
    }
    let after = match query.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(place(cursor).ok_or_else(|| Problem::BadRequest("no such cursor".into()))?),
    };
    let Some(repeats) = shared.gateway.repeats.clone() else {
        return Ok(Json(CampaignPage {
            campaigns: Vec::new(),
            next: None,
        }));
    };
    ready(&repeats)?;
    let is_wanted = move |standing: &Standing| {
        is_shown(standing)
            && wanted
                .as_deref()
                .is_none_or(|wanted| wanted == state_of(standing))
    };
    let page = shared.work(move || Ok(repeats.page(after, limit, is_wanted)));
    let (found, is_more) = page.await?;
    let last = found.last().filter(|_| is_more);
    Ok(Json(CampaignPage {
        next: last.map(|(recording, standing)| format!("{}-{}", standing.last_seen_ms, recording.number())),
        campaigns: found
            .into_iter()
            .map(|(recording, standing)| view(recording, standing))
            .collect(),
    }))
}

/// One campaign, with its newest calls.
#[utoipa::path(
    get, path = "/api/v1/campaigns/{name}", tag = "campaigns",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "As it is now", body = WholeView,
            headers(("ETag" = String, description = "For If-Match of what is said of it"))),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such campaign", body = ProblemBody),
        (status = 503, description = "After a start they are still being read", body = ProblemBody),
    )
)]
pub(crate) async fn one(
    State(shared): State<Shared>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let (repeats, recording) = named(&shared, name)?;
    let standing = shared.work(move || Ok(repeats.standing(recording)));
    let standing = standing.await?.filter(is_shown);
    Ok(whole(recording, standing.ok_or(Problem::NoSuchCampaign)?))
}

/// Say what a campaign is called, and whether it is wanted.
#[utoipa::path(
    put, path = "/api/v1/campaigns/{name}", tag = "campaigns", request_body = CampaignBody,
    params(
        ("name" = String, Path, description = "Its name"),
        ("If-Match" = String, Header, description = "The ETag it was seen with; `*` = whatever is said of it by now"),
    ),
    responses(
        (status = 200, description = "It counts for every call that is heard from now on; on disk a moment later", body = WholeView,
            headers(("ETag" = String, description = "For If-Match of the next change"))),
        (status = 400, description = "Not what may be said", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "None of your roles may", body = ProblemBody),
        (status = 404, description = "No such campaign", body = ProblemBody),
        (status = 409, description = "200 are allowed already", body = ProblemBody),
        (status = 412, description = "Somebody said something of it in the meantime", body = ProblemBody),
        (status = 428, description = "If-Match is missing", body = ProblemBody),
        (status = 503, description = "The store is away, or they are still being read", body = ProblemBody),
    )
)]
pub(crate) async fn say(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Json<CampaignBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let (repeats, recording) = named(&shared, name)?;
    let Json(body) = body.map_err(super::calls::bad_body)?;
    let title = words(body.title, "title", TITLE_CHARS_MAX)?;
    let note = words(body.note, "note", NOTE_CHARS_MAX)?;
    let seen = seen(&headers)?;
    let said = Said {
        title,
        note,
        is_allowed: body.allowed,
        revision: 0,
        by: signed_in.who.to_string(),
        at_ms: shared.now().unix_ms(),
    };
    let noted = match (body.allowed, said.title.as_str()) {
        (true, "") => "allowed".to_string(),
        (true, title) => format!("allowed, called {title}"),
        (false, "") => "not allowed".to_string(),
        (false, title) => format!("not allowed, called {title}"),
    };
    let standing = shared.work(move || {
        if !repeats.standing(recording).as_ref().is_some_and(is_shown) {
            return Err(Problem::NoSuchCampaign);
        }
        let said = repeats.say(recording, seen, said);
        said.map_err(|why| match why {
            NotSaid::NoSuch | NotSaid::NotThere => Problem::NoSuchCampaign,
            NotSaid::Changed => Problem::PreconditionFailed,
            NotSaid::Full => Problem::Conflict(why.to_string()),
        })
    });
    let mut response = whole(recording, standing.await?);
    response.extensions_mut().insert(Noted(noted));
    Ok(response)
}

fn words(given: Option<String>, field: &str, most: usize) -> Result<String, Problem> {
    let text = given.unwrap_or_default().trim().to_string();
    if text.chars().count() > most {
        return Err(Problem::BadRequest(format!(
            "{field} has at most {most} characters"
        )));
    }
    if text.chars().any(char::is_control) || holds_number(&text) {
        return Err(Problem::BadRequest(format!(
            "{field} must hold no telephone number and no control characters"
        )));
    }
    Ok(text)
}

fn named(
    shared: &Shared,
    name: Result<Path<String>, PathRejection>,
) -> Result<(std::sync::Arc<Repeats>, Recording), Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchCampaign)?;
    let recording = Recording::named(&name).ok_or(Problem::NoSuchCampaign)?;
    let repeats = shared.gateway.repeats.clone().ok_or(Problem::NoSuchCampaign)?;
    ready(&repeats)?;
    Ok((repeats, recording))
}

fn ready(repeats: &Repeats) -> Result<(), Problem> {
    match repeats.is_read() {
        true => Ok(()),
        false => Err(Problem::NotReady(
            "the recordings of earlier calls are still being read",
        )),
    }
}

/// What came from a single number is somebody's call, and no campaign.
fn is_shown(standing: &Standing) -> bool {
    standing.callers() > 1 || standing.said.revision > 0
}

fn state_of(standing: &Standing) -> &'static str {
    let facts = RecordingFacts {
        callers: standing.callers(),
        ..RecordingFacts::default()
    };
    match (standing.said.is_allowed, facts.is_campaign()) {
        (true, _) => "allowed",
        (false, true) => "campaign",
        (false, false) => "repeated",
    }
}

fn place(cursor: &str) -> Option<(u64, Recording)> {
    let (last_seen_ms, number) = cursor.split_once('-')?;
    Some((
        last_seen_ms.parse().ok()?,
        Recording::numbered(number.parse().ok()?)?,
    ))
}

fn view(recording: Recording, standing: Standing) -> CampaignView {
    let (state, callers) = (state_of(&standing), standing.callers());
    let said = standing.said;
    let is_said = said.revision > 0;
    CampaignView {
        name: recording.name(),
        title: Some(said.title).filter(|title| !title.is_empty()),
        note: Some(said.note).filter(|note| !note.is_empty()),
        state,
        callers,
        calls: standing.calls,
        first_seen_ms: standing.first_seen_ms,
        last_seen_ms: standing.last_seen_ms,
        by: Some(said.by).filter(|_| is_said),
        at_ms: Some(said.at_ms).filter(|_| is_said),
        revision: said.revision,
    }
}

fn whole(recording: Recording, standing: Standing) -> Response {
    let tag = format!("\"r{}\"", standing.said.revision);
    let newest = standing.newest.iter().rev().map(|call| CallLink {
        id: call.to_string(),
        href: format!("/api/v1/calls/{call}"),
    });
    let view = WholeView {
        newest: newest.collect(),
        campaign: view(recording, standing),
    };
    let mut response = Json(view).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
