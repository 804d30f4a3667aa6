//! The world around one engine: a virtual clock, a network that loses and repeats, peers, and helpers that answer
//! (or do not). One seed, one run, always the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use ringward::call::limits::PASSED_ON_MAX;
use ringward::call::{
    CallRecord, Config, Counter, Engine, Handed, Input, LegAsked, Output, TrunkConfig, shard_of,
};
use ringward::call_id::CallId;
use ringward::identity::{FetchFailure, Fetched};
use ringward::media::{Side, Statistics};
use ringward::policy::Policy;
use ringward::queue::{self, Strategy};
use ringward::route::{Known, Located, Server, Service, State, Target};
use ringward::screening::HistoryFacts;
use ringward::sip::{Flow, Transport, TransportFault, peek_call_id};
use ringward::store::Store;
use ringward::time::Now;
use ringward::voice::{Label, Opinion, Window};

use crate::agent::{Agent, Wake, Wish};
use crate::gateway;
pub use crate::gateway::{EPOCH_S, GATEWAY, queue};
use crate::plan::{CallerPlan, PhonePlan};

/// How long the store remembers a token: twice 60 s of freshness and the margin of `runtime::lookup`.
pub const TOKEN_WINDOW_MS: u64 = 180_000;

/// How the network treats datagrams, in per mille and milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    pub lost: u64,
    pub repeated: u64,
    /// One character of the datagram becomes another (towards the gateway only).
    pub garbled: u64,
    pub delay_ms: (u64, u64),
}

impl Default for Network {
    fn default() -> Network {
        Network {
            lost: 0,
            repeated: 0,
            garbled: 0,
            delay_ms: (1, 1),
        }
    }
}

/// How the helpers behave.
#[derive(Clone, Debug)]
pub struct Helpers {
    /// The store answers after this long, with this; `None` = never.
    pub store: Option<(Duration, HistoryFacts)>,
    /// The certificate host; `None` = never answers.
    pub fetch: Option<(Duration, Result<Vec<u8>, FetchFailure>)>,
    /// One window a second, from the answer on.
    pub windows: Vec<f32>,
    pub is_scorer_overloaded: bool,
    pub has_ports: bool,
}

impl Default for Helpers {
    fn default() -> Helpers {
        let history = HistoryFacts {
            is_available: true,
            ..HistoryFacts::default()
        };
        Helpers {
            store: Some((Duration::from_millis(2), history)),
            fetch: Some((
                Duration::from_millis(50),
                Ok(crate::signing::signer().chain_pem.clone().into_bytes()),
            )),
            windows: Vec::new(),
            is_scorer_overloaded: false,
            has_ports: true,
        }
    }
}

enum Happening {
    Arrive {
        to: SocketAddr,
        from: SocketAddr,
        octets: Vec<u8>,
    },
    Wake {
        agent: SocketAddr,
        wake: Wake,
    },
    Opened(CallId),
    Closed(CallId),
    Fetched(String),
    Known(CallId, bool),
    Reused(CallId),
    Scored(CallId, usize),
    Resolved(Target),
    Broken(Flow),
    Call(SocketAddr, CallerPlan),
    Do(fn(&mut World)),
    /// From one shard to another.
    Told(u16, Between),
}

/// What shards tell each other.
enum Between {
    /// A datagram that this shard received or was told, with how often it was sent on.
    Sip(Flow, Vec<u8>, u8),
    Moved(String, u16, bool),
    LegAsked(LegAsked),
    LegHanded(CallId, Option<Box<Handed>>),
}

/// What the media was told.
#[derive(Clone, Debug, Default)]
pub struct MediaLog {
    pub opened: u32,
    pub closed: u32,
    pub described: Vec<(Side, SocketAddr)>,
    pub is_tapped: bool,
    windows: usize,
}

