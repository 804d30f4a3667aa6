//! Bounds of the demo: each with its unit, its reason, and what happens past it.

use std::time::Duration;

/// Banners seen by the phones and not yet collected. Past that the oldest goes.
pub const SIGHTINGS_MAX: usize = 512;

/// Calls one simulated phone holds at once; the next caller hears 486 Busy Here.
pub const PHONE_CALLS_MAX: usize = 16;

/// A call that has not ended by itself after this long is given up and reported as differing.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(120);

/// How long the finished record of a call may take to appear in the store (issue 2: under one second; we allow three).
pub const RECORD_WAIT: Duration = Duration::from_secs(3);

/// Calls in flight at once in a headless run: two cores then score and sign without queueing.
pub const PARALLEL_HEADLESS: usize = 8;

/// Calls in flight at once while a person watches the console.
pub const PARALLEL_WATCHED: usize = 3;

/// Most calls one run may be asked for.
pub const CALLS_MAX: usize = 100_000;
