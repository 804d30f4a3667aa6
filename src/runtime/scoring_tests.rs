//! The pool with ears that only count: order, refusal, panics, ends, and bounds.

use std::time::Duration;

use crossbeam_channel::Receiver;

use super::super::scoring_worker::TICK;
use super::*;
use crate::runtime::clock;
use crate::voice::{Excerpt, HOP_SAMPLES, SecondScore};

/// How long a test waits for a thread on the busiest machine before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn opinion(seconds: f32) -> Opinion {
    Opinion {
        seconds,
        ..Opinion::nothing_heard()
    }
}

/// Ears that count their hops; one that hears a hop of 13s panics, one that hears a 7 waits for `gate`.
struct Counting {
    gate: Option<Receiver<()>>,
    /// Puts every hop in the inbox again until a call is let go.
    again: Option<Sender<(CallId, Hop)>>,
}

#[derive(Default)]
struct Ear {
    hops: f32,
    prompts: Vec<(Prompt, u64)>,
    is_kept: bool,
}

impl Ears for Counting {
    type Ear = Ear;

    fn open(&mut self, _: CallId) -> Option<Ear> {
        Some(Ear::default())
    }

    fn hear(&mut self, ear: &mut Ear, hop: &[i16]) -> Option<Opinion> {
        ear.hops += 1.0;
        assert_ne!(hop[0], 13, "an unlucky model");
        if hop[0] == 7
            && let Some(gate) = &self.gate
        {
            gate.recv().expect("opened");
        }
        if let Some(again) = &self.again {
            again.try_send((CallId(2), hop.into())).expect("room");
        }
        Some(opinion(ear.hops))
    }

    fn prompt(&mut self, ear: &mut Ear, prompt: Prompt, at_sample: u64) {
        ear.prompts.push((prompt, at_sample));
    }

    fn keep(&mut self, ear: &mut Ear, is_kept: bool) {
        ear.is_kept = is_kept;
    }

    fn is_keeping(&self, ear: &Ear) -> bool {
        ear.is_kept
    }

    fn excerpt(&mut self, _: &mut Ear) -> Option<Excerpt> {
        None
    }

    fn take_second(&mut self, ear: &mut Ear, _: SecondScore) -> Opinion {
        opinion(ear.hops)
    }

    fn ask(&mut self, _: CallId, _: u8, _: &Ear, _: Excerpt) -> bool {
        false
    }

    fn let_go(&mut self, _: CallId) {
        self.again = None;
    }

    fn revision(&self, _: &Ear) -> Option<String> {
        None
    }
}

fn counting(gate: Option<Receiver<()>>) -> Counting {
    Counting { gate, again: None }
}

/// A worker without a thread, and what it says.
fn worker() -> (Worker<Counting>, Receiver<(u128, Said)>) {
    let (out, said) = bounded(10_000);
    let heard = move |call: CallId, what| out.send((call.0, what)).expect("room");
    (Worker::new(counting(None), Arc::new(heard), Arc::default()), said)
}

fn pool(workers: usize, gate: Option<Receiver<()>>) -> (Scoring, Receiver<(CallId, Opinion, Hop)>) {
    let (out, results) = bounded(10_000);
    let heard = move |call, said| {
        if let Said::Hop { opinion, hop } = said {
            out.send((call, opinion, hop)).expect("room");
        }
    };
    let ears = (0..workers).map(|_| counting(gate.clone())).collect();
    (
        Scoring::start_with(ears, Arc::default(), Arc::new(heard)).expect("threads"),
        results,
    )
}

/// A pool of one worker that stands in its first hop, of call 1, until something is sent.
///
/// What opens comes last: it goes first when a test fails, or the pool would wait for its worker for ever.
fn held_pool() -> (Scoring, Receiver<(CallId, Opinion, Hop)>, Sender<()>) {
    let (open, gate) = bounded(1);
    let (scoring, results) = pool(1, Some(gate));
    scoring.submit(CallId(1), hop(7)).expect("room");
    let begun = clock::now().instant;
    while !scoring.inboxes[0].hops.is_empty() {
        assert!(clock::now().instant - begun < PATIENCE, "the worker took no hop");
        std::thread::yield_now();
    }
    (scoring, results, open)
}

fn hop(first: i16) -> Hop {
    vec![first; HOP_SAMPLES].into_boxed_slice()
}

