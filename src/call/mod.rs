//! One call: two legs, its stages, what crosses between them (B2BUA). Sans-IO.
//!
//! [`Engine`] owns the calls of one shard. It hands octets to the transaction layer, gives each event to the call it
//! belongs to, and says what is to be sent, opened, looked up and shown. The stages do the work (`stage.rs` has the
//! drawing); this file only finds the call.
//!
//! Knows no socket, clock, store or scorer, and not how a decision is made or a banner is worded.

mod admission;
mod case;
mod crossing;
mod decide;
mod desk;
mod ending;
mod error;
mod exchange;
mod facts;
mod gathering;
mod hunting;
mod index;
mod leg;
pub mod limits;
mod offer;
mod random;
pub mod record;
mod refusal;
mod shard;
mod stage;
mod stray;
mod talking;
mod timers;

pub use record::CallRecord;
pub use shard::shard_of;

use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;
use stir_shaken_verify::NumberRules;

use crate::call_id::CallId;
use crate::identity;
use crate::media::{Side, Statistics};
use crate::policy::Policy;
use crate::screening::HistoryFacts;
use crate::sdp::Codec;
use crate::sip::{
    Endpoint, EndpointInput, EndpointOutput, Flow, Message, Method, ServerTxn, SipEvent, Transport,
};
use crate::time::Now;
use crate::voice::Opinion;

use admission::{Admission, Source};
use case::{Case, Media};
use desk::Desk;
use ending::{By, Ending};
use gathering::Gathering;
use index::Name;
use leg::Hop;
use offer::Origin;
use random::Randomness;
use refusal::Refusal;
use stage::{Event, Stage};
use timers::{Agenda, earlier};

/// `[[trunk]]`: who may call in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkConfig {
    pub name: String,
    /// CIDR ranges.
    pub from: Vec<String>,
    pub is_emergency_trusted: bool,
}

/// An address we listen on and what we call it towards others.
#[derive(Clone, Debug)]
pub struct Listener {
    pub transport: Transport,
    pub bound: std::net::SocketAddr,
    /// `host:port` for Via and Contact.
    pub advertised: String,
}

pub struct Config {
    pub listeners: Vec<Listener>,
    pub trunks: Vec<TrunkConfig>,
    pub queues: Vec<crate::queue::Config>,
    /// Media address to put in SDP.
    pub media_address: std::net::IpAddr,
    /// Budget of the fact-gathering stage; default 800 ms.
    pub budget: Duration,
    /// `[api] public_url`
    pub public_url: Option<String>,
    /// For numbers written without a country code.
    pub country: String,
    pub is_voice_on: bool,
    /// Model revision for the records.
    pub model: Option<String>,
    /// This shard and how many there are: leg-B Call-IDs encode the shard.
    pub shard: u16,
    pub shards: u16,
}

pub enum Input<'a> {
    Sip {
        flow: Flow,
        octets: &'a [u8],
    },
    TransportError {
        flow: Flow,
    },
    /// Answer to `OpenMedia`: the two even RTP ports (leg A's side, leg B's side).
    MediaOpened {
        call: CallId,
        a: u16,
        b: u16,
    },
    /// No port left: 503.
    MediaRefused {
        call: CallId,
    },
    /// Neither party sent audio for `[media] silence`.
    MediaSilent {
        call: CallId,
    },
    /// Answer to `CloseMedia`.
    MediaClosed {
        call: CallId,
        statistics: Statistics,
    },
    Fetched(identity::Fetched),
    /// Answer to `Look`; late answers become facts for live policy.
    Known {
        call: CallId,
        history: HistoryFacts,
        is_reused: Option<bool>,
    },
    Scored {
        call: CallId,
        opinion: Opinion,
    },
    /// The scorer could not take a hop.
    ScoringOverloaded {
        call: CallId,
    },
    SetPolicy(Arc<Policy>),
    /// From the API: end this call now.
    HangUp {
        call: CallId,
    },
    /// Stop taking new calls (503); live ones go on.
    Drain,
    Tick,
}

