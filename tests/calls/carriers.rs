//! Servers of carriers by name (`to`, `register`): looked up while we run, tried in their order, and known when they call.

use std::net::SocketAddr;
use std::time::Duration;

use ringward::call::{Config, Peer, TrunkConfig};
use ringward::digest::{Credentials, Secret};
use ringward::policy::Policy;
use ringward::registration;
use ringward::sip::Transport;

use crate::plan::{Act, Answer, CallerPlan, PhonePlan, Registrar};
use crate::transfers::three_queues;
use crate::world::{World, one_desk};

const FIRST: &str = "198.51.100.7:5060";
const SECOND: &str = "198.51.100.8:5060";

/// A way out to "carrier.example", which the name service knows as these servers.
fn way_out(servers: &[&str], change: impl FnOnce(&mut Config)) -> (World, SocketAddr) {
    let mut world = World::with_config(three_queues(), 5, Policy::embedded(), |config| {
        config.outbound.from_phones = true;
        config.trunks[0].number = Some("+12125550100".into());
        config.trunks[0].to = Some(Peer {
            host: "carrier.example".into(),
            transport: Transport::Udp,
            addresses: Vec::new(),
        });
        change(config);
    });
    let servers = servers.iter().map(|server| format!("udp:{server}")).collect();
    world.zone.insert("carrier.example".into(), servers);
    let desk = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    (world, desk)
}

fn dials() -> CallerPlan {
    let mut plan = CallerPlan::new("desk").act(5.0, Act::Bye);
    plan.called = "+14045550123".into();
    plan
}

#[test]
fn a_carrier_is_looked_up_when_it_is_called_and_its_uri_keeps_the_name() {
    let (mut world, desk) = way_out(&[FIRST], |_| {});
    let carrier = world.phone(FIRST, PhonePlan::answers_after(1.0));
    world.calls_after(0.0, desk, dials());
    world.run();
    assert_eq!(world.heard(desk, "INVITE"), [100, 180, 200]);
    assert_eq!(
        world.rung(carrier).request_uri(),
        "sip:+14045550123@carrier.example;user=phone"
    );
    assert_eq!(world.asked(carrier), ["BYE"]);
    assert_eq!(world.asked_where, ["sip:carrier.example"]);
}

#[test]
fn the_next_server_takes_the_call_when_the_first_is_busy_silent_or_gone() {
    for answer in [Answer::Refuse(503, Duration::from_millis(10)), Answer::Dead] {
        let (mut world, desk) = way_out(&[FIRST, SECOND], |_| {});
        world.phone(FIRST, PhonePlan::with(answer));
        let second = world.phone(SECOND, PhonePlan::answers_after(1.0));
        world.calls_after(0.0, desk, dials());
        world.run();
        assert_eq!(world.heard(desk, "INVITE"), [100, 180, 200]);
        assert_eq!(world.asked(second), ["BYE"]);
        assert_eq!(world.count("failed over"), 1);
    }
}

#[test]
fn a_number_that_is_busy_is_not_asked_for_at_the_next_server() {
    let (mut world, desk) = way_out(&[FIRST, SECOND], |_| {});
    world.phone(
        FIRST,
        PhonePlan::with(Answer::Refuse(486, Duration::from_millis(10))),
    );
    let second = world.phone(SECOND, PhonePlan::answers_after(1.0));
    world.calls_after(0.0, desk, dials());
    world.run();
    assert_eq!(world.heard(desk, "INVITE"), [100, 486]);
    assert!(world.agents[&second].lines.is_empty());
}

#[test]
fn a_carrier_cannot_send_our_call_elsewhere() {
    let (mut world, desk) = way_out(&[FIRST], |_| {});
    let mut plan = PhonePlan::with(Answer::Refuse(302, Duration::from_millis(10)));
    plan.headers = vec![("Contact", format!("<sip:+19005550199@{SECOND}>"))];
    world.phone(FIRST, plan);
    let second = world.phone(SECOND, PhonePlan::answers_after(1.0));
    world.calls_after(0.0, desk, dials());
    world.run();
    assert!(world.agents[&second].lines.is_empty());
    assert_eq!(world.count("redirected"), 0);
}

