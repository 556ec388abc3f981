//! The worst minute of the TFTP server: everybody asks in the same instant.
//!
//! Where [`super::world`] plays whole boots on a small scale, this plays one stage on a large one:
//! clients that do nothing but fetch a file, with the timers of their firmware, over a link of a
//! given speed with a bounded queue. The server has a processor that takes its time, a send
//! buffer that fills, and a receive buffer that overflows.

mod client;
mod link;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use reveille_core::engine::{Datagram, Engine, InterfaceId, Output, Route, SocketId, Transmit};
use reveille_core::event::EventKind;
use reveille_core::image::ImageId;
use reveille_core::limits;
use reveille_core::mac::MacAddr;
use reveille_core::rate::Rates;
use reveille_core::rng::Rng;
use reveille_core::tftp::{TftpConfig, TftpServer};
use reveille_core::time::Instant;
use reveille_core::view::{DhcpMode, File, Interface, LeaseTerms, Network, Subnet, View};

use super::queue::Queue;
pub use client::Model;
use client::{Arrival, Client};
use link::Link;

/// All that differs between two storms.
#[derive(Clone, Debug)]
pub struct Storm {
    /// Where everything random comes from.
    pub seed: u64,
    /// How many ask.
    pub clients: u32,
    /// Who they are, in turn.
    pub models: Vec<Model>,
    /// Whether an address translator stands before them, so that all have one address.
    pub translated: bool,
    /// Bytes of the file.
    pub bytes: u64,
    /// They begin within this time.
    pub spread: Duration,
    /// Speed of the link in bits a second.
    pub link_bits: u64,
    /// Bytes that the network queues; what comes beyond is lost.
    pub queue_bytes: u64,
    /// Packets lost in 1/1000, each way, until the time given.
    pub lost: u32,
    /// See [`Storm::lost`].
    pub faults_for: Duration,
    /// Bounds of the server.
    pub rates: Rates,
    /// Transfers at one time, those that wait included.
    pub transfers: u32,
    /// Bytes under way before the server knows the network.
    pub room_bytes: u64,
}

impl Storm {
    /// A storm of so many mixed clients at 10 Gbit/s, that fetch so many bytes.
    pub fn new(clients: u32, bytes: u64) -> Self {
        Self {
            seed: 1,
            clients,
            models: Model::ALL.to_vec(),
            translated: false,
            bytes,
            spread: Duration::ZERO,
            link_bits: 10_000_000_000,
            queue_bytes: 16 * 1024 * 1024,
            lost: 0,
            faults_for: Duration::ZERO,
            rates: Rates::default(),
            transfers: limits::TFTP_TRANSFERS_MAX,
            room_bytes: limits::TFTP_FLIGHT_BYTES_MIN,
        }
    }
}

/// What a storm came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallout {
    /// Until the last client had its file.
    pub took: Duration,
    /// Half of the clients had it after this time.
    pub median: Duration,
    /// The time that the link takes for the bytes of the files alone.
    pub floor: Duration,
    /// How often firmware gave up.
    pub gave_up: u32,
    /// Packets that clients sent again.
    pub repeats: u64,
    /// Packets that the server sent again.
    pub retransmits: u64,
    /// Longest wait for the first packet of an answer.
    pub longest_wait: Duration,
    /// Longest wait for a packet in the middle of a file.
    pub longest_gap: Duration,
    /// Rate of the slowest transfer as a part of the median's, from the first request on.
    pub slowest: f64,
    /// Requests that waited for their turn, as events tell it, and the longest such wait.
    pub waited: u32,
    /// See [`Fallout::waited`].
    pub longest_turn: Duration,
    /// Packets that found no room in the network.
    pub overflowed: u64,
    /// Transfers that the server had at most at one time.
    pub sessions_max: usize,
}

/// Plays a storm until everybody has the file.
///
/// # Panics
/// If a byte is wrong, a bound is not kept, or somebody never gets the file.
pub fn play(storm: &Storm) -> Fallout {
    World::new(storm).run()
}

#[derive(Debug)]
enum Happening {
    AtServer(u32, u16, u16, [u8; 4]),
    Request(u32, u16),
    AtClient(u32, Arrival),
    Timer(u32),
    Turn,
}

