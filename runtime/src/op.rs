//! The operations that a shard submits, each with the promise that it needs.

use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::types::{Fd, Fixed};
use io_uring::{opcode, squeue};

use crate::token::{Kind, Token};

/// An operation that is ready to be submitted: whoever made it answers for its memory.
#[derive(Clone, Debug)]
pub(crate) struct Op(squeue::Entry);

/// A socket in the ring's table of registered files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIndex(pub(crate) u32);

/// A group of provided buffers that receives fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferGroup(pub(crate) u16);

impl Op {
    /// Receives datagrams into `group` until told otherwise. `message` says how much room the
    /// sender's address and the control data get in each buffer.
    ///
    /// # Safety
    /// `message` stays valid and unchanged until the completion without `IORING_CQE_F_MORE`.
    pub(crate) unsafe fn receive(
        file: FileIndex,
        message: *const libc::msghdr,
        group: BufferGroup,
        token: Token,
    ) -> Self {
        Self::named(opcode::RecvMsgMulti::new(Fixed(file.0), message, group.0).build(), token)
    }

    /// Sends a datagram or frame.
    ///
    /// # Safety
    /// `message` and all that it points to stay valid and unchanged until the completion.
    pub(crate) unsafe fn send(file: FileIndex, message: *const libc::msghdr, token: Token) -> Self {
        let flags = libc::MSG_NOSIGNAL as u32;
        Self::named(opcode::SendMsg::new(Fixed(file.0), message).flags(flags).build(), token)
    }

    /// Sends as much of the next bytes of a stream as the network takes at once, at least one.
    ///
    /// # Safety
    /// `message` and all that it points to stay valid and unchanged until the completion.
    pub(crate) unsafe fn send_stream_message(
        stream: BorrowedFd<'_>,
        message: *const libc::msghdr,
        token: Token,
    ) -> Self {
        let flags = libc::MSG_NOSIGNAL as u32;
        let fd = Fd(stream.as_raw_fd());
        Self::named(opcode::SendMsg::new(fd, message).flags(flags).build(), token)
    }

    /// Sends the next `len` bytes of a stream, all of them if nothing goes wrong.
    ///
    /// # Safety
    /// The bytes stay valid and unchanged until the completion.
    pub(crate) unsafe fn send_stream(
        stream: BorrowedFd<'_>,
        first: *const u8,
        len: u32,
        token: Token,
    ) -> Self {
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let fd = Fd(stream.as_raw_fd());
        Self::named(opcode::Send::new(fd, first, len).flags(flags).build(), token)
    }

    /// Accepts connections until told otherwise.
    pub(crate) fn accept(file: FileIndex, token: Token) -> Self {
        let accept = opcode::AcceptMulti::new(Fixed(file.0)).flags(libc::SOCK_CLOEXEC);
        Self::named(accept.build(), token)
    }

    /// Receives from a stream into `group` until it ends. The buffers belong to the group's
    /// owner, so nothing needs to be promised here.
    pub(crate) fn receive_stream(stream: BorrowedFd<'_>, group: BufferGroup, token: Token) -> Self {
        Self::named(opcode::RecvMulti::new(Fd(stream.as_raw_fd()), group.0).build(), token)
    }

    /// Completes each time that `file` has become readable.
    pub(crate) fn poll_readable(file: FileIndex, token: Token) -> Self {
        let poll = opcode::PollAdd::new(Fixed(file.0), libc::POLLIN as u32).multi(true);
        Self::named(poll.build(), token)
    }

    /// Ends the operation `target`, which completes without more; nothing if it has ended.
    pub(crate) fn cancel(target: Token) -> Self {
        let token = Token::new(Kind::Cancel, target.slot, 0);
        Self::named(opcode::AsyncCancel::new(target.to_bits()).build(), token)
    }

    /// The submission queue entry.
    pub(crate) const fn entry(&self) -> &squeue::Entry {
        &self.0
    }

    fn named(entry: squeue::Entry, token: Token) -> Self {
        Self(entry.user_data(token.to_bits()))
    }
}
