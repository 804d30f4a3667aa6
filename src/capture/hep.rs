//! One HEP v3 packet (HEP3 network protocol specification, revision 36): "HEP3", a length, and chunks.
//!
//! ```text
//!  0      4        6
//!  | HEP3 | length | chunk | chunk | ...        a chunk: vendor (0), type, length with these 6 octets, value
//! ```

use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sip::{Flow, Transport};

/// The largest UDP payload over IPv4. A message that does not fit with its chunks is not mirrored, but counted.
pub const PACKET_OCTETS_MAX: usize = 65_507;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// One message on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub flow: Flow,
    pub way: Way,
    pub at: SystemTime,
    pub octets: &'a [u8],
    /// What brings the messages of one call together: the Call-ID of the caller's leg.
    pub correlation: &'a str,
}

/// Writes the packet over `out`. False, with nothing to send in `out`, when it would be too large.
///
/// Local ends that are bound to every address are told as they are bound. IPv4 and IPv6 in one packet (a peer behind
/// a mapped address) go as IPv6. TLS is told as TCP: the message was readable to us.
pub fn encode(seen: &Seen<'_>, agent: u32, password: Option<&str>, out: &mut Vec<u8>) -> bool {
    let (source, destination) = match seen.way {
        Way::In => (seen.flow.remote, seen.flow.local),
        Way::Out => (seen.flow.local, seen.flow.remote),
    };
    let since = seen.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let protocol: u8 = match seen.flow.transport {
        Transport::Udp => 17,
        _ => 6,
    };
    out.clear();
    out.extend(b"HEP3\0\0");
    addresses(out, source, destination);
    chunk(out, 2, &[protocol]);
    chunk(out, 7, &source.port().to_be_bytes());
    chunk(out, 8, &destination.port().to_be_bytes());
    chunk(out, 9, &(since.as_secs() as u32).to_be_bytes());
    chunk(out, 10, &since.subsec_micros().to_be_bytes());
    chunk(out, 11, &[1]);
    chunk(out, 12, &agent.to_be_bytes());
    if let Some(password) = password {
        chunk(out, 14, password.as_bytes());
    }
    chunk(out, 17, seen.correlation.as_bytes());
    let is_small = out.len() + 6 + seen.octets.len() <= PACKET_OCTETS_MAX;
    if !is_small {
        out.clear();
        return false;
    }
    let begins = out.len();
    chunk(out, 15, seen.octets);
    mask_keys(&mut out[begins..]);
    let length = (out.len() as u16).to_be_bytes();
    out[4..6].copy_from_slice(&length);
    true
}

/// Media keys (`a=crypto`, RFC 4568) stay here: with them whoever keeps the packets can listen.
fn mask_keys(octets: &mut [u8]) {
    const METHOD: &[u8] = b"inline:";
    let mut from = 0;
    while let Some(found) = octets[from..]
        .windows(METHOD.len())
        .position(|window| window.eq_ignore_ascii_case(METHOD))
    {
        from += found + METHOD.len();
        while let Some(octet) = octets.get_mut(from)
            && (octet.is_ascii_alphanumeric() || b"+/=".contains(octet))
        {
            *octet = b'*';
            from += 1;
        }
    }
}

/// Family (2 or 10, as AF_INET and AF_INET6 are on Linux) and both addresses.
fn addresses(out: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr) {
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            chunk(out, 1, &[2]);
            chunk(out, 3, &source.octets());
            chunk(out, 4, &destination.octets());
        }
        (source, destination) => {
            let six = |address: IpAddr| match address {
                IpAddr::V4(four) => four.to_ipv6_mapped().octets(),
                IpAddr::V6(six) => six.octets(),
            };
            chunk(out, 1, &[10]);
            chunk(out, 5, &six(source));
            chunk(out, 6, &six(destination));
        }
    }
}

