//! Rust = Python for manifest format 2: a demo clip through the tiny model of `fixtures/`, against what PyTorch and numpy
//! made of it (`fixtures/make.py`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::mel::MEL_FRAMES;
use super::*;
use crate::g711::Law;

#[derive(Deserialize)]
struct Golden {
    file: String,
    windows: Vec<Score>,
    second: Vec<Second>,
}

#[derive(Deserialize)]
struct Score {
    at: f32,
    raw: f32,
}

#[derive(Deserialize)]
struct Second {
    at: f32,
    raw: f32,
    positions: usize,
    mel: BTreeMap<usize, Vec<f32>>,
}

#[test]
fn both_stages_say_what_the_trainer_says() {
    let golden: Golden =
        serde_json::from_slice(include_bytes!("fixtures/tiny/golden.json")).expect("golden.json");
    let clip = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("models/demo")
        .join(&golden.file);
    let octets = std::fs::read(clip).expect("a demo clip");
    let data = octets
        .windows(4)
        .position(|four| four == b"data")
        .expect("a data chunk");
    let samples: Vec<i16> = octets[data + 8..]
        .iter()
        .map(|octet| Law::Mu.decode(*octet))
        .collect();

    let model = Arc::new(Model::tiny());
    let (mut bench, mut second_bench) = (
        model.bench().expect("bench"),
        model.second_bench().expect("a second stage"),
    );
    let mut listener = Listener::new(&model).expect("listener");
    listener.keep(true);
    let (mut windows, mut seconds) = (golden.windows.iter(), golden.second.iter());
    for hop in samples.chunks_exact(HOP_SAMPLES) {
        let opinion = listener.hear(&mut bench, hop);
        if let Some(window) = opinion.window {
            let theirs = windows.next().expect("as many windows");
            let llr = model
                .rules
                .calibration
                .llr(theirs.raw, listener.window_speech().expect("scored"));
            assert_eq!(window.at, theirs.at);
            assert!(
                (window.llr - llr).abs() < 1e-3,
                "{}: {} {llr}",
                window.at,
                window.llr
            );
        }
        let Some(excerpt) = listener.excerpt() else {
            continue;
        };
        let theirs = seconds.next().expect("as many second opinions");
        assert_eq!(excerpt.speech_positions(), theirs.positions);
        let picture = model.second.as_ref().expect("there").picture(&excerpt);
        for (frame, bands) in &theirs.mel {
            for (band, value) in bands.iter().enumerate() {
                let ours = picture[band * MEL_FRAMES + frame];
                assert!(
                    (ours - value).abs() < 1e-3,
                    "frame {frame} band {band}: {ours} {value}"
                );
            }
        }
        let score = model.second_opinion(&excerpt, &mut second_bench).expect("speech");
        assert_eq!(score.at, theirs.at);
        assert!(
            (score.raw - theirs.raw).abs() < 1e-3,
            "{}: {} {}",
            score.at,
            score.raw,
            theirs.raw
        );
    }
    assert!(windows.next().is_none() && seconds.next().is_none());
}
