//! One message on its way through: what it says, what it still needs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chains::Chains;
use crate::date::parse_sip_date;
use crate::findings::Findings;
use crate::header::{IdentityHeader, split_values};
use crate::limits::{ASSERTED_MAX, IDENTITY_HEADERS_MAX};
use crate::number::TelephoneNumber;
use crate::passport::{Passport, PassportFault, ShakenClaims};
use crate::report::{HeaderReport, Outcome};
use crate::shelf::FetchFailure;
use crate::verifier::VerifierConfig;
use crate::x5u::X5u;

/// What a verifier needs to see of an INVITE, as text. URIs without display name or `<>`.
#[derive(Clone, Debug, Default)]
pub struct MessageView<'m> {
    /// Identity header values, in order; comma-joined ones are taken apart here.
    pub identity: Vec<Cow<'m, str>>,
    /// URIs of P-Asserted-Identity. Any at all: From is not looked at (RFC 8224 §6.2, ATIS-1000074).
    pub asserted: Vec<Cow<'m, str>>,
    pub from: Cow<'m, str>,
    pub to: Cow<'m, str>,
    pub request_uri: Cow<'m, str>,
    pub date: Option<Cow<'m, str>>,
    /// Values of `a=fingerprint` in the SDP body, session level first, in order: `sha-256 4A:AD:..` (RFC 8122 §5).
    /// Compared with the claim `mky` (RFC 8225 §5.2.2).
    pub fingerprints: Vec<Cow<'m, str>>,
    /// Values of Resource-Priority, comma-joined ones taken apart: `esnet.1` (RFC 4412 §3.1).
    pub resource_priority: Vec<Cow<'m, str>>,
    /// The Priority header: `psap-callback` (RFC 3261 §20.26, RFC 7090).
    pub priority: Option<Cow<'m, str>>,
    /// Display name of the address that `orig` is compared with: the first P-Asserted-Identity that has one, else
    /// From. Without quotes. Compared with `rcd` (RFC 9795 §5.1).
    pub display_name: Option<Cow<'m, str>>,
}

/// A verification under way. Owns what it needs of the message.
#[derive(Debug)]
pub struct Verification {
    pub(crate) headers: Vec<HeaderState>,
    pub(crate) bodies: Bodies,
    /// Lists of numbers that certificates refer to (RFC 8226 §10.1), by the x5u URL of the certificate.
    references: BTreeMap<String, Vec<String>>,
    chains: Arc<Chains>,
    /// Whole seconds since the Unix epoch.
    pub(crate) arrived: i64,
}

/// What was supplied, by URL.
pub(crate) type Bodies = BTreeMap<String, Supplied>;
pub(crate) type Supplied = Result<Arc<[u8]>, FetchFailure>;

#[derive(Debug)]
pub(crate) enum HeaderState {
    /// Nothing a certificate could change.
    Done(Box<HeaderReport>),
    Open(Box<Signed>),
}

/// A SHAKEN header whose token could be read.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) ppt: Option<String>,
    pub(crate) findings: Findings,
    pub(crate) passport: Passport,
    pub(crate) claims: ShakenClaims,
    pub(crate) orig: TelephoneNumber,
    /// Place of the asserted identity that `orig` is; None: it is From, or nobody.
    pub(crate) asserted: Option<usize>,
    /// None: the URL breaks the rules.
    pub(crate) x5u: Option<X5u>,
    /// The Date header, when it is looked at and readable.
    pub(crate) date: Option<i64>,
    /// To is in `dest`, the dialled number is not.
    pub(crate) is_diverted: bool,
}

impl Verification {
    pub(crate) fn begin(
        config: &VerifierConfig,
        chains: &Arc<Chains>,
        message: &MessageView<'_>,
        arrived: i64,
    ) -> Verification {
        let values = message.identity.iter().flat_map(|line| split_or_empty(line));
        let headers = values
            .take(IDENTITY_HEADERS_MAX)
            .map(|value| open(config, message, value, arrived))
            .collect();
        Verification {
            headers,
            bodies: BTreeMap::new(),
            references: BTreeMap::new(),
            chains: chains.clone(),
            arrived,
        }
    }

    /// The URLs to fetch, each once: those of headers that could still pass. A header that has
    /// failed already costs nobody a fetch.
    ///
    /// A certificate with a path to an anchor may refer to lists of numbers (RFC 8226 §10.1), so that after
    /// [`Verification::supply`] there may be more: ask again until [`Verification::is_complete`]. There is no
    /// third round: a list refers to nothing.
    pub fn wanted(&self) -> Vec<&str> {
        self.urls(|signed| signed.findings.is_hopeful())
    }

    /// Every URL that keeps the rules, also of headers that have failed: for a tool that has the
    /// certificates at hand and wants all checks made.
    pub fn named(&self) -> Vec<&str> {
        self.urls(|_| true)
    }