pub struct World {
    /// The first shard's, and mostly the only one.
    pub engine: Engine,
    /// Further shards.
    pub others: Vec<Engine>,
    /// Messages that went on to the shard that has their dialog.
    pub passed_on: u32,
    /// The inbox of this shard has no room: what others tell it is lost.
    pub deaf: Option<u16>,
    transport: Transport,
    has_call_ids: bool,
    pub network: Network,
    pub helpers: Helpers,
    pub agents: BTreeMap<SocketAddr, Agent>,
    pub records: BTreeMap<CallId, Vec<CallRecord>>,
    pub media: BTreeMap<CallId, MediaLog>,
    pub counts: BTreeMap<&'static str, u64>,
    pub registrations: Vec<ringward::registration::State>,
    pub fetches: Vec<String>,
    /// TCP peers open their connections from a port of their system's choice: this much above the one they listen on.
    pub ephemeral: u16,
    /// Nobody listens on TCP: connections of ours are refused.
    pub refuses_tcp: bool,
    /// Requests of ours: where to, over which connection, and the method.
    pub asked_of: Vec<(SocketAddr, Option<u64>, String)>,
    /// Everything the gateway sent, as it left.
    pub sent: Vec<(SocketAddr, Vec<u8>)>,
    pub trace: Vec<String>,
    /// What the name service says, by host: where it is (`udp:10.0.0.5:5060`), the first preferred. A host that is not in
    /// it does not exist.
    pub zone: BTreeMap<String, Vec<String>>,
    pub zone_delay: Duration,
    /// Nobody listens there.
    pub refuses_connections: Vec<SocketAddr>,
    /// Hosts that calls asked for.
    pub asked_where: Vec<String>,
    /// Addresses that went down or came up, with the reason.
    pub standings: Vec<String>,
    /// The store itself, for the tokens: it is asked with the virtual clock.
    store: Arc<dyn Store>,
    queue: BTreeMap<(Duration, u64), Happening>,
    sequence: u64,
    now: Duration,
    base: Instant,
    random: u64,
    next_port: u16,
    callers: u16,
    /// Header lines put into every message towards the gateway, by the address it comes from.
    pub dress: Option<fn(SocketAddr, &mut u64) -> Vec<String>>,
    /// Drops of a chosen kind: `drop_next("ACK")` loses the next datagram whose start line begins so.
    pub drops: Vec<(String, u32)>,
    /// What came to addresses where no agent lives.
    collected: BTreeMap<SocketAddr, Vec<crate::wire::Message>>,
}

fn gateway_address() -> SocketAddr {
    GATEWAY.parse().unwrap()
}

/// One queue with one phone at 10.0.0.5.
pub fn one_desk() -> Vec<queue::Config> {
    vec![queue("desk", Strategy::RingAll, &["sip:desk@10.0.0.5:5060"])]
}

impl World {
    pub fn new(queues: Vec<queue::Config>, seed: u64) -> World {
        World::with_policy(queues, seed, Policy::embedded())
    }

    pub fn with_policy(queues: Vec<queue::Config>, seed: u64, policy: Policy) -> World {
        World::with_everything(queues, seed, policy, Transport::Udp, (0, 1))
    }

    pub fn over_tcp(queues: Vec<queue::Config>, seed: u64) -> World {
        World::with_everything(queues, seed, Policy::embedded(), Transport::Tcp, (0, 1))
    }

    /// With another trunk "carrier" than the plain one.
    pub fn with_trunk(
        queues: Vec<queue::Config>,
        seed: u64,
        policy: Policy,
        change: impl FnOnce(&mut TrunkConfig),
    ) -> World {
        World::with_config(queues, seed, policy, |config| change(&mut config.trunks[0]))
    }

    pub fn with_config(
        queues: Vec<queue::Config>,
        seed: u64,
        policy: Policy,
        change: impl FnOnce(&mut Config),
    ) -> World {
        World::build(queues, seed, policy, Transport::Udp, (0, 1), change)
    }

    pub fn with_everything(
        queues: Vec<queue::Config>,
        seed: u64,
        policy: Policy,
        transport: Transport,
        shards: (u16, u16),
    ) -> World {
        World::build(queues, seed, policy, transport, shards, |_| {})
    }

    /// As many shards as one process may have; a datagram comes to the one that its Call-ID names.
    pub fn with_shards(
        queues: Vec<queue::Config>,
        seed: u64,
        shards: u16,
        change: impl Fn(&mut Config),
    ) -> World {
        let build = |shard: u16, seed: u64| {
            World::build(
                queues.clone(),
                seed,
                Policy::embedded(),
                Transport::Udp,
                (shard, shards),
                &change,
            )
        };
        let others = (1..shards).map(|shard| build(shard, seed + 1000 * u64::from(shard)).engine);
        World {
            others: others.collect(),
            ..build(0, seed)
        }
    }

