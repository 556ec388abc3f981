//! Opening sockets with the options that the loop relies on, here or by a helper that has the
//! privileges which this process gave away.
//!
//! All of them block as far as the kernel is concerned: a ring waits for a socket that is not
//! ready, and would give up at once on one that is marked as non-blocking.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::net::sockopt;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};

pub use self::helper::{Helper, LowPorts};

mod filters;
mod helper;

/// Who opens sockets.
#[derive(Debug)]
pub enum Opener {
    /// The calling thread, which has the privileges.
    Own,
    /// Another process that has them.
    Helper(Helper),
}

impl Opener {
    /// # Errors
    /// What the system calls say, or that the helper is gone.
    pub(crate) fn open(&mut self, spec: &SocketSpec) -> io::Result<OwnedFd> {
        match self {
            Self::Own => spec.open(),
            Self::Helper(helper) => helper.open(spec),
        }
    }
}

/// A socket that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketSpec {
    /// A UDP socket that tells where each datagram was sent to.
    Udp(UdpOptions),
    /// A TCP listener.
    Tcp {
        /// Address and port; port 0 lets the kernel choose.
        local: SocketAddrV4,
        /// Whether other shards have the same port.
        shared: bool,
    },
    /// A packet socket.
    Frames(FramesOptions),
    /// A raw socket for ICMP that hears replies to echoes.
    Echo,
}

impl SocketSpec {
    /// Opens it, without allocating: the helper does it between `fork` and its end.
    ///
    /// # Errors
    /// What the system calls say.
    fn open(&self) -> io::Result<OwnedFd> {
        match *self {
            Self::Udp(options) => open_udp(options),
            Self::Tcp { local, shared } => open_tcp(local, shared),
            Self::Frames(options) => open_frames(options),
            Self::Echo => open_echo(),
        }
    }
}

/// What a UDP socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UdpOptions {
    /// Address and port; port 0 lets the kernel choose.
    pub(crate) local: SocketAddrV4,
    /// Take and send only by the interface with this index.
    pub(crate) device: Option<NonZeroU32>,
    /// Whether broadcasts may be sent.
    pub(crate) broadcast: bool,
    /// Whether other shards have the same port.
    pub(crate) shared: bool,
    /// Bytes that may wait in it.
    pub(crate) receive_buffer_bytes: usize,
}

/// Where a packet socket listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FramesOptions {
    /// The kernel's index of the interface.
    pub(crate) interface: u32,
    /// What for.
    pub(crate) watch: Watch,
}

/// What a packet socket hears. Each asks the kernel for one protocol only, but for
/// [`Watch::RoutersAndOwn`]: packets that this host sends are shown to those only who ask for every
/// protocol, and that makes every packet dearer (measured: a sixth of the cost of a small reply).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Router discovery over IPv6.
    Routers,
    /// The same, also what this host sends.
    RoutersAndOwn,
    /// ARP packets that claim an address.
    Arp,
    /// What DHCP servers send to clients.
    DhcpReplies,
}

impl Watch {
    /// All of them, in the order of their numbers in requests to the helper.
    const ALL: [Self; 4] = [Self::Routers, Self::RoutersAndOwn, Self::Arp, Self::DhcpReplies];

    const fn protocol(self) -> i32 {
        match self {
            Self::Routers => libc::ETH_P_IPV6,
            Self::RoutersAndOwn => libc::ETH_P_ALL,
            Self::Arp => libc::ETH_P_ARP,
            Self::DhcpReplies => libc::ETH_P_IP,
        }
    }
}

/// Opens a UDP socket that tells where each datagram was sent to.
///
/// # Errors
/// What the system calls say.
fn open_udp(options: UdpOptions) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if options.shared {
        socket.set_reuse_port(true)?;
    }
    if options.device.is_some() {
        socket.bind_device_by_index_v4(options.device)?;
    }
    socket.set_broadcast(options.broadcast)?;
    set_option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &1_i32)?;
    // There are boot ROMs that drop packets with DF set, and a tunnel that reports nothing would
    // swallow them. The price is an IP identifier for each packet (measured: 7 % of the cost of
    // a small reply).
    sockopt::set_ip_mtu_discover(&socket, sockopt::Ipv4PathMtuDiscovery::DONT)?;
    enlarge_buffers(&socket, options.receive_buffer_bytes);
    socket.bind(&options.local.into())?;
    Ok(socket.into())
}

/// Has `socket` hear what comes to `group` by the interface with the index `device`, if it does not
/// yet. That takes no privilege, also for a socket that a helper has opened.
///
/// # Errors
/// What the system call says.
pub(crate) fn join(socket: &OwnedFd, group: Ipv4Addr, device: NonZeroU32) -> io::Result<()> {
    let device = InterfaceIndexOrAddress::Index(device.get());
    match SockRef::from(socket).join_multicast_v4_n(&group, &device) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(()),
        joined => joined,
    }
}

