//! Every bound of this room: unit, reason, and what happens at the edge.

use std::time::Duration;

/// Per cent of the limits of all calls that only calls which call themselves an emergency may use, when the others have used
/// theirs up. Past it they are refused too.
pub const EMERGENCY_SHARE_PERCENT: u32 = 10;

/// Trunks, addresses, queues, numbers or signers that are counted one by one, of each kind. Past it those without a call and
/// quiet for a second are forgotten; if there are none, further ones are counted together.
pub const COUNTED_MAX: usize = 16_384;

/// Whole seconds over which arrivals are added up to tell a flood: long enough that a burst of redials is none.
pub const SURGE_WINDOW_SECONDS: u64 = 10;

/// Whole minutes after which the normal is known; until then nothing is a flood by the rule.
pub const SURGE_LEARNED_MINUTES: u32 = 10;

/// Minutes that the normal remembers: the last hour counts for about two thirds of it.
pub const SURGE_MEMORY_MINUTES: u32 = 60;

/// How long it must have been calm (below half of what begins a flood) until a flood is over.
pub const SURGE_CALM: Duration = Duration::from_secs(60);
