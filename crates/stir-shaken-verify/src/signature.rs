//! ES256 over the received octets.

use jsonwebtoken::{Algorithm, DecodingKey};

use crate::passport::Passport;

/// Is the token signed by the key at `point` (uncompressed P-256, 65 octets)?
///
/// The provider is named instead of looked up: `jsonwebtoken`'s process-wide default panics when
/// another crate of the build has switched a second backend on.
pub(crate) fn is_valid(point: &[u8], passport: &Passport) -> bool {
    let key = DecodingKey::from_ec_der(point);
    let factory = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.verifier_factory;
    match factory(&Algorithm::ES256, &key) {
        Ok(verifier) => verifier
            .verify(passport.signed.as_bytes(), &passport.signature.to_vec())
            .is_ok(),
        Err(_) => false,
    }
}
