//! The four transactions of RFC 3261 §17, with the Accepted states of RFC 6026.
//!
//! Each machine is told what happened and writes down what to do ([`Step`]); it holds no clock, no
//! socket, no key. `endpoint` finds the machine, carries the steps out and runs the timers.

pub(crate) mod client_invite;
pub(crate) mod client_other;
pub(crate) mod server_invite;
pub(crate) mod server_other;
pub(crate) mod timers;

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::Flow;

/// Round-trip estimate (RFC 3261 §17.1.1.1).
pub const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions, except of INVITE requests.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may live in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64*T1: timers B, F, H, J, L, M and the wait for an ACK.
pub const PATIENCE: Duration = Duration::from_secs(32);
/// Timer D on an unreliable transport: at least 32 s.
pub const TIMER_D: Duration = Duration::from_secs(32);
/// Timer C (RFC 3261 §16.6 step 11: more than three minutes): how long an INVITE of ours may ring after its last 1xx.
pub const TIMER_C: Duration = Duration::from_secs(181);
/// The longest an INVITE of ours may ring however many 1xx come: a peer must not hold a transaction for ever.
pub const TIMER_C_MAX: Duration = Duration::from_secs(600);

/// The timers by their names in RFC 3261 table 4 and RFC 6026 §8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    A,
    B,
    /// Restarted by every 1xx over 100.
    C,
    /// Beside C, and never restarted.
    CMax,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    L,
    M,
    /// The UAS core's retransmission of a 2xx (RFC 3261 §13.3.1.4).
    Answer,
    /// The UAS core's retransmission of a reliable 1xx (RFC 3262 §3).
    Provisional,
    /// 64*T1 without a PRACK for it.
    Prack,
    /// 64*T1 after a CANCEL was sent (RFC 3261 §9.1).
    Cancelled,
    /// A non-INVITE request that its owner never answered: after 64*T1 nobody waits (RFC 4320).
    Forgotten,
}

impl Timer {
    /// A transaction runs at most two timers at once: one that is started again and again, one that ends a state.
    pub(crate) fn slot(self) -> Slot {
        match self {
            Timer::A | Timer::C | Timer::E | Timer::G | Timer::Answer | Timer::Provisional => Slot::Again,
            _ => Slot::End,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Again = 0,
    End = 1,
}

/// What a failure of the transport means to a request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It goes on, or was over already.
    Nothing,
    /// The connection it went by is gone, and nobody has said anything to it yet: it goes out once more, by a new one. To a
    /// peer that has it, it is the same request again (RFC 3261 §17.2.3).
    Again,
    /// An INVITE that goes on, but the connection it went by is gone: the peer may have it, and answers by another
    /// connection (RFC 3261 §18.2.2). Told once.
    Lost,
    /// It is over, and its owner was still waiting for a final response.
    Over,
}

/// What a machine wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// On the transaction's own flow.
    Send(Vec<u8>),
    /// An ACK to a 2xx goes by the dialog's route, which may be another flow.
    SendOn(Flow, Vec<u8>),
    /// Replaces whatever ran in the timer's slot.
    Start(Timer, Duration),
    Stop(Slot),
    /// The held CANCEL may go now; None = without Reason.
    SendCancel(Option<String>),
    TimedOut,
    AckMissing,
    PrackMissing,
    /// Terminated: forget the transaction.
    Finish,
}
