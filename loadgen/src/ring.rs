//! One io_uring with all that a generator of load does to sockets, as safe calls.
//!
//! The generator shares its machine with the server that it measures, so it has to be cheap: one
//! system call a turn, receives that are armed once and fill buffers which the kernel picks, sends
//! that complete without telling. What is sent lies in an arena that is used anew after each
//! enter: every send is marked as non-blocking, so the kernel has taken its bytes by then.

mod arena;
mod buffers;

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{Builder, IoUring, cqueue, opcode, squeue};

use arena::Arena;
pub(crate) use buffers::{Datagram, Filled, Group, ReceiveBuffers};

/// A ring that belongs to the thread that made it.
pub(crate) struct Ring {
    uring: IoUring,
    arena: Arena,
    /// What multishot receives of datagrams are told: room for the sender's address.
    message: Box<libc::msghdr>,
    /// The same with room for the length of segments that arrived as one.
    message_segments: Box<libc::msghdr>,
    enters: u64,
}

/// The end of an operation, or one of the results of a multishot operation.
#[derive(Debug)]
pub(crate) struct Completion {
    /// What the operation was named.
    pub(crate) name: u64,
    /// What the system call would have returned: a negative number is an errno.
    pub(crate) result: i32,
    flags: u32,
    filled: Option<Filled>,
}

impl Completion {
    /// Whether the operation goes on.
    pub(crate) fn has_more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// Hands out the buffer that was filled, once.
    pub(crate) const fn take_filled(&mut self) -> Option<Filled> {
        self.filled.take()
    }

    /// Bytes, or the errno.
    pub(crate) const fn outcome(&self) -> Result<usize, i32> {
        if self.result < 0 { Err(-self.result) } else { Ok(self.result as usize) }
    }
}

