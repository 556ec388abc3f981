//! Memory for requests that cannot be answered from the received bytes alone.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// A fixed number of buffers of a fixed size. A connection borrows one while a part of a request
/// head, or a request behind the one being answered, has to wait.
///
/// The memory is asked for zeroed and at once, so the system hands out pages when a buffer is
/// first used; buffers used last are used next, so few ever are.
pub(super) struct Buffers {
    memory: Box<[u8]>,
    lengths: Box<[usize]>,
    free: Vec<u32>,
    size: usize,
}

/// A borrowed buffer; whoever holds it owns its bytes and gives it back to [`Buffers::release`].
#[derive(Debug)]
pub(super) struct BufferId(u32);

impl Buffers {
    /// `count` buffers of `size` bytes.
    pub(super) fn new(count: u32, size: usize) -> Self {
        Self {
            memory: vec![0; count as usize * size].into_boxed_slice(),
            lengths: vec![0; count as usize].into_boxed_slice(),
            free: (0..count).rev().collect(),
            size,
        }
    }

    /// Lends an empty buffer, if one is left.
    pub(super) fn take(&mut self) -> Option<BufferId> {
        let index = self.free.pop()?;
        assert!(self.lengths[index as usize] == 0, "a free buffer is empty");
        Some(BufferId(index))
    }

    /// Takes a buffer back.
    pub(super) fn release(&mut self, id: BufferId) {
        self.lengths[id.0 as usize] = 0;
        assert!(self.free.len() < self.lengths.len(), "only what was lent comes back");
        self.free.push(id.0);
    }

    /// What is in the buffer.
    pub(super) fn bytes(&self, id: &BufferId) -> &[u8] {
        let start = id.0 as usize * self.size;
        &self.memory[start..start + self.lengths[id.0 as usize]]
    }

    /// Whether nothing more fits.
    pub(super) fn is_full(&self, id: &BufferId) -> bool {
        self.lengths[id.0 as usize] == self.size
    }

    /// Adds as many of `bytes` as fit and tells how many those are.
    pub(super) fn append(&mut self, id: &BufferId, bytes: &[u8]) -> usize {
        let len = &mut self.lengths[id.0 as usize];
        let count = bytes.len().min(self.size - *len);
        let start = id.0 as usize * self.size + *len;
        self.memory[start..start + count].copy_from_slice(&bytes[..count]);
        *len += count;
        count
    }

    /// Drops the first `count` bytes and tells how many are left.
    pub(super) fn consume(&mut self, id: &BufferId, count: usize) -> usize {
        let len = &mut self.lengths[id.0 as usize];
        assert!(count <= *len, "only bytes that are there are consumed");
        let start = id.0 as usize * self.size;
        self.memory.copy_within(start + count..start + *len, start);
        *len -= count;
        *len
    }

    /// Number of buffers that are lent.
    pub(super) fn lent(&self) -> usize {
        self.lengths.len() - self.free.len()
    }
}

impl core::fmt::Debug for Buffers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Megabytes of requests help nobody.
        f.debug_struct("Buffers").field("lent", &self.lent()).finish_non_exhaustive()
    }
}
