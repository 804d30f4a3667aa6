//! Who we are in a handshake, and whether the other side is whom its description says: a certificate that nobody signed, known
//! by its fingerprint (RFC 5763 §5, RFC 8122 §5), and a signature by its key.

use std::fmt;

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, UnparsedPublicKey, VerificationAlgorithm};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::Fault;
use crate::sdp::{Fingerprint, FingerprintHash};

/// Our certificate and its key: made at every start, signed by itself, the same for all calls of a process.
pub struct Identity {
    pub(super) certificate: Vec<u8>,
    key: EcdsaKeyPair,
    fingerprint: Fingerprint,
}

/// The certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no certificate for DTLS-SRTP could be made")]
pub struct NotMade;

impl Identity {
    /// A new key (ECDSA P-256) and its certificate. It names nobody, and its dates mean nothing: it is believed for its fingerprint.
    ///
    /// # Errors
    ///
    /// [`NotMade`] where the system gives no randomness.
    pub fn new() -> Result<Identity, NotMade> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|_| NotMade)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "ringward");
        let certificate = params.self_signed(&pair).map_err(|_| NotMade)?.der().to_vec();
        let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &pair.serialize_der()).map_err(|_| NotMade)?;
        let fingerprint = fingerprint(FingerprintHash::Sha256, &certificate);
        Ok(Identity {
            certificate,
            key,
            fingerprint: fingerprint.ok_or(NotMade)?,
        })
    }

    /// Another's certificate, without the key that belongs to it.
    #[cfg(test)]
    pub(super) fn showing(self, other: &Identity) -> Identity {
        Identity {
            certificate: other.certificate.clone(),
            fingerprint: other.fingerprint.clone(),
            ..self
        }
    }

    /// What our descriptions say of it.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// A signature over `message` by [`Scheme::EcdsaSha256`].
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        let signature = self
            .key
            .sign(&SystemRandom::new(), message)
            .map_err(|_| Fault::Ours)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Nothing of the key.
impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Identity").field(&self.fingerprint).finish()
    }
}

/// The certificate's fingerprint by this hash.
fn fingerprint(hash: FingerprintHash, certificate: &[u8]) -> Option<Fingerprint> {
    let algorithm = match hash {
        FingerprintHash::Sha256 => &digest::SHA256,
        FingerprintHash::Sha384 => &digest::SHA384,
        FingerprintHash::Sha512 => &digest::SHA512,
    };
    Fingerprint::new(hash, digest(algorithm, certificate).as_ref())
}

/// Whether it is the certificate that a description speaks of: one of its fingerprints by the strongest hash that it has
/// (RFC 8122 §5.1).
pub(super) fn is_described(certificate: &[u8], described: &[Fingerprint]) -> bool {
    let strongest = described.iter().map(Fingerprint::hash).max();
    let found = strongest.and_then(|hash| fingerprint(hash, certificate));
    found.is_some_and(|found| described.contains(&found))
}

/// How something is signed (RFC 5246 §7.4.1.4.1, RFC 8446 §4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    EcdsaSha256,
    EcdsaSha384,
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
    RsaSha256,
    RsaSha384,
    RsaSha512,
}

impl Scheme {
    pub(super) const ALL: [Scheme; 8] = [
        Scheme::EcdsaSha256,
        Scheme::EcdsaSha384,
        Scheme::RsaPssSha256,
        Scheme::RsaPssSha384,
        Scheme::RsaPssSha512,
        Scheme::RsaSha256,
        Scheme::RsaSha384,
        Scheme::RsaSha512,
    ];

    pub(super) fn number(self) -> u16 {
        match self {
            Scheme::EcdsaSha256 => 0x0403,
            Scheme::EcdsaSha384 => 0x0503,
            Scheme::RsaPssSha256 => 0x0804,
            Scheme::RsaPssSha384 => 0x0805,
            Scheme::RsaPssSha512 => 0x0806,
            Scheme::RsaSha256 => 0x0401,
            Scheme::RsaSha384 => 0x0501,
            Scheme::RsaSha512 => 0x0601,
        }
    }

