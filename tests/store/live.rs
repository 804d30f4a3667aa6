//! The registry of live calls.

use std::sync::Arc;

use ringward::call::record::PersonReport;
use ringward::call_id::CallId;
use ringward::store::{Change, Live, history_with_live, limits};

use crate::open;
use crate::records::{KINDS, call, ended};

const NOON: u64 = 1_790_000_000_000;

fn at(number: u64, elapsed_ms: u64) -> Arc<ringward::call::CallRecord> {
    Arc::new(call(&KINDS[0], number, NOON + number, elapsed_ms, 60_000))
}

#[test]
fn a_call_is_shown_while_it_lasts_and_leaves_when_it_ends() {
    let live = Live::new();
    live.publish(at(2, 500));
    live.publish(at(1, 500));
    live.publish(at(1, 5_000));
    let shown: Vec<_> = live.snapshot().iter().map(|record| record.revision).collect();
    assert_eq!(
        shown,
        [at(1, 5_000).revision, at(2, 500).revision],
        "oldest first, newest revision"
    );
    live.publish(at(1, 60_000));
    assert!(live.call(at(1, 0).id).is_none());
    assert_eq!(live.len(), 1);
}

#[test]
fn an_older_revision_or_one_after_the_end_changes_nothing() {
    let live = Live::new();
    live.publish(at(1, 5_000));
    let (_, mut changes) = live.subscribe();
    live.publish(at(1, 500));
    assert!(changes.try_next().is_none());
    live.publish(at(1, 60_000));
    live.publish(at(1, 59_000));
    assert!(live.is_empty());
    assert!(matches!(changes.try_next(), Some(Change::Call(record)) if record.timings.ended_ms.is_some()));
    assert!(changes.try_next().is_none());
}

#[test]
fn a_subscriber_gets_the_snapshot_and_then_every_change() {
    let live = Live::new();
    live.publish(at(1, 500));
    let (snapshot, mut changes) = live.subscribe();
    assert_eq!(snapshot.len(), 1);
    live.publish(at(1, 5_000));
    live.publish(at(2, 500));
    let ids: Vec<_> = std::iter::from_fn(|| changes.try_next())
        .map(|change| match change {
            Change::Call(record) => record.id,
            Change::Resync => CallId(0),
        })
        .collect();
    assert_eq!(ids, [at(1, 0).id, at(2, 0).id]);
}

#[test]
fn a_subscriber_that_lags_is_told_to_start_over() {
    let live = Live::new();
    let (_, mut changes) = live.subscribe();
    for number in 0..limits::CHANGES_BEHIND_MAX as u64 + 5 {
        live.publish(at(number, 500));
    }
    assert!(matches!(changes.try_next(), Some(Change::Resync)));
}

#[test]
fn what_the_person_says_during_the_call_stays_when_the_shard_publishes_again() {
    let live = Live::new();
    let report = PersonReport {
        verdict: "scam".into(),
        note: None,
        at_ms: NOON,
    };
    live.publish(at(1, 5_000));
    assert!(live.report(at(1, 0).id, report.clone()));
    assert!(!live.report(CallId(9), report.clone()));
    live.publish(at(1, 8_000));
    assert_eq!(live.call(at(1, 0).id).unwrap().report, Some(report));
}

#[test]
fn history_counts_live_calls_once_and_not_the_one_that_asks() {
    let live = Live::new();
    let store = open("sqlite::memory:");
    for number in 0..5 {
        live.publish(at(number, 5_000));
    }
    live.publish(Arc::new(call(&KINDS[1], 77, NOON, 5_000, 60_000)));
    store.save(at(3, 5_000));
    store.save(Arc::new(ended(&KINDS[0], 40, NOON)));
    let number = KINDS[0].number.unwrap();
    let facts = history_with_live(store.as_ref(), &live, at(0, 0).id, number, NOON + 9_000).unwrap();
    assert_eq!(facts.calls_before, 5, "four live, one kept, one of them both");
    assert_eq!(facts.calls_last_minute, 5);
}