    fn build(
        queues: Vec<queue::Config>,
        seed: u64,
        policy: Policy,
        transport: Transport,
        (shard, shards): (u16, u16),
        change: impl FnOnce(&mut Config),
    ) -> World {
        let mut config = gateway::config(queues, transport, (shard, shards));
        change(&mut config);
        let mut octets = [7; 32];
        octets[..8].copy_from_slice(&seed.to_be_bytes());
        let engine = Engine::new(config, crate::signing::identity(), Arc::new(policy), octets);
        World {
            engine,
            others: Vec::new(),
            passed_on: 0,
            deaf: None,
            transport,
            has_call_ids: std::env::var_os("CALL_IDS").is_some(),
            network: Network::default(),
            helpers: Helpers::default(),
            agents: BTreeMap::new(),
            records: BTreeMap::new(),
            media: BTreeMap::new(),
            counts: BTreeMap::new(),
            registrations: Vec::new(),
            fetches: Vec::new(),
            ephemeral: 0,
            refuses_tcp: false,
            asked_of: Vec::new(),
            sent: Vec::new(),
            trace: Vec::new(),
            zone: BTreeMap::new(),
            zone_delay: Duration::from_millis(20),
            refuses_connections: Vec::new(),
            asked_where: Vec::new(),
            standings: Vec::new(),
            store: ringward::store::open(&ringward::store::Config {
                url: "sqlite::memory:".into(),
            })
            .expect("a store in memory"),
            queue: BTreeMap::new(),
            sequence: 0,
            now: Duration::ZERO,
            base: Instant::now(),
            // Neighbouring seeds must not give similar days (splitmix64's first step); xorshift must not start at 0.
            random: seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            next_port: 20_000,
            callers: 0,
            drops: Vec::new(),
            collected: BTreeMap::new(),
            dress: None,
        }
    }

    /// What came to an address where no agent lives, since the last look.
    pub fn collected(&mut self, address: SocketAddr) -> Vec<crate::wire::Message> {
        self.collected.remove(&address).unwrap_or_default()
    }

    pub fn phone(&mut self, address: &str, plan: PhonePlan) -> SocketAddr {
        let address: SocketAddr = address.parse().unwrap();
        self.agents
            .insert(address, Agent::new(address, GATEWAY.parse().unwrap(), plan));
        address
    }

    /// A caller on the trunk, who calls now.
    pub fn call(&mut self, plan: CallerPlan) -> SocketAddr {
        self.call_after(0.0, plan)
    }

    pub fn call_after(&mut self, seconds: f64, plan: CallerPlan) -> SocketAddr {
        self.callers += 1;
        let address = SocketAddr::new("203.0.113.7".parse().unwrap(), 10_000 + self.callers);
        self.call_from(address, seconds, plan);
        address
    }

    pub fn call_from(&mut self, address: SocketAddr, seconds: f64, plan: CallerPlan) {
        let agent = Agent::new(address, GATEWAY.parse().unwrap(), PhonePlan::answers_after(0.0));
        self.agents.insert(address, agent);
        self.schedule(Duration::from_secs_f64(seconds), Happening::Call(address, plan));
    }

    /// A phone that is there already makes a call.
    pub fn calls_after(&mut self, seconds: f64, address: SocketAddr, plan: CallerPlan) {
        self.schedule(Duration::from_secs_f64(seconds), Happening::Call(address, plan));
    }

    /// A request inside one of this peer's calls, now.
    pub fn tell_to_ask(&mut self, peer: SocketAddr, line: &str, method: &str, headers: &[(&str, String)]) {
        let agent = self.agents.get_mut(&peer).expect("a peer");
        agent.request(line, method, headers, None);
        self.grant(peer);
    }

    pub fn after(&mut self, seconds: f64, action: fn(&mut World)) {
        self.schedule(Duration::from_secs_f64(seconds), Happening::Do(action));
    }

    /// Loses the next `count` datagrams whose start line begins with `start`.
    pub fn lose(&mut self, start: &str, count: u32) {
        self.drops.push((start.to_string(), count));
    }

    pub fn now(&self) -> Now {
        Now {
            instant: self.base + self.now,
            utc: UNIX_EPOCH + Duration::from_secs(EPOCH_S) + self.now,
        }
    }

    /// Runs until nothing happens any more, or `limit` seconds of virtual time have passed.
    pub fn run_for(&mut self, limit: f64) {
        let end = self.now + Duration::from_secs_f64(limit);
        loop {
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let timer = self.timer();
            let Some(at) = [next, timer].into_iter().flatten().min() else {
                return;
            };
            if at > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(at);
            if next == Some(at) {
                let (_, happening) = self.queue.pop_first().unwrap();
                self.happen(happening);
            } else {
                for shard in 0..=self.others.len() as u16 {
                    if self.timer_of(shard) == Some(at) {
                        self.tell_shard(shard, Input::Tick);
                    }
                }
            }
        }
    }

