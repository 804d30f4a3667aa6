//! Where the collector of mirrored signalling is, when `[capture] hep` names it: asked again and again, told to every shard.

use std::net::SocketAddr;
use std::sync::Arc;

use super::dns::Dns;
use super::inbox::{Mailboxes, ToShard};
use super::limits::{NAMED_AGAIN_MAX, NAMED_AGAIN_MIN};
use crate::capture::Collector;

/// Asks for ever. What was known last stays while no name server answers.
pub async fn keep(collector: Collector, dns: Arc<Dns>, mailboxes: Mailboxes) {
    if collector.address().is_some() {
        return;
    }
    let mut known: Vec<SocketAddr> = Vec::new();
    loop {
        let (found, ttl) = dns.addresses(&collector.host).await;
        let found: Vec<SocketAddr> = found
            .iter()
            .map(|address| (*address, collector.port).into())
            .collect();
        match found.is_empty() {
            true if known.is_empty() => {
                tracing::warn!(
                    host = collector.host,
                    "the collector of mirrored signalling has no address"
                );
            }
            true => {}
            false if found != known => {
                mailboxes.broadcast(|| ToShard::Collector(found.clone()));
                known = found;
            }
            false => {}
        }
        tokio::time::sleep(ttl.clamp(NAMED_AGAIN_MIN, NAMED_AGAIN_MAX)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_an_address_is_not_asked_for() {
        let at = |host: &str| {
            Collector {
                host: host.into(),
                port: 9060,
            }
            .address()
        };
        assert_eq!(at("10.0.0.9"), Some(([10, 0, 0, 9], 9060).into()));
        assert!(at("::1").is_some());
        assert_eq!(at("homer.example"), None);
        assert!(NAMED_AGAIN_MIN < Duration::from_secs(60));
    }
}
