//! What two agreed on is what they send each other, whatever else they announced; and what an encoder of ours is asked for.

use super::*;

#[test]
fn who_offers_opus_too_is_spoken_to_in_what_he_was_answered() {
    const OTHER: (u8, Codec) = (96, Codec::Opus);
    const A_LAW: (u8, Codec) = (8, Codec::Pcma);
    // What the caller offers, what the phone answers, and what he then hears its first packet in. None of them is in Opus.
    for (offered, answered, expected) in [
        (&[OTHER, A_LAW][..], &[MU][..], 8),
        (&[OTHER, WIDE, A_LAW], &[MU], 9),
        (&[OTHER, MU], &[MU], 0),
        (&[OTHER, WIDE, MU], &[MU], 0),
        (&[OTHER, A_LAW, MU], &[MU, WIDE], 0),
    ] {
        let mut legs = Legs::new(offered, answered);
        let said = [Law::Mu.encode(3000); 160];
        let got = legs.carry(Side::B, 20, (0, 1, 160), &said).expect("it crosses");
        assert_eq!(
            (header(&got), got.len()),
            ((expected, 1, 160), 172),
            "{offered:?} {answered:?}"
        );
        // Comfort noise, which he never heard of, is silence in that.
        let got = legs
            .carry(Side::B, 20, (13, 2, 320), &[40])
            .expect("silence is said");
        assert_eq!((header(&got), got.len()), ((expected, 2, 320), 172));
        // His report counts in the units of that.
        let mut report = [&[0x81, 201, 0, 7, 0, 0, 0, 5, 0, 0, 0, 77][..], &[0; 20]].concat();
        report[23] = 80;
        let at = SocketAddr::new(address(Side::A).ip(), address(Side::A).port() + 1);
        legs.session.rtcp(Side::A, at, &mut report, legs.now);
        let statistics = legs.session.statistics().from_called;
        assert_eq!(statistics.reported_jitter_ms, Some(10.0));
        // So are words of ours.
        let clip = Arc::new(Clip::of_samples(&[3000; 800]));
        let now = legs.now.instant;
        legs.session.say(Side::A, Words::once(vec![clip]), 1, 9, now);
        let (mut buffer, later) = ([0; 400], legs.now.after(Duration::from_millis(20)));
        let (_, len) = legs
            .session
            .speak(Side::A, &mut buffer, later)
            .expect("a packet of ours");
        assert_eq!((header(&buffer[..len]).0, len), (expected, 172));
        assert!(legs.session.a.hearer.is_none() && legs.session.a.speaker.is_none());
    }
}

#[test]
fn what_comes_twice_or_belongs_to_no_stream_yet_is_nothing_to_the_encoder() {
    let run = |is_disturbed: bool| -> Vec<Vec<u8>> {
        let mut legs = Legs::new(&[OPUS], &[WIDE]);
        let mut encoder = g722::Encoder::default();
        let mut got = Vec::new();
        for place in 0..20usize {
            let said: Vec<u8> = (place * 160..(place + 1) * 160)
                .map(|n| encoder.encode([2 * n, 2 * n + 1].map(|n| tone(n, 16_000.0))))
                .collect();
            let at = (9, place as u16, place as u32 * 160);
            got.push(legs.carry(Side::B, 20, at, &said).expect("it crosses"));
            if is_disturbed && place > 4 {
                // The same again, and a stray far ahead.
                let loud = [0x55; 160];
                for sequence in [place as u16, 30_000 + 7 * place as u16] {
                    let nothing = legs
                        .carry(Side::B, 0, (9, sequence, place as u32 * 160), &loud)
                        .expect("it crosses");
                    assert_eq!(nothing[12..], [8 << 3 | 3, 2], "20 ms in which nothing is said");
                }
            }
        }
        got
    };
    assert!(run(true) == run(false));
}

#[test]
fn more_that_is_to_be_said_in_opus_than_time_goes_by_is_too_fast() {
    let mut legs = Legs::new(&[OPUS], &[MU]);
    let taken = (0..200).filter(|n| {
        let at = (0, *n, u32::from(*n) * 800);
        legs.carry(Side::B, 4, at, &[0x55; 800]).is_some()
    });
    let taken = taken.count() as u32;
    let most = (OPUS_MS_BURST + 1200) / 100 + 1;
    assert!((most - 2..=most).contains(&taken), "{taken}");
    assert_eq!(
        legs.session.dropped(Side::B, DropReason::TooFast),
        200 - u64::from(taken)
    );
    // Where nothing is encoded as many are taken as ever.
    let mut legs = Legs::new(&[OPUS, MU], &[MU]);
    let taken = (0..200).filter(|n| {
        let at = (0, *n, u32::from(*n) * 800);
        legs.carry(Side::B, 4, at, &[0x55; 800]).is_some()
    });
    assert_eq!(taken.count(), 200);
}

#[test]
fn a_key_held_longer_than_its_field_can_say_is_one_press() {
    let mut legs = Legs::new(&[OPUS, MU], &[OPUS, MU]);
    let mut press = |event: u8, sequence: u16, timestamp: u32| {
        let key = [event, 10, 0x10, 0];
        assert!(
            legs.carry(Side::A, 20, (101, sequence, timestamp), &key)
                .is_some()
        );
        legs.session.statistics().from_caller.keys_pressed
    };
    assert_eq!(press(5, 1, u32::MAX - 1000), 1);
    assert_eq!(press(5, 2, (u32::MAX - 1000).wrapping_add(0xffff)), 1);
    assert_eq!(press(5, 3, (u32::MAX - 1000).wrapping_add(2 * 0xffff)), 1);
    assert_eq!(
        press(6, 4, (u32::MAX - 1000).wrapping_add(3 * 0xffff)),
        2,
        "another key"
    );
    assert_eq!(press(6, 5, 800_000), 3, "the same key again");
}
