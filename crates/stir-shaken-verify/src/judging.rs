//! One token and its certificate: what is asked on every use (C-06, C-07, C-11).

use crate::authority;
use crate::chain::Path;
use crate::checks::Named;
use crate::crl::Revocation;
use crate::passport::Passport;
use crate::report::Outcome;
use crate::verification::{Bodies, Token};
use crate::verifier::VerifierConfig;

/// Dates, revocation, signature, claim constraints and authority over the number. `arrived` in whole seconds since
/// the Unix epoch.
pub(crate) fn judge_path(
    config: &mut VerifierConfig,
    token: &mut Token,
    path: &Path,
    bodies: &Bodies,
    arrived: i64,
) {
    choose_rebuilt(token, path);
    let Token {
        findings, passport, ..
    } = token;
    let moments = [Some(arrived), Some(token.claims.iat), token.date];
    if moments
        .into_iter()
        .flatten()
        .all(|second| path.is_valid_at(second))
    {
        findings.pass(Named::Dates);
    } else {
        let reason = "a certificate is not valid at signing or arrival";
        findings.fail(Named::Dates, Outcome::UntrustedCredential, reason);
    }

    match config.crls.check(path, &config.anchors, arrived) {
        Revocation::NotConfigured | Revocation::Accepted => {}
        Revocation::Good => findings.pass(Named::Revocation),
        Revocation::Revoked => {
            let reason = "a certificate has been revoked";
            findings.fail(Named::Revocation, Outcome::UntrustedCredential, reason);
        }
        Revocation::Stale => {
            findings.unavailable(Named::Revocation, "the revocation list is out of date");
        }
        Revocation::Unknown => {
            findings.unavailable(
                Named::Revocation,
                "no usable revocation list covers the certificate",
            );
        }
    }

    // Over the received octets, never over JSON written again (RFC 8225 §9 is for who signs).
    let leaf = path.leaf();
    if leaf.has_signed_token(&passport.digest, &passport.signature) {
        findings.pass(Named::Signature);
    } else if token.is_rebuilt {
        let reason = "compact form: the signature is not over what this message says";
        findings.fail(Named::Signature, Outcome::Unmatched, reason);
    } else {
        findings.fail(Named::Signature, Outcome::Invalid, "the signature does not match");
    }

    let constraints = path
        .certificates
        .iter()
        .flat_map(|certificate| &certificate.constraints);
    if constraints.clone().next().is_some() {
        if constraints
            .into_iter()
            .all(|constraints| constraints.allow(passport))
        {
            findings.pass(Named::Constraints);
        } else {
            let reason = "a claim that the certificate does not permit";
            findings.fail(Named::Constraints, Outcome::Invalid, reason);
        }
    }

    // A diversion is signed for the number that diverts, not for the caller (RFC 8946 §4.2).
    let (subject, whose) = match &token.claims.diversion {
        None => (&token.claims.orig, "calling"),
        Some(diversion) => (&diversion.from, "diverting"),
    };
    authority::check(path, bodies, &config.addresses, subject, whose, findings);
}

/// Of several callers that a compact token may speak of, the one it was signed for, if any (RFC 8224 §6.2 step 1).
fn choose_rebuilt(token: &mut Token, path: &Path) {
    let leaf = path.leaf();
    let is_signed = |passport: &Passport| leaf.has_signed_token(&passport.digest, &passport.signature);
    if token.others.is_empty() || is_signed(&token.passport) {
        return;
    }
    let signed = token.others.drain(..).find(|other| is_signed(&other.passport));
    if let Some(signed) = signed {
        token.passport = signed.passport;
        token.claims = signed.claims;
        token.asserted = signed.asserted;
    }
}
