//! Opus on one leg or on both: passed on as it came, heard by a phone that speaks something else, heard by us, and refused where
//! it is none.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::limits::{CONCEALED_SAMPLES_MAX, OPUS_MS_BURST};
use super::opus::{Decoder, Encoder, SAMPLES_MAX};
use super::{Clip, Config, DropReason, Listening, Session, Side, Talk, Verdict, Words, g722, rtp};
use crate::g711::Law;
use crate::sdp::Codec;
use crate::time::Now;

#[path = "opus_agreed_tests.rs"]
mod agreed;

const OPUS: (u8, Codec) = (111, Codec::Opus);
const MU: (u8, Codec) = (0, Codec::Pcmu);
const WIDE: (u8, Codec) = (9, Codec::G722);

fn address(side: Side) -> SocketAddr {
    match side {
        Side::A => ([192, 0, 2, 1], 4000).into(),
        Side::B => ([192, 0, 2, 2], 5000).into(),
    }
}

struct Legs {
    session: Session,
    now: Now,
    buffer: [u8; 1700],
    last: Verdict,
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
            transcodes: true,
            rtcp_mux: true,
        };
        let mut session = Session::new(&config, now);
        session.described(Side::A, address(Side::A), caller, Some(101), now);
        session.described(Side::B, address(Side::B), called, Some(101), now);
        Legs {
            session,
            now,
            buffer: [0; 1700],
            last: Verdict::Drop(DropReason::NotYetKnown),
        }
    }

    /// What the other party gets for this packet, so many milliseconds after the one before.
    fn carry(
        &mut self,
        from: Side,
        ms: u64,
        (payload_type, sequence, timestamp): (u8, u16, u32),
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        self.now = self.now.after(Duration::from_millis(ms));
        self.buffer[..12].copy_from_slice(&rtp::header(payload_type, sequence, timestamp, 77, false));
        self.buffer[12..12 + payload.len()].copy_from_slice(payload);
        let len = 12 + payload.len();
        self.last = self
            .session
            .rtp_within(from, address(from), &mut self.buffer, len, self.now);
        match self.last {
            Verdict::Forward { to, len, .. } => {
                assert_eq!(to, address(from.other()));
                Some(self.buffer[..len].to_vec())
            }
            Verdict::Drop(_) | Verdict::Taken => None,
        }
    }
}

/// A glide at so many samples a second.
fn tone(n: usize, rate: f64) -> i16 {
    let t = n as f64 / rate;
    ((std::f64::consts::TAU * (500.0 * t - 40.0 * (t * 2.0).cos())).sin() * 8000.0) as i16
}

/// Packets of Opus that say the tone.
fn opus_packets(ms: usize, count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new();
    let each = ms * 16;
    (0..count)
        .map(|place| {
            let samples: Vec<i16> = (place * each..(place + 1) * each)
                .map(|n| tone(n, 16_000.0))
                .collect();
            let mut packet = vec![0; ms * 8];
            let len = encoder.encode(&samples, &mut packet).unwrap();
            packet.truncate(len);
            packet
        })
        .collect()
}

/// How like the tone this is from its second half on, at the best lag.
fn likeness(heard: &[i16], rate: f64) -> f64 {
    let from = heard.len() / 2;
    let whole: Vec<f64> = (0..heard.len()).map(|n| f64::from(tone(n, rate))).collect();
    (0..200)
        .map(|lag| {
            let (mut product, mut said, mut got) = (0.0, 1.0, 1.0);
            for (n, sample) in heard.iter().enumerate().skip(from) {
                let (a, b) = (whole[n - lag], f64::from(*sample));
                product += a * b;
                said += a * a;
                got += b * b;
            }
            product / f64::sqrt(said * got)
        })
        .fold(0.0, f64::max)
}

fn header(packet: &[u8]) -> (u8, u16, u32) {
    let packet = rtp::Packet::parse(packet).unwrap();
    (packet.payload_type(), packet.sequence(), packet.timestamp())
}

