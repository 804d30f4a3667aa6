//! The queue of second opinions: who is heard first, who is shed, and that a stop ends it.

use crossbeam_channel::{Receiver, bounded};

use super::*;
use crate::voice::{HOP_SAMPLES, Hearing, Listener};

/// A buzz with syllables: speech to the detector.
fn excerpt(model: &Arc<Model>) -> Excerpt {
    let mut hearing = Hearing::without_second(model).expect("bench");
    let mut listener = Listener::new(model).expect("listener");
    listener.keep(true);
    for hop in 0..2 {
        let samples: Vec<i16> = (0..HOP_SAMPLES)
            .map(|n| {
                let t = (hop * HOP_SAMPLES + n) as f64 / 8000.0 * std::f64::consts::TAU;
                let voice: f64 = (1..20)
                    .map(|k| (t * 140.0 * f64::from(k)).sin() / f64::from(k))
                    .sum();
                (voice * 6000.0 * (t * 4.0).sin().max(0.0)) as i16
            })
            .collect();
        hearing.hear(&mut listener, &samples);
    }
    listener.excerpt().expect("speech was kept")
}

fn queue() -> (SecondOpinions, Receiver<Note>, Arc<Model>, Excerpt) {
    let second = SecondOpinions::without_threads(Arc::default());
    let (sender, receiver) = bounded(1000);
    second.answer_to(vec![sender]);
    let model = Arc::new(crate::voice::test_model());
    let excerpt = excerpt(&model);
    (second, receiver, model, excerpt)
}

#[test]
fn the_lowest_rank_is_heard_first_and_the_highest_is_shed() {
    let (second, notes, model, excerpt) = queue();
    for call in 0..WAITING_MAX as u128 {
        let rank = (call % 3) as u8 + 1;
        assert!(second.ask(CallId(call), rank, &model, excerpt.clone()));
    }
    // Full: another of the last rank is refused, one of the first takes the place of the latest of the last.
    assert!(!second.ask(CallId(100), 3, &model, excerpt.clone()));
    assert!(second.ask(CallId(101), 0, &model, excerpt.clone()));
    let shed: Vec<Note> = notes.try_iter().collect();
    assert!(matches!(shed[..], [Note::Shed(CallId(29))]), "{shed:?}");
    assert_eq!(second.shared.counters.second_shed.load(Ordering::Relaxed), 2);
    let order: Vec<u128> = (0..4)
        .map(|_| second.shared.next().expect("waiting").call.0)
        .collect();
    assert_eq!(order, [101, 0, 3, 6]);
}

#[test]
fn a_newer_excerpt_of_a_call_takes_the_place_of_the_older() {
    let (second, _notes, model, excerpt) = queue();
    for _ in 0..5 {
        assert!(second.ask(CallId(7), 0, &model, excerpt.clone()));
    }
    assert_eq!(second.shared.lock().waiting.len(), 1);
}

#[test]
fn nothing_waits_for_a_call_that_is_over() {
    let (second, _notes, model, excerpt) = queue();
    for call in [7, 8] {
        assert!(second.ask(CallId(call), 0, &model, excerpt.clone()));
    }
    second.forget(CallId(7));
    assert_eq!(second.shared.next().expect("the other").call, CallId(8));
    assert!(second.shared.lock().waiting.is_empty());
}

#[test]
fn what_waited_too_long_is_shed() {
    let (second, _notes, model, excerpt) = queue();
    assert!(second.ask(CallId(1), 0, &model, excerpt));
    let (mut shed, later) = (Vec::new(), clock::now().instant + DEADLINE * 2);
    second.shared.lock().shed_late(later, |call| shed.push(call.0));
    assert_eq!(shed, [1]);
    assert!(second.shared.lock().waiting.is_empty());
}

#[test]
fn threads_answer_the_worker_of_the_call_and_end_when_told() {
    let (sender, notes) = bounded(10);
    let second = SecondOpinions::start(1.0, Arc::default()).expect("a thread");
    second.answer_to(vec![sender]);
    let model = Arc::new(crate::voice::test_model());
    assert!(second.ask(CallId(5), 0, &model, excerpt(&model)));
    let answer = notes.recv_timeout(Duration::from_secs(60)).expect("an answer");
    assert!(matches!(answer, Note::Second(CallId(5), Some(_))), "{answer:?}");
    assert_eq!(
        Arc::strong_count(&model),
        1,
        "a thread without work holds no model"
    );
    second.stop();
}
