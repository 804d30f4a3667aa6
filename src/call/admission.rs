//! Who may talk to us: trunks by address range, phones by the address of a queue's target.
//!
//! Everybody else is dropped and counted before anything is parsed or remembered: a scanner learns nothing,
//! not even that something listens.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::queue;
use crate::sip::Uri;

use super::TrunkConfig;
use super::error::NotARange;

/// Where a message came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// May call in.
    Trunk(&'a TrunkConfig),
    /// A phone of a queue: may answer, and hang up, and ask for OPTIONS.
    Phone,
    Unknown,
}

/// The addresses we know. Built once from the configuration; looking up keeps no state.
pub(crate) struct Admission {
    /// Range and index of its trunk, the narrowest range first.
    ranges: Vec<(Range, usize)>,
    trunks: Vec<TrunkConfig>,
    phones: BTreeSet<IpAddr>,
}

impl Admission {
    /// Ranges that cannot be read match nobody (`config` has already reported them).
    pub(crate) fn new(trunks: &[TrunkConfig], queues: &[queue::Config]) -> Admission {
        let mut ranges = Vec::new();
        for (index, trunk) in trunks.iter().enumerate() {
            ranges.extend(trunk.from.iter().filter_map(|text| Range::parse(text).ok()).map(|range| (range, index)));
        }
        // Stable: between equally narrow ranges the order of the file decides.
        ranges.sort_by_key(|(range, _)| std::cmp::Reverse(range.length));
        let phones = queues
            .iter()
            .flat_map(|queue| &queue.targets)
            .filter_map(|target| Uri::parse(target).ok()?.socket_addr())
            .map(|address| address.ip().to_canonical())
            .collect();
        Admission { ranges, trunks: trunks.to_vec(), phones }
    }

    /// A trunk's range counts before a phone's address: on a loopback demo both are 127.0.0.1.
    pub(crate) fn source(&self, address: SocketAddr) -> Source<'_> {
        let address = address.ip().to_canonical();
        if let Some((_, trunk)) = self.ranges.iter().find(|(range, _)| range.contains(address)) {
            return Source::Trunk(&self.trunks[*trunk]);
        }
        if self.phones.contains(&address) { Source::Phone } else { Source::Unknown }
    }

    pub(crate) fn is_known(&self, address: SocketAddr) -> bool {
        self.source(address) != Source::Unknown
    }
}

/// `203.0.113.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    network: u128,
    /// Prefix length counted in IPv6 bits: an IPv4 range is looked at as `::ffff:0:0/96` and longer.
    length: u8,
}

impl Range {
    /// # Errors
    ///
    /// [`NotARange`] for anything that is not an address with an optional prefix length.
    pub fn parse(text: &str) -> Result<Range, NotARange> {
        let fault = || NotARange { text: text.chars().take(64).collect() };
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().map_err(|_| fault())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(bits);
        if length > bits {
            return Err(fault());
        }
        let length = length + (128 - bits);
        Ok(Range { network: mapped(address) & mask(length), length })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        mapped(address) & mask(self.length) == self.network
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, address: &str, expected: bool) {
        let range = Range::parse(range).unwrap();
        assert_eq!(range.contains(address.parse().unwrap()), expected, "{range:?} {address}");
    }

    #[test]
    fn ranges_hold_what_they_say() {
        check("203.0.113.0/24", "203.0.113.255", true);
        check("203.0.113.0/24", "203.0.114.0", false);
        check("203.0.113.7", "203.0.113.7", true);
        check("203.0.113.7", "203.0.113.8", false);
        check("203.0.113.77/24", "203.0.113.1", true);
        check("0.0.0.0/0", "198.51.100.1", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("::/0", "203.0.113.1", true);
        check("203.0.113.0/24", "::ffff:203.0.113.9", true);
    }

    #[test]
    fn what_is_no_range_says_so() {
        for text in ["", "203.0.113.0/33", "carrier.example", "203.0.113.0/x", "203.0.113/24", "::/129"] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }
}
