//! The course of a run in a bounded number of moments.

use super::Tick;

/// Moments that are kept at most. More than a picture can show, few enough to read.
pub(super) const TICKS_MAX: usize = 600;

/// Keeps at most [`TICKS_MAX`] moments, evenly spread, however long the run is.
#[derive(Debug)]
pub(super) struct Ticks {
    kept: Vec<Tick>,
    /// Of how many moments one is kept.
    every: u64,
    seen: u64,
}

impl Ticks {
    pub(super) fn new() -> Self {
        Self { kept: Vec::with_capacity(TICKS_MAX + 1), every: 1, seen: 0 }
    }

    /// Adds a moment; it is made only if it is kept.
    pub(super) fn add(&mut self, make: impl FnOnce() -> Tick) {
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == TICKS_MAX {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.every *= 2;
            }
            self.kept.push(make());
        }
        self.seen += 1;
    }

    /// All that were kept, with `last` as the end.
    pub(super) fn finish(mut self, last: Tick) -> Vec<Tick> {
        if self.kept.last().is_some_and(|tick| tick.at_s >= last.at_s) {
            self.kept.pop();
        }
        self.kept.push(last);
        self.kept
    }
}
