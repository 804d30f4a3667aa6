//! The shards: each with an engine, its sockets and its ports, and what all of them share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;

use anyhow::Context as _;
use crossbeam_channel::Receiver;
use mio::Poll;
use mio::net::UdpSocket;

use crate::call::{self, Listener};
use crate::config::Config;
use crate::flood;
use crate::identity;
use crate::policy::Policy;
use crate::prompts::Prompts;
use crate::runtime::entropy;
use crate::runtime::inbox::ToShard;
use crate::runtime::lists::ListKeeper;
use crate::runtime::lockdown::LockdownKeeper;
use crate::runtime::media_io::MediaIo;
use crate::runtime::mirror::Mirror;
use crate::runtime::policies::Policies;
use crate::runtime::reputation::ReputationKeeper;
use crate::runtime::shard::{Doors, FIRST_MEDIA_TOKEN, Parts, Shard};
use crate::runtime::trust::Lists;
use crate::runtime::vital::Alarm;

/// What every shard gets.
pub(super) struct Shared<'a> {
    pub config: &'a Config,
    pub listeners: &'a [Listener],
    pub policy: &'a Arc<Policy>,
    pub policies: &'a Policies,
    pub number_lists: &'a ListKeeper,
    pub reputation: &'a ReputationKeeper,
    pub lockdown: &'a LockdownKeeper,
    pub ledger: call::Ledger,
    pub lists: &'a Lists,
    pub prompts: &'a Arc<Prompts>,
    pub flood: &'a flood::Shared,
    pub blocks: &'a Arc<flood::Blocks>,
    pub drills: &'a call::Drills,
    /// What the media proves itself with.
    pub certificate: &'a Arc<crate::media::dtls::Identity>,
    /// Revision of the model; `None` when voices are not heard.
    pub model: Option<String>,
    /// Each shard gets counters of its own in place of these.
    pub doors: Doors,
}

/// Shards that run, and what each of them counts.
pub(super) struct Shards {
    pub threads: Vec<JoinHandle<()>>,
    pub live_calls: Vec<Arc<AtomicUsize>>,
    pub live_entries: Vec<Arc<AtomicUsize>>,
}

/// Starts one shard for each poll; every one takes a socket of each of `sockets` (one list for each listener).
///
/// # Errors
///
/// What the system refuses, by name.
pub(super) fn start(
    shared: Shared<'_>,
    polls: Vec<Poll>,
    inboxes: Vec<Receiver<ToShard>>,
    mut sockets: Vec<Vec<UdpSocket>>,
    alarm: &Alarm,
) -> anyhow::Result<Shards> {
    let shards = polls.len() as u16;
    let mut started = Shards {
        threads: Vec::new(),
        live_calls: Vec::new(),
        live_entries: Vec::new(),
    };
    for (index, (poll, inbox)) in (0..).zip(polls.into_iter().zip(inboxes)) {
        let doors = Doors {
            live_calls: Arc::default(),
            live_entries: Arc::default(),
            ..shared.doors.clone()
        };
        started.live_calls.push(doors.live_calls.clone());
        started.live_entries.push(doors.live_entries.clone());
        let config = shared.config;
        let mirror = config.capture.as_ref().map(Mirror::open).transpose();
        let shard = Shard::new(Parts {
            mirror: mirror.context("[capture] hep")?,
            index,
            poll,
            sockets: sockets.iter_mut().filter_map(Vec::pop).collect(),
            engine: engine(&shared, index, shards)?,
            media: MediaIo::new(config.media.clone(), index, shards, FIRST_MEDIA_TOKEN)
                .with_dtls(shared.certificate.clone()),
            inbox,
            doors,
        })?;
        started
            .threads
            .push(alarm.spawn(format!("shard-{index}"), move || shard.run())?);
    }
    Ok(started)
}

fn engine(shared: &Shared<'_>, shard: u16, shards: u16) -> anyhow::Result<call::Engine> {
    let config = shared.config;
    let mut identity = identity::Engine::new(&config.identity, &[])?;
    identity.replace_trust(shared.lists.trust());
    let call_config = call::Config {
        listeners: shared.listeners.to_vec(),
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
        queue_srtp_keys: config.queue_srtp_keys.clone(),
        behind_nat: config.behind_nat.clone(),
        srtp_suites: config.srtp_suites,
        dtls: Some(shared.certificate.fingerprint().clone()),
        whispers: config.whispers.clone(),
        silent_holds: config.silent_holds.clone(),
        outbound: config.outbound.clone(),
        public_url: config.api.public_url.clone(),
        country: config.identity.country.clone(),
        transcodes: config.media.transcodes,
        opus: config.opus,
        rtcp_mux: config.media.rtcp_mux,
        is_voice_on: shared.model.is_some(),
        model: shared.model.clone(),
        shard,
        shards,
    };
    let engine = call::Engine::new(call_config, identity, shared.policy.clone(), entropy::seed()?);
    let engine = match &config.registrar {
        Some(registrar) => engine.with_registrar(registrar.clone()),
        None => engine,
    };
    Ok(engine
        .with_ledger(shared.ledger.clone())
        .with_lockdown(shared.lockdown.since())
        .with_policies(shared.policies.lineup())
        .with_prompts(shared.prompts.clone())
        .with_lists(shared.number_lists.lookup())
        .with_reputations(shared.reputation.reputations())
        .with_flood(shared.flood.clone())
        .with_blocks(shared.blocks.clone())
        .with_drills(shared.drills.clone()))
}
