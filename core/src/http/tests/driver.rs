//! A driver that keeps the contract, and clients that take what comes.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;

use crate::document::{Field, Segment, Template};
use crate::engine::{
    ConnId, Discard, Engine, InterfaceId, Origin, Output, Route, StreamEvent, Transmit,
};
use crate::event::{Event, EventKind};
use crate::http::HttpServer;
use crate::image::{ImageId, ImageSpan};
use crate::limits;
use crate::time::Instant;
use crate::view::{DhcpMode, File, LeaseTerms, Loader, MatchRule, Network, Profile, Subnet, View};

pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
pub(super) const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

pub(super) struct World {
    pub(super) server: HttpServer,
    pub(super) view: View,
    pub(super) now: Instant,
    pub(super) events: Vec<Event>,
    pub(super) peers: BTreeMap<u32, Peer>,
    /// Whether transmits stay outstanding, because nobody takes them.
    pub(super) is_stalled: bool,
    generation: u32,
    head: Vec<u8>,
}

/// The other end of a connection.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) received: Vec<u8>,
    pub(super) transmits: Vec<Transmit>,
    pub(super) is_closed: bool,
    pub(super) outstanding: Option<Origin>,
    generation: u32,
}

impl World {
    pub(super) fn new(connections: u32) -> Self {
        Self {
            server: HttpServer::new(connections, 1),
            view: view(),
            now: Instant::from_nanos(5_000_000_000),
            events: Vec::new(),
            peers: BTreeMap::new(),
            is_stalled: false,
            generation: 0,
            head: vec![0xee; limits::HEAD_BYTES],
        }
    }

    pub(super) fn conn(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.peers[&slot].generation }
    }

    /// Opens a connection in the first free slot.
    pub(super) fn connect(&mut self) -> u32 {
        self.connect_to(SERVER).expect("our own address")
    }

    pub(super) fn connect_to(&mut self, local: Ipv4Addr) -> Result<u32, Discard> {
        let slot = (0..).find(|slot| !self.peers.contains_key(slot)).unwrap();
        self.generation += 1;
        self.peers.insert(slot, Peer { generation: self.generation, ..Peer::default() });
        let conn = self.conn(slot);
        let peer = SocketAddr::from((CLIENT, 40_000));
        let accepted = StreamEvent::Accepted { conn, peer, local: SocketAddr::from((local, 80)) };
        self.server.handle_input(accepted, self.now, &self.view)?;
        Ok(slot)
    }

    /// Bytes arrive, and nothing else happens yet.
    pub(super) fn deliver(&mut self, slot: u32, bytes: &[u8]) -> Result<(), Discard> {
        let conn = self.conn(slot);
        self.server.handle_input(StreamEvent::Received { conn, bytes }, self.now, &self.view)
    }

    /// Bytes arrive, and everything that follows happens.
    pub(super) fn send(&mut self, slot: u32, text: &str) -> Result<(), Discard> {
        let taken = self.deliver(slot, text.as_bytes());
        self.run();
        taken
    }

    /// The client closes its side.
    pub(super) fn end(&mut self, slot: u32) {
        let conn = self.conn(slot);
        let ended = StreamEvent::EndOfStream { conn };
        self.server.handle_input(ended, self.now, &self.view).expect("it lives");
        self.run();
    }

    /// The connection breaks.
    pub(super) fn reset(&mut self, slot: u32) {
        let conn = self.conn(slot);
        let closed = StreamEvent::Closed { conn };
        self.server.handle_input(closed, self.now, &self.view).expect("it lives");
        self.peers.remove(&slot);
        self.run();
    }

    /// Forgets a connection that the server closed, and returns what was received on it.
    pub(super) fn take_closed(&mut self, slot: u32) -> Vec<u8> {
        let peer = self.peers.remove(&slot).unwrap();
        assert!(peer.is_closed, "the server closed the connection");
        peer.received
    }

    /// The outstanding transmit of a stalled connection leaves.
    pub(super) fn sent(&mut self, slot: u32) {
        self.peers.get_mut(&slot).unwrap().outstanding.take().expect("something is outstanding");
        let conn = self.conn(slot);
        let sent = self.server.handle_input(StreamEvent::Sent { conn }, self.now, &self.view);
        // Then the next request is read, which may be none; but the transmit was known.
        assert_ne!(sent, Err(Discard::UnknownSession), "what was handed out may be sent");
        self.run();
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.now = self.now + by;
        self.server.handle_timeout(self.now);
        self.run();
    }

    /// Sends everything, as an ideal network would.
    pub(super) fn run(&mut self) {
        while self.step() {}
    }

    /// Handles one output; tells whether there was one.
    pub(super) fn step(&mut self) -> bool {
        self.head.fill(0xee);
        let output = self.server.poll_output(&mut self.head, self.now, &self.view);
        self.take_events();
        match output {
            None => false,
            Some(Output::Persist { .. }) => panic!("nothing is kept"),
            Some(Output::Close(conn)) => {
                let peer = self.peers.get_mut(&conn.slot).unwrap();
                assert!(!peer.is_closed, "closed once");
                assert_eq!(peer.generation, conn.generation);
                peer.is_closed = true;
                let closed = StreamEvent::Closed { conn };
                self.server.handle_input(closed, self.now, &self.view).unwrap();
                self.take_events();
                true
            }
            Some(Output::Transmit(transmit)) => {
                self.transmit(transmit);
                true
            }
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        let Route::Stream(conn) = transmit.route else { panic!("a stream") };
        assert_eq!(transmit.split, None);
        let peer = self.peers.get_mut(&conn.slot).unwrap();
        assert!(!peer.is_closed && peer.outstanding.is_none(), "one at a time, while open");
        peer.received.extend_from_slice(&self.head[..usize::from(transmit.head_len)]);
        if let Some(span) = transmit.body {
            assert!(span.len > 0 && span.len <= limits::STREAM_CHUNK_BYTES);
            assert!(self.server.uses_image(span.image), "an image that is sent is in use");
            peer.received.extend(image_bytes(span));
        } else {
            assert!(transmit.head_len > 0, "a transmit carries something");
        }
        peer.transmits.push(transmit);
        peer.outstanding = Some(transmit.origin);
        if !self.is_stalled {
            peer.outstanding = None;
            // Whatever the next request is, its sender is to blame for it.
            self.server.handle_input(StreamEvent::Sent { conn }, self.now, &self.view).ok();
            self.take_events();
        }
    }

    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.server.poll_event() {
            self.events.push(event);
        }
    }

    /// One request on a connection of its own, and its response.
    pub(super) fn ask(&mut self, request: &str) -> Response {
        let slot = self.connect();
        self.send(slot, request).ok();
        let (response, rest) = Response::parse(&self.peers[&slot].received, is_head(request));
        assert!(rest.is_empty(), "one response: {:?}", String::from_utf8_lossy(rest));
        if self.peers[&slot].is_closed {
            self.peers.remove(&slot);
        } else {
            self.reset(slot);
        }
        assert_eq!(self.server.sessions(), self.peers.len());
        response
    }

    /// What was told since the last call.
    pub(super) fn told(&mut self) -> Vec<EventKind> {
        self.events.drain(..).map(|event| event.kind).collect()
    }
}

