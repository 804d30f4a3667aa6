//! Other gateways on the same store, between whoever hears them and what they change here.

use std::sync::Arc;

use anyhow::Context as _;

use crate::accounts::{Seats, Tries};
use crate::runtime::clock;
use crate::runtime::counted::Counted;
use crate::runtime::floor::Floor;
use crate::runtime::inbox::{Mailboxes, ToShard};
use crate::runtime::lists::ListKeeper;
use crate::runtime::lockdown::LockdownKeeper;
use crate::runtime::neighbours::{Here, Neighbourhood, Orders};
use crate::runtime::policies::Policies;
use crate::runtime::reputation::ReputationKeeper;
use crate::store::{Audit, Live, Store, StoreError};

/// What others may change.
pub(super) struct Shared {
    pub store: Arc<dyn Store>,
    pub live: Arc<Live>,
    pub audit: Arc<Audit>,
    pub tries: Arc<Tries>,
    pub policies: Arc<Policies>,
    pub lists: Arc<ListKeeper>,
    pub reputation: Arc<ReputationKeeper>,
    pub lockdown: Arc<LockdownKeeper>,
    pub floor: Floor,
    pub mailboxes: Mailboxes,
    pub counted: Counted,
}

/// None = the store is this gateway's alone.
pub(super) fn start(shared: Shared) -> anyhow::Result<Option<(Neighbourhood, Orders)>> {
    let Shared {
        store,
        live,
        audit,
        tries,
        policies,
        lists,
        reputation,
        lockdown,
        floor,
        mailboxes,
        counted,
    } = shared;
    let seats = floor.clone();
    let changed = move |what: Option<&str>| {
        let told = |name: &str, looked: Result<(), StoreError>| {
            if let Err(error) = looked {
                tracing::warn!(%error, name, "what another gateway changed could not be looked at");
            }
        };
        let is_meant = |name: &str| what.is_none_or(|what| what == name);
        if is_meant("policy") {
            told("policy", policies.refresh());
        }
        if is_meant("lists") {
            told("lists", lists.refresh());
        }
        if is_meant("reputation") {
            told("reputation", reputation.refresh());
        }
        if is_meant("lockdown") {
            told("lockdown", lockdown.refresh());
        }
        if Seats::SHELVES.into_iter().any(is_meant) {
            told("seats", seats.look(clock::now().unix_ms()));
        }
    };
    let order = move |call, order| {
        if let Some(mailbox) = mailboxes.owner_of(call) {
            mailbox.send(ToShard::Order { call, order });
        }
    };
    let here = Here {
        store,
        live,
        audit,
        tries,
        counted,
        floor,
        changed: Box::new(changed),
        order: Box::new(order),
    };
    Neighbourhood::start(here).context("threads for other gateways")
}
