//! Any octets at both sides of a handshake, at any point of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::media::fuzz_dtls(octets, std::time::Instant::now()));
