//! Bounds of the prompts: unit, reason, and what happens past them.

/// Seconds of one recording. A longer one is refused: nobody listens to a machine for two minutes, and music begins again.
pub const SECONDS_MAX: usize = 120;

/// Octets of one file: the longest recording as PCM of 16 bits, with room for what other programs write beside it. A larger
/// one is refused.
pub const FILE_OCTETS_MAX: u64 = (SECONDS_MAX * 16_000 + 65_536) as u64;

/// Recordings of one language. Further ones are not used: at two minutes each these are 246 MB.
pub const FILES_MAX: usize = 128;

/// Characters of a prompt's name.
pub const NAME_CHARS_MAX: usize = 48;
