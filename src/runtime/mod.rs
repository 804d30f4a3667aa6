//! (skeleton)
pub mod media_io;
//! The one impure room.

pub mod clock;
pub mod fetch;
