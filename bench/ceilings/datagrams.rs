//! Datagrams in, datagrams out: multishot receive into provided buffers, one send for each
//! answer, one system call a turn.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::ptr;

use io_uring::types::{Fixed, RecvMsgOut};
use io_uring::{cqueue, opcode, squeue};
use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};

use crate::provided::{Buffers, GROUP, new_ring};

/// What answers one request: the first `head_len` bytes of the head buffer and `body`, in
/// `segments` datagrams that share both evenly; only the last may be shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'f> {
    pub(crate) head_len: usize,
    pub(crate) body: &'f [u8],
    pub(crate) segments: Segments,
}

/// How an answer is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    pub(crate) count: usize,
    pub(crate) head_bytes: usize,
    pub(crate) body_bytes: usize,
}

/// Datagrams of one answer at most: what fits into 64 KiB at 1,472 bytes each.
pub(crate) const SEGMENTS_MAX: usize = 44;

/// Bytes of the heads of one answer at most.
pub(crate) const HEAD_BYTES: usize = 512;

/// Opens a socket that can hold what a whole fleet sends at once.
pub(crate) fn open(listen: SocketAddrV4, may_fragment: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if may_fragment {
        sockopt::set_ip_mtu_discover(&socket, sockopt::Ipv4PathMtuDiscovery::DONT)?;
    }
    if sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BYTES).is_err() {
        socket.set_recv_buffer_size(SOCKET_BYTES)?;
    }
    if sockopt::set_socket_send_buffer_size_force(&socket, SOCKET_BYTES).is_err() {
        socket.set_send_buffer_size(SOCKET_BYTES)?;
    }
    socket.bind(&listen.into())?;
    Ok(socket)
}

/// Answers each datagram with what `answer` makes of it, until the process ends. The bodies
/// are parts of `file`.
pub(crate) fn serve<'f>(
    socket: &Socket,
    file: &'f [u8],
    mut answer: impl FnMut(&[u8], &mut [u8]) -> Option<Answer<'f>>,
) -> io::Result<()> {
    // The memory that the kernel is lent comes before the ring, so that it is dropped after it.
    let mut buffers;
    let mut slots = Slots::new();
    let layout = receive_layout();
    let mut waiting = VecDeque::with_capacity(usize::from(BUFFERS));
    let mut ring = new_ring(COMPLETIONS)?;
    ring.submitter().register_files(&[socket.as_raw_fd()])?;
    buffers = Buffers::register(&ring.submitter(), BUFFERS, BUFFER_BYTES)?;
    // Warm, as a real server has its files before it serves.
    std::hint::black_box(file.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>());
    crate::announce()?;

    let receive = opcode::RecvMsgMulti::new(Fixed(0), &raw const layout, GROUP).build();
    let receive = receive.user_data(RECEIVE);
    let (submitter, mut submissions, mut completions) = ring.split();
    let mut is_receiving = false;
    loop {
        if !is_receiving {
            // SAFETY: `layout` and the buffers outlive the ring.
            unsafe { submissions.push(&receive) }.expect("the queue was emptied");
            is_receiving = true;
        }
        submissions.sync();
        match submitter.submit_and_wait(usize::from(waiting.is_empty())) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        submissions.sync();
        completions.sync();
        for completion in &mut completions {
            if completion.user_data() != RECEIVE {
                if completion.result() < 0 {
                    let error = io::Error::from_raw_os_error(-completion.result());
                    eprintln!("an answer was not sent: {error}");
                }
                slots.free.push(completion.user_data() as usize);
                continue;
            }
            is_receiving &= cqueue::more(completion.flags());
            if let Some(id) = cqueue::buffer_select(completion.flags()) {
                waiting.push_back((id, completion.result().max(0) as usize));
            }
        }
        while let Some((slot, (id, len))) = slots.free.last().copied().zip(waiting.front()) {
            if submissions.is_full() {
                break;
            }
            let bytes = buffers.bytes(*id, *len);
            if let Some(send) = slots.fill(slot, bytes, &layout, &mut answer) {
                // SAFETY: the slot stays as it is until the completion frees it.
                unsafe { submissions.push(&send) }.expect("there is room");
                slots.free.pop();
            }
            buffers.lend(*id);
            waiting.pop_front();
        }
        buffers.publish();
    }
}

