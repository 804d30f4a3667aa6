//! We refresh: by UPDATE or INVITE, and with other things under way.

use ringward::call::Input;
use ringward::call::record::Ending;

use super::{TIMER, UPDATE, described, hang_up, world};
use crate::hand::{Talk, talk, word};
use crate::wire::{self, Message};
use crate::world::{World, one_desk};

/// A phone that lets us refresh every 300 s, by UPDATE or not.
fn ours_to_phone(says: &[(&str, &str)]) -> (World, Talk) {
    let mut world = world();
    let says = [says, &[("Session-Expires", "600;refresher=uac")]].concat();
    let talk = talk(&mut world, &[], &says);
    world.run_for(298.0);
    assert_eq!(world.words(&talk.phone), [""; 0], "not before half the interval");
    world.run_for(3.0);
    (world, talk)
}

#[test]
fn we_refresh_at_half_the_interval_by_update_where_it_is_allowed() {
    let (mut world, mut talk) = ours_to_phone(&[UPDATE]);
    let before = described(&world);
    for _ in 0..3 {
        let update = world.one(&talk.phone, "UPDATE");
        assert_eq!(update.must("Session-Expires"), "600;refresher=uac");
        assert!(update.must("Supported").contains("timer"));
        assert!(!update.has_sdp());
        world.answer(
            &talk.phone,
            &update,
            200,
            &[("Session-Expires", "600;refresher=uac")],
            None,
        );
        assert_eq!(world.words(&talk.caller), [""; 0], "nothing for the other leg");
        assert_eq!(described(&world), before, "nothing for the media");
        world.run_for(299.0);
        assert_eq!(world.words(&talk.phone), [""; 0]);
        world.run_for(2.0);
    }
    let update = world.one(&talk.phone, "UPDATE");
    world.answer(&talk.phone, &update, 200, &[], None);
    world.run_for(2000.0);
    assert_eq!(
        world.words(&talk.phone),
        [""; 0],
        "a 2xx without Session-Expires ends the timer"
    );
    hang_up(&mut world, &mut talk);
}

#[test]
fn we_refresh_by_an_invite_that_says_the_same_again_where_update_is_not_allowed() {
    let (mut world, mut talk) = ours_to_phone(&[]);
    let invite = world.one(&talk.phone, "INVITE");
    assert_eq!(invite.must("Session-Expires"), "600;refresher=uac");
    assert_eq!(
        invite.body, talk.phone.invite.body,
        "the same description, version and all"
    );
    let before = described(&world);
    let sdp = talk.phone.sdp(1);
    world.answer(
        &talk.phone,
        &invite,
        200,
        &[("Session-Expires", "600;refresher=uac")],
        Some(&sdp),
    );
    assert_eq!(world.words(&talk.phone), ["ACK"]);
    assert_eq!(world.words(&talk.caller), [""; 0]);
    assert_eq!(described(&world), before);
    hang_up(&mut world, &mut talk);
}

#[test]
fn an_update_that_is_not_taken_after_all_becomes_an_invite() {
    for status in [405, 501] {
        let (mut world, mut talk) = ours_to_phone(&[UPDATE]);
        let update = world.one(&talk.phone, "UPDATE");
        world.answer(&talk.phone, &update, status, &[], None);
        let invite = world.one(&talk.phone, "INVITE");
        let sdp = talk.phone.sdp(1);
        world.answer(&talk.phone, &invite, 200, &[], Some(&sdp));
        hang_up(&mut world, &mut talk);
    }
}

#[test]
fn a_refresh_answered_422_is_asked_again_for_longer() {
    let (mut world, mut talk) = ours_to_phone(&[UPDATE]);
    let update = world.one(&talk.phone, "UPDATE");
    world.answer(&talk.phone, &update, 422, &[("Min-SE", "900")], None);
    let update = world.one(&talk.phone, "UPDATE");
    assert_eq!(
        (update.must("Session-Expires"), update.must("Min-SE")),
        ("900;refresher=uac", "900")
    );
    world.answer(
        &talk.phone,
        &update,
        200,
        &[("Session-Expires", "900;refresher=uac")],
        None,
    );
    hang_up(&mut world, &mut talk);
}

/// When the refresh of this leg comes again after a 491, in milliseconds.
fn again_after_491(seed: u64, is_phone: bool) -> u64 {
    let mut world = World::new(one_desk(), seed);
    let expires = ("Session-Expires", "600;refresher=uac");
    let talk = if is_phone {
        talk(&mut world, &[], &[expires])
    } else {
        talk(
            &mut world,
            &[TIMER, ("Session-Expires", "600;refresher=uas")],
            &[],
        )
    };
    let hand = if is_phone { &talk.phone } else { &talk.caller };
    world.run_for(301.0);
    let invite = world.one(hand, "INVITE");
    world.answer(hand, &invite, 491, &[], None);
    let words = world.words(hand);
    assert_eq!(words[0], "ACK");
    if words.len() > 1 {
        return 0;
    }
    let before = world.now().instant;
    for _ in 0..500 {
        world.run_for(0.01);
        if !world.words(hand).is_empty() {
            break;
        }
    }
    (world.now().instant - before).as_millis() as u64
}

#[test]
fn after_491_the_owner_of_the_call_id_waits_2_to_4_seconds_and_the_other_up_to_2() {
    // RFC 3261 §14.1. The answer took 50 ms of the wait.
    let towards_phones: Vec<u64> = (0..8).map(|seed| again_after_491(seed, true)).collect();
    assert!(
        towards_phones.iter().all(|ms| (2040..=4020).contains(ms)),
        "{towards_phones:?}"
    );
    let towards_callers: Vec<u64> = (0..8).map(|seed| again_after_491(seed, false)).collect();
    assert!(
        towards_callers.iter().all(|ms| *ms <= 2020),
        "{towards_callers:?}"
    );
    let mut waits = [towards_phones, towards_callers].concat();
    waits.sort();
    waits.dedup();
    assert!(waits.len() > 8, "by chance: {waits:?}");
}

