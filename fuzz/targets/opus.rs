//! The packets of one stream of Opus: refused, or as many samples as they say.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::media::fuzz_opus(octets));
