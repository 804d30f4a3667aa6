//! What the codec is to us: our own words come back as they were, a loss is made up for, and hostile octets do no harm.

use proptest::prelude::*;

use super::*;

/// Sixteen harmonics that glide, at 16 kHz, to 3.2 kHz.
fn voice(n: usize) -> i16 {
    let t = n as f64 / 16_000.0;
    let loudness = 0.3 + 0.7 * (t * 13.0).sin().abs();
    let phase = 150.0 * t - 8.0 * (t * 2.3).cos();
    let sum: f64 = (1..=16)
        .map(|k| (std::f64::consts::TAU * phase * f64::from(k)).sin() / f64::from(k))
        .sum();
    (sum * loudness * 5000.0) as i16
}

/// Packets of so many milliseconds that say [`voice`] from its beginning.
fn packets(milliseconds: usize, count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new();
    let each = milliseconds * SAMPLES_PER_MS;
    (0..count)
        .map(|place| {
            let samples: Vec<i16> = (place * each..(place + 1) * each).map(voice).collect();
            let mut packet = vec![0; milliseconds * 8];
            let len = encoder
                .encode(&samples, &mut packet)
                .expect("a packet of this length");
            packet.truncate(len);
            packet
        })
        .collect()
}

/// How alike they are from here to there, 1 at most, at the best lag; and that lag.
fn likeness(heard: &[i16], range: std::ops::Range<usize>) -> (f64, usize) {
    let whole: Vec<f64> = range.clone().map(|n| f64::from(voice(n))).collect();
    (90..140)
        .map(|lag| {
            let (mut product, mut said, mut got) = (0.0, 1.0, 1.0);
            for (a, n) in whole.iter().zip(range.clone()) {
                let b = f64::from(heard[n + lag]);
                product += a * b;
                said += a * a;
                got += b * b;
            }
            (product / f64::sqrt(said * got), lag)
        })
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .expect("there are some")
}

fn decoded(packets: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = Decoder::new();
    let mut samples = [0; SAMPLES_MAX];
    let mut heard = Vec::new();
    for packet in packets {
        let count = match packet.is_empty() {
            true => decoder.conceal(20, &mut samples),
            false => decoder.decode(packet, &mut samples),
        };
        heard.extend_from_slice(&samples[..count.expect("it is decoded")]);
    }
    heard
}

#[test]
fn our_own_words_come_back_in_packets_of_every_length() {
    for milliseconds in [10, 20, 30, 40, 50, 60, 80, 100, 110, 120] {
        let packets = packets(milliseconds, 1200 / milliseconds);
        for packet in &packets {
            assert_eq!(
                packet::milliseconds(packet),
                Ok(milliseconds as u32),
                "as long as was asked for"
            );
        }
        let heard = decoded(&packets);
        assert_eq!(heard.len(), 1200 / milliseconds * milliseconds * 16);
        let (likeness, lag) = likeness(&heard, 4000..12_000);
        assert!(
            likeness > 0.995,
            "{milliseconds} ms: {likeness:.3} at a lag of {lag}"
        );
        assert!((117..122).contains(&lag), "{milliseconds} ms: {lag}");
    }
    let mut encoder = Encoder::new();
    for milliseconds in [0, 7, 15, 130] {
        let samples = vec![100; milliseconds * 16];
        assert_eq!(
            encoder.encode(&samples, &mut [0; 1500]),
            None,
            "{milliseconds} ms"
        );
    }
}

#[test]
fn one_lost_packet_is_made_up_for_and_the_voice_goes_on_after_it() {
    let mut packets = packets(20, 60);
    packets[30].clear();
    let heard = decoded(&packets);
    let energy = |range: std::ops::Range<usize>| -> f64 {
        heard[range].iter().map(|sample| f64::from(*sample).powi(2)).sum()
    };
    let lag = 104 + 15;
    let (lost, before) = (30 * 320 + lag..31 * 320 + lag, 29 * 320 + lag..30 * 320 + lag);
    assert!(energy(lost) > energy(before) / 20.0, "no hole");
    let (after, _) = likeness(&heard, 34 * 320..50 * 320);
    assert!(after > 0.98, "{after:.3}");
}

#[test]
fn what_stands_above_8_khz_does_not_fold_back() {
    use opus_pure::{Application, OpusEncoder};
    let mut encoder = OpusEncoder::new(48_000, 1, Application::Audio).expect("an encoder");
    encoder.bitrate_bps = 96_000;
    let (mut decoder, mut samples, mut packet) = (Decoder::new(), [0; SAMPLES_MAX], [0; 1500]);
    for (hertz, least, most) in [(3000.0, 4000.0, 8000.0), (11_000.0, 0.0, 60.0)] {
        let mut loudest = 0.0f64;
        for place in 0..40usize {
            let tone =
                |n: usize| ((n as f64 * hertz * std::f64::consts::TAU / 48_000.0).sin() * 8000.0) as i16;
            let said: Vec<i16> = (place * 960..(place + 1) * 960).map(tone).collect();
            let len = encoder.encode_s16(&said, 960, &mut packet).expect("a packet");
            let count = decoder
                .decode(&packet[..len], &mut samples)
                .expect("it is decoded");
            let sum: f64 = samples[..count]
                .iter()
                .map(|sample| f64::from(*sample).powi(2))
                .sum();
            if place >= 20 {
                loudest = loudest.max((sum / count as f64).sqrt());
            }
        }
        assert!((least..most).contains(&loudest), "{hertz} Hz: {loudest:.1}");
    }
}

