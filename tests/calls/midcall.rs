//! Requests inside a call: hold and resume, UPDATE, INFO, and what is not taken.

use std::net::SocketAddr;

use ringward::call::record::Ending;
use ringward::queue::Strategy;
use ringward::sip::{Flow, Transport};

use crate::agent::Agent;
use crate::hand::{Talk, talk};
use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::wire;
use crate::world::{GATEWAY, World, one_desk, queue};

const CALLER: &str = "+14045550123";

/// A caller who does this, and a phone that answers after a second.
fn world(plan: CallerPlan) -> (World, SocketAddr, SocketAddr) {
    let mut world = World::new(one_desk(), 3);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(plan);
    (world, caller, phone)
}

#[test]
fn hold_and_resume_cross_with_their_direction() {
    let plan = CallerPlan::new(CALLER)
        .act(2.0, Act::Hold)
        .act(4.0, Act::Resume)
        .act(6.0, Act::Bye);
    let (mut world, caller, phone) = world(plan);
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200, 100, 200, 100, 200]);
    assert_eq!(world.asked(phone), ["INVITE", "INVITE", "BYE"]);
    let received = &world.line(phone).received;
    assert_eq!(
        (received[0].direction(), received[1].direction()),
        ("sendonly", "sendrecv")
    );
    assert_eq!(received[0].audio().unwrap(), "10.0.0.1:20002");
    let answers: Vec<&str> = world
        .line(caller)
        .responses
        .iter()
        .filter(|r| r.has_sdp())
        .map(|r| r.direction())
        .collect();
    assert_eq!(answers, ["sendrecv", "recvonly", "sendrecv"]);
    assert_eq!(world.line(phone).acks.len(), 3);
}

#[test]
fn rfc_3311_5_2_an_update_that_is_never_answered_is_504_in_time_and_ends_the_call() {
    let plan = CallerPlan::new(CALLER).act(2.0, Act::Update);
    let (mut world, caller, phone) = world(plan);
    world.lose("UPDATE sip:phone@", 100);
    world.run();
    assert_eq!(world.heard(caller, "UPDATE"), [504]);
    assert_eq!(
        (world.asked(caller), world.asked(phone)),
        (vec!["BYE".into()], vec!["BYE".into()])
    );
    assert_eq!(world.ending(), (Ending::Failed, 200, "us"));
    let ended_ms = world.record().timings.ended_ms.unwrap();
    assert!((27_000..27_200).contains(&ended_ms), "{ended_ms}");
}

