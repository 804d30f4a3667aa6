//! Hold, resume and music, late offers inside a call, early media of several phones: what crosses, and what the media is
//! told.

use ringward::call::Input;
use ringward::call::record::Ending;
use ringward::media::Side;
use ringward::policy::Policy;
use ringward::queue::Strategy;

use crate::hand::{CALLER, Hand, Talk, talk, word};
use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::wire;
use crate::world::{World, one_desk, queue};

fn begun() -> (World, Talk) {
    let mut world = World::new(one_desk(), 41);
    let talk = talk(&mut world, &[], &[]);
    (world, talk)
}

fn silence(world: &mut World) {
    let call = *world.records.keys().next().unwrap();
    world.tell(Input::MediaSilent { call });
    world.run_for(0.05);
}

fn is_talking(world: &World) -> bool {
    world
        .records
        .values()
        .next()
        .unwrap()
        .last()
        .unwrap()
        .outcome
        .is_none()
}

#[test]
fn every_way_of_holding_crosses_from_either_side_and_silence_then_ends_nothing() {
    for is_phone in [false, true] {
        for (version, written, crossing) in [
            (2, "sendonly", "sendonly"),
            // To the phone nothing flows; the caller hears music of ours.
            (3, "inactive", if is_phone { "sendonly" } else { "inactive" }),
            (4, "0.0.0.0", "sendonly"),
        ] {
            let (mut world, mut talk) = begun();
            let (from, to) = match is_phone {
                false => (&mut talk.caller, &talk.phone),
                true => (&mut talk.phone, &talk.caller),
            };
            let hold = match written {
                "0.0.0.0" => {
                    let address = format!("c=IN IP4 {}", from.address.ip());
                    from.sdp(version).replace(&address, "c=IN IP4 0.0.0.0")
                }
                direction => wire::sdp(from.address, version, direction),
            };
            let answer = match crossing {
                "inactive" => "inactive",
                _ => "recvonly",
            };
            let said_back = if written == "inactive" {
                "inactive"
            } else {
                "recvonly"
            };
            let answer = wire::sdp(to.address, version, answer);
            let (offered, heard) = world.reinvite(from, to, &hold, &answer);
            assert_eq!(offered.direction(), crossing, "{written}");
            assert_eq!(heard.direction(), said_back);
            assert!(!offered.body.contains("0.0.0.0"), "our own address is real");
            silence(&mut world);
            assert!(is_talking(&world), "{written}");

            let (resume, answer) = (from.sdp(9), to.sdp(9));
            let (offered, _) = world.reinvite(from, to, &resume, &answer);
            assert_eq!(offered.direction(), "sendrecv");
            silence(&mut world);
            assert!(!is_talking(&world), "resumed: silence means nobody is there");
        }
    }
}

/// The phone puts the caller on hold with these words, who listens.
fn is_held(world: &mut World, talk: &mut Talk, version: u32, direction: &str) -> wire::Message {
    let hold = wire::sdp(talk.phone.address, version, direction);
    let answer = wire::sdp(talk.caller.address, version, "recvonly");
    let (offered, heard) = world.reinvite(&mut talk.phone, &talk.caller, &hold, &answer);
    assert_eq!(
        heard.direction(),
        if direction == "inactive" {
            direction
        } else {
            "recvonly"
        }
    );
    offered
}

fn is_resumed(world: &mut World, talk: &mut Talk) {
    let (resume, answer) = (talk.phone.sdp(9), talk.caller.sdp(9));
    world.reinvite(&mut talk.phone, &talk.caller, &resume, &answer);
}

