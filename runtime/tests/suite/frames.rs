//! Packets that are seen on and sent to the link, on a pair of virtual interfaces.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use reveille_core::engine::{
    Discard, Engine, Frame, InterfaceId, Origin, Output, Packet, Route, SendError, SocketId,
    Transmit,
};
use reveille_core::event::Event;
use reveille_core::image::ImageId;
use reveille_core::mac::MacAddr;
use reveille_core::time::Instant;
use reveille_core::view::View;
use reveille_runtime::{Config, Engines, ImageStore, InterfaceSpec, Setup, UdpSpec, bind};
use socket2::{Domain, Protocol, Socket, Type};

use crate::datagrams::fetch_split;
use crate::kit::{self, PATIENCE};
use crate::namespace::{in_namespace, index, ip};
use crate::packets::{Replier, Request};
use crate::streamer::Streamer;

const SERVER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

/// Tells what it sees, and sends the packets that it was made with when it sees the first.
struct Watcher {
    seen: Sender<(MacAddr, bool, Vec<u8>)>,
    to_send: Vec<Vec<u8>>,
    awake: bool,
}

impl Engine for Watcher {
    type Input<'i> = Packet<'i>;

    fn handle_input(&mut self, input: Packet<'_>, _: Instant, _: &View) -> Result<(), Discard> {
        let Packet::Frame(Frame { interface, source, outgoing, packet }) = input else {
            return Err(Discard::NotForServer);
        };
        assert_eq!(interface, InterfaceId(0));
        self.awake = true;
        let _nobody_listens = self.seen.send((source, outgoing, packet.to_vec()));
        Ok(())
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_output(&mut self, head: &mut [u8], _: Instant, _: &View) -> Option<Output> {
        let packet = if self.awake { self.to_send.pop()? } else { return None };
        head[..packet.len()].copy_from_slice(&packet);
        Some(Output::Transmit(Transmit {
            route: Route::Link { interface: InterfaceId(0), station: CLIENT },
            origin: Origin(0),
            head_len: packet.len() as u16,
            body: None,
            split: None,
        }))
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_send_error(&mut self, _: Origin, error: SendError, _: Instant) {
        panic!("{error:?}");
    }

    fn uses_image(&self, _: ImageId) -> bool {
        false
    }

    fn drain(&mut self) {}

    fn sessions(&self) -> usize {
        0
    }
}

/// An IPv6 packet with one ICMPv6 message without a body.
fn icmp6(kind: u8) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 8, 58, 255];
    packet.extend_from_slice(&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, kind]);
    packet.extend_from_slice(&[0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    packet.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
    packet
}

/// A UDP datagram with its IPv4 header, from 192.0.2.1:67 to 192.0.2.99:68, without checksum.
fn ipv4(payload: &[u8]) -> Vec<u8> {
    let len = 28 + payload.len() as u8;
    let mut packet = vec![0x45, 0, 0, len, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 99];
    packet.extend_from_slice(&[0, 67, 0, 68, 0, 8 + payload.len() as u8, 0, 0]);
    packet.extend_from_slice(payload);
    packet
}

/// A packet socket of the test, with link-layer headers, that takes every protocol.
pub(crate) fn tap(name: &str) -> Socket {
    let every = Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(every)).unwrap();
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index(name) as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = size_of_val(&address) as libc::socklen_t;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the address is on the stack and the kernel copies it.
    let bound = unsafe { libc::bind(fd, (&raw const address).cast(), len) };
    assert_eq!(bound, 0);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn send(tap: &Socket, from: MacAddr, to: MacAddr, protocol: u16, packet: &[u8]) {
    let frame = [&to.0[..], &from.0, &protocol.to_be_bytes(), packet].concat();
    assert_eq!(tap.send(&frame).unwrap(), frame.len());
}

/// The next frame from `from` with this protocol.
fn receive(tap: &mut Socket, from: MacAddr, protocol: u16) -> (MacAddr, Vec<u8>) {
    let mut buffer = [0; 2048];
    loop {
        let len = std::io::Read::read(tap, &mut buffer).expect("a frame in time");
        if buffer[6..12] == from.0 && buffer[12..14] == protocol.to_be_bytes() {
            let to = MacAddr(buffer[..6].try_into().unwrap());
            return (to, buffer[14..len].to_vec());
        }
    }
}

/// The server's interface and the client's, silent themselves.
fn make_link() {
    ip("link add name server0 type veth peer name client0");
    for (name, mac) in [("server0", "02:00:00:00:00:01"), ("client0", "02:00:00:00:00:02")] {
        set_ipv6(name, "disable_ipv6");
        ip(&format!("link set {name} address {mac}"));
        ip(&format!("link set {name} up"));
    }
}

/// Switches a setting of an interface on.
fn set_ipv6(name: &str, setting: &str) {
    std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/{setting}"), "1").unwrap();
}

fn config() -> Config {
    let mut config = Config::new(NonZeroUsize::MIN);
    config.sockets.interfaces =
        vec![InterfaceSpec { name: "server0".to_owned(), index: index("server0") }];
    config.sockets.frames = vec![InterfaceId(0)];
    config
}

type Seen = Receiver<(MacAddr, bool, Vec<u8>)>;

fn start(to_send: Vec<Vec<u8>>) -> (reveille_runtime::Server, Seen) {
    start_with(config(), to_send)
}

fn start_with(config: Config, to_send: Vec<Vec<u8>>) -> (reveille_runtime::Server, Seen) {
    let bound = bind(config).unwrap();
    assert!(bound.features().link_unicast);
    let (seen, seen_receiver) = channel();
    let mut watcher = Some(Watcher { seen, to_send, awake: false });
    let setup = Setup { view: Arc::default(), images: ImageStore::new().table() };
    let server = bound.start(setup, |_| Engines {
        dhcp: watcher.take(),
        tftp: Replier::default(),
        http: Streamer::new(channel().0),
    });
    (server.unwrap(), seen_receiver)
}

#[test]
fn clients_that_only_broadcasts_reach_are_told_of() {
    in_namespace(|| {
        make_link();
        let mut config = config();
        config.sockets.frames.clear();
        let local = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67);
        config.sockets.dhcp = vec![UdpSpec {
            id: SocketId(0),
            local,
            device: Some(InterfaceId(0)),
            broadcast: true,
            group: None,
        }];
        let bound = bind(config).unwrap();
        let told: Vec<String> = bound.features().iter().map(ToString::to_string).collect();
        assert!(!bound.features().link_unicast);
        assert!(told.iter().any(|line| line.contains("answered by broadcast")), "{told:?}");
    });
}

