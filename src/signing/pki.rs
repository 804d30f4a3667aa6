//! A test certificate authority for SHAKEN, and a separate one for the web.
//!
//! Two trust domains that operators often confuse stay apart here: the *STI* authority vouches
//! for who may sign telephone numbers; the *web* authority vouches only for the HTTPS host that
//! hands the certificates out. Every key is made fresh for each run and never leaves memory.
//!
//! Knows nothing of SIP, calls or sockets.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType, SerialNumber, SigningKey as _,
};

use super::der::{self, TnEntry, tn_auth_list};
use super::passport::Signer;

/// TNAuthList (RFC 8226 §9): id-pe-TNAuthList.
const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
/// JWTClaimConstraints (RFC 8226 §8): id-pe-JWTClaimConstraints.
const CLAIM_CONSTRAINTS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 27];
/// certificatePolicies (RFC 5280 §4.2.1.4).
const CERTIFICATE_POLICIES: &[u64] = &[2, 5, 29, 32];
/// `SEQUENCE { SEQUENCE { OID 2.16.840.1.114569.1.1.3 } }`: the SHAKEN certificate policy (ATIS-1000080).
const SHAKEN_POLICY: &[u8] = &[
    0x30, 0x0e, 0x30, 0x0c, 0x06, 0x0a, 0x60, 0x86, 0x48, 0x01, 0x86, 0xff, 0x09, 0x01, 0x01, 0x03,
];
/// How long the run's certificates are valid on either side of its start.
const VALID_BEFORE: Duration = Duration::from_secs(3600);
const VALID_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// A certificate could not be made. Ours, never a caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("making the certificate for {subject}")]
    Certificate { subject: String, source: rcgen::Error },
    #[error("the signing key of {subject} is unusable")]
    Key { subject: String },
    #[error("a service provider code has 1 to 100 letters or digits")]
    ProviderCode,
    #[error("a certificate just made cannot be read")]
    Unreadable,
}

/// A root and an intermediate of the telephone-identity (STI) trust domain.
pub struct StiAuthority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

impl StiAuthority {
    /// Makes both with fresh P-256 keys, valid from an hour before `at` for a week.
    ///
    /// # Errors
    ///
    /// [`PkiError::Certificate`] when the certificate library refuses.
    pub fn new(name: &str, at: SystemTime) -> Result<StiAuthority, PkiError> {
        let subject = format!("{name} root");
        let root = CertifiedIssuer::self_signed(authority_params(&subject, 1, at), new_key(&subject)?)
            .map_err(refused(&subject))?;
        let subject = format!("{name} issuing CA");
        let intermediate =
            CertifiedIssuer::signed_by(authority_params(&subject, 0, at), new_key(&subject)?, &root)
                .map_err(refused(&subject))?;
        Ok(StiAuthority { root, intermediate })
    }

    /// The anchor a gateway is configured with.
    pub fn anchor_pem(&self) -> String {
        self.root.pem()
    }

