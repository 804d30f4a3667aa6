//! Asks the name service where targets are (RFC 3263), remembers what it said, and tells every shard.
//!
//! ```text
//!   shard ── Resolve ──▶ book: known? ── yes ──▶ Resolved to that shard
//!                          │ no, and nobody asks yet
//!                          ▼
//!                        search: at most three rounds of questions, LOOKUP_BUDGET in all
//!                          │
//!                          └──▶ book ──▶ Resolved to every shard
//! ```
//!
//! Configured targets are asked about in the background before what is known of them is too old. While no name server
//! answers, what was known last stays: a dead resolver never ends a call by itself.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use super::inbox::{Mailboxes, ToShard};
use super::limits::{LOOKUP_ATTEMPTS, LOOKUP_BUDGET, LOOKUP_TIMEOUT, LOOKUPS_AT_ONCE, TARGET_ADDRESSES};
use super::{clock, count};
use crate::route::{Answer, Ask, Book, Kind, Known, Question, Record, Refresh, Search, Step, Target, Ways};

/// The one that asks. Shared by all shards.
pub struct Dns {
    resolver: TokioResolver,
    ways: Ways,
    memory: Mutex<Memory>,
    mailboxes: Mailboxes,
    tokio: tokio::runtime::Handle,
    /// Something new is to be asked in the background.
    has_work: Notify,
    searches: Semaphore,
}

#[derive(Default)]
struct Memory {
    book: Book,
    /// Every address a target ever had: who may open a connection to us.
    addresses: BTreeSet<IpAddr>,
}

impl Dns {
    /// `servers`: `[sip] resolver`; empty = as the system is configured. `targets` are asked about from now on, in the
    /// background, once [`Dns::keep`] runs.
    pub fn new(
        servers: &[SocketAddr],
        ways: Ways,
        targets: impl IntoIterator<Item = Target>,
        mailboxes: Mailboxes,
        tokio: tokio::runtime::Handle,
    ) -> Arc<Dns> {
        let mut memory = Memory::default();
        for target in targets {
            match target.literal() {
                Some(literal) => {
                    memory.addresses.insert(literal.address.ip().to_canonical());
                }
                None => memory.book.keep(target, clock::now().instant),
            }
        }
        Arc::new(Dns {
            resolver: resolver(servers),
            ways,
            memory: Mutex::new(memory),
            mailboxes,
            tokio,
            has_work: Notify::new(),
            searches: Semaphore::new(LOOKUPS_AT_ONCE),
        })
    }

    /// A shard wants to know. The answer comes to its inbox in any case, at the latest after `LOOKUP_BUDGET`. Never waits.
    pub fn resolve(self: &Arc<Self>, target: Target, shard: u16) {
        let now = clock::now().instant;
        let ask = self.memory().book.ask(&target, now);
        match ask {
            Ask::Known(known) => self.tell_one(known, shard),
            Ask::UnderWay => {}
            Ask::Begin => {
                let dns = self.clone();
                self.tokio.spawn(async move { dns.search(target).await });
            }
            Ask::Full => {
                count::full("names");
                let nowhere = Known {
                    target,
                    located: None,
                    until: now,
                    is_failed: true,
                };
                self.tell_one(nowhere, shard);
            }
        }
    }

    /// Whether an address belongs, or once belonged, to a target.
    pub fn is_address_of_target(&self, address: IpAddr) -> bool {
        self.memory().addresses.contains(&address.to_canonical())
    }

    /// The addresses of a host that is no target, IPv4 first, and for how long they are good. Empty when nobody knows.
    pub async fn addresses(&self, host: &str) -> (Vec<IpAddr>, Duration) {
        let (mut found, mut least) = (Vec::new(), Duration::MAX);
        for kind in [Kind::A, Kind::Aaaa] {
            let question = Question {
                kind,
                name: host.to_string(),
            };
            let answer = tokio::time::timeout(LOOKUP_BUDGET, ask(&self.resolver, question)).await;
            if let Ok(Answer::Records { records, ttl }) = answer {
                least = least.min(ttl);
                found.extend(records.into_iter().filter_map(|record| match record {
                    Record::Address(address) => Some(address),
                    _ => None,
                }));
            }
        }
        let ttl = if found.is_empty() { Duration::ZERO } else { least };
        (found, ttl)
    }

    /// Asks about configured targets in time, for ever.
    pub async fn keep(self: Arc<Self>) {
        loop {
            let now = clock::now().instant;
            let due = self.memory().book.due(now);
            for target in due {
                tokio::spawn(self.clone().search(target));
            }
            let rest = self.memory().book.rest(now);
            let sleep = tokio::time::sleep(rest.unwrap_or(Duration::from_secs(3600)));
            tokio::select! {
                () = sleep => {}
                () = self.has_work.notified() => {}
            }
        }
    }

    /// For `/api/v1/status`: every name with what is known of it.
    pub fn status(&self) -> serde_json::Value {
        let names = self.memory();
        let names = names.book.all().map(|known| {
            let addresses: BTreeSet<IpAddr> = known
                .located
                .iter()
                .flat_map(|located| located.addresses())
                .collect();
            json!({
                "target": known.target.to_string(),
                "addresses": addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "is_failing": known.is_failed,
            })
        });
        names.collect()
    }

