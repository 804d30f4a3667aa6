//! Bounds of callers of ours: each with its unit, its reason, and what happens past it.

/// Longest clip kept, in mu-law octets (8 kHz, so one minute). A longer file is refused: those of the demo are embedded in the binary.
pub const CLIP_OCTETS_MAX: usize = 480_000;

/// Received audio kept per side of a call, in octets (two seconds): enough to see that it arrived unaltered.
/// Later audio is counted, not kept.
pub const HEARD_OCTETS_MAX: usize = 16_000;

/// Largest datagram a caller or phone of ours reads, in octets. UDP cannot bring more.
pub const DATAGRAM_OCTETS_MAX: usize = 65_535;
