//! All calls of one shard: finds the call that an input belongs to, and keeps their deadlines.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use crate::call_id::CallId;
use crate::flood;
use crate::identity;
use crate::lists::Lookup;
use crate::policy::{Lineup, Policy};
use crate::prompts::Prompts;
use crate::queue::Standing;
use crate::registration::{self, Registrations};
use crate::reputation::Reputations;
use crate::route::Known;
use crate::sip::{
    ClientTxn, Endpoint, EndpointInput, EndpointOutput, Flow, Message, Method, Response, ServerTxn, SipEvent,
    TransportFault,
};
use crate::time::Now;

use super::admission::{Admission, Source};
use super::case::Case;
use super::desk::{Desk, frees};
use super::drill::Drills;
use super::gate::Gate;
use super::index::{Index, Name};
use super::leg::Leg;
use super::logins::{Logins, Repeated};
use super::moved::Moved;
use super::numbers::Numbers;
use super::probing::Probes;
use super::random::Randomness;
use super::refusal::{self, Refusal};
use super::registering::Registering;
use super::registrants::Registrants;
use super::routes::Routes;
use super::stage::{Event, Stage};
use super::stray::Strays;
use super::timers::{Agenda, earlier};
use super::tolls::Ledger;
use super::{Config, Input, Output, TrunkConfig, asked, options, shard, tls_names};

/// One call: what it keeps, and where it is.
pub(super) struct Call {
    pub(super) case: Case,
    pub(super) stage: Stage,
    /// What the agenda has for it.
    pub(super) deadline: Option<Instant>,
}

impl Call {
    /// A request in one of its dialogs came this way.
    fn follow(&mut self, request: &Message, came: &Flow) {
        let invite = &self.case.invite;
        let is_callers = request.call_id() == invite.call_id()
            && request.from_address().tag() == invite.from_address().tag();
        if is_callers {
            self.case.hop.follow(came);
        }
        let legs: [Option<&mut Leg>; 2] = match &mut self.stage {
            Stage::Talking(talking) => [Some(&mut talking.a), Some(&mut talking.b)],
            Stage::Reception(reception) => [reception.a.as_mut(), None],
            _ => [None, None],
        };
        for leg in legs.into_iter().flatten() {
            if leg.dialog.owns(request) {
                leg.hop.follow(came);
            }
        }
    }
}

/// All calls of one shard.
pub struct Engine {
    pub(super) calls: Slab<Call>,
    agenda: Agenda,
    pub(super) desk: Desk,
    pub(super) registering: Registering,
    pub(super) is_draining: bool,
    /// Where the probed targets are is news: looked at with the next input.
    has_probes_to_plan: bool,
    /// Next looks of the transaction layer and of verification.
    deadline: Option<Instant>,
}

