//! Blind transfers: the new phone answers, is busy, or is not there; and a call that is joined by the phone asked.

use ringward::call::record::{Ending, TransferKind, TransferOutcome};

use super::{CALLER, SALES, refers, scene, three_queues};
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::World;

#[test]
fn a_blind_transfer_takes_the_caller_to_another_phone_without_a_word_to_him() {
    let mut scene = scene(refers(SALES), PhonePlan::answers_after(2.0));
    scene.world.run();
    assert_eq!(scene.world.heard(scene.desk, "REFER"), [202]);
    assert_eq!(
        scene.told(scene.desk),
        ["100 active", "180 active", "200 terminated"]
    );
    assert_eq!(
        scene.world.asked(scene.desk),
        ["NOTIFY", "NOTIFY", "NOTIFY", "BYE"]
    );
    assert!(scene.world.asked(scene.caller).is_empty());
    assert_eq!(scene.world.asked(scene.sales), ["BYE"]);
    let invite = scene.world.rung(scene.sales);
    assert!(
        invite.header("Ringward-Trust").is_some(),
        "the banner goes to the new phone"
    );
    assert_eq!(invite.must("Referred-By"), "<sip:desk@10.0.0.1:5060>");
    assert_eq!(invite.audio().unwrap(), "10.0.0.1:20002");
    assert_eq!(
        scene.heard_at(),
        ["10.0.0.5:6060".parse().unwrap(), "10.0.0.6:6060".parse().unwrap()]
    );
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(
        scene.transfer(),
        (TransferKind::Blind, TransferOutcome::Completed, 200)
    );
    let record = scene.world.record();
    assert_eq!(
        (record.answered_by.as_deref(), record.queue.as_deref()),
        (Some("sales"), Some("sales"))
    );
    assert_eq!(record.transfers[0].by, "desk");
    assert_eq!(scene.world.count("transferred"), 1);
}

#[test]
fn a_phone_that_hangs_up_when_told_crosses_nothing() {
    let mut desk = refers(SALES);
    desk.hangs_up_when_told = true;
    let mut scene = scene(desk, PhonePlan::answers_after(2.0));
    scene.world.run();
    assert_eq!(scene.told(scene.desk).last().unwrap(), "200 terminated");
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn the_new_phone_may_hang_up_hold_and_transfer_again() {
    let sales = PhonePlan::answers_after(2.0)
        .act(2.0, Act::Hold)
        .act(4.0, Act::Resume)
        .act(6.0, Act::refer("sip:102@10.0.0.1"));
    let mut world = World::new(three_queues(), 3);
    world.phone("10.0.0.5:5060", refers(SALES));
    let night = world.phone("10.0.0.7:5060", PhonePlan::answers_after(1.0).act(5.0, Act::Bye));
    let sales = world.phone("10.0.0.6:5060", sales);
    let caller = world.call(CallerPlan::new(CALLER).act(40.0, Act::Bye));
    world.run();
    assert_eq!(world.asked(caller), ["INVITE", "INVITE", "BYE"]);
    assert_eq!(world.heard(sales, "REFER"), [202]);
    assert_eq!(world.heard(night, "BYE"), [200]);
    let outcomes: Vec<_> = world
        .record()
        .transfers
        .iter()
        .map(|transfer| transfer.outcome)
        .collect();
    assert_eq!(outcomes, [TransferOutcome::Completed, TransferOutcome::Completed]);
    let events: Vec<&str> = world
        .line(sales)
        .received
        .iter()
        .filter_map(|request| request.header("Event"))
        .collect();
    assert!(
        events.iter().all(|event| event.starts_with("refer;id=")),
        "{events:?}"
    );
}

#[test]
fn a_busy_phone_leaves_the_call_where_it_was() {
    let sales = PhonePlan::with(Answer::Refuse(486, std::time::Duration::from_millis(100)));
    let mut scene = scene(refers(SALES), sales);
    scene.world.run();
    assert_eq!(scene.told(scene.desk), ["100 active", "486 terminated"]);
    assert_eq!(scene.world.asked(scene.desk), ["NOTIFY", "NOTIFY", "BYE"]);
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(
        scene.transfer(),
        (TransferKind::Blind, TransferOutcome::Failed, 486)
    );
    assert_eq!(scene.world.record().answered_by.as_deref(), Some("desk"));
    assert_eq!(scene.heard_at(), ["10.0.0.5:6060".parse().unwrap()]);
}

#[test]
fn a_phone_that_does_not_answer_is_cancelled_when_it_has_rung_long_enough() {
    let mut scene = scene(refers(SALES), PhonePlan::with(Answer::Never));
    scene.world.run();
    assert_eq!(
        scene.told(scene.desk),
        ["100 active", "180 active", "480 terminated"]
    );
    assert_eq!(scene.world.asked(scene.sales), ["CANCEL"]);
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_phone_that_is_not_there_fails_after_its_time() {
    let mut scene = scene(refers(SALES), PhonePlan::with(Answer::Dead));
    scene.world.run();
    assert_eq!(scene.told(scene.desk), ["100 active", "480 terminated"]);
}

#[test]
fn a_call_from_phone_to_phone_is_joined_by_the_phone_that_was_asked() {
    let to = "sip:sales@10.0.0.6:5060?Replaces=direct-1%40x%3Bto-tag%3Ds1%3Bfrom-tag%3Dd1";
    let mut scene = scene(refers(to), PhonePlan::answers_after(0.1));
    scene.world.run();
    assert_eq!(
        scene.world.rung(scene.sales).must("Replaces"),
        "direct-1@x;to-tag=s1;from-tag=d1"
    );
    assert_eq!(
        scene.transfer(),
        (TransferKind::Attended, TransferOutcome::Completed, 200)
    );
}

#[test]
fn a_phone_by_an_address_that_no_queue_names_must_know_the_dialog() {
    let to = "sip:xyz@10.0.0.6:5060?Replaces=direct-1%40x%3Bto-tag%3Ds1%3Bfrom-tag%3Dd1";
    let mut scene = scene(refers(to), PhonePlan::answers_after(0.1));
    scene.world.run();
    assert_eq!(scene.world.rung(scene.sales).must("Require"), "replaces");
}

#[test]
fn a_replaces_of_ours_that_no_call_has_fails_and_the_call_goes_on() {
    let to = "sip:ringward@10.0.0.1:5060?Replaces=nothing%3Bto-tag%3Da%3Bfrom-tag%3Db";
    let mut scene = scene(refers(to), PhonePlan::answers_after(0.1));
    scene.world.run();
    assert_eq!(scene.told(scene.desk), ["100 active", "481 terminated"]);
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn transfers_survive_a_bad_line() {
    for seed in 0..60 {
        let mut world = World::new(three_queues(), seed);
        world.network.lost = 100;
        world.network.repeated = 50;
        world.network.delay_ms = (1, 80);
        world.phone(
            "10.0.0.5:5060",
            refers(SALES).act(3.0 + (seed % 7) as f64 * 0.3, Act::Hold),
        );
        let sales =
            PhonePlan::answers_after((seed % 5) as f64 * 0.5).act(4.0, Act::refer("sip:desk@10.0.0.1"));
        world.phone("10.0.0.6:5060", sales);
        world.call(CallerPlan::new(CALLER).act(4.0 + (seed % 11) as f64, Act::Bye));
        world.run_for(600.0);
        world.check();
    }
}
