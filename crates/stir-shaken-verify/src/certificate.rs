//! One certificate, read once into owned facts. What it may do is decided elsewhere.

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{
    DistributionPointName, FromDer, GeneralName, ParsedExtension, X509Certificate, X509Name,
};
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::constraints::ClaimConstraints;
use crate::limits::{
    CERTIFICATE_OCTETS_MAX, CHAIN_CERTIFICATES_MAX, CRL_POINTS_MAX, SUBJECT_CHARS_MAX, TN_LISTS_MAX,
};
use crate::tn_auth_list::TnAuthList;

/// Why a certificate cannot be used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CertificateFault {
    /// Not X.509 version 3, or octets behind it (RFC 5280 §4.1).
    #[error("not an X.509 version 3 certificate")]
    Malformed,
    /// Another curve than P-256, or a point that is not on it (ATIS-1000080: P-256 only).
    #[error("the key is not on P-256")]
    Key,
    /// Another algorithm than ecdsa-with-SHA256, inside or outside (ATIS-1000080).
    #[error("not signed with ecdsa-with-SHA256")]
    SignatureAlgorithm,
    /// The same extension twice (RFC 5280 §4.2).
    #[error("an extension stands twice")]
    DuplicateExtension,
    /// An extension we have to read and cannot.
    #[error("an extension that cannot be read")]
    Extension,
    /// A critical extension that is not known (RFC 5280 §4.2: to be refused).
    #[error("a critical extension that is not known")]
    UnknownCritical,
    /// JWTClaimConstraints (RFC 8226 §8, RFC 9118) that cannot be read, or more of them than are looked at.
    #[error("claim constraints that cannot be enforced")]
    Constraints,
    /// Limited to purposes of which none is signing calls (RFC 5280 §4.2.1.12).
    #[error("an extended key usage for other purposes")]
    ExtendedKeyUsage,
}

/// Why an x5u body is no chain of certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BodyFault {
    #[error("larger than 64 KiB")]
    TooLarge,
    #[error("no PEM certificate in it")]
    NotPem,
    #[error("more than 6 certificates")]
    TooMany,
}

#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    pub(crate) subject: Name,
    pub(crate) issuer: Name,
    /// Bounded, printable: for reports.
    pub(crate) subject_text: String,
    /// Big-endian without leading zero octets.
    pub(crate) serial: Vec<u8>,
    /// Whole seconds since the Unix epoch, both inclusive.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// The uncompressed P-256 point, 65 octets.
    pub(crate) point: Vec<u8>,
    /// The same, found to be on the curve and ready for ES256 signatures over tokens (raw r and s).
    key: ParsedPublicKey,
    pub(crate) is_ca: bool,
    pub(crate) path_length: Option<u32>,
    /// None: no key usage extension, everything allowed.
    pub(crate) key_usage: Option<KeyUsage>,
    /// None: absent. Err: present and unreadable.
    pub(crate) tn_auth_list: Option<Result<TnAuthList, ()>>,
    /// Where lists of numbers are said to be (RFC 8226 §10.1, `id-ad-stirTNList`); not judged by any rule yet.
    pub(crate) tn_list_urls: Vec<String>,
    /// Where this certificate says it would be revoked (RFC 5280 §4.2.1.13).
    pub(crate) crl_points: Vec<CrlPoint>,
    pub(crate) constraints: Vec<ClaimConstraints>,
    /// Critical extensions that we process and webpki does not know.
    pub(crate) has_own_critical: bool,
    pub(crate) has_name_constraints: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyUsage {
    pub(crate) signs: bool,
    pub(crate) signs_certificates: bool,
    pub(crate) signs_crls: bool,
}

/// One distribution point, as a certificate names it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrlPoint {
    pub(crate) urls: Vec<String>,
    /// Who signs the list when it is not the certificate's issuer: `cRLIssuer`.
    pub(crate) issuers: Vec<Name>,
}

/// A distinguished name: the received octets, and a form for comparing across encodings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) raw: Vec<u8>,
    /// Attribute type and value per RDN, letter case and blanks folded (RFC 5280 §7.1, simplified).
    folded: Vec<Vec<(String, String)>>,
}

impl Name {
    pub(crate) fn read(name: &X509Name<'_>) -> Name {
        let folded = name
            .iter_rdn()
            .map(|rdn| {
                let mut attributes: Vec<_> = rdn
                    .iter()
                    .map(|attribute| {
                        let value = match attribute.as_str() {
                            Ok(text) => text
                                .split_whitespace()
                                .collect::<Vec<_>>()
                                .join(" ")
                                .to_lowercase(),
                            Err(_) => format!("{:02x?}", attribute.as_slice()),
                        };
                        (attribute.attr_type().to_id_string(), value)
                    })
                    .collect();
                attributes.sort();
                attributes
            })
            .collect();
        Name {
            raw: name.as_raw().to_vec(),
            folded,
        }
    }

