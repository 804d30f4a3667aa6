//! The value of Contact.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_typed("contact", octets));
