//! The transaction layer of one shard.
//!
//! Finds the transaction a message belongs to, carries out what its machine wants, runs the
//! timers, and answers by itself what needs no owner: 100 to INVITE, CANCEL, repeated and merged
//! requests, what cannot be parsed. `incoming` is the server side, `outgoing` the client side.

mod gone;
mod incoming;
mod key;
mod large;
mod outgoing;
mod stateless;

#[cfg(test)]
mod tests;

pub use large::LargeWay;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::builder::{Request, Response};
use super::index::leading_crlf;
use super::limits;
use super::message::Message;
use super::random::Random;
use super::transaction::timers::{Owner, TimerKey, TimerQueue};
use super::transaction::{Slot, Step, Timer};
use super::{Flow, TransportFault};
use crate::time::Now;

/// Names a server transaction. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerTxn(pub u64);

/// Names a client transaction. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientTxn(pub u64);

/// The transaction layer of one shard: RFC 3261 §17 with RFC 6026. Bounded tables; never two transactions for one key.
///
/// After each call that takes `now`, drain [`Endpoint::poll_output`] to `Timeout`. Outputs come in
/// the order they were caused. When a table is full (see `limits.rs`) new requests from outside
/// are answered 503 without state, and new requests of ours fail with `TransportFailed`.
pub struct Endpoint {
    random: Random,
    product: String,
    last_id: u64,
    servers: incoming::Servers,
    clients: outgoing::Clients,
    gone: gone::Gone,
    timers: TimerQueue,
    outputs: VecDeque<EndpointOutput>,
    /// Kept between calls to save the allocation.
    steps: Vec<Step>,
    counts: Counts,
    refusing: large::Refusing,
}

/// Says of an INVITE that belongs to no dialog and to no transaction what it is answered instead of becoming a call, or
/// that it may.
pub type NewCalls<'a> = &'a mut dyn FnMut(&Message) -> Option<Response>;

pub enum EndpointInput<'a> {
    /// One whole message (a datagram, or one framed TCP message). The caller has already checked that the source is a known one.
    Received { flow: Flow, octets: &'a [u8] },
    /// The transport could not send (ICMP, connection refused or closed): every client transaction on it fails. Not what
    /// went out after `at`: that went by another connection, though to the same place.
    TransportError {
        flow: Flow,
        fault: TransportFault,
        at: Instant,
    },
    /// Time may have passed.
    Tick,
}

#[derive(Debug)]
pub enum EndpointOutput {
    Transmit {
        flow: Flow,
        octets: Vec<u8>,
    },
    Event(SipEvent),
    /// Drained; call again with Tick at this instant at the latest (None = no timer running).
    Timeout(Option<Instant>),
}

#[derive(Debug)]
pub enum SipEvent {
    /// A new request with a server transaction of its own (INVITE has been answered 100 by itself, RFC 3261 says within 200 ms; here at once). CANCEL and ACK never show here.
    Request {
        txn: ServerTxn,
        request: Message,
        flow: Flow,
    },
    /// ACK to a 2xx of ours (matched by Call-ID, tags and CSeq; retransmission of the 2xx has stopped).
    Ack {
        txn: ServerTxn,
        ack: Message,
    },
    /// CANCEL matched `txn` while it had no final response; the CANCEL itself has been answered 200. The owner answers the INVITE 487.
    Cancelled {
        txn: ServerTxn,
        reason: Option<String>,
    },
    /// A response. For INVITE every 1xx, the final one, and any further 2xx with another To tag; retransmitted 2xx are re-ACKed inside and not shown.
    Response {
        txn: ClientTxn,
        response: Message,
    },
    /// Timer B, F or (after CANCEL) 64*T1 without an answer.
    TimedOut {
        txn: ClientTxn,
    },
    TransportFailed {
        txn: ClientTxn,
        fault: TransportFault,
    },
    /// The connection that an INVITE of ours went by is gone, and the peer may have it: it may ring, and answer by another
    /// connection. The transaction goes on; whoever does not want to wait for that cancels it.
    ConnectionLost {
        txn: ClientTxn,
        fault: TransportFault,
    },
    /// A reliable 1xx of ours had no PRACK in 64*T1: the owner should answer 5xx (RFC 3262 §3).
    PrackMissing {
        txn: ServerTxn,
    },
    /// A 2xx of ours was never acknowledged in 64*T1 (RFC 3261 §13.3.1.4): the dialog should be ended with BYE.
    AckMissing {
        txn: ServerTxn,
    },
}

/// What came in and led to no event, since the start. For metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Could not be parsed; answered where possible.
    pub malformed: u64,
    /// Requests refused with 503 because a table was full.
    pub overloaded: u64,
    /// INVITEs that the owner did not let become calls.
    pub refused: u64,
    /// Requests refused with 482 because they came by two ways (RFC 3261 §8.2.2.2).
    pub merged: u64,
    /// ACKs and responses that belong to no transaction (late, forged, or for another shard).
    pub unmatched: u64,
}

