//! The arithmetic of an answer (RFC 7616 §3.4.1 to §3.4.3). Nothing here is compared or believed.

use super::algorithm::{Algorithm, Hash, Qop};
use super::credentials::Secret;

/// H(user:realm:password): what stands for a password in every answer of one hash function.
#[derive(Clone)]
pub(super) struct Base(String);

impl Base {
    pub(super) fn new(hash: Hash, user: &str, realm: &str, password: &Secret) -> Base {
        Base(hash.hex(&[user.as_bytes(), realm.as_bytes(), password.octets()]))
    }

    /// From what was kept instead of the password.
    pub(super) fn kept(digest: &str) -> Base {
        Base(digest.to_ascii_lowercase())
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Of nobody: an answer computed with it is never right.
    pub(super) fn of_nobody(hash: Hash, secret: &[u8]) -> Base {
        Base(hash.hex(&[secret]))
    }
}

/// What an answer is computed over, besides the password.
pub(super) struct Proof<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) nonce: &'a str,
    pub(super) qop: Option<Qop>,
    pub(super) cnonce: &'a str,
    pub(super) count: u32,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) body: &'a [u8],
}

impl Proof<'_> {
    pub(super) fn response(&self, base: &Base) -> String {
        let hash = self.algorithm.hash;
        let (nonce, cnonce) = (self.nonce.as_bytes(), self.cnonce.as_bytes());
        // The hexadecimal form goes in again (RFC 2617 erratum 1649), not the octets as in that RFC's sample code.
        let session;
        let key = match self.algorithm.is_session {
            true => {
                session = hash.hex(&[base.0.as_bytes(), nonce, cnonce]);
                &session
            }
            false => &base.0,
        };
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        let request = match self.qop {
            Some(Qop::AuthInt) => {
                let body = hash.hex(&[self.body]);
                hash.hex(&[method, uri, body.as_bytes()])
            }
            _ => hash.hex(&[method, uri]),
        };
        match self.qop {
            None => hash.hex(&[key.as_bytes(), nonce, request.as_bytes()]),
            Some(qop) => {
                let count = format!("{:08x}", self.count);
                let (count, qop) = (count.as_bytes(), qop.name().as_bytes());
                hash.hex(&[key.as_bytes(), nonce, count, cnonce, qop, request.as_bytes()])
            }
        }
    }
}
