//! Whom a refused caller may complain to: the coded Reason of 603+ (ATIS-1000099) and the signed card of 608 (RFC 8688).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use aws_lc_rs::{digest, hmac};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::policy::Profile;

/// `[refusal]`: how refused callers are answered, and what a profile needs to be honest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalConfig {
    /// What `then = "refuse"` answers on trunks that do not say; `None` = 608 without redress.
    pub profile: Option<Profile>,
    /// What a caller's side that does not announce `sip.608` hears instead of a 608 with a card (RFC 8688 §3.4 wants an
    /// announcement there, which needs the prompts component): `Rejected` = the 608 all the same.
    pub without_608: Profile,
    pub contact: Contact,
    /// Where the call was blocked, in the letters of RFC 8606 §4.
    pub location: &'static str,
    /// 603+ as Q.850 cause 21 instead of SIP cause 603 (ATIS-1000099 allows both).
    pub is_q850: bool,
    pub card: Option<CardSigner>,
}

impl Default for RefusalConfig {
    fn default() -> RefusalConfig {
        RefusalConfig {
            profile: None,
            without_608: Profile::Rejected,
            contact: Contact::default(),
            location: "RPN",
            is_q850: false,
            card: None,
        }
    }
}

/// Whom to ask. `config` has checked that nothing in it breaks out of a quoted header value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    pub name: Option<String>,
    /// https
    pub url: Option<String>,
    /// E.164 with `+`
    pub tel: Option<String>,
    pub email: Option<String>,
}

impl Contact {
    /// There is a way to reach somebody.
    pub fn is_reachable(&self) -> bool {
        self.url.is_some() || self.tel.is_some() || self.email.is_some()
    }

    /// The jCard (RFC 7095) of 608's redress (RFC 8688 §3.2.2).
    pub fn jcard(&self) -> serde_json::Value {
        let mut lines = vec![serde_json::json!(["version", {}, "text", "4.0"])];
        let mut add = |name: &str, kind: &str, value: Option<String>| {
            if let Some(value) = value {
                lines.push(serde_json::json!([name, {}, kind, value]));
            }
        };
        add("fn", "text", self.name.clone());
        add("org", "text", self.name.clone());
        add("url", "uri", self.url.clone());
        add("tel", "uri", self.tel.as_ref().map(|tel| format!("tel:{tel}")));
        add("email", "text", self.email.clone());
        serde_json::json!(["vcard", lines])
    }
}

impl RefusalConfig {
    /// What this profile lacks in the configuration, in words; `None` = nothing.
    pub fn lacks(&self, profile: Profile) -> Option<String> {
        match profile {
            Profile::NetworkBlocked if !self.contact.is_reachable() => {
                Some("one of url, tel and email in [refusal]: ATIS-1000099 names somebody to ask".into())
            }
            Profile::Rejected if !self.contact.is_reachable() => {
                Some("one of url, tel and email in [refusal]: RFC 8688 names somebody to ask".into())
            }
            Profile::Rejected if self.contact.name.is_none() => Some("name in [refusal]".into()),
            Profile::Rejected if self.card.is_none() => Some(
                "key and certificate_url in [refusal], and an https public_url in [api]: the card is signed and fetched"
                    .into(),
            ),
            _ => None,
        }
    }

    /// The Reason of 603+ (ATIS-1000099): protocol, coded text, and where the call was blocked (RFC 8606).
    pub(crate) fn block_reason(&self) -> Option<String> {
        let contact = Some(&self.contact).filter(|contact| contact.is_reachable())?;
        let mut text = "v=analytics1".to_string();
        for (name, value) in [
            ("url", &contact.url),
            ("tel", &contact.tel),
            ("email", &contact.email),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(";{name}={value}"));
            }
        }
        let cause = if self.is_q850 {
            "Q.850;cause=21"
        } else {
            "SIP;cause=603"
        };
        Some(format!("{cause};text=\"{text}\";location={}", self.location))
    }
}

/// Signs cards, and names them so that nobody can have one signed for a time of his choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardSigner {
    key: SigningKey,
    /// `x5u`: where the certificate of the key is.
    pub certificate_url: String,
    /// `[api] public_url`
    public_url: String,
    /// Keyed with the signing key: the same after a restart, and on every gateway of a cluster.
    reference_key: [u8; 32],
}

impl CardSigner {
    pub fn new(key: SigningKey, certificate_url: String, public_url: &str) -> CardSigner {
        let mut secret = b"ringward redress reference".to_vec();
        secret.extend_from_slice(&key.0);
        let mut reference_key = [0; 32];
        reference_key.copy_from_slice(digest::digest(&digest::SHA256, &secret).as_ref());
        CardSigner {
            key,
            certificate_url,
            public_url: public_url.trim_end_matches('/').to_string(),
            reference_key,
        }
    }

    /// The value of Call-Info for a call refused at `iat` (whole seconds since the Unix epoch). It names the time and
    /// not the call: a call's own name opens its card, which is for the called side.
    pub(crate) fn call_info(&self, iat: u64) -> String {
        let reference = format!("{iat}-{}", self.mark(iat));
        format!("<{}/redress/{reference}>;purpose=jwscard", self.public_url)
    }

