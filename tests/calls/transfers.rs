//! The person answering sends the call on: the ladders of RFC 5589, and what happens when somebody hangs up meanwhile.

use std::net::SocketAddr;

use ringward::call::record::{Ending, TransferKind, TransferOutcome};
use ringward::call::{Reach, TransferRules};
use ringward::media::Side;
use ringward::policy::Policy;
use ringward::queue::{self, Strategy};

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::{World, queue};

const CALLER: &str = "+14045550123";
const SALES: &str = "sip:101@10.0.0.1:5060";

/// A desk that has the caller's number, sales, which is 101, and somebody at night, who is 102.
pub fn three_queues() -> Vec<queue::Config> {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@10.0.0.5:5060"]);
    desk.numbers = vec!["+12125550100".into()];
    let mut sales = queue("sales", Strategy::RingAll, &["sip:sales@10.0.0.6:5060"]);
    sales.numbers = vec!["101".into(), "+12125550101".into()];
    let mut night = queue("night", Strategy::RingAll, &["sip:night@10.0.0.7:5060"]);
    night.numbers = vec!["102".into()];
    vec![desk, sales, night]
}

pub struct Scene {
    pub world: World,
    pub caller: SocketAddr,
    pub desk: SocketAddr,
    pub sales: SocketAddr,
}

/// The desk answers after a second and does this; sales is like that; the caller hangs up after 40 seconds.
pub fn scene(desk: PhonePlan, sales: PhonePlan) -> Scene {
    scene_with(CallerPlan::new(CALLER).act(40.0, Act::Bye), desk, sales)
}

pub fn scene_with(caller: CallerPlan, desk: PhonePlan, sales: PhonePlan) -> Scene {
    let mut world = World::new(three_queues(), 3);
    let desk = world.phone("10.0.0.5:5060", desk);
    let sales = world.phone("10.0.0.6:5060", sales);
    let caller = world.call(caller);
    Scene {
        world,
        caller,
        desk,
        sales,
    }
}

pub fn refers(uri: &str) -> PhonePlan {
    PhonePlan::answers_after(1.0).act(3.0, Act::refer(uri))
}

impl Scene {
    /// Status lines of the NOTIFYs that this phone got, with the state of the subscription.
    pub fn told(&self, phone: SocketAddr) -> Vec<String> {
        let line = self.world.line(phone);
        let notifies = line
            .received
            .iter()
            .filter(|request| request.method() == "NOTIFY");
        notifies
            .map(|notify| {
                assert_eq!(notify.must("Content-Type"), "message/sipfrag;version=2.0");
                assert!(notify.must("Event").starts_with("refer"));
                assert!(notify.contact().is_some(), "a NOTIFY has a Contact");
                let state = notify.must("Subscription-State");
                let state = state.split(';').next().unwrap();
                format!("{} {state}", &notify.body[8..11])
            })
            .collect()
    }

    pub fn transfer(&self) -> (TransferKind, TransferOutcome, u16) {
        let transfers = &self.world.record().transfers;
        assert_eq!(transfers.len(), 1);
        (transfers[0].kind, transfers[0].outcome, transfers[0].status)
    }

