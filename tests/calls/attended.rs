//! Two calls of one phone become one (RFC 5589 §7), and a phone takes another one's call (RFC 3891).

use ringward::call::Config;
use ringward::call::record::{Direction, Ending, TransferKind, TransferOutcome};
use ringward::policy::Policy;

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::transfers::{Scene, scene, three_queues};
use crate::world::World;

const CALLER: &str = "+14045550123";

/// Sales calls with the Replaces that `of` makes from the desk's line.
fn take_over(suffix: &'static str, is_callers: bool) -> Scene {
    let mut scene = scene(PhonePlan::answers_after(1.0), PhonePlan::answers_after(1.0));
    scene.world.run_for(3.0);
    let party = if is_callers { scene.caller } else { scene.desk };
    let (call_id, local, remote) = scene.world.line(party).dialog();
    let replaces = format!("{call_id};to-tag={remote};from-tag={local}{suffix}");
    let plan = CallerPlan::new("sales")
        .act(10.0, Act::Bye)
        .header("Replaces", &replaces);
    scene.world.calls_after(0.0, scene.sales, plan);
    scene.world.run();
    scene
}

#[test]
fn another_phone_takes_a_call_over_with_replaces() {
    let scene = take_over("", false);
    assert_eq!(scene.world.heard(scene.sales, "INVITE"), [100, 200]);
    assert_eq!(scene.world.asked(scene.desk), ["BYE"]);
    assert!(scene.world.asked(scene.caller).contains(&"BYE".to_string()));
    assert_eq!(
        scene.heard_at().last().unwrap(),
        &"10.0.0.6:6060".parse().unwrap()
    );
    assert_eq!(
        scene.transfer(),
        (TransferKind::TakenOver, TransferOutcome::Completed, 200)
    );
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "called"));
    // What the phone that took it over said stands in the record, to the end.
    let ladder = &scene.world.record().ladder;
    let place = ladder
        .parties
        .iter()
        .position(|party| party.port() == 5060 && party.ip().to_string() == "10.0.0.6");
    let party = place.expect("it is of the call") as u8 + 1;
    let its = ladder.signals.iter().filter(|signal| signal.party == party);
    let its: Vec<(bool, &str, Option<u16>)> = its
        .map(|signal| (signal.is_sent, signal.method.as_str(), signal.status))
        .collect();
    assert_eq!(
        its,
        [
            (false, "INVITE", None),
            (true, "INVITE", Some(200)),
            (false, "ACK", None),
            (false, "BYE", None),
            (true, "BYE", Some(200)),
        ]
    );
}

#[test]
fn rfc_3261_15_a_phone_that_takes_over_hears_no_bye_before_its_ack_has_come() {
    for is_acknowledged in [true, false] {
        let mut scene = scene(PhonePlan::answers_after(1.0), PhonePlan::answers_after(1.0));
        scene.world.run_for(3.0);
        let (call_id, local, remote) = scene.world.line(scene.desk).dialog();
        let replaces = format!("{call_id};to-tag={remote};from-tag={local}");
        let plan = CallerPlan {
            never_acknowledges: !is_acknowledged,
            ..CallerPlan::new("sales").header("Replaces", &replaces)
        };
        scene.world.lose("ACK sip:ringward@", 1);
        scene.world.calls_after(0.0, scene.sales, plan);
        scene.world.run_for(0.1);
        // The 200 has gone, its ACK was lost, and the caller hangs up.
        let caller = scene.world.line(scene.caller).dialog().0;
        scene.world.tell_to_ask(scene.caller, &caller, "BYE", &[]);
        scene.world.run();
        let trace = &scene.world.trace;
        let at = |end: &str| trace.iter().position(|line| line.contains(end)).unwrap();
        let seconds = |line: usize| {
            trace[line]
                .trim()
                .split(' ')
                .next()
                .unwrap()
                .parse::<f64>()
                .unwrap()
        };
        let bye = at("> 10.0.0.6:5060 BYE");
        if is_acknowledged {
            let came = trace
                .iter()
                .rposition(|line| line.contains("10.0.0.6:5060 > 10.0.0.1:5060 ACK"));
            assert!(came.unwrap() < bye, "{}", trace.join("\n"));
        } else {
            let answered = at("> 10.0.0.6:5060 SIP/2.0 200");
            assert!(seconds(bye) - seconds(answered) > 31.9, "{}", trace.join("\n"));
        }
        assert_eq!(scene.world.asked(scene.sales), ["BYE"]);
    }
}

#[test]
fn a_take_over_that_wants_an_early_dialog_hears_busy() {
    let scene = take_over(";early-only", false);
    assert_eq!(scene.world.heard(scene.sales, "INVITE"), [100, 486]);
    assert!(
        scene.world.asked(scene.desk).contains(&"BYE".to_string()),
        "the call went on until the caller's BYE"
    );
}

