//! Buffers that the kernel fills: it takes one for each receive.

use std::io;
use std::net::SocketAddrV4;
use std::ptr;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use memmap2::{MmapMut, MmapRaw};

use super::Ring;

/// The name of a group of buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) u16);

/// A group of equal buffers, shared with one ring.
///
/// Belongs behind the ring in its owner: fields are dropped in their order, and the ring must go
/// before the memory that the kernel writes.
#[derive(Debug)]
pub(crate) struct ReceiveBuffers {
    entries: MmapRaw,
    memory: MmapRaw,
    count: u16,
    size: usize,
    /// Entries ever handed to the kernel, modulo 2^16.
    tail: u16,
}

/// A datagram out of a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'b> {
    /// Who sent it.
    pub(crate) source: SocketAddrV4,
    /// Several datagrams that the kernel left together if `segment` is smaller than this.
    pub(crate) payload: &'b [u8],
    /// Length of each datagram, of which only the last may be shorter.
    pub(crate) segment: usize,
}

impl ReceiveBuffers {
    /// Makes `count` buffers (a power of two) of `size` bytes and hands them to `ring`.
    ///
    /// # Errors
    /// If there is no memory, or what the kernel says.
    pub(crate) fn register(ring: &Ring, group: Group, count: u16, size: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two(), "the kernel indexes the ring by masking");
        let entries = MmapMut::map_anon(usize::from(count) * size_of::<BufRingEntry>())?;
        let memory = MmapRaw::from(MmapMut::map_anon(usize::from(count) * size)?);
        let entries = MmapRaw::from(entries);
        // SAFETY: both mappings are page-aligned and live as long as `self`, which the owner
        // keeps longer than the ring.
        unsafe { ring.register_buffers(group, entries.as_ptr() as u64, count)? };
        let mut buffers = Self { entries, memory, count, size, tail: 0 };
        for id in 0..count {
            buffers.offer(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The first `len` bytes of a buffer.
    pub(crate) fn bytes(&self, filled: &Filled, len: usize) -> &[u8] {
        let id = filled.0;
        assert!(id < self.count && len <= self.size, "the kernel fills what it was given");
        let first = self.memory.as_ptr().wrapping_add(usize::from(id) * self.size);
        // SAFETY: both bounds were checked against the mapping; the kernel does not write to a
        // buffer between its completion, which alone makes a `Filled`, and `give_back`, which
        // takes it.
        unsafe { std::slice::from_raw_parts(first, len) }
    }

    /// The datagram in a buffer that a [`Ring::receive_from`] filled with `len` bytes.
    pub(crate) fn datagram(
        &self,
        filled: &Filled,
        len: usize,
        segments: bool,
    ) -> Option<Datagram<'_>> {
        let bytes = self.bytes(filled, len);
        let (header, rest) = bytes.split_first_chunk::<OUT_BYTES>()?;
        let (name, rest) = rest.split_first_chunk::<NAME_BYTES>()?;
        let (control, rest) = rest.split_at_checked(if segments { CONTROL_BYTES } else { 0 })?;
        // struct io_uring_recvmsg_out: namelen, controllen, payloadlen, flags.
        let field = |at: usize| -> usize {
            header[at..at + 4].try_into().map_or(0, u32::from_ne_bytes) as usize
        };
        let payload = &rest[..field(8).min(rest.len())];
        let port = u16::from_be_bytes([name[2], name[3]]);
        let source = SocketAddrV4::new([name[4], name[5], name[6], name[7]].into(), port);
        // The only control message that was asked for is UDP_GRO: a header of 16 bytes, an int.
        let segment = match control.get(16..20) {
            Some(value) if field(4) >= 20 => {
                value.try_into().map_or(0, i32::from_ne_bytes).max(1) as usize
            }
            _ => payload.len(),
        };
        Some(Datagram { source, payload, segment })
    }

    /// Lets the kernel fill the buffer again, from the next [`ReceiveBuffers::publish`] on.
    pub(crate) fn give_back(&mut self, filled: Filled) {
        assert!(filled.0 < self.count, "the kernel fills what it was given");
        self.offer(filled.0);
    }

    /// Shows the kernel what was given back.
    pub(crate) fn publish(&self) {
        // SAFETY: the mapping begins with an initialised entry, whose last field is the tail.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr().cast()) };
        // SAFETY: the tail is aligned, lives as long as the mapping, and only this thread writes.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

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
}

/// A buffer that the kernel has filled: whoever has this may read it, until it is given back.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost"]
pub(crate) struct Filled(u16);

impl Filled {
    /// The buffer that a completion names. Each completion names its own.
    pub(super) const fn new(id: u16) -> Self {
        Self(id)
    }
}

/// What a receive of datagrams is told: how much room names and control messages get.
pub(super) fn message(control_bytes: usize) -> libc::msghdr {
    libc::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: NAME_BYTES as u32,
        msg_iov: ptr::null_mut(),
        msg_iovlen: 0,
        msg_control: ptr::null_mut(),
        msg_controllen: control_bytes as _,
        msg_flags: 0,
    }
}

/// Room for one control message with an int: `CMSG_SPACE(4)`.
pub(super) const CONTROL_BYTES: usize = 24;

/// `struct io_uring_recvmsg_out`.
const OUT_BYTES: usize = 16;

/// `struct sockaddr_in`.
const NAME_BYTES: usize = 16;
