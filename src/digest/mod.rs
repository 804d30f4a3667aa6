//! Proving who one is with a shared password: digest authentication (RFC 3261 §22, RFC 7616, RFC 8760). Sans-IO.
//!
//! - [`Guard`] is the side that asks: it gives out nonces, judges answers and keeps count of those who fail.
//! - [`Challenge`] is the side that is asked: it picks what to answer and computes the answer.
//!
//! Knows no SIP message, no trunk and no clock: header values, addresses and time are arguments.

mod algorithm;
mod authorization;
mod challenge;
mod credentials;
mod error;
mod field;
mod fuzz;
mod guard;
mod kept;
pub mod limits;
mod nonce;
mod proof;
mod source;

#[cfg(test)]
mod guard_tests;
#[cfg(test)]
mod vectors_tests;

pub use algorithm::{Algorithm, Hash, Qop};
pub use authorization::Authorization;
pub use challenge::{Ask, Challenge};
pub use credentials::{Credentials, PASSWORD_LEAST, Secret, Weakness};
pub use error::HeaderFault;
pub use fuzz::fuzz_digest;
pub use guard::{Guard, Question, Verdict, Why};
pub use kept::Kept;
