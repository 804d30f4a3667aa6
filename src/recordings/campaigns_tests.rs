//! Campaigns from the first call to the last restart.

use std::collections::BTreeMap;

use super::landmarks::tests::{babble, landmarks};
use super::limits::{ALLOWED_MAX, RETENTION, UNWRITTEN_MAX};
use super::{Campaigns, Landmark, NotSaid, Recording, Said, Standing, WANTED, landmarks_of, landmarks_text};
use crate::call_id::CallId;

const OVER: u64 = RETENTION.as_millis() as u64 + 1;

fn numbered(number: usize) -> Recording {
    Recording::numbered(number as u32).unwrap()
}

fn keep(campaigns: &mut Campaigns, seed: u64, caller: u64, now_ms: u64) {
    let call = CallId(u128::from(seed));
    campaigns.keep(&landmarks(&babble(seed, 15)), call, caller, now_ms);
}

/// The recording of this seed, where it is found by a piece of it.
fn found(campaigns: &mut Campaigns, seed: u64) -> Option<Recording> {
    let found = campaigns.find(&landmarks(&babble(seed, 15)[8_000..56_000]));
    found.map(|found| found.of)
}

fn allowed(is_allowed: bool, at_ms: u64) -> Said {
    Said {
        title: "reminder of a clinic".into(),
        is_allowed,
        by: "ann".into(),
        at_ms,
        ..Said::default()
    }
}

/// What a store would have of it, and another one made of that.
fn restarted(campaigns: &mut Campaigns, kept: &mut Kept, now_ms: u64) -> Campaigns {
    for one in campaigns.take_unwritten(usize::MAX) {
        match one.standing {
            None => _ = kept.remove(&one.recording),
            Some(standing) => {
                let place = kept.entry(one.recording).or_default();
                place.0 = standing.text();
                if let Some(landmarks) = one.landmarks {
                    place.1 = landmarks_text(&landmarks);
                }
            }
        }
    }
    let mut again = Campaigns::new(100);
    for (recording, (standing, landmarks)) in kept {
        let standing = Standing::of(standing).unwrap();
        again.restore(*recording, standing, &landmarks_of(landmarks).unwrap(), now_ms);
    }
    again
}

type Kept = BTreeMap<Recording, (String, String)>;

#[test]
fn a_recording_from_several_callers_is_told_with_how_many_and_since_when() {
    let mut campaigns = Campaigns::new(100);
    assert_eq!(found(&mut campaigns, 1), None);
    keep(&mut campaigns, 1, 11, 1_000);
    keep(&mut campaigns, 2, 12, 2_000);
    let recording = found(&mut campaigns, 1).unwrap();
    for (caller, callers, calls) in [(13, 2, 2), (13, 2, 3), (14, 3, 4)] {
        let call = CallId(u128::from(caller));
        let repeat = campaigns.count(recording, call, caller, 5_000).unwrap();
        assert_eq!((repeat.callers, repeat.calls), (callers, calls));
        assert_eq!((repeat.first_seen_ms, repeat.last_seen_ms), (1_000, 5_000));
        assert_eq!(repeat.name, "recording-1");
    }
    assert_eq!(Recording::named("recording-1"), Some(recording));
    for other in ["recording-0", "recording-01", "recording-+1", "recording-", "1"] {
        assert_eq!(Recording::named(other), None, "{other}");
    }
    campaigns.forget(OVER * 2);
    assert!(campaigns.is_empty() && found(&mut campaigns, 1).is_none());
}

#[test]
fn what_is_wanted_is_nobodys_campaign() {
    let mut campaigns = Campaigns::new(100);
    let music = babble(3, 15);
    assert!(campaigns.want(&landmarks(&music)));
    let found = campaigns
        .find(&landmarks(&music[30_000..75_000]))
        .map(|found| found.of);
    assert_eq!(found, Some(WANTED));
    assert_eq!(campaigns.count(WANTED, CallId(1), 5, 2), None);
}

