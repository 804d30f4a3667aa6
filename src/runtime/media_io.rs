//! The RTP sockets of one shard: every packet goes from the socket it came on through its call's
//! [`media::Session`](crate::media::Session) and out of the other side's socket, in one buffer.
//!
//! Lives inside a shard's mio loop and is driven by it. It knows no SIP and no scoring: a full hop is handed to
//! whoever drives it. It never waits: a socket that cannot take a packet costs that packet.
//!
//! ```text
//! open ──► describe A, B ──► readable ... readable ──► close
//!                  tap on ──►  hops out, recycle in
//!                  say    ──►  speak ... speak (every 20 ms, for all calls at once) ──► hush
//! ```

mod handshakes;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Registry, Token};
use slab::Slab;

use super::media_sockets::{SOCKETS, Sockets};
use crate::call_id::CallId;
use crate::media::dtls::{Fault, Identity};
use crate::media::srtp::OVERHEAD_OCTETS_MAX;
use crate::media::tap::HOP_SAMPLES;
use crate::media::{
    Config, DropReason, FRAME, Hop, Keys, Listening, Session, Side, Statistics, Talk, Verdict, Words,
};
use crate::sdp::{Codec, Suite};
use crate::time::Now;

/// Octets read at once. More than any packet the engine takes, so that a datagram cut short is still refused by length,
/// and with room to encrypt the longest in place.
const BUFFER_OCTETS: usize = 2048;

const _: () = assert!(BUFFER_OCTETS > crate::media::limits::PACKET_OCTETS_MAX + OVERHEAD_OCTETS_MAX);

/// Datagrams taken from one socket before the next socket's turn. The rest is announced again at the next poll.
const BATCH: usize = 32;

/// How often calls are asked whether they have gone silent: 1 s is small against any sensible silence.
const SILENCE_CHECK: Duration = Duration::from_secs(1);

// The two rooms do not import each other; a hop of one must be a hop of the other.
const _: () = assert!(HOP_SAMPLES == crate::voice::HOP_SAMPLES);

/// Packets since the start, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub received: u64,
    pub forwarded: u64,
    /// Of our own voice.
    pub spoken: u64,
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
    sockets: Sockets,
    calls: Slab<Call>,
    /// Only looked up, never walked: its order must not be seen.
    index: HashMap<CallId, usize>,
    buffer: Box<[u8; BUFFER_OCTETS]>,
    next_check: Option<Instant>,
    /// Calls that we say something in, and when the next packet of all of them is due.
    speaking: Vec<usize>,
    next_frame: Option<Instant>,
    /// What we prove ourselves with in handshakes.
    certificate: Option<Arc<Identity>>,
    /// Calls in which one is under way, when one of them is to be asked again, and what came of others.
    handshaking: Vec<usize>,
    next_handshake: Option<Instant>,
    secured: Vec<(CallId, Side, Result<Suite, Fault>)>,
    counters: Counters,
}

#[derive(Debug)]
struct Call {
    id: CallId,
    session: Session,
    ports: [u16; 2],
    /// Keys of the two pairs of sockets, side A's first.
    pairs: [usize; 2],
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
            sockets: Sockets::new(
                config.address,
                shard_ports(config.ports.clone(), shard, shards),
                base,
            ),
            config,
            calls: Slab::new(),
            index: HashMap::new(),
            buffer: Box::new([0; BUFFER_OCTETS]),
            next_check: None,
            speaking: Vec::new(),
            next_frame: None,
            certificate: None,
            handshaking: Vec::new(),
            next_handshake: None,
            secured: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// With what we prove ourselves with where keys come by handshake; without it there are none.
    pub fn with_dtls(mut self, certificate: Arc<Identity>) -> MediaIo {
        self.certificate = Some(certificate);
        self
    }

    /// Lends a call its sockets and gives the two RTP ports, side A's first. A call that is open already keeps its
    /// ports.
    ///
    /// `None` when no port is left or the system gives no more sockets (SIP 503).
    pub fn open(&mut self, call: CallId, registry: &Registry, now: Now) -> Option<(u16, u16)> {
        if let Some(open) = self.index.get(&call).and_then(|key| self.calls.get(*key)) {
            return Some((open.ports[0], open.ports[1]));
        }
        let key = self.calls.vacant_key();
        let a = self.sockets.lend((key, Side::A), registry, now)?;
        let Some(b) = self.sockets.lend((key, Side::B), registry, now) else {
            self.sockets.give_back(a, now);
            return None;
        };
        let ports = [a, b].map(|pair| self.sockets.pair(pair).map_or(0, |pair| pair.port));
        self.calls.insert(Call {
            id: call,
            session: Session::new(&self.config, now),
            ports,
            pairs: [a, b],
            unsent: [0; 2],
            told: None,
        });
        self.index.insert(call, key);
        self.next_check.get_or_insert(now.instant + SILENCE_CHECK);
        Some((ports[0], ports[1]))
    }

