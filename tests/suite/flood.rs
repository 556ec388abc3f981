//! A storm of machines that boot while somebody on their link makes up clients by the thousand:
//! the DHCP engine in simulated time.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reveille_core::dhcp4::{Dhcp4Config, Dhcp4Server};
use reveille_core::engine::{Datagram, Engine, InterfaceId, Output, Packet, Route, SocketId};
use reveille_core::limits;
use reveille_core::mac::MacAddr;
use reveille_core::rng::Rng;
use reveille_core::time::Instant;
use reveille_core::view::{DhcpMode, Interface, Network, Pool, Subnet, View};
use reveille_core::wire::dhcp4::{Header, MessageType};
use reveille_core::wire::dhcp4_options::{MessageWriter, Options};

/// How firmware asks for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Model {
    /// Repeats after 4, 8 and 16 s and gives up after 32 more. It takes an offer only when the
    /// time in which it came is over.
    Uefi,
    /// Repeats after 1, 2 and 4 s and gives up after 8 more.
    Ipxe,
}

impl Model {
    const fn waits(self) -> [u64; 4] {
        match self {
            Self::Uefi => [4000, 8000, 16_000, 32_000],
            Self::Ipxe => [1000, 2000, 4000, 8000],
        }
    }
}

#[derive(Debug)]
struct Machine {
    model: Model,
    xid: u32,
    /// Messages of this kind that were sent.
    tries: usize,
    /// When something happens next, in ms.
    at_ms: u64,
    offer: Option<(Ipv4Addr, Ipv4Addr)>,
    requests: bool,
    address: Option<Ipv4Addr>,
    gave_up: bool,
}

impl Machine {
    /// What it says when its time has come.
    fn act(&mut self, mac: MacAddr, now_ms: u64) -> Option<Vec<u8>> {
        if self.address.is_some() || self.gave_up || now_ms < self.at_ms {
            return None;
        }
        if let (Some(_), false) = (self.offer, self.requests) {
            self.requests = true;
            self.tries = 0;
        }
        let Some(wait) = self.model.waits().get(self.tries).copied() else {
            self.gave_up = true;
            return None;
        };
        self.tries += 1;
        self.at_ms = now_ms + wait;
        let offer = self.offer.filter(|_| self.requests);
        Some(message(mac, self.xid, offer))
    }

    fn hear(&mut self, kind: MessageType, address: Ipv4Addr, server: Ipv4Addr, now_ms: u64) {
        if kind == MessageType::Offer && !self.requests {
            self.offer = Some((address, server));
            if self.model == Model::Ipxe {
                self.at_ms = now_ms;
            }
        } else if kind == MessageType::Ack && self.requests {
            self.address = Some(address);
        } else if kind == MessageType::Nak && self.requests {
            (self.offer, self.requests, self.tries) = (None, false, 0);
            self.xid += 1;
            self.at_ms = now_ms + if self.model == Model::Ipxe { 1000 } else { 0 };
        }
    }
}

/// DISCOVER, or the REQUEST that takes an offer.
fn message(mac: MacAddr, xid: u32, offer: Option<(Ipv4Addr, Ipv4Addr)>) -> Vec<u8> {
    let mut buffer = vec![0; 400];
    let header = Header::request(xid, mac);
    let kind = if offer.is_some() { MessageType::Request } else { MessageType::Discover };
    let mut writer = MessageWriter::new(&mut buffer, &header, kind);
    if let Some((address, server)) = offer {
        writer.put(50, &address.octets());
        writer.put(54, &server.octets());
    }
    writer.put(55, &[1, 3, 6]);
    let length = writer.finish().expect("it fits");
    buffer.truncate(length);
    buffer
}

/// A link with machines, somebody hostile, and the server, whose processor takes its time.
struct World {
    server: Dhcp4Server,
    view: View,
    now_ms: u64,
    machines: BTreeMap<MacAddr, Machine>,
    rng: Rng,
    head: Vec<u8>,
}

/// How a storm ended.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    up: usize,
    gave_up: usize,
    took_ms: u64,
}

impl World {
    /// So many machines that begin within ten seconds, and so many addresses.
    fn new(seed: u64, machines: u32, addresses: u32) -> Self {
        let mut rng = Rng::new(seed);
        let machines = (0..machines).map(|number| {
            let [_, b, c, d] = number.to_be_bytes();
            let model = if number % 2 == 0 { Model::Uefi } else { Model::Ipxe };
            let machine = Machine {
                model,
                xid: rng.below(u32::MAX),
                tries: 0,
                at_ms: START_MS + u64::from(rng.below(10_000)),
                offer: None,
                requests: false,
                address: None,
                gave_up: false,
            };
            (MacAddr([0x52, 0x54, 0, b, c, d]), machine)
        });
        let machines = machines.collect();
        Self {
            server: Dhcp4Server::new(Dhcp4Config {
                leases_max: addresses,
                seed: rng.next_u64(),
                ..Dhcp4Config::default()
            }),
            view: view(addresses),
            now_ms: START_MS,
            machines,
            rng,
            head: vec![0; limits::HEAD_BYTES],
        }
    }

