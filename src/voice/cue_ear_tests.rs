//! Cues on made sounds: what is heard, and what is not mistaken for one.

use std::sync::Arc;

use super::super::activity::Activity;
use super::super::cues::Sign;
use super::super::front::{Buffers, Front, Plan};
use super::*;

fn heard(seconds: f64, sample: impl Fn(f64) -> f64) -> Cues {
    let samples: Vec<i16> = (0..(seconds * 8000.0) as usize)
        .map(|n| (sample(n as f64 / 8000.0) * 32767.0) as i16)
        .collect();
    let (mut activity, mut ear) = (Activity::new(), CueEar::new());
    let mut buffers = Buffers::new(&Arc::new(Plan::new()));
    Front::new().push(&mut buffers, &samples, |power| {
        let is_speech = activity.hear(power);
        ear.hear(power, is_speech);
    });
    ear.heard
}

fn tone(hertz: f64, t: f64) -> f64 {
    (std::f64::consts::TAU * hertz * t).sin()
}

/// A buzz with four syllables a second, no two of the same pitch and colour.
fn voice(t: f64) -> f64 {
    let chance = |of: u32| {
        let one = (of ^ of >> 16).wrapping_mul(0x7feb_352d);
        let other = (one ^ one >> 15).wrapping_mul(0x846c_a68b);
        f64::from((other ^ other >> 16) >> 28)
    };
    let syllable = (t * 4.0) as u32;
    let pitch = 110.0 + 5.0 * chance(syllable);
    let buzz: f64 = (1..25)
        .map(|k| tone(pitch * f64::from(k), t) / f64::from(k) * chance(syllable * 25 + k) / 8.0)
        .sum();
    buzz * 0.1 * tone(4.0, t).max(0.0)
}

fn only(cue: Cue, cues: Cues) -> Sign {
    for other in Cue::ALL.into_iter().filter(|other| *other != cue) {
        assert_eq!(cues.sign(other), None, "{other:?} beside {cue:?}");
    }
    cues.sign(cue).unwrap_or_else(|| panic!("no {cue:?}"))
}

#[test]
fn speech_at_once_is_told_from_speech_after_a_breath() {
    let sign = only(
        Cue::SpeechAtOnce,
        heard(3.0, |t| if t < 0.1 { 0.0 } else { voice(t) }),
    );
    assert!(sign.at <= 0.3 && (0.5..2.0).contains(&sign.amount), "{sign:?}");
    assert!(heard(3.0, |t| if t < 0.6 { 0.0 } else { voice(t) }).is_empty());
}

#[test]
fn a_monologue_is_twenty_seconds_without_a_pause() {
    let begins_late = |t: f64| if t < 0.6 { 0.0 } else { voice(t) };
    let sign = only(Cue::Monologue, heard(45.0, begins_late));
    assert!((20.0..45.0).contains(&sign.at), "{sign:?}");
    assert!((20.0..45.0).contains(&sign.amount), "{sign:?}");
    let pauses = |t: f64| if t < 0.6 || t % 8.0 > 6.5 { 0.0 } else { voice(t) };
    assert!(heard(45.0, pauses).is_empty());
}

#[test]
fn a_beep_is_a_tone_that_ends() {
    let beep = |from: f64, to: f64, hertz: f64| {
        move |t: f64| {
            if (from..to).contains(&t) {
                0.3 * tone(hertz, t)
            } else {
                0.0
            }
        }
    };
    let sign = only(Cue::Beep, heard(3.0, beep(1.0, 1.5, 1000.0)));
    assert!((1.4..1.7).contains(&sign.at), "{sign:?}");
    assert!((0.4..0.6).contains(&sign.amount), "{sign:?}");
    assert!(heard(3.0, beep(1.0, 1.1, 1000.0)).is_empty(), "a click");
    assert!(heard(8.0, beep(1.0, 8.0, 440.0)).is_empty(), "a dial tone");
}

#[test]
fn keys_are_two_tones_of_the_keypad() {
    let keys = |t: f64| match t % 0.4 {
        on if on < 0.1 => 0.2 * tone(770.0, t) + 0.2 * tone(1336.0, t),
        _ => 0.0,
    };
    let sign = only(Cue::KeyTones, heard(2.0, keys));
    assert!(sign.at < 0.8, "{sign:?}");
    assert_eq!(sign.amount, 5.0);
    let ringing = |t: f64| {
        if t % 6.0 < 2.0 {
            0.2 * tone(440.0, t) + 0.2 * tone(480.0, t)
        } else {
            0.0
        }
    };
    assert!(heard(12.0, ringing).is_empty(), "ringback");
}

#[test]
fn noise_and_silence_hold_no_cue() {
    assert!(heard(30.0, |_| 0.0).is_empty());
    let state = std::cell::Cell::new(88_172_645_463_325_252_u64);
    let noise = |_| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        ((x >> 11) as f64 / (1_u64 << 52) as f64 - 1.0) * 0.2
    };
    assert!(heard(30.0, noise).is_empty());
}
