//! Every bound of this room: unit, reason, and what happens at the edge.

use std::time::Duration;

/// Shortest lasting that is believed of a registrar: one that grants seconds would have us ask without end. A shorter
/// grant is renewed as if it were this long.
pub const GRANTED_MIN: Duration = Duration::from_secs(30);

/// Longest lasting that is asked for or believed. A longer grant is renewed as if it were this long.
pub const GRANTED_MAX: Duration = Duration::from_secs(86_400);

/// First pause after every server failed; each further one is twice as long.
pub const PAUSE_FIRST: Duration = Duration::from_secs(5);

/// Longest pause after failures, and longest Retry-After that is honoured.
pub const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Pause after the carrier refused us (403, a password it does not take, an account it does not know): only a person can
/// change that, and who asks on gets locked out. Doubles up to four times as long.
pub const REFUSED_PAUSE: Duration = Duration::from_secs(900);

/// Routes of one Service-Route that are kept. Past it the whole of it is left out: half a route leads nowhere.
pub const SERVICE_ROUTES_MAX: usize = 8;

/// Octets of one such route. Past it likewise.
pub const SERVICE_ROUTE_OCTETS_MAX: usize = 512;

/// Servers of one registrar that are tried, as the name service orders them. Past it further ones are not.
pub const SERVERS_MAX: usize = 16;
