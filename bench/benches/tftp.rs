//! A block through the engine: ACK in, DATA out, in lockstep and by windows.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reveille_bench::{SERVER, site};
use reveille_core::engine::{Datagram, Engine, InterfaceId, Output, Route, SocketId, Transmit};
use reveille_core::limits::HEAD_BYTES;
use reveille_core::tftp::{TftpConfig, TftpServer};
use reveille_core::time::Instant;
use reveille_core::view::View;
use reveille_core::wire::tftp::emit_ack;

/// A server with transfers that do not end.
struct World {
    server: TftpServer,
    view: View,
    now: Instant,
    clients: Vec<Client>,
    next: usize,
    window: u16,
    head: Vec<u8>,
}

struct Client {
    address: SocketAddr,
    /// The server's end of the transfer.
    socket: SocketId,
    /// The last block that it has.
    block: u16,
}

impl World {
    fn new(clients: u32, window: u16) -> Self {
        let mut world = Self {
            server: TftpServer::new(TftpConfig::default()),
            view: site(),
            now: Instant::from_nanos(1),
            clients: Vec::new(),
            next: 0,
            window,
            head: vec![0; HEAD_BYTES],
        };
        let mut request = b"\0\x01endless\0octet\0blksize\x001468\0".to_vec();
        request.extend(format!("windowsize\0{window}\0").bytes());
        for number in 0..clients {
            let address = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0100 + number), 2070));
            let acknowledged = world.exchange(SocketId(0), address, &request);
            let Route::Datagram { socket, .. } = acknowledged.route else { panic!("a datagram") };
            world.exchange(socket, address, &emit_ack(0));
            world.clients.push(Client { address, socket, block: 0 });
        }
        world
    }

    fn exchange(&mut self, socket: SocketId, source: SocketAddr, payload: &[u8]) -> Transmit {
        let destination = SocketAddr::from((SERVER, 69));
        let datagram = Datagram { socket, interface: InterfaceId(0), source, destination, payload };
        self.server.handle_input(datagram, self.now, &self.view).expect("a good client");
        let output = self.server.poll_output(&mut self.head, self.now, &self.view);
        let Some(Output::Transmit(transmit)) = output else { panic!("an answer: {output:?}") };
        transmit
    }

    /// The next client has the whole window and asks for the next one.
    fn acknowledge(&mut self) -> u32 {
        self.now = self.now + Duration::from_micros(1);
        let client = &mut self.clients[self.next];
        client.block = client.block.wrapping_add(self.window);
        let (socket, address, block) = (client.socket, client.address, client.block);
        self.next = (self.next + 1) % self.clients.len();
        let transmit = black_box(self.exchange(socket, address, &emit_ack(block)));
        while self.server.poll_event().is_some() {}
        self.server.handle_timeout(self.now);
        transmit.body.map_or(0, |span| span.len)
    }
}

fn windows(c: &mut Criterion) {
    let mut group = c.benchmark_group("tftp engine, ACK to DATA");
    for window in [1, 16] {
        group.throughput(Throughput::Elements(u64::from(window)));
        for clients in [1, 10_000] {
            let mut world = World::new(clients, window);
            assert_eq!(world.acknowledge(), u32::from(window) * 1468);
            let name = format!("window of {window}");
            group.bench_function(BenchmarkId::new(name, clients), |b| {
                b.iter(|| world.acknowledge());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, windows);
criterion_main!(benches);
