//! A queue of which nobody takes the call, and the number outside that it names.

use std::net::SocketAddr;
use std::time::Duration;

use ringward::call::record::{Ending, TransferKind, TransferOutcome};
use ringward::call::{Config, Input};
use ringward::policy::Policy;
use ringward::queue::{self, Overflow, Strategy};

use crate::gateway::queue;
use crate::outbound::leads_outside;
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::World;

const CALLER: &str = "+13125550177";
const MOBILE: &str = "+14045550188";

struct Scene {
    world: World,
    desk: SocketAddr,
    carrier: SocketAddr,
}

fn scene(
    desk: PhonePlan,
    carrier: PhonePlan,
    change_queue: impl FnOnce(&mut queue::Config),
    change: impl FnOnce(&mut Config),
) -> Scene {
    let mut queue = queue("desk", Strategy::InOrder, &["sip:desk@10.0.0.5:5060"]);
    queue.overflow = Overflow::Outside(MOBILE.into());
    change_queue(&mut queue);
    let mut world = World::with_config(vec![queue], 17, Policy::embedded(), |config| {
        config.outbound.overflow = true;
        leads_outside(config);
        change(config);
    });
    Scene {
        desk: world.phone("10.0.0.5:5060", desk),
        carrier: world.phone("203.0.113.9:5060", carrier),
        world,
    }
}

fn plain(desk: PhonePlan, carrier: PhonePlan) -> Scene {
    scene(desk, carrier, |_| {}, |_| {})
}

fn rings() -> PhonePlan {
    PhonePlan::with(Answer::Never)
}

fn busy() -> PhonePlan {
    PhonePlan::with(Answer::Refuse(486, Duration::from_millis(100)))
}

fn caller() -> CallerPlan {
    CallerPlan::new(CALLER).act(10.0, Act::Bye)
}

impl Scene {
    fn sent_on(&self) -> (TransferOutcome, u16) {
        let transfers = &self.world.record().transfers;
        assert_eq!(transfers.len(), 1, "{transfers:?}");
        let sent_on = &transfers[0];
        assert_eq!(
            (sent_on.kind, sent_on.by.as_str(), sent_on.to.reveal().as_str()),
            (TransferKind::Overflow, "desk", MOBILE)
        );
        (sent_on.outcome, sent_on.status)
    }

    fn went_out(&self) -> bool {
        !self.world.agents[&self.carrier].lines.is_empty()
    }
}

#[test]
fn a_call_that_nobody_takes_rings_the_number_outside_as_the_business_that_was_called() {
    let mut scene = plain(rings(), PhonePlan::answers_after(2.0));
    let caller = scene.world.call(caller());
    scene.world.run();
    assert_eq!(scene.world.asked(scene.desk), ["CANCEL"]);
    let invite = scene.world.rung(scene.carrier);
    assert_eq!(
        invite.request_uri(),
        "sip:+14045550188@carrier.example;user=phone"
    );
    assert!(invite.must("From").contains("+12125550100"), "not the caller");
    assert_eq!(
        invite.must("Diversion"),
        "<sip:+12125550100@10.0.0.1:5060>;reason=no-answer;counter=1"
    );
    for name in ["Ringward-Trust", "P-Asserted-Identity", "Call-Info"] {
        assert!(invite.header(name).is_none(), "{name}");
    }
    assert_eq!(scene.world.heard(caller, "INVITE").last(), Some(&200));
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(scene.sent_on(), (TransferOutcome::Completed, 200));
    let record = scene.world.record();
    assert_eq!(record.answered_by.as_deref(), Some("carrier"));
    let targets: Vec<_> = record
        .attempts
        .iter()
        .map(|attempt| attempt.target.as_str())
        .collect();
    assert_eq!(targets, ["sip:desk@10.0.0.5:5060", "trunk:carrier"]);
}

