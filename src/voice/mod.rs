//! Is it a person speaking: the countermeasure (ASVspoof's word).
//!
//! Hears 8 kHz samples, finds the speech in them, scores four-second windows once a second with a small network that
//! streams, and keeps a calibrated log-likelihood ratio of bona fide against spoof. A larger network may be asked for a
//! second opinion on calls that are worth it; who those are is not known here. It judges synthetic speech and nothing else:
//! a recording of a person is bona fide to it, and a wanted automated call is spoof.
//!
//! Imports no other room; knows no call, no clock and no policy. What to do about an opinion is others' business, and
//! `models/README.md` says how often it is wrong.

mod activity;
mod bench;
mod card;
mod cue_ear;
mod cues;
mod error;
mod evidence;
mod front;
mod greeting;
mod hearing;
pub mod limits;
mod listener;
mod manifest;
mod mel;
mod model;
mod operators;
mod past;
mod repetition;
mod second;
mod signature;
mod streaming;
mod trunk;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod golden;

use serde::{Deserialize, Serialize};

pub use bench::Bench;
pub use card::{Card, Figures, Line, TrainedOn};
pub use cues::{Cue, Cues, Sign};
pub use error::ModelError;
pub use greeting::Prompt;
pub use hearing::Hearing;
pub use limits::HOP_SAMPLES;
pub use listener::Listener;
pub use model::Model;
pub use second::{Excerpt, SecondBench, SecondScore};
pub use signature::{NotAKey, SignerKey, Signers};

/// A small model of both stages, for the tests of other rooms. Its scores mean nothing.
#[cfg(test)]
pub(crate) fn test_model() -> Model {
    Model::tiny()
}

/// `[voice]`
#[derive(Clone, Debug)]
pub struct Config {
    /// A name in `models/` (or a path to a folder with manifest.json and the networks it names), or "off".
    pub model: String,
    /// Scoring threads; 0 = one per two cores, at least one.
    pub workers: usize,
    /// Hundredths of a core that second opinions may take together; 0 = none are given.
    pub second_opinion_percent: u32,
    /// Calls in a hundred that a new model hears at first.
    pub trial_percent: u32,
    /// Recordings of earlier calls that are remembered, to find the same again; 0 = none.
    pub recordings: usize,
    /// A folder of recordings that are wanted, whoever they come from.
    pub known_recordings: Option<std::path::PathBuf>,
    /// Whose models are taken.
    pub signers: Signers,
}

/// What may be said of the voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// No sign of synthesis. Not a promise that nobody synthesised it.
    BonaFide,
    /// Likely synthetic.
    Spoof,
    /// Too little speech, or too little evidence either way.
    Unsure,
}

/// The state of the evidence after a hop (one second of audio).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// Calibrated natural-log likelihood ratio of bona fide against spoof over all speech so far (positive = person);
    /// after the first minute of speech the oldest counts less and less.
    pub llr: f32,
    pub label: Label,
    /// Seconds of audio heard, and of net speech in it.
    pub seconds: f32,
    pub speech_seconds: f32,
    /// The window just scored; None when it held too little speech.
    pub window: Option<Window>,
    /// The second opinion's window, when it is that which has just come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Window>,
    /// What `llr` and `label` rest on.
    #[serde(default)]
    pub stages: Stages,
    /// Habits of machines heard so far; none of them a verdict.
    #[serde(default, skip_serializing_if = "Cues::is_empty")]
    pub cues: Cues,
}

impl Opinion {
    /// The opinion before any audio.
    pub fn nothing_heard() -> Opinion {
        Opinion {
            llr: 0.0,
            label: Label::Unsure,
            seconds: 0.0,
            speech_seconds: 0.0,
            window: None,
            second: None,
            stages: Stages::First,
            cues: Cues::default(),
        }
    }
}

/// Which stages of the model have spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stages {
    /// The one that hears every call.
    #[default]
    First,
    /// The second opinion too.
    Both,
}

/// The four seconds (fewer at the start of a call) that ended `at`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Seconds from the start of the audio to the end of the window.
    pub at: f32,
    pub llr: f32,
}
