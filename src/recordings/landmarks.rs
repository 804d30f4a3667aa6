//! From audio to landmarks: peaks of the spectrum, joined in pairs (A. Wang, "An industrial-strength audio search
//! algorithm", ISMIR 2003, with the figures that measured best on telephone speech).
//!
//! ```text
//!   512 samples every 128 ─▶ log magnitude, 312 to 3,400 Hz ─▶ maxima of 15 x 21 ─▶ the 25 strongest of a second ─▶ pairs
//! ```

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::limits::{FAN_OUT, LANDMARKS_MAX, PEAKS_PER_SECOND, SAMPLES_MAX};

/// Two peaks: `hash` is made of the first one's frequency, the distance between the two in frequency and in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landmark {
    /// 21 bits.
    pub hash: u32,
    /// Frames of 16 ms from the start of the audio to the first peak.
    pub at: u16,
}

/// Bits of a hash.
pub const HASH_BITS: u32 = 21;

/// Samples from one frame to the next.
pub const STEP: usize = 128;

const FRAME: usize = 512;
const LOW_BIN: usize = 20;
const BINS: usize = 198;
/// The last bin with a neighbour above.
const LAST_INNER: usize = BINS - 2;
/// Frames and bins of the field in which a peak is the highest.
const FIELD_FRAMES: usize = 15;
const FIELD_BINS: usize = 21;
/// Frames between two peaks of a pair.
const APART: std::ops::RangeInclusive<u16> = 1..=63;
/// Bins between them, either way.
const ASIDE_MAX: i32 = 63;
/// Power under which nothing is a peak: the rounding of G.711 in silence.
const FLOOR: f32 = 1e-2;
/// Frames of one second, over which the strongest peaks are chosen.
const SECOND: u16 = 62;

/// The shared, immutable half: transform plan and window.
pub struct Plan {
    transform: Arc<dyn RealToComplex<f32>>,
    hann: Vec<f32>,
}

impl Default for Plan {
    fn default() -> Plan {
        let turn = std::f32::consts::TAU / FRAME as f32;
        Plan {
            transform: RealFftPlanner::new().plan_fft_forward(FRAME),
            hann: (0..FRAME).map(|n| 0.5 - 0.5 * (turn * n as f32).cos()).collect(),
        }
    }
}

#[derive(Clone, Copy)]
struct Peak {
    at: u16,
    bin: u8,
    /// How far the peak lies above the middle of its bin, in bins: under a half either way.
    above: f32,
    power: f32,
}

/// Hears the start of one recording. About 30 kB; of the audio it keeps 64 ms.
pub struct Hearing {
    plan: Arc<Plan>,
    samples: Vec<f32>,
    heard: usize,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// The last frames, each at its number modulo their count, and the highest of each bin's neighbours in them.
    powers: Vec<[f32; BINS]>,
    highest: Vec<[f32; BINS]>,
    frames: u16,
    /// Peaks of the second under way.
    fresh: Vec<Peak>,
    /// The chosen ones, in the order of time.
    chosen: Vec<Peak>,
}

impl Hearing {
    pub fn new(plan: &Arc<Plan>) -> Hearing {
        Hearing {
            plan: Arc::clone(plan),
            samples: Vec::with_capacity(2 * FRAME),
            heard: 0,
            frame: plan.transform.make_input_vec(),
            spectrum: plan.transform.make_output_vec(),
            scratch: plan.transform.make_scratch_vec(),
            powers: vec![[0.0; BINS]; FIELD_FRAMES],
            highest: vec![[0.0; BINS]; FIELD_FRAMES],
            frames: 0,
            fresh: Vec::new(),
            chosen: Vec::new(),
        }
    }

    /// Samples at 8 kHz, in their order. What is past [`SAMPLES_MAX`] is left alone.
    pub fn push(&mut self, samples: &[i16]) {
        let room = SAMPLES_MAX - self.heard;
        let samples = &samples[..samples.len().min(room)];
        self.heard += samples.len();
        for part in samples.chunks(STEP) {
            self.samples.extend(part.iter().map(|sample| f32::from(*sample)));
            while self.samples.len() >= FRAME {
                self.transform();
                self.samples.drain(..STEP);
            }
        }
    }

    /// Nothing more will be looked at.
    pub fn is_full(&self) -> bool {
        self.heard >= SAMPLES_MAX
    }

