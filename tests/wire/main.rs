//! Real peers over real sockets on loopback: SIPp, baresip, secsipidx, Chromium, none of them ours.
//!
//! A missing peer skips its tests with a word about it, unless RINGWARD_PEERS=required (what `tests/run` sets).

mod baresip_calls;
mod console;
mod demo;
mod serve;
mod sipp_calls;
mod support;
