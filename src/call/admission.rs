//! Who may talk to us: trunks by address range, phones by the address of a queue's target, carriers that take our calls.
//!
//! Everybody else is dropped and counted before anything is parsed or remembered: a scanner learns nothing,
//! not even that something listens.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::cidr::Cidr;
use crate::queue;
use crate::sip::Uri;

use super::TrunkConfig;

/// Where a message came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// May call in.
    Trunk(&'a TrunkConfig),
    /// Somebody we call, a phone of a queue or a carrier: may answer, and hang up, and ask for OPTIONS.
    Phone,
    /// Nobody known; but a trunk may call from there that proves itself with its password.
    Stranger,
    /// Gets no answer.
    Unknown,
}

/// The addresses we know. Built once from the configuration; looking up keeps no state.
pub(crate) struct Admission {
    /// Range and index of its trunk, the narrowest range first.
    ranges: Vec<(Cidr, usize)>,
    trunks: Vec<TrunkConfig>,
    phones: BTreeSet<IpAddr>,
    /// A trunk with a password may call from anywhere.
    has_strangers: bool,
}

impl Admission {
    /// Ranges that cannot be read match nobody (`config` has already reported them).
    pub(crate) fn new(trunks: &[TrunkConfig], queues: &[queue::Config]) -> Admission {
        let mut ranges = Vec::new();
        for (index, trunk) in trunks.iter().enumerate() {
            ranges.extend(
                trunk
                    .from
                    .iter()
                    .filter_map(|text| text.parse::<Cidr>().ok())
                    .map(|range| (range, index)),
            );
        }
        // Stable: between equally narrow ranges the order of the file decides.
        ranges.sort_by_key(|(range, _)| std::cmp::Reverse(fixed_bits(range)));
        let phones = queues
            .iter()
            .flat_map(|queue| &queue.targets)
            .filter_map(|target| Uri::parse(target).ok()?.socket_addr())
            .chain(
                trunks
                    .iter()
                    .filter_map(|trunk| trunk.to.as_ref())
                    .flat_map(|peer| peer.addresses.clone()),
            )
            .map(|address| address.ip().to_canonical())
            .collect();
        Admission {
            ranges,
            trunks: trunks.to_vec(),
            phones,
            has_strangers: trunks
                .iter()
                .any(|trunk| trunk.is_challenged && trunk.from.is_empty()),
        }
    }

    /// A trunk's range counts before a phone's address: on a loopback demo both are 127.0.0.1.
    pub(crate) fn source(&self, address: SocketAddr) -> Source<'_> {
        let address = address.ip().to_canonical();
        if let Some((_, trunk)) = self.ranges.iter().find(|(range, _)| range.contains(address)) {
            let trunk = &self.trunks[*trunk];
            return match trunk.is_challenged {
                true => Source::Stranger,
                false => Source::Trunk(trunk),
            };
        }
        if self.phones.contains(&address) {
            Source::Phone
        } else if self.has_strangers {
            Source::Stranger
        } else {
            Source::Unknown
        }
    }

    /// Whether requests of ours may go there because the peer says so: to those we know by their address.
    pub(crate) fn is_known(&self, address: SocketAddr) -> bool {
        matches!(self.source(address), Source::Trunk(_) | Source::Phone)
    }

    pub(crate) fn trunk(&self, index: usize) -> Option<&TrunkConfig> {
        self.trunks.get(index)
    }

    /// Whether a trunk that proved itself may call from there.
    pub(crate) fn may_come_from(&self, trunk: &TrunkConfig, address: SocketAddr) -> bool {
        let address = address.ip().to_canonical();
        let mut ranges = trunk.from.iter().filter_map(|text| text.parse::<Cidr>().ok());
        trunk.from.is_empty() || ranges.any(|range| range.contains(address))
    }
}

/// Leading bits that are fixed, counted in IPv6 bits: comparable over both families.
fn fixed_bits(range: &Cidr) -> u16 {
    u16::from(range.prefix()) + if range.network().is_ipv4() { 96 } else { 0 }
}
