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

/// Room for one transform, shared by all calls of a thread.
pub(crate) struct Buffers {
    plan: Arc<Plan>,
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl Buffers {
    pub(crate) fn new(plan: &Arc<Plan>) -> Buffers {
        Buffers {
            plan: Arc::clone(plan),
            frame: plan.transform.make_input_vec(),
            spectrum: plan.transform.make_output_vec(),
            scratch: plan.transform.make_scratch_vec(),
        }
    }

    /// The band power of one frame.
    fn transform(&mut self, samples: &[i16; FRAME_SAMPLES]) -> [f64; BINS] {
        for ((out, sample), weight) in self.frame.iter_mut().zip(samples).zip(&self.plan.hann) {
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

/// One call's half: the samples of the frame under way. Holds at most one frame.
pub(crate) struct Front {
    pending: [i16; FRAME_SAMPLES],
    filled: usize,
}

impl Front {
    pub(crate) fn new() -> Front {
        Front {
            pending: [0; FRAME_SAMPLES],
            filled: 0,
        }
    }

    /// Takes samples in and gives the band power |X|² of every frame they complete, in order.
    pub(crate) fn push(
        &mut self,
        buffers: &mut Buffers,
        mut samples: &[i16],
        mut heard: impl FnMut(&[f64; BINS]),
    ) {
        while !samples.is_empty() {
            let take = samples.len().min(FRAME_SAMPLES - self.filled);
            self.pending[self.filled..self.filled + take].copy_from_slice(&samples[..take]);
            self.filled += take;
            samples = &samples[take..];
            if self.filled == FRAME_SAMPLES {
                heard(&buffers.transform(&self.pending));
                self.pending.copy_within(FRAME_STEP.., 0);
                self.filled = FRAME_SAMPLES - FRAME_STEP;
            }
        }
    }
}

/// ln(power + [`FLOOR`]), to 2e-7: in single precision after the sum, four and more at a time where the machine can.
pub(crate) fn log_power(power: f64) -> f32 {
    let x = (power + FLOOR) as f32;
    // x = m * 2^e with m between sqrt(1/2) and sqrt(2); the sum is never below 1e-5 and never infinite.
    let shifted = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (shifted as i32 >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    let square = m * m;
    let mut tail = 7.037_683_6e-2_f32;
    for coefficient in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1_f32,
    ] {
        tail = tail * m + coefficient;
    }
    // ln 2 in two parts, so that the exponent's share is exact.
    exponent * 0.693_359_4 + (m + (tail * m * square - 0.5 * square + exponent * -2.121_944_4e-4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_do_not_depend_on_how_samples_arrive() {
        let plan = Arc::new(Plan::new());
        let samples: Vec<i16> = (0..3000).map(|n| ((n * 7919) % 20011 - 10000) as i16).collect();
        let mut whole = Vec::new();
        let mut buffers = Buffers::new(&plan);
        Front::new().push(&mut buffers, &samples, |power| whole.push(*power));
        for step in [1, 100, 128, 160, 257] {
            let mut front = Front::new();
            let mut pieces = Vec::new();
            for piece in samples.chunks(step) {
                front.push(&mut buffers, piece, |power| pieces.push(*power));
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
        let mut buffers = Buffers::new(&Arc::new(Plan::new()));
        Front::new().push(&mut buffers, &samples, |power| {
            peak = (0..BINS)
                .max_by(|a, b| power[*a].total_cmp(&power[*b]))
                .expect("bins");
        });
        assert_eq!(peak + LOW_BIN, 32);
    }
    #[test]
    fn the_quick_logarithm_is_the_logarithm() {
        let mut power = 1e-12_f64;
        while power < 1e8 {
            let (ours, exact) = (log_power(power), (power + FLOOR).ln());
            assert!((f64::from(ours) - exact).abs() < 2e-6, "{power}: {ours} {exact}");
            power *= 1.000_7;
        }
        assert!((f64::from(log_power(0.0)) - FLOOR.ln()).abs() < 2e-6);
    }
}
