//! Real sockets on loopback: packets through a shard's media from one party to the other.
#![expect(clippy::disallowed_methods, reason = "real sockets need a real clock")]

use std::net::{Ipv4Addr, UdpSocket as Peer};
use std::time::SystemTime;

use mio::{Events, Poll};

use super::*;
use crate::media::dtls::{Role, Terms};
use crate::media::rtp;
use crate::sdp::{Fingerprint, FingerprintHash, Suites};

const BASE: Token = Token(1000);
const PCMU: &[(u8, Codec)] = &[(0, Codec::Pcmu)];

struct Bench {
    poll: Poll,
    media: MediaIo,
    now: Now,
    hops: Vec<(CallId, Hop)>,
}

/// Ports near one the system has just found free. Others may take some of them: `open` goes on to the next.
fn some_ports(count: u16) -> RangeInclusive<u16> {
    let probe = peer().local_addr().unwrap().port();
    let first = probe.min(65_000 - count) & !1;
    first..=first + count - 1
}

fn peer() -> Peer {
    let peer = Peer::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    peer
}

fn bench(ports: RangeInclusive<u16>) -> Bench {
    let config = Config {
        address: Ipv4Addr::LOCALHOST.into(),
        advertise: None,
        ports,
        silence: Duration::from_secs(60),
        transcodes: true,
        rtcp_mux: true,
    };
    Bench {
        poll: Poll::new().unwrap(),
        media: MediaIo::new(config, 0, 1, BASE),
        now: Now {
            instant: Instant::now(),
            utc: SystemTime::now(),
        },
        hops: Vec::new(),
    }
}

impl Bench {
    fn open(&mut self, call: u128) -> Option<(u16, u16)> {
        self.media.open(CallId(call), self.poll.registry(), self.now)
    }

    fn describe(&mut self, call: u128, side: Side, peer: &Peer) {
        let audio = peer.local_addr().unwrap();
        self.media
            .describe(CallId(call), side, audio, PCMU, None, self.now);
    }

    /// Carries packets until `received` of them have come in since the start.
    fn carry(&mut self, received: u64) {
        let mut events = Events::with_capacity(16);
        let give_up = Instant::now() + Duration::from_secs(10);
        while self.media.counters().received < received {
            assert!(Instant::now() < give_up, "{:?}", self.media.counters());
            self.poll
                .poll(&mut events, Some(Duration::from_millis(100)))
                .unwrap();
            for event in &events {
                assert!(self.media.owns(event.token()));
                let hops = &mut self.hops;
                self.media
                    .readable(event.token(), self.now, &mut |call, hop| hops.push((call, hop)));
            }
        }
    }

    /// Turns of the loop until something has come to sockets that no call has.
    fn wake_at_rest(&mut self) {
        let mut events = Events::with_capacity(16);
        let give_up = Instant::now() + Duration::from_secs(10);
        while events.is_empty() {
            assert!(Instant::now() < give_up, "nothing came");
            self.poll
                .poll(&mut events, Some(Duration::from_millis(100)))
                .unwrap();
        }
        for event in &events {
            self.media
                .readable(event.token(), self.now, &mut |_, _| panic!("no call, no hop"));
        }
    }
}

fn audio(n: u16) -> Vec<u8> {
    let mut packet = rtp::header(0, n, u32::from(n) * 160, 9, false).to_vec();
    packet.extend_from_slice(&[(n % 251) as u8; 160]);
    packet
}

fn received(peer: &Peer) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 3000];
    let (len, from) = peer.recv_from(&mut buffer).expect("a packet");
    (buffer[..len].to_vec(), from)
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn a_call_goes_through_unchanged_in_both_directions_and_is_heard() {
    let mut bench = bench(some_ports(64));
    let (caller, called) = (peer(), peer());
    let (a, b) = bench.open(1).unwrap();
    assert_eq!((a % 2, b % 2), (0, 0));
    assert_eq!(bench.open(1), Some((a, b)), "opening twice is opening once");
    bench.describe(1, Side::A, &caller);
    bench.describe(1, Side::B, &called);
    bench.media.tap(CallId(1), true);
    for n in 0..50 {
        caller.send_to(&audio(n), local(a)).unwrap();
        called.send_to(&audio(n + 7), local(b)).unwrap();
    }
    bench.carry(100);
    for n in 0..50 {
        assert_eq!(received(&called), (audio(n), local(b)));
        assert_eq!(received(&caller), (audio(n + 7), local(a)));
    }
    let (call, hop) = bench.hops.pop().expect("one second is one hop");
    assert_eq!((call, hop.len(), bench.hops.len()), (CallId(1), 8000, 0));
    bench.media.recycle(call, hop);
    let statistics = bench.media.statistics(CallId(1)).unwrap();
    assert_eq!(bench.media.close(CallId(1), bench.now), statistics);
    assert_eq!(
        (statistics.from_caller.packets, statistics.from_called.packets),
        (50, 50)
    );
    assert_eq!(
        (statistics.from_caller.lost, statistics.from_caller.dropped),
        (0, 0)
    );
    assert_eq!(bench.media.counters().forwarded, 100);
}

