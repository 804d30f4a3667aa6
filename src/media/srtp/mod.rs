//! Encrypted RTP and RTCP of one leg (SRTP: RFC 3711, RFC 7714), both directions, in place.
//!
//! ```text
//!   from the party ──► unprotect (its key) ──► the call's relay, as if it were plain ──► protect (our key) ──► to it
//! ```
//!
//! A packet that its key does not authenticate, that was seen before or that is too old to tell is refused before
//! anything else learns of it. Nothing is allocated for a packet; the sources a key is used with are bounded
//! ([`SOURCES_MAX`]).
//!
//! Keys come from signalling. The derivation rate is zero. A party may name its key in each packet (a master key
//! identifier); we have one key at a time and name none.

mod cipher;
mod derive;
mod sources;
#[cfg(test)]
mod vectors_tests;

use super::limits::{PACKET_OCTETS_MAX, SOURCES_MAX};
use super::rtp::HEADER_OCTETS;
use crate::sdp::{MasterKey, Suite};
use cipher::Cipher;
use derive::Kind;
use sources::Sources;

/// The two keys of a leg: each party chooses the one it sends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What the party sends with.
    pub inbound: MasterKey,
    /// What we send it with. Of the same suite: an answer takes the suite of a line that was offered.
    pub outbound: MasterKey,
}

impl Keys {
    /// What both directions of the leg are encrypted with.
    pub fn suite(&self) -> Suite {
        self.outbound.suite()
    }
}

/// Most octets that protection adds to a packet: a tag of 16, and the index of RTCP.
pub const OVERHEAD_OCTETS_MAX: usize = 16 + INDEX_OCTETS;

/// The flag and the index behind an RTCP packet (RFC 3711 §3.4).
const INDEX_OCTETS: usize = 4;

/// The flag in them that says the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// What stands in clear before an RTCP packet is encrypted: its first header and the SSRC of its sender.
const RTCP_CLEAR_OCTETS: usize = 8;

/// Why a packet cannot be taken, or cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("SRTP: too short, too long, or not RTP by what stands in clear")]
    Malformed,
    #[error("SRTP: the key does not authenticate the packet")]
    Unauthenticated,
    #[error("SRTP: seen before, or too old to tell")]
    Replayed,
    #[error("SRTP: more than {SOURCES_MAX} sources with one key")]
    TooManySources,
    #[error("SRTCP: the key has been used up")]
    UsedUp,
}

/// A leg whose audio is encrypted.
pub struct Secured {
    inbound: Inbound,
    /// The key before this one, until a packet has come with the new one (RFC 4568 §7.1.4: they change at a time that
    /// neither party knows of the other).
    before: Option<Inbound>,
    outbound: Outbound,
}

/// What is kept for what the party sends.
struct Inbound {
    key: MasterKey,
    rtp: Cipher,
    rtcp: Cipher,
    streams: Sources,
    control: Sources,
}

/// What is kept for what we send.
struct Outbound {
    key: MasterKey,
    rtp: Cipher,
    rtcp: Cipher,
    streams: Sources,
    /// Of the next RTCP packet, whoever it speaks for: a number is used once with a key.
    index: u32,
}

impl Secured {
    pub fn new(keys: &Keys) -> Secured {
        Secured {
            inbound: Inbound::new(&keys.inbound),
            before: None,
            outbound: Outbound::new(&keys.outbound),
        }
    }

    /// The keys after another exchange of descriptions. A key that stays keeps its counters; a new one begins anew, and
    /// the party's old one is good until the new one has been heard.
    pub fn rekey(&mut self, keys: &Keys) {
        if self.inbound.key != keys.inbound {
            let new = Inbound::new(&keys.inbound);
            self.before = Some(std::mem::replace(&mut self.inbound, new));
        }
        if self.outbound.key != keys.outbound {
            self.outbound = Outbound::new(&keys.outbound);
        }
    }

    /// The party is another one now, or has its keys in another way: its key before this one opens nothing more.
    pub fn forget_before(&mut self) {
        self.before = None;
    }

    /// What both directions are encrypted with.
    pub fn suite(&self) -> Suite {
        self.inbound.key.suite()
    }

