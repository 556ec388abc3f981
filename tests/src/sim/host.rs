//! The server: three engines behind one inbox, driven in turns as the runtime drives them.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use reveille_core::dhcp4::{Dhcp4Config, Dhcp4Server};
use reveille_core::engine::{
    ConnId, Datagram, Engine, Frame, InterfaceId, Output, Packet, Route, SocketId, StreamEvent,
    Transmit,
};
use reveille_core::event::EventKind;
use reveille_core::http::HttpServer;
use reveille_core::image::ImageSpan;
use reveille_core::limits;
use reveille_core::mac::MacAddr;
use reveille_core::rng::Rng;
use reveille_core::tftp::{TftpConfig, TftpServer};
use reveille_core::time::Instant;

use super::check::Checks;
use super::options::Options;
use super::site::{SERVER, Site};
use super::store::Store;
use super::watch::Watched;

/// What a machine sends.
#[derive(Clone, Debug)]
pub(super) enum Up {
    Datagram {
        source: SocketAddrV4,
        destination: SocketAddrV4,
        payload: Vec<u8>,
    },
    Stream {
        serial: u32,
        event: StreamUp,
    },
    /// An IP packet on the link.
    Frame {
        source: MacAddr,
        packet: Vec<u8>,
    },
}

/// What a machine does with its connection number `serial`.
#[derive(Clone, Debug)]
pub(super) enum StreamUp {
    Connect { source: SocketAddrV4 },
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// What a machine receives.
#[derive(Clone, Debug)]
pub(super) enum Down {
    Datagram { source: SocketAddrV4, port: u16, payload: Payload },
    Stream { serial: u32, piece: Piece },
    Frame { packet: Vec<u8> },
}

/// A datagram, its image bytes as a span.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    pub(super) head: Vec<u8>,
    pub(super) body: Option<ImageSpan>,
}

/// A part of what the server sends on a stream.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    Span(ImageSpan),
    /// The server sends no more.
    End,
    /// There was no connection to be had.
    Refused,
}

/// What leaves the server.
#[derive(Debug)]
pub(super) enum Departure {
    Datagram {
        source: SocketAddrV4,
        to: Receiver,
        payload: Payload,
    },
    Frame {
        station: MacAddr,
        packet: Vec<u8>,
    },
    Pieces {
        machine: u32,
        serial: u32,
        pieces: Vec<Piece>,
        /// The connection whose transmit this was: it has to be told when all has arrived.
        outstanding: Option<ConnId>,
    },
}

/// Who is to receive a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) enum Receiver {
    Station { mac: MacAddr, port: u16 },
    Address(SocketAddrV4),
}

/// The engines and what a driver keeps for them.
#[derive(Debug)]
pub(super) struct Host {
    dhcp: Watched<Dhcp4Server>,
    store: Option<Store>,
    tftp: Watched<TftpServer>,
    http: Watched<HttpServer>,
    tftp_max: usize,
    http_max: usize,
    inbox: VecDeque<(u32, Up)>,
    inbox_max: usize,
    turn_inputs: usize,
    turn_outputs: usize,
    head: Vec<u8>,
    connections: Connections,
    /// The engine that may send first in the next turn.
    first: usize,
    pub(super) counts: Counts,
}

/// What happened at the server, for the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Datagrams that found the inbox full.
    pub overflowed: u64,
    /// Inputs that an engine dropped.
    pub discarded: u64,
    /// Transmits.
    pub transmits: u64,
    /// Machines that reported that they run.
    pub up: u64,
    /// Waits for an IPv6 router that were ended.
    pub advertised: u64,
    /// Transfers that ended, of all outcomes.
    pub transfers: u64,
    /// Datagrams that TFTP sent again.
    pub retransmits: u64,
}

