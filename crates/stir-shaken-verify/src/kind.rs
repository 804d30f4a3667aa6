//! The kinds of PASSporT that are evaluated, by `ppt`: what each one says, and which checks it goes through.
//!
//! Adding a kind: a line in [`Kind::of`], its list in [`Kind::checks`], its claims in `claims.rs`, its own checks in
//! `opening.rs` (what the message alone tells) or `judging.rs` (what needs the certificate).

use crate::checks::{Checks, Named};

/// What a PASSporT is, told by `ppt` (IANA registry "PASSporT Extensions").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `shaken` (RFC 8588): the calling number with the carrier's attestation.
    Shaken,
    /// No `ppt` (RFC 8225): the calling number, and nobody's word about whose it is.
    Plain,
    /// `div` (RFC 8946 §3): one diversion of a call.
    Div,
    /// `div-o` (RFC 8946 §5): one diversion, with the PASSporT it follows inside, in `opt`.
    DivO,
    /// `rcd` (RFC 9795): rich call data.
    Rcd,
    /// `rph` (RFC 8443), with or without the claim `sph` (RFC 9027): priority of the call.
    Priority,
}

/// What a PASSporT has to say about the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Who is calling. Only these give a call its standing; a chain of diversions begins at one.
    Base,
    /// Which way the call took.
    Link,
    /// Something more about a call whose standing others decide.
    Companion,
}

impl Kind {
    /// None: a kind that is not evaluated. Letter case counts, as in JSON.
    pub(crate) fn of(ppt: Option<&str>) -> Option<Kind> {
        match ppt {
            None => Some(Kind::Plain),
            Some("shaken") => Some(Kind::Shaken),
            Some("div") => Some(Kind::Div),
            Some("div-o") => Some(Kind::DivO),
            Some("rcd") => Some(Kind::Rcd),
            Some("rph") => Some(Kind::Priority),
            Some(_) => None,
        }
    }

    pub(crate) fn ppt(self) -> Option<&'static str> {
        match self {
            Kind::Plain => None,
            Kind::Shaken => Some("shaken"),
            Kind::Div => Some("div"),
            Kind::DivO => Some("div-o"),
            Kind::Rcd => Some("rcd"),
            Kind::Priority => Some("rph"),
        }
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Kind::Shaken | Kind::Plain => Role::Base,
            Kind::Div | Kind::DivO => Role::Link,
            Kind::Rcd | Kind::Priority => Role::Companion,
        }
    }

    /// Those it goes through. What was not reached, or was not asked, is `skipped`.
    pub(crate) fn checks(self) -> Checks {
        match self {
            Kind::Shaken => SHAKEN,
            Kind::Plain => PLAIN,
            Kind::Div => DIV,
            Kind::DivO => DIV_O,
            Kind::Rcd => RCD,
            Kind::Priority => PRIORITY,
        }
    }
}

/// A header of a kind that is not evaluated, or that could not be read.
pub(crate) const UNREAD: Checks = Checks::of(&[Named::Header, Named::Passport]);

/// Whatever kind it is: its form, its age, whom it speaks of, and who signed it.
const EVERY: Checks = UNREAD.and(&[
    Named::Info,
    Named::X5u,
    Named::Iat,
    Named::Date,
    Named::Orig,
    Named::Dest,
    Named::Certificate,
    Named::Chain,
    Named::TnAuthList,
    Named::Dates,
    Named::Revocation,
    Named::Signature,
    Named::Constraints,
    Named::Authority,
]);

const PLAIN: Checks = EVERY.and(&[Named::RequestUri, Named::Diversion, Named::Mky]);
const SHAKEN: Checks = PLAIN.and(&[Named::Attest, Named::Origid, Named::Rcd]);
const RCD: Checks = PLAIN.and(&[Named::Rcd]);
const PRIORITY: Checks = PLAIN.and(&[Named::Priority]);

/// `dest` here is the form of the claim only: where it leads is judged with the other links (`diversion.rs`).
const DIV: Checks = EVERY.and(&[Named::Div]);
const DIV_O: Checks = DIV.and(&[Named::Opt]);
