//! One packet at an encrypted leg, under every suite, as RTP and as RTCP.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| ringward::media::fuzz_srtp(octets));
