//! One RTP packet through a leg, with the tap on and off: what the engine costs, without sockets.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use ringward::media::{Config, Session, Side, rtp};
use ringward::sdp::Codec;
use ringward::time::Now;

fn one_packet(criterion: &mut Criterion) {
    for (name, is_tapped) in [("rtp/tapped", true), ("rtp/relay_only", false)] {
        criterion.bench_function(name, |bencher| {
            let mut now = Now {
                instant: Instant::now(),
                utc: SystemTime::UNIX_EPOCH,
            };
            let config = Config {
                address: [127, 0, 0, 1].into(),
                advertise: None,
                ports: 20_000..=20_009,
                silence: Duration::from_secs(60),
            };
            let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
            let mut session = Session::new(&config, now);
            session.described(Side::A, caller, &[(0, Codec::Pcmu)], Some(101), now);
            session.described(Side::B, called, &[(0, Codec::Pcmu)], Some(101), now);
            session.tap(is_tapped);
            let (mut sequence, mut timestamp) = (0u16, 0u32);
            let mut packet = [0x55u8; 172];
            bencher.iter(|| {
                now = now.after(Duration::from_millis(20));
                sequence = sequence.wrapping_add(1);
                timestamp = timestamp.wrapping_add(160);
                packet[..12].copy_from_slice(&rtp::header(0, sequence, timestamp, 7, false));
                black_box(session.rtp(Side::A, caller, black_box(&mut packet), now));
                if let Some(hop) = session.poll_hop() {
                    session.recycle(black_box(hop));
                }
            });
        });
    }
}

criterion_group!(benches, one_packet);
criterion_main!(benches);
