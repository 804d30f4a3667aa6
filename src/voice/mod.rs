//! Is it a person speaking: the countermeasure (ASVspoof's word).
//!
//! Hears 8 kHz samples, finds the speech in them, scores four-second windows once a second with a small network, and
//! keeps a calibrated log-likelihood ratio of bona fide against spoof. It judges synthetic speech and nothing else:
//! a recording of a person is bona fide to it, and a wanted automated call is spoof.
//!
//! Imports no other room; knows no call, no clock and no policy. What to do about an opinion is others' business, and
//! `models/README.md` says how often it is wrong.

mod activity;
mod error;
mod evidence;
mod front;
pub mod limits;
mod listener;
mod manifest;
mod model;

#[cfg(test)]
mod golden;

use serde::{Deserialize, Serialize};

pub use error::ModelError;
pub use limits::HOP_SAMPLES;
pub use listener::Listener;
pub use model::Model;

/// `[voice]`
#[derive(Clone, Debug)]
pub struct Config {
    /// A name in `models/` (or a path to a folder with model.onnx + manifest.json), or "off".
    pub model: String,
    /// Scoring threads; 0 = one per two cores, at least one.
    pub workers: usize,
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
}

/// The four seconds (fewer at the start of a call) that ended `at`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Seconds from the start of the audio to the end of the window.
    pub at: f32,
    pub llr: f32,
}
