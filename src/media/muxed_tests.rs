//! RTP and RTCP on one port (RFC 5761): told apart, sent where each leg has them, and taken from nobody else.

use super::*;

/// The caller's leg and the other have one port, or two.
fn bench(is_caller_muxed: bool, is_called_muxed: bool) -> Bench {
    let mut bench = Bench::new();
    bench.session.mux(Side::A, is_caller_muxed);
    bench.session.mux(Side::B, is_called_muxed);
    bench.describe(Side::A, CALLER);
    bench.describe(Side::B, CALLED);
    bench
}

impl Bench {
    /// A report on the RTP port.
    fn muxed(&mut self, side: Side, source: &str) -> Verdict {
        let mut packet = receiver_report(5, 77, 3);
        self.session.rtp(side, at(source), &mut packet, self.now)
    }
}

fn report_to(address: &str, component: Component) -> Verdict {
    Verdict::Forward {
        to: at(address),
        len: 40,
        component,
    }
}

#[test]
fn reports_go_where_the_other_leg_has_them() {
    for (is_caller_muxed, is_called_muxed) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut bench = bench(is_caller_muxed, is_called_muxed);
        assert_eq!(bench.rtp(Side::A, CALLER, 0), to(CALLED));
        assert_eq!(bench.rtp(Side::B, CALLED, 0), to(CALLER));
        let from_caller = match is_caller_muxed {
            true => bench.muxed(Side::A, CALLER),
            false => bench.rtcp(Side::A, "192.0.2.1:4001"),
        };
        let expected = match is_called_muxed {
            true => report_to(CALLED, Component::Rtp),
            false => report_to("192.0.2.2:5001", Component::Rtcp),
        };
        assert_eq!(from_caller, expected, "{is_caller_muxed} {is_called_muxed}");
        assert_eq!(
            bench.rtp(Side::A, CALLER, 0),
            to(CALLED),
            "audio goes on beside them"
        );
        assert_eq!(
            bench.session.statistics().from_caller.packets,
            2,
            "a report is no audio"
        );
    }
}

#[test]
fn a_report_of_the_phone_on_the_one_port_is_kept() {
    let mut bench = bench(false, true);
    bench.rtp(Side::A, CALLER, 0);
    bench.rtp(Side::B, CALLED, 0);
    assert_eq!(
        bench.muxed(Side::B, CALLED),
        report_to("192.0.2.1:4001", Component::Rtcp)
    );
    let report = bench.session.reported_by(Side::B).unwrap();
    assert_eq!((report.ssrc, report.cumulative_lost), (77, 3));
}

#[test]
fn a_leg_that_did_not_agree_has_two_ports() {
    let mut bench = bench(false, true);
    bench.rtp(Side::A, CALLER, 0);
    assert_eq!(
        bench.muxed(Side::A, CALLER),
        Verdict::Drop(DropReason::UnknownPayload)
    );
    assert_eq!(bench.muxed(Side::A, THIEF), Verdict::Drop(DropReason::Stranger));
}

#[test]
fn on_one_port_reports_come_from_where_the_audio_does() {
    let mut bench = bench(true, true);
    // Before the first audio: from the described address, whatever the port.
    assert_eq!(
        bench.muxed(Side::A, "192.0.2.1:4010"),
        report_to(CALLED, Component::Rtp)
    );
    assert_eq!(bench.muxed(Side::A, THIEF), Verdict::Drop(DropReason::Stranger));
    // Then only from the audio's own.
    bench.rtp(Side::A, "198.51.100.9:61000", 0);
    assert_eq!(
        bench.muxed(Side::A, "198.51.100.9:61000"),
        report_to(CALLED, Component::Rtp)
    );
    assert_eq!(
        bench.muxed(Side::A, "198.51.100.9:61001"),
        Verdict::Drop(DropReason::Stranger)
    );
    assert_eq!(bench.muxed(Side::A, THIEF), Verdict::Drop(DropReason::Stranger));
    // And they tell nothing of where to send.
    assert_eq!(bench.rtp(Side::B, CALLED, 0), to("198.51.100.9:61000"));
    assert_eq!(
        bench.muxed(Side::B, CALLED),
        report_to("198.51.100.9:61000", Component::Rtp)
    );
}

#[test]
fn a_leg_may_go_over_to_two_ports_and_back() {
    let mut bench = bench(false, false);
    bench.rtp(Side::A, CALLER, 0);
    bench.rtp(Side::B, CALLED, 0);
    // Its reports come from a port that NAT chose.
    bench.rtcp(Side::B, "192.0.2.2:7777");
    assert_eq!(
        bench.rtcp(Side::A, "192.0.2.1:4001"),
        report_to("192.0.2.2:7777", Component::Rtcp)
    );
    bench.session.mux(Side::B, true);
    bench.describe(Side::B, CALLED);
    assert_eq!(
        bench.rtcp(Side::A, "192.0.2.1:4001"),
        report_to(CALLED, Component::Rtp)
    );
    bench.session.mux(Side::B, false);
    bench.describe(Side::B, CALLED);
    assert_eq!(
        bench.rtcp(Side::A, "192.0.2.1:4001"),
        report_to("192.0.2.2:5001", Component::Rtcp)
    );
}

#[test]
fn who_floods_reports_on_the_one_port_does_not_use_up_its_audio() {
    let mut bench = bench(true, true);
    bench.rtp(Side::A, CALLER, 0);
    for _ in 0..5_000 {
        bench.muxed(Side::A, CALLER);
    }
    assert!(bench.session.dropped(Side::A, DropReason::TooFast) > 4_900);
    assert_eq!(bench.rtp(Side::A, CALLER, 0), to(CALLED));
}
