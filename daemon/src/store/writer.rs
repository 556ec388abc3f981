//! The store's thread: one group of records, one sync, one answer.

use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reveille_core::binding::{Binding, Ticket};
use reveille_core::engine::StoreAnswer;
use reveille_core::time::Instant;
use reveille_runtime::PersistPort;
use tracing::{debug, error, info};

use super::health::Health;
use super::purge::Purge;
use super::record::Record;
use super::steps::Steps;
use super::wall::Clocks;
use super::{Store, StoreError};
use crate::units::{Count, Span};

/// The first and the longest time between two attempts to write again.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Where the records come from and the answers go to.
pub(crate) trait Port {
    /// Waits until there is something to take, at most `timeout`.
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;
    /// Takes all that waits, oldest first.
    fn take_all(&mut self, take: impl FnMut(Ticket, Binding));
    /// Answers.
    fn answer(&mut self, answer: StoreAnswer);
    /// Whether nothing more will come once it is empty.
    fn is_closed(&self) -> bool;
}

impl Port for PersistPort {
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        Self::wait(self, timeout).map(drop)
    }

    fn take_all(&mut self, take: impl FnMut(Ticket, Binding)) {
        Self::take_all(self, take);
    }

    fn answer(&mut self, answer: StoreAnswer) {
        Self::answer(self, answer);
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }
}

/// The thread.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts it; `place` is named in messages.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(
        store: impl Store + Send + 'static,
        port: PersistPort,
        health: Arc<Health>,
        place: PathBuf,
    ) -> io::Result<Self> {
        let run = move || {
            let guard = Guard(Arc::clone(&health));
            Work::new(store, port, health, place, Clocks::read).run();
            mem::forget(guard);
        };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(run)?;
        Ok(Self { thread })
    }

    /// Waits for its end, which comes after that of the shard that it serves.
    pub fn join(self) {
        if self.thread.join().is_err() {
            error!("the store's thread has panicked: this is a bug in reveille");
        }
    }
}

/// Tells that the store's thread is dead, if it is dropped on the way of a panic: nothing is
/// acknowledged any more, and whoever asks has to learn it.
struct Guard(Arc<Health>);

impl Drop for Guard {
    fn drop(&mut self) {
        let why = "the thread that keeps leases has ended: this is a bug in reveille".to_owned();
        let help = Some("restart the server");
        if self.0.failed(why.clone(), help, Clocks::read()) {
            error!(help, "{why}; no machine is given an address and no lease is prolonged");
        }
    }
}

/// What the thread does, with whatever clock and port it is given.
pub(crate) struct Work<S, P> {
    store: S,
    port: P,
    health: Arc<Health>,
    place: PathBuf,
    clocks: fn() -> Clocks,
    group: Vec<Record>,
    phase: Phase,
    purge: Purge,
    steps: Steps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Writing,
    /// Nothing can be kept; the store is opened anew at `retry`.
    Failing {
        retry: Instant,
        pause: Duration,
    },
}

impl<S: Store, P: Port> Work<S, P> {
    pub(crate) fn new(
        store: S,
        port: P,
        health: Arc<Health>,
        place: PathBuf,
        clocks: fn() -> Clocks,
    ) -> Self {
        let now = clocks();
        let (purge, steps) = (Purge::new(now.monotonic), Steps::new(now));
        let (group, phase) = (Vec::new(), Phase::Writing);
        Self { store, port, health, place, clocks, group, phase, purge, steps }
    }

    fn run(mut self) {
        // Ends: the shard's end closes the port.
        while !self.port.is_closed() {
            if let Err(error) = self.turn() {
                panic!("the store cannot wait for the server: {error}");
            }
        }
        // What the shard wanted last is kept; nobody waits for the answer.
        self.take();
    }

