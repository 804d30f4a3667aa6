//! One Identity header: is it a PASSporT of a kind we know, what does it claim, and does it claim it of this caller?

use crate::beside;
use crate::checks::Named;
use crate::compact::{self, Baseline};
use crate::findings::Findings;
use crate::header::IdentityHeader;
use crate::kind::{Kind, Role, UNREAD};
use crate::mky;
use crate::nesting;
use crate::party::{Caller, Party, Shown};
use crate::passport::{self, Passport, PassportFault};
use crate::report::Outcome;
use crate::verification::{HeaderState, Late, Rebuilt, Token};
use crate::verifier::VerifierConfig;
use crate::x5u::X5u;

/// Reads one value of the header. What is asked here needs neither certificate nor other headers.
///
/// `inside_left` is how many PASSporTs inside others may still be read in this message.
pub(crate) fn open(
    config: &VerifierConfig,
    shown: &Shown,
    value: &str,
    inside_left: &mut usize,
) -> HeaderState {
    let mut findings = Findings::default();
    let header = match IdentityHeader::parse(value) {
        Ok(header) => header,
        Err(fault) => {
            let reason = format!("malformed Identity header: {fault}");
            findings.fail(Named::Header, Outcome::Invalid, reason);
            return Stop { findings, kind: None }.into_state(None);
        }
    };
    findings.pass(Named::Header);
    match read(config, shown, &header, findings) {
        Ok(token) => HeaderState::Open {
            ppt: shown_ppt(&header),
            tokens: nesting::unfold(config, shown, token, inside_left),
        },
        Err(stop) => stop.into_state(Some(&header)),
    }
}

/// A header that cannot pass whatever the certificate says.
struct Stop {
    findings: Findings,
    /// None: of no kind that is evaluated, or nobody knows.
    kind: Option<Kind>,
}

impl Stop {
    fn into_state(self, header: Option<&IdentityHeader<'_>>) -> HeaderState {
        let checks = self.kind.map_or(UNREAD, Kind::checks);
        let ppt = header.and_then(shown_ppt);
        let ppi = header.and_then(|header| passport::compact(header.token));
        let report = self.findings.report(checks, ppt, ppi);
        let role = match report.outcome {
            Outcome::Unsupported => None,
            // What cannot be read may have been the caller's proof, and it was no good.
            _ => Some(self.kind.map_or(Role::Base, Kind::role)),
        };
        HeaderState::Done {
            role,
            report: Box::new(report),
        }
    }
}

fn shown_ppt(header: &IdentityHeader<'_>) -> Option<String> {
    header.ppt.map(|ppt| ppt.chars().take(16).collect())
}

fn read(
    config: &VerifierConfig,
    shown: &Shown,
    header: &IdentityHeader<'_>,
    mut findings: Findings,
) -> Result<Token, Stop> {
    let Some(kind) = Kind::of(header.ppt) else {
        // I-03: passed over, like a header that is not there.
        findings.fail(Named::Passport, Outcome::Unsupported, UNKNOWN_KIND);
        return Err(Stop { findings, kind: None });
    };
    let stop = |findings| {
        Err(Stop {
            findings,
            kind: Some(kind),
        })
    };
    // I-02: absent means ES256 (RFC 8224 §4).
    if header.alg.is_some_and(|alg| alg != "ES256") {
        let reason = "an algorithm other than ES256";
        findings.fail_as(Named::Header, Outcome::Unsupported, Some(437), reason);
        return stop(findings);
    }
    if header.is_compact() && kind == Kind::Plain {
        return match rebuild(config, shown, header, &mut findings) {
            Some(token) => Ok(token),
            None => stop(findings),
        };
    }
    if header.is_compact() {
        // Nothing in a message tells what an extension would have put into the token (RFC 8225 §7).
        let reason = match kind {
            Kind::Shaken => "SHAKEN requires the full form",
            _ => "this kind of PASSporT requires the full form",
        };
        findings.fail(Named::Passport, Outcome::Invalid, reason);
        return stop(findings);
    }
    let passport = match Passport::parse(header.token) {
        Ok(passport) => passport,
        Err(fault) => {
            findings.fail(Named::Passport, Outcome::Invalid, malformed(fault));
            return stop(findings);
        }
    };
    let kind = match check_kind(header, &passport) {
        Ok(kind) => kind,
        Err((outcome, reason)) => {
            findings.fail(Named::Passport, outcome, reason);
            return stop(findings);
        }
    };
    findings.pass(Named::Passport);
    read_token(config, shown, kind, passport, Some(header), findings).map_err(|findings| Stop {
        findings,
        kind: Some(kind),
    })
}

