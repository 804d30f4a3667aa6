//! What a call costs in memory, and that hearing it allocates nothing of our own. In a binary of its own, because it
//! counts every allocation of the process.
#![expect(
    unsafe_code,
    reason = "a global allocator cannot be written without it; this one only counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ringward::voice::limits::{KEPT_BYTES_MAX, LISTENER_BYTES_MAX};
use ringward::voice::{HOP_SAMPLES, Listener, Model};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
    let before = LIVE.load(Ordering::Relaxed);
    let mut listener = Box::new(Listener::new(&model).expect("listener"));
    for hop in &hops {
        let allocations = ALLOCATIONS.load(Ordering::Relaxed);
        listener.hear(&mut bench, hop);
        counts.push(ALLOCATIONS.load(Ordering::Relaxed) - allocations);
        live.push(LIVE.load(Ordering::Relaxed) - before);
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
    let more = LIVE.load(Ordering::Relaxed) - before - held;
    assert!((more as usize) < KEPT_BYTES_MAX + 1024, "{more}");
    listener.keep(false);

    // A hop that is not whole goes through everything of ours and not through the network.
    let allocations = ALLOCATIONS.load(Ordering::Relaxed);
    listener.hear(&mut bench, &hops[0][..HOP_SAMPLES - 1]);
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), allocations);
}
