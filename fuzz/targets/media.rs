//! One packet at a call that is up and listened to, from both sides, as RTP and as RTCP.
#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use ringward::media::{Config, Session, Side, fuzz_media};
use ringward::sdp::Codec;
use ringward::time::Now;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let now = Now {
        instant: Instant::now(),
        utc: SystemTime::UNIX_EPOCH,
    };
    let source = SocketAddr::from(([192, 0, 2, 1], 4000));
    let config = Config {
        address: [127, 0, 0, 1].into(),
        advertise: None,
        ports: 20_000..=20_009,
        silence: Duration::from_secs(60),
        transcodes: true,
        rtcp_mux: true,
    };
    let mut session = Session::new(&config, now);
    for side in [Side::A, Side::B] {
        session.described(
            side,
            source,
            &[(0, Codec::Pcmu), (8, Codec::Pcma)],
            Some(101),
            now,
        );
        session.hears_noise(side, Some(13));
    }
    session.tap(true);
    fuzz_media(octets, &mut session, now)
});
