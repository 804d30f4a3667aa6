//! Every bound of the reputations: unit, reason, and what is dropped past it.

use std::time::Duration;

/// Calls with a report that are remembered, the newest (about 500 octets each). Past it the oldest report is forgotten.
pub const REPORTS_MAX: usize = 20_000;

/// Reports on one number or signer that count, the newest; the older ones weigh little. The others are not counted.
pub const REPORTS_OF_ONE_MAX: usize = 500;

/// After so long a report weighs half of what it did: a number changes hands, a swindler moves on.
pub const HALF_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// A report that is older is forgotten: it weighs less than a thousandth (ten half-lives).
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(300 * 24 * 3600);

/// Octets of a certificate's subject and of an `origid` that are told apart.
pub const NAME_OCTETS_MAX: usize = 256;
