//! The world around the shards: a virtual clock, a network, sockets that hand messages over by Call-ID, media ports,
//! helpers, and the legs of all calls.

mod colleagues;
mod connections;
mod helpers;
mod network;
mod shards;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use ringward::call::{Asker, Engine, Handed, Input, LegAsked, Listener, Output, shard_of};
use ringward::call_id::CallId;
use ringward::identity::{FetchFailure, Fetched, FetchedBody};
use ringward::media::Statistics;
use ringward::policy::{Lineup, Policy};
use ringward::queue::{self, Overflow, Strategy};
use ringward::screening::HistoryFacts;
use ringward::sip::{Flow, Transport, TransportFault, peek_call_id};
use ringward::time::Now;
use ringward::voice::{Label, Opinion, Window};

use crate::chance::Chance;
use crate::gateway::{self, EPOCH_S, GATEWAY};
use crate::ledger::Ledger;
use crate::leg::{Leg, Mark, Plan, Wake, Wish, leg_of};
use crate::plan::{self, Answer, CallerPlan, SECOND, Signature};
use crate::signing;
use crate::strangers;
use crate::trace;
use crate::wire::Message;

/// From one shard's socket to the inbox of another.
const HAND_OVER: u64 = 50;
/// How often the media says that nobody speaks.
const SILENCE: u64 = 60 * SECOND;
/// Longer than a call may last: a day that is not over by then never ends.
const DAY_MAX: u64 = 15 * 3600 * SECOND;
/// Calls the console may pick from.
const RECENT: usize = 12;
/// What one input may make the gateway do.
const OUTPUTS_MAX: u32 = 20_000;
/// Ticks of one shard within one instant before we call it a spin.
const TICKS_MAX: u32 = 64;

/// How the network treats datagrams: per mille, and microseconds.
#[derive(Clone, Debug)]
pub struct Weather {
    pub lost: u64,
    pub repeated: u64,
    /// One character becomes another (towards the gateway only).
    pub garbled: u64,
    pub delay: (u64, u64),
    /// Hosts that are away are told of (ICMP), to everybody who sends there.
    pub tells_of_the_dead: bool,
    /// Nothing at all gets through from here to there.
    pub blackout: Option<(u64, u64)>,
    /// Per mille of the connections we want to open that are refused, or whose handshake fails.
    pub refused: u64,
}

/// How the helpers behave; `None` = never answers. Times in microseconds.
#[derive(Clone, Debug)]
pub struct Helpers {
    pub store: Option<u64>,
    pub fetch: Option<(u64, bool)>,
    pub is_scorer_overloaded: bool,
    /// Per mille of calls that find no media port.
    pub portless: u64,
}

enum Happening {
    /// A datagram comes to the socket of this shard.
    Arrive {
        shard: u16,
        flow: Flow,
        octets: Rc<Vec<u8>>,
        cause: Option<(u32, Mark)>,
        was_handed_over: bool,
        /// Times it was passed on to the shard that has its dialog.
        hops: u8,
    },
    /// What one shard tells another.
    Between(u16, Between),
    /// A message comes to this leg, over the connection if it needs one.
    Reach(u32, Rc<Message>, Option<u64>),
    /// An INVITE for the phone that this flow leads to.
    Ring(Flow, Rc<Message>),
    Wake(u32, Wake),
    Call(u32),
    Known(u16, CallId),
    Fetched(u16, String),
    Scored(u16, CallId, u32),
    Silence(u16, CallId),
    /// This shard hears that a way has been broken since then (µs).
    Broken(u16, Flow, TransportFault, u64),
    /// Some connection breaks; its end is heard of here.
    Cut,
    Closed(u64),
    Stranger,
    HangUp,
    Drain,
    SetPolicy,
}

/// What shards tell each other of calls that are joined.
enum Between {
    Moved(String, u16, bool),
    LegAsked(LegAsked),
    LegHanded(Asker, Option<Box<Handed>>),
}

