//! `[identity]`

use std::path::PathBuf;
use std::time::Duration;

/// `[identity]`
#[derive(Clone, Debug)]
pub struct Config {
    pub anchors: Vec<PathBuf>,
    pub country: String,
    /// CIDR ranges allowed in spite of the address guard.
    pub x5u_allow: Vec<String>,
    pub x5u_tls_anchors: Vec<PathBuf>,
    /// Largest |iat - arrival|; default 60 s.
    pub freshness: Duration,
    /// Largest age of the tokens of a diverted call, all but its last diversion's; default 5 min. Counts only where a
    /// complete chain of diversions explains it, and never less than `freshness`.
    pub freshness_diverted: Duration,
    /// Whole fetch, connect to last octet; default 2 s.
    pub fetch_timeout: Duration,
    /// Certificates kept on the shelf; default 1,000.
    pub shelf_entries: usize,
}

impl Default for Config {
    /// No anchors: signed calls are `unchecked` until the trust list is configured.
    fn default() -> Config {
        Config {
            anchors: Vec::new(),
            country: "US".into(),
            x5u_allow: Vec::new(),
            x5u_tls_anchors: Vec::new(),
            freshness: stir_shaken_verify::limits::FRESHNESS,
            freshness_diverted: stir_shaken_verify::limits::FRESHNESS_DIVERTED,
            fetch_timeout: Duration::from_secs(2),
            shelf_entries: stir_shaken_verify::limits::SHELF_ENTRIES,
        }
    }
}
