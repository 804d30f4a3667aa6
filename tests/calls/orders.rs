//! What a person who watches, or policy, wants of a call while it lasts, and what the record says of it afterwards.

use ringward::call::record::{Ending, OrderOutcome, State, TransferKind, TransferOutcome};
use ringward::call::{Input, Order, What};
use ringward::media::Side;
use ringward::policy::Policy;
use ringward::queue::{self, Strategy};
use ringward::screening::Label;

use crate::hand::PHONE;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::{Presses, World, one_desk, queue};

const NUMBER: &str = "+14045550123";
pub const GUARD: &str = "10.0.0.9:5060";

/// A desk, a guard, and these rules.
pub fn world(rules: &[(&str, &str, &str)]) -> World {
    let mut world = World::with_policy(two_queues(), 81, policy(rules));
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    world
}

pub fn two_queues() -> Vec<queue::Config> {
    let mut queues = one_desk();
    queues.push(queue(
        "security",
        Strategy::RingAll,
        &[&format!("sip:guard@{GUARD}")],
    ));
    queues[1].numbers = vec!["+19".to_string()];
    queues
}

pub fn policy(rules: &[(&str, &str, &str)]) -> Policy {
    let mut text = "[policy]\nname = 'p'\n".to_string();
    for (at, (when, then, stage)) in rules.iter().enumerate() {
        text += &format!(
            "[[rule]]\nid = 'r{at}'\nwhen = \"{when}\"\nthen = {then}\nstage = '{stage}'\nreason = 'x'\n"
        );
    }
    let names = ["desk".to_string(), "security".to_string()];
    Policy::load("p.toml", &text, &names).unwrap_or_else(|faults| panic!("{faults:?}"))
}

pub fn talks(seconds: f64) -> CallerPlan {
    CallerPlan::new(NUMBER).act(seconds, Act::Bye)
}

pub fn order(world: &mut World, what: What) {
    let call = *world.records.keys().next().unwrap();
    let order = Order {
        by: "ann".into(),
        what,
        why: Some("he asks for passwords".into()),
    };
    world.tell(Input::Order { call, order });
}

/// A call that talks for a while, then the order, then the rest of it.
pub fn ordered(mut world: World, what: What) -> World {
    world.call(talks(60.0));
    world.run_for(4.0);
    assert_eq!(world.record().state, State::Talking);
    order(&mut world, what);
    world.run();
    world
}

pub fn said(world: &World, side: Side) -> Vec<String> {
    let media = world.media.values().next();
    let said = media.into_iter().flat_map(|media| &media.said);
    let to = said.filter(|said| said.side == side);
    to.map(|said| {
        let names = said.names.iter();
        let names: Vec<&str> = names
            .map(|name| name.strip_prefix("digit-").map_or(name.as_str(), |_| "#"))
            .collect();
        names.join("+")
    })
    .collect()
}

/// What was ordered, of whom, and what came of it.
pub fn orders(world: &World) -> Vec<(String, String, OrderOutcome)> {
    let orders = world.record().orders.iter();
    orders
        .map(|order| (order.what.clone(), order.by.clone(), order.outcome))
        .collect()
}

pub fn by_ann(what: &str, outcome: OrderOutcome) -> Vec<(String, String, OrderOutcome)> {
    vec![(what.to_string(), "ann".to_string(), outcome)]
}

#[test]
fn a_person_can_warn_and_nobody_can_vouch() {
    let label = |world: &World| world.record().banner.as_ref().unwrap().label;
    let world = ordered(self::world(&[]), What::Relabel(Label::Campaign));
    assert_eq!(label(&world), Label::Campaign);
    assert_eq!(orders(&world), by_ann("relabel", OrderOutcome::Done));
    let ordered_ = &world.record().orders[0];
    assert_eq!(ordered_.to.as_deref(), Some("campaign"));
    assert_eq!(ordered_.why.as_deref(), Some("he asks for passwords"));
    assert!(ordered_.at_ms > 3_000);
    let world = ordered(self::world(&[]), What::Relabel(Label::Genuine));
    assert_eq!(label(&world), Label::Unproven);
}