/// Opens a TCP listener.
///
/// # Errors
/// What the system calls say.
fn open_tcp(local: SocketAddrV4, shared: bool) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    // Accepted sockets inherit it: a response is one send, so there is nothing to wait for.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&local.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Opens a packet socket on an interface: any packet can be sent from it, and it receives what it
/// watches, but not what was sent from the socket itself.
///
/// # Errors
/// What the system calls say.
fn open_frames(options: FramesOptions) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved. Protocol 0: nothing arrives before the filter is in place.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made the descriptor, and nobody else has it.
    let socket = unsafe { Socket::from_raw_fd(fd) };
    match options.watch {
        Watch::Routers | Watch::RoutersAndOwn => {
            socket.attach_filter(&filters::router_discovery())?;
        }
        Watch::Arp => socket.attach_filter(&filters::arp_claims())?,
        Watch::DhcpReplies => socket.attach_filter(&filters::dhcp_replies())?,
    }
    // Whoever is given the socket sees no more than that.
    set_option(&socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &1_i32)?;
    enlarge_buffers(&socket, FRAMES_BUFFER_BYTES);
    if matches!(options.watch, Watch::Routers | Watch::RoutersAndOwn) {
        join_station(&socket, options.interface, ALL_NODES)?;
        join_station(&socket, options.interface, ALL_ROUTERS)?;
    }
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (options.watch.protocol() as u16).to_be(),
        sll_ifindex: options.interface as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is on the stack and the kernel copies it.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(socket.into())
}

/// Opens a raw socket for ICMP: echo requests can be sent from it, and it receives the replies to
/// all of this host's.
///
/// # Errors
/// What the system calls say.
fn open_echo() -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    let all_but_echo_replies = !1_u32;
    set_option(&socket, libc::SOL_RAW, ICMP_FILTER, &all_but_echo_replies)?;
    set_option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &1_i32)?;
    Ok(socket.into())
}

/// The address that a socket is bound to.
///
/// # Errors
/// What the system call says.
pub(crate) fn local_address(socket: &OwnedFd) -> io::Result<SocketAddrV4> {
    let address = rustix::net::getsockname(socket)?;
    Ok(SocketAddrV4::try_from(address)?)
}

/// Bytes that may wait in a socket; the kernel counts twice what it was asked for.
pub(crate) fn receive_buffer_bytes(socket: &OwnedFd) -> usize {
    sockopt::socket_recv_buffer_size(socket).unwrap_or(0) / 2
}

/// Makes the network card pass multicast frames to `station` up to us.
fn join_station(socket: &Socket, interface: u32, station: [u8; 6]) -> io::Result<()> {
    let mut address = [0; 8];
    address[..6].copy_from_slice(&station);
    let membership = libc::packet_mreq {
        mr_ifindex: interface as i32,
        mr_type: libc::PACKET_MR_MULTICAST as u16,
        mr_alen: 6,
        mr_address: address,
    };
    set_option(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

/// Sets an option that no crate of ours knows. `T` is the C type that the option takes.
fn set_option<T>(socket: &Socket, level: i32, name: i32, value: &T) -> io::Result<()> {
    let (fd, len) = (socket.as_raw_fd(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the value is readable for its length, and the kernel copies it.
    match unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast(), len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks for large buffers, beyond the system's limit if we may. Less is reported, not refused.
fn enlarge_buffers(socket: &Socket, receive_bytes: usize) {
    let socket: BorrowedFd<'_> = socket.as_fd();
    if sockopt::set_socket_recv_buffer_size_force(socket, receive_bytes).is_err() {
        let _limited = sockopt::set_socket_recv_buffer_size(socket, receive_bytes);
    }
    if sockopt::set_socket_send_buffer_size_force(socket, SEND_BUFFER_BYTES).is_err() {
        let _limited = sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER_BYTES);
    }
}

/// Where routers advertise, `ff02::1` on Ethernet (RFC 2464 §7).
const ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
/// Where hosts solicit, `ff02::2`.
const ALL_ROUTERS: [u8; 6] = [0x33, 0x33, 0, 0, 0, 2];

/// `ICMP_FILTER` of `linux/icmp.h`: a bit for each type that is not to arrive.
const ICMP_FILTER: i32 = 1;

/// Connections that wait to be accepted; `net.core.somaxconn` is the limit.
const BACKLOG: i32 = 4096;

/// Bytes that may wait to leave a datagram socket. What is beyond waits in the send slots, where
/// it keeps nobody else's packets waiting; a queue of milliseconds is all that a device needs.
const SEND_BUFFER_BYTES: usize = 512 * 1024;

/// Bytes of frames that may wait: a few thousand of them.
const FRAMES_BUFFER_BYTES: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_group_is_joined_once_or_more() {
        let lo = NonZeroU32::new(1).unwrap();
        let group = Ipv4Addr::new(239, 255, 40, 11);
        let options = UdpOptions {
            local: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            device: Some(lo),
            broadcast: false,
            shared: false,
            receive_buffer_bytes: 1 << 16,
        };
        let socket = Opener::Own.open(&SocketSpec::Udp(options)).unwrap();
        let port = local_address(&socket).unwrap().port();
        for _ in 0..2 {
            join(&socket, group, lo).unwrap();
        }
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        sender.send_to(b"who boots?", (group, port)).unwrap();
        let socket = UdpSocket::from(socket);
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut heard = [0; 32];
        assert_eq!(socket.recv(&mut heard).unwrap(), 10);
        let elsewhere = NonZeroU32::new(u32::MAX >> 1).unwrap();
        assert!(join(&socket.into(), group, elsewhere).is_err());
    }
}
