//! `manifest.json` beside a model: which ONNX file it is about, what that file is fed, and how its score becomes evidence.

use serde::Deserialize;

use super::error::ModelError;
use super::front::FLOOR;
use super::limits::{
    BINS, FRAME_SAMPLES, FRAME_STEP, HIGH_BIN, LOW_BIN, MANIFEST_BYTES_MAX, MEMORY_WINDOWS,
    MIN_WINDOW_SPEECH, POOL_FRAMES, SAMPLE_RATE, SCORE_CLIP, WINDOW_FRAMES,
};

pub(crate) const MANIFEST_FILE: &str = "manifest.json";

/// The file as written by `models/train/export.py`. An unknown key is an error: it may mean something we would ignore.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Of this file's layout; 1.
    pub(crate) format: u32,
    /// A short name, `[a-z0-9-]`, at most 32 characters.
    pub(crate) name: String,
    /// Of `model.onnx`, lower-case hexadecimal.
    pub(crate) onnx_sha256: String,
    pub(crate) input: InputContract,
    pub(crate) calibration: Calibration,
    pub(crate) decision: Decision,
    /// For people: what was measured when it was trained.
    #[serde(default)]
    #[allow(
        dead_code,
        reason = "kept for whoever reads the file; nothing here depends on it"
    )]
    pub(crate) training: serde_json::Value,
}

/// What the graph is fed. Every value must be ours: another contract needs another engine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputContract {
    sample_rate: usize,
    frame: usize,
    step: usize,
    low_bin: usize,
    high_bin: usize,
    floor: f64,
    window_frames: usize,
    pool_frames: usize,
    min_window_speech_frames: usize,
    score_clip: f32,
    memory_windows: u32,
}

impl InputContract {
    pub(crate) const OURS: InputContract = InputContract {
        sample_rate: SAMPLE_RATE,
        frame: FRAME_SAMPLES,
        step: FRAME_STEP,
        low_bin: LOW_BIN,
        high_bin: HIGH_BIN,
        floor: FLOOR,
        window_frames: WINDOW_FRAMES,
        pool_frames: POOL_FRAMES,
        min_window_speech_frames: MIN_WINDOW_SPEECH,
        score_clip: SCORE_CLIP,
        memory_windows: MEMORY_WINDOWS,
    };
}

const _: () = assert!(BINS == 96, "the graph's first axis");

/// llr = raw x (slope + slope_per_ln x ln(net / 4 s)) + offset, with net speech held within its limits: more speech
/// makes the same mean score weigh more.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibration {
    slope: f32,
    slope_per_ln: f32,
    offset: f32,
    net_seconds_low: f32,
    net_seconds_high: f32,
    /// The llr is held within plus or minus this: the calibration set supports no stronger claim.
    llr_max: f32,
}

impl Calibration {
    /// Natural-log likelihood ratio of bona fide against spoof, from a (mean) raw score over so much net speech.
    pub(crate) fn llr(&self, raw: f32, net_seconds: f32) -> f32 {
        let more = (net_seconds.clamp(self.net_seconds_low, self.net_seconds_high) / 4.0).ln();
        (raw * (self.slope + self.slope_per_ln * more) + self.offset).clamp(-self.llr_max, self.llr_max)
    }

    fn is_sound(&self) -> bool {
        let slope_at = |net: f32| self.slope + self.slope_per_ln * (net / 4.0).ln();
        [self.slope, self.slope_per_ln, self.offset, self.llr_max]
            .iter()
            .all(|x| x.is_finite())
            && self.net_seconds_low > 0.0
            && self.net_seconds_low <= self.net_seconds_high
            && self.net_seconds_high.is_finite()
            && self.llr_max > 0.0
            && slope_at(self.net_seconds_low) >= 0.0
            && slope_at(self.net_seconds_high) >= 0.0
    }
}

/// When evidence becomes a label.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// Spoof at this llr or below.
    pub(crate) spoof_at_most: f32,
    /// Bona fide at this llr or above.
    pub(crate) bona_fide_at_least: f32,
    /// Below so much net speech the label is unsure.
    pub(crate) net_seconds_min: f32,
    /// So many windows must each speak for a label before it is given.
    pub(crate) agreeing_windows_min: u32,
}

