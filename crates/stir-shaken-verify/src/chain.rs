//! From the leaf to a configured anchor (RFC 5280 §6), and the anchors themselves.
//!
//! Two judges: our own walk, which knows the STIR extensions even when they are critical, and
//! webpki over the path found. Both must agree; only webpki's "unsupported critical extension"
//! is overruled, and only for an extension that our walk has processed.

use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};

use crate::certificate::{Certificate, CertificateFault, sha256};
use crate::limits::CHAIN_CERTIFICATES_MAX;

/// The certificates that are believed without proof: the trust list.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    certificates: Vec<Arc<Certificate>>,
    revision: [u8; 32],
}

/// Why a file is no trust list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorsFault {
    #[error("no PEM certificate in it")]
    Empty,
    #[error("certificate {place}: {fault}")]
    Certificate { place: usize, fault: CertificateFault },
    #[error("certificate {place}: not a certification authority (basic constraints, key usage)")]
    NotAnAuthority { place: usize },
}

/// Why no path leads from a leaf to an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathFault {
    #[error("{0}")]
    Certificate(CertificateFault),
    #[error("the first certificate is a certification authority, not a signer")]
    LeafIsAuthority,
    #[error("the certificate's key must not sign (key usage)")]
    KeyUsage,
    #[error("no path to a trust anchor")]
    NoPath,
    #[error("the path breaks a rule of RFC 5280")]
    Refused,
}

impl Anchors {
    pub fn new() -> Anchors {
        Anchors::default()
    }

    /// Adds every certificate of a PEM file. All or nothing; the same certificate twice is one.
    ///
    /// # Errors
    ///
    /// A certificate that could never end a path (not P-256, not an authority) is a mistake in
    /// the file, not something to find out about during a call.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<usize, AnchorsFault> {
        let mut added = Vec::new();
        for (place, item) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let place = place + 1;
            let fault = |fault| AnchorsFault::Certificate { place, fault };
            let der = item.map_err(|_| fault(CertificateFault::Malformed))?;
            let certificate = Certificate::parse(&der).map_err(fault)?;
            if !may_issue(&certificate) {
                return Err(AnchorsFault::NotAnAuthority { place });
            }
            added.push(Arc::new(certificate));
        }
        if added.is_empty() {
            return Err(AnchorsFault::Empty);
        }
        let count = added.len();
        for certificate in added {
            if !self.certificates.iter().any(|known| known.der == certificate.der) {
                self.certificates.push(certificate);
            }
        }
        let all: Vec<u8> = self
            .certificates
            .iter()
            .flat_map(|known| known.fingerprint())
            .collect();
        self.revision = sha256(&all);
        Ok(count)
    }

    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Changes whenever the set does: part of the key under which a validated chain is remembered.
    pub(crate) fn revision(&self) -> [u8; 32] {
        self.revision
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.certificates.iter()
    }
}

/// A path whose signatures and rules were checked once. Dates, revocation and constraints are
/// not part of that: they are asked again on every use.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Leaf first, anchor last; at least two.
    pub(crate) certificates: Vec<Arc<Certificate>>,
}

impl Path {
    pub(crate) fn leaf(&self) -> &Certificate {
        &self.certificates[0]
    }

    /// Certificate and its issuer, leaf first.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&Arc<Certificate>, &Arc<Certificate>)> {
        self.certificates.iter().zip(&self.certificates[1..])
    }

    pub(crate) fn is_valid_at(&self, second: i64) -> bool {
        self.certificates
            .iter()
            .all(|certificate| certificate.is_valid_at(second))
    }
}

/// Reads a chain (leaf first) and finds its path. Certificates of the file help on the way and
/// are never anchors themselves.
pub(crate) fn find_path(chain: &[Vec<u8>], anchors: &Anchors) -> Result<Path, PathFault> {
    let (leaf, helpers) = chain.split_first().ok_or(PathFault::NoPath)?;
    let leaf = Certificate::parse(leaf).map_err(PathFault::Certificate)?;
    if leaf.is_ca {
        return Err(PathFault::LeafIsAuthority);
    }
    if leaf.key_usage.is_some_and(|usage| !usage.signs) {
        return Err(PathFault::KeyUsage);
    }
    path_from(leaf, helpers, anchors)
}

/// The same for a certificate that signs revocation lists.
pub(crate) fn find_crl_signer(der: &[u8], helpers: &[Vec<u8>], anchors: &Anchors) -> Option<Path> {
    let certificate = Certificate::parse(der).ok()?;
    if certificate.key_usage.is_some_and(|usage| !usage.signs_crls) {
        return None;
    }
    // webpki has no notion of an authority at the start of a path; our walk alone judges here.
    let mut signatures = SIGNATURES_MAX;
    let certificates = walk(
        vec![Arc::new(certificate)],
        &authorities(helpers),
        anchors,
        &mut signatures,
    )?;
    let has_name_constraints = certificates
        .iter()
        .any(|certificate| certificate.has_name_constraints);
    (!has_name_constraints).then_some(Path { certificates })
}

