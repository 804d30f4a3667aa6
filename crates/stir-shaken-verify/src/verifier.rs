//! The verifier: what it is configured with, and the answer it gives.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::address::AddressRules;
use crate::authority;
use crate::certificate::{hexadecimal, sha256};
use crate::chain::{Anchors, Path, PathFault};
use crate::chains::{ChainFault, Chains};
use crate::crl::{Crls, Revocation};
use crate::findings::Findings;
use crate::limits::FRESHNESS;
use crate::number::NumberRules;
use crate::report::{Outcome, Report, Signer, Standing};
use crate::verification::{Bodies, HeaderState, MessageView, Signed, Verification};

/// What a verifier believes and how strictly it judges.
#[derive(Clone, Debug)]
pub struct VerifierConfig {
    /// Empty: no signature can be judged, every signed call is `unchecked`.
    pub anchors: Anchors,
    /// Empty: revocation is not checked, and the report says `skipped`.
    pub crls: Crls,
    pub numbers: NumberRules,
    /// Largest |iat - arrival| and |Date - arrival| in whole seconds; the edge is fresh.
    pub freshness: Duration,
    /// For x5u URLs with an address instead of a name.
    pub addresses: AddressRules,
    /// False: a Date header is not looked at (some trunks rewrite it); `iat` always is.
    pub checks_date_header: bool,
}

impl VerifierConfig {
    pub fn new(anchors: Anchors, numbers: NumberRules) -> VerifierConfig {
        VerifierConfig {
            anchors,
            crls: Crls::new(),
            numbers,
            freshness: FRESHNESS,
            addresses: AddressRules::default(),
            checks_date_header: true,
        }
    }
}

/// Verifies messages. Remembers validated chains, nothing else; holds no certificate cache
/// (see [`Shelf`](crate::Shelf)) and knows no clock.
///
/// ```
/// use stir_shaken_verify::{Anchors, MessageView, NumberRules, Standing, Verifier, VerifierConfig};
///
/// let config = VerifierConfig::new(Anchors::new(), NumberRules::new("US")?);
/// let mut verifier = Verifier::new(config);
/// let message = MessageView { from: "sip:+12125550100@example.com".into(), ..MessageView::default() };
/// let verification = verifier.begin(&message, std::time::SystemTime::UNIX_EPOCH);
/// assert!(verification.wanted().is_empty());          // nothing to fetch: fetch and supply() what is listed
/// assert_eq!(verifier.conclude(verification).standing, Standing::None);
/// # Ok::<(), stir_shaken_verify::UnknownCountry>(())
/// ```
#[derive(Debug)]
pub struct Verifier {
    config: VerifierConfig,
    chains: Arc<Chains>,
}

impl Verifier {
    pub fn new(config: VerifierConfig) -> Verifier {
        let chains = Chains::new(config.anchors.clone(), config.addresses.clone());
        Verifier {
            config,
            chains: Arc::new(chains),
        }
    }

    pub fn config(&self) -> &VerifierConfig {
        &self.config
    }

    /// Puts new anchors and lists in force for verifications concluded from now on, those under way included.
    /// Validated chains stay remembered while the anchors are the same.
    pub fn replace_trust(&mut self, anchors: Anchors, crls: Crls) {
        if anchors.revision() != self.config.anchors.revision() {
            let chains = Chains::new(anchors.clone(), self.config.addresses.clone());
            self.chains = Arc::new(chains);
        }
        self.config.anchors = anchors;
        self.config.crls = crls;
    }

    /// Looks at everything that the message alone tells. `arrived` is when the request came:
    /// freshness is judged then, however long the certificate takes.
    pub fn begin(&self, message: &MessageView<'_>, arrived: SystemTime) -> Verification {
        Verification::begin(&self.config, &self.chains, message, unix_seconds(arrived))
    }

