//! One RTP packet through a leg: the engine alone, with the tap on and off, and the whole way over loopback sockets
//! (poll, receive, engine, send, and the receive that finds nothing more).
#![expect(
    clippy::disallowed_methods,
    reason = "a bench on real sockets needs a real clock"
)]

use std::hint::black_box;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use ringward::call_id::CallId;
use ringward::media::{Config, Session, Side, rtp};
use ringward::runtime::media_io::MediaIo;
use ringward::sdp::Codec;
use ringward::time::Now;

fn start() -> (Config, Now) {
    let config = Config {
        address: Ipv4Addr::LOCALHOST.into(),
        advertise: None,
        ports: 40_000..=40_999,
        silence: Duration::from_secs(60),
    };
    let now = Now {
        instant: Instant::now(),
        utc: SystemTime::UNIX_EPOCH,
    };
    (config, now)
}

fn one_packet(criterion: &mut Criterion) {
    for (name, is_tapped) in [("rtp/tapped", true), ("rtp/relay_only", false)] {
        criterion.bench_function(name, |bencher| {
            let (config, mut now) = start();
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

fn over_sockets(criterion: &mut Criterion) {
    criterion.bench_function("rtp/sockets_tapped", |bencher| {
        let (config, mut now) = start();
        let mut poll = mio::Poll::new().expect("a poll");
        let mut events = mio::Events::with_capacity(16);
        let mut media = MediaIo::new(config, 0, 1, mio::Token(0));
        let peers = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"));
        let [caller, called] = [&peers[0], &peers[1]].map(|peer| peer.local_addr().expect("an address"));
        let call = CallId(1);
        let (port, _) = media.open(call, poll.registry(), now).expect("ports");
        media.describe(call, Side::A, caller, &[(0, Codec::Pcmu)], Some(101), now);
        media.describe(call, Side::B, called, &[(0, Codec::Pcmu)], Some(101), now);
        media.tap(call, true);
        let (mut sequence, mut timestamp) = (0u16, 0u32);
        let (mut packet, mut heard) = ([0x55u8; 172], [0u8; 2048]);
        let mut lent = None;
        bencher.iter_custom(|packets| {
            let mut spent = Duration::ZERO;
            for _ in 0..packets {
                now = now.after(Duration::from_millis(20));
                sequence = sequence.wrapping_add(1);
                timestamp = timestamp.wrapping_add(160);
                packet[..12].copy_from_slice(&rtp::header(0, sequence, timestamp, 7, false));
                peers[0]
                    .send_to(&packet, (Ipv4Addr::LOCALHOST, port))
                    .expect("loopback takes it");
                let before = Instant::now();
                poll.poll(&mut events, None).expect("a poll");
                for event in &events {
                    media.readable(event.token(), now, &mut |_, hop| lent = Some(hop));
                }
                spent += before.elapsed();
                if let Some(hop) = lent.take() {
                    media.recycle(call, hop);
                }
                peers[1].recv_from(&mut heard).expect("every packet arrives");
            }
            spent
        });
    });
}

criterion_group!(benches, one_packet, over_sockets);
criterion_main!(benches);
