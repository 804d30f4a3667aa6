//! Anything that claims to be a SIP message, from a datagram or a stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_message(octets));