    pub(super) fn of(number: u16) -> Option<Scheme> {
        Scheme::ALL.into_iter().find(|scheme| scheme.number() == number)
    }

    /// RSA keys of less than 2,048 bits verify nothing.
    fn algorithm(self, is_p384: bool) -> &'static dyn VerificationAlgorithm {
        match (self, is_p384) {
            (Scheme::EcdsaSha256, false) => &signature::ECDSA_P256_SHA256_ASN1,
            (Scheme::EcdsaSha256, true) => &signature::ECDSA_P384_SHA256_ASN1,
            (Scheme::EcdsaSha384, false) => &signature::ECDSA_P256_SHA384_ASN1,
            (Scheme::EcdsaSha384, true) => &signature::ECDSA_P384_SHA384_ASN1,
            (Scheme::RsaPssSha256, _) => &signature::RSA_PSS_2048_8192_SHA256,
            (Scheme::RsaPssSha384, _) => &signature::RSA_PSS_2048_8192_SHA384,
            (Scheme::RsaPssSha512, _) => &signature::RSA_PSS_2048_8192_SHA512,
            (Scheme::RsaSha256, _) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (Scheme::RsaSha384, _) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Scheme::RsaSha512, _) => &signature::RSA_PKCS1_2048_8192_SHA512,
        }
    }
}

/// Whether the key of this certificate signed `message`.
///
/// # Errors
///
/// [`Fault::Unproven`] where it did not, [`Fault::Malformed`] for a certificate that is none.
pub(super) fn verify(certificate: &[u8], scheme: Scheme, message: &[u8], signed: &[u8]) -> Result<(), Fault> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).map_err(|_| Fault::Malformed)?;
    let key = &certificate.public_key().subject_public_key.data;
    // An uncompressed point: one octet, and two numbers of 48.
    let is_p384 = key.len() == 97;
    UnparsedPublicKey::new(scheme.algorithm(is_p384), key)
        .verify(message, signed)
        .map_err(|_| Fault::Unproven)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_our_key_signs_our_certificate_proves_and_no_other_does() {
        let (ours, other) = (Identity::new().unwrap(), Identity::new().unwrap());
        let signed = ours.sign(b"message").unwrap();
        let check = |identity: &Identity, scheme, message: &[u8]| {
            verify(&identity.certificate, scheme, message, &signed)
        };
        assert_eq!(check(&ours, Scheme::EcdsaSha256, b"message"), Ok(()));
        for scheme in Scheme::ALL {
            assert_eq!(check(&other, scheme, b"message"), Err(Fault::Unproven));
            assert_eq!(check(&ours, scheme, b"massage"), Err(Fault::Unproven));
        }
        assert_eq!(
            verify(b"nothing", Scheme::EcdsaSha256, b"", b""),
            Err(Fault::Malformed)
        );
        // One datagram has room for all of a flight with it.
        assert!(ours.certificate.len() < 500, "{}", ours.certificate.len());
        assert!(!format!("{ours:?}").contains("key"));
    }

    #[test]
    fn a_certificate_is_known_by_the_strongest_hash_that_is_said() {
        let (ours, other) = (Identity::new().unwrap(), Identity::new().unwrap());
        let of = |hash, identity: &Identity| fingerprint(hash, &identity.certificate).unwrap();
        use FingerprintHash::{Sha256, Sha384, Sha512};
        for (described, expected) in [
            (vec![], false),
            (vec![of(Sha256, &ours)], true),
            (vec![of(Sha256, &other)], false),
            (vec![of(Sha256, &other), of(Sha256, &ours)], true),
            (vec![of(Sha256, &ours), of(Sha512, &other)], false),
            (vec![of(Sha256, &other), of(Sha384, &ours)], true),
        ] {
            assert_eq!(
                is_described(&ours.certificate, &described),
                expected,
                "{described:?}"
            );
        }
    }
}
