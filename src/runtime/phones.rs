//! Phones that register: which devices there are, told to the registrar; where they are, told to all shards and to people.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::clock;
use super::inbox::{Mailboxes, ToShard};
use super::limits::PHONE_ALERTS_KEPT;
use crate::accounts::Devices;
use crate::registrar::{Alert, Bound, Device, News};
use crate::store::{Audit, Store};

/// How often the store is asked for devices: what the command line did counts after so long.
const LOOK: Duration = Duration::from_secs(2);

/// Clone freely.
#[derive(Clone)]
pub struct Phones(Arc<Shared>);

struct Shared {
    audit: Arc<Audit>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bound: Arc<Bound>,
    devices: usize,
    /// A shard had no room for the last news.
    is_untold: bool,
    /// When, and what; the newest last.
    alerts: VecDeque<(u64, Alert)>,
}

impl Phones {
    pub fn new(audit: Arc<Audit>) -> Phones {
        Phones(Arc::new(Shared {
            audit,
            state: Mutex::default(),
        }))
    }

    /// What the registrar (on shard `from`) says.
    pub fn note(&self, news: News, from: u16, mailboxes: &Mailboxes, tokio: &tokio::runtime::Handle) {
        match news {
            News::Bound(bound) => {
                // Held while it is told: whoever tells it again has no older one to tell after it.
                let mut state = self.lock();
                let is_told = tell(&bound, from, mailboxes);
                metrics::gauge!("ringward_devices_registered").set(bound.all().count() as f64);
                state.bound = bound;
                state.is_untold |= !is_told;
            }
            News::Alert(alert) => {
                let at_ms = clock::now().unix_ms();
                let (what, about, note) = words(&alert);
                tracing::warn!(%about, %note, "{what}");
                metrics::counter!("ringward_device_alerts_total", "kind" => kind(&alert)).increment(1);
                {
                    let mut state = self.lock();
                    if state.alerts.len() >= PHONE_ALERTS_KEPT {
                        state.alerts.pop_front();
                    }
                    state.alerts.push_back((at_ms, alert));
                }
                let shared = self.0.clone();
                tokio.spawn_blocking(move || {
                    if let Err(error) = shared.audit.write(at_ms, "gateway", what, &about, &note) {
                        tracing::warn!(%error, "an alert of a device could not be written to the audit");
                    }
                });
            }
        }
    }

    pub fn is_registered(&self, device: &str) -> bool {
        !self.lock().bound.places(device).is_empty()
    }

    /// For `/api/v1/status`: the devices, who is registered from where, and the last alerts.
    pub fn status(&self) -> serde_json::Value {
        let state = self.lock();
        let registered = state.bound.all().map(|(name, places)| {
            let mut from: Vec<String> = places
                .iter()
                .map(|place| format!("{}:{}", place.flow.transport, place.flow.remote.ip()))
                .collect();
            from.sort();
            from.dedup();
            json!({ "name": name, "from": from, "contacts": places.len() })
        });
        let alerts = state.alerts.iter().rev().map(|(at_ms, alert)| {
            let (what, about, note) = words(alert);
            json!({ "at_ms": at_ms, "what": what, "about": about, "note": note })
        });
        json!({
            "known": state.devices,
            "registered": registered.collect::<Vec<_>>(),
            "alerts": alerts.collect::<Vec<_>>(),
        })
    }

    /// Tells shard 0 which devices there are, now and whenever they have changed. For ever.
    pub async fn keep(self, store: Arc<dyn Store>, mailboxes: Mailboxes) {
        let mut known: Option<u64> = None;
        loop {
            let (store, before) = (store.clone(), known);
            let read = tokio::task::spawn_blocking(move || Devices::read(&*store, before)).await;
            match read {
                Ok(Ok(Some((revision, devices)))) => {
                    let devices: Arc<[Device]> = devices.into();
                    let (count, first) = (devices.len(), mailboxes.shard(0));
                    if first.is_some_and(|shard| shard.send(ToShard::SetDevices(devices))) {
                        known = Some(revision);
                        self.lock().devices = count;
                    }
                }
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the devices could not be read; those known before count")
                }
                Err(error) => tracing::error!(%error, "reading the devices ended"),
            }
            self.tell_again(&mailboxes);
            tokio::time::sleep(LOOK).await;
        }
    }

    fn tell_again(&self, mailboxes: &Mailboxes) {
        let mut state = self.lock();
        if state.is_untold {
            state.is_untold = !tell(&state.bound, 0, mailboxes);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change is one assignment: a panic cannot leave it half-changed.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// False = a shard had no room.
fn tell(bound: &Arc<Bound>, from: u16, mailboxes: &Mailboxes) -> bool {
    let others = (0..mailboxes.len() as u16).filter(|index| *index != from);
    let untold = others.filter_map(|index| mailboxes.shard(index));
    untold
        .filter(|shard| !shard.send(ToShard::SetBound(bound.clone())))
        .count()
        == 0
}

fn kind(alert: &Alert) -> &'static str {
    match alert {
        Alert::TwoPlaces { .. } => "two_places",
        Alert::Locked { .. } => "locked",
    }
}

/// As the audit and the log have it: what, about whom, and the rest.
fn words(alert: &Alert) -> (&'static str, String, String) {
    match alert {
        Alert::TwoPlaces { device, here, there } => (
            "device in two places",
            device.clone(),
            format!("registered from {here} while registered from {there}"),
        ),
        Alert::Locked {
            device,
            address,
            lasts,
        } => (
            "device locked",
            device.clone().unwrap_or_default(),
            format!("wrong answers from {address}, locked for {} s", lasts.as_secs()),
        ),
    }
}
