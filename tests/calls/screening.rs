//! What is known in time, what comes late, what never comes; and what the phone gets to see.

use std::time::Duration;

use ringward::screening::{Label, NumberLight, VoiceLight};

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::signing::{CERTIFICATE_URL, signed_token, unsigned_token};
use crate::world::{EPOCH_S, World, one_desk};

const CALLER: &str = "+14045550123";

fn talk(seconds: f64) -> CallerPlan {
    CallerPlan::new(CALLER).act(seconds, Act::Bye)
}

fn with_token(plan: CallerPlan) -> CallerPlan {
    let token = unsigned_token("14045550123", "12125550100", EPOCH_S, CERTIFICATE_URL);
    plan.header("Identity", &token)
}

#[test]
fn a_certificate_that_never_comes_delays_ringing_by_no_more_than_the_budget() {
    let mut world = World::new(one_desk(), 9);
    world.helpers.fetch = None;
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
    world.call(with_token(talk(20.0)));
    world.run();
    assert_eq!(world.fetches.len(), 1);
    let ringing = world.record().timings.ringing_ms.unwrap();
    assert!((800..900).contains(&ringing), "{ringing}");
    assert!(
        world.tags().contains("CERTIFICATE_UNAVAILABLE"),
        "{:?}",
        world.tags()
    );
    let banner = &world.record().banners[0].banner;
    assert_eq!(banner.number, NumberLight::Unproven);
    let trust = world.rung(phone).must("Ringward-Trust");
    assert!(
        trust.starts_with("number=unproven; voice=pending; label=unproven; call="),
        "{trust}"
    );
    assert!(
        world
            .rung(phone)
            .must("P-Asserted-Identity")
            .contains("verstat=No-TN-Validation")
    );
}

#[test]
fn a_store_that_never_answers_delays_ringing_by_no_more_than_the_budget() {
    let mut world = World::new(one_desk(), 9);
    world.helpers.store = None;
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
    world.call(talk(2.0));
    world.run();
    let ringing = world.record().timings.ringing_ms.unwrap();
    assert!((800..900).contains(&ringing), "{ringing}");
    assert!(world.tags().contains("HISTORY_UNAVAILABLE"), "{:?}", world.tags());
}

#[test]
fn a_store_that_answers_late_is_heard_while_it_rings() {
    let mut world = World::new(one_desk(), 9);
    if let Some((after, history)) = &mut world.helpers.store {
        *after = Duration::from_millis(1500);
        history.reported_scam = 5;
    }
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(4.0));
    world.call(talk(2.0));
    world.run();
    assert!(world.tags().contains("REPORTED_SCAM"), "{:?}", world.tags());
    let banners: Vec<u64> = world.record().banners.iter().map(|change| change.at_ms).collect();
    assert!(banners.len() == 2 && banners[1] < 1600, "{banners:?}");
}

#[test]
fn everything_known_at_once_rings_at_once() {
    let mut world = World::new(one_desk(), 9);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
    world.call(talk(2.0));
    world.run();
    assert!(
        world.record().timings.ringing_ms.unwrap() < 40,
        "{:?}",
        world.record().timings
    );
    assert!(world.tags().contains("NO_IDENTITY"));
}

#[test]
fn a_scorer_that_never_answers_leaves_the_voice_light_pending() {
    let mut world = World::new(one_desk(), 9);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(talk(30.0));
    world.run();
    let record = world.record();
    assert_eq!(record.banner.as_ref().unwrap().voice, VoiceLight::Pending);
    assert!(record.opinion.is_none());
    assert!(world.tags().contains("VOICE_PENDING"), "{:?}", world.tags());
}

#[test]
fn a_scorer_without_room_says_so_in_a_tag() {
    let mut world = World::new(one_desk(), 9);
    world.helpers.is_scorer_overloaded = true;
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(talk(10.0));
    world.run();
    assert!(world.tags().contains("SCORING_OVERLOADED"), "{:?}", world.tags());
    assert_ne!(world.record().banner.as_ref().unwrap().voice, VoiceLight::Person);
}

#[test]
fn a_late_score_changes_the_banner_and_says_when() {
    let mut world = World::new(one_desk(), 9);
    world.helpers.windows = vec![-1.0, -2.5, -3.0, -3.0, -3.0, -3.0];
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(talk(20.0));
    world.run();
    let record = world.record();
    assert_eq!(record.banner.as_ref().unwrap().voice, VoiceLight::Synthetic);
    assert_eq!(record.banner.as_ref().unwrap().label, Label::Synthetic);
    assert!(world.tags().contains("VOICE_SPOOF_LIKELY"), "{:?}", world.tags());
    assert_eq!(record.windows.len(), 6);
    let first = &record.banners[0];
    assert_eq!(
        (first.banner.voice, first.at_ms < 100),
        (VoiceLight::Pending, true)
    );
    let turned = record
        .banners
        .iter()
        .find(|change| change.banner.voice == VoiceLight::Synthetic)
        .unwrap();
    assert!((3000..3100).contains(&turned.at_ms), "{}", turned.at_ms);
    // A voice alone never ends a call.
    assert_eq!(world.heard(caller, "BYE"), [200]);
}

