//! Whole verifications against a test authority: every check fails for its own reason.

mod authority;
mod certificates;
mod claims;
mod corpus;
mod delegation;
mod diverted;
mod kinds;
mod messages;
mod properties;
mod revocation;
mod tn_lists;
mod trust_lists;
