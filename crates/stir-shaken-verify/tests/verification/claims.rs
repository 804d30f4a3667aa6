//! What a token says beyond the numbers: media keys, rich call data, priority; and the compact form.

use stir_shaken_verify::*;

use crate::authority::*;

const ONE: &str =
    "sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1";
const ONE_HEX: &str = "4AADB9B13F82183B540212DF3E5D496B19E57CAB3E4B652E7D463F5442CD54F1";
const TWO: &str =
    "sha-256 02:1A:CC:54:27:AB:EB:9C:53:3F:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1:7A:03:A2:7D:F9:B0:7F:46:19:B2";

/// The ordinary token with one more claim.
fn shaken_with(world: &World, claim: &str) -> Token {
    world
        .token()
        .with(r#"{"attest":"A","#, &format!(r#"{{"attest":"A",{claim},"#))
}

/// A token of another kind for the same call, with these claims (each with a comma before it).
fn of_kind(world: &World, ppt: &str, claims: &str) -> Token {
    let mut token = world
        .token()
        .with_header("\"shaken\"", &format!("\"{ppt}\""))
        .with_parameters("\"shaken\"", &format!("\"{ppt}\""));
    token.payload =
        format!(r#"{{"dest":{{"tn":["{CALLED}"]}},"iat":{NOW},"orig":{{"tn":"{CALLER}"}}{claims}}}"#);
    token
}

fn judged(world: &World, message: &MessageView<'_>) -> Report {
    judge(&mut world.verifier(), message, &world.chain(), NOW)
}

fn with_headers<'m>(tokens: &'m [String]) -> MessageView<'m> {
    MessageView {
        identity: tokens.iter().map(|token| token.as_str().into()).collect(),
        ..message("")
    }
}

fn result_of(header: &HeaderReport, name: &str) -> CheckResult {
    let check = header.checks.iter().find(|check| check.name == name);
    check
        .unwrap_or_else(|| panic!("{name} is a check of this header"))
        .result
}

