//! Calls on several shards: one is taken over or joined with another of a different shard, and what happens when shards
//! cannot tell each other.

use std::net::SocketAddr;
use std::time::Duration;

use ringward::call::record::{Direction, TransferKind, TransferOutcome};
use ringward::call::shard_of;

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::transfers::three_queues;
use crate::world::World;

const CALLER: &str = "+14045550123";
const BOTH: [(u16, u16); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

/// The `nth` Call-ID that this one of two shards owns.
fn call_id(shard: u16, nth: usize) -> Option<String> {
    let ids = (0..).map(|number| format!("call-{number}"));
    ids.filter(|id| shard_of(id.as_bytes(), 2) == shard).nth(nth)
}

struct Scene {
    world: World,
    caller: SocketAddr,
    desk: SocketAddr,
    sales: SocketAddr,
    night: SocketAddr,
}

/// The caller's call is on this one of two shards and the desk has answered it; three seconds have passed.
fn scene(shard: u16, seed: u64, desk: PhonePlan, sales: PhonePlan) -> Scene {
    scene_of(40.0, shard, seed, desk, sales)
}

/// The same with a caller who hangs up after so many seconds.
fn scene_of(seconds: f64, shard: u16, seed: u64, desk: PhonePlan, sales: PhonePlan) -> Scene {
    let mut world = World::with_shards(three_queues(), seed, 2, |config| {
        config.outbound.from_phones = true
    });
    let desk = world.phone("10.0.0.5:5060", desk);
    let sales = world.phone("10.0.0.6:5060", sales);
    let night = world.phone("10.0.0.7:5060", PhonePlan::answers_after(1.0));
    let mut plan = CallerPlan::new(CALLER).act(seconds, Act::Bye);
    plan.call_id = call_id(shard, 0);
    let caller = world.call(plan);
    world.run_for(3.0);
    Scene {
        world,
        caller,
        desk,
        sales,
        night,
    }
}

/// An INVITE with Replaces from this phone, with a Call-ID of this shard, for the dialog of that phone's line.
fn take_over(scene: &mut Scene, shard: u16, by: SocketAddr, from: SocketAddr, line: &str) {
    let (id, local, remote) = scene.world.agents[&from].lines[line].dialog();
    let mut plan = CallerPlan::new("somebody")
        .header("Replaces", &format!("{id};to-tag={remote};from-tag={local}"))
        .act(4.0, Act::Hold)
        .act(6.0, Act::Resume)
        .act(10.0, Act::Bye);
    plan.call_id = call_id(shard, 7);
    scene.world.calls_after(0.0, by, plan);
}

/// A phone calls the number of another, with a Call-ID of this shard, and five seconds pass.
fn consult(scene: &mut Scene, by: SocketAddr, number: &str, shard: u16) {
    let mut plan = CallerPlan::new("somebody");
    plan.called = number.into();
    plan.call_id = call_id(shard, number.parse::<usize>().unwrap() % 100);
    scene.world.calls_after(0.0, by, plan);
    scene.world.run_for(5.0);
}

/// The phone joins the call that it answered with the one it began.
fn join(scene: &mut Scene, by: SocketAddr) {
    let own = scene.world.line_of(by, true);
    join_with(scene, by, &own);
}

fn join_with(scene: &mut Scene, by: SocketAddr, own: &str) {
    let (id, local, remote) = scene.world.agents[&by].lines[own].dialog();
    let to = format!("<sip:ringward@10.0.0.1:5060?Replaces={id}%3Bto-tag%3D{remote}%3Bfrom-tag%3D{local}>");
    let answered = scene.world.line_of(by, false);
    scene
        .world
        .tell_to_ask(by, &answered, "REFER", &[("Refer-To", to)]);
}

/// The transfers of the caller's call.
fn transfers(world: &World) -> Vec<(TransferKind, TransferOutcome, u16)> {
    let mut records = world.records.values().map(|records| records.last().unwrap());
    let inbound = records
        .find(|record| record.direction == Direction::Inbound)
        .unwrap();
    let transfers = inbound.transfers.iter();
    transfers
        .map(|transfer| (transfer.kind, transfer.outcome, transfer.status))
        .collect()
}

const JOINED: (TransferKind, TransferOutcome, u16) =
    (TransferKind::Attended, TransferOutcome::Completed, 200);
const TAKEN: (TransferKind, TransferOutcome, u16) =
    (TransferKind::TakenOver, TransferOutcome::Completed, 200);

#[test]
fn a_phone_takes_over_a_call_of_whichever_shard_and_may_hold_and_hang_up() {
    for (of_call, of_phone) in BOTH {
        let mut scene = scene(
            of_call,
            3,
            PhonePlan::answers_after(1.0),
            PhonePlan::answers_after(1.0),
        );
        let (desk, sales) = (scene.desk, scene.sales);
        let answered = scene.world.line_of(desk, false);
        take_over(&mut scene, of_phone, sales, desk, &answered);
        scene.world.run();
        let finals = scene.world.heard(sales, "INVITE");
        assert_eq!(finals, [100, 200, 100, 200, 100, 200], "{of_call} {of_phone}");
        assert_eq!(scene.world.asked(desk), ["BYE"]);
        assert_eq!(scene.world.heard(sales, "BYE"), [200]);
        assert!(scene.world.asked(scene.caller).contains(&"BYE".to_string()));
        assert_eq!(transfers(&scene.world), [TAKEN]);
        assert_eq!(
            scene.world.passed_on > 0,
            of_call != of_phone,
            "{of_call} {of_phone}"
        );
    }
}

#[test]
fn a_take_over_from_another_shard_that_is_refused_leaves_nothing_behind() {
    for of_call in [0, 1] {
        let mut scene = scene(
            of_call,
            3,
            PhonePlan::answers_after(1.0),
            PhonePlan::answers_after(1.0),
        );
        let answered = scene.world.line_of(scene.desk, false);
        let (id, local, remote) = scene.world.agents[&scene.desk].lines[&answered].dialog();
        let mut plan =
            CallerPlan::new("sales").header("Replaces", &format!("{id};to-tag={remote}x;from-tag={local}"));
        plan.call_id = call_id(1 - of_call, 7);
        scene.world.calls_after(0.0, scene.sales, plan);
        scene.world.run();
        assert_eq!(scene.world.heard(scene.sales, "INVITE"), [100, 481]);
        assert!(scene.world.passed_on > 0);
        assert!(transfers(&scene.world).is_empty());
    }
}

#[test]
fn what_a_trunk_writes_into_replaces_sends_nothing_to_another_shard() {
    let mut scene = scene(0, 3, PhonePlan::answers_after(1.0), PhonePlan::answers_after(1.0));
    let answered = scene.world.line_of(scene.desk, false);
    let (id, local, remote) = scene.world.agents[&scene.desk].lines[&answered].dialog();
    let mut plan = CallerPlan::new("+14045550199")
        .header("Replaces", &format!("{id};to-tag={remote};from-tag={local}"))
        .act(5.0, Act::Bye);
    plan.call_id = call_id(1, 7);
    scene.world.call(plan);
    scene.world.run();
    assert_eq!(scene.world.passed_on, 0);
}

#[test]
fn a_take_over_survives_a_network_that_loses_and_repeats() {
    for seed in 0..12 {
        let mut scene = scene(
            0,
            seed,
            PhonePlan::answers_after(1.0),
            PhonePlan::answers_after(1.0),
        );
        scene.world.network.lost = 100;
        scene.world.network.repeated = 100;
        scene.world.network.delay_ms = (1, 20);
        let (desk, sales) = (scene.desk, scene.sales);
        let answered = scene.world.line_of(desk, false);
        take_over(&mut scene, 1, sales, desk, &answered);
        scene.world.run();
        assert_eq!(transfers(&scene.world), [TAKEN], "seed {seed}");
    }
}

#[test]
fn a_call_that_was_taken_over_by_an_invite_that_came_twice_can_be_hung_up_long_after() {
    for seed in 0..6 {
        let phone = || PhonePlan::answers_after(1.0);
        let mut scene = scene_of(300.0, 0, seed, phone(), phone());
        scene.world.network.repeated = 1000;
        scene.world.network.delay_ms = (1, 20);
        let (desk, sales) = (scene.desk, scene.sales);
        let answered = scene.world.line_of(desk, false);
        let (id, local, remote) = scene.world.agents[&desk].lines[&answered].dialog();
        let replaces = format!("{id};to-tag={remote};from-tag={local}");
        let mut plan = CallerPlan::new("somebody")
            .header("Replaces", &replaces)
            .act(150.0, Act::Bye);
        plan.call_id = call_id(1, 7);
        scene.world.calls_after(0.0, sales, plan);
        scene.world.run();
        assert_eq!(transfers(&scene.world), [TAKEN], "seed {seed}");
        assert!(!scene.world.heard(sales, "BYE").contains(&481), "seed {seed}");
        assert!(scene.world.heard(sales, "BYE").contains(&200), "seed {seed}");
    }
}

/// The caller, whose call is on one shard, is on hold; the desk has called sales, on the same or the other one.
fn consulting(of_call: u16, of_consultation: u16, seed: u64) -> Scene {
    let desk = PhonePlan::answers_after(1.0).act(1.5, Act::Hold);
    let mut scene = scene(of_call, seed, desk, PhonePlan::answers_after(1.0));
    let desk = scene.desk;
    consult(&mut scene, desk, "101", of_consultation);
    scene
}

#[test]
fn a_phone_joins_its_two_calls_whichever_shards_they_are_on() {
    for (of_call, of_consultation) in BOTH {
        let mut scene = consulting(of_call, of_consultation, 3);
        let desk = scene.desk;
        join(&mut scene, desk);
        scene.world.run();
        assert_eq!(
            scene.world.asked_on(desk, true),
            ["BYE"],
            "{of_call} {of_consultation}"
        );
        assert_eq!(scene.world.asked_on(desk, false), ["NOTIFY", "NOTIFY", "BYE"]);
        assert_eq!(scene.world.asked(scene.sales), ["INVITE", "BYE"]);
        assert_eq!(transfers(&scene.world), [JOINED]);
        assert_eq!(scene.world.passed_on > 0, of_call != of_consultation);
        let answered = scene
            .world
            .records
            .values()
            .map(|records| records.last().unwrap());
        let by: Vec<_> = answered.map(|record| record.answered_by.as_deref()).collect();
        assert_eq!(by, [Some("sales"), Some("sales")]);
    }
}

#[test]
fn a_join_survives_a_network_that_loses_and_repeats() {
    for seed in 0..12 {
        let mut scene = consulting(0, 1, seed);
        scene.world.network.lost = 100;
        scene.world.network.repeated = 100;
        scene.world.network.delay_ms = (1, 20);
        let desk = scene.desk;
        join(&mut scene, desk);
        scene.world.run();
        assert_eq!(transfers(&scene.world), [JOINED], "seed {seed}");
    }
}

#[test]
fn a_caller_who_hangs_up_while_shards_ask_each_other_leaves_nobody_behind() {
    for hang_up_ms in [0u64, 1, 2, 3, 4, 5, 6, 8, 10] {
        let mut scene = consulting(1, 0, 3);
        let desk = scene.desk;
        join(&mut scene, desk);
        scene.world.run_for(hang_up_ms as f64 / 1000.0);
        scene.world.tell_to_hang_up(scene.caller);
        scene.world.run_for(5.0);
        if scene.world.asked_on(desk, true).is_empty() {
            let own = scene.world.line_of(desk, true);
            scene.world.tell_to_ask(desk, &own, "BYE", &[]);
        }
        scene.world.run();
    }
}

#[test]
fn a_shard_that_cannot_be_asked_fails_the_transfer_and_both_calls_go_on() {
    let mut scene = consulting(0, 1, 3);
    let desk = scene.desk;
    scene.world.deaf = Some(1);
    join(&mut scene, desk);
    scene.world.run_for(3.0);
    assert!(scene.world.asked_on(desk, true).is_empty());
    let own = scene.world.line_of(desk, true);
    scene.world.tell_to_ask(desk, &own, "BYE", &[]);
    scene.world.run();
    assert_eq!(scene.world.asked_on(desk, false), ["NOTIFY", "NOTIFY", "BYE"]);
    let failed = (TransferKind::Attended, TransferOutcome::Failed, 481);
    assert_eq!(transfers(&scene.world), [failed]);
}

#[test]
fn a_leg_that_cannot_be_handed_over_is_hung_up_and_the_call_goes_on() {
    let mut scene = consulting(0, 1, 3);
    let desk = scene.desk;
    scene.world.deaf = Some(0);
    join(&mut scene, desk);
    scene.world.run();
    assert_eq!(scene.world.asked_on(desk, true), ["BYE"]);
    assert_eq!(scene.world.asked(scene.sales), ["BYE"]);
    let failed = (TransferKind::Attended, TransferOutcome::Failed, 408);
    assert_eq!(transfers(&scene.world), [failed]);
    assert_eq!(scene.world.asked_on(desk, false), ["NOTIFY", "NOTIFY", "BYE"]);
}

#[test]
fn a_leg_that_comes_late_is_not_taken_for_the_one_that_is_waited_for() {
    let mut scene = consulting(0, 1, 3);
    let (desk, sales, night) = (scene.desk, scene.sales, scene.night);
    scene.world.slow_hand = Duration::from_secs(12);
    join(&mut scene, desk);
    // Nobody waits that long: the desk is told, asks somebody else, and wants him instead.
    scene.world.run_for(5.5);
    consult(&mut scene, desk, "102", 1);
    scene.world.slow_hand = Duration::from_secs(3);
    let other = call_id(1, 2).unwrap();
    join_with(&mut scene, desk, &other);
    scene.world.run();
    let failed = (TransferKind::Attended, TransferOutcome::Failed, 408);
    assert_eq!(transfers(&scene.world), [failed, JOINED]);
    assert_eq!(scene.world.asked(sales), ["BYE"]);
    assert_eq!(scene.world.asked(night), ["INVITE", "BYE"]);
}

/// The desk has joined the caller, on shard 0, with sales, whose dialog's Call-ID names shard 1.
fn joined() -> Scene {
    let mut scene = consulting(0, 1, 3);
    let desk = scene.desk;
    join(&mut scene, desk);
    scene.world.run_for(3.0);
    scene
}

#[test]
fn a_leg_that_was_handed_over_can_be_handed_on() {
    for of_consultation in [0, 1] {
        let mut scene = joined();
        let sales = scene.sales;
        consult(&mut scene, sales, "102", of_consultation);
        join(&mut scene, sales);
        scene.world.run();
        assert_eq!(transfers(&scene.world), [JOINED, JOINED], "{of_consultation}");
        assert_eq!(scene.world.asked_on(sales, true), ["BYE"]);
        assert_eq!(scene.world.asked(scene.night), ["INVITE", "BYE"]);
    }
}

#[test]
fn a_leg_that_was_handed_over_can_be_taken_over() {
    for of_phone in [0, 1] {
        let mut scene = joined();
        let (sales, night) = (scene.sales, scene.night);
        let answered = scene.world.line_of(sales, false);
        take_over(&mut scene, of_phone, night, sales, &answered);
        scene.world.run();
        assert_eq!(transfers(&scene.world), [JOINED, TAKEN], "{of_phone}");
        assert_eq!(scene.world.asked(sales), ["INVITE", "BYE"]);
        assert_eq!(scene.world.heard(night, "BYE"), [200]);
    }
}

#[test]
fn a_leg_that_was_handed_over_transfers_the_call_to_a_queue() {
    let mut scene = joined();
    let answered = scene.world.line_of(scene.sales, false);
    let to = "<sip:102@10.0.0.1>".to_string();
    scene
        .world
        .tell_to_ask(scene.sales, &answered, "REFER", &[("Refer-To", to)]);
    scene.world.run();
    let blind = (TransferKind::Blind, TransferOutcome::Completed, 200);
    assert_eq!(transfers(&scene.world), [JOINED, blind]);
    assert_eq!(scene.world.asked(scene.sales).last().unwrap(), "BYE");
    assert_eq!(scene.world.asked(scene.night), ["BYE"]);
}

#[test]
fn a_phone_that_could_not_take_a_call_over_may_call_with_the_same_call_id() {
    let mut scene = scene(0, 3, PhonePlan::answers_after(1.0), PhonePlan::answers_after(1.0));
    let mut plan = CallerPlan::new("sales").header("Replaces", "rw0000-x;to-tag=a;from-tag=b");
    plan.call_id = call_id(1, 7);
    scene.world.calls_after(0.0, scene.sales, plan);
    scene.world.run_for(2.0);
    assert_eq!(scene.world.heard(scene.sales, "INVITE"), [100, 481]);
    let mut plan = CallerPlan::new("sales").act(100.0, Act::Bye);
    plan.called = "102".into();
    plan.call_id = call_id(1, 7);
    plan.tag = Some("again".into());
    scene.world.calls_after(0.0, scene.sales, plan);
    scene.world.run();
    assert_eq!(scene.world.heard(scene.sales, "INVITE"), [100, 180, 200]);
    assert_eq!(scene.world.heard(scene.sales, "BYE"), [200]);
}