impl Host {
    pub(super) fn new(options: &Options, inside: fn(bool), rng: &mut Rng) -> Self {
        let config = TftpConfig {
            transfers: options.tftp_transfers,
            transfer_sockets: options.tftp_sockets,
            unconfirmed_per_source: 16,
            room_bytes: options.tftp_room_bytes,
            seed: rng.next_u64(),
        };
        let dhcp = Dhcp4Config {
            leases_max: options.machines + 2 * options.spare_addresses + 1,
            seed: rng.next_u64(),
            durable: options.store_sync_us.is_some(),
            ..Dhcp4Config::default()
        };
        Self {
            store: Store::new(options, dhcp, rng),
            dhcp: Watched::new(Dhcp4Server::new(dhcp), inside),
            tftp: Watched::new(TftpServer::new(config), inside),
            http: Watched::new(HttpServer::new(options.http_connections, rng.next_u64()), inside),
            tftp_max: options.tftp_transfers as usize,
            http_max: options.http_connections as usize,
            inbox: VecDeque::new(),
            inbox_max: options.inbox,
            turn_inputs: options.turn_inputs,
            turn_outputs: options.turn_outputs,
            head: vec![0; limits::HEAD_BYTES],
            connections: Connections::new(options.http_connections),
            first: 0,
            counts: Counts::default(),
        }
    }

    /// Something arrived; it waits for the next turn. A full buffer loses datagrams, streams wait
    /// in TCP.
    pub(super) fn receive(&mut self, machine: u32, up: Up) {
        if !matches!(up, Up::Stream { .. }) && self.inbox.len() >= self.inbox_max {
            self.counts.overflowed += 1;
        } else {
            self.inbox.push_back((machine, up));
        }
    }

