//! What scorers hear of a stream: in time order, with what is missing made up for, whatever comes.

use super::*;
use crate::media::g722::NarrowEncoder;

const PACKET: usize = 160;

/// The octets of packet `n`: every packet and place differs from its neighbours.
fn octets(n: usize) -> [u8; PACKET] {
    std::array::from_fn(|i| ((n * 37 + i * 11) % 256) as u8)
}

fn linear(n: usize) -> impl Iterator<Item = i16> {
    octets(n).into_iter().map(|octet| Law::Mu.decode(octet))
}

fn feed(tap: &mut Tap, base: u16, n: usize) {
    let timestamp = (n * PACKET) as u32;
    tap.handle_packet(
        base.wrapping_add(n as u16),
        timestamp,
        Some((Codec::Pcmu, &octets(n))),
    );
}

/// Feeds packets by number and gives all hops.
fn heard(base: u16, order: impl IntoIterator<Item = usize>) -> (Vec<i16>, TapStatistics) {
    let mut tap = Tap::new();
    let mut samples = Vec::new();
    for n in order {
        feed(&mut tap, base, n);
        if let Some(hop) = tap.poll_hop() {
            samples.extend_from_slice(&hop);
            tap.recycle(hop);
        }
    }
    (samples, tap.statistics())
}

fn straight(packets: impl IntoIterator<Item = usize>) -> Vec<i16> {
    packets.into_iter().flat_map(linear).collect()
}

#[test]
fn two_seconds_in_order_are_two_exact_hops() {
    let (samples, statistics) = heard(7, 0..100);
    assert_eq!(samples, straight(0..100));
    assert_eq!(
        statistics,
        TapStatistics {
            hops: 2,
            ..TapStatistics::default()
        }
    );
}

#[test]
fn what_was_heard_is_counted_to_the_sample() {
    let mut tap = Tap::new();
    for n in 0..120 {
        assert_eq!(tap.samples(), (n * PACKET) as u64);
        feed(&mut tap, 0, n);
        tap.poll_hop().into_iter().for_each(|hop| tap.recycle(hop));
    }
}

#[test]
fn the_sequence_may_wrap() {
    let (samples, _) = heard(65_530, 0..50);
    assert_eq!(samples, straight(0..50));
}

#[test]
fn reordered_and_doubled_packets_come_out_straight() {
    let order = (0..10).flat_map(|ten| [0, 2, 1, 1, 5, 4, 5, 3, 6, 9, 8, 7, 2].map(|n| ten * 10 + n));
    let (samples, statistics) = heard(65_500, order);
    assert_eq!(samples, straight(0..100));
    assert_eq!((statistics.concealed, statistics.late), (0, 30));
}

#[test]
fn a_lost_packet_is_repeated_and_faded_and_the_rest_is_exact() {
    let (samples, statistics) = heard(0, (0..50).filter(|n| *n != 20));
    assert_eq!(statistics.concealed, PACKET as u64);
    assert_eq!(samples[..20 * PACKET], straight(0..20));
    assert_eq!(samples[21 * PACKET..], straight(21..50));
    let made_up: Vec<i16> = linear(19)
        .enumerate()
        .map(|(i, level)| (i32::from(level) * (480 - i as i32) / 480) as i16)
        .collect();
    assert_eq!(samples[20 * PACKET..21 * PACKET], made_up);
}

#[test]
fn a_long_gap_is_concealed_only_at_its_start() {
    let (samples, statistics) = heard(0, (0..10).chain(30..120));
    assert_eq!(statistics.concealed, CONCEALED_SAMPLES_MAX as u64);
    assert_eq!(
        samples[10 * PACKET + 480..],
        straight(30..120)[..samples.len() - 10 * PACKET - 480]
    );
}

#[test]
fn a_packet_behind_what_was_heard_is_left_out() {
    let order = (0..20).chain([3, 19]).chain(20..50);
    let (samples, statistics) = heard(0, order);
    assert_eq!(samples, straight(0..50));
    assert_eq!(statistics.late, 2);
}

#[test]
fn the_tap_goes_on_when_a_missing_packet_comes_too_late() {
    let order = (0..5).chain(6..30).chain([5]).chain(30..50);
    let (samples, statistics) = heard(0, order);
    assert_eq!(samples[6 * PACKET..], straight(6..50));
    assert_eq!((statistics.late, statistics.concealed), (1, 160));
}

#[test]
fn a_jump_in_time_is_joined_without_made_up_audio() {
    let mut tap = Tap::new();
    for n in 0..50 {
        let timestamp = (n * PACKET) as u32 + if n < 25 { 0 } else { 3_000_000_000 };
        tap.handle_packet(n as u16, timestamp, Some((Codec::Pcmu, &octets(n))));
    }
    assert_eq!(&*tap.poll_hop().unwrap(), straight(0..50));
    assert_eq!(tap.statistics().concealed, 0);
}

