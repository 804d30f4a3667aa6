//! May the signer speak for the number: TNAuthLists inside certificates and by reference, parent by parent.

use crate::address::AddressRules;
use crate::certificate::Certificate;
use crate::chain::Path;
use crate::checks::Named;
use crate::findings::{Findings, Reason};
use crate::party::Party;
use crate::report::Outcome;
use crate::tn_auth_list::TnAuthList;
use crate::verification::Bodies;
use crate::x5u::X5u;

/// Checks `tn_auth_list` (the lists are there, readable, and no delegate has more than its parent) and
/// `authority` (every one of them covers `subject`, whose number it is said in `whose`: "calling", "diverting").
///
/// A certificate may carry its list (RFC 8226 §9), refer to one (§10.1), or both: each limits what it may sign,
/// and a list of an authority limits every path through it. `bodies` is what was fetched.
pub(crate) fn check(
    path: &Path,
    bodies: &Bodies,
    addresses: &AddressRules,
    subject: &Party,
    whose: &str,
    findings: &mut Findings,
) {
    // With the place of the certificate that refers to it; usually none.
    let mut referred: Vec<(usize, TnAuthList)> = Vec::new();
    let mut is_readable = true;
    for (place, certificate) in path.certificates.iter().enumerate() {
        if let Some(Err(())) = &certificate.tn_auth_list {
            untrusted(findings, "a TNAuthList that cannot be read");
            is_readable = false;
        }
        for url in &certificate.tn_list_urls {
            match referenced(url, bodies, addresses) {
                Ok(list) => referred.push((place, list)),
                Err(Missing::Ours(reason)) => {
                    findings.unavailable(Named::TnAuthList, reason);
                    is_readable = false;
                }
                Err(Missing::Theirs(reason)) => {
                    untrusted(findings, reason);
                    is_readable = false;
                }
            }
        }
    }
    let leaf = path.leaf();
    if leaf.tn_auth_list.is_none() && leaf.tn_list_urls.is_empty() {
        untrusted(findings, "the certificate has no TNAuthList");
        return;
    }
    let mut lists = path
        .certificates
        .iter()
        .filter_map(|certificate| own(certificate))
        .chain(referred.iter().map(|(_, list)| list));
    if lists.any(|list| !has_authority(list, subject)) {
        let reason = format!("the certificate has no authority over the {whose} number");
        findings.fail(Named::Authority, Outcome::NoAuthority, reason);
    } else if is_readable {
        findings.pass(Named::Authority);
    }
    if is_readable {
        if path.is_delegation_sound && is_sound(path, &referred) {
            findings.pass(Named::TnAuthList);
        } else {
            untrusted(
                findings,
                "a delegate certificate claims more numbers than its parent has",
            );
        }
    }
}

/// The list inside a certificate.
fn own(certificate: &Certificate) -> Option<&TnAuthList> {
    certificate.tn_auth_list.as_ref()?.as_ref().ok()
}

/// A list of telephone numbers says nothing of a URI; a provider answers for its customers' (RFC 8226 §9).
fn has_authority(list: &TnAuthList, subject: &Party) -> bool {
    match subject {
        Party::Number(number) => list.covers(number),
        Party::Uri(_) => list.spc().is_some(),
    }
}

/// Who is to blame for a list that is not there.
enum Missing {
    Ours(String),
    Theirs(String),
}

fn referenced(url: &str, bodies: &Bodies, addresses: &AddressRules) -> Result<TnAuthList, Missing> {
    let theirs = |why: &dyn std::fmt::Display| {
        Missing::Theirs(format!("the list of numbers that a certificate refers to: {why}"))
    };
    X5u::parse(url, addresses).map_err(|fault| theirs(&format_args!("its URL breaks the rules: {fault}")))?;
    match bodies.get(url).map(|supplied| &supplied.body) {
        Some(Ok(body)) => TnAuthList::parse(body).map_err(|fault| theirs(&fault)),
        Some(Err(failure)) if !failure.is_unavailability() => Err(theirs(failure)),
        Some(Err(failure)) => Err(Missing::Ours(format!(
            "the list of numbers that a certificate refers to could not be fetched: {failure}"
        ))),
        None => Err(Missing::Ours(
            "the list of numbers that a certificate refers to did not come in time".into(),
        )),
    }
}

/// With lists by reference among them; those inside certificates were compared when the path was found.
fn is_sound(path: &Path, referred: &[(usize, TnAuthList)]) -> bool {
    if referred.is_empty() {
        return true;
    }
    // The list inside, or the one referred to when there is none.
    let certificates = path.certificates.iter().enumerate();
    let lists = certificates.filter_map(|(place, certificate)| {
        let mut of_this = referred.iter().filter(|(of, _)| *of == place);
        own(certificate).or_else(|| of_this.next().map(|(_, list)| list))
    });
    let parents = lists.clone().skip(1);
    lists
        .zip(parents)
        .all(|(child, parent)| parent.encompasses(child))
}

fn untrusted(findings: &mut Findings, reason: impl Into<Reason>) {
    findings.fail(Named::TnAuthList, Outcome::UntrustedCredential, reason);
}
