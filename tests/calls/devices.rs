//! Queues that ring devices by name: where they have registered, in which order, and what becomes of those that have not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringward::call::record::Ending;
use ringward::call::{HostCredentials, Input};
use ringward::digest::{Credentials, Secret};
use ringward::policy::Policy;
use ringward::queue::Strategy;
use ringward::registrar::{Bound, Place};
use ringward::sip::{Flow, Transport};

use crate::door::Door;
use crate::gateway::{GATEWAY, queue};
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::World;

const CALLER: &str = "+14045550123";

/// A queue that rings two devices one after the other.
fn world(seed: u64, from_phones: bool) -> World {
    let desk = queue("desk", Strategy::InOrder, &["device:desk-1", "device:desk-2"]);
    World::with_config(vec![desk], seed, Policy::embedded(), |config| {
        config.outbound.from_phones = from_phones;
    })
}

/// Each device with its Contact and the address it was heard from.
fn bound(devices: &[(&str, &[(&str, &str)])]) -> Input<'static> {
    let place = |(uri, from): &(&str, &str)| Place {
        uri: uri.to_string(),
        flow: Flow::udp(GATEWAY.parse().unwrap(), from.parse().unwrap()),
    };
    let devices = devices
        .iter()
        .map(|(name, places)| (name.to_string(), places.iter().map(place).collect()));
    Input::SetBound(Arc::new(Bound::new(devices.collect::<BTreeMap<_, _>>())))
}

fn talks() -> CallerPlan {
    CallerPlan::new(CALLER).act(2.0, Act::Bye)
}

fn attempts(world: &World) -> Vec<(String, u16)> {
    let attempts = world.record().attempts.iter();
    attempts
        .map(|attempt| (attempt.target.clone(), attempt.status))
        .collect()
}

#[test]
fn a_device_rings_where_it_was_heard_with_its_contact_and_one_that_is_away_is_passed_by() {
    let mut world = world(1, false);
    let phone = world.phone("10.0.0.77:40000", PhonePlan::answers_after(1.0));
    world.tell(bound(&[(
        "desk-2",
        &[("sip:desk-2@192.168.7.7:5060", "10.0.0.77:40000")],
    )]));
    world.call(talks());
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.rung(phone).request_uri(), "sip:desk-2@192.168.7.7:5060");
    let answered = ("device:desk-2".to_string(), 200);
    assert!(attempts(&world).contains(&answered), "{:?}", attempts(&world));
}

#[test]
fn nobody_registered_is_nobody_reachable() {
    let mut world = world(2, false);
    world.call(talks());
    world.run();
    let (ending, status, _) = world.ending();
    assert_eq!((ending, status), (Ending::NoAnswer, 480));
    let away = |name: &str| (format!("device:{name}"), 480);
    assert_eq!(attempts(&world), [away("desk-1"), away("desk-2")]);
}

#[test]
fn the_second_place_of_a_device_rings_when_the_first_says_no() {
    let mut world = world(3, false);
    let busy = world.phone(
        "10.0.0.77:5060",
        PhonePlan::with(Answer::Refuse(486, Duration::from_millis(300))),
    );
    let free = world.phone("10.0.0.78:5060", PhonePlan::answers_after(1.0));
    let places: &[(&str, &str)] = &[
        ("sip:a@10.0.0.77", "10.0.0.77:5060"),
        ("sip:b@10.0.0.78", "10.0.0.78:5060"),
    ];
    world.tell(bound(&[("desk-1", places)]));
    world.call(talks());
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.rung(busy).request_uri(), "sip:a@10.0.0.77");
    assert_eq!(world.rung(free).request_uri(), "sip:b@10.0.0.78");
    assert_eq!(attempts(&world), [("device:desk-1".to_string(), 200)]);
}

