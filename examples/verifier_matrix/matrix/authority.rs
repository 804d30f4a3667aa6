//! The trust of one run: two telephone-identity (STI) roots, their issuing authorities, the policy administrator that
//! signs revocation lists, and providers. Every key is made for the run and never leaves it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};

use super::der::{self, Revoked, TnEntry};

/// id-pe-TNAuthList (RFC 8226 §9).
pub const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
/// id-pe-JWTClaimConstraints (RFC 8226 §8).
pub const CLAIM_CONSTRAINTS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 27];
/// id-pe-eJWTClaimConstraints (RFC 9118 §4).
pub const ENHANCED_CLAIM_CONSTRAINTS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 33];
/// id-pe-authorityInfoAccess (RFC 5280 §4.2.2.1).
pub const AUTHORITY_INFORMATION_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];

/// A provider of ours has this serial number; the second authority has revoked the same number of its own.
pub const SHARED_SERIAL: &[u8] = &[0x42, 0x01];
const REVOKED_SERIAL: &[u8] = &[0x66, 0x01];
const REVOKED_AUTHORITY_SERIAL: &[u8] = &[0x77, 0x01];

/// Which revocation list a verifier is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lists {
    /// Signed by the policy administrator, valid now.
    Current,
    /// Right in everything but its signature.
    BadSignature,
    /// Its nextUpdate has passed.
    Stale,
    /// Signed by somebody to whom no anchor leads.
    OfAStranger,
}

/// A certificate with its key, able to issue others.
pub struct Holder {
    pub params: CertificateParams,
    pub key: KeyPair,
    pub pem: String,
    pub der: Vec<u8>,
}

impl Holder {
    /// Signs itself.
    pub fn root(params: CertificateParams) -> Holder {
        let key = new_key();
        let certificate = params.self_signed(&key).expect("a certificate can be made");
        Holder {
            params,
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key,
        }
    }

    pub fn issue(&self, params: CertificateParams) -> Holder {
        self.issue_with_key(params, new_key())
    }

    pub fn issue_with_key(&self, params: CertificateParams, key: KeyPair) -> Holder {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params
            .signed_by(&key, &issuer)
            .expect("a certificate can be made");
        Holder {
            params,
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key,
        }
    }

    /// The subject's name in DER.
    fn name(&self) -> Vec<u8> {
        use x509_parser::prelude::{FromDer as _, X509Certificate};
        let (_, parsed) = X509Certificate::from_der(&self.der).expect("made a moment ago");
        parsed.subject().as_raw().to_vec()
    }
}

/// The authorities and providers of one run.
pub struct World {
    /// Unix seconds at which the world was made.
    pub at: i64,
    pub root: Holder,
    pub issuing: Holder,
    pub second_root: Holder,
    pub second_issuing: Holder,
    /// Trusted, and its certificate stands in the revocation list.
    pub revoked_issuing: Holder,
    administrator: Holder,
    /// The ordinary provider, code 1234.
    pub signer: Holder,
    /// Its certificate stands in the revocation list.
    pub revoked: Holder,
}

impl World {
    pub fn new(at: i64) -> World {
        let root = Holder::root(authority("Matrix STI root", at));
        let issuing = root.issue(authority("Matrix STI issuing CA", at));
        let second_root = Holder::root(authority("Matrix second STI root", at));
        let second_issuing = second_root.issue(authority("Matrix second STI issuing CA", at));
        let mut params = authority("Matrix revoked STI issuing CA", at);
        params.serial_number = Some(SerialNumber::from_slice(REVOKED_AUTHORITY_SERIAL));
        let revoked_issuing = root.issue(params);
        let administrator = root.issue(authority("Matrix STI policy administrator", at));
        let signer = issuing.issue(provider("SHAKEN 1234", at));
        let mut params = provider("SHAKEN 1234 of last year", at);
        params.serial_number = Some(SerialNumber::from_slice(REVOKED_SERIAL));
        let revoked = issuing.issue(params);
        World {
            at,
            root,
            issuing,
            second_root,
            second_issuing,
            revoked_issuing,
            administrator,
            signer,
            revoked,
        }
    }

    /// What a verifier is told to trust.
    pub fn anchors_pem(&self) -> String {
        format!("{}{}", self.root.pem, self.second_root.pem)
    }

    /// Leaf first, then its issuing authority: what an x5u serves.
    pub fn chain_of(&self, leaf: &Holder) -> String {
        format!("{}{}", leaf.pem, self.issuing.pem)
    }

    /// The list, and the certificate of its signer behind it.
    pub fn revocation_pem(&self, lists: Lists) -> String {
        let entry = |serial: &[u8], issuer: &Holder| Revoked {
            serial: serial.to_vec(),
            issuer: issuer.name(),
        };
        let revoked = [
            entry(REVOKED_SERIAL, &self.issuing),
            entry(SHARED_SERIAL, &self.second_issuing),
            entry(REVOKED_AUTHORITY_SERIAL, &self.root),
        ];
        let stranger;
        let by = match lists {
            Lists::OfAStranger => {
                stranger = Holder::root(authority("Matrix STI policy administrator", self.at));
                &stranger
            }
            _ => &self.administrator,
        };
        let until = match lists {
            Lists::Stale => self.at - 60,
            _ => self.at + 86_400,
        };
        // Where the list says nothing usable, it also names nobody whom a verifier could rightly refuse by it.
        let named = match lists {
            Lists::Current => &revoked[..],
            _ => &[],
        };
        let mut list = der::revocation_list((&by.name(), &by.key), named, self.at - 3600, until);
        if lists == Lists::BadSignature
            && let Some(last) = list.last_mut()
        {
            *last ^= 1;
        }
        let body: Vec<String> = STANDARD
            .encode(&list)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!(
            "-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n{}",
            body.join("\n"),
            by.pem
        )
    }
}

/// An authority valid from yesterday for two days.
pub fn authority(name: &str, at: i64) -> CertificateParams {
    let mut params = plain(name, at);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A provider with code 1234, valid as long.
pub fn provider(name: &str, at: i64) -> CertificateParams {
    holder_of(&[TnEntry::Provider("1234")], name, at)
}

/// Somebody with authority over these TNAuthList entries.
pub fn holder_of(entries: &[TnEntry<'_>], name: &str, at: i64) -> CertificateParams {
    let mut params = plain(name, at);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
        .custom_extensions
        .push(extension(TN_AUTH_LIST, der::tn_auth_list(entries), false));
    params
}

pub fn extension(oid: &[u64], content: Vec<u8>, is_critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(is_critical);
    extension
}

/// Sets the validity, Unix seconds.
pub fn valid(params: &mut CertificateParams, from: i64, until: i64) {
    params.not_before = moment(from).into();
    params.not_after = moment(until).into();
}

pub fn moment(second: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(second).unwrap_or_default())
}

pub fn new_key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a P-256 key can be made")
}

fn plain(name: &str, at: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "US");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Ringward matrix");
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, at - 86_400, at + 86_400);
    params
}
