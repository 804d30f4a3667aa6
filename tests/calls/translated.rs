//! A phone and a caller that share no codec: who is offered what, who is told what, and what stays refused.

use ringward::policy::Policy;
use ringward::queue::Strategy;
use ringward::sdp::Codec;

use crate::hand::{CALLER, Hand, PHONE, word};
use crate::transfers::three_queues;
use crate::wire::Message;
use crate::world::{World, one_desk, queue};

fn world(transcodes: bool) -> World {
    World::with_config(one_desk(), 61, Policy::embedded(), |config| {
        config.transcodes = transcodes;
        config.opus = false;
    })
}

/// Where Opus is taken too.
fn world_of_opus() -> World {
    World::with_config(one_desk(), 61, Policy::embedded(), |_| {})
}

/// A telephone that knows Opus, and what else is in `formats`.
fn of_opus(address: &str, formats: &str, event: u8) -> String {
    described(address, formats)
        + &format!(
            "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1;useinbandfec=1\r\na=rtpmap:{event} telephone-event/48000\r\n"
        )
}

/// A telephone's description with these formats only.
fn described(address: &str, formats: &str) -> String {
    let text = crate::wire::sdp(address.parse().unwrap(), 1, "sendrecv")
        .replace("RTP/AVP 0 8 101", &format!("RTP/AVP {formats}"));
    let is_said = |line: &&str| {
        let named = line
            .strip_prefix("a=rtpmap:")
            .and_then(|rest| rest.split_once(' '));
        named.is_none_or(|(number, _)| formats.split(' ').any(|format| format == number))
    };
    text.split_inclusive("\r\n").filter(is_said).collect()
}

fn formats(message: &Message) -> &str {
    let line = message.body.lines().find(|line| line.starts_with("m=audio"));
    line.and_then(|line| line.split_once("RTP/AVP "))
        .expect("plain audio")
        .1
}

/// The phone refuses what it was offered; what it is asked then.
fn refused(world: &mut World, phone: &Hand, invite: &Message) -> Option<Message> {
    refused_because(world, phone, invite, &[])
}

fn refused_because(
    world: &mut World,
    phone: &Hand,
    invite: &Message,
    warnings: &[(&str, &str)],
) -> Option<Message> {
    world.answer(phone, invite, 488, warnings, None);
    let came = world.came(phone);
    let words: Vec<String> = came.iter().map(word).collect();
    assert_eq!(words[0], "ACK", "{words:?}");
    came.into_iter().find(|message| word(message) == "INVITE")
}

#[test]
fn a_phone_of_g722_is_connected_to_a_caller_of_pcmu() {
    let mut world = world(true);
    let offer = described(CALLER, "0 101");
    let caller = Hand::calls(&mut world, &[], Some(&offer));
    let phone = Hand::is_rung(&mut world);
    assert_eq!(
        formats(&phone.invite),
        "0 101",
        "nothing is added before it is needed"
    );
    let first = phone.invite.clone();
    let again = refused(&mut world, &phone, &first).expect("another offer");
    assert_eq!(formats(&again), "0 101 8 9");
    assert_eq!(again.must("CSeq"), "2 INVITE");
    assert_eq!(again.must("Call-ID"), first.must("Call-ID"));
    world.answer(&phone, &again, 200, &[], Some(&described(PHONE, "9 101")));
    let answer = world.one(&caller, "200 INVITE");
    assert_eq!(
        formats(&answer),
        "0 101",
        "he hears of nothing that he did not offer"
    );
    assert_eq!(answer.direction(), "sendrecv");
    let codecs = world.record().codecs;
    assert_eq!(
        (codecs.caller, codecs.called),
        (Some(Codec::Pcmu), Some(Codec::G722)),
        "the record says that they are two"
    );
}

