//! One handshake, and the keys that come of it. Without IO: datagrams in, datagrams out, and when to be asked again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::assembly::{Assembly, Fragment, message};
use super::client::Client;
use super::flight::{Flight, Sender};
use super::record::{self, Cipher, Record, Window, records};
use super::server::Server;
use super::wire::Reader;
use super::{Fault, Identity, Outcome, Role, Terms, kind};
use crate::media::limits::{DTLS_ECHOES_MAX, DTLS_OUTBOX_MAX, DTLS_RESTARTS_MAX, DTLS_TIME_MAX};

/// A handshake with the party of one port.
///
/// After each [`Association::handle`] and [`Association::handle_timeout`]: what is to be sent ([`Association::poll_transmit`]),
/// what came of it ([`Association::poll_secured`]), and when to be asked again ([`Association::poll_timeout`]).
pub struct Association {
    terms: Terms,
    stage: Stage,
    line: Line,
    /// When it has lasted too long.
    until: Instant,
    /// How often a client began anew, and how often a flight was repeated because the other side repeated its own.
    restarts: u8,
    echoes: u8,
    event: Option<Outcome>,
}

enum Stage {
    Server(Box<Server>),
    Client(Box<Client>),
    /// There are keys. What is left can say the last flight again.
    Over,
    Failed,
}

/// What both roles have: our certificate, the way out, what comes in, and what was said so far.
pub(super) struct Line {
    pub(super) identity: Arc<Identity>,
    pub(super) flight: Flight,
    pub(super) sender: Sender,
    /// How the other side's records of epoch 1 are encrypted.
    pub(super) cipher: Option<Cipher>,
    window: Window,
    assembly: Assembly,
    /// Every message of both sides, in order (RFC 5246 §7.4.9).
    pub(super) said: Vec<u8>,
    /// The number of our next message.
    sequence: u16,
    outbox: VecDeque<Vec<u8>>,
}

/// What a message of the other side leads to.
pub(super) enum Step {
    /// The next one.
    Wait,
    /// A flight of ours, and then the next one.
    Answer,
    /// A last flight of ours, or nothing more to say.
    Done(Outcome),
}

impl Association {
    /// In the role of the client it begins at once; the server waits.
    pub fn new(terms: &Terms, identity: &Arc<Identity>, now: Instant) -> Association {
        let mut association = Association {
            terms: terms.clone(),
            stage: Stage::Failed,
            line: Line::new(identity.clone()),
            until: now + DTLS_TIME_MAX,
            restarts: 0,
            echoes: 0,
            event: None,
        };
        association.begin(now);
        association
    }

    fn begin(&mut self, now: Instant) {
        self.line = Line::new(self.line.identity.clone());
        match self.terms.role {
            Role::Server => self.stage = Stage::Server(Box::new(Server::new())),
            Role::Client => match Client::begin(&self.terms, &mut self.line) {
                Ok(client) => {
                    self.stage = Stage::Client(Box::new(client));
                    self.line.send(now);
                }
                Err(fault) => self.fail(fault, now),
            },
        }
    }

    /// A datagram came on the port, whoever sent it. What makes no sense is dropped without a word.
    pub fn handle(&mut self, datagram: &[u8], now: Instant) {
        for record in records(datagram) {
            match (record.kind, record.epoch) {
                (record::HANDSHAKE, 0) => self.plain(record.body, now),
                (record::HANDSHAKE, 1) => self.encrypted(&record, now),
                // A change of cipher is told by the epoch. Alerts in clear could be anybody's: whoever gives up falls silent.
                _ => {}
            }
        }
    }

