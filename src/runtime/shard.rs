//! One shard: a thread that owns its calls, their SIP sockets and their media, and never waits for anybody.
//!
//! ```text
//!        SIP datagrams ─┐                       ┌─> SIP out (UDP here, TCP and TLS through `stream`)
//!        RTP, RTCP ─────┤   call::Engine        ├─> RTP out
//!        inbox ─────────┼─> media::Session  ────┼─> hops to the scorer
//!        timers ────────┘   (one thread)        ├─> questions: certificate, store
//!                                               └─> records
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::Receiver;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use super::between;
use super::clock;
use super::count::{self, Traffic};
use super::dns::Dns;
use super::fetch::Fetcher;
use super::inbox::{Mailboxes, ToShard};
use super::limits::{INBOX_BATCH, RECORDS_SPOOLED, SIP_BATCH, SIP_DATAGRAM, SPOOL_PATIENCE};
use super::lookup::{Lookups, Question};
use super::media_io::MediaIo;
use super::mirror::Mirror;
use super::recorder::Recorder;
use super::registrations::Registry;
use super::scoring::Scoring;
use super::standings::Standings;
use super::stream::Streams;
use crate::call::limits::PASSED_ON_MAX;
use crate::call::{CallRecord, Counter, Engine, Handed, Input, Output};
use crate::call_id::CallId;
use crate::capture::hep::Way;
use crate::screening::HistoryFacts;
use crate::sip::{Flow, Transport, TransportFault, peek_call_id};
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
    Handed(CallId, Option<Box<Handed>>),
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

    /// One turn: sockets, leftovers, inbox, timers.
    fn turn(&mut self, events: &Events) {
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
        self.read_inbox();
        let now = clock::now();
        for call in self.parts.media.silent(now) {
            self.step(Input::MediaSilent { call }, now);
        }
        if self.deadline.is_none_or(|deadline| deadline <= now.instant) {
            self.step(Input::Tick, now);
        }
        self.flush_spool();
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
            .fold(SLEEP_MAX, Duration::min)
    }

    fn read_sip(&mut self, index: usize) {
        let mut datagram = std::mem::take(&mut self.datagram);
        let mut taken = 0;
        while let (Some(socket), Some(&local)) = (self.parts.sockets.get(index), self.locals.get(index)) {
            if taken == SIP_BATCH {
                self.unread.push(index);
                break;
            }
            taken += 1;
            match socket.recv_from(&mut datagram) {
                Ok((length, remote)) => {
                    let flow = Flow::udp(local, remote);
                    self.deliver(flow, &datagram[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP error of an earlier send: the next datagram may be fine.
                Err(error) => tracing::debug!(%error, "a SIP socket reported an error"),
            }
        }
        self.datagram = datagram;
    }

    /// To our own engine, or to the shard that owns the Call-ID.
    fn deliver(&mut self, flow: Flow, octets: &[u8]) {
        let Some(sip_call_id) = peek_call_id(octets) else {
            count::malformed();
            return;
        };
        let owner = self.parts.doors.mailboxes.owner_of_sip(sip_call_id);
        if owner == self.parts.index {
            self.take_sip(flow, octets, 0);
        } else if !self.parts.engine.may_cross(flow.remote, clock::now()) {
            // Before anything is copied: a stranger must not fill the inbox of another shard.
            count::call(Counter::UnknownSource);
        } else if let Some(mailbox) = self.parts.doors.mailboxes.shard(owner) {
            mailbox.send(ToShard::Sip {
                flow,
                octets: octets.into(),
                hops: 0,
            });
        }
    }

    /// A message that its Call-ID brought here: for our engine, unless another shard has the dialog.
    fn take_sip(&mut self, flow: Flow, octets: &[u8], hops: u8) {
        let now = clock::now();
        let elsewhere = match hops {
            ..PASSED_ON_MAX => self.parts.engine.passes_on(&flow, octets, now),
            _ => None,
        };
        match elsewhere.and_then(|shard| self.parts.doors.mailboxes.shard(shard)) {
            Some(mailbox) => {
                let octets = octets.into();
                mailbox.send(ToShard::Sip {
                    flow,
                    octets,
                    hops: hops + 1,
                });
            }
            None => self.step(Input::Sip { flow, octets }, now),
        }
    }

    fn read_media(&mut self, token: Token) {
        let scoring = self.parts.doors.scoring.clone();
        let mut refused: Vec<(CallId, crate::media::Hop)> = Vec::new();
        let now = clock::now();
        self.parts
            .media
            .readable(token, now, &mut |call, hop| match &scoring {
                Some(scoring) => {
                    if let Err(hop) = scoring.submit(call, hop) {
                        refused.push((call, hop));
                    }
                }
                None => refused.push((call, hop)),
            });
        for (call, hop) in refused {
            self.parts.media.recycle(call, hop);
            if scoring.is_some() {
                count::scoring_overloaded();
                self.step(Input::ScoringOverloaded { call }, now);
            }
        }
    }

    fn read_inbox(&mut self) {
        for _ in 0..INBOX_BATCH {
            let Ok(message) = self.parts.inbox.try_recv() else {
                return;
            };
            let now = clock::now();
            match message {
                ToShard::Sip { flow, octets, hops } => self.take_sip(flow, &octets, hops),
                ToShard::TransportError { flow, fault } => {
                    self.step(Input::TransportError { flow, fault }, now);
                }
                ToShard::Fetched(fetched) => self.step(Input::Fetched(fetched), now),
                ToShard::Known {
                    call,
                    history,
                    is_reused,
                } => {
                    self.step(
                        Input::Known {
                            call,
                            history,
                            is_reused,
                        },
                        now,
                    );
                }
                ToShard::Reused { call } => self.step(Input::Reused { call }, now),
                ToShard::Scored { call, opinion, hop } => {
                    match hop {
                        Some(hop) => {
                            count::scored();
                            self.parts.media.recycle(call, hop);
                        }
                        None => count::second_opinion("given"),
                    }
                    self.step(Input::Scored { call, opinion }, now);
                }
                ToShard::NotScored { call, hop } => {
                    self.parts.media.recycle(call, hop);
                    count::scoring_overloaded();
                    self.step(Input::ScoringOverloaded { call }, now);
                }
                ToShard::HeardBy { call, model } => self.step(Input::HeardBy { call, model }, now),
                ToShard::SecondShed { call } => {
                    count::second_opinion("shed");
                    self.step(Input::SecondShed { call }, now);
                }
                ToShard::Resolved(known) => self.step(Input::Resolved(known), now),
                ToShard::Standing(change) => self.step(Input::Standing(change), now),
                ToShard::SetPolicies(lineup) => self.step(Input::SetPolicies(lineup), now),
                ToShard::Collector(addresses) => {
                    if let Some(mirror) = &mut self.parts.mirror {
                        mirror.send_to(addresses);
                    }
                }
                ToShard::SetTrust(trust) => self.step(Input::SetTrust(trust), now),
                ToShard::ServiceRoute { trunk, route } => {
                    self.step(Input::ServiceRoute { trunk, route }, now)
                }
                ToShard::Moved {
                    sip_call_id,
                    shard,
                    is_over,
                } => {
                    self.step(
                        Input::Moved {
                            sip_call_id,
                            shard,
                            is_over,
                        },
                        now,
                    );
                }
                ToShard::IsNeeded { flow, is_needed } => {
                    if self.parts.engine.needs(&flow) {
                        is_needed.store(true, Ordering::Relaxed);
                    }
                }
                ToShard::LegAsked(asked) => self.step(Input::LegAsked(asked), now),
                ToShard::LegHanded { call, handed } => self.step(Input::LegHanded { call, handed }, now),
                ToShard::HangUp { call } => self.step(Input::HangUp { call }, now),
                ToShard::Drain => self.step(Input::Drain, now),
                ToShard::Stop => self.is_stopping = true,
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
                Reply::Broken(flow, fault) => Input::TransportError { flow, fault },
                Reply::Handed(call, handed) => Input::LegHanded { call, handed },
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

    fn carry_out(&mut self, output: Output, now: Now) {
        let doors = &self.parts.doors;
        match output {
            Output::Transmit { flow, octets } => self.transmit(flow, octets),
            Output::OpenMedia { call } => {
                let ports = self.parts.media.open(call, self.parts.poll.registry(), now);
                self.pending.push_back(Reply::Opened(call, ports));
            }
            Output::DescribeMedia {
                call,
                side,
                audio,
                codecs,
                telephone_event,
            } => {
                self.parts
                    .media
                    .describe(call, side, audio, &codecs, telephone_event, now);
            }
            Output::Tap { call, on } => {
                self.parts.media.tap(call, on);
                if let (false, Some(scoring)) = (on, &doors.scoring) {
                    scoring.end(call);
                }
            }
            Output::Attend { call, rank } => {
                if let Some(scoring) = &doors.scoring {
                    scoring.attend(call, rank);
                }
            }
            Output::CloseMedia { call } => {
                let statistics = self.parts.media.close(call, now);
                if let Some(scoring) = &doors.scoring {
                    scoring.end(call);
                }
                self.pending.push_back(Reply::Closed(call, statistics));
            }
            Output::Fetch { url } => {
                let (fetcher, mailbox) = (
                    doors.fetcher.clone(),
                    doors.mailboxes.shard(self.parts.index).cloned(),
                );
                doors.tokio.spawn(async move {
                    let fetched = fetcher.fetch(url).await;
                    if let Some(mailbox) = mailbox {
                        mailbox.send(ToShard::Fetched(fetched));
                    }
                });
            }
            Output::Resolve { target } => doors.dns.resolve(target, self.parts.index),
            Output::Standing(change) => {
                doors
                    .standings
                    .changed(change, self.parts.index, &doors.mailboxes);
            }
            Output::Look {
                call,
                number,
                passport_digest,
            } => {
                let at_once = match passport_digest {
                    // Whether a token was used is asked and written down in one.
                    Some(_) => None,
                    None => doors.lookups.at_once(call, number.as_deref()),
                };
                if let Some(history) = at_once {
                    self.pending.push_back(Reply::Known(call, history));
                } else if !doors.lookups.ask(Question::Caller {
                    call,
                    number,
                    passport_digest,
                }) {
                    count::full("lookups");
                }
            }
            Output::Answered {
                call,
                passport_digest,
                is_question,
            } => {
                if !doors.lookups.ask(Question::Answered {
                    call,
                    passport_digest,
                    is_question,
                }) {
                    count::full("lookups");
                }
            }
            Output::Changed(record) => self.record(record),
            Output::Registration(state) => {
                doors.registrations.note(&state);
                let (trunk, route) = (state.trunk, state.service_route);
                doors.mailboxes.broadcast(|| ToShard::ServiceRoute {
                    trunk: trunk.clone(),
                    route: route.clone(),
                });
            }
            Output::Count(counter) => count::call(counter),
            between @ (Output::Moved { .. } | Output::AskForLeg { .. } | Output::HandLeg { .. }) => {
                if let Some((call, handed)) = between::tell(between, &doors.mailboxes) {
                    self.pending.push_back(Reply::Handed(call, handed));
                }
            }
            Output::Timeout(_) => {}
        }
    }

    fn transmit(&mut self, flow: Flow, octets: Vec<u8>) {
        self.traffic.sent(flow.transport);
        if self.parts.mirror.is_some() {
            self.mirror(flow, Way::Out, &octets, clock::now());
        }
        if flow.transport != Transport::Udp {
            self.parts.doors.streams.send(flow, octets, self.parts.index);
            return;
        }
        let place = self.locals.iter().position(|local| *local == flow.local);
        let socket = place.and_then(|place| self.parts.sockets.get(place));
        let Some(socket) = socket else {
            self.pending
                .push_back(Reply::Broken(flow, TransportFault::NoListener));
            return;
        };
        match socket.send_to(&octets, flow.remote) {
            Ok(_) => {}
            // A full socket buffer is a lost datagram: the transaction sends it again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => count::full("sip_socket"),
            Err(error) => {
                tracing::debug!(%error, "a SIP datagram could not be sent");
                self.pending
                    .push_back(Reply::Broken(flow, TransportFault::from(&error)));
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

    fn record(&mut self, record: Arc<CallRecord>) {
        if !self.spool.is_empty() && record.timings.ended_ms.is_some() {
            self.keep(record);
        } else if let Err(record) = self.parts.doors.recorder.send(record)
            && record.timings.ended_ms.is_some()
        {
            self.keep(record);
        }
    }

    fn keep(&mut self, record: Arc<CallRecord>) {
        if self.spool.len() == RECORDS_SPOOLED
            && let Some(lost) = self.spool.pop_front()
        {
            tracing::error!(call = %lost.id, "the recorder is behind: a record was lost");
        }
        self.spool.push_back(record);
    }

    /// At the end there is no next turn: what is left waits for the recorder.
    fn empty_spool(&mut self) {
        let step = Duration::from_millis(5);
        for _ in 0..SPOOL_PATIENCE.as_millis() / step.as_millis() {
            self.flush_spool();
            if self.spool.is_empty() {
                return;
            }
            std::thread::sleep(step);
        }
        tracing::error!(
            records = self.spool.len(),
            "the recorder is stuck: records were lost at the end"
        );
    }

    fn flush_spool(&mut self) {
        while let Some(record) = self.spool.pop_front() {
            if let Err(record) = self.parts.doors.recorder.send(record) {
                self.spool.push_front(record);
                return;
            }
        }
    }
}
