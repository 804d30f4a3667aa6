//! Diverted calls (RFC 8946): do the diversions lead from whom the caller dialled to whom we are?
//!
//! Every token was judged by itself before: own `x5u`, own `iat`, own signer, own code (D-01). Here they are put
//! together by what they say, never by the order of the headers (D-02):
//!
//! ```text
//!  base   orig A            dest [X] ─┐
//!  div    orig A   div X ◄────────────┘  dest [Y] ─┐
//!  div    orig A   div Y ◄─────────────────────────┘  dest [Z] = Request-URI
//! ```
//!
//! What stands in the way of `verified`, and what does not:
//! - Every diversion that passed its own checks takes part. One too many is as bad as one too few: a fork, a loop, a
//!   gap, a duplicate or a second base means that somebody who may sign says something else (D-04).
//! - A diversion that *failed* its own checks takes no part. Whoever forges one must not spoil what is proven without
//!   it; it keeps its own outcome and code, and the call is told to carry it.
//! - One that could not be checked in time proves nothing and spoils nothing: where the chain needs it the call is
//!   `unchecked`, and where it is complete without it, the name of a host that never answers changes nothing.

use crate::checks::Named;
use crate::claims::{Claims, Diversion};
use crate::findings::Own;
use crate::kind::Role;
use crate::limits::DIVERSIONS_MAX;
use crate::party::{Address, Party, Shown};
use crate::placing::{excuse_late, refuse_dest, refuse_late, settle_alone};
use crate::report::Outcome;
use crate::verification::{HeaderState, Token};
use crate::verifier::VerifierConfig;

/// Header and, inside a `div-o`, depth.
pub(crate) type Place = (usize, usize);

/// A complete chain: the base PASSporT and every diversion, first to last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) base: Place,
    pub(crate) links: Vec<Place>,
}

/// Why the diversions prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    NoBase,
    TwoBases,
    TooLong,
    OtherCaller,
    Duplicate,
    Gap,
    Fork,
    Loop,
    /// It ends at another number than the dialled one.
    Target,
    /// The last diversion is too old.
    Late,
    /// A diversion is older than what it follows.
    Order,
    /// There were more headers than are looked at.
    Cut,
}

impl Break {
    fn words(self) -> &'static str {
        match self {
            Break::NoBase => "diverted, and nothing signs the calling number",
            Break::TwoBases => "diverted, and two PASSporTs could be the one that was diverted",
            Break::TooLong => "diverted too often",
            Break::OtherCaller => "diverted, with a diversion of another caller",
            Break::Duplicate => "diverted, with the same diversion twice",
            Break::Gap => "diverted, and a link of the chain is missing",
            Break::Fork => "diverted, and two links of the chain contradict each other",
            Break::Loop => "diverted in a circle",
            Break::Target => "diverted, and the chain ends at another number than the one dialled",
            Break::Late => "diverted, and the last diversion is too old",
            Break::Order => "diverted, with a diversion that is older than the call",
            Break::Cut => "diverted, with more Identity headers than are looked at",
        }
    }
}

/// What the diversions say together.
enum Way {
    /// There is none to speak of.
    Alone,
    Proven(Proof),
    /// We could not tell in time.
    Unknown,
    Broken(Break),
}

/// Puts the tokens together and completes their findings. Gives the proof when the chain is complete.
pub(crate) fn settle(
    config: &VerifierConfig,
    shown: &Shown,
    is_cut: bool,
    headers: &mut [HeaderState],
) -> Option<Proof> {
    for header in headers.iter_mut() {
        carry_up(header.tokens_mut());
    }
    if headers
        .iter()
        .flat_map(HeaderState::tokens)
        .all(|token| token.is_placed)
    {
        return None;
    }
    let members = members(headers);
    let way = way(config, shown, is_cut, &members);
    let is_counted = |member: &&Member<'_>| match &way {
        Way::Proven(proof) => member.place == proof.base || proof.links.contains(&member.place),
        // What could not be checked names nobody.
        _ => member.is_certain,
    };
    let counted: Vec<&Member<'_>> = members.iter().filter(is_counted).collect();
    let called: Vec<Party> = counted
        .iter()
        .flat_map(|member| member.token.claims.dest.iter().cloned())
        .collect();
    let explained: Vec<String> = match &way {
        Way::Proven(_) => counted
            .iter()
            .map(|member| member.token.passport.signed.clone())
            .collect(),
        _ => Vec::new(),
    };
    drop(members);
    for token in headers.iter_mut().flat_map(|header| header.tokens_mut()) {
        // By what it says, not by its place: a `div-o` may repeat a header.
        let is_explained = explained.contains(&token.passport.signed);
        match token.kind.role() {
            Role::Link => settle_link(&way, is_explained, token),
            Role::Base | Role::Companion => settle_signed(&way, shown, &called, is_explained, token),
        }
    }
    match way {
        Way::Proven(proof) => Some(proof),
        _ => None,
    }
}