struct World<'s> {
    storm: &'s Storm,
    server: TftpServer,
    view: View,
    clients: Vec<Client>,
    queue: Queue<Happening>,
    link: Link,
    rng: Rng,
    now: Instant,
    inbox: VecDeque<Happening>,
    turn_planned: Option<Instant>,
    /// Until when the server's processor is busy.
    busy_until: Instant,
    head: Vec<u8>,
    done: u32,
    fallout: Fallout,
}

impl<'s> World<'s> {
    fn new(storm: &'s Storm) -> Self {
        let mut rng = Rng::new(storm.seed ^ 0x0073_746f_726d);
        let server = TftpServer::new(TftpConfig {
            transfers: storm.transfers,
            room_bytes: storm.room_bytes,
            seed: rng.next_u64(),
            ..TftpConfig::default()
        });
        let mut queue = Queue::new();
        let spread_us = u32::try_from(storm.spread.as_micros()).expect("storms are short");
        let clients: Vec<_> = (0..storm.clients)
            .map(|id| {
                let at = Duration::from_micros(u64::from(rng.below(spread_us + 1)));
                let start = START + at;
                queue.add(start, Happening::Timer(id));
                Client::new(storm.models[id as usize % storm.models.len()], start, storm.bytes)
            })
            .collect();
        let bits = u64::from(storm.clients) * storm.bytes * 8;
        let floor = Duration::from_secs_f64(bits as f64 / storm.link_bits as f64);
        Self {
            storm,
            server,
            view: view(storm),
            clients,
            queue,
            link: Link::new(storm.link_bits, storm.queue_bytes),
            rng,
            now: START,
            inbox: VecDeque::new(),
            turn_planned: None,
            busy_until: START,
            head: vec![0; limits::HEAD_BYTES],
            done: 0,
            fallout: Fallout {
                took: Duration::ZERO,
                median: Duration::ZERO,
                floor,
                gave_up: 0,
                repeats: 0,
                retransmits: 0,
                longest_wait: Duration::ZERO,
                longest_gap: Duration::ZERO,
                slowest: 1.0,
                waited: 0,
                longest_turn: Duration::ZERO,
                overflowed: 0,
                sessions_max: 0,
            },
        }
    }

