//! The second opinion: a larger network that hears four seconds at once, for calls that it is worth asking about.
//!
//! It costs some forty-five times what the first stage does (`cargo bench --bench scoring`), so others decide who is asked, when, and what goes unasked.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{Factoid, ShapeFactoid};

use super::error::ModelError;
use super::limits::{FRAME_STEP, HOP_SAMPLES, SECOND_SAMPLES, WINDOW_HOPS};
use super::manifest::SECOND_FILE;
use super::mel::{self, BANDS, MEL_FRAMES};
use crate::g711::Law;

/// Places along the window that are weighed: two frames of the picture each.
const POSITIONS: usize = MEL_FRAMES / 2;

const POSITION_SAMPLES: u64 = (SECOND_SAMPLES / POSITIONS) as u64;
const MEL_STEP: u64 = (SECOND_SAMPLES / MEL_FRAMES) as u64;

/// The shared, immutable half.
pub(crate) struct Second {
    plan: Arc<TypedRunnableModel>,
    mel: mel::Plan,
}

/// What a thread needs to give second opinions: about 0.6 MiB beside what the network takes while it runs.
pub struct SecondBench {
    samples: Box<[f32; SECOND_SAMPLES]>,
    picture: Box<[f32; BANDS * MEL_FRAMES]>,
    mel: mel::Buffers,
}

/// The last four seconds of a call, on their way to a second opinion. 32 KB.
#[derive(Clone)]
pub struct Excerpt {
    octets: Box<[u8]>,
    laws: [Law; WINDOW_HOPS],
    /// Which frames of the picture, and which places, are speech.
    drawn: [bool; MEL_FRAMES],
    speech: [bool; POSITIONS],
    /// Seconds from the start of the audio to the end of the excerpt.
    pub(crate) at: f32,
    /// Seconds of speech in the window that the first stage scored at its end.
    pub(crate) net_seconds: f32,
    given: u32,
}

/// What the second stage said of an excerpt: to be handed to the call's listener.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecondScore {
    pub(crate) raw: f32,
    pub(crate) at: f32,
    pub(crate) net_seconds: f32,
}

impl Second {
    pub(crate) fn load(onnx: &[u8]) -> Result<Second, ModelError> {
        let plan = plan(onnx).map_err(|error| {
            ModelError::new(SECOND_FILE, format_args!("not a graph we can run: {error:#}"))
        })?;
        let second = Second {
            plan,
            mel: mel::Plan::new(),
        };
        let silence = vec![0.0; BANDS * MEL_FRAMES];
        match second.run(&silence, &[1.0 / POSITIONS as f32; POSITIONS]) {
            Some(_) => Ok(second),
            None => Err(ModelError::new(
                SECOND_FILE,
                "does not give one finite score for a silent window",
            )),
        }
    }

    pub(crate) fn bench(&self) -> SecondBench {
        SecondBench {
            samples: vec![0.0; SECOND_SAMPLES].try_into().expect("the length"),
            picture: vec![0.0; BANDS * MEL_FRAMES].try_into().expect("the length"),
            mel: self.mel.buffers(),
        }
    }

    /// The raw score of an excerpt (higher = bona fide). `None` when it holds no speech or the network fails.
    pub(crate) fn score(&self, excerpt: &Excerpt, bench: &mut SecondBench) -> Option<SecondScore> {
        let spoken = excerpt.speech.iter().filter(|is_speech| **is_speech).count();
        if spoken == 0 || !excerpt.drawn.contains(&true) {
            return None;
        }
        self.draw(excerpt, bench);
        let weights = excerpt
            .speech
            .map(|is_speech| if is_speech { 1.0 / spoken as f32 } else { 0.0 });
        Some(SecondScore {
            raw: self.run(&bench.picture[..], &weights)?,
            at: excerpt.at,
            net_seconds: excerpt.net_seconds,
        })
    }

    fn run(&self, picture: &[f32], weights: &[f32; POSITIONS]) -> Option<f32> {
        let picture = Tensor::from_shape(&[1, BANDS, MEL_FRAMES], picture).ok()?;
        let weights = Tensor::from_shape(&[1, POSITIONS], weights).ok()?;
        let out = self.plan.run(tvec![picture.into(), weights.into()]).ok()?;
        let score = *out.first()?.to_plain_array_view::<f32>().ok()?.iter().next()?;
        score.is_finite().then_some(score)
    }

    #[cfg(test)]
    pub(crate) fn picture(&self, excerpt: &Excerpt) -> Box<[f32; BANDS * MEL_FRAMES]> {
        let mut bench = self.bench();
        self.draw(excerpt, &mut bench);
        bench.picture
    }

    fn draw(&self, excerpt: &Excerpt, bench: &mut SecondBench) {
        excerpt.decode(&mut bench.samples);
        let is_speech = |frame: usize| excerpt.drawn[frame];
        self.mel
            .draw(&bench.samples, is_speech, &mut bench.mel, &mut bench.picture);
    }
}

impl Excerpt {
    /// Second opinions that the call was given before, as far as it remembers.
    pub fn given(&self) -> u32 {
        self.given
    }

