//! A machine and the engines of the server, on a network without delay.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, LazyLock};

use reveille_core::dhcp4::{Dhcp4Config, Dhcp4Server};
use reveille_core::document::{Field, Segment, Template};
use reveille_core::engine::{
    ConnId, Datagram, Discard, Engine, Frame, InterfaceId, Output, Packet, Route, SocketId,
    StreamEvent, Transmit,
};
use reveille_core::event::EventKind;
use reveille_core::http::HttpServer;
use reveille_core::image::{ImageId, ImageSpan};
use reveille_core::limits;
use reveille_core::mac::MacAddr;
use reveille_core::tftp::{TftpConfig, TftpServer};
use reveille_core::view::{
    DhcpMode, File, Interface, LeaseTerms, Loader, MatchRule, Network, Pool, Profile, Subnet, View,
};
use reveille_core::wire::pxe::ArchType;

use crate::client::{
    BUFFER_LEN, Command, Digest, Identity, Input, Journey, Machine, Note, Options, Reason, Stage,
    StreamError,
};
use crate::model::Model;
use crate::time::{Duration, Instant};
use crate::wire::ipv4_udp;

pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(super) const MAC: [u8; 6] = [0x52, 0x54, 0, 0x11, 0x22, 0x33];
const CONN: u32 = 0;

pub(super) fn identity() -> Identity {
    let uuid = *b"\x78\x56\x34\x12\xbc\x9a\xf0\xde\x12\x34\x56\x78\x9a\xbc\xde\xf0";
    Identity { number: 7, mac: MAC, uuid }
}

/// Bytes that differ at every place.
pub(super) fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = crate::random::Random::new(seed);
    (0..len).map(|_| rng.next() as u8).collect()
}

/// What the server has, and what it should be.
static FILES: LazyLock<Vec<(&str, Vec<u8>, Digest)>> = LazyLock::new(|| {
    let files = [
        ("undionly.kpxe", bytes(70_001, 1)),
        ("snponly.efi", bytes(90_002, 2)),
        ("debian/vmlinuz", bytes(300_003, 3)),
        ("debian/initrd.img", bytes(400_004, 4)),
        ("debian/shimx64.efi", bytes(50_000, 5)),
        ("debian/grubx64.efi", bytes(60_000, 6)),
        ("start4.elf", bytes(20_000, 7)),
        ("kernel8.img", bytes(150_000, 8)),
        ("pi/initrd.img", bytes(80_000, 9)),
        ("config.txt", b"[all]\ninitramfs pi/initrd.img followkernel\n".to_vec()),
        (
            "cmdline.txt",
            b"console=serial0 report=http://10.77.0.1/node/52-54-00-11-22-33/up\n".to_vec(),
        ),
    ];
    let digest = |(name, bytes): (_, Vec<u8>)| {
        let digest = Digest::of(&bytes);
        (name, bytes, digest)
    };
    files.into_iter().map(digest).collect()
});

/// What a network does to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToMachine,
}

type Carrier = dyn FnMut(Way, u64, &[u8]) -> bool;

pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) view: View,
    dhcp: Dhcp4Server,
    tftp: TftpServer,
    http: HttpServer,
    images: Vec<Vec<u8>>,
    pub(super) now: Instant,
    /// What the machine told, with the time.
    pub(super) notes: Vec<(Instant, Note)>,
    /// Datagrams of the machine, with the time and the port they went to.
    pub(super) sent: Vec<(Instant, u16, Vec<u8>)>,
    /// Requests over HTTP: their first lines.
    pub(super) requests: Vec<String>,
    /// Whether a datagram arrives: its way, its number on it, its bytes.
    pub(super) carries: Box<Carrier>,
    /// Whether the server is there at all.
    pub(super) server_lives: bool,
    counts: [u64; 2],
    ports: u16,
    port: Option<u16>,
    conn: ConnId,
    connected: bool,
    local: SocketAddrV4,
    pub(super) ups: usize,
    pub(super) addresses: Vec<Ipv4Addr>,
}

pub(super) fn text(text: &str) -> Segment {
    Segment::Text(text.into())
}

pub(super) fn field(field: Field) -> Segment {
    Segment::Field(field)
}

impl World {
    pub(super) fn new(model: &'static Model, options: Options) -> Self {
        Self::seeded(model, options, 1)
    }

