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
use crate::media::limits::{
    DTLS_ECHOES_MAX, DTLS_OUTBOX_MAX, DTLS_RESTARTS_MAX, DTLS_RESTARTS_RESERVED, DTLS_TIME_MAX,
};

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
    restarts_max: u8,
    echoes: u8,
    /// One datagram has one echo at most.
    has_echoed: bool,
    /// What was wrong with what came: told when it is over, if nobody better came.
    fault: Option<Fault>,
    /// Messages that were taken, in all attempts together.
    taken: u64,
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
    /// Messages that are still to come may come in clear.
    pub(super) hears_plain: bool,
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
            restarts_max: DTLS_RESTARTS_MAX,
            echoes: 0,
            has_echoed: false,
            fault: None,
            taken: 0,
            event: None,
        };
        association.begin(now);
        association
    }

    /// From the beginning. Records are numbered on: the other side has seen the numbers before.
    fn begin(&mut self, now: Instant) {
        let random = match &self.stage {
            Stage::Client(client) => Some(client.random()),
            _ => None,
        };
        let sender = std::mem::take(&mut self.line.sender).anew();
        self.line = Line::new(self.line.identity.clone());
        self.line.sender = sender;
        self.echoes = 0;
        match self.terms.role {
            Role::Server => self.stage = Stage::Server(Box::new(Server::new())),
            Role::Client => match Client::begin(random, &self.terms, &mut self.line) {
                Ok(client) => {
                    self.stage = Stage::Client(Box::new(client));
                    self.line.send(now);
                }
                Err(fault) => self.fail(fault),
            },
        }
    }

    /// A datagram came on the port, whoever sent it. What makes no sense, and what comes in clear and does not belong there, is dropped
    /// without a word and changes nothing (RFC 6347 §4.1.2.7): anybody can write it.
    pub fn handle(&mut self, datagram: &[u8], now: Instant) {
        self.handle_from(datagram, false, now);
    }

    /// As [`Association::handle`]. `is_described`: it came from where the description says that the party is; for it some beginnings
    /// are kept back, which others cannot use up.
    pub fn handle_from(&mut self, datagram: &[u8], is_described: bool, now: Instant) {
        self.has_echoed = false;
        self.restarts_max = DTLS_RESTARTS_MAX + u8::from(is_described) * DTLS_RESTARTS_RESERVED;
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
            self.fail(self.fault.unwrap_or(Fault::Stalled));
        } else if self.line.flight.is_due(now) {
            let begins_anew = match &mut self.stage {
                Stage::Client(client) => client.gives_up_cookie(),
                _ => false,
            };
            if begins_anew {
                self.begin(now);
            } else {
                self.line.resend();
            }
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

    /// What came of it, told once: keys, or that there will be none. Whoever failed need not have been the party, so that is told only
    /// when the time is up.
    pub fn poll_secured(&mut self) -> Option<Outcome> {
        self.event.take()
    }

    /// How many messages were taken so far: more of them than before a datagram, and it was of use.
    pub fn progress(&self) -> u64 {
        self.taken
    }

    /// Whether somebody has been answered, and is waited for.
    pub fn is_under_way(&self) -> bool {
        match &self.stage {
            Stage::Server(server) => server.has_answered(),
            Stage::Client(client) => client.is_answered(),
            Stage::Over | Stage::Failed => false,
        }
    }

    /// The other side's messages so far were another's: those of whoever comes now are waited for. Only the client has to be told; a
    /// server hears another hello.
    pub fn rewind(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Client(_)) {
            self.begin(now);
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Server(_) | Stage::Client(_))
    }

    /// Whether it has come to an end without keys.
    pub fn is_failed(&self) -> bool {
        matches!(self.stage, Stage::Failed)
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
                self.again(&fragment, false, now);
            } else if self.is_open() && self.line.hears_plain && fragment.kind != kind::FINISHED {
                self.line.assembly.insert(&fragment, false);
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
                self.again(&fragment, true, now);
            } else if self.is_open() && fragment.kind == kind::FINISHED {
                self.line.assembly.insert(&fragment, true);
            }
        }
        self.proceed(now);
    }

    /// The other side says something again: our answer was lost, or it begins anew.
    fn again(&mut self, fragment: &Fragment<'_>, is_authentic: bool, now: Instant) {
        if let (Stage::Server(server), kind::CLIENT_HELLO, Some(body)) =
            (&self.stage, fragment.kind, fragment.whole())
            && !server.is_of(body)
        {
            if Server::understands(&self.terms, body) && self.restarts < self.restarts_max {
                self.restarts += 1;
                self.begin(now);
                self.line.assembly.insert(fragment, false);
            }
            return;
        }
        // One message of each flight is enough to tell by: its last, or its only one.
        let is_telling = match self.stage {
            // All of it, so that nobody gets much for little.
            Stage::Server(_) => fragment.kind == kind::CLIENT_HELLO && fragment.whole().is_some(),
            Stage::Client(_) => fragment.kind == kind::SERVER_HELLO_DONE,
            Stage::Over => is_authentic && self.terms.role == Role::Server && fragment.kind == kind::FINISHED,
            Stage::Failed => false,
        };
        if is_telling && !self.has_echoed && self.echoes < DTLS_ECHOES_MAX && self.line.resend() {
            self.has_echoed = true;
            self.echoes += 1;
        }
    }

    fn proceed(&mut self, now: Instant) {
        loop {
            let said = self.line.said.len();
            let Some((kind, sequence, body)) = self.line.assembly.pop() else {
                return;
            };
            let stepped = match &mut self.stage {
                Stage::Server(server) => server.handle(&self.terms, &mut self.line, (kind, sequence, &body)),
                Stage::Client(client) => client.handle(&self.terms, &mut self.line, (kind, sequence, &body)),
                Stage::Over | Stage::Failed => return,
            };
            self.taken += u64::from(stepped.is_ok());
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
                Err(Fault::Ours) => return self.fail(Fault::Ours),
                Err(fault) => self.refuse(fault, said, now),
            }
        }
    }

    /// What came was not what the party would say: what it says itself is still waited for. `said`: octets of what had been said before.
    fn refuse(&mut self, fault: Fault, said: usize, now: Instant) {
        if matches!(self.fault, None | Some(Fault::Malformed)) {
            self.fault = Some(fault);
        }
        let (is_intact, is_misled) = match &self.stage {
            Stage::Server(server) => (server.is_intact(), false),
            // What does not fit may be what came before it: another's hello.
            Stage::Client(client) => (
                client.is_intact(),
                matches!(fault, Fault::Fingerprint | Fault::Unproven) && self.line.hears_plain,
            ),
            Stage::Over | Stage::Failed => return,
        };
        if (is_misled || !is_intact) && self.restarts < self.restarts_max {
            self.restarts += 1;
            self.begin(now);
            // In its time, so that two who do not fit do not go round.
            self.line.outbox.clear();
        } else if is_intact {
            self.line.said.truncate(said);
            self.line.assembly.put_back();
        } else {
            self.fail(fault);
        }
    }

    /// For good.
    fn fail(&mut self, fault: Fault) {
        let mut alert = Vec::new();
        let is_encrypted = self.line.sender.cipher.is_some();
        let written = self
            .line
            .sender
            .write(&mut alert, record::ALERT, is_encrypted, &[2, fault.alert()]);
        self.event = Some(Outcome::Failed(fault));
        self.stage = Stage::Failed;
        self.line.flight.rest();
        // Who has not come hears nothing.
        if fault != Fault::Stalled && written.is_some() {
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
            hears_plain: true,
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

    /// False where too much waits already.
    fn resend(&mut self) -> bool {
        let has_room = self.outbox.len() < DTLS_OUTBOX_MAX;
        if has_room {
            self.flight.send(&mut self.sender, &mut self.outbox);
        }
        has_room
    }
}
