//! One RTP packet through a leg: the engine alone, with the tap on and off, with SRTP on the caller's side and plain RTP
//! on the other, what each suite costs by itself, and the whole way over loopback sockets (poll, receive, engine, send,
//! and the receive that finds nothing more).
#![expect(
    clippy::disallowed_methods,
    reason = "a bench on real sockets needs a real clock"
)]

use std::hint::black_box;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use ringward::call_id::CallId;
use ringward::media::srtp::Secured;
use ringward::media::{Config, Keys, Session, Side, rtp};
use ringward::runtime::media_io::MediaIo;
use ringward::sdp::{Codec, MasterKey, Suite};
use ringward::time::Now;

fn start() -> (Config, Now) {
    let config = Config {
        address: Ipv4Addr::LOCALHOST.into(),
        advertise: None,
        ports: 40_000..=40_999,
        silence: Duration::from_secs(60),
        transcodes: true,
        rtcp_mux: true,
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

/// The same key both ways: what this end closes it can open.
fn mirror(suite: Suite) -> Keys {
    let octets = vec![7; suite.key_octets() + suite.salt_octets()];
    let key = MasterKey::new(suite, &octets).expect("as long as the suite wants it");
    Keys {
        inbound: key.clone(),
        outbound: key,
    }
}

/// 20 ms of G.711, closed and opened again.
fn one_suite(criterion: &mut Criterion) {
    for suite in Suite::ALL {
        criterion.bench_function(&format!("srtp/close_and_open/{}", suite.as_str()), |bencher| {
            let mut leg = Secured::new(&mirror(suite));
            let mut sequence = 0u16;
            let mut buffer = [0x55u8; 256];
            bencher.iter(|| {
                sequence = sequence.wrapping_add(1);
                buffer[..12].copy_from_slice(&rtp::header(0, sequence, 0, 7, false));
                let len = leg
                    .protect_rtp(black_box(&mut buffer), 172)
                    .expect("a new number");
                leg.unprotect_rtp(black_box(&mut buffer), len)
                    .expect("our own packet")
            });
        });
    }
}

/// From an encrypted caller to a plain phone, heard by the scorer; the caller's own work is in it.
fn bridged(criterion: &mut Criterion) {
    for suite in Suite::ALL {
        criterion.bench_function(&format!("rtp/bridged_tapped/{}", suite.as_str()), |bencher| {
            let (config, mut now) = start();
            let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
            let mut session = Session::new(&config, now);
            session.secure(Side::A, Some(&mirror(suite)));
            session.described(Side::A, caller, &[(0, Codec::Pcmu)], Some(101), now);
            session.described(Side::B, called, &[(0, Codec::Pcmu)], Some(101), now);
            session.tap(true);
            let mut far_end = Secured::new(&mirror(suite));
            let (mut sequence, mut timestamp) = (0u16, 0u32);
            let mut buffer = [0x55u8; 256];
            bencher.iter_custom(|packets| {
                let mut spent = Duration::ZERO;
                // Closed in groups, so that reading the clock costs little beside what is timed.
                let mut group = vec![([0x55u8; 256], 0usize); 64];
                let mut left = packets;
                while left > 0 {
                    let count = left.min(64) as usize;
                    for (packet, len) in &mut group[..count] {
                        sequence = sequence.wrapping_add(1);
                        timestamp = timestamp.wrapping_add(160);
                        packet[..12].copy_from_slice(&rtp::header(0, sequence, timestamp, 7, false));
                        *len = far_end.protect_rtp(packet, 172).expect("a new number");
                    }
                    let before = Instant::now();
                    for (packet, len) in &group[..count] {
                        now = now.after(Duration::from_millis(20));
                        buffer[..*len].copy_from_slice(&packet[..*len]);
                        black_box(session.rtp_within(Side::A, caller, &mut buffer, *len, now));
                        if let Some(hop) = session.poll_hop() {
                            session.recycle(black_box(hop));
                        }
                    }
                    spent += before.elapsed();
                    left -= count as u64;
                }
                spent
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

criterion_group!(benches, one_packet, one_suite, bridged, over_sockets);
criterion_main!(benches);
