//! Passwords on both sides: callers that prove who they are, and phones and carriers that ask us.

use std::net::SocketAddr;

use ringward::call::record::Ending;
use ringward::call::{HostCredentials, Input, TrunkConfig};
use ringward::digest::{Credentials, Secret};
use ringward::policy::Policy;
use ringward::queue::Strategy;

use crate::door::Door;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::wire;
use crate::world::{World, one_desk, queue};

fn credentials(user: &str, password: &str, realm: Option<&str>) -> Credentials {
    Credentials {
        user: user.into(),
        password: Secret::new(password),
        realm: realm.map(str::to_string),
    }
}

/// A trunk that calls from anywhere with its password, beside the ones known by address.
fn world_with_pbx(seed: u64, from: &[&str]) -> World {
    World::with_config(one_desk(), seed, Policy::embedded(), |config| {
        config.trunks.push(TrunkConfig {
            name: "pbx".into(),
            from: from.iter().map(|range| range.to_string()).collect(),
            credentials: Some(credentials("pbx", "correct horse", None)),
            is_challenged: true,
            ..TrunkConfig::default()
        });
    })
}

/// The phone at 10.0.0.5 asks us.
fn world_with_door(seed: u64, user: &str, realm: Option<&str>) -> World {
    World::with_config(one_desk(), seed, Policy::embedded(), |config| {
        config.credentials.push(HostCredentials {
            hosts: Vec::new(),
            addresses: vec!["10.0.0.5".parse().unwrap()],
            credentials: credentials(user, "battery staple", realm),
        });
    })
}

fn stranger() -> SocketAddr {
    "198.51.100.20:5062".parse().unwrap()
}

fn talk(seconds: f64) -> CallerPlan {
    CallerPlan::new("+14045550123").act(seconds, Act::Bye)
}

fn answering() -> PhonePlan {
    PhonePlan::answers_after(1.0)
}

#[test]
fn a_stranger_with_the_right_password_calls_as_its_trunk() {
    let mut world = world_with_pbx(1, &[]);
    let phone = world.phone("10.0.0.5:5060", answering());
    world.call_from(stranger(), 0.0, talk(2.0).login("pbx", "correct horse"));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.record().trunk, "pbx");
    assert_eq!(world.heard(stranger(), "INVITE"), [401, 100, 180, 200]);
    assert_eq!((world.count("challenged"), world.count("proven")), (1, 1));
    // Neither the proof nor the challenge crosses, and BYE needed no second one.
    assert_eq!(world.rung(phone).header("Authorization"), None);
    assert_eq!(world.heard(stranger(), "BYE"), [200]);
}

#[test]
fn a_lost_challenge_a_lost_proof_and_repeated_ones_make_one_call() {
    for (lost, count) in [
        ("SIP/2.0 401", 1),
        ("INVITE", 2),
        ("SIP/2.0 100", 2),
        ("SIP/2.0 200", 1),
        ("ACK", 2),
    ] {
        let mut world = world_with_pbx(2, &[]);
        world.phone("10.0.0.5:5060", answering());
        world.lose(lost, count);
        world.call_from(stranger(), 0.0, talk(2.0).login("pbx", "correct horse"));
        world.run();
        assert_eq!(world.ending(), (Ending::Completed, 200, "caller"), "{lost}");
        assert_eq!(
            world.count("proof stale"),
            0,
            "a repeated proof is the same request: {lost}"
        );
    }
}

#[test]
fn who_proves_nothing_leaves_nothing_and_rings_nobody() {
    for plan in [
        talk(1.0),
        talk(1.0).login("pbx", "wrong"),
        talk(1.0).login("nobody", "x"),
    ] {
        let mut world = world_with_pbx(3, &[]);
        let phone = world.phone("10.0.0.5:5060", answering());
        let has_login = plan.login.is_some();
        world.call_from(stranger(), 0.0, plan);
        world.run_for(0.2);
        assert_eq!(
            world.engine.live_parts().transactions,
            0,
            "no state for a stranger"
        );
        world.run();
        assert!(world.records.is_empty() && world.agents[&phone].lines.is_empty());
        assert_eq!(
            world.heard(stranger(), "INVITE"),
            if has_login { vec![401, 401] } else { vec![401] }
        );
        assert_eq!(world.count("proof wrong"), u64::from(has_login));
    }
}