    /// Opens the RTP packet in the first `len` octets of `buffer`; gives the length of the plain one, in the same place.
    ///
    /// # Errors
    ///
    /// [`Refused`]; what is then in the buffer is of no use to anybody.
    pub fn unprotect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        self.unprotect(buffer, len, Kind::Rtp)
    }

    /// The same for RTCP.
    ///
    /// # Errors
    ///
    /// [`Refused`], also for a packet that is authenticated but not encrypted: nobody agreed to that.
    pub fn unprotect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        self.unprotect(buffer, len, Kind::Rtcp)
    }

    /// Closes the RTP packet in the first `len` octets of `buffer`, which has room for [`OVERHEAD_OCTETS_MAX`] more;
    /// gives the new length.
    ///
    /// # Errors
    ///
    /// [`Refused::Replayed`] for a sequence number that was sent before: two packets under one number would give both
    /// away, and with GCM the key to forge others as well.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        self.outbound.rtp(buffer, len)
    }

    /// The same for RTCP.
    ///
    /// # Errors
    ///
    /// [`Refused::UsedUp`] after 2^31 packets.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        self.outbound.rtcp(buffer, len)
    }

    fn unprotect(&mut self, buffer: &mut [u8], len: usize, kind: Kind) -> Result<usize, Refused> {
        let packet = buffer.get_mut(..len).ok_or(Refused::Malformed)?;
        if len > PACKET_OCTETS_MAX {
            return Err(Refused::Malformed);
        }
        let Some(before) = &mut self.before else {
            return self.inbound.open(packet, kind);
        };
        // A packet that does not open may be spoilt by the attempt.
        let mut copy = [0; PACKET_OCTETS_MAX];
        copy[..len].copy_from_slice(packet);
        let refused = match self.inbound.open(packet, kind) {
            Ok(opened) => {
                self.before = None;
                return Ok(opened);
            }
            Err(refused) => refused,
        };
        packet.copy_from_slice(&copy[..len]);
        if let Ok(opened) = before.open(packet, kind) {
            return Ok(opened);
        }
        // With a new key most begin their turns anew; by the letter (RFC 3711 §3.3.1) they are counted on.
        packet.copy_from_slice(&copy[..len]);
        if kind == Kind::Rtp
            && let Ok(opened) = self.inbound.rtp(packet, Some(&before.streams))
        {
            self.before = None;
            return Ok(opened);
        }
        Err(refused)
    }
}

impl Inbound {
    fn new(key: &MasterKey) -> Inbound {
        Inbound {
            key: key.clone(),
            rtp: Cipher::new(key, Kind::Rtp),
            rtcp: Cipher::new(key, Kind::Rtcp),
            streams: Sources::default(),
            control: Sources::default(),
        }
    }

    fn open(&mut self, packet: &mut [u8], kind: Kind) -> Result<usize, Refused> {
        match kind {
            Kind::Rtp => self.rtp(packet, None),
            Kind::Rtcp => self.rtcp(packet),
        }
    }

    /// The packet without the identifier of its key: it is not authenticated, so it only has to be the right one. It stands
    /// before the tag (RFC 3711 §3.1), and behind everything where the tag is part of the cipher text (RFC 7714 §8.1, §9.1).
    fn unnamed<'a>(&self, packet: &'a mut [u8], kind: Kind) -> Result<&'a mut [u8], Refused> {
        let name = self.key.identifier();
        if name.is_empty() {
            return Ok(packet);
        }
        let cipher = match kind {
            Kind::Rtp => &self.rtp,
            Kind::Rtcp => &self.rtcp,
        };
        let end = packet
            .len()
            .checked_sub(cipher.behind())
            .ok_or(Refused::Malformed)?;
        let start = end.checked_sub(name.len()).ok_or(Refused::Malformed)?;
        if packet[start..end] != *name {
            return Err(Refused::Unauthenticated);
        }
        packet.copy_within(end.., start);
        let len = packet.len() - name.len();
        Ok(&mut packet[..len])
    }

    /// `counted`: what the turn is counted on from, instead of our own.
    fn rtp(&mut self, packet: &mut [u8], counted: Option<&Sources>) -> Result<usize, Refused> {
        let packet = self.unnamed(packet, Kind::Rtp)?;
        let header = Header::parse(packet)?;
        let index = counted
            .unwrap_or(&self.streams)
            .index(header.ssrc, header.sequence);
        self.streams.check(header.ssrc, index)?;
        let len = self.rtp.open_rtp(packet, header.end, header.ssrc, index)?;
        self.streams.insert(header.ssrc, index);
        Ok(len)
    }

    fn rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let packet = self.unnamed(packet, Kind::Rtcp)?;
        let ssrc = rtcp_sender(packet)?;
        let trailer = self.rtcp.index_of(packet)?;
        if trailer & ENCRYPTED == 0 {
            return Err(Refused::Unauthenticated);
        }
        let index = u64::from(trailer & !ENCRYPTED);
        self.control.check(ssrc, index)?;
        let len = self.rtcp.open_rtcp(packet, ssrc, trailer)?;
        self.control.insert(ssrc, index);
        Ok(len)
    }
}

