//! Every bound of breach packs: unit, reason, and what happens past it.

use std::time::Duration;

/// Octets that are sealed at once. A longer piece in a pack is none of ours: the pack is refused.
pub const PIECE: usize = 64 * 1024;

/// Characters of the name of a file in a pack; a longer one is refused.
pub const NAME_MAX: usize = 64;

/// Files in a pack: one of each gateway's chain, and ten others. More are refused when it is opened.
pub const FILES_MAX: usize = 512;

/// Bits of the recipient's RSA key, at least and at most.
pub const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Octets of a key's file.
pub const KEY_OCTETS_MAX: u64 = 64 * 1024;

/// Numbers that are listed with their times. Of more, those that were seen later are counted and not listed: the records name them all.
pub const PEOPLE_MAX: usize = 500_000;

/// Times of calls listed for each number; the rest is counted.
pub const TIMES_EACH: usize = 20;

/// Octets of the manifest: some 200 of each file, and as many of each chain. No pack is made with a longer one, and none with one is opened.
pub const MANIFEST_MAX: usize = 256 * 1024;

/// Rows of an audit that are put together at once to be proven.
pub const PROVEN_AT_ONCE: usize = 400;

/// Octets of a line of a chain, and of those that are put together at once, give or take a line: an entry of the store
/// ([`crate::store::limits::ENTRY_MAX`]) as JSON in JSON, and its texts. A chain with a longer line is broken.
pub const LINE_OCTETS_MAX: usize = 2 * 1024 * 1024;

/// How long there is to tell the regulator after one has become aware (UK GDPR and GDPR, Article 33).
pub const TERM: Duration = Duration::from_secs(72 * 3600);