pub enum Output {
    Transmit {
        flow: Flow,
        octets: Vec<u8>,
    },
    OpenMedia {
        call: CallId,
    },
    DescribeMedia {
        call: CallId,
        side: Side,
        audio: std::net::SocketAddr,
        codecs: Vec<(u8, Codec)>,
        telephone_event: Option<u8>,
    },
    /// Start copying the caller's audio to the scorer (on answer, or early media).
    Tap {
        call: CallId,
        on: bool,
    },
    CloseMedia {
        call: CallId,
    },
    Fetch {
        url: String,
    },
    /// Ask the store about the caller and whether this PASSporT was seen in another call.
    Look {
        call: CallId,
        number: Option<String>,
        passport_digest: Option<String>,
        sip_call_id: String,
    },
    /// Something a person could see has changed; the last one of a call has `timings.ended_ms`.
    Changed(Box<CallRecord>),
    Count(Counter),
    Timeout(Option<Instant>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    UnknownSource,
    Malformed,
    InviteReceived,
    CallAnswered,
    CallRefused,
    CallEnded,
}

/// One call: what it keeps, and where it is.
struct Call {
    case: Case,
    stage: Stage,
    /// What the agenda has for it.
    deadline: Option<Instant>,
}

/// All calls of one shard.
pub struct Engine {
    calls: Slab<Call>,
    agenda: Agenda,
    desk: Desk,
    is_draining: bool,
    /// Next looks of the transaction layer and of verification.
    deadline: Option<Instant>,
}

impl Engine {
    /// `seed` feeds call ids, tags and branches; the same seed and inputs give the same outputs.
    ///
    /// Trunk ranges and targets that cannot be read match nobody; `config` reports them before.
    pub fn new(config: Config, identity: identity::Engine, policy: Arc<Policy>, seed: [u8; 32]) -> Engine {
        let mut random = Randomness::new(&seed);
        let desk = Desk {
            endpoint: Endpoint::new(random.octets(), "Ringward"),
            identity,
            policy,
            queues: config.queues.clone().into(),
            rules: NumberRules::new(&config.country).ok(),
            admission: Admission::new(&config.trunks, &config.queues),
            config,
            index: index::Index::default(),
            strays: stray::Strays::default(),
            random,
            outputs: std::collections::VecDeque::new(),
            clock: None,
            call: usize::MAX,
        };
        Engine {
            calls: Slab::new(),
            agenda: Agenda::default(),
            desk,
            is_draining: false,
            deadline: None,
        }
    }

    /// One mutation. Afterwards drain [`Engine::poll_output`] until it says `Timeout`.
    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        self.desk.clock = Some(now);
        match input {
            Input::Sip { flow, octets } => self.on_octets(flow, octets),
            Input::TransportError { flow } => {
                self.desk
                    .endpoint
                    .handle(EndpointInput::TransportError { flow }, now);
            }
            Input::MediaOpened { call, a, b } => self.tell(call, Event::MediaOpened { a, b }),
            Input::MediaRefused { call } => self.tell(call, Event::MediaRefused),
            Input::MediaSilent { call } => self.tell(call, Event::MediaSilent),
            Input::MediaClosed { call, statistics } => self.tell(call, Event::MediaClosed(statistics)),
            Input::Fetched(fetched) => self.desk.identity.fetched(fetched, now),
            Input::Known {
                call,
                history,
                is_reused,
            } => self.tell(call, Event::Known { history, is_reused }),
            Input::Scored { call, opinion } => self.tell(call, Event::Scored(opinion)),
            Input::ScoringOverloaded { call } => self.tell(call, Event::ScoringOverloaded),
            Input::SetPolicy(policy) => self.desk.policy = policy,
            Input::HangUp { call } => self.tell(call, Event::HangUp),
            Input::Drain => self.is_draining = true,
            Input::Tick => {
                self.desk.endpoint.handle(EndpointInput::Tick, now);
                self.desk.identity.tick(now);
                self.desk.strays.tick(now);
            }
        }
        self.pump();
        for call in self.agenda.due(now.instant) {
            self.dispatch(call, Event::Due);
        }
        self.pump();
    }