#[test]
fn whoever_waits_with_music_longer_than_he_may_is_connected_outside() {
    let wait = |queue: &mut queue::Config| {
        queue.service.wait = Some(Duration::from_secs(30));
        queue.service.has_music = true;
    };
    let mut scene = scene(busy(), PhonePlan::answers_after(2.0), wait, |_| {});
    scene.world.call(CallerPlan::new(CALLER).act(60.0, Act::Bye));
    scene.world.run();
    assert_eq!(scene.world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(scene.sent_on(), (TransferOutcome::Completed, 200));
    let answered = scene.world.record().timings.answered_ms.unwrap();
    assert!((30_000..40_000).contains(&answered), "{answered}");
    assert_eq!(scene.world.asked(scene.carrier), ["BYE"]);
}

#[test]
fn why_nobody_took_it_stands_in_the_diversion() {
    for (desk, reason) in [
        (busy(), "user-busy"),
        (rings(), "no-answer"),
        (
            PhonePlan::with(Answer::Refuse(480, Duration::ZERO)),
            "unavailable",
        ),
    ] {
        let mut scene = plain(desk, PhonePlan::answers_after(1.0));
        scene.world.call(caller());
        scene.world.run();
        let diversion = scene.world.rung(scene.carrier).must("Diversion");
        assert!(diversion.contains(&format!(";reason={reason};")), "{diversion}");
    }
}

#[test]
fn a_number_outside_that_does_not_take_it_either_is_the_end() {
    let mut scene = plain(rings(), busy());
    let caller = scene.world.call(caller());
    scene.world.run();
    let heard = scene.world.heard(caller, "INVITE");
    assert!(matches!(heard.last(), Some(480 | 486)), "{heard:?}");
    assert_eq!(scene.sent_on(), (TransferOutcome::Failed, 486));
    assert_eq!(scene.world.agents[&scene.carrier].lines.len(), 1, "once");
}

#[test]
fn a_caller_who_gives_up_stops_the_number_outside() {
    let mut scene = plain(busy(), rings());
    scene.world.call(CallerPlan::new(CALLER).gives_up_after(5.0));
    scene.world.run();
    assert_eq!(scene.world.asked(scene.carrier), ["CANCEL"]);
    assert_eq!(scene.sent_on(), (TransferOutcome::Abandoned, 487));
}

#[test]
fn nothing_goes_out_past_the_rules_of_calls_outside() {
    type Change = fn(&mut Config);
    let changes: [(Change, &str); 6] = [
        (
            |config| config.outbound.overflow = false,
            "queues do not send calls outside",
        ),
        (
            |config| config.outbound.refuse = vec!["+1404*".into()],
            "this number may not be called",
        ),
        (
            |config| config.country = "GB".into(),
            "other countries may not be called",
        ),
        (
            |config| config.outbound.tolls.queue.at_once = Some(0),
            "this queue has as many calls to the outside as it may at once",
        ),
        (
            |config| config.outbound.tolls.hours = vec![(0, 0, 1)],
            "calls do not go out at this hour",
        ),
        (
            |config| config.trunks[0].to = None,
            "no trunk takes calls of ours",
        ),
    ];
    for (change, why) in changes {
        let mut scene = scene(rings(), PhonePlan::answers_after(1.0), |_| {}, change);
        let caller = scene.world.call(caller());
        scene.world.run();
        assert!(!scene.went_out(), "{why}");
        assert_eq!(scene.world.heard(caller, "INVITE").last(), Some(&480), "{why}");
        assert_eq!(scene.sent_on(), (TransferOutcome::Refused, 403), "{why}");
        let last = scene.world.record().attempts.last().unwrap();
        assert_eq!(last.why.as_deref(), Some(why));
    }
    // A limit on each phone is none on a queue.
    let of_phones = |config: &mut Config| config.outbound.tolls.person.at_once = Some(0);
    let mut scene = scene(rings(), PhonePlan::answers_after(1.0), |_| {}, of_phones);
    scene.world.call(caller());
    scene.world.run();
    assert!(scene.went_out());
}

#[test]
fn in_a_lockdown_no_queue_sends_a_call_outside() {
    let mut scene = plain(rings(), PhonePlan::answers_after(1.0));
    scene.world.tell(Input::SetLockdown(Some(1)));
    scene.world.call(caller());
    scene.world.run();
    assert!(!scene.went_out());
    assert_eq!(scene.sent_on(), (TransferOutcome::Refused, 403));
}

#[test]
fn a_call_that_comes_back_from_outside_goes_out_no_second_time() {
    for diversion in [
        "<sip:+12125550100@10.0.0.1:5060>;reason=no-answer;counter=1",
        "<sip:+14045550188@carrier.example>;reason=unconditional, <tel:+12125550100>;reason=no-answer",
        "<sip:+14045550199@carrier.example>;reason=unconditional;counter=5",
    ] {
        let mut scene = plain(rings(), PhonePlan::answers_after(1.0));
        scene.world.call(caller().header("Diversion", diversion));
        scene.world.run();
        assert!(!scene.went_out(), "{diversion}");
        assert_eq!(scene.sent_on(), (TransferOutcome::Refused, 403));
    }
    // One that somebody else forwarded once may.
    let mut scene = plain(rings(), PhonePlan::answers_after(1.0));
    let forwarded = "<sip:+14045550199@carrier.example>;reason=unconditional";
    scene.world.call(caller().header("Diversion", forwarded));
    scene.world.run();
    let diversion = scene.world.rung(scene.carrier).must("Diversion");
    assert!(diversion.ends_with("counter=2"), "{diversion}");
}

#[test]
fn two_calls_at_once_are_one_too_many_where_the_queue_may_send_one() {
    let one = |config: &mut Config| config.outbound.tolls.queue.at_once = Some(1);
    let mut scene = scene(busy(), PhonePlan::answers_after(1.0), |_| {}, one);
    scene.world.call(caller());
    let second = scene.world.call_after(3.0, CallerPlan::new("+13125550178"));
    let third = scene
        .world
        .call_after(30.0, CallerPlan::new("+13125550179").act(2.0, Act::Bye));
    scene.world.run();
    assert!(scene.world.heard(second, "INVITE").last() != Some(&200));
    assert_eq!(
        scene.world.heard(third, "INVITE").last(),
        Some(&200),
        "the first is over"
    );
    assert_eq!(scene.world.agents[&scene.carrier].lines.len(), 2);
}

/// The number outside is forwarded back to us, and the carrier says nothing of a diversion.
#[test]
fn a_call_that_comes_back_without_a_diversion_is_known_by_the_caller_that_it_shows() {
    let us = "<sip:+12125550100@carrier.example;user=phone>";
    let hidden = CallerPlan::new("anonymous").header("Privacy", "id");
    for caller in [
        CallerPlan::new("+12125550100"),
        CallerPlan::new(MOBILE),
        CallerPlan::new("+12125550142"),
        hidden.header("P-Asserted-Identity", us),
    ] {
        let block = |queue: &mut queue::Config| queue.numbers = vec!["+1212555*".into(), "*".into()];
        let mut scene = scene(rings(), PhonePlan::answers_after(1.0), block, |_| {});
        let shown = format!("{caller:?}");
        let mut caller = caller;
        caller.called = "+13125550111".into();
        scene.world.call(caller);
        scene.world.run();
        assert!(!scene.went_out(), "{shown}");
        assert_eq!(scene.sent_on(), (TransferOutcome::Refused, 403), "{shown}");
        let last = scene.world.record().attempts.last().unwrap();
        assert!(last.why.as_deref().unwrap().contains("may have come back"));
    }
    // A beginning that half a continent has is none of our numbers.
    let wide = |queue: &mut queue::Config| queue.numbers = vec!["+1*".into()];
    let mut scene = scene(rings(), PhonePlan::answers_after(1.0), wide, |_| {});
    scene.world.call(caller());
    scene.world.run();
    assert!(scene.went_out());
}

/// Whatever caller a call on its way back shows: it comes while the number rings.
#[test]
fn while_the_number_rings_for_a_queue_it_rings_for_no_other_call_of_it() {
    let mut scene = plain(busy(), rings());
    scene.world.call(CallerPlan::new(CALLER).gives_up_after(10.0));
    let second = scene.world.call_after(3.0, CallerPlan::new("+13125550178"));
    let third = CallerPlan::new("+13125550179").gives_up_after(10.0);
    scene.world.call_after(30.0, third);
    scene.world.run();
    let heard = scene.world.heard(second, "INVITE");
    assert!(matches!(heard.last(), Some(480 | 486)), "{heard:?}");
    assert_eq!(
        scene.world.agents[&scene.carrier].lines.len(),
        2,
        "the first gave up before the third came"
    );
}

/// As [`plain`], with a queue 102 whose phone is busy, and which overflows outside as well.
fn with_night(desk: PhonePlan) -> Scene {
    let mut scene = scene(
        desk,
        PhonePlan::answers_after(1.0),
        |_| {},
        |config| {
            config.outbound.from_phones = true;
            let mut night = queue("night", Strategy::InOrder, &["sip:n1@10.0.0.6:5060"]);
            night.numbers = vec!["102".into()];
            night.overflow = Overflow::Outside(MOBILE.into());
            config.queues.push(night);
        },
    );
    scene.world.phone("10.0.0.6:5060", busy());
    scene
}

#[test]
fn a_call_that_a_person_sends_to_a_queue_stays_inside() {
    let refers = PhonePlan::answers_after(1.0).act(3.0, Act::refer("sip:102@10.0.0.1:5060"));
    let mut scene = with_night(refers);
    scene.world.call(CallerPlan::new(CALLER).act(30.0, Act::Bye));
    scene.world.run();
    assert!(!scene.went_out());
    let transfers = &scene.world.record().transfers;
    assert_eq!(transfers.len(), 1, "{transfers:?}");
    assert_eq!(
        (transfers[0].kind, transfers[0].outcome),
        (TransferKind::Blind, TransferOutcome::Failed)
    );
}

#[test]
fn a_phone_that_calls_a_queue_is_not_sent_outside() {
    let mut scene = with_night(rings());
    let mut dials = CallerPlan::new("desk").act(5.0, Act::Bye);
    dials.called = "102".into();
    scene.world.calls_after(0.0, scene.desk, dials);
    scene.world.run();
    assert!(!scene.went_out());
    let heard = scene.world.heard(scene.desk, "INVITE");
    assert!(matches!(heard.last(), Some(480 | 486)), "{heard:?}");
    assert!(scene.world.record().transfers.is_empty());
}

/// A record lists 64 attempts; the number outside is the 97th.
#[test]
fn what_came_of_the_number_outside_is_known_however_many_phones_rang_before() {
    let phones = |queue: &str| -> Vec<String> {
        let targets = (0..32).map(|phone| format!("sip:{queue}{phone}@10.0.0.5:5060"));
        targets.collect()
    };
    for (carrier, expected) in [
        (PhonePlan::answers_after(1.0), (TransferOutcome::Completed, 200)),
        (busy(), (TransferOutcome::Failed, 486)),
    ] {
        let first = |queue: &mut queue::Config| {
            queue.strategy = Strategy::RingAll;
            queue.targets = phones("desk");
            queue.overflow = Overflow::Queue("second".into());
        };
        let others = |config: &mut Config| {
            let next = [Overflow::Queue("third".into()), Overflow::Outside(MOBILE.into())];
            for (name, overflow) in ["second", "third"].into_iter().zip(next) {
                let mut other = queue(name, Strategy::RingAll, &[]);
                (other.numbers, other.targets) = (Vec::new(), phones(name));
                other.overflow = overflow;
                config.queues.push(other);
            }
        };
        let mut scene = scene(busy(), carrier, first, others);
        scene.world.call(caller());
        scene.world.run();
        let record = scene.world.record();
        assert!(scene.went_out());
        assert_eq!(record.attempts.len(), 64);
        let [second, third, sent_on] = &record.transfers[..] else {
            panic!("from queue to queue, and outside: {:?}", record.transfers);
        };
        for (moved, from, to) in [(second, "desk", "second"), (third, "second", "third")] {
            assert_eq!(
                (moved.kind, moved.outcome),
                (TransferKind::NextQueue, TransferOutcome::Completed)
            );
            assert_eq!((moved.by.as_str(), moved.to.reveal().as_str()), (from, to));
        }
        assert_eq!(sent_on.kind, TransferKind::Overflow);
        assert_eq!((sent_on.outcome, sent_on.status), expected);
        assert_eq!(sent_on.by, "third");
    }
}
