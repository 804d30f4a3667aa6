//! A range of IP addresses in the usual notation (`203.0.113.0/24`), used wherever an operator names networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address range: `ADDRESS/PREFIX`, or a bare address for exactly one.
///
/// IPv4-mapped IPv6 (`::ffff:a.b.c.d`) and plain IPv4 are the same address here, in the range and in the
/// question: a dual-stack socket reports the first for what an operator writes as the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    /// Host bits are zero; never an IPv4-mapped IPv6 address.
    network: IpAddr,
    /// 0-32 for IPv4, 0-128 for IPv6.
    prefix: u8,
}

/// Why a text is not an address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACidr {
    #[error("not an IP address; expected an address range such as 203.0.113.0/24 or 2001:db8::/32")]
    Address,
    #[error("the prefix length after \"/\" must be a whole number from 0 to {most}")]
    Prefix { most: u8 },
    #[error("the address has bits set outside its prefix; write {0} for the range or leave the \"/\" out")]
    HostBits(Cidr),
}

/// Whom an address stands for: an IPv6 network of 64 bits is one house, since whoever has one has all its addresses. An
/// IPv4-mapped address is the IPv4 one.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6((u128::from(six) & !u128::from(u64::MAX)).into()),
        four => four,
    }
}

impl Cidr {
    /// Whether `address` lies in the range. An IPv4 range never holds a (genuine) IPv6 address, nor the other way.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                u32::from(address) & mask4(self.prefix) == u32::from(network)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                u128::from(address) & mask6(self.prefix) == u128::from(network)
            }
            _ => false,
        }
    }

    /// The first address of the range.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// Leading bits that are fixed: 0-32 for IPv4, 0-128 for IPv6.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The whole range lies in addresses that are not routed on the Internet (RFC 1918, RFC 6598, RFC 4193, loopback, link).
    pub fn is_private(&self) -> bool {
        const PRIVATE: [(IpAddr, u8); 8] = [
            (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
            (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
            (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
            (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
            (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
            (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
            (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
            (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
        ];
        PRIVATE.iter().any(|(network, prefix)| {
            let private = Cidr::masked(*network, *prefix);
            private.contains(self.network) && self.prefix >= *prefix
        })
    }

    fn masked(address: IpAddr, prefix: u8) -> Cidr {
        let network = match address {
            IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) & mask4(prefix)).into(),
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & mask6(prefix)).into(),
        };
        Cidr { network, prefix }
    }
}

impl From<IpAddr> for Cidr {
    /// The range that holds exactly this address.
    fn from(address: IpAddr) -> Cidr {
        let network = address.to_canonical();
        let prefix = if network.is_ipv4() { 32 } else { 128 };
        Cidr { network, prefix }
    }
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Cidr, NotACidr> {
        let Some((address, prefix)) = text.split_once('/') else {
            return text
                .parse::<IpAddr>()
                .map(Cidr::from)
                .map_err(|_| NotACidr::Address);
        };
        let written: IpAddr = address.parse().map_err(|_| NotACidr::Address)?;
        let most = if written.is_ipv4() { 32 } else { 128 };
        // Only digits: u8's own parser would also take "+8".
        if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotACidr::Prefix { most });
        }
        let prefix = prefix
            .parse::<u8>()
            .ok()
            .filter(|prefix| *prefix <= most)
            .ok_or(NotACidr::Prefix { most })?;

        let (address, prefix) = match written.to_canonical() {
            // A mapped range shorter than /96 is wider than IPv4: it stays IPv6 as written.
            IpAddr::V4(address) if written.is_ipv6() && prefix >= 96 => (IpAddr::V4(address), prefix - 96),
            _ => (written, prefix),
        };
        let range = Cidr::masked(address, prefix);
        if range.network != address {
            return Err(NotACidr::HostBits(range));
        }
        Ok(range)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.network, self.prefix)
    }
}

fn mask4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, address: &str, expected: bool) {
        let range: Cidr = range.parse().unwrap();
        assert_eq!(
            range.contains(address.parse().unwrap()),
            expected,
            "{address} in {range}"
        );
    }

    #[test]
    fn a_range_holds_its_own_addresses_and_no_others() {
        check("203.0.113.0/24", "203.0.113.0", true);
        check("203.0.113.0/24", "203.0.113.255", true);
        check("203.0.113.0/24", "203.0.114.0", false);
        check("203.0.113.7", "203.0.113.7", true);
        check("203.0.113.7", "203.0.113.6", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
    }

    #[test]
    fn a_prefix_of_zero_holds_everything_of_its_family_only() {
        check("0.0.0.0/0", "255.1.2.3", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("::/0", "2001:db8::1", true);
        check("::/0", "10.0.0.1", false);
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address_it_maps() {
        check("127.0.0.0/8", "::ffff:127.0.0.1", true);
        check("::ffff:10.0.0.0/104", "10.9.9.9", true);
        check("::ffff:10.0.0.1", "10.0.0.1", true);
        check("127.0.0.0/8", "::ffff:128.0.0.1", false);
    }

    #[test]
    fn what_is_not_a_range_says_why() {
        assert_eq!("carrier.example".parse::<Cidr>(), Err(NotACidr::Address));
        assert_eq!("".parse::<Cidr>(), Err(NotACidr::Address));
        assert_eq!("10.0.0.0/33".parse::<Cidr>(), Err(NotACidr::Prefix { most: 32 }));
        assert_eq!("10.0.0.0/+8".parse::<Cidr>(), Err(NotACidr::Prefix { most: 32 }));
        assert_eq!("::/129".parse::<Cidr>(), Err(NotACidr::Prefix { most: 128 }));
        assert_eq!("10.0.0.0/".parse::<Cidr>(), Err(NotACidr::Prefix { most: 32 }));
        let fault = "10.0.0.5/8".parse::<Cidr>().unwrap_err();
        assert!(fault.to_string().contains("10.0.0.0/8"), "{fault}");
    }

    #[test]
    fn printing_and_parsing_give_the_same_range() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "192.0.2.1/32"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
    }
}
