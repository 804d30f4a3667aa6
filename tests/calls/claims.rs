//! Rich call data and signed priority on their way through the gateway.

use std::time::Duration;

use ringward::policy::Policy;
use ringward::screening::{Label, NumberLight};

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::signing::{signed_passport, signed_token};
use crate::world::{EPOCH_S, World, one_desk};

const ORIG: &str = "14045550123";
const DEST: &str = "12125550100";

fn talk(seconds: f64) -> CallerPlan {
    CallerPlan::new("+14045550123").act(seconds, Act::Bye)
}

/// A SHAKEN PASSporT with attestation A and these claims beside.
fn shaken(claims: &str) -> String {
    let claims = format!(r#","attest":"A","origid":"123e4567-e89b-12d3-a456-426655440000"{claims}"#);
    signed_passport("shaken", ORIG, DEST, EPOCH_S, &claims)
}

const RCD: &str = r#","rcd":{"nam":"Acme Dental"},"crn":"Your \u202eappointment""#;

fn refuse_everything() -> Policy {
    let text = "[policy]\nname = 'closed'\n[[rule]]\nid = 'all'\nwhen = 'true'\nthen = 'refuse'\nreason = 'closed'\n";
    Policy::load("closed.toml", text, &[]).unwrap()
}

#[test]
fn r_06_r_07_a_signed_name_is_shown_and_the_other_one_flagged() {
    for is_separate in [false, true] {
        let mut world = World::new(one_desk(), 3);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let mut plan = if is_separate {
            talk(2.0)
                .header("Identity", &shaken(""))
                .header("Identity", &signed_passport("rcd", ORIG, DEST, EPOCH_S, RCD))
        } else {
            talk(2.0).header("Identity", &shaken(RCD))
        };
        plan.from = "\"Your Bank\" <sip:+14045550123@203.0.113.7;user=phone>".into();
        world.call(plan);
        world.run();
        let invite = world.rung(phone);
        assert!(
            invite.must("From").starts_with("\"NUMBER OK Acme Dental\" <"),
            "{invite:?}"
        );
        let info = invite.must("Call-Info");
        assert!(
            info.contains("Acme%20Dental")
                && info.contains(">;purpose=jcard;call-reason=\"Your appointment\";verified=\"true\""),
            "{info}"
        );
        assert!(!format!("{invite:?}").contains("Bank"), "{invite:?}");
        let tags = world.tags();
        assert!(
            tags.contains("NAME_SIGNED") && tags.contains("NAME_DIFFERS_FROM_SIGNED"),
            "{tags:?}"
        );
        let banner = world.record().banner.clone().unwrap();
        assert_eq!(banner.number, NumberLight::Genuine);
        assert_eq!(
            banner.name_text.as_deref(),
            Some("Name: Acme Dental, signed with the number")
        );
        assert!(banner.call_reason.unwrap().contains("Your appointment"));
    }
}

#[test]
fn r_07_the_name_in_a_copied_token_is_not_shown_as_signed() {
    let mut world = World::new(one_desk(), 3);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let token = shaken(RCD);
    world.call(talk(2.0).header("Identity", &token));
    world.call_after(20.0, talk(2.0).header("Identity", &token));
    world.run();
    let invites: Vec<String> = world.agents[&phone]
        .lines
        .iter()
        .map(|line| format!("{line:?}"))
        .collect();
    let last = world.records.values().last().unwrap().last().unwrap();
    let copied = world
        .records
        .values()
        .filter_map(|records| records.last())
        .find(|record| record.facts.identity.is_reused == Some(true))
        .unwrap_or(last);
    let banner = copied.banner.as_ref().unwrap();
    assert_eq!(
        (banner.number, &banner.name_text),
        (NumberLight::Unproven, &None),
        "{invites:?}"
    );
    assert_eq!(banner.call_reason, None);
}

#[test]
fn r_03_a_digest_that_differs_takes_the_name_and_leaves_the_number() {
    let wrong = r#","rcd":{"nam":"Acme Dental","jcd":["vcard",[["fn",{},"text","Acme Dental"]]]},"rcdi":{"/jcd":"sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0"}"#;
    let mut world = World::new(one_desk(), 3);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(talk(2.0).header("Identity", &shaken(wrong)));
    world.run();
    let banner = world.record().banner.clone().unwrap();
    assert_eq!((banner.number, banner.name_text), (NumberLight::Genuine, None));
    assert!(
        !format!("{:?}", world.rung(phone)).contains("Acme"),
        "nothing of it is shown"
    );
}

#[test]
fn a_proven_emergency_rings_whatever_the_policy_says_and_waits_for_nothing() {
    let claims = r#","rph":{"auth":["esnet.0"]},"sph":"psap-callback""#;
    let mut world = World::with_policy(one_desk(), 3, refuse_everything());
    // The store never answers: an ordinary call would wait for it.
    world.helpers.store = None;
    world.helpers.fetch.as_mut().unwrap().0 = Duration::from_millis(20);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(
        talk(2.0)
            .header("Resource-Priority", "esnet.0")
            .header("Priority", "psap-callback")
            .header("Identity", &signed_token('A', ORIG, DEST, EPOCH_S))
            .header("Identity", &signed_passport("rph", ORIG, DEST, EPOCH_S, claims)),
    );
    world.run();
    assert_eq!(world.heard(caller, "INVITE").last(), Some(&200));
    let invite = world.rung(phone);
    assert_eq!(invite.must("Resource-Priority"), "esnet.0");
    assert_eq!(invite.must("Priority"), "psap-callback");
    let record = world.record();
    assert!(record.timings.ringing_ms.unwrap() < 100, "{:?}", record.timings);
    assert_eq!(record.banner.as_ref().unwrap().label, Label::Emergency);
    let tags = world.tags();
    assert!(
        tags.contains("EMERGENCY_VERIFIED") && !tags.contains("EMERGENCY_CLAIMED"),
        "{tags:?}"
    );
}

#[test]
fn a_priority_of_another_kind_passes_every_gate_without_being_an_emergency() {
    let mut world = World::with_policy(one_desk(), 3, refuse_everything());
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(
        talk(2.0)
            .header("Resource-Priority", "wps.0")
            .header("Priority", "urgent")
            .header("Identity", &signed_token('A', ORIG, DEST, EPOCH_S))
            .header(
                "Identity",
                &signed_passport("rph", ORIG, DEST, EPOCH_S, r#","rph":{"auth":["wps.0"]}"#),
            ),
    );
    world.run();
    assert_eq!(world.heard(caller, "INVITE").last(), Some(&200));
    assert_eq!(world.rung(phone).must("Resource-Priority"), "wps.0");
    // Nobody signed that one.
    assert_eq!(world.rung(phone).header("Priority"), None);
    assert_eq!(world.record().banner.as_ref().unwrap().label, Label::Genuine);
    assert!(world.tags().contains("PRIORITY_VERIFIED"), "{:?}", world.tags());
}

#[test]
fn an_emergency_that_nobody_signed_is_labelled_and_never_refused() {
    let forged = signed_passport(
        "rph",
        "14045559999",
        DEST,
        EPOCH_S,
        r#","rph":{"auth":["esnet.0"]}"#,
    );
    let other = signed_passport("rph", ORIG, DEST, EPOCH_S, r#","rph":{"auth":["esnet.1"]}"#);
    let stale = signed_passport("rph", ORIG, DEST, EPOCH_S - 61, r#","rph":{"auth":["esnet.0"]}"#);
    for identity in [None, Some(forged), Some(other), Some(stale)] {
        let mut world = World::with_policy(one_desk(), 3, refuse_everything());
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let mut plan = talk(2.0).header("Resource-Priority", "esnet.0");
        if let Some(identity) = &identity {
            plan = plan.header("Identity", identity);
        }
        let caller = world.call(plan);
        world.run();
        assert_eq!(world.heard(caller, "INVITE").last(), Some(&200), "{identity:?}");
        assert_eq!(world.rung(phone).header("Resource-Priority"), None);
        let tags = world.tags();
        assert!(
            tags.contains("EMERGENCY_CLAIMED") && !tags.contains("EMERGENCY_VERIFIED"),
            "{tags:?}"
        );
        assert_ne!(world.record().banner.as_ref().unwrap().label, Label::Emergency);
    }
}

#[test]
fn a_copied_emergency_is_a_claim() {
    let claims = r#","rph":{"auth":["esnet.0"]}"#;
    let token = signed_passport("rph", ORIG, DEST, EPOCH_S, claims);
    let plan = || {
        talk(2.0)
            .header("Resource-Priority", "esnet.0")
            .header("Identity", &token)
    };
    let mut world = World::new(one_desk(), 3);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(5.0));
    world.call(plan());
    world.call_after(20.0, plan());
    world.run();
    let mut labels: Vec<(Option<bool>, Label)> = world
        .records
        .values()
        .filter_map(|records| records.last())
        .map(|record| {
            (
                record.facts.identity.is_reused,
                record.banner.as_ref().unwrap().label,
            )
        })
        .collect();
    labels.sort_by_key(|(is_reused, _)| *is_reused);
    assert_eq!(
        labels,
        [(Some(false), Label::Emergency), (Some(true), Label::Suspect)]
    );
}

#[test]
fn a_trusted_emergency_line_waits_for_nothing() {
    let mut world = World::new(one_desk(), 3);
    world.helpers.store = None;
    world.helpers.fetch = None;
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let plan = talk(2.0).header("Identity", &signed_token('A', ORIG, DEST, EPOCH_S));
    world.call_from("203.0.114.7:6000".parse().unwrap(), 0.0, plan);
    world.run();
    assert!(
        world.record().timings.ringing_ms.unwrap() < 100,
        "{:?}",
        world.record().timings
    );
}