#[test]
fn a_caller_on_hold_hears_music_until_he_is_spoken_to_again() {
    for direction in ["sendonly", "inactive"] {
        let (mut world, mut talk) = begun();
        let offered = is_held(&mut world, &mut talk, 2, direction);
        assert_eq!(offered.direction(), "sendonly", "{direction}");
        // Held once more, in another version of its words: the music goes on.
        is_held(&mut world, &mut talk, 3, direction);
        let media = world.media.values().next().unwrap();
        let [music] = media.said.as_slice() else {
            panic!("{:?}", media.said);
        };
        assert_eq!(
            (music.side, music.names.as_slice()),
            (Side::A, ["hold".to_string()].as_slice())
        );
        assert!(music.is_looped && music.gives_way && media.hushed.is_empty());
        is_resumed(&mut world, &mut talk);
        let media = world.media.values().next().unwrap();
        assert_eq!((media.said.len(), media.hushed.len()), (1, 1));
        assert_eq!(media.hushed[0].1, Side::A);
        // And again.
        is_held(&mut world, &mut talk, 10, direction);
        assert_eq!(world.media.values().next().unwrap().said.len(), 2);
    }
}

#[test]
fn a_carrier_that_asks_again_while_his_caller_is_on_hold_is_told_that_something_flows() {
    let (mut world, mut talk) = begun();
    is_held(&mut world, &mut talk, 2, "inactive");
    let (asks, holds) = (
        wire::sdp(talk.caller.address, 3, "sendrecv"),
        wire::sdp(talk.phone.address, 3, "inactive"),
    );
    let (offered, heard) = world.reinvite(&mut talk.caller, &talk.phone, &asks, &holds);
    assert_eq!((offered.direction(), heard.direction()), ("sendrecv", "sendonly"));
    let media = world.media.values().next().unwrap();
    assert_eq!(
        (media.said.len(), media.hushed.len()),
        (1, 0),
        "the music goes on"
    );
}

#[test]
fn who_holds_himself_and_callers_of_a_queue_without_music_hear_none_of_ours() {
    let (mut world, mut talk) = begun();
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    let answer = wire::sdp(talk.phone.address, 2, "recvonly");
    world.reinvite(&mut talk.caller, &talk.phone, &hold, &answer);
    assert!(world.media.values().next().unwrap().said.is_empty());

    let mut world = World::with_config(one_desk(), 41, Policy::embedded(), |config| {
        config.silent_holds.insert("desk".into());
    });
    let mut talk = crate::hand::talk(&mut world, &[], &[]);
    let hold = wire::sdp(talk.phone.address, 2, "inactive");
    let answer = wire::sdp(talk.caller.address, 2, "inactive");
    let (offered, _) = world.reinvite(&mut talk.phone, &talk.caller, &hold, &answer);
    assert_eq!(offered.direction(), "inactive");
    assert!(world.media.values().next().unwrap().said.is_empty());
}

#[test]
fn music_of_a_pbx_comes_from_where_the_pbx_says() {
    // A PBX holds with its own music: sendonly, and from another address than the phone's.
    let (mut world, mut talk) = begun();
    let Talk { caller, phone, .. } = &mut talk;
    let music = wire::sdp("10.0.0.99:5060".parse().unwrap(), 2, "sendonly");
    let listens = wire::sdp(caller.address, 2, "recvonly");
    let (offered, heard) = world.reinvite(phone, caller, &music, &listens);
    assert_eq!(offered.direction(), "sendonly");
    assert_eq!(offered.audio().unwrap(), "10.0.0.1:20000", "anchored as ever");
    assert_eq!(heard.direction(), "recvonly");
    let described = &world.media.values().next().unwrap().described;
    let addresses: Vec<String> = described
        .iter()
        .rev()
        .take(2)
        .map(|(_, at)| at.to_string())
        .collect();
    assert!(addresses.contains(&"10.0.0.99:6060".to_string()), "{addresses:?}");
}

#[test]
fn a_refused_hold_leaves_everything_as_it_was() {
    let (mut world, mut talk) = begun();
    let before = world.media.values().next().unwrap().described.len();
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    world.ask(&mut talk.caller, "INVITE", &[], Some(&hold));
    let offered = world.one(&talk.phone, "INVITE");
    world.answer(&talk.phone, &offered, 488, &[], None);
    assert_eq!(world.words(&talk.phone), ["ACK"]);
    assert_eq!(world.one(&talk.caller, "488 INVITE").header("Contact"), None);
    assert_eq!(world.media.values().next().unwrap().described.len(), before);
    assert!(is_talking(&world));
    silence(&mut world);
    assert!(!is_talking(&world), "nobody is on hold");
}

