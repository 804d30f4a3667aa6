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
    for octets in [&DATAGRAM[..], &rtp, &receiver_report(5, 77, 3), &[0xff; 1400]] {
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
        Some(24_000),
        "the clock of the scorer goes on"
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
fn only_the_party_itself_is_believed_and_only_so_fast() {
    let mut bench = Bench::described();
    bench.rtp(Side::A, CALLER, 0);
    fax(&mut bench, [true, true]);
    bench.pass(Duration::from_secs(6));
    assert_eq!(
        bench.datagram(Side::A, THIEF, &DATAGRAM),
        Verdict::Drop(DropReason::Stranger)
    );
    for octets in [&[][..], &DATAGRAM[..3], &[0; 1501]] {
        assert_eq!(
            bench.datagram(Side::A, CALLER, octets),
            Verdict::Drop(DropReason::Malformed)
        );
    }
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
