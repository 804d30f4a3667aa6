//! Rust = Python: the demo clips through this engine against `models/default/golden.json`, written by the trainer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::activity::Activity;
use super::front::{Buffers, Front, Plan, log_power};
use super::mel::MEL_FRAMES;
use super::*;
use crate::g711::Law;

#[derive(Deserialize)]
struct Golden {
    file: String,
    speech: String,
    features: BTreeMap<usize, Vec<f32>>,
    windows: Vec<Scored>,
    llr: Vec<f32>,
    ever: Vec<Label>,
    second: Vec<Scored>,
    both: Vec<f32>,
    ever_both: Vec<Label>,
    mel: BTreeMap<usize, Vec<f32>>,
    weights_sum_positions: usize,
}

#[derive(Deserialize)]
struct Scored {
    at: f32,
    raw: f32,
    llr: f32,
}

fn golden() -> Vec<(Golden, Vec<i16>)> {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
    let text = std::fs::read(models.join("default/golden.json")).expect("golden.json");
    let all: Vec<Golden> = serde_json::from_slice(&text).expect("golden.json");
    all.into_iter()
        .map(|golden| {
            let octets = std::fs::read(models.join("demo").join(&golden.file)).expect("a demo clip");
            let data = octets
                .windows(4)
                .position(|four| four == b"data")
                .expect("a data chunk");
            let samples = octets[data + 8..]
                .iter()
                .map(|octet| Law::Mu.decode(*octet))
                .collect();
            (golden, samples)
        })
        .collect()
}

fn near(ours: f32, theirs: f32, what: &str) {
    assert!((ours - theirs).abs() < 1e-3, "{what}: {ours} {theirs}");
}

#[test]
fn features_and_speech_flags_are_those_of_the_trainer() {
    for (golden, samples) in golden() {
        let (mut flags, mut frames) = (String::new(), Vec::new());
        let mut activity = Activity::new();
        let mut buffers = Buffers::new(&Arc::new(Plan::new()));
        Front::new().push(&mut buffers, &samples, |power| {
            flags.push(if activity.hear(power) { '1' } else { '0' });
            frames.push(power.map(log_power));
        });
        assert_eq!(flags, golden.speech, "{}", golden.file);
        for (frame, expected) in &golden.features {
            for (bin, value) in expected.iter().enumerate() {
                let ours = frames[*frame][bin];
                assert!(
                    (ours - value).abs() < 1e-4,
                    "{} frame {frame} bin {bin}: {ours} {value}",
                    golden.file
                );
            }
        }
    }
}

#[test]
fn the_first_stage_says_what_the_trainer_says() {
    let model = Arc::new(Model::embedded().expect("embedded"));
    let mut bench = model.bench().expect("bench");
    for (golden, samples) in golden() {
        let mut listener = Listener::new(&model).expect("listener");
        let opinions: Vec<Opinion> = samples
            .chunks_exact(HOP_SAMPLES)
            .map(|hop| listener.hear(&mut bench, hop))
            .collect();
        let scored: Vec<&Opinion> = opinions.iter().filter(|one| one.window.is_some()).collect();
        assert_eq!(scored.len(), golden.windows.len(), "{}", golden.file);
        for ((ours, theirs), llr) in scored.iter().zip(&golden.windows).zip(&golden.llr) {
            let window = ours.window.expect("scored");
            let what = format!("{} at {}", golden.file, theirs.at);
            assert_eq!(window.at, theirs.at, "{what}");
            near(window.llr, theirs.llr, &what);
            near(ours.llr, *llr, &what);
        }
        for label in [Label::Spoof, Label::BonaFide] {
            let ever = opinions.iter().any(|opinion| opinion.label == label);
            assert_eq!(ever, golden.ever.contains(&label), "{} {label:?}", golden.file);
        }
    }
}

#[test]
fn both_stages_together_say_what_the_trainer_says() {
    let model = Arc::new(Model::embedded().expect("embedded"));
    let mut bench = model.bench().expect("bench");
    let Some(mut second) = model.second_bench() else {
        return;
    };
    for (golden, samples) in golden() {
        let mut listener = Listener::new(&model).expect("listener");
        listener.keep(true);
        let (mut seconds, mut courses) = (golden.second.iter(), golden.both.iter());
        let mut said = Vec::new();
        for hop in samples.chunks_exact(HOP_SAMPLES) {
            let mut opinion = listener.hear(&mut bench, hop);
            let is_scored = opinion.window.is_some();
            if let Some(excerpt) = listener.excerpt()
                && let Some(score) = model.second_opinion(&excerpt, &mut second)
            {
                let theirs = seconds.next().expect("as many second opinions");
                let what = format!("{} second at {}", golden.file, theirs.at);
                if said.iter().all(|(stages, _)| *stages == Stages::First) {
                    assert_eq!(excerpt.speech_positions(), golden.weights_sum_positions, "{what}");
                    let picture = model.second.as_ref().expect("there").picture(&excerpt);
                    for (frame, bands) in &golden.mel {
                        for (band, value) in bands.iter().enumerate() {
                            near(picture[band * MEL_FRAMES + frame], *value, &what);
                        }
                    }
                }
                opinion = listener.take_second(score);
                let window = opinion.second.expect("just given");
                assert_eq!(window.at, theirs.at, "{what}");
                near(score.raw, theirs.raw, &what);
                near(window.llr, theirs.llr, &what);
            }
            said.push((opinion.stages, opinion.label));
            if is_scored {
                let theirs = courses.next().expect("as long a course");
                near(
                    opinion.llr,
                    *theirs,
                    &format!("{} both at {}", golden.file, opinion.seconds),
                );
            }
        }
        assert!(
            seconds.next().is_none() && courses.next().is_none(),
            "{}",
            golden.file
        );
        for label in [Label::Spoof, Label::BonaFide] {
            let ever = said.iter().any(|(_, one)| *one == label);
            assert_eq!(
                ever,
                golden.ever_both.contains(&label),
                "{} {label:?}",
                golden.file
            );
        }
    }
}

#[test]
fn no_human_demo_clip_is_accused_and_one_synthetic_clip_is() {
    let model = Arc::new(Model::embedded().expect("embedded"));
    let mut hearing = Hearing::new(&model).expect("hearing");
    let mut caught = Vec::new();
    for (golden, samples) in golden() {
        let mut listener = Listener::new(&model).expect("listener");
        listener.keep(true);
        let said: Vec<Label> = samples
            .chunks(HOP_SAMPLES)
            .map(|hop| hearing.hear(&mut listener, hop).label)
            .collect();
        if golden.file.starts_with("human") {
            assert!(!said.contains(&Label::Spoof), "{}: {said:?}", golden.file);
        } else {
            assert!(!said.contains(&Label::BonaFide), "{}: {said:?}", golden.file);
            if said.last() == Some(&Label::Spoof) {
                caught.push(golden.file);
            }
        }
    }
    assert!(!caught.is_empty());
}