    /// A provider allowed to sign: an end-entity certificate with a TNAuthList of one service provider code.
    ///
    /// # Errors
    ///
    /// [`PkiError::ProviderCode`] when `spc` is empty, too long or not plain letters and digits.
    pub fn provider(&self, name: &str, spc: &str, at: SystemTime) -> Result<Provider, PkiError> {
        if !matches!(spc.len(), 1..=100) || !spc.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
            return Err(PkiError::ProviderCode);
        }
        self.issue(&Leaf::new(name, &[TnEntry::Provider(spc)], at))
    }

    /// Whatever `leaf` asks for, right or wrong, with a fresh key.
    ///
    /// # Errors
    ///
    /// [`PkiError::Certificate`] when the certificate library refuses.
    pub fn issue(&self, leaf: &Leaf<'_>) -> Result<Provider, PkiError> {
        let refused = || refused(leaf.name);
        let key = new_key(leaf.name)?;
        let signer = Signer::from_pkcs8(key.serialized_der()).ok_or_else(|| PkiError::Key {
            subject: leaf.name.to_owned(),
        })?;
        let params = leaf.params();
        let certificate = if leaf.is_on_p384 {
            let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).map_err(refused())?;
            params.signed_by(&other, &self.intermediate)
        } else {
            params.signed_by(&key, &self.intermediate)
        };
        Ok(Provider {
            chain_pem: certificate.map_err(refused())?.pem() + &self.intermediate.pem(),
            signer,
        })
    }

    /// The same certificate signed by its own key: what a stranger can make at home.
    ///
    /// # Errors
    ///
    /// [`PkiError::Certificate`] when the certificate library refuses.
    pub fn self_signed(leaf: &Leaf<'_>) -> Result<Provider, PkiError> {
        let key = new_key(leaf.name)?;
        let certificate = leaf.params().self_signed(&key).map_err(refused(leaf.name))?;
        let signer = Signer::from_pkcs8(key.serialized_der()).ok_or_else(|| PkiError::Key {
            subject: leaf.name.to_owned(),
        })?;
        Ok(Provider {
            chain_pem: certificate.pem(),
            signer,
        })
    }

    /// The authority's list of revoked certificates, as the STI-PA publishes it: indirect (RFC 5280 §5.2.5), signed by the
    /// root, each entry with the issuer it is about. Good from an hour before `at` until `until`.
    ///
    /// # Errors
    ///
    /// [`PkiError::Certificate`] when the library cannot sign.
    pub fn revocation_list(
        &self,
        revoked: &[Revoked<'_>],
        at: SystemTime,
        until: SystemTime,
    ) -> Result<Vec<u8>, PkiError> {
        const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        const CRITICAL: &[u8] = &[0x01, 1, 0xff];
        const CERTIFICATE_ISSUER: &[u8] = &[0x06, 3, 0x55, 0x1d, 29];
        const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x06, 3, 0x55, 0x1d, 28];
        // IssuingDistributionPoint { indirectCRL [4] TRUE }
        const IS_INDIRECT: &[u8] = &[0x30, 3, 0x84, 1, 0xff];

        let name = "the revocation list";
        let begins = utc_time(at - VALID_BEFORE);
        let entries: Result<Vec<_>, PkiError> = revoked
            .iter()
            .map(|entry| {
                let issuer = entry.issuer.issuing_name()?;
                let names = der::sequence(&[&der::context(4, &[&issuer])]);
                let extension = der::sequence(&[CERTIFICATE_ISSUER, CRITICAL, &der::element(4, &[&names])]);
                let serial = der::integer(&entry.serial.to_be_bytes());
                Ok(der::sequence(&[&serial, &begins, &der::sequence(&[&extension])]))
            })
            .collect();
        let entries = entries?.concat();
        let entries = if entries.is_empty() {
            entries
        } else {
            der::sequence(&[&entries])
        };
        let algorithm = der::sequence(&[ECDSA_WITH_SHA256]);
        let point = der::sequence(&[
            ISSUING_DISTRIBUTION_POINT,
            CRITICAL,
            &der::element(4, &[IS_INDIRECT]),
        ]);
        let list = der::sequence(&[
            &der::integer(&[1]),
            &algorithm,
            &subject_of(self.root.der())?,
            &begins,
            &utc_time(until),
            &entries,
            &der::context(0, &[&der::sequence(&[&point])]),
        ]);
        let signature = self.root.key().sign(&list).map_err(refused(name))?;
        Ok(der::sequence(&[
            &list,
            &algorithm,
            &der::element(0x03, &[&[0], &signature]),
        ]))
    }

    /// The name that stands as issuer in the certificates of this authority, DER.
    fn issuing_name(&self) -> Result<Vec<u8>, PkiError> {
        subject_of(self.intermediate.der())
    }
}

/// One line of a revocation list: somebody's certificate by number.
pub struct Revoked<'a> {
    pub issuer: &'a StiAuthority,
    pub serial: u32,
}