#[test]
fn reports_go_between_the_odd_ports() {
    let mut bench = bench(some_ports(64));
    let (caller, called) = (peer(), peer());
    let (a, b) = bench.open(1).unwrap();
    bench.describe(1, Side::A, &caller);
    bench.describe(1, Side::B, &called);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    // The called party's own report tells us where its control port is.
    called.send_to(&report, local(b + 1)).unwrap();
    bench.carry(1);
    caller.send_to(&report, local(a + 1)).unwrap();
    bench.carry(2);
    assert_eq!(received(&called), (report.to_vec(), local(b + 1)));
}

#[test]
fn a_call_goes_through_over_ipv6() {
    let Ok(called) = Peer::bind((std::net::Ipv6Addr::LOCALHOST, 0)) else {
        return;
    };
    let mut bench = bench(some_ports(64));
    let config = Config {
        address: std::net::Ipv6Addr::LOCALHOST.into(),
        ..bench.media.config.clone()
    };
    bench.media = MediaIo::new(config, 0, 1, BASE);
    let (a, _) = bench.open(1).unwrap();
    let caller = Peer::bind((std::net::Ipv6Addr::LOCALHOST, 0)).unwrap();
    bench.describe(1, Side::A, &caller);
    bench.describe(1, Side::B, &called);
    caller
        .send_to(&audio(3), (std::net::Ipv6Addr::LOCALHOST, a))
        .unwrap();
    bench.carry(1);
    assert_eq!(received(&called).0, audio(3));
}

#[test]
fn two_hundred_calls_lose_nothing() {
    let mut bench = bench(some_ports(1600));
    let (caller, called) = (peer(), peer());
    let ports: Vec<(u16, u16)> = (0..200).map(|call| bench.open(call).expect("ports")).collect();
    for call in 0..200 {
        bench.describe(call, Side::A, &caller);
        bench.describe(call, Side::B, &called);
        bench.media.tap(CallId(call), true);
    }
    for n in 0..10 {
        for (a, b) in &ports {
            caller.send_to(&audio(n), local(*a)).unwrap();
            called.send_to(&audio(n), local(*b)).unwrap();
        }
        bench.carry(400 * (u64::from(n) + 1));
    }
    for call in 0..200 {
        let statistics = bench.media.close(CallId(call), bench.now);
        assert_eq!(
            (statistics.from_caller.packets, statistics.from_called.packets),
            (10, 10)
        );
        assert_eq!(
            (statistics.from_caller.lost, statistics.from_caller.dropped),
            (0, 0)
        );
    }
    assert_eq!(bench.media.counters().forwarded, 4000);
}

#[test]
fn a_socket_with_more_than_a_batch_is_announced_again() {
    let mut bench = bench(some_ports(64));
    let (caller, called) = (peer(), peer());
    let (a, _) = bench.open(1).unwrap();
    bench.describe(1, Side::A, &caller);
    bench.describe(1, Side::B, &called);
    for n in 0..BATCH as u16 * 3 + 5 {
        caller.send_to(&audio(n), local(a)).unwrap();
    }
    bench.carry(BATCH as u64 * 3 + 5);
    assert_eq!(bench.media.counters().forwarded, BATCH as u64 * 3 + 5);
}

#[test]
fn a_datagram_longer_than_the_buffer_is_refused_and_not_cut() {
    let mut bench = bench(some_ports(64));
    let (caller, called) = (peer(), peer());
    let (a, _) = bench.open(1).unwrap();
    bench.describe(1, Side::A, &caller);
    bench.describe(1, Side::B, &called);
    let mut long = audio(1);
    long.resize(3000, 0);
    caller.send_to(&long, local(a)).unwrap();
    bench.carry(1);
    assert_eq!(bench.media.counters().dropped[DropReason::Malformed as usize], 1);
}

#[test]
fn a_party_that_names_our_own_port_is_sent_nothing() {
    let mut bench = bench(some_ports(64));
    let caller = peer();
    let (a, b) = bench.open(1).unwrap();
    bench.describe(1, Side::A, &caller);
    bench
        .media
        .describe(CallId(1), Side::B, local(b), PCMU, None, bench.now);
    caller.send_to(&audio(1), local(a)).unwrap();
    bench.carry(1);
    let counters = bench.media.counters();
    assert_eq!(
        (counters.dropped[DropReason::OnHold as usize], counters.forwarded),
        (1, 0)
    );
}

