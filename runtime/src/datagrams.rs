//! The datagram and packet sockets of a shard: what arrives becomes a packet with its addresses,
//! what an engine sends becomes a message in a send slot.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use reveille_core::engine::{
    Datagram, Frame, InterfaceId, Origin, Packet, Route, SendError, SocketId, Transmit,
};
use reveille_core::image::ImageId;
use reveille_core::limits;
use reveille_core::table::{Handle, Slab};
use reveille_core::time::Instant;

use self::interfaces::Interfaces;
use self::message::{
    ADDRESS_BYTES, CONTROL_BYTES, ReceivedMessage, inet_address, link_address, packet_info,
};
use crate::buffers::pinned::PinnedImages;
use crate::buffers::receive::{Filled, ReceiveBuffers};
use crate::buffers::send::{Parts, SendSlots};
use crate::config::SOCKETS_MAX;
use crate::op::{BufferGroup, FileIndex, Op};
use crate::ring::{Completion, Ring};
use crate::shards::EngineKind;
use crate::sockets::{OpenSocket, Purpose, ShardSockets};
use crate::token::{Kind, Token};

mod interfaces;
mod message;

/// Sockets, receive buffers and send slots for packets.
#[derive(Debug)]
pub(crate) struct Datagrams {
    receivers: Slab<Receiver>,
    /// The receivers, sorted by what they are for: sends look theirs up.
    by_role: Vec<(Role, Handle)>,
    interfaces: Interfaces,
    /// Room that each receive buffer keeps for address and control data.
    template: Box<libc::msghdr>,
    buffers: ReceiveBuffers,
    /// Where engines write heads: always the same lines of the cache.
    head: Box<[u8]>,
    slots: SendSlots<IOVECS>,
    /// What each send slot in use carries.
    flights: Vec<Flight>,
    splits_refused: u64,
    /// When receives that failed start again.
    rearm_at: Option<Instant>,
}

/// A socket that packets arrive at and leave from.
#[derive(Debug)]
struct Receiver {
    socket: OpenSocket,
    role: Role,
    file: FileIndex,
    /// Whether a receive is in flight.
    armed: bool,
}

/// Whose a socket is, and under which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// A UDP socket of an engine.
    Udp(EngineKind, SocketId),
    /// The packet socket of an interface, by which frames leave as well; its packets are the DHCP
    /// engine's, as are those of the others.
    Frames(InterfaceId),
    /// The one that hears ARP.
    Arp(InterfaceId),
    /// The one that hears DHCP servers.
    DhcpReplies(InterfaceId),
}

/// A send on its way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    engine: EngineKind,
    origin: Origin,
    receiver: Handle,
    interface: InterfaceId,
    image: Option<ImageId>,
    bytes: u32,
    /// Datagrams of a split send, 1 for others.
    segments: u16,
    /// The segment that travels alone after the device has refused to split.
    alone: Option<u16>,
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Whose it was.
    pub(crate) engine: EngineKind,
    /// The session it belonged to.
    pub(crate) origin: Origin,
    /// Datagrams in it.
    pub(crate) packets: u16,
    /// Bytes, or why it failed.
    pub(crate) result: Result<u32, SendError>,
}

