//! A certificate authority, a signer and signed calls, for the tests of this room and of what stands on it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// 22 November 2026, 06:30:00 UTC.
pub(crate) const NOW: u64 = 1_795_329_000;
pub(crate) const URL: &str = "https://cert.example.org/sp.pem";

pub(crate) struct Signer {
    pub(crate) anchor: String,
    pub(crate) certificate: String,
    key: EncodingKey,
}

impl Signer {
    /// With the provider code 1234.
    pub(crate) fn new() -> Signer {
        // SEQUENCE { [0] { IA5String "1234" } }
        let list = [&[0x30, 8, 0xa0, 6, 0x16, 4], &b"1234"[..]].concat();
        Signer::with(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list)
    }

    /// With its numbers by reference (RFC 8226 §10.1).
    pub(crate) fn with_list_at(url: &str) -> Signer {
        let method = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 14];
        let location = [&[0x86, url.len() as u8][..], url.as_bytes()].concat();
        let description = [
            &[0x30, (method.len() + location.len()) as u8][..],
            &method,
            &location,
        ]
        .concat();
        let access = [&[0x30, description.len() as u8][..], &description].concat();
        Signer::with(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)
    }

    fn with(oid: &[u64], content: Vec<u8>) -> Signer {
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(DnType::CommonName, "Test STI root");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority_key = KeyPair::generate().unwrap();
        let anchor = authority.self_signed(&authority_key).unwrap().pem();

        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "SHAKEN 1234");
        params.custom_extensions = vec![CustomExtension::from_oid_content(oid, content)];
        let key = KeyPair::generate().unwrap();
        let certificate = params
            .signed_by(&key, &Issuer::from_params(&authority, &authority_key))
            .unwrap();
        Signer {
            anchor,
            certificate: certificate.pem(),
            key: EncodingKey::from_ec_der(&key.serialize_der()),
        }
    }

    /// An Identity header value for the call of [`invite`].
    pub(crate) fn identity(&self, url: &str, iat: u64) -> String {
        let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{url}"}}"#);
        let payload = format!(
            r#"{{"attest":"A","dest":{{"tn":["12125550100"]}},"iat":{iat},"orig":{{"tn":"14045550123"}},"origid":"123e4567-e89b-12d3-a456-426655440000"}}"#
        );
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{signed}.{signature};info=<{url}>;alg=ES256;ppt=shaken")
    }
}

/// An INVITE from +14045550123 to +12125550100 with these header lines in it.
pub(crate) fn invite(lines: &str) -> String {
    format!(
        "INVITE sip:+12125550100@192.0.2.1;user=phone SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1\r\n\
         Max-Forwards: 70\r\n\
         From: \"Caller\" <sip:+14045550123@carrier.example.com;user=phone>;tag=1\r\n\
         To: <sip:+12125550100@example.com;user=phone>\r\n\
         Call-ID: 1@carrier.example.com\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:192.0.2.9>\r\n\
         {lines}Content-Length: 0\r\n\r\n"
    )
}