#[test]
fn a_carrier_that_nobody_knows_is_480_and_one_that_moves_is_followed() {
    let (mut world, desk) = way_out(&[], |_| {});
    world.calls_after(0.0, desk, dials());
    world.run_for(10.0);
    world
        .zone
        .insert("carrier.example".into(), vec![format!("udp:{SECOND}")]);
    world.locate("sip:carrier.example");
    let second = world.phone(SECOND, PhonePlan::answers_after(1.0));
    let mut again = dials();
    again.call_id = Some("again".into());
    world.calls_after(0.0, desk, again);
    world.run();
    let lines = &world.agents[&desk].lines;
    let last = |id: &str| {
        lines[id]
            .responses
            .iter()
            .rfind(|r| r.method() == "INVITE")
            .unwrap()
            .status()
    };
    let first = lines.keys().find(|id| *id != "again").unwrap();
    assert_eq!((last(first), last("again")), (Some(480), Some(200)));
    assert_eq!(world.asked(second), ["BYE"]);
}

#[test]
fn a_server_of_a_carrier_is_no_phone() {
    let (mut world, desk) = way_out(&[FIRST], |_| {});
    let carrier = world.phone(FIRST, PhonePlan::answers_after(1.0));
    world.calls_after(0.0, desk, dials());
    world.run_for(3.0);
    // It may not call as a phone may: neither out, nor to take a call over.
    let mut plan = CallerPlan::new("somebody");
    plan.called = "+19005550199".into();
    plan.call_id = Some("out".into());
    world.calls_after(0.0, carrier, plan);
    world.run();
    let heard: Vec<_> = world.agents[&carrier].lines["out"]
        .responses
        .iter()
        .map(|r| r.status())
        .collect();
    assert_eq!(heard, [Some(100), Some(403)]);
}

/// We register with "carrier.example".
fn registering() -> World {
    World::with_config(one_desk(), 6, Policy::embedded(), |config| {
        config.trunks.push(TrunkConfig {
            name: "itsp".into(),
            credentials: Some(Credentials {
                user: "business".into(),
                password: Secret::new("battery staple"),
                realm: None,
            }),
            register: Some(registration::Config {
                trunk: "itsp".into(),
                host: "carrier.example".into(),
                transport: Transport::Udp,
                addresses: Vec::new(),
                user: "business".into(),
                expires: Duration::from_secs(600),
            }),
            ..TrunkConfig::default()
        });
    })
}

fn registrar(world: &mut World, address: &str, is_dead: bool) -> SocketAddr {
    let mut plan = PhonePlan::answers_after(1.0);
    plan.registrar = Some(Registrar {
        is_dead,
        ..Registrar::default()
    });
    world.phone(address, plan)
}

fn registered(world: &World, address: SocketAddr) -> usize {
    world.agents[&address].phone.registrar.as_ref().unwrap().log.len()
}

#[test]
fn a_registrar_is_asked_when_its_name_is_known_and_the_next_one_when_it_is_dead() {
    let mut world = registering();
    let first = registrar(&mut world, FIRST, true);
    let second = registrar(&mut world, SECOND, false);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.tell(ringward::call::Input::Tick);
    world.run_for(5.0);
    assert!(world.registrations.is_empty(), "nobody knows where it is");
    world.locate("sip:carrier.example");
    world.run_for(1.0);
    let unknown = world.registrations.last().expect("told");
    assert!(unknown.problem.as_ref().unwrap().contains("not known") && unknown.server.is_none());
    let servers = [FIRST, SECOND].map(|server| format!("udp:{server}"));
    world.zone.insert("carrier.example".into(), servers.into());
    world.locate("sip:carrier.example");
    world.run_for(60.0);
    assert!(registered(&world, first) > 0, "asked, again and again");
    assert_eq!(registered(&world, second), 1);
    let state = world.registrations.last().unwrap();
    assert!(state.is_registered);
    assert_eq!(state.server, Some(second));

    // Its calls are the trunk's.
    let caller: SocketAddr = "198.51.100.8:7000".parse().unwrap();
    world.call_from(caller, 0.0, CallerPlan::new("+14045550123").act(2.0, Act::Bye));
    world.run_for(20.0);
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(
        world.records.values().next().unwrap().last().unwrap().trunk,
        "itsp"
    );

    // When it moves, the next REGISTER goes where it is then.
    let third = registrar(&mut world, "198.51.100.9:5060", false);
    world
        .zone
        .insert("carrier.example".into(), vec!["udp:198.51.100.9:5060".into()]);
    world.locate("sip:carrier.example");
    world.run_for(600.0);
    assert!(registered(&world, third) >= 1);
    world.tell(ringward::call::Input::Drain);
    world.run_for(60.0);
}
