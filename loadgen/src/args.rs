//! The command line.

mod parts;
mod storm;
mod units;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use parts::{DhcpArgs, HttpArgs, TftpArgs};
pub use storm::{FleetArgs, LabArgs, StormArgs};
pub(crate) use units::{Words, duration};

/// Simulated PXE clients, ten thousand at a time, against any boot server.
///
/// Run it from a host of its own, or against a server on the same host with `loadgen lab`. It
/// needs root (or CAP_NET_RAW and CAP_NET_ADMIN) for whatever sends frames.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot many machines against a server, with their firmware's timers and habits.
    Storm(StormArgs),
    /// The same against a server that is started in a network of its own on this host.
    Lab(LabArgs),
    /// Lay two records of runs side by side.
    Compare(CompareArgs),
    /// Load a DHCP server with complete exchanges, as many at a time as told.
    Dhcp(DhcpArgs),
    /// Let many TFTP clients fetch a file at the same time.
    Tftp(TftpArgs),
    /// Ask for a file over many HTTP connections, again and again.
    Http(HttpArgs),
}

/// `loadgen compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// The record of one run, which `--json` wrote.
    pub a: PathBuf,

    /// The record of the other.
    pub b: PathBuf,

    /// Write the comparison with pictures here: one page that needs nothing else.
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
