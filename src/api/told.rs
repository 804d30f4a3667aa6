//! What a report that is told each day or week says: the counts of `/api/v1/reports` and `/api/v1/reports/people`, cut to what
//! a message holds.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::limits::TOLD_CALLS_MAX;
use super::reports::walk;
use crate::call::record::Direction;
use crate::store::{Filter, Store, StoreError};
use crate::tally::{By, People, Tally};
use crate::webhook::limits::DATA_MAX;
use crate::webhook::{Due, Every, Report};

/// Lines of a table that are told, the fullest first: as many as there is room for, tried one after the other.
const LINES: [usize; 8] = [1_000, 300, 100, 50, 25, 12, 5, 0];

/// Counts the inbound calls of a report's days. Blocks for as long as these calls take.
///
/// # Errors
///
/// Those of the store.
pub fn report_told(store: &dyn Store, report: &Report, due: &Due) -> Result<Value, StoreError> {
    counted(store, report, due, TOLD_CALLS_MAX)
}

fn counted(store: &dyn Store, report: &Report, due: &Due, calls_max: usize) -> Result<Value, StoreError> {
    let by: Vec<By> = report.by.iter().filter_map(|word| By::named(word)).collect();
    let mut tally = Tally::new(&by, due.zone_minutes);
    let mut people = People::default();
    let filter = Filter {
        before_ms: Some(due.before_ms),
        queue: report.queue.clone(),
        ..Filter::default()
    };
    let next = walk(store, filter, due.since_ms, calls_max, |record| {
        if record.direction == Direction::Inbound {
            tally.add(record);
            people.add(record, None);
        }
    })?;
    let all = tally.all().clone();
    let mut tables: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
    for (by, table) in tally.into_tables() {
        let lines = table
            .into_iter()
            .map(|(name, counts)| Line::of(name, counts.calls, &counts));
        tables.insert(by.word(), lines.collect());
    }
    if report.by.len() > by.len() {
        let lines = people.into_table().into_iter();
        let lines = lines.map(|(name, work)| Line::of(name, work.rung.max(work.answered), &work));
        tables.insert("person", lines.collect());
    }
    let words: Vec<&str> = by.iter().map(|by| by.word()).collect();
    let mut asked = format!("since_ms={}&before_ms={}", due.since_ms, due.before_ms);
    if let Some(queue) = &report.queue {
        asked.push_str("&queue=");
        asked.extend(byte_serialize(queue.as_bytes()));
    }
    let more = (!words.is_empty()).then(|| {
        let by = words.join(",");
        format!(
            "/api/v1/reports?by={by}&{asked}&zone_minutes={}",
            due.zone_minutes
        )
    });
    let more_people = tables
        .contains_key("person")
        .then(|| format!("/api/v1/reports/people?{asked}"));
    let every = match report.every {
        Every::Day => "day",
        Every::Week(_) => "week",
    };
    let told = |lines: usize| {
        let left_out = tables.iter().filter(|(_, table)| table.len() > lines);
        let left_out: BTreeMap<_, _> = left_out
            .map(|(word, table)| (word, table.len() - lines))
            .collect();
        let shown = tables.iter().map(|(word, table)| (word, fullest(table, lines)));
        json!({
            "report": report.name,
            "every": every,
            "on": due.on.to_string(),
            "since_ms": due.since_ms,
            "before_ms": due.before_ms,
            "queue": report.queue,
            "all": all,
            "tables": shown.collect::<BTreeMap<_, _>>(),
            "lines_left_out": left_out,
            "is_whole": next.is_none(),
            "more": more,
            "more_people": more_people,
        })
    };
    let fits = |told: &Value| told.to_string().len() <= DATA_MAX;
    Ok(LINES.into_iter().map(&told).find(fits).unwrap_or_else(|| told(0)))
}

/// One line of a table, as it is told.
struct Line {
    name: String,
    calls: u64,
    counts: Value,
}

impl Line {
    fn of(name: String, calls: u64, counts: &impl Serialize) -> Line {
        // Our own plain data always has a JSON form.
        let counts = serde_json::to_value(counts).unwrap_or_default();
        Line { name, calls, counts }
    }
}