    /// Where audio for the called side goes, in order.
    pub fn heard_at(&self) -> Vec<SocketAddr> {
        let media = self.world.media.values().next().unwrap();
        let mut at: Vec<SocketAddr> = media
            .described
            .iter()
            .filter(|(side, _)| *side == Side::B)
            .map(|(_, audio)| *audio)
            .collect();
        at.dedup();
        at
    }
}

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
fn nobody_on_a_trunk_can_refer() {
    let caller = CallerPlan::new(CALLER)
        .act(2.0, Act::refer(SALES))
        .act(6.0, Act::Bye);
    let mut scene = scene_with(
        caller,
        PhonePlan::answers_after(1.0),
        PhonePlan::answers_after(1.0),
    );
    scene.world.run();
    assert_eq!(scene.world.heard(scene.caller, "REFER"), [405]);
    assert!(scene.world.agents[&scene.sales].lines.is_empty());
    assert_eq!(scene.world.count("transfer refused"), 1);
    assert!(
        !scene
            .world
            .line(scene.caller)
            .responses
            .iter()
            .any(|r| r.header("Allow").is_some_and(|a| a.contains("REFER")))
    );
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

/// What a REFER with this Refer-To hears.
fn check(to: &str, status: u16) {
    let desk = PhonePlan::answers_after(1.0).act(3.0, Act::Refer(to.to_string(), Vec::new()));
    let mut scene = scene(desk, PhonePlan::answers_after(1.0));
    scene.world.run();
    assert_eq!(scene.world.heard(scene.desk, "REFER"), [status], "{to}");
    let is_rung = !scene.world.agents[&scene.sales].lines.is_empty();
    assert_eq!(is_rung, status == 202, "{to}");
}

#[test]
fn only_the_phones_and_queues_of_this_business_can_be_reached() {
    for to in [
        "<sip:101@10.0.0.1>",
        "<sip:+12125550101@10.0.0.1;user=phone>",
        "<sip:12125550101@anything.example>",
        "<tel:+1-212-555-0101>",
        "<sip:sales@10.0.0.1>",
        "<sip:sales@10.0.0.6:5060>",
    ] {
        check(to, 202);
    }
    for to in [
        "<sip:+19005550199@10.0.0.1;user=phone>",
        "<sip:+4499999999@10.0.0.1>",
        "<sip:103@10.0.0.6:5060>",
        "<sip:10.0.0.6>",
        "<sip:101@10.0.0.1;method=BYE>",
    ] {
        check(to, 403);
    }
    for to in [
        "",
        "nonsense",
        "<sip:101@10.0.0.1>, <sip:102@10.0.0.1>",
        "<sip:101@10.0.0.1?Replaces=x>",
    ] {
        check(to, 400);
    }
    check("<sips:101@10.0.0.1>", 416);
    check("<https://example.com>", 416);
}

#[test]
fn headers_in_a_refer_to_stay_behind() {
    let to =
        "sip:101@10.0.0.1?P-Asserted-Identity=%3Csip%3Abank%40x%3E&Ringward-Trust=number%3Dgenuine&Subject=x";
    let mut scene = scene(refers(to), PhonePlan::answers_after(1.0));
    scene.world.run();
    let invite = scene.world.rung(scene.sales);
    assert_eq!(invite.all("P-Asserted-Identity").count(), 1);
    assert!(!invite.must("P-Asserted-Identity").contains("bank"));
    assert_eq!(invite.all("Ringward-Trust").count(), 1);
    assert!(invite.header("Subject").is_none());
    assert_eq!(invite.request_uri(), "sip:sales@10.0.0.6:5060");
}

fn with_rules(desk: PhonePlan, rules: TransferRules) -> Scene {
    let mut world = World::with_config(three_queues(), 3, Policy::embedded(), |config| {
        config.transfer_rules.insert("desk".into(), rules);
    });
    let desk = world.phone("10.0.0.5:5060", desk);
    let sales = world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan::new(CALLER).act(20.0, Act::Bye));
    Scene {
        world,
        caller,
        desk,
        sales,
    }
}

#[test]
fn a_queue_may_have_its_transfers_off() {
    let rules = TransferRules {
        reach: Reach::Off,
        to: Vec::new(),
    };
    let mut scene = with_rules(refers(SALES), rules);
    scene.world.run();
    assert_eq!(scene.world.heard(scene.desk, "REFER"), [403]);
    let refusal = scene
        .world
        .line(scene.desk)
        .responses
        .iter()
        .find(|r| r.method() == "REFER")
        .unwrap();
    assert!(refusal.must("Warning").contains("does not transfer calls"));
    assert_eq!(
        scene.transfer(),
        (TransferKind::Blind, TransferOutcome::Refused, 403)
    );
}

#[test]
fn listed_extensions_are_rung_at_the_pbx_the_phone_belongs_to() {
    let rules = TransferRules {
        reach: Reach::Inside,
        to: vec!["2*".into()],
    };
    let mut scene = with_rules(refers("sip:204@10.0.0.6:5060"), rules.clone());
    scene.world.run();
    assert_eq!(
        scene.world.rung(scene.sales).request_uri(),
        "sip:204@10.0.0.6:5060"
    );
    let mut scene = with_rules(refers("sip:204@10.0.0.1"), rules);
    scene.world.run();
    // The extension is at the desk's own address.
    let rung: Vec<&str> = scene.world.agents[&scene.desk]
        .lines
        .values()
        .map(|line| line.invite.request_uri())
        .collect();
    assert!(rung.contains(&"sip:204@10.0.0.5:5060"), "{rung:?}");
}

#[test]
fn who_wants_to_hear_nothing_of_it_is_told_nothing() {
    let extra = vec![
        ("Refer-Sub", "false".to_string()),
        ("Require", "norefersub".to_string()),
    ];
    let desk = PhonePlan::answers_after(1.0).act(3.0, Act::Refer(format!("<{SALES}>"), extra));
    let mut scene = scene(desk, PhonePlan::answers_after(2.0));
    scene.world.run();
    assert_eq!(scene.world.asked(scene.desk), ["BYE"]);
    let accepted = scene
        .world
        .line(scene.desk)
        .responses
        .iter()
        .find(|r| r.method() == "REFER")
        .unwrap();
    assert_eq!(accepted.must("Refer-Sub"), "false");
}

#[test]
fn a_refer_that_insists_on_what_we_do_not_know_says_so() {
    let extra = vec![("Require", "multiple-refer".to_string())];
    let desk = PhonePlan::answers_after(1.0).act(3.0, Act::Refer(format!("<{SALES}>"), extra));
    let mut scene = scene(desk, PhonePlan::answers_after(2.0));
    scene.world.run();
    assert_eq!(scene.world.heard(scene.desk, "REFER"), [420]);
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
