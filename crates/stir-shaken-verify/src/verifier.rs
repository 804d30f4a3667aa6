//! The verifier: what it is configured with, and the answer it gives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::address::AddressRules;
use crate::certificate::{BodyFault, hexadecimal, read_body, sha256};
use crate::chain::{Anchors, Path, PathFault, find_path};
use crate::crl::{Crls, Revocation};
use crate::findings::Findings;
use crate::limits::{CHAINS_MAX, FRESHNESS};
use crate::number::NumberRules;
use crate::report::{Outcome, Report, Signer, Standing};
use crate::verification::{HeaderState, MessageView, Signed, Supplied, Verification};

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
    chains: BTreeMap<ChainKey, RememberedChain>,
    uses: u64,
}

/// Hash of the body and revision of the anchors: another trust list, another question.
type ChainKey = ([u8; 32], [u8; 32]);

#[derive(Debug)]
struct RememberedChain {
    path: Result<Arc<Path>, ChainFault>,
    used: u64,
}

#[derive(Clone, Copy, Debug)]
enum ChainFault {
    /// Not a chain at all.
    Body(BodyFault),
    Path(PathFault),
}

impl Verifier {
    pub fn new(config: VerifierConfig) -> Verifier {
        Verifier {
            config,
            chains: BTreeMap::new(),
            uses: 0,
        }
    }

    pub fn config(&self) -> &VerifierConfig {
        &self.config
    }

    /// Puts new anchors and lists in force for verifications concluded from now on.
    pub fn replace_trust(&mut self, anchors: Anchors, crls: Crls) {
        self.config.anchors = anchors;
        self.config.crls = crls;
        self.chains.clear();
    }

    /// Looks at everything that the message alone tells. `arrived` is when the request came:
    /// freshness is judged then, however long the certificate takes.
    pub fn begin(&self, message: &MessageView<'_>, arrived: SystemTime) -> Verification {
        Verification::begin(&self.config, message, unix_seconds(arrived))
    }

    /// Judges with what was supplied; a certificate that was wanted and not supplied counts as
    /// not available in time.
    pub fn conclude(&mut self, verification: Verification) -> Report {
        let Verification {
            headers,
            bodies,
            arrived,
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
                    let supplied = bodies.get(signed.x5u.as_ref().map_or("", |x5u| x5u.as_str()));
                    concluded.push(self.judge(*signed, supplied, arrived));
                }
            }
        }
        summary(concluded, arrived)
    }

    fn judge(&mut self, mut signed: Signed, supplied: Option<&Supplied>, arrived: i64) -> Concluded {
        let mut findings = std::mem::take(&mut signed.findings);
        let signer = match supplied {
            Some(Ok(body)) => self.judge_certificate(&signed, body, arrived, &mut findings),
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
        arrived: i64,
        findings: &mut Findings,
    ) -> Option<Signer> {
        let path = match self.path(body) {
            Ok(path) => path,
            Err(ChainFault::Body(fault)) => {
                let reason = format!("the certificate host sent something else: {fault}");
                findings.fail("certificate", Outcome::BadInfo, reason);
                return None;
            }
            Err(ChainFault::Path(_)) if self.config.anchors.is_empty() => {
                findings.pass("certificate");
                findings.unavailable("chain", "no trust anchor is configured");
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
        self.judge_path(signed, &path, arrived, findings);
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
    fn judge_path(&mut self, signed: &Signed, path: &Path, arrived: i64, findings: &mut Findings) {
        let untrusted = Outcome::UntrustedCredential;
        // Every list on the path must cover the number (RFC 9060: a delegate gets no more than its parent has).
        let lists: Option<Vec<_>> = path
            .certificates
            .iter()
            .filter_map(|certificate| certificate.tn_auth_list.as_ref())
            .map(|list| list.as_ref().ok())
            .collect();
        let lists = match lists {
            _ if path.leaf().tn_auth_list.is_none() => {
                findings.fail("tn_auth_list", untrusted, "the certificate has no TNAuthList");
                None
            }
            None => {
                findings.fail("tn_auth_list", untrusted, "a TNAuthList that cannot be read");
                None
            }
            Some(lists) => {
                findings.pass("tn_auth_list");
                Some(lists)
            }
        };

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
            Revocation::NotConfigured => {}
            Revocation::Good => findings.pass("revocation"),
            Revocation::Revoked => findings.fail("revocation", untrusted, "a certificate has been revoked"),
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

        if let Some(lists) = lists {
            if lists.iter().all(|list| list.covers(&signed.orig)) {
                findings.pass("authority");
            } else {
                findings.fail(
                    "authority",
                    Outcome::NoAuthority,
                    "the certificate has no authority over the calling number",
                );
            }
        }
    }

    /// The validated path of a body, remembered under its hash and the anchors' revision.
    fn path(&mut self, body: &[u8]) -> Result<Arc<Path>, ChainFault> {
        self.uses += 1;
        let key = (sha256(body), self.config.anchors.revision());
        if let Some(known) = self.chains.get_mut(&key) {
            known.used = self.uses;
            return known.path.clone();
        }
        if self.chains.len() >= CHAINS_MAX {
            let oldest = self
                .chains
                .iter()
                .min_by_key(|(_, known)| known.used)
                .map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                self.chains.remove(&oldest);
            }
        }
        let path = read_body(body).map_err(ChainFault::Body).and_then(|chain| {
            find_path(&chain, &self.config.anchors)
                .map(Arc::new)
                .map_err(ChainFault::Path)
        });
        self.chains.insert(
            key,
            RememberedChain {
                path: path.clone(),
                used: self.uses,
            },
        );
        path
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
