//! Reliable provisional responses (RFC 3262) on both legs, rule by rule, with peers played by hand.

use std::time::Duration;

use ringward::call::record::Ending;
use ringward::queue::Strategy;

use crate::hand::{CALLER, Hand, PHONE, word};
use crate::wire::{self, Message};
use crate::world::{World, one_desk, queue};

const SUPPORTED: (&str, &str) = ("Supported", "100rel");
const REQUIRED: (&str, &str) = ("Require", "100rel");

fn offer() -> String {
    wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv")
}

/// A caller with an offer, and the phone that rings.
fn call(headers: &[(&'static str, &str)]) -> (World, Hand, Hand) {
    let mut world = World::new(one_desk(), 11);
    let caller = Hand::calls(&mut world, headers, Some(&offer()));
    let phone = Hand::is_rung(&mut world);
    assert_eq!(world.words(&caller), ["100 INVITE"]);
    (world, caller, phone)
}

/// The phone sends a 1xx, reliable or not.
fn rings(world: &mut World, phone: &Hand, status: u16, rseq: Option<&str>, has_sdp: bool) {
    let invite = phone.invite.clone();
    let sdp = phone.sdp(1);
    let mut headers = vec![];
    if let Some(rseq) = rseq {
        headers = vec![REQUIRED, ("RSeq", rseq)];
    }
    world.answer(phone, &invite, status, &headers, has_sdp.then_some(&sdp));
}

fn answers(world: &mut World, phone: &Hand) {
    let invite = phone.invite.clone();
    let sdp = phone.sdp(1);
    world.answer(phone, &invite, 200, &[], Some(&sdp));
}

fn rack_of(response: &Message) -> String {
    format!("{} {}", response.must("RSeq"), response.must("CSeq"))
}

/// The caller acknowledges this response; what comes of it.
fn pracks(world: &mut World, caller: &mut Hand, response: &Message) -> Vec<String> {
    caller.learn(response);
    world.ask(caller, "PRACK", &[("RAck", &rack_of(response))], None);
    world.words(caller)
}

/// Both sides say goodbye, and nothing of the call is left.
fn ends(world: &mut World, caller: &mut Hand, phone: &Hand) {
    world.ask(caller, "BYE", &[], None);
    let bye = world.one(phone, "BYE");
    world.answer(phone, &bye, 200, &[], None);
    world.run_for(400.0);
    world.check();
}

// Towards the caller.

#[test]
fn a_caller_that_supports_100rel_gets_early_media_reliably() {
    let (mut world, mut caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    let early = world.one(&caller, "183 INVITE");
    assert_eq!(early.must("Require"), "100rel");
    assert!(early.must("RSeq").parse::<u32>().unwrap() >= 1);
    assert!(early.has_sdp());
    assert_eq!(pracks(&mut world, &mut caller, &early), ["200 PRACK"]);
    world.run_for(10.0);
    answers_and_ends(&mut world, caller, phone, &[]);
}

fn answers_and_ends(world: &mut World, mut caller: Hand, phone: Hand, before: &[&str]) {
    assert_eq!(world.words(&caller), before, "not repeated after its PRACK");
    answers(world, &phone);
    let answer = world.one(&caller, "200 INVITE");
    caller.learn(&answer);
    world.ask(&mut caller, "ACK", &[], None);
    world.words(&phone);
    ends(world, &mut caller, &phone);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_caller_that_does_not_support_100rel_gets_nothing_of_it() {
    let (mut world, caller, phone) = call(&[]);
    rings(&mut world, &phone, 183, Some("7"), true);
    let early = world.one(&caller, "183 INVITE");
    assert_eq!((early.header("Require"), early.header("RSeq")), (None, None));
    assert_eq!(
        world.one(&phone, "PRACK").must("RAck"),
        "7 1 INVITE",
        "each leg by itself"
    );
}

#[test]
fn ringing_without_a_description_is_only_reliable_for_a_caller_that_insists() {
    for (header, is_reliable) in [(SUPPORTED, false), (REQUIRED, true)] {
        let (mut world, caller, phone) = call(&[header]);
        rings(&mut world, &phone, 180, None, false);
        let ringing = world.one(&caller, "180 INVITE");
        assert_eq!(ringing.header("RSeq").is_some(), is_reliable);
        assert_eq!(ringing.header("Require").is_some(), is_reliable);
    }
}

#[test]
fn a_100_is_never_reliable() {
    let mut world = World::new(one_desk(), 11);
    let caller = Hand::calls(&mut world, &[REQUIRED], Some(&offer()));
    world.run_for(1.0);
    let trying = world.one(&caller, "100 INVITE");
    assert_eq!((trying.header("Require"), trying.header("RSeq")), (None, None));
}

#[test]
fn a_reliable_response_is_repeated_from_t1_doubling_until_its_prack() {
    let (mut world, mut caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    let first = world.one(&caller, "183 INVITE");
    for (seconds, count) in [
        (0.4, 0),
        (0.1, 1),
        (0.9, 0),
        (0.1, 1),
        (1.9, 0),
        (0.1, 1),
        (3.9, 0),
        (0.1, 1),
    ] {
        world.run_for(seconds);
        let came = world.came(&caller);
        assert_eq!(came.len(), count, "{}", world.trace.join("\n"));
        assert!(came.iter().all(|again| again.must("RSeq") == first.must("RSeq")));
    }
    assert_eq!(pracks(&mut world, &mut caller, &first), ["200 PRACK"]);
    world.run_for(10.0);
    answers_and_ends(&mut world, caller, phone, &[]);
}

#[test]
fn without_a_prack_for_64_t1_the_invite_is_answered_504_and_the_phone_stops() {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@10.0.0.5:5060"]);
    desk.ring = Duration::from_secs(60);
    let mut world = World::new(vec![desk], 11);
    let caller = Hand::calls(&mut world, &[SUPPORTED], Some(&offer()));
    let phone = Hand::is_rung(&mut world);
    rings(&mut world, &phone, 183, None, true);
    world.run_for(31.9);
    let words = world.words(&caller);
    assert!(words[1..].iter().all(|word| word == "183 INVITE"), "{words:?}");
    world.run_for(0.2);
    assert_eq!(world.words(&caller), ["504 INVITE"]);
    assert_eq!(world.words(&phone), ["CANCEL"]);
    assert_eq!(world.ending(), (Ending::Failed, 504, "us"));
}

#[test]
fn a_prack_that_fits_nothing_is_481_and_changes_nothing() {
    let (mut world, mut caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    let early = world.one(&caller, "183 INVITE");
    caller.learn(&early);
    let rseq: u64 = early.must("RSeq").parse().unwrap();
    for rack in [
        format!("{} 1 INVITE", rseq + 1),
        format!("{rseq} 2 INVITE"),
        format!("{rseq} 1 BYE"),
        "none".to_string(),
    ] {
        world.ask(&mut caller, "PRACK", &[("RAck", &rack)], None);
        assert_eq!(world.words(&caller), ["481 PRACK"], "{rack}");
    }
    world.ask(&mut caller, "PRACK", &[], None);
    assert_eq!(world.words(&caller), ["481 PRACK"], "without RAck");
    world.run_for(0.5);
    assert_eq!(world.words(&caller), ["183 INVITE"], "still repeated");
    assert_eq!(pracks(&mut world, &mut caller, &early), ["200 PRACK"]);
    assert_eq!(
        pracks(&mut world, &mut caller, &early),
        ["481 PRACK"],
        "only once"
    );
    answers_and_ends(&mut world, caller, phone, &[]);
}

#[test]
fn a_second_reliable_response_waits_for_the_prack_of_the_first() {
    let (mut world, mut caller, phone) = call(&[REQUIRED]);
    rings(&mut world, &phone, 180, None, false);
    let ringing = world.one(&caller, "180 INVITE");
    rings(&mut world, &phone, 183, None, true);
    assert_eq!(world.words(&caller), [""; 0], "one unacknowledged at a time");
    caller.learn(&ringing);
    world.ask(&mut caller, "PRACK", &[("RAck", &rack_of(&ringing))], None);
    let came = world.came(&caller);
    let words: Vec<String> = came.iter().map(word).collect();
    assert_eq!(words, ["200 PRACK", "183 INVITE"]);
    let numbers = [&ringing, &came[1]].map(|response| response.must("RSeq").parse::<u32>().unwrap());
    assert_eq!(numbers[1], numbers[0] + 1);
    assert_eq!(pracks(&mut world, &mut caller, &came[1]), ["200 PRACK"]);
    answers_and_ends(&mut world, caller, phone, &[]);
}

#[test]
fn the_200_waits_for_the_prack_of_a_description() {
    let (mut world, mut caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    let early = world.one(&caller, "183 INVITE");
    answers(&mut world, &phone);
    assert_eq!(world.words(&phone), ["ACK"], "the phone is not kept waiting");
    assert_eq!(world.words(&caller), [""; 0]);
    let answered_ms = |world: &World| world.record().timings.answered_ms;
    assert_eq!((answered_ms(&world), world.count("answered")), (None, 0));
    world.run_for(1.0);
    world.words(&caller);
    assert_eq!(
        pracks(&mut world, &mut caller, &early),
        ["200 PRACK", "200 INVITE"]
    );
    assert_eq!(world.count("answered"), 1);
    assert!(answered_ms(&world).unwrap() > 2000, "when the caller was told");
    world.run_for(0.6);
    let again = world.one(&caller, "200 INVITE");
    assert_eq!(again.body, early.body, "the answer of a dialog is said once");
    world.ask(&mut caller, "ACK", &[], None);
    caller.cseq += 1;
    ends(&mut world, &mut caller, &phone);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn the_200_does_not_wait_for_the_prack_of_mere_ringing_and_a_late_prack_is_taken() {
    let (mut world, mut caller, phone) = call(&[REQUIRED]);
    rings(&mut world, &phone, 180, None, false);
    let ringing = world.one(&caller, "180 INVITE");
    answers(&mut world, &phone);
    let answer = world.one(&caller, "200 INVITE");
    assert_eq!(pracks(&mut world, &mut caller, &ringing), ["200 PRACK"]);
    caller.learn(&answer);
    let cseq = caller.cseq;
    caller.cseq = 1;
    world.ask(&mut caller, "ACK", &[], None);
    caller.cseq = cseq;
    world.words(&phone);
    ends(&mut world, &mut caller, &phone);
}

#[test]
fn a_refusal_does_not_wait_and_ends_the_repetition() {
    let (mut world, mut caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    let early = world.one(&caller, "183 INVITE");
    let invite = phone.invite.clone();
    world.answer(&phone, &invite, 486, &[], None);
    assert_eq!(world.words(&caller), ["486 INVITE"]);
    assert_eq!(
        pracks(&mut world, &mut caller, &early),
        ["200 PRACK"],
        "a PRACK that crossed it"
    );
    caller.cseq = 1;
    let mut ack = caller.request("ACK", &[], None);
    // The ACK to a refusal has the branch of its INVITE.
    let text = String::from_utf8(ack).unwrap();
    let branch = Message::read(text.as_bytes()).branch();
    ack = text.replace(&branch, &caller.invite.branch()).into_bytes();
    world.say(&caller, ack);
    world.run_for(40.0);
    assert_eq!(world.words(&caller), [""; 0]);
    assert_eq!(world.ending(), (Ending::NoAnswer, 486, "called"));
    world.check();
}

#[test]
fn a_caller_that_gives_up_while_the_200_waits_hears_487_and_the_phone_bye() {
    let (mut world, mut caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    world.one(&caller, "183 INVITE");
    answers(&mut world, &phone);
    assert_eq!(world.words(&phone), ["ACK"]);
    world.ask(&mut caller, "CANCEL", &[], None);
    assert_eq!(world.words(&caller), ["200 CANCEL", "487 INVITE"]);
    let bye = world.one(&phone, "BYE");
    world.answer(&phone, &bye, 200, &[], None);
    assert_unanswered(&mut world, (Ending::Cancelled, 487, "caller"));
}

/// The call is over, and its record says what the caller heard: nobody answered him, though a phone did answer us.
fn assert_unanswered(world: &mut World, ending: (Ending, u16, &str)) {
    world.run_for(100.0);
    world.check();
    assert_eq!(world.ending(), ending);
    let record = world.record();
    assert_eq!((record.timings.answered_ms, &record.answered_by), (None, &None));
    assert_eq!(record.attempts[0].status, 200);
    assert!(record.outcome.as_ref().unwrap().note.is_some(), "and why");
    assert_eq!(world.count("answered"), 0);
}

#[test]
fn a_caller_that_says_bye_while_the_200_waits_hears_487_too() {
    let (mut world, mut caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    let early = world.one(&caller, "183 INVITE");
    answers(&mut world, &phone);
    world.words(&phone);
    caller.learn(&early);
    world.ask(&mut caller, "BYE", &[], None);
    assert_eq!(world.words(&caller), ["200 BYE", "487 INVITE"]);
    let bye = world.one(&phone, "BYE");
    world.answer(&phone, &bye, 200, &[], None);
    assert_unanswered(&mut world, (Ending::Cancelled, 487, "caller"));
}

#[test]
fn a_200_whose_description_is_never_acknowledged_becomes_504_and_the_phone_hears_bye() {
    let (mut world, caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    answers(&mut world, &phone);
    world.words(&phone);
    world.run_for(31.8);
    let words = world.words(&caller);
    assert!(words.iter().all(|word| word == "183 INVITE"), "{words:?}");
    world.run_for(0.2);
    assert_eq!(world.words(&caller), ["504 INVITE"]);
    let bye = world.one(&phone, "BYE");
    world.answer(&phone, &bye, 200, &[], None);
    assert_unanswered(&mut world, (Ending::Failed, 504, "us"));
}

#[test]
fn a_phone_that_hangs_up_while_the_200_waits_leaves_nobody_waiting() {
    let (mut world, caller, mut phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    answers(&mut world, &phone);
    world.words(&phone);
    world.ask(&mut phone, "BYE", &[], None);
    assert_eq!(world.words(&phone), ["200 BYE"]);
    assert_eq!(world.words(&caller).last().unwrap(), "480 INVITE");
    assert_unanswered(&mut world, (Ending::NoAnswer, 480, "called"));
}

// Towards a phone.

#[test]
fn phones_are_told_that_we_support_100rel() {
    let (_, _, phone) = call(&[]);
    let supported: Vec<&str> = phone.invite.must("Supported").split(", ").collect();
    assert!(supported.contains(&"100rel"));
    assert!(
        phone
            .invite
            .must("Allow")
            .split(", ")
            .any(|method| method == "PRACK")
    );
}

#[test]
fn a_reliable_response_of_a_phone_gets_its_prack_in_its_dialog() {
    let (mut world, _, phone) = call(&[]);
    rings(&mut world, &phone, 180, Some("314"), false);
    let prack = world.one(&phone, "PRACK");
    assert_eq!(prack.must("RAck"), "314 1 INVITE");
    assert_eq!(prack.must("CSeq"), "2 PRACK");
    assert_eq!(prack.tag("To"), Some("phone"));
    assert_eq!(prack.request_uri(), format!("sip:hand@{PHONE}"));
    assert!(!prack.has_sdp());
}

#[test]
fn repetitions_and_what_comes_out_of_order_are_dropped() {
    let (mut world, caller, phone) = call(&[]);
    rings(&mut world, &phone, 180, Some("10"), false);
    world.one(&caller, "180 INVITE");
    let prack = world.one(&phone, "PRACK");
    world.answer(&phone, &prack, 200, &[], None);
    for (rseq, has_sdp) in [("10", false), ("12", true), ("9", true)] {
        rings(&mut world, &phone, 183, Some(rseq), has_sdp);
        assert_eq!(world.words(&phone), [""; 0], "{rseq}");
        assert_eq!(world.words(&caller), [""; 0], "not looked at: {rseq}");
    }
    rings(&mut world, &phone, 183, Some("11"), true);
    assert_eq!(world.one(&phone, "PRACK").must("RAck"), "11 1 INVITE");
    world.one(&caller, "183 INVITE");
}

#[test]
fn requests_after_the_answer_count_on_from_the_pracks() {
    let (mut world, mut caller, phone) = call(&[]);
    for rseq in ["10", "11"] {
        rings(&mut world, &phone, 180, Some(rseq), false);
        let prack = world.one(&phone, "PRACK");
        world.answer(&phone, &prack, 200, &[], None);
    }
    answers(&mut world, &phone);
    assert_eq!(world.one(&phone, "ACK").must("CSeq"), "1 ACK");
    let came = world.came(&caller);
    caller.learn(came.last().unwrap());
    world.ask(&mut caller, "ACK", &[], None);
    world.ask(&mut caller, "BYE", &[], None);
    let bye = world.one(&phone, "BYE");
    assert_eq!(bye.must("CSeq"), "4 BYE");
    world.answer(&phone, &bye, 200, &[], None);
    world.run_for(100.0);
    world.check();
}

#[test]
fn the_bye_of_a_phone_that_answers_after_its_cancel_counts_on_too() {
    let (mut world, mut caller, phone) = call(&[]);
    rings(&mut world, &phone, 180, Some("10"), false);
    let prack = world.one(&phone, "PRACK");
    world.answer(&phone, &prack, 200, &[], None);
    world.words(&caller);
    world.ask(&mut caller, "CANCEL", &[], None);
    let cancel = world.one(&phone, "CANCEL");
    world.answer(&phone, &cancel, 200, &[], None);
    answers(&mut world, &phone);
    let came = world.came(&phone);
    let words: Vec<String> = came.iter().map(word).collect();
    assert_eq!(words, ["ACK", "BYE"]);
    assert_eq!(came[1].must("CSeq"), "3 BYE");
}

#[test]
fn forks_of_a_phone_are_acknowledged_each_in_its_own_dialog() {
    let (mut world, _, phone) = call(&[]);
    let other = phone.with_tag("other");
    rings(&mut world, &phone, 180, Some("10"), false);
    rings(&mut world, &other, 180, Some("70"), false);
    let pracks: Vec<(String, String)> = world
        .came(&phone)
        .iter()
        .map(|prack| {
            (
                prack.tag("To").unwrap().to_string(),
                prack.must("RAck").to_string(),
            )
        })
        .collect();
    assert_eq!(
        pracks,
        [
            ("phone".into(), "10 1 INVITE".into()),
            ("other".into(), "70 1 INVITE".into())
        ]
    );
}

// An INVITE without an offer.

#[test]
fn an_offer_in_a_reliable_response_is_answered_in_prack_on_both_legs() {
    let mut world = World::new(one_desk(), 11);
    let mut caller = Hand::calls(&mut world, &[SUPPORTED], None);
    let phone = Hand::is_rung(&mut world);
    assert!(!phone.invite.has_sdp());
    rings(&mut world, &phone, 183, Some("20"), true);
    assert_eq!(
        world.words(&phone),
        [""; 0],
        "the PRACK waits for the caller's answer"
    );
    let early = world.came(&caller).pop().unwrap();
    assert_eq!(
        (word(&early), early.must("Require")),
        ("183 INVITE".into(), "100rel")
    );
    assert_eq!(early.audio().unwrap(), "10.0.0.1:20000");
    rings(&mut world, &phone, 183, Some("20"), true);
    assert_eq!(world.words(&phone), [""; 0], "and a repetition waits with it");

    caller.learn(&early);
    let rack = rack_of(&early);
    let answer = caller.sdp(1);
    world.ask(&mut caller, "PRACK", &[("RAck", &rack)], Some(&answer));
    assert_eq!(world.words(&caller), ["200 PRACK"]);
    let prack = world.one(&phone, "PRACK");
    assert_eq!(
        (prack.must("RAck"), prack.audio().unwrap()),
        ("20 1 INVITE", "10.0.0.1:20002".into())
    );
    world.answer(&phone, &prack, 200, &[], None);
    let described = world.media.values().next().unwrap().described.clone();
    assert_eq!(described.last().unwrap().1.to_string(), "203.0.113.7:7000");

    let invite = phone.invite.clone();
    world.answer(&phone, &invite, 200, &[], None);
    let ack = world.one(&phone, "ACK");
    assert!(!ack.has_sdp(), "offer and answer are done");
    let ok = world.one(&caller, "200 INVITE");
    assert!(!ok.has_sdp());
    caller.learn(&ok);
    let cseq = std::mem::replace(&mut caller.cseq, 1);
    world.ask(&mut caller, "ACK", &[], None);
    caller.cseq = cseq;
    ends(&mut world, &mut caller, &phone);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn without_an_offer_100rel_is_only_offered_where_its_answer_can_come_back() {
    let two = ["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"];
    for (queues, headers, is_offered) in [
        (one_desk(), vec![SUPPORTED], true),
        (one_desk(), vec![], false),
        (
            vec![queue("desk", Strategy::RingAll, &two)],
            vec![SUPPORTED],
            false,
        ),
    ] {
        let mut world = World::new(queues, 11);
        Hand::calls(&mut world, &headers, None);
        let phone = Hand::is_rung(&mut world);
        let supported = phone.invite.header("Supported").unwrap_or_default();
        assert_eq!(supported.contains("100rel"), is_offered, "{supported}");
    }
}

#[test]
fn an_answer_in_prack_that_cannot_be_carried_ends_the_call() {
    let mut world = World::new(one_desk(), 11);
    let mut caller = Hand::calls(&mut world, &[SUPPORTED], None);
    let phone = Hand::is_rung(&mut world);
    rings(&mut world, &phone, 183, Some("20"), true);
    let early = world.came(&caller).pop().unwrap();
    caller.learn(&early);
    let rack = rack_of(&early);
    let body = offer().replace("RTP/AVP 0 8 101", "RTP/AVP 18");
    world.ask(&mut caller, "PRACK", &[("RAck", &rack)], Some(&body));
    assert_eq!(world.words(&caller), ["488 PRACK", "488 INVITE"]);
    assert_eq!(world.words(&phone), ["CANCEL"]);
}

#[test]
fn a_second_offer_in_prack_is_refused_and_the_first_stands() {
    let (mut world, mut caller, phone) = call(&[SUPPORTED]);
    rings(&mut world, &phone, 183, None, true);
    let early = world.one(&caller, "183 INVITE");
    caller.learn(&early);
    let rack = rack_of(&early);
    let body = caller.sdp(2);
    world.ask(&mut caller, "PRACK", &[("RAck", &rack)], Some(&body));
    assert_eq!(world.words(&caller), ["488 PRACK"]);
    world.run_for(5.0);
    assert_eq!(world.words(&caller), [""; 0], "it is acknowledged all the same");
    answers(&mut world, &phone);
    world.one(&caller, "200 INVITE");
}
