//! `/api/v1/calls`: lists, one call, why, what the person says, what the person does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::SignedIn;
use super::audit::Noted;
use super::error::{Problem, ProblemBody};
use super::limits::{NOTE_MAX, PERSON_CALLS};
use super::state::Shared;
use super::view::{CallView, ReportView, label_of};
use super::whole::whole;
use super::why::Why;
use crate::accounts::CallBacks;
use crate::call::record::{Ending, PersonReport};
use crate::call::{CallRecord, Order, What};
use crate::call_id::CallId;
use crate::runtime::clock;
use crate::screening::Label;
use crate::store::limits::CALLS_LIMIT;
use crate::store::{CallPlace, Filter, Store, StoreError, number_of};
use crate::webhook::OF_A_DRILL;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// `kept` (the default): calls in the store, newest first. `live`: calls going on now, newest first.
    state: Option<String>,
    /// Calls in one page, 1 to 200; 50 when absent.
    limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// Only calls that started before this, Unix ms.
    #[serde(default, deserialize_with = "whole")]
    before_ms: Option<u64>,
    /// Only calls with this label.
    label: Option<String>,
    /// Only calls from this canonical number (`+` as `%2B`).
    number: Option<String>,
    /// Only calls to this queue.
    queue: Option<String>,
    /// Only calls that this account took. Such a page may be short, or empty, and have a `next` all the same: so many calls
    /// are looked at for it (`searched_until_ms`).
    person: Option<String>,
    /// Only calls that ended so: `completed`, `cancelled`, `no_answer`, `refused` or `failed`.
    ending: Option<String>,
}

/// One page of calls.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallPage {
    calls: Vec<CallView>,
    /// Cursor of the next page; null = this was the last.
    next: Option<String>,
    /// The page is not full, and not the last: the time for one answer was up, or calls could not be read back. Only calls that
    /// started then or later, Unix ms, were looked at; `next` goes on from there.
    searched_until_ms: Option<u64>,
}

