//! One call's ear: samples in, an opinion a second out.

use std::sync::Arc;

use super::activity::Activity;
use super::evidence::Evidence;
use super::front::{FLOOR, Front};
use super::limits::{BINS, FRAME_STEP, MIN_WINDOW_SPEECH, POOL_FRAMES, SAMPLE_RATE, WINDOW_FRAMES};
use super::model::Model;
use super::{Opinion, Window};

/// One call's state. Fed hops of at most [`super::HOP_SAMPLES`]; never waits; holds at most
/// [`super::limits::LISTENER_BYTES_MAX`] octets, whatever the length of the call.
pub struct Listener {
    model: Arc<Model>,
    front: Front,
    activity: Activity,
    recent: Recent,
    evidence: Evidence,
    samples: u64,
    speech_frames: u64,
}

impl Listener {
    pub fn new(model: &Arc<Model>) -> Listener {
        Listener {
            model: Arc::clone(model),
            front: Front::new(&model.front),
            activity: Activity::new(),
            recent: Recent::new(),
            evidence: Evidence::new(),
            samples: 0,
            speech_frames: 0,
        }
    }

    /// Hears one hop of 8 kHz linear samples and scores the four seconds that end with it.
    ///
    /// An empty hop scores the same window again, so feed none. The opinion's `window` is `None` when fewer than
    /// 0.75 s of the window held speech; the label is `Unsure` until there is enough speech in all.
    pub fn hear(&mut self, hop: &[i16]) -> Opinion {
        let (activity, recent, speech_frames) =
            (&mut self.activity, &mut self.recent, &mut self.speech_frames);
        self.front.push(hop, |power| {
            let is_speech = activity.hear(power);
            *speech_frames += u64::from(is_speech);
            recent.push(power, is_speech);
        });
        self.samples += hop.len() as u64;
        let seconds = (self.samples as f64 / SAMPLE_RATE as f64) as f32;
        let speech_seconds = frames_as_seconds(self.speech_frames);
        let window = self.score().map(|(raw, window_speech)| {
            let llr = self.model.calibration.llr(raw, window_speech);
            self.evidence.add(raw, llr);
            Window { at: seconds, llr }
        });
        let (llr, label) = self
            .evidence
            .weigh(&self.model.calibration, &self.model.decision, speech_seconds);
        Opinion {
            llr,
            label,
            seconds,
            speech_seconds,
            window,
        }
    }

    /// The raw score of the window, and its seconds of speech.
    fn score(&self) -> Option<(f32, f32)> {
        let speech = self.recent.speech_frames();
        if speech < MIN_WINDOW_SPEECH {
            return None;
        }
        let (features, weights) = self.recent.window();
        Some((
            self.model.score(&features, &weights)?,
            frames_as_seconds(speech as u64),
        ))
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.front.heap_bytes() + self.recent.steps.capacity() * 2
    }
}

fn frames_as_seconds(frames: u64) -> f32 {
    (frames as f64 * FRAME_STEP as f64 / SAMPLE_RATE as f64) as f32
}

/// The last four seconds of log power, as 16-bit steps of 1/3072: half the memory of `f32`, 0.0002 off at most.
struct Recent {
    /// A ring of frames of [`BINS`] steps.
    steps: Vec<u16>,
    speech: [bool; WINDOW_FRAMES],
    /// Frames ever pushed.
    frames: usize,
}

const STEPS_PER_UNIT: f32 = 3072.0;
/// ln(1e-5), the smallest log power there is.
const LOWEST: f32 = -11.512_925;

impl Recent {
    fn new() -> Recent {
        Recent {
            steps: vec![0; BINS * WINDOW_FRAMES],
            speech: [false; WINDOW_FRAMES],
            frames: 0,
        }
    }

    fn push(&mut self, power: &[f64; BINS], is_speech: bool) {
        let slot = self.frames % WINDOW_FRAMES;
        self.speech[slot] = is_speech;
        for (step, p) in self.steps[slot * BINS..][..BINS].iter_mut().zip(power) {
            // Saturates at both ends; full scale is at 21.2 of 21.3.
            *step = ((log_power(*p) - LOWEST) * STEPS_PER_UNIT).round() as u16;
        }
        self.frames += 1;
    }

