//! The way of bindings from the first shard to the store, and of the store's answers back.
//!
//! The store has a thread of its own, since a sync takes milliseconds:
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! use std::time::Duration;
//!
//! use reveille_core::engine::StoreAnswer;
//! # let mut bound = reveille_runtime::bind(reveille_runtime::Config::new(std::num::NonZeroUsize::MIN)).unwrap();
//!
//! let port = bound.persist_port()?; // before `Bound::start`
//! let store = std::thread::spawn(move || {
//!     while !port.is_closed() {
//!         if !port.wait(Duration::from_secs(1)).unwrap_or(true) {
//!             continue;
//!         }
//!         let mut last = None;
//!         port.take_all(|ticket, binding| {
//!             // Write `binding`.
//!             last = Some(ticket);
//!         });
//!         // Sync what was written.
//!         if let Some(ticket) = last {
//!             port.answer(StoreAnswer::Stored(ticket));
//!         }
//!     }
//! });
//! # Ok(())
//! # }
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use reveille_core::binding::{Binding, Ticket};
use reveille_core::engine::StoreAnswer;
use reveille_core::limits;

use crate::control::lock;
use crate::wake::Wake;

/// The store's end. Dropping it tells the shard that nothing is kept any more.
///
/// Its descriptor is readable when there is something to take, and when the shard has ended.
#[derive(Debug)]
pub struct PersistPort(Arc<Shared>);

/// The shard's end.
#[derive(Debug)]
pub(crate) struct PersistLink {
    shared: Arc<Shared>,
    pushed: bool,
}

#[derive(Debug)]
struct Shared {
    requests: ArrayQueue<(Ticket, Binding)>,
    /// Signalled by the shard.
    requested: Wake,
    /// Whether the store may be asleep, so that the shard must signal.
    store_asleep: AtomicBool,
    answers: Mutex<Answers>,
    /// Signalled by the store.
    answered: Wake,
    /// Whether the shard waits for room in `requests`.
    wants_room: AtomicBool,
    /// Whether the shard's end is gone.
    closed: AtomicBool,
}

/// What the store said and the shard has not heard yet. However much that is, it fits in here: of
/// tickets the last one counts, and a failure voids what was asked for before the shard knows.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    stored: Option<Ticket>,
    failed: bool,
    recovered: bool,
    stored_since: Option<Ticket>,
}

impl Answers {
    const fn add(&mut self, answer: StoreAnswer) {
        match answer {
            StoreAnswer::Stored(ticket) if self.failed => self.stored_since = Some(ticket),
            StoreAnswer::Stored(ticket) => self.stored = Some(ticket),
            StoreAnswer::Failed => {
                self.failed = true;
                self.recovered = false;
                self.stored_since = None;
            }
            StoreAnswer::Recovered => self.recovered = true,
        }
    }

    fn into_iter(self) -> impl Iterator<Item = StoreAnswer> {
        let answers = [
            self.stored.map(StoreAnswer::Stored),
            self.failed.then_some(StoreAnswer::Failed),
            self.recovered.then_some(StoreAnswer::Recovered),
            self.stored_since.map(StoreAnswer::Stored),
        ];
        answers.into_iter().flatten()
    }
}

/// Both ends, with room for all that an engine has under way at one time.
pub(crate) fn pair() -> io::Result<(PersistLink, PersistPort)> {
    let shared = Arc::new(Shared {
        requests: ArrayQueue::new(limits::DHCP_PERSISTS_MAX as usize),
        requested: Wake::new()?,
        store_asleep: AtomicBool::new(true),
        answers: Mutex::default(),
        answered: Wake::new()?,
        wants_room: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    });
    Ok((PersistLink { shared: Arc::clone(&shared), pushed: false }, PersistPort(shared)))
}

impl PersistPort {
    /// Waits until there is something to take or the shard has ended, at most `timeout`. Says
    /// whether that is so.
    ///
    /// # Errors
    /// What `poll` says, interruptions excepted.
    pub fn wait(&self, timeout: Duration) -> io::Result<bool> {
        self.0.requested.wait(timeout)
    }

    /// Takes what is there, in the order of the tickets, at most one queue full. A shard signals
    /// at most once between two calls.
    pub fn take_all(&self, mut take: impl FnMut(Ticket, Binding)) {
        let shared = &*self.0;
        // Reset the signal before looking: what is pushed after the last look signals again.
        shared.requested.reset();
        shared.store_asleep.store(true, Ordering::SeqCst);
        for _ in 0..shared.requests.capacity() {
            let Some((ticket, binding)) = shared.requests.pop() else { break };
            take(ticket, binding);
        }
        if shared.wants_room.swap(false, Ordering::SeqCst) {
            shared.answered.signal();
        }
        if self.is_closed() {
            // The descriptor stays readable.
            shared.requested.signal();
        }
    }

    /// Tells the shard what became of its requests.
    pub fn answer(&self, answer: StoreAnswer) {
        lock(&self.0.answers).add(answer);
        self.0.answered.signal();
    }

    /// Whether the shard has ended: nothing comes any more but what is in the queue.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }
}

impl AsFd for PersistPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.requested.as_fd()
    }
}

impl Drop for PersistPort {
    fn drop(&mut self) {
        self.answer(StoreAnswer::Failed);
    }
}

impl PersistLink {
    /// Readable when there are answers, or room again.
    pub(crate) fn answered(&self) -> BorrowedFd<'_> {
        self.shared.answered.as_fd()
    }

    /// Whether there is room for a request. If not, [`Self::answered`] becomes readable when there
    /// is.
    pub(crate) fn has_room(&self) -> bool {
        let requests = &self.shared.requests;
        if !requests.is_full() {
            return true;
        }
        self.shared.wants_room.store(true, Ordering::SeqCst);
        // The store may have taken all in between, and seen that nobody waits.
        !requests.is_full()
    }

    /// Hands a request over.
    ///
    /// # Panics
    /// If there is no [room](Self::has_room).
    pub(crate) fn push(&mut self, ticket: Ticket, binding: Binding) {
        let pushed = self.shared.requests.push((ticket, binding));
        assert!(pushed.is_ok(), "there was room, and nobody else pushes");
        self.pushed = true;
    }

    /// Wakes the store, once for all that was pushed since the last call.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.pushed)
            && self.shared.store_asleep.swap(false, Ordering::SeqCst)
        {
            self.shared.requested.signal();
        }
    }

    /// All answers since the last call, in their order.
    pub(crate) fn take_answers(&self) -> impl Iterator<Item = StoreAnswer> + use<> {
        self.shared.answered.reset();
        std::mem::take(&mut *lock(&self.shared.answers)).into_iter()
    }
}

impl Drop for PersistLink {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.requested.signal();
    }
}

#[cfg(test)]
mod tests;