#[test]
fn who_refuses_that_too_has_refused() {
    let mut world = world(true);
    let caller = Hand::calls(&mut world, &[], Some(&described(CALLER, "0 101")));
    let phone = Hand::is_rung(&mut world);
    let first = phone.invite.clone();
    let again = refused(&mut world, &phone, &first).expect("another offer");
    assert!(refused(&mut world, &phone, &again).is_none());
    assert!(
        world
            .words(&caller)
            .iter()
            .any(|word| word.ends_with(" INVITE") && !word.starts_with('1'))
    );
}

#[test]
fn nobody_is_asked_again_where_nothing_is_to_be_translated_or_could_be() {
    for (transcodes, formats) in [(false, "0 101"), (true, "9 8 0 101")] {
        let mut world = world(transcodes);
        Hand::calls(&mut world, &[], Some(&described(CALLER, formats)));
        let phone = Hand::is_rung(&mut world);
        let first = phone.invite.clone();
        assert!(refused(&mut world, &phone, &first).is_none(), "{formats}");
    }
}

#[test]
fn a_phone_that_says_what_else_is_amiss_is_not_asked_again_for_its_codecs() {
    for (warnings, is_asked) in [
        (&["370 192.0.2.5 \"Insufficient bandwidth\""][..], false),
        (
            &["300 x \"network\", 331 x \"unicast\"", "330 x \"multicast\""],
            false,
        ),
        (&["305 192.0.2.5 \"Incompatible media format\""], true),
        (&["370 x \"bandwidth\"", "305 x \"format\""], true),
        (&["none of the kind"], true),
    ] {
        let mut world = world(true);
        Hand::calls(&mut world, &[], Some(&described(CALLER, "0 101")));
        let phone = Hand::is_rung(&mut world);
        let first = phone.invite.clone();
        let headers: Vec<(&str, &str)> = warnings.iter().map(|warning| ("Warning", *warning)).collect();
        let again = refused_because(&mut world, &phone, &first, &headers);
        assert_eq!(again.is_some(), is_asked, "{warnings:?}");
    }
}

#[test]
fn a_second_invite_that_is_lost_is_followed_by_a_third_and_not_by_the_first() {
    let desk = queue("desk", Strategy::RingAll, &["sip:desk@pbx.example.com"]);
    let mut world = World::new(vec![desk], 61);
    let addresses = [PHONE, "10.0.0.6:5060"];
    let servers = addresses.iter().map(|address| format!("udp:{address}")).collect();
    world.zone.insert("pbx.example.com".into(), servers);
    Hand::calls(&mut world, &[], Some(&described(CALLER, "0 101")));
    let phone = Hand::is_rung(&mut world);
    let first = phone.invite.clone();
    let again = refused(&mut world, &phone, &first).expect("another offer");
    assert_eq!(again.must("CSeq"), "2 INVITE");
    // It says nothing more, and the next address is tried.
    world.run_for(5.0);
    let other = Hand::is_rung_at(&mut world, addresses[1]);
    assert_eq!(other.invite.must("CSeq"), "3 INVITE");
    assert_eq!(other.invite.must("Call-ID"), first.must("Call-ID"));
    let again = refused(&mut world, &other, &other.invite.clone()).expect("another offer");
    assert_eq!(
        (again.must("CSeq"), formats(&again)),
        ("4 INVITE", "0 101 8 9 111 110")
    );
}

