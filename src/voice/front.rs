//! From samples to spectral power: Hann frames of 256 samples every 128, in double precision.
//!
//! Double precision because the weakest bins stand 70 dB under the strongest of a frame: single precision would put
//! its rounding there, and `models/train/frontend.py` must agree to 1e-4.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::limits::{BINS, FRAME_SAMPLES, FRAME_STEP, LOW_BIN};

/// Added to the power before the logarithm.
pub(crate) const FLOOR: f64 = 1e-5;

/// Sum of the squared window: what white noise of power 1 gives in each bin.
pub(crate) const HANN_POWER: f64 = 96.0;

/// The shared, immutable half: transform plan and window.
pub(crate) struct Plan {
    transform: Arc<dyn RealToComplex<f64>>,
    hann: [f64; FRAME_SAMPLES],
}

impl Plan {
    pub(crate) fn new() -> Plan {
        let mut hann = [0.0; FRAME_SAMPLES];
        for (n, weight) in hann.iter_mut().enumerate() {
            *weight = 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / FRAME_SAMPLES as f64).cos();
        }
        Plan {
            transform: RealFftPlanner::new().plan_fft_forward(FRAME_SAMPLES),
            hann,
        }
    }
}

/// One call's half: the samples of the frame under way. Holds at most one frame.
pub(crate) struct Front {
    plan: Arc<Plan>,
    pending: [i16; FRAME_SAMPLES],
    filled: usize,
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl Front {
    pub(crate) fn new(plan: &Arc<Plan>) -> Front {
        Front {
            plan: Arc::clone(plan),
            pending: [0; FRAME_SAMPLES],
            filled: 0,
            frame: plan.transform.make_input_vec(),
            spectrum: plan.transform.make_output_vec(),
            scratch: plan.transform.make_scratch_vec(),
        }
    }

    /// Takes samples in and gives the band power |X|² of every frame they complete, in order.
    pub(crate) fn push(&mut self, mut samples: &[i16], mut heard: impl FnMut(&[f64; BINS])) {
        while !samples.is_empty() {
            let take = samples.len().min(FRAME_SAMPLES - self.filled);
            self.pending[self.filled..self.filled + take].copy_from_slice(&samples[..take]);
            self.filled += take;
            samples = &samples[take..];
            if self.filled == FRAME_SAMPLES {
                heard(&self.transform());
                self.pending.copy_within(FRAME_STEP.., 0);
                self.filled = FRAME_SAMPLES - FRAME_STEP;
            }
        }
    }

    /// Octets on the heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.frame.capacity() * size_of::<f64>()
            + (self.spectrum.capacity() + self.scratch.capacity()) * size_of::<Complex<f64>>()
    }

    fn transform(&mut self) -> [f64; BINS] {
        for ((out, sample), weight) in self.frame.iter_mut().zip(&self.pending).zip(&self.plan.hann) {
            *out = f64::from(*sample) / 32768.0 * weight;
        }
        self.plan
            .transform
            .process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers were made by this plan");
        let mut power = [0.0; BINS];
        for (out, bin) in power.iter_mut().zip(&self.spectrum[LOW_BIN..]) {
            *out = bin.norm_sqr();
        }
        power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_do_not_depend_on_how_samples_arrive() {
        let plan = Arc::new(Plan::new());
        let samples: Vec<i16> = (0..3000).map(|n| ((n * 7919) % 20011 - 10000) as i16).collect();
        let mut whole = Vec::new();
        Front::new(&plan).push(&samples, |power| whole.push(*power));
        for step in [1, 100, 128, 160, 257] {
            let mut front = Front::new(&plan);
            let mut pieces = Vec::new();
            for piece in samples.chunks(step) {
                front.push(piece, |power| pieces.push(*power));
            }
            assert_eq!(pieces, whole, "in pieces of {step}");
        }
        assert_eq!(whole.len(), (samples.len() - FRAME_SAMPLES) / FRAME_STEP + 1);
    }

    #[test]
    fn a_tone_stands_in_its_bin() {
        let mut peak = 0;
        let samples: Vec<i16> = (0..256)
            .map(|n| (8000.0 * (std::f64::consts::TAU * 32.0 * n as f64 / 256.0).sin()) as i16)
            .collect();
        Front::new(&Arc::new(Plan::new())).push(&samples, |power| {
            peak = (0..BINS)
                .max_by(|a, b| power[*a].total_cmp(&power[*b]))
                .expect("bins");
        });
        assert_eq!(peak + LOW_BIN, 32);
    }
}