#[test]
fn router_discovery_is_seen_in_both_directions_and_nothing_else() {
    in_namespace(|| {
        make_link();
        // What this host itself advertises matters only if it is a router.
        set_ipv6("server0", "forwarding");
        let (server, seen) = start(Vec::new());
        let (ours, theirs) = (tap("server0"), tap("client0"));
        let multicast = MacAddr([0x33, 0x33, 0, 0, 0, 2]);
        // Neighbour discovery and another protocol pass by.
        send(&theirs, CLIENT, multicast, libc::ETH_P_IPV6 as u16, &icmp6(135));
        send(&theirs, CLIENT, multicast, libc::ETH_P_IP as u16, &icmp6(133));
        // So does what belongs to a VLAN, which is an interface of its own.
        let tagged = [&[0, 20, 0x86, 0xdd][..], &icmp6(133)].concat();
        send(&theirs, CLIENT, multicast, 0x8100, &tagged);
        send(&theirs, CLIENT, multicast, libc::ETH_P_IPV6 as u16, &icmp6(133));
        let first = seen.recv_timeout(PATIENCE).unwrap();
        assert_eq!(first, (CLIENT, false, icmp6(133)));
        send(&ours, SERVER, multicast, libc::ETH_P_IPV6 as u16, &icmp6(134));
        let second = seen.recv_timeout(PATIENCE).unwrap();
        assert_eq!(second, (SERVER, true, icmp6(134)));
        server.stop();
        server.join().unwrap();
        assert_eq!(seen.try_recv().ok(), None);
    });
}

