//! `tests/scenarios/*.call`: whole calls that need no Rust. The words are those of [`ringward::policy::scenario`], which
//! reads them; this plays them on a virtual clock.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ringward::call::Input;
use ringward::lists::{Author, Book, Draft, Lookup, Plan, Written};
use ringward::policy::scenario::{self, Late, Phone, Scenario, Signs, duration};
use ringward::policy::{SHIPPED, shipped};
use ringward::queue::Strategy;
use serde_json::Value;

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::signing::signed_token;
use crate::world::{EPOCH_S, World, queue};

#[test]
fn every_scenario_goes_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "call"));
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let calls = Scenario::read_all(&name, &text);
        for call in calls.unwrap_or_else(|faults| panic!("{faults:#?}")) {
            play(&call);
        }
    }
}

/// The same calls beside the policies, as `ringward policy test` plays them.
#[test]
fn shipped_policies_do_what_the_calls_beside_them_expect() {
    for shipped in SHIPPED {
        let file = format!("{}/policies/{}.call", env!("CARGO_MANIFEST_DIR"), shipped.name);
        let text = std::fs::read_to_string(&file).unwrap();
        let calls = Scenario::read_all(&file, &text).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert!(calls.len() >= 2, "{file}");
        for call in calls {
            let trial = shipped.policy().try_out(&call);
            assert!(trial.failures.is_empty() && trial.skipped == 0, "{trial:#?}");
        }
    }
}

/// What a scenario expects of the decision is the same for facts alone as for the whole call.
#[test]
fn what_whole_calls_expect_of_decisions_holds_for_their_facts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut looked_at = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        for call in Scenario::read_all(&file.display().to_string(), &text).unwrap() {
            let name = call.policy.as_deref().unwrap_or("default");
            let trial = shipped(name).unwrap().policy().try_out(&call);
            looked_at += call.expectations.len() - trial.skipped;
            assert_eq!(trial.failures, [""; 0], "{}", call.place);
        }
    }
    assert!(looked_at > 20, "{looked_at}");
}

#[test]
fn a_line_that_means_nothing_is_named() {
    let faults = Scenario::read_all("x.call", "phone declines\ntitle  x\nphone  dances\n").unwrap_err();
    assert_eq!(
        faults,
        [
            "x.call:1: a call begins with its title",
            "x.call:3: `phone dances` is not understood",
        ]
    );
}

fn phone(phone: Phone) -> PhonePlan {
    let short = Duration::from_millis(30);
    match phone {
        Phone::AnswersAfter(time) => PhonePlan::answers_after(time.as_secs_f64()),
        Phone::NeverAnswers => PhonePlan::with(Answer::Never),
        Phone::IsDead => PhonePlan::with(Answer::Dead),
        Phone::IsBusy => PhonePlan::with(Answer::Refuse(486, short)),
        Phone::Declines => PhonePlan::with(Answer::Refuse(603, short)),
    }
}

/// What the caller does, and his number without `+`.
fn plan(scenario: &Scenario) -> (CallerPlan, String) {
    let number = scenario.caller.clone().unwrap_or_else(|| "+14045550123".into());
    let mut plan = CallerPlan::new(&number);
    match (&scenario.caller, &scenario.name) {
        (None, _) => {
            plan.from = "\"Anonymous\" <sip:anonymous@anonymous.invalid>".into();
            plan.headers.push(("Privacy", "id".into()));
        }
        (Some(number), Some(name)) => plan.from = format!("\"{name}\" <sip:{number}@203.0.113.7;user=phone>"),
        (Some(_), None) => {}
    }
    for (at, act) in &scenario.acts {
        let act = match act {
            scenario::Act::Hold => Act::Hold,
            scenario::Act::Resume => Act::Resume,
            scenario::Act::Update => Act::Update,
            scenario::Act::Bye => Act::Bye,
        };
        plan.acts.push((*at, act));
    }
    if !scenario.acts.iter().any(|(_, act)| *act == scenario::Act::Bye) {
        plan = plan.act(15.0, Act::Bye);
    }
    plan.gives_up_after = scenario.gives_up_after;
    (plan, number.trim_start_matches('+').to_string())
}