#[test]
fn a_port_that_somebody_holds_is_passed_over() {
    let ports = some_ports(64);
    let held: Vec<_> = (*ports.start()..)
        .step_by(2)
        .take(3)
        .map(|port| Peer::bind(local(port)))
        .collect();
    let mut bench = bench(ports.clone());
    let (a, b) = bench.open(1).expect("the others are free");
    for (socket, offset) in held.iter().zip([0, 2, 4]) {
        if socket.is_ok() {
            assert!(a != ports.start() + offset && b != ports.start() + offset);
        }
    }
}

#[test]
fn without_two_free_pairs_a_call_is_refused_and_nothing_is_kept() {
    let mut bench = bench(20_001..=20_002);
    assert_eq!((bench.open(1), bench.media.live_calls()), (None, 0));
    let ports = some_ports(2);
    let mut bench = self::bench(ports);
    assert_eq!(bench.open(1), None, "one pair serves one side only");
    assert_eq!((bench.media.free_ports(), bench.media.deadline()), (1, None));
}

#[test]
fn closed_ports_rest_and_late_events_are_harmless() {
    let mut bench = bench(some_ports(64));
    let free = bench.media.free_ports();
    bench.open(1).unwrap();
    assert_eq!(bench.media.free_ports(), free - 2);
    bench.media.close(CallId(1), bench.now);
    assert_eq!((bench.media.free_ports(), bench.media.live_calls()), (free, 0));
    for token in [BASE, Token(BASE.0 + 3), Token(usize::MAX), Token(5)] {
        bench
            .media
            .readable(token, bench.now, &mut |_, _| panic!("no call, no hop"));
    }
    assert!(!bench.media.owns(Token(999)));
    assert_eq!(bench.media.close(CallId(1), bench.now), Statistics::default());
    bench.media.recycle(CallId(1), vec![0; 8000].into_boxed_slice());
    assert_eq!(bench.media.deadline(), None);
}

#[test]
fn the_sockets_of_a_call_that_is_over_serve_the_next_one_and_hold_nothing_of_it() {
    let mut bench = bench(some_ports(64));
    let (caller, called) = (peer(), peer());
    let ports = bench.open(1).unwrap();
    bench.media.close(CallId(1), bench.now);
    assert_eq!(bench.media.sockets.resting(), 2);
    // Late packets of the old call, and somebody who tries every port.
    for n in 0..10 {
        caller.send_to(&audio(n), local(ports.0)).unwrap();
        caller.send_to(&audio(n), local(ports.1 + 1)).unwrap();
    }
    let other = bench.open(2).unwrap();
    assert_ne!(other, ports, "the ports rest");
    bench.now = bench.now.after(crate::media::limits::PORT_REST);
    assert_eq!(bench.open(3), Some(ports), "and are the first to go out again");
    assert_eq!(bench.media.sockets.resting(), 0);
    bench.describe(3, Side::A, &caller);
    bench.describe(3, Side::B, &called);
    let fresh = audio(77);
    caller.send_to(&fresh, local(ports.0)).unwrap();
    bench.carry(1);
    assert_eq!(received(&called).0, fresh);
    assert_eq!(bench.media.counters().received, 1, "the late ones are nobody's");
}

#[test]
fn sockets_that_have_rested_long_enough_are_closed_and_the_others_stay() {
    use super::super::limits::{RESTING_AGE_MAX, RESTING_SWEEP};
    let mut bench = bench(some_ports(64));
    bench.open(1).unwrap();
    bench.open(2).unwrap();
    bench.media.close(CallId(1), bench.now);
    bench.now = bench.now.after(RESTING_SWEEP);
    bench.media.close(CallId(2), bench.now);
    let free = bench.media.free_ports();
    bench.now = bench.now.after(RESTING_AGE_MAX - RESTING_SWEEP);
    assert_eq!(bench.media.silent(bench.now).count(), 0);
    assert_eq!(
        bench.media.sockets.resting(),
        2,
        "those of the first call are closed"
    );
    bench.now = bench.now.after(RESTING_SWEEP);
    assert_eq!(bench.media.silent(bench.now).count(), 0);
    assert_eq!(bench.media.sockets.resting(), 0);
    assert_eq!(bench.media.free_ports(), free, "their ports are free as before");
    assert!(bench.open(3).is_some(), "and are bound again");
}

