//! SIP over connections, TCP and TLS: accept, connect, frame, and hand whole messages to the shard that owns their
//! Call-ID.
//!
//! ```text
//!   listener ─► accept ─► (tls: handshake) ─┐                     ┌─► mailbox of the shard
//!                                           ├─► connection::serve ┤
//!   shard ────► table ──► connect ──────────┘    patience says    └─► outbox of the connection
//!                                                when it is over
//! ```
//!
//! Runs on the helper threads (tokio), never on a shard. A connection that breaks the framing, keeps us waiting, is
//! idle, or whose peer does not read, is closed; the shards learn of it as a transport error with its reason.
//! Knows nothing of calls and trunks: who may connect is asked of [`Door`], and names are numbers ([`PeerName`]).
//!
//! [`PeerName`]: crate::sip::PeerName

pub mod accept;
pub mod certificates;
mod connection;
mod patience;
pub mod peer_names;
pub mod table;
pub mod tls;
mod verify;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

pub use accept::{Door, bind};
pub use table::Streams;
pub use tls::Tls;
