//! Names: looked up once for all who wait, and the weights of their addresses.

use std::sync::Arc;
use std::time::Duration;

use ringward::call::record::Ending;
use ringward::queue::Strategy;
use ringward::route::{Known, Located, Server, Service, Target};

use super::{CALLER, TWO, named, talk};
use crate::plan::{CallerPlan, PhonePlan};
use crate::world::{World, queue};

#[test]
fn a_name_is_looked_up_once_and_the_call_waits_for_it() {
    let mut world = named(&TWO[..1]);
    let phone = world.phone(TWO[0], PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    world.run();
    assert_eq!(world.asked_where, ["sip:pbx.example.com"]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let invite = world.rung(phone);
    assert_eq!(
        invite.request_uri(),
        "sip:desk@pbx.example.com",
        "the name stays in the Request-URI"
    );
    assert_eq!(world.record().answered_by.as_deref(), Some("desk"));
}

#[test]
fn what_was_looked_up_before_makes_no_call_wait() {
    let mut world = named(&TWO[..1]);
    world.locate("sip:pbx.example.com");
    world.phone(TWO[0], PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    world.run();
    assert!(world.asked_where.is_empty());
    assert!(world.record().timings.ringing_ms.unwrap() < 60);
}

#[test]
fn many_calls_wait_for_one_answer() {
    let mut world = named(&TWO[..1]);
    world.zone_delay = Duration::from_millis(500);
    world.phone(TWO[0], PhonePlan::answers_after(1.0));
    for _ in 0..5 {
        world.call(talk(2.0));
    }
    world.run();
    assert_eq!(world.asked_where.len(), 1);
    assert_eq!(world.count("answered"), 5);
}

#[test]
fn a_name_that_does_not_exist_is_no_phone_and_the_others_ring() {
    let desk = queue(
        "desk",
        Strategy::RingAll,
        &["sip:desk@gone.example.com", "sip:desk@10.0.0.5:5060"],
    );
    let mut world = World::new(vec![desk], 1);
    world.phone(TWO[0], PhonePlan::answers_after(1.0));
    world.call(talk(1.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.record().attempts[0].status, 503);
}

#[test]
fn a_name_service_that_never_answers_costs_four_seconds_and_not_the_call() {
    let desk = queue(
        "desk",
        Strategy::InOrder,
        &["sip:desk@pbx.example.com", "sip:desk@10.0.0.5:5060"],
    );
    let mut world = World::new(vec![desk], 1);
    world.zone_delay = Duration::from_secs(100);
    let phone = world.phone(TWO[0], PhonePlan::answers_after(0.5));
    world.call(talk(1.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let answered = world.record().timings.answered_ms.unwrap();
    assert!((4500..4700).contains(&answered), "{answered}");
    assert_eq!(world.asked(phone), ["BYE"]);
}

#[test]
fn a_caller_who_gives_up_while_a_name_is_looked_up_leaves_nothing_behind() {
    let mut world = named(&TWO[..1]);
    world.zone_delay = Duration::from_secs(3);
    world.phone(TWO[0], PhonePlan::answers_after(1.0));
    world.call(CallerPlan::new(CALLER).gives_up_after(0.1));
    world.run();
    assert_eq!(world.ending(), (Ending::Cancelled, 487, "caller"));
}

#[test]
fn weights_of_srv_spread_the_calls() {
    let mut world = named(&[]);
    let located = Located {
        services: vec![Service {
            transport: ringward::sip::Transport::Udp,
            servers: [(TWO[0], 80), (TWO[1], 20)]
                .map(|(address, weight)| {
                    let address: std::net::SocketAddr = address.parse().unwrap();
                    Server {
                        priority: 1,
                        weight,
                        port: address.port(),
                        addresses: vec![address.ip()],
                    }
                })
                .into(),
        }],
        ttl: Duration::from_secs(3600),
    };
    let target = Target::of(&ringward::sip::Uri::parse("sip:pbx.example.com").unwrap()).unwrap();
    let until = world.now().instant + located.ttl;
    world.tell(ringward::call::Input::Resolved(Box::new(Known {
        target,
        located: Some(Arc::new(located)),
        until,
        is_failed: false,
    })));
    let phones = TWO.map(|address| world.phone(address, PhonePlan::answers_after(0.5)));
    for n in 0..200 {
        world.call_after(f64::from(n) / 10.0, talk(0.5));
    }
    world.run();
    let taken = phones.map(|phone| world.agents[&phone].lines.len());
    assert_eq!(taken[0] + taken[1], 200);
    assert!((140..=180).contains(&taken[0]), "80 of a hundred: {taken:?}");
}