/// A `div-o` is as good as what it holds (D-06).
fn carry_up(tokens: &mut [Token]) {
    for place in (1..tokens.len()).rev() {
        let (outer, inner) = tokens.split_at_mut(place);
        let (Some(outer), Some(inner)) = (outer.last_mut(), inner.first()) else {
            continue;
        };
        let (outcome, code, reason) = inner.findings.gravest();
        let reason = format!("opt: {reason}");
        match inner.findings.own() {
            Own::Passed => outer.findings.pass(Named::Opt),
            Own::Unknown => outer.findings.unavailable(Named::Opt, reason),
            // Only its address is wrong, and that is what diversions are about.
            Own::Failed if inner.findings.is_hopeful() => outer.findings.pass(Named::Opt),
            Own::Failed => outer.findings.fail_as(Named::Opt, outcome, code, reason),
        }
    }
}

struct Member<'t> {
    place: Place,
    token: &'t Token,
    role: Role,
    is_certain: bool,
}

/// The base PASSporTs and diversions that have not failed. What a `div-o` repeats counts once; a header that stands
/// twice is a duplicate.
fn members(headers: &[HeaderState]) -> Vec<Member<'_>> {
    let mut members: Vec<Member<'_>> = Vec::new();
    for is_nested in [false, true] {
        for (header, state) in headers.iter().enumerate() {
            for (depth, token) in state.tokens().iter().enumerate() {
                let own = token.findings.own();
                let role = token.kind.role();
                let is_told = |member: &Member<'_>| member.token.passport.signed == token.passport.signed;
                if (depth > 0) == is_nested
                    && role != Role::Companion
                    && own != Own::Failed
                    && !(is_nested && members.iter().any(is_told))
                {
                    members.push(Member {
                        place: (header, depth),
                        token,
                        role,
                        is_certain: own == Own::Passed,
                    });
                }
            }
        }
    }
    members
}

