//! The value of Content-Length, over a datagram and in a stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::sip::fuzz_typed("content_length", octets));
