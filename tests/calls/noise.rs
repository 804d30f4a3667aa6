//! Comfort noise in descriptions (RFC 3389): offered on, and answered where it was offered and taken.

use std::net::SocketAddr;

use crate::hand::{CALLER, Hand, PHONE};
use crate::wire::{self, Message};
use crate::world::{World, one_desk};

fn described(address: &str, has_noise: bool) -> String {
    let address: SocketAddr = address.parse().unwrap();
    let text = wire::sdp(address, 1, "sendrecv");
    match has_noise {
        true => text.replace("RTP/AVP 0 8 101", "RTP/AVP 0 8 13 101"),
        false => text,
    }
}

fn has_noise(message: &Message) -> bool {
    let media = message
        .body
        .lines()
        .find(|line| line.starts_with("m=audio"))
        .expect("audio");
    media.split(' ').skip(3).any(|format| format == "13")
}

#[test]
fn comfort_noise_is_answered_where_it_was_offered_and_taken() {
    for (is_offered, is_answered) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut world = World::new(one_desk(), 81);
        let caller = Hand::calls(&mut world, &[], Some(&described(CALLER, is_offered)));
        let phone = Hand::is_rung(&mut world);
        let invite = phone.invite.clone();
        assert_eq!(has_noise(&invite), is_offered);
        let answer = described(PHONE, is_answered);
        world.answer(&phone, &invite, 200, &[], Some(&answer));
        let answered = world.one(&caller, "200 INVITE");
        assert_eq!(has_noise(&answered), is_offered && is_answered);
    }
}
