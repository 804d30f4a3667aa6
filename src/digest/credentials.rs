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

/// Why credentials are easily guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// The password is the user's name.
    PasswordIsUser,
    /// The password has under [`PASSWORD_LEAST`] characters: one exchange that was listened to is enough to try them all.
    PasswordShort,
    /// The user's name is one of those that scanners try first.
    UserGuessed,
}

/// Passwords of fewer characters are short.
pub const PASSWORD_LEAST: usize = 12;

/// What scanners for SIP accounts try before anything else.
const GUESSED_USERS: [&str; 14] = [
    "100", "101", "1000", "1001", "200", "201", "admin", "asterisk", "guest", "root", "sip", "test", "trunk",
    "user",
];

impl Credentials {
    /// The worst that can be said of them; `None` = nothing.
    pub fn weakness(&self) -> Option<Weakness> {
        let password = self.password.0.as_str();
        let user = self.user.to_ascii_lowercase();
        if password.eq_ignore_ascii_case(&user) {
            Some(Weakness::PasswordIsUser)
        } else if password.chars().count() < PASSWORD_LEAST {
            Some(Weakness::PasswordShort)
        } else if GUESSED_USERS.contains(&user.as_str()) {
            Some(Weakness::UserGuessed)
        } else {
            None
        }
    }
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
