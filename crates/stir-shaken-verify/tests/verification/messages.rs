//! What the message and the token say, before and after the certificate.

use stir_shaken_verify::*;

use crate::authority::*;

fn outcome(report: &Report) -> (Standing, Outcome, Option<u16>) {
    (report.standing, report.headers[0].outcome, report.headers[0].code)
}

fn failed_checks(report: &Report) -> Vec<&str> {
    let checks = report.headers[0].checks.iter();
    checks
        .filter(|check| check.result == CheckResult::Failed)
        .map(|check| &*check.name)
        .collect()
}

/// The token, altered by `change` before signing, in the ordinary message.
fn check(change: impl FnOnce(Token) -> Token, failing: &str, expected: (Standing, Outcome, Option<u16>)) {
    let world = World::new();
    let identity = change(world.token()).signed();
    let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
    assert_eq!(outcome(&report), expected, "{report:?}");
    assert_eq!(failed_checks(&report), [failing], "{report:?}");
    assert_eq!(report.attestation, None);
}

const INVALID: (Standing, Outcome, Option<u16>) = (Standing::Failed, Outcome::Invalid, Some(438));
const BAD_INFO: (Standing, Outcome, Option<u16>) = (Standing::Failed, Outcome::BadInfo, Some(436));
const UNSUPPORTED: (Standing, Outcome, Option<u16>) = (Standing::None, Outcome::Unsupported, None);

#[test]
fn a_good_call_passes_every_check() {
    let world = World::new();
    let report = judge(
        &mut world.verifier(),
        &message(&world.token().signed()),
        &world.chain(),
        NOW + 2,
    );
    assert_eq!(
        outcome(&report),
        (Standing::Verified, Outcome::Passed, None),
        "{report:?}"
    );
    assert_eq!(report.attestation, Some(Attestation::Full));
    assert_eq!(report.verstat, "TN-Validation-Passed");
    assert_eq!(report.iat_age_seconds, Some(2));
    assert_eq!(
        report.origid.as_deref(),
        Some("123e4567-e89b-12d3-a456-426655440000")
    );
    let signer = report.signer.unwrap();
    assert_eq!(
        (signer.subject.as_str(), signer.spc.as_deref()),
        ("CN=SHAKEN 1234", Some("1234"))
    );
    assert_eq!(signer.fingerprint.len(), 64);
    let skipped = report.headers[0]
        .checks
        .iter()
        .filter(|check| check.result != CheckResult::Passed);
    // No Date header, no diversion, no revocation list, no claim constraints in this world.
    assert_eq!(
        skipped.map(|check| &*check.name).collect::<Vec<_>>(),
        ["date", "diversion", "mky", "rcd", "revocation", "constraints"]
    );
}

#[test]
fn the_report_prints_as_the_documented_json() {
    let world = World::new();
    let report = judge(
        &mut world.verifier(),
        &message(&world.token().signed()),
        &world.chain(),
        NOW,
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["standing"], "verified");
    assert_eq!(json["attestation"], "A");
    assert_eq!(json["headers"][0]["outcome"], "passed");
    assert_eq!(json["headers"][0]["code"], serde_json::Value::Null);
    assert_eq!(
        json["headers"][0]["checks"][0],
        serde_json::json!({"name": "header", "result": "passed"})
    );
    let text = json.to_string();
    assert!(!text.contains(CALLER) && !text.contains(CALLED), "{text}");
}

#[test]
fn b_and_c_are_verified_and_graded() {
    for (letter, attestation, verstat) in [
        ("B", Attestation::Partial, "TN-Validation-Passed-B"),
        ("C", Attestation::Gateway, "TN-Validation-Passed-C"),
    ] {
        let world = World::new();
        let identity = world.token().with("\"A\"", &format!("\"{letter}\"")).signed();
        let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
        assert_eq!(
            (report.attestation, report.verstat.as_str()),
            (Some(attestation), verstat)
        );
    }
}

