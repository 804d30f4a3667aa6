//! Who is known to be down: by probes, and by what another shard found out.

use std::time::Duration;

use ringward::queue::Strategy;
use ringward::route::{Candidate, Cause, Change, State as Standing};

use super::{TWO, named, talk, with_queue};
use crate::plan::PhonePlan;
use crate::world::{World, one_desk, queue};

fn probed() -> World {
    let mut desk = one_desk();
    desk[0].reach.probe = Some(Duration::from_secs(30));
    World::new(desk, 1)
}

fn probes(world: &World) -> usize {
    let options = world.asked_of.iter().filter(|(_, _, method)| method == "OPTIONS");
    options.count()
}

#[test]
fn a_probed_phone_is_asked_every_thirty_seconds_and_any_answer_will_do() {
    for status in [200, 404, 405, 481] {
        let mut world = probed();
        world.tell(ringward::call::Input::Tick);
        let phone = PhonePlan {
            options: status,
            ..PhonePlan::answers_after(1.0)
        };
        world.phone("10.0.0.5:5060", phone);
        world.run_for(300.0);
        assert!((9..=11).contains(&probes(&world)), "{}", probes(&world));
        assert!(world.standings.is_empty(), "{status}");
    }
}

#[test]
fn a_phone_that_goes_away_and_comes_back_is_seen_and_said_once_each() {
    let mut world = probed();
    world.tell(ringward::call::Input::Tick);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.run_for(120.0);
    world.agents.remove(&phone);
    world.run_for(240.0);
    assert_eq!(world.standings, ["udp:10.0.0.5:5060 unanswered"]);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.run_for(240.0);
    assert_eq!(
        world.standings,
        ["udp:10.0.0.5:5060 unanswered", "udp:10.0.0.5:5060 up"]
    );
    let calls = world.engine.live_calls();
    assert_eq!(calls, 0);
}

#[test]
fn a_phone_that_is_down_by_its_probes_is_rung_last() {
    let mut desk = queue(
        "desk",
        Strategy::InOrder,
        &["sip:anna@10.0.0.5:5060", "sip:ben@10.0.0.6:5060"],
    );
    desk.reach.probe = Some(Duration::from_secs(10));
    let mut world = World::new(vec![desk], 1);
    world.tell(ringward::call::Input::Tick);
    world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    world.run_for(60.0);
    assert_eq!(world.standings, ["udp:10.0.0.5:5060 unanswered"]);
    world.call(talk(1.0));
    world.run_for(60.0);
    let record = world.record();
    assert_eq!(record.attempts[0].target, "sip:ben@10.0.0.6:5060");
    assert!(
        record.timings.answered_ms.unwrap() < 1200,
        "no four seconds were lost"
    );
}

#[test]
fn only_the_first_shard_probes_and_the_others_hear_of_it() {
    let mut desk = one_desk();
    desk[0].reach.probe = Some(Duration::from_secs(10));
    let mut other = World::with_everything(
        desk,
        1,
        ringward::policy::Policy::embedded(),
        ringward::sip::Transport::Udp,
        (1, 2),
    );
    other.tell(ringward::call::Input::Tick);
    other.run_for(100.0);
    assert_eq!(probes(&other), 0);
}

#[test]
fn a_name_is_probed_at_every_address_it_has_from_the_moment_it_is_found() {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@pbx.example.com"]);
    desk.reach.probe = Some(Duration::from_secs(10));
    let mut world = with_queue(desk, &TWO);
    world.tell(ringward::call::Input::Tick);
    world.phone(TWO[1], PhonePlan::answers_after(1.0));
    world.run_for(30.0);
    assert_eq!(probes(&world), 0, "nobody knows yet where it is");
    world.locate("sip:pbx.example.com");
    world.run_for(60.0);
    assert_eq!(world.standings, ["udp:10.0.0.5:5060 unanswered"]);
    // The name moves: the old addresses are asked no more.
    world
        .zone
        .insert("pbx.example.com".into(), vec!["udp:10.0.0.7:5060".into()]);
    world.phone("10.0.0.7:5060", PhonePlan::answers_after(1.0));
    world.locate("sip:pbx.example.com");
    world.asked_of.clear();
    world.run_for(60.0);
    let asked = |address: &str| {
        let options = world.asked_of.iter().filter(|(_, _, method)| method == "OPTIONS");
        options.filter(|(to, ..)| to.to_string() == address).count()
    };
    assert_eq!(asked(TWO[1]), 0);
    let new = asked("10.0.0.7:5060");
    assert!((5..=7).contains(&new), "{new}");
}

#[test]
fn what_another_shard_found_out_counts_here() {
    let mut world = named(&TWO);
    let address = TWO[0].parse().unwrap();
    let transport = ringward::sip::Transport::Udp;
    let until = world.now().instant + Duration::from_secs(60);
    world.tell(ringward::call::Input::Standing(Change {
        candidate: Candidate { transport, address },
        state: Standing::Down {
            cause: Cause::Silent,
            until: Some(until),
        },
    }));
    let first = world.phone(TWO[0], PhonePlan::answers_after(1.0));
    let second = world.phone(TWO[1], PhonePlan::answers_after(1.0));
    world.call(talk(1.0));
    world.run();
    assert!(world.agents[&first].lines.is_empty());
    assert_eq!(world.agents[&second].lines.len(), 1);
}
