//! Finding slots by a hash of their key: chains of slots, without tombstones or rehashing.

use alloc::boxed::Box;
use alloc::vec;

/// Slots below a capacity, found by hash. The keys live in the slots; callers compare them.
///
/// Twice as many chains as slots keep chains short. Zero stands for no slot, so an unused index
/// is memory that the system never had to provide.
#[derive(Clone, Debug)]
pub(crate) struct ChainIndex {
    heads: Box<[u32]>,
    after: Box<[u32]>,
}

impl ChainIndex {
    /// Room for the slots below `capacity`.
    pub(crate) fn new(capacity: u32) -> Self {
        assert!(capacity < u32::MAX, "slots are kept one up");
        let chains = (capacity as usize).max(4).next_power_of_two() * 2;
        Self {
            heads: vec![0; chains].into_boxed_slice(),
            after: vec![0; capacity as usize].into_boxed_slice(),
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.heads) + size_of_val(&*self.after)
    }

    /// The slot with this hash for which `is` holds.
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut next = self.heads[self.chain(hash)];
        // Ends: a slot is in one chain once, and chains have no cycles.
        while let Some(slot) = next.checked_sub(1) {
            if is(slot) {
                return Some(slot);
            }
            next = self.after[slot as usize];
        }
        None
    }

    /// Adds `slot`, which must not be in the index.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        let chain = self.chain(hash);
        self.after[slot as usize] = self.heads[chain];
        self.heads[chain] = slot + 1;
    }

    /// Takes `slot` out, which was added under `hash`.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) {
        let chain = self.chain(hash);
        let next = self.after[slot as usize];
        let wanted = slot + 1;
        if self.heads[chain] == wanted {
            self.heads[chain] = next;
            return;
        }
        let mut at = self.heads[chain];
        // Ends: as in `find`; the assertion holds before the end of the chain.
        loop {
            assert!(at != 0, "a slot is removed under the hash it was added under");
            let link = &mut self.after[at as usize - 1];
            if *link == wanted {
                *link = next;
                return;
            }
            at = *link;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the mask takes the low bits anyway")]
    const fn chain(&self, hash: u64) -> usize {
        hash as usize & (self.heads.len() - 1)
    }
}

#[cfg(test)]
mod tests;
