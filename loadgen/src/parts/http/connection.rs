//! One connection: its socket and how far its response is.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, Socket, Type};

pub(super) struct Connection {
    pub(super) socket: Option<Socket>,
    /// Which socket of this connection it is; completions for earlier ones mean nothing.
    pub(super) generation: u32,
    pub(super) state: State,
    /// A multishot receive is under way.
    pub(super) armed: bool,
    pub(super) closes: bool,
    /// The beginning of a head that came in parts.
    pub(super) partial: Vec<u8>,
    pub(super) asked: u64,
    /// Bytes of bodies.
    pub(super) bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    Connecting,
    Idle,
    Head,
    Body { received: u64, len: u64 },
    Failed,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            socket: None,
            generation: 0,
            state: State::Closed,
            armed: false,
            closes: false,
            partial: Vec::new(),
            asked: 0,
            bytes: 0,
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    pub(super) fn name(&self, index: usize) -> u64 {
        u64::from(self.generation) << GENERATION_SHIFT | index as u64
    }

    pub(super) fn count(&mut self, more: u64) {
        self.bytes += more;
        if let State::Body { received, .. } = &mut self.state {
            *received += more;
        }
    }
}

/// A socket with this address of ours.
pub(super) fn open(local: Ipv4Addr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    if !local.is_unspecified() {
        socket.bind(&SocketAddrV4::new(local, 0).into())?;
    }
    Ok(socket)
}

/// Where the generation stands in the name of an operation.
pub(super) const GENERATION_SHIFT: u32 = 32;
