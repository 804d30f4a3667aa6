//! How windows add up. Windows of one call overlap and share a voice, so their scores are averaged, never summed; how
//! much an average over so much speech is worth was measured (the manifest's calibration). The two stages hear the
//! same voice too: their averages are fused by a calibration of their own.

use super::Label;
use super::limits::{MEMORY_SECOND_WINDOWS, MEMORY_WINDOWS, SCORE_CLIP};
use super::manifest::{Calibration, Decision, FusedCalibration};

/// What a score is worth, and when evidence becomes a label.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) calibration: Calibration,
    pub(crate) decision: Decision,
    /// For calls that a second opinion was given on; `None` in a model without one.
    pub(crate) both: Option<(FusedCalibration, Decision)>,
}

/// The running evidence of one call.
#[derive(Debug)]
pub(crate) struct Evidence {
    first: Course<MEMORY_WINDOWS>,
    second: Course<MEMORY_SECOND_WINDOWS>,
    /// Windows of the first stage since the last second opinion.
    since_second: u32,
}

impl Evidence {
    pub(crate) fn new() -> Evidence {
        Evidence {
            first: Course::new(),
            second: Course::new(),
            since_second: 0,
        }
    }

    /// Counts a window of the first stage, of this raw score over so much speech; gives its own llr. A second opinion
    /// that none has followed for as long as the first stage remembers is forgotten: somebody else may be speaking.
    pub(crate) fn add(&mut self, raw: f32, net_seconds: f32, rules: &Rules) -> f32 {
        let llr = rules.calibration.llr(raw, net_seconds);
        self.first.add(raw, llr);
        self.since_second = self.since_second.saturating_add(1);
        if self.since_second > MEMORY_WINDOWS {
            self.second = Course::new();
        }
        llr
    }

    /// Counts a window of the second stage; gives its own llr beside what the first stage has said. `None` when the
    /// model has no second stage.
    pub(crate) fn add_second(&mut self, raw: f32, net_seconds: f32, rules: &Rules) -> Option<f32> {
        let (calibration, _) = rules.both.as_ref()?;
        let llr = calibration.llr(self.first.mean, raw, net_seconds);
        self.second.add(raw, llr);
        self.since_second = 0;
        Some(llr)
    }

    /// A second opinion was given.
    pub(crate) fn has_second(&self) -> bool {
        self.second.windows > 0
    }

    /// Second opinions counted, as far back as they are remembered.
    pub(crate) fn second_windows(&self) -> u32 {
        self.second.windows
    }

    /// The llr over all speech so far and what may be said of it. 0 and `Unsure` before the first window.
    pub(crate) fn weigh(&self, rules: &Rules, net_seconds: f32) -> (f32, Label) {
        if self.first.windows == 0 && self.second.windows == 0 {
            return (0.0, Label::Unsure);
        }
        let (llr, decision) = match &rules.both {
            Some((calibration, decision)) if self.has_second() => {
                let llr = calibration.llr(self.first.mean, self.second.mean, net_seconds);
                (llr, decision)
            }
            _ => (
                rules.calibration.llr(self.first.mean, net_seconds),
                &rules.decision,
            ),
        };
        let agree = |of_first: u64, of_second: u64| {
            of_first.count_ones() + of_second.count_ones() >= decision.agreeing_windows_min
        };
        let label = if net_seconds < decision.net_seconds_min {
            Label::Unsure
        } else if llr <= decision.spoof_at_most && agree(self.first.against, self.second.against) {
            Label::Spoof
        } else if llr >= decision.bona_fide_at_least && agree(self.first.in_favour, self.second.in_favour) {
            Label::BonaFide
        } else {
            Label::Unsure
        };
        (llr, label)
    }
}

/// The windows of one stage. `MEMORY` is at most 63.
#[derive(Debug)]
struct Course<const MEMORY: u32> {
    mean: f32,
    windows: u32,
    /// Windows, of the last `MEMORY`, that spoke for spoof and for bona fide: one bit each, newest lowest.
    against: u64,
    in_favour: u64,
}

impl<const MEMORY: u32> Course<MEMORY> {
    fn new() -> Self {
        Course {
            mean: 0.0,
            windows: 0,
            against: 0,
            in_favour: 0,
        }
    }

