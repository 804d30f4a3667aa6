//! One shard: a thread that owns its calls, their SIP sockets and their media, and never waits for anybody.
//!
//! ```text
//!        SIP datagrams ─┐                       ┌─> SIP out (UDP here, TCP and TLS through `stream`)
//!        RTP, RTCP ─────┤   call::Engine        ├─> RTP out
//!        inbox ─────────┼─> media::Session  ────┼─> hops to the scorer
//!        timers ────────┘   (one thread)        ├─> questions: certificate, store
//!                                               └─> records
//! ```

mod incoming;
mod outputs;
mod spool;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::Receiver;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use super::alarms::Strangers;
use super::between;
use super::call_backs;
use super::clock;
use super::count::Traffic;
use super::dns::Dns;
use super::fetch::Fetcher;
use super::floor::Floor;
use super::inbox::{Mailboxes, ToShard};
use super::limits::{SIP_DATAGRAM, UNTOLD_AGAIN};
use super::lookup::Lookups;
use super::media_io::MediaIo;
use super::mirror::Mirror;
use super::phones::Phones;
use super::recorder::Recorder;
use super::registrations::Registry;
use super::scoring::Scoring;
use super::standings::Standings;
use super::stream::Streams;
use crate::call::{Asker, CallRecord, Engine, Handed, Input, Output};
use crate::call_id::CallId;
use crate::capture::hep::Way;
use crate::screening::HistoryFacts;
use crate::sip::{Flow, TransportFault};
use crate::time::Now;

const WAKER: Token = Token(0);
const FIRST_SOCKET: usize = 1;
/// RTP sockets have tokens from here on.
pub const FIRST_MEDIA_TOKEN: Token = Token(4096);
/// The longest sleep: bounds the harm of a lost wake-up.
const SLEEP_MAX: Duration = Duration::from_millis(500);

/// What a shard is made of; `app` builds it.
pub struct Parts {
    pub index: u16,
    pub poll: Poll,
    pub sockets: Vec<UdpSocket>,
    pub engine: Engine,
    pub media: MediaIo,
    pub inbox: Receiver<ToShard>,
    pub doors: Doors,
    /// None = signalling is not mirrored.
    pub mirror: Option<Mirror>,
}

/// The helpers a shard reaches through channels.
#[derive(Clone)]
pub struct Doors {
    pub mailboxes: Mailboxes,
    pub lookups: Lookups,
    pub recorder: Recorder,
    /// None = `[voice] model = "off"`.
    pub scoring: Option<Arc<Scoring>>,
    pub fetcher: Arc<Fetcher>,
    pub streams: Arc<Streams>,
    pub dns: Arc<Dns>,
    pub standings: Standings,
    pub tokio: tokio::runtime::Handle,
    pub live_calls: Arc<AtomicUsize>,
    /// What is alive below the calls: transactions, names, strays.
    pub live_entries: Arc<AtomicUsize>,
    pub registrations: Registry,
    pub phones: Phones,
    pub floor: Floor,
    /// What strangers do is noted here for the alarms.
    pub strangers: Arc<Strangers>,
}

/// The waker token `app` registers before the shard starts.
pub const fn waker_token() -> Token {
    WAKER
}

pub struct Shard {
    parts: Parts,
    /// Of the SIP sockets, in their order: asking the system costs as much as reading a datagram.
    locals: Vec<SocketAddr>,
    traffic: Traffic,
    /// Sockets whose last batch ended before they were empty (epoll is edge-triggered: nobody tells again).
    unread: Vec<usize>,
    /// Answers of this thread's own making, handed to the engine after it was drained.
    pending: VecDeque<Reply>,
    /// What other shards had no room to hear, in order: where dialogs of theirs are.
    untold: VecDeque<between::Moved>,
    /// Who waits for word on the call back that is being begun.
    call_back: Option<call_backs::Answer>,
    /// Final records that found the recorder full.
    spool: VecDeque<Arc<CallRecord>>,
    deadline: Option<std::time::Instant>,
    datagram: Box<[u8]>,
    is_stopping: bool,
}

enum Reply {
    Opened(CallId, Option<(u16, u16)>),
    Closed(CallId, crate::media::Statistics),
    Known(CallId, HistoryFacts),
    Broken(Flow, TransportFault),
    /// A leg that its shard could not be given, or one that no shard could be asked for.
    Handed(Asker, Option<Box<Handed>>),
}

impl Shard {
    /// # Errors
    ///
    /// The system's error when a socket cannot be watched.
    pub fn new(mut parts: Parts) -> io::Result<Shard> {
        for (index, socket) in parts.sockets.iter_mut().enumerate() {
            parts
                .poll
                .registry()
                .register(socket, Token(FIRST_SOCKET + index), Interest::READABLE)?;
        }
        let locals = parts.sockets.iter().map(UdpSocket::local_addr);
        Ok(Shard {
            locals: locals.collect::<io::Result<_>>()?,
            traffic: Traffic::new(),
            parts,
            unread: Vec::new(),
            pending: VecDeque::new(),
            untold: VecDeque::new(),
            call_back: None,
            spool: VecDeque::new(),
            deadline: None,
            datagram: vec![0; SIP_DATAGRAM].into_boxed_slice(),
            is_stopping: false,
        })
    }