#[test]
fn watchers_are_told_of_every_change_while_it_happens() {
    let mut world = World::new(one_desk(), 9);
    world.helpers.windows = vec![-4.0; 3];
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(talk(20.0));
    world.run();
    let records = world.records.values().next().unwrap();
    let voices: Vec<VoiceLight> = records
        .iter()
        .filter_map(|r| Some(r.banner.as_ref()?.voice))
        .collect();
    assert_eq!(voices.first(), Some(&VoiceLight::Pending));
    assert_eq!(voices.last(), Some(&VoiceLight::Synthetic));
    assert!(
        records.len() >= 5 && records.len() < 15,
        "neither silent nor a flood: {}",
        records.len()
    );
}

#[test]
fn nothing_a_caller_writes_passes_for_a_word_of_ours() {
    let mut world = World::new(one_desk(), 9);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let mut plan = with_token(talk(2.0))
        .header(
            "P-Asserted-Identity",
            "\"Bank\" <sip:+14045550123@x;verstat=TN-Validation-Passed>",
        )
        .header(
            "Ringward-Trust",
            "number=genuine; voice=person; label=genuine; call=0",
        )
        .header("Call-Info", "<https://evil.example/card>;purpose=card")
        .header("Alert-Info", "<https://evil.example/ring>")
        .header("P-Attestation-Indicator", "A")
        .header("P-Origination-Id", "x")
        .header("Attestation-Info", "A")
        .header("Origination-Id", "x")
        .header("Resource-Priority", "esnet.0")
        .header("Priority", "psap-callback")
        .header("X-Trust", "very")
        .header("Subject", "about the invoice");
    plan.from = "\"VERIFIED Bank\" <sip:+14045550123@203.0.113.7;verstat=TN-Validation-Passed>".into();
    world.helpers.fetch = None;
    world.call(plan);
    world.run();
    let invite = world.rung(phone);
    for name in [
        "Identity",
        "P-Attestation-Indicator",
        "P-Origination-Id",
        "Attestation-Info",
        "Origination-Id",
        "Resource-Priority",
        "Priority",
        "X-Trust",
    ] {
        assert_eq!(invite.header(name), None, "{name}");
    }
    for name in ["P-Asserted-Identity", "Ringward-Trust", "Call-Info"] {
        assert_eq!(invite.all(name).count(), 1, "{name}");
    }
    let text = format!("{invite:?}");
    assert!(
        !text.contains("evil") && !text.contains("TN-Validation-Passed") && !text.contains("VERIFIED"),
        "{text}"
    );
    assert_eq!(invite.must("Subject"), "about the invoice");
    assert!(
        invite.must("Call-Info").starts_with("<https://ringward.example/"),
        "{}",
        invite.must("Call-Info")
    );
    assert_eq!(invite.must("Max-Forwards"), "69");
    assert!(
        world.tags().contains("EMERGENCY_CLAIMED") && world.tags().contains("NAME_IMITATES_LABEL"),
        "{:?}",
        world.tags()
    );
}

#[test]
fn of_two_asserted_numbers_only_the_signed_one_is_shown_as_verified() {
    let bank = "+14045559999";
    let asserted = |values: &[&str]| {
        let token = signed_token('A', "14045550123", "12125550100", EPOCH_S);
        values
            .iter()
            .fold(talk(5.0).header("Identity", &token), |plan, value| {
                plan.header("P-Asserted-Identity", value)
            })
    };
    let odd = "<sip:front@203.0.113.7>";
    for values in [
        ["<sip:+14045559999@203.0.113.7>", "<tel:+14045550123>", odd],
        [odd, odd, "<tel:+14045550123>"],
    ] {
        // In time: the signed number is the one that is shown.
        let mut world = World::new(one_desk(), 9);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
        let mut plan = asserted(&values);
        plan.from = format!("<sip:{bank}@203.0.113.7>");
        world.call(plan.clone());
        world.run();
        let invite = world.rung(phone);
        assert!(
            invite.must("P-Asserted-Identity").contains("sip:+14045550123@"),
            "{invite:?}"
        );
        assert!(
            invite
                .must("P-Asserted-Identity")
                .contains("verstat=TN-Validation-Passed"),
            "{invite:?}"
        );
        assert!(!format!("{invite:?}").contains("4045559999"), "{invite:?}");
        let caller = world.record().caller.as_ref().unwrap().reveal().clone();
        assert_eq!(caller, "+14045550123");

        // Too late: the phone shows the first number, and nothing may say that it is verified.
        let mut world = World::new(one_desk(), 9);
        if let Some(fetch) = &mut world.helpers.fetch {
            fetch.0 = Duration::from_millis(1500);
        }
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(4.0));
        world.call(plan);
        world.run();
        assert!(
            world
                .rung(phone)
                .must("P-Asserted-Identity")
                .contains("verstat=No-TN-Validation")
        );
        for change in &world.record().banners {
            assert_eq!(change.banner.number, NumberLight::Unproven);
        }
    }
}

