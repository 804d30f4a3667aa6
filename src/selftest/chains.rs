//! Who may speak for the number: certificates, authority, revocation, and what hosts send.

use stir_shaken_verify::FetchFailure;

use super::arrangement::{Call, Token, Trial};
use super::scene::{CALLED, CALLER, SERIAL, Scene};
use crate::signing::der::{TnEntry, permits_only};
use crate::signing::pki::{Leaf, PkiError, Provider, Revoked, StiAuthority};

/// # Errors
///
/// When nothing can be made or signed.
pub(super) fn trials(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    let mut trials = authorities(scene)?;
    trials.extend(authority_over_numbers(scene)?);
    trials.extend(dates(scene)?);
    trials.extend(hosts(scene)?);
    trials.extend(revocation(scene)?);
    Ok(trials)
}

/// A good call signed by `provider`, whose chain is served.
fn call_by(scene: &Scene, provider: &Provider) -> Result<Call, PkiError> {
    let identity = Token::shaken(provider, scene).signed()?;
    Ok(Call::new(scene, &[&identity]).served_by(Ok(provider.chain_pem.clone())))
}

fn leaf(scene: &Scene) -> Leaf<'static> {
    Leaf::new("Self-test leaf", &[TnEntry::Provider("709J")], scene.now.utc)
}