#[test]
fn rfc_4320_4_2_an_info_that_is_never_answered_is_504_and_the_call_goes_on() {
    let plan = CallerPlan::new(CALLER)
        .act(2.0, Act::Info("Signal=5".into()))
        .act(40.0, Act::Bye);
    let (mut world, caller, phone) = world(plan);
    world.lose("INFO sip:phone@", 100);
    world.run();
    assert_eq!(world.heard(caller, "INFO"), [504]);
    assert_eq!(world.asked(phone), ["BYE"]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_caller_that_connects_anew_is_reached_by_its_new_connection() {
    let desk = queue(
        "desk",
        Strategy::RingAll,
        &["sip:desk@10.0.0.5:5060;transport=tcp"],
    );
    let mut world = World::over_tcp(vec![desk], 3);
    let Talk {
        mut caller,
        mut phone,
        ..
    } = talk(&mut world, &[], &[]);
    let anew: SocketAddr = "203.0.113.7:6001".parse().unwrap();
    let gateway: SocketAddr = GATEWAY.parse().unwrap();
    let options = caller.request("OPTIONS", &[], None);
    world.send(anew, gateway, options);
    world.run_for(0.1);
    let over = |connection| Flow {
        transport: Transport::Tcp,
        connection: Some(connection),
        ..Flow::udp(gateway, anew)
    };
    // The old one may be closed when it is idle, the new one not.
    let is_needed = [6000, 6001].map(|connection| world.engine.needs(&over(connection)));
    assert_eq!(is_needed, [false, true]);
    world.ask(&mut phone, "BYE", &[], None);
    let bye = world.asked_of.iter().rfind(|(_, _, method)| method == "BYE");
    assert_eq!(bye.unwrap().1, Some(6001));
}

#[test]
fn the_phone_may_hold_too() {
    let mut world = World::new(one_desk(), 3);
    let plan = PhonePlan::answers_after(1.0)
        .act(2.0, Act::Hold)
        .act(4.0, Act::Resume)
        .act(6.0, Act::Bye);
    let phone = world.phone("10.0.0.5:5060", plan);
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.asked(caller), ["INVITE", "INVITE", "BYE"]);
    assert_eq!(world.line(caller).received[0].audio().unwrap(), "10.0.0.1:20000");
    assert_eq!(world.heard(phone, "INVITE"), [100, 200, 100, 200]);
}

#[test]
fn every_description_we_send_has_a_new_version() {
    let plan = CallerPlan::new(CALLER)
        .act(2.0, Act::Hold)
        .act(4.0, Act::Resume)
        .act(6.0, Act::Bye);
    let (mut world, _, phone) = world(plan);
    world.run();
    let origin = |message: &wire::Message| {
        let line = message
            .body
            .split("o=")
            .nth(1)
            .unwrap()
            .split("\r\n")
            .next()
            .unwrap()
            .to_string();
        let words: Vec<&str> = line.split(' ').collect();
        (words[1].to_string(), words[2].parse::<u64>().unwrap())
    };
    let line = world.line(phone);
    let versions: Vec<_> = [&line.invite, &line.received[0], &line.received[1]]
        .map(origin)
        .into();
    assert!(
        versions
            .windows(2)
            .all(|pair| pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1),
        "{versions:?}"
    );
}

#[test]
fn a_reinvite_without_description_asks_the_other_side_for_an_offer() {
    let plan = CallerPlan::new(CALLER)
        .act(2.0, Act::AskForOffer)
        .act(6.0, Act::Bye);
    let (mut world, caller, phone) = world(plan);
    world.run();
    assert!(!world.line(phone).received[0].has_sdp());
    assert_eq!(world.line(phone).acks[1].audio().unwrap(), "10.0.0.1:20002");
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200, 100, 200]);
}

#[test]
fn update_and_info_cross_with_their_bodies() {
    let plan = CallerPlan::new(CALLER)
        .act(2.0, Act::Update)
        .act(3.0, Act::Info("Signal=5\r\nDuration=160\r\n".into()))
        .act(6.0, Act::Bye);
    let (mut world, caller, phone) = world(plan);
    world.run();
    assert_eq!(world.asked(phone), ["UPDATE", "INFO", "BYE"]);
    assert_eq!(world.heard(caller, "UPDATE"), [200]);
    assert_eq!(world.heard(caller, "INFO"), [200]);
    let info = &world.line(phone).received[1];
    assert_eq!(
        (info.must("Content-Type"), info.body.as_str()),
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")
    );
    assert_eq!(world.line(phone).received[0].audio().unwrap(), "10.0.0.1:20002");
}

#[test]
fn an_info_too_large_stays_on_its_side() {
    let plan = CallerPlan::new(CALLER)
        .act(2.0, Act::Info("x".repeat(5000)))
        .act(6.0, Act::Bye);
    let (mut world, caller, phone) = world(plan);
    world.run();
    assert_eq!(world.asked(phone), ["BYE"]);
    assert_eq!(world.heard(caller, "INFO"), [413]);
}

#[test]
fn what_is_not_taken_is_refused_with_what_is() {
    for (method, status) in [
        ("REFER", 405),
        ("NOTIFY", 405),
        ("PUBLISH", 405),
        ("TELEPORT", 501),
        ("OPTIONS", 200),
    ] {
        let plan = CallerPlan::new(CALLER)
            .act(2.0, Act::Send(method))
            .act(6.0, Act::Bye);
        let (mut world, caller, phone) = world(plan);
        world.run();
        assert_eq!(world.heard(caller, method), [status]);
        assert_eq!(world.asked(phone), ["BYE"]);
        let answer = world
            .line(caller)
            .responses
            .iter()
            .find(|r| r.method() == method)
            .unwrap();
        assert_eq!(
            answer.must("Allow"),
            "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK"
        );
    }
}