impl Datagrams {
    /// Makes `send_slots` slots and the receive buffers; there are no sockets yet.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(crate) fn new(ring: &Ring, send_slots: u16) -> io::Result<Self> {
        let mut template = zeroed_header();
        template.msg_namelen = ADDRESS_BYTES as u32;
        template.msg_controllen = CONTROL_BYTES;
        Ok(Self {
            receivers: Slab::new(SOCKETS_MAX),
            by_role: Vec::new(),
            interfaces: Interfaces::default(),
            template,
            buffers: ReceiveBuffers::register(ring, GROUP, BUFFERS, BUFFER_BYTES)?,
            head: vec![0; limits::HEAD_BYTES].into_boxed_slice(),
            slots: SendSlots::new(u32::from(send_slots))?,
            flights: Vec::with_capacity(usize::from(send_slots)),
            splits_refused: 0,
            rearm_at: None,
        })
    }

    /// Serves with these sockets and interfaces from now on. Sockets that it has already go on;
    /// what arrived at others and was not read is dropped. Gives the number of sockets that the
    /// ring did not take.
    pub(crate) fn switch(&mut self, ring: &mut Ring, sockets: &ShardSockets) -> u64 {
        self.interfaces.replace(&sockets.interfaces);
        let wanted = || {
            let open = sockets.open.iter();
            open.filter_map(|socket| match socket.purpose {
                Purpose::Packets(role) => Some((role, socket)),
                Purpose::Streams => None,
            })
        };
        let receivers = &self.receivers;
        let (kept, gone): (Vec<_>, Vec<_>) = self.by_role.iter().partition(|(_, handle)| {
            let receiver = receivers.get(*handle).expect("every role has its receiver");
            wanted().any(|(_, socket)| socket.is(&receiver.socket))
        });
        self.by_role = kept;
        for (_, handle) in gone {
            let receiver = self.receivers.remove(handle).expect("every role has its receiver");
            if receiver.armed {
                ring.submit(&Op::cancel(receive_token(handle)));
            }
            ring.remove_file(receiver.file);
        }
        let mut refused = 0;
        for (role, socket) in wanted() {
            if self.handle(role).is_none() && self.add(ring, role, socket.clone()).is_none() {
                refused += 1;
            }
        }
        refused
    }

    fn add(&mut self, ring: &mut Ring, role: Role, socket: OpenSocket) -> Option<()> {
        let file = ring.add_file(socket.socket.as_fd()).ok()?;
        let receiver = Receiver { socket, role, file, armed: false };
        // The ring's table of files has no more places than the slab.
        let handle = self.receivers.insert(receiver).ok()?;
        let at = self.by_role.partition_point(|(known, _)| *known < role);
        self.by_role.insert(at, (role, handle));
        self.arm(ring, handle);
        Some(())
    }

    fn handle(&self, role: Role) -> Option<Handle> {
        let found = self.by_role.binary_search_by_key(&role, |(role, _)| *role);
        found.ok().map(|at| self.by_role[at].1)
    }

    /// The receiver that a receive belongs to, if it is still served.
    fn receiver(&self, token: Token) -> Option<Handle> {
        self.receivers.handle_at(token.slot).filter(|handle| token.is_of(handle.generation))
    }

    /// Starts receiving on one socket.
    fn arm(&mut self, ring: &mut Ring, handle: Handle) {
        let Some(receiver) = self.receivers.get_mut(handle) else { return };
        receiver.armed = true;
        let (file, group) = (receiver.file, self.buffers.group());
        // SAFETY: the template is never changed and lives as long as `self`, which the shard
        // keeps longer than the ring.
        let receive =
            unsafe { Op::receive(file, &raw const *self.template, group, receive_token(handle)) };
        ring.submit(&receive);
    }

    /// Takes note that a receive has ended, and starts it again: at once if it only ran out of
    /// buffers. A device that went down or vanished makes its sockets fail, once or for ever.
    pub(crate) fn on_receive_ended(
        &mut self,
        ring: &mut Ring,
        token: Token,
        completion: &Completion,
        now: Instant,
    ) {
        let Some(handle) = self.receiver(token) else { return };
        if matches!(completion.outcome(), Ok(_) | Err(libc::ENOBUFS)) {
            self.arm(ring, handle);
        } else if let Some(receiver) = self.receivers.get_mut(handle) {
            receiver.armed = false;
            self.rearm_at.get_or_insert(now + REARM_PAUSE);
        }
    }

    /// Starts receives again that failed, once their pause is over.
    pub(crate) fn expire(&mut self, ring: &mut Ring, now: Instant) {
        if self.rearm_at.is_none_or(|at| now < at) {
            return;
        }
        self.rearm_at = None;
        for at in 0..self.by_role.len() {
            let (_, handle) = self.by_role[at];
            if self.receivers.get(handle).is_some_and(|receiver| !receiver.armed) {
                self.arm(ring, handle);
            }
        }
    }

    /// When [`Self::expire`] has something to do.
    pub(crate) const fn next_deadline(&self) -> Option<Instant> {
        self.rearm_at
    }

    /// The buffer that a receive has filled.
    pub(crate) fn filled(&self, completion: &Completion) -> Option<Filled> {
        let len = completion.outcome().ok()?;
        Some(self.buffers.filled(completion.buffer()?, len as usize))
    }

    /// The packet in a filled buffer and whose it is; nothing if it lacks an address, was cut, or
    /// came to a socket that is not served any more.
    pub(crate) fn read(&self, token: Token, filled: &Filled) -> Option<(EngineKind, Packet<'_>)> {
        let receiver = self.receivers.get(self.receiver(token)?)?;
        let message = ReceivedMessage::parse(self.buffers.bytes(filled))?;
        Some(match receiver.role {
            Role::Udp(engine, socket) => {
                let arrived = packet_info(message.control)?;
                let datagram = Datagram {
                    socket,
                    interface: self.interfaces.id(arrived.interface),
                    source: SocketAddr::V4(inet_address(message.name)?),
                    destination: {
                        let port = receiver.socket.local.port();
                        SocketAddr::new(IpAddr::V4(arrived.destination), port)
                    },
                    payload: message.payload,
                };
                (engine, Packet::Datagram(datagram))
            }
            Role::Frames(interface) | Role::Arp(interface) | Role::DhcpReplies(interface) => {
                let (source, outgoing) = link_address(message.name)?;
                let packet = message.payload;
                (EngineKind::Dhcp, Packet::Frame(Frame { interface, source, outgoing, packet }))
            }
        })
    }

    /// Hands a buffer back to the kernel.
    pub(crate) fn give_back(&mut self, filled: Filled) {
        self.buffers.give_back(filled);
    }

    /// The send slot that `engine` uses next, if one is free. One engine's packets may all wait
    /// for a slow device: then the other still finds slots.
    pub(crate) fn next_free(&self, engine: EngineKind) -> Option<u32> {
        let reserve = match engine {
            EngineKind::Tftp => self.slots.capacity() / RESERVED_SHARE,
            EngineKind::Dhcp | EngineKind::Http => 0,
        };
        self.slots.next_free().filter(|_| self.slots.capacity() - self.slots.in_use() > reserve)
    }

    /// The buffer for the head of the next send.
    pub(crate) fn head_mut(&mut self) -> &mut [u8] {
        &mut self.head
    }

    /// Whether nothing is on its way.
    pub(crate) const fn is_idle(&self) -> bool {
        self.slots.in_use() == 0
    }

    /// Sends `transmit`, whose head is in [`Self::head_mut`], from the free slot `slot`.
    ///
    /// # Errors
    /// Why it cannot be sent; the slot is free then.
    pub(crate) fn send(
        &mut self,
        ring: &mut Ring,
        images: &mut PinnedImages,
        engine: EngineKind,
        slot: u32,
        transmit: &Transmit,
    ) -> Result<(), SendError> {
        let (receiver, interface) = self.address(engine, slot, transmit.route)?;
        let (body, body_len) = match &transmit.body {
            Some(span) => {
                let address = images.pin(span).ok_or(SendError::ImageUnreadable)?;
                (address, span.len as usize)
            }
            None => (std::ptr::null(), 0),
        };
        let head_len = usize::from(transmit.head_len);
        let head = self.slots.keep_head(slot, &self.head[..head_len]);
        let parts = Parts { head, head_len, body, body_len };
        let flight = Flight {
            engine,
            origin: transmit.origin,
            receiver,
            interface,
            image: transmit.body.map(|span| span.image),
            bytes: (parts.head_len + body_len) as u32,
            segments: transmit.split.map_or(1, |split| split.segments),
            alone: None,
        };
        self.slots.take(slot);
        match self.flights.get_mut(slot as usize) {
            Some(place) => *place = flight,
            None => self.flights.push(flight),
        }
        let message = self.slots.message_mut(slot);
        match transmit.split {
            Some(split) => {
                message.set_split(parts, split);
                if !self.interfaces.splits(interface) {
                    self.narrow(slot, 0);
                }
            }
            None => message.set_parts(parts),
        }
        self.submit(ring, slot);
        Ok(())
    }

    /// Takes note that a send is over and frees its slot. Nothing if the send goes on: its next
    /// datagram leaves now.
    pub(crate) fn on_sent(
        &mut self,
        ring: &mut Ring,
        images: &mut PinnedImages,
        token: Token,
        completion: &Completion,
    ) -> Option<Sent> {
        let slot = token.slot;
        assert!(token.is_of(self.slots.life(slot)), "a slot is freed by its last completion");
        let flight = self.flights[slot as usize];
        let result = match (completion.outcome(), flight.alone) {
            (Ok(_), Some(segment)) if segment + 1 < flight.segments => {
                if !self.has_socket(&flight) {
                    return Some(self.end(images, slot, flight, Err(SendError::Refused)));
                }
                self.narrow(slot, segment + 1);
                self.submit(ring, slot);
                return None;
            }
            (Ok(_), _) => Ok(flight.bytes),
            (Err(errno @ (libc::EIO | libc::EINVAL | libc::EMSGSIZE)), None)
                if flight.segments > 1 && self.has_socket(&flight) =>
            {
                // A device that cannot make checksums for segments never will; a path that is too
                // narrow for them is one client's.
                if errno == libc::EIO {
                    self.interfaces.refuse_splits(flight.interface);
                }
                self.splits_refused += 1;
                self.narrow(slot, 0);
                self.submit(ring, slot);
                return None;
            }
            (Err(libc::EFAULT), _) if flight.image.is_some() => Err(SendError::ImageUnreadable),
            (Err(libc::EMSGSIZE), _) => Err(SendError::TooLarge),
            (Err(_), _) => Err(SendError::Refused),
        };
        Some(self.end(images, slot, flight, result))
    }

    /// Frees the slot of a send that is over.
    fn end(
        &mut self,
        images: &mut PinnedImages,
        slot: u32,
        flight: Flight,
        result: Result<u32, SendError>,
    ) -> Sent {
        if let Some(image) = flight.image {
            images.unpin(image);
        }
        self.slots.release(slot);
        let Flight { engine, origin, segments, .. } = flight;
        Sent { engine, origin, packets: segments, result }
    }

    /// Split sends that left one by one because a device or path refused them.
    pub(crate) const fn splits_refused(&self) -> u64 {
        self.splits_refused
    }

    /// Writes the addresses of a route into a free slot; gives the receiver and the interface.
    fn address(
        &mut self,
        engine: EngineKind,
        slot: u32,
        route: Route,
    ) -> Result<(Handle, InterfaceId), SendError> {
        let (role, interface) = match route {
            Route::Datagram { socket, interface, source, destination } => {
                let (IpAddr::V4(source), SocketAddr::V4(destination)) = (source, destination)
                else {
                    return Err(SendError::Refused);
                };
                let index = self.interfaces.index(interface)?;
                self.slots.message_mut(slot).set_route(destination, source, index);
                (Role::Udp(engine, socket), interface)
            }
            Route::Link { interface, station } => {
                let protocol = match self.head[0] >> 4 {
                    0 => libc::ETH_P_ARP,
                    6 => libc::ETH_P_IPV6,
                    _ => libc::ETH_P_IP,
                };
                let index = self.interfaces.index(interface)?;
                self.slots.message_mut(slot).set_station(station, index, protocol as u16);
                (Role::Frames(interface), interface)
            }
            Route::Stream(_) => panic!("an engine that speaks in packets has no streams"),
        };
        Ok((self.handle(role).ok_or(SendError::Refused)?, interface))
    }

    /// Narrows a split send to one of its datagrams.
    fn narrow(&mut self, slot: u32, segment: u16) {
        self.flights[slot as usize].alone = Some(segment);
        self.slots.message_mut(slot).narrow_to_segment(segment);
    }

    /// Whether a send has a socket to leave by: the way of one may be taken away while it goes.
    fn has_socket(&self, flight: &Flight) -> bool {
        self.receivers.get(flight.receiver).is_some()
    }

    fn submit(&mut self, ring: &mut Ring, slot: u32) {
        let token = Token::new(Kind::Send, slot, self.slots.life(slot));
        let receiver = self.receivers.get(self.flights[slot as usize].receiver);
        let file = receiver.expect("only what has a socket is sent").file;
        let message = self.slots.message_mut(slot).header();
        // SAFETY: message and head belong to the slot, which stays taken until the completion of
        // this token; the image is pinned until then; the shard drops the ring before both.
        let send = unsafe { Op::send(file, message, token) };
        ring.submit(&send);
    }
}

