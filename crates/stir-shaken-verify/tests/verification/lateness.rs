//! How old the tokens of a diverted call may be (D-07).

use stir_shaken_verify::*;

use crate::authority::*;
use crate::carriers::*;

#[test]
fn d_07_a_diverted_call_has_its_own_window_for_all_but_the_last_diversion() {
    let carriers = Carriers::new();
    for (base, first, last, is_verified) in [
        (60, 60, 60, true),
        (61, 61, 60, true),
        (300, 60, 0, true),
        (300, 300, 60, true),
        (301, 60, 60, false),
        (300, 301, 60, false),
        (300, 300, 61, false),
        (-60, -60, -60, true),
        (-61, 0, 0, false),
        (0, 0, -61, false),
    ] {
        let identity = [
            carriers.world.token().with_iat(NOW - base).signed(),
            carriers.diversion(0).with_iat(NOW - first).signed(),
            carriers.diversion(1).with_iat(NOW - last).signed(),
        ];
        let report = carriers.judge(&diverted(&identity, 2), NOW);
        let is_so = report.standing == Standing::Verified;
        assert_eq!(is_so, is_verified, "{base} {first} {last}: {report:#?}");
    }
}

#[test]
fn d_07_the_window_is_a_setting() {
    let carriers = Carriers::new();
    let identity = [
        carriers.world.token().with_iat(NOW - 90).signed(),
        carriers.div(0),
    ];
    for (seconds, is_verified) in [(89, false), (90, true), (0, false)] {
        let mut config = carriers.world.config();
        config.freshness_diverted = std::time::Duration::from_secs(seconds);
        let report = carriers.judge_with(config, &diverted(&identity, 1), NOW);
        assert_eq!(report.standing == Standing::Verified, is_verified, "{seconds}");
        assert_eq!(report.is_stale(), !is_verified, "{report:#?}");
    }
}

#[test]
fn d_07_only_a_complete_chain_excuses_age() {
    let carriers = Carriers::new();
    let old = carriers.world.token().with_iat(NOW - 61).signed();
    // Addressed to us, or to nobody on a chain: a diversion beside it that is no good changes nothing.
    let forged = carriers.diversion(0).with_header(carriers.first.url, URL);
    let forged = forged.with_parameters(carriers.first.url, URL).signed();
    for (identity, hops) in [
        (vec![old.clone()], 0),
        (vec![old.clone(), forged.clone()], 0),
        (vec![old.clone(), forged], 1),
        (vec![old.clone(), carriers.div(1)], 2),
    ] {
        let report = carriers.judge(&diverted(&identity, hops), NOW);
        assert_eq!(outcomes(&report)[0], (Outcome::Stale, Some(403)), "{report:#?}");
        assert_eq!(report.standing, Standing::Failed);
    }
}

#[test]
fn d_07_a_diversion_from_before_the_call_explains_nothing() {
    let carriers = Carriers::new();
    let identity = [
        carriers.base(),
        carriers.diversion(0).with_iat(NOW - 61).signed(),
        carriers.div(1),
    ];
    expect_unverified_or_stale(&carriers.judge(&diverted(&identity, 2), NOW));
    let identity = [
        carriers.base(),
        carriers.diversion(0).with_iat(NOW - 60).signed(),
        carriers.div(1),
    ];
    assert_eq!(
        carriers.judge(&diverted(&identity, 2), NOW).standing,
        Standing::Verified
    );
}

#[track_caller]
fn expect_unverified_or_stale(report: &Report) {
    expect_unverified(report, 0, "older than the call");
    assert_eq!(outcomes(report)[1], (Outcome::Stale, Some(403)));
}

#[test]
fn d_07_the_date_header_may_be_the_callers_own() {
    let carriers = Carriers::new();
    let identity = [
        carriers.world.token().with_iat(NOW - 300).signed(),
        carriers.div(0),
    ];
    for (date, is_verified) in [
        ("Sun, 22 Nov 2026 06:30:00 GMT", true),
        ("Sun, 22 Nov 2026 06:25:00 GMT", true),
        ("Sun, 22 Nov 2026 06:24:59 GMT", false),
        ("Sun, 22 Nov 2026 06:31:01 GMT", false),
    ] {
        let message = MessageView {
            date: Some(date.into()),
            ..diverted(&identity, 1)
        };
        let report = carriers.judge(&message, NOW);
        assert_eq!(
            report.standing == Standing::Verified,
            is_verified,
            "{date}: {report:#?}"
        );
    }
}
