//! The value of Min-SE.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_typed("min_se", octets));
