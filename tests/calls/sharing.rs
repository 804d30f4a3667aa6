//! Queues that share calls out: whose turn it is, whoever's shard a call is on.

use ringward::call::CallRecord;
use ringward::call::shard_of;
use ringward::queue::Strategy;

use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::world::{World, queue};

const PHONES: [&str; 3] = ["10.0.0.5:5060", "10.0.0.6:5060", "10.0.0.7:5060"];

/// Calls on two shards in turn, each after so many seconds and so many seconds long, through a queue of three phones
/// that answer after half a second; `busy` of them refuse.
fn day(strategy: Strategy, busy: &[usize], calls: &[(f64, f64)]) -> World {
    let targets = PHONES.map(|address| format!("sip:desk@{address}"));
    let targets = targets.each_ref().map(|target| target.as_str());
    let mut world = World::with_shards(vec![queue("desk", strategy, &targets)], 1, 2, |_| ());
    for (at, address) in PHONES.iter().enumerate() {
        let plan = match busy.contains(&at) {
            true => PhonePlan::with(Answer::Refuse(486, std::time::Duration::from_millis(30))),
            false => PhonePlan::answers_after(0.5),
        };
        world.phone(address, plan);
    }
    for (nth, (at, length)) in calls.iter().enumerate() {
        let mut plan = CallerPlan::new("+14045550123").act(*length, Act::Bye);
        let mut ids = (0..).map(|number| format!("call-{nth}-{number}"));
        plan.call_id = ids.find(|id| shard_of(id.as_bytes(), 2) == (nth % 2) as u16);
        world.call_after(*at, plan);
    }
    world.run();
    world
}

/// The phones that each call rang, by their place in the queue, in the order of the calls.
fn rung(world: &World) -> Vec<Vec<usize>> {
    let mut calls: Vec<&CallRecord> = world
        .records
        .values()
        .filter_map(|records| records.last())
        .collect();
    calls.sort_by_key(|call| call.started_ms);
    let place = |target: &str| {
        PHONES
            .iter()
            .position(|address| target.ends_with(address))
            .unwrap()
    };
    calls
        .iter()
        .map(|call| {
            call.attempts
                .iter()
                .map(|attempt| place(&attempt.target))
                .collect()
        })
        .collect()
}

#[test]
fn round_robin_goes_round_over_the_calls_of_all_shards() {
    let calls = [(0.0, 2.0), (10.0, 2.0), (20.0, 2.0), (30.0, 2.0)];
    assert_eq!(
        rung(&day(Strategy::RoundRobin, &[], &calls)),
        [[0], [1], [2], [0]]
    );
}

#[test]
fn a_phone_that_refused_has_had_its_turn() {
    let calls = [(0.0, 2.0), (10.0, 2.0), (20.0, 2.0)];
    let expected = [vec![0, 1], vec![2], vec![0, 1]];
    assert_eq!(rung(&day(Strategy::RoundRobin, &[0], &calls)), expected);
}

#[test]
fn longest_idle_takes_who_put_down_first() {
    // The first talks until 40, the second until 15, the third until 25.
    let calls = [(0.0, 40.0), (5.0, 10.0), (10.0, 15.0), (50.0, 2.0), (60.0, 2.0)];
    assert_eq!(
        rung(&day(Strategy::LongestIdle, &[], &calls)),
        [[0], [1], [2], [1], [2]]
    );
}

#[test]
fn fewest_calls_evens_out_and_who_talks_is_rung_last() {
    let calls = [(0.0, 100.0), (5.0, 2.0), (15.0, 2.0), (25.0, 2.0), (110.0, 2.0)];
    // The first phone talks until 100: then it has one call as the third.
    assert_eq!(
        rung(&day(Strategy::FewestCalls, &[], &calls)),
        [[0], [1], [2], [1], [2]]
    );
}
