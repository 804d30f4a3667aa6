//! A call turns to fax (T.38) and back: what crosses, what the media is told, and what is not done to a fax.

use ringward::call::record::OrderOutcome;
use ringward::call::{Encryption, Input, Order, What, Whisper};
use ringward::media::Side;
use ringward::policy::Policy;

use crate::hand::{CALLER, Hand, PHONE, Talk, talk};
use crate::wire::Message;
use crate::world::{MediaLog, World, one_desk};

fn t38(address: &str, version: u32) -> String {
    let ip = address.split(':').next().unwrap();
    format!(
        "v=0\r\no=- 7 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n\
         m=image 6800 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n\
         a=T38FaxRateManagement:transferredTCF\r\n"
    )
}

fn media(world: &World) -> &MediaLog {
    world.media.values().next().expect("media")
}

/// What the media is told now: each side's fax, and whether the caller is listened to.
fn told(world: &World) -> ([bool; 2], bool) {
    (media(world).fax, media(world).is_tapped)
}

fn image(message: &Message) -> Option<&str> {
    message.body.lines().find(|line| line.starts_with("m=image"))
}

fn begun() -> (World, Talk) {
    let mut world = World::new(one_desk(), 71);
    let talk = talk(&mut world, &[], &[]);
    assert_eq!(told(&world), ([false, false], true));
    (world, talk)
}

#[test]
fn the_called_machine_asks_for_t38_and_both_get_it() {
    let (mut world, mut talk) = begun();
    let (offer, answer) = (t38(PHONE, 2), t38(CALLER, 2));
    let (offered, heard) = world.reinvite(&mut talk.phone, &talk.caller, &offer, &answer);
    for (message, port) in [(&offered, 20_000), (&heard, 20_002)] {
        let expected = format!("m=image {port} udptl t38");
        assert_eq!(image(message), Some(expected.as_str()));
        assert!(
            message.body.contains("m=audio 0 RTP/AVP 0\r\n"),
            "{}",
            message.body
        );
        assert!(message.body.contains("a=T38MaxBitRate:14400\r\n"));
    }
    assert_eq!(told(&world), ([true, true], false), "nobody listens to a fax");
    let described = &media(&world).described;
    assert!(
        described[described.len() - 2..]
            .iter()
            .all(|(_, to)| to.port() == 6800)
    );
    // Nobody asks a fax anything, or sends it on.
    for what in [What::Challenge, What::Whisper, What::Move("desk".into())] {
        let call = *world.records.keys().next().unwrap();
        let order = Order {
            by: "ann".into(),
            what,
            why: None,
        };
        world.tell(Input::Order { call, order });
        world.run_for(0.1);
    }
    let orders = world
        .records
        .values()
        .next()
        .unwrap()
        .last()
        .unwrap()
        .orders
        .clone();
    assert_eq!(orders.len(), 3);
    assert!(
        orders.iter().all(|order| order.outcome == OrderOutcome::NotNow),
        "{orders:?}"
    );
    // They talk again, and the caller is heard again.
    let (words, answer) = (talk.phone.sdp(3), talk.caller.sdp(3));
    let (offered, _) = world.reinvite(&mut talk.phone, &talk.caller, &words, &answer);
    assert_eq!(image(&offered), None);
    assert_eq!(told(&world), ([false, false], true));
    world.ask(&mut talk.caller, "BYE", &[], None);
    world.run_for(1.0);
    let record = world.records.values().next().unwrap().last().unwrap();
    assert!(record.timings.fax_ms.is_some());
}

