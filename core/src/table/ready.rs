//! Who has something to send: a queue in which each session stands at most once.

use alloc::boxed::Box;
use alloc::vec;

use super::links::{Links, List};

/// Slots of sessions that may have output, served in turn.
///
/// A session that still has output after its turn goes to the end: that is what makes service
/// fair. All operations are O(1).
#[derive(Debug)]
pub struct ReadyRing {
    links: Links,
    queue: List,
    waiting: Box<[bool]>,
    len: u32,
}

impl ReadyRing {
    /// Room for the slots below `capacity`.
    ///
    /// # Panics
    /// If `capacity` is `u32::MAX`.
    pub fn new(capacity: u32) -> Self {
        let waiting = vec![false; capacity as usize].into_boxed_slice();
        Self { links: Links::new(capacity), queue: List::EMPTY, waiting, len: 0 }
    }

    /// Puts `slot` at the end unless it stands in the queue already; tells whether it did.
    ///
    /// # Panics
    /// If `slot` is not below the capacity.
    pub fn push(&mut self, slot: u32) -> bool {
        if core::mem::replace(&mut self.waiting[slot as usize], true) {
            return false;
        }
        self.links.push_last(&mut self.queue, slot);
        self.len += 1;
        true
    }

    /// Takes the slot that has waited longest.
    pub fn pop(&mut self) -> Option<u32> {
        let slot = self.queue.first()?;
        let removed = self.remove(slot);
        assert!(removed, "the first of the queue stands in it");
        Some(slot)
    }

    /// Takes `slot` out wherever it stands; tells whether it stood in the queue.
    ///
    /// # Panics
    /// If `slot` is not below the capacity.
    pub fn remove(&mut self, slot: u32) -> bool {
        if !core::mem::replace(&mut self.waiting[slot as usize], false) {
            return false;
        }
        self.links.remove(&mut self.queue, slot);
        assert!(self.len > 0, "a waiting slot was counted");
        self.len -= 1;
        true
    }

    /// The slot that has waited longest.
    pub const fn first(&self) -> Option<u32> {
        self.queue.first()
    }

    /// Whether `slot` stands in the queue.
    pub fn contains(&self, slot: u32) -> bool {
        self.waiting.get(slot as usize).is_some_and(|waiting| *waiting)
    }

    /// Number of slots that wait.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether nobody waits.
    pub const fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests;
