//! The kinds of PASSporT that are evaluated, by `ppt`: what each one says, and which checks it goes through.
//!
//! Adding a kind: a line in [`Kind::of`], its list in [`Kind::checks`], its claims in `claims.rs`, its own checks in
//! `opening.rs` (what the message alone tells) or `judging.rs` (what needs the certificate).

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

    /// The checks in the order they are reported. What was not reached, or was not asked, is `skipped`.
    pub(crate) fn checks(self) -> &'static [&'static str] {
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
pub(crate) const UNREAD: &[&str] = &["header", "passport"];

const SHAKEN: &[&str] = &[
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
    "diversion",
    "mky",
    "rcd",
    "certificate",
    "chain",
    "tn_auth_list",
    "dates",
    "revocation",
    "signature",
    "constraints",
    "authority",
];

const PLAIN: &[&str] = &[
    "header",
    "passport",
    "info",
    "x5u",
    "iat",
    "date",
    "orig",
    "dest",
    "request_uri",
    "diversion",
    "mky",
    "certificate",
    "chain",
    "tn_auth_list",
    "dates",
    "revocation",
    "signature",
    "constraints",
    "authority",
];

/// `dest` here is the form of the claim only: where it leads is judged with the other links (`diversion.rs`).
const DIV: &[&str] = &[
    "header",
    "passport",
    "info",
    "x5u",
    "iat",
    "date",
    "orig",
    "dest",
    "div",
    "certificate",
    "chain",
    "tn_auth_list",
    "dates",
    "revocation",
    "signature",
    "constraints",
    "authority",
];

const DIV_O: &[&str] = &[
    "header",
    "passport",
    "info",
    "x5u",
    "iat",
    "date",
    "orig",
    "dest",
    "div",
    "opt",
    "certificate",
    "chain",
    "tn_auth_list",
    "dates",
    "revocation",
    "signature",
    "constraints",
    "authority",
];

const RCD: &[&str] = &[
    "header",
    "passport",
    "info",
    "x5u",
    "iat",
    "date",
    "orig",
    "dest",
    "request_uri",
    "diversion",
    "mky",
    "rcd",
    "certificate",
    "chain",
    "tn_auth_list",
    "dates",
    "revocation",
    "signature",
    "constraints",
    "authority",
];

const PRIORITY: &[&str] = &[
    "header",
    "passport",
    "info",
    "x5u",
    "iat",
    "date",
    "orig",
    "dest",
    "request_uri",
    "diversion",
    "mky",
    "priority",
    "certificate",
    "chain",
    "tn_auth_list",
    "dates",
    "revocation",
    "signature",
    "constraints",
    "authority",
];
