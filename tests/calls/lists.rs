//! Lists and reputations on whole calls: what stands there changes what a call gets, from the next decision on.

use std::sync::Arc;

use ringward::call::Input;
use ringward::call::record::Ending;
use ringward::call_id::CallId;
use ringward::lists::{Author, Book, Draft, Lookup, Plan, Written};
use ringward::policy::Action;
use ringward::reputation::{Ledger, Reported, Said, Subject};
use ringward::screening::{Label, List, Reputable};

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::signing::signed_token;
use crate::world::{EPOCH_S, World, one_desk};

const CALLER: &str = "+14045550123";

fn lists(list: List, number: &str, expires_ms: Option<u64>) -> Arc<Lookup> {
    let written = Written {
        numbers: vec![number.into()],
        reason: "threats".into(),
        expires_ms,
        ..Written::default()
    };
    let mut book = Book::default();
    let draft = Draft::of(list, &written, Plan::default()).unwrap();
    let change = book.add(list, draft, Author { by: "ann", at_ms: 0 }).unwrap();
    book.apply(&change);
    Arc::new(book.lookup())
}

fn called(lists: Arc<Lookup>) -> World {
    let mut world = World::new(one_desk(), 9);
    world.tell(Input::SetLists(lists));
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(CallerPlan::new(CALLER).act(10.0, Act::Bye));
    world.run();
    world
}

#[test]
fn a_blocked_range_refuses_and_the_record_says_which_entry_it_was() {
    let world = called(lists(List::Block, "+1404*", None));
    let record = world.record();
    assert!(matches!(
        record.decisions[0].decision.action,
        Action::Refuse { .. }
    ));
    assert_eq!(record.outcome.as_ref().unwrap().ending, Ending::Refused);
    let listed = &record.facts.lists[0];
    assert_eq!(
        (
            listed.list,
            listed.entry,
            listed.what.reveal().as_str(),
            listed.reason.as_str()
        ),
        (List::Block, 1, "+1404*", "threats")
    );
}

#[test]
fn an_entry_that_has_expired_when_the_call_arrives_counts_for_nothing() {
    let at = |expires_ms| {
        called(lists(List::Block, CALLER, Some(expires_ms)))
            .record()
            .facts
            .lists
            .len()
    };
    let arrives_ms = EPOCH_S * 1000;
    assert_eq!((at(arrives_ms - 1), at(arrives_ms + 60_000)), (0, 1));
}

#[test]
fn a_number_that_is_blocked_while_they_talk_changes_its_label_and_ends_nothing() {
    let mut world = World::new(one_desk(), 9);
    world.helpers.windows = vec![0.1; 20];
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(CallerPlan::new(CALLER).act(10.0, Act::Bye));
    world.after(5.0, |world| {
        world.tell(Input::SetLists(lists(List::Block, CALLER, None)))
    });
    world.run();
    let record = world.record();
    assert_eq!(record.banners[0].banner.label, Label::Unproven);
    assert_eq!(record.banner.as_ref().unwrap().label, Label::Suspect);
    assert_eq!(record.outcome.as_ref().unwrap().ending, Ending::Completed);
    assert!(
        record.decisions[0].facts.as_ref().unwrap().lists.is_empty(),
        "as it was then"
    );
}

#[test]
fn reports_on_a_proven_number_follow_its_owner_and_nobody_who_borrows_it() {
    let mut ledger = Ledger::default();
    let subject = Subject {
        of: Reputable::Number,
        name: CALLER.into(),
    };
    for call in 1..=3 {
        let reported = Reported {
            at_ms: EPOCH_S * 1000,
            said: Said::Scam,
            subjects: vec![subject.clone()],
        };
        ledger.note(CallId(call), reported);
    }
    let known = Arc::new(ledger.reputations());
    let called = |token: Option<String>| {
        let mut world = World::new(one_desk(), 9);
        world.tell(Input::SetReputations(known.clone()));
        world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let mut plan = CallerPlan::new(CALLER).act(10.0, Act::Bye);
        if let Some(token) = token {
            plan = plan.header("Identity", &token);
        }
        world.call(plan);
        world.run();
        (world.tags(), world.record().clone())
    };
    let (tags, owner) = called(Some(signed_token('A', "14045550123", "12125550100", EPOCH_S)));
    assert!(tags.contains("NUMBER_ILL_REPUTED"), "{tags:?}");
    assert_eq!(
        owner.banners[0].banner.label,
        Label::Genuine,
        "3.0 against -1.0: told, and no more"
    );
    assert_eq!(
        (owner.facts.reputation[0].reports, owner.facts.reputation[0].bad),
        (3, 0.5)
    );
    let (tags, borrower) = called(None);
    assert!(
        !tags.contains("NUMBER_ILL_REPUTED") && borrower.facts.reputation.is_empty(),
        "{tags:?}"
    );
}