    /// Judges with what was supplied; a certificate that was wanted and not supplied counts as
    /// not available in time.
    pub fn conclude(&mut self, verification: Verification) -> Report {
        let Verification {
            headers,
            bodies,
            arrived,
            ..
        } = verification;
        let mut concluded = Vec::new();
        for state in headers {
            match state {
                HeaderState::Done(report) => concluded.push(Concluded {
                    report: *report,
                    signed: None,
                    signer: None,
                    is_diverted: false,
                }),
                HeaderState::Open(signed) => {
                    concluded.push(self.judge(*signed, &bodies, arrived));
                }
            }
        }
        summary(concluded, arrived)
    }

    fn judge(&mut self, mut signed: Signed, bodies: &Bodies, arrived: i64) -> Concluded {
        let mut findings = std::mem::take(&mut signed.findings);
        let supplied = bodies.get(signed.x5u.as_ref().map_or("", |x5u| x5u.as_str()));
        let signer = match supplied {
            Some(Ok(body)) => self.judge_certificate(&signed, body, bodies, arrived, &mut findings),
            Some(Err(failure)) if !failure.is_unavailability() => {
                findings.fail(
                    "certificate",
                    Outcome::BadInfo,
                    format!("the certificate could not be used: {failure}"),
                );
                None
            }
            // What has failed already needs no certificate, and reports none missing.
            _ if !findings.is_hopeful() => None,
            Some(Err(failure)) => {
                findings.unavailable(
                    "certificate",
                    format!("the certificate could not be fetched: {failure}"),
                );
                None
            }
            None => {
                findings.unavailable("certificate", "the certificate did not come in time");
                None
            }
        };
        let is_diverted = signed.is_diverted && findings.is_hopeful();
        let report = findings.report(signed.ppt.clone());
        Concluded {
            report,
            signed: Some(signed),
            signer,
            is_diverted,
        }
    }

    fn judge_certificate(
        &mut self,
        signed: &Signed,
        body: &Arc<[u8]>,
        bodies: &Bodies,
        arrived: i64,
        findings: &mut Findings,
    ) -> Option<Signer> {
        let path = match self.chains.path(body) {
            Ok(path) => path,
            Err(ChainFault::Body(fault)) => {
                let reason = format!("the certificate host sent something else: {fault}");
                findings.fail("certificate", Outcome::BadInfo, reason);
                return None;
            }
            Err(ChainFault::Path(fault))
                if self.config.anchors.is_empty()
                    || self.config.anchors.is_incomplete() && fault == PathFault::NoPath =>
            {
                findings.pass("certificate");
                let reason = if self.config.anchors.is_empty() {
                    "no trust anchor is configured"
                } else {
                    "no path to the trust anchors at hand, and a part of the trust list is missing"
                };
                findings.unavailable("chain", reason);
                return None;
            }
            Err(ChainFault::Path(fault)) => {
                findings.pass("certificate");
                findings.fail(
                    "chain",
                    Outcome::UntrustedCredential,
                    format!("certificate: {fault}"),
                );
                return None;
            }
        };
        findings.pass("certificate");
        findings.pass("chain");
        self.judge_path(signed, &path, bodies, arrived, findings);
        let leaf = path.leaf();
        let spc = leaf
            .tn_auth_list
            .as_ref()
            .and_then(|list| list.as_ref().ok())
            .and_then(|list| list.spc());
        Some(Signer {
            subject: leaf.subject_text.clone(),
            spc: spc.map(str::to_string),
            fingerprint: hexadecimal(&leaf.fingerprint()),
        })
    }

