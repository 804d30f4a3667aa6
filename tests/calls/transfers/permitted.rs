//! Who may send a call on, where to, and what a REFER may ask for.

use ringward::call::record::{TransferKind, TransferOutcome};
use ringward::call::{Input, Reach, TransferRules};
use ringward::policy::Policy;

use super::{CALLER, SALES, Scene, refers, scene, scene_with, three_queues};
use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::world::World;

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
fn in_a_lockdown_calls_come_in_and_none_is_sent_on() {
    let mut scene = scene(refers(SALES), PhonePlan::answers_after(1.0));
    scene.world.tell(Input::SetLockdown(Some(1)));
    scene.world.run();
    assert_eq!(scene.world.heard(scene.desk, "REFER"), [403]);
    assert_eq!(scene.world.heard(scene.caller, "INVITE").last(), Some(&200));
    assert!(scene.world.agents[&scene.sales].lines.is_empty());
    assert_eq!(scene.world.count("transfer refused"), 1);
}
