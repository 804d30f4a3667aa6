//! RTP between the two legs, encrypted or not, and the copy for scoring (RFC 3550, RFC 3711, G.711). Sans-IO. Imports
//! `sdp`.
//!
//! A [`Session`] is one call's media: it is shown every packet and says where it goes, who may speak for a side
//! ([`latch`]), how fast, and what was lost. The caller's audio is copied into hops for the scorer ([`tap`]). It also has
//! a voice of its own: what it is told to say to a party it says ([`Words`]), listens for the caller's answer and hears
//! which keys he presses ([`Talk`]).
//!
//! The room knows no socket, no SIP and no model: the runtime moves the octets, the call says when to listen, and
//! what a hop means is somebody else's question.

mod calling_tone;
mod clip;
pub mod dtls;
mod ear;
mod fax;
mod fuzz;
pub mod g722;
mod handshakes;
pub mod latch;
pub mod limits;
mod party;
mod player;
mod ports;
mod quality;
mod rate;
mod reports;
pub mod rtcp;
pub mod rtp;
#[cfg(test)]
mod secured_tests;
mod session;
pub mod srtp;
mod statistics;
mod talk;
pub mod tap;
mod transcode;
#[cfg(test)]
mod transcode_tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use clip::{Clip, Words};
pub use dtls::fuzz_dtls;
pub use ear::Listening;
pub use fuzz::{fuzz_events, fuzz_rtcp, fuzz_rtp};
pub use player::{FRAME, FRAME_SAMPLES};
pub use ports::PortPool;
pub use rtcp::ReceptionReport;
pub use session::{Session, fuzz_media};
pub use srtp::{Keys, fuzz_srtp};
pub use statistics::{SideStatistics, Statistics};
pub use talk::{Digit, Talk};
pub use tap::TapStatistics;

/// `[media]`
#[derive(Clone, Debug)]
pub struct Config {
    /// Bound address.
    pub address: IpAddr,
    /// What SDP says when it differs (NAT, 0.0.0.0).
    pub advertise: Option<IpAddr>,
    pub ports: std::ops::RangeInclusive<u16>,
    /// No packet from either party for this long = `Silent`; default 60 s.
    pub silence: Duration,
    /// Audio that a party did not announce goes on in a codec that it did; default true. False: as it came.
    pub transcodes: bool,
    /// Descriptions offer and accept one port for RTP and RTCP (RFC 5761); default true.
    pub rtcp_mux: bool,
}

/// Leg A (caller) or leg B (called). Caller's audio is what is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    A,
    B,
}

impl Side {
    /// The party at the other end.
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// Which of a side's two ports, and what of a call goes there (RFC 8445 §4 has the word).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The even port: RTP, and RTCP with it where the leg has one port for both (RFC 5761).
    Rtp,
    /// The one above.
    Rtcp,
}

/// What the runtime does with a packet. The packet stays in the caller's buffer, rewritten in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send the first `len` octets from this socket of the *other* side to this address.
    Forward {
        to: SocketAddr,
        len: usize,
        component: Component,
    },
    /// A packet of a handshake ([`dtls`]): it goes nowhere. What is to be said to it waits ([`Session::poll_handshake`]).
    Taken,
    /// Dropped and counted.
    Drop(DropReason),
}

/// Why a packet did not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Not RTP (or RTCP) by its own header.
    Malformed,
    /// From a source that does not speak for the side.
    Stranger,
    /// This side is not described yet, or the other one is not and there is nowhere to send it. In the second case the
    /// packet is accepted: it counts, and the tap hears it.
    NotYetKnown,
    /// The other party wants nothing sent to it. The packet is accepted, as above.
    OnHold,
    /// Past the packet rate of a side.
    TooFast,
    /// A payload type that neither party announced.
    UnknownPayload,
    /// The leg is encrypted, and its key does not authenticate the packet.
    Unauthenticated,
    /// Seen before, or too old to tell: it came over an encrypted leg, or would have to go out on one, where a number is
    /// used once.
    Replayed,
    /// More sources than an encrypted leg keeps count of ([`limits::SOURCES_MAX`]).
    TooManySources,
    /// We are speaking to the other party ourselves. The packet is accepted: it counts, and the tap hears it.
    OurTurn,
    /// The keys of this leg, or of the one it would go out on, are still to come by handshake, or never came.
    NotYetSecured,
}

impl DropReason {
    /// Every reason, in the order of the enum.
    pub const ALL: [DropReason; 11] = [
        DropReason::Malformed,
        DropReason::Stranger,
        DropReason::NotYetKnown,
        DropReason::OnHold,
        DropReason::TooFast,
        DropReason::UnknownPayload,
        DropReason::Unauthenticated,
        DropReason::Replayed,
        DropReason::TooManySources,
        DropReason::OurTurn,
        DropReason::NotYetSecured,
    ];

    /// The word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            DropReason::Malformed => "malformed",
            DropReason::Stranger => "stranger",
            DropReason::NotYetKnown => "not_yet_known",
            DropReason::OnHold => "on_hold",
            DropReason::TooFast => "too_fast",
            DropReason::UnknownPayload => "unknown_payload",
            DropReason::Unauthenticated => "unauthenticated",
            DropReason::Replayed => "replayed",
            DropReason::TooManySources => "too_many_sources",
            DropReason::OurTurn => "our_turn",
            DropReason::NotYetSecured => "not_yet_secured",
        }
    }
}

/// One hop of the caller's audio, ready for scoring: exactly [`tap::HOP_SAMPLES`] samples at 8 kHz.
pub type Hop = Box<[i16]>;
