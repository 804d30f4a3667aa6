//! Phones that send the call elsewhere, and which answers end a search.

use ringward::call::record::Ending;
use ringward::queue::{self, Decline, Redirects, Strategy};

use super::{CALLER, refuses, talk};
use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::world::{World, queue};

fn redirects(status: u16, contacts: &[&str]) -> PhonePlan {
    PhonePlan {
        headers: contacts
            .iter()
            .map(|contact| ("Contact", contact.to_string()))
            .collect(),
        ..refuses(status)
    }
}

fn two_desks(policy: Redirects) -> Vec<queue::Config> {
    let mut desk = queue(
        "desk",
        Strategy::InOrder,
        &["sip:anna@10.0.0.5:5060", "sip:ben@10.0.0.6:5060"],
    );
    desk.reach.redirects = policy;
    vec![desk]
}

#[test]
fn a_302_is_followed_to_a_phone_of_the_queue_in_the_order_of_q() {
    let mut world = World::new(two_desks(Redirects::Targets), 1);
    let contacts = [
        "<sip:voicemail@10.0.0.6:5070>;q=0.2",
        "<sip:ben@10.0.0.6:5060>;q=0.7",
    ];
    let first = world.phone("10.0.0.5:5060", redirects(302, &contacts));
    let ben = world.phone("10.0.0.6:5060", refuses(486));
    let voicemail = world.phone("10.0.0.6:5070", PhonePlan::answers_after(1.0));
    world.call(talk(1.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let (one, two, three) = (world.rung(first), world.rung(ben), world.rung(voicemail));
    assert_eq!(three.request_uri(), "sip:voicemail@10.0.0.6:5070");
    // RFC 3261 §8.1.3.4: the same To, From and Call-ID, and a CSeq that counts up.
    assert_eq!([one.cseq(), two.cseq(), three.cseq()], [1, 2, 3]);
    for name in ["From", "To", "Call-ID"] {
        assert_eq!(one.must(name), three.must(name), "{name}");
    }
    assert_eq!(
        three.must("Diversion"),
        "<sip:anna@10.0.0.5:5060>;reason=deflection;counter=1"
    );
    let tries = &world.record().attempts[0].tries;
    assert_eq!(tries[0].status, 302);
    let to = tries[0].diverted_to.as_ref().unwrap().reveal();
    assert_eq!(to, "sip:ben@10.0.0.6:5060");
    assert_eq!(world.count("redirected"), 2);
}

#[test]
fn a_phone_cannot_send_a_call_to_a_premium_number() {
    let mut world = World::new(two_desks(Redirects::Targets), 1);
    world.phone(
        "10.0.0.5:5060",
        redirects(302, &["<sip:+19005551234@10.0.0.6>", "<sip:anna@203.0.113.66>"]),
    );
    let ben = world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    world.call(talk(1.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(
        world.rung(ben).request_uri(),
        "sip:ben@10.0.0.6:5060",
        "the next of the list, and nobody else"
    );
    assert_eq!(world.count("redirect refused"), 2);
    assert!(
        world
            .asked_of
            .iter()
            .all(|(to, ..)| to.ip().to_string() != "203.0.113.66")
    );
}

#[test]
fn anywhere_is_followed_only_when_it_is_configured() {
    for (policy, is_followed) in [
        (Redirects::Any, true),
        (Redirects::Targets, false),
        (Redirects::Off, false),
    ] {
        let mut world = World::new(two_desks(policy), 1);
        world.phone("10.0.0.5:5060", redirects(301, &["<sip:out@elsewhere.example>"]));
        world.phone("10.0.0.6:5060", refuses(486));
        world
            .zone
            .insert("elsewhere.example".into(), vec!["udp:192.0.2.7:5060".into()]);
        let elsewhere = world.phone("192.0.2.7:5060", PhonePlan::answers_after(1.0).act(2.0, Act::Bye));
        world.call(CallerPlan::new(CALLER));
        world.run();
        assert_eq!(
            !world.agents[&elsewhere].lines.is_empty(),
            is_followed,
            "{policy:?}"
        );
        if is_followed {
            assert_eq!(
                world.ending(),
                (Ending::Completed, 200, "called"),
                "its BYE is heard"
            );
        } else {
            assert_eq!(world.ending().0, Ending::NoAnswer);
        }
    }
}

#[test]
fn phones_that_redirect_to_each_other_end_the_search_and_not_the_gateway() {
    let mut world = World::new(two_desks(Redirects::Targets), 1);
    let anna = world.phone("10.0.0.5:5060", redirects(302, &["<sip:ben@10.0.0.6:5060>"]));
    let ben = world.phone("10.0.0.6:5060", redirects(302, &["<sip:anna@10.0.0.5:5060>"]));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 480]);
    let invites = |phone| world.agents[&phone].lines.len();
    assert_eq!(
        (invites(anna), invites(ben)),
        (2, 2),
        "each once by its own turn, once by the other"
    );
}

#[test]
fn a_flood_of_contacts_is_bounded() {
    let mut world = World::new(two_desks(Redirects::Any), 1);
    let contacts: Vec<String> = (0..60).map(|n| format!("<sip:a{n}@10.0.0.6:5060>")).collect();
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    world.phone("10.0.0.5:5060", redirects(302, &contacts));
    let ben = world.phone("10.0.0.6:5060", redirects(302, &contacts));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 480]);
    let asked = world
        .asked_of
        .iter()
        .filter(|(to, _, method)| *to == ben && method == "INVITE");
    assert!(asked.count() <= 8 + 1 + 8, "eight places for each of two phones");
}

