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
const BIND_ATTEMPTS: usize = 64;

/// How often the log says that ports are short, however many calls are refused for it.
const SHORTAGE_REST: Duration = Duration::from_secs(10);

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
    /// When the log last said that ports are short.
    shortage_told: Option<Instant>,
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
            shortage_told: None,
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
            let Some(port) = self.pool.take(now) else {
                self.tell_shortage("every port is in use by calls", now);
                return None;
            };
            let rtp = bind(self.config.address, port, Some(RECEIVE_BUFFER_OCTETS));
            match rtp.and_then(|rtp| Ok((rtp, bind(self.config.address, port + 1, None)?))) {
                Ok((rtp, rtcp)) => return Some((port, rtp, rtcp)),
                Err(error) => {
                    tracing::debug!(%error, port, "media port not usable");
                    self.pool.give_back(port, now);
                }
            }
        }
        self.tell_shortage("many ports in a row are in use by other programs", now);
        None
    }

    fn tell_shortage(&mut self, why: &str, now: Now) {
        if self
            .shortage_told
            .is_none_or(|told| now.instant >= told + SHORTAGE_REST)
        {
            self.shortage_told = Some(now.instant);
            tracing::warn!("[media] ports: {why}: calls are refused with 503");
        }
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
#[path = "media_io_tests.rs"]
mod tests;
