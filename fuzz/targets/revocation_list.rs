//! A revocation list, PEM or DER.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| stir_shaken_verify::fuzz::revocation_list(octets));
