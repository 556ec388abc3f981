//! Distributions: many measurements in little memory.

use core::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The shortest and the longest time that is told apart, in microseconds (1 µs, 2 h).
const TIME_RANGE_US: (u64, u64) = (1, 7_200_000_000);

/// The lowest and the highest rate that is told apart, in bytes a second.
const RATE_RANGE: (u64, u64) = (1, 64 << 30);

/// A step is at least this part of the longest time.
const STEPS_TO_ZERO: u64 = 200;

/// A summary of measurements. The unit is the name of the field that holds it.
///
/// Quantiles and the mean are off by less than one part in a thousand; `min` and `max` are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many measurements there are; with none, all other values are 0.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// Half of all are at most this.
    pub p50: f64,
    /// 90 % of all are at most this.
    pub p90: f64,
    /// 99 % of all are at most this.
    pub p99: f64,
    /// 99.9 % of all are at most this.
    pub p999: f64,
    /// The largest.
    pub max: f64,
}

/// Times, collected with microsecond resolution.
#[derive(Clone, Debug)]
pub struct Times(Values);

impl Times {
    /// No time yet. Takes about 100 KiB, whatever is recorded.
    pub fn new() -> Self {
        Self(Values::new(TIME_RANGE_US, 3))
    }

    /// Adds one; times out of range count as the nearest in range.
    pub fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.record(micros);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// The summary, in seconds.
    pub fn distribution(&self) -> Distribution {
        self.0.distribution(1e6)
    }

    /// The values at 0 %, 1 % … 100 %, in seconds; empty without any time.
    pub fn percentiles(&self) -> Vec<f64> {
        if self.0.is_empty() {
            return Vec::new();
        }
        (0..=100).map(|percent| self.0.at(f64::from(percent) / 100.0) as f64 / 1e6).collect()
    }

    /// Counts in steps of equal, round length: at most `steps_max` of them, from the first step
    /// that holds a time to the last. `None` without any time.
    pub fn steps(&self, steps_max: usize) -> Option<Steps> {
        if self.0.is_empty() {
            return None;
        }
        let Values { histogram, min, max } = &self.0;
        let (min, max) = (*min, *max);
        let step = round_step_us(min, max, steps_max as u64);
        let first = min / step;
        let mut counts = vec![0_u64; (max / step - first + 1) as usize];
        for value in histogram.iter_recorded() {
            // The middle of the equivalent values, so that no step gets its neighbour's times.
            let middle = histogram.median_equivalent(value.value_iterated_to()).clamp(min, max);
            counts[(middle / step - first) as usize] += u64::from(value.count_at_value());
        }
        Some(Steps { from_s: (first * step) as f64 / 1e6, step_s: step as f64 / 1e6, counts })
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts in steps of equal length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// Where the first step begins, in seconds.
    pub from_s: f64,
    /// The length of a step, in seconds.
    pub step_s: f64,
    /// How many lie in each step.
    pub counts: Vec<u64>,
}

/// Rates, in bytes a second.
#[derive(Clone, Debug)]
pub struct Rates(Values);

impl Rates {
    /// No rate yet, with `digits` significant decimal digits (2: 15 KiB, 3: 110 KiB).
    pub fn new(digits: u8) -> Self {
        Self(Values::new(RATE_RANGE, digits))
    }

    /// Adds the rate of `bytes` in `took`.
    pub fn record(&mut self, bytes: u64, took: Duration) {
        let nanos = took.as_nanos().max(1);
        let rate = u128::from(bytes) * 1_000_000_000 / nanos;
        self.0.record(u64::try_from(rate).unwrap_or(u64::MAX));
    }

    /// Takes in all of `other`.
    pub fn absorb(&mut self, other: &Self) {
        // Both have the same range, so nothing can lie outside.
        self.0.histogram.add(&other.0.histogram).expect("rates share one range");
        self.0.min = self.0.min.min(other.0.min);
        self.0.max = self.0.max.max(other.0.max);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.histogram.reset();
        (self.0.min, self.0.max) = (u64::MAX, 0);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// The summary, in bytes a second.
    pub fn distribution(&self) -> Distribution {
        self.0.distribution(1.0)
    }

    /// The slowest rate as a part of the median; 1 without any rate.
    pub fn slowest_of_median(&self) -> f64 {
        if self.0.is_empty() { 1.0 } else { self.0.min as f64 / self.0.at(0.5) as f64 }
    }
}

/// Values from one up, the extremes exactly.
#[derive(Clone, Debug)]
struct Values {
    histogram: Histogram<u32>,
    min: u64,
    max: u64,
}

impl Values {
    fn new((low, high): (u64, u64), digits: u8) -> Self {
        let histogram = Histogram::new_with_bounds(low, high, digits);
        Self {
            histogram: histogram.expect("the bounds are constants that fit"),
            min: u64::MAX,
            max: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    fn count(&self) -> u64 {
        self.histogram.len()
    }

    fn record(&mut self, value: u64) {
        let value = value.clamp(self.histogram.low(), self.histogram.high());
        self.histogram.saturating_record(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn at(&self, quantile: f64) -> u64 {
        // The library answers with the largest value that it cannot tell from the one recorded.
        self.histogram.value_at_quantile(quantile).clamp(self.min, self.max)
    }

    fn distribution(&self, unit: f64) -> Distribution {
        if self.is_empty() {
            return Distribution::default();
        }
        let at = |quantile| self.at(quantile) as f64 / unit;
        let (min, max) = (self.min as f64, self.max as f64);
        Distribution {
            count: self.count(),
            min: min / unit,
            // A thousandth is all that the mean is good for: no digits beyond the whole.
            mean: self.histogram.mean().round().clamp(min, max) / unit,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: max / unit,
        }
    }
}

/// The smallest of 1, 2, 5, 10 … microseconds that covers `min..=max` in `steps_max` steps, and
/// that is coarse enough for what the histogram tells apart.
fn round_step_us(min: u64, max: u64, steps_max: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = power * factor;
            // Ends: `max` is at most two hours, so ten digits are enough.
            if max / step - min / step < steps_max && step >= max / STEPS_TO_ZERO {
                return step;
            }
        }
        power *= 10;
    }
}