    /// What `url` holds: the body as fetched, or why there is none. Unknown URLs are ignored.
    pub fn supply(&mut self, url: &str, result: Result<Arc<[u8]>, FetchFailure>) {
        if !self.named().contains(&url) {
            return;
        }
        let is_certificate = self.headers.iter().any(|state| match state {
            HeaderState::Open(signed) => signed.x5u.as_ref().is_some_and(|x5u| x5u.as_str() == url),
            HeaderState::Done(_) => false,
        });
        if let (true, Ok(body)) = (is_certificate, &result) {
            let references = self.chains.references(body);
            if !references.is_empty() {
                self.references.insert(url.into(), references);
            }
        }
        self.bodies.insert(url.into(), result);
    }

    /// Nothing more is wanted.
    pub fn is_complete(&self) -> bool {
        self.wanted().iter().all(|url| self.bodies.contains_key(*url))
    }

    fn urls(&self, is_meant: impl Fn(&Signed) -> bool) -> Vec<&str> {
        let mut urls = Vec::new();
        for state in &self.headers {
            let HeaderState::Open(signed) = state else {
                continue;
            };
            let Some(x5u) = signed.x5u.as_ref().filter(|_| is_meant(signed)) else {
                continue;
            };
            let references = self.references.get(x5u.as_str()).into_iter().flatten();
            for url in std::iter::once(x5u.as_str()).chain(references.map(String::as_str)) {
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
        }
        urls
    }
}

/// An empty header is still a header, and malformed.
fn split_or_empty(line: &str) -> Vec<&str> {
    match split_values(line) {
        values if values.is_empty() => vec![""],
        values => values,
    }
}

fn open(config: &VerifierConfig, message: &MessageView<'_>, value: &str, arrived: i64) -> HeaderState {
    let mut findings = Findings::default();
    let header = match IdentityHeader::parse(value) {
        Ok(header) => header,
        Err(fault) => {
            findings.fail(
                "header",
                Outcome::Invalid,
                format!("malformed Identity header: {fault}"),
            );
            return done(&findings, None);
        }
    };
    findings.pass("header");
    let ppt = header
        .ppt
        .clone()
        .map(|ppt| ppt.chars().take(16).collect::<String>());
    if let Some(other) = header.ppt.as_deref().filter(|ppt| *ppt != "shaken") {
        let reason = if other == "div" {
            "diversion PASSporTs are not evaluated"
        } else {
            "a PASSporT of a kind that is not evaluated"
        };
        findings.fail("passport", Outcome::Unsupported, reason);
        return done(&findings, ppt);
    }
    if header.alg.as_deref().is_some_and(|alg| alg != "ES256") {
        findings.fail_as(
            "header",
            Outcome::Unsupported,
            Some(437),
            "an algorithm other than ES256",
        );
        return done(&findings, ppt);
    }
    if header.is_compact() {
        if header.ppt.is_some() {
            findings.fail("passport", Outcome::Invalid, "SHAKEN requires the full form");
        } else {
            findings.fail(
                "passport",
                Outcome::Unsupported,
                "the compact form is not evaluated",
            );
        }
        return done(&findings, ppt);
    }
    let passport = match Passport::parse(&header.token) {
        Ok(passport) => passport,
        Err(fault) => {
            findings.fail(
                "passport",
                Outcome::Invalid,
                format!("malformed PASSporT: {fault}"),
            );
            return done(&findings, ppt);
        }
    };
    if let Err((outcome, code, reason)) = check_kind(&header, &passport) {
        findings.fail_as("passport", outcome, code, reason);
        return done(&findings, ppt);
    }
    findings.pass("passport");
    let x5u = check_x5u(config, &header, &passport, &mut findings);
    let claims = match passport.shaken() {
        Ok(claims) => claims,
        Err(fault) => {
            findings.fail(
                name_of(fault),
                Outcome::Invalid,
                format!("malformed PASSporT: {fault}"),
            );
            return done(&findings, ppt);
        }
    };
    findings.pass("attest");
    findings.pass("origid");
    let Ok(orig) = config.numbers.from_claim(&claims.orig) else {
        findings.fail(
            "orig",
            Outcome::Invalid,
            "orig is not a canonical telephone number",
        );
        return done(&findings, ppt);
    };
    let dest: Result<Vec<_>, _> = claims
        .dest
        .iter()
        .map(|tn| config.numbers.from_claim(tn))
        .collect();
    let Ok(dest) = dest else {
        findings.fail(
            "dest",
            Outcome::Invalid,
            "dest holds something that is no canonical telephone number",
        );
        return done(&findings, ppt);
    };
    let date = check_freshness(config, message, claims.iat, arrived, &mut findings);
    let asserted = check_orig(config, message, &orig, &mut findings);
    let is_diverted = check_dest(config, message, &dest, &mut findings);
    HeaderState::Open(Box::new(Signed {
        ppt,
        findings,
        passport,
        claims,
        orig,
        asserted,
        x5u,
        date,
        is_diverted,
    }))
}

fn done(findings: &Findings, ppt: Option<String>) -> HeaderState {
    HeaderState::Done(Box::new(findings.report(ppt)))
}

/// `alg`, `typ` and `ppt`, in the token and beside it. The token's own word is the signed one.
fn check_kind(
    header: &IdentityHeader,
    passport: &Passport,
) -> Result<(), (Outcome, Option<u16>, &'static str)> {
    let inner = &passport.header;
    let invalid = |reason| Err((Outcome::Invalid, Some(438), reason));
    if inner.typ != "passport" {
        return invalid("typ is not passport");
    }
    if inner.alg != "ES256" {
        // Beside it stands ES256, or nothing, which means ES256 (RFC 8224 §4).
        return invalid("alg is not ES256");
    }
    match (header.ppt.as_deref(), inner.ppt.as_deref()) {
        (Some("shaken"), Some("shaken")) => Ok(()),
        (Some(_), _) => invalid("ppt in the token differs from the header's"),
        (None, Some("shaken")) => invalid("the ppt parameter is missing"),
        (None, _) => Err((
            Outcome::Unsupported,
            None,
            "a PASSporT of a kind that is not evaluated",
        )),
    }
}

fn name_of(fault: PassportFault) -> &'static str {
    match fault {
        PassportFault::Attest => "attest",
        PassportFault::OrigId => "origid",
        PassportFault::Iat => "iat",
        PassportFault::Orig => "orig",
        PassportFault::Dest => "dest",
        _ => "passport",
    }
}

