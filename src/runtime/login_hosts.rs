//! Where the hosts of `[[credentials]]` are: asked again and again, told to every shard. A host that asks for our password
//! may have moved since we started.

use std::sync::Arc;

use super::dns::Dns;
use super::inbox::{Mailboxes, ToShard};
use super::limits::{NAMED_AGAIN_MAX, NAMED_AGAIN_MIN};

/// Asks for ever. What was known last stays while no name server answers.
pub async fn keep(host: Arc<str>, dns: Arc<Dns>, mailboxes: Mailboxes) {
    let mut is_known = false;
    loop {
        let (addresses, ttl) = dns.addresses(&host).await;
        if !addresses.is_empty() {
            is_known = true;
            // Told though nothing changed: an inbox may have been full the last time.
            mailboxes.broadcast(|| ToShard::LoginHost {
                host: host.clone(),
                addresses: addresses.clone(),
            });
        } else if !is_known {
            tracing::warn!(%host, "a host of [[credentials]] has no address");
        }
        tokio::time::sleep(ttl.clamp(NAMED_AGAIN_MIN, NAMED_AGAIN_MAX)).await;
    }
}
