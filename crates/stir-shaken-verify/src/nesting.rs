//! What a `div-o` holds: the PASSporT that the diversion follows, and what that one holds (RFC 8946 §5).

use crate::checks::Named;
use crate::claims::{Claims, Diversion};
use crate::findings::Findings;
use crate::kind::{Kind, Role};
use crate::limits::DIVERSIONS_MAX;
use crate::opening::{check_form, malformed, read_token};
use crate::party::Shown;
use crate::passport::Passport;
use crate::report::Outcome;
use crate::verification::Token;
use crate::verifier::VerifierConfig;

/// The token, and what a `div-o` holds, down to what holds nothing (RFC 8946 §5, D-06). Takes from `inside_left`, the
/// PASSporTs inside others that may still be read in this message.
pub(crate) fn unfold(
    config: &VerifierConfig,
    shown: &Shown,
    token: Token,
    inside_left: &mut usize,
) -> Vec<Token> {
    let mut tokens = vec![token];
    while let Some(outer) = tokens.last_mut()
        && let Some(text) = outer
            .claims
            .diversion
            .as_mut()
            .and_then(|diversion| diversion.nested.take())
    {
        let is_too_deep = tokens.len() > DIVERSIONS_MAX || *inside_left == 0;
        let inner = match is_too_deep {
            true => Err(Nested::TooDeep),
            false => nested(config, shown, &text),
        };
        *inside_left = inside_left.saturating_sub(1);
        let Some(outer) = tokens.last_mut() else { break };
        match inner {
            Ok(inner) if follows(&outer.claims, &inner.claims) => tokens.push(inner),
            Ok(_) => outer.findings.fail(
                Named::Opt,
                Outcome::Invalid,
                "opt holds a PASSporT of another call",
            ),
            Err(Nested::TooDeep) => outer.findings.fail(
                Named::Opt,
                Outcome::Invalid,
                "too many PASSporTs inside each other",
            ),
            Err(Nested::Kind) => outer.findings.fail(
                Named::Opt,
                Outcome::Invalid,
                "opt holds a PASSporT that nothing can follow",
            ),
            Err(Nested::Malformed(reason)) => {
                outer
                    .findings
                    .fail(Named::Opt, Outcome::Invalid, format!("opt: {reason}"))
            }
        }
    }
    tokens
}

enum Nested {
    TooDeep,
    Kind,
    Malformed(String),
}

fn nested(config: &VerifierConfig, shown: &Shown, text: &str) -> Result<Token, Nested> {
    let passport = Passport::parse(text).map_err(|fault| Nested::Malformed(malformed(fault)))?;
    check_form(&passport).map_err(|(_, reason)| Nested::Malformed(reason.into()))?;
    let kind = Kind::of(passport.header.ppt()).filter(|kind| kind.role() != Role::Companion);
    let kind = kind.ok_or(Nested::Kind)?;
    let mut findings = Findings::default();
    findings.pass(Named::Passport);
    read_token(config, shown, kind, passport, None, findings)
        .map_err(|findings| Nested::Malformed(findings.report(kind.checks(), None, None).reason))
}

/// A diversion follows what it holds: the same caller, and one of the called diverted it.
fn follows(outer: &Claims, inner: &Claims) -> bool {
    let is_diverted_by = |diversion: &Diversion| inner.dest.contains(&diversion.from);
    outer.orig == inner.orig && outer.diversion.as_ref().is_some_and(is_diverted_by)
}
