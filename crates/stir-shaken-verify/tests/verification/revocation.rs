//! Revocation lists, direct and indirect.
#![allow(clippy::unwrap_used, reason = "a test list that cannot be made says where")]

use stir_shaken_verify::*;

use crate::authority::*;

const SERIAL: &[u8] = &[0x42, 0x01];

fn revocation(world: &World, lists: &[Vec<u8>], arrived: i64) -> (Standing, CheckResult) {
    let mut config = world.config();
    for list in lists {
        config.crls.add(list).unwrap();
    }
    let identity = world.token().with_iat(arrived).signed();
    let report = judge(
        &mut Verifier::new(config),
        &message(&identity),
        &world.chain(),
        arrived,
    );
    let check = report.headers[0]
        .checks
        .iter()
        .find(|check| check.name == "revocation")
        .unwrap();
    (report.standing, check.result)
}

const REVOKED: (Standing, CheckResult) = (Standing::Failed, CheckResult::Failed);
const GOOD: (Standing, CheckResult) = (Standing::Verified, CheckResult::Passed);
const UNKNOWN: (Standing, CheckResult) = (Standing::Unchecked, CheckResult::Unavailable);

fn direct(by: &Holder, serial: &[u8]) -> Vec<u8> {
    crl(by, false, &[Revoked { serial, issuer: None }], NOW - 10, NOW + 10)
}

fn indirect(by: &Holder, serial: &[u8], issuer: Option<Vec<u8>>) -> Vec<u8> {
    crl(by, true, &[Revoked { serial, issuer }], NOW - 10, NOW + 10)
}

#[test]
fn c_07_the_issuers_own_list_revokes_by_serial() {
    let world = World::new();
    assert_eq!(
        revocation(&world, &[direct(&world.intermediate, SERIAL)], NOW),
        REVOKED
    );
    assert_eq!(
        revocation(&world, &[direct(&world.intermediate, &[0x42, 0x02])], NOW),
        GOOD
    );
    assert_eq!(
        revocation(
            &world,
            &[crl(&world.intermediate, false, &[], NOW - 10, NOW + 10)],
            NOW
        ),
        GOOD
    );
    assert_eq!(
        revocation(&world, &[], NOW),
        (Standing::Verified, CheckResult::Skipped)
    );
}

#[test]
fn c_07_an_indirect_list_revokes_by_issuer_and_serial() {
    let world = World::new();
    let ours = name_of(&world.intermediate.der);
    let other = name_of(&Holder::root(authority_params("Somebody else")).der);
    assert_eq!(
        revocation(&world, &[indirect(&world.root, SERIAL, Some(ours.clone()))], NOW),
        REVOKED
    );
    // The same serial number of another authority is another certificate.
    assert_eq!(
        revocation(&world, &[indirect(&world.root, SERIAL, Some(other.clone()))], NOW),
        GOOD
    );
    assert_eq!(
        revocation(&world, &[indirect(&world.root, SERIAL, None)], NOW),
        GOOD
    );
    // An entry without an issuer has the one of the entry before.
    let entry = |issuer, serial| Revoked { serial, issuer };
    let inherited = [entry(Some(ours.clone()), &[1][..]), entry(None, SERIAL)];
    assert_eq!(
        revocation(
            &world,
            &[crl(&world.root, true, &inherited, NOW - 10, NOW + 10)],
            NOW
        ),
        REVOKED
    );
    let changed = [entry(Some(ours), &[1][..]), entry(Some(other), SERIAL)];
    assert_eq!(
        revocation(
            &world,
            &[crl(&world.root, true, &changed, NOW - 10, NOW + 10)],
            NOW
        ),
        GOOD
    );
}

#[test]
fn c_07_a_name_in_another_encoding_is_still_the_same_issuer() {
    let world = World::new();
    // rcgen writes UTF8String (0x0c); the same text as PrintableString (0x13), in capitals.
    let mut name = name_of(&world.intermediate.der);
    let tag = name.iter().rposition(|octet| *octet == 0x0c).unwrap();
    name[tag] = 0x13;
    for octet in &mut name[tag + 2..] {
        octet.make_ascii_uppercase();
    }
    assert_eq!(
        revocation(&world, &[indirect(&world.root, SERIAL, Some(name))], NOW),
        REVOKED
    );
}

