//! What each person did with the calls that rang where he was signed in. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::counts::Counts;
use super::limits::{LINES_MAX, OTHERS};
use crate::call::CallRecord;
use crate::call::record::{Direction, State};

/// Counts of one person. Those of two periods add up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PersonCounts)]
pub struct Work {
    /// Calls that rang where he was signed in.
    pub rung: u64,
    /// Of these, calls that he took; also those that he sent on to somebody else afterwards, and those he took over.
    pub answered: u64,
    /// He let it ring in vain, or the caller gave up while it rang. A call that somebody else answered meanwhile is missed by
    /// nobody.
    pub missed: u64,
    /// His phone said that it was busy, or he declined.
    pub declined: u64,
    /// Milliseconds that the callers waited for a person, of the calls that he had at the end.
    pub wait_ms: u64,
    /// Milliseconds that these lasted after it.
    pub talk_ms: u64,
    /// Of the calls that he had at the end: what was said of them, and how that goes with what he was shown.
    pub said_good: u64,
    pub said_unsure: u64,
    pub said_scam: u64,
    pub false_alarms: u64,
    pub unwarned_scams: u64,
}

/// The columns of a table of them, in their order.
pub const COLUMNS: [&str; 12] = [
    "person",
    "rung",
    "answered",
    "missed",
    "declined",
    "wait_ms",
    "talk_ms",
    "said_good",
    "said_unsure",
    "said_scam",
    "false_alarms",
    "unwarned_scams",
];

impl Work {
    /// The numbers of one line, in the order of [`COLUMNS`] after the name.
    pub fn cells(&self) -> [u64; 11] {
        [
            self.rung,
            self.answered,
            self.missed,
            self.declined,
            self.wait_ms,
            self.talk_ms,
            self.said_good,
            self.said_unsure,
            self.said_scam,
            self.false_alarms,
            self.unwarned_scams,
        ]
    }

    /// Of one call that is over.
    fn of(record: &CallRecord, person: &str) -> Work {
        let one = |is_so: bool| u64::from(is_so);
        let his = || {
            let attempts = record.attempts.iter();
            attempts.filter(|attempt| attempt.person.as_deref() == Some(person))
        };
        let has_it = record.person.as_deref() == Some(person);
        let is_answered = has_it || his().any(|attempt| attempt.status == 200);
        let call = Counts::of(record);
        let is_declined = his().any(|attempt| matches!(attempt.status, 486 | 600 | 603 | 607));
        let rang_in_vain = his().any(|attempt| attempt.status == 408);
        let was_given_up = call.missed == 1 && his().any(|attempt| matches!(attempt.status, 0 | 487));
        let mut work = Work {
            rung: one(his().next().is_some()),
            answered: one(is_answered),
            missed: one(!is_answered && (rang_in_vain || was_given_up)),
            declined: one(!is_answered && is_declined && !rang_in_vain && !was_given_up),
            ..Work::default()
        };
        if has_it {
            work.wait_ms = call.wait_ms;
            work.talk_ms = call.talk_ms;
            work.said_good = call.said_good;
            work.said_unsure = call.said_unsure;
            work.said_scam = call.said_scam;
            work.false_alarms = call.false_alarms;
            work.unwarned_scams = call.unwarned_scams;
        }
        work
    }

    fn add(&mut self, other: &Work) {
        let mine = [
            &mut self.rung,
            &mut self.answered,
            &mut self.missed,
            &mut self.declined,
            &mut self.wait_ms,
            &mut self.talk_ms,
            &mut self.said_good,
            &mut self.said_unsure,
            &mut self.said_scam,
            &mut self.false_alarms,
            &mut self.unwarned_scams,
        ];
        for (of, more) in mine.into_iter().zip(other.cells()) {
            *of = of.saturating_add(more);
        }
    }
}

/// Counts by person. A call without anybody signed in counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct People(BTreeMap<String, Work>);