/// What the person who took the call says about it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportBody {
    verdict: ReportVerdict,
    /// At most 2,000 characters.
    note: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReportVerdict {
    Good,
    Unsure,
    Scam,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ActionBody {
    #[serde(rename = "do")]
    action: CallAction,
    /// For `relabel`.
    label: Option<Warning>,
    /// For `move`: the name of a queue.
    queue: Option<String>,
    /// In your own words, for the record; at most 200 characters.
    why: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallAction {
    /// Ends the call for both parties.
    HangUp,
    /// The banner says `label`, if that is worse than what was found.
    Relabel,
    /// Tells the person who has the call what it is.
    Whisper,
    /// Has the caller press two digits that he hears.
    Challenge,
    /// Rings `queue`; the call goes to the first who answers there.
    Move,
}

/// What a person may say that a call is: a warning. Nobody can vouch against what was found.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Warning {
    Suspect,
    Forged,
    Synthetic,
    Campaign,
}

impl ActionBody {
    fn order(self, who: &str) -> Result<Order, Problem> {
        let bad = |text: &str| Problem::BadRequest(text.into());
        if self
            .why
            .as_ref()
            .is_some_and(|why| why.chars().count() > WHY_CHARS_MAX)
        {
            return Err(bad("why is longer than 200 characters"));
        }
        let is_relabel = matches!(self.action, CallAction::Relabel);
        let is_move = matches!(self.action, CallAction::Move);
        if self.label.is_some() != is_relabel {
            return Err(bad("label goes with relabel, and relabel needs it"));
        }
        if self.queue.is_some() != is_move {
            return Err(bad("queue goes with move, and move needs it"));
        }
        let what = match (self.action, self.label, self.queue) {
            (CallAction::Relabel, Some(warning), _) => What::Relabel(match warning {
                Warning::Suspect => Label::Suspect,
                Warning::Forged => Label::Forged,
                Warning::Synthetic => Label::Synthetic,
                Warning::Campaign => Label::Campaign,
            }),
            (CallAction::Move, _, Some(queue)) => What::Move(queue),
            (CallAction::Whisper, ..) => What::Whisper,
            (CallAction::Challenge, ..) => What::Challenge,
            (CallAction::HangUp, ..) => What::End,
            (CallAction::Relabel | CallAction::Move, ..) => {
                return Err(bad("this action needs to be told more"));
            }
        };
        Ok(Order {
            by: who.to_string(),
            what,
            why: self.why,
        })
    }
}

/// Characters of the reason that somebody gives for an order.
const WHY_CHARS_MAX: usize = 200;

/// List calls. What has several rare properties is looked for as long as one answer may take; then the page has what was found so far,
/// says how far that was (`searched_until_ms`), and `next` goes on from there.
#[utoipa::path(
    get, path = "/api/v1/calls", tag = "calls", params(ListQuery),
    responses(
        (status = 200, description = "Newest first", body = CallPage),
        (status = 400, description = "A filter that cannot be", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<CallPage>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let is_live = match query.state.as_deref() {
        None | Some("kept") => false,
        Some("live") => true,
        Some(_) => return Err(Problem::BadRequest("state is live or kept".into())),
    };
    let person = query.person.clone();
    let mut filter = filter(query)?;
    let wanted = filter.limit;
    if let (Some(person), false) = (&person, is_live) {
        return of_person(&shared, filter, person.clone()).await;
    }
    let is_his = |record: &CallRecord| person.is_none() || record.person == person;
    // One more than is shown tells whether there is a next page.
    filter.limit = (wanted + 1).min(CALLS_LIMIT);
    let (records, until): (Vec<Arc<CallRecord>>, _) = if is_live {
        let admitted = shared
            .gateway
            .live
            .snapshot()
            .into_iter()
            .rev()
            .filter(|record| filter.admits(record) && is_his(record));
        (admitted.take(filter.limit).collect(), None)
    } else {
        let lasts = shared.gateway.search_lasts;
        let asked = filter.clone();
        let found = shared.ask(move |store| store.search(&asked, lasts)).await?;
        (found.calls.into_iter().map(Arc::new).collect(), found.until)
    };
    let shown = &records[..records.len().min(wanted)];
    let is_full = records.len() > wanted || (wanted == CALLS_LIMIT && records.len() == CALLS_LIMIT);
    let last = shown.last().filter(|_| is_full);
    let until = until.filter(|_| !is_full);
    Ok(Json(CallPage {
        calls: shown.iter().map(|record| CallView::of(record)).collect(),
        next: last.map(|last| cursor_of(last)).or(until.map(cursor_at)),
        searched_until_ms: until.map(|(ms, _)| ms),
    }))
}

/// The calls that one person took, newest first: the store has no index of them, so a page looks at so many and no more.
async fn of_person(shared: &Shared, mut filter: Filter, person: String) -> Result<Json<CallPage>, Problem> {
    let wanted = filter.limit;
    filter.limit = CALLS_LIMIT;
    let lasts = shared.gateway.search_lasts;
    let page = shared.ask(move |store| persons_calls(store, filter, wanted, &person, lasts));
    let (found, last, is_short) = page.await?;
    Ok(Json(CallPage {
        calls: found.iter().map(CallView::of).collect(),
        next: last.map(cursor_at),
        searched_until_ms: last.filter(|_| is_short).map(|(ms, _)| ms),
    }))
}

/// The newest of them, where it stopped, and whether that was before there were as many as are wanted. `lasts` is for all of it.
fn persons_calls(
    store: &dyn Store,
    mut filter: Filter,
    wanted: usize,
    person: &str,
    lasts: Duration,
) -> Result<(Vec<CallRecord>, Option<CallPlace>, bool), StoreError> {
    let begun = clock::now().instant;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        let page = store.search(&filter, lasts.saturating_sub(begun.elapsed()))?;
        let mut last = None;
        for record in page.calls {
            looked_at += 1;
            let place = (record.started_ms, record.id);
            (filter.before_ms, filter.before_id) = (Some(place.0), Some(place.1));
            last = Some(place);
            if record.person.as_deref() == Some(person) {
                found.push(record);
            }
            if found.len() == wanted {
                return Ok((found, last, false));
            }
        }
        if page.until.is_some() {
            return Ok((found, page.until, true));
        }
        if last.is_none() || looked_at >= PERSON_CALLS || begun.elapsed() >= lasts {
            return Ok((found, last, true));
        }
    }
}

/// One call, live or kept.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}", tag = "calls", params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 200, description = "The call as it is now", body = CallView),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn one(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<CallView>, Problem> {
    let record = find(&shared, call_id(id)?).await?;
    Ok(Json(CallView::of(&record)))
}

/// Why: facts, findings with weights and meanings, rules, lights and evidence over time.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}/why", tag = "calls", params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 200, description = "Everything behind the decision", body = Why),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn why(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Why>, Problem> {
    let record = find(&shared, call_id(id)?).await?;
    let policies = shared.gateway.policies.clone();
    let of = record.id;
    // A store that is away keeps nothing else of a live call from being shown.
    let called_back = shared.ask(move |store| CallBacks::of(store, of)).await.ok();
    let why = move || {
        Ok(Why::of(&record, called_back.as_deref(), &|revision| {
            policies.called(revision)
        }))
    };
    let why = shared.work(why);
    Ok(Json(why.await?))
}

