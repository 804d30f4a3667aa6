//! Every bound of this room: unit, reason, and what happens at the edge.

use std::time::Duration;

/// Octets of one header value. A real one has 300; past it the value is not read.
pub const FIELD_OCTETS_MAX: usize = 4096;

/// Parameters of one challenge or answer. Twelve are defined; past it the value is not read.
pub const PARAMS_MAX: usize = 24;

/// Challenges looked at in one response. One per algorithm and realm; further ones are not seen.
pub const CHALLENGES_MAX: usize = 16;

/// How long a nonce may be used. Past it the answer is `stale=true` and a fresh one: the peer tries once more by itself.
pub const NONCE_AGE_MAX: Duration = Duration::from_secs(300);

/// Nonces whose use is remembered, of peers that proved themselves. Past it the oldest goes, and every nonce as old as
/// it is stale from then on: nothing that was used can be used again.
pub const NONCES_MAX: usize = 4096;

/// How far behind the highest count of a nonce another may come: requests overtake each other on UDP. Past it: stale.
pub const COUNT_WINDOW: u32 = 64;

/// Addresses of strangers that are kept count of. Past it the one counted longest ago is forgotten.
pub const SOURCES_MAX: usize = 4096;

/// Requests of one strange address that are answered in [`SOURCE_WINDOW`]. A trunk that opens fifty calls at a time needs
/// a hundred; past it requests that prove nothing get no answer.
pub const REQUESTS_PER_SOURCE: u32 = 100;

/// The time over which requests of a source are counted.
pub const SOURCE_WINDOW: Duration = Duration::from_secs(10);

/// Wrong answers of one address within [`FAILURE_WINDOW`] before it gets no answer any more.
pub const FAILURES_PER_SOURCE: u32 = 8;

/// How long wrong answers are held against an address, and how long it gets no answer after too many.
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// Challenges of one shard in [`SOURCE_WINDOW`], to all strangers together: a flood from many addresses must not cost
/// more than this. Past it strangers get no answer.
pub const CHALLENGES_PER_WINDOW: u32 = 5_000;
