//! RTP and RTCP on one port (RFC 5761), agreed leg by leg: who offers it, who takes it, and what the media is told.

use std::net::{IpAddr, SocketAddr};

use ringward::policy::Policy;

use crate::hand::{CALLER, Hand, PHONE};
use crate::wire::{self, Message};
use crate::world::{World, one_desk};

fn described(address: &str, version: u32, is_muxed: bool) -> String {
    let address: SocketAddr = address.parse().unwrap();
    let mux = if is_muxed { "a=rtcp-mux\r\n" } else { "" };
    wire::sdp(address, version, "sendrecv") + mux
}

fn says_it(message: &Message) -> bool {
    message.body.contains("a=rtcp-mux\r\n")
}

/// A call whose parties speak of one port or do not: both, its answer as the caller got it, and what was told to the media.
fn call(muxes: bool, is_offered: bool, is_answered: bool) -> (World, Hand, Hand, Message, [bool; 2]) {
    let mut world = World::with_config(one_desk(), 61, Policy::embedded(), |config| {
        config.rtcp_mux = muxes;
    });
    let mut caller = Hand::calls(&mut world, &[], Some(&described(CALLER, 1, is_offered)));
    let phone = Hand::is_rung(&mut world);
    let invite = phone.invite.clone();
    let answer = described(PHONE, 1, is_answered);
    world.answer(&phone, &invite, 200, &[], Some(&answer));
    let answered = world.one(&caller, "200 INVITE");
    caller.learn(&answered);
    world.ask(&mut caller, "ACK", &[], None);
    let muxed = world.media.values().next().expect("media").muxed;
    (world, caller, phone, answered, muxed)
}

#[test]
fn each_leg_has_one_port_where_both_ends_of_it_say_so() {
    for (is_offered, is_answered) in [(true, true), (true, false), (false, true), (false, false)] {
        let (_, _, phone, answered, muxed) = call(true, is_offered, is_answered);
        assert!(says_it(&phone.invite), "we offer it");
        assert_eq!(
            says_it(&answered),
            is_offered,
            "an answer says what the offer did"
        );
        assert_eq!(muxed, [is_offered, is_answered]);
    }
}

#[test]
fn where_the_configuration_says_no_nobody_hears_of_it() {
    let (_, _, phone, answered, muxed) = call(false, true, true);
    assert!(!says_it(&phone.invite) && !says_it(&answered));
    assert_eq!(muxed, [false, false]);
}

#[test]
fn a_new_offer_agrees_anew() {
    let (mut world, mut caller, mut phone, _, _) = call(true, true, true);
    for (version, is_offered) in [(2, false), (3, true)] {
        let offer = described(CALLER, version, is_offered);
        world.ask(&mut caller, "INVITE", &[], Some(&offer));
        let asked = world.one(&phone, "INVITE");
        assert!(says_it(&asked), "the phone has it still");
        phone.learn(&asked);
        let answer = described(PHONE, version, is_offered);
        world.answer(&phone, &asked, 200, &[], Some(&answer));
        let answered = world.one(&caller, "200 INVITE");
        assert_eq!(says_it(&answered), is_offered);
        world.ask(&mut caller, "ACK", &[], None);
        world.words(&phone);
        assert_eq!(world.media.values().next().unwrap().muxed, [is_offered; 2]);
    }
}

/// Nobody but who is described, or whose SIP it is, is heard in the place of a party; the configuration may know better.
#[test]
fn the_media_is_told_where_the_sip_of_each_leg_comes_from() {
    let ip = |text: &str| text.parse::<SocketAddr>().unwrap().ip();
    let check = |behind_nat: &[&str], expected: [Option<IpAddr>; 2]| {
        let mut world = World::with_config(one_desk(), 61, Policy::embedded(), |config| {
            config.behind_nat = behind_nat.iter().map(|range| range.parse().unwrap()).collect();
        });
        Hand::calls(&mut world, &[], Some(&described(CALLER, 1, false)));
        let phone = Hand::is_rung(&mut world);
        let invite = phone.invite.clone();
        // It describes an address of another house.
        let answer = described("192.0.2.99:4000", 1, false);
        world.answer(&phone, &invite, 200, &[], Some(&answer));
        let media = world.media.values().next().expect("media");
        assert_eq!(media.signalled, expected, "{behind_nat:?}");
    };
    let (caller, phone) = (Some(ip(CALLER)), Some(ip(PHONE)));
    check(&[], [caller, phone]);
    check(&["10.0.0.0/8"], [caller, None]);
    check(&["203.0.113.0/24", "10.0.0.0/8"], [None, None]);
}
