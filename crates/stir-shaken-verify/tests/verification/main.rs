//! Whole verifications against a test authority: every check fails for its own reason.

mod authority;
mod beside;
mod carriers;
mod certificates;
mod claims;
mod corpus;
mod delegation;
mod diverted;
mod kinds;
mod lateness;
mod messages;
mod nested;
mod properties;
mod revocation;
mod soups;
mod tn_lists;
mod trust_lists;
