//! What the trunk hears of Identity headers that failed (RFC 9410), and what anonymous callers are answered.

use ringward::call::ReasonStyle;
use ringward::policy::Policy;

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::signing::{CERTIFICATE_URL, signed_token, unsigned_token};
use crate::world::{EPOCH_S, World, one_desk};

const CALLER: &str = "+14045550123";

fn good() -> String {
    signed_token('A', "14045550123", "12125550100", EPOCH_S)
}

/// For another calling number.
fn forged() -> String {
    signed_token('A', "14045550199", "12125550100", EPOCH_S)
}

fn stale() -> String {
    signed_token('A', "14045550123", "12125550100", EPOCH_S - 3600)
}

fn plan(identities: &[String]) -> CallerPlan {
    identities
        .iter()
        .fold(CallerPlan::new(CALLER).act(1.0, Act::Bye), |plan, identity| {
            plan.header("Identity", identity)
        })
}

fn ppi(identity: &str) -> String {
    let token = identity.split(';').next().unwrap();
    format!("ppi=\"..{}\"", token.rsplit('.').next().unwrap())
}

/// Status and Reason of every response to the INVITE that has one.
fn reasons(world: &World, caller: std::net::SocketAddr) -> Vec<(u16, Vec<String>)> {
    let responses = world.line(caller).responses.iter();
    responses
        .filter(|response| response.method() == "INVITE" && response.header("Reason").is_some())
        .map(|response| {
            let reasons = response.all("Reason").map(str::to_string).collect();
            (response.status().unwrap(), reasons)
        })
        .collect()
}

fn answered(identities: &[String], style: ReasonStyle, privacy: Option<&str>) -> Vec<(u16, Vec<String>)> {
    let mut world = World::with_trunk(one_desk(), 3, Policy::embedded(), |trunk| {
        trunk.identity_reasons = style;
    });
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let mut plan = plan(identities);
    if let Some(privacy) = privacy {
        plan = plan.header("Privacy", privacy);
    }
    let caller = world.call(plan);
    world.run();
    reasons(&world, caller)
}

#[test]
fn f_01_a_failure_rides_on_the_next_response_in_the_protocol_stir() {
    let identity = forged();
    let expected = format!(
        "STIR;cause=438;text=\"Invalid Identity Header\";{}",
        ppi(&identity)
    );
    let found = answered(&[identity], ReasonStyle::Stir, None);
    assert_eq!(found, [(180, vec![expected])]);
}

#[test]
fn f_02_each_failed_header_is_told_apart_by_its_ppi() {
    let identities = [forged(), good(), stale()];
    let found = answered(&identities, ReasonStyle::Stir, None);
    let expected = vec![
        format!(
            "STIR;cause=438;text=\"Invalid Identity Header\";{}",
            ppi(&identities[0])
        ),
        format!("STIR;cause=403;text=\"Stale Date\";{}", ppi(&identities[2])),
    ];
    assert_eq!(found, [(180, expected)]);
}

#[test]
fn f_03_one_good_header_lets_the_call_go_on_as_verified() {
    let mut world = World::new(one_desk(), 3);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(plan(&[forged(), good()]));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert!(world.tags().contains("IDENTITY_VERIFIED_A"), "{:?}", world.tags());
    assert!(
        world
            .rung(phone)
            .must("P-Asserted-Identity")
            .contains("verstat=TN-Validation-Passed")
    );
    assert_eq!(reasons(&world, caller).len(), 1);
}

#[test]
fn f_04_nothing_is_told_when_the_caller_asks_for_privacy() {
    for privacy in ["id", "user;id", "header"] {
        assert!(
            answered(&[forged()], ReasonStyle::Stir, Some(privacy)).is_empty(),
            "{privacy}"
        );
    }
    assert_eq!(answered(&[forged()], ReasonStyle::Stir, Some("none")).len(), 1);
}

#[test]
fn f_05_a_trunk_from_before_rfc_9410_hears_the_protocol_sip_once_or_nothing() {
    let sip = "SIP;cause=438;text=\"Invalid Identity Header\"";
    let found = answered(&[forged(), stale()], ReasonStyle::Sip, None);
    assert_eq!(found, [(180, vec![sip.to_string()])]);
    assert!(answered(&[forged()], ReasonStyle::Off, None).is_empty());
}

