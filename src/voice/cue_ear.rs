//! Hears cues on the same frames as the voice, in three kilobytes a call.

use super::cues::{Cue, Cues};
use super::front::HANN_POWER;
use super::greeting::{Greeting, Prompt};
use super::limits::{BINS, FRAME_SAMPLES, FRAME_STEP, LOW_BIN, SAMPLE_RATE};
use super::repetition::Repetition;

/// One call's ear for cues.
pub(crate) struct CueEar {
    pub(crate) heard: Cues,
    frames: u32,
    /// The frame that speech began with, and speech frames since, while it is not known whether that was more than a click.
    began: Option<u32>,
    spoken: u32,
    /// How long it has been quiet.
    quiet: u32,
    /// Speech frames since the last pause.
    monologue: u32,
    tone: Tone,
    /// Frames that the tone has lasted.
    lasting: u32,
    /// It was counted already.
    is_told: bool,
    keys: u32,
    repetition: Repetition,
    greeting: Greeting,
}

/// What a frame holds when it holds nothing but a tone or two.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tone {
    None,
    /// Of so many hertz.
    Single(f32),
    /// Row and column of Q.23.
    Key(u8, u8),
}

impl Tone {
    fn is_same(self, other: Tone) -> bool {
        match (self, other) {
            (Tone::Single(one), Tone::Single(other)) => (one - other).abs() < STEADY_HERTZ,
            (Tone::Key(..), Tone::Key(..)) => self == other,
            _ => false,
        }
    }
}

impl CueEar {
    pub(crate) fn new() -> CueEar {
        CueEar {
            heard: Cues::default(),
            frames: 0,
            began: None,
            spoken: 0,
            quiet: 0,
            monologue: 0,
            tone: Tone::None,
            lasting: 0,
            is_told: false,
            keys: 0,
            repetition: Repetition::new(),
            greeting: Greeting::new(),
        }
    }

    /// A prompt of ours began or ended with this sample of the caller's audio.
    pub(crate) fn prompt(&mut self, prompt: Prompt, at_sample: u64) {
        let frame = at_sample / FRAME_STEP as u64;
        self.greeting
            .expect(prompt, u32::try_from(frame).unwrap_or(u32::MAX));
    }

    pub(crate) fn hear(&mut self, power: &[f64; BINS], is_speech: bool) {
        self.frames = self.frames.saturating_add(1);
        self.hear_speech(is_speech);
        self.hear_tone(tone(power));
        self.greeting.hear(self.frames, is_speech, &mut self.heard);
        if let Some(repeated) = self.repetition.hear(power, is_speech) {
            self.heard.note(Cue::Loop, seconds(self.frames), repeated);
        }
    }

    fn hear_speech(&mut self, is_speech: bool) {
        if is_speech {
            self.quiet = 0;
            self.monologue = self.monologue.saturating_add(1);
            self.began.get_or_insert(self.frames);
            self.spoken = self.spoken.saturating_add(1);
        } else {
            self.quiet = self.quiet.saturating_add(1);
            if self.quiet >= frames_of(PAUSE_SECONDS) {
                self.monologue = 0;
            }
        }
        if let Some(began) = self.began
            && began <= frames_of(AT_ONCE_SECONDS)
            && self.frames <= frames_of(AT_ONCE_MEASURED)
            && self.spoken >= AT_ONCE_FRAMES
            && (self.heard.speech_at_once.is_some() || self.frames - began <= AT_ONCE_WITHIN)
        {
            self.heard
                .note(Cue::SpeechAtOnce, seconds(began), seconds(self.spoken));
        }
        if self.monologue >= frames_of(MONOLOGUE_SECONDS) {
            let amount = seconds(self.monologue);
            self.heard.note(Cue::Monologue, seconds(self.frames), amount);
        }
    }

    fn hear_tone(&mut self, tone: Tone) {
        if self.tone.is_same(tone) {
            self.lasting = self.lasting.saturating_add(1);
            if let Tone::Key(..) = tone
                && self.lasting >= KEY_FRAMES
                && !self.is_told
            {
                self.is_told = true;
                self.keys += 1;
                if self.keys >= 2 {
                    self.heard
                        .note(Cue::KeyTones, seconds(self.frames), self.keys as f32);
                }
            }
            return;
        }
        // A beep is known by its end: what lasts is a dial tone, or somebody on hold.
        if let Tone::Single(_) = self.tone
            && (frames_of(BEEP_SHORTEST)..=frames_of(BEEP_LONGEST)).contains(&self.lasting)
        {
            self.heard
                .note(Cue::Beep, seconds(self.frames), seconds(self.lasting));
        }
        self.tone = tone;
        self.lasting = 1;
        self.is_told = false;
    }
}

