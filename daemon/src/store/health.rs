//! How the store fares: written by its thread, read by whoever reports.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reveille_core::time::Instant;

use super::wall::{Clocks, Wall};

/// A sync that takes longer is told: clients wait for it.
const SYNC_SLOW: Duration = Duration::from_secs(1);

/// What is known of the store.
#[derive(Debug, Default)]
pub struct Health {
    commits: AtomicU64,
    records: AtomicU64,
    largest_group: AtomicU64,
    last_commit: AtomicU64,
    last_took: AtomicU64,
    slowest_took: AtomicU64,
    /// When the running commit began, on the engines' clock; zero if none runs.
    began: AtomicU64,
    /// The beginning of the commit that was complained about.
    told: AtomicU64,
    failing: Mutex<Option<Failure>>,
}

/// Why nothing can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Since when.
    pub since: Wall,
    /// In the words of the system.
    pub why: String,
    /// What can be done.
    pub help: Option<&'static str>,
}

/// The numbers of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Commits since the start.
    pub commits: u64,
    /// Records in them.
    pub records: u64,
    /// Records in the largest of them.
    pub largest_group: u64,
    /// When the last one was on stable storage.
    pub last_commit: Option<Wall>,
    /// How long the last one took.
    pub last_took: Duration,
    /// How long the slowest one took.
    pub slowest_took: Duration,
    /// How long the one that runs has been running.
    pub waiting: Option<Duration>,
    /// Why there are none.
    pub failing: Option<Failure>,
}

impl Health {
    /// A commit begins.
    pub(super) fn begin(&self, now: Instant) {
        self.began.store(now.as_nanos(), Relaxed);
    }

    /// It has ended well.
    pub(super) fn committed(&self, records: usize, now: Clocks) {
        let took = self.end(now.monotonic);
        self.commits.fetch_add(1, Relaxed);
        self.records.fetch_add(records as u64, Relaxed);
        self.largest_group.fetch_max(records as u64, Relaxed);
        self.last_commit.store(now.wall.as_nanos(), Relaxed);
        self.last_took.store(took, Relaxed);
        self.slowest_took.fetch_max(took, Relaxed);
    }

    /// It has not. Says whether that is news.
    pub(super) fn failed(&self, why: String, help: Option<&'static str>, now: Clocks) -> bool {
        self.end(now.monotonic);
        let mut failing = self.failing();
        let since = failing.as_ref().map_or(now.wall, |failure| failure.since);
        let is_news = failing.as_ref().is_none_or(|failure| failure.why != why);
        *failing = Some(Failure { since, why, help });
        is_news
    }

    /// It writes again. Says since when it did not.
    pub(super) fn recovered(&self) -> Option<Wall> {
        self.failing().take().map(|failure| failure.since)
    }

    /// The numbers of `now`.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let last = self.last_commit.load(Relaxed);
        Snapshot {
            commits: self.commits.load(Relaxed),
            records: self.records.load(Relaxed),
            largest_group: self.largest_group.load(Relaxed),
            last_commit: (last > 0).then(|| Wall::from_nanos(last)),
            last_took: Duration::from_nanos(self.last_took.load(Relaxed)),
            slowest_took: Duration::from_nanos(self.slowest_took.load(Relaxed)),
            waiting: self.waiting(now),
            failing: self.failing().clone(),
        }
    }

    /// How long a commit has been running that is too slow, once for each.
    pub fn slow(&self, now: Instant) -> Option<Duration> {
        let waited = self.waiting(now).filter(|waited| *waited > SYNC_SLOW)?;
        let began = self.began.load(Relaxed);
        (self.told.swap(began, Relaxed) != began).then_some(waited)
    }

    fn waiting(&self, now: Instant) -> Option<Duration> {
        let began = self.began.load(Relaxed);
        (began > 0).then(|| now.saturating_since(Instant::from_nanos(began)))
    }

    fn end(&self, now: Instant) -> u64 {
        now.as_nanos().saturating_sub(self.began.swap(0, Relaxed))
    }

    /// Nothing is left half changed here.
    fn failing(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Clocks {
        Clocks {
            wall: Wall::from_seconds(1000 + seconds),
            monotonic: Instant::from_nanos(seconds * 1_000_000_000),
        }
    }

    #[test]
    fn a_slow_commit_is_told_once() {
        let health = Health::default();
        health.begin(at(10).monotonic);
        assert_eq!(health.slow(at(11).monotonic), None);
        assert_eq!(health.slow(at(12).monotonic), Some(Duration::from_secs(2)));
        assert_eq!(health.slow(at(13).monotonic), None);
        health.committed(5, at(14));
        assert_eq!(health.slow(at(20).monotonic), None);
        health.begin(at(30).monotonic);
        assert!(health.slow(at(32).monotonic).is_some());
        let numbers = health.snapshot(at(32).monotonic);
        assert_eq!((numbers.commits, numbers.records, numbers.largest_group), (1, 5, 5));
        assert_eq!(numbers.slowest_took, Duration::from_secs(4));
        assert_eq!(numbers.waiting, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_failure_keeps_its_beginning() {
        let health = Health::default();
        assert!(health.failed("full".to_owned(), None, at(1)));
        assert!(!health.failed("full".to_owned(), None, at(2)), "the same again is no news");
        assert!(health.failed("read-only".to_owned(), None, at(3)));
        assert_eq!(health.recovered(), Some(at(1).wall));
        assert_eq!(health.snapshot(at(4).monotonic).failing, None);
    }
}
