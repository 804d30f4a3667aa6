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
    IsCa, KeyPair, KeyUsagePurpose, SanType,
};

use super::passport::Signer;

/// TNAuthList (RFC 8226 §9): id-pe-TNAuthList.
const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
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
        let key = new_key(name)?;
        let mut params = params(name, at);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.custom_extensions = vec![
            CustomExtension::from_oid_content(TN_AUTH_LIST, tn_auth_list(spc)?),
            CustomExtension::from_oid_content(CERTIFICATE_POLICIES, SHAKEN_POLICY.to_vec()),
        ];
        let certificate = params
            .signed_by(&key, &self.intermediate)
            .map_err(refused(name))?;
        let signer = Signer::from_pkcs8(key.serialized_der()).ok_or_else(|| PkiError::Key {
            subject: name.to_owned(),
        })?;
        Ok(Provider {
            chain_pem: certificate.pem() + &self.intermediate.pem(),
            signer,
        })
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

/// `TNAuthorizationList` with one entry: `[0] ServiceProviderCode` (RFC 8226 §9, explicit tags).
fn tn_auth_list(spc: &str) -> Result<Vec<u8>, PkiError> {
    let is_plain = spc.bytes().all(|octet| octet.is_ascii_alphanumeric());
    let length = match u8::try_from(spc.len()) {
        Ok(length @ 1..=100) if is_plain => length,
        _ => return Err(PkiError::ProviderCode),
    };
    let mut der = vec![0x30, length + 4, 0xa0, length + 2, 0x16, length];
    der.extend_from_slice(spc.as_bytes());
    Ok(der)
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
        for code in ["", "12 34", "é", &"1".repeat(101)] {
            assert!(
                matches!(tn_auth_list(code), Err(PkiError::ProviderCode)),
                "{code:?}"
            );
        }
    }
}
