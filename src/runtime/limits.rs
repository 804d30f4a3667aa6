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

/// How long an order (drain, stop, new policy) waits for room in a shard's inbox: a shard that takes nothing for so
/// long is stuck.
pub const COMMAND_PATIENCE: Duration = Duration::from_secs(5);

/// How long a stop waits for a shard and for the recorder, each. Past it the thread is left behind and the log says so.
pub const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How long a stopping shard waits for room at the recorder for the records it still holds.
pub const SPOOL_PATIENCE: Duration = Duration::from_secs(5);

/// Largest SIP datagram read, octets: the largest a UDP datagram can be.
pub const SIP_DATAGRAM: usize = 65_535;

/// Questions to the store waiting for a look-up thread. Past it the question is dropped: history is then "unavailable".
pub const LOOKUPS: usize = 4_096;

/// Threads that ask the store.
pub const LOOKUP_THREADS: usize = 2;

/// How long a PASSporT is remembered for reuse beyond the time it can be fresh at all (twice `[identity] freshness`: it
/// may come early and be used again late). For clocks that are set back and questions that waited.
pub const TOKEN_MARGIN_MS: u64 = 60_000;

/// Records on their way from the shards to the recorder. Past it a live snapshot is dropped (the next one replaces
/// it), a final record waits in its shard.
pub const RECORDS: usize = 8_192;

/// Final records a shard keeps while the recorder is behind; past it the oldest is lost, counted and logged.
pub const RECORDS_SPOOLED: usize = 65_536;

/// TCP connections open at once, both ways. Past it new ones are closed at once.
pub const TCP_CONNECTIONS: usize = 2_048;

/// Of these, kept for the connections we open to phones: a trunk that takes all others must not keep phones from ringing.
pub const TCP_CONNECTIONS_RESERVED: usize = 512;

/// TCP connections that one address may have opened to us. A trunk needs a handful. Past it new ones are closed at once.
pub const TCP_CONNECTIONS_PER_SOURCE: usize = 256;

/// Messages waiting to be written to one TCP connection. Past it the connection is closed: its peer does not read.
pub const TCP_OUTBOX: usize = 1_024;

/// A TCP connection without a whole message or keep-alive for this long is closed.
pub const TCP_IDLE: Duration = Duration::from_secs(180);

/// Time to open a TCP connection to a phone, and to write one message to a peer.
pub const TCP_CONNECT: Duration = Duration::from_secs(4);

/// Certificate fetches under way from one process. Past it a fetch fails at once as unreachable.
pub const FETCHES: usize = 256;

/// Whole fetch of a list that the configuration names; past it the list in force stays and the next try comes later.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a start waits for lists by address. Past it the gateway takes calls without them (`unchecked`) and goes on
/// trying: a dead list host must not keep the telephone from ringing.
pub const LISTS_AT_START: Duration = Duration::from_secs(3);

/// Until a list that could not be had is tried again, when that is sooner than the usual refresh.
pub const LIST_RETRY: Duration = Duration::from_secs(60);

/// How often it is looked whether a list in force has gone out of date.
pub const LIST_TICK: Duration = Duration::from_secs(5);

/// Names of certificate hosts being looked up at once. A look-up blocks a thread of the pool that also answers the API
/// (512 of them), for up to half a minute when a name server is silent: whoever signs calls must not be able to take
/// them all. Past it a fetch fails at once as unreachable.
pub const NAME_LOOKUPS: usize = 64;

/// Octets of one file of extra web anchors, of trust anchors, or of a signed trust list; the whole set of a browser is about 250 kB. A larger file is refused.
pub const ANCHORS_OCTETS_MAX: u64 = 4 * 1024 * 1024;

/// Octets of a caller's icon as it is fetched; past it there is none. A logo of 256 pixels a side has 10 to 50 KiB.
pub const ICON_OCTETS_MAX: usize = 64 * 1024;

/// Icons fetched and drawn at the same time, on helper threads; more wait in line.
pub const ICON_FETCHES: usize = 4;

/// Icons kept, as drawn (at most 256 by 256 pixels, 264 KiB each); past it the one asked for longest ago goes.
pub const ICONS_KEPT: usize = 64;

/// An icon is fetched again after this: calls are shorter, and a business changes its logo rarely.
pub const ICON_KEPT_FOR: Duration = Duration::from_secs(600);

/// An icon that could not be had is not asked for again before.
pub const ICON_RETRY_AFTER: Duration = Duration::from_secs(60);