    pub(super) fn seeded(model: &'static Model, options: Options, seed: u64) -> Self {
        let mut journey = Journey::new(options);
        let mut view = view();
        let mut images = Vec::new();
        for (name, bytes, digest) in FILES.iter() {
            journey.expect(name, *digest);
            publish(&mut view, &mut images, name, bytes.clone());
        }
        let config = TftpConfig {
            transfers: 16,
            unconfirmed_per_source: 16,
            seed: 5,
            ..TftpConfig::default()
        };
        Self {
            machine: Machine::new(identity(), model, Arc::new(journey), seed),
            view,
            dhcp: Dhcp4Server::new(Dhcp4Config {
                leases_max: 64,
                seed: 3,
                ..Dhcp4Config::default()
            }),
            tftp: TftpServer::new(config),
            http: HttpServer::new(4, 4),
            images,
            now: Instant(1_000_000_000),
            notes: Vec::new(),
            sent: Vec::new(),
            requests: Vec::new(),
            carries: Box::new(|_, _, _| true),
            server_lives: true,
            counts: [0; 2],
            ports: 40_000,
            port: None,
            conn: ConnId { slot: CONN, generation: 0 },
            connected: false,
            local: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            ups: 0,
            addresses: Vec::new(),
        }
    }

    /// Puts a file into the catalogue, or another in its place.
    pub(super) fn publish(&mut self, name: &str, bytes: Vec<u8>) {
        publish(&mut self.view, &mut self.images, name, bytes);
    }

    /// Runs the machine to its end, and tells how it came about.
    pub(super) fn run(&mut self) -> Result<(), (Stage, Reason)> {
        self.machine.power_on(self.now);
        self.settle();
        // Ends: time moves on each turn, and no machine waits for hours.
        while let Some(next) = self.machine.poll_timeout() {
            let servers =
                [self.dhcp.poll_timeout(), self.tftp.poll_timeout(), self.http.poll_timeout()];
            let server = servers.into_iter().flatten().min().map(|at| Instant(at.as_nanos()));
            let next = server.filter(|_| self.server_lives).map_or(next, |at| at.min(next));
            self.now = next.max(self.now + Duration::from_micros(1));
            assert!(self.now < Instant::ZERO + Duration::from_secs(3 * 3600), "it never ends");
            self.machine.handle_timeout(self.now);
            self.settle();
        }
        match self.notes.last().expect("a machine tells its end").1 {
            Note::Up => Ok(()),
            Note::Failed { stage, reason } => Err((stage, reason)),
            note @ (Note::StageBegan(_)
            | Note::StageEnded { .. }
            | Note::Resent(_)
            | Note::ToldToWait(_)
            | Note::Vanished(_)) => panic!("ended with {note:?}"),
        }
    }

    /// Lets everything happen that happens now.
    fn settle(&mut self) {
        loop {
            let busy = self.drain();
            let now = reveille_core::time::Instant::from_nanos(self.now.0);
            if !self.server_lives {
                if !busy {
                    return;
                }
                continue;
            }
            self.dhcp.handle_timeout(now);
            self.tftp.handle_timeout(now);
            self.http.handle_timeout(now);
            let mut head = vec![0; limits::HEAD_BYTES];
            let view = std::mem::take(&mut self.view);
            let output = self
                .dhcp
                .poll_output(&mut head, now, &view)
                .or_else(|| self.tftp.poll_output(&mut head, now, &view))
                .or_else(|| self.http.poll_output(&mut head, now, &view));
            self.view = view;
            match output {
                Some(Output::Transmit(transmit)) => self.transmit(&transmit, &head),
                Some(Output::Persist { .. }) => panic!("nothing is kept"),
                Some(Output::Close(conn)) => {
                    self.stream(StreamEvent::Closed { conn });
                    if std::mem::take(&mut self.connected) {
                        self.machine.handle(Input::EndOfStream, self.now);
                    }
                }
                None if !busy => break,
                None => {}
            }
        }
        // Ends: engines hold a bounded number of events.
        while self.dhcp.poll_event().or_else(|| self.tftp.poll_event()).is_some() {}
        while let Some(event) = self.http.poll_event() {
            self.ups += usize::from(event.kind == EventKind::Up);
        }
    }

