//! What one second of a caller's audio costs: speech activity, front end, network, evidence.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use ringward::voice::{HOP_SAMPLES, Listener, Model};

/// A buzz with syllables: speech to the activity detector, so that every hop is scored.
fn hop() -> Vec<i16> {
    (0..HOP_SAMPLES)
        .map(|n| {
            let t = n as f64 / 8000.0 * std::f64::consts::TAU;
            let syllable = (t * 4.0).sin().max(0.0);
            ((1..20)
                .map(|k| (t * 140.0 * f64::from(k)).sin() / f64::from(k))
                .sum::<f64>()
                * 6000.0
                * syllable) as i16
        })
        .collect()
}

fn scoring(bench: &mut Criterion) {
    let model = Arc::new(Model::embedded().expect("the shipped model"));
    let mut bench_of_model = model.bench().expect("a bench");
    let (speech, silence) = (hop(), vec![0; HOP_SAMPLES]);

    let mut listener = Listener::new(&model).expect("a listener");
    for _ in 0..4 {
        listener.hear(&mut bench_of_model, &speech);
    }
    bench.bench_function("scoring hop, speech", |b| {
        b.iter(|| listener.hear(&mut bench_of_model, black_box(&speech)))
    });
    let mut listener = Listener::new(&model).expect("a listener");
    bench.bench_function("scoring hop, silence", |b| {
        b.iter(|| listener.hear(&mut bench_of_model, black_box(&silence)))
    });
    if let Some(mut second) = model.second_bench() {
        let mut listener = Listener::new(&model).expect("a listener");
        listener.keep(true);
        for _ in 0..4 {
            listener.hear(&mut bench_of_model, &speech);
        }
        let excerpt = listener.excerpt().expect("speech was kept");
        // One is asked for every two seconds: half of this is what a second of audio costs.
        bench.bench_function("second opinion, two seconds of audio", |b| {
            b.iter(|| model.second_opinion(black_box(&excerpt), &mut second))
        });
    }
    bench.bench_function("model load", |b| b.iter(Model::embedded));
}

criterion_group!(benches, scoring);
criterion_main!(benches);