#[test]
fn what_both_speak_crosses_as_it_came_under_the_receivers_number() {
    let mut legs = Legs::new(&[OPUS, MU], &[(96, Codec::Opus), MU]);
    legs.session.tap(true);
    for (place, packet) in opus_packets(20, 60).iter().enumerate() {
        let at = (111, place as u16, place as u32 * 960);
        let got = legs.carry(Side::A, 20, at, packet).expect("it crosses");
        assert_eq!(header(&got), (96, place as u16, place as u32 * 960));
        assert_eq!(&got[12..], packet);
    }
    // What is heard for scoring is the telephone band of it, at the levels of a telephone.
    let hop = legs.session.poll_hop().expect("a second was heard");
    assert!(likeness(&hop, 8000.0) > 0.97);
    assert!(hop.iter().all(|level| Law::Mu.table().contains(level)));
    let statistics = legs.session.statistics().from_caller;
    assert_eq!(
        (statistics.translated, statistics.lost, statistics.dropped),
        (0, 0, 0)
    );
    assert!(statistics.jitter_ms < 0.1, "{}", statistics.jitter_ms);
}

#[test]
fn a_phone_without_opus_hears_it_in_its_own_codec_and_the_other_way_round() {
    for (other, ms) in [
        (MU, 20),
        ((8, Codec::Pcma), 20),
        (WIDE, 20),
        (MU, 10),
        (MU, 40),
        (WIDE, 60),
        (MU, 30),
        (MU, 120),
    ] {
        let mut legs = Legs::new(&[OPUS], &[other]);
        let count = 1200 / ms;
        let (mut heard, mut decoder) = (Vec::new(), g722::Decoder::default());
        // A timestamp that wraps on the way.
        let start = u32::MAX - 30_000;
        let mut first = None;
        for (place, packet) in opus_packets(ms, count).iter().enumerate() {
            let at = start.wrapping_add((place * ms) as u32 * 48);
            let got = legs
                .carry(Side::A, ms as u64, (111, place as u16, at), packet)
                .expect("it crosses");
            let (number, sequence, timestamp) = header(&got);
            let begun = *first.get_or_insert(timestamp);
            assert_eq!((number, sequence), (other.0, place as u16));
            assert_eq!(timestamp.wrapping_sub(begun), (place * ms) as u32 * 8);
            assert_eq!(got.len(), 12 + ms * 8);
            match other.1.law() {
                Some(law) => heard.extend(got[12..].iter().map(|octet| law.decode(*octet))),
                None => heard.extend(got[12..].iter().flat_map(|octet| decoder.decode(*octet))),
            }
        }
        let rate = if other == WIDE { 16_000.0 } else { 8000.0 };
        assert!(
            likeness(&heard, rate) > 0.97,
            "{other:?} {ms}: {}",
            likeness(&heard, rate)
        );

        if ms > 100 {
            continue;
        }
        let (mut heard, mut decoder) = (Vec::new(), Decoder::new());
        let mut encoder = g722::Encoder::default();
        let mut samples = [0; SAMPLES_MAX];
        for place in 0..count {
            let from = place * ms * 8;
            let said: Vec<u8> = (from..from + ms * 8)
                .map(|n| match other.1.law() {
                    Some(law) => law.encode(tone(n, 8000.0)),
                    None => encoder.encode([2 * n, 2 * n + 1].map(|n| tone(n, 16_000.0))),
                })
                .collect();
            let at = (start / 6).wrapping_add(from as u32);
            let got = legs
                .carry(Side::B, ms as u64, (other.0, place as u16, at), &said)
                .expect("it crosses");
            assert_eq!(header(&got), (111, place as u16, at.wrapping_mul(6)));
            let count = decoder.decode(&got[12..], &mut samples);
            assert_eq!(count, Some(ms * 16), "as long as it was");
            heard.extend_from_slice(&samples[..ms * 16]);
        }
        assert!(
            likeness(&heard, 16_000.0) > 0.96,
            "{other:?} {ms}: {}",
            likeness(&heard, 16_000.0)
        );
        assert_eq!(legs.session.statistics().from_called.translated, count as u64);
        assert_eq!(legs.session.statistics().from_caller.translated, count as u64);
    }
}

