//! May the signer speak for the number: TNAuthLists inside certificates and by reference, parent by parent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::address::AddressRules;
use crate::chain::Path;
use crate::findings::Findings;
use crate::party::Party;
use crate::report::Outcome;
use crate::tn_auth_list::TnAuthList;
use crate::verification::Supplied;
use crate::x5u::X5u;

/// Checks `tn_auth_list` (the lists are there, readable, and no delegate has more than its parent) and
/// `authority` (every one of them covers `subject`, whose number it is said in `whose`: "calling", "diverting").
///
/// A certificate may carry its list (RFC 8226 §9), refer to one (§10.1), or both: each limits what it may sign,
/// and a list of an authority limits every path through it. `supplied` is what was fetched, by URL.
pub(crate) fn check(
    path: &Path,
    supplied: &BTreeMap<String, Supplied>,
    addresses: &AddressRules,
    subject: &Party,
    whose: &str,
    findings: &mut Findings,
) {
    let mut lists: Vec<Vec<Cow<'_, TnAuthList>>> = Vec::with_capacity(path.certificates.len());
    let mut is_readable = true;
    for certificate in &path.certificates {
        let mut of_this = Vec::new();
        match &certificate.tn_auth_list {
            None => {}
            Some(Ok(list)) => of_this.push(Cow::Borrowed(list)),
            Some(Err(())) => {
                untrusted(findings, "a TNAuthList that cannot be read");
                is_readable = false;
            }
        }
        for url in &certificate.tn_list_urls {
            match referenced(url, supplied, addresses) {
                Ok(list) => of_this.push(Cow::Owned(list)),
                Err(Missing::Ours(reason)) => {
                    findings.unavailable("tn_auth_list", reason);
                    is_readable = false;
                }
                Err(Missing::Theirs(reason)) => {
                    untrusted(findings, reason);
                    is_readable = false;
                }
            }
        }
        lists.push(of_this);
    }
    let leaf = path.leaf();
    if leaf.tn_auth_list.is_none() && leaf.tn_list_urls.is_empty() {
        untrusted(findings, "the certificate has no TNAuthList");
        return;
    }
    if lists.iter().flatten().any(|list| !has_authority(list, subject)) {
        let reason = format!("the certificate has no authority over the {whose} number");
        findings.fail("authority", Outcome::NoAuthority, reason);
    } else if is_readable {
        findings.pass("authority");
    }
    if is_readable {
        if path.is_delegation_sound && is_sound(&lists) {
            findings.pass("tn_auth_list");
        } else {
            untrusted(
                findings,
                "a delegate certificate claims more numbers than its parent has",
            );
        }
    }
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

fn referenced(
    url: &str,
    supplied: &BTreeMap<String, Supplied>,
    addresses: &AddressRules,
) -> Result<TnAuthList, Missing> {
    let theirs = |why: &dyn std::fmt::Display| {
        Missing::Theirs(format!("the list of numbers that a certificate refers to: {why}"))
    };
    X5u::parse(url, addresses).map_err(|fault| theirs(&format_args!("its URL breaks the rules: {fault}")))?;
    match supplied.get(url) {
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
fn is_sound(lists: &[Vec<Cow<'_, TnAuthList>>]) -> bool {
    if lists
        .iter()
        .flatten()
        .all(|list| matches!(list, Cow::Borrowed(_)))
    {
        return true;
    }
    // The list inside, or the one referred to when there is none.
    let own = lists.iter().filter_map(|of_one| of_one.first());
    let parents = own.clone().skip(1);
    own.zip(parents).all(|(child, parent)| parent.encompasses(child))
}

fn untrusted(findings: &mut Findings, reason: impl Into<String>) {
    findings.fail("tn_auth_list", Outcome::UntrustedCredential, reason);
}
