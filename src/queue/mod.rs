//! Waiting for a person: which phones ring, for how long, and where the call goes when nobody answers. Pure.
// DOOR

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    RingAll,
    InOrder,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// 480 to the caller.
    Reject,
    Queue(String),
}

/// `[[queue]]`
#[derive(Clone, Debug)]
pub struct Config {
    pub name: String,
    /// Dialled numbers (E.164 after normalisation), patterns with a trailing `*`, or `*`.
    pub numbers: Vec<String>,
    pub strategy: Strategy,
    /// SIP URIs with an IP literal (names are resolved when the configuration is loaded).
    pub targets: Vec<String>,
    pub ring: Duration,
    pub overflow: Overflow,
}
