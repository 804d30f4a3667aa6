//! A fax (T.38 over UDPTL) between two parties that both went over to it: every datagram as it came, and nothing heard.

use super::*;

/// As a gateway sends it: a number, an indicator, and two earlier ones repeated.
const DATAGRAM: [u8; 11] = [0, 7, 2, 0xc0, 0x01, 0, 2, 1, 0x06, 1, 0x04];

fn fax(bench: &mut Bench, sides: [bool; 2]) {
    for (side, audio, on) in [(Side::A, CALLER, sides[0]), (Side::B, CALLED, sides[1])] {
        bench.session.fax(side, on);
        bench.describe(side, audio);
    }
}

impl Bench {
    fn datagram(&mut self, side: Side, source: &str, octets: &[u8]) -> Verdict {
        self.pass(Duration::from_millis(20));
        let mut buffer = octets.to_vec();
        let verdict = self.session.rtp(side, at(source), &mut buffer, self.now);
        assert_eq!(buffer, octets, "as it came");
        verdict
    }
}

fn on_to(address: &str, len: usize) -> Verdict {
    Verdict::Forward {
        to: at(address),
        len,
        component: Component::Rtp,
    }
}

#[test]
fn a_fax_crosses_both_ways_and_is_not_heard() {
    let mut bench = Bench::described();
    bench.session.tap(true);
    bench.rtp(Side::A, CALLER, 0);
    fax(&mut bench, [true, true]);
    let before = bench.session.tapped_samples();
    // What looks like RTP, like RTCP and like neither.
    let rtp = bench.packet(0);
    for octets in [&DATAGRAM[..], &rtp, &receiver_report(5, 77, 3), &[0x7f; 1400]] {
        assert_eq!(
            bench.datagram(Side::A, CALLER, octets),
            on_to(CALLED, octets.len())
        );
        assert_eq!(
            bench.datagram(Side::B, CALLED, octets),
            on_to(CALLER, octets.len())
        );
    }
    assert_eq!(bench.session.tapped_samples(), before);
    assert_eq!(bench.session.statistics().from_called.packets, 4);
    assert_eq!(bench.session.statistics().from_caller.dropped, 0);
    bench.pass(Duration::from_secs(59));
    bench.datagram(Side::A, CALLER, &DATAGRAM);
    bench.pass(Duration::from_secs(59));
    assert!(!bench.session.is_silent(bench.now), "it is life");
}

#[test]
fn the_tone_before_a_fax_crosses_and_is_not_heard() {
    let mut bench = Bench::described();
    bench.session.tap(true);
    let tone = |n: usize| (n as f64 * 1100.0 * std::f64::consts::TAU / 8000.0).sin() * 4000.0;
    // Half a second of it, a second of nothing, and somebody speaks in the third.
    for n in 0..150 {
        let octets: Vec<u8> = (n * 160..(n + 1) * 160)
            .map(|at| match at {
                0..4000 => crate::g711::Law::Mu.encode(tone(at) as i16),
                4000..16_000 => 0xff,
                _ => 0x31,
            })
            .collect();
        let mut packet = bench.packet(0);
        packet[12..].copy_from_slice(&octets);
        bench.pass(Duration::from_millis(20));
        let before = packet.clone();
        let verdict = bench.session.rtp(Side::A, at(CALLER), &mut packet, bench.now);
        assert_eq!(
            (verdict, &packet),
            (to(CALLED), &before),
            "it is between two machines"
        );
        let hop = bench.session.poll_hop();
        assert_eq!(hop.is_some(), matches!(n, 99 | 149), "{n}");
        hop.into_iter().for_each(|hop| bench.session.recycle(hop));
    }
    assert_eq!(
        bench.session.tapped_samples(),
        Some(16_000),
        "the clock of the scorer counts what it gets to hear"
    );
    let statistics = bench.session.statistics();
    assert_eq!(
        (
            statistics.from_caller.calling_tone_seconds,
            statistics.from_called.calling_tone_seconds
        ),
        (1, 0)
    );
    bench.session.tap(false);
    assert_eq!(bench.session.statistics().from_caller.calling_tone_seconds, 1);
}