#[test]
fn a_stranger_is_asked_strongest_algorithm_first_and_only_for_calls() {
    let mut world = world_with_pbx(4, &[]);
    world.call_from(stranger(), 0.0, talk(1.0));
    world.run();
    let challenge = world.line(stranger()).responses[0].clone();
    let algorithms: Vec<_> = challenge
        .all("WWW-Authenticate")
        .map(|line| {
            line.split("algorithm=")
                .nth(1)
                .unwrap()
                .split(',')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(algorithms, ["SHA-512-256", "SHA-256", "MD5"]);
    for method in [
        "REGISTER",
        "SUBSCRIBE",
        "MESSAGE",
        "BYE",
        "CANCEL",
        "ACK",
        "REFER",
        "UPDATE",
    ] {
        let mut world = world_with_pbx(4, &[]);
        send(&mut world, method, "");
        assert_eq!(world.asked_of, [], "{method} of a stranger gets no answer");
        assert_eq!(world.count("unknown source"), 1, "{method}");
    }
    let mut world = world_with_pbx(4, &[]);
    send(&mut world, "OPTIONS", "");
    assert_eq!(world.asked_of.len(), 1);
    // A tag that is none of ours is not asked about: it gets nothing.
    let mut world = world_with_pbx(4, &[]);
    send(&mut world, "INVITE", ";tag=0123456789abcdef");
    assert_eq!(world.asked_of, []);
}

fn send(world: &mut World, method: &str, to_tag: &str) {
    let headers = [
        ("Via", format!("SIP/2.0/UDP {};branch=z9hG4bK1;rport", stranger())),
        ("Max-Forwards", "70".into()),
        ("From", "<sip:x@198.51.100.20>;tag=1".into()),
        ("To", format!("<sip:y@10.0.0.1>{to_tag}")),
        ("Call-ID", "scan".into()),
        ("CSeq", format!("1 {method}")),
        ("Contact", "<sip:x@198.51.100.20>".into()),
    ];
    let octets = wire::write(&format!("{method} sip:y@10.0.0.1 SIP/2.0"), &headers, None);
    world.send(stranger(), "10.0.0.1:5060".parse().unwrap(), octets);
    world.run_for(100.0);
}

#[test]
fn without_a_trunk_that_has_a_password_a_stranger_gets_no_answer() {
    let mut world = World::new(one_desk(), 5);
    send(&mut world, "OPTIONS", "");
    assert_eq!(world.asked_of, []);
    // With one that has addresses too, only those are asked.
    let mut world = world_with_pbx(5, &["192.0.2.0/24"]);
    send(&mut world, "OPTIONS", "");
    assert_eq!((world.asked_of.len(), world.count("unknown source")), (0, 1));
}

#[test]
fn an_address_and_a_password_are_both_needed_where_both_are_configured() {
    let mut world = world_with_pbx(6, &["198.51.100.0/24"]);
    world.phone("10.0.0.5:5060", answering());
    world.call_from(stranger(), 0.0, talk(1.0).login("pbx", "correct horse"));
    world.run();
    assert_eq!((world.record().trunk.as_str(), world.count("proven")), ("pbx", 1));
    // Another trunk's password lets nobody else's address in.
    let mut world = World::with_config(one_desk(), 6, Policy::embedded(), |config| {
        for (name, range) in [("pbx", "192.0.2.0/24"), ("branch", "198.51.100.0/24")] {
            config.trunks.push(TrunkConfig {
                name: name.into(),
                from: vec![range.into()],
                credentials: Some(credentials(name, "correct horse", None)),
                is_challenged: true,
                ..TrunkConfig::default()
            });
        }
    });
    world.call_from(stranger(), 0.0, talk(1.0).login("pbx", "correct horse"));
    world.run_for(40.0);
    assert_eq!((world.count("proven"), world.count("proof wrong") > 0), (0, true));
}

#[test]
fn a_trunk_known_by_its_address_is_never_asked() {
    let mut world = world_with_pbx(7, &[]);
    world.phone("10.0.0.5:5060", answering());
    let caller = world.call(talk(1.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(
        (world.record().trunk.as_str(), world.count("challenged")),
        ("carrier", 0)
    );
}

#[test]
fn a_stranger_that_was_let_in_may_cancel_hold_and_be_hung_up() {
    let mut world = world_with_pbx(8, &[]);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Never));
    let plan = talk(1.0).login("pbx", "correct horse").gives_up_after(2.0);
    world.call_from(stranger(), 0.0, plan);
    world.run();
    assert_eq!(world.ending(), (Ending::Cancelled, 487, "caller"));
    assert_eq!(world.asked(phone), ["CANCEL"]);

    let mut world = world_with_pbx(8, &[]);
    world.phone("10.0.0.5:5060", answering().act(3.0, Act::Bye));
    let plan = CallerPlan::new("+14045550123")
        .act(1.0, Act::Hold)
        .act(2.0, Act::Resume);
    world.call_from(stranger(), 0.0, plan.login("pbx", "correct horse"));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "called"));
    assert_eq!(world.asked(stranger()), ["BYE"]);
    assert_eq!(world.count("challenged"), 1, "only once");
}

