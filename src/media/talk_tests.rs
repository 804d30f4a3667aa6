//! Our own voice on plain and encrypted legs, and what is heard of the caller meanwhile.
#![expect(clippy::disallowed_methods, reason = "any instant will do as the start")]

use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::g711::Law;
use crate::media::clip::Clip;
use crate::media::rtp::{self, Packet};
use crate::media::srtp::Keys;
use crate::media::{Config, DropReason, FRAME, Verdict};
use crate::sdp::{MasterKey, Suite};

const LISTENING: Listening = Listening {
    patience: Duration::from_secs(2),
    pause: Duration::from_millis(1200),
    at_most: Duration::from_secs(10),
};

struct Bench {
    session: Session,
    now: Now,
    caller: SocketAddr,
    phone: SocketAddr,
    buffer: [u8; 2048],
    sequence: u16,
}

impl Bench {
    fn new() -> Bench {
        let now = Now {
            instant: Instant::now(),
            utc: SystemTime::UNIX_EPOCH,
        };
        let config = Config {
            address: [127, 0, 0, 1].into(),
            advertise: None,
            ports: 20_000..=20_009,
            silence: Duration::from_secs(60),
            transcodes: true,
            rtcp_mux: true,
        };
        let mut bench = Bench {
            session: Session::new(&config, now),
            now,
            caller: ([192, 0, 2, 1], 4000).into(),
            phone: ([192, 0, 2, 2], 5000).into(),
            buffer: [0; 2048],
            sequence: 0,
        };
        bench.describe(Side::A, &[(8, Codec::Pcma), (0, Codec::Pcmu)]);
        bench
    }

    fn describe(&mut self, side: Side, codecs: &[(u8, Codec)]) {
        let at = match side {
            Side::A => self.caller,
            Side::B => self.phone,
        };
        self.session.described(side, at, codecs, Some(101), self.now);
    }

    fn say(&mut self, side: Side, words: Words, turn: u32) {
        self.session
            .say(side, words, turn, 0x1234_5678_9abc_def0, self.now.instant);
    }

    /// What goes to a side in this time, packet by packet.
    fn run(&mut self, side: Side, time: Duration) -> Vec<Vec<u8>> {
        let until = self.now.instant + time;
        let mut sent = Vec::new();
        while self.now.instant < until {
            while let Some((to, len)) = self.session.speak(side, &mut self.buffer, self.now) {
                let expected = if side == Side::A { self.caller } else { self.phone };
                assert_eq!(to, expected);
                sent.push(self.buffer[..len].to_vec());
            }
            self.now = self.now.after(FRAME);
        }
        sent
    }

    /// A packet of a party.
    fn speaks(&mut self, side: Side, payload_type: u8, payload: &[u8], timestamp: u32) -> (Verdict, Vec<u8>) {
        self.sequence += 1;
        let mut packet = rtp::header(payload_type, self.sequence, timestamp, 77, false).to_vec();
        packet.extend_from_slice(payload);
        let source = if side == Side::A { self.caller } else { self.phone };
        let verdict = self.session.rtp(side, source, &mut packet, self.now);
        (verdict, packet)
    }

    fn talk(&mut self) -> Vec<Talk> {
        std::iter::from_fn(|| self.session.poll_talk(self.now)).collect()
    }
}

fn clip(ms: usize) -> Arc<Clip> {
    let octets: Vec<u8> = (0..ms * 8).map(|n| (n % 239) as u8).collect();
    Arc::new(Clip::of_octets(Law::A, &octets))
}

fn audio(packets: &[Vec<u8>]) -> Vec<u8> {
    let payloads = packets.iter().map(|packet| Packet::parse(packet).unwrap());
    payloads.flat_map(|packet| packet.payload().to_vec()).collect()
}