impl Outbound {
    fn new(key: &MasterKey) -> Outbound {
        Outbound {
            key: key.clone(),
            rtp: Cipher::new(key, Kind::Rtp),
            rtcp: Cipher::new(key, Kind::Rtcp),
            streams: Sources::default(),
            index: 0,
        }
    }

    fn rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        let packet = buffer.get(..len).ok_or(Refused::Malformed)?;
        let header = Header::parse(packet)?;
        let index = self.streams.index(header.ssrc, header.sequence);
        self.streams.check(header.ssrc, index)?;
        let len = self.rtp.seal_rtp(buffer, len, header.end, header.ssrc, index)?;
        self.streams.insert(header.ssrc, index);
        Ok(len)
    }

    fn rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        let ssrc = rtcp_sender(buffer.get(..len).ok_or(Refused::Malformed)?)?;
        if self.index >= ENCRYPTED {
            return Err(Refused::UsedUp);
        }
        let len = self.rtcp.seal_rtcp(buffer, len, ssrc, self.index | ENCRYPTED)?;
        self.index += 1;
        Ok(len)
    }
}

/// What stands in clear at the head of an RTP packet.
struct Header {
    sequence: u16,
    ssrc: u32,
    /// Where the payload begins: behind sources and extension.
    end: usize,
}

impl Header {
    fn parse(packet: &[u8]) -> Result<Header, Refused> {
        if !(HEADER_OCTETS..=PACKET_OCTETS_MAX).contains(&packet.len()) || packet[0] >> 6 != 2 {
            return Err(Refused::Malformed);
        }
        let mut end = HEADER_OCTETS + usize::from(packet[0] & 0x0f) * 4;
        if packet[0] & 0x10 != 0 {
            let words = packet.get(end + 2..end + 4).ok_or(Refused::Malformed)?;
            end += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
        }
        if end > packet.len() {
            return Err(Refused::Malformed);
        }
        Ok(Header {
            sequence: u16::from_be_bytes([packet[2], packet[3]]),
            ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
            end,
        })
    }
}

fn rtcp_sender(packet: &[u8]) -> Result<u32, Refused> {
    if !(RTCP_CLEAR_OCTETS..=PACKET_OCTETS_MAX).contains(&packet.len()) || packet[0] >> 6 != 2 {
        return Err(Refused::Malformed);
    }
    Ok(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]))
}

/// Body of the fuzz target: the octets come as RTP and as RTCP under every suite, and nobody who has not the key gets
/// anything through; whatever could be plain goes out and comes back as it was.
///
/// # Panics
///
/// When that does not hold, which is what the fuzzer looks for.
pub fn fuzz_srtp(octets: &[u8]) {
    let octets = &octets[..octets.len().min(PACKET_OCTETS_MAX - OVERHEAD_OCTETS_MAX)];
    for suite in Suite::ALL {
        let octets_of_key = [0x42; crate::sdp::MASTER_OCTETS_MAX];
        let len = suite.key_octets() + suite.salt_octets();
        let Some(key) = MasterKey::new(suite, &octets_of_key[..len]) else {
            continue;
        };
        let keys = Keys {
            inbound: key.clone(),
            outbound: key,
        };
        let mut leg = Secured::new(&keys);
        let mut buffer = [0; PACKET_OCTETS_MAX + OVERHEAD_OCTETS_MAX];
        for is_rtcp in [false, true] {
            buffer[..octets.len()].copy_from_slice(octets);
            let opened = match is_rtcp {
                false => leg.unprotect_rtp(&mut buffer, octets.len()),
                true => leg.unprotect_rtcp(&mut buffer, octets.len()),
            };
            assert!(opened.is_err(), "nobody has this key");
            buffer[..octets.len()].copy_from_slice(octets);
            let closed = match is_rtcp {
                false => leg.protect_rtp(&mut buffer, octets.len()),
                true => leg.protect_rtcp(&mut buffer, octets.len()),
            };
            let Ok(len) = closed else { continue };
            let opened = match is_rtcp {
                false => leg.unprotect_rtp(&mut buffer, len),
                true => leg.unprotect_rtcp(&mut buffer, len),
            };
            assert_eq!(opened, Ok(octets.len()));
            assert_eq!(&buffer[..octets.len()], octets);
        }
    }
}
