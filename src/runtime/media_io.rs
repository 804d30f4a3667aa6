//! The RTP sockets of one shard: every packet goes from the socket it came on through its call's
//! [`media::Session`](crate::media::Session) and out of the other side's socket, in one buffer.
//!
//! Lives inside a shard's mio loop and is driven by it. It knows no SIP and no scoring: a full hop is handed to
//! whoever drives it. It never waits: a socket that cannot take a packet costs that packet.
//!
//! ```text
//! open ──► describe A, B ──► readable ... readable ──► close
//!                  tap on ──►  hops out, recycle in
//! ```

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

use crate::call_id::CallId;
use crate::media::tap::HOP_SAMPLES;
use crate::media::{Config, DropReason, Hop, PortPool, Session, Side, Statistics, Verdict};
use crate::sdp::Codec;
use crate::time::Now;

/// Octets read at once. More than any packet the engine takes, so that a datagram cut short is still refused by length.
const BUFFER_OCTETS: usize = 2048;

/// Datagrams taken from one socket before the next socket's turn. The rest is announced again at the next poll.
const BATCH: usize = 32;

/// Octets of a kernel receive buffer for RTP: about half a second of packets, should the shard be busy that long. What
/// does not fit is lost there. The kernel may grant less, and takes memory only for what waits.
const RECEIVE_BUFFER_OCTETS: usize = 128 * 1024;

/// Port pairs tried for one side before a call is refused: other programs may sit in our range.
const BIND_ATTEMPTS: usize = 16;

/// How often calls are asked whether they have gone silent: 1 s is small against any sensible silence.
const SILENCE_CHECK: Duration = Duration::from_secs(1);

/// Expedited forwarding (RFC 3246) in the upper six bits of the type of service: what voice is sent with.
const EXPEDITED: u32 = 46 << 2;

/// Sockets of a call: RTP and RTCP of side A, then of side B.
const SOCKETS: usize = 4;

// The two rooms do not import each other; a hop of one must be a hop of the other.
const _: () = assert!(HOP_SAMPLES == crate::voice::HOP_SAMPLES);

/// Packets since the start, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub received: u64,
    pub forwarded: u64,
    /// The kernel did not take the packet (buffer full, no route).
    pub unsent: u64,
    /// Errors a socket reported on reading.
    pub receive_errors: u64,
    /// By reason, in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
}

/// The media of one shard's calls.
#[derive(Debug)]
pub struct MediaIo {
    config: Config,
    pool: PortPool,
    /// Tokens from here on are ours.
    base: usize,
    /// For announcing a socket again that has more; cloned at the first call.
    registry: Option<Registry>,
    calls: Slab<Call>,
    /// Only looked up, never walked: its order must not be seen.
    index: HashMap<CallId, usize>,
    buffer: Box<[u8; BUFFER_OCTETS]>,
    next_check: Option<Instant>,
    counters: Counters,
}

#[derive(Debug)]
struct Call {
    id: CallId,
    session: Session,
    ports: [u16; 2],
    sockets: [UdpSocket; SOCKETS],
    /// Packets from A, from B that the kernel did not take.
    unsent: [u64; 2],
    /// When this silence was last reported.
    told: Option<Instant>,
}

impl MediaIo {
    /// Media on `config.address` in this shard's part of `config.ports`; see [`shard_ports`].
    ///
    /// Tokens from `base` up belong to this room: the shard's own tokens must lie below.
    pub fn new(config: Config, shard: u16, shards: u16, base: Token) -> MediaIo {
        MediaIo {
            pool: PortPool::new(shard_ports(config.ports.clone(), shard, shards)),
            config,
            base: base.0,
            registry: None,
            calls: Slab::new(),
            index: HashMap::new(),
            buffer: Box::new([0; BUFFER_OCTETS]),
            next_check: None,
            counters: Counters::default(),
        }
    }

    /// Opens the sockets of a call and gives the two RTP ports, side A's first. A call that is open already keeps its
    /// ports.
    ///
    /// `None` when no port is left or the system gives no more sockets (SIP 503).
    pub fn open(&mut self, call: CallId, registry: &Registry, now: Now) -> Option<(u16, u16)> {
        if let Some(open) = self.index.get(&call).and_then(|key| self.calls.get(*key)) {
            return Some((open.ports[0], open.ports[1]));
        }
        let (a, rtp_a, rtcp_a) = self.bind_pair(now)?;
        let Some((b, rtp_b, rtcp_b)) = self.bind_pair(now) else {
            self.pool.give_back(a, now);
            return None;
        };
        let mut sockets = [rtp_a, rtcp_a, rtp_b, rtcp_b];
        if let Err(error) = self.register(registry, &mut sockets) {
            tracing::error!(%error, "media sockets cannot be polled");
            self.pool.give_back(a, now);
            self.pool.give_back(b, now);
            return None;
        }
        let key = self.calls.insert(Call {
            id: call,
            session: Session::new(&self.config, now),
            ports: [a, b],
            sockets,
            unsent: [0; 2],
            told: None,
        });
        self.index.insert(call, key);
        self.next_check.get_or_insert(now.instant + SILENCE_CHECK);
        Some((a, b))
    }