#[test]
fn words_go_out_in_the_codec_the_party_likes_best_and_the_other_party_is_not_heard() {
    let mut bench = Bench::new();
    bench.describe(Side::B, &[(8, Codec::Pcma)]);
    bench.say(Side::A, Words::once(vec![clip(500)]), 4);
    let sent = bench.run(Side::A, Duration::from_millis(500));
    assert_eq!(audio(&sent), clip(500).octets(Codec::Pcma));
    assert!(sent.iter().all(|packet| packet[1] & 0x7f == 8));
    let (verdict, _) = bench.speaks(Side::B, 8, &[0; 160], 0);
    assert_eq!(verdict, Verdict::Drop(DropReason::OurTurn));
    let (verdict, _) = bench.speaks(Side::A, 8, &[0; 160], 0);
    assert!(
        matches!(verdict, Verdict::Forward { .. }),
        "the phone hears the caller: {verdict:?}"
    );
    assert_eq!(
        bench.talk(),
        [Talk::Said {
            side: Side::A,
            turn: 4,
            over: Duration::ZERO
        }]
    );
}

#[test]
fn when_we_are_done_the_other_party_is_heard_with_a_marked_packet() {
    let mut bench = Bench::new();
    bench.describe(Side::B, &[(8, Codec::Pcma)]);
    bench.say(Side::A, Words::looped(clip(300)), 1);
    let sent = bench.run(Side::A, Duration::from_millis(200));
    let (to, len) = bench.session.hush(Side::A, &mut bench.buffer).unwrap();
    assert_eq!(to, bench.caller);
    let ours = |octets: &[u8]| {
        let packet = Packet::parse(octets).unwrap();
        (packet.ssrc(), packet.sequence(), packet.timestamp())
    };
    let (ssrc, sequence, timestamp) = ours(&sent[9]);
    assert_eq!(ours(&bench.buffer[..len]), (ssrc, sequence + 1, timestamp + 160));
    assert_eq!(bench.session.speak(Side::A, &mut bench.buffer, bench.now), None);
    for is_first in [true, false] {
        let (verdict, packet) = bench.speaks(Side::B, 8, &[0; 160], 0);
        assert!(matches!(verdict, Verdict::Forward { .. }));
        assert_eq!(Packet::parse(&packet).unwrap().is_marked(), is_first);
    }
    assert!(!bench.session.is_speaking() && bench.session.poll_talk(bench.now).is_none());
    assert_eq!(
        bench.session.hush(Side::A, &mut bench.buffer),
        None,
        "once is enough"
    );
}

#[test]
fn music_behind_a_party_is_heard_while_that_sends_nothing() {
    let mut bench = Bench::new();
    bench.describe(Side::B, &[(8, Codec::Pcma)]);
    bench.say(Side::A, Words::behind(clip(300)), 1);
    let (second, moment) = (Duration::from_secs(1), Duration::from_millis(100));
    assert!(
        bench.run(Side::A, second).is_empty(),
        "it may have music of its own"
    );
    assert_eq!(bench.run(Side::A, moment).len(), 5);
    let tune: Vec<u8> = (0..160).collect();
    for is_first in [true, false] {
        let (verdict, packet) = bench.speaks(Side::B, 8, &tune, 0);
        assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
        assert_eq!(Packet::parse(&packet).unwrap().is_marked(), is_first);
    }
    assert!(bench.run(Side::A, second).is_empty(), "the other party is heard");
    let again = bench.run(Side::A, moment);
    assert_eq!(again.len(), 5, "it has stopped");
    assert!(Packet::parse(&again[0]).unwrap().is_marked());
    // Silence that somebody takes the trouble to send is still silence, and so are a key and comfort noise.
    for (payload_type, octets) in [
        (8, [Law::A.encode(0); 160].as_slice()),
        (13, &[40]),
        (101, &[1, 10, 0, 160]),
    ] {
        let (verdict, _) = bench.speaks(Side::B, payload_type, octets, 160);
        assert_eq!(verdict, Verdict::Drop(DropReason::OurTurn), "{payload_type}");
    }
    assert_eq!(bench.run(Side::A, moment).len(), 5);
    assert!(bench.session.hush(Side::A, &mut bench.buffer).is_some());
}

