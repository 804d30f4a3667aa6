//! Every bound of this room: unit, reason, and what happens at the edge.

use std::time::Duration;

/// Devices that may register. A large business has some thousand phones; a further one is not made.
pub const DEVICES_MAX: usize = 5_000;

/// Characters of a device's name: it stands in URIs, in the audit and in records.
pub const NAME_MAX: usize = 48;

/// Contacts of one device at once. Past it the one that was refreshed longest ago goes.
pub const CONTACTS_MAX: usize = 4;

/// Octets of one Contact's URI. A longer one is refused with 400.
pub const URI_OCTETS_MAX: usize = 256;

/// Contact values looked at in one REGISTER. More are refused with 400.
pub const CONTACT_VALUES_MAX: usize = 8;

/// Octets of the Call-ID that is kept of a registration; a longer one is refused with 400.
pub const CALL_ID_OCTETS_MAX: usize = 256;

/// The shortest registration that `[registrar] expires` may allow, and the longest: once a day is enough to find a phone
/// that was moved, and more than once in half a minute is a flood.
pub const EXPIRES_LEAST: Duration = Duration::from_secs(30);
pub const EXPIRES_MOST: Duration = Duration::from_secs(86_400);

/// Wrong answers before anything is locked: a phone that was given a new secret tries the old one a few times.
pub const FAILURES_FREE: u32 = 5;

/// How long the first lock lasts. Every further wrong answer doubles it.
pub const LOCK_FIRST: Duration = Duration::from_secs(30);

/// The longest lock.
pub const LOCK_MOST: Duration = Duration::from_secs(3_600);

/// Wrong answers are forgotten when none came for so long.
pub const LOCK_FORGOTTEN: Duration = Duration::from_secs(2 * 3_600);

/// Addresses, names and pairs of both that are kept count of, each. Past it the one that failed longest ago is forgotten.
pub const LOCKS_MAX: usize = 8_192;

/// Alerts in [`ALERT_WINDOW`]. Further ones are counted and not told: an audit that can be flooded hides things.
pub const ALERTS_MAX: u32 = 20;
pub const ALERT_WINDOW: Duration = Duration::from_secs(60);
