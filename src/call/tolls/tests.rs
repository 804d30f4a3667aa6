//! Each limit of calls and minutes at its edge, and the hours.

#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn payer<'a>(person: &'a str, queue: Option<&'a str>) -> Payer<'a> {
    let person = Some(person);
    Payer { person, queue }
}

#[test]
fn each_limit_holds_at_its_edge_and_a_call_that_is_over_makes_room() {
    let start = Instant::now();
    let (ledger, two) = (Ledger::default(), Some(2));
    let person = Allowance {
        at_once: two,
        ..Allowance::default()
    };
    let queue = Allowance {
        per_hour: two,
        ..Allowance::default()
    };
    let config = TollConfig {
        person,
        queue,
        ..TollConfig::default()
    };
    let begin = |person, queue, at| ledger.begin(&config, &payer(person, queue), None, at);
    let first = begin("ann", None, start).unwrap();
    let second = begin("ann", None, start).unwrap();
    assert!(begin("ann", None, start).is_err_and(|why| why.contains("this phone has")));
    assert!(begin("bob", None, start).is_ok(), "another's are another's");
    first.end(start + MINUTE);
    let third = begin("ann", None, start + MINUTE).unwrap();
    drop(second);
    assert!(
        begin("ann", None, start + MINUTE).is_ok(),
        "one that was let go of"
    );
    third.end(start + MINUTE);
    begin("dan", Some("desk"), start).unwrap().take_back();
    {
        let entries = ledger.0.lock().unwrap();
        let going = (entries.all.count, entries.persons.len(), entries.queues.len());
        assert_eq!(going, (0, 0, 0), "nobody talks: {:?}", entries.persons);
        let is_dan = |entry: &Entry| entry.person.as_deref() == Some("dan");
        assert!(!entries.calls.iter().any(is_dan), "his never went out");
    }
    // In an hour, whoever makes them; and after it.
    begin("carl", Some("sales"), start).unwrap().end(start);
    begin("dora", Some("sales"), start + MINUTE)
        .unwrap()
        .end(start + MINUTE);
    assert!(
        begin("erik", Some("sales"), start + 59 * MINUTE).is_err_and(|why| why.contains("this queue sent"))
    );
    assert!(begin("erik", Some("desk"), start + 59 * MINUTE).is_ok());
    assert!(begin("erik", Some("sales"), start + 60 * MINUTE).is_ok());
}

#[test]
fn minutes_count_while_a_call_goes_on_and_only_those_of_the_last_hour() {
    let start = Instant::now() + 2 * TOLL_HOUR;
    let all = Allowance {
        minutes_per_hour: Some(30),
        ..Allowance::default()
    };
    let config = TollConfig {
        all,
        ..TollConfig::default()
    };
    let ledger = Ledger::default();
    let begin = |at| ledger.begin(&config, &payer("ann", None), None, at);
    let first = begin(start).unwrap();
    assert!(begin(start + 29 * MINUTE).is_ok());
    assert!(begin(start + 30 * MINUTE).is_err_and(|why| why.contains("as many minutes")));
    first.end(start + 30 * MINUTE);
    assert!(
        begin(start + 60 * MINUTE).is_err(),
        "all of them are in the last hour"
    );
    assert!(begin(start + 62 * MINUTE).is_ok());
    assert!(begin(start + 200 * MINUTE).is_ok());
    assert!(ledger.len() <= 4, "{}", ledger.len());
}

#[test]
fn hours_are_those_of_the_business() {
    let zone = TimeZone::get("Europe/London").unwrap();
    let hours = vec![(0b1_1111, 8 * 60, 18 * 60)];
    let config = TollConfig {
        hours,
        zone,
        ..TollConfig::default()
    };
    let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond().unsigned_abs();
    for (text, is_open) in [
        ("2026-07-06T07:00:00Z", true),
        ("2026-07-06T06:59:59Z", false),
        ("2026-07-06T17:00:00Z", false),
        ("2026-07-05T10:00:00Z", false),
    ] {
        assert_eq!(config.is_open(at(text)), is_open, "{text}");
    }
    assert!(TollConfig::default().is_open(0));
}
