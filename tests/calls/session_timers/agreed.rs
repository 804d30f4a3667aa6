//! What is asked and agreed when a call begins.

use std::time::Duration;

use ringward::policy::Policy;

use super::{TIMER, hang_up, offer, world};
use crate::hand::{Hand, talk, word};
use crate::world::{World, one_desk};

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

#[test]
fn an_interval_as_long_as_a_day_is_no_longer() {
    let mut world = World::with_config(one_desk(), 21, Policy::embedded(), |config| {
        config.session_expires = Some(Duration::from_secs(86_400));
    });
    let talk = talk(&mut world, &[TIMER, ("Session-Expires", "4294967295")], &[]);
    assert_eq!(talk.answer.must("Session-Expires"), "86400;refresher=uac");
}
