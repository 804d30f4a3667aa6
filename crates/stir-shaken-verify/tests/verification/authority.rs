//! A test certification authority, signers, tokens and revocation lists; made fresh for each test.
#![allow(
    clippy::unwrap_used,
    reason = "a test authority that cannot be made says where"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber, SigningKey as _,
};
use stir_shaken_verify::{Anchors, FetchFailure, MessageView, NumberRules, Report, Verifier, VerifierConfig};

pub const URL: &str = "https://cert.example.org/sp.pem";
/// 22 November 2026, 06:30:00 UTC.
pub const NOW: i64 = 1_795_329_000;
pub const CALLER: &str = "14045550123";
pub const CALLED: &str = "12125550100";

/// DER by hand, for what rcgen cannot write.
pub mod der {
    pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let value = parts.concat();
        let mut octets = vec![tag];
        match value.len() {
            length @ 0..=0x7f => octets.push(length as u8),
            length @ 0x80..=0xff => octets.extend([0x81, length as u8]),
            length => octets.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        octets.extend(value);
        octets
    }

    pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
        element(0x30, parts)
    }

    pub fn ia5(text: &str) -> Vec<u8> {
        element(0x16, &[text.as_bytes()])
    }

    pub fn utf8(text: &str) -> Vec<u8> {
        element(0x0c, &[text.as_bytes()])
    }

    pub fn context(number: u8, parts: &[&[u8]]) -> Vec<u8> {
        element(0xa0 | number, parts)
    }
}

pub fn spc(code: &str) -> Vec<u8> {
    der::sequence(&[&der::context(0, &[&der::ia5(code)])])
}

pub fn one_number(number: &str) -> Vec<u8> {
    der::sequence(&[&der::context(2, &[&der::ia5(number)])])
}

pub fn number_range(start: &str, count: u8) -> Vec<u8> {
    let range = der::sequence(&[&der::ia5(start), &der::element(2, &[&[count]])]);
    der::sequence(&[&der::context(1, &[&range])])
}

const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
pub const CLAIM_CONSTRAINTS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 27];
pub const ENHANCED_CLAIM_CONSTRAINTS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 33];

pub fn extension(oid: &[u64], content: Vec<u8>, is_critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(is_critical);
    extension
}

/// Authority Information Access (RFC 5280 §4.2.2.1) that refers to lists of numbers (RFC 8226 §10.1).
pub fn tn_list_at(urls: &[&str]) -> CustomExtension {
    let method = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 14];
    let all: Vec<u8> = urls
        .iter()
        .flat_map(|url| der::sequence(&[&method, &der::element(0x86, &[url.as_bytes()])]))
        .collect();
    extension(&[1, 3, 6, 1, 5, 5, 7, 1, 1], der::sequence(&[&all]), false)
}

fn point_name(url: Option<&str>) -> Vec<u8> {
    url.map_or(Vec::new(), |url| {
        der::context(0, &[&der::context(0, &[&der::element(0x86, &[url.as_bytes()])])])
    })
}

/// A distribution point in a certificate: where its list is, and whose (the DER of a name) when not its issuer's.
pub fn crl_point(url: Option<&str>, issuer: Option<&[u8]>) -> CustomExtension {
    let issuer = issuer.map_or(Vec::new(), |name| der::context(2, &[&der::context(4, &[name])]));
    let point = der::sequence(&[&point_name(url), &issuer]);
    extension(&[2, 5, 29, 31], der::sequence(&[&point]), false)
}

/// A certificate with its key, able to issue others.
pub struct Holder {
    pub params: CertificateParams,
    pub key: KeyPair,
    pub pem: String,
    pub der: Vec<u8>,
}

pub fn date(second: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(second).unwrap()
}

pub fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date(NOW - 86_400);
    params.not_after = date(NOW + 86_400);
    params
}

pub fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub fn signer_params(tn_auth_list: Option<Vec<u8>>) -> CertificateParams {
    let mut params = params("SHAKEN 1234");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.serial_number = Some(SerialNumber::from_slice(&[0x42, 0x01]));
    params
        .custom_extensions
        .extend(tn_auth_list.map(|list| extension(TN_AUTH_LIST, list, false)));
    params
}