/// The lines with the most calls, by their names.
fn fullest(table: &[Line], lines: usize) -> BTreeMap<&str, &Value> {
    let mut order: Vec<&Line> = table.iter().collect();
    order.sort_by_key(|line| std::cmp::Reverse(line.calls));
    let shown = order.into_iter().take(lines);
    shown.map(|line| (line.name.as_str(), &line.counts)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::civil::{date, time};
    use jiff::tz::TimeZone;

    use super::*;
    use crate::call::CallRecord;
    use crate::call_id::CallId;
    use crate::screening::sample;
    use crate::store::{self, Config};

    const DAY_MS: u64 = 24 * 3_600_000;
    const BEGIN_MS: u64 = 1_790_000_000_000;

    fn report(by: &[&str], queue: Option<&str>) -> Report {
        Report {
            name: "morning".into(),
            webhook: "siem".into(),
            every: Every::Day,
            at: time(7, 0, 0, 0),
            zone: TimeZone::UTC,
            by: by.iter().map(ToString::to_string).collect(),
            queue: queue.map(Into::into),
        }
    }

    fn due() -> Due {
        Due {
            on: date(2026, 9, 22),
            at_ms: BEGIN_MS + DAY_MS,
            since_ms: BEGIN_MS,
            before_ms: BEGIN_MS + DAY_MS,
            zone_minutes: 0,
        }
    }

    /// So many calls on the day, each to one of so many queues, and one before and one after it.
    fn kept(calls: u64, queues: u64) -> Arc<dyn Store> {
        let url = "sqlite::memory:".to_string();
        let store = store::open(&Config { url }).unwrap();
        let times = (0..calls)
            .map(|n| BEGIN_MS + n)
            .chain([BEGIN_MS - 1, BEGIN_MS + DAY_MS]);
        for (number, at_ms) in times.enumerate() {
            let mut facts = sample::unsigned();
            facts.arrived_ms = at_ms;
            let queue = format!("queue-{:03}", number as u64 % queues);
            let call = CallId(number as u128);
            let mut record = CallRecord::arriving(call, &facts, Some(&queue), None);
            record.state = crate::call::record::State::Ended;
            record.person = Some("ann".into());
            record.timings.answered_ms = Some(1_000);
            record.timings.ended_ms = Some(3_000);
            assert!(store.save(Arc::new(record)));
        }
        store.flush().unwrap();
        store
    }

    #[test]
    fn the_calls_of_the_day_are_counted_and_no_others() {
        let store = kept(10, 3);
        let told = report_told(&*store, &report(&["queue", "person"], None), &due()).unwrap();
        assert_eq!(
            (&told["all"]["calls"], &told["is_whole"]),
            (&10.into(), &true.into()),
            "{told}"
        );
        assert_eq!(told["tables"]["queue"]["queue-000"]["calls"], 4);
        assert_eq!(told["tables"]["person"]["ann"]["answered"], 10);
        assert_eq!(
            (&told["on"], &told["lines_left_out"]),
            (&"2026-09-22".into(), &json!({}))
        );
        let of_one = report_told(&*store, &report(&["label"], Some("queue-001")), &due()).unwrap();
        assert_eq!(
            (&of_one["all"]["calls"], &of_one["queue"]),
            (&3.into(), &"queue-001".into())
        );
        assert!(of_one["tables"]["person"].is_null());
        let more = "/api/v1/reports?by=label&since_ms=1790000000000&before_ms=1790086400000&queue=queue-001&zone_minutes=0";
        assert_eq!(
            (&of_one["more"], &of_one["more_people"]),
            (&more.into(), &Value::Null)
        );
        let people = report_told(&*store, &report(&["person"], Some("queue & 1")), &due()).unwrap();
        let more = "/api/v1/reports/people?since_ms=1790000000000&before_ms=1790086400000&queue=queue+%26+1";
        assert_eq!(
            (&people["more"], &people["more_people"]),
            (&Value::Null, &more.into())
        );
    }

    #[test]
    fn past_so_many_calls_it_says_that_there_are_more() {
        let store = kept(400, 3);
        let cut = counted(&*store, &report(&["queue"], None), &due(), 200).unwrap();
        assert_eq!(
            (&cut["is_whole"], &cut["all"]["calls"]),
            (&false.into(), &200.into())
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_by_the_line_and_counted() {
        let store = kept(400, 200);
        let told = report_told(&*store, &report(&["queue", "label"], None), &due()).unwrap();
        assert!(told.to_string().len() <= DATA_MAX);
        let shown = told["tables"]["queue"].as_object().unwrap().len();
        assert!(shown >= 12, "{told}");
        assert_eq!(told["lines_left_out"], json!({ "queue": 200 - shown }));
        assert_eq!(told["all"]["calls"], 400);
    }
}