#[test]
fn hops_of_a_call_are_heard_in_order_by_one_ear_and_come_back() {
    let (scoring, results) = pool(3, None);
    for turn in 100..120 {
        for call in 0..5 {
            scoring.submit(CallId(call), hop(turn)).expect("room");
        }
    }
    drop(scoring);
    let results: Vec<_> = results.try_iter().collect();
    assert_eq!(results.len(), 100);
    for call in 0..5 {
        let mine = results.iter().filter(|(id, ..)| *id == CallId(call));
        for (turn, (_, opinion, hop)) in mine.enumerate() {
            assert_eq!((opinion.seconds, hop[0]), (turn as f32 + 1.0, turn as i16 + 100));
        }
    }
}

#[test]
fn a_full_inbox_gives_the_hop_back_at_once() {
    let (scoring, results, open) = held_pool();
    for number in 0..INBOX_HOPS as i16 {
        scoring.submit(CallId(2), hop(100 + number)).expect("room");
    }
    let refused = scoring.submit(CallId(2), hop(99)).expect_err("overloaded");
    assert_eq!(refused[0], 99);
    let counters = Arc::clone(scoring.counters());
    assert_eq!(counters.overloaded.load(Ordering::Relaxed), 1);
    open.send(()).expect("waiting");
    drop(scoring);
    assert_eq!(results.len(), INBOX_HOPS + 1);
}

#[test]
fn a_panicking_model_costs_its_call_one_hop_and_nobody_else_anything() {
    let (scoring, results) = pool(1, None);
    for (call, first) in [(1, 1), (2, 1), (1, 13), (1, 2), (2, 2)] {
        scoring.submit(CallId(call), hop(first)).expect("room");
    }
    let counters = Arc::clone(scoring.counters());
    drop(scoring);
    let heard: Vec<(u128, f32)> = results
        .try_iter()
        .map(|(call, opinion, _)| (call.0, opinion.seconds))
        .collect();
    assert_eq!(heard, [(1, 1.0), (2, 1.0), (1, 1.0), (2, 2.0)]);
    assert_eq!(counters.panicked.load(Ordering::Relaxed), 1);
    assert_eq!(counters.scored.load(Ordering::Relaxed), 4);
}

#[test]
fn an_ended_call_leaves_nothing_behind_even_with_hops_before_the_end() {
    let (scoring, results, open) = held_pool();
    scoring.submit(CallId(1), hop(1)).expect("room");
    scoring.submit(CallId(2), hop(1)).expect("room");
    scoring.end(CallId(1));
    open.send(()).expect("waiting");
    for _ in 0..3 {
        results.recv_timeout(PATIENCE).expect("three");
    }
    let begun = clock::now().instant;
    while scoring.counters().listening.load(Ordering::Relaxed) != 1 {
        assert!(
            clock::now().instant - begun < PATIENCE,
            "the ended call is still listened to"
        );
        std::thread::yield_now();
    }
    scoring.submit(CallId(1), hop(1)).expect("room");
    assert_eq!(results.recv_timeout(PATIENCE).expect("one").1.seconds, 1.0);
}

#[test]
fn a_worker_listens_to_so_many_calls_and_no_more() {
    let (mut worker, said) = worker();
    for call in 0..=LISTENERS_PER_WORKER as u128 {
        worker.hear(CallId(call), vec![0; 1].into_boxed_slice());
    }
    assert_eq!(worker.listening.len(), LISTENERS_PER_WORKER);
    assert_eq!(worker.counters().crowded.load(Ordering::Relaxed), 1);
    let last = said.try_iter().last().expect("said");
    assert!(
        matches!(last, (call, Said::NotHeard(_)) if call == LISTENERS_PER_WORKER as u128),
        "its buffer comes back"
    );
    for _ in 0..=IDLE_EXPIRES.as_secs() / TICK.as_secs() {
        worker.expire();
    }
    assert!(worker.listening.is_empty());
    assert_eq!(worker.counters().listening.load(Ordering::Relaxed), 0);
}

#[test]
fn every_hop_comes_back_also_one_that_a_model_failed_on() {
    let (mut worker, said) = worker();
    for first in [1, 13, 13, 13, 2] {
        worker.hear(CallId(1), hop(first));
    }
    let back: Vec<(bool, i16)> = said
        .try_iter()
        .filter_map(|(_, said)| match said {
            Said::Hop { hop, .. } => Some((true, hop[0])),
            Said::NotHeard(hop) => Some((false, hop[0])),
            _ => None,
        })
        .collect();
    assert_eq!(
        back,
        [(true, 1), (false, 13), (false, 13), (false, 13), (true, 2)]
    );
}

