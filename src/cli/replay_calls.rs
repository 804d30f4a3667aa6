//! The calls of a capture, once more: a gateway without sockets is shown what the caller sent, and a phone of ours
//! says what the called side said. The clock is the capture's.

#[path = "replay_feed.rs"]
mod feed;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::replay_messages as messages;
use super::replay_streams::looks_like_sip;
use crate::call::{CallRecord, Engine, Input};
use crate::call_id::CallId;
use crate::media::{self, Session, Side, Statistics};
use crate::screening::HistoryFacts;
use crate::sip::{Flow, Message, Method};
use crate::store::Store;
use crate::time::Now;
use crate::voice::{Hearing, Listener, Model};

/// Calls of a capture that are followed at a time (one ear is 1.5 MB). Past it a call is told as an error.
const CALLS_MAX: usize = 1024;
/// As `[identity] freshness` of a gateway, twice, and a minute.
const TOKEN_WINDOW_MS: u64 = 180_000;
/// How far a silence in the capture, or its end, may move the clock: past every timer of a call that has ended.
const AFTERMATH: Duration = Duration::from_secs(120);

/// Our side of every call.
pub(super) const GATEWAY: &str = "192.0.2.2:5060";
/// The phone that says what the called side said.
pub(super) const PHONE: &str = "192.0.2.3:5060";

/// What a capture told about one call.
pub(super) enum Told {
    Call {
        sip_call_id: String,
        source: SocketAddr,
        record: Arc<CallRecord>,
        /// The capture ended before the call did.
        is_cut_short: bool,
    },
    Error {
        at: Duration,
        sip_call_id: String,
        error: String,
    },
}

/// A call that is under way.
struct Heard {
    source: SocketAddr,
    invite: Message,
    cseq: u32,
    id: Option<CallId>,
    is_cut_short: bool,
    /// The INVITE that the engine sent to our phone.
    ring: Option<Message>,
    has_final: bool,
    /// The engine's answer to the caller.
    answer: Option<Message>,
    has_acknowledged: bool,
    session: Option<Session>,
    /// The caller offered keys: his audio may be encrypted, and is not heard.
    has_keys: bool,
    listener: Option<Listener>,
    /// Where the caller's audio comes from, and where it goes.
    audio: Vec<SocketAddr>,
}

enum Pending {
    Sip(SocketAddr, Vec<u8>),
    Opened(CallId),
    Closed(CallId, Statistics),
    Fetched(String),
    Known(CallId, HistoryFacts, bool),
    Reused(CallId),
    Talk(CallId, crate::media::Talk),
}

pub(super) struct Player {
    engine: Engine,
    store: Arc<dyn Store>,
    certificates: BTreeMap<String, Arc<[u8]>>,
    model: Option<Arc<Model>>,
    hearing: Option<Hearing>,
    base: Instant,
    first: Option<Duration>,
    /// Since the Unix epoch; never goes back.
    now: Duration,
    deadline: Option<Instant>,
    calls: BTreeMap<String, Heard>,
    by_id: BTreeMap<CallId, String>,
    /// Call-IDs of the engine's INVITEs to our phone.
    rings: BTreeMap<String, String>,
    audio: BTreeMap<SocketAddr, String>,
    /// The call whose message is being handled.
    current: Option<String>,
    pending: VecDeque<Pending>,
    told: VecDeque<Told>,
    branches: u64,
    pub unreadable: u64,
}

impl Player {
    pub(super) fn new(
        engine: Engine,
        store: Arc<dyn Store>,
        certificates: BTreeMap<String, Arc<[u8]>>,
        model: Option<Arc<Model>>,
        base: Instant,
    ) -> Player {
        Player {
            engine,
            store,
            certificates,
            hearing: model.as_ref().and_then(|model| Hearing::new(model).ok()),
            model,
            base,
            first: None,
            now: Duration::ZERO,
            deadline: None,
            calls: BTreeMap::new(),
            by_id: BTreeMap::new(),
            rings: BTreeMap::new(),
            audio: BTreeMap::new(),
            current: None,
            pending: VecDeque::new(),
            told: VecDeque::new(),
            branches: 0,
            unreadable: 0,
        }
    }

