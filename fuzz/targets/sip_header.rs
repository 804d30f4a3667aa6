//! Anything that claims to be the value of a header: addresses, Vias, lists, parameters.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_header(octets));
