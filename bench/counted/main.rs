//! Operations whose instructions are counted, each in a call of its own.
//!
//! ```text
//! counted [short|crowd]
//! ```
//!
//! For each operation it prints how often it was repeated and its name, and repeats it within one
//! call of `reveille_bench_measured`: `tests/counts` runs it under valgrind, which counts what
//! happens inside of that function. Everything is seeded, so that the same program does the same.
#![expect(clippy::print_stdout, reason = "the names go with the counts")]

use std::hint::black_box;

use reveille_bench::{
    DISCOVER, DhcpWorld, GET, GET_BEGINNING, GET_MISSING, GET_SCRIPT, HttpWorld, TftpWorld,
};
use reveille_core::wire::dhcp4::Message;
use reveille_core::wire::dhcp4_options::Options;
use reveille_core::wire::http::RequestHead;
use reveille_core::wire::tftp;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("crowd") => engines(100_000),
        _ => {
            codecs();
            for clients in [1, 10_000] {
                engines(clients);
            }
            let mut world = HttpWorld::new(1);
            count("http, GET to the end of 64 MiB", TIMES / 100, || world.serve(GET));
        }
    }
}

fn codecs() {
    count("dhcp, parse DISCOVER", TIMES, || {
        let message = Message::parse(black_box(DISCOVER)).expect("a real one");
        let mut scratch = [0; 512];
        Options::parse(&message, &mut scratch).expect("a real one").message_type
    });
    let ack = tftp::emit_ack(77);
    count("tftp, parse ACK", TIMES, || tftp::parse(black_box(&ack)).is_ok());
    count("http, parse GET", TIMES, || RequestHead::parse(black_box(GET)).is_ok());
}

fn engines(clients: u32) {
    let mut dhcp = DhcpWorld::discovering(clients);
    count(&format!("dhcp, DISCOVER to OFFER, {clients} leases"), TIMES, || dhcp.exchange());
    drop(dhcp);
    let mut dhcp = DhcpWorld::among_networks(clients);
    let name = format!("dhcp, DISCOVER to OFFER, {clients} leases, 1001 networks");
    count(&name, TIMES, || dhcp.exchange());
    drop(dhcp);
    let mut dhcp = DhcpWorld::requesting(clients);
    count(&format!("dhcp, REQUEST to ACK, {clients} leases"), TIMES, || dhcp.exchange());
    drop(dhcp);
    let mut dhcp = DhcpWorld::storing(clients);
    count(&format!("dhcp, REQUEST to ACK, stored, {clients} leases"), TIMES, || dhcp.exchange());
    drop(dhcp);
    for window in [1, 16] {
        let mut tftp = TftpWorld::new(clients, window);
        let name = format!("tftp, ACK to {window} DATA, {clients} transfers");
        count(&name, TIMES, || tftp.acknowledge());
    }
    let mut http = HttpWorld::new(clients);
    let requests = [("first KiB", GET_BEGINNING), ("script", GET_SCRIPT), ("404", GET_MISSING)];
    for (name, request) in requests {
        let name = format!("http, GET to {name}, {clients} connections");
        count(&name, TIMES, || http.serve(black_box(request)));
    }
}

/// Has an operation counted, after as many repetitions that are not.
fn count<T>(name: &str, times: u32, mut operation: impl FnMut() -> T) {
    let mut operation = || {
        black_box(operation());
    };
    for _ in 0..times {
        operation();
    }
    reveille_bench_measured(&mut operation, times);
    println!("{times} {name}");
}

/// What valgrind looks for: it must stay a function with this very name.
// SAFETY: no other function has the name.
#[unsafe(no_mangle)]
#[inline(never)]
fn reveille_bench_measured(operation: &mut dyn FnMut(), times: u32) {
    for _ in 0..times {
        operation();
    }
}

/// Repetitions of an operation: enough that a rare branch shows, few enough for a test.
const TIMES: u32 = 1000;
