//! `manifest.json` beside a model: which files it is about, what they are fed, and how their scores become evidence.

use serde::Deserialize;

use super::error::ModelError;
use super::front::FLOOR;
use super::limits::{
    BINS, FORGET_FRAMES, FRAME_SAMPLES, FRAME_STEP, HIDDEN_MAX, HIGH_BIN, LOW_BIN, MEMORY_WINDOWS,
    MIN_WINDOW_SPEECH, PRIOR_FRAMES, SAMPLE_RATE, SCORE_CLIP, WINDOW_HOPS,
};

pub(crate) const MANIFEST_FILE: &str = "manifest.json";
pub(crate) const TRUNK_FILE: &str = "trunk.onnx";
pub(crate) const SECOND_FILE: &str = "second.onnx";

/// The file as written by `models/train/export.py`. An unknown key is an error: it may mean something we would ignore.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Of this file's layout; 2.
    #[allow(dead_code, reason = "looked at before the rest")]
    format: u32,
    /// A short name, `[a-z0-9-]`, at most 32 characters.
    pub(crate) name: String,
    pub(crate) trunk: TrunkFile,
    #[serde(default)]
    pub(crate) second: Option<SecondFile>,
    pub(crate) input: InputContract,
    pub(crate) head: Head,
    pub(crate) calibration: Calibrations,
    pub(crate) decision: Decisions,
    /// For people: what was measured when it was trained.
    #[serde(default)]
    #[allow(
        dead_code,
        reason = "kept for whoever reads the file; nothing here depends on it"
    )]
    training: serde_json::Value,
}

/// The always-on network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrunkFile {
    file: String,
    /// Lower-case hexadecimal.
    pub(crate) sha256: String,
    /// Channels that come out of it.
    pub(crate) hidden: usize,
}

/// The second opinion's network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFile {
    file: String,
    pub(crate) sha256: String,
    /// What it is made of, and whose: shown to people.
    name: String,
    licence: String,
}

/// What the networks are fed. Every value but the prior must be ours: another contract needs another engine.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputContract {
    sample_rate: usize,
    frame: usize,
    step: usize,
    low_bin: usize,
    high_bin: usize,
    floor: f64,
    window_hops: usize,
    min_window_speech_frames: usize,
    score_clip: f32,
    memory_windows: u32,
    k0: u32,
    forget_frames: u32,
    /// The mean of each bin over the speech of training.
    pub(crate) prior: Vec<f64>,
}

impl InputContract {
    fn is_ours(&self) -> bool {
        let ours = InputContract {
            sample_rate: SAMPLE_RATE,
            frame: FRAME_SAMPLES,
            step: FRAME_STEP,
            low_bin: LOW_BIN,
            high_bin: HIGH_BIN,
            floor: FLOOR,
            window_hops: WINDOW_HOPS,
            min_window_speech_frames: MIN_WINDOW_SPEECH,
            score_clip: SCORE_CLIP,
            memory_windows: MEMORY_WINDOWS,
            k0: PRIOR_FRAMES,
            forget_frames: FORGET_FRAMES,
            prior: self.prior.clone(),
        };
        *self == ours
    }
}

const _: () = assert!(BINS == 96, "the graph's first axis");

/// raw = weight . (means, spreads) + bias, over the channels of the trunk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: f32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibrations {
    pub(crate) first: Calibration,
    #[serde(default)]
    pub(crate) both: Option<FusedCalibration>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decisions {
    pub(crate) first: Decision,
    #[serde(default)]
    pub(crate) both: Option<Decision>,
}

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

    pub(crate) fn fault(&self, name: &str) -> Option<String> {
        Axis::of(self.net_seconds_low, self.net_seconds_high, self.llr_max).fault(
            name,
            self.offset,
            &[(self.slope, self.slope_per_ln)],
        )
    }
}

/// The same for both stages together: each mean has its slope, and they add up.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FusedCalibration {
    slope: f32,
    slope_per_ln: f32,
    second_slope: f32,
    second_slope_per_ln: f32,
    offset: f32,
    net_seconds_low: f32,
    net_seconds_high: f32,
    llr_max: f32,
}

impl FusedCalibration {
    /// The llr from the mean raw scores of the first and the second stage over so much net speech.
    pub(crate) fn llr(&self, first: f32, second: f32, net_seconds: f32) -> f32 {
        let more = (net_seconds.clamp(self.net_seconds_low, self.net_seconds_high) / 4.0).ln();
        let sum = first * (self.slope + self.slope_per_ln * more)
            + second * (self.second_slope + self.second_slope_per_ln * more)
            + self.offset;
        sum.clamp(-self.llr_max, self.llr_max)
    }

