//! Collects named checks and decides which failure a header is judged by.

use std::borrow::Cow;

use crate::checks::{Checks, Named, Results};
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
    results: Results,
    faults: Vec<Fault>,
    /// The first thing that was left out of a token that is good without it, in words.
    left_out: Option<Reason>,
}

/// Most are the same in every call.
pub(crate) type Reason = Cow<'static, str>;

#[derive(Clone, Debug)]
struct Fault {
    outcome: Outcome,
    code: Option<u16>,
    reason: Reason,
}

impl Findings {
    pub(crate) fn pass(&mut self, check: Named) {
        self.results.set(check, CheckResult::Passed);
    }

    /// `reason` must not repeat a number or a token.
    pub(crate) fn fail(&mut self, check: Named, outcome: Outcome, reason: impl Into<Reason>) {
        self.fail_as(check, outcome, code_of(outcome), reason);
    }

    /// A failure with another code than its outcome's usual one.
    pub(crate) fn fail_as(
        &mut self,
        check: Named,
        outcome: Outcome,
        code: Option<u16>,
        reason: impl Into<Reason>,
    ) {
        self.results.set(check, CheckResult::Failed);
        self.faults.push(Fault {
            outcome,
            code,
            reason: reason.into(),
        });
    }

    /// Something that stands in the token beside what it proves is no good, and is left out: the check has failed, the
    /// token has not.
    pub(crate) fn leave_out(&mut self, check: Named, reason: impl Into<Reason>) {
        self.results.set(check, CheckResult::Failed);
        self.left_out.get_or_insert(reason.into());
    }

    pub(crate) fn unavailable(&mut self, check: Named, reason: impl Into<Reason>) {
        self.fail(check, Outcome::Unavailable, reason);
        self.results.set(check, CheckResult::Unavailable);
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

    /// All that is known, with the gravest fault deciding.
    pub(crate) fn report(&self, checks: Checks, ppt: Option<String>, ppi: Option<String>) -> HeaderReport {
        let (outcome, code, reason) = self.gravest();
        let reason = match &self.left_out {
            Some(left_out) if outcome == Outcome::Passed => left_out.as_ref(),
            _ => reason,
        };
        let mut all = Vec::with_capacity(checks.len());
        all.extend(checks.iter().map(|check| Check {
            name: Cow::Borrowed(check.name()),
            result: self.results.of(check),
        }));
        HeaderReport {
            ppt,
            outcome,
            code,
            reason: reason.to_string(),
            checks: all,
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
        Outcome::Invalid
        | Outcome::Unmatched
        | Outcome::OrigMismatch
        | Outcome::OrigMissing
        | Outcome::DestMismatch => Some(438),
    }
}

/// What is forged whatever else is wrong comes first; what is only ours comes last but one.
fn gravity(outcome: Outcome, code: Option<u16>) -> u8 {
    match outcome {
        Outcome::Unsupported => 0,
        Outcome::Invalid => 1,
        // What nobody has signed for sure says nothing of its certificate.
        Outcome::Unmatched | Outcome::OrigMismatch | Outcome::OrigMissing => 2,
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
