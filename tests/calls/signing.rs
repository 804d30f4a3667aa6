//! What a signer's side does: certificates, PASSporTs, and an identity engine that trusts its authority.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use ringward::identity::{Config, Engine};

pub const CERTIFICATE_URL: &str = "https://certs.example.org/carrier.pem";

/// TNAuthList with one service provider code, "1234" (RFC 8226 §9).
const TN_AUTH_LIST: [u8; 10] = [0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'1', b'2', b'3', b'4'];

/// A certificate authority and one carrier's credential.
pub struct Signer {
    pub anchor_pem: String,
    /// What the certificate host serves.
    pub chain_pem: String,
    key: EcdsaKeyPair,
}

/// Made once: keys cost time, and every test may trust the same authority.
pub fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority
            .distinguished_name
            .push(DnType::CommonName, "Test STI-CA");
        let anchor = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut carrier = CertificateParams::new(Vec::new()).unwrap();
        carrier.distinguished_name.push(DnType::CommonName, "SHAKEN 1234");
        carrier.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        carrier.use_authority_key_identifier_extension = true;
        carrier.custom_extensions.push(CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 5, 5, 7, 1, 26],
            TN_AUTH_LIST.to_vec(),
        ));
        let certificate = carrier.signed_by(&key, &issuer).unwrap();
        Signer {
            anchor_pem: anchor.pem(),
            chain_pem: certificate.pem(),
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.serialize_der()).unwrap(),
        }
    })
}

/// An identity engine that trusts [`signer`]'s authority.
pub fn identity() -> Engine {
    let anchors = [(
        "test-anchor.pem".to_string(),
        signer().anchor_pem.clone().into_bytes(),
    )];
    Engine::new(&Config::default(), &anchors).expect("the anchor can be read")
}

/// An Identity header signed by [`signer`]. Numbers are digits only; `iat` is in Unix seconds.
pub fn signed_token(attest: char, orig: &str, dest: &str, iat: u64) -> String {
    token(attest, orig, dest, iat, CERTIFICATE_URL, |text| {
        signer()
            .key
            .sign(&SystemRandom::new(), text.as_bytes())
            .unwrap()
            .as_ref()
            .to_vec()
    })
}

/// A well-formed token that nobody signed, pointing at `url`.
pub fn unsigned_token(orig: &str, dest: &str, iat: u64, url: &str) -> String {
    token('A', orig, dest, iat, url, |_| vec![0x5a; 64])
}

/// An Identity header of another kind, signed by [`signer`]: `claims` are members that stand beside `orig`, `dest` and
/// `iat`, as JSON text with a comma before each.
pub fn signed_passport(ppt: &str, orig: &str, dest: &str, iat: u64, claims: &str) -> String {
    let encode = |octets: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets);
    let header = format!(r#"{{"alg":"ES256","ppt":"{ppt}","typ":"passport","x5u":"{CERTIFICATE_URL}"}}"#);
    let payload = format!(r#"{{"dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}}{claims}}}"#);
    let text = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = signer().key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    format!(
        "{text}.{};info=<{CERTIFICATE_URL}>;alg=ES256;ppt=\"{ppt}\"",
        encode(signature.as_ref())
    )
}

fn token(
    attest: char,
    orig: &str,
    dest: &str,
    iat: u64,
    url: &str,
    sign: impl Fn(&str) -> Vec<u8>,
) -> String {
    let encode = |octets: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets);
    let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{url}"}}"#);
    let payload = format!(
        r#"{{"attest":"{attest}","dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}},"origid":"123e4567-e89b-12d3-a456-426655440000"}}"#
    );
    let text = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = encode(&sign(&text));
    format!("{text}.{signature};info=<{url}>;alg=ES256;ppt=\"shaken\"")
}
