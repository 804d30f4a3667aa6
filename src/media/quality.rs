//! How good a call sounded, estimated from what was lost and how late it came: the E-model (ITU-T G.107) with its
//! default values, for G.711 (ITU-T G.113 appendix I).
//!
//! An estimate of what the network did, not of what was heard: echo, noise and the telephones themselves are taken as the
//! model's defaults.

/// The rating of a perfect line with the model's default values.
const BASE: f32 = 93.2;

/// How well a receiver of G.711 bears lost packets: with packet loss concealment, as telephones have it (G.113 table I.4).
const ROBUSTNESS: f32 = 25.1;

/// The mean opinion score, 1 to 4.5, of a stream of which this share of packets was lost (0 to 1) and whose words take
/// this many milliseconds from mouth to ear.
///
/// Losses are taken as independent. Out of range or not a number: as the nearest value that is in range.
pub(crate) fn mos(lost: f32, delay_ms: f32) -> f32 {
    let percent = if lost.is_finite() {
        lost.clamp(0.0, 1.0) * 100.0
    } else {
        100.0
    };
    let delay_ms = if delay_ms.is_finite() {
        delay_ms.clamp(0.0, 10_000.0)
    } else {
        10_000.0
    };
    let from_loss = 95.0 * percent / (percent + ROBUSTNESS);
    // The model's curve, as two straight lines (G.107 appendix; ITU-T G.108).
    let from_delay = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    score(BASE - from_loss - from_delay)
}

/// From the rating to the score (G.107 annex B).
fn score(rating: f32) -> f32 {
    let rating = rating.clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    score.clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lost: f32, delay_ms: f32, expected: f32) {
        let found = mos(lost, delay_ms);
        assert!((found - expected).abs() < 0.02, "{lost} {delay_ms}: {found}");
    }

    #[test]
    fn the_score_follows_loss_and_delay() {
        // Annex B of G.107: rating 93.2 is a score of 4.41, rating 50 one of 2.58.
        check(0.0, 0.0, 4.41);
        assert!((score(50.0) - 2.58).abs() < 0.01);
        assert!((score(0.0) - 1.0).abs() < 1e-6);
        // 1 % costs 3.6 points of rating, 5 % costs 15.8.
        check(0.01, 0.0, 4.33);
        check(0.05, 0.0, 3.92);
        // 150 ms cost 3.6 points, 400 ms 34.1.
        check(0.0, 150.0, 4.33);
        check(0.0, 400.0, 3.05);
    }

    #[test]
    fn more_of_either_is_never_better() {
        let mut before = 5.0;
        for step in 0..=100u8 {
            let step = f32::from(step);
            let found = mos(step / 100.0, step * 20.0);
            assert!(found <= before && (1.0..=4.5).contains(&found));
            before = found;
        }
        for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0] {
            assert!((1.0..=4.5).contains(&mos(strange, strange)));
        }
    }
}