#[test]
fn a_hearer_decodes_each_packet_once_and_a_late_one_or_one_that_came_before_moves_nothing() {
    use super::super::statistics::Arrival;
    use crate::sdp::Codec;
    let packets = packets(20, 40);
    let mut hearer = Hearer::new();
    let mut heard = Vec::new();
    for (place, packet) in packets.iter().enumerate() {
        let sequence = 65_520u16.wrapping_add(place as u16);
        assert_eq!(hearer.hear(sequence, packet).len(), 320);
        let mut room = [0; 300];
        for arrival in [Arrival::Ahead, Arrival::Duplicate] {
            room[..packet.len()].copy_from_slice(packet);
            let len = hearer.write((sequence, arrival), packet.len(), Codec::Pcmu, &mut room);
            assert_eq!(len, Some(160));
            if arrival == Arrival::Ahead {
                heard.extend(
                    room[..160]
                        .iter()
                        .map(|octet| crate::g711::Law::Mu.decode(*octet)),
                );
            }
        }
        // Where there is no room it is not said at all.
        assert_eq!(
            hearer.write(
                (sequence, Arrival::Ahead),
                packet.len(),
                Codec::Pcmu,
                &mut room[..159]
            ),
            None
        );
    }
    let mut halver = Halver::default();
    let straight = decoded(&packets);
    let straight: Vec<i16> = straight
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| halver.halve(*pair))
        .collect();
    for (heard, straight) in heard.iter().zip(&straight).skip(160) {
        let off = (i32::from(*heard) - i32::from(*straight)).abs();
        assert!(
            off <= 16 + i32::from(straight.unsigned_abs()) / 16,
            "{heard} {straight}"
        );
    }
}

/// A packet that begins as the RFC has it, more often than not: every configuration and every code.
fn some_packet() -> impl Strategy<Value = Vec<u8>> {
    let octets = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..60),
        1 => proptest::collection::vec(any::<u8>(), 60..400),
        1 => proptest::collection::vec(Just(0xffu8), 0..40),
        1 => proptest::collection::vec(Just(0u8), 0..40),
    ];
    (any::<u8>(), 1u8..8, any::<bool>(), octets).prop_map(|(first, frames, is_orderly, octets)| {
        let mut packet = vec![first];
        if is_orderly && first & 3 == 3 {
            packet.push(frames);
            packet.extend_from_slice(&octets[..octets.len() / usize::from(frames) * usize::from(frames)]);
        } else {
            packet.extend_from_slice(&octets);
        }
        packet
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// 100,000 packets in 400 streams: what happens to a decoder hangs on what it has heard before.
    #[test]
    fn whatever_comes_is_a_packet_or_is_refused(stream in proptest::collection::vec(some_packet(), 250)) {
        let whole = fuzz_stream(stream.iter().map(Vec::as_slice));
        prop_assert!(whole > 50, "{} of {}", whole, stream.len());
    }
}

#[test]
fn octets_of_a_fuzzer_do_no_harm() {
    let octets: Vec<u8> = (0..20_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    fuzz_opus(&octets);
}

/// First octets of every kind of packet: configurations of speech, both and music, of each bandwidth.
const KINDS: [u8; 8] = [0, 3 << 3, 9 << 3, 11 << 3, 12 << 3, 15 << 3, 16 << 3, 31 << 3];

#[test]
fn a_loss_of_any_length_is_made_up_for_in_lengths_that_the_codec_has() {
    let mut samples = [0; SAMPLES_MAX];
    for kind in KINDS {
        let mut decoder = Decoder::new();
        for milliseconds in (0..=125).chain([usize::MAX / 4]) {
            assert!(decoder.decode(&[kind, 0x55, 0xaa, 0x55], &mut samples).is_some());
            let asked = milliseconds.min(120) * 4;
            assert_eq!(
                decoder.conceal(milliseconds, &mut samples),
                Some(asked / 10 * 10 * SAMPLES_PER_MS / 4),
                "{milliseconds} ms behind {kind}"
            );
        }
        assert_eq!(decoder.panics(), 0);
    }
    let wanted = |quarters| decoder::pieces(quarters).collect::<Vec<_>>();
    assert_eq!(wanted(9), [0; 0]);
    assert_eq!(wanted(4 * 19), [40, 20, 10]);
    assert_eq!(wanted(4 * 110), [440]);
}

#[test]
fn a_packet_in_which_nothing_is_said_is_made_up_for() {
    for (nothing, milliseconds) in [
        (&[9 << 3][..], 20),
        (&[9 << 3, 7], 20),
        (&[9 << 3 | 1], 40),
        (&[9 << 3 | 2, 0], 40),
        (&[8 << 3 | 3, 3], 30),
        (&[28 << 3 | 3, 6], 15),
    ] {
        let (mut decoder, mut twin) = (Decoder::new(), Decoder::new());
        let (mut samples, mut made_up) = ([0; SAMPLES_MAX], [0; SAMPLES_MAX]);
        for packet in packets(20, 30) {
            decoder.decode(&packet, &mut samples);
            twin.decode(&packet, &mut made_up);
        }
        let count = decoder.decode(nothing, &mut samples);
        assert_eq!(count, Some(milliseconds * SAMPLES_PER_MS), "{nothing:?}");
        assert_eq!(count, twin.conceal(milliseconds, &mut made_up));
        assert!(samples == made_up, "{nothing:?}");
    }
}
