//! Builds the rooms and starts them; stops them in order.

mod door;
mod policies;

use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::call::{self, Listener, carriers};
use crate::config::Config;
use crate::policy::{Fault, Policy};
use crate::route::{Target, Ways};
use crate::runtime::clock_alarm::ClockAlarm;
use crate::runtime::collector;
use crate::runtime::dns::Dns;
use crate::runtime::fetch::Fetcher;
use crate::runtime::icons::Icons;
use crate::runtime::inbox::{Mailbox, Mailboxes, ToShard};
use crate::runtime::limits::{STOP_PATIENCE, UNREGISTER_PATIENCE};
use crate::runtime::lookup::Lookups;
use crate::runtime::media_io::MediaIo;
use crate::runtime::mirror::Mirror;
use crate::runtime::models::Models;
use crate::runtime::policies::Policies;
use crate::runtime::recorder::Recorder;
use crate::runtime::registrations::Registry;
use crate::runtime::scoring::{Room, Said, Scoring};
use crate::runtime::shard::{Doors, FIRST_MEDIA_TOKEN, Parts, Shard, waker_token};
use crate::runtime::standings::Standings;
use crate::runtime::stream::{self, Streams, Tls};
use crate::runtime::trust::Lists;
use crate::runtime::vital::{Alarm, join_within};
use crate::runtime::{clock, descriptors, entropy, redress, udp};
use crate::selftest::watch::{LastRun, Watch};
use crate::sip::{Transport, Uri};
use crate::store::{Live, Store};
use crate::telemetry::{self, Telemetry};
use crate::voice::Model;
use crate::{api, identity, store};

/// How often a drain looks whether the last call has ended.
const DRAIN_STEP: Duration = Duration::from_millis(50);

/// A gateway that is taking calls.
pub struct Running {
    pub api_address: SocketAddr,
    /// Where SIP is heard, with the ports that were really bound.
    pub sip: Vec<(Transport, SocketAddr)>,
    /// The API token, only when this start made it: it is shown once.
    pub token: Option<String>,
    pub store: Arc<dyn Store>,
    pub live: Arc<Live>,
    mailboxes: Mailboxes,
    live_calls: Vec<Arc<AtomicUsize>>,
    threads: Vec<JoinHandle<()>>,
    recorder: JoinHandle<()>,
    failures: crossbeam_channel::Receiver<String>,
    selftest: Watch,
    stop_api: tokio::sync::oneshot::Sender<()>,
    is_draining: Arc<AtomicBool>,
    registrations: Registry,
    tokio: tokio::runtime::Runtime,
}

