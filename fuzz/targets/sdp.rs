//! A session description: what parses can be anchored, and what is anchored parses.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sdp::fuzz_sdp(octets));
