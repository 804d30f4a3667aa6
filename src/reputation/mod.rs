//! Reputation of numbers and signers, from what people here reported.
//!
//! Knows reports and how they add up. Does not know where they are kept or what is done about a bad reputation: it is a
//! fact ([`crate::screening::Reputed`]), and policy says what it means.

mod formula;
mod ledger;
pub mod limits;

pub use formula::{Prior, weight};
pub use ledger::{Ledger, Reported, Reputations, Said, Subject, subjects};
