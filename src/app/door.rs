//! Who may open a connection to us.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::cidr::Cidr;
use crate::config::Config;
use crate::flood::Blocks;
use crate::runtime::clock;
use crate::runtime::dns::Dns;
use crate::runtime::stream::Door;
use crate::sip::Uri;

/// Who may open a connection: trunk ranges and the addresses of the phones; and over TLS from where somebody may come
/// whom we know by name.
pub(super) fn of(config: &Config, dns: Arc<Dns>, blocks: &Arc<Blocks>) -> Door {
    let blocks = blocks.clone();
    let known = known_sources(config);
    let named: Vec<Vec<Cidr>> = config
        .trunks
        .iter()
        .filter(|trunk| trunk.tls_name.is_some())
        .map(|trunk| trunk.from.iter().filter_map(|range| range.parse().ok()).collect())
        .collect();
    let challenged: Vec<Vec<Cidr>> = config
        .trunks
        .iter()
        .filter(|trunk| trunk.is_challenged)
        .map(|trunk| trunk.from.iter().filter_map(|range| range.parse().ok()).collect())
        .collect();
    let phones = config.registrar.clone();
    Door {
        is_known: Box::new(move |source| {
            known.iter().any(|range| range.contains(source)) || dns.is_address_of_target(source)
        }),
        may_be_named: Box::new(move |source| {
            named
                .iter()
                .any(|from| from.is_empty() || from.iter().any(|range| range.contains(source)))
        }),
        may_prove: Box::new(move |source| {
            let may_register = phones.as_ref().is_some_and(|phones| phones.is_from(source));
            let may_prove = may_register
                || challenged
                    .iter()
                    .any(|from| from.is_empty() || from.iter().any(|range| range.contains(source)));
            // A trunk that is known by its certificate is not kept out for others at its address.
            may_prove && !blocks.is_blocked(source, clock::now().instant)
        }),
    }
}

/// Who is blocked: never the ranges of trunks, whichever way they prove themselves, nor phones, carriers and what the
/// configuration names.
pub(super) fn blocks(config: &Config) -> Blocks {
    let trunks = config.trunks.iter().flat_map(|trunk| &trunk.from);
    let never = known_sources(config)
        .into_iter()
        .chain(trunks.filter_map(|range| range.parse().ok()))
        .chain(config.scans.never.iter().copied());
    let phones = config.registrar.as_ref().map_or(&[][..], |phones| &phones.from);
    Blocks::new(never.collect(), config.scans.blocks).with_phones(phones)
}

/// Trunk ranges, and the addresses of phones and carriers we call. A trunk that is known by its certificate
/// or its password is not known by its address.
fn known_sources(config: &Config) -> Vec<Cidr> {
    let trunks = config
        .trunks
        .iter()
        .filter(|trunk| trunk.tls_name.is_none() && !trunk.is_challenged)
        .flat_map(|trunk| &trunk.from)
        .filter_map(|range| range.parse::<Cidr>().ok());
    let targets: BTreeSet<IpAddr> = config
        .queues
        .iter()
        .flat_map(|queue| &queue.targets)
        .filter_map(|target| Uri::parse(target).ok()?.socket_addr())
        .chain(
            config
                .trunks
                .iter()
                .flat_map(|trunk| {
                    let to = trunk.to.iter().flat_map(|peer| &peer.addresses);
                    to.chain(trunk.register.iter().flat_map(|register| &register.addresses))
                })
                .copied(),
        )
        .map(|address| address.ip())
        .collect();
    trunks
        .chain(targets.into_iter().filter_map(|ip| ip.to_string().parse().ok()))
        .collect()
}
