//! Whole verifications against a test authority: every check fails for its own reason.

mod authority;
mod certificates;
mod corpus;
mod messages;
mod properties;
mod revocation;