#[test]
fn a_flood_of_strangers_takes_no_room_and_stops_being_answered() {
    let mut world = world_with_pbx(9, &[]);
    for n in 0..300 {
        let mut plan = talk(1.0);
        plan.call_id = Some(format!("flood-{n}"));
        let address = SocketAddr::new(stranger().ip(), 20_000 + n);
        world.call_from(address, 0.0, plan);
    }
    world.run_for(0.3);
    assert_eq!(world.engine.live_parts().transactions, 0);
    assert_eq!(
        (world.count("challenged"), world.count("stranger ignored")),
        (100, 200)
    );
}

#[test]
fn a_phone_that_asks_for_a_password_is_answered_and_the_call_goes_on() {
    for (status, is_stale_once) in [(401, false), (407, false), (401, true), (407, true)] {
        let mut world = world_with_door(10, "desk", None);
        let mut door = Door::new(status, "desk", "battery staple");
        door.is_stale_once = is_stale_once;
        let phone = world.phone("10.0.0.5:5060", answering().behind(door));
        let caller = world.call(talk(2.0));
        world.run();
        assert_eq!(world.ending(), (Ending::Completed, 200, "caller"), "{status}");
        assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
        let line = world.line(phone);
        // One call, whatever it took: the same Call-ID and tag, the next CSeq, a branch of its own.
        assert_eq!(line.invite.cseq(), if is_stale_once { 3 } else { 2 });
        assert_eq!(line.acks.len(), 1 + usize::from(false));
        let name = if status == 401 {
            "Authorization"
        } else {
            "Proxy-Authorization"
        };
        assert_eq!(
            line.acks[0].header(name),
            line.invite.header(name),
            "RFC 3261 §13.2.2.4"
        );
        let log = &world.agents[&phone].phone.door.as_ref().unwrap().log;
        let invites: &[&str] = match is_stale_once {
            true => &["INVITE asked", "INVITE stale", "INVITE let in"],
            false => &["INVITE asked", "INVITE let in"],
        };
        assert_eq!(log[..invites.len()], *invites);
        assert_eq!(log[invites.len()..], ["BYE asked", "BYE let in"]);
        assert_eq!(world.record().attempts.len(), 1);
    }
}

#[test]
fn requests_inside_the_call_are_proven_too_and_their_numbers_go_up() {
    let mut world = world_with_door(11, "desk", None);
    let phone = world.phone(
        "10.0.0.5:5060",
        answering().behind(Door::new(407, "desk", "battery staple")),
    );
    let plan = CallerPlan::new("+14045550123")
        .act(1.0, Act::Hold)
        .act(2.0, Act::Info("Signal=1".into()))
        .act(3.0, Act::Resume)
        .act(4.0, Act::Bye);
    let caller = world.call(plan);
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let numbers: Vec<_> = world
        .line(phone)
        .received
        .iter()
        .map(|request| (request.cseq(), request.method().to_string()))
        .collect();
    let expected = [(4, "INVITE"), (6, "INFO"), (8, "INVITE"), (10, "BYE")];
    assert_eq!(
        numbers,
        expected.map(|(number, method)| (number, method.to_string()))
    );
    assert_eq!(world.heard(caller, "INFO"), [200]);
}

#[test]
fn a_wrong_password_a_foreign_realm_and_no_password_count_as_a_refusal() {
    let doors = |user: &'static str, realm: Option<&'static str>| world_with_door(12, user, realm);
    for (mut world, asked) in [
        (doors("desk", Some("other.example")), 1),
        (doors("wrong", None), 2),
        (World::new(one_desk(), 12), 1),
    ] {
        let phone = world.phone(
            "10.0.0.5:5060",
            answering().behind(Door::new(401, "desk", "battery staple")),
        );
        let caller = world.call(talk(1.0));
        world.run();
        let log = &world.agents[&phone].phone.door.as_ref().unwrap().log;
        assert_eq!(*log, vec!["INVITE asked"; asked]);
        assert_eq!(world.ending().0, Ending::NoAnswer);
        let heard = world.heard(caller, "INVITE");
        assert!(
            !heard.contains(&401),
            "the caller is not asked for our password: {heard:?}"
        );
    }
}

