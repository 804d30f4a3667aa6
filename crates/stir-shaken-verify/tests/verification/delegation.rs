//! Delegate certificates (RFC 9060): what a child may sign lies within what its parent may.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use rcgen::{CertificateParams, CustomExtension};
use stir_shaken_verify::*;

use crate::authority::*;

/// `s1234`: provider code; `100+10`: range; anything else: one number. Blanks between.
pub fn list(text: &str) -> Vec<u8> {
    let entries: Vec<u8> = text
        .split(' ')
        .flat_map(|entry| match (entry.strip_prefix('s'), entry.split_once('+')) {
            (Some(code), _) => der::context(0, &[&der::ia5(code)]),
            (None, Some((start, count))) => {
                let count = der::element(2, &[&[count.parse::<u8>().unwrap()]]);
                der::context(1, &[&der::sequence(&[&der::ia5(start), &count])])
            }
            (None, None) => der::context(2, &[&der::ia5(entry)]),
        })
        .collect();
    der::sequence(&[&entries])
}

fn tn_auth_list(text: &str) -> Vec<CustomExtension> {
    signer_params(Some(list(text))).custom_extensions
}

/// The root signs the first parent, which signs the next ..., the last of which signs the signer.
fn report(parents: &[Option<&str>], signer: CertificateParams) -> Report {
    let root = Holder::root(authority_params("root"));
    let mut chain = Vec::new();
    for (place, parent) in parents.iter().enumerate() {
        let mut params = authority_params(&format!("authority {place}"));
        params.custom_extensions = parent.map(tn_auth_list).unwrap_or_default();
        let issued = chain.last().unwrap_or(&root).issue(params);
        chain.push(issued);
    }
    let signer = chain.last().unwrap_or(&root).issue(signer);
    let body: String = std::iter::once(&signer)
        .chain(&chain)
        .map(|holder| holder.pem.as_str())
        .collect();
    let world = World {
        intermediate: Holder::root(authority_params("not used")),
        root,
        signer,
    };
    let identity = world.token().signed();
    judge(&mut world.verifier(), &message(&identity), &body, NOW)
}

/// `caller` is 14045550123.
fn check(parents: &[Option<&str>], child: &str, expected: Result<(), (Outcome, &str)>) {
    let report = report(parents, signer_params(Some(list(child))));
    let header = &report.headers[0];
    // The last of them: what weighs more is checked later.
    let failed = header
        .checks
        .iter()
        .rfind(|check| check.result == CheckResult::Failed);
    let got = match failed {
        None if report.standing == Standing::Verified => Ok(()),
        None => panic!("{report:?}"),
        Some(check) => {
            assert_eq!(header.code, Some(437), "{report:?}");
            Err((header.outcome, &*check.name))
        }
    };
    assert_eq!(got, expected, "{child} under {parents:?}");
}

const TOO_MUCH: Result<(), (Outcome, &str)> = Err((Outcome::UntrustedCredential, "tn_auth_list"));
const NO_AUTHORITY: Result<(), (Outcome, &str)> = Err((Outcome::NoAuthority, "authority"));

#[test]
fn c_04_a_delegate_within_its_parent_may_sign() {
    check(&[Some("14045550100+100")], CALLER, Ok(()));
    check(&[Some("14045550100+100")], "14045550100+100", Ok(()));
    check(&[Some("s1234")], CALLER, Ok(()));
    check(&[Some("s1234")], "s1234", Ok(()));
    check(&[Some("14045550100+20 14045550120+10")], "14045550110+20", Ok(()));
    check(&[None], "s1234", Ok(()));
}

/// The number is covered by both lists; the child still claims what its parent cannot give.
#[test]
fn c_04_a_delegate_that_claims_more_than_its_parent_is_refused_although_both_cover_the_number() {
    check(&[Some("14045550100+100")], "14045550100+101", TOO_MUCH);
    check(&[Some("14045550100+100")], "14045550099+50", TOO_MUCH);
    check(&[Some(CALLER)], "14045550123+2", TOO_MUCH);
    check(&[Some("14045550100+100")], "14045550123 12125550100", TOO_MUCH);
    // A provider code speaks for every number: more than any range.
    check(&[Some("14045550100+100")], "s1234", TOO_MUCH);
    check(&[Some("s1234")], "s9999", TOO_MUCH);
}

#[test]
fn c_04_a_number_outside_any_list_on_the_path_has_no_authority() {
    check(&[Some("14045550124+10")], CALLER, NO_AUTHORITY);
    check(&[Some("14045550100+100")], "14045550124", NO_AUTHORITY);
    check(&[Some("14045550100+23")], "14045550100+23", NO_AUTHORITY);
    check(&[Some("14045550100+24")], "14045550100+24", Ok(()));
    check(&[Some("14045550123+2")], "14045550123+2", Ok(()));
    check(&[Some("14045550124+2")], "14045550124+2", NO_AUTHORITY);
}

#[test]
fn c_04_delegation_is_followed_through_every_generation_and_past_those_without_a_list() {
    check(&[Some("s1234"), Some("14045550100+100")], CALLER, Ok(()));
    check(
        &[Some("14045550100+50"), Some("14045550100+100")],
        CALLER,
        TOO_MUCH,
    );
    check(&[Some("14045550100+50"), None], CALLER, Ok(()));
    check(&[Some("14045550100+50"), None], "14045550100+51", TOO_MUCH);
    check(
        &[Some("14045550100+50"), None, Some("14045550123+2")],
        CALLER,
        Ok(()),
    );
}

#[test]
fn c_04_a_parent_with_a_list_that_cannot_be_read_gives_nothing() {
    let mut params = authority_params("delegating");
    params.custom_extensions = signer_params(Some(vec![0x30, 0])).custom_extensions;
    let root = Holder::root(authority_params("root"));
    let parent = root.issue(params);
    let signer = parent.issue(signer_params(Some(spc("1234"))));
    let world = World {
        intermediate: parent,
        root,
        signer,
    };
    let identity = world.token().signed();
    let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
    assert_eq!(
        report.headers[0].outcome,
        Outcome::UntrustedCredential,
        "{report:?}"
    );
}

#[test]
fn c_04_a_parent_must_be_an_authority_to_delegate() {
    // A provider's end-entity certificate signs a child: the oldest trick there is.
    let root = Holder::root(authority_params("root"));
    let provider = root.issue(signer_params(Some(spc("1234"))));
    let child = provider.issue(signer_params(Some(list(CALLER))));
    let body = format!("{}{}", child.pem, provider.pem);
    let world = World {
        intermediate: provider,
        root,
        signer: child,
    };
    let identity = world.token().signed();
    let report = judge(&mut world.verifier(), &message(&identity), &body, NOW);
    assert_eq!(
        report.headers[0].outcome,
        Outcome::UntrustedCredential,
        "{report:?}"
    );
    assert_eq!(report.signer, None);
}