#[test]
fn freshness_has_two_edges_and_both_are_fresh() {
    let world = World::new();
    let mut verifier = world.verifier();
    for (arrived, is_fresh) in [(-61, false), (-60, true), (0, true), (60, true), (61, false)] {
        let identity = world.token().signed();
        let report = judge(&mut verifier, &message(&identity), &world.chain(), NOW + arrived);
        let expected = if is_fresh {
            (Standing::Verified, Outcome::Passed, None)
        } else {
            (Standing::Failed, Outcome::Stale, Some(403))
        };
        assert_eq!(outcome(&report), expected, "{arrived}");
        assert_eq!((report.is_stale(), report.is_forged()), (!is_fresh, false));
        assert_eq!(report.verstat == "No-TN-Validation", !is_fresh);
    }
}

#[test]
fn an_iat_out_of_this_world_is_stale_and_never_overflows() {
    for iat in [i64::MIN, -1, 0, 1 << 53, i64::MAX] {
        check(
            |token| token.with_iat(iat),
            "iat",
            (Standing::Failed, Outcome::Stale, Some(403)),
        );
    }
}

#[test]
fn an_iat_that_is_no_integer_is_malformed() {
    let now = NOW.to_string();
    for iat in [
        format!("\"{NOW}\""),
        format!("{NOW}.0"),
        "9007199254740993e0".into(),
        "18446744073709551616".into(),
    ] {
        check(|token| token.with(&now, &iat), "iat", INVALID);
    }
}

#[test]
fn malformed_claims_are_named() {
    check(|token| token.with("\"A\"", "\"ABC\""), "attest", INVALID);
    check(|token| token.with("\"origid\"", "\"origin\""), "origid", INVALID);
    check(
        |token| token.with("{\"tn\":\"14045550123\"}", "\"14045550123\""),
        "orig",
        INVALID,
    );
    check(
        |token| token.with("\"14045550123\"", "\"+14045550123\""),
        "orig",
        INVALID,
    );
    check(
        |token| token.with("[\"12125550100\"]", "\"12125550100\""),
        "dest",
        INVALID,
    );
    check(
        |token| token.with("[\"12125550100\"]", "[\"12125550100\",\"alice\"]"),
        "dest",
        INVALID,
    );
    check(
        |token| token.with("\"attest\"", "\"x\":1,\"x\":2,\"attest\""),
        "passport",
        INVALID,
    );
}

#[test]
fn the_kind_of_token_must_be_right() {
    check(|token| token.with_header("passport", "JWT"), "passport", INVALID);
    check(|token| token.with_header("ES256", "none"), "passport", INVALID);
    check(|token| token.with_header("ES256", "HS256"), "passport", INVALID);
    check(
        |token| token.with_header("\"shaken\"", "\"div\""),
        "passport",
        INVALID,
    );
    check(
        |token| token.with_header("\"ppt\":\"shaken\",", ""),
        "passport",
        INVALID,
    );
    check(
        |token| token.with_parameters(";ppt=\"shaken\"", ""),
        "passport",
        INVALID,
    );
    check(
        |token| token.with_header("\"alg\"", "\"crit\":[\"b64\"],\"alg\""),
        "passport",
        INVALID,
    );
    check(
        |token| token.with_parameters("\"shaken\"", "div"),
        "passport",
        INVALID,
    );
    check(
        |token| token.with_parameters("\"shaken\"", "sph2"),
        "passport",
        UNSUPPORTED,
    );
    let other_algorithm = (Standing::None, Outcome::Unsupported, Some(437));
    check(
        |token| token.with_parameters("alg=ES256", "alg=RS256"),
        "header",
        other_algorithm,
    );
}

#[test]
fn key_sources_in_the_header_are_not_followed() {
    let world = World::new();
    let extra = "\"jku\":\"https://evil.example.org/\",\"kid\":\"1\",\"x5c\":[\"AAAA\"],\"jwk\":{\"kty\":\"EC\"},\"alg\"";
    let identity = world.token().with_header("\"alg\"", extra).signed();
    let verification = world.verifier().begin(&message(&identity), at(NOW));
    assert_eq!(verification.wanted(), [URL]);
    let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
    assert_eq!(report.standing, Standing::Verified);
}

