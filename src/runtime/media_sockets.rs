//! The bound RTP and RTCP sockets of one shard, lent to its calls.
//!
//! Opening, watching and closing four sockets costs a short call more than all its signalling. So the sockets of a call
//! that is over stay open and watched while their port rests, and serve the next call that gets the port. Whatever
//! arrived meanwhile is thrown away before. A port that somebody still sends to serves nobody while there is another: who
//! does not stop with his call could be taken for a party of the next (`media::latch`).
//!
//! ```text
//! bind ──► lent ──► resting (open) ──► emptied ──► lent ──► ...
//!                     └─► closed: too many rest, or too long, somebody still sends, or descriptors are short
//! ```

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

use super::limits::{
    BIND_ATTEMPTS, LEFTOVERS, MEDIA_RECEIVE_BUFFER, QUIET_BEFORE_LENT, RESTING_AGE_MAX, RESTING_PAIRS,
    RESTING_SWEEP, RESTING_WAKEUPS,
};
use crate::media::{PortPool, Side};
use crate::time::Now;

/// How often the log says that ports are short, however many calls are refused for it.
const SHORTAGE_REST: Duration = Duration::from_secs(10);

/// Expedited forwarding (RFC 3246) in the upper six bits of the type of service: what voice is sent with.
const EXPEDITED: u32 = 46 << 2;

/// Sockets of one port pair: RTP, then RTCP.
pub const SOCKETS: usize = 2;

/// Who has a pair: the key of a call, and the side of it that sends there.
pub type Owner = (usize, Side);

/// A port for RTP and the next one for RTCP, bound and watched.
#[derive(Debug)]
pub struct Pair {
    pub port: u16,
    pub sockets: [UdpSocket; SOCKETS],
    pub owner: Option<Owner>,
    /// When it was given back last.
    since: Option<Instant>,
    /// Times something arrived while nobody had it, and the last of them.
    wakeups: usize,
    woken: Option<Instant>,
}

#[derive(Debug)]
pub struct Sockets {
    address: IpAddr,
    /// Tokens from here on are ours: two for each pair.
    base: usize,
    ports: PortPool,
    pairs: Slab<Pair>,
    /// Pairs that rest, by port. Only looked up, never walked in an order that shows.
    resting: HashMap<u16, usize>,
    /// Ports at rest that were closed because somebody sends to them. No more than there are ports.
    loud: HashSet<u16>,
    /// For announcing a socket again that has more, and for closing; cloned at the first pair.
    registry: Option<Registry>,
    /// When those at rest are looked through next; `None` = none rests.
    next_sweep: Option<Instant>,
    /// When the log last said that ports are short.
    shortage_told: Option<Instant>,
}

impl Sockets {
    pub fn new(address: IpAddr, ports: RangeInclusive<u16>, base: Token) -> Sockets {
        Sockets {
            address,
            base: base.0,
            ports: PortPool::new(ports),
            pairs: Slab::new(),
            resting: HashMap::new(),
            loud: HashSet::new(),
            registry: None,
            next_sweep: None,
            shortage_told: None,
        }
    }

    /// A pair for `owner`, with nothing in its sockets; `None` when no port is left or the system gives no sockets.
    ///
    /// Ports that somebody else holds are passed over, and so are those that somebody still sends to, while there are others.
    pub fn lend(&mut self, owner: Owner, registry: &Registry, now: Now) -> Option<usize> {
        let mut why = "many ports in a row are in use by other programs";
        // Better than no call at all, like those put last.
        let mut loud = None;
        for _ in 0..BIND_ATTEMPTS {
            let Some(port) = self.ports.take(now) else {
                why = "every port is in use by calls";
                break;
            };
            if self.is_sent_to(port, now) {
                if let Some(earlier) = loud.replace(port) {
                    self.ports.put_last(earlier);
                }
                continue;
            }
            if let Some(key) = self.lend_port(port, owner, registry, now) {
                if let Some(loud) = loud {
                    self.ports.put_last(loud);
                }
                return Some(key);
            }
        }
        if let Some(key) = loud.and_then(|port| self.lend_port(port, owner, registry, now)) {
            return Some(key);
        }
        self.tell_shortage(why, now);
        None
    }