#[test]
fn c_07_the_lists_of_a_separate_policy_administrator_need_a_path_to_an_anchor() {
    let world = World::new();
    let issuer = name_of(&world.intermediate.der);
    let administrator = world.root.issue(authority_params("Policy administrator"));
    let list = indirect(&administrator, SERIAL, Some(issuer.clone()));
    assert_eq!(revocation(&world, std::slice::from_ref(&list), NOW), UNKNOWN);
    let with_signer = |signer: &str, list: &[u8]| {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(list);
        format!("{signer}-----BEGIN X509 CRL-----\n{body}\n-----END X509 CRL-----\n").into_bytes()
    };
    assert_eq!(
        revocation(&world, &[with_signer(&administrator.pem, &list)], NOW),
        REVOKED
    );
    let stranger = Holder::root(authority_params("Policy administrator"));
    let list = indirect(&stranger, SERIAL, Some(issuer));
    assert_eq!(
        revocation(&world, &[with_signer(&stranger.pem, &list)], NOW),
        UNKNOWN
    );
}

#[test]
fn c_07_a_list_that_is_outdated_early_or_badly_signed_says_nothing() {
    let world = World::new();
    let list = |this, next| crl(&world.intermediate, false, &[], NOW + this, NOW + next);
    assert_eq!(revocation(&world, &[list(-10, 0)], NOW), GOOD);
    assert_eq!(revocation(&world, &[list(-10, -1)], NOW), UNKNOWN);
    assert_eq!(revocation(&world, &[list(0, 10)], NOW), GOOD);
    assert_eq!(revocation(&world, &[list(1, 10)], NOW), UNKNOWN);
    let mut altered = list(-10, 10);
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert_eq!(revocation(&world, &[altered], NOW), UNKNOWN);
    let namesake = Holder::root(authority_params("Test STI intermediate"));
    assert_eq!(revocation(&world, &[direct(&namesake, &[7])], NOW), UNKNOWN);
}

#[test]
fn c_07_a_list_of_another_authority_says_nothing_of_ours() {
    let world = World::new();
    assert_eq!(revocation(&world, &[direct(&world.root, SERIAL)], NOW), UNKNOWN);
    let both = [direct(&world.root, &[9]), direct(&world.intermediate, &[9])];
    assert_eq!(revocation(&world, &both, NOW), GOOD);
}

#[test]
fn c_07_a_revoked_intermediate_revokes_its_signers() {
    let root = Holder::root(authority_params("root"));
    let mut params = authority_params("intermediate");
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x77]));
    let intermediate = root.issue(params);
    let signer = intermediate.issue(signer_params(Some(spc("1234"))));
    let world = World {
        root,
        intermediate,
        signer,
    };
    let lists = [direct(&world.root, &[0x77]), direct(&world.intermediate, &[9])];
    assert_eq!(revocation(&world, &lists, NOW), REVOKED);
}

#[test]
fn c_07_what_is_no_list_is_named() {
    let certificate = World::new().root.pem;
    assert_eq!(Crls::new().add(b""), Err(CrlFault::Empty));
    assert_eq!(Crls::new().add(certificate.as_bytes()), Err(CrlFault::Empty));
    assert_eq!(
        Crls::new().add(b"-----BEGIN X509 CRL-----\n"),
        Err(CrlFault::Malformed { place: 1 })
    );
    assert_eq!(
        Crls::new().add(&[0x30, 1, 0]),
        Err(CrlFault::Malformed { place: 1 })
    );
}

/// The outcome under a policy, with the lists at hand.
fn under(policy: RevocationPolicy, world: &World, lists: &[Vec<u8>]) -> (Standing, CheckResult) {
    let mut config = world.config();
    for list in lists {
        config.crls.add(list).unwrap();
    }
    config.crls.set_policy(policy);
    let report = world.judged(config);
    let mut checks = report.headers[0].checks.iter();
    let check = checks.find(|check| check.name == "revocation").unwrap();
    (report.standing, check.result)
}

const ACCEPTED: (Standing, CheckResult) = (Standing::Verified, CheckResult::Skipped);

fn accepting(stale: Untold, uncovered: Untold) -> RevocationPolicy {
    RevocationPolicy { stale, uncovered }
}

#[test]
fn c_07_an_outdated_list_leaves_the_call_unchecked_or_is_accepted_by_policy() {
    let world = World::new();
    let stale = [crl(&world.intermediate, false, &[], NOW - 10, NOW - 1)];
    let current = [crl(&world.intermediate, false, &[], NOW - 10, NOW)];
    assert_eq!(
        under(accepting(Untold::Unchecked, Untold::Accept), &world, &stale),
        UNKNOWN
    );
    assert_eq!(
        under(accepting(Untold::Accept, Untold::Unchecked), &world, &stale),
        ACCEPTED
    );
    assert_eq!(
        under(accepting(Untold::Accept, Untold::Accept), &world, &current),
        GOOD
    );
}

