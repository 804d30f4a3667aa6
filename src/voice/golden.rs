//! Rust = Python: the demo clips through this engine against `models/default/golden.json`, written by the trainer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::activity::Activity;
use super::front::{Front, Plan};
use super::listener::log_power;
use super::*;

#[derive(Deserialize)]
struct Golden {
    file: String,
    speech: String,
    features: BTreeMap<usize, Vec<f32>>,
    windows: Vec<Window>,
    llr: Vec<f32>,
    ever: Vec<Label>,
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
            let samples = octets[data + 8..].iter().map(|octet| mu_law(*octet)).collect();
            (golden, samples)
        })
        .collect()
}

/// ITU-T G.711 mu-law, expanded.
fn mu_law(octet: u8) -> i16 {
    let code = i32::from(!octet);
    let size = ((((code & 15) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
    (if code & 0x80 == 0 { size } else { -size }) as i16
}

#[test]
fn features_and_speech_flags_are_those_of_the_trainer() {
    for (golden, samples) in golden() {
        let (mut flags, mut frames) = (String::new(), Vec::new());
        let mut activity = Activity::new();
        Front::new(&Arc::new(Plan::new())).push(&samples, |power| {
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
fn scores_are_those_of_the_trainer() {
    let model = Arc::new(Model::embedded().expect("embedded"));
    for (golden, samples) in golden() {
        let mut listener = Listener::new(&model);
        let opinions: Vec<Opinion> = samples
            .chunks(HOP_SAMPLES)
            .map(|hop| listener.hear(hop))
            .collect();
        let windows: Vec<Window> = opinions.iter().filter_map(|opinion| opinion.window).collect();
        assert_eq!(windows.len(), golden.windows.len(), "{}", golden.file);
        for (ours, theirs) in windows.iter().zip(&golden.windows) {
            assert!((ours.at - theirs.at).abs() < 1e-3, "{}", golden.file);
            assert!(
                (ours.llr - theirs.llr).abs() < 1e-3,
                "{}: {ours:?} {theirs:?}",
                golden.file
            );
        }
        let courses = opinions
            .iter()
            .filter(|opinion| opinion.window.is_some())
            .zip(&golden.llr);
        for (ours, theirs) in courses {
            assert!(
                (ours.llr - theirs).abs() < 1e-3,
                "{} at {}: {} {theirs}",
                golden.file,
                ours.seconds,
                ours.llr
            );
        }
        for label in [Label::Spoof, Label::BonaFide] {
            let ever = opinions.iter().any(|opinion| opinion.label == label);
            assert_eq!(ever, golden.ever.contains(&label), "{} {label:?}", golden.file);
        }
    }
}

#[test]
fn no_human_demo_clip_is_accused_and_one_synthetic_clip_is() {
    let model = Arc::new(Model::embedded().expect("embedded"));
    let mut caught = Vec::new();
    for (golden, samples) in golden() {
        let mut listener = Listener::new(&model);
        let said: Vec<Label> = samples
            .chunks(HOP_SAMPLES)
            .map(|hop| listener.hear(hop).label)
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
