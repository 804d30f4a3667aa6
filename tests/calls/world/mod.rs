//! The world around one engine: a virtual clock, a network that loses and repeats, peers, and helpers that answer
//! (or do not). One seed, one run, always the same.

mod clock;
mod helpers;
mod network;
mod shards;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringward::call::{CallRecord, Config, Engine, Ledger, NoCallBack, TrunkConfig};
use ringward::call_id::CallId;
use ringward::media::Side;
use ringward::policy::Policy;
use ringward::queue::{self, Strategy};
use ringward::sip::Transport;
use ringward::store::Store;

use self::clock::Happening;
use self::helpers::Helpers;
pub use self::helpers::Presses;
use self::network::Network;
use crate::agent::Agent;
use crate::gateway;
pub use crate::gateway::{EPOCH_S, GATEWAY, queue};
use crate::plan::{CallerPlan, PhonePlan};

/// What the media was told.
#[derive(Clone, Debug, Default)]
pub struct MediaLog {
    pub opened: u32,
    pub closed: u32,
    pub described: Vec<(Side, SocketAddr)>,
    /// With which keys; none where the leg is plain.
    pub keys: Vec<(Side, Option<ringward::media::Keys>)>,
    /// By which handshake they come instead.
    pub handshakes: Vec<(Side, Option<ringward::media::dtls::Terms>)>,
    /// Where each side's RTP may come from beside the address that it describes; none: from anywhere.
    pub signalled: [Option<IpAddr>; 2],
    /// Whether each side's leg has one port for RTP and RTCP.
    pub muxed: [bool; 2],
    /// Whether each side sends a fax.
    pub fax: [bool; 2],
    pub is_tapped: bool,
    pub said: Vec<Said>,
    pub hushed: Vec<(Duration, Side)>,
    windows: usize,
}

/// Something the gateway said by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub at: Duration,
    pub side: Side,
    /// Of the recordings.
    pub names: Vec<String>,
    pub is_looped: bool,
    /// Only while the other party sends nothing.
    pub gives_way: bool,
    /// He is to speak when it is over.
    pub is_greeting: bool,
}

pub struct World {
    /// The first shard's, and mostly the only one.
    pub engine: Engine,
    /// What calls to the outside come to, on every shard.
    pub ledger: Ledger,
    /// Further shards.
    pub others: Vec<Engine>,
    /// Messages that went on to the shard that has their dialog.
    pub passed_on: u32,
    /// How long a leg takes from one shard to another.
    pub slow_hand: Duration,
    /// The inbox of this shard has no room: what others tell it is lost.
    pub deaf: Option<u16>,
    transport: Transport,
    has_call_ids: bool,
    pub network: Network,
    pub helpers: Helpers,
    pub agents: BTreeMap<SocketAddr, Agent>,
    pub records: BTreeMap<CallId, Vec<CallRecord>>,
    /// What was live when the world began.
    policy: Arc<Policy>,
    pub media: BTreeMap<CallId, MediaLog>,
    pub counts: BTreeMap<&'static str, u64>,
    /// What became of each wish to call back: why not, if not.
    pub call_backs: Vec<Option<NoCallBack>>,
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
    /// Nothing comes of what the gateway says and listens for.
    pub is_mute: bool,
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
        let policy = Arc::new(policy);
        let ledger = Ledger::default();
        let engine = Engine::new(config, crate::signing::identity(), policy.clone(), octets)
            .with_ledger(ledger.clone());
        World {
            engine,
            ledger,
            others: Vec::new(),
            passed_on: 0,
            slow_hand: Duration::ZERO,
            deaf: None,
            transport,
            has_call_ids: std::env::var_os("CALL_IDS").is_some(),
            network: Network::default(),
            helpers: Helpers::default(),
            agents: BTreeMap::new(),
            records: BTreeMap::new(),
            policy,
            media: BTreeMap::new(),
            counts: BTreeMap::new(),
            call_backs: Vec::new(),
            registrations: Vec::new(),
            fetches: Vec::new(),
            ephemeral: 0,
            refuses_tcp: false,
            asked_of: Vec::new(),
            sent: Vec::new(),
            trace: Vec::new(),
            zone: BTreeMap::new(),
            is_mute: false,
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

    /// Whatever a record says was decided can be decided again from what the store would keep of it, word for word.
    fn decides_again(&self, record: &CallRecord) {
        let kept: CallRecord = serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap();
        for (number, decided) in kept.decisions.iter().enumerate() {
            let Some(facts) = kept.facts_of(number) else {
                panic!("no facts of decision {number}: {record:?}");
            };
            if decided.decision.policy == self.policy.revision() {
                assert_eq!(
                    self.policy.decide(facts),
                    decided.decision,
                    "{number}: {record:?}"
                );
            }
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

    /// BYE on this peer's first line, now.
    pub fn tell_to_hang_up(&mut self, peer: SocketAddr) {
        let line = self.agents[&peer].lines.keys().next().unwrap().clone();
        self.tell_to_ask(peer, &line, "BYE", &[]);
    }

    pub fn after(&mut self, seconds: f64, action: fn(&mut World)) {
        self.schedule(Duration::from_secs_f64(seconds), Happening::Do(action));
    }

    /// Loses the next `count` datagrams whose start line begins with `start`.
    pub fn lose(&mut self, start: &str, count: u32) {
        self.drops.push((start.to_string(), count));
    }
}
