//! Messages through the engine: DISCOVER in, OFFER out, and REQUEST in, ACK out.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reveille_bench::{SERVER, discover_of, set_transaction, site};
use reveille_core::dhcp4::Dhcp4Server;
use reveille_core::engine::{Datagram, Engine, InterfaceId, Output, Packet, SocketId};
use reveille_core::limits::HEAD_BYTES;
use reveille_core::time::Instant;
use reveille_core::view::View;
use reveille_core::wire::dhcp4::{Message, MessageType};
use reveille_core::wire::dhcp4_options::{Options, code};

/// A server, and what each of its clients sends next.
struct World {
    server: Dhcp4Server,
    view: View,
    now: Instant,
    messages: Vec<Vec<u8>>,
    next: usize,
    transaction: u32,
    head: Vec<u8>,
}

impl World {
    /// Clients that look for servers.
    fn discovering(clients: u32) -> Self {
        Self {
            server: Dhcp4Server::new(65_536, 1),
            view: site(),
            now: Instant::from_nanos(1),
            messages: (0..clients).map(discover_of).collect(),
            next: 0,
            transaction: 1 << 31,
            head: vec![0; HEAD_BYTES],
        }
    }

    /// Clients that have been offered an address and ask for it, again and again.
    fn requesting(clients: u32) -> Self {
        let mut world = Self::discovering(clients);
        for client in 0..clients as usize {
            let len = world.exchange();
            let address = offered(&world.head[..len]);
            let message = &mut world.messages[client];
            let kind = message.windows(3).position(|option| option == [code::MESSAGE_TYPE, 1, 1]);
            message[kind.expect("a DISCOVER") + 2] = MessageType::Request.code();
            let end = message.iter().rposition(|byte| *byte == 255).expect("options end");
            message.truncate(end);
            message.extend([code::SERVER_ID, 4]);
            message.extend(SERVER.octets());
            message.extend([code::REQUESTED_ADDRESS, 4]);
            message.extend(address.octets());
            message.push(255);
        }
        world
    }

    /// The next client's message and its answer, of which it tells the length.
    fn exchange(&mut self) -> usize {
        self.now = self.now + Duration::from_micros(1);
        self.transaction = self.transaction.wrapping_add(1);
        let at = self.next;
        self.next = (at + 1) % self.messages.len();
        let message = &mut self.messages[at];
        set_transaction(message, self.transaction);
        let datagram = Datagram {
            socket: SocketId(0),
            interface: InterfaceId(0),
            source: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 68)),
            destination: SocketAddr::from((Ipv4Addr::BROADCAST, 67)),
            payload: message,
        };
        let taken = self.server.handle_input(Packet::Datagram(datagram), self.now, &self.view);
        taken.expect("a good client");
        let output = self.server.poll_output(&mut self.head, self.now, &self.view);
        let Some(Output::Transmit(transmit)) = output else { panic!("an answer: {output:?}") };
        while self.server.poll_event().is_some() {}
        self.server.handle_timeout(self.now);
        usize::from(black_box(transmit).head_len)
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

fn exchanges(c: &mut Criterion) {
    let mut group = c.benchmark_group("dhcp engine");
    group.throughput(Throughput::Elements(1));
    for clients in [1, 10_000] {
        let mut world = World::discovering(clients);
        group.bench_function(BenchmarkId::new("DISCOVER to OFFER", clients), |b| {
            b.iter(|| world.exchange());
        });
        let mut world = World::requesting(clients);
        group.bench_function(BenchmarkId::new("REQUEST to ACK", clients), |b| {
            b.iter(|| world.exchange());
        });
    }
    group.finish();
}

criterion_group!(benches, exchanges);
criterion_main!(benches);
