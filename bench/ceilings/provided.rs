//! A ring of receive buffers that the kernel takes from.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use io_uring::{IoUring, Submitter};
use memmap2::{MmapMut, MmapRaw};

/// The only group of buffers that a ceiling has.
pub(crate) const GROUP: u16 = 0;

/// A ring whose completions are processed when its thread asks, with a single issuer.
pub(crate) fn new_ring(completions: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all();
    builder.setup_cqsize(completions);
    builder.build(SUBMISSIONS)
}

/// Equal buffers, lent to the kernel until a completion names them.
///
/// It has to be dropped after the ring that it is registered with.
#[derive(Debug)]
pub(crate) struct Buffers {
    entries: MmapRaw,
    memory: MmapRaw,
    count: u16,
    size: usize,
    /// Entries ever lent, modulo 2^16.
    tail: u16,
}

impl Buffers {
    /// Makes `count` buffers, a power of two, of `size` bytes each and lends them all.
    pub(crate) fn register(submitter: &Submitter<'_>, count: u16, size: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel masks its index");
        let entries = MmapMut::map_anon(usize::from(count) * size_of::<BufRingEntry>())?;
        let entries = MmapRaw::from(entries);
        let memory = MmapRaw::from(MmapMut::map_anon(usize::from(count) * size)?);
        // SAFETY: both mappings live in the value made below, which outlives the ring.
        unsafe {
            submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, count, GROUP, 0)?;
        }
        let mut buffers = Self { entries, memory, count, size, tail: 0 };
        for id in 0..count {
            buffers.lend(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The first `len` bytes of a buffer that a completion has named.
    pub(crate) fn bytes(&self, id: u16, len: usize) -> &[u8] {
        assert!(id < self.count && len <= self.size, "the kernel fills what it was lent");
        let first = self.memory.as_ptr().wrapping_add(usize::from(id) * self.size);
        // SAFETY: the bounds are checked above, and the kernel does not write to a buffer between
        // its completion and the next `lend`.
        unsafe { std::slice::from_raw_parts(first, len) }
    }

    /// Prepares a buffer for the kernel, which takes it after [`Self::publish`].
    pub(crate) fn lend(&mut self, id: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        let entry = self.entries.as_mut_ptr().cast::<BufRingEntry>().wrapping_add(index);
        // SAFETY: the index is below the count that the mapping was made for, and the kernel
        // reads nothing at or behind the published tail.
        let entry = unsafe { &mut *entry };
        entry.set_addr(self.memory.as_ptr().wrapping_add(usize::from(id) * self.size) as u64);
        entry.set_len(self.size as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Gives the kernel all buffers that were lent.
    pub(crate) fn publish(&self) {
        // SAFETY: the mapping begins with an initialised entry, which holds the tail.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr().cast()) };
        // SAFETY: it is aligned, lives as long as the mapping, and only this thread writes it.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Entries of the submission queue: what one turn submits at most without another system call.
const SUBMISSIONS: u32 = 4096;