pub fn critical_tn_auth_list(list: Vec<u8>) -> CertificateParams {
    let mut params = signer_params(None);
    params.custom_extensions.push(extension(TN_AUTH_LIST, list, true));
    params
}

impl Holder {
    pub fn root(params: CertificateParams) -> Holder {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Holder {
            params,
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key,
        }
    }

    /// The same certificate and key once more.
    pub fn copy_of(of: &Holder) -> Holder {
        Holder {
            params: of.params.clone(),
            key: KeyPair::try_from(of.key.serialize_der()).unwrap(),
            pem: of.pem.clone(),
            der: of.der.clone(),
        }
    }

    pub fn issue(&self, params: CertificateParams) -> Holder {
        self.issue_with_key(params, KeyPair::generate().unwrap())
    }

    pub fn issue_with_key(&self, params: CertificateParams, key: KeyPair) -> Holder {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Holder {
            params,
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key,
        }
    }
}

/// Root, intermediate, signer: the ordinary shape.
pub struct World {
    pub root: Holder,
    pub intermediate: Holder,
    pub signer: Holder,
}

impl World {
    pub fn new() -> World {
        World::with_signer(signer_params(Some(spc("1234"))))
    }

    pub fn with_signer(params: CertificateParams) -> World {
        let root = Holder::root(authority_params("Test STI root"));
        let intermediate = root.issue(authority_params("Test STI intermediate"));
        let signer = intermediate.issue(params);
        World {
            root,
            intermediate,
            signer,
        }
    }

    /// Leaf first, then the intermediate.
    pub fn chain(&self) -> String {
        format!("{}{}", self.signer.pem, self.intermediate.pem)
    }

    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.config())
    }

    pub fn config(&self) -> VerifierConfig {
        let mut anchors = Anchors::new();
        anchors.add_pem(self.root.pem.as_bytes()).unwrap();
        VerifierConfig::new(anchors, NumberRules::new("US").unwrap())
    }

    pub fn token(&self) -> Token {
        Token::new(&self.signer.key)
    }

    /// The ordinary call under another configuration.
    pub fn judged(&self, config: VerifierConfig) -> Report {
        let identity = self.token().signed();
        judge(
            &mut Verifier::new(config),
            &message(&identity),
            &self.chain(),
            NOW,
        )
    }
}

/// A token to be; change what should be different, then print.
pub struct Token {
    pub header: String,
    pub payload: String,
    key: EncodingKey,
    pub parameters: String,
}

impl Token {
    pub fn new(key: &KeyPair) -> Token {
        Token {
            header: format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{URL}"}}"#),
            payload: format!(
                r#"{{"attest":"A","dest":{{"tn":["{CALLED}"]}},"iat":{NOW},"orig":{{"tn":"{CALLER}"}},"origid":"123e4567-e89b-12d3-a456-426655440000"}}"#
            ),
            key: EncodingKey::from_ec_der(&key.serialize_der()),
            parameters: format!(";info=<{URL}>;alg=ES256;ppt=\"shaken\""),
        }
    }

    /// Replaces a part of the payload; it must be there.
    pub fn with(mut self, from: &str, to: &str) -> Token {
        assert!(self.payload.contains(from), "{from} is not in the payload");
        self.payload = self.payload.replace(from, to);
        self
    }

    pub fn with_header(mut self, from: &str, to: &str) -> Token {
        assert!(self.header.contains(from), "{from} is not in the header");
        self.header = self.header.replace(from, to);
        self
    }

    pub fn with_parameters(mut self, from: &str, to: &str) -> Token {
        assert!(self.parameters.contains(from), "{from} is not in the parameters");
        self.parameters = self.parameters.replace(from, to);
        self
    }

    pub fn with_iat(self, iat: i64) -> Token {
        self.with(&NOW.to_string(), &iat.to_string())
    }

    pub fn signed(&self) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(&self.header), part(&self.payload));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{signed}.{signature}{}", self.parameters)
    }
}

/// The message that the ordinary token belongs to.
pub fn message(identity: &str) -> MessageView<'_> {
    MessageView {
        identity: vec![identity.into()],
        from: "sip:+14045550123@carrier.example.com;user=phone".into(),
        to: "sip:+12125550100@example.com;user=phone".into(),
        request_uri: "sip:+12125550100@10.0.0.1;user=phone".into(),
        ..MessageView::default()
    }
}