    /// Every landmark so far, of audio that was played at this speed (1.01 = one percent faster than the recording that is
    /// looked for, so higher by as much): each peak is moved to where it was before.
    ///
    /// At 1 they are those of [`Hearing::finish`], if nothing more came. A hash holds for a quarter of a percent either way.
    pub fn question(&self, speed: f32) -> Vec<Landmark> {
        let mut last = self.fresh.clone();
        choose(&mut last);
        let moved = self
            .chosen
            .iter()
            .chain(&last)
            .filter_map(|peak| peak.at_speed(speed));
        let moved: Vec<Place> = moved.collect();
        let mut landmarks = Vec::with_capacity(LANDMARKS_MAX.min(moved.len() * FAN_OUT));
        for (number, first) in moved.iter().enumerate() {
            let pairs = pairs(*first, moved[number + 1..].iter().copied());
            landmarks.extend(pairs.take(LANDMARKS_MAX - landmarks.len()));
        }
        landmarks
    }

    /// Its landmarks, once the recording is over.
    pub fn finish(self) -> Vec<Landmark> {
        self.question(1.0)
    }

    fn transform(&mut self) {
        for ((out, sample), weight) in self.frame.iter_mut().zip(&self.samples).zip(&self.plan.hann) {
            *out = sample * weight;
        }
        let done =
            self.plan
                .transform
                .process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch);
        done.expect("the buffers were made by this plan");
        let slot = usize::from(self.frames) % FIELD_FRAMES;
        for (power, bin) in self.powers[slot].iter_mut().zip(&self.spectrum[LOW_BIN..]) {
            *power = bin.norm_sqr();
        }
        let powers = &self.powers[slot];
        for (bin, highest) in self.highest[slot].iter_mut().enumerate() {
            let from = bin.saturating_sub(FIELD_BINS / 2);
            let to = (bin + FIELD_BINS / 2 + 1).min(BINS);
            *highest = powers[from..to].iter().copied().fold(0.0, f32::max);
        }
        self.frames += 1;
        if usize::from(self.frames) >= FIELD_FRAMES {
            self.find_peaks(self.frames - 1 - FIELD_FRAMES as u16 / 2);
        }
    }

    /// Peaks of the frame in the middle of the field.
    fn find_peaks(&mut self, at: u16) {
        let slot = usize::from(at) % FIELD_FRAMES;
        for bin in 0..BINS {
            let power = self.powers[slot][bin];
            // Most are not the highest of their own frame.
            let is_peak = power > FLOOR
                && self.highest[slot][bin] <= power
                && self.highest.iter().all(|frame| frame[bin] <= power);
            if is_peak {
                let above = match bin {
                    1..=LAST_INNER => above(&self.powers[slot][bin - 1..=bin + 1]),
                    _ => 0.0,
                };
                self.fresh.push(Peak {
                    at,
                    bin: bin as u8,
                    above,
                    power,
                });
            }
        }
        if (at + 1).is_multiple_of(SECOND) {
            choose(&mut self.fresh);
            self.chosen.append(&mut self.fresh);
        }
    }
}

/// Where a peak lies.
#[derive(Clone, Copy)]
struct Place {
    /// In frames.
    at: f32,
    bin: u8,
}

impl Peak {
    /// Where it lay before it was played so much faster; `None`: outside of the bins that are looked at.
    fn at_speed(&self, speed: f32) -> Option<Place> {
        let low = LOW_BIN as f32;
        let bin = ((low + f32::from(self.bin) + self.above) / speed - low).round();
        (0.0..BINS as f32).contains(&bin).then_some(Place {
            at: f32::from(self.at) * speed,
            bin: bin as u8,
        })
    }
}

/// The strongest of a second, in the order of time.
fn choose(peaks: &mut Vec<Peak>) {
    peaks.sort_by(|one, other| other.power.total_cmp(&one.power));
    peaks.truncate(PEAKS_PER_SECOND);
    peaks.sort_by_key(|peak| (peak.at, peak.bin));
}

