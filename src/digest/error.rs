//! What can be wrong with a header value of a peer.

/// Why a challenge or an answer cannot be used. Holds nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    #[error("more than this header may hold")]
    TooLarge,
    #[error("broken at octet {0}")]
    Syntax(usize),
    #[error("not the scheme Digest")]
    Scheme,
    #[error("a parameter stands there twice")]
    Repeated,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    #[error("an algorithm that is not supported")]
    Algorithm,
    #[error("a user name in another form than plain text (userhash, username*), which was not offered")]
    HiddenUser,
}
