//! A packet through a leg allocates nothing, tap and encryption included. In a binary of its own, because of its
//! allocator.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

#[path = "alloc/counting.rs"]
mod counting;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ringward::media::dtls::{Association, Identity, Outcome, Role, Terms};
use ringward::media::opus::Encoder;
use ringward::media::srtp::Secured;
use ringward::media::{Clip, Config, Keys, Listening, Session, Side, Verdict, Words, rtp};
use ringward::sdp::{Codec, MasterKey, Suite};
use ringward::time::Now;

#[test]
fn ten_minutes_of_packets_allocate_nothing() {
    plain_legs();
    legs_without_a_codec_in_common();
    opus_on_both_legs();
    opus_on_one_leg();
    for suite in Suite::ALL {
        encrypted_legs(suite);
        our_own_voice(suite);
    }
    legs_that_shook_hands();
}

#[test]
fn packets_of_any_kind_from_anybody_do_no_harm_and_leave_nothing_behind() {
    hostile(60_000, 0x9e37_79b9_7f4a_7c15);
}

#[test]
fn hostile_opus_leaves_nothing_behind() {
    hostile_opus(20_000, 0x2545_f491_4f6c_dd1d);
}

/// Some minutes in a debug build.
#[test]
#[ignore = "long: ten million packets; `cargo test --test media_alloc -- --ignored`"]
fn ten_million_packets_of_any_kind_do_no_harm_and_leave_nothing_behind() {
    hostile(10_000_000, 0x2545_f491_4f6c_dd1d);
}

