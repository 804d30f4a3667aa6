//! What can be wrong with what we were given to work with, or asked for. (What a peer does wrong is not an error: it is
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

/// Why nobody is called back. In words for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCallBack {
    #[error("call-backs are off: whoever runs the phones turns them on with [outbound] call_back")]
    Off,
    #[error("none of the phones you are signed in to is registered")]
    NoPhone,
    /// This number may not be called.
    #[error("{0}")]
    NotThis(&'static str),
    /// It may, and not now: a limit, the hour, a lockdown.
    #[error("{0}")]
    NotNow(&'static str),
    #[error("the gateway takes no more calls at this moment")]
    Busy,
}
