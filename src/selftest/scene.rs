//! Who takes part: an authority that is trusted, one that is not, and a provider under each.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::signing::der::TnEntry;
use crate::signing::pki::{Leaf, PkiError, Provider, StiAuthority};
use crate::time::Now;

/// Where the certificate is said to be. The name is reserved (RFC 2606): nothing could ever be fetched from it.
pub(super) const URL: &str = "https://certificates.example.com/shaken.pem";
/// Calling and called numbers, canonical. They belong to nobody (the 555-01xx block).
pub(super) const CALLER: &str = "14045550123";
pub(super) const CALLED: &str = "12125550100";
/// Serial number of the certificate that is revoked in some trials.
pub(super) const SERIAL: u32 = 0x4201_0007;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) struct Scene {
    pub(super) now: Now,
    /// In whom the gateway of these trials believes.
    pub(super) authority: StiAuthority,
    /// Another authority of the same make, in whom it does not.
    pub(super) stranger: StiAuthority,
    /// A carrier with a service provider code.
    pub(super) carrier: Provider,
}

impl Scene {
    /// # Errors
    ///
    /// When a key or certificate cannot be made.
    pub(super) fn new(now: Now) -> Result<Scene, PkiError> {
        let authority = StiAuthority::new("Self-test STI", now.utc)?;
        let mut carrier = Leaf::new("Self-test SHAKEN 709J", &[TnEntry::Provider("709J")], now.utc);
        carrier.serial = Some(SERIAL);
        Ok(Scene {
            now,
            carrier: authority.issue(&carrier)?,
            stranger: StiAuthority::new("Nobody's STI", now.utc)?,
            authority,
        })
    }

    /// Whole seconds since 1970 of the moment that all trials play at.
    pub(super) fn seconds(&self) -> u64 {
        let since = self.now.utc.duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }

    pub(super) fn hours_ago(&self, hours: u32) -> SystemTime {
        self.now.utc - HOUR * hours
    }

    pub(super) fn in_hours(&self, hours: u32) -> SystemTime {
        self.now.utc + HOUR * hours
    }
}
