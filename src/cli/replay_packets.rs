//! Packets out of a capture file: pcap or pcapng, the link layer, IPv4 and IPv6, UDP and TCP.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pcap_parser::pcapng::Block;
use pcap_parser::traits::PcapNGPacketBlock as _;
use pcap_parser::{Linktype, PcapBlockOwned, PcapError, create_reader};

/// Octets of a file held at a time; the largest block that can be read. Captures are cut at 256 KiB by every tool.
const BUFFER_OCTETS: usize = 1024 * 1024;
/// Interfaces of one pcapng section. Past it their packets are counted as not understood.
const INTERFACES_MAX: usize = 1024;
/// VLAN tags and IPv6 extension headers of one packet. Past it the packet is not understood.
const HEADERS_MAX: usize = 8;

/// One UDP datagram or TCP segment.
pub(super) struct Packet<'a> {
    /// Since the Unix epoch.
    pub at: Duration,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub carried: Carried<'a>,
}

pub(super) enum Carried<'a> {
    Udp(&'a [u8]),
    Tcp(Segment<'a>),
}

pub(super) struct Segment<'a> {
    pub sequence: u32,
    /// SYN: the stream begins here.
    pub is_start: bool,
    /// FIN or RST: it ends here.
    pub is_end: bool,
    pub octets: &'a [u8],
}

/// What a file held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Counts {
    pub packets: u64,
    /// IP fragments: not put together, so what they carried is missing.
    pub fragments: u64,
    /// Cut by the capture (snap length): what is left is not looked at.
    pub cut: u64,
    /// Neither UDP nor TCP over IP, or a link layer we do not read.
    pub other: u64,
}

/// Why a file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damaged {
    #[error("neither pcap nor pcapng")]
    NotACapture,
    #[error("it ends within a packet, after {0} packets")]
    EndsEarly(u64),
    #[error("it cannot be read after {0} packets: a block is damaged or larger than {BUFFER_OCTETS} octets")]
    Block(u64),
}

/// Shows every packet to `each`, in the order of the file.
///
/// # Errors
///
/// [`Damaged`]; what came before the damage was shown.
pub(super) fn read(
    file: impl Read + Send,
    counts: &mut Counts,
    each: &mut dyn FnMut(Packet<'_>),
) -> Result<(), Damaged> {
    let mut reader = create_reader(BUFFER_OCTETS, file).map_err(|_| Damaged::NotACapture)?;
    let mut file = Layout::default();
    let mut was_refilled = false;
    loop {
        let length = match reader.next() {
            Ok((length, block)) => {
                file.handle(&block, counts, each);
                Some(length)
            }
            Err(PcapError::Eof) => return Ok(()),
            Err(PcapError::Incomplete(_)) => None,
            Err(PcapError::UnexpectedEof) => return Err(Damaged::EndsEarly(counts.packets)),
            Err(_) => return Err(Damaged::Block(counts.packets)),
        };
        if let Some(length) = length {
            reader.consume(length);
        } else if was_refilled && reader.reader_exhausted() {
            return Err(Damaged::EndsEarly(counts.packets));
        } else {
            reader.refill().map_err(|_| Damaged::Block(counts.packets))?;
        }
        was_refilled = length.is_none();
    }
}

/// How the packets of a file are written, as far as it was read.
#[derive(Default)]
struct Layout {
    link: Linktype,
    is_in_nanoseconds: bool,
    /// Of the current section: link layer, ticks a second, offset in seconds.
    interfaces: Vec<(Linktype, u64, i64)>,
    last: Duration,
}

impl Layout {
    fn handle(&mut self, block: &PcapBlockOwned<'_>, counts: &mut Counts, each: &mut dyn FnMut(Packet<'_>)) {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.link = header.network;
                self.is_in_nanoseconds = header.is_nanosecond_precision();
            }
            PcapBlockOwned::Legacy(packet) => {
                let unit = if self.is_in_nanoseconds { 1 } else { 1000 };
                let fraction = Duration::from_nanos(u64::from(packet.ts_usec) * unit);
                let at = Duration::from_secs(u64::from(packet.ts_sec)) + fraction;
                let is_cut = packet.caplen < packet.origlen;
                self.packet(at, self.link, packet.data, is_cut, counts, each);
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.interfaces.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() < INTERFACES_MAX {
                    let ticks = interface.ts_resolution().filter(|ticks| *ticks > 0);
                    self.interfaces.push((
                        interface.linktype,
                        ticks.unwrap_or(1_000_000),
                        interface.ts_offset(),
                    ));
                }
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let Some(&(link, ticks, offset)) = self.interfaces.get(packet.if_id as usize) else {
                    counts.packets += 1;
                    counts.other += 1;
                    return;
                };
                let stamp = (u64::from(packet.ts_high) << 32) | u64::from(packet.ts_low);
                let seconds = (stamp / ticks).saturating_add_signed(offset);
                let nanos = u128::from(stamp % ticks) * 1_000_000_000 / u128::from(ticks);
                let at = Duration::from_secs(seconds) + Duration::from_nanos(nanos as u64);
                let is_cut = packet.caplen < packet.origlen;
                self.packet(at, link, packet.packet_data(), is_cut, counts, each);
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                // It has no time of its own, and is of the first interface.
                if let Some(&(link, ..)) = self.interfaces.first() {
                    self.packet(self.last, link, packet.packet_data(), false, counts, each);
                }
            }
            PcapBlockOwned::NG(_) => {}
        }
    }

    fn packet(
        &mut self,
        at: Duration,
        link: Linktype,
        octets: &[u8],
        is_cut: bool,
        counts: &mut Counts,
        each: &mut dyn FnMut(Packet<'_>),
    ) {
        self.last = at;
        counts.packets += 1;
        let found = network_layer(link, octets).ok_or(Unread::Other).and_then(ip);
        match found {
            Ok((from, to, Carried::Udp(_) | Carried::Tcp(_))) if is_cut => {
                let _ = (from, to);
                counts.cut += 1;
            }
            Ok((from, to, carried)) => each(Packet {
                at,
                from,
                to,
                carried,
            }),
            Err(Unread::Fragment) => counts.fragments += 1,
            Err(Unread::Short) => counts.cut += 1,
            Err(Unread::Other) => counts.other += 1,
        }
    }
}

