//! Phones ring, answer, refuse, or are not there.

use std::time::Duration;

use ringward::call::record::Ending;
use ringward::queue::{Overflow, Strategy};

use crate::agent::State;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::{World, one_desk, queue};

const CALLER: &str = "+14045550123";

fn talk(seconds: f64) -> CallerPlan {
    CallerPlan::new(CALLER).act(seconds, Act::Bye)
}

#[test]
fn a_call_is_answered_talks_and_ends() {
    let mut world = World::new(one_desk(), 1);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(3.0));
    let caller = world.call(talk(10.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(world.heard(caller, "BYE"), [200]);
    assert_eq!(world.asked(phone), ["BYE"]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let record = world.record();
    assert_eq!(record.answered_by.as_deref(), Some("desk"));
    let timings = record.timings;
    assert!(
        timings.ringing_ms.unwrap() < 100 && timings.answered_ms.unwrap() >= 3000,
        "{timings:?}"
    );
    assert!(timings.ended_ms.unwrap() >= 13_000, "{timings:?}");
    assert_eq!(world.count("answered"), 1);
}

#[test]
fn descriptions_are_anchored_on_our_own_address_on_both_legs() {
    let mut world = World::new(one_desk(), 1);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(talk(1.0));
    world.run();
    assert_eq!(world.rung(phone).audio().unwrap(), "10.0.0.1:20002");
    let answer = world
        .line(caller)
        .responses
        .iter()
        .find(|r| r.status() == Some(200) && r.has_sdp())
        .unwrap();
    assert_eq!(answer.audio().unwrap(), "10.0.0.1:20000");
    let described = &world.media.values().next().unwrap().described;
    assert_eq!(described[0].1.to_string(), "203.0.113.7:11001");
    assert_eq!(described[1].1.to_string(), "10.0.0.5:6060");
}

#[test]
fn the_called_side_may_hang_up() {
    let mut world = World::new(one_desk(), 1);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0).act(5.0, Act::Bye));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.asked(caller), ["BYE"]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "called"));
}

#[test]
fn a_phone_that_never_answers_leads_to_480_after_the_ring_time() {
    let mut world = World::new(one_desk(), 1);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Never));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 480]);
    assert_eq!(world.asked(phone), ["CANCEL"]);
    assert_eq!(world.ending(), (Ending::NoAnswer, 480, "called"));
    assert_eq!(world.record().attempts[0].status, 408);
}

#[test]
fn a_phone_that_is_not_there_leads_to_480_and_leaks_nothing() {
    let mut world = World::new(one_desk(), 1);
    world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Dead));
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 480]);
}

#[test]
fn a_phone_that_rings_in_vain_overflows_to_the_next_queue() {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@10.0.0.5:5060"]);
    desk.overflow = Overflow::Queue("night".into());
    let mut night = queue("night", Strategy::RingAll, &["sip:night@10.0.0.6:5060"]);
    night.numbers.clear();
    let mut world = World::new(vec![desk, night], 1);
    world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Never));
    let night = world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.record().queue.as_deref(), Some("night"));
    assert_eq!(world.asked(night), ["BYE"]);
    assert!(world.record().timings.answered_ms.unwrap() >= 21_000);
}

#[test]
fn a_phone_that_says_nothing_at_all_does_not_eat_the_time_for_ringing() {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@10.0.0.5:5060"]);
    desk.overflow = Overflow::Queue("night".into());
    let mut night = queue("night", Strategy::RingAll, &["sip:night@10.0.0.6:5060"]);
    night.numbers.clear();
    let mut world = World::new(vec![desk, night], 1);
    world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Dead));
    world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    world.call(talk(2.0));
    world.run();
    let answered = world.record().timings.answered_ms.unwrap();
    assert!((5000..5200).contains(&answered), "{answered}");
}

#[test]
fn when_the_phone_is_busy_the_caller_hears_busy() {
    let mut world = World::new(one_desk(), 1);
    world.phone(
        "10.0.0.5:5060",
        PhonePlan::with(Answer::Refuse(486, Duration::from_millis(30))),
    );
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 486]);
    assert_eq!(world.ending(), (Ending::NoAnswer, 486, "called"));
}