fn way(config: &VerifierConfig, shown: &Shown, is_cut: bool, members: &[Member<'_>]) -> Way {
    if members.iter().all(|member| member.role != Role::Link) {
        return Way::Alone;
    }
    let slack = config.freshness.as_secs();
    let certain: Vec<&Member<'_>> = members.iter().filter(|member| member.is_certain).collect();
    let whole: Vec<&Member<'_>> = members.iter().collect();
    match attempt(&certain, &shown.dialled, slack) {
        // Addressed to us by itself, and the diversions beside it are only possible ones.
        Ok(proof) if proof.links.is_empty() => Way::Alone,
        Ok(_) if is_cut => Way::Broken(Break::Cut),
        Ok(proof) => Way::Proven(proof),
        Err(fault) if is_cut || certain.len() == whole.len() => Way::Broken(fault),
        Err(_) => match attempt(&whole, &shown.dialled, slack) {
            Ok(_) => Way::Unknown,
            Err(fault) => Way::Broken(fault),
        },
    }
}

fn attempt(members: &[&Member<'_>], dialled: &Address, slack_seconds: u64) -> Result<Proof, Break> {
    let mut bases = members.iter().filter(|member| member.role == Role::Base);
    let base = bases.next().ok_or(Break::NoBase)?;
    if bases.next().is_some() {
        return Err(Break::TwoBases);
    }
    let links: Vec<_> = members
        .iter()
        .filter(|member| member.role == Role::Link)
        .collect();
    let tokens: Vec<&Token> = links.iter().map(|member| member.token).collect();
    let order = walk(base.token, &tokens, dialled, slack_seconds)?;
    let places = order
        .into_iter()
        .filter_map(|place| links.get(place).map(|member| member.place));
    Ok(Proof {
        base: base.place,
        links: places.collect(),
    })
}

/// Follows the diversions from `base` to `dialled`; each must be used, once. Gives their order.
fn walk(base: &Token, links: &[&Token], dialled: &Address, slack_seconds: u64) -> Result<Vec<usize>, Break> {
    if links.len() > DIVERSIONS_MAX {
        return Err(Break::TooLong);
    }
    let signed = |place: usize| links.get(place).map(|token| token.passport.signed.as_str());
    if (0..links.len()).any(|place| (0..place).any(|other| signed(other) == signed(place))) {
        return Err(Break::Duplicate);
    }
    let mut left: Vec<(usize, &Token, &Diversion)> = Vec::new();
    for (place, link) in links.iter().enumerate() {
        if link.claims.orig != base.claims.orig {
            return Err(Break::OtherCaller);
        }
        left.extend(
            link.claims
                .diversion
                .as_ref()
                .map(|diversion| (place, *link, diversion)),
        );
    }
    let mut order = Vec::new();
    let mut passed: Vec<&Party> = Vec::new();
    let mut last = base;
    while !left.is_empty() {
        let follows = |diversion: &Diversion| last.claims.dest.contains(&diversion.from);
        let mut next =
            (0..left.len()).filter(|at| left.get(*at).is_some_and(|(_, _, diversion)| follows(diversion)));
        let at = next.next().ok_or(Break::Gap)?;
        if next.next().is_some() {
            return Err(Break::Fork);
        }
        let (place, link, diversion) = left.swap_remove(at);
        passed.push(&diversion.from);
        if link.claims.dest.iter().any(|party| passed.contains(&party)) {
            return Err(Break::Loop);
        }
        if is_older(&link.claims, &last.claims, slack_seconds) {
            return Err(Break::Order);
        }
        order.push(place);
        last = link;
    }
    if !dialled.is_among(&last.claims.dest) {
        return Err(Break::Target);
    }
    if !order.is_empty() && last.late.iat {
        return Err(Break::Late);
    }
    Ok(order)
}

/// A call is diverted after it was made. Two hosts' clocks may differ by as much as a token's age may.
fn is_older(link: &Claims, before: &Claims, slack_seconds: u64) -> bool {
    link.iat < before.iat && link.iat.abs_diff(before.iat) > slack_seconds
}

fn settle_link(way: &Way, is_explained: bool, link: &mut Token) {
    link.is_placed = true;
    match way {
        Way::Proven(_) if is_explained => excuse_late(link),
        // Its certificate or another's did not come: nothing is held against it.
        Way::Unknown => excuse_late(link),
        _ => refuse_late(link),
    }
}

/// A base PASSporT, or what stands beside one.
fn settle_signed(way: &Way, shown: &Shown, called: &[Party], is_explained: bool, token: &mut Token) {
    let has_failed = token.findings.own() == Own::Failed;
    match way {
        Way::Alone => settle_alone(shown, token),
        _ if has_failed => settle_alone(shown, token),
        Way::Proven(_) if is_explained || is_on_the_way(token, called) => {
            token.is_placed = true;
            excuse_late(token);
            // I-12: To is one of those who were called on the way; usually the first of them.
            if shown.to.is_among(called) {
                token.findings.pass(Named::Dest);
            } else {
                refuse_dest(&mut token.findings);
            }
            token.findings.pass(Named::RequestUri);
            token.findings.pass(Named::Diversion);
        }
        Way::Proven(_) => settle_alone(shown, token),
        Way::Unknown => {
            token.is_placed = true;
            excuse_late(token);
            let reason = "the call was diverted, and a diversion could not be checked in time";
            token.findings.unavailable(Named::Diversion, reason);
        }
        Way::Broken(fault) => settle_broken(*fault, shown, called, token),
    }
}

/// What stands beside a base PASSporT is explained by the chain when it is addressed to somebody on it.
fn is_on_the_way(token: &Token, called: &[Party]) -> bool {
    token.kind.role() == Role::Companion && token.claims.dest.iter().any(|party| called.contains(party))
}

/// D-04: the signature is good, and nothing proves the way from whom it names to us. No code: refusing such a call
/// is for the policy to say.
fn settle_broken(fault: Break, shown: &Shown, called: &[Party], token: &mut Token) {
    token.is_placed = true;
    refuse_late(token);
    let Token { findings, claims, .. } = token;
    findings.fail_as(Named::Diversion, Outcome::DestMismatch, None, fault.words());
    if shown.to.is_among(&claims.dest) {
        findings.pass(Named::Dest);
    } else if shown.to.is_among(called) {
        findings.fail_as(
            Named::Dest,
            Outcome::DestMismatch,
            None,
            "signed for another called number",
        );
    } else {
        refuse_dest(findings);
    }
    if shown.dialled.is_among(&claims.dest) {
        findings.pass(Named::RequestUri);
    } else {
        findings.fail_as(Named::RequestUri, Outcome::DestMismatch, None, fault.words());
    }
}