    pub(crate) fn parse(der: &[u8]) -> Option<Name> {
        let (rest, name) = X509Name::from_der(der).ok()?;
        rest.is_empty().then(|| Name::read(&name))
    }

    /// Equal octets, or equal after folding: a revocation must not be missed because one party
    /// wrote PrintableString and the other UTF8String.
    pub(crate) fn is_same(&self, other: &Name) -> bool {
        self.raw == other.raw || self.folded == other.folded
    }
}

impl Certificate {
    pub(crate) fn parse(der: &[u8]) -> Result<Certificate, CertificateFault> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateFault::Malformed)?;
        if !rest.is_empty() || parsed.version().0 != 2 {
            return Err(CertificateFault::Malformed);
        }
        let point = p256_point(parsed.public_key()).ok_or(CertificateFault::Key)?;
        let is_es256 = is_ecdsa_sha256(&parsed.signature_algorithm)
            && is_ecdsa_sha256(&parsed.tbs_certificate.signature);
        if !is_es256 {
            return Err(CertificateFault::SignatureAlgorithm);
        }
        let mut certificate = Certificate {
            der: CertificateDer::from(der.to_vec()),
            tbs: parsed.tbs_certificate.as_ref().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            subject: Name::read(parsed.subject()),
            issuer: Name::read(parsed.issuer()),
            subject_text: printable(&parsed.subject().to_string()),
            serial: without_leading_zeros(parsed.raw_serial()).to_vec(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            key: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).map_err(|_| CertificateFault::Key)?,
            point,
            is_ca: false,
            path_length: None,
            key_usage: None,
            tn_auth_list: None,
            tn_list_urls: Vec::new(),
            crl_points: Vec::new(),
            constraints: Vec::new(),
            has_own_critical: false,
            has_name_constraints: false,
        };
        certificate.read_extensions(&parsed)?;
        Ok(certificate)
    }

    fn read_extensions(&mut self, parsed: &X509Certificate<'_>) -> Result<(), CertificateFault> {
        let mut seen: Vec<String> = Vec::new();
        for extension in parsed.extensions() {
            let oid = extension.oid.to_id_string();
            if seen.contains(&oid) {
                return Err(CertificateFault::DuplicateExtension);
            }
            let is_own = matches!(
                oid.as_str(),
                TN_AUTH_LIST | JWT_CLAIM_CONSTRAINTS | ENHANCED_JWT_CLAIM_CONSTRAINTS
            );
            match oid.as_str() {
                TN_AUTH_LIST => self.tn_auth_list = Some(TnAuthList::parse(extension.value).map_err(|_| ())),
                JWT_CLAIM_CONSTRAINTS | ENHANCED_JWT_CLAIM_CONSTRAINTS => {
                    let is_enhanced = oid == ENHANCED_JWT_CLAIM_CONSTRAINTS;
                    let constraints = ClaimConstraints::parse(extension.value, is_enhanced)
                        .map_err(|_| CertificateFault::Constraints)?;
                    self.constraints.push(constraints);
                }
                _ => self.read_known(extension.parsed_extension(), extension.critical)?,
            }
            // Certificate policies are no condition when no policy is asked for (RFC 5280 §6.1.1 (c)),
            // so a critical one is fine here although webpki does not know it.
            if extension.critical && (is_own || oid == CERTIFICATE_POLICIES) {
                self.has_own_critical = true;
            }
            seen.push(oid);
        }
        Ok(())
    }

    fn read_known(
        &mut self,
        extension: &ParsedExtension<'_>,
        is_critical: bool,
    ) -> Result<(), CertificateFault> {
        match extension {
            ParsedExtension::ParseError { .. } => return Err(CertificateFault::Extension),
            ParsedExtension::BasicConstraints(basic) => {
                self.is_ca = basic.ca;
                self.path_length = basic.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => {
                self.key_usage = Some(KeyUsage {
                    signs: usage.digital_signature(),
                    signs_certificates: usage.key_cert_sign(),
                    signs_crls: usage.crl_sign(),
                });
            }
            // No purpose is registered for PASSporTs: a certificate limited to others is not for us.
            ParsedExtension::ExtendedKeyUsage(usage) if !usage.any => {
                return Err(CertificateFault::ExtendedKeyUsage);
            }
            ParsedExtension::NameConstraints(_) => self.has_name_constraints = true,
            ParsedExtension::AuthorityInfoAccess(access) if !is_critical => {
                for description in access.iter() {
                    if description.access_method.to_id_string() != STIR_TN_LIST {
                        continue;
                    }
                    // A limit of rights that cannot be followed must not be passed over.
                    let GeneralName::URI(url) = &description.access_location else {
                        return Err(CertificateFault::Extension);
                    };
                    self.tn_list_urls.push((*url).to_string());
                }
                if self.tn_list_urls.len() > TN_LISTS_MAX {
                    return Err(CertificateFault::Extension);
                }
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in points.iter().take(CRL_POINTS_MAX) {
                    let names = point.crl_issuer.iter().flatten();
                    let issuers = names.filter_map(|name| match name {
                        GeneralName::DirectoryName(name) => Some(Name::read(name)),
                        _ => None,
                    });
                    self.crl_points.push(CrlPoint {
                        urls: point.distribution_point.as_ref().map_or_else(Vec::new, urls_of),
                        issuers: issuers.collect(),
                    });
                }
            }
            ParsedExtension::ExtendedKeyUsage(_)
            | ParsedExtension::SubjectAlternativeName(_)
            | ParsedExtension::CertificatePolicies(_) => {}
            _ if is_critical => return Err(CertificateFault::UnknownCritical),
            _ => {}
        }
        Ok(())
    }

    /// Did the holder of `issuer`'s key sign this certificate? Names are not compared.
    pub(crate) fn is_signed_by(&self, issuer: &Certificate) -> bool {
        issuer.has_signed(&self.tbs, &self.signature)
    }

    /// An ASN.1 ECDSA signature over `message` with this certificate's key.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
            .verify(message, signature)
            .is_ok()
    }

    /// An ES256 signature (RFC 7518 §3.4: r and s, 32 octets each) with this certificate's key, over what has the SHA-256
    /// `digest`.
    pub(crate) fn has_signed_token(&self, digest: &Digest, signature: &[u8; 64]) -> bool {
        self.key.verify_digest_sig(digest, signature).is_ok()
    }

    /// Both ends of the validity belong to it (RFC 5280 §4.1.2.5).
    pub(crate) fn is_valid_at(&self, second: i64) -> bool {
        (self.not_before..=self.not_after).contains(&second)
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.der)
    }
}