#[test]
fn a_port_that_is_sent_to_without_end_is_closed_and_lent_only_when_there_is_no_other() {
    let mut bench = bench(some_ports(64));
    let ports = bench.open(1).unwrap();
    bench.media.close(CallId(1), bench.now);
    for _ in 0..=super::super::limits::RESTING_WAKEUPS {
        bench
            .media
            .readable(BASE, bench.now, &mut |_, _| panic!("no call, no hop"));
    }
    assert_eq!(bench.media.sockets.resting(), 1);
    bench.now = bench.now.after(crate::media::limits::PORT_REST);
    let (a, b) = bench.open(2).unwrap();
    assert_eq!(a, ports.1);
    assert!(b != ports.0 && b != ports.1);
}

/// What a telephone does that has not heard of the end of its call.
#[test]
fn a_party_that_does_not_stop_sending_is_not_heard_in_the_next_call() {
    let mut bench = bench(some_ports(64));
    let late = peer();
    let ports = bench.open(1).unwrap();
    bench.media.close(CallId(1), bench.now);
    bench.now = bench
        .now
        .after(crate::media::limits::PORT_REST - Duration::from_millis(500));
    late.send_to(&audio(1), local(ports.0)).unwrap();
    bench.wake_at_rest();
    bench.now = bench.now.after(Duration::from_millis(500));
    let (a, b) = bench.open(2).unwrap();
    assert_eq!(a, ports.1, "that one is quiet");
    assert!(b != ports.0 && b != ports.1);
}

#[test]
fn where_every_port_is_sent_to_a_call_gets_one_all_the_same() {
    let late = peer();
    let free = (0..50).find_map(|_| {
        let mut bench = bench(some_ports(4));
        let ports = bench.open(1)?;
        Some((bench, ports))
    });
    let (mut bench, ports) = free.expect("two free pairs");
    bench.media.close(CallId(1), bench.now);
    bench.now = bench.now.after(crate::media::limits::PORT_REST);
    for port in [ports.0, ports.1] {
        late.send_to(&audio(1), local(port)).unwrap();
        bench.wake_at_rest();
    }
    let (a, b) = bench.open(2).expect("no others are left");
    assert_eq!([a.min(b), a.max(b)], [ports.0.min(ports.1), ports.0.max(ports.1)]);
}

#[test]
fn a_silent_call_is_named_once_per_silence() {
    let mut bench = bench(some_ports(64));
    bench.open(1).unwrap();
    let silent = |bench: &mut Bench, after: u64| {
        let now = bench.now.after(Duration::from_secs(after));
        bench.media.silent(now).collect::<Vec<_>>()
    };
    assert_eq!(bench.media.deadline(), Some(bench.now.instant + SILENCE_CHECK));
    for (after, expected) in [(59, 0), (61, 1), (62, 0), (100, 0), (121, 1), (122, 0)] {
        assert_eq!(silent(&mut bench, after).len(), expected, "after {after} s");
    }
}

#[test]
fn shards_share_the_ports_without_overlap() {
    assert_eq!(shard_ports(20_000..=29_999, 0, 1), 20_000..=29_999);
    assert_eq!(shard_ports(20_001..=20_008, 0, 1), 20_002..=20_007);
    assert_eq!(shard_ports(65_530..=65_535, 2, 3), 65_534..=65_535);
    assert!(shard_ports(65_535..=65_535, 0, 1).is_empty());
    assert!(shard_ports(20_000..=20_003, 2, 3).is_empty());
    for shards in 1..9 {
        let mut all: Vec<u16> = (0..shards)
            .flat_map(|shard| shard_ports(20_000..=20_049, shard, shards))
            .collect();
        assert_eq!(all.len(), 50);
        all.dedup();
        assert_eq!((all.len(), all[0], all[49]), (50, 20_000, 20_049));
    }
}

#[test]
fn what_came_of_a_handshake_is_not_said_of_the_next_one_nor_of_a_call_that_is_closed() {
    let mut bench = bench(some_ports(20));
    bench.media = bench.media.with_dtls(Arc::new(Identity::new().unwrap()));
    let terms = |octet| Terms {
        role: Role::Server,
        fingerprints: vec![Fingerprint::new(FingerprintHash::Sha256, &[octet; 32]).unwrap()],
        suites: Suites::default(),
    };
    let (call, now) = (CallId(1), bench.now);
    bench.open(1).unwrap();
    bench.media.handshake(call, Side::B, Some(&terms(1)), now);
    let over = (call, Side::B, Ok(Suite::AeadAes128Gcm));
    for (octet, expected) in [(1, vec![over]), (2, vec![])] {
        bench.media.secured.push(over);
        bench.media.handshake(call, Side::B, Some(&terms(octet)), now);
        assert_eq!(bench.media.handshakes(now), expected);
    }
    bench.media.secured.push(over);
    bench.media.close(call, now);
    assert_eq!(bench.media.handshakes(now), []);
}
