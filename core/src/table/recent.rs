//! What was learned about peers lately: a map that forgets whom it has not heard of longest.

use alloc::vec::Vec;
use core::hash::Hash;

use super::index::ChainIndex;
use super::links::{Links, List};
use crate::hash::KeyedHash;
use crate::rng::Rng;

/// At most `capacity` entries; a new one takes the place of the one written longest ago.
#[derive(Clone, Debug)]
pub(crate) struct RecentMap<K, V> {
    entries: Vec<(K, V)>,
    capacity: u32,
    index: ChainIndex,
    links: Links,
    order: List,
    hash: KeyedHash,
}

impl<K: Copy + Eq + Hash, V> RecentMap<K, V> {
    /// Room for `capacity` entries, of which there must be one at least.
    pub(crate) fn new(capacity: u32, rng: &mut Rng) -> Self {
        assert!(capacity > 0, "a map without room remembers nothing");
        Self {
            entries: Vec::with_capacity(capacity as usize),
            capacity,
            index: ChainIndex::new(capacity),
            links: Links::new(capacity),
            order: List::EMPTY,
            hash: KeyedHash::new(rng),
        }
    }

    /// What is known about `key`.
    pub(crate) fn find(&self, key: &K) -> Option<&V> {
        let slot = self.slot(key)?;
        Some(&self.entries[slot as usize].1)
    }

    /// Writes `value` for `key`, replacing what was known.
    pub(crate) fn put(&mut self, key: K, value: V) {
        let hash = self.hash.hash(&key);
        let slot = match self.index.find(hash, |slot| self.entries[slot as usize].0 == key) {
            Some(slot) => {
                self.links.remove(&mut self.order, slot);
                slot
            }
            None => self.place(hash),
        };
        match self.entries.get_mut(slot as usize) {
            Some(entry) => *entry = (key, value),
            None => self.entries.push((key, value)),
        }
        self.links.push_last(&mut self.order, slot);
    }

    /// A slot for a new key with this hash, in the index but in no list.
    fn place(&mut self, hash: u64) -> u32 {
        let used = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let slot = if used < self.capacity {
            used
        } else {
            let oldest = self.order.first();
            let Some(oldest) = oldest else { unreachable!("a full map has an oldest entry") };
            self.links.remove(&mut self.order, oldest);
            let hash_of_oldest = self.hash.hash(&self.entries[oldest as usize].0);
            self.index.remove(hash_of_oldest, oldest);
            oldest
        };
        self.index.insert(hash, slot);
        slot
    }

    fn slot(&self, key: &K) -> Option<u32> {
        self.index.find(self.hash.hash(key), |slot| self.entries[slot as usize].0 == *key)
    }
}

#[cfg(test)]
mod tests;