#[test]
fn between_two_sayings_silence_keeps_the_stream_whole() {
    let mut bench = Bench::new();
    bench.say(Side::A, Words::once(vec![clip(100)]), 1);
    let mut sent = bench.run(Side::A, Duration::from_millis(400));
    bench.say(Side::A, Words::once(vec![clip(100)]), 2);
    sent.extend(bench.run(Side::A, Duration::from_millis(200)));
    assert_eq!(sent.len(), 30);
    for pair in sent.windows(2) {
        let [one, other] = [&pair[0], &pair[1]].map(|packet| Packet::parse(packet).unwrap());
        assert_eq!(other.sequence(), one.sequence() + 1);
        assert_eq!(other.timestamp().wrapping_sub(one.timestamp()), 160);
        assert_eq!((other.ssrc(), other.is_marked()), (one.ssrc(), false));
    }
    let heard = audio(&sent);
    let silence = Law::A.encode(0);
    assert_eq!(heard[..800], *clip(100).octets(Codec::Pcma));
    assert!(heard[800..3200].iter().all(|octet| *octet == silence));
    assert_eq!(heard[3200..4000], *clip(100).octets(Codec::Pcma));
}

#[test]
fn a_party_on_hold_is_sent_nothing_and_the_words_go_by() {
    let mut bench = Bench::new();
    let there = std::mem::replace(&mut bench.caller, ([0, 0, 0, 0], 4000).into());
    bench.describe(Side::A, &[(8, Codec::Pcma)]);
    bench.say(Side::A, Words::once(vec![clip(100)]), 1);
    assert!(bench.run(Side::A, Duration::from_millis(200)).is_empty());
    assert!(matches!(bench.talk()[..], [Talk::Said { turn: 1, .. }]));
    bench.caller = there;
    bench.describe(Side::A, &[(8, Codec::Pcma)]);
    assert_eq!(bench.run(Side::A, Duration::from_millis(100)).len(), 5);
}

#[test]
fn the_caller_is_heard_to_speak_and_to_stop() {
    let mut bench = Bench::new();
    bench.say(Side::A, Words::once(vec![clip(1000)]), 1);
    let loud = [Law::A.encode(4000); 160];
    let quiet = [Law::A.encode(10); 160];
    let mut events = Vec::new();
    for n in 0..250u32 {
        // He talks over the last 200 ms of our words, then from 2 to 3 seconds.
        let speaks = (40..50).contains(&n) || (100..150).contains(&n);
        bench.speaks(Side::A, 8, if speaks { &loud } else { &quiet }, n * 160);
        bench.run(Side::A, FRAME);
        for event in bench.talk() {
            if matches!(event, Talk::Said { .. }) {
                bench.session.listen(LISTENING, bench.now);
            }
            events.push((n, event));
        }
    }
    let [(_, Talk::Said { over, .. }), (at, Talk::Heard { speech })] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(over, Duration::from_millis(200));
    assert_eq!(speech, Duration::from_millis(1000));
    assert!((208..=211).contains(&at), "1.2 s after the last word: {at}");
}