#[test]
fn who_does_not_want_a_fax_says_so_and_the_call_goes_on() {
    let (mut world, mut talk) = begun();
    world.ask(&mut talk.phone, "INVITE", &[], Some(&t38(PHONE, 2)));
    let offered = world.one(&talk.caller, "INVITE");
    world.answer(&talk.caller, &offered, 488, &[], None);
    assert_eq!(world.words(&talk.caller), ["ACK"]);
    let refused = world.one(&talk.phone, "488 INVITE");
    assert!(refused.body.is_empty());
    assert_eq!(told(&world), ([false, false], true));
    world.ask(&mut talk.phone, "ACK", &[], None);
    // An answer in audio is none to an offer of fax.
    world.ask(&mut talk.phone, "INVITE", &[], Some(&t38(PHONE, 3)));
    let offered = world.one(&talk.caller, "INVITE");
    let words = talk.caller.sdp(2);
    world.answer(&talk.caller, &offered, 200, &[], Some(&words));
    world.one(&talk.phone, "488 INVITE");
    assert_eq!(told(&world), ([false, false], true));
    let record = world.records.values().next().unwrap().last().unwrap();
    assert_eq!((record.timings.fax_ms, record.outcome.is_none()), (None, true));
}

/// We refresh every 300 s, by INVITE.
const OURS: (&str, &str) = ("Session-Expires", "600;refresher=uac");

#[test]
fn a_fax_that_is_refused_leaves_what_the_leg_had_agreed() {
    let mut world = World::with_config(one_desk(), 73, Policy::embedded(), |config| {
        config.rtcp_mux = true;
        config.queue_srtp.insert("desk".into(), Encryption::Preferred);
    });
    let words = crate::wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv");
    let mut caller = Hand::calls(&mut world, &[], Some(&words));
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    // The last line, which a new offer would put first and number anew.
    let line = invite.body.split("a=crypto:").last().unwrap();
    let line = format!("RTP/AVP 0 a=crypto:{line}");
    let answer = |version| {
        let words = crate::encryption::secured(&phone.sdp(version), phone.address, &line);
        words + "a=rtcp-mux\r\n"
    };
    world.answer(&phone, &invite, 200, &[OURS], Some(&answer(1)));
    let answered = world.one(&caller, "200 INVITE");
    caller.learn(&answered);
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    let before = crate::encryption::keys(&world, Side::B);
    assert!(before.is_some());
    assert_eq!(media(&world).muxed, [false, true]);
    world.ask(&mut caller, "INVITE", &[], Some(&t38(CALLER, 2)));
    let offered = world.one(&phone, "INVITE");
    assert!(image(&offered).is_some());
    world.answer(&phone, &offered, 488, &[], None);
    world.one(&caller, "488 INVITE");
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    // The phone has moved when we ask whether it is there.
    world.run_for(301.0);
    let refresh = world.one(&phone, "INVITE");
    assert_eq!(refresh.body, invite.body, "what we said last");
    let moved = answer(2).replace("m=audio 6060", "m=audio 6090");
    world.answer(&phone, &refresh, 200, &[OURS], Some(&moved));
    let (side, to) = media(&world).described.last().unwrap();
    assert_eq!((*side, to.port()), (Side::B, 6090));
    assert_eq!(crate::encryption::keys(&world, Side::B), before);
    assert_eq!(media(&world).muxed, [false, true]);
}

#[test]
fn a_machine_that_moves_is_followed_and_does_not_talk_instead() {
    let mut world = World::new(one_desk(), 74);
    let mut talk = talk(&mut world, &[], &[OURS]);
    world.ask(&mut talk.caller, "INVITE", &[], Some(&t38(CALLER, 2)));
    let offered = world.one(&talk.phone, "INVITE");
    world.answer(&talk.phone, &offered, 200, &[OURS], Some(&t38(PHONE, 2)));
    world.one(&talk.caller, "200 INVITE");
    world.ask(&mut talk.caller, "ACK", &[], None);
    assert_eq!(world.words(&talk.phone), ["ACK"]);
    let moved = t38(PHONE, 3).replace("m=image 6800", "m=image 6900");
    for (answer, port) in [(moved, 6900), (talk.phone.sdp(4), 6900)] {
        world.run_for(301.0);
        let refresh = world.one(&talk.phone, "INVITE");
        assert!(image(&refresh).is_some());
        world.answer(&talk.phone, &refresh, 200, &[OURS], Some(&answer));
        assert_eq!(world.words(&talk.phone), ["ACK"]);
        let (side, to) = media(&world).described.last().unwrap();
        assert_eq!((*side, to.port()), (Side::B, port));
        assert_eq!(told(&world), ([true, true], false));
    }
}

