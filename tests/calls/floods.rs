//! Limits of queues, numbers and signers, and calls in a flood: who gets through, who is asked, who is refused.

use ringward::call::record::Ending;
use ringward::call::{CallRecord, Contact};
use ringward::flood::{Allowance, CallLimits, Hand, Rest, Shared, SurgeConfig};
use ringward::policy::{Action, Policy};
use ringward::screening::HistoryFacts;

use crate::hand::{CALLER, PHONE};
use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::signing::signed_token;
use crate::wire;
use crate::world::{EPOCH_S, Presses, World, one_desk};

const NUMBER: &str = "+14045550123";

fn world(limits: CallLimits, surge: SurgeConfig) -> World {
    let mut world = World::new(one_desk(), 909);
    world.engine = world.engine.with_flood(Shared::new(limits, surge));
    world
}

fn limited(change: impl FnOnce(&mut CallLimits)) -> World {
    let mut limits = CallLimits::default();
    change(&mut limits);
    world(limits, SurgeConfig::default())
}

fn in_flood(rest: Rest) -> World {
    let surge = SurgeConfig {
        hand: Hand::On,
        rest,
        ..SurgeConfig::default()
    };
    let mut world = world(CallLimits::default(), surge);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    world
}

fn talks(seconds: f64) -> CallerPlan {
    CallerPlan::new(NUMBER).act(seconds, Act::Bye)
}

/// With a signature of its own: `age` seconds old.
fn signed(plan: CallerPlan, age: u64) -> CallerPlan {
    let token = signed_token('A', "14045550123", "12125550100", EPOCH_S - age);
    plan.header("Identity", &token)
}

fn last_answer(world: &World, caller: std::net::SocketAddr) -> u16 {
    *world.heard(caller, "INVITE").last().unwrap()
}

fn records(world: &World) -> Vec<&CallRecord> {
    let records = world.records.values();
    records.map(|versions| versions.last().unwrap()).collect()
}

fn tags(record: &CallRecord) -> Vec<&str> {
    let decisions = record.decisions.first().iter().copied().collect::<Vec<_>>();
    let findings = decisions.iter().flat_map(|d| &d.decision.verdict.findings);
    findings.map(|finding| finding.tag.name()).collect()
}

#[test]
fn a_queue_that_rings_enough_takes_the_next_call_once_one_was_answered() {
    let mut world = limited(|limits| limits.queue.ringing = 2);
    world.phone(PHONE, PhonePlan::answers_after(5.0));
    let callers: Vec<_> = (0..3).map(|_| world.call_after(0.0, talks(30.0))).collect();
    let later = world.call_after(8.0, talks(5.0));
    world.run();
    let mut answers: Vec<_> = callers.iter().map(|c| last_answer(&world, *c)).collect();
    answers.sort_unstable();
    assert_eq!(answers, [200, 200, 480]);
    assert_eq!(last_answer(&world, later), 200);
    assert_eq!(
        world.records.len(),
        3,
        "who is kept out at the door has no record"
    );
    assert_eq!(world.counts["overloaded"], 1);
    world.check();
}

#[test]
fn the_calls_of_a_queue_end_for_its_limit_when_they_end() {
    let mut world = limited(|limits| limits.queue.calls = 1);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let first = world.call_after(0.0, talks(5.0));
    let refused = world.call_after(3.0, talks(5.0));
    let later = world.call_after(60.0, talks(5.0));
    world.run();
    assert_eq!(
        [first, refused, later].map(|caller| last_answer(&world, caller)),
        [200, 480, 200]
    );
}

#[test]
fn one_call_that_is_kept_out_hears_what_was_configured_and_never_503() {
    for (status, has_contact, phrase) in [
        (480, true, "Temporarily Unavailable"),
        (608, true, "Rejected"),
        (603, false, "Decline"),
        (603, true, "Network Blocked"),
    ] {
        let mut world = World::with_config(one_desk(), 5, Policy::embedded(), |config| {
            if has_contact {
                config.refusal.contact = Contact {
                    url: Some("https://example.com/blocked".into()),
                    ..Contact::default()
                };
            }
        });
        let limits = CallLimits {
            source: Allowance {
                calls: 1,
                ..CallLimits::default().source
            },
            refuse_with: status,
            ..CallLimits::default()
        };
        world.engine = world
            .engine
            .with_flood(Shared::new(limits, SurgeConfig::default()));
        world.phone(PHONE, PhonePlan::answers_after(1.0));
        world.call_after(0.0, talks(5.0));
        let refused = world.call_after(2.0, talks(5.0));
        world.run();
        let answer = world.line(refused).responses.last().unwrap();
        assert_eq!(answer.status(), Some(status));
        assert!(answer.start.ends_with(phrase), "{}", answer.start);
        assert_eq!(answer.header("Retry-After"), None);
        let reason = answer.header("Reason").unwrap_or_default();
        assert_eq!(
            reason.contains("https://example.com/blocked"),
            status == 603 && has_contact,
            "{reason}"
        );
    }
}

