//! Send slots: for each send in flight the head that an engine wrote and the message header that
//! the kernel reads, at addresses that stay.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ptr;

use libc::{c_void, iovec, msghdr};
use memmap2::{MmapMut, MmapRaw};
use reveille_core::engine::Split;
use reveille_core::limits;
use reveille_core::mac::MacAddr;

/// A fixed number of send slots, each with room for `IOVECS` pieces.
///
/// Memory is touched when a slot is first used; the one freed last is used first. Belongs behind
/// the ring in its owner, like all that the kernel reads.
pub(crate) struct SendSlots<const IOVECS: usize> {
    messages: Box<[Message<IOVECS>]>,
    heads: MmapRaw,
    free: Vec<u32>,
    /// Slots from here on have never been used.
    fresh: u32,
}

impl<const IOVECS: usize> SendSlots<IOVECS> {
    /// Makes `count` slots.
    ///
    /// # Errors
    /// If there is no address space.
    pub(crate) fn new(count: u32) -> io::Result<Self> {
        let count = count as usize;
        let heads = MmapMut::map_anon((count * limits::HEAD_BYTES).max(1))?;
        let messages = Box::new_zeroed_slice(count);
        // SAFETY: a message is made of integers, raw pointers and arrays of them: zeros are one.
        let messages = unsafe { messages.assume_init() };
        Ok(Self { messages, heads: heads.into(), free: Vec::with_capacity(count), fresh: 0 })
    }

    /// The slot that is taken next, if one is free.
    pub(crate) fn next_free(&self) -> Option<u32> {
        self.free.last().copied().or_else(|| self.has_fresh().then_some(self.fresh))
    }

    /// The head buffer of a free slot, for an engine to write into.
    pub(crate) fn head_mut(&mut self, slot: u32) -> &mut [u8] {
        debug_assert!(self.next_free() == Some(slot), "a head in flight belongs to the kernel");
        let head = self.head(slot);
        // SAFETY: `head` lies inside the mapping (`head` asserts the bound), no send in flight
        // reads it, and the borrow of `self` keeps everybody else away.
        unsafe { std::slice::from_raw_parts_mut(head, limits::HEAD_BYTES) }
    }

    /// Copies a head to where it stays until the slot is freed, and tells where that is.
    ///
    /// Short heads lie in the message: the next slot's is not a page away then, and pages of long
    /// heads are not touched.
    pub(crate) fn keep_head(&mut self, slot: u32, head: &[u8]) -> *const u8 {
        match self.messages[slot as usize].short_head.get_mut(..head.len()) {
            Some(short) => {
                short.copy_from_slice(head);
                short.as_ptr()
            }
            None => {
                let long = &mut self.head_mut(slot)[..head.len()];
                long.copy_from_slice(head);
                long.as_ptr()
            }
        }
    }

    /// Takes the slot that [`Self::next_free`] named.
    pub(crate) fn take(&mut self, slot: u32) {
        assert_eq!(self.next_free(), Some(slot), "a slot is taken once");
        if self.free.pop().is_none() {
            self.fresh += 1;
        }
    }

    /// Frees a slot after its last completion, or if its send was never submitted.
    pub(crate) fn release(&mut self, slot: u32) {
        assert!(slot < self.fresh, "only a taken slot can be freed");
        assert!(self.free.len() < self.fresh as usize, "a slot is freed once");
        let message = &mut self.messages[slot as usize];
        message.life = message.life.wrapping_add(1);
        self.free.push(slot);
    }

    /// Which of its lives the slot is in.
    pub(crate) fn life(&self, slot: u32) -> u32 {
        self.messages[slot as usize].life
    }

    /// The message header of a taken slot.
    pub(crate) fn message_mut(&mut self, slot: u32) -> &mut Message<IOVECS> {
        &mut self.messages[slot as usize]
    }

    /// Where the head of a slot lies.
    pub(crate) fn head(&self, slot: u32) -> *mut u8 {
        assert!((slot as usize) < self.messages.len(), "a slot of this table");
        self.heads.as_mut_ptr().wrapping_add(slot as usize * limits::HEAD_BYTES)
    }

    /// Number of slots in use.
    pub(crate) const fn in_use(&self) -> usize {
        self.fresh as usize - self.free.len()
    }

    /// Number of slots.
    pub(crate) const fn capacity(&self) -> usize {
        self.messages.len()
    }

    const fn has_fresh(&self) -> bool {
        (self.fresh as usize) < self.messages.len()
    }
}

impl<const IOVECS: usize> std::fmt::Debug for SendSlots<IOVECS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendSlots").field("in_use", &self.in_use()).finish_non_exhaustive()
    }
}

/// The two parts of every send: a head from the slot, a body from an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    /// Where the head lies.
    pub(crate) head: *const u8,
    /// Its length in bytes.
    pub(crate) head_len: usize,
    /// Where the body lies.
    pub(crate) body: *const u8,
    /// Its length in bytes.
    pub(crate) body_len: usize,
}

/// What `sendmsg` reads: header, addresses, control data and pieces, pointing at each other.
///
/// A datagram with one block touches the first three cache lines only.
#[repr(C, align(64))]
pub(crate) struct Message<const IOVECS: usize> {
    header: msghdr,
    life: u32,
    inet: libc::sockaddr_in,
    control: Control,
    /// A head that is short enough to live here.
    short_head: [u8; SHORT_HEAD_BYTES],
    iovecs: [iovec; IOVECS],
    link: libc::sockaddr_ll,
}

/// Two control messages: how the datagram leaves, and how it falls into segments.
#[repr(C)]
struct Control {
    packet_header: libc::cmsghdr,
    packet: libc::in_pktinfo,
    packet_padding: u32,
    segment_header: libc::cmsghdr,
    segment: u16,
    segment_padding: [u16; 3],
}

