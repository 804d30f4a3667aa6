//! What is heard again, kept over restarts, erased and allowed.

use super::*;
use crate::call::CallRecord;
use crate::redact::Redacted;
use crate::screening::sample;
use crate::store;

/// Tones that change every tenth of a second, out of a seed.
fn audio(seed: u32) -> Vec<i16> {
    audio_at(seed, 1.0)
}

/// The same, played so much faster.
fn audio_at(seed: u32, speed: f32) -> Vec<i16> {
    let (mut state, mut changes) = (seed, 0);
    let mut tones = [500.0f32; 2];
    let mut phase = [0.0f32; 2];
    (0..15 * 8000)
        .map(|n| {
            // Every tenth of a second of the recording's own time.
            if f64::from(n) * f64::from(speed) >= f64::from(changes) * 800.0 {
                changes += 1;
                for tone in &mut tones {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *tone = 400.0 + ((state >> 12) % 2800) as f32;
                }
            }
            let mut level = 0.0;
            for (phase, tone) in phase.iter_mut().zip(tones) {
                *phase += tone * speed * std::f32::consts::TAU / 8000.0;
                level += phase.sin();
            }
            (level * 4000.0) as i16
        })
        .collect()
}

fn repeats() -> Repeats {
    let live = Arc::new(Live::new());
    for number in 1..6u128 {
        let facts = sample::unsigned();
        let mut record = CallRecord::arriving(CallId(number), &facts, Some("desk"), None);
        record.caller = Some(Redacted::new(format!("+1404555010{}", number.min(4))));
        live.publish(Arc::new(record));
    }
    let url = "sqlite::memory:".into();
    let store = store::open(&store::Config { url }).unwrap();
    again(&store, live)
}

/// A gateway that starts on this store.
fn again(store: &Arc<dyn Store>, live: Arc<Live>) -> Repeats {
    let repeats = Repeats::open(100, live, store.clone()).unwrap();
    repeats.read(10_000).unwrap();
    repeats
}

/// So many seconds of a call; what was told of it last.
fn hear(repeats: &Repeats, call: u128, samples: &[i16], now_ms: u64) -> Option<Repeat> {
    let mut told = None;
    for hop in samples.chunks(8000) {
        told = repeats.hear(CallId(call), hop, now_ms).or(told);
    }
    told
}

#[test]
fn the_same_recording_from_three_numbers_is_told_after_five_seconds() {
    let repeats = repeats();
    assert_eq!(hear(&repeats, 1, &audio(1), 1_000), None);
    assert_eq!(repeats.remembered().known, 1);
    // Another call, another voice; and a call that ends after seven seconds.
    assert_eq!(hear(&repeats, 2, &audio(2)[..56_000], 2_000), None);
    let second = hear(&repeats, 3, &audio(1)[4_000..44_000], 3_000).unwrap();
    assert_eq!(
        (second.callers, second.calls, second.first_seen_ms),
        (2, 2, 1_000)
    );
    let third = hear(&repeats, 4, &audio(1), 4_000).unwrap();
    assert_eq!((third.callers, third.calls), (3, 3));
    // The same number again is no new caller.
    assert_eq!(
        hear(&repeats, 5, &audio(1), 5_000).map(|repeat| repeat.callers),
        Some(3)
    );
    // The one that ended early is kept once it is over.
    let later = hear(&repeats, 1_000, &audio(2), 90_000).unwrap();
    assert_eq!((later.callers, later.calls), (2, 2));
}

#[test]
fn a_recording_that_is_played_one_percent_faster_or_slower_is_the_same_campaign() {
    let repeats = repeats();
    assert_eq!(hear(&repeats, 1, &audio(1), 1_000), None);
    for (call, speed, callers) in [(2, 1.01, 2), (3, 0.99, 3), (4, 1.0075, 4), (5, 0.9975, 4)] {
        let played = &audio_at(1, speed)[4_000..44_000];
        let repeat = hear(&repeats, call, played, 2_000).unwrap_or_else(|| panic!("not found at {speed}"));
        assert_eq!(
            (repeat.name.as_str(), repeat.callers),
            ("recording-1", callers),
            "{speed}"
        );
    }
    // As it is played it has too little in common with what was kept; and what is further off is none.
    let mut hearing = Hearing::new(&repeats.plan);
    hearing.push(&audio_at(1, 1.01)[4_000..44_000]);
    assert_eq!(lock(&repeats.campaigns).find(&hearing.question(1.0)), None);
    assert_eq!(
        hear(&repeats, 1_001, &audio_at(1, 1.05)[4_000..44_000], 3_000),
        None
    );
    // Others are others at any speed.
    for (call, seed) in [(1_002, 2), (1_003, 3), (1_004, 4), (1_005, 5)] {
        let speed = [0.99, 0.995, 1.005, 1.01][seed as usize - 2];
        assert_eq!(
            hear(&repeats, call, &audio_at(seed, speed), 4_000),
            None,
            "{seed}"
        );
    }
}

