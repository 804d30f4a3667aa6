//! Whole calls with a virtual clock, a seeded network and scripted peers.

#![expect(
    clippy::disallowed_methods,
    reason = "any instant will do as the start of a virtual clock"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod agent;
mod answers;
mod attended;
mod blocks;
mod call_backs;
mod carriers;
mod checks;
mod claims;
mod cues;
mod devices;
mod digest;
mod diverted;
mod early_talk;
mod encryption;
mod handshakes;
mod fax;
mod floods;
mod gateway;
mod door;
mod hand;
mod holds;
mod hygiene;
mod ladders;
mod lists;
mod loops;
mod marks;
mod midcall;
mod muxed;
mod noise;
mod numbers;
mod orders;
mod orders_amiss;
mod others_bugs;
mod outbound;
mod overflows;
mod overload;
mod people;
mod plan;
mod races;
mod reasons;
mod receptions;
mod refusals;
mod reliable;
mod registration;
mod replay;
mod routes;
mod scenario;
mod screening;
mod session_timers;
mod shards;
mod sharing;
mod skills;
mod signing;
mod transfers;
mod torture;
mod translated;
mod waiting;
mod wire;
mod world;
