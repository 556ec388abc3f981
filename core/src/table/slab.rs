//! Values in numbered slots, named by slot and generation.

use alloc::vec::Vec;

/// A value in a [`Slab`]: stale names (of a value that is gone) find nothing.
///
/// A generation comes back after 2³² values in one slot, far beyond the life of any name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle {
    /// Index, below the capacity.
    pub slot: u32,
    /// Which of the values that have lived in this slot.
    pub generation: u32,
}

impl Handle {
    /// The handle in one number, as [`crate::engine::Origin`] carries it.
    pub const fn to_bits(self) -> u64 {
        (self.slot as u64) << 32 | self.generation as u64
    }

    /// What [`Handle::to_bits`] packed.
    #[expect(clippy::cast_possible_truncation, reason = "the halves are taken apart")]
    pub const fn from_bits(bits: u64) -> Self {
        Self { slot: (bits >> 32) as u32, generation: bits as u32 }
    }
}

/// Up to `capacity` values in slots; all operations are O(1), only [`Slab::iter`] is not.
///
/// The memory is reserved at once and touched slot by slot, so a table that is sized for the worst
/// minute costs nothing in the others.
#[derive(Debug)]
pub struct Slab<T> {
    /// The slots that have been used; the rest of the capacity is reserved.
    entries: Vec<Entry<T>>,
    capacity: u32,
    /// The slot freed last is used next: its memory is warm.
    first_free: Option<u32>,
    len: u32,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    state: State<T>,
}

#[derive(Debug)]
enum State<T> {
    Free { next: Option<u32> },
    Taken(T),
}

impl<T> Slab<T> {
    /// Room for `capacity` values, allocated at once.
    ///
    /// # Panics
    /// If `capacity` is `u32::MAX`, which the ready ring and the timer wheel use as a mark.
    pub fn new(capacity: u32) -> Self {
        assert!(capacity < u32::MAX, "the largest slot number is a mark");
        let entries = Vec::with_capacity(capacity as usize);
        Self { entries, capacity, first_free: None, len: 0 }
    }

    /// Stores `value` and tells its name.
    ///
    /// # Errors
    /// The value back if all slots are taken.
    pub fn insert(&mut self, value: T) -> Result<Handle, T> {
        let Some(slot) = self.first_free else {
            return self.insert_fresh(value);
        };
        let entry = &mut self.entries[slot as usize];
        let State::Free { next } = entry.state else {
            panic!("a slot on the free list is free");
        };
        self.first_free = next;
        entry.state = State::Taken(value);
        self.len += 1;
        Ok(Handle { slot, generation: entry.generation })
    }

    /// Stores `value` in a slot that has never been used.
    fn insert_fresh(&mut self, value: T) -> Result<Handle, T> {
        assert!(self.len as usize == self.entries.len(), "without a free slot all are taken");
        if self.is_full() {
            return Err(value);
        }
        let handle = Handle { slot: self.len, generation: 0 };
        self.entries.push(Entry { generation: 0, state: State::Taken(value) });
        self.len += 1;
        Ok(handle)
    }

    /// Takes the value out; its slot is free again.
    pub fn remove(&mut self, handle: Handle) -> Option<T> {
        let entry = self.entries.get_mut(handle.slot as usize)?;
        if entry.generation != handle.generation || matches!(entry.state, State::Free { .. }) {
            return None;
        }
        entry.generation = entry.generation.wrapping_add(1);
        let freed = State::Free { next: self.first_free };
        let State::Taken(value) = core::mem::replace(&mut entry.state, freed) else {
            panic!("a slot that was not free is taken");
        };
        self.first_free = Some(handle.slot);
        assert!(self.len > 0, "a taken slot was counted");
        self.len -= 1;
        Some(value)
    }

    /// The value.
    pub fn get(&self, handle: Handle) -> Option<&T> {
        match self.entries.get(handle.slot as usize)? {
            Entry { generation, state: State::Taken(value) }
                if *generation == handle.generation =>
            {
                Some(value)
            }
            Entry { .. } => None,
        }
    }

    /// The value, to change it.
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        match self.entries.get_mut(handle.slot as usize)? {
            Entry { generation, state: State::Taken(value) }
                if *generation == handle.generation =>
            {
                Some(value)
            }
            Entry { .. } => None,
        }
    }

    /// The name of the value that lives in `slot` now.
    ///
    /// Ready rings and timer wheels know slots only; whoever keeps them in step with the slab
    /// finds the value by this.
    pub fn handle_at(&self, slot: u32) -> Option<Handle> {
        match self.entries.get(slot as usize)? {
            Entry { generation, state: State::Taken(_) } => {
                Some(Handle { slot, generation: *generation })
            }
            Entry { .. } => None,
        }
    }

    /// The value that lives in `slot` now.
    pub fn at(&self, slot: u32) -> Option<&T> {
        match &self.entries.get(slot as usize)?.state {
            State::Taken(value) => Some(value),
            State::Free { .. } => None,
        }
    }

    /// The value that lives in `slot` now, to change it.
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        match &mut self.entries.get_mut(slot as usize)?.state {
            State::Taken(value) => Some(value),
            State::Free { .. } => None,
        }
    }

    /// All values in the order of their slots, in O(capacity): for shutdown and tests.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        self.entries.iter().zip(0..).filter_map(|(entry, slot)| match &entry.state {
            State::Taken(value) => Some((Handle { slot, generation: entry.generation }, value)),
            State::Free { .. } => None,
        })
    }

    /// Number of values.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no value.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether all slots are taken.
    pub const fn is_full(&self) -> bool {
        self.len == self.capacity
    }

    /// Number of slots.
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }
}

#[cfg(test)]
mod tests;