    /// Does what the machine wants; whether it wanted anything.
    fn drain(&mut self) -> bool {
        let mut busy = false;
        let mut buffer = [0; BUFFER_LEN];
        while let Some(note) = self.machine.poll_note() {
            self.notes.push((self.now, note));
        }
        while let Some(command) = self.machine.poll_command(&mut buffer, self.now) {
            busy = true;
            self.command(command, &buffer);
            while let Some(note) = self.machine.poll_note() {
                self.notes.push((self.now, note));
            }
        }
        busy
    }

    fn command(&mut self, command: Command, buffer: &[u8]) {
        match command {
            Command::SendDhcp { source, destination, len } => {
                // Through a frame and back, as on the wire.
                let mut packet = ipv4_udp::headers(source, destination, 0, &buffer[..len]).to_vec();
                packet.extend(&buffer[..len]);
                let read = ipv4_udp::parse(&packet).expect("its own packets are good");
                self.carry_up(source, destination, read.payload);
            }
            Command::SendIpv6 { len } => {
                let interface = InterfaceId(0);
                let packet = &buffer[..len];
                let frame = Frame { interface, source: MacAddr(MAC), outgoing: false, packet };
                let now = reveille_core::time::Instant::from_nanos(self.now.0);
                if self.server_lives {
                    self.readable(|world| {
                        world.dhcp.handle_input(Packet::Frame(frame), now, &world.view)
                    });
                }
            }
            Command::OpenDatagram { local } => {
                assert!(self.port.is_none(), "one socket at a time");
                self.ports += 1;
                self.port = Some(self.ports);
                self.local.set_ip(local);
                self.addresses.push(local);
            }
            Command::SendDatagram { destination, len } => {
                let port = self.port.expect("the socket is open");
                let source = SocketAddrV4::new(*self.local.ip(), port);
                self.carry_up(source, destination, &buffer[..len]);
            }
            Command::CloseDatagram => assert!(self.port.take().is_some(), "it was open"),
            Command::Connect { local, server } => self.connect(local, server),
            Command::Send { len } => {
                assert!(self.connected, "the connection stands");
                let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
                self.requests.push(text.lines().next().unwrap_or_default().to_owned());
                let conn = self.conn;
                let bytes = buffer[..len].to_vec();
                self.stream(StreamEvent::Received { conn, bytes: &bytes });
            }
            Command::Disconnect => self.disconnect(),
            Command::PowerOff => {
                self.port = None;
                self.disconnect();
            }
        }
    }

    fn connect(&mut self, local: Ipv4Addr, server: SocketAddrV4) {
        assert!(!self.connected, "one connection at a time");
        self.addresses.push(local);
        if !self.server_lives || server != SocketAddrV4::new(SERVER, 80) {
            return self.machine.handle(Input::StreamFailed(StreamError::TimedOut), self.now);
        }
        self.connected = true;
        self.conn.generation += 1;
        let (conn, peer) = (self.conn, SocketAddr::from((local, 50_000)));
        let local = SocketAddr::from((SERVER, 80));
        self.stream(StreamEvent::Accepted { conn, peer, local });
        self.machine.handle(Input::Connected, self.now);
    }

    fn disconnect(&mut self) {
        if std::mem::take(&mut self.connected) {
            let conn = self.conn;
            self.stream(StreamEvent::EndOfStream { conn });
            self.stream(StreamEvent::Closed { conn });
        }
    }

    fn stream(&mut self, event: StreamEvent<'_>) {
        let now = reveille_core::time::Instant::from_nanos(self.now.0);
        self.readable(|world| world.http.handle_input(event, now, &world.view));
    }

    fn carry_up(&mut self, source: SocketAddrV4, destination: SocketAddrV4, payload: &[u8]) {
        self.sent.push((self.now, destination.port(), payload.to_vec()));
        if !self.carried(Way::ToServer, payload) || !self.server_lives {
            return;
        }
        let (socket, dhcp) = match destination.port() {
            67 => (0, true),
            4011 => (1, true),
            69 => (0, false),
            port => (port - 49_152 + 1, false),
        };
        let datagram = Datagram {
            socket: SocketId(socket),
            interface: InterfaceId(0),
            source: SocketAddr::V4(source),
            destination: SocketAddr::V4(destination),
            payload,
        };
        let now = reveille_core::time::Instant::from_nanos(self.now.0);
        self.readable(|world| {
            if dhcp {
                world.dhcp.handle_input(Packet::Datagram(datagram), now, &world.view)
            } else {
                world.tftp.handle_input(datagram, now, &world.view)
            }
        });
    }

