//! What a call costs in memory, and that hearing it allocates nothing of our own. In a binary of its own, because of its
//! allocator.

#[path = "alloc/counting.rs"]
mod counting;

use std::sync::Arc;

use ringward::voice::limits::{KEPT_BYTES_MAX, LISTENER_BYTES_MAX};
use ringward::voice::{HOP_SAMPLES, Listener, Model};

/// A buzz with syllables: speech to the detector.
fn speech(hop: usize) -> Vec<i16> {
    (0..HOP_SAMPLES)
        .map(|n| {
            let t = (hop * HOP_SAMPLES + n) as f64 / 8000.0 * std::f64::consts::TAU;
            let voice: f64 = (1..20)
                .map(|k| (t * 140.0 * f64::from(k)).sin() / f64::from(k))
                .sum();
            (voice * 6000.0 * (t * 4.0).sin().max(0.0)) as i16
        })
        .collect()
}

#[test]
fn a_call_stays_inside_its_memory_and_our_part_of_a_hop_allocates_nothing() {
    let model = Arc::new(Model::embedded().expect("embedded"));
    let mut bench = model.bench().expect("bench");
    let hops: Vec<Vec<i16>> = (0..24).map(speech).collect();
    // Once, so that what a thread allocates on first use is not counted against the call.
    let mut first = Listener::new(&model).expect("listener");
    for hop in &hops {
        first.hear(&mut bench, hop);
    }

    let mut counts = Vec::with_capacity(hops.len());
    let mut live = Vec::with_capacity(hops.len());
    let before = counting::live();
    let mut listener = Box::new(Listener::new(&model).expect("listener"));
    for hop in &hops {
        let allocations = counting::allocations();
        listener.hear(&mut bench, hop);
        counts.push(counting::allocations() - allocations);
        live.push(counting::live() - before);
    }
    println!("allocations of each hop, all by the inference library: {counts:?}");
    println!("octets of a call: {live:?}");
    let held = *live.last().expect("hops");
    assert!(held <= LISTENER_BYTES_MAX as i64, "{held}");
    assert!(
        live[12..].windows(2).all(|two| two[0] == two[1]),
        "it grows: {live:?}"
    );
    assert!(
        counts[12..].iter().max() <= counts[4..12].iter().max(),
        "{counts:?}"
    );

    listener.keep(true);
    let more = counting::live() - before - held;
    assert!((more as usize) < KEPT_BYTES_MAX + 1024, "{more}");
    listener.keep(false);

    // A hop that is not whole goes through everything of ours and not through the network.
    let allocations = counting::allocations();
    listener.hear(&mut bench, &hops[0][..HOP_SAMPLES - 1]);
    assert_eq!(counting::allocations(), allocations);
}