    /// What the SDP of the party on `side` says; see [`Session::described`]. Unknown calls are ignored.
    ///
    /// A party that names the call's own ports as its own gets nothing sent, as if it held: packets would go round
    /// between our sockets, and the scorer would hear one party as the other.
    pub fn describe(
        &mut self,
        call: CallId,
        side: Side,
        audio: SocketAddr,
        codecs: &[(u8, Codec)],
        telephone_event: Option<u8>,
        now: Now,
    ) {
        let is_ours = self.is_our_address(audio.ip());
        let Some(call) = self.call_mut(call) else { return };
        let audio = if is_ours
            && call
                .ports
                .iter()
                .any(|port| [*port, port + 1].contains(&audio.port()))
        {
            tracing::warn!(call = ?call.id, ?side, "a party named our own media port as its own");
            SocketAddr::new(audio.ip(), 0)
        } else {
            audio
        };
        call.session.described(side, audio, codecs, telephone_event, now);
    }

    /// Starts or stops copying the caller's audio.
    pub fn tap(&mut self, call: CallId, on: bool) {
        if let Some(call) = self.call_mut(call) {
            call.session.tap(on);
        }
    }

    /// Closes the sockets of a call, lets its ports rest and gives what was counted; zeros for an unknown call.
    pub fn close(&mut self, call: CallId, now: Now) -> Statistics {
        let Some(key) = self.index.remove(&call) else {
            return Statistics::default();
        };
        let Some(mut call) = self.calls.try_remove(key) else {
            return Statistics::default();
        };
        if let Some(registry) = &self.registry {
            for socket in &mut call.sockets {
                // Closing takes the socket out of the poll anyway.
                let _ = registry.deregister(socket);
            }
        }
        for port in call.ports {
            self.pool.give_back(port, now);
        }
        if self.calls.is_empty() {
            self.next_check = None;
        }
        call.statistics()
    }

    /// What was counted so far.
    pub fn statistics(&self, call: CallId) -> Option<Statistics> {
        let key = self.index.get(&call)?;
        self.calls.get(*key).map(Call::statistics)
    }

    /// Whether a poll event with this token is for [`MediaIo::readable`].
    pub fn owns(&self, token: Token) -> bool {
        token.0 >= self.base
    }

    /// Moves what waits on a socket, at most 32 datagrams, and hands out hops of the caller's audio as they
    /// fill. A token of a call that has just been closed is harmless.
    pub fn readable(&mut self, token: Token, now: Now, on_hop: &mut dyn FnMut(CallId, Hop)) {
        let Some(place) = token.0.checked_sub(self.base) else {
            return;
        };
        let Some(call) = self.calls.get_mut(place / SOCKETS) else {
            return;
        };
        let from = place % SOCKETS;
        for _ in 0..BATCH {
            let (len, source) = match call.sockets[from].recv_from(&mut self.buffer[..]) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    // Something the network said about an earlier packet; reading has cleared it.
                    self.counters.receive_errors += 1;
                    continue;
                }
            };
            self.counters.received += 1;
            call.handle_datagram(from, source, &mut self.buffer[..len], now, &mut self.counters);
            while let Some(hop) = call.session.poll_hop() {
                on_hop(call.id, hop);
            }
        }
        // The poll is edge-triggered: registered again, a socket that still has datagrams is announced again.
        if let Some(registry) = &self.registry
            && let Err(error) = registry.reregister(&mut call.sockets[from], token, Interest::READABLE)
        {
            tracing::error!(%error, "a media socket cannot be polled again");
        }
    }

    /// Gives the buffer of a scored hop back to its call.
    pub fn recycle(&mut self, call: CallId, hop: Hop) {
        if let Some(call) = self.call_mut(call) {
            call.session.recycle(hop);
        }
    }

    /// Calls that neither party has spoken in for `[media] silence`, oldest socket first. Each is named once, and again
    /// whenever as much silence has gone by.
    ///
    /// Looks at most once a second, so it may be called in every turn of the loop.
    pub fn silent(&mut self, now: Now) -> impl Iterator<Item = CallId> + use<> {
        let mut silent = Vec::new();
        if self.next_check.is_some_and(|at| now.instant >= at) {
            self.next_check = Some(now.instant + SILENCE_CHECK);
            for (_, call) in &mut self.calls {
                if !call.session.is_silent(now) {
                    call.told = None;
                } else if call
                    .told
                    .is_none_or(|told| now.instant >= told + self.config.silence)
                {
                    call.told = Some(now.instant);
                    silent.push(call.id);
                }
            }
        }
        silent.into_iter()
    }

    /// When [`MediaIo::silent`] has to be asked next; `None` without calls.
    pub fn deadline(&self) -> Option<Instant> {
        self.next_check
    }

    pub fn live_calls(&self) -> usize {
        self.calls.len()
    }

    /// Port pairs not in use, those at rest included.
    pub fn free_ports(&self) -> usize {
        self.pool.free()
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn is_our_address(&self, address: IpAddr) -> bool {
        address == self.config.address || Some(address) == self.config.advertise || address.is_loopback()
    }

    fn call_mut(&mut self, call: CallId) -> Option<&mut Call> {
        let key = self.index.get(&call)?;
        self.calls.get_mut(*key)
    }

    /// Takes ports until both of a pair can be bound. Ports that somebody else holds go back to rest.
    fn bind_pair(&mut self, now: Now) -> Option<(u16, UdpSocket, UdpSocket)> {
        for _ in 0..BIND_ATTEMPTS {
            let port = self.pool.take(now)?;
            let rtp = bind(self.config.address, port, Some(RECEIVE_BUFFER_OCTETS));
            match rtp.and_then(|rtp| Ok((rtp, bind(self.config.address, port + 1, None)?))) {
                Ok((rtp, rtcp)) => return Some((port, rtp, rtcp)),
                Err(error) => {
                    tracing::debug!(%error, port, "media port not usable");
                    self.pool.give_back(port, now);
                }
            }
        }
        None
    }

    fn register(&mut self, registry: &Registry, sockets: &mut [UdpSocket; SOCKETS]) -> io::Result<()> {
        if self.registry.is_none() {
            self.registry = Some(registry.try_clone()?);
        }
        let first = self.base + self.calls.vacant_key() * SOCKETS;
        for (offset, socket) in sockets.iter_mut().enumerate() {
            registry.register(socket, Token(first + offset), Interest::READABLE)?;
        }
        Ok(())
    }
}

