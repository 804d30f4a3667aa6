//! Header lines of an INVITE, as facts about the call: Diversion, History-Info, P-Asserted-Identity, Privacy and the rest.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::call::fuzz_facts(octets));