    fn decode(&self, samples: &mut [f32; SECOND_SAMPLES]) {
        let hops = samples.chunks_exact_mut(HOP_SAMPLES);
        for ((hop, octets), law) in hops.zip(self.octets.chunks_exact(HOP_SAMPLES)).zip(self.laws) {
            for (sample, octet) in hop.iter_mut().zip(octets) {
                *sample = f32::from(law.decode(*octet)) / 32768.0;
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn speech_positions(&self) -> usize {
        self.speech.iter().filter(|is_speech| **is_speech).count()
    }
}

/// The audio of a call that may be asked about: its last four seconds as G.711 octets, and which frames are speech.
pub(crate) struct Kept {
    /// Hop by hop, each at its number modulo [`WINDOW_HOPS`].
    octets: Box<[u8]>,
    laws: [Law; WINDOW_HOPS],
    /// The hop that was kept first, and those kept since.
    first_hop: u64,
    hops: u64,
    /// Hops that were heard when the last excerpt was taken.
    asked_at: Option<u64>,
}

impl Kept {
    /// Begins with the hop after `hops`.
    pub(crate) fn new(hops: u64) -> Kept {
        Kept {
            octets: vec![0; SECOND_SAMPLES].into(),
            laws: [Law::Mu; WINDOW_HOPS],
            first_hop: hops,
            hops: 0,
            asked_at: None,
        }
    }

    pub(crate) fn keep(&mut self, hop: &[i16]) {
        let slot = (self.first_hop + self.hops) as usize % WINDOW_HOPS;
        let law = line_law(hop);
        self.laws[slot] = law;
        for (octet, sample) in self.octets[slot * HOP_SAMPLES..][..HOP_SAMPLES]
            .iter_mut()
            .zip(hop)
        {
            *octet = law.encode(*sample);
        }
        self.hops += 1;
    }

    /// The four seconds up to here, when at least `every` hops went by since the last time; `frames` are the frames
    /// heard so far, and `is_speech` tells of one of the last 250.
    pub(crate) fn excerpt(
        &mut self,
        every: u64,
        frames: u64,
        is_speech: impl Fn(u64) -> bool,
        net_seconds: f32,
        given: u32,
    ) -> Option<Excerpt> {
        let hops = self.first_hop + self.hops;
        if hops < self.asked_at.unwrap_or(self.first_hop) + every || frames == 0 {
            return None;
        }
        self.asked_at = Some(hops);
        let mut excerpt = Excerpt {
            octets: vec![0; SECOND_SAMPLES].into(),
            laws: [Law::Mu; WINDOW_HOPS],
            drawn: [false; MEL_FRAMES],
            speech: [false; POSITIONS],
            at: hops as f32,
            net_seconds,
            given,
        };
        let silence = Law::Mu.encode(0);
        for place in 0..WINDOW_HOPS {
            let out = &mut excerpt.octets[place * HOP_SAMPLES..][..HOP_SAMPLES];
            match (hops + place as u64).checked_sub(WINDOW_HOPS as u64) {
                Some(hop) if hop >= self.first_hop => {
                    let slot = hop as usize % WINDOW_HOPS;
                    out.copy_from_slice(&self.octets[slot * HOP_SAMPLES..][..HOP_SAMPLES]);
                    excerpt.laws[place] = self.laws[slot];
                }
                _ => out.fill(silence),
            }
        }
        let end = hops * HOP_SAMPLES as u64;
        let is_spoken_at = |offset: u64| match (end + offset).checked_sub(SECOND_SAMPLES as u64) {
            Some(centre) if centre >= self.first_hop * HOP_SAMPLES as u64 => {
                // The frame whose centre is nearest: frame f has it at 128 f + 128.
                let nearest = centre.saturating_sub(FRAME_STEP as u64 / 2) / FRAME_STEP as u64;
                is_speech(nearest.min(frames - 1))
            }
            _ => false,
        };
        excerpt.drawn = std::array::from_fn(|frame| is_spoken_at(frame as u64 * MEL_STEP));
        excerpt.speech = std::array::from_fn(|position| {
            is_spoken_at(position as u64 * POSITION_SAMPLES + POSITION_SAMPLES / 2)
        });
        Some(excerpt)
    }
}

fn plan(onnx: &[u8]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut graph = tract_onnx::onnx().model_for_read(&mut &*onnx)?;
    let shapes = [tvec![1, BANDS, MEL_FRAMES], tvec![1, POSITIONS]];
    if graph.inputs.len() != shapes.len() || graph.outputs.len() != 1 {
        return Err(TractError::msg(format!(
            "{} inputs and {} outputs, want 2 and 1",
            graph.inputs.len(),
            graph.outputs.len()
        )));
    }
    for (input, shape) in shapes.into_iter().enumerate() {
        let mut declared = graph.input_fact(input)?.shape.clone();
        if declared.unify_with(&ShapeFactoid::from(&*shape)).is_err() {
            return Err(TractError::msg(format!(
                "input {input} has shape {declared:?}, want {shape:?}"
            )));
        }
        graph = graph.with_input_fact(input, f32::fact(&*shape).into())?;
    }
    graph.into_optimized()?.into_runnable()
}

/// A law shows in any thousand samples.
const LOOK_AT_EVERY: usize = 8;

/// The law that keeps these samples best: a line's own law keeps them all. What was made up where packets were lost comes
/// back to the nearest step.
fn line_law(samples: &[i16]) -> Law {
    let lost = |law: Law| {
        let looked_at = samples.iter().step_by(LOOK_AT_EVERY);
        looked_at
            .filter(|sample| law.decode(law.encode(**sample)) != **sample)
            .count()
    };
    let by_mu = lost(Law::Mu);
    if by_mu > 0 && lost(Law::A) < by_mu {
        Law::A
    } else {
        Law::Mu
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_of_a_line_is_recognised() {
        for law in [Law::Mu, Law::A] {
            let line: Vec<i16> = (0..8000).map(|n| law.decode((n * 37 % 251) as u8)).collect();
            assert_eq!(line_law(&line), law);
        }
        assert_eq!(line_law(&[0; 8000]), Law::Mu);
    }
}