#[test]
fn what_a_training_call_plays_is_not_remembered() {
    let repeats = repeats();
    let mut record = CallRecord::clone(&repeats.live.call(CallId(1)).unwrap());
    record.drill = true;
    record.revision += 1;
    repeats.live.publish(Arc::new(record));
    assert_eq!(hear(&repeats, 1, &audio(1), 1_000), None);
    assert_eq!(
        (hear(&repeats, 2, &audio(1), 2_000), repeats.remembered().known),
        (None, 1)
    );
}

#[test]
fn what_the_business_knows_and_wants_is_no_campaign() {
    let repeats = repeats();
    let samples = audio(7);
    repeats.want_clip(&Clip::of_samples(&samples));
    for call in 1..5 {
        assert_eq!(hear(&repeats, call, &samples[16_000..], 1_000), None);
    }
    assert_eq!(repeats.remembered().known, 0);
    let nowhere = repeats.want(Path::new("/nowhere/at/all"));
    assert!(nowhere.0 == 0 && nowhere.1.len() == 1, "{nowhere:?}");
    let ours = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/en"));
    let (count, problems) = repeats.want(ours);
    assert!(count > 20 && problems.is_empty(), "{problems:?}");
}

#[test]
fn a_campaign_goes_on_after_a_restart_and_what_is_not_read_yet_is_looked_up_later() {
    let first = repeats();
    // Kept when it is over, and when the gateway ends.
    assert_eq!(hear(&first, 1, &audio(1)[..56_000], 1_000), None);
    first.conclude_over(2_000, false);
    assert_eq!(first.remembered().known, 0);
    first.conclude_over(2_000, true);
    assert_eq!(hear(&first, 2, &audio(1), 3_000).unwrap().callers, 2);
    assert_eq!(first.remembered().unwritten, 1);
    first.write().unwrap();
    assert_eq!(first.remembered().unwritten, 0);

    let second = Repeats::open(100, first.live.clone(), first.store.clone()).unwrap();
    assert_eq!(hear(&second, 3, &audio(1)[..64_000], 4_000), None);
    assert!(!second.is_read() && second.forget_number("+14045550101", 4_000).is_err());
    second.read(10_000).unwrap();
    let third = second.hear(CallId(3), &audio(1)[64_000..72_000], 4_000).unwrap();
    assert_eq!((third.callers, third.calls, third.first_seen_ms), (3, 3, 2_000));
    assert_eq!(third.name, "recording-1");
    second.read(10_000).unwrap();
    assert_eq!(second.remembered().known, 1, "reading again changes nothing");
    assert_eq!(hear(&second, 4, &audio(5), 5_000), None);
    let names: Vec<String> = second.all(|_| true).iter().map(|(one, _)| one.name()).collect();
    assert_eq!(names, ["recording-1", "recording-2"]);
}

#[test]
fn a_number_that_is_erased_is_known_in_no_recording_here_and_in_another_process() {
    let first = repeats();
    for (call, seed) in [(1, 1), (2, 1), (3, 3), (1, 4)] {
        hear(&first, call, &audio(seed), 1_000);
        lock(&first.hearing).clear();
    }
    first.write().unwrap();
    let store = &*first.store;
    assert_eq!(held_beside(store, "+14045550101").unwrap(), 2);
    assert_eq!(first.heard_from("+14045550101"), 2);
    assert_eq!(first.forget_number("+14045550101", 2_000).unwrap(), 2);
    assert_eq!(held_beside(store, "+14045550101").unwrap(), 0);
    assert_eq!(first.remembered().known, 2, "one was of this number alone");
    // A command beside the gateway: on disk at once, in the gateway a moment later.
    assert_eq!(erase_beside(store, "+14045550103", 3_000, false).unwrap(), 1);
    assert_eq!(
        (
            held_beside(store, "+14045550103").unwrap(),
            first.heard_from("+14045550103")
        ),
        (0, 1)
    );
    first.erase_as_told(3_000).unwrap();
    assert_eq!(first.heard_from("+14045550103"), 0);
    assert_eq!(kept::told_by_others(store).unwrap(), []);
    // Done, and not taken off the list: somebody else wrote there at that moment.
    let caller = first.pseudonyms.caller(Some("+14045550103"));
    kept::tell_others(store, caller, 3_000).unwrap();
    first.erase_as_told(3_000).unwrap();
    assert_eq!(kept::told_by_others(store).unwrap(), []);
    let second = again(&first.store, first.live.clone());
    assert_eq!(second.remembered().known, 1);
    // Who calls again is a caller again.
    let repeat = hear(&second, 3, &audio(1), 9_000).unwrap();
    assert_eq!((repeat.callers, second.heard_from("+14045550103")), (3, 1));
    clear(store, 9_000).unwrap();
    assert_eq!(again(&first.store, first.live.clone()).remembered().known, 0);
}