#[test]
fn a_restart_changes_nothing_and_no_number_is_given_twice() {
    let (mut campaigns, mut kept) = (Campaigns::new(100), Kept::new());
    keep(&mut campaigns, 1, 11, 1_000);
    keep(&mut campaigns, 2, 12, 2_000);
    assert_eq!(campaigns.unwritten(), 2);
    let recording = found(&mut campaigns, 1).unwrap();
    campaigns.count(recording, CallId(9), 12, 3_000).unwrap();
    let mut again = restarted(&mut campaigns, &mut kept, 4_000);
    assert_eq!((campaigns.unwritten(), again.unwritten()), (0, 0));
    assert_eq!(found(&mut again, 1), Some(recording));
    let repeat = again.count(recording, CallId(10), 13, 5_000).unwrap();
    assert_eq!(
        (repeat.callers, repeat.calls, repeat.first_seen_ms),
        (3, 3, 1_000)
    );
    let standing = again.standing(recording).unwrap();
    assert_eq!(standing.newest, [CallId(1), CallId(9), CallId(10)]);
    keep(&mut again, 3, 14, 6_000);
    assert_eq!(found(&mut again, 3), Recording::numbered(3));
    // Past the retention nothing is left, and that is written too.
    let mut late = restarted(&mut again, &mut kept, 7_000 + OVER);
    assert!(late.is_empty() && late.unwritten() == 3);
    restarted(&mut late, &mut kept, 7_000 + OVER);
    assert!(kept.is_empty());
    assert_eq!(late.last(), 3);
}

#[test]
fn what_could_not_be_written_is_brought_back_and_what_found_no_room_is_not_half_written() {
    let mut campaigns = Campaigns::new(100);
    keep(&mut campaigns, 1, 11, 1_000);
    let taken = campaigns.take_unwritten(10);
    assert!(taken[0].landmarks.is_some());
    let recording = found(&mut campaigns, 1).unwrap();
    campaigns.count(recording, CallId(2), 12, 2_000).unwrap();
    campaigns.put_back(taken);
    let taken = campaigns.take_unwritten(10);
    assert_eq!(taken.len(), 1);
    assert!(taken[0].landmarks.is_some());
    assert_eq!(taken[0].standing.as_ref().unwrap().calls, 2, "as it is by now");
    let mut full = Campaigns::new(4 * UNWRITTEN_MAX);
    let mark = |at: u16| [Landmark { hash: 1, at }];
    for number in 0..UNWRITTEN_MAX as u64 + 1 {
        full.keep(&mark(number as u16 % 900), CallId(1), number, 1);
    }
    let last = numbered(UNWRITTEN_MAX + 1);
    full.count(last, CallId(2), 5, 2).unwrap();
    let taken = full.take_unwritten(usize::MAX);
    assert_eq!(taken.len(), UNWRITTEN_MAX);
    assert!(taken.iter().all(|one| one.landmarks.is_some()));
}

#[test]
fn what_people_allow_is_no_campaign_any_more_until_they_take_it_back() {
    let (mut campaigns, mut kept) = (Campaigns::new(100), Kept::new());
    for seed in 1..5 {
        keep(&mut campaigns, seed, seed, seed * 1_000);
    }
    let recording = found(&mut campaigns, 2).unwrap();
    let said = campaigns.say(recording, Some(0), allowed(true, 9_000)).unwrap();
    assert_eq!((said.said.revision, said.said.is_allowed), (1, true));
    let second_look = campaigns.say(recording, Some(0), allowed(false, 9_000));
    assert_eq!(second_look, Err(NotSaid::Changed));
    // Also after a restart, and past the retention of the others.
    let mut again = restarted(&mut campaigns, &mut kept, 10_000 + OVER);
    assert_eq!((again.len(), found(&mut again, 1)), (1, None));
    again.forget(10_000 + OVER);
    assert_eq!(found(&mut again, 2), Some(recording));
    assert_eq!(again.count(recording, CallId(8), 77, 10_000 + OVER), None);
    let standing = again.standing(recording).unwrap();
    assert_eq!((standing.calls, standing.callers()), (2, 1), "{standing:?}");
    assert!(
        standing.callers.is_empty(),
        "who brought it is not kept for longer"
    );
    // Taken back: it is remembered from now on, and counts again.
    again.say(recording, None, allowed(false, 20_000 + OVER)).unwrap();
    let mut last = restarted(&mut again, &mut kept, 30_000 + OVER);
    assert_eq!(found(&mut last, 2), Some(recording));
    let repeat = last.count(recording, CallId(9), 78, 30_000 + OVER).unwrap();
    assert_eq!((repeat.callers, repeat.calls), (2, 3));
    let other = last.say(numbered(77), None, allowed(true, 1));
    assert_eq!(other, Err(NotSaid::NoSuch));
}

