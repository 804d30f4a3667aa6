//! Why something was not done to an account.

use super::limits::PERSON_MAX;
use super::password::Weak;
use crate::store::StoreError;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("no such account")]
    NoSuchUser,
    #[error("somebody changed the account since it was looked at")]
    ChangedSince,
    #[error("the name is taken")]
    NameTaken,
    #[error("a name has 1 to {} letters, digits, -, _, . or @", super::limits::NAME_MAX)]
    NotAName,
    #[error("say whose account it is: a person's name of 1 to {PERSON_MAX} characters")]
    NotAPerson,
    #[error("a passkey has a name of 1 to {PERSON_MAX} characters")]
    NotAPasskeyName,
    #[error("an account has at least one role")]
    NoRoles,
    #[error("there are too many accounts; remove one first")]
    Full,
    #[error("it is the last administrator's account that opens: give another the role first")]
    LastAdmin,
    #[error("this invitation opens nothing: it was used, has expired, or another was made since")]
    NotInvited,
    #[error(transparent)]
    Weak(#[from] Weak),
    #[error("name, password or code is wrong")]
    Wrong,
    #[error("the code is wrong or was used already; the telephone's clock must be right")]
    WrongCode,
    #[error("nothing is being enrolled: begin again")]
    NotEnrolling,
    #[error("nobody here is signed in to by this, or he has no role here")]
    NotVouched,
    #[error("nobody waits by this name any more: take the account away and make it anew")]
    WaitedTooLong,
    #[error("the account of this person was taken away here: make one for him to let him in again")]
    Left,
    #[error(
        "a subject has 1 to {} characters, as the provider writes it",
        super::oidc::limits::SUBJECT_MAX
    )]
    NotASubject,
    #[error("another account is signed in to by this subject")]
    SubjectTaken,
    #[error("this account is signed in to elsewhere; remove it and make it anew")]
    Outside,
    #[error(
        "there is a lockdown: until it has ended nobody is given more than he had, and no invitation of before opens"
    )]
    Locked,
    #[error("this passkey is enrolled already, here or by somebody else")]
    PasskeyTaken,
    #[error(
        "an account has at most {} passkeys; take one away first",
        super::passkeys::limits::PASSKEYS_MAX
    )]
    PasskeysFull,
    #[error("no such passkey of yours")]
    NoSuchPasskey,
    #[error("the session has ended meanwhile")]
    Ended,
    #[error("the accounts were changed from elsewhere; try again")]
    Raced,
    #[error("the system gave no random octets")]
    NoRandomness,
    #[error(transparent)]
    Store(#[from] StoreError),
}