    /// One turn of the loop: a bounded number of inputs, timers, a bounded number of outputs.
    /// Tells when the next turn is due: none if nothing is left to do.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        site: &Site,
        checks: &mut Checks,
        departures: &mut Vec<Departure>,
    ) -> Option<Instant> {
        if let Some(store) = &mut self.store {
            store.turn(&mut self.dhcp, now, &site.view);
        }
        for _ in 0..self.turn_inputs {
            let Some((machine, up)) = self.inbox.pop_front() else { break };
            self.input(machine, up, now, site, departures);
        }
        self.dhcp.handle_timeout(now);
        self.tftp.handle_timeout(now);
        self.http.handle_timeout(now);
        let sent = self.outputs(now, site, checks, departures);
        self.take_events();
        self.check_bounds(now, checks);
        if !self.inbox.is_empty() || sent == self.turn_outputs {
            return Some(now);
        }
        let timeouts =
            [self.dhcp.poll_timeout(), self.tftp.poll_timeout(), self.http.poll_timeout()];
        let store = self.store.as_ref().and_then(Store::next_at);
        timeouts.into_iter().chain([store]).flatten().min()
    }

    fn input(
        &mut self,
        machine: u32,
        up: Up,
        now: Instant,
        site: &Site,
        departures: &mut Vec<Departure>,
    ) {
        let view = &site.view;
        let result = match up {
            Up::Datagram { source, destination, payload } => {
                let (socket, is_dhcp) = match destination.port() {
                    67 => (0, true),
                    4011 => (1, true),
                    69 => (0, false),
                    port => (port - FIRST_TRANSFER_PORT + 1, false),
                };
                let datagram = Datagram {
                    socket: SocketId(socket),
                    interface: InterfaceId(0),
                    source: SocketAddr::V4(source),
                    destination: SocketAddr::V4(destination),
                    payload: &payload,
                };
                if is_dhcp {
                    self.dhcp.handle_input(Packet::Datagram(datagram), now, view)
                } else {
                    self.tftp.handle_input(datagram, now, view)
                }
            }
            Up::Frame { source, packet } => {
                let interface = InterfaceId(0);
                let frame = Frame { interface, source, outgoing: false, packet: &packet };
                self.dhcp.handle_input(Packet::Frame(frame), now, view)
            }
            Up::Stream { serial, event: StreamUp::Connect { source } } => {
                let Some(conn) = self.connections.open(machine, serial) else {
                    let pieces = vec![Piece::Refused];
                    departures.push(Departure::Pieces {
                        machine,
                        serial,
                        pieces,
                        outstanding: None,
                    });
                    return;
                };
                let local = SocketAddr::from((SERVER, 80));
                let peer = SocketAddr::V4(source);
                self.http.handle_input(StreamEvent::Accepted { conn, peer, local }, now, view)
            }
            Up::Stream { serial, event } => {
                // What is closed here already is no longer the engine's business.
                let Some(conn) = self.connections.find(machine, serial) else { return };
                let event = match &event {
                    StreamUp::Connect { .. } => unreachable!("handled above"),
                    StreamUp::Bytes(bytes) => StreamEvent::Received { conn, bytes },
                    StreamUp::End => StreamEvent::EndOfStream { conn },
                    StreamUp::Reset => {
                        self.connections.close(conn);
                        StreamEvent::Closed { conn }
                    }
                };
                self.http.handle_input(event, now, view)
            }
        };
        self.counts.discarded += u64::from(result.is_err());
    }

    /// All that a transmit carried has arrived.
    pub(super) fn sent(&mut self, conn: ConnId, now: Instant, site: &Site) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        connection.outstanding = false;
        let closing = connection.closing;
        let result = self.http.handle_input(StreamEvent::Sent { conn }, now, &site.view);
        self.counts.discarded += u64::from(result.is_err());
        if closing {
            self.closed(conn, now, site);
        }
    }

    fn closed(&mut self, conn: ConnId, now: Instant, site: &Site) {
        self.connections.close(conn);
        let result = self.http.handle_input(StreamEvent::Closed { conn }, now, &site.view);
        self.counts.discarded += u64::from(result.is_err());
    }

    /// Lets the engines send in turn, up to the budget; tells how much was sent.
    fn outputs(
        &mut self,
        now: Instant,
        site: &Site,
        checks: &mut Checks,
        departures: &mut Vec<Departure>,
    ) -> usize {
        let (mut sent, mut silent) = (0, 0);
        while sent < self.turn_outputs && silent < 3 {
            let view = &site.view;
            let output = match self.first {
                0 => self.dhcp.poll_output(&mut self.head, now, view),
                1 => self.tftp.poll_output(&mut self.head, now, view),
                _ => self.http.poll_output(&mut self.head, now, view),
            };
            self.first = (self.first + 1) % 3;
            let Some(output) = output else {
                silent += 1;
                continue;
            };
            (sent, silent) = (sent + 1, 0);
            match output {
                Output::Transmit(transmit) => {
                    self.transmit(&transmit, now, site, checks, departures)
                }
                Output::Persist { ticket, binding } => match &mut self.store {
                    Some(store) => store.ask(ticket, binding, now),
                    None => checks.fail(now, "nothing is to be kept"),
                },
                Output::Close(conn) => self.close(conn, now, site, checks, departures),
            }
        }
        sent
    }

    fn transmit(
        &mut self,
        transmit: &Transmit,
        now: Instant,
        site: &Site,
        checks: &mut Checks,
        departures: &mut Vec<Departure>,
    ) {
        self.counts.transmits += 1;
        let head = &self.head[..usize::from(transmit.head_len)];
        if let Some(span) = transmit.body {
            let used = self.tftp.uses_image(span.image) || self.http.uses_image(span.image);
            checks.ensure(used, now, || format!("{span:?} is sent, but its image is not in use"));
        }
        match transmit.route {
            // Who has an address here that nobody gave him is in no world of these; nobody answers.
            Route::Datagram { socket: SocketId::ECHO, .. } => {}
            Route::Datagram { socket, source, destination, .. } => {
                let is_dhcp = matches!(destination.port(), 67 | 68) || is_bootp_reply(head);
                let source = SocketAddrV4::new(ipv4(source), source_port(socket, is_dhcp));
                let SocketAddr::V4(to) = destination else { panic!("IPv4 only: {destination}") };
                let mtu = usize::from(site.view.interfaces[0].mtu);
                for payload in datagrams(transmit, head) {
                    let body = payload.body.map_or(0, |span| span.len as usize);
                    let bytes = payload.head.len() + body + 28;
                    checks.ensure(bytes <= mtu, now, || format!("{bytes} bytes at MTU {mtu}"));
                    let to = Receiver::Address(to);
                    departures.push(Departure::Datagram { source, to, payload });
                }
            }
            Route::Link { .. } if !site.view.interfaces[0].link_unicast => {
                checks.fail(now, "a frame where none can be sent");
            }
            Route::Link { station, .. } if station == MacAddr::BROADCAST && head[0] >> 4 == 0 => {}
            Route::Link { station, .. } if head[0] >> 4 == 6 => {
                departures.push(Departure::Frame { station, packet: head.to_vec() });
            }
            Route::Link { station, .. } => {
                let (source, port, payload) = open_frame(head, now, checks);
                let to = Receiver::Station { mac: station, port };
                let payload = Payload { head: payload, body: None };
                departures.push(Departure::Datagram { source, to, payload });
            }
            Route::Stream(conn) => {
                let connection = self.connections.get_mut(conn);
                let Some(connection) = connection.filter(|c| !c.closing && !c.outstanding) else {
                    checks.fail(now, "a transmit on a connection that is closed or busy");
                };
                connection.outstanding = true;
                let (machine, serial) = (connection.machine, connection.serial);
                let bytes = (!head.is_empty()).then(|| Piece::Bytes(head.to_vec()));
                let pieces = bytes.into_iter().chain(transmit.body.map(Piece::Span)).collect();
                let outstanding = Some(conn);
                departures.push(Departure::Pieces { machine, serial, pieces, outstanding });
            }
        }
    }

    fn close(
        &mut self,
        conn: ConnId,
        now: Instant,
        site: &Site,
        checks: &mut Checks,
        departures: &mut Vec<Departure>,
    ) {
        let Some(connection) = self.connections.get_mut(conn).filter(|c| !c.closing) else {
            checks.fail(now, "a connection is closed twice");
        };
        connection.closing = true;
        let (machine, serial) = (connection.machine, connection.serial);
        let pieces = vec![Piece::End];
        departures.push(Departure::Pieces { machine, serial, pieces, outstanding: None });
        if !connection.outstanding {
            self.closed(conn, now, site);
        }
    }

    fn take_events(&mut self) {
        let Self { dhcp, tftp, http, .. } = self;
        let mut events = std::iter::from_fn(|| {
            dhcp.poll_event().or_else(|| tftp.poll_event()).or_else(|| http.poll_event())
        });
        // Ends: engines hold a bounded number of events.
        for event in events.by_ref() {
            if let EventKind::TransferEnded { retransmits, .. } = event.kind {
                self.counts.transfers += 1;
                self.counts.retransmits += u64::from(retransmits);
            }
            self.counts.up += u64::from(event.kind == EventKind::Up);
            self.counts.advertised += u64::from(event.kind == EventKind::RouterAdvertised);
        }
    }

    fn check_bounds(&self, now: Instant, checks: &Checks) {
        let (tftp, http) = (self.tftp.sessions(), self.http.sessions());
        checks.ensure(tftp <= self.tftp_max, now, || format!("{tftp} transfers"));
        checks.ensure(http <= self.http_max, now, || format!("{http} connections"));
    }

    /// Whether everything has ended and nothing is kept for anybody.
    pub(super) fn check_empty(&self, now: Instant, site: &Site, checks: &Checks) {
        let sessions = [self.dhcp.sessions(), self.tftp.sessions(), self.http.sessions()];
        checks.ensure(sessions == [0; 3], now, || format!("left over: {sessions:?} sessions"));
        for image in site.images() {
            let used = self.tftp.uses_image(image) || self.http.uses_image(image);
            checks.ensure(!used, now, || format!("{image:?} is still in use"));
        }
    }
}