const _: () = {
    // `CMSG_SPACE` of both.
    assert!(std::mem::offset_of!(Control, segment_header) == 32);
    assert!(size_of::<Control>() == 56);
    // Three cache lines hold all that a datagram with one block needs.
    assert!(std::mem::offset_of!(Message<2>, iovecs) + 2 * size_of::<iovec>() <= 3 * 64);
};

impl<const IOVECS: usize> Message<IOVECS> {
    /// Addresses a datagram: to `destination`, from `source`, by the interface with the index
    /// `interface` (0: as the routes say).
    pub(crate) fn set_route(
        &mut self,
        destination: SocketAddrV4,
        source: Ipv4Addr,
        interface: u32,
    ) {
        self.inet = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: destination.port().to_be(),
            sin_addr: in_addr(*destination.ip()),
            sin_zero: [0; 8],
        };
        self.header.msg_name = (&raw mut self.inet).cast();
        self.header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        self.control.packet_header = libc::cmsghdr {
            cmsg_len: size_of::<libc::cmsghdr>() + size_of::<libc::in_pktinfo>(),
            cmsg_level: libc::IPPROTO_IP,
            cmsg_type: libc::IP_PKTINFO,
        };
        self.control.packet = libc::in_pktinfo {
            ipi_ifindex: interface as i32,
            ipi_spec_dst: in_addr(source),
            ipi_addr: in_addr(Ipv4Addr::UNSPECIFIED),
        };
        self.set_control(std::mem::offset_of!(Control, segment_header));
    }

    /// Addresses a packet to a station on the link with the index `interface`.
    pub(crate) fn set_station(&mut self, station: MacAddr, interface: u32, protocol: u16) {
        let mut address = [0; 8];
        address[..station.0.len()].copy_from_slice(&station.0);
        self.link = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: protocol.to_be(),
            sll_ifindex: interface as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: station.0.len() as u8,
            sll_addr: address,
        };
        self.header.msg_name = (&raw mut self.link).cast();
        self.header.msg_namelen = size_of::<libc::sockaddr_ll>() as u32;
        self.set_control(0);
    }

    /// Goes where its connection goes.
    pub(crate) fn set_connected(&mut self) {
        self.header.msg_name = ptr::null_mut();
        self.header.msg_namelen = 0;
        self.set_control(0);
    }

    /// One datagram, or the next bytes of a stream.
    pub(crate) fn set_parts(&mut self, parts: Parts) {
        self.iovecs[0] = piece(parts.head, parts.head_len);
        self.iovecs[1] = piece(parts.body, parts.body_len);
        self.set_pieces(0, 2);
    }

    /// Several datagrams in one send: pieces of the head and of the body in turns.
    pub(crate) fn set_split(&mut self, parts: Parts, split: Split) {
        let (head_len, body_len) = (usize::from(split.head_len), usize::from(split.body_len));
        let segments = usize::from(split.segments);
        assert!(segments * 2 <= IOVECS, "an engine keeps to SPLIT_SEGMENTS_MAX");
        assert!(segments * head_len <= parts.head_len, "an engine writes every head");
        let mut body_left = parts.body_len;
        for (index, pair) in self.iovecs[..segments * 2].chunks_exact_mut(2).enumerate() {
            let body = body_left.min(body_len);
            pair[0] = piece(parts.head.wrapping_add(index * head_len), head_len);
            pair[1] = piece(parts.body.wrapping_add(index * body_len), body);
            body_left -= body;
        }
        assert!(body_left == 0, "the segments cover the whole body");
        self.set_pieces(0, segments * 2);
        self.control.segment_header = libc::cmsghdr {
            cmsg_len: size_of::<libc::cmsghdr>() + size_of::<u16>(),
            cmsg_level: libc::SOL_UDP,
            cmsg_type: libc::UDP_SEGMENT,
        };
        self.control.segment = split.head_len + split.body_len;
        self.set_control(size_of::<Control>());
    }

    /// Narrows a split message to one of its datagrams.
    pub(crate) fn narrow_to_segment(&mut self, segment: u16) {
        self.set_pieces(usize::from(segment) * 2, 2);
        self.set_control(std::mem::offset_of!(Control, segment_header));
    }

    /// Leaves the first `sent` bytes out of a stream's message, and says how many are left.
    pub(crate) fn advance(&mut self, sent: usize) -> usize {
        let mut sent = sent;
        for piece in &mut self.iovecs[..2] {
            let step = sent.min(piece.iov_len);
            piece.iov_base = piece.iov_base.wrapping_byte_add(step);
            piece.iov_len -= step;
            sent -= step;
        }
        assert!(sent == 0, "the kernel sends no more than it was given");
        self.iovecs[0].iov_len + self.iovecs[1].iov_len
    }

    /// What the kernel is given.
    pub(crate) const fn header(&self) -> *const msghdr {
        &raw const self.header
    }

    fn set_pieces(&mut self, first: usize, count: usize) {
        self.header.msg_iov = self.iovecs[first..first + count].as_mut_ptr();
        self.header.msg_iovlen = count;
    }

    fn set_control(&mut self, len: usize) {
        self.header.msg_control =
            if len == 0 { ptr::null_mut() } else { (&raw mut self.control).cast() };
        self.header.msg_controllen = len;
    }
}

fn piece(first: *const u8, len: usize) -> iovec {
    iovec { iov_base: first.cast_mut().cast::<c_void>(), iov_len: len }
}

fn in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) }
}

/// Heads up to this length live in the message: up to six DATA headers of TFTP, or an answer to
/// its options.
const SHORT_HEAD_BYTES: usize = 24;

#[cfg(test)]
mod tests;