    fn run(mut self) -> Fallout {
        let last = START + self.storm.faults_for + LIVENESS + 4 * self.fallout.floor;
        while self.done < self.storm.clients {
            let (at, what) = self.queue.pop().expect("somebody waits for something");
            self.now = at;
            assert!(at < last, "{} of {} are done", self.done, self.storm.clients);
            self.happen(what);
        }
        self.fallout.took = self.now - START;
        self.fallout.overflowed = self.link.overflowed;
        let mut times: Vec<_> = self.clients.iter().map(|client| client.took).collect();
        times.sort_unstable();
        self.fallout.median = times[times.len() / 2];
        let median = self.fallout.median.as_secs_f64();
        let longest = times.last().expect("there are clients").as_secs_f64();
        self.fallout.slowest = median / longest;
        self.fallout
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Timer(id) => self.with_client(id, Client::on_timer),
            Happening::AtClient(id, arrival) => {
                self.with_client(id, |client, now| client.on_arrival(arrival, now));
            }
            Happening::AtServer(..) | Happening::Request(..) => {
                if self.inbox.len() < INBOX_MAX {
                    self.inbox.push_back(what);
                    self.plan_turn(self.now);
                }
            }
            Happening::Turn => {
                if self.turn_planned.is_some_and(|at| at <= self.now) {
                    self.turn_planned = None;
                    self.turn();
                }
            }
        }
    }

    /// Lets a client do something, and sends what it has to say.
    fn with_client(&mut self, id: u32, act: impl FnOnce(&mut Client, Instant)) {
        let now = self.now;
        let client = &mut self.clients[id as usize];
        let was_done = client.is_done();
        act(client, now);
        self.done += u32::from(client.is_done() && !was_done);
        self.fallout.longest_wait = self.fallout.longest_wait.max(client.longest_wait);
        self.fallout.longest_gap = self.fallout.longest_gap.max(client.longest_gap);
        self.fallout.gave_up += std::mem::take(&mut client.gave_up);
        self.fallout.repeats += u64::from(std::mem::take(&mut client.repeats));
        if let Some(at) = client.timer_to_plan() {
            self.queue.add(at, Happening::Timer(id));
        }
        let said = client.says.take();
        let port = client.port;
        if let Some(packet) = said
            && !self.is_lost()
        {
            let delay = DELAY + Duration::from_micros(u64::from(self.rng.below(50)));
            let happening = match packet {
                client::Packet::Request => Happening::Request(id, port),
                client::Packet::To(socket, payload) => {
                    Happening::AtServer(id, port, socket, payload)
                }
            };
            self.queue.add(self.now + delay, happening);
        }
    }

    fn is_lost(&mut self) -> bool {
        self.now < START + self.storm.faults_for && self.rng.below(1000) < self.storm.lost
    }

    fn plan_turn(&mut self, at: Instant) {
        let at = at.max(self.busy_until);
        if self.turn_planned.is_none_or(|planned| at < planned) {
            self.turn_planned = Some(at);
            self.queue.add(at, Happening::Turn);
        }
    }

    /// One turn of the server's loop.
    fn turn(&mut self) {
        let mut costs = Duration::ZERO;
        for _ in 0..INPUTS_PER_TURN {
            let Some(input) = self.inbox.pop_front() else { break };
            costs += INPUT_COSTS;
            self.input(&input);
        }
        self.server.handle_timeout(self.now);
        let mut is_full = false;
        for output in 0..=OUTPUTS_PER_TURN {
            is_full =
                self.link.backlog(self.now) >= SEND_BUFFER_BYTES || output == OUTPUTS_PER_TURN;
            if is_full {
                break;
            }
            let output = self.server.poll_output(&mut self.head, self.now, &self.view);
            let Some(Output::Transmit(transmit)) = output else { break };
            costs += OUTPUT_COSTS;
            self.transmit(&transmit);
        }
        // Ends: an engine holds a fixed number of events.
        while let Some(event) = self.server.poll_event() {
            if let EventKind::Waited { waited, .. } = event.kind {
                self.fallout.waited += 1;
                self.fallout.longest_turn = self.fallout.longest_turn.max(waited);
            }
            if let EventKind::TransferEnded { retransmits, .. } = event.kind {
                self.fallout.retransmits += u64::from(retransmits);
            }
        }
        let sessions = self.server.sessions();
        assert!(sessions <= self.storm.transfers as usize, "{sessions} transfers");
        self.fallout.sessions_max = self.fallout.sessions_max.max(sessions);
        self.busy_until = self.now + costs;
        if is_full || !self.inbox.is_empty() {
            // A full buffer has room again soon.
            self.plan_turn((self.now + Duration::from_micros(20)).max(self.busy_until));
        } else if let Some(at) = self.server.poll_timeout() {
            self.plan_turn(at.max(self.now + reveille_core::table::TICK));
        }
    }

    fn input(&mut self, input: &Happening) {
        let request;
        let (id, port, socket, payload): (_, _, _, &[u8]) = match input {
            Happening::Request(id, port) => {
                request = self.clients[*id as usize].request();
                (*id, *port, 0, &request)
            }
            Happening::AtServer(id, port, socket, payload) => (*id, *port, *socket, payload),
            Happening::AtClient(..) | Happening::Timer(_) | Happening::Turn => {
                unreachable!("not for the server")
            }
        };
        let datagram = Datagram {
            socket: SocketId(socket),
            interface: InterfaceId(0),
            source: self.endpoint(id, port),
            destination: SocketAddr::new(IpAddr::V4(SERVER), 69),
            payload,
        };
        // What is dropped shows in the clients' patience.
        self.server.handle_input(datagram, self.now, &self.view).ok();
    }

    /// How the server sees a port of a client.
    fn endpoint(&self, id: u32, port: u16) -> SocketAddr {
        if !self.storm.translated {
            return SocketAddr::from((address(id), port));
        }
        let outside = FIRST_TRANSLATED + id + self.storm.clients * (u32::from(port) % PORTS_EACH);
        let outside = u16::try_from(outside).expect("an address translator has 65,536 ports");
        SocketAddr::from((address(0), outside))
    }

    /// The reverse of [`World::endpoint`].
    fn client_at(&self, endpoint: SocketAddr) -> (u32, u16) {
        let IpAddr::V4(ip) = endpoint.ip() else { panic!("IPv4 only") };
        if !self.storm.translated {
            return (u32::from(ip) - u32::from(SERVER) - 1, endpoint.port());
        }
        let id = (u32::from(endpoint.port()) - FIRST_TRANSLATED) % self.storm.clients;
        let port = self.clients[id as usize].port;
        // A port that the client has left leads nowhere.
        (id, if self.endpoint(id, port) == endpoint { port } else { 0 })
    }

    fn transmit(&mut self, transmit: &Transmit) {
        let Route::Datagram { socket, destination, .. } = transmit.route else {
            panic!("TFTP speaks in datagrams");
        };
        let (id, port) = self.client_at(destination);
        let head = &self.head[..usize::from(transmit.head_len)];
        let segments = transmit.split.map_or(1, |split| usize::from(split.segments));
        let mut rest = transmit.body;
        let arrivals: Vec<_> = (0..segments)
            .map(|at| {
                let head = &head[at * head.len() / segments..][..head.len() / segments];
                let span = rest.map(|span| {
                    let len = transmit.split.map_or(span.len, |split| u32::from(split.body_len));
                    (span.offset, span.len.min(len))
                });
                rest = rest.zip(span).map(|(all, (_, len))| reveille_core::image::ImageSpan {
                    offset: all.offset + u64::from(len),
                    len: all.len - len,
                    ..all
                });
                Arrival::new(socket.0, port, head, span)
            })
            .collect();
        for arrival in arrivals {
            let Some(after) = self.link.carry(arrival.bytes(), self.now) else { continue };
            if !self.is_lost() {
                self.queue.add(after + DELAY, Happening::AtClient(id, arrival));
            }
        }
    }
}

