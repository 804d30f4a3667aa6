//! From samples to the log-mel picture that Whisper's encoder was trained on, straight from 8 kHz.
//!
//! 200 samples every 80 at 8 kHz are the 400 every 160 at 16 kHz that Whisper takes: bins of 40 Hz either way. The bands
//! are its own (80, Slaney's scale); those above 4 kHz hear nothing.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::limits::SECOND_SAMPLES;

pub(crate) const BANDS: usize = 80;

/// Frames of a window of four seconds.
pub(crate) const MEL_FRAMES: usize = SECOND_SAMPLES / STEP;

const FRAME: usize = 200;
const STEP: usize = 80;
const BINS: usize = FRAME / 2 + 1;

/// The shared, immutable half.
pub(crate) struct Plan {
    transform: Arc<dyn RealToComplex<f32>>,
    hann: [f32; FRAME],
    bands: Vec<Band>,
}

/// The bins that a band hears, from `first` on.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

/// Room for one picture; a thread's own.
pub(crate) struct Buffers {
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl Plan {
    pub(crate) fn new() -> Plan {
        let hann = std::array::from_fn(|n| {
            (0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / FRAME as f64).cos()) as f32
        });
        Plan {
            transform: RealFftPlanner::new().plan_fft_forward(FRAME),
            hann,
            bands: bands(),
        }
    }

    pub(crate) fn buffers(&self) -> Buffers {
        Buffers {
            frame: self.transform.make_input_vec(),
            spectrum: self.transform.make_output_vec(),
            scratch: self.transform.make_scratch_vec(),
        }
    }

    /// Fills `picture` band by band from samples between -1 and 1; beyond their ends there is silence. Frames without
    /// speech are blank, and the loudest place of the others is level 1.375: pauses and the level of a line say nothing.
    pub(crate) fn draw(
        &self,
        samples: &[f32; SECOND_SAMPLES],
        is_speech: impl Fn(usize) -> bool,
        buffers: &mut Buffers,
        picture: &mut [f32; BANDS * MEL_FRAMES],
    ) {
        let mut highest = f32::MIN;
        for frame in (0..MEL_FRAMES).filter(|frame| is_speech(*frame)) {
            let start = (frame * STEP) as isize - FRAME as isize / 2;
            for (n, (out, weight)) in buffers.frame.iter_mut().zip(&self.hann).enumerate() {
                let at = usize::try_from(start + n as isize).ok();
                *out = at.and_then(|at| samples.get(at)).unwrap_or(&0.0) * weight;
            }
            self.transform
                .process_with_scratch(&mut buffers.frame, &mut buffers.spectrum, &mut buffers.scratch)
                .expect("the buffers were made by this plan");
            for (number, band) in self.bands.iter().enumerate() {
                let bins = &buffers.spectrum[band.first..];
                let power: f32 = band
                    .weights
                    .iter()
                    .zip(bins)
                    .map(|(w, bin)| w * bin.norm_sqr())
                    .sum();
                let log = (power * POWER_OF_16_KHZ).max(1e-10).log10();
                picture[number * MEL_FRAMES + frame] = log;
                highest = highest.max(log);
            }
        }
        for band in picture.chunks_exact_mut(MEL_FRAMES) {
            for (frame, value) in band.iter_mut().enumerate() {
                *value = if is_speech(frame) {
                    (value.max(highest - RANGE) - highest + HEADROOM + 4.0) / 4.0
                } else {
                    BLANK
                };
            }
        }
    }
}

/// Decades below the loudest place that are told apart.
const RANGE: f32 = 8.0;
const HEADROOM: f32 = 1.5;
/// The quietest there is: a place `RANGE` below the loudest.
const BLANK: f32 = (HEADROOM - RANGE + 4.0) / 4.0;

/// Twice the samples have twice the amplitude in a bin.
const POWER_OF_16_KHZ: f32 = 4.0;

/// Whisper's bank (`librosa.filters.mel(sr=16000, n_fft=400, n_mels=80)`), as far as 4 kHz.
fn bands() -> Vec<Band> {
    let highest = to_mel(8000.0);
    let edges: Vec<f64> = (0..BANDS + 2)
        .map(|n| to_hertz(highest * n as f64 / (BANDS + 1) as f64))
        .collect();
    edges
        .windows(3)
        .map(|edges| {
            let [low, middle, high] = [edges[0], edges[1], edges[2]];
            let weight = |bin: usize| {
                let hertz = 40.0 * bin as f64;
                let up = (hertz - low) / (middle - low);
                let down = (high - hertz) / (high - middle);
                (up.min(down).max(0.0) * 2.0 / (high - low)) as f32
            };
            let first = (0..BINS).find(|bin| weight(*bin) > 0.0).unwrap_or(0);
            let weights = (first..BINS).map(weight).take_while(|weight| *weight > 0.0);
            Band {
                first,
                weights: weights.collect(),
            }
        })
        .collect()
}

/// Slaney's scale: even up to 1 kHz, then logarithmic.
fn to_mel(hertz: f64) -> f64 {
    if hertz < 1000.0 {
        hertz * 3.0 / 200.0
    } else {
        15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4_f64.ln()
    }
}

fn to_hertz(mel: f64) -> f64 {
    if mel < 15.0 {
        mel * 200.0 / 3.0
    } else {
        1000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_band_below_4_khz_hears_something_and_none_above() {
        let bands = bands();
        assert_eq!(bands.len(), BANDS);
        let hears = |band: &Band| !band.weights.is_empty();
        let silent = bands.iter().filter(|band| !hears(band)).count();
        let highest = bands.iter().rposition(hears).expect("one hears");
        assert_eq!(silent, BANDS - highest - 1);
        assert!((10..30).contains(&silent), "{silent}");
    }

    #[test]
    fn a_tone_is_brightest_in_its_band() {
        let plan = Plan::new();
        let samples: Box<[f32; SECOND_SAMPLES]> = (0..SECOND_SAMPLES)
            .map(|n| (std::f32::consts::TAU * 1000.0 * n as f32 / 8000.0).sin() * 0.3)
            .collect::<Vec<_>>()
            .try_into()
            .expect("the length");
        let mut picture: Box<[f32; BANDS * MEL_FRAMES]> =
            vec![0.0; BANDS * MEL_FRAMES].try_into().expect("the length");
        plan.draw(&samples, |frame| frame > 9, &mut plan.buffers(), &mut picture);
        let at = |band: usize| picture[band * MEL_FRAMES + 200];
        let brightest = (0..BANDS)
            .max_by(|a, b| at(*a).total_cmp(&at(*b)))
            .expect("bands");
        let [low, high] =
            [-1.0, 1.0].map(|way| to_hertz(to_mel(8000.0) * (brightest as f64 + 1.0 + way) / 81.0));
        assert!(low < 1000.0 && 1000.0 < high, "band {brightest}: {low} to {high}");
        assert!(picture.iter().all(|value| (BLANK..=1.375).contains(value)));
        assert_eq!(picture[9], BLANK);
    }
}