#[test]
fn c_07_a_revocation_is_not_taken_back_by_an_outdated_list_under_any_policy() {
    let world = World::new();
    let entry = [Revoked {
        serial: SERIAL,
        issuer: None,
    }];
    let stale = [crl(&world.intermediate, false, &entry, NOW - 10, NOW - 1)];
    for untold in [Untold::Unchecked, Untold::Accept] {
        assert_eq!(under(accepting(untold, untold), &world, &stale), REVOKED);
    }
    // Nor does a current list that does not name it any more outweigh one that does.
    let both = [
        stale[0].clone(),
        crl(&world.intermediate, false, &[], NOW - 5, NOW + 5),
    ];
    assert_eq!(revocation(&world, &both, NOW), REVOKED);
}

#[test]
fn c_07_a_certificate_that_no_list_covers_is_unchecked_or_accepted_by_policy() {
    let world = World::new();
    let others = [direct(&world.root, &[9])];
    assert_eq!(
        under(accepting(Untold::Accept, Untold::Unchecked), &world, &others),
        UNKNOWN
    );
    assert_eq!(
        under(accepting(Untold::Unchecked, Untold::Accept), &world, &others),
        ACCEPTED
    );
}

#[test]
fn c_07_a_certificate_that_names_its_lists_signer_is_covered_by_that_list_alone() {
    let root = Holder::root(authority_params("root"));
    let intermediate = root.issue(authority_params("intermediate"));
    let name = name_of(&root.der);
    let other = name_of(&intermediate.der);
    for (issuer, url, expected) in [
        (Some(&name), None, GOOD),
        (Some(&name), Some("https://authority.example.org/crl"), GOOD),
        (Some(&name), Some("https://authority.example.org/other"), UNKNOWN),
        (Some(&other), Some("https://authority.example.org/crl"), UNKNOWN),
        // Names nobody: whatever indirect list is configured speaks for it.
        (None, Some("https://elsewhere.example.org/crl"), GOOD),
    ] {
        let mut params = signer_params(Some(spc("1234")));
        params
            .custom_extensions
            .push(crl_point(url, issuer.map(Vec::as_slice)));
        let signer = intermediate.issue(params);
        let root = Holder::copy_of(&root);
        let intermediate = Holder::copy_of(&intermediate);
        let world = World {
            root,
            intermediate,
            signer,
        };
        let at = Some("https://authority.example.org/crl");
        let list = crl_at(&world.root, true, at, &[], NOW - 10, NOW + 10);
        assert_eq!(revocation(&world, &[list], NOW), expected, "{issuer:?} {url:?}");
        // Whatever it says about where to look: a list of the authority that names it, revokes it.
        let revoked = [Revoked {
            serial: SERIAL,
            issuer: Some(other.clone()),
        }];
        let list = crl_at(&world.root, true, at, &revoked, NOW - 10, NOW + 10);
        assert_eq!(revocation(&world, &[list], NOW), REVOKED, "{issuer:?} {url:?}");
    }
}

#[test]
fn c_07_a_direct_list_is_for_the_place_that_the_certificate_names() {
    let root = Holder::root(authority_params("root"));
    let intermediate = root.issue(authority_params("intermediate"));
    let mut params = signer_params(Some(spc("1234")));
    params
        .custom_extensions
        .push(crl_point(Some("https://ca.example.org/a"), None));
    let signer = intermediate.issue(params);
    let world = World {
        root,
        intermediate,
        signer,
    };
    let list = |url| crl_at(&world.intermediate, false, url, &[], NOW - 10, NOW + 10);
    assert_eq!(
        revocation(&world, &[list(Some("https://ca.example.org/a"))], NOW),
        GOOD
    );
    assert_eq!(revocation(&world, &[list(None)], NOW), GOOD);
    assert_eq!(
        revocation(&world, &[list(Some("https://ca.example.org/b"))], NOW),
        UNKNOWN
    );
}

#[test]
fn c_07_a_private_authoritys_certificates_need_no_entry_in_the_public_list() {
    let world = World::new();
    let public = World::new();
    let lists = |private: bool| {
        let mut config = world.config();
        if private {
            config.anchors = Anchors::new();
            config.anchors.add_private_pem(world.root.pem.as_bytes()).unwrap();
        }
        config.anchors.add_pem(public.root.pem.as_bytes()).unwrap();
        config.crls.add(&direct(&public.root, &[9])).unwrap();
        config
    };
    for (is_private, expected) in [(true, Standing::Verified), (false, Standing::Unchecked)] {
        let report = world.judged(lists(is_private));
        assert_eq!(report.standing, expected, "{report:?}");
    }
    // A list that does cover them is asked as ever.
    let mut config = lists(true);
    config.crls.add(&direct(&world.intermediate, SERIAL)).unwrap();
    let report = world.judged(config);
    assert_eq!(report.standing, Standing::Failed, "{report:?}");
}

