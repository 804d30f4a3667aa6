//! Certificates and revocation lists, as a host may send them.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| stir_shaken_verify::fuzz::certificates(octets));
