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
fn the_issuers_own_list_revokes_by_serial() {
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
fn an_indirect_list_revokes_by_issuer_and_serial() {
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
fn a_name_in_another_encoding_is_still_the_same_issuer() {
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
fn the_lists_of_a_separate_policy_administrator_need_a_path_to_an_anchor() {
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
fn a_list_that_is_outdated_early_or_badly_signed_says_nothing() {
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
fn a_list_of_another_authority_says_nothing_of_ours() {
    let world = World::new();
    assert_eq!(revocation(&world, &[direct(&world.root, SERIAL)], NOW), UNKNOWN);
    let both = [direct(&world.root, &[9]), direct(&world.intermediate, &[9])];
    assert_eq!(revocation(&world, &both, NOW), GOOD);
}

#[test]
fn a_revoked_intermediate_revokes_its_signers() {
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
fn what_is_no_list_is_named() {
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
