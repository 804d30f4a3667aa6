//! From the leaf to a configured anchor (RFC 5280 §6), and the anchors themselves.
//!
//! Two judges: our own walk, which knows the STIR extensions even when they are critical, and
//! webpki over the path found. Both must agree; only webpki's "unsupported critical extension"
//! is overruled, and only for an extension that our walk has processed.

use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};

use crate::certificate::{Certificate, CertificateFault, hexadecimal, sha256};
use crate::limits::{CHAIN_CERTIFICATES_MAX, TN_LISTS_MAX};
use crate::report::Signer;

/// The certificates that are believed without proof: the trust list.
///
/// Cheap to clone: the certificates are shared.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    anchors: Vec<Anchor>,
    revision: [u8; 32],
    is_incomplete: bool,
}

#[derive(Clone, Debug)]
struct Anchor {
    certificate: Arc<Certificate>,
    is_private: bool,
}

/// One anchor as people want to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorStatus {
    /// Bounded, printable.
    pub subject: String,
    /// Whole seconds since the Unix epoch, both inclusive.
    pub not_before: i64,
    /// Last second of its validity, Unix time.
    pub not_after: i64,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    /// Added with [`Anchors::add_private_pem`].
    pub is_private: bool,
}

/// Why a file is no trust list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorsFault {
    /// There is no certificate in the file.
    #[error("no PEM certificate in it")]
    Empty,
    /// A certificate of the file cannot be an anchor.
    #[error("certificate {place}: {fault}")]
    Certificate {
        /// From 1, in the order of the file.
        place: usize,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// A certificate of the file may not issue others (RFC 5280 §4.2.1.9, §4.2.1.3).
    #[error("certificate {place}: not a certification authority (basic constraints, key usage)")]
    NotAnAuthority {
        /// From 1, in the order of the file.
        place: usize,
    },
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
    #[error("the path names too many lists of numbers")]
    TooManyLists,
}

impl Anchors {
    /// No anchor yet.
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
        self.add_all(read_pem(pem)?, false)
    }

    /// Like [`Anchors::add_pem`], for authorities outside the public trust list (an enterprise's own). Revocation
    /// lists are asked about their certificates too, but a list that does not know them is no reason for doubt:
    /// the public authority's list names public authorities only.
    pub fn add_private_pem(&mut self, pem: &[u8]) -> Result<usize, AnchorsFault> {
        self.add_all(read_pem(pem)?, true)
    }

    /// Adds one certificate in DER; `place` is what a fault names it by, from 1.
    pub(crate) fn add_der(&mut self, der: &[u8], place: usize) -> Result<(), AnchorsFault> {
        self.add_all(vec![read_authority(der, place)?], false).map(drop)
    }

    /// Adds the anchors of another set.
    pub fn extend(&mut self, other: &Anchors) {
        for anchor in &other.anchors {
            self.add(anchor.clone());
        }
        self.is_incomplete |= other.is_incomplete;
        self.count_revision();
    }

    /// Says that a part of the trust list is missing because it could not be had in time. A certificate without a
    /// path is then nobody's fault but ours, and the call is `unchecked` instead of failed.
    pub fn set_incomplete(&mut self, is_incomplete: bool) {
        self.is_incomplete = is_incomplete;
    }

    /// Empty, or a part is missing: what no anchor vouches for may still be good.
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete || self.anchors.is_empty()
    }

    /// No anchor at all: nothing can be judged.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// How many, those added as private included.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Every anchor, in the order they were added.
    pub fn describe(&self) -> Vec<AnchorStatus> {
        let describe = |anchor: &Anchor| AnchorStatus {
            subject: anchor.certificate.subject_text.clone(),
            not_before: anchor.certificate.not_before,
            not_after: anchor.certificate.not_after,
            fingerprint: hexadecimal(&anchor.certificate.fingerprint()),
            is_private: anchor.is_private,
        };
        self.anchors.iter().map(describe).collect()
    }

    /// Changes whenever the set does: part of the key under which a validated chain is remembered.
    pub(crate) fn revision(&self) -> [u8; 32] {
        self.revision
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.anchors.iter().map(|anchor| &anchor.certificate)
    }

    fn is_private(&self, certificate: &Certificate) -> bool {
        let mut anchors = self.anchors.iter();
        anchors.any(|anchor| anchor.is_private && anchor.certificate.der == certificate.der)
    }

    fn add_all(
        &mut self,
        certificates: Vec<Arc<Certificate>>,
        is_private: bool,
    ) -> Result<usize, AnchorsFault> {
        if certificates.is_empty() {
            return Err(AnchorsFault::Empty);
        }
        let count = certificates.len();
        for certificate in certificates {
            self.add(Anchor {
                certificate,
                is_private,
            });
        }
        self.count_revision();
        Ok(count)
    }

    /// An anchor that is both public and private is public: that asks for more.
    fn add(&mut self, anchor: Anchor) {
        let mut known = self.anchors.iter_mut();
        match known.find(|known| known.certificate.der == anchor.certificate.der) {
            Some(known) => known.is_private &= anchor.is_private,
            None => self.anchors.push(anchor),
        }
    }

    fn count_revision(&mut self) {
        let mut all = Vec::new();
        for anchor in &self.anchors {
            all.extend(anchor.certificate.fingerprint());
            all.push(u8::from(anchor.is_private));
        }
        self.revision = sha256(&all);
    }
}

