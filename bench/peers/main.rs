//! Reveille beside the servers it is to replace, in turn, in one run.
//!
//! ```text
//! cargo build --release -p reveille -p reveille-bench
//! target/release/peers tftp|http|http-loopback|dhcp [rounds] [name of one contender]
//! ```
//!
//! Server and clients live in two network namespaces that are joined by a veth pair and have no
//! other way out. The server is started anew for each figure and pinned to core 0, the clients
//! are pinned to core 1. CPU is user and system time of the server's processes; on a veth pair
//! that includes the delivery to the receiver's socket.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod contest;
mod dhcp;
mod download;
mod http;
mod pair;
mod storm;
mod tftp;

use std::process::ExitCode;

use contest::Contest;
use pair::Path;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let comparison = words.next().unwrap_or_default();
    let rounds = words.next().and_then(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let contest: Contest = match comparison.as_str() {
        "tftp" => tftp::contest(),
        "http" => http::contest(Path::Cable),
        "http-loopback" => http::contest(Path::Loopback),
        "dhcp" => dhcp::contest(),
        _ => {
            println!(
                "peers tftp|http|http-loopback|dhcp [rounds, {ROUNDS} unless told] [one contender]"
            );
            return ExitCode::from(2);
        }
    };
    println!("{}", contest.run(rounds, words.next().as_deref()));
    ExitCode::SUCCESS
}

/// Rounds of each comparison.
const ROUNDS: usize = 5;
