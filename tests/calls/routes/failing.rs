//! Addresses that refuse, say nothing or answer too late: the next one is tried (RFC 3263 §4.3).

use std::net::SocketAddr;
use std::time::Duration;

use ringward::call::record::Ending;
use ringward::queue::Strategy;
use ringward::sip::{Flow, Transport, TransportFault};

use super::{CALLER, TWO, dead, in_order, named, refuses, talk, with_queue};
use crate::agent::State;
use crate::plan::{CallerPlan, PhonePlan};
use crate::world::{GATEWAY, World, queue};

#[test]
fn rfc_3263_4_3_a_503_is_for_the_next_address_with_the_same_request() {
    let mut world = named(&TWO);
    let first = world.phone(TWO[0], refuses(503));
    let second = world.phone(TWO[1], PhonePlan::answers_after(1.0));
    let caller = world.call(talk(2.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    let (one, other) = (world.rung(first), world.rung(second));
    for name in ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Contact"] {
        assert_eq!(one.must(name), other.must(name), "{name}");
    }
    assert_eq!(one.body, other.body);
    assert_ne!(one.branch(), other.branch(), "a transaction of its own");
    assert_eq!(world.count("failed over"), 1);
    let record = world.record();
    assert_eq!(record.attempts.len(), 1, "one phone was rung");
    assert_eq!(record.attempts[0].status, 200);
    let tries = &record.attempts[0].tries;
    assert_eq!(
        (tries[0].address.as_str(), tries[0].status),
        ("udp:10.0.0.5:5060", 503)
    );
    assert_eq!(world.standings, ["udp:10.0.0.5:5060 refused"]);
}

#[test]
fn rfc_3263_4_3_silence_is_for_the_next_address_after_four_seconds() {
    let mut world = named(&TWO);
    world.phone(TWO[0], dead());
    world.phone(TWO[1], PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    // A second call begins where the first is answered.
    world.call_after(6.0, talk(2.0));
    world.run();
    let calls = in_order(&world);
    let answered: Vec<u64> = calls
        .iter()
        .map(|call| call.timings.answered_ms.unwrap())
        .collect();
    assert!((5000..5200).contains(&answered[0]), "{answered:?}");
    assert!(answered[1] < 1200, "{answered:?}");
    assert_eq!(calls[0].attempts[0].tries[0].status, 408);
}

#[test]
fn rfc_3263_4_3_a_refused_connection_is_for_the_next_address_at_once() {
    let desk = queue("desk", Strategy::RingAll, &["sip:desk@pbx.example.com"]);
    let mut world = World::over_tcp(vec![desk], 1);
    let servers = TWO.map(|address| format!("tcp:{address}"));
    world.zone.insert("pbx.example.com".into(), servers.to_vec());
    world.refuses_connections.push(TWO[0].parse().unwrap());
    world.phone(TWO[1], PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert!(world.record().timings.answered_ms.unwrap() < 1300);
    assert_eq!(world.standings, ["tcp:10.0.0.5:5060 unreachable"]);
}

/// Two phones over TCP, one after the other.
fn over_tcp() -> World {
    let targets = TWO.map(|address| format!("sip:desk@{address};transport=tcp"));
    let targets = targets.each_ref().map(|target| target.as_str());
    World::over_tcp(vec![queue("desk", Strategy::InOrder, &targets)], 1)
}

/// The connection that this phone answers over has ended `ago`, and the shards hear of it now.
fn breaks(world: &mut World, phone: &str, ago: Duration) {
    let remote: SocketAddr = phone.parse().unwrap();
    let flow = Flow {
        transport: Transport::Tcp,
        connection: Some(u64::from(remote.port())),
        ..Flow::udp(GATEWAY.parse().unwrap(), remote)
    };
    let at = world.now().instant - ago;
    world.broken(flow, TransportFault::Closed, at);
}

#[test]
fn rfc_3261_13_2_2_4_a_phone_that_answers_after_its_connection_broke_is_acknowledged_and_hung_up() {
    let mut world = over_tcp();
    let stubborn = PhonePlan {
        ignores_cancel: true,
        ..PhonePlan::answers_after(3.0)
    };
    let lost = world.phone(TWO[0], stubborn);
    world.phone(TWO[1], PhonePlan::answers_after(4.0));
    let caller = world.call(talk(2.0));
    world.run_for(2.0);
    breaks(&mut world, TWO[0], Duration::ZERO);
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.asked(lost), ["CANCEL", "BYE"]);
    assert_eq!(world.line(lost).acks.len(), 1);
    assert_eq!(world.standings[0], "tcp:10.0.0.5:5060 unreachable");
}

#[test]
fn a_phone_whose_connection_broke_while_it_rang_is_told_to_stop() {
    let mut world = over_tcp();
    let lost = world.phone(TWO[0], PhonePlan::answers_after(3.0));
    world.phone(TWO[1], PhonePlan::answers_after(4.0));
    world.call(talk(2.0));
    world.run_for(2.0);
    breaks(&mut world, TWO[0], Duration::ZERO);
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.asked(lost), ["CANCEL"]);
}

#[test]
fn a_bye_on_a_connection_that_was_dead_goes_out_again_by_a_new_one() {
    let mut world = over_tcp();
    let phone = world.phone(TWO[0], PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    world.lose("BYE sip:phone@", 1);
    world.run_for(6.0);
    assert!(world.asked(phone).is_empty());
    breaks(&mut world, TWO[0], Duration::ZERO);
    world.run();
    assert_eq!(world.asked(phone), ["BYE"]);
}

#[test]
fn the_end_of_an_old_connection_does_not_fail_a_call_that_went_out_by_a_new_one() {
    let mut world = over_tcp();
    let phone = world.phone(TWO[0], PhonePlan::answers_after(3.0));
    let caller = world.call(talk(2.0));
    world.run_for(2.0);
    // It ended before this call began, and another shard's inbox was long.
    breaks(&mut world, TWO[0], Duration::from_secs(2));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(world.asked(phone), ["BYE"]);
    assert!(world.standings.is_empty());
}

#[test]
fn a_person_who_refuses_is_not_asked_again_by_another_way() {
    for status in [486, 480, 404, 500, 603] {
        let mut world = named(&TWO);
        world.phone(TWO[0], refuses(status));
        let second = world.phone(TWO[1], PhonePlan::answers_after(1.0));
        world.call(talk(2.0));
        world.run();
        assert!(world.agents[&second].lines.is_empty(), "{status}");
        assert_eq!(world.count("failed over"), 0);
        assert!(
            world.standings.is_empty(),
            "{status} is an answer: the address is up"
        );
    }
}

#[test]
fn when_every_address_is_dead_the_next_phone_of_the_queue_rings_in_time() {
    let desk = queue(
        "desk",
        Strategy::InOrder,
        &["sip:desk@pbx.example.com", "sip:mobile@10.0.0.9:5060"],
    );
    let mut world = with_queue(desk, &TWO);
    let mobile = world.phone("10.0.0.9:5060", PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    // By then it is known that the phone system is down: the next caller gets the mobile first.
    world.call_after(8.5, talk(2.0));
    world.run();
    let calls = in_order(&world);
    let answered: Vec<u64> = calls
        .iter()
        .map(|call| call.timings.answered_ms.unwrap())
        .collect();
    assert!(
        (9000..9300).contains(&answered[0]),
        "two times four seconds, and one: {answered:?}"
    );
    assert_eq!(calls[0].attempts[0].status, 408);
    assert_eq!(calls[1].attempts[0].target, "sip:mobile@10.0.0.9:5060");
    assert!(answered[1] < 1200, "{answered:?}");
    assert_eq!(world.agents[&mobile].lines.len(), 2);
}

#[test]
fn all_down_means_all_are_tried_all_the_same() {
    let mut world = named(&TWO);
    world.call(CallerPlan::new(CALLER));
    world.run_for(8.6);
    assert_eq!(
        world.standings.len(),
        2,
        "both are down by now; the phone system comes back"
    );
    world.phone(TWO[1], PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    world.run_for(400.0);
    assert_eq!(world.count("answered"), 1);
    assert_eq!(world.standings.last().unwrap(), "udp:10.0.0.6:5060 up");
}

#[test]
fn an_address_that_answers_late_rings_nobody_who_is_not_hung_up() {
    let mut world = named(&TWO);
    // Its first word comes after five seconds, when the next address already rings; then it answers.
    let slow = PhonePlan {
        rings_after: Duration::from_secs(5),
        ignores_cancel: true,
        ..PhonePlan::answers_after(6.0)
    };
    let slow = world.phone(TWO[0], slow);
    world.phone(TWO[1], PhonePlan::answers_after(3.0));
    let caller = world.call(talk(10.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(world.line(slow).state, State::Over);
    assert_eq!(world.asked(slow), ["CANCEL", "BYE"]);
}

#[test]
fn a_retry_after_keeps_calls_away_for_as_long_as_it_says() {
    let mut world = named(&TWO);
    let busy = PhonePlan {
        headers: vec![("Retry-After", "20 (restarting);duration=60".into())],
        ..refuses(503)
    };
    let first = world.phone(TWO[0], busy);
    world.phone(TWO[1], PhonePlan::answers_after(0.5));
    for _ in 0..3 {
        world.call(talk(1.0));
        world.run_for(8.0);
    }
    assert_eq!(world.agents[&first].lines.len(), 1, "at 0 s, and not at 8 and 16");
    world.call(talk(1.0));
    world.run_for(400.0);
    assert_eq!(
        world.agents[&first].lines.len(),
        2,
        "at 24 s it has its turn again"
    );
}
