//! The certificate: path, dates, rights. Every refusal by its own check.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use stir_shaken_verify::*;

use crate::authority::*;

fn report(world: &World, chain: &str, arrived: i64) -> Report {
    let identity = world.token().with_iat(arrived).signed();
    judge(&mut world.verifier(), &message(&identity), chain, arrived)
}

fn refused(report: &Report) -> (Outcome, Option<u16>, Vec<&str>) {
    assert_eq!(report.standing, Standing::Failed, "{report:?}");
    let header = &report.headers[0];
    let failed = header
        .checks
        .iter()
        .filter(|check| check.result == CheckResult::Failed);
    (
        header.outcome,
        header.code,
        failed.map(|check| &*check.name).collect(),
    )
}

/// A signer with these parameters is refused by the check `failing`.
fn check(params: CertificateParams, outcome: Outcome, failing: &str) {
    let world = World::with_signer(params);
    let report = report(&world, &world.chain(), NOW);
    let code = if outcome == Outcome::Invalid { 438 } else { 437 };
    assert_eq!(
        refused(&report),
        (outcome, Some(code), vec![failing]),
        "{report:?}"
    );
}

fn accepts(params: CertificateParams) {
    let world = World::with_signer(params);
    let report = report(&world, &world.chain(), NOW);
    assert_eq!(report.standing, Standing::Verified, "{report:?}");
}

const UNTRUSTED: Outcome = Outcome::UntrustedCredential;

#[test]
fn a_signature_by_another_key_is_invalid() {
    let world = World::new();
    let identity = Token::new(&KeyPair::generate().unwrap()).signed();
    let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
    assert_eq!(refused(&report), (Outcome::Invalid, Some(438), vec!["signature"]));
    assert!(report.is_forged());
}

#[test]
fn c_02_the_chain_must_end_at_a_configured_anchor() {
    let world = World::new();
    let stranger = World::new();
    for chain in [
        world.signer.pem.clone(),
        stranger.chain(),
        // An authority that comes with the file is no anchor, however self-signed.
        format!("{}{}", stranger.chain(), stranger.root.pem),
        format!("{}{}", world.signer.pem, stranger.intermediate.pem),
    ] {
        assert_eq!(
            refused(&report(&world, &chain, NOW)),
            (UNTRUSTED, Some(437), vec!["chain"])
        );
    }
    let world_of_leaf_anchor = Anchors::new().add_pem(world.signer.pem.as_bytes());
    assert_eq!(
        world_of_leaf_anchor,
        Err(AnchorsFault::NotAnAuthority { place: 1 })
    );
}

#[test]
fn c_02_the_order_after_the_leaf_and_text_between_do_not_matter() {
    let root = Holder::root(authority_params("root"));
    let first = root.issue(authority_params("first"));
    let second = first.issue(authority_params("second"));
    let signer = second.issue(signer_params(Some(spc("1234"))));
    let world = World {
        root,
        intermediate: first,
        signer,
    };
    let chain = format!(
        "subject=x\n{}\n# text\n{}{}",
        world.signer.pem, world.intermediate.pem, second.pem
    );
    assert_eq!(report(&world, &chain, NOW).standing, Standing::Verified);
    let leaf_last = format!("{}{}{}", second.pem, world.intermediate.pem, world.signer.pem);
    assert_eq!(
        refused(&report(&world, &leaf_last, NOW)),
        (UNTRUSTED, Some(437), vec!["chain"])
    );
}

#[test]
fn c_11_the_second_call_with_the_same_chain_passes_too() {
    let world = World::new();
    let mut verifier = world.verifier();
    for _ in 0..3 {
        let identity = world.token().signed();
        let report = judge(&mut verifier, &message(&identity), &world.chain(), NOW);
        assert_eq!(report.standing, Standing::Verified);
    }
    verifier.replace_trust(Anchors::new(), Crls::new());
    let identity = world.token().signed();
    let report = judge(&mut verifier, &message(&identity), &world.chain(), NOW);
    assert_eq!(report.standing, Standing::Unchecked);
}

#[test]
fn c_11_a_remembered_chain_still_expires() {
    let world = World::new();
    let mut verifier = world.verifier();
    for (arrived, standing) in [
        (NOW, Standing::Verified),
        (NOW + 86_401, Standing::Failed),
        (NOW, Standing::Verified),
    ] {
        let identity = world.token().with_iat(arrived).signed();
        let report = judge(&mut verifier, &message(&identity), &world.chain(), arrived);
        assert_eq!(report.standing, standing, "{report:?}");
    }
}

