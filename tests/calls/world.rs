//! The world around one engine: a virtual clock, a network that loses and repeats, peers, and helpers that answer
//! (or do not). One seed, one run, always the same.

mod carrying;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use ringward::call::{CallRecord, Config, Counter, Engine, Input, Output, TrunkConfig};
use ringward::call_id::CallId;
use ringward::identity::{FetchFailure, Fetched};
use ringward::media::{Side, Statistics};
use ringward::policy::Policy;
use ringward::queue::{self, Strategy};
use ringward::route::{Known, Located, Server, Service, State, Target};
use ringward::screening::HistoryFacts;
use ringward::sip::{Flow, Transport, TransportFault};
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

#[expect(clippy::large_enum_variant, reason = "a test world keeps few of them")]
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
    pub engine: Engine,
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
                self.tell(Input::Tick);
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
        match self.engine.poll_output() {
            Output::Timeout(at) => at.map(|at| at.saturating_duration_since(self.base)),
            _ => panic!("the engine was drained after the last input"),
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
                self.tell(Input::Sip {
                    flow,
                    octets: &octets,
                });
            }
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
                self.tell(Input::Fetched(Fetched { url, result }));
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
            Happening::Broken(flow) => self.tell(Input::TransportError {
                flow,
                fault: TransportFault::Refused,
            }),
            Happening::Resolved(target) => self.resolve(target),
            Happening::Reused(call) => self.tell(Input::Reused { call }),
            Happening::Scored(call, at) => self.score(call, at),
            Happening::Do(action) => action(self),
        }
    }
}
