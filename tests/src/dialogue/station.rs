//! One interface that stands for all clients of a link and for the relay agents on it.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use reveille_loadgen::wire::{ethernet, ipv4_udp};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::message::Reply;
use crate::lab::Host;

/// A packet socket on a host's `eth0` that sees every frame.
#[derive(Debug)]
pub struct Station {
    socket: OwnedFd,
    /// Whose Ethernet address is told to somebody who asks.
    neighbours: BTreeMap<Ipv4Addr, [u8; 6]>,
}

/// A reply, and how it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The frame's destination.
    pub station: [u8; 6],
    /// From where.
    pub source: SocketAddrV4,
    /// To where.
    pub destination: SocketAddrV4,
    /// What it says.
    pub reply: Reply,
}

impl Station {
    /// Opens the socket.
    ///
    /// # Panics
    /// If the process may not.
    #[must_use]
    pub fn on(host: &Host) -> Self {
        let socket = host.namespace().run(open).expect("the laboratory may open packet sockets");
        Self { socket, neighbours: BTreeMap::new() }
    }

    /// From now on answers for this address (RFC 826).
    pub fn answer_for(&mut self, address: Ipv4Addr, mac: [u8; 6]) {
        self.neighbours.insert(address, mac);
    }

    /// The same, and tells the link (RFC 5227 §2.3): somebody else may have had the address.
    pub fn announce(&mut self, address: Ipv4Addr, mac: [u8; 6]) {
        self.answer_for(address, mac);
        self.send_arp(ethernet::BROADCAST, (address, mac), (address, [0; 6]), ARP_REQUEST);
    }

    /// Asks for the Ethernet address of a host on the link, again and again while the link comes
    /// up. `None` if it does not answer.
    #[must_use]
    pub fn resolve(&self, own: (Ipv4Addr, [u8; 6]), wanted: Ipv4Addr) -> Option<[u8; 6]> {
        for _ in 0..ARP_TRIES {
            self.send_arp(ethernet::BROADCAST, own, (wanted, [0; 6]), ARP_REQUEST);
            let deadline = Instant::now() + ARP_PATIENCE;
            while let Some(frame) = self.receive(deadline) {
                if let Some(arp) = Arp::read(&frame)
                    && (arp.operation, arp.sender.0) == (ARP_REPLY, wanted)
                {
                    return Some(arp.sender.1);
                }
            }
        }
        None
    }

    /// Sends a datagram as the station `from`.
    pub fn send(
        &self,
        (from, to): ([u8; 6], [u8; 6]),
        source: SocketAddrV4,
        destination: SocketAddrV4,
        payload: &[u8],
    ) {
        let mut frame = ethernet::header(to, from, ethernet::IPV4).to_vec();
        frame.extend(ipv4_udp::headers(source, destination, 0, payload));
        frame.extend(payload);
        self.transmit(&frame);
    }

    /// The next DHCP reply on the link, with every request for an address answered meanwhile.
    /// `None` after `deadline`; what cannot be read is an error.
    pub fn hear(&self, deadline: Instant) -> Option<Result<Heard, String>> {
        while let Some(frame) = self.receive(deadline) {
            if let Some(arp) = Arp::read(&frame) {
                if let Some(mac) = self.neighbours.get(&arp.target)
                    && arp.operation == ARP_REQUEST
                {
                    self.send_arp(arp.sender.1, (arp.target, *mac), arp.sender, ARP_REPLY);
                }
                continue;
            }
            let Some(ethernet) = ethernet::parse(&frame) else { continue };
            if ethernet.ethertype != ethernet::IPV4 {
                continue;
            }
            let Some(datagram) = ipv4_udp::parse(ethernet.payload) else {
                if ethernet.payload.get(9) == Some(&17) {
                    return Some(Err("a UDP datagram with a wrong checksum".to_owned()));
                }
                continue;
            };
            if !matches!(datagram.source.port(), 67 | 4011) {
                continue;
            }
            let heard = Reply::parse(datagram.payload).map(|reply| Heard {
                station: ethernet.destination,
                source: datagram.source,
                destination: datagram.destination,
                reply,
            });
            return Some(heard);
        }
        None
    }

    /// The next frame that is not one of ours.
    fn receive(&self, deadline: Instant) -> Option<Vec<u8>> {
        let mut frame = vec![0; FRAME_BYTES];
        loop {
            match rustix::io::read(&self.socket, &mut frame) {
                Ok(length) => {
                    frame.truncate(length);
                    return Some(frame);
                }
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => panic!("the packet socket fails: {error}"),
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let left = Timespec::try_from(left).expect("seconds, not centuries");
            let mut ready = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
            rustix::event::poll(&mut ready, Some(&left)).expect("the socket is ours");
        }
    }

    fn send_arp(
        &self,
        to: [u8; 6],
        sender: (Ipv4Addr, [u8; 6]),
        target: (Ipv4Addr, [u8; 6]),
        operation: u16,
    ) {
        let mut frame = ethernet::header(to, sender.1, ethernet::ARP).to_vec();
        frame.extend(ARP_HEAD);
        frame.extend(operation.to_be_bytes());
        for (address, mac) in [sender, target] {
            frame.extend(mac);
            frame.extend(address.octets());
        }
        self.transmit(&frame);
    }

    fn transmit(&self, frame: &[u8]) {
        let sent = rustix::io::write(&self.socket, frame).expect("the link is up");
        assert_eq!(sent, frame.len(), "a frame goes in one piece");
    }
}

struct Arp {
    operation: u16,
    sender: (Ipv4Addr, [u8; 6]),
    target: Ipv4Addr,
}

impl Arp {
    fn read(frame: &[u8]) -> Option<Self> {
        let frame = ethernet::parse(frame).filter(|frame| frame.ethertype == ethernet::ARP)?;
        let body = frame.payload.strip_prefix(&ARP_HEAD)?.first_chunk::<22>()?;
        let address = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
        Some(Self {
            operation: u16::from_be_bytes([body[0], body[1]]),
            sender: (address(8), body[2..8].try_into().expect("six bytes")),
            target: address(18),
        })
    }
}

fn open() -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved.
    let socket = unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        libc::socket(libc::AF_PACKET, kind, 0)
    };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above made the descriptor, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: the name is a string with its end.
    let index = unsafe { libc::if_nametoindex(c"eth0".as_ptr()) };
    let index = i32::try_from(index).expect("interfaces are few");
    let protocol = u16::try_from(libc::ETH_P_ALL).expect("a protocol has 16 bits");
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).expect("a small number"),
        sll_protocol: protocol.to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).expect("a small number");
    // SAFETY: the address is on the stack and the kernel copies it.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let membership = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: u16::try_from(libc::PACKET_MR_PROMISC).expect("a small number"),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(&socket, libc::PACKET_ADD_MEMBERSHIP, &membership)?;
    // What we send ourselves is no news.
    set(&socket, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
    Ok(socket)
}

fn set<T>(socket: &OwnedFd, option: i32, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(value)).expect("a small number");
    let (level, value) = (libc::SOL_PACKET, (&raw const *value).cast());
    // SAFETY: the value is borrowed until after the call, and the kernel copies it.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ethernet and IPv4 (RFC 826).
const ARP_HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;
const FRAME_BYTES: usize = 2048;

/// How long a host may take to answer ARP, and how often it is asked.
const ARP_PATIENCE: Duration = Duration::from_millis(100);
const ARP_TRIES: u32 = 100;