    /// The keys of the party on `side`; see [`Session::secure`]. Unknown calls are ignored.
    pub fn secure(&mut self, call: CallId, side: Side, keys: Option<&Keys>) {
        if let Some(call) = self.call_mut(call) {
            call.session.secure(side, keys);
        }
    }

    /// Whether the leg has one port for RTP and RTCP; see [`Session::mux`]. Unknown calls are ignored.
    pub fn mux(&mut self, call: CallId, side: Side, on: bool) {
        if let Some(call) = self.call_mut(call) {
            call.session.mux(side, on);
        }
    }

    /// Whether the party on `side` sends a fax instead of audio; see [`Session::fax`]. Unknown calls are ignored.
    pub fn fax(&mut self, call: CallId, side: Side, on: bool) {
        if let Some(call) = self.call_mut(call) {
            call.session.fax(side, on);
        }
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

    /// Where the SIP of the party on `side` comes from; see [`Session::signalled`]. Unknown calls are ignored.
    pub fn signalled(&mut self, call: CallId, side: Side, from: Option<IpAddr>) {
        if let Some(call) = self.call_mut(call) {
            call.session.signalled(side, from);
        }
    }

    /// By which payload type the party on `side` takes comfort noise; see [`Session::hears_noise`]. Unknown calls are ignored.
    pub fn hears_noise(&mut self, call: CallId, side: Side, payload_type: Option<u8>) {
        if let Some(call) = self.call_mut(call) {
            call.session.hears_noise(side, payload_type);
        }
    }

    /// By which payload type the party on `side` takes keys at 48 kHz; see [`Session::hears_wide_events`]. Unknown calls are
    /// ignored.
    pub fn hears_wide_events(&mut self, call: CallId, side: Side, payload_type: Option<u8>) {
        if let Some(call) = self.call_mut(call) {
            call.session.hears_wide_events(side, payload_type);
        }
    }

    /// Starts or stops copying the caller's audio.
    pub fn tap(&mut self, call: CallId, on: bool) {
        if let Some(call) = self.call_mut(call) {
            call.session.tap(on);
        }
    }

    /// Says something to a party; see [`Session::say`]. Unknown calls are ignored.
    ///
    /// All calls of a shard are spoken to in one beat, so that a thousand that wait wake it fifty times a second.
    pub fn say(&mut self, call: CallId, side: Side, words: Words, turn: u32, seed: u64, now: Now) {
        let Some(key) = self.index.get(&call).copied() else {
            return;
        };
        let due = *self.next_frame.get_or_insert(now.instant);
        if let Some(call) = self.calls.get_mut(key) {
            call.session.say(side, words, turn, seed, due);
            if !self.speaking.contains(&key) {
                self.speaking.push(key);
            }
        }
    }

    /// The other party is heard again; see [`Session::hush`].
    pub fn hush(&mut self, call: CallId, side: Side) {
        let Some(key) = self.index.get(&call).copied() else {
            return;
        };
        if let Some(call) = self.calls.get_mut(key) {
            if let Some((to, len)) = call.session.hush(side, &mut self.buffer[..]) {
                let pair = self.sockets.pair(call.pairs[side as usize]);
                send(
                    pair.map(|pair| &pair.sockets[0]),
                    &self.buffer[..len],
                    to,
                    &mut self.counters,
                );
            }
            if !call.session.is_speaking() {
                self.silence(key);
            }
        }
    }

    /// Listens for the caller; see [`Session::listen`].
    pub fn listen(&mut self, call: CallId, listening: Listening, now: Now) {
        if let Some(call) = self.call_mut(call) {
            call.session.listen(listening, now);
        }
    }

    /// Sends the packets of ours that are due, and tells what came of it. Nothing is allocated while nothing is to be
    /// told.
    pub fn speak(&mut self, now: Now) -> Vec<(CallId, Talk)> {
        let mut talk = Vec::new();
        if self.next_frame.is_none_or(|at| now.instant < at) {
            return talk;
        }
        let mut next = now.instant + FRAME;
        for key in &self.speaking {
            let Some(call) = self.calls.get_mut(*key) else {
                continue;
            };
            for side in [Side::A, Side::B] {
                let pair = self.sockets.pair(call.pairs[side as usize]);
                while let Some((to, len)) = call.session.speak(side, &mut self.buffer[..], now) {
                    send(
                        pair.map(|pair| &pair.sockets[0]),
                        &self.buffer[..len],
                        to,
                        &mut self.counters,
                    );
                }
            }
            while let Some(event) = call.session.poll_talk(now) {
                talk.push((call.id, event));
            }
            if let Some(due) = call.session.next_frame() {
                next = next.min(due);
            }
        }
        self.next_frame = (!self.speaking.is_empty()).then_some(next);
        talk
    }

    fn silence(&mut self, key: usize) {
        self.speaking.retain(|speaking| *speaking != key);
        if self.speaking.is_empty() {
            self.next_frame = None;
        }
    }

    /// Lets the ports of a call rest and gives what was counted; zeros for an unknown call.
    pub fn close(&mut self, call: CallId, now: Now) -> Statistics {
        let Some(key) = self.index.remove(&call) else {
            return Statistics::default();
        };
        let Some(call) = self.calls.try_remove(key) else {
            return Statistics::default();
        };
        for pair in call.pairs {
            self.sockets.give_back(pair, now);
        }
        self.silence(key);
        self.handshaking.retain(|shaking| *shaking != key);
        let id = call.id;
        self.secured.retain(|(call, ..)| *call != id);
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
        self.sockets.owns(token)
    }

    /// Moves what waits on a socket, at most 32 datagrams, and hands out hops of the caller's audio as they
    /// fill. A token of a call that has just been closed is harmless.
    pub fn readable(&mut self, token: Token, now: Now, on_hop: &mut dyn FnMut(CallId, Hop)) {
        let Some((key, kind)) = self.sockets.place(token) else {
            return;
        };
        let Some(pair) = self.sockets.pair(key) else {
            return;
        };
        let owner = pair
            .owner
            .and_then(|(call, side)| Some((self.calls.get_mut(call)?, side)));
        let Some((call, side)) = owner else {
            return self.sockets.woken_at_rest(key, now);
        };
        let [a, b] = call.pairs;
        let other = match side {
            Side::A => b,
            Side::B => a,
        };
        let Some(other) = self.sockets.pair(other) else {
            return;
        };
        for _ in 0..BATCH {
            let (len, source) = match pair.sockets[kind].recv_from(&mut self.buffer[..]) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    // Something the network said about an earlier packet; reading has cleared it.
                    self.counters.receive_errors += 1;
                    continue;
                }
            };
            self.counters.received += 1;
            let buffer = &mut self.buffer[..];
            let verdict = match kind {
                0 => call.session.rtp_within(side, source, buffer, len, now),
                _ => call.session.rtcp_within(side, source, buffer, len, now),
            };
            call.carry_out(verdict, side, &other.sockets, buffer, &mut self.counters);
            if verdict == Verdict::Taken {
                call.shake_hands(&self.sockets, &mut self.secured, &mut self.counters);
                let deadline = call.session.handshake_deadline();
                self.next_handshake = [self.next_handshake, deadline].into_iter().flatten().min();
            }
            while let Some(hop) = call.session.poll_hop() {
                on_hop(call.id, hop);
            }
        }
        self.sockets.watch_again(key, kind);
    }

    /// Gives the buffer of a scored hop back to its call.
    pub fn recycle(&mut self, call: CallId, hop: Hop) {
        if let Some(call) = self.call_mut(call) {
            call.session.recycle(hop);
        }
    }

    /// As [`Session::tapped_samples`]; `None` also for a call without media.
    pub fn tapped_samples(&mut self, call: CallId) -> Option<u64> {
        self.call_mut(call)?.session.tapped_samples()
    }

    /// Calls that neither party has spoken in for `[media] silence`, oldest socket first. Each is named once, and again
    /// whenever as much silence has gone by.
    ///
    /// Looks at most once a second, so it may be called in every turn of the loop.
    pub fn silent(&mut self, now: Now) -> impl Iterator<Item = CallId> + use<> {
        self.sockets.close_old(now);
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

    /// When [`MediaIo::silent`], [`MediaIo::speak`] or [`MediaIo::handshakes`] has to be asked next; `None` without calls.
    pub fn deadline(&self) -> Option<Instant> {
        let all = [self.next_check, self.next_frame, self.next_handshake];
        all.into_iter().flatten().min()
    }

    pub fn live_calls(&self) -> usize {
        self.calls.len()
    }

    /// Port pairs not in use, those at rest included.
    pub fn free_ports(&self) -> usize {
        self.sockets.free_ports()
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
}

/// A packet of our own voice.
fn send(socket: Option<&UdpSocket>, octets: &[u8], to: SocketAddr, counters: &mut Counters) {
    match socket.map(|socket| socket.send_to(octets, to)) {
        Some(Ok(_)) => counters.spoken += 1,
        _ => counters.unsent += 1,
    }
}

impl Call {
    /// `sockets` are those of the other side.
    fn carry_out(
        &mut self,
        verdict: Verdict,
        from: Side,
        sockets: &[UdpSocket; SOCKETS],
        buffer: &[u8],
        counters: &mut Counters,
    ) {
        match verdict {
            Verdict::Taken => {}
            Verdict::Drop(reason) => counters.dropped[reason as usize] += 1,
            Verdict::Forward { to, len, component } => {
                match sockets[component as usize].send_to(&buffer[..len], to) {
                    Ok(_) => counters.forwarded += 1,
                    Err(_) => {
                        counters.unsent += 1;
                        self.unsent[from as usize] += 1;
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

#[cfg(test)]
#[path = "media_io_tests.rs"]
mod tests;
