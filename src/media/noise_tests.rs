//! Comfort noise (RFC 3389): it crosses to whoever takes it, is silence to others, and is never heard as audio.

use super::*;
use crate::g711::Law;

/// -30 dBov of it, and two coefficients.
const NOISE: [u8; 3] = [30, 120, 99];

/// The two parties, and by which number each takes comfort noise.
fn bench(caller: (u8, Codec), called: (u8, Codec), [of_caller, of_called]: [Option<u8>; 2]) -> Bench {
    let mut bench = Bench::new();
    for (side, audio, codec, noise) in [
        (Side::A, CALLER, caller, of_caller),
        (Side::B, CALLED, called, of_called),
    ] {
        bench
            .session
            .described(side, at(audio), &[codec], None, bench.now);
        bench.session.hears_noise(side, noise);
    }
    bench
}

impl Bench {
    /// What the other party gets for comfort noise of this payload type, padded to a multiple of four or not.
    fn noise(&mut self, side: Side, payload_type: u8, is_padded: bool) -> Vec<u8> {
        self.pass(Duration::from_millis(20));
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = u32::from(self.sequence) * 160;
        let mut packet = rtp::header(payload_type, self.sequence, timestamp, 77, false).to_vec();
        packet.extend_from_slice(&NOISE);
        if is_padded {
            packet[0] |= 0x20;
            packet.push(1);
        }
        let mut buffer = [0; 2048];
        buffer[..packet.len()].copy_from_slice(&packet);
        let source = if side == Side::A { CALLER } else { CALLED };
        let verdict = self
            .session
            .rtp_within(side, at(source), &mut buffer, packet.len(), self.now);
        let Verdict::Forward { len, .. } = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(buffer[2..12], packet[2..12], "number, timestamp and source");
        buffer[..len].to_vec()
    }
}

const MU: (u8, Codec) = (0, Codec::Pcmu);

#[test]
fn it_crosses_to_whoever_takes_it_by_his_number() {
    for (of_caller, of_called, sent, expected) in [
        (Some(13), Some(13), 13, 13),
        (Some(13), Some(98), 13, 98),
        (Some(98), Some(13), 98, 13),
        // He who sends it said nothing of it.
        (None, Some(13), 13, 13),
        (None, Some(98), 13, 98),
    ] {
        for called in [MU, (8, Codec::Pcma), (9, Codec::G722)] {
            let mut bench = bench(MU, called, [of_caller, of_called]);
            let got = bench.noise(Side::A, sent, false);
            assert_eq!((got[1], &got[12..]), (expected, &NOISE[..]), "{sent} {called:?}");
        }
    }
}

#[test]
fn to_a_party_that_does_not_take_it_it_is_silence_in_his_codec() {
    for called in [MU, (97, Codec::Pcma), (9, Codec::G722)] {
        for (of_caller, sent) in [(Some(13), 13), (Some(98), 98), (None, 13)] {
            for is_padded in [false, true] {
                let mut bench = bench(MU, called, [of_caller, None]);
                let got = bench.noise(Side::A, sent, is_padded);
                let packet = rtp::Packet::parse(&got).unwrap();
                assert_eq!((packet.payload_type(), packet.payload().len()), (called.0, 160));
                assert_eq!(got.len(), 172);
                let mut decoder = super::super::super::g722::NarrowDecoder::default();
                for octet in packet.payload() {
                    let level = match called.1.law() {
                        Some(law) => law.decode(*octet),
                        None => decoder.decode(*octet),
                    };
                    assert!(level.abs() <= 16, "{called:?}: {level}");
                }
                assert_eq!(bench.session.statistics().from_caller.dropped, 0);
                assert_eq!(
                    bench.session.statistics().from_caller.translated,
                    0,
                    "no audio was"
                );
            }
        }
    }
}

#[test]
fn audio_behind_such_silence_is_heard_as_it_was() {
    let mut bench = bench(MU, MU, [Some(13), None]);
    bench.noise(Side::A, 13, false);
    let mut packet = bench.packet(0);
    let before = packet.clone();
    assert_eq!(
        bench.session.rtp(Side::A, at(CALLER), &mut packet, bench.now),
        to(CALLED)
    );
    assert_eq!(packet, before);
}

#[test]
fn it_is_never_heard_as_audio() {
    for (of_caller, sent) in [(Some(13), 13), (Some(98), 98), (None, 13)] {
        let mut bench = bench(MU, MU, [of_caller, None]);
        bench.session.tap(true);
        for _ in 0..50 {
            assert_eq!(bench.rtp(Side::A, CALLER, 0), to(CALLED));
            bench.noise(Side::A, sent, false);
        }
        let hop = bench.session.poll_hop().unwrap();
        let level = Law::Mu.decode(0x31);
        assert!(hop.iter().all(|sample| *sample == level), "{sent}");
        assert_eq!(bench.session.tapped_samples(), Some(8000), "as much as was said");
        assert_eq!(bench.session.tap_statistics().concealed, 0);
    }
}

#[test]
fn a_number_that_means_something_else_here_is_that() {
    // 13 is this party's word for PCMA.
    let mut bench = bench(MU, (13, Codec::Pcma), [None, None]);
    bench.session.tap(true);
    for _ in 0..50 {
        assert_eq!(bench.rtp(Side::A, CALLER, 13), to(CALLED));
    }
    let level = Law::A.decode(0x31);
    assert!(
        bench
            .session
            .poll_hop()
            .unwrap()
            .iter()
            .all(|sample| *sample == level)
    );
}
