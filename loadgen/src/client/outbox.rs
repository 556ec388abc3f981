//! What a machine is about to send, until the driver has room for it.

use core::net::SocketAddrV4;

/// Something to do. Payloads are written when the driver asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// A DHCP message of this type.
    Dhcp(u8),
    /// A DHCP request to port 4011.
    Proxy,
    RouterSolicitation,
    OpenDatagram,
    TftpRequest,
    TftpAck(SocketAddrV4, u16),
    TftpError(SocketAddrV4, u16),
    CloseDatagram,
    Connect,
    HttpRequest,
    Disconnect,
    PowerOff,
}

/// A short queue.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    outs: [Option<Out>; Self::LEN],
    first: u8,
    len: u8,
}

impl Outbox {
    /// More than one call makes: the last acknowledgement of a transfer, its end, and the
    /// beginning of the next one.
    const LEN: usize = 8;

    pub(super) fn push(&mut self, out: Out) {
        debug_assert!(usize::from(self.len) < Self::LEN, "commands are drained after each call");
        let at = (usize::from(self.first) + usize::from(self.len)) % Self::LEN;
        self.outs[at] = Some(out);
        self.len = (self.len + 1).min(Self::LEN as u8);
    }

    pub(super) fn pop(&mut self) -> Option<Out> {
        let out = self.outs[usize::from(self.first)].take()?;
        self.first = (self.first + 1) % Self::LEN as u8;
        self.len -= 1;
        Some(out)
    }
}
