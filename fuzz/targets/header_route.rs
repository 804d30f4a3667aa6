//! The value of Record-Route, and where it leads.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_typed("route", octets));
