//! (skeleton)
pub mod scoring;
