//! Alarms: what is unusual for this hour of this week, and what many calls have in common, told once and with its reasons.
//!
//! ```text
//!   ended calls, failed sign-ins ──► counts of this hour ──► more than is usual here? ──┐
//!                               └──► what bad calls share ──► from several callers? ────┴──► one alarm, told, acknowledged, over
//! ```
//!
//! An engine without IO: [`Engine::handle`], then [`Engine::poll_output`]. Knows records of calls; does not know HTTP, the store, or
//! who is told how.

mod baseline;
mod campaigns;
#[cfg(test)]
mod days_tests;
mod email;
mod engine;
pub mod limits;
mod lines;
mod raised;
mod rules;
mod seen;

pub use email::{Email, Letter, Security};
pub use engine::{Engine, Input, Kept, Output};
pub use lines::{cef, ocsf};
pub use raised::{Alarm, State};
pub use rules::{Rules, SHIPPED, Severity, Watch};
pub use seen::Seen;