#[test]
fn a_phone_that_calls_everything_stale_is_not_tried_for_ever() {
    let mut world = world_with_door(13, "desk", None);
    let mut door = Door::new(401, "desk", "battery staple");
    door.is_broken = true;
    let phone = world.phone("10.0.0.5:5060", answering().behind(door));
    world.call(talk(1.0));
    world.run();
    let log = &world.agents[&phone].phone.door.as_ref().unwrap().log;
    assert_eq!(log.len(), 3, "asked, answered, answered once more: {log:?}");
    assert_eq!(world.ending().0, Ending::NoAnswer);
}

#[test]
fn a_caller_that_gives_up_while_we_prove_ourselves_rings_nobody() {
    let mut world = world_with_door(14, "desk", None);
    world.network.delay_ms = (400, 400);
    let plan = PhonePlan::with(Answer::Never).behind(Door::new(401, "desk", "battery staple"));
    let phone = world.phone("10.0.0.5:5060", plan);
    let plan = talk(1.0).gives_up_after(1.3);
    world.call(plan);
    world.run();
    assert_eq!(world.ending(), (Ending::Cancelled, 487, "caller"));
    assert!(
        world.agents[&phone]
            .lines
            .values()
            .all(|line| line.state == crate::agent::State::Over)
    );
}

/// Whether a phone that asks is proven to: the target is that URI, and the credentials are for the host of this name, which
/// was there and then there.
fn is_proven_by_name(target: &str, host: &str, seen: &[&str]) -> bool {
    let queues = vec![queue("desk", Strategy::RingAll, &[target])];
    let mut world = World::with_config(queues, 19, Policy::embedded(), |config| {
        config.credentials.push(HostCredentials {
            hosts: vec![host.into()],
            addresses: Vec::new(),
            credentials: credentials("desk", "battery staple", None),
        });
    });
    let at = vec!["udp:10.0.0.5:5060".to_string()];
    world.zone.insert("pbx.example".into(), at);
    let phone = world.phone(
        "10.0.0.5:5060",
        answering().behind(Door::new(401, "desk", "battery staple")),
    );
    for address in seen {
        let addresses = (address.split(' ').filter(|one| !one.is_empty()))
            .map(|one| one.parse().unwrap())
            .collect();
        let host = host.into();
        world.tell(Input::LoginHost { host, addresses });
    }
    world.call(talk(2.0));
    world.run();
    let log = &world.agents[&phone].phone.door.as_ref().unwrap().log;
    assert_eq!(log[0], "INVITE asked");
    log.iter().any(|line| line == "INVITE let in")
}

#[test]
fn a_host_with_a_name_is_proven_to_by_that_name_and_wherever_it_is_now() {
    let (named, literal) = ("sip:desk@PBX.example", "sip:desk@10.0.0.5:5060");
    for (target, host, seen, expected) in [
        (named, "pbx.example", &[][..], true),
        (named, "other.example", &[], false),
        // The name stands there, and the request goes elsewhere.
        ("sip:desk@pbx.example;maddr=10.0.0.5", "pbx.example", &[], false),
        (literal, "pbx.example", &[], false),
        (literal, "pbx.example", &["10.0.0.5"], true),
        (literal, "pbx.example", &["10.0.0.9", "10.0.0.9 10.0.0.5"], true),
        // It has moved away: whoever is there now gets no proof of ours.
        (literal, "pbx.example", &["10.0.0.5", "10.0.0.9"], false),
        // A name service that says nothing says nothing new.
        (literal, "pbx.example", &["10.0.0.5", ""], true),
    ] {
        assert_eq!(
            is_proven_by_name(target, host, seen),
            expected,
            "{target} {host} {seen:?}"
        );
    }
}

