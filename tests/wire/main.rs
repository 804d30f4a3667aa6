//! Real sockets on loopback.

#![allow(clippy::disallowed_methods, reason = "real sockets need a real clock")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../../examples/console_preview/records.rs"]
mod records;

mod api;