/// Starts every room of a checked configuration.
///
/// # Errors
///
/// What could not be opened, bound or loaded, by name. Nothing is left running.
pub fn start(config: Config, telemetry: Option<Telemetry>) -> anyhow::Result<Running> {
    let policy = Arc::new(load_policy(&config)?);
    let model = load_model(&config)?;
    let store = store::open(&config.store)?;
    let live = Arc::new(Live::new());
    let token = api::first_token(&*store)?;
    let audit = Arc::new(store::Audit::open(store.clone())?);
    let fetcher = Fetcher::new(&config.identity)?;
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("helper")
        .enable_all()
        .build()
        .context("helper threads")?;

    let lists = tokio.block_on(Lists::start(&config.identity, fetcher.clone()))?;
    let clock_alarm = ClockAlarm::default();

    descriptors::raise(&config.media.ports);
    let shards = shard_count(config.sip.shards);
    let (polls, mailboxes, inboxes) = open_inboxes(shards)?;
    let Bound {
        mut udp_sockets,
        stream_listeners,
        listeners,
    } = bind_sip(&config, shards)?;
    // Before any thread runs: a second gateway on this machine fails here, and not after its sockets (SO_REUSEPORT)
    // have taken a share of the first one's calls.
    let api_listener = tokio
        .block_on(tokio::net::TcpListener::bind(config.api.listen))
        .with_context(|| format!("[api] listen {}", config.api.listen))?;
    let api_address = api_listener.local_addr()?;
    let sip: Vec<_> = listeners
        .iter()
        .map(|listener| (listener.transport, listener.bound))
        .collect();

    let (alarm, failures) = Alarm::new();
    let policies = Arc::new(policies::open(&config, &policy, &store, &audit, &mailboxes)?);
    let (recorder, recorder_thread) = Recorder::start(
        store.clone(),
        live.clone(),
        clock_alarm.clone(),
        policies.clone(),
        &alarm,
    )?;
    let freshness = config.identity.freshness;
    let lookups = Lookups::start(store.clone(), live.clone(), mailboxes.clone(), freshness, &alarm)?;
    let models = model.as_ref().map(|model| Arc::new(Models::new(model.clone())));
    let scoring = match &models {
        None => None,
        Some(models) => Some(Arc::new(start_scoring(models, &config, &mailboxes)?)),
    };
    let tls = match &config.sip.tls {
        None => None,
        Some(files) => {
            let names = call::tls_names(&config.trunks, &config.queues);
            Some(Tls::new(files.clone(), names).context("[sip.tls]")?)
        }
    };
    let dns = name_service(&config, &listeners, &mailboxes, &tokio);
    let standings = Standings::default();
    let connections = Streams::new(
        mailboxes.clone(),
        tokio.handle().clone(),
        door::of(&config, dns.clone()),
        tls.clone(),
    );
    for (transport, listener) in stream_listeners {
        let _inside = tokio.enter();
        let listener = tokio::net::TcpListener::from_std(listener).context("listener")?;
        tokio.spawn(connections.clone().accept(listener, transport));
    }
    let [tls_asked, lists_asked, model_asked, policy_asked] = on_hangup(&tokio, tls.is_some())?;
    if let Some(tls) = &tls {
        tokio.spawn(tls.clone().keep(tls_asked));
    }

    let registrations = Registry::default();
    let mut threads = Vec::new();
    let mut live_calls = Vec::new();
    let mut live_entries = Vec::new();
    for (index, (poll, inbox)) in polls.into_iter().zip(inboxes).enumerate() {
        let index = index as u16;
        let mut identity = identity::Engine::new(&config.identity, &[])?;
        identity.replace_trust(lists.trust());
        let call_config = call::Config {
            listeners: listeners.clone(),
            trunks: config.trunks.clone(),
            queues: config.queues.clone(),
            credentials: config.credentials.clone(),
            digest_hashes: config.sip.digest.clone(),
            media_address: config.media.advertise.unwrap_or(config.media.address),
            budget: config.sip.budget,
            session_expires: config.sip.session_expires,
            try_for: config.sip.try_for,
            refusal: config.refusal.clone(),
            marks: config.marks.clone(),
            queue_marks: config.queue_marks.clone(),
            transfer_rules: config.transfer_rules.clone(),
            outbound: config.outbound.clone(),
            public_url: config.api.public_url.clone(),
            country: config.identity.country.clone(),
            is_voice_on: model.is_some(),
            model: model.as_ref().map(|model| model.revision().to_string()),
            shard: index,
            shards,
        };
        let counter = Arc::new(AtomicUsize::new(0));
        live_calls.push(counter.clone());
        let entries = Arc::new(AtomicUsize::new(0));
        live_entries.push(entries.clone());
        let mirror = config.capture.as_ref().map(Mirror::open).transpose();
        let shard = Shard::new(Parts {
            mirror: mirror.context("[capture] hep")?,
            index,
            poll,
            sockets: udp_sockets.iter_mut().filter_map(Vec::pop).collect(),
            engine: call::Engine::new(call_config, identity, policy.clone(), entropy::seed()?)
                .with_policies(policies.lineup())
                .with_limits(config.limits),
            media: MediaIo::new(config.media.clone(), index, shards, FIRST_MEDIA_TOKEN),
            inbox,
            doors: Doors {
                mailboxes: mailboxes.clone(),
                lookups: lookups.clone(),
                recorder: recorder.clone(),
                scoring: scoring.clone(),
                fetcher: fetcher.clone(),
                dns: dns.clone(),
                standings: standings.clone(),
                streams: connections.clone(),
                tokio: tokio.handle().clone(),
                live_calls: counter,
                live_entries: entries,
                registrations: registrations.clone(),
            },
        })?;
        threads.push(alarm.spawn(format!("shard-{index}"), move || shard.run())?);
    }
    tokio.spawn(lists.clone().keep(mailboxes.clone(), lists_asked));
    if let Some(models) = &models {
        let name = config.voice.model.clone();
        let signers = config.voice.signers.clone();
        tokio.spawn(models.clone().keep(name, signers, model_asked));
    }
    tokio.spawn(policies::keep(config.clone(), policies.clone(), policy_asked));
    tokio.spawn(dns.clone().keep());
    if let Some(capture) = &config.capture {
        tokio.spawn(collector::keep(
            capture.hep.clone(),
            dns.clone(),
            mailboxes.clone(),
        ));
    }
    // Only the shards hold the recorder now: when they have ended, it writes what is left and ends too.
    drop(recorder);

    let selftest = Watch::start().context("self-test thread")?;
    let is_draining = Arc::new(AtomicBool::new(false));
    let status = Status {
        started_ms: clock::now().unix_ms(),
        policies: policies.clone(),
        models,
        lists,
        clock_alarm,
        sip: sip.clone(),
        live_calls: live_calls.clone(),
        live_entries,
        mailboxes: mailboxes.clone(),
        streams: connections,
        dns,
        standings: standings.clone(),
        tls,
        is_draining: is_draining.clone(),
        registrations: registrations.clone(),
        selftest: Box::new(selftest.reader()),
    };
    let refusal = config.refusal.clone();
    let hang_up = mailboxes.clone();
    let known_calls = live.clone();
    let gateway = Arc::new(api::Gateway {
        store: store.clone(),
        live: live.clone(),
        policies,
        audit,
        hang_up: Box::new(move |call| {
            known_calls.call(call).is_some()
                && hang_up
                    .owner_of(call)
                    .is_some_and(|mailbox| mailbox.send(ToShard::HangUp { call }))
        }),
        icon: {
            let icons = Arc::new(Icons::new(fetcher.clone()));
            Box::new(move |url, digest| {
                let icons = icons.clone();
                Box::pin(async move { icons.icon(&url, digest.as_ref()).await.ok() })
            })
        },
        status: Box::new(move || status.read()),
        metrics: Box::new(move || {
            standings.measure();
            telemetry
                .as_ref()
                .map_or_else(String::new, telemetry::Telemetry::render)
        }),
        clock: Box::new(clock::now),
        redress: Box::new(move |reference| {
            let signer = refusal.card.as_ref()?;
            redress::card(signer, &refusal.contact, reference)
        }),
        public_url: config.api.public_url.clone(),
    });
    let (stop_api, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio.spawn(async move {
        let stop = async move { stopped.await.unwrap_or(()) };
        if let Err(error) = api::serve(api_listener, gateway, stop).await {
            tracing::error!(%error, "the API ended");
        }
    });
    Ok(Running {
        api_address,
        sip,
        token,
        store,
        live,
        mailboxes,
        live_calls,
        threads,
        recorder: recorder_thread,
        failures,
        selftest,
        stop_api,
        is_draining,
        registrations,
        tokio,
    })
}

impl Running {
    /// Takes no new call (503) and waits until the live ones have ended, at most `patience`. Calls still live then
    /// are hung up. Returns how many that were.
    pub fn drain(&self, patience: Duration, is_impatient: impl Fn() -> bool) -> usize {
        self.is_draining.store(true, Ordering::Relaxed);
        if !self.mailboxes.command(|| ToShard::Drain) {
            tracing::error!("a shard takes no orders: it does not drain");
        }
        let mut waited = Duration::ZERO;
        // A drain message is handled within one turn of each shard; give it that before looking.
        std::thread::sleep(DRAIN_STEP);
        while self.live_calls() > 0 && waited < patience && !is_impatient() {
            std::thread::sleep(DRAIN_STEP);
            waited += DRAIN_STEP;
        }
        // The last answers of carriers that were told we go; they lapse by themselves if none comes.
        let mut waited = Duration::ZERO;
        while !self.registrations.is_over() && waited < UNREGISTER_PATIENCE {
            std::thread::sleep(DRAIN_STEP);
            waited += DRAIN_STEP;
        }
        let left = self.live_calls();
        for record in self.live.snapshot() {
            if let Some(mailbox) = self.mailboxes.owner_of(record.id) {
                mailbox.command(ToShard::HangUp { call: record.id });
            }
        }
        if left > 0 {
            // BYEs and the last records need a moment.
            std::thread::sleep(DRAIN_STEP * 10);
        }
        left
    }

    pub fn live_calls(&self) -> usize {
        self.live_calls
            .iter()
            .map(|calls| calls.load(Ordering::Relaxed))
            .sum()
    }

    /// Brings the name of every vital thread that panicked (see `runtime::vital`): the gateway has to be ended then.
    pub fn failures(&self) -> &crossbeam_channel::Receiver<String> {
        &self.failures
    }

    /// Stops everything; every finished record is on disk when this returns. A thread that is stuck is left behind
    /// after `STOP_PATIENCE`: a stop always ends.
    pub fn stop(self) {
        self.mailboxes.command(|| ToShard::Stop);
        for thread in self.threads {
            if !join_within(thread, STOP_PATIENCE) {
                tracing::error!("a shard did not end");
            }
        }
        // The API holds no sender, so the recorder ends once the shards are gone.
        if !join_within(self.recorder, STOP_PATIENCE) {
            tracing::error!("the recorder did not end: the last records may not be on disk");
        }
        let _ = self.stop_api.send(());
        if !self.selftest.stop(STOP_PATIENCE) {
            tracing::error!("the self-test did not end");
        }
        self.tokio.shutdown_timeout(Duration::from_secs(2));
    }
}

struct Status {
    started_ms: u64,
    policies: Arc<Policies>,
    models: Option<Arc<Models>>,
    lists: Lists,
    clock_alarm: ClockAlarm,
    sip: Vec<(Transport, SocketAddr)>,
    live_calls: Vec<Arc<AtomicUsize>>,
    live_entries: Vec<Arc<AtomicUsize>>,
    mailboxes: Mailboxes,
    dns: Arc<Dns>,
    standings: Standings,
    streams: Arc<Streams>,
    tls: Option<Arc<Tls>>,
    is_draining: Arc<AtomicBool>,
    registrations: Registry,
    selftest: Box<dyn Fn() -> Option<LastRun> + Send + Sync>,
}

impl Status {
    fn read(&self) -> serde_json::Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started_ms": self.started_ms,
            "policy": self.policies.lineup().live().revision(),
            "policy_file_problem": self.policies.file_problem(),
            "model": self.models.as_ref().map(|models| models.standing().current),
            "model_trial": self.models.as_ref().map(|models| models.standing()),
            "lists": self.lists.status(),
            "clock_shift_seconds": self.clock_alarm.shift(),
            "sip": self.sip.iter().map(|(transport, address)| format!("{transport}:{address}")).collect::<Vec<_>>(),
            "shards": self.live_calls.len(),
            "live_calls": self.live_calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum::<usize>(),
            "live_entries": self.live_entries.iter().map(|entries| entries.load(Ordering::Relaxed)).sum::<usize>(),
            "tcp_connections": self.streams.open_connections(),
            "tls_certificate_expires_seconds": self.tls.as_ref().map(|tls| tls.expires_in(clock::now().utc)),
            "inbox_messages_lost": self.mailboxes.lost(),
            "targets": { "names": self.dns.status(), "down": self.standings.status() },
            "registrations": self.registrations.states(),
            "selftest": (self.selftest)(),
            "is_draining": self.is_draining.load(Ordering::Relaxed),
        })
    }
}

