//! Builds the rooms and starts them; stops them in order.

mod door;
mod hangup;
mod listening;
mod lists;
mod neighbours;
mod policies;
mod prompts;
mod running;
mod shards;
mod status;
mod voice;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;

use crate::accounts::Tries;
use crate::call::{self, Listener, carriers};
use crate::config::Config;
use crate::policy::{Fault, Policy};
use crate::route::{Target, Ways};
use crate::runtime::by_hand::ByHand;
use crate::runtime::call_backs::CallBacks;
use crate::runtime::clock_alarm::ClockAlarm;
use crate::runtime::counted::Counted;
use crate::runtime::dns::Dns;
use crate::runtime::drills::{self, Drills};
use crate::runtime::feed::FeedKeeper;
use crate::runtime::fetch::Fetcher;
use crate::runtime::floor::Floor;
use crate::runtime::icons::Icons;
use crate::runtime::inbox::{Mailbox, Mailboxes, ToShard};
use crate::runtime::lookup::Lookups;
use crate::runtime::mail::Mail;
use crate::runtime::models::Models;
use crate::runtime::phones::Phones;
use crate::runtime::provider::Provider;
use crate::runtime::recorder::Recorder;
use crate::runtime::registrations::Registry;
use crate::runtime::repeats::Repeats;
use crate::runtime::retention::{Retention, Terms};
use crate::runtime::scheduled_reports::ScheduledReports;
use crate::runtime::shard::{Doors, waker_token};
use crate::runtime::spending::SpendingKeeper;
use crate::runtime::standings::Standings;
use crate::runtime::stream::{Streams, Tls};
use crate::runtime::trust::Lists;
use crate::runtime::vital::Alarm;
use crate::runtime::webhooks::Webhooks;
use crate::runtime::{blocked_file, collector, login_hosts};
use crate::runtime::{clock, descriptors, redress};
use crate::selftest::watch::Watch;
use crate::sip::{Transport, Uri};
use crate::store::Live;
use crate::telemetry::Telemetry;
use crate::webhook::Patience;
use crate::{api, store};

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
    let loading = voice::Loading::begin(&config)?;
    store::await_redis(&config.store, |left| {
        tracing::warn!(
            left,
            "Redis is away, or not ready yet; a gateway needs it to begin, and tries again every second"
        );
    });
    let store = store::open(&config.store)?;
    let live = Arc::new(Live::new());
    let token = api::first_token(&*store)?;
    let audit = Arc::new(store::Audit::open(store.clone())?);
    audit.note_carried_over(clock::now().unix_ms())?;
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
        udp_sockets,
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
    let number_lists = Arc::new(lists::open(&config, &store, &audit, &mailboxes)?);
    let reputation = Arc::new(lists::open_reputations(&store, &mailboxes)?);
    let lockdown = Arc::new(lists::open_lockdown(&store, &audit, &mailboxes)?);
    let provider = match (&config.oidc, &config.api.public_url) {
        (Some(oidc), Some(public_url)) => Some(Arc::new(
            Provider::new(oidc.clone(), public_url).context("[oidc]")?,
        )),
        _ => None,
    };
    let webhooks = Webhooks::open(config.webhooks.clone(), Patience::default(), store.clone())?;
    let mail = config.alarms.email.clone().map(Mail::start).transpose();
    let mail = mail.context("[alarms.email]")?.map(Arc::new);
    let alarms = Arc::new(lists::open_alarms(&config, &store, &webhooks, mail.as_ref())?);
    let (recorder, recorder_thread) = Recorder::start(
        store.clone(),
        live.clone(),
        clock_alarm.clone(),
        policies.clone(),
        webhooks.clone(),
        alarms.clone(),
        &alarm,
    )?;
    let freshness = config.identity.freshness;
    let lookups = Lookups::start(store.clone(), live.clone(), mailboxes.clone(), freshness, &alarm)?;
    let model = loading.done()?;
    let models = model
        .as_ref()
        .map(|model| Arc::new(Models::new(model.clone(), config.voice.trial_percent)));
    let repeats = voice::remember(&config, &live, &store)?;
    let recordings = repeats.clone().map(Repeats::keep).transpose();
    let recordings = recordings.context("the thread of the recordings")?;
    let scoring = match &models {
        None => None,
        Some(models) => {
            let scoring = voice::start_scoring(models, &config, &mailboxes, repeats.clone())?;
            Some(Arc::new(scoring))
        }
    };
    let heard = scoring.as_ref().map(|scoring| scoring.counters().clone());
    let tls = match &config.sip.tls {
        None => None,
        Some(files) => {
            let names = call::tls_names(&config.trunks, &config.queues);
            Some(Tls::new(files.clone(), names).context("[sip.tls]")?)
        }
    };
    let api_tls = match &config.api_tls {
        None => None,
        Some(files) => Some(Tls::for_api(files.clone()).context("[api.tls]")?),
    };
    let dns = name_service(&config, &listeners, &mailboxes, &tokio);
    let standings = Standings::default();
    let blocks = Arc::new(door::blocks(&config));
    let connections = Streams::new(
        mailboxes.clone(),
        tokio.handle().clone(),
        door::of(&config, dns.clone(), &blocks),
        tls.clone(),
    );
    for (transport, listener) in stream_listeners {
        let _inside = tokio.enter();
        let listener = tokio::net::TcpListener::from_std(listener).context("listener")?;
        tokio.spawn(connections.clone().accept(listener, transport));
    }
    let keeps_tls = tls.is_some() || api_tls.is_some();
    let [
        tls_asked,
        api_asked,
        lists_asked,
        model_asked,
        policy_asked,
        prompts_asked,
        feed_asked,
    ] = on_hangup(&tokio, keeps_tls)?;
    if let Some(tls) = &api_tls {
        tokio.spawn(tls.clone().keep(api_asked));
    }
    if let Some(tls) = &tls {
        tokio.spawn(tls.clone().keep(tls_asked));
    }

    let said = Arc::new(prompts::load(&config.prompts));
    let said_standing = prompts::Standing::default();
    let registrations = Registry::default();
    let phones = Phones::new(audit.clone());
    let key = store.neighbours().map_or([0; 16], |ways| ways.key_of_counts());
    let flood = crate::flood::Shared::with_key(config.limits, config.tdos, key);
    let by_hand = Arc::new(ByHand::new(flood.clone(), blocks.clone()));
    let shift = config
        .registrar
        .as_ref()
        .map_or(Duration::ZERO, |registrar| registrar.shift);
    let training = call::Drills::default();
    let drills = Arc::new(Drills::new(
        store.clone(),
        training.clone(),
        drills::Place {
            sip: sip
                .iter()
                .find_map(|(transport, bound)| (*transport == Transport::Udp).then_some(*bound)),
            media: config.media.address,
            trunks: config.trunks.iter().map(|trunk| trunk.name.clone()).collect(),
            queues: config.queues.clone(),
        },
    ));
    let floor = Floor::open(
        store.clone(),
        audit.clone(),
        phones.clone(),
        mailboxes.clone(),
        shift,
        &config.queues,
    )
    .context("who sits at which phone")?;
    let outgoings = api::Outgoings {
        ledger: call::Ledger::default(),
        config: config.outbound.tolls.clone(),
    };
    let tariff = config.outbound.tolls.tariff.as_ref();
    let spending = tariff
        .map(|tariff| SpendingKeeper::open(store.clone(), outgoings.ledger.clone(), &tariff.currency))
        .transpose()
        .context("what calls to the outside have cost")?
        .map(Arc::new);
    if let Some(spending) = &spending {
        tokio.spawn(spending.clone().keep());
    }
    let certificate = Arc::new(crate::media::dtls::Identity::new()?);
    let shared = shards::Shared {
        certificate: &certificate,
        config: &config,
        flood: &flood,
        blocks: &blocks,
        drills: &training,
        listeners: &listeners,
        policy: &policy,
        policies: &policies,
        number_lists: &number_lists,
        reputation: &reputation,
        lockdown: &lockdown,
        ledger: outgoings.ledger.clone(),
        lists: &lists,
        prompts: &said,
        model: model.as_ref().map(|model| model.revision().to_string()),
        // Only the shards hold the recorder then: when they have ended, it writes what is left and ends too.
        doors: Doors {
            mailboxes: mailboxes.clone(),
            lookups,
            recorder,
            scoring,
            fetcher: fetcher.clone(),
            dns: dns.clone(),
            standings: standings.clone(),
            streams: connections.clone(),
            tokio: tokio.handle().clone(),
            live_calls: Arc::default(),
            live_entries: Arc::default(),
            registrations: registrations.clone(),
            phones: phones.clone(),
            floor: floor.clone(),
            strangers: alarms.strangers(),
        },
    };
    let shards::Shards {
        threads,
        live_calls,
        live_entries,
    } = shards::start(shared, polls, inboxes, udp_sockets, &alarm)?;
    tokio.spawn(lists.clone().keep(mailboxes.clone(), lists_asked));
    if let Some(models) = &models {
        let name = config.voice.model.clone();
        let signers = config.voice.signers.clone();
        tokio.spawn(models.clone().keep(name, signers, model_asked));
    }
    tokio.spawn(lockdown.clone().keep());
    tokio.spawn(alarms.clone().keep());
    tokio.spawn(policies::keep(config.clone(), policies.clone(), policy_asked));
    tokio.spawn(prompts::keep(
        config.prompts.clone(),
        policies.clone(),
        mailboxes.clone(),
        said_standing.clone(),
        prompts_asked,
    ));
    tokio.spawn(dns.clone().keep());
    let feed = config.scans.feed.clone();
    let feed = feed.map(|feed| FeedKeeper::new(feed, blocks.clone())).transpose();
    let feed = feed.context("[scans.feed]")?.map(Arc::new);
    if let Some(feed) = &feed {
        tokio.spawn(feed.clone().keep(feed_asked));
    }
    if let Some(file) = &config.scans.nftables {
        tokio.spawn(blocked_file::keep(file.clone(), blocks.clone()));
    }
    if config.registrar.is_some() {
        tokio.spawn(phones.clone().keep(store.clone(), mailboxes.clone()));
        tokio.spawn(floor.clone().keep());
    }
    if let Some(capture) = &config.capture {
        tokio.spawn(collector::keep(
            capture.hep.clone(),
            dns.clone(),
            mailboxes.clone(),
        ));
    }

    for host in config.credentials.iter().flat_map(|known| &known.hosts) {
        tokio.spawn(login_hosts::keep(host.clone(), dns.clone(), mailboxes.clone()));
    }

    let tries = Arc::new(Tries::new(store.neighbours().map(|ways| ways.names().clone())));
    let neighbours = neighbours::start(neighbours::Shared {
        tries: tries.clone(),
        store: store.clone(),
        live: live.clone(),
        audit: audit.clone(),
        policies: policies.clone(),
        lists: number_lists.clone(),
        reputation: reputation.clone(),
        lockdown: lockdown.clone(),
        floor: floor.clone(),
        mailboxes: mailboxes.clone(),
        counted: Counted {
            flood: flood.clone(),
            ledger: outgoings.ledger.clone(),
        },
    })?;
    let (neighbours, elsewhere) = neighbours.unzip();
    let (stop_webhooks, stopping) = tokio::sync::watch::channel(false);
    {
        let _inside = tokio.enter();
        webhooks.start(&stopping);
        let counted = store.clone();
        let reports = ScheduledReports::new(
            config.reports.clone(),
            store.clone(),
            webhooks.clone(),
            store
                .neighbours()
                .map_or_else(String::new, |ours| ours.node().to_string()),
            Box::new(move |report, due| api::report_told(&*counted, report, due)),
        );
        let alarm = clock_alarm.clone();
        tokio.spawn(Arc::new(reports).keep(stopping.clone(), move || alarm.shift().is_some()));
    }
    let terms = Terms {
        calls: config.calls_kept,
        audit: config.audit_kept,
    };
    let retention = {
        let alarm = clock_alarm.clone();
        let is_clock_doubtful = move || alarm.shift().is_some();
        Retention::start(store.clone(), audit.clone(), terms, is_clock_doubtful)
            .context("retention thread")?
    };
    let selftest = Watch::start().context("self-test thread")?;
    let is_draining = Arc::new(AtomicBool::new(false));
    let status = Status {
        started_ms: clock::now().unix_ms(),
        policies: policies.clone(),
        lockdown: lockdown.clone(),
        alarms: alarms.clone(),
        mail,
        feed,
        prompts: said_standing,
        repeats: repeats.clone(),
        models: models.clone(),
        heard: heard.clone(),
        lists,
        clock_alarm,
        flood: flood.clone(),
        blocks: blocks.clone(),
        sip: sip.clone(),
        queues: config.queues.iter().map(|queue| queue.name.clone()).collect(),
        live_calls: live_calls.clone(),
        live_entries,
        mailboxes: mailboxes.clone(),
        streams: connections,
        dns,
        standings: standings.clone(),
        tls,
        is_draining: is_draining.clone(),
        registrations: registrations.clone(),
        phones: config.registrar.is_some().then_some(phones),
        webhooks: webhooks.clone(),
        selftest: Box::new(selftest.reader()),
    };
    let gateway = Arc::new(api::Gateway {
        store: store.clone(),
        live: live.clone(),
        policies,
        lists: number_lists,
        reputation,
        audit,
        alarms,
        by_hand,
        outgoings,
        tries,
        lockdown,
        drills,
        webhooks,
        floor,
        repeats,
        order: Box::new({
            let (mailboxes, live) = (mailboxes.clone(), live.clone());
            move |call, order| match live.call(call) {
                None => false,
                Some(_) if live.is_here(call) => mailboxes
                    .owner_of(call)
                    .is_some_and(|mailbox| mailbox.send(ToShard::Order { call, order })),
                Some(_) => elsewhere.as_ref().is_some_and(|others| others.give(call, order)),
            }
        }),
        calls_back: config.outbound.call_back,
        call_back: Box::new({
            let call_backs = CallBacks::new(mailboxes.clone(), store.clone(), live.clone());
            move |wanted| call_backs.begin(wanted)
        }),
        icon: icon_service(fetcher),
        status: Box::new(move || status.read()),
        metrics: Box::new(move || {
            standings.measure();
            let standing = flood.standing(clock::now().instant);
            metrics::gauge!("ringward_calls_ringing").set(f64::from(standing.ringing));
            metrics::gauge!("ringward_tdos").set(f64::from(u8::from(standing.surge.is_on)));
            if let Some(heard) = &heard {
                heard.measure();
            }
            telemetry.as_ref().map_or_else(String::new, Telemetry::render)
        }),
        clock: Box::new(clock::now),
        models,
        redress: Box::new({
            let refusal = config.refusal.clone();
            move |reference| {
                let signer = refusal.card.as_ref()?;
                redress::card(signer, &refusal.contact, reference)
            }
        }),
        provider,
        tls: api_tls,
        public_url: config.api.public_url.clone(),
        second_person: config.api.second_person,
        search_lasts: api::limits::SEARCH_LASTS,
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
        neighbours,
        retention,
        recordings,
        spending,
        stop_api,
        stop_webhooks,
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
fn faults_to_error(faults: &[Fault]) -> anyhow::Error {
    anyhow::anyhow!(faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n"))
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

/// Fetches the icons that callers' names bring (RFC 7852), keeps the last of them.
fn icon_service(fetcher: Arc<Fetcher>) -> api::IconService {
    let icons = Arc::new(Icons::new(fetcher));
    Box::new(move |url, digest| {
        let icons = icons.clone();
        Box::pin(async move { icons.icon(&url, digest.as_ref()).await.ok() })
    })
}