#[test]
fn the_callers_own_dialog_is_not_for_phones() {
    let scene = take_over("", true);
    assert_eq!(scene.world.heard(scene.sales, "INVITE"), [100, 481]);
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_replaces_with_a_wrong_tag_or_none_is_refused() {
    for (suffix, status) in [("x", 481), (";to-tag=other", 481)] {
        let scene = take_over(suffix, false);
        assert_eq!(
            scene.world.heard(scene.sales, "INVITE"),
            [100, status],
            "{suffix}"
        );
    }
    let mut scene = scene(PhonePlan::answers_after(1.0), PhonePlan::answers_after(1.0));
    let plan = CallerPlan::new("sales").header("Replaces", "nonsense");
    scene.world.calls_after(2.0, scene.sales, plan);
    scene.world.run();
    assert_eq!(scene.world.heard(scene.sales, "INVITE"), [100, 400]);
}

#[test]
fn a_trunk_cannot_take_a_call_over() {
    let mut scene = scene(PhonePlan::answers_after(1.0), PhonePlan::answers_after(1.0));
    scene.world.run_for(3.0);
    let (call_id, local, remote) = scene.world.line(scene.desk).dialog();
    let replaces = format!("{call_id};to-tag={remote};from-tag={local}");
    let plan = CallerPlan::new("+14045550199")
        .header("Replaces", &replaces)
        .act(5.0, Act::Bye);
    scene.world.call(plan);
    scene.world.run();
    // It is a call like any other: the header means nothing from there.
    assert!(
        scene
            .world
            .records
            .values()
            .all(|records| records.last().unwrap().transfers.is_empty())
    );
}

/// The desk has the caller on hold and has called sales, who behaves like that; eight seconds have passed.
fn consulting(sales: PhonePlan, shards: (u16, u16)) -> Scene {
    consulting_with(sales, false, |config| (config.shard, config.shards) = shards)
}

/// The same, with the desk's phone like that.
pub fn consulting_with(sales: PhonePlan, is_srtp: bool, change: impl FnOnce(&mut Config)) -> Scene {
    let mut scene = calling(sales, is_srtp, change);
    scene.world.run_for(3.5);
    scene
}

/// Half a second after the desk has called sales.
fn calling(sales: PhonePlan, is_srtp: bool, change: impl FnOnce(&mut Config)) -> Scene {
    let mut world = World::with_config(three_queues(), 3, Policy::embedded(), |config| {
        config.outbound.from_phones = true;
        change(config);
    });
    let mut desk = PhonePlan::answers_after(1.0).act(2.0, Act::Hold);
    desk.is_srtp = is_srtp;
    let desk = world.phone("10.0.0.5:5060", desk);
    let sales = world.phone("10.0.0.6:5060", sales);
    let caller = world.call(CallerPlan::new(CALLER).act(40.0, Act::Bye));
    world.agents.get_mut(&caller).unwrap().phone.is_srtp = is_srtp;
    let mut plan = CallerPlan::new("desk");
    plan.called = "101".into();
    world.calls_after(4.0, desk, plan);
    world.run_for(4.5);
    Scene {
        world,
        caller,
        desk,
        sales,
    }
}

pub fn join(scene: &mut Scene, suffix: &str) {
    let consultation = scene.world.line_of(scene.desk, true);
    let (call_id, local, remote) = scene.world.agents[&scene.desk].lines[&consultation].dialog();
    let to = format!(
        "<sip:ringward@10.0.0.1:5060?Replaces={call_id}%3Bto-tag%3D{remote}%3Bfrom-tag%3D{local}{suffix}>"
    );
    let first = scene.world.line_of(scene.desk, false);
    scene
        .world
        .tell_to_ask(scene.desk, &first, "REFER", &[("Refer-To", to)]);
}

#[test]
fn a_phone_that_has_asked_somebody_joins_him_with_the_caller() {
    let mut scene = consulting(PhonePlan::answers_after(1.0), (0, 1));
    join(&mut scene, "");
    scene.world.run();
    assert_eq!(scene.world.asked_on(scene.desk, true), ["BYE"]);
    assert_eq!(
        scene.world.asked_on(scene.desk, false),
        ["NOTIFY", "NOTIFY", "BYE"]
    );
    // Sales is told where to send its audio now, and goes on when the caller hangs up.
    assert_eq!(scene.world.asked(scene.sales), ["INVITE", "BYE"]);
    let directions: Vec<&str> = scene
        .world
        .line(scene.caller)
        .received
        .iter()
        .map(|r| r.direction())
        .collect();
    assert_eq!(directions, ["sendonly", "sendrecv"]);
    let records: Vec<_> = scene
        .world
        .records
        .values()
        .map(|records| records.last().unwrap())
        .collect();
    let inbound = records
        .iter()
        .find(|record| record.direction == Direction::Inbound)
        .unwrap();
    let outbound = records
        .iter()
        .find(|record| record.direction == Direction::Outbound)
        .unwrap();
    assert_eq!(inbound.transfers[0].kind, TransferKind::Attended);
    assert_eq!(inbound.transfers[0].outcome, TransferOutcome::Completed);
    assert_eq!(inbound.answered_by.as_deref(), Some("sales"));
    assert_eq!(inbound.outcome.as_ref().unwrap().by, "caller");
    assert!(
        outbound
            .outcome
            .as_ref()
            .unwrap()
            .note
            .as_deref()
            .unwrap()
            .contains("joined")
    );
}

/// The 200 was sent, so the dialog is there (RFC 3261 §12.1), whichever way its ACK takes. Only the BYE has to wait for it.
#[test]
fn a_join_that_overtakes_the_ack_of_the_consultation_joins_them_all_the_same() {
    for lost in [1, 3, 100] {
        let mut scene = calling(PhonePlan::answers_after(1.0), false, |_| {});
        scene.world.lose("ACK sip:ringward@", lost);
        scene.world.run_for(0.7);
        join(&mut scene, "");
        scene.world.run_for(0.2);
        assert!(
            scene.world.asked_on(scene.desk, true).is_empty(),
            "no BYE before the ACK ({lost})"
        );
        scene.world.run();
        assert_eq!(scene.world.asked_on(scene.desk, true), ["BYE"], "{lost}");
        let transfers: Vec<_> = (scene.world.records.values())
            .flat_map(|records| &records.last().unwrap().transfers)
            .map(|transfer| (transfer.kind, transfer.outcome, transfer.status))
            .collect();
        assert_eq!(
            transfers,
            [(TransferKind::Attended, TransferOutcome::Completed, 200)],
            "{lost}"
        );
    }
}

#[test]
fn a_join_with_a_wrong_tag_or_only_for_an_early_dialog_leaves_both_calls_alone() {
    for suffix in ["x", "%3Bearly-only"] {
        let mut scene = consulting(PhonePlan::answers_after(1.0), (0, 1));
        join(&mut scene, suffix);
        scene.world.run_for(3.0);
        assert!(scene.world.asked_on(scene.desk, true).is_empty(), "{suffix}");
        let consultation = scene.world.line_of(scene.desk, true);
        scene.world.tell_to_ask(scene.desk, &consultation, "BYE", &[]);
        scene.world.run();
        assert_eq!(
            scene.world.asked_on(scene.desk, false),
            ["NOTIFY", "NOTIFY", "BYE"],
            "{suffix}"
        );
    }
}

#[test]
fn a_join_while_the_other_phone_still_rings_fails_and_the_call_goes_on() {
    let mut scene = consulting(PhonePlan::with(Answer::Never), (0, 1));
    // Its own tag is known from the 180.
    let consultation = scene.world.line_of(scene.desk, true);
    let remote = scene.world.agents[&scene.desk].lines[&consultation]
        .responses
        .last()
        .unwrap()
        .tag("To")
        .unwrap()
        .to_string();
    let first = scene.world.line_of(scene.desk, false);
    let to = format!(
        "<sip:ringward@10.0.0.1:5060?Replaces={consultation}%3Bto-tag%3D{remote}%3Bfrom-tag%3Dc5060>"
    );
    scene
        .world
        .tell_to_ask(scene.desk, &first, "REFER", &[("Refer-To", to)]);
    scene.world.run();
    assert_eq!(
        scene.world.asked_on(scene.desk, false),
        ["NOTIFY", "NOTIFY", "BYE"]
    );
    let record = scene
        .world
        .records
        .values()
        .map(|records| records.last().unwrap());
    assert!(
        record
            .flat_map(|record| &record.transfers)
            .all(|transfer| transfer.status == 481)
    );
}

#[test]
fn a_caller_who_hangs_up_while_two_calls_are_joined_leaves_nobody_behind() {
    for hang_up_ms in [0u64, 1, 2, 3, 4, 5, 6, 8, 10] {
        let mut scene = consulting(PhonePlan::answers_after(1.0), (0, 1));
        join(&mut scene, "");
        scene.world.run_for(hang_up_ms as f64 / 1000.0);
        scene.world.tell_to_hang_up(scene.caller);
        scene.world.run_for(5.0);
        let consultation = scene.world.line_of(scene.desk, true);
        if scene.world.asked_on(scene.desk, true).is_empty() {
            scene.world.tell_to_ask(scene.desk, &consultation, "BYE", &[]);
        }
        scene.world.run();
    }
}
