//! RTP between the two legs, and the copy for scoring (RFC 3550, G.711). Sans-IO. Imports `sdp`.
// DOOR

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::sdp::Codec;
use crate::time::Now;

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
}

/// Leg A (caller) or leg B (called). Caller's audio is what is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    A,
    B,
}

/// Even port numbers (RTP; RTCP is one above), handed out round-robin, a port rests 2 s before it is used again.
pub struct PortPool {}
impl PortPool {
    pub fn new(ports: std::ops::RangeInclusive<u16>) -> PortPool {
        let _ = ports;
        todo!()
    }
    /// None = exhausted (-> 503).
    pub fn take(&mut self, now: Now) -> Option<u16> {
        let _ = now;
        todo!()
    }
    pub fn give_back(&mut self, port: u16, now: Now) {
        let _ = (port, now);
        todo!()
    }
    pub fn free(&self) -> usize {
        todo!()
    }
}

/// What the runtime does with a packet. The packet stays in the caller's buffer, rewritten in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send `len` octets from the *other* side's socket (RTP or RTCP, as received) to this address.
    Forward { to: SocketAddr, len: usize },
    /// Dropped and counted.
    Drop(DropReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    Malformed,
    Stranger,
    NotYetKnown,
    OnHold,
    TooFast,
    UnknownPayload,
}

/// One call's media: two sides, one tap. No lock, no allocation per packet.
pub struct Session {}

/// One hop of the caller's audio, ready for scoring: exactly voice::HOP_SAMPLES samples at 8 kHz.
pub type Hop = Box<[i16]>;

impl Session {
    pub fn new(config: &Config, now: Now) -> Session {
        let _ = (config, now);
        todo!()
    }
    /// The party on `side` said (by SDP) where it listens and which codecs/payload types it uses. May be called again (re-INVITE).
    pub fn described(
        &mut self,
        side: Side,
        audio: SocketAddr,
        codecs: &[(u8, Codec)],
        telephone_event: Option<u8>,
        now: Now,
    ) {
        let _ = (side, audio, codecs, telephone_event, now);
        todo!()
    }
    /// Starts (on answer) or stops the tap of side A. `spare` buffers come back through `recycle`.
    pub fn tap(&mut self, on: bool) {
        let _ = on;
        todo!()
    }
    pub fn rtp(&mut self, from: Side, source: SocketAddr, packet: &mut [u8], now: Now) -> Verdict {
        let _ = (from, source, packet, now);
        todo!()
    }
    pub fn rtcp(&mut self, from: Side, source: SocketAddr, packet: &mut [u8], now: Now) -> Verdict {
        let _ = (from, source, packet, now);
        todo!()
    }
    /// A full hop of the caller's audio, at most one per call of `rtp`.
    pub fn poll_hop(&mut self) -> Option<Hop> {
        todo!()
    }
    /// Gives a scored hop's buffer back for reuse.
    pub fn recycle(&mut self, hop: Hop) {
        let _ = hop;
        todo!()
    }
    /// When silence will have lasted too long; past it `is_silent` is true.
    pub fn deadline(&self) -> Instant {
        todo!()
    }
    pub fn is_silent(&self, now: Now) -> bool {
        let _ = now;
        todo!()
    }
    pub fn statistics(&self) -> Statistics {
        todo!()
    }
}

/// Per call, kept in the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Statistics {
    pub from_caller: SideStatistics,
    pub from_called: SideStatistics,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SideStatistics {
    pub packets: u64,
    pub octets: u64,
    /// Missing by sequence number.
    pub lost: u64,
    /// RFC 3550 §6.4.1, in milliseconds.
    pub jitter_ms: f32,
    /// Refused: strangers, malformed, too fast.
    pub dropped: u64,
}
