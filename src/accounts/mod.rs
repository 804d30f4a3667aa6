//! Who may sign in: people with a password and a second factor or a passkey, programs with tokens, and the sessions of both.
//!
//! One account names one person. Passwords are kept as argon2id, everything else that opens something as SHA-256 of at
//! least 80 random bits; only the secret of a second factor has to be kept as it is. Knows the store's contract and the
//! audit; does not know HTTP, and never reads a clock (times come in). What says that it blocks is for threads that may wait.

mod call_backs;
mod devices;
mod failures;
mod left;
pub mod limits;
mod lockdown;
mod lockout;
pub mod oidc;
mod outside;
pub mod passkeys;
mod password;
mod refused;
mod review;
mod role;
mod searches;
mod seats;
mod second_factor;
mod secret;
mod sessions;
mod tokens;
mod tries;
mod user;
mod users;
#[cfg(test)]
mod users_tests;
mod wishes;

pub use call_backs::{CallBackMade, CallBacks};
pub use devices::{Devices, NoDevice};
pub use failures::Failures;
pub use lockdown::{Lockdown, Lockdowns, NoLockdown, Undo};
pub use lockout::{Lockout, Reserved};
pub use outside::Outside;
pub use password::{Kept, Weak, hash, is_right};
pub use refused::Refused;
pub use review::{Reviewed, review, to_csv, to_line};
pub use role::Role;
pub use searches::{NotKept, Search, forget_search, keep_search, searches};
pub use seats::{NoSeat, Pause, Seat, Seats, Sitting};
pub use second_factor::{enrolment_uri, step_of};
pub use secret::{Fingerprint, fingerprint, secret};
pub use sessions::{Holder, Open, Proof, Sessions};
pub use tokens::{Changes as TokenChanges, FIRST, NoToken, Token, Tokens, first_token};
pub use tries::Tries;
pub use user::User;
pub use users::{By, Change, Invitation, NewUser, Users};
pub use wishes::{Moment, Taken, Wish, Wishes};

use crate::policy::book::{BY_FILE, BY_GATEWAY};

/// Who does what is done at a terminal of the machine itself, in the audit.
pub const BY_COMMAND: &str = "command-line";

/// Names that stand for something else in the audit and in the book of policies.
pub(crate) const RESERVED: [&str; 4] = [FIRST, BY_FILE, BY_GATEWAY, BY_COMMAND];

/// Why a name is not that of somebody who is gone.
#[derive(Debug, thiserror::Error)]
pub enum NotGone {
    #[error("account is no name of an account or token")]
    NotAName,
    #[error("there still is such an account or token: take it away first")]
    StillThere,
}

/// That nobody has this name of an account or token any more: whoever acts is answerable for it.
///
/// # Errors
///
/// [`NotGone`].
pub fn must_be_gone(name: &str, users: &Users, is_token: bool) -> Result<(), NotGone> {
    if !is_name(name) || RESERVED.contains(&name) {
        return Err(NotGone::NotAName);
    }
    match users.one(name).is_some() || is_token {
        true => Err(NotGone::StillThere),
        false => Ok(()),
    }
}

/// Whether this may name an account or a token: it stands in the audit, in paths and in the book of policies.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= limits::NAME_MAX
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c))
        && !name.chars().all(|c| c == '.')
}
