//! What phones are told of the verification: verstat and its relatives, and whose word it is.

use ringward::banner::{Dialect, MarkHeader, Marks, Placement};
use ringward::call::Config;
use ringward::policy::Policy;
use ringward::queue::Strategy;
use ringward::screening::NumberLight;

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::signing::signed_token;
use crate::wire::Message;
use crate::world::{EPOCH_S, World, one_desk, queue};

const CALLER: &str = "+14045550123";
const ORIGID: &str = "123e4567-e89b-12d3-a456-426655440000";

fn unsigned() -> CallerPlan {
    CallerPlan::new(CALLER).act(1.0, Act::Bye)
}

fn signed(attest: char) -> CallerPlan {
    unsigned().header(
        "Identity",
        &signed_token(attest, "14045550123", "12125550100", EPOCH_S),
    )
}

/// The INVITE a phone gets of this call.
fn rung(change: impl FnOnce(&mut Config), plan: CallerPlan) -> Message {
    let mut world = World::with_config(one_desk(), 4, Policy::embedded(), change);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(plan);
    world.run();
    world.rung(phone).clone()
}

fn with(marks: Marks, plan: CallerPlan) -> Message {
    rung(|config| config.marks = marks, plan)
}

#[test]
fn v_01_verstat_stands_on_the_asserted_identity_or_on_from_when_there_is_none() {
    let invite = with(Marks::default(), signed('A'));
    assert_eq!(
        invite.must("P-Asserted-Identity"),
        "\"NUMBER OK +14045550123\" <sip:+14045550123@10.0.0.1;user=phone;verstat=TN-Validation-Passed>"
    );
    assert!(!invite.must("From").contains("verstat"));
    let hidden = with(Marks::default(), signed('A').header("Privacy", "id"));
    assert_eq!(hidden.header("P-Asserted-Identity"), None);
    assert!(
        hidden
            .must("From")
            .contains("<sip:anonymous@anonymous.invalid;verstat=No-TN-Validation>"),
        "{}",
        hidden.must("From")
    );
}

#[test]
fn v_02_a_queue_speaks_the_dialect_of_its_phones() {
    let mut front = queue("front", Strategy::RingAll, &["sip:a@10.0.0.5:5060"]);
    front.numbers = vec!["+12125550100".into()];
    let back = queue("back", Strategy::RingAll, &["sip:b@10.0.0.6:5060"]);
    let mut world = World::with_config(vec![front, back], 4, Policy::embedded(), |config| {
        let twilio = Marks {
            verstat: Dialect::Twilio,
            ..Marks::default()
        };
        config.queue_marks.insert("front".into(), twilio);
        config.marks.verstat = Dialect::Telnyx;
    });
    let front = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let back = world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    world.call(signed('B'));
    let token = signed_token('B', "14045550123", "12125550101", EPOCH_S);
    world.call(CallerPlan {
        called: "+12125550101".into(),
        ..unsigned().header("Identity", &token)
    });
    world.run();
    let words = [front, back].map(|phone| {
        let asserted = world.rung(phone).must("P-Asserted-Identity");
        asserted
            .split("verstat=")
            .nth(1)
            .unwrap()
            .trim_end_matches('>')
            .to_string()
    });
    assert_eq!(words, ["TN-Validation-Passed-B", "TN-Validation-Passed-B"]);
    assert_eq!(
        with(
            Marks {
                verstat: Dialect::Twilio,
                ..Marks::default()
            },
            signed('A')
        )
        .must("P-Asserted-Identity")
        .split("verstat=")
        .nth(1),
        Some("TN-Validation-Passed-A>")
    );
}

#[test]
fn v_02_a_peer_that_wants_no_verstat_gets_none() {
    let off = Marks {
        verstat: Dialect::Off,
        ..Marks::default()
    };
    assert!(!format!("{:?}", with(off, signed('A'))).contains("verstat"));
}