fn is_head(request: &str) -> bool {
    request.trim_start().starts_with("HEAD")
}

/// A response, read by rules of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn parse(bytes: &[u8], is_head: bool) -> (Self, &[u8]) {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = str::from_utf8(&bytes[..end]).unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = line.strip_prefix("HTTP/1.1 ").expect("a status line");
        let (code, reason) = status.split_once(' ').expect("a space after the code");
        assert!(!reason.is_empty());
        let status = code.parse().unwrap();
        let headers: Vec<_> = fields
            .split("\r\n")
            .filter(|line| !line.is_empty())
            .map(|line| line.split_once(": ").expect("a field"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut response = Self { status, headers, body: Vec::new() };
        let rest = &bytes[end + 4..];
        if is_head || matches!(status, 100 | 204 | 304) {
            return (response, rest);
        }
        let len: usize = response.header("Content-Length").expect("a length").parse().unwrap();
        response.body = rest[..len].to_vec();
        (response, &rest[len..])
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| &**value);
        assert!(values.next().is_none(), "{name} once");
        value
    }

    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

pub(super) fn image(slot: u32) -> ImageId {
    ImageId { slot, generation: 0 }
}

/// The bytes of the test images follow from their offset.
pub(super) fn image_bytes(span: ImageSpan) -> impl Iterator<Item = u8> {
    let salt = u64::from(span.image.slot);
    (span.offset..span.offset + u64::from(span.len))
        .map(move |at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ salt as u8)
}

pub(super) fn whole(slot: u32, len: u32) -> Vec<u8> {
    image_bytes(ImageSpan { image: image(slot), offset: 0, len }).collect()
}

/// Files by name, image slot and length.
pub(super) const FILES: [(&str, u32, u64); 5] = [
    ("empty", 1, 0),
    ("one", 2, 1),
    ("ipxe/snponly.efi", 3, 1000),
    ("vmlinuz", 4, 600_000),
    ("huge.iso", 5, 5_000_000_000),
];

pub(super) fn view() -> View {
    let mut view = View::default();
    view.networks.push(Network {
        interface: InterfaceId(0),
        server: SERVER,
        subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 },
        mode: DhcpMode::Off,
        pools: vec![],
        routers: vec![],
        dns: vec![],
        ntp: vec![],
        domain: None,
        lease: LeaseTerms::fixed(Duration::from_secs(3600)),
        relays: vec![],
        authoritative: false,
        ..Network::default()
    });
    for (name, slot, len) in FILES {
        let file = File {
            image: image(slot),
            len,
            etag: format!("\"{slot}-tag\"").into(),
            last_modified: DATE.into(),
            content_type: if name.ends_with(".efi") {
                "application/efi"
            } else {
                "application/octet-stream"
            },
        };
        view.catalogue.insert(name.into(), file);
    }
    view.profiles.push(profile(vec![
        Segment::Text("#!ipxe\n# ".into()),
        Segment::Field(Field::Mac),
        Segment::Text(" ".into()),
        Segment::Field(Field::Serial),
        Segment::Text("\nkernel ".into()),
        Segment::Field(Field::BaseUrl),
        Segment::Text("vmlinuz\n".into()),
    ]));
    view
}

pub(super) fn profile(ipxe: Vec<Segment>) -> Profile {
    Profile {
        name: "all".into(),
        rule: MatchRule::default(),
        loader: Loader::Ipxe,
        ipxe: Template { segments: ipxe },
        pxelinux: Template::default(),
        grub: Template::default(),
        vars: vec![],
    }
}

/// A GET request as curl writes it, with more fields.
pub(super) fn get(path: &str, fields: &[&str]) -> String {
    request("GET", path, fields)
}

pub(super) fn request(method: &str, path: &str, fields: &[&str]) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: 10.0.0.1\r\n");
    for field in fields {
        text.push_str(field);
        text.push_str("\r\n");
    }
    text + "\r\n"
}