/// A token without extension in compact form (I-05): made again from the message, once for each caller that is shown.
fn rebuild(
    config: &VerifierConfig,
    shown: &Shown,
    header: &IdentityHeader<'_>,
    findings: &mut Findings,
) -> Option<Token> {
    let Some(signature) = compact::signature(header.token) else {
        let reason = "compact form: not two dots and a signature";
        findings.fail(Named::Passport, Outcome::Invalid, reason);
        return None;
    };
    let unmatched = |findings: &mut Findings, check, reason: &str| {
        findings.fail(check, Outcome::Unmatched, format!("compact form: {reason}"));
    };
    let Some(info) = header.info else {
        findings.fail(Named::Info, Outcome::BadInfo, "the info parameter is missing");
        return None;
    };
    let Some(date) = shown.date else {
        unmatched(findings, Named::Date, "no Date header to take iat from");
        return None;
    };
    let Some(dest) = shown.to.party() else {
        unmatched(findings, Named::Dest, "To names nobody");
        return None;
    };
    let media_keys = match mky::of_body(&shown.fingerprints) {
        Ok(keys) => keys,
        Err(fault) => {
            unmatched(findings, Named::Mky, &fault.to_string());
            return None;
        }
    };
    let callers = shown.callers();
    if callers.is_empty() {
        let reason = "the message shows no calling number to rebuild the token with";
        findings.fail(Named::Orig, Outcome::OrigMissing, reason);
        return None;
    }
    let mut rebuilt: Vec<Token> = Vec::new();
    for (orig, asserted) in &callers {
        let baseline = Baseline {
            info,
            orig,
            dest: &dest,
            date,
            media_keys: &media_keys,
        };
        let token = compact::rebuild(&baseline, signature);
        let passport = match Passport::parse(&token) {
            Ok(passport) => passport,
            Err(fault) => {
                findings.fail(Named::Passport, Outcome::Invalid, malformed(fault));
                return None;
            }
        };
        let mut found = findings.clone();
        found.pass(Named::Passport);
        match read_token(config, shown, Kind::Plain, passport, Some(header), found) {
            Ok(token) => rebuilt.push(Token {
                asserted: *asserted,
                is_rebuilt: true,
                ..token
            }),
            Err(found) => *findings = found,
        }
    }
    let mut rebuilt = rebuilt.into_iter();
    let mut first = rebuilt.next()?;
    first.others = rebuilt
        .map(|token| Rebuilt {
            passport: token.passport,
            claims: token.claims,
            asserted: token.asserted,
        })
        .collect();
    Some(first)
}

const UNKNOWN_KIND: &str = "a PASSporT of a kind that is not evaluated";

/// `alg`, `typ` and `ppt`, in the token and beside it. The token's own word is the signed one (P-01).
fn check_kind(header: &IdentityHeader<'_>, passport: &Passport) -> Result<Kind, (Outcome, &'static str)> {
    let inner = Kind::of(passport.header.ppt());
    check_form(passport)?;
    match (header.ppt, passport.header.ppt()) {
        (Some(beside), Some(signed)) if beside == signed => {}
        (Some(_), _) => return Err((Outcome::Invalid, "ppt in the token differs from the header's")),
        (None, Some(_)) if inner.is_some() => return Err((Outcome::Invalid, "the ppt parameter is missing")),
        (None, _) => {}
    }
    inner.ok_or((Outcome::Unsupported, UNKNOWN_KIND))
}

