//! The value of Replaces.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_typed("replaces", octets));
