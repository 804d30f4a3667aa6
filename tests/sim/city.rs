//! The world around the shards: a virtual clock, a network, sockets that hand messages over by Call-ID, media ports,
//! helpers, and the legs of all calls.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use ringward::call::{Engine, Input, Output, shard_of};
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
        from: SocketAddr,
        octets: Rc<Vec<u8>>,
        cause: Option<(u32, Mark)>,
        was_handed_over: bool,
    },
    Reach(u32, Rc<Message>),
    /// An INVITE for the phone at this address.
    Ring(SocketAddr, Rc<Message>),
    Wake(u32, Wake),
    Call(u32),
    Known(u16, CallId),
    Fetched(u16, String),
    Scored(u16, CallId, u32),
    Silence(u16, CallId),
    Unreachable(u16, Flow),
    Stranger,
    HangUp,
    Drain,
    SetPolicy,
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
    phones: BTreeSet<SocketAddr>,
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

const PHONES: [&str; 6] = [
    "10.0.0.5:5060",
    "10.0.0.6:5060",
    "10.0.0.7:5060",
    "10.0.0.8:5060",
    "10.0.0.9:5060",
    "10.0.0.10:5060",
];

fn queues(chance: &mut Chance) -> Vec<queue::Config> {
    let targets = |range: std::ops::Range<usize>| -> Vec<String> {
        PHONES[range]
            .iter()
            .map(|phone| format!("sip:desk@{phone}"))
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
        let shards = (0..shards)
            .map(|shard| {
                let config = gateway::config(queues.clone(), Transport::Udp, (shard, shards));
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
            phones: PHONES.iter().map(|phone| phone.parse().unwrap()).collect(),
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

    fn tick(&mut self, shard: usize) {
        let ticked = &mut self.shards[shard].ticked;
        *ticked = if ticked.0 == self.now_us {
            (ticked.0, ticked.1 + 1)
        } else {
            (self.now_us, 1)
        };
        assert!(
            ticked.1 < TICKS_MAX,
            "shard {shard} asks for the same instant again and again"
        );
        self.tell(shard as u16, Input::Tick, None);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive {
                shard,
                from,
                octets,
                cause,
                was_handed_over,
            } => self.arrive(shard, from, octets, cause, was_handed_over),
            Happening::Reach(leg, message) => {
                self.legs[leg as usize].receive(&message);
                self.grant(leg);
            }
            Happening::Ring(address, invite) => self.ring(address, invite),
            Happening::Wake(leg, wake) => {
                self.legs[leg as usize].wake(wake);
                self.grant(leg);
            }
            Happening::Call(leg) => {
                let identity = self.identity_of(leg);
                self.legs[leg as usize].call(identity);
                self.grant(leg);
            }
            Happening::Known(shard, call) => {
                let history = HistoryFacts {
                    is_available: true,
                    ..HistoryFacts::default()
                };
                let is_reused = Some(self.chance.one_in(50));
                self.tell(
                    shard,
                    Input::Known {
                        call,
                        history,
                        is_reused,
                    },
                    None,
                );
            }
            Happening::Fetched(shard, url) => self.fetched(shard, url),
            Happening::Scored(shard, call, window) => self.scored(shard, call, window),
            Happening::Silence(shard, call) => self.silence(shard, call),
            Happening::Unreachable(shard, flow) => self.tell(
                shard,
                Input::TransportError {
                    flow,
                    fault: TransportFault::Unreachable,
                },
                None,
            ),
            Happening::Stranger => {
                let (from, octets) = strangers::say(&mut self.chance);
                self.datagram(from, Rc::new(octets), None);
            }
            Happening::HangUp => {
                let at = self.chance.below(RECENT as u64) as usize;
                let Some(call) = self.recent.get(at).copied() else {
                    return;
                };
                self.ledger.console(call);
                let shard = (call.0 >> 120) as u16;
                self.tell(shard, Input::HangUp { call }, None);
            }
            Happening::Drain => {
                self.is_draining = true;
                for shard in 0..self.shards.len() as u16 {
                    self.tell(shard, Input::Drain, None);
                }
            }
            Happening::SetPolicy => {
                let lineup = Arc::new(Lineup::of(Arc::new(policy(&mut self.chance))));
                for shard in 0..self.shards.len() as u16 {
                    self.tell(shard, Input::SetPolicies(lineup.clone()), None);
                }
            }
        }
    }

    /// A datagram at the socket of `shard`: to its engine, or to the shard that owns the Call-ID, as `runtime::shard` does.
    fn arrive(
        &mut self,
        shard: u16,
        from: SocketAddr,
        octets: Rc<Vec<u8>>,
        cause: Option<(u32, Mark)>,
        was_handed_over: bool,
    ) {
        let Some(call_id) = peek_call_id(&octets) else {
            return;
        };
        let owner = shard_of(call_id, self.shards.len() as u16);
        if owner != shard && !was_handed_over {
            let now = self.now();
            if self.shards[shard as usize].engine.may_cross(from, now) {
                let happening = Happening::Arrive {
                    shard: owner,
                    from,
                    octets,
                    cause,
                    was_handed_over: true,
                };
                self.after(HAND_OVER, happening);
            }
            return;
        }
        self.trace.write_u64(self.now_us);
        self.trace.write_usize(octets.len());
        trace::note(self.now_us, || {
            format!("{from} > shard {owner} {}", head(&octets))
        });
        if let Some((leg, mark)) = cause {
            self.ledger
                .reached(&mut self.legs[leg as usize], mark, self.now_us);
        }
        let flow = Flow {
            transport: Transport::Udp,
            local: GATEWAY.parse().unwrap(),
            remote: from,
            connection: None,
            peer: None,
        };
        let input = Input::Sip {
            flow,
            octets: &octets,
        };
        self.tell(owner, input, cause.map(|(leg, _)| leg));
    }

    /// One mutation and everything that follows from it, as `runtime::shard` does.
    fn tell(&mut self, at: u16, input: Input<'_>, cause: Option<u32>) {
        let now = self.now();
        self.shards[at as usize].engine.handle(input, now);
        self.drain(at, cause);
        while let Some(pending) = self.pending.pop_front() {
            let input = match pending {
                Pending::Opened(call, a, b) => Input::MediaOpened { call, a, b },
                Pending::Refused(call) => Input::MediaRefused { call },
                Pending::Closed(call) => Input::MediaClosed {
                    call,
                    statistics: Statistics::default(),
                },
            };
            self.shards[at as usize].engine.handle(input, now);
            self.drain(at, cause);
        }
        self.ledger.check_bounds(&self.shards[at as usize].engine);
    }

    fn drain(&mut self, at: u16, cause: Option<u32>) {
        loop {
            match self.shards[at as usize].engine.poll_output() {
                Output::Timeout(deadline) => {
                    let base = self.base;
                    self.shards[at as usize].deadline = deadline.map(|deadline| {
                        let nanos = deadline.saturating_duration_since(base).as_nanos();
                        nanos.div_ceil(1000) as u64
                    });
                    return;
                }
                output => self.carry_out(at, output, cause),
            }
        }
    }

    fn carry_out(&mut self, shard: u16, output: Output, cause: Option<u32>) {
        match output {
            Output::Transmit { flow, octets } => self.transmit(shard, flow, octets),
            Output::OpenMedia { call } => {
                if self.chance.per_mille(self.helpers.portless) {
                    self.ledger.media_refused(call);
                    return self.pending.push_back(Pending::Refused(call));
                }
                let ports = [self.free_ports.pop_front(), self.free_ports.pop_front()];
                let [Some(a), Some(b)] = ports else {
                    panic!("the day uses more ports than there are");
                };
                let media = Media {
                    a,
                    b,
                    windows: 0,
                    is_tapped: false,
                };
                let was_open = self.media.insert(call, media).is_some();
                assert!(!was_open, "media opened twice: {call}");
                self.after(SILENCE, Happening::Silence(shard, call));
                self.pending.push_back(Pending::Opened(call, a, b));
            }
            Output::DescribeMedia { call, .. } => {
                assert!(
                    self.media.contains_key(&call),
                    "media described before it is open: {call}"
                );
            }
            Output::Attend { .. } => {}
            Output::Tap { call, on } => {
                if let Some(media) = self.media.get_mut(&call) {
                    media.is_tapped = on;
                    if on && media.windows == 0 {
                        media.windows = 1;
                        self.after(SECOND, Happening::Scored(shard, call, 1));
                    }
                }
            }
            Output::CloseMedia { call } => {
                // A call that found no port closes nothing.
                let media = self
                    .media
                    .remove(&call)
                    .unwrap_or_else(|| panic!("closed twice: {call}"));
                self.free_ports.extend([media.a, media.b]);
                self.pending.push_back(Pending::Closed(call));
            }
            Output::Fetch { url } => {
                if let Some((after, _)) = self.helpers.fetch {
                    self.after(after, Happening::Fetched(shard, url));
                }
            }
            Output::Look { call, .. } => {
                if let Some(after) = self.helpers.store {
                    self.after(after, Happening::Known(shard, call));
                }
            }
            Output::Changed(record) if self.ledger.record(&record, cause, &self.legs) => {
                self.recent.push_back(record.id);
                if self.recent.len() > RECENT {
                    self.recent.pop_front();
                }
            }
            _ => {}
        }
    }

    /// The gateway sends.
    fn transmit(&mut self, shard: u16, flow: Flow, octets: Vec<u8>) {
        let message = Rc::new(Message::read(&octets));
        self.trace.write_u64(self.now_us);
        self.trace.write(message.start.as_bytes());
        self.trace
            .write(message.header("To").unwrap_or_default().as_bytes());
        self.trace
            .write(message.header("Call-ID").unwrap_or_default().as_bytes());
        trace::note(self.now_us, || {
            format!("shard {shard} > {} {}", flow.remote, head(&octets))
        });
        assert!(flow.remote != strangers::unknown(), "a stranger is answered");
        if !message.is_sound() {
            return;
        }
        let is_strict = self.weather.garbled == 0;
        let leg = self.leg_for(&message);
        if is_strict && let Some(leg) = leg {
            let ports = self.ports_of(leg);
            self.ledger
                .sent(&mut self.legs[leg as usize], &message, ports, self.now_us);
        }
        let is_invite =
            message.status().is_none() && message.method() == "INVITE" && message.tag("To").is_none();
        if is_invite {
            self.ledger.rings(&message, self.now_us);
        }
        if self.is_lost() {
            return;
        }
        for _ in 0..self.copies() {
            let delay = self.delay();
            let happening = match leg {
                Some(leg) => Happening::Reach(leg, message.clone()),
                None if is_invite => Happening::Ring(flow.remote, message.clone()),
                None => continue,
            };
            self.after(delay, happening);
        }
        if self.weather.tells_of_the_dead && self.is_dead(leg) {
            let delay = self.delay();
            self.ledger.unreachable(flow.remote);
            self.after(delay, Happening::Unreachable(shard, flow));
        }
    }

    /// Whether the host of this leg says that nobody is there.
    fn is_dead(&self, leg: Option<u32>) -> bool {
        leg.is_some_and(|leg| match &self.legs[leg as usize].plan {
            Plan::Phone(plan) => plan.answer == Answer::Dead(true),
            Plan::Caller(_) => false,
        })
    }

    /// Whose message it is: by our own tag or branch in it, or by the Call-ID that made the leg.
    fn leg_for(&self, message: &Message) -> Option<u32> {
        let leg = match message.status() {
            Some(_) => leg_of(&message.branch()),
            None => match message.tag("To") {
                Some(tag) => leg_of(tag),
                None => self.rung.get(message.must("Call-ID")).copied(),
            },
        };
        leg.filter(|leg| (*leg as usize) < self.legs.len())
    }

    /// The ports of the call that a leg belongs to: towards the caller, towards the phone.
    fn ports_of(&self, leg: u32) -> Option<(u16, u16)> {
        let leg = &self.legs[leg as usize];
        let caller = if leg.is_caller() { Some(leg.id) } else { leg.caller };
        let media = self.media.get(&self.ledger.call_of(caller?)?)?;
        Some((media.a, media.b))
    }

    fn ring(&mut self, address: SocketAddr, invite: Rc<Message>) {
        let call_id = invite.must("Call-ID");
        if let Some(&leg) = self.rung.get(call_id) {
            self.legs[leg as usize].receive(&invite);
            return self.grant(leg);
        }
        if !self.phones.contains(&address) {
            return;
        }
        let plan = plan::phone(&mut self.chance);
        let id = self.legs.len() as u32;
        let mut leg = Leg::phone(id, address, GATEWAY, invite.clone(), plan);
        leg.caller = self.ledger.add_phone(&invite, id);
        leg.receive(&invite);
        leg.rung();
        self.legs.push(leg);
        self.rung.insert(call_id.to_string(), id);
        self.grant(id);
    }

    fn grant(&mut self, leg: u32) {
        for wish in self.legs[leg as usize].wishes() {
            match wish {
                Wish::Send(octets, mark) => {
                    let from = self.legs[leg as usize].address;
                    self.datagram(from, Rc::new(octets), Some((leg, mark)));
                }
                Wish::Wake(after, wake) => self.after(after, Happening::Wake(leg, wake)),
                Wish::Fork => {
                    let id = self.legs.len() as u32;
                    let fork = self.legs[leg as usize].fork(id);
                    self.legs.push(fork);
                    self.grant(id);
                }
            }
        }
    }

    /// A peer sends: to the socket that the system picks for its address.
    fn datagram(&mut self, from: SocketAddr, mut octets: Rc<Vec<u8>>, mut cause: Option<(u32, Mark)>) {
        if self.is_lost() {
            return;
        }
        if self.chance.per_mille(self.weather.garbled) && !octets.is_empty() {
            let at = self.chance.below(octets.len() as u64) as usize;
            Rc::make_mut(&mut octets)[at] = b' ' + self.chance.below(95) as u8;
            cause = None;
        }
        let [.., last] = match from.ip() {
            std::net::IpAddr::V4(ip) => ip.octets(),
            std::net::IpAddr::V6(_) => [0; 4],
        };
        let shard = u16::from(last) % self.shards.len() as u16;
        for _ in 0..self.copies() {
            let delay = self.delay();
            let happening = Happening::Arrive {
                shard,
                from,
                octets: octets.clone(),
                cause,
                was_handed_over: false,
            };
            self.after(delay, happening);
        }
    }

    fn is_lost(&mut self) -> bool {
        let is_dark = self
            .weather
            .blackout
            .is_some_and(|(from, until)| (from..until).contains(&self.now_us));
        is_dark || self.chance.per_mille(self.weather.lost)
    }

    fn copies(&mut self) -> usize {
        1 + usize::from(self.chance.per_mille(self.weather.repeated))
    }

    fn delay(&mut self) -> u64 {
        let (least, most) = self.weather.delay;
        self.chance.between(least, most)
    }

    fn fetched(&mut self, shard: u16, url: String) {
        let Some((_, is_there)) = self.helpers.fetch else {
            return;
        };
        let result = if is_there {
            Ok(FetchedBody {
                pem: signing::signer().chain_pem.clone().into_bytes().into(),
                max_age: None,
            })
        } else {
            Err(FetchFailure::Timeout)
        };
        self.tell(shard, Input::Fetched(Fetched { url, result }), None);
    }

    fn scored(&mut self, shard: u16, call: CallId, window: u32) {
        if !self.media.get(&call).is_some_and(|media| media.is_tapped) {
            return;
        }
        if self.helpers.is_scorer_overloaded {
            return self.tell(shard, Input::ScoringOverloaded { call }, None);
        }
        let llr = self.chance.below(60) as f32 / 10.0 - 3.0;
        let seconds = window as f32;
        let opinion = Opinion {
            llr,
            label: match llr {
                llr if llr <= -2.0 => Label::Spoof,
                llr if llr >= 2.0 => Label::BonaFide,
                _ => Label::Unsure,
            },
            seconds,
            speech_seconds: seconds,
            window: Some(Window { at: seconds, llr }),
            ..Opinion::nothing_heard()
        };
        self.tell(shard, Input::Scored { call, opinion }, None);
        self.after(SECOND, Happening::Scored(shard, call, window + 1));
    }

    /// The media says that nobody speaks, as long as it is open and somebody who should speak is gone.
    fn silence(&mut self, shard: u16, call: CallId) {
        if !self.media.contains_key(&call) {
            return;
        }
        if self.ledger.is_silent(call, &self.legs) {
            self.tell(shard, Input::MediaSilent { call }, None);
        }
        self.after(SILENCE, Happening::Silence(shard, call));
    }

    fn identity_of(&self, leg: u32) -> Option<String> {
        let Plan::Caller(plan) = &self.legs[leg as usize].plan else {
            return None;
        };
        let number = number(leg);
        let (orig, dest) = (
            number.trim_start_matches('+'),
            plan.called.trim_start_matches('+'),
        );
        let iat = EPOCH_S + self.now_us / SECOND;
        match plan.signature {
            Signature::None => None,
            Signature::Good(attest) => Some(signing::signed_token(attest, orig, dest, iat)),
            Signature::Stolen => Some(signing::signed_token('A', "14045550123", dest, iat)),
            Signature::Broken => Some(signing::unsigned_token(orig, dest, iat, signing::CERTIFICATE_URL)),
            Signature::Stale => Some(signing::signed_token('A', orig, dest, iat - 3600)),
        }
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