struct Entry {
    at: (u64, u64),
    happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

struct Shard {
    engine: Engine,
    deadline: Option<u64>,
    ticked: (u64, u32),
}

/// A call's media as the sockets have it.
struct Media {
    a: u16,
    b: u16,
    windows: u32,
    is_tapped: bool,
}

pub struct City {
    pub weather: Weather,
    pub helpers: Helpers,
    pub chance: Chance,
    pub legs: Vec<Leg>,
    pub ledger: Ledger,
    pub now_us: u64,
    pub events: u64,
    pub is_draining: bool,
    shards: Vec<Shard>,
    phones: BTreeMap<SocketAddr, Transport>,
    connections: connections::Connections,
    /// Phones' legs by the Call-ID we rang them with.
    rung: HashMap<String, u32>,
    media: HashMap<CallId, Media>,
    free_ports: VecDeque<u16>,
    ports: usize,
    /// The last calls that came, for the console.
    recent: VecDeque<CallId>,
    happenings: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    base: Instant,
    pending: VecDeque<Pending>,
    trace: DefaultHasher,
}

enum Pending {
    Opened(CallId, u16, u16),
    Refused(CallId),
    Closed(CallId),
}

const PHONES: [(&str, Transport); 6] = [
    ("10.0.0.5:5060", Transport::Udp),
    ("10.0.0.6:5060", Transport::Tcp),
    ("10.0.0.7:5060", Transport::Udp),
    ("10.0.0.8:5061", Transport::Tls),
    ("10.0.0.9:5060", Transport::Udp),
    ("10.0.0.10:5060", Transport::Tcp),
];

/// The gateway's listeners beside that for UDP.
const TLS_GATEWAY: &str = "10.0.0.1:5061";

fn queues(chance: &mut Chance) -> Vec<queue::Config> {
    let targets = |range: std::ops::Range<usize>| -> Vec<String> {
        PHONES[range]
            .iter()
            .map(|(phone, transport)| format!("sip:desk@{phone};transport={transport}"))
            .collect()
    };
    let mut make = |name: &str, number: &str, strategy, range| {
        let mut queue = gateway::queue(name, strategy, &[]);
        queue.numbers = vec![number.into()];
        queue.targets = targets(range);
        queue.ring = Duration::from_millis(chance.between(2000, 8000));
        queue
    };
    let mut desk = make("desk", "+12125550100", Strategy::RingAll, 0..3);
    let mut night = make("night", "+12125550101", Strategy::InOrder, 3..5);
    let lost = make("lost", "+1212555*", Strategy::InOrder, 5..6);
    desk.overflow = Overflow::Queue("night".into());
    night.overflow = Overflow::Reject;
    vec![desk, night, lost]
}

/// The shipped policy, or that with teeth: forged numbers are refused.
fn policy(chance: &mut Chance) -> Policy {
    const SHIPPED: &str = include_str!("../../policies/default.toml");
    let text = match chance.one_in(2) {
        true => SHIPPED.replacen("then = \"label\"", "then = \"refuse\"", 1),
        false => SHIPPED.to_string(),
    };
    Policy::load_without_queues("day.toml", &text).expect("the shipped policy can be read")
}

impl City {
    pub fn new(seed: u64, shards: u16, weather: Weather, helpers: Helpers) -> City {
        let mut chance = Chance::new(seed);
        let queues = queues(&mut chance);
        let policy = Arc::new(policy(&mut chance));
        let session_expires = chance.pick(&[None, Some(90), Some(1800)]);
        let shards = (0..shards)
            .map(|shard| {
                let mut config = gateway::config(queues.clone(), Transport::Udp, (shard, shards));
                config
                    .listeners
                    .extend([(Transport::Tcp, GATEWAY), (Transport::Tls, TLS_GATEWAY)].map(
                        |(transport, address)| Listener {
                            transport,
                            bound: address.parse().unwrap(),
                            advertised: address.into(),
                        },
                    ));
                config.session_expires = session_expires.map(Duration::from_secs);
                config.outbound.from_phones = true;
                let mut octets = [7; 32];
                octets[..8].copy_from_slice(&seed.to_be_bytes());
                octets[8..10].copy_from_slice(&shard.to_be_bytes());
                Shard {
                    engine: Engine::new(config, signing::identity(), policy.clone(), octets),
                    deadline: None,
                    ticked: (0, 0),
                }
            })
            .collect();
        let free_ports: VecDeque<u16> = (20_000..60_000).step_by(2).collect();
        City {
            weather,
            helpers,
            chance,
            legs: Vec::new(),
            ledger: Ledger::default(),
            now_us: 0,
            events: 0,
            is_draining: false,
            shards,
            phones: PHONES
                .iter()
                .map(|(phone, transport)| (phone.parse().unwrap(), *transport))
                .collect(),
            connections: connections::Connections::default(),
            rung: HashMap::new(),
            media: HashMap::new(),
            ports: free_ports.len(),
            free_ports,
            recent: VecDeque::new(),
            happenings: BinaryHeap::new(),
            sequence: 0,
            base: Instant::now(),
            pending: VecDeque::new(),
            trace: DefaultHasher::new(),
        }
    }