fn start() -> (Config, Now) {
    let config = Config {
        address: [127, 0, 0, 1].into(),
        advertise: None,
        ports: 20_000..=20_009,
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

fn plain_legs() {
    let (config, mut now) = start();
    let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
    let mut session = Session::new(&config, now);
    session.described(Side::A, caller, &[(0, Codec::Pcmu)], Some(101), now);
    session.described(Side::B, called, &[(0, Codec::Pcmu)], Some(101), now);
    session.tap(true);
    let mut packet = [0x55u8; 172];
    let (mut hops, mut forwarded) = (0, 0);
    let before = counting::allocations();
    for n in 0..30_000u32 {
        now = now.after(Duration::from_millis(20));
        // Every tenth pair is swapped and every fiftieth packet lost, so reordering and concealment run too.
        let n = match n % 20 {
            4 => n + 1,
            5 => n - 1,
            _ if n % 50 == 27 => continue,
            _ => n,
        };
        packet[..12].copy_from_slice(&rtp::header(0, n as u16, n * 160, 7, false));
        for (side, source) in [(Side::A, caller), (Side::B, called)] {
            forwarded += u32::from(matches!(
                session.rtp(side, source, &mut packet, now),
                Verdict::Forward { .. }
            ));
        }
        if let Some(hop) = session.poll_hop() {
            hops += 1;
            session.recycle(hop);
        }
    }
    let allocations = counting::allocations() - before;
    assert_eq!((allocations, hops), (0, 600), "{forwarded} packets forwarded");
    assert_eq!(forwarded, 2 * (30_000 - 600));
}

/// Every packet of both sides is translated, of 10 to 60 ms.
fn legs_without_a_codec_in_common() {
    for (one, other) in [
        ((0, Codec::Pcmu), (8, Codec::Pcma)),
        ((0, Codec::Pcmu), (9, Codec::G722)),
    ] {
        let (config, mut now) = start();
        let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
        let mut session = Session::new(&config, now);
        session.described(Side::A, caller, &[one], Some(101), now);
        session.described(Side::B, called, &[other], Some(101), now);
        session.tap(true);
        let mut packet = [0x55u8; 492];
        let (mut forwarded, mut at) = (0, 0u32);
        let before = counting::allocations();
        for n in 0..2_000u32 {
            let octets = [80, 160, 240, 320, 480][(n / 400) as usize];
            now = now.after(Duration::from_micros(u64::from(octets) * 125));
            for (side, source, said, heard) in [
                (Side::A, caller, one.0, other.0),
                (Side::B, called, other.0, one.0),
            ] {
                packet[..12].copy_from_slice(&rtp::header(said, n as u16, at, 7, false));
                let len = 12 + octets as usize;
                let verdict = session.rtp(side, source, &mut packet[..len], now);
                forwarded +=
                    u32::from(matches!(verdict, Verdict::Forward { .. }) && packet[1] & 0x7f == heard);
            }
            at += octets;
            if let Some(hop) = session.poll_hop() {
                session.recycle(hop);
            }
        }
        let allocations = counting::allocations() - before;
        assert_eq!((allocations, forwarded), (0, 4_000), "{one:?} {other:?}");
    }
}

/// Two seconds of Opus, a packet for each 20 ms.
fn opus_packets() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new();
    let said = |place: usize| {
        let t = place as f64 / 16_000.0;
        ((t * 2000.0).sin() * 6000.0 * (t * 9.0).sin()) as i16
    };
    (0..100)
        .map(|packet| {
            let samples: Vec<i16> = (packet * 320..(packet + 1) * 320).map(said).collect();
            let mut octets = vec![0; 160];
            let len = encoder.encode(&samples, &mut octets).expect("a packet");
            octets.truncate(len);
            octets
        })
        .collect()
}

/// Passed on as it came and decoded for the scorer, some of it out of order: nothing. What is lost is made up for by the codec,
/// which takes scratch memory for it and gives it back.
fn opus_on_both_legs() {
    let (config, mut now) = start();
    let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
    let mut session = Session::new(&config, now);
    session.described(Side::A, caller, &[(111, Codec::Opus)], Some(101), now);
    session.described(Side::B, called, &[(96, Codec::Opus)], Some(101), now);
    session.tap(true);
    let packets = opus_packets();
    let mut buffer = [0u8; 1700];
    for (first, losses) in [(0u32, false), (2_000, true)] {
        let (before, live, mut hops) = (counting::allocations(), counting::live(), 0);
        for n in first..first + 2_000 {
            now = now.after(Duration::from_millis(20));
            let n = match n % 20 {
                4 => n + 1,
                5 => n - 1,
                13 if losses => continue,
                _ => n,
            };
            let packet = &packets[n as usize % packets.len()];
            for (side, source, number) in [(Side::A, caller, 111), (Side::B, called, 96)] {
                buffer[..12].copy_from_slice(&rtp::header(number, n as u16, n * 960, 7, false));
                buffer[12..12 + packet.len()].copy_from_slice(packet);
                let verdict = session.rtp_within(side, source, &mut buffer, 12 + packet.len(), now);
                assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
            }
            if let Some(hop) = session.poll_hop() {
                hops += 1;
                session.recycle(hop);
            }
        }
        let allocations = counting::allocations() - before;
        assert!(hops >= 39, "{hops}");
        assert_eq!(counting::live(), live, "nothing is kept");
        match losses {
            false => assert_eq!(allocations, 0),
            true => assert!(allocations < 100 * 12, "{allocations} for a hundred lost packets"),
        }
    }
}

/// To a phone of another codec: nothing. To one that speaks Opus alone: what the codec takes to encode, three times for each
/// 20 ms, and gives back.
fn opus_on_one_leg() {
    for other in [(0, Codec::Pcmu), (8, Codec::Pcma), (9, Codec::G722)] {
        let (config, mut now) = start();
        let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
        let mut session = Session::new(&config, now);
        session.described(Side::A, caller, &[(111, Codec::Opus)], Some(101), now);
        session.described(Side::B, called, &[other], Some(101), now);
        session.tap(true);
        let packets = opus_packets();
        let mut buffer = [0u8; 1700];
        let (mut to_other, mut to_opus) = (0, 0);
        // The codec's buffers have grown to what they need after the first.
        for n in 0..1_000u32 {
            now = now.after(Duration::from_millis(20));
            let packet = &packets[n as usize % packets.len()];
            buffer[..12].copy_from_slice(&rtp::header(111, n as u16, n * 960, 7, false));
            buffer[12..12 + packet.len()].copy_from_slice(packet);
            let before = counting::allocations();
            let verdict = session.rtp_within(Side::A, caller, &mut buffer, 12 + packet.len(), now);
            assert!(
                matches!(verdict, Verdict::Forward { len: 172, .. }),
                "{verdict:?}"
            );
            to_other += counting::allocations() - before;
            if let Some(hop) = session.poll_hop() {
                session.recycle(hop);
            }
            buffer[..12].copy_from_slice(&rtp::header(other.0, n as u16, n * 160, 7, false));
            for (place, octet) in buffer[12..172].iter_mut().enumerate() {
                *octet = (place as u32 * 7 + n * 13) as u8;
            }
            let (before, live) = (counting::allocations(), counting::live());
            let verdict = session.rtp_within(Side::B, called, &mut buffer, 172, now);
            assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
            if n >= 50 {
                to_opus += counting::allocations() - before;
                assert_eq!(counting::live(), live, "nothing is kept");
            }
        }
        assert_eq!(to_other, 0, "{other:?}");
        assert!(to_opus <= 950 * 4, "{other:?}: {to_opus}");
    }
}

/// What begins as Opus may, from both parties of a call that passes it on and of one that translates it.
fn hostile_opus(packets: u32, seed: u64) {
    let (config, mut now) = start();
    let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
    let mut sessions = [(96, Codec::Opus), (0, Codec::Pcmu), (9, Codec::G722)].map(|other| {
        let mut session = Session::new(&config, now);
        session.described(Side::A, caller, &[(111, Codec::Opus)], None, now);
        session.described(Side::B, called, &[other], Some(101), now);
        session.hears_wide_events(Side::A, Some(110));
        session.tap(true);
        session
    });
    let mut state = seed;
    let mut dice = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut buffer, mut went, mut live) = ([0u8; 1700], 0, 0);
    for n in 0..packets {
        // Most of the codec's buffers have grown to what they need by then.
        if n == packets / 2 {
            live = counting::live();
        }
        now = now.after(Duration::from_millis(20));
        let len = 12 + (dice() % [4, 60, 400][dice() as usize % 3]) as usize;
        for octets in buffer[12..len].chunks_mut(8) {
            octets.copy_from_slice(&dice().to_le_bytes()[..octets.len()]);
        }
        let number = [111, 96, 0, 9, 110, 101, 13][dice() as usize % 7];
        let sequence = (n / 3) as u16 ^ u16::from(dice() % 16 == 0);
        let header = rtp::header(
            number,
            sequence,
            dice() as u32 % 4 * 960 + n * 320,
            7,
            dice() % 2 == 0,
        );
        buffer[..12].copy_from_slice(&header);
        let session = &mut sessions[dice() as usize % 3];
        for (side, source) in [(Side::A, caller), (Side::B, called)] {
            let verdict = session.rtp_within(side, source, &mut buffer, len, now);
            went += u32::from(matches!(verdict, Verdict::Forward { .. }));
        }
        if let Some(hop) = session.poll_hop() {
            session.recycle(hop);
        }
    }
    assert!(went > packets / 4, "{went} of {packets}");
    let grown = counting::live() - live;
    assert!(grown < 8192, "{grown} octets more than half way");
}

