//! The book in a real store: what is live, who has to agree, what is taken back by itself, and what is there after a
//! restart.

use super::*;
use crate::call::CallRecord;
use crate::call::record::Decided;
use crate::call_id::CallId;
use crate::policy::{SHIPPED, shipped};
use crate::screening::sample;
use crate::store::{self, audit_entries, verify_audit};

struct World {
    store: Arc<dyn Store>,
    policies: Arc<Policies>,
    told: Arc<Mutex<Vec<String>>>,
}

fn memory() -> Arc<dyn Store> {
    let url = "sqlite::memory:".into();
    store::open(&store::Config { url }).unwrap()
}

fn open(store: Arc<dyn Store>) -> World {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let tell = {
        let told = told.clone();
        move |lineup: Arc<Lineup>| told.lock().unwrap().push(lineup.live().revision().to_string())
    };
    let audit = Arc::new(Audit::open(store.clone()).unwrap());
    let check = |name: &str, text: &str| Policy::load(name, text, &[]);
    let (file, text) = (Arc::new(SHIPPED[0].policy()), SHIPPED[0].text);
    let policies = Policies::open(store.clone(), audit, Box::new(check), &file, text, Box::new(tell));
    World {
        store,
        policies: Arc::new(policies.unwrap()),
        told,
    }
}

fn strict_with(budget: &str) -> String {
    let text = shipped("strict").unwrap().text;
    let (head, tail) = text.split_once("[budget]").unwrap();
    let (_, tail) = tail.split_once("# [own]").unwrap();
    format!("{head}[budget]\n{budget}\n# [own]{tail}")
}

/// A call as its shard leaves it.
fn ended(policies: &Policies, number: u64, is_forged: bool) -> CallRecord {
    let mut facts = sample::unsigned();
    facts.identity.is_forged = is_forged;
    facts.arrived_ms = 1_790_000_000_000 + number * 1_000;
    let lineup = policies.lineup();
    let mut record = CallRecord::arriving(CallId(u128::from(number)), &facts, Some("desk"), None);
    record.decisions.push(Decided {
        at_ms: 1,
        stage: facts.stage,
        decision: lineup.judge(&facts).decide(&facts),
        facts: None,
    });
    if let Some(shadow) = lineup.shadow() {
        record.add_shadow(shadow.decide(&facts));
    }
    record
}

#[test]
fn the_configurations_policy_is_the_first_revision_and_the_book_outlives_a_restart() {
    let world = open(memory());
    assert_eq!(world.policies.book().live(), Some(1));
    let observe = world
        .policies
        .save(shipped("observe").unwrap().text, "ann", "first week")
        .unwrap();
    assert_eq!(
        world
            .policies
            .activate(observe, 100, "ann", true, "first week")
            .unwrap(),
        Done::Live
    );
    assert!(world.told.lock().unwrap().last().unwrap().starts_with("observe@"));
    let World { store, policies, .. } = world;
    drop(policies);
    let again = open(store);
    assert_eq!(again.policies.lineup().live().name(), "observe");
    assert_eq!(
        again.policies.book().revisions().count(),
        2,
        "the file's policy is not saved twice"
    );
    assert_eq!(again.policies.roll_back("bob", "too quiet").unwrap(), Done::Live);
    assert_eq!(again.policies.lineup().live().name(), "default");
}

#[test]
fn what_refuses_is_live_once_a_second_person_agrees() {
    let World {
        policies,
        told,
        store,
    } = open(memory());
    let strict = policies
        .save(shipped("strict").unwrap().text, "ann", "forgers")
        .unwrap();
    assert_eq!(
        policies.activate(strict, 100, "ann", true, "forgers").unwrap(),
        Done::Proposed
    );
    assert_eq!(policies.lineup().live().name(), "default");
    assert!(told.lock().unwrap().is_empty());
    let alone = policies.approve(strict, "ann", "me again").unwrap_err();
    assert!(
        matches!(alone, Problem::Refused(Refused::SecondPerson)),
        "{alone}"
    );
    assert_eq!(policies.approve(strict, "bob", "agreed").unwrap(), Done::Live);
    assert_eq!(policies.lineup().live().name(), "strict");
    let audit: Vec<String> = audit_entries(&*store, 0)
        .unwrap()
        .into_iter()
        .map(|entry| format!("{} {}", entry.by, entry.what))
        .collect();
    assert_eq!(
        audit,
        [
            "file policy save",
            "file policy activate",
            "ann policy save",
            "ann policy propose",
            "bob policy activate"
        ]
    );
    assert_eq!(verify_audit(&*store).unwrap(), Ok(5));
}