/// A good call by a provider whose certificate `change` has altered.
fn certified(
    scene: &Scene,
    name: &'static str,
    expected: &'static str,
    change: impl FnOnce(&mut Leaf<'static>),
) -> Result<Trial, PkiError> {
    let mut leaf = leaf(scene);
    change(&mut leaf);
    let provider = scene.authority.issue(&leaf)?;
    Ok(Trial::new(name, expected, call_by(scene, &provider)?))
}

/// C-01, C-02, and that one provider's certificate does not vouch for another's key.
fn authorities(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    const AT_CHAIN: &str = "failed: untrusted_credential 437 at chain";
    let of_a_stranger = scene
        .stranger
        .provider("Stranger SHAKEN", "709J", scene.now.utc)?;
    let at_home = StiAuthority::self_signed(&leaf(scene))?;
    let alone = leaf_only(&scene.carrier.chain_pem);
    let impostor = Token::shaken(&scene.carrier, scene)
        .signed_by(&of_a_stranger)
        .signed()?;
    Ok(vec![
        Trial::new(
            "authority nobody configured",
            AT_CHAIN,
            call_by(scene, &of_a_stranger)?,
        ),
        Trial::new("certificate made at home", AT_CHAIN, call_by(scene, &at_home)?),
        Trial::new(
            "intermediate missing from the file",
            AT_CHAIN,
            call_by(scene, &scene.carrier)?.served_by(Ok(alone)),
        ),
        certified(
            scene,
            "an authority's certificate signs a call",
            AT_CHAIN,
            |leaf| {
                leaf.is_authority = true;
            },
        )?,
        certified(scene, "key on another curve", AT_CHAIN, |leaf| {
            leaf.is_on_p384 = true
        })?,
        Trial::new(
            "another provider's certificate",
            "failed: invalid 438 at signature",
            Call::new(scene, &[&impostor]),
        ),
        Trial::new(
            "no trust list",
            "unchecked: unavailable 436 at chain",
            call_by(scene, &scene.carrier)?.with(|call| call.anchors.clear()),
        ),
    ])
}

/// C-03 to C-05.
fn authority_over_numbers(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    const AT_AUTHORITY: &str = "failed: no_authority 437 at authority";
    const AT_LIST: &str = "failed: untrusted_credential 437 at tn_auth_list";
    let listing = |name, expected, entries: &[TnEntry<'_>]| {
        let list = crate::signing::der::tn_auth_list(entries);
        certified(scene, name, expected, |leaf| leaf.tn_auth_list = Some(list))
    };
    let permitting = |name, expected, claim, value| {
        certified(scene, name, expected, |leaf| {
            leaf.claim_constraints = Some(permits_only(claim, value));
        })
    };
    Ok(vec![
        listing(
            "certificate for this number",
            "verified A",
            &[TnEntry::Number(CALLER)],
        )?,
        listing(
            "certificate for another number",
            AT_AUTHORITY,
            &[TnEntry::Number(CALLED)],
        )?,
        listing(
            "number inside the range",
            "verified A",
            &[TnEntry::Range("14045550100", 24)],
        )?,
        listing(
            "number one past the range",
            AT_AUTHORITY,
            &[TnEntry::Range("14045550100", 23)],
        )?,
        certified(scene, "no TNAuthList", AT_LIST, |leaf| leaf.tn_auth_list = None)?,
        certified(scene, "empty TNAuthList", AT_LIST, |leaf| {
            leaf.tn_auth_list = Some(vec![0x30, 0]);
        })?,
        permitting("claim that is permitted", "verified A", "attest", "A")?,
        permitting(
            "claim that is not permitted",
            "failed: invalid 438 at constraints",
            "attest",
            "C",
        )?,
    ])
}

/// C-06.
fn dates(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    const AT_DATES: &str = "failed: untrusted_credential 437 at dates";
    Ok(vec![
        certified(scene, "expired certificate", AT_DATES, |leaf| {
            leaf.not_before = scene.hours_ago(3);
            leaf.not_after = scene.hours_ago(1);
        })?,
        certified(scene, "certificate of tomorrow", AT_DATES, |leaf| {
            leaf.not_before = scene.in_hours(1);
        })?,
    ])
}

/// What the certificate host does (C-10): what it answered is the signer's fault, that it did not is nobody's.
fn hosts(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    const UNUSABLE: &str = "failed: bad_info 436 at certificate";
    const ABSENT: &str = "unchecked: unavailable 436 at certificate";
    let good = call_by(scene, &scene.carrier)?;
    let trial = |name, expected, body| Trial::new(name, expected, good.clone().served_by(body));
    let six_more = scene.carrier.chain_pem.repeat(4);
    Ok(vec![
        trial("host sends a web page", UNUSABLE, Ok("<html></html>".into())),
        trial("host sends eight certificates", UNUSABLE, Ok(six_more)),
        trial(
            "host sends more than 64 KiB",
            UNUSABLE,
            Err(FetchFailure::TooLarge),
        ),
        trial("host redirects", UNUSABLE, Err(FetchFailure::Redirect)),
        trial("host says not found", UNUSABLE, Err(FetchFailure::Status(404))),
        trial(
            "host is in our own network",
            UNUSABLE,
            Err(FetchFailure::AddressRefused),
        ),
        trial("host is overloaded", ABSENT, Err(FetchFailure::Status(503))),
        trial("host does not answer", ABSENT, Err(FetchFailure::Timeout)),
        Trial::new(
            "host does not exist",
            ABSENT,
            good.clone().with(|call| call.served.clear()),
        ),
    ])
}

/// C-07, with the STI-PA's kind of list: issuer and serial number, signed, in date.
fn revocation(scene: &Scene) -> Result<Vec<Trial>, PkiError> {
    const UNKNOWN: &str = "unchecked: unavailable 436 at revocation";
    let (now, later) = (scene.now.utc, scene.in_hours(24));
    let of = |issuer, serial| Revoked { issuer, serial };
    let own = &scene.authority;
    let trial = |name, expected, list: Vec<u8>| -> Result<Trial, PkiError> {
        let call = call_by(scene, &scene.carrier)?;
        Ok(Trial::new(
            name,
            expected,
            call.with(|call| call.lists = vec![list]),
        ))
    };
    Ok(vec![
        trial(
            "revoked certificate",
            "failed: untrusted_credential 437 at revocation",
            own.revocation_list(&[of(own, SERIAL)], now, later)?,
        )?,
        trial(
            "same serial number of another authority revoked",
            "verified A",
            own.revocation_list(&[of(&scene.stranger, SERIAL)], now, later)?,
        )?,
        trial(
            "another serial number revoked",
            "verified A",
            own.revocation_list(&[of(own, SERIAL + 1)], now, later)?,
        )?,
        trial(
            "outdated revocation list",
            UNKNOWN,
            own.revocation_list(&[], now, scene.hours_ago(1))?,
        )?,
        trial(
            "revocation list signed by nobody we know",
            UNKNOWN,
            scene.stranger.revocation_list(&[], now, later)?,
        )?,
    ])
}

/// The first certificate of a PEM file.
fn leaf_only(chain: &str) -> String {
    const END: &str = "-----END CERTIFICATE-----\n";
    chain.split_inclusive(END).next().unwrap_or_default().to_string()
}
