//! A site, clients that speak, and replies that can be read.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use crate::dhcp4::{Dhcp4Config, Dhcp4Server, Explanation, Outcome};
use crate::document::Template;
use crate::engine::{
    Datagram, Discard, Engine, Frame, InterfaceId, Output, Packet, Route, SocketId,
};
use crate::event::EventKind;
use crate::limits;
use crate::mac::MacAddr;
use crate::time::Instant;
use crate::view::{
    DhcpMode, Interface, LeaseTerms, Loader, Machine, MachineKey, MatchRule, Network, Pool,
    Profile, Subnet, View,
};
use crate::wire::dhcp4::{Header, MessageType};
use crate::wire::dhcp4_options::MessageWriter;
use crate::wire::ipv4_udp;
use crate::wire::pxe::ArchType;

pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const SERVER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xfe]);
pub(super) const BROADCAST: Ipv4Addr = Ipv4Addr::BROADCAST;
pub(super) const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

pub(super) fn mac(last: u8) -> MacAddr {
    MacAddr([0x52, 0x54, 0, 0, 0, last])
}

/// An address of the site's network.
pub(super) fn host(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

pub(super) fn socket(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

/// One network with ten addresses, one profile for everybody, programs for BIOS and UEFI.
pub(super) fn view() -> View {
    let mut view = View::default();
    view.interfaces.push(Interface {
        name: "eth0".into(),
        mac: SERVER_MAC,
        mtu: 1500,
        link_unicast: true,
        advertise_from: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
    });
    view.networks.push(Network {
        interface: InterfaceId(0),
        server: SERVER,
        subnet: Subnet { address: host(0), prefix_len: 24 },
        mode: DhcpMode::Server,
        pools: std::vec![Pool::new(host(100), host(109))],
        routers: std::vec![host(254)],
        dns: std::vec![host(53)],
        ntp: std::vec![host(123)],
        domain: Some("example.org".into()),
        lease: LeaseTerms::fixed(Duration::from_secs(1800)),
        relays: Vec::new(),
        authoritative: true,
        // What is asked beside an offer has tests of its own.
        conflict_check: false,
        ..Network::default()
    });
    view.profiles.push(profile("all", Loader::Ipxe));
    for (arch, program) in [
        (ArchType::X86_BIOS, "ipxe/undionly.kpxe"),
        (ArchType::X64_UEFI, "ipxe/snponly.efi"),
        (ArchType::ARM64_UEFI, "ipxe/arm64.efi"),
    ] {
        view.programs.insert(Loader::Ipxe, arch, program.into());
    }
    view
}

pub(super) fn profile(name: &str, loader: Loader) -> Profile {
    Profile {
        name: name.into(),
        rule: MatchRule::default(),
        loader,
        ipxe: Template::default(),
        pxelinux: Template::default(),
        grub: Template::default(),
        vars: Vec::new(),
    }
}

/// A machine with a fixed address.
pub(super) fn reserve(view: &mut View, key: MachineKey, address: Ipv4Addr) {
    let machine = Machine {
        hostname: Some("n0017".into()),
        addresses: std::vec![address],
        ..Machine::default()
    };
    view.machines.insert(&[key], machine).unwrap();
}

/// An engine and what it serves.
pub(super) struct Site {
    pub(super) server: Dhcp4Server,
    pub(super) view: View,
    pub(super) now: Instant,
    /// What was said about the last message before it was sent.
    explained: Option<Outcome>,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::with(view())
    }

    pub(super) fn with(view: View) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1000);
        let config = Dhcp4Config { leases_max: 1024, seed: 1, ..Dhcp4Config::default() };
        Self { server: Dhcp4Server::new(config), view, now, explained: None }
    }

    pub(super) fn proxy() -> Self {
        let mut view = view();
        view.networks.edit()[0].mode = DhcpMode::Proxy;
        view.networks.edit()[0].pools.clear();
        Self::with(view)
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    pub(super) fn send(&mut self, ask: &Ask) -> Result<(), Discard> {
        self.send_bytes(ask, &ask.bytes())
    }

    /// Sends other bytes the way of `ask`, and checks what would have been said about them.
    pub(super) fn send_bytes(&mut self, ask: &Ask, payload: &[u8]) -> Result<(), Discard> {
        let explained = self.explain(ask, payload).outcome;
        let datagram = ask.datagram(payload);
        let sent = self.server.handle_input(Packet::Datagram(datagram), self.now, &self.view);
        match sent {
            // Whether a message finds a place to wait is no decision about it.
            Err(Discard::Duplicate | Discard::Overload) => {}
            Err(discard) => assert_eq!(explained, Outcome::Dropped(discard)),
            Ok(()) => assert!(!matches!(explained, Outcome::Dropped(_)), "{explained:?}"),
        }
        self.explained = Some(explained);
        sent
    }

    pub(super) fn explain(&self, ask: &Ask, payload: &[u8]) -> Explanation {
        self.server.explain(&ask.datagram(payload), self.now, &self.view)
    }

    pub(super) fn frame(
        &mut self,
        source: MacAddr,
        outgoing: bool,
        packet: &[u8],
    ) -> Result<(), Discard> {
        let frame = Frame { interface: InterfaceId(0), source, outgoing, packet };
        self.server.handle_input(Packet::Frame(frame), self.now, &self.view)
    }

    pub(super) fn poll(&mut self) -> Option<Sent> {
        // Dirty, so that a byte that is not written shows.
        let mut head = std::vec![0xa5; limits::HEAD_BYTES];
        match self.server.poll_output(&mut head, self.now, &self.view)? {
            Output::Transmit(transmit) => {
                assert_eq!((transmit.body, transmit.split), (None, None));
                head.truncate(usize::from(transmit.head_len));
                Some(Sent { route: transmit.route, bytes: head })
            }
            Output::Persist { .. } => panic!("nothing is kept"),
            Output::Close(_) => panic!("there are no streams"),
        }
    }

    /// The one reply to a message.
    pub(super) fn ask(&mut self, ask: &Ask) -> Reply {
        self.ask_bytes(ask, &ask.bytes())
    }

    /// The one reply to other bytes, sent the way of `ask`.
    pub(super) fn ask_bytes(&mut self, ask: &Ask, payload: &[u8]) -> Reply {
        assert_eq!(self.send_bytes(ask, payload), Ok(()));
        let reply = Reply::read(self.poll().expect("a reply"));
        let (route, message) = (reply.route, reply.message.clone());
        assert_eq!(self.explained.take(), Some(Outcome::Reply { route, message }));
        assert!(self.poll().is_none(), "one reply to one message");
        reply
    }

    /// A message that gets no reply, but is not dropped at once either.
    pub(super) fn ask_in_vain(&mut self, ask: &Ask) {
        assert_eq!(self.send(ask), Ok(()));
        assert!(self.poll().is_none());
        assert_eq!(self.explained.take(), Some(Outcome::Silence));
    }

    /// DISCOVER and REQUEST; gives the address.
    pub(super) fn lease(&mut self, last: u8) -> Ipv4Addr {
        let offer = self.ask(&discover(last));
        let ack = self.ask(&select(&discover(last), &offer));
        assert_eq!((ack.kind(), ack.yiaddr()), (MessageType::Ack, offer.yiaddr()));
        ack.yiaddr()
    }

    pub(super) fn events(&mut self) -> Vec<EventKind> {
        core::iter::from_fn(|| self.server.poll_event()).map(|event| event.kind).collect()
    }
}

