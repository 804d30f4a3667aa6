//! Signalling as others see it: each SIP message in a HEP v3 packet for Homer and its like. Sans-IO. Imports `sip`.
//!
//! Knows the packet and nothing else: which messages there are, when, and to whom they belong is told; the socket is
//! the runtime's. A mirror is raw signalling by nature (numbers, names, tokens), so it is off unless configured.

pub mod hep;

use std::net::SocketAddr;

use crate::redact::Redacted;

/// `[capture]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where packets go, over UDP.
    pub hep: SocketAddr,
    /// Which capture agent we say we are (chunk 12).
    pub id: u32,
    /// What the collector wants to hear (chunk 14).
    pub password: Option<Redacted<String>>,
}