#[test]
fn a_leg_that_must_be_encrypted_sends_no_fax() {
    let mut world = World::with_config(one_desk(), 72, Policy::embedded(), |config| {
        config.queue_srtp.insert("desk".into(), Encryption::Required);
    });
    let words = crate::wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv");
    let mut caller = Hand::calls(&mut world, &[], Some(&words));
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    let answer = crate::encryption::secured(&phone.sdp(1), phone.address, &invite.body);
    world.answer(&phone, &invite, 200, &[], Some(&answer));
    let answered = world.one(&caller, "200 INVITE");
    caller.learn(&answered);
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    world.ask(&mut caller, "INVITE", &[], Some(&t38(CALLER, 2)));
    world.one(&caller, "488 INVITE");
    assert_eq!(world.words(&phone), Vec::<String>::new(), "it is not even asked");
    assert_eq!(media(&world).fax, [false, false]);
}

/// The first offer of a call: a fax, and no audio at all.
fn alone(address: &str) -> String {
    t38(address, 1).replace("m=audio 0 RTP/AVP 0\r\n", "")
}

/// Asks every caller for digits, and whispers to every phone.
fn curious() -> World {
    let text =
        "[policy]\nname = 'p'\n[[rule]]\nid = 'r'\nwhen = \"true\"\nthen = 'challenge'\nreason = 'x'\n";
    let policy = Policy::load("p.toml", text, &["desk".into()]).unwrap_or_else(|faults| panic!("{faults:?}"));
    World::with_config(one_desk(), 75, policy, |config| {
        config.whispers.insert("desk".into(), Whisper::All);
    })
}

#[test]
fn a_call_that_begins_as_a_fax_crosses_and_nobody_asks_it_anything() {
    let mut world = curious();
    let mut caller = Hand::calls(&mut world, &[], Some(&alone(CALLER)));
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    assert_eq!(image(&invite), Some("m=image 20002 udptl t38"));
    assert!(!invite.body.contains("m=audio"), "{}", invite.body);
    world.answer(&phone, &invite, 200, &[], Some(&alone(PHONE)));
    let answer = world.one(&caller, "200 INVITE");
    assert_eq!(image(&answer), Some("m=image 20000 udptl t38"));
    assert!(
        answer.body.contains("a=T38MaxBitRate:14400\r\n"),
        "{}",
        answer.body
    );
    caller.learn(&answer);
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    assert_eq!(told(&world), ([true, true], false), "nobody listens to a fax");
    assert!(media(&world).said.is_empty(), "{:?}", media(&world).said);
    let to: Vec<(Side, u16)> = media(&world)
        .described
        .iter()
        .map(|(side, to)| (*side, to.port()))
        .collect();
    assert_eq!(to, [(Side::A, 6800), (Side::B, 6800)]);
    world.run_for(5.0);
    assert!(media(&world).said.is_empty());
    world.ask(&mut caller, "BYE", &[], None);
    world.run_for(1.0);
    let record = world.records.values().next().unwrap().last().unwrap();
    assert!(record.timings.fax_ms.is_some());
    assert_eq!(record.codecs, Default::default());
}

#[test]
fn a_phone_that_talks_takes_no_fax() {
    // Both kinds of no: it says so, or it answers in audio.
    for in_audio in [false, true] {
        let mut world = World::new(one_desk(), 76);
        let caller = Hand::calls(&mut world, &[], Some(&alone(CALLER)));
        let phone = Hand::is_rung(&mut world);
        let invite = phone.invite.clone();
        match in_audio {
            true => {
                let words = phone.sdp(1);
                world.answer(&phone, &invite, 200, &[], Some(&words));
                let came = world.words(&phone);
                assert!(
                    came.contains(&"ACK".into()) && came.contains(&"BYE".into()),
                    "{came:?}"
                );
            }
            false => {
                world.answer(&phone, &invite, 488, &[], None);
                assert_eq!(world.words(&phone), ["ACK"], "it is not asked in other codecs");
            }
        }
        world.run_for(60.0);
        let came = world.words(&caller);
        assert!(came.iter().any(|word| word.starts_with('4')), "{came:?}");
        assert!(!came.contains(&"200 INVITE".into()), "{came:?}");
    }
}