/// One chunk of the generic vendor. Values longer than a packet cannot come here: the longest is a Call-ID or the
/// message, whose length was looked at before.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = &value[..value.len().min(PACKET_OCTETS_MAX)];
    out.extend([0, 0]);
    out.extend(kind.to_be_bytes());
    out.extend((value.len() as u16 + 6).to_be_bytes());
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    /// Reads a packet as the specification describes it, sharing nothing with the encoder.
    fn chunks(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(
            usize::from(packet[4]) * 256 + usize::from(packet[5]),
            packet.len()
        );
        let mut found = BTreeMap::new();
        let mut rest = &packet[6..];
        while !rest.is_empty() {
            let number = |at: usize| u16::from(rest[at]) * 256 + u16::from(rest[at + 1]);
            assert_eq!(number(0), 0, "the generic vendor");
            let (kind, length) = (number(2), usize::from(number(4)));
            let was_there = found.insert(kind, rest[6..length].to_vec()).is_some();
            assert!(!was_there, "chunk {kind} once");
            rest = &rest[length..];
        }
        found
    }

    fn seen<'a>(local: &str, remote: &str, octets: &'a [u8]) -> Seen<'a> {
        Seen {
            flow: Flow::udp(local.parse().unwrap(), remote.parse().unwrap()),
            way: Way::In,
            at: UNIX_EPOCH + Duration::from_micros(1_795_329_000_000_042),
            octets,
            correlation: "call@carrier",
        }
    }

    #[test]
    fn a_message_that_came_over_ipv4_has_every_chunk_once() {
        let mut out = vec![1; 10];
        let seen = seen(
            "192.0.2.1:5060",
            "203.0.113.7:5061",
            b"INVITE sip:a@b SIP/2.0\r\n\r\n",
        );
        assert!(encode(&seen, 2001, Some("secret"), &mut out));
        let expected = [
            (1, &[2][..]),
            (2, &[17]),
            (3, &[203, 0, 113, 7]),
            (4, &[192, 0, 2, 1]),
            (7, &5061_u16.to_be_bytes()),
            (8, &5060_u16.to_be_bytes()),
            (9, &1_795_329_000_u32.to_be_bytes()),
            (10, &42_u32.to_be_bytes()),
            (11, &[1]),
            (12, &2001_u32.to_be_bytes()),
            (14, b"secret"),
            (15, seen.octets),
            (17, b"call@carrier"),
        ];
        let expected: BTreeMap<u16, Vec<u8>> = expected
            .into_iter()
            .map(|(kind, value)| (kind, value.to_vec()))
            .collect();
        assert_eq!(chunks(&out), expected);
    }

    #[test]
    fn what_we_send_goes_the_other_way_and_ipv6_has_its_own_chunks() {
        let mut out = Vec::new();
        let mut seen = seen("[2001:db8::1]:5060", "[2001:db8::7]:5061", b"x");
        seen.way = Way::Out;
        seen.flow.transport = Transport::Tcp;
        assert!(encode(&seen, 1, None, &mut out));
        let found = chunks(&out);
        assert_eq!((&found[&1][..], &found[&2][..]), (&[10][..], &[6][..]));
        assert_eq!((found[&5].last(), found[&6].last()), (Some(&1), Some(&7)));
        assert_eq!(found[&7], 5060_u16.to_be_bytes());
        assert!(!found.contains_key(&3) && !found.contains_key(&14));
    }

    #[test]
    fn media_keys_are_not_mirrored() {
        let octets = b"SIP/2.0 200 OK\r\n\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJD/+Q=|2^20\r\na=crypto:2 X INLINE:eA";
        let mut out = Vec::new();
        assert!(encode(
            &seen("10.0.0.1:5060", "10.0.0.2:5060", octets),
            1,
            None,
            &mut out
        ));
        let text = String::from_utf8_lossy(&out);
        assert!(
            text.contains("inline:********|2^20\r\n") && text.contains("INLINE:**"),
            "{text}"
        );
        assert!(!text.contains("QUJD") && text.contains("AES_CM_128_HMAC_SHA1_80"));
    }

    #[test]
    fn a_message_that_does_not_fit_is_not_sent_in_part() {
        let mut out = Vec::new();
        let octets = vec![b'x'; 65_535];
        assert!(!encode(
            &seen("192.0.2.1:1", "192.0.2.2:2", &octets),
            1,
            None,
            &mut out
        ));
        assert!(out.is_empty());
        let fits = PACKET_OCTETS_MAX - 200;
        assert!(encode(
            &seen("192.0.2.1:1", "192.0.2.2:2", &octets[..fits]),
            1,
            None,
            &mut out
        ));
        assert_eq!(chunks(&out)[&15].len(), fits);
    }
}
