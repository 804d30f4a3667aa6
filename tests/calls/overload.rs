//! More calls than can be taken: 503 for new ones, nothing for those that go on.

use ringward::call::CallLimits;

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::world::{World, one_desk};

const PHONE: &str = "10.0.0.5:5060";

fn world(limits: CallLimits) -> World {
    let mut world = World::new(one_desk(), 503);
    world.engine = world.engine.with_limits(limits);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    world
}

fn plan(number: u32, seconds: f64) -> CallerPlan {
    CallerPlan::new(&format!("+1404555{number:04}")).act(seconds, Act::Bye)
}

/// The last answer to each caller's INVITE.
fn finals(world: &World, callers: &[std::net::SocketAddr]) -> Vec<u16> {
    let last = |caller| {
        let answers = world.line(caller).responses.iter();
        let to_invite = answers.filter(|answer| answer.must("CSeq").ends_with("INVITE"));
        to_invite.filter_map(|answer| answer.status()).next_back()
    };
    callers
        .iter()
        .map(|caller| last(*caller).unwrap_or_default())
        .collect()
}

#[test]
fn past_the_number_of_calls_new_ones_hear_503_and_live_ones_go_on() {
    let mut world = world(CallLimits {
        calls: 3,
        ..CallLimits::default()
    });
    let live: Vec<_> = (0..3)
        .map(|n| world.call_after(0.0, plan(n, 20.0).act(5.0, Act::Hold).act(8.0, Act::Resume)))
        .collect();
    let refused: Vec<_> = (3..6).map(|n| world.call_after(4.0, plan(n, 1.0))).collect();
    let later = world.call_after(60.0, plan(9, 1.0));
    world.run();
    assert_eq!(finals(&world, &live), [200, 200, 200]);
    for caller in &live {
        let line = world.line(*caller);
        assert!(
            line.responses.iter().all(|answer| answer.status() != Some(503)),
            "hold, resume and BYE are answered as ever"
        );
    }
    assert_eq!(finals(&world, &refused), [503, 503, 503]);
    for caller in refused {
        let answer = world.line(caller).responses.last().unwrap().clone();
        assert!(answer.must("Retry-After").parse::<u32>().is_ok());
    }
    assert_eq!(finals(&world, &[later]), [200], "without anything started again");
    assert_eq!(world.counts["overloaded"], 3);
}

#[test]
fn one_source_that_calls_too_fast_is_held_back_and_another_is_not() {
    let mut world = world(CallLimits {
        source_calls_per_second: 5,
        ..CallLimits::default()
    });
    let fast: Vec<_> = (0..9).map(|n| world.call_after(0.0, plan(n, 1.0))).collect();
    let other = "203.0.113.99:5060".parse().unwrap();
    world.call_from(other, 0.0, plan(50, 1.0));
    let later: Vec<_> = (20..25).map(|n| world.call_after(3.0, plan(n, 1.0))).collect();
    world.run();
    let mut answers = finals(&world, &fast);
    answers.sort_unstable();
    assert_eq!(answers, [200, 200, 200, 200, 200, 503, 503, 503, 503]);
    assert_eq!(finals(&world, &[other]), [200]);
    assert_eq!(finals(&world, &later), [200; 5]);
}

#[test]
fn what_calls_itself_an_emergency_gets_through_up_to_its_share() {
    let mut world = world(CallLimits {
        calls: 10,
        ..CallLimits::default()
    });
    let plain: Vec<_> = (0..10).map(|n| world.call_after(0.0, plan(n, 30.0))).collect();
    let urgent: Vec<_> = (20..23)
        .map(|n| world.call_after(3.0, plan(n, 20.0).header("Priority", "psap-callback")))
        .collect();
    let late = world.call_after(3.5, plan(30, 1.0));
    world.run();
    assert_eq!(finals(&world, &plain), [200; 10]);
    let mut answers = finals(&world, &urgent);
    answers.sort_unstable();
    assert_eq!(answers, [200, 503, 503], "one is a tenth of ten");
    assert_eq!(finals(&world, &[late]), [503]);
}

#[test]
fn a_flood_leaves_nothing_behind() {
    let mut world = world(CallLimits {
        calls: 20,
        calls_per_second: 10,
        ..CallLimits::default()
    });
    for number in 0..2_000 {
        world.call_after(f64::from(number) / 1_000.0, plan(number, 1.0));
    }
    world.run_for(1.0);
    assert!(world.engine.live_calls() <= 20);
    let parts = world.engine.live_parts();
    assert!(
        parts.transactions < 200,
        "refused calls cost no transaction: {parts:?}"
    );
    world.run();
    assert_eq!(world.engine.live_calls(), 0);
    assert_eq!(world.engine.live_parts(), Default::default());
    assert!(world.counts["overloaded"] > 1_500, "{:?}", world.counts);
}