/// Both timers of a transaction, by [`Slot`].
pub(in crate::sip) type TimerKeys = [Option<TimerKey>; 2];

impl Endpoint {
    /// `seed` feeds branch and tag generation (randomness is handed in). `server` is the User-Agent/Server product token.
    ///
    /// Two endpoints must not have the same seed: their tags and branches would be the same.
    pub fn new(seed: [u8; 32], server: &str) -> Endpoint {
        Endpoint {
            random: Random::new(seed),
            product: server.to_string(),
            last_id: 0,
            servers: incoming::Servers::new(
                limits::SERVER_TRANSACTIONS_MAX,
                limits::SERVER_TRANSACTIONS_RESERVED,
            ),
            clients: outgoing::Clients::default(),
            gone: gone::Gone::default(),
            timers: TimerQueue::default(),
            outputs: VecDeque::new(),
            steps: Vec::new(),
            counts: Counts::default(),
            refusing: large::Refusing::default(),
        }
    }

    /// As [`EndpointInput::Received`], but `new_calls` is asked about an INVITE that begins something: what it answers goes
    /// out without state, and nothing is remembered of the INVITE. Requests inside dialogs, repeated ones and CANCEL are
    /// handled as ever.
    pub fn receive(&mut self, flow: Flow, octets: &[u8], new_calls: NewCalls<'_>, now: Now) {
        self.run_timers(now);
        self.handle_octets(flow, octets, new_calls, now);
    }

    pub fn handle(&mut self, input: EndpointInput<'_>, now: Now) {
        // What was due before this input happened before it.
        self.run_timers(now);
        match input {
            EndpointInput::Received { flow, octets } => self.handle_octets(flow, octets, &mut |_| None, now),
            EndpointInput::TransportError { flow, fault, at } => {
                self.handle_transport_error(flow, fault, at, now);
            }
            EndpointInput::Tick => {}
        }
    }