#[test]
fn who_speaks_opus_alone_is_connected_to_a_phone_that_does_not() {
    let mut world = world_of_opus();
    let caller = Hand::calls(&mut world, &[], Some(&of_opus(CALLER, "96 97", 97)));
    let phone = Hand::is_rung(&mut world);
    let first = phone.invite.clone();
    assert_eq!(
        formats(&first),
        "96 97",
        "as it was said, and with all that was said of it"
    );
    assert!(
        first.body.contains("a=fmtp:96 stereo=1;useinbandfec=1\r\n"),
        "{}",
        first.body
    );
    let again = refused(&mut world, &phone, &first).expect("another offer");
    assert_eq!(formats(&again), "96 97 0 8 9 101", "keys by the clock of each");
    world.answer(&phone, &again, 200, &[], Some(&described(PHONE, "0 101")));
    let answer = world.one(&caller, "200 INVITE");
    assert_eq!(formats(&answer), "96 97");
    assert!(
        answer.body.contains("stereo=0;sprop-stereo=0\r\n"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("stereo=1"), "{}", answer.body);
}

#[test]
fn who_offers_opus_too_is_answered_with_one_codec_of_his_that_is_not_opus() {
    for (offered, answered, expected) in [
        ("96 8 97", "0", "8"),
        ("96 9 8 97", "0", "9"),
        ("96 0 97", "0", "0"),
    ] {
        let mut world = world_of_opus();
        let caller = Hand::calls(&mut world, &[], Some(&of_opus(CALLER, offered, 97)));
        let phone = Hand::is_rung(&mut world);
        let mut invite = phone.invite.clone();
        if expected != answered {
            invite = refused(&mut world, &phone, &invite).expect("another offer");
        }
        world.answer(&phone, &invite, 200, &[], Some(&described(PHONE, answered)));
        assert_eq!(formats(&world.one(&caller, "200 INVITE")), expected, "{offered}");
    }
}

#[test]
fn a_phone_that_speaks_opus_alone_is_asked_again_with_it() {
    let mut world = world_of_opus();
    let caller = Hand::calls(&mut world, &[], Some(&described(CALLER, "0 101")));
    let phone = Hand::is_rung(&mut world);
    let again = refused(&mut world, &phone, &phone.invite.clone()).expect("another offer");
    assert_eq!(formats(&again), "0 101 8 9 111 110");
    for line in [
        "a=rtpmap:111 opus/48000/2\r\n",
        "a=fmtp:111 maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;sprop-stereo=0\r\n",
        "a=rtpmap:110 telephone-event/48000\r\n",
    ] {
        assert!(again.body.contains(line), "{}", again.body);
    }
    let answer = of_opus(PHONE, "111 110", 110).replace("96", "111");
    world.answer(&phone, &again, 200, &[], Some(&answer));
    let answer = world.one(&caller, "200 INVITE");
    assert_eq!(formats(&answer), "0 101");
}

#[test]
fn two_of_opus_agree_on_it_and_a_gateway_that_takes_none_leaves_it_out() {
    let mut world = world_of_opus();
    let caller = Hand::calls(&mut world, &[], Some(&of_opus(CALLER, "96 0 97 101", 97)));
    let phone = Hand::is_rung(&mut world);
    assert_eq!(formats(&phone.invite), "96 0 97 101");
    world.answer(
        &phone,
        &phone.invite.clone(),
        200,
        &[],
        Some(&of_opus(PHONE, "96 97", 97)),
    );
    let answer = world.one(&caller, "200 INVITE");
    assert_eq!(formats(&answer), "96 97");
    assert!(
        answer.body.contains("a=fmtp:96 stereo=1;useinbandfec=1\r\n"),
        "{}",
        answer.body
    );

    let mut world = self::world(true);
    Hand::calls(&mut world, &[], Some(&of_opus(CALLER, "96 0 97 101", 97)));
    let phone = Hand::is_rung(&mut world);
    assert_eq!(formats(&phone.invite), "0 101");
    assert!(!phone.invite.body.contains("opus") && !phone.invite.body.contains("48000"));
    let mut world = self::world(true);
    let caller = Hand::calls(&mut world, &[], Some(&of_opus(CALLER, "96 97", 97)));
    world.run_for(1.0);
    world.one(&caller, "488 INVITE");
}

#[test]
fn a_phone_of_g722_may_take_a_call_of_pcmu_over() {
    let mut world = world(true);
    let mut caller = Hand::calls(&mut world, &[], Some(&described(CALLER, "0 101")));
    let phone = Hand::is_rung(&mut world);
    let rung = phone.invite.clone();
    world.answer(&phone, &rung, 200, &[], Some(&described(PHONE, "0 101")));
    let answer = world.one(&caller, "200 INVITE");
    caller.learn(&answer);
    world.ask(&mut caller, "ACK", &[], None);
    assert_eq!(world.words(&phone), ["ACK"]);
    // The same desk, by another line: its to-tag is ours.
    let ours = rung.tag("From").expect("our tag").to_string();
    let replaces = format!("{};to-tag={ours};from-tag=phone", rung.must("Call-ID"));
    let offer = described(PHONE, "9 101");
    let mut newcomer = Hand::calls_from(&mut world, PHONE, &[("Replaces", &replaces)], Some(&offer));
    world.run_for(0.05);
    let came = world.came(&newcomer);
    let taken = came
        .iter()
        .find(|message| word(message) == "200 INVITE")
        .expect("it may");
    assert_eq!(formats(taken), "9 101", "its own words");
    newcomer.learn(taken);
    world.ask(&mut newcomer, "ACK", &[], None);
    // The caller is asked for what can be translated as well.
    let asked = world.one(&caller, "INVITE");
    assert_eq!(formats(&asked), "9 101 0 8");
    world.answer(&caller, &asked, 200, &[], Some(&described(CALLER, "0 101")));
    let codecs = world.record().codecs;
    assert_eq!(
        (codecs.caller, codecs.called),
        (Some(Codec::Pcmu), Some(Codec::G722))
    );
}

#[test]
fn a_caller_who_leaves_the_offer_to_a_phone_of_g722_may_answer_in_pcmu() {
    let mut world = world(true);
    let mut caller = Hand::calls(&mut world, &[], None);
    let phone = Hand::is_rung(&mut world);
    let rung = phone.invite.clone();
    world.answer(&phone, &rung, 200, &[], Some(&described(PHONE, "9 101")));
    let offered = world.one(&caller, "200 INVITE");
    assert_eq!(formats(&offered), "9 101 0 8", "every trunk has G.711");
    caller.learn(&offered);
    world.ask(&mut caller, "ACK", &[], Some(&described(CALLER, "0 101")));
    let ack = world.one(&phone, "ACK");
    assert_eq!(
        formats(&ack),
        "9 101",
        "it hears of nothing that it did not offer"
    );
}

#[test]
fn a_caller_who_refuses_what_the_next_phone_has_is_asked_once_more() {
    let mut world = World::new(three_queues(), 61);
    let mut caller = Hand::calls(&mut world, &[], Some(&described(CALLER, "0 8 101")));
    let mut phone = Hand::is_rung(&mut world);
    let rung = phone.invite.clone();
    world.answer(&phone, &rung, 200, &[], Some(&described(PHONE, "0 101")));
    let answer = world.one(&caller, "200 INVITE");
    caller.learn(&answer);
    world.ask(&mut caller, "ACK", &[], None);
    world.ask(&mut phone, "REFER", &[("Refer-To", "<sip:101@10.0.0.1>")], None);
    let sales = Hand::is_rung_at(&mut world, "10.0.0.6:5060");
    let rung = sales.invite.clone();
    world.answer(
        &sales,
        &rung,
        200,
        &[],
        Some(&described("10.0.0.6:5060", "8 101")),
    );
    let asked = world.one(&caller, "INVITE");
    assert_eq!(formats(&asked), "8 101");
    let again = refused(&mut world, &caller, &asked).expect("another offer");
    assert_eq!(formats(&again), "8 101 0 9 111 110");
    world.answer(&caller, &again, 200, &[], Some(&described(CALLER, "0 101")));
    let codecs = world.record().codecs;
    assert_eq!(
        (codecs.caller, codecs.called),
        (Some(Codec::Pcmu), Some(Codec::Pcma))
    );
}