/// A message that a client sends.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) kind: MessageType,
    pub(super) header: Header,
    pub(super) options: Vec<(u8, Vec<u8>)>,
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
}

pub(super) fn ask(kind: MessageType, last: u8) -> Ask {
    Ask {
        kind,
        header: Header::request(0x1000 + u32::from(last), mac(last)),
        options: Vec::new(),
        source: socket(ANY, 68),
        destination: socket(BROADCAST, 67),
    }
}

pub(super) fn discover(last: u8) -> Ask {
    ask(MessageType::Discover, last)
}

/// The REQUEST that takes an offer, with all that the DISCOVER told.
pub(super) fn select(discover: &Ask, offer: &Reply) -> Ask {
    let mut ask = discover.clone().option(50, &offer.yiaddr().octets());
    ask.kind = MessageType::Request;
    ask.option(54, &offer.option(54).expect("a server identifier"))
}

impl Ask {
    pub(super) fn option(mut self, code: u8, data: &[u8]) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self.options.push((code, data.to_vec()));
        self
    }

    pub(super) fn without(mut self, code: u8) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self
    }

    pub(super) fn xid(mut self, xid: u32) -> Self {
        self.header.set_xid(xid);
        self
    }

    pub(super) fn broadcast(mut self) -> Self {
        self.header.set_broadcast(true);
        self
    }

    pub(super) fn ciaddr(mut self, address: Ipv4Addr) -> Self {
        self.header.set_ciaddr(address);
        self.source = socket(address, 68);
        self
    }

    pub(super) fn giaddr(mut self, address: Ipv4Addr) -> Self {
        self.header.set_giaddr(address);
        self.source = socket(address, 67);
        self
    }

    pub(super) fn to(mut self, destination: SocketAddrV4) -> Self {
        self.destination = destination;
        self
    }

    pub(super) fn from(mut self, source: SocketAddrV4) -> Self {
        self.source = source;
        self
    }

    fn datagram<'p>(&self, payload: &'p [u8]) -> Datagram<'p> {
        Datagram {
            socket: SocketId(u16::from(self.destination.port() == 4011)),
            interface: InterfaceId(0),
            source: SocketAddr::V4(self.source),
            destination: SocketAddr::V4(self.destination),
            payload,
        }
    }

    /// As PXE firmware of this architecture says it.
    pub(super) fn pxe(self, arch: u16) -> Self {
        let class = std::format!("PXEClient:Arch:{arch:05}:UNDI:003001");
        self.option(60, class.as_bytes())
            .option(93, &arch.to_be_bytes())
            .option(94, &[1, 3, 1])
            .option(97, &[&[0][..], &[0x11; 16]].concat())
            .option(57, &1472u16.to_be_bytes())
    }

    pub(super) fn http_boot(self, arch: u16) -> Self {
        let class = std::format!("HTTPClient:Arch:{arch:05}:UNDI:003001");
        self.pxe(arch).option(60, class.as_bytes())
    }

    pub(super) fn ipxe(self, arch: u16) -> Self {
        // Feature flag 0x13: HTTP.
        self.pxe(arch).option(77, b"iPXE").option(175, &[0x13, 1, 1])
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut buffer = [0; 2000];
        let mut writer = MessageWriter::new(&mut buffer, &self.header, self.kind);
        for (code, data) in &self.options {
            writer.put(*code, data);
        }
        let len = writer.finish().unwrap();
        buffer[..len].to_vec()
    }
}

