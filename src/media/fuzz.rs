//! Bodies of the fuzz targets that need no call: any octets in, no panic out. They run on small corpora in the ordinary
//! tests.

use super::party::Presses;
use super::rtcp::Compound;
use super::rtp::{self, Packet};

/// RTCP: what parses is walked to its end, and its reports are the blocks that its headers promise.
///
/// # Panics
///
/// When that does not hold, which is what the fuzzer looks for.
pub fn fuzz_rtcp(octets: &[u8]) {
    let Ok(compound) = Compound::parse(octets) else {
        return;
    };
    assert!(octets.len() >= 8 && octets.len().is_multiple_of(4));
    assert_eq!(compound.sender().to_be_bytes(), octets[4..8]);
    assert_eq!(compound.sender_mark().is_some(), octets[1] == 200);
    let most = octets.len() / 24;
    let mut found = 0;
    for report in compound.reception() {
        found += 1;
        let lost = report.cumulative_lost;
        assert!((-0x80_0000..0x80_0000).contains(&lost), "24 bits, signed: {lost}");
    }
    assert!(found <= most, "{found} blocks in {} octets", octets.len());
    if octets[1] == 201 {
        assert!(found >= usize::from(octets[0] & 0x1f), "the first report's own");
    }
}

/// RTP: the header lies inside the packet, and is read as it is written.
///
/// # Panics
///
/// As [`fuzz_rtcp`].
pub fn fuzz_rtp(octets: &[u8]) {
    let Ok(packet) = Packet::parse(octets) else {
        return;
    };
    let range = packet.payload_range();
    assert!(rtp::HEADER_OCTETS <= range.start && range.start <= range.end && range.end <= octets.len());
    assert_eq!(packet.payload(), &octets[range]);
    let again = rtp::header(
        packet.payload_type(),
        packet.sequence(),
        packet.timestamp(),
        packet.ssrc(),
        packet.is_marked(),
    );
    assert_eq!(again[1..], octets[1..rtp::HEADER_OCTETS]);
}

/// telephone-event: the octets are events, four for each, with the low half of the first as the timestamp; each press counts
/// once, however often it is said, and only keys count.
///
/// # Panics
///
/// As [`fuzz_rtcp`].
pub fn fuzz_events(octets: &[u8]) {
    let (mut presses, mut last) = (Presses::default(), None);
    for (sequence, event) in (0..).zip(octets.chunks(4)) {
        let timestamp = u32::from(event[0] & 0x0f) * 160;
        let mut packet = rtp::header(101, sequence, timestamp, 7, false).to_vec();
        packet.extend_from_slice(event);
        let Ok(packet) = Packet::parse(&packet) else {
            continue;
        };
        let pressed = presses.handle(&packet);
        let is_key = event.len() == 4 && event[0] <= 15;
        let is_first = is_key && last != Some(timestamp);
        assert_eq!(pressed, is_first.then_some(event[0]));
        if is_key {
            last = Some(timestamp);
        }
        assert_eq!(presses.handle(&packet), None, "said again it is the same press");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(
            head in prop_oneof![
                Just(vec![]), Just(vec![0x80, 0]), Just(vec![0x90, 8]), Just(vec![0xa5, 0xc8, 0, 3]),
                Just(vec![0x81, 201, 0, 7]), Just(vec![0x80, 200, 0, 6]), Just(vec![0x82, 200, 0, 18]),
            ],
            rest in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let octets = [head, rest].concat();
            fuzz_rtcp(&octets);
            fuzz_rtp(&octets);
            fuzz_events(&octets);
        }
    }

    #[test]
    fn whole_reports_and_keys_are_among_the_corpus() {
        let mut report = [0u8; 32];
        report[..4].copy_from_slice(&[0x81, 201, 0, 7]);
        report[13..16].copy_from_slice(&[0xff, 0xff, 0xff]);
        fuzz_rtcp(&report);
        assert_eq!(Compound::parse(&report).unwrap().reception().count(), 1);
        fuzz_events(&[5, 0x80, 0, 160, 5, 0x80, 1, 64, 6, 0, 0, 160, 16, 0, 0, 160, 21]);
        fuzz_rtp(&rtp::header(0, 1, 160, 7, true));
    }
}
