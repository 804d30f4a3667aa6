//! Two legs without a codec in common: each hears the other in its own, packet for packet.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use super::g722::NarrowDecoder;
use super::srtp::Secured;
use super::{Config, Keys, Session, Side, Verdict, rtp};
use crate::g711::Law;
use crate::sdp::{Codec, MasterKey, Suite};
use crate::time::Now;

const CALLER: ([u8; 4], u16) = ([192, 0, 2, 1], 4000);
const CALLED: ([u8; 4], u16) = ([192, 0, 2, 2], 5000);

struct Legs {
    session: Session,
    now: Now,
}

impl Legs {
    fn new(caller: &[(u8, Codec)], called: &[(u8, Codec)]) -> Legs {
        Legs::with(caller, called, [Some(101), Some(101)], true)
    }

    fn with(
        caller: &[(u8, Codec)],
        called: &[(u8, Codec)],
        [of_caller, of_called]: [Option<u8>; 2],
        transcodes: bool,
    ) -> Legs {
        let now = Now {
            instant: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        };
        let config = Config {
            address: [127, 0, 0, 1].into(),
            advertise: None,
            ports: 20_000..=20_009,
            silence: Duration::from_secs(60),
            transcodes,
            rtcp_mux: true,
        };
        let mut session = Session::new(&config, now);
        session.described(Side::A, CALLER.into(), caller, of_caller, now);
        session.described(Side::B, CALLED.into(), called, of_called, now);
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
        assert_eq!(
            verdict,
            Verdict::Forward {
                to,
                len,
                component: super::Component::Rtp
            }
        );
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
    legs.session.hears_noise(Side::B, Some(13));
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

#[test]
fn what_both_have_goes_by_the_number_that_the_receiver_gave_it() {
    let (caller, called) = (
        [(0, Codec::Pcmu), (98, Codec::Pcma)],
        [(8, Codec::Pcma), (97, Codec::G722)],
    );
    let mut legs = Legs::with(&caller, &called, [Some(101), Some(96)], true);
    for (sequence, (from, payload_type, expected)) in (1..).zip([
        (Side::A, 98, 8),
        (Side::A, 101, 96),
        (Side::B, 8, 98),
        (Side::B, 96, 101),
        // Already the receiver's own.
        (Side::A, 96, 96),
        (Side::B, 98, 98),
    ]) {
        let sent = packet(payload_type, sequence, &[3, 0x80, 1, 64]);
        let got = legs.carry(from, sent.clone());
        assert_eq!(got[1], expected | sent[1] & 0x80, "{from:?} {payload_type}");
        assert_eq!(got[2..], sent[2..], "nothing else changes");
    }
    let statistics = legs.session.statistics();
    assert_eq!(statistics.from_caller.translated, 0, "these are no translations");
}

#[test]
fn nothing_is_translated_where_that_is_not_wanted() {
    let mut legs = Legs::with(
        &[(0, Codec::Pcmu)],
        &[(9, Codec::G722)],
        [Some(101), Some(96)],
        false,
    );
    let sent = packet(0, 1, &[0x31; 160]);
    assert_eq!(legs.carry(Side::A, sent.clone()), sent);
    let sent = packet(101, 2, &[3, 0x80, 1, 64]);
    assert_eq!(legs.carry(Side::A, sent)[1], 96, "a number is no codec");
    assert_eq!(legs.session.statistics().from_caller.translated, 0);
}

#[test]
fn a_packet_of_more_than_a_hundred_milliseconds_crosses_as_it_came() {
    let mut legs = Legs::new(&[(0, Codec::Pcmu)], &[(8, Codec::Pcma)]);
    let longest = packet(0, 1, &[Law::Mu.encode(1000); 800]);
    let got = legs.carry(Side::A, longest.clone());
    assert_eq!(got.len(), longest.len());
    assert_eq!((got[1] & 0x7f, &got[2..12]), (8, &longest[2..12]));
    let distance = |octet: &u8| (i32::from(Law::A.decode(*octet)) - 1000).abs();
    assert!(
        got[12..].iter().all(|octet| distance(octet) <= 64),
        "{:?}",
        &got[12..14]
    );
    let longer = packet(0, 2, &[Law::Mu.encode(1000); 801]);
    assert_eq!(legs.carry(Side::A, longer.clone()), longer);
    assert_eq!(legs.session.statistics().from_caller.translated, 1);
}

#[test]
fn packets_of_ten_to_sixty_milliseconds_keep_their_length_and_are_counted() {
    let mut legs = Legs::new(&[(0, Codec::Pcmu)], &[(9, Codec::G722)]);
    let mut decoder = NarrowDecoder::default();
    let (mut at, mut sequence) = (0usize, 1u16);
    for milliseconds in [10, 20, 30, 40, 60] {
        for _ in 0..10 {
            let len = milliseconds * 8;
            let audio: Vec<u8> = (at..at + len).map(|n| Law::Mu.encode(tone(n))).collect();
            let mut sent = rtp::header(0, sequence, at as u32, 77, false).to_vec();
            sent.extend_from_slice(&audio);
            let got = legs.carry(Side::A, sent.clone());
            assert_eq!((got.len(), &got[2..12]), (sent.len(), &sent[2..12]));
            for (n, octet) in (at..).zip(&got[12..]) {
                let distance = i32::from(decoder.decode(*octet)) - i32::from(tone(n));
                assert!(n < 800 || distance.abs() <= 1200, "sample {n}: {distance} off");
            }
            (at, sequence) = (at + len, sequence + 1);
        }
    }
    assert_eq!(legs.session.statistics().from_caller.translated, 50);
}

#[test]
fn legs_with_keys_of_their_own_are_translated_between_them() {
    for suite in Suite::ALL {
        for is_caller_plain in [true, false] {
            let key = |fill: u8| {
                let octets = vec![fill; suite.key_octets() + suite.salt_octets()];
                MasterKey::new(suite, &octets).unwrap()
            };
            let keys = |inbound: u8, outbound: u8| Keys {
                inbound: key(inbound),
                outbound: key(outbound),
            };
            let mut legs = Legs::new(&[(0, Codec::Pcmu)], &[(8, Codec::Pcma)]);
            if !is_caller_plain {
                legs.session.secure(Side::A, Some(&keys(1, 2)));
            }
            legs.session.secure(Side::B, Some(&keys(3, 4)));
            let (mut caller, mut called) = (Secured::new(&keys(2, 1)), Secured::new(&keys(4, 3)));
            for sequence in 1..30u16 {
                let audio: Vec<u8> = (0..160).map(|n| Law::Mu.encode(tone(n))).collect();
                let mut buffer = [0; 256];
                let sent = packet(0, sequence, &audio);
                buffer[..172].copy_from_slice(&sent);
                let len = match is_caller_plain {
                    true => 172,
                    false => caller.protect_rtp(&mut buffer, 172).unwrap(),
                };
                let verdict = legs
                    .session
                    .rtp_within(Side::A, CALLER.into(), &mut buffer, len, legs.now);
                let Verdict::Forward { to, len, .. } = verdict else {
                    panic!("{suite:?}: {verdict:?}")
                };
                assert_eq!(to, SocketAddr::from(CALLED));
                assert_eq!(called.unprotect_rtp(&mut buffer, len), Ok(172), "{suite:?}");
                assert_eq!((buffer[1] & 0x7f, &buffer[2..12]), (8, &sent[2..12]));
                for (n, octet) in buffer[12..172].iter().enumerate() {
                    let distance = i32::from(Law::A.decode(*octet)) - i32::from(tone(n));
                    assert!(distance.abs() <= 600, "{suite:?} sample {n}: {distance} off");
                }
            }
        }
    }
}
