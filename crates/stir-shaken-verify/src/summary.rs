//! One standing for the call, out of everything that was found: the rules stand at [`Standing`], in their order.

use crate::certificate::hexadecimal;
use crate::checks::Named;
use crate::diversion::{Place, Proof};
use crate::kind::{Kind, Role};
use crate::report::{HeaderReport, Hop, Outcome, Priority, Report, RichCallData, Standing};
use crate::verification::{HeaderState, Token};

/// One PASSporT's say: a header's, or one inside a `div-o`.
struct Voice<'s> {
    place: Place,
    role: Option<Role>,
    report: &'s HeaderReport,
    token: Option<&'s Token>,
}

/// The report. `arrived` in whole seconds since the Unix epoch.
pub(crate) fn summary(headers: &[HeaderState], proof: Option<&Proof>, arrived: i64) -> Report {
    let reports: Vec<HeaderReport> = headers.iter().map(header_report).collect();
    let voices = voices(headers, &reports);
    let standing = standing(&voices);
    let deciding = deciding(&voices, standing);
    let token = deciding.and_then(|voice| voice.token);
    let is_verified = standing == Standing::Verified;
    let is_known = is_verified || standing == Standing::DivertedUnverified;
    let proof = proof.filter(|proof| is_verified && deciding.is_some_and(|voice| voice.place == proof.base));
    let shaken = token.and_then(|token| token.claims.attestation.as_ref());
    let mut report = Report {
        standing,
        attestation: shaken.filter(|_| is_verified).map(|(letter, _)| *letter),
        verstat: String::new(),
        signer: token.and_then(|token| token.signer.clone()),
        passport_digest: token.map(|token| hexadecimal(token.passport.digest.as_ref())),
        origid: shaken.map(|(_, origid)| origid.clone()),
        iat_age_seconds: token.map(|token| arrived.saturating_sub(token.claims.iat)),
        asserted: token.filter(|_| is_known).and_then(|token| token.asserted),
        is_diverted: proof.is_some(),
        hops: proof.map(|proof| hops(headers, proof)).unwrap_or_default(),
        rcd: token
            .filter(|_| is_verified)
            .and_then(|base| rich_call_data(&voices, base)),
        priority: priority(&voices, token.filter(|_| is_verified)),
        headers: Vec::new(),
    };
    drop(voices);
    report.headers = reports;
    report.verstat = report.verstat_word().into();
    report
}

fn header_report(header: &HeaderState) -> HeaderReport {
    match header {
        HeaderState::Done { report, .. } => HeaderReport::clone(report),
        HeaderState::Open { ppt, tokens } => {
            let mut reports = tokens.iter().enumerate().map(|(depth, token)| {
                // Nothing stands beside a nested token, so nothing beside it was checked.
                let checks = token.kind.checks();
                let (checks, ppt) = match depth {
                    0 => (checks, ppt.clone()),
                    _ => (
                        checks.without(&[Named::Header, Named::Info]),
                        token.kind.ppt().map(str::to_string),
                    ),
                };
                token.findings.report(checks, ppt, Some(token.passport.compact()))
            });
            // Never empty: the header's own token comes first.
            let own = reports.next();
            let nested = reports.collect();
            own.map_or_else(
                || crate::findings::Findings::default().report(crate::kind::UNREAD, None, None),
                |own| HeaderReport { nested, ..own },
            )
        }
    }
}

fn voices<'s>(headers: &'s [HeaderState], reports: &'s [HeaderReport]) -> Vec<Voice<'s>> {
    let mut voices = Vec::new();
    for (header, (state, report)) in headers.iter().zip(reports).enumerate() {
        if let HeaderState::Done { role, .. } = state {
            voices.push(Voice {
                place: (header, 0),
                role: *role,
                report,
                token: None,
            });
        }
        let reports = std::iter::once(report).chain(&report.nested);
        for (depth, (token, report)) in state.tokens().iter().zip(reports).enumerate() {
            voices.push(Voice {
                place: (header, depth),
                role: Some(token.kind.role()),
                report,
                token: Some(token),
            });
        }
    }
    voices
}

