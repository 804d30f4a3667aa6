//! Breach packs: what a business has to look at, and to tell its regulator, after an incident, in one file that only its
//! recipient can read.
//!
//! Knows the store's contract and what stands in it. Does not know HTTP or SIP, and never reads a clock.

mod envelope;
mod files;
mod form;
mod gather;
pub mod limits;
mod prove;
mod scrub;

pub use envelope::{Key, Recipient};
pub use files::{Fault, unpack};
pub use form::Clock;
pub use gather::{Gathered, Order, gather};
pub use prove::{Proven, Prover};
pub use scrub::scrub;
