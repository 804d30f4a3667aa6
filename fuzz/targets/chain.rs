//! What an x5u host may send, with a search for a path.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| stir_shaken_verify::fuzz::chain(octets));
