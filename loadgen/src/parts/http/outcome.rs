//! What became of a load, and how even it was.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::parts::Cost;

/// What became of it.
#[derive(Clone, Debug)]
pub struct HttpOutcome {
    /// Complete responses.
    pub responses: u64,
    /// Bytes of bodies, also of incomplete ones.
    pub bytes: u64,
    /// Time from the first request to the end.
    pub elapsed: Duration,
    /// Time in which all connections were made.
    pub connecting: Duration,
    /// Nanoseconds from a request to the last byte of its response.
    pub latency: Histogram<u64>,
    /// Jain's index of the bytes that connections received: 1 if all got the same, 1/n if one
    /// got all. Nothing if none got anything.
    pub fairness: Option<f64>,
    /// Bytes of the connection that received least, as a part of the median.
    pub slowest_to_median: f64,
    /// Connections that the server closed and that were made again.
    pub reconnects: u64,
    /// Why connections ended for good, and how many.
    pub failures: BTreeMap<String, usize>,
    /// What it cost the generator.
    pub cost: Cost,
}

impl HttpOutcome {
    /// Connections that ended for good before the end.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failures.values().sum()
    }
}

/// Jain, Chiu, Hawe 1984: the square of the sum over n times the sum of the squares.
pub(super) fn fairness(shares: &[u64]) -> Option<f64> {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    (squares > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_is_that_of_jain() {
        let is = |shares: &[u64], value: f64| {
            fairness(shares).is_some_and(|fairness| (fairness - value).abs() < 1e-9)
        };
        assert!(is(&[5, 5, 5, 5], 1.0));
        assert!(is(&[20, 0, 0, 0], 0.25));
        assert_eq!(fairness(&[0, 0]), None);
    }
}