/// The token of the receive on this receiver.
const fn receive_token(handle: Handle) -> Token {
    Token::new(Kind::Receive, handle.slot, handle.generation)
}

fn zeroed_header() -> Box<libc::msghdr> {
    Box::new(libc::msghdr {
        msg_name: std::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: std::ptr::null_mut(),
        msg_iovlen: 0,
        msg_control: std::ptr::null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    })
}

/// How long a receive rests that failed: a device that is gone fails again at once.
const REARM_PAUSE: Duration = Duration::from_millis(100);

/// The group of the buffers that datagrams and frames are received into.
const GROUP: BufferGroup = BufferGroup(0);

/// Receive buffers: a burst that one turn has not taken yet; the sockets hold the rest. The
/// kernel fills 33 for a socket before it lets the loop turn (seen on Linux 6.18), and goes round
/// through all of them, so that every one becomes resident memory.
const BUFFERS: u16 = 512;

/// Bytes of a receive buffer: an Ethernet frame's packet with addresses and control data.
const BUFFER_BYTES: usize = 2048;

/// The part of the send slots that the engine with the large packets leaves to the other.
const RESERVED_SHARE: usize = 8;

/// Pieces of one send: a head and a body for each datagram of a split.
const IOVECS: usize = limits::SPLIT_SEGMENTS_MAX as usize * 2;