#[test]
fn a_491_crosses_and_the_other_side_chooses_when_to_try_again() {
    let (mut world, mut talk) = begun();
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    world.ask(&mut talk.caller, "INVITE", &[], Some(&hold));
    let offered = world.one(&talk.phone, "INVITE");
    world.answer(&talk.phone, &offered, 491, &[], None);
    world.run_for(0.1);
    assert!(world.words(&talk.caller).contains(&"491 INVITE".to_string()));
    assert!(is_talking(&world));
}

#[test]
fn a_late_offer_inside_the_call_crosses_in_both_directions() {
    for is_phone in [false, true] {
        let (mut world, mut talk) = begun();
        let (from, to) = match is_phone {
            false => (&mut talk.caller, &talk.phone),
            true => (&mut talk.phone, &talk.caller),
        };
        world.ask(from, "INVITE", &[], None);
        let asked = world.one(to, "INVITE");
        assert!(!asked.has_sdp());
        let offer = to.sdp(2);
        world.answer(to, &asked, 200, &[], Some(&offer));
        assert_eq!(world.words(to), [""; 0], "its ACK waits for the answer");
        let heard = world.one(from, "200 INVITE");
        assert!(heard.has_sdp());
        let answer = from.sdp(2);
        world.ask(from, "ACK", &[], Some(&answer));
        let ack = world.one(to, "ACK");
        assert!(ack.has_sdp());
        assert!(is_talking(&world));
    }
}

#[test]
fn a_late_offer_without_an_answer_ends_the_call() {
    let (mut world, mut talk) = begun();
    world.ask(&mut talk.caller, "INVITE", &[], None);
    let asked = world.one(&talk.phone, "INVITE");
    let offer = talk.phone.sdp(2);
    world.answer(&talk.phone, &asked, 200, &[], Some(&offer));
    world.ask(&mut talk.caller, "ACK", &[], None);
    assert_eq!(world.words(&talk.phone), ["ACK", "BYE"]);
    assert_eq!(world.ending().0, Ending::Failed);
}

#[test]
fn the_200_to_a_hold_is_repeated_until_its_ack() {
    let (mut world, mut talk) = begun();
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    world.ask(&mut talk.caller, "INVITE", &[], Some(&hold));
    let offered = world.one(&talk.phone, "INVITE");
    let answer = wire::sdp(talk.phone.address, 2, "recvonly");
    world.answer(&talk.phone, &offered, 200, &[], Some(&answer));
    world.one(&talk.caller, "200 INVITE");
    let mut repeats = 0;
    for _ in 0..16 {
        world.run_for(0.5);
        repeats += world.words(&talk.caller).len();
    }
    assert_eq!(repeats, 4, "at 0.5, 1.5, 3.5 and 7.5 s");
    world.ask(&mut talk.caller, "ACK", &[], None);
    world.words(&talk.caller);
    world.run_for(10.0);
    assert_eq!(world.words(&talk.caller), [""; 0]);
}

#[test]
fn a_reinvite_that_rings_for_ever_is_cancelled_by_timer_c() {
    let (mut world, mut talk) = begun();
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    world.ask(&mut talk.caller, "INVITE", &[], Some(&hold));
    let offered = world.one(&talk.phone, "INVITE");
    for _ in 0..2 {
        // Each 1xx begins the time anew.
        world.answer(&talk.phone, &offered, 180, &[], None);
        world.run_for(170.0);
        assert_eq!(world.words(&talk.phone), [""; 0], "{:?}", world.record().outcome);
    }
    world.run_for(12.0);
    let cancel = world.one(&talk.phone, "CANCEL");
    world.answer(&talk.phone, &cancel, 200, &[], None);
    world.answer(&talk.phone, &offered, 487, &[], None);
    assert_eq!(world.words(&talk.phone), ["ACK"]);
    assert_eq!(world.words(&talk.caller).last().unwrap(), "487 INVITE");
    assert!(is_talking(&world), "the call goes on as it was");
}

