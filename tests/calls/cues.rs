//! Habits of machines in whole calls: what a real listener hears of a caller, with a greeting of ours that is said by hand to be
//! played, becomes a tag for each habit and no verdict.

use std::sync::Arc;

use ringward::g711::Law;
use ringward::screening::VoiceLight;
use ringward::voice::{HOP_SAMPLES, Hearing, Listener, Model, Opinion, Prompt, Signers};

use crate::plan::{Act, CallerPlan, PhonePlan};
use crate::world::{World, one_desk};

/// A person on a recording, 7.8 s.
fn message() -> Vec<i16> {
    let octets = include_bytes!("../../models/demo/human-allison.wav");
    let at = octets.windows(4).position(|four| four == b"data").unwrap() + 8;
    octets[at..].iter().map(|octet| Law::Mu.decode(*octet)).collect()
}

fn silence(seconds: f32) -> Vec<i16> {
    vec![0; (seconds * 8000.0) as usize]
}

/// A second of audio, a second of opinion; a greeting is played from 1 s to 4 s.
fn heard(audio: &[i16]) -> Vec<Opinion> {
    let model = Arc::new(Model::find("default", &Signers::default()).unwrap());
    let mut hearing = Hearing::without_second(&model).unwrap();
    let mut listener = Listener::new(&model).unwrap();
    listener.prompt(Prompt::Began, 8_000);
    listener.prompt(Prompt::Ended, 32_000);
    let hops = audio.chunks_exact(HOP_SAMPLES);
    hops.map(|hop| hearing.hear(&mut listener, hop)).collect()
}

/// The tags of habits in a call of this audio, and the light of its voice.
fn call(audio: &[i16]) -> (Vec<String>, VoiceLight) {
    let mut world = World::new(one_desk(), 9);
    world.helpers.opinions = heard(audio);
    let seconds = world.helpers.opinions.len() as f64;
    world.phone("10.0.0.5:5060", PhonePlan::answers_after(1.0));
    world.call(CallerPlan::new("+14045550123").act(seconds + 3.0, Act::Bye));
    world.run();
    let habits = [
        "SPEECH_AT_ONCE",
        "LONG_MONOLOGUE",
        "CALLER_BEEP",
        "CALLER_KEY_TONES",
        "CALLER_LOOPS",
        "TALKS_OVER_GREETING",
        "NO_REACTION",
    ];
    let tags = world.tags();
    let found = habits.iter().filter(|habit| tags.contains(**habit));
    let found = found.map(|habit| (*habit).to_owned()).collect();
    (found, world.record().banner.as_ref().unwrap().voice)
}

#[test]
fn a_recording_in_a_loop_that_talks_over_the_greeting_has_a_tag_for_each_and_is_not_called_synthetic() {
    let once = message();
    let audio = [once.clone(), silence(0.7), once, silence(1.0)].concat();
    let (tags, light) = call(&audio);
    for expected in ["CALLER_LOOPS", "TALKS_OVER_GREETING"] {
        assert!(tags.iter().any(|tag| tag == expected), "{expected} in {tags:?}");
    }
    assert_ne!(light, VoiceLight::Synthetic);
}

#[test]
fn a_line_that_stays_dead_after_the_greeting_did_not_react() {
    assert_eq!(call(&silence(12.0)).0, ["NO_REACTION"]);
}

#[test]
fn a_caller_who_hears_the_greeting_out_and_answers_has_no_tag() {
    let audio = [silence(4.5), message(), silence(1.0)].concat();
    assert_eq!(call(&audio).0, [""; 0]);
}
