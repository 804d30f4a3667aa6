//! Where a call is sent: names, addresses that fail, redirections, and who is known to be down.

use std::sync::Arc;
use std::time::Duration;

use ringward::call::CallRecord;
use ringward::call::record::Ending;
use ringward::queue::{self, Decline, Redirects, Strategy};
use ringward::route::{Candidate, Cause, Change, Known, Located, Server, Service, State as Standing, Target};

use crate::agent::State;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::{World, one_desk, queue};

const CALLER: &str = "+14045550123";

fn talk(seconds: f64) -> CallerPlan {
    CallerPlan::new(CALLER).act(seconds, Act::Bye)
}

fn refuses(status: u16) -> PhonePlan {
    PhonePlan::with(Answer::Refuse(status, Duration::from_millis(30)))
}

fn dead() -> PhonePlan {
    PhonePlan::with(Answer::Dead)
}

/// One queue that rings a name with these addresses.
fn named(addresses: &[&str]) -> World {
    with_queue(
        queue("desk", Strategy::RingAll, &["sip:desk@pbx.example.com"]),
        addresses,
    )
}

fn with_queue(desk: queue::Config, addresses: &[&str]) -> World {
    let mut world = World::new(vec![desk], 1);
    let servers = addresses.iter().map(|address| format!("udp:{address}")).collect();
    world.zone.insert("pbx.example.com".into(), servers);
    world
}

/// The last record of each call, by arrival.
fn in_order(world: &World) -> Vec<&CallRecord> {
    let mut calls: Vec<&CallRecord> = world
        .records
        .values()
        .filter_map(|records| records.last())
        .collect();
    calls.sort_by_key(|call| call.started_ms);
    calls
}

const TWO: [&str; 2] = ["10.0.0.5:5060", "10.0.0.6:5060"];

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
    let mut world = World::over_tcp(
        vec![queue("desk", Strategy::RingAll, &["sip:desk@pbx.example.com"])],
        1,
    );
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

// Redirections.

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

// Probes.

fn probed() -> World {
    let mut desk = one_desk();
    desk[0].reach.probe = Some(Duration::from_secs(30));
    World::new(desk, 1)
}

fn probes(world: &World) -> usize {
    let options = world.asked_of.iter().filter(|(_, _, method)| method == "OPTIONS");
    options.count()
}

#[test]
fn a_probed_phone_is_asked_every_thirty_seconds_and_any_answer_will_do() {
    for status in [200, 404, 405, 481] {
        let mut world = probed();
        world.tell(ringward::call::Input::Tick);
        let phone = PhonePlan {
            options: status,
            ..PhonePlan::answers_after(1.0)
        };
        world.phone("10.0.0.5:5060", phone);
        world.run_for(300.0);
        assert!((9..=11).contains(&probes(&world)), "{}", probes(&world));
        assert!(world.standings.is_empty(), "{status}");
    }
}

#[test]
fn a_phone_that_goes_away_and_comes_back_is_seen_and_said_once_each() {
    let mut world = probed();
    world.tell(ringward::call::Input::Tick);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.run_for(120.0);
    world.agents.remove(&phone);
    world.run_for(240.0);
    assert_eq!(world.standings, ["udp:10.0.0.5:5060 unanswered"]);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.run_for(240.0);
    assert_eq!(
        world.standings,
        ["udp:10.0.0.5:5060 unanswered", "udp:10.0.0.5:5060 up"]
    );
    let calls = world.engine.live_calls();
    assert_eq!(calls, 0);
}

#[test]
fn a_phone_that_is_down_by_its_probes_is_rung_last() {
    let mut desk = queue(
        "desk",
        Strategy::InOrder,
        &["sip:anna@10.0.0.5:5060", "sip:ben@10.0.0.6:5060"],
    );
    desk.reach.probe = Some(Duration::from_secs(10));
    let mut world = World::new(vec![desk], 1);
    world.tell(ringward::call::Input::Tick);
    world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    world.run_for(60.0);
    assert_eq!(world.standings, ["udp:10.0.0.5:5060 unanswered"]);
    world.call(talk(1.0));
    world.run_for(60.0);
    let record = world.record();
    assert_eq!(record.attempts[0].target, "sip:ben@10.0.0.6:5060");
    assert!(
        record.timings.answered_ms.unwrap() < 1200,
        "no four seconds were lost"
    );
}

#[test]
fn only_the_first_shard_probes_and_the_others_hear_of_it() {
    let mut desk = one_desk();
    desk[0].reach.probe = Some(Duration::from_secs(10));
    let mut other = World::with_everything(
        desk,
        1,
        ringward::policy::Policy::embedded(),
        ringward::sip::Transport::Udp,
        (1, 2),
    );
    other.tell(ringward::call::Input::Tick);
    other.run_for(100.0);
    assert_eq!(probes(&other), 0);
}

#[test]
fn a_name_is_probed_at_every_address_it_has_from_the_moment_it_is_found() {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@pbx.example.com"]);
    desk.reach.probe = Some(Duration::from_secs(10));
    let mut world = with_queue(desk, &TWO);
    world.tell(ringward::call::Input::Tick);
    world.phone(TWO[1], PhonePlan::answers_after(1.0));
    world.run_for(30.0);
    assert_eq!(probes(&world), 0, "nobody knows yet where it is");
    world.locate("sip:pbx.example.com");
    world.run_for(60.0);
    assert_eq!(world.standings, ["udp:10.0.0.5:5060 unanswered"]);
    // The name moves: the old addresses are asked no more.
    world
        .zone
        .insert("pbx.example.com".into(), vec!["udp:10.0.0.7:5060".into()]);
    world.phone("10.0.0.7:5060", PhonePlan::answers_after(1.0));
    world.locate("sip:pbx.example.com");
    world.asked_of.clear();
    world.run_for(60.0);
    let asked = |address: &str| {
        let options = world.asked_of.iter().filter(|(_, _, method)| method == "OPTIONS");
        options.filter(|(to, ..)| to.to_string() == address).count()
    };
    assert_eq!(asked(TWO[1]), 0);
    let new = asked("10.0.0.7:5060");
    assert!((5..=7).contains(&new), "{new}");
}

#[test]
fn what_another_shard_found_out_counts_here() {
    let mut world = named(&TWO);
    let address = TWO[0].parse().unwrap();
    let transport = ringward::sip::Transport::Udp;
    let until = world.now().instant + Duration::from_secs(60);
    world.tell(ringward::call::Input::Standing(Change {
        candidate: Candidate { transport, address },
        state: Standing::Down {
            cause: Cause::Silent,
            until: Some(until),
        },
    }));
    let first = world.phone(TWO[0], PhonePlan::answers_after(1.0));
    let second = world.phone(TWO[1], PhonePlan::answers_after(1.0));
    world.call(talk(1.0));
    world.run();
    assert!(world.agents[&first].lines.is_empty());
    assert_eq!(world.agents[&second].lines.len(), 1);
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