#[test]
fn a_registered_phone_calls_another_by_its_name_and_one_that_is_not_registered_is_nobody() {
    let mut world = world(4, true);
    let other = world.phone("10.0.0.78:5060", PhonePlan::answers_after(1.0));
    let registered: SocketAddr = "10.0.0.77:5060".parse().unwrap();
    let stranger: SocketAddr = "10.0.0.79:5060".parse().unwrap();
    world.tell(bound(&[
        ("desk-1", &[("sip:desk-1@10.0.0.77", "10.0.0.77:5060")]),
        ("desk-2", &[("sip:desk-2@10.0.0.78", "10.0.0.78:5060")]),
    ]));
    let dials = || {
        let mut plan = CallerPlan::new("desk-1").act(2.0, Act::Bye);
        plan.called = "desk-2".into();
        plan
    };
    // One who knocks without having registered.
    let flow = Flow::udp(GATEWAY.parse().unwrap(), stranger);
    let octets = b"INVITE sip:desk-2@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.79;branch=z9hG4bKx\r\n\
        From: <sip:desk-1@10.0.0.1>;tag=x\r\nTo: <sip:desk-2@10.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
        Max-Forwards: 70\r\nContact: <sip:desk-1@10.0.0.79>\r\nContent-Length: 0\r\n\r\n";
    world.tell(Input::Sip { flow, octets });
    assert_eq!(world.count("unknown source"), 1);
    world.call_from(registered, 0.1, dials());
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.rung(other).request_uri(), "sip:desk-2@10.0.0.78");
}

#[test]
fn a_datagram_from_the_address_of_a_phone_on_a_connection_is_nobodys() {
    let mut world = world(5, true);
    let address: SocketAddr = "10.0.0.77:50000".parse().unwrap();
    let datagram = Flow::udp(GATEWAY.parse().unwrap(), address);
    let place = Place {
        uri: "sip:desk-1@10.0.0.77".into(),
        flow: Flow {
            transport: Transport::Tls,
            connection: Some(7),
            ..datagram
        },
    };
    let devices = BTreeMap::from([("desk-1".to_string(), vec![place])]);
    world.tell(Input::SetBound(Arc::new(Bound::new(devices))));
    let octets = b"INVITE sip:+19005550100@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.77:50000;branch=z9hG4bKx\r\n\
        From: <sip:desk-1@10.0.0.1>;tag=x\r\nTo: <sip:+19005550100@10.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
        Max-Forwards: 70\r\nContact: <sip:desk-1@10.0.0.77>\r\nContent-Length: 0\r\n\r\n";
    world.tell(Input::Sip {
        flow: datagram,
        octets,
    });
    assert_eq!(world.count("unknown source"), 1);
}

#[test]
fn a_registered_phone_is_never_answered_with_a_password_of_ours() {
    let mut world = World::with_config(
        vec![queue(
            "desk",
            Strategy::InOrder,
            &["device:desk-1", "device:desk-2"],
        )],
        7,
        Policy::embedded(),
        |config| {
            config.credentials.push(HostCredentials {
                hosts: Vec::new(),
                addresses: vec!["10.0.0.77".parse().unwrap()],
                credentials: Credentials {
                    user: "desk".into(),
                    password: Secret::new("battery staple"),
                    realm: None,
                },
            });
        },
    );
    let asks = PhonePlan::answers_after(1.0).behind(Door::new(401, "desk", "battery staple"));
    let phone = world.phone("10.0.0.77:5060", asks);
    world.phone("10.0.0.78:5060", PhonePlan::answers_after(1.0));
    world.tell(bound(&[
        ("desk-1", &[("sip:desk-1@10.0.0.77", "10.0.0.77:5060")]),
        ("desk-2", &[("sip:desk-2@10.0.0.78", "10.0.0.78:5060")]),
    ]));
    world.call(talks());
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let expected = [
        ("device:desk-1".to_string(), 401),
        ("device:desk-2".to_string(), 200),
    ];
    assert_eq!(attempts(&world), expected);
    let door = &world.agents[&phone].phone.door.as_ref().unwrap().log;
    assert_eq!(*door, ["INVITE asked"]);
}
