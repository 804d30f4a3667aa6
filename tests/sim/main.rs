//! Random days: several shards of the gateway, a bad network, helpers that are slow or dead, and peers that do what
//! peers do. Everything comes from one seed; checkers look on after every event.
//!
//! ```text
//! cargo test --test sim                                     # the days of `tests/run`
//! RINGWARD_SEED=17 cargo test --test sim one_day            # this day again; prints its trace when it fails
//! cargo run --release -p ringward-sim -- --calls 1000000    # until a day fails
//! ```
//!
//! `chance` is the dice, `plan` what each peer was told to do, `leg` a peer in one call, `city` the world around the
//! shards, `ledger` the checkers, `days` a day from its seed, `daily` the tests.

#![expect(
    clippy::disallowed_methods,
    reason = "any instant will do as the start of a virtual clock"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod chance;
mod city;
mod daily;
mod days;
#[path = "../calls/gateway.rs"]
mod gateway;
mod leg;
mod ledger;
mod plan;
#[path = "../calls/signing.rs"]
#[expect(dead_code, reason = "the whole-call tests use more of it")]
mod signing;
mod strangers;
mod trace;
#[path = "../calls/wire.rs"]
#[expect(dead_code, reason = "the whole-call tests use more of it")]
mod wire;
