//! C-12: lists of numbers by reference (RFC 8226 §10.1), fetched in a second round.

use rcgen::CertificateParams;
use stir_shaken_verify::*;

use crate::authority::*;
use crate::delegation::list;

const LIST: &str = "https://cert.example.org/numbers.tnl";
const OTHER: &str = "https://cert.example.org:8443/more.tnl";

fn signer(inside: Option<Vec<u8>>, urls: &[&str]) -> CertificateParams {
    let mut params = signer_params(inside);
    params.custom_extensions.push(tn_list_at(urls));
    params
}

fn report(world: &World, pages: &[(&str, &[u8])]) -> Report {
    let chain = world.chain();
    let mut all = vec![(URL, chain.as_bytes())];
    all.extend(pages);
    let identity = world.token().signed();
    judge_with(&mut world.verifier(), &message(&identity), &all, NOW)
}

fn check(params: CertificateParams, pages: &[(&str, &[u8])], expected: (Standing, Outcome)) -> Report {
    let report = report(&World::with_signer(params), pages);
    assert_eq!(
        (report.standing, report.headers[0].outcome),
        expected,
        "{report:?}"
    );
    report
}

const PASSED: (Standing, Outcome) = (Standing::Verified, Outcome::Passed);
const UNCHECKED: (Standing, Outcome) = (Standing::Unchecked, Outcome::Unavailable);
const UNTRUSTED: (Standing, Outcome) = (Standing::Failed, Outcome::UntrustedCredential);
const NO_AUTHORITY: (Standing, Outcome) = (Standing::Failed, Outcome::NoAuthority);

#[test]
fn c_12_the_list_is_wanted_once_the_certificate_is_there_and_not_before() {
    let world = World::with_signer(signer(None, &[LIST]));
    let verifier = world.verifier();
    let identity = world.token().signed();
    let message = message(&identity);
    let mut verification = verifier.begin(&message, at(NOW));
    assert_eq!(verification.wanted(), [URL]);
    // Nobody is asked for a list on the word of a stranger's certificate.
    let stranger = World::with_signer(signer(None, &[OTHER]));
    let mut misled = verifier.begin(&message, at(NOW));
    misled.supply(URL, Ok(stranger.chain().as_bytes().into()));
    assert_eq!(misled.wanted(), [URL]);
    assert!(misled.is_complete());

    verification.supply(LIST, Ok(list(CALLER).into()));
    verification.supply(URL, Ok(world.chain().as_bytes().into()));
    assert_eq!(verification.wanted(), [URL, LIST]);
    assert!(
        !verification.is_complete(),
        "what came before it was wanted does not count"
    );
    verification.supply(LIST, Ok(list(CALLER).into()));
    assert!(verification.is_complete());
    let mut verifier = verifier;
    assert_eq!(verifier.conclude(verification).standing, Standing::Verified);
}

#[test]
fn c_12_a_list_by_reference_says_which_numbers_may_be_signed() {
    check(signer(None, &[LIST]), &[(LIST, &list(CALLER))], PASSED);
    check(signer(None, &[LIST]), &[(LIST, &list("14045550100+24"))], PASSED);
    check(
        signer(None, &[LIST]),
        &[(LIST, &list("14045550100+23"))],
        NO_AUTHORITY,
    );
    check(signer(None, &[LIST]), &[(LIST, &list("s1234"))], PASSED);
    let report = check(signer(None, &[LIST]), &[(LIST, &list(CALLED))], NO_AUTHORITY);
    assert_eq!(report.headers[0].code, Some(437));
}

#[test]
fn c_12_a_list_inside_and_one_by_reference_limit_each_other() {
    check(
        signer(Some(spc("1234")), &[LIST]),
        &[(LIST, &list(CALLER))],
        PASSED,
    );
    check(
        signer(Some(spc("1234")), &[LIST]),
        &[(LIST, &list(CALLED))],
        NO_AUTHORITY,
    );
    check(
        signer(Some(list(CALLED)), &[LIST]),
        &[(LIST, &list(CALLER))],
        NO_AUTHORITY,
    );
    let two = [(LIST, list(CALLER)), (OTHER, list("14045550100+100"))];
    let two: Vec<(&str, &[u8])> = two.iter().map(|(url, list)| (*url, list.as_slice())).collect();
    check(signer(None, &[LIST, OTHER]), &two, PASSED);
    check(
        signer(None, &[LIST, OTHER]),
        &[two[0], (OTHER, &list(CALLED))],
        NO_AUTHORITY,
    );
}

