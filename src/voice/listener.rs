//! One call's ear: samples in, an opinion a second out.

use std::sync::Arc;

use super::activity::Activity;
use super::bench::Bench;
use super::cue_ear::CueEar;
use super::error::ModelError;
use super::evidence::Evidence;
use super::front::Front;
use super::greeting::Prompt;
use super::limits::{HOP_SAMPLES, SAMPLE_RATE, SECOND_EVERY_HOPS};
use super::model::Model;
use super::second::{Excerpt, Kept, SecondScore};
use super::streaming::Streaming;
use super::{Opinion, Stages, Window};

/// One call's state. Fed a hop at a time; never waits; holds at most
/// [`super::limits::LISTENER_BYTES_MAX`] octets, whatever the length of the call, and
/// [`super::limits::KEPT_BYTES_MAX`] more while it keeps audio for a second opinion.
pub struct Listener {
    model: Arc<Model>,
    front: Front,
    activity: Activity,
    cues: CueEar,
    ear: Box<Streaming>,
    evidence: Evidence,
    samples: u64,
    frames: u64,
    /// Whether each of the last frames is speech: one bit each, frame f at f modulo 256.
    speech: [u64; 4],
    kept: Option<Box<Kept>>,
    /// The window just scored: its seconds of speech.
    window_speech: Option<f32>,
    last: Opinion,
}

