//! Octets ⇄ requests, transactions, dialogs (RFC 3261, RFC 6026). Sans-IO.
//!
//! Knows nothing of calls, queues, media or policy. Imports no other room.
//!
//! - [`Message`] is a parsed message: the octets as received and an index over them.
//! - [`Request`] and [`Response`] are messages of ours before they have octets.
//! - [`Endpoint`] is the transaction layer of one shard, [`Dialog`] one dialog as either side.
//! - [`StreamFramer`] cuts a TCP stream into messages; [`peek_call_id`] picks the shard.

mod body;
mod builder;
mod dialog;
mod endpoint;
mod error;
mod framing;
mod fuzz;
mod fuzz_typed;
mod header_name;
mod index;
pub mod limits;
mod message;
mod method;
mod name_addr;
mod params;
mod peek;
mod print;
mod random;
mod refer;
mod reliable;
mod session_timer;
mod scan;
pub(crate) mod transaction;
mod transport;
mod uri;
mod via;
mod work;

#[cfg(test)]
mod dialog_tests;
#[cfg(test)]
mod differential_tests;
#[cfg(test)]
mod growth_tests;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod torture;

pub use builder::{Request, Response};
pub use dialog::Dialog;
pub use endpoint::{
    ClientTxn, Counts, Endpoint, EndpointInput, EndpointOutput, LargeWay, NewCalls, ServerTxn, SipEvent,
};
pub use error::ParseError;
pub use framing::{Frame, StreamFramer};
pub use fuzz::{fuzz_endpoint, fuzz_header, fuzz_message, fuzz_uri};
pub use fuzz_typed::{TYPED, fuzz_typed};
pub use message::Message;
pub use method::Method;
pub use name_addr::{Address, NameAddr};
pub use peek::{peek_call_id, peek_header};
pub use refer::{ReferFault, ReferTo, Replaces, SIPFRAG, fragment};
pub use reliable::{EarlyDialogs, Provisional, RELIABLE, names_option, number_of as reliable_number};
pub use session_timer::{Due, Refresher, SessionExpires, SessionTimer, TIMER, TooSmall};
pub(crate) use session_timer::{ask as ask_session_timer, min_se, tell as tell_session_timer};
pub use transaction::{T1, T2, T4};
pub use transport::{Flow, PeerName, TlsConfig, TlsVersion, Transport, TransportFault};
pub use uri::Uri;
pub(crate) use uri::decode;
