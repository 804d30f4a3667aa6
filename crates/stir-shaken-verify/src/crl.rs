//! Revocation lists (RFC 5280 §5), direct and indirect: the STI-PA's list is indirect, one list
//! for every authority, with the issuer named in its entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, ParsedExtension};

use crate::certificate::{
    Certificate, Name, is_ecdsa_sha256, printable, sha256, urls_of, without_leading_zeros,
};
use crate::chain::{Anchors, Path, find_crl_signer};
use crate::der::{self, Reader, SEQUENCE, context};
use crate::limits::{CRL_ENTRIES_MAX, CRL_OCTETS_MAX, CRLS_MAX};

/// The configured revocation lists. Empty: revocation is not checked (and the report says so).
///
/// Cheap to clone: the lists themselves are shared.
#[derive(Clone, Debug, Default)]
pub struct Crls {
    lists: Vec<Arc<Crl>>,
    /// Per list: signers tried before, and whether their signature holds.
    tried: Vec<Vec<([u8; 32], bool)>>,
    /// Certificates found beside the lists: possible signers, if a path leads to an anchor.
    certificates: Vec<Vec<u8>>,
    /// Those from which a path leads to an anchor, found once for each set of anchors.
    signers: Option<([u8; 32], Vec<Path>)>,
    policy: RevocationPolicy,
    is_required: bool,
}

/// What a call is worth when the lists do not tell (C-07: a matter of policy).
///
/// Whatever it says: a certificate that a list names is revoked, and a call is never reported as
/// checked for revocation when it was not (`revocation` is `skipped` then).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationPolicy {
    /// The list that speaks for the certificate is past its nextUpdate.
    pub stale: Untold,
    /// No list speaks for the certificate, or only one that is badly signed.
    pub uncovered: Untold,
}

/// How a call is judged whose certificate no list could be asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Untold {
    /// The call is `unchecked`: what we lack never verifies anything.
    #[default]
    Unchecked,
    /// As if no list were configured.
    Accept,
}

/// One list as people want to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlStatus {
    /// Bounded, printable.
    pub issuer: String,
    /// Certificates it names.
    pub revoked: usize,
    /// Whole seconds since the Unix epoch.
    pub this_update: i64,
    /// None: the list never says when the next one comes; it counts as out of date.
    pub next_update: Option<i64>,
    /// For certificates of other issuers than its own (RFC 5280 §5.2.5): the STI-PA's is.
    pub is_indirect: bool,
    /// Signed by an anchor, or by a certificate beside the lists with a path to one. False: only the
    /// certificate of a caller can tell (a direct list of an intermediate), or nobody.
    pub is_signed: bool,
    /// It cannot be used at all: a delta list, an unknown critical extension, another algorithm.
    pub is_unusable: bool,
}

/// Why a file holds no revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlFault {
    /// There is no list in the file.
    #[error("no revocation list in it")]
    Empty,
    /// A list of the file is no X.509 revocation list (RFC 5280 §5.1).
    #[error("list {place}: not an X.509 revocation list")]
    Malformed {
        /// From 1, in the order of the file.
        place: usize,
    },
    /// More octets than [`crate::limits::CRL_OCTETS_MAX`].
    #[error("larger than 16 MiB, or more than 250,000 entries in one list")]
    TooLarge,
    /// More lists or entries than the bounds in [`crate::limits`].
    #[error("more than 16 lists")]
    TooMany,
}

#[derive(Debug)]
struct Crl {
    tbs: Vec<u8>,
    signature: Vec<u8>,
    issuer: Arc<Name>,
    issuer_text: String,
    this_update: i64,
    next_update: Option<i64>,
    /// Serial numbers, each with the issuers they are revoked for.
    revoked: BTreeMap<Vec<u8>, Vec<Arc<Name>>>,
    count: usize,
    /// Where the list says it is published; empty: it does not say.
    urls: Vec<String>,
    is_indirect: bool,
    covers_leaves: bool,
    covers_authorities: bool,
    /// Only for some reasons: what it revokes is revoked, what it does not name may still be.
    is_partial: bool,
    /// A critical extension we do not know, a delta list, an entry that cannot be read, another algorithm.
    is_unusable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// No list is configured.
    NotConfigured,
    Good,
    Revoked,
    /// The list that speaks for the certificate is out of date.
    Stale,
    /// No usable list speaks for the certificate: badly signed, too early, or another authority's.
    Unknown,
    /// One of the two above, and the policy accepts it.
    Accepted,
}

