//! We answer the caller ourselves: questions before anybody is rung, last words, and whispers to whoever answers.

use std::sync::Arc;
use std::time::Duration;

use ringward::call::record::{Ending, State};
use ringward::call::{Encryption, Input, Whisper};
use ringward::media::Side;
use ringward::policy::Policy;
use ringward::prompts::Prompts;

use crate::hand::{CALLER, Hand, PHONE};
use crate::plan::{Act, Answer, CallerPlan, PhonePlan};
use crate::wire;
use crate::world::{Presses, World, one_desk};

mod negotiated;

const NUMBER: &str = "+14045550123";

/// A policy of these rules: what each is asked for, and what it does.
fn policy(rules: &[(&str, &str)]) -> Policy {
    let mut text = "[policy]\nname = 'p'\n".to_string();
    for (at, (when, then)) in rules.iter().enumerate() {
        text += &format!("[[rule]]\nid = 'r{at}'\nwhen = \"{when}\"\nthen = {then}\nreason = 'x'\n");
    }
    Policy::load("p.toml", &text, &["desk".into()]).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn world(rules: &[(&str, &str)]) -> World {
    World::with_policy(one_desk(), 71, policy(rules))
}

fn talks(seconds: f64) -> CallerPlan {
    CallerPlan::new(NUMBER).act(seconds, Act::Bye)
}

/// What was said to a side, in order: the recordings of each saying joined by `+`, music with `~`.
fn said(world: &World, side: Side) -> Vec<String> {
    assert_eq!(world.media.len(), 1);
    let media = world.media.values().next().unwrap();
    let to = media.said.iter().filter(|said| said.side == side);
    to.map(|said| {
        let names: Vec<&str> = said
            .names
            .iter()
            .map(|name| name.strip_prefix("digit-").map_or(name.as_str(), |_| "#"))
            .collect();
        names.join("+") + if said.is_looped { "~" } else { "" }
    })
    .collect()
}

fn hushed(world: &World) -> Vec<Side> {
    let media = world.media.values().next().unwrap();
    media.hushed.iter().map(|(_, side)| *side).collect()
}

#[test]
fn a_screened_caller_is_asked_listened_to_and_connected_without_a_word_of_signalling() {
    let mut world = world(&[("true", "'screen'")]);
    let phone = world.phone(PHONE, PhonePlan::answers_after(6.0));
    let caller = world.call(talks(30.0));
    world.run();
    assert_eq!(said(&world, Side::A), ["screen", "wait", "hold~"]);
    let media = world.media.values().next().unwrap();
    let greetings: Vec<bool> = media.said.iter().map(|said| said.is_greeting).collect();
    assert_eq!(greetings, [true, false, false], "after the first he is to speak");
    assert_eq!(hushed(&world), [Side::A]);
    assert_eq!(world.heard(caller, "INVITE"), [100, 200]);
    assert!(
        world.asked(caller).is_empty(),
        "no re-INVITE: {:?}",
        world.asked(caller)
    );
    let (answer, offer) = (&world.line(caller).responses[1].body, &world.rung(phone).body);
    for body in [answer, offer] {
        assert!(body.contains("RTP/AVP 0 101\r\n"), "one codec for both: {body}");
    }
    let record = world.record();
    assert!(world.tags().contains("CALLER_SCREENED") && !world.tags().contains("CALLER_SILENT"));
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    assert_eq!(record.answered_by.as_deref(), Some("desk"));
    let answered = record.timings.answered_ms.unwrap();
    assert!(answered > 4_000 && record.timings.ringing_ms.unwrap() < answered);
    let spoken: Vec<(&str, &str)> = record
        .spoken
        .iter()
        .map(|spoken| (spoken.to.as_str(), spoken.prompt.as_str()))
        .collect();
    assert_eq!(
        spoken,
        [("caller", "screen"), ("caller", "wait"), ("caller", "hold")]
    );
    assert!(
        record
            .spoken
            .iter()
            .all(|spoken| spoken.until_ms > Some(spoken.at_ms)),
        "{:?}",
        record.spoken
    );
    assert_eq!(
        record.decisions[0].decision.action,
        ringward::policy::Action::Screen
    );
    assert_eq!(record.facts.talk.speech_seconds, 3.0);
    let media = world.media.values().next().unwrap();
    assert_eq!(
        media.described.iter().map(|(side, _)| *side).collect::<Vec<_>>(),
        [Side::A, Side::B]
    );
}

#[test]
fn a_caller_who_says_nothing_is_asked_twice_and_policy_hears_of_it() {
    let mut world = world(&[
        ("'CALLER_SILENT' in tags", "{ refuse = 603 }"),
        ("true", "'screen'"),
    ]);
    world.helpers.caller_says = None;
    let phone = world.phone(PHONE, PhonePlan::answers_after(1.0));
    let caller = world.call(CallerPlan::new(NUMBER));
    world.run();
    assert_eq!(said(&world, Side::A), ["screen", "screen-again", "refused"]);
    assert!(world.agents[&phone].lines.is_empty(), "nobody was rung");
    assert_eq!(world.asked(caller), ["BYE"]);
    assert_eq!(world.ending(), (Ending::Refused, 200, "us"));
    assert_eq!(world.record().refused_with, Some(603));
    assert_eq!(world.count("refused"), 1);
}

#[test]
fn a_gap_of_ours_is_never_longer_than_two_seconds() {
    let mut world = world(&[("true", "'screen'")]);
    world.helpers.caller_says = None;
    world.phone(PHONE, PhonePlan::answers_after(9.0));
    world.call(talks(40.0));
    world.run();
    let media = world.media.values().next().unwrap();
    let prompts = Prompts::embedded();
    let mut end = media.said[0].at;
    for said in &media.said {
        assert!(said.at - end <= Duration::from_secs(2), "{said:?} after {end:?}");
        let length: Duration = said
            .names
            .iter()
            .map(|name| prompts.clip(name).unwrap().duration())
            .sum();
        end = said.at + length;
    }
    assert!(media.said.last().unwrap().is_looped);
}

#[test]
fn the_right_digits_pass_and_nothing_of_them_is_kept() {
    let mut world = world(&[
        ("talk.challenge == 'passed'", "'deliver'"),
        ("true", "'challenge'"),
    ]);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    world.call(talks(30.0));
    world.run();
    assert_eq!(said(&world, Side::A)[0], "challenge+#+#");
    assert!(world.tags().contains("CHALLENGE_PASSED"), "{:?}", world.tags());
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let written = serde_json::to_string(world.record()).unwrap();
    assert!(!written.contains("digit-"), "{written}");
}

#[test]
fn three_wrong_answers_or_none_fail_and_two_do_not() {
    for (presses, expected) in [
        (Presses::Wrong(2), "CHALLENGE_PASSED"),
        (Presses::Wrong(3), "CHALLENGE_FAILED"),
        (Presses::Nothing, "CHALLENGE_FAILED"),
    ] {
        let mut world = world(&[
            ("'CHALLENGE_FAILED' in tags", "{ refuse = 603 }"),
            ("true", "'challenge'"),
        ]);
        world.helpers.presses = presses;
        world.phone(PHONE, PhonePlan::answers_after(1.0));
        world.call(talks(60.0));
        world.run();
        assert!(world.tags().contains(expected), "{presses:?}: {:?}", world.tags());
        assert_eq!(
            said(&world, Side::A)[..3],
            ["challenge+#+#", "challenge-again+#+#", "challenge-again+#+#"]
        );
        let is_refused = world.record().outcome.as_ref().unwrap().ending == Ending::Refused;
        assert_eq!(is_refused, expected == "CHALLENGE_FAILED", "{presses:?}");
    }
}

#[test]
fn a_telephone_without_keys_is_not_asked_and_the_call_goes_on() {
    let mut world = world(&[("true", "'challenge'")]);
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv")
        .replace("0 8 101", "8 0")
        .replace("a=rtpmap:101 telephone-event/8000\r\n", "");
    let mut plan = talks(20.0);
    plan.body = Some(("application/sdp", body));
    world.call(plan);
    world.run();
    assert!(world.tags().contains("CHALLENGE_UNABLE"), "{:?}", world.tags());
    assert_eq!(said(&world, Side::A), ["wait"]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_caller_may_be_asked_both_and_sent_to_another_queue() {
    let mut queues = one_desk();
    queues.push(crate::world::queue(
        "security",
        ringward::queue::Strategy::RingAll,
        &["sip:guard@10.0.0.9:5060"],
    ));
    queues[1].numbers = vec!["+19".to_string()];
    let text = "[policy]\nname = 'p'\n[[rule]]\nid = 'a'\nwhen = \"true\"\nthen = 'screen'\nreason = 'x'\n\
                [[rule]]\nid = 'b'\nwhen = \"true\"\nthen = 'challenge'\nreason = 'x'\n\
                [[rule]]\nid = 'c'\nwhen = \"talk.challenge == 'passed'\"\nthen = { divert = 'security' }\nreason = 'x'\n";
    let names = ["desk".to_string(), "security".to_string()];
    let mut world = World::with_policy(queues, 72, Policy::load("p.toml", text, &names).unwrap());
    let guard = world.phone("10.0.0.9:5060", PhonePlan::answers_after(1.0));
    world.call(talks(40.0));
    world.run();
    assert_eq!(said(&world, Side::A)[..2], ["screen", "challenge+#+#"]);
    assert_eq!(world.line(guard).state, crate::agent::State::Over);
    assert_eq!(world.record().queue.as_deref(), Some("security"));
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn a_refusal_is_announced_early_and_then_said() {
    for is_reliable in [false, true] {
        let mut world = world(&[("true", "{ refuse = 603, announce = 'refused' }")]);
        let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv");
        let asks: &[(&str, &str)] = if is_reliable {
            &[("Supported", "100rel")]
        } else {
            &[]
        };
        let mut caller = Hand::calls(&mut world, asks, Some(&body));
        world.run_for(0.05);
        let progress = world.one(&caller, "183 INVITE");
        assert!(progress.body.contains("RTP/AVP 0 101"), "{}", progress.body);
        if is_reliable {
            assert!(
                said_so_far(&world).is_empty(),
                "not before he has acknowledged it"
            );
            caller.learn(&progress);
            let rack = format!("{} 1 INVITE", progress.must("RSeq"));
            world.ask(&mut caller, "PRACK", &[("RAck", &rack)], None);
            world.one(&caller, "200 PRACK");
        }
        assert_eq!(said_so_far(&world), ["refused"]);
        world.run_for(2.0);
        assert!(world.came(&caller).is_empty());
        world.run_for(2.0);
        let refusal = world.one(&caller, "603 INVITE");
        assert!(refusal.tag("To").is_some());
        world.run();
        assert_eq!(world.ending(), (Ending::Refused, 603, "us"));
        assert_eq!(world.count("refused"), 1);
    }
}

fn said_so_far(world: &World) -> Vec<String> {
    match world.media.values().next() {
        Some(_) => said(world, Side::A),
        None => Vec::new(),
    }
}

#[test]
fn a_refusal_may_be_said_in_an_answered_call() {
    let mut world = world(&[("true", "{ refuse = 603, announce = 'refused', answer = true }")]);
    let caller = world.call(CallerPlan::new(NUMBER));
    world.run();
    assert_eq!(said(&world, Side::A), ["refused"]);
    assert_eq!(world.heard(caller, "INVITE"), [100, 200]);
    assert_eq!(world.asked(caller), ["BYE"]);
    assert_eq!(world.ending(), (Ending::Refused, 200, "us"));
}

#[test]
fn who_gives_up_during_an_announcement_hears_487() {
    let mut world = world(&[("true", "{ refuse = 603, announce = 'refused' }")]);
    let caller = world.call(CallerPlan::new(NUMBER).gives_up_after(1.0));
    world.run();
    assert_eq!(world.heard(caller, "INVITE").last(), Some(&487));
    assert_eq!(world.ending(), (Ending::Cancelled, 487, "caller"));
}

#[test]
fn without_the_recording_a_refusal_is_said_at_once_and_a_question_is_left_out() {
    for then in [
        "{ refuse = 603, announce = 'refused' }",
        "'screen'",
        "'challenge'",
    ] {
        let mut world = world(&[("true", then)]);
        world.tell_shard(0, Input::SetPrompts(Arc::new(Prompts::none())));
        world.phone(PHONE, PhonePlan::answers_after(1.0));
        let caller = world.call(talks(10.0));
        world.run();
        assert!(
            world.tags().contains("PROMPT_MISSING"),
            "{then}: {:?}",
            world.tags()
        );
        let expected = if then.contains("refuse") { 603 } else { 200 };
        assert_eq!(world.heard(caller, "INVITE").last(), Some(&expected), "{then}");
        let ending = world.ending().0;
        assert_eq!(
            ending,
            if expected == 603 {
                Ending::Refused
            } else {
                Ending::Completed
            },
            "{then}"
        );
    }
}

#[test]
fn who_hangs_up_while_we_speak_listen_or_ring_leaves_nobody_behind() {
    for seconds in [0.0, 2.0, 6.0, 9.5, 13.0] {
        let mut world = world(&[("true", "'screen'")]);
        world.phone(PHONE, PhonePlan::with(Answer::Never));
        world.call(talks(seconds));
        world.run();
        assert_eq!(world.ending(), (Ending::Cancelled, 200, "caller"), "{seconds}");
        assert_eq!(world.record().timings.answered_ms, None);
        assert!(
            world
                .record()
                .attempts
                .iter()
                .all(|attempt| attempt.status == 487)
        );
        assert_eq!(world.record().state, State::Ended);
    }
}

#[test]
fn nobody_takes_a_call_that_we_have_answered() {
    let mut world = world(&[("true", "'screen'")]);
    world.phone(
        PHONE,
        PhonePlan::with(Answer::Refuse(486, Duration::from_secs(1))),
    );
    let caller = world.call(CallerPlan::new(NUMBER));
    world.run();
    assert_eq!(said(&world, Side::A).last().map(String::as_str), Some("nobody"));
    assert_eq!(world.asked(caller), ["BYE"]);
    assert_eq!(world.ending(), (Ending::NoAnswer, 200, "called"));
}

#[test]
fn a_phone_may_answer_while_we_still_speak() {
    let mut world = world(&[("true", "'screen'")]);
    world.phone(PHONE, PhonePlan::answers_after(0.5));
    world.call(talks(20.0));
    world.run();
    assert_eq!(said(&world, Side::A), ["screen", "wait"]);
    assert_eq!(hushed(&world), [Side::A]);
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
}

#[test]
fn whom_policy_refuses_hears_its_refusal_even_when_nothing_can_be_announced() {
    let mut world = world(&[("true", "{ refuse = 603, announce = 'refused' }")]);
    world.helpers.has_ports = false;
    let caller = world.call(CallerPlan::new(NUMBER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE").last(), Some(&603));
    assert_eq!(world.ending(), (Ending::Refused, 603, "us"));
    let mut world = self::world(&[("true", "{ refuse = 603, announce = 'refused' }")]);
    let body = wire::sdp(CALLER.parse().unwrap(), 1, "sendrecv");
    Hand::calls(&mut world, &[("Supported", "100rel")], Some(&body));
    world.run();
    assert_eq!(
        world.ending(),
        (Ending::Refused, 603, "us"),
        "he never sent a PRACK"
    );
    let mut world = self::world(&[("true", "'screen'")]);
    world.helpers.has_ports = false;
    let caller = world.call(CallerPlan::new(NUMBER));
    world.run();
    assert_eq!(world.heard(caller, "INVITE").last(), Some(&503));
}

#[test]
fn who_answers_hears_a_word_before_the_caller_who_hears_it_ring_meanwhile() {
    let world = |whisper: Whisper, rules: &[(&str, &str)]| {
        let mut world = World::with_config(one_desk(), 74, policy(rules), |config| {
            config.whispers.insert("desk".into(), whisper);
        });
        world.phone(PHONE, PhonePlan::answers_after(2.0));
        world.call(talks(30.0));
        world.run();
        assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
        world
    };
    let plain = world(Whisper::All, &[]);
    assert_eq!(said(&plain, Side::B), ["whisper-unproven"]);
    assert_eq!(
        (said(&plain, Side::A), hushed(&plain)),
        (vec!["ringing~".to_string()], vec![Side::B, Side::A])
    );
    assert!(said(&world(Whisper::Warnings, &[]), Side::B).is_empty());
    assert!(said(&world(Whisper::Off, &[]), Side::B).is_empty());
    let screened = world(Whisper::All, &[("true", "'screen'")]);
    assert_eq!(said(&screened, Side::B), ["whisper-unproven"]);
    assert_eq!(
        said(&screened, Side::A).last().map(String::as_str),
        Some("ringing~")
    );
}

#[test]
fn a_whisper_is_over_in_time_whatever_becomes_of_its_words() {
    let mut world = World::with_config(one_desk(), 75, policy(&[]), |config| {
        config.whispers.insert("desk".into(), Whisper::All);
    });
    world.is_mute = true;
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    world.call(talks(30.0));
    world.run();
    assert_eq!(hushed(&world), [Side::B, Side::A]);
    let media = world.media.values().next().unwrap();
    assert!(media.hushed[0].0 - media.said[0].at <= Duration::from_secs(5));
}

#[test]
fn a_question_is_over_in_time_whatever_becomes_of_its_words() {
    let mut world = world(&[("true", "'screen'")]);
    world.is_mute = true;
    world.phone(PHONE, PhonePlan::answers_after(1.0));
    world.call(talks(120.0));
    world.run();
    assert_eq!(world.ending(), (Ending::Completed, 200, "caller"));
    let mut world = self::world(&[("true", "{ refuse = 603, announce = 'refused' }")]);
    world.is_mute = true;
    world.call(CallerPlan::new(NUMBER));
    world.run();
    assert_eq!(world.ending(), (Ending::Refused, 603, "us"));
}

#[test]
fn a_caller_who_never_acknowledges_our_answer_is_hung_up() {
    let mut world = world(&[("true", "'screen'")]);
    let mut plan = CallerPlan::new(NUMBER);
    plan.never_acknowledges = true;
    world.call(plan);
    world.run();
    assert_eq!(world.ending(), (Ending::Failed, 200, "us"));
    assert!(said(&world, Side::A).is_empty());
}

#[test]
fn an_order_to_end_it_ends_it_whatever_we_are_saying() {
    let mut world = world(&[("true", "'screen'")]);
    world.phone(PHONE, PhonePlan::with(Answer::Never));
    let caller = world.call(CallerPlan::new(NUMBER));
    world.run_for(3.0);
    let call = *world.records.keys().next().unwrap();
    world.tell(Input::HangUp { call });
    world.run();
    assert_eq!(world.asked(caller), ["BYE"]);
    assert_eq!(world.ending(), (Ending::Failed, 200, "us"));
}
