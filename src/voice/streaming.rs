//! The first stage of one call: features made level by a causal mean, through the trunk, pooled over the speech of the
//! last four seconds, and weighed by the head. The arithmetic stands in `models/CONTRACT.md`.

use super::error::ModelError;
use super::front::log_power;
use super::limits::{
    BINS, FORGET_FRAMES, FRAME_STEP, MIN_WINDOW_SPEECH, PRIOR_FRAMES, SAMPLE_RATE, WINDOW_HOPS,
};
use super::manifest::{Head, Manifest, TRUNK_FILE};
use super::trunk::{self, Runners, Stream, Trunk};

/// The shared, immutable half.
pub(crate) struct Network {
    trunk: Trunk,
    head: Head,
    prior: [f64; BINS],
}

impl Network {
    pub(crate) fn load(manifest: &Manifest, onnx: &[u8]) -> Result<Network, ModelError> {
        let trunk = Trunk::load(onnx, manifest.trunk.hidden).map_err(|error| {
            ModelError::new(TRUNK_FILE, format_args!("not a graph we can run: {error:#}"))
        })?;
        let mut prior = [0.0; BINS];
        for (ours, theirs) in prior.iter_mut().zip(&manifest.input.prior) {
            *ours = *theirs;
        }
        Ok(Network {
            trunk,
            head: manifest.head.clone(),
            prior,
        })
    }

    pub(crate) fn runners(&self) -> Result<Runners, ModelError> {
        self.trunk.runners().map_err(not_ready)
    }

    /// From mean and spread of each channel over the window to the raw score (higher = bona fide).
    fn weigh(&self, recent: &[Sums; WINDOW_HOPS]) -> Option<f32> {
        let hidden = self.trunk.hidden;
        let count: usize = recent.iter().map(|sums| sums.frames).sum();
        if count == 0 {
            return None;
        }
        let (of_means, of_spreads) = self.head.weight.split_at(hidden);
        let mut raw = self.head.bias;
        for channel in 0..hidden {
            let sum = |of: fn(&Sums) -> &[f32]| -> f32 { recent.iter().map(|sums| of(sums)[channel]).sum() };
            let mean = sum(|sums| &sums.first) / count as f32;
            let square = sum(|sums| &sums.second) / count as f32;
            let spread = ((square - mean * mean).max(0.0) + 1e-4).sqrt();
            raw += of_means[channel] * mean + of_spreads[channel] * spread;
        }
        raw.is_finite().then_some(raw)
    }
}

fn not_ready(error: impl std::fmt::Display) -> ModelError {
    ModelError::new(TRUNK_FILE, format_args!("cannot be made ready: {error:#}"))
}

/// One call's half.
pub(crate) struct Streaming {
    stream: Stream,
    level: Level,
    /// A frame that waits for a second one: the trunk takes them in pairs.
    waiting: Option<Column>,
    /// Frames of the hop under way, and which of them are speech.
    filled: usize,
    spoken: u64,
    hops: u64,
    recent: [Sums; WINDOW_HOPS],
    /// Speech frames that went through the trunk so far.
    speech_frames: u64,
    /// The network failed on this call: nothing more is said of it.
    is_broken: bool,
}

/// One frame as the trunk is fed, and whether it is speech.
struct Column {
    x: [f32; BINS],
    is_speech: bool,
}

/// What is kept of one hop.
struct Sums {
    /// Speech frames that went in, and speech frames that came out.
    speech: usize,
    frames: usize,
    /// Of each channel, and of its square.
    first: Box<[f32]>,
    second: Box<[f32]>,
}

impl Streaming {
    pub(crate) fn new(network: &Network) -> Result<Streaming, ModelError> {
        let hidden = network.trunk.hidden;
        Ok(Streaming {
            stream: network.trunk.stream().map_err(not_ready)?,
            level: Level::new(),
            waiting: None,
            filled: 0,
            spoken: 0,
            hops: 0,
            recent: std::array::from_fn(|_| Sums::new(hidden)),
            speech_frames: 0,
            is_broken: false,
        })
    }

    /// Takes a frame of the hop under way.
    pub(crate) fn take(
        &mut self,
        power: &[f64; BINS],
        is_speech: bool,
        network: &Network,
        bench: &mut Runners,
    ) {
        let pulse = self.pulse();
        let Some(input) = bench.input(pulse) else {
            self.is_broken = true;
            return;
        };
        if let Some(column) = self.waiting.take() {
            self.place(&column, pulse, input);
        }
        let mut column = Column {
            x: [0.0; BINS],
            is_speech,
        };
        if is_speech {
            self.level.take(power, &network.prior, &mut column.x);
        }
        if self.filled < pulse {
            self.place(&column, pulse, input);
        } else {
            self.waiting = Some(column);
        }
    }

