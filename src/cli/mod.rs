//! (skeleton)
pub mod score;