impl Ring {
    /// Makes a ring for the calling thread.
    ///
    /// # Errors
    /// What `io_uring_setup` says: the kernel is older than 6.1, or io_uring is switched off.
    pub(crate) fn new() -> io::Result<Self> {
        let mut builder: Builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS).setup_clamp().setup_submit_all().setup_taskrun_flag();
        builder.setup_single_issuer().setup_defer_taskrun();
        let uring = builder.build(SUBMISSIONS)?;
        Ok(Self {
            uring,
            arena: Arena::new(ARENA_BYTES),
            message: Box::new(buffers::message(0)),
            message_segments: Box::new(buffers::message(buffers::CONTROL_BYTES)),
            enters: 0,
        })
    }

    /// System calls that were made so far.
    pub(crate) const fn enters(&self) -> u64 {
        self.enters
    }

    /// Submits what is queued and waits for a completion, at most as long as told.
    ///
    /// # Errors
    /// Only what no later call could mend.
    pub(crate) fn enter(&mut self, wait: Duration) -> io::Result<()> {
        self.enters += 1;
        let timespec = Timespec::from(wait);
        let submitter = self.uring.submitter();
        let entered = if wait.is_zero() {
            submitter.submit()
        } else {
            submitter.submit_with_args(1, &SubmitArgs::new().timespec(&timespec))
        };
        if self.uring.submission().is_empty() {
            self.arena.clear();
        }
        match entered {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Time passed, a signal came, completions must be reaped first, or the kernel is
                // short of memory for the moment.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ENOMEM) => {
                    Ok(())
                }
                _ => Err(error),
            },
        }
    }

    /// Appends completions to `into` as long as its capacity allows.
    pub(crate) fn reap(&mut self, into: &mut Vec<Completion>) {
        let room = into.capacity() - into.len();
        into.extend(self.uring.completion().take(room).map(|entry| Completion {
            name: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
            filled: cqueue::buffer_select(entry.flags()).map(Filled::new),
        }));
    }

    /// Sends a datagram, or bytes of a stream, over a connected socket (or a frame, over a bound
    /// packet socket). `fill` writes at most `room` bytes and says how many. A completion comes
    /// only if it fails.
    ///
    /// # Errors
    /// As [`Ring::enter`], which has to make room now and then.
    pub(crate) fn send(
        &mut self,
        fd: RawFd,
        name: u64,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> io::Result<()> {
        self.make_room(room)?;
        let (bytes, len) = self.arena.write(room, fill);
        let send = opcode::Send::new(Fd(fd), bytes, len as u32).flags(SEND_FLAGS as i32);
        self.push(silent(send.build(), name));
        Ok(())
    }

    /// Sends a datagram to an address, as [`Ring::send`].
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn send_to(
        &mut self,
        fd: RawFd,
        name: u64,
        to: SocketAddrV4,
        room: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> io::Result<()> {
        self.make_room(room + arena::MESSAGE_BYTES)?;
        let (bytes, len) = self.arena.write(room, fill);
        let message = self.arena.message(to, bytes, len);
        self.push(silent(opcode::SendMsg::new(Fd(fd), message).flags(SEND_FLAGS).build(), name));
        Ok(())
    }

    /// Sends `count` datagrams of `segment` bytes each in one operation over a connected UDP
    /// socket (UDP_SEGMENT). `fill` writes all of them.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn send_segments(
        &mut self,
        fd: RawFd,
        name: u64,
        segment: u16,
        count: usize,
        fill: impl FnMut(usize, &mut [u8]),
    ) -> io::Result<()> {
        let room = usize::from(segment) * count;
        assert!(count <= SEGMENTS_MAX && room <= SEGMENTS_BYTES_MAX, "the kernel takes no more");
        self.make_room(room + arena::MESSAGE_BYTES)?;
        let mut fill = fill;
        let (bytes, len) = self.arena.write(room, |space| {
            space
                .chunks_exact_mut(usize::from(segment))
                .enumerate()
                .for_each(|(index, datagram)| fill(index, datagram));
            room
        });
        let message = self.arena.segmented(bytes, len, segment);
        self.push(silent(opcode::SendMsg::new(Fd(fd), message).flags(SEND_FLAGS).build(), name));
        Ok(())
    }

    /// Receives into buffers of `group` until told otherwise: datagrams of a connected socket,
    /// frames, or bytes of a stream.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn receive(&mut self, fd: RawFd, name: u64, group: Group) -> io::Result<()> {
        self.make_room(0)?;
        self.push(opcode::RecvMulti::new(Fd(fd), group.0).build().user_data(name));
        Ok(())
    }

    /// Completes each time that something has arrived at a socket, until told otherwise.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn watch(&mut self, fd: RawFd, name: u64) -> io::Result<()> {
        self.make_room(0)?;
        let poll = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true);
        self.push(poll.build().user_data(name));
        Ok(())
    }

    /// Receives datagrams with their sender's address into buffers of `group` until told
    /// otherwise; [`ReceiveBuffers::datagram`] takes them apart.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn receive_from(
        &mut self,
        fd: RawFd,
        name: u64,
        group: Group,
        segments: bool,
    ) -> io::Result<()> {
        self.make_room(0)?;
        let message =
            if segments { &raw const *self.message_segments } else { &raw const *self.message };
        self.push(opcode::RecvMsgMulti::new(Fd(fd), message, group.0).build().user_data(name));
        Ok(())
    }

    /// Receives bytes of a stream once, into a buffer of `group`.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn receive_once(&mut self, fd: RawFd, name: u64, group: Group) -> io::Result<()> {
        self.make_room(0)?;
        // No length: as much as the buffer holds. What was asked for is not there yet.
        let receive = opcode::Recv::new(Fd(fd), ptr::null_mut(), 0).buf_group(group.0);
        let receive = receive.ioprio(POLL_FIRST).build().flags(squeue::Flags::BUFFER_SELECT);
        self.push(receive.user_data(name));
        Ok(())
    }

    /// Takes up to `len` bytes of a TCP stream without copying them anywhere. The completion says
    /// how many there were.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn discard(&mut self, fd: RawFd, name: u64, len: u32) -> io::Result<()> {
        self.make_room(0)?;
        // Waiting for all of them (MSG_WAITALL) is no help: the kernel does not count what it took
        // before, and takes more than it was asked for.
        let receive = opcode::Recv::new(Fd(fd), ptr::null_mut(), len).flags(libc::MSG_TRUNC);
        self.push(receive.ioprio(POLL_FIRST).build().user_data(name));
        Ok(())
    }

    /// Connects a socket.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn connect(&mut self, fd: RawFd, name: u64, to: SocketAddrV4) -> io::Result<()> {
        self.make_room(arena::MESSAGE_BYTES)?;
        let (address, len) = self.arena.address(to);
        self.push(opcode::Connect::new(Fd(fd), address, len).build().user_data(name));
        Ok(())
    }

    /// Cancels all operations on a socket, and closes it. Each cancelled operation completes.
    ///
    /// # Errors
    /// As [`Ring::enter`].
    pub(crate) fn close(&mut self, fd: RawFd, name: u64) -> io::Result<()> {
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::fd(Fd(fd)).all()).build();
        self.make_room(0)?;
        self.push(silent(cancel, name));
        self.make_room(0)?;
        self.push(silent(opcode::Close::new(Fd(fd)).build(), name));
        Ok(())
    }

    /// Gives the ring a group of buffers for receives.
    ///
    /// # Safety
    /// `entries`, page-aligned, has room for `count` entries, and stays mapped, like all buffers
    /// that are put there, until this ring is dropped.
    unsafe fn register_buffers(&self, group: Group, entries: u64, count: u16) -> io::Result<()> {
        let submitter = self.uring.submitter();
        // SAFETY: the caller promises that the memory outlives the ring.
        unsafe { submitter.register_buf_ring_with_flags(entries, count, group.0, 0) }
    }

    /// Makes sure that an operation and its memory can be queued.
    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        // An enter empties the queue, unless the kernel is short of memory for the moment.
        for _ in 0..ENTER_ATTEMPTS_MAX {
            if !self.uring.submission().is_full() && self.arena.has_room(bytes) {
                return Ok(());
            }
            self.enter(Duration::ZERO)?;
        }
        Err(io::Error::from(io::ErrorKind::OutOfMemory))
    }

    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: every operation refers to nothing, to the arena, or to `message`. The arena is
        // part of this ring and used anew only after the kernel has taken what was queued (sends
        // never wait, addresses are copied at submission); the messages never change.
        let pushed = unsafe { self.uring.submission().push(&entry) };
        assert!(pushed.is_ok(), "room was made before");
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // The kernel tears a closed ring down in its own time, and until then receives may write
        // to memory. So end everything here. Errors mean that it is done already.
        let limit = Timespec::from(Duration::from_secs(1));
        let _submitted = self.enter(Duration::ZERO);
        let submitter = self.uring.submitter();
        let _cancelled = submitter.register_sync_cancel(Some(limit), CancelBuilder::any());
        let _finished = self.enter(Duration::from_nanos(1));
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("enters", &self.enters).finish_non_exhaustive()
    }
}

