//! Engines with one, ten thousand and a million sessions, connections or leases: a request in,
//! its answer out.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use reveille_bench::{
    DhcpWorld, GET, GET_BEGINNING, GET_MISSING, GET_SCRIPT, HttpWorld, TftpWorld, bindings,
    restored,
};

const CLIENTS: [u32; 3] = [1, 10_000, 1_000_000];

fn dhcp(c: &mut Criterion) {
    let mut group = c.benchmark_group("dhcp engine");
    group.throughput(Throughput::Elements(1));
    for clients in CLIENTS {
        let mut world = DhcpWorld::discovering(clients);
        group.bench_function(BenchmarkId::new("DISCOVER to OFFER", clients), |b| {
            b.iter(|| world.exchange());
        });
        let mut world = DhcpWorld::requesting(clients);
        group.bench_function(BenchmarkId::new("REQUEST to ACK", clients), |b| {
            b.iter(|| world.exchange());
        });
        let mut world = DhcpWorld::storing(clients);
        group.bench_function(BenchmarkId::new("REQUEST to ACK, stored", clients), |b| {
            b.iter(|| world.exchange());
        });
    }
    group.finish();

    let mut group = c.benchmark_group("dhcp engine, new start");
    group.sample_size(10);
    let bindings = bindings(1_000_000);
    group.throughput(Throughput::Elements(bindings.len() as u64));
    group.bench_function("take up a million leases", |b| b.iter(|| restored(&bindings)));
    group.finish();
}

fn tftp(c: &mut Criterion) {
    let mut group = c.benchmark_group("tftp engine, ACK to DATA");
    for window in [1, 16] {
        group.throughput(Throughput::Elements(u64::from(window)));
        for clients in CLIENTS {
            let mut world = TftpWorld::new(clients, window);
            assert_eq!(world.acknowledge(), u32::from(window) * 1468);
            let name = format!("window of {window}");
            group.bench_function(BenchmarkId::new(name, clients), |b| {
                b.iter(|| world.acknowledge());
            });
        }
    }
    group.finish();
}

fn http(c: &mut Criterion) {
    let cases =
        [("first KiB of a file", GET_BEGINNING), ("script", GET_SCRIPT), ("404", GET_MISSING)];
    let mut group = c.benchmark_group("http engine");
    group.throughput(Throughput::Elements(1));
    for connections in CLIENTS {
        let mut world = HttpWorld::new(connections);
        for (name, request) in cases {
            assert_eq!(world.serve(request), 1);
            group.bench_function(BenchmarkId::new(name, connections), |b| {
                b.iter(|| world.serve(black_box(request)));
            });
        }
    }
    group.finish();

    let mut group = c.benchmark_group("http engine, 64 MiB in pieces");
    let mut world = HttpWorld::new(1);
    group.throughput(Throughput::Elements(world.serve(GET) as u64));
    group.bench_function("whole file", |b| b.iter(|| world.serve(black_box(GET))));
    group.finish();
}

criterion_group!(benches, dhcp, tftp, http);
criterion_main!(benches);
