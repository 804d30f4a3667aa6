//! The RTP header, read in place (RFC 3550 §5.1).

use super::limits::PACKET_OCTETS_MAX;

/// Why octets are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    #[error("RTP: {octets} octets, expected 12 to {PACKET_OCTETS_MAX}")]
    Length { octets: usize },
    #[error("RTP octet 0: expected version 2, found {version}")]
    Version { version: u8 },
    #[error("RTP octet {offset}: expected the end of the {part} inside the packet")]
    Overrun { part: &'static str, offset: usize },
    #[error("RTP last octet: expected a padding count of 1 to {payload}")]
    Padding { payload: usize },
}

/// A view of one RTP packet; every bound in it has been checked.
///
/// # Example
///
/// ```
/// let octets = [0x80, 0, 0, 7, 0, 0, 0, 160, 0, 0, 0, 9, 0xff, 0xff];
/// let packet = ringward::media::rtp::Packet::parse(&octets)?;
/// assert_eq!((packet.sequence(), packet.timestamp(), packet.ssrc()), (7, 160, 9));
/// assert_eq!(packet.payload(), [0xff, 0xff]);
/// # Ok::<(), ringward::media::rtp::RtpError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    octets: &'a [u8],
    payload: (usize, usize),
}

/// Octets of a header without sources and extension.
pub const HEADER_OCTETS: usize = 12;

impl<'a> Packet<'a> {
    /// Checks version, contributing sources, extension and padding against the length.
    pub fn parse(octets: &'a [u8]) -> Result<Packet<'a>, RtpError> {
        if !(HEADER_OCTETS..=PACKET_OCTETS_MAX).contains(&octets.len()) {
            return Err(RtpError::Length { octets: octets.len() });
        }
        let first = octets[0];
        if first >> 6 != 2 {
            return Err(RtpError::Version { version: first >> 6 });
        }
        let mut start = HEADER_OCTETS + usize::from(first & 0x0f) * 4;
        if start > octets.len() {
            return Err(RtpError::Overrun {
                part: "contributing sources",
                offset: HEADER_OCTETS,
            });
        }
        if first & 0x10 != 0 {
            let words = octets
                .get(start + 2..start + 4)
                .map(|o| u16::from_be_bytes([o[0], o[1]]));
            let end = words.map(|words| start + 4 + usize::from(words) * 4);
            match end.filter(|end| *end <= octets.len()) {
                Some(end) => start = end,
                None => {
                    return Err(RtpError::Overrun {
                        part: "header extension",
                        offset: start,
                    });
                }
            }
        }
        let mut end = octets.len();
        if first & 0x20 != 0 {
            let payload = end - start;
            let padding = usize::from(octets[end - 1]);
            if padding == 0 || padding > payload {
                return Err(RtpError::Padding { payload });
            }
            end -= padding;
        }
        Ok(Packet {
            octets,
            payload: (start, end),
        })
    }

    /// The marker bit: for audio the start of a talk spurt (RFC 3551 §4.1).
    pub fn is_marked(&self) -> bool {
        self.octets[1] & 0x80 != 0
    }

    /// 0 to 127.
    pub fn payload_type(&self) -> u8 {
        self.octets[1] & 0x7f
    }

    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.octets[2], self.octets[3]])
    }

    /// In units of the payload's clock rate; for G.711 one unit is one sample.
    pub fn timestamp(&self) -> u32 {
        self.word(4)
    }

    pub fn ssrc(&self) -> u32 {
        self.word(8)
    }

    /// Without padding; may be empty.
    pub fn payload(&self) -> &'a [u8] {
        &self.octets[self.payload.0..self.payload.1]
    }

    /// Whether all octets of the payload are one: silence that somebody took the trouble to send.
    pub fn is_flat(&self) -> bool {
        let payload = self.payload();
        payload.iter().all(|octet| Some(octet) == payload.first())
    }

    /// Where the payload stands in the packet.
    pub fn payload_range(&self) -> std::ops::Range<usize> {
        self.payload.0..self.payload.1
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes([
            self.octets[at],
            self.octets[at + 1],
            self.octets[at + 2],
            self.octets[at + 3],
        ])
    }
}