    /// The time of [`Association::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if !self.is_open() {
            return;
        }
        if now >= self.until {
            self.stage = Stage::Failed;
            self.line.flight.rest();
            self.event = Some(Outcome::Failed(Fault::Stalled));
        } else if self.line.flight.is_due(now) {
            self.line.resend();
        }
    }

    /// When it wants to be asked next; `None` once it is over, one way or the other.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.line.flight.due();
        self.is_open()
            .then(|| due.map_or(self.until, |due| due.min(self.until)))
    }

    /// The next datagram for the other side, of at most [`super::super::limits::DTLS_DATAGRAM_OCTETS_MAX`] octets.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.line.outbox.pop_front()
    }

    /// Whether [`Association::poll_transmit`] has anything.
    pub fn has_to_say(&self) -> bool {
        !self.line.outbox.is_empty()
    }

    /// What came of it, told once. A server whose client failed waits for another, and may tell of keys later.
    pub fn poll_secured(&mut self) -> Option<Outcome> {
        self.event.take()
    }

    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Server(_) | Stage::Client(_))
    }

    /// Whether there are keys.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    fn plain(&mut self, body: &[u8], now: Instant) {
        let mut reader = Reader(body);
        while !reader.is_empty() {
            let Some(fragment) = Fragment::read(&mut reader) else {
                return;
            };
            if self.line.assembly.is_past(&fragment) {
                self.again(&fragment, now);
            } else if self.is_open() && fragment.kind != kind::FINISHED {
                self.line.assembly.insert(&fragment);
            }
        }
        self.proceed(now);
    }

    fn encrypted(&mut self, record: &Record<'_>, now: Instant) {
        let opened = self.line.cipher.as_ref().and_then(|cipher| cipher.open(record));
        let Some(body) = opened.filter(|_| self.line.window.insert(record)) else {
            return;
        };
        let mut reader = Reader(&body);
        while let Some(fragment) = Fragment::read(&mut reader) {
            if self.line.assembly.is_past(&fragment) {
                self.again(&fragment, now);
            } else if self.is_open() && fragment.kind == kind::FINISHED {
                self.line.assembly.insert(&fragment);
            }
        }
        self.proceed(now);
    }

    /// The other side says something again: our answer was lost, or it begins anew.
    fn again(&mut self, fragment: &Fragment<'_>, now: Instant) {
        if let (Stage::Server(server), kind::CLIENT_HELLO, Some(body)) =
            (&self.stage, fragment.kind, fragment.whole())
            && !server.is_of(body)
        {
            if self.restarts < DTLS_RESTARTS_MAX {
                self.restarts += 1;
                self.begin(now);
                self.line.assembly.insert(fragment);
            }
            return;
        }
        // One message of each flight is enough to tell by: its last, or its only one.
        let is_telling = match self.stage {
            Stage::Server(_) => fragment.kind == kind::CLIENT_HELLO,
            Stage::Client(_) => fragment.kind == kind::SERVER_HELLO_DONE,
            Stage::Over => self.terms.role == Role::Server && fragment.kind == kind::FINISHED,
            Stage::Failed => false,
        };
        if is_telling && self.echoes < DTLS_ECHOES_MAX {
            self.echoes += 1;
            self.line.resend();
        }
    }

    fn proceed(&mut self, now: Instant) {
        while let Some((kind, sequence, body)) = self.line.assembly.pop() {
            let stepped = match &mut self.stage {
                Stage::Server(server) => server.handle(&self.terms, &mut self.line, (kind, sequence, &body)),
                Stage::Client(client) => client.handle(&self.terms, &mut self.line, (kind, sequence, &body)),
                Stage::Over | Stage::Failed => return,
            };
            match stepped {
                Ok(Step::Wait) => {}
                Ok(Step::Answer) => self.line.send(now),
                Ok(Step::Done(secured)) => {
                    self.line.flight.rest();
                    if self.terms.role == Role::Server {
                        self.line.resend();
                    }
                    self.line.said = Vec::new();
                    self.stage = Stage::Over;
                    self.event = Some(secured);
                    return;
                }
                Err(fault) => return self.fail(fault, now),
            }
        }
    }

    /// A server waits for another client: whoever it was need not have been the party.
    fn fail(&mut self, fault: Fault, now: Instant) {
        let mut alert = Vec::new();
        let is_encrypted = self.line.sender.cipher.is_some();
        let written = self
            .line
            .sender
            .write(&mut alert, record::ALERT, is_encrypted, &[2, fault.alert()]);
        self.event = Some(Outcome::Failed(fault));
        let is_again = self.terms.role == Role::Server && self.restarts < DTLS_RESTARTS_MAX;
        if is_again {
            self.restarts += 1;
            self.begin(now);
        } else {
            self.stage = Stage::Failed;
            self.line.flight.rest();
        }
        if written.is_some() {
            self.line.outbox.push_back(alert);
        }
    }
}

impl Line {
    fn new(identity: Arc<Identity>) -> Line {
        Line {
            identity,
            flight: Flight::default(),
            sender: Sender::default(),
            cipher: None,
            window: Window::default(),
            assembly: Assembly::default(),
            said: Vec::new(),
            sequence: 0,
            outbox: VecDeque::new(),
        }
    }

    /// A message of the other side is one of those that are hashed.
    pub(super) fn heard(&mut self, kind: u8, sequence: u16, body: &[u8]) {
        self.said.extend_from_slice(&message(kind, sequence, body));
    }

    /// A message of ours joins the flight.
    pub(super) fn say(&mut self, kind: u8, is_encrypted: bool, body: &[u8]) {
        let message = message(kind, self.sequence, body);
        self.sequence += 1;
        self.said.extend_from_slice(&message);
        self.flight.push(record::HANDSHAKE, is_encrypted, message);
    }

    /// From here on we encrypt.
    pub(super) fn change_cipher(&mut self) {
        self.flight.push(record::CHANGE_CIPHER_SPEC, false, vec![1]);
    }

    /// The flight goes out, until it is answered.
    fn send(&mut self, now: Instant) {
        self.flight.repeat(now);
        self.resend();
    }

    fn resend(&mut self) {
        if self.outbox.len() < DTLS_OUTBOX_MAX {
            self.flight.send(&mut self.sender, &mut self.outbox);
        }
    }
}
