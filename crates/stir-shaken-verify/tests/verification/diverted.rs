//! Diverted calls (RFC 8946), row by row of the checklist: D-01 to D-05, and I-12.

use stir_shaken_verify::*;

use crate::authority::*;
use crate::carriers::*;

#[test]
fn d_01_each_diversion_has_its_own_certificate_signer_and_checks() {
    let carriers = Carriers::new();
    let identity = carriers.chain(2);
    let report = carriers.judge(&diverted(&identity, 2), NOW + 3);
    assert_eq!(report.standing, Standing::Verified, "{report:#?}");
    assert_eq!(report.attestation, Some(Attestation::Full));
    assert_eq!((report.is_diverted, report.iat_age_seconds), (true, Some(3)));
    assert_eq!(outcomes(&report), [PASSED; 3]);
    assert_eq!(report.signer.as_ref().unwrap().spc.as_deref(), Some("1234"));
    let hops = report.hops.iter();
    let hops: Vec<_> = hops
        .map(|hop| {
            (
                hop.number_index,
                hop.signer.as_ref().unwrap().spc.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(hops, [(0, "5678"), (1, "9012")]);
    assert_eq!(result(&report.headers[0], "diversion"), CheckResult::Passed);
    assert_eq!(report.headers[1].ppt.as_deref(), Some("div"));
    assert!(
        report.headers[1]
            .checks
            .iter()
            .all(|check| check.name != "attest")
    );
}

/// The first diversion of two, altered before it is signed.
fn check_altered(change: impl FnOnce(Token, &Carriers) -> Token, expected: (Outcome, Option<u16>)) {
    let carriers = Carriers::new();
    let altered = change(carriers.diversion(0), &carriers).signed();
    let identity = [carriers.base(), altered, carriers.div(1)];
    let report = carriers.judge(&diverted(&identity, 2), NOW);
    assert_eq!(outcomes(&report), [ELSEWHERE, expected, PASSED], "{report:#?}");
    expect_unverified(&report, 0, "a link of the chain is missing");
    assert!(!report.is_forged());
}

#[test]
fn d_01_a_diversion_that_fails_has_its_own_code_and_breaks_the_chain() {
    check_altered(|token, _| token.with_iat(NOW - 301), (Outcome::Stale, Some(403)));
    check_altered(|token, _| token.with_iat(NOW + 61), (Outcome::Stale, Some(403)));
    check_altered(
        |token, carriers| token.with_parameters(carriers.first.url, URL),
        (Outcome::BadInfo, Some(436)),
    );
    // The base's certificate, and with it another key.
    check_altered(
        |token, carriers| {
            let url = carriers.first.url;
            token.with_header(url, URL).with_parameters(url, URL)
        },
        (Outcome::Invalid, Some(438)),
    );
    check_altered(
        |token, _| token.with(CALLER, "14045550124"),
        (Outcome::OrigMismatch, Some(438)),
    );
    check_altered(
        |token, _| token.with("\"div\":{\"tn\"", "\"div\":{\"x\""),
        (Outcome::Invalid, Some(438)),
    );
    check_altered(
        |token, _| token.with(&format!("\"div\":{{\"tn\":\"{}\"}},", number(0)), ""),
        (Outcome::Invalid, Some(438)),
    );
    check_altered(
        |token, _| token.with_header("\"div\"", "\"shaken\""),
        (Outcome::Invalid, Some(438)),
    );
    check_altered(
        |token, _| token.with_parameters("alg=ES256", "alg=RS256"),
        (Outcome::Unsupported, Some(437)),
    );
}

#[test]
fn d_01_a_diversion_is_signed_with_authority_over_the_number_that_diverts() {
    for (numbers, expected) in [
        (one_number(&number(0)), PASSED),
        (number_range(&number(0), 2), PASSED),
        (number_range(&number(1), 9), (Outcome::NoAuthority, Some(437))),
        (one_number(CALLER), (Outcome::NoAuthority, Some(437))),
    ] {
        let mut carriers = Carriers::new();
        carriers.first.holder = carriers.world.intermediate.issue(signer_params(Some(numbers)));
        let identity = carriers.chain(1);
        let report = carriers.judge(&diverted(&identity, 1), NOW);
        assert_eq!(outcomes(&report)[1], expected, "{report:#?}");
        assert_eq!(report.standing == Standing::Verified, expected == PASSED);
    }
}

#[test]
fn d_01_a_diversion_nobody_trusts_is_worth_nothing() {
    let mut carriers = Carriers::new();
    carriers.first.holder = World::new().signer;
    let identity = carriers.chain(1);
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(
        outcomes(&report),
        [ELSEWHERE, (Outcome::UntrustedCredential, Some(437))]
    );
    expect_unverified(&report, 0, "another number than the one dialled");
}

#[test]
fn d_02_the_order_of_the_headers_says_nothing() {
    let carriers = Carriers::new();
    let chain = carriers.chain(3);
    for order in permutations(4) {
        let identity: Vec<String> = order.iter().map(|place| chain[*place].clone()).collect();
        let report = carriers.judge(&diverted(&identity, 3), NOW);
        assert_eq!(report.standing, Standing::Verified, "{order:?}: {report:#?}");
        let signers = report
            .hops
            .iter()
            .map(|hop| hop.signer.as_ref().unwrap().spc.as_deref().unwrap());
        assert_eq!(signers.collect::<Vec<_>>(), ["5678", "9012", "5678"], "{order:?}");
        // Joined in one line as well.
        let joined = [identity.join(", ")];
        assert_eq!(carriers.judge(&diverted(&joined, 3), NOW).hops, report.hops);
    }
}

#[test]
fn d_02_each_link_must_have_been_called_by_the_one_before_and_the_last_must_be_the_dialled_number() {
    let carriers = Carriers::new();
    let identity = carriers.chain(2);
    for hops in [0, 1, 3] {
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        expect_unverified(&report, 0, "ends at another number");
    }
    let second = carriers.diversion(1).with(&number(1), &number(7)).signed();
    let identity = [carriers.base(), carriers.div(0), second];
    expect_unverified(
        &carriers.judge(&diverted(&identity, 2), NOW),
        0,
        "link of the chain is missing",
    );
}

#[test]
fn d_02_a_diversion_of_another_caller_explains_nothing() {
    // Two asserted numbers: both tokens match one of them, and they are not the same.
    let carriers = Carriers::new();
    let identity = [
        carriers.base(),
        carriers.diversion(0).with(CALLER, "14045550124").signed(),
    ];
    let message = MessageView {
        asserted: vec!["tel:+14045550123".into(), "tel:+14045550124".into()],
        ..diverted(&identity, 1)
    };
    expect_unverified(&carriers.judge(&message, NOW), 0, "another caller");
}

#[test]
fn d_02_several_destinations_are_followed_where_the_next_link_says() {
    let carriers = Carriers::new();
    let both = format!("\"{}\",\"12125550177\"", number(0));
    let base = carriers
        .world
        .token()
        .with(&format!("\"{}\"", number(0)), &both)
        .signed();
    let fork = format!("\"12125550188\",\"{}\"", number(1));
    let first = carriers
        .diversion(0)
        .with(&format!("\"{}\"", number(1)), &fork)
        .signed();
    let identity = [base, first, carriers.div(1)];
    let report = carriers.judge(&diverted(&identity, 2), NOW);
    assert_eq!(report.standing, Standing::Verified, "{report:#?}");
}

#[test]
fn d_03_a_base_for_another_number_passes_only_with_a_complete_chain() {
    let carriers = Carriers::new();
    let identity = carriers.chain(1);
    assert_eq!(
        carriers.judge(&diverted(&identity, 1), NOW).standing,
        Standing::Verified
    );
    let alone = carriers.judge(&diverted(&identity[..1], 1), NOW);
    expect_unverified(&alone, 0, "another number than the one dialled");
    // To may name anybody on the way, as some hosts write it anew.
    for (to, standing) in [
        (number(0), Standing::Verified),
        (number(1), Standing::Verified),
        (number(2), Standing::Failed),
    ] {
        let message = MessageView {
            to: format!("sip:+{to}@example.com").into(),
            ..diverted(&identity, 1)
        };
        let report = carriers.judge(&message, NOW);
        assert_eq!(report.standing, standing, "{report:#?}");
        assert_eq!(report.is_diverted, standing == Standing::Verified);
        if standing == Standing::Failed {
            assert_eq!(outcomes(&report)[0], (Outcome::DestMismatch, Some(438)));
        }
    }
}

#[test]
fn d_04_a_gap_is_not_verified() {
    let carriers = Carriers::new();
    let chain = carriers.chain(3);
    for missing in 1..=3 {
        let mut identity = chain.clone();
        identity.remove(missing);
        let report = carriers.judge(&diverted(&identity, 3), NOW);
        assert_eq!(report.standing, Standing::DivertedUnverified);
        expect_unverified(
            &report,
            0,
            if missing == 3 {
                "ends at another"
            } else {
                "missing"
            },
        );
        // Each link is good by itself all the same.
        assert_eq!(outcomes(&report)[1..], [PASSED; 2]);
    }
}

#[test]
fn d_04_a_loop_is_not_verified() {
    let carriers = Carriers::new();
    let back = carriers.second.token("div", &number(1), &number(0), "").signed();
    let to_itself = carriers.first.token("div", &number(0), &number(0), "").signed();
    for (identity, hops) in [
        (vec![carriers.base(), carriers.div(0), back.clone()], 0),
        (vec![carriers.base(), carriers.div(0), back.clone()], 1),
        (vec![carriers.base(), to_itself], 0),
    ] {
        expect_unverified(&carriers.judge(&diverted(&identity, hops), NOW), 0, "circle");
    }
}

#[test]
fn d_04_a_fork_is_not_verified() {
    let carriers = Carriers::new();
    let other_way = carriers
        .first
        .token("div", &number(0), "12125550188", "")
        .signed();
    let identity = [carriers.base(), carriers.div(0), other_way];
    expect_unverified(&carriers.judge(&diverted(&identity, 1), NOW), 0, "contradict");
}

#[test]
fn d_04_the_same_diversion_twice_is_not_verified() {
    let carriers = Carriers::new();
    let div = carriers.div(0);
    let identity = [carriers.base(), div.clone(), div];
    expect_unverified(&carriers.judge(&diverted(&identity, 1), NOW), 0, "twice");
}

#[test]
fn d_04_two_bases_are_not_verified() {
    let carriers = Carriers::new();
    let other = carriers.world.token().with("\"A\"", "\"B\"").signed();
    let direct = carriers.world.token().with(&number(0), &number(1)).signed();
    for second in [carriers.base(), other, direct] {
        let identity = [carriers.base(), carriers.div(0), second];
        expect_unverified(&carriers.judge(&diverted(&identity, 1), NOW), 0, "two PASSporTs");
    }
}

#[test]
fn d_04_a_diversion_without_base_is_not_verified() {
    let carriers = Carriers::new();
    let identity = [carriers.div(0)];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(
        (report.standing, outcomes(&report)),
        (Standing::DivertedUnverified, vec![PASSED])
    );
    assert_eq!(
        (report.attestation, report.is_diverted, report.hops.len()),
        (None, false, 0)
    );
    // And one that is wrong says nothing against the number of the caller.
    let identity = [Token::new(&rcgen::KeyPair::generate().unwrap())
        .signed()
        .replace("shaken", "div")];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!((report.standing, report.is_forged()), (Standing::Failed, false));
}

#[test]
fn d_04_a_good_diversion_that_leads_elsewhere_contradicts_a_base_that_is_addressed_to_us() {
    let carriers = Carriers::new();
    let identity = carriers.chain(1);
    expect_unverified(
        &carriers.judge(&diverted(&identity, 0), NOW),
        0,
        "ends at another number",
    );
}

#[test]
fn d_05_eight_diversions_are_followed_and_nine_are_not() {
    let carriers = Carriers::new();
    for hops in [1, 5, 8] {
        let identity = carriers.chain(hops);
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert_eq!(
            (report.standing, report.hops.len()),
            (Standing::Verified, hops),
            "{report:#?}"
        );
    }
    let identity = carriers.chain(9);
    expect_unverified(&carriers.judge(&diverted(&identity, 9), NOW), 0, "too often");
}

#[test]
fn d_05_headers_beyond_the_bound_prove_nothing_by_being_out_of_sight() {
    let carriers = Carriers::new();
    let mut identity = carriers.chain(2);
    identity.extend(vec![
        "x.y.z;ppt=msg".to_string();
        limits::IDENTITY_HEADERS_MAX - 3
    ]);
    let report = carriers.judge(&diverted(&identity, 2), NOW);
    assert_eq!(report.standing, Standing::Verified);
    identity.push("x.y.z;ppt=msg".into());
    expect_unverified(
        &carriers.judge(&diverted(&identity, 2), NOW),
        0,
        "more Identity headers",
    );
}

#[test]
fn i_12_a_token_addressed_to_himself_is_no_use_to_a_caller() {
    // He called himself, kept the token, and writes his own number in To or in the Request-URI.
    let carriers = Carriers::new();
    let identity = [carriers.base()];
    let own = "sip:+12125550100@example.com";
    let victim = "sip:+12125550199@example.com";
    for (to, dialled, standing) in [
        (own, own, Standing::Verified),
        (own, victim, Standing::DivertedUnverified),
        (victim, own, Standing::Failed),
        (victim, victim, Standing::Failed),
    ] {
        let message = MessageView {
            to: to.into(),
            request_uri: dialled.into(),
            ..diverted(&identity, 0)
        };
        let report = carriers.judge(&message, NOW);
        assert_eq!(report.standing, standing, "{report:#?}");
    }
}