#[test]
fn a_number_is_limited_where_it_is_proven_and_tagged_where_it_is_only_shown() {
    let mut world = limited(|limits| limits.number.calls = 2);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    // Whoever borrows the number comes first, and takes nothing of its owner's.
    let borrowed: Vec<_> = (0..4).map(|_| world.call_after(0.0, talks(30.0))).collect();
    let own: Vec<_> = (0..3)
        .map(|n| world.call_after(2.0 + n as f64, signed(talks(30.0), n)))
        .collect();
    world.run();
    assert!(borrowed.iter().all(|caller| last_answer(&world, *caller) == 200));
    let answers: Vec<_> = own.iter().map(|caller| last_answer(&world, *caller)).collect();
    assert_eq!(answers, [200, 200, 480]);
    let records = records(&world);
    let over: Vec<_> = records
        .iter()
        .filter(|r| tags(r).contains(&"OVER_LIMIT"))
        .collect();
    assert_eq!(over.len(), 2, "two of the four that only show it");
    assert!(over.iter().all(|record| record.facts.flood.is_over_limit));
    let refused: Vec<_> = records
        .iter()
        .filter_map(|record| record.outcome.as_ref())
        .filter(|outcome| outcome.ending == Ending::Refused)
        .collect();
    assert_eq!(
        refused.len(),
        1,
        "what is kept out once it was proven has a record"
    );
    assert_eq!(
        refused[0].note.as_deref(),
        Some("this number has more calls at once than [limits] number_calls allows")
    );
    world.check();
}

#[test]
fn a_signer_is_limited_and_unsigned_calls_beside_it_are_not() {
    let mut world = limited(|limits| limits.signer.calls = 1);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let first = world.call_after(0.0, signed(talks(20.0), 1));
    let second = world.call_after(1.0, signed(talks(20.0), 2));
    let unsigned = world.call_after(2.0, talks(20.0));
    world.run();
    assert_eq!(
        [first, second, unsigned].map(|caller| last_answer(&world, caller)),
        [200, 480, 200]
    );
}

#[test]
fn in_a_flood_an_unknown_caller_is_asked_for_two_digits_before_anything_rings() {
    for (presses, is_through) in [(Presses::Right, true), (Presses::Nothing, false)] {
        let mut world = in_flood(Rest::Challenge);
        world.helpers.presses = presses;
        world.call(talks(60.0));
        world.run();
        let record = world.record();
        assert!(record.facts.flood.is_on);
        assert_eq!(record.answered_by.is_some(), is_through, "{presses:?}");
        let desk = &world.agents[&PHONE.parse().unwrap()];
        assert_eq!(desk.lines.is_empty(), !is_through);
        let media = world.media.values().next().unwrap();
        assert_eq!(media.said[0].names[0], "challenge");
        // What policy wanted stands there as it was.
        assert_eq!(record.decisions[0].decision.action, Action::Label);
        world.check();
    }
}

#[test]
fn in_a_flood_whoever_is_proven_known_or_urgent_is_asked_nothing() {
    let known = HistoryFacts {
        is_available: true,
        calls_before: 3,
        answered_before: 2,
        ..HistoryFacts::default()
    };
    for (what, plan, history) in [
        ("signed", signed(talks(20.0), 1), HistoryFacts::default()),
        ("known", talks(20.0), known.clone()),
        (
            "urgent",
            talks(20.0).header("Priority", "psap-callback"),
            HistoryFacts::default(),
        ),
    ] {
        let mut world = in_flood(Rest::Refuse);
        world.helpers.store = world.helpers.store.map(|(after, _)| {
            let is_available = true;
            (
                after,
                HistoryFacts {
                    is_available,
                    ..history
                },
            )
        });
        let caller = world.call(plan);
        world.run();
        assert_eq!(last_answer(&world, caller), 200, "{what}");
        assert!(world.record().answered_by.is_some(), "{what}");
    }
    // Somebody whom people here have called a scam is not let through for having been answered.
    let mut world = in_flood(Rest::Refuse);
    let scam = HistoryFacts {
        reported_scam: 1,
        ..known
    };
    world.helpers.store = world.helpers.store.map(|(after, _)| (after, scam));
    let caller = world.call(talks(20.0));
    world.run();
    assert_eq!(last_answer(&world, caller), 480);
}

