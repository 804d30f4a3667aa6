//! Signs the card that a 608 refers to (RFC 8688 §3.2): a signature takes randomness, so it is made here.

use aws_lc_rs::rand::SystemRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::call::{CardSigner, Contact};

/// The card for a reference that was handed out, as a JWS in its compact form; `None` for any other text.
///
/// JOSE header `typ`, `alg` and `x5u`; claims `iat` (when the call was refused) and `jcard`.
pub fn card(signer: &CardSigner, contact: &Contact, reference: &str) -> Option<String> {
    let iat = signer.read(reference)?;
    let header = json!({"alg": "ES256", "typ": "vcard+json", "x5u": signer.certificate_url});
    let claims = json!({"iat": iat, "jcard": contact.jcard()});
    let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let pair = signer.key().pair().ok()?;
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
    Some(format!("{signed}.{}", encode(signature.as_ref())))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, KeyPair, UnparsedPublicKey};

    use super::*;
    use crate::call::SigningKey;

    #[test]
    fn the_card_is_signed_for_the_time_of_the_refusal_and_says_whom_to_ask() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap();
        let public = key.pair().unwrap().public_key().as_ref().to_vec();
        let signer = CardSigner::new(
            key,
            "https://certs.example.com/r.pem".into(),
            "https://gw.example.com",
        );
        let contact = Contact {
            name: Some("Example Corp".into()),
            email: Some("calls@example.com".into()),
            ..Contact::default()
        };
        let info = signer.call_info(1_795_320_000);
        let reference = info.split("/redress/").nth(1).unwrap().split('>').next().unwrap();

        let jws = card(&signer, &contact, reference).unwrap();
        let (signed, signature) = jws.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        let json = |part: &str| serde_json::from_slice::<serde_json::Value>(&decode(part)).unwrap();
        assert_eq!(
            json(header),
            json!({"alg": "ES256", "typ": "vcard+json", "x5u": "https://certs.example.com/r.pem"})
        );
        assert_eq!(json(claims)["iat"], 1_795_320_000);
        assert_eq!(json(claims)["jcard"][1][1][3], "Example Corp");
        assert_eq!(card(&signer, &contact, "1795320000-00"), None);
    }
}
