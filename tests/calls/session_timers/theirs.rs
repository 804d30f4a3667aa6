//! They refresh: callers and phones, and what happens when they do not.

use ringward::call::record::Ending;

use super::{TIMER, UPDATE, described, hang_up, offer, world};
use crate::hand::{talk, word};

#[test]
fn a_session_that_the_peer_does_not_refresh_ends_32_s_or_a_third_before_its_time() {
    for (interval, seconds) in [("600", 568), ("90", 60)] {
        let mut world = world();
        let value = format!("{interval};refresher=uac");
        let talk = talk(&mut world, &[TIMER, ("Session-Expires", &value)], &[]);
        world.run_for(f64::from(seconds) - 2.0);
        assert_eq!(world.words(&talk.caller), [""; 0]);
        world.run_for(3.0);
        for hand in [&talk.caller, &talk.phone] {
            let bye = world.one(hand, "BYE");
            world.answer(hand, &bye, 200, &[], None);
        }
        world.run_for(100.0);
        world.check();
        assert_eq!(world.ending(), (Ending::Failed, 200, "us"));
    }
}

#[test]
fn a_refresh_by_update_begins_the_time_anew_and_stays_on_its_leg() {
    let mut world = world();
    let expires = ("Session-Expires", "90;refresher=uac");
    let mut talk = talk(&mut world, &[TIMER, expires], &[]);
    let before = described(&world);
    for _ in 0..5 {
        world.run_for(45.0);
        world.ask(&mut talk.caller, "UPDATE", &[TIMER, expires], None);
        let ok = world.one(&talk.caller, "200 UPDATE");
        assert_eq!(ok.must("Session-Expires"), "90;refresher=uac");
        assert_eq!(ok.must("Require"), "timer");
    }
    assert_eq!(world.words(&talk.phone), [""; 0]);
    assert_eq!(described(&world), before);
    hang_up(&mut world, &mut talk);
}

#[test]
fn a_refresh_by_the_same_invite_again_is_answered_by_us_with_what_we_said_last() {
    let mut world = world();
    let expires = ("Session-Expires", "90;refresher=uac");
    let mut talk = talk(&mut world, &[TIMER, expires], &[]);
    let before = described(&world);
    world.run_for(45.0);
    let sdp = offer();
    world.ask(&mut talk.caller, "INVITE", &[TIMER, expires], Some(&sdp));
    let came = world.came(&talk.caller);
    let words: Vec<String> = came.iter().map(word).collect();
    assert_eq!(words, ["100 INVITE", "200 INVITE"]);
    assert_eq!(
        came[1].body, talk.answer.body,
        "the same description, version and all"
    );
    assert_eq!(came[1].must("Session-Expires"), "90;refresher=uac");
    world.ask(&mut talk.caller, "ACK", &[], None);
    assert_eq!(world.words(&talk.phone), [""; 0]);
    assert_eq!(described(&world), before);
    world.run_for(50.0);
    assert_eq!(
        world.words(&talk.caller),
        [""; 0],
        "acknowledged, and the time began anew"
    );
    hang_up(&mut world, &mut talk);
}

#[test]
fn a_refresh_by_invite_that_is_never_acknowledged_ends_the_call() {
    let mut world = world();
    let mut talk = talk(&mut world, &[], &[]);
    let sdp = offer();
    world.ask(&mut talk.caller, "INVITE", &[], Some(&sdp));
    world.run_for(33.0);
    assert_eq!(world.words(&talk.phone), ["BYE"]);
    assert_eq!(world.words(&talk.caller).last().unwrap(), "BYE");
}

#[test]
fn a_phone_may_refresh_too() {
    let mut world = world();
    let expires = ("Session-Expires", "90;refresher=uas");
    let mut talk = talk(&mut world, &[], &[expires, ("Require", "timer")]);
    for _ in 0..5 {
        world.run_for(45.0);
        let own = ("Session-Expires", "90;refresher=uac");
        world.ask(&mut talk.phone, "UPDATE", &[TIMER, own], None);
        assert_eq!(
            world.one(&talk.phone, "200 UPDATE").must("Session-Expires"),
            "90;refresher=uac"
        );
    }
    assert_eq!(world.words(&talk.caller), [""; 0]);
    hang_up(&mut world, &mut talk);
}

#[test]
fn a_refresh_that_asks_for_less_than_90_s_is_422() {
    let mut world = world();
    let mut talk = talk(&mut world, &[TIMER, ("Session-Expires", "90;refresher=uac")], &[]);
    world.ask(
        &mut talk.caller,
        "UPDATE",
        &[TIMER, ("Session-Expires", "30")],
        None,
    );
    assert_eq!(world.one(&talk.caller, "422 UPDATE").must("Min-SE"), "90");
    hang_up(&mut world, &mut talk);
}

#[test]
fn each_leg_has_a_timer_of_its_own() {
    let mut world = world();
    let talk = talk(
        &mut world,
        &[TIMER, ("Session-Expires", "600;refresher=uac")],
        &[UPDATE, ("Session-Expires", "90;refresher=uac")],
    );
    let mut refreshes = 0;
    for _ in 0..50 {
        world.run_for(10.0);
        for update in world.came(&talk.phone) {
            assert_eq!(update.must("Session-Expires"), "90;refresher=uac");
            refreshes += 1;
            world.answer(
                &talk.phone,
                &update,
                200,
                &[("Session-Expires", "90;refresher=uac")],
                None,
            );
        }
    }
    assert!((10..=11).contains(&refreshes), "{refreshes}");
    assert_eq!(world.words(&talk.caller), [""; 0]);
}