fn check_x5u(
    config: &VerifierConfig,
    header: &IdentityHeader,
    passport: &Passport,
    findings: &mut Findings,
) -> Option<X5u> {
    let Some(x5u) = passport.header.x5u.as_deref() else {
        findings.fail("x5u", Outcome::Invalid, "the token has no x5u");
        return None;
    };
    match header.info.as_deref() {
        Some(info) if info == x5u => findings.pass("info"),
        Some(_) => findings.fail("info", Outcome::BadInfo, "info differs from x5u"),
        None => findings.fail("info", Outcome::BadInfo, "the info parameter is missing"),
    }
    match X5u::parse(x5u, &config.addresses) {
        Ok(x5u) => {
            findings.pass("x5u");
            Some(x5u)
        }
        Err(fault) => {
            findings.fail("x5u", Outcome::BadInfo, format!("x5u breaks the rules: {fault}"));
            None
        }
    }
}

fn check_freshness(
    config: &VerifierConfig,
    message: &MessageView<'_>,
    iat: i64,
    arrived: i64,
    findings: &mut Findings,
) -> Option<i64> {
    let is_fresh = |second: i64| arrived.abs_diff(second) <= config.freshness.as_secs();
    if is_fresh(iat) {
        findings.pass("iat");
    } else if iat < arrived {
        findings.fail("iat", Outcome::Stale, "iat is too old");
    } else {
        findings.fail("iat", Outcome::Stale, "iat is in the future");
    }
    let date = message.date.as_deref().filter(|_| config.checks_date_header)?;
    match parse_sip_date(date) {
        Some(second) if is_fresh(second) => {
            findings.pass("date");
            Some(second)
        }
        Some(_) => {
            findings.fail(
                "date",
                Outcome::Stale,
                "the Date header is too old or in the future",
            );
            None
        }
        None => {
            findings.fail("date", Outcome::Stale, "the Date header cannot be read");
            None
        }
    }
}

/// P-Asserted-Identity, each value, or From when there is none (I-09). Gives the place of the value that matched.
fn check_orig(
    config: &VerifierConfig,
    message: &MessageView<'_>,
    orig: &TelephoneNumber,
    findings: &mut Findings,
) -> Option<usize> {
    let shown: Vec<&str> = if message.asserted.is_empty() {
        vec![&*message.from]
    } else {
        message
            .asserted
            .iter()
            .take(ASSERTED_MAX)
            .map(|uri| &**uri)
            .collect()
    };
    let numbers: Vec<_> = shown
        .into_iter()
        .map(|uri| config.numbers.from_uri(uri).ok())
        .collect();
    if let Some(place) = numbers.iter().position(|number| number.as_ref() == Some(orig)) {
        findings.pass("orig");
        return (!message.asserted.is_empty()).then_some(place);
    }
    if numbers.iter().all(Option::is_none) {
        findings.fail(
            "orig",
            Outcome::OrigMissing,
            "the message shows no calling number to compare with orig",
        );
    } else {
        findings.fail(
            "orig",
            Outcome::OrigMismatch,
            "signed for another calling number than the one shown",
        );
    }
    None
}

/// To must be in `dest`; the dialled number too, or the call was diverted on the way (I-12).
/// True for the latter.
fn check_dest(
    config: &VerifierConfig,
    message: &MessageView<'_>,
    dest: &[TelephoneNumber],
    findings: &mut Findings,
) -> bool {
    let is_in_dest = |uri: &str| {
        config
            .numbers
            .from_uri(uri)
            .is_ok_and(|number| dest.contains(&number))
    };
    if is_in_dest(&message.to) {
        findings.pass("dest");
    } else {
        findings.fail("dest", Outcome::DestMismatch, "signed for another called number");
        return false;
    }
    if is_in_dest(&message.request_uri) {
        findings.pass("request_uri");
        return false;
    }
    let reason = "valid, but addressed to another number than the one dialled";
    findings.fail_as("request_uri", Outcome::DestMismatch, None, reason);
    true
}
