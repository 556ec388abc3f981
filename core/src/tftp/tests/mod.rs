//! Tests of the whole engine: rules one by one, whole transfers, and random operations.

mod client;
mod crowd;
mod random;
mod rules;
mod service;
mod sources;
mod transfers;

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use super::{TftpConfig, TftpServer};
use crate::document::{Field, Segment, Template};
use crate::engine::{
    Datagram, Discard, Engine, InterfaceId, Origin, Output, Route, SocketId, Transmit,
};
use crate::event::{Event, EventKind, Outcome};
use crate::image::{ImageId, ImageSpan};
use crate::limits;
use crate::mac::MacAddr;
use crate::time::Instant;
use crate::view::{
    DhcpMode, File, Interface, LeaseTerms, Loader, MatchRule, Network, Profile, Subnet, View,
};
use crate::wire::tftp::{Mode, OptionName, Request, TransferOptions, emit_ack, emit_request};

/// Files of the test site are named after their length in bytes.
const LENGTHS: [u64; 11] = [0, 1, 511, 512, 513, 1024, 1468, 4096, 100_000, 560_000, 5_000_000_000];

/// Two networks' worth of nothing but a boot LAN, files by length, and one profile.
pub(super) fn site() -> View {
    let mut view = View {
        interfaces: [Interface {
            name: "boot".into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            link_unicast: true,
            advertise_from: None,
        }]
        .into(),
        networks: [Network {
            interface: InterfaceId(0),
            server: Ipv4Addr::new(10, 0, 0, 1),
            subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 24 },
            mode: DhcpMode::Off,
            pools: Vec::new(),
            routers: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            domain: None,
            lease: LeaseTerms::fixed(Duration::from_secs(600)),
            relays: Vec::new(),
            authoritative: true,
            ..Network::default()
        }]
        .into(),
        profiles: [Profile {
            name: "default".into(),
            rule: MatchRule::default(),
            loader: Loader::Ipxe,
            ipxe: script("#!ipxe\n# for "),
            pxelinux: script("# pxelinux for "),
            grub: script("# grub for "),
            vars: Vec::new(),
        }]
        .into(),
        ..View::default()
    };
    for (slot, len) in (0..).zip(LENGTHS) {
        let file = File {
            image: ImageId { slot, generation: 1 },
            len,
            etag: "\"1\"".into(),
            last_modified: "Thu, 01 Jan 1970 00:00:00 GMT".into(),
            content_type: "application/octet-stream",
        };
        view.catalogue.insert(std::format!("{len}").into(), file);
    }
    view
}

fn script(text: &str) -> Template {
    Template { segments: [Segment::Text(text.into()), Segment::Field(Field::Mac)].into() }
}