/// Say what it was: good, unsure or scam. The newest report replaces the one before.
#[utoipa::path(
    post, path = "/api/v1/calls/{id}/report", tag = "calls", request_body = ReportBody,
    params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 200, description = "Kept on disk", body = ReportView),
        (status = 400, description = "Not a report", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "By cookie without X-Ringward", body = ProblemBody),
        (status = 404, description = "No such call, or it was erased", body = ProblemBody),
        (status = 503, description = "The store is away", body = ProblemBody),
    )
)]
pub(crate) async fn report(
    State(shared): State<Shared>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<ReportBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let id = call_id(id)?;
    let Json(body) = body.map_err(bad_body)?;
    let note = body
        .note
        .map(|note| note.trim().to_string())
        .filter(|note| !note.is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > NOTE_MAX) {
        return Err(Problem::BadRequest(format!(
            "a note has at most {NOTE_MAX} characters"
        )));
    }
    let verdict = match body.verdict {
        ReportVerdict::Good => "good",
        ReportVerdict::Unsure => "unsure",
        ReportVerdict::Scam => "scam",
    };
    let report = PersonReport {
        verdict: verdict.into(),
        note,
        at_ms: shared.now().unix_ms(),
    };
    // A live call gets its row now, so that what was said outlives us; its end only adds to the row.
    let live = shared.gateway.live.call(id);
    let kept = {
        let (report, reputation) = (report.clone(), shared.gateway.reputation.clone());
        shared
            .ask(move |store| {
                if let Some(live) = &live {
                    store.save(live.clone());
                }
                if !store.report(id, report.clone())? {
                    return Ok(None);
                }
                let record = match live {
                    Some(live) => Some(live),
                    None => store.call(id)?.map(Arc::new),
                };
                let is_drill = record.as_ref().is_some_and(|record| record.drill);
                if let Some(record) = record {
                    reputation.note(&record, &report)?;
                    // Erased meanwhile: what was just noted of it goes as well.
                    let now = store.call(id)?;
                    if now.is_some_and(|now| now.erased_ms.is_some())
                        && let Some(number) = number_of(&record)
                    {
                        reputation.forget(number)?;
                    }
                }
                Ok(Some(is_drill))
            })
            .await?
    };
    let Some(is_drill) = kept else {
        return Err(Problem::NoSuchCall);
    };
    shared.gateway.live.report(id, report.clone());
    let view = ReportView {
        verdict: report.verdict,
        note: report.note,
        at_ms: report.at_ms,
    };
    let mut response = Json(view).into_response();
    match is_drill {
        // Nobody called: it counts in the report of the drill alone, and no receiver hears of it as of a call.
        true => drop(response.extensions_mut().insert(Noted(OF_A_DRILL.into()))),
        false => metrics::counter!("ringward_reports_total", "verdict" => verdict).increment(1),
    }
    Ok(response)
}

/// Do something with a live call.
#[utoipa::path(
    post, path = "/api/v1/calls/{id}/actions", tag = "calls", request_body = ActionBody,
    params(("id" = String, Path, description = "The call's id")),
    responses(
        (status = 202, description = "Ordered; the events, and the `orders` of the call, show what came of it"),
        (status = 400, description = "Not an action", body = ProblemBody),
        (status = 401, description = "Not signed in", body = ProblemBody),
        (status = 403, description = "By cookie without X-Ringward", body = ProblemBody),
        (status = 404, description = "No such call", body = ProblemBody),
        (status = 409, description = "The call has ended, or as many orders as it can have were given", body = ProblemBody),
        (status = 503, description = "The order could not be given; try again", body = ProblemBody),
    )
)]
pub(crate) async fn act(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    id: Result<Path<String>, PathRejection>,
    body: Result<Json<ActionBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let id = call_id(id)?;
    let Json(body) = body.map_err(bad_body)?;
    let order = body.order(&signed_in.who)?;
    if let What::Move(queue) = &order.what
        && !has_queue(&shared, queue)
    {
        return Err(Problem::BadRequest("there is no such queue".into()));
    }
    let live = shared.gateway.live.call(id);
    if live.is_some_and(|record| !record.has_room_for(&order.what)) {
        return Err(Problem::Conflict(
            "as many orders as a call can have were given; it can still be ended".into(),
        ));
    }
    // His reason stands in the call's record, and is erased with it.
    let noted = match order.what.words() {
        (what, Some(to)) => format!("{what} {to}"),
        (what, None) => what.to_string(),
    };
    if (shared.gateway.order)(id, order) {
        let mut response = StatusCode::ACCEPTED.into_response();
        response.extensions_mut().insert(Noted(noted));
        return Ok(response);
    }
    if shared.gateway.live.call(id).is_some() {
        return Err(Problem::TimedOut);
    }
    find(&shared, id).await?;
    Err(Problem::CallEnded)
}