#[test]
fn i_14_an_unsigned_call_is_not_asked_for_a_signature() {
    assert!(
        answered(&[], ReasonStyle::Stir, None).is_empty(),
        "428 is for policies that demand one"
    );
}

#[test]
fn i_15_a_failure_that_is_found_late_rides_on_the_answer() {
    let mut world = World::new(one_desk(), 3);
    if let Some((after, _)) = &mut world.helpers.fetch {
        *after = std::time::Duration::from_millis(1500);
    }
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(3.0));
    let token = unsigned_token("14045550123", "12125550100", EPOCH_S, CERTIFICATE_URL);
    let caller = world.call(plan(&[token]));
    world.run();
    let found = reasons(&world, caller);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, 200);
    assert!(found[0].1[0].starts_with("STIR;cause=438;"), "{found:?}");
}

#[test]
fn i_11_an_anonymous_caller_reaches_the_phone_and_stays_anonymous() {
    let anonymous = CallerPlan {
        from: "\"Anonymous\" <sip:anonymous@anonymous.invalid>".into(),
        ..plan(&[good()])
    }
    .header("Privacy", "id")
    .header("P-Asserted-Identity", "<sip:+14045550123@203.0.113.7;user=phone>");
    let mut world = World::new(one_desk(), 3);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(anonymous);
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(
        world.record().identity.standing,
        ringward::identity::Standing::Verified,
        "verified by the asserted number: {:?}",
        world.record().identity
    );
    let rung = format!("{:?}", world.rung(phone));
    assert!(!rung.contains("4045550123"), "{rung}");
}

#[test]
fn i_11_a_policy_may_refuse_anonymous_callers_with_433() {
    let text = "[policy]\nname = 'p'\n[[rule]]\nid = 'hidden'\nwhen = 'caller.hidden'\nthen = { refuse = 433 }\nreason = 'x'\n";
    let refuses = || Policy::load("p.toml", text, &[]).unwrap();
    for (privacy, statuses) in [(Some("id"), vec![100, 433]), (None, vec![100, 180, 200])] {
        let mut world = World::with_policy(one_desk(), 3, refuses());
        world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let mut plan = plan(&[]);
        if let Some(privacy) = privacy {
            plan = plan.header("Privacy", privacy);
        }
        let caller = world.call(plan);
        world.run();
        assert_eq!(world.heard(caller, "INVITE"), statuses);
        if privacy.is_some() {
            let last = world.line(caller).responses.last().unwrap();
            assert_eq!(last.start, "SIP/2.0 433 Anonymity Disallowed");
        }
    }
}

#[test]
fn i_16_what_comes_inside_a_dialog_is_not_verified_again() {
    let mut world = World::new(one_desk(), 3);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let unsigned = CallerPlan::new(CALLER)
        .act(2.0, Act::Reinvite("Identity", good()))
        .act(6.0, Act::Bye);
    world.call(unsigned);
    world.run();
    let record = world.record();
    assert_eq!(record.identity.standing, ringward::identity::Standing::None);
    assert!(
        world.tags().contains("NO_IDENTITY"),
        "a later signature lifts nobody: {:?}",
        world.tags()
    );
    assert!(world.fetches.is_empty(), "and costs no fetch");
}

#[test]
fn i_16_a_forged_re_invite_does_not_spoil_a_verified_call() {
    let mut world = World::new(one_desk(), 3);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let mut plan = plan(&[good()]);
    plan.acts.insert(
        0,
        (
            std::time::Duration::from_millis(400),
            Act::Reinvite("Identity", forged()),
        ),
    );
    world.call(plan);
    world.run();
    assert_eq!(
        world.record().identity.standing,
        ringward::identity::Standing::Verified
    );
    assert_eq!(world.fetches.len(), 1);
}

#[test]
fn i_16_an_invite_outside_any_dialog_is_verified_whatever_came_before() {
    let mut world = World::new(one_desk(), 3);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(plan(&[good()]));
    world.call_after(10.0, plan(&[forged()]));
    world.run();
    let mut standings: Vec<_> = world
        .records
        .values()
        .map(|records| records.last().unwrap())
        .collect();
    standings.sort_by_key(|record| record.started_ms);
    let forged: Vec<bool> = standings
        .iter()
        .map(|record| record.facts.identity.is_forged)
        .collect();
    assert_eq!(forged, [false, true]);
}