/// An operation that completes only if it fails.
fn silent(entry: squeue::Entry, name: u64) -> squeue::Entry {
    entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(name)
}

/// The name of operations nobody wants to hear of.
pub(crate) const NAMELESS: u64 = u64::MAX;

/// Most datagrams in one operation (`UDP_MAX_SEGMENTS`).
pub(crate) const SEGMENTS_MAX: usize = 128;

/// Most bytes in one operation: an IPv4 packet less its headers.
pub(crate) const SEGMENTS_BYTES_MAX: usize = 65_507;

/// Entries of the submission queue.
const SUBMISSIONS: u32 = 4096;

/// Entries of the completion queue: one for each of ten thousand machines, 256 KiB.
const COMPLETIONS: u32 = 16_384;

/// Bytes that can be queued for sending before an enter is needed.
const ARENA_BYTES: usize = 512 * 1024;

/// Enters that may pass before a full submission queue counts as a failure.
const ENTER_ATTEMPTS_MAX: usize = 1000;

/// Sends do not wait: what does not fit into a socket's buffer is lost, as on a wire.
const SEND_FLAGS: u32 = (libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) as u32;

/// `IORING_RECVSEND_POLL_FIRST`.
const POLL_FIRST: u16 = 1;

#[cfg(test)]
mod tests;
