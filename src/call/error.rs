//! What can be wrong with what we were given to work with. (What a peer does wrong is not an error: it is
//! answered, see `refusal`.)

/// A `from` entry of a trunk that is no address range. The configuration room reports these with their line
/// before an engine is built; one that slips through matches nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}: expected an address or a range such as 203.0.113.0/24")]
pub struct NotARange {
    pub text: String,
}

/// Why a phone cannot even be rung. Ours to fix, so the attempt counts as 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unringable {
    #[error("the target is not a SIP URI with an IP literal")]
    NotAnAddress,
    #[error("no listener speaks the target's transport and address family")]
    NoListener,
}
