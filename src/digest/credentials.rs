//! Who one side says it is, and the secret that proves it.

use std::fmt;

/// A user name and its password, and where they may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: Secret,
    /// As a client: only a challenge of this realm is answered; `None` = whatever realm the peer names that these
    /// credentials belong to.
    pub realm: Option<String>,
}

/// A password. Prints as nothing at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// For computing with. Never for a message, a log or a record.
    pub(super) fn octets(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}
