//! (skeleton)
pub mod media_io;
