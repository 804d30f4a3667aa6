//! Limits of money at each edge: a call that would pass one is refused, one that is about to is cut, and none is ever passed.

#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use proptest::prelude::*;

use super::super::limits::TOLL_DAY;
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn price(per_minute: &str, per_call: &str, first: u32, step: u32) -> Option<Price> {
    let [per_minute, per_call] = [per_minute, per_call].map(|text| Money::parse(text).unwrap());
    Some(Price {
        per_minute,
        per_call,
        first,
        step,
    })
}

fn money(text: &str) -> Option<Money> {
    Some(Money::parse(text).unwrap())
}

fn ann(queue: Option<&'static str>) -> Payer<'static> {
    Payer {
        person: Some("ann"),
        queue,
    }
}

fn per_hour(text: &str) -> Allowance {
    Allowance {
        spend_per_hour: money(text),
        ..Allowance::default()
    }
}

/// Looks at a call whenever it is due from `from` on; when it was cut, and why.
fn talks(
    toll: &mut Toll,
    config: &TollConfig,
    from: Instant,
    most: Duration,
) -> Option<(Duration, &'static str)> {
    toll.answered(from);
    while let Some(look) = toll.look().filter(|look| *look < from + most) {
        if let Some(why) = toll.is_spent(config, false, look) {
            return Some((look - from, why));
        }
    }
    None
}

#[test]
fn a_call_is_cut_before_the_increment_that_would_pass_a_limit() {
    let config = TollConfig {
        person: per_hour("1.80"),
        ..TollConfig::default()
    };
    let by_minute = price("0.60", "0", 60, 60);
    let (ledger, start) = (Ledger::default(), Instant::now());
    // Three minutes cost exactly what may be spent: the fourth does not begin.
    let mut toll = ledger.begin(&config, &ann(None), by_minute, start).unwrap();
    let (lasted, why) = talks(&mut toll, &config, start, TOLL_HOUR).unwrap();
    assert!((178 * SECOND..=180 * SECOND).contains(&lasted), "{lasted:?}");
    assert!(
        why.contains("this phone's calls to the outside cost as much"),
        "{why}"
    );
    let end = start + lasted;
    toll.end(end);
    assert_eq!(ledger.totals(end).persons["ann"].hour, 1_800_000);
    // Nothing is left, not even for one increment, but a free call is free and another person is another.
    assert!(
        ledger
            .begin(&config, &ann(None), price("0.01", "0", 1, 1), end)
            .is_err()
    );
    assert!(
        ledger
            .begin(&config, &ann(None), price("0", "0", 1, 1), end)
            .is_ok()
    );
    let bob = Payer {
        person: Some("bob"),
        queue: None,
    };
    assert!(ledger.begin(&config, &bob, by_minute, end).is_ok());
    // It counts whole until an hour after its end, to the second.
    let almost = end + TOLL_HOUR - SECOND;
    assert!(ledger.begin(&config, &ann(None), by_minute, almost).is_err());
    assert!(
        ledger
            .begin(&config, &ann(None), by_minute, end + TOLL_HOUR)
            .is_ok()
    );
}

#[test]
fn a_call_is_cut_for_its_own_increment_and_not_for_that_of_another() {
    let config = TollConfig {
        all: per_hour("1.00"),
        ..TollConfig::default()
    };
    let (ledger, start) = (Ledger::default(), Instant::now());
    let begin = |price, at| {
        let mut toll = ledger.begin(&config, &ann(None), price, at).unwrap();
        toll.answered(at);
        Some(toll)
    };
    // 0.20 each half minute, and from the 45th second on 0.10 each minute.
    let mut calls = [
        begin(price("0.40", "0", 30, 30), start),
        begin(price("0.10", "0", 60, 60), start + 45 * SECOND),
    ];
    let mut cut = Vec::new();
    for second in 0..600 {
        let now = start + second * SECOND;
        // Whoever looks first: the cheaper one.
        for (number, call) in calls.iter_mut().enumerate().rev() {
            let is_spent = call
                .as_mut()
                .is_some_and(|toll| toll.is_spent(&config, false, now).is_some());
            if is_spent {
                cut.push((number, second));
                call.take().unwrap().end(now);
            }
        }
    }
    // At the 120th second the dear one would come to more than is left, at the 165th the cheap one would.
    let [(first, dear), (then, cheap)] = cut[..] else {
        panic!("{cut:?}")
    };
    assert_eq!((first, then), (0, 1));
    assert!(
        (118..=120).contains(&dear) && (163..=165).contains(&cheap),
        "{cut:?}"
    );
    assert_eq!(ledger.totals(start + 600 * SECOND).all.hour, 1_000_000);
}

#[test]
fn what_it_costs_at_least_must_fit_and_exactly_fits() {
    let check = |limit: &str, fits: bool| {
        let config = TollConfig {
            all: per_hour(limit),
            ..TollConfig::default()
        };
        let begun =
            Ledger::default().begin(&config, &ann(None), price("0.60", "0.05", 60, 60), Instant::now());
        assert_eq!(begun.is_ok(), fits, "{limit}");
    };
    check("0.65", true);
    check("0.649999", false);
    check("0", false);
}

#[test]
fn a_call_that_nobody_answers_costs_nothing_and_holds_its_first_increment_while_it_rings() {
    let config = TollConfig {
        queue: per_hour("1.00"),
        ..TollConfig::default()
    };
    let (ledger, start) = (Ledger::default(), Instant::now());
    let begin = |at| ledger.begin(&config, &ann(Some("desk")), price("0.60", "0", 60, 60), at);
    let ringing = begin(start).unwrap();
    assert!(
        begin(start).is_err_and(|why| why.contains("this queue's")),
        "0.60 are held"
    );
    ringing.end(start + MINUTE);
    assert_eq!(ledger.totals(start + MINUTE).all.hour, 0);
    assert!(begin(start + MINUTE).is_ok());
}

#[test]
fn a_day_is_counted_beside_the_hour() {
    let allowed = Allowance {
        spend_per_day: money("2.00"),
        ..per_hour("1.00")
    };
    let config = TollConfig {
        person: allowed,
        ..TollConfig::default()
    };
    let (ledger, start) = (Ledger::default(), Instant::now());
    let call = |at: Instant| {
        let mut toll = ledger.begin(&config, &ann(None), price("0", "1.00", 1, 1), at)?;
        toll.answered(at);
        toll.end(at);
        Ok::<_, &'static str>(())
    };
    assert!(call(start).is_ok());
    assert!(call(start + MINUTE).is_err_and(|why| why.ends_with("in an hour")));
    assert!(call(start + TOLL_HOUR).is_ok());
    assert!(call(start + 2 * TOLL_HOUR).is_err_and(|why| why.ends_with("in a day")));
    assert!(call(start + TOLL_DAY - SECOND).is_err());
    assert!(call(start + TOLL_DAY).is_ok(), "the first is a day old");
    let spent = ledger.totals(start + TOLL_DAY).persons["ann"];
    assert_eq!((spent.hour, spent.day), (1_000_000, 2_000_000));
    // Two days later nothing of it is known any more.
    assert!(call(start + 3 * TOLL_DAY).is_ok());
    assert_eq!(ledger.totals(start + 3 * TOLL_DAY).persons["ann"].day, 1_000_000);
}

#[test]
fn what_others_spend_counts_here_while_they_are_heard() {
    let config = TollConfig {
        all: per_hour("1.00"),
        person: Allowance {
            at_once: Some(2),
            per_hour: Some(5),
            ..Allowance::default()
        },
        ..TollConfig::default()
    };
    let (ledger, start) = (Ledger::default(), Instant::now());
    let begin = |at| {
        ledger
            .begin(&config, &ann(None), price("0", "0.30", 1, 1), at)
            .map(drop)
    };
    let say = |at_once, per_hour, hour| {
        let came = Came {
            at_once,
            per_hour,
            hour,
            ..Came::default()
        };
        let totals = Totals {
            all: came,
            persons: [("ann".to_string(), came)].into(),
            ..Totals::default()
        };
        ledger.hear("other", totals, start);
    };
    say(0, 0, 700_000);
    assert!(begin(start).is_ok(), "0.70 and 0.30");
    say(0, 0, 700_001);
    assert!(begin(start).is_err_and(|why| why.ends_with("in an hour")));
    say(2, 0, 0);
    assert!(begin(start).is_err_and(|why| why.contains("at once")));
    say(1, 3, 0);
    assert!(begin(start).is_ok(), "two of this hour here, three there");
    assert_eq!(
        ledger.totals(start).persons["ann"].per_hour,
        2,
        "ours alone are told"
    );
    assert_eq!(ledger.totals_everywhere(start).persons["ann"].per_hour, 5);
    assert!(
        begin(start).is_err_and(|why| why.contains("in an hour did") || why.contains("it may in an hour"))
    );
    let later = start + super::super::limits::SHARED_LASTS;
    assert!(begin(later).is_err(), "three of this hour were there");
    say(2, 0, 0);
    assert!(
        begin(start).is_err() && begin(later).is_ok(),
        "no call of theirs goes on"
    );
    ledger.hear("other", Totals::default(), later);
    say(2, 0, 0);
    ledger.forget("other");
    assert!(begin(start).is_ok());
}

/// The carrier charges an answer that crossed the CANCEL, once.
#[test]
fn an_answer_that_crosses_the_end_of_a_call_costs_its_first_increment_once() {
    let config = TollConfig {
        person: per_hour("1.00"),
        ..TollConfig::default()
    };
    let (ledger, start) = (Ledger::default(), Instant::now());
    let begin = |at| ledger.begin(&config, &ann(None), price("0.60", "0", 60, 60), at);
    let toll = begin(start).unwrap();
    let number = toll.number();
    toll.end(start + MINUTE);
    assert_eq!(ledger.totals(start + MINUTE).all.hour, 0);
    for _ in 0..2 {
        ledger.answered_after_all(number, start + MINUTE);
        assert_eq!(ledger.totals(start + MINUTE).persons["ann"].hour, 600_000);
    }
    assert!(begin(start + MINUTE).is_err_and(|why| why.ends_with("in an hour")));
    // One that is not over yet is charged when it is, for what it lasted.
    let toll = begin(start + 2 * TOLL_HOUR).unwrap();
    ledger.answered_after_all(toll.number(), start + 2 * TOLL_HOUR);
    toll.end(start + 2 * TOLL_HOUR + SECOND);
    assert_eq!(ledger.totals(start + 2 * TOLL_HOUR + SECOND).all.hour, 600_000);
    ledger.answered_after_all(77, start);
}

#[test]
fn a_call_for_help_is_counted_and_never_cut_and_one_that_is_let_go_of_counts_until_it_was_looked_at() {
    let config = TollConfig {
        all: per_hour("0.10"),
        ..TollConfig::default()
    };
    let (ledger, start) = (Ledger::default(), Instant::now());
    let by_second = price("0.60", "0", 1, 1);
    let mut help = ledger.begin(&config, &ann(None), by_second, start).unwrap();
    help.answered(start);
    for second in 0..60 {
        assert_eq!(help.is_spent(&config, true, start + second * SECOND), None);
    }
    let after = start + MINUTE;
    assert!(ledger.begin(&config, &ann(None), by_second, after).is_err());
    drop(help);
    assert_eq!(ledger.totals(after).all.hour, 590_000, "as it was last seen");
}

#[test]
fn who_spent_before_may_go_on_where_there_is_no_room_for_another() {
    let (config, now) = (TollConfig::default(), Instant::now());
    let ledger = Ledger::default();
    for number in 0..SPENDERS_MAX {
        let name = Arc::from(format!("phone {number}"));
        let mut entries = ledger.0.lock().unwrap();
        entries.spent.add(Some(&name), None, Money(1), now);
    }
    let begin = |person: &str| {
        let payer = Payer {
            person: Some(person),
            queue: None,
        };
        let begun = ledger.begin(&config, &payer, price("0.01", "0", 1, 1), now);
        begun.is_ok()
    };
    assert!(begin("phone 7"), "known");
    assert!(!begin("ann"), "there is no room for another");
}

#[test]
fn what_many_come_to_is_added_up_for_each() {
    let (config, start) = (TollConfig::default(), Instant::now());
    let ledger = Ledger::default();
    let mut going = Vec::new();
    for number in 0..2_000u32 {
        let (person, queue) = (format!("phone {}", number % 500), format!("queue {}", number % 7));
        let payer = Payer {
            person: Some(&person),
            queue: Some(&queue),
        };
        let mut toll = ledger
            .begin(&config, &payer, price("0.60", "0.01", 60, 60), start)
            .unwrap();
        toll.answered(start);
        match number % 2 {
            0 => toll.end(start + MINUTE),
            _ => going.push(toll),
        }
    }
    let totals = ledger.totals(start + MINUTE);
    let one = Came {
        at_once: 0,
        per_hour: 4,
        seconds: 240,
        hour: 2_440_000,
        day: 2_440_000,
    };
    assert_eq!(totals.persons["phone 0"], one);
    assert_eq!(totals.persons["phone 1"], Came { at_once: 4, ..one });
    assert_eq!((totals.persons.len(), totals.queues.len()), (500, 7));
    let of_queues = totals
        .queues
        .values()
        .fold([0; 3], |[at_once, hour, calls], came| {
            [
                at_once + came.at_once,
                hour + came.per_hour,
                calls + u32::try_from(came.hour / 610_000).unwrap(),
            ]
        });
    assert_eq!(of_queues, [1_000, 2_000, 2_000]);
    assert_eq!((totals.all.hour, totals.all.at_once), (1_220_000_000, 1_000));
}

#[derive(Clone, Debug)]
enum Step {
    Begin {
        who: usize,
        per_minute: u64,
        first: u32,
        step: u32,
    },
    Answer(usize),
    End(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3usize, 1..4_000_000u64, 1..90u32, 1..90u32).prop_map(|(who, per_minute, first, step)| {
            Step::Begin {
                who,
                per_minute,
                first,
                step,
            }
        }),
        (0..8usize).prop_map(Step::Answer),
        (0..8usize).prop_map(Step::End),
        (1..200u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever calls begin, answer and end, and however looks of several fall between each other: no limit is ever passed.
    #[test]
    fn no_limit_is_passed(steps in prop::collection::vec(step(), 1..80)) {
        const NAMES: [&str; 3] = ["ann", "bob", "carl"];
        let config = TollConfig { all: per_hour("8"), person: Allowance { spend_per_day: money("5"), ..per_hour("3") }, ..TollConfig::default() };
        let ledger = Ledger::default();
        let mut now = Instant::now();
        let mut going: Vec<Toll> = Vec::new();
        for step in steps {
            match step {
                Step::Begin { who, per_minute, first, step } => {
                    let payer = Payer { person: Some(NAMES[who]), queue: None };
                    let price = Price { per_minute: Money(per_minute), per_call: Money(0), first, step };
                    going.extend(ledger.begin(&config, &payer, Some(price), now));
                }
                Step::Answer(at) => if let Some(toll) = going.get_mut(at) { toll.answered(now) },
                Step::End(at) => if at < going.len() { going.swap_remove(at).end(now) },
                Step::Wait(tenths) => {
                    let until = now + Duration::from_millis(tenths * 100);
                    while let Some(at) = (0..going.len()).filter(|at| going[*at].look().is_some_and(|look| look <= until)).min_by_key(|at| going[*at].look()) {
                        now = now.max(going[at].look().unwrap());
                        if going[at].is_spent(&config, false, now).is_some() { going.swap_remove(at).end(now) }
                    }
                    now = until;
                }
            }
            let totals = ledger.totals(now);
            prop_assert!(totals.all.hour <= 8_000_000, "{totals:?}");
            for came in totals.persons.values() {
                prop_assert!(came.hour <= 3_000_000 && came.day <= 5_000_000, "{totals:?}");
            }
        }
    }
}
