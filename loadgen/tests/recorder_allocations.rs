//! A recorder allocates nothing while notes come in, however many: counted by an allocator.
//!
//! A binary of its own, because a program has one allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use reveille_loadgen::client::{Note, Reason, Stage};
use reveille_loadgen::record::{Closing, Host, Member, Plan, Recorder};
use reveille_loadgen::time::Instant;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what is asked of it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    BYTES.set(BYTES.get() + bytes);
}

// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing, since
// the counters are constants that need no initialisation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `System` allocated the block.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps the contract of `realloc`, and `System` allocated the block.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

const MACHINES: u32 = 10_000;

/// Nine of ten boot; every tenth fails in its kernel.
fn boot(recorder: &mut Recorder, number: u32) {
    let mut now = Instant(u64::from(number) * 1_000_000);
    for stage in Stage::ALL {
        recorder.note(number, Note::StageBegan(stage), now);
        recorder.note(number, Note::Resent(stage), now);
        if stage == Stage::Kernel && number.is_multiple_of(10) {
            let failed = Note::Failed { stage, reason: Reason::Stalled };
            recorder.note(number, failed, now);
            return;
        }
        let took = Duration::from_micros(u64::from(number % 977) + 1000);
        now = now + took;
        let ended = Note::StageEnded { stage, took, retries: 1, bytes: 100_000 };
        recorder.note(number, ended, now);
    }
    recorder.note(number, Note::Up, now);
}

#[test]
fn notes_allocate_nothing() {
    let member =
        |number: u32| Member { mac: [2; 6], model: (number % 3) as u8, is_straggler: false };
    let plan = Plan {
        title: String::new(),
        started: String::new(),
        scenario: Vec::new(),
        host: Host::default(),
        machines: (0..MACHINES).map(member).collect(),
        models: ["a", "b", "c"].map(str::to_owned).to_vec(),
    };
    let before = BYTES.get();
    let mut recorder = Recorder::new(plan);
    // The first of each model, and as many failures as are told by name, make what is kept.
    for number in 0..100 {
        boot(&mut recorder, number);
    }
    assert!(BYTES.get() - before < 80 << 20, "{} bytes", BYTES.get() - before);
    let before = ALLOCATIONS.get();
    for number in 100..MACHINES {
        boot(&mut recorder, number);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    let run = recorder.finish(Instant(60_000_000_000), Closing::default());
    assert_eq!((run.machines.all.up, run.machines.all.failed), (9_000, 1_000));
}

#[test]
fn an_allocation_would_be_counted() {
    let before = ALLOCATIONS.get();
    let bytes = vec![0_u8; std::hint::black_box(100)];
    assert_eq!((bytes.len(), ALLOCATIONS.get() - before), (100, 1));
}
