//! `/api/v1/reports`: calls that have ended, counted along several lines.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::calls::{cursor_at, place_of};
use super::error::{Problem, ProblemBody};
use super::limits::{REPORT_CALLS, REPORT_TABLES_MAX};
use super::state::Shared;
use super::whole::whole;
use crate::call::CallRecord;
use crate::call::record::Direction;
use crate::store::{Filter, Store, StoreError};
use crate::tally::limits::ZONE_MINUTES_MAX;
use crate::tally::{By, Counts, Table, Tally};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportQuery {
    /// What the lines are, at most eight of these with commas between them: `hour`, `day`, `hour_of_day`, `label`, `ending`,
    /// `attestation`, `voice`, `queue`, `answered_by`, `signer`, `trunk`, `direction`. `day` when absent.
    by: Option<String>,
    /// Only calls that started then or later, Unix ms.
    #[serde(default, deserialize_with = "whole")]
    since_ms: Option<u64>,
    /// Only calls that started before this, Unix ms.
    #[serde(default, deserialize_with = "whole")]
    before_ms: Option<u64>,
    /// `inbound` (when absent), `outbound` or `all`.
    direction: Option<String>,
    /// Only calls to this queue.
    queue: Option<String>,
    /// How many minutes the clock that hours and days are read off is ahead of UTC, -1080 to 1080; 0 when absent.
    zone_minutes: Option<i32>,
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
}

/// Calls counted, the newest first; at most 20,000 in one page. Pages over one period add up, number by number.
#[derive(Serialize, ToSchema)]
pub(crate) struct Report {
    /// All calls of this page in one line.
    all: Counts,
    /// For each of `by` its lines, by name. A line without a name counts calls that have none of this; `(others)` counts all
    /// past the first thousand lines.
    #[schema(value_type = BTreeMap<String, BTreeMap<String, Counts>>)]
    tables: BTreeMap<&'static str, Table>,
    /// Cursor of the next page; null = this was the last.
    next: Option<String>,
}

/// Kept calls, counted.
#[utoipa::path(
    get, path = "/api/v1/reports", tag = "calls", params(ReportQuery),
    responses(
        (status = 200, description = "One page of counts", body = Report),
        (status = 400, description = "Not a question", body = ProblemBody),
    )
)]
pub(crate) async fn counted(
    State(shared): State<Shared>,
    query: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Json<Report>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::BadRequest(rejection.body_text()))?;
    let wanted = Wanted::of(query)?;
    let report = shared.ask(move |store| wanted.counted(store)).await?;
    Ok(Json(report))
}

struct Wanted {
    by: Vec<By>,
    since_ms: u64,
    direction: Option<Direction>,
    zone_minutes: i32,
    /// Calls that are looked at, and then there is a next page.
    calls_max: usize,
    filter: Filter,
}

impl Wanted {
    fn of(query: ReportQuery) -> Result<Wanted, Problem> {
        let bad = |text: &str| Problem::BadRequest(text.into());
        let by = query.by.as_deref().unwrap_or("day").split(',');
        let by: Option<Vec<By>> = by.map(|word| By::named(word.trim())).collect();
        let by = by.ok_or_else(|| bad("by names something that calls are not counted along"))?;
        if by.len() > REPORT_TABLES_MAX {
            return Err(bad("by names more than eight"));
        }
        let zone_minutes = query.zone_minutes.unwrap_or(0);
        if !(-ZONE_MINUTES_MAX..=ZONE_MINUTES_MAX).contains(&zone_minutes) {
            return Err(bad("zone_minutes is -1080 to 1080"));
        }
        let direction = match query.direction.as_deref() {
            None | Some("inbound") => Some(Direction::Inbound),
            Some("outbound") => Some(Direction::Outbound),
            Some("all") => None,
            Some(_) => return Err(bad("direction is inbound, outbound or all")),
        };
        let (before_ms, before_id) = place_of(query.cursor.as_deref(), query.before_ms)?;
        Ok(Wanted {
            by,
            since_ms: query.since_ms.unwrap_or(0),
            direction,
            zone_minutes,
            calls_max: REPORT_CALLS,
            filter: Filter {
                before_ms,
                before_id,
                queue: query.queue,
                ..Filter::default()
            },
        })
    }

    /// Blocks for as long as the calls of one page take.
    fn counted(self, store: &dyn Store) -> Result<Report, StoreError> {
        let mut tally = Tally::new(&self.by, self.zone_minutes);
        let direction = self.direction;
        let next = walk(store, self.filter, self.since_ms, self.calls_max, |record| {
            if direction.is_none_or(|direction| direction == record.direction) {
                tally.add(record);
            }
        })?;
        let all = tally.all().clone();
        let tables = tally.into_tables().into_iter();
        Ok(Report {
            all,
            tables: tables.map(|(by, table)| (by.word(), table)).collect(),
            next,
        })
    }
}

/// Shows the calls that a filter lets through and that began at `since_ms` or later, the newest first. Where `calls_max` were looked at
/// and there may be more: the cursor of the next page. Blocks for as long as that takes.
///
/// # Errors
///
/// Those of the store.
pub(super) fn walk(
    store: &dyn Store,
    mut filter: Filter,
    since_ms: u64,
    calls_max: usize,
    mut show: impl FnMut(&CallRecord),
) -> Result<Option<String>, StoreError> {
    let mut looked_at = 0;
    loop {
        let page = store.search(&filter, Duration::MAX)?;
        // Behind a page of which nothing can be read back there may be more.
        let Some((last_ms, last_id)) = page.next() else {
            return Ok(None);
        };
        (filter.before_ms, filter.before_id) = (Some(last_ms), Some(last_id));
        page.calls
            .iter()
            .filter(|record| record.started_ms >= since_ms)
            .for_each(&mut show);
        looked_at += page.calls.len().max(1);
        if last_ms < since_ms {
            return Ok(None);
        }
        if looked_at >= calls_max {
            return Ok(Some(cursor_at((last_ms, last_id))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::call_id::CallId;
    use crate::screening::sample;
    use crate::store::{self, Config};

    fn wanted(cursor: Option<String>) -> Wanted {
        let query = ReportQuery {
            by: Some("queue".into()),
            since_ms: None,
            before_ms: None,
            direction: None,
            queue: None,
            zone_minutes: None,
            cursor,
        };
        Wanted {
            calls_max: 300,
            ..Wanted::of(query).expect("a question")
        }
    }

    #[test]
    fn pages_of_a_report_add_up() {
        let url = "sqlite::memory:".to_string();
        let store = store::open(&Config { url }).unwrap();
        for number in 0..1_050u64 {
            let mut facts = sample::unsigned();
            // Many in one millisecond: an edge of a page is in the middle of them.
            facts.arrived_ms = 1_790_000_000_000 + number / 500;
            let queue = if number % 3 == 0 { "front-desk" } else { "pharmacy" };
            let record = CallRecord::arriving(CallId(number.into()), &facts, Some(queue), None);
            assert!(store.save(Arc::new(record)));
        }
        store.flush().unwrap();
        let (mut calls, mut pages, mut cursor) = (Vec::new(), 0, None);
        loop {
            let report = wanted(cursor).counted(&*store).unwrap();
            let table = &report.tables["queue"];
            calls.push(table.values().map(|line| line.calls).sum::<u64>());
            assert_eq!(report.all.calls, calls[pages]);
            pages += 1;
            cursor = report.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(calls.iter().sum::<u64>(), 1_050, "{calls:?}");
        assert!(pages > 2, "{calls:?}");
    }
}
