//! Signalling as others see it: each SIP message in a HEP v3 packet for Homer and its like. Sans-IO. Imports `sip`.
//!
//! Knows the packet and nothing else: which messages there are, when, and to whom they belong is told; the socket is
//! the runtime's. A mirror is raw signalling by nature (numbers, names, tokens), so it is off unless configured.

pub mod hep;

use std::net::{IpAddr, SocketAddr};

use crate::redact::Redacted;

/// Where mirrored signalling is collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// A name, which is looked up while we run, or an address without brackets.
    pub host: String,
    pub port: u16,
}

impl Collector {
    /// None for a name.
    pub fn address(&self) -> Option<SocketAddr> {
        let address: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(address, self.port))
    }
}

/// `[capture]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where packets go, over UDP.
    pub hep: Collector,
    /// Which capture agent we say we are (chunk 12).
    pub id: u32,
    /// What the collector wants to hear (chunk 14).
    pub password: Option<Redacted<String>>,
}
