//! Bounds of this room; those of the verification itself are in `stir_shaken_verify::limits`.

/// Verifications waiting for certificates in one shard. A call that comes past it is concluded
/// with what is at hand, so `unchecked` unless its certificate is on the shelf: an attacker who
/// names dead hosts fills this, and must not fill memory.
pub const PENDING_MAX: usize = 4_096;
