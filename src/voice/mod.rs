//! Is it a person speaking: the countermeasure (ASVspoof's word). Imports no other room; knows no call.
// DOOR

use serde::{Deserialize, Serialize};

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
    BonaFide,
    Spoof,
    Unsure,
}

/// The state of the evidence after a hop (one second of audio).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// Calibrated natural-log likelihood ratio of bona fide against spoof over all speech so far (positive = person).
    pub llr: f32,
    pub label: Label,
    /// Seconds of audio heard, and of net speech in it.
    pub seconds: f32,
    pub speech_seconds: f32,
    /// The window just scored; None when it held too little speech.
    pub window: Option<Window>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Seconds from the start of the audio to the end of the window.
    pub at: f32,
    pub llr: f32,
}

/// Samples in one hop: one second at 8 kHz mono.
pub const HOP_SAMPLES: usize = 8000;

/// A loaded model: one shared plan, immutable, `Send + Sync`.
pub struct Model {}

impl Model {
    /// The model embedded in the binary.
    pub fn embedded() -> Result<Model, ModelError> {
        todo!()
    }
    pub fn load(folder: &std::path::Path) -> Result<Model, ModelError> {
        let _ = folder;
        todo!()
    }
    /// e.g. `default@1f3a9c02` (name and start of the ONNX hash): goes into every record.
    pub fn revision(&self) -> &str {
        todo!()
    }
}

/// Names what and where; bounded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("{file}: {problem}")]
    Unusable { file: String, problem: String },
}

/// One call's state. Fed hops of at most [`HOP_SAMPLES`]; never waits; bounded memory.
pub struct Listener {}

impl Listener {
    pub fn new(model: &std::sync::Arc<Model>) -> Listener {
        let _ = model;
        todo!()
    }
    /// Scores one hop of 8 kHz linear samples.
    pub fn hear(&mut self, hop: &[i16]) -> Opinion {
        let _ = hop;
        todo!()
    }
}
