//! Who they say is calling (STIR/SHAKEN): bridges a SIP message to the verify crate. Sans-IO.
//!
//! Imports `sip` and `stir_shaken_verify` only.
// DOOR

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use stir_shaken_verify::{Attestation, Report, Standing};

use crate::call_id::CallId;
use crate::time::Now;

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
    /// Whole fetch, connect to last octet; default 2 s.
    pub fetch_timeout: Duration,
    /// Certificates kept on the shelf; default 1,000.
    pub shelf_entries: usize,
}

/// What a fetch brought: the PEM body and how long it may be kept, or why not.
pub struct Fetched {
    pub url: String,
    pub result: Result<FetchedBody, FetchFailure>,
}

#[derive(Clone, Debug)]
pub struct FetchedBody {
    pub pem: Arc<[u8]>,
    /// From HTTP caching; None = no directive (24 h).
    pub max_age: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    #[error("time-out")]
    Timeout,
    #[error("the host refused or cannot be reached")]
    Unreachable,
    #[error("address not allowed")]
    AddressRefused,
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("answer larger than 64 KiB")]
    TooLarge,
    #[error("redirect refused")]
    Redirect,
    #[error("TLS failed")]
    Tls,
}

pub enum Output {
    /// Fetch this URL (already checked against the URL rules; the dialer applies the address rules).
    Fetch {
        url: String,
    },
    Concluded {
        call: CallId,
        report: Box<Report>,
    },
    Timeout(Option<Instant>),
}

/// One shard's identity engine: verifier + certificate shelf.
pub struct Engine {}

impl Engine {
    /// Verifies every Identity header of `invite`. `arrived` is when the INVITE came: freshness is judged then.
    pub fn begin(&mut self, call: CallId, invite: &crate::sip::Message, arrived: Now) {
        let _ = (call, invite, arrived);
        todo!()
    }
    pub fn fetched(&mut self, fetched: Fetched, now: Now) {
        let _ = (fetched, now);
        todo!()
    }
    pub fn tick(&mut self, now: Now) {
        let _ = now;
        todo!()
    }
    /// The call ended; a later conclusion is dropped.
    pub fn forget(&mut self, call: CallId) {
        let _ = call;
        todo!()
    }
    pub fn poll_output(&mut self) -> Output {
        todo!()
    }
}