/// Reads an x5u body: PEM certificates in the order of the file. Text around them is passed over.
pub(crate) fn read_body(body: &[u8]) -> Result<Vec<Vec<u8>>, BodyFault> {
    if body.len() > CERTIFICATE_OCTETS_MAX {
        return Err(BodyFault::TooLarge);
    }
    let mut certificates = Vec::new();
    for item in CertificateDer::pem_slice_iter(body) {
        let der = item.map_err(|_| BodyFault::NotPem)?;
        if certificates.len() == CHAIN_CERTIFICATES_MAX {
            return Err(BodyFault::TooMany);
        }
        certificates.push(der.to_vec());
    }
    if certificates.is_empty() {
        Err(BodyFault::NotPem)
    } else {
        Ok(certificates)
    }
}

pub(crate) fn is_ecdsa_sha256(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm.to_id_string() == ECDSA_WITH_SHA256
}

pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, octets).as_ref());
    sum
}

pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS[usize::from(value)];
    let mut text = Vec::with_capacity(2 * octets.len());
    for octet in octets {
        text.extend([digit(octet >> 4), digit(octet & 15)]);
    }
    // Always ASCII.
    String::from_utf8(text).unwrap_or_default()
}

pub(crate) fn without_leading_zeros(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    &octets[zeros..]
}

/// The URLs of a distribution point; a name relative to the issuer of the list is none.
pub(crate) fn urls_of(point: &DistributionPointName<'_>) -> Vec<String> {
    let DistributionPointName::FullName(names) = point else {
        return Vec::new();
    };
    let urls = names.iter().filter_map(|name| match name {
        GeneralName::URI(url) => Some((*url).to_string()),
        _ => None,
    });
    urls.take(CRL_POINTS_MAX).collect()
}

fn p256_point(key: &SubjectPublicKeyInfo<'_>) -> Option<Vec<u8>> {
    let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
    let point = &key.subject_public_key.data;
    let is_p256 = key.algorithm.algorithm.to_id_string() == EC_PUBLIC_KEY
        && curve.to_id_string() == PRIME256V1
        && point.len() == 65
        && point[0] == 4;
    is_p256.then(|| point.to_vec())
}

pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(SUBJECT_CHARS_MAX)
        .collect()
}

const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const PRIME256V1: &str = "1.2.840.10045.3.1.7";
const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
const CERTIFICATE_POLICIES: &str = "2.5.29.32";
const TN_AUTH_LIST: &str = "1.3.6.1.5.5.7.1.26";
const JWT_CLAIM_CONSTRAINTS: &str = "1.3.6.1.5.5.7.1.27";
/// id-ad-stirTNList
const STIR_TN_LIST: &str = "1.3.6.1.5.5.7.48.14";
const ENHANCED_JWT_CLAIM_CONSTRAINTS: &str = "1.3.6.1.5.5.7.1.33";
