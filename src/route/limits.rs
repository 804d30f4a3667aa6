//! Bounds of this room: unit, reason, what happens past them.

use std::time::Duration;

/// Octets of a host name (RFC 1035 §2.3.4). A longer one is no target.
pub const NAME_OCTETS_MAX: usize = 253;

/// NAPTR records of one name that are looked at, in the order they came. A domain has one for each transport.
pub const NAPTR_MAX: usize = 16;

/// SRV records of one service that are looked at, in the order they came.
pub const SRV_MAX: usize = 32;

/// Different hosts behind one target whose addresses are asked for; two questions each. Further ones are not tried.
pub const HOSTS_MAX: usize = 16;

/// Addresses kept of one host. Further ones are not tried.
pub const ADDRESSES_MAX: usize = 16;

/// Addresses that may be tried for one target in one call. Further ones are left out: at four seconds each nobody waits
/// for the last of them.
pub const CANDIDATES_MAX: usize = 32;

/// What the name service said is believed at least so long, whatever it says: a name with a time to live of nothing must
/// not cost a question a call.
pub const TTL_FLOOR: Duration = Duration::from_secs(5);

/// And at most so long: a name that moves is followed within the hour.
pub const TTL_CEILING: Duration = Duration::from_secs(3600);

/// That a name does not exist is believed so long when the answer does not say, and at most.
pub const NOTHING_TTL: Duration = Duration::from_secs(30);
pub const NOTHING_TTL_CEILING: Duration = Duration::from_secs(300);

/// After a look-up without an answer the name is asked again after this, doubling to the second figure.
pub const RETRY_FIRST: Duration = Duration::from_secs(2);
pub const RETRY_MAX: Duration = Duration::from_secs(60);

/// Names kept beside the configured ones (a phone redirected a call there). Past it a new one is not looked up.
pub const NAMES_MAX: usize = 1024;

/// An address that failed is tried last for this long, doubling with each failure in a row to the second figure.
pub const DOWN_FIRST: Duration = Duration::from_secs(5);
pub const DOWN_MAX: Duration = Duration::from_secs(300);

/// Probes in a row without an answer until an address is down, and answered until it is up again: one lost datagram is
/// no outage, and one answer no recovery.
pub const PROBES_TO_DOWN: u32 = 2;
pub const PROBES_TO_UP: u32 = 2;

/// Addresses whose standing is remembered. Past it the one with the smallest number goes: it counts as up.
pub const STANDINGS_MAX: usize = 4096;