impl People {
    /// Calls that came in and are over; others count for nothing. `only`: of this person alone.
    pub fn add(&mut self, record: &CallRecord, only: Option<&str>) {
        if record.state != State::Ended || record.direction != Direction::Inbound || record.drill {
            return;
        }
        let rung = record
            .attempts
            .iter()
            .filter_map(|attempt| attempt.person.as_deref());
        let mut people: Vec<&str> = rung.chain(record.person.as_deref()).collect();
        people.sort_unstable();
        people.dedup();
        for person in people {
            if only.is_some_and(|only| only != person) {
                continue;
            }
            let is_room = self.0.len() < LINES_MAX || self.0.contains_key(person);
            let name = if is_room { person } else { OTHERS };
            let work = Work::of(record, person);
            self.0.entry(name.to_string()).or_default().add(&work);
        }
    }

    pub fn into_table(self) -> BTreeMap<String, Work> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::counts::tests::ended_call;
    use super::*;
    use crate::call::record::{Attempt, Ending};

    fn attempt(person: Option<&str>, status: u16) -> Attempt {
        Attempt {
            target: "device:desk".into(),
            person: person.map(Into::into),
            at_ms: 0,
            status,
            why: None,
            tries: Vec::new(),
        }
    }

    fn check(record: &CallRecord, person: &str, expected: [u64; 4]) {
        let mut people = People::default();
        people.add(record, None);
        let table = people.into_table();
        let work = table.get(person).cloned().unwrap_or_default();
        assert_eq!(
            [work.rung, work.answered, work.missed, work.declined],
            expected,
            "{person}"
        );
    }

    #[test]
    fn who_took_it_answered_it_and_whoever_it_rang_beside_him_missed_nothing() {
        let mut record = ended_call(1);
        record.attempts = vec![
            attempt(Some("ann"), 408),
            attempt(Some("bob"), 200),
            attempt(Some("cay"), 487),
            attempt(Some("dan"), 486),
            attempt(None, 487),
        ];
        record.person = Some("bob".into());
        check(&record, "ann", [1, 0, 1, 0]);
        check(&record, "bob", [1, 1, 0, 0]);
        check(&record, "cay", [1, 0, 0, 0]);
        check(&record, "dan", [1, 0, 0, 1]);
        let mut people = People::default();
        people.add(&record, None);
        let table = people.into_table();
        assert_eq!((table["bob"].wait_ms, table["bob"].talk_ms), (2_000, 60_000));
        assert_eq!((table["ann"].wait_ms, table["ann"].talk_ms), (0, 0));
        assert_eq!(table.len(), 4);
        let mut only = People::default();
        only.add(&record, Some("ann"));
        assert_eq!(only.into_table().into_keys().collect::<Vec<_>>(), ["ann"]);
    }

    #[test]
    fn a_caller_who_gave_up_was_missed_by_whoever_it_rang_at() {
        let mut record = ended_call(1);
        record.timings.answered_ms = None;
        record.outcome.as_mut().unwrap().ending = Ending::Cancelled;
        record.attempts = vec![attempt(Some("ann"), 487), attempt(Some("ann"), 0)];
        check(&record, "ann", [1, 0, 1, 0]);
    }

    #[test]
    fn who_sent_the_call_on_answered_it_and_the_last_one_has_its_time() {
        let mut record = ended_call(1);
        record.attempts = vec![attempt(Some("ann"), 200), attempt(Some("bob"), 200)];
        record.person = Some("bob".into());
        check(&record, "ann", [1, 1, 0, 0]);
        check(&record, "bob", [1, 1, 0, 0]);
        // Taken over by somebody whose phone was not rung.
        record.person = Some("cay".into());
        check(&record, "cay", [0, 1, 0, 0]);
    }

    #[test]
    fn calls_that_go_on_and_calls_of_ours_count_for_nobody() {
        let mut record = ended_call(1);
        record.attempts = vec![attempt(Some("ann"), 200)];
        record.direction = Direction::Outbound;
        check(&record, "ann", [0, 0, 0, 0]);
        record.direction = Direction::Inbound;
        record.state = State::Talking;
        check(&record, "ann", [0, 0, 0, 0]);
    }

    #[test]
    fn columns_are_the_fields_in_their_order() {
        let json = serde_json::to_value(Work::default()).unwrap();
        let fields = json.as_object().unwrap();
        assert!(COLUMNS[1..].iter().all(|column| fields.contains_key(*column)));
        assert_eq!(fields.len(), COLUMNS.len() - 1);
    }
}