#[test]
fn a_key_is_told_once_however_often_its_packets_come_and_is_never_printed() {
    let mut bench = Bench::new();
    bench.say(Side::A, Words::once(vec![clip(100)]), 1);
    for (event, timestamp) in [(5u8, 1000u32), (5, 3000), (16, 5000), (11, 7000)] {
        for duration in [160u16, 320, 480, 480, 480] {
            let end = if duration == 480 { 0x80 } else { 0 };
            let [high, low] = duration.to_be_bytes();
            bench.speaks(Side::A, 101, &[event, end | 10, high, low], timestamp);
        }
    }
    let digits: Vec<Option<u8>> = bench
        .talk()
        .into_iter()
        .map(|event| match event {
            Talk::Pressed { digit } => {
                assert_eq!(format!("{event:?}"), "Pressed { digit: • }");
                digit.number()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(digits, [Some(5), Some(5), None]);
    let phone_key = bench.speaks(Side::B, 101, &[7, 10, 0, 160], 9000);
    assert!(bench.talk().is_empty(), "only the caller's keys: {phone_key:?}");
}

#[test]
fn nobody_talks_to_the_caller_and_nothing_of_him_is_noted() {
    let mut bench = Bench::new();
    bench.speaks(Side::A, 101, &[7, 10, 0, 160], 9000);
    bench.session.listen(LISTENING, bench.now);
    assert!(bench.talk().is_empty() && bench.session.next_frame().is_none());
}

#[test]
fn on_an_encrypted_leg_our_words_and_the_other_party_are_opened_by_one_key() {
    for suite in Suite::ALL {
        let mut bench = Bench::new();
        bench.describe(Side::B, &[(8, Codec::Pcma)]);
        let key =
            |fill: u8| MasterKey::new(suite, &vec![fill; suite.key_octets() + suite.salt_octets()]).unwrap();
        let keys = |inbound, outbound| Keys {
            inbound: key(inbound),
            outbound: key(outbound),
        };
        bench.session.secure(Side::A, Some(&keys(1, 2)));
        let mut far_end = Secured::new(&keys(2, 1));
        bench.say(Side::A, Words::once(vec![clip(200)]), 1);
        let mut heard = Vec::new();
        for mut packet in bench.run(Side::A, Duration::from_millis(200)) {
            let len = packet.len();
            let opened = far_end.unprotect_rtp(&mut packet, len).unwrap();
            heard.extend_from_slice(Packet::parse(&packet[..opened]).unwrap().payload());
        }
        assert_eq!(heard, clip(200).octets(Codec::Pcma), "{suite:?}");
        bench.session.hush(Side::A, &mut bench.buffer);
        let mut buffer = [0; 256];
        buffer[..12].copy_from_slice(&rtp::header(8, 5, 800, 99, false));
        let verdict = bench
            .session
            .rtp_within(Side::B, bench.phone, &mut buffer, 172, bench.now);
        let Verdict::Forward { len, .. } = verdict else {
            panic!("{verdict:?}")
        };
        let opened = far_end.unprotect_rtp(&mut buffer, len).unwrap();
        assert!(Packet::parse(&buffer[..opened]).unwrap().is_marked(), "{suite:?}");
    }
}

#[test]
fn the_mark_waits_for_a_packet_that_goes_out() {
    let mut bench = Bench::new();
    bench.describe(Side::B, &[(8, Codec::Pcma)]);
    bench.say(Side::A, Words::looped(clip(300)), 1);
    bench.run(Side::A, Duration::from_millis(100));
    bench.session.hush(Side::A, &mut bench.buffer);
    let there = std::mem::replace(&mut bench.caller, ([0, 0, 0, 0], 4000).into());
    bench.describe(Side::A, &[(8, Codec::Pcma)]);
    let (verdict, _) = bench.speaks(Side::B, 8, &[0; 160], 0);
    assert_eq!(verdict, Verdict::Drop(DropReason::OnHold));
    bench.caller = there;
    bench.describe(Side::A, &[(8, Codec::Pcma)]);
    let (verdict, packet) = bench.speaks(Side::B, 8, &[0; 160], 160);
    assert!(matches!(verdict, Verdict::Forward { .. }));
    assert!(Packet::parse(&packet).unwrap().is_marked());
}

#[test]
fn a_late_packet_of_an_old_key_is_no_new_key() {
    let mut bench = Bench::new();
    bench.say(Side::A, Words::once(vec![clip(100)]), 1);
    let key = |event: u8| [event, 10, 0, 160];
    for (sequence, event, timestamp) in [
        (1, 5, 1000),
        (2, 5, 1000),
        (4, 6, 3000),
        (3, 5, 1000),
        (5, 6, 3000),
    ] {
        bench.sequence = sequence - 1;
        bench.speaks(Side::A, 101, &key(event), timestamp);
    }
    assert_eq!(bench.talk().len(), 2);
    assert_eq!(bench.session.statistics().from_caller.keys_pressed, 2);
}

#[test]
fn however_many_keys_are_pressed_the_end_of_our_words_is_told() {
    let mut bench = Bench::new();
    bench.say(Side::A, Words::once(vec![clip(100)]), 9);
    for n in 0..60u32 {
        bench.speaks(Side::A, 101, &[1, 10, 0, 160], n * 1600);
    }
    bench.run(Side::A, Duration::from_millis(200));
    let told = bench.talk();
    assert!(told.len() <= TALK_EVENTS_MAX && matches!(told.last(), Some(Talk::Said { turn: 9, .. })));
}