    /// Whatever the server does with it, it can read what the machine sends.
    fn readable(&mut self, give: impl FnOnce(&mut Self) -> Result<(), Discard>) {
        assert_ne!(give(self), Err(Discard::Malformed), "after {:02x?}", self.sent.last());
    }

    fn carried(&mut self, way: Way, payload: &[u8]) -> bool {
        let count = &mut self.counts[way as usize];
        *count += 1;
        (self.carries)(way, *count - 1, payload)
    }

    fn transmit(&mut self, transmit: &Transmit, head: &[u8]) {
        let head = &head[..usize::from(transmit.head_len)];
        match transmit.route {
            // A probe whether an address is in use: by nobody.
            Route::Link { .. } if head[0] >> 4 == 0 => {}
            Route::Link { .. } if head[0] >> 4 == 6 => {
                self.machine.handle(Input::Ipv6(head), self.now);
            }
            Route::Link { station, .. } => {
                assert_eq!(station.0, MAC);
                let read = ipv4_udp::parse(head).expect("the server's packets are good");
                let (source, to) = (read.source, read.destination);
                self.carry_down(source, to, read.payload.to_vec());
            }
            Route::Datagram { socket, source, destination: SocketAddr::V4(to), .. } => {
                let IpAddr::V4(source) = source else { panic!("IPv4 only") };
                let port = match (to.port(), socket.0) {
                    (68 | 4011, 0) => 67,
                    (68 | 4011, _) => 4011,
                    (_, 0) => 69,
                    (_, transfer) => 49_152 + transfer - 1,
                };
                for payload in self.datagrams(transmit, head) {
                    self.carry_down(SocketAddrV4::new(source, port), to, payload);
                }
            }
            Route::Datagram { .. } => panic!("IPv4 only"),
            Route::Stream(conn) => {
                let mut bytes = head.to_vec();
                if let Some(span) = transmit.body {
                    bytes.extend(self.image(span));
                }
                for piece in bytes.chunks(16_384) {
                    if self.connected && conn == self.conn {
                        self.machine.handle(Input::Received(piece), self.now);
                        self.drain();
                    }
                }
                self.stream(StreamEvent::Sent { conn });
            }
        }
    }

    fn carry_down(&mut self, source: SocketAddrV4, to: SocketAddrV4, payload: Vec<u8>) {
        if !self.carried(Way::ToMachine, &payload) {
            return;
        }
        let port = to.port();
        if matches!(port, 68 | 4011) {
            let input = Input::Dhcp { source, destination_port: port, payload: &payload };
            self.machine.handle(input, self.now);
        } else if self.port == Some(port) {
            self.machine.handle(Input::Datagram { source, payload: &payload }, self.now);
        }
        self.drain();
    }

    fn image(&self, span: ImageSpan) -> &[u8] {
        let begin = span.offset as usize;
        &self.images[span.image.slot as usize][begin..begin + span.len as usize]
    }

    fn datagrams(&self, transmit: &Transmit, head: &[u8]) -> Vec<Vec<u8>> {
        let body = transmit.body.map_or(&[][..], |span| self.image(span));
        match transmit.split {
            None => vec![[head, body].concat()],
            Some(split) => {
                let heads = head.chunks(usize::from(split.head_len));
                let body_len = usize::from(split.body_len);
                heads
                    .enumerate()
                    .map(|(at, head)| {
                        let begin = (at * body_len).min(body.len());
                        let end = (begin + body_len).min(body.len());
                        [head, &body[begin..end]].concat()
                    })
                    .collect()
            }
        }
    }

    /// How long the machine was in a stage, and what it counted there.
    pub(super) fn stage(&self, wanted: Stage) -> Option<(Duration, u16, u64)> {
        self.notes.iter().find_map(|(_, note)| match note {
            Note::StageEnded { stage, took, retries, bytes } if *stage == wanted => {
                Some((*took, *retries, *bytes))
            }
            Note::StageBegan(_)
            | Note::StageEnded { .. }
            | Note::Resent(_)
            | Note::ToldToWait(_)
            | Note::Failed { .. }
            | Note::Vanished(_)
            | Note::Up => None,
        })
    }

