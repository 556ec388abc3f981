//! How even transfers are that begin together.

use core::time::Duration;

use super::{Fairness, Rates};
use crate::time::Instant;

/// Windows that are told apart. Each has a histogram of about 15 KiB, touched only if used.
const WINDOWS: usize = 128;

/// The length of a window in a run that fits: machines that are switched on together begin a
/// transfer within a second of each other, or other things than fairness set them apart.
const WINDOW: Duration = Duration::from_secs(1);

/// The fewest transfers that make a group.
const GROUP_MIN: u64 = 10;

impl Fairness {
    /// Of both.
    pub(super) fn and(self, other: Self) -> Self {
        let larger = if self.largest_count >= other.largest_count { self } else { other };
        Self {
            window_s: self.window_s.max(other.window_s),
            groups: self.groups + other.groups,
            worst_slowest_of_median: self
                .worst_slowest_of_median
                .min(other.worst_slowest_of_median),
            ..larger
        }
    }
}

/// Rates of transfers, grouped by when they began.
#[derive(Debug)]
pub(super) struct Cohorts {
    window: Duration,
    rates: Vec<Rates>,
}

impl Cohorts {
    pub(super) fn new() -> Self {
        Self { window: WINDOW, rates: (0..WINDOWS).map(|_| Rates::new(2)).collect() }
    }

    /// Adds a transfer of `bytes` that began at `began` and took `took`.
    pub(super) fn record(&mut self, began: Instant, bytes: u64, took: Duration) {
        // Ends: a window is at most 2^63 ns long before every moment has a slot.
        while self.slot(began) >= WINDOWS as u128 {
            self.widen();
        }
        let slot = self.slot(began) as usize;
        self.rates[slot].record(bytes, took);
    }

    /// How even the groups were; `None` if there is no group.
    pub(super) fn fairness(&self) -> Option<Fairness> {
        let groups = || self.rates.iter().filter(|rates| rates.count() >= GROUP_MIN);
        let largest = groups().max_by_key(|rates| rates.count())?;
        Some(Fairness {
            window_s: self.window.as_secs_f64(),
            groups: groups().count() as u32,
            worst_slowest_of_median: groups().map(Rates::slowest_of_median).fold(1.0, f64::min),
            largest_slowest_of_median: largest.slowest_of_median(),
            largest_count: largest.count(),
        })
    }

    fn slot(&self, began: Instant) -> u128 {
        u128::from(began.0) / self.window.as_nanos()
    }

    /// Makes windows twice as long.
    fn widen(&mut self) {
        self.window *= 2;
        for slot in 0..WINDOWS {
            if slot % 2 == 1 {
                let (earlier, later) = self.rates.split_at_mut(slot);
                earlier[slot - 1].absorb(&later[0]);
                later[0].clear();
            }
        }
        for slot in 0..WINDOWS / 2 {
            self.rates.swap(slot, 2 * slot);
        }
    }
}