fn read_pem(pem: &[u8]) -> Result<Vec<Arc<Certificate>>, AnchorsFault> {
    let items = CertificateDer::pem_slice_iter(pem).enumerate();
    items
        .map(|(place, item)| {
            let place = place + 1;
            let fault = CertificateFault::Malformed;
            read_authority(
                &item.map_err(|_| AnchorsFault::Certificate { place, fault })?,
                place,
            )
        })
        .collect()
}

fn read_authority(der: &[u8], place: usize) -> Result<Arc<Certificate>, AnchorsFault> {
    let read = Certificate::parse(der).map_err(|fault| AnchorsFault::Certificate { place, fault })?;
    if may_issue(&read) {
        Ok(Arc::new(read))
    } else {
        Err(AnchorsFault::NotAnAuthority { place })
    }
}

/// A path whose signatures and rules were checked once. Dates, revocation and constraints are
/// not part of that: they are asked again on every use.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Leaf first, anchor last; at least two.
    pub(crate) certificates: Vec<Arc<Certificate>>,
    is_private: bool,
    /// Who signs with the leaf.
    pub(crate) signer: Signer,
    /// Every delegate's numbers lie within its parent's (RFC 9060 §4.1), as far as they stand in certificates.
    pub(crate) is_delegation_sound: bool,
}

impl Path {
    pub(crate) fn leaf(&self) -> &Certificate {
        &self.certificates[0]
    }

    fn new(certificates: Vec<Arc<Certificate>>, anchors: &Anchors) -> Path {
        let is_private = certificates
            .last()
            .is_some_and(|anchor| anchors.is_private(anchor));
        let readable = certificates
            .iter()
            .filter_map(|certificate| certificate.tn_auth_list.as_ref()?.as_ref().ok());
        // Certificates without a list limit nothing: the next one above that has one is the parent.
        let parents = readable.clone().skip(1);
        let is_delegation_sound = readable
            .zip(parents)
            .all(|(child, parent)| parent.encompasses(child));
        Path {
            signer: signer(&certificates),
            certificates,
            is_private,
            is_delegation_sound,
        }
    }

    /// Ends at an anchor that was added as private.
    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }

    /// Lists of numbers by reference: the place of the certificate in the path, and the URL as it stands there.
    pub(crate) fn tn_list_urls(&self) -> impl Iterator<Item = (usize, &str)> {
        let certificates = self.certificates.iter().enumerate();
        certificates.flat_map(|(place, certificate)| {
            let urls = certificate.tn_list_urls.iter();
            urls.map(move |url| (place, url.as_str()))
        })
    }

    /// What remembering this path costs in memory, in octets: generously estimated from the certificates' size. Their
    /// octets are held about twice, and a TNAuthList takes four times its encoding when read. The anchor is the trust
    /// list's own.
    pub(crate) fn octets(&self) -> usize {
        let own = &self.certificates[..self.certificates.len() - 1];
        own.iter()
            .map(|certificate| 6 * certificate.der.len() + 1024)
            .sum()
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

/// Who signed, from the certificate that did: the first.
fn signer(certificates: &[Arc<Certificate>]) -> Signer {
    let leaf = &certificates[0];
    let list = leaf.tn_auth_list.as_ref().and_then(|list| list.as_ref().ok());
    Signer {
        subject: leaf.subject_text.clone(),
        spc: list.and_then(|list| list.spc()).map(str::to_string),
        fingerprint: hexadecimal(&leaf.fingerprint()),
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
    // It comes with the list or beside it, so it must say of itself that it signs lists: a provider's certificate
    // under the same authority, which may say nothing of its usage, must not be able to revoke or to acquit others.
    let is_for_lists = certificate.key_usage.is_some_and(|usage| usage.signs_crls);
    if !is_for_lists || is_for_numbers(&certificate) && !certificate.is_ca {
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
    (!has_name_constraints).then(|| Path::new(certificates, anchors))
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
    let path = Path::new(certificates, anchors);
    if path.tn_list_urls().count() > TN_LISTS_MAX {
        return Err(PathFault::TooManyLists);
    }
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

/// Made out for signing calls (RFC 8226 §9, §10.1).
pub(crate) fn is_for_numbers(certificate: &Certificate) -> bool {
    certificate.tn_auth_list.is_some() || !certificate.tn_list_urls.is_empty()
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
