//! Real sockets on loopback, and real peers: SIPp, baresip, pjsua2, secsipidx, Kamailio, SIPVicious, PyJWT,
//! openapi-python-client, schemathesis, PESQ, Chromium, nft, none of them ours.
//!
//! A missing peer skips its tests with a word about it, unless RINGWARD_PEERS=required (what `tests/run` sets).

#![allow(clippy::disallowed_methods, reason = "real sockets need a real clock")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod alarm_mail;
mod api;
mod attackers;
mod bad_input;
mod baresip_calls;
mod breach_pack;
mod call_backs;
mod campaigns;
mod capture;
mod codec_matrix;
mod console;
mod console_day;
mod console_for_all;
mod console_markup;
mod console_moves;
mod console_passkeys;
mod console_policies;
mod console_print;
mod console_roles;
mod console_searches;
mod console_speed;
mod demo;
mod dtls_peers;
mod drills;
mod egress;
mod erased_calls;
mod greeted;
mod independent_signers;
mod ipv6_calls;
mod kamailio_chain;
mod lockdown;
#[path = "../../examples/verifier_matrix/matrix/mod.rs"]
#[allow(dead_code, reason = "the example uses the rest")]
mod matrix;
mod model_swap;
mod overflows;
mod older;
mod opus_calls;
mod packet_filter;
mod passwords;
mod people_at_phones;
mod pesq;
mod pjsua_calls;
#[path = "../../examples/console_preview/records.rs"]
mod records;
#[path = "../store/tones.rs"]
mod tones;
#[path = "../store/redis_server.rs"]
#[allow(dead_code, reason = "the store's tests use the rest")]
mod redis_server;
mod registered_phones;
mod scan_feed;
mod secsipidx;
mod selftest;
mod serve;
mod shards;
#[path = "../calls/wire.rs"]
#[allow(dead_code, reason = "the whole-call tests use the rest")]
mod sip_text;
mod shared_limits;
mod sipp_calls;
mod sipp_dialogs;
mod sipp_transfers;
mod spoken;
mod srtp_calls;
mod support;
mod targets;
mod tls_calls;
mod transfers;
mod translated_calls;
mod trust_lists;
mod two_gateways;
mod two_gateways_people;
mod verifier_matrix;
mod without_redis;