    /// Waits for something to do and does it.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        let due = match self.phase {
            Phase::Writing => self.purge.due(),
            Phase::Failing { retry, .. } => retry,
        };
        let now = (self.clocks)().monotonic;
        self.port.wait(due.saturating_since(now))?;
        self.take();
        let now = (self.clocks)();
        match self.phase {
            Phase::Writing => self.purge(now),
            Phase::Failing { retry, pause } if retry <= now.monotonic => self.retry(pause),
            Phase::Failing { .. } => {}
        }
        Ok(())
    }

    /// Commits all that waits.
    fn take(&mut self) {
        let clocks = (self.clocks)();
        if self.phase == Phase::Writing {
            self.follow(clocks);
        }
        let mut last = None;
        let Self { port, group, .. } = self;
        group.clear();
        port.take_all(|ticket, binding| {
            last = Some(ticket);
            group.push(Record::of(&binding, clocks));
        });
        let Some(last) = last else { return };
        if self.phase != Phase::Writing {
            // The engine has been told, or will be before anything counts again.
            return;
        }
        self.health.begin(clocks.monotonic);
        match self.store.commit(&self.group) {
            Ok(()) => {
                self.health.committed(self.group.len(), (self.clocks)());
                self.port.answer(StoreAnswer::Stored(last));
            }
            Err(error) => {
                self.port.answer(StoreAnswer::Failed);
                self.fail(&error, RETRY_MIN);
            }
        }
    }

    /// Moves what is stored if the calendar was set.
    fn follow(&mut self, now: Clocks) {
        match self.steps.follow(&mut self.store, now) {
            Ok(None) => {}
            Ok(Some(by)) => {
                let time =
                    Duration::from_nanos(u64::try_from(by.unsigned_abs()).unwrap_or(u64::MAX));
                let way = if by > 0 { "forward" } else { "back" };
                info!("the clock was set {way} by {}: the ends of leases moved along", Span(time));
            }
            Err(error) => {
                self.port.answer(StoreAnswer::Failed);
                self.fail(&error, RETRY_MIN);
            }
        }
    }

    fn purge(&mut self, now: Clocks) {
        match self.purge.step(&mut self.store, now) {
            Ok(0) => {}
            Ok(count) => debug!("{} had no lease for 30 days", Count(count as u64, "address")),
            Err(error) => {
                self.port.answer(StoreAnswer::Failed);
                self.fail(&error, RETRY_MIN);
            }
        }
    }

    fn fail(&mut self, error: &StoreError, pause: Duration) {
        let now = (self.clocks)();
        self.phase = Phase::Failing { retry: now.monotonic + pause, pause };
        let why = error.to_string();
        if self.health.failed(why.clone(), error.help(), now) {
            let help = error.help().unwrap_or("it is tried again");
            error!(
                help,
                "leases cannot be kept in {}: {why}; until they can, no machine is given a new \
                 address and leases are not prolonged",
                self.place.display()
            );
        }
    }

    fn retry(&mut self, pause: Duration) {
        match self.store.reopen() {
            Ok(()) => {
                // What was asked for before counts no more.
                self.port.take_all(|_, _| {});
                self.phase = Phase::Writing;
                let now = (self.clocks)();
                let since = self.health.recovered().unwrap_or(now.wall);
                info!(
                    "leases are kept again in {}, after {}",
                    self.place.display(),
                    Span(now.wall.saturating_since(since))
                );
                self.port.answer(StoreAnswer::Recovered);
            }
            // Somebody may still be reading what was opened before.
            Err(error @ (StoreError::Locked | StoreError::Failed)) => {
                debug!("the store cannot be opened yet: {error}");
                self.fail_again(pause);
            }
            Err(error) => self.fail(&error, (pause * 2).min(RETRY_MAX)),
        }
    }

    fn fail_again(&mut self, pause: Duration) {
        let pause = (pause * 2).min(RETRY_MAX);
        self.phase = Phase::Failing { retry: (self.clocks)().monotonic + pause, pause };
    }
}

#[cfg(test)]
mod tests;