/// The byte of an image at an offset: a function, so that no image needs memory.
fn byte_at(image: ImageId, offset: u64) -> u8 {
    let mixed = (offset ^ u64::from(image.slot) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_le_bytes()[7]
}

fn image_of(len: u64) -> ImageId {
    let slot = LENGTHS.iter().position(|known| *known == len).expect("a file of the site");
    ImageId { slot: u32::try_from(slot).expect("few files"), generation: 1 }
}

/// A datagram that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    socket: SocketId,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// A server, its site and its clock, driven by hand.
struct Lab {
    server: TftpServer,
    view: View,
    now: Instant,
    head: Vec<u8>,
    origins: Vec<Origin>,
}

impl Lab {
    fn new() -> Self {
        Self::with(TftpConfig { transfers: 64, ..TftpConfig::default() })
    }

    fn with(config: TftpConfig) -> Self {
        Self {
            server: TftpServer::new(config),
            view: site(),
            now: Instant::ZERO + Duration::from_secs(100),
            head: std::vec![0; limits::HEAD_BYTES],
            origins: Vec::new(),
        }
    }

    /// Delivers a datagram to the listener.
    fn ask(&mut self, client: SocketAddr, payload: &[u8]) -> Result<(), Discard> {
        self.deliver(SocketId(0), client, payload)
    }

    fn deliver(
        &mut self,
        socket: SocketId,
        source: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Discard> {
        let destination = SocketAddr::from(([10, 0, 0, 1], 69));
        let datagram = Datagram { socket, interface: InterfaceId(0), source, destination, payload };
        self.server.handle_input(datagram, self.now, &self.view)
    }

    fn ack(&mut self, to: &Sent, block: u16) -> Result<(), Discard> {
        self.deliver(to.socket, to.to, &emit_ack(block))
    }

    /// The next send, as the datagrams that it consists of.
    fn poll(&mut self) -> Vec<Sent> {
        match self.server.poll_output(&mut self.head, self.now, &self.view) {
            None => Vec::new(),
            Some(Output::Persist { .. }) => panic!("nothing is kept"),
            Some(Output::Close(_)) => panic!("datagram sockets are not closed"),
            Some(Output::Transmit(transmit)) => {
                self.origins.push(transmit.origin);
                datagrams(&transmit, &self.head)
            }
        }
    }

    /// All sends that are due now.
    fn poll_all(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        loop {
            let some = self.poll();
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// The one datagram that is due now.
    fn poll_one(&mut self) -> Sent {
        let mut all = self.poll_all();
        assert_eq!(all.len(), 1, "one datagram: {all:?}");
        all.remove(0)
    }

    fn advance(&mut self, by: Duration) {
        self.now = self.now + by;
        self.server.handle_timeout(self.now);
    }

    /// Lets the earliest deadline expire; tells how long that took.
    fn expire(&mut self) -> Duration {
        let (began, sessions) = (self.now, self.server.sessions());
        // Ends: a timer that comes too early is set to a later time.
        loop {
            let wake = self.server.poll_timeout().expect("somebody waits");
            self.advance(wake - self.now);
            let is_due = self.server.sessions.iter().any(|(_, session)| session.has_output());
            if is_due || self.server.sessions() < sessions {
                return self.now - began;
            }
        }
    }

    fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.server.poll_event()).collect()
    }

    /// How the transfers that have ended since the last call ended.
    fn outcomes(&mut self) -> Vec<Outcome> {
        let outcome = |event: Event| {
            let EventKind::TransferEnded { outcome, .. } = event.kind else { return None };
            Some(outcome)
        };
        self.events().into_iter().filter_map(outcome).collect()
    }
}

/// Takes a send apart, as `UDP_SEGMENT` does, and checks its shape.
fn datagrams(transmit: &Transmit, head: &[u8]) -> Vec<Sent> {
    let Route::Datagram { socket, interface, source, destination } = transmit.route else {
        panic!("TFTP goes by datagrams: {transmit:?}");
    };
    assert_eq!(interface, InterfaceId(0));
    assert!(matches!(source, IpAddr::V4(address) if address == Ipv4Addr::new(10, 0, 0, 1)));
    let head = &head[..usize::from(transmit.head_len)];
    let body = transmit.body.map(image_bytes).unwrap_or_default();
    let sent = |bytes| Sent { socket, to: destination, bytes };
    let Some(split) = transmit.split else {
        return [sent([head, &body].concat())].into();
    };
    assert!((2..=limits::SPLIT_SEGMENTS_MAX).contains(&split.segments));
    assert_eq!(head.len(), usize::from(split.segments) * usize::from(split.head_len));
    assert!(head.len() + body.len() <= limits::SPLIT_BYTES_MAX as usize);
    let mut bodies = body.chunks(usize::from(split.body_len));
    let datagrams: Vec<_> = head
        .chunks_exact(usize::from(split.head_len))
        .map(|head| sent([head, bodies.next().unwrap_or_default()].concat()))
        .collect();
    assert_eq!(bodies.next(), None, "all bytes are sent");
    let full = usize::from(split.head_len + split.body_len);
    let (last, others) = datagrams.split_last().expect("at least two");
    assert!(others.iter().all(|datagram| datagram.bytes.len() == full), "equal shape");
    assert!(last.bytes.len() <= full);
    datagrams
}

fn image_bytes(span: ImageSpan) -> Vec<u8> {
    let file = LENGTHS[span.image.slot as usize];
    assert!(span.len > 0 && span.offset + u64::from(span.len) <= file, "inside: {span:?}");
    (span.offset..span.offset + u64::from(span.len)).map(|at| byte_at(span.image, at)).collect()
}

fn client(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 9], port))
}

/// A read request.
fn rrq(name: &str, options: &[(OptionName, u64)]) -> Vec<u8> {
    let options = options.iter().fold(TransferOptions::default(), |all, (n, v)| all.with(*n, *v));
    let request = Request { file_name: name.as_bytes(), mode: Mode::Octet, options };
    let mut buffer = [0; 512];
    let len = emit_request(&mut buffer, &request).expect("short");
    buffer[..len].to_vec()
}

/// DATA `block` of the file with `len` bytes.
fn data(len: u64, block_bytes: u64, block: u64) -> Vec<u8> {
    let start = (block - 1) * block_bytes;
    let end = (start + block_bytes).min(len);
    let mut bytes = std::vec![0, 3];
    bytes.extend(((block & 0xffff) as u16).to_be_bytes());
    bytes.extend((start..end).map(|at| byte_at(image_of(len), at)));
    bytes
}

/// The code of an ERROR.
fn error_code(sent: &Sent) -> u16 {
    assert_eq!(sent.bytes[..2], [0, 5], "an ERROR: {sent:?}");
    assert_eq!(sent.bytes.last(), Some(&0), "its message ends in NUL");
    u16::from_be_bytes([sent.bytes[2], sent.bytes[3]])
}