#[test]
fn where_nothing_is_remembered_an_erasure_leaves_no_pseudonym_and_no_secret_to_make_one() {
    let first = repeats();
    hear(&first, 1, &audio(1), 1_000);
    first.write().unwrap();
    let store = &*first.store;
    let left = |shelf| store.shelf(shelf).unwrap().documents;
    // The gateway itself, which remembers none: there is nobody else on this store.
    assert_eq!(erase_beside(store, "+14045550101", 2_000, true).unwrap(), 1);
    assert_eq!(left("recordings_erased"), []);
    // A command beside it, before the gateway was told to remember none.
    erase_beside(store, "+14045550102", 2_000, false).unwrap();
    assert_eq!(left("recordings_erased").len(), 1);
    clear(store, 3_000).unwrap();
    // And after.
    assert_eq!(erase_beside(store, "+14045550102", 4_000, false).unwrap(), 0);
    for shelf in ["recordings", "recordings_erased", "recordings_secret"] {
        assert_eq!(left(shelf), [], "{shelf}");
    }
}

#[test]
fn a_call_that_is_over_does_not_bring_back_a_number_that_is_erased() {
    let first = repeats();
    for call in [1, 2] {
        hear(&first, call, &audio(call as u32)[..56_000], 1_000);
    }
    let mut record = CallRecord::clone(&first.live.call(CallId(1)).unwrap());
    record.state = State::Ended;
    record.revision += 1;
    first.live.publish(Arc::new(record));
    for number in ["+14045550101", "+14045550102"] {
        first.forget_number(number, 2_000).unwrap();
    }
    first.conclude_over(3_000, true);
    let heard_from = ["+14045550101", "+14045550102"].map(|number| first.heard_from(number));
    assert_eq!(heard_from, [0, 1], "one that goes on may");
}

#[test]
fn what_cannot_be_read_is_taken_away_and_the_rest_is_known() {
    let first = repeats();
    for (call, seed) in [(1, 1), (2, 2), (3, 3), (4, 4)] {
        hear(&first, call, &audio(seed), 1_000);
    }
    first.write().unwrap();
    let spoil = |shelf, key: &str, text: Option<&str>| {
        let revision = first.store.shelf(shelf).unwrap().revision + 1;
        let change = (key.to_string(), text.map(String::from));
        assert!(first.store.reshelve(shelf, revision, vec![change]).unwrap());
    };
    spoil("recordings", "1", Some("{\"callers\":7}"));
    spoil("landmarks-00", "2", Some("1 nonsense"));
    spoil("landmarks-00", "3", None);
    spoil("landmarks-05", "77", Some("1 AAAAAA=="));
    let second = again(&first.store, first.live.clone());
    let known: Vec<u32> = second.all(|_| true).iter().map(|(one, _)| one.number()).collect();
    assert_eq!(known, [4]);
    second.write().unwrap();
    let keys = |shelf| {
        let documents = first.store.shelf(shelf).unwrap().documents.into_iter();
        documents.map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys("recordings"), ["4", "last"]);
    assert_eq!(
        (keys("landmarks-00"), keys("landmarks-05")),
        (vec!["4".to_string()], vec![])
    );
    hear(&second, 5, &audio(9), 2_000);
    let names: Vec<u32> = second.all(|_| true).iter().map(|(one, _)| one.number()).collect();
    assert_eq!(names, [4, 5], "no number is given twice");
}

#[test]
fn what_is_allowed_is_no_repeat_from_the_next_look_up_on_and_stays_so() {
    let first = repeats();
    for call in 1..3 {
        hear(&first, call, &audio(1), 1_000);
    }
    let recording = Recording::named("recording-1").unwrap();
    let said = |is_allowed| Said {
        is_allowed,
        by: "ann".into(),
        at_ms: 2_000,
        ..Said::default()
    };
    first.say(recording, Some(0), said(true)).unwrap();
    assert_eq!(hear(&first, 3, &audio(1), 3_000), None);
    first.write().unwrap();
    let second = again(&first.store, first.live.clone());
    assert_eq!(hear(&second, 4, &audio(1), 4_000), None);
    assert_eq!(second.standing(recording).unwrap().calls, 4);
    assert_eq!(second.say(recording, Some(7), said(false)), Err(NotSaid::Changed));
    second.say(recording, Some(1), said(false)).unwrap();
    let repeat = hear(&second, 5, &audio(1), 5_000).unwrap();
    assert_eq!((repeat.callers, repeat.calls), (3, 5));
}

#[test]
fn the_thread_reads_and_writes_and_ends_when_it_is_told_to() {
    let first = Arc::new(repeats());
    let second = Arc::new(Repeats::open(100, first.live.clone(), first.store.clone()).unwrap());
    let keeping = second.clone().keep().unwrap();
    hear(&second, 1, &audio(1)[..48_000], 1_000);
    let thread = keeping.stop();
    assert!(crate::runtime::vital::join_within(
        thread,
        std::time::Duration::from_secs(60)
    ));
    let remembered = second.remembered();
    assert_eq!(
        (remembered.known, remembered.unwritten, remembered.is_read),
        (1, 0, true)
    );
    assert_eq!(again(&first.store, first.live.clone()).remembered().known, 1);
}