impl Listener {
    /// # Errors
    ///
    /// The network cannot be made ready for a call; a model that loaded does not do that.
    pub fn new(model: &Arc<Model>) -> Result<Listener, ModelError> {
        Ok(Listener {
            model: Arc::clone(model),
            front: Front::new(),
            activity: Activity::new(),
            cues: CueEar::new(),
            ear: Box::new(Streaming::new(&model.network)?),
            evidence: Evidence::new(),
            samples: 0,
            frames: 0,
            speech: [0; 4],
            kept: None,
            window_speech: None,
            last: Opinion::nothing_heard(),
        })
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Hears one hop of 8 kHz linear samples and scores the four seconds that end with it. `bench` is one of the
    /// listener's own model.
    ///
    /// Samples past a hop are heard as further hops. A hop that is shorter ends the audio: it is heard, and what the
    /// network makes of whole hops only is not scored again. The opinion's `window` is `None` when fewer than 0.75 s of
    /// the window held speech; the label is `Unsure` until there is enough speech in all.
    pub fn hear(&mut self, bench: &mut Bench, samples: &[i16]) -> Opinion {
        for hop in samples.chunks(HOP_SAMPLES) {
            self.hear_hop(bench, hop);
        }
        self.last.clone()
    }

    fn hear_hop(&mut self, bench: &mut Bench, hop: &[i16]) {
        let model = Arc::clone(&self.model);
        self.push(&model, bench, hop);
        self.samples += hop.len() as u64;
        if let Some(kept) = self.kept.as_mut().filter(|_| hop.len() == HOP_SAMPLES) {
            kept.keep(hop);
        }
        let seconds = (self.samples as f64 / SAMPLE_RATE as f64) as f32;
        let scored = match hop.len() {
            HOP_SAMPLES => self.ear.finish_hop(&model.network, &mut bench.runners),
            _ => None,
        };
        self.window_speech = scored.map(|(_, speech)| speech);
        let window = scored.map(|(raw, speech)| Window {
            at: seconds,
            llr: self.evidence.add(raw, speech, &model.rules),
        });
        self.conclude(seconds, window, None);
    }

    /// From now on this call's audio is kept for [`Listener::excerpt`], or no longer.
    pub fn keep(&mut self, is_kept: bool) {
        if !is_kept {
            self.kept = None;
        } else if self.kept.is_none() && self.model.second.is_some() {
            let hops = self.samples / HOP_SAMPLES as u64;
            self.kept = Some(Box::new(Kept::new(hops)));
        }
    }

    /// A prompt of ours that the caller hears began or ended with this sample of his audio, counted from its start; heard
    /// already, or (as a rule, since a hop is a second) still to come. Cues about how he takes it follow; nothing else.
    pub fn prompt(&mut self, prompt: Prompt, at_sample: u64) {
        self.cues.prompt(prompt, at_sample);
    }

    pub fn is_keeping(&self) -> bool {
        self.kept.is_some()
    }

    /// What a second opinion should be asked about now: after a hop whose window was scored, every other second at
    /// most, and only while audio is kept.
    pub fn excerpt(&mut self) -> Option<Excerpt> {
        let net_seconds = self.window_speech?;
        let (speech, frames, given) = (self.speech, self.frames, self.evidence.second_windows());
        let is_speech = |frame: u64| speech[(frame / 64 % 4) as usize] >> (frame % 64) & 1 == 1;
        self.kept
            .as_mut()?
            .excerpt(SECOND_EVERY_HOPS, frames, is_speech, net_seconds, given)
    }

    /// Takes the second opinion on an excerpt of this call, whenever it comes. One on audio that this listener has not
    /// heard was asked for by another before it, and changes nothing.
    pub fn take_second(&mut self, score: SecondScore) -> Opinion {
        if score.at > self.last.seconds {
            return Opinion {
                window: None,
                second: None,
                ..self.last.clone()
            };
        }
        let model = Arc::clone(&self.model);
        if let Some(llr) = self
            .evidence
            .add_second(score.raw, score.net_seconds, &model.rules)
        {
            let second = Window { at: score.at, llr };
            self.conclude(self.last.seconds, None, Some(second));
        }
        self.last.clone()
    }

    #[cfg(test)]
    pub(crate) fn window_speech(&self) -> Option<f32> {
        self.window_speech
    }

    fn conclude(&mut self, seconds: f32, window: Option<Window>, second: Option<Window>) {
        let speech_seconds = self.ear.speech_seconds();
        let (llr, label) = self.evidence.weigh(&self.model.rules, speech_seconds);
        self.last = Opinion {
            llr,
            label,
            seconds,
            speech_seconds,
            window,
            second,
            stages: if self.evidence.has_second() {
                Stages::Both
            } else {
                Stages::First
            },
            cues: self.cues.heard,
        };
    }

    fn push(&mut self, model: &Model, bench: &mut Bench, hop: &[i16]) {
        let Listener {
            front,
            activity,
            cues,
            ear,
            frames,
            speech,
            ..
        } = self;
        let Bench {
            front: buffers,
            runners,
        } = bench;
        let is_whole = hop.len() == HOP_SAMPLES;
        front.push(buffers, hop, |power| {
            let is_speech = activity.hear(power);
            cues.hear(power, is_speech);
            let word = &mut speech[(*frames / 64 % 4) as usize];
            *word = *word & !(1 << (*frames % 64)) | u64::from(is_speech) << (*frames % 64);
            *frames += 1;
            if is_whole {
                ear.take(power, is_speech, &model.network, runners);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Label;
    use super::*;

    fn tiny() -> (Arc<Model>, Bench) {
        let model = Arc::new(Model::tiny());
        let bench = model.bench().expect("a bench");
        (model, bench)
    }

    #[test]
    fn silence_and_noise_give_no_window_and_no_opinion() {
        for model in [Model::tiny(), Model::embedded().expect("embedded")] {
            let model = Arc::new(model);
            let (mut bench, mut listener) = (
                model.bench().expect("bench"),
                Listener::new(&model).expect("listener"),
            );
            let mut state = 1_u32;
            for second in 1..=6 {
                let hop: Vec<i16> = (0..HOP_SAMPLES)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        if second <= 3 { 0 } else { (state >> 16) as i16 / 16 }
                    })
                    .collect();
                let opinion = listener.hear(&mut bench, &hop);
                assert_eq!(
                    (opinion.window, opinion.label, opinion.llr),
                    (None, Label::Unsure, 0.0),
                    "second {second}"
                );
                assert_eq!(opinion.seconds, second as f32);
            }
        }
    }

    /// A buzz with syllables: speech to the detector.
    fn buzz(hop: usize) -> Vec<i16> {
        (0..HOP_SAMPLES)
            .map(|n| {
                let t = (hop * HOP_SAMPLES + n) as f64 / 8000.0 * std::f64::consts::TAU;
                let syllable = (t * 4.0).sin().max(0.0);
                let voice: f64 = (1..20)
                    .map(|k| (t * 140.0 * f64::from(k)).sin() / f64::from(k))
                    .sum();
                (voice * 6000.0 * syllable) as i16
            })
            .collect()
    }

    #[test]
    fn speech_is_scored_once_a_second() {
        let (model, mut bench) = tiny();
        let mut listener = Listener::new(&model).expect("listener");
        for hop in 0..8 {
            let opinion = listener.hear(&mut bench, &buzz(hop));
            assert_eq!(
                opinion.window.map(|window| window.at),
                (hop > 0).then_some(hop as f32 + 1.0)
            );
            assert_eq!(opinion.stages, Stages::First);
        }
    }

    #[test]
    fn calls_on_one_bench_do_not_hear_each_other() {
        let (model, mut bench) = tiny();
        let mut alone = Listener::new(&model).expect("listener");
        let expected: Vec<Opinion> = (0..6).map(|hop| alone.hear(&mut bench, &buzz(hop))).collect();
        let mut one = Listener::new(&model).expect("listener");
        let mut other = Listener::new(&model).expect("listener");
        for (hop, expected) in expected.iter().enumerate() {
            other.hear(&mut bench, &buzz(hop + 3));
            assert_eq!(one.hear(&mut bench, &buzz(hop)), *expected);
            other.hear(&mut bench, &buzz(hop + 9));
        }
    }

    #[test]
    fn a_second_opinion_is_asked_every_other_second_and_counts_when_it_comes() {
        let (model, mut bench) = tiny();
        let mut second = model.second_bench().expect("a second stage");
        let mut listener = Listener::new(&model).expect("listener");
        assert!(listener.excerpt().is_none());
        listener.keep(true);
        let mut asked = Vec::new();
        for hop in 0..7 {
            listener.hear(&mut bench, &buzz(hop));
            if let Some(excerpt) = listener.excerpt() {
                asked.push(hop + 1);
                assert!(excerpt.speech_positions() > 20);
                let score = model.second_opinion(&excerpt, &mut second).expect("speech");
                let opinion = listener.take_second(score);
                assert_eq!(opinion.stages, Stages::Both);
                assert_eq!(opinion.second.map(|window| window.at), Some(hop as f32 + 1.0));
            }
        }
        assert_eq!(asked, [2, 4, 6]);
        listener.keep(false);
        listener.hear(&mut bench, &buzz(7));
        assert!(listener.excerpt().is_none());
    }

    #[test]
    fn a_second_opinion_asked_by_another_listener_changes_nothing() {
        let (model, mut bench) = tiny();
        let mut second = model.second_bench().expect("a second stage");
        let mut before = Listener::new(&model).expect("listener");
        before.keep(true);
        for hop in 0..4 {
            before.hear(&mut bench, &buzz(hop));
        }
        let excerpt = before.excerpt().expect("kept");
        let score = model.second_opinion(&excerpt, &mut second).expect("speech");
        let mut afresh = Listener::new(&model).expect("listener");
        let heard = afresh.hear(&mut bench, &buzz(4));
        assert_eq!(afresh.take_second(score), heard);
        assert_eq!(before.take_second(score).stages, Stages::Both);
    }

    #[test]
    fn a_short_hop_ends_the_audio_and_changes_no_score() {
        let (model, mut bench) = tiny();
        let mut listener = Listener::new(&model).expect("listener");
        for hop in 0..4 {
            listener.hear(&mut bench, &buzz(hop));
        }
        let before = listener.last.clone();
        let after = listener.hear(&mut bench, &buzz(4)[..3000]);
        assert_eq!(
            (after.llr, after.label, after.window),
            (before.llr, before.label, None)
        );
        assert_eq!(after.seconds, 4.375);
    }
}