    /// Runs a call, and all that it leaves behind, to its end; then checks what must hold in every run.
    pub fn run(&mut self) {
        self.run_for(400.0);
        self.check();
    }

    /// A number below `bound`, from the seed (xorshift64*).
    pub fn dice(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn timer(&mut self) -> Option<Duration> {
        (0..=self.others.len() as u16)
            .filter_map(|shard| self.timer_of(shard))
            .min()
    }

    fn timer_of(&mut self, shard: u16) -> Option<Duration> {
        let base = self.base;
        match self.shard(shard).poll_output() {
            Output::Timeout(at) => at.map(|at| at.saturating_duration_since(base).max(self.now)),
            _ => panic!("the engine was drained after the last input"),
        }
    }

    fn shard(&mut self, shard: u16) -> &mut Engine {
        match shard {
            0 => &mut self.engine,
            shard => &mut self.others[usize::from(shard) - 1],
        }
    }

    /// A world with one engine has all calls there, whichever shard it was told to be.
    fn shard_of_call(&self, call: CallId) -> u16 {
        match self.others.len() {
            0 => 0,
            _ => (call.0 >> 120) as u16,
        }
    }

    /// What one shard tells another, as `runtime::shard` does: at once, but after what is being done.
    fn tell_between(&mut self, shard: u16, between: Between) {
        self.schedule(Duration::ZERO, Happening::Told(shard, between));
    }

    fn told(&mut self, shard: u16, between: Between) {
        match between {
            Between::Sip(flow, octets, hops) => {
                let now = self.now();
                let elsewhere = match hops {
                    ..PASSED_ON_MAX => self.shard(shard).passes_on(&flow, &octets, now),
                    _ => None,
                };
                match elsewhere {
                    Some(other) => {
                        self.passed_on += 1;
                        self.note(format!("shard {shard} passes on to {other}"));
                        self.tell_between(other, Between::Sip(flow, octets, hops + 1));
                    }
                    None => {
                        let octets = &octets;
                        self.tell_shard(shard, Input::Sip { flow, octets });
                    }
                }
            }
            Between::Moved(sip_call_id, holder, is_over) => {
                let shard_told = shard;
                let shard = holder;
                self.tell_shard(
                    shard_told,
                    Input::Moved {
                        sip_call_id,
                        shard,
                        is_over,
                    },
                );
            }
            Between::LegAsked(asked) => self.tell_shard(shard, Input::LegAsked(asked)),
            Between::LegHanded(call, handed) => self.tell_shard(shard, Input::LegHanded { call, handed }),
        }
    }

    fn schedule(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), happening);
    }

    fn note(&mut self, line: String) {
        // The last ten thousand lines say why a run failed; more would only be memory.
        if self.trace.len() < 100_000 {
            self.trace.push(format!("{:9.3} {line}", self.now.as_secs_f64()));
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive { to, from, octets } if to == GATEWAY.parse().unwrap() => {
                let connection = (self.transport == Transport::Tcp).then(|| u64::from(from.port()));
                let flow = Flow {
                    transport: self.transport,
                    local: to,
                    remote: SocketAddr::new(from.ip(), from.port() + self.ephemeral),
                    connection,
                    peer: None,
                };
                let shards = self.others.len() as u16 + 1;
                let owner = peek_call_id(&octets).map_or(0, |id| shard_of(id, shards));
                self.told(owner, Between::Sip(flow, octets, 0));
            }
            Happening::Told(shard, between) => self.told(shard, between),
            Happening::Arrive { to, octets, .. } => {
                if let Some(agent) = self.agents.get_mut(&to) {
                    agent.receive(&octets);
                    self.grant(to);
                } else {
                    let message = crate::wire::Message::read(&octets);
                    self.collected.entry(to).or_default().push(message);
                }
            }
            Happening::Wake { agent: address, wake } => {
                if let Some(agent) = self.agents.get_mut(&address) {
                    agent.wake(wake);
                    self.grant(address);
                }
            }
            Happening::Call(address, plan) => {
                if let Some(agent) = self.agents.get_mut(&address) {
                    agent.call(plan);
                    self.grant(address);
                }
            }
            Happening::Opened(call) => {
                if !self.helpers.has_ports {
                    self.media.remove(&call);
                    return self.tell(Input::MediaRefused { call });
                }
                let a = self.next_port;
                self.next_port = if self.next_port > 60_000 {
                    20_000
                } else {
                    self.next_port + 4
                };
                self.tell(Input::MediaOpened { call, a, b: a + 2 });
            }
            Happening::Closed(call) => {
                self.tell(Input::MediaClosed {
                    call,
                    statistics: Statistics::default(),
                });
            }
            Happening::Fetched(url) => {
                let Some((_, result)) = self.helpers.fetch.clone() else {
                    return;
                };
                let result = result.map(|pem| ringward::identity::FetchedBody {
                    pem: pem.into(),
                    max_age: None,
                });
                for shard in 0..=self.others.len() as u16 {
                    let (url, result) = (url.clone(), result.clone());
                    self.tell_shard(shard, Input::Fetched(Fetched { url, result }));
                }
            }
            Happening::Known(call, is_reused) => {
                let Some((_, history)) = self.helpers.store.clone() else {
                    return;
                };
                self.tell(Input::Known {
                    call,
                    history,
                    is_reused: Some(is_reused),
                });
            }
            Happening::Broken(flow) => {
                for shard in 0..=self.others.len() as u16 {
                    let fault = TransportFault::Refused;
                    self.tell_shard(shard, Input::TransportError { flow, fault });
                }
            }
            Happening::Resolved(target) => self.resolve(target),
            Happening::Reused(call) => self.tell(Input::Reused { call }),
            Happening::Scored(call, at) => self.score(call, at),
            Happening::Do(action) => action(self),
        }
    }

    /// The name service's word on a target, from the zone.
    pub fn resolve(&mut self, target: Target) {
        let servers = self.zone.get(target.host()).cloned();
        let servers = servers.or_else(|| Some(vec![target.literal()?.to_string()]));
        let services = servers
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(priority, server)| {
                let (transport, address) = server.split_once(':').unwrap();
                let address: SocketAddr = address.parse().unwrap();
                Service {
                    transport: if transport == "tcp" {
                        Transport::Tcp
                    } else {
                        Transport::Udp
                    },
                    servers: vec![Server {
                        priority: priority as u16,
                        weight: 0,
                        port: address.port(),
                        addresses: vec![address.ip()],
                    }],
                }
            });
        let services: Vec<Service> = services.collect();
        let ttl = Duration::from_secs(60);
        let located = (!services.is_empty()).then(|| Arc::new(Located { services, ttl }));
        let until = self.now().instant + ttl;
        for shard in 0..=self.others.len() as u16 {
            let known = Known {
                target: target.clone(),
                located: located.clone(),
                until,
                is_failed: false,
            };
            self.tell_shard(shard, Input::Resolved(Box::new(known)));
        }
    }

    /// The same for a host, unasked: what the background look-up tells every shard.
    pub fn locate(&mut self, uri: &str) {
        let uri = ringward::sip::Uri::parse(uri).unwrap();
        self.resolve(Target::of(&uri).unwrap());
    }

    fn score(&mut self, call: CallId, at: usize) {
        let is_tapped = self.media.get(&call).is_some_and(|media| media.is_tapped);
        if !is_tapped {
            return;
        }
        if self.helpers.is_scorer_overloaded {
            return self.tell(Input::ScoringOverloaded { call });
        }
        let Some(llr) = self.helpers.windows.get(at).copied() else {
            return;
        };
        let total: f32 = self.helpers.windows[..=at].iter().sum();
        let seconds = at as f32 + 1.0;
        let label = match total {
            total if total <= -3.0 => Label::Spoof,
            total if total >= 3.0 => Label::BonaFide,
            _ => Label::Unsure,
        };
        let opinion = Opinion {
            llr: total,
            label,
            seconds,
            speech_seconds: seconds,
            window: Some(Window { at: seconds, llr }),
            ..Opinion::nothing_heard()
        };
        self.tell(Input::Scored { call, opinion });
        self.schedule(Duration::from_secs(1), Happening::Scored(call, at + 1));
    }

    /// To the shard of the call it is about, or to the first.
    pub fn tell(&mut self, input: Input<'_>) {
        let shard = match &input {
            Input::MediaOpened { call, .. }
            | Input::MediaRefused { call }
            | Input::MediaClosed { call, .. }
            | Input::MediaSilent { call }
            | Input::Known { call, .. }
            | Input::Reused { call }
            | Input::Scored { call, .. }
            | Input::ScoringOverloaded { call }
            | Input::HangUp { call } => self.shard_of_call(*call),
            _ => 0,
        };
        self.tell_shard(shard, input);
    }

    pub fn tell_shard(&mut self, shard: u16, input: Input<'_>) {
        let now = self.now();
        self.shard(shard).handle(input, now);
        loop {
            match self.shard(shard).poll_output() {
                Output::Timeout(_) => return,
                output => self.carry_out(output),
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit { flow, octets } => {
                let method = String::from_utf8_lossy(&octets)
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .to_string();
                self.asked_of.push((flow.remote, flow.connection, method));
                let is_refused =
                    flow.transport == Transport::Tcp && flow.connection.is_none() && self.refuses_tcp;
                if is_refused || self.refuses_connections.contains(&flow.remote) {
                    return self.schedule(Duration::from_millis(1), Happening::Broken(flow));
                }
                self.sent.push((flow.remote, octets.clone()));
                // An open connection leads to its peer, whatever the address.
                let port = match flow.connection {
                    Some(listening) if self.ephemeral > 0 => listening as u16,
                    _ => flow.remote.port(),
                };
                self.send(flow.local, SocketAddr::new(flow.remote.ip(), port), octets);
            }
            Output::Resolve { target } => {
                self.note(format!("where is {target}"));
                self.asked_where.push(target.to_string());
                self.schedule(self.zone_delay, Happening::Resolved(target));
            }
            Output::Standing(change) => {
                self.note(format!("{} {:?}", change.candidate, change.state));
                self.standings.push(match change.state {
                    State::Up => format!("{} up", change.candidate),
                    State::Down { cause, .. } => format!("{} {}", change.candidate, cause.name()),
                });
            }
            Output::OpenMedia { call } => {
                self.media.entry(call).or_default().opened += 1;
                self.schedule(Duration::ZERO, Happening::Opened(call));
            }
            Output::DescribeMedia {
                call, side, audio, ..
            } => {
                self.media.entry(call).or_default().described.push((side, audio));
            }
            Output::Attend { .. } => {}
            Output::Tap { call, on } => {
                let media = self.media.entry(call).or_default();
                media.is_tapped = on;
                if on && media.windows == 0 {
                    media.windows = 1;
                    self.schedule(Duration::from_secs(1), Happening::Scored(call, 0));
                }
            }
            Output::CloseMedia { call } => {
                self.media.entry(call).or_default().closed += 1;
                self.schedule(Duration::ZERO, Happening::Closed(call));
            }
            Output::Fetch { url } => {
                self.note(format!("fetch {url}"));
                self.fetches.push(url.clone());
                if let Some((after, _)) = &self.helpers.fetch {
                    self.schedule(*after, Happening::Fetched(url));
                }
            }
            Output::Look {
                call,
                passport_digest,
                ..
            } => {
                let now_ms = self.now().unix_ms();
                let is_reused = passport_digest.is_some_and(|digest| {
                    let seen = self.store.token_seen(&digest, call, now_ms, TOKEN_WINDOW_MS);
                    seen.expect("the store answers")
                });
                if let Some((after, _)) = &self.helpers.store {
                    self.schedule(*after, Happening::Known(call, is_reused));
                }
            }
            Output::Answered {
                call,
                passport_digest,
                is_question,
            } => {
                let now_ms = self.now().unix_ms();
                let was_used = self
                    .store
                    .token_answered(&passport_digest, call, now_ms, TOKEN_WINDOW_MS)
                    .expect("the store answers");
                if let (true, Some((after, _))) = (was_used && is_question, &self.helpers.store) {
                    self.schedule(*after, Happening::Reused(call));
                }
            }
            Output::Changed(record) => {
                let label = record.banner.as_ref().map(|banner| banner.label);
                self.note(format!(
                    "record {:?} {:?} {label:?}",
                    record.state, record.revision
                ));
                let of_call = self.records.entry(record.id).or_default();
                of_call.push(Arc::unwrap_or_clone(record));
            }
            Output::Registration(state) => {
                self.note(format!("registration {state:?}"));
                self.registrations.push(*state);
            }
            Output::Count(counter) => {
                let name = match counter {
                    Counter::UnknownSource => "unknown source",
                    Counter::Malformed => "malformed",
                    Counter::InviteReceived => "invite",
                    Counter::CallAnswered => "answered",
                    Counter::CallRefused => "refused",
                    Counter::CallEnded => "ended",
                    Counter::Overloaded(_) => "overloaded",
                    Counter::Challenged => "challenged",
                    Counter::ProofStale => "proof stale",
                    Counter::ProofWrong => "proof wrong",
                    Counter::Proven => "proven",
                    Counter::StrangerIgnored => "stranger ignored",
                    Counter::FailedOver => "failed over",
                    Counter::Redirected => "redirected",
                    Counter::RedirectRefused => "redirect refused",
                    Counter::ProbeAnswered => "probe answered",
                    Counter::ProbeUnanswered => "probe unanswered",
                    Counter::CallTransferred => "transferred",
                    Counter::TransferRefused => "transfer refused",
                };
                *self.counts.entry(name).or_default() += 1;
            }
            Output::Moved {
                owner,
                sip_call_id,
                shard,
                is_over,
            } => self.tell_between(owner, Between::Moved(sip_call_id, shard, is_over)),
            // What cannot be told comes back to the shard that said it.
            Output::AskForLeg { shard, asked } if self.deaf == Some(shard) => {
                let asker = asked.asker();
                let own = self.shard_of_call(asker);
                self.tell_between(own, Between::LegHanded(asker, None));
            }
            Output::AskForLeg { shard, asked } => self.tell_between(shard, Between::LegAsked(asked)),
            Output::HandLeg { call, handed } => {
                let shard = self.shard_of_call(call);
                let to = match self.deaf {
                    // With two shards the other one.
                    Some(deaf) if deaf == shard => 1 - shard,
                    _ => shard,
                };
                self.tell_between(to, Between::LegHanded(call, handed));
            }
            Output::Timeout(_) => {}
        }
    }

    fn grant(&mut self, address: SocketAddr) {
        let Some(agent) = self.agents.get_mut(&address) else {
            return;
        };
        for wish in agent.wishes() {
            match wish {
                Wish::Send(octets) => self.send(address, GATEWAY.parse().unwrap(), octets),
                Wish::Wake(after, wake) => self.schedule(after, Happening::Wake { agent: address, wake }),
            }
        }
    }

    /// The network.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, mut octets: Vec<u8>) {
        if let (Some(dress), true) = (self.dress, to == gateway_address()) {
            let mut text = String::from_utf8(octets).expect("peers write text");
            let end = text.find("\r\n\r\n").expect("a blank line ends the headers");
            let lines = dress(from, &mut self.random);
            text.insert_str(
                end,
                &lines.iter().map(|line| format!("\r\n{line}")).collect::<String>(),
            );
            octets = text.into_bytes();
        }
        let start = String::from_utf8_lossy(&octets)
            .split("\r\n")
            .next()
            .unwrap_or_default()
            .to_string();
        let text = String::from_utf8_lossy(&octets).into_owned();
        let header = |name: &str| {
            text.split("\r\n")
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
        };
        let (cseq, call_id) = (header("CSeq: "), header("Call-ID: "));
        // `CALL_IDS=1` makes one call of a busy day findable.
        let call_id = if self.has_call_ids {
            format!(" {call_id}")
        } else {
            String::new()
        };
        self.note(format!("{from} > {to} {start} [{cseq}]{call_id}"));
        if let Some(drop) = self
            .drops
            .iter_mut()
            .find(|(prefix, left)| *left > 0 && start.starts_with(prefix.as_str()))
        {
            drop.1 -= 1;
            return self.note("  lost on purpose".into());
        }
        if self.network.lost > 0 && self.dice(1000) < self.network.lost {
            return self.note("  lost".into());
        }
        if self.network.garbled > 0 && to == gateway_address() && self.dice(1000) < self.network.garbled {
            let at = self.dice(octets.len() as u64) as usize;
            octets[at] = b' ' + self.dice(95) as u8;
            self.note(format!("  garbled at {at}"));
        }
        let (least, most) = self.network.delay_ms;
        let copies = if self.network.repeated > 0 && self.dice(1000) < self.network.repeated {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = least
                + if most > least {
                    self.dice(most - least + 1)
                } else {
                    0
                };
            let happening = Happening::Arrive {
                to,
                from,
                octets: octets.clone(),
            };
            self.schedule(Duration::from_millis(delay), happening);
        }
    }
}