#[test]
fn c_06_dates_count_at_signing_and_at_arrival() {
    let until = |second: i64| {
        let mut params = signer_params(Some(spc("1234")));
        params.not_after = date(second);
        World::with_signer(params)
    };
    for (iat, arrived, valid_until, is_good) in [
        (NOW, NOW + 10, NOW + 10, true),
        (NOW, NOW + 10, NOW + 9, false),
        (NOW + 10, NOW, NOW + 9, false),
    ] {
        let world = until(valid_until);
        let identity = world.token().with_iat(iat).signed();
        let report = judge(
            &mut world.verifier(),
            &message(&identity),
            &world.chain(),
            arrived,
        );
        assert_eq!(report.standing == Standing::Verified, is_good, "{report:?}");
    }
    let mut early = signer_params(Some(spc("1234")));
    early.not_before = date(NOW + 1);
    check(early, UNTRUSTED, "dates");
    let mut late = signer_params(Some(spc("1234")));
    late.not_after = date(NOW - 1);
    check(late, UNTRUSTED, "dates");
}

#[test]
fn c_06_an_expired_intermediate_or_root_spoils_the_path() {
    for spoiled in 0..2 {
        let mut authorities = [authority_params("root"), authority_params("intermediate")];
        authorities[spoiled].not_after = date(NOW - 1);
        let [root, intermediate] = authorities;
        let root = Holder::root(root);
        let intermediate = root.issue(intermediate);
        let signer = intermediate.issue(signer_params(Some(spc("1234"))));
        let world = World {
            root,
            intermediate,
            signer,
        };
        assert_eq!(
            refused(&report(&world, &world.chain(), NOW)),
            (UNTRUSTED, Some(437), vec!["dates"])
        );
    }
}

#[test]
fn c_03_a_certificate_without_a_readable_tn_auth_list_is_refused() {
    check(signer_params(None), UNTRUSTED, "tn_auth_list");
    check(signer_params(Some(vec![0x30, 0])), UNTRUSTED, "tn_auth_list");
    check(signer_params(Some(b"1234".to_vec())), UNTRUSTED, "tn_auth_list");
}

#[test]
fn c_04_a_certificate_for_numbers_must_cover_the_calling_one() {
    accepts(signer_params(Some(one_number(CALLER))));
    accepts(signer_params(Some(number_range("14045550100", 100))));
    check(
        signer_params(Some(one_number(CALLED))),
        Outcome::NoAuthority,
        "authority",
    );
    check(
        signer_params(Some(number_range("14045550100", 23))),
        Outcome::NoAuthority,
        "authority",
    );
    check(
        signer_params(Some(number_range("14045550124", 100))),
        Outcome::NoAuthority,
        "authority",
    );
}

#[test]
fn c_04_a_delegate_gets_no_more_than_its_parent_has() {
    for (parent, is_good) in [
        (number_range("14045550100", 100), true),
        (number_range("13035550100", 100), false),
        (vec![0x30, 0], false),
    ] {
        let root = Holder::root(authority_params("root"));
        let mut params = authority_params("delegating");
        params.custom_extensions = signer_params(Some(parent)).custom_extensions;
        let intermediate = root.issue(params);
        let signer = intermediate.issue(signer_params(Some(one_number(CALLER))));
        let world = World {
            root,
            intermediate,
            signer,
        };
        let report = report(&world, &world.chain(), NOW);
        assert_eq!(report.standing == Standing::Verified, is_good, "{report:?}");
    }
}

#[test]
fn c_03_a_critical_tn_auth_list_is_understood_and_another_critical_extension_is_not() {
    accepts(critical_tn_auth_list(spc("1234")));
    check(
        critical_tn_auth_list(one_number(CALLED)),
        Outcome::NoAuthority,
        "authority",
    );
    let mut unknown = signer_params(Some(spc("1234")));
    unknown
        .custom_extensions
        .push(extension(&[1, 2, 3, 4], vec![5, 0], true));
    check(unknown, UNTRUSTED, "chain");
    let mut harmless = signer_params(Some(spc("1234")));
    harmless
        .custom_extensions
        .push(extension(&[1, 2, 3, 4], vec![5, 0], false));
    accepts(harmless);
}

