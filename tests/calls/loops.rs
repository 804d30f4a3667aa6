//! Hops, loops, spirals and requests that come by two ways.

use crate::hand::{CALLER, Hand, PHONE, talk, word};
use crate::wire::{self, Message};
use crate::world::{GATEWAY, World, one_desk};

fn offer() -> String {
    wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv")
}

/// The INVITE that a phone got, sent back to us by a proxy on the trunk's side, for this number.
fn sent_back(invite: &Message, number: &str, hops: &str) -> Vec<u8> {
    let mut headers = vec![("Via", format!("SIP/2.0/UDP {CALLER};branch=z9hG4bK-proxy-1"))];
    for (name, value) in &invite.headers {
        match name.as_str() {
            "Max-Forwards" => headers.push(("Max-Forwards", hops.to_string())),
            "Content-Length" | "Content-Type" => {}
            name => headers.push((Box::leak(name.to_string().into_boxed_str()), value.clone())),
        }
    }
    let body = invite.body.as_str();
    wire::write(
        &format!("INVITE sip:{number}@{GATEWAY} SIP/2.0"),
        &headers,
        Some(("application/sdp", body)),
    )
}

#[test]
fn an_invite_of_ours_that_comes_back_for_the_same_number_is_a_loop() {
    let mut world = World::new(one_desk(), 51);
    let caller = Hand::calls(&mut world, &[], Some(&offer()));
    let phone = Hand::is_rung(&mut world);
    world.came(&caller);
    let back = sent_back(&phone.invite, "+12125550100", "60");
    world.say(&caller, back);
    world.run_for(0.05);
    assert_eq!(world.words(&caller), ["100 INVITE", "482 INVITE"]);
    assert_eq!(world.records.len(), 1, "no second call");
}

#[test]
fn an_invite_of_ours_that_comes_back_for_another_number_is_a_spiral_and_a_call_of_its_own() {
    let mut world = World::new(one_desk(), 51);
    let caller = Hand::calls(&mut world, &[], Some(&offer()));
    let phone = Hand::is_rung(&mut world);
    world.came(&caller);
    let back = sent_back(&phone.invite, "+12125550199", "60");
    world.say(&caller, back);
    world.run_for(0.05);
    assert_eq!(world.words(&caller), ["100 INVITE"]);
    assert_eq!(world.records.len(), 2);
    let again = world.came(&phone);
    assert!(
        again
            .iter()
            .any(|message| word(message) == "INVITE" && message.must("Max-Forwards") == "59")
    );
}

#[test]
fn a_via_that_only_looks_like_ours_is_no_loop() {
    let mut world = World::new(one_desk(), 51);
    let forged = format!("SIP/2.0/UDP {GATEWAY};branch=z9hG4bK0123456789abcdef");
    let mut caller = Hand::calls(&mut world, &[], Some(&offer()));
    world.run_for(1.0);
    world.came(&caller);
    let octets = caller.request("INVITE", &[("Via", &forged)], Some(&offer()));
    let text = String::from_utf8(octets)
        .unwrap()
        .replace("Call-ID: by-hand", "Call-ID: other");
    world.say(&caller, text.into_bytes());
    world.run_for(0.05);
    assert_eq!(world.words(&caller), ["100 INVITE"]);
}

#[test]
fn hops_count_through_us_before_and_inside_the_call() {
    let mut world = World::new(one_desk(), 51);
    let mut talk = talk(&mut world, &[("Max-Forwards", "17")], &[]);
    assert_eq!(talk.phone.invite.must("Max-Forwards"), "16");
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    world.ask(&mut talk.caller, "INVITE", &[("Max-Forwards", "1")], Some(&hold));
    let offered = world.one(&talk.phone, "INVITE");
    assert_eq!(offered.must("Max-Forwards"), "0");
    let answer = wire::sdp(talk.phone.address, 2, "recvonly");
    world.answer(&talk.phone, &offered, 200, &[], Some(&answer));
    world.words(&talk.caller);
    world.ask(&mut talk.caller, "ACK", &[], None);
    world.words(&talk.phone);
    for method in ["INVITE", "UPDATE"] {
        let resume = talk.caller.sdp(3);
        world.ask(&mut talk.caller, method, &[("Max-Forwards", "0")], Some(&resume));
        assert_eq!(
            world.words(&talk.caller).last().unwrap(),
            &format!("483 {method}")
        );
        if method == "INVITE" {
            talk.caller.cseq += 1;
        }
    }
    assert_eq!(world.words(&talk.phone), [""; 0]);
}

