//! WWW-Authenticate and Authorization: no panic, and what is read prints and reads the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::digest::fuzz_digest(octets));
