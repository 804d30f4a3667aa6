//! What a URI asks for, and what we can send on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::limits::NAME_OCTETS_MAX;
use crate::sip::{Transport, Uri};

/// One address to try, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    pub transport: Transport,
    pub address: SocketAddr,
}

impl fmt::Display for Candidate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.transport, self.address)
    }
}

/// What a URI asks for (RFC 3263 §4): all that decides where a request to it goes, and nothing of whom it is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// `sips:`
    is_secure: bool,
    /// Lower case, an IPv6 address without brackets. TARGET of RFC 3263 §4: `maddr` where there is one.
    host: Box<str>,
    port: Option<u16>,
    /// Asked for in so many words.
    transport: Option<Transport>,
}

impl Target {
    /// `None` when nothing can be sent to it: no SIP URI, a transport nobody has here, port 0, sips over UDP.
    pub fn of(uri: &Uri) -> Option<Target> {
        if !uri.is_sip() || uri.port() == Some(0) {
            return None;
        }
        let is_secure = uri.is_sips();
        let maddr = uri.param("maddr").filter(|maddr| !maddr.is_empty());
        let written = maddr.as_deref().or_else(|| uri.host())?;
        let bare = written
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(written);
        let host = bare.trim_end_matches('.').to_ascii_lowercase();
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
        if host.is_empty() || host.len() > NAME_OCTETS_MAX || !host.bytes().all(is_plain) {
            return None;
        }
        let transport = match uri.param("transport") {
            None => None,
            Some(name) => match (name.to_ascii_lowercase().as_str(), is_secure) {
                ("udp", false) => Some(Transport::Udp),
                ("tcp", false) => Some(Transport::Tcp),
                // `sips:...;transport=tcp` is TLS over TCP (RFC 3261 §26.2.2); `transport=tls` is how most write it.
                ("tls", _) | ("tcp", true) => Some(Transport::Tls),
                _ => return None,
            },
        };
        Some(Target {
            is_secure,
            host: host.into(),
            port: uri.port(),
            transport,
        })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    pub(super) fn asked_transport(&self) -> Option<Transport> {
        self.transport
    }

    /// The transport when neither the URI nor the name service chooses one (RFC 3263 §4.1).
    pub(super) fn plain_transport(&self) -> Transport {
        self.transport.unwrap_or(match self.is_secure {
            true => Transport::Tls,
            false => Transport::Udp,
        })
    }

    /// The host is an address: there is one candidate, and nothing to look up.
    pub fn literal(&self) -> Option<Candidate> {
        let address: IpAddr = self.host.parse().ok()?;
        let transport = self.plain_transport();
        let port = self.port.unwrap_or(transport.default_port());
        Some(Candidate {
            transport,
            address: SocketAddr::new(address, port),
        })
    }
}

impl fmt::Display for Target {
    /// As a URI without user.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "sips" } else { "sip" };
        match self.host.contains(':') {
            true => write!(out, "{scheme}:[{}]", self.host)?,
            false => write!(out, "{scheme}:{}", self.host)?,
        }
        if let Some(port) = self.port {
            write!(out, ":{port}")?;
        }
        match self.transport {
            Some(transport) => write!(out, ";transport={transport}"),
            None => Ok(()),
        }
    }
}

/// What we can send on: a transport and an address family for each listener.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// Transport and whether it is IPv4, each once.
    pairs: Vec<(Transport, bool)>,
}

impl Ways {
    /// From the listeners: transport and address.
    pub fn new(listeners: impl IntoIterator<Item = (Transport, SocketAddr)>) -> Ways {
        let mut pairs = Vec::new();
        for (transport, address) in listeners {
            let pair = (transport, address.is_ipv4());
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        pairs.sort_by_key(|(transport, is_ipv4)| (*transport, !is_ipv4));
        Ways { pairs }
    }

    /// UDP before TCP before TLS: what everybody speaks comes first where the name service has no preference.
    pub(super) fn transports(&self) -> Vec<Transport> {
        let mut transports: Vec<_> = self.pairs.iter().map(|(transport, _)| *transport).collect();
        transports.dedup();
        transports
    }

    pub(super) fn has(&self, transport: Transport) -> bool {
        self.pairs.iter().any(|(own, _)| *own == transport)
    }

    pub(super) fn has_family(&self, is_ipv4: bool) -> bool {
        self.pairs.iter().any(|(_, own)| *own == is_ipv4)
    }

    /// Whether one of our listeners can send there.
    pub fn can(&self, candidate: &Candidate) -> bool {
        self.pairs
            .contains(&(candidate.transport, candidate.address.is_ipv4()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Option<Target> {
        Target::of(&Uri::parse(uri).unwrap())
    }

    fn literal(uri: &str) -> String {
        target(uri)
            .and_then(|t| t.literal())
            .map_or("-".into(), |c| c.to_string())
    }

    #[test]
    fn an_address_needs_no_name_service() {
        assert_eq!(literal("sip:a@10.0.0.5"), "udp:10.0.0.5:5060");
        assert_eq!(literal("sip:a@10.0.0.5:5080;transport=tcp"), "tcp:10.0.0.5:5080");
        assert_eq!(literal("sip:a@[2001:DB8::1]"), "udp:[2001:db8::1]:5060");
        assert_eq!(literal("sips:a@10.0.0.5"), "tls:10.0.0.5:5061");
        assert_eq!(literal("sips:a@10.0.0.5;transport=tcp"), "tls:10.0.0.5:5061");
        assert_eq!(literal("sip:a@10.0.0.5;transport=TLS"), "tls:10.0.0.5:5061");
        assert_eq!(literal("sip:a@pbx.example.com"), "-");
        assert_eq!(
            literal("sip:a@pbx.example.com;maddr=10.0.0.9"),
            "udp:10.0.0.9:5060"
        );
    }

    #[test]
    fn the_user_does_not_matter_and_the_case_neither() {
        assert_eq!(
            target("sip:a@PBX.Example.com."),
            target("SIP:b@pbx.example.com;user=phone")
        );
        assert_ne!(
            target("sip:a@pbx.example.com"),
            target("sip:a@pbx.example.com:5060")
        );
        assert_eq!(
            target("sips:a@pbx.example.com:5071;transport=tcp")
                .unwrap()
                .to_string(),
            "sips:pbx.example.com:5071;transport=tls"
        );
    }

    #[test]
    fn what_cannot_be_sent_to_is_no_target() {
        for uri in [
            "tel:+12125550100",
            "sip:a@10.0.0.5:0",
            "sip:a@10.0.0.5;transport=sctp",
            "sips:a@10.0.0.5;transport=udp",
            "urn:service:sos",
        ] {
            assert_eq!(target(uri), None, "{uri}");
        }
        let long = format!("sip:a@{}.example.com", "a".repeat(260));
        assert_eq!(target(&long), None);
    }

    #[test]
    fn only_what_a_listener_speaks_can_be_reached() {
        let ways = Ways::new([
            (Transport::Tcp, "10.0.0.1:5060".parse().unwrap()),
            (Transport::Udp, "10.0.0.1:5060".parse().unwrap()),
            (Transport::Udp, "10.0.0.2:5060".parse().unwrap()),
        ]);
        assert_eq!(ways.transports(), [Transport::Udp, Transport::Tcp]);
        let can = |uri| ways.can(&target(uri).unwrap().literal().unwrap());
        assert!(can("sip:a@10.9.9.9;transport=tcp"));
        assert!(!can("sip:a@10.9.9.9;transport=tls"));
        assert!(!can("sip:a@[::1]"));
    }
}
