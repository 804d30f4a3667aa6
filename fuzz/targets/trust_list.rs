//! A trust list.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| stir_shaken_verify::fuzz::anchors(octets));
