//! RTCP compound packets: validity and what the reports say (RFC 3550 §6, A.2).

use super::limits::PACKET_OCTETS_MAX;

/// Sender report, receiver report.
const SR: u8 = 200;
const RR: u8 = 201;

/// Second octets that are RTCP where RTP shares the port: no payload type in use has them, marked or not (RFC 5761 §4).
const KINDS: std::ops::RangeInclusive<u8> = 192..=223;

/// Octets before the report blocks: header and sender, with the sender information of an SR.
const SR_HEAD: usize = 28;
const RR_HEAD: usize = 8;
const BLOCK: usize = 24;

/// Why octets are not an RTCP compound packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    #[error("RTCP: {octets} octets, expected a multiple of 4 from 8 to {PACKET_OCTETS_MAX}")]
    Length { octets: usize },
    #[error("RTCP octet {offset}: expected version 2")]
    Version { offset: usize },
    #[error("RTCP octet 1: expected a sender or receiver report first, found type {kind}")]
    First { kind: u8 },
    #[error("RTCP octet {offset}: expected padding only at the end of the last packet")]
    Padding { offset: usize },
    #[error("RTCP octet {offset}: expected a length inside the datagram and long enough for its reports")]
    Overrun { offset: usize },
}

/// One report block: how well its sender receives `ssrc` (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceptionReport {
    /// The stream that is reported on.
    pub ssrc: u32,
    /// Lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Lost since the start; negative when duplicates outnumber losses.
    pub cumulative_lost: i32,
    /// With the count of wraps in the upper half.
    pub highest_sequence: u32,
    /// In units of the stream's clock rate (8000 for G.711).
    pub jitter: u32,
    /// The mark of the last sender report about the stream (LSR); 0 = none came.
    pub last_sender_mark: u32,
    /// How long it had been there when this was sent (DLSR), in 65536ths of a second.
    pub since_sender_mark: u32,
}

/// Whether a packet on a port for both is RTCP; encrypted or not, its second octet is plain.
pub fn is_control(octets: &[u8]) -> bool {
    octets.get(1).is_some_and(|kind| KINDS.contains(kind))
}

/// A checked compound packet.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    octets: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Walks the whole datagram (RFC 3550 A.2): version 2 throughout, a report first, lengths that add up exactly,
    /// padding only on the last packet, report counts that fit.
    ///
    /// Reduced-size RTCP (RFC 5506) is refused: we take its attribute out of every offer.
    pub fn parse(octets: &'a [u8]) -> Result<Compound<'a>, RtcpError> {
        if !(8..=PACKET_OCTETS_MAX).contains(&octets.len()) || !octets.len().is_multiple_of(4) {
            return Err(RtcpError::Length { octets: octets.len() });
        }
        let kind = octets[1];
        if kind != SR && kind != RR {
            return Err(RtcpError::First { kind });
        }
        let mut offset = 0;
        while offset < octets.len() {
            let rest = &octets[offset..];
            // The length of the whole is a multiple of 4, so a header of 4 octets is there.
            if rest[0] >> 6 != 2 {
                return Err(RtcpError::Version { offset });
            }
            let length = packet_octets(rest);
            let needed = match rest[1] {
                SR => SR_HEAD + reports(rest) * BLOCK,
                RR => RR_HEAD + reports(rest) * BLOCK,
                _ => 4,
            };
            if length > rest.len() || length < needed {
                return Err(RtcpError::Overrun { offset });
            }
            if rest[0] & 0x20 != 0 {
                let padding = usize::from(rest[length - 1]);
                let is_last = length == rest.len();
                if !is_last || offset == 0 || padding == 0 || padding % 4 != 0 || padding > length - 4 {
                    return Err(RtcpError::Padding { offset });
                }
            }
            offset += length;
        }
        Ok(Compound { octets })
    }

    /// Who sends this: the SSRC of the first report.
    pub fn sender(&self) -> u32 {
        word(self.octets, 4)
    }

    /// What a report block will call this compound by, when it begins with a sender report: the middle of its NTP timestamp.
    pub fn sender_mark(&self) -> Option<u32> {
        (self.octets[1] == SR).then(|| word(self.octets, 10))
    }

    /// All report blocks of all reports in the compound, in order.
    pub fn reception(&self) -> impl Iterator<Item = ReceptionReport> + 'a {
        Packets(self.octets).flat_map(|packet| {
            let head = match packet[1] {
                SR => Some(SR_HEAD),
                RR => Some(RR_HEAD),
                _ => None,
            };
            let count = head.map_or(0, |_| reports(packet));
            (0..count).map(move |index| block(packet, head.unwrap_or(RR_HEAD) + index * BLOCK))
        })
    }
}

