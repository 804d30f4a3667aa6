//! How a refused call is answered: profiles, chosen by rule, by trunk or by configuration.

use ringward::call::record::Ending;
use ringward::call::{CardSigner, Contact, RefusalConfig, SigningKey};
use ringward::policy::{Policy, Profile};

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::signing::signed_token;
use crate::wire::Message;
use crate::world::{EPOCH_S, World, one_desk};

const CALLER: &str = "+14045550123";

fn unsigned() -> CallerPlan {
    CallerPlan::new(CALLER).act(1.0, Act::Bye)
}

fn forged() -> CallerPlan {
    unsigned().header(
        "Identity",
        &signed_token('A', "14045550199", "12125550100", EPOCH_S),
    )
}

fn refusing(then: &str) -> Policy {
    let text =
        format!("[policy]\nname = 'p'\n[[rule]]\nid = 'all'\nwhen = 'true'\nthen = {then}\nreason = 'x'\n");
    Policy::load("p.toml", &text, &[]).unwrap()
}

fn contact() -> Contact {
    Contact {
        name: Some("Example Corp".into()),
        url: Some("https://example.com/blocked".into()),
        tel: None,
        email: Some("calls@example.com".into()),
    }
}

fn config() -> RefusalConfig {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let key = SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap();
    RefusalConfig {
        contact: contact(),
        card: Some(CardSigner::new(
            key,
            "https://certs.example.com/r.pem".into(),
            "https://gw.example.com",
        )),
        ..RefusalConfig::default()
    }
}

/// The final response to a call that a rule refuses in this way.
fn refused(then: &str, refusal: RefusalConfig, trunk: Option<Profile>, plan: CallerPlan) -> Message {
    let mut world = World::with_config(one_desk(), 6, refusing(then), |config| {
        config.refusal = refusal;
        config.trunks[0].refusal = trunk;
    });
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(plan);
    world.run();
    assert!(world.agents[&phone].lines.is_empty(), "nothing rings");
    let response = world.line(caller).responses.last().unwrap().clone();
    let (ending, status, by) = world.ending();
    assert_eq!((ending, by), (Ending::Refused, "us"));
    assert_eq!(Some(status), response.status(), "the record says what was said");
    response
}

#[test]
fn network_blocked_is_a_603_with_its_own_words_and_a_coded_reason() {
    let response = refused("{ refuse = 'network-blocked' }", config(), None, unsigned());
    assert_eq!(response.start, "SIP/2.0 603 Network Blocked");
    assert_eq!(
        response.must("Reason"),
        "SIP;cause=603;text=\"v=analytics1;url=https://example.com/blocked;email=calls@example.com\";location=RPN"
    );
}

#[test]
fn network_blocked_keeps_its_reason_beside_those_of_the_signatures() {
    let response = refused("{ refuse = 'network-blocked' }", config(), None, forged());
    let reasons: Vec<&str> = response.all("Reason").collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].starts_with("SIP;cause=603;text=\"v=analytics1;"));
    assert!(reasons[1].starts_with("STIR;cause=438;"));
    // A trunk that hears of signatures in the protocol SIP hears one Reason of it, and that is the 603's.
    let mut world = World::with_config(
        one_desk(),
        6,
        refusing("{ refuse = 'network-blocked' }"),
        |configured| {
            configured.refusal = config();
            configured.trunks[0].identity_reasons = ringward::call::ReasonStyle::Sip;
        },
    );
    let caller = world.call(forged());
    world.run();
    let response = world.line(caller).responses.last().unwrap();
    let reasons: Vec<&str> = response.all("Reason").collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].starts_with("SIP;cause=603;"));
}

#[test]
fn rejected_is_a_608_that_refers_to_a_signed_card() {
    let refusal = config();
    let signer = refusal.card.clone().unwrap();
    let response = refused("{ refuse = 'rejected' }", refusal, None, unsigned());
    assert_eq!(response.start, "SIP/2.0 608 Rejected");
    let info = response.must("Call-Info");
    let reference = info
        .strip_prefix("<https://gw.example.com/redress/")
        .and_then(|rest| rest.strip_suffix(">;purpose=jwscard"))
        .unwrap_or_else(|| panic!("{info}"));
    assert_eq!(
        signer.read(reference),
        Some(EPOCH_S),
        "signed for the second of the refusal"
    );
}

