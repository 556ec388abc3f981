//! What the single-protocol loads are told.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::units::duration;

/// `loadgen dhcp`.
#[derive(Debug, Args)]
#[command(after_help = "\
Through a relay agent's eyes (no root needed beyond port 67; the server must know --giaddr as a relay):
  loadgen dhcp --server 10.77.0.1 --giaddr 10.77.0.2 --outstanding 64 --machines 10000
As machines on the link:
  loadgen dhcp --interface eth0 --outstanding 64")]
pub struct DhcpArgs {
    /// The server's address, with --giaddr.
    #[arg(long, requires = "giaddr", required_unless_present = "interface")]
    pub server: Option<Ipv4Addr>,

    /// Our address, as that of a relay agent.
    #[arg(long, requires = "server")]
    pub giaddr: Option<Ipv4Addr>,

    /// Send broadcast frames from this interface instead, as machines on the link do.
    #[arg(long, conflicts_with_all = ["server", "giaddr"])]
    pub interface: Option<String>,

    /// With --interface: ask for broadcast answers, as UEFI does.
    #[arg(long, requires = "interface")]
    pub broadcast: bool,

    /// Exchanges under way at a time; with --rate, at most.
    #[arg(long, default_value_t = 64)]
    pub outstanding: usize,

    /// Exchanges begun a second, instead of as many as the server ends.
    #[arg(long, value_name = "COUNT")]
    pub rate: Option<NonZeroU32>,

    /// Machines (MAC addresses) that take turns.
    #[arg(long, default_value_t = 10_000)]
    pub machines: u32,

    /// How long.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub duration: Duration,

    /// Stop after so many complete exchanges.
    #[arg(long, value_name = "COUNT")]
    pub exchanges: Option<u64>,
}

/// `loadgen tftp`.
#[derive(Debug, Args)]
pub struct TftpArgs {
    /// The server.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = |text: &str| server(text, 69))]
    pub server: SocketAddrV4,

    /// Name of the file.
    #[arg(long)]
    pub file: String,

    /// Clients, with a socket and a transfer each.
    #[arg(long, default_value_t = 100)]
    pub clients: usize,

    /// What the server has to send. Without it the file is fetched once before the load begins,
    /// and all transfers have to be like that one.
    #[arg(long, value_name = "PATH")]
    pub expect: Option<PathBuf>,

    /// Bytes of a block (RFC 2348).
    #[arg(long, value_name = "BYTES", default_value_t = 1468,
          value_parser = clap::value_parser!(u16).range(8..=65_464))]
    pub block_size: u16,

    /// Blocks of a window (RFC 7440).
    #[arg(long, value_name = "BLOCKS", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub window: u16,

    /// Take in blocks that arrive together as one (UDP GRO), which costs the generator less.
    #[arg(long)]
    pub gro: bool,

    /// Start the clients over this time instead of all at once.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub spread: Duration,

    /// Our address.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub local: Ipv4Addr,

    /// Give up what is not done then.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub limit: Duration,
}

/// `loadgen http`.
#[derive(Debug, Args)]
pub struct HttpArgs {
    /// The server.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = |text: &str| server(text, 80))]
    pub server: SocketAddrV4,

    /// What is asked for.
    #[arg(long)]
    pub path: String,

    /// Connections, which stay open.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,

    /// How long.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub duration: Duration,

    /// Stop after so many responses instead.
    #[arg(long, value_name = "COUNT", conflicts_with = "duration")]
    pub responses: Option<u64>,

    /// Compare bodies with this file. Without it the kernel throws them away, which costs least.
    #[arg(long, value_name = "PATH")]
    pub expect: Option<PathBuf>,

    /// Our address.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub local: Ipv4Addr,

    /// Give up what is not done then.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub limit: Duration,
}

/// An address with or without a port.
fn server(text: &str, port: u16) -> Result<SocketAddrV4, String> {
    if let Ok(address) = text.parse() {
        return Ok(SocketAddrV4::new(address, port));
    }
    text.parse()
        .map_err(|_| format!("write an IPv4 address, such as 10.77.0.1 or 10.77.0.1:{port}"))
}