#[test]
fn what_no_opus_packet_can_say_is_dropped_and_a_silence_in_its_place_is_said() {
    let mut legs = Legs::new(&[OPUS], &[MU]);
    // 7 ms: there is no such packet.
    assert_eq!(legs.carry(Side::B, 20, (0, 1, 0), &[0x55; 56]), None);
    assert_eq!(legs.carry(Side::B, 20, (0, 2, 160), &[0x55; 960]), None);
    assert_eq!(legs.session.dropped(Side::B, DropReason::UnknownPayload), 2);
    // Comfort noise, which the other party never heard of.
    let mut legs = Legs::new(&[OPUS], &[MU]);
    let got = legs
        .carry(Side::B, 20, (13, 3, 320), &[40])
        .expect("silence is said");
    assert_eq!(header(&got), (111, 3, 1920));
    let (mut decoder, mut samples) = (Decoder::new(), [0; SAMPLES_MAX]);
    assert_eq!(decoder.decode(&got[12..], &mut samples), Some(320));
    assert!(samples[..320].iter().all(|sample| sample.unsigned_abs() < 20));
    // A buffer without room for what the phone needs.
    let packet = &opus_packets(20, 1)[0];
    let mut buffer = rtp::header(111, 1, 0, 77, false).to_vec();
    buffer.extend_from_slice(packet);
    let verdict = legs.session.rtp(Side::A, address(Side::A), &mut buffer, legs.now);
    assert_eq!(verdict, Verdict::Drop(DropReason::UnknownPayload));
}

#[test]
fn keys_cross_once_and_by_the_clock_of_whoever_hears_them() {
    let mut legs = Legs::new(&[OPUS], &[MU]);
    legs.session
        .described(Side::A, address(Side::A), &[OPUS], None, legs.now);
    legs.session.hears_wide_events(Side::A, Some(110));
    let key = |end: u8, duration: u16| [5, end << 7 | 10, (duration >> 8) as u8, duration as u8];
    let mut got = Vec::new();
    for (sequence, end, duration) in [
        (1, 0, 960),
        (2, 0, 1920),
        (3, 1, 7680),
        (4, 1, 7680),
        (5, 1, 7680),
    ] {
        got.push(
            legs.carry(Side::A, 20, (110, sequence, 48_000), &key(end, duration))
                .expect("it crosses"),
        );
    }
    let headers: Vec<_> = got.iter().map(|packet| header(packet)).collect();
    let first = headers[0].2;
    for (place, header) in headers.iter().enumerate() {
        assert_eq!(
            *header,
            (101, place as u16 + 1, first),
            "one key has one timestamp"
        );
    }
    let durations: Vec<_> = got
        .iter()
        .map(|packet| u16::from_be_bytes([packet[14], packet[15]]))
        .collect();
    assert_eq!(durations, [160, 320, 1280, 1280, 1280]);
    assert_eq!(legs.session.statistics().from_caller.keys_pressed, 1);
    // And audio goes on on the same time line.
    let after = legs
        .carry(Side::A, 20, (111, 6, 48_000 + 9600), &opus_packets(20, 1)[0])
        .unwrap();
    assert_eq!(header(&after).2.wrapping_sub(first), 1600);
    // The other way; a key of three seconds is longer than the field can say at 48 kHz.
    for (sequence, duration, expected) in [(1, 160u16, 960u16), (2, 24_000, u16::MAX)] {
        let got = legs
            .carry(Side::B, 20, (101, sequence, 800), &key(1, duration))
            .expect("it crosses");
        assert_eq!(header(&got), (110, sequence, 4800));
        assert_eq!(u16::from_be_bytes([got[14], got[15]]), expected);
    }
    // One number for both, by different clocks.
    legs.session.hears_wide_events(Side::A, Some(101));
    let got = legs
        .carry(Side::B, 20, (101, 3, 1600), &key(1, 800))
        .expect("it crosses");
    assert_eq!(
        (header(&got), &got[14..]),
        ((101, 3, 9600), &4800u16.to_be_bytes()[..])
    );
}

#[test]
fn what_is_no_opus_packet_is_malformed_and_more_than_time_goes_by_too_fast() {
    let mut legs = Legs::new(&[OPUS], &[OPUS]);
    let short = 9 << 3;
    for (place, payload) in [
        &[][..],
        &[short | 1, 1],
        &[short | 2, 200, 1],
        &[short | 3],
        &[short | 3, 0],
        &[short | 3, 7, 1, 1, 1, 1, 1, 1, 1],
        &[short | 3, 0x82, 200, 1],
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(
            legs.carry(Side::A, 20, (111, place as u16, 0), payload),
            None,
            "{payload:?}"
        );
        assert_eq!(legs.last, Verdict::Drop(DropReason::Malformed), "{payload:?}");
    }
    assert_eq!(legs.session.statistics().from_caller.packets, 0);
    // 120 ms in each packet, and one every two milliseconds.
    let long = [11 << 3 | 3, 2, 1, 1];
    let taken = (0..200).filter(|n| {
        legs.carry(Side::A, 2, (111, 100 + n, u32::from(*n) * 5760), &long)
            .is_some()
    });
    let taken = taken.count();
    let most = (OPUS_MS_BURST + 600) / 120 + 1;
    assert!((most - 2..=most).contains(&(taken as u32)), "{taken}");
    assert!(legs.session.dropped(Side::A, DropReason::TooFast) > 150);
}