impl Engine {
    /// `seed` feeds call ids, tags and branches; the same seed and inputs give the same outputs.
    ///
    /// Trunk ranges and targets that cannot be read match nobody; `config` reports them before.
    pub fn new(config: Config, identity: identity::Engine, policy: Arc<Policy>, seed: [u8; 32]) -> Engine {
        let mut random = Randomness::new(&seed);
        let routes = Routes::new(&config.listeners, &config.queues, &config.trunks);
        let probes = Probes::new(&config.queues, config.shard);
        let mut names = Randomness::new(&random.octets());
        // One shard speaks for all: a carrier wants to hear of us once.
        let registrations: Vec<_> = match config.shard {
            0 => config
                .trunks
                .iter()
                .filter_map(|trunk| trunk.register.clone())
                .collect(),
            _ => Vec::new(),
        };
        let shard = config.shard;
        let registrations = Registrations::new(registrations, &random.octets(), || {
            let mut token = || format!("{:016x}", names.u64());
            (shard::leg_b_call_id(shard, &token()), token())
        });
        let desk = Desk {
            endpoint: Endpoint::new(random.octets(), "Ringward"),
            identity,
            lineup: Arc::new(Lineup::of(policy)),
            lists: Arc::default(),
            reputations: Arc::default(),
            prompts: Arc::new(Prompts::embedded()),
            is_locked_down: false,
            ledger: Ledger::default(),
            queues: config.queues.clone().into(),
            admission: Admission::new(&config.trunks, &config.queues),
            gate: Gate::new(&config, &random.octets()),
            registrants: Registrants::default(),
            logins: Logins::new(&config),
            tls_names: tls_names(&config.trunks, &config.queues),
            service_routes: BTreeMap::new(),
            own_numbers: Arc::new(Numbers::of(&TrunkConfig::default(), &config.country)),
            numbers: config
                .trunks
                .iter()
                .map(|trunk| (trunk.name.clone(), Arc::new(Numbers::of(trunk, &config.country))))
                .collect(),
            usage: crate::queue::Usage::new(&config.queues),
            line: crate::queue::Line::default(),
            is_floor_news: false,
            config,
            index: Index::default(),
            strays: Strays::default(),
            routes,
            probes,
            random,
            outputs: VecDeque::new(),
            errands: VecDeque::new(),
            handed: None,
            moved: Moved::default(),
            flood: flood::Shared::new(flood::CallLimits::default(), flood::SurgeConfig::off()),
            blocks: Arc::new(flood::Blocks::new(Vec::new(), false)),
            drills: Drills::default(),
            ticket: None,
            clock: None,
            call: usize::MAX,
            said: Vec::new(),
        };
        let has_probes_to_plan = desk.probes.is_wanted();
        Engine {
            calls: Slab::new(),
            agenda: Agenda::default(),
            desk,
            registering: Registering::new(registrations),
            is_draining: false,
            has_probes_to_plan,
            deadline: None,
        }
    }

    /// With what the book of policies says, instead of one policy for every call.
    #[must_use]
    pub fn with_policies(mut self, lineup: Arc<Lineup>) -> Engine {
        self.desk.lineup = lineup;
        self
    }

    /// With these recordings, instead of the English ones in the binary.
    #[must_use]
    pub fn with_prompts(mut self, prompts: Arc<Prompts>) -> Engine {
        self.desk.prompts = prompts;
        self
    }

    /// With these lists, instead of empty ones.
    #[must_use]
    pub fn with_lists(mut self, lists: Arc<Lookup>) -> Engine {
        self.desk.lists = lists;
        self
    }

    /// With these reputations, instead of none.
    #[must_use]
    pub fn with_reputations(mut self, reputations: Arc<Reputations>) -> Engine {
        self.desk.reputations = reputations;
        self
    }

