//! One call's media against scripted packets: latching, holds, rates, keys.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::time::SystemTime;

use super::super::rtcp::tests::receiver_report;
use super::super::rtp;
use super::super::tap::HOP_SAMPLES;
use super::*;

#[path = "session_figures_tests.rs"]
mod figures;
#[path = "fax_tests.rs"]
mod fax;
#[path = "muxed_tests.rs"]
mod muxed;
#[path = "noise_tests.rs"]
mod noise;

const CALLER: &str = "192.0.2.1:4000";
const CALLED: &str = "192.0.2.2:5000";
const THIEF: &str = "203.0.113.66:4000";
const BOTH: &[(u8, Codec)] = &[(0, Codec::Pcmu), (8, Codec::Pcma)];

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn config() -> Config {
    Config {
        address: at(CALLER).ip(),
        advertise: None,
        ports: 20_000..=20_009,
        silence: Duration::from_secs(60),
        transcodes: true,
        rtcp_mux: true,
    }
}

struct Bench {
    session: Session,
    now: Now,
    sequence: u16,
}

impl Bench {
    fn new() -> Bench {
        let now = Now {
            instant: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        };
        Bench {
            session: Session::new(&config(), now),
            now,
            sequence: 100,
        }
    }

    fn described() -> Bench {
        let mut bench = Bench::new();
        bench.describe(Side::A, CALLER);
        bench.describe(Side::B, CALLED);
        bench
    }

    fn describe(&mut self, side: Side, audio: &str) {
        self.session.described(side, at(audio), BOTH, Some(101), self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    fn packet(&mut self, payload_type: u8) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let timestamp = u32::from(self.sequence) * 160;
        let mut packet = rtp::header(payload_type, self.sequence, timestamp, 77, false).to_vec();
        packet.extend_from_slice(&[0x31; 160]);
        packet
    }

    /// One packet of audio, 20 ms after the last.
    fn rtp(&mut self, side: Side, source: &str, payload_type: u8) -> Verdict {
        self.pass(Duration::from_millis(20));
        let mut packet = self.packet(payload_type);
        self.session.rtp(side, at(source), &mut packet, self.now)
    }

    fn rtcp(&mut self, side: Side, source: &str) -> Verdict {
        let mut packet = receiver_report(5, 77, 3);
        self.session.rtcp(side, at(source), &mut packet, self.now)
    }

    fn check_dropped(&self, side: Side, reason: DropReason, count: u64) {
        assert_eq!(self.session.dropped(side, reason), count, "{reason:?}");
    }
}

fn to(address: &str) -> Verdict {
    Verdict::Forward {
        to: at(address),
        len: 172,
        component: Component::Rtp,
    }
}

#[test]
fn audio_goes_both_ways_to_the_described_addresses() {
    let mut bench = Bench::described();
    assert_eq!(bench.rtp(Side::A, CALLER, 0), to(CALLED));
    assert_eq!(bench.rtp(Side::B, CALLED, 8), to(CALLER));
    let statistics = bench.session.statistics();
    assert_eq!(
        (statistics.from_caller.packets, statistics.from_caller.octets),
        (1, 172)
    );
    assert_eq!(statistics.from_called.packets, 1);
}

#[test]
fn a_side_that_is_not_described_is_not_listened_to() {
    let mut bench = Bench::new();
    bench.describe(Side::A, CALLER);
    assert_eq!(
        bench.rtp(Side::B, CALLED, 0),
        Verdict::Drop(DropReason::NotYetKnown)
    );
    assert_eq!(
        bench.rtcp(Side::B, CALLED),
        Verdict::Drop(DropReason::NotYetKnown)
    );
    assert_eq!(bench.session.statistics().from_called.packets, 0);
}

#[test]
fn the_caller_is_heard_before_anyone_answers() {
    let mut bench = Bench::new();
    bench.describe(Side::A, CALLER);
    bench.session.tap(true);
    for _ in 0..50 {
        assert_eq!(
            bench.rtp(Side::A, CALLER, 0),
            Verdict::Drop(DropReason::NotYetKnown)
        );
    }
    let level = crate::g711::Law::Mu.decode(0x31);
    assert!(
        bench
            .session
            .poll_hop()
            .is_some_and(|hop| hop.iter().all(|sample| *sample == level))
    );
    assert_eq!(bench.session.statistics().from_caller.dropped, 0);
}

#[test]
fn what_is_not_rtp_or_rtcp_is_malformed() {
    let mut bench = Bench::described();
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0];
    for octets in [&b"\r\n"[..], &stun, &[0x80; 1501]] {
        let mut octets = octets.to_vec();
        let verdict = bench.session.rtp(Side::A, at(CALLER), &mut octets, bench.now);
        assert_eq!(verdict, Verdict::Drop(DropReason::Malformed));
        let verdict = bench.session.rtcp(Side::A, at(CALLER), &mut octets, bench.now);
        assert_eq!(verdict, Verdict::Drop(DropReason::Malformed));
    }
    bench.check_dropped(Side::A, DropReason::Malformed, 6);
}

