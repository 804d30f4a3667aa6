//! Too many calls, and whoever guesses: how many are taken, from whom and for whom, when it is a flood, and who is not
//! heard for a while ([`Blocks`]).
//!
//! ```text
//!   a new call ─► [`Shared::admit`] ─┬─ within every limit ──────────► a [`Ticket`]: counted until it is dropped
//!                                    └─ one limit would be passed ───► that [`Limit`]; nothing was remembered of the call
//!   its caller proven ─► [`Ticket::also`] ──► the limits of a number, and of whoever signed for it
//!   every new call ────► [`Surge`] ─────────► a flood begins, lasts, is over
//! ```
//!
//! One for the process: all shards ask the same counters, so a limit is what it says whichever shard a call comes to.
//! Knows no SIP, no clock and no configuration file; numbers and names are kept as hashes of 64 bits, never as they are.

mod blocks;
mod bucket;
mod counts;
#[cfg(test)]
mod counts_tests;
mod feed;
mod floods;
mod limit;
pub mod limits;
mod scanner;
mod shared;
mod surge;
mod told;

pub use blocks::{Block, Blocks, Listing, NotBlocked, Strike};
pub use counts::NewCall;
pub use feed::{Feed, FeedConfig, FeedPlace, NotAFeed};
pub use limit::{Allowance, CallLimits, Kind, Limit, Scope};
pub use scanner::is_scanner;
pub use shared::{Shared, Standing, Ticket};
pub use surge::{Hand, Rest, Surge, SurgeConfig, SurgeStanding};
pub use told::Told;
