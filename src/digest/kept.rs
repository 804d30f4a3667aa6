//! What is kept of a password, where the password itself is not: enough to check an answer with.

use super::algorithm::Hash;
use super::credentials::Secret;
use super::proof::Base;

/// A user, and H(user:realm:password) of one or more hash functions. Whoever has such a hash can answer for the user.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    pub(super) user: String,
    hashes: Vec<(Hash, String)>,
}

impl Kept {
    /// What is to be kept of a password: hexadecimal digits.
    pub fn hash(hash: Hash, user: &str, realm: &str, password: &Secret) -> String {
        Base::new(hash, user, realm, password).into_text()
    }

    pub fn new(user: &str) -> Kept {
        Kept {
            user: user.into(),
            hashes: Vec::new(),
        }
    }

    /// With what [`Kept::hash`] gave. A hash function of which nothing is kept never proves anything.
    #[must_use]
    pub fn with(mut self, hash: Hash, digest: &str) -> Kept {
        self.hashes.push((hash, digest.into()));
        self
    }

    pub(super) fn of(&self, hash: Hash) -> Option<&str> {
        let mut hashes = self.hashes.iter();
        let (_, digest) = hashes.find(|(known, _)| *known == hash)?;
        // Nothing that could pass for the hash of something else.
        Some(digest.as_str())
            .filter(|digest| digest.len() >= 32 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}