#[test]
fn who_does_not_announce_sip_608_may_hear_603_plus_instead() {
    let legacy = || RefusalConfig {
        without_608: Profile::NetworkBlocked,
        ..config()
    };
    let old = refused("{ refuse = 'rejected' }", legacy(), None, unsigned());
    assert_eq!(old.start, "SIP/2.0 603 Network Blocked");
    let new = unsigned().header("Feature-Caps", "*;+sip.608");
    let new = refused("{ refuse = 'rejected' }", legacy(), None, new);
    assert_eq!(new.start, "SIP/2.0 608 Rejected");
    assert!(new.header("Call-Info").is_some());
}

#[test]
fn unwanted_is_a_607_only_when_a_person_said_so() {
    for (reports, start) in [(0, "SIP/2.0 608 Rejected"), (1, "SIP/2.0 607 Unwanted")] {
        let mut world = World::with_policy(one_desk(), 6, refusing("{ refuse = 'unwanted' }"));
        if let Some((_, history)) = &mut world.helpers.store {
            history.reported_scam = reports;
        }
        let caller = world.call(unsigned());
        world.run();
        assert_eq!(world.line(caller).responses.last().unwrap().start, start);
    }
}

#[test]
fn a_phone_that_says_unwanted_is_a_person_and_the_caller_hears_it() {
    for (status, heard) in [(607, 607), (603, 603)] {
        let mut world = World::new(one_desk(), 6);
        let plan = PhonePlan::with(Answer::Refuse(status, std::time::Duration::from_millis(30)));
        world.phone("10.0.0.5:5060", plan);
        let caller = world.call(unsigned());
        world.run();
        assert_eq!(world.heard(caller, "INVITE").last(), Some(&heard));
    }
}

#[test]
fn i_14_the_stir_profile_answers_what_verification_found() {
    let check = |plan: CallerPlan, start: &str| {
        let response = refused("{ refuse = 'stir' }", RefusalConfig::default(), None, plan);
        assert_eq!(response.start, start);
        response
    };
    check(unsigned(), "SIP/2.0 428 Use Identity Header");
    let response = check(forged(), "SIP/2.0 438 Invalid Identity Header");
    assert!(
        response.must("Reason").starts_with("STIR;cause=438;"),
        "F-01: and in the Reason"
    );
    let stale = signed_token('A', "14045550123", "12125550100", EPOCH_S - 3600);
    check(unsigned().header("Identity", &stale), "SIP/2.0 403 Stale Date");
    let elsewhere = CallerPlan {
        from: "\"Anonymous\" <sip:anonymous@anonymous.invalid>".into(),
        ..unsigned()
    };
    check(
        elsewhere.header("Privacy", "id"),
        "SIP/2.0 433 Anonymity Disallowed",
    );
}

#[test]
fn i_14_a_verified_call_that_is_refused_for_something_else_is_no_stir_failure() {
    let good = unsigned().header(
        "Identity",
        &signed_token('A', "14045550123", "12125550100", EPOCH_S),
    );
    let response = refused(
        "{ refuse = 'stir' }",
        RefusalConfig::default(),
        Some(Profile::Decline),
        good,
    );
    assert_eq!(response.start, "SIP/2.0 603 Decline");
    assert_eq!(response.header("Reason"), None);
}

#[test]
fn the_rule_counts_before_the_trunk_and_the_trunk_before_the_configuration() {
    let configured = || RefusalConfig {
        profile: Some(Profile::Unavailable),
        ..config()
    };
    let start = |then, trunk| refused(then, configured(), trunk, unsigned()).start;
    assert_eq!(start("'refuse'", None), "SIP/2.0 480 Temporarily Unavailable");
    assert_eq!(
        start("'refuse'", Some(Profile::NetworkBlocked)),
        "SIP/2.0 603 Network Blocked"
    );
    assert_eq!(
        start("{ refuse = 'decline' }", Some(Profile::NetworkBlocked)),
        "SIP/2.0 603 Decline"
    );
    assert_eq!(
        start("{ refuse = 486 }", Some(Profile::NetworkBlocked)),
        "SIP/2.0 486 Busy Here"
    );
    assert_eq!(
        refused("'refuse'", RefusalConfig::default(), None, unsigned()).start,
        "SIP/2.0 608 Rejected"
    );
}