#[test]
fn only_trunks_and_phones_are_known() {
    let mut world = World::new(one_desk(), 9);
    let now = world.now();
    for (source, expected) in [
        ("203.0.113.7:5060", true),
        ("[::ffff:203.0.113.7]:9", true),
        ("10.0.0.5:1", true),
        ("192.0.2.1:5060", false),
    ] {
        assert_eq!(
            world.engine.may_cross(source.parse().unwrap(), now),
            expected,
            "{source}"
        );
    }
}

#[test]
fn without_the_store_nobody_knows_whether_a_token_is_new_and_no_check_mark_is_given() {
    for attest in ['A', 'B'] {
        let mut world = World::new(one_desk(), 9);
        world.helpers.store = None;
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let token = signed_token(attest, "14045550123", "12125550100", EPOCH_S);
        world.call(talk(1.0).header("Identity", &token));
        world.run();
        let asserted = world.rung(phone).must("P-Asserted-Identity").to_string();
        assert!(
            asserted.contains("verstat=No-TN-Validation"),
            "{attest}: {asserted}"
        );
    }
}

#[test]
fn a_hidden_caller_stays_hidden_on_the_phone() {
    for plan in [
        CallerPlan {
            from: "\"Anonymous\" <sip:anonymous@anonymous.invalid>".into(),
            ..talk(1.0)
        }
        .header("P-Asserted-Identity", "<sip:+14045550123@203.0.113.7>"),
        talk(1.0).header("Privacy", "id"),
    ] {
        let mut world = World::new(one_desk(), 9);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        world.call(plan);
        world.run();
        let invite = world.rung(phone);
        assert!(!format!("{invite:?}").contains("4045550123"), "{invite:?}");
        assert!(
            invite.must("From").contains("sip:anonymous@anonymous.invalid"),
            "{}",
            invite.must("From")
        );
        assert_eq!(invite.header("P-Asserted-Identity"), None);
        assert!(world.tags().contains("CALLER_HIDDEN"));
        assert_eq!(world.record().caller, None);
    }
}

#[test]
fn the_number_shown_is_canonical_and_the_name_is_the_banners() {
    let mut world = World::new(one_desk(), 9);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let mut plan = talk(1.0);
    plan.from = "\"Ann\" <sip:4045550123;tgrp=x@203.0.113.7>".into();
    world.call(plan);
    world.run();
    let from = world.rung(phone).must("From");
    assert!(from.contains("<sip:+14045550123@10.0.0.1;user=phone>"), "{from}");
    assert!(from.starts_with("\"UNPROVEN Ann\""), "{from}");
}

#[test]
fn a_caller_who_is_no_number_is_shown_as_it_calls_itself() {
    let mut world = World::new(one_desk(), 9);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let mut plan = talk(1.0);
    plan.from = "<sip:alice@203.0.113.7>".into();
    world.call(plan);
    world.run();
    assert!(world.rung(phone).must("From").contains("<sip:alice@10.0.0.1>"));
    assert!(world.tags().contains("NUMBER_MALFORMED"), "{:?}", world.tags());
}

#[test]
fn a_call_nobody_answers_has_a_banner_and_a_decision_too() {
    let mut world = World::new(one_desk(), 9);
    world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Never));
    world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.record().decisions.len(), 1);
    assert!(world.record().banner.is_some());
}

/// Signed by a carrier we trust, for the number that is shown unless told otherwise.
fn signed(attest: char, orig: &str) -> CallerPlan {
    talk(2.0).header("Identity", &signed_token(attest, orig, "12125550100", EPOCH_S))
}

#[test]
fn a_number_its_carrier_vouches_for_is_genuine_on_the_phone() {
    let mut world = World::new(one_desk(), 9);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
    world.call(signed('A', "14045550123"));
    world.run();
    assert!(
        world.tags().contains("IDENTITY_VERIFIED_A"),
        "{:?}",
        world.record().identity
    );
    assert_eq!(
        world.record().banner.as_ref().unwrap().number,
        NumberLight::Genuine
    );
    let invite = world.rung(phone);
    assert!(
        invite
            .must("P-Asserted-Identity")
            .contains(";verstat=TN-Validation-Passed>"),
        "{invite:?}"
    );
    assert!(
        invite
            .must("Ringward-Trust")
            .starts_with("number=genuine; voice=pending"),
        "{invite:?}"
    );
    let timings = world.record().timings;
    assert!(
        timings.ringing_ms.unwrap() < 120,
        "a cold certificate costs its fetch: {timings:?}"
    );
}

