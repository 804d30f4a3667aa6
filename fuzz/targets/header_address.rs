//! The value of From, To, Route, P-Asserted-Identity: one grammar.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_typed("address", octets));