impl Manifest {
    pub(crate) fn parse(text: &[u8]) -> Result<Manifest, ModelError> {
        let bad = |problem: &dyn std::fmt::Display| Err(ModelError::new(MANIFEST_FILE, problem));
        if text.len() as u64 > MANIFEST_BYTES_MAX {
            return bad(&format_args!("larger than {MANIFEST_BYTES_MAX} octets"));
        }
        let manifest: Manifest = match serde_json::from_slice(text) {
            Ok(manifest) => manifest,
            Err(error) => return bad(&error),
        };
        if manifest.format != 1 {
            return bad(&format_args!("format {} is not 1", manifest.format));
        }
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if manifest.name.is_empty() || manifest.name.len() > 32 || !manifest.name.bytes().all(is_plain) {
            return bad(&"name: want 1 to 32 of a-z, 0-9 and -");
        }
        let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if manifest.onnx_sha256.len() != 64 || !manifest.onnx_sha256.bytes().all(is_hex) {
            return bad(&"onnx_sha256: want 64 lower-case hexadecimal digits");
        }
        if manifest.input != InputContract::OURS {
            return bad(&format_args!("input: this build feeds {:?}", InputContract::OURS));
        }
        if !manifest.calibration.is_sound() {
            return bad(
                &"calibration: want finite numbers, a slope that never turns, and net speech limits in order",
            );
        }
        let decision = &manifest.decision;
        let in_order = decision.spoof_at_most < decision.bona_fide_at_least
            && decision.spoof_at_most < 0.0
            && decision.bona_fide_at_least.is_finite()
            && decision.spoof_at_most.is_finite();
        if !in_order || !(1.0..=60.0).contains(&decision.net_seconds_min) {
            return bad(
                &"decision: want spoof_at_most below 0 and below bona_fide_at_least, net_seconds_min 1 to 60",
            );
        }
        if !(2..=16).contains(&decision.agreeing_windows_min) {
            return bad(&"decision: agreeing_windows_min: want 2 to 16; one window never decides");
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut serde_json::Value), expected: &str) {
        let text = include_bytes!("../../models/default/manifest.json");
        let mut value: serde_json::Value = serde_json::from_slice(text).expect("our own manifest");
        change(&mut value);
        match Manifest::parse(value.to_string().as_bytes()) {
            Ok(_) => assert_eq!(expected, "", "was accepted"),
            Err(error) => assert!(error.to_string().contains(expected), "{error}"),
        }
    }

    #[test]
    fn the_shipped_manifest_is_accepted() {
        check(|_| (), "");
    }

    #[test]
    fn an_unknown_key_is_named() {
        check(|m| m["surprise"] = 1.into(), "surprise");
        check(|m| m["decision"]["surprise"] = 1.into(), "surprise");
    }

    #[test]
    fn a_missing_key_is_named() {
        check(
            |m| drop(m.as_object_mut().expect("object").remove("calibration")),
            "calibration",
        );
    }

    #[test]
    fn another_input_contract_is_refused() {
        check(|m| m["input"]["step"] = 160.into(), "this build feeds");
    }

    #[test]
    fn a_rule_that_lets_one_window_decide_is_refused() {
        check(
            |m| m["decision"]["agreeing_windows_min"] = 1.into(),
            "one window never decides",
        );
    }

    #[test]
    fn thresholds_out_of_order_are_refused() {
        check(|m| m["decision"]["spoof_at_most"] = 9.0.into(), "spoof_at_most");
    }

    #[test]
    fn a_calibration_that_turns_evidence_round_is_refused() {
        check(|m| m["calibration"]["slope"] = (-1.0).into(), "calibration");
    }

    #[test]
    fn garbage_and_floods_are_refused_briefly() {
        for text in [&b"\xff\xfe"[..], b"[]", b"{", &vec![b' '; 70_000]] {
            let error = Manifest::parse(text).expect_err("garbage");
            assert!(error.to_string().len() < 500);
        }
    }
}
