//! Which addresses a certificate fetch may reach: the guard against being sent into our own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, `192.0.2.0/24` or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

/// The text is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address range such as 192.0.2.0/24 or 2001:db8::/32")]
pub struct NotACidr {
    /// What was read instead.
    pub text: Box<str>,
}

/// The rules: special-purpose ranges (RFC 6890 and the IANA registries after it) are refused,
/// except those allowed on purpose; further ranges and host names can be refused by name.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    allow: Vec<Cidr>,
    deny: Vec<Cidr>,
    /// Empty: any host.
    hosts: Vec<Box<str>>,
    hosts_denied: Vec<Box<str>>,
}

impl AddressRules {
    /// `allow` opens ranges in spite of the guard: for tests and private certificate hosts.
    pub fn new<T: AsRef<str>>(allow: impl IntoIterator<Item = T>) -> Result<AddressRules, NotACidr> {
        Ok(AddressRules {
            allow: ranges(allow)?,
            ..AddressRules::default()
        })
    }

    /// Refuses further ranges; this outweighs whatever is allowed.
    pub fn denying<T: AsRef<str>>(
        mut self,
        deny: impl IntoIterator<Item = T>,
    ) -> Result<AddressRules, NotACidr> {
        self.deny.extend(ranges(deny)?);
        Ok(self)
    }

    /// Lets only these hosts be asked, and never those. `cert.example.org` is that host, `*.example.org` every host
    /// below it. An empty `only` lets any host be asked.
    pub fn with_hosts<T: AsRef<str>>(
        mut self,
        only: impl IntoIterator<Item = T>,
        never: impl IntoIterator<Item = T>,
    ) -> AddressRules {
        let pattern = |text: T| plain_host(text.as_ref()).into_boxed_str();
        self.hosts.extend(only.into_iter().map(pattern));
        self.hosts_denied.extend(never.into_iter().map(pattern));
        self
    }

    /// May this host be asked at all, whatever its addresses are? Names are compared without regard to case.
    pub fn is_host_allowed(&self, host: &str) -> bool {
        if self.hosts.is_empty() && self.hosts_denied.is_empty() {
            return true;
        }
        let host = plain_host(host);
        let is_among = |patterns: &[Box<str>]| {
            patterns.iter().any(|pattern| match pattern.strip_prefix('*') {
                // With its dot: `*.example.org` is not `badexample.org`, nor `example.org` itself.
                Some(below) => host.len() > below.len() && host.ends_with(below),
                None => **pattern == *host,
            })
        };
        !is_among(&self.hosts_denied) && (self.hosts.is_empty() || is_among(&self.hosts))
    }

    /// True for public addresses and for those in an allowed range.
    ///
    /// IPv4-mapped and NAT64 (64:ff9b::/96) addresses are judged by the IPv4 address inside;
    /// 6to4, Teredo and everything outside 2000::/3 are refused.
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        if self.is_denied(address) {
            return false;
        }
        if self.allow.iter().any(|range| range.contains(address)) {
            return true;
        }
        match address {
            IpAddr::V4(v4) => self.is_allowed_v4(v4),
            IpAddr::V6(v6) => match embedded_v4(v6) {
                Some(v4) => self.is_allowed_v4(v4),
                None => is_public_v6(v6),
            },
        }
    }

    fn is_denied(&self, address: IpAddr) -> bool {
        self.deny.iter().any(|range| range.contains(address))
    }

    fn is_allowed_v4(&self, v4: Ipv4Addr) -> bool {
        let address = IpAddr::V4(v4);
        if self.is_denied(address) {
            return false;
        }
        self.allow.iter().any(|range| range.contains(address)) || is_public_v4(v4)
    }
}

fn ranges<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Vec<Cidr>, NotACidr> {
    texts.into_iter().map(|text| text.as_ref().parse()).collect()
}

/// One dot at the end names the same host.
fn plain_host(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

impl Cidr {
    /// Is `address` in this range? IPv4 and IPv6 ranges never hold addresses of the other.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                same_prefix(base.to_bits().into(), address.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                same_prefix(base.to_bits(), address.to_bits(), 128, self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Cidr, NotACidr> {
        let fault = || NotACidr {
            text: text.chars().take(64).collect::<String>().into(),
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = address.trim().parse().map_err(|_| fault())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits
                .trim()
                .parse()
                .ok()
                .filter(|bits| *bits <= width)
                .ok_or_else(fault)?,
            None => width,
        };
        Ok(Cidr { base, bits })
    }
}

fn same_prefix(base: u128, address: u128, width: u32, bits: u8) -> bool {
    let shift = width - u32::from(bits);
    // Shifting by the whole width is no shift the processor knows: /0 holds everything.
    shift >= 128 || (base >> shift) == (address >> shift) || bits == 0
}

fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = v6.to_bits();
    let is_nat64 = bits >> 32 == 0x0064_ff9b_0000_0000_0000_0000;
    v6.to_ipv4_mapped()
        .or_else(|| is_nat64.then(|| Ipv4Addr::from_bits(bits as u32)))
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(base, bits)| {
        same_prefix(
            Ipv4Addr::from(*base).to_bits().into(),
            v4.to_bits().into(),
            32,
            *bits,
        )
    })
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let address = v6.to_bits();
    let is_global_unicast = address >> 125 == 0b001;
    is_global_unicast
        && !SPECIAL_V6
            .iter()
            .any(|(base, bits)| same_prefix(Ipv6Addr::from(*base).to_bits(), address, 128, *bits))
}

/// Not global, or global for one protocol's own use (RFC 6890, IANA special-purpose registry).
const SPECIAL_V4: &[([u8; 4], u8)] = &[
    ([0, 0, 0, 0], 8),       // "this network"
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared, carrier-grade NAT
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, cloud metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 31, 196, 0], 24), // AS112
    ([192, 52, 193, 0], 24), // AMT
    ([192, 88, 99, 0], 24),  // 6to4 relay
    ([192, 168, 0, 0], 16),  // private
    ([192, 175, 48, 0], 24), // AS112
    ([198, 18, 0, 0], 15),   // benchmarking
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// Inside 2000::/3 and still not for us.
const SPECIAL_V6: &[([u16; 8], u8)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments: Teredo, ORCHID, benchmarking
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), // AS112
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(address: &str) -> bool {
        AddressRules::default().is_allowed(address.parse().unwrap())
    }

    #[test]
    fn c_09_public_addresses_are_allowed() {
        for address in [
            "8.8.8.8",
            "93.184.216.34",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_allowed(address), "{address}");
        }
    }

    #[test]
    fn c_09_special_addresses_are_refused_in_every_clothing() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.1.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_allowed(address), "{address}");
        }
    }

    #[test]
    fn c_09_neighbours_of_special_ranges_are_public() {
        for address in [
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "198.17.255.255",
            "2001:200::1",
        ] {
            assert!(is_allowed(address), "{address}");
        }
    }

    #[test]
    fn c_09_an_allowed_range_opens_only_itself_also_when_mapped() {
        let rules = AddressRules::new(["10.0.0.0/24", "::1"]).unwrap();
        assert!(rules.is_allowed("10.0.0.255".parse().unwrap()));
        assert!(rules.is_allowed("::ffff:10.0.0.1".parse().unwrap()));
        assert!(rules.is_allowed("::1".parse().unwrap()));
        assert!(!rules.is_allowed("10.0.1.0".parse().unwrap()));
        assert!(
            AddressRules::new(["0.0.0.0/0"])
                .unwrap()
                .is_allowed("10.0.1.0".parse().unwrap())
        );
    }

    #[test]
    fn c_09_a_denied_range_outweighs_an_allowed_one_in_every_clothing() {
        let rules = AddressRules::new(["10.0.0.0/8"]).unwrap();
        let rules = rules
            .denying(["10.0.0.0/16", "8.8.8.8", "2606:4700::/32"])
            .unwrap();
        for (address, is_allowed) in [
            ("10.1.0.1", true),
            ("10.0.255.255", false),
            ("::ffff:10.0.0.1", false),
            ("8.8.8.8", false),
            ("64:ff9b::808:808", false),
            ("8.8.8.9", true),
            ("2606:4700::1", false),
            ("2606:4701::1", true),
        ] {
            assert_eq!(
                rules.is_allowed(address.parse().unwrap()),
                is_allowed,
                "{address}"
            );
        }
        assert!(AddressRules::default().denying(["x"]).is_err());
    }

    #[test]
    fn c_09_hosts_can_be_named_one_by_one_or_by_what_they_lie_below() {
        let any = AddressRules::default();
        assert!(any.is_host_allowed("anything.example"));
        let some = AddressRules::default().with_hosts(
            ["Cert.example.org", "*.example.net", "192.0.2.1"],
            ["bad.example.net"],
        );
        for (host, is_allowed) in [
            ("cert.example.org", true),
            ("CERT.example.org.", true),
            ("a.cert.example.org", false),
            ("a.b.example.net", true),
            ("example.net", false),
            ("badexample.net", false),
            (".example.net", false),
            ("bad.example.net", false),
            ("BAD.EXAMPLE.NET.", false),
            ("192.0.2.1", true),
            ("192.0.2.10", false),
        ] {
            assert_eq!(some.is_host_allowed(host), is_allowed, "{host}");
        }
    }

    #[test]
    fn a_bad_range_is_named() {
        for text in ["10.0.0.0/33", "10.0.0/8", "::/129", "x", "10.0.0.0/-1"] {
            assert_eq!(text.parse::<Cidr>().unwrap_err().text.as_ref(), text);
        }
    }
}