#[test]
fn a_loop_through_agents_that_hide_us_ends_by_its_hops() {
    // Every pass is a new call to us: what ends them is Max-Forwards alone.
    let mut world = World::new(one_desk(), 51);
    let mut hops = "3".to_string();
    let mut passes = 0;
    for pass in 0..10 {
        let mut caller = Hand::calls(&mut world, &[("Max-Forwards", "70")], Some(&offer()));
        world.run_for(0.01);
        world.came(&caller);
        let octets = caller.request("INVITE", &[("Max-Forwards", &hops)], Some(&offer()));
        let text = String::from_utf8(octets)
            .unwrap()
            .replace("Call-ID: by-hand", &format!("Call-ID: pass-{pass}"))
            .replace("branch=z9hG4bK", &format!("branch=z9hG4bK-{pass}"));
        world.say(&caller, text.into_bytes());
        world.run_for(0.05);
        if world.words(&caller).contains(&"483 INVITE".to_string()) {
            break;
        }
        passes += 1;
        let rung = world.collected(PHONE.parse().unwrap());
        hops = rung
            .last()
            .expect("the phone rings")
            .must("Max-Forwards")
            .to_string();
    }
    assert_eq!(passes, 3);
}

#[test]
fn the_same_invite_by_a_second_way_is_482() {
    let mut world = World::new(one_desk(), 51);
    let caller = Hand::calls(&mut world, &[], Some(&offer()));
    world.run_for(0.1);
    world.came(&caller);
    let text = wire_text(&caller);
    let second = text.replace(&caller.invite.branch(), "z9hG4bK-second-way");
    world.say(&caller, second.into_bytes());
    world.run_for(0.05);
    assert_eq!(world.words(&caller), ["482 INVITE"]);
}

/// The caller's INVITE as it went out.
fn wire_text(caller: &Hand) -> String {
    let headers: Vec<(&str, String)> = caller
        .invite
        .headers
        .iter()
        .filter(|(name, _)| !name.starts_with("Content-"))
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    let body = Some(("application/sdp", caller.invite.body.as_str()));
    String::from_utf8(wire::write(&caller.invite.start, &headers, body)).unwrap()
}

#[test]
fn what_a_request_insists_on_and_we_do_not_do_is_420_with_its_name() {
    let mut world = World::new(one_desk(), 51);
    let caller = Hand::calls(
        &mut world,
        &[("Require", "100rel, teleport, timer, precondition")],
        Some(&offer()),
    );
    world.run_for(0.1);
    let refusal = world.came(&caller).pop().unwrap();
    assert_eq!(
        (word(&refusal), refusal.must("Unsupported")),
        ("420 INVITE".into(), "teleport, precondition")
    );

    let mut talk = talk_in(51);
    let resume = talk.1.caller.sdp(3);
    talk.0.ask(
        &mut talk.1.caller,
        "UPDATE",
        &[("Require", "teleport")],
        Some(&resume),
    );
    assert_eq!(
        talk.0.one(&talk.1.caller, "420 UPDATE").must("Unsupported"),
        "teleport"
    );
}

fn talk_in(seed: u64) -> (World, crate::hand::Talk) {
    let mut world = World::new(one_desk(), seed);
    let talk = talk(&mut world, &[], &[]);
    (world, talk)
}

#[test]
fn what_we_do_is_said_in_answers_and_in_options() {
    let (mut world, mut talk) = talk_in(51);
    assert!(talk.answer.must("Allow").contains("PRACK"));
    assert_eq!(talk.answer.must("Supported"), "100rel, timer");
    world.ask(&mut talk.caller, "OPTIONS", &[], None);
    let options = world.one(&talk.caller, "200 OPTIONS");
    assert_eq!(options.must("Supported"), "100rel, timer");
    assert_eq!(options.must("Allow"), talk.answer.must("Allow"));
    world.ask(&mut talk.caller, "PUBLISH", &[], None);
    assert_eq!(
        world.one(&talk.caller, "405 PUBLISH").must("Allow"),
        talk.answer.must("Allow")
    );
}
