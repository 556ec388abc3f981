//! What the runtime is to open and how large it may grow.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroUsize;

use reveille_core::engine::{InterfaceId, SocketId};
use reveille_core::limits;

/// Sockets, tables and threads of one server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number of shards: threads, each on a core of its own.
    pub shards: NonZeroUsize,
    /// What is opened at the start; [`crate::Server::switch`] changes it later.
    pub sockets: SocketPlan,
    /// Stream connections of one shard at one time.
    pub connections: u32,
    /// Datagrams of one shard that are being sent at one time. Each can take
    /// [`limits::HEAD_BYTES`] and some 1.5 KiB, but touches memory only when used.
    pub send_slots: u16,
    /// Events that wait for the daemon, of all shards together.
    pub events: usize,
}

impl Config {
    /// A configuration with `shards` threads, no sockets, and the default bounds.
    pub const fn new(shards: NonZeroUsize) -> Self {
        Self {
            shards,
            sockets: SocketPlan::new(),
            connections: limits::HTTP_CONNECTIONS_MAX,
            send_slots: 1024,
            events: 16 * 1024,
        }
    }
}

/// The interfaces served and the sockets to serve them with. At most [`SOCKETS_MAX`] of one shard
/// are open at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketPlan {
    /// The interfaces served, in the order of [`InterfaceId`].
    pub interfaces: Vec<InterfaceSpec>,
    /// Datagram sockets of the DHCP engine. Broadcasts reach every socket of a port, so only the
    /// first shard has them.
    pub dhcp: Vec<UdpSpec>,
    /// Interfaces on which packets are sent to a station directly and ICMPv6 router discovery is
    /// seen (`AF_PACKET`): what others send, and where this host is an IPv6 router what it sends
    /// itself. Needs `CAP_NET_RAW`; without it `Features::link_unicast` is false.
    pub frames: Vec<InterfaceId>,
    /// Interfaces, all of them in `frames`, on which ARP packets that claim an address are heard,
    /// and what other DHCP servers send to clients.
    pub watched: Vec<InterfaceId>,
    /// Whether hosts elsewhere are asked for an echo, by [`SocketId::ECHO`]. Needs `CAP_NET_RAW`.
    ///
    /// [`SocketId::ECHO`]: reveille_core::engine::SocketId::ECHO
    pub echo: bool,
    /// The TFTP engine's sockets, in every shard.
    pub tftp: Option<TftpSpec>,
    /// Addresses that stream connections are accepted on, in every shard.
    pub http: Vec<SocketAddrV4>,
    /// Receive buffer of a socket that a whole fleet may address in the same second.
    pub receive_buffer_bytes: usize,
}

impl SocketPlan {
    /// No sockets, and the default size of receive buffers.
    pub const fn new() -> Self {
        Self {
            interfaces: Vec::new(),
            dhcp: Vec::new(),
            frames: Vec::new(),
            watched: Vec::new(),
            echo: false,
            tftp: None,
            http: Vec::new(),
            receive_buffer_bytes: 16 * 1024 * 1024,
        }
    }
}

impl Default for SocketPlan {
    fn default() -> Self {
        Self::new()
    }
}

/// A network interface by its two names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceSpec {
    /// The name, as `ip link` prints it.
    pub name: String,
    /// The kernel's index of it; 0 while it is away. Nothing comes from it or is sent by it then,
    /// and its [`InterfaceId`] is kept for when it comes back.
    pub index: u32,
}

/// A datagram socket of the DHCP engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpSpec {
    /// Its name for the engine: no two have the same. Messages that wait for their answer keep
    /// it, so it stays with what it means when other sockets come and go.
    pub id: SocketId,
    /// Address and port to bind.
    pub local: SocketAddrV4,
    /// Take and send only by this interface (`SO_BINDTOIFINDEX`).
    pub device: Option<InterfaceId>,
    /// Whether broadcasts may be sent from it.
    pub broadcast: bool,
    /// The group that it hears as well, on its interface. One that is no longer here is left when
    /// the socket closes.
    pub group: Option<Ipv4Addr>,
}

/// The datagram sockets of the TFTP engine in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpSpec {
    /// Where requests arrive: socket 0. The shards share the port (`SO_REUSEPORT`).
    pub listen: SocketAddrV4,
    /// Sockets on ephemeral ports for running transfers: sockets 1 to this.
    pub transfer_sockets: u16,
}

/// Sockets that one shard can have at a time: three for each of some 300 interfaces.
pub const SOCKETS_MAX: u32 = 1000;