#[test]
fn c_12_a_list_that_cannot_be_had_leaves_the_call_unchecked() {
    let report = check(signer(None, &[LIST]), &[], UNCHECKED);
    assert_eq!(report.attestation, None);
    let check_of = |name: &str| {
        report.headers[0]
            .checks
            .iter()
            .find(|check| check.name == name)
            .cloned()
    };
    assert_eq!(
        check_of("tn_auth_list").map(|check| check.result),
        Some(CheckResult::Unavailable)
    );
    assert_eq!(
        check_of("signature").map(|check| check.result),
        Some(CheckResult::Passed)
    );
    // Also when the list inside would have covered the number.
    check(signer(Some(spc("1234")), &[LIST]), &[], UNCHECKED);
    check(signer(Some(list(CALLED)), &[LIST]), &[], NO_AUTHORITY);
    // Never asked for: the caller did not go on until everything was there.
    let world = World::with_signer(signer(None, &[LIST]));
    let identity = world.token().signed();
    let report = judge(&mut world.verifier(), &message(&identity), &world.chain(), NOW);
    assert_eq!(report.standing, Standing::Unchecked, "{report:?}");
}

#[test]
fn c_12_a_wrong_list_is_the_signers_fault() {
    for wrong in [
        &b""[..],
        b"<html>",
        &[0x30, 0],
        &list(CALLER)[1..],
        &[list(CALLER), vec![0]].concat(),
    ] {
        check(signer(None, &[LIST]), &[(LIST, wrong)], UNTRUSTED);
    }
}

#[test]
fn c_12_a_reference_outside_the_rules_is_never_followed() {
    for url in [
        "http://cert.example.org/numbers.tnl",
        "https://cert.example.org:444/numbers.tnl",
        "https://127.0.0.1/numbers.tnl",
        "https://[::ffff:10.0.0.1]/numbers.tnl",
        "https://cert.example.org/numbers.tnl?of=me",
        "ldap://cert.example.org/numbers",
    ] {
        let world = World::with_signer(signer(None, &[url]));
        let identity = world.token().signed();
        let mut verifier = world.verifier();
        let mut verification = verifier.begin(&message(&identity), at(NOW));
        verification.supply(URL, Ok(world.chain().as_bytes().into()));
        assert_eq!(verification.wanted(), [URL], "{url}");
        let report = verifier.conclude(verification);
        assert_eq!(
            report.headers[0].outcome,
            Outcome::UntrustedCredential,
            "{url} {report:?}"
        );
    }
}

#[test]
fn c_12_an_answer_that_breaks_the_rules_of_fetching_is_the_signers_fault_too() {
    for (failure, outcome) in [
        (FetchFailure::TooLarge, Outcome::UntrustedCredential),
        (FetchFailure::Redirect, Outcome::UntrustedCredential),
        (FetchFailure::Status(404), Outcome::UntrustedCredential),
        (FetchFailure::AddressRefused, Outcome::UntrustedCredential),
        (FetchFailure::Status(503), Outcome::Unavailable),
        (FetchFailure::Timeout, Outcome::Unavailable),
        (FetchFailure::Overloaded, Outcome::Unavailable),
    ] {
        let world = World::with_signer(signer(None, &[LIST]));
        let identity = world.token().signed();
        let mut verifier = world.verifier();
        let mut verification = verifier.begin(&message(&identity), at(NOW));
        verification.supply(URL, Ok(world.chain().as_bytes().into()));
        verification.supply(LIST, Err(failure.clone()));
        let report = verifier.conclude(verification);
        assert_eq!(report.headers[0].outcome, outcome, "{failure} {report:?}");
    }
}

#[test]
fn c_12_an_authoritys_list_by_reference_limits_every_path_through_it() {
    for (numbers, inside, expected) in [
        ("14045550100+100", list(CALLER), PASSED),
        ("13035550100+100", list(CALLER), NO_AUTHORITY),
        ("14045550100+100", list("14045550100+101"), UNTRUSTED),
        ("14045550100+100", spc("1234"), UNTRUSTED),
    ] {
        let root = Holder::root(authority_params("root"));
        let mut params = authority_params("delegating");
        params.custom_extensions.push(tn_list_at(&[LIST]));
        let intermediate = root.issue(params);
        let signer = intermediate.issue(signer_params(Some(inside)));
        let world = World {
            root,
            intermediate,
            signer,
        };
        let report = report(&world, &[(LIST, &list(numbers))]);
        assert_eq!(
            (report.standing, report.headers[0].outcome),
            expected,
            "{report:?}"
        );
    }
}

#[test]
fn c_12_the_number_of_references_is_bounded() {
    let urls: Vec<String> = (0..5)
        .map(|n| format!("https://cert.example.org/{n}.tnl"))
        .collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let numbers = list(CALLER);
    let pages: Vec<(&str, &[u8])> = urls.iter().map(|url| (*url, numbers.as_slice())).collect();
    check(signer(None, &urls[..4]), &pages, PASSED);
    check(signer(None, &urls), &pages, UNTRUSTED);
}

#[test]
fn c_12_a_failed_header_fetches_no_list() {
    let world = World::with_signer(signer(None, &[LIST]));
    let identity = world.token().with_iat(NOW - 3600).signed();
    let mut verification = world.verifier().begin(&message(&identity), at(NOW));
    verification.supply(URL, Ok(world.chain().as_bytes().into()));
    assert!(verification.wanted().is_empty() && verification.is_complete());
    assert_eq!(verification.named(), [URL, LIST]);
}