#[test]
fn i_13_media_keys_that_are_signed_must_be_those_of_the_body() {
    let world = World::new();
    let mky = format!(r#""mky":[{{"alg":"sha-256","dig":"{ONE_HEX}"}}]"#);
    let identity = shaken_with(&world, &mky).signed();
    let with = |fingerprints: &[&'static str]| {
        let mut message = message(&identity);
        message.fingerprints = fingerprints.iter().map(|value| (*value).into()).collect();
        judged(&world, &message)
    };
    let good = with(&[ONE, ONE]);
    assert_eq!(good.standing, Standing::Verified, "{good:?}");
    assert_eq!(result_of(&good.headers[0], "mky"), CheckResult::Passed);
    for fingerprints in [&[][..], &[TWO], &[ONE, TWO], &["sha-256 4A"]] {
        let report = with(fingerprints);
        assert_eq!(
            (report.standing, report.headers[0].code, report.attestation),
            (Standing::Failed, Some(438), None),
            "{fingerprints:?}"
        );
        assert_eq!(result_of(&report.headers[0], "mky"), CheckResult::Failed);
    }
}

#[test]
fn i_13_a_body_with_keys_and_a_shaken_token_without_them_is_no_contradiction() {
    let world = World::new();
    let identity = world.token().signed();
    let mut message = message(&identity);
    message.fingerprints = vec![ONE.into()];
    let report = judged(&world, &message);
    assert_eq!(report.standing, Standing::Verified, "{report:?}");
    assert_eq!(result_of(&report.headers[0], "mky"), CheckResult::Skipped);
}

/// `..signature` of a token without extension, and the Date it was made at.
fn compact(world: &World, mky: &str, parameters: &str) -> String {
    let mut token = world.token();
    token.header = format!(r#"{{"alg":"ES256","typ":"passport","x5u":"{URL}"}}"#);
    token.payload =
        format!(r#"{{"dest":{{"tn":["{CALLED}"]}},"iat":{NOW}{mky},"orig":{{"tn":"{CALLER}"}}}}"#);
    let signed = token.signed();
    let value = signed.split(';').next().unwrap_or_default();
    let signature = value.rsplit('.').next().unwrap_or_default();
    format!("..{signature};info=<{URL}>{parameters}")
}

const DATE: &str = "Sun, 22 Nov 2026 06:30:00 GMT";

#[test]
fn i_05_a_compact_token_without_extension_verifies_when_the_message_is_what_was_signed() {
    let world = World::new();
    let mky = format!(r#","mky":[{{"alg":"sha-256","dig":"{ONE_HEX}"}}]"#);
    for (mky, fingerprints) in [("", vec![]), (mky.as_str(), vec![ONE.into(), ONE.into()])] {
        for parameters in ["", ";alg=ES256"] {
            let identity = compact(&world, mky, parameters);
            let mut message = message(&identity);
            message.date = Some(DATE.into());
            message.fingerprints = fingerprints.clone();
            let report = judged(&world, &message);
            assert_eq!(report.standing, Standing::Verified, "{report:?}");
            // No letter: this kind of token has none.
            assert_eq!(report.attestation, None);
            assert_eq!(report.verstat, "No-TN-Validation");
            // The second of two asserted identities is the signed one.
            message.asserted = vec!["tel:+14045559999".into(), "tel:+14045550123".into()];
            let report = judged(&world, &message);
            assert_eq!((report.standing, report.asserted), (Standing::Verified, Some(1)));
        }
    }
}

#[test]
fn i_05_a_compact_token_beside_another_message_does_not_verify() {
    let world = World::new();
    let identity = compact(&world, "", "");
    let check = |change: fn(&mut MessageView<'_>)| {
        let mut message = message(&identity);
        message.date = Some(DATE.into());
        change(&mut message);
        let report = judged(&world, &message);
        let header = &report.headers[0];
        assert_eq!(
            (report.standing, header.outcome, header.code),
            (Standing::Failed, Outcome::Unmatched, Some(438)),
            "{report:?}"
        );
        // Somebody on the way may have changed what was signed: nobody is called a forger for it.
        assert!(
            !report.is_forged() && !report.has_forged_beside() && !report.is_stale(),
            "{report:?}"
        );
    };
    check(|message| message.from = "sip:+14045550124@carrier.example.com".into());
    check(|message| message.asserted = vec!["tel:+14045550124".into()]);
    check(|message| message.to = "sip:+12125550101@example.com".into());
    check(|message| message.date = Some("Sun, 22 Nov 2026 06:30:01 GMT".into()));
    check(|message| message.fingerprints = vec![ONE.into()]);
    check(|message| message.fingerprints = vec!["sha-256".into()]);
    check(|message| message.date = None);
    // What was never a signature is malformed, in this form too.
    let message = message("..;info=<https://cert.example.org/sp.pem>");
    let report = judged(&world, &message);
    assert_eq!(report.headers[0].outcome, Outcome::Invalid, "{report:?}");
}

#[test]
fn i_05_shaken_and_every_other_extension_need_the_full_form() {
    let world = World::new();
    for ppt in ["shaken", "\"shaken\"", "div", "div-o", "rcd", "rph"] {
        let identity = compact(&world, "", &format!(";ppt={ppt}"));
        let mut message = message(&identity);
        message.date = Some(DATE.into());
        let report = judged(&world, &message);
        assert_ne!(report.standing, Standing::Verified, "{ppt}");
        assert_eq!(report.headers[0].code, Some(438), "{ppt}: {report:?}");
    }
}

const RCD: &str = r#""rcd":{"nam":"Acme\u202e Dental","icn":"https://media.example.com/logo.png"},"crn":"Your appointment""#;

#[test]
fn r_01_r_02_rich_call_data_comes_in_the_shaken_token_or_beside_it() {
    let world = World::new();
    let inside = vec![shaken_with(&world, RCD).signed()];
    let beside = vec![
        of_kind(&world, "rcd", &format!(",{RCD}")).signed(),
        world.token().signed(),
    ];
    for tokens in [inside, beside] {
        let report = judged(&world, &with_headers(&tokens));
        assert_eq!(report.standing, Standing::Verified, "{report:?}");
        let rcd = report.rcd.expect("there is some");
        assert_eq!(rcd.name.as_deref(), Some("Acme Dental"));
        assert_eq!(rcd.reason.as_deref(), Some("Your appointment"));
        assert_eq!(rcd.icon.as_deref(), Some("https://media.example.com/logo.png"));
        // A log line tells no name.
        let printed = format!("{rcd:?}");
        assert!(
            printed.contains("has_name: true") && !printed.contains("Acme"),
            "{printed}"
        );
    }
}

#[test]
fn r_01_rich_call_data_alone_says_nothing_about_the_number() {
    let world = World::new();
    let tokens = vec![of_kind(&world, "rcd", &format!(",{RCD}")).signed()];
    let report = judged(&world, &with_headers(&tokens));
    assert_ne!(report.standing, Standing::Verified);
    assert_eq!((report.rcd, report.attestation), (None, None));
}

#[test]
fn r_01_rich_call_data_of_another_caller_or_call_is_not_taken() {
    let world = World::new();
    let rcd = || of_kind(&world, "rcd", &format!(",{RCD}"));
    let shaken = world.token().signed();
    for other in [
        rcd().with(CALLER, "14045559999"),
        rcd().with(CALLED, "12125559999"),
        rcd().with_iat(NOW - 61),
        rcd().with_iat(NOW + 61),
    ] {
        let tokens = vec![shaken.clone(), other.signed()];
        let report = judged(&world, &with_headers(&tokens));
        assert_eq!((report.standing, report.rcd), (Standing::Verified, None));
    }
    // Two identities are asserted: the number that is proven and the name must be those of one of them.
    let tokens = vec![shaken, rcd().with(CALLER, "14045559999").signed()];
    let mut message = with_headers(&tokens);
    message.asserted = vec!["tel:+14045550123".into(), "tel:+14045559999".into()];
    let report = judged(&world, &message);
    assert_eq!((report.standing, report.rcd), (Standing::Verified, None));
}

#[test]
fn r_03_what_cannot_be_checked_takes_the_data_and_leaves_the_number() {
    let world = World::new();
    let jcd = r#"["vcard",[["fn",{},"text","Acme"]]]"#;
    let good = ContentDigest::sha256(jcd.as_bytes()).to_string();
    let with = |digest: &str| {
        let claims = format!(r#""rcd":{{"jcd":{jcd},"nam":"Acme"}},"rcdi":{{"/jcd":"{digest}"}}"#);
        judged(&world, &message(&shaken_with(&world, &claims).signed()))
    };
    let report = with(&good);
    assert!(
        report.rcd.as_ref().is_some_and(|rcd| rcd.is_integrity_checked),
        "{report:?}"
    );
    assert_eq!(result_of(&report.headers[0], "rcd"), CheckResult::Passed);
    let report = with(&ContentDigest::sha256(b"another").to_string());
    assert_eq!((report.standing, &report.rcd), (Standing::Verified, &None));
    assert_eq!(report.attestation, Some(Attestation::Full));
    assert_eq!(result_of(&report.headers[0], "rcd"), CheckResult::Failed);
    assert!(report.headers[0].reason.contains("digest"), "{report:?}");
}

#[test]
fn r_04_a_certificate_may_permit_some_rich_call_data_only() {
    let rcd = r#"{"icn":"https://media.example.com/logo.png","nam":"Acme"}"#;
    let permit = |values: &[&str]| {
        let values: Vec<u8> = values.iter().flat_map(|value| der::utf8(value)).collect();
        let entry = der::sequence(&[&der::ia5("rcd"), &der::sequence(&[&values])]);
        let permitted = der::sequence(&[&entry]);
        let mut params = signer_params(Some(spc("1234")));
        params.custom_extensions.push(extension(
            CLAIM_CONSTRAINTS,
            der::sequence(&[&der::context(1, &[&permitted])]),
            false,
        ));
        World::with_signer(params)
    };
    // Signed with its members in another order and with white space: the same value.
    let claims = r#""rcd":{ "nam":"Acme", "icn":"https://media.example.com/logo.png" }"#;
    for (values, is_permitted) in [
        (&[rcd][..], true),
        (&[r#"{"nam":"Other"}"#, rcd], true),
        (&[r#"{"nam":"Other"}"#], false),
        (&["Acme"], false),
        (&[r#"{"nam":"Acme"}"#], false),
    ] {
        let world = permit(values);
        let report = judged(&world, &message(&shaken_with(&world, claims).signed()));
        assert_eq!(report.rcd.is_some(), is_permitted, "{values:?} {report:?}");
        assert_eq!(
            report.headers[0].code,
            (!is_permitted).then_some(438),
            "{values:?}"
        );
    }
}

#[test]
fn rph_a_priority_is_verified_with_all_that_a_signature_needs() {
    let world = World::new();
    let rph = |claims: &str| of_kind(&world, "rph", claims);
    let esnet = r#","rph":{"auth":["esnet.0"]}"#;
    let with = |token: Token, resource: &[&'static str], priority: Option<&'static str>| {
        let tokens = vec![world.token().signed(), token.signed()];
        let mut message = with_headers(&tokens);
        message.resource_priority = resource.iter().map(|value| (*value).into()).collect();
        message.priority = priority.map(Into::into);
        judged(&world, &message)
    };
    let report = with(rph(esnet), &["esnet.0"], None);
    let priority = report.priority.as_ref().expect("it is verified");
    assert!(
        priority.is_emergency && priority.namespaces == ["esnet.0"],
        "{report:?}"
    );
    assert_eq!(
        (report.standing, report.attestation),
        (Standing::Verified, Some(Attestation::Full))
    );
    let callback = r#","rph":{"auth":["esnet.0"]},"sph":"psap-callback""#;
    assert!(
        with(rph(callback), &["esnet.0"], Some("psap-callback"))
            .priority
            .is_some()
    );

    for (token, resource, header) in [
        (rph(esnet), &["esnet.1"][..], None),
        (rph(esnet), &[], None),
        (rph(esnet), &["esnet.0"], Some("psap-callback")),
        (rph(callback), &["esnet.0"], None),
        (rph(""), &["esnet.0"], None),
        (rph(esnet).with_iat(NOW - 61), &["esnet.0"], None),
        (rph(esnet).with(CALLER, "14045559999"), &["esnet.0"], None),
        (rph(esnet).with(CALLED, "12125559999"), &["esnet.0"], None),
        // The claim in a token of another kind gives nothing.
        (of_kind(&world, "rcd", esnet), &["esnet.0"], None),
    ] {
        let report = with(token, resource, header);
        assert_eq!(report.priority, None, "{report:?}");
        assert_eq!(
            report.standing,
            Standing::Verified,
            "the number is proven all the same"
        );
    }
}

#[test]
fn rph_a_priority_alone_is_verified_and_says_nothing_about_the_number() {
    let world = World::new();
    let token = of_kind(&world, "rph", r#","rph":{"auth":["wps.0"]}"#).signed();
    let mut message = message(&token);
    message.resource_priority = vec!["wps.0".into()];
    let report = judged(&world, &message);
    assert_eq!((report.standing, report.attestation), (Standing::None, None));
    assert_eq!(report.passport_digest, None);
    let priority = report.priority.expect("it is verified");
    assert_eq!(
        (priority.namespaces.as_slice(), priority.is_emergency),
        (&["wps.0".to_string()][..], false)
    );
    // So that a copy of it can be told.
    assert_eq!(priority.digest.len(), 64);
}

#[test]
fn rph_a_priority_from_a_certificate_that_is_not_trusted_is_none() {
    let (world, other) = (World::new(), World::new());
    let token = of_kind(&world, "rph", r#","rph":{"auth":["esnet.0"]}"#).signed();
    let mut message = message(&token);
    message.resource_priority = vec!["esnet.0".into()];
    for report in [
        judge(&mut other.verifier(), &message, &world.chain(), NOW),
        judge(&mut world.verifier(), &message, &other.chain(), NOW),
    ] {
        assert_eq!(report.priority, None);
    }
}