    /// The `iat` of a reference that was handed out; `None` for any other text.
    pub fn read(&self, reference: &str) -> Option<u64> {
        let (iat, mark) = reference.split_once('-')?;
        let iat: u64 = iat.parse().ok()?;
        // Both are public sizes of public text: what must not be guessed is the mark, and that takes 2^127 tries.
        (self.mark(iat) == mark).then_some(iat)
    }

    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    fn mark(&self, iat: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.reference_key);
        let tag = hmac::sign(&key, &iat.to_be_bytes());
        tag.as_ref()[..16]
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect()
    }
}

/// A private ES256 key, checked. Prints as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Arc<[u8]>);

/// The file holds no private key on P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it holds no private P-256 key in PEM (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)"
)]
pub struct NotAKey;

impl SigningKey {
    /// The first private key of a PEM file (PKCS#8 or SEC1).
    ///
    /// # Errors
    ///
    /// [`NotAKey`]
    pub fn from_pem(pem: &[u8]) -> Result<SigningKey, NotAKey> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| NotAKey)?;
        let key = SigningKey(der.secret_der().into());
        key.pair().map(|_| key)
    }

    /// Ready to sign.
    ///
    /// # Errors
    ///
    /// None for a key that [`SigningKey::from_pem`] took.
    pub fn pair(&self) -> Result<EcdsaKeyPair, NotAKey> {
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.0).map_err(|_| NotAKey)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact() -> Contact {
        Contact {
            name: Some("Example Corp".into()),
            url: Some("https://example.com/blocked".into()),
            tel: Some("+12125550199".into()),
            email: Some("calls@example.com".into()),
        }
    }

    fn signer() -> CardSigner {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap();
        CardSigner::new(
            key,
            "https://certs.example.com/r.pem".into(),
            "https://gw.example.com/",
        )
    }

    #[test]
    fn a_603_plus_names_whom_to_ask_and_where_it_was_blocked() {
        let mut config = RefusalConfig {
            contact: contact(),
            ..RefusalConfig::default()
        };
        let text =
            "text=\"v=analytics1;url=https://example.com/blocked;tel=+12125550199;email=calls@example.com\"";
        let reason = config.block_reason().unwrap();
        assert_eq!(reason, format!("SIP;cause=603;{text};location=RPN"));
        config.is_q850 = true;
        config.location = "RLN";
        let reason = config.block_reason().unwrap();
        assert_eq!(reason, format!("Q.850;cause=21;{text};location=RLN"));
        config.contact = Contact::default();
        assert_eq!(config.block_reason(), None, "without a contact it is no 603+");
    }

    #[test]
    fn what_a_profile_lacks_is_said_in_words() {
        let mut config = RefusalConfig::default();
        for profile in [
            Profile::Stir,
            Profile::Decline,
            Profile::Unavailable,
            Profile::Unwanted,
        ] {
            assert_eq!(config.lacks(profile), None, "{profile:?}");
        }
        let lacks = |config: &RefusalConfig, profile| config.lacks(profile).unwrap_or_default();
        assert!(lacks(&config, Profile::NetworkBlocked).contains("one of url, tel and email"));
        assert!(lacks(&config, Profile::Rejected).contains("one of url, tel and email"));
        config.contact.tel = contact().tel;
        assert_eq!(config.lacks(Profile::NetworkBlocked), None);
        assert!(lacks(&config, Profile::Rejected).contains("name in [refusal]"));
        config.contact = contact();
        assert!(lacks(&config, Profile::Rejected).contains("key and certificate_url"));
        config.card = Some(signer());
        assert_eq!(config.lacks(Profile::Rejected), None);
    }

    #[test]
    fn only_references_that_were_handed_out_are_read() {
        let signer = signer();
        let info = signer.call_info(1_795_320_000);
        let reference = info
            .strip_prefix("<https://gw.example.com/redress/")
            .and_then(|rest| rest.strip_suffix(">;purpose=jwscard"))
            .unwrap();
        assert_eq!(signer.read(reference), Some(1_795_320_000));
        for forged in [
            "",
            "1795320000",
            "1795320000-",
            &reference.replace("1795320000", "1795320001"),
            &reference.replace("1795320000-", "+1795320000-x"),
            &format!("{reference}0"),
        ] {
            assert_eq!(signer.read(forged), None, "{forged}");
        }
        assert_eq!(
            self::signer().read(reference),
            None,
            "another key, other references"
        );
    }

    #[test]
    fn a_key_is_checked_and_never_printed() {
        assert_eq!(SigningKey::from_pem(b"nothing"), Err(NotAKey));
        let rsa = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        assert_eq!(SigningKey::from_pem(rsa.as_bytes()), Err(NotAKey));
        assert!(format!("{:?}", signer()).contains("key: SigningKey(..)"));
    }

    #[test]
    fn the_card_is_a_jcard_with_what_is_known() {
        assert_eq!(
            contact().jcard().to_string(),
            r#"["vcard",[["version",{},"text","4.0"],["fn",{},"text","Example Corp"],["org",{},"text","Example Corp"],["url",{},"uri","https://example.com/blocked"],["tel",{},"uri","tel:+12125550199"],["email",{},"text","calls@example.com"]]]"#
        );
    }
}