    /// With the ledger of calls to the outside that all shards share, instead of its own.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Engine {
        self.desk.ledger = ledger;
        self
    }

    /// In a lockdown since then (Unix ms). After [`Engine::with_registrar`].
    #[must_use]
    pub fn with_lockdown(mut self, since: Option<u64>) -> Engine {
        self.set_lockdown(since);
        self
    }

    /// With these counters of the whole process, instead of some of its own: those have the limits that are the default, and
    /// tell no flood. Before the first input.
    #[must_use]
    pub fn with_flood(mut self, flood: flood::Shared) -> Engine {
        self.desk.flood = flood;
        self
    }

    /// With this table of who is not heard, instead of one that blocks nobody.
    #[must_use]
    pub fn with_blocks(mut self, blocks: Arc<flood::Blocks>) -> Engine {
        self.desk.blocks = blocks;
        self
    }

    /// With these training calls, instead of none.
    #[must_use]
    pub fn with_drills(mut self, drills: Drills) -> Engine {
        self.desk.admission.drill(drills.clone());
        self.desk.drills = drills;
        self
    }

    /// One mutation. Afterwards drain [`Engine::poll_output`] until it says `Timeout`.
    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        self.desk.clock = Some(now);
        self.plan_probes();
        match input {
            Input::Sip { flow, octets } => self.on_octets(flow, octets),
            Input::TransportError { flow, fault, at } => {
                self.desk
                    .endpoint
                    .handle(EndpointInput::TransportError { flow, fault, at }, now);
                self.on_registrant_lost(&flow);
            }
            Input::MediaOpened { call, a, b } => self.tell(call, Event::MediaOpened { a, b }),
            Input::MediaRefused { call } => self.tell(call, Event::MediaRefused),
            Input::Talk { call, talk } => self.tell(call, Event::Talk(talk)),
            Input::SetPrompts(prompts) => self.desk.prompts = prompts,
            Input::MediaSecured { call, side, secured } => {
                self.tell(call, Event::MediaSecured { side, secured });
            }
            Input::MediaSilent { call } => self.tell(call, Event::MediaSilent),
            Input::MediaClosed { call, statistics } => {
                self.tell(call, Event::MediaClosed(Box::new(statistics)))
            }
            Input::Fetched(fetched) => self.desk.identity.fetched(fetched, now),
            Input::Known {
                call,
                history,
                is_reused,
            } => self.tell(call, Event::Known { history, is_reused }),
            Input::Reused { call } => self.tell(call, Event::Reused),
            Input::Scored { call, opinion } => self.tell(call, Event::Scored(Box::new(opinion))),
            Input::ScoringOverloaded { call } => self.tell(call, Event::ScoringOverloaded),
            Input::SetPolicies(lineup) => self.desk.lineup = lineup,
            Input::SetLists(lists) => self.desk.lists = lists,
            Input::SetLockdown(since) => self.set_lockdown(since),
            Input::SetDevices(devices) => self.set_devices(devices),
            Input::SetBound(bound) => self.set_bound(bound),
            Input::SetRoster(roster) => self.set_roster(roster),
            Input::SetReputations(reputations) => self.desk.reputations = reputations,
            Input::HeardBy { call, model } => self.tell(call, Event::HeardBy(model)),
            Input::Repeated { call, recording } => self.tell(call, Event::Repeated(Box::new(recording))),
            Input::SecondShed { call } => self.tell(call, Event::SecondShed),
            Input::SetTrust(trust) => self.desk.identity.replace_trust(*trust),
            Input::Resolved(known) => self.on_resolved(*known),
            Input::LoginHost { host, addresses } => self.desk.logins.learn(&host, &addresses),
            Input::Used(used) => {
                self.desk.usage.take(&used);
                self.desk.is_floor_news |= frees(used.what);
            }
            Input::Stands(standing) => {
                self.desk.line.take(&standing);
                self.desk.is_floor_news |= matches!(standing, Standing::Gone { .. });
            }
            Input::Standing(change) => self.desk.routes.health.take(change, now.instant),
            Input::CallBack(wanted) => self.on_call_back(*wanted),
            Input::Order { call, order } => self.tell(call, Event::Order(Box::new(order))),
            Input::HangUp { call } => self.tell(call, Event::HangUp),
            Input::Drain => {
                self.is_draining = true;
                self.registering.lines.handle(registration::Input::Stop, now);
            }
            Input::ServiceRoute { trunk, route } => self.desk.set_service_route(&trunk, &route),
            Input::Moved {
                sip_call_id,
                shard,
                is_over,
            } => self.on_moved(&sip_call_id, shard, is_over),
            Input::LegAsked(asked) => self.on_leg_asked(asked),
            Input::LegHanded { asker, handed } => self.on_leg_handed(asker, handed),
            Input::Tick => {
                self.desk.moved.tick(now);
                self.desk.endpoint.handle(EndpointInput::Tick, now);
                self.desk.identity.tick(now);
                self.registering.lines.handle(registration::Input::Tick, now);
                self.desk.strays.tick(now);
                self.desk.line.tick(now.instant);
                self.tick_registrations();
            }
        }
        self.desk.tick_probes();
        self.pump();
        for call in self.agenda.due(now.instant) {
            self.dispatch(call, Event::Due);
        }
        self.pump();
        self.wake_the_waiting();
        self.desk.gate.close();
        self.desk.registrants.close();
        // What was taken and came to nothing is counted no more.
        self.desk.ticket = None;
    }

    /// What is to be done, in order; `Timeout` when there is nothing more, with the instant of the next `Tick`.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.desk.outputs.pop_front() {
            return output;
        }
        let calls = earlier(self.agenda.first(), self.desk.strays.deadline());
        let calls = earlier(calls, self.desk.probes.deadline());
        let calls = earlier(calls, self.desk.moved.deadline());
        let calls = earlier(calls, self.desk.registrants.deadline());
        Output::Timeout(earlier(self.deadline, calls))
    }

    /// Whether a message from this address may be handed to the shard that owns its call, unread: a trunk's or a phone's
    /// always, a stranger's only so often (where a trunk may prove itself with a password), and nobody else's.
    pub fn may_cross(&mut self, source: SocketAddr, now: Now) -> bool {
        match self.desk.admission.source(source) {
            Source::Trunk(_) | Source::Phone => true,
            Source::Stranger | Source::Registrant => self.desk.gate.may_cross(source.ip(), now),
            Source::Unknown => false,
        }
    }

    /// Whether a call goes on over this connection: it is to be kept though nothing is said.
    pub fn needs(&self, flow: &Flow) -> bool {
        let mut calls = self.calls.iter();
        self.desk.registrants.bound.has(flow)
            || calls.any(|(_, call)| {
                call.case.hop.is_over(flow) || call.stage.hops().any(|hop| hop.is_over(flow))
            })
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
            challengeable: self.desk.logins.len(),
            waiting: self.desk.routes.waiting(),
            probes: self.desk.probes.under_way(),
            moved: self.desk.moved.len(),
        }
    }

    /// Empties the engines below. What they say may make them say more.
    pub(super) fn pump(&mut self) {
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
            let (registration, was_registering) = self.pump_registrations();
            self.deadline = earlier(earlier(transactions, verification), registration);
            if !was_busy && !was_registering {
                break;
            }
        }
    }

    pub(super) fn pump_identity(&mut self) -> (Option<Instant>, bool) {
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
            SipEvent::PrackMissing { txn } => self.tell_named(&Name::Server(txn), Event::PrackMissing),
            SipEvent::Response { txn, response } if self.desk.strays.owns(txn) => {
                if response.status().is_some_and(|status| status >= 200) {
                    // Nobody wants it any more: a challenge is its end as well.
                    self.desk.logins.forget(txn);
                }
                self.desk.on_stray_response(txn, &response);
            }
            SipEvent::Response { txn, response } => {
                if let Some(repeated) = self.desk.answer_challenge(txn, &response) {
                    let Repeated { sip_call_id, cseq } = repeated;
                    return self.tell_named(&Name::Client(txn), Event::Renumbered { sip_call_id, cseq });
                }
                if self.desk.probes.owns(txn) {
                    let status = response.status().filter(|status| *status >= 200);
                    return status.map_or((), |status| self.desk.on_probe_ended(txn, Some(status)));
                }
                if self.registering.owns(txn) {
                    return self.on_registered(txn, &response);
                }
                self.tell_named(&Name::Client(txn), Event::Response { txn, response });
            }
            SipEvent::TimedOut { txn } => self.on_failed(txn, 408, None),
            SipEvent::TransportFailed { txn, fault } => self.on_failed(txn, 503, Some(fault)),
            SipEvent::ConnectionLost { txn, fault } => {
                self.tell_named(&Name::Client(txn), Event::Lost { txn, fault });
            }
        }
    }

    fn on_failed(&mut self, txn: ClientTxn, status: u16, fault: Option<TransportFault>) {
        self.desk.strays.remove(txn);
        self.desk.logins.forget(txn);
        self.desk.on_probe_ended(txn, None);
        self.on_register_failed(txn, status);
        self.tell_named(&Name::Client(txn), Event::Failed { txn, status, fault });
        // Nothing more comes of it, whoever asked.
        self.desk.index.remove(&Name::Client(txn));
    }

    /// News of where a target is.
    fn on_resolved(&mut self, known: Known) {
        let now = self.desk.now().instant;
        let target = known.target.clone();
        for address in known.located.iter().flat_map(|located| located.addresses()) {
            self.desk.admission.learn(&target, address, now);
        }
        if known.located.is_some() && !known.is_failed {
            self.desk.admission.forget_moved(&target, now);
        }
        let calls = self.desk.routes.learn(known, now);
        self.locate_registrars(&target);
        self.has_probes_to_plan |= self.desk.probes.is_wanted();
        self.plan_probes();
        for call in calls {
            let target = target.clone();
            self.tell(call, Event::Located { target });
        }
    }

    fn plan_probes(&mut self) {
        if std::mem::take(&mut self.has_probes_to_plan) {
            let Desk {
                probes,
                routes,
                random,
                clock,
                ..
            } = &mut self.desk;
            if let Some(now) = clock {
                probes.plan(routes, now.instant, |below| random.u64() % below);
            }
        }
    }

    fn on_request(&mut self, txn: ServerTxn, request: Message, flow: Flow) {
        if let Some(tag) = request.to_address().tag() {
            let name = Name::Tag(tag.to_string());
            return match self.desk.index.call(&name) {
                Some(key) => {
                    if let Some(call) = self.calls.get_mut(key) {
                        call.follow(&request, &flow);
                    }
                    self.dispatch(key, Event::Request { txn, request });
                }
                None => self.on_late_request(txn, &request),
            };
        }
        match request.method() {
            Method::Invite => self.on_invite(txn, request, flow),
            Method::Options => {
                let unknown = options::unknown(&request, &self.desk.config);
                if let Err(refusal) = asked::check(&request) {
                    return self.desk.refuse(txn, &request, &refusal);
                }
                if !unknown.is_empty() {
                    return self.desk.refuse(txn, &request, &Refusal::UnknownOptions(unknown));
                }
                let tag = self.desk.endpoint.token();
                let answer = refusal::capabilities(&request, &self.desk.config).to_tag(&tag);
                self.desk.respond(txn, answer);
            }
            Method::Register if self.on_register(txn, &request, flow) => {}
            Method::Bye | Method::Update | Method::Info | Method::Prack => {
                self.desk.refuse(txn, &request, &Refusal::NoDialog);
            }
            method => self.desk.refuse(txn, &request, &refusal::of_method(&method)),
        }
    }

    /// A request in the dialog of a call that is over, or of none.
    fn on_late_request(&mut self, txn: ServerTxn, request: &Message) {
        let now = self.desk.now();
        if request.method() == Method::Prack && self.desk.endpoint.acknowledges_late(request, now) {
            return self
                .desk
                .respond(txn, Response::new(request, 200, refusal::phrase(200)));
        }
        self.desk.refuse(txn, request, &Refusal::NoDialog);
    }

    pub(super) fn tell(&mut self, id: CallId, event: Event) {
        self.tell_named(&Name::Id(id), event);
    }

    /// Events for calls that are over are dropped.
    fn tell_named(&mut self, name: &Name, event: Event) {
        if let Some(call) = self.desk.index.call(name) {
            self.dispatch(call, event);
        }
    }

    pub(super) fn dispatch(&mut self, key: usize, event: Event) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        self.desk.call = key;
        self.desk.note_event(&event, &call.case);
        let stage = std::mem::replace(&mut call.stage, Stage::Over);
        call.stage = stage.handle(event, &mut call.case, &mut self.desk);
        call.case.settle(&call.stage, &mut self.desk);
        call.case.note_said(&mut self.desk);
        let mut deadline = call.stage.deadline();
        if matches!(call.stage, Stage::Talking(_)) {
            deadline = earlier(deadline, call.case.toll_look());
        }
        self.agenda.set(key, call.deadline, deadline);
        call.deadline = deadline;
        if matches!(call.stage, Stage::Over) {
            self.calls.remove(key);
            for sip_call_id in self.desk.index.forget(key) {
                self.desk.tell_owner(sip_call_id, true);
            }
        }
        self.run_errands();
    }
}

/// What is alive below the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveParts {
    pub transactions: usize,
    pub names: usize,
    pub strays: usize,
    /// Requests of ours that may still be sent again with credentials.
    pub challengeable: usize,
    /// Targets that calls wait to be told of.
    pub waiting: usize,
    /// Probes without a final answer yet.
    pub probes: usize,
    /// Dialogs of this shard's Call-IDs that other shards have.
    pub moved: usize,
}

impl LiveParts {
    /// Of everything: 0 when nothing is going on.
    pub fn sum(&self) -> usize {
        self.transactions + self.names + self.strays + self.challengeable + self.moved
    }
}
