//! What a header is taken for: by `alg`, by `ppt`, and without one (I-02, I-03, P-03, F-02).

use stir_shaken_verify::*;

use crate::authority::*;

fn outcome(report: &Report) -> (Standing, Outcome, Option<u16>) {
    (report.standing, report.headers[0].outcome, report.headers[0].code)
}

fn judged(world: &World, token: &Token) -> Report {
    let identity = token.signed();
    judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW)
}

/// RFC 8225, no extension: the same claims without `attest`, `origid` and `ppt`.
fn plain(world: &World) -> Token {
    let mut token = world
        .token()
        .with_header("\"ppt\":\"shaken\",", "")
        .with_parameters(";ppt=\"shaken\"", "");
    token.payload = format!(r#"{{"dest":{{"tn":["{CALLED}"]}},"iat":{NOW},"orig":{{"tn":"{CALLER}"}}}}"#);
    token
}

#[test]
fn i_02_an_absent_alg_is_es256_and_another_is_unsupported() {
    let world = World::new();
    for (beside, expected) in [
        ("", (Standing::Verified, Outcome::Passed, None)),
        (";alg=ES256", (Standing::Verified, Outcome::Passed, None)),
        (";alg=\"ES256\"", (Standing::Verified, Outcome::Passed, None)),
        (";alg=es256", (Standing::None, Outcome::Unsupported, Some(437))),
        (";alg=ES384", (Standing::None, Outcome::Unsupported, Some(437))),
        (";alg=none", (Standing::None, Outcome::Unsupported, Some(437))),
    ] {
        let report = judged(&world, &world.token().with_parameters(";alg=ES256", beside));
        assert_eq!(outcome(&report), expected, "{beside}");
    }
    // Beside it stands nothing, which means ES256: the token says something else.
    for alg in ["RS256", "none", "HS256", "es256"] {
        let token = world
            .token()
            .with_parameters(";alg=ES256", "")
            .with_header("ES256", alg);
        let expected = (Standing::Failed, Outcome::Invalid, Some(438));
        assert_eq!(outcome(&judged(&world, &token)), expected, "{alg}");
    }
}

#[test]
fn i_03_a_kind_that_is_not_known_is_passed_over_and_the_others_count() {
    let world = World::new();
    let good = world.token().signed();
    for ppt in ["msec", "msg", "rsp", "SHAKEN", "div-x", "x"] {
        let quoted = format!("\"{ppt}\"");
        let unknown = world
            .token()
            .with_header("\"shaken\"", &quoted)
            .with_parameters("\"shaken\"", &quoted);
        let report = judged(&world, &unknown);
        assert_eq!(
            outcome(&report),
            (Standing::None, Outcome::Unsupported, None),
            "{ppt}"
        );
        assert_eq!(report.headers[0].ppt.as_deref(), Some(ppt));
        assert_eq!(report.verstat, "No-TN-Validation");
        // Whatever else is wrong with it; and nobody fetches anything for it.
        let garbage = format!("x;ppt={ppt}");
        let unknown = unknown.signed();
        for first in [unknown.as_str(), &garbage] {
            let mut message = message(first);
            assert!(world.verifier().begin(&message, at(NOW)).named().is_empty());
            message.identity.push(good.as_str().into());
            let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
            assert_eq!(report.standing, Standing::Verified, "{ppt}");
            assert!(!report.has_forged_beside());
        }
    }
}

#[test]
fn i_03_a_kind_told_only_inside_the_token_is_no_way_around() {
    let world = World::new();
    for ppt in ["shaken", "div", "div-o", "rcd", "rph"] {
        let token = world
            .token()
            .with_header("\"shaken\"", &format!("\"{ppt}\""))
            .with_parameters(";ppt=\"shaken\"", "");
        let report = judged(&world, &token);
        assert_eq!(
            outcome(&report),
            (Standing::Failed, Outcome::Invalid, Some(438)),
            "{ppt}"
        );
    }
}

#[test]
fn a_plain_passport_is_verified_and_has_no_letter() {
    let world = World::new();
    let report = judged(&world, &plain(&world));
    assert_eq!(
        outcome(&report),
        (Standing::Verified, Outcome::Passed, None),
        "{report:#?}"
    );
    assert_eq!((report.attestation, report.origid.as_deref()), (None, None));
    assert_eq!(report.verstat, "No-TN-Validation");
    assert_eq!(report.headers[0].ppt, None);
    assert!(
        report.headers[0]
            .checks
            .iter()
            .all(|check| check.name != "attest" && check.name != "origid")
    );
    assert!(report.passport_digest.is_some() && report.signer.is_some());
}

#[test]
fn a_letter_in_a_plain_passport_is_nobodys() {
    let world = World::new();
    let token = plain(&world).with("\"dest\"", "\"attest\":\"A\",\"dest\"");
    let report = judged(&world, &token);
    assert_eq!((report.standing, report.attestation), (Standing::Verified, None));
    // The one who may give letters stands beside it.
    let (plain, shaken) = (token.signed(), world.token().with("\"A\"", "\"C\"").signed());
    let mut message = message(&plain);
    message.identity.push(shaken.as_str().into());
    let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
    assert_eq!(report.attestation, Some(Attestation::Gateway));
}

#[test]
fn a_plain_passport_goes_through_the_same_checks() {
    let world = World::new();
    for (token, expected) in [
        (
            plain(&world).with_iat(NOW - 61),
            (Standing::Failed, Outcome::Stale, Some(403)),
        ),
        (
            plain(&world).with(CALLER, "14045550124"),
            (Standing::Failed, Outcome::OrigMismatch, Some(438)),
        ),
        (
            plain(&world).with(CALLED, "12125550199"),
            (Standing::Failed, Outcome::DestMismatch, Some(438)),
        ),
        (
            plain(&world).with_parameters("sp.pem", "other.pem"),
            (Standing::Failed, Outcome::BadInfo, Some(436)),
        ),
        (
            plain(&world).with("\"iat\"", "\"iot\""),
            (Standing::Failed, Outcome::Invalid, Some(438)),
        ),
        (
            plain(&world).with(
                "{\"tn\":\"14045550123\"}",
                "{\"tn\":\"14045550123\",\"uri\":\"sip:a@b\"}",
            ),
            (Standing::Failed, Outcome::Invalid, Some(438)),
        ),
    ] {
        assert_eq!(outcome(&judged(&world, &token)), expected, "{}", token.payload);
    }
    let delegate = World::with_signer(signer_params(Some(one_number("14045550199"))));
    let expected = (Standing::Failed, Outcome::NoAuthority, Some(437));
    assert_eq!(outcome(&judged(&delegate, &plain(&delegate))), expected);
}

#[test]
fn a_plain_passport_may_name_uris_and_only_a_provider_answers_for_them() {
    let world = World::new();
    let uris = |world: &World| {
        plain(world)
            .with("\"tn\":\"14045550123\"", "\"uri\":\"sip:alice@example.com\"")
            .with(
                "\"tn\":[\"12125550100\"]",
                "\"uri\":[\"sip:bob@example.com\",\"sip:desk@10.0.0.1\"]",
            )
    };
    let called = |identity: &str, from: &'static str, to: &'static str| {
        let message = MessageView {
            identity: vec![identity.to_string().into()],
            from: from.into(),
            to: to.into(),
            request_uri: "sip:desk@10.0.0.1;transport=tcp".into(),
            ..MessageView::default()
        };
        judge(&mut world.verifier(), &message, &world.chain(), NOW)
    };
    let identity = uris(&world).signed();
    let (alice, bob) = ("SIP:alice@EXAMPLE.com;tag=1", "sip:%62ob@example.com");
    for (from, to, standing, outcome) in [
        (alice, bob, Standing::Verified, Outcome::Passed),
        (
            "sip:Alice@example.com",
            bob,
            Standing::Failed,
            Outcome::OrigMismatch,
        ),
        (
            "sips:alice@example.com",
            bob,
            Standing::Failed,
            Outcome::OrigMismatch,
        ),
        (
            "sip:anonymous@anonymous.invalid",
            bob,
            Standing::Failed,
            Outcome::OrigMissing,
        ),
        (
            alice,
            "sip:carol@example.com",
            Standing::Failed,
            Outcome::DestMismatch,
        ),
    ] {
        let report = called(&identity, from, to);
        assert_eq!(
            (report.standing, report.headers[0].outcome),
            (standing, outcome),
            "{from} {to}"
        );
    }
    let delegate = World::with_signer(signer_params(Some(one_number(CALLER))));
    let identity = uris(&delegate).signed();
    let message = MessageView {
        identity: vec![identity.into()],
        from: alice.into(),
        to: bob.into(),
        request_uri: "sip:desk@10.0.0.1".into(),
        ..MessageView::default()
    };
    let report = judge(&mut delegate.verifier(), &message, &delegate.chain(), NOW);
    assert_eq!(
        outcome(&report),
        (Standing::Failed, Outcome::NoAuthority, Some(437))
    );
}

#[test]
fn i_12_a_shaken_passport_may_name_a_uri_beside_the_numbers() {
    let world = World::new();
    let token = world
        .token()
        .with("\"dest\":{", "\"dest\":{\"uri\":[\"sip:desk@example.com\"],");
    let identity = token.signed();
    for (to, dialled, standing) in [
        (
            "sip:desk@example.com",
            "sip:+12125550100@10.0.0.1",
            Standing::Verified,
        ),
        ("sip:desk@example.com", "sip:desk@example.com", Standing::Verified),
        (
            "sip:desk@example.com",
            "sip:other@example.com",
            Standing::DivertedUnverified,
        ),
        ("sip:other@example.com", "sip:desk@example.com", Standing::Failed),
    ] {
        let message = MessageView {
            to: to.into(),
            request_uri: dialled.into(),
            ..message(&identity)
        };
        let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
        assert_eq!(report.standing, standing, "{to} {dialled}");
    }
}

#[test]
fn what_stands_beside_a_passport_of_the_caller_never_decides() {
    let world = World::new();
    let companion = |ppt: &str| {
        let quoted = format!("\"{ppt}\"");
        let claim = match ppt {
            "rcd" => "\"rcd\":{\"nam\":\"Example\"}",
            _ => "\"rph\":{\"auth\":[\"ets.0\"]}",
        };
        plain(&world)
            .with("\"orig\"", &format!("{claim},\"orig\""))
            .with_header("\"alg\"", &format!("\"ppt\":{quoted},\"alg\""))
            .with_parameters(";alg=ES256", &format!(";alg=ES256;ppt={quoted}"))
    };
    for ppt in ["rcd", "rph"] {
        let alone = judged(&world, &companion(ppt));
        assert_eq!(
            (alone.standing, alone.attestation),
            (Standing::None, None),
            "{alone:#?}"
        );
        let forged = companion(ppt).signed();
        let forged = forged.replace(&forged[..forged.find(';').unwrap()], &{
            let (rest, _) = forged.split_once(';').unwrap();
            let (signed, signature) = rest.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { 'B' } else { 'A' };
            format!("{signed}.{first}{}", &signature[1..])
        });
        let good = world.token().signed();
        let mut message = message(&good);
        message.identity.push(forged.as_str().into());
        let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
        assert_eq!(report.standing, Standing::Verified, "{report:#?}");
        assert_eq!(report.headers[1].code, Some(438));
        assert!(report.has_forged_beside());
        message.identity.remove(0);
        let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
        assert_eq!((report.standing, report.is_forged()), (Standing::None, false));
    }
}

#[test]
fn f_02_every_header_is_told_by_its_compact_form() {
    let world = World::new();
    let identity = world.token().signed();
    let signature = identity.split(';').next().unwrap().split('.').nth(2).unwrap();
    let stale = world.token().with_iat(NOW - 3600).signed();
    let malformed = format!("x.y.{signature};ppt=shaken");
    let unsupported = format!("a.b.{signature};ppt=msg");
    for (header, has_one) in [
        (&identity, true),
        (&stale, true),
        (&malformed, true),
        (&unsupported, true),
        (&"x;ppt=shaken".to_string(), false),
        (&String::new(), false),
        (&"a.b.c=;ppt=shaken".to_string(), false),
        (&format!("a.b.{}", "A".repeat(129)), false),
    ] {
        let report = judge(&mut world.verifier(), &message(header), &world.chain(), NOW);
        let ppi = report.headers[0].ppi.as_deref();
        assert_eq!(ppi.is_some(), has_one, "{header}");
        if let Some(ppi) = ppi {
            let token = header.split(';').next().unwrap();
            assert_eq!(ppi, format!("..{}", token.split('.').nth(2).unwrap()));
        }
    }
}

#[test]
fn age_and_trust_are_told_of_the_callers_passport_and_not_of_what_stands_beside() {
    let world = World::new();
    let strange = World::new().token().signed();
    let old = plain(&world)
        .with_header("\"alg\"", "\"ppt\":\"rcd\",\"alg\"")
        .with_parameters(";alg=ES256", ";alg=ES256;ppt=rcd")
        .with("\"orig\"", "\"rcd\":{\"nam\":\"Example\"},\"orig\"")
        .with_iat(NOW - 3600)
        .signed();
    let mut message = message(&strange);
    message.identity.push(old.as_str().into());
    let report = judge(&mut world.verifier(), &message, &world.chain(), NOW);
    assert_eq!(report.headers[1].outcome, Outcome::Stale);
    assert!(report.is_forged() && !report.is_stale(), "{report:#?}");
}
