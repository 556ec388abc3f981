//! What machines ask for, done; and what comes, handed to them.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::net::sockopt;
use socket2::{Domain, Socket, Type};

use super::endpoints::{Kind, Name};
use super::link::Recipient;
use super::{FRAMES, Fleet, PACKETS, PIECES};
use crate::client::{Command, Input};
use crate::ring::{Datagram, Filled, NAMELESS};
use crate::time::Instant;
use crate::wire::{ethernet, ipv4_udp};

impl Fleet<'_> {
    pub(super) fn execute(&mut self, number: u32, command: Command) -> anyhow::Result<()> {
        match command {
            Command::SendDhcp { source, destination, len } => {
                self.places.ask(number, self.now);
                self.send_dhcp(number, source, destination, len)
            }
            Command::SendIpv6 { len } => self.send_ipv6(number, len),
            Command::OpenDatagram { local } => self.open_datagram(number, local),
            Command::SendDatagram { destination, len } => {
                self.send_datagram(number, destination, len)
            }
            Command::CloseDatagram => {
                let socket = self.places.take_datagram(number);
                self.close(socket)
            }
            Command::Connect { local, server } => self.connect(number, local, server),
            Command::Send { len } => self.send(number, len),
            Command::Disconnect => {
                let socket = self.places.take_stream(number);
                self.close(socket)
            }
            Command::PowerOff => {
                let datagram = self.places.take_datagram(number);
                self.close(datagram)?;
                let stream = self.places.take_stream(number);
                self.close(stream)?;
                self.running -= u32::from(self.places.power_off(number));
                Ok(())
            }
        }
    }

    /// Receives frames.
    pub(super) fn arm_link(&mut self) -> anyhow::Result<()> {
        for (number, socket) in (0..).zip(self.link.sockets()) {
            let name = Name::frames(number).to_bits();
            self.frame_ring.receive(socket, name, FRAMES)?;
            self.ring.watch(socket, name)?;
        }
        Ok(())
    }

    /// Begins receives anew, now that there are buffers again.
    pub(super) fn arm_again(&mut self) -> anyhow::Result<()> {
        let mut unarmed = std::mem::take(&mut self.unarmed);
        for name in unarmed.drain(..) {
            match name.kind {
                Kind::Frames => {
                    let socket = self.link.socket(name.number);
                    self.ring.watch(socket, name.to_bits())?;
                }
                _ if !self.places.is(name) => {}
                Kind::Datagram => {
                    if let Some(datagram) = self.places.datagram(name.number) {
                        let fd = datagram.fd;
                        self.ring.receive_from(fd, name.to_bits(), PACKETS, false)?;
                    }
                }
                Kind::Stream => {
                    if let Some(fd) = self.places.stream(name.number) {
                        self.ring.receive(fd, name.to_bits(), PIECES)?;
                    }
                }
                Kind::DatagramSend | Kind::Connect | Kind::StreamSend => {}
            }
        }
        self.unarmed = unarmed;
        Ok(())
    }

    /// A frame came.
    pub(super) fn handle_frame(&mut self, id: &Filled, len: usize) -> anyhow::Result<()> {
        if self.is_lost() {
            return Ok(());
        }
        let now = Instant(self.now);
        match self.link.read(self.frames.bytes(id, len)) {
            Some(Recipient::Dhcp { mac, datagram }) => {
                let source = datagram.source;
                let number = self.scenario.number(mac).filter(|number| self.places.is_on(*number));
                let Some(number) = number else { return Ok(()) };
                if self.scenario.server.is_some_and(|server| server != *source.ip()) {
                    return Ok(());
                }
                if let Some(asked) = self.places.answered(number) {
                    self.recorder.dhcp_answered(Duration::from_nanos(self.now - asked));
                }
                let destination_port = datagram.destination.port();
                let input = Input::Dhcp { source, destination_port, payload: datagram.payload };
                self.machines[number as usize].handle(input, now);
                self.drive(number)
            }
            Some(Recipient::Ipv6 { mac: Some(mac), packet }) => {
                let number = self.scenario.number(mac).filter(|number| self.places.is_on(*number));
                let Some(number) = number else { return Ok(()) };
                self.machines[number as usize].handle(Input::Ipv6(packet), now);
                self.drive(number)
            }
            Some(Recipient::Ipv6 { mac: None, packet }) => {
                let on = (0..self.scenario.clients).filter(|number| self.places.is_on(*number));
                let on: Vec<u32> = on.collect();
                for number in &on {
                    self.machines[*number as usize].handle(Input::Ipv6(packet), now);
                }
                on.into_iter().try_for_each(|number| self.drive(number))
            }
            None => Ok(()),
        }
    }

    /// A datagram came.
    pub(super) fn handle_datagram(
        &mut self,
        name: Name,
        id: &Filled,
        len: usize,
    ) -> anyhow::Result<()> {
        if self.is_lost() || !self.places.is(name) {
            return Ok(());
        }
        let Some(datagram) = self.packets.datagram(id, len, false) else { return Ok(()) };
        let Datagram { source, payload, .. } = datagram;
        if let Some(datagram) = self.places.datagram(name.number) {
            datagram.heard = Some(source);
        }
        self.received_bytes += payload.len() as u64;
        let input = Input::Datagram { source, payload };
        self.machines[name.number as usize].handle(input, Instant(self.now));
        self.drive(name.number)
    }

    /// Bytes of a stream came.
    pub(super) fn handle_piece(
        &mut self,
        name: Name,
        id: &Filled,
        len: usize,
    ) -> anyhow::Result<()> {
        if len == 0 || !self.places.is(name) {
            return Ok(());
        }
        self.received_bytes += len as u64;
        let input = Input::Received(self.pieces.bytes(id, len));
        self.machines[name.number as usize].handle(input, Instant(self.now));
        self.drive(name.number)
    }

    fn send_dhcp(
        &mut self,
        number: u32,
        source: SocketAddrV4,
        destination: SocketAddrV4,
        len: usize,
    ) -> anyhow::Result<()> {
        if self.is_lost() {
            return Ok(());
        }
        let to = match *destination.ip() {
            Ipv4Addr::BROADCAST => ethernet::BROADCAST,
            server => self.link.resolve(server),
        };
        let payload = &self.command[..len];
        let from = self.machines[number as usize].identity().mac;
        let link = ethernet::header(to, from, ethernet::IPV4);
        let headers = ipv4_udp::headers(source, destination, 0, payload);
        let room = link.len() + headers.len() + len;
        self.ring.send(self.link.socket(0), NAMELESS, room, |space| {
            let (front, rest) = space.split_at_mut(link.len());
            front.copy_from_slice(&link);
            let (middle, end) = rest.split_at_mut(headers.len());
            middle.copy_from_slice(&headers);
            end.copy_from_slice(payload);
            room
        })?;
        Ok(())
    }

    fn send_ipv6(&mut self, number: u32, len: usize) -> anyhow::Result<()> {
        if self.is_lost() {
            return Ok(());
        }
        let packet = &self.command[..len];
        let from = self.machines[number as usize].identity().mac;
        let link = ethernet::header(ethernet::ALL_ROUTERS, from, ethernet::IPV6);
        let room = link.len() + len;
        self.ring.send(self.link.socket(0), NAMELESS, room, |space| {
            let (front, end) = space.split_at_mut(link.len());
            front.copy_from_slice(&link);
            end.copy_from_slice(packet);
            room
        })?;
        Ok(())
    }

    fn open_datagram(&mut self, number: u32, local: Ipv4Addr) -> anyhow::Result<()> {
        let socket = self.open(Type::DGRAM, local)?;
        let fd = socket.into_raw_fd();
        let before = self.places.put_datagram(number, fd);
        let name = self.places.name(Kind::Datagram, number);
        self.ring.receive_from(fd, name.to_bits(), PACKETS, false)?;
        self.close(before)
    }

    fn send_datagram(
        &mut self,
        number: u32,
        destination: SocketAddrV4,
        len: usize,
    ) -> anyhow::Result<()> {
        if self.is_lost() {
            return Ok(());
        }
        let name = self.places.name(Kind::DatagramSend, number).to_bits();
        let Some(datagram) = self.places.datagram(number) else { return Ok(()) };
        let payload = &self.command[..len];
        let fill = |space: &mut [u8]| {
            space.copy_from_slice(payload);
            len
        };
        let fd = datagram.fd;
        // An answer to who has answered is the beginning of a transfer: what is connected costs
        // the kernel less.
        if datagram.connected.is_none() && datagram.heard == Some(destination) {
            // SAFETY: the descriptor is a machine's, which is closed only by the ring, later.
            let socket = unsafe { BorrowedFd::borrow_raw(fd) };
            if rustix::net::connect(socket, &destination).is_ok() {
                datagram.connected = Some(destination);
            }
            self.places.count_syscalls(1);
            self.ring.send(fd, name, len, fill)?;
        } else if datagram.connected == Some(destination) {
            self.ring.send(fd, name, len, fill)?;
        } else {
            if datagram.connected.take().is_some() {
                // SAFETY: as above.
                let socket = unsafe { BorrowedFd::borrow_raw(fd) };
                rustix::net::connect_unspec(socket).context("a UDP socket cannot be detached")?;
                self.places.count_syscalls(1);
            }
            self.ring.send_to(fd, name, destination, len, fill)?;
        }
        Ok(())
    }

    fn connect(
        &mut self,
        number: u32,
        local: Ipv4Addr,
        server: SocketAddrV4,
    ) -> anyhow::Result<()> {
        let before = self.places.take_stream(number);
        self.close(before)?;
        let socket = self.open(Type::STREAM, local)?;
        // Requests are small, and firmware sends them at once.
        socket.set_tcp_nodelay(true)?;
        // iPXE has a window of 256 KiB; the kernel counts twice what it is asked for.
        sockopt::set_socket_recv_buffer_size(&socket, STREAM_BUFFER_BYTES)?;
        self.places.count_syscalls(2);
        let fd = socket.into_raw_fd();
        self.places.put_stream(number, fd);
        let name = self.places.name(Kind::Connect, number);
        self.ring.connect(fd, name.to_bits(), server)?;
        Ok(())
    }

    fn send(&mut self, number: u32, len: usize) -> anyhow::Result<()> {
        let Some(fd) = self.places.stream(number) else { return Ok(()) };
        let name = self.places.name(Kind::StreamSend, number);
        let payload = &self.command[..len];
        self.ring.send(fd, name.to_bits(), len, |space| {
            space.copy_from_slice(payload);
            len
        })?;
        Ok(())
    }

    /// A socket at a leased address.
    fn open(&mut self, kind: Type, local: Ipv4Addr) -> anyhow::Result<Socket> {
        self.places.count_syscalls(2);
        let socket = match Socket::new(Domain::IPV4, kind, None) {
            // What was closed in this turn is closed once the ring is entered.
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
                self.ring.enter(Duration::ZERO)?;
                Socket::new(Domain::IPV4, kind, None).context(
                    "this process may not open more sockets: each machine needs up to two (see \
                     ulimit -n)",
                )?
            }
            other => other?,
        };
        match socket.bind(&SocketAddrV4::new(local, 0).into()) {
            Ok(()) => Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => bail!(
                "the server leased {local}, which this host does not take for its own. Give it \
                 all leased addresses, but leave the server out:\n  ip route add local \
                 10.77.0.0/16 dev lo\n  ip route add 10.77.0.1 dev {} table local\n(with your \
                 prefix and your server), or let `loadgen lab` make a network",
                self.scenario.interface
            ),
            Err(error) => Err(error).with_context(|| format!("no socket at {local}")),
        }
    }

    fn close(&mut self, socket: Option<RawFd>) -> anyhow::Result<()> {
        if let Some(fd) = socket {
            self.ring.close(fd, NAMELESS)?;
        }
        Ok(())
    }
}

/// Bytes of a stream that may wait for a machine.
const STREAM_BUFFER_BYTES: usize = 128 * 1024;