#[test]
fn v_03_verstat_stands_in_the_uri_in_the_user_part_or_in_both_as_neustar_has_it() {
    let placed = |placement| {
        let marks = Marks {
            placement,
            ..Marks::default()
        };
        let invite = with(marks, signed('A'));
        ["From", "P-Asserted-Identity"].map(|name| {
            let value = invite.must(name);
            let (_, uri) = value.split_once('<').unwrap();
            uri.split('>').next().unwrap().to_string()
        })
    };
    let plain = "sip:+14045550123@10.0.0.1;user=phone".to_string();
    let inside = "sip:+14045550123;verstat=TN-Validation-Passed@10.0.0.1;user=phone".to_string();
    let outside = format!("{plain};verstat=TN-Validation-Passed");
    assert_eq!(placed(Placement::Uri), [plain.clone(), outside.clone()]);
    assert_eq!(placed(Placement::User), [plain, inside.clone()]);
    assert_eq!(placed(Placement::Both), [inside, outside]);
}

#[test]
fn v_04_the_attestation_rides_in_headers_of_its_own() {
    let headers = vec![
        MarkHeader::AttestationInfo,
        MarkHeader::PAttestationIndicator,
        MarkHeader::XTwilioVerstat,
    ];
    let marks = Marks {
        headers,
        ..Marks::default()
    };
    let invite = with(marks.clone(), signed('B'));
    for (name, value) in [
        ("Attestation-Info", "B"),
        ("Origination-Id", ORIGID),
        ("P-Attestation-Indicator", "B"),
        ("P-Origination-Id", ORIGID),
        ("X-Twilio-VerStat", "TN-Validation-Passed-B"),
    ] {
        assert_eq!(invite.must(name), value, "{name}");
    }
    let unsigned = with(
        marks,
        unsigned()
            .header("P-Attestation-Indicator", "A")
            .header("Origination-Id", "x"),
    );
    assert_eq!(unsigned.must("X-Twilio-VerStat"), "No-TN-Validation");
    for name in [
        "Attestation-Info",
        "Origination-Id",
        "P-Attestation-Indicator",
        "P-Origination-Id",
    ] {
        assert_eq!(
            unsigned.header(name),
            None,
            "{name}: not ours, and not the caller's"
        );
    }
}

#[test]
fn v_05_a_letter_is_shown_only_when_every_check_passed() {
    let marks = || Marks {
        verstat: Dialect::Twilio,
        headers: vec![MarkHeader::PAttestationIndicator],
        ..Marks::default()
    };
    let stale = unsigned().header(
        "Identity",
        &signed_token('A', "14045550123", "12125550100", EPOCH_S - 3600),
    );
    let other = unsigned().header(
        "Identity",
        &signed_token('A', "14045550199", "12125550100", EPOCH_S),
    );
    for (plan, word) in [(stale, "No-TN-Validation"), (other, "TN-Validation-Failed")] {
        let invite = with(marks(), plan);
        assert_eq!(invite.header("P-Attestation-Indicator"), None);
        assert!(
            invite
                .must("P-Asserted-Identity")
                .ends_with(&format!("verstat={word}>")),
            "{}",
            invite.must("P-Asserted-Identity")
        );
    }
}

/// A carrier whose own verification is believed.
fn trusting(config: &mut Config) {
    config.trunks[0].is_verifier_trusted = true;
}

#[test]
fn v_06_a_trusted_carriers_verstat_is_shown_as_its_word_and_never_as_ours() {
    let asserted = "<sip:+14045550123@203.0.113.7;user=phone;verstat=TN-Validation-Passed>";
    let plan = || unsigned().header("P-Asserted-Identity", asserted);
    let mut world = World::with_config(one_desk(), 4, Policy::embedded(), trusting);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(plan());
    world.run();
    let banner = world.record().banner.clone().unwrap();
    assert_eq!(banner.number, NumberLight::Unproven, "nothing was proven here");
    assert_eq!(
        banner.number_text,
        "Number: checked by the carrier that brought it, not here"
    );
    assert_eq!(banner.prefix, "CARRIER OK");
    assert!(world.tags().contains("CARRIER_VERIFIED"), "{:?}", world.tags());
    let invite = world.rung(phone);
    assert!(
        invite
            .must("P-Asserted-Identity")
            .contains("verstat=No-TN-Validation")
    );
    assert!(invite.must("Ringward-Trust").contains("number=unproven;"));
    assert!(invite.must("Ringward-Trust").ends_with("; carrier=passed"));

    // The same words of any other trunk are nobody's.
    let mut world = World::new(one_desk(), 4);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(plan());
    world.run();
    assert!(!world.tags().contains("CARRIER_VERIFIED"));
    assert!(!format!("{:?}", world.rung(phone)).contains("carrier="));
    assert_eq!(world.record().banner.as_ref().unwrap().prefix, "UNPROVEN");
}

