//! A packet through a leg allocates nothing, tap and encryption included. In a binary of its own, because of its
//! allocator.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

#[path = "alloc/counting.rs"]
#[expect(dead_code, reason = "voice_alloc.rs uses more of it")]
mod counting;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ringward::media::srtp::Secured;
use ringward::media::{Clip, Config, Keys, Listening, Session, Side, Verdict, Words, rtp};
use ringward::sdp::{Codec, MasterKey, Suite};
use ringward::time::Now;

#[test]
fn ten_minutes_of_packets_allocate_nothing() {
    plain_legs();
    legs_without_a_codec_in_common();
    for suite in Suite::ALL {
        encrypted_legs(suite);
        our_own_voice(suite);
    }
}

fn start() -> (Config, Now) {
    let config = Config {
        address: [127, 0, 0, 1].into(),
        advertise: None,
        ports: 20_000..=20_009,
        silence: Duration::from_secs(60),
        transcodes: true,
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

/// Every packet of both sides is translated.
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
        let mut packet = [0x55u8; 172];
        let mut forwarded = 0;
        let before = counting::allocations();
        for n in 0..2_000u32 {
            now = now.after(Duration::from_millis(20));
            for (side, source, said, heard) in [
                (Side::A, caller, one.0, other.0),
                (Side::B, called, other.0, one.0),
            ] {
                packet[..12].copy_from_slice(&rtp::header(said, n as u16, n * 160, 7, false));
                let verdict = session.rtp(side, source, &mut packet, now);
                forwarded +=
                    u32::from(matches!(verdict, Verdict::Forward { .. }) && packet[1] & 0x7f == heard);
            }
            if let Some(hop) = session.poll_hop() {
                session.recycle(hop);
            }
        }
        let allocations = counting::allocations() - before;
        assert_eq!((allocations, forwarded), (0, 4_000), "{one:?} {other:?}");
    }
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
