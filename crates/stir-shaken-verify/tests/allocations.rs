//! What a verification takes from the heap: how often for a warm one, and how much is ever kept. In a binary of its own,
//! because it counts every allocation of the process, and with one test, because tests of one binary run side by side.
#![expect(
    unsafe_code,
    reason = "a global allocator cannot be written without it; this one only counts"
)]

#[path = "verification/authority.rs"]
#[allow(dead_code, reason = "the verification tests use the rest")]
mod authority;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use authority::{NOW, URL, World, at, message};
use stir_shaken_verify::{Shelf, ShelfConfig, ShelfOutput, Standing, limits};

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

/// Allocations of one warm verification, from header text to report. The report alone takes about fifteen.
const ALLOCATIONS_MAX: u64 = 45;

/// Different URLs that a flood of calls names.
const URLS: usize = 10_000;

#[test]
fn a_warm_verification_and_a_flood_of_urls_stay_within_their_bounds() {
    warm();
    flood();
}

fn warm() {
    let world = World::new();
    let identity = world.token().signed();
    let message = message(&identity);
    let chain: Arc<[u8]> = world.chain().as_bytes().into();
    let mut verifier = world.verifier();
    let mut verify = || {
        let mut verification = verifier.begin(&message, at(NOW));
        verification.supply(URL, Ok(chain.clone()));
        verifier.conclude(verification)
    };
    assert_eq!(verify().standing, Standing::Verified);
    let (before, live) = (ALLOCATIONS.load(Ordering::Relaxed), LIVE.load(Ordering::Relaxed));
    for _ in 0..100 {
        assert_eq!(verify().standing, Standing::Verified);
    }
    let each = (ALLOCATIONS.load(Ordering::Relaxed) - before) / 100;
    let kept = LIVE.load(Ordering::Relaxed) - live;
    println!("{each} allocations a warm verification");
    assert!(each <= ALLOCATIONS_MAX, "{each} allocations a warm verification");
    assert_eq!(kept, 0, "a warm verification keeps nothing");
}

/// Ten thousand certificate URLs, each with a file of its own that a host may send (real chains among them, made long by
/// text around them). What is kept never passes the shelf's own bound, by its own count and by the allocator's.
#[expect(clippy::disallowed_methods, reason = "any instant will do as the start")]
fn flood() {
    let world = World::new();
    let mut verifier = world.verifier();
    let mut shelf: Shelf<usize> = Shelf::new(ShelfConfig::default());
    let mut now = Instant::now();
    let before = LIVE.load(Ordering::Relaxed);
    let mut highest = 0;
    for number in 0..URLS {
        let url = format!("https://cert.example.org/{number}.pem");
        let identity = world
            .token()
            .with_header(URL, &url)
            .with_parameters(URL, &url)
            .signed();
        let mut verification = verifier.begin(&message(&identity), at(NOW));
        shelf.want(&url, number, now);
        while let Some(output) = shelf.poll_output() {
            match output {
                ShelfOutput::Fetch { url } => {
                    // Every fourth is a real chain (more than are remembered); reading one takes signatures.
                    let chain = if number % 4 == 0 {
                        world.chain()
                    } else {
                        String::new()
                    };
                    let body = format!("{chain}{}\n{number}", "x".repeat(24 * 1024));
                    shelf.fetched(&url, Ok((body.as_bytes().into(), None)), now);
                }
                ShelfOutput::Ready { url, result, .. } => verification.supply(&url, result),
            }
        }
        let is_verified = verifier.conclude(verification).standing == Standing::Verified;
        assert_eq!(is_verified, number % 4 == 0, "{url}");
        assert!(shelf.octets() <= limits::SHELF_OCTETS);
        highest = highest.max(LIVE.load(Ordering::Relaxed) - before);
        now += Duration::from_millis(1);
    }
    assert!(shelf.len() <= limits::SHELF_ENTRIES);
    let bound = limits::SHELF_OCTETS + limits::CHAINS_OCTETS;
    println!(
        "{URLS} URLs: {} kept on the shelf with {} octets; at most {highest} octets on the heap, bound {bound}",
        shelf.len(),
        shelf.octets()
    );
    // The allocator also counts the maps and the one message in hand.
    assert!(highest <= bound as i64 + 1024 * 1024, "{highest} octets");
}