impl Crls {
    /// No list: revocation is not checked.
    pub fn new() -> Crls {
        Crls::default()
    }

    /// Adds the lists of a file, PEM or DER. Certificates in a PEM file are possible signers.
    ///
    /// # Errors
    ///
    /// All or nothing; names the list that is wrong.
    pub fn add(&mut self, octets: &[u8]) -> Result<usize, CrlFault> {
        if octets.len() > CRL_OCTETS_MAX {
            return Err(CrlFault::TooLarge);
        }
        let is_pem = octets
            .windows(11)
            .take(4096)
            .any(|window| window == b"-----BEGIN ");
        let mut certificates = Vec::new();
        let lists: Vec<Vec<u8>> = if is_pem {
            for item in CertificateDer::pem_slice_iter(octets).flatten().take(SIGNERS_MAX) {
                certificates.push(item.to_vec());
            }
            let items = CertificateRevocationListDer::pem_slice_iter(octets);
            items
                .enumerate()
                .map(|(place, item)| {
                    item.map(|der| der.as_ref().to_vec())
                        .map_err(|_| CrlFault::Malformed { place: place + 1 })
                })
                .collect::<Result<_, _>>()?
        } else if octets.is_empty() {
            Vec::new()
        } else {
            vec![octets.to_vec()]
        };
        if lists.is_empty() {
            return Err(CrlFault::Empty);
        }
        if self.lists.len() + lists.len() > CRLS_MAX {
            return Err(CrlFault::TooMany);
        }
        let mut added = Vec::new();
        for (place, der) in lists.iter().enumerate() {
            let crl = Crl::parse(der).ok_or(CrlFault::Malformed { place: place + 1 })?;
            if crl.count > CRL_ENTRIES_MAX {
                return Err(CrlFault::TooLarge);
            }
            added.push(Arc::new(crl));
        }
        let count = added.len();
        self.tried.extend(added.iter().map(|_| Vec::new()));
        self.lists.extend(added);
        self.add_signers(certificates);
        Ok(count)
    }

    /// Adds the lists and possible signers of another set; its policy is not taken over.
    ///
    /// # Errors
    ///
    /// [`CrlFault::TooMany`]; nothing is added then.
    pub fn extend(&mut self, other: &Crls) -> Result<(), CrlFault> {
        if self.lists.len() + other.lists.len() > CRLS_MAX {
            return Err(CrlFault::TooMany);
        }
        self.lists.extend(other.lists.iter().cloned());
        self.tried.extend(other.lists.iter().map(|_| Vec::new()));
        self.add_signers(other.certificates.clone());
        Ok(())
    }

    /// Adds the certificates of a PEM file as possible signers of the lists: for the authority whose list is
    /// published without its certificate. They are believed only with a path to an anchor.
    pub fn add_signers_pem(&mut self, pem: &[u8]) -> usize {
        let found = CertificateDer::pem_slice_iter(pem).flatten().take(SIGNERS_MAX);
        let found: Vec<_> = found.map(|der| der.to_vec()).collect();
        let count = found.len();
        self.add_signers(found);
        count
    }

    fn add_signers(&mut self, certificates: Vec<Vec<u8>>) {
        for certificate in certificates {
            if self.certificates.len() < SIGNERS_MAX && !self.certificates.contains(&certificate) {
                self.certificates.push(certificate);
            }
        }
        self.signers = None;
    }

    /// What follows when no list tells; everything is `unchecked` by default.
    pub fn set_policy(&mut self, policy: RevocationPolicy) {
        self.policy = policy;
    }

    /// Says that revocation is to be checked although no list may be at hand: one that could not be had is then
    /// our fault, and a call is not verified for want of it.
    pub fn require(&mut self) {
        self.is_required = true;
    }

    /// No list at all.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// How many lists are in force.
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Every list, in the order they were added, as it stands at `second` (seconds since the Unix epoch).
    pub fn describe(&mut self, anchors: &Anchors, second: i64) -> Vec<CrlStatus> {
        self.find_signers(anchors);
        let configured: &[Path] = self.signers.as_ref().map_or(&[], |(_, paths)| paths);
        let lists = self.lists.iter().zip(&mut self.tried);
        lists
            .map(|(list, tried)| CrlStatus {
                issuer: list.issuer_text.clone(),
                revoked: list.count,
                this_update: list.this_update,
                next_update: list.next_update,
                is_indirect: list.is_indirect,
                is_signed: list.is_signed(None, anchors, configured, second, tried),
                is_unusable: list.is_unusable,
            })
            .collect()
    }

