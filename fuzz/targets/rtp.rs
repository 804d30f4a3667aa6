//! An RTP packet: header, sources, extension and padding lie inside it.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::media::fuzz_rtp(octets));
