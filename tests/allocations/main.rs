//! No engine allocates once it is built: counted by an allocator, while whole boots are simulated.
//!
//! A binary of its own, because a program has one allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use reveille_tests::sim::{Options, run_watched};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, which counts what is asked of it inside engines.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    if INSIDE.get() {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing, since
// the counters are constants that need no initialisation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `System` allocated the block.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`, and `System` allocated the block.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn inside(begins: bool) {
    assert_ne!(INSIDE.replace(begins), begins, "calls of engines do not nest");
    CALLS.set(CALLS.get() + u64::from(begins));
}

#[test]
fn engines_allocate_nothing_while_machines_boot() {
    for seed in 0..8 {
        let report = run_watched(&Options::draw(seed, 200), inside);
        assert!(CALLS.get() > report.events, "engines were called");
        assert_eq!(ALLOCATIONS.get(), 0, "seed {seed}: {report:?}");
    }
}

#[test]
fn an_allocation_inside_would_be_counted() {
    inside(true);
    let bytes = vec![0_u8; std::hint::black_box(100)];
    inside(false);
    assert_eq!((bytes.len(), ALLOCATIONS.get()), (100, 1));
}