#[test]
fn a_probe_is_proven_too() {
    let mut desk = one_desk();
    desk[0].reach.probe = Some(std::time::Duration::from_secs(30));
    let mut world = World::with_config(desk, 15, Policy::embedded(), |config| {
        config.credentials.push(HostCredentials {
            hosts: Vec::new(),
            addresses: vec!["10.0.0.5".parse().unwrap()],
            credentials: credentials("desk", "battery staple", None),
        });
    });
    let phone = world.phone(
        "10.0.0.5:5060",
        answering().behind(Door::new(401, "desk", "battery staple")),
    );
    world.locate("sip:desk@10.0.0.5:5060");
    world.run_for(65.0);
    let log = &world.agents[&phone].phone.door.as_ref().unwrap().log;
    assert!(log.len() >= 4, "{log:?}");
    for pair in log.chunks_exact(2) {
        assert_eq!(pair, ["OPTIONS asked", "OPTIONS let in"]);
    }
}

#[test]
fn the_bye_to_an_answer_that_crossed_our_cancel_is_proven_too() {
    let mut world = world_with_door(16, "desk", None);
    let mut plan = PhonePlan::answers_after(2.0).behind(Door::new(407, "desk", "battery staple"));
    plan.ignores_cancel = true;
    let phone = world.phone("10.0.0.5:5060", plan);
    world.call(talk(1.0).gives_up_after(1.0));
    world.run();
    let log = &world.agents[&phone].phone.door.as_ref().unwrap().log;
    assert_eq!(log[log.len() - 2..], ["BYE asked", "BYE let in"], "{log:?}");
}

#[test]
fn notifies_of_a_transfer_are_proven_too() {
    let mut world = World::with_config(
        crate::transfers::three_queues(),
        17,
        Policy::embedded(),
        |config| {
            config.credentials.push(HostCredentials {
                hosts: Vec::new(),
                addresses: vec!["10.0.0.5".parse().unwrap()],
                credentials: credentials("desk", "battery staple", None),
            });
        },
    );
    let door = Door::new(401, "desk", "battery staple");
    let plan = crate::transfers::refers("sip:101@10.0.0.1:5060").behind(door);
    let phone = world.phone("10.0.0.5:5060", plan);
    world.phone("10.0.0.6:5060", answering());
    world.call(talk(20.0));
    world.run();
    let log = &world.agents[&phone].phone.door.as_ref().unwrap().log;
    let expected = ["INVITE", "NOTIFY", "NOTIFY", "NOTIFY", "BYE"];
    let expected: Vec<String> = expected
        .iter()
        .flat_map(|method| [format!("{method} asked"), format!("{method} let in")])
        .collect();
    assert_eq!(*log, expected);
    assert_eq!(world.record().answered_by.as_deref(), Some("sales"));
}

#[test]
fn a_prack_is_proven_too_and_what_follows_counts_on() {
    use crate::hand::Hand;
    let mut world = world_with_door(18, "desk", None);
    let sdp = wire::sdp("203.0.113.7:6000".parse().unwrap(), 1, "sendrecv");
    let mut caller = Hand::calls(&mut world, &[], Some(&sdp));
    let phone = Hand::is_rung(&mut world);
    let sdp = phone.sdp(1);
    let ringing = phone.response(
        &phone.invite,
        183,
        &[("Require", "100rel"), ("RSeq", "7")],
        Some(&sdp),
    );
    world.say(&phone, ringing);
    world.run_for(0.1);
    let prack = world.one(&phone, "PRACK");
    let challenge = "Digest realm=\"carrier.example\",nonce=\"n\",algorithm=MD5,qop=\"auth\"";
    world.answer(&phone, &prack, 401, &[("WWW-Authenticate", challenge)], None);
    world.run_for(0.1);
    let again = world.one(&phone, "PRACK");
    assert!(again.must("Authorization").contains("uri="), "with credentials");
    assert_eq!(again.must("RAck"), prack.must("RAck"));
    assert_eq!(again.cseq(), prack.cseq() + 1);
    world.answer(&phone, &again, 200, &[], None);
    let answer = phone.response(&phone.invite, 200, &[], Some(&sdp));
    world.say(&phone, answer);
    world.run_for(0.1);
    assert_eq!(world.words(&phone), ["ACK"]);
    let answer = world.came(&caller).pop().unwrap();
    caller.learn(&answer);
    world.ask(&mut caller, "ACK", &[], None);
    world.ask(&mut caller, "BYE", &[], None);
    world.run_for(0.1);
    let bye = world.one(&phone, "BYE");
    assert_eq!(bye.cseq(), again.cseq() + 1);
    world.answer(&phone, &bye, 200, &[], None);
    world.run_for(400.0);
    world.check();
}
