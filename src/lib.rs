//! Ringward: a vishing-resistant call-screening gateway.
//!
//! The rooms stand in the order a call meets them. Everything above `runtime` is an
//! engine without IO: time, randomness and the network are handed in (ARCHITECTURE.md).

pub mod sip;
pub mod sdp;
pub mod digest;
pub mod registration;
pub mod registrar;
pub mod flood;
pub mod call;
pub mod identity;
pub mod media;
pub mod prompts;
pub mod recordings;
pub mod voice;
pub mod screening;
pub mod lists;
pub mod reputation;
pub mod policy;
pub mod queue;
pub mod route;
pub mod banner;
pub mod capture;

pub mod store;
pub mod accounts;
pub mod alarm;
pub mod breach;
pub mod webhook;
pub mod api;
pub mod console;
pub mod config;
pub mod tally;
pub mod telemetry;
pub mod runtime;

pub mod app;
pub mod cli;
pub mod demo;
pub mod selftest;
pub mod signing;

pub mod call_id;
pub mod cidr;
pub mod document;
pub mod e164;
pub mod g711;
pub mod given_file;
pub mod redact;
pub mod time;