/// The site: one network with room for a storm, and one file.
fn view(storm: &Storm) -> View {
    let mut view = View {
        interfaces: vec![Interface {
            name: "boot".into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            link_unicast: true,
            advertise_from: None,
        }],
        networks: [Network {
            interface: InterfaceId(0),
            server: SERVER,
            subnet: Subnet { address: SERVER, prefix_len: 8 },
            mode: DhcpMode::Off,
            pools: Vec::new(),
            routers: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            domain: None,
            lease: LeaseTerms::fixed(Duration::from_secs(3600)),
            relays: Vec::new(),
            authoritative: true,
            ..Network::default()
        }]
        .into(),
        ..View::default()
    };
    view.tftp.rates = storm.rates;
    let file = File {
        image: ImageId { slot: 0, generation: 1 },
        len: storm.bytes,
        etag: "\"1\"".into(),
        last_modified: "Thu, 01 Jan 1970 00:00:00 GMT".into(),
        content_type: "application/octet-stream",
    };
    view.catalogue.insert("file".into(), file);
    view
}

fn address(id: u32) -> Ipv4Addr {
    (u32::from(SERVER) + 1 + id).into()
}

/// Ports of an address translator, and how many it has for each client in turn.
const FIRST_TRANSLATED: u32 = 1024;
/// See [`FIRST_TRANSLATED`].
const PORTS_EACH: u32 = 6;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// No clock starts at zero.
const START: Instant = Instant::from_nanos(1_000_000_000_000);

/// One way, beside the time in the queue.
const DELAY: Duration = Duration::from_micros(30);

/// Requests that fit into a receive buffer of 64 MiB.
const INBOX_MAX: usize = 80_000;

const INPUTS_PER_TURN: usize = 512;
const OUTPUTS_PER_TURN: usize = 512;

/// What one core takes, as measured: 400,000 answers a second.
const INPUT_COSTS: Duration = Duration::from_nanos(1000);
/// See [`INPUT_COSTS`].
const OUTPUT_COSTS: Duration = Duration::from_nanos(1500);

/// What the kernel takes before a send has to wait.
const SEND_BUFFER_BYTES: u64 = 4 * 1024 * 1024;

/// Within this time and four times what the link needs, everybody is done.
const LIVENESS: Duration = Duration::from_secs(120);
