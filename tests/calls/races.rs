//! Messages that are lost, come twice, or cross each other.

use std::time::Duration;

use ringward::call::record::Ending;

use crate::agent::State;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::{World, one_desk};

const CALLER: &str = "+14045550123";

#[test]
fn a_lost_ack_is_sent_again_and_the_call_goes_on() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.lose("ACK sip:ringward@", 2); // the caller's, to us
    let caller = world.call(CallerPlan::new(CALLER).act(10.0, Act::Bye));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let repeats = world
        .line(caller)
        .responses
        .iter()
        .filter(|r| r.status() == Some(200) && r.has_sdp())
        .count();
    assert_eq!(repeats, 3, "the 200 comes again until it is acknowledged");
}

#[test]
fn a_lost_ack_towards_the_phone_is_sent_again() {
    let mut world = World::new(one_desk(), 5);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.lose("ACK sip:phone@", 2);
    world.call(CallerPlan::new(CALLER).act(10.0, Act::Bye));
    world.run();
    assert_eq!(world.line(phone).acks.len(), 1);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_lost_200_is_sent_again_by_both_sides() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan::new(CALLER).act(10.0, Act::Bye));
    world.lose("SIP/2.0 200", 3); // the phone's twice, then ours
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_caller_that_never_acknowledges_ends_the_call_on_both_legs() {
    let mut world = World::new(one_desk(), 5);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan {
        never_acknowledges: true,
        ..CallerPlan::new(CALLER)
    });
    world.run();
    assert_eq!(world.ending(), (Ending::Failed, 200, "us"));
    assert_eq!(world.asked(phone), ["BYE"]);
    assert_eq!(world.asked(caller), ["BYE"]);
    let ended_ms = world.record().timings.ended_ms.unwrap();
    assert!(
        (33_000..34_000).contains(&ended_ms),
        "64*T1 after the answer: {ended_ms}"
    );
}

#[test]
fn a_bye_waits_for_the_ack_it_may_not_overtake() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0).act(0.1, Act::Bye));
    world.lose("ACK sip:ringward@", 1);
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.asked(caller), ["BYE"]);
    let at = |what: &str| world.trace.iter().position(|line| line.contains(what)).unwrap();
    let last_ack = world
        .trace
        .iter()
        .rposition(|line| line.contains("> 10.0.0.1:5060 ACK"))
        .unwrap();
    assert!(
        at("> 203.0.113.7:10001 BYE") > last_ack,
        "{}",
        world.trace.join("\n")
    );
}

#[test]
fn a_cancel_that_crosses_the_answer_leaves_nobody_connected() {
    // The CANCEL and the phone's 200 are under way at the same time, in every order.
    for gives_up_ms in 980..1030 {
        let mut world = World::new(one_desk(), 5);
        world.network.delay_ms = (5, 5);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let caller = world.call(
            CallerPlan::new(CALLER)
                .act(5.0, Act::Bye)
                .gives_up_after(f64::from(gives_up_ms) / 1000.0),
        );
        world.run();
        let finals: Vec<u16> = world
            .heard(caller, "INVITE")
            .into_iter()
            .filter(|status| *status >= 200)
            .collect();
        assert!(finals == [200] || finals == [487], "at {gives_up_ms}: {finals:?}");
        assert_eq!(world.line(phone).state, State::Over);
        let asked = world.asked(phone);
        let was_answered = !world.line(phone).acks.is_empty() && asked.contains(&"BYE".to_string());
        assert!(was_answered || asked == ["CANCEL"], "at {gives_up_ms}: {asked:?}");
    }
}

#[test]
fn a_phone_that_answers_after_its_cancel_is_acknowledged_and_hung_up() {
    let mut world = World::new(one_desk(), 5);
    let plan = PhonePlan {
        ignores_cancel: true,
        ..PhonePlan::answers_after(2.0)
    };
    let phone = world.phone("10.0.0.5:5060", plan);
    let caller = world.call(CallerPlan::new(CALLER).gives_up_after(1.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 487]);
    assert_eq!(world.asked(phone), ["CANCEL", "BYE"]);
    assert_eq!(world.line(phone).acks.len(), 1);
    assert_eq!(world.ending(), (Ending::Cancelled, 487, "caller"));
}

#[test]
fn hanging_up_while_it_rings_stops_the_phone() {
    let mut world = World::new(one_desk(), 5);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Never));
    let caller = world.call(CallerPlan::new(CALLER).gives_up_after(3.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 487]);
    assert_eq!(world.heard(caller, "CANCEL"), [200]);
    assert_eq!(world.asked(phone), ["CANCEL"]);
    assert_eq!(world.ending(), (Ending::Cancelled, 487, "caller"));
    assert_eq!(world.record().attempts[0].status, 487);
}

#[test]
fn hanging_up_while_facts_are_gathered_rings_nobody() {
    let mut world = World::new(one_desk(), 5);
    world.helpers.store = None;
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan::new(CALLER).gives_up_after(0.3));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 487]);
    assert_eq!(world.ending(), (Ending::Cancelled, 487, "caller"));
    assert!(world.record().attempts.is_empty());
}

#[test]
fn byes_that_cross_are_both_answered() {
    let mut world = World::new(one_desk(), 5);
    world.network.delay_ms = (20, 20);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0).act(5.0, Act::Bye));
    // The caller's clock starts when the 200 reaches it, 40 ms later.
    let caller = world.call(CallerPlan::new(CALLER).act(4.975, Act::Bye));
    world.run();
    assert_eq!(
        (world.heard(caller, "BYE"), world.heard(phone, "BYE")),
        (vec![200], vec![200])
    );
}

#[test]
fn a_phone_that_dies_in_the_call_does_not_keep_it() {
    let mut world = World::new(one_desk(), 5);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(CallerPlan::new(CALLER).act(5.0, Act::Bye));
    world.after(4.0, |world| {
        world.agents.remove(&"10.0.0.5:5060".parse().unwrap());
    });
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let ended_ms = world.record().timings.ended_ms.unwrap();
    assert!(
        ended_ms < 7000,
        "the record does not wait for the dead: {ended_ms}"
    );
    assert!(!world.agents.contains_key(&phone));
}

#[test]
fn everything_twice_and_in_any_order_is_still_one_call() {
    for seed in 0..40 {
        let mut world = World::new(one_desk(), seed);
        world.network.repeated = 1000;
        world.network.delay_ms = (1, 300);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
        world.call(CallerPlan::new(CALLER).act(4.0, Act::Hold).act(6.0, Act::Bye));
        world.run();
        assert_eq!(world.line(phone).state, State::Over, "seed {seed}");
        assert_eq!(world.ending(), (Ending::Completed, 200, "caller"), "seed {seed}");
    }
}

#[test]
fn one_datagram_in_five_lost_ends_cleanly_all_the_same() {
    for seed in 0..60 {
        let mut world = World::new(one_desk(), seed);
        world.network.lost = 200;
        world.network.delay_ms = (1, 80);
        world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0).act(9.0, Act::Bye));
        world.call(CallerPlan::new(CALLER).act(8.0, Act::Bye));
        world.run();
        let ended = world.record().timings.ended_ms.unwrap();
        assert!(
            Duration::from_millis(ended) < Duration::from_secs(60),
            "seed {seed}: {ended}"
        );
    }
}