#[test]
fn a_thief_gets_nothing_and_is_counted() {
    let mut bench = Bench::described();
    bench.rtp(Side::A, CALLER, 0);
    for _ in 0..10 {
        assert_eq!(bench.rtp(Side::A, THIEF, 0), Verdict::Drop(DropReason::Stranger));
        assert_eq!(bench.rtcp(Side::A, THIEF), Verdict::Drop(DropReason::Stranger));
    }
    assert_eq!(bench.rtp(Side::B, CALLED, 0), to(CALLER));
    assert_eq!(bench.session.statistics().from_caller.dropped, 20);
    assert_eq!(bench.session.statistics().from_caller.packets, 1);
}

#[test]
fn a_thief_does_not_use_up_the_rate_of_a_side() {
    let mut bench = Bench::described();
    bench.rtp(Side::A, CALLER, 0);
    for _ in 0..10_000 {
        let mut packet = bench.packet(0);
        bench.session.rtp(Side::A, at(THIEF), &mut packet, bench.now);
    }
    assert_eq!(bench.rtp(Side::A, CALLER, 0), to(CALLED));
}

#[test]
fn a_party_behind_nat_gets_its_audio_where_it_sends_from() {
    let mut bench = Bench::described();
    assert_eq!(bench.rtp(Side::B, "198.51.100.9:61000", 0), to(CALLER));
    assert_eq!(bench.rtp(Side::A, CALLER, 0), to("198.51.100.9:61000"));
    assert_eq!(
        bench.rtcp(Side::A, "192.0.2.1:4001"),
        Verdict::Forward {
            to: at("198.51.100.9:61001"),
            len: 40,
            component: Component::Rtcp
        }
    );
}

#[test]
fn a_packet_of_an_unknown_payload_type_never_latches() {
    let mut bench = Bench::described();
    assert_eq!(bench.rtp(Side::A, THIEF, 96), Verdict::Drop(DropReason::Stranger));
    assert_eq!(bench.rtp(Side::B, CALLED, 0), to(CALLER));
    assert_eq!(bench.rtp(Side::A, CALLER, 0), to(CALLED));
    assert_eq!(
        bench.rtp(Side::A, CALLER, 96),
        Verdict::Drop(DropReason::UnknownPayload)
    );
    assert_eq!(bench.rtp(Side::A, CALLER, 101), to(CALLED));
    assert_eq!(bench.rtp(Side::A, CALLER, 13), to(CALLED));
}

#[test]
fn the_payload_types_of_the_receiver_are_good_and_its_codec_counts() {
    let mut bench = Bench::new();
    bench.session.described(
        Side::A,
        at(CALLER),
        &[(0, Codec::Pcmu), (97, Codec::Pcmu)],
        None,
        bench.now,
    );
    bench
        .session
        .described(Side::B, at(CALLED), &[(97, Codec::Pcma)], Some(98), bench.now);
    bench.session.tap(true);
    assert_eq!(bench.rtp(Side::A, CALLER, 98), to(CALLED));
    for _ in 0..50 {
        assert_eq!(bench.rtp(Side::A, CALLER, 97), to(CALLED));
    }
    let level = crate::g711::Law::A.decode(0x31);
    assert!(
        bench
            .session
            .poll_hop()
            .is_some_and(|hop| hop[HOP_SAMPLES - 1] == level && hop[0] == level)
    );
}

#[test]
fn a_side_may_send_250_packets_a_second() {
    let mut bench = Bench::described();
    let mut forwarded = 0;
    for _ in 0..4000 {
        bench.pass(Duration::from_micros(500));
        let mut packet = bench.packet(0);
        match bench.session.rtp(Side::A, at(CALLER), &mut packet, bench.now) {
            Verdict::Forward { .. } => forwarded += 1,
            verdict => assert_eq!(verdict, Verdict::Drop(DropReason::TooFast)),
        }
    }
    assert!(
        (740..=751).contains(&forwarded),
        "two seconds and one burst: {forwarded}"
    );
    bench.check_dropped(Side::A, DropReason::TooFast, 4000 - forwarded);
}

#[test]
fn too_much_rtcp_is_dropped_too() {
    let mut bench = Bench::described();
    let passed = (0..100)
        .filter(|_| matches!(bench.rtcp(Side::A, CALLER), Verdict::Forward { .. }))
        .count();
    assert_eq!(passed, 20);
}

#[test]
fn a_held_party_is_sent_nothing_and_its_peer_is_still_heard() {
    let mut bench = Bench::described();
    bench.session.tap(true);
    bench.rtp(Side::B, CALLED, 0);
    bench.describe(Side::B, "0.0.0.0:5000");
    for _ in 0..50 {
        assert_eq!(bench.rtp(Side::A, CALLER, 0), Verdict::Drop(DropReason::OnHold));
    }
    assert_eq!(bench.rtcp(Side::A, CALLER), Verdict::Drop(DropReason::OnHold));
    assert_eq!(bench.rtp(Side::B, CALLED, 0), to(CALLER), "music on hold");
    assert!(bench.session.poll_hop().is_some());
    bench.describe(Side::B, CALLED);
    assert_eq!(bench.rtp(Side::A, CALLER, 0), to(CALLED));
}