    /// Asks for every certificate of the path but its anchor, at `second`. The leaf must be spoken
    /// for; an intermediate that no list covers is let pass.
    pub(crate) fn check(&mut self, path: &Path, anchors: &Anchors, second: i64) -> Revocation {
        if self.lists.is_empty() && !self.is_required {
            return Revocation::NotConfigured;
        }
        self.find_signers(anchors);
        let configured: &[Path] = self.signers.as_ref().map_or(&[], |(_, paths)| paths);
        let (mut is_covered, mut is_stale) = (false, false);
        for (place, (certificate, issuer)) in path.links().enumerate() {
            for (list, tried) in self.lists.iter().zip(&mut self.tried) {
                // Signatures are checked last: most lists have nothing to say about most certificates.
                if !list.is_about(certificate) || list.is_unusable || second < list.this_update {
                    continue;
                }
                let names_it = list.revokes(certificate);
                let speaks_for_it = place == 0 && list.speaks_for(certificate);
                if !names_it && !speaks_for_it {
                    continue;
                }
                if !list.is_signed(Some(issuer), anchors, configured, second, tried) {
                    continue;
                }
                if names_it {
                    // Also by a list that is out of date: a revocation is not taken back by waiting.
                    return Revocation::Revoked;
                }
                match list.next_update {
                    Some(next) if second <= next => is_covered = true,
                    _ => is_stale = true,
                }
            }
        }
        let is_private = path.is_private();
        match (is_covered, is_stale) {
            (true, _) => Revocation::Good,
            (false, true) if self.policy.stale == Untold::Accept => Revocation::Accepted,
            (false, true) => Revocation::Stale,
            // The public authority's list says nothing about a private authority's certificates.
            (false, false) if is_private || self.policy.uncovered == Untold::Accept => Revocation::Accepted,
            (false, false) => Revocation::Unknown,
        }
    }

    fn find_signers(&mut self, anchors: &Anchors) {
        let revision = anchors.revision();
        if self.signers.as_ref().is_none_or(|(known, _)| *known != revision) {
            let found = self.certificates.iter();
            let found = found.filter_map(|der| find_crl_signer(der, &self.certificates, anchors));
            self.signers = Some((revision, found.collect()));
        }
    }
}