#[test]
fn whoever_plays_the_tone_for_ever_is_scored_in_the_end() {
    let mut bench = Bench::described();
    let mut clock = 0;
    for second in 0..14u64 {
        if second % 5 == 0 {
            // It turned to something else in between: the call is the same.
            bench.session.tap(false);
            bench.session.tap(true);
            clock = 0;
        }
        for n in 0..50usize {
            let mut packet = bench.packet(0);
            for (at, octet) in packet[12..].iter_mut().enumerate() {
                let tone = ((n * 160 + at) as f64 * 1100.0 * std::f64::consts::TAU / 8000.0).sin();
                *octet = crate::g711::Law::Mu.encode((tone * 4000.0) as i16);
            }
            bench.pass(Duration::from_millis(20));
            bench.session.rtp(Side::A, at(CALLER), &mut packet, bench.now);
        }
        let hop = bench.session.poll_hop();
        assert_eq!(hop.is_some(), second >= 10, "{second}");
        clock += u64::from(hop.is_some()) * 8000;
        assert_eq!(bench.session.tapped_samples(), Some(clock));
        hop.into_iter().for_each(|hop| bench.session.recycle(hop));
    }
    assert_eq!(bench.session.statistics().from_caller.calling_tone_seconds, 10);
}

#[test]
fn a_fax_latches_no_source_that_sends_anything_else() {
    let mut bench = Bench::described();
    fax(&mut bench, [true, true]);
    assert_eq!(
        bench.datagram(Side::A, THIEF, &[9; 4]),
        Verdict::Drop(DropReason::Malformed)
    );
    assert_eq!(
        bench.datagram(Side::B, CALLED, &DATAGRAM),
        on_to(CALLER, DATAGRAM.len()),
        "it goes where the party was described"
    );
}

#[test]
fn only_the_party_itself_is_believed_and_only_so_fast() {
    let mut bench = Bench::described();
    bench.rtp(Side::A, CALLER, 0);
    fax(&mut bench, [true, true]);
    bench.pass(Duration::from_secs(6));
    assert_eq!(
        bench.datagram(Side::A, THIEF, &DATAGRAM),
        Verdict::Drop(DropReason::Stranger)
    );
    let long = [&[0, 1, 0x81, 0x00][..], &[0; 255]].concat();
    for octets in [
        &[][..],
        &DATAGRAM[..3],
        &[0; 1501],
        &[0, 1, 2, 0],
        &[1; 3],
        &[0xff; 1400],
        &long,
    ] {
        assert_eq!(
            bench.datagram(Side::A, CALLER, octets),
            Verdict::Drop(DropReason::Malformed)
        );
    }
    let whole = [&long[..], &[0]].concat();
    assert_eq!(
        bench.datagram(Side::A, CALLER, &whole),
        on_to(CALLED, whole.len())
    );
    let mut sent = 0;
    for _ in 0..2_000 {
        let mut octets = DATAGRAM;
        let verdict = bench.session.rtp(Side::A, at(CALLER), &mut octets, bench.now);
        sent += u32::from(verdict == on_to(CALLED, DATAGRAM.len()));
    }
    assert!((100..=250).contains(&sent), "{sent}");
}

#[test]
fn who_has_gone_over_gets_no_audio_and_who_has_not_gets_no_fax() {
    let mut bench = Bench::described();
    fax(&mut bench, [false, true]);
    assert_eq!(
        bench.rtp(Side::A, CALLER, 0),
        Verdict::Drop(DropReason::UnknownPayload)
    );
    assert_eq!(
        bench.datagram(Side::B, CALLED, &DATAGRAM),
        Verdict::Drop(DropReason::UnknownPayload)
    );
    fax(&mut bench, [false, false]);
    assert_eq!(bench.rtp(Side::A, CALLER, 0), to(CALLED));
    assert_eq!(bench.rtp(Side::B, CALLED, 0), to(CALLER));
}
