//! The way of events from the shards to whoever follows the machines.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use reveille_core::event::Event;

use crate::wake::Wake;

/// The end of the queue that a daemon reads.
///
/// Its descriptor is readable when there is something to take. Wait for that, then call
/// [`EventReceiver::take_all`]; a shard signals at most once between two calls.
#[derive(Clone, Debug)]
pub struct EventReceiver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: ArrayQueue<Event>,
    wake: Wake,
    /// Whether the reader may be asleep, so that a shard must signal.
    asleep: AtomicBool,
    lost: AtomicU64,
}

impl EventReceiver {
    /// A queue for `capacity` events.
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            queue: ArrayQueue::new(capacity.max(1)),
            wake: Wake::new()?,
            asleep: AtomicBool::new(true),
            lost: AtomicU64::new(0),
        })))
    }

    /// The end that a shard writes to.
    pub(crate) fn sender(&self) -> EventSender {
        EventSender { receiver: self.clone(), pushed: false }
    }

    /// Makes the descriptor readable without an event.
    pub(crate) fn signal(&self) {
        self.0.wake.signal();
    }

    /// Takes what is there, oldest first, at most one queue full.
    pub fn take_all(&self, mut take: impl FnMut(Event)) {
        // Reset the signal before looking: an event pushed after the last look signals again.
        self.0.wake.reset();
        self.0.asleep.store(true, Ordering::SeqCst);
        for _ in 0..self.0.queue.capacity() {
            let Some(event) = self.0.queue.pop() else { break };
            take(event);
        }
    }

    /// Waits until there is something to take, at most `timeout`. Says whether there is.
    ///
    /// # Errors
    /// What `poll` says, interruptions excepted.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        self.0.wake.wait(timeout)
    }

    /// Events that found no room, since the start.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }
}

impl AsFd for EventReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }
}

/// The end of the queue that a shard writes to.
#[derive(Debug)]
pub(crate) struct EventSender {
    receiver: EventReceiver,
    pushed: bool,
}

impl EventSender {
    /// Hands an event over, or counts it as lost.
    pub(crate) fn push(&mut self, event: Event) {
        match self.receiver.0.queue.push(event) {
            Ok(()) => self.pushed = true,
            Err(_) => drop(self.receiver.0.lost.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Wakes the reader, once for all that was pushed since the last call.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.pushed) && self.receiver.0.asleep.swap(false, Ordering::SeqCst)
        {
            self.receiver.signal();
        }
    }
}
