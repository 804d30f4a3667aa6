//! Who they say is calling (STIR/SHAKEN): bridges a SIP message to the verify crate. Sans-IO.
//!
//! Imports `sip` and `stir_shaken_verify` only. It knows neither the call's budget (whoever waits
//! for a conclusion decides how long) nor what a standing means for the call.

#[cfg(test)]
mod bounds_tests;
mod config;
mod engine;
mod error;
pub mod limits;
mod message;
#[cfg(test)]
pub(crate) mod signer;
mod skew;
mod trust;

pub use config::{Config, Source};
pub use engine::{Engine, Fetched, FetchedBody, Output};
pub use error::Error;
pub use message::{Shown, view};
pub use skew::ClockWatch;
pub use stir_shaken_verify::{
    Attestation, Check, CheckResult, ContentDigest, FetchFailure, HeaderReport, NumberRules, Outcome, Report,
    Standing, TelephoneNumber,
};
pub use trust::{Gathered, Keeper, Kind, ListStatus, Notice, Octets, Trust};
