//! More calls than can be taken: 503 when the whole gateway is full, 480 for whoever has too many; nothing for those that go on.

use ringward::flood::{Allowance, CallLimits, Shared, SurgeConfig};

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::world::{World, one_desk};

const PHONE: &str = "10.0.0.5:5060";

fn world(limits: CallLimits) -> World {
    let mut world = World::new(one_desk(), 503);
    world.engine = world
        .engine
        .with_flood(Shared::new(limits, SurgeConfig::default()));
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    world
}

fn at_once(calls: u32) -> Allowance {
    Allowance {
        calls,
        ..CallLimits::default().all
    }
}

fn per_second(per_second: u32) -> Allowance {
    Allowance {
        per_second,
        ..CallLimits::default().all
    }
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
        all: at_once(3),
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
        source: per_second(5),
        ..CallLimits::default()
    });
    let fast: Vec<_> = (0..9).map(|n| world.call_after(0.0, plan(n, 1.0))).collect();
    let other = "203.0.113.99:5060".parse().unwrap();
    world.call_from(other, 0.0, plan(50, 1.0));
    let later: Vec<_> = (20..25).map(|n| world.call_after(3.0, plan(n, 1.0))).collect();
    world.run();
    let mut answers = finals(&world, &fast);
    answers.sort_unstable();
    assert_eq!(answers, [200, 200, 200, 200, 200, 480, 480, 480, 480]);
    assert_eq!(finals(&world, &[other]), [200]);
    assert_eq!(finals(&world, &later), [200; 5]);
}

#[test]
fn what_calls_itself_an_emergency_gets_through_up_to_its_share() {
    let mut world = world(CallLimits {
        all: at_once(10),
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
        all: Allowance {
            per_second: 10,
            ..at_once(20)
        },
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

/// Two phones that may call each other, and a caller who talks to the first.
fn world_of_phones(limits: CallLimits) -> (World, std::net::SocketAddr) {
    let queues = crate::transfers::three_queues();
    let mut world = World::with_config(queues, 503, ringward::policy::Policy::embedded(), |config| {
        config.outbound.from_phones = true;
    });
    world.engine = world
        .engine
        .with_flood(Shared::new(limits, SurgeConfig::default()));
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let sales = world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    (world, sales)
}

#[test]
fn a_phone_that_takes_a_call_over_is_no_new_call() {
    let (mut world, sales) = world_of_phones(CallLimits {
        all: Allowance {
            per_second: 1,
            ..at_once(1)
        },
        ..CallLimits::default()
    });
    world.call(plan(1, 40.0));
    world.run_for(3.0);
    let desk = PHONE.parse().unwrap();
    let (id, local, remote) = world.line(desk).dialog();
    let replaces = format!("{id};to-tag={remote};from-tag={local}");
    let take_over = CallerPlan::new("sales")
        .header("Replaces", &replaces)
        .act(2.0, Act::Bye);
    world.calls_after(0.0, sales, take_over);
    // One that names nothing is a new call like any other, and so is one of a trunk.
    let mut wrong = CallerPlan::new("sales").header("Replaces", &format!("{id};to-tag=x;from-tag=y"));
    wrong.call_id = Some("wrong".into());
    world.calls_after(0.5, desk, wrong);
    let other = world.call_after(0.5, plan(2, 1.0).header("Replaces", &replaces));
    world.run();
    assert_eq!(world.heard(sales, "INVITE"), [100, 200]);
    let heard: Vec<_> = world.agents[&desk].lines["wrong"]
        .responses
        .iter()
        .map(|r| r.status())
        .collect();
    assert_eq!(heard, [Some(503)]);
    assert_eq!(finals(&world, &[other]), [503]);
}

#[test]
fn calls_of_phones_take_tokens_as_those_of_trunks_do() {
    let (mut world, sales) = world_of_phones(CallLimits {
        source: per_second(3),
        ..CallLimits::default()
    });
    let calls = |world: &mut World, seconds: f64, name: &str, urgent: bool| {
        let mut call = CallerPlan::new("sales").act(1.0, Act::Bye);
        call.called = "102".into();
        call.call_id = Some(name.into());
        if urgent {
            call = call.header("Priority", "psap-callback");
        }
        world.calls_after(seconds, sales, call);
    };
    world.phone("10.0.0.7:5060", PhonePlan::answers_after(0.1));
    for name in ["a", "b", "c", "d", "e"] {
        calls(&mut world, 0.0, name, false);
    }
    calls(&mut world, 0.1, "urgent", true);
    calls(&mut world, 5.0, "later", false);
    world.run();
    let last = |name: &str| {
        world.agents[&sales].lines[name]
            .responses
            .iter()
            .rfind(|r| r.method() == "INVITE")
            .unwrap()
            .status()
    };
    let mut all = ["a", "b", "c", "d", "e"].map(last);
    all.sort_unstable();
    assert_eq!(all, [200, 200, 200, 480, 480].map(Some));
    assert_eq!(
        last("urgent"),
        Some(200),
        "the share of emergencies is theirs too"
    );
    assert_eq!(last("later"), Some(200));
}