/// Among the queues that `/status` names.
fn has_queue(shared: &Shared, queue: &str) -> bool {
    let status = (shared.gateway.status)();
    let queues = status.get("queues").and_then(serde_json::Value::as_array);
    queues.is_none_or(|queues| queues.iter().any(|known| known.as_str() == Some(queue)))
}

/// Says what is wrong with a body without repeating it.
pub(crate) fn bad_body(rejection: JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => Problem::NotJson,
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge,
        other => Problem::BadRequest(other.body_text().chars().take(200).collect()),
    }
}

pub(super) fn call_id(id: Result<Path<String>, PathRejection>) -> Result<CallId, Problem> {
    // An id that cannot be is an id nobody has.
    let Path(id) = id.map_err(|_| Problem::NoSuchCall)?;
    id.parse().map_err(|_| Problem::NoSuchCall)
}

pub(super) async fn find(shared: &Shared, id: CallId) -> Result<Arc<CallRecord>, Problem> {
    if let Some(live) = shared.gateway.live.call(id) {
        return Ok(live);
    }
    let kept = shared.ask(move |store| store.call(id)).await?;
    kept.map(Arc::new).ok_or(Problem::NoSuchCall)
}

fn filter(query: ListQuery) -> Result<Filter, Problem> {
    let bad = |text: &str| Problem::BadRequest(text.into());
    let limit = query.limit.unwrap_or(50);
    if !(1..=CALLS_LIMIT).contains(&limit) {
        return Err(bad("limit is 1 to 200"));
    }
    let ending = sound_filter(query.label.as_deref(), query.ending.as_deref())?;
    let (before_ms, before_id) = place_of(query.cursor.as_deref(), query.before_ms)?;
    Ok(Filter {
        before_ms,
        before_id,
        limit,
        label: query.label,
        number: query.number,
        queue: query.queue,
        ending,
    })
}

/// Whether there are such a label and such an ending; gives the latter.
pub(super) fn sound_filter(label: Option<&str>, ending: Option<&str>) -> Result<Option<Ending>, Problem> {
    if label.is_some_and(|label| label_of(label).is_none()) {
        return Err(Problem::BadRequest("there is no such label".into()));
    }
    let ending = ending.map(|name| serde_json::from_value::<Ending>(name.into()));
    let no_such = |_| Problem::BadRequest("there is no such ending".into());
    ending.transpose().map_err(no_such)
}

/// Where the page after this call goes on.
pub(super) fn cursor_of(last: &CallRecord) -> String {
    cursor_at((last.started_ms, last.id))
}

pub(super) fn cursor_at((started_ms, id): (u64, CallId)) -> String {
    format!("{started_ms}-{id}")
}

/// Where to go on: the cursor of the page before, or else the time.
pub(super) fn place_of(
    cursor: Option<&str>,
    before_ms: Option<u64>,
) -> Result<(Option<u64>, Option<CallId>), Problem> {
    let Some(cursor) = cursor else {
        return Ok((before_ms, None));
    };
    let place = cursor
        .split_once('-')
        .and_then(|(ms, id)| Some((ms.parse().ok()?, id.parse().ok()?)));
    let (ms, id) = place.ok_or_else(|| Problem::BadRequest("the cursor is not one of ours".into()))?;
    Ok((Some(ms), Some(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::sample;
    use crate::store::{self, Config};

    #[test]
    fn the_calls_of_one_person_are_looked_for_as_long_as_one_answer_may_take_and_from_there_on() {
        let url = "sqlite::memory:".to_string();
        let store = store::open(&Config { url }).unwrap();
        for number in 0..500u64 {
            let mut facts = sample::unsigned();
            facts.arrived_ms = 1_790_000_000_000 + number;
            let mut record = CallRecord::arriving(CallId(number.into()), &facts, None, None);
            record.person = (number == 3).then(|| "Anna".into());
            assert!(store.save(Arc::new(record)));
        }
        store.flush().unwrap();
        let mut filter = Filter {
            limit: CALLS_LIMIT,
            ..Filter::default()
        };
        let (mut pages, mut found) = (0, Vec::new());
        loop {
            // No time at all: one page is looked at all the same.
            let page = persons_calls(&*store, filter.clone(), 50, "Anna", Duration::ZERO).unwrap();
            pages += 1;
            found.extend(page.0.iter().map(|call| call.id));
            let Some((ms, id)) = page.1 else { break };
            (filter.before_ms, filter.before_id) = (Some(ms), Some(id));
        }
        assert_eq!((pages, found), (4, vec![CallId(3)]));
    }
}