    fn add(&mut self, raw: f32, llr: f32) {
        self.windows = (self.windows + 1).min(MEMORY);
        self.mean += (raw.clamp(-SCORE_CLIP, SCORE_CLIP) - self.mean) / self.windows as f32;
        let kept = (1_u64 << MEMORY) - 1;
        self.against = (self.against << 1 | u64::from(llr < 0.0)) & kept;
        self.in_favour = (self.in_favour << 1 | u64::from(llr > 0.0)) & kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALIBRATION: &str = r#"{"slope": 1.0, "slope_per_ln": 0.2, "offset": 0.0, "net_seconds_low": 1.0,
        "net_seconds_high": 10.0, "llr_max": 6.0}"#;
    const DECISION: &str = r#"{"spoof_at_most": -1.5, "bona_fide_at_least": 1.0, "net_seconds_min": 2.0,
        "agreeing_windows_min": 2}"#;

    const FUSED: &str = r#"{"slope": 0.5, "slope_per_ln": 0.1, "second_slope": 1.0, "second_slope_per_ln": 0.2,
        "offset": 0.0, "net_seconds_low": 1.0, "net_seconds_high": 10.0, "llr_max": 6.0}"#;

    fn rules() -> Rules {
        let decision: Decision = serde_json::from_str(DECISION).expect("decision");
        Rules {
            calibration: serde_json::from_str(CALIBRATION).expect("calibration"),
            decision,
            both: Some((serde_json::from_str(FUSED).expect("fused"), decision)),
        }
    }

    fn after(raws: &[f32], net_seconds: f32) -> (f32, Label) {
        after_both(raws, &[], net_seconds)
    }

    fn after_both(raws: &[f32], second: &[f32], net_seconds: f32) -> (f32, Label) {
        let (rules, mut evidence) = (rules(), Evidence::new());
        for raw in raws {
            evidence.add(*raw, 2.0, &rules);
        }
        for raw in second {
            evidence.add_second(*raw, 2.0, &rules).expect("fused");
        }
        evidence.weigh(&rules, net_seconds)
    }

    #[test]
    fn nothing_heard_is_unsure() {
        assert_eq!(after(&[], 0.0), (0.0, Label::Unsure));
    }

    #[test]
    fn one_window_never_decides() {
        assert_eq!(after(&[-4.0], 3.0).1, Label::Unsure);
        assert_eq!(after(&[4.0], 3.0).1, Label::Unsure);
        assert_eq!(after(&[-100.0, 0.1], 3.0).1, Label::Unsure);
    }

    #[test]
    fn two_windows_that_agree_decide() {
        assert_eq!(after(&[-4.0, -3.0], 3.0).1, Label::Spoof);
        assert_eq!(after(&[4.0, 3.0], 3.0).1, Label::BonaFide);
    }

    #[test]
    fn too_little_speech_is_unsure_whatever_the_score() {
        assert_eq!(after(&[-4.0, -4.0, -4.0], 1.9).1, Label::Unsure);
    }

    #[test]
    fn more_speech_makes_the_same_mean_weigh_more() {
        assert!(after(&[2.0, 2.0], 8.0).0 > after(&[2.0, 2.0], 2.0).0);
    }

    #[test]
    fn a_voice_that_changes_is_heard() {
        let mut raws = vec![4.0; 600];
        assert_eq!(after(&raws, 600.0).1, Label::BonaFide);
        raws.extend([-4.0; 120]);
        assert_eq!(after(&raws, 720.0).1, Label::Spoof);
    }

    #[test]
    fn the_llr_stays_within_what_was_measured() {
        assert!(after(&[f32::MAX; 9], 99.0).0 <= 6.0);
    }

    #[test]
    fn a_second_opinion_moves_the_first() {
        assert_eq!(after_both(&[1.0, 1.0], &[-4.0, -4.0], 4.0).1, Label::Spoof);
        assert_eq!(after_both(&[-1.0, -1.0], &[4.0, 4.0], 4.0).1, Label::BonaFide);
        let (llr, label) = after_both(&[3.0, 3.0], &[-2.0], 4.0);
        assert_eq!(label, Label::Unsure, "{llr}");
    }

    #[test]
    fn a_second_opinion_that_is_not_renewed_is_forgotten() {
        let (rules, mut evidence) = (rules(), Evidence::new());
        for raw in [4.0, 4.0] {
            evidence.add(0.0, 2.0, &rules);
            evidence.add_second(raw, 2.0, &rules).expect("fused");
        }
        for _ in 0..MEMORY_WINDOWS {
            assert_eq!(evidence.weigh(&rules, 60.0).1, Label::BonaFide);
            evidence.add(-4.0, 2.0, &rules);
        }
        assert!(evidence.has_second());
        evidence.add(-4.0, 2.0, &rules);
        assert!(!evidence.has_second());
        assert_eq!(evidence.weigh(&rules, 60.0).1, Label::Spoof);
    }

    #[test]
    fn one_second_window_never_decides() {
        assert_eq!(after_both(&[1.0], &[-4.0], 3.0).1, Label::Unsure);
    }
}