#[test]
fn a_large_jump_in_sequence_plays_what_waited_first() {
    let mut tap = Tap::new();
    for n in (0..10).chain([11]).chain(200..238) {
        // Sequence numbers jump, timestamps only by what is missing between 9 and 11.
        let place = if n < 200 { n } else { n - 188 };
        tap.handle_packet(n as u16, (place * PACKET) as u32, Some((Codec::Pcmu, &octets(n))));
    }
    let hop = tap.poll_hop().unwrap();
    assert_eq!(hop[11 * PACKET..], straight((11..12).chain(200..238)));
}

#[test]
fn digits_and_comfort_noise_are_not_put_in() {
    let mut tap = Tap::new();
    for n in 0..53u16 {
        let audio = octets(usize::from(n));
        let is_event = (10..13).contains(&n);
        let audio = (!is_event).then_some((Codec::Pcmu, audio.as_slice()));
        tap.handle_packet(
            n,
            u32::from(n.min(10)) * 160 + u32::from(n.saturating_sub(13)) * 160,
            audio,
        );
    }
    assert_eq!(&*tap.poll_hop().unwrap(), straight((0..10).chain(13..53)));
    assert_eq!(tap.statistics().concealed, 0);
}

#[test]
fn of_g722_the_telephone_band_is_heard_in_the_order_of_time() {
    let said: Vec<i16> = (0..PACKET * 60)
        .map(|n| ((n as f32 * 0.3).sin() * 8000.0) as i16)
        .collect();
    let mut encoder = NarrowEncoder::default();
    let octets: Vec<u8> = said.iter().map(|sample| encoder.encode(*sample)).collect();
    let mut tap = Tap::new();
    let mut order: Vec<usize> = (0..60).collect();
    order.swap(20, 21);
    for n in order {
        let packet = &octets[n * PACKET..(n + 1) * PACKET];
        tap.handle_packet(n as u16, (n * PACKET) as u32, Some((Codec::G722, packet)));
    }
    let hop = tap.poll_hop().unwrap();
    let off = said.iter().zip(&*hop).skip(800);
    let worst = off
        .map(|(said, heard)| (i32::from(*said) - i32::from(*heard)).abs())
        .max();
    assert!(worst < Some(450), "{worst:?}");
    assert!(
        hop.iter().all(|level| Law::Mu.table().contains(level)),
        "levels of G.711"
    );
    assert_eq!(tap.statistics().concealed, 0);
}

#[test]
fn both_laws_may_alternate() {
    let mut tap = Tap::new();
    let mut expected = Vec::new();
    for n in 0..50u16 {
        let codec = if n % 2 == 0 { Codec::Pcma } else { Codec::Pcmu };
        let audio = octets(usize::from(n));
        tap.handle_packet(n, u32::from(n) * 160, Some((codec, &audio)));
        expected.extend(audio.map(|octet| codec.law().unwrap().decode(octet)));
    }
    assert_eq!(&*tap.poll_hop().unwrap(), expected);
}

#[test]
fn without_a_buffer_audio_is_left_out_and_the_tap_goes_on_with_the_next_one() {
    let mut tap = Tap::new();
    let mut lent = Vec::new();
    for n in 0..150 {
        feed(&mut tap, 0, n);
        lent.extend(tap.poll_hop());
    }
    assert_eq!((lent.len(), tap.statistics().left_out), (2, 8000));
    tap.recycle(lent.remove(0));
    for n in 150..200 {
        feed(&mut tap, 0, n);
    }
    assert_eq!(&*tap.poll_hop().unwrap(), straight(150..200));
}

#[test]
fn a_hop_nobody_fetched_makes_room_for_the_next() {
    let mut tap = Tap::new();
    for n in 0..150 {
        feed(&mut tap, 0, n);
    }
    assert_eq!(&*tap.poll_hop().unwrap(), straight(100..150));
    assert_eq!(tap.statistics().left_out, 16_000);
}

#[test]
fn a_tap_takes_at_most_40_kib() {
    assert!(size_of::<Tap>() + HOPS_PER_CALL * HOP_SAMPLES * 2 <= 40 * 1024);
}

#[test]
fn a_foreign_buffer_is_not_taken_for_a_hop() {
    let mut tap = Tap::new();
    tap.recycle(vec![0; 5].into_boxed_slice());
    assert_eq!(tap.spare.len(), HOPS_PER_CALL);
}

#[test]
fn packets_of_any_length_fill_hops_exactly() {
    let mut tap = Tap::new();
    let (mut timestamp, mut expected, mut got) = (0u32, Vec::new(), Vec::new());
    for n in 0..400u16 {
        let len = usize::from(n * 7 % 331);
        let audio: Vec<u8> = (0..len).map(|i| (i * 3 + usize::from(n)) as u8).collect();
        tap.handle_packet(n, timestamp, Some((Codec::Pcma, &audio)));
        timestamp += len as u32;
        expected.extend(audio.iter().map(|octet| Law::A.decode(*octet)));
        if let Some(hop) = tap.poll_hop() {
            got.extend_from_slice(&hop);
            tap.recycle(hop);
        }
    }
    assert!(got.len() >= 7 * HOP_SAMPLES);
    assert_eq!(got, expected[..got.len()]);
}