impl Call {
    fn handle_datagram(
        &mut self,
        from: usize,
        source: SocketAddr,
        packet: &mut [u8],
        now: Now,
        counters: &mut Counters,
    ) {
        let side = if from < SOCKETS / 2 { Side::A } else { Side::B };
        let verdict = match from % 2 {
            0 => self.session.rtp(side, source, packet, now),
            _ => self.session.rtcp(side, source, packet, now),
        };
        match verdict {
            Verdict::Drop(reason) => counters.dropped[reason as usize] += 1,
            // The same kind of socket on the other side: two further on, in a circle.
            Verdict::Forward { to, len } => {
                match self.sockets[(from + SOCKETS / 2) % SOCKETS].send_to(&packet[..len], to) {
                    Ok(_) => counters.forwarded += 1,
                    Err(_) => {
                        counters.unsent += 1;
                        self.unsent[side as usize] += 1;
                    }
                }
            }
        }
    }

    /// The engine's figures, with what the kernel did not take among the dropped.
    fn statistics(&self) -> Statistics {
        let mut statistics = self.session.statistics();
        statistics.from_caller.dropped += self.unsent[0];
        statistics.from_called.dropped += self.unsent[1];
        statistics
    }
}

/// The part of `ports` that belongs to one of several shards: whole pairs that begin with an even port, split evenly,
/// the first shards getting one more when they do not divide. Empty for a shard that gets none.
pub fn shard_ports(ports: RangeInclusive<u16>, shard: u16, shards: u16) -> RangeInclusive<u16> {
    // In u32, so that 65535 has a neighbour.
    let first = (u32::from(*ports.start()) + 1) & !1;
    let pairs = (u32::from(*ports.end()) + 1).saturating_sub(first) / 2;
    let (shard, shards) = (u32::from(shard), u32::from(shards.max(1)));
    let (each, more) = (pairs / shards, pairs % shards);
    let start = first + 2 * (each * shard + shard.min(more));
    let own = each + u32::from(shard < more);
    match (u16::try_from(start), u16::try_from(start + 2 * own.max(1) - 1)) {
        (Ok(start), Ok(end)) if own > 0 && shard < shards => start..=end,
        _ => RangeInclusive::new(1, 0),
    }
}

fn bind(address: IpAddr, port: u16, receive_buffer: Option<usize>) -> io::Result<UdpSocket> {
    let domain = if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if let Some(octets) = receive_buffer {
        // Less than asked for, or unmarked packets, are worse calls but calls.
        let _ = socket.set_recv_buffer_size(octets);
    }
    let _ = if address.is_ipv4() {
        socket.set_tos_v4(EXPEDITED)
    } else {
        socket.set_tclass_v6(EXPEDITED)
    };
    socket.bind(&SocketAddr::new(address, port).into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket as Peer};
    use std::time::SystemTime;

    use mio::{Events, Poll};

    use super::*;
    use crate::media::rtp;

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
}
