//! The verifier: what it is configured with, and the answer it gives.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::address::AddressRules;
use crate::chain::{Anchors, Path, PathFault};
use crate::chains::{ChainFault, Chains};
use crate::checks::Named;
use crate::crl::Crls;
use crate::judging;
use crate::limits::{FRESHNESS, FRESHNESS_DIVERTED};
use crate::message::MessageView;
use crate::number::NumberRules;
use crate::report::{Outcome, Report};
use crate::summary::summary;
use crate::verification::{Bodies, Token, Verification};

/// What a verifier believes and how strictly it judges.
#[derive(Clone, Debug)]
pub struct VerifierConfig {
    /// Empty: no signature can be judged, every signed call is `unchecked`.
    pub anchors: Anchors,
    /// Empty: revocation is not checked, and the report says `skipped`.
    pub crls: Crls,
    /// How numbers without a country code are read.
    pub numbers: NumberRules,
    /// Largest |iat - arrival| and |Date - arrival| in whole seconds; the edge is fresh.
    pub freshness: Duration,
    /// Largest age of the tokens of a diverted call in whole seconds, all but its last diversion's, which must keep
    /// `freshness` (D-07). Only a complete chain of diversions makes use of it: without one, a token older than
    /// `freshness` is stale. Smaller than `freshness`: the same as `freshness`.
    pub freshness_diverted: Duration,
    /// For x5u URLs with an address instead of a name.
    pub addresses: AddressRules,
    /// False: a Date header is not looked at (some trunks rewrite it); `iat` always is.
    pub checks_date_header: bool,
}

impl VerifierConfig {
    /// With these anchors and numbers, and the defaults of the RFCs for all else.
    pub fn new(anchors: Anchors, numbers: NumberRules) -> VerifierConfig {
        VerifierConfig {
            anchors,
            crls: Crls::new(),
            numbers,
            freshness: FRESHNESS,
            freshness_diverted: FRESHNESS_DIVERTED,
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
    /// With an empty memory of chains.
    pub fn new(config: VerifierConfig) -> Verifier {
        let chains = Chains::new(config.anchors.clone(), config.addresses.clone());
        Verifier {
            config,
            chains: Arc::new(chains),
        }
    }

    /// What it was made with; anchors and lists as last replaced.
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
    pub fn conclude(&mut self, mut verification: Verification) -> Report {
        let Verification {
            headers,
            bodies,
            chains,
            arrived,
            ..
        } = &mut verification;
        // Where the anchors were replaced meanwhile, the paths found before count for nothing.
        let is_current = Arc::ptr_eq(chains, &self.chains);
        for token in headers.iter_mut().flat_map(|header| header.tokens_mut()) {
            self.judge(token, bodies, is_current, *arrived);
        }
        let proof = verification.settle(&self.config);
        summary(&verification.headers, proof.as_ref(), verification.arrived)
    }

    fn judge(&mut self, token: &mut Token, bodies: &Bodies, is_current: bool, arrived: i64) {
        let x5u = token.x5u.as_ref().map_or("", |x5u| x5u.as_str());
        let supplied = bodies.get(x5u);
        match supplied.map(|supplied| (&supplied.body, &supplied.path)) {
            Some((Ok(_), Some(path))) if is_current => {
                self.judge_certificate(token, path.clone(), bodies, arrived);
            }
            Some((Ok(body), _)) => {
                let path = self.chains.path(body);
                self.judge_certificate(token, path, bodies, arrived);
            }
            Some((Err(failure), _)) if !failure.is_unavailability() => {
                let reason = format!("the certificate could not be used: {failure}");
                token.findings.fail(Named::Certificate, Outcome::BadInfo, reason);
            }
            // What has failed already needs no certificate, and reports none missing.
            _ if !token.findings.is_hopeful() => {}
            Some((Err(failure), _)) => {
                let reason = format!("the certificate could not be fetched: {failure}");
                token.findings.unavailable(Named::Certificate, reason);
            }
            None => {
                let reason = "the certificate did not come in time";
                token.findings.unavailable(Named::Certificate, reason);
            }
        }
    }

    fn judge_certificate(
        &mut self,
        token: &mut Token,
        path: Result<Arc<Path>, ChainFault>,
        bodies: &Bodies,
        arrived: i64,
    ) {
        let findings = &mut token.findings;
        let path = match path {
            Ok(path) => path,
            Err(ChainFault::Body(fault)) => {
                let reason = format!("the certificate host sent something else: {fault}");
                findings.fail(Named::Certificate, Outcome::BadInfo, reason);
                return;
            }
            Err(ChainFault::Path(fault))
                if self.config.anchors.is_empty()
                    || self.config.anchors.is_incomplete() && fault == PathFault::NoPath =>
            {
                findings.pass(Named::Certificate);
                let reason = if self.config.anchors.is_empty() {
                    "no trust anchor is configured"
                } else {
                    "no path to the trust anchors at hand, and a part of the trust list is missing"
                };
                findings.unavailable(Named::Chain, reason);
                return;
            }
            Err(ChainFault::Path(fault)) => {
                findings.pass(Named::Certificate);
                let reason = format!("certificate: {fault}");
                findings.fail(Named::Chain, Outcome::UntrustedCredential, reason);
                return;
            }
        };
        findings.pass(Named::Certificate);
        findings.pass(Named::Chain);
        judging::judge_path(&mut self.config, token, &path, bodies, arrived);
        token.signer = Some(path.signer.clone());
    }
}

/// Whole seconds, rounded down; before 1970 counts backwards.
fn unix_seconds(moment: SystemTime) -> i64 {
    match moment.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}