/// SRTP on both legs, with keys of their own: every packet is opened, heard and closed again.
fn encrypted_legs(suite: Suite) {
    let (config, mut now) = start();
    let key = |fill: u8| {
        let octets = vec![fill; suite.key_octets() + suite.salt_octets()];
        MasterKey::new(suite, &octets).expect("as long as the suite wants it")
    };
    let keys = |inbound: u8, outbound: u8| Keys {
        inbound: key(inbound),
        outbound: key(outbound),
    };
    let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
    let mut session = Session::new(&config, now);
    session.secure(Side::A, Some(&keys(1, 2)));
    session.secure(Side::B, Some(&keys(3, 4)));
    session.described(Side::A, caller, &[(0, Codec::Pcmu)], None, now);
    session.described(Side::B, called, &[(0, Codec::Pcmu)], None, now);
    session.tap(true);
    let mut far_end = Secured::new(&keys(2, 1));
    let mut buffer = [0x55u8; 256];
    let mut forwarded = 0;
    let before = counting::allocations();
    for n in 0..2_000u32 {
        now = now.after(Duration::from_millis(20));
        buffer[..12].copy_from_slice(&rtp::header(0, (n + 65_000) as u16, n * 160, 7, false));
        let len = far_end.protect_rtp(&mut buffer, 172).expect("a new number");
        let verdict = session.rtp_within(Side::A, caller, &mut buffer, len, now);
        forwarded += u32::from(matches!(verdict, Verdict::Forward { .. }));
        // What went out is nothing that this side sends: refused, and that costs nothing either.
        session.rtp_within(Side::A, caller, &mut buffer, len, now);
        if let Some(hop) = session.poll_hop() {
            session.recycle(hop);
        }
    }
    let allocations = counting::allocations() - before;
    assert_eq!((allocations, forwarded), (0, 2_000), "{suite:?}");
}

