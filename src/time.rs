//! Time as an argument. The only clock reads are in `runtime/clock.rs`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
///
/// `instant` drives timers and never goes back; `utc` dates certificates, `iat` and records.
/// RTP time is a third thing ([`MediaTime`]). They never convert silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub instant: Instant,
    pub utc: SystemTime,
}

impl Now {
    /// Whole milliseconds since the Unix epoch (UTC); 0 for a clock before 1970.
    pub fn unix_ms(self) -> u64 {
        self.utc
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64)
    }

    /// Both clocks moved forward by `step`: what simulations use.
    pub fn after(self, step: Duration) -> Now {
        Now {
            instant: self.instant + step,
            utc: self.utc + step,
        }
    }
}

/// A position in a media stream, in RTP timestamp units of its clock rate (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MediaTime(pub u32);
