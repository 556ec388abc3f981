//! The contract between the pure engines and whoever drives them.
//!
//! An engine is a whole server for one shard: demultiplexing, admission, a fixed number of
//! sessions, their timers. It does no I/O. A driver (the event loop of the runtime, the
//! simulator, a fuzzer) repeats:
//!
//! 1. read the clock once;
//! 2. [`Engine::handle_input`] for everything that arrived;
//! 3. [`Engine::handle_timeout`] if [`Engine::poll_timeout`] is due;
//! 4. while it has a free send buffer: [`Engine::poll_output`] into it, and send;
//! 5. [`Engine::poll_event`] until there is none;
//! 6. wait for input, at most until [`Engine::poll_timeout`].
//!
//! Output is derived from state when a buffer is free, it is never queued as bytes: a driver
//! that stops polling loses nothing, and nothing grows.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::binding::{Binding, Ticket};
use crate::event::Event;
use crate::image::{ImageId, ImageSpan};
use crate::mac::MacAddr;
use crate::time::Instant;
use crate::view::View;

/// A server for one shard, as a state machine.
pub trait Engine {
    /// What arrives: [`Packet`] or [`StreamEvent`].
    type Input<'i>;

    /// Takes one input. Does a bounded amount of work and allocates nothing in steady state.
    ///
    /// # Errors
    /// The reason why the input was dropped. It is the peer's fault and needs counting only.
    fn handle_input(
        &mut self,
        input: Self::Input<'_>,
        now: Instant,
        view: &View,
    ) -> Result<(), Discard>;

    /// Lets deadlines up to `now` expire, a bounded number of them: while there are more,
    /// [`Engine::poll_timeout`] stays in the past. Early and spurious calls do nothing.
    fn handle_timeout(&mut self, now: Instant);

    /// Writes the head of the next output into `head`, or says that there is none for now.
    ///
    /// `head` has at least [`crate::limits::HEAD_BYTES`] bytes.
    #[must_use]
    fn poll_output(&mut self, head: &mut [u8], now: Instant, view: &View) -> Option<Output>;

    /// Takes the oldest event. Events that nobody takes are overwritten and counted as lost.
    #[must_use]
    fn poll_event(&mut self) -> Option<Event>;

    /// Events that were overwritten since the start; an engine may have room for all.
    #[must_use]
    fn events_lost(&self) -> u64 {
        0
    }

    /// When [`Engine::handle_timeout`] should be called next, in O(1): at the earliest deadline, or
    /// before it where a deadline has moved on since its timer was set.
    #[must_use]
    fn poll_timeout(&self) -> Option<Instant>;

    /// A transmit failed after it was handed out. Losing one is no error: a datagram may vanish
    /// anyway, and the engine's timers repair that. An image that cannot be read ends its session.
    fn handle_send_error(&mut self, origin: Origin, error: SendError, now: Instant);

    /// Whether any session still refers to `image`; asked before the runtime unmaps it.
    fn uses_image(&self, image: ImageId) -> bool;

    /// Stops taking new sessions; running ones go on. There is no way back.
    fn drain(&mut self);

    /// Number of sessions that run: zero after [`Engine::drain`] means that all is done.
    fn sessions(&self) -> usize;
}

/// One of the datagram sockets of a shard, in the order in which the driver was given them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u16);

impl SocketId {
    /// The driver's raw socket for ICMP over IPv4, if it has one. What is sent by it is an ICMP
    /// message to port 0; what arrives by it is a whole IP packet.
    pub const ECHO: Self = Self(u16::MAX);
}

/// A configured network interface: an index into [`View::interfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId(pub u16);

/// A stream connection: the driver's slot and the generation in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    /// Index, below the number of connections that the engine was built for.
    pub slot: u32,
    /// Which of the connections that have lived in this slot.
    pub generation: u32,
}

/// What arrives at an engine that speaks in packets.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'i> {
    /// The payload of a UDP datagram.
    Datagram(Datagram<'i>),
    /// An IP packet taken from the link, for protocols that have no socket.
    Frame(Frame<'i>),
    /// What became of [`Output::Persist`].
    Store(StoreAnswer),
    /// What the operator wants.
    Operator(OperatorOrder),
}

/// What the store says to requests to persist, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// Everything up to and with this ticket is on stable storage.
    Stored(Ticket),
    /// Nothing behind the last [`StoreAnswer::Stored`] is kept, and nothing will be until
    /// [`StoreAnswer::Recovered`].
    Failed,
    /// The store writes again: what was not kept may be asked for anew, with new tickets.
    Recovered,
}

/// What an operator wants of a server beside its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorOrder {
    /// Whoever has this address does not have it any more.
    Release(Ipv4Addr),
}

/// A received UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'i> {
    /// Where it was received.
    pub socket: SocketId,
    /// The interface it came in by.
    pub interface: InterfaceId,
    /// The sender.
    pub source: SocketAddr,
    /// The address the sender used (perhaps a broadcast) and the port of the socket.
    pub destination: SocketAddr,
    /// The UDP payload.
    pub payload: &'i [u8],
}

/// A packet seen on the link, without its link-layer header: its first four bits tell IPv4 (4) and
/// IPv6 (6) from ARP (0).
#[derive(Clone, Copy, Debug)]
pub struct Frame<'i> {
    /// The interface it was seen on.
    pub interface: InterfaceId,
    /// The station that sent it.
    pub source: MacAddr,
    /// Whether this host sent it.
    pub outgoing: bool,
    /// The packet, from its IP or ARP header on.
    pub packet: &'i [u8],
}