/// What the frame holds, if hardly anything else is in it.
fn tone(power: &[f64; BINS]) -> Tone {
    let total: f64 = power.iter().sum();
    let level = 10.0 * (total / BINS as f64 / HANN_POWER + 1e-12).log10();
    if level < TONE_QUIETEST_DB {
        return Tone::None;
    }
    let mut left = *power;
    let first = take_peak(&mut left);
    let after_one: f64 = left.iter().sum();
    if after_one < total * REST {
        return Tone::Single(first.0);
    }
    let second = take_peak(&mut left);
    let after_two: f64 = left.iter().sum();
    let is_twisted = first.1 > second.1 * TWIST;
    if after_two >= total * REST || is_twisted {
        return Tone::None;
    }
    let (low, high) = if first.0 < second.0 {
        (first.0, second.0)
    } else {
        (second.0, first.0)
    };
    let nearest = |hertz: f32, of: [f32; 4]| {
        of.iter()
            .position(|key| (hertz - key).abs() < key * KEY_TOLERANCE)
            .map(|place| place as u8)
    };
    match (nearest(low, ROWS), nearest(high, COLUMNS)) {
        (Some(row), Some(column)) => Tone::Key(row, column),
        _ => Tone::None,
    }
}

/// Frequency and power of the strongest peak, which is taken out with two bins to either side.
fn take_peak(power: &mut [f64; BINS]) -> (f32, f64) {
    let mut peak = 0;
    for (bin, value) in power.iter().enumerate() {
        if *value > power[peak] {
            peak = bin;
        }
    }
    let at = |bin: Option<usize>| {
        bin.and_then(|bin| power.get(bin))
            .map_or(1e-12, |p| p + 1e-12)
            .ln()
    };
    // A parabola through the logarithms around the peak: exact enough for a Hann window.
    let (left, middle, right) = (at(peak.checked_sub(1)), at(Some(peak)), at(Some(peak + 1)));
    let bend = left - 2.0 * middle + right;
    let aside = if bend < 0.0 {
        (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
    } else {
        0.0
    };
    let hertz = ((LOW_BIN + peak) as f64 + aside) * SAMPLE_RATE as f64 / FRAME_SAMPLES as f64;
    let around = peak.saturating_sub(2)..(peak + 3).min(BINS);
    let strength = power[around.clone()].iter().sum();
    power[around].fill(0.0);
    (hertz as f32, strength)
}

pub(super) fn frames_of(seconds: f32) -> u32 {
    (seconds * SAMPLE_RATE as f32 / FRAME_STEP as f32).round() as u32
}

pub(super) fn seconds(frames: u32) -> f32 {
    frames as f32 * FRAME_STEP as f32 / SAMPLE_RATE as f32
}

const AT_ONCE_SECONDS: f32 = 0.3;
/// So many speech frames within so many from the first are more than a click.
const AT_ONCE_FRAMES: u32 = 12;
const AT_ONCE_WITHIN: u32 = 40;
/// How strong it is, is what was said by then.
const AT_ONCE_MEASURED: f32 = 2.0;
const MONOLOGUE_SECONDS: f32 = 20.0;
const PAUSE_SECONDS: f32 = 1.0;
const BEEP_SHORTEST: f32 = 0.2;
const BEEP_LONGEST: f32 = 3.0;
/// Nothing below this is a tone.
const TONE_QUIETEST_DB: f64 = -45.0;
/// Share of the power outside its peaks, at most.
const REST: f64 = 0.02;
/// A steady tone moves by no more than this from frame to frame.
const STEADY_HERTZ: f32 = 12.0;
/// Q.23: rows and columns of the keypad; Q.24 lets them be off by 1.5 to 1.8 %.
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEY_TOLERANCE: f32 = 0.018;
/// One tone of a key may be this much stronger than the other (8 dB).
const TWIST: f64 = 6.3;
/// 48 ms: keys last at least 40.
const KEY_FRAMES: u32 = 3;

#[cfg(test)]
#[path = "cue_ear_tests.rs"]
mod tests;
