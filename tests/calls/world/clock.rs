//! The virtual clock: what is going to happen, in order, and how it does.

use std::net::SocketAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

use ringward::call::{Input, Output, shard_of};
use ringward::call_id::CallId;
use ringward::identity::Fetched;
use ringward::media::{Statistics, Talk};
use ringward::route::Target;
use ringward::sip::{Flow, Transport, TransportFault, peek_call_id};
use ringward::time::Now;

use super::World;
use super::shards::Between;
use crate::agent::Wake;
use crate::gateway::{EPOCH_S, GATEWAY};
use crate::plan::CallerPlan;

pub(super) enum Happening {
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
    Talk(CallId, Talk),
    Resolved(Target),
    Broken(Flow),
    Call(SocketAddr, CallerPlan),
    Do(fn(&mut World)),
    /// From one shard to another.
    Told(u16, Between),
}

impl World {
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

    /// Every shard hears that nothing more can be sent this way since `at`.
    pub fn broken(&mut self, flow: Flow, fault: TransportFault, at: Instant) {
        for shard in 0..=self.others.len() as u16 {
            self.tell_shard(shard, Input::TransportError { flow, fault, at });
        }
    }

    /// Runs a call, and all that it leaves behind, to its end; then checks what must hold in every run.
    pub fn run(&mut self) {
        self.run_for(400.0);
        self.check();
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

    pub(super) fn schedule(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), happening);
    }

    pub(super) fn note(&mut self, line: String) {
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
                let at = self.now().instant;
                self.broken(flow, TransportFault::Refused, at);
            }
            Happening::Resolved(target) => self.resolve(target),
            Happening::Reused(call) => self.tell(Input::Reused { call }),
            Happening::Scored(call, at) => self.score(call, at),
            Happening::Talk(call, talk) => self.tell(Input::Talk { call, talk }),
            Happening::Do(action) => action(self),
        }
    }
}