    pub fn poll_output(&mut self) -> EndpointOutput {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| EndpointOutput::Timeout(self.timers.next()))
    }

    /// Sends a response through its server transaction; unknown or finished transactions are ignored (false).
    /// 2xx to INVITE is retransmitted until its ACK (T1 doubling to T2).
    ///
    /// A response over 100 without To tag gets the one used before in this transaction, or a fresh one.
    ///
    /// A 1xx with `Require: 100rel` is reliable (RFC 3262): it gets its RSeq here and is repeated until its PRACK. While
    /// another one waits for its PRACK it waits too, and so does a 2xx behind a description; they go with
    /// [`Endpoint::release`], and a final response over 299 goes at once instead of them.
    pub fn respond(&mut self, txn: ServerTxn, response: Response, now: Now) -> bool {
        self.send_response(txn.0, response, now)
    }

    /// Whether `prack` acknowledges the reliable 1xx of INVITE `txn` that waits for it; its repetition stops. False: 481.
    pub fn acknowledges(&mut self, txn: ServerTxn, prack: &Message, now: Now) -> bool {
        self.on_prack(txn.0, prack, now)
    }

    /// The same for a PRACK whose INVITE has no owner any more: it was refused before the PRACK came, which is to be
    /// answered all the same (RFC 3262 §3).
    pub fn acknowledges_late(&mut self, prack: &Message, now: Now) -> bool {
        let invite = self.find_pracked(prack);
        invite.is_some_and(|id| self.on_prack(id, prack, now))
    }

    /// Whether the 2xx that was given for `txn` waits for a PRACK: nobody has been told it yet, and a final response over 299
    /// may still take its place.
    pub fn holds_answer(&self, txn: ServerTxn) -> bool {
        self.has_waiting_answer(txn.0)
    }

    /// Sends what waited for that PRACK. To be called when the PRACK has been answered.
    pub fn release(&mut self, txn: ServerTxn, now: Now) {
        self.release_waiting(txn.0, now);
    }

    /// The INVITE of ours, still under way, that `request` has come from: its Via is among those of the request, below
    /// the first. So it went out from us, through others, and back (RFC 3261 §16.3 step 4 looks the same way).
    pub fn own_invite(&self, request: &Message) -> Option<ClientTxn> {
        self.find_own_invite(request)
    }

    /// Starts a client transaction. Via gets `sent_by` (our advertised host:port) and a fresh branch, with rport.
    ///
    /// An ACK given here is sent once, without a transaction.
    pub fn request(&mut self, request: Request, flow: Flow, sent_by: &str, now: Now) -> ClientTxn {
        self.start_client(request, flow, sent_by, now)
    }

    /// As [`Endpoint::request`], but a request too large for UDP goes by `large` (RFC 3261 §18.1.1). Where that way
    /// cannot be opened it goes over UDP all the same, under the same name, and for ten minutes at once.
    pub fn request_by_size(
        &mut self,
        request: Request,
        flow: Flow,
        sent_by: &str,
        large: &LargeWay,
        now: Now,
    ) -> ClientTxn {
        self.start_by_size(request, flow, sent_by, large, now)
    }

    /// Sends a request once more, as a new transaction that goes by the old name: with credentials after 401 or 407, the
    /// same Call-ID and the next CSeq (RFC 3261 §22.2). From here on `txn` is the new one.
    ///
    /// `txn` must have ended with a final response. False = no room: nothing was sent, and nothing more comes of `txn`.
    pub fn repeat(&mut self, txn: ClientTxn, request: Request, flow: Flow, sent_by: &str, now: Now) -> bool {
        self.repeat_client(txn.0, request, flow, sent_by, now)
    }

    /// Whether a message belongs to a transaction that is alive: a repeated request, an ACK, a CANCEL, a response of
    /// ours. Nothing is done with it.
    pub fn has(&self, message: &Message) -> bool {
        match message.is_request() {
            true => self.has_server(message),
            false => self.has_client(message),
        }
    }

    /// Answers a request without a transaction, so that nothing is left behind (RFC 3261 §8.2.7): the same To tag each
    /// time. Not for ACK, which is never answered.
    pub fn respond_stateless(&mut self, flow: Flow, request: &Message, response: Response) {
        self.refuse_with(flow, request, response);
    }

    /// CANCEL for an INVITE of ours; held back until a 1xx came (RFC 3261 §9.1). `reason` becomes a Reason header.
    ///
    /// Nothing happens for another method, after a final response, or the second time. The
    /// answer to the CANCEL is not shown; the INVITE ends with 487, another final response
    /// (perhaps a 2xx that crossed the CANCEL) or `TimedOut`.
    pub fn cancel(&mut self, txn: ClientTxn, reason: Option<&str>, now: Now) {
        self.cancel_client(txn.0, reason, now);
    }

    /// ACK to a 2xx: sent now and again for each retransmission of that 2xx.
    ///
    /// The To tag of `ack` says which 2xx. Also works (once) when the transaction is over.
    pub fn acknowledge(&mut self, txn: ClientTxn, ack: Request, flow: Flow, sent_by: &str, now: Now) {
        let _ = now;
        self.send_ack(txn.0, ack, flow, sent_by);
    }

    /// A fresh tag / Call-ID part / branch-safe token: 16 hex digits from the seeded generator.
    pub fn token(&mut self) -> String {
        self.random.token()
    }

    /// How many transactions are alive: for leak tests and metrics.
    pub fn live_transactions(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn handle_octets(&mut self, flow: Flow, octets: &[u8], new_calls: NewCalls<'_>, now: Now) {
        // A keep-alive in a datagram of its own (RFC 5626 §3.5.1 calls for STUN there, many send this).
        if leading_crlf(octets) == octets.len() {
            return;
        }
        match Message::parse(octets) {
            Ok(message) if message.is_request() => self.handle_request(flow, message, new_calls, now),
            Ok(message) => self.handle_response(message, now),
            Err(error) => {
                self.counts.malformed += 1;
                self.refuse_malformed(flow, octets, &error);
            }
        }
    }

    fn run_timers(&mut self, now: Now) {
        while let Some((_, owner, timer)) = self.timers.pop(now.instant) {
            match owner {
                Owner::Server(id) => self.on_server_timer(id, timer, now),
                Owner::Client(id) => self.on_client_timer(id, timer, now),
            }
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn transmit(&mut self, flow: Flow, octets: Vec<u8>) {
        self.outputs.push_back(EndpointOutput::Transmit { flow, octets });
    }

    fn tell(&mut self, event: SipEvent) {
        self.outputs.push_back(EndpointOutput::Event(event));
    }
}

/// Starts `timer` in its slot, in place of what ran there.
fn start_timer(
    timers: &mut TimerQueue,
    keys: &mut TimerKeys,
    owner: Owner,
    (timer, after): (Timer, std::time::Duration),
    now: Now,
) {
    let slot = timer.slot();
    stop_timer(timers, keys, slot);
    keys[slot as usize] = Some(timers.start(now.instant + after, owner, timer));
}

fn stop_timer(timers: &mut TimerQueue, keys: &mut TimerKeys, slot: Slot) {
    if let Some(key) = keys[slot as usize].take() {
        timers.stop(key);
    }
}

/// Removes `key` from an index if it still names transaction `id`.
fn forget(index: &mut HashMap<Arc<str>, u64>, key: &str, id: u64) {
    if index.get(key) == Some(&id) {
        index.remove(key);
    }
}

const _: () = assert!(limits::SERVER_TRANSACTIONS_RESERVED < limits::SERVER_TRANSACTIONS_MAX);