/// The packets of a compound that has been checked.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.len() < 4 {
            return None;
        }
        let (packet, rest) = self.0.split_at_checked(packet_octets(self.0))?;
        self.0 = rest;
        Some(packet)
    }
}

fn packet_octets(packet: &[u8]) -> usize {
    (usize::from(u16::from_be_bytes([packet[2], packet[3]])) + 1) * 4
}

fn reports(packet: &[u8]) -> usize {
    usize::from(packet[0] & 0x1f)
}

fn block(packet: &[u8], at: usize) -> ReceptionReport {
    let loss = word(packet, at + 4);
    ReceptionReport {
        ssrc: word(packet, at),
        fraction_lost: (loss >> 24) as u8,
        // 24 bits with a sign: shifted up and back down to spread it.
        cumulative_lost: ((loss << 8) as i32) >> 8,
        highest_sequence: word(packet, at + 8),
        jitter: word(packet, at + 12),
        last_sender_mark: word(packet, at + 16),
        since_sender_mark: word(packet, at + 20),
    }
}

fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A receiver report with one block and a BYE behind it.
    pub(crate) fn receiver_report(sender: u32, about: u32, lost: i32) -> Vec<u8> {
        let mut octets = vec![0x81, RR, 0, 7];
        octets.extend_from_slice(&sender.to_be_bytes());
        octets.extend_from_slice(&about.to_be_bytes());
        octets.push(64);
        octets.extend_from_slice(&lost.to_be_bytes()[1..]);
        octets.extend_from_slice(&70_000u32.to_be_bytes());
        octets.extend_from_slice(&24u32.to_be_bytes());
        octets.extend_from_slice(&[0; 8]);
        octets.extend_from_slice(&[0x81, 203, 0, 1]);
        octets.extend_from_slice(&sender.to_be_bytes());
        octets
    }

    #[test]
    fn a_report_says_who_how_much_and_how_late() {
        let octets = receiver_report(5, 9, -3);
        let compound = Compound::parse(&octets).unwrap();
        assert_eq!(compound.sender(), 5);
        let expected = ReceptionReport {
            ssrc: 9,
            fraction_lost: 64,
            cumulative_lost: -3,
            highest_sequence: 70_000,
            jitter: 24,
            last_sender_mark: 0,
            since_sender_mark: 0,
        };
        assert_eq!(compound.reception().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn a_sender_report_has_its_blocks_behind_the_sender_information() {
        let mut octets = vec![0x81, SR, 0, 12];
        octets.extend_from_slice(&[0; 24]);
        octets.extend_from_slice(&receiver_report(5, 9, 2)[8..32]);
        let report = Compound::parse(&octets).unwrap().reception().next().unwrap();
        assert_eq!((report.ssrc, report.cumulative_lost), (9, 2));
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let good = receiver_report(5, 9, 0);
        assert!(matches!(
            Compound::parse(&good[..6]),
            Err(RtcpError::Length { .. })
        ));
        assert!(matches!(
            Compound::parse(&good[..good.len() - 2]),
            Err(RtcpError::Length { .. })
        ));
        assert_eq!(
            Compound::parse(&good[..good.len() - 4]).unwrap_err(),
            RtcpError::Overrun { offset: 32 }
        );
        let changed = |at: usize, to: u8| {
            let mut octets = good.clone();
            octets[at] = to;
            Compound::parse(&octets).unwrap_err()
        };
        assert_eq!(changed(1, 203), RtcpError::First { kind: 203 });
        assert_eq!(changed(0, 0x41), RtcpError::Version { offset: 0 });
        assert_eq!(changed(0, 0x82), RtcpError::Overrun { offset: 0 });
        assert_eq!(changed(0, 0xa1), RtcpError::Padding { offset: 0 });
        assert_eq!(changed(32, 0x01), RtcpError::Version { offset: 32 });
        assert_eq!(changed(32, 0xa1), RtcpError::Padding { offset: 32 });
    }
}