#[test]
fn who_has_the_call_is_told_what_it_is_when_somebody_wants_that() {
    let world = ordered(world(&[]), What::Whisper);
    assert_eq!(said(&world, Side::B), ["whisper-unproven"]);
    assert!(said(&world, Side::A).is_empty());
    assert_eq!(orders(&world), by_ann("whisper", OrderOutcome::Done));
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_caller_is_asked_for_digits_in_the_middle_of_a_call_and_hears_what_came_of_it() {
    let world = ordered(self::world(&[]), What::Challenge);
    assert_eq!(said(&world, Side::A), ["challenge+#+#", "challenge-passed"]);
    assert!(world.tags().contains("CHALLENGE_PASSED"), "{:?}", world.tags());
    assert_eq!(orders(&world), by_ann("challenge", OrderOutcome::Done));
    let media = world.media.values().next().unwrap();
    assert!(
        media.hushed.iter().any(|(_, side)| *side == Side::A),
        "he hears the person again"
    );
    let mut silent = self::world(&[]);
    silent.helpers.presses = Presses::Nothing;
    let silent = ordered(silent, What::Challenge);
    assert!(silent.tags().contains("CHALLENGE_FAILED"), "{:?}", silent.tags());
    assert_eq!(said(&silent, Side::A).last().unwrap(), "challenge-failed");
    assert_eq!(orders(&silent), by_ann("challenge", OrderOutcome::Failed));
    assert_eq!(silent.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_call_is_moved_to_another_queue_and_the_phone_that_had_it_is_let_go() {
    let mut world = self::world(&[]);
    let guard = world.phone(GUARD, PhonePlan::answers_after(2.0));
    let world = ordered(world, What::Move("security".into()));
    assert_eq!(world.line(guard).state, crate::agent::State::Over);
    let record = world.record();
    assert_eq!(record.queue.as_deref(), Some("security"));
    assert_eq!(record.answered_by.as_deref(), Some("guard"));
    let transfer = &record.transfers[0];
    assert_eq!(
        (transfer.kind, transfer.outcome),
        (TransferKind::Ordered, TransferOutcome::Completed)
    );
    assert_eq!(orders(&world), by_ann("move", OrderOutcome::Done));
    assert_eq!(record.orders[0].to.as_deref(), Some("security"));
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_call_that_nobody_takes_over_stays_where_it_is() {
    let mut world = self::world(&[]);
    world.phone(GUARD, PhonePlan::with(Answer::Never));
    let world = ordered(world, What::Move("security".into()));
    assert_eq!(orders(&world), by_ann("move", OrderOutcome::Failed));
    assert_eq!(world.record().answered_by.as_deref(), Some("desk"));
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let nowhere = ordered(self::world(&[]), What::Move("nowhere".into()));
    assert_eq!(orders(&nowhere), by_ann("move", OrderOutcome::NotNow));
    assert!(nowhere.record().transfers.is_empty());
}

#[test]
fn an_order_to_end_a_call_ends_it_for_both() {
    let world = ordered(world(&[]), What::End);
    assert_eq!(orders(&world), by_ann("end", OrderOutcome::Done));
    assert_eq!(world.ending(), (Ending::Completed, 200, "us"));
}

#[test]
fn what_cannot_be_done_yet_is_written_down_as_such() {
    let mut world = self::world(&[]);
    world.phone(PHONE, PhonePlan::with(Answer::Never));
    world.call(CallerPlan::new(NUMBER).gives_up_after(8.0));
    world.run_for(2.0);
    for what in [What::Whisper, What::Challenge, What::Move("security".into())] {
        order(&mut world, what);
    }
    world.run();
    let outcomes: Vec<_> = orders(&world).into_iter().map(|order| order.2).collect();
    assert_eq!(outcomes, [OrderOutcome::NotNow; 3]);
    assert_eq!(world.ending(), (Ending::Cancelled, 487, "caller"));
}

#[test]
fn two_things_are_not_said_at_once_and_an_end_stops_either() {
    let mut world = self::world(&[]);
    world.is_mute = true;
    world.call(talks(60.0));
    world.run_for(4.0);
    for what in [What::Challenge, What::Whisper, What::Challenge, What::End] {
        order(&mut world, what);
    }
    world.run();
    let outcomes: Vec<_> = orders(&world).into_iter().map(|order| order.2).collect();
    use OrderOutcome::{Done, Failed, NotNow};
    assert_eq!(outcomes, [Failed, NotNow, NotNow, Done]);
}

#[test]
fn policy_asks_a_caller_in_the_middle_of_a_call_once_and_ends_it_when_he_fails() {
    let rules = [
        ("talk.challenge == 'failed'", "'end'", "live"),
        ("true", "'challenge'", "live"),
    ];
    for (presses, is_ended) in [(Presses::Right, false), (Presses::Nothing, true)] {
        let mut world = self::world(&rules);
        world.helpers.presses = presses;
        world.helpers.windows = vec![0.1; 50];
        world.call(talks(60.0));
        world.run();
        let asked = said(&world, Side::A);
        assert_eq!(
            asked.iter().filter(|said| *said == "challenge+#+#").count(),
            1,
            "{asked:?}"
        );
        let by = if is_ended { "us" } else { "caller" };
        assert_eq!(world.ending(), (Ending::Completed, 200, by));
        let record = world.record();
        let whats: Vec<&str> = record.orders.iter().map(|order| order.what.as_str()).collect();
        assert_eq!(
            whats,
            if is_ended {
                vec!["challenge", "end"]
            } else {
                vec!["challenge"]
            }
        );
        for order in &record.orders {
            assert!(order.by.starts_with("policy p@"), "{}", order.by);
        }
        if let Some(end) = record.orders.get(1) {
            let last = record.spoken.last().unwrap();
            assert_eq!(last.prompt, "challenge-failed");
            assert!(
                last.until_ms <= Some(end.at_ms),
                "he hears it out: {last:?} {end:?}"
            );
            let note = record.outcome.as_ref().unwrap().note.clone().unwrap();
            assert_eq!(note, format!("ended by {}", end.by));
        }
        assert_eq!(record.orders[0].why.as_deref(), Some("r1: x"));
    }
}

#[test]
fn policy_whispers_once_for_each_label_and_moves_a_call_once() {
    let mut world = self::world(&[
        ("voice.state == 'spoof'", "{ divert = 'security' }", "live"),
        ("true", "'whisper'", "live"),
    ]);
    let guard = world.phone(GUARD, PhonePlan::answers_after(2.0));
    world.helpers.windows = [vec![0.0; 6], vec![-2.0; 30]].concat();
    world.call(talks(40.0));
    world.run();
    assert_eq!(said(&world, Side::B), ["whisper-unproven"]);
    let record = world.record();
    let whats: Vec<&str> = record.orders.iter().map(|order| order.what.as_str()).collect();
    assert_eq!(whats, ["whisper", "move"]);
    assert_eq!(world.line(guard).state, crate::agent::State::Over);
    assert_eq!(record.queue.as_deref(), Some("security"));
}

#[test]
fn an_emergency_is_neither_ended_nor_asked_anything() {
    let mut world = self::world(&[("true", "'end'", "live")]);
    let mut plan = talks(20.0);
    plan.headers.push(("Priority", "psap-callback".into()));
    world.call(plan);
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert!(world.record().orders.is_empty());
}
