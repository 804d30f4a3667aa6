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

/// Minutes of flood in a row from which on it is learned from after all.
pub const SURGE_LONG_MINUTES: u32 = 60;

/// By how much the normal grows in a minute of such a flood at most: fourfold in about seventy minutes.
pub const SURGE_GROWTH: f64 = 1.02;

/// How long it must have been calm (below half of what begins a flood) until a flood is over.
pub const SURGE_CALM: Duration = Duration::from_secs(60);

/// Strikes within [`STRIKES_WINDOW`] for which an address is blocked: eight wrong passwords.
pub const STRIKES_MAX: u32 = 32;

/// How long strikes are added up: who mistypes a password is slower.
pub const STRIKES_WINDOW: Duration = Duration::from_secs(60);

/// How long the first block lasts; each further one twice as long.
pub const BLOCK_FIRST: Duration = Duration::from_secs(5 * 60);

/// How long a block lasts at most: addresses change hands, and an office whose old password is put right must be heard again.
pub const BLOCK_MOST: Duration = Duration::from_secs(3600);

/// How long after its last strike, and its last block, an address is as good as new.
pub const BLOCK_FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// How long an address from which somebody proved himself is not blocked for what others there do.
pub const PROVEN_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Addresses that people have blocked at once. Past it no further one is; whole networks are a packet filter's work.
pub const BLOCKS_BY_HAND_MAX: usize = 256;

/// Addresses with strikes, blocks or proofs that are known. Past it the one heard of longest ago is forgotten.
pub const BLOCKS_KNOWN_MAX: usize = 16_384;

/// Entries of a list of addresses that others keep, at 32 octets each. A longer one is not read: what was read before counts.
pub const FEED_ENTRIES_MAX: usize = 100_000;

/// Leading bits of a range on such a list, at least: a wider one (65,536 addresses of IPv4, a provider's whole share of IPv6) is left out.
pub const FEED_V4_BITS_MIN: u8 = 16;
/// The same of IPv6.
pub const FEED_V6_BITS_MIN: u8 = 32;
