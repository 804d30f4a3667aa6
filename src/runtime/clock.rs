//! The only place that reads clocks.

use std::time::{Instant, SystemTime};

use crate::time::Now;

/// Both clocks, read now.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads clocks"
)]
pub fn now() -> Now {
    Now {
        instant: Instant::now(),
        utc: SystemTime::now(),
    }
}