fn play(scenario: &Scenario) {
    let place = &scenario.place;
    let is_for_facts_only =
        scenario.arrives_ms.is_some() || !scenario.facts.is_empty() || scenario.queue.is_some();
    assert!(!is_for_facts_only, "{place}: a whole call brings its own facts");
    let phones = match &scenario.phones[..] {
        [] => &[Phone::AnswersAfter(Duration::from_secs(2))],
        phones => phones,
    };
    let addresses: Vec<SocketAddr> = (0..phones.len())
        .map(|n| format!("10.0.0.{}:5060", n + 5).parse().unwrap())
        .collect();
    let targets: Vec<String> = addresses
        .iter()
        .map(|address| format!("sip:desk@{address}"))
        .collect();
    let strategy = if scenario.is_in_order {
        Strategy::InOrder
    } else {
        Strategy::RingAll
    };
    let mut desk = queue(
        "desk",
        strategy,
        &targets.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    desk.ring = scenario.ring;
    let policy = scenario.policy.as_deref().unwrap_or("default");
    let policy = shipped(policy)
        .unwrap_or_else(|| panic!("{place}: no policy {policy}"))
        .policy();
    let mut world = World::with_policy(vec![desk], 11, policy);
    world.network.lost = scenario.lost_percent * 10;
    world.helpers.windows = scenario.windows.clone();
    world.helpers.is_scorer_overloaded = scenario.is_scorer_overloaded;
    match (scenario.certificate, &mut world.helpers.fetch) {
        (Some(Late::Never), fetch) => *fetch = None,
        (Some(Late::After(time)), Some((after, _))) => *after = time,
        _ => {}
    }
    if let Some((after, history)) = &mut world.helpers.store {
        history.reported_scam = scenario.scam_reports;
        if let Some(Late::After(time)) = scenario.store {
            *after = time;
        }
    }
    if scenario.store == Some(Late::Never) {
        world.helpers.store = None;
    }
    world.tell(Input::SetLists(Arc::new(lists(scenario))));
    for (address, plan) in addresses.iter().zip(phones) {
        world.phone(&address.to_string(), phone(*plan));
    }
    let token = |orig: &str, attest, iat| signed_token(attest, orig, "12125550100", iat);
    let (mut plan, number) = plan(scenario);
    let header = match scenario.signs {
        Signs::Nothing => None,
        Signs::Attested(attest) => Some(token(&number, attest, EPOCH_S)),
        Signs::AnotherNumber => Some(token("13035550100", 'A', EPOCH_S)),
        Signs::Stale => Some(token(&number, 'A', EPOCH_S - 3600)),
        Signs::Twice => Some(token(&number, 'A', EPOCH_S)),
    };
    if let Some(header) = header {
        plan.headers.push(("Identity", header));
    }
    let mut caller = world.call(plan.clone());
    if scenario.signs == Signs::Twice {
        caller = world.call_after(40.0, plan);
    }
    world.run();
    for (at, expectation) in &scenario.expectations {
        let place = format!("{place} line {at}: expected {expectation}");
        expect(&world, caller, &addresses, expectation, &place);
    }
}

/// Lists on which the number or the name of this caller stands.
fn lists(scenario: &Scenario) -> Lookup {
    let mut book = Book::default();
    for (list, reason) in &scenario.listed {
        let written = Written {
            numbers: scenario
                .caller
                .iter()
                .filter(|_| !list.is_of_names())
                .cloned()
                .collect(),
            name: scenario
                .name
                .clone()
                .filter(|_| list.is_of_names())
                .unwrap_or_default(),
            reason: reason.clone(),
            ..Written::default()
        };
        let draft = Draft::of(*list, &written, Plan::default()).unwrap();
        let change = book.add(*list, draft, Author { by: "ann", at_ms: 0 }).unwrap();
        book.apply(&change);
    }
    book.lookup()
}

fn expect(world: &World, caller: SocketAddr, phones: &[SocketAddr], expectation: &str, place: &str) {
    let id = world
        .records
        .keys()
        .max_by_key(|id| world.records[*id].last().unwrap().started_ms)
        .unwrap();
    let record = world.records[id].last().unwrap();
    let decision = &record.decisions.last().expect("a decision").decision;
    let banner = record.banner.as_ref().expect("a banner");
    let tags: Vec<String> = decision
        .verdict
        .findings
        .iter()
        .map(|finding| word(&finding.tag))
        .collect();
    let rung = || {
        let lines = phones.iter().flat_map(|phone| world.agents[phone].lines.values());
        &lines
            .last()
            .unwrap_or_else(|| panic!("{place}: no phone rang"))
            .invite
    };
    let words: Vec<&str> = expectation.split(' ').collect();
    match &words[..] {
        ["tags", wanted @ ..] => {
            for tag in wanted {
                assert!(tags.iter().any(|found| found == tag), "{place}, found {tags:?}");
            }
        }
        ["no", "tags", unwanted @ ..] => {
            for tag in unwanted {
                assert!(!tags.iter().any(|found| found == tag), "{place}, found {tags:?}");
            }
        }
        ["decision", wanted] => {
            let found = serde_json::to_value(&record.decisions[0].decision.action).unwrap()["do"].clone();
            assert_eq!(found, Value::from(*wanted), "{place}");
        }
        ["rule", wanted] => {
            let first = record.decisions[0]
                .decision
                .fired
                .iter()
                .find(|fired| !fired.is_shadow);
            assert_eq!(
                first.map_or("none", |fired| fired.rule.as_str()),
                *wanted,
                "{place}"
            );
        }
        ["ringing", "before", time] => {
            let limit = duration(time).expect("a time").as_millis() as u64;
            let found = record.timings.ringing_ms;
            assert!(found.is_some_and(|ms| ms < limit), "{place}, found {found:?}");
        }
        ["answer", status] => {
            let found = world
                .heard(caller, "INVITE")
                .into_iter()
                .find(|status| *status >= 200);
            assert_eq!(
                found.map(|status| status.to_string()).as_deref(),
                Some(*status),
                "{place}"
            );
        }
        ["number", light] => assert_eq!(word(&banner.number), *light, "{place}"),
        ["voice", light] => assert_eq!(word(&banner.voice), *light, "{place}"),
        ["label", label] => assert_eq!(word(&banner.label), *label, "{place}"),
        ["shown", name @ ..] => {
            let name = name.join(" ");
            let from = rung().must("From");
            assert!(from.starts_with(&name), "{place}, found {from}");
        }
        ["trust", text @ ..] => {
            let text = text.join(" ");
            let found = rung().must("Ringward-Trust");
            assert!(found.starts_with(&text), "{place}, found {found}");
        }
        ["ending", ending, "by", by] => {
            let outcome = record.outcome.as_ref().unwrap();
            assert_eq!(
                (word(&outcome.ending).as_str(), outcome.by.as_str()),
                (*ending, *by),
                "{place}"
            );
        }
        ["phone", n, "asked", methods @ ..] => {
            let phone = phones[n.parse::<usize>().expect("a number") - 1];
            assert_eq!(world.asked(phone), methods, "{place}");
        }
        _ => panic!("{place}: not understood"),
    }
}

/// An enum as records print it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_string()
}