    fn lend_port(&mut self, port: u16, owner: Owner, registry: &Registry, now: Now) -> Option<usize> {
        if let Some(key) = self.resting.remove(&port) {
            if self.has_emptied(key) {
                let pair = self.pairs.get_mut(key)?;
                pair.owner = Some(owner);
                return Some(key);
            }
            self.close(key);
        }
        match self.open(port, owner, registry) {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::debug!(%error, port, "media port not usable");
                self.ports.set_aside(port, now);
                if error.kind() != ErrorKind::AddrInUse {
                    // Descriptors may be short: those that rest are worth less than a call.
                    self.close_resting();
                }
                None
            }
        }
    }

    /// Whether somebody sends to this port although no call has it. It is closed then.
    fn is_sent_to(&mut self, port: u16, now: Now) -> bool {
        if self.loud.remove(&port) {
            return true;
        }
        let Some(&key) = self.resting.get(&port) else {
            return false;
        };
        let woken = self.pairs.get(key).and_then(|pair| pair.woken);
        let is_loud = woken.is_some_and(|at| now.instant < at + QUIET_BEFORE_LENT);
        if is_loud {
            self.resting.remove(&port);
            self.close(key);
        }
        is_loud
    }

    /// The owner needs the pair no more: its port rests, and so do its sockets.
    pub fn give_back(&mut self, key: usize, now: Now) {
        let Some(pair) = self.pairs.get_mut(key) else {
            return;
        };
        (pair.owner, pair.since) = (None, Some(now.instant));
        (pair.wakeups, pair.woken) = (0, None);
        let port = pair.port;
        self.ports.give_back(port, now);
        if self.resting.len() < RESTING_PAIRS {
            self.resting.insert(port, key);
            self.next_sweep.get_or_insert(now.instant + RESTING_SWEEP);
        } else {
            self.close(key);
        }
    }

    /// Closes those that have rested for [`RESTING_AGE_MAX`]. Looks every [`RESTING_SWEEP`] at most, so it may be called
    /// in every turn of the loop.
    pub fn close_old(&mut self, now: Now) {
        if self.next_sweep.is_none_or(|at| now.instant < at) {
            return;
        }
        let Sockets { resting, pairs, .. } = self;
        let is_old = |key: &usize| {
            let since = pairs.get(*key).and_then(|pair| pair.since);
            since.is_none_or(|since| now.instant >= since + RESTING_AGE_MAX)
        };
        let old: Vec<usize> = resting
            .extract_if(|_, key| is_old(key))
            .map(|(_, key)| key)
            .collect();
        for key in old {
            self.close(key);
        }
        self.next_sweep = (!self.resting.is_empty()).then(|| now.instant + RESTING_SWEEP);
    }

    pub fn pair(&self, key: usize) -> Option<&Pair> {
        self.pairs.get(key)
    }

    /// Whether a poll event with this token is for one of our sockets, now or once.
    pub fn owns(&self, token: Token) -> bool {
        token.0 >= self.base
    }

    /// Which socket a token means: its pair, and RTP or RTCP.
    pub fn place(&self, token: Token) -> Option<(usize, usize)> {
        let place = token.0.checked_sub(self.base)?;
        Some((place / SOCKETS, place % SOCKETS))
    }

    /// Something arrived at a pair that nobody has. A port that is sent to without end is closed: the system says so to
    /// the sender, and nobody here is woken again.
    pub fn woken_at_rest(&mut self, key: usize, now: Now) {
        // Read away, so that what comes next wakes us again: a full socket would seem quiet.
        self.has_emptied(key);
        let Some(pair) = self.pairs.get_mut(key) else {
            return;
        };
        pair.wakeups += 1;
        pair.woken = Some(now.instant);
        if pair.owner.is_none() && pair.wakeups > RESTING_WAKEUPS {
            let port = pair.port;
            self.resting.remove(&port);
            self.loud.insert(port);
            self.close(key);
        }
    }

    /// The poll is edge-triggered: registered again, a socket that still has datagrams is announced again.
    pub fn watch_again(&mut self, key: usize, kind: usize) {
        let token = self.token(key, kind);
        if let (Some(registry), Some(pair)) = (&self.registry, self.pairs.get_mut(key))
            && let Err(error) = registry.reregister(&mut pair.sockets[kind], token, Interest::READABLE)
        {
            tracing::error!(%error, "a media socket cannot be polled again");
        }
    }

    /// Port pairs not in use, those at rest included.
    pub fn free_ports(&self) -> usize {
        self.ports.free()
    }

    /// Pairs that are open and that nobody has.
    #[cfg(test)]
    pub fn resting(&self) -> usize {
        self.resting.len()
    }

    fn token(&self, key: usize, kind: usize) -> Token {
        Token(self.base + key * SOCKETS + kind)
    }

    fn open(&mut self, port: u16, owner: Owner, registry: &Registry) -> io::Result<usize> {
        let rtp = bind(self.address, port, Some(MEDIA_RECEIVE_BUFFER))?;
        let rtcp = bind(self.address, port + 1, None)?;
        let mut sockets = [rtp, rtcp];
        if self.registry.is_none() {
            self.registry = Some(registry.try_clone()?);
        }
        let key = self.pairs.vacant_key();
        for (kind, socket) in sockets.iter_mut().enumerate() {
            registry.register(socket, self.token(key, kind), Interest::READABLE)?;
        }
        Ok(self.pairs.insert(Pair {
            port,
            sockets,
            owner: Some(owner),
            since: None,
            wakeups: 0,
            woken: None,
        }))
    }

    /// Throws away what arrived while nobody had the pair. False = it does not end.
    fn has_emptied(&self, key: usize) -> bool {
        let Some(pair) = self.pairs.get(key) else {
            return false;
        };
        let mut nobodys = [0; 1];
        pair.sockets.iter().all(|socket| {
            (0..LEFTOVERS).any(|_| {
                let read = socket.recv_from(&mut nobodys);
                matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
            })
        })
    }

    fn close(&mut self, key: usize) {
        let Some(mut pair) = self.pairs.try_remove(key) else {
            return;
        };
        if let Some(registry) = &self.registry {
            for socket in &mut pair.sockets {
                // Closing takes the socket out of the poll anyway.
                let _ = registry.deregister(socket);
            }
        }
    }

    fn close_resting(&mut self) {
        for (_, key) in std::mem::take(&mut self.resting) {
            self.close(key);
        }
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