    fn speech_frames(&self) -> usize {
        self.speech.iter().filter(|is_speech| **is_speech).count()
    }

    /// What the graph is fed: the mean over speech frames off each bin, frames without speech zero, and zeros on the
    /// left while the call is younger than a window; and weights that spread 1 over the even speech frames.
    fn window(&self) -> (Vec<f32>, [f32; POOL_FRAMES]) {
        let held = self.frames.min(WINDOW_FRAMES);
        let first = WINDOW_FRAMES - held;
        let slot = |column: usize| (self.frames - held + (column - first)) % WINDOW_FRAMES;
        let spoken: Vec<(usize, usize)> = (first..WINDOW_FRAMES)
            .map(|column| (column, slot(column)))
            .filter(|(_, slot)| self.speech[*slot])
            .collect();

        let mut sums = [0_u32; BINS];
        for (_, slot) in &spoken {
            for (sum, step) in sums.iter_mut().zip(&self.steps[slot * BINS..][..BINS]) {
                *sum += u32::from(*step);
            }
        }
        let mut features = vec![0.0; BINS * WINDOW_FRAMES];
        for (column, slot) in &spoken {
            for (bin, step) in self.steps[slot * BINS..][..BINS].iter().enumerate() {
                let mean = sums[bin] as f32 / spoken.len() as f32;
                features[bin * WINDOW_FRAMES + column] = (f32::from(*step) - mean) / STEPS_PER_UNIT;
            }
        }
        let mut weights = [0.0; POOL_FRAMES];
        let even = spoken.iter().filter(|(column, _)| column % 2 == 0).count();
        for (column, _) in spoken.iter().filter(|(column, _)| column % 2 == 0) {
            weights[column / 2] = 1.0 / even as f32;
        }
        (features, weights)
    }
}

pub(crate) fn log_power(power: f64) -> f32 {
    (power + FLOOR).ln() as f32
}

#[cfg(test)]
mod tests {
    use super::super::limits::LISTENER_BYTES_MAX;
    use super::super::{HOP_SAMPLES, Label};
    use super::*;

    #[test]
    fn a_listener_holds_no_more_than_it_says_however_long_the_call() {
        let model = Arc::new(Model::embedded().expect("embedded"));
        let mut listener = Listener::new(&model);
        let before = listener.bytes();
        for _ in 0..20 {
            listener.hear(&[100; HOP_SAMPLES]);
        }
        assert_eq!(listener.bytes(), before);
        assert!(before <= LISTENER_BYTES_MAX, "{before}");
    }

    #[test]
    fn silence_and_noise_give_no_window_and_no_opinion() {
        let model = Arc::new(Model::embedded().expect("embedded"));
        let mut listener = Listener::new(&model);
        let mut state = 1_u32;
        for second in 1..=6 {
            let hop: Vec<i16> = (0..HOP_SAMPLES)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if second <= 3 { 0 } else { (state >> 16) as i16 / 16 }
                })
                .collect();
            let opinion = listener.hear(&hop);
            assert_eq!(
                (opinion.window, opinion.label, opinion.llr),
                (None, Label::Unsure, 0.0),
                "second {second}"
            );
            assert_eq!(opinion.seconds, second as f32);
        }
    }

    #[test]
    fn a_window_is_zero_where_it_is_too_young_or_not_speech() {
        let mut recent = Recent::new();
        for frame in 0..10 {
            recent.push(&[0.5 + f64::from(frame); BINS], frame % 3 != 0);
        }
        let (features, weights) = recent.window();
        for bin in features.chunks(WINDOW_FRAMES) {
            assert!(bin[..WINDOW_FRAMES - 10].iter().all(|x| *x == 0.0));
            assert_eq!(bin[WINDOW_FRAMES - 10], 0.0);
            assert!(bin[WINDOW_FRAMES - 9..].iter().sum::<f32>().abs() < 1e-3);
            assert!(bin[WINDOW_FRAMES - 1].abs() < 1e-6, "frame 9 is no speech");
            assert!(bin[WINDOW_FRAMES - 2] > 0.1);
        }
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