fn standing(voices: &[Voice<'_>]) -> Standing {
    let any = |role: Role, is_so: &dyn Fn(&HeaderReport) -> bool| {
        voices
            .iter()
            .any(|voice| voice.role == Some(role) && is_so(voice.report))
    };
    let base = |is_so: &dyn Fn(&HeaderReport) -> bool| any(Role::Base, is_so);
    let link = |is_so: &dyn Fn(&HeaderReport) -> bool| any(Role::Link, is_so);
    let passed = |report: &HeaderReport| report.outcome == Outcome::Passed;
    let unavailable = |report: &HeaderReport| report.outcome == Outcome::Unavailable;
    if base(&passed) {
        Standing::Verified
    } else if base(&HeaderReport::is_forged) {
        Standing::Failed
    } else if base(&is_elsewhere) {
        Standing::DivertedUnverified
    } else if base(&unavailable) {
        Standing::Unchecked
    } else if base(&|_| true) {
        Standing::Failed
    } else if link(&passed) {
        Standing::DivertedUnverified
    } else if link(&unavailable) {
        Standing::Unchecked
    } else if link(&|_| true) {
        Standing::Failed
    } else {
        Standing::None
    }
}

/// Good in everything but the number it is addressed to.
fn is_elsewhere(report: &HeaderReport) -> bool {
    report.outcome == Outcome::DestMismatch && report.code.is_none()
}

/// The base PASSporT that the standing speaks of. Among several that passed, the strongest attestation: each is true.
fn deciding<'v, 's>(voices: &'v [Voice<'s>], standing: Standing) -> Option<&'v Voice<'s>> {
    let is_deciding = |voice: &&Voice<'_>| match standing {
        Standing::Verified => voice.report.outcome == Outcome::Passed,
        Standing::DivertedUnverified => is_elsewhere(voice.report),
        Standing::Unchecked => voice.report.outcome == Outcome::Unavailable,
        Standing::Failed | Standing::None => true,
    };
    let letter = |voice: &&Voice<'_>| {
        let shaken = voice.token.and_then(|token| token.claims.attestation.as_ref());
        shaken.map_or(u8::MAX, |(letter, _)| *letter as u8)
    };
    voices
        .iter()
        .filter(|voice| voice.role == Some(Role::Base) && voice.token.is_some())
        .filter(is_deciding)
        .min_by_key(letter)
}

/// Of the PASSporT that proves the number, else of an `rcd` PASSporT that passed for the same caller: two identities may
/// be asserted, and the name of one must not stand beside the number of the other.
fn rich_call_data(voices: &[Voice<'_>], base: &Token) -> Option<RichCallData> {
    let beside =
        passed(voices).filter(|token| token.kind == Kind::Rcd && token.claims.orig == base.claims.orig);
    let found = std::iter::once(base).chain(beside);
    found.into_iter().find_map(|token| token.beside.rcd.clone())
}

/// Of the first `rph` PASSporT that passed. It needs no other beside it (RFC 8443 §4); beside one that proves a number
/// it must be of the same caller.
fn priority(voices: &[Voice<'_>], base: Option<&Token>) -> Option<Priority> {
    let is_of_caller = |token: &&Token| base.is_none_or(|base| base.claims.orig == token.claims.orig);
    let token = passed(voices)
        .filter(|token| token.kind == Kind::Priority)
        .find(is_of_caller)?;
    let priority = token.beside.priority.clone()?;
    Some(Priority {
        digest: hexadecimal(token.passport.digest.as_ref()),
        ..priority
    })
}

fn passed<'s>(voices: &[Voice<'s>]) -> impl Iterator<Item = &'s Token> {
    voices
        .iter()
        .filter(|voice| voice.report.outcome == Outcome::Passed)
        .filter_map(|voice| voice.token)
}

fn hops(headers: &[HeaderState], proof: &Proof) -> Vec<Hop> {
    let token = |(header, depth): &Place| headers.get(*header)?.tokens().get(*depth);
    let links = proof.links.iter().filter_map(token).enumerate();
    let hop = |(number_index, token): (usize, &Token)| Hop {
        signer: token.signer.clone(),
        number_index,
        history_index: token
            .claims
            .diversion
            .as_ref()
            .and_then(|diversion| diversion.history_index.clone()),
    };
    links.map(hop).collect()
}