#[test]
fn only_the_callers_audio_is_tapped_and_only_while_asked() {
    let mut bench = Bench::described();
    for _ in 0..120 {
        bench.rtp(Side::A, CALLER, 0);
    }
    assert!(bench.session.poll_hop().is_none());
    bench.session.tap(true);
    for _ in 0..120 {
        bench.rtp(Side::B, CALLED, 0);
    }
    assert!(bench.session.poll_hop().is_none());
    for _ in 0..50 {
        bench.rtp(Side::A, CALLER, 0);
    }
    let hop = bench.session.poll_hop().unwrap();
    bench.session.recycle(hop);
    bench.session.tap(true);
    assert_eq!(
        bench.session.tap_statistics().hops,
        1,
        "asking again changes nothing"
    );
    bench.session.tap(false);
    bench.session.tap(true);
    assert_eq!(bench.session.tap_statistics().hops, 1);
}

#[test]
fn a_new_source_of_the_caller_is_heard_from_its_second_packet_on() {
    let mut bench = Bench::described();
    bench.session.tap(true);
    for _ in 0..25 {
        bench.rtp(Side::A, CALLER, 0);
    }
    for n in 0..26u16 {
        bench.pass(Duration::from_millis(20));
        let mut packet = rtp::header(0, 60_000 + n, u32::from(n) * 160, 78, false).to_vec();
        packet.extend_from_slice(&[0x99; 160]);
        assert_eq!(
            bench.session.rtp(Side::A, at(CALLER), &mut packet, bench.now),
            to(CALLED)
        );
    }
    let hop = bench.session.poll_hop().unwrap();
    let (old, new) = (
        crate::g711::Law::Mu.decode(0x31),
        crate::g711::Law::Mu.decode(0x99),
    );
    assert!(
        hop[..4000].iter().all(|sample| *sample == old) && hop[4000..].iter().all(|sample| *sample == new)
    );
}

#[test]
fn one_forged_packet_does_not_disturb_the_tap() {
    let mut bench = Bench::described();
    bench.session.tap(true);
    for n in 0..50u16 {
        bench.rtp(Side::A, CALLER, 0);
        let mut forged = rtp::header(0, n * 999, 5, 4711 + u32::from(n), false).to_vec();
        forged.extend_from_slice(&[0x01; 160]);
        bench.session.rtp(Side::A, at(CALLER), &mut forged, bench.now);
    }
    let level = crate::g711::Law::Mu.decode(0x31);
    assert!(
        bench
            .session
            .poll_hop()
            .unwrap()
            .iter()
            .all(|sample| *sample == level)
    );
}

#[test]
fn silence_is_counted_from_the_last_sign_of_life() {
    let mut bench = Bench::described();
    bench.pass(Duration::from_secs(59));
    assert!(!bench.session.is_silent(bench.now));
    bench.rtcp(Side::B, "192.0.2.2:5001");
    bench.pass(Duration::from_secs(59));
    bench.rtp(Side::A, THIEF, 96);
    assert!(!bench.session.is_silent(bench.now));
    bench.pass(Duration::from_secs(1));
    assert!(bench.session.is_silent(bench.now));
    assert!(bench.session.deadline() <= bench.now.instant);
    bench.rtp(Side::A, CALLER, 0);
    assert!(!bench.session.is_silent(bench.now));
}

#[test]
fn keys_pass_once_each_and_only_their_number_is_kept() {
    let mut bench = Bench::described();
    bench.rtp(Side::A, CALLER, 0);
    // 4, 2, 2, each of five packets and an end that is sent three times; then a hook flash, and what is too short.
    let mut sent = Vec::new();
    for (press, key) in [4u8, 2, 2, 16].into_iter().enumerate() {
        for n in 0..8u8 {
            let end = if n >= 5 { 0x80 } else { 0 };
            sent.push((press as u32 * 1600, vec![key, 10 | end, 3, n.min(5) * 20]));
        }
    }
    sent.push((9_999, vec![7, 10]));
    for (n, (timestamp, payload)) in sent.iter().enumerate() {
        bench.pass(Duration::from_millis(20));
        let mut packet = rtp::header(101, 200 + n as u16, *timestamp, 77, false).to_vec();
        packet.extend_from_slice(payload);
        let before = packet.clone();
        let verdict = bench.session.rtp(Side::A, at(CALLER), &mut packet, bench.now);
        assert_eq!(
            verdict,
            Verdict::Forward {
                to: at(CALLED),
                len: before.len(),
                component: Component::Rtp
            }
        );
        assert_eq!(packet, before);
    }
    let statistics = bench.session.statistics();
    assert_eq!(
        (
            statistics.from_caller.keys_pressed,
            statistics.from_called.keys_pressed
        ),
        (3, 0)
    );
}