    /// The stages that the machine went through.
    pub(super) fn stages(&self) -> Vec<Stage> {
        let mut stages = Vec::new();
        for (_, note) in &self.notes {
            if let Note::StageBegan(stage) = note {
                stages.push(*stage);
            }
        }
        stages
    }

    /// When datagrams to a port were sent, in milliseconds since the first.
    pub(super) fn times_ms(&self, port: u16) -> Vec<u64> {
        let mut times = self.sent.iter().filter(|(_, to, _)| *to == port).map(|(at, ..)| *at);
        let Some(first) = times.next() else { return Vec::new() };
        [0].into_iter().chain(times.map(|at| at.since(first).as_millis() as u64)).collect()
    }
}

fn publish(view: &mut View, images: &mut Vec<Vec<u8>>, name: &str, bytes: Vec<u8>) {
    let slot = images.len() as u32;
    let file = File {
        image: ImageId { slot, generation: 1 },
        len: bytes.len() as u64,
        etag: "\"1\"".into(),
        last_modified: "Thu, 01 Jan 1970 00:00:00 GMT".into(),
        content_type: "application/octet-stream",
    };
    images.push(bytes);
    view.catalogue.insert(name.into(), file);
}

fn view() -> View {
    let network = Network {
        interface: InterfaceId(0),
        server: SERVER,
        subnet: Subnet { address: SERVER, prefix_len: 16 },
        mode: DhcpMode::Server,
        pools: vec![Pool::new(Ipv4Addr::new(10, 77, 1, 1), Ipv4Addr::new(10, 77, 1, 50))],
        routers: Vec::new(),
        dns: Vec::new(),
        ntp: Vec::new(),
        domain: None,
        lease: LeaseTerms::fixed(Duration::from_secs(3600)),
        relays: Vec::new(),
        authoritative: true,
        ..Network::default()
    };
    let mut view = View {
        interfaces: vec![Interface {
            name: "boot".into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            link_unicast: true,
            advertise_from: Some("fe80::1".parse().expect("it is one")),
        }],
        networks: vec![network].into(),
        profiles: vec![profile()],
        ..View::default()
    };
    view.programs.insert(Loader::Ipxe, ArchType::X86_BIOS, "undionly.kpxe".into());
    view.programs.insert(Loader::Ipxe, ArchType::X64_UEFI, "snponly.efi".into());
    view.programs.insert(Loader::Grub, ArchType::X64_UEFI, "debian/shimx64.efi".into());
    view
}

fn profile() -> Profile {
    let url = || field(Field::NodeUrl);
    let ipxe = vec![
        text("#!ipxe\nimgfree\nkernel --name kernel "),
        url(),
        text("debian/vmlinuz initrd=initrd0 console=ttyS0 report="),
        url(),
        text("up || goto retry\ninitrd --name initrd0 "),
        url(),
        text("debian/initrd.img || goto retry\nboot || goto retry\n:retry\necho Next try in "),
        field(Field::RetrySeconds),
        text(" s\nsleep "),
        field(Field::RetrySeconds),
        text("\nchain --replace "),
        url(),
        text("boot.ipxe || goto retry\n"),
    ];
    let path = |name: &str| {
        let name = text(name);
        [text("(tftp,"), field(Field::Server), text(")/"), field(Field::NodePath), name]
    };
    let mut grub = vec![text("if linux ")];
    grub.extend(path("debian/vmlinuz"));
    grub.extend([text(" console=ttyS0 report="), url(), text("up; then\n  if initrd ")]);
    grub.extend(path("debian/initrd.img"));
    grub.push(text("; then\n    boot\n  fi\nfi\necho Next try\nsleep 5\nconfigfile "));
    grub.extend(path("grub.cfg\n"));
    Profile {
        name: "all".into(),
        rule: MatchRule::default(),
        loader: Loader::Ipxe,
        ipxe: Template { segments: ipxe },
        pxelinux: Template::default(),
        grub: Template { segments: grub },
        vars: Vec::new(),
    }
}