#[test]
fn a_text_with_faults_changes_nothing() {
    let World { policies, .. } = open(memory());
    let Err(Problem::Faults(faults)) =
        policies.save("[policy]\nname = 'x'\n[[rule]]\nid = 'r'\n", "ann", "x")
    else {
        panic!("it was taken");
    };
    assert_eq!(faults.len(), 3);
    assert_eq!(
        (policies.book().last(), policies.lineup().live().name()),
        (2, "default")
    );
}

#[test]
fn a_policy_that_refuses_more_than_its_budget_is_taken_back_by_itself() {
    let World { policies, store, .. } = open(memory());
    let text = strict_with("refusals_percent = 10\nwindow = \"10m\"\ncalls_min = 20");
    let strict = policies.save(&text, "ann", "forgers").unwrap();
    policies.activate(strict, 100, "ann", true, "forgers").unwrap();
    policies.approve(strict, "bob", "agreed").unwrap();
    for number in 0..200 {
        policies.note(&ended(&policies, number, number % 20 == 0));
    }
    assert_eq!(
        policies.lineup().live().name(),
        "strict",
        "5 % are inside the budget"
    );
    for number in 200..300 {
        policies.note(&ended(&policies, number, true));
    }
    // Another thread does it: it waits for the disk.
    for _ in 0..500 {
        if policies.lineup().live().name() == "default" {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    assert_eq!(policies.lineup().live().name(), "default");
    let last = audit_entries(&*store, 0).unwrap().pop().unwrap();
    assert_eq!(
        (last.by.as_str(), last.what.as_str()),
        ("gateway", "policy roll back")
    );
    assert!(last.note.contains("more than its budget"), "{}", last.note);
}

#[test]
fn a_watching_policy_decides_nothing_and_is_counted() {
    let World { policies, .. } = open(memory());
    let strict = policies
        .save(shipped("strict").unwrap().text, "ann", "a try")
        .unwrap();
    policies.shadow(strict, "ann", "a try").unwrap();
    for number in 0..10 {
        let record = ended(&policies, number, number < 3);
        assert!(record.decisions[0].decision.policy.starts_with("default@"));
        policies.note(&record);
    }
    let expected = ShadowCounts {
        calls: 10,
        otherwise: 3,
        newly_refused: 3,
        newly_allowed: 0,
        relabelled: 0,
    };
    assert_eq!(policies.shadow_counts(), expected);
    policies.shadow(0, "ann", "enough").unwrap();
    policies.note(&ended(&policies, 11, true));
    assert_eq!(policies.shadow_counts(), ShadowCounts::default());
}

#[test]
fn kept_decisions_are_made_again_exactly_and_tried_with_another_policy() {
    use crate::runtime::replays;

    let World { policies, store, .. } = open(memory());
    let forged = 7;
    for number in 0..2_345 {
        let record = ended(&policies, number, number % 100 < forged);
        assert!(store.save(Arc::new(record)));
        if number % 500 == 499 {
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    let all = replays::Scope {
        calls_max: u64::MAX,
        since_ms: 0,
    };
    let progress = replays::Progress::default();
    let live = policies.lineup().live().clone();
    let same = replays::run(&*store, &live, all, &progress).unwrap();
    assert_eq!((same.calls, same.not_replayable), (2_345, 0));
    assert_eq!(same.comparison.total, crate::policy::Counts::default());
    assert_eq!(progress.looked_at(), 2_345);
    let strict = shipped("strict").unwrap().policy();
    progress.cancel();
    let ended = replays::run(&*store, &strict, all, &progress).unwrap();
    assert_eq!((ended.calls, progress.looked_at()), (0, 2_345), "{ended:?}");
    progress.begin();
    let found = replays::run(&*store, &strict, all, &progress).unwrap();
    assert_eq!(found.comparison.total.newly_refused, 23 * forged + forged);
    assert_eq!(
        found.comparison.by_queue["desk"].newly_refused,
        23 * forged + forged
    );
    let newest = replays::Scope {
        calls_max: 100,
        ..all
    };
    assert_eq!(
        replays::run(&*store, &strict, newest, &progress).unwrap().calls,
        100
    );
    let since = replays::Scope {
        since_ms: 1_790_000_000_000 + 2_000_000,
        ..all
    };
    assert_eq!(
        replays::run(&*store, &strict, since, &progress).unwrap().calls,
        345
    );
    // Word for word: what is kept, decided again by what is kept.
    for kept in store.page(None).unwrap() {
        let record: CallRecord = serde_json::from_str(&kept.record).unwrap();
        let decided = &record.decisions[0];
        let policy = policies.called(&decided.decision.policy).unwrap();
        assert_eq!(policy.decide(record.facts_of(0).unwrap()), decided.decision);
    }
}

#[test]
fn what_a_changed_file_says_is_live_and_what_cannot_be_used_changes_nothing() {
    let World { policies, told, .. } = open(memory());
    let observe = || Ok(shipped("observe").unwrap().text.to_string());
    policies.reread("p.toml", observe());
    assert_eq!(policies.lineup().live().name(), "observe");
    assert_eq!(told.lock().unwrap().len(), 1);
    let last = policies.book().last();
    policies.reread("p.toml", observe());
    assert_eq!(policies.book().last(), last, "it says the same");
    policies.reread("p.toml", Ok("[policy]\nnam = 'x'\n".into()));
    let problem = policies.file_problem().unwrap();
    assert!(problem.starts_with("p.toml:1:1: "), "{problem}");
    policies.reread("p.toml", Err(std::io::Error::other("no such file")));
    assert_eq!(policies.file_problem().unwrap(), "no such file");
    assert_eq!(policies.lineup().live().name(), "observe");
    // Back to what it said first: known, and live again.
    policies.reread("p.toml", Ok(SHIPPED[0].text.into()));
    assert_eq!(policies.file_problem(), None);
    assert_eq!(policies.lineup().live().name(), "default");
    assert_eq!(policies.book().revisions().count(), 2);
    // Somebody's own choice outlives a file that says nothing new.
    let number = policies
        .save(shipped("observe").unwrap().text, "ann", "x")
        .unwrap();
    policies.activate(number, 100, "ann", false, "x").unwrap();
    policies.reread("p.toml", Ok(SHIPPED[0].text.into()));
    assert_eq!(policies.lineup().live().name(), "observe");
}

#[test]
fn a_revision_that_does_not_load_is_left_out_and_keeps_no_other_from_judging() {
    let World { policies, store, .. } = open(memory());
    drop(policies);
    let acts = [
        Act::Save {
            revision: "broken@1".into(),
            text: "x".into(),
        },
        Act::Shadow { number: 3 },
        Act::Activate {
            number: 3,
            percent: 50,
        },
    ];
    for (at, act) in acts.into_iter().enumerate() {
        let entry = Entry {
            at_ms: 1,
            by: "ann".into(),
            person: None,
            reason: "x".into(),
            act,
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert!(store.append(JOURNAL, 3 + at as u64, &text).unwrap());
    }
    let World { policies, .. } = open(store);
    assert_eq!(policies.book().rollout(), Some((3, 50)));
    assert_eq!(policies.lineup().live().name(), "default");
    assert!(policies.lineup().shadow().is_none());
    assert_eq!(policies.lineup().judge(&sample::unsigned()).name(), "default");
}

#[test]
fn what_nobody_judges_by_any_more_is_not_taken_back_and_the_way_back_must_load() {
    let World { policies, store, .. } = open(memory());
    let observe = policies
        .save(shipped("observe").unwrap().text, "ann", "x")
        .unwrap();
    policies.activate(observe, 100, "ann", false, "x").unwrap();
    let last = policies.book().last();
    policies.take_back_now("strict@00000000", "too many").unwrap();
    assert_eq!(
        (policies.book().last(), policies.lineup().live().name()),
        (last, "observe")
    );
    let revision = policies.lineup().live().revision().to_string();
    policies.take_back_now(&revision, "too many").unwrap();
    assert_eq!(policies.lineup().live().name(), "default");
    // Another process changed the book: who asks is told to look again, and the shards judge by what it says.
    let entry = Entry {
        at_ms: 1,
        by: "ann".into(),
        person: None,
        reason: "x".into(),
        act: Act::Activate {
            number: observe,
            percent: 100,
        },
    };
    let text = serde_json::to_string(&entry).unwrap();
    assert!(store.append(JOURNAL, policies.book().last() + 1, &text).unwrap());
    let raced = policies.shadow(observe, "bob", "x").unwrap_err();
    assert!(matches!(raced, Problem::Raced), "{raced}");
    assert_eq!(policies.lineup().live().name(), "observe");
}
