//! UPDATE (RFC 3311) and INFO before anybody has answered, with peers played by hand.

use std::time::Duration;

use ringward::call::record::Ending;
use ringward::queue;

use crate::hand::{CALLER, Hand, word};
use crate::wire::{self, Message};
use crate::world::{World, one_desk};

const CAN: [(&str, &str); 2] = [
    ("Supported", "100rel"),
    ("Allow", "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE"),
];
const CANNOT: [(&str, &str); 2] = [
    ("Supported", "100rel"),
    ("Allow", "INVITE, ACK, BYE, CANCEL, PRACK"),
];

/// Early media heard and acknowledged on both legs.
fn early(caller_is: &[(&'static str, &str)], phone_can: bool) -> (World, Hand, Hand) {
    early_with(one_desk(), caller_is, phone_can)
}

fn early_with(
    queues: Vec<queue::Config>,
    caller_is: &[(&'static str, &str)],
    phone_can: bool,
) -> (World, Hand, Hand) {
    let mut world = World::new(queues, 31);
    let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv");
    let mut caller = Hand::calls(&mut world, caller_is, Some(&body));
    let phone = Hand::is_rung(&mut world);
    let mut headers = vec![("Require", "100rel"), ("RSeq", "1")];
    if phone_can {
        headers.push(("Allow", "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE"));
    }
    let (invite, sdp) = (phone.invite.clone(), phone.sdp(1));
    world.answer(&phone, &invite, 183, &headers, Some(&sdp));
    let prack = world.one(&phone, "PRACK");
    world.answer(&phone, &prack, 200, &[], None);
    let heard = world.one(&caller, "183 INVITE");
    caller.learn(&heard);
    let rack = format!("{} 1 INVITE", heard.must("RSeq"));
    world.ask(&mut caller, "PRACK", &[("RAck", &rack)], None);
    assert_eq!(world.words(&caller), ["200 PRACK"]);
    (world, caller, phone)
}

/// The phone answers, with its first description again; our 200.
fn answers(world: &mut World, phone: &Hand, caller: &Hand) -> Message {
    let (invite, sdp) = (phone.invite.clone(), phone.sdp(1));
    world.answer(phone, &invite, 200, &[], Some(&sdp));
    world.one(caller, "200 INVITE")
}

fn ends(world: &mut World, caller: &mut Hand, phone: &Hand) {
    let cseq = std::mem::replace(&mut caller.cseq, 1);
    world.ask(caller, "ACK", &[], None);
    caller.cseq = cseq;
    world.words(phone);
    world.ask(caller, "BYE", &[], None);
    let bye = world.one(phone, "BYE");
    world.answer(phone, &bye, 200, &[], None);
    world.run_for(200.0);
    world.check();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

fn last_described(world: &World) -> Vec<String> {
    let described = &world.media.values().next().unwrap().described;
    described[described.len() - 2..]
        .iter()
        .map(|(_, address)| address.to_string())
        .collect()
}

#[test]
fn an_update_of_the_caller_crosses_to_the_phone_he_hears() {
    let (mut world, mut caller, phone) = early(&CAN, true);
    let moved = caller.sdp(2).replace("203.0.113.7\r\nt=", "203.0.113.8\r\nt=");
    world.ask(&mut caller, "UPDATE", &[], Some(&moved));
    let update = world.one(&phone, "UPDATE");
    assert_eq!(update.must("CSeq"), "3 UPDATE", "after the PRACK");
    assert_eq!(update.audio().unwrap(), "10.0.0.1:20002");
    assert_eq!(update.tag("To"), Some("phone"));
    let sdp = phone.sdp(2);
    world.answer(&phone, &update, 200, &[], Some(&sdp));
    let ok = world.one(&caller, "200 UPDATE");
    assert_eq!(ok.audio().unwrap(), "10.0.0.1:20000");
    assert_eq!(last_described(&world), ["203.0.113.8:7000", "10.0.0.5:6060"]);

    let answer = answers(&mut world, &phone, &caller);
    assert!(!answer.has_sdp(), "the first answer no longer counts");
    assert_eq!(last_described(&world)[0], "203.0.113.8:7000");
    ends(&mut world, &mut caller, &phone);
}

#[test]
fn an_update_of_the_phone_crosses_to_a_caller_who_takes_it() {
    let (mut world, mut caller, mut phone) = early(&CAN, true);
    let moved = phone.sdp(2).replace("10.0.0.5\r\nt=", "10.0.0.55\r\nt=");
    world.ask(&mut phone, "UPDATE", &[], Some(&moved));
    let update = world.one(&caller, "UPDATE");
    assert_eq!(update.audio().unwrap(), "10.0.0.1:20000");
    let sdp = caller.sdp(2);
    world.answer(&caller, &update, 200, &[], Some(&sdp));
    assert_eq!(world.one(&phone, "200 UPDATE").audio().unwrap(), "10.0.0.1:20002");
    let answer = answers(&mut world, &phone, &caller);
    assert!(!answer.has_sdp());
    assert_eq!(
        last_described(&world)[1],
        "10.0.0.55:6060",
        "where the phone is now"
    );
    ends(&mut world, &mut caller, &phone);
}

#[test]
fn rfc_3311_5_2_an_update_that_the_phone_never_answers_is_504_in_time() {
    let mut queues = one_desk();
    queues[0].ring = Duration::from_secs(60);
    let (mut world, mut caller, phone) = early_with(queues, &CAN, true);
    let again = caller.sdp(2);
    world.ask(&mut caller, "UPDATE", &[], Some(&again));
    world.run_for(23.9);
    assert_eq!(world.words(&caller), [""; 0]);
    world.run_for(0.1);
    assert_eq!(world.words(&caller), ["504 UPDATE"]);
    // It rings on, and may still be answered.
    world.words(&phone);
    answers(&mut world, &phone, &caller);
    ends(&mut world, &mut caller, &phone);
}

#[test]
fn who_does_not_take_update_is_not_sent_one() {
    let (mut world, caller, mut phone) = early(&CANNOT, true);
    let sdp = phone.sdp(2);
    world.ask(&mut phone, "UPDATE", &[], Some(&sdp));
    assert!(world.one(&phone, "500 UPDATE").header("Retry-After").is_some());
    assert_eq!(world.words(&caller), [""; 0]);

    let (mut world, mut caller, phone) = early(&CAN, false);
    let sdp = caller.sdp(2);
    world.ask(&mut caller, "UPDATE", &[], Some(&sdp));
    assert!(world.one(&caller, "500 UPDATE").header("Retry-After").is_some());
    assert_eq!(world.words(&phone), [""; 0]);
}

#[test]
fn before_the_first_descriptions_are_acknowledged_an_update_is_500() {
    let mut world = World::new(one_desk(), 31);
    let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv");
    let mut caller = Hand::calls(&mut world, &CAN, Some(&body));
    let mut phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    world.answer(&phone, &invite, 180, &[], None);
    let ringing = world.came(&caller).pop().unwrap();
    caller.learn(&ringing);
    for hand in [&mut caller, &mut phone] {
        let sdp = hand.sdp(2);
        world.ask(hand, "UPDATE", &[], Some(&sdp));
        assert!(world.one(hand, "500 UPDATE").header("Retry-After").is_some());
    }
}

#[test]
fn an_update_without_description_ends_at_us() {
    let (mut world, mut caller, mut phone) = early(&CAN, true);
    for hand in [&mut caller, &mut phone] {
        world.ask(hand, "UPDATE", &[], None);
        assert_eq!(world.words(hand), ["200 UPDATE"]);
    }
    assert_eq!(world.words(&phone), [""; 0]);
}

#[test]
fn updates_that_cross_are_491_and_a_second_one_is_500() {
    let (mut world, mut caller, mut phone) = early(&CAN, true);
    let (one, other) = (caller.sdp(2), phone.sdp(2));
    world.ask(&mut caller, "UPDATE", &[], Some(&one));
    let update = world.one(&phone, "UPDATE");
    world.ask(&mut phone, "UPDATE", &[], Some(&other));
    assert_eq!(world.words(&phone), ["491 UPDATE"]);
    world.ask(&mut caller, "UPDATE", &[], Some(&one));
    assert_eq!(world.words(&caller), ["500 UPDATE"]);
    world.answer(&phone, &update, 200, &[], Some(&other));
    assert_eq!(world.words(&caller), ["200 UPDATE"]);
}

#[test]
fn a_refused_update_changes_nothing() {
    let (mut world, mut caller, phone) = early(&CAN, true);
    let sdp = caller.sdp(2);
    world.ask(&mut caller, "UPDATE", &[], Some(&sdp));
    let update = world.one(&phone, "UPDATE");
    world.answer(&phone, &update, 488, &[], None);
    assert_eq!(world.words(&caller), ["488 UPDATE"]);
    let answer = answers(&mut world, &phone, &caller);
    assert!(answer.has_sdp(), "the first answer stands");
    ends(&mut world, &mut caller, &phone);
}

#[test]
fn an_update_under_way_when_the_phone_answers_goes_on_in_the_call() {
    let (mut world, mut caller, phone) = early(&CAN, true);
    let sdp = caller.sdp(2);
    world.ask(&mut caller, "UPDATE", &[], Some(&sdp));
    let update = world.one(&phone, "UPDATE");
    answers(&mut world, &phone, &caller);
    let sdp = phone.sdp(2);
    world.answer(&phone, &update, 200, &[], Some(&sdp));
    assert_eq!(world.words(&caller), ["200 UPDATE"]);
    ends(&mut world, &mut caller, &phone);
}

#[test]
fn an_update_under_way_when_the_phone_refuses_is_answered() {
    let (mut world, mut caller, phone) = early(&CAN, true);
    let sdp = caller.sdp(2);
    world.ask(&mut caller, "UPDATE", &[], Some(&sdp));
    world.words(&phone);
    let invite = phone.invite.clone();
    world.answer(&phone, &invite, 486, &[], None);
    assert_eq!(world.words(&caller), ["481 UPDATE", "486 INVITE"]);
}

#[test]
fn a_caller_that_gives_up_with_an_update_under_way_hears_of_both() {
    let (mut world, mut caller, phone) = early(&CAN, true);
    let sdp = caller.sdp(2);
    world.ask(&mut caller, "UPDATE", &[], Some(&sdp));
    caller.cseq = 1;
    world.ask(&mut caller, "CANCEL", &[], None);
    assert_eq!(world.words(&caller), ["200 CANCEL", "481 UPDATE", "487 INVITE"]);
    assert_eq!(world.words(&phone), ["UPDATE", "CANCEL"]);
}

#[test]
fn a_key_pressed_before_the_answer_crosses_once() {
    let (mut world, mut caller, phone) = early(&CAN, true);
    let octets = caller.request("INFO", &[("Content-Type", "application/dtmf-relay")], None);
    let text = String::from_utf8(octets).unwrap();
    let text = text.replace(
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 10\r\n\r\nSignal=5\r\n",
    );
    for _ in 0..3 {
        world.say(&caller, text.clone().into_bytes());
    }
    world.run_for(0.05);
    let info = world.one(&phone, "INFO");
    assert_eq!(info.body, "Signal=5\r\n");
    world.answer(&phone, &info, 200, &[], None);
    assert_eq!(world.words(&caller), ["200 INFO"]);
}

#[test]
fn pracks_after_an_update_count_on() {
    let (mut world, mut caller, phone) = early(&CAN, true);
    let sdp = caller.sdp(2);
    world.ask(&mut caller, "UPDATE", &[], Some(&sdp));
    let update = world.one(&phone, "UPDATE");
    let sdp = phone.sdp(2);
    world.answer(&phone, &update, 200, &[], Some(&sdp));
    let invite = phone.invite.clone();
    world.answer(
        &phone,
        &invite,
        180,
        &[("Require", "100rel"), ("RSeq", "2")],
        None,
    );
    let came = world.came(&phone);
    let words: Vec<String> = came.iter().map(word).collect();
    assert_eq!(words, ["PRACK"]);
    assert_eq!(came[0].must("CSeq"), "4 PRACK");
}
