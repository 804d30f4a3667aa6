//! Every bound of this room: unit, reason, and what happens at the edge.

use std::time::Duration;

/// Octets in one message. The largest UDP payload; SDP, one PASSporT and 30 Vias are under 8 kB.
/// A larger request is answered 513, a larger response is dropped, a larger stream is closed.
pub const MESSAGE_OCTETS_MAX: usize = 65_535;

/// Header lines in one message. Real traffic stays under 60; past this the request is answered 400.
pub const HEADERS_MAX: usize = 256;

/// Octets in the start line. Past this the request is answered 414 (URI too long).
pub const START_LINE_OCTETS_MAX: usize = 8 * 1024;

/// Octets in a URI, whoever wrote it. Past this: refused, 400.
pub const URI_OCTETS_MAX: usize = 65_535;

/// Octets in one header field, folds included. A PASSporT with `rcd` is under 6 kB. Past this: 400.
pub const HEADER_OCTETS_MAX: usize = 16 * 1024;

/// Octets in a Call-ID. It is copied into tables, records and logs. Past this: 400.
pub const CALL_ID_OCTETS_MAX: usize = 512;

/// Octets in a stateless error response. Past this the response is not sent, so that a
/// forged source address cannot use us to throw large answers at somebody else.
pub const STATELESS_RESPONSE_OCTETS_MAX: usize = 8 * 1024;

/// Octets of a request over UDP (RFC 3261 §18.1.1): one packet on nearly every path, fragments being lost more often and
/// dropped by many firewalls. Past it TCP is tried first, where the target leaves the choice to us.
pub const UDP_REQUEST_OCTETS_MAX: usize = 1_300;

/// How long a peer that did not take a connection is sent large requests over UDP at once: a firewall that drops them
/// silently costs a call 4 seconds.
pub const TCP_REFUSING_FOR: Duration = Duration::from_secs(600);

/// Peers remembered for that, in one shard. Past it a peer is tried again each time.
pub const TCP_REFUSING_KEPT: usize = 1_024;

/// Server transactions alive in one shard. At 32 s each (Timer L) this is 2,000 new requests a
/// second. Full: a request that is not in a dialog is answered 503 without state.
pub const SERVER_TRANSACTIONS_MAX: usize = 65_536;

/// Server transactions that only in-dialog requests (BYE, re-INVITE, CANCEL of a known INVITE) may
/// use, so that a flood of new calls cannot keep live calls from ending. Taken off the above.
pub const SERVER_TRANSACTIONS_RESERVED: usize = 8_192;

/// Client transactions alive in one shard. Full: the request is not sent and the owner gets
/// `TransportFailed`.
pub const CLIENT_TRANSACTIONS_MAX: usize = 65_536;

/// Connections that are remembered as over, per shard. What still names an older one is given up when its timers say so, and not
/// at once when the connection that carried it breaks.
pub const GONE_CONNECTIONS_KEPT: usize = 4_096;

/// Different To tags in 2xx responses to one INVITE (forks). Past this further forks are not
/// shown; their peers end them when no ACK comes.
pub const FORKS_MAX: usize = 8;

/// Routes in one dialog. Past this the dialog is refused (400).
pub const ROUTES_MAX: usize = 32;

/// Reliable provisional responses to one INVITE that wait for the PRACK of an earlier one. A queue of phones gives two
/// or three. Past this the oldest one without a description is left out.
pub const PROVISIONALS_WAITING_MAX: usize = 4;

/// Vias below the first that are looked at for one of ours (a loop). Past this a loop is only ended by Max-Forwards.
pub const LOOP_VIAS_MAX: usize = 16;
