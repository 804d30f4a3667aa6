//! A gateway that takes calls: how it stops taking them, and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::runtime::inbox::{Mailboxes, ToShard};
use crate::runtime::limits::{STOP_PATIENCE, UNREGISTER_PATIENCE};
use crate::runtime::neighbours::Neighbourhood;
use crate::runtime::registrations::Registry;
use crate::runtime::repeats::Keeping;
use crate::runtime::retention::Retention;
use crate::runtime::spending::SpendingKeeper;
use crate::runtime::vital::join_within;
use crate::selftest::watch::Watch;
use crate::sip::Transport;
use crate::store::{Live, Store};

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
    pub(super) mailboxes: Mailboxes,
    pub(super) live_calls: Vec<Arc<AtomicUsize>>,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) recorder: JoinHandle<()>,
    pub(super) failures: crossbeam_channel::Receiver<String>,
    pub(super) selftest: Watch,
    /// None = the store is this gateway's alone.
    pub(super) neighbours: Option<Neighbourhood>,
    pub(super) stop_api: tokio::sync::oneshot::Sender<()>,
    pub(super) retention: Retention,
    /// None = no recordings are remembered.
    pub(super) recordings: Option<Keeping>,
    /// None = there is no tariff.
    pub(super) spending: Option<Arc<SpendingKeeper>>,
    pub(super) stop_webhooks: tokio::sync::watch::Sender<bool>,
    pub(super) is_draining: Arc<AtomicBool>,
    pub(super) registrations: Registry,
    pub(super) tokio: tokio::runtime::Runtime,
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
        for record in self.live.subscribe_here().0 {
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
        // Every call is over.
        if let Some(Err(error)) = self.spending.map(|spending| spending.write()) {
            tracing::error!(%error, "what calls to the outside cost last could not be kept");
        }
        if !self
            .neighbours
            .is_none_or(|neighbours| neighbours.stop(STOP_PATIENCE))
        {
            tracing::error!("the threads for other gateways did not end");
        }
        if !join_within(self.retention.stop(), STOP_PATIENCE) {
            tracing::error!("the erasing of old calls did not end");
        }
        if !self
            .recordings
            .is_none_or(|recordings| join_within(recordings.stop(), STOP_PATIENCE))
        {
            tracing::error!("the last recordings may not be on disk");
        }
        let _ = self.stop_api.send(());
        let _ = self.stop_webhooks.send(true);
        if !self.selftest.stop(STOP_PATIENCE) {
            tracing::error!("the self-test did not end");
        }
        self.tokio.shutdown_timeout(Duration::from_secs(2));
    }
}