/// A packet that the engine sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) route: Route,
    pub(super) bytes: Vec<u8>,
}

/// A DHCP message that the engine sent, read without the engine's own parser.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) route: Route,
    pub(super) message: Vec<u8>,
    /// Code, value, and the byte behind it.
    pub(super) options: Vec<(u8, Vec<u8>, u8)>,
    pub(super) from: SocketAddrV4,
    pub(super) to: SocketAddrV4,
}

impl Reply {
    pub(super) fn read(sent: Sent) -> Self {
        let (message, from, to) = match sent.route {
            Route::Datagram { socket, source, destination, .. } => {
                let IpAddr::V4(source) = source else { panic!("IPv4") };
                let SocketAddr::V4(destination) = destination else { panic!("IPv4") };
                let port = if socket == SocketId(1) { 4011 } else { 67 };
                (sent.bytes, SocketAddrV4::new(source, port), destination)
            }
            Route::Link { .. } => {
                let datagram = ipv4_udp::parse(&sent.bytes).unwrap();
                (datagram.payload.to_vec(), datagram.source, datagram.destination)
            }
            Route::Stream(_) => panic!("there are no streams"),
        };
        let options = read_options(&message);
        Self { route: sent.route, message, options, from, to }
    }

    pub(super) fn kind(&self) -> MessageType {
        MessageType::try_from(self.option(53).unwrap()[0]).unwrap()
    }

    pub(super) fn option(&self, code: u8) -> Option<Vec<u8>> {
        self.options.iter().find(|option| option.0 == code).map(|option| option.1.clone())
    }

    pub(super) fn text(&self, code: u8) -> Option<String> {
        self.option(code).map(|text| String::from_utf8(text).unwrap())
    }

    /// The byte behind the value of an option.
    pub(super) fn behind(&self, code: u8) -> Option<u8> {
        self.options.iter().find(|option| option.0 == code).map(|option| option.2)
    }

    pub(super) fn codes(&self) -> Vec<u8> {
        self.options.iter().map(|option| option.0).collect()
    }

    fn address(&self, at: usize) -> Ipv4Addr {
        let octets: [u8; 4] = self.message[at..at + 4].try_into().unwrap();
        Ipv4Addr::from(octets)
    }

    pub(super) fn ciaddr(&self) -> Ipv4Addr {
        self.address(12)
    }

    pub(super) fn yiaddr(&self) -> Ipv4Addr {
        self.address(16)
    }

    pub(super) fn siaddr(&self) -> Ipv4Addr {
        self.address(20)
    }

    pub(super) fn giaddr(&self) -> Ipv4Addr {
        self.address(24)
    }

    pub(super) fn is_broadcast(&self) -> bool {
        self.message[10] & 0x80 != 0
    }

    /// The boot file of the header.
    pub(super) fn file(&self) -> String {
        let field = &self.message[108..236];
        let end = field.iter().position(|byte| *byte == 0).expect("a NUL ends it");
        String::from_utf8(field[..end].to_vec()).unwrap()
    }

    pub(super) fn is_link_to(&self, station: MacAddr) -> bool {
        self.route == Route::Link { interface: InterfaceId(0), station }
    }
}

/// Reads the options field and checks what holds for every message that we send: it is a reply
/// with the cookie, of a length that old and new clients take, with nothing behind END but zeros.
fn read_options(message: &[u8]) -> Vec<(u8, Vec<u8>, u8)> {
    assert_eq!(message[0], 2);
    assert!((300..=1472).contains(&message.len()), "{} bytes", message.len());
    assert_eq!(message[236..240], [99, 130, 83, 99]);
    let mut options = Vec::new();
    let mut rest = &message[240..];
    loop {
        match rest {
            [0, tail @ ..] => rest = tail,
            [255, tail @ ..] => {
                assert!(tail.iter().all(|byte| *byte == 0), "zeros behind END");
                return options;
            }
            [code, len, tail @ ..] => {
                let (value, tail) = tail.split_at(usize::from(*len));
                assert!(!value.is_empty(), "option {code} has a value");
                options.push((*code, value.to_vec(), tail[0]));
                rest = tail;
            }
            _ => panic!("END is missing"),
        }
    }
}
