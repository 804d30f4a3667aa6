//! Two legs without a codec in common: each hears the other in its own, packet for packet.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use super::g722::NarrowDecoder;
use super::{Config, Session, Side, Verdict, rtp};
use crate::g711::Law;
use crate::sdp::Codec;
use crate::time::Now;

const CALLER: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);
const CALLED: ([u8; 4], u16) = ([192, 0, 2, 2], 5000);

struct Legs {
    session: Session,
    now: Now,
}

impl Legs {
    fn new(caller: &[(u8, Codec)], called: &[(u8, Codec)]) -> Legs {
        let now = Now {
            instant: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        };
        let config = Config {
            address: [127, 0, 0, 1].into(),
            advertise: None,
            ports: 20_000..=20_009,
            silence: Duration::from_secs(60),
        };
        let mut session = Session::new(&config, now);
        session.described(Side::A, CALLER.into(), caller, Some(101), now);
        session.described(Side::B, CALLED.into(), called, Some(101), now);
        Legs { session, now }
    }

    /// What the other party gets for this packet.
    fn carry(&mut self, from: Side, mut packet: Vec<u8>) -> Vec<u8> {
        self.now = self.now.after(Duration::from_millis(20));
        let (source, to): (SocketAddr, SocketAddr) = match from {
            Side::A => (CALLER.into(), CALLED.into()),
            Side::B => (CALLED.into(), CALLER.into()),
        };
        let len = packet.len();
        let verdict = self.session.rtp(from, source, &mut packet, self.now);
        assert_eq!(verdict, Verdict::Forward { to, len });
        packet
    }
}

fn packet(payload_type: u8, sequence: u16, audio: &[u8]) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let mut packet = rtp::header(payload_type, sequence, timestamp, 77, sequence == 1).to_vec();
    packet.extend_from_slice(audio);
    packet
}

fn tone(n: usize) -> i16 {
    (f64::sin(n as f64 * 500.0 * std::f64::consts::TAU / 8000.0) * 8000.0) as i16
}

#[test]
fn both_laws_go_both_ways_with_number_timestamp_and_mark_kept() {
    let mut legs = Legs::new(&[(0, Codec::Pcmu)], &[(98, Codec::Pcma)]);
    for (from, (payload_type, law), (expected, other)) in [
        (Side::A, (0, Law::Mu), (98, Law::A)),
        (Side::B, (98, Law::A), (0, Law::Mu)),
    ] {
        for sequence in 1..20u16 {
            let audio: Vec<u8> = (0..160).map(|n| law.encode(tone(n))).collect();
            let sent = packet(payload_type, sequence, &audio);
            let got = legs.carry(from, sent.clone());
            assert_eq!(got[1], expected | (sent[1] & 0x80));
            assert_eq!(got[2..12], sent[2..12], "number, timestamp and source");
            for (n, octet) in got[12..].iter().enumerate() {
                let distance = i32::from(other.decode(*octet)) - i32::from(tone(n));
                assert!(distance.abs() <= 600, "sample {n}: {distance} off");
            }
        }
    }
}

#[test]
fn a_phone_of_g722_hears_a_caller_of_g711_without_a_gap() {
    let mut legs = Legs::new(&[(8, Codec::Pcma)], &[(9, Codec::G722)]);
    let mut decoder = NarrowDecoder::default();
    for sequence in 1..50u16 {
        let start = usize::from(sequence - 1) * 160;
        let audio: Vec<u8> = (start..start + 160).map(|n| Law::A.encode(tone(n))).collect();
        let got = legs.carry(Side::A, packet(8, sequence, &audio));
        assert_eq!(got[1] & 0x7f, 9);
        for (n, octet) in (start..).zip(&got[12..]) {
            let distance = i32::from(decoder.decode(*octet)) - i32::from(tone(n));
            assert!(n < 800 || distance.abs() <= 1200, "sample {n}: {distance} off");
        }
    }
}

#[test]
fn keys_comfort_noise_and_padding_cross_untouched() {
    let mut legs = Legs::new(&[(0, Codec::Pcmu)], &[(9, Codec::G722)]);
    for (sequence, payload_type) in [(1, 101), (2, 13)] {
        let sent = packet(payload_type, sequence, &[5, 0x80, 0, 160]);
        assert_eq!(legs.carry(Side::A, sent.clone()), sent);
    }
    let mut sent = packet(0, 3, &[0xff; 20]);
    sent[0] |= 0x20;
    sent[31] = 4;
    let got = legs.carry(Side::A, sent.clone());
    assert_eq!((got.len(), &got[28..]), (32, &[0xff, 0xff, 0xff, 4][..]));
    assert_eq!(got[1], 9);
}

#[test]
fn what_the_other_announced_passes_as_it_is() {
    let both = [(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722)];
    let mut legs = Legs::new(&both, &both);
    for (sequence, payload_type) in [(1, 0), (2, 8), (3, 9)] {
        let sent = packet(payload_type, sequence, &[0x31; 160]);
        assert_eq!(legs.carry(Side::B, sent.clone()), sent);
    }
}