/// In the first octet: the last one counts octets that are nothing (RFC 3550 §5.1).
pub(super) const PADDING: u8 = 0x20;

/// Another payload type; the mark stays.
pub(super) fn renumber(packet: &mut [u8], payload_type: u8) {
    if let Some(second) = packet.get_mut(1) {
        *second = *second & 0x80 | payload_type;
    }
}

/// Another timestamp.
pub(super) fn retime(packet: &mut [u8], timestamp: u32) {
    if let Some(octets) = packet.get_mut(4..8) {
        octets.copy_from_slice(&timestamp.to_be_bytes());
    }
}

/// Writes a plain header (version 2, no padding, extension or sources) for whoever makes packets: tests and the demo.
pub fn header(
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    is_marked: bool,
) -> [u8; HEADER_OCTETS] {
    let mut octets = [0; HEADER_OCTETS];
    octets[0] = 0x80;
    octets[1] = (payload_type & 0x7f) | if is_marked { 0x80 } else { 0 };
    octets[2..4].copy_from_slice(&sequence.to_be_bytes());
    octets[4..8].copy_from_slice(&timestamp.to_be_bytes());
    octets[8..12].copy_from_slice(&ssrc.to_be_bytes());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut octets = header(0, 1, 2, 3, false).to_vec();
        octets[0] = first;
        octets.extend_from_slice(rest);
        octets
    }

    #[test]
    fn a_written_header_reads_back() {
        let octets = header(101, 0xfffe, 0xdead_beef, 0x0102_0304, true);
        let packet = Packet::parse(&octets).unwrap();
        assert_eq!(
            (packet.payload_type(), packet.sequence(), packet.is_marked()),
            (101, 0xfffe, true)
        );
        assert_eq!((packet.timestamp(), packet.ssrc()), (0xdead_beef, 0x0102_0304));
        assert!(packet.payload().is_empty());
    }

    #[test]
    fn sources_extension_and_padding_are_not_payload() {
        let octets = packet(
            0x80 | 0x30 | 1,
            &[9, 9, 9, 9, 0xbe, 0xde, 0, 1, 7, 7, 7, 7, 42, 43, 0, 2],
        );
        assert_eq!(Packet::parse(&octets).unwrap().payload(), [42, 43]);
    }

    #[test]
    fn every_overrun_is_refused() {
        for octets in [
            packet(0x81, &[0, 0, 0]),
            packet(0x8f, &[0; 59]),
            packet(0x90, &[]),
            packet(0x90, &[0, 0, 0]),
            packet(0x90, &[0, 0, 0, 1, 5, 5, 5]),
            packet(0x90, &[0, 0, 0xff, 0xff]),
        ] {
            assert!(
                matches!(Packet::parse(&octets), Err(RtpError::Overrun { .. })),
                "{octets:?}"
            );
        }
    }

    #[test]
    fn padding_must_lie_in_the_payload() {
        for octets in [
            packet(0xa0, &[]),
            packet(0xa0, &[1, 0]),
            packet(0xa0, &[1, 3]),
            packet(0xa1, &[0, 0, 0, 1]),
        ] {
            assert!(
                matches!(Packet::parse(&octets), Err(RtpError::Padding { .. })),
                "{octets:?}"
            );
        }
        assert!(
            Packet::parse(&packet(0xa0, &[0, 2]))
                .unwrap()
                .payload()
                .is_empty()
        );
    }

    #[test]
    fn length_and_version_are_checked_first() {
        assert_eq!(
            Packet::parse(&[0x80; 11]).unwrap_err(),
            RtpError::Length { octets: 11 }
        );
        assert!(Packet::parse(&[0x80; PACKET_OCTETS_MAX + 1]).is_err());
        assert_eq!(
            Packet::parse(&packet(0x40, &[])).unwrap_err(),
            RtpError::Version { version: 1 }
        );
    }
}