#[test]
fn info_must_be_the_x5u_and_both_must_keep_the_rules() {
    check(
        |token| token.with_parameters("sp.pem", "other.pem"),
        "info",
        BAD_INFO,
    );
    check(
        |token| token.with_parameters(&format!("info=<{URL}>;"), ""),
        "info",
        BAD_INFO,
    );
    check(
        |token| token.with_header(&format!(",\"x5u\":\"{URL}\""), ""),
        "x5u",
        INVALID,
    );
    for url in [
        "http://cert.example.org/sp.pem",
        "https://cert.example.org:444/sp.pem",
        "https://cert.example.org/sp.pem?a=b",
        "https://127.0.0.1/sp.pem",
    ] {
        check(
            |token| token.with_header(URL, url).with_parameters(URL, url),
            "x5u",
            BAD_INFO,
        );
    }
}

#[test]
fn parameters_may_come_in_any_order_and_unquoted_and_joined() {
    let world = World::new();
    let token = world.token();
    let bare = token.signed().replace(&token.parameters, "");
    for parameters in [
        format!(";ppt=shaken;alg=ES256;info=<{URL}>"),
        format!(" ;\r\n info=<{URL}> ; ppt = \"shaken\""),
        format!(";alg=\"ES256\";x=y;ppt=\"shaken\";INFO=<{URL}>"),
        format!(";ppt=shaken;info=<{URL}>,..x;ppt=div"),
    ] {
        let identity = format!("{bare}{parameters}");
        let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
        assert_eq!(report.standing, Standing::Verified, "{parameters}: {report:?}");
    }
}

#[test]
fn the_compact_form_is_not_shaken() {
    let world = World::new();
    let identity = format!("..{};info=<{URL}>;ppt=shaken", "A".repeat(86));
    let report = judge(&mut world.verifier(), &message(&identity), "", NOW);
    assert_eq!(outcome(&report), INVALID);
}

#[test]
fn malformed_and_empty_headers_are_invalid() {
    let world = World::new();
    for identity in [
        "",
        " ",
        "x",
        ";ppt=shaken",
        "a.b.c;ppt=shaken;ppt=shaken",
        "a.b.c;info=<x>;ppt=shaken",
        "\u{fe0f}.b",
    ] {
        let report = judge(&mut world.verifier(), &message(identity), "", NOW);
        assert_eq!(outcome(&report), INVALID, "{identity:?}");
    }
}

#[test]
fn no_header_is_none() {
    let world = World::new();
    let message = MessageView {
        identity: Vec::new(),
        ..message("")
    };
    assert_eq!(judge(&mut world.verifier(), &message, "", NOW), Report::none());
}

#[test]
fn a_date_header_is_judged_too() {
    let world = World::new();
    for (date, expected) in [
        ("Sun, 22 Nov 2026 06:30:00 GMT", Outcome::Passed),
        ("Sun, 22 Nov 2026 06:29:00 GMT", Outcome::Passed),
        ("Sun, 22 Nov 2026 06:28:59 GMT", Outcome::Stale),
        ("Sun, 22 Nov 2026 06:31:01 GMT", Outcome::Stale),
        ("yesterday", Outcome::Stale),
    ] {
        let identity = world.token().signed();
        let message = MessageView {
            date: Some(date.into()),
            ..message(&identity)
        };
        let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
        assert_eq!(report.headers[0].outcome, expected, "{date}");
        let mut config = world.config();
        config.checks_date_header = false;
        let report = judge(&mut Verifier::new(config), &message, &world.chain(), NOW);
        assert_eq!(report.standing, Standing::Verified, "{date}");
    }
}