/// The connections that the driver holds, in slots.
#[derive(Debug)]
struct Connections {
    slots: Vec<(u32, Option<Connection>)>,
    free: Vec<u32>,
    by_client: BTreeMap<(u32, u32), u32>,
}

#[derive(Debug)]
struct Connection {
    machine: u32,
    serial: u32,
    outstanding: bool,
    closing: bool,
}

impl Connections {
    fn new(max: u32) -> Self {
        Self {
            slots: (0..max).map(|_| (0, None)).collect(),
            free: (0..max).rev().collect(),
            by_client: BTreeMap::new(),
        }
    }

    fn open(&mut self, machine: u32, serial: u32) -> Option<ConnId> {
        let slot = self.free.pop()?;
        let (generation, connection) = &mut self.slots[slot as usize];
        *generation += 1;
        let opened = Connection { machine, serial, outstanding: false, closing: false };
        assert!(connection.replace(opened).is_none(), "a free slot is empty");
        self.by_client.insert((machine, serial), slot);
        Some(ConnId { slot, generation: *generation })
    }

    fn find(&self, machine: u32, serial: u32) -> Option<ConnId> {
        let slot = *self.by_client.get(&(machine, serial))?;
        Some(ConnId { slot, generation: self.slots[slot as usize].0 })
    }

    fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        let (generation, connection) = &mut self.slots[conn.slot as usize];
        connection.as_mut().filter(|_| *generation == conn.generation)
    }

    fn close(&mut self, conn: ConnId) {
        let connection = self.slots[conn.slot as usize].1.take().expect("it is open");
        self.by_client.remove(&(connection.machine, connection.serial));
        self.free.push(conn.slot);
    }
}

/// Takes a transmit apart as `UDP_SEGMENT` does.
fn datagrams(transmit: &Transmit, head: &[u8]) -> Vec<Payload> {
    let Some(split) = transmit.split else {
        return vec![Payload { head: head.to_vec(), body: transmit.body }];
    };
    let mut rest = transmit.body;
    let heads = head.chunks(usize::from(split.head_len));
    assert_eq!(heads.len(), usize::from(split.segments), "a head for each datagram");
    let datagrams = heads
        .map(|head| {
            let body =
                rest.map(|span| ImageSpan { len: span.len.min(u32::from(split.body_len)), ..span });
            rest = rest.zip(body).and_then(|(all, taken)| {
                let left = ImageSpan {
                    offset: all.offset + u64::from(taken.len),
                    len: all.len - taken.len,
                    ..all
                };
                (left.len > 0).then_some(left)
            });
            Payload { head: head.to_vec(), body }
        })
        .collect();
    assert_eq!(rest, None, "every byte is in a datagram");
    datagrams
}

/// Reads an IPv4 packet that goes to a station directly.
fn open_frame(packet: &[u8], now: Instant, checks: &Checks) -> (SocketAddrV4, u16, Vec<u8>) {
    let field = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let sum: u32 = (0..20).step_by(2).map(|at| u32::from(field(at))).sum();
    let well_formed = packet[0] == 0x45
        && packet[9] == 17
        && usize::from(field(2)) == packet.len()
        && usize::from(field(24)) == packet.len() - 20
        && (sum & 0xffff) + (sum >> 16) == 0xffff;
    checks.ensure(well_formed, now, || format!("no good UDP packet: {:02x?}", &packet[..28]));
    let source = Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]);
    (SocketAddrV4::new(source, field(20)), field(22), packet[28..].to_vec())
}

fn is_bootp_reply(head: &[u8]) -> bool {
    head.first() == Some(&2)
}

fn source_port(socket: SocketId, is_dhcp: bool) -> u16 {
    match (is_dhcp, socket.0) {
        (true, 0) => 67,
        (true, _) => 4011,
        (false, 0) => 69,
        (false, transfer) => FIRST_TRANSFER_PORT + transfer - 1,
    }
}

fn ipv4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => panic!("IPv4 only: {address}"),
    }
}

/// Ports of the TFTP transfer sockets count from here.
const FIRST_TRANSFER_PORT: u16 = 49_152;

/// A turn that finds nothing to do is allowed: deadlines may be a timer tick early.
pub(super) const TICK: Duration = reveille_core::table::TICK;
