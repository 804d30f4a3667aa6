//! Bounds of the impure room: unit, reason, and what is dropped when full.

use std::time::Duration;

/// Messages waiting for one shard (answers and handed-over datagrams). Past it, handed-over SIP is dropped
/// (UDP peers retransmit) and answers are dropped (each has a time-out of its own); both are counted.
pub const INBOX_MESSAGES: usize = 16_384;

/// SIP messages may fill the inbox only this far: the rest is kept for answers, which cost more to lose.
pub const INBOX_SIP_MESSAGES: usize = 12_288;

/// Datagrams taken from one SIP socket before the others get their turn.
pub const SIP_BATCH: usize = 64;

/// Inbox messages handled before sockets get their turn.
pub const INBOX_BATCH: usize = 256;

/// Largest SIP datagram read, octets: the largest a UDP datagram can be.
pub const SIP_DATAGRAM: usize = 65_535;

/// Questions to the store waiting for a look-up thread. Past it the question is dropped: history is then "unavailable".
pub const LOOKUPS: usize = 4_096;

/// Threads that ask the store.
pub const LOOKUP_THREADS: usize = 2;

/// How long a PASSporT is remembered for reuse. Longer than the freshness window either way.
pub const TOKEN_WINDOW_MS: u64 = 180_000;

/// Records on their way from the shards to the recorder. Past it a live snapshot is dropped (the next one replaces
/// it), a final record waits in its shard.
pub const RECORDS: usize = 8_192;

/// Final records a shard keeps while the recorder is behind; past it the oldest is lost, counted and logged.
pub const RECORDS_SPOOLED: usize = 65_536;

/// TCP connections open at once, both ways. Past it new ones are closed at once.
pub const TCP_CONNECTIONS: usize = 2_048;

/// Messages waiting to be written to one TCP connection. Past it the connection is closed: its peer does not read.
pub const TCP_OUTBOX: usize = 1_024;

/// A TCP connection without a whole message or keep-alive for this long is closed.
pub const TCP_IDLE: Duration = Duration::from_secs(180);

/// Time to open a TCP connection to a phone.
pub const TCP_CONNECT: Duration = Duration::from_secs(4);

/// Certificate fetches under way from one process. Past it a fetch fails at once as unreachable.
pub const FETCHES: usize = 256;

/// Octets of one file of extra web anchors; the whole set of a browser is about 250 kB. A larger file is refused at start.
pub const ANCHORS_OCTETS_MAX: u64 = 4 * 1024 * 1024;