    /// What is asked on every use: dates, revocation, signature, constraints, authority.
    fn judge_path(
        &mut self,
        signed: &Signed,
        path: &Path,
        bodies: &Bodies,
        arrived: i64,
        findings: &mut Findings,
    ) {
        let untrusted = Outcome::UntrustedCredential;
        let moments = [Some(arrived), Some(signed.claims.iat), signed.date];
        if moments
            .into_iter()
            .flatten()
            .all(|second| path.is_valid_at(second))
        {
            findings.pass("dates");
        } else {
            findings.fail(
                "dates",
                untrusted,
                "a certificate is not valid at signing or arrival",
            );
        }

        match self.config.crls.check(path, &self.config.anchors, arrived) {
            Revocation::NotConfigured | Revocation::Accepted => {}
            Revocation::Good => findings.pass("revocation"),
            Revocation::Revoked => findings.fail("revocation", untrusted, "a certificate has been revoked"),
            Revocation::Stale => {
                findings.unavailable("revocation", "the revocation list is out of date");
            }
            Revocation::Unknown => {
                findings.unavailable("revocation", "no usable revocation list covers the certificate")
            }
        }

        if crate::signature::is_valid(&path.leaf().point, &signed.passport) {
            findings.pass("signature");
        } else {
            findings.fail("signature", Outcome::Invalid, "the signature does not match");
        }

        let constraints = path
            .certificates
            .iter()
            .flat_map(|certificate| &certificate.constraints);
        if constraints.clone().next().is_some() {
            if constraints
                .into_iter()
                .all(|constraints| constraints.allow(&signed.passport))
            {
                findings.pass("constraints");
            } else {
                findings.fail(
                    "constraints",
                    Outcome::Invalid,
                    "a claim that the certificate does not permit",
                );
            }
        }

        authority::check(path, bodies, &self.config.addresses, &signed.orig, findings);
    }
}

struct Concluded {
    report: crate::report::HeaderReport,
    signed: Option<Signed>,
    signer: Option<Signer>,
    /// Valid in everything, but the dialled number is not in `dest`.
    is_diverted: bool,
}

/// One standing for the call: the best that any header proves, and never more.
fn summary(concluded: Vec<Concluded>, arrived: i64) -> Report {
    let has = |outcome| concluded.iter().any(|one| one.report.outcome == outcome);
    let standing = if has(Outcome::Passed) {
        Standing::Verified
    } else if concluded.iter().any(|one| one.is_diverted) {
        Standing::DivertedUnverified
    } else if has(Outcome::Unavailable) {
        Standing::Unchecked
    } else if concluded
        .iter()
        .any(|one| one.report.outcome != Outcome::Unsupported)
    {
        Standing::Failed
    } else {
        Standing::None
    };
    let is_deciding = |one: &&Concluded| match standing {
        Standing::Verified => one.report.outcome == Outcome::Passed,
        Standing::DivertedUnverified => one.is_diverted,
        Standing::Unchecked => one.report.outcome == Outcome::Unavailable,
        _ => one.signed.is_some(),
    };
    // Among several that passed, the strongest attestation: each of them is true.
    let attest = |one: &&Concluded| one.signed.as_ref().map(|signed| signed.claims.attest as u8);
    let deciding = concluded.iter().filter(is_deciding).min_by_key(attest);
    let signed = deciding.and_then(|one| one.signed.as_ref());
    let attestation = match standing {
        Standing::Verified => signed.map(|signed| signed.claims.attest),
        _ => None,
    };
    let mut report = Report {
        standing,
        attestation,
        verstat: String::new(),
        signer: deciding.and_then(|one| one.signer.clone()),
        passport_digest: signed.map(|signed| hexadecimal(&sha256(signed.passport.signed.as_bytes()))),
        origid: signed.map(|signed| signed.claims.origid.clone()),
        iat_age_seconds: signed.map(|signed| arrived.saturating_sub(signed.claims.iat)),
        asserted: match standing {
            Standing::Verified | Standing::DivertedUnverified => signed.and_then(|signed| signed.asserted),
            _ => None,
        },
        headers: concluded.into_iter().map(|one| one.report).collect(),
        hops: Vec::new(),
        rcd: None,
        priority: None,
        is_diverted: false,
    };
    report.verstat = report.verstat_word().into();
    report
}

/// Whole seconds, rounded down; before 1970 counts backwards.
fn unix_seconds(moment: SystemTime) -> i64 {
    match moment.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}
