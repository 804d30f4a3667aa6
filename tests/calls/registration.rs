//! Carriers that want to be told where we are, and calls that come from them.

use std::net::SocketAddr;
use std::time::Duration;

use ringward::call::record::Ending;
use ringward::call::{Input, TrunkConfig};
use ringward::digest::{Credentials, Secret};
use ringward::policy::Policy;
use ringward::registration::Config;
use ringward::sip::Transport;

use crate::door::Door;
use crate::plan::{Act, CallerPlan, PhonePlan, Registrar};
use crate::world::{World, one_desk};

const FIRST: &str = "198.51.100.7:5060";
const SECOND: &str = "198.51.100.8:5060";

fn world(seed: u64) -> World {
    let mut world = World::with_config(one_desk(), seed, Policy::embedded(), |config| {
        config.trunks.push(TrunkConfig {
            name: "itsp".into(),
            credentials: Some(Credentials {
                user: "business".into(),
                password: Secret::new("battery staple"),
                realm: Some("carrier.example".into()),
            }),
            number: Some("+12125550100".into()),
            register: Some(Config {
                trunk: "itsp".into(),
                host: "carrier.example".into(),
                transport: Transport::Udp,
                addresses: vec![FIRST.parse().unwrap(), SECOND.parse().unwrap()],
                user: "business".into(),
                expires: Duration::from_secs(600),
            }),
            ..TrunkConfig::default()
        });
    });
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world
}

fn registrar(world: &mut World, address: &str, registrar: Registrar) -> SocketAddr {
    let mut plan = PhonePlan::answers_after(1.0).behind(Door::new(401, "business", "battery staple"));
    plan.registrar = Some(registrar);
    world.phone(address, plan)
}

fn log(world: &World, address: SocketAddr) -> Vec<String> {
    world.agents[&address]
        .phone
        .registrar
        .as_ref()
        .unwrap()
        .log
        .clone()
}

#[test]
fn a_carrier_that_asks_for_a_password_and_wants_longer_is_registered_with_and_left() {
    let mut world = world(1);
    let carrier = registrar(
        &mut world,
        FIRST,
        Registrar {
            least: 900,
            ..Registrar::default()
        },
    );
    world.tell(Input::Tick);
    world.run_for(1500.0);
    let contact = "<sip:business@10.0.0.1:5060>";
    let renewed = log(&world, carrier);
    assert_eq!(renewed[..2], [format!("{contact} 600"), format!("{contact} 900")]);
    assert!((4..=6).contains(&renewed.len()), "{renewed:?}");
    let state = world.registrations.last().unwrap().clone();
    assert!(state.is_registered && state.problem.is_none(), "{state:?}");
    assert_eq!(state.service_route, ["<sip:edge.carrier.example;lr>"]);
    // Every one of them was challenged and proven.
    let door = &world.agents[&carrier].phone.door.as_ref().unwrap().log;
    assert_eq!(door.len(), 2 * renewed.len());
    world.tell(Input::Drain);
    world.run();
    assert_eq!(log(&world, carrier).last().unwrap(), &format!("{contact} 0"));
    let state = world.registrations.last().unwrap();
    assert!(state.is_over && !state.is_registered);
}

#[test]
fn a_server_that_is_silent_gives_way_to_the_next() {
    let mut world = world(2);
    let second = registrar(&mut world, SECOND, Registrar::default());
    world.tell(Input::Tick);
    world.run_for(40.0);
    assert_eq!(log(&world, second).len(), 1);
    assert!(world.registrations.last().unwrap().is_registered);
    assert_eq!(
        world.registrations[0].problem.as_deref(),
        Some("no answer from the carrier")
    );
    world.tell(Input::Drain);
    world.run();
}

#[test]
fn a_wrong_password_is_tried_twice_and_then_left_alone() {
    let mut world = world(3);
    let mut plan = PhonePlan::answers_after(1.0).behind(Door::new(401, "business", "another"));
    plan.registrar = Some(Registrar::default());
    let carrier = world.phone(FIRST, plan);
    world.tell(Input::Tick);
    world.run_for(600.0);
    let door = &world.agents[&carrier].phone.door.as_ref().unwrap().log;
    assert_eq!(*door, ["REGISTER asked", "REGISTER asked"]);
    let state = world.registrations.last().unwrap();
    assert_eq!(
        state.problem.as_deref(),
        Some("the carrier does not take our user and password")
    );
    world.tell(Input::Drain);
    world.run();
}

#[test]
fn a_call_from_the_registrar_is_the_trunks_and_finds_the_number_in_to() {
    let mut world = world(4);
    let carrier = registrar(&mut world, FIRST, Registrar::default());
    world.tell(Input::Tick);
    world.run_for(2.0);
    let mut plan = CallerPlan::new("+14045550123").act(2.0, Act::Bye);
    plan.called = "business".into();
    plan.dialled_first = Some("+12125550177".into());
    // Its BYE and whatever else we ask is challenged by the same door, but not what it asks us.
    let caller: SocketAddr = "198.51.100.7:5080".parse().unwrap();
    world.call_from(caller, 0.0, plan);
    world.run_for(10.0);
    world.tell(Input::Drain);
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.record().trunk, "itsp");
    assert_eq!(world.record().called.reveal(), "+12125550177");
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    let _ = carrier;
}

#[test]
fn only_the_first_shard_registers() {
    let mut world = World::with_everything(one_desk(), 5, Policy::embedded(), Transport::Udp, (1, 2));
    world.tell(Input::Tick);
    world.run_for(10.0);
    assert_eq!(world.registrations, []);
}
