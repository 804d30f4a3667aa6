//! One PASSporT, several calls: what is a replay, and what only looks like one.

use std::time::Duration;

use ringward::screening::NumberLight;

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::signing::{signed_passport, signed_token};
use crate::world::{EPOCH_S, World, one_desk, queue};
use ringward::queue::Strategy;

const CALLER: &str = "+14045550123";

fn signed(seconds: f64) -> CallerPlan {
    let token = signed_token('A', "14045550123", "12125550100", EPOCH_S);
    with(seconds, &[&token])
}

fn with(seconds: f64, identities: &[&str]) -> CallerPlan {
    identities.iter().fold(
        CallerPlan::new(CALLER).act(seconds, Act::Bye),
        |plan, identity| plan.header("Identity", identity),
    )
}

/// Whether each call is a replay, and its number light in the end, in the order the calls came.
fn replays(world: &World) -> Vec<(Option<bool>, NumberLight)> {
    let mut calls: Vec<_> = world
        .records
        .values()
        .map(|records| records.last().unwrap())
        .collect();
    calls.sort_by_key(|record| record.started_ms);
    let found = |record: &&ringward::call::CallRecord| {
        let is_reused = record.facts.identity.is_reused;
        let has_tag = record.decisions.last().is_some_and(|decided| {
            let findings = &decided.decision.verdict.findings;
            findings
                .iter()
                .any(|finding| finding.tag.name() == "TOKEN_REUSED")
        });
        assert_eq!(
            has_tag,
            is_reused == Some(true),
            "the tag says what the facts say"
        );
        (is_reused, record.banner.as_ref().unwrap().number)
    };
    calls.iter().map(found).collect()
}

const NEW: (Option<bool>, NumberLight) = (Some(false), NumberLight::Genuine);
const REPLAY: (Option<bool>, NumberLight) = (Some(true), NumberLight::Unproven);

#[test]
fn the_same_token_after_an_answered_call_is_a_replay() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(signed(1.0));
    world.call_after(20.0, signed(1.0));
    world.run();
    assert_eq!(replays(&world), [NEW, REPLAY]);
}

#[test]
fn the_same_token_while_the_answered_call_still_talks_is_a_replay() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(signed(40.0));
    world.call_after(20.0, signed(1.0));
    world.run();
    assert_eq!(replays(&world), [NEW, REPLAY]);
}

#[test]
fn a_recorded_invite_sent_again_word_for_word_is_a_replay() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let recorded = CallerPlan {
        call_id: Some("recorded@carrier.example".into()),
        tag: Some("recorded".into()),
        ..signed(1.0)
    };
    world.call(recorded.clone());
    world.call_after(50.0, recorded);
    world.run();
    assert_eq!(replays(&world), [NEW, REPLAY], "the same Call-ID is no excuse");
}

#[test]
fn a_carriers_route_advance_is_no_replay() {
    for first in [
        // The carrier gives the first route up, or we refuse it, or nobody answers there.
        signed(1.0).gives_up_after(3.0),
        signed(1.0),
    ] {
        let mut world = World::new(one_desk(), 5);
        let plan = match first.gives_up_after {
            Some(_) => PhonePlan::answers_after(5.0),
            None => PhonePlan::with(Answer::Refuse(486, Duration::from_millis(30))),
        };
        let phone = world.phone("10.0.0.5:5060", plan);
        world.call(first);
        world.after(3.5, |world| {
            let phone = "10.0.0.5:5060".parse().unwrap();
            world.agents.get_mut(&phone).unwrap().phone = PhonePlan::answers_after(1.0);
        });
        world.call_after(4.0, signed(2.0));
        world.run();
        assert_eq!(replays(&world), [NEW, NEW]);
        let lines = world.agents[&phone].lines.values();
        let passed = lines.filter(|line| {
            line.invite
                .must("P-Asserted-Identity")
                .contains("verstat=TN-Validation-Passed")
        });
        assert_eq!(passed.count(), 2, "the phone sees a proven number both times");
    }
}

#[test]
fn a_route_advance_that_overlaps_is_no_replay_until_both_are_answered() {
    let targets = ["sip:a@10.0.0.5:5060"];
    let mut world = World::new(vec![queue("desk", Strategy::RingAll, &targets)], 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(6.0));
    world.call(signed(20.0));
    world.call_after(2.0, signed(20.0));
    world.run();
    assert_eq!(
        replays(&world),
        [NEW, REPLAY],
        "two conversations, one token: the second is the replay"
    );
    let second = world.records.values().map(|records| records.last().unwrap());
    let second = second.max_by_key(|record| record.started_ms).unwrap();
    let lights: Vec<NumberLight> = second.banners.iter().map(|change| change.banner.number).collect();
    assert_eq!(
        lights.first(),
        Some(&NumberLight::Genuine),
        "while both rang nothing was wrong"
    );
    assert_eq!(lights.last(), Some(&NumberLight::Unproven));
}

