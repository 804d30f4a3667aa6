//! Who they say is calling: what the signature proved.

use crate::identity::{Attestation, Standing};
use crate::screening::{Facts, Tag, Upstream};

/// What did the Identity headers prove? A failure gets the most telling tag that is known about it.
pub(super) fn check_standing(facts: &Facts, tags: &mut Vec<Tag>) {
    let identity = &facts.identity;
    let reasons = [
        (identity.is_forged, Tag::IdentityForged),
        (identity.is_stale, Tag::IdentityStale),
        (identity.is_untrusted, Tag::IdentityUntrusted),
    ];
    let named = tags.len();
    tags.extend(reasons.iter().filter(|(is_so, _)| *is_so).map(|(_, tag)| *tag));
    let has_reason = tags.len() > named;

    match identity.standing {
        // A finding against the signature outweighs a standing that says otherwise.
        Standing::Verified if has_reason => {}
        Standing::Verified => match identity.attestation {
            Some(Attestation::Full) => tags.push(Tag::IdentityVerifiedA),
            Some(Attestation::Partial) => tags.push(Tag::IdentityVerifiedB),
            Some(Attestation::Gateway) => tags.push(Tag::IdentityVerifiedC),
            None => tags.push(Tag::IdentityVerifiedPlain),
        },
        Standing::Failed if has_reason => {}
        Standing::Failed => tags.push(Tag::IdentityFailed),
        Standing::DivertedUnverified => tags.push(Tag::DivertedUnverified),
        Standing::Unchecked => tags.push(Tag::CertificateUnavailable),
        Standing::None if has_reason => {}
        Standing::None => tags.push(Tag::NoIdentity),
    }
}

/// Did something false come with the call that does not decide about the number? Anybody on the way can add it, so it
/// is told and changes no light.
pub(super) fn check_beside(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.identity.has_forged_beside {
        tags.push(Tag::IdentityForgedBeside);
    }
}

/// What does a carrier say that is trusted to verify? It counts where our own verification has nothing to say.
pub(super) fn check_upstream(facts: &Facts, tags: &mut Vec<Tag>) {
    let identity = &facts.identity;
    let has_own_word =
        matches!(identity.standing, Standing::Verified | Standing::Failed) || identity.is_forged;
    if has_own_word {
        return;
    }
    match identity.upstream {
        // Of a number that is not shown to anybody here nothing was verified; a false proof is false all the same.
        Some(Upstream::Passed) if facts.caller.number.is_none() => {}
        Some(Upstream::Passed) => tags.push(Tag::CarrierVerified),
        Some(Upstream::Failed) => tags.push(Tag::CarrierFailed),
        Some(Upstream::Unverified) | None => {}
    }
}

/// Was the same PASSporT used by another call? (When the store could not tell, `history` says so.)
pub(super) fn check_reuse(facts: &Facts, tags: &mut Vec<Tag>) {
    if facts.identity.is_reused == Some(true) {
        tags.push(Tag::TokenReused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screening::{NumberLight, Weights, conclude, sample};

    fn check(change: impl Fn(&mut Facts), expected: &[Tag], never: &[Tag], light: NumberLight) {
        let mut facts = sample::signed();
        change(&mut facts);
        let verdict = conclude(&facts, &Weights::new(), 30, &[]);
        let has = |tag: &Tag| verdict.findings.iter().any(|finding| finding.tag == *tag);
        assert!(expected.iter().all(has), "{verdict:?}");
        assert!(!never.iter().any(has), "{verdict:?}");
        assert_eq!(verdict.number, light);
    }

    #[test]
    fn a_number_signed_without_a_letter_is_signed_and_not_proven() {
        check(
            |facts| facts.identity.attestation = None,
            &[Tag::IdentityVerifiedPlain],
            &[Tag::IdentityVerifiedA, Tag::IdentityVerifiedC, Tag::NoIdentity],
            NumberLight::Unproven,
        );
    }

    #[test]
    fn a_proven_diversion_is_a_diversion_and_an_unproven_one_has_its_own_tag() {
        check(
            |facts| facts.identity.hops = 2,
            &[Tag::IdentityVerifiedA, Tag::Diverted],
            &[Tag::DivertedUnverified],
            NumberLight::Genuine,
        );
        check(
            |facts| {
                facts.identity.standing = Standing::DivertedUnverified;
                facts.identity.attestation = None;
            },
            &[Tag::DivertedUnverified],
            &[Tag::Diverted, Tag::IdentityVerifiedPlain],
            NumberLight::Unproven,
        );
    }

    #[test]
    fn something_forged_beside_a_good_number_is_told_and_takes_no_light() {
        check(
            |facts| facts.identity.has_forged_beside = true,
            &[Tag::IdentityVerifiedA, Tag::IdentityForgedBeside],
            &[Tag::IdentityForged],
            NumberLight::Genuine,
        );
    }
}