/// Reads and checks the policy file, or takes the embedded default.
fn load_policy(config: &Config) -> anyhow::Result<Policy> {
    let policy = config.load_policy().map_err(|faults| faults_to_error(&faults))?;
    for warning in policy.warnings() {
        tracing::warn!(policy = policy.revision(), %warning, "the policy loads and may surprise");
    }
    Ok(policy)
}

/// One error that lists every fault, a line each.
pub fn faults_to_error(faults: &[Fault]) -> anyhow::Error {
    anyhow::anyhow!(faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n"))
}

fn load_model(config: &Config) -> anyhow::Result<Option<Arc<Model>>> {
    Ok(match config.voice.model.as_str() {
        "off" => None,
        name => Some(Arc::new(Model::find(name, &config.voice.signers)?)),
    })
}

fn shard_count(asked: u16) -> u16 {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64) as u16),
        count => count.min(64),
    }
}

type Inboxes = (
    Vec<mio::Poll>,
    Mailboxes,
    Vec<crossbeam_channel::Receiver<ToShard>>,
);

fn open_inboxes(shards: u16) -> anyhow::Result<Inboxes> {
    let (mut polls, mut mailboxes, mut inboxes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..shards {
        let poll = mio::Poll::new()?;
        let (mailbox, inbox) = Mailbox::new(mio::Waker::new(poll.registry(), waker_token())?);
        polls.push(poll);
        mailboxes.push(mailbox);
        inboxes.push(inbox);
    }
    Ok((polls, Mailboxes::new(mailboxes), inboxes))
}

struct Bound {
    /// Per UDP listener, one socket for each shard.
    udp_sockets: Vec<Vec<mio::net::UdpSocket>>,
    stream_listeners: Vec<(Transport, std::net::TcpListener)>,
    listeners: Vec<Listener>,
}

fn bind_sip(config: &Config, shards: u16) -> anyhow::Result<Bound> {
    let mut all = Bound {
        udp_sockets: Vec::new(),
        stream_listeners: Vec::new(),
        listeners: Vec::new(),
    };
    for &(transport, address) in &config.sip.listen {
        let context = || format!("[sip] listen {transport}:{address}");
        let bound = match transport {
            Transport::Udp => {
                let sockets = udp::bind_shared(address, shards).with_context(context)?;
                let bound = sockets
                    .first()
                    .map_or(Ok(address), mio::net::UdpSocket::local_addr)?;
                all.udp_sockets.push(sockets);
                bound
            }
            Transport::Tcp | Transport::Tls => {
                let listener = stream::bind(address).with_context(context)?;
                let bound = listener.local_addr()?;
                all.stream_listeners.push((transport, listener));
                bound
            }
        };
        let advertised = advertised(config.sip.advertise.of(bound.ip()), bound);
        all.listeners.push(Listener {
            transport,
            bound,
            advertised,
        });
    }
    Ok(all)
}

/// `host:port` for Via and Contact: what the configuration says, with the bound port where it names none.
fn advertised(configured: Option<&str>, bound: SocketAddr) -> String {
    match configured {
        None => bound.to_string(),
        Some(text) if text.parse::<SocketAddr>().is_ok() => text.to_string(),
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) => SocketAddr::new(address, bound.port()).to_string(),
            Err(_) if text.contains(':') => text.to_string(),
            Err(_) => format!("{text}:{}", bound.port()),
        },
    }
}