    /// Runs until every machine has an address or has given up, with so many messages of clients
    /// that do not exist in every millisecond.
    fn run(mut self, hostile_per_ms: u32) -> Outcome {
        let is_busy = |machine: &Machine| machine.address.is_none() && !machine.gave_up;
        // Ends: firmware gives up.
        while self.machines.values().any(is_busy) {
            let said: Vec<_> = self
                .machines
                .iter_mut()
                .filter_map(|(mac, machine)| machine.act(*mac, self.now_ms))
                .collect();
            for message in said {
                self.tell(&message);
            }
            for _ in 0..hostile_per_ms {
                let [a, b, c, d] = self.rng.below(u32::MAX).to_be_bytes();
                let mac = MacAddr([2, 7, a, b, c, d]);
                let xid = self.rng.below(u32::MAX);
                self.tell(&message(mac, xid, None));
            }
            for _ in 0..OUTPUTS_PER_MS {
                if !self.poll() {
                    break;
                }
            }
            while self.server.poll_event().is_some() {}
            self.now_ms += 1;
        }
        let mut addresses: Vec<_> = self.machines.values().filter_map(|m| m.address).collect();
        let up = addresses.len();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), up, "no address is given twice");
        let gave_up = self.machines.len() - up;
        Outcome { up, gave_up, took_ms: self.now_ms - START_MS }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + Duration::from_millis(self.now_ms)
    }

    fn tell(&mut self, payload: &[u8]) {
        let datagram = Datagram {
            socket: SocketId(0),
            interface: InterfaceId(0),
            source: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 68)),
            destination: SocketAddr::from((Ipv4Addr::BROADCAST, 67)),
            payload,
        };
        // What is dropped shows in the machines' patience.
        self.server.handle_input(Packet::Datagram(datagram), self.now(), &self.view).ok();
    }

    fn poll(&mut self) -> bool {
        let now = self.now();
        let Some(output) = self.server.poll_output(&mut self.head, now, &self.view) else {
            return false;
        };
        let Output::Transmit(transmit) = output else { panic!("datagrams only") };
        assert!(matches!(transmit.route, Route::Datagram { .. }), "this link has no frames");
        let mut options = Options::default();
        let payload = &self.head[..usize::from(transmit.head_len)];
        let mut scratch = vec![0; payload.len()];
        let (message, _) = options.read(payload, &mut scratch).expect("our own reply");
        let header = *message.header();
        let hardware = header.hardware_address();
        let mac = MacAddr(hardware.try_into().expect("Ethernet"));
        if let Some(machine) = self.machines.get_mut(&mac)
            && machine.xid == header.xid()
        {
            let kind = options.message_type.expect("every reply has it");
            let server = options.server_id.expect("every reply has it");
            machine.hear(kind, header.yiaddr(), server, self.now_ms);
        }
        true
    }
}

fn view(addresses: u32) -> View {
    let first = Ipv4Addr::new(10, 1, 0, 0);
    let mut view = View::default();
    view.interfaces.push(Interface {
        name: "boot".into(),
        mac: MacAddr([2, 0, 0, 0, 0, 1]),
        mtu: 1500,
        link_unicast: false,
        advertise_from: None,
    });
    let network = Network {
        server: Ipv4Addr::new(10, 0, 0, 1),
        subnet: Subnet { address: Ipv4Addr::new(10, 0, 0, 0), prefix_len: 8 },
        mode: DhcpMode::Server,
        pools: vec![Pool::new(first, Ipv4Addr::from(u32::from(first) + addresses - 1))],
        authoritative: true,
        ..Network::default()
    };
    view.networks = [network].into_iter().collect();
    view
}

/// No clock starts at zero.
const START_MS: u64 = 1_000_000;

/// What one core answers, as measured, with some reserve.
const OUTPUTS_PER_MS: u32 = 60;

#[test]
fn machines_boot_through_a_flood_of_clients_that_do_not_exist() {
    let calm = World::new(1, 1000, 2000).run(0);
    assert_eq!((calm.up, calm.gave_up), (1000, 0));
    let flooded = World::new(1, 1000, 2000).run(10);
    assert_eq!((flooded.up, flooded.gave_up), (1000, 0), "{flooded:?}, calm {calm:?}");
}

#[test]
fn a_pool_without_an_address_to_spare_lasts_for_all() {
    let calm = World::new(2, 1000, 1000).run(0);
    assert_eq!((calm.up, calm.gave_up), (1000, 0), "{calm:?}");
}

#[test]
fn a_flood_replays() {
    assert_eq!(World::new(3, 100, 200).run(5), World::new(3, 100, 200).run(5));
}