#[test]
fn an_end_does_not_wait_for_hops_that_never_cease() {
    let (hops, hops_in) = bounded(INBOX_HOPS);
    let (notes, notes_in) = bounded(INBOX_NOTES);
    let ears = Counting {
        gate: None,
        again: Some(hops.clone()),
    };
    let worker = Worker::new(ears, Arc::new(|_, _| ()), Arc::default());
    hops.send((CallId(1), hop(1))).expect("room");
    notes.send(Note::End(CallId(1))).expect("room");
    drop(hops);
    // Ends: the end of the call is what stops the hops.
    worker.work(&hops_in, &notes_in);
}

#[test]
fn audio_is_kept_of_so_many_calls_the_first_in_the_order_of_policy() {
    let (mut worker, said) = worker();
    let all = KEEPING_PER_WORKER as u128;
    let want = |worker: &mut Worker<Counting>, call, rank| {
        worker.note(Note::Attend(CallId(call), Some(rank)));
        worker.hear(CallId(call), hop(1));
        let shed = said
            .try_iter()
            .filter(|(_, said)| matches!(said, Said::SecondShed));
        shed.map(|(call, _)| call).collect::<Vec<_>>()
    };
    for call in 0..all {
        assert_eq!(want(&mut worker, call, if call == 7 { 5 } else { 3 }), []);
    }
    // One of the last rank goes without and is told once; one before them takes the place of the last.
    assert_eq!(want(&mut worker, all, 5), [all]);
    assert_eq!(want(&mut worker, all, 5), []);
    assert_eq!(want(&mut worker, all + 1, 0), [7]);
    assert_eq!(worker.keeping(), KEEPING_PER_WORKER);
    for call in 0..all + 2 {
        worker.note(Note::End(CallId(call)));
    }
    assert_eq!((worker.keeping(), worker.listening.len()), (0, 0));
}

#[test]
fn an_ear_is_told_of_prompts_before_the_hop_that_they_fall_in_also_before_the_first() {
    let (mut worker, _said) = worker();
    let told = |worker: &Worker<Counting>| worker.ear(CallId(1)).map(|ear| ear.prompts.clone());
    worker.note(Note::Prompt(CallId(1), Prompt::Began, 4_000));
    assert_eq!(told(&worker), None);
    worker.hear(CallId(1), hop(1));
    assert_eq!(told(&worker), Some(vec![(Prompt::Began, 4_000)]));
    for _ in 0..2 * PROMPTS_PER_CALL {
        worker.note(Note::Prompt(CallId(1), Prompt::Ended, 20_000));
    }
    worker.hear(CallId(1), hop(1));
    assert_eq!(told(&worker).map(|told| told.len()), Some(1 + PROMPTS_PER_CALL));
}

#[test]
fn a_call_that_wants_second_opinions_gets_them_beside_its_hops() {
    let models = Arc::new(Models::new(Arc::new(crate::voice::test_model()), 10));
    let (out, results) = bounded(1000);
    let room = Room {
        workers: 2,
        second_cores: 1.0,
    };
    let scoring = Scoring::start(&models, room, move |call: CallId, said| {
        out.send((call.0, said)).expect("room");
    })
    .expect("threads");
    scoring.attend(CallId(1), Some(0));
    let mut seconds = 0;
    for turn in 0..6 {
        for call in [1, 2] {
            let samples: Vec<i16> = (0..HOP_SAMPLES)
                .map(|n| {
                    let t = (turn * HOP_SAMPLES + n) as f64 / 8000.0 * std::f64::consts::TAU;
                    let voice: f64 = (1..20)
                        .map(|k| (t * 140.0 * f64::from(k)).sin() / f64::from(k))
                        .sum();
                    (voice * 6000.0 * (t * 4.0).sin().max(0.0)) as i16
                })
                .collect();
            scoring
                .submit(CallId(call), samples.into_boxed_slice())
                .expect("room");
            // In step, so that no excerpt replaces another before it was heard.
            loop {
                match results.recv_timeout(PATIENCE).expect("an answer") {
                    (_, Said::Hop { .. }) if call == 1 && turn % 2 == 1 => {}
                    (_, Said::Hop { .. }) => break,
                    (call, Said::Second(opinion)) => {
                        assert_eq!((call, opinion.stages), (1, crate::voice::Stages::Both));
                        seconds += 1;
                        break;
                    }
                    (_, Said::Model(model)) => assert!(model.starts_with("tiny@")),
                    (call, said) => panic!("{said:?} for {call}"),
                }
            }
        }
    }
    assert_eq!(seconds, 3);
}