/// Keys by handshake on both legs (DTLS-SRTP): once they are there, nothing of the handshake is touched.
fn legs_that_shook_hands() {
    let (config, mut now) = start();
    let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
    let mut session = Session::new(&config, now);
    let identity = Arc::new(Identity::new().expect("a certificate"));
    let terms = |role| Terms {
        role,
        fingerprints: vec![identity.fingerprint().clone()],
        suites: Default::default(),
    };
    let mut far_ends = Vec::new();
    for (side, source) in [(Side::A, caller), (Side::B, called)] {
        session.mux(side, true);
        session.handshake(side, Some((&terms(Role::Server), &identity)), now);
        session.described(side, source, &[(0, Codec::Pcmu)], None, now);
        let mut party = Association::new(&terms(Role::Client), &identity, now.instant);
        for _ in 0..4 {
            while let Some(mut datagram) = party.poll_transmit() {
                assert_eq!(session.rtp(side, source, &mut datagram, now), Verdict::Taken);
            }
            while let Some((_, to, datagram)) = session.poll_handshake(side) {
                assert_eq!(to, source);
                party.handle(&datagram, now.instant);
            }
        }
        let Some(Outcome::Keys(keys)) = party.poll_secured() else {
            panic!("no keys");
        };
        far_ends.push(Secured::new(&keys));
    }
    session.tap(true);
    let mut buffer = [0x55u8; 256];
    let mut forwarded = 0;
    let before = counting::allocations();
    for n in 0..2_000u32 {
        now = now.after(Duration::from_millis(20));
        for (far_end, (side, source)) in far_ends.iter_mut().zip([(Side::A, caller), (Side::B, called)]) {
            buffer[..12].copy_from_slice(&rtp::header(0, n as u16, n * 160, 7, false));
            let len = far_end.protect_rtp(&mut buffer, 172).expect("a new number");
            let verdict = session.rtp_within(side, source, &mut buffer, len, now);
            forwarded += u32::from(matches!(verdict, Verdict::Forward { .. }));
        }
        if let Some(hop) = session.poll_hop() {
            session.recycle(hop);
        }
    }
    let allocations = counting::allocations() - before;
    assert_eq!((allocations, forwarded), (0, 4_000));
}

