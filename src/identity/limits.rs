//! Bounds of this room; those of the verification itself are in `stir_shaken_verify::limits`.

use std::time::Duration;

/// Verifications waiting for certificates in one shard. A call that comes past it is concluded
/// with what is at hand, so `unchecked` unless its certificate is on the shelf: an attacker who
/// names dead hosts fills this, and must not fill memory.
pub const PENDING_MAX: usize = 4_096;

/// Calls whose `iat` is remembered for the clock alarm; past it the oldest goes.
pub const CLOCK_SAMPLES: usize = 64;
/// Fewer recent signed calls than this say nothing about our clock: one signer may well be wrong.
pub const CLOCK_SAMPLES_MIN: usize = 20;
/// Seconds between `iat` and arrival that no ordinary call has; with freshness at 60 s there is time left to act.
pub const CLOCK_SHIFT_MIN_SECONDS: i64 = 15;
/// How long a call counts for the clock alarm: at night, with few calls, yesterday says nothing.
pub const CLOCK_WINDOW: Duration = Duration::from_secs(30 * 60);

/// Characters of a reason why a list was refused; the rest is cut.
pub const PROBLEM_CHARS_MAX: usize = 200;
