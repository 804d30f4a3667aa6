//! What can be wrong with what we were given to work with. (What a peer does wrong is not an error: it is
//! answered, see `refusal`.)

/// Why a phone cannot even be rung. Ours to fix, so the attempt counts as 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unringable {
    #[error("the target is not a SIP URI with an IP literal")]
    NotAnAddress,
    #[error("no listener speaks the target's transport and address family")]
    NoListener,
    #[error("the trunk has no `to`, or none of its addresses is left")]
    NoWayOut,
}
