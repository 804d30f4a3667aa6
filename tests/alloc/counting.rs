//! The system's allocator, counting for each thread what that thread does: the harness of a test has a thread of its own,
//! and when that allocates is no test's business.
#![expect(
    unsafe_code,
    reason = "a global allocator cannot be written without it; this one only counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

// Both are there from the start of a thread and have nothing to be dropped, so that reaching for them allocates nothing.
thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        LIVE.set(LIVE.get() + layout.size() as i64);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many there have been so far, on this thread.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Octets that this thread has taken and not given back.
pub fn live() -> i64 {
    LIVE.get()
}
