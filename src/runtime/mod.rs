//! The one impure room.

pub mod clock;
pub mod fetch;