    fn fault(&self, name: &str) -> Option<String> {
        Axis::of(self.net_seconds_low, self.net_seconds_high, self.llr_max).fault(
            name,
            self.offset,
            &[
                (self.slope, self.slope_per_ln),
                (self.second_slope, self.second_slope_per_ln),
            ],
        )
    }
}

/// Where a calibration holds.
struct Axis {
    low: f32,
    high: f32,
    llr_max: f32,
}

impl Axis {
    fn of(low: f32, high: f32, llr_max: f32) -> Axis {
        Axis { low, high, llr_max }
    }

    fn fault(&self, name: &str, offset: f32, slopes: &[(f32, f32)]) -> Option<String> {
        let is_finite = slopes.iter().all(|(a, b)| a.is_finite() && b.is_finite())
            && offset.is_finite()
            && self.llr_max.is_finite()
            && self.high.is_finite();
        let never_turns = |(slope, per_ln): &(f32, f32)| {
            [self.low, self.high]
                .iter()
                .all(|net| slope + per_ln * (net / 4.0).ln() >= 0.0)
        };
        let is_sound = is_finite
            && self.low > 0.0
            && self.low <= self.high
            && self.llr_max > 0.0
            && slopes.iter().all(never_turns);
        (!is_sound).then(|| {
            format!("{name}: want finite numbers, slopes that never turn, and net speech limits in order")
        })
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

impl Decision {
    pub(crate) fn fault(&self, name: &str) -> Option<String> {
        let in_order = self.spoof_at_most < self.bona_fide_at_least
            && self.spoof_at_most < 0.0
            && self.bona_fide_at_least.is_finite()
            && self.spoof_at_most.is_finite();
        if !in_order || !(1.0..=60.0).contains(&self.net_seconds_min) {
            return Some(format!(
                "{name}: want spoof_at_most below 0 and below bona_fide_at_least, net_seconds_min 1 to 60"
            ));
        }
        if !(2..=16).contains(&self.agreeing_windows_min) {
            return Some(format!(
                "{name}: agreeing_windows_min: want 2 to 16; one window never decides"
            ));
        }
        None
    }
}

impl Manifest {
    pub(crate) fn parse(text: &[u8]) -> Result<Manifest, ModelError> {
        /// Read first: another layout is told as such, and not by the first key that is missing.
        #[derive(Deserialize)]
        struct Only {
            format: u32,
        }
        let only: Only =
            serde_json::from_slice(text).map_err(|error| ModelError::new(MANIFEST_FILE, error))?;
        if only.format != 2 {
            let problem = format!("format {} is not 2 (models/CONTRACT.md)", only.format);
            return Err(ModelError::new(MANIFEST_FILE, problem));
        }
        let manifest: Manifest =
            serde_json::from_slice(text).map_err(|error| ModelError::new(MANIFEST_FILE, error))?;
        match manifest.fault() {
            Some(problem) => Err(ModelError::new(MANIFEST_FILE, problem)),
            None => Ok(manifest),
        }
    }

    fn fault(&self) -> Option<String> {
        name_fault(&self.name)
            .or_else(|| hash_fault("trunk.sha256", &self.trunk.sha256))
            .or_else(|| file_fault("trunk.file", &self.trunk.file, TRUNK_FILE))
            .or_else(|| self.second.as_ref().and_then(SecondFile::fault))
            .or_else(|| self.shape_fault())
            .or_else(|| self.calibration.first.fault("calibration.first"))
            .or_else(|| self.decision.first.fault("decision.first"))
            .or_else(|| self.calibration.both.as_ref()?.fault("calibration.both"))
            .or_else(|| self.decision.both.as_ref()?.fault("decision.both"))
    }

    fn shape_fault(&self) -> Option<String> {
        let hidden = self.trunk.hidden;
        if !(1..=HIDDEN_MAX).contains(&hidden) {
            return Some(format!("trunk.hidden: want 1 to {HIDDEN_MAX}"));
        }
        let is_finite = self.head.bias.is_finite() && self.head.weight.iter().all(|x| x.is_finite());
        if self.head.weight.len() != 2 * hidden || !is_finite {
            return Some(format!("head: want {} finite weights and a bias", 2 * hidden));
        }
        if self.input.prior.len() != BINS || !self.input.prior.iter().all(|x| x.is_finite()) {
            return Some(format!("input.prior: want {BINS} finite numbers"));
        }
        if !self.input.is_ours() {
            return Some("input: this build feeds another contract (models/README.md)".to_owned());
        }
        let is_whole = self.second.is_some() == self.calibration.both.is_some()
            && self.second.is_some() == self.decision.both.is_some();
        (!is_whole).then(|| {
            "second, calibration.both and decision.both belong together: want all three or none".to_owned()
        })
    }
}

impl SecondFile {
    fn fault(&self) -> Option<String> {
        let is_short = |text: &String| !text.is_empty() && text.chars().count() <= 64;
        if !is_short(&self.name) || !is_short(&self.licence) {
            return Some("second: want a name and a licence of 1 to 64 characters".to_owned());
        }
        hash_fault("second.sha256", &self.sha256)
            .or_else(|| file_fault("second.file", &self.file, SECOND_FILE))
    }
}

pub(crate) fn name_fault(name: &str) -> Option<String> {
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let is_good = (1..=32).contains(&name.len()) && name.bytes().all(is_plain);
    (!is_good).then(|| "name: want 1 to 32 of a-z, 0-9 and -".to_owned())
}

pub(crate) fn hash_fault(key: &str, hash: &str) -> Option<String> {
    let is_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    let is_good = hash.len() == 64 && hash.bytes().all(is_hex);
    (!is_good).then(|| format!("{key}: want 64 lower-case hexadecimal digits"))
}

fn file_fault(key: &str, file: &str, wanted: &str) -> Option<String> {
    (file != wanted).then(|| format!("{key}: want \"{wanted}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &[u8] = include_bytes!("fixtures/tiny/manifest.json");

    fn check(change: impl FnOnce(&mut serde_json::Value), expected: &str) {
        let mut value: serde_json::Value = serde_json::from_slice(TINY).expect("ours");
        change(&mut value);
        let error = Manifest::parse(value.to_string().as_bytes()).expect_err("faulty");
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn a_manifest_reads() {
        let manifest = Manifest::parse(TINY).expect("reads");
        assert_eq!(manifest.head.weight.len(), 2 * manifest.trunk.hidden);
    }

    #[test]
    fn another_format_is_refused() {
        check(|m| m["format"] = 3.into(), "format 3");
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        check(|m| m["inptu"] = 1.into(), "inptu");
        check(
            |m| drop(m.as_object_mut().expect("object").remove("calibration")),
            "calibration",
        );
    }

    #[test]
    fn another_input_contract_is_refused() {
        check(|m| m["input"]["step"] = 160.into(), "this build feeds");
        check(|m| m["input"]["prior"] = serde_json::json!([1.0]), "prior");
    }

    #[test]
    fn files_of_other_names_are_refused() {
        check(|m| m["trunk"]["file"] = "../../etc/passwd".into(), "trunk.file");
        check(|m| m["second"]["file"] = "/dev/zero".into(), "second.file");
    }

    #[test]
    fn a_head_of_another_width_is_refused() {
        check(|m| m["head"]["weight"] = serde_json::json!([0.5]), "head");
        check(|m| m["trunk"]["hidden"] = 100_000.into(), "hidden");
    }

    #[test]
    fn a_second_opinion_without_its_calibration_is_refused() {
        check(
            |m| drop(m["calibration"].as_object_mut().expect("object").remove("both")),
            "belong together",
        );
    }

    #[test]
    fn a_rule_that_lets_one_window_decide_is_refused() {
        for stage in ["first", "both"] {
            check(
                |m| m["decision"][stage]["agreeing_windows_min"] = 1.into(),
                "one window never decides",
            );
        }
    }

    #[test]
    fn thresholds_out_of_order_are_refused() {
        check(
            |m| m["decision"]["first"]["spoof_at_most"] = 9.0.into(),
            "spoof_at_most",
        );
    }

    #[test]
    fn a_calibration_that_turns_evidence_round_is_refused() {
        check(
            |m| m["calibration"]["first"]["slope"] = (-1.0).into(),
            "calibration.first",
        );
        check(
            |m| m["calibration"]["both"]["second_slope"] = (-1.0).into(),
            "calibration.both",
        );
    }

    #[test]
    fn garbage_is_refused_briefly() {
        for text in [&b"\xff\xfe"[..], b"[]", b"{", b"{\"format\": 2}"] {
            let error = Manifest::parse(text).expect_err("garbage");
            assert!(error.to_string().len() < 500);
        }
    }
}