/// The messages that are being sent.
struct Slots {
    slots: Box<[Slot]>,
    /// The one that was used last is the warmest.
    free: Vec<usize>,
}

struct Slot {
    message: libc::msghdr,
    name: libc::sockaddr_in,
    pieces: [libc::iovec; 2 * SEGMENTS_MAX],
    head: [u8; HEAD_BYTES],
    control: SegmentControl,
}

/// `UDP_SEGMENT` with its value, as `sendmsg` wants it.
#[repr(C)]
struct SegmentControl {
    header: libc::cmsghdr,
    bytes: u16,
    padding: [u16; 3],
}

impl Slots {
    fn new() -> Self {
        // SAFETY: a slot consists of integers and pointers, for which zeros are valid.
        let slots = (0..SLOTS).map(|_| unsafe { std::mem::zeroed::<Slot>() });
        Self { slots: slots.collect(), free: (0..SLOTS).rev().collect() }
    }

    /// Prepares the answer to a received message, if there is one.
    fn fill<'f>(
        &mut self,
        index: usize,
        received: &[u8],
        layout: &libc::msghdr,
        answer: impl FnOnce(&[u8], &mut [u8]) -> Option<Answer<'f>>,
    ) -> Option<squeue::Entry> {
        let request = RecvMsgOut::parse(received, layout).ok()?;
        let slot = &mut self.slots[index];
        let answer = answer(request.payload_data(), &mut slot.head)?;
        let name = request.name_data();
        assert_eq!(name.len(), size_of::<libc::sockaddr_in>(), "an IPv4 socket");
        // SAFETY: any bytes make a `sockaddr_in`, and there are as many as it has.
        slot.name = unsafe { ptr::read_unaligned(name.as_ptr().cast()) };
        let mut count = 0;
        let (mut head, mut body) = (&slot.head[..answer.head_len], answer.body);
        for _ in 0..answer.segments.count {
            let part = head.split_off(..answer.segments.head_bytes).expect("heads are equal");
            let bytes = body.len().min(answer.segments.body_bytes);
            let data = body.split_off(..bytes).expect("the length was limited");
            for piece in [part, data] {
                if !piece.is_empty() {
                    let iov_base = piece.as_ptr().cast_mut().cast();
                    slot.pieces[count] = libc::iovec { iov_base, iov_len: piece.len() };
                    count += 1;
                }
            }
        }
        slot.message.msg_name = (&raw mut slot.name).cast();
        slot.message.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        slot.message.msg_iov = slot.pieces.as_mut_ptr();
        slot.message.msg_iovlen = count;
        slot.message.msg_control = ptr::null_mut();
        slot.message.msg_controllen = 0;
        if answer.segments.count > 1 {
            slot.control.header.cmsg_len = size_of::<libc::cmsghdr>() + size_of::<u16>();
            slot.control.header.cmsg_level = libc::SOL_UDP;
            slot.control.header.cmsg_type = libc::UDP_SEGMENT;
            slot.control.bytes = (answer.segments.head_bytes + answer.segments.body_bytes) as u16;
            slot.message.msg_control = (&raw mut slot.control).cast();
            slot.message.msg_controllen = size_of::<SegmentControl>();
        }
        let send = opcode::SendMsg::new(Fixed(0), &raw const slot.message).build();
        Some(send.user_data(index as u64))
    }
}

/// How the kernel lays out a received message: the sender's address, then the payload.
fn receive_layout() -> libc::msghdr {
    // SAFETY: zeros are valid.
    let mut layout = unsafe { std::mem::zeroed::<libc::msghdr>() };
    layout.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
    layout
}

/// `user_data` of the receive; sends have the number of their slot.
const RECEIVE: u64 = u64::MAX;
/// Messages that are being sent at most.
const SLOTS: usize = 2048;
/// Buffers for what is received, and the bytes of each.
const BUFFERS: u16 = 1024;
const BUFFER_BYTES: usize = 1024;
const COMPLETIONS: u32 = 8192;
/// Bytes that may wait in the socket in each direction.
const SOCKET_BYTES: usize = 16 << 20;