/// SIGHUP, as something that each of those who look at files again can wait for. At a terminal it says that the window was
/// closed, and ends the process as ever unless the files of TLS are kept.
fn on_hangup<const N: usize>(
    tokio: &tokio::runtime::Runtime,
    is_wanted: bool,
) -> anyhow::Result<[Arc<tokio::sync::Notify>; N]> {
    use tokio::signal::unix::{SignalKind, signal};
    let asked: [Arc<tokio::sync::Notify>; N] = std::array::from_fn(|_| Arc::default());
    if !is_wanted && std::io::stdin().is_terminal() {
        return Ok(asked);
    }
    let _inside = tokio.enter();
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
    let tellers = asked.clone();
    tokio.spawn(async move {
        while hangup.recv().await.is_some() {
            tellers.iter().for_each(|teller| teller.notify_one());
        }
    });
    Ok(asked)
}

/// What asks where targets are: it begins with those of the queues and the servers of the carriers.
fn name_service(
    config: &Config,
    listeners: &[Listener],
    mailboxes: &Mailboxes,
    tokio: &tokio::runtime::Runtime,
) -> Arc<Dns> {
    let _inside = tokio.enter();
    let ways = Ways::new(
        listeners
            .iter()
            .map(|listener| (listener.transport, listener.bound)),
    );
    let targets = config.queues.iter().flat_map(|queue| &queue.targets);
    let targets = targets
        .filter_map(|target| Target::of(&Uri::parse(target).ok()?))
        .chain(carriers(&config.trunks).into_iter().map(|(target, ..)| target));
    let handle = tokio.handle().clone();
    Dns::new(&config.sip.resolver, ways, targets, mailboxes.clone(), handle)
}