/// An ARP packet of the client from one address for another.
fn arp(operation: u8, from: u8, to: u8) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation];
    packet.extend_from_slice(&CLIENT.0);
    packet.extend_from_slice(&[192, 0, 2, from, 0, 0, 0, 0, 0, 0, 192, 0, 2, to]);
    packet
}

#[test]
fn claims_of_addresses_and_dhcp_servers_are_heard_where_that_is_wanted_and_nothing_else() {
    in_namespace(|| {
        make_link();
        let mut config = config();
        config.sockets.watched = vec![InterfaceId(0)];
        let (server, seen) = start_with(config, vec![arp(1, 0, 9)]);
        let mut theirs = tap("client0");
        let protocols = [libc::ETH_P_ARP as u16, libc::ETH_P_IP as u16];
        let tell = |protocol, packet: &[u8], heard: bool| {
            send(&theirs, CLIENT, MacAddr::BROADCAST, protocol, packet);
            if heard {
                let packet = packet.to_vec();
                assert_eq!(seen.recv_timeout(PATIENCE), Ok((CLIENT, false, packet)));
            }
        };
        // What is not heard would come before what is.
        tell(protocols[0], &arp(1, 7, 8), false);
        tell(protocols[0], &arp(3, 7, 7), false);
        tell(protocols[0], &arp(2, 7, 8), true);
        tell(protocols[0], &arp(1, 7, 7), true);
        let reply = ipv4(b"a reply of a server");
        let differing = |at: usize, value: u8| {
            let mut packet = reply.clone();
            packet[at] = value;
            packet
        };
        // Another protocol, fragments, other ports.
        for (at, value) in [(9, 6), (6, 0x20), (7, 1), (21, 68), (23, 67)] {
            tell(protocols[1], &differing(at, value), false);
        }
        tell(protocols[1], &differing(6, 0x40), true);
        // With options in the IP header.
        let mut long = reply.clone();
        long[0] = 0x46;
        long.splice(20..20, [1, 1, 1, 1]);
        tell(protocols[1], &long, true);
        let (to, packet) = receive(&mut theirs, SERVER, libc::ETH_P_ARP as u16);
        assert_eq!((to, &packet[..28]), (CLIENT, &arp(1, 0, 9)[..]));
        server.stop();
        server.join().unwrap();
        assert_eq!(seen.try_recv().ok(), None);
    });
}

#[test]
fn a_packet_reaches_a_station_without_an_address() {
    in_namespace(|| {
        make_link();
        let (server, seen) = start(vec![ipv4(b"offer"), icmp6(134)]);
        let mut theirs = tap("client0");
        let multicast = MacAddr([0x33, 0x33, 0, 0, 0, 2]);
        send(&theirs, CLIENT, multicast, libc::ETH_P_IPV6 as u16, &icmp6(133));
        let (to, packet) = receive(&mut theirs, SERVER, libc::ETH_P_IPV6 as u16);
        assert_eq!((to, packet), (CLIENT, icmp6(134)));
        let (to, packet) = receive(&mut theirs, SERVER, libc::ETH_P_IP as u16);
        assert_eq!((to, packet), (CLIENT, ipv4(b"offer")));
        seen.recv_timeout(PATIENCE).unwrap();
        let own = seen.recv_timeout(Duration::ZERO);
        assert!(own.is_err(), "what the engine sent is not shown to it");
        server.stop();
        server.join().unwrap();
    });
}

#[test]
fn a_path_too_narrow_for_segments_gets_datagrams_one_by_one() {
    in_namespace(|| {
        ip("link set lo mtu 1280");
        let mut store = ImageStore::new();
        let bytes = kit::pattern(20, 20_000);
        let image = store.from_bytes(bytes.clone()).unwrap();
        let running = kit::start(kit::config(1), &store);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        for (len, body_len) in [(20_000, 1468), (14_680, 1468), (2000, 512)] {
            let request = Request::Split(kit::span(image, 0, len), body_len);
            let body = &bytes[..len];
            fetch_split(&client, running.tftp.into(), request, body, usize::from(body_len));
        }
        let total = || running.server.counters().total();
        kit::eventually("the last completion", || total().tftp.packets_out == 14 + 11 + 4);
        assert_eq!(total().splits_refused, 2, "the third fits");
        running.stop();
    });
}
