//! `div-o`: a PASSporT inside a diversion (RFC 8946 §5, D-06).

use proptest::prelude::*;
use stir_shaken_verify::*;

use crate::authority::*;
use crate::carriers::*;

/// The first diversion of `carriers`, with `inside` in it.
fn div_o(carriers: &Carriers, hop: usize, inside: &str) -> Token {
    let more = format!(r#","opt":"{}""#, inside.split(';').next().unwrap_or_default());
    carriers
        .by(hop)
        .token("div-o", &number(hop), &number(hop + 1), &more)
}

#[test]
fn d_06_a_nested_passport_is_verified_inside_and_needs_no_header() {
    let carriers = Carriers::new();
    let identity = [div_o(&carriers, 0, &carriers.base()).signed()];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(report.standing, Standing::Verified, "{report:#?}");
    assert_eq!(report.attestation, Some(Attestation::Full));
    assert_eq!((report.headers.len(), report.hops.len()), (1, 1));
    assert_eq!(
        report.origid.as_deref(),
        Some("123e4567-e89b-12d3-a456-426655440000")
    );
    assert_eq!(result(&report.headers[0], "opt"), CheckResult::Passed);
    let nested = &report.headers[0].nested[0];
    assert_eq!(
        (nested.ppt.as_deref(), nested.outcome),
        (Some("shaken"), Outcome::Passed)
    );
    assert!(
        nested
            .checks
            .iter()
            .all(|check| check.name != "info" && check.name != "header")
    );
}

#[test]
fn d_06_what_is_inside_may_stand_beside_it_too() {
    let carriers = Carriers::new();
    let base = carriers.base();
    let identity = [base.clone(), div_o(&carriers, 0, &base).signed()];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert_eq!(
        (report.standing, report.hops.len()),
        (Standing::Verified, 1),
        "{report:#?}"
    );
}

#[test]
fn d_06_nesting_goes_on_and_mixes_with_headers() {
    let carriers = Carriers::new();
    let mut inside = carriers.base();
    for hops in 1..=4 {
        inside = div_o(&carriers, hops - 1, &inside).signed();
        let identity = [inside.clone()];
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert_eq!(
            (report.standing, report.hops.len()),
            (Standing::Verified, hops),
            "{report:#?}"
        );
        assert_eq!(report.headers[0].nested.len(), hops);
        let identity = [carriers.div(hops), inside.clone()];
        let report = carriers.judge(&diverted(&identity, hops + 1), NOW);
        assert_eq!(
            (report.standing, report.hops.len()),
            (Standing::Verified, hops + 1)
        );
    }
}

#[test]
fn d_06_whatever_is_wrong_inside_is_wrong_outside() {
    let carriers = Carriers::new();
    let forged = Token::new(&rcgen::KeyPair::generate().unwrap()).signed();
    let stale = carriers.world.token().with_iat(NOW - 301).signed();
    let elsewhere = carriers.world.token().with(&number(0), "12125550199").signed();
    let other = carriers.world.token().with(CALLER, "14045550124").signed();
    let rich = carriers
        .world
        .token()
        .with_header("\"shaken\"", "\"rcd\"")
        .signed();
    for (inside, expected, code) in [
        (forged, Outcome::Invalid, 438),
        (stale, Outcome::Stale, 403),
        (elsewhere, Outcome::Invalid, 438),
        (other, Outcome::Invalid, 438),
        (rich, Outcome::Invalid, 438),
        ("..abc".to_string(), Outcome::Invalid, 438),
        (String::new(), Outcome::Invalid, 438),
    ] {
        let identity = [div_o(&carriers, 0, &inside).signed()];
        let report = carriers.judge(&diverted(&identity, 1), NOW);
        assert_ne!(report.standing, Standing::Verified, "{report:#?}");
        assert_eq!(outcomes(&report), [(expected, Some(code))], "{report:#?}");
        assert_eq!(result(&report.headers[0], "opt"), CheckResult::Failed);
    }
    let without = carriers.first.token("div-o", &number(0), &number(1), "").signed();
    let report = carriers.judge(&diverted(&[without], 1), NOW);
    assert_eq!(outcomes(&report), [(Outcome::Invalid, Some(438))]);
}

#[test]
fn d_06_a_forged_passport_inside_is_still_forged() {
    let carriers = Carriers::new();
    let forged = Token::new(&rcgen::KeyPair::generate().unwrap()).signed();
    let identity = [div_o(&carriers, 0, &forged).signed()];
    let report = carriers.judge(&diverted(&identity, 1), NOW);
    assert!(report.is_forged(), "{report:#?}");
    assert_eq!(report.verstat, "TN-Validation-Failed");
}

#[test]
fn d_06_the_index_of_history_info_is_shown() {
    let carriers = Carriers::new();
    for (hi, shown) in [("\"1.2.1\"", Some("1.2.1")), ("\"<x>\"", None), ("1", None)] {
        let from = format!("\"div\":{{\"tn\":\"{}\"", number(0));
        let first = carriers
            .diversion(0)
            .with(&from, &format!("{from},\"hi\":{hi}"))
            .signed();
        let identity = [carriers.base(), first];
        let report = carriers.judge(&diverted(&identity, 1), NOW);
        assert_eq!(report.hops[0].history_index.as_deref(), shown, "{report:#?}");
    }
}

#[test]
fn d_06_one_message_costs_a_bounded_number_of_certificates() {
    let carriers = Carriers::new();
    // Every header its own tower of diversions, every one of them with a certificate of its own.
    let tower = |header: usize| {
        let mut inside = carriers.base();
        for hop in 0..5 {
            let url = format!("https://host{header}-{hop}.example.org/sp.pem");
            let more = format!(r#","opt":"{}""#, inside.split(';').next().unwrap_or_default());
            let token = carriers
                .by(hop)
                .token("div-o", &number(hop), &number(hop + 1), &more);
            let own = carriers.by(hop).url;
            inside = token.with_header(own, &url).with_parameters(own, &url).signed();
        }
        inside
    };
    let identity: Vec<String> = (0..limits::IDENTITY_HEADERS_MAX).map(tower).collect();
    let verification = carriers.world.verifier().begin(&diverted(&identity, 5), at(NOW));
    assert!(
        verification.named().len() <= limits::PASSPORTS_MAX,
        "{:?}",
        verification.named()
    );
    let report = carriers.world.verifier().conclude(verification);
    let judged: usize = report.headers.iter().map(|header| 1 + header.nested.len()).sum();
    assert_eq!(judged, limits::PASSPORTS_MAX);
    let last = report.headers.last().unwrap();
    assert_eq!(
        (last.outcome, last.nested.len()),
        (Outcome::Invalid, 0),
        "{last:#?}"
    );
}

#[test]
fn a_nested_passport_bent_in_any_place_is_only_refused() {
    let carriers = Carriers::new();
    let inside = div_o(&carriers, 0, &carriers.base()).signed();
    let identity = div_o(&carriers, 1, &inside).signed();
    for place in (0..identity.len()).step_by(3) {
        fuzz::header(&identity.as_bytes()[..place]);
        for replacement in [0, 0xff, b'.', b'"', b'A'] {
            let mut bent = identity.clone().into_bytes();
            bent[place] = replacement;
            fuzz::header(&bent);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// Outside or inside: any octet of the token changed to any other.
    #[test]
    fn a_nested_passport_with_one_octet_changed_never_verifies(place in 0usize..10_000, replacement in 0x20u8..0x7f) {
        let (carriers, identity) = tower();
        let token = identity.find(';').unwrap();
        let place = place % token;
        prop_assume!(identity.as_bytes()[place] != replacement);
        let mut octets = identity.clone().into_bytes();
        octets[place] = replacement;
        let altered = [String::from_utf8(octets).unwrap()];
        let report = carriers.judge(&diverted(&altered, 2), NOW);
        prop_assert_ne!(report.standing, Standing::Verified, "{:#?}", report);
        prop_assert!(report.attestation.is_none() && report.hops.is_empty());
    }
}

fn tower() -> &'static (Carriers, String) {
    static TOWER: std::sync::OnceLock<(Carriers, String)> = std::sync::OnceLock::new();
    TOWER.get_or_init(|| {
        let carriers = Carriers::new();
        let inside = div_o(&carriers, 0, &carriers.base()).signed();
        let identity = div_o(&carriers, 1, &inside).signed();
        let report = carriers.judge(&diverted(std::slice::from_ref(&identity), 2), NOW);
        assert_eq!(report.standing, Standing::Verified);
        (carriers, identity)
    })
}
