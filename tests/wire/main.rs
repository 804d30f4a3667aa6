//! Real sockets on loopback.

#[path = "../../examples/console_preview/records.rs"]
mod records;

mod api;