    fn place(&mut self, column: &Column, pulse: usize, input: &mut [f32]) {
        for (bin, x) in column.x.iter().enumerate() {
            input[bin * pulse + self.filled] = *x;
        }
        self.spoken |= u64::from(column.is_speech) << self.filled;
        self.filled += 1;
    }

    /// The hop is over: every frame of it was taken. The raw score of its window and the window's seconds of speech;
    /// `None` with too little speech.
    pub(crate) fn finish_hop(&mut self, network: &Network, bench: &mut Runners) -> Option<(f32, f32)> {
        let pulse = self.pulse();
        if self.is_broken || self.filled != pulse {
            self.is_broken = true;
            return None;
        }
        let out = bench.run(pulse, &mut self.stream).ok();
        let out = out.as_ref().and_then(trunk::slice);
        let Some(out) = out.filter(|out| out.len() == network.trunk.hidden * pulse / 2) else {
            self.is_broken = true;
            return None;
        };
        let sums = &mut self.recent[self.hops as usize % WINDOW_HOPS];
        sums.fill(out, pulse / 2, self.spoken);
        self.speech_frames += sums.speech as u64;
        self.hops += 1;
        self.filled = 0;
        self.spoken = 0;
        self.score(network)
    }

    /// Seconds of speech that went through the trunk so far.
    pub(crate) fn speech_seconds(&self) -> f32 {
        frames_as_seconds(self.speech_frames)
    }

    /// Frames that the hop under way takes.
    fn pulse(&self) -> usize {
        (trunk::frames_after(self.hops + 1) - trunk::frames_after(self.hops)) as usize
    }

    fn score(&self, network: &Network) -> Option<(f32, f32)> {
        let speech: usize = self.recent.iter().map(|sums| sums.speech).sum();
        if speech < MIN_WINDOW_SPEECH {
            return None;
        }
        let raw = network.weigh(&self.recent)?;
        Some((raw, frames_as_seconds(speech as u64)))
    }
}

impl Sums {
    fn new(hidden: usize) -> Sums {
        Sums {
            speech: 0,
            frames: 0,
            first: vec![0.0; hidden].into(),
            second: vec![0.0; hidden].into(),
        }
    }

    /// Of the output of one hop, channel by channel; `spoken` has a bit for each frame that went in.
    fn fill(&mut self, out: &[f32], frames: usize, spoken: u64) {
        self.speech = spoken.count_ones() as usize;
        let is_speech = |frame: usize| spoken >> (2 * frame) & 1 == 1;
        self.frames = (0..frames).filter(|frame| is_speech(*frame)).count();
        for (channel, values) in out.chunks_exact(frames).enumerate() {
            let (mut first, mut second) = (0.0_f32, 0.0_f32);
            for (frame, h) in values.iter().enumerate() {
                if is_speech(frame) {
                    first += h;
                    second += h * h;
                }
            }
            self.first[channel] = first;
            self.second[channel] = second;
        }
    }
}

/// The causal mean of each bin over the speech heard so far, the frame at hand included.
struct Level {
    sums: [f64; BINS],
    frames: u32,
}

impl Level {
    fn new() -> Level {
        Level {
            sums: [0.0; BINS],
            frames: 0,
        }
    }

    fn take(&mut self, power: &[f64; BINS], prior: &[f64; BINS], x: &mut [f32; BINS]) {
        if self.frames >= FORGET_FRAMES {
            let keep = f64::from(FORGET_FRAMES - 1) / f64::from(FORGET_FRAMES);
            for sum in &mut self.sums {
                *sum *= keep;
            }
            self.frames = FORGET_FRAMES - 1;
        }
        self.frames += 1;
        let weight = 1.0 / (f64::from(PRIOR_FRAMES) + f64::from(self.frames));
        for (bin, p) in power.iter().enumerate() {
            let feature = f64::from(log_power(*p));
            self.sums[bin] += feature;
            let mean = (f64::from(PRIOR_FRAMES) * prior[bin] + self.sums[bin]) * weight;
            x[bin] = (feature - mean) as f32;
        }
    }
}

fn frames_as_seconds(frames: u64) -> f32 {
    (frames as f64 * FRAME_STEP as f64 / SAMPLE_RATE as f64) as f32
}