    /// What is to be done, in order; `Timeout` when there is nothing more, with the instant of the next `Tick`.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.desk.outputs.pop_front() {
            return output;
        }
        let calls = earlier(self.agenda.first(), self.desk.strays.deadline());
        Output::Timeout(earlier(self.deadline, calls))
    }

    /// Calls that are not over, down to the last answer they are owed.
    pub fn live_calls(&self) -> usize {
        self.calls.len()
    }

    /// Transactions alive, names in the index and INVITEs given up on: all 0 when nothing is going on. For leak checks
    /// and metrics.
    pub fn live_parts(&self) -> LiveParts {
        LiveParts {
            transactions: self.desk.endpoint.live_transactions(),
            names: self.desk.index.len(),
            strays: self.desk.strays.len(),
        }
    }

    fn on_octets(&mut self, flow: Flow, octets: &[u8]) {
        if !self.desk.admission.is_known(flow.remote) {
            return self.desk.count(Counter::UnknownSource);
        }
        self.desk
            .endpoint
            .handle(EndpointInput::Received { flow, octets }, self.desk.now());
    }

    /// Empties the engines below. What they say may make them say more.
    fn pump(&mut self) {
        loop {
            let transactions = loop {
                match self.desk.endpoint.poll_output() {
                    EndpointOutput::Transmit { flow, octets } => {
                        self.desk.say(Output::Transmit { flow, octets })
                    }
                    EndpointOutput::Event(event) => self.on_sip(event),
                    EndpointOutput::Timeout(at) => break at,
                }
            };
            let (verification, was_busy) = self.pump_identity();
            self.deadline = earlier(transactions, verification);
            if !was_busy {
                break;
            }
        }
    }

    fn pump_identity(&mut self) -> (Option<Instant>, bool) {
        let mut was_busy = false;
        loop {
            match self.desk.identity.poll_output() {
                identity::Output::Fetch { url } => self.desk.say(Output::Fetch { url }),
                identity::Output::Concluded { call, report } => self.tell(call, Event::Reported(report)),
                identity::Output::Timeout(at) => return (at, was_busy),
            }
            was_busy = true;
        }
    }

    fn on_sip(&mut self, event: SipEvent) {
        match event {
            SipEvent::Request { txn, request, flow } => self.on_request(txn, request, flow),
            SipEvent::Ack { txn, ack } => self.tell_named(&Name::Server(txn), Event::Ack { txn, ack }),
            SipEvent::Cancelled { txn, reason } => {
                self.tell_named(&Name::Server(txn), Event::Cancelled { txn, reason });
            }
            SipEvent::AckMissing { txn } => self.tell_named(&Name::Server(txn), Event::AckMissing { txn }),
            SipEvent::Response { txn, response } if self.desk.strays.owns(txn) => {
                let now = self.desk.now();
                let Desk { strays, endpoint, .. } = &mut self.desk;
                strays.on_response(txn, &response, endpoint, now);
            }
            SipEvent::Response { txn, response } => {
                self.tell_named(&Name::Client(txn), Event::Response { txn, response });
            }
            SipEvent::TimedOut { txn } => self.on_failed(txn, 408),
            SipEvent::TransportFailed { txn } => self.on_failed(txn, 503),
        }
    }

    fn on_failed(&mut self, txn: crate::sip::ClientTxn, status: u16) {
        self.desk.strays.remove(txn);
        self.tell_named(&Name::Client(txn), Event::Failed { txn, status });
    }

    fn on_request(&mut self, txn: ServerTxn, request: Message, flow: Flow) {
        if let Some(tag) = request.to().tag() {
            let name = Name::Tag(tag.to_string());
            return match self.desk.index.call(&name) {
                Some(call) => self.dispatch(call, Event::Request { txn, request }),
                None => self.desk.refuse(txn, &request, &Refusal::NoDialog),
            };
        }
        match request.method() {
            Method::Invite => self.on_invite(txn, request, flow),
            Method::Options => {
                let tag = self.desk.endpoint.token();
                self.desk
                    .respond(txn, refusal::capabilities(&request).to_tag(&tag));
            }
            Method::Bye | Method::Update | Method::Info | Method::Prack => {
                self.desk.refuse(txn, &request, &Refusal::NoDialog);
            }
            method => self.desk.refuse(txn, &request, &refusal::of_method(&method)),
        }
    }

    /// A new call, if it may be one. What is refused here has no record: nothing was asked about it yet.
    fn on_invite(&mut self, txn: ServerTxn, invite: Message, flow: Flow) {
        self.desk.count(Counter::InviteReceived);
        if let Err(refusal) = self.check_invite(&invite, &flow) {
            self.desk.count(Counter::CallRefused);
            return self.desk.refuse(txn, &invite, &refusal);
        }
        let Some(call) = self.open(txn, invite, flow) else {
            return;
        };
        self.dispatch(call, Event::Begun);
    }

    fn check_invite(&self, invite: &Message, flow: &Flow) -> Result<(), Refusal> {
        if self.is_draining || self.calls.len() >= limits::LIVE_CALLS_MAX {
            return Err(Refusal::Busy);
        }
        if !matches!(self.desk.admission.source(flow.remote), Source::Trunk(_)) {
            return Err(Refusal::NotATrunk);
        }
        let unknown = crossing::required(invite);
        if !unknown.is_empty() {
            return Err(Refusal::UnknownOptions(unknown));
        }
        if crossing::hops_left(invite).is_none() {
            return Err(Refusal::TooManyHops);
        }
        if invite.contact().is_none() || invite.from().tag().is_none() {
            return Err(Refusal::BadRequest);
        }
        if self.desk.index.call(&caller_name(invite)).is_some() {
            return Err(Refusal::Merged);
        }
        Ok(())
    }

    /// Makes the call and asks who signed it. `None` when it is over already (no queue, no codec).
    fn open(&mut self, txn: ServerTxn, invite: Message, flow: Flow) -> Option<usize> {
        let desk = &mut self.desk;
        let Source::Trunk(trunk) = desk.admission.source(flow.remote) else {
            return None;
        };
        let hop = Hop::new(flow, desk.listener_of(&flow)?);
        let (called, written) = facts::dialled(invite.request_uri().unwrap_or_default(), desk.rules);
        let queue = crate::queue::find(&desk.queues, &called, &written).map(|queue| queue.name.clone());
        let facts = facts::of_invite(
            &invite,
            trunk,
            &called,
            queue.as_deref().unwrap_or_default(),
            desk.now().unix_ms(),
            desk.config.is_voice_on,
            desk.rules,
        );
        let offer = offer::read(&invite);
        let id = call_id(desk.random.u128(), desk.config.shard);
        let tag = desk.endpoint.token();
        let record = CallRecord::arriving(id, &facts, queue.as_deref(), desk.config.model.as_deref());
        let mut case = Case {
            id,
            arrived: desk.now(),
            invite,
            invite_txn: txn,
            hop,
            tag: tag.clone(),
            offer: None,
            facts,
            is_reported: false,
            looks: 0,
            reuse: None,
            record,
            media: Media::None,
            origin: Origin::new(desk.random.u64()),
            reasons: Vec::new(),
            told: desk.now().instant,
        };

        // What cannot become a call has a record all the same: somebody will ask why it did not ring.
        let refusal = match offer {
            Ok(_) if queue.is_none() => Some((Refusal::NoQueue, "no queue has this number")),
            Ok(offer) => {
                case.offer = offer;
                None
            }
            Err(refusal) => Some((refusal, "the offer cannot be carried")),
        };
        if let Some((refusal, note)) = refusal {
            case.refuse(&refusal, desk);
            desk.count(Counter::CallRefused);
            Ending::failed(refusal.status(), By::Us, note, &mut case, desk);
            return None;
        }

        let deadline = desk.now().instant + desk.config.budget;
        let stage = Stage::Gathering(Gathering {
            deadline,
            has_looked: false,
        });
        let caller = caller_name(&case.invite);
        let key = self.calls.insert(Call {
            case,
            stage,
            deadline: None,
        });
        desk.call = key;
        for name in [Name::Id(id), Name::Server(txn), Name::Tag(tag), caller] {
            desk.name(name);
        }
        desk.identity.begin(id, &self.calls[key].case.invite, desk.now());
        // Without a header, or with the certificate on the shelf, the report is there at once.
        self.pump_identity();
        self.calls.contains(key).then_some(key)
    }

    fn tell(&mut self, id: CallId, event: Event) {
        self.tell_named(&Name::Id(id), event);
    }

    /// Events for calls that are over are dropped.
    fn tell_named(&mut self, name: &Name, event: Event) {
        if let Some(call) = self.desk.index.call(name) {
            self.dispatch(call, event);
        }
    }

    fn dispatch(&mut self, key: usize, event: Event) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        self.desk.call = key;
        let stage = std::mem::replace(&mut call.stage, Stage::Over);
        call.stage = stage.handle(event, &mut call.case, &mut self.desk);
        let deadline = call.stage.deadline();
        self.agenda.set(key, call.deadline, deadline);
        call.deadline = deadline;
        if matches!(call.stage, Stage::Over) {
            self.calls.remove(key);
            self.desk.index.forget(key);
        }
    }
}

/// What is alive below the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveParts {
    pub transactions: usize,
    pub names: usize,
    pub strays: usize,
}

/// The first octet is the shard, so that an id leads to its call without a table.
fn call_id(random: u128, shard: u16) -> CallId {
    let shard = u128::from(shard as u8) << 120;
    CallId((random >> 8) | shard)
}

fn caller_name(invite: &Message) -> Name {
    let tag = invite.from().tag().unwrap_or_default().to_string();
    Name::Caller(invite.call_id().to_string(), tag, invite.cseq().0)
}
