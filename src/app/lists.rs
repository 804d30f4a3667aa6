//! Lists, reputations, the lockdown and the alarms, between the store that keeps them and the shards that look at them.

use std::sync::Arc;

use anyhow::Context as _;

use crate::alarm::Alarm;
use crate::config::Config;
use crate::lists::{Lookup, Plan};
use crate::reputation::Reputations;
use crate::runtime::alarms::{Alarms, Syslog};
use crate::runtime::inbox::{Mailboxes, ToShard};
use crate::runtime::lists::ListKeeper;
use crate::runtime::lockdown::LockdownKeeper;
use crate::runtime::mail::Mail;
use crate::runtime::reputation::ReputationKeeper;
use crate::runtime::webhooks::Webhooks;
use crate::store::{Audit, Store};

/// The shards hear of every change; what stands there now they get with their engines.
pub(super) fn open(
    config: &Config,
    store: &Arc<dyn Store>,
    audit: &Arc<Audit>,
    mailboxes: &Mailboxes,
) -> anyhow::Result<ListKeeper> {
    let mailboxes = mailboxes.clone();
    let tell = move |lists: Arc<Lookup>| {
        if !mailboxes.command(|| ToShard::SetLists(lists.clone())) {
            tracing::error!("a shard takes no orders: it keeps its old lists");
        }
    };
    let plan = Plan::of(&config.identity.country);
    ListKeeper::open(store.clone(), audit.clone(), plan, Box::new(tell)).context("the lists")
}

/// The same for what people's reports make of numbers and signers.
pub(super) fn open_reputations(
    store: &Arc<dyn Store>,
    mailboxes: &Mailboxes,
) -> anyhow::Result<ReputationKeeper> {
    let mailboxes = mailboxes.clone();
    let tell = move |known: Arc<Reputations>| {
        if !mailboxes.command(|| ToShard::SetReputations(known.clone())) {
            tracing::error!("a shard takes no orders: it keeps its old reputations");
        }
    };
    ReputationKeeper::open(store.clone(), Box::new(tell)).context("the reputations")
}

/// The same for the lockdown.
pub(super) fn open_lockdown(
    store: &Arc<dyn Store>,
    audit: &Arc<Audit>,
    mailboxes: &Mailboxes,
) -> anyhow::Result<LockdownKeeper> {
    let mailboxes = mailboxes.clone();
    let tell = move |since| mailboxes.command(|| ToShard::SetLockdown(since));
    LockdownKeeper::open(store.clone(), audit.clone(), Box::new(tell)).context("the lockdown")
}

/// Alarms, told to the webhooks, by e-mail and to syslog.
pub(super) fn open_alarms(
    config: &Config,
    store: &Arc<dyn Store>,
    webhooks: &Arc<Webhooks>,
    mail: Option<&Arc<Mail>>,
) -> anyhow::Result<Alarms> {
    let (webhooks, mail) = (webhooks.clone(), mail.cloned());
    let tell = move |alarm: &Alarm| {
        if let Some(mail) = &mail {
            mail.tell(alarm);
        }
        // Our own plain data always has a JSON form.
        let data = serde_json::to_value(alarm).unwrap_or_default();
        webhooks.alarm(alarm.number, alarm.raised_ms, data);
    };
    let is_ocsf = config.alarms.is_ocsf;
    let syslog = config.alarms.syslog.map(|to| Syslog { to, is_ocsf });
    let home = stir_shaken_verify::country(&config.identity.country);
    Alarms::open(
        store.clone(),
        config.alarms.rules.clone(),
        home.map(|country| country.calling_code),
        syslog,
        Box::new(tell),
    )
    .context("the alarms")
}
