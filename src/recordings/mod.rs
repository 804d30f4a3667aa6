//! The same recording in the calls of several numbers: landmarks of the first seconds of each call's audio ([`Hearing`]), looked
//! up among those of earlier calls ([`Index`]).
//!
//! A copy keeps its landmarks through a telephone line, so that a match says that it is the same recording, and nothing
//! of who or what speaks in it. Sans-IO: knows samples, times, names of calls and pseudonyms of callers that it is
//! handed, no number and no store.

mod campaigns;
#[cfg(test)]
mod campaigns_tests;
mod index;
mod kept;
mod landmarks;
pub mod limits;

pub use campaigns::{Campaigns, NotSaid, Recording, Repeat, Unwritten, WANTED};
pub use index::{Index, Match};
pub use kept::{Said, Standing, landmarks_of, landmarks_text};
pub use landmarks::{HASH_BITS, Hearing, Landmark, Plan, STEP};