/// Joins a peak with the next ones: `later` lie in the order of time.
fn pairs(first: Place, later: impl Iterator<Item = Place>) -> impl Iterator<Item = Landmark> {
    let apart = move |second: &Place| (second.at - first.at).round() as u16;
    later
        .take_while(move |second| apart(second) <= *APART.end())
        .filter(move |second| APART.contains(&apart(second)))
        .filter_map(move |second| Some((apart(&second), aside(first.bin, second.bin)?)))
        .take(FAN_OUT)
        .map(move |(apart, aside)| Landmark {
            hash: u32::from(first.bin) << 13 | aside << 6 | u32::from(apart),
            at: first.at.round() as u16,
        })
}

/// How far the second bin is above the first, from 0 on.
fn aside(first: u8, second: u8) -> Option<u32> {
    let aside = i32::from(second) - i32::from(first);
    u32::try_from(aside + ASIDE_MAX)
        .ok()
        .filter(|aside| *aside <= 2 * ASIDE_MAX as u32)
}

/// How far the top of a parabola through three powers (of which the middle one is the highest) is above the middle one, in
/// bins: in decibels a Hann window's peak is nearly one.
fn above(powers: &[f32]) -> f32 {
    let [low, middle, high] = [0, 1, 2].map(|bin| powers[bin].max(f32::MIN_POSITIVE).ln());
    let bent = low - 2.0 * middle + high;
    match bent < 0.0 {
        true => (0.5 * (low - high) / bent).clamp(-0.49, 0.49),
        false => 0.0,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Something like speech: tones that change every 80 to 200 ms, out of a seed.
    pub fn babble(seed: u64, seconds: usize) -> Vec<i16> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = |most: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 20) % most
        };
        let mut samples = Vec::with_capacity(seconds * 8000);
        let mut phase = [0.0f32; 3];
        while samples.len() < seconds * 8000 {
            let length = 640 + dice(960) as usize;
            let tones: [f32; 3] = std::array::from_fn(|_| 350.0 + dice(2900) as f32);
            let gain = 500.0 + dice(3000) as f32;
            for n in 0..length {
                let mut level = 0.0;
                for (phase, tone) in phase.iter_mut().zip(tones) {
                    *phase += tone * std::f32::consts::TAU / 8000.0;
                    level += phase.sin();
                }
                let shape = (n as f32 / length as f32 * std::f32::consts::PI).sin();
                samples.push((level * gain * shape) as i16);
            }
        }
        samples.truncate(seconds * 8000);
        samples
    }

    pub fn landmarks(samples: &[i16]) -> Vec<Landmark> {
        let mut hearing = Hearing::new(&Arc::new(Plan::default()));
        hearing.push(samples);
        hearing.finish()
    }

    #[test]
    fn landmarks_are_the_same_whatever_the_pieces_the_audio_comes_in() {
        let samples = babble(3, 6);
        let whole = landmarks(&samples);
        let mut hearing = Hearing::new(&Arc::new(Plan::default()));
        for piece in samples.chunks(77) {
            hearing.push(piece);
        }
        assert_eq!(hearing.finish(), whole);
        assert!(whole.len() > 100, "{}", whole.len());
        assert!(whole.iter().all(|landmark| landmark.hash < 1 << HASH_BITS));
        assert!(whole.is_sorted_by_key(|landmark| landmark.at));
    }

    #[test]
    fn a_question_at_any_moment_is_what_would_be_kept_and_another_one_at_another_speed() {
        let samples = babble(6, 15);
        let mut hearing = Hearing::new(&Arc::new(Plan::default()));
        for (second, hop) in samples.chunks(8000).enumerate() {
            hearing.push(hop);
            let so_far = landmarks(&samples[..(second + 1) * 8000]);
            assert_eq!(hearing.question(1.0), so_far, "after {second} s");
            assert_ne!(hearing.question(1.01), so_far, "after {second} s");
        }
        assert!(hearing.question(100.0).is_empty() && hearing.question(0.001).is_empty());
    }

    #[test]
    fn silence_and_what_follows_the_first_seconds_leave_nothing() {
        assert!(landmarks(&vec![0; 80_000]).is_empty());
        let long = babble(4, 20);
        assert_eq!(landmarks(&long), landmarks(&long[..SAMPLES_MAX]));
        let mut hearing = Hearing::new(&Arc::new(Plan::default()));
        hearing.push(&long);
        assert!(hearing.is_full());
        assert!(hearing.finish().len() <= LANDMARKS_MAX);
    }
}