/// What arrives at an engine that speaks in streams.
#[derive(Clone, Copy, Debug)]
pub enum StreamEvent<'i> {
    /// A connection was accepted.
    Accepted {
        /// Its name from now on.
        conn: ConnId,
        /// The other end.
        peer: SocketAddr,
        /// Our end, as the peer addressed it.
        local: SocketAddr,
    },
    /// Bytes arrived, in order.
    Received {
        /// On this connection.
        conn: ConnId,
        /// At least one byte.
        bytes: &'i [u8],
    },
    /// The one outstanding transmit was taken by the network completely.
    Sent {
        /// Of this connection.
        conn: ConnId,
    },
    /// The peer will send no more. What it asked for may still be sent.
    EndOfStream {
        /// On this connection.
        conn: ConnId,
    },
    /// The connection is gone and its slot free. Always the last event of a connection: after
    /// [`Output::Close`], after an error, or after a failed send.
    Closed {
        /// This connection.
        conn: ConnId,
    },
}

/// What an engine wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Close the connection once what was sent has left.
    Close(ConnId),
    /// Keep this binding and say so by [`Packet::Store`]. Tickets go upwards one by one, and what
    /// is kept has their order: never one without all that came before it.
    Persist {
        /// The name of the request.
        ticket: Ticket,
        /// What is to be kept about an address, in the place of what is kept about it now.
        binding: Binding,
    },
}

/// One send: the head that was written into the lent buffer, then a span of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes.
    pub route: Route,
    /// The session it belongs to, given back by [`Engine::handle_send_error`].
    pub origin: Origin,
    /// Bytes written into the head buffer.
    pub head_len: u16,
    /// Image bytes behind the head.
    pub body: Option<ImageSpan>,
    /// Whether this is several datagrams rather than one.
    pub split: Option<Split>,
}

/// A session of an engine, opaque to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(pub u64);

/// How a transmit falls into datagrams of equal shape, sent at once (`UDP_SEGMENT`).
///
/// Datagram *i* consists of the *i*-th `head_len` bytes of the head buffer and the *i*-th
/// `body_len` bytes of the span; the last body may be shorter, even empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Bytes of head in each datagram.
    pub head_len: u16,
    /// Bytes of body in each datagram but the last.
    pub body_len: u16,
    /// Number of datagrams, at least two, at most [`crate::limits::SPLIT_SEGMENTS_MAX`].
    pub segments: u16,
}

/// Where a transmit goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A UDP datagram from one of our sockets.
    Datagram {
        /// The socket, and by it the source port.
        socket: SocketId,
        /// Leave by this interface (a broadcast must say which).
        interface: InterfaceId,
        /// The source address.
        source: IpAddr,
        /// The destination, perhaps the limited broadcast.
        destination: SocketAddr,
    },
    /// A whole IP or ARP packet (its header is in the head) to one station, or to all, without
    /// asking ARP or neighbour discovery: for clients that have no address yet. The packet's first
    /// four bits decide the link-layer protocol: 4 and 6 are versions of IP, 0 is ARP.
    Link {
        /// Leave by this interface.
        interface: InterfaceId,
        /// The station.
        station: MacAddr,
    },
    /// The next bytes of a stream. A connection has at most one transmit outstanding.
    Stream(ConnId),
}

/// Why a transmit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The image's bytes could not be read: somebody truncated the file behind the mapping.
    ImageUnreadable,
    /// Larger than the path takes.
    TooLarge,
    /// The network refused it: no route, no buffer, a firewall.
    Refused,
}

/// Why an input was dropped. The peer is to blame; each has a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Discard {
    /// Not a packet of the protocol: truncated, inconsistent, an illegal length.
    Malformed,
    /// Well formed, but not for a server (a reply, an advertisement, an acknowledgement of
    /// nothing).
    NotForServer,
    /// Addressed to another server.
    OtherServer,
    /// Came by an interface or from a network that is not configured.
    UnknownNetwork,
    /// The protocol is switched off on this network.
    SwitchedOff,
    /// Relayed by an agent that may not.
    UnknownRelay,
    /// The client may not be served.
    NotAllowed,
    /// A repetition of work that is already waiting; it is answered once.
    Duplicate,
    /// All sessions or queue places are taken.
    Overload,
    /// Belongs to no session that lives.
    UnknownSession,
    /// From a source that no client has: port 0, a broadcast or our own address.
    BadSource,
    /// No address is left to give.
    NoAddress,
    /// Not taken while draining.
    Draining,
    /// Acknowledges what its sender cannot have received: a block that was never sent, or one
    /// from a port that never sent it anything. Its source address is most likely forged.
    Suspect,
    /// Wants an address, and the store that must know of it first fails.
    StoreFailing,
}

impl Discard {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::NotForServer,
        Self::OtherServer,
        Self::UnknownNetwork,
        Self::SwitchedOff,
        Self::UnknownRelay,
        Self::NotAllowed,
        Self::Duplicate,
        Self::Overload,
        Self::UnknownSession,
        Self::BadSource,
        Self::NoAddress,
        Self::Draining,
        Self::Suspect,
        Self::StoreFailing,
    ];

    /// Position of this reason's counter in [`Discard::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The reason in a word or two, as metrics and logs print it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotForServer => "not_for_server",
            Self::OtherServer => "other_server",
            Self::UnknownNetwork => "unknown_network",
            Self::SwitchedOff => "switched_off",
            Self::UnknownRelay => "unknown_relay",
            Self::NotAllowed => "not_allowed",
            Self::Duplicate => "duplicate",
            Self::Overload => "overload",
            Self::UnknownSession => "unknown_session",
            Self::BadSource => "bad_source",
            Self::NoAddress => "no_address",
            Self::Draining => "draining",
            Self::Suspect => "suspect",
            Self::StoreFailing => "store_failing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_discard_finds_its_counter() {
        for (index, discard) in Discard::ALL.into_iter().enumerate() {
            assert_eq!(discard.index(), index);
        }
    }
}
