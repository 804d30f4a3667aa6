//! A phone and a caller that share no codec: who is offered what, who is told what, and what stays refused.

use ringward::policy::Policy;

use crate::hand::{Hand, word};
use crate::wire::Message;
use crate::world::{World, one_desk};

fn world(transcodes: bool) -> World {
    World::with_config(one_desk(), 61, Policy::embedded(), |config| {
        config.transcodes = transcodes
    })
}

/// A telephone's description with these formats only.
fn described(address: &str, formats: &str) -> String {
    crate::wire::sdp(address.parse().unwrap(), 1, "sendrecv")
        .replace("RTP/AVP 0 8 101", &format!("RTP/AVP {formats}"))
}

fn formats(message: &Message) -> &str {
    let line = message.body.lines().find(|line| line.starts_with("m=audio"));
    line.and_then(|line| line.split_once("RTP/AVP "))
        .expect("plain audio")
        .1
}

/// The phone refuses what it was offered; what it is asked then.
fn refused(world: &mut World, phone: &Hand, invite: &Message) -> Option<Message> {
    world.answer(phone, invite, 488, &[], None);
    let came = world.came(phone);
    let words: Vec<String> = came.iter().map(word).collect();
    assert_eq!(words[0], "ACK", "{words:?}");
    came.into_iter().find(|message| word(message) == "INVITE")
}

#[test]
fn a_phone_of_g722_is_connected_to_a_caller_of_pcmu() {
    let mut world = world(true);
    let offer = described(crate::hand::CALLER, "0 101");
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
    world.answer(
        &phone,
        &again,
        200,
        &[],
        Some(&described(crate::hand::PHONE, "9 101")),
    );
    let answer = world.one(&caller, "200 INVITE");
    assert_eq!(
        formats(&answer),
        "0 101",
        "he hears of nothing that he did not offer"
    );
    assert_eq!(answer.direction(), "sendrecv");
}

#[test]
fn who_refuses_that_too_has_refused() {
    let mut world = world(true);
    let caller = Hand::calls(&mut world, &[], Some(&described(crate::hand::CALLER, "0 101")));
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
        Hand::calls(&mut world, &[], Some(&described(crate::hand::CALLER, formats)));
        let phone = Hand::is_rung(&mut world);
        let first = phone.invite.clone();
        assert!(refused(&mut world, &phone, &first).is_none(), "{formats}");
    }
}