    /// Calls that have ended, and what went wrong, in order.
    pub(super) fn poll(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// A datagram of the capture: SIP, or the caller's audio, or nothing to us.
    pub(super) fn datagram(&mut self, at: Duration, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        self.advance(at);
        if looks_like_sip(octets) {
            self.sip(from, octets);
        } else {
            self.rtp(from, to, octets);
        }
    }

    /// A whole message out of a stream.
    pub(super) fn message(&mut self, at: Duration, from: SocketAddr, octets: &[u8]) {
        self.advance(at);
        self.sip(from, octets);
    }

    /// The capture is over: calls that are not end here.
    pub(super) fn finish(&mut self) {
        let live: Vec<CallId> = self.by_id.keys().copied().collect();
        for call in live {
            if let Some(heard) = self.by_id.get(&call).and_then(|key| self.calls.get_mut(key)) {
                heard.is_cut_short = true;
            }
            self.feed(Input::HangUp { call });
        }
        self.advance(self.now + AFTERMATH);
    }

    fn now(&self) -> Now {
        let since = self.now.saturating_sub(self.first.unwrap_or(self.now));
        Now {
            instant: self.base + since,
            utc: UNIX_EPOCH + self.now,
        }
    }

    /// Moves the clock, through every timer on the way.
    fn advance(&mut self, at: Duration) {
        let first = *self.first.get_or_insert(at);
        let at = at.max(self.now);
        while let Some(deadline) = self.deadline {
            let due = first + deadline.saturating_duration_since(self.base);
            if due > at {
                break;
            }
            self.now = self.now.max(due);
            self.deadline = None;
            self.feed(Input::Tick);
        }
        self.now = at;
    }

    fn sip(&mut self, from: SocketAddr, octets: &[u8]) {
        let message = match Message::parse(octets) {
            Ok(message) => message,
            Err(error) => {
                self.unreadable += 1;
                let sip_call_id = crate::sip::peek_call_id(octets).unwrap_or_default();
                let sip_call_id = String::from_utf8_lossy(sip_call_id).chars().take(128).collect();
                return self.fault(sip_call_id, format!("a message that cannot be read: {error}"));
            }
        };
        let key = message.call_id().to_string();
        if self.calls.contains_key(&key) {
            self.of_call(&key, from, message);
        } else if message.is_request() && message.method() == Method::Invite && message.to().tag().is_none() {
            self.invite(key, from, message);
        }
    }

    /// A call begins.
    fn invite(&mut self, key: String, from: SocketAddr, invite: Message) {
        if self.calls.len() >= CALLS_MAX {
            return self.fault(key, format!("more than {CALLS_MAX} calls at a time"));
        }
        if messages::is_of_a_gateway(&invite) {
            return self.fault(
                key,
                "left out: a leg that a Ringward made itself, to a phone".into(),
            );
        }
        let octets = invite.octets().to_vec();
        let mut audio = Vec::new();
        if let Some(address) = messages::audio_of(&invite) {
            audio.push(address);
        }
        let heard = Heard {
            source: from,
            cseq: invite.cseq().0,
            has_keys: messages::offers_keys(&invite),
            invite,
            id: None,
            is_cut_short: false,
            ring: None,
            has_final: false,
            answer: None,
            has_acknowledged: false,
            session: None,
            listener: self.model.as_ref().and_then(|model| Listener::new(model).ok()),
            audio: audio.clone(),
        };
        self.calls.insert(key.clone(), heard);
        for address in audio {
            self.audio.insert(address, key.clone());
        }
        self.caller_says(&key, from, &octets);
        // What the engine refuses at once never became a call of its.
        if self.calls.get(&key).is_some_and(|heard| heard.id.is_none()) {
            let status = self
                .calls
                .get(&key)
                .and_then(|heard| heard.answer.as_ref()?.status());
            let words = status.map_or("no answer".to_string(), |status| status.to_string());
            self.forget(&key);
            self.fault(key, format!("refused before it became a call: {words}"));
        }
    }

    /// A further message of a call.
    fn of_call(&mut self, key: &str, from: SocketAddr, message: Message) {
        let Some(heard) = self.calls.get_mut(key) else {
            return;
        };
        let is_of_caller = message.from().tag() == heard.invite.from().tag();
        match (message.status(), message.method()) {
            (None, Method::Invite) if message.to().tag().is_none() => {
                // Once more with credentials, after 401 or 407.
                heard.cseq = heard.cseq.max(message.cseq().0);
            }
            (None, Method::Cancel) if is_of_caller => {
                let octets = messages::cancel(&heard.invite);
                let source = heard.source;
                self.caller_says(key, source, &octets);
            }
            (None, Method::Ack) if is_of_caller && !heard.has_acknowledged => {
                self.acknowledge(key, Some(&message))
            }
            (None, Method::Bye) => self.hang_up(key, is_of_caller),
            (Some(status), Method::Invite) if message.cseq().0 == heard.cseq && is_of_caller => {
                if let Some(address) = messages::audio_of(&message) {
                    heard.audio.push(address);
                    self.audio.insert(address, key.to_string());
                }
                let _ = from;
                self.answered(key, status, &message);
            }
            _ => {}
        }
    }

    /// The called side said this: our phone says it too.
    fn answered(&mut self, key: &str, status: u16, message: &Message) {
        let Some(heard) = self.calls.get_mut(key) else {
            return;
        };
        let is_challenge = matches!(status, 401 | 407);
        if heard.has_final || status == 100 || is_challenge {
            return;
        }
        let Some(ring) = &heard.ring else {
            return;
        };
        heard.has_final = status >= 200;
        let octets = messages::response(ring, status, Some(message));
        self.phone_says(key, octets);
    }

    /// The ACK to the engine's 2xx, with the caller's own answer where the offer was late.
    fn acknowledge(&mut self, key: &str, captured: Option<&Message>) {
        self.branches += 1;
        let branch = self.branches;
        let Some(heard) = self.calls.get_mut(key) else {
            return;
        };
        let Some(answer) = heard
            .answer
            .as_ref()
            .filter(|answer| answer.status().is_some_and(|s| s < 300))
        else {
            return;
        };
        heard.has_acknowledged = true;
        let octets = messages::ack(answer, branch, captured);
        let source = heard.source;
        self.pending.push_back(Pending::Sip(source, octets));
        self.settle();
    }

    fn hang_up(&mut self, key: &str, is_of_caller: bool) {
        self.acknowledge(key, None);
        self.branches += 1;
        let branch = self.branches;
        let Some(heard) = self.calls.get(key) else {
            return;
        };
        let octets = match (is_of_caller, &heard.answer, &heard.ring) {
            (true, Some(answer), _) => Some((heard.source, messages::bye_of_caller(answer, branch))),
            (false, Some(_), Some(ring)) => Some((phone(), messages::bye_of_phone(ring, branch))),
            _ => None,
        };
        if let Some((from, octets)) = octets {
            self.pending.push_back(Pending::Sip(from, octets));
            self.settle();
        }
    }

    fn rtp(&mut self, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        let Some(key) = self.audio.get(&to).or_else(|| self.audio.get(&from)).cloned() else {
            return;
        };
        let now = self.now();
        let Some(heard) = self.calls.get_mut(&key).filter(|heard| !heard.has_keys) else {
            return;
        };
        let Some(session) = heard.session.as_mut() else {
            return;
        };
        // What goes to the address that the caller gave for itself is the other party's.
        let side = if heard.audio.first() == Some(&to) {
            Side::B
        } else {
            Side::A
        };
        let mut packet = octets.to_vec();
        session.rtp(side, from, &mut packet, now);
        let hop = session.poll_hop();
        let (Some(hop), Some(call)) = (hop, heard.id) else {
            return;
        };
        let opinion = match (&mut heard.listener, &mut self.hearing) {
            (Some(listener), Some(hearing)) => Some(hearing.hear(listener, &hop)),
            _ => None,
        };
        if let Some(session) = heard.session.as_mut() {
            session.recycle(hop);
        }
        if let Some(opinion) = opinion {
            self.feed(Input::Scored { call, opinion });
        }
    }

    fn caller_says(&mut self, key: &str, source: SocketAddr, octets: &[u8]) {
        self.current = Some(key.to_string());
        self.feed_sip(source, octets);
        self.current = None;
    }

    fn phone_says(&mut self, key: &str, octets: Vec<u8>) {
        self.current = Some(key.to_string());
        self.feed_sip(phone(), &octets);
        self.current = None;
    }

    fn feed_sip(&mut self, remote: SocketAddr, octets: &[u8]) {
        let flow = Flow::udp(gateway(), remote);
        self.feed(Input::Sip { flow, octets });
    }

    fn forget(&mut self, key: &str) -> Option<Heard> {
        let heard = self.calls.remove(key)?;
        for address in &heard.audio {
            if self.audio.get(address).is_some_and(|owner| owner == key) {
                self.audio.remove(address);
            }
        }
        if let Some(ring) = &heard.ring {
            self.rings.remove(ring.call_id());
        }
        Some(heard)
    }

    fn heard(&mut self, call: CallId) -> Option<&mut Heard> {
        // The first outputs of a call come before its first record.
        let key = self.by_id.get(&call).or(self.current.as_ref())?;
        self.calls.get_mut(key)
    }

    fn fault(&mut self, sip_call_id: String, error: String) {
        self.told.push_back(Told::Error {
            at: self.now,
            sip_call_id,
            error,
        });
    }
}

pub(super) fn gateway() -> SocketAddr {
    GATEWAY.parse().expect("an address")
}

fn phone() -> SocketAddr {
    PHONE.parse().expect("an address")
}

/// A session wants to know how long silence may last; nobody asks it here.
fn no_sockets() -> media::Config {
    media::Config {
        address: gateway().ip(),
        advertise: None,
        ports: 20_000..=20_003,
        silence: Duration::from_secs(3600),
        transcodes: true,
        rtcp_mux: true,
    }
}
