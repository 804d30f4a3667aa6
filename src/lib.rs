//! Ringward: a vishing-resistant call-screening gateway.
//!
//! The rooms stand in the order a call meets them. Everything above `runtime` is an
//! engine without IO: time, randomness and the network are handed in (ARCHITECTURE.md).

pub mod banner;
pub mod call;
pub mod identity;
pub mod media;
pub mod policy;
pub mod queue;
pub mod screening;
pub mod sdp;
pub mod sip;
pub mod voice;

pub mod api;
pub mod config;
pub mod console;
pub mod runtime;
pub mod store;
pub mod telemetry;

pub mod app;
pub mod cli;
pub mod demo;

pub mod call_id;
pub mod cidr;
pub mod document;
pub mod redact;
pub mod time;