#[test]
fn c_07_a_new_list_counts_for_the_next_call_with_a_remembered_chain() {
    let world = World::new();
    let mut verifier = world.verifier();
    let list = |serial: &[u8]| {
        let mut crls = Crls::new();
        crls.add(&direct(&world.intermediate, serial)).unwrap();
        crls
    };
    for (crls, standing) in [
        (Crls::new(), Standing::Verified),
        (list(&[7]), Standing::Verified),
        (list(SERIAL), Standing::Failed),
        (list(&[7]), Standing::Verified),
    ] {
        verifier.replace_trust(world.config().anchors, crls);
        let identity = world.token().signed();
        let report = judge(&mut verifier, &message(&identity), &world.chain(), NOW);
        assert_eq!(report.standing, standing, "{report:?}");
    }
}

#[test]
fn c_07_lists_can_be_looked_at_and_say_who_vouches_for_them() {
    let world = World::new();
    let anchors = world.config().anchors;
    let mut crls = Crls::new();
    crls.add(&indirect(&world.root, SERIAL, None)).unwrap();
    crls.add(&direct(&world.intermediate, SERIAL)).unwrap();
    let seen = crls.describe(&anchors, NOW);
    assert_eq!(seen[0].issuer, "CN=Test STI root");
    assert_eq!(
        (seen[0].this_update, seen[0].next_update),
        (NOW - 10, Some(NOW + 10))
    );
    assert_eq!(
        (seen[0].revoked, seen[0].is_indirect, seen[0].is_unusable),
        (1, true, false)
    );
    // Who signed the second, only a caller's certificate or one given beside it can tell.
    assert_eq!((seen[0].is_signed, seen[1].is_signed), (true, false));
    assert_eq!(crls.add_signers_pem(world.intermediate.pem.as_bytes()), 1);
    assert!(crls.describe(&anchors, NOW)[1].is_signed);
    assert!(!crls.describe(&Anchors::new(), NOW)[0].is_signed);
}

#[test]
fn c_07_the_number_of_lists_is_bounded() {
    let world = World::new();
    let mut crls = Crls::new();
    for _list in 0..16 {
        crls.add(&direct(&world.intermediate, SERIAL)).unwrap();
    }
    assert_eq!(
        crls.add(&direct(&world.intermediate, SERIAL)),
        Err(CrlFault::TooMany)
    );
    assert_eq!(
        crls.add(&vec![0x30; 16 * 1024 * 1024 + 1]),
        Err(CrlFault::TooLarge)
    );
}

#[test]
fn c_07_a_list_that_is_required_and_not_there_leaves_the_call_unchecked() {
    let world = World::new();
    for (uncovered, expected) in [(Untold::Unchecked, UNKNOWN), (Untold::Accept, ACCEPTED)] {
        let mut config = world.config();
        config.crls.require();
        config.crls.set_policy(accepting(Untold::Unchecked, uncovered));
        let report = world.judged(config);
        let mut checks = report.headers[0].checks.iter();
        let check = checks.find(|check| check.name == "revocation").unwrap();
        assert_eq!((report.standing, check.result), expected);
    }
}

/// A certificate that comes with the list must say that it signs lists.
#[test]
fn c_07_a_provider_cannot_sign_the_list_that_acquits_it() {
    let world = World::new();
    let issuer = name_of(&world.intermediate.der);
    let signed_by = |signer: &Holder, list: &[u8]| {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(list);
        let chain = format!("{}{}", signer.pem, world.intermediate.pem);
        format!("{chain}-----BEGIN X509 CRL-----\n{body}\n-----END X509 CRL-----\n").into_bytes()
    };
    let crl_signer = |usages: Vec<rcgen::KeyUsagePurpose>, numbers: Option<Vec<u8>>| {
        let mut params = signer_params(numbers);
        params.distinguished_name = params_named("List signer");
        params.key_usages = usages;
        world.intermediate.issue(params)
    };
    use rcgen::KeyUsagePurpose::{CrlSign, DigitalSignature};
    for (usages, numbers, expected) in [
        (vec![CrlSign], None, REVOKED),
        (vec![DigitalSignature], None, UNKNOWN),
        (Vec::new(), None, UNKNOWN),
        (Vec::new(), Some(spc("9999")), UNKNOWN),
        (vec![CrlSign, DigitalSignature], Some(spc("9999")), UNKNOWN),
    ] {
        let signer = crl_signer(usages.clone(), numbers);
        let list = indirect(&signer, SERIAL, Some(issuer.clone()));
        let got = revocation(&world, &[signed_by(&signer, &list)], NOW);
        assert_eq!(got, expected, "{usages:?}");
    }
}

fn params_named(name: &str) -> rcgen::DistinguishedName {
    params(name).distinguished_name
}
