//! Collects named checks and decides which failure a header is judged by.

use std::borrow::Cow;

use crate::report::{Check, CheckResult, HeaderReport, Outcome};

/// The checks of a SHAKEN header in the order they are reported. What was not reached is `skipped`.
pub(crate) const ORDER: &[&str] = &[
    "header",
    "passport",
    "attest",
    "origid",
    "info",
    "x5u",
    "iat",
    "date",
    "orig",
    "dest",
    "request_uri",
    "certificate",
    "chain",
    "tn_auth_list",
    "dates",
    "revocation",
    "signature",
    "constraints",
    "authority",
];

#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    results: Vec<(&'static str, CheckResult)>,
    faults: Vec<Fault>,
}

#[derive(Clone, Debug)]
struct Fault {
    outcome: Outcome,
    code: Option<u16>,
    reason: String,
}

impl Findings {
    pub(crate) fn pass(&mut self, name: &'static str) {
        self.results.push((name, CheckResult::Passed));
    }

    /// `reason` must not repeat a number or a token.
    pub(crate) fn fail(&mut self, name: &'static str, outcome: Outcome, reason: impl Into<String>) {
        self.results.push((name, CheckResult::Failed));
        self.faults.push(Fault {
            outcome,
            code: code_of(outcome),
            reason: reason.into(),
        });
    }

    /// A failure with another code than its outcome's usual one.
    pub(crate) fn fail_as(
        &mut self,
        name: &'static str,
        outcome: Outcome,
        code: Option<u16>,
        reason: impl Into<String>,
    ) {
        self.fail(name, outcome, reason);
        if let Some(fault) = self.faults.last_mut() {
            fault.code = code;
        }
    }

    pub(crate) fn unavailable(&mut self, name: &'static str, reason: impl Into<String>) {
        self.results.push((name, CheckResult::Unavailable));
        let outcome = Outcome::Unavailable;
        self.faults.push(Fault {
            outcome,
            code: code_of(outcome),
            reason: reason.into(),
        });
    }

    /// Could this header still come out as passed or diverted?
    pub(crate) fn is_hopeful(&self) -> bool {
        // A dialled number that differs from To's is the only DestMismatch without a code.
        self.faults
            .iter()
            .all(|fault| fault.code.is_none() && fault.outcome == Outcome::DestMismatch)
    }

    /// All that is known, with the gravest fault deciding.
    pub(crate) fn report(&self, ppt: Option<String>) -> HeaderReport {
        let gravest = self
            .faults
            .iter()
            .min_by_key(|fault| gravity(fault.outcome, fault.code));
        let (outcome, code, reason) = match gravest {
            None => (Outcome::Passed, None, "every check passed".to_string()),
            Some(fault) => (fault.outcome, fault.code, fault.reason.clone()),
        };
        let checks = ORDER
            .iter()
            .map(|name| {
                let found = self.results.iter().rev().find(|(known, _)| known == name);
                let result = found.map_or(CheckResult::Skipped, |(_, result)| *result);
                Check {
                    name: Cow::Borrowed(*name),
                    result,
                }
            })
            .collect();
        HeaderReport {
            ppt,
            outcome,
            code,
            reason,
            checks,
            ppi: None,
        }
    }
}

/// The answer of RFC 8224 §6.2.2 to an outcome.
fn code_of(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Passed | Outcome::Unsupported => None,
        Outcome::Stale => Some(403),
        Outcome::BadInfo | Outcome::Unavailable => Some(436),
        Outcome::UntrustedCredential | Outcome::NoAuthority => Some(437),
        Outcome::Invalid | Outcome::OrigMismatch | Outcome::OrigMissing | Outcome::DestMismatch => Some(438),
    }
}

/// What is forged whatever else is wrong comes first; what is only ours comes last but one.
fn gravity(outcome: Outcome, code: Option<u16>) -> u8 {
    match outcome {
        Outcome::Unsupported => 0,
        Outcome::Invalid => 1,
        Outcome::OrigMismatch | Outcome::OrigMissing => 2,
        Outcome::NoAuthority => 3,
        Outcome::BadInfo => 4,
        Outcome::UntrustedCredential => 5,
        Outcome::Stale => 6,
        Outcome::DestMismatch if code.is_some() => 7,
        Outcome::Unavailable => 8,
        Outcome::DestMismatch => 9,
        Outcome::Passed => 10,
    }
}
