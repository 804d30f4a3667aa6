//! Bounds of the signing side: each with its unit, its reason, and what happens past it.

use std::time::Duration;

/// Connections the certificate host serves at once; the next one waits in the listen queue of the system.
pub const HOST_CONNECTIONS_MAX: usize = 32;

/// Octets of an HTTP request head the certificate host reads before it hangs up.
pub const HOST_REQUEST_OCTETS_MAX: usize = 8 * 1024;

/// How long the certificate host keeps one connection, whatever happens on it.
pub const HOST_CONNECTION_TIME: Duration = Duration::from_secs(20);
