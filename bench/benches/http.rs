//! A request through the engine: GET in, response head and first span out, sent.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reveille_bench::{GET, SERVER, site};
use reveille_core::engine::{ConnId, Engine, Output, StreamEvent};
use reveille_core::http::HttpServer;
use reveille_core::limits::HEAD_BYTES;
use reveille_core::time::Instant;
use reveille_core::view::View;

/// An engine with connections that all stay open.
struct World {
    server: HttpServer,
    view: View,
    now: Instant,
    connections: u32,
    next: u32,
    head: Vec<u8>,
}

impl World {
    fn new(connections: u32) -> Self {
        let now = Instant::from_nanos(1);
        // Room for more, so that nobody is sent away.
        let mut world = Self {
            server: HttpServer::new(connections * 2, 1),
            view: site(),
            now,
            connections,
            next: 0,
            head: vec![0; HEAD_BYTES],
        };
        for slot in 0..connections {
            let accepted = StreamEvent::Accepted {
                conn: ConnId { slot, generation: 0 },
                peer: SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0100 + slot), 40_000)),
                local: SocketAddr::from((SERVER, 80)),
            };
            world.input(accepted);
        }
        world
    }

    fn input(&mut self, event: StreamEvent<'_>) {
        self.server.handle_input(event, self.now, &self.view).expect("a good client");
    }

    /// One request on the next connection, to the end of its response.
    fn serve(&mut self, request: &[u8]) -> usize {
        self.now = self.now + Duration::from_micros(1);
        let conn = ConnId { slot: self.next, generation: 0 };
        self.next = (self.next + 1) % self.connections;
        self.input(StreamEvent::Received { conn, bytes: request });
        let mut transmits = 0;
        while let Some(output) = self.server.poll_output(&mut self.head, self.now, &self.view) {
            let Output::Transmit(transmit) = output else { panic!("the connection stays open") };
            black_box(transmit);
            transmits += 1;
            self.input(StreamEvent::Sent { conn });
        }
        while self.server.poll_event().is_some() {}
        self.server.handle_timeout(self.now);
        transmits
    }
}

fn requests(c: &mut Criterion) {
    let script = b"GET /node/52-54-00-12-34-56.7/boot.ipxe HTTP/1.1\r\nHost: 10.0.0.1\r\n\
                   User-Agent: iPXE/1.21.1\r\n\r\n";
    let missing = b"GET /missing HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n";
    let small = b"GET /files/7 HTTP/1.1\r\nHost: 10.0.0.1\r\nRange: bytes=0-1023\r\n\r\n";
    let cases: [(&str, &[u8], usize); 3] =
        [("first KiB of a file", small, 1), ("script", script, 1), ("404", missing, 1)];
    let mut group = c.benchmark_group("http engine");
    group.throughput(Throughput::Elements(1));
    for connections in [1, 10_000] {
        for (name, request, transmits) in cases {
            let mut world = World::new(connections);
            assert_eq!(world.serve(request), transmits);
            group.bench_function(BenchmarkId::new(name, connections), |b| {
                b.iter(|| world.serve(black_box(request)));
            });
        }
    }
    group.finish();

    let mut group = c.benchmark_group("http engine, 64 MiB in chunks");
    group.throughput(Throughput::Elements(256));
    let mut world = World::new(1);
    assert_eq!(world.serve(GET), 256);
    group.bench_function("whole file", |b| b.iter(|| world.serve(black_box(GET))));
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
