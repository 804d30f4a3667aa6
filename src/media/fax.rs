//! A fax in the place of audio (UDPTL, ITU-T T.38 §9.1): between two machines, and nothing that anybody listens to.

use std::net::SocketAddr;

use super::limits::{PACKET_OCTETS_MAX, UDPTL_OCTETS_MIN};
use super::session::Session;
use super::srtp::Refused;
use super::{Component, DropReason, Side, Verdict};
use crate::time::Now;

impl Session {
    /// A datagram of a fax (UDPTL, ITU-T T.38 §9.1), to a party that wants it and as it came: only its source, its
    /// shape and the rate are looked at. What it says is between two machines.
    pub(super) fn fax_datagram(
        &mut self,
        from: Side,
        source: SocketAddr,
        buffer: &mut [u8],
        len: usize,
        now: Now,
    ) -> Verdict {
        let (this, other) = self.parties(from);
        if !is_udptl(buffer.get(..len).unwrap_or_default()) {
            return this.drop(DropReason::Malformed);
        }
        if let Err(reason) = this.admit(source, len, 0, now.instant) {
            return this.drop(reason);
        }
        if !other.is_fax {
            return this.drop(DropReason::UnknownPayload);
        }
        let target = (other.latch.target(), Component::Rtp);
        self.last_heard = now.instant;
        self.send_on(from, target, (buffer, len), now, |_, _, _| {
            Err(Refused::Unauthenticated)
        })
    }
}

/// Whether these octets have the shape of a datagram of a fax: two of its number, then the length of what it carries (X.691
/// §11.9, one octet or two), and so much behind it. Looked at before a source is believed.
fn is_udptl(octets: &[u8]) -> bool {
    if !(UDPTL_OCTETS_MIN..=PACKET_OCTETS_MAX).contains(&octets.len()) {
        return false;
    }
    let end = match octets[2] {
        first @ 0..0x80 => 3 + usize::from(first),
        first @ 0x80..0xc0 => 4 + (usize::from(first & 0x3f) << 8 | usize::from(octets[3])),
        // In fragments: more than fits into a packet.
        _ => return false,
    };
    end <= octets.len()
}