    async fn search(self: Arc<Self>, target: Target) {
        let end = match tokio::time::timeout(LOOKUP_BUDGET, self.ask_all(&target)).await {
            Ok(end) => end,
            Err(_) => Step::Failed,
        };
        let now = clock::now().instant;
        let concluded = {
            let mut memory = self.memory();
            let concluded = memory.book.conclude(&target, end, now);
            if let Some((known, _)) = &concluded {
                for address in known.located.iter().flat_map(|located| located.addresses()) {
                    if memory.addresses.len() < TARGET_ADDRESSES {
                        memory.addresses.insert(address.to_canonical());
                    }
                }
            }
            metrics::gauge!("ringward_names_failing").set(memory.book.failing() as f64);
            concluded
        };
        self.has_work.notify_one();
        let Some((known, refresh)) = concluded else { return };
        count::looked_up(refresh);
        log(&known, refresh);
        self.mailboxes
            .broadcast(|| ToShard::Resolved(Box::new(known.clone())));
    }

    async fn ask_all(&self, target: &Target) -> Step {
        // Closed by nobody: the error cannot happen, and would only mean that more is asked at once.
        let _place = self.searches.acquire().await;
        let (mut search, mut step) = Search::begin(target, &self.ways);
        while let Step::Ask(questions) = step {
            let mut asked = tokio::task::JoinSet::new();
            for (at, question) in questions.iter().cloned().enumerate() {
                let resolver = self.resolver.clone();
                asked.spawn(async move { (at, ask(&resolver, question).await) });
            }
            let mut answers = vec![Answer::Failed; questions.len()];
            while let Some(answer) = asked.join_next().await {
                if let Ok((at, answer)) = answer {
                    answers[at] = answer;
                }
            }
            step = search.next(answers);
        }
        step
    }

    fn tell_one(&self, known: Known, shard: u16) {
        if let Some(mailbox) = self.mailboxes.shard(shard) {
            mailbox.send(ToShard::Resolved(Box::new(known)));
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        // A panic while it was locked cannot leave it half-changed: every change is one insert.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our own book remembers, so the resolver's cache stays empty.
fn resolver(servers: &[SocketAddr]) -> TokioResolver {
    let provider = TokioRuntimeProvider::default;
    let mut builder = match TokioResolver::builder_tokio() {
        Ok(builder) if servers.is_empty() => builder,
        Err(error) if servers.is_empty() => {
            tracing::warn!(%error, "the system's resolver configuration cannot be read; names of targets are not looked up");
            TokioResolver::builder_with_config(ResolverConfig::default(), provider())
        }
        _ => {
            let servers = servers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.into())
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, provider())
        }
    };
    let options = builder.options_mut();
    options.cache_size = 0;
    options.timeout = LOOKUP_TIMEOUT;
    options.attempts = LOOKUP_ATTEMPTS;
    builder.build().unwrap_or_else(|error| {
        tracing::error!(%error, "no resolver could be built; names of targets are not looked up");
        let nothing = TokioResolver::builder_with_config(ResolverConfig::default(), provider());
        nothing
            .build()
            .expect("a resolver without name servers can be built")
    })
}

async fn ask(resolver: &TokioResolver, question: Question) -> Answer {
    let kind = match question.kind {
        Kind::Naptr => RecordType::NAPTR,
        Kind::Srv => RecordType::SRV,
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
    };
    // A name with a dot is a whole one: the system's search list is for names without.
    let name = match question.name.contains('.') {
        true => format!("{}.", question.name),
        false => question.name,
    };
    match resolver.lookup(name, kind).await {
        Ok(lookup) => {
            let records = lookup.answers().iter();
            let records = records.filter_map(|record| Some((read(&record.data)?, record.ttl)));
            let (records, lives): (Vec<Record>, Vec<u32>) = records.unzip();
            let ttl = Duration::from_secs(lives.into_iter().min().unwrap_or_default().into());
            Answer::Records { records, ttl }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => Answer::Nothing {
            ttl: nothing.negative_ttl.map(|ttl| Duration::from_secs(ttl.into())),
        },
        Err(error) => {
            tracing::debug!(%error, "a name server gave no answer");
            Answer::Failed
        }
    }
}

fn read(data: &RData) -> Option<Record> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let name = |name: &Name| name.to_ascii().trim_end_matches('.').to_string();
    Some(match data {
        RData::A(address) => Record::Address(IpAddr::V4(address.0)),
        RData::AAAA(address) => Record::Address(IpAddr::V6(address.0)),
        RData::SRV(srv) => Record::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            host: name(&srv.target),
        },
        RData::NAPTR(naptr) => Record::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: name(&naptr.replacement),
        },
        _ => return None,
    })
}

fn log(known: &Known, refresh: Refresh) {
    let target = &known.target;
    match refresh {
        Refresh::Same => {}
        Refresh::Changed => {
            let addresses: Vec<String> = known
                .located
                .iter()
                .flat_map(|located| located.addresses())
                .map(|address| address.to_string())
                .collect();
            tracing::info!(%target, addresses = addresses.join(" "), "a target was looked up");
        }
        Refresh::Nothing => tracing::warn!(%target, "the name service knows no address of this target"),
        Refresh::Failed { is_stale: true } => {
            tracing::warn!(%target, "no name server answers; the addresses known last stay in use (stale)");
        }
        Refresh::Failed { is_stale: false } => {
            tracing::warn!(%target, "no name server answers, and no address of this target is known");
        }
    }
}