    /// A caller who calls at this time (µs).
    pub fn add_caller(&mut self, at: u64, plan: CallerPlan) {
        let id = self.legs.len() as u32;
        let address = SocketAddr::new([203, 0, 113, 1 + (id % 4) as u8].into(), 5060);
        let leg = Leg::caller(id, address, GATEWAY, &number(id), plan);
        self.legs.push(leg);
        self.schedule(at, Happening::Call(id));
    }

    pub fn strangers_at(&mut self, at: u64) {
        self.schedule(at, Happening::Stranger);
    }

    pub fn hang_up_at(&mut self, at: u64) {
        self.schedule(at, Happening::HangUp);
    }

    pub fn cut_at(&mut self, at: u64) {
        self.schedule(at, Happening::Cut);
    }

    pub fn drain_at(&mut self, at: u64) {
        self.schedule(at, Happening::Drain);
    }

    pub fn set_policy_at(&mut self, at: u64) {
        self.schedule(at, Happening::SetPolicy);
    }

    /// Runs until nothing happens any more.
    pub fn run(&mut self) {
        loop {
            let next = self.happenings.peek().map(|Reverse(entry)| entry.at.0);
            let due = (0..self.shards.len())
                .filter_map(|shard| Some((self.shards[shard].deadline?, shard)))
                .min();
            let Some(at) = next.into_iter().chain(due.map(|(at, _)| at)).min() else {
                break;
            };
            assert!(at < DAY_MAX, "the day does not end");
            self.now_us = self.now_us.max(at);
            self.events += 1;
            if next == Some(at) {
                let Some(Reverse(entry)) = self.happenings.pop() else {
                    break;
                };
                self.happen(entry.happening);
            } else if let Some((_, shard)) = due {
                self.tick(shard);
            }
        }
        for shard in &self.shards {
            self.ledger.check_empty(&shard.engine);
        }
        assert_eq!(self.free_ports.len(), self.ports, "media ports leak");
    }

    /// Of everything that went over the network, in order.
    pub fn trace_hash(&self) -> u64 {
        self.trace.finish()
    }

    fn instant(&self, at_us: u64) -> Instant {
        self.base + Duration::from_micros(at_us)
    }

    pub fn now(&self) -> Now {
        let elapsed = Duration::from_micros(self.now_us);
        Now {
            instant: self.base + elapsed,
            utc: UNIX_EPOCH + Duration::from_secs(EPOCH_S) + elapsed,
        }
    }

    fn schedule(&mut self, at: u64, happening: Happening) {
        self.sequence += 1;
        let at = (at, self.sequence);
        self.happenings.push(Reverse(Entry { at, happening }));
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.schedule(self.now_us + delay, happening);
    }
}

/// The number of a caller.
pub fn number(leg: u32) -> String {
    format!("+14042{leg:06}")
}

/// Start line, Call-ID and CSeq, for the trace.
fn head(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let mut lines = text.split("\r\n");
    let start = lines.next().unwrap_or_default().to_string();
    let mut more = String::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        if ["Call-ID:", "CSeq:", "To:"]
            .iter()
            .any(|name| line.starts_with(name))
        {
            more.push_str(" | ");
            more.push_str(line);
        }
    }
    format!("{start}{more}")
}
