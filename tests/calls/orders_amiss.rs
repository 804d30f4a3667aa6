//! Orders that come at a bad moment: somebody has hung up, is on hold, or the call is not of the kind they are made for.

use std::sync::Arc;

use ringward::call::record::{Ending, OrderOutcome, State, TransferOutcome};
use ringward::call::{Input, Order, What, Whisper};
use ringward::media::Side;
use ringward::policy::{Lineup, Policy};
use ringward::queue::Overflow;
use ringward::screening::Label;

use crate::hand::PHONE;
use crate::orders::{GUARD, by_ann, order, ordered, orders, policy, said, talks, two_queues, world};
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::transfers::three_queues;
use crate::world::World;

fn outcomes(world: &World) -> Vec<OrderOutcome> {
    orders(world).into_iter().map(|order| order.2).collect()
}

fn security() -> What {
    What::Move("security".into())
}

#[test]
fn whoever_orders_a_call_away_may_hang_up_at_once_and_the_caller_hears_music_until_somebody_answers() {
    let mut world = world(&[]);
    let desk = world.phone(PHONE, PhonePlan::answers_after(1.0).act(4.0, Act::Bye));
    world.phone(GUARD, PhonePlan::answers_after(6.0));
    let world = ordered(world, security());
    assert_eq!(world.heard(desk, "BYE"), [200]);
    assert_eq!(said(&world, Side::A), ["hold"]);
    let media = world.media.values().next().unwrap();
    let (hushed, side) = media.hushed.last().unwrap();
    assert_eq!(*side, Side::A);
    assert!(hushed.as_secs() >= 9, "when the guard answers: {hushed:?}");
    assert_eq!(world.record().answered_by.as_deref(), Some("guard"));
    assert_eq!(orders(&world), by_ann("move", OrderOutcome::Done));
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_caller_whom_nobody_takes_after_that_is_told_so_before_he_is_hung_up() {
    for is_mute in [false, true] {
        let mut world = world(&[]);
        world.is_mute = is_mute;
        world.phone(PHONE, PhonePlan::answers_after(1.0).act(4.0, Act::Bye));
        world.phone(GUARD, PhonePlan::with(Answer::Never));
        let world = ordered(world, security());
        assert_eq!(said(&world, Side::A), ["hold", "nobody"]);
        assert_eq!(orders(&world), by_ann("move", OrderOutcome::Failed));
        assert_eq!(world.record().transfers[0].outcome, TransferOutcome::Failed);
        assert_eq!(world.ending(), (Ending::Completed, 200, "called"));
    }
}

#[test]
fn a_caller_who_is_being_asked_hears_music_once_that_is_over() {
    let mut world = world(&[]);
    world.phone(
        PHONE,
        PhonePlan::answers_after(1.0)
            .act(3.5, Act::refer(&format!("sip:guard@{GUARD}")))
            .act(3.6, Act::Bye),
    );
    world.phone(GUARD, PhonePlan::answers_after(15.0));
    let world = ordered(world, What::Challenge);
    assert_eq!(
        said(&world, Side::A),
        ["challenge+#+#", "challenge-passed", "hold"]
    );
    assert_eq!(orders(&world), by_ann("challenge", OrderOutcome::Done));
    assert_eq!(world.record().answered_by.as_deref(), Some("guard"));
}

#[test]
fn who_is_on_hold_is_neither_asked_nor_told_anything() {
    let holds = |at: f64| {
        CallerPlan::new("+14045550123")
            .act(at, Act::Hold)
            .act(60.0, Act::Bye)
    };
    let rules = [("talk.challenge == 'failed'", "'end'", "live")];
    let mut world = self::world(&rules);
    world.call(holds(2.0));
    world.run_for(4.0);
    order(&mut world, What::Challenge);
    order(&mut world, What::Whisper);
    world.run();
    assert_eq!(outcomes(&world), [OrderOutcome::NotNow; 2]);
    assert!(said(&world, Side::A).is_empty() && said(&world, Side::B).is_empty());
    // Held while he is asked: he could not press, and that is not his fault.
    let mut world = self::world(&rules);
    world.is_mute = true;
    world.call(holds(8.0));
    world.run_for(4.0);
    order(&mut world, What::Challenge);
    world.run();
    assert_eq!(outcomes(&world), [OrderOutcome::Failed]);
    assert!(world.tags().contains("CHALLENGE_UNABLE"), "{:?}", world.tags());
    assert_eq!(said(&world, Side::A), ["challenge+#+#"]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_call_that_a_phone_of_ours_makes_can_only_be_ended() {
    let mut world = World::with_config(three_queues(), 82, Policy::embedded(), |config| {
        config.outbound.from_phones = true;
    });
    let desk = world.phone(PHONE, PhonePlan::answers_after(1.0));
    world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    let mut plan = CallerPlan::new("desk").act(60.0, Act::Bye);
    plan.called = "101".into();
    world.calls_after(0.0, desk, plan);
    world.run_for(4.0);
    assert_eq!(world.record().state, State::Talking);
    for what in [
        What::Relabel(Label::Suspect),
        What::Whisper,
        What::Challenge,
        What::Move("night".into()),
        What::End,
    ] {
        order(&mut world, what);
    }
    world.run();
    use OrderOutcome::{Done, NotNow};
    assert_eq!(outcomes(&world), [NotNow, NotNow, NotNow, NotNow, Done]);
    assert!(world.record().facts.relabelled.is_none());
    assert!(said(&world, Side::A).is_empty() && said(&world, Side::B).is_empty());
    assert_eq!(world.ending(), (Ending::Completed, 200, "us"));
}

#[test]
fn a_call_is_moved_where_it_was_ordered_or_nowhere() {
    let mut queues = two_queues();
    queues[1].overflow = Overflow::Queue("desk".into());
    queues[1].targets.insert(0, format!("sip:desk@{PHONE}"));
    let mut world = World::with_policy(queues, 83, policy(&[]));
    let desk = world.phone(PHONE, PhonePlan::answers_after(1.0));
    let guard = world.phone(GUARD, PhonePlan::with(Answer::Never));
    world.call(talks(60.0));
    world.run_for(4.0);
    order(&mut world, What::Move("desk".into()));
    order(&mut world, security());
    world.run();
    assert_eq!(outcomes(&world), [OrderOutcome::NotNow, OrderOutcome::Failed]);
    assert_eq!(world.agents[&desk].lines.len(), 1, "it has the call already");
    assert_eq!(world.agents[&guard].lines.len(), 1);
    assert_eq!(world.record().queue.as_deref(), Some("desk"));
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn the_people_a_call_is_moved_to_are_told_what_it_is_as_their_queue_wants() {
    let mut world = World::with_config(two_queues(), 84, policy(&[]), |config| {
        config.whispers.insert("security".into(), Whisper::All);
    });
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    world.phone(GUARD, PhonePlan::answers_after(2.0));
    let world = ordered(world, security());
    assert_eq!(said(&world, Side::B), ["whisper-unproven"]);
    assert_eq!(said(&world, Side::A), ["ringing"]);
    assert_eq!(orders(&world), by_ann("move", OrderOutcome::Done));
}

#[test]
fn what_somebody_warned_of_is_not_made_milder_by_the_next() {
    let mut world = world(&[]);
    world.call(talks(20.0));
    world.run_for(4.0);
    for label in [Label::Campaign, Label::Suspect, Label::Campaign, Label::Forged] {
        order(&mut world, What::Relabel(label));
    }
    world.run();
    use OrderOutcome::{Done, Failed};
    assert_eq!(outcomes(&world), [Done, Failed, Failed, Done]);
    assert_eq!(world.record().banner.as_ref().unwrap().label, Label::Forged);
}

#[test]
fn an_order_that_comes_after_the_end_stands_in_the_record_all_the_same() {
    let mut world = world(&[]);
    world.call(talks(60.0));
    world.run_for(4.0);
    order(&mut world, What::End);
    order(&mut world, What::Whisper);
    world.run();
    assert_eq!(outcomes(&world), [OrderOutcome::Done, OrderOutcome::NotNow]);
}

#[test]
fn what_no_longer_can_be_written_down_is_not_done_but_an_end_is() {
    let mut world = world(&[]);
    world.is_mute = true;
    world.call(talks(60.0));
    world.run_for(4.0);
    for _ in 0..40 {
        order(&mut world, What::Whisper);
    }
    order(&mut world, What::Relabel(Label::Forged));
    assert!(world.record().facts.relabelled.is_none(), "it is not listed");
    order(&mut world, What::End);
    world.run();
    let outcomes = outcomes(&world);
    assert_eq!((outcomes.len(), outcomes.last()), (32, Some(&OrderOutcome::Done)));
    assert_eq!(world.record().orders[31].what, "end");
    assert_eq!(world.ending(), (Ending::Completed, 200, "us"));
}

#[test]
fn policy_is_asked_of_a_call_that_we_had_answered_and_of_one_that_was_warned_of_though_nobody_listens() {
    for first in ["'screen'", "'label'"] {
        let mut world = world(&[("true", "'whisper'", "live"), ("true", first, "arrive")]);
        world.call(talks(60.0));
        world.run_for(30.0);
        assert_eq!(said(&world, Side::B), ["whisper-unproven"], "{first}");
        order(&mut world, What::Relabel(Label::Suspect));
        world.run();
        assert_eq!(said(&world, Side::B), ["whisper-unproven", "whisper-suspect"]);
    }
}

#[test]
fn a_wish_of_a_policy_that_judges_no_more_is_forgotten() {
    for (is_taken_back, expected) in [(false, vec!["challenge"]), (true, vec!["whisper"])] {
        let mut world = world(&[("voice.state == 'spoof'", "'challenge'", "live")]);
        world.helpers.windows = [vec![0.0; 4], vec![-2.0; 30]].concat();
        let plan = CallerPlan::new("+14045550123");
        let plan = plan
            .act(2.0, Act::Hold)
            .act(20.0, Act::Resume)
            .act(80.0, Act::Bye);
        world.call(plan);
        world.run_for(15.0);
        assert!(orders(&world).is_empty(), "he is on hold");
        let other = policy(&[("true", "'whisper'", "live")]);
        let by = Order::name_of_policy(other.revision());
        if is_taken_back {
            world.tell(Input::SetPolicies(Arc::new(Lineup::of(Arc::new(other)))));
        }
        world.run();
        let whats: Vec<&str> = world
            .record()
            .orders
            .iter()
            .map(|order| order.what.as_str())
            .collect();
        assert_eq!(whats, expected);
        assert_eq!(world.record().orders[0].by == by, is_taken_back);
    }
}

#[test]
fn a_call_that_policy_wants_ended_does_not_ring_on() {
    let mut world = world(&[("label == 'forged'", "'end'", "live")]);
    let desk = world.phone(PHONE, PhonePlan::with(Answer::Never));
    world.call(talks(60.0));
    world.run_for(2.0);
    assert_eq!(world.record().state, State::Ringing);
    order(&mut world, What::Relabel(Label::Forged));
    world.run();
    assert_eq!(world.asked(desk), ["CANCEL"]);
    assert_eq!(world.ending(), (Ending::Failed, 480, "us"));
    let note = world.record().outcome.as_ref().unwrap().note.clone().unwrap();
    assert!(note.starts_with("ended by policy p@"), "{note}");
}

#[test]
fn nobody_asks_anything_of_a_proven_emergency() {
    let mut world = world(&[]);
    let mut plan = talks(20.0);
    plan.headers.push(("Priority", "emergency".into()));
    plan.headers.push(("Resource-Priority", "esnet.0".into()));
    world.call_from("203.0.114.7:6001".parse().unwrap(), 0.0, plan);
    world.run_for(4.0);
    assert!(world.record().facts.bypasses_every_gate());
    order(&mut world, What::Challenge);
    world.run();
    assert_eq!(outcomes(&world), [OrderOutcome::NotNow]);
    assert!(said(&world, Side::A).is_empty());
}