fn path_from(leaf: Certificate, helpers: &[Vec<u8>], anchors: &Anchors) -> Result<Path, PathFault> {
    let mut signatures = SIGNATURES_MAX;
    let certificates = walk(
        vec![Arc::new(leaf)],
        &authorities(helpers),
        anchors,
        &mut signatures,
    )
    .ok_or(PathFault::NoPath)?;
    let path = Path { certificates };
    if agrees(&path) {
        Ok(path)
    } else {
        Err(PathFault::Refused)
    }
}

/// Unusable helpers are left out rather than refused: a file may carry more than one path.
fn authorities(helpers: &[Vec<u8>]) -> Vec<Arc<Certificate>> {
    let parsed = helpers.iter().filter_map(|der| Certificate::parse(der).ok());
    parsed.filter(may_issue).map(Arc::new).collect()
}

/// Depth first; every certificate at most once; a bounded number of signature checks, so that a
/// hostile file of look-alikes costs a bounded time.
fn walk(
    so_far: Vec<Arc<Certificate>>,
    helpers: &[Arc<Certificate>],
    anchors: &Anchors,
    signatures: &mut usize,
) -> Option<Vec<Arc<Certificate>>> {
    let last = so_far.last()?;
    // Authorities between the next issuer and the leaf (RFC 5280 §4.2.1.9).
    let below = so_far.len() - 1;
    let mut is_issuer = |candidate: &Certificate| {
        candidate.subject.raw == last.issuer.raw
            && candidate
                .path_length
                .is_none_or(|length| below <= length as usize)
            && signatures.checked_sub(1).is_some_and(|left| {
                *signatures = left;
                last.is_signed_by(candidate)
            })
    };
    if let Some(anchor) = anchors.iter().find(|anchor| is_issuer(anchor)) {
        let mut path = so_far.clone();
        path.push(anchor.clone());
        return Some(path);
    }
    if so_far.len() >= CHAIN_CERTIFICATES_MAX {
        return None;
    }
    let next: Vec<_> = helpers
        .iter()
        .filter(|helper| so_far.iter().all(|used| used.der != helper.der) && is_issuer(helper))
        .cloned()
        .collect();
    next.into_iter().find_map(|helper| {
        let mut longer = so_far.clone();
        longer.push(helper);
        walk(longer, helpers, anchors, signatures)
    })
}

fn may_issue(certificate: &Certificate) -> bool {
    certificate.is_ca && certificate.key_usage.is_none_or(|usage| usage.signs_certificates)
}

/// webpki's opinion of a path that our walk found.
fn agrees(path: &Path) -> bool {
    match ask_webpki(path) {
        Some(Ok(())) => true,
        Some(Err(webpki::Error::UnsupportedCriticalExtension)) => {
            // Name constraints are webpki's work alone; without its verdict they would be ignored.
            path.certificates
                .iter()
                .any(|certificate| certificate.has_own_critical)
                && path
                    .certificates
                    .iter()
                    .all(|certificate| !certificate.has_name_constraints)
        }
        Some(Err(_)) | None => false,
    }
}

/// Asked at a moment when all of the path is valid: whether that moment is now is asked on every
/// use. None: there is no such path or moment to ask about.
fn ask_webpki(path: &Path) -> Option<Result<(), webpki::Error>> {
    let begins = path
        .certificates
        .iter()
        .map(|certificate| certificate.not_before)
        .max();
    let moment = u64::try_from(begins?).ok()?;
    let moment = UnixTime::since_unix_epoch(std::time::Duration::from_secs(moment));
    let (anchor, rest) = path.certificates.split_last()?;
    let (leaf, helpers) = rest.split_first()?;
    let helpers: Vec<_> = helpers
        .iter()
        .map(|certificate| certificate.der.clone())
        .collect();
    let algorithms: &[&dyn SignatureVerificationAlgorithm] = &[webpki::aws_lc_rs::ECDSA_P256_SHA256];
    let ask = || {
        let anchor = anchor_from_trusted_cert(&anchor.der)?;
        let leaf = EndEntityCert::try_from(&leaf.der)?;
        leaf.verify_for_usage(algorithms, &[anchor], &helpers, moment, AnyPurpose, None, None)?;
        Ok(())
    };
    Some(ask())
}

/// Purposes were judged when the certificate was read.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// Signature checks in one search for a path; about 50 us each.
const SIGNATURES_MAX: usize = 32;
