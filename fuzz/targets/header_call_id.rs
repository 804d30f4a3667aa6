//! The value of Call-ID.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_typed("call_id", octets));
