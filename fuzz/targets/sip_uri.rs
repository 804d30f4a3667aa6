//! Anything that claims to be a URI.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| ringward::sip::fuzz_uri(text));