#[test]
fn audio_comes_first_where_both_are_offered_and_the_fax_may_follow() {
    let mut world = World::new(one_desk(), 77);
    let both = crate::wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv")
        + "m=image 6800 udptl t38\r\na=T38FaxVersion:0\r\n";
    let mut caller = Hand::calls(&mut world, &[], Some(&both));
    let mut phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    assert!(invite.body.contains("m=audio 20002 "), "{}", invite.body);
    assert_eq!(image(&invite), Some("m=image 0 udptl t38"));
    let words = phone.sdp(1) + "m=image 0 udptl t38\r\n";
    world.answer(&phone, &invite, 200, &[], Some(&words));
    let answer = world.one(&caller, "200 INVITE");
    assert_eq!(image(&answer), Some("m=image 0 udptl t38"));
    caller.learn(&answer);
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    assert_eq!(told(&world), ([false, false], true));
    world.reinvite(&mut phone, &caller, &t38(PHONE, 2), &t38(CALLER, 2));
    assert_eq!(told(&world), ([true, true], false));
}

#[test]
fn a_machine_that_is_asked_for_an_offer_may_offer_a_fax() {
    let mut world = World::new(one_desk(), 78);
    let mut caller = Hand::calls(&mut world, &[], None);
    let mut phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    assert!(invite.body.is_empty());
    world.answer(&phone, &invite, 200, &[], Some(&alone(PHONE)));
    let offered = world.one(&caller, "200 INVITE");
    assert_eq!(image(&offered), Some("m=image 20000 udptl t38"));
    caller.learn(&offered);
    world.ask(&mut caller, "ACK", &[], Some(&alone(CALLER)));
    let ack = world.one(&phone, "ACK");
    assert_eq!(image(&ack), Some("m=image 20002 udptl t38"));
    assert_eq!(told(&world), ([true, true], false));
    // They talk, and the phone is asked once more.
    let (words, answer) = (caller.sdp(2), phone.sdp(2));
    world.reinvite(&mut caller, &phone, &words, &answer);
    assert_eq!(told(&world), ([false, false], true));
    world.ask(&mut caller, "INVITE", &[], None);
    let asked = world.one(&phone, "INVITE");
    assert!(asked.body.is_empty());
    world.answer(&phone, &asked, 200, &[], Some(&t38(PHONE, 3)));
    let offered = world.one(&caller, "200 INVITE");
    assert_eq!(image(&offered), Some("m=image 20000 udptl t38"));
    world.ask(&mut caller, "ACK", &[], Some(&t38(CALLER, 3)));
    assert_eq!(image(&world.one(&phone, "ACK")), Some("m=image 20002 udptl t38"));
    assert_eq!(told(&world), ([true, true], false));
    world.ask(&mut phone, "BYE", &[], None);
    world.run_for(1.0);
}

#[test]
fn an_answer_in_audio_to_an_offer_of_fax_ends_the_call() {
    let mut world = World::new(one_desk(), 79);
    let mut caller = Hand::calls(&mut world, &[], None);
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    world.answer(&phone, &invite, 200, &[], Some(&alone(PHONE)));
    let offered = world.one(&caller, "200 INVITE");
    caller.learn(&offered);
    let words = caller.sdp(1);
    world.ask(&mut caller, "ACK", &[], Some(&words));
    assert!(world.words(&phone).contains(&"BYE".into()));
}

#[test]
fn a_first_offer_of_fax_is_refused_where_nothing_may_be_plain() {
    let mut world = World::with_config(one_desk(), 80, Policy::embedded(), |config| {
        config.queue_srtp.insert("desk".into(), Encryption::Required);
    });
    let caller = Hand::calls(&mut world, &[], Some(&alone(CALLER)));
    world.run_for(60.0);
    let came = world.words(&caller);
    assert!(came.contains(&"488 INVITE".into()), "{came:?}");
}
