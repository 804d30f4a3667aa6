//! People signed in to phones: queues ring them wherever they are, and every answered call is theirs who sat there then.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringward::call::Input;
use ringward::call::record::Ending;
use ringward::policy::Policy;
use ringward::queue::{AtWork, Roster, Strategy};
use ringward::registrar::{Bound, Place};
use ringward::sip::Flow;

use crate::gateway::{GATEWAY, queue};
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::World;

const CALLER: &str = "+14045550123";

/// A world with three phones that have registered, `desk-1` to `desk-3` at 10.0.0.71 to 73.
fn office(strategy: Strategy, targets: &[&str], seed: u64) -> World {
    let mut world = World::with_config(
        vec![queue("desk", strategy, targets)],
        seed,
        Policy::embedded(),
        |_| (),
    );
    let devices = (1..=3).map(|n| {
        let place = Place {
            uri: format!("sip:desk-{n}@10.0.0.7{n}"),
            flow: Flow::udp(
                GATEWAY.parse().unwrap(),
                format!("10.0.0.7{n}:5060").parse().unwrap(),
            ),
        };
        (format!("desk-{n}"), vec![place])
    });
    let bound = Bound::new(devices.collect::<BTreeMap<_, _>>());
    world.tell(Input::SetBound(Arc::new(bound)));
    world
}

/// `[("ann", &["desk-1"])]`
fn roster(people: &[(&str, &[&str])]) -> Input<'static> {
    let people = people.iter().map(|(name, devices)| {
        let at_work = AtWork {
            devices: devices.iter().map(ToString::to_string).collect(),
            pause: None,
        };
        (name.to_string(), at_work)
    });
    Input::SetRoster(Arc::new(Roster::new(people)))
}

fn phone(world: &mut World, n: usize, plan: PhonePlan) {
    world.phone(&format!("10.0.0.7{n}:5060"), plan);
}

fn rings() -> PhonePlan {
    PhonePlan::with(Answer::Never)
}

fn talks() -> CallerPlan {
    CallerPlan::new(CALLER).act(2.0, Act::Bye)
}

/// Phone, person and status of every attempt.
fn attempts(world: &World) -> Vec<String> {
    let attempts = world.record().attempts.iter();
    attempts
        .map(|attempt| {
            let person = attempt.person.as_deref().unwrap_or("-");
            format!("{} {person} {}", attempt.target, attempt.status)
        })
        .collect()
}

#[test]
fn a_person_rings_wherever_he_is_signed_in_and_the_call_is_his() {
    let mut world = office(Strategy::InOrder, &["person:ann", "person:bob"], 1);
    world.tell(roster(&[("ann", &["desk-1", "desk-2"]), ("bob", &["desk-3"])]));
    phone(&mut world, 1, rings());
    phone(&mut world, 2, PhonePlan::answers_after(1.0));
    phone(&mut world, 3, PhonePlan::answers_after(1.0));
    world.call(talks());
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(
        attempts(&world),
        ["device:desk-1 ann 487", "device:desk-2 ann 200"]
    );
    let record = world.record();
    assert_eq!(
        (record.answered_by.as_deref(), record.person.as_deref()),
        (Some("desk-2"), Some("ann"))
    );
}

#[test]
fn a_person_who_is_signed_in_nowhere_is_passed_by() {
    let mut world = office(Strategy::InOrder, &["person:ann", "person:bob"], 2);
    world.tell(roster(&[("bob", &["desk-3"])]));
    phone(&mut world, 3, PhonePlan::answers_after(1.0));
    world.call(talks());
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.record().person.as_deref(), Some("bob"));
}

#[test]
fn whoever_sits_at_the_phone_at_the_moment_of_answering_has_the_call() {
    let mut world = office(Strategy::RingAll, &["device:desk-1"], 3);
    world.tell(roster(&[("ann", &["desk-1"])]));
    phone(&mut world, 1, PhonePlan::answers_after(5.0));
    world.call(talks());
    world.run_for(3.0);
    // The shift changes while it rings.
    world.tell(roster(&[("bob", &["desk-1"])]));
    world.run_for(4.0);
    // And again while they talk: the call stays his who took it.
    world.tell(roster(&[]));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.record().person.as_deref(), Some("bob"));
    assert_eq!(attempts(&world), ["device:desk-1 bob 200"]);
}

#[test]
fn a_phone_without_anybody_signed_in_takes_calls_for_nobody() {
    let mut world = office(Strategy::RingAll, &["device:desk-1"], 4);
    phone(&mut world, 1, PhonePlan::answers_after(1.0));
    world.call(talks());
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.record().person, None);
}

#[test]
fn a_person_at_phones_that_are_not_registered_is_not_reachable() {
    let mut world = office(Strategy::RingAll, &["person:ann"], 5);
    world.tell(roster(&[("ann", &["desk-8", "desk-9"])]));
    world.call(talks());
    world.run();
    let (ending, status, _) = world.ending();
    assert_eq!((ending, status), (Ending::NoAnswer, 480));
    assert_eq!(
        attempts(&world),
        ["device:desk-8 ann 480", "device:desk-9 ann 480"]
    );
}

#[test]
fn work_is_shared_out_by_person_whichever_phone_he_answered_at() {
    let mut world = office(Strategy::FewestCalls, &["person:ann", "person:bob"], 6);
    world.tell(roster(&[("ann", &["desk-1"]), ("bob", &["desk-2"])]));
    for n in 1..=3 {
        phone(&mut world, n, PhonePlan::answers_after(0.5));
    }
    let mut took = Vec::new();
    for call in 0..4 {
        if call == 1 {
            // Ann changes desks: what she has done goes with her.
            world.tell(roster(&[("ann", &["desk-3"]), ("bob", &["desk-2"])]));
        }
        world.call(talks());
        world.run_for(30.0);
        let last = world.records.values().filter_map(|records| records.last());
        let last = last.max_by_key(|record| record.started_ms).unwrap();
        took.push(last.person.clone().unwrap());
    }
    world.run();
    assert_eq!(took, ["ann", "bob", "ann", "bob"]);
}