pub fn at(second: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second as u64)
}

/// Supplies what `pages` has until nothing more is wanted, and concludes. A URL that is not among them is unreachable.
pub fn judge_with(
    verifier: &mut Verifier,
    message: &MessageView<'_>,
    pages: &[(&str, &[u8])],
    arrived: i64,
) -> Report {
    let mut verification = verifier.begin(message, at(arrived));
    for _round in 0..3 {
        let wanted: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
        for url in wanted {
            let page = pages.iter().find(|(at, _)| *at == url);
            verification.supply(
                &url,
                page.map(|(_, body)| (*body).into())
                    .ok_or(FetchFailure::Unreachable),
            );
        }
    }
    assert!(verification.is_complete(), "more than three rounds");
    verifier.conclude(verification)
}

/// Supplies `chain` for whatever is wanted and concludes.
pub fn judge(verifier: &mut Verifier, message: &MessageView<'_>, chain: &str, arrived: i64) -> Report {
    let mut verification = verifier.begin(message, at(arrived));
    let wanted: Vec<String> = verification.wanted().into_iter().map(str::to_string).collect();
    for url in wanted {
        verification.supply(&url, Ok(chain.as_bytes().into()));
    }
    verifier.conclude(verification)
}

pub struct Revoked<'a> {
    pub serial: &'a [u8],
    /// DER of the issuer's name, for indirect lists.
    pub issuer: Option<Vec<u8>>,
}

/// A revocation list signed by `by`; `is_indirect` adds the critical extension that says so.
pub fn crl(by: &Holder, is_indirect: bool, revoked: &[Revoked<'_>], this: i64, next: i64) -> Vec<u8> {
    crl_at(by, is_indirect, None, revoked, this, next)
}

/// The same, saying in the list where it is published.
pub fn crl_at(
    by: &Holder,
    is_indirect: bool,
    url: Option<&str>,
    revoked: &[Revoked<'_>],
    this: i64,
    next: i64,
) -> Vec<u8> {
    let algorithm = der::sequence(&[&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
    let moment = |second: i64| {
        let at = date(second);
        let text = format!(
            "{:02}{:02}{:02}{:02}{:02}{:02}Z",
            at.year() - 2000,
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        );
        der::element(0x17, &[text.as_bytes()])
    };
    let critical = [0x01, 1, 0xff];
    let entries: Vec<u8> = revoked
        .iter()
        .flat_map(|entry| {
            let serial = der::element(2, &[entry.serial]);
            let extensions = entry.issuer.as_ref().map(|name| {
                let names = der::sequence(&[&der::context(4, &[name])]);
                let oid = [0x06, 3, 0x55, 0x1d, 29];
                der::sequence(&[&der::sequence(&[&oid, &critical, &der::element(4, &[&names])])])
            });
            der::sequence(&[&serial, &moment(this), &extensions.unwrap_or_default()])
        })
        .collect();
    let entries = if entries.is_empty() {
        Vec::new()
    } else {
        der::sequence(&[&entries])
    };
    let flag: &[u8] = if is_indirect { &[0x84, 1, 0xff] } else { &[] };
    let point = der::sequence(&[&point_name(url), flag]);
    let extensions = if is_indirect || url.is_some() {
        let point = der::sequence(&[&[0x06, 3, 0x55, 0x1d, 28], &critical, &der::element(4, &[&point])]);
        der::context(0, &[&der::sequence(&[&point])])
    } else {
        Vec::new()
    };
    let tbs = der::sequence(&[
        &[2, 1, 1],
        &algorithm,
        &name_of(&by.der),
        &moment(this),
        &moment(next),
        &entries,
        &extensions,
    ]);
    let signature = by.key.sign(&tbs).unwrap();
    der::sequence(&[&tbs, &algorithm, &der::element(3, &[&[0], &signature])])
}

/// The subject's name of a certificate, in DER.
pub fn name_of(certificate: &[u8]) -> Vec<u8> {
    use x509_parser::prelude::FromDer;
    let (_, parsed) = x509_parser::prelude::X509Certificate::from_der(certificate).unwrap();
    parsed.subject().as_raw().to_vec()
}