#[test]
fn somebody_elses_number_is_forged_and_the_signer_is_told_why() {
    let mut world = World::new(one_desk(), 9);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
    let caller = world.call(signed('A', "14045550199"));
    world.run();
    assert!(world.tags().contains("IDENTITY_FORGED"), "{:?}", world.tags());
    assert_eq!(
        world.record().banner.as_ref().unwrap().number,
        NumberLight::Forged
    );
    assert!(
        world
            .rung(phone)
            .must("P-Asserted-Identity")
            .contains("verstat=TN-Validation-Failed")
    );
    assert!(
        world.rung(phone).must("From").starts_with("\"FORGED"),
        "{}",
        world.rung(phone).must("From")
    );
    let told: Vec<&str> = world
        .line(caller)
        .responses
        .iter()
        .filter_map(|r| r.header("Reason"))
        .collect();
    assert_eq!(told.len(), 1, "once, on the next response: {told:?}");
    assert!(
        told[0].starts_with("STIR;cause=438;text=\"Invalid Identity Header\";ppi=\".."),
        "{}",
        told[0]
    );
}

#[test]
fn a_late_certificate_does_not_delay_ringing_and_changes_the_banner() {
    let mut world = World::new(one_desk(), 9);
    if let Some((after, _)) = &mut world.helpers.fetch {
        *after = Duration::from_millis(1500);
    }
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(4.0));
    world.call(signed('A', "14045550123"));
    world.run();
    let record = world.record();
    assert!(record.timings.ringing_ms.unwrap() < 900, "{:?}", record.timings);
    assert!(
        world
            .rung(phone)
            .must("Ringward-Trust")
            .starts_with("number=unproven")
    );
    let mut lights: Vec<NumberLight> = record.banners.iter().map(|change| change.banner.number).collect();
    lights.dedup();
    assert_eq!(lights, [NumberLight::Unproven, NumberLight::Genuine]);
    assert!(
        (1500..1600).contains(&record.timings.identity_ms.unwrap()),
        "{:?}",
        record.timings
    );
    assert!(world.tags().contains("IDENTITY_VERIFIED_A"));
}

#[test]
fn a_token_used_by_two_calls_is_found_the_second_time() {
    let mut world = World::new(one_desk(), 9);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let token = signed_token('A', "14045550123", "12125550100", EPOCH_S);
    world.call(talk(1.0).header("Identity", &token));
    world.call_after(10.0, talk(1.0).header("Identity", &token));
    world.run();
    let mut reused: Vec<(u64, Option<bool>)> = world
        .records
        .values()
        .map(|records| records.last().unwrap())
        .map(|record| (record.started_ms, record.facts.identity.is_reused))
        .collect();
    reused.sort();
    let reused: Vec<Option<bool>> = reused.into_iter().map(|(_, is_reused)| is_reused).collect();
    assert_eq!(reused, [Some(false), Some(true)]);
    // The phone's own check mark goes by verstat alone.
    let given = |word: &str| {
        let ending = format!("verstat={word}>");
        let lines = world.agents[&phone].lines.values();
        lines
            .filter(|line| line.invite.must("P-Asserted-Identity").ends_with(&ending))
            .count()
    };
    assert_eq!((given("TN-Validation-Passed"), given("No-TN-Validation")), (1, 1));
    assert_eq!(world.fetches.len(), 1, "the certificate stays on the shelf");
}

#[test]
fn a_policy_that_refuses_forged_numbers_does_so_before_anything_rings() {
    let text = include_str!("../../policies/default.toml").replacen(
        "then = \"label\"                      # \"refuse\" is possible here",
        "then = \"refuse\"                     # \"refuse\" is possible here",
        1,
    );
    let policy = ringward::policy::Policy::load("strict", &text, &["desk".into()]).unwrap();
    let mut world = World::with_policy(one_desk(), 9, policy);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(signed('A', "14045550199"));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 608]);
    assert!(world.agents[&phone].lines.is_empty());
    let refusal = world.line(caller).responses.last().unwrap();
    assert!(
        refusal.must("Reason").starts_with("STIR;cause=438"),
        "{refusal:?}"
    );
    assert_eq!(
        world.ending(),
        (ringward::call::record::Ending::Refused, 608, "us")
    );
    assert!(world.media.is_empty(), "a refused call takes no port");
}
