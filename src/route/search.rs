//! What the name service is asked about a target, and what follows from its answers (RFC 3263 §4.1, §4.2).
//!
//! ```text
//!   no transport, no port        transport, no port        a port, or SRV has nothing
//!          │                            │                            │
//!          ▼                            ▼                            ▼
//!        NAPTR ── services found ─▶    SRV ── hosts found ─▶      A, AAAA ─▶ Found
//!          │ none                       ▲
//!          └── one SRV per transport ───┘            (an address: Found at once)
//! ```
//!
//! Every answer may be missing: a name server that does not answer one kind of question is only a failure when nothing
//! else led to an address either.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::limits::{
    ADDRESSES_MAX, HOSTS_MAX, NAME_OCTETS_MAX, NAPTR_MAX, NOTHING_TTL, NOTHING_TTL_CEILING, SRV_MAX,
    TTL_CEILING, TTL_FLOOR,
};
use super::{Target, Ways};
use crate::sip::Transport;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Naptr,
    Srv,
    A,
    Aaaa,
}

/// One question to the name service. The name has no dot at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    pub name: String,
    pub kind: Kind,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `ttl`: the shortest of them.
    Records { records: Vec<Record>, ttl: Duration },
    /// The name, or this kind of record of it, does not exist; for so long, if the answer says (RFC 2308 §5).
    Nothing { ttl: Option<Duration> },
    /// No name server answered, or with an error.
    Failed,
}

/// A record, as far as it matters here. Names have no dot at their end; the root is an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Naptr {
        order: u16,
        preference: u16,
        flags: String,
        service: String,
        regexp: String,
        replacement: String,
    },
    Srv {
        priority: u16,
        weight: u16,
        port: u16,
        host: String,
    },
    Address(IpAddr),
}

/// What a search wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask all of these, at the same time; then [`Search::next`] with the answers in the same order.
    Ask(Vec<Question>),
    Found(Located),
    /// There is nowhere to send to, and the name service is sure of it for so long.
    Nothing {
        ttl: Duration,
    },
    /// It could not be found out.
    Failed,
}

/// Where a target is. Services in the order the other side, or we, prefer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub services: Vec<Service>,
    /// How long this may be believed, between `TTL_FLOOR` and `TTL_CEILING`.
    pub ttl: Duration,
}

/// The servers of one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub transport: Transport,
    pub servers: Vec<Server>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub addresses: Vec<IpAddr>,
}

impl Located {
    /// A target that is an address.
    pub fn literal(transport: Transport, address: SocketAddr) -> Located {
        let server = Server {
            priority: 0,
            weight: 0,
            port: address.port(),
            addresses: vec![address.ip()],
        };
        Located {
            services: vec![Service {
                transport,
                servers: vec![server],
            }],
            ttl: TTL_CEILING,
        }
    }

    /// Every address in it.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let servers = self.services.iter().flat_map(|service| &service.servers);
        servers.flat_map(|server| server.addresses.iter().copied())
    }
}

/// One search under way. Bounded: three rounds, and in each as many questions as `limits` allows.
pub struct Search {
    target: Target,
    ways: Ways,
    round: Round,
    /// Something was not answered.
    has_failed: bool,
    /// The shortest life of what was used so far.
    ttl: Duration,
    /// The shortest life of a "there is none".
    nothing_ttl: Option<Duration>,
    /// What NAPTR prefers.
    chosen: Option<Transport>,
}

enum Round {
    Naptr,
    Srv(Vec<Wanted>),
    Hosts(Vec<Unlocated>),
    Over,
}

/// A service whose SRV records are asked for.
struct Wanted {
    transport: Transport,
    name: String,
}

/// A service whose hosts' addresses are asked for.
struct Unlocated {
    transport: Transport,
    servers: Vec<(Server, String)>,
}

impl Search {
    /// Begins; the first step is already an end when the target is an address, or nothing we can send on.
    pub fn begin(target: &Target, ways: &Ways) -> (Search, Step) {
        let mut search = Search {
            target: target.clone(),
            ways: ways.clone(),
            round: Round::Over,
            has_failed: false,
            ttl: TTL_CEILING,
            nothing_ttl: None,
            chosen: None,
        };
        let step = search.first();
        (search, step)
    }

    /// The answers to the last [`Step::Ask`], in its order. A missing one counts as failed.
    pub fn next(&mut self, answers: Vec<Answer>) -> Step {
        match std::mem::replace(&mut self.round, Round::Over) {
            Round::Naptr => self.on_naptr(answers),
            Round::Srv(wanted) => self.on_srv(wanted, answers),
            Round::Hosts(services) => self.on_addresses(services, answers),
            Round::Over => Step::Failed,
        }
    }

