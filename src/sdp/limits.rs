//! Bounds of a session description, each with its unit and its reason.

/// Octets of one description. Past it the body is refused: a telephone's offer is under 2 KiB, a browser's under 8 KiB.
pub const OCTETS_MAX: usize = 16 * 1024;

/// Lines of one description. Past it the body is refused; the longest offers seen have about 200.
pub const LINES_MAX: usize = 512;

/// Octets of one line without its end. Past it the body is refused.
pub const LINE_OCTETS_MAX: usize = 2048;

/// `m=` lines. Past it the body is refused: each costs a line in every answer.
pub const MEDIA_MAX: usize = 16;

/// Formats on one `m=` line. Past it the body is refused; RTP has 128 payload types, offers name about 20.
pub const FORMATS_MAX: usize = 64;

/// `a=crypto` lines of one audio line that are looked at. Past it they are passed over; telephones offer one to four.
pub const CRYPTO_MAX: usize = 8;

/// Octets of a master key identifier, in `a=crypto` and in each packet. A line with a longer one counts as if it were not there;
/// RFC 4568 allows 128, and eight are a number.
pub const IDENTIFIER_OCTETS_MAX: usize = 8;

/// `a=fingerprint` lines of one audio line that are looked at. Past it they are passed over; telephones say one.
pub const FINGERPRINTS_MAX: usize = 8;
