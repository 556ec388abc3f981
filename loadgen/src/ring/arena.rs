//! Memory for what is sent in a turn.

use std::mem::MaybeUninit;
use std::net::SocketAddrV4;
use std::slice;

use memmap2::{MmapMut, MmapRaw};

/// Bytes, addresses and message headers, one behind the other, until all is cleared at once.
///
/// It is mapped memory that is only reached by raw pointers: the kernel reads it between the
/// submission of an operation and the return of the enter.
#[derive(Debug)]
pub(super) struct Arena {
    memory: MmapRaw,
    used: usize,
}

/// A message header with all that it points to, except the payload.
#[repr(C)]
struct Message {
    header: libc::msghdr,
    payload: libc::iovec,
    address: libc::sockaddr_in,
    control: Control,
}

/// Room for one control message with a 16-bit value.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

impl Arena {
    pub(super) fn new(bytes: usize) -> Self {
        let memory = MmapMut::map_anon(bytes).expect("half a mebibyte of memory is there");
        Self { memory: MmapRaw::from(memory), used: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.used + bytes + ALIGNMENT <= self.memory.len()
    }

    /// Lets `fill` write at most `room` bytes; returns where they are, and how many.
    pub(super) fn write(
        &mut self,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> (*const u8, usize) {
        assert!(self.has_room(room), "room was made before");
        let first = self.memory.as_mut_ptr().wrapping_add(self.used);
        // SAFETY: the range lies within the mapping (checked above) and is handed out once until
        // the arena is cleared, which needs `&mut self`.
        let space = unsafe { slice::from_raw_parts_mut(first, room) };
        let len = fill(space);
        assert!(len <= room, "no more was written than there was room for");
        self.used += len.next_multiple_of(ALIGNMENT);
        (first, len)
    }

    /// A header for sending `len` bytes at `payload`, which are in this arena, to an address.
    pub(super) fn message(
        &mut self,
        to: SocketAddrV4,
        payload: *const u8,
        len: usize,
    ) -> *const libc::msghdr {
        let message = self.place(payload, len);
        message.address = socket_address(to);
        message.header.msg_name = (&raw mut message.address).cast();
        message.header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        &raw const message.header
    }

    /// A header for sending `len` bytes at `payload` as datagrams of `segment` bytes.
    pub(super) fn segmented(
        &mut self,
        payload: *const u8,
        len: usize,
        segment: u16,
    ) -> *const libc::msghdr {
        let message = self.place(payload, len);
        message.header.msg_control = (&raw mut message.control).cast();
        message.header.msg_controllen = CONTROL_BYTES as _;
        // SAFETY: the header points to room for one control message with a 16-bit value.
        let control = unsafe { libc::CMSG_FIRSTHDR(&raw const message.header) };
        // SAFETY: CMSG_FIRSTHDR gave a pointer into `control`, which is long enough and aligned.
        let control = unsafe { &mut *control };
        control.cmsg_level = libc::SOL_UDP;
        control.cmsg_type = libc::UDP_SEGMENT;
        // SAFETY: pure arithmetic.
        control.cmsg_len = unsafe { libc::CMSG_LEN(2) } as _;
        // SAFETY: the data lie within `control`, behind the header just written.
        let data = unsafe { libc::CMSG_DATA(control) };
        // SAFETY: as above; two bytes are within `CONTROL_BYTES`.
        unsafe { data.cast::<u16>().write_unaligned(segment) };
        &raw const message.header
    }

    /// An address for a connect.
    pub(super) fn address(&mut self, to: SocketAddrV4) -> (*const libc::sockaddr, u32) {
        let message = self.place(std::ptr::null(), 0);
        message.address = socket_address(to);
        ((&raw const message.address).cast(), size_of::<libc::sockaddr_in>() as u32)
    }

    fn place(&mut self, payload: *const u8, len: usize) -> &mut Message {
        assert!(self.has_room(MESSAGE_BYTES), "room was made before");
        let first = self.memory.as_mut_ptr().wrapping_add(self.used).cast::<Message>();
        self.used += MESSAGE_BYTES;
        // SAFETY: the range lies within the mapping, is aligned (`used` is a multiple of 16 and
        // the mapping begins a page), and is handed out once until the arena is cleared.
        let message = unsafe { &mut *first };
        // SAFETY: all zeros are a valid value of these C types.
        *message = unsafe { MaybeUninit::<Message>::zeroed().assume_init() };
        message.payload = libc::iovec { iov_base: payload.cast_mut().cast(), iov_len: len };
        message.header.msg_iov = &raw mut message.payload;
        message.header.msg_iovlen = 1;
        message
    }
}

fn socket_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// What a message header with its parts takes.
pub(super) const MESSAGE_BYTES: usize = size_of::<Message>().next_multiple_of(ALIGNMENT);

/// `CMSG_SPACE(2)`.
const CONTROL_BYTES: usize = 24;

/// Every part of the arena begins at a multiple of this.
const ALIGNMENT: usize = 16;
