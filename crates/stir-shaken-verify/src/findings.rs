//! Collects named checks and decides which failure a header is judged by.

use std::borrow::Cow;

use crate::report::{Check, CheckResult, HeaderReport, Outcome};

/// What a token's own checks came to; where a diverted call leads is asked afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Passed,
    /// We could not tell: its certificate or a list did not come.
    Unknown,
    Failed,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    results: Vec<(&'static str, CheckResult)>,
    faults: Vec<Fault>,
    /// What was left out of a token that is good without it, in words.
    left_out: Vec<String>,
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

    /// Something that stands in the token beside what it proves is no good, and is left out: the check has failed, the
    /// token has not.
    pub(crate) fn leave_out(&mut self, name: &'static str, reason: impl Into<String>) {
        self.results.push((name, CheckResult::Failed));
        self.left_out.push(reason.into());
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

    pub(crate) fn own(&self) -> Own {
        if self.faults.is_empty() {
            Own::Passed
        } else if self
            .faults
            .iter()
            .all(|fault| fault.outcome == Outcome::Unavailable)
        {
            Own::Unknown
        } else {
            Own::Failed
        }
    }

    /// The gravest fault: what it is, its code and its words.
    pub(crate) fn gravest(&self) -> (Outcome, Option<u16>, &str) {
        let gravest = self
            .faults
            .iter()
            .min_by_key(|fault| gravity(fault.outcome, fault.code));
        match gravest {
            None => (Outcome::Passed, None, "every check passed"),
            Some(fault) => (fault.outcome, fault.code, &fault.reason),
        }
    }

    /// All that is known, with the gravest fault deciding. `checks` is the list of the token's kind, in order.
    pub(crate) fn report(
        &self,
        checks: impl IntoIterator<Item = &'static &'static str>,
        ppt: Option<String>,
        ppi: Option<String>,
    ) -> HeaderReport {
        let (outcome, code, reason) = self.gravest();
        let checks = checks.into_iter().map(|name| {
            let found = self.results.iter().rev().find(|(known, _)| known == name);
            Check {
                name: Cow::Borrowed(*name),
                result: found.map_or(CheckResult::Skipped, |(_, result)| *result),
            }
        });
        HeaderReport {
            ppt,
            outcome,
            code,
            reason: match self.left_out.first() {
                Some(left_out) if outcome == Outcome::Passed => left_out.clone(),
                _ => reason.to_string(),
            },
            checks: checks.collect(),
            ppi,
            nested: Vec::new(),
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
