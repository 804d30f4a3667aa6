//! Every bound of the lists: unit, reason, and what happens past it.

/// Entries of all lists together; all are in memory, once in the book and once in what the shards look at (about 1 KiB
/// in all). Past it expired entries go first; when none is left, nothing is added.
pub const ENTRIES_MAX: usize = 50_000;

/// People and organisations of one list: names are compared with every caller's. Past it nothing is added.
pub const NAMED_MAX: usize = 5_000;

/// Numbers and ranges of one person or organisation.
pub const ENTRY_NUMBERS_MAX: usize = 50;

/// Further names of one person or organisation.
pub const ALSO_MAX: usize = 10;

/// Characters of a name; callers' names are read as far.
pub const NAME_CHARS_MAX: usize = 64;

/// Characters of a reason; it goes into the record of every call that meets the entry.
pub const REASON_CHARS_MAX: usize = 200;

/// Characters of a number or range as it is written.
pub const NUMBER_CHARS_MAX: usize = 64;

/// Digits of a number (ITU-T E.164).
pub const DIGITS_MAX: usize = 15;

/// Digits that a number, or the beginning of a range, has at least: a country alone would be half the world.
pub const DIGITS_MIN: usize = 4;

/// Entries in one file that is read in. More are refused.
pub const IMPORT_MAX: usize = 20_000;

/// Faults that are told of one file; the rest is counted in a last line.
pub const FAULTS_MAX: usize = 100;

/// Entries of a call that are written into its facts: one of each list, and of the directory two.
pub const FOUND_MAX: usize = 8;