    /// Runs until told to stop.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.is_stopping {
            let sleep = self.sleep(clock::now());
            if let Err(error) = self.parts.poll.poll(&mut events, Some(sleep)) {
                if error.kind() != io::ErrorKind::Interrupted {
                    tracing::error!(shard = self.parts.index, %error, "waiting for packets failed");
                }
                continue;
            }
            self.turn(&events);
        }
        self.empty_spool();
    }

    /// One turn: inbox, leftovers, sockets, timers. Orders first: what was told to this shard before a message was sent
    /// counts for that message.
    fn turn(&mut self, events: &Events) {
        self.read_inbox();
        for index in std::mem::take(&mut self.unread) {
            self.read_sip(index);
        }
        for event in events {
            match event.token() {
                WAKER => {}
                token if self.parts.media.owns(token) => self.read_media(token),
                Token(token) => self.read_sip(token - FIRST_SOCKET),
            }
        }
        let now = clock::now();
        for (call, talk) in self.parts.media.speak(now) {
            self.step(Input::Talk { call, talk }, now);
        }
        for (call, side, secured) in self.parts.media.handshakes(now) {
            if let Err(fault) = secured {
                tracing::warn!(?call, ?side, %fault, "no keys for the media (DTLS-SRTP): none of it is let through");
            }
            self.step(Input::MediaSecured { call, side, secured }, now);
        }
        for call in self.parts.media.silent(now) {
            self.step(Input::MediaSilent { call }, now);
        }
        if self.deadline.is_none_or(|deadline| deadline <= now.instant) {
            self.step(Input::Tick, now);
        }
        self.flush_spool();
        self.tell_untold();
        self.parts
            .doors
            .live_calls
            .store(self.parts.engine.live_calls(), Ordering::Relaxed);
        self.parts
            .doors
            .live_entries
            .store(self.parts.engine.live_parts().sum(), Ordering::Relaxed);
    }

    fn sleep(&self, now: Now) -> Duration {
        let is_busy = !self.unread.is_empty() || !self.parts.inbox.is_empty() || !self.spool.is_empty();
        if is_busy {
            return Duration::ZERO;
        }
        [self.deadline, self.parts.media.deadline()]
            .into_iter()
            .flatten()
            .map(|deadline| deadline.saturating_duration_since(now.instant))
            .chain((!self.untold.is_empty()).then_some(UNTOLD_AGAIN))
            .fold(SLEEP_MAX, Duration::min)
    }

    /// Tells again what found no room, until it finds none once more.
    fn tell_untold(&mut self) {
        while let Some(moved) = self.untold.pop_front() {
            if let Some(again) = moved.tell(&self.parts.doors.mailboxes) {
                return self.untold.push_front(again);
            }
        }
    }

    /// One mutation, then everything that follows from it.
    fn step(&mut self, input: Input<'_>, now: Now) {
        if let Input::Sip { flow, octets } = &input {
            self.traffic.received(flow.transport);
            self.mirror(*flow, Way::In, octets, now);
        }
        self.parts.engine.handle(input, now);
        self.drain(now);
        while let Some(reply) = self.pending.pop_front() {
            let input = match reply {
                Reply::Opened(call, Some((a, b))) => Input::MediaOpened { call, a, b },
                Reply::Opened(call, None) => Input::MediaRefused { call },
                Reply::Closed(call, statistics) => Input::MediaClosed { call, statistics },
                Reply::Known(call, history) => Input::Known {
                    call,
                    history,
                    is_reused: Some(false),
                },
                Reply::Broken(flow, fault) => Input::TransportError {
                    flow,
                    fault,
                    at: now.instant,
                },
                Reply::Handed(asker, handed) => Input::LegHanded { asker, handed },
            };
            self.parts.engine.handle(input, now);
            self.drain(now);
        }
    }

    fn drain(&mut self, now: Now) {
        loop {
            match self.parts.engine.poll_output() {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                other => self.carry_out(other, now),
            }
        }
    }

    /// Before an input and after an output: the call that a message begins or ends is there at one of the two.
    fn mirror(&mut self, flow: Flow, way: Way, octets: &[u8], now: Now) {
        let Parts { mirror, engine, .. } = &mut self.parts;
        if let Some(mirror) = mirror {
            let caller = engine.caller_call_id(octets);
            // What strangers send us is not worth a collector's disk.
            if way == Way::Out || caller.is_some() || engine.is_party(flow.remote) {
                mirror.show(flow, way, octets, caller, now);
            }
        }
    }
}
