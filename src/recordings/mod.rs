//! The same recording in the calls of several numbers: landmarks of the first seconds of each call's audio ([`Hearing`]), looked
//! up among those of earlier calls ([`Index`]).
//!
//! A copy keeps its landmarks through a telephone line, so that a match says that it is the same recording, and nothing
//! of who or what speaks in it. Sans-IO: knows samples and times it is handed, no call, no number and no store.

mod campaigns;
mod index;
mod landmarks;
pub mod limits;

pub use campaigns::{Campaigns, Recording, Repeat, WANTED};
pub use index::{Index, Match};
pub use landmarks::{HASH_BITS, Hearing, Landmark, Plan, STEP};