    fn first(&mut self) -> Step {
        if let Some(literal) = self.target.literal() {
            return match self.ways.can(&literal) {
                true => Step::Found(Located::literal(literal.transport, literal.address)),
                false => self.nothing(),
            };
        }
        let plain = self.target.plain_transport();
        if let Some(port) = self.target.port() {
            // §4.1: a port without a transport means UDP, or TLS for sips; §4.2: and no SRV.
            return self.ask_host(plain, port);
        }
        if self.target.asked_transport().is_some() {
            return self.ask_srv(vec![self.usual(plain)]);
        }
        self.round = Round::Naptr;
        Step::Ask(vec![Question {
            name: self.target.host().to_string(),
            kind: Kind::Naptr,
        }])
    }

    fn on_naptr(&mut self, mut answers: Vec<Answer>) -> Step {
        let records = self.take(answers.pop());
        let mut found: Vec<(u16, u16, Wanted)> = Vec::new();
        for record in records.into_iter().take(NAPTR_MAX) {
            let Record::Naptr {
                order,
                preference,
                flags,
                service,
                regexp,
                replacement,
            } = record
            else {
                continue;
            };
            let Some(transport) = transport_of(&service) else {
                continue;
            };
            let is_usable = flags.eq_ignore_ascii_case("s")
                && regexp.is_empty()
                && is_name(&replacement)
                && self.ways.has(transport)
                // §4.1: for a SIPS URI everything but SIPS+... is discarded.
                && (transport == Transport::Tls || !self.target.is_secure());
            if is_usable && !found.iter().any(|(_, _, known)| known.name == replacement) {
                let name = replacement;
                found.push((order, preference, Wanted { transport, name }));
            }
        }
        if found.is_empty() {
            return self.ask_usual();
        }
        found.sort_by_key(|(order, preference, _)| (*order, *preference));
        self.chosen = found.first().map(|(_, _, wanted)| wanted.transport);
        self.ask_srv(found.into_iter().map(|(_, _, wanted)| wanted).collect())
    }

    /// §4.1: no NAPTR record: one SRV question for each transport that we have.
    fn ask_usual(&mut self) -> Step {
        let transports = self.ways.transports().into_iter();
        let fitting = transports.filter(|transport| *transport == Transport::Tls || !self.target.is_secure());
        let wanted: Vec<Wanted> = fitting.map(|transport| self.usual(transport)).collect();
        self.ask_srv(wanted)
    }