impl Crl {
    fn parse(der: &[u8]) -> Option<Crl> {
        let (rest, parsed) = CertificateRevocationList::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let is_es256 =
            is_ecdsa_sha256(&parsed.signature_algorithm) && is_ecdsa_sha256(&parsed.tbs_cert_list.signature);
        let mut crl = Crl {
            tbs: parsed.tbs_cert_list.as_ref().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            issuer: Arc::new(Name::read(parsed.issuer())),
            issuer_text: printable(&parsed.issuer().to_string()),
            this_update: parsed.last_update().timestamp(),
            next_update: parsed.next_update().map(|time| time.timestamp()),
            revoked: BTreeMap::new(),
            count: 0,
            urls: Vec::new(),
            is_indirect: false,
            covers_leaves: true,
            covers_authorities: true,
            is_partial: false,
            is_unusable: !is_es256,
        };
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(point) => {
                    crl.is_indirect = point.indirect_crl;
                    crl.urls = point.distribution_point.as_ref().map_or_else(Vec::new, urls_of);
                    let only_attributes = point.only_contains_attribute_certs;
                    crl.covers_leaves = !point.only_contains_ca_certs && !only_attributes;
                    crl.covers_authorities = !point.only_contains_user_certs && !only_attributes;
                    crl.is_partial = point.only_some_reasons.is_some();
                }
                _ if extension.oid.to_id_string() == DELTA_CRL_INDICATOR || extension.critical => {
                    crl.is_unusable = true;
                }
                _ => {}
            }
        }
        // An entry without its own certificateIssuer has the one before it (RFC 5280 §5.3.3).
        let mut issuer = crl.issuer.clone();
        for entry in parsed.iter_revoked_certificates() {
            for extension in entry.extensions() {
                if extension.oid.to_id_string() == CERTIFICATE_ISSUER {
                    match certificate_issuer(extension.value) {
                        Some(named) if named == *issuer => {}
                        Some(named) => issuer = Arc::new(named),
                        None => crl.is_unusable = true,
                    }
                } else if extension.critical {
                    crl.is_unusable = true;
                }
            }
            crl.count += 1;
            let serial = without_leading_zeros(entry.raw_serial()).to_vec();
            crl.revoked.entry(serial).or_default().push(issuer.clone());
        }
        Some(crl)
    }

    /// Could it say anything at all about this certificate?
    fn is_about(&self, certificate: &Certificate) -> bool {
        self.is_indirect || self.issuer.is_same(&certificate.issuer)
    }

    /// Is silence of this list good news for the certificate (RFC 5280 §6.3.3 (b))?
    ///
    /// A certificate that names who signs its list (`cRLIssuer`) is spoken for by that issuer's alone. One that
    /// names nobody is spoken for by whatever indirect list was configured: that is the configuration's word.
    fn speaks_for(&self, certificate: &Certificate) -> bool {
        let is_its_kind = if certificate.is_ca {
            self.covers_authorities
        } else {
            self.covers_leaves
        };
        if !is_its_kind || self.is_partial {
            return false;
        }
        let points = &certificate.crl_points;
        let is_same_place = |urls: &[String]| {
            urls.is_empty() || self.urls.is_empty() || urls.iter().any(|url| self.urls.contains(url))
        };
        if self.is_indirect {
            let mut naming = points.iter().filter(|point| !point.issuers.is_empty()).peekable();
            naming.peek().is_none()
                || naming.any(|point| {
                    point.issuers.iter().any(|issuer| issuer.is_same(&self.issuer))
                        && is_same_place(&point.urls)
                })
        } else {
            let mut own = points.iter().filter(|point| point.issuers.is_empty()).peekable();
            points.is_empty() || own.peek().is_some() && own.any(|point| is_same_place(&point.urls))
        }
    }

    /// Issuer and serial number both: the same serial of another authority is somebody else.
    fn revokes(&self, certificate: &Certificate) -> bool {
        let issuers = self.revoked.get(&certificate.serial);
        issuers.is_some_and(|issuers| issuers.iter().any(|issuer| issuer.is_same(&certificate.issuer)))
    }

    /// Signed by the certificate's own issuer (direct lists), by an anchor, or by a configured
    /// certificate from which a path leads to an anchor.
    fn is_signed(
        &self,
        issuer: Option<&Arc<Certificate>>,
        anchors: &Anchors,
        configured: &[Path],
        second: i64,
        tried: &mut Vec<([u8; 32], bool)>,
    ) -> bool {
        let own = issuer.filter(|_| !self.is_indirect);
        let valid = configured.iter().filter(|path| path.is_valid_at(second));
        let given = valid.filter_map(|path| path.certificates.first());
        own.into_iter().chain(anchors.iter()).chain(given).any(|signer| {
            signer.subject.is_same(&self.issuer)
                && signer.is_valid_at(second)
                && signer.key_usage.is_none_or(|usage| usage.signs_crls)
                && self.holds(signer, tried)
        })
    }

    fn holds(&self, signer: &Certificate, tried: &mut Vec<([u8; 32], bool)>) -> bool {
        let key = sha256(&signer.point);
        if let Some((_, holds)) = tried.iter().find(|(known, _)| *known == key) {
            return *holds;
        }
        let holds = signer.has_signed(&self.tbs, &self.signature);
        if tried.len() == SIGNERS_MAX {
            tried.remove(0);
        }
        tried.push((key, holds));
        holds
    }
}

/// The directory name in `certificateIssuer`: GeneralNames with `[4] Name`.
fn certificate_issuer(octets: &[u8]) -> Option<Name> {
    let mut names = Reader::new(der::only(octets, SEQUENCE).ok()?);
    while !names.is_empty() {
        let (tag, value) = names.any().ok()?;
        if tag == context(4) {
            return Name::parse(value);
        }
    }
    None
}

const CERTIFICATE_ISSUER: &str = "2.5.29.29";
const DELTA_CRL_INDICATOR: &str = "2.5.29.27";
/// Signer certificates kept, and verdicts remembered per list.
const SIGNERS_MAX: usize = 16;