/// A minute of music to a caller on an encrypted leg who speaks and presses keys meanwhile.
fn our_own_voice(suite: Suite) {
    let (config, mut now) = start();
    let key = |fill: u8| {
        let octets = vec![fill; suite.key_octets() + suite.salt_octets()];
        MasterKey::new(suite, &octets).expect("as long as the suite wants it")
    };
    let keys = |inbound: u8, outbound: u8| Keys {
        inbound: key(inbound),
        outbound: key(outbound),
    };
    let caller = ([192, 0, 2, 1], 4000).into();
    let mut session = Session::new(&config, now);
    session.secure(Side::A, Some(&keys(1, 2)));
    session.described(Side::A, caller, &[(0, Codec::Pcmu)], Some(101), now);
    let music = Arc::new(Clip::of_samples(&[1000; 12_345]));
    session.say(Side::A, Words::looped(music), 1, 7, now.instant);
    let listening = Listening {
        patience: Duration::from_secs(2),
        pause: Duration::from_secs(1),
        at_most: Duration::from_secs(30),
    };
    session.listen(listening, now);
    let mut far_end = Secured::new(&keys(2, 1));
    let mut buffer = [0x55u8; 256];
    let (mut sent, mut events) = (0, 0);
    let before = counting::allocations();
    for n in 0..3_000u32 {
        now = now.after(Duration::from_millis(20));
        while session.speak(Side::A, &mut buffer, now).is_some() {
            sent += 1;
        }
        let payload_type = if n % 100 == 99 { 101 } else { 0 };
        buffer[..12].copy_from_slice(&rtp::header(payload_type, n as u16, n * 160, 7, false));
        buffer[12..172].fill(0x03);
        let len = far_end.protect_rtp(&mut buffer, 172).expect("a new number");
        session.rtp_within(Side::A, caller, &mut buffer, len, now);
        while session.poll_talk(now).is_some() {
            events += 1;
        }
    }
    let allocations = counting::allocations() - before;
    assert_eq!((allocations, sent, events), (0, 3_001, 31), "{suite:?}");
}

/// Sources of packets that begin like the call's own: more than a key may be used with.
const SOURCES: u32 = 40;