#[test]
fn in_a_flood_a_number_that_its_signature_does_not_bear_is_a_strangers() {
    let mut world = in_flood(Rest::Refuse);
    // The token is another number's.
    let token = signed_token('A', "14045550199", "12125550100", EPOCH_S - 1);
    let caller = world.call(talks(20.0).header("Identity", &token));
    world.run();
    assert_eq!(last_answer(&world, caller), 480);
}

#[test]
fn in_a_flood_that_only_labels_strangers_ring_and_their_records_say_so() {
    let mut world = in_flood(Rest::Label);
    let caller = world.call(talks(20.0));
    world.run();
    assert_eq!(last_answer(&world, caller), 200);
    let record = world.record();
    assert!(record.facts.flood.is_on);
    assert!(!record.facts.talk.is_screened && record.answered_by.is_some());
    world.check();
}

#[test]
fn in_a_flood_a_telephone_without_keys_is_asked_who_he_is_instead() {
    for (says, is_through) in [(Some(std::time::Duration::from_secs(3)), true), (None, false)] {
        let mut world = in_flood(Rest::Challenge);
        world.helpers.caller_says = says;
        let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv")
            .replace("0 8 101", "8 0")
            .replace("a=rtpmap:101 telephone-event/8000\r\n", "");
        let mut plan = talks(60.0);
        plan.body = Some(("application/sdp", body));
        world.call(plan);
        world.run();
        let record = world.record();
        assert!(record.facts.talk.is_screened);
        assert_eq!(record.answered_by.is_some(), is_through);
        world.check();
    }
}

#[test]
fn a_flood_begins_by_itself_and_strangers_are_asked_from_then_on() {
    let surge = SurgeConfig {
        calls: 20,
        ..SurgeConfig::default()
    };
    let mut world = world(CallLimits::default(), surge);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    // What is usual here: a call a minute.
    for minute in 0..12 {
        world.call_after(60.0 * f64::from(minute), talks(5.0));
    }
    for n in 0..25 {
        world.call_after(720.0 + 0.1 * f64::from(n), talks(40.0));
    }
    world.run_for(700.0);
    world.run();
    let in_flood = records(&world)
        .iter()
        .filter(|record| record.facts.flood.is_on)
        .count();
    assert_eq!(in_flood, 6, "the twentieth and those after it");
    world.check();
}

#[test]
fn a_flood_through_one_trunk_asks_nobody_who_comes_through_another() {
    let mut world = World::with_config(one_desk(), 31, Policy::embedded(), |config| {
        let mut other = config.trunks[0].clone();
        (other.name, other.from) = ("other".into(), vec!["198.51.100.0/24".into()]);
        config.trunks.push(other);
    });
    let surge = SurgeConfig {
        calls: 10,
        rest: Rest::Refuse,
        ..SurgeConfig::default()
    };
    world.engine = world.engine.with_flood(Shared::new(CallLimits::default(), surge));
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let through_other = |world: &mut World, port: u16, seconds: f64| {
        let address = std::net::SocketAddr::new("198.51.100.7".parse().unwrap(), port);
        world.call_from(address, seconds, talks(2.0));
        address
    };
    // So long that what is usual is known.
    world.call_after(0.0, talks(2.0));
    through_other(&mut world, 7_000, 5.0);
    let flood: Vec<_> = (0..20)
        .map(|n| world.call_after(700.0 + f64::from(n) * 0.1, talks(2.0)))
        .collect();
    let calm = through_other(&mut world, 7_001, 702.5);
    let late = world.call_after(702.6, talks(2.0));
    world.run_for(690.0);
    world.run();
    assert_eq!(last_answer(&world, flood[0]), 200, "it was none yet");
    assert_eq!(last_answer(&world, flood[19]), 480);
    assert_eq!(last_answer(&world, late), 480);
    assert_eq!(last_answer(&world, calm), 200);
    let of_calm = records(&world)
        .into_iter()
        .filter(|record| record.trunk == "other");
    assert!(of_calm.clone().count() == 2 && of_calm.clone().all(|record| !record.facts.flood.is_on));
}
