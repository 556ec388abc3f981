//! The machines' network cards: frames out, frames in, and whom they are for.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, RawFd};

use anyhow::Context;
use socket2::Socket;

use crate::frames;
use crate::wire::ethernet::{self, BROADCAST};
use crate::wire::ipv4_udp;

/// The packet sockets, and what was learned about servers.
#[derive(Debug)]
pub(super) struct Link {
    sockets: Vec<Socket>,
    /// The link-layer addresses of DHCP servers by their IPv4 addresses: one, seldom two.
    servers: Vec<(Ipv4Addr, [u8; 6])>,
}

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recipient<'f> {
    /// A DHCP message for the machine with this MAC address.
    Dhcp { mac: [u8; 6], datagram: ipv4_udp::Datagram<'f> },
    /// An IPv6 packet for the machine with this MAC address, or for all.
    Ipv6 { mac: Option<[u8; 6]>, packet: &'f [u8] },
}

impl Link {
    pub(super) fn open(interface: &str, ipv6: bool) -> anyhow::Result<Self> {
        let mut protocols = vec![ethernet::IPV4];
        if ipv6 {
            protocols.push(ethernet::IPV6);
        }
        let open = |protocol| frames::open(interface, protocol, RECEIVE_BUFFER_BYTES);
        let sockets = protocols.into_iter().map(open).collect::<Result<_, _>>();
        let sockets = sockets.with_context(|| {
            format!(
                "frames cannot be sent from interface {interface:?} (it takes root or \
                 CAP_NET_RAW, and `ip link` shows the interfaces)"
            )
        })?;
        Ok(Self { sockets, servers: Vec::new() })
    }

    /// The sockets to receive from.
    pub(super) fn sockets(&self) -> impl Iterator<Item = RawFd> {
        self.sockets.iter().map(AsRawFd::as_raw_fd)
    }

    pub(super) fn socket(&self, number: u32) -> RawFd {
        self.sockets[number as usize].as_raw_fd()
    }

    /// The link-layer address for an IPv4 one; all stations if it was never seen.
    pub(super) fn resolve(&self, address: Ipv4Addr) -> [u8; 6] {
        let known = self.servers.iter().find(|(server, _)| *server == address);
        known.map_or(BROADCAST, |(_, mac)| *mac)
    }

    /// Reads a frame, and learns where it came from.
    pub(super) fn read<'f>(&mut self, bytes: &'f [u8]) -> Option<Recipient<'f>> {
        let frame = ethernet::parse(bytes)?;
        let is_group = frame.destination[0] & 1 == 1;
        match frame.ethertype {
            ethernet::IPV4 => {
                let datagram = ipv4_udp::parse(frame.payload)?;
                // RFC 2131 §2: chaddr begins at byte 28. It tells whose message a broadcast is,
                // or one that came to the address of the host itself.
                let mac = *datagram.payload.get(28..)?.first_chunk()?;
                self.learn(*datagram.source.ip(), frame.source);
                Some(Recipient::Dhcp { mac, datagram })
            }
            ethernet::IPV6 => {
                let mac = (!is_group).then_some(frame.destination);
                Some(Recipient::Ipv6 { mac, packet: frame.payload })
            }
            _ => None,
        }
    }

    fn learn(&mut self, address: Ipv4Addr, mac: [u8; 6]) {
        if let Some((_, known)) = self.servers.iter_mut().find(|(server, _)| *server == address) {
            *known = mac;
        } else if self.servers.len() < SERVERS_MAX {
            self.servers.push((address, mac));
        }
    }
}

/// DHCP servers and relay agents on a link that are remembered.
const SERVERS_MAX: usize = 16;

/// Answers that wait while machines are busy: those to ten thousand at once.
const RECEIVE_BUFFER_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use super::*;

    const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn answer(destination: [u8; 6], chaddr: [u8; 6]) -> Vec<u8> {
        let mut message = [0; 300];
        message[28..34].copy_from_slice(&chaddr);
        let server = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 67);
        let client = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68);
        let mut frame = ethernet::header(destination, SERVER_MAC, ethernet::IPV4).to_vec();
        frame.extend(ipv4_udp::headers(server, client, 0, &message));
        frame.extend(message);
        frame
    }

    #[test]
    fn dhcp_answers_are_told_apart_by_chaddr() {
        let mut link = Link { sockets: Vec::new(), servers: Vec::new() };
        let chaddr = [2, 7, 0, 0, 0, 5];
        let server = Ipv4Addr::new(10, 77, 0, 1);
        assert_eq!(link.resolve(server), BROADCAST);
        for destination in [BROADCAST, chaddr, [2, 0, 0, 0, 0, 2]] {
            let frame = answer(destination, chaddr);
            match link.read(&frame) {
                Some(Recipient::Dhcp { mac, datagram }) => {
                    assert_eq!(mac, chaddr);
                    assert_eq!(*datagram.source.ip(), server);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(link.resolve(server), SERVER_MAC);
    }

    #[test]
    fn cut_frames_are_for_nobody() {
        let mut link = Link { sockets: Vec::new(), servers: Vec::new() };
        let frame = answer(BROADCAST, [2; 6]);
        for len in 0..frame.len() {
            assert_eq!(link.read(&frame[..len]), None, "{len}");
        }
    }

    #[test]
    fn advertisements_are_for_one_or_for_all() {
        let mut link = Link { sockets: Vec::new(), servers: Vec::new() };
        for (destination, expected) in
            [([2, 7, 0, 0, 0, 5], Some([2, 7, 0, 0, 0, 5])), ([0x33, 0x33, 0, 0, 0, 1], None)]
        {
            let mut frame = ethernet::header(destination, SERVER_MAC, ethernet::IPV6).to_vec();
            frame.extend([0x60; 56]);
            match link.read(&frame) {
                Some(Recipient::Ipv6 { mac, packet }) => {
                    assert_eq!((mac, packet.len()), (expected, 56));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