#[test]
fn ring_all_rings_everybody_and_tells_the_losers_why() {
    let targets = [
        "sip:a@10.0.0.5:5060",
        "sip:b@10.0.0.6:5060",
        "sip:c@10.0.0.7:5060",
    ];
    let mut world = World::new(vec![queue("desk", Strategy::RingAll, &targets)], 1);
    let a = world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Never));
    let b = world.phone("10.0.0.6:5060", PhonePlan::answers_after(2.0));
    let c = world.phone("10.0.0.7:5060", PhonePlan::with(Answer::Never));
    let caller = world.call(talk(2.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    for loser in [a, c] {
        assert_eq!(world.asked(loser), ["CANCEL"]);
        let reason = world.line(loser).received[0].must("Reason");
        assert_eq!(reason, "SIP;cause=200;text=\"Call completed elsewhere\"");
    }
    assert_eq!(world.asked(b), ["BYE"]);
    let statuses: Vec<u16> = world
        .record()
        .attempts
        .iter()
        .map(|attempt| attempt.status)
        .collect();
    assert_eq!(statuses, [487, 200, 487]);
}

#[test]
fn two_answers_at_once_leave_one_talking_and_the_other_hung_up() {
    let targets = ["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"];
    let mut world = World::new(vec![queue("desk", Strategy::RingAll, &targets)], 1);
    let a = world.phone("10.0.0.5:5060", PhonePlan::answers_after(2.0));
    let b = world.phone("10.0.0.6:5060", PhonePlan::answers_after(2.0));
    let caller = world.call(talk(5.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!((world.line(a).acks.len(), world.line(b).acks.len()), (1, 1));
    let mut asked = [world.asked(a), world.asked(b)];
    asked.sort();
    assert_eq!(asked, [vec!["BYE"], vec!["CANCEL", "BYE"]]);
}

#[test]
fn in_order_rings_one_after_the_other() {
    let targets = ["sip:a@10.0.0.5:5060", "sip:b@10.0.0.6:5060"];
    let mut desk = queue("desk", Strategy::InOrder, &targets);
    desk.ring = Duration::from_secs(5);
    let mut world = World::new(vec![desk], 1);
    let a = world.phone("10.0.0.5:5060", PhonePlan::with(Answer::Never));
    let b = world.phone("10.0.0.6:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(talk(2.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
    assert_eq!(world.asked(a), ["CANCEL"]);
    assert_eq!(world.asked(b), ["BYE"]);
    let attempts = &world.record().attempts;
    assert!(
        attempts[1].at_ms >= 5000 && attempts[1].at_ms < 5200,
        "{attempts:?}"
    );
}

#[test]
fn early_media_of_a_single_phone_reaches_the_caller() {
    let mut world = World::new(one_desk(), 1);
    let plan = PhonePlan {
        has_early_media: true,
        ..PhonePlan::answers_after(2.0)
    };
    world.phone("10.0.0.5:5060", plan);
    let caller = world.call(talk(2.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 183, 200]);
    let bodies: Vec<&str> = world
        .line(caller)
        .responses
        .iter()
        .filter(|r| r.has_sdp())
        .map(|r| r.body.as_str())
        .collect();
    assert_eq!(bodies[0], bodies[1], "the answer of a dialog is said once");
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut world = World::new(one_desk(), 1);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan {
        has_offer: false,
        ..talk(3.0)
    });
    world.run();
    assert!(!world.rung(phone).has_sdp());
    assert_eq!(world.line(phone).acks[0].audio().unwrap(), "10.0.0.1:20002");
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(world.heard(caller, "INVITE"), [100, 180, 200]);
}

#[test]
fn a_number_without_a_queue_is_404_and_has_a_record() {
    let mut desk = queue("desk", Strategy::RingAll, &["sip:desk@10.0.0.5:5060"]);
    desk.numbers = vec!["+12125550199".into()];
    let mut world = World::new(vec![desk], 1);
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 404]);
    assert_eq!(world.ending(), (Ending::Failed, 404, "us"));
}

#[test]
fn without_a_media_port_the_caller_hears_503() {
    let mut world = World::new(one_desk(), 1);
    world.helpers.has_ports = false;
    let caller = world.call(CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE"), [100, 503]);
    assert_eq!(
        world.record().outcome.as_ref().unwrap().note.as_deref(),
        Some("no media port left")
    );
}

#[test]
fn an_unknown_source_is_dropped_without_state() {
    let mut world = World::new(one_desk(), 1);
    let stranger = "198.51.100.9:5060".parse().unwrap();
    world.call_from(stranger, 0.0, CallerPlan::new(CALLER));
    world.run_for(60.0);
    assert_eq!(world.line(stranger).responses.len(), 0);
    assert!(world.count("unknown source") >= 6, "the INVITE and its repeats");
    assert!(world.records.is_empty());
    assert_eq!(world.engine.live_parts(), Default::default());
}

#[test]
fn a_phone_may_not_call_in() {
    let mut world = World::new(one_desk(), 1);
    let phone = "10.0.0.5:5060".parse().unwrap();
    world.call_from(phone, 0.0, CallerPlan::new(CALLER));
    world.run();
    assert_eq!(world.heard(phone, "INVITE"), [100, 403]);
    assert!(world.records.is_empty());
}

#[test]
fn an_invite_out_of_hops_or_asking_for_unknown_options_is_refused() {
    for (plan, status) in [
        (
            CallerPlan {
                max_forwards: 0,
                ..CallerPlan::new(CALLER)
            },
            483,
        ),
        (CallerPlan::new(CALLER).header("Require", "100rel, teleport"), 420),
    ] {
        let mut world = World::new(one_desk(), 1);
        let caller = world.call(plan);
        world.run();
        assert_eq!(world.heard(caller, "INVITE"), [100, status]);
    }
}

#[test]
fn draining_refuses_new_calls_and_lets_live_ones_end_by_themselves() {
    let mut world = World::new(one_desk(), 1);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let first = world.call(talk(20.0));
    world.after(5.0, |world| world.tell(ringward::call::Input::Drain));
    let second = world.call_after(6.0, CallerPlan::new("+14045550124"));
    world.run();
    assert_eq!(world.heard(first, "INVITE"), [100, 180, 200]);
    assert_eq!(world.heard(second, "INVITE"), [100, 503]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn the_operator_can_end_a_call() {
    let mut world = World::new(one_desk(), 1);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan::new(CALLER));
    world.after(5.0, |world| {
        let call = *world.records.keys().next().unwrap();
        world.tell(ringward::call::Input::HangUp { call });
    });
    world.run();
    assert_eq!(
        (world.asked(phone), world.asked(caller)),
        (vec!["BYE".to_string()], vec!["BYE".to_string()])
    );
    assert_eq!(world.ending(), (Ending::Completed, 200, "us"));
    assert_eq!(world.line(caller).state, State::Over);
}

#[test]
fn silence_ends_the_call_on_both_legs() {
    let mut world = World::new(one_desk(), 1);
    let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan::new(CALLER));
    world.after(5.0, |world| {
        let call = *world.records.keys().next().unwrap();
        world.tell(ringward::call::Input::MediaSilent { call });
    });
    world.run();
    assert_eq!(
        (world.asked(phone), world.asked(caller)),
        (vec!["BYE".to_string()], vec!["BYE".to_string()])
    );
    assert_eq!(world.ending(), (Ending::Failed, 200, "us"));
}

#[test]
fn silence_on_hold_ends_nothing_until_it_is_resumed() {
    let mut world = World::new(one_desk(), 1);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let caller = world.call(
        CallerPlan::new(CALLER)
            .act(2.0, Act::Hold)
            .act(100.0, Act::Resume),
    );
    for seconds in [65.0, 125.0] {
        world.after(seconds, |world| {
            let call = *world.records.keys().next().unwrap();
            world.tell(ringward::call::Input::MediaSilent { call });
        });
    }
    world.run();
    assert_eq!(world.ending(), (Ending::Failed, 200, "us"));
    assert!(world.record().timings.ended_ms.unwrap() >= 124_000);
    assert_eq!(world.asked(caller), ["BYE"]);
}

#[test]
fn a_datagram_that_is_no_sip_is_counted_and_forgotten() {
    let mut world = World::new(one_desk(), 1);
    let trunk = "203.0.113.7:5060".parse().unwrap();
    for text in ["hello", "INVITE sip:x SIP/2.0\r\nnonsense\r\n\r\n", "\r\n\r\n"] {
        world.send(
            trunk,
            crate::world::GATEWAY.parse().unwrap(),
            text.as_bytes().to_vec(),
        );
    }
    world.run_for(60.0);
    assert_eq!(world.count("malformed"), 2, "a keep-alive is not malformed");
    assert_eq!(world.engine.live_parts(), Default::default());
}

#[test]
fn an_offer_we_cannot_carry_is_refused_before_anything_rings() {
    for (kind, body, status) in [
        (
            "application/sdp",
            "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n",
            488,
        ),
        ("application/sdp", "this is no description", 488),
        ("text/plain", "hello", 415),
    ] {
        let mut world = World::new(one_desk(), 1);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let plan = CallerPlan {
            body: Some((kind, body.to_string())),
            ..CallerPlan::new(CALLER)
        };
        let caller = world.call(plan);
        world.run();
        assert_eq!(world.heard(caller, "INVITE"), [100, status], "{body}");
        assert!(world.agents[&phone].lines.is_empty());
        assert_eq!(world.ending(), (Ending::Failed, status, "us"));
    }
}

#[test]
fn emergency_marks_cross_from_a_trusted_trunk_only() {
    for (address, crosses) in [("203.0.113.7:6000", false), ("203.0.114.7:6000", true)] {
        let mut world = World::new(one_desk(), 1);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
        let plan = talk(1.0)
            .header("Resource-Priority", "esnet.0")
            .header("Priority", "psap-callback");
        world.call_from(address.parse().unwrap(), 0.0, plan);
        world.run();
        assert_eq!(world.rung(phone).header("Resource-Priority").is_some(), crosses);
        let tag = if crosses {
            "EMERGENCY_TRUNK"
        } else {
            "EMERGENCY_CLAIMED"
        };
        assert!(world.tags().contains(tag), "{:?}", world.tags());
    }
}

/// RFC 3261 §13.2.1: nobody rings for ever because a CANCEL was lost on the way.
#[test]
fn an_invite_expires_a_little_after_the_phone_has_rung_long_enough() {
    for (ring_ms, expires) in [(20_000, "25"), (500, "6"), (600_000, "185")] {
        let mut desk = one_desk();
        desk[0].ring = Duration::from_millis(ring_ms);
        let mut world = World::new(desk, 1);
        let phone = world.phone("10.0.0.5:5060", PhonePlan::answers_after(0.2));
        world.call(talk(1.0));
        world.run();
        assert_eq!(world.rung(phone).header("Expires"), Some(expires), "{ring_ms} ms");
    }
}