/// Plain, translated, encrypted and spoken-to calls get packets of any kind, as RTP and as RTCP, from their parties and from
/// strangers: some begin like the call's own, and on encrypted legs some are truly closed. Nothing is allocated, so nothing
/// grows; and afterwards each call carries its parties' audio as before.
fn hostile(packets: u32, seed: u64) {
    let (config, mut now) = start();
    let (caller, called) = (([192, 0, 2, 1], 4000).into(), ([192, 0, 2, 2], 5000).into());
    let suites = [Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80];
    let key = |suite: Suite, fill: u8| {
        let octets = vec![fill; suite.key_octets() + suite.salt_octets()];
        MasterKey::new(suite, &octets).expect("as long as the suite wants it")
    };
    let keys = |suite: Suite, inbound: u8, outbound: u8| Keys {
        inbound: key(suite, inbound),
        outbound: key(suite, outbound),
    };
    let mut sessions: Vec<Session> = (0..4)
        .map(|kind| {
            let mut session = Session::new(&config, now);
            if kind == 2 {
                session.secure(Side::A, Some(&keys(suites[0], 1, 2)));
                session.secure(Side::B, Some(&keys(suites[1], 3, 4)));
            }
            let other = if kind == 1 {
                (9, Codec::G722)
            } else {
                (0, Codec::Pcmu)
            };
            session.described(Side::A, caller, &[(0, Codec::Pcmu)], Some(101), now);
            session.described(Side::B, called, &[other], Some(96), now);
            session.tap(true);
            if kind == 3 {
                let music = Arc::new(Clip::of_samples(&[1000; 12_345]));
                session.say(Side::A, Words::looped(music), 1, 7, now.instant);
            }
            session
        })
        .collect();
    let mut far_ends = [
        Secured::new(&keys(suites[0], 2, 1)),
        Secured::new(&keys(suites[1], 4, 3)),
    ];
    let mut state = seed;
    let mut dice = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut buffer, mut forwarded) = ([0u8; 1700], 0u32);
    // By side, the last source of the encrypted call of which a packet went on: its key is used with as many as it may be.
    let mut heard = [None; 2];
    let before = counting::allocations();
    for n in 0..packets {
        now = now.after(Duration::from_millis(2));
        let len = match dice() % 8 {
            0 => (dice() % 1601) as usize,
            _ => (dice() % 96) as usize,
        };
        for octets in buffer[..len].chunks_mut(8) {
            octets.copy_from_slice(&dice().to_le_bytes()[..octets.len()]);
        }
        // What begins like a packet of the call reaches further in.
        let shape = dice();
        let number = (n / 7) as u16;
        if len >= 28 && !shape.is_multiple_of(4) {
            match shape % 3 {
                0 => {
                    let payload_type = [0, 8, 9, 13, 96, 101][(shape >> 8) as usize % 6];
                    let ssrc = (shape >> 16) as u32 % SOURCES;
                    let header = rtp::header(payload_type, number, u32::from(number) * 160, ssrc, false);
                    buffer[..12].copy_from_slice(&header);
                }
                1 => buffer[0] = 0x80 | buffer[0] & 0x3f,
                _ => {
                    let words = (len / 4 - 1) as u16;
                    buffer[0] = 0x80 | buffer[0] & 1;
                    buffer[1] = 200 + (shape >> 8) as u8 % 3;
                    buffer[2..4].copy_from_slice(&words.to_be_bytes());
                }
            }
        }
        let kind = (shape >> 40) as usize % sessions.len();
        let (side, own) = match shape >> 43 & 1 {
            0 => (Side::A, caller),
            _ => (Side::B, called),
        };
        let is_rtcp = shape >> 44 & 3 == 0;
        let source = match shape >> 46 & 7 {
            0 => ([203, 0, 113, 9], 9).into(),
            1 => called,
            _ if is_rtcp => std::net::SocketAddr::new(own.ip(), own.port() + 1),
            _ => own,
        };
        let mut len = len;
        if kind == 2 && shape >> 50 & 1 == 0 && len < 1400 {
            let far_end = &mut far_ends[usize::from(side == Side::B)];
            let closed = match is_rtcp {
                true => far_end.protect_rtcp(&mut buffer, len),
                false => far_end.protect_rtp(&mut buffer, len),
            };
            len = closed.unwrap_or(len);
        }
        let session = &mut sessions[kind];
        let verdict = match is_rtcp {
            true => session.rtcp_within(side, source, &mut buffer, len, now),
            false => session.rtp_within(side, source, &mut buffer, len, now),
        };
        forwarded += u32::from(matches!(verdict, Verdict::Forward { .. }));
        let source = u32::from_be_bytes([buffer[8], buffer[9], buffer[10], buffer[11]]);
        if kind == 2 && !is_rtcp && source < SOURCES && matches!(verdict, Verdict::Forward { .. }) {
            heard[usize::from(side == Side::B)] = Some(source);
        }
        while session.speak(Side::A, &mut buffer, now).is_some() {}
        while session.poll_talk(now).is_some() {}
        if let Some(hop) = session.poll_hop() {
            session.recycle(hop);
        }
    }
    let allocations = counting::allocations() - before;
    assert_eq!(allocations, 0, "nothing grows");
    assert!(forwarded > packets / 20, "{forwarded} of {packets} went on");
    now = now.after(Duration::from_secs(2));
    for (kind, session) in sessions.iter_mut().enumerate() {
        session.hush(Side::A, &mut buffer);
        let last = session.statistics().from_called;
        assert!(last.packets > 0 && last.jitter_ms.is_finite());
        // A source that has not been there yet: two packets make it the stream. On an encrypted leg there may be no room for
        // one more: there it is one that is known, under numbers that follow.
        for (at, (side, source)) in [(Side::A, caller), (Side::B, called)].into_iter().enumerate() {
            let (ssrc, last) = match kind {
                2 => (
                    heard[at].expect("some went on"),
                    (packets.saturating_sub(1) / 7) as u16,
                ),
                _ => (0x7777, 0),
            };
            for number in [1, 2].map(|ahead| last.wrapping_add(ahead)) {
                buffer[..12].copy_from_slice(&rtp::header(0, number, u32::from(number) * 160, ssrc, false));
                buffer[12..172].fill(0x55);
                let len = match kind {
                    2 => far_ends[at].protect_rtp(&mut buffer, 172).expect("a new number"),
                    _ => 172,
                };
                let verdict = session.rtp_within(side, source, &mut buffer, len, now);
                assert!(
                    matches!(verdict, Verdict::Forward { .. }),
                    "{kind} {side:?}: {verdict:?}"
                );
            }
        }
    }
}
