//! The value of a TNAuthList extension.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| stir_shaken_verify::fuzz::tn_auth_list(octets));
