//! Somebody hangs up, holds or asks again while a transfer is under way.

use ringward::call::record::{Ending, TransferKind, TransferOutcome};

use super::{CALLER, SALES, refers, scene, scene_with, three_queues};
use crate::hand::{Hand, Talk, talk};
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::World;

#[test]
fn whoever_transfers_may_hang_up_before_the_new_phone_answers() {
    let desk = refers(SALES).act(3.5, Act::Bye);
    let mut scene = scene(desk, PhonePlan::answers_after(5.0));
    scene.world.run();
    assert_eq!(scene.world.heard(scene.desk, "BYE"), [200]);
    assert_eq!(
        scene.told(scene.desk),
        ["100 active", "180 active", "200 terminated"]
    );
    assert!(!scene.world.asked(scene.desk).contains(&"BYE".to_string()));
    assert_eq!(scene.world.asked(scene.sales), ["BYE"]);
    assert!(scene.world.asked(scene.caller).is_empty());
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_phone_that_has_hung_up_and_knows_no_dialog_any_more_is_not_told_again() {
    let mut desk = refers(SALES).act(3.01, Act::Bye);
    desk.to_notify = 481;
    let mut scene = scene(desk, PhonePlan::answers_after(5.0));
    scene.world.run();
    assert_eq!(scene.told(scene.desk).len(), 1);
    assert_eq!(scene.world.record().answered_by.as_deref(), Some("sales"));
}

#[test]
fn a_caller_whose_phone_has_hung_up_is_released_when_nobody_takes_the_transfer() {
    let desk = refers(SALES).act(3.5, Act::Bye);
    let mut scene = scene(
        desk,
        PhonePlan::with(Answer::Refuse(486, std::time::Duration::from_secs(2))),
    );
    scene.world.run();
    assert_eq!(scene.world.asked(scene.caller), ["BYE"]);
    assert_eq!(scene.told(scene.desk).last().unwrap(), "486 terminated");
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "called"));
}

#[test]
fn a_caller_who_hangs_up_while_the_new_phone_rings_ends_everything() {
    let caller = CallerPlan::new(CALLER).act(5.0, Act::Bye);
    let mut scene = scene_with(caller, refers(SALES), PhonePlan::with(Answer::Never));
    scene.world.run();
    assert_eq!(scene.world.asked(scene.sales), ["CANCEL"]);
    assert_eq!(
        scene.told(scene.desk),
        ["100 active", "180 active", "487 terminated"]
    );
    assert_eq!(scene.world.asked(scene.desk).last().unwrap(), "BYE");
    assert_eq!(
        scene.transfer(),
        (TransferKind::Blind, TransferOutcome::Abandoned, 487)
    );
}

#[test]
fn an_answer_that_crosses_the_callers_bye_leaves_nobody_talking_to_nobody() {
    let caller = CallerPlan::new(CALLER).act(5.995, Act::Bye);
    let mut sales = PhonePlan::answers_after(3.0);
    sales.ignores_cancel = true;
    let mut scene = scene_with(caller, refers(SALES), sales);
    scene.world.network.delay_ms = (10, 10);
    scene.world.run();
    assert!(scene.world.asked(scene.sales).contains(&"BYE".to_string()));
}

#[test]
fn a_caller_on_hold_is_taken_back_into_the_call() {
    let desk = PhonePlan::answers_after(1.0)
        .act(2.0, Act::Hold)
        .act(3.0, Act::refer(SALES));
    let mut scene = scene(desk, PhonePlan::answers_after(2.0));
    scene.world.run();
    let directions: Vec<&str> = scene
        .world
        .line(scene.caller)
        .received
        .iter()
        .map(|r| r.direction())
        .collect();
    assert_eq!(directions, ["sendonly", "sendrecv"]);
    assert_eq!(scene.world.rung(scene.sales).direction(), "sendrecv");
    assert_eq!(
        scene.world.line(scene.caller).received[1].audio().unwrap(),
        "10.0.0.1:20000"
    );
}

#[test]
fn a_phone_with_other_codecs_makes_the_caller_learn_of_them() {
    let mut sales = PhonePlan::answers_after(2.0);
    sales.formats = "8 101";
    let mut scene = scene(refers(SALES), sales);
    scene.world.run();
    assert_eq!(scene.world.asked(scene.caller), ["INVITE"]);
    assert!(
        scene.world.line(scene.caller).received[0]
            .body
            .contains("RTP/AVP 8 101\r\n")
    );
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_hold_that_is_under_way_when_the_new_phone_answers_is_finished_first() {
    for hold_at in [4.98, 4.985, 4.99, 4.995, 5.0, 5.005] {
        let caller = CallerPlan::new(CALLER)
            .act(hold_at, Act::Hold)
            .act(30.0, Act::Bye);
        let mut scene = scene_with(caller, refers(SALES), PhonePlan::answers_after(2.0));
        scene.world.network.delay_ms = (10, 10);
        scene.world.run();
        assert_eq!(
            scene.world.record().answered_by.as_deref(),
            Some("sales"),
            "{hold_at}"
        );
        assert_eq!(
            scene.world.ending(),
            (Ending::Completed, 200, "caller"),
            "{hold_at}"
        );
        let finals: Vec<u16> = scene.world.heard(scene.caller, "INVITE");
        assert!(
            finals.iter().all(|status| [100, 180, 200, 491].contains(status)),
            "{hold_at} {finals:?}"
        );
    }
}

#[test]
fn a_second_refer_waits_for_the_first() {
    let desk = refers(SALES).act(4.0, Act::refer(SALES));
    let mut scene = scene(desk, PhonePlan::answers_after(4.0));
    scene.world.run();
    assert_eq!(scene.world.heard(scene.desk, "REFER"), [202, 491]);
    assert_eq!(scene.world.agents[&scene.sales].lines.len(), 1);
    let outcomes: Vec<_> = scene
        .world
        .record()
        .transfers
        .iter()
        .map(|transfer| transfer.outcome)
        .collect();
    assert_eq!(outcomes, [TransferOutcome::Completed, TransferOutcome::Refused]);
}

#[test]
fn after_a_failure_the_phone_may_try_again() {
    let desk = refers("sip:nobody@10.0.0.1").act(4.0, Act::refer(SALES));
    let mut scene = scene(desk, PhonePlan::answers_after(1.0));
    scene.world.run();
    assert_eq!(scene.world.heard(scene.desk, "REFER"), [403, 202]);
    assert_eq!(scene.world.record().answered_by.as_deref(), Some("sales"));
}

#[test]
fn a_phone_that_rings_for_a_transfer_and_asks_for_something_goes_on_ringing() {
    let mut world = World::new(three_queues(), 3);
    let Talk { mut phone, .. } = talk(&mut world, &[], &[]);
    world.ask(&mut phone, "REFER", &[("Refer-To", "<sip:101@10.0.0.1>")], None);
    let mut sales = Hand::is_rung_at(&mut world, "10.0.0.6:5060");
    let rung = sales.invite.clone();
    world.answer(&sales, &rung, 180, &[], None);
    let sdp = sales.sdp(1);
    for (method, body) in [("UPDATE", Some(sdp.as_str())), ("INFO", None)] {
        world.ask(&mut sales, method, &[], body);
        let heard = world.words(&sales);
        assert_eq!(heard, [format!("500 {method}")], "not now, which ends nothing");
    }
    world.answer(&sales, &rung, 200, &[], Some(&sdp));
    assert_eq!(world.words(&sales), ["ACK"]);
    assert!(world.words(&phone).iter().any(|word| word == "NOTIFY"));
    assert_eq!(world.record().answered_by.as_deref(), Some("sales"));
}
