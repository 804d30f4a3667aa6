//! Where a target is: from its URI and what the name service says to the addresses to try, in order (RFC 3263, RFC 2782), and which of them are up. Pure.
//!
//! - [`Target`] is what a URI asks for. A [`Search`] asks the name service in at most three rounds and ends with what it
//!   [`Located`]; [`Located::candidates`] is one throw of the dice over it: the order for one call.
//! - A [`Book`] remembers what was located for as long as the name service says, and longer while nobody answers.
//! - [`Health`] remembers which addresses failed and when they may be tried in their turn again.
//!
//! Knows no socket, no clock, no randomness of its own, no queue and no call.

mod book;
mod health;
pub mod limits;
mod search;
mod target;
mod weigh;

#[cfg(test)]
mod search_tests;

pub use book::{Ask, Book, Known, Refresh};
pub use health::{Cause, Change, Health, State};
pub use search::{Answer, Kind, Located, Question, Record, Search, Server, Service, Step};
pub use target::{Candidate, Target, Ways};