/// Why a packet is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Fragment,
    Short,
    Other,
}

/// What follows the link layer, if that is IP.
fn network_layer(link: Linktype, octets: &[u8]) -> Option<&[u8]> {
    let (at, kind) = match link.0 {
        // Ethernet, with any VLAN tags.
        1 => (14, Some(word(octets, 12)?)),
        // BSD loopback, both byte orders: an address family, then the packet.
        0 | 108 => (4, None),
        // Linux cooked, versions 1 and 2.
        113 => (16, Some(word(octets, 14)?)),
        276 => (20, Some(word(octets, 0)?)),
        // IP alone, under the numbers that various systems gave it.
        12 | 14 | 101 | 228 | 229 => (0, None),
        _ => return None,
    };
    let (mut at, mut kind) = (at, kind);
    for _ in 0..HEADERS_MAX {
        match kind {
            Some(0x8100 | 0x88a8 | 0x9100) => {
                kind = Some(word(octets, at + 2)?);
                at += 4;
            }
            None | Some(0x0800 | 0x86dd) => return octets.get(at..),
            Some(_) => return None,
        }
    }
    None
}

type Found<'a> = (SocketAddr, SocketAddr, Carried<'a>);

fn ip(octets: &[u8]) -> Result<Found<'_>, Unread> {
    match octets.first().map(|first| first >> 4) {
        Some(4) => {
            let header = usize::from(octets[0] & 15) * 4;
            let total = usize::from(word(octets, 2).ok_or(Unread::Short)?);
            let fragment = word(octets, 6).ok_or(Unread::Short)?;
            if fragment & 0x3fff != 0 {
                return Err(Unread::Fragment);
            }
            let addresses = octets.get(12..20).ok_or(Unread::Short)?;
            let of = |at: usize| <[u8; 4]>::try_from(&addresses[at..at + 4]).map(IpAddr::from);
            let (Ok(from), Ok(to)) = (of(0), of(4)) else {
                return Err(Unread::Short);
            };
            // A total of 0 is what a card that segments by itself leaves behind.
            let end = if total == 0 { octets.len() } else { total };
            let payload = octets.get(header.max(20)..end).ok_or(Unread::Short)?;
            transport(octets[9], from, to, payload)
        }
        Some(6) => {
            let length = usize::from(word(octets, 4).ok_or(Unread::Short)?);
            let addresses = octets.get(8..40).ok_or(Unread::Short)?;
            let of = |at: usize| <[u8; 16]>::try_from(&addresses[at..at + 16]).map(IpAddr::from);
            let (Ok(from), Ok(to)) = (of(0), of(16)) else {
                return Err(Unread::Short);
            };
            let end = if length == 0 { octets.len() } else { 40 + length };
            let mut payload = octets.get(40..end).ok_or(Unread::Short)?;
            let mut kind = octets[6];
            for _ in 0..HEADERS_MAX {
                let skip = match kind {
                    // Hop by hop, routing, destination options.
                    0 | 43 | 60 => 8 + usize::from(*payload.get(1).ok_or(Unread::Short)?) * 8,
                    44 if word(payload, 2).ok_or(Unread::Short)? & 0xfff9 != 0 => {
                        return Err(Unread::Fragment);
                    }
                    44 => 8,
                    _ => return transport(kind, from, to, payload),
                };
                kind = *payload.first().ok_or(Unread::Short)?;
                payload = payload.get(skip..).ok_or(Unread::Short)?;
            }
            Err(Unread::Other)
        }
        _ => Err(Unread::Other),
    }
}

fn transport(kind: u8, from: IpAddr, to: IpAddr, octets: &[u8]) -> Result<Found<'_>, Unread> {
    if !matches!(kind, 6 | 17) {
        return Err(Unread::Other);
    }
    let port = |at| word(octets, at).ok_or(Unread::Short);
    let (from, to) = (SocketAddr::new(from, port(0)?), SocketAddr::new(to, port(2)?));
    if kind == 17 {
        let length = usize::from(port(4)?);
        let end = if length == 0 { octets.len() } else { length };
        let payload = octets.get(8..end).ok_or(Unread::Short)?;
        return Ok((from, to, Carried::Udp(payload)));
    }
    let header = usize::from(octets.get(12).ok_or(Unread::Short)? >> 4) * 4;
    let flags = *octets.get(13).ok_or(Unread::Short)?;
    let sequence = octets.get(4..8).ok_or(Unread::Short)?;
    let segment = Segment {
        sequence: u32::from_be_bytes(sequence.try_into().map_err(|_| Unread::Short)?),
        is_start: flags & 0x02 != 0,
        is_end: flags & 0x05 != 0,
        octets: octets.get(header.max(20)..).ok_or(Unread::Short)?,
    };
    Ok((from, to, Carried::Tcp(segment)))
}

/// Two octets, most significant first.
fn word(octets: &[u8], at: usize) -> Option<u16> {
    let pair = octets.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}
