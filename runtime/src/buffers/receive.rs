//! Buffers that the kernel fills: it takes one from the ring for each receive.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use memmap2::{MmapMut, MmapRaw};

use crate::op::BufferGroup;
use crate::ring::Ring;

/// A group of equal buffers, shared with one ring.
///
/// Belongs behind the ring in its owner: fields are dropped in their order, and the ring must go
/// before the memory that the kernel writes.
#[derive(Debug)]
pub(crate) struct ReceiveBuffers {
    group: BufferGroup,
    entries: MmapRaw,
    memory: MmapRaw,
    count: u16,
    size: usize,
    /// Entries ever handed to the kernel, modulo 2^16.
    tail: u16,
}

/// A buffer that the kernel has filled and that is ours until it is given back.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost"]
pub(crate) struct Filled {
    id: u16,
    len: usize,
}

impl ReceiveBuffers {
    /// Makes `count` buffers (a power of two) of `size` bytes and hands them to `ring`.
    ///
    /// # Errors
    /// If there is no memory, or what the kernel says.
    pub(crate) fn register(
        ring: &Ring,
        group: BufferGroup,
        count: u16,
        size: usize,
    ) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel indexes the ring by masking");
        let entries = MmapRaw::from(MmapMut::map_anon(usize::from(count) * ENTRY_BYTES)?);
        let memory = MmapRaw::from(MmapMut::map_anon(usize::from(count) * size)?);
        // SAFETY: both mappings are page-aligned and live as long as `self`, which the owner
        // keeps longer than the ring.
        unsafe { ring.register_buffers(group, entries.as_ptr(), count)? };
        let mut buffers = Self { group, entries, memory, count, size, tail: 0 };
        for id in 0..count {
            buffers.offer(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The name that receives call the group by.
    pub(crate) const fn group(&self) -> BufferGroup {
        self.group
    }

    /// The buffer that a completion says was filled with `len` bytes.
    pub(crate) fn filled(&self, id: u16, len: usize) -> Filled {
        assert!(id < self.count, "the kernel fills buffers that it was given");
        assert!(len <= self.size, "the kernel fills no more than a buffer");
        Filled { id, len }
    }

    /// What the kernel wrote.
    pub(crate) fn bytes(&self, filled: &Filled) -> &[u8] {
        let first = self.memory.as_ptr().wrapping_add(usize::from(filled.id) * self.size);
        // SAFETY: `filled` checked both bounds against the mapping; the kernel does not write to
        // a buffer between its completion and `give_back`, which takes `filled` away.
        unsafe { std::slice::from_raw_parts(first, filled.len) }
    }

    /// Lets the kernel fill the buffer again.
    pub(crate) fn give_back(&mut self, filled: Filled) {
        self.offer(filled.id);
        self.publish();
    }

    /// Writes the entry at the tail; the kernel sees it after [`Self::publish`].
    fn offer(&mut self, id: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        let entry = self.entries.as_mut_ptr().cast::<BufRingEntry>().wrapping_add(index);
        let address = self.memory.as_ptr().wrapping_add(usize::from(id) * self.size);
        // SAFETY: the index is below the count the mapping was made for, the mapping is aligned
        // to pages, and the kernel reads no entry at or behind the published tail.
        let entry = unsafe { &mut *entry };
        entry.set_addr(address as u64);
        entry.set_len(self.size as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: the mapping begins with an initialised entry, whose last field is the tail.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr().cast()) };
        // SAFETY: the tail is aligned, lives as long as the mapping, and only this thread writes.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Size of an entry in the ring (`struct io_uring_buf`).
const ENTRY_BYTES: usize = size_of::<BufRingEntry>();

#[cfg(test)]
mod tests;
