//! Which frames hold speech: energy over an adaptive noise floor that has moved in the last half second, and that is
//! neither a tone (or two) nor as flat as noise.
//!
//! Digital silence, steady noise, dial tones and DTMF are not speech; music and a crowd of voices are (this room cannot
//! tell them from a voice). The same arithmetic, frame for frame, as `speech` in `models/train/frontend.py`.

use super::front::HANN_POWER;
use super::limits::BINS;

/// Speech decisions of one call, frame by frame. Causal; holds half a second of levels.
pub(crate) struct Activity {
    /// Decibels against full scale.
    floor: f64,
    levels: [f64; RANGE_FRAMES],
    frames: usize,
    hang: u32,
}

impl Activity {
    pub(crate) fn new() -> Activity {
        Activity {
            floor: 0.0,
            levels: [0.0; RANGE_FRAMES],
            frames: 0,
            hang: 0,
        }
    }

    /// Does the next frame, of this band power, hold speech?
    pub(crate) fn hear(&mut self, power: &[f64; BINS]) -> bool {
        let mean = power.iter().sum::<f64>() / BINS as f64;
        let level = 10.0 * (mean / HANN_POWER + 1e-12).log10();
        if self.frames == 0 {
            self.floor = level.clamp(START_LOWEST_DB, START_HIGHEST_DB);
        }
        self.levels[self.frames % RANGE_FRAMES] = level;
        self.frames += 1;
        let recent = &self.levels[..self.frames.min(RANGE_FRAMES)];
        let span =
            recent.iter().copied().fold(f64::MIN, f64::max) - recent.iter().copied().fold(f64::MAX, f64::min);

        self.floor += if level < self.floor {
            DOWN * (level - self.floor)
        } else if span < RANGE_DB && self.frames >= RANGE_FRAMES {
            UP_STEADY * (level - self.floor)
        } else {
            UP_DB
        };

        let is_certain = level > QUIETEST_DB
            && level > self.floor + MARGIN_DB
            && span >= RANGE_DB
            && flatness(power, mean) < FLATTEST
            && rest_without_peaks(power) > TONE_REST;
        if is_certain {
            self.hang = HANG_FRAMES;
            true
        } else if self.hang > 0 && level > QUIETEST_DB {
            self.hang -= 1;
            true
        } else {
            self.hang = 0;
            false
        }
    }
}

/// Log ratio of geometric to arithmetic mean: about -0.58 for white noise, -2 and below for voices.
fn flatness(power: &[f64; BINS], mean: f64) -> f64 {
    // The logarithm of a product instead of a sum of logarithms: eight powers stay far inside what a double can hold.
    let logs: f64 = power
        .chunks_exact(8)
        .map(|eight| eight.iter().map(|p| p + 1e-12).product::<f64>().ln())
        .sum();
    logs / BINS as f64 - (mean + 1e-12).ln()
}

/// Share of the power outside the two strongest peaks, each two bins to either side.
fn rest_without_peaks(power: &[f64; BINS]) -> f64 {
    let total = power.iter().sum::<f64>() + 1e-12;
    let mut left = *power;
    for _ in 0..2 {
        let mut peak = 0;
        for (bin, value) in left.iter().enumerate() {
            if *value > left[peak] {
                peak = bin;
            }
        }
        left[peak.saturating_sub(2)..(peak + 3).min(BINS)].fill(0.0);
    }
    left.iter().sum::<f64>() / total
}

/// Nothing below this is speech.
const QUIETEST_DB: f64 = -52.0;
/// Speech stands this far above the noise floor ...
const MARGIN_DB: f64 = 9.0;
/// ... and moves by this much within half a second.
const RANGE_DB: f64 = 6.0;
const RANGE_FRAMES: usize = 32;
const FLATTEST: f64 = -0.7;
/// Below this share outside two peaks it is a tone.
const TONE_REST: f64 = 0.01;
/// Frames that stay speech after the last certain one (soft ends of words).
const HANG_FRAMES: u32 = 8;
/// Where the floor may start: a call that begins with speech must not take it for noise.
const START_LOWEST_DB: f64 = -70.0;
const START_HIGHEST_DB: f64 = -35.0;
/// The floor falls by this share of the way a frame, climbs by so many decibels, and runs after a steady sound.
const DOWN: f64 = 0.1;
const UP_DB: f64 = 0.03;
const UP_STEADY: f64 = 0.05;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::front::{Buffers, Front, Plan};
    use super::*;

    /// Share of frames of eight seconds called speech.
    fn share(sample: impl FnMut(usize) -> f64) -> f64 {
        let samples: Vec<i16> = (0..64_000).map(sample).map(|x| (x * 32767.0) as i16).collect();
        let (mut activity, mut speech, mut frames) = (Activity::new(), 0, 0);
        let mut buffers = Buffers::new(&Arc::new(Plan::new()));
        Front::new().push(&mut buffers, &samples, |power| {
            frames += 1;
            speech += usize::from(activity.hear(power));
        });
        speech as f64 / frames as f64
    }

    /// Flat noise in -1..1, the same every time.
    fn noise() -> impl FnMut() -> f64 {
        let mut state = 88_172_645_463_325_252_u64;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        }
    }

    fn tone(hertz: f64, n: usize) -> f64 {
        (std::f64::consts::TAU * hertz * n as f64 / 8000.0).sin()
    }

    #[test]
    fn digital_silence_is_not_speech() {
        assert_eq!(share(|_| 0.0), 0.0);
    }

    #[test]
    fn steady_noise_is_not_speech_at_any_level() {
        for level in [0.5, 0.1, 0.01, 0.001] {
            let mut white = noise();
            assert_eq!(share(|_| level * white()), 0.0, "white at {level}");
            let (mut white, mut last) = (noise(), 0.0);
            let coloured = share(|_| {
                last = 0.9 * last + 0.3 * level * white();
                last
            });
            assert!(coloured < 0.02, "coloured at {level}: {coloured}");
        }
    }

    #[test]
    fn tones_are_not_speech() {
        assert_eq!(share(|n| 0.3 * tone(440.0, n)), 0.0);
        assert_eq!(share(|n| 0.2 * tone(770.0, n) + 0.2 * tone(1336.0, n)), 0.0);
        let ringing = share(|n| {
            if (n / 8000) % 2 == 0 {
                0.1 * tone(440.0, n) + 0.1 * tone(480.0, n)
            } else {
                0.0
            }
        });
        assert!(ringing < 0.1, "{ringing}");
    }

    #[test]
    fn a_buzz_with_syllables_is_speech() {
        let heard = share(|n| {
            let syllable = (std::f64::consts::TAU * 4.0 * n as f64 / 8000.0).sin().max(0.0);
            (1..25).map(|k| tone(125.0 * k as f64, n) / k as f64).sum::<f64>() * 0.1 * syllable
        });
        assert!(heard > 0.45, "{heard}");
    }
}
