//! Revocation lists (RFC 5280 §5), direct and indirect: the STI-PA's list is indirect, one list
//! for every authority, with the issuer named in its entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, ParsedExtension};

use crate::certificate::{Certificate, Name, is_ecdsa_sha256, without_leading_zeros};
use crate::chain::{Anchors, Path, find_crl_signer};
use crate::der::{self, Reader, SEQUENCE, context};

/// The configured revocation lists. Empty: revocation is not checked (and the report says so).
#[derive(Clone, Debug, Default)]
pub struct Crls {
    lists: Vec<Crl>,
    /// Certificates found beside the lists: possible signers, if a path leads to an anchor.
    certificates: Vec<Vec<u8>>,
    /// Those from which a path leads to an anchor, found once for each set of anchors.
    signers: Option<([u8; 32], Vec<Path>)>,
}

/// Why a file holds no revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlFault {
    #[error("no revocation list in it")]
    Empty,
    #[error("list {place}: not an X.509 revocation list")]
    Malformed { place: usize },
}

#[derive(Clone, Debug)]
struct Crl {
    tbs: Vec<u8>,
    signature: Vec<u8>,
    is_es256: bool,
    issuer: Name,
    this_update: i64,
    next_update: Option<i64>,
    /// Serial numbers, each with the issuers they are revoked for.
    revoked: BTreeMap<Vec<u8>, Vec<Name>>,
    is_indirect: bool,
    covers_leaves: bool,
    covers_authorities: bool,
    /// Only for some reasons: what it revokes is revoked, what it does not name may still be.
    is_partial: bool,
    /// A critical extension we do not know, a delta list, an entry that cannot be read.
    is_unusable: bool,
    /// Signers tried before, and whether their signature holds.
    tried: Vec<([u8; 32], bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// No list is configured.
    NotConfigured,
    Good,
    Revoked,
    /// No usable list speaks for the certificate: outdated, badly signed, or another authority's.
    Unknown,
}

impl Crls {
    pub fn new() -> Crls {
        Crls::default()
    }

    /// Adds the lists of a file, PEM or DER. Certificates in a PEM file are possible signers.
    pub fn add(&mut self, octets: &[u8]) -> Result<usize, CrlFault> {
        let is_pem = octets
            .windows(11)
            .take(4096)
            .any(|window| window == b"-----BEGIN ");
        let lists: Vec<Vec<u8>> = if is_pem {
            for item in CertificateDer::pem_slice_iter(octets).flatten().take(SIGNERS_MAX) {
                self.certificates.push(item.to_vec());
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
        let mut added = Vec::new();
        for (place, der) in lists.iter().enumerate() {
            added.push(Crl::parse(der).ok_or(CrlFault::Malformed { place: place + 1 })?);
        }
        let count = added.len();
        self.lists.extend(added);
        self.signers = None;
        Ok(count)
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Asks for every certificate of the path but its anchor, at `second`. The leaf must be spoken
    /// for; an intermediate that no list covers is let pass.
    pub(crate) fn check(&mut self, path: &Path, anchors: &Anchors, second: i64) -> Revocation {
        if self.lists.is_empty() {
            return Revocation::NotConfigured;
        }
        let revision = anchors.revision();
        if self.signers.as_ref().is_none_or(|(known, _)| *known != revision) {
            let found = self.certificates.iter();
            let found = found.filter_map(|der| find_crl_signer(der, &self.certificates, anchors));
            self.signers = Some((revision, found.collect()));
        }
        let configured: &[Path] = self.signers.as_ref().map_or(&[], |(_, paths)| paths);
        let mut leaf_is_covered = false;
        for (place, (certificate, issuer)) in path.links().enumerate() {
            for list in &mut self.lists {
                let covers = if certificate.is_ca {
                    list.covers_authorities
                } else {
                    list.covers_leaves
                };
                let is_about = list.is_indirect || list.issuer.is_same(&certificate.issuer);
                if !covers || !is_about || !list.is_current(second) {
                    continue;
                }
                if !list.is_signed(issuer, anchors, configured, second) {
                    continue;
                }
                if list.revokes(certificate) {
                    return Revocation::Revoked;
                }
                leaf_is_covered |= place == 0 && !list.is_partial;
            }
        }
        if leaf_is_covered {
            Revocation::Good
        } else {
            Revocation::Unknown
        }
    }
}

impl Crl {
    fn parse(der: &[u8]) -> Option<Crl> {
        let (rest, parsed) = CertificateRevocationList::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let mut crl = Crl {
            tbs: parsed.tbs_cert_list.as_ref().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            is_es256: is_ecdsa_sha256(&parsed.signature_algorithm)
                && is_ecdsa_sha256(&parsed.tbs_cert_list.signature),
            issuer: Name::read(parsed.issuer()),
            this_update: parsed.last_update().timestamp(),
            next_update: parsed.next_update().map(|time| time.timestamp()),
            revoked: BTreeMap::new(),
            is_indirect: false,
            covers_leaves: true,
            covers_authorities: true,
            is_partial: false,
            is_unusable: false,
            tried: Vec::new(),
        };
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(point) => {
                    crl.is_indirect = point.indirect_crl;
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
                        Some(named) => issuer = named,
                        None => crl.is_unusable = true,
                    }
                } else if extension.critical {
                    crl.is_unusable = true;
                }
            }
            let serial = without_leading_zeros(entry.raw_serial()).to_vec();
            crl.revoked.entry(serial).or_default().push(issuer.clone());
        }
        Some(crl)
    }

    fn is_current(&self, second: i64) -> bool {
        let is_in_time = self.this_update <= second && self.next_update.is_some_and(|next| second <= next);
        is_in_time && !self.is_unusable && self.is_es256
    }

    /// Issuer and serial number both: the same serial of another authority is somebody else.
    fn revokes(&self, certificate: &Certificate) -> bool {
        let issuers = self.revoked.get(&certificate.serial);
        issuers.is_some_and(|issuers| issuers.iter().any(|issuer| issuer.is_same(&certificate.issuer)))
    }

    /// Signed by the certificate's own issuer (direct lists), by an anchor, or by a configured
    /// certificate from which a path leads to an anchor.
    fn is_signed(
        &mut self,
        issuer: &Arc<Certificate>,
        anchors: &Anchors,
        configured: &[Path],
        second: i64,
    ) -> bool {
        let mut signers: Vec<Arc<Certificate>> = Vec::new();
        if !self.is_indirect {
            signers.push(issuer.clone());
        }
        signers.extend(anchors.iter().cloned());
        let valid = configured.iter().filter(|path| path.is_valid_at(second));
        signers.extend(valid.filter_map(|path| path.certificates.first().cloned()));
        signers.iter().any(|signer| {
            signer.subject.is_same(&self.issuer)
                && signer.is_valid_at(second)
                && signer.key_usage.is_none_or(|usage| usage.signs_crls)
                && self.holds(signer)
        })
    }

    fn holds(&mut self, signer: &Certificate) -> bool {
        let fingerprint = signer.fingerprint();
        if let Some((_, holds)) = self.tried.iter().find(|(known, _)| *known == fingerprint) {
            return *holds;
        }
        let holds = signer.has_signed(&self.tbs, &self.signature);
        if self.tried.len() == SIGNERS_MAX {
            self.tried.remove(0);
        }
        self.tried.push((fingerprint, holds));
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
/// Signer certificates kept from a file, and verdicts remembered per list.
const SIGNERS_MAX: usize = 16;