#[test]
fn v_06_our_own_verification_counts_before_the_carriers() {
    let with_word = |plan: CallerPlan, word: &str| {
        plan.header(
            "P-Asserted-Identity",
            &format!("<sip:+14045550123@203.0.113.7;user=phone;verstat={word}>"),
        )
    };
    let outcome = |plan| {
        let mut world = World::with_config(one_desk(), 4, Policy::embedded(), trusting);
        world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        world.call(plan);
        world.run();
        (world.record().banner.as_ref().unwrap().number, world.tags())
    };
    let other = signed_token('A', "14045550199", "12125550100", EPOCH_S);
    let (light, tags) = outcome(with_word(
        unsigned().header("Identity", &other),
        "TN-Validation-Passed",
    ));
    assert_eq!(light, NumberLight::Forged);
    assert!(!tags.contains("CARRIER_VERIFIED"), "{tags:?}");
    let (light, tags) = outcome(with_word(signed('A'), "TN-Validation-Failed"));
    assert_eq!(light, NumberLight::Genuine);
    assert!(!tags.contains("CARRIER_FAILED"), "{tags:?}");
    let (light, tags) = outcome(with_word(unsigned(), "TN-Validation-Failed"));
    assert_eq!(light, NumberLight::Unproven);
    assert!(tags.contains("CARRIER_FAILED"), "{tags:?}");
}

/// Everything that a peer may try to be believed by.
const TRUST_HEADERS: [&str; 12] = [
    "Identity",
    "Date",
    "Attestation-Info",
    "Origination-Id",
    "P-Attestation-Info",
    "P-Attestation-Indicator",
    "P-Origination-Id",
    "X-Twilio-VerStat",
    "X-Trust",
    "X-Plivo-Stir-Verification",
    "Resource-Priority",
    "Reason",
];

#[test]
fn i_17_trust_headers_from_outside_are_stripped() {
    let mut plan = signed('A');
    for name in TRUST_HEADERS.iter().skip(2) {
        plan = plan.header(name, "A");
    }
    plan = plan
        .header("Date", "Sun, 22 Nov 2026 04:00:00 GMT")
        .header("Ringward-Trust", "number=genuine; carrier=passed");
    let invite = with(Marks::default(), plan);
    for name in TRUST_HEADERS {
        assert_eq!(invite.header(name), None, "{name}");
    }
    assert_eq!(invite.all("Ringward-Trust").count(), 1);
    assert!(!invite.must("Ringward-Trust").contains("carrier"));
}

#[test]
fn i_17_identity_goes_on_where_the_configuration_says_so_and_never_for_a_hidden_caller() {
    let pass = || Marks {
        passes_identity: true,
        ..Marks::default()
    };
    let token = signed_token('A', "14045550123", "12125550100", EPOCH_S);
    let plan = unsigned()
        .header("Identity", &token)
        .header("Identity", "x.y.z;info=<https://x>;ppt=rcd")
        .header("Date", "Sun, 22 Nov 2026 04:00:00 GMT");
    let invite = with(pass(), plan.clone());
    let passed: Vec<&str> = invite.all("Identity").collect();
    assert_eq!(
        passed,
        [token.as_str(), "x.y.z;info=<https://x>;ppt=rcd"],
        "as they came"
    );
    assert_eq!(invite.must("Date"), "Sun, 22 Nov 2026 04:00:00 GMT");
    let hidden = with(pass(), plan.header("Privacy", "id"));
    assert_eq!(hidden.header("Identity"), None, "a PASSporT names the number");
}