#[test]
fn one_that_was_allowed_and_taken_back_outlives_the_part_it_was_in_before() {
    let mut campaigns = Campaigns::new(4);
    keep(&mut campaigns, 1, 1, 1);
    let recording = found(&mut campaigns, 1).unwrap();
    campaigns.say(recording, None, allowed(true, 2)).unwrap();
    for seed in 2..5 {
        keep(&mut campaigns, seed, seed, seed);
    }
    campaigns.say(recording, None, allowed(false, 9)).unwrap();
    assert_eq!(found(&mut campaigns, 1), Some(recording));
    assert_eq!(found(&mut campaigns, 4).map(Recording::number), Some(4));
    keep(&mut campaigns, 5, 5, 10);
    assert_eq!(found(&mut campaigns, 1), Some(recording), "the oldest made room");
}

#[test]
fn saying_something_of_a_recording_keeps_nobody_known_for_longer() {
    let mut campaigns = Campaigns::new(100);
    keep(&mut campaigns, 1, 1, 1_000);
    let recording = found(&mut campaigns, 1).unwrap();
    campaigns.count(recording, CallId(2), 2, 2_000).unwrap();
    campaigns.say(recording, None, allowed(true, OVER / 2)).unwrap();
    campaigns.say(recording, None, allowed(false, OVER / 2)).unwrap();
    campaigns.forget(999 + OVER);
    assert_eq!(campaigns.heard_from(1), 1);
    campaigns.forget(1_000 + OVER);
    let standing = campaigns.standing(recording).unwrap();
    assert_eq!((&standing.callers[..], standing.callers()), (&[][..], 2));
    // Who comes then is known for as long, and counted once.
    for call in 3..6 {
        let repeat = campaigns.count(recording, CallId(call), 3, 2_000 + OVER).unwrap();
        assert_eq!(repeat.callers, 3);
        campaigns.forget(2_000 + OVER);
    }
}

#[test]
fn only_so_many_may_be_allowed() {
    let mut campaigns = Campaigns::new(100);
    let mark = [Landmark { hash: 5, at: 8 }];
    let standing = Standing {
        said: allowed(true, 1),
        ..Standing::default()
    };
    for number in 1..=ALLOWED_MAX {
        campaigns.restore(numbered(number), standing.clone(), &mark, 1);
    }
    campaigns.keep(&mark, CallId(1), 1, 1);
    let last = numbered(ALLOWED_MAX + 1);
    assert_eq!(campaigns.say(last, None, allowed(true, 2)), Err(NotSaid::Full));
    campaigns.say(numbered(1), None, allowed(false, 3)).unwrap();
    campaigns.say(last, None, allowed(true, 3)).unwrap();
    let all = campaigns.all();
    assert_eq!(all.filter(|(_, one)| one.said.is_allowed).count(), ALLOWED_MAX);
}

#[test]
fn a_caller_who_is_erased_is_in_no_recording_and_his_own_ones_are_gone() {
    let (mut campaigns, mut kept) = (Campaigns::new(100), Kept::new());
    for (seed, caller) in [(1, 11), (2, 11), (3, 12), (4, 11)] {
        keep(&mut campaigns, seed, caller, seed * 1_000);
    }
    let shared = found(&mut campaigns, 1).unwrap();
    campaigns.count(shared, CallId(5), 12, 9_000).unwrap();
    let wanted = found(&mut campaigns, 4).unwrap();
    campaigns.say(wanted, None, allowed(true, 9_000)).unwrap();
    restarted(&mut campaigns, &mut kept, 9_000);
    assert_eq!((campaigns.heard_from(11), campaigns.forget_caller(11)), (3, 3));
    assert_eq!((campaigns.heard_from(11), campaigns.forget_caller(11)), (0, 0));
    let mut again = restarted(&mut campaigns, &mut kept, 9_000);
    for campaigns in [&mut campaigns, &mut again] {
        assert_eq!(found(campaigns, 2), None, "it was his voice alone");
        assert_eq!(found(campaigns, 4), Some(wanted));
        assert_eq!(found(campaigns, 1), Some(shared));
        let standing = campaigns.standing(shared).unwrap();
        assert_eq!(
            (standing.callers(), standing.callers.as_slice()),
            (2, [12].as_slice())
        );
    }
    assert!(kept.values().all(|(standing, _)| !standing.contains("11,")));
    let repeat = again.count(shared, CallId(6), 11, 10_000).unwrap();
    assert_eq!(repeat.callers, 3, "nobody knows him again");
}
