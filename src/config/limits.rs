//! Bounds of a configuration. What is past one of them is a fault of the file.

use std::time::Duration;

/// Addresses listened on.
pub const LISTENERS_MAX: usize = 16;

/// Trunks, and address ranges of one trunk; every packet from outside is looked up in them.
pub const TRUNKS_MAX: usize = 100;
pub const RANGES_MAX: usize = 256;

/// Queues, and phones and numbers of one queue. Ring-all sends an INVITE to every phone at once.
pub const QUEUES_MAX: usize = 500;
pub const TARGETS_MAX: usize = 32;
pub const NUMBERS_MAX: usize = 1_000;

/// People and phones whose skills are listed, skills of one of them, and needs of one queue.
pub const SKILLED_MAX: usize = 2_000;
pub const SKILLS_MAX: usize = 32;
pub const NEEDS_MAX: usize = 32;

/// How often a target may be probed: more often is a load, more seldom tells nothing.
pub const PROBE_MIN: Duration = Duration::from_secs(5);
pub const PROBE_MAX: Duration = Duration::from_secs(3600);

/// How long one address of a target may say nothing before the next is tried. Shorter, and one lost datagram would look
/// like a dead phone (T1 is half a second); RFC 3261 itself waits 32 s.
pub const TRY_MIN: Duration = Duration::from_secs(1);
pub const TRY_MAX: Duration = Duration::from_secs(32);

/// Name servers that are asked instead of the system's.
pub const RESOLVERS_MAX: usize = 8;

/// Characters of a name; names are printed in logs, records and the console.
pub const NAME_CHARS_MAX: usize = 48;

/// Octets of a trust anchor or policy file.
pub const FILE_OCTETS_MAX: u64 = 4 * 1024 * 1024;

/// Networks that phones may register from.
pub const REGISTRAR_RANGES_MAX: usize = 64;

/// Media ports one call needs: RTP and RTCP for each of two legs.
pub const PORTS_PER_CALL: u16 = 4;

/// Addresses tried of one name of a carrier: a pair of servers for each of two places.
pub const ADDRESSES_MAX: usize = 8;

/// Characters of a user name for digest; it stands in every answer to a challenge.
pub const USER_CHARS_MAX: usize = 128;

/// Octets of a file with a password in it.
pub const SECRET_OCTETS_MAX: u64 = 4096;

/// Beginnings of numbers that a trunk has taken off, and characters of one of them, or of a prefix.
pub const PREFIXES_MAX: usize = 16;
pub const PREFIX_CHARS_MAX: usize = 16;

/// Days for which calls may be kept at most: ten years.
pub const KEPT_DAYS_MAX: i64 = 3_650;

/// Ranges of numbers in each file of `[outbound] ranges`, and octets of such a file. More are refused.
pub const NUMBER_RANGES_MAX: usize = 200_000;
pub const RANGES_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// Files, or hours, that one key names. More are refused.
pub const FILES_MAX: usize = 64;

/// Addresses that alarms are sent to by e-mail: a list for more is the mail server's work.
pub const EMAILS_MAX: usize = 20;

/// Characters of such an address with the name before it.
pub const EMAIL_CHARS_MAX: usize = 320;
