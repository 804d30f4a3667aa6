//! How windows add up. Windows of one call overlap and share a voice, so their scores are averaged, never summed; how
//! much an average over so much speech is worth was measured (the manifest's calibration).

use super::Label;
use super::limits::{MEMORY_WINDOWS, SCORE_CLIP};
use super::manifest::{Calibration, Decision};

/// The running evidence of one call.
#[derive(Debug)]
pub(crate) struct Evidence {
    mean: f32,
    windows: u32,
    /// Windows, of the last [`MEMORY_WINDOWS`], that spoke for spoof and for bona fide: one bit each, newest lowest.
    against: u64,
    in_favour: u64,
}

impl Evidence {
    pub(crate) fn new() -> Evidence {
        Evidence {
            mean: 0.0,
            windows: 0,
            against: 0,
            in_favour: 0,
        }
    }

    /// Counts a window of this raw score and calibrated llr.
    pub(crate) fn add(&mut self, raw: f32, llr: f32) {
        self.windows = (self.windows + 1).min(MEMORY_WINDOWS);
        self.mean += (raw.clamp(-SCORE_CLIP, SCORE_CLIP) - self.mean) / self.windows as f32;
        let kept = (1_u64 << MEMORY_WINDOWS) - 1;
        self.against = (self.against << 1 | u64::from(llr < 0.0)) & kept;
        self.in_favour = (self.in_favour << 1 | u64::from(llr > 0.0)) & kept;
    }

    /// The llr over all speech so far and what may be said of it. 0 and `Unsure` before the first window.
    pub(crate) fn weigh(
        &self,
        calibration: &Calibration,
        decision: &Decision,
        net_seconds: f32,
    ) -> (f32, Label) {
        if self.windows == 0 {
            return (0.0, Label::Unsure);
        }
        let llr = calibration.llr(self.mean, net_seconds);
        let agree = |bits: u64| bits.count_ones() >= decision.agreeing_windows_min;
        let label = if net_seconds < decision.net_seconds_min {
            Label::Unsure
        } else if llr <= decision.spoof_at_most && agree(self.against) {
            Label::Spoof
        } else if llr >= decision.bona_fide_at_least && agree(self.in_favour) {
            Label::BonaFide
        } else {
            Label::Unsure
        };
        (llr, label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALIBRATION: &str = r#"{"slope": 1.0, "slope_per_ln": 0.2, "offset": 0.0, "net_seconds_low": 1.0,
        "net_seconds_high": 10.0, "llr_max": 6.0}"#;
    const DECISION: &str = r#"{"spoof_at_most": -1.5, "bona_fide_at_least": 1.0, "net_seconds_min": 2.0,
        "agreeing_windows_min": 2}"#;

    fn after(raws: &[f32], net_seconds: f32) -> (f32, Label) {
        let calibration: Calibration = serde_json::from_str(CALIBRATION).expect("calibration");
        let decision: Decision = serde_json::from_str(DECISION).expect("decision");
        let mut evidence = Evidence::new();
        for raw in raws {
            evidence.add(*raw, calibration.llr(*raw, 2.0));
        }
        evidence.weigh(&calibration, &decision, net_seconds)
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
}