    fn usual(&self, transport: Transport) -> Wanted {
        let service = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
        };
        Wanted {
            transport,
            name: format!("{service}.{}", self.target.host()),
        }
    }

    fn ask_srv(&mut self, mut wanted: Vec<Wanted>) -> Step {
        wanted.retain(|wanted| self.ways.has(wanted.transport) && wanted.name.len() <= NAME_OCTETS_MAX);
        if wanted.is_empty() {
            return self.nothing();
        }
        let questions = wanted.iter().map(|wanted| Question {
            name: wanted.name.clone(),
            kind: Kind::Srv,
        });
        let step = Step::Ask(questions.collect());
        self.round = Round::Srv(wanted);
        step
    }

    fn on_srv(&mut self, wanted: Vec<Wanted>, answers: Vec<Answer>) -> Step {
        let mut services = Vec::new();
        let mut is_refused = false;
        let preferred = wanted.first().map(|wanted| wanted.transport);
        let mut answers = answers.into_iter();
        for wanted in wanted {
            let mut servers = Vec::new();
            for record in self.take(answers.next()).into_iter().take(SRV_MAX) {
                let Record::Srv {
                    priority,
                    weight,
                    port,
                    host,
                } = record
                else {
                    continue;
                };
                // RFC 2782: a single "." says that the service is decidedly not offered.
                is_refused |= host.is_empty();
                if is_name(&host) && port > 0 {
                    let server = Server {
                        priority,
                        weight,
                        port,
                        addresses: Vec::new(),
                    };
                    servers.push((server, host.to_ascii_lowercase()));
                }
            }
            if !servers.is_empty() {
                services.push(Unlocated {
                    transport: wanted.transport,
                    servers,
                });
            }
        }
        if !services.is_empty() {
            return self.ask_hosts(services);
        }
        if is_refused {
            return self.nothing();
        }
        // §4.2: no SRV record: the addresses of the name itself, on the usual port. What NAPTR had chosen stays chosen;
        // without it §4.1 has UDP, or TLS for sips.
        let transport = match self.target.asked_transport().or(self.chosen) {
            Some(transport) => transport,
            None if self.target.is_secure() => Transport::Tls,
            None if self.ways.has(Transport::Udp) => Transport::Udp,
            None => preferred.unwrap_or(Transport::Udp),
        };
        self.ask_host(transport, transport.default_port())
    }

    /// The name itself, on this port.
    fn ask_host(&mut self, transport: Transport, port: u16) -> Step {
        if !self.ways.has(transport) {
            return self.nothing();
        }
        let server = Server {
            priority: 0,
            weight: 0,
            port,
            addresses: Vec::new(),
        };
        let host = self.target.host().to_string();
        self.ask_hosts(vec![Unlocated {
            transport,
            servers: vec![(server, host)],
        }])
    }

    fn ask_hosts(&mut self, services: Vec<Unlocated>) -> Step {
        let mut questions = Vec::new();
        for host in hosts(&services) {
            let kinds = [(Kind::A, true), (Kind::Aaaa, false)].into_iter();
            for (kind, _) in kinds.filter(|(_, is_ipv4)| self.ways.has_family(*is_ipv4)) {
                let name = host.to_string();
                questions.push(Question { name, kind });
            }
        }
        self.round = Round::Hosts(services);
        Step::Ask(questions)
    }

    fn on_addresses(&mut self, services: Vec<Unlocated>, answers: Vec<Answer>) -> Step {
        let mut answers = answers.into_iter();
        let families = usize::from(self.ways.has_family(true)) + usize::from(self.ways.has_family(false));
        let mut known: Vec<(String, Vec<IpAddr>)> = Vec::new();
        for host in hosts(&services) {
            let mut addresses = Vec::new();
            for _ in 0..families {
                for record in self.take(answers.next()) {
                    if let Record::Address(address) = record
                        && !addresses.contains(&address)
                        && addresses.len() < ADDRESSES_MAX
                    {
                        addresses.push(address);
                    }
                }
            }
            known.push((host.to_string(), addresses));
        }
        let mut located = Vec::new();
        for service in services {
            let with_addresses = service.servers.into_iter().filter_map(|(server, host)| {
                let (_, addresses) = known.iter().find(|(name, _)| *name == host)?;
                let addresses = addresses.clone();
                (!addresses.is_empty()).then_some(Server { addresses, ..server })
            });
            let servers: Vec<Server> = with_addresses.collect();
            if !servers.is_empty() {
                located.push(Service {
                    transport: service.transport,
                    servers,
                });
            }
        }
        if located.is_empty() {
            return self.nothing();
        }
        // What came out of half the answers is worth trying, and worth asking again soon.
        let ttl = if self.has_failed { TTL_FLOOR } else { self.ttl };
        Step::Found(Located {
            services: located,
            ttl: ttl.clamp(TTL_FLOOR, TTL_CEILING),
        })
    }

    fn take(&mut self, answer: Option<Answer>) -> Vec<Record> {
        match answer {
            Some(Answer::Records { records, ttl }) => {
                self.ttl = self.ttl.min(ttl);
                records
            }
            Some(Answer::Nothing { ttl }) => {
                if let Some(ttl) = ttl {
                    self.nothing_ttl = Some(self.nothing_ttl.map_or(ttl, |least| least.min(ttl)));
                }
                Vec::new()
            }
            Some(Answer::Failed) | None => {
                self.has_failed = true;
                Vec::new()
            }
        }
    }

    fn nothing(&self) -> Step {
        if self.has_failed {
            return Step::Failed;
        }
        let ttl = self.nothing_ttl.unwrap_or(NOTHING_TTL);
        Step::Nothing {
            ttl: ttl.clamp(TTL_FLOOR, NOTHING_TTL_CEILING),
        }
    }
}

/// Each host once, in order.
fn hosts(services: &[Unlocated]) -> Vec<&str> {
    let mut hosts: Vec<&str> = Vec::new();
    for (_, host) in services.iter().flat_map(|service| &service.servers) {
        if hosts.len() < HOSTS_MAX && !hosts.contains(&host.as_str()) {
            hosts.push(host);
        }
    }
    hosts
}

/// RFC 3263 §4.1 and its registry; SCTP and WebSocket are nothing we speak.
fn transport_of(service: &str) -> Option<Transport> {
    let is = |name: &str| service.eq_ignore_ascii_case(name);
    match () {
        () if is("SIP+D2U") => Some(Transport::Udp),
        () if is("SIP+D2T") => Some(Transport::Tcp),
        () if is("SIPS+D2T") => Some(Transport::Tls),
        () => None,
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_OCTETS_MAX
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
