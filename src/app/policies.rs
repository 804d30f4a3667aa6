//! The book of policies, between the store that keeps it and the shards that judge by it.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Notify;

use crate::config::Config;
use crate::policy::{Lineup, Policy};
use crate::runtime::inbox::{Mailboxes, ToShard};
use crate::runtime::policies::Policies;
use crate::store::{self, Store};

/// The book of policies; the shards hear of every change in it, and now of what is live.
pub(super) fn open(
    config: &Config,
    policy: &Arc<Policy>,
    store: &Arc<dyn Store>,
    audit: &Arc<store::Audit>,
    mailboxes: &Mailboxes,
) -> anyhow::Result<Policies> {
    let text = config.policy_text()?;
    let (config, mailboxes) = (config.clone(), mailboxes.clone());
    let check = move |name: &str, text: &str| config.check_policy(name, text);
    let tell = move |lineup: Arc<Lineup>| {
        if !mailboxes.command(|| ToShard::SetPolicies(lineup.clone())) {
            tracing::error!("a shard takes no orders: it keeps its old policy");
        }
    };
    let policies = Policies::open(
        store.clone(),
        audit.clone(),
        Box::new(check),
        policy,
        &text,
        Box::new(tell),
    );
    policies.context("the book of policies")
}

/// Reads the policy file again whenever somebody says (SIGHUP) that it has changed.
pub(super) async fn keep(config: Config, policies: Arc<Policies>, asked: Arc<Notify>) {
    let file = match &config.policy.file {
        Some(path) => path.display().to_string(),
        None => return,
    };
    let config = Arc::new(config);
    loop {
        asked.notified().await;
        let (config, policies, file) = (config.clone(), policies.clone(), file.clone());
        let read = tokio::task::spawn_blocking(move || policies.reread(&file, config.policy_text()));
        if let Err(error) = read.await {
            tracing::error!(%error, "the policy file was not read again");
        }
    }
}
