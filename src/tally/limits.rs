//! Bounds of this room: unit, reason, what happens past them.

/// Lines of one table. Whatever comes after them is counted together under [`OTHERS`]: a page with more lines is read by
/// nobody, and phones and signers are as many as outsiders like.
pub const LINES_MAX: usize = 1_000;

/// What the line is called that holds everything past [`LINES_MAX`].
pub const OTHERS: &str = "(others)";

/// Characters of a line's name. The rest is cut.
pub const NAME_CHARS_MAX: usize = 100;

/// Minutes that a place's clock may differ from UTC, either way.
pub const ZONE_MINUTES_MAX: i32 = 18 * 60;
