//! A DHCP server and its clients.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reveille_core::binding::{Binding, BindingState, ClientId};
use reveille_core::dhcp4::{ClientKey, Dhcp4Config, Dhcp4Server};
use reveille_core::engine::{Datagram, Engine, InterfaceId, Output, Packet, SocketId, StoreAnswer};
use reveille_core::limits::HEAD_BYTES;
use reveille_core::mac::MacAddr;
use reveille_core::text::Text;
use reveille_core::time::Instant;
use reveille_core::view::{Network, Subnet, View};
use reveille_core::wire::dhcp4::{Message, MessageType};
use reveille_core::wire::dhcp4_options::{Options, code};

use crate::{DISCOVER, SERVER, site};

/// A server that knows all its clients, and what each of them sends next.
#[derive(Debug)]
pub struct DhcpWorld {
    server: Dhcp4Server,
    view: View,
    now: Instant,
    /// What every client sends, but for its name, its transaction and the address it asks for.
    message: Vec<u8>,
    /// Where the name is: in `chaddr` and in option 97.
    names_at: [usize; 2],
    /// Where the address is, if one is asked for, and which, by client.
    address_at: Option<usize>,
    addresses: Vec<Ipv4Addr>,
    next: u32,
    transaction: u32,
    head: Vec<u8>,
}

impl DhcpWorld {
    /// Clients that have been offered an address each and look for servers again.
    #[must_use]
    pub fn discovering(clients: u32) -> Self {
        Self::new(clients, false)
    }

    fn new(clients: u32, durable: bool) -> Self {
        // Option 97 is a type byte and 16 bytes of UUID; chaddr starts at 28 (RFC 2131 §2).
        let uuid = DISCOVER.windows(3).position(|option| option == [97, 17, 0]);
        let uuid = uuid.expect("a machine tells its UUID");
        let mut world = Self {
            server: Dhcp4Server::new(config(clients, durable)),
            view: site(),
            now: Instant::from_nanos(1),
            message: DISCOVER.to_vec(),
            names_at: [30, uuid + 3],
            address_at: None,
            addresses: vec![Ipv4Addr::UNSPECIFIED; clients as usize],
            next: 0,
            transaction: 1 << 31,
            head: vec![0; HEAD_BYTES],
        };
        for client in 0..clients as usize {
            let len = world.exchange();
            world.addresses[client] = offered(&world.head[..len]);
        }
        world
    }

    /// The same with a thousand more networks, behind relay agents of their own.
    #[must_use]
    pub fn among_networks(clients: u32) -> Self {
        let mut world = Self::discovering(clients);
        let model = world.view.networks[0].clone();
        let relayed = (0..1000).map(|number| {
            let address =
                Ipv4Addr::from_bits(Ipv4Addr::new(172, 16, 0, 0).to_bits() + number * 256);
            Network {
                subnet: Subnet { address, prefix_len: 24 },
                pools: vec![],
                relays: vec![address.into()],
                ..model.clone()
            }
        });
        world.view.networks = relayed.chain([model.clone()]).collect();
        world
    }

    /// Clients that have been offered an address each and ask for it, again and again.
    #[must_use]
    pub fn requesting(clients: u32) -> Self {
        Self::new(clients, false).request()
    }

    /// The same, where each lease is stored before its ACK leaves.
    #[must_use]
    pub fn storing(clients: u32) -> Self {
        Self::new(clients, true).request()
    }

    fn request(self) -> Self {
        let mut world = self;
        let clients = world.addresses.len();
        let message = &mut world.message;
        let kind = message.windows(3).position(|option| option == [code::MESSAGE_TYPE, 1, 1]);
        message[kind.expect("a DISCOVER") + 2] = MessageType::Request.code();
        let end = message.iter().rposition(|byte| *byte == 255).expect("options end");
        message.truncate(end);
        message.extend([code::SERVER_ID, 4]);
        message.extend(SERVER.octets());
        message.extend([code::REQUESTED_ADDRESS, 4]);
        world.address_at = Some(message.len());
        message.extend([0, 0, 0, 0, 255]);
        for _ in 0..clients {
            world.exchange();
        }
        world
    }

    /// The next client's message and its answer, of which it tells the length.
    pub fn exchange(&mut self) -> usize {
        self.now = self.now + Duration::from_micros(1);
        self.transaction = self.transaction.wrapping_add(1);
        self.message[4..8].copy_from_slice(&self.transaction.to_be_bytes());
        for at in self.names_at {
            self.message[at..at + 4].copy_from_slice(&self.next.to_be_bytes());
        }
        if let Some(at) = self.address_at {
            let address = self.addresses[self.next as usize];
            self.message[at..at + 4].copy_from_slice(&address.octets());
        }
        self.next = (self.next + 1) % self.addresses.len() as u32;
        let datagram = Datagram {
            socket: SocketId(0),
            interface: InterfaceId(0),
            source: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 68)),
            destination: SocketAddr::from((Ipv4Addr::BROADCAST, 67)),
            payload: &self.message,
        };
        let taken = self.server.handle_input(Packet::Datagram(datagram), self.now, &self.view);
        taken.expect("a good client");
        let mut output = self.server.poll_output(&mut self.head, self.now, &self.view);
        if let Some(Output::Persist { ticket, binding }) = output {
            black_box(binding);
            let stored = Packet::Store(StoreAnswer::Stored(ticket));
            let taken = self.server.handle_input(stored, self.now, &self.view);
            taken.expect("a store is heard");
            output = self.server.poll_output(&mut self.head, self.now, &self.view);
        }
        let Some(Output::Transmit(transmit)) = output else { panic!("an answer: {output:?}") };
        while self.server.poll_event().is_some() {}
        self.server.handle_timeout(self.now);
        usize::from(black_box(transmit).head_len)
    }
}

/// Leases as a store has them, in the order of their addresses.
#[must_use]
pub fn bindings(count: u32) -> Vec<Binding> {
    let subnet = site().networks[0].subnet;
    let since = Instant::from_nanos(1);
    let binding = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        Binding {
            address: Ipv4Addr::from_bits(subnet.address.to_bits() + number),
            subnet,
            client: Some(ClientKey::Mac(MacAddr([2, 0, a, b, c, d]))),
            client_id: ClientId::EMPTY,
            hostname: Text::EMPTY,
            state: BindingState::Bound {
                since,
                until: since + Duration::from_secs(u64::from(1000 + number.reverse_bits() % 1000)),
            },
        }
    };
    (0..count).map(binding).collect()
}

/// A server that takes up all `bindings`.
///
/// # Panics
/// If it does not.
#[must_use]
pub fn restored(bindings: &[Binding]) -> Dhcp4Server {
    let count = u32::try_from(bindings.len()).expect("millions");
    let mut server = Dhcp4Server::new(config(count, true));
    for binding in bindings {
        server.restore(binding, Instant::from_nanos(2)).expect("there is room");
    }
    server
}

fn config(leases: u32, durable: bool) -> Dhcp4Config {
    Dhcp4Config {
        leases_max: (leases + leases / 4).max(65_536),
        seed: 1,
        identifier_key: [1; 16],
        durable,
    }
}

/// The address in an OFFER that may have IP and UDP headers before it.
fn offered(packet: &[u8]) -> Ipv4Addr {
    let start = if packet[0] == 0x45 { 28 } else { 0 };
    let message = Message::parse(&packet[start..]).expect("we sent it");
    let mut scratch = [0; 1024];
    let options = Options::parse(&message, &mut scratch).expect("we sent it");
    assert_eq!(options.message_type, Some(MessageType::Offer));
    message.header().yiaddr()
}
