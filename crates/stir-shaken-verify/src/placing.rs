//! When and to whom: `iat`, the Date header, and `dest` against To and the dialled number.

use crate::checks::Named;
use crate::findings::Findings;
use crate::kind::Role;
use crate::message::MessageView;
use crate::party::Shown;
use crate::report::Outcome;
use crate::verification::{HeaderState, Token};
use crate::verifier::VerifierConfig;

/// Judges the age of every token and, when no diversion came with the call, where it was addressed.
///
/// With a diversion both may have to wait: a base PASSporT that is too old, or addressed to another number, is right
/// when a complete chain explains it (I-12, D-07), and that is known only after every signature (`diversion.rs`).
pub(crate) fn place(
    config: &VerifierConfig,
    message: &MessageView<'_>,
    shown: &Shown,
    arrived: i64,
    headers: &mut [HeaderState],
) {
    let is_link = |token: &Token| token.kind.role() == Role::Link && token.findings.is_hopeful();
    let has_links = headers.iter().flat_map(HeaderState::tokens).any(is_link);
    let is_asked = config.checks_date_header && message.date.is_some();
    let date = is_asked.then_some(shown.date);
    for token in headers.iter_mut().flat_map(|header| header.tokens_mut()) {
        let ages = Ages {
            config,
            arrived,
            has_links,
        };
        ages.check_iat(token);
        if let Some(date) = date {
            ages.check_date(token, date);
        }
        if !has_links {
            settle_alone(shown, token);
        }
    }
}

struct Ages<'c> {
    config: &'c VerifierConfig,
    arrived: i64,
    has_links: bool,
}

enum Age {
    Fresh,
    /// Right only in a diverted call.
    Late,
    Old,
    Future,
}

impl Ages<'_> {
    /// A token exactly at an edge is inside. A token from the future is never excused: forwarding only makes calls later.
    fn of(&self, second: i64) -> Age {
        let age = self.arrived.abs_diff(second);
        if age <= self.config.freshness.as_secs() {
            Age::Fresh
        } else if second > self.arrived {
            Age::Future
        } else if self.has_links && age <= self.config.freshness_diverted.as_secs() {
            Age::Late
        } else {
            Age::Old
        }
    }

    fn check_iat(&self, token: &mut Token) {
        match self.of(token.claims.iat) {
            Age::Fresh => token.findings.pass(Named::Iat),
            Age::Late => token.late.iat = true,
            Age::Old => token.findings.fail(Named::Iat, Outcome::Stale, IAT_OLD),
            Age::Future => token
                .findings
                .fail(Named::Iat, Outcome::Stale, "iat is in the future"),
        }
    }

    /// The Date header is one for all tokens: whoever diverts the call may write his own or leave the caller's.
    fn check_date(&self, token: &mut Token, date: Option<i64>) {
        let Some(second) = date else {
            token
                .findings
                .fail(Named::Date, Outcome::Stale, "the Date header cannot be read");
            return;
        };
        match self.of(second) {
            Age::Fresh => token.findings.pass(Named::Date),
            Age::Late => token.late.date = true,
            Age::Old | Age::Future => {
                token.findings.fail(Named::Date, Outcome::Stale, DATE_OLD);
                return;
            }
        }
        // A diversion is signed later than a Date header that was left as it came.
        token.date = (token.kind.role() != Role::Link).then_some(second);
    }
}

const IAT_OLD: &str = "iat is too old";
const DATE_OLD: &str = "the Date header is too old or in the future";

/// No chain explains anything about this token: it must be fresh, and addressed to whom the call went.
pub(crate) fn settle_alone(shown: &Shown, token: &mut Token) {
    token.is_placed = true;
    refuse_late(token);
    if token.kind.role() != Role::Link {
        check_dest(shown, token);
    }
}

/// What was late stays too late.
pub(crate) fn refuse_late(token: &mut Token) {
    if token.late.iat {
        token.findings.fail(Named::Iat, Outcome::Stale, IAT_OLD);
    }
    if token.late.date {
        token.findings.fail(Named::Date, Outcome::Stale, DATE_OLD);
    }
}

/// A complete chain explains it.
pub(crate) fn excuse_late(token: &mut Token) {
    if token.late.iat {
        token.findings.pass(Named::Iat);
    }
    if token.late.date {
        token.findings.pass(Named::Date);
    }
}

/// To must be in `dest`; the dialled number too, or the call was diverted on the way (I-12).
fn check_dest(shown: &Shown, token: &mut Token) {
    let Token { findings, claims, .. } = token;
    if !shown.to.is_among(&claims.dest) {
        refuse_dest(findings);
    } else if shown.dialled.is_among(&claims.dest) {
        findings.pass(Named::Dest);
        findings.pass(Named::RequestUri);
    } else {
        findings.pass(Named::Dest);
        let reason = "valid, but addressed to another number than the one dialled";
        findings.fail_as(Named::RequestUri, Outcome::DestMismatch, None, reason);
    }
}

/// An OR over To and the dialled number would let a caller reuse a token that was addressed to himself.
pub(crate) fn refuse_dest(findings: &mut Findings) {
    findings.fail(
        Named::Dest,
        Outcome::DestMismatch,
        "signed for another called number",
    );
}