/// `change` makes the message differ from what was signed.
fn check_message(change: impl FnOnce(&mut MessageView<'_>), expected: (Standing, Outcome, Option<u16>)) {
    let world = World::new();
    let identity = world.token().signed();
    let mut message = message(&identity);
    change(&mut message);
    let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
    assert_eq!(outcome(&report), expected, "{report:?}");
    assert_eq!(
        report.attestation.is_some(),
        report.standing == Standing::Verified
    );
}

const VERIFIED: (Standing, Outcome, Option<u16>) = (Standing::Verified, Outcome::Passed, None);
const OTHER_CALLER: (Standing, Outcome, Option<u16>) = (Standing::Failed, Outcome::OrigMismatch, Some(438));
const OTHER_CALLED: (Standing, Outcome, Option<u16>) = (Standing::Failed, Outcome::DestMismatch, Some(438));
const DIVERTED: (Standing, Outcome, Option<u16>) =
    (Standing::DivertedUnverified, Outcome::DestMismatch, None);

/// Nothing is shown, so nothing shown is forged; nothing is proven either.
const NO_CALLER: (Standing, Outcome, Option<u16>) = (Standing::Failed, Outcome::OrigMissing, Some(438));

#[test]
fn orig_is_compared_with_asserted_identities_or_else_with_from() {
    check_message(
        |message| message.from = "sip:+14045550124@example.com".into(),
        OTHER_CALLER,
    );
    check_message(
        |message| message.from = "sip:(404)%20555-0123@example.com".into(),
        VERIFIED,
    );
    check_message(
        |message| message.from = "sip:anonymous@anonymous.invalid".into(),
        NO_CALLER,
    );
    check_message(
        |message| {
            message.from = "sip:anonymous@anonymous.invalid".into();
            message.asserted = vec!["sip:+14045550123@example.com".into()];
        },
        VERIFIED,
    );
    check_message(
        |message| message.asserted = vec!["sip:alice@example.com".into(), "tel:+1-404-555-0123".into()],
        VERIFIED,
    );
    // Asserted by somebody: what From says no longer counts.
    check_message(
        |message| message.asserted = vec!["tel:+14045550124".into()],
        OTHER_CALLER,
    );
    check_message(
        |message| message.asserted = vec!["sip:alice@example.com".into()],
        NO_CALLER,
    );
    check_message(
        |message| message.from = "sip:4045550123@example.com".into(),
        VERIFIED,
    );
    check_message(
        |message| message.from = "sip:+4045550123@example.com".into(),
        OTHER_CALLER,
    );
}

#[test]
fn dest_must_name_to_and_the_dialled_number_or_the_call_was_diverted() {
    check_message(
        |message| message.to = "sip:+12125550199@example.com".into(),
        OTHER_CALLED,
    );
    check_message(
        |message| message.to = "sip:alice@example.com".into(),
        OTHER_CALLED,
    );
    check_message(
        |message| message.request_uri = "sip:+12125550199@10.0.0.1".into(),
        DIVERTED,
    );
    check_message(
        |message| message.request_uri = "sip:desk@10.0.0.1".into(),
        DIVERTED,
    );
    check_message(
        |message| message.request_uri = "sip:2125550100;npdi@10.0.0.1".into(),
        VERIFIED,
    );
    check_message(
        |message| {
            message.to = "sip:+12125550199@example.com".into();
            message.request_uri = "sip:+12125550199@example.com".into();
        },
        OTHER_CALLED,
    );
}

#[test]
fn any_number_in_dest_will_do() {
    let world = World::new();
    let identity = world
        .token()
        .with("[\"12125550100\"]", "[\"12125550199\",\"12125550100\"]")
        .signed();
    let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
    assert_eq!(report.standing, Standing::Verified);
}

#[test]
fn a_div_header_made_of_the_base_verifies_nothing() {
    let world = World::new();
    let identity = world.token().signed();
    let div = identity.replace("ppt=\"shaken\"", "ppt=\"div\"");
    let mut message = message(&identity);
    message.identity.push(div.as_str().into());
    message.request_uri = "sip:+12125550199@10.0.0.1".into();
    let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
    assert_eq!(report.standing, Standing::DivertedUnverified);
    assert_eq!(report.headers[1].outcome, Outcome::Invalid);
    message.identity.remove(0);
    let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
    assert_eq!((report.standing, report.is_forged()), (Standing::Failed, false));
}

#[test]
fn a_diverted_call_is_only_diverted_when_everything_else_is_right() {
    let world = World::new();
    let identity = Token::new(&rcgen::KeyPair::generate().unwrap()).signed();
    let mut message = message(&identity);
    message.request_uri = "sip:+12125550199@10.0.0.1".into();
    let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
    assert_eq!(outcome(&report), INVALID);
}

#[test]
fn one_good_header_among_bad_ones_is_enough_and_the_strongest_letter_counts() {
    let world = World::new();
    let weak = world.token().with("\"A\"", "\"C\"").signed();
    let forged = Token::new(&rcgen::KeyPair::generate().unwrap()).signed();
    let strong = world.token().signed();
    let mut message = message(&weak);
    message
        .identity
        .extend([forged.as_str().into(), strong.as_str().into()]);
    let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
    assert_eq!(
        (report.standing, report.attestation),
        (Standing::Verified, Some(Attestation::Full))
    );
    let outcomes: Vec<_> = report.headers.iter().map(|header| header.outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Invalid, Outcome::Passed]);
}