#[test]
fn a_refresh_that_nobody_knows_ends_the_call_on_both_legs() {
    for status in [481, 408] {
        let (mut world, talk) = ours_to_phone(&[UPDATE]);
        let update = world.one(&talk.phone, "UPDATE");
        world.answer(&talk.phone, &update, status, &[], None);
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
fn a_phone_that_died_is_found_out_by_the_refresh() {
    let (mut world, talk) = ours_to_phone(&[UPDATE]);
    world.run_for(33.0);
    assert_eq!(world.words(&talk.caller), ["BYE"]);
    assert_eq!(world.ending(), (Ending::Failed, 200, "us"));
}

#[test]
fn other_failures_are_tried_again_until_the_interval_is_over() {
    let (mut world, talk) = ours_to_phone(&[UPDATE]);
    let mut count = 0;
    for _ in 0..40 {
        for message in world.came(&talk.phone) {
            match word(&message).as_str() {
                "UPDATE" => {
                    count += 1;
                    world.answer(&talk.phone, &message, 500, &[("Retry-After", "5")], None);
                }
                "BYE" => world.answer(&talk.phone, &message, 200, &[], None),
                other => panic!("{other}"),
            }
        }
        world.run_for(10.0);
    }
    assert!((25..=32).contains(&count), "every ten seconds: {count}");
    assert_eq!(world.words(&talk.caller)[0], "BYE");
    let ended_ms = world.record().timings.ended_ms.unwrap();
    assert!((599_000..603_000).contains(&ended_ms), "{ended_ms}");
    assert_eq!(
        world.record().outcome.as_ref().unwrap().note.as_deref(),
        Some("the session timer ran out")
    );
}

#[test]
fn we_refresh_towards_a_caller_that_leaves_it_to_us() {
    let mut world = world();
    let asks = [TIMER, UPDATE, ("Session-Expires", "600;refresher=uas")];
    let mut talk = talk(&mut world, &asks, &[]);
    world.run_for(301.0);
    let update = world.one(&talk.caller, "UPDATE");
    assert_eq!(update.must("Session-Expires"), "600;refresher=uac");
    assert_eq!(world.words(&talk.phone), [""; 0]);
    world.answer(
        &talk.caller,
        &update,
        200,
        &[("Session-Expires", "600;refresher=uac")],
        None,
    );
    hang_up(&mut world, &mut talk);
}

// With other things under way.

#[test]
fn a_hold_while_we_refresh_by_invite_is_491_and_the_refresh_goes_on() {
    let (mut world, mut talk) = ours_to_phone(&[]);
    let refresh = world.one(&talk.phone, "INVITE");
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    world.ask(&mut talk.caller, "INVITE", &[], Some(&hold));
    assert_eq!(world.words(&talk.caller), ["100 INVITE", "491 INVITE"]);
    let sdp = talk.phone.sdp(1);
    world.answer(&talk.phone, &refresh, 200, &[], Some(&sdp));
    assert_eq!(world.words(&talk.phone), ["ACK"]);
}

#[test]
fn a_refresh_waits_while_a_hold_is_under_way() {
    let mut world = world();
    let mut talk = talk(&mut world, &[], &[("Session-Expires", "600;refresher=uac")]);
    world.run_for(299.0);
    let hold = wire::sdp(talk.caller.address, 2, "sendonly");
    world.ask(&mut talk.caller, "INVITE", &[], Some(&hold));
    let reinvite = world.one(&talk.phone, "INVITE");
    assert_eq!(
        reinvite.must("Session-Expires"),
        "600;refresher=uac",
        "a refresh itself"
    );
    assert_eq!(
        reinvite.must("Supported"),
        "timer",
        "nobody acknowledges a reliable 1xx to it"
    );
    world.answer(&talk.phone, &reinvite, 180, &[], None);
    world.run_for(5.0);
    assert_eq!(world.words(&talk.phone), [""; 0], "one at a time");
    let held = wire::sdp(talk.phone.address, 2, "recvonly");
    world.answer(
        &talk.phone,
        &reinvite,
        200,
        &[("Session-Expires", "600;refresher=uac")],
        Some(&held),
    );
    assert_eq!(world.words(&talk.phone), ["ACK"]);
    world.ask(&mut talk.caller, "ACK", &[], None);
    world.run_for(290.0);
    assert_eq!(
        world.words(&talk.phone),
        [""; 0],
        "the hold has refreshed the session"
    );
    world.run_for(20.0);
    let refresh = world.one(&talk.phone, "INVITE");
    assert_eq!(refresh.direction(), "sendonly", "held stays held");
}

#[test]
fn hanging_up_while_a_refresh_is_under_way_leaves_nothing() {
    for says in [&[UPDATE][..], &[]] {
        let (mut world, talk) = ours_to_phone(says);
        world.words(&talk.phone);
        let call = *world.records.keys().next().unwrap();
        world.tell(Input::HangUp { call });
        world.run_for(0.05);
        for hand in [&talk.caller, &talk.phone] {
            let byes: Vec<Message> = world
                .came(hand)
                .into_iter()
                .filter(|m| word(m) == "BYE")
                .collect();
            assert_eq!(byes.len(), 1);
            world.answer(hand, &byes[0], 200, &[], None);
        }
        world.run_for(200.0);
        world.check();
    }
}
