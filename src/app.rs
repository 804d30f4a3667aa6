//! Builds the rooms and starts them; stops them in order.

mod door;
mod hangup;
mod listening;
mod policies;
mod running;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use anyhow::Context as _;

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
use crate::runtime::lookup::Lookups;
use crate::runtime::media_io::MediaIo;
use crate::runtime::mirror::Mirror;
use crate::runtime::models::Models;
use crate::runtime::recorder::Recorder;
use crate::runtime::registrations::Registry;
use crate::runtime::scoring::{Room, Said, Scoring};
use crate::runtime::shard::{Doors, FIRST_MEDIA_TOKEN, Parts, Shard, waker_token};
use crate::runtime::standings::Standings;
use crate::runtime::stream::{Streams, Tls};
use crate::runtime::trust::Lists;
use crate::runtime::vital::Alarm;
use crate::runtime::{clock, descriptors, entropy, redress};
use crate::selftest::watch::Watch;
use crate::sip::Uri;
use crate::store::Live;
use crate::telemetry::{self, Telemetry};
use crate::voice::Model;
use crate::{api, identity, store};

use hangup::on_hangup;
use listening::{Bound, bind_sip};
use status::Status;

pub use running::Running;

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
            queue_srtp: config.queue_srtp.clone(),
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