#[test]
fn two_holds_that_cross_end_in_491_for_one_side_and_the_call_goes_on() {
    let mut world = World::new(one_desk(), 3);
    world.network.delay_ms = (10, 10);
    let phone = world.phone(
        "10.0.0.5:5060",
        PhonePlan::answers_after(1.0).act(2.03, Act::Hold),
    );
    let caller = world.call(CallerPlan::new(CALLER).act(2.015, Act::Hold).act(8.0, Act::Bye));
    world.run();
    let mut finals = [world.heard(phone, "INVITE"), world.heard(caller, "INVITE")].concat();
    finals.retain(|status| *status >= 200);
    finals.sort();
    assert_eq!(finals, [200, 200, 491]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn options_outside_a_call_says_what_we_take() {
    let mut world = World::new(one_desk(), 3);
    let trunk = "203.0.113.7:5060".parse().unwrap();
    world.agents.insert(
        trunk,
        Agent::new(trunk, GATEWAY.parse().unwrap(), PhonePlan::answers_after(0.0)),
    );
    let headers = [
        ("Via", format!("SIP/2.0/UDP {trunk};branch=z9hG4bKoptions")),
        ("Max-Forwards", "70".into()),
        ("From", "<sip:trunk@203.0.113.7>;tag=1".into()),
        ("To", format!("<sip:{GATEWAY}>")),
        ("Call-ID", "options-1".into()),
        ("CSeq", "1 OPTIONS".into()),
    ];
    let octets = wire::write(&format!("OPTIONS sip:{GATEWAY} SIP/2.0"), &headers, None);
    // Read by hand: the agent would call a response to nothing a fault.
    world.agents.remove(&trunk);
    world.send(trunk, GATEWAY.parse().unwrap(), octets);
    world.run_for(60.0);
    assert!(
        world.trace.iter().any(|line| line.contains("SIP/2.0 200 OK")),
        "{:?}",
        world.trace
    );
    assert_eq!(world.engine.live_parts(), Default::default());
}

#[test]
fn a_bye_for_no_call_is_481() {
    let mut world = World::new(one_desk(), 3);
    let trunk = "203.0.113.7:5060".parse().unwrap();
    let headers = [
        ("Via", format!("SIP/2.0/UDP {trunk};branch=z9hG4bKbye")),
        ("Max-Forwards", "70".into()),
        ("From", "<sip:trunk@203.0.113.7>;tag=1".into()),
        ("To", format!("<sip:{GATEWAY}>;tag=nobody")),
        ("Call-ID", "bye-1".into()),
        ("CSeq", "1 BYE".into()),
    ];
    world.send(
        trunk,
        GATEWAY.parse().unwrap(),
        wire::write(&format!("BYE sip:{GATEWAY} SIP/2.0"), &headers, None),
    );
    world.run_for(60.0);
    assert!(
        world.trace.iter().any(|line| line.contains("SIP/2.0 481")),
        "{:?}",
        world.trace
    );
}

#[test]
fn a_reinvite_that_is_refused_does_not_move_its_senders_address() {
    use crate::hand::talk;
    let mut world = World::new(one_desk(), 21);
    let mut talk = talk(&mut world, &[], &[]);
    // Both descriptions differ from the first ones, so that they cross.
    let offer = talk.caller.sdp(2).replace("sendrecv", "sendonly");
    for (status, target) in [
        (488, "sip:hand@203.0.113.7:6000"),
        (200, "sip:moved@203.0.113.7:6001"),
    ] {
        let request = talk.caller.request("INVITE", &[], Some(&offer));
        let request = String::from_utf8(request).unwrap();
        let request = request.replace("<sip:hand@203.0.113.7:6000>", "<sip:moved@203.0.113.7:6001>");
        world.say(&talk.caller, request.into_bytes());
        world.run_for(0.05);
        let crossed = world.one(&talk.phone, "INVITE");
        let answer = talk.phone.sdp(2).replace("sendrecv", "recvonly");
        world.answer(&talk.phone, &crossed, status, &[], Some(&answer));
        world.run_for(0.05);
        world.ask(&mut talk.caller, "ACK", &[], None);
        world.words(&talk.phone);
        world.came(&talk.caller);
        // An INFO of the phone goes where the caller is.
        world.ask(&mut talk.phone, "INFO", &[], None);
        let wanted = if status == 200 {
            "203.0.113.7:6001"
        } else {
            "203.0.113.7:6000"
        };
        let info = world.collected(wanted.parse().unwrap());
        let info = info.iter().find(|message| message.method() == "INFO");
        assert_eq!(info.expect("an INFO").request_uri(), target, "{status}");
    }
}