/// Every hop of what the caller says in these packets: sequence, timestamp, payload.
fn tapped(packets: impl IntoIterator<Item = (u16, u32, Vec<u8>)>) -> (Vec<i16>, super::TapStatistics) {
    let mut legs = Legs::new(&[OPUS], &[OPUS]);
    legs.session.tap(true);
    let mut samples = Vec::new();
    for (sequence, timestamp, payload) in packets {
        legs.carry(Side::A, 20, (111, sequence, timestamp), &payload);
        if let Some(hop) = legs.session.poll_hop() {
            samples.extend_from_slice(&hop);
            legs.session.recycle(hop);
        }
    }
    (samples, legs.session.tap_statistics())
}

#[test]
fn a_lost_packet_is_made_up_for_and_a_pause_is_silence() {
    let all: Vec<(u16, u32, Vec<u8>)> = opus_packets(20, 110)
        .into_iter()
        .enumerate()
        .map(|(place, packet)| (65_500u16.wrapping_add(place as u16), place as u32 * 960, packet))
        .collect();
    let (straight, statistics) = tapped(all.clone());
    assert_eq!((straight.len(), statistics.concealed), (16_000, 0));

    // Reordered and doubled they are the same.
    let mut shuffled = all.clone();
    shuffled.swap(20, 21);
    shuffled.insert(30, all[29].clone());
    assert_eq!(tapped(shuffled).0, straight);

    let (heard, statistics) = tapped(all.iter().filter(|packet| packet.1 != 40 * 960).cloned());
    assert_eq!(statistics.concealed, 160);
    assert_eq!(heard[..40 * 160], straight[..40 * 160]);
    let energy = |samples: &[i16]| {
        samples
            .iter()
            .map(|sample| f64::from(*sample).powi(2))
            .sum::<f64>()
    };
    assert!(
        energy(&heard[40 * 160..41 * 160]) > energy(&straight[40 * 160..41 * 160]) / 4.0,
        "it is no hole"
    );
    let after = |samples: &[i16]| samples[50 * 160..90 * 160].to_vec();
    let off: Vec<i16> = after(&heard)
        .iter()
        .zip(after(&straight))
        .map(|(a, b)| a - b)
        .collect();
    assert!(
        energy(&off) < energy(&after(&straight)) / 50.0,
        "and it finds its way back"
    );

    // 400 ms in which nothing was sent, and nothing is missing.
    let paused = all.iter().map(|(sequence, timestamp, packet)| {
        let pause = if *timestamp >= 50 * 960 { 400 * 48 } else { 0 };
        (*sequence, timestamp + pause, packet.clone())
    });
    let (heard, statistics) = tapped(paused);
    assert_eq!(statistics.concealed, 0);
    assert_eq!(heard[..50 * 160], straight[..50 * 160]);
    assert!(heard[50 * 160..70 * 160].iter().all(|sample| *sample == 0));
    assert_eq!(heard[70 * 160..], straight[50 * 160..80 * 160]);
    const { assert!(CONCEALED_SAMPLES_MAX < 20 * 160) };
}

#[test]
fn the_calling_tone_of_a_fax_machine_is_known_through_opus() {
    let mut encoder = Encoder::new();
    let packets = (0..110usize).map(|place| {
        let samples: Vec<i16> = (place * 320..(place + 1) * 320)
            .map(|n| ((n as f64 * 1100.0 * std::f64::consts::TAU / 16_000.0).sin() * 6000.0) as i16)
            .collect();
        let mut packet = vec![0; 160];
        let len = encoder.encode(&samples, &mut packet).unwrap();
        packet.truncate(len);
        (place as u16, place as u32 * 960, packet)
    });
    let (heard, statistics) = tapped(packets);
    assert_eq!((heard.len(), statistics.calling_tones), (0, 2));
}