#[test]
fn c_02_our_own_walk_keeps_the_path_rules_that_webpki_would() {
    // With a critical TNAuthList webpki gives no verdict, so these are judged by our walk alone.
    let bad_authorities: [fn(&mut CertificateParams); 4] = [
        |params| params.is_ca = IsCa::NoCa,
        |params| params.is_ca = IsCa::ExplicitNoCa,
        |params| params.key_usages = vec![KeyUsagePurpose::CrlSign],
        |params| {
            params
                .custom_extensions
                .push(extension(&[1, 2, 3, 4], vec![5, 0], true))
        },
    ];
    for (case, spoil) in bad_authorities.into_iter().enumerate() {
        for signer in [
            signer_params(Some(spc("1234"))),
            critical_tn_auth_list(spc("1234")),
        ] {
            let root = Holder::root(authority_params("root"));
            let mut params = authority_params("intermediate");
            spoil(&mut params);
            let intermediate = root.issue(params);
            let signer = intermediate.issue(signer);
            let world = World {
                root,
                intermediate,
                signer,
            };
            assert_eq!(
                refused(&report(&world, &world.chain(), NOW)).2,
                ["chain"],
                "case {case}"
            );
        }
    }
}

#[test]
fn c_02_path_length_is_counted() {
    for (allowed, is_good) in [(0, false), (1, true)] {
        for signer in [
            signer_params(Some(spc("1234"))),
            critical_tn_auth_list(spc("1234")),
        ] {
            let mut params = authority_params("root");
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(allowed));
            let root = Holder::root(params);
            let intermediate = root.issue(authority_params("intermediate"));
            let signer = intermediate.issue(signer);
            let world = World {
                root,
                intermediate,
                signer,
            };
            let report = report(&world, &world.chain(), NOW);
            assert_eq!(
                report.standing == Standing::Verified,
                is_good,
                "{allowed} {report:?}"
            );
        }
    }
}

#[test]
fn c_02_a_path_of_six_certificates_is_the_longest_and_one_authority_more_is_refused() {
    for (authorities, is_good) in [(5, true), (6, false)] {
        let root = Holder::root(authority_params("root"));
        let mut chain: Vec<Holder> = Vec::new();
        for place in 0..authorities {
            let next = chain
                .last()
                .unwrap_or(&root)
                .issue(authority_params(&format!("authority {place}")));
            chain.push(next);
        }
        let signer = chain.last().unwrap().issue(signer_params(Some(spc("1234"))));
        let body: String = std::iter::once(&signer)
            .chain(&chain)
            .map(|holder| holder.pem.as_str())
            .collect();
        let world = World {
            intermediate: root.issue(authority_params("not used")),
            root,
            signer,
        };
        let report = report(&world, &body, NOW);
        assert_eq!(report.standing == Standing::Verified, is_good, "{report:?}");
    }
}

#[test]
fn c_02_authorities_of_one_name_with_other_keys_do_not_hide_the_right_one() {
    let world = World::new();
    let namesakes: String = (0..4)
        .map(|_| world.root.issue(authority_params("Test STI intermediate")).pem)
        .collect();
    let body = format!("{}{namesakes}{}", world.signer.pem, world.intermediate.pem);
    assert_eq!(report(&world, &body, NOW).standing, Standing::Verified);
    // Without the right one the search ends all the same.
    let body = format!("{}{namesakes}", world.signer.pem);
    assert_eq!(
        refused(&report(&world, &body, NOW)),
        (UNTRUSTED, Some(437), vec!["chain"])
    );
    // A circle: two authorities that vouch for each other, and nobody for them.
    let first = Holder::root(authority_params("first"));
    let second = Holder::root(authority_params("second"));
    let (a, b) = (
        first.issue_with_key(authority_params("second"), Holder::copy_of(&second).key),
        second.issue_with_key(authority_params("first"), Holder::copy_of(&first).key),
    );
    let signer = first.issue(signer_params(Some(spc("1234"))));
    let body = format!("{}{}{}", signer.pem, a.pem, b.pem);
    let circular = World {
        intermediate: first,
        root: second,
        signer,
    };
    let identity = circular.token().signed();
    let report = judge(&mut world.verifier(), &message(&identity), &body, NOW);
    assert_eq!(refused(&report), (UNTRUSTED, Some(437), vec!["chain"]));
}

#[test]
fn c_01_the_key_must_be_p256_and_meant_for_signing() {
    let world = World::new();
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let signer = world
            .intermediate
            .issue_with_key(signer_params(Some(spc("1234"))), key);
        let chain = format!("{}{}", signer.pem, world.intermediate.pem);
        assert_eq!(
            refused(&report(&world, &chain, NOW)),
            (UNTRUSTED, Some(437), vec!["chain"])
        );
    }
    let mut usage = signer_params(Some(spc("1234")));
    usage.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    check(usage, UNTRUSTED, "chain");
    let mut usage = signer_params(Some(spc("1234")));
    usage.key_usages = Vec::new();
    accepts(usage);
    let mut authority = signer_params(Some(spc("1234")));
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    check(authority, UNTRUSTED, "chain");
    let mut web = signer_params(Some(spc("1234")));
    web.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    check(web, UNTRUSTED, "chain");
}