#[test]
fn a_reinvite_that_rings_for_ever_is_cancelled_after_ten_minutes_whatever_comes() {
    let (mut world, mut talk) = begun();
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    world.ask(&mut talk.caller, "INVITE", &[], Some(&hold));
    let offered = world.one(&talk.phone, "INVITE");
    let mut seconds = 0;
    while world.words(&talk.phone).is_empty() {
        world.answer(&talk.phone, &offered, 180, &[], None);
        world.run_for(30.0);
        seconds += 30;
        assert!(seconds <= 660);
    }
    assert!(seconds >= 600, "{seconds}");
}

#[test]
fn early_media_of_several_phones_is_heard_of_none_and_the_answer_is() {
    let targets = ["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"];
    let mut world = World::new(vec![queue("desk", Strategy::RingAll, &targets)], 41);
    let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv");
    let caller = Hand::calls(&mut world, &[("Supported", "100rel")], Some(&body));
    let a = Hand::is_rung_at(&mut world, "10.0.0.5:5060");
    let b = Hand::is_rung_at(&mut world, "10.0.0.6:5060");
    for (rseq, phone) in [("1", &a), ("2", &b)] {
        let (invite, sdp) = (phone.invite.clone(), phone.sdp(1));
        world.answer(
            phone,
            &invite,
            183,
            &[("Require", "100rel"), ("RSeq", rseq)],
            Some(&sdp),
        );
        assert_eq!(
            world.words(phone).last().unwrap(),
            "PRACK",
            "each is acknowledged"
        );
    }
    assert_eq!(
        world.words(&caller),
        ["100 INVITE", "180 INVITE"],
        "one caller hears one ringing"
    );
    let invite = a.invite.clone();
    world.answer(&a, &invite, 486, &[], None);
    let (invite, sdp) = (b.invite.clone(), b.sdp(1));
    world.answer(
        &b,
        &invite,
        183,
        &[("Require", "100rel"), ("RSeq", "3")],
        Some(&sdp),
    );
    let early = world.one(&caller, "183 INVITE");
    assert!(early.has_sdp(), "the only one that is left is heard");
}

#[test]
fn a_key_press_crosses_once_though_the_network_repeats_it() {
    for body in ["Signal=5\r\nDuration=160\r\n", "5"] {
        let mut world = World::new(one_desk(), 41);
        world.network.repeated = 1000;
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let plan = CallerPlan::new("+14045550123")
            .act(2.0, Act::Info(body.into()))
            .act(4.0, Act::Bye);
        let caller = world.call(plan);
        world.run();
        assert_eq!(world.asked(phone), ["INFO", "BYE"]);
        assert_eq!(world.heard(caller, "INFO"), [200]);
    }
}

#[test]
fn dtmf_in_either_form_keeps_its_type() {
    for (kind, body) in [
        ("application/dtmf-relay", "Signal=#\r\n"),
        ("application/dtmf", "#"),
    ] {
        let (mut world, mut talk) = begun();
        let octets = talk.caller.request("INFO", &[("Content-Type", kind)], None);
        let text = String::from_utf8(octets).unwrap().replace(
            "Content-Length: 0\r\n\r\n",
            &format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        );
        world.say(&talk.caller, text.into_bytes());
        world.run_for(0.05);
        let info = world.one(&talk.phone, "INFO");
        assert_eq!((info.must("Content-Type"), info.body.as_str()), (kind, body));
        world.answer(&talk.phone, &info, 415, &[], None);
        assert_eq!(
            world.came(&talk.caller).iter().map(word).collect::<Vec<_>>(),
            ["415 INFO"]
        );
        assert!(is_talking(&world));
    }
}
