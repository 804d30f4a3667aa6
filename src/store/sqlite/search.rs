//! Calls with several properties: looked for along the index of one of them, a few hundred rows at a time.
//!
//! What has one property, or none, stands in one index and is read from there.

use std::time::Instant;

use crossbeam_channel::Receiver;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::rows::{KEPT, Kept, kept, ms, whole};
use crate::store::limits::{LOOKED_ROWS, SIZED_ROWS};
use crate::store::seal::Index;
use crate::store::{CallPlace, Filter, ending_name};

/// A column, and what is to stand in it.
type Property = (&'static str, String);

/// The start of a call and its id as text: calls are ordered by both.
type Place = (i64, String);

/// Calls, newest first, and where it stopped.
type Looked = (Vec<Kept>, Option<CallPlace>);

/// Newest first, at most `filter.rows()`; and where it stopped, if those are so many or `is_over` had something to say before that.
pub(super) fn calls(
    on: &Connection,
    index: &Index,
    filter: &Filter,
    is_over: &Receiver<Instant>,
) -> rusqlite::Result<Looked> {
    let wanted = properties(index, filter);
    let mut before: Place = match (filter.before_ms, filter.before_id) {
        (None, _) => (i64::MAX, String::new()),
        // No id is shorter than none: no call of that millisecond stands before it.
        (Some(ms), None) => (whole(ms), String::new()),
        (Some(ms), Some(id)) => (whole(ms), id.to_string()),
    };
    if wanted.len() < 2 {
        let (found, last) = between(on, &wanted, &before, None, filter.rows())?;
        let last = last.filter(|_| found.len() >= filter.rows());
        return Ok((found, last));
    }
    let wanted = narrowest_first(on, wanted)?;
    let mut calls = Vec::new();
    loop {
        let end = look_ahead(on, &wanted[0], &before)?;
        let room = filter.rows() - calls.len();
        let (found, last) = between(on, &wanted, &before, end.as_ref(), room)?;
        calls.extend(found);
        if calls.len() >= filter.rows() {
            return Ok((calls, last));
        }
        let Some(end) = end else {
            return Ok((calls, None));
        };
        // Looked at, not taken: it stays over. An id that is none was not written by us, and nobody could go on from there.
        if !is_over.is_empty()
            && let (Ok(ms), Ok(id)) = (u64::try_from(end.0), end.1.parse())
        {
            return Ok((calls, Some((ms, id))));
        }
        before = end;
    }
}

fn properties(index: &Index, filter: &Filter) -> Vec<Property> {
    let wanted = [
        ("caller", filter.number.as_ref().map(|number| index.of(number))),
        ("label", filter.label.clone()),
        ("queue", filter.queue.clone()),
        (
            "ending",
            filter.ending.map(|ending| ending_name(ending).to_string()),
        ),
    ];
    let wanted = wanted.into_iter();
    wanted
        .filter_map(|(column, value)| Some((column, value?)))
        .collect()
}

/// The property that fewest calls have goes first. Of what more than [`SIZED_ROWS`] have, nobody counts how many.
fn narrowest_first(on: &Connection, mut wanted: Vec<Property>) -> rusqlite::Result<Vec<Property>> {
    let (mut least, mut narrowest) = (SIZED_ROWS, 0);
    for (place, (column, value)) in wanted.iter().enumerate() {
        let rows: i64 = on
            .prepare_cached(&format!(
                "SELECT count(*) FROM (SELECT 1 FROM call WHERE {column} = ?1 LIMIT ?2)"
            ))?
            .query_row((value, SIZED_ROWS), |row| row.get(0))?;
        if rows < least {
            (least, narrowest) = (rows, place);
        }
    }
    wanted.swap(0, narrowest);
    Ok(wanted)
}

/// The last of the next [`LOOKED_ROWS`] calls with this property; None = there are not so many. The index alone knows.
fn look_ahead(
    on: &Connection,
    (column, value): &Property,
    before: &Place,
) -> rusqlite::Result<Option<Place>> {
    on.prepare_cached(&format!(
        "SELECT started_ms, id FROM call WHERE {column} = ?1 AND (started_ms, id) < (?2, ?3)
         ORDER BY started_ms DESC, id DESC LIMIT 1 OFFSET ?4"
    ))?
    .query_row((value, before.0, &before.1, LOOKED_ROWS as i64 - 1), |row| {
        Ok((whole(ms(row, 0)?), row.get(1)?))
    })
    .optional()
}

/// Calls with all of these properties before one place and down to another, it included, and the place of the last of them, whether it
/// can be read back or not. Only the index of the first is used.
fn between(
    on: &Connection,
    wanted: &[Property],
    before: &Place,
    end: Option<&Place>,
    room: usize,
) -> rusqlite::Result<Looked> {
    let mut sql = format!("{KEPT} WHERE (started_ms, id) < (?, ?)");
    let mut values: Vec<Value> = vec![before.0.into(), before.1.clone().into()];
    if let Some((ms, id)) = end {
        sql.push_str(" AND (started_ms, id) >= (?, ?)");
        values.extend([(*ms).into(), id.clone().into()]);
    }
    for (place, (column, value)) in wanted.iter().enumerate() {
        // A sign before its name keeps a column's index out of it.
        let sign = if place == 0 { "" } else { "+" };
        sql.push_str(&format!(" AND {sign}{column} = ?"));
        values.push(value.clone().into());
    }
    sql.push_str(" ORDER BY started_ms DESC, id DESC LIMIT ?");
    values.push((room as i64).into());
    let mut question = on.prepare_cached(&sql)?;
    let mut rows = question.query(params_from_iter(values))?;
    let (mut found, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        found.push(kept(row)?);
        // An id that is none was not written by us, and nobody could go on from there.
        let id: String = row.get(0)?;
        if let Ok(id) = id.parse() {
            last = Some((ms(row, 6)?, id));
        }
    }
    Ok((found, last))
}