#[test]
fn c_01_a_signature_algorithm_other_than_ecdsa_with_sha256_is_refused() {
    let root = Holder::root(authority_params("root"));
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let intermediate = root.issue_with_key(authority_params("intermediate"), key);
    let signer = intermediate.issue(signer_params(Some(spc("1234"))));
    let world = World {
        root,
        intermediate,
        signer,
    };
    assert_eq!(refused(&report(&world, &world.chain(), NOW)).2, ["chain"]);
}

#[test]
fn c_05_claim_constraints_are_kept_or_the_certificate_is_refused() {
    let permitted = |claim: &str, value: &str| {
        let claim = der::sequence(&[&der::ia5(claim), &der::sequence(&[&der::utf8(value)])]);
        der::sequence(&[&der::context(1, &[&der::sequence(&[&claim])])])
    };
    let included = |claim: &str| der::sequence(&[&der::context(0, &[&der::sequence(&[&der::ia5(claim)])])]);
    let excluded = |claim: &str| der::sequence(&[&der::context(2, &[&der::sequence(&[&der::ia5(claim)])])]);
    let constrained = |oid, content, is_critical| {
        let mut params = signer_params(Some(spc("1234")));
        params
            .custom_extensions
            .push(extension(oid, content, is_critical));
        params
    };
    for is_critical in [false, true] {
        accepts(constrained(
            CLAIM_CONSTRAINTS,
            permitted("attest", "A"),
            is_critical,
        ));
        accepts(constrained(CLAIM_CONSTRAINTS, included("origid"), is_critical));
        accepts(constrained(
            ENHANCED_CLAIM_CONSTRAINTS,
            excluded("rcd"),
            is_critical,
        ));
        check(
            constrained(CLAIM_CONSTRAINTS, permitted("attest", "B"), is_critical),
            Outcome::Invalid,
            "constraints",
        );
        check(
            constrained(CLAIM_CONSTRAINTS, included("rcd"), is_critical),
            Outcome::Invalid,
            "constraints",
        );
        check(
            constrained(ENHANCED_CLAIM_CONSTRAINTS, excluded("origid"), is_critical),
            Outcome::Invalid,
            "constraints",
        );
        check(
            constrained(CLAIM_CONSTRAINTS, excluded("rcd"), is_critical),
            UNTRUSTED,
            "chain",
        );
        check(
            constrained(CLAIM_CONSTRAINTS, vec![0x30, 0], is_critical),
            UNTRUSTED,
            "chain",
        );
    }
}

#[test]
fn c_10_a_body_that_is_no_chain_is_bad_info() {
    let world = World::new();
    let many = world.signer.pem.repeat(7);
    let large = format!("{}{}", world.chain(), " ".repeat(64 * 1024));
    let der = String::from_utf8_lossy(&world.signer.der).into_owned();
    for body in [
        "",
        "<html>Not found</html>",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        &many,
        &large,
        &der,
    ] {
        let report = report(&world, body, NOW);
        assert_eq!(
            refused(&report),
            (Outcome::BadInfo, Some(436), vec!["certificate"]),
            "{report:?}"
        );
    }
}

#[test]
fn c_02_without_any_anchor_a_signed_call_is_unchecked() {
    let world = World::new();
    let config = VerifierConfig::new(Anchors::new(), NumberRules::new("US").unwrap());
    let report = world.judged(config);
    assert_eq!(
        (report.standing, report.headers[0].outcome),
        (Standing::Unchecked, Outcome::Unavailable)
    );
}

#[test]
fn c_02_anchors_say_which_certificate_is_wrong() {
    let world = World::new();
    let add = |pem: &str| Anchors::new().add_pem(pem.as_bytes());
    assert_eq!(add(""), Err(AnchorsFault::Empty));
    assert_eq!(add(&format!("{}{}", world.root.pem, world.root.pem)), Ok(2));
    let mixed = format!("{}{}", world.root.pem, world.signer.pem);
    assert_eq!(add(&mixed), Err(AnchorsFault::NotAnAuthority { place: 2 }));
    let other = CertificateParams::default()
        .self_signed(&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap())
        .unwrap();
    let fault = AnchorsFault::Certificate {
        place: 1,
        fault: CertificateFault::Key,
    };
    assert_eq!(add(&other.pem()), Err(fault));
    assert_eq!(fault.to_string(), "certificate 1: the key is not on P-256");
}
