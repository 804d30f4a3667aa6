//! Session timers (RFC 4028): each leg by itself, refreshed by either side, with peers played by hand.

use std::time::Duration;

use ringward::call::Input;
use ringward::call::record::Ending;
use ringward::policy::Policy;

use crate::hand::{CALLER, Hand, Talk, talk, word};
use crate::wire::{self, Message};
use crate::world::{World, one_desk};

const TIMER: (&str, &str) = ("Supported", "timer");
const UPDATE: (&str, &str) = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE");

fn world() -> World {
    World::new(one_desk(), 21)
}

fn offer() -> String {
    wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv")
}

/// Nobody speaks in these tests, and nobody is asked to.
fn described(world: &World) -> usize {
    world.media.values().next().unwrap().described.len()
}

fn hang_up(world: &mut World, talk: &mut Talk) {
    world.words(&talk.caller);
    world.words(&talk.phone);
    world.ask(&mut talk.caller, "BYE", &[], None);
    let bye = world.one(&talk.phone, "BYE");
    world.answer(&talk.phone, &bye, 200, &[], None);
    world.run_for(100.0);
    world.check();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

// What is asked and agreed.

#[test]
fn phones_are_offered_half_an_hour() {
    let mut world = world();
    Hand::calls(&mut world, &[], Some(&offer()));
    let phone = Hand::is_rung(&mut world);
    assert_eq!(phone.invite.must("Session-Expires"), "1800");
    assert!(phone.invite.must("Supported").contains("timer"));
}

#[test]
fn off_is_off() {
    let mut world = World::with_config(one_desk(), 21, Policy::embedded(), |config| {
        config.session_expires = None
    });
    let asks = [TIMER, ("Session-Expires", "600;refresher=uac")];
    let mut talk = talk(&mut world, &asks, &[("Session-Expires", "600;refresher=uac")]);
    assert_eq!(talk.phone.invite.header("Session-Expires"), None);
    assert_eq!(talk.phone.invite.must("Supported"), "100rel");
    assert_eq!(talk.answer.header("Session-Expires"), None);
    world.run_for(2000.0);
    assert_eq!(world.words(&talk.phone), [""; 0]);
    hang_up(&mut world, &mut talk);

    let mut world = World::with_config(one_desk(), 21, Policy::embedded(), |config| {
        config.session_expires = None
    });
    let caller = Hand::calls(&mut world, &[("Require", "timer")], Some(&offer()));
    world.run_for(0.1);
    assert_eq!(world.came(&caller)[1].must("Unsupported"), "timer");
}

#[test]
fn a_caller_hears_in_the_200_what_was_agreed() {
    for (asks, expected, requires) in [
        (vec![], None, None),
        (vec![TIMER], Some("1800;refresher=uas"), None),
        (
            vec![TIMER, ("Session-Expires", "600")],
            Some("600;refresher=uac"),
            Some("timer"),
        ),
        (
            vec![TIMER, ("Session-Expires", "600;refresher=uas")],
            Some("600;refresher=uas"),
            None,
        ),
        (
            vec![
                TIMER,
                ("Min-SE", "3600"),
                ("Session-Expires", "7200;refresher=uac"),
            ],
            Some("3600;refresher=uac"),
            Some("timer"),
        ),
        (vec![("Session-Expires", "600")], Some("600;refresher=uas"), None),
    ] {
        let mut world = world();
        let talk = talk(&mut world, &asks, &[]);
        assert_eq!(talk.answer.header("Session-Expires"), expected, "{asks:?}");
        assert_eq!(talk.answer.header("Require"), requires, "{asks:?}");
        assert!(talk.answer.must("Supported").contains("timer"));
    }
}

#[test]
fn a_caller_that_asks_for_less_than_90_s_is_answered_422() {
    let mut world = world();
    let caller = Hand::calls(&mut world, &[TIMER, ("Session-Expires", "60")], Some(&offer()));
    world.run_for(0.5);
    let came = world.came(&caller);
    let words: Vec<String> = came.iter().map(word).collect();
    assert_eq!(words, ["100 INVITE", "422 INVITE"]);
    assert_eq!(came[1].must("Min-SE"), "90");
    assert!(world.records.is_empty(), "it never became a call");
}

#[test]
fn a_phone_that_answers_422_is_asked_again_for_longer() {
    let mut world = world();
    Hand::calls(&mut world, &[], Some(&offer()));
    let mut phone = Hand::is_rung(&mut world);
    let first = phone.invite.clone();
    world.answer(&phone, &first, 422, &[("Min-SE", "3600")], None);
    let came = world.came(&phone);
    let words: Vec<String> = came.iter().map(word).collect();
    assert_eq!(words, ["ACK", "INVITE"]);
    let again = &came[1];
    assert_eq!(again.must("Session-Expires"), "3600");
    assert_eq!(again.must("Min-SE"), "3600");
    assert_eq!(again.must("CSeq"), "2 INVITE");
    assert_eq!(again.must("Call-ID"), first.must("Call-ID"));
    assert_eq!(again.must("From"), first.must("From"));
    assert_eq!(again.body, first.body);

    phone.invite = again.clone();
    let sdp = phone.sdp(1);
    let invite = phone.invite.clone();
    world.answer(&phone, &invite, 200, &[], Some(&sdp));
    assert_eq!(world.one(&phone, "ACK").must("CSeq"), "2 ACK");
}

#[test]
fn a_phone_that_answers_422_without_asking_for_more_has_refused() {
    for min in ["1800", "90", "x"] {
        let mut world = world();
        let caller = Hand::calls(&mut world, &[], Some(&offer()));
        let phone = Hand::is_rung(&mut world);
        let invite = phone.invite.clone();
        world.answer(&phone, &invite, 422, &[("Min-SE", min)], None);
        assert_eq!(world.words(&phone), ["ACK"], "{min}");
        assert_eq!(world.words(&caller), ["100 INVITE", "480 INVITE"]);
    }
}

#[test]
fn a_phone_that_answers_422_for_ever_is_not_asked_for_ever() {
    let mut world = world();
    let caller = Hand::calls(&mut world, &[], Some(&offer()));
    let mut phone = Hand::is_rung(&mut world);
    for min in 1801..1900 {
        let invite = phone.invite.clone();
        world.answer(&phone, &invite, 422, &[("Min-SE", &min.to_string())], None);
        let Some(again) = world
            .came(&phone)
            .into_iter()
            .find(|message| word(message) == "INVITE")
        else {
            assert_eq!(min, 1804, "three times more");
            break;
        };
        phone.invite = again;
    }
    assert_eq!(world.words(&caller), ["100 INVITE", "480 INVITE"]);
}

// We refresh.

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

// They refresh.

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

#[test]
fn an_interval_as_long_as_a_day_is_no_longer() {
    let mut world = World::with_config(one_desk(), 21, Policy::embedded(), |config| {
        config.session_expires = Some(Duration::from_secs(86_400));
    });
    let talk = talk(&mut world, &[TIMER, ("Session-Expires", "4294967295")], &[]);
    assert_eq!(talk.answer.must("Session-Expires"), "86400;refresher=uac");
}