fn start_scoring(models: &Arc<Models>, config: &Config, mailboxes: &Mailboxes) -> anyhow::Result<Scoring> {
    let mailboxes = mailboxes.clone();
    let room = Room {
        workers: config.voice.workers,
        second_cores: f64::from(config.voice.second_opinion_percent) / 100.0,
    };
    let scoring = Scoring::start(models, room, move |call, said| {
        if let Some(mailbox) = mailboxes.owner_of(call) {
            mailbox.send(match said {
                Said::Hop { opinion, hop } => ToShard::Scored {
                    call,
                    opinion,
                    hop: Some(hop),
                },
                Said::NotHeard(hop) => ToShard::NotScored { call, hop },
                Said::Second(opinion) => ToShard::Scored {
                    call,
                    opinion,
                    hop: None,
                },
                Said::SecondShed => ToShard::SecondShed { call },
                Said::Model(model) => ToShard::HeardBy { call, model },
            });
        }
    })?;
    Ok(scoring)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_address_takes_the_bound_port_when_it_names_none() {
        let bound = "0.0.0.0:5062".parse().unwrap();
        assert_eq!(advertised(Some("198.51.100.7"), bound), "198.51.100.7:5062");
        assert_eq!(advertised(Some("198.51.100.7:5070"), bound), "198.51.100.7:5070");
        assert_eq!(advertised(Some("gw.example.com"), bound), "gw.example.com:5062");
        assert_eq!(
            advertised(Some("gw.example.com:5070"), bound),
            "gw.example.com:5070"
        );
        assert_eq!(advertised(Some("2001:db8::1"), bound), "[2001:db8::1]:5062");
        assert_eq!(advertised(None, bound), "0.0.0.0:5062");
    }
}
