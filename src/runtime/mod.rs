//! The one impure room: clocks, randomness, sockets, threads. Carries out what the engines ask for.
//!
//! One shard thread owns its calls and their media; nothing in it waits. Whatever may wait (TCP, TLS, HTTPS,
//! the store, scoring) lives on other threads and answers through the shard's bounded inbox.

pub mod alarms;
pub mod between;
pub mod blocked_file;
pub mod by_hand;
pub mod call_backs;
pub mod caller;
pub mod clock;
pub mod clock_alarm;
pub mod collector;
pub mod count;
pub mod descriptors;
pub mod dns;
pub mod drills;
pub mod entropy;
pub mod erasures;
pub mod fetch;
pub mod floor;
pub mod icons;
pub mod inbox;
pub mod limits;
pub mod lockdown;
pub mod login_hosts;
pub mod lists;
pub mod lookup;
pub mod media_io;
mod media_sockets;
pub mod mirror;
pub mod models;
pub mod neighbours;
pub mod outgoing;
pub mod phones;
pub mod policies;
mod policy_take_back;
mod policy_watch;
pub mod provider;
pub mod recorder;
pub mod registrations;
pub mod reputation;
pub mod redress;
pub mod repeats;
pub mod replays;
pub mod retention;
pub mod scoring;
mod scoring_worker;
mod second_opinion;
pub mod shard;
pub mod stream;
pub mod standings;
pub mod trust;
pub mod udp;
pub mod vital;
mod web_anchors;
pub mod webhooks;
