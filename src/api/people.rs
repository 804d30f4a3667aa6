//! `/api/v1/reports/people`: what each person did with the calls that rang where he was signed in.

use std::collections::BTreeMap;

use axum::Extension;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::SignedIn;
use super::calls::place_of;
use super::error::{Problem, ProblemBody};
use super::limits::REPORT_CALLS;
use super::reports::walk;
use super::state::Shared;
use super::whole::whole;
use crate::accounts::{Role, to_line};
use crate::store::Filter;
use crate::tally::{PEOPLE_COLUMNS, People, Work};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeopleQuery {
    /// Only calls that started then or later, Unix ms.
    #[serde(default, deserialize_with = "whole")]
    since_ms: Option<u64>,
    /// Only calls that started before this, Unix ms.
    #[serde(default, deserialize_with = "whole")]
    before_ms: Option<u64>,
    /// Only calls to this queue.
    queue: Option<String>,
    /// `json` (when absent), or `csv`: then all of the period has to fit into one page.
    format: Option<String>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

/// Inbound calls counted for whoever was signed in where they rang, the newest first; at most 20,000 in one page. Pages over
/// one period add up, number by number.
#[derive(Serialize, ToSchema)]
pub(crate) struct PeopleReport {
    /// By account.
    people: BTreeMap<String, Work>,
    /// Cursor of the next page; null = this was the last.
    next: Option<String>,
}

/// Kept calls, counted by person. Receptionists see themselves, whatever else they are that watches over nobody.
#[utoipa::path(
    get, path = "/api/v1/reports/people", tag = "calls", params(PeopleQuery),
    responses(
        (status = 200, description = "One page of counts",
            content((PeopleReport = "application/json"), (String = "text/csv"))),
        (status = 400, description = "Not a question, or more calls than a CSV holds", body = ProblemBody),
    )
)]
pub(crate) async fn counted(
    State(shared): State<Shared>,
    Extension(signed_in): Extension<SignedIn>,
    query: Result<Query<PeopleQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let is_csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(Problem::BadRequest("format is json or csv".into())),
    };
    let (before_ms, before_id) = place_of(query.cursor.as_deref(), query.before_ms)?;
    let sees_all = |role: &Role| {
        use Role::{Admin, Analyst, Auditor, Supervisor};
        matches!(role, Supervisor | Analyst | Auditor | Admin)
    };
    let sees_all = signed_in.roles.iter().any(sees_all);
    let only = (!sees_all).then(|| signed_in.who.to_string());
    let filter = Filter {
        before_ms,
        before_id,
        queue: query.queue,
        ..Filter::default()
    };
    let since_ms = query.since_ms.unwrap_or(0);
    let report = shared.ask(move |store| {
        let mut people = People::default();
        let next = walk(store, filter, since_ms, REPORT_CALLS, |record| {
            people.add(record, only.as_deref());
        })?;
        Ok(PeopleReport {
            people: people.into_table(),
            next,
        })
    });
    let report = report.await?;
    if !is_csv {
        return Ok(Json(report).into_response());
    }
    if report.next.is_some() {
        return Err(Problem::BadRequest(
            "the period has more than 20000 calls: ask for shorter ones".into(),
        ));
    }
    let mut text = to_line(PEOPLE_COLUMNS.map(String::from));
    for (person, work) in report.people {
        let cells = work.cells().map(|number| number.to_string());
        text += &to_line(std::iter::once(person).chain(cells));
    }
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"people.csv\""),
    );
    Ok(response)
}