/// What an end-entity certificate shall say, right or wrong.
#[derive(Clone, Debug)]
pub struct Leaf<'l> {
    pub name: &'l str,
    /// Value of the TNAuthList extension, DER; none: left out.
    pub tn_auth_list: Option<Vec<u8>>,
    /// Value of the JWTClaimConstraints extension, DER; none: left out.
    pub claim_constraints: Option<Vec<u8>>,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// None: a random one.
    pub serial: Option<u32>,
    /// May issue certificates: then it must not sign calls.
    pub is_authority: bool,
    /// Holds a P-384 key (which signs nothing here) instead of the signer's.
    pub is_on_p384: bool,
}

impl<'l> Leaf<'l> {
    /// A good one, with these entries in its TNAuthList, valid from an hour before `at` for a week.
    pub fn new(name: &'l str, entries: &[TnEntry<'_>], at: SystemTime) -> Leaf<'l> {
        Leaf {
            name,
            tn_auth_list: Some(tn_auth_list(entries)),
            claim_constraints: None,
            not_before: at - VALID_BEFORE,
            not_after: at + VALID_AFTER,
            serial: None,
            is_authority: false,
            is_on_p384: false,
        }
    }

    fn params(&self) -> CertificateParams {
        let mut params = params(self.name, self.not_before);
        params.not_before = self.not_before.into();
        params.not_after = self.not_after.into();
        params.serial_number = self
            .serial
            .map(|serial| SerialNumber::from_slice(&serial.to_be_bytes()));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if self.is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }
        params.use_authority_key_identifier_extension = true;
        let extension = CustomExtension::from_oid_content;
        let own = [
            (TN_AUTH_LIST, self.tn_auth_list.clone()),
            (CLAIM_CONSTRAINTS, self.claim_constraints.clone()),
            (CERTIFICATE_POLICIES, Some(SHAKEN_POLICY.to_vec())),
        ];
        params.custom_extensions = own
            .into_iter()
            .filter_map(|(oid, value)| Some(extension(oid, value?)))
            .collect();
        params
    }
}

/// Somebody with a certificate and the key to sign with.
pub struct Provider {
    /// End-entity certificate first, then the intermediate: what `x5u` serves.
    pub chain_pem: String,
    pub signer: Signer,
}

/// What the HTTPS host needs: its own certificate and key, and the anchor to hand to whoever fetches from it.
pub struct WebIdentity {
    pub anchor_pem: String,
    pub chain_der: Vec<rustls::pki_types::CertificateDer<'static>>,
    pub key_pkcs8: Vec<u8>,
}

/// Makes a web authority and one server certificate for `addresses` and `localhost`.
///
/// # Errors
///
/// [`PkiError::Certificate`] when the certificate library refuses.
pub fn web_identity(addresses: &[IpAddr], at: SystemTime) -> Result<WebIdentity, PkiError> {
    let subject = "Ringward demo web root";
    let root = CertifiedIssuer::self_signed(authority_params(subject, 0, at), new_key(subject)?)
        .map_err(refused(subject))?;
    let subject = "Ringward demo certificate host";
    let key = new_key(subject)?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(refused(subject))?;
    params
        .subject_alt_names
        .extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
    name_and_date(&mut params, subject, at);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &root).map_err(refused(subject))?;
    Ok(WebIdentity {
        anchor_pem: root.pem(),
        chain_der: vec![certificate.der().clone()],
        key_pkcs8: key.serialize_der(),
    })
}

/// The subject of a certificate, DER.
fn subject_of(certificate: &[u8]) -> Result<Vec<u8>, PkiError> {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| PkiError::Unreadable)?;
    Ok(parsed.subject().as_raw().to_vec())
}

/// UTCTime (RFC 5280 §4.1.2.5.1): two digits of the year, so until 2049.
fn utc_time(at: SystemTime) -> Vec<u8> {
    // The certificate library's own type for moments knows the calendar.
    let mut params = CertificateParams::default();
    params.not_before = at.into();
    let at = params.not_before;
    let text = format!(
        "{:02}{:02}{:02}{:02}{:02}{:02}Z",
        at.year() % 100,
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    der::element(0x17, &[text.as_bytes()])
}

fn authority_params(subject: &str, path_length: u8, at: SystemTime) -> CertificateParams {
    let mut params = params(subject, at);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

fn params(subject: &str, at: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    name_and_date(&mut params, subject, at);
    params
}

fn name_and_date(params: &mut CertificateParams, subject: &str, at: SystemTime) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "US");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Ringward demo");
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = (at - VALID_BEFORE).into();
    params.not_after = (at + VALID_AFTER).into();
}