pub(crate) fn check_form(passport: &Passport) -> Result<(), (Outcome, &'static str)> {
    if passport.header.typ() != "passport" {
        return Err((Outcome::Invalid, "typ is not passport"));
    }
    if passport.header.alg() != "ES256" {
        // Beside it stands ES256, or nothing, which means ES256 (RFC 8224 §4).
        return Err((Outcome::Invalid, "alg is not ES256"));
    }
    Ok(())
}

pub(crate) fn malformed(fault: PassportFault) -> String {
    format!("malformed PASSporT: {fault}")
}

/// The claims of one PASSporT. `header` is what stands beside it; a nested one has nothing beside it.
pub(crate) fn read_token(
    config: &VerifierConfig,
    shown: &Shown,
    kind: Kind,
    passport: Passport,
    header: Option<&IdentityHeader<'_>>,
    mut findings: Findings,
) -> Result<Token, Findings> {
    let x5u = check_x5u(config, header, &passport, &mut findings);
    let rules = &config.numbers;
    let claims = match kind {
        Kind::Shaken => passport.shaken_claims(rules),
        Kind::Plain | Kind::Rcd | Kind::Priority => passport.plain_claims(rules),
        Kind::Div => passport.diversion_claims(rules, false),
        Kind::DivO => passport.diversion_claims(rules, true),
    };
    let claims = match claims {
        Ok(claims) => claims,
        Err(fault) => {
            findings.fail(fault.check(), Outcome::Invalid, malformed(fault));
            return Err(findings);
        }
    };
    if claims.attestation.is_some() {
        findings.pass(Named::Attest);
        findings.pass(Named::Origid);
    }
    if claims.diversion.is_some() {
        // Their form; where they lead is asked of all of them together.
        findings.pass(Named::Dest);
        findings.pass(Named::Div);
    }
    let asserted = check_orig(shown, &claims.orig, &mut findings);
    let beside = beside::check(shown, rules, kind, &passport, &mut findings);
    Ok(Token {
        kind,
        findings,
        passport,
        claims,
        asserted,
        x5u,
        date: None,
        late: Late::default(),
        is_placed: false,
        signer: None,
        beside,
        is_rebuilt: false,
        others: Vec::new(),
    })
}

fn check_x5u(
    config: &VerifierConfig,
    header: Option<&IdentityHeader<'_>>,
    passport: &Passport,
    findings: &mut Findings,
) -> Option<X5u> {
    let Some(x5u) = passport.header.x5u() else {
        findings.fail(Named::X5u, Outcome::Invalid, "the token has no x5u");
        return None;
    };
    match header.map(|header| header.info) {
        None => {}
        Some(Some(info)) if info == x5u => findings.pass(Named::Info),
        Some(Some(_)) => findings.fail(Named::Info, Outcome::BadInfo, "info differs from x5u"),
        Some(None) => findings.fail(Named::Info, Outcome::BadInfo, "the info parameter is missing"),
    }
    match X5u::parse(x5u, &config.addresses) {
        Ok(x5u) => {
            findings.pass(Named::X5u);
            Some(x5u)
        }
        Err(fault) => {
            findings.fail(
                Named::X5u,
                Outcome::BadInfo,
                format!("x5u breaks the rules: {fault}"),
            );
            None
        }
    }
}

/// P-Asserted-Identity, each value, or From when there is none (I-09). Gives the place of the value that matched.
fn check_orig(shown: &Shown, orig: &Party, findings: &mut Findings) -> Option<usize> {
    match shown.caller(orig) {
        Caller::Same(place) => {
            findings.pass(Named::Orig);
            place
        }
        Caller::Other => {
            let reason = "signed for another calling number than the one shown";
            findings.fail(Named::Orig, Outcome::OrigMismatch, reason);
            None
        }
        Caller::Nobody => {
            let reason = "the message shows no calling number to compare with orig";
            findings.fail(Named::Orig, Outcome::OrigMissing, reason);
            None
        }
    }
}
