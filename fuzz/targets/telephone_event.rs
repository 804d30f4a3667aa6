//! Keys (RFC 4733): each press counts once, however often it is said.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::media::fuzz_events(octets));
