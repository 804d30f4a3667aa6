//! An RTCP compound packet: what parses is walked to its end.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::media::fuzz_rtcp(octets));
