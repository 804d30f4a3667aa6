//! A message and its retransmission at the transaction layer, with an owner that answers 200 to everything.
#![no_main]

use std::time::{Instant, SystemTime};

use ringward::time::Now;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let now = Now {
        instant: Instant::now(),
        utc: SystemTime::UNIX_EPOCH,
    };
    ringward::sip::fuzz_endpoint(octets, now)
});