fn new_key(subject: &str) -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(refused(subject))
}

fn refused(subject: &str) -> impl FnOnce(rcgen::Error) -> PkiError + use<> {
    let subject = subject.to_owned();
    move |source| PkiError::Certificate { subject, source }
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::*;

    use super::*;
    use crate::runtime::clock;

    #[test]
    fn a_provider_certificate_names_its_code_and_chains_to_the_anchor() {
        let at = clock::now().utc;
        let authority = StiAuthority::new("Test STI", at).unwrap();
        let provider = authority.provider("Test carrier", "1234", at).unwrap();

        let ders: Vec<Vec<u8>> = Pem::iter_from_buffer(provider.chain_pem.as_bytes())
            .map(|pem| pem.unwrap().contents)
            .collect();
        assert_eq!(ders.len(), 2, "end entity and intermediate");
        let (_, leaf) = X509Certificate::from_der(&ders[0]).unwrap();
        let (_, issuer) = X509Certificate::from_der(&ders[1]).unwrap();
        assert_eq!(leaf.issuer(), issuer.subject());
        assert!(!leaf.is_ca() && issuer.is_ca());
        assert!(leaf.validity().is_valid());
        let list = leaf
            .extensions()
            .iter()
            .find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.26")
            .expect("TNAuthList");
        assert_eq!(list.value, b"\x30\x08\xa0\x06\x16\x041234");
        assert!(!list.critical);

        let anchor = Pem::iter_from_buffer(authority.anchor_pem().as_bytes())
            .next()
            .unwrap()
            .unwrap();
        let (_, anchor) = X509Certificate::from_der(&anchor.contents).unwrap();
        assert_eq!(issuer.issuer(), anchor.subject());
    }

    #[test]
    fn the_web_authority_and_the_telephone_authority_are_strangers() {
        let at = clock::now().utc;
        let sti = StiAuthority::new("Test STI", at).unwrap();
        let web = web_identity(&["127.0.0.1".parse().unwrap()], at).unwrap();
        assert_ne!(sti.anchor_pem(), web.anchor_pem);
        let (_, server) = X509Certificate::from_der(&web.chain_der[0]).unwrap();
        let names = server.subject_alternative_name().unwrap().unwrap();
        assert!(
            names
                .value
                .general_names
                .contains(&GeneralName::IPAddress(&[127, 0, 0, 1]))
        );
    }

    #[test]
    fn a_provider_code_that_is_not_one_is_refused() {
        let at = clock::now().utc;
        let authority = StiAuthority::new("Test STI", at).unwrap();
        for code in ["", "12 34", "é", &"1".repeat(101)] {
            let made = authority.provider("Test carrier", code, at);
            assert!(matches!(made, Err(PkiError::ProviderCode)), "{code:?}");
        }
    }

    #[test]
    fn a_revocation_list_is_indirect_and_names_issuer_and_serial() {
        let at = clock::now().utc;
        let authority = StiAuthority::new("Test STI", at).unwrap();
        let other = StiAuthority::new("Other STI", at).unwrap();
        let revoked = [&authority, &other].map(|issuer| Revoked {
            issuer,
            serial: 0x4201_0007,
        });
        let der = authority.revocation_list(&revoked, at, at + VALID_AFTER).unwrap();
        let (rest, list) = CertificateRevocationList::from_der(&der).unwrap();
        assert!(rest.is_empty());
        assert_eq!(list.iter_revoked_certificates().count(), 2);
        assert!(list.next_update().unwrap() > list.last_update());
        for entry in list.iter_revoked_certificates() {
            assert_eq!(entry.raw_serial(), [0x42, 0x01, 0, 7]);
            assert_eq!(entry.extensions()[0].oid.to_id_string(), "2.5.29.29");
        }
        let point = &list.extensions()[0];
        assert!(point.critical && point.oid.to_id_string() == "2.5.29.28");
    }
}