#[test]
fn we_speak_to_a_caller_of_opus_and_hear_whether_he_answers() {
    let mut legs = Legs::new(&[OPUS], &[]);
    let clip = Clip::of_samples(&(0..16_000).map(|n| tone(n, 8000.0)).collect::<Vec<_>>());
    legs.session.say(
        Side::A,
        Words::once(vec![Arc::new(clip)]),
        1,
        7 << 16 | 9,
        legs.now.instant,
    );
    let (mut heard, mut decoder, mut samples) = (Vec::new(), Decoder::new(), [0; SAMPLES_MAX]);
    let (mut before, mut said) = (None, None);
    let listening = Listening {
        patience: Duration::from_secs(3),
        pause: Duration::from_millis(400),
        at_most: Duration::from_secs(10),
    };
    let mut buffer = [0; 400];
    while said.is_none() {
        legs.now = legs.now.after(Duration::from_millis(20));
        while let Some((to, len)) = legs.session.speak(Side::A, &mut buffer, legs.now) {
            assert_eq!(to, address(Side::A));
            let (number, sequence, timestamp) = header(&buffer[..len]);
            assert_eq!(number, 111);
            if let Some((last, time)) = before.replace((sequence, timestamp)) {
                assert_eq!(
                    (sequence.wrapping_sub(last), timestamp.wrapping_sub(time)),
                    (1, 960)
                );
            }
            assert!(len <= 12 + 160);
            assert_eq!(decoder.decode(&buffer[12..len], &mut samples), Some(320));
            heard.extend_from_slice(&samples[..320]);
        }
        said = legs.session.poll_talk(legs.now);
    }
    assert!(likeness(&heard[..32_000], 16_000.0) > 0.96);
    assert!(
        matches!(
            said,
            Some(Talk::Said {
                side: Side::A,
                turn: 1,
                ..
            })
        ),
        "{said:?}"
    );
    legs.session.listen(listening, legs.now);
    let silence = {
        let (mut encoder, mut packet) = (Encoder::new(), vec![0; 160]);
        let len = encoder.encode(&[0; 320], &mut packet).unwrap();
        packet.truncate(len);
        packet
    };
    let speech = opus_packets(20, 50);
    let mut outcome = None;
    for (place, packet) in speech.iter().chain(std::iter::repeat_n(&silence, 60)).enumerate() {
        legs.carry(Side::A, 20, (111, place as u16, place as u32 * 960), packet);
        outcome = outcome.or(legs.session.poll_talk(legs.now));
    }
    let Some(Talk::Heard { speech }) = outcome else {
        panic!("{outcome:?}")
    };
    assert!((900..=1100).contains(&speech.as_millis()), "{speech:?}");
    // The last packet of the stream fades, and is Opus too.
    legs.session.say(
        Side::A,
        Words::looped(Arc::new(Clip::of_samples(&[3000; 8000]))),
        2,
        9,
        legs.now.instant,
    );
    let (_, len) = legs.session.hush(Side::A, &mut buffer).expect("one last packet");
    assert_eq!(
        (
            header(&buffer[..len]).0,
            decoder.decode(&buffer[12..len], &mut samples)
        ),
        (111, Some(320))
    );
}

#[test]
fn a_new_number_in_a_reinvite_and_another_codec_are_followed() {
    let mut legs = Legs::new(&[OPUS], &[OPUS]);
    let packets = opus_packets(20, 4);
    assert!(legs.carry(Side::A, 20, (111, 1, 960), &packets[0]).is_some());
    // The called side now has it under another number.
    legs.session
        .described(Side::B, address(Side::B), &[(98, Codec::Opus)], None, legs.now);
    let got = legs.carry(Side::A, 20, (111, 2, 1920), &packets[1]).unwrap();
    assert_eq!((header(&got), &got[12..]), ((98, 2, 1920), &packets[1][..]));
    // And now not at all.
    legs.session
        .described(Side::B, address(Side::B), &[MU], None, legs.now);
    let got = legs.carry(Side::A, 20, (111, 3, 2880), &packets[2]).unwrap();
    assert_eq!((header(&got).0, got.len()), (0, 172));
    // Its reports count jitter in the units of what it hears; those of the caller in his own.
    legs.session
        .described(Side::B, address(Side::B), &[OPUS], None, legs.now);
    assert_eq!(
        legs.carry(Side::A, 20, (111, 4, 3840), &packets[3]).unwrap()[12..],
        packets[3]
    );
}
