//! Offers and answers (RFC 8866, RFC 3264). Imports no other room.
// DOOR

use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Codec {
    Pcmu,
    Pcma,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// A parsed session description; unknown lines kept. Bounded size.
#[derive(Clone, Debug)]
pub struct Session {}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SDP line {line}: {expected}")]
pub struct SdpError {
    pub line: usize,
    pub expected: &'static str,
}

impl Session {
    pub fn parse(body: &[u8]) -> Result<Session, SdpError> {
        let _ = body;
        todo!()
    }
    /// Where the audio of this party should be sent: c= and m=. None when there is no usable audio line (port 0 = refused).
    pub fn audio_address(&self) -> Option<SocketAddr> {
        todo!()
    }
    pub fn direction(&self) -> Direction {
        todo!()
    }
    /// G.711 codecs in the order of preference of the m= line, with payload types.
    pub fn codecs(&self) -> Vec<(u8, Codec)> {
        todo!()
    }
    /// telephone-event payload type at 8000 Hz, when offered.
    pub fn telephone_event(&self) -> Option<u8> {
        todo!()
    }
    pub fn ptime_ms(&self) -> Option<u16> {
        todo!()
    }
    /// This description as it goes to the *other* leg: our address and port put in c=, m= and o=, everything we cannot
    /// anchor (other media: port 0; candidates, crypto, rtcp attributes; codecs that are not G.711 or telephone-event) removed.
    /// Payload type numbers, ptime and direction pass through, so both parties talk to each other's codec choice directly.
    /// `Err` when no G.711 codec is left (-> 488).
    pub fn anchored(
        &self,
        ours: IpAddr,
        port: u16,
        session_id: u64,
        version: u64,
    ) -> Result<Vec<u8>, NothingInCommon> {
        let _ = (ours, port, session_id, version);
        todo!()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no audio codec in common (PCMU, PCMA)")]
pub struct NothingInCommon;