#[test]
fn a_305_goes_by_the_proxy_and_a_380_is_no_address() {
    let mut world = World::new(two_desks(Redirects::Targets), 1);
    world.phone("10.0.0.5:5060", redirects(305, &["<sip:10.0.0.6:5080>"]));
    let proxy = world.phone("10.0.0.6:5080", PhonePlan::answers_after(1.0));
    world.call(talk(1.0));
    world.run();
    let invite = world.rung(proxy);
    assert_eq!(invite.request_uri(), "sip:anna@10.0.0.5:5060");
    assert_eq!(invite.must("Route"), "<sip:10.0.0.6:5080;lr>");

    let mut world = World::new(two_desks(Redirects::Any), 1);
    world.phone("10.0.0.5:5060", redirects(380, &["<sip:ben@10.0.0.6:5060>"]));
    world.phone("10.0.0.6:5060", refuses(486));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 480]);
    assert_eq!(world.count("redirected"), 0);
}

// Losers and answers.

#[test]
fn a_loser_that_answers_in_the_race_hears_bye_with_the_reason() {
    let desk = queue(
        "desk",
        Strategy::RingAll,
        &["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"],
    );
    let mut world = World::new(vec![desk], 1);
    world.network.delay_ms = (20, 20);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let loser = PhonePlan {
        ignores_cancel: true,
        ..PhonePlan::answers_after(1.02)
    };
    let loser = world.phone("10.0.0.6:5060", loser);
    world.call(talk(3.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let line = world.line(loser);
    assert!(!line.acks.is_empty(), "its 2xx is acknowledged");
    for method in ["CANCEL", "BYE"] {
        let request = line.received.iter().find(|request| request.method() == method);
        let request = request.unwrap_or_else(|| panic!("{method}\n{}", world.trace.join("\n")));
        assert_eq!(
            request.must("Reason"),
            "SIP;cause=200;text=\"Call completed elsewhere\""
        );
    }
}

#[test]
fn one_decline_ends_the_search_only_where_it_is_configured() {
    for (decline, rings_on) in [(Decline::Phone, true), (Decline::Queue, false)] {
        let mut desk = queue(
            "desk",
            Strategy::RingAll,
            &["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"],
        );
        desk.reach.decline = decline;
        let mut world = World::new(vec![desk], 1);
        world.phone("10.0.0.5:5060", refuses(603));
        let other = world.phone("10.0.0.6:5060", PhonePlan::answers_after(2.0));
        world.call(talk(1.0));
        world.run();
        if rings_on {
            assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
        } else {
            assert_eq!(world.ending(), (Ending::NoAnswer, 603, "called"));
            assert_eq!(world.asked(other), ["CANCEL"]);
        }
    }
}
