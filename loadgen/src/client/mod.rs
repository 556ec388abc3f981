//! One simulated machine: a pure state machine that is told the time and what came in, and that
//! tells what to send.
//!
//! After each of [`Machine::power_on`], [`Machine::handle`] and [`Machine::handle_timeout`] the
//! driver drains [`Machine::poll_command`] and [`Machine::poll_note`] to `None`, then looks at
//! [`Machine::poll_timeout`]. A wake-up that comes too early is harmless. Deadlines mostly move
//! into the future, with every packet of a transfer: a driver that keeps the earlier one armed and
//! looks again when it rings saves work.

mod cmdline;
mod dhcp;
mod flow;
mod grub;
mod http;
mod intake;
mod ipxe;
mod journey;
mod loaders;
mod location;
mod machine;
mod note;
mod outbox;
mod pi;
mod plan;
mod settings;
mod step;
mod system;
mod text;
mod tftp;
mod words;

use core::net::{Ipv4Addr, SocketAddrV4};

pub use journey::{Digest, Journey, Options};
pub use machine::Machine;
pub use note::{Note, Reason, Stage};

/// Bytes that a command's payload needs at most: a DHCP message without fragments.
pub const BUFFER_LEN: usize = 1472;

/// Who a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number in the run, from zero.
    pub number: u32,
    /// Its link-layer address.
    pub mac: [u8; 6],
    /// Its SMBIOS UUID, as option 97 carries it.
    pub uuid: [u8; 16],
}

/// What a machine meets.
#[derive(Clone, Copy, Debug)]
pub enum Input<'i> {
    /// A UDP payload out of a frame to this network card, or to all, that is to port 68 or 4011.
    Dhcp {
        /// From where.
        source: SocketAddrV4,
        /// To which port.
        destination_port: u16,
        /// The DHCP message.
        payload: &'i [u8],
    },
    /// An IPv6 packet out of a frame to this network card.
    Ipv6(&'i [u8]),
    /// Something came on the UDP socket.
    Datagram {
        /// From where.
        source: SocketAddrV4,
        /// The TFTP packet.
        payload: &'i [u8],
    },
    /// The TCP connection stands.
    Connected,
    /// Bytes of the stream.
    Received(&'i [u8]),
    /// The server will send no more.
    EndOfStream,
    /// The connection is no more, or did not come about.
    StreamFailed(StreamError),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// Nobody listens.
    Refused,
    /// The other side reset it.
    Reset,
    /// No answer in time.
    TimedOut,
    /// Anything else.
    Other,
}

/// What a machine does. A machine has at most one UDP socket and one TCP connection at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send a frame from the machine's MAC address: IPv4, UDP, and the payload at the beginning
    /// of the buffer. To all stations if the destination is 255.255.255.255, else to the server.
    SendDhcp {
        /// The machine's end.
        source: SocketAddrV4,
        /// The server's end.
        destination: SocketAddrV4,
        /// Bytes in the buffer.
        len: usize,
    },
    /// Send a frame from the machine's MAC address to [`crate::wire::ethernet::ALL_ROUTERS`]: the
    /// IPv6 packet at the beginning of the buffer.
    SendIpv6 {
        /// Bytes in the buffer.
        len: usize,
    },
    /// Open a UDP socket at this address and a new ephemeral port.
    OpenDatagram {
        /// The leased address.
        local: Ipv4Addr,
    },
    /// Send what is at the beginning of the buffer from the UDP socket.
    SendDatagram {
        /// To where.
        destination: SocketAddrV4,
        /// Bytes in the buffer.
        len: usize,
    },
    /// Close the UDP socket; whatever still comes is not for the machine.
    CloseDatagram,
    /// Connect.
    Connect {
        /// The leased address.
        local: Ipv4Addr,
        /// To where.
        server: SocketAddrV4,
    },
    /// Send what is at the beginning of the buffer through the TCP connection.
    Send {
        /// Bytes in the buffer.
        len: usize,
    },
    /// Close the TCP connection; whatever still comes is not for the machine. It does not come
    /// after [`Input::StreamFailed`], which says that the connection is gone.
    Disconnect,
    /// The end: succeeded, failed or vanished. Both sockets close without another command.
    PowerOff,
}

/// A DHCP message that came in.
#[derive(Clone, Copy, Debug)]
struct Message<'i> {
    source: SocketAddrV4,
    payload: &'i [u8],
}

#[cfg(test)]
mod tests;