#[test]
fn retransmissions_and_forks_are_no_replay() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(4.0));
    world.network.repeated = 500;
    world.lose("SIP/2.0 100", 1);
    world.lose("SIP/2.0 180", 1);
    let plan = CallerPlan {
        call_id: Some("forked@carrier.example".into()),
        tag: Some("forked".into()),
        ..signed(2.0)
    };
    let first = world.call(plan.clone());
    // The same request over a second way (RFC 3261 §8.2.2.2).
    let fork = world.call_after(2.0, plan);
    world.run();
    assert_eq!(world.heard(fork, "INVITE").last(), Some(&482));
    assert_eq!(world.heard(first, "INVITE").last(), Some(&200));
    assert_eq!(replays(&world), [NEW]);
}

#[test]
fn a_token_cannot_ring_the_desk_for_ever_without_an_answer() {
    let mut world = World::new(one_desk(), 5);
    world.phone(
        "10.0.0.5:5060",
        PhonePlan::with(Answer::Refuse(486, Duration::from_millis(30))),
    );
    for call in 0..9 {
        world.call_after(f64::from(call) * 2.0, signed(1.0));
    }
    world.run();
    let most = ringward::store::limits::TOKEN_CALLS_MAX;
    let found = replays(&world);
    assert_eq!(&found[..most], vec![NEW; most]);
    assert_eq!(&found[most..], vec![REPLAY; 9 - most]);
}

#[test]
fn another_token_of_the_same_caller_and_origid_is_no_replay() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(signed(1.0));
    let next = signed_token('A', "14045550123", "12125550100", EPOCH_S + 20);
    world.call_after(20.0, with(1.0, &[&next]));
    world.run();
    assert_eq!(
        replays(&world),
        [NEW, NEW],
        "origid stays the same from call to call (RFC 8588)"
    );
}

#[test]
fn a_certificate_that_came_after_the_answer_still_finds_the_replay() {
    let mut world = World::new(one_desk(), 5);
    if let Some((after, _)) = &mut world.helpers.fetch {
        *after = Duration::from_secs(3);
    }
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(signed(20.0));
    world.call_after(10.0, signed(2.0));
    world.run();
    assert_eq!(replays(&world), [NEW, REPLAY]);
}

#[test]
fn a_token_that_failed_cannot_spoil_the_honest_one() {
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    let honest = signed_token('A', "14045550123", "12125550100", EPOCH_S);
    let (token, rest) = honest.split_once(';').unwrap();
    let (words, signature) = token.rsplit_once('.').unwrap();
    let broken: String = signature.chars().rev().collect();
    world.call(with(1.0, &[&format!("{words}.{broken};{rest}")]));
    world.call_after(10.0, signed(1.0));
    world.run();
    assert_eq!(replays(&world)[1], NEW);
}

#[test]
fn a_base_token_that_was_diverted_comes_again_only_by_another_diversion() {
    let base = signed_token('A', "14045550123", "12125550100", EPOCH_S);
    let div = r#","div":{"tn":"12125550100"}"#;
    let by = |dest: &str| signed_passport("div", "14045550123", dest, EPOCH_S + 5, div);
    let (first, second) = (by("12125550101"), by("12125550102"));
    let diverted = |identity: &str, called: &str| CallerPlan {
        called: called.into(),
        dialled_first: Some("+12125550100".into()),
        ..with(1.0, &[&base, identity])
    };
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    // Answered by a switchboard behind us, which then forwards it to two numbers of ours, one after the other.
    world.call(with(1.0, &[&base]));
    world.call_after(8.0, diverted(&first, "+12125550101"));
    world.call_after(16.0, diverted(&second, "+12125550102"));
    world.call_after(24.0, diverted(&first, "+12125550101"));
    world.run();
    assert_eq!(replays(&world), [NEW, NEW, NEW, REPLAY]);
}

#[test]
fn a_base_token_taken_out_of_its_diversions_is_a_replay() {
    let base = signed_token('A', "14045550123", "12125550100", EPOCH_S);
    let div = r#","div":{"tn":"12125550100"}"#;
    let diversion = signed_passport("div", "14045550123", "12125550101", EPOCH_S + 1, div);
    let mut world = World::new(one_desk(), 5);
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(CallerPlan {
        called: "+12125550101".into(),
        dialled_first: Some("+12125550100".into()),
        ..with(1.0, &[&base, &diversion])
    });
    // Without the diversion, to the number that was dialled first.
    world.call_after(10.0, with(1.0, &[&base]));
    world.run();
    assert_eq!(replays(&world), [NEW, REPLAY]);
}
