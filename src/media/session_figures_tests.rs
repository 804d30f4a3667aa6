//! What is told of one call's media, and what a fuzzer would send it.

use proptest::prelude::*;

use super::*;

#[test]
fn loss_and_jitter_are_in_the_record() {
    let mut bench = Bench::described();
    for n in 0..200 {
        if n % 20 == 7 {
            bench.packet(0);
            bench.pass(Duration::from_millis(20));
            continue;
        }
        let jitter = Duration::from_millis(if n % 2 == 0 { 5 } else { 0 });
        bench.pass(jitter);
        bench.rtp(Side::A, CALLER, 0);
        bench.now.instant -= jitter;
    }
    let caller = bench.session.statistics().from_caller;
    assert_eq!((caller.lost, caller.packets), (10, 190));
    assert!((3.5..6.0).contains(&caller.jitter_ms), "{}", caller.jitter_ms);
}

#[test]
fn what_a_party_reports_about_the_other_is_kept() {
    let mut bench = Bench::described();
    assert_eq!(bench.session.reported_by(Side::B), None);
    bench.rtp(Side::A, CALLER, 0);
    bench.rtcp(Side::B, "192.0.2.2:5001");
    assert_eq!(
        bench
            .session
            .reported_by(Side::B)
            .map(|report| report.cumulative_lost),
        Some(3)
    );
}

/// A sender report with this mark, and one block about `about` if there is one.
fn sender_report(sender: u32, mark: u32, about: Option<(u32, i32, u32, u32)>) -> Vec<u8> {
    let words = if about.is_some() { 12u8 } else { 6 };
    let mut octets = vec![0x80 | u8::from(about.is_some()), 200, 0, words];
    octets.extend_from_slice(&sender.to_be_bytes());
    octets.extend_from_slice(&[0, 0]);
    octets.extend_from_slice(&mark.to_be_bytes());
    octets.extend_from_slice(&[0; 14]);
    if let Some((about, lost, last, since)) = about {
        octets.extend_from_slice(&about.to_be_bytes());
        octets.push(0);
        octets.extend_from_slice(&lost.to_be_bytes()[1..]);
        for word in [0, 80, last, since] {
            octets.extend_from_slice(&word.to_be_bytes());
        }
    }
    octets
}

#[test]
fn reports_tell_the_round_trip_and_what_the_other_end_lost() {
    let mut bench = Bench::described();
    for _ in 0..100 {
        bench.rtp(Side::A, CALLER, 0);
    }
    assert_eq!(bench.session.statistics().from_caller.round_trip_ms, None);
    let mut from_caller = sender_report(77, 0xabcd_1234, None);
    bench
        .session
        .rtcp(Side::A, at("192.0.2.1:4001"), &mut from_caller, bench.now);
    bench.pass(Duration::from_millis(500));
    // The phone had it for 400 ms.
    let about = (77, 20, 0xabcd_1234, 65_536 * 4 / 10);
    let mut from_called = sender_report(5, 1, Some(about));
    bench
        .session
        .rtcp(Side::B, at("192.0.2.2:5001"), &mut from_called, bench.now);
    let Statistics {
        from_caller,
        from_called,
    } = bench.session.statistics();
    assert!(
        (from_called.round_trip_ms.unwrap() - 100.0).abs() < 1.0,
        "{from_called:?}"
    );
    assert_eq!(
        (from_caller.reported_lost, from_caller.reported_jitter_ms),
        (Some(20), Some(10.0))
    );
    // A fifth was lost: few would call that good. Nothing of the phone was heard, so nothing is said of it.
    let mos = from_caller.mos.unwrap();
    assert!((2.0..3.0).contains(&mos), "{mos}");
    assert_eq!(from_called.mos, None);
}

#[test]
fn a_round_trip_that_cannot_be_is_none() {
    let mut bench = Bench::described();
    bench.rtp(Side::A, CALLER, 0);
    let mut from_caller = sender_report(77, 9, None);
    bench
        .session
        .rtcp(Side::A, at("192.0.2.1:4001"), &mut from_caller, bench.now);
    bench.pass(Duration::from_millis(50));
    // Held longer than it can have been there; another mark; no mark; a day.
    for (mark, since) in [(9, 65_536), (8, 0), (0, 0), (9, u32::MAX)] {
        let mut from_called = sender_report(5, 1, Some((77, 0, mark, since)));
        bench
            .session
            .rtcp(Side::B, at("192.0.2.2:5001"), &mut from_called, bench.now);
        assert_eq!(bench.session.statistics().from_called.round_trip_ms, None);
    }
}

#[test]
fn a_debug_print_shows_neither_address_nor_audio() {
    let mut bench = Bench::described();
    bench.session.tap(true);
    let text = format!("{:?}", bench.session);
    assert!(!text.contains("192.0.2") && text.len() < 600, "{text}");
}

/// A tapped session with both sides described as the source that `fuzz_media` sends from.
fn fuzzed() -> (Session, Now) {
    let mut bench = Bench::new();
    bench.describe(Side::A, CALLER);
    bench.describe(Side::B, CALLER);
    bench.session.tap(true);
    (bench.session, bench.now)
}

#[test]
fn a_million_random_packets_do_no_harm() {
    let (mut session, mut now) = fuzzed();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut octets = [0u8; 64];
    for n in 0..250_000u32 {
        for chunk in octets.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        // Three of four begin like RTP or RTCP of this call, so that the depths are reached.
        let [first, second, _, fourth, ..] = octets;
        match n % 4 {
            0 => octets[..2].copy_from_slice(&[0x80, 0]),
            1 => {
                octets[..4].copy_from_slice(&[0x80 | (first & 0x3f), 8, 0, fourth % 8]);
                octets[8..12].copy_from_slice(&[0, 0, 0, 1]);
            }
            2 => octets[..3].copy_from_slice(&[0x81, 200 + second % 2, 0]),
            _ => {}
        }
        now = now.after(Duration::from_millis(5));
        // Each is shown four times: from both sides, as RTP and as RTCP.
        fuzz_media(&octets[..(state >> 58) as usize], &mut session, now);
        if n % 5000 == 0 {
            session.tap(n % 10_000 == 0);
        }
    }
    assert!(session.statistics().from_caller.packets > 1000);
}

proptest! {
    #[test]
    fn any_sequence_of_packets_keeps_the_bounds(
        packets in proptest::collection::vec((any::<u16>(), 0u32..4000, 0u32..3, 0usize..1400), 1..200)
    ) {
        let (mut session, mut now) = fuzzed();
        for (sequence, timestamp, ssrc, len) in packets {
            now = now.after(Duration::from_millis(20));
            let mut octets = rtp::header(0, sequence % 64, timestamp, ssrc, false).to_vec();
            octets.resize(12 + len, 0x55);
            fuzz_media(&octets, &mut session, now);
        }
        let caller = session.statistics().from_caller;
        prop_assert!(caller.jitter_ms.is_finite() && caller.lost < 65_536 * 200);
    }
}