#[test]
fn more_headers_than_the_bound_are_ignored() {
    let world = World::new();
    let identity = world.token().signed();
    let mut message = message(&identity);
    message.identity = vec![identity.as_str().into(); 50];
    let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
    assert_eq!(report.headers.len(), limits::IDENTITY_HEADERS_MAX);
}

#[test]
fn what_cannot_pass_any_more_wants_no_certificate() {
    let world = World::new();
    let mut verifier = world.verifier();
    let stale = world.token().with_iat(NOW - 3600).signed();
    let verification = verifier.begin(&message(&stale), at(NOW));
    assert!(verification.wanted().is_empty() && verification.is_complete());
    assert_eq!(verification.named(), [URL]);
    assert_eq!(verifier.conclude(verification).headers[0].outcome, Outcome::Stale);
}

#[test]
fn a_forged_token_is_forged_even_when_it_is_stale_as_well() {
    let world = World::new();
    let identity = Token::new(&rcgen::KeyPair::generate().unwrap())
        .with_iat(NOW - 3600)
        .signed();
    let mut verification = world.verifier().begin(&message(&identity), at(NOW));
    verification.supply(URL, Ok(world.chain().as_bytes().into()));
    let report = world.verifier().conclude(verification);
    assert_eq!(outcome(&report), INVALID);
    assert_eq!(failed_checks(&report), ["iat", "signature"]);
    assert_eq!(report.verstat, "TN-Validation-Failed");
}

#[test]
fn a_certificate_that_does_not_come_leaves_the_call_unchecked() {
    let world = World::new();
    let identity = world.token().signed();
    let unchecked = (Standing::Unchecked, Outcome::Unavailable, Some(436));
    for (failure, expected) in [
        (FetchFailure::Timeout, unchecked),
        (FetchFailure::Unreachable, unchecked),
        (FetchFailure::Overloaded, unchecked),
        (FetchFailure::Status(503), unchecked),
        (FetchFailure::Status(404), BAD_INFO),
        (FetchFailure::Redirect, BAD_INFO),
        (FetchFailure::TooLarge, BAD_INFO),
        (FetchFailure::AddressRefused, BAD_INFO),
        (FetchFailure::Tls, BAD_INFO),
    ] {
        let mut verifier = world.verifier();
        let mut verification = verifier.begin(&message(&identity), at(NOW));
        verification.supply(URL, Err(failure.clone()));
        assert_eq!(outcome(&verifier.conclude(verification)), expected, "{failure}");
    }
    let mut verifier = world.verifier();
    let verification = verifier.begin(&message(&identity), at(NOW));
    assert!(!verification.is_complete());
    let report = verifier.conclude(verification);
    assert_eq!(outcome(&report), unchecked);
    assert_eq!(
        (report.verstat.as_str(), report.is_forged()),
        ("No-TN-Validation", false)
    );
}
